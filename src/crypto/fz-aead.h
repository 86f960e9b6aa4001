/* fz-aead.h
 *
 * ChaCha20-Poly1305 in batches behind one door: ipsec-mb where the CPU has the
 * instructions, libcrypto, libsodium. The backends are checked against
 * RFC 8439 and against each other, then timed, once per process; the fastest
 * is used unless one is named (dataplane.md §11).
 *
 * An FzAead is the working state of one thread. An FzAeadKey is one direction
 * of one session, shared by reference; it lives in locked memory and is wiped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_AEAD_KEY_SIZE  32u
#define FZ_AEAD_TAG_SIZE  16u
#define FZ_AEAD_BATCH_MAX 64u /* operations per call */

typedef enum {
  FZ_AEAD_BACKEND_SODIUM,
  FZ_AEAD_BACKEND_OPENSSL,
  FZ_AEAD_BACKEND_IPSEC_MB,
  FZ_N_AEAD_BACKENDS,
} FzAeadBackend;

typedef struct {
  bool is_available;    /* compiled in and the CPU can run it */
  bool is_trusted;      /* passed the vectors and the cross-check */
  uint32_t ns_per_1312; /* seal, measured at start; 0 if not measured */
  uint32_t ns_per_96;   /* the same for a small packet */
} FzAeadReport;

typedef struct FzAead FzAead;
typedef struct FzAeadKey FzAeadKey;

typedef struct {
  const uint8_t *source; /* plaintext, or ciphertext followed by its tag */
  uint8_t *target;       /* ciphertext followed by its tag, or plaintext; may equal source */
  uint32_t length;       /* plaintext bytes, tag not counted; 0 is a keepalive */
  uint64_t counter;      /* nonce: 4 zero bytes, then this, little endian */
} FzAeadOp;

/**
 * fz_aead_select:
 * @name: "auto", or a backend's name to force it
 * @reports: (out) (array FZ_N_AEAD_BACKENDS): what was found, may be NULL
 *
 * Verifies and times the backends on the first call (about 10 ms), later calls
 * return the same answer. Thread-safe.
 *
 * Returns: false if @name is unknown, unavailable or not trusted
 */
bool
fz_aead_select (const char *name, FzAeadBackend *out, FzAeadReport reports[FZ_N_AEAD_BACKENDS]);
const char *fz_aead_backend_name (FzAeadBackend backend); /* "sodium", "openssl", "ipsec-mb" */

/* One thread's state; NULL if @backend is not available or memory is short. */
FzAead *fz_aead_new (FzAeadBackend backend);
void fz_aead_free (FzAead *self);

/* Copies @key into locked memory. The caller wipes its own copy. */
FzAeadKey *fz_aead_key_new (const uint8_t key[FZ_AEAD_KEY_SIZE]);
void fz_aead_key_free (FzAeadKey *key); /* wipes */

/* One key, @n operations (1 … FZ_AEAD_BATCH_MAX), no additional data. */
void fz_aead_seal (FzAead *self, FzAeadKey *key, const FzAeadOp *ops, size_t n);

/**
 * fz_aead_open:
 *
 * Tags are compared in constant time. What fails authentication leaves nothing
 * usable behind: its target is zeroed.
 *
 * Returns: one bit per operation, set where the tag was right
 */
uint64_t fz_aead_open (FzAead *self, FzAeadKey *key, const FzAeadOp *ops, size_t n);
