/* fz-ice-timing.h
 *
 * When connectivity checks are repeated and given up (connectivity.md §3.6).
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
} FzIceTiming;

const FzIceTiming *fz_ice_timing (FzIceProfile profile);

/* Time after the @n-th attempt in a row until the next one, ns; 0 for @n of 0. */
uint64_t fz_ice_timing_delay (const FzIceTiming *timing, unsigned n);

/* How long an established pair lives without answers, ns (16.5 s for FZ_ICE_CLIENT_DEFAULT). */
uint64_t fz_ice_timing_timeout (const FzIceTiming *timing);
