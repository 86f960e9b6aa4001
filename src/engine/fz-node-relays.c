/* fz-node-relays.c
 *
 * What relays cause: candidates for connections, and another relay where one is
 * gone (connectivity.md §1.6).
 */

#include "src/engine/fz-node-private.h"
#include "src/proto/fz-ip.h"

static bool
migrate (FzNode *self, FzConnection *connection, FzInstant now)
{
  FzUuid old = *fz_connection_get_relay_id (connection);
  FzUuid next;

  if (!fz_relay_pool_select (self->context.relays, &next))
    return false;
  fz_log (&self->context.log,
          FZ_LOG_INFO,
          "relay-migration",
          "connection takes another relay",
          FZ_KV_UUID ("peer", fz_connection_get_id (connection)),
          FZ_KV_UUID ("from", &old),
          FZ_KV_UUID ("to", &next));
  fz_connection_migrate (connection, &next, now);
  fz_node_book (self, connection, now);
  return true;
}

static void
migrate_waiting (FzNode *self, FzInstant now)
{
  for (guint i = self->to_migrate->len; i-- > 0;) {
    FzConnection *connection = fz_node_find (self, self->to_migrate->pdata[i]);

    if (connection == NULL || migrate (self, connection, now))
      g_ptr_array_remove_index (self->to_migrate, i);
  }
}

static void
migrate_from (FzNode *self, const FzUuid *relay_id, FzInstant now)
{
  for (uint32_t i = 0; i < self->slots->len; i++) {
    FzConnection *connection = fz_node_get_slot (self, i)->connection;

    if (connection == NULL || fz_connection_get_local_ufrag (connection) == NULL ||
        !fz_uuid_equal (fz_connection_get_relay_id (connection), relay_id))
      continue;
    if (!migrate (self, connection, now))
      g_ptr_array_add (self->to_migrate,
                       g_memdup2 (fz_connection_get_id (connection), sizeof (FzUuid)));
  }
}

static void
offer_candidate (FzNode *self, const FzRelayEvent *event, FzInstant now)
{
  for (uint32_t i = 0; i < self->slots->len; i++) {
    FzConnection *connection = fz_node_get_slot (self, i)->connection;

    if (connection == NULL)
      continue;
    if (event->kind == FZ_RELAY_EVENT_CANDIDATE_INVALID)
      fz_connection_invalidate_local_candidate (connection, &event->candidate, now);
    else if (event->candidate.kind != FZ_CANDIDATE_RELAYED ||
             fz_uuid_equal (fz_connection_get_relay_id (connection), &event->relay_id))
      fz_connection_add_local_candidate (connection, &event->candidate, now);
    else
      continue;
    fz_node_book (self, connection, now);
  }
}

static bool
has_established (const FzNode *self)
{
  for (uint32_t i = 0; i < self->slots->len; i++) {
    const FzConnection *connection = fz_node_get_slot (self, i)->connection;

    if (connection != NULL && fz_connection_is_established (connection))
      return true;
  }
  return false;
}

void
fz_node_end_relays (FzNode *self, FzInstant now)
{
  fz_relay_pool_end_allocations (self->context.relays);
  fz_node_drain_relays (self, now);
}

void
fz_node_restart_relays (FzNode *self, FzInstant now)
{
  fz_relay_pool_reset (self->context.relays, now);
  fz_node_drain_relays (self, now);
}

void
fz_node_drain_relays (FzNode *self, FzInstant now)
{
  FzRelayTransmit transmit;
  FzRelayEvent event;

  while (fz_relay_pool_poll_transmit (self->context.relays, &transmit))
    if (!fz_out_queue_push (
            &self->context.transmits, &transmit.to, NULL, FZ_ECN_NOT_ECT, transmit.data))
      self->context.drops[FZ_DROP_QUEUE_FULL]++;

  while (fz_relay_pool_poll_event (self->context.relays, &event)) {
    switch (event.kind) {
    case FZ_RELAY_EVENT_CANDIDATE:
    case FZ_RELAY_EVENT_CANDIDATE_INVALID:
      offer_candidate (self, &event, now);
      break;
    case FZ_RELAY_EVENT_GONE:
      migrate_from (self, &event.relay_id, now);
      break;
    case FZ_RELAY_EVENT_ADDRESS_TAKEN:
      if (!has_established (self)) /* a path that works is worth more */
        fz_node_emit (self, FZ_NODE_EVENT_ADDRESS_TAKEN, NULL);
      break;
    case FZ_RELAY_EVENT_NONE_LEFT:
      fz_node_emit (self, FZ_NODE_EVENT_NO_RELAYS, NULL);
      break;
    }
  }
  if (self->to_migrate->len > 0)
    migrate_waiting (self, now);
}

void
fz_node_update_relays (FzNode *self,
                       const FzUuid *removed,
                       size_t n_removed,
                       const FzRelay *offered,
                       size_t n_offered,
                       FzInstant now)
{
  fz_relay_pool_update (self->context.relays, removed, n_removed, offered, n_offered, now);
  fz_node_drain_relays (self, now);
}
