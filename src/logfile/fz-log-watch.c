/* fz-log-watch.c: see the header */

#include "src/logfile/fz-log-watch.h"

#define PATH_POLL_FACTOR 5u

struct FzLogWatch {
  FzLogIndex *index;
  FzLogWatchFunc on_change;
  gpointer user_data;
  GFileMonitor *monitor; /* NULL: no path, or no inotify */
  gulong monitor_handler;
  guint poll_id; /* 0 after the file has gone */
  guint idle_id; /* a look is due */
};

static void
stop (FzLogWatch *self)
{
  g_clear_handle_id (&self->poll_id, g_source_remove);
  g_clear_handle_id (&self->idle_id, g_source_remove);
  if (self->monitor != NULL)
    g_clear_signal_handler (&self->monitor_handler, self->monitor);
  g_clear_object (&self->monitor);
}

/* Last use of @self in its callers: the callback may free it. */
static void
look (FzLogWatch *self)
{
  FzLogFileState state = fz_log_index_check (self->index);

  if (state == FZ_LOG_FILE_SAME)
    return;
  if (state != FZ_LOG_FILE_GREW)
    stop (self);
  self->on_change (state, self->user_data);
}

static gboolean
on_poll (gpointer user_data)
{
  look (user_data);
  return G_SOURCE_CONTINUE; /* of a source that look() may have removed: then it does not count */
}

static gboolean
on_idle (gpointer user_data)
{
  FzLogWatch *self = user_data;

  self->idle_id = 0;
  look (self);
  return G_SOURCE_REMOVE;
}

static void
look_soon (FzLogWatch *self)
{
  if (self->idle_id == 0)
    self->idle_id = g_idle_add (on_idle, self);
}

static void
on_file_event (
    GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user_data)
{
  look_soon (user_data);
}

/* Without inotify, or on a file system that knows no events, the poll does it. */
static void
start_monitor (FzLogWatch *self, const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);

  self->monitor = g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
  if (self->monitor == NULL)
    return;
  g_file_monitor_set_rate_limit (self->monitor, 100);
  self->monitor_handler =
      g_signal_connect (self->monitor, "changed", G_CALLBACK (on_file_event), self);
}

FzLogWatch *
fz_log_watch_new (FzLogIndex *index, FzLogWatchFunc on_change, gpointer user_data)
{
  FzLogWatch *self = g_new0 (FzLogWatch, 1);
  const char *path = fz_log_index_get_path (index);

  self->index = fz_log_index_ref (index);
  self->on_change = on_change;
  self->user_data = user_data;
  if (path != NULL)
    start_monitor (self, path);
  self->poll_id = g_timeout_add (
      FZ_LOG_WATCH_POLL_MS * (self->monitor != NULL ? PATH_POLL_FACTOR : 1), on_poll, self);
  look_soon (self);
  return self;
}

void
fz_log_watch_free (FzLogWatch *self)
{
  if (self == NULL)
    return;
  stop (self);
  fz_log_index_unref (self->index);
  g_free (self);
}
