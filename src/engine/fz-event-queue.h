/* fz-event-queue.h
 *
 * Events on their way to the host, first in, first out. What an event points to
 * lives in memory that travels with it until the next poll.
 */
#pragma once

#include "src/engine/fz-event.h"

#include <glib.h>

typedef struct {
  GQueue items;
  void *polled; /* what the last polled event pointed to */
} FzEventQueue;

void fz_event_queue_init (FzEventQueue *self);
void fz_event_queue_clear (FzEventQueue *self);

/* @owned: taken; g_free is called once the event was polled and the next one is asked for. Past
 * FZ_EVENTS_MAX the oldest goes. */
void fz_event_queue_push (FzEventQueue *self, const FzEvent *event, void *owned);
bool fz_event_queue_poll (FzEventQueue *self, FzEvent *out);
