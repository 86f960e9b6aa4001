/* fz-outbox.c
 *
 * See the private header.
 */
#include "src/engine/fz-outbox-private.h"

static void
remove_first (FzOutbox *self)
{
  self->first = (self->first + 1) % FZ_OUTBOX_DATAGRAMS;
  self->n_items--;
}

FzOutboxItem *
fz_outbox_add (FzOutbox *self, FzTunnelTransmitKind kind, size_t length)
{
  FzOutboxItem *item;

  g_assert (length <= sizeof item->data);
  if (self->items == NULL)
    self->items = g_new (FzOutboxItem, FZ_OUTBOX_DATAGRAMS);
  if (self->n_items == FZ_OUTBOX_DATAGRAMS)
    remove_first (self);
  item = &self->items[(self->first + self->n_items++) % FZ_OUTBOX_DATAGRAMS];
  *item = (FzOutboxItem){ .kind = kind, .length = length };
  return item;
}

void
fz_outbox_clear (FzOutbox *self)
{
  self->n_items = 0;
  g_clear_pointer (&self->items, g_free);
}

bool
fz_outbox_poll (FzOutbox *self, FzTunnelTransmit *out)
{
  const FzOutboxItem *item;

  if (self->n_items == 0) {
    fz_outbox_clear (self); /* ten thousand tunnels have little to say at once */
    return false;
  }
  item = &self->items[self->first];
  *out = (FzTunnelTransmit){
    .kind = item->kind,
    .origin = item->origin,
    .data = fz_span (item->data, item->length),
  };
  remove_first (self);
  return true;
}
