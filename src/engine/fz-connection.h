/* fz-connection.h
 *
 * One peer as the node sees it (connectivity.md §1.4): its path agent, its
 * WireGuard tunnel, what the lanes know of it, and the state that follows from
 * them. Owned by the node; engine thread. A bare peer is a connection without
 * agent, connected from the start.
 *
 *                    path chosen                     20 s without data
 *   CONNECTING ─────────────────────► CONNECTED ◄────────────────────► IDLE
 *       │ no candidate for 10 s           │       data, upsert,          │
 *       ▼                                 ▼       candidate change       │
 *     FAILED ◄──── no path for 2 s, or WireGuard expired ────────────────┘
 *
 * Every input drains agent and tunnel into the context at once, so there is
 * nothing to poll here: datagrams are in the node's queue, events in its list.
 * After each call the node asks for the state, the deadline, and whether the
 * lanes have something new to see.
 */
#pragma once

#include "src/engine/fz-candidate-outbox.h"
#include "src/engine/fz-handshake-job.h"
#include "src/engine/fz-out-queue.h"
#include "src/engine/fz-path-agent.h"
#include "src/engine/fz-relay-pool.h"
#include "src/engine/fz-stun-in-flight.h"
#include "src/engine/fz-tunnel.h"

#define FZ_CANDIDATE_DEADLINE_S 10u /* §1.4: for the first signalled candidate */
#define FZ_IDLE_AFTER_S         20u /* §3.6 */
#define FZ_PATH_GRACE_S         2u  /* §3.7: after the agent lost its last path */
#define FZ_HANDSHAKE_MIN_GAP_S  20u /* §2.8: between handshakes for a new path */

typedef enum {
  FZ_NODE_EVENT_ESTABLISHED,   /* once: path and session are there */
  FZ_NODE_EVENT_SESSION,       /* established before, and a new session to send on */
  FZ_NODE_EVENT_PATH_CHANGED,  /* established, and packets take another way */
  FZ_NODE_EVENT_FAILED,        /* gone */
  FZ_NODE_EVENT_CLOSED,        /* gone by our own decision */
  FZ_NODE_EVENT_SILENT,        /* bare peer: it does not answer handshakes */
  FZ_NODE_EVENT_NO_RELAYS,     /* of the node: the last relay is gone */
  FZ_NODE_EVENT_ADDRESS_TAKEN, /* of the node: FZ_EVENT_ADDRESS_TAKEN */
} FzNodeEventKind;

typedef struct {
  FzNodeEventKind kind;
  FzUuid id; /* of the connection */
} FzNodeEvent;

/* What the connections of one node share; the node owns all of it. */
typedef struct {
  FzRole role;
  FzIdentity *identity;
  FzAead *aead;
  FzReclaim *reclaim;
  FzRng rng;
  FzLog log;
  uint64_t unix_ns_at_zero;
  FzRelayPool *relays;
  FzStunInFlight *in_flight;
  FzCandidateOutbox *outbox;
  FzOutQueue transmits;
  GArray *events;           /* of FzNodeEvent */
  GPtrArray *retired_peers; /* of FzPeer: to be retired by fz_node_publish */
  FzTunnelCounters tunnels;
  uint64_t cookies_sent;
  uint64_t bad_mac1; /* handshake messages that were not made for our key */
  uint64_t drops[FZ_N_DROPS];
} FzConnectionContext;

typedef enum {
  FZ_CONNECTION_CONNECTING, /* no path yet; deadline: first candidate */
  FZ_CONNECTION_CONNECTED,  /* deadline: idle */
  FZ_CONNECTION_IDLE,       /* path checks are rare; deadlines of agent and tunnel only */
  FZ_CONNECTION_FAILED,     /* to be reaped by the node at once */
} FzConnectionState;

/* What makes two upserts the same (§1.5). */
typedef struct {
  FzUuid id;
  const uint8_t *public_key;    /* FZ_KEY_SIZE bytes */
  const uint8_t *preshared_key; /* FZ_KEY_SIZE bytes; NULL: none */
  FzIceCredentials local_ice;
  FzIceCredentials remote_ice;
  bool is_controlling;
} FzConnectionRequest;

/* A static WireGuard peer. */
typedef struct {
  FzUuid id;
  const uint8_t *public_key;
  const uint8_t *preshared_key; /* NULL: none */
  FzSocketAddress endpoint;     /* family FZ_IP_NONE: wait for the peer */
  uint32_t keepalive_s;
} FzBareRequest;

typedef struct FzConnection FzConnection;

/* NULL for a public key with which no handshake can be made. The context outlives the connection;
 * a failed handshake with it is the node's affair. */
FzConnection *fz_connection_new (FzConnectionContext *context,
                                 const FzConnectionRequest *request,
                                 uint32_t connection_id,
                                 const FzUuid *relay_id,
                                 FzInstant now);
FzConnection *fz_connection_new_bare (FzConnectionContext *context,
                                      const FzBareRequest *request,
                                      uint32_t connection_id,
                                      FzInstant now);

/* Its FzPeer goes to context->retired_peers: a lane may hold it, and a published route name it. */
void fz_connection_free (FzConnection *self);

/* -- what the node asks after each call -- */
FzConnectionState fz_connection_get_state (const FzConnection *self);
FzInstant fz_connection_next_timeout (const FzConnection *self);

/* Whether answers to its checks need not be seen before the next timeout: it is idle, its path
 * works. */
bool fz_connection_may_answers_wait (const FzConnection *self);
bool fz_connection_needs_publish (const FzConnection *self);
void fz_connection_publish (FzConnection *self); /* endpoint and session, for the lanes */

/* -- what it is -- */
const FzUuid *fz_connection_get_id (const FzConnection *self);
uint32_t fz_connection_get_connection_id (const FzConnection *self);
const uint8_t *fz_connection_get_public_key (const FzConnection *self);
const char *fz_connection_get_local_ufrag (const FzConnection *self); /* NULL: bare */
const FzUuid *fz_connection_get_relay_id (const FzConnection *self);
unsigned fz_connection_count_sessions (const FzConnection *self);
FzPeer *fz_connection_get_peer (FzConnection *self);
bool fz_connection_is_established (const FzConnection *self);
bool fz_connection_get_path (const FzConnection *self, FzPath *out);     /* false: none yet */
bool fz_connection_get_rtt (const FzConnection *self, uint64_t *out_ns); /* false: unknown */
bool fz_connection_matches (const FzConnection *self, const FzConnectionRequest *request);

/* -- what the role says about it; policies are taken -- */
void fz_connection_set_sources (FzConnection *self, FzPolicy *sources);
void fz_connection_set_nat (FzConnection *self, FzNat *nat); /* borrowed; NULL: none */
void fz_connection_set_permissions (FzConnection *self, FzPolicy *permissions);

/* -- candidates -- */

/* Offers one of ours; what is new goes to the outbox. */
void
fz_connection_add_local_candidate (FzConnection *self, const FzCandidate *candidate, FzInstant now);
void fz_connection_invalidate_local_candidate (FzConnection *self,
                                               const FzCandidate *candidate,
                                               FzInstant now);
void fz_connection_add_remote_candidate (FzConnection *self, const char *text, FzInstant now);
void
fz_connection_invalidate_remote_candidate (FzConnection *self, const char *text, FzInstant now);

/* The same request again (§1.5): announces every candidate anew, makes sure of the session. */
void fz_connection_reuse (FzConnection *self, FzInstant now);
void fz_connection_migrate (FzConnection *self, const FzUuid *relay_id, FzInstant now);

/* -- input; each returns why it was not used -- */
FzDrop fz_connection_handle_stun (FzConnection *self,
                                  const FzStunMessage *message,
                                  const FzSocketAddress *local,
                                  const FzSocketAddress *from,
                                  FzInstant now);
/* An OPEN that is done and turned out to be this peer's: it becomes a RESPOND to be run … */
FzDrop fz_connection_begin_response (FzConnection *self, FzHandshakeJob *job, FzInstant now);
/* … and is sent. */
FzDrop fz_connection_finish_response (FzConnection *self, FzHandshakeJob *job, FzInstant now);
FzDrop fz_connection_handle_response (FzConnection *self,
                                      const FzWireguardMessage *message,
                                      const FzEndpoint *origin,
                                      FzInstant now);
FzDrop fz_connection_handle_cookie_reply (FzConnection *self,
                                          const FzWireguardMessage *message,
                                          FzInstant now);
void fz_connection_handle_confirmed (FzConnection *self, uint32_t local_index, FzInstant now);
void fz_connection_handle_exhausted (FzConnection *self, uint32_t local_index, FzInstant now);
void fz_connection_handle_activity (FzConnection *self, FzInstant now);
void fz_connection_handle_roamed (FzConnection *self, const FzEndpoint *endpoint, FzInstant now);
/* Our addresses changed: a bare peer is written to from whatever the system chooses. */
void fz_connection_forget_source (FzConnection *self, FzInstant now);
void fz_connection_handle_timeout (FzConnection *self, FzInstant now);

/* -- sending; a bare peer's first packet asks for a handshake -- */
void fz_connection_start_handshake (FzConnection *self, FzInstant now);

/**
 * fz_connection_send:
 * @packet: an IP packet of at most FZ_MTU bytes (bare: what fits a datagram)
 * @ecn: its ECN bits, for the outer header
 *
 * Returns: FZ_DROP_NONE; FZ_DROP_NO_SESSION while connecting or without keys:
 *   the caller may keep the packet; FZ_DROP_NO_ROUTE without a channel at the
 *   relay; FZ_DROP_QUEUE_FULL
 */
FzDrop fz_connection_send (FzConnection *self, FzSpan packet, uint8_t ecn, FzInstant now);

/* Best effort, if there is a session. */
void fz_connection_send_goodbye (FzConnection *self, FzInstant now);
