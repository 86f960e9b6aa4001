#include "src/helper/fz-owner-watch.h"

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>

#define NOBODY UINT32_MAX

struct FzOwnerWatch {
  FzOwnerWatchCallbacks callbacks;
  gpointer user_data;
  sd_login_monitor *monitor; /* NULL: no logind */
  guint monitor_id;
  guint look_id; /* idle source */
  uint32_t uid;
  bool was_here;
};

static bool
is_person_there (const char *session)
{
  char *class = NULL, *state = NULL;
  bool is_there = sd_session_get_class (session, &class) >= 0 && g_str_has_prefix (class, "user") &&
                  sd_session_get_state (session, &state) >= 0 && strcmp (state, "closing") != 0;

  free (class);
  free (state);
  return is_there;
}

unsigned
fz_owner_count_sessions (uint32_t uid)
{
  char **sessions = NULL;
  unsigned n_there = 0;
  int n = sd_uid_get_sessions ((uid_t) uid, -1, &sessions); /* in any state */

  for (int i = 0; i < n; i++) {
    n_there += is_person_there (sessions[i]) ? 1 : 0;
    free (sessions[i]);
  }
  free (sessions);
  return n_there;
}

static gboolean
look (gpointer user_data)
{
  FzOwnerWatch *self = user_data;
  bool is_here;

  self->look_id = 0;
  if (self->uid == NOBODY)
    return G_SOURCE_REMOVE;

  is_here = fz_owner_count_sessions (self->uid) > 0;
  if (is_here == self->was_here)
    return G_SOURCE_REMOVE;
  self->was_here = is_here;
  if (is_here)
    self->callbacks.on_here (self->user_data);
  else
    self->callbacks.on_left (self->user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_monitor (int fd, GIOCondition condition, gpointer user_data)
{
  FzOwnerWatch *self = user_data;

  (void) fd;
  (void) condition;
  sd_login_monitor_flush (self->monitor);
  look (self);
  return G_SOURCE_CONTINUE;
}

FzOwnerWatch *
fz_owner_watch_new (const FzOwnerWatchCallbacks *callbacks, gpointer user_data, const FzLog *log)
{
  FzOwnerWatch *self = g_new0 (FzOwnerWatch, 1);
  int result;

  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->uid = NOBODY;
  result = sd_login_monitor_new (NULL, &self->monitor);
  if (result < 0) {
    fz_log (log,
            FZ_LOG_DEBUG,
            "no-login-monitor",
            "there is no logind: nobody is noticed leaving",
            FZ_KV_TEXT ("error", g_strerror (-result)));
    return self;
  }
  self->monitor_id =
      g_unix_fd_add (sd_login_monitor_get_fd (self->monitor), G_IO_IN, on_monitor, self);
  return self;
}

void
fz_owner_watch_free (FzOwnerWatch *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->monitor_id, g_source_remove);
  g_clear_handle_id (&self->look_id, g_source_remove);
  sd_login_monitor_unref (self->monitor);
  g_free (self);
}

void
fz_owner_watch_set (FzOwnerWatch *self, uint32_t uid, bool was_here)
{
  self->uid = uid;
  self->was_here = was_here;
  g_clear_handle_id (&self->look_id, g_source_remove);
  if (uid != NOBODY && self->monitor != NULL)
    self->look_id = g_idle_add (look, self);
}
