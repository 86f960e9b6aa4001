/* fz-event-queue.c: see the header */

#include "src/engine/fz-event-queue.h"

#include "src/engine/fz-limits.h"

typedef struct {
  FzEvent event;
  void *owned;
} Item;

void
fz_event_queue_init (FzEventQueue *self)
{
  g_queue_init (&self->items);
  self->polled = NULL;
}

static void
free_item (void *data)
{
  Item *item = data;

  g_free (item->owned);
  g_free (item);
}

void
fz_event_queue_clear (FzEventQueue *self)
{
  g_queue_clear_full (&self->items, free_item);
  g_clear_pointer (&self->polled, g_free);
}

void
fz_event_queue_push (FzEventQueue *self, const FzEvent *event, void *owned)
{
  Item *item = g_new (Item, 1);

  if (self->items.length >= FZ_EVENTS_MAX)
    free_item (g_queue_pop_head (&self->items));
  *item = (Item){ *event, owned };
  g_queue_push_tail (&self->items, item);
}

bool
fz_event_queue_poll (FzEventQueue *self, FzEvent *out)
{
  g_autofree Item *item = g_queue_pop_head (&self->items);

  g_clear_pointer (&self->polled, g_free);
  if (item == NULL)
    return false;
  *out = item->event;
  self->polled = item->owned;
  return true;
}
