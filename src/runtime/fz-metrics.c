/* fz-metrics.c: see the header */

#include "src/runtime/fz-metrics.h"

#include <stdio.h>

/* Of the fields of one log record, so that the log's sink has room for all of it. */
#define RECORD_BYTES_MAX 7000u

typedef struct {
  char name[FZ_METRIC_NAME_MAX];
  uint64_t value;
  bool is_detail; /* of one lane, or of one bucket: not for the log */
} Flat;

typedef struct {
  char *labels; /* as written: a="b",c="d"; "" for none */
  uint64_t value;
  uint64_t *buckets; /* histograms, else NULL */
} Sample;

typedef struct {
  const FzMetricFamily *info;
  GArray *samples; /* Sample, in the order in which they came */
} Family;

struct FzMetrics {
  GPtrArray *families;   /* Family, in the order of their first mention */
  GHashTable *by_family; /* name → Family */
  GPtrArray *flats;      /* Flat, likewise */
  GHashTable *by_flat;   /* name → Flat */
  char *lane;            /* NULL: none */
  bool lane_is_scope;
};

static void
clear_sample (gpointer data)
{
  Sample *sample = data;

  g_free (sample->labels);
  g_free (sample->buckets);
}

static void
free_family (gpointer data)
{
  Family *family = data;

  g_array_unref (family->samples);
  g_free (family);
}

FzMetrics *
fz_metrics_new (void)
{
  FzMetrics *self = g_new0 (FzMetrics, 1);

  self->families = g_ptr_array_new_with_free_func (free_family);
  self->by_family = g_hash_table_new (g_str_hash, g_str_equal);
  self->flats = g_ptr_array_new_with_free_func (g_free);
  self->by_flat = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

void
fz_metrics_free (FzMetrics *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_family);
  g_hash_table_unref (self->by_flat);
  g_ptr_array_unref (self->families);
  g_ptr_array_unref (self->flats);
  g_free (self->lane);
  g_free (self);
}

void
fz_metrics_set_lane (FzMetrics *self, const char *lane, bool is_scope)
{
  g_free (self->lane);
  self->lane = g_strdup (lane);
  self->lane_is_scope = lane != NULL && is_scope;
}

/* -- flat names -- */

static void
merge_flat (FzMetrics *self, FzMetricKind kind, const char *name, bool is_detail, uint64_t value)
{
  Flat *flat = g_hash_table_lookup (self->by_flat, name);

  if (flat == NULL) {
    flat = g_new0 (Flat, 1);
    g_strlcpy (flat->name, name, sizeof flat->name);
    flat->is_detail = is_detail;
    g_ptr_array_add (self->flats, flat);
    g_hash_table_insert (self->by_flat, flat->name, flat);
  }
  flat->value = kind == FZ_METRIC_MAXIMUM ? MAX (flat->value, value) : flat->value + value;
}

static void
add_flat (FzMetrics *self, FzMetricKind kind, const char *prefix, const char *name, uint64_t value)
{
  char flat[FZ_METRIC_NAME_MAX], scoped[FZ_METRIC_NAME_MAX];

  if (value == 0 || name == NULL)
    return;
  g_snprintf (
      flat, sizeof flat, "%s%s%s", prefix != NULL ? prefix : "", prefix != NULL ? "_" : "", name);
  g_strdelimit (flat, "-", '_');
  merge_flat (self, kind, flat, kind == FZ_METRIC_HISTOGRAM, value);
  if (self->lane_is_scope) {
    g_snprintf (scoped, sizeof scoped, "lane%s_%s", self->lane, flat);
    merge_flat (self, kind, scoped, true, value);
  }
}

/* -- samples -- */

static Family *
find_family (FzMetrics *self, const FzMetricFamily *info)
{
  Family *family = g_hash_table_lookup (self->by_family, info->name);

  if (family != NULL) {
    g_assert (family->info->kind == info->kind && family->info->bounds == info->bounds);
    return family;
  }
  family = g_new0 (Family, 1);
  family->info = info;
  family->samples = g_array_new (FALSE, FALSE, sizeof (Sample));
  g_array_set_clear_func (family->samples, clear_sample);
  g_ptr_array_add (self->families, family);
  g_hash_table_insert (self->by_family, (gpointer) info->name, family);
  return family;
}

static void
append_escaped (GString *text, const char *value, bool is_label)
{
  for (const char *at = value; *at != '\0'; at++) {
    if (*at == '\n')
      g_string_append (text, "\\n");
    else if (*at == '\\' || (is_label && *at == '"'))
      g_string_append_printf (text, "\\%c", *at);
    else
      g_string_append_c (text, *at);
  }
}

static void
append_label (GString *text, const char *name, const char *value)
{
  g_string_append_printf (text, "%s%s=\"", text->len > 0 ? "," : "", name);
  append_escaped (text, value, true);
  g_string_append_c (text, '"');
}

static char *
format_labels (const FzMetrics *self, const FzMetricLabel *labels)
{
  GString *text = g_string_new (NULL);

  if (self->lane != NULL)
    append_label (text, "lane", self->lane);
  for (const FzMetricLabel *label = labels; label != NULL && label->name != NULL; label++)
    append_label (text, label->name, label->value);
  return g_string_free (text, FALSE);
}

void
fz_metrics_add (FzMetrics *self,
                const FzMetricFamily *family,
                const FzMetricLabel *labels,
                const char *prefix,
                const char *name,
                uint64_t value)
{
  Sample sample = { .labels = format_labels (self, labels), .value = value };

  g_assert (family->kind != FZ_METRIC_HISTOGRAM);
  g_array_append_val (find_family (self, family)->samples, sample);
  add_flat (self, family->kind, prefix, name, value);
}

void
fz_metrics_add_histogram (FzMetrics *self,
                          const FzMetricFamily *family,
                          const FzMetricLabel *labels,
                          const char *prefix,
                          const _Atomic uint64_t *buckets,
                          uint64_t sum)
{
  unsigned n = family->bounds->n;
  Sample sample = { .labels = format_labels (self, labels),
                    .value = sum,
                    .buckets = g_new (uint64_t, n) };

  g_assert (family->kind == FZ_METRIC_HISTOGRAM && n <= FZ_METRIC_BUCKETS_MAX);
  for (unsigned i = 0; i < n; i++) {
    sample.buckets[i] = atomic_load_explicit (&buckets[i], memory_order_relaxed);
    add_flat (self, family->kind, prefix, family->bounds->flat_names[i], sample.buckets[i]);
  }
  g_array_append_val (find_family (self, family)->samples, sample);
}

/* -- the exposition format -- */

static const char *
type_name (FzMetricKind kind)
{
  switch (kind) {
  case FZ_METRIC_COUNTER:
    return "counter";
  case FZ_METRIC_GAUGE:
  case FZ_METRIC_MAXIMUM:
  case FZ_METRIC_INFO:
    return "gauge";
  case FZ_METRIC_HISTOGRAM:
    return "histogram";
  }
  g_assert_not_reached ();
}

static void
append_value (GString *text, const FzMetricFamily *family, uint64_t value)
{
  const uint64_t second = G_GUINT64_CONSTANT (1000000000);

  if (family->is_time)
    g_string_append_printf (
        text, "%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT "\n", value / second, value % second);
  else
    g_string_append_printf (text, "%" G_GUINT64_FORMAT "\n", value);
}

/* "name_suffix{labels} ", the braces only where something is in them. */
static void
append_sample_name (GString *text, const char *name, const char *suffix, const char *labels)
{
  g_string_append_printf (text, "%s%s", name, suffix);
  if (*labels != '\0')
    g_string_append_printf (text, "{%s}", labels);
  g_string_append_c (text, ' ');
}

static void
append_histogram (GString *text, const FzMetricFamily *family, const Sample *sample)
{
  const char *comma = *sample->labels != '\0' ? "," : "";
  uint64_t count = 0;

  for (unsigned i = 0; i < family->bounds->n; i++) {
    bool is_last = i + 1 == family->bounds->n;

    count += sample->buckets[i];
    g_string_append_printf (text,
                            "%s_bucket{%s%sle=\"%s\"} %" G_GUINT64_FORMAT "\n",
                            family->name,
                            sample->labels,
                            comma,
                            is_last ? "+Inf" : family->bounds->bounds[i],
                            count);
  }
  append_sample_name (text, family->name, "_sum", sample->labels);
  append_value (text, family, sample->value);
  append_sample_name (text, family->name, "_count", sample->labels);
  g_string_append_printf (text, "%" G_GUINT64_FORMAT "\n", count);
}

static void
append_family (GString *text, const Family *family)
{
  const FzMetricFamily *info = family->info;

  g_string_append_printf (text, "# HELP %s ", info->name);
  append_escaped (text, info->help, false);
  g_string_append_printf (text, "\n# TYPE %s %s\n", info->name, type_name (info->kind));
  for (guint i = 0; i < family->samples->len; i++) {
    const Sample *sample = &g_array_index (family->samples, Sample, i);

    if (sample->buckets != NULL) {
      append_histogram (text, info, sample);
      continue;
    }
    append_sample_name (text, info->name, "", sample->labels);
    append_value (text, info, sample->value);
  }
}

char *
fz_metrics_to_prometheus (const FzMetrics *self)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < self->families->len; i++)
    append_family (text, self->families->pdata[i]);
  return g_string_free (text, FALSE);
}

/* -- flat output -- */

const char *
fz_metrics_get (const FzMetrics *self, unsigned i, uint64_t *out_value)
{
  const Flat *flat = i < self->flats->len ? self->flats->pdata[i] : NULL;

  if (flat == NULL)
    return NULL;
  *out_value = flat->value;
  return flat->name;
}

char *
fz_metrics_to_text (const FzMetrics *self)
{
  GString *text = g_string_new (NULL);
  const char *name;
  uint64_t value;

  for (unsigned i = 0; (name = fz_metrics_get (self, i, &value)) != NULL; i++)
    g_string_append_printf (text, "%s %" G_GUINT64_FORMAT "\n", name, value);
  return g_string_free (text, FALSE);
}

char *
fz_metrics_to_json (const FzMetrics *self)
{
  GString *text = g_string_new ("{");
  const char *name;
  uint64_t value;

  for (unsigned i = 0; (name = fz_metrics_get (self, i, &value)) != NULL; i++)
    g_string_append_printf (text, "%s\"%s\":%" G_GUINT64_FORMAT, i > 0 ? "," : "", name, value);
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

/* -- the log -- */

/* In a line of JSON. */
static size_t
field_bytes (const Flat *flat)
{
  return (size_t) snprintf (NULL, 0, ",\"%s\":%" G_GUINT64_FORMAT, flat->name, flat->value);
}

/* As many of the fields from @at on as one record has room for, as @out; returns the next one. */
static unsigned
fill_record (const FzMetrics *self, unsigned at, FzKv *out, unsigned *out_n)
{
  size_t left = RECORD_BYTES_MAX;
  unsigned n = 0;

  for (; at < self->flats->len; at++) {
    const Flat *flat = self->flats->pdata[at];
    size_t length = field_bytes (flat);

    if (flat->is_detail)
      continue;
    if (length > left)
      break;
    left -= length;
    out[n++] = FZ_KV_U64 (flat->name, flat->value);
  }
  *out_n = n;
  return at;
}

void
fz_metrics_log (const FzMetrics *self, const FzLog *log, const char *event, const char *message)
{
  g_autofree FzKv *fields = NULL;
  unsigned at = 0, n;

  if (!fz_log_wants (log, FZ_LOG_INFO))
    return;
  fields = g_new0 (FzKv, self->flats->len + 1);
  do {
    at = fill_record (self, at, fields, &n);
    if (n > 0)
      fz_log_write (log, FZ_LOG_INFO, event, message, fields, n);
  } while (at < self->flats->len);
}
