/* fz-client.c: see the header */

#include "src/dataplane/fz-lane.h"
#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-client-dns.h"
#include "src/engine/fz-client-private.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-quoted.h"
#include "src/engine/fz-resource-routes.h"
#include "src/engine/fz-uuid-table.h"
#include "src/proto/fz-p2p-control.h"

FzClient *
fz_client_new (FzRoleContext *context)
{
  FzClient *self = g_new0 (FzClient, 1);

  self->context = context;
  self->resources = fz_resources_new ();
  self->pending = fz_authorizations_new (&context->drops[FZ_DROP_NO_SESSION]);
  self->gateways = fz_client_gateways_new ();
  self->notified = fz_uuid_table_new (g_free);
  self->denied = fz_uuid_table_new (g_free);
  self->dns = fz_client_dns_new (context->rng, &context->drops[FZ_DROP_NO_SESSION]);
  self->resource_views = g_array_new (FALSE, FALSE, sizeof (FzResourceView));
  self->gateway_views = g_array_new (FALSE, FALSE, sizeof (FzGatewayView));
  return self;
}

void
fz_client_free (FzClient *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->resources, fz_resources_free);
  g_clear_pointer (&self->pending, fz_authorizations_free);
  g_clear_pointer (&self->gateways, fz_client_gateways_free);
  g_hash_table_unref (self->notified);
  g_hash_table_unref (self->denied);
  g_array_unref (self->resource_views);
  g_array_unref (self->gateway_views);
  g_clear_pointer (&self->dns, fz_client_dns_free);
  g_clear_pointer (&self->policy, fz_policy_free);
  g_free (self);
}

/* -- small questions -- */

FzPeer *
fz_client_get_peer (const FzClient *self, const FzClientGateway *gateway)
{
  FzConnection *connection = fz_node_find (self->context->node, &gateway->id);

  return connection != NULL && fz_connection_is_established (connection)
             ? fz_connection_get_peer (connection)
             : NULL;
}

bool
fz_client_is_routed (const FzClient *self, const FzResource *resource)
{
  return resource->kind != FZ_RESOURCE_INTERNET || self->is_internet_on;
}

void
fz_client_note_routes (FzClient *self)
{
  self->context->are_routes_changed = true;
}

void
fz_client_note_resources (FzClient *self)
{
  g_clear_pointer (&self->policy, fz_policy_free);
  self->context->is_interface_changed = true;
  fz_client_note_routes (self);
}

/* -- what lanes let through -- */

/* From a gateway: its own addresses and the networks of what it is authorized for (§7.3). */
void
fz_client_set_sources (FzClient *self, const FzClientGateway *gateway)
{
  FzConnection *connection = fz_node_find (self->context->node, &gateway->id);
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));
  GHashTableIter iter;
  gpointer key;

  if (connection == NULL)
    return;
  fz_role_add_hosts (entries, &gateway->ipv4, &gateway->ipv6, NULL);
  g_hash_table_iter_init (&iter, gateway->resources);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    const FzResource *resource = fz_resources_find (self->resources, key);
    FzResource unfiltered;

    if (resource == NULL || !fz_client_is_routed (self, resource))
      continue;
    unfiltered = *resource;
    unfiltered.n_filters = 0;
    fz_resource_routes_append (entries, &unfiltered, NULL);
  }
  fz_client_dns_add_sources (self, gateway, entries);
  fz_connection_set_sources (connection,
                             fz_policy_new ((const FzPolicyEntry *) entries->data, entries->len));
}

/* The tunnel's own addresses are peers' or nobody's (§3.3). */
static void
append_holes (GArray *entries)
{
  fz_resource_routes_append_holes (entries, fz_address_plan_get (FZ_RANGE_TUNNEL_V4), 1);
  fz_resource_routes_append_holes (entries, fz_address_plan_get (FZ_RANGE_TUNNEL_V6), 1);
}

const FzPolicy *
fz_client_get_policy (FzClient *self)
{
  g_autoptr (GArray) entries = NULL;

  if (self->policy != NULL)
    return self->policy;
  entries = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));
  for (size_t i = 0; i < fz_resources_get_count (self->resources); i++) {
    const FzResource *resource = fz_resources_get (self->resources, i);

    if (fz_client_is_routed (self, resource))
      fz_resource_routes_append (entries, resource, NULL);
  }
  append_holes (entries);
  self->policy = fz_policy_new ((const FzPolicyEntry *) entries->data, entries->len);
  return self->policy;
}

void
fz_client_add_routes (FzClient *self, GArray *entries)
{
  GHashTableIter iter;
  gpointer value;

  for (size_t i = 0; i < fz_resources_get_count (self->resources); i++) {
    const FzResource *resource = fz_resources_get (self->resources, i);
    const FzClientGateway *gateway = fz_client_gateways_find_for (self->gateways, &resource->id);

    if (fz_client_is_routed (self, resource))
      fz_resource_routes_append (
          entries, resource, gateway != NULL ? fz_client_get_peer (self, gateway) : NULL);
  }
  append_holes (entries);
  fz_client_dns_add_routes (self, entries);
  fz_client_gateways_iter_init (self->gateways, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const FzClientGateway *gateway = value;

    fz_role_add_hosts (entries, &gateway->ipv4, &gateway->ipv6, fz_client_get_peer (self, gateway));
  }
}

void
fz_client_add_networks (const FzClient *self, GArray *networks)
{
  for (size_t i = 0; i < fz_resources_get_count (self->resources); i++) {
    const FzResource *resource = fz_resources_get (self->resources, i);

    if (resource->kind == FZ_RESOURCE_CIDR)
      g_array_append_val (networks, resource->network);
    else if (resource->kind == FZ_RESOURCE_INTERNET && self->is_internet_on)
      g_array_append_vals (
          networks, fz_address_plan_everything, G_N_ELEMENTS (fz_address_plan_everything));
  }
  for (int i = 0; i < FZ_N_RANGES; i++)
    g_array_append_val (networks, *fz_address_plan_get ((FzRange) i));
}

/* -- asking the portal -- */

static void
ask (FzClient *self, const FzUuid *resource_id)
{
  g_autoptr (GArray) ids = fz_client_gateways_get_preferred (self->gateways, resource_id);
  FzEvent event = { .kind = FZ_EVENT_REQUEST_AUTHORIZATION };
  gsize n;
  FzUuid *owned;

  fz_log (&self->context->log,
          FZ_LOG_DEBUG,
          "authorization-requested",
          "asking the portal for access to a resource",
          FZ_KV_UUID ("resource", resource_id));
  owned = g_array_steal (ids, &n);
  event.request_authorization.resource_id = *resource_id;
  event.request_authorization.connected_gateway_ids = owned;
  event.request_authorization.n_connected = n;
  fz_event_queue_push (&self->context->events, &event, owned);
}

void
fz_client_want_authorization (FzClient *self,
                              const FzUuid *resource_id,
                              FzSpan packet,
                              FzInstant now)
{
  size_t n_pushed_out = 0;

  self->context->packets_buffered += packet.data != NULL;
  if (fz_authorizations_want (self->pending, resource_id, packet, now, &n_pushed_out))
    ask (self, resource_id);
  fz_role_note_pushed_out (self->context, n_pushed_out);
}

void
fz_client_ask_again (FzClient *self, FzInstant now)
{
  g_autoptr (GArray) ids = fz_authorizations_repeat (self->pending, now);

  for (guint i = 0; i < ids->len; i++)
    ask (self, &g_array_index (ids, FzUuid, i));
}

/* -- packets -- */

void
fz_client_send_or_keep (FzClient *self,
                        FzClientGateway *gateway,
                        const FzIpPacket *packet,
                        FzInstant now)
{
  FzConnection *connection = fz_node_find (self->context->node, &gateway->id);

  if (connection == NULL)
    fz_role_drop (self->context, FZ_DROP_UNKNOWN_PEER);
  else
    fz_role_send_or_keep (self->context, connection, packet, &gateway->waiting, now);
}

/* tunnel.md §7.2, steps 2 to 8; false: dropped and counted. */
static bool
check_packet (FzClient *self, FzSpan bytes, FzIpPacket *packet, FzFlow *flow)
{
  FzDrop reason = fz_ip_packet_parse (bytes, packet);

  if (reason == FZ_DROP_NONE) {
    *flow = fz_flow_from_packet (packet);
    if (packet->length > FZ_MTU)
      reason = FZ_DROP_TOO_LARGE;
    else if (fz_ip_is_multicast (&flow->destination))
      reason = FZ_DROP_MULTICAST;
    else if (!fz_role_is_own_ip (self->context, &flow->source))
      reason = FZ_DROP_NOT_TUNNEL_SOURCE;
    else if (fz_role_is_own_ip (self->context, &flow->destination))
      reason = FZ_DROP_TO_SELF;
    else if (flow->protocol == FZ_PROTOCOL_ICMP_ERROR)
      reason = FZ_DROP_NOT_ALLOWED; /* only client peers may get one, on flows of theirs */
  }
  if (reason != FZ_DROP_NONE)
    fz_role_drop (self->context, reason);
  return reason == FZ_DROP_NONE;
}

void
fz_client_refuse (FzClient *self, const FzIpPacket *packet, FzInstant now)
{
  uint8_t error[FZ_ICMP_ERROR_MAX];
  size_t length = fz_role_write_refusal (
      self->context, packet, FZ_ICMP_PROHIBITED, FZ_DROP_NOT_ALLOWED, now, error);

  if (length > 0)
    fz_role_deliver (self->context, fz_span (error, length));
}

void
fz_client_handle_packet (FzClient *self, FzSpan bytes, FzInstant now)
{
  const FzPolicyEntry *entry = NULL;
  FzIpPacket packet;
  FzFlow flow;
  FzClientGateway *gateway;

  if (!check_packet (self, bytes, &packet, &flow) ||
      fz_client_dns_handle_packet (self, &packet, &flow, now))
    return;
  gateway = fz_client_gateways_find_by_ip (self->gateways, &flow.destination);
  if (gateway != NULL) {
    fz_client_send_or_keep (self, gateway, &packet, now);
    return;
  }

  switch (fz_policy_lookup (
      fz_client_get_policy (self), &flow.destination, fz_flow_key_outbound (&flow), &entry)) {
  case FZ_POLICY_NO_ENTRY:
    fz_role_drop (self->context, FZ_DROP_NO_ROUTE);
    return;
  case FZ_POLICY_DENIED:
    fz_client_refuse (self, &packet, now);
    return;
  case FZ_POLICY_ADMITTED:
    break;
  }
  gateway = fz_client_gateways_find_for (self->gateways, &entry->resource);
  if (gateway != NULL)
    fz_client_send_or_keep (self, gateway, &packet, now);
  else
    fz_client_want_authorization (
        self, &entry->resource, fz_span (packet.data, packet.length), now);
}

void
fz_client_replay (FzClient *self, FzPacketBuffer *packets, FzInstant now)
{
  FzSpan packet;

  while (packets != NULL && fz_packet_buffer_pop (packets, &packet))
    fz_client_handle_packet (self, packet, now);
}

static void
flush_gateway (FzClient *self, const FzUuid *id, FzInstant now)
{
  FzClientGateway *gateway = fz_client_gateways_find (self->gateways, id);
  g_autoptr (FzPacketBuffer) waiting = NULL;

  if (gateway == NULL)
    return;
  fz_client_dns_handle_session (self, id, now);
  waiting = g_steal_pointer (&gateway->waiting);
  fz_client_replay (self, waiting, now);
}

/* -- gateways come and go -- */

void
fz_client_clean_up_gateway (FzClient *self, const FzUuid *id, FzInstant now)
{
  FzClientGateway *gateway = fz_client_gateways_find (self->gateways, id);

  if (gateway == NULL)
    return;
  fz_resources_set_site_status (
      self->resources, &gateway->site_id, FZ_RESOURCE_STATUS_UNKNOWN, now);
  if (gateway->is_connected)
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_DISCONNECTED, id);
  fz_client_dns_forget_gateway (self, id);
  fz_client_gateways_remove (self->gateways, id);
  fz_client_note_routes (self);
}

void
fz_client_close_if_unused (FzClient *self, FzClientGateway *gateway, FzInstant now)
{
  FzUuid id = gateway->id;

  if (g_hash_table_size (gateway->resources) > 0) {
    fz_client_set_sources (self, gateway);
    return;
  }
  fz_node_close (self->context->node, &id, now);
  fz_client_clean_up_gateway (self, &id, now);
}

/* -- what peers say -- */

/* The resource that a refused packet was for; NULL if it was not ours, or is not admitted. */
static const FzUuid *
find_refused (FzClient *self, const FzFlow *quoted)
{
  const FzPolicyEntry *entry = NULL;
  const FzResource *resource = fz_client_dns_find_resource (self, quoted);

  if (resource != NULL)
    return &resource->id;
  return fz_policy_lookup (fz_client_get_policy (self),
                           &quoted->destination,
                           fz_flow_key_outbound (quoted),
                           &entry) == FZ_POLICY_ADMITTED
             ? &entry->resource
             : NULL;
}

/* "Prohibited" from the gateway that we think is authorized: it has forgotten, or the policy is
 * gone. Ask, so that traffic flows again if it may (portal-protocol.md §10.3). */
static void
handle_icmp_error (FzClient *self,
                   FzConnection *connection,
                   const FzIpPacket *packet,
                   FzInstant now)
{
  bool is_readable, is_own = false;
  const FzUuid *resource_id = NULL;
  const FzClientGateway *gateway;
  FzFlow quoted;

  is_readable = fz_quoted_parse (packet, &quoted) == FZ_DROP_NONE &&
                fz_role_is_own_ip (self->context, &quoted.source);
  if (is_readable && fz_quoted_is_prohibited (packet))
    resource_id = find_refused (self, &quoted);
  if (resource_id != NULL) {
    gateway = fz_client_gateways_find_for (self->gateways, resource_id);
    if (gateway != NULL && fz_uuid_equal (&gateway->id, fz_connection_get_id (connection)))
      fz_client_want_authorization (self, resource_id, (FzSpan){ 0 }, now);
  }
  if (is_readable)
    is_own = fz_client_dns_handle_icmp_error (self, &quoted, now);
  if (!is_own)
    fz_role_deliver (self->context, fz_span (packet->data, packet->length));
}

static void
handle_goodbye (FzClient *self, FzConnection *connection, FzInstant now)
{
  FzUuid id = *fz_connection_get_id (connection);

  fz_node_remove (self->context->node, &id, now);
  fz_client_clean_up_gateway (self, &id, now);
}

static void
handle_control (FzClient *self, FzConnection *connection, const FzIpPacket *packet, FzInstant now)
{
  uint8_t event;
  FzSpan payload;

  if (fz_p2p_parse (packet, &event, &payload) != FZ_DROP_NONE)
    return;
  if (event == FZ_P2P_GOODBYE)
    handle_goodbye (self, connection, now);
  else if (event == FZ_P2P_DOMAIN_STATUS)
    fz_client_dns_handle_status (self, fz_connection_get_id (connection), payload, now);
}

void
fz_client_handle_inner (FzClient *self,
                        FzConnection *connection,
                        const FzIpPacket *packet,
                        FzDrop reason,
                        FzInstant now)
{
  if (reason != FZ_DROP_NONE) {
    fz_role_drop (self->context, reason);
  } else if (fz_ip_packet_is_control (packet)) {
    handle_control (self, connection, packet, now);
  } else if (fz_ip_packet_is_icmp_error (packet)) {
    handle_icmp_error (self, connection, packet, now);
  } else if (packet->protocol == FZ_IP_PROTOCOL_UDP) { /* from a resolver */
    if (!fz_client_dns_handle_inner (self, packet, now))
      fz_role_deliver (self->context, fz_span (packet->data, packet->length));
  } else {
    fz_role_drop (self->context, FZ_DROP_UNKNOWN_PROTOCOL);
  }
}

/* -- events and time -- */

static void
handle_established (FzClient *self, const FzUuid *id, FzInstant now)
{
  FzClientGateway *gateway = fz_client_gateways_find (self->gateways, id);

  if (gateway == NULL)
    return;
  gateway->is_connected = true;
  fz_resources_set_site_status (self->resources, &gateway->site_id, FZ_RESOURCE_STATUS_ONLINE, now);
  fz_client_note_routes (self);
  fz_role_push_peer_event (self->context, FZ_EVENT_PEER_CONNECTED, id);
  flush_gateway (self, id, now);
}

void
fz_client_handle_node_event (FzClient *self, const FzNodeEvent *event, FzInstant now)
{
  switch (event->kind) {
  case FZ_NODE_EVENT_ESTABLISHED:
    handle_established (self, &event->id, now);
    return;
  case FZ_NODE_EVENT_SESSION:
    flush_gateway (self, &event->id, now);
    return;
  case FZ_NODE_EVENT_PATH_CHANGED:
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_PATH_CHANGED, &event->id);
    return;
  case FZ_NODE_EVENT_FAILED:
  case FZ_NODE_EVENT_CLOSED:
    fz_client_clean_up_gateway (self, &event->id, now);
    return;
  case FZ_NODE_EVENT_NO_RELAYS:
    fz_role_push_event (self->context, FZ_EVENT_NO_RELAYS);
    return;
  case FZ_NODE_EVENT_ADDRESS_TAKEN:
    fz_role_push_event (self->context, FZ_EVENT_ADDRESS_TAKEN);
    return;
  case FZ_NODE_EVENT_SILENT:
    return; /* of bare peers only */
  }
}

void
fz_client_handle_timeout (FzClient *self, FzInstant now)
{
  fz_resources_handle_timeout (self->resources, now);
  fz_client_dns_handle_timeout (self, now);
}

FzInstant
fz_client_next_timeout (const FzClient *self)
{
  return fz_instant_min (fz_resources_next_timeout (self->resources),
                         fz_client_dns_next_timeout (self));
}

bool
fz_client_poll_resources_changed (FzClient *self)
{
  return fz_resources_poll_changed (self->resources);
}

size_t
fz_client_get_sentinels (const FzClient *self, const FzSentinel **out, uint64_t *out_serial)
{
  return fz_client_dns_get_sentinels (self, out, out_serial);
}

void
fz_client_add_resolvers (const FzClient *self, GArray *ips)
{
  fz_client_dns_add_resolvers (self, ips);
}
