/* fz-outbox.c: see the header */
#include "src/runtime/fz-outbox.h"

#include <glib-unix.h>
#include <poll.h>
#include <string.h>

typedef struct {
  FzTransmit transmit; /* its data is what follows */
  uint8_t bytes[];
} Waiting;

typedef struct {
  FzOutbox *outbox;
  GQueue waiting;  /* Waiting, the oldest first */
  guint source_id; /* not 0 while any waits */
} Outlet;

struct FzOutbox {
  const FzClock *clock;
  const FzUdpPair *pair; /* NULL: none */
  FzUdpSender *sender;
  Outlet outlets[FZ_N_UDP_FAMILIES];
  FzOutboxCounters counters;
};

/* False: the socket is full, and nothing has happened. */
static bool
try_send (FzOutbox *self, const FzTransmit *transmit)
{
  FzTrain train = {
    .data = transmit->data.data,
    .length = (uint32_t) transmit->data.length,
    .segment_size = (uint16_t) transmit->data.length,
    .n_segments = 1,
    .to = transmit->to,
    .from = transmit->from,
    .ecn = transmit->ecn,
  };

  fz_udp_sender_start (self->sender, &train, 1);
  if (fz_udp_sender_flush (self->sender, fz_clock_now (self->clock)))
    return true;
  fz_udp_sender_recall (self->sender);
  return false;
}

static void
send_waiting (Outlet *outlet)
{
  Waiting *first;

  while ((first = g_queue_peek_head (&outlet->waiting)) != NULL &&
         try_send (outlet->outbox, &first->transmit))
    g_free (g_queue_pop_head (&outlet->waiting));
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  Outlet *outlet = user_data;

  send_waiting (outlet);
  if (!g_queue_is_empty (&outlet->waiting))
    return G_SOURCE_CONTINUE;
  outlet->source_id = 0;
  return G_SOURCE_REMOVE;
}

static void
watch (Outlet *outlet, FzUdpFamily family)
{
  outlet->source_id =
      g_unix_fd_add (outlet->outbox->pair->sockets[family].fd, G_IO_OUT, on_writable, outlet);
}

static void
wait_for_room (FzOutbox *self, FzUdpFamily family, const FzTransmit *transmit)
{
  Outlet *outlet = &self->outlets[family];
  Waiting *last;

  if (g_queue_get_length (&outlet->waiting) == FZ_OUTBOX_MAX) {
    self->counters.lost_full++;
    return;
  }
  self->counters.waited++;
  last = g_malloc (sizeof *last + transmit->data.length);
  last->transmit = *transmit;
  last->transmit.data = (FzSpan){ last->bytes, transmit->data.length };
  memcpy (last->bytes, transmit->data.data, transmit->data.length);
  g_queue_push_tail (&outlet->waiting, last);
  if (outlet->source_id == 0)
    watch (outlet, family);
}

/* -- public -- */

FzOutbox *
fz_outbox_new (const FzIo *io, const FzClock *clock)
{
  FzOutbox *self = g_new0 (FzOutbox, 1);

  self->clock = clock;
  self->sender = fz_udp_sender_new (io);
  for (size_t i = 0; i < G_N_ELEMENTS (self->outlets); i++) {
    self->outlets[i].outbox = self;
    g_queue_init (&self->outlets[i].waiting);
  }
  return self;
}

void
fz_outbox_free (FzOutbox *self)
{
  if (self == NULL)
    return;
  fz_outbox_set_sockets (self, NULL);
  fz_udp_sender_free (self->sender);
  g_free (self);
}

void
fz_outbox_set_sockets (FzOutbox *self, const FzUdpPair *pair)
{
  self->pair = pair;
  if (pair != NULL)
    fz_udp_sender_set_sockets (self->sender, pair);
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    Outlet *outlet = &self->outlets[i];

    g_clear_handle_id (&outlet->source_id, g_source_remove);
    if (pair == NULL) {
      self->counters.lost_sockets += g_queue_get_length (&outlet->waiting);
      g_queue_clear_full (&outlet->waiting, g_free);
      continue;
    }
    send_waiting (outlet);
    if (!g_queue_is_empty (&outlet->waiting))
      watch (outlet, (FzUdpFamily) i);
  }
}

void
fz_outbox_send (FzOutbox *self, const FzTransmit *transmit)
{
  FzUdpFamily family = fz_udp_family (&transmit->to.ip);

  if (self->pair == NULL)
    self->counters.lost_sockets++;
  else if (!g_queue_is_empty (&self->outlets[family].waiting) || !try_send (self, transmit))
    wait_for_room (self, family, transmit);
}

void
fz_outbox_drain (FzOutbox *self, unsigned limit_ms)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) limit_ms * 1000;
  gint64 left_us = (gint64) limit_ms * 1000;

  for (; left_us > 0; left_us = deadline - g_get_monotonic_time ()) {
    struct pollfd polled[FZ_N_UDP_FAMILIES];
    bool is_empty = true;

    for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
      Outlet *outlet = &self->outlets[i];
      bool waits;

      send_waiting (outlet);
      waits = !g_queue_is_empty (&outlet->waiting);
      is_empty = is_empty && !waits;
      polled[i] = (struct pollfd){ waits ? self->pair->sockets[i].fd : -1, POLLOUT, 0 };
    }
    if (is_empty)
      return;
    poll (polled, FZ_N_UDP_FAMILIES, (int) (left_us / 1000 + 1));
  }
}

const FzOutboxCounters *
fz_outbox_get_counters (const FzOutbox *self)
{
  return &self->counters;
}

const FzSendCounters *
fz_outbox_get_send_counters (const FzOutbox *self, FzUdpFamily family)
{
  return fz_udp_sender_get_counters (self->sender, family);
}
