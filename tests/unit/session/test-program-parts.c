/* test-program-parts.c
 *
 * What a program needs beside its session: durations, the environment behind
 * options, the log folder.
 */
#include "src/base/fz-instant.h"
#include "src/session/fz-duration.h"
#include "src/session/fz-log-setup.h"
#include "src/session/fz-options.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

static void
test_durations (void)
{
  static const struct {
    const char *text;
    uint64_t ns; /* UINT64_MAX: refused */
  } rows[] = {
    { "5m", 300 * FZ_S },
    { "1h", 3600 * FZ_S },
    { "30d", 30 * 86400 * FZ_S },
    { "1h 30m", 5400 * FZ_S },
    { "1h30m", 5400 * FZ_S },
    { " 2 weeks ", 14 * 86400 * FZ_S },
    { "250ms", 250 * FZ_MS },
    { "0s", 0 },
    { "", UINT64_MAX },
    { " ", UINT64_MAX },
    { "5", UINT64_MAX },
    { "m", UINT64_MAX },
    { "-5m", UINT64_MAX },
    { "5.5m", UINT64_MAX },
    { "5 fortnights", UINT64_MAX },
    { "5m,", UINT64_MAX },
    { "99999999999999999999s", UINT64_MAX },
    { "400000w", UINT64_MAX },
    { "30000w 1w 99999d", UINT64_MAX },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    uint64_t ns = 42;
    bool is_parsed = fz_duration_parse (rows[i].text, &ns);

    g_assert_cmpint (is_parsed, ==, rows[i].ns != UINT64_MAX);
    g_assert_cmpuint (ns, ==, is_parsed ? rows[i].ns : 42);
  }
}

static void
test_environment (void)
{
  g_autofree char *given = g_strdup ("option");
  g_autofree char *open = NULL;
  g_autofree char *fallback = NULL;

  g_setenv ("FZ_TEST_TEXT", "variable", TRUE);
  fz_options_text (&given, "FZ_TEST_TEXT", "default");
  g_assert_cmpstr (given, ==, "option");
  fz_options_text (&open, "FZ_TEST_TEXT", "default");
  g_assert_cmpstr (open, ==, "variable");
  g_setenv ("FZ_TEST_TEXT", "", TRUE);
  fz_options_text (&fallback, "FZ_TEST_TEXT", "default");
  g_assert_cmpstr (fallback, ==, "default");
}

static void
test_flags (void)
{
  static const struct {
    const char *value;
    gboolean is_set;
  } rows[] = {
    { NULL, FALSE },  { "", FALSE },    { "0", FALSE }, { "false", FALSE }, { "No", FALSE },
    { "off", FALSE }, { "true", TRUE }, { "1", TRUE },  { "yes", TRUE },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    gboolean is_set = FALSE;

    if (rows[i].value != NULL)
      g_setenv ("FZ_TEST_FLAG", rows[i].value, TRUE);
    else
      g_unsetenv ("FZ_TEST_FLAG");
    fz_options_flag (&is_set, "FZ_TEST_FLAG");
    g_assert_cmpint (is_set, ==, rows[i].is_set);
  }
}

/* -- logs -- */

static void
remove_folder (const char *path)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", path);

  g_assert_cmpint (system (command), ==, 0);
}

static void
put_log (const char *directory, const char *name, size_t bytes, time_t changed)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *text = g_strnfill (bytes, 'x');
  struct utimbuf times = { changed, changed };

  g_assert_true (g_file_set_contents (path, text, (gssize) bytes, NULL));
  g_assert_cmpint (utime (path, &times), ==, 0);
}

static unsigned
count_files (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  unsigned n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static bool
has_file (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
test_log_cleaning (void)
{
  g_autofree char *directory = g_dir_make_tmp ("fz-logs-XXXXXX", NULL);

  put_log (directory, "a.log", 100, 1000);
  put_log (directory, "b.log", 100, 2000);
  put_log (directory, "b.log.1", 100, 1500);
  put_log (directory, "c.log", 100, 3000);
  put_log (directory, "notes.txt", 1000, 1);
  put_log (directory, "a.log.9", 100, 10);

  fz_log_setup_clean (directory, 400);
  g_assert_false (has_file (directory, "a.log.9"));
  g_assert_cmpuint (count_files (directory), ==, 5);
  fz_log_setup_clean (directory, 399);
  g_assert_false (has_file (directory, "a.log"));
  g_assert_cmpuint (count_files (directory), ==, 4);
  fz_log_setup_clean (directory, 0); /* the newest always stays, and what is no log */
  g_assert_true (has_file (directory, "c.log"));
  g_assert_true (has_file (directory, "notes.txt"));
  g_assert_cmpuint (count_files (directory), ==, 2);
  fz_log_setup_clean ("/nonexistent/folder", 0);
  remove_folder (directory);
}

/* Standard output belongs to the test's own report. */
static void
say_quietly (const FzLog *log, const char *text)
{
  int output = dup (STDOUT_FILENO);
  int nowhere = open ("/dev/null", O_WRONLY | O_CLOEXEC);

  fflush (stdout);
  dup2 (nowhere, STDOUT_FILENO);
  fz_log_plain (log, FZ_LOG_INFO, "hello", text);
  dup2 (output, STDOUT_FILENO);
  close (output);
  close (nowhere);
}

static void
test_log_folder (void)
{
  g_autofree char *parent = g_dir_make_tmp ("fz-logs-XXXXXX", NULL);
  g_autofree char *directory = g_build_filename (parent, "deep", "logs", NULL);
  g_autofree char *latest = g_build_filename (directory, "program.latest", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  const FzLogSetupConfig config = { .name = "program", .directory = directory, .filter = "info" };
  FzLogSetup *setup = fz_log_setup_new (&config, &error);
  FzLog log;

  g_assert_no_error (error);
  log = fz_log_setup_get (setup, "test");
  g_assert_true (fz_log_wants (&log, FZ_LOG_INFO));
  g_assert_false (fz_log_wants (&log, FZ_LOG_DEBUG));
  say_quietly (&log, "said to both");
  g_assert_true (g_file_get_contents (latest, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "\"message\":\"said to both\""));
  g_assert_cmpuint (count_files (directory), ==, 2);

  g_assert_cmpstr (fz_log_setup_get_filter (setup), ==, "info");
  g_assert_true (fz_log_setup_set_filter (setup, "warn,test=debug", NULL));
  g_assert_true (fz_log_wants (&log, FZ_LOG_DEBUG));
  g_assert_false (fz_log_setup_set_filter (setup, "=", NULL));
  g_assert_cmpstr (fz_log_setup_get_filter (setup), ==, "warn,test=debug");
  remove_folder (parent);
}

static void
test_log_owner_names (void)
{
#define STAMP "2026-01-31-09-30-00"
  static const struct {
    const char *file;
    bool says;
    uint32_t owner;
  } rows[] = {
    { "tunnel-service." STAMP ".log", true, FZ_LOG_NOBODY },
    { "tunnel-service." STAMP ".log.3", true, FZ_LOG_NOBODY },
    { "tunnel-service." STAMP ".uid-1000.log", true, 1000 },
    { "tunnel-service." STAMP ".uid-1000.log.9", true, 1000 },
    { "tunnel-service." STAMP ".uid-0.log", true, 0 },
    { "tunnel-service." STAMP ".uid-4294967294.log", true, 4294967294 },
    { "tunnel-service." STAMP ".uid-4294967295.log", false, 0 },
    { "tunnel-service." STAMP ".uid-99999999999.log", false, 0 },
    { "tunnel-service." STAMP ".uid-.log", false, 0 },
    { "tunnel-service." STAMP ".uid-10x.log", false, 0 },
    { "tunnel-service." STAMP ".uid--1.log", false, 0 },
    { "tunnel-service.uid-1000.log", false, 0 },
    { "tunnel-service." STAMP ".log.next", false, 0 },
    { "tunnel-service.log", false, 0 },
    { "tunnel-service.latest", false, 0 },
    { ".log", false, 0 },
    { "", false, 0 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    uint32_t owner = 42;

    g_assert_cmpint (fz_log_setup_parse_owner (rows[i].file, &owner), ==, rows[i].says);
    g_assert_cmpuint (owner, ==, rows[i].says ? rows[i].owner : 42);
  }
}

static char *
read_all (FzLogSetup *setup, uint32_t uid)
{
  char text[4096] = "";
  int fd = fz_log_setup_open_file (setup, uid, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (read (fd, text, sizeof text - 1), >=, 0);
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  close (fd);
  return g_strdup (text);
}

/* A process takes over GLib's messages once. */
static bool
is_child (void)
{
  if (g_test_subprocess ())
    return true;
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  return false;
}

static void
log_for_owners (void)
{
  g_autofree char *directory = g_dir_make_tmp ("fz-logs-XXXXXX", NULL);
  const FzLogSetupConfig config = { .name = "program", .directory = directory };
  FzLogSetup *setup = fz_log_setup_new (&config, NULL);
  FzLog log = fz_log_setup_get (setup, "test");
  g_autofree char *early = NULL, *nobodys = NULL, *first = NULL, *second = NULL;

  say_quietly (&log, "for nobody");
  early = read_all (setup, 2); /* there before the first line of it */
  g_assert_cmpstr (early, ==, "");
  fz_log_setup_set_owner (setup, 1);
  say_quietly (&log, "for the first");
  fz_log_setup_set_owner (setup, 2);
  say_quietly (&log, "for the second");
  fz_log_setup_set_owner (setup, 1);
  say_quietly (&log, "for the first again");

  nobodys = read_all (setup, FZ_LOG_NOBODY);
  first = read_all (setup, 1);
  second = read_all (setup, 2);
  g_assert_nonnull (strstr (nobodys, "for nobody"));
  g_assert_null (strstr (nobodys, "the first"));
  g_assert_nonnull (strstr (first, "for the first\""));
  g_assert_nonnull (strstr (first, "for the first again"));
  g_assert_null (strstr (first, "second"));
  g_assert_null (strstr (first, "nobody"));
  g_assert_nonnull (strstr (second, "for the second"));
  g_assert_null (strstr (second, "first"));
  remove_folder (directory);
}

static void
test_log_owners (void)
{
  if (is_child ())
    log_for_owners ();
}

static uint64_t
measure (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;
  uint64_t sum = 0;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (directory, name, NULL);
    struct stat info;

    if (lstat (path, &info) == 0)
      sum += (uint64_t) info.st_size;
  }
  return sum;
}

/* One after another, a thousand users leave no more than one would. */
static void
log_for_many_owners (void)
{
  g_autofree char *directory = g_dir_make_tmp ("fz-logs-XXXXXX", NULL);
  const FzLogSetupConfig config = { .name = "program", .directory = directory };
  FzLogSetup *setup = fz_log_setup_new (&config, NULL);
  FzLog log = fz_log_setup_get (setup, "test");

  for (unsigned i = 0; i < 50; i++) {
    g_autofree char *name = g_strdup_printf ("program.2026-01-31-09-30-00.uid-%u.log", i);
    g_autofree char *path = g_build_filename (directory, name, NULL);

    put_log (directory, name, 0, 1000 + i);
    g_assert_cmpint (truncate (path, FZ_LOG_FILE_BYTES_DEFAULT), ==, 0); /* sparse */
  }
  for (unsigned i = 0; i < 1000; i++) {
    fz_log_setup_set_owner (setup, 1000 + i);
    say_quietly (&log, "a line");
    g_assert_cmpuint (measure (directory), <=, FZ_LOG_FOLDER_BYTES_MAX + 10000);
    g_assert_cmpuint (count_files (directory), <=, FZ_LOG_FOLDER_FILES_MAX + 2);
  }
  remove_folder (directory);
}

static void
test_log_many_owners (void)
{
  if (is_child ())
    log_for_many_owners ();
}

static void
test_log_errors (void)
{
  g_autofree char *directory = g_dir_make_tmp ("fz-logs-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (directory, "file", NULL);
  g_autofree char *below = g_build_filename (file, "logs", NULL);
  const FzLogSetupConfig bad_folder = { .name = "program", .directory = below };
  const FzLogSetupConfig bad_filter = { .name = "program", .filter = "=,=" };
  g_autoptr (GError) first = NULL, second = NULL;

  put_log (directory, "file", 1, 1);
  g_assert_null (fz_log_setup_new (&bad_folder, &first));
  g_assert_nonnull (strstr (first->message, below));
  g_assert_null (fz_log_setup_new (&bad_filter, &second));
  g_assert_nonnull (second);
  remove_folder (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/program/durations", test_durations);
  g_test_add_func ("/program/environment/text", test_environment);
  g_test_add_func ("/program/environment/flags", test_flags);
  g_test_add_func ("/program/log/cleaning", test_log_cleaning);
  g_test_add_func ("/program/log/errors", test_log_errors);
  g_test_add_func ("/program/log/folder", test_log_folder);
  g_test_add_func ("/program/log/many-owners", test_log_many_owners);
  g_test_add_func ("/program/log/owner-names", test_log_owner_names);
  g_test_add_func ("/program/log/owners", test_log_owners);
  return g_test_run ();
}
