/* fz-path-agent.h
 *
 * Whoever finds the way to a peer: the seam between a connection and its agent,
 * so that the ICE-less agent (connectivity.md §4) takes its place beside ICE
 * without the connection changing. One case per operation and kind; a bare peer
 * has no agent at all.
 *
 * Same shape as the agents below it: after every call the connection drains
 * poll_transmit and poll_event and asks next_timeout again.
 */
#pragma once

#include "src/dataplane/fz-snapshot.h"
#include "src/engine/fz-ice-agent.h"

typedef enum {
  FZ_PATH_AGENT_ICE,
} FzPathAgentKind;

typedef struct {
  FzPathAgentKind kind;
  FzRole role; /* of the node: chooses the timing */
  bool is_controlling;
  FzIceCredentials local; /* copied */
  FzIceCredentials remote;
  FzRng rng;
  FzLog log;
} FzPathAgentConfig;

typedef enum {
  FZ_PATH_EVENT_CHOSEN,    /* send over this path from now on */
  FZ_PATH_EVENT_LOST,      /* no path works and none is left to try */
  FZ_PATH_EVENT_RECOVERED, /* after LOST: there is hope again */
} FzPathEventKind;

/* A way to the peer: the peer socket of connectivity.md §1.4. */
typedef struct {
  FzPathKind kind;
  FzSocketAddress local; /* FZ_PATH_RELAY_TO_…: our address on the relay */
  FzSocketAddress remote;
} FzPath;

typedef struct {
  FzPathEventKind kind;
  FzPath path; /* CHOSEN */
} FzPathEvent;

typedef struct FzPathAgent FzPathAgent;

FzPathAgent *fz_path_agent_new (const FzPathAgentConfig *config);
void fz_path_agent_free (FzPathAgent *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPathAgent, fz_path_agent_free)

/* Whether a new one made from @config would do the same: a connection may be reused (§1.5). */
bool fz_path_agent_matches (const FzPathAgent *self, const FzPathAgentConfig *config);
const char *fz_path_agent_get_local_ufrag (const FzPathAgent *self); /* NULL: not found by STUN */

/* Settled: a path is chosen, and the connection may go idle. */
bool fz_path_agent_is_settled (const FzPathAgent *self);
bool fz_path_agent_get_rtt (const FzPathAgent *self, uint64_t *out_ns); /* false: unknown */
void fz_path_agent_set_idle (FzPathAgent *self, bool is_idle);

/* -- candidates; texts as on the portal -- */
bool fz_path_agent_add_local (FzPathAgent *self,
                              const FzCandidate *candidate,
                              char out[FZ_CANDIDATE_TEXT_MAX]);
bool fz_path_agent_invalidate_local (FzPathAgent *self,
                                     const FzCandidate *candidate,
                                     char out[FZ_CANDIDATE_TEXT_MAX]);
bool fz_path_agent_get_local (FzPathAgent *self, size_t i, char out[FZ_CANDIDATE_TEXT_MAX]);
bool fz_path_agent_add_remote (FzPathAgent *self, const char *text);
bool fz_path_agent_invalidate_remote (FzPathAgent *self, const char *text);

/* -- input and output -- */
FzDrop fz_path_agent_handle_stun (FzPathAgent *self,
                                  const FzStunMessage *message,
                                  const FzSocketAddress *local,
                                  const FzSocketAddress *from,
                                  FzInstant now);
void fz_path_agent_handle_timeout (FzPathAgent *self, FzInstant now);
FzInstant fz_path_agent_next_timeout (const FzPathAgent *self);
bool fz_path_agent_is_answered (const FzPathAgent *self); /* see fz-ice-agent.h */
bool fz_path_agent_poll_transmit (FzPathAgent *self, FzIceTransmit *out);
bool fz_path_agent_poll_event (FzPathAgent *self, FzPathEvent *out);
