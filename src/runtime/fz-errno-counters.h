/* fz-errno-counters.h
 *
 * How often a system call failed, by errno: those that the data path meets have a
 * place of their own, all others share one. Owner writes (relaxed), anyone reads.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define FZ_ERRNO_COUNTERS_N 15u

typedef struct {
  _Atomic uint64_t n[FZ_ERRNO_COUNTERS_N];
} FzErrnoCounters;

void fz_errno_counters_add (FzErrnoCounters *self, int error);

/* What place @i < FZ_ERRNO_COUNTERS_N counts: "ENOBUFS"; "other" for the last. */
const char *fz_errno_counters_name (unsigned i);
