/* test-log-bundle.c: the archive as another program reads it, and writers that are left alone */

#include "src/logfile/fz-log-bundle.h"
#include "tests/unit/logfile/log-lines.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int
read_members (struct archive *archive, GHashTable *members)
{
  struct archive_entry *entry;
  int code;

  while ((code = archive_read_next_header (archive, &entry)) == ARCHIVE_OK) {
    size_t size = (size_t) archive_entry_size (entry);
    char *contents = g_malloc0 (size + 1);

    g_assert_cmpint (archive_read_data (archive, contents, size), ==, (gssize) size);
    g_hash_table_insert (members, g_strdup (archive_entry_pathname (entry)), contents);
  }
  return code;
}

/* What is in the archive: name -> contents. NULL: it is torn. */
static GHashTable *
unpack (int fd)
{
  g_autoptr (GHashTable) members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  struct archive *archive = archive_read_new ();
  int code;

  g_assert_cmpint (lseek (fd, 0, SEEK_SET), ==, 0);
  archive_read_support_format_tar (archive);
  archive_read_support_filter_gzip (archive);
  code = archive_read_open_fd (archive, fd, 10240);
  if (code == ARCHIVE_OK)
    code = read_members (archive, members);
  archive_read_free (archive);
  return code == ARCHIVE_EOF ? g_steal_pointer (&members) : NULL;
}

static int
memory_file (const char *text)
{
  int fd = memfd_create ("log", MFD_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize) strlen (text));
  return fd;
}

static FzLogBundle *
bundle_to (int fd)
{
  g_autoptr (GError) error = NULL;
  FzLogBundle *bundle =
      fz_log_bundle_new (fd, "logs", fz_log_redact_new (FZ_LOG_REDACT_ADDRESSES), &error);

  g_assert_no_error (error);
  return bundle;
}

static void
test_contents (void)
{
  int out = memory_file ("");
  int log = memory_file ("{\"token\":\"a\"}\nto 10.0.0.1\n{\"torn\":\"10.0.0.1");
  int empty = memory_file ("");
  g_autoptr (FzLogBundle) bundle = bundle_to (out);
  g_autoptr (GHashTable) members = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (fz_log_bundle_add_log (bundle, "service.log", log, NULL, &error));
  g_assert_true (fz_log_bundle_add_log (bundle, "empty.log", empty, NULL, &error));
  g_assert_true (fz_log_bundle_add_text (bundle, "state.txt", "server 10.0.0.1\n", &error));
  g_assert_true (fz_log_bundle_close (bundle, &error));
  g_assert_no_error (error);

  members = unpack (out);
  g_assert_cmpuint (g_hash_table_size (members), ==, 4);
  g_assert_cmpstr (g_hash_table_lookup (members, "logs/service.log"),
                   ==,
                   "{\"token\":\"<secret-1>\"}\nto <ip-1>\n{\"torn\":\"<ip-1>");
  g_assert_cmpstr (g_hash_table_lookup (members, "logs/empty.log"), ==, "");
  g_assert_cmpstr (g_hash_table_lookup (members, "logs/state.txt"), ==, "server <ip-1>\n");
  g_assert_nonnull (strstr (g_hash_table_lookup (members, "logs/REDACTION.txt"),
                            "IP addresses (loopback stays): 1 different"));
  close (out);
  close (log);
  close (empty);
}

/* Longer than any buffer: nothing is lost at the pieces' edges, also of a line that has no end. */
static void
test_long (void)
{
  int out = memory_file (""), log = memory_file (""), line = memory_file ("");
  g_autofree char *endless = g_strnfill (1000000, 'x');
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (FzLogBundle) bundle = bundle_to (out);
  g_autoptr (GHashTable) members = NULL;

  for (uint32_t i = 0; i < 20000; i++)
    log_lines_append (text, i);
  g_assert_cmpint (write (log, text->str, text->len), ==, (gssize) text->len);
  g_assert_cmpint (write (line, endless, 1000000), ==, 1000000);
  g_assert_true (fz_log_bundle_add_log (bundle, "a.log", log, NULL, NULL));
  g_assert_true (fz_log_bundle_add_log (bundle, "b.log", line, NULL, NULL));
  g_assert_true (fz_log_bundle_close (bundle, NULL));
  members = unpack (out);
  g_assert_cmpstr (g_hash_table_lookup (members, "logs/a.log"), ==, text->str);
  g_assert_cmpstr (g_hash_table_lookup (members, "logs/b.log"), ==, endless);
  close (out);
  close (log);
  close (line);
}

/* Of a log over the limit the newest lines, whole ones. */
static void
test_bounded (void)
{
  const size_t line_bytes = 1 << 20;
  int out = memory_file (""), log = memory_file ("");
  g_autofree char *line = g_strnfill (line_bytes, 'x');
  g_autoptr (FzLogBundle) bundle = bundle_to (out);
  g_autoptr (GHashTable) members = NULL;
  const char *contents;

  line[line_bytes - 1] = '\n';
  for (unsigned i = 0; i < 67; i++) {
    line[0] = (char) ('0' + i);
    g_assert_cmpint (write (log, line, line_bytes), ==, (gssize) line_bytes);
  }
  g_assert_cmpint (ftruncate (log, (off_t) (67 * line_bytes - 5)), ==, 0);
  g_assert_true (fz_log_bundle_add_log (bundle, "a.log", log, NULL, NULL));
  g_assert_true (fz_log_bundle_close (bundle, NULL));
  members = unpack (out);
  contents = g_hash_table_lookup (members, "logs/a.log");
  g_assert_cmpuint (strlen (contents), <=, FZ_LOG_BUNDLE_LOG_BYTES_MAX);
  g_assert_cmpuint (strlen (contents), >, FZ_LOG_BUNDLE_LOG_BYTES_MAX - 2 * line_bytes);
  close (out);
  close (log);
}

static void
test_refused (void)
{
  int out = memory_file ("");
  int log = memory_file ("x\n");
  int null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  g_autoptr (FzLogBundle) bundle = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_log_bundle_new (out, "../up", fz_log_redact_new (0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME);
  g_clear_error (&error);
  bundle = bundle_to (out);
  g_assert_false (fz_log_bundle_add_text (bundle, "a/b", "x", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME);
  g_clear_error (&error);
  g_assert_false (fz_log_bundle_add_log (bundle, "x.log", null, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
  g_clear_error (&error);
  g_cancellable_cancel (cancellable);
  g_assert_false (fz_log_bundle_add_log (bundle, "x.log", log, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  for (unsigned i = 0; i < FZ_LOG_BUNDLE_MEMBERS_MAX; i++)
    g_assert_true (fz_log_bundle_add_text (bundle, "a", "x", NULL));
  g_assert_false (fz_log_bundle_add_text (bundle, "a", "x", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_clear_pointer (&bundle, fz_log_bundle_free);
  g_assert_null (unpack (out)); /* not closed: torn, and it shows */
  close (out);
  close (log);
  close (null);
}

/* A pipe whose reader has gone is an error of ours, not the end of the process. */
static void
test_reader_gone (void)
{
  g_autofree char *path = log_lines_write (5000);
  int log = open (path, O_RDONLY | O_CLOEXEC);
  g_autoptr (FzLogBundle) bundle = NULL;
  g_autoptr (GError) error = NULL;
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  bundle = bundle_to (ends[1]);
  close (ends[0]);
  if (fz_log_bundle_add_log (bundle, "a.log", log, NULL, &error))
    g_assert_false (fz_log_bundle_close (bundle, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  close (ends[1]);
  close (log);
  g_unlink (path);
}

/* Whose fault it is can be told: the log's, or the archive's. */
static void
test_faults (void)
{
  int out = memory_file (""), log = memory_file ("x\n");
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", log);
  int unreadable = open (path, O_WRONLY | O_CLOEXEC);
  int full = open ("/dev/full", O_WRONLY | O_CLOEXEC);
  g_autoptr (FzLogBundle) bundle = bundle_to (out);
  g_autoptr (FzLogBundle) to_full = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (fz_log_bundle_add_log (bundle, "x.log", unreadable, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_BADF);
  g_clear_error (&error);
  to_full = bundle_to (full);
  g_assert_true (fz_log_bundle_add_log (to_full, "x.log", log, NULL, NULL));
  g_assert_false (fz_log_bundle_close (to_full, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  close (full);
  close (unreadable);
  close (log);
  close (out);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-bundle/contents", test_contents);
  g_test_add_func ("/log-bundle/long", test_long);
  g_test_add_func ("/log-bundle/bounded", test_bounded);
  g_test_add_func ("/log-bundle/refused", test_refused);
  g_test_add_func ("/log-bundle/reader-gone", test_reader_gone);
  g_test_add_func ("/log-bundle/faults", test_faults);
  return g_test_run ();
}
