/* fz-relay-pool.c
 *
 * The list of relays and what it takes together: candidates, choice, events.
 */
#include "src/engine/fz-relay-pool.h"

#include "src/engine/fz-relay-choice.h"
#include "src/engine/fz-relay.h"

#include <string.h>

struct FzRelayPool {
  FzRng rng;
  FzLog log;
  GPtrArray *leaving; /* of links that are no more, until their last words are polled */
  GPtrArray *links;   /* of FzRelayLink, in the order of the portal's lists */
  GQueue events;      /* of FzRelayEvent; before those of the links */
  FzIp former[FZ_FORMER_RELAYS_MAX];
  unsigned n_former; /* ever added: a ring */
};

static FzRelayLink *
link_at (const FzRelayPool *self, guint i)
{
  return (FzRelayLink *) g_ptr_array_index (self->links, i);
}

/* The relay's place in the list, or its length. */
static guint
find_link (const FzRelayPool *self, const FzUuid *relay_id)
{
  guint i = 0;

  while (i < self->links->len &&
         !fz_uuid_equal (fz_relay_link_get_id (link_at (self, i)), relay_id))
    i++;
  return i;
}

static FzRelayLink *
get_link (const FzRelayPool *self, const FzUuid *relay_id)
{
  guint i = find_link (self, relay_id);

  return i < self->links->len ? link_at (self, i) : NULL;
}

static void
push_event (FzRelayPool *self, const FzRelayEvent *event)
{
  g_queue_push_tail (&self->events, g_memdup2 (event, sizeof *event));
}

/* -- life -- */

static void
free_link (gpointer link)
{
  fz_relay_link_free (link);
}

FzRelayPool *
fz_relay_pool_new (const FzRng *rng, const FzLog *log)
{
  FzRelayPool *self = g_new0 (FzRelayPool, 1);

  self->rng = *rng;
  self->log = fz_log_for (log, "relay");
  self->links = g_ptr_array_new_with_free_func (free_link);
  self->leaving = g_ptr_array_new_with_free_func (free_link);
  g_queue_init (&self->events);
  return self;
}

void
fz_relay_pool_free (FzRelayPool *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->links);
  g_ptr_array_unref (self->leaving);
  g_queue_clear_full (&self->events, g_free);
  g_free (self);
}

/* -- list -- */

static void
remember_former (FzRelayPool *self, const FzRelayLink *link)
{
  for (unsigned i = 0; i < 2; i++) {
    const FzSocketAddress *socket = fz_relay_link_get_socket (link, i);

    if (socket->ip.family != FZ_IP_NONE)
      self->former[self->n_former++ % FZ_FORMER_RELAYS_MAX] = socket->ip;
  }
}

/* What the link still has to say to us is said before it goes; to the relay, that its allocation
 * ends. */
static void
remove_link (FzRelayPool *self, guint i)
{
  FzRelayLink *link = link_at (self, i);
  FzRelayEvent event;

  fz_relay_link_withdraw (link);
  while (fz_relay_link_poll_event (link, &event))
    if (event.kind == FZ_RELAY_EVENT_CANDIDATE_INVALID)
      push_event (self, &event);
  remember_former (self, link);
  g_ptr_array_add (self->leaving, g_ptr_array_steal_index (self->links, i));
}

static void
remove_relay (FzRelayPool *self, const FzUuid *relay_id)
{
  guint i = find_link (self, relay_id);

  if (i == self->links->len)
    return;
  remove_link (self, i);
  push_event (self, &(FzRelayEvent){ .kind = FZ_RELAY_EVENT_GONE, .relay_id = *relay_id });
}

static void
log_skipped (const FzRelayPool *self, const FzRelay *relay, const char *why)
{
  fz_log (&self->log,
          FZ_LOG_WARNING,
          "relay-skipped",
          "relay from the portal is not used",
          FZ_KV_UUID ("relay", &relay->id),
          FZ_KV_TEXT ("why", why));
}

static void
upsert_relay (FzRelayPool *self, const FzRelay *relay, FzInstant now)
{
  guint i = find_link (self, &relay->id);

  if (!fz_relay_link_accepts (relay)) {
    log_skipped (self, relay, "no socket, or credentials that are too long");
    return;
  }
  if (i < self->links->len) {
    if (fz_relay_link_matches (link_at (self, i), relay))
      return;
    remove_link (self, i);
  }
  if (self->links->len >= FZ_RELAYS_MAX) {
    log_skipped (self, relay, "too many");
    return;
  }
  g_ptr_array_add (self->links, fz_relay_link_new (relay, &self->rng, &self->log, now));
}

static bool
is_offered (const FzUuid *relay_id, const FzRelay *offered, size_t n_offered)
{
  for (size_t i = 0; i < n_offered; i++)
    if (fz_uuid_equal (&offered[i].id, relay_id))
      return true;
  return false;
}

void
fz_relay_pool_update (FzRelayPool *self,
                      const FzUuid *removed,
                      size_t n_removed,
                      const FzRelay *offered,
                      size_t n_offered,
                      FzInstant now)
{
  for (size_t i = 0; i < n_removed; i++)
    remove_relay (self, &removed[i]);
  for (size_t i = 0; i < n_offered; i++)
    upsert_relay (self, &offered[i], now);
  for (guint i = 0; i < self->links->len; i++)
    if (!is_offered (fz_relay_link_get_id (link_at (self, i)), offered, n_offered))
      fz_relay_link_refresh (link_at (self, i), now);
}

void
fz_relay_pool_reset (FzRelayPool *self, FzInstant now)
{
  g_queue_clear_full (&self->events, g_free);
  for (guint i = 0; i < self->links->len; i++)
    fz_relay_link_restart (link_at (self, i), now);
}

void
fz_relay_pool_end_allocations (FzRelayPool *self)
{
  for (guint i = 0; i < self->links->len; i++)
    fz_relay_link_end_allocation (link_at (self, i));
}

size_t
fz_relay_pool_get_n_relays (const FzRelayPool *self)
{
  return self->links->len;
}

void
fz_relay_pool_add_views (const FzRelayPool *self, GArray *views)
{
  for (guint i = 0; i < self->links->len; i++) {
    FzRelayView view = fz_relay_link_get_view (link_at (self, i));

    g_array_append_val (views, view);
  }
}

bool
fz_relay_pool_has_relay (const FzRelayPool *self, const FzUuid *relay_id)
{
  return get_link (self, relay_id) != NULL;
}

/* -- choice -- */

bool
fz_relay_pool_select (FzRelayPool *self, FzUuid *out)
{
  uint64_t rtts[FZ_RELAYS_MAX];
  guint eligible[FZ_RELAYS_MAX];
  size_t n = 0;
  size_t n_near = 0;
  uint64_t threshold;

  for (guint i = 0; i < self->links->len; i++)
    if (fz_relay_link_get_rtt (link_at (self, i), &rtts[n]))
      eligible[n++] = i;
  if (n == 0)
    return false;

  threshold = fz_relay_choice_threshold (rtts, n);
  for (size_t i = 0; i < n; i++)
    if (rtts[i] <= threshold)
      eligible[n_near++] = eligible[i];
  *out = *fz_relay_link_get_id (link_at (self, eligible[fz_rng_below (&self->rng, n_near)]));
  return true;
}

static bool
is_listed (const FzCandidate *list, size_t n, const FzCandidate *candidate)
{
  for (size_t i = 0; i < n; i++)
    if (list[i].kind == candidate->kind &&
        fz_socket_address_equal (&list[i].address, &candidate->address) &&
        fz_socket_address_equal (&list[i].base, &candidate->base))
      return true;
  return false;
}

size_t
fz_relay_pool_get_candidates (const FzRelayPool *self,
                              const FzUuid *relay_id,
                              FzCandidate *out,
                              size_t capacity)
{
  static const FzCandidateKind kinds[] = { FZ_CANDIDATE_HOST,
                                           FZ_CANDIDATE_SERVER_REFLEXIVE,
                                           FZ_CANDIDATE_RELAYED };
  static const FzIpFamily families[] = { FZ_IP_V6, FZ_IP_V4 };
  size_t n = 0;

  for (size_t k = 0; k < G_N_ELEMENTS (kinds); k++)
    for (size_t f = 0; f < G_N_ELEMENTS (families); f++)
      for (guint i = 0; i < self->links->len && n < capacity; i++) {
        const FzCandidate *candidate =
            fz_relay_link_get_candidate (link_at (self, i), kinds[k], families[f]);
        bool is_ours = fz_uuid_equal (fz_relay_link_get_id (link_at (self, i)), relay_id);

        if (candidate == NULL || (kinds[k] == FZ_CANDIDATE_RELAYED && !is_ours))
          continue;
        if (!is_listed (out, n, candidate))
          out[n++] = *candidate;
      }
  return n;
}

/* -- input -- */

static FzRelayLink *
find_owner (const FzRelayPool *self, const FzSocketAddress *from)
{
  for (guint i = 0; i < self->links->len; i++)
    if (fz_relay_link_owns (link_at (self, i), from))
      return link_at (self, i);
  return NULL;
}

FzRelaySource
fz_relay_pool_classify (const FzRelayPool *self, const FzSocketAddress *from)
{
  if (find_owner (self, from) != NULL)
    return FZ_RELAY_SOURCE_CURRENT;
  for (unsigned i = 0; i < MIN (self->n_former, FZ_FORMER_RELAYS_MAX); i++)
    if (fz_ip_equal (&self->former[i], &from->ip))
      return FZ_RELAY_SOURCE_FORMER;
  return FZ_RELAY_SOURCE_UNKNOWN;
}

FzDrop
fz_relay_pool_handle_stun (FzRelayPool *self,
                           const FzStunMessage *message,
                           const FzSocketAddress *local,
                           const FzSocketAddress *from,
                           FzInstant now)
{
  /* Two relays may stand behind one address; the transaction says which is meant. */
  FzDrop drop = FZ_DROP_UNKNOWN_SOURCE;

  for (guint i = 0; i < self->links->len; i++) {
    if (!fz_relay_link_owns (link_at (self, i), from))
      continue;
    drop = fz_relay_link_handle_stun (link_at (self, i), message, local, from, now);
    if (drop != FZ_DROP_UNKNOWN_INDEX)
      return drop;
  }
  return drop;
}

FzDrop
fz_relay_pool_unwrap (FzRelayPool *self,
                      FzSpan datagram,
                      const FzSocketAddress *from,
                      FzInstant now,
                      FzRelayedDatagram *out)
{
  FzRelayLink *owner = find_owner (self, from);

  return owner != NULL ? fz_relay_link_unwrap (owner, datagram, now, out) : FZ_DROP_UNKNOWN_SOURCE;
}

bool
fz_relay_pool_route (FzRelayPool *self,
                     const FzUuid *relay_id,
                     const FzSocketAddress *peer,
                     FzInstant now,
                     FzRelayRoute *out)
{
  FzRelayLink *link = get_link (self, relay_id);

  return link != NULL && fz_relay_link_route (link, peer, now, out);
}

void
fz_relay_pool_bind_channel (FzRelayPool *self,
                            const FzUuid *relay_id,
                            const FzSocketAddress *peer,
                            FzInstant now)
{
  FzRelayLink *link = get_link (self, relay_id);

  if (link != NULL)
    fz_relay_link_bind_channel (link, peer, now);
}

void
fz_channel_header_write (uint8_t out[FZ_CHANNEL_HEADER_SIZE],
                         uint16_t channel,
                         uint16_t length_bytes)
{
  fz_put_u16be (out, channel);
  fz_put_u16be (out + 2, length_bytes);
}

/* -- time -- */

static void
collect_garbage (FzRelayPool *self)
{
  bool any = false;

  for (guint i = self->links->len; i > 0; i--) {
    FzUuid id = *fz_relay_link_get_id (link_at (self, i - 1));

    if (!fz_relay_link_is_finished (link_at (self, i - 1)))
      continue;
    fz_log (
        &self->log, FZ_LOG_INFO, "relay-dropped", "relay is given up", FZ_KV_UUID ("relay", &id));
    remove_relay (self, &id);
    any = true;
  }
  if (any && self->links->len == 0)
    push_event (self, &(FzRelayEvent){ .kind = FZ_RELAY_EVENT_NONE_LEFT });
}

void
fz_relay_pool_handle_timeout (FzRelayPool *self, FzInstant now)
{
  for (guint i = 0; i < self->links->len; i++)
    fz_relay_link_handle_timeout (link_at (self, i), now);
  collect_garbage (self);
}

FzInstant
fz_relay_pool_next_timeout (const FzRelayPool *self)
{
  FzInstant next = FZ_INSTANT_NEVER;

  for (guint i = 0; i < self->links->len; i++)
    if (fz_relay_link_is_finished (link_at (self, i)))
      return 0; /* to be collected */
    else
      next = fz_instant_min (next, fz_relay_link_next_timeout (link_at (self, i)));
  return next;
}

bool
fz_relay_pool_awaits_answers (const FzRelayPool *self)
{
  for (guint i = 0; i < self->links->len; i++)
    if (fz_relay_link_awaits_answers (link_at (self, i)))
      return true;
  return false;
}

bool
fz_relay_pool_poll_transmit (FzRelayPool *self, FzRelayTransmit *out)
{
  while (self->leaving->len > 0) {
    if (fz_relay_link_poll_transmit (g_ptr_array_index (self->leaving, 0), out))
      return true;
    g_ptr_array_remove_index (self->leaving, 0);
  }
  for (guint i = 0; i < self->links->len; i++)
    if (fz_relay_link_poll_transmit (link_at (self, i), out))
      return true;
  return false;
}

bool
fz_relay_pool_poll_event (FzRelayPool *self, FzRelayEvent *out)
{
  g_autofree FzRelayEvent *event = g_queue_pop_head (&self->events);

  if (event != NULL) {
    *out = *event;
    return true;
  }
  for (guint i = 0; i < self->links->len; i++)
    if (fz_relay_link_poll_event (link_at (self, i), out))
      return true;
  return false;
}
