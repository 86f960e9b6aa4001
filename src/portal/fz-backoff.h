/* fz-backoff.h
 *
 * How long to wait before the next attempt to reach the portal, and when to
 * give up (portal-protocol.md §3.11). Pure: the budget bounds the sum of the
 * delays handed out, not the time that passed.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/base/fz-rng.h"

#include <stdbool.h>
#include <stdint.h>

#define FZ_BACKOFF_UNLIMITED UINT64_MAX

typedef struct {
  uint64_t first_ns;        /* first delay */
  uint64_t max_ns;          /* cap of a delay, before the jitter */
  uint32_t factor_permille; /* growth from one delay to the next: 1500 is × 1.5 */
  bool has_jitter;          /* a delay d becomes d + random (0 … d) */
  uint64_t budget_ns;       /* sum of all delays; FZ_BACKOFF_UNLIMITED */
} FzBackoffPolicy;

/* Before the first successful join of this process or session. */
extern const FzBackoffPolicy fz_backoff_first_connect;

/* After it, with the process's own budget. */
FzBackoffPolicy fz_backoff_reconnect (uint64_t budget_ns);

typedef struct {
  FzBackoffPolicy policy;
  uint64_t current_ns; /* 0: nothing handed out yet */
  uint64_t spent_ns;   /* sum of the delays handed out */
} FzBackoff;

void fz_backoff_init (FzBackoff *self, FzBackoffPolicy policy);

/* False: the budget is used up and @out_ns untouched. @rng is asked only where there is jitter. */
bool fz_backoff_next (FzBackoff *self, const FzRng *rng, uint64_t *out_ns);
