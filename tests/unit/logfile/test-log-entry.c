/* test-log-entry.c: one line as people see it and take it along */

#include "src/logfile/fz-log-entry.h"

#include <string.h>

static FzLogEntry *
parse (const char *line)
{
  return fz_log_entry_parse (fz_span (line, strlen (line)), 7);
}

static void
assert_field (const FzLogEntry *entry, guint i, const char *key, const char *value)
{
  const FzLogEntryField *field;

  g_assert_cmpuint (i, <, entry->fields->len);
  field = entry->fields->pdata[i];
  g_assert_cmpstr (field->key, ==, key);
  g_assert_cmpstr (field->value, ==, value);
}

static void
test_json (void)
{
  static const char line[] =
      "{\"time\":\"2026-03-01T09:12:44.031Z\",\"severity\":\"INFO\",\"target\":\"ice\","
      "\"message\":\"it is\\nup\",\"n\":3,\"span\":{\"a\":[1]},\"peer\":\"c1f0\"}";
  g_autoptr (FzLogEntry) entry = parse (line);
  g_autofree char *text = fz_log_entry_to_text (entry);
  g_autofree char *json = fz_log_entry_to_json (entry);

  g_assert_cmpuint (entry->line, ==, 7);
  g_assert_cmpstr (entry->target, ==, "ice");
  g_assert_cmpstr (entry->message, ==, "it is\nup");
  g_assert_cmpuint (entry->fields->len, ==, 7);
  assert_field (entry, 0, "time", "2026-03-01T09:12:44.031Z");
  assert_field (entry, 4, "n", "3");
  assert_field (entry, 5, "span", "{\"a\":[1]}");
  assert_field (entry, 6, "peer", "c1f0");
  g_assert_cmpstr (json, ==, line);
  g_assert_cmpstr (
      text, ==, "2026-03-01 09:12:44.031 INFO    ice: it is\nup n=3 span={\"a\":[1]} peer=c1f0");
}

/* What stands behind the message in a list of lines. */
static void
test_details (void)
{
  static const struct {
    const char *line, *details;
  } cases[] = {
    { "{\"time\":\"2026-03-01T09:12:44.031Z\",\"severity\":\"INFO\",\"target\":\"node\","
      "\"message\":\"up\",\"event\":\"peer-up\",\"from\":null,\"why\":\"\",\"path\":\"direct\","
      "\"n\":0,\"is_new\":false}",
      "path=direct n=0 is_new=false" },
    { "{\"event\":\"dns-set\",\"word\":\"null\"}", "word=null" },
    { "{\"message\":\"only\"}", "" },
    { "{\"a\":1}", "" }, /* the message is the line */
    { "2026-03-01T09:12:44.031Z  WARN a::b: say k=v", "" },
    { "{\"severity\":\"ERROR\",\"n\":1,\"mess", "" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (FzLogEntry) entry = parse (cases[i].line);
    g_autofree char *details = fz_log_entry_dup_details (entry);

    g_assert_cmpstr (details, ==, cases[i].details);
  }
}

static void
test_no_message (void)
{
  g_autoptr (FzLogEntry) event = parse ("{\"event\":\"dns-set\",\"a\":1}");
  g_autoptr (FzLogEntry) nothing = parse ("{\"a\":1}");

  g_assert_cmpstr (event->message, ==, "dns-set");
  g_assert_cmpstr (nothing->message, ==, "{\"a\":1}");
  g_assert_cmpstr (fz_log_entry_get_level_name (nothing), ==, "");
}

static void
test_text (void)
{
  g_autoptr (FzLogEntry) entry = parse ("2026-03-01T09:12:44.031Z  WARN a::b: say \"x\" k=v");
  g_autofree char *json = fz_log_entry_to_json (entry);

  g_assert_cmpstr (json,
                   ==,
                   "{\"time\":\"2026-03-01T09:12:44.031000Z\",\"severity\":\"WARNING\","
                   "\"target\":\"a::b\",\"message\":\"say \\\"x\\\" k=v\"}");
  g_assert_cmpuint (entry->fields->len, ==, 4);
  assert_field (entry, 0, "time", "2026-03-01T09:12:44.031Z");
  assert_field (entry, 3, "message", "say \"x\" k=v");
}

static void
test_raw (void)
{
  g_autoptr (FzLogEntry) torn = parse ("{\"severity\":\"ERROR\",\"n\":1,\"mess");
  g_autoptr (FzLogEntry) foreign = parse ("bad \xff\x1b[0m");
  g_autofree char *text = fz_log_entry_to_text (torn);
  g_autofree char *json = fz_log_entry_to_json (foreign);

  g_assert_cmpint (torn->kind, ==, FZ_LOG_LINE_RAW);
  g_assert_cmpint (torn->level, ==, FZ_LOG_ERROR);
  g_assert_cmpuint (torn->fields->len, ==, 2); /* what could be read */
  g_assert_cmpstr (text, ==, "{\"severity\":\"ERROR\",\"n\":1,\"mess");
  g_assert_cmpstr (foreign->message, ==, "bad \ufffd\ufffd[0m");
  g_assert_cmpstr (json, ==, "{\"message\":\"bad \ufffd\ufffd[0m\"}");
}

static void
test_times (void)
{
  g_autofree char *before = fz_log_time_format (-1);
  g_autofree char *unknown = fz_log_time_format (FZ_LOG_TIME_UNKNOWN);
  g_autofree char *far = fz_log_time_format (INT64_MAX); /* beyond any calendar */

  g_assert_cmpstr (before, ==, "1969-12-31 23:59:59.999");
  g_assert_cmpstr (unknown, ==, "");
  g_assert_cmpstr (far, ==, "");
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-entry/json", test_json);
  g_test_add_func ("/log-entry/details", test_details);
  g_test_add_func ("/log-entry/no-message", test_no_message);
  g_test_add_func ("/log-entry/text", test_text);
  g_test_add_func ("/log-entry/raw", test_raw);
  g_test_add_func ("/log-entry/times", test_times);
  return g_test_run ();
}
