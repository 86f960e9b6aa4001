/* fz-crypto.c: see the header
 *
 * libcrypto's algorithms are fetched once: a fetch by name per call costs more
 * than hashing a handshake message. The fetched objects, and the HMAC contexts
 * that are copied per call, are only read after fz_crypto_init() and so may be
 * shared by all threads.
 */

#include "src/crypto/fz-crypto.h"

#include "src/base/fz-bytes.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#define BLAKE2S_BLOCK 64u /* bytes; RFC 7693 §2.1 */

_Static_assert(FZ_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "Poly1305");
_Static_assert(FZ_XNONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha20");

static struct {
  bool is_ready;
  EVP_MD *blake2s;
  EVP_MD *md5;
  EVP_MD *sha256;
  EVP_MAC *blake2s_mac;
  EVP_MAC_CTX *hmac_sha1; /* digest set, no key; copied per call, and so is the next */
  EVP_MAC_CTX *hmac_sha256;
} library; /* written by init_once() only */

static EVP_MAC_CTX *
make_hmac (EVP_MAC *hmac, const char *digest)
{
  EVP_MAC_CTX *context = EVP_MAC_CTX_new (hmac);
  const OSSL_PARAM params[] = {
    OSSL_PARAM_construct_utf8_string (OSSL_MAC_PARAM_DIGEST, (char *) digest, 0),
    OSSL_PARAM_construct_end (),
  };

  if (context == NULL || EVP_MAC_CTX_set_params (context, params) != 1) {
    EVP_MAC_CTX_free (context);
    return NULL;
  }
  return context;
}

static void
init_once (void)
{
  EVP_MAC *hmac;

  if (sodium_init () < 0)
    return;
  library.blake2s = EVP_MD_fetch (NULL, "BLAKE2S-256", NULL);
  library.md5 = EVP_MD_fetch (NULL, "MD5", NULL);
  library.sha256 = EVP_MD_fetch (NULL, "SHA256", NULL);
  library.blake2s_mac = EVP_MAC_fetch (NULL, "BLAKE2SMAC", NULL);
  hmac = EVP_MAC_fetch (NULL, "HMAC", NULL);
  if (hmac != NULL) {
    library.hmac_sha1 = make_hmac (hmac, "SHA1");
    library.hmac_sha256 = make_hmac (hmac, "SHA256");
    EVP_MAC_free (hmac); /* the contexts hold it */
  }
  library.is_ready = library.blake2s != NULL && library.md5 != NULL && library.sha256 != NULL &&
                     library.blake2s_mac != NULL && library.hmac_sha1 != NULL &&
                     library.hmac_sha256 != NULL;
}

bool
fz_crypto_init (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, init_once);
  return library.is_ready;
}

/* libcrypto fails here only for want of memory or by our own misuse. */
static void
must (int result)
{
  if (result != 1)
    abort ();
}

static void
fill_random (void *context, uint8_t *out, size_t length)
{
  (void) context;
  randombytes_buf (out, length);
}

FzRng
fz_crypto_rng (void)
{
  return (FzRng){ fill_random, NULL };
}

void
fz_wipe (void *data, size_t length)
{
  sodium_memzero (data, length);
}

bool
fz_equal_constant_time (const void *a, const void *b, size_t length)
{
  return sodium_memcmp (a, b, length) == 0;
}

/* -- X25519 -- */

void
fz_x25519_clamp (uint8_t private_key[FZ_KEY_SIZE])
{
  private_key[0] &= 248; /* RFC 7748 §5 */
  private_key[31] = (uint8_t) ((private_key[31] & 127) | 64);
}

void
fz_x25519_public (const uint8_t private_key[FZ_KEY_SIZE], uint8_t out[FZ_KEY_SIZE])
{
  crypto_scalarmult_curve25519_base (out, private_key);
}

bool
fz_x25519 (const uint8_t private_key[FZ_KEY_SIZE],
           const uint8_t public_key[FZ_KEY_SIZE],
           uint8_t out[FZ_KEY_SIZE])
{
  uint8_t shared[FZ_KEY_SIZE]; /* libsodium may leave its target half-written */
  bool is_ok = crypto_scalarmult_curve25519 (shared, private_key, public_key) == 0;

  if (is_ok)
    memcpy (out, shared, sizeof shared);
  else
    memset (out, 0, FZ_KEY_SIZE);
  sodium_memzero (shared, sizeof shared);
  return is_ok;
}

/* -- hashes -- */

static void
digest (const EVP_MD *md, const FzSpan *parts, size_t n_parts, uint8_t *out)
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();

  assert (library.is_ready);
  must (context != NULL);
  must (EVP_DigestInit_ex2 (context, md, NULL));
  for (size_t i = 0; i < n_parts; i++)
    must (EVP_DigestUpdate (context, parts[i].data, parts[i].length));
  must (EVP_DigestFinal_ex (context, out, NULL));
  EVP_MD_CTX_free (context);
}

/* Takes @context. */
static void
finish_mac (EVP_MAC_CTX *context,
            FzSpan key,
            const OSSL_PARAM *params,
            const FzSpan *parts,
            size_t n_parts,
            uint8_t *out,
            size_t out_size)
{
  /* libcrypto reads a NULL key as "the key from before" */
  const uint8_t *key_bytes = key.length > 0 ? key.data : (const uint8_t *) "";
  size_t length;

  must (context != NULL);
  must (EVP_MAC_init (context, key_bytes, key.length, params));
  for (size_t i = 0; i < n_parts; i++)
    must (EVP_MAC_update (context, parts[i].data, parts[i].length));
  must (EVP_MAC_final (context, out, &length, out_size));
  assert (length == out_size);
  EVP_MAC_CTX_free (context);
}

static void
hmac (const EVP_MAC_CTX *template,
      FzSpan key,
      const FzSpan *parts,
      size_t n_parts,
      uint8_t *out,
      size_t out_size)
{
  assert (library.is_ready);
  finish_mac (EVP_MAC_CTX_dup (template), key, NULL, parts, n_parts, out, out_size);
}

void
fz_blake2s (const FzSpan *parts, size_t n_parts, uint8_t out[FZ_HASH_SIZE])
{
  digest (library.blake2s, parts, n_parts, out);
}

void
fz_blake2s_mac (FzSpan key, const FzSpan *parts, size_t n_parts, uint8_t out[FZ_MAC_SIZE])
{
  size_t size = FZ_MAC_SIZE;
  const OSSL_PARAM params[] = {
    OSSL_PARAM_construct_size_t (OSSL_MAC_PARAM_SIZE, &size),
    OSSL_PARAM_construct_end (),
  };

  assert (library.is_ready && key.length >= 1 && key.length <= 32);
  finish_mac (EVP_MAC_CTX_new (library.blake2s_mac), key, params, parts, n_parts, out, FZ_MAC_SIZE);
}

FzMac *
fz_mac_new (const uint8_t key[FZ_KEY_SIZE])
{
  EVP_MAC_CTX *context;

  assert (library.is_ready);
  context = EVP_MAC_CTX_new (library.blake2s_mac);
  must (context != NULL);
  fz_mac_set_key ((FzMac *) context, key);
  return (FzMac *) context;
}

void
fz_mac_free (FzMac *self)
{
  EVP_MAC_CTX_free ((EVP_MAC_CTX *) self);
}

void
fz_mac_set_key (FzMac *self, const uint8_t key[FZ_KEY_SIZE])
{
  size_t size = FZ_MAC_SIZE;
  const OSSL_PARAM params[] = {
    OSSL_PARAM_construct_size_t (OSSL_MAC_PARAM_SIZE, &size),
    OSSL_PARAM_construct_end (),
  };

  must (EVP_MAC_init ((EVP_MAC_CTX *) self, key, FZ_KEY_SIZE, params));
}

void
fz_mac_compute (FzMac *self, FzSpan message, uint8_t out[FZ_MAC_SIZE])
{
  EVP_MAC_CTX *context = (EVP_MAC_CTX *) self;
  size_t length;

  must (EVP_MAC_init (context, NULL, 0, NULL)); /* the key from before */
  must (EVP_MAC_update (context, message.data, message.length));
  must (EVP_MAC_final (context, out, &length, FZ_MAC_SIZE));
  assert (length == FZ_MAC_SIZE);
}

static void
hash_padded (EVP_MD_CTX *context,
             const uint8_t key[FZ_HASH_SIZE],
             uint8_t pad,
             const FzSpan *parts,
             size_t n_parts,
             uint8_t out[FZ_HASH_SIZE])
{
  uint8_t block[BLAKE2S_BLOCK];

  memset (block, pad, sizeof block);
  for (size_t i = 0; i < FZ_HASH_SIZE; i++)
    block[i] ^= key[i];
  must (EVP_DigestUpdate (context, block, sizeof block));
  for (size_t i = 0; i < n_parts; i++)
    must (EVP_DigestUpdate (context, parts[i].data, parts[i].length));
  must (EVP_DigestFinal_ex (context, out, NULL));
  sodium_memzero (block, sizeof block);
}

/* RFC 2104 by two hashes, in half the time that libcrypto's HMAC takes to be set up: a handshake
 * has more than twenty of them. */
void
fz_hmac_blake2s (const uint8_t key[FZ_HASH_SIZE],
                 const FzSpan *parts,
                 size_t n_parts,
                 uint8_t out[FZ_HASH_SIZE])
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  uint8_t inner[FZ_HASH_SIZE];
  const FzSpan outer = { inner, sizeof inner };

  assert (library.is_ready);
  must (context != NULL);
  must (EVP_DigestInit_ex2 (context, library.blake2s, NULL));
  hash_padded (context, key, 0x36, parts, n_parts, inner);
  must (EVP_DigestInit_ex2 (context, NULL, NULL));
  hash_padded (context, key, 0x5c, &outer, 1, out);
  EVP_MD_CTX_free (context);
  sodium_memzero (inner, sizeof inner);
}

void
fz_kdf (const uint8_t key[FZ_HASH_SIZE], FzSpan input, uint8_t *const outs[], size_t n_outs)
{
  uint8_t extracted[FZ_HASH_SIZE];
  uint8_t output[FZ_HASH_SIZE];

  assert (n_outs >= 1 && n_outs <= 3);
  fz_hmac_blake2s (key, &input, 1, extracted);
  for (uint8_t i = 1; i <= n_outs; i++) {
    const FzSpan parts[] = { { output, i > 1 ? sizeof output : 0 }, { &i, 1 } };

    fz_hmac_blake2s (extracted, parts, 2, output);
    memcpy (outs[i - 1], output, sizeof output);
  }
  sodium_memzero (extracted, sizeof extracted);
  sodium_memzero (output, sizeof output);
}

void
fz_hmac_sha1 (FzSpan key, const FzSpan *parts, size_t n_parts, uint8_t out[FZ_SHA1_SIZE])
{
  hmac (library.hmac_sha1, key, parts, n_parts, out, FZ_SHA1_SIZE);
}

void
fz_hmac_sha256 (FzSpan key, const FzSpan *parts, size_t n_parts, uint8_t out[FZ_SHA256_SIZE])
{
  hmac (library.hmac_sha256, key, parts, n_parts, out, FZ_SHA256_SIZE);
}

void
fz_md5 (const FzSpan *parts, size_t n_parts, uint8_t out[FZ_MD5_SIZE])
{
  digest (library.md5, parts, n_parts, out);
}

void
fz_sha256 (const FzSpan *parts, size_t n_parts, uint8_t out[FZ_SHA256_SIZE])
{
  digest (library.sha256, parts, n_parts, out);
}

/* -- one-shot AEADs -- */

static void
make_nonce (uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t counter)
{
  memset (nonce, 0, 4);
  fz_put_u64le (nonce + 4, counter);
}

void
fz_chacha_seal (const uint8_t key[FZ_KEY_SIZE],
                uint64_t counter,
                FzSpan plaintext,
                FzSpan additional,
                uint8_t *out)
{
  uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

  make_nonce (nonce, counter);
  crypto_aead_chacha20poly1305_ietf_encrypt (out,
                                             NULL,
                                             plaintext.data,
                                             plaintext.length,
                                             additional.data,
                                             additional.length,
                                             NULL,
                                             nonce,
                                             key);
}

bool
fz_chacha_open (const uint8_t key[FZ_KEY_SIZE],
                uint64_t counter,
                FzSpan ciphertext,
                FzSpan additional,
                uint8_t *out)
{
  uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

  make_nonce (nonce, counter);
  return crypto_aead_chacha20poly1305_ietf_decrypt (out,
                                                    NULL,
                                                    NULL,
                                                    ciphertext.data,
                                                    ciphertext.length,
                                                    additional.data,
                                                    additional.length,
                                                    nonce,
                                                    key) == 0;
}

void
fz_xchacha_seal (const uint8_t key[FZ_KEY_SIZE],
                 const uint8_t nonce[FZ_XNONCE_SIZE],
                 FzSpan plaintext,
                 FzSpan additional,
                 uint8_t *out)
{
  crypto_aead_xchacha20poly1305_ietf_encrypt (out,
                                              NULL,
                                              plaintext.data,
                                              plaintext.length,
                                              additional.data,
                                              additional.length,
                                              NULL,
                                              nonce,
                                              key);
}

bool
fz_xchacha_open (const uint8_t key[FZ_KEY_SIZE],
                 const uint8_t nonce[FZ_XNONCE_SIZE],
                 FzSpan ciphertext,
                 FzSpan additional,
                 uint8_t *out)
{
  return crypto_aead_xchacha20poly1305_ietf_decrypt (out,
                                                     NULL,
                                                     NULL,
                                                     ciphertext.data,
                                                     ciphertext.length,
                                                     additional.data,
                                                     additional.length,
                                                     nonce,
                                                     key) == 0;
}

/* -- keys as text -- */

bool
fz_key_parse (const char *text, uint8_t out[FZ_KEY_SIZE])
{
  uint8_t key[FZ_KEY_SIZE];
  size_t text_length = strlen (text);
  size_t length;
  const char *end;
  bool is_ok;

  if (text_length != FZ_KEY_TEXT_MAX - 1)
    return false;
  is_ok = sodium_base642bin (key,
                             sizeof key,
                             text,
                             text_length,
                             NULL,
                             &length,
                             &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
          length == sizeof key && *end == '\0';
  if (is_ok)
    memcpy (out, key, sizeof key);
  sodium_memzero (key, sizeof key);
  return is_ok;
}

const char *
fz_key_format (const uint8_t key[FZ_KEY_SIZE], char out[FZ_KEY_TEXT_MAX])
{
  return sodium_bin2base64 (out, FZ_KEY_TEXT_MAX, key, FZ_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
}
