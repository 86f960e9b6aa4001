/* fz-identity.c
 *
 * The static key pair with what follows from it, and the door; see the header.
 */
#include "src/engine/fz-identity.h"

#include "src/engine/fz-rate-limiter.h"

#include <string.h>

struct FzIdentity {
  unsigned n_references; /* engine thread */
  FzLoad load;
  uint8_t private_key[FZ_KEY_SIZE];
  uint8_t public_key[FZ_KEY_SIZE];
  FzCookieKeys keys;
  FzCookieBaker baker;
  FzRateLimiter limiter;
  FzRng rng;
};

FzIdentity *
fz_identity_new (const uint8_t *private_key, const FzRng *rng)
{
  FzIdentity *self = fz_secret_new (sizeof *self);
  uint8_t hash_key[32];

  if (private_key != NULL)
    memcpy (self->private_key, private_key, FZ_KEY_SIZE);
  else
    fz_rng_fill (rng, self->private_key, FZ_KEY_SIZE);
  fz_x25519_clamp (self->private_key);
  fz_x25519_public (self->private_key, self->public_key);
  fz_cookie_keys_init (&self->keys, self->public_key);
  fz_cookie_baker_init (&self->baker, rng);
  fz_rng_fill (rng, hash_key, sizeof hash_key);
  fz_rate_limiter_init (&self->limiter, FZ_HANDSHAKES_PER_S, hash_key);
  fz_wipe (hash_key, sizeof hash_key);
  self->rng = *rng;
  self->n_references = 1;
  return self;
}

FzIdentity *
fz_identity_ref (FzIdentity *self)
{
  self->n_references++;
  return self;
}

void
fz_identity_free (FzIdentity *self)
{
  if (self != NULL && --self->n_references == 0)
    fz_secret_free (self, sizeof *self);
}

const uint8_t *
fz_identity_get_public_key (const FzIdentity *self)
{
  return self->public_key;
}

const uint8_t *
fz_identity_get_mac1_key (const FzIdentity *self)
{
  return self->keys.mac1;
}

bool
fz_identity_agree (const FzIdentity *self,
                   const uint8_t public_key[FZ_KEY_SIZE],
                   uint8_t out[FZ_KEY_SIZE])
{
  return fz_x25519 (self->private_key, public_key, out);
}

void
fz_identity_set_load (FzIdentity *self, FzLoad load)
{
  self->load = load;
}

/* Counts the message. */
static bool
is_loaded (FzIdentity *self, FzInstant now)
{
  bool is_over = !fz_rate_limiter_take (&self->limiter, now);

  return self->load == FZ_LOAD_BY_COUNT ? is_over : self->load == FZ_LOAD_HIGH;
}

void
fz_identity_set_limit (FzIdentity *self, uint32_t handshakes_per_s)
{
  self->limiter.limit_per_s = handshakes_per_s;
}

FzDrop
fz_identity_admit (FzIdentity *self,
                   const FzWireguardMessage *message,
                   const FzSocketAddress *from,
                   FzInstant now,
                   uint8_t out_cookie_reply[FZ_WIREGUARD_COOKIE_REPLY_SIZE],
                   bool *out_has_reply)
{
  *out_has_reply = false;
  if (!fz_cookie_check_mac1 (&self->keys, message))
    return FZ_DROP_BAD_MAC;
  if (!is_loaded (self, now))
    return FZ_DROP_NONE;
  if (from->ip.family == FZ_IP_NONE)
    return FZ_DROP_RATE_LIMITED;

  if (fz_cookie_baker_check (&self->baker, message, from, now))
    return fz_rate_limiter_take_source (&self->limiter, &from->ip, now) ? FZ_DROP_NONE
                                                                        : FZ_DROP_RATE_LIMITED;
  fz_cookie_baker_write_reply (
      &self->baker, &self->keys, &self->rng, message, from, now, out_cookie_reply);
  *out_has_reply = true;
  return FZ_DROP_RATE_LIMITED;
}
