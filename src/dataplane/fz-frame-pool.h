/* fz-frame-pool.h
 *
 * Where a lane keeps what it has read from the TUN until it is sealed
 * (dataplane.md §5.1): few places that take a super-packet, and many small ones
 * to which small packets are moved, so that a burst of those does not use up the
 * large ones. What was given back last is handed out first: no more memory
 * becomes resident than the traffic needs. Fixed size, one thread.
 */
#pragma once

#include "src/dataplane/fz-flow-queue.h"
#include "src/dataplane/fz-lane.h"
#include "src/dataplane/fz-segment.h"
#include "src/dataplane/fz-verdict.h"

#define FZ_FRAME_CELL_BYTES 2048u

/* A frame on its way through the transmit half. */
typedef struct {
  FzQueueItem item; /* first: what the flow queue links */
  FzTunFrame tun;
  FzSegmenter segmenter; /* of tun's packet, as translated */
  FzFlow flow;           /* likewise */
  uint64_t hash;         /* of @flow */
  FzVerdict verdict;     /* to be believed only in the turn that asked for it */
  uint64_t verdict_turn; /* of the lane; peers may be gone in any later one */
  uint32_t group;        /* of the flow queue */
  uint32_t n_skipped;    /* segments from the first that are not sent */
  uint16_t place;        /* the pool's: where the packet lies */
} FzStagedFrame;

typedef struct FzFramePool FzFramePool;

FzFramePool *fz_frame_pool_new (void); /* aborts without memory */
void fz_frame_pool_free (FzFramePool *self);

/* A frame with room for FZ_PACKET_MAX bytes; NULL: FZ_TX_SLOTS are in use. */
FzStagedFrame *fz_frame_pool_take (FzFramePool *self);

/* Moves a small packet, if there is room, out of the large place; what points to it follows. */
void fz_frame_pool_shrink (FzFramePool *self, FzStagedFrame *frame);
void fz_frame_pool_give_back (FzFramePool *self, FzStagedFrame *frame);
