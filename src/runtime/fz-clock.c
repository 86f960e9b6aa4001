/* fz-clock.c: see the header */

#include "src/runtime/fz-clock.h"

#include <time.h>

static uint64_t
read_clock (clockid_t id)
{
  struct timespec t = { 0 };

  clock_gettime (id, &t);
  return (uint64_t) t.tv_sec * FZ_S + (uint64_t) t.tv_nsec;
}

FzInstant
fz_clock_now (const FzClock *self)
{
  return read_clock (CLOCK_BOOTTIME) +
         atomic_load_explicit (&self->skipped_ns, memory_order_relaxed);
}

void
fz_clock_skip (FzClock *self, uint64_t duration_ns)
{
  atomic_fetch_add_explicit (&self->skipped_ns, duration_ns, memory_order_relaxed);
}

void
fz_clock_sleep (FzClock *self, uint64_t duration_ns)
{
  atomic_fetch_add_explicit (&self->slept_ns, duration_ns, memory_order_relaxed);
  fz_clock_skip (self, duration_ns);
}

uint64_t
fz_clock_unix_ns_at_zero (const FzClock *self)
{
  return read_clock (CLOCK_REALTIME) - fz_clock_now (self);
}

uint64_t
fz_clock_suspended_ns (const FzClock *self)
{
  uint64_t awake = read_clock (CLOCK_MONOTONIC);

  return fz_instant_since (awake, read_clock (CLOCK_BOOTTIME)) +
         atomic_load_explicit (&self->slept_ns, memory_order_relaxed);
}

uint64_t
fz_clock_unix_now (void)
{
  return read_clock (CLOCK_REALTIME) / FZ_S;
}

uint64_t
fz_clock_boottime_of (const FzClock *self, FzInstant instant)
{
  return fz_instant_since (atomic_load_explicit (&self->skipped_ns, memory_order_relaxed), instant);
}
