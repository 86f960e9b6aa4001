/* fz-out-queue.c: see the header */

#include "src/engine/fz-out-queue.h"

#include "src/engine/fz-limits.h"

#include <string.h>

#define BYTES_KEPT 65536u /* more than this is given back once the queue is empty */

void
fz_out_queue_init (FzOutQueue *self)
{
  *self = (FzOutQueue){ .items = g_array_new (FALSE, FALSE, sizeof (FzOutItem)),
                        .bytes = g_byte_array_new () };
}

void
fz_out_queue_clear (FzOutQueue *self)
{
  g_clear_pointer (&self->items, g_array_unref);
  g_clear_pointer (&self->bytes, g_byte_array_unref);
}

void
fz_out_queue_drop_all (FzOutQueue *self)
{
  g_array_set_size (self->items, 0);
  if (self->bytes->len > BYTES_KEPT) {
    g_byte_array_unref (self->bytes);
    self->bytes = g_byte_array_new ();
  } else {
    g_byte_array_set_size (self->bytes, 0);
  }
  self->n_polled = 0;
}

bool
fz_out_queue_is_empty (const FzOutQueue *self)
{
  return self->n_polled == self->items->len;
}

uint8_t *
fz_out_queue_reserve (
    FzOutQueue *self, const FzSocketAddress *to, const FzIp *from, uint8_t ecn, size_t length)
{
  FzOutItem item = { .ecn = ecn, .length = length };

  if (fz_out_queue_is_empty (self) && self->items->len > 0)
    fz_out_queue_drop_all (self);
  if (length > FZ_OUT_QUEUE_BYTES_MAX - self->bytes->len)
    return NULL;

  item.offset = self->bytes->len;
  if (to != NULL)
    item.to = *to;
  if (from != NULL)
    item.from = *from;
  g_array_append_val (self->items, item);
  g_byte_array_set_size (self->bytes, (guint) (item.offset + length));
  return self->bytes->data + item.offset;
}

bool
fz_out_queue_push (
    FzOutQueue *self, const FzSocketAddress *to, const FzIp *from, uint8_t ecn, FzSpan data)
{
  uint8_t *room = fz_out_queue_reserve (self, to, from, ecn, data.length);

  if (room == NULL)
    return false;
  if (data.length > 0)
    memcpy (room, data.data, data.length);
  return true;
}

void
fz_out_queue_unreserve (FzOutQueue *self)
{
  const FzOutItem *last;

  g_assert (!fz_out_queue_is_empty (self));
  last = &g_array_index (self->items, FzOutItem, self->items->len - 1);
  g_byte_array_set_size (self->bytes, (guint) last->offset);
  g_array_set_size (self->items, self->items->len - 1);
}

bool
fz_out_queue_poll (FzOutQueue *self, FzOutItem *out_item, FzSpan *out_data)
{
  if (fz_out_queue_is_empty (self)) {
    if (self->items->len > 0)
      fz_out_queue_drop_all (self);
    return false;
  }
  *out_item = g_array_index (self->items, FzOutItem, self->n_polled);
  *out_data = fz_span (self->bytes->data + out_item->offset, out_item->length);
  self->n_polled++;
  return true;
}
