/* fz-bell.h
 *
 * A doorbell between two threads: an eventfd that is written only when the
 * other side may be asleep. The sleeper arms the bell, looks once more whether
 * there is work, and only then polls the descriptor; the worker makes its work
 * visible and then rings. Both sides exchange the same flag, so one of them
 * always sees the other: no wake-up is lost, and a busy sleeper costs its peer
 * no system call.
 *
 * A sleeper who does not want to be woken for everything arms the bell for rings
 * alone: then a tap is not heard. What was announced by it is found at the next
 * look, whatever causes that.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

typedef enum {
  FZ_BELL_OFF,
  FZ_BELL_RINGS, /* a tap is not heard */
  FZ_BELL_TAPS,  /* everything is */
} FzBellArmed;

typedef struct {
  int fd;            /* eventfd, for poll */
  atomic_uint armed; /* FzBellArmed: the sleeper sets it, the ringer takes it */
} FzBell;

bool fz_bell_init (FzBell *self); /* false with errno set */
void fz_bell_clear (FzBell *self);

/* -- sleeper -- */
void fz_bell_arm (FzBell *self, FzBellArmed for_what); /* before the last look and the poll */
void fz_bell_answer (FzBell *self);                    /* after a poll that said readable */

/* -- ringer -- */
void fz_bell_ring (FzBell *self); /* wakes the other side if it may sleep */
void fz_bell_tap (FzBell *self);  /* only if it wants to be woken for this */
