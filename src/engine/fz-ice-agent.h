/* fz-ice-agent.h
 *
 * ICE for one connection (connectivity.md §3): RFC 8445 full agent, one UDP
 * component, always trickling, never ending; candidates come and go and the
 * best working pair is re-nominated, there are no restarts. Checks go on for as
 * long as the connection lives: they are its liveness test too.
 *
 *      NEW ──► CHECKING ◄──────► CONNECTED ◄──► COMPLETED
 *                 ▲ │                │               │
 *                 │ ▼                ▼               ▼
 *               DISCONNECTED ◄────────────────────────
 *
 * Sans-IO, engine thread, owned by its connection. After every call the owner
 * drains poll_transmit and poll_event, and asks next_timeout again.
 *
 * A local end is a socket of ours or, for a relayed candidate, an address on a
 * relay. FzIceTransmit says which, so that the owner can send through the relay;
 * in the other direction the owner passes the relayed address as @local.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-log.h"
#include "src/base/fz-rng.h"
#include "src/engine/fz-event.h"
#include "src/engine/fz-ice-timing.h"
#include "src/engine/fz-model.h"
#include "src/proto/fz-candidate.h"
#include "src/proto/fz-stun.h"

#include <glib.h>

#define FZ_ICE_OPTIMISTIC_MAX      8u /* synthetic remote candidates, in total (§11 #17) … */
#define FZ_ICE_OPTIMISTIC_PER_CALL 2u /* … and per signalled candidate (§3.2) */

typedef enum {
  FZ_ICE_CONTROLLING,
  FZ_ICE_CONTROLLED,
} FzIceRole;

typedef enum {
  FZ_ICE_NEW,          /* never ticked */
  FZ_ICE_CHECKING,     /* none nominated, some pair still possible (or a side without candidates) */
  FZ_ICE_CONNECTED,    /* some nominated, another still possible */
  FZ_ICE_COMPLETED,    /* some nominated, no other possible */
  FZ_ICE_DISCONNECTED, /* none nominated, none possible */
} FzIceState;

typedef struct {
  FzIceRole role;
  FzIceProfile profile;
  FzIceCredentials local; /* copied */
  FzIceCredentials remote;
  FzRng rng; /* transaction ids and the tie-breaker */
  FzLog log;
} FzIceAgentConfig;

/* A datagram to send. */
typedef struct {
  bool is_relayed;                    /* through the connection's relay, to @remote */
  FzSocketAddress local;              /* send from here; relayed: the address on the relay */
  FzSocketAddress remote;             /* send to here */
  bool is_request;                    /* remember transaction_id: the answer comes to this agent */
  FzStunTransactionId transaction_id; /* of a request */
  FzSpan data;                        /* valid until the next call into the agent */
} FzIceTransmit;

typedef enum {
  FZ_ICE_EVENT_STATE,     /* the state changed */
  FZ_ICE_EVENT_NOMINATED, /* send over this pair from now on */
} FzIceEventKind;

typedef struct {
  FzIceEventKind kind;
  union {
    FzIceState state;
    struct {
      FzPathKind path;        /* FZ_PATH_RELAY_TO_…: local is an address on our relay */
      FzSocketAddress local;  /* send from here */
      FzSocketAddress remote; /* send to here */
    } nominated;
  };
} FzIceEvent;

typedef struct FzIceAgent FzIceAgent;

#define FZ_ICE_CREDENTIAL_MAX 256u /* bytes of a user fragment or password */

/* NULL if a credential is empty or longer than FZ_ICE_CREDENTIAL_MAX. */
FzIceAgent *fz_ice_agent_new (const FzIceAgentConfig *config);
void fz_ice_agent_free (FzIceAgent *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzIceAgent, fz_ice_agent_free)

/* Whether the agent was made with these credentials (node's upsert, §1.5). */
bool fz_ice_agent_has_credentials (const FzIceAgent *self,
                                   const FzIceCredentials *local,
                                   const FzIceCredentials *remote);
const char *fz_ice_agent_get_local_ufrag (const FzIceAgent *self);
FzIceRole fz_ice_agent_get_role (const FzIceAgent *self); /* may differ from the configured one */
/* Of the selected pair, from its checks; false while unknown. */
bool fz_ice_agent_get_rtt (const FzIceAgent *self, uint64_t *out_ns);
FzIceState fz_ice_agent_get_state (const FzIceAgent *self);

/* Takes effect for the next check of every pair at once. */
void fz_ice_agent_set_profile (FzIceAgent *self, FzIceProfile profile);

/**
 * fz_ice_agent_add_local_candidate:
 * @candidate: from a relay (fz-relay-pool.h): kind, address, base
 * @out: (out) (optional): its text for the portal
 *
 * Returns: true if it was taken and is to be signalled; false if it is known,
 *   redundant, not usable, or one too many
 */
bool fz_ice_agent_add_local_candidate (FzIceAgent *self,
                                       const FzCandidate *candidate,
                                       char out[FZ_CANDIDATE_TEXT_MAX]);

/**
 * fz_ice_agent_add_remote_candidate:
 * @text: one line from the portal
 *
 * Returns: true if it was new or usable again, false if it was known or refused
 */
bool fz_ice_agent_add_remote_candidate (FzIceAgent *self, const char *text);

/* A relayed candidate of ours is gone; true if it was known: signal
 * fz_candidate_format_invalidation then. */
bool fz_ice_agent_invalidate_local_candidate (FzIceAgent *self, const FzCandidate *candidate);

/* The peer withdrew one of its own; true if it was known. */
bool fz_ice_agent_invalidate_remote_candidate (FzIceAgent *self, const char *text);

/**
 * fz_ice_agent_get_local_candidate:
 * @i: from 0 until the answer is false
 *
 * Every candidate of ours in use, highest priority first, ties by text: what is
 * announced again when a connection is reused (§1.5).
 */
bool fz_ice_agent_get_local_candidate (const FzIceAgent *self,
                                       size_t i,
                                       char out[FZ_CANDIDATE_TEXT_MAX]);

/* Whether a remote relayed candidate in use has this address. */
bool fz_ice_agent_is_remote_relayed (const FzIceAgent *self, const FzSocketAddress *remote);

/**
 * fz_ice_agent_handle_message:
 * @message: a Binding request whose USERNAME starts with our user fragment, or
 *   a Binding success or error response to a request of ours
 * @local: where it arrived: our socket, or our address on a relay
 * @from: who sent it; over a relay, the peer of the channel
 *
 * What is not authentic or not well-formed changes nothing.
 *
 * Returns: FZ_DROP_NONE, or why it was not used
 */
FzDrop fz_ice_agent_handle_message (FzIceAgent *self,
                                    const FzStunMessage *message,
                                    const FzSocketAddress *local,
                                    const FzSocketAddress *from,
                                    FzInstant now);

void fz_ice_agent_handle_timeout (FzIceAgent *self, FzInstant now);

/* In the past if something is due at once (new candidate, profile switch); FZ_INSTANT_NEVER if
 * nothing is. */
FzInstant fz_ice_agent_next_timeout (const FzIceAgent *self);

/* Whether the path in use works, as far as is known: all its checks but the newest were answered,
 * and none is to take its place once it is proven. */
bool fz_ice_agent_is_answered (const FzIceAgent *self);
bool fz_ice_agent_poll_transmit (FzIceAgent *self, FzIceTransmit *out);
bool fz_ice_agent_poll_event (FzIceAgent *self, FzIceEvent *out);
