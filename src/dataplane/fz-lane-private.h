/* fz-lane-private.h
 *
 * What both halves of a lane share: counting, messages to the engine, and the
 * peers that a turn has touched. Each half has its own copy of the state.
 */
#pragma once

#include "src/dataplane/fz-flow-cache.h"
#include "src/dataplane/fz-lane.h"

#define FZ_LANE_SEAL_BATCH 16u /* packets per AEAD call: their bytes are still in the L1 cache */

static inline void
fz_count (_Atomic uint64_t *counter, uint64_t n)
{
  /* one writer: no read-modify-write is needed */
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void
fz_count_drop (FzLaneCounters *counters, FzDrop reason, uint64_t n)
{
  fz_count (&counters->drops[reason], n);
}

/* Length of a train or run into the histogram: 1, 2-4, 5-16, 17-32, 33-64. */
static inline void
fz_count_length (FzLaneCounters *counters, unsigned n)
{
  unsigned bucket = n <= 1 ? 0 : n <= 4 ? 1 : n <= 16 ? 2 : n <= 32 ? 3 : 4;

  fz_count (&counters->lengths[bucket], 1);
}

/* What the flow cache said of a packet. */
static inline void
fz_count_cache (FzLaneCounters *counters, const FzFlowCache *cache, bool is_hit)
{
  fz_count (is_hit ? &counters->cache_hits : &counters->cache_misses, 1);
  if (!is_hit)
    atomic_store_explicit (
        &counters->cache_evictions, fz_flow_cache_get_evictions (cache), memory_order_relaxed);
}

/* How long something waited before it was taken up, into the histogram. */
void fz_count_sojourn (FzLaneCounters *counters, uint64_t sojourn_ns);

/* What a turn has done with one peer; written to the peer once, at the end. */
typedef struct {
  FzPeer *peer;
  bool has_data; /* a non-empty plaintext; otherwise a keepalive came */
  uint64_t packets;
  uint64_t bytes;
} FzTouched;

/**
 * fz_lane_message_reserve:
 *
 * Room in @ring for a message with @length bytes behind it, zeroed but for those;
 * fz_ring_commit sends it. NULL (and counted as FZ_DROP_QUEUE_FULL) if it is full.
 */
FzLaneMessage *fz_lane_message_reserve (FzRing *ring,
                                        FzLaneCounters *counters,
                                        FzLaneMessageKind kind,
                                        uint32_t length);

/* After the stamps of a peer with new data are written: wakes the engine if it does not watch. */
void fz_lane_tell_activity (FzPeer *peer, FzRing *ring, FzLaneCounters *counters);
