/* fz-cookie.h
 *
 * mac1, mac2 and cookies (WireGuard paper §5.4.4, §5.4.7): the cheap proofs
 * that stand before any curve arithmetic. FzCookieBaker hands out and checks
 * cookies (one per node); FzCookieJar keeps the one a peer gave us (one per
 * tunnel). No clock, no allocation.
 *
 * A cookie is bound to the sender's address and port and to a slot of 120 s;
 * the present slot and the one before are good, so a cookie lives at least as
 * long as its holder may use it.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-rng.h"
#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-wireguard.h"

#include <stdbool.h>
#include <stdint.h>

#define FZ_COOKIE_SIZE       16u
#define FZ_COOKIE_LIFETIME_S 120u /* WireGuard paper §5.4.7 */

/* What mac1 and cookie replies are keyed with: both follow from a public key alone. */
typedef struct {
  uint8_t mac1[FZ_KEY_SIZE];
  uint8_t cookie[FZ_KEY_SIZE];
} FzCookieKeys;

void fz_cookie_keys_init (FzCookieKeys *self, const uint8_t public_key[FZ_KEY_SIZE]);

/* Whether mac1 of an initiation or response is right for the owner of @keys. */
bool fz_cookie_check_mac1 (const FzCookieKeys *keys, const FzWireguardMessage *message);

/* -- handing out -- */

typedef struct {
  uint8_t secret[FZ_KEY_SIZE];
} FzCookieBaker;

void fz_cookie_baker_init (FzCookieBaker *self, const FzRng *rng);

/* Whether mac2 was made with a cookie that we gave to @from not long ago. */
bool fz_cookie_baker_check (const FzCookieBaker *self,
                            const FzWireguardMessage *message,
                            const FzSocketAddress *from,
                            FzInstant now);

/* A cookie reply to @message, an initiation or response with a right mac1. */
void fz_cookie_baker_write_reply (const FzCookieBaker *self,
                                  const FzCookieKeys *keys,
                                  const FzRng *rng,
                                  const FzWireguardMessage *message,
                                  const FzSocketAddress *from,
                                  FzInstant now,
                                  uint8_t out[FZ_WIREGUARD_COOKIE_REPLY_SIZE]);

/* -- keeping -- */

typedef struct {
  FzCookieKeys keys; /* the peer's */
  uint8_t cookie[FZ_COOKIE_SIZE];
  FzInstant cookie_until;         /* 0: none */
  uint8_t last_mac1[FZ_MAC_SIZE]; /* of our latest handshake message */
  uint32_t last_index;            /* its sender index */
  bool is_waiting;                /* a message is out that a cookie reply may answer */
} FzCookieJar;

void fz_cookie_jar_init (FzCookieJar *self, const uint8_t remote_public_key[FZ_KEY_SIZE]);
void fz_cookie_jar_clear (FzCookieJar *self); /* forgets cookie and message, keeps the keys */

/**
 * fz_cookie_jar_seal:
 * @datagram: initiation or response, complete but for its last 32 bytes
 * @sender_index: the message's
 *
 * Writes mac1, and mac2 where a fresh cookie is at hand, else zeros.
 */
void fz_cookie_jar_seal (
    FzCookieJar *self, uint8_t *datagram, size_t length, uint32_t sender_index, FzInstant now);

/* Takes a cookie reply. Refused unless it answers our latest message: FZ_DROP_UNKNOWN_INDEX,
 * FZ_DROP_BAD_TAG. One reply per message. */
FzDrop
fz_cookie_jar_take_reply (FzCookieJar *self, const FzWireguardMessage *message, FzInstant now);
