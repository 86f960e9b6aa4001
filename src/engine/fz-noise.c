/* fz-noise.c
 *
 * Written after the equations of connectivity.md §2.3, with the same letters
 * where that helps: C is state.chaining_key, H is state.hash. Every key that
 * appears on the way lives in a KeyBlock, whose cleanup wipes it.
 */
#include "src/engine/fz-noise.h"

#include "src/base/fz-bytes.h"

#include <string.h>

#define STATIC_SEALED_SIZE    (FZ_KEY_SIZE + FZ_TAG_SIZE)
#define TIMESTAMP_SEALED_SIZE (FZ_TAI64N_SIZE + FZ_TAG_SIZE)

/* TAI64 label of 1970-01-01, with today's distance between TAI and UTC; connectivity.md §2.3 */
#define TAI64_UNIX_EPOCH ((UINT64_C (1) << 62) + 37)

/* HASH(CONSTRUCTION), and HASH of that and IDENTIFIER; the tests derive both. */
static const FzNoiseState initial_state = {
  .chaining_key = { 0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef, 0xc0, 0x2e, 0xc3, 0x35,
                    0xe2, 0xa0, 0x25, 0xd2, 0xd0, 0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72,
                    0x77, 0xf5, 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36 },
  .hash = { 0x22, 0x11, 0xb3, 0x61, 0x08, 0x1a, 0xc5, 0x66, 0x69, 0x12, 0x43,
            0xdb, 0x45, 0x8a, 0xd5, 0x32, 0x2d, 0x9c, 0x6c, 0x66, 0x22, 0x93,
            0xe8, 0xb7, 0x0e, 0xe1, 0x9c, 0x65, 0xba, 0x07, 0x9e, 0xf3 },
};

typedef struct {
  uint8_t key[FZ_KEY_SIZE];
} KeyBlock;

static void
key_block_clear (KeyBlock *block)
{
  fz_wipe (block, sizeof *block);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (KeyBlock, key_block_clear)

void
fz_noise_keys_clear (FzNoiseKeys *self)
{
  fz_wipe (self, sizeof *self);
}

void
fz_noise_initiation_clear (FzNoiseInitiation *self)
{
  fz_wipe (self, sizeof *self);
}

void
fz_tai64n_write (uint64_t unix_ns, uint8_t out[FZ_TAI64N_SIZE])
{
  fz_put_u64be (out, TAI64_UNIX_EPOCH + unix_ns / FZ_S);
  fz_put_u32be (out + 8, (uint32_t) (unix_ns % FZ_S));
}

/* -- steps of the symmetric state -- */

static void
mix_hash (FzNoiseState *state, const uint8_t *data, size_t length)
{
  FzSpan parts[] = { fz_span (state->hash, FZ_HASH_SIZE), fz_span (data, length) };
  uint8_t hash[FZ_HASH_SIZE];

  fz_blake2s (parts, 2, hash);
  memcpy (state->hash, hash, sizeof hash);
}

/* C = KDF1(C, input) */
static void
mix_key (FzNoiseState *state, const uint8_t input[FZ_KEY_SIZE])
{
  uint8_t *outs[] = { state->chaining_key };

  fz_kdf (state->chaining_key, fz_span (input, FZ_KEY_SIZE), outs, 1);
}

/* (C, k) = KDF2(C, input) */
static void
mix_key_out (FzNoiseState *state, const uint8_t input[FZ_KEY_SIZE], KeyBlock *out_key)
{
  uint8_t *outs[] = { state->chaining_key, out_key->key };

  fz_kdf (state->chaining_key, fz_span (input, FZ_KEY_SIZE), outs, 2);
}

/* (C, t, k) = KDF3(C, Q); H = HASH(H ‖ t) */
static void
mix_preshared (FzNoiseState *state, const uint8_t preshared[FZ_KEY_SIZE], KeyBlock *out_key)
{
  g_auto (KeyBlock) t = { { 0 } };
  uint8_t *outs[] = { state->chaining_key, t.key, out_key->key };

  fz_kdf (state->chaining_key, fz_span (preshared, FZ_KEY_SIZE), outs, 3);
  mix_hash (state, t.key, sizeof t.key);
}

static bool
mix_agreed (FzNoiseState *state,
            const uint8_t private_key[FZ_KEY_SIZE],
            const uint8_t public_key[FZ_KEY_SIZE])
{
  g_auto (KeyBlock) dh = { { 0 } };

  if (!fz_x25519 (private_key, public_key, dh.key))
    return false;
  mix_key (state, dh.key);
  return true;
}

static void
seal_and_mix (FzNoiseState *state, const KeyBlock *key, FzSpan plaintext, uint8_t *out)
{
  fz_chacha_seal (key->key, 0, plaintext, fz_span (state->hash, FZ_HASH_SIZE), out);
  mix_hash (state, out, plaintext.length + FZ_TAG_SIZE);
}

static bool
open_and_mix (FzNoiseState *state, const KeyBlock *key, FzSpan sealed, uint8_t *out)
{
  if (!fz_chacha_open (key->key, 0, sealed, fz_span (state->hash, FZ_HASH_SIZE), out))
    return false;
  mix_hash (state, sealed.data, sealed.length);
  return true;
}

/* (T1, T2) = KDF2(C, ""): @first is the initiator's sending key. */
static void
split (const FzNoiseState *state, uint8_t first[FZ_KEY_SIZE], uint8_t second[FZ_KEY_SIZE])
{
  uint8_t *outs[] = { first, second };

  fz_kdf (state->chaining_key, fz_span ("", 0), outs, 2);
}

/* What both sides do first: H = HASH(H0 ‖ Spub_r); H = HASH(H ‖ Epub_i); C = KDF1(C, Epub_i). */
static void
begin (FzNoiseState *state,
       const uint8_t responder_public[FZ_KEY_SIZE],
       const uint8_t ephemeral_public[FZ_KEY_SIZE])
{
  *state = initial_state;
  mix_hash (state, responder_public, FZ_KEY_SIZE);
  mix_hash (state, ephemeral_public, FZ_KEY_SIZE);
  mix_key (state, ephemeral_public);
}

bool
fz_noise_peer_init (FzNoisePeer *self,
                    const FzIdentity *identity,
                    const uint8_t public_key[FZ_KEY_SIZE],
                    const uint8_t preshared_key[FZ_KEY_SIZE])
{
  memcpy (self->public_key, public_key, FZ_KEY_SIZE);
  memcpy (self->preshared_key, preshared_key, FZ_KEY_SIZE);
  return fz_identity_agree (identity, public_key, self->static_static);
}

/* -- initiator -- */

static void
draw_ephemeral (const FzRng *rng, uint8_t private_key[FZ_KEY_SIZE], uint8_t *out_public)
{
  fz_rng_fill (rng, private_key, FZ_KEY_SIZE);
  fz_x25519_clamp (private_key);
  fz_x25519_public (private_key, out_public);
}

void
fz_noise_write_initiation (const FzIdentity *identity,
                           const FzNoisePeer *peer,
                           const FzRng *rng,
                           uint32_t local_index,
                           const uint8_t timestamp[FZ_TAI64N_SIZE],
                           FzNoiseHandshake *out_handshake,
                           uint8_t out[FZ_WIREGUARD_INITIATION_SIZE])
{
  FzNoiseHandshake *self = out_handshake;
  uint8_t *ephemeral_public = out + FZ_WIREGUARD_INITIATION_EPHEMERAL;
  g_auto (KeyBlock) dh = { { 0 } };
  g_auto (KeyBlock) key = { { 0 } };
  bool is_agreed;

  fz_put_u32le (out, FZ_WIREGUARD_INITIATION);
  fz_put_u32le (out + 4, local_index);
  self->local_index = local_index;
  draw_ephemeral (rng, self->ephemeral, ephemeral_public);
  begin (&self->state, peer->public_key, ephemeral_public);

  /* a peer key of low order was refused by fz_noise_peer_init */
  is_agreed = fz_x25519 (self->ephemeral, peer->public_key, dh.key);
  g_assert (is_agreed);
  mix_key_out (&self->state, dh.key, &key);
  seal_and_mix (&self->state,
                &key,
                fz_span (fz_identity_get_public_key (identity), FZ_KEY_SIZE),
                out + FZ_WIREGUARD_INITIATION_STATIC);

  mix_key_out (&self->state, peer->static_static, &key);
  seal_and_mix (&self->state,
                &key,
                fz_span (timestamp, FZ_TAI64N_SIZE),
                out + FZ_WIREGUARD_INITIATION_TIMESTAMP);
}

static void
noise_state_clear (FzNoiseState *state)
{
  fz_wipe (state, sizeof *state);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzNoiseState, noise_state_clear)

FzDrop
fz_noise_read_response (const FzNoiseHandshake *handshake,
                        const FzIdentity *identity,
                        const FzNoisePeer *peer,
                        const FzWireguardMessage *message,
                        FzNoiseKeys *out_keys)
{
  g_auto (FzNoiseState) state = handshake->state;
  g_auto (KeyBlock) dh = { { 0 } };
  g_auto (KeyBlock) key = { { 0 } };
  uint8_t nothing[1];

  mix_hash (&state, message->ephemeral, FZ_KEY_SIZE);
  mix_key (&state, message->ephemeral);
  if (!mix_agreed (&state, handshake->ephemeral, message->ephemeral) ||
      !fz_identity_agree (identity, message->ephemeral, dh.key))
    return FZ_DROP_BAD_HEADER;
  mix_key (&state, dh.key);
  mix_preshared (&state, peer->preshared_key, &key);
  if (!open_and_mix (&state, &key, message->sealed, nothing))
    return FZ_DROP_BAD_TAG;

  split (&state, out_keys->send, out_keys->receive);
  return FZ_DROP_NONE;
}

/* -- responder -- */

FzDrop
fz_noise_open_initiation (const FzIdentity *identity,
                          const FzWireguardMessage *message,
                          FzNoiseInitiation *out)
{
  g_auto (FzNoiseInitiation) self = { .remote_index = message->sender_index };
  g_auto (KeyBlock) dh = { { 0 } };
  g_auto (KeyBlock) key = { { 0 } };

  memcpy (self.ephemeral, message->ephemeral, FZ_KEY_SIZE);
  begin (&self.state, fz_identity_get_public_key (identity), self.ephemeral);
  if (!fz_identity_agree (identity, self.ephemeral, dh.key))
    return FZ_DROP_BAD_HEADER;
  mix_key_out (&self.state, dh.key, &key);
  if (!open_and_mix (
          &self.state, &key, fz_span (message->sealed_static, STATIC_SEALED_SIZE), self.public_key))
    return FZ_DROP_BAD_TAG;

  *out = self;
  return FZ_DROP_NONE;
}

FzDrop
fz_noise_read_timestamp (FzNoiseInitiation *self,
                         const FzNoisePeer *peer,
                         const FzWireguardMessage *message,
                         uint8_t out_timestamp[FZ_TAI64N_SIZE])
{
  g_auto (FzNoiseState) state = self->state;
  g_auto (KeyBlock) key = { { 0 } };
  uint8_t timestamp[FZ_TAI64N_SIZE];

  g_assert (message->sealed.length == TIMESTAMP_SEALED_SIZE);
  mix_key_out (&state, peer->static_static, &key);
  if (!open_and_mix (&state, &key, message->sealed, timestamp))
    return FZ_DROP_BAD_TAG;

  self->state = state;
  memcpy (out_timestamp, timestamp, sizeof timestamp);
  return FZ_DROP_NONE;
}

void
fz_noise_answer_init (FzNoiseAnswer *self,
                      const FzNoisePeer *peer,
                      const FzRng *rng,
                      uint32_t local_index)
{
  self->local_index = local_index;
  fz_rng_fill (rng, self->ephemeral, FZ_KEY_SIZE);
  fz_x25519_clamp (self->ephemeral);
  memcpy (self->preshared_key, peer->preshared_key, FZ_KEY_SIZE);
}

void
fz_noise_answer_clear (FzNoiseAnswer *self)
{
  fz_wipe (self, sizeof *self);
}

FzDrop
fz_noise_write_response (FzNoiseInitiation *self,
                         const FzNoiseAnswer *answer,
                         uint8_t out[FZ_WIREGUARD_RESPONSE_SIZE],
                         FzNoiseKeys *out_keys)
{
  FzNoiseState *state = &self->state;
  uint8_t *ephemeral_public = out + FZ_WIREGUARD_RESPONSE_EPHEMERAL;
  g_auto (KeyBlock) key = { { 0 } };

  fz_put_u32le (out, FZ_WIREGUARD_RESPONSE);
  fz_put_u32le (out + 4, answer->local_index);
  fz_put_u32le (out + 8, self->remote_index);
  fz_x25519_public (answer->ephemeral, ephemeral_public);

  mix_hash (state, ephemeral_public, FZ_KEY_SIZE);
  mix_key (state, ephemeral_public);
  if (!mix_agreed (state, answer->ephemeral, self->ephemeral) ||
      !mix_agreed (state, answer->ephemeral, self->public_key))
    return FZ_DROP_BAD_HEADER;
  mix_preshared (state, answer->preshared_key, &key);
  seal_and_mix (state, &key, fz_span ("", 0), out + FZ_WIREGUARD_RESPONSE_EMPTY);

  split (state, out_keys->receive, out_keys->send);
  return FZ_DROP_NONE;
}
