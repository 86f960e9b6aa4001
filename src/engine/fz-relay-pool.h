/* fz-relay-pool.h
 *
 * Every relay the portal gave us (connectivity.md §5): which ones answer and
 * how fast, the candidates they teach us, and the choice of one for a
 * connection. One FzRelayLink (fz-relay.h) per relay does the talking.
 *
 * Sans-IO, engine thread, owned by the node. After every call the owner drains
 * poll_transmit (before all other transmits) and poll_event.
 *
 * Relays are known by the socket addresses the portal sent, not by port 3478.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-log.h"
#include "src/base/fz-rng.h"
#include "src/engine/fz-view.h"
#include "src/proto/fz-candidate.h"
#include "src/proto/fz-stun.h"

#include <glib.h>

#define FZ_RELAYS_MAX        32u /* a longer list from the portal is cut */
#define FZ_FORMER_RELAYS_MAX 64u /* addresses, §5.9 */

/* What one relay teaches us: host and reflexive per family, relayed per family. */
#define FZ_RELAY_CANDIDATES_MAX 6u

typedef enum {
  FZ_RELAY_EVENT_CANDIDATE,         /* offer it to connections */
  FZ_RELAY_EVENT_CANDIDATE_INVALID, /* relayed: withdraw it from every connection */
  FZ_RELAY_EVENT_GONE,              /* connections that use this relay need another (§1.6) */
  FZ_RELAY_EVENT_ADDRESS_TAKEN,     /* we need another address to send to it from */
  FZ_RELAY_EVENT_NONE_LEFT,         /* tell the portal: no_relays */
} FzRelayEventKind;

typedef struct {
  FzRelayEventKind kind;
  FzUuid relay_id;       /* not in NONE_LEFT */
  FzCandidate candidate; /* CANDIDATE, CANDIDATE_INVALID: kind, address, base */
} FzRelayEvent;

/* A datagram to a relay; any source address of the family will do. */
typedef struct {
  FzSocketAddress to;
  FzSpan data; /* valid until the next call into the pool */
} FzRelayTransmit;

typedef enum {
  FZ_RELAY_SOURCE_UNKNOWN, /* not from a relay: may be a peer */
  FZ_RELAY_SOURCE_CURRENT, /* a relay's socket: fz_relay_pool_handle_… */
  FZ_RELAY_SOURCE_FORMER,  /* a dropped relay's IP: discard */
} FzRelaySource;

typedef struct FzRelayPool FzRelayPool;

FzRelayPool *fz_relay_pool_new (const FzRng *rng, const FzLog *log);
void fz_relay_pool_free (FzRelayPool *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzRelayPool, fz_relay_pool_free)

/**
 * fz_relay_pool_update:
 * @removed: relays that went away; for init: none
 * @offered: relays to use from now on; entries whose username or password is too
 *   long are skipped (§5.1)
 *
 * relays_presence, or the list in init (§5.9).
 */
void fz_relay_pool_update (FzRelayPool *self,
                           const FzUuid *removed,
                           size_t n_removed,
                           const FzRelay *offered,
                           size_t n_offered,
                           FzInstant now);

/* The network changed: every relay starts over in place, queued output and events are dropped
 * (§1.9). No invalidations are emitted. */
void fz_relay_pool_reset (FzRelayPool *self, FzInstant now);

/* The end: relays need not keep our allocations for ten minutes. */
void fz_relay_pool_end_allocations (FzRelayPool *self);

size_t fz_relay_pool_get_n_relays (const FzRelayPool *self);
bool fz_relay_pool_has_relay (const FzRelayPool *self, const FzUuid *relay_id);

void fz_relay_pool_add_views (const FzRelayPool *self, GArray *views); /* of FzRelayView */

/**
 * fz_relay_pool_select:
 * @out: (out): the relay for a new connection, drawn as §5.10 says
 *
 * Returns: false if no relay has answered yet: "no TURN servers"
 */
bool fz_relay_pool_select (FzRelayPool *self, FzUuid *out);

/**
 * fz_relay_pool_get_candidates:
 * @relay_id: the connection's selected relay: its relayed candidates are included
 *
 * Host and reflexive candidates of all relays, without repetitions, best kind first.
 *
 * Returns: how many of @out were written
 */
size_t fz_relay_pool_get_candidates (const FzRelayPool *self,
                                     const FzUuid *relay_id,
                                     FzCandidate *out,
                                     size_t capacity);

FzRelaySource fz_relay_pool_classify (const FzRelayPool *self, const FzSocketAddress *from);

/* A STUN message from FZ_RELAY_SOURCE_CURRENT; @local is where it arrived. */
FzDrop fz_relay_pool_handle_stun (FzRelayPool *self,
                                  const FzStunMessage *message,
                                  const FzSocketAddress *local,
                                  const FzSocketAddress *from,
                                  FzInstant now);

/* -- relayed traffic (§5.6) -- */

typedef struct {
  FzUuid relay_id;
  FzSocketAddress local; /* our address on the relay, of the peer's family */
  FzSocketAddress from;  /* the peer */
  FzSpan payload;        /* a view into the datagram */
} FzRelayedDatagram;

/**
 * fz_relay_pool_unwrap:
 * @datagram: ChannelData from FZ_RELAY_SOURCE_CURRENT
 *
 * Returns: FZ_DROP_NONE; FZ_DROP_BAD_LENGTH or FZ_DROP_UNKNOWN_PROTOCOL if it is
 *   no ChannelData; FZ_DROP_UNKNOWN_PEER for a channel that is not bound
 */
FzDrop fz_relay_pool_unwrap (FzRelayPool *self,
                             FzSpan datagram,
                             const FzSocketAddress *from,
                             FzInstant now,
                             FzRelayedDatagram *out);

#define FZ_CHANNEL_HEADER_SIZE 4u

/* How to send to a peer through a relay: header, then the payload, unpadded, to @to. */
typedef struct {
  FzSocketAddress to; /* the relay */
  uint16_t channel;
} FzRelayRoute;

/**
 * fz_relay_pool_route:
 *
 * Counts as sending for the keep-alive of §5.8.
 *
 * Returns: false if there is no channel to @peer: it is being bound now, and the
 *   datagram is to be dropped
 */
bool fz_relay_pool_route (FzRelayPool *self,
                          const FzUuid *relay_id,
                          const FzSocketAddress *peer,
                          FzInstant now,
                          FzRelayRoute *out);

/* Asks for a channel to @peer ahead of need: on every signalled non-host remote candidate. */
void fz_relay_pool_bind_channel (FzRelayPool *self,
                                 const FzUuid *relay_id,
                                 const FzSocketAddress *peer,
                                 FzInstant now);

/* The 4 bytes before the payload. */
void fz_channel_header_write (uint8_t out[FZ_CHANNEL_HEADER_SIZE],
                              uint16_t channel,
                              uint16_t length_bytes);

void fz_relay_pool_handle_timeout (FzRelayPool *self, FzInstant now);
FzInstant fz_relay_pool_next_timeout (const FzRelayPool *self);
bool fz_relay_pool_awaits_answers (const FzRelayPool *self); /* a relay's, to any request */
bool fz_relay_pool_poll_transmit (FzRelayPool *self, FzRelayTransmit *out);
bool fz_relay_pool_poll_event (FzRelayPool *self, FzRelayEvent *out);
