/* fz-process-metrics.h
 *
 * What the kernel says of this process, by the names that Prometheus' own
 * libraries use: CPU seconds, memory, open files, start.
 */
#pragma once

#include "src/runtime/fz-metrics.h"

/* What cannot be read is left out. */
void fz_process_metrics_add (FzMetrics *metrics);
