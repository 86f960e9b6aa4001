/* fz-metric-rows.h
 *
 * Counters by the table: for each field of a structure its family and its flat name. The
 * labels are those of the whole structure. Flat names are older than the families and
 * stay what they are.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/runtime/fz-errno-counters.h"
#include "src/runtime/fz-metrics.h"

#include <stddef.h>

#define FZ_COUNTER_FAMILY(name, help)                                                              \
  {                                                                                                \
    "firezone_" name "_total", help, FZ_METRIC_COUNTER, false, NULL                                \
  }
#define FZ_GAUGE_FAMILY(name, help)                                                                \
  {                                                                                                \
    "firezone_" name, help, FZ_METRIC_GAUGE, false, NULL                                           \
  }
#define FZ_MAXIMUM_FAMILY(name, help)                                                              \
  {                                                                                                \
    "firezone_" name, help, FZ_METRIC_MAXIMUM, false, NULL                                         \
  }
#define FZ_HISTOGRAM_FAMILY(name, help, bounds)                                                    \
  {                                                                                                \
    "firezone_" name, help, FZ_METRIC_HISTOGRAM, false, bounds                                     \
  }

/* Counts nanoseconds. */
#define FZ_TIMES_FAMILY(name, help, bounds)                                                        \
  {                                                                                                \
    "firezone_" name "_seconds", help, FZ_METRIC_HISTOGRAM, true, bounds                           \
  }

typedef struct {
  FzMetricFamily family;
  const char *flat_name;
  size_t offset; /* of the _Atomic uint64_t */
} FzMetricRow;

static inline uint64_t
fz_metric_load (const _Atomic uint64_t *counter)
{
  return atomic_load_explicit (counter, memory_order_relaxed);
}

void fz_metrics_add_rows (FzMetrics *metrics,
                          const FzMetricRow *rows,
                          size_t n_rows,
                          const void *counters,
                          const FzMetricLabel *labels,
                          const char *prefix);

#define FZ_METRICS_ADD_ROWS(metrics, rows, counters, labels, prefix)                               \
  fz_metrics_add_rows (metrics, rows, G_N_ELEMENTS (rows), counters, labels, prefix)

/* @label: beside the errno; its name may be NULL. */
void fz_metrics_add_errors (FzMetrics *metrics,
                            const FzMetricFamily *family,
                            const FzErrnoCounters *errors,
                            FzMetricLabel label,
                            const char *prefix);

/* @label: beside the reason; its name may be NULL. */
void fz_metrics_add_drop (FzMetrics *metrics,
                          const FzMetricFamily *family,
                          FzMetricLabel label,
                          FzDrop drop,
                          const char *prefix,
                          uint64_t n);

/* One of the tables that packets are looked up in. */
void fz_metrics_add_table (FzMetrics *metrics, const char *table, uint64_t bytes);
