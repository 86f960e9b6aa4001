/* test-log-model.c: rows of a log, and what a list view is told when another answer comes */

#include "src/app/log/fz-log-model.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  guint n_told; /* "items-changed" */
  guint at;
  guint n_removed;
  guint n_added;
} Told;

static void
on_items_changed (GListModel *model, guint at, guint n_removed, guint n_added, Told *told)
{
  told->n_told++;
  told->at = at;
  told->n_removed = n_removed;
  told->n_added = n_added;
}

static void
count (gpointer counter)
{
  (*(guint *) counter)++;
}

/* Lines that say "WORD 0", "WORD 1", … */
static FzLogIndex *
new_index (const char *word, guint n_lines)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *path = NULL;
  FzLogIndex *index;

  for (guint i = 0; i < n_lines; i++)
    g_string_append_printf (text, "{\"message\":\"%s %u\"}\n", word, i);
  g_close (g_file_open_tmp ("fz-log-model-XXXXXX", &path, NULL), NULL);
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
  index = fz_log_index_open (path, NULL);
  g_assert_nonnull (index);
  g_assert_true (fz_log_index_grow (index, 0, NULL, NULL, NULL));
  g_unlink (path);
  return index;
}

static GArray *
every_nth (guint n, guint n_lines)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (uint32_t));

  for (uint32_t line = 0; line < n_lines; line += n)
    g_array_append_val (rows, line);
  return rows;
}

static FzLogRow *
get_row (FzLogModel *model, guint position)
{
  return g_list_model_get_item (G_LIST_MODEL (model), position);
}

static void
assert_says (FzLogRow *row, const char *message)
{
  g_assert_cmpstr (fz_log_row_get_entry (row)->message, ==, message);
}

/* Rows that the view holds become other lines where they are; only the end of the list moves. */
static void
test_replace_answer (void)
{
  g_autoptr (FzLogIndex) index = new_index ("line", 10);
  g_autoptr (FzLogModel) model = fz_log_model_new (index, NULL, 10);
  g_autoptr (FzLogRow) first = get_row (model, 0), third = get_row (model, 2);
  g_autoptr (FzLogRow) third_again = NULL;
  guint n_first = 0, n_third = 0;
  Told told = { 0 };

  g_signal_connect (model, "items-changed", G_CALLBACK (on_items_changed), &told);
  g_signal_connect_swapped (first, "changed", G_CALLBACK (count), &n_first);
  g_signal_connect_swapped (third, "changed", G_CALLBACK (count), &n_third);
  assert_says (third, "line 2");

  fz_log_model_replace (model, index, every_nth (2, 10), 10);
  g_assert_cmpuint (told.n_told, ==, 1);
  g_assert_cmpuint (told.at, ==, 5);
  g_assert_cmpuint (told.n_removed, ==, 5);
  g_assert_cmpuint (told.n_added, ==, 0);
  g_assert_cmpuint (n_first, ==, 0); /* line 0 before and after */
  g_assert_cmpuint (n_third, ==, 1);
  g_assert_cmpuint (fz_log_row_get_line (third), ==, 4);
  assert_says (third, "line 4");
  third_again = get_row (model, 2);
  g_assert_true (third_again == third);

  fz_log_model_replace (model, index, NULL, 10);
  g_assert_cmpuint (told.n_told, ==, 2);
  g_assert_cmpuint (told.at, ==, 5);
  g_assert_cmpuint (told.n_removed, ==, 0);
  g_assert_cmpuint (told.n_added, ==, 5);
  g_assert_cmpuint (n_third, ==, 2);
  assert_says (third, "line 2");
}

/* As many rows as before: the list is told nothing, and the rows all there is. */
static void
test_replace_file (void)
{
  g_autoptr (FzLogIndex) before = new_index ("before", 3), after = new_index ("after", 3);
  g_autoptr (FzLogModel) model = fz_log_model_new (before, NULL, 3);
  g_autoptr (FzLogRow) row = get_row (model, 1);
  guint n_changes = 0;
  Told told = { 0 };

  g_signal_connect (model, "items-changed", G_CALLBACK (on_items_changed), &told);
  g_signal_connect_swapped (row, "changed", G_CALLBACK (count), &n_changes);
  assert_says (row, "before 1");
  fz_log_model_replace (model, after, NULL, 3);
  g_assert_cmpuint (told.n_told, ==, 0);
  g_assert_cmpuint (n_changes, ==, 1);
  g_assert_cmpuint (fz_log_row_get_line (row), ==, 1);
  assert_says (row, "after 1");
  g_assert_true (fz_log_model_get_index (model) == after);
}

/* Who holds a row that is no longer in the list keeps its line, and a new row takes its place. */
static void
test_replace_by_fewer (void)
{
  g_autoptr (FzLogIndex) index = new_index ("line", 6);
  g_autoptr (FzLogModel) model = fz_log_model_new (index, NULL, 6);
  g_autoptr (FzLogRow) last = get_row (model, 5), new_last = NULL;
  guint n_changes = 0;

  g_signal_connect_swapped (last, "changed", G_CALLBACK (count), &n_changes);
  fz_log_model_replace (model, index, every_nth (7, 6), 6); /* line 0 alone */
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (model)), ==, 1);
  g_assert_null (get_row (model, 1));
  fz_log_model_replace (model, index, every_nth (1, 6), 6);
  new_last = get_row (model, 5);
  g_assert_true (new_last != last);
  g_assert_cmpuint (n_changes, ==, 0);
  assert_says (last, "line 5");
  g_clear_object (&model); /* rows outlive it */
  assert_says (new_last, "line 5");
}

static void
test_replace_by_none (void)
{
  g_autoptr (FzLogIndex) index = new_index ("line", 2);
  g_autoptr (FzLogModel) model = fz_log_model_new (index, NULL, 2);
  Told told = { 0 };

  g_signal_connect (model, "items-changed", G_CALLBACK (on_items_changed), &told);
  fz_log_model_replace (model, index, every_nth (1, 0), 2);
  g_assert_cmpuint (told.n_removed, ==, 2);
  g_assert_cmpuint (fz_log_model_find_line (model, 1), ==, 0);
  fz_log_model_replace (model, index, every_nth (1, 0), 2); /* twice */
  g_assert_cmpuint (told.n_told, ==, 1);
}

/* Where a line went: its row, or that of the nearest one behind it. */
static void
test_find_line (void)
{
  g_autoptr (FzLogIndex) index = new_index ("line", 10);
  g_autoptr (FzLogModel) model = fz_log_model_new (index, every_nth (3, 10), 10); /* 0 3 6 9 */
  static const struct {
    uint32_t line;
    guint row;
  } rows[] = { { 0, 0 }, { 1, 1 }, { 3, 1 }, { 4, 2 }, { 9, 3 }, { 10, 4 }, { UINT32_MAX, 4 } };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpuint (fz_log_model_find_line (model, rows[i].line), ==, rows[i].row);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-model/replace/answer", test_replace_answer);
  g_test_add_func ("/log-model/replace/file", test_replace_file);
  g_test_add_func ("/log-model/replace/fewer", test_replace_by_fewer);
  g_test_add_func ("/log-model/replace/none", test_replace_by_none);
  g_test_add_func ("/log-model/find-line", test_find_line);
  return g_test_run ();
}
