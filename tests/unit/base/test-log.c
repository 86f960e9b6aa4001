/* test-log.c: records, and their JSON lines */

#include "src/base/fz-log.h"

#include <glib.h>
#include <string.h>

#define TIME "2026-03-01T09:12:44.031Z"

typedef struct {
  FzLogLevel limit;
  unsigned n_asked;
  unsigned n_written;
  FzLogRecord last;
} Sink;

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  Sink *sink = context;

  sink->n_asked++;
  g_assert_cmpstr (target, ==, "ice");
  return level <= sink->limit;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  Sink *sink = context;

  sink->n_written++;
  sink->last = *record;
}

static unsigned n_evaluated;

static uint64_t
count_evaluation (void)
{
  return ++n_evaluated;
}

static void
test_sink (void)
{
  Sink sink = { .limit = FZ_LOG_INFO };
  const FzLogSink functions = { wants, write_record, &sink };
  const FzLog root = { &functions, "other" };
  const FzLog log = fz_log_for (&root, "ice");

  fz_log (&log, FZ_LOG_INFO, "some-event", "something", FZ_KV_U64 ("n", count_evaluation ()));
  g_assert_cmpuint (sink.n_written, ==, 1);
  g_assert_cmpstr (sink.last.target, ==, "ice");
  g_assert_cmpstr (sink.last.event, ==, "some-event");
  g_assert_cmpuint (sink.last.n_fields, ==, 1);

  fz_log (&log, FZ_LOG_DEBUG, "some-event", "something", FZ_KV_U64 ("n", count_evaluation ()));
  fz_log_plain (&log, FZ_LOG_TRACE, "some-event", "something");
  g_assert_cmpuint (sink.n_written, ==, 1);
  g_assert_cmpuint (n_evaluated, ==, 1);

  fz_log_plain (&log, FZ_LOG_ERROR, "some-event", "something");
  g_assert_cmpuint (sink.n_written, ==, 2);
  g_assert_cmpuint (sink.last.n_fields, ==, 0);
}

static void
test_silent (void)
{
  const FzLog log = { NULL, "ice" };

  fz_log (&log, FZ_LOG_ERROR, "some-event", "something", FZ_KV_U64 ("n", count_evaluation ()));
  fz_log_write (&log, FZ_LOG_ERROR, "some-event", "something", NULL, 0);
}

static void
test_values (void)
{
  char scratch[FZ_KV_VALUE_TEXT_MAX];
  FzIp ip;
  FzSocketAddress longest;
  FzUuid uuid;

  g_assert_true (fz_ip_parse ("192.0.2.7", &ip));
  g_assert_true (
      fz_socket_address_parse ("[fd00:2021:1111:aaaa:bbbb:cccc:dddd:eeee]:65535", &longest));
  g_assert_true (fz_uuid_parse ("00112233-4455-6677-8899-AABBCCDDEEFF", &uuid));
  const struct {
    FzKv field;
    const char *text;
  } rows[] = {
    { FZ_KV_TEXT ("k", "as \"it\" is\n"), "as \"it\" is\n" },
    { FZ_KV_TEXT ("k", NULL), "null" },
    { FZ_KV_U64 ("k", UINT64_MAX), "18446744073709551615" },
    { FZ_KV_I64 ("k", INT64_MIN), "-9223372036854775808" },
    { FZ_KV_BOOL ("k", true), "true" },
    { FZ_KV_BOOL ("k", false), "false" },
    { FZ_KV_IP ("k", &ip), "192.0.2.7" },
    { FZ_KV_SOCKET ("k", &longest), "[fd00:2021:1111:aaaa:bbbb:cccc:dddd:eeee]:65535" },
    { FZ_KV_UUID ("k", &uuid), "00112233-4455-6677-8899-aabbccddeeff" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpstr (fz_kv_format (&rows[i].field, scratch), ==, rows[i].text);
}

static void
assert_line (const FzLogRecord *record, const char *expected)
{
  char out[2048];
  size_t length;

  memset (out, '#', sizeof out);
  length = fz_log_record_to_json (record, TIME, out, sizeof out);
  g_assert_cmpmem (out, length, expected, strlen (expected));
  g_assert_cmpint (out[length], ==, '#');
}

static void
test_json_types (void)
{
  FzIp ip;
  FzSocketAddress socket;
  FzUuid uuid;

  g_assert_true (fz_ip_parse ("fd00:2021:1111::7", &ip));
  g_assert_true (fz_socket_address_parse ("[::1]:3478", &socket));
  g_assert_true (fz_uuid_parse ("00112233-4455-6677-8899-AABBCCDDEEFF", &uuid));
  const FzKv fields[] = {
    FZ_KV_TEXT ("name", "gw"),    FZ_KV_TEXT ("none", NULL),    FZ_KV_U64 ("max", UINT64_MAX),
    FZ_KV_I64 ("min", INT64_MIN), FZ_KV_BOOL ("yes", true),     FZ_KV_BOOL ("no", false),
    FZ_KV_IP ("ip", &ip),         FZ_KV_SOCKET ("at", &socket), FZ_KV_UUID ("peer", &uuid),
  };
  const FzLogRecord record = {
    FZ_LOG_WARNING, "wireguard", "some-event", "a message", fields, G_N_ELEMENTS (fields),
  };

  assert_line (&record,
               "{\"time\":\"" TIME "\",\"severity\":\"WARNING\",\"target\":\"wireguard\","
               "\"message\":\"a message\",\"event\":\"some-event\",\"name\":\"gw\",\"none\":null,"
               "\"max\":18446744073709551615,\"min\":-9223372036854775808,\"yes\":true,"
               "\"no\":false,\"ip\":\"fd00:2021:1111::7\",\"at\":\"[::1]:3478\","
               "\"peer\":\"00112233-4455-6677-8899-aabbccddeeff\"}\n");
}

static void
test_json_escapes (void)
{
  static const struct {
    const char *text;
    const char *json;
    const char *why;
  } rows[] = {
    { "plain", "plain", "as it is" },
    { "a\"b\\c", "a\\\"b\\\\c", "quote and backslash" },
    { "\b\f\n\r\t", "\\b\\f\\n\\r\\t", "short escapes" },
    { "\x01\x1f\x7f", "\\u0001\\u001f\x7f", "control characters; DEL may stand" },
    { "/", "/", "a slash needs none" },
    { "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5",
      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5",
      "UTF-8 of two, three and four bytes" },
    { "\xff", "\xef\xbf\xbd", "no UTF-8 at all" },
    { "a\x80z", "a\xef\xbf\xbdz", "continuation without a start" },
    { "\xc3", "\xef\xbf\xbd", "cut short by the end" },
    { "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd", "cut short, byte for byte" },
    { "\xe2\x82\"", "\xef\xbf\xbd\xef\xbf\xbd\\\"", "cut short by a quote" },
    { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "overlong slash" },
    { "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "overlong in three" },
    { "\xf0\x80\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "overlong in four" },
    { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "surrogate" },
    { "\xed\x9f\xbf", "\xed\x9f\xbf", "last before the surrogates" },
    { "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "U+10FFFF" },
    { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "one past it" },
    { "\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "no such start" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const FzKv field = FZ_KV_TEXT ("text", rows[i].text);
    const FzLogRecord record = { FZ_LOG_INFO, "t", "e", rows[i].text, &field, 1 };
    g_autofree char *expected =
        g_strdup_printf ("{\"time\":\"" TIME "\",\"severity\":\"INFO\",\"target\":\"t\","
                         "\"message\":\"%s\",\"event\":\"e\",\"text\":\"%s\"}\n",
                         rows[i].json,
                         rows[i].json);

    g_test_message ("%s", rows[i].why);
    assert_line (&record, expected);
  }
}

/* A line that is whole: it ends as it should and its quotes are balanced. */
static void
assert_whole (const char *line, size_t length, bool is_truncated)
{
  bool is_quoted = false;

  g_assert_cmpint (line[0], ==, '{');
  g_assert_cmpint (line[length - 2], ==, '}');
  g_assert_cmpint (line[length - 1], ==, '\n');
  for (size_t i = 0; i < length - 1; i++) {
    g_assert_cmpint (line[i], !=, '\n');
    if (is_quoted && line[i] == '\\')
      i++;
    else if (line[i] == '"')
      is_quoted = !is_quoted;
  }
  g_assert_false (is_quoted);
  g_assert_true (g_utf8_validate (line, (gssize) length, NULL));
  g_assert_true (is_truncated ==
                 (g_strstr_len (line, (gssize) length, ",\"truncated\":true}\n") != NULL));
}

static void
test_json_loses_fields_from_the_end (void)
{
  g_autofree char *big = g_strnfill (300, 'x');
  const FzKv fields[] = {
    FZ_KV_TEXT ("first", big),
    FZ_KV_TEXT ("second", big),
    FZ_KV_U64 ("third", 3),
  };
  const FzLogRecord record = { FZ_LOG_INFO, "t", "e", "m", fields, 3 };
  char out[512];
  size_t length = fz_log_record_to_json (&record, TIME, out, sizeof out);

  assert_whole (out, length, true);
  g_assert_nonnull (g_strstr_len (out, (gssize) length, "\"first\":"));
  g_assert_null (g_strstr_len (out, (gssize) length, "second"));
  g_assert_null (g_strstr_len (out, (gssize) length, "third"));
}

static void
test_json_any_capacity (void)
{
  g_autofree char *quotes = g_strnfill (900, '\x01'); /* six bytes each when escaped */
  const FzKv field = FZ_KV_TEXT ("f", quotes);
  const FzLogRecord records[] = {
    { FZ_LOG_WARNING, "t", "e", "m", &field, 1 },
    { FZ_LOG_WARNING, "t", "e", quotes, NULL, 0 },
    { FZ_LOG_WARNING, quotes, quotes, quotes, &field, 1 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (records); i++)
    for (size_t capacity = 512; capacity < 700; capacity++) {
      g_autofree char *out = g_malloc (capacity); /* its size exactly, for ASan */
      size_t length = fz_log_record_to_json (&records[i], TIME, out, capacity);

      g_assert_cmpuint (length, <=, capacity);
      assert_whole (out, length, true);
    }
}

static void
test_json_cuts_between_characters (void)
{
  GString *text = g_string_new (NULL);

  for (int i = 0; i < 400; i++)
    g_string_append (text, "\xf0\x9f\x94\xa5");
  for (int shift = 0; shift < 4; shift++) {
    const FzLogRecord record = { FZ_LOG_INFO, "t", "e", text->str, NULL, 0 };
    char out[512];

    assert_whole (out, fz_log_record_to_json (&record, TIME, out, sizeof out), true);
    g_string_prepend_c (text, 'x');
  }
  g_string_free (text, TRUE);
}

static void
test_json_fits_to_the_byte (void)
{
  char out[1024];

  for (size_t n = 0; n < 600; n++) {
    g_autofree char *text = g_strnfill (n, 'x');
    const FzKv field = FZ_KV_TEXT ("f", text);
    const FzLogRecord record = { FZ_LOG_INFO, "t", "e", "m", &field, 1 };
    size_t length = fz_log_record_to_json (&record, TIME, out, 512);
    bool is_kept = g_strstr_len (out, (gssize) length, text) != NULL && n > 0;

    assert_whole (out, length, n > 0 && !is_kept);
    g_assert_cmpuint (length, <=, 512);
  }
}

static void
test_level_names (void)
{
  g_assert_cmpstr (fz_log_level_name (FZ_LOG_ERROR), ==, "ERROR");
  g_assert_cmpstr (fz_log_level_name (FZ_LOG_WARNING), ==, "WARNING");
  g_assert_cmpstr (fz_log_level_name (FZ_LOG_INFO), ==, "INFO");
  g_assert_cmpstr (fz_log_level_name (FZ_LOG_DEBUG), ==, "DEBUG");
  g_assert_cmpstr (fz_log_level_name (FZ_LOG_TRACE), ==, "TRACE");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/sink", test_sink);
  g_test_add_func ("/log/silent", test_silent);
  g_test_add_func ("/log/level-names", test_level_names);
  g_test_add_func ("/log/values", test_values);
  g_test_add_func ("/log/json/types", test_json_types);
  g_test_add_func ("/log/json/escapes", test_json_escapes);
  g_test_add_func ("/log/json/loses-fields-from-the-end", test_json_loses_fields_from_the_end);
  g_test_add_func ("/log/json/any-capacity", test_json_any_capacity);
  g_test_add_func ("/log/json/cuts-between-characters", test_json_cuts_between_characters);
  g_test_add_func ("/log/json/fits-to-the-byte", test_json_fits_to_the_byte);
  return g_test_run ();
}
