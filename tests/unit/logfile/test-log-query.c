/* test-log-query.c: filters against the same question asked line by line, and the next error */

#include "src/logfile/fz-log-query.h"
#include "tests/unit/logfile/log-lines.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define N_LINES 30000u

static FzLogIndex *
index_of (const char *path)
{
  FzLogIndex *index = fz_log_index_open (path, NULL);

  g_assert_nonnull (index);
  g_assert_true (fz_log_index_grow (index, 0, NULL, NULL, NULL));
  return index;
}

static FzLogIndex *
index_of_text (const char *text)
{
  g_autofree char *path = NULL;
  FzLogIndex *index;

  close (g_file_open_tmp ("fz-log-XXXXXX", &path, NULL));
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  index = index_of (path);
  g_unlink (path);
  return index;
}

static GArray *
run (FzLogIndex *index, const FzLogQuery *query, uint32_t first, uint32_t end)
{
  GArray *lines = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_autoptr (GError) error = NULL;

  g_assert_true (fz_log_query_run (query, index, first, end, NULL, lines, &error));
  g_assert_no_error (error);
  return lines;
}

/* The sweep answers what every line by itself answers. */
static uint32_t
assert_agrees (FzLogIndex *index, const FzLogQuery *query)
{
  uint32_t n_lines = fz_log_index_get_n_lines (index), n = 0;
  g_autoptr (GArray) lines = run (index, query, 0, n_lines);
  g_autoptr (GString) buffer = g_string_new (NULL);

  for (uint32_t i = 0; i < n_lines; i++)
    if (fz_log_query_matches (query, index, i, buffer)) {
      g_assert_cmpuint (n, <, lines->len);
      g_assert_cmpuint (g_array_index (lines, uint32_t, n), ==, i);
      n++;
    }
  g_assert_cmpuint (n, ==, lines->len);
  return n;
}

static void
test_filters (void)
{
  g_autofree char *path = log_lines_write (N_LINES);
  g_autoptr (FzLogIndex) index = index_of (path);
  FzLogQuery query = { .least = FZ_LOG_TRACE, .from_us = INT64_MIN, .until_us = INT64_MAX };

  g_assert_true (fz_log_query_is_all (&query));
  g_assert_cmpuint (assert_agrees (index, &query), ==, N_LINES);
  query.least = FZ_LOG_ERROR;
  g_assert_cmpuint (assert_agrees (index, &query), ==, N_LINES / 1000);
  query.least = FZ_LOG_WARNING;
  g_assert_cmpuint (assert_agrees (index, &query), ==, N_LINES / 1000 + N_LINES / 100);
  query.least = FZ_LOG_TRACE;

  query.from_us = LOG_LINES_START_US + 100 * LOG_LINES_STEP_US; /* inclusive */
  query.until_us = LOG_LINES_START_US + 200 * LOG_LINES_STEP_US;
  g_assert_cmpuint (assert_agrees (index, &query), ==, 100);
  query.from_us = INT64_MIN;
  query.until_us = INT64_MAX;

  query.target_prefix = (char *) "wire";
  g_assert_cmpuint (assert_agrees (index, &query), ==, (N_LINES + 8) / 9);
  query.target_prefix = (char *) "no such";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 0);
  query.target_prefix = (char *) "";

  query.text = (char *) "PACKET 12345 OF";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 1);
  query.text = (char *) "packet";
  g_assert_cmpuint (assert_agrees (index, &query), ==, N_LINES);
  query.text = (char *) "}"; /* the last byte of every line, also of the last */
  g_assert_cmpuint (assert_agrees (index, &query), ==, N_LINES);
  query.text = (char *) "\"is_relayed\":true";
  g_assert_cmpuint (assert_agrees (index, &query), ==, N_LINES / 2);
  query.text = (char *) "not in there";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 0);

  query.text = (char *) "c1f0-1";
  query.least = FZ_LOG_WARNING;
  query.target_prefix = (char *) "i";
  query.from_us = LOG_LINES_START_US + N_LINES / 3 * LOG_LINES_STEP_US;
  g_assert_cmpuint (assert_agrees (index, &query), >, 0);
  g_unlink (path);
}

/* Hits at every place relative to the window's edge: lines of odd lengths, some longer than it. */
static void
test_windows (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (FzLogIndex) index = NULL;
  FzLogQuery query = { .least = FZ_LOG_TRACE, .from_us = INT64_MIN, .until_us = INT64_MAX };
  g_autoptr (GArray) lines = NULL;
  uint32_t n_expected = 0;

  for (unsigned i = 0; text->len < 3000000; i++) {
    bool has_it = i % 3 == 0;

    n_expected += has_it;
    for (unsigned k = 0; k < i * 7919 % 5000; k++)
      g_string_append_c (text, (char) ('a' + k % 5));
    g_string_append (text, has_it ? "needle\n" : "needl\n");
  }
  g_string_append_printf (text, "%*s", 600000, "needle");
  g_string_append (text, "\nneedle"); /* torn */
  index = index_of_text (text->str);
  query.text = (char *) "needle";
  lines = run (index, &query, 0, fz_log_index_get_n_lines (index));
  g_assert_cmpuint (lines->len, ==, n_expected + 2);
}

/* What stands behind @end belongs to nobody's answer, not even to the last line's. */
static void
test_parts (void)
{
  g_autoptr (FzLogIndex) index = index_of_text ("a x\nb\nc x\nd\ne x\nf x");
  FzLogQuery query = { .least = FZ_LOG_TRACE, .from_us = INT64_MIN, .until_us = INT64_MAX };

  query.text = (char *) "X";
  for (uint32_t first = 0; first <= 6; first++)
    for (uint32_t end = first; end <= 6; end++) {
      g_autoptr (GArray) part = run (index, &query, first, end);
      uint32_t expected = 0;

      for (uint32_t i = first; i < end; i++)
        expected += i != 1 && i != 3;
      g_assert_cmpuint (part->len, ==, expected);
    }
}

/* Lines that do not say their level may be what one is looking for. */
static void
test_raw_lines (void)
{
  g_autoptr (FzLogIndex) index = index_of_text ("{\"severity\":\"DEBUG\",\"target\":\"a\"}\n"
                                                "thread panicked\n"
                                                "{\"severity\":\"ERROR\",\"target\":\"b\"}\n");
  FzLogQuery query = { .least = FZ_LOG_ERROR, .from_us = INT64_MIN, .until_us = INT64_MAX };

  g_assert_cmpuint (assert_agrees (index, &query), ==, 2);
  query.target_prefix = (char *) "b";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 1);
}

/* People type what they see; the file has escapes. */
static void
test_escaped_text (void)
{
  g_autoptr (FzLogIndex) index =
      index_of_text ("{\"message\":\"say \\\"hi\\\" to C:\\\\x\"}\n{\"message\":\"hi\"}\n");
  FzLogQuery query = { .least = FZ_LOG_TRACE, .from_us = INT64_MIN, .until_us = INT64_MAX };

  query.text = (char *) "say \"HI\"";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 1);
  query.text = (char *) "c:\\x";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 1);
  query.text = (char *) "\"message\":\"hi";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 1);
  query.text = (char *) "\"}";
  g_assert_cmpuint (assert_agrees (index, &query), ==, 2);
}

/* Too many targets for numbers: the lines are asked themselves. */
static void
test_many_targets (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (FzLogIndex) index = NULL;
  FzLogQuery query = { .least = FZ_LOG_TRACE, .from_us = INT64_MIN, .until_us = INT64_MAX };

  for (unsigned i = 0; i < FZ_LOG_TARGETS_MAX + 100; i++)
    g_string_append_printf (text, "{\"target\":\"%s%u\"}\n", i % 2 == 0 ? "even" : "odd", i);
  index = index_of_text (text->str);
  query.target_prefix = (char *) "even";
  g_assert_cmpuint (assert_agrees (index, &query), ==, (FZ_LOG_TARGETS_MAX + 100) / 2);
}

static void
test_cancelled (void)
{
  g_autofree char *path = log_lines_write (100);
  g_autoptr (FzLogIndex) index = index_of (path);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (FzLogQuery) query = fz_log_query_new ();
  g_autoptr (GArray) lines = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (fz_log_query_run (query, index, 0, 100, cancellable, lines, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  fz_log_query_set_text (query, "x");
  g_assert_false (fz_log_query_run (query, index, 0, 100, cancellable, lines, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_unlink (path);
}

static void
test_next_error (void)
{
  g_autofree char *path = log_lines_write (5000);
  g_autoptr (FzLogIndex) index = index_of (path);
  FzLogQuery query = { .least = FZ_LOG_WARNING, .from_us = INT64_MIN, .until_us = INT64_MAX };
  g_autoptr (GArray) rows = run (index, &query, 0, 5000);
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  uint32_t row;

#define FIND(rows, row, step) fz_log_rows_find_level (index, rows, row, step, FZ_LOG_ERROR)
  g_assert_cmpuint (FIND (NULL, FZ_LOG_NO_ROW, 1), ==, 999);
  g_assert_cmpuint (FIND (NULL, 999, 1), ==, 1999);
  g_assert_cmpuint (FIND (NULL, 1500, -1), ==, 999);
  g_assert_cmpuint (FIND (NULL, FZ_LOG_NO_ROW, -1), ==, 4999);
  g_assert_cmpuint (FIND (NULL, 4999, 1), ==, FZ_LOG_NO_ROW);
  g_assert_cmpuint (FIND (NULL, 999, -1), ==, FZ_LOG_NO_ROW);
  g_assert_cmpuint (FIND (NULL, 0, -1), ==, FZ_LOG_NO_ROW);
  row = FIND (rows, FZ_LOG_NO_ROW, 1);
  g_assert_cmpuint (g_array_index (rows, uint32_t, row), ==, 999);
  row = FIND (rows, row, 1);
  g_assert_cmpuint (g_array_index (rows, uint32_t, row), ==, 1999);
  g_assert_cmpuint (FIND (none, FZ_LOG_NO_ROW, 1), ==, FZ_LOG_NO_ROW);
  g_assert_cmpuint (FIND (none, FZ_LOG_NO_ROW, -1), ==, FZ_LOG_NO_ROW);
#undef FIND
  g_unlink (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-query/filters", test_filters);
  g_test_add_func ("/log-query/windows", test_windows);
  g_test_add_func ("/log-query/parts", test_parts);
  g_test_add_func ("/log-query/raw-lines", test_raw_lines);
  g_test_add_func ("/log-query/escaped-text", test_escaped_text);
  g_test_add_func ("/log-query/many-targets", test_many_targets);
  g_test_add_func ("/log-query/cancelled", test_cancelled);
  g_test_add_func ("/log-query/next-error", test_next_error);
  return g_test_run ();
}
