/* fz-aead-openssl.c
 *
 * ChaCha20-Poly1305 by libcrypto's EVP. Setting a key costs as much as sealing
 * a small packet, so each thread keeps contexts that are keyed already, in a
 * direct-mapped table by key id. Ids are never used twice, hence a context of a
 * key that is gone can never match; its copy of the key stays in libcrypto's
 * memory until another key takes the place or the thread's state is closed,
 * and libcrypto wipes it then.
 */

#include "src/crypto/fz-aead-private.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define N_CONTEXTS 256u /* a power of two; 128 sessions of two keys each without a miss */

typedef struct {
  uint64_t key_id; /* 0: not keyed */
  EVP_CIPHER_CTX *context;
} KeyedContext;

typedef struct {
  EVP_CIPHER *cipher;
  KeyedContext contexts[N_CONTEXTS];
} State;

static void
close_state (void *data)
{
  State *state = data;

  for (size_t i = 0; i < N_CONTEXTS; i++)
    EVP_CIPHER_CTX_free (state->contexts[i].context);
  EVP_CIPHER_free (state->cipher);
  free (state);
}

/* All contexts get their memory here: nothing is allocated per packet or per key. */
static void *
open_state (void)
{
  State *state = calloc (1, sizeof *state);

  if (state == NULL)
    return NULL;
  state->cipher = EVP_CIPHER_fetch (NULL, "ChaCha20-Poly1305", NULL);
  for (size_t i = 0; i < N_CONTEXTS; i++) {
    EVP_CIPHER_CTX *context = state->cipher != NULL ? EVP_CIPHER_CTX_new () : NULL;

    state->contexts[i].context = context;
    if (context == NULL || EVP_EncryptInit_ex2 (context, state->cipher, NULL, NULL, NULL) != 1) {
      close_state (state);
      return NULL;
    }
  }
  return state;
}

static void
must (int result)
{
  if (result != 1)
    abort ();
}

static EVP_CIPHER_CTX *
context_for (State *state, const FzAeadKey *key)
{
  KeyedContext *keyed = &state->contexts[key->id % N_CONTEXTS];

  if (keyed->key_id != key->id) {
    must (EVP_EncryptInit_ex2 (keyed->context, NULL, key->bytes, NULL, NULL));
    keyed->key_id = key->id;
  }
  return keyed->context;
}

static void
seal (void *data, const FzAeadKey *key, const FzAeadOp *ops, size_t n)
{
  EVP_CIPHER_CTX *context = context_for (data, key);
  uint8_t nonce[FZ_AEAD_NONCE_SIZE];

  for (size_t i = 0; i < n; i++) {
    const FzAeadOp *op = &ops[i];
    uint8_t *tag = op->target + op->length;
    int written;

    fz_aead_make_nonce (nonce, op->counter);
    must (EVP_EncryptInit_ex2 (context, NULL, NULL, nonce, NULL));
    if (op->length > 0)
      must (EVP_EncryptUpdate (context, op->target, &written, op->source, (int) op->length));
    must (EVP_EncryptFinal_ex (context, tag, &written));
    must (EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_GET_TAG, FZ_AEAD_TAG_SIZE, tag));
  }
}

static bool
open_one (EVP_CIPHER_CTX *context, const FzAeadOp *op)
{
  uint8_t nonce[FZ_AEAD_NONCE_SIZE], nothing[FZ_AEAD_TAG_SIZE];
  void *tag = (void *) (op->source + op->length); /* read only, whatever the type says */
  int written;

  fz_aead_make_nonce (nonce, op->counter);
  if (EVP_DecryptInit_ex2 (context, NULL, NULL, nonce, NULL) != 1 ||
      EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_SET_TAG, FZ_AEAD_TAG_SIZE, tag) != 1)
    return false;
  if (op->length > 0 &&
      EVP_DecryptUpdate (context, op->target, &written, op->source, (int) op->length) != 1)
    return false;
  return EVP_DecryptFinal_ex (context, nothing, &written) == 1;
}

static uint64_t
open_ops (void *data, const FzAeadKey *key, const FzAeadOp *ops, size_t n)
{
  EVP_CIPHER_CTX *context = context_for (data, key);
  uint64_t opened = 0;

  for (size_t i = 0; i < n; i++)
    opened |= (uint64_t) open_one (context, &ops[i]) << i;
  return opened;
}

const FzAeadBackendFunctions fz_aead_openssl = {
  .name = "openssl",
  .open_state = open_state,
  .close_state = close_state,
  .seal = seal,
  .open = open_ops,
};
