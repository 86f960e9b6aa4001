/* fz-snapshot.h
 *
 * The tables of the fast path: receiver indices to peers, routes to peers, our
 * own addresses and the role's rules. The engine publishes, lanes read the
 * current one once per turn. All of it is immutable once published but for the
 * table of peers, which all snapshots of one engine share: a peer that comes or
 * goes needs no new snapshot unless the routes name it.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/dataplane/fz-flow-marks.h"
#include "src/dataplane/fz-peer-table.h"
#include "src/dataplane/fz-peer.h"
#include "src/dataplane/fz-policy.h"
#include "src/dataplane/fz-reclaim.h"

#define FZ_SNAPSHOT_RESOLVERS_MAX 32u
#define FZ_SITE_DNS_PORT          53535u /* of a gateway's resolver, on its tunnel addresses */

typedef enum {
  FZ_ROLE_CLIENT,  /* routes are resources; a peer is a gateway */
  FZ_ROLE_GATEWAY, /* routes are clients' tunnel addresses; permissions are checked both ways */
  FZ_ROLE_BARE,    /* plain WireGuard: cryptokey routing by allowed addresses */
} FzRole;

typedef struct {
  FzRole role;
  FzIp own_ipv4; /* FZ_IP_NONE before the interface is known: nothing passes */
  FzIp own_ipv6;
  FzPolicy *routes;         /* owned; to what @peers has no address of */
  const FzPeerTable *table; /* borrowed, outlives the snapshots; NULL: one is made of @peers */
  FzPeer *const *peers;     /* copied by fz_snapshot_new; the peers are borrowed */
  size_t n_peers;
  const FzIp *resolvers;   /* copied; client: whose DNS answers are for the engine to see */
  size_t n_resolvers;      /* at most FZ_SNAPSHOT_RESOLVERS_MAX */
  const uint8_t *mac1_key; /* copied, FZ_KEY_SIZE bytes: for mac1 of what comes; NULL: unchecked */
  bool has_names;          /* gateway: some peer may have sessions behind proxy addresses */
} FzSnapshotParts;

typedef struct FzSnapshot FzSnapshot;

FzSnapshot *fz_snapshot_new (const FzSnapshotParts *parts); /* takes parts->routes */
void fz_snapshot_free (FzSnapshot *self);                   /* not the peers */

FzRole fz_snapshot_get_role (const FzSnapshot *self);
const FzPolicy *fz_snapshot_get_routes (const FzSnapshot *self);
bool fz_snapshot_is_own_ip (const FzSnapshot *self, const FzIp *ip);

const FzPeerTable *fz_snapshot_get_table (const FzSnapshot *self);
bool fz_snapshot_has_names (const FzSnapshot *self);

/* What mac1 of a handshake message to us is keyed with; NULL: lanes do not check it. */
const uint8_t *fz_snapshot_get_mac1_key (const FzSnapshot *self);

/* Whether a UDP packet from there may answer a question of the engine's own. */
bool fz_snapshot_is_resolver (const FzSnapshot *self, const FzIp *ip, uint16_t port);

/* Where packets to @ip go, by a peer's address or else by the routes; NULL: nowhere, or ask the
 * engine. */
FzPeer *fz_snapshot_find_route (const FzSnapshot *self, const FzIp *ip, FzProtocolKey key);

/* Peer of the upper 24 bits of a receiver index; NULL if unknown. O(1). */
FzPeer *fz_snapshot_find_peer (const FzSnapshot *self, uint32_t connection_id);

/* Grows with every fz_published_set: tells snapshots apart where an address may have been reused.
 */
uint64_t fz_snapshot_get_serial (const FzSnapshot *self);

/* What engine and lanes share.
 *
 * Nothing needs to be announced when a packet that went to the engine may now take the fast path
 * (a new session, a new route): a lane sends a packet directly only after the engine has released
 * every ring record that the lane had handed over for the same destination. So the engine's host
 * must keep this order: handle a record, send what comes of it, release the record; and what
 * waited in the engine for a session or a route is sent before either is published. */
typedef struct {
  _Atomic (FzSnapshot *) current; /* engine: release; lanes: acquire, once per turn */
  uint64_t n_published;           /* engine only */
  FzReclaim *reclaim;
  _Atomic (FzFlowMarks *) direct_flows; /* gateway's engine, once; NULL: nobody asks for them */
  _Atomic (FzFlowMarks *) contacts;     /* engine, once: whom it wrote to; NULL: nobody knows */
} FzPublished;

void fz_published_init (FzPublished *self);  /* an empty snapshot, its own FzReclaim */
void fz_published_clear (FzPublished *self); /* lanes have stopped */

/* Takes @snapshot, replaces the current one with it and retires that. A peer that the new one does
 * not name may be retired after this call. */
void fz_published_set (FzPublished *self, FzSnapshot *snapshot);
