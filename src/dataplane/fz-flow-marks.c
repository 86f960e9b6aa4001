/* fz-flow-marks.c: see the header */

#include "src/dataplane/fz-flow-marks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct FzFlowMarks {
  _Atomic uint32_t current; /* generation that is added to; engine writes */
  uint32_t n_bits;          /* of one */
  FzInstant since;          /* when the current one began; engine only */
  _Atomic uint64_t bits[];  /* of both; relaxed: nothing else follows from them */
};

FzFlowMarks *
fz_flow_marks_new (uint32_t bits)
{
  FzFlowMarks *self = calloc (1, sizeof *self + 2 * (bits / 64) * sizeof *self->bits);

  if (self == NULL)
    abort ();
  assert (bits >= 64 && (bits & (bits - 1)) == 0);
  self->n_bits = bits;
  return self;
}

void
fz_flow_marks_free (FzFlowMarks *self)
{
  free (self);
}

static uint64_t
mix (uint64_t hash, const FzIp *ip)
{
  uint64_t words[2];

  memcpy (words, ip->bytes, sizeof words);
  hash = (hash ^ words[0]) * UINT64_C (0x9e3779b97f4a7c15);
  hash = (hash ^ hash >> 32 ^ words[1]) * UINT64_C (0xd6e8feb86659fd93);
  return hash ^ hash >> 32;
}

static uint32_t
hash_flow (const FzFlowMarks *self, const FzIp *client, const FzNatKey *outside)
{
  uint64_t hash = (uint64_t) outside->protocol << 16 | outside->port;

  return (uint32_t) mix (mix (hash, client), &outside->ip) & (self->n_bits - 1);
}

void
fz_flow_marks_add (FzFlowMarks *self, const FzIp *client, const FzNatKey *outside)
{
  uint32_t hash = hash_flow (self, client, outside);
  uint32_t current = atomic_load_explicit (&self->current, memory_order_relaxed);
  _Atomic uint64_t *word = &self->bits[current * (self->n_bits / 64) + hash / 64];

  atomic_fetch_or_explicit (word, UINT64_C (1) << hash % 64, memory_order_relaxed);
}

bool
fz_flow_marks_has (const FzFlowMarks *self, const FzIp *client, const FzNatKey *outside)
{
  uint32_t hash = hash_flow (self, client, outside);
  const _Atomic uint64_t *word = &self->bits[hash / 64];
  uint64_t either = atomic_load_explicit (word, memory_order_relaxed) |
                    atomic_load_explicit (word + self->n_bits / 64, memory_order_relaxed);

  return (either >> hash % 64 & 1) != 0;
}

void
fz_flow_marks_add_contact (FzFlowMarks *self, const FzSocketAddress *remote)
{
  fz_flow_marks_add (self, &remote->ip, &(FzNatKey){ remote->ip, remote->port, 0 });
}

bool
fz_flow_marks_has_contact (const FzFlowMarks *self, const FzSocketAddress *remote)
{
  return fz_flow_marks_has (self, &remote->ip, &(FzNatKey){ remote->ip, remote->port, 0 });
}

void
fz_flow_marks_age (FzFlowMarks *self, FzInstant now)
{
  uint32_t next = 1 - atomic_load_explicit (&self->current, memory_order_relaxed);

  if (now < fz_instant_add (self->since, FZ_FLOW_MARKS_AGE_S * FZ_S))
    return;
  for (uint32_t i = 0; i < self->n_bits / 64; i++)
    atomic_store_explicit (&self->bits[next * (self->n_bits / 64) + i], 0, memory_order_relaxed);
  atomic_store_explicit (&self->current, next, memory_order_relaxed);
  self->since = now;
}
