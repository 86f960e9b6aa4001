/* fz-aead.c: see the header */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-aead-private.h"
#include "src/crypto/fz-crypto.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct FzAead {
  const FzAeadBackendFunctions *functions;
  void *state; /* owned */
};

static const char *const names[FZ_N_AEAD_BACKENDS] = {
  [FZ_AEAD_BACKEND_SODIUM] = "sodium",
  [FZ_AEAD_BACKEND_OPENSSL] = "openssl",
  [FZ_AEAD_BACKEND_IPSEC_MB] = "ipsec-mb",
};

const char *
fz_aead_backend_name (FzAeadBackend backend)
{
  return (unsigned) backend < FZ_N_AEAD_BACKENDS ? names[backend] : "unknown";
}

const FzAeadBackendFunctions *
fz_aead_backend_functions (FzAeadBackend backend)
{
  switch (backend) {
  case FZ_AEAD_BACKEND_SODIUM:
    return &fz_aead_sodium;
  case FZ_AEAD_BACKEND_OPENSSL:
    return &fz_aead_openssl;
  case FZ_AEAD_BACKEND_IPSEC_MB:
#ifdef FZ_HAVE_IPSEC_MB
    return &fz_aead_ipsec_mb;
#else
    return NULL;
#endif
  case FZ_N_AEAD_BACKENDS:
    break;
  }
  return NULL;
}

void
fz_aead_make_nonce (uint8_t nonce[FZ_AEAD_NONCE_SIZE], uint64_t counter)
{
  memset (nonce, 0, 4);
  fz_put_u64le (nonce + 4, counter);
}

FzAead *
fz_aead_new (FzAeadBackend backend)
{
  const FzAeadBackendFunctions *functions = fz_aead_backend_functions (backend);
  FzAead *self;

  if (functions == NULL || !fz_crypto_init ())
    return NULL;
  self = calloc (1, sizeof *self);
  if (self == NULL)
    return NULL;
  self->functions = functions;
  self->state = functions->open_state ();
  if (self->state == NULL) {
    free (self);
    return NULL;
  }
  return self;
}

void
fz_aead_free (FzAead *self)
{
  if (self == NULL)
    return;
  self->functions->close_state (self->state);
  free (self);
}

FzAeadKey *
fz_aead_key_new (const uint8_t key[FZ_AEAD_KEY_SIZE])
{
  static _Atomic uint64_t last_id; /* any thread adds; relaxed, only the value matters */
  FzAeadKey *self = fz_secret_new (sizeof *self);

  self->id = atomic_fetch_add_explicit (&last_id, 1, memory_order_relaxed) + 1;
  memcpy (self->bytes, key, sizeof self->bytes);
  return self;
}

void
fz_aead_key_free (FzAeadKey *key)
{
  fz_secret_free (key, sizeof *key);
}

void
fz_aead_seal (FzAead *self, FzAeadKey *key, const FzAeadOp *ops, size_t n)
{
  assert (n >= 1 && n <= FZ_AEAD_BATCH_MAX);
  self->functions->seal (self->state, key, ops, n);
}

uint64_t
fz_aead_open (FzAead *self, FzAeadKey *key, const FzAeadOp *ops, size_t n)
{
  uint64_t opened;

  assert (n >= 1 && n <= FZ_AEAD_BATCH_MAX);
  opened = self->functions->open (self->state, key, ops, n);
  for (size_t i = 0; i < n; i++)
    if ((opened >> i & 1) == 0 && ops[i].length > 0)
      memset (ops[i].target, 0, ops[i].length);
  return opened;
}
