/* fz-log-export.c: see the header */
#include "src/app/log/fz-log-export.h"

#include "src/ipc/fz-ipc-names.h"
#include "src/logfile/fz-log-bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 120000
#define ARCHIVE_MODE    0600

typedef struct {
  FzLogExport what;
  char *partial; /* where it is written */
  int fd;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  if (job->fd >= 0) {
    close (job->fd);
    g_unlink (job->partial); /* it did not get its name */
  }
  if (job->what.index != NULL)
    fz_log_index_unref (job->what.index);
  g_clear_object (&job->what.bus);
  g_free (job->what.path);
  g_free (job->partial);
  g_free (job);
}

static bool
take_errno (const char *path, GError **error)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s: %s", path, g_strerror (code));
  return false;
}

static bool
open_target (Job *job, GError **error)
{
  job->partial = g_strconcat (job->what.path, "-partial", NULL);
  job->fd = open (job->partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, ARCHIVE_MODE);
  return job->fd >= 0 || take_errno (job->partial, error);
}

static bool
give_name (Job *job, GError **error)
{
  if (fsync (job->fd) != 0 || g_rename (job->partial, job->what.path) != 0)
    return take_errno (job->what.path, error);
  close (job->fd);
  job->fd = -1;
  return true;
}

/* -- here -- */

static char *
describe_program (const Job *job)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time_text = g_date_time_format_iso8601 (now);
  g_autofree char *os = g_get_os_info (G_OS_INFO_KEY_PRETTY_NAME);

  return g_strdup_printf ("firezone-client-gui " FZ_VERSION "\nexported %s\nsystem %s\nlines %u\n",
                          time_text,
                          os != NULL ? os : "unknown",
                          fz_log_index_get_n_lines (job->what.index));
}

/* Who uses this machine, and what it is called, says nothing about what went wrong. */
static void
add_known_names (FzLogRedact *redact)
{
  const char *names[] = { g_get_user_name (), g_get_real_name (), g_get_host_name () };

  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    if (names[i] != NULL && !g_str_equal (names[i], "root") &&
        !g_str_equal (names[i], "localhost") && !g_str_equal (names[i], "Unknown"))
      fz_log_redact_add_name (redact, names[i]);
}

static bool
write_bundle (Job *job, GCancellable *cancellable, GError **error)
{
  FzLogRedact *redact = fz_log_redact_new (job->what.flags);
  g_autoptr (FzLogBundle) bundle = NULL;
  g_autofree char *about = describe_program (job);

  add_known_names (redact);
  bundle = fz_log_bundle_new (job->fd, "firezone-logs", redact, error);
  return bundle != NULL && fz_log_bundle_add_text (bundle, "about.txt", about, error) &&
         fz_log_bundle_add_log (
             bundle, "log.jsonl", fz_log_index_get_fd (job->what.index), cancellable, error) &&
         fz_log_bundle_close (bundle, error) && give_name (job, error);
}

static void
run_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (write_bundle (data, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* -- by the service -- */

static void
on_exported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;

  reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), NULL, result, &error);
  if (reply != NULL && give_name (g_task_get_task_data (task), &error)) {
    g_task_return_boolean (task, TRUE);
    return;
  }
  if (g_dbus_error_is_remote_error (error))
    g_dbus_error_strip_remote_error (error);
  g_task_return_error (task, error);
}

static void
call_export (GTask *task, Job *job)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GError *error = NULL;
  int handle = g_unix_fd_list_append (fds, job->fd, &error);

  if (handle < 0) {
    g_task_return_error (task, error);
    return;
  }
  g_dbus_connection_call_with_unix_fd_list (job->what.bus,
                                            FZ_IPC_BUS_NAME,
                                            FZ_IPC_PATH,
                                            FZ_IPC_DIAGNOSTICS,
                                            "Export",
                                            g_variant_new ("(ha{sv})", handle, NULL),
                                            NULL,
                                            G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
                                            CALL_TIMEOUT_MS,
                                            fds,
                                            g_task_get_cancellable (task),
                                            on_exported,
                                            g_object_ref (task));
}

void
fz_log_export_async (const FzLogExport *what,
                     GCancellable *cancellable,
                     GAsyncReadyCallback callback,
                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);
  GError *error = NULL;

  job->fd = -1;
  job->what = (FzLogExport){ .path = g_strdup (what->path), .flags = what->flags };
  if (what->bus != NULL)
    job->what.bus = g_object_ref (what->bus);
  else
    job->what.index = fz_log_index_ref (what->index);
  g_task_set_task_data (task, job, job_free);
  if (!open_target (job, &error))
    g_task_return_error (task, error);
  else if (job->what.bus != NULL)
    call_export (task, job);
  else
    g_task_run_in_thread (task, run_in_thread);
}

bool
fz_log_export_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

char *
fz_log_export_suggest_name (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  return g_date_time_format (now, "firezone-logs-%Y-%m-%d-%H-%M.tar.gz");
}
