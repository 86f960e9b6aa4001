/* fz-metrics.h
 *
 * What a program counts, on its way out. Every sample belongs to a family, has
 * labels, and may have a flat name as well:
 *
 *   families   the Prometheus text format 0.0.4, for GET /metrics: all of it, zeros
 *              included, so that rates can be computed from the first scrape on
 *   flat names one JSON object, the log, the D-Bus method Metrics: "tx_packets", added
 *              up over lanes and families; zeros are left out
 *
 * Names follow Prometheus' rules: base units, the unit as suffix, _total for counters.
 * Labels have few values that are known beforehand, and never name a person, a
 * resource, a peer or an address.
 */
#pragma once

#include "src/base/fz-log.h"

#include <glib.h>
#include <stdatomic.h>

#define FZ_METRIC_NAME_MAX    72u /* of a flat name, with the terminating zero */
#define FZ_METRIC_BUCKETS_MAX 12u
#define FZ_METRICS_MIME_TYPE  "text/plain; version=0.0.4; charset=utf-8"

typedef enum {
  FZ_METRIC_COUNTER,
  FZ_METRIC_GAUGE,
  FZ_METRIC_MAXIMUM, /* a gauge; flat names take the highest instead of the sum */
  FZ_METRIC_INFO,    /* a gauge that is 1: its labels are what it says */
  FZ_METRIC_HISTOGRAM,
} FzMetricKind;

/* Upper bounds of all buckets but the last, as they stand in the label "le", ascending. */
typedef struct {
  unsigned n;                                    /* buckets, the last one included */
  const char *bounds[FZ_METRIC_BUCKETS_MAX];     /* n - 1 */
  const char *flat_names[FZ_METRIC_BUCKETS_MAX]; /* n */
} FzMetricBounds;

/* Static: is borrowed by every FzMetrics that it is added to. */
typedef struct {
  const char *name; /* "firezone_tun_reads_total" */
  const char *help; /* a sentence */
  FzMetricKind kind;
  bool is_time;                 /* values come in nanoseconds and are shown in seconds */
  const FzMetricBounds *bounds; /* histograms */
} FzMetricFamily;

typedef struct {
  const char *name;
  const char *value; /* any UTF-8 */
} FzMetricLabel;

#define FZ_METRIC_LABELS(...)                                                                      \
  ((const FzMetricLabel[]){ __VA_ARGS__, { NULL, NULL } }) /* { "direction", "transmit" }, … */

typedef struct FzMetrics FzMetrics;

FzMetrics *fz_metrics_new (void);
void fz_metrics_free (FzMetrics *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMetrics, fz_metrics_free)

/**
 * fz_metrics_set_lane:
 * @lane: the first label of what is added from now on; NULL: none
 * @is_scope: whether flat names are told for this lane, too: "lane0_tx_packets" for the lane "0"
 */
void fz_metrics_set_lane (FzMetrics *self, const char *lane, bool is_scope);

/**
 * fz_metrics_add:
 * @family: the same name always with the same everything
 * @labels: FZ_METRIC_LABELS, or NULL; with the lane they name a sample of @family that is new
 * @prefix: of the flat name, may be NULL
 * @name: flat name, hyphens become underscores; NULL: none. Known already: adds up
 */
void fz_metrics_add (FzMetrics *self,
                     const FzMetricFamily *family,
                     const FzMetricLabel *labels,
                     const char *prefix,
                     const char *name,
                     uint64_t value);

/* @buckets: family->bounds->n counters, each of what fell between two bounds. @sum: of all that was
 * observed, in the family's unit (times: nanoseconds). */
void fz_metrics_add_histogram (FzMetrics *self,
                               const FzMetricFamily *family,
                               const FzMetricLabel *labels,
                               const char *prefix,
                               const _Atomic uint64_t *buckets,
                               uint64_t sum);

/* The @i-th flat name with a value, from 0; NULL behind the last. Lives until something is added.
 */
const char *fz_metrics_get (const FzMetrics *self, unsigned i, uint64_t *out_value);

/* The exposition format of Prometheus, 0.0.4; g_free. */
char *fz_metrics_to_prometheus (const FzMetrics *self);

char *fz_metrics_to_text (const FzMetrics *self); /* flat, "name value\n" each; g_free */
char *fz_metrics_to_json (const FzMetrics *self); /* flat, one object without newline; g_free */

/* One record at info: the sums. What is told for single lanes and buckets is left out. Should that
 * still be more than a record of the log can hold, the rest goes into a second one. */
void
fz_metrics_log (const FzMetrics *self, const FzLog *log, const char *event, const char *message);
