/* fz-turn-counters.h
 *
 * How a lane's thread spends its time: turns, how long they are and how much is
 * done in each, polls and sleeps. The owner writes (relaxed), anyone reads.
 *
 * A turn ends where the next one begins, or where the thread goes to sleep: so one
 * reading of the clock per turn is enough, and one more before a sleep.
 */
#pragma once

#include "src/base/fz-instant.h"

#include <stdatomic.h>

#define FZ_N_TURN_TIMES 8u /* up to 0.01, 0.05, 0.1, 0.5, 1, 5, 20 ms, longer */
#define FZ_N_TURN_WORKS 6u /* 0, 1, 2-4, 5-16, 17-64, more */

typedef struct {
  _Atomic uint64_t turns;
  _Atomic uint64_t polls;  /* looks at the descriptors without sleeping */
  _Atomic uint64_t sleeps; /* polls that could block */
  _Atomic uint64_t times[FZ_N_TURN_TIMES];
  _Atomic uint64_t busy_ns;    /* of all turns */
  _Atomic uint64_t longest_ns; /* of one */
  _Atomic uint64_t works[FZ_N_TURN_WORKS];
  _Atomic uint64_t n_works; /* TUN frames and UDP buffers of all turns */
} FzTurnCounters;

/* The turn that is under way: the thread's own. */
typedef struct {
  FzInstant began; /* 0: none */
  unsigned n_works;
} FzTurn;

/* Ends the earlier turn if there is one. */
void fz_turn_begin (FzTurn *self, FzTurnCounters *counters, FzInstant now);
void fz_turn_end (FzTurn *self, FzTurnCounters *counters, FzInstant now);
