/* fz-host-metrics.h
 *
 * Names for the counters of engine, lanes, sockets and TUN. Internal to the
 * host; what a name means is said where the counter is declared.
 */
#pragma once

#include "src/engine/fz-engine.h"
#include "src/runtime/fz-lane-thread.h"
#include "src/runtime/fz-metrics.h"

void fz_host_metrics_add_engine (FzMetrics *metrics, const FzEngineCounters *counters);
void fz_host_metrics_add_lane (FzMetrics *metrics, const FzLaneThread *lane);
void
fz_host_metrics_add_send (FzMetrics *metrics, const char *prefix, const FzSendCounters *counters);
void
fz_host_metrics_add_writer (FzMetrics *metrics, const char *prefix, const FzTunCounters *counters);
