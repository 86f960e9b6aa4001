/* fz-codel.c: see the header. Names of RFC 8289 §5: first_above_time, drop_next, count, lastcount,
 * dropping. */

#include "src/dataplane/fz-codel.h"

#include <math.h>

#define REMEMBERED_INTERVALS                                                                       \
  16u /* a new episode that starts so soon goes on where the last was                              \
       */

static FzInstant
next_signal (const FzCodel *self, const FzCodelConfig *config, FzInstant from)
{
  return fz_instant_add (from, (uint64_t) ((double) config->interval_ns / sqrt (self->n_signals)));
}

/* Whether the wait has been above the target for an interval. */
static bool
is_too_long (FzCodel *self,
             const FzCodelConfig *config,
             uint64_t sojourn_ns,
             bool has_backlog,
             FzInstant now)
{
  if (sojourn_ns < config->target_ns || !has_backlog) {
    self->above_until = 0;
    return false;
  }
  if (self->above_until == 0) {
    self->above_until = fz_instant_add (now, config->interval_ns);
    return false;
  }
  return now >= self->above_until;
}

static void
start_signalling (FzCodel *self, const FzCodelConfig *config, FzInstant now)
{
  uint32_t learnt = self->n_signals - self->n_at_start;
  bool is_recent =
      fz_instant_since (self->next_at, now) < REMEMBERED_INTERVALS * config->interval_ns;

  self->is_signalling = true;
  self->n_signals = learnt > 1 && is_recent ? learnt : 1;
  self->n_at_start = self->n_signals;
  self->next_at = next_signal (self, config, now);
}

bool
fz_codel_should_signal (FzCodel *self,
                        const FzCodelConfig *config,
                        uint64_t sojourn_ns,
                        bool has_backlog,
                        FzInstant now)
{
  if (!is_too_long (self, config, sojourn_ns, has_backlog, now)) {
    self->is_signalling = false;
    return false;
  }
  if (!self->is_signalling) {
    start_signalling (self, config, now);
    return true;
  }
  if (now < self->next_at)
    return false;
  self->n_signals += self->n_signals < UINT32_MAX;
  self->next_at = next_signal (self, config, self->next_at);
  return true;
}
