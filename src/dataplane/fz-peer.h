/* fz-peer.h
 *
 * What the lanes need to know of one peer: its keys, where it is, what it may
 * send. The engine owns it and is its only writer but for the fields that say
 * otherwise; lanes reach it through the current FzSnapshot. Replaced parts are
 * freed by FzReclaim once no lane can hold them.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-uuid.h"
#include "src/dataplane/fz-keypair.h"
#include "src/dataplane/fz-nat.h"
#include "src/dataplane/fz-policy.h"

#include <stdatomic.h>

#define FZ_PEER_SESSIONS 8u /* connectivity.md §2.6: slot = session index modulo 8 */

typedef struct {
  FzSocketAddress remote; /* family FZ_IP_NONE: nowhere yet */
  FzIp local;             /* source address to use; FZ_IP_NONE: the system's choice */
  uint32_t generation;    /* grows with every change */
  uint16_t channel;       /* TURN channel number, 0 for a direct path */
} FzEndpoint;

typedef struct FzPeer {
  FzUuid id;
  uint32_t connection_id;   /* upper 24 bits of our session indices, as a number below 2^24 */
  struct FzPeerHost *hosts; /* the FzPeerTable's; engine only */

  /* engine writes (release), lanes read (acquire); what is replaced goes to FzReclaim. A lane
   * that has cached a verdict notices new policies by their serials. */
  _Atomic (FzKeypair *) sending;                     /* NULL: no usable session */
  _Atomic (FzKeypair *) receiving[FZ_PEER_SESSIONS]; /* by local_index modulo 8 */
  _Atomic (const FzPolicy *) sources;                /* addresses it may send from; no filters */
  _Atomic (const FzPolicy *) permissions;            /* gateway: what it may reach; else NULL */
  _Atomic (FzNat *) nat;  /* gateway: its sessions by name, borrowed; NULL: it has none */
  atomic_bool is_roaming; /* static peers: follow authenticated datagrams to new addresses */

  /* sequence lock: the engine writes with fz_peer_set_endpoint, anyone copies with
   * fz_peer_get_endpoint; nobody touches these two otherwise */
  _Atomic uint32_t endpoint_sequence;
  _Atomic uint64_t endpoint_words[6];

  /* Lanes write (relaxed, once per turn), engine reads. Instants; 0: never. "Data" is a non-empty
   * plaintext. The first-… fields are set when zero and cleared by the opposite direction. */
  _Alignas(64) _Atomic uint64_t sent_data_at;
  _Atomic uint64_t received_data_at;
  _Atomic uint64_t received_any_at;
  _Atomic uint64_t first_unanswered_sent_at;     /* data sent, nothing received since */
  _Atomic uint64_t first_unanswered_received_at; /* data received, nothing sent since */
  /* A lane sets it and tells the engine (FZ_LANE_MESSAGE_ACTIVITY); the engine clears it when it
   * has no deadline left that depends on traffic. At most one message per engine wake-up. Both
   * sides stand in Dekker's pattern, so both need a fence: a lane stamps, atomic_thread_fence
   * (seq_cst), looks here; the engine clears, fences, looks at the stamps once more. */
  atomic_bool is_watched;

  _Atomic uint64_t sent_bytes; /* inner bytes */
  _Atomic uint64_t received_bytes;
  _Atomic uint64_t sent_packets;
  _Atomic uint64_t received_packets;
} FzPeer;

FzPeer *fz_peer_new (const FzUuid *id, uint32_t connection_id);

/* Frees the peer with its policies and keypairs. No lane may hold it. */
void fz_peer_free (FzPeer *self);

/* Engine thread. @endpoint's generation is ignored: the peer's own is counted up. */
void fz_peer_set_endpoint (FzPeer *self, const FzEndpoint *endpoint);
FzEndpoint fz_peer_get_endpoint (const FzPeer *self); /* any thread */
