#include "src/helper/fz-totals.h"

#include <string.h>

typedef struct {
  FzUuid id;
  uint64_t tx_bytes, rx_bytes, tx_packets, rx_packets;
} Last;

static guint
hash_uuid (gconstpointer key)
{
  guint hash;

  memcpy (&hash, key, sizeof hash);
  return hash;
}

static gboolean
equal_uuid (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (FzUuid)) == 0;
}

void
fz_totals_init (FzTotals *self)
{
  *self = (FzTotals){ .last = g_hash_table_new_full (hash_uuid, equal_uuid, NULL, g_free) };
}

void
fz_totals_clear (FzTotals *self)
{
  g_clear_pointer (&self->last, g_hash_table_unref);
}

void
fz_totals_reset (FzTotals *self)
{
  g_hash_table_remove_all (self->last);
  self->sum = (FzIpcSample){ 0 };
}

/* A count that fell began anew. */
static void
add (uint64_t *sum, uint64_t *last, uint64_t now)
{
  *sum += now >= *last ? now - *last : now;
  *last = now;
}

void
fz_totals_update (FzTotals *self, const FzGatewayView *views, size_t n_views)
{
  uint32_t rtt_us = 0;

  for (size_t i = 0; i < n_views; i++) {
    const FzGatewayView *view = &views[i];
    Last *last = g_hash_table_lookup (self->last, &view->id);

    if (last == NULL) {
      last = g_new0 (Last, 1);
      last->id = view->id;
      g_hash_table_insert (self->last, &last->id, last);
    }
    add (&self->sum.tx_bytes, &last->tx_bytes, view->tx_bytes);
    add (&self->sum.rx_bytes, &last->rx_bytes, view->rx_bytes);
    add (&self->sum.tx_packets, &last->tx_packets, view->tx_packets);
    add (&self->sum.rx_packets, &last->rx_packets, view->rx_packets);
    if (view->rtt_us != 0 && (rtt_us == 0 || view->rtt_us < rtt_us))
      rtt_us = view->rtt_us;
  }
  self->sum.rtt_us = rtt_us;
}
