/* fz-traffic.c
 *
 * See the private header. Relaxed accesses suffice but for is_watched: a stamp
 * is a number by itself and nothing is read through it.
 */
#include "src/engine/fz-traffic-private.h"

#include <glib.h>

static uint64_t
get (const _Atomic uint64_t *field)
{
  return atomic_load_explicit (field, memory_order_relaxed);
}

static void
set (_Atomic uint64_t *field, uint64_t value)
{
  atomic_store_explicit (field, value, memory_order_relaxed);
}

static void
set_if_zero (_Atomic uint64_t *field, uint64_t value)
{
  uint64_t zero = 0;

  atomic_compare_exchange_strong_explicit (
      field, &zero, value, memory_order_relaxed, memory_order_relaxed);
}

/* 0 means never, so what happens at instant 0 counts as a nanosecond later. */
static uint64_t
stamp_of (FzInstant now)
{
  return MAX (now, 1);
}

void
fz_traffic_init (FzTraffic *self, FzPeer *peer, FzInstant now)
{
  *self = (FzTraffic){ .peer = peer, .sent_at = now, .look_at = FZ_INSTANT_NEVER };
}

void
fz_traffic_clear (FzTraffic *self)
{
  set (&self->peer->sent_data_at, 0);
  set (&self->peer->received_data_at, 0);
  set (&self->peer->first_unanswered_sent_at, 0);
  set (&self->peer->first_unanswered_received_at, 0);
}

void
fz_traffic_note_sent (FzTraffic *self, bool is_data, FzInstant now)
{
  self->sent_at = now;
  set (&self->peer->first_unanswered_received_at, 0);
  if (!is_data)
    return;
  set (&self->peer->sent_data_at, stamp_of (now));
  set_if_zero (&self->peer->first_unanswered_sent_at, stamp_of (now));
}

void
fz_traffic_note_received (FzTraffic *self, FzInstant now)
{
  set (&self->peer->received_any_at, stamp_of (now));
  set (&self->peer->first_unanswered_sent_at, 0);
}

uint64_t
fz_traffic_get_sent_data_at (const FzTraffic *self)
{
  return get (&self->peer->sent_data_at);
}

uint64_t
fz_traffic_get_received_data_at (const FzTraffic *self)
{
  return get (&self->peer->received_data_at);
}

uint64_t
fz_traffic_get_unanswered_sent_at (const FzTraffic *self)
{
  return get (&self->peer->first_unanswered_sent_at);
}

uint64_t
fz_traffic_get_unanswered_received_at (const FzTraffic *self)
{
  return get (&self->peer->first_unanswered_received_at);
}

FzInstant
fz_traffic_get_last_sent_at (const FzTraffic *self)
{
  return MAX (self->sent_at, get (&self->peer->sent_data_at));
}

static uint64_t
newest_stamp (const FzTraffic *self)
{
  return MAX (get (&self->peer->sent_data_at), get (&self->peer->received_any_at));
}

static bool
is_anything_unanswered (const FzTraffic *self)
{
  return fz_traffic_get_unanswered_sent_at (self) != 0 ||
         fz_traffic_get_unanswered_received_at (self) != 0;
}

/* Lanes stamp, fence, look at is_watched; we clear it, fence, look at the stamps: whoever comes
 * second sees the other. */
static bool
stop_watching (FzTraffic *self)
{
  atomic_store_explicit (&self->peer->is_watched, false, memory_order_relaxed);
  atomic_thread_fence (memory_order_seq_cst);
  if (newest_stamp (self) == self->newest && !is_anything_unanswered (self))
    return true;
  atomic_store_explicit (&self->peer->is_watched, true, memory_order_relaxed);
  return false;
}

void
fz_traffic_watch (FzTraffic *self, uint64_t timeout_ns, FzInstant now)
{
  FzInstant quiet_at;

  self->look_at = FZ_INSTANT_NEVER;
  if (!atomic_load_explicit (&self->peer->is_watched, memory_order_acquire))
    return;
  if (newest_stamp (self) != self->newest) {
    self->newest = newest_stamp (self);
    self->busy_since = now;
  }

  quiet_at = fz_instant_add (self->busy_since, timeout_ns);
  if (now < quiet_at)
    self->look_at = quiet_at;
  else if (is_anything_unanswered (self) || !stop_watching (self))
    self->look_at = fz_instant_add (now, timeout_ns);
}
