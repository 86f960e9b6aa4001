/* fz-aead-private.h
 *
 * What a backend of fz-aead.h provides. The front (fz-aead.c) has checked the
 * number of operations and zeroes the targets of what failed to open.
 */
#pragma once

#include "src/crypto/fz-aead.h"

#define FZ_AEAD_NONCE_SIZE 12u

struct FzAeadKey {
  uint64_t id; /* unique in this process, never used again: what a cache may go by */
  uint8_t bytes[FZ_AEAD_KEY_SIZE];
};

typedef struct {
  const char *name;

  /* The working state of one thread, NULL if the CPU cannot run it or memory is short. */
  void *(*open_state) (void);
  void (*close_state) (void *state);

  /* As fz_aead_seal() and fz_aead_open(). A seal that cannot be done must abort: it would leave
   * plaintext where ciphertext is expected. */
  void (*seal) (void *state, const FzAeadKey *key, const FzAeadOp *ops, size_t n);
  uint64_t (*open) (void *state, const FzAeadKey *key, const FzAeadOp *ops, size_t n);
} FzAeadBackendFunctions;

extern const FzAeadBackendFunctions fz_aead_sodium;
extern const FzAeadBackendFunctions fz_aead_openssl;
extern const FzAeadBackendFunctions fz_aead_ipsec_mb; /* only where FZ_HAVE_IPSEC_MB is set */

/* NULL for a backend that is not compiled in. */
const FzAeadBackendFunctions *fz_aead_backend_functions (FzAeadBackend backend);

void fz_aead_make_nonce (uint8_t nonce[FZ_AEAD_NONCE_SIZE], uint64_t counter);
