/* fz-flow-cache.h
 *
 * Verdicts by flow, for one half of a lane: what passed once passes again
 * without asking the tables. Only "pass" is kept; refusals are asked anew each
 * time, so nothing has to notice that they were lifted. An entry holds while
 *
 *  - the snapshot is the same: routes, own addresses, what is true of all flows;
 *  - nobody has come or gone under its address (fz_peer_table_watch): where it
 *    goes to, or, of a received one, where it says that it comes from;
 *  - the peer's policies are the ones that it was made with.
 *
 * So a peer that comes or goes, or whose rights change, is noticed at once, also
 * within a turn, and costs only its own flows another look at the tables.
 *
 * Four-way set-associative, fixed size, allocated at the start. One thread.
 */
#pragma once

#include "src/dataplane/fz-verdict.h"

#define FZ_FLOW_CACHE_SETS 512u /* of 4 entries */

typedef struct FzFlowCache FzFlowCache;

FzFlowCache *fz_flow_cache_new (uint64_t seed);
size_t fz_flow_cache_get_bytes (void); /* of each */
void fz_flow_cache_free (FzFlowCache *self);

/* At the top of a turn: forgets everything if the snapshot is another one. */
void fz_flow_cache_begin (FzFlowCache *self, uint64_t snapshot_serial);

/* What the cache knows a flow by; its owner may use it as well. */
uint64_t fz_flow_cache_hash (const FzFlowCache *self, const FzFlow *flow);

/* The verdict of fz_verdict_transmit / fz_verdict_receive, from the cache where it is known.
 * @hash: fz_flow_cache_hash of the flow. @out_is_hit: whether it was known. @peer is whose session
 * brought the packet. */
FzVerdict fz_flow_cache_transmit (FzFlowCache *self,
                                  const FzSnapshot *snapshot,
                                  const FzFlow *flow,
                                  uint64_t hash,
                                  bool *out_is_hit);
FzVerdict fz_flow_cache_receive (FzFlowCache *self,
                                 const FzSnapshot *snapshot,
                                 const FzPeer *peer,
                                 const FzFlow *flow,
                                 bool *out_is_hit);

/* How many valid entries have given way to others. */
uint64_t fz_flow_cache_get_evictions (const FzFlowCache *self);
