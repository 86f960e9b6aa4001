/* fz-errno-counters.c: see the header */

#include "src/runtime/fz-errno-counters.h"

#include <assert.h>
#include <errno.h>

/* dataplane.md §19 */
static const struct {
  int error;
  const char *name;
} places[] = {
  { EACCES, "EACCES" },
  { EADDRNOTAVAIL, "EADDRNOTAVAIL" },
  { EBADFD, "EBADFD" },
  { ECONNREFUSED, "ECONNREFUSED" },
  { EHOSTUNREACH, "EHOSTUNREACH" },
  { EINVAL, "EINVAL" },
  { EIO, "EIO" },
  { EMSGSIZE, "EMSGSIZE" },
  { ENETDOWN, "ENETDOWN" },
  { ENETUNREACH, "ENETUNREACH" },
  { ENOBUFS, "ENOBUFS" },
  { ENOMEM, "ENOMEM" },
  { EPERM, "EPERM" },
  { EPROTO, "EPROTO" },
};

#define N_NAMED (sizeof places / sizeof *places)

_Static_assert(N_NAMED + 1 == FZ_ERRNO_COUNTERS_N, "one place more, for all others");

void
fz_errno_counters_add (FzErrnoCounters *self, int error)
{
  unsigned i = 0;

  while (i < N_NAMED && places[i].error != error)
    i++;
  atomic_store_explicit (&self->n[i],
                         atomic_load_explicit (&self->n[i], memory_order_relaxed) + 1,
                         memory_order_relaxed);
}

const char *
fz_errno_counters_name (unsigned i)
{
  assert (i < FZ_ERRNO_COUNTERS_N);
  return i < N_NAMED ? places[i].name : "other";
}
