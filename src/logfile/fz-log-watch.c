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
  guint look_id; /* a look is due */
  int64_t looked_us;
};

static void
stop (FzLogWatch *self)
{
  g_clear_handle_id (&self->poll_id, g_source_remove);
  g_clear_handle_id (&self->look_id, g_source_remove);
  if (self->monitor != NULL)
    g_clear_signal_handler (&self->monitor_handler, self->monitor);
  g_clear_object (&self->monitor);
}

/* Last use of @self in its callers: the callback may free it. */
static void
look (FzLogWatch *self)
{
  FzLogFileState state = fz_log_index_check (self->index);

  self->looked_us = g_get_monotonic_time ();
  if (state == FZ_LOG_FILE_SAME)
    return;
  if (state != FZ_LOG_FILE_GREW)
    stop (self);
  self->on_change (state, self->user_data);
}

static gboolean
on_due (gpointer user_data)
{
  FzLogWatch *self = user_data;

  self->look_id = 0;
  look (self);
  return G_SOURCE_REMOVE;
}

static void
look_soon (FzLogWatch *self)
{
  const int64_t ago_ms = (g_get_monotonic_time () - self->looked_us) / 1000;

  if (self->look_id == 0)
    self->look_id = ago_ms < FZ_LOG_WATCH_INTERVAL_MS
                        ? g_timeout_add (FZ_LOG_WATCH_INTERVAL_MS - (guint) ago_ms, on_due, self)
                        : g_idle_add (on_due, self);
}

static gboolean
on_poll (gpointer user_data)
{
  look_soon (user_data);
  return G_SOURCE_CONTINUE;
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
