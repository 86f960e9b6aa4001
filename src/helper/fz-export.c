#include "src/helper/fz-export.h"

#include "src/logfile/fz-log-bundle.h"
#include "src/session/fz-log-setup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
clear_export (FzExport *self)
{
  if (self->target >= 0)
    close (self->target);
  self->target = -1;
  g_clear_pointer (&self->log_directory, g_free);
  g_clear_pointer (&self->state, g_free);
  g_clear_pointer (&self->metrics, g_free);
  g_clear_pointer (&self->names, g_ptr_array_unref);
}

static void
free_export (gpointer data)
{
  clear_export (data);
  g_free (data);
}

const char *
fz_export_check_target (int fd)
{
  int flags = fcntl (fd, F_GETFL);
  struct stat info;

  if (flags < 0 || fstat (fd, &info) < 0)
    return "it is no descriptor";
  if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0)
    return "it is not open for writing";
  if (S_ISREG (info.st_mode))
    return NULL;
  if (!S_ISFIFO (info.st_mode) && !S_ISSOCK (info.st_mode))
    return "it is neither a file nor a pipe nor a socket";
  return (flags & O_NONBLOCK) != 0 ? "it does not block" : NULL;
}

/* -- in the thread -- */

static int
newest_first (gconstpointer a, gconstpointer b)
{
  return -strcmp (*(const char *const *) a, *(const char *const *) b);
}

static bool
may_read (const FzExport *self, const char *name)
{
  uint32_t owner;

  if (self->reads_all)
    return strstr (name, ".log") != NULL;
  return fz_log_setup_parse_owner (name, &owner) &&
         (owner == self->reader || owner == FZ_LOG_NOBODY);
}

/* Names hold the time of the start, so that the order of names is that of time. */
static GPtrArray *
list_logs (const FzExport *self)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir =
      self->log_directory != NULL ? g_dir_open (self->log_directory, 0, NULL) : NULL;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (may_read (self, name))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, newest_first);
  if (names->len > FZ_EXPORT_LOGS_MAX)
    g_ptr_array_set_size (names, FZ_EXPORT_LOGS_MAX);
  return names;
}

static bool
add_log (FzLogBundle *bundle,
         const char *directory,
         const char *name,
         GCancellable *cancellable,
         GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat info;
  bool is_added = true;

  if (fd < 0)
    return true; /* rotated away meanwhile, or a link */
  if (fstat (fd, &info) == 0 && S_ISREG (info.st_mode))
    is_added = fz_log_bundle_add_log (bundle, name, fd, cancellable, error);
  close (fd);
  return is_added;
}

static bool
write_bundle (FzExport *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *folder = g_date_time_format (now, "firezone-%Y-%m-%d-%H-%M-%S");
  g_autoptr (GPtrArray) logs = list_logs (self);
  FzLogRedact *redact = fz_log_redact_new (FZ_LOG_REDACT_ADDRESSES | FZ_LOG_REDACT_NAMES);
  g_autoptr (FzLogBundle) bundle = NULL;

  for (guint i = 0; i < self->names->len; i++)
    fz_log_redact_add_name (redact, g_ptr_array_index (self->names, i));
  bundle = fz_log_bundle_new (self->target, folder, redact, error);
  if (bundle == NULL || !fz_log_bundle_add_text (bundle, "state.txt", self->state, error) ||
      !fz_log_bundle_add_text (bundle, "counters.txt", self->metrics, error))
    return false;
  for (guint i = 0; i < logs->len; i++)
    if (!add_log (bundle, self->log_directory, g_ptr_array_index (logs, i), cancellable, error))
      return false;
  return fz_log_bundle_close (bundle, error);
}

static void
run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  FzExport *self = data;
  GError *error = NULL;
  bool is_written = write_bundle (self, cancellable, &error);

  (void) source;
  clear_export (self); /* the reader of a pipe sees the end before the caller is answered */
  if (is_written)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* -- public -- */

void
fz_export_start (FzExport *export,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  FzExport *own = g_new (FzExport, 1);

  *own = *export;
  *export = (FzExport){ .target = -1 };
  g_task_set_task_data (task, own, free_export);
  g_task_run_in_thread (task, run);
}

bool
fz_export_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
