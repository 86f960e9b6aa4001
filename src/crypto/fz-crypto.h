/* fz-crypto.h
 *
 * The handshake's primitives: thin functions over libsodium and libcrypto with
 * WireGuard's parameters (whitepaper §5.4). Bulk encryption is in fz-aead.h.
 */
#pragma once

#include "src/base/fz-rng.h"
#include "src/base/fz-span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_KEY_SIZE     32u
#define FZ_HASH_SIZE    32u /* BLAKE2s-256 */
#define FZ_MAC_SIZE     16u /* keyed BLAKE2s with 16 bytes of output */
#define FZ_TAG_SIZE     16u
#define FZ_XNONCE_SIZE  24u
#define FZ_SHA1_SIZE    20u
#define FZ_SHA256_SIZE  32u
#define FZ_MD5_SIZE     16u
#define FZ_KEY_TEXT_MAX 45u /* base64 with padding and the terminating zero */

/**
 * fz_crypto_init:
 *
 * Before anything else here; thread-safe, and free after the first time.
 *
 * Returns: false if libsodium cannot start or libcrypto lacks a hash (a FIPS
 *   configuration without BLAKE2s or MD5)
 */
bool fz_crypto_init (void);

FzRng fz_crypto_rng (void); /* the system's generator */

void fz_wipe (void *data, size_t length);
bool fz_equal_constant_time (const void *a, const void *b, size_t length);

/* -- locked memory: never swapped, not in core dumps where the system allows, wiped on free -- */
void *fz_secret_new (size_t size);               /* zeroed; aborts without memory */
void fz_secret_free (void *secret, size_t size); /* @size as it was asked for */

/* Whether all of it could be locked so far; false once RLIMIT_MEMLOCK has refused (worth a warning,
 * no more: secrets work on in ordinary memory). */
bool fz_secret_is_locked (void);
size_t fz_secret_get_reserved_bytes (void); /* all that is mapped for secrets */

/* -- X25519 -- */
void fz_x25519_clamp (uint8_t private_key[FZ_KEY_SIZE]);
void fz_x25519_public (const uint8_t private_key[FZ_KEY_SIZE], uint8_t out[FZ_KEY_SIZE]);
/* False for an all-zero result (a low-order point); @out is then zero. */
bool fz_x25519 (const uint8_t private_key[FZ_KEY_SIZE],
                const uint8_t public_key[FZ_KEY_SIZE],
                uint8_t out[FZ_KEY_SIZE]);

/* -- BLAKE2s: parts are hashed as if joined -- */
void fz_blake2s (const FzSpan *parts, size_t n_parts, uint8_t out[FZ_HASH_SIZE]);
void fz_blake2s_mac (FzSpan key, const FzSpan *parts, size_t n_parts, uint8_t out[FZ_MAC_SIZE]);
/* Keyed BLAKE2s kept ready: for many messages under one key, without a set-up for each. One thread
 * at a time. */
typedef struct FzMac FzMac;
FzMac *fz_mac_new (const uint8_t key[FZ_KEY_SIZE]); /* aborts without memory, like the next */
void fz_mac_free (FzMac *self);                     /* wipes */
void fz_mac_set_key (FzMac *self, const uint8_t key[FZ_KEY_SIZE]);
void fz_mac_compute (FzMac *self, FzSpan message, uint8_t out[FZ_MAC_SIZE]);

void fz_hmac_blake2s (const uint8_t key[FZ_HASH_SIZE],
                      const FzSpan *parts,
                      size_t n_parts,
                      uint8_t out[FZ_HASH_SIZE]);
/* KDF1 … KDF3 of whitepaper §5.4: @n of 1 … 3 outputs; @outs may alias @key. */
void fz_kdf (const uint8_t key[FZ_HASH_SIZE], FzSpan input, uint8_t *const outs[], size_t n_outs);

/* -- one-shot AEADs of the handshake; @out has room for the plaintext + tag, or the plaintext -- */
void fz_chacha_seal (const uint8_t key[FZ_KEY_SIZE],
                     uint64_t counter,
                     FzSpan plaintext,
                     FzSpan additional,
                     uint8_t *out);
bool fz_chacha_open (const uint8_t key[FZ_KEY_SIZE],
                     uint64_t counter,
                     FzSpan ciphertext,
                     FzSpan additional,
                     uint8_t *out);
void fz_xchacha_seal (const uint8_t key[FZ_KEY_SIZE],
                      const uint8_t nonce[FZ_XNONCE_SIZE],
                      FzSpan plaintext,
                      FzSpan additional,
                      uint8_t *out);
bool fz_xchacha_open (const uint8_t key[FZ_KEY_SIZE],
                      const uint8_t nonce[FZ_XNONCE_SIZE],
                      FzSpan ciphertext,
                      FzSpan additional,
                      uint8_t *out);

/* -- STUN and identifiers -- */
void fz_hmac_sha1 (FzSpan key, const FzSpan *parts, size_t n_parts, uint8_t out[FZ_SHA1_SIZE]);
void fz_md5 (const FzSpan *parts, size_t n_parts, uint8_t out[FZ_MD5_SIZE]);
void fz_sha256 (const FzSpan *parts, size_t n_parts, uint8_t out[FZ_SHA256_SIZE]);
void fz_hmac_sha256 (FzSpan key, const FzSpan *parts, size_t n_parts, uint8_t out[FZ_SHA256_SIZE]);

/* -- keys as text: standard base64 with padding, 44 characters -- */
bool fz_key_parse (const char *text, uint8_t out[FZ_KEY_SIZE]);
const char *fz_key_format (const uint8_t key[FZ_KEY_SIZE], char out[FZ_KEY_TEXT_MAX]);
