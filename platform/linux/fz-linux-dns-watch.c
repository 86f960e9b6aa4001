#include "platform/linux/fz-linux-dns-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define FILE_EVENTS   (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)
#define FOLDER_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE)

struct FzDnsWatch {
  void (*func) (gpointer user_data);
  gpointer user_data;
  char *path; /* NULL: the whole folder counts */
  char *name; /* of the file in its folder */
  int fd;
  int folder; /* watch descriptors; -1: none */
  int file;
  guint source_id;
};

/* The file may be another one under the same name now. */
static void
watch_file_itself (FzDnsWatch *self)
{
  int file;

  if (self->path == NULL)
    return;
  file = inotify_add_watch (self->fd, self->path, FILE_EVENTS);
  if (self->file >= 0 && self->file != file)
    inotify_rm_watch (self->fd, self->file);
  self->file = file;
}

static bool
concerns_us (const FzDnsWatch *self, const struct inotify_event *event)
{
  if ((event->mask & IN_IGNORED) != 0)
    return false;
  if (event->wd != self->folder || self->path == NULL)
    return true;
  return event->len > 0 && strcmp (event->name, self->name) == 0;
}

static gboolean
on_events (int fd, GIOCondition condition, gpointer user_data)
{
  FzDnsWatch *self = user_data;
  _Alignas(struct inotify_event) char buffer[4096];
  ssize_t n = read (fd, buffer, sizeof buffer);
  bool has_news = false;

  for (ssize_t at = 0; at < n;) {
    const struct inotify_event *event = (const void *) (buffer + at);

    has_news = has_news || concerns_us (self, event);
    at += (ssize_t) (sizeof *event + event->len);
  }
  if (!has_news)
    return G_SOURCE_CONTINUE;
  watch_file_itself (self);
  self->func (self->user_data);
  return G_SOURCE_CONTINUE;
}

static FzDnsWatch *
start (const char *folder, const char *path, void (*func) (gpointer user_data), gpointer user_data)
{
  FzDnsWatch *self = g_new0 (FzDnsWatch, 1);

  self->func = func;
  self->user_data = user_data;
  self->path = g_strdup (path);
  self->name = path != NULL ? g_path_get_basename (path) : NULL;
  self->folder = self->file = -1;
  self->fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->fd < 0)
    return self;
  self->folder = inotify_add_watch (self->fd, folder, FOLDER_EVENTS);
  watch_file_itself (self);
  self->source_id = g_unix_fd_add (self->fd, G_IO_IN, on_events, self);
  return self;
}

FzDnsWatch *
fz_dns_watch_file_new (const char *path, void (*func) (gpointer user_data), gpointer user_data)
{
  g_autofree char *folder = g_path_get_dirname (path);

  return start (folder, path, func, user_data);
}

FzDnsWatch *
fz_dns_watch_folder_new (const char *path, void (*func) (gpointer user_data), gpointer user_data)
{
  return start (path, NULL, func, user_data);
}

void
fz_dns_watch_free (FzDnsWatch *self)
{
  if (self == NULL)
    return;

  g_clear_handle_id (&self->source_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self->name);
  g_free (self);
}
