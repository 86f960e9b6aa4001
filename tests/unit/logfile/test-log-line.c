/* test-log-line.c: lines of ours, of upstream, foreign and torn ones */

#include "src/logfile/fz-log-line.h"

#include <string.h>

static FzSpan
span (const char *text)
{
  return fz_span (text, strlen (text));
}

static void
assert_span (FzSpan actual, const char *expected)
{
  g_autofree char *text =
      actual.length > 0 ? g_strndup ((const char *) actual.data, actual.length) : g_strdup ("");

  g_assert_cmpstr (text, ==, expected);
}

#define TIME    "2026-03-01T09:12:44.031Z"
#define TIME_US INT64_C (1772356364031000)

static const struct {
  const char *line;
  FzLogLineKind kind;
  int level;
  bool has_time;
  const char *target;
  const char *message;
  const char *why;
} lines[] = {
  { "{\"time\":\"" TIME "\",\"severity\":\"INFO\",\"target\":\"ice\",\"message\":\"m\"}",
    FZ_LOG_LINE_JSON,
    FZ_LOG_INFO,
    true,
    "ice",
    "m",
    "ours" },
  { "{\"time\":\"" TIME
    "\",\"target\":\"a::b\",\"logging.googleapis.com/sourceLocation\":{\"file\":"
    "\"x}\",\"line\":\"3\"},\"span\":{\"n\":[1,{}]},\"severity\":\"ERROR\",\"message\":\"m\",\"x\":"
    "1}",
    FZ_LOG_LINE_JSON,
    FZ_LOG_ERROR,
    true,
    "a::b",
    "m",
    "stackdriver's order, nested values" },
  { " { \"level\" : \"warn\" ,\t\"msg\" : \"m\" , \"timestamp\":\"" TIME "\" } ",
    FZ_LOG_LINE_JSON,
    FZ_LOG_WARNING,
    true,
    "",
    "m",
    "other names, blanks" },
  { "{}", FZ_LOG_LINE_JSON, FZ_LOG_LEVEL_UNKNOWN, false, "", "", "an object without anything" },
  { "{\"severity\":\"INFO\",\"severity\":\"ERROR\",\"target\":\"a\",\"target\":\"b\"}",
    FZ_LOG_LINE_JSON,
    FZ_LOG_INFO,
    false,
    "a",
    "",
    "the first of two counts" },
  { "{\"severity\":7,\"level\":\"ERROR\",\"target\":null}",
    FZ_LOG_LINE_JSON,
    FZ_LOG_ERROR,
    false,
    "",
    "",
    "values of a wrong type are passed by" },
  { "{\"message\":\"say \\\"hi\\\\\",\"severity\":\"DEBUG\"}",
    FZ_LOG_LINE_JSON,
    FZ_LOG_DEBUG,
    false,
    "",
    "say \\\"hi\\\\",
    "escaped quotes" },
  { "{\"time\":\"" TIME "\",\"severity\":\"ERROR\",\"target\":\"ice\",\"mess",
    FZ_LOG_LINE_RAW,
    FZ_LOG_ERROR,
    true,
    "ice",
    "{\"time\":\"" TIME "\",\"severity\":\"ERROR\",\"target\":\"ice\",\"mess",
    "torn: what was read counts, the line is shown" },
  { "{\"severity\":\"ERROR\"} trailing",
    FZ_LOG_LINE_RAW,
    FZ_LOG_ERROR,
    false,
    "",
    "{\"severity\":\"ERROR\"} trailing",
    "something behind the object" },
  { "{\"severity\":\"ERROR\",}",
    FZ_LOG_LINE_RAW,
    FZ_LOG_ERROR,
    false,
    "",
    "{\"severity\":\"ERROR\",}",
    "a comma too many" },
  { "{\"a\":32\"b\":1}",
    FZ_LOG_LINE_RAW,
    FZ_LOG_LEVEL_UNKNOWN,
    false,
    "",
    "{\"a\":32\"b\":1}",
    "a number that runs into a quote" },
  { "{\"a\":yes}",
    FZ_LOG_LINE_RAW,
    FZ_LOG_LEVEL_UNKNOWN,
    false,
    "",
    "{\"a\":yes}",
    "no JSON word" },
  { "{\"a\":1,\r\"b\":2}",
    FZ_LOG_LINE_RAW,
    FZ_LOG_LEVEL_UNKNOWN,
    false,
    "",
    "{\"a\":1,\r\"b\":2}",
    "a control character between fields" },
  { "{", FZ_LOG_LINE_RAW, FZ_LOG_LEVEL_UNKNOWN, false, "", "{", "a brace" },
  { TIME "  INFO firezone_tunnel::peer: new peer key=value",
    FZ_LOG_LINE_TEXT,
    FZ_LOG_INFO,
    true,
    "firezone_tunnel::peer",
    "new peer key=value",
    "upstream's text" },
  { TIME " ERROR no target: here",
    FZ_LOG_LINE_TEXT,
    FZ_LOG_ERROR,
    true,
    "",
    "no target: here",
    "text without a target" },
  { " WARN connlib: slow",
    FZ_LOG_LINE_TEXT,
    FZ_LOG_WARNING,
    false,
    "connlib",
    "slow",
    "text for the journal, without time" },
  { "ERROR is what I would call this",
    FZ_LOG_LINE_RAW,
    FZ_LOG_LEVEL_UNKNOWN,
    false,
    "",
    "ERROR is what I would call this",
    "prose" },
  { TIME, FZ_LOG_LINE_RAW, FZ_LOG_LEVEL_UNKNOWN, false, "", TIME, "nothing but a time" },
  { "thread 'main' panicked at src/main.rs:1:2:",
    FZ_LOG_LINE_RAW,
    FZ_LOG_LEVEL_UNKNOWN,
    false,
    "",
    "thread 'main' panicked at src/main.rs:1:2:",
    "foreign" },
  { "", FZ_LOG_LINE_RAW, FZ_LOG_LEVEL_UNKNOWN, false, "", "", "empty" },
  { "   ", FZ_LOG_LINE_RAW, FZ_LOG_LEVEL_UNKNOWN, false, "", "   ", "blank" },
};

static void
test_scan (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (lines); i++) {
    FzLogLine line, head;

    g_test_message ("%s", lines[i].why);
    fz_log_line_scan (span (lines[i].line), &line);
    g_assert_cmpint (line.kind, ==, lines[i].kind);
    g_assert_cmpint (line.level, ==, lines[i].level);
    g_assert_cmpint (line.time_us, ==, lines[i].has_time ? TIME_US : FZ_LOG_TIME_UNKNOWN);
    assert_span (line.target, lines[i].target);
    assert_span (line.message, lines[i].message);

    fz_log_line_scan_head (span (lines[i].line), &head);
    g_assert_cmpint (head.level, ==, line.level);
    g_assert_cmpint (head.time_us, ==, line.time_us);
    assert_span (head.target, lines[i].target);
    g_assert_cmpuint (head.message.length, ==, 0);
  }
}

/* Every line cut everywhere: reads nothing behind its end (the sanitizers look), and what the head
 * tells is what the whole scan tells. */
static void
test_cut (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (lines); i++)
    for (size_t length = 0; length <= strlen (lines[i].line); length++) {
      g_autofree char *copy = g_memdup2 (lines[i].line, MAX (length, 1));
      FzLogLine line, head;

      fz_log_line_scan (fz_span (copy, length), &line);
      fz_log_line_scan_head (fz_span (copy, length), &head);
      g_assert_cmpint (head.level, ==, line.level);
      g_assert_cmpint (head.time_us, ==, line.time_us);
      g_assert_true (head.target.data == line.target.data);
    }
}

static void
test_fields (void)
{
  static const struct {
    const char *key, *value;
    FzLogValueType type;
  } expected[] = {
    { "a", "x\\ny", FZ_LOG_VALUE_TEXT },
    { "b\\u0041", "-1.5e3", FZ_LOG_VALUE_NUMBER },
    { "c", "true", FZ_LOG_VALUE_WORD },
    { "d", "null", FZ_LOG_VALUE_WORD },
    { "e", "{\"a\":\"}\"}", FZ_LOG_VALUE_NESTED },
    { "f", "[1,[2]]", FZ_LOG_VALUE_NESTED },
    { "", "", FZ_LOG_VALUE_TEXT },
  };
  FzLogFieldIter iter;
  FzLogField field;

  fz_log_field_iter_init (
      &iter,
      span ("{\"a\":\"x\\ny\",\"b\\u0041\":-1.5e3,\"c\": true, \"d\":null,\"e\":{\"a\":\"}\"},"
            "\"f\":[1,[2]],\"\":\"\"}"));
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_assert_true (fz_log_field_iter_next (&iter, &field));
    assert_span (field.key, expected[i].key);
    assert_span (field.value, expected[i].value);
    g_assert_cmpint (field.type, ==, expected[i].type);
  }
  g_assert_false (fz_log_field_iter_next (&iter, &field));
  g_assert_false (fz_log_field_iter_next (&iter, &field));
  g_assert_false (iter.is_broken);
}

static void
test_times (void)
{
  static const struct {
    const char *text;
    int64_t us; /* FZ_LOG_TIME_UNKNOWN: no time */
  } times[] = {
    { TIME, TIME_US },
    { "1970-01-01T00:00:00Z", 0 },
    { "1969-12-31T23:59:59.999999Z", -1 },
    { "2024-02-29T00:00:00Z", INT64_C (1709164800000000) },
    { "2000-03-01 00:00", INT64_C (951868800000000) },
    { "2026-03-01T10:12:44.031+01:00", TIME_US },
    { "2026-03-01T03:42:44.031-0530", TIME_US },
    { "2026-03-01t09:12:44.031999999z", TIME_US + 999 },
    { "2026-03-01T09:12:44", TIME_US - 31000 },
    { "2026-13-01T09:12:44Z", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-00T09:12:44Z", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-01T24:12:44Z", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-01T09:12:44.Z", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-01T09:12:44.031Zx", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-01T09:12:44.031+1:00", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-01T09:12:4", FZ_LOG_TIME_UNKNOWN },
    { "2026-03-01", FZ_LOG_TIME_UNKNOWN },
    { "1772356364", FZ_LOG_TIME_UNKNOWN },
    { "", FZ_LOG_TIME_UNKNOWN },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (times); i++) {
    int64_t us = FZ_LOG_TIME_UNKNOWN;

    g_test_message ("%s", times[i].text);
    g_assert_true (fz_log_time_parse (span (times[i].text), &us) ==
                   (times[i].us != FZ_LOG_TIME_UNKNOWN));
    g_assert_cmpint (us, ==, times[i].us);
  }
}

/* GLib's calendar is the other opinion. */
static void
test_calendar (void)
{
  for (int64_t day = -20000; day < 40000; day += 17) {
    g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (day * 86400 + 4711);
    g_autofree char *text = g_date_time_format (date, "%Y-%m-%dT%H:%M:%SZ");
    int64_t us = 0;

    g_assert_true (fz_log_time_parse (span (text), &us));
    g_assert_cmpint (us, ==, (day * 86400 + 4711) * G_USEC_PER_SEC);
  }
}

static void
test_escapes (void)
{
  static const struct {
    const char *escaped, *plain;
  } texts[] = {
    { "plain", "plain" },
    { "a\\nb\\t\\\"\\\\\\/\\b\\f\\r", "a\nb\t\"\\/\b\f\r" },
    { "\\u0041\\u00fc\\u20ac", "A\u00fc\u20ac" },
    { "\\ud83d\\ude00", "\U0001f600" },
    { "\\ud83d!", "\ufffd!" },
    { "\\ude00", "\ufffd" },
    { "\\u0000", "\ufffd" },
    { "\\u12", "\ufffd12" },
    { "\\", "\ufffd" },
    { "a\xff"
      "b",
      "a\ufffd"
      "b" },
    { "\\\xc3", "\ufffd" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GString) plain = g_string_new (NULL), again = g_string_new (NULL);
    g_autoptr (GString) twice = g_string_new (NULL);

    fz_log_unescape (span (texts[i].escaped), plain);
    g_assert_cmpstr (plain->str, ==, texts[i].plain);
    g_assert_true (g_utf8_validate (plain->str, -1, NULL));
    fz_log_escape (fz_span (plain->str, plain->len), again);
    fz_log_unescape (fz_span (again->str, again->len), twice);
    g_assert_cmpstr (twice->str, ==, plain->str);
  }
}

static void
test_append_text (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  fz_log_append_text (fz_span ("a\x1b[31m\tb\0c\xf0", 11), text);
  g_assert_cmpstr (text->str,
                   ==,
                   "a\ufffd[31m\tb\ufffd"
                   "c\ufffd");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-line/scan", test_scan);
  g_test_add_func ("/log-line/cut", test_cut);
  g_test_add_func ("/log-line/fields", test_fields);
  g_test_add_func ("/log-line/times", test_times);
  g_test_add_func ("/log-line/calendar", test_calendar);
  g_test_add_func ("/log-line/escapes", test_escapes);
  g_test_add_func ("/log-line/append-text", test_append_text);
  return g_test_run ();
}
