/* fz-peer-table.h
 *
 * Peers by connection id and by tunnel address, for any number of them: unlike
 * a snapshot it is changed in place, so one peer more costs the same with ten
 * and with ten thousand. The engine owns and changes it, lanes look things up
 * through the current FzSnapshot, without a lock.
 *
 * What a lane finds stays valid for its turn: a peer is removed before it is
 * retired, and what the table itself replaces goes to FzReclaim. The table says
 * who is there now; that something a lane remembers is out of date it learns
 * from the next snapshot's serial, so a change is followed by a publication.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/dataplane/fz-peer.h"
#include "src/dataplane/fz-reclaim.h"

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
