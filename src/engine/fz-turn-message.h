/* fz-turn-message.h
 *
 * The requests we send to a relay, attributes in the order of connectivity.md
 * §5.3, but for Refresh, which does without the transport attributes: coturn
 * refuses them there, Firezone's relay does not need them.
 */
#pragma once

#include "src/engine/fz-stun-auth.h"
#include "src/proto/fz-stun.h"

#define FZ_TURN_SOFTWARE "snownet" /* what relays know clients and gateways by */

typedef struct {
  const char *username;
  const char *realm;
  const char *nonce; /* NULL: not known yet */
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];
} FzTurnAuth;

/* Each returns the length in bytes. @auth may be NULL: the request is sent without credentials, so
 * that the relay says what it wants (§5.4). */
size_t fz_turn_write_binding (uint8_t out[FZ_STUN_WRITE_MAX], const FzStunTransactionId *id);
size_t fz_turn_write_allocate (uint8_t out[FZ_STUN_WRITE_MAX],
                               const FzStunTransactionId *id,
                               const FzTurnAuth *auth);
size_t fz_turn_write_refresh (uint8_t out[FZ_STUN_WRITE_MAX],
                              const FzStunTransactionId *id,
                              bool is_delete,
                              const FzTurnAuth *auth);
size_t fz_turn_write_channel_bind (uint8_t out[FZ_STUN_WRITE_MAX],
                                   const FzStunTransactionId *id,
                                   const FzSocketAddress *peer,
                                   uint16_t channel,
                                   const FzTurnAuth *auth);
