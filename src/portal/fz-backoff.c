#include "src/portal/fz-backoff.h"

const FzBackoffPolicy fz_backoff_first_connect = {
  .first_ns = 1 * FZ_S,
  .max_ns = 1 * FZ_S,
  .factor_permille = 1000,
  .has_jitter = false,
  .budget_ns = 15 * FZ_S,
};

FzBackoffPolicy
fz_backoff_reconnect (uint64_t budget_ns)
{
  return (FzBackoffPolicy){
    .first_ns = 500 * FZ_MS,
    .max_ns = 60 * FZ_S,
    .factor_permille = 1500,
    .has_jitter = true,
    .budget_ns = budget_ns,
  };
}

void
fz_backoff_init (FzBackoff *self, FzBackoffPolicy policy)
{
  *self = (FzBackoff){ .policy = policy };
}

static uint64_t
grow (const FzBackoff *self)
{
  uint64_t next;

  if (self->current_ns == 0)
    return self->policy.first_ns;

  /* No overflow: a delay is at most max_ns, a minute. */
  next = self->current_ns * self->policy.factor_permille / 1000;
  return next < self->policy.max_ns ? next : self->policy.max_ns;
}

bool
fz_backoff_next (FzBackoff *self, const FzRng *rng, uint64_t *out_ns)
{
  uint64_t base_ns = grow (self);
  uint64_t delay_ns = base_ns;

  if (self->policy.has_jitter)
    delay_ns += fz_rng_below (rng, base_ns);
  if (delay_ns > self->policy.budget_ns - self->spent_ns)
    return false;

  self->current_ns = base_ns;
  if (self->policy.budget_ns != FZ_BACKOFF_UNLIMITED)
    self->spent_ns += delay_ns;
  *out_ns = delay_ns;
  return true;
}
