/* fz-snapshot.h
 *
 * The tables of the fast path, immutable once published: receiver indices to
 * peers, routes to peers, our own addresses and the role's rules. The engine
 * publishes, lanes read the current one once per turn.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/dataplane/fz-peer.h"
#include "src/dataplane/fz-policy.h"
#include "src/dataplane/fz-reclaim.h"

typedef enum {
  FZ_ROLE_CLIENT,  /* routes are resources; a peer is a gateway */
  FZ_ROLE_GATEWAY, /* routes are clients' tunnel addresses; permissions are checked both ways */
  FZ_ROLE_BARE,    /* plain WireGuard: cryptokey routing by allowed addresses */
} FzRole;

typedef struct {
  FzRole role;
  FzIp own_ipv4; /* FZ_IP_NONE before the interface is known: nothing passes */
  FzIp own_ipv6;
  FzPolicy *routes;     /* owned */
  FzPeer *const *peers; /* copied by fz_snapshot_new; the peers are borrowed */
  size_t n_peers;
} FzSnapshotParts;

typedef struct FzSnapshot FzSnapshot;

FzSnapshot *fz_snapshot_new (const FzSnapshotParts *parts); /* takes parts->routes */
void fz_snapshot_free (FzSnapshot *self);                   /* not the peers */

FzRole fz_snapshot_get_role (const FzSnapshot *self);
const FzPolicy *fz_snapshot_get_routes (const FzSnapshot *self);
bool fz_snapshot_is_own_ip (const FzSnapshot *self, const FzIp *ip);

/* Peer of the upper 24 bits of a receiver index; NULL if unknown. O(1). */
FzPeer *fz_snapshot_find_peer (const FzSnapshot *self, uint32_t connection_id);

/* What engine and lanes share. */
typedef struct {
  _Atomic (FzSnapshot *) current; /* engine: release; lanes: acquire, once per turn */
  /* Grows whenever a packet that went to the engine may now take the fast path. A lane that sees
   * a new value first waits until the engine has consumed what the lane had handed over, so that
   * nothing overtakes. */
  _Atomic uint64_t generation;
  FzReclaim *reclaim;
} FzPublished;

void fz_published_init (FzPublished *self);  /* an empty snapshot, its own FzReclaim */
void fz_published_clear (FzPublished *self); /* lanes have stopped */

/* Replaces the snapshot, retires the old one. @is_faster: bump the generation. */
void fz_published_set (FzPublished *self, FzSnapshot *snapshot, bool is_faster);
