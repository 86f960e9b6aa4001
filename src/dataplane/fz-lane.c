/* fz-lane.c: what both halves share, see fz-lane-private.h */

#include "src/dataplane/fz-lane-private.h"

#include <string.h>

FzLaneMessage *
fz_lane_message_reserve (FzRing *ring,
                         FzLaneCounters *counters,
                         FzLaneMessageKind kind,
                         uint32_t length)
{
  FzLaneMessage *message = fz_ring_reserve (ring, sizeof *message + length);

  if (message == NULL) {
    fz_count_drop (counters, FZ_DROP_QUEUE_FULL, 1);
    return NULL;
  }
  memset (message, 0, sizeof *message);
  message->kind = (uint8_t) kind;
  message->length = length;
  fz_count (&counters->to_engine, 1);
  return message;
}

void
fz_count_sojourn (FzLaneCounters *counters, uint64_t sojourn_ns)
{
  static const uint64_t limits[FZ_N_SOJOURNS - 1] = { 100 * FZ_US, 500 * FZ_US, 1 * FZ_MS,
                                                      2 * FZ_MS,   5 * FZ_MS,   10 * FZ_MS,
                                                      50 * FZ_MS };
  unsigned bucket = 0;

  while (bucket < FZ_N_SOJOURNS - 1 && sojourn_ns > limits[bucket])
    bucket++;
  fz_count (&counters->sojourns[bucket], 1);
  fz_count (&counters->sojourn_ns, sojourn_ns);
}

void
fz_lane_tell_activity (FzPeer *peer, FzRing *ring, FzLaneCounters *counters)
{
  FzLaneMessage *message;

  atomic_thread_fence (memory_order_seq_cst); /* see FzPeer.is_watched */
  if (atomic_load_explicit (&peer->is_watched, memory_order_relaxed) ||
      atomic_exchange_explicit (&peer->is_watched, true, memory_order_relaxed))
    return;
  message = fz_lane_message_reserve (ring, counters, FZ_LANE_MESSAGE_ACTIVITY, 0);
  if (message == NULL) { /* nobody was told: the next turn tries again */
    atomic_store_explicit (&peer->is_watched, false, memory_order_relaxed);
    return;
  }
  message->connection_id = peer->connection_id;
  fz_ring_commit (ring);
}
