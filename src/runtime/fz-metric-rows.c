/* fz-metric-rows.c: see the header */

#include "src/runtime/fz-metric-rows.h"

void
fz_metrics_add_rows (FzMetrics *metrics,
                     const FzMetricRow *rows,
                     size_t n_rows,
                     const void *counters,
                     const FzMetricLabel *labels,
                     const char *prefix)
{
  for (size_t i = 0; i < n_rows; i++) {
    const _Atomic uint64_t *counter = (const void *) ((const uint8_t *) counters + rows[i].offset);

    fz_metrics_add (
        metrics, &rows[i].family, labels, prefix, rows[i].flat_name, fz_metric_load (counter));
  }
}

void
fz_metrics_add_errors (FzMetrics *metrics,
                       const FzMetricFamily *family,
                       const FzErrnoCounters *errors,
                       FzMetricLabel label,
                       const char *prefix)
{
  for (unsigned i = 0; i < FZ_ERRNO_COUNTERS_N; i++) {
    FzMetricLabel error = { "errno", fz_errno_counters_name (i) };

    fz_metrics_add (metrics,
                    family,
                    FZ_METRIC_LABELS (error, label),
                    prefix,
                    "errors",
                    fz_metric_load (&errors->n[i]));
  }
}

void
fz_metrics_add_drop (FzMetrics *metrics,
                     const FzMetricFamily *family,
                     FzMetricLabel label,
                     FzDrop drop,
                     const char *prefix,
                     uint64_t n)
{
  FzMetricLabel reason = { "reason", fz_drop_name (drop) };
  const FzMetricLabel *labels =
      label.name != NULL ? FZ_METRIC_LABELS (label, reason) : FZ_METRIC_LABELS (reason);
  char flat[FZ_METRIC_NAME_MAX];

  g_snprintf (flat, sizeof flat, "drop_%s", reason.value);
  fz_metrics_add (metrics, family, labels, prefix, flat, n);
}

void
fz_metrics_add_table (FzMetrics *metrics, const char *table, uint64_t bytes)
{
  static const FzMetricFamily family =
      FZ_GAUGE_FAMILY ("table_bytes", "Memory of the tables that packets are looked up in.");

  fz_metrics_add (metrics, &family, FZ_METRIC_LABELS ({ "table", table }), NULL, NULL, bytes);
}
