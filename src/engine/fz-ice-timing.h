/* fz-ice-timing.h
 *
 * When connectivity checks are repeated and given up (connectivity.md §3.6).
 *
 * Few wake-ups serve many checks of an idle connection. Those of one agent go
 * out together; they go along with the answer when the peer checks. So that both
 * sides fall into one step and stay in it, one leads and one follows: a gateway
 * checks on whole seconds, which all its clients share, and a client waits a
 * moment longer, for its gateway. Nobody waits as long as 30 s: NATs on the way
 * would forget us.
 */
#pragma once

#include <stdint.h>

#define FZ_ICE_ATTEMPTS_MAX 45u /* most retransmits of any profile */

typedef enum {
  FZ_ICE_CLIENT_DEFAULT,
  FZ_ICE_CLIENT_IDLE,
  FZ_ICE_SERVER_DEFAULT,
  FZ_ICE_SERVER_IDLE,
} FzIceProfile;

typedef struct {
  uint64_t initial_rto_ns;
  uint64_t max_rto_ns;
  unsigned max_retransmits; /* at most FZ_ICE_ATTEMPTS_MAX */

  /* how far a check may be from its time, ns; 0: not at all */
  uint64_t early_beside_ours_ns;   /* another one of this agent goes out */
  uint64_t early_beside_theirs_ns; /* the peer's has just come */
  uint64_t grid_ns;                /* with nothing beside it: at multiples of this, early */
  uint64_t late_ns;                /* … or so much late; twice as much for the controlled side */
} FzIceTiming;

const FzIceTiming *fz_ice_timing (FzIceProfile profile);

/* Time after the @n-th attempt in a row until the next one, ns; 0 for @n of 0. */
uint64_t fz_ice_timing_delay (const FzIceTiming *timing, unsigned n);

/* How long an established pair lives without answers, ns (16.5 s for FZ_ICE_CLIENT_DEFAULT). */
uint64_t fz_ice_timing_timeout (const FzIceTiming *timing);
