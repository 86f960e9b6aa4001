/* fz-session-ring.c
 *
 * See the private header.
 */
#include "src/engine/fz-session-ring-private.h"

#include <glib.h>

/* What expires within the same second goes in one wake-up, of all tunnels: nobody uses a session by
 * then, lanes look at its age themselves. */
#define SLACK_NS FZ_S

void
fz_session_ring_init (FzSessionRing *self, FzPeer *peer, FzReclaim *reclaim)
{
  *self = (FzSessionRing){ .peer = peer, .reclaim = reclaim };
}

static void
free_keypair (void *keypair)
{
  fz_keypair_free (keypair);
}

/* Lanes that hold the keypair already may finish their turn with it. */
static void
remove_slot (FzSessionRing *self, size_t slot)
{
  FzKeypair *keypair = g_steal_pointer (&self->slots[slot]);

  if (keypair == NULL)
    return;
  atomic_store_explicit (&self->peer->receiving[slot], NULL, memory_order_release);
  if (self->current == keypair)
    self->current = NULL;
  if (self->published == keypair) {
    self->published = NULL;
    atomic_store_explicit (&self->peer->sending, NULL, memory_order_release);
  }
  fz_reclaim_retire (self->reclaim, keypair, free_keypair);
}

void
fz_session_ring_clear (FzSessionRing *self)
{
  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++)
    remove_slot (self, i);
}

static size_t
slot_of (uint32_t local_index)
{
  return local_index % FZ_PEER_SESSIONS;
}

uint32_t
fz_session_ring_next_index (FzSessionRing *self)
{
  do
    self->last_index++;
  while (self->current != NULL &&
         slot_of (self->current->local_index) == slot_of (self->last_index));
  return self->peer->connection_id << 8 | self->last_index;
}

bool
fz_session_ring_may_add (const FzSessionRing *self, uint32_t local_index)
{
  return local_index >> 8 == self->peer->connection_id &&
         (self->current == NULL || slot_of (self->current->local_index) != slot_of (local_index));
}

void
fz_session_ring_add (FzSessionRing *self, FzKeypair *keypair)
{
  size_t slot = slot_of (keypair->local_index);

  remove_slot (self, slot);
  self->slots[slot] = keypair;
  atomic_store_explicit (&self->peer->receiving[slot], keypair, memory_order_release);
}

FzKeypair *
fz_session_ring_find (const FzSessionRing *self, uint32_t local_index)
{
  FzKeypair *keypair = self->slots[slot_of (local_index)];

  return keypair != NULL && keypair->local_index == local_index ? keypair : NULL;
}

static bool
is_confirmed (FzKeypair *keypair)
{
  return atomic_load_explicit (&keypair->is_confirmed, memory_order_acquire);
}

const FzKeypair *
fz_session_ring_newest_unconfirmed (const FzSessionRing *self)
{
  const FzKeypair *newest = NULL;

  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++) {
    FzKeypair *keypair = self->slots[i];

    if (keypair != NULL && !keypair->is_initiator && !is_confirmed (keypair) &&
        (newest == NULL || keypair->created_at > newest->created_at))
      newest = keypair;
  }
  return newest;
}

FzKeypair *
fz_session_ring_next_confirmed (const FzSessionRing *self)
{
  FzKeypair *best = NULL;
  FzInstant newer_than = self->current != NULL ? self->current->created_at : 0;

  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++) {
    FzKeypair *keypair = self->slots[i];

    if (keypair == NULL || keypair == self->current || keypair->is_initiator ||
        !is_confirmed (keypair))
      continue;
    /* of two made in the same instant the current one stays: so both sides that initiate at once
     * end as initiators rather than both as responders, of whom nobody would renew the keys */
    if (self->current != NULL && keypair->created_at <= newer_than)
      continue;
    best = keypair;
    newer_than = keypair->created_at;
  }
  return best;
}

static FzInstant
expiry_of (const FzKeypair *keypair)
{
  return fz_instant_add (keypair->created_at, FZ_REJECT_AFTER_S * FZ_S);
}

void
fz_session_ring_expire (FzSessionRing *self, FzInstant now)
{
  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++)
    if (self->slots[i] != NULL && expiry_of (self->slots[i]) <= now)
      remove_slot (self, i);
}

FzInstant
fz_session_ring_next_expiry (const FzSessionRing *self)
{
  FzInstant next = FZ_INSTANT_NEVER;

  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++)
    if (self->slots[i] != NULL)
      next = fz_instant_min (next, expiry_of (self->slots[i]));
  if (next >= FZ_INSTANT_NEVER - SLACK_NS)
    return next;
  return (next + SLACK_NS - 1) / SLACK_NS * SLACK_NS;
}

FzKeypair *
fz_session_ring_usable (const FzSessionRing *self, FzInstant now)
{
  FzKeypair *keypair = self->current;

  return keypair != NULL && fz_keypair_may_send (keypair, now) ? keypair : NULL;
}

bool
fz_session_ring_publish (FzSessionRing *self)
{
  if (self->published == self->current)
    return false;
  self->published = self->current;
  atomic_store_explicit (&self->peer->sending, self->current, memory_order_release);
  return self->current != NULL;
}

unsigned
fz_session_ring_count (const FzSessionRing *self)
{
  unsigned n = 0;

  for (unsigned i = 0; i < FZ_PEER_SESSIONS; i++)
    n += self->slots[i] != NULL;
  return n;
}
