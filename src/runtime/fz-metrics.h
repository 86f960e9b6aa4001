/* fz-metrics.h
 *
 * A list of named counters on their way out: as text lines, as a JSON object,
 * or as the fields of one log record. Names are lower case with underscores and
 * carry their unit.
 */
#pragma once

#include "src/base/fz-log.h"

#include <glib.h>
#include <stdatomic.h>

#define FZ_METRIC_NAME_MAX 56u /* with the terminating zero */

typedef struct FzMetrics FzMetrics;

FzMetrics *fz_metrics_new (void);
void fz_metrics_free (FzMetrics *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMetrics, fz_metrics_free)

/* "prefix_name", once each: adding to a name again adds up. Zero is left out. @prefix may be NULL.
 */
void fz_metrics_add (FzMetrics *self, const char *prefix, const char *name, uint64_t value);
void fz_metrics_add_counter (FzMetrics *self,
                             const char *prefix,
                             const char *name,
                             const _Atomic uint64_t *counter);

/* Puts "scope_" before all names from now on; NULL: no more. @scope is borrowed. */
void fz_metrics_set_scope (FzMetrics *self, const char *scope);

/* The @i-th, from 0; NULL behind the last. The name lives as long as @self is not added to. */
const char *fz_metrics_get (const FzMetrics *self, unsigned i, uint64_t *out_value);

char *fz_metrics_to_text (const FzMetrics *self); /* "name value\n" each; g_free */
char *fz_metrics_to_json (const FzMetrics *self); /* one object without newline; g_free */
void
fz_metrics_log (const FzMetrics *self, const FzLog *log, const char *event, const char *message);
