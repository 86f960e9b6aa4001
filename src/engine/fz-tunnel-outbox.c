/* fz-tunnel-outbox.c: see the header */
#include "src/engine/fz-tunnel-outbox.h"

static void
remove_first (FzTunnelOutbox *self)
{
  self->first = (self->first + 1) % FZ_TUNNEL_OUTBOX_DATAGRAMS;
  self->n_items--;
}

FzTunnelOutboxItem *
fz_tunnel_outbox_add (FzTunnelOutbox *self, FzTunnelTransmitKind kind, size_t length)
{
  FzTunnelOutboxItem *item;

  g_assert (length <= sizeof item->data);
  if (self->items == NULL)
    self->items = g_new (FzTunnelOutboxItem, FZ_TUNNEL_OUTBOX_DATAGRAMS);
  if (self->n_items == FZ_TUNNEL_OUTBOX_DATAGRAMS)
    remove_first (self);
  item = &self->items[(self->first + self->n_items++) % FZ_TUNNEL_OUTBOX_DATAGRAMS];
  *item = (FzTunnelOutboxItem){ .kind = kind, .length = length };
  return item;
}

void
fz_tunnel_outbox_clear (FzTunnelOutbox *self)
{
  self->n_items = 0;
  g_clear_pointer (&self->items, g_free);
}

bool
fz_tunnel_outbox_poll (FzTunnelOutbox *self, FzTunnelTransmit *out)
{
  const FzTunnelOutboxItem *item;

  if (self->n_items == 0) {
    fz_tunnel_outbox_clear (self); /* ten thousand tunnels have little to say at once */
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
