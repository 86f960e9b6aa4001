/* fz-peer-table.h
 *
 * Peers by connection id and by tunnel address, for any number of them: unlike
 * a snapshot it is changed in place, so one peer more costs the same with ten
 * and with ten thousand. The engine owns and changes it, lanes look things up
 * through the current FzSnapshot, without a lock.
 *
 * What a lane finds stays valid for its turn: a peer is removed before it is
 * retired, and what the table itself replaces goes to FzReclaim.
 *
 * What a lane remembers of an address is good for as long as the address's
 * watch shows the same count. Addresses share a fixed number of watches by
 * their hash, so a peer that comes or goes costs the flows of others nothing,
 * but for one in a few thousand that are looked up again without need.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/dataplane/fz-peer.h"
#include "src/dataplane/fz-reclaim.h"

#include <stdatomic.h>

typedef struct FzPeerTable FzPeerTable;

/* @reclaim: borrowed; NULL: nobody looks while it changes. Aborts without memory. */
FzPeerTable *fz_peer_table_new (FzReclaim *reclaim);
void fz_peer_table_free (FzPeerTable *self); /* no lane uses it; not the peers */

/* -- engine thread -- */
void fz_peer_table_add (FzPeerTable *self, FzPeer *peer);
void fz_peer_table_remove (FzPeerTable *self, FzPeer *peer); /* with its addresses */

/* In place of the addresses that @peer had; of two peers with one address the one with the higher
 * id has it. False if it has had just these. */
bool fz_peer_table_set_hosts (FzPeerTable *self, FzPeer *peer, const FzIp *ips, size_t n_ips);

/* -- any thread between two quiescent points -- */
FzPeer *fz_peer_table_find (const FzPeerTable *self, uint32_t connection_id); /* NULL: none */
FzPeer *fz_peer_table_find_host (const FzPeerTable *self, const FzIp *ip);    /* NULL: none */

/**
 * fz_peer_table_watch:
 *
 * Counts up (release) after each change of who has @ip. Read it (acquire) before the table is
 * asked: while it stays the same the answer does, and the peer that was found is still there.
 *
 * Returns: valid as long as the table
 */
const _Atomic uint64_t *fz_peer_table_watch (const FzPeerTable *self, const FzIp *ip);

/* Of the table itself: without the peers, and without what is being reclaimed. Engine. */
size_t fz_peer_table_get_bytes (const FzPeerTable *self);
