/* fz-host-metrics.h
 *
 * Families, labels and flat names for the counters of engine, lanes, sockets, TUN
 * and ladder. Internal to the host; what a counter means is said where it is
 * declared, and in the family's help.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/engine/fz-engine.h"
#include "src/runtime/fz-ladder.h"
#include "src/runtime/fz-lane-thread.h"
#include "src/runtime/fz-metrics.h"
#include "src/runtime/fz-outbox.h"

/* Before the next ones: they are for the lane with that name, and see fz_metrics_set_lane. */
void fz_host_metrics_add_lane (FzMetrics *metrics, const FzLaneThread *lane);

/* What all lanes have alike. */
void fz_host_metrics_add_lanes (FzMetrics *metrics, unsigned n_lanes);

/* The engine thread's own sending and writing, as the lane "engine". */
void fz_host_metrics_add_engine_io (FzMetrics *metrics,
                                    const FzOutbox *outbox,
                                    const FzTunWriter *writer);
void fz_host_metrics_add_engine (FzMetrics *metrics, const FzEngineCounters *counters);

/* @statistics: what the kernel says of the device; NULL: it is not there. */
void fz_host_metrics_add_device (FzMetrics *metrics,
                                 const FzTunStatistics *statistics,
                                 uint64_t n_reopened);

/* What is granted and what was given up; version and cipher. */
void fz_host_metrics_add_ladder (FzMetrics *metrics, const FzLadder *ladder);
