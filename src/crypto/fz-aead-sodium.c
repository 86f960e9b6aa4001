/* fz-aead-sodium.c
 *
 * ChaCha20-Poly1305 by libsodium: always there, the one the others are checked
 * against. It keeps no state.
 */

#include "src/crypto/fz-aead-private.h"

#include <sodium.h>

static void *
open_state (void)
{
  static uint8_t nothing;

  return &nothing;
}

static void
close_state (void *state)
{
  (void) state;
}

static void
seal (void *state, const FzAeadKey *key, const FzAeadOp *ops, size_t n)
{
  uint8_t nonce[FZ_AEAD_NONCE_SIZE];

  (void) state;
  for (size_t i = 0; i < n; i++) {
    fz_aead_make_nonce (nonce, ops[i].counter);
    crypto_aead_chacha20poly1305_ietf_encrypt (
        ops[i].target, NULL, ops[i].source, ops[i].length, NULL, 0, NULL, nonce, key->bytes);
  }
}

static uint64_t
open_ops (void *state, const FzAeadKey *key, const FzAeadOp *ops, size_t n)
{
  uint8_t nonce[FZ_AEAD_NONCE_SIZE];
  uint64_t opened = 0;

  (void) state;
  for (size_t i = 0; i < n; i++) {
    int result;

    fz_aead_make_nonce (nonce, ops[i].counter);
    result = crypto_aead_chacha20poly1305_ietf_decrypt (ops[i].target,
                                                        NULL,
                                                        NULL,
                                                        ops[i].source,
                                                        ops[i].length + FZ_AEAD_TAG_SIZE,
                                                        NULL,
                                                        0,
                                                        nonce,
                                                        key->bytes);
    opened |= (uint64_t) (result == 0) << i;
  }
  return opened;
}

const FzAeadBackendFunctions fz_aead_sodium = {
  .name = "sodium",
  .open_state = open_state,
  .close_state = close_state,
  .seal = seal,
  .open = open_ops,
};
