/* fuzz-logline.c
 *
 * One line of a log: the head says what the whole scan says, fields lie inside
 * the line and in order, what is unescaped is text and survives being escaped,
 * the line's end is found in it, and redaction leaves JSON as JSON.
 */

#include "src/logfile/fz-log-entry.h"
#include "src/logfile/fz-log-needle.h"
#include "src/logfile/fz-log-redact.h"
#include "tests/fuzz/fuzz.h"

#define FLAGS (FZ_LOG_REDACT_ADDRESSES | FZ_LOG_REDACT_NAMES)

static void
check_scan (FzSpan line)
{
  FzLogLine whole, head;

  fz_log_line_scan (line, &whole);
  fz_log_line_scan_head (line, &head);
  g_assert_cmpint (head.level, ==, whole.level);
  g_assert_cmpint (head.time_us, ==, whole.time_us);
  g_assert_true (head.target.data == whole.target.data);
  g_assert_cmpuint (head.target.length, ==, whole.target.length);
}

static void
check_round_trip (FzSpan escaped)
{
  g_autoptr (GString) plain = g_string_new (NULL), again = g_string_new (NULL);
  g_autoptr (GString) twice = g_string_new (NULL);

  fz_log_unescape (escaped, plain);
  g_assert_true (g_utf8_validate_len (plain->str, plain->len, NULL));
  fz_log_escape (fz_span (plain->str, plain->len), again);
  fz_log_unescape (fz_span (again->str, again->len), twice);
  g_assert_true (g_string_equal (plain, twice));
}

static void
check_fields (FzSpan line)
{
  const uint8_t *at = line.data;
  FzLogFieldIter iter;
  FzLogField field;

  fz_log_field_iter_init (&iter, line);
  while (fz_log_field_iter_next (&iter, &field)) {
    g_assert_true (field.key.data >= at);
    g_assert_true (field.value.data >= field.key.data + field.key.length);
    at = field.value.data + field.value.length;
    g_assert_true (at <= line.data + line.length);
    check_round_trip (field.key);
    if (field.type == FZ_LOG_VALUE_TEXT)
      check_round_trip (field.value);
  }
}

static void
check_entry (FzSpan line)
{
  g_autoptr (FzLogEntry) entry = fz_log_entry_parse (line, 0);
  g_autofree char *text = fz_log_entry_to_text (entry);
  g_autofree char *json = fz_log_entry_to_json (entry);
  FzLogLine again;

  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_true (g_utf8_validate (json, -1, NULL));
  fz_log_line_scan (fz_span (json, strlen (json)), &again);
  g_assert_cmpint (again.kind, ==, FZ_LOG_LINE_JSON);
}

static FzLogLineKind
kind_of (FzSpan line)
{
  FzLogLine scanned;

  fz_log_line_scan (line, &scanned);
  return scanned.kind;
}

static void
check_redaction (FzSpan line)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (FLAGS);
  g_autoptr (GString) once = g_string_new (NULL);

  g_assert_true (fz_log_redact_add_name (redact, "alice"));
  fz_log_redact_line (redact, line, once);
  g_assert_null (memchr (once->str, '\n', once->len));
  if (kind_of (line) == FZ_LOG_LINE_JSON)
    g_assert_cmpint (kind_of (fz_span (once->str, once->len)), ==, FZ_LOG_LINE_JSON);
}

static void
check_search (FzSpan line)
{
  size_t n = line.length < 4 ? line.length : 4;
  FzLogNeedle needle;

  if (n == 0)
    return;
  fz_log_needle_init (&needle, fz_span (line.data + line.length - n, n));
  g_assert_cmpuint (fz_log_needle_find (&needle, line, 0), <=, line.length - n);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *newline = size > 0 ? memchr (data, '\n', size) : NULL;
  FzSpan line = fz_span (data, newline != NULL ? (size_t) (newline - data) : size);

  check_scan (line);
  check_fields (line);
  check_entry (line);
  check_redaction (line);
  check_search (line);
  return 0;
}
