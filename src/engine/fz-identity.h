/* fz-identity.h
 *
 * A node's static key pair and its front door: what every handshake message
 * must pass before anyone does curve arithmetic or looks for its peer. One per
 * node, shared by its tunnels. The key pair never changes and may be read by any
 * thread that works for a reference holder; all else is the engine thread's.
 * Secrets in locked memory.
 *
 * Order at the door (connectivity.md §2.8, §11 #4): mac1, then the count of
 * messages per second, then, under load, mac2 over address and port.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-rng.h"
#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-cookie.h"
#include "src/proto/fz-wireguard.h"

#include <glib.h>

typedef struct FzIdentity FzIdentity;

/**
 * fz_identity_new:
 * @private_key: FZ_KEY_SIZE bytes, copied; NULL: a fresh one from @rng
 * @rng: copied; its context outlives the identity
 */
FzIdentity *fz_identity_new (const uint8_t *private_key, const FzRng *rng);
FzIdentity *fz_identity_ref (FzIdentity *self);
void fz_identity_free (FzIdentity *self); /* one reference; wipes with the last */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzIdentity, fz_identity_free)

const uint8_t *fz_identity_get_public_key (const FzIdentity *self); /* FZ_KEY_SIZE bytes */

/* What mac1 of messages to us is keyed with, FZ_KEY_SIZE bytes; no secret. */
const uint8_t *fz_identity_get_mac1_key (const FzIdentity *self);

/* Handshakes only. False for a low-order point. */
bool fz_identity_agree (const FzIdentity *self,
                        const uint8_t public_key[FZ_KEY_SIZE],
                        uint8_t out[FZ_KEY_SIZE]);

/* What counts as load, from which on senders must prove their address. */
typedef enum {
  FZ_LOAD_BY_COUNT, /* more than FZ_HANDSHAKES_PER_S messages in this second; the default */
  FZ_LOAD_LOW,      /* the node says so itself: no load … */
  FZ_LOAD_HIGH,     /* … and load */
} FzLoad;

/* Before fz_identity_admit, for nodes that know how much work waits. */
void fz_identity_set_load (FzIdentity *self, FzLoad load);

/* For tests and special nodes; the default is FZ_HANDSHAKES_PER_S. */
void fz_identity_set_limit (FzIdentity *self, uint32_t handshakes_per_s);

/**
 * fz_identity_admit:
 * @message: an initiation or response
 * @from: who sent it, after relays are unwrapped; family FZ_IP_NONE if unknown
 * @out_cookie_reply: what to send back to @from if FZ_DROP_RATE_LIMITED is returned with
 *   *@out_has_reply
 *
 * Returns: FZ_DROP_NONE if the message may go on to its tunnel; FZ_DROP_BAD_MAC
 *   for a wrong mac1; FZ_DROP_RATE_LIMITED under load
 */
FzDrop fz_identity_admit (FzIdentity *self,
                          const FzWireguardMessage *message,
                          const FzSocketAddress *from,
                          FzInstant now,
                          uint8_t out_cookie_reply[FZ_WIREGUARD_COOKIE_REPLY_SIZE],
                          bool *out_has_reply);
