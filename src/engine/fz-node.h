/* fz-node.h
 *
 * All connections of this participant, and everything that arrives for them:
 * relays, path checks, handshakes (connectivity.md §§1, 6). It knows peers and
 * paths, not resources or policies; the roles (fz-client.h, fz-gateway.h,
 * fz-bare.h) tell it whom to connect and what lanes may do.
 *
 * Connections are found by id, by the 24-bit number in WireGuard's indices, by
 * the peer's public key and by our ICE user fragment.
 *
 * Sans-IO, engine thread. What happened is polled with fz_node_poll_event; the
 * lanes see changes at fz_node_publish.
 */
#pragma once

#include "src/engine/fz-connection.h"
#include "src/engine/fz-engine.h"

typedef struct {
  FzRole role;
  FzRng rng; /* copied; its context outlives the node */
  FzLog log;
  FzReclaim *reclaim; /* borrowed, outlives the node */
  uint64_t unix_ns_at_zero;
  const uint8_t *private_key; /* FZ_KEY_SIZE bytes; NULL: a fresh one */
  FzCandidateOutbox *outbox;  /* borrowed, outlives the node */
  FzSteering steering;        /* connection ids are spread over its lanes */
  bool has_workers;           /* jobs are polled; else they are done at once */
} FzNodeConfig;

typedef struct FzNode FzNode;

FzNode *fz_node_new (const FzNodeConfig *config);
void fz_node_free (FzNode *self); /* lanes have stopped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzNode, fz_node_free)

const uint8_t *fz_node_get_public_key (const FzNode *self);
const uint8_t *fz_node_get_mac1_key (const FzNode *self); /* as fz_identity_get_mac1_key */

/* -- connections -- */

typedef enum {
  FZ_UPSERT_DONE,      /* created, replaced or reused */
  FZ_UPSERT_NO_RELAYS, /* no relay has answered: nothing was changed */
  FZ_UPSERT_TOO_MANY,  /* FZ_PEERS_MAX; nothing was changed */
  FZ_UPSERT_BAD_KEY,   /* no handshake can be made with the public key; nothing was changed */
} FzUpsert;

FzUpsert fz_node_upsert (FzNode *self,
                         const FzConnectionRequest *request,
                         FzInstant now,
                         FzConnection **out); /* (optional); valid until it ends */
FzUpsert
fz_node_add_bare (FzNode *self, const FzBareRequest *request, FzInstant now, FzConnection **out);

FzConnection *fz_node_find (FzNode *self, const FzUuid *id); /* NULL if unknown */
FzConnection *fz_node_find_by_number (FzNode *self, uint32_t connection_id);
size_t fz_node_get_n_connections (const FzNode *self);

/* By our own decision: with a goodbye where there is a session. FZ_NODE_EVENT_CLOSED follows,
 * unless it was still connecting. */
void fz_node_close (FzNode *self, const FzUuid *id, FzInstant now);
void fz_node_close_all (FzNode *self, FzInstant now);
void fz_node_remove (FzNode *self, const FzUuid *id, FzInstant now); /* silently */

void fz_node_add_candidates (FzNode *self,
                             const FzUuid *id,
                             const char *const *candidates,
                             size_t n_candidates,
                             FzInstant now);
void fz_node_invalidate_candidates (FzNode *self,
                                    const FzUuid *id,
                                    const char *const *candidates,
                                    size_t n_candidates,
                                    FzInstant now);

void fz_node_update_relays (FzNode *self,
                            const FzUuid *removed,
                            size_t n_removed,
                            const FzRelay *offered,
                            size_t n_offered,
                            FzInstant now);

void fz_node_end_relays (FzNode *self, FzInstant now); /* nothing is sent through them any more */

/* Our port is another one: relays are asked anew, and what they say is offered as it comes. */
void fz_node_restart_relays (FzNode *self, FzInstant now);

/* The network changed: everything starts over with a new key (§1.9, hard reset). */
void fz_node_reset (FzNode *self, FzInstant now);

/* The same for bare peers, whose sessions go on: only our source addresses are forgotten. */
void fz_node_forget_sources (FzNode *self, FzInstant now);

/* Sends on @connection: fz_connection_send, and keeps the node's books. */
FzDrop
fz_node_send (FzNode *self, FzConnection *connection, FzSpan packet, uint8_t ecn, FzInstant now);
void fz_node_start_handshake (FzNode *self, FzConnection *connection, FzInstant now);

/* -- input -- */

/* A datagram that is no data of an established session; the reason if it was not used. */
FzDrop fz_node_handle_datagram (FzNode *self,
                                const FzSocketAddress *local,
                                const FzSocketAddress *from,
                                FzSpan data,
                                FzInstant now);
/* CONFIRMED, ROAMED, ACTIVITY, EXHAUSTED */
FzDrop fz_node_handle_lane_message (FzNode *self, const FzLaneMessage *message, FzInstant now);
void fz_node_handle_timeout (FzNode *self, FzInstant now);
FzInstant fz_node_next_timeout (const FzNode *self);
bool fz_node_may_answers_wait (const FzNode *self); /* see fz-engine.h */

/* A job that was polled and has been run; takes it. In the order in which they were polled. */
void fz_node_finish_job (FzNode *self, FzHandshakeJob *job, FzInstant now);

/* -- output -- */
FzHandshakeJob *fz_node_poll_job (FzNode *self); /* NULL: none; the caller's until it is finished */
bool fz_node_poll_transmit (FzNode *self, FzTransmit *out);
bool fz_node_poll_event (FzNode *self, FzNodeEvent *out);

/* Whether connections have come or gone, or their addresses: what names peers is out of date. */
bool fz_node_have_peers_changed (const FzNode *self);
/* Every FzPeer, for the snapshots; the node changes it as connections come and go. */
const FzPeerTable *fz_node_get_peers (const FzNode *self);

/* The tunnel addresses of @connection's peer, in place of what it had: where lanes send packets to
 * them. They go with the connection. */
void fz_node_set_hosts (FzNode *self, FzConnection *connection, const FzIp *ips, size_t n_ips);

/* After the transmits are polled: new endpoints and sessions become visible. Before this call a
 * snapshot was published if fz_node_have_peers_changed and the last one names peers. */
void fz_node_publish (FzNode *self);

void fz_node_add_relay_views (const FzNode *self, GArray *views); /* of FzRelayView */
void fz_node_add_counters (const FzNode *self, FzEngineCounters *counters);
