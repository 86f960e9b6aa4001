/* fz-lanes.h
 *
 * All lanes of a host as one: made, started and stopped together, on one queue and
 * one pair of sockets each. What comes of any of them reads as if it came of all.
 *
 * Engine thread.
 */
#pragma once

#include "src/runtime/fz-lane-thread.h"
#include "src/runtime/fz-metrics.h"

typedef struct FzLanes FzLanes;

/* @config: of every lane, but for its index; its steering says how many there are. NULL with errno
 * set. */
FzLanes *fz_lanes_new (const FzLaneThreadConfig *config);
void fz_lanes_free (FzLanes *self); /* stopped */

/* @queues, @pairs: one for each lane. False with errno set, and none runs. */
bool fz_lanes_start (FzLanes *self,
                     const FzTunQueue *queues,
                     const FzUdpPair *pairs,
                     const FzLaneLimits *limits);

/* @out_lane: which one hangs, if false: it still runs, free nothing. See fz_lane_thread_stop. */
bool fz_lanes_stop (FzLanes *self, unsigned *out_lane);

/* The same, to be started again soon, see fz_lane_thread_pause. */
bool fz_lanes_pause (FzLanes *self, unsigned *out_lane);

/* Of stopped lanes, before their sockets are closed. See fz_lane_thread_empty_sockets. */
void fz_lanes_empty_sockets (FzLanes *self);

/* The rings of all; NULL behind the last. */
FzRing *fz_lanes_get_ring (FzLanes *self, unsigned i);

void fz_lanes_records_released (FzLanes *self); /* wakes whoever waits for it */
unsigned fz_lanes_take_reports (FzLanes *self); /* FZ_LANE_REPORT_… of any lane */

/* Sums over all lanes; with several, each one's own as well, as "lane0_…". */
void fz_lanes_add_metrics (const FzLanes *self, FzMetrics *metrics);
