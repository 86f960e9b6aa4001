/* fz-metrics.c: see the header */

#include "src/runtime/fz-metrics.h"

typedef struct {
  char name[FZ_METRIC_NAME_MAX];
  uint64_t value;
} Metric;

struct FzMetrics {
  GArray *metrics;   /* Metric, in the order of their first mention */
  const char *scope; /* NULL: none */
};

FzMetrics *
fz_metrics_new (void)
{
  FzMetrics *self = g_new0 (FzMetrics, 1);

  self->metrics = g_array_new (FALSE, FALSE, sizeof (Metric));
  return self;
}

void
fz_metrics_free (FzMetrics *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->metrics);
  g_free (self);
}

static Metric *
metric_at (const FzMetrics *self, guint i)
{
  return &g_array_index (self->metrics, Metric, i);
}

void
fz_metrics_add (FzMetrics *self, const char *prefix, const char *name, uint64_t value)
{
  Metric metric = { .value = value };

  if (value == 0)
    return;
  g_snprintf (metric.name,
              sizeof metric.name,
              "%s%s%s%s%s",
              self->scope != NULL ? self->scope : "",
              self->scope != NULL ? "_" : "",
              prefix != NULL ? prefix : "",
              prefix != NULL ? "_" : "",
              name);
  g_strdelimit (metric.name, "-", '_');
  for (guint i = 0; i < self->metrics->len; i++)
    if (g_str_equal (metric_at (self, i)->name, metric.name)) {
      metric_at (self, i)->value += value;
      return;
    }
  g_array_append_val (self->metrics, metric);
}

void
fz_metrics_set_scope (FzMetrics *self, const char *scope)
{
  self->scope = scope;
}

void
fz_metrics_add_counter (FzMetrics *self,
                        const char *prefix,
                        const char *name,
                        const _Atomic uint64_t *counter)
{
  fz_metrics_add (self, prefix, name, atomic_load_explicit (counter, memory_order_relaxed));
}

const char *
fz_metrics_get (const FzMetrics *self, unsigned i, uint64_t *out_value)
{
  if (i >= self->metrics->len)
    return NULL;
  *out_value = metric_at (self, i)->value;
  return metric_at (self, i)->name;
}

char *
fz_metrics_to_text (const FzMetrics *self)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < self->metrics->len; i++)
    g_string_append_printf (
        text, "%s %" G_GUINT64_FORMAT "\n", metric_at (self, i)->name, metric_at (self, i)->value);
  return g_string_free (text, FALSE);
}

char *
fz_metrics_to_json (const FzMetrics *self)
{
  GString *text = g_string_new ("{");

  for (guint i = 0; i < self->metrics->len; i++)
    g_string_append_printf (text,
                            "%s\"%s\":%" G_GUINT64_FORMAT,
                            i > 0 ? "," : "",
                            metric_at (self, i)->name,
                            metric_at (self, i)->value);
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

void
fz_metrics_log (const FzMetrics *self, const FzLog *log, const char *event, const char *message)
{
  g_autofree FzKv *fields = NULL;

  if (!fz_log_wants (log, FZ_LOG_INFO))
    return;
  fields = g_new0 (FzKv, self->metrics->len + 1);
  for (guint i = 0; i < self->metrics->len; i++)
    fields[i] = FZ_KV_U64 (metric_at (self, i)->name, metric_at (self, i)->value);
  fz_log_write (log, FZ_LOG_INFO, event, message, fields, self->metrics->len);
}
