/* fz-bell.c: see the header */

#include "src/runtime/fz-bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

bool
fz_bell_init (FzBell *self)
{
  atomic_init (&self->armed, FZ_BELL_OFF);
  self->fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return self->fd >= 0;
}

void
fz_bell_clear (FzBell *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

void
fz_bell_arm (FzBell *self, FzBellArmed for_what)
{
  atomic_exchange (&self->armed, for_what);
}

void
fz_bell_answer (FzBell *self)
{
  eventfd_t count;

  atomic_exchange (&self->armed, FZ_BELL_OFF);
  (void) eventfd_read (self->fd, &count); /* fails only when already empty */
}

void
fz_bell_ring (FzBell *self)
{
  if (atomic_exchange (&self->armed, FZ_BELL_OFF) != FZ_BELL_OFF)
    (void) eventfd_write (self->fd, 1); /* fails only when already full, which wakes as well */
}

void
fz_bell_tap (FzBell *self)
{
  /* A write in form: a sleeper who arms the bell later sees what has been announced. */
  if (atomic_fetch_or (&self->armed, 0) == FZ_BELL_TAPS)
    fz_bell_ring (self);
}
