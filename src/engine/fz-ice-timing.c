/* fz-ice-timing.c */
#include "src/engine/fz-ice-timing.h"

#include "src/base/fz-instant.h"

const FzIceTiming *
fz_ice_timing (FzIceProfile profile)
{
  static const FzIceTiming timings[] = {
    [FZ_ICE_CLIENT_DEFAULT] = { 250 * FZ_MS, 1500 * FZ_MS, 12, 0, 0, 0, 0 },
    [FZ_ICE_CLIENT_IDLE] = { 25 * FZ_S, 25 * FZ_S, 4, 3 * FZ_S, 12 * FZ_S, 0, FZ_S / 2 },
    [FZ_ICE_SERVER_DEFAULT] = { 250 * FZ_MS, 15 * FZ_S, 45, 0, 0, 0, 0 },
    [FZ_ICE_SERVER_IDLE] = { 25 * FZ_S, 25 * FZ_S, 40, 3 * FZ_S, 12 * FZ_S, FZ_S, 0 },
  };

  return &timings[profile];
}

uint64_t
fz_ice_timing_delay (const FzIceTiming *timing, unsigned n)
{
  uint64_t delay = timing->initial_rto_ns;

  if (n == 0)
    return 0;
  for (unsigned i = 1; i < n && i <= timing->max_retransmits && delay < timing->max_rto_ns; i++)
    delay *= 2;
  return delay < timing->max_rto_ns ? delay : timing->max_rto_ns;
}

uint64_t
fz_ice_timing_timeout (const FzIceTiming *timing)
{
  uint64_t sum = fz_ice_timing_delay (timing, timing->max_retransmits);

  for (unsigned n = 2; n <= timing->max_retransmits; n++)
    sum += fz_ice_timing_delay (timing, n);
  return sum;
}
