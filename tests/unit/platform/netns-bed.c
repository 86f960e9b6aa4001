/* netns-bed.c: see the header */

#include "tests/unit/platform/netns-bed.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static GPtrArray *logged; /* names of events */

__attribute__ ((format (printf, 2, 3))) static bool
write_file (const char *path, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  bool is_done;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  is_done = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);
  if (fd >= 0)
    close (fd);
  return is_done;
}

bool
bed_init (void)
{
  uid_t uid = geteuid ();
  gid_t gid = getegid ();

  logged = g_ptr_array_new_with_free_func (g_free);
  if (access ("/dev/net/tun", R_OK | W_OK) != 0) {
    g_printerr ("/dev/net/tun: %s\n", g_strerror (errno));
    return false;
  }
  if (unshare (CLONE_NEWNET) == 0)
    return true;
  if (unshare (CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_file ("/proc/self/setgroups", "deny") &&
      write_file ("/proc/self/uid_map", "0 %u 1", uid) &&
      write_file ("/proc/self/gid_map", "0 %u 1", gid) && unshare (CLONE_NEWNET) == 0)
    return true;
  g_printerr ("no network namespace: %s\n", g_strerror (errno));
  return false;
}

static void
run_in_namespace (gconstpointer data)
{
  void (*const *test) (void) = data;

  g_assert_cmpint (unshare (CLONE_NEWNET), ==, 0);
  g_free (bed_run ("ip link set lo up"));
  g_ptr_array_set_size (logged, 0);
  (*test) ();
}

void
bed_add (const char *path, void (*test) (void))
{
  void (**kept) (void) = g_malloc (sizeof test);

  *kept = test;
  g_test_add_data_func_full (path, kept, (GTestDataFunc) run_in_namespace, g_free);
}

char *
bed_run (const char *format, ...)
{
  g_autofree char *command = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
  char *output = NULL;
  int status;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  argv[2] = command;
  g_spawn_sync (
      NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, &errors, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s: %s%s", command, error->message, errors);
  return output;
}

void
bed_assert_has (const char *command, const char *text)
{
  g_autofree char *output = bed_run ("%s", command);

  if (strstr (output, text) == NULL)
    g_error ("%s: no \"%s\" in:\n%s", command, text, output);
}

void
bed_assert_lacks (const char *command, const char *text)
{
  g_autofree char *output = bed_run ("%s", command);

  if (strstr (output, text) != NULL)
    g_error ("%s: \"%s\" in:\n%s", command, text, output);
}

bool
bed_fork (bool (*part) (void))
{
  pid_t child = fork ();
  int status;

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    _exit (part () ? 0 : 1);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  return status == 0;
}

static gboolean
on_timeout (gpointer user_data)
{
  *(bool *) user_data = true;
  return G_SOURCE_REMOVE;
}

unsigned
bed_wait (const bool *condition, unsigned timeout_ms)
{
  gint64 before = g_get_monotonic_time ();
  bool is_over = false;
  guint timer = g_timeout_add (timeout_ms, on_timeout, &is_over);

  while (!is_over && !*condition)
    g_main_context_iteration (NULL, TRUE);
  if (!is_over)
    g_source_remove (timer);
  return (unsigned) ((g_get_monotonic_time () - before) / 1000);
}

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  (void) context;
  g_assert_cmpstr (target, ==, "platform");
  return level <= FZ_LOG_WARNING;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  (void) context;
  g_ptr_array_add (logged, g_strdup (record->event));
}

FzPlatform *
bed_platform_new (void)
{
  static const FzLogSink sink = { wants, write_record, NULL };
  const FzLog log = { &sink, "test" };
  g_autoptr (GError) error = NULL;
  FzPlatform *platform = fz_platform_linux_new (&log, &error);

  g_assert_no_error (error);
  return platform;
}

FzTun *
bed_open_tun (FzPlatform *platform, bool use_offloads)
{
  g_autoptr (GError) error = NULL;
  FzTun *tun = fz_platform_open_tun (platform, FZ_TUN_NAME, 1, use_offloads, &error);

  g_assert_no_error (error);
  g_assert_nonnull (tun);
  return tun;
}

unsigned
bed_count_logged (const char *event)
{
  unsigned n = 0;

  for (guint i = 0; i < logged->len; i++)
    n += g_str_equal (g_ptr_array_index (logged, i), event);
  return n;
}
