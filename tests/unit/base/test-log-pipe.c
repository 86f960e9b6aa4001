/* test-log-pipe.c: a log never holds up its program */

#include "src/base/fz-log-pipe.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LINE "{\"message\":\"a line of the log\"}\n"

typedef struct {
  FzLogPipe pipe;
  int reader;
} Ends;

static void
set_up (Ends *ends, gconstpointer data)
{
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  g_assert_cmpint (fcntl (fds[0], F_SETFL, O_NONBLOCK), ==, 0);
  ends->reader = fds[0];
  ends->pipe = (FzLogPipe){ .fd = fds[1] };
}

static void
tear_down (Ends *ends, gconstpointer data)
{
  if (ends->reader >= 0)
    close (ends->reader);
  close (ends->pipe.fd);
}

static uint64_t
write_line (Ends *ends)
{
  return fz_log_pipe_write (&ends->pipe, LINE, strlen (LINE));
}

static char *
read_all (Ends *ends)
{
  GString *text = g_string_new (NULL);
  char part[4096];
  ssize_t n;

  while ((n = read (ends->reader, part, sizeof part)) > 0)
    g_string_append_len (text, part, n);
  return g_string_free (text, FALSE);
}

static void
test_stuck_reader (Ends *ends, gconstpointer data)
{
  gint64 started = g_get_monotonic_time ();
  unsigned n_written = 0;

  for (; ends->pipe.n_lost < 1000; n_written++)
    g_assert_cmpuint (write_line (ends), ==, 0);
  g_assert_cmpint (
      g_get_monotonic_time () - started, <, 60 * G_USEC_PER_SEC); /* one wait, not 1000 */

  {
    g_autofree char *text = read_all (ends);

    g_assert_cmpuint (strlen (text), ==, (n_written - 1000) * strlen (LINE));
  }
  g_assert_cmpuint (write_line (ends), ==, 1000);
  g_assert_cmpuint (write_line (ends), ==, 0);

  {
    g_autofree char *text = read_all (ends);

    g_assert_cmpstr (text, ==, LINE LINE);
  }
}

/* Longer than the kernel takes at once: what got through is ended before the next line. */
static void
test_cut_line (Ends *ends, gconstpointer data)
{
  g_autofree char *line = g_strnfill (200000, 'x');
  g_autofree char *text = NULL;
  g_autofree char *rest = NULL;

  line[199999] = '\n';
  g_assert_cmpuint (fz_log_pipe_write (&ends->pipe, line, 200000), ==, 0);
  g_assert_true (ends->pipe.is_cut);
  text = read_all (ends);
  g_assert_cmpuint (strlen (text), >=, 4096);
  g_assert_null (strchr (text, '\n'));

  g_assert_cmpuint (write_line (ends), ==, 1);
  rest = read_all (ends);
  g_assert_cmpstr (rest, ==, "\n" LINE);
}

static void
test_reader_gone (Ends *ends, gconstpointer data)
{
  close (ends->reader);
  ends->reader = -1;
  for (unsigned i = 0; i < 10; i++)
    g_assert_cmpuint (write_line (ends), ==, 0);
  g_assert_cmpuint (ends->pipe.n_lost, ==, 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add ("/log-pipe/stuck-reader", Ends, NULL, set_up, test_stuck_reader, tear_down);
  g_test_add ("/log-pipe/cut-line", Ends, NULL, set_up, test_cut_line, tear_down);
  g_test_add ("/log-pipe/reader-gone", Ends, NULL, set_up, test_reader_gone, tear_down);
  return g_test_run ();
}
