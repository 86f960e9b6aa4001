/* fz-cookie.c
 *
 * Keyed BLAKE2s over what came, XChaCha20-Poly1305 around the cookie; see the
 * header. All comparisons are constant-time.
 */
#include "src/engine/fz-cookie.h"

#include "src/base/fz-bytes.h"

#include <string.h>

#define LABEL_SIZE 8u

static const uint8_t zero_mac[FZ_MAC_SIZE];

static void
hash_label (const char *label, const uint8_t public_key[FZ_KEY_SIZE], uint8_t out[FZ_HASH_SIZE])
{
  FzSpan parts[] = { fz_span (label, LABEL_SIZE), fz_span (public_key, FZ_KEY_SIZE) };

  fz_blake2s (parts, 2, out);
}

void
fz_cookie_keys_init (FzCookieKeys *self, const uint8_t public_key[FZ_KEY_SIZE])
{
  hash_label ("mac1----", public_key, self->mac1);
  hash_label ("cookie--", public_key, self->cookie);
}

static void
mac (const uint8_t *key, size_t key_size, const uint8_t *data, size_t length, uint8_t *out)
{
  FzSpan part = fz_span (data, length);

  fz_blake2s_mac (fz_span (key, key_size), &part, 1, out);
}

/* mac1 covers all before it; mac2 all before it, mac1 included. */
static size_t
offset_in (const FzWireguardMessage *message, const uint8_t *field)
{
  return (size_t) (field - message->datagram.data);
}

bool
fz_cookie_check_mac1 (const FzCookieKeys *keys, const FzWireguardMessage *message)
{
  uint8_t expected[FZ_MAC_SIZE];

  if (message->mac1 == NULL)
    return false;
  mac (keys->mac1,
       sizeof keys->mac1,
       message->datagram.data,
       offset_in (message, message->mac1),
       expected);
  return fz_equal_constant_time (expected, message->mac1, FZ_MAC_SIZE);
}

/* -- handing out -- */

void
fz_cookie_baker_init (FzCookieBaker *self, const FzRng *rng)
{
  fz_rng_fill (rng, self->secret, sizeof self->secret);
}

static uint64_t
slot_at (FzInstant now)
{
  return now / (FZ_COOKIE_LIFETIME_S * FZ_S);
}

static void
bake (const FzCookieBaker *self,
      const FzSocketAddress *from,
      uint64_t slot,
      uint8_t out[FZ_COOKIE_SIZE])
{
  uint8_t input[8 + 1 + 16 + 2];

  fz_put_u64le (input, slot);
  input[8] = from->ip.family;
  memcpy (input + 9, from->ip.bytes, 16);
  fz_put_u16be (input + 25, from->port);
  mac (self->secret, sizeof self->secret, input, sizeof input, out);
}

static bool
is_sealed_with (const FzWireguardMessage *message, const uint8_t cookie[FZ_COOKIE_SIZE])
{
  uint8_t expected[FZ_MAC_SIZE];

  mac (
      cookie, FZ_COOKIE_SIZE, message->datagram.data, offset_in (message, message->mac2), expected);
  return fz_equal_constant_time (expected, message->mac2, FZ_MAC_SIZE);
}

bool
fz_cookie_baker_check (const FzCookieBaker *self,
                       const FzWireguardMessage *message,
                       const FzSocketAddress *from,
                       FzInstant now)
{
  uint64_t slot = slot_at (now);
  uint8_t cookie[FZ_COOKIE_SIZE];
  bool is_right;

  if (message->mac2 == NULL || from->ip.family == FZ_IP_NONE)
    return false;
  /* no cookie is the usual case under a flood, and not worth a hash */
  if (memcmp (message->mac2, zero_mac, FZ_MAC_SIZE) == 0)
    return false;

  bake (self, from, slot, cookie);
  is_right = is_sealed_with (message, cookie);
  if (!is_right && slot > 0) {
    bake (self, from, slot - 1, cookie);
    is_right = is_sealed_with (message, cookie);
  }
  fz_wipe (cookie, sizeof cookie);
  return is_right;
}

void
fz_cookie_baker_write_reply (const FzCookieBaker *self,
                             const FzCookieKeys *keys,
                             const FzRng *rng,
                             const FzWireguardMessage *message,
                             const FzSocketAddress *from,
                             FzInstant now,
                             uint8_t out[FZ_WIREGUARD_COOKIE_REPLY_SIZE])
{
  uint8_t *nonce = out + FZ_WIREGUARD_COOKIE_NONCE;
  uint8_t cookie[FZ_COOKIE_SIZE];

  fz_put_u32le (out, FZ_WIREGUARD_COOKIE_REPLY);
  fz_put_u32le (out + 4, message->sender_index);
  fz_rng_fill (rng, nonce, FZ_XNONCE_SIZE);
  bake (self, from, slot_at (now), cookie);
  fz_xchacha_seal (keys->cookie,
                   nonce,
                   fz_span (cookie, sizeof cookie),
                   fz_span (message->mac1, FZ_MAC_SIZE),
                   out + FZ_WIREGUARD_COOKIE_SEALED);
  fz_wipe (cookie, sizeof cookie);
}

/* -- keeping -- */

void
fz_cookie_jar_init (FzCookieJar *self, const uint8_t remote_public_key[FZ_KEY_SIZE])
{
  *self = (FzCookieJar){ 0 };
  fz_cookie_keys_init (&self->keys, remote_public_key);
}

void
fz_cookie_jar_clear (FzCookieJar *self)
{
  fz_wipe (self->cookie, sizeof self->cookie);
  self->cookie_until = 0;
  self->is_waiting = false;
}

void
fz_cookie_jar_seal (
    FzCookieJar *self, uint8_t *datagram, size_t length, uint32_t sender_index, FzInstant now)
{
  size_t mac2_at = length - FZ_MAC_SIZE;
  size_t mac1_at = mac2_at - FZ_MAC_SIZE;

  mac (self->keys.mac1, sizeof self->keys.mac1, datagram, mac1_at, datagram + mac1_at);
  if (now < self->cookie_until)
    mac (self->cookie, sizeof self->cookie, datagram, mac2_at, datagram + mac2_at);
  else
    memset (datagram + mac2_at, 0, FZ_MAC_SIZE);

  memcpy (self->last_mac1, datagram + mac1_at, sizeof self->last_mac1);
  self->last_index = sender_index;
  self->is_waiting = true;
}

FzDrop
fz_cookie_jar_take_reply (FzCookieJar *self, const FzWireguardMessage *message, FzInstant now)
{
  uint8_t cookie[FZ_COOKIE_SIZE];

  if (!self->is_waiting || message->receiver_index != self->last_index)
    return FZ_DROP_UNKNOWN_INDEX;
  if (!fz_xchacha_open (self->keys.cookie,
                        message->nonce,
                        message->sealed,
                        fz_span (self->last_mac1, sizeof self->last_mac1),
                        cookie))
    return FZ_DROP_BAD_TAG;

  memcpy (self->cookie, cookie, sizeof self->cookie);
  fz_wipe (cookie, sizeof cookie);
  self->cookie_until = fz_instant_add (now, FZ_COOKIE_LIFETIME_S * FZ_S);
  self->is_waiting = false;
  return FZ_DROP_NONE;
}
