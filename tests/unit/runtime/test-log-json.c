/* test-log-json.c: the log sink, the clock and the bell */

#include "src/runtime/fz-bell.h"
#include "src/runtime/fz-clock.h"
#include "src/runtime/fz-log-journal.h"
#include "src/runtime/fz-log-json.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  char *folder;
  char *path;
  char *old_path;
} Place;

static void
set_up (Place *place, gconstpointer data)
{
  GError *error = NULL;

  place->folder = g_dir_make_tmp ("fz-log-XXXXXX", &error);
  g_assert_no_error (error);
  place->path = g_build_filename (place->folder, "program.log", NULL);
  place->old_path = g_strconcat (place->path, ".1", NULL);
}

static void
tear_down (Place *place, gconstpointer data)
{
  g_unlink (place->path);
  g_unlink (place->old_path);
  g_rmdir (place->folder);
  g_free (place->folder);
  g_free (place->path);
  g_free (place->old_path);
}

static char *
contents (const char *path)
{
  GError *error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static FzLogJson *
open_log (const Place *place, FzLogFormat format, const char *filter, uint64_t max_bytes)
{
  FzLogJsonConfig config = {
    .path = place->path, .format = format, .filter = filter, .max_file_bytes = max_bytes
  };
  GError *error = NULL;
  FzLogJson *sink = fz_log_json_new (&config, &error);

  g_assert_no_error (error);
  return sink;
}

static void
test_json (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, "info,wireguard=debug", 0);
  FzLog log = fz_log_json_get (sink, "wireguard"), other = fz_log_json_get (sink, "ice");
  g_autofree char *text = NULL;
  struct stat info;

  fz_log (&log, FZ_LOG_DEBUG, "kept", "a \"quoted\" word", FZ_KV_U64 ("n", 7));
  fz_log_plain (&log, FZ_LOG_TRACE, "not-kept", "no");
  fz_log_plain (&other, FZ_LOG_DEBUG, "not-kept", "no");
  fz_log_plain (&other, FZ_LOG_WARNING, "kept-too", "yes");

  text = contents (place->path);
  g_assert_true (g_regex_match_simple (
      "^\\{\"time\":\"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z\",\"severity\":\"DEBUG\","
      "\"target\":\"wireguard\",\"message\":\"a \\\\\"quoted\\\\\" "
      "word\",\"event\":\"kept\",\"n\":7\\}\n"
      "\\{[^\n]*\"event\":\"kept-too\"\\}\n$",
      text,
      0,
      0));
  g_assert_cmpint (stat (place->path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 0027, ==, 0); /* 0640 at most */
}

static void
test_human (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_HUMAN_NO_TIME, NULL, 0);
  FzLog log = fz_log_json_get (sink, "portal");
  g_autofree char *text = NULL;
  FzIp ip;

  g_assert_true (fz_ip_parse ("fd00::1", &ip));
  fz_log (&log,
          FZ_LOG_WARNING,
          "e",
          "two\nlines \033[31m",
          FZ_KV_BOOL ("ok", true),
          FZ_KV_I64 ("n", -3),
          FZ_KV_IP ("ip", &ip),
          FZ_KV_TEXT ("none", NULL));
  text = contents (place->path);
  g_assert_cmpstr (text, ==, " WARN portal: two?lines ?[31m ok=true n=-3 ip=fd00::1 none=null\n");
}

static void
test_filter_changes (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, "error", 0);
  FzLog log = fz_log_json_get (sink, "x");
  g_autoptr (GError) error = NULL;

  g_assert_false (fz_log_wants (&log, FZ_LOG_INFO));
  g_assert_false (fz_log_json_set_filter (sink, "info,=nonsense", &error));
  g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
  g_assert_false (fz_log_wants (&log, FZ_LOG_INFO));
  g_assert_true (fz_log_json_set_filter (sink, "debug", NULL));
  g_assert_true (fz_log_wants (&log, FZ_LOG_DEBUG));
}

static void
test_rotation (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, NULL, 1000);
  FzLog log = fz_log_json_get (sink, "x");
  struct stat now, old;

  for (unsigned i = 0; i < 100; i++)
    fz_log (&log, FZ_LOG_INFO, "line", "a line of some length", FZ_KV_U64 ("i", i));
  g_assert_cmpint (stat (place->path, &now), ==, 0);
  g_assert_cmpint (stat (place->old_path, &old), ==, 0);
  g_assert_cmpint (now.st_size, <=, 1000);
  g_assert_cmpint (old.st_size, <=, 1000);
}

/* However long it runs, it keeps so many pages of such a size, the newest ones. */
static void
test_many_pages (Place *place, gconstpointer data)
{
  const FzLogJsonConfig config = { .path = place->path, .max_file_bytes = 1000, .n_old_files = 3 };
  g_autoptr (FzLogJson) sink = fz_log_json_new (&config, NULL);
  FzLog log = fz_log_json_get (sink, "x");
  g_autofree char *last = NULL;
  uint64_t sum = 0;

  for (unsigned i = 0; i < 1000; i++)
    fz_log (&log, FZ_LOG_INFO, "line", "a line of some length", FZ_KV_U64 ("i", i));
  for (unsigned i = 1; i <= 4; i++) {
    g_autofree char *path = g_strdup_printf ("%s.%u", place->path, i);
    struct stat info;
    bool is_there = stat (path, &info) == 0;

    g_assert_cmpint (is_there, ==, i <= 3);
    sum += is_there ? (uint64_t) info.st_size : 0;
    if (is_there)
      g_assert_cmpint (info.st_mode & 0777, ==, 0640);
    g_unlink (path);
  }
  g_assert_cmpuint (sum, <=, 3000);
  g_assert_cmpuint (sum, >, 2500);
  last = contents (place->path);
  g_assert_nonnull (strstr (last, "\"i\":999"));
}

/* Without descriptors no new page can be opened: the old ones stay where they are, and nothing is
 * lost. */
static void
test_page_that_does_not_turn (Place *place, gconstpointer data)
{
  const FzLogJsonConfig config = { .path = place->path, .max_file_bytes = 1000, .n_old_files = 3 };
  g_autoptr (FzLogJson) sink = fz_log_json_new (&config, NULL);
  FzLog log = fz_log_json_get (sink, "x");
  g_autofree char *second = g_strconcat (place->path, ".2", NULL);
  g_autofree char *text = NULL;
  struct rlimit before, none;
  unsigned i = 0;

  while (!g_file_test (place->old_path, G_FILE_TEST_EXISTS))
    fz_log (&log, FZ_LOG_INFO, "line", "a line of some length", FZ_KV_U64 ("i", i++));
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  none = (struct rlimit){ 0, before.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  for (unsigned end = i + 20; i < end; i++)
    fz_log (&log, FZ_LOG_INFO, "line", "a line of some length", FZ_KV_U64 ("i", i));
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);

  g_assert_true (g_file_test (place->old_path, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (second, G_FILE_TEST_EXISTS));
  text = contents (place->path); /* went on in the page it had */
  g_assert_cmpuint (strlen (text), >, 1000);

  fz_log_plain (&log, FZ_LOG_INFO, "last", "a new page at last");
  g_assert_true (g_file_test (second, G_FILE_TEST_EXISTS));
  g_clear_pointer (&text, g_free);
  text = contents (place->path);
  g_assert_cmpuint (strlen (text), <, 1000);
  g_unlink (second);
}

static void
test_reading (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, NULL, 0);
  FzLog log = fz_log_json_get (sink, "x");
  char text[512] = "";
  int fd;

  fz_log_plain (&log, FZ_LOG_INFO, "hello", "hello");
  fd = fz_log_json_open_file (sink, NULL);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (read (fd, text, sizeof text - 1), >, 0);
  g_assert_nonnull (strstr (text, "hello"));
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  close (fd);
}

/* Somebody who changes the filter for ever cannot make us grow for ever. */
static void
test_filters_are_bounded (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, NULL, 0);
  g_autoptr (GError) error = NULL;
  unsigned n = 0;

  for (unsigned i = 0; i < 1000; i++)
    g_assert_true (fz_log_json_set_filter (sink, i % 2 != 0 ? "info" : "debug", NULL));
  while (n < 10000 && error == NULL) {
    g_autofree char *filter = g_strdup_printf ("t%u=debug", n++);

    fz_log_json_set_filter (sink, filter, &error);
  }
  g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED);
  g_assert_cmpuint (n, <=, FZ_LOG_FILTERS_MAX);
  g_assert_true (fz_log_json_set_filter (sink, "debug", NULL));
}

static bool
has_journal_field (const struct iovec *iov, size_t n, const char *text)
{
  for (size_t i = 0; i < n; i++)
    if (iov[i].iov_len == strlen (text) && memcmp (iov[i].iov_base, text, iov[i].iov_len) == 0)
      return true;
  return false;
}

static void
test_journal (void)
{
  g_autofree char *huge = g_strnfill (FZ_LOG_JOURNAL_BYTES_MAX, 'x');
  const FzKv fields[] = {
    FZ_KV_U64 ("handshake_ms", 41),
    FZ_KV_TEXT ("huge", huge),
    FZ_KV_BOOL ("is-relayed", true),
    FZ_KV_TEXT ("text", "a=b\nc"),
  };
  const FzLogRecord record = { .level = FZ_LOG_WARNING,
                               .target = "wireguard",
                               .event = "late",
                               .message = "a late handshake",
                               .fields = fields,
                               .n_fields = G_N_ELEMENTS (fields) };
  struct iovec iov[FZ_LOG_JOURNAL_FIELDS_MAX];
  char text[FZ_LOG_JOURNAL_BYTES_MAX];
  size_t n = fz_log_journal_format (&record, text, iov);

  g_assert_cmpuint (n, ==, 7); /* all but the one that does not fit */
  g_assert_true (has_journal_field (iov, n, "PRIORITY=4"));
  g_assert_true (has_journal_field (iov, n, "MESSAGE=a late handshake"));
  g_assert_true (has_journal_field (iov, n, "FZ_TARGET=wireguard"));
  g_assert_true (has_journal_field (iov, n, "FZ_EVENT=late"));
  g_assert_true (has_journal_field (iov, n, "FZ_HANDSHAKE_MS=41"));
  g_assert_true (has_journal_field (iov, n, "FZ_IS_RELAYED=true"));
  g_assert_true (has_journal_field (iov, n, "FZ_TEXT=a=b\nc"));
}

static void
test_deleted (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, NULL, 0);
  FzLog log = fz_log_json_get (sink, "x");
  g_autofree char *text = NULL;

  fz_log_plain (&log, FZ_LOG_INFO, "first", "lost");
  g_unlink (place->path);
  fz_log_plain (&log, FZ_LOG_INFO, "second", "kept");
  text = contents (place->path);
  g_assert_nonnull (strstr (text, "second"));
  g_assert_null (strstr (text, "first"));
}

/* Each file has what was said while it was the one; what no file takes is in none. */
static void
test_another_path (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, NULL, 0);
  FzLog log = fz_log_json_get (sink, "x");
  g_autofree char *other = g_strconcat (place->path, "-other", NULL);
  g_autofree char *nowhere = g_build_filename (place->path, "nowhere", NULL);
  g_autofree char *first = NULL, *second = NULL;

  fz_log_plain (&log, FZ_LOG_INFO, "a", "first");
  fz_log_json_set_path (sink, nowhere);
  fz_log_plain (&log, FZ_LOG_INFO, "b", "lost");
  g_assert_cmpint (fz_log_json_open_file (sink, NULL), ==, -1);
  fz_log_json_set_path (sink, other);
  fz_log_plain (&log, FZ_LOG_INFO, "c", "second");
  fz_log_json_set_path (sink, place->path);
  fz_log_plain (&log, FZ_LOG_INFO, "d", "third");

  first = contents (place->path);
  second = contents (other);
  g_assert_nonnull (strstr (first, "first"));
  g_assert_nonnull (strstr (first, "third"));
  g_assert_null (strstr (first, "second"));
  g_assert_null (strstr (first, "lost"));
  g_assert_nonnull (strstr (second, "second"));
  g_assert_null (strstr (second, "third"));
  g_unlink (other);
}

static gpointer
log_many (gpointer data)
{
  FzLogJson *sink = data;
  FzLog log = fz_log_json_get (sink, "thread");

  for (unsigned i = 0; i < 500; i++)
    fz_log (&log, FZ_LOG_INFO, "line", "whole lines only", FZ_KV_U64 ("i", i));
  return NULL;
}

static void
test_threads (Place *place, gconstpointer data)
{
  g_autoptr (FzLogJson) sink = open_log (place, FZ_LOG_FORMAT_JSON, NULL, 0);
  GThread *threads[4];
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  for (unsigned i = 0; i < 4; i++)
    threads[i] = g_thread_new ("log", log_many, sink);
  for (unsigned i = 0; i < 200; i++)
    g_assert_true (fz_log_json_set_filter (sink, i % 2 == 0 ? "info" : "debug", NULL));
  for (unsigned i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  text = contents (place->path);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 2001);
  for (unsigned i = 0; i < 2000; i++)
    g_assert_true (lines[i][0] == '{' && g_str_has_suffix (lines[i], "}"));
}

static void
test_bad_path (void)
{
  FzLogJsonConfig config = { .path = "/nonexistent/folder/file.log" };
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_log_json_new (&config, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void
test_clock (void)
{
  FzClock clock;
  FzInstant before, after;

  fz_clock_init (&clock);
  before = fz_clock_now (&clock);
  fz_clock_skip (&clock, 120 * FZ_S);
  after = fz_clock_now (&clock);
  g_assert_cmpuint (after - before, >=, 120 * FZ_S);
  g_assert_cmpuint (after - before, <, 121 * FZ_S);
  g_assert_cmpuint (fz_clock_boottime_of (&clock, after), <=, before + FZ_S);
  g_assert_cmpuint (fz_clock_boottime_of (&clock, 1), ==, 0); /* long past */
  g_assert_cmpuint ((fz_clock_unix_ns_at_zero (&clock) + fz_clock_now (&clock)) / FZ_S -
                        fz_clock_unix_now (),
                    <=,
                    1);
}

static gboolean
is_ringing (const FzBell *bell)
{
  struct pollfd readable = { .fd = bell->fd, .events = POLLIN };

  return poll (&readable, 1, 0) > 0;
}

static void
test_bell (void)
{
  FzBell bell;

  g_assert_true (fz_bell_init (&bell));
  fz_bell_ring (&bell);
  g_assert_false (is_ringing (&bell)); /* nobody sleeps: no system call */
  fz_bell_arm (&bell, FZ_BELL_TAPS);
  fz_bell_ring (&bell);
  fz_bell_ring (&bell);
  g_assert_true (is_ringing (&bell));
  fz_bell_answer (&bell);
  g_assert_false (is_ringing (&bell));
  fz_bell_ring (&bell);
  g_assert_false (is_ringing (&bell));

  fz_bell_arm (&bell, FZ_BELL_TAPS);
  fz_bell_tap (&bell);
  g_assert_true (is_ringing (&bell));
  fz_bell_answer (&bell);
  fz_bell_tap (&bell);
  g_assert_false (is_ringing (&bell));
  fz_bell_arm (&bell, FZ_BELL_RINGS);
  fz_bell_tap (&bell); /* not heard, and does not take it from who rings */
  g_assert_false (is_ringing (&bell));
  fz_bell_ring (&bell);
  g_assert_true (is_ringing (&bell));
  fz_bell_clear (&bell);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Place, NULL, set_up, func, tear_down)
  ADD ("/log-json/json", test_json);
  ADD ("/log-json/human", test_human);
  ADD ("/log-json/filter-changes", test_filter_changes);
  ADD ("/log-json/rotation", test_rotation);
  ADD ("/log-json/rotation/no-page", test_page_that_does_not_turn);
  ADD ("/log-json/many-pages", test_many_pages);
  ADD ("/log-json/reading", test_reading);
  ADD ("/log-json/filters-are-bounded", test_filters_are_bounded);
  ADD ("/log-json/another-path", test_another_path);
  ADD ("/log-json/deleted", test_deleted);
  ADD ("/log-json/threads", test_threads);
  g_test_add_func ("/log-json/bad-path", test_bad_path);
  g_test_add_func ("/log-journal/fields", test_journal);
  g_test_add_func ("/clock/skip", test_clock);
  g_test_add_func ("/bell/only-when-armed", test_bell);
  return g_test_run ();
}
