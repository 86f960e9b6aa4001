/* fz-engine-metrics.h
 *
 * Families and names for what the engine counts, and its thread's own sending and writing.
 * What a counter means is said where it is declared, and in the family's help.
 */
#pragma once

#include "src/engine/fz-engine.h"
#include "src/runtime/fz-metrics.h"
#include "src/runtime/fz-outbox.h"
#include "src/runtime/fz-tun-queue.h"

void fz_engine_metrics_add (FzMetrics *metrics, const FzEngineCounters *counters);

/* As those of the lane "engine". */
void
fz_engine_metrics_add_io (FzMetrics *metrics, const FzOutbox *outbox, const FzTunWriter *writer);
