/* test-log-search.c: queries by workers: the whole answer, parts of it, cancellation */

#include "src/logfile/fz-log-search.h"
#include "tests/unit/logfile/log-lines.h"

#include <glib/gstdio.h>

#define N_LINES 300000u /* long enough for several threads */

typedef struct {
  GAsyncResult *result;
  GArray *lines; /* of the last part */
  uint32_t n_lines;
  guint n_parts;
} Answer;

static FzLogIndex *
index_of (const char *path)
{
  FzLogIndex *index = fz_log_index_open (path, NULL);

  g_assert_nonnull (index);
  g_assert_true (fz_log_index_grow (index, 0, NULL, NULL, NULL));
  return index;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->result = g_object_ref (result);
}

static bool
begins_with (const GArray *whole, const GArray *part)
{
  return whole->len >= part->len &&
         (part->len == 0 || memcmp (whole->data, part->data, part->len * sizeof (uint32_t)) == 0);
}

static void
on_part (GArray *lines, uint32_t n_lines, gpointer user_data)
{
  Answer *answer = user_data;

  g_assert_null (answer->result); /* the answer is the last to come */
  g_assert_cmpuint (lines->len, >, 0);
  g_assert_cmpuint (n_lines, >, answer->n_lines);
  g_assert_cmpuint (g_array_index (lines, uint32_t, lines->len - 1), <, n_lines);
  if (answer->lines != NULL)
    g_assert_true (begins_with (lines, answer->lines));
  g_clear_pointer (&answer->lines, g_array_unref);
  answer->lines = lines;
  answer->n_lines = n_lines;
  answer->n_parts++;
}

static GArray *
finish (Answer *answer, uint32_t *out_n_lines, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  while (answer->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  result = g_steal_pointer (&answer->result);
  return fz_log_search_finish (result, out_n_lines, error);
}

/* As one thread answers it, and each part is how it begins. */
static void
assert_agrees (FzLogIndex *index, const FzLogQuery *query)
{
  const uint32_t n_lines = fz_log_index_get_n_lines (index);
  g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_autoptr (GArray) lines = NULL;
  Answer answer = { .result = NULL };
  uint32_t n_searched = 0;

  g_assert_true (fz_log_query_run (query, index, 0, n_lines, NULL, expected, NULL));
  fz_log_search_async (query, index, NULL, on_part, on_answer, &answer);
  lines = finish (&answer, &n_searched, NULL);
  g_assert_nonnull (lines);
  g_assert_cmpuint (n_searched, ==, n_lines);
  g_assert_cmpuint (lines->len, ==, expected->len);
  g_assert_true (begins_with (lines, expected));
  if (answer.lines != NULL)
    g_assert_true (begins_with (lines, answer.lines));
  g_test_message ("%u lines, %u parts", lines->len, answer.n_parts);
  g_clear_pointer (&answer.lines, g_array_unref);
}

static void
test_whole (void)
{
  g_autofree char *path = log_lines_write (N_LINES);
  g_autoptr (FzLogIndex) index = index_of (path);
  static const struct {
    FzLogLevel least;
    const char *text;
    const char *why;
  } rows[] = {
    { FZ_LOG_WARNING, NULL, "the index alone" },
    { FZ_LOG_TRACE, "message", "every line, so that there are parts" },
    { FZ_LOG_WARNING, "PACKET", "both" },
    { FZ_LOG_TRACE, "nowhere to be found", "none" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzLogQuery) query = fz_log_query_new ();

    query->least = rows[i].least;
    fz_log_query_set_text (query, rows[i].text);
    assert_agrees (index, query);
  }
  g_unlink (path);
}

static void
test_sizes (void)
{
  static const uint32_t sizes[] = { 0, 1, 32767, 32768, 32769 }; /* around one piece */

  for (size_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *path = log_lines_write (sizes[i]);
    g_autoptr (FzLogIndex) index = index_of (path);
    g_autoptr (FzLogQuery) query = fz_log_query_new ();

    fz_log_query_set_text (query, "message");
    assert_agrees (index, query);
    g_unlink (path);
  }
}

/* A newer question: whatever of this one is under way, nothing of it comes any more. */
static void
test_cancelled (void)
{
  g_autofree char *path = log_lines_write (N_LINES);
  g_autoptr (FzLogIndex) index = index_of (path);
  g_autoptr (FzLogQuery) query = fz_log_query_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GArray) lines = NULL;
  g_autoptr (GError) error = NULL;
  Answer answer = { .result = NULL };

  fz_log_query_set_text (query, "message");
  fz_log_search_async (query, index, cancellable, on_part, on_answer, &answer);
  g_clear_pointer (&query, fz_log_query_free); /* there is a copy */
  g_cancellable_cancel (cancellable);
  lines = finish (&answer, NULL, &error);
  g_assert_null (lines);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (answer.n_parts, ==, 0);
  g_unlink (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-search/whole", test_whole);
  g_test_add_func ("/log-search/sizes", test_sizes);
  g_test_add_func ("/log-search/cancelled", test_cancelled);
  return g_test_run ();
}
