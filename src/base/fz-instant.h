/* fz-instant.h
 *
 * Points and lengths of time, in nanoseconds. An instant counts from an
 * arbitrary start and goes on while the machine is suspended (the runtime reads
 * CLOCK_BOOTTIME; the simulator counts by itself). Sans-IO code never reads a
 * clock: instants come in as arguments.
 */
#pragma once

#include <stdint.h>

typedef uint64_t FzInstant; /* ns */

#define FZ_INSTANT_NEVER UINT64_MAX
#define FZ_US            UINT64_C (1000)
#define FZ_MS            UINT64_C (1000000)
#define FZ_S             UINT64_C (1000000000)

static inline FzInstant
fz_instant_min (FzInstant a, FzInstant b)
{
  return a < b ? a : b;
}

/* Saturates at FZ_INSTANT_NEVER. */
static inline FzInstant
fz_instant_add (FzInstant at, uint64_t duration_ns)
{
  return at > FZ_INSTANT_NEVER - duration_ns ? FZ_INSTANT_NEVER : at + duration_ns;
}

/* Time from @from to @to, 0 if @to is earlier. */
static inline uint64_t
fz_instant_since (FzInstant from, FzInstant to)
{
  return to > from ? to - from : 0;
}
