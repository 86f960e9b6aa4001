/* fz-sim-peer.h
 *
 * One end of one connection, no engine: a UDP socket per family, a relay pool
 * and an ICE agent, wired as the node wires them (connectivity.md §6), and
 * signalling that takes its time. What agents do to each other over a network
 * is tested with these.
 */
#pragma once

#include "src/engine/fz-ice-agent.h"
#include "src/engine/fz-relay-pool.h"
#include "tests/sim/fz-sim.h"

#define FZ_SIM_PEER_PORT 52625u

typedef struct FzSimPeer FzSimPeer;

/* @host: has its addresses already; those it gets later are used too. */
FzSimPeer *fz_sim_peer_new (FzSim *sim, unsigned host, FzIceRole role, FzIceProfile profile);
void fz_sim_peer_free (FzSimPeer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSimPeer, fz_sim_peer_free)

/* Candidates and withdrawals reach the other after @signalling_ns, both ways. */
void fz_sim_peer_introduce (FzSimPeer *a, FzSimPeer *b, uint64_t signalling_ns);

/* Until this is called, candidates are not told to the other one; @when_ns from now. */
void fz_sim_peer_hold_candidates (FzSimPeer *self, uint64_t when_ns);

void fz_sim_peer_add_relay (FzSimPeer *self, const FzRelay *relay);

/* Candidates by hand, without a relay. */
void fz_sim_peer_add_host_candidate (FzSimPeer *self, const char *ip);
void fz_sim_peer_add_candidate (FzSimPeer *self, const FzCandidate *candidate);
void fz_sim_peer_withdraw (FzSimPeer *self, const FzCandidate *candidate);
void fz_sim_peer_receive_candidate (FzSimPeer *self, const char *text);

FzIceAgent *fz_sim_peer_get_agent (FzSimPeer *self);
FzRelayPool *fz_sim_peer_get_pool (FzSimPeer *self);
void fz_sim_peer_poke (FzSimPeer *self); /* after touching agent or pool: sends what they have */

/* Sends @text to the other end over the nominated pair; false without one. */
bool fz_sim_peer_say (FzSimPeer *self, const char *text);

typedef struct {
  bool is_nominated;
  FzPathKind path;
  FzSocketAddress local;
  FzSocketAddress remote;
  FzInstant nominated_at; /* last change */
  unsigned n_nominations;
  unsigned n_states[FZ_ICE_DISCONNECTED + 1]; /* how often each was entered */
  FzInstant disconnected_at;                  /* last time */
  unsigned n_heard;                           /* texts */
  char heard[64];                             /* the last one */
  uint64_t n_requests_sent;
} FzSimPeerView;

const FzSimPeerView *fz_sim_peer_get_view (const FzSimPeer *self);

/* Both have a pair, and a word each way arrives within @limit_ns. */
bool fz_sim_peers_can_talk (FzSimPeer *a, FzSimPeer *b, uint64_t limit_ns);

/* Runs until both are connected or completed. */
bool fz_sim_peers_connect (FzSimPeer *a, FzSimPeer *b, uint64_t limit_ns);
