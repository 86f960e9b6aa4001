/* fz-node.c: see the header */

#include "src/engine/fz-limits.h"
#include "src/engine/fz-node-private.h"
#include "src/engine/fz-uuid-table.h"
#include "src/proto/fz-ip.h"

#include <string.h>

#define CONNECTION_ID_END (1u << 24)

static guint
hash_key (gconstpointer key)
{
  uint32_t hash;

  memcpy (&hash, key, sizeof hash); /* a curve point is as good as random */
  return hash;
}

static gboolean
keys_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, FZ_KEY_SIZE) == 0;
}

/* -- construction -- */

static void
make_identity (FzNode *self)
{
  self->context.identity = fz_identity_new (self->private_key, &self->context.rng);
}

FzNode *
fz_node_new (const FzNodeConfig *config)
{
  FzNode *self = g_new0 (FzNode, 1);
  FzConnectionContext *context = &self->context;
  FzLog relay_log = fz_log_for (&config->log, "relay");

  self->steering = config->steering;
  self->has_workers = config->has_workers;
  g_queue_init (&self->jobs);
  context->role = config->role;
  context->rng = config->rng;
  context->log = fz_log_for (&config->log, "node");
  context->reclaim = config->reclaim;
  context->unix_ns_at_zero = config->unix_ns_at_zero;
  context->outbox = config->outbox;
  context->aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM); /* the slow path; always there */
  g_assert (context->aead != NULL);
  context->relays = fz_relay_pool_new (&config->rng, &relay_log);
  context->in_flight = fz_stun_in_flight_new ();
  context->events = g_array_new (FALSE, FALSE, sizeof (FzNodeEvent));
  context->retired_peers = g_ptr_array_new ();
  fz_out_queue_init (&context->transmits);
  if (config->private_key != NULL) {
    self->private_key = fz_secret_new (FZ_KEY_SIZE);
    memcpy (self->private_key, config->private_key, FZ_KEY_SIZE);
  }
  make_identity (self);

  fz_former_peers_init (&self->former);
  self->slots = g_array_new (FALSE, TRUE, sizeof (FzNodeSlot));
  self->free_slots = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->deadlines = fz_heap_new ();
  self->by_id = fz_uuid_table_new (NULL);
  self->slot_by_number = g_hash_table_new (NULL, NULL);
  self->by_public_key = g_hash_table_new (hash_key, keys_equal);
  self->by_ufrag =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  self->to_publish = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->to_migrate = g_ptr_array_new_with_free_func (g_free);
  self->peers = fz_peer_table_new (config->reclaim);
  return self;
}

static void
free_peer (void *peer)
{
  fz_peer_free (peer);
}

void
fz_node_free (FzNode *self)
{
  FzConnectionContext *context;

  if (self == NULL)
    return;
  context = &self->context;
  for (uint32_t i = 0; i < self->slots->len; i++)
    fz_connection_free (fz_node_get_slot (self, i)->connection);
  for (guint i = 0; i < context->retired_peers->len; i++)
    fz_reclaim_retire (context->reclaim, context->retired_peers->pdata[i], free_peer);

  g_queue_clear_full (&self->jobs, (GDestroyNotify) fz_handshake_job_free);
  g_array_unref (self->slots);
  g_array_unref (self->free_slots);
  fz_heap_free (self->deadlines);
  g_hash_table_unref (self->by_id);
  g_hash_table_unref (self->slot_by_number);
  g_hash_table_unref (self->by_public_key);
  g_hash_table_unref (self->by_ufrag);
  g_array_unref (self->to_publish);
  g_ptr_array_unref (self->to_migrate);
  fz_peer_table_free (self->peers);
  fz_former_peers_clear (&self->former);

  fz_out_queue_clear (&context->transmits);
  g_ptr_array_unref (context->retired_peers);
  g_array_unref (context->events);
  fz_stun_in_flight_free (context->in_flight);
  fz_relay_pool_free (context->relays);
  fz_identity_free (context->identity);
  fz_aead_free (context->aead);
  if (self->private_key != NULL)
    fz_secret_free (self->private_key, FZ_KEY_SIZE);
  g_free (self);
}

const uint8_t *
fz_node_get_public_key (const FzNode *self)
{
  return fz_identity_get_public_key (self->context.identity);
}

const uint8_t *
fz_node_get_mac1_key (const FzNode *self)
{
  return fz_identity_get_mac1_key (self->context.identity);
}

void
fz_node_emit (FzNode *self, FzNodeEventKind kind, const FzUuid *id)
{
  FzNodeEvent event = { .kind = kind };

  if (id != NULL)
    event.id = *id;
  g_array_append_val (self->context.events, event);
}

/* -- the tables -- */

static uint32_t
slot_of (const FzNode *self, const FzConnection *connection)
{
  gpointer key = GUINT_TO_POINTER (fz_connection_get_connection_id (connection));

  return GPOINTER_TO_UINT (g_hash_table_lookup (self->slot_by_number, key)) - 1;
}

/* The lane that has the fewest connections; one of them at random. */
static uint32_t
pick_lane (FzNode *self)
{
  uint32_t n_lanes = self->steering.n_lanes, first, best;

  if (n_lanes < 2)
    return 0;
  first = best = (uint32_t) fz_rng_below (&self->context.rng, n_lanes);
  for (uint32_t i = 1; i < n_lanes; i++) {
    uint32_t lane = (first + i) % n_lanes;

    if (self->n_on_lane[lane] < self->n_on_lane[best])
      best = lane;
  }
  return best;
}

static uint32_t
draw_connection_id (FzNode *self)
{
  uint32_t lane = pick_lane (self), id;

  do
    id = (uint32_t) fz_rng_below (&self->context.rng, CONNECTION_ID_END);
  while (id == 0 || fz_steering_get_lane (&self->steering, id) != lane ||
         g_hash_table_contains (self->slot_by_number, GUINT_TO_POINTER (id)));
  return id;
}

static uint32_t *
count_of_lane (FzNode *self, const FzConnection *connection)
{
  uint32_t id = fz_connection_get_connection_id (connection);

  return &self->n_on_lane[fz_steering_get_lane (&self->steering, id)];
}

static void
add_ufrag (FzNode *self, FzConnection *connection)
{
  const char *ufrag = fz_connection_get_local_ufrag (connection);
  GPtrArray *list;

  if (ufrag == NULL)
    return;
  list = g_hash_table_lookup (self->by_ufrag, ufrag);
  if (list == NULL) {
    list = g_ptr_array_new ();
    g_hash_table_insert (self->by_ufrag, g_strdup (ufrag), list);
  }
  g_ptr_array_add (list, connection);
}

static void
remove_ufrag (FzNode *self, FzConnection *connection)
{
  const char *ufrag = fz_connection_get_local_ufrag (connection);
  GPtrArray *list = ufrag != NULL ? g_hash_table_lookup (self->by_ufrag, ufrag) : NULL;

  if (list == NULL)
    return;
  g_ptr_array_remove (list, connection);
  if (list->len == 0)
    g_hash_table_remove (self->by_ufrag, ufrag);
}

static void
insert (FzNode *self, FzConnection *connection)
{
  uint32_t slot = self->slots->len;
  FzNodeSlot entry = { .connection = connection };

  if (self->free_slots->len > 0) {
    slot = g_array_index (self->free_slots, uint32_t, self->free_slots->len - 1);
    g_array_set_size (self->free_slots, self->free_slots->len - 1);
    *fz_node_get_slot (self, slot) = entry;
  } else {
    g_array_append_val (self->slots, entry);
  }

  g_hash_table_insert (self->slot_by_number,
                       GUINT_TO_POINTER (fz_connection_get_connection_id (connection)),
                       GUINT_TO_POINTER (slot + 1));
  g_hash_table_replace (self->by_id, (void *) fz_connection_get_id (connection), connection);
  g_hash_table_replace (
      self->by_public_key, (void *) fz_connection_get_public_key (connection), connection);
  add_ufrag (self, connection);
  fz_peer_table_add (self->peers, fz_connection_get_peer (connection));
  ++*count_of_lane (self, connection);
  self->have_peers_changed = true;
}

static void
take_out (FzNode *self, FzConnection *connection, FzInstant now)
{
  uint32_t slot = slot_of (self, connection);
  uint32_t number = fz_connection_get_connection_id (connection);
  const uint8_t *public_key = fz_connection_get_public_key (connection);

  fz_former_peers_add (&self->former,
                       fz_connection_get_id (connection),
                       number,
                       public_key,
                       fz_connection_get_local_ufrag (connection),
                       now);
  remove_ufrag (self, connection);
  fz_peer_table_remove (self->peers, fz_connection_get_peer (connection));
  --*count_of_lane (self, connection);
  if (g_hash_table_lookup (self->by_public_key, public_key) == connection)
    g_hash_table_remove (self->by_public_key, public_key);
  g_hash_table_remove (self->by_id, fz_connection_get_id (connection));
  g_hash_table_remove (self->slot_by_number, GUINT_TO_POINTER (number));
  fz_heap_remove (self->deadlines, slot);
  self->n_awaiting_answers -= fz_node_get_slot (self, slot)->awaits_answers;
  *fz_node_get_slot (self, slot) = (FzNodeSlot){ 0 };
  g_array_append_val (self->free_slots, slot);
  self->have_peers_changed = true;
}

/* Ends @connection; what it had for the portal is forgotten. */
static void
drop (FzNode *self, FzConnection *connection, FzInstant now)
{
  fz_candidate_outbox_forget (self->context.outbox, fz_connection_get_id (connection));
  take_out (self, connection, now);
  fz_connection_free (connection);
}

/* After anything was done to @connection: failed ones are reaped, the rest is booked. */
void
fz_node_book (FzNode *self, FzConnection *connection, FzInstant now)
{
  uint32_t slot = slot_of (self, connection);
  bool awaits_answers;

  if (fz_connection_get_state (connection) == FZ_CONNECTION_FAILED) {
    fz_node_emit (self, FZ_NODE_EVENT_FAILED, fz_connection_get_id (connection));
    drop (self, connection, now);
    return;
  }
  fz_heap_set (self->deadlines, slot, fz_connection_next_timeout (connection));
  awaits_answers = !fz_connection_may_answers_wait (connection);
  self->n_awaiting_answers += awaits_answers;
  self->n_awaiting_answers -= fz_node_get_slot (self, slot)->awaits_answers;
  fz_node_get_slot (self, slot)->awaits_answers = awaits_answers;
  if (fz_connection_needs_publish (connection) &&
      !fz_node_get_slot (self, slot)->is_to_be_published) {
    fz_node_get_slot (self, slot)->is_to_be_published = true;
    g_array_append_val (self->to_publish, slot);
  }
}

FzConnection *
fz_node_find (FzNode *self, const FzUuid *id)
{
  return g_hash_table_lookup (self->by_id, id);
}

FzConnection *
fz_node_find_by_number (FzNode *self, uint32_t connection_id)
{
  gpointer slot = g_hash_table_lookup (self->slot_by_number, GUINT_TO_POINTER (connection_id));

  return slot != NULL ? fz_node_get_slot (self, GPOINTER_TO_UINT (slot) - 1)->connection : NULL;
}

size_t
fz_node_get_n_connections (const FzNode *self)
{
  return g_hash_table_size (self->by_id);
}

/* -- connections -- */

static void
log_upsert (FzNode *self, const FzConnectionRequest *request, const char *what)
{
  fz_log (&self->context.log,
          FZ_LOG_INFO,
          "connection-upsert",
          what,
          FZ_KV_UUID ("peer", &request->id),
          FZ_KV_TEXT ("local_ufrag", request->local_ice.username),
          FZ_KV_TEXT ("remote_ufrag", request->remote_ice.username),
          FZ_KV_BOOL ("is_controlling", request->is_controlling));
}

static void
offer_known_candidates (FzNode *self, FzConnection *connection, FzInstant now)
{
  FzCandidate candidates[FZ_RELAYS_MAX * FZ_RELAY_CANDIDATES_MAX];
  size_t n = fz_relay_pool_get_candidates (self->context.relays,
                                           fz_connection_get_relay_id (connection),
                                           candidates,
                                           G_N_ELEMENTS (candidates));

  for (size_t i = 0; i < n; i++)
    fz_connection_add_local_candidate (connection, &candidates[i], now);
}

static FzUpsert
create (FzNode *self, const FzConnectionRequest *request, FzInstant now, FzConnection **out)
{
  FzConnection *old = fz_node_find (self, &request->id);
  FzConnection *connection;
  FzUuid relay_id;

  if (!fz_relay_pool_select (self->context.relays, &relay_id)) {
    fz_log (&self->context.log,
            FZ_LOG_WARNING,
            "no-relays",
            "no relay has answered, the connection cannot be made",
            FZ_KV_UUID ("peer", &request->id));
    return FZ_UPSERT_NO_RELAYS;
  }
  if (old == NULL && fz_node_get_n_connections (self) >= FZ_PEERS_MAX)
    return FZ_UPSERT_TOO_MANY;
  connection =
      fz_connection_new (&self->context, request, draw_connection_id (self), &relay_id, now);
  if (connection == NULL)
    return FZ_UPSERT_BAD_KEY;

  log_upsert (self, request, old != NULL ? "connection replaced" : "connection created");
  if (old != NULL)
    drop (self, old, now);
  insert (self, connection);
  offer_known_candidates (self, connection, now);
  fz_node_book (self, connection, now);
  if (out != NULL)
    *out = connection;
  return FZ_UPSERT_DONE;
}

FzUpsert
fz_node_upsert (FzNode *self, const FzConnectionRequest *request, FzInstant now, FzConnection **out)
{
  FzConnection *connection = fz_node_find (self, &request->id);

  if (connection == NULL || !fz_connection_matches (connection, request))
    return create (self, request, now, out);

  log_upsert (self, request, "connection reused");
  fz_connection_reuse (connection, now);
  if (out != NULL)
    *out = connection;
  fz_node_book (self, connection, now);
  return FZ_UPSERT_DONE;
}

FzUpsert
fz_node_add_bare (FzNode *self, const FzBareRequest *request, FzInstant now, FzConnection **out)
{
  FzConnection *old = fz_node_find (self, &request->id);
  FzConnection *connection;

  if (old == NULL && fz_node_get_n_connections (self) >= FZ_PEERS_MAX)
    return FZ_UPSERT_TOO_MANY;
  connection = fz_connection_new_bare (&self->context, request, draw_connection_id (self), now);
  if (connection == NULL)
    return FZ_UPSERT_BAD_KEY;
  if (old != NULL)
    drop (self, old, now);
  insert (self, connection);
  fz_node_book (self, connection, now);
  if (out != NULL)
    *out = connection;
  return FZ_UPSERT_DONE;
}

void
fz_node_close (FzNode *self, const FzUuid *id, FzInstant now)
{
  FzConnection *connection = fz_node_find (self, id);
  FzUuid copy = *id;

  if (connection == NULL)
    return;
  if (fz_connection_get_state (connection) != FZ_CONNECTION_CONNECTING) {
    fz_connection_send_goodbye (connection, now);
    fz_node_emit (self, FZ_NODE_EVENT_CLOSED, &copy);
  }
  drop (self, connection, now);
}

void
fz_node_close_all (FzNode *self, FzInstant now)
{
  for (uint32_t i = 0; i < self->slots->len; i++)
    if (fz_node_get_slot (self, i)->connection != NULL)
      fz_node_close (self, fz_connection_get_id (fz_node_get_slot (self, i)->connection), now);
}

void
fz_node_remove (FzNode *self, const FzUuid *id, FzInstant now)
{
  FzConnection *connection = fz_node_find (self, id);

  if (connection == NULL)
    return;
  fz_log (&self->context.log,
          FZ_LOG_INFO,
          "connection-removed",
          "connection removed",
          FZ_KV_UUID ("peer", id));
  drop (self, connection, now);
}

/* Candidates for a peer that we do not have: late ones are usual, others are not. */
static void
log_unknown_peer (FzNode *self, const FzUuid *id, FzInstant now)
{
  bool is_former = fz_former_peers_has_id (&self->former, id, now);

  fz_log (&self->context.log,
          is_former ? FZ_LOG_DEBUG : FZ_LOG_WARNING,
          "candidate-for-unknown-connection",
          is_former ? "candidate for a connection that ended" : "candidate for no connection",
          FZ_KV_UUID ("peer", id));
}

void
fz_node_add_candidates (FzNode *self,
                        const FzUuid *id,
                        const char *const *candidates,
                        size_t n_candidates,
                        FzInstant now)
{
  FzConnection *connection = fz_node_find (self, id);

  if (connection == NULL) {
    log_unknown_peer (self, id, now);
    return;
  }
  for (size_t i = 0; i < n_candidates; i++)
    fz_connection_add_remote_candidate (connection, candidates[i], now);
  fz_node_book (self, connection, now);
  fz_node_drain_relays (self, now);
}

void
fz_node_invalidate_candidates (FzNode *self,
                               const FzUuid *id,
                               const char *const *candidates,
                               size_t n_candidates,
                               FzInstant now)
{
  FzConnection *connection = fz_node_find (self, id);

  if (connection == NULL)
    return;
  for (size_t i = 0; i < n_candidates; i++)
    fz_connection_invalidate_remote_candidate (connection, candidates[i], now);
  fz_node_book (self, connection, now);
}

void
fz_node_reset (FzNode *self, FzInstant now)
{
  fz_log (&self->context.log,
          FZ_LOG_INFO,
          "network-reset",
          "network state is reset",
          FZ_KV_U64 ("n_connections", fz_node_get_n_connections (self)));
  for (uint32_t i = 0; i < self->slots->len; i++) {
    FzConnection *connection = fz_node_get_slot (self, i)->connection;

    if (connection == NULL)
      continue;
    fz_node_emit (self, FZ_NODE_EVENT_CLOSED, fz_connection_get_id (connection));
    drop (self, connection, now);
  }
  fz_out_queue_drop_all (&self->context.transmits);
  fz_stun_in_flight_clear (self->context.in_flight);
  g_ptr_array_set_size (self->to_migrate, 0);
  fz_identity_free (self->context.identity);
  make_identity (self);
  self->have_peers_changed = true; /* lanes check mac1 by the published key, connections or none */
  fz_node_restart_relays (self, now);
}

void
fz_node_forget_sources (FzNode *self, FzInstant now)
{
  for (uint32_t i = 0; i < self->slots->len; i++) {
    FzConnection *connection = fz_node_get_slot (self, i)->connection;

    if (connection == NULL)
      continue;
    fz_connection_forget_source (connection, now);
    fz_node_book (self, connection, now);
  }
}

FzDrop
fz_node_send (FzNode *self, FzConnection *connection, FzSpan packet, uint8_t ecn, FzInstant now)
{
  FzDrop drop_reason = fz_connection_send (connection, packet, ecn, now);

  fz_node_book (self, connection, now);
  if (drop_reason == FZ_DROP_NO_ROUTE)
    fz_node_drain_relays (self, now); /* it asked for a channel */
  return drop_reason;
}

void
fz_node_start_handshake (FzNode *self, FzConnection *connection, FzInstant now)
{
  fz_connection_start_handshake (connection, now);
  fz_node_book (self, connection, now);
}

/* -- time -- */

void
fz_node_handle_timeout (FzNode *self, FzInstant now)
{
  uint32_t slot;

  if (fz_relay_pool_next_timeout (self->context.relays) <= now)
    fz_relay_pool_handle_timeout (self->context.relays, now);
  fz_node_drain_relays (self, now);

  while (fz_heap_pop_due (self->deadlines, now, &slot)) {
    FzConnection *connection = fz_node_get_slot (self, slot)->connection;

    fz_connection_handle_timeout (connection, now);
    fz_node_book (self, connection, now);
  }
  fz_node_drain_relays (self, now);
}

bool
fz_node_may_answers_wait (const FzNode *self)
{
  return self->n_awaiting_answers == 0 && !fz_relay_pool_awaits_answers (self->context.relays);
}

FzInstant
fz_node_next_timeout (const FzNode *self)
{
  return fz_instant_min (fz_heap_next (self->deadlines),
                         fz_relay_pool_next_timeout (self->context.relays));
}

/* -- output -- */

FzHandshakeJob *
fz_node_poll_job (FzNode *self)
{
  return g_queue_pop_head (&self->jobs);
}

bool
fz_node_poll_transmit (FzNode *self, FzTransmit *out)
{
  FzOutItem item;
  FzSpan data;

  if (!fz_out_queue_poll (&self->context.transmits, &item, &data))
    return false;
  *out = (FzTransmit){ item.to, item.from, item.ecn, data };
  return true;
}

bool
fz_node_poll_event (FzNode *self, FzNodeEvent *out)
{
  GArray *events = self->context.events;

  if (self->n_events_polled == events->len) {
    g_array_set_size (events, 0);
    self->n_events_polled = 0;
    return false;
  }
  *out = g_array_index (events, FzNodeEvent, self->n_events_polled);
  self->n_events_polled++;
  return true;
}

bool
fz_node_have_peers_changed (const FzNode *self)
{
  return self->have_peers_changed;
}

const FzPeerTable *
fz_node_get_peers (const FzNode *self)
{
  return self->peers;
}

void
fz_node_set_hosts (FzNode *self, FzConnection *connection, const FzIp *ips, size_t n_ips)
{
  if (fz_peer_table_set_hosts (self->peers, fz_connection_get_peer (connection), ips, n_ips))
    self->have_peers_changed = true;
}

void
fz_node_publish (FzNode *self)
{
  GPtrArray *retired = self->context.retired_peers;

  for (guint i = 0; i < self->to_publish->len; i++) {
    FzNodeSlot *slot = fz_node_get_slot (self, g_array_index (self->to_publish, uint32_t, i));

    if (slot->connection != NULL && slot->is_to_be_published)
      fz_connection_publish (slot->connection);
    slot->is_to_be_published = false;
  }
  g_array_set_size (self->to_publish, 0);

  for (guint i = 0; i < retired->len; i++)
    fz_reclaim_retire (self->context.reclaim, retired->pdata[i], free_peer);
  g_ptr_array_set_size (retired, 0);
  self->have_peers_changed = false;
}

void
fz_node_add_relay_views (const FzNode *self, GArray *views)
{
  fz_relay_pool_add_views (self->context.relays, views);
}

/* Looks at every connection: for who asks now and then. */
static void
add_connections (const FzNode *self, FzEngineCounters *counters)
{
  for (guint i = 0; i < self->slots->len; i++) {
    FzConnection *connection = g_array_index (self->slots, FzNodeSlot, i).connection;
    const FzNat *nat;

    if (connection == NULL)
      continue;
    counters->n_established += fz_connection_is_established (connection);
    counters->n_sessions += fz_connection_count_sessions (connection);
    nat = atomic_load_explicit (&fz_connection_get_peer (connection)->nat, memory_order_relaxed);
    if (nat == NULL)
      continue;
    counters->n_nat_sessions += fz_nat_get_n_sessions (nat);
    counters->nat_bytes += fz_nat_get_bytes (nat);
  }
}

void
fz_node_add_counters (const FzNode *self, FzEngineCounters *counters)
{
  const FzConnectionContext *context = &self->context;

  for (int i = 0; i < FZ_N_DROPS; i++)
    counters->drops[i] += context->drops[i];
  counters->handshakes_started += context->tunnels.handshakes_started;
  counters->handshakes_completed += context->tunnels.handshakes_completed;
  counters->handshakes_received += context->tunnels.handshakes_received;
  for (unsigned i = 0; i < FZ_N_HANDSHAKE_TIMES; i++)
    counters->handshake_times.n[i] += context->tunnels.handshake_times.n[i];
  counters->handshake_times.total_ns += context->tunnels.handshake_times.total_ns;
  counters->cookies_sent += context->cookies_sent;
  counters->handshakes_bad_mac1 += context->bad_mac1;
  counters->n_peers += (uint32_t) fz_node_get_n_connections (self);
  counters->peer_table_bytes += fz_peer_table_get_bytes (self->peers);
  add_connections (self, counters);
  counters->n_relays += (uint32_t) fz_relay_pool_get_n_relays (context->relays);
}
