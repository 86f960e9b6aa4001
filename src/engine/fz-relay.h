/* fz-relay.h
 *
 * The conversation with one relay (connectivity.md §5): which of its sockets
 * answers first, host and reflexive candidates from its answers, its round-trip
 * time, keep-alives; and on top of that a TURN allocation with its channels.
 *
 *   PROBING ── first Binding success ──► ANSWERING ── 8 s without answer ──► SILENT
 *      │                                                                       ▲
 *      └──────────────────── no socket answered for 8 s ───────────────────────┘
 *
 * A SILENT relay is finished: the pool frees it. Direct paths need no more than
 * ANSWERING; whatever becomes of the allocation, the relay stays useful. Only
 * credentials that the relay itself has refused end it too, so that the portal
 * is asked for new ones.
 *
 * Sans-IO, engine thread, owned by its pool.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-log.h"
#include "src/base/fz-rng.h"
#include "src/engine/fz-relay-pool.h"

typedef struct FzRelayLink FzRelayLink;

/* Longest credentials that are used, bytes (§5.1). */
#define FZ_RELAY_USERNAME_MAX 512u
#define FZ_RELAY_PASSWORD_MAX 512u

/* Whether a relay from the portal can be used at all: a socket, credentials of sane length. */
bool fz_relay_link_accepts (const FzRelay *relay);

/* Binding requests to every socket go out at once. @relay: copied. */
FzRelayLink *
fz_relay_link_new (const FzRelay *relay, const FzRng *rng, const FzLog *log, FzInstant now);
void fz_relay_link_free (FzRelayLink *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzRelayLink, fz_relay_link_free)

const FzUuid *fz_relay_link_get_id (const FzRelayLink *self);
bool fz_relay_link_matches (const FzRelayLink *self, const FzRelay *relay); /* nothing changed */
bool fz_relay_link_owns (const FzRelayLink *self, const FzSocketAddress *from);
const FzSocketAddress *fz_relay_link_get_socket (const FzRelayLink *self, unsigned i); /* 0, 1 */

/* Tells the relay, without waiting for an answer: it would keep the allocation for ten minutes, at
 * an address and under a name that may be others from now on. Nothing if there is none. */
void fz_relay_link_end_allocation (FzRelayLink *self);

/* Starts over in place after a network change, silently: candidates, channels, nonce and RTT are
 * forgotten without events. */
void fz_relay_link_restart (FzRelayLink *self, FzInstant now);

/* The portal's list changed, this relay is still there (§5.9, 3). */
void fz_relay_link_refresh (FzRelayLink *self, FzInstant now);

/* Queues the events that withdraw its relayed candidates, and the end of its allocation as its only
 * datagram; before it is freed. */
void fz_relay_link_withdraw (FzRelayLink *self);

/* Whether it will do nothing any more: to be freed. */
bool fz_relay_link_is_finished (const FzRelayLink *self);

/* Smoothed round-trip time, ns; false before the first answer. */
bool fz_relay_link_get_rtt (const FzRelayLink *self, uint64_t *out);

FzRelayView fz_relay_link_get_view (const FzRelayLink *self);

/* The known candidate of a kind and family (FZ_IP_V4, FZ_IP_V6), NULL if there is none. */
const FzCandidate *
fz_relay_link_get_candidate (const FzRelayLink *self, FzCandidateKind kind, FzIpFamily family);

FzDrop fz_relay_link_handle_stun (FzRelayLink *self,
                                  const FzStunMessage *message,
                                  const FzSocketAddress *local,
                                  const FzSocketAddress *from,
                                  FzInstant now);

/* As in fz-relay-pool.h. */
FzDrop
fz_relay_link_unwrap (FzRelayLink *self, FzSpan datagram, FzInstant now, FzRelayedDatagram *out);
bool fz_relay_link_route (FzRelayLink *self,
                          const FzSocketAddress *peer,
                          FzInstant now,
                          FzRelayRoute *out);
void fz_relay_link_bind_channel (FzRelayLink *self, const FzSocketAddress *peer, FzInstant now);

void fz_relay_link_handle_timeout (FzRelayLink *self, FzInstant now);
FzInstant fz_relay_link_next_timeout (const FzRelayLink *self);
bool fz_relay_link_awaits_answers (const FzRelayLink *self); /* to any request */
bool fz_relay_link_poll_transmit (FzRelayLink *self, FzRelayTransmit *out);
bool fz_relay_link_poll_event (FzRelayLink *self, FzRelayEvent *out);
