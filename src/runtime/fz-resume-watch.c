/* fz-resume-watch.c: see the header */

#include "src/runtime/fz-resume-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdbool.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FAR_FUTURE_S INT32_MAX /* from now: it is the cancelling that we want */

struct FzResumeWatch {
  FzClock own_clock;
  const FzClock *clock;
  uint64_t suspended_ns; /* in total, as last asked for */
  void (*on_jump) (gpointer user_data);
  gpointer user_data;
  int fd; /* negative: the kernel has none */
  guint source_id;
};

static bool
arm (FzResumeWatch *self)
{
  struct timespec now = { 0 };
  struct itimerspec spec = { 0 };

  clock_gettime (CLOCK_REALTIME, &now);
  spec.it_value.tv_sec = now.tv_sec + FAR_FUTURE_S;
  return timerfd_settime (self->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL) == 0;
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user_data)
{
  FzResumeWatch *self = user_data;
  uint64_t n_expirations;

  if (read (fd, &n_expirations, sizeof n_expirations) < 0 && errno != ECANCELED)
    return G_SOURCE_CONTINUE;
  arm (self);
  self->on_jump (self->user_data);
  return G_SOURCE_CONTINUE;
}

FzResumeWatch *
fz_resume_watch_new (const FzClock *clock, void (*on_jump) (gpointer user_data), gpointer user_data)
{
  FzResumeWatch *self = g_new0 (FzResumeWatch, 1);

  fz_clock_init (&self->own_clock);
  self->clock = clock != NULL ? clock : &self->own_clock;
  self->suspended_ns = fz_clock_suspended_ns (self->clock);
  self->on_jump = on_jump;
  self->user_data = user_data;
  self->fd = timerfd_create (CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (self->fd >= 0 && arm (self))
    self->source_id = g_unix_fd_add (self->fd, G_IO_IN, on_readable, self);
  return self;
}

uint64_t
fz_resume_watch_take_slept (FzResumeWatch *self)
{
  uint64_t total = fz_clock_suspended_ns (self->clock);
  uint64_t slept = fz_instant_since (self->suspended_ns, total);

  self->suspended_ns = total;
  return slept;
}

void
fz_resume_watch_free (FzResumeWatch *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->source_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self);
}
