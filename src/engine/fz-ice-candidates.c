/* fz-ice-candidates.c */
#include "src/engine/fz-ice-candidates.h"

#include <glib.h>

#define CAPACITY_MIN   4u
#define FAMILY_PENALTY 1000u /* relay reached over the other family, §3.2 */

static uint32_t
first_preference (FzCandidateKind kind)
{
  switch (kind) {
  case FZ_CANDIDATE_HOST:
    return 65535;
  case FZ_CANDIDATE_PEER_REFLEXIVE:
    return 49151;
  case FZ_CANDIDATE_SERVER_REFLEXIVE:
    return 32767;
  case FZ_CANDIDATE_RELAYED:
    return 16383;
  }
  return 0;
}

uint32_t
fz_ice_candidates_priority (const FzIceCandidates *self, const FzCandidate *candidate)
{
  uint8_t family = candidate->address.ip.family;
  uint32_t preference = first_preference (candidate->kind);

  if (family == FZ_IP_V4)
    preference -= 1;
  if (candidate->kind == FZ_CANDIDATE_RELAYED && candidate->base.ip.family != family)
    preference -= FAMILY_PENALTY;
  for (size_t i = 0; i < self->n; i++)
    if (self->items[i].kind == candidate->kind && self->items[i].address.ip.family == family)
      preference -= 2;
  return fz_candidate_priority (candidate->kind, (uint16_t) preference);
}

uint32_t
fz_ice_candidate_check_priority (const FzIceCandidate *candidate)
{
  return FZ_CANDIDATE_PEER_REFLEXIVE_PREFERENCE << 24 | (candidate->priority & 0xffffff);
}

int
fz_ice_candidates_find (const FzIceCandidates *self,
                        FzCandidateKind kind,
                        const FzSocketAddress *address,
                        const FzSocketAddress *base)
{
  for (size_t i = 0; i < self->n; i++) {
    const FzIceCandidate *item = &self->items[i];

    if (item->kind == kind && fz_socket_address_equal (&item->address, address) &&
        (base == NULL || fz_socket_address_equal (&item->base, base)))
      return (int) i;
  }
  return -1;
}

int
fz_ice_candidates_find_address (const FzIceCandidates *self, const FzSocketAddress *address)
{
  int best = -1;

  for (size_t i = 0; i < self->n; i++) {
    const FzIceCandidate *item = &self->items[i];

    if (item->is_discarded || !fz_socket_address_equal (&item->address, address))
      continue;
    if (best < 0 || item->priority > self->items[best].priority)
      best = (int) i;
  }
  return best;
}

bool
fz_ice_candidates_is_discarded (const FzIceCandidates *self, const FzSocketAddress *address)
{
  for (size_t i = 0; i < self->n; i++)
    if (self->items[i].is_discarded && fz_socket_address_equal (&self->items[i].address, address))
      return true;
  return false;
}

/* The entry that is missed least: discarded first, then peer-reflexive, then any; -1 if all are
 * used. */
static int
pick_victim (const FzIceCandidates *self, const bool *is_used)
{
  int reflexive = -1;
  int any = -1;

  for (size_t i = 0; i < self->n; i++) {
    if (is_used[i])
      continue;
    if (self->items[i].is_discarded)
      return (int) i;
    if (reflexive < 0 && self->items[i].kind == FZ_CANDIDATE_PEER_REFLEXIVE)
      reflexive = (int) i;
    if (any < 0)
      any = (int) i;
  }
  return reflexive >= 0 ? reflexive : any;
}

void
fz_ice_candidates_clear (FzIceCandidates *self)
{
  g_clear_pointer (&self->items, g_free);
  self->n = self->capacity = 0;
}

static void
make_room (FzIceCandidates *self)
{
  if (self->n < self->capacity)
    return;
  self->capacity = MIN (MAX (2 * self->capacity, CAPACITY_MIN), FZ_ICE_CANDIDATES_MAX);
  self->items = g_renew (FzIceCandidate, self->items, self->capacity);
}

int
fz_ice_candidates_append (FzIceCandidates *self,
                          const FzIceCandidate *candidate,
                          const bool *is_used)
{
  FzIceCandidate item = *candidate; /* may be one of ours */
  int index;

  if (self->n < FZ_ICE_CANDIDATES_MAX) {
    make_room (self);
    index = (int) self->n++;
  } else {
    index = pick_victim (self, is_used);
  }
  if (index >= 0)
    self->items[index] = item;
  return index;
}
