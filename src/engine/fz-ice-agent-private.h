/* fz-ice-agent-private.h
 *
 * The agent's inside, shared by its three files: fz-ice-agent.c (life, time,
 * nomination, state), fz-ice-signalling.c (candidates) and fz-ice-connectivity.c
 * (messages).
 */
#pragma once

#include "src/engine/fz-ice-agent.h"
#include "src/engine/fz-ice-checklist.h"

typedef struct {
  FzIceTransmit transmit;
  uint8_t bytes[];
} Outgoing;

struct FzIceAgent {
  FzRng rng;
  FzLog log;
  char *local_ufrag;
  char *local_password;
  char *remote_ufrag;
  char *remote_password;
  char *username; /* of our checks: "<remote>:<local>" */
  uint64_t tie_breaker;

  FzIceChecklist list;
  const FzIceTiming *timing;
  FzIceState state;
  FzInstant last_now;
  bool is_dirty;         /* something changed: a tick is due at once */
  bool has_been_checked; /* since the last tick, by the peer */
  unsigned n_optimistic; /* made so far */

  GQueue transmits; /* of Outgoing */
  Outgoing *polled; /* the last one given out; valid until the next call */
  GQueue events;    /* of FzIceEvent */
};

/* Chooses the pair to send over anew, and tells the owner if it is another one. */
void fz_ice_agent_evaluate_nomination (FzIceAgent *self);
void fz_ice_agent_evaluate_state (FzIceAgent *self, FzInstant now);

/* After a role conflict; recomputes what depends on the role. */
void fz_ice_agent_set_role (FzIceAgent *self, bool is_controlling);

/**
 * fz_ice_agent_push:
 * @local: the candidate of ours to send from
 * @request_id: NULL for a response
 * @data: copied
 */
void fz_ice_agent_push (FzIceAgent *self,
                        const FzIceCandidate *local,
                        const FzSocketAddress *remote,
                        const FzStunTransactionId *request_id,
                        FzSpan data);
void fz_ice_agent_send_check (FzIceAgent *self, FzIcePair *pair, FzInstant now);
