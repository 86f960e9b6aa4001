/* fz-turn-counters.c: see the header */

#include "src/runtime/fz-turn-counters.h"

static void
add (_Atomic uint64_t *counter, uint64_t n)
{
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static void
count_time (FzTurnCounters *counters, uint64_t ns)
{
  static const uint64_t limits[FZ_N_TURN_TIMES - 1] = { 10 * FZ_US,  50 * FZ_US, 100 * FZ_US,
                                                        500 * FZ_US, FZ_MS,      5 * FZ_MS,
                                                        20 * FZ_MS };
  unsigned i = 0;

  while (i < FZ_N_TURN_TIMES - 1 && ns > limits[i])
    i++;
  add (&counters->times[i], 1);
  add (&counters->busy_ns, ns);
  if (ns > atomic_load_explicit (&counters->longest_ns, memory_order_relaxed))
    atomic_store_explicit (&counters->longest_ns, ns, memory_order_relaxed);
}

static void
count_works (FzTurnCounters *counters, unsigned n)
{
  static const unsigned limits[FZ_N_TURN_WORKS - 1] = { 0, 1, 4, 16, 64 };
  unsigned i = 0;

  while (i < FZ_N_TURN_WORKS - 1 && n > limits[i])
    i++;
  add (&counters->works[i], 1);
  add (&counters->n_works, n);
}

void
fz_turn_begin (FzTurn *self, FzTurnCounters *counters, FzInstant now)
{
  if (self->began != 0)
    fz_turn_end (self, counters, now);
  *self = (FzTurn){ .began = now };
}

void
fz_turn_end (FzTurn *self, FzTurnCounters *counters, FzInstant now)
{
  add (&counters->turns, 1);
  count_time (counters, fz_instant_since (self->began, now));
  count_works (counters, self->n_works);
  *self = (FzTurn){ 0 };
}
