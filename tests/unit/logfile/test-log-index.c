/* test-log-index.c: lines, growth, torn ends, truncation, rotation, and readers beside the writer
 */

#include "src/logfile/fz-log-index.h"
#include "src/logfile/fz-log-watch.h"
#include "tests/unit/logfile/log-lines.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  char *path;
  int fd; /* for writing */
} File;

static void
file_open (File *file)
{
  file->fd = g_file_open_tmp ("fz-log-XXXXXX", &file->path, NULL);
  g_assert_cmpint (file->fd, >=, 0);
}

static void
file_close (File *file)
{
  close (file->fd);
  g_unlink (file->path);
  g_free (file->path);
}

static void
append (const File *file, const char *text)
{
  g_assert_cmpint (write (file->fd, text, strlen (text)), ==, (gssize) strlen (text));
}

static FzLogIndex *
open_index (const File *file)
{
  g_autoptr (GError) error = NULL;
  FzLogIndex *index = fz_log_index_open (file->path, &error);

  g_assert_no_error (error);
  return index;
}

static void
grow (FzLogIndex *index)
{
  g_autoptr (GError) error = NULL;
  bool more = true;

  g_assert_true (fz_log_index_grow (index, 0, NULL, &more, &error));
  g_assert_no_error (error);
  g_assert_false (more);
}

static void
assert_line (const FzLogIndex *index, uint32_t line, const char *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  bool is_cut = true;

  g_assert_true (fz_log_index_read_line (index, line, text, &is_cut));
  g_assert_cmpstr (text->str, ==, expected);
  g_assert_false (is_cut);
}

static void
test_empty (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;

  file_open (&file);
  index = open_index (&file);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 0);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 0);
  g_assert_false (fz_log_index_ends_torn (index));
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_SAME);
  file_close (&file);
}

static void
test_marks (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;
  FzLogMark mark;

  file_open (&file);
  append (&file,
          "starts without a time\n"
          "{\"time\":\"1970-01-01T00:00:01Z\",\"severity\":\"ERROR\",\"target\":\"ice\"}\r\n"
          "  at backtrace\n"
          "\n"
          "{\"time\":\"1970-01-01T00:00:02Z\",\"severity\":\"INFO\",\"target\":\"relay\"}\n"
          "{\"time\":\"1970-01-01T00:00:03Z\",\"severity\":\"INFO\",\"target\":\"ice\"}\n");
  index = open_index (&file);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 6);

  fz_log_index_get_mark (index, 0, &mark);
  g_assert_cmpint (mark.time_us, ==, FZ_LOG_TIME_UNKNOWN);
  g_assert_cmpint (mark.level, ==, FZ_LOG_LEVEL_UNKNOWN);
  g_assert_cmpint (mark.target_id, ==, FZ_LOG_TARGET_NONE);
  fz_log_index_get_mark (index, 2, &mark);
  g_assert_cmpint (mark.time_us, ==, G_USEC_PER_SEC); /* that of the line before it */
  g_assert_cmpint (mark.level, ==, FZ_LOG_LEVEL_UNKNOWN);
  fz_log_index_get_mark (index, 5, &mark);
  g_assert_cmpint (mark.level, ==, FZ_LOG_INFO);
  g_assert_cmpstr (fz_log_index_get_target (index, mark.target_id), ==, "ice");
  g_assert_cmpuint (fz_log_index_get_n_targets (index), ==, 2);

  assert_line (index, 0, "starts without a time");
  assert_line (index, 2, "  at backtrace");
  assert_line (
      index, 1, "{\"time\":\"1970-01-01T00:00:01Z\",\"severity\":\"ERROR\",\"target\":\"ice\"}");
  assert_line (index, 3, "");
  file_close (&file);
}

/* A file of several blocks, read in pieces of every size, has the lines that were written. */
static void
test_many (void)
{
  const uint32_t n_lines = 140000;
  g_autofree char *path = log_lines_write (n_lines);
  g_autoptr (FzLogIndex) index = fz_log_index_open (path, NULL);
  bool more = true;
  uint32_t before = 0;

  while (more) {
    g_assert_true (fz_log_index_grow (index, 1, NULL, &more, NULL));
    g_assert_cmpuint (fz_log_index_get_n_lines (index), >=, before);
    before = fz_log_index_get_n_lines (index);
  }
  g_assert_cmpuint (before, ==, n_lines);
  for (uint32_t i = 0; i < n_lines; i += 997) {
    g_autoptr (GString) expected = g_string_new (NULL);
    FzLogMark mark;

    fz_log_index_get_mark (index, i, &mark);
    g_assert_cmpint (mark.level, ==, log_lines_level (i));
    g_assert_cmpint (mark.time_us / 1000, ==, (LOG_LINES_START_US + i * LOG_LINES_STEP_US) / 1000);
    g_assert_cmpstr (fz_log_index_get_target (index, mark.target_id), ==, log_lines_target (i));
    log_lines_append (expected, i);
    g_string_truncate (expected, expected->len - 1);
    assert_line (index, i, expected->str);
  }
  g_unlink (path);
}

static void
test_torn (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;

  file_open (&file);
  append (&file, "one\n{\"severity\":\"ERR");
  index = open_index (&file);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 2);
  g_assert_true (fz_log_index_ends_torn (index));
  assert_line (index, 1, "{\"severity\":\"ERR");
  g_assert_cmpint (fz_log_index_get_level (index, 1), ==, FZ_LOG_LEVEL_UNKNOWN);

  append (&file, "OR\"");
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_GREW);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 2);
  g_assert_true (fz_log_index_ends_torn (index));
  g_assert_cmpint (fz_log_index_get_level (index, 1), ==, FZ_LOG_ERROR);

  append (&file, "}\nthree\n");
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 3);
  g_assert_false (fz_log_index_ends_torn (index));
  assert_line (index, 1, "{\"severity\":\"ERROR\"}");
  assert_line (index, 2, "three");
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_SAME);
  file_close (&file);
}

/* Lines longer than a piece, with and without an end. */
static void
test_long (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;
  g_autofree char *filler = g_strnfill (3000000, 'x');
  g_autoptr (GString) text = g_string_new (NULL);
  bool is_cut = false;

  file_open (&file);
  append (&file, "{\"severity\":\"WARNING\",\"message\":\"");
  append (&file, filler);
  index = open_index (&file);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 1);
  g_assert_true (fz_log_index_ends_torn (index));
  append (&file, filler);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 1);
  append (&file, "\"}\nshort\n");
  append (&file, filler);
  append (&file, "\n");
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 3);
  g_assert_cmpint (fz_log_index_get_level (index, 0), ==, FZ_LOG_WARNING);
  assert_line (index, 1, "short");
  g_assert_true (fz_log_index_read_line (index, 0, text, &is_cut));
  g_assert_true (is_cut);
  g_assert_cmpuint (text->len, ==, FZ_LOG_LINE_BYTES_MAX);
  file_close (&file);
}

/* A file cut short under us, at any moment, is short reads: a mapping would be SIGBUS. */
static void
test_truncated (void)
{
  g_autofree char *path = log_lines_write (20000);
  g_autoptr (FzLogIndex) index = fz_log_index_open (path, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  bool more = false;

  g_assert_true (fz_log_index_grow (index, 1, NULL, &more, NULL)); /* in the middle of it */
  g_assert_true (more);
  g_assert_cmpint (truncate (path, 1000), ==, 0);
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_TRUNCATED);
  g_assert_true (fz_log_index_grow (index, 0, NULL, NULL, NULL));
  g_assert_true (fz_log_index_read_line (index, 0, text, NULL));
  g_assert_cmpuint (text->len, >, 0);
  g_assert_false (fz_log_index_read_line (index, fz_log_index_get_n_lines (index) - 1, text, NULL));
  g_assert_cmpuint (text->len, ==, 0);
  g_assert_cmpint (truncate (path, 0), ==, 0);
  for (uint32_t i = 0; i < fz_log_index_get_n_lines (index); i += 100)
    g_assert_false (fz_log_index_read_line (index, i, text, NULL));
  g_unlink (path);
}

static void
test_rotated_path (void)
{
  File file;
  g_autofree char *old = NULL;
  g_autoptr (FzLogIndex) index = NULL;

  file_open (&file);
  old = g_strconcat (file.path, ".1", NULL);
  append (&file, "one\n");
  index = open_index (&file);
  grow (index);
  append (&file, "two\n");
  g_assert_cmpint (g_rename (file.path, old), ==, 0);
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_GREW); /* its end first */
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 2);
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_ROTATED);
  g_assert_true (g_file_set_contents (file.path, "new\n", -1, NULL));
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_ROTATED);
  g_unlink (old);
  file_close (&file);
}

/* A descriptor as the service passes it: no path of ours. */
static void
test_rotated_descriptor (void)
{
  File file;
  g_autofree char *old = NULL;
  g_autoptr (FzLogIndex) index = NULL;
  g_autoptr (GError) error = NULL;

  file_open (&file);
  old = g_strconcat (file.path, ".1", NULL);
  append (&file, "one\n");
  index = fz_log_index_take_fd (open (file.path, O_RDONLY | O_CLOEXEC), &error);
  g_assert_no_error (error);
  g_assert_null (fz_log_index_get_path (index));
  grow (index);
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_SAME);
  g_assert_cmpint (g_rename (file.path, old), ==, 0);
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_ROTATED);
  assert_line (index, 0, "one");
  g_assert_cmpint (g_rename (old, file.path), ==, 0);
  g_assert_cmpint (g_unlink (file.path), ==, 0);
  g_assert_cmpint (fz_log_index_check (index), ==, FZ_LOG_FILE_ROTATED);
  file_close (&file);
}

static void
test_refused (void)
{
  g_autofree char *folder = g_dir_make_tmp ("fz-log-XXXXXX", NULL);
  g_autofree char *fifo = g_build_filename (folder, "fifo", NULL);
  static const struct {
    int code;
  } expected[] = { { G_IO_ERROR_NOT_FOUND },
                   { G_IO_ERROR_IS_DIRECTORY },
                   { G_IO_ERROR_NOT_REGULAR_FILE },
                   { G_IO_ERROR_NOT_REGULAR_FILE } };
  const char *paths[] = { "/nonexistent/log", folder, fifo, "/dev/zero" };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  for (size_t i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_assert_null (
        fz_log_index_open (paths[i], &error)); /* and does not wait for the FIFO's writer */
    g_assert_error (error, G_IO_ERROR, expected[i].code);
    g_clear_error (&error);
  }
  g_assert_null (fz_log_index_take_fd (-1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (fz_log_index_take_fd (open ("/dev/null", O_WRONLY | O_CLOEXEC), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_unlink (fifo);
  g_rmdir (folder);
}

/* More targets than have numbers, and one that is no text. */
static void
test_targets (void)
{
  File file;
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (FzLogIndex) index = NULL;
  FzLogMark mark;

  file_open (&file);
  for (unsigned i = 0; i < FZ_LOG_TARGETS_MAX + 10; i++)
    g_string_append_printf (lines, "{\"target\":\"t%u\"}\n", i % (FZ_LOG_TARGETS_MAX + 1));
  append (&file, lines->str);
  append (&file, "{\"target\":\"\xff\"}\n");
  index = open_index (&file);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_targets (index), ==, FZ_LOG_TARGETS_MAX);
  fz_log_index_get_mark (index, FZ_LOG_TARGETS_MAX - 1, &mark);
  g_assert_cmpstr (fz_log_index_get_target (index, mark.target_id), ==, "t4095");
  fz_log_index_get_mark (index, FZ_LOG_TARGETS_MAX, &mark);
  g_assert_cmpint (mark.target_id, ==, FZ_LOG_TARGET_OTHER);
  g_assert_cmpstr (fz_log_index_get_target (index, mark.target_id), ==, "");
  fz_log_index_get_mark (index, FZ_LOG_TARGETS_MAX + 1, &mark);
  g_assert_cmpstr (fz_log_index_get_target (index, mark.target_id), ==, "t0");
  fz_log_index_get_mark (index, FZ_LOG_TARGETS_MAX + 10, &mark);
  g_assert_cmpint (mark.target_id, ==, FZ_LOG_TARGET_OTHER);
  file_close (&file);
}

/* A zero inside a target ends no comparison: whatever slot it falls into, it is no other target. */
static void
test_zero_in_target (void)
{
  static const char head[] = "{\"target\":\"t";
  File file;
  g_autoptr (GString) lines = g_string_new ("{\"target\":\"t\"}\n");
  g_autoptr (FzLogIndex) index = NULL;
  FzLogMark mark;

  file_open (&file);
  for (unsigned i = 0; i < 4 * FZ_LOG_TARGETS_MAX; i++) {
    g_string_append_len (lines, head, sizeof head); /* with its zero */
    g_string_append_printf (lines, "%0200u\"}\n", i);
  }
  g_assert_cmpint (write (file.fd, lines->str, lines->len), ==, (gssize) lines->len);
  index = open_index (&file);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_targets (index), ==, 1);
  for (unsigned i = 1; i <= 4 * FZ_LOG_TARGETS_MAX; i++) {
    fz_log_index_get_mark (index, i, &mark);
    g_assert_cmpuint (mark.target_id, !=, 1);
  }
  file_close (&file);
}

static void
test_cancelled (void)
{
  g_autofree char *path = log_lines_write (20000);
  g_autoptr (FzLogIndex) index = fz_log_index_open (path, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (fz_log_index_grow (index, 0, cancellable, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  grow (index);
  g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, 20000);
  g_unlink (path);
}

static gpointer
grow_in_steps (gpointer data)
{
  bool more = true;

  while (more)
    g_assert_true (fz_log_index_grow (data, 1, NULL, &more, NULL));
  return NULL;
}

/* The thread sanitizer watches. */
static void
test_readers_beside_writer (void)
{
  const uint32_t n_lines = 200000;
  g_autofree char *path = log_lines_write (n_lines);
  g_autoptr (FzLogIndex) index = fz_log_index_open (path, NULL);
  GThread *writer = g_thread_new ("grow", grow_in_steps, index);
  g_autoptr (GString) text = g_string_new (NULL);
  uint32_t n = 0;

  while (n < n_lines) {
    FzLogMark mark;

    n = fz_log_index_get_n_lines (index);
    if (n == 0)
      continue;
    fz_log_index_get_mark (index, n - 1, &mark);
    g_assert_true (fz_log_index_read_line (index, n / 2, text, NULL));
    g_assert_cmpint (text->str[0], ==, '{');
    g_assert_cmpint (fz_log_index_get_level (index, n / 2), ==, log_lines_level (n / 2));
  }
  g_thread_join (writer);
  g_unlink (path);
}

/* -- the watch -- */

typedef struct {
  FzLogIndex *index;
  FzLogFileState last;
  unsigned n_told;
} Watched;

static void
on_change (FzLogFileState state, gpointer user_data)
{
  Watched *watched = user_data;

  watched->last = state;
  watched->n_told++;
  if (state == FZ_LOG_FILE_GREW)
    grow (watched->index);
}

static void
wait_for_state (Watched *watched, FzLogFileState state)
{
  while (watched->last != state)
    g_main_context_iteration (NULL, TRUE);
}

static void
wait_for_lines (Watched *watched, uint32_t n_lines)
{
  while (fz_log_index_get_n_lines (watched->index) < n_lines)
    g_main_context_iteration (NULL, TRUE);
}

static void
check_watch (File *file, FzLogIndex *index)
{
  g_autofree char *old = g_strconcat (file->path, ".1", NULL);
  Watched watched = { .index = index };
  g_autoptr (FzLogWatch) watch = NULL;

  append (file, "one\n");
  watch = fz_log_watch_new (index, on_change, &watched);
  wait_for_lines (&watched, 1);
  append (file, "two\n");
  wait_for_lines (&watched, 2);
  g_assert_cmpint (g_rename (file->path, old), ==, 0);
  wait_for_state (&watched, FZ_LOG_FILE_ROTATED);
  g_unlink (old);
}

static void
test_watch_path (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;

  file_open (&file);
  index = open_index (&file);
  check_watch (&file, index);
  file_close (&file);
}

static void
test_watch_descriptor (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;

  file_open (&file);
  index = fz_log_index_take_fd (open (file.path, O_RDONLY | O_CLOEXEC), NULL);
  check_watch (&file, index);
  file_close (&file);
}

static void
test_watch_truncated (void)
{
  File file;
  g_autoptr (FzLogIndex) index = NULL;
  g_autoptr (FzLogWatch) watch = NULL;
  Watched watched = { 0 };

  file_open (&file);
  append (&file, "one\n");
  watched.index = index = open_index (&file);
  grow (index);
  watch = fz_log_watch_new (index, on_change, &watched);
  g_assert_cmpint (ftruncate (file.fd, 0), ==, 0);
  wait_for_state (&watched, FZ_LOG_FILE_TRUNCATED);
  file_close (&file);
}

/* A file that grows all the time is looked at no oftener than the watch says. */
static void
test_watch_interval (void)
{
  const unsigned n_looks = 6;
  File file;
  g_autoptr (FzLogIndex) index = NULL;
  g_autoptr (FzLogWatch) watch = NULL;
  Watched watched = { 0 };
  int64_t started_us;

  file_open (&file);
  watched.index = index = open_index (&file);
  started_us = g_get_monotonic_time ();
  watch = fz_log_watch_new (index, on_change, &watched);
  while (watched.n_told < n_looks) {
    append (&file, "one\n");
    g_main_context_iteration (NULL, FALSE);
    g_usleep (1000); /* watches the main loop */
  }
  g_assert_cmpint (g_get_monotonic_time () - started_us,
                   >=,
                   (n_looks - 1) * FZ_LOG_WATCH_INTERVAL_MS * INT64_C (1000));
  file_close (&file);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-index/empty", test_empty);
  g_test_add_func ("/log-index/marks", test_marks);
  g_test_add_func ("/log-index/many", test_many);
  g_test_add_func ("/log-index/torn", test_torn);
  g_test_add_func ("/log-index/long", test_long);
  g_test_add_func ("/log-index/truncated", test_truncated);
  g_test_add_func ("/log-index/rotated/path", test_rotated_path);
  g_test_add_func ("/log-index/rotated/descriptor", test_rotated_descriptor);
  g_test_add_func ("/log-index/refused", test_refused);
  g_test_add_func ("/log-index/targets", test_targets);
  g_test_add_func ("/log-index/targets/zero", test_zero_in_target);
  g_test_add_func ("/log-index/cancelled", test_cancelled);
  g_test_add_func ("/log-index/readers-beside-writer", test_readers_beside_writer);
  g_test_add_func ("/log-watch/path", test_watch_path);
  g_test_add_func ("/log-watch/descriptor", test_watch_descriptor);
  g_test_add_func ("/log-watch/truncated", test_watch_truncated);
  g_test_add_func ("/log-watch/interval", test_watch_interval);
  return g_test_run ();
}
