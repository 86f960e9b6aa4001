/* fz-lane-metrics.h
 *
 * Families and names for what a lane counts: both directions, staging, its sockets and
 * queue, the turns of its threads. What a counter means is said where it is declared, and
 * in the family's help.
 */
#pragma once

#include "src/runtime/fz-lane-thread.h"
#include "src/runtime/fz-metrics.h"

/* For the lane that fz_metrics_set_lane has named. */
void fz_lane_metrics_add (FzMetrics *metrics, const FzLaneThread *lane);

/* What all lanes have alike. */
void fz_lane_metrics_add_shared (FzMetrics *metrics, unsigned n_lanes);
