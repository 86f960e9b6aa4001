/* fz-peer.c: see the header
 *
 * The endpoint's sequence lock is made of atomics only: an odd sequence says
 * "being written"; a reader that sees a new word (acquire, from a release
 * store) therefore sees the odd or a later sequence too, and tries again.
 */

#include "src/dataplane/fz-peer.h"

#include <stdlib.h>
#include <string.h>

#define N_WORDS (sizeof ((FzPeer *) 0)->endpoint_words / sizeof (uint64_t))

_Static_assert(sizeof (FzEndpoint) <= N_WORDS * sizeof (uint64_t), "an endpoint fits its words");

FzPeer *
fz_peer_new (const FzUuid *id, uint32_t connection_id)
{
  FzPeer *self = aligned_alloc (_Alignof(FzPeer), sizeof *self);

  if (self == NULL)
    abort ();
  memset (self, 0, sizeof *self); /* every atomic of ours is zero in its initial state */
  self->id = *id;
  self->connection_id = connection_id;
  return self;
}

void
fz_peer_free (FzPeer *self)
{
  FzKeypair *sending;

  if (self == NULL)
    return;
  sending = atomic_load (&self->sending);
  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++) {
    FzKeypair *keypair = atomic_load (&self->receiving[i]);

    if (keypair == sending)
      sending = NULL;
    fz_keypair_free (keypair);
  }
  fz_keypair_free (sending);
  fz_policy_free ((FzPolicy *) atomic_load (&self->sources));
  fz_policy_free ((FzPolicy *) atomic_load (&self->permissions));
  free (self);
}

void
fz_peer_set_endpoint (FzPeer *self, const FzEndpoint *endpoint)
{
  uint32_t sequence = atomic_load_explicit (&self->endpoint_sequence, memory_order_relaxed);
  uint64_t words[N_WORDS] = { 0 };
  FzEndpoint copy = *endpoint;

  copy.generation = sequence / 2 + 1;
  memcpy (words, &copy, sizeof copy);
  atomic_store_explicit (&self->endpoint_sequence, sequence + 1, memory_order_relaxed);
  for (size_t i = 0; i < N_WORDS; i++)
    atomic_store_explicit (&self->endpoint_words[i], words[i], memory_order_release);
  atomic_store_explicit (&self->endpoint_sequence, sequence + 2, memory_order_release);
}

FzEndpoint
fz_peer_get_endpoint (const FzPeer *self)
{
  uint64_t words[N_WORDS];
  FzEndpoint endpoint;
  uint32_t before, after;

  do {
    before = atomic_load_explicit (&self->endpoint_sequence, memory_order_acquire);
    for (size_t i = 0; i < N_WORDS; i++)
      words[i] = atomic_load_explicit (&self->endpoint_words[i], memory_order_acquire);
    after = atomic_load_explicit (&self->endpoint_sequence, memory_order_relaxed);
  } while (before != after || before % 2 != 0);
  memcpy (&endpoint, words, sizeof endpoint);
  return endpoint;
}
