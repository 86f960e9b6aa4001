/* fz-clock.h
 *
 * The clock that drives one engine and its lanes: CLOCK_BOOTTIME, so that time
 * spent in suspend counts and timers that fell due meanwhile fire at once. Any
 * thread may read it.
 *
 * A test may set it forward (fz_clock_skip): a rekey after two minutes is then
 * seen in milliseconds. Nothing sets it back.
 */
#pragma once

#include "src/base/fz-instant.h"

#include <stdatomic.h>

typedef struct {
  _Atomic uint64_t skipped_ns; /* tests write, any thread reads; relaxed */
  _Atomic uint64_t slept_ns;   /* likewise: what of it was suspend */
} FzClock;

static inline void
fz_clock_init (FzClock *self)
{
  atomic_init (&self->skipped_ns, 0);
  atomic_init (&self->slept_ns, 0);
}

FzInstant fz_clock_now (const FzClock *self);

/* Sets the clock forward by @duration_ns, for tests. */
void fz_clock_skip (FzClock *self, uint64_t duration_ns);

/* The same, as if the machine had been suspended meanwhile. */
void fz_clock_sleep (FzClock *self, uint64_t duration_ns);

/* Wall clock at FzInstant 0: what ties TAI64N stamps and expiry dates to instants. */
uint64_t fz_clock_unix_ns_at_zero (const FzClock *self);

/* Time that the machine has spent suspended, in total: grows by each sleep. */
uint64_t fz_clock_suspended_ns (const FzClock *self);

/* Seconds since 1970. */
uint64_t fz_clock_unix_now (void);

/* CLOCK_BOOTTIME value, in ns, at which @instant is reached: for timerfd_settime. */
uint64_t fz_clock_boottime_of (const FzClock *self, FzInstant instant);
