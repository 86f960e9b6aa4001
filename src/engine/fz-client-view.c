/* fz-client-view.c
 *
 * The client as a person sees it (fz-view.h): put together from resources,
 * gateways and connections whenever somebody asks.
 */

#include "src/engine/fz-client-private.h"

static uint64_t
unix_us (uint64_t unix_ns_at_zero, FzInstant at)
{
  return at == 0 || at == FZ_INSTANT_NEVER ? 0 : (unix_ns_at_zero + at) / 1000u;
}

static uint32_t
to_us (uint64_t ns)
{
  uint64_t us = ns / 1000u;

  return us > UINT32_MAX ? UINT32_MAX : (uint32_t) us;
}

static FzReach
reach_of (const FzConnection *connection)
{
  FzPath path;

  if (connection == NULL || !fz_connection_is_established (connection) ||
      !fz_connection_get_path (connection, &path))
    return FZ_REACH_CONNECTING;
  return path.kind == FZ_PATH_DIRECT ? FZ_REACH_DIRECT : FZ_REACH_RELAYED;
}

/* -- gateways -- */

static void
read_path (FzGatewayView *view, const FzConnection *connection)
{
  FzPath path;
  uint64_t rtt_ns;

  if (!fz_connection_get_path (connection, &path))
    return;
  view->local = path.local;
  view->remote = path.remote;
  if (path.kind == FZ_PATH_RELAY_TO_PEER || path.kind == FZ_PATH_RELAY_TO_RELAY)
    view->relay_id = *fz_connection_get_relay_id (connection);
  if (fz_connection_get_rtt (connection, &rtt_ns))
    view->rtt_us = to_us (rtt_ns);
}

static void
read_traffic (FzGatewayView *view, const FzPeer *peer, uint64_t unix_ns_at_zero)
{
  const FzKeypair *keypair = atomic_load_explicit (&peer->sending, memory_order_acquire);
  FzInstant sent = atomic_load_explicit (&peer->sent_data_at, memory_order_relaxed);
  FzInstant received = atomic_load_explicit (&peer->received_data_at, memory_order_relaxed);

  if (keypair != NULL)
    view->last_handshake_us = unix_us (unix_ns_at_zero, keypair->created_at);
  view->last_activity_us = unix_us (unix_ns_at_zero, MAX (sent, received));
  view->tx_bytes = atomic_load_explicit (&peer->sent_bytes, memory_order_relaxed);
  view->rx_bytes = atomic_load_explicit (&peer->received_bytes, memory_order_relaxed);
  view->tx_packets = atomic_load_explicit (&peer->sent_packets, memory_order_relaxed);
  view->rx_packets = atomic_load_explicit (&peer->received_packets, memory_order_relaxed);
}

size_t
fz_client_get_gateways (FzClient *self, uint64_t unix_ns_at_zero, const FzGatewayView **out)
{
  GHashTableIter iter;
  gpointer value;

  g_array_set_size (self->gateway_views, 0);
  fz_client_gateways_iter_init (self->gateways, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const FzClientGateway *gateway = value;
    FzConnection *connection = fz_node_find (self->context->node, &gateway->id);
    FzGatewayView view = {
      .id = gateway->id,
      .site_id = gateway->site_id,
      .reach = reach_of (connection),
    };

    if (connection != NULL) {
      read_path (&view, connection);
      read_traffic (&view, fz_connection_get_peer (connection), unix_ns_at_zero);
    }
    g_array_append_val (self->gateway_views, view);
  }
  *out = (const FzGatewayView *) self->gateway_views->data;
  return self->gateway_views->len;
}

/* -- resources -- */

static void
read_reach (FzClient *self, FzResourceView *view)
{
  const FzUuid *id = &view->resource->id;
  const FzClientGateway *gateway = fz_client_gateways_find_for (self->gateways, id);

  view->reach = FZ_REACH_IDLE;
  if (gateway != NULL) {
    view->reach = reach_of (fz_node_find (self->context->node, &gateway->id));
    view->gateway_id = gateway->id;
  } else if (g_hash_table_contains (self->denied, id)) {
    view->reach = FZ_REACH_DENIED;
  } else if (view->status == FZ_RESOURCE_STATUS_OFFLINE) {
    view->reach = FZ_REACH_OFFLINE;
  } else if (fz_authorizations_is_pending (self->pending, id)) {
    view->reach = FZ_REACH_CONNECTING;
  }
}

size_t
fz_client_get_view (FzClient *self, const FzResourceView **out)
{
  const FzResourceView *views;
  size_t n = fz_resources_get_view (self->resources, &views);

  g_array_set_size (self->resource_views, 0);
  g_array_append_vals (self->resource_views, views, (guint) n);
  for (size_t i = 0; i < n; i++)
    read_reach (self, &g_array_index (self->resource_views, FzResourceView, i));
  *out = (const FzResourceView *) self->resource_views->data;
  return n;
}

bool
fz_client_is_internet_on (const FzClient *self)
{
  return self->is_internet_on;
}
