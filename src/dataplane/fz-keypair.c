/* fz-keypair.c: see the header */

#include "src/dataplane/fz-keypair.h"

#include "src/crypto/fz-crypto.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_TRIES 64u /* then its holder may have lost its CPU to us */

FzKeypair *
fz_keypair_new (FzAeadKey *send_key,
                FzAeadKey *receive_key,
                uint32_t local_index,
                uint32_t remote_index,
                bool is_initiator,
                FzInstant created_at)
{
  FzKeypair *self = aligned_alloc (_Alignof(FzKeypair), sizeof *self);

  if (self == NULL)
    abort ();
  memset (self, 0, sizeof *self);
  self->send_key = send_key;
  self->receive_key = receive_key;
  self->local_index = local_index;
  self->remote_index = remote_index;
  self->is_initiator = is_initiator;
  self->created_at = created_at;
  atomic_init (&self->send_counter, 0);
  atomic_init (&self->is_confirmed, false);
  atomic_init (&self->is_window_locked, false);
  return self;
}

void
fz_keypair_free (FzKeypair *self)
{
  if (self == NULL)
    return;
  fz_aead_key_free (self->send_key);
  fz_aead_key_free (self->receive_key);
  fz_wipe (self, sizeof *self);
  free (self);
}

bool
fz_keypair_may_send (const FzKeypair *self, FzInstant now)
{
  uint64_t limit_s = self->is_initiator ? FZ_STOP_SENDING_AFTER_S : FZ_REJECT_AFTER_S;

  return fz_instant_since (self->created_at, now) < limit_s * FZ_S;
}

bool
fz_keypair_may_receive (const FzKeypair *self, FzInstant now)
{
  return fz_instant_since (self->created_at, now) < FZ_REJECT_AFTER_S * FZ_S;
}

bool
fz_keypair_reserve (FzKeypair *self, uint64_t n, uint64_t *out_first)
{
  uint64_t first = atomic_load_explicit (&self->send_counter, memory_order_relaxed);

  /* A loop and not fetch_add, so that a refusal uses nothing up and the counter can never wrap. */
  do {
    if (n > FZ_REJECT_AFTER_MESSAGES || first > FZ_REJECT_AFTER_MESSAGES - n)
      return false;
  } while (!atomic_compare_exchange_weak_explicit (
      &self->send_counter, &first, first + n, memory_order_relaxed, memory_order_relaxed));
  *out_first = first;
  return true;
}

void
fz_keypair_lock_window (FzKeypair *self)
{
  unsigned n_tries = 0;

  while (atomic_exchange_explicit (&self->is_window_locked, true, memory_order_acquire))
    if (++n_tries % LOCK_TRIES == 0)
      sched_yield ();
}

void
fz_keypair_unlock_window (FzKeypair *self)
{
  atomic_store_explicit (&self->is_window_locked, false, memory_order_release);
}
