/* fz-gateway.c: see the header */

#include "src/engine/fz-gateway.h"

#include "src/dataplane/fz-lane.h"
#include "src/dataplane/fz-verdict.h"
#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-gateway-names.h"
#include "src/engine/fz-grants.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-uuid-table.h"
#include "src/proto/fz-p2p-control.h"

#include <string.h>

struct FzGateway {
  FzRoleContext *context;
  FzGrants *grants;
  FzGatewayNames *names;
  bool has_names; /* lanes look for sessions behind proxy addresses */
};

FzGateway *
fz_gateway_new (FzRoleContext *context)
{
  FzGateway *self = g_new0 (FzGateway, 1);

  self->context = context;
  self->grants = fz_grants_new ();
  self->names = fz_gateway_names_new (context);
  return self;
}

void
fz_gateway_free (FzGateway *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->names, fz_gateway_names_free);
  g_clear_pointer (&self->grants, fz_grants_free);
  g_free (self);
}

/* -- what lanes let through -- */

/* An address that another client has claimed since is that one's. */
static void
set_hosts (FzGateway *self, const FzGrantee *grantee, FzConnection *connection)
{
  const FzIp ips[] = { grantee->ipv4, grantee->ipv6 };
  FzIp held[G_N_ELEMENTS (ips)];
  size_t n = 0;

  for (size_t i = 0; i < G_N_ELEMENTS (ips); i++)
    if (fz_grants_find_by_ip (self->grants, &ips[i]) == grantee)
      held[n++] = ips[i];
  fz_node_set_hosts (self->context->node, connection, held, n);
}

static void
set_policies (FzGateway *self, const FzGrantee *grantee)
{
  FzConnection *connection = fz_node_find (self->context->node, &grantee->id);
  g_autoptr (GArray) sources = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));

  if (connection == NULL)
    return;
  fz_role_add_hosts (sources, &grantee->ipv4, &grantee->ipv6, NULL);
  fz_connection_set_sources (connection,
                             fz_policy_new ((const FzPolicyEntry *) sources->data, sources->len));
  fz_connection_set_nat (
      connection,
      grantee->translations != NULL ? fz_translations_get_nat (grantee->translations) : NULL);
  fz_connection_set_permissions (connection, fz_grants_make_permissions (grantee));
  set_hosts (self, grantee, connection);
}

bool
fz_gateway_has_names (const FzGateway *self)
{
  return self->has_names;
}

void
fz_gateway_add_networks (GArray *networks)
{
  g_array_append_val (networks, *fz_address_plan_get (FZ_RANGE_TUNNEL_V4));
  g_array_append_val (networks, *fz_address_plan_get (FZ_RANGE_TUNNEL_V6));
}

/* -- clients come and go -- */

static void
forget_client (FzGateway *self, const FzUuid *client_id)
{
  FzGrantee *grantee = fz_grants_find (self->grants, client_id);
  FzUuid id = *client_id; /* may lie in what is freed here */
  FzConnection *connection;

  if (grantee == NULL)
    return;
  connection = fz_node_find (self->context->node, &id);
  if (connection != NULL) {
    fz_connection_set_nat (connection, NULL);
    fz_node_set_hosts (self->context->node, connection, NULL, 0);
  }
  if (grantee->is_connected)
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_DISCONNECTED, &id);
  fz_grants_remove (self->grants, &id);
}

/* After its grants have changed. Without any left the client has no business here. */
static void
apply (FzGateway *self, FzGrantee *grantee, FzInstant now)
{
  FzUuid id = grantee->id;

  if (g_hash_table_size (grantee->grants) > 0) {
    set_policies (self, grantee);
    return;
  }
  fz_log (&self->context->log,
          FZ_LOG_INFO,
          "last-grant-gone",
          "client has no access left",
          FZ_KV_UUID ("client", &id));
  fz_node_close (self->context->node, &id, now);
  forget_client (self, &id);
}

/* -- commands -- */

/* Unix seconds to the clock that the calls come with (tunnel.md §6.2). */
static FzInstant
map_expiry (uint64_t expires_at, uint64_t unix_now, FzInstant now)
{
  if (expires_at == UINT64_MAX)
    return FZ_INSTANT_NEVER;
  if (expires_at <= unix_now)
    return now;
  if (expires_at - unix_now > UINT64_MAX / FZ_S)
    return FZ_INSTANT_NEVER;
  return fz_instant_add (now, (expires_at - unix_now) * FZ_S);
}

static bool
check_room (FzGateway *self, const FzCommand *command, GError **error)
{
  const FzGrantee *grantee =
      fz_grants_find (self->grants, &command->create_authorization.client_id);
  const FzUuid *resource_id = &command->create_authorization.resource.id;

  if (grantee == NULL ? fz_grants_get_n_grantees (self->grants) < FZ_PEERS_MAX
                      : g_hash_table_size (grantee->grants) < FZ_RESOURCES_MAX ||
                            fz_grants_find_grant (grantee, resource_id) != NULL)
    return true;
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_TOO_MANY, "no room for another grant");
  return false;
}

static bool
check_authorization (FzGateway *self, const FzCommand *command, GError **error)
{
  if (!fz_resource_check (&command->create_authorization.resource, error) ||
      !check_room (self, command, error))
    return false;
  if (command->create_authorization.client_ipv4.family != FZ_IP_V4 ||
      command->create_authorization.client_ipv6.family != FZ_IP_V6) {
    g_set_error_literal (
        error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, "client lacks an address");
    return false;
  }
  if (command->create_authorization.ref == NULL ||
      strnlen (command->create_authorization.ref, FZ_REF_MAX + 1) > FZ_REF_MAX) {
    g_set_error_literal (
        error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_TOO_MANY, "reference is missing or too long");
    return false;
  }
  return true;
}

/* The client's record. Whoever had one of its addresses may not send from it any more. */
static FzGrantee *
put_grantee (FzGateway *self, const FzUuid *id, const FzIp *ipv4, const FzIp *ipv6)
{
  const FzGrantee *before_v4 = fz_grants_find_by_ip (self->grants, ipv4);
  const FzGrantee *before_v6 = fz_grants_find_by_ip (self->grants, ipv6);
  bool is_other_v4 = before_v4 != NULL && !fz_uuid_equal (&before_v4->id, id);
  bool is_other_v6 = before_v6 != NULL && !fz_uuid_equal (&before_v6->id, id);
  FzGrantee *grantee = fz_grants_put (self->grants, id, ipv4, ipv6);

  if (is_other_v4)
    set_policies (self, before_v4);
  if (is_other_v6)
    set_policies (self, before_v6);
  return grantee;
}

static bool
handle_authorization (FzGateway *self, const FzCommand *command, FzInstant now, GError **error)
{
  FzConnectionRequest request = {
    .id = command->create_authorization.client_id,
    .public_key = command->create_authorization.client_public_key,
    .preshared_key = command->create_authorization.preshared_key,
    .local_ice = command->create_authorization.gateway_ice,
    .remote_ice = command->create_authorization.client_ice,
  };
  FzEvent event = { .kind = FZ_EVENT_AUTHORIZATION_ACCEPTED };
  FzGrantee *grantee;
  FzUpsert result;
  char *ref;

  if (!check_authorization (self, command, error))
    return false;
  result = fz_node_upsert (self->context->node, &request, now, NULL);
  if (result != FZ_UPSERT_DONE) /* without relays no answer: the client hears that we are offline */
    return fz_role_report_upsert (self->context, result, "client", error);

  grantee = put_grantee (self,
                         &command->create_authorization.client_id,
                         &command->create_authorization.client_ipv4,
                         &command->create_authorization.client_ipv6);
  fz_grants_grant (self->grants,
                   grantee,
                   &command->create_authorization.resource,
                   map_expiry (command->create_authorization.expires_at,
                               command->create_authorization.unix_now,
                               now));
  set_policies (self, grantee);

  ref = g_strdup (command->create_authorization.ref);
  event.authorization_ref = ref;
  fz_event_queue_push (&self->context->events, &event, ref);
  return true;
}

static void
reject (FzGateway *self, const FzCommand *command, FzInstant now)
{
  FzGrantee *grantee = fz_grants_find (self->grants, &command->reject_access.client_id);

  if (grantee == NULL ||
      !fz_grants_revoke (self->grants, grantee, &command->reject_access.resource_id))
    return;
  fz_log (&self->context->log,
          FZ_LOG_INFO,
          "access-rejected",
          "access of a client to a resource ends",
          FZ_KV_UUID ("client", &command->reject_access.client_id),
          FZ_KV_UUID ("resource", &command->reject_access.resource_id));
  apply (self, grantee, now);
}

static void
update_resource (FzGateway *self, const FzResource *resource)
{
  GHashTableIter iter;
  gpointer value;

  fz_grants_iter_init (self->grants, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (fz_grants_update (value, resource))
      set_policies (self, value);
}

/* Client id to the set of resource ids that the portal lists for it. */
static GHashTable *
group_grants (const FzGrant *grants, size_t n_grants)
{
  GHashTable *by_client = g_hash_table_new_full (
      fz_uuid_hash, fz_uuid_hash_equal, NULL, (GDestroyNotify) g_hash_table_unref);

  for (size_t i = 0; i < n_grants; i++) {
    GHashTable *set = g_hash_table_lookup (by_client, &grants[i].client_id);

    if (set == NULL) {
      set = fz_uuid_table_new (NULL);
      g_hash_table_insert (by_client, (void *) &grants[i].client_id, set);
    }
    g_hash_table_add (set, (void *) &grants[i].resource_id);
  }
  return by_client;
}

/* Everything that is not listed is revoked (§6.2, init). */
static void
retain (FzGateway *self, const FzGrant *grants, size_t n_grants, FzInstant now)
{
  g_autoptr (GHashTable) listed = group_grants (grants, n_grants);
  g_autoptr (GPtrArray) changed = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  fz_grants_iter_init (self->grants, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    FzGrantee *grantee = value;

    if (fz_grants_retain (self->grants, grantee, g_hash_table_lookup (listed, &grantee->id)))
      g_ptr_array_add (changed, grantee);
  }
  for (guint i = 0; i < changed->len; i++)
    apply (self, changed->pdata[i], now);
}

static bool
handle_init (FzGateway *self, const FzCommand *command, FzInstant now, GError **error)
{
  const FzGrant *grants = command->gateway_init.grants;

  if (!fz_interface_check (&command->gateway_init.interface, error))
    return false;
  fz_role_set_interface (self->context, &command->gateway_init.interface);
  fz_node_update_relays (self->context->node,
                         NULL,
                         0,
                         command->gateway_init.relays,
                         command->gateway_init.n_relays,
                         now);
  retain (self, grants, command->gateway_init.n_grants, now);
  for (size_t i = 0; i < command->gateway_init.n_grants; i++) {
    FzGrantee *grantee = fz_grants_find (self->grants, &grants[i].client_id);

    if (grantee != NULL)
      fz_grants_set_expiry (self->grants,
                            grantee,
                            &grants[i].resource_id,
                            map_expiry (grants[i].expires_at, command->gateway_init.unix_now, now));
  }
  return true;
}

/* -- packets -- */

static void
send_to_client (FzGateway *self, FzConnection *connection, FzSpan packet, FzInstant now)
{
  FzDrop reason = fz_node_send (self->context->node, connection, packet, FZ_ECN_NOT_ECT, now);

  if (reason != FZ_DROP_NONE)
    fz_role_drop (self->context, reason);
}

/* From the TUN: an ICMP error, which may be about a packet that was translated. */
void
fz_gateway_handle_packet (FzGateway *self, FzSpan bytes, FzInstant now)
{
  FzDrop reason = FZ_DROP_UNKNOWN_PEER;
  FzConnection *connection = NULL;
  uint8_t translated[FZ_ICMP_ERROR_MAX];
  const FzGrantee *grantee;
  FzIpPacket packet;
  size_t length;
  FzIp to;

  if (fz_ip_packet_parse (bytes, &packet) == FZ_DROP_NONE && fz_ip_packet_is_icmp_error (&packet)) {
    to = fz_ip_packet_get_destination (&packet);
    grantee = fz_grants_find_by_ip (self->grants, &to);
    if (grantee != NULL)
      connection = fz_node_find (self->context->node, &grantee->id);
  }
  if (connection == NULL) {
    fz_role_drop (self->context, reason);
    return;
  }
  length = fz_gateway_names_translate_error (grantee, &packet, now, translated);
  send_to_client (self, connection, length > 0 ? fz_span (translated, length) : bytes, now);
}

static void
send_status (FzGateway *self,
             FzConnection *connection,
             const FzP2pDomainStatus *status,
             FzInstant now)
{
  uint8_t packet[FZ_P2P_PACKET_MAX];
  size_t length = fz_p2p_write_domain_status (status, packet);

  if (length > 0)
    send_to_client (self, connection, fz_span (packet, length), now);
}

static void
handle_assigned_ips (FzGateway *self, FzConnection *connection, FzSpan payload, FzInstant now)
{
  FzGrantee *grantee = fz_grants_find (self->grants, fz_connection_get_id (connection));
  FzP2pAssignedIps assigned;
  FzP2pDomainStatus status = { 0 };

  if (fz_p2p_parse_assigned_ips (payload, &assigned) != FZ_DROP_NONE) {
    fz_role_drop (self->context, FZ_DROP_BAD_HEADER);
    return;
  }
  if (fz_gateway_names_handle_announcement (self->names, grantee, &assigned, now) ==
      FZ_ANNOUNCED_WAIT)
    return;
  status.resource = assigned.resource;
  g_strlcpy (status.domain, assigned.domain, sizeof status.domain);
  send_status (self, connection, &status, now);
}

/* Lanes know before the client does. */
static void
tell_answers (FzGateway *self, FzInstant now)
{
  FzDomainAnswer answer;

  while (fz_gateway_names_poll_answer (self->names, &answer)) {
    const FzGrantee *grantee = fz_grants_find (self->grants, &answer.client_id);
    FzConnection *connection = fz_node_find (self->context->node, &answer.client_id);

    if (grantee != NULL && answer.status.is_active) {
      set_policies (self, grantee);
      self->context->are_routes_changed = self->context->are_routes_changed || !self->has_names;
      self->has_names = true;
    }
    if (connection != NULL)
      send_status (self, connection, &answer.status, now);
  }
}

static void
handle_control (FzGateway *self, FzConnection *connection, const FzIpPacket *packet, FzInstant now)
{
  FzUuid id = *fz_connection_get_id (connection);
  uint8_t event;
  FzSpan payload;

  if (fz_p2p_parse (packet, &event, &payload) != FZ_DROP_NONE) {
    fz_role_drop (self->context, FZ_DROP_TRUNCATED);
    return;
  }
  switch (event) {
  case FZ_P2P_GOODBYE:
    fz_node_remove (self->context->node, &id, now);
    forget_client (self, &id);
    return;
  case FZ_P2P_ASSIGNED_IPS:
    handle_assigned_ips (self, connection, payload, now);
    return;
  default:
    fz_role_drop (self->context, FZ_DROP_UNKNOWN_PROTOCOL);
  }
}

/* Told "prohibited", a client asks the portal again; what the Internet resource never reaches is
 * not for asking (tunnel.md §6.4). */
static FzIcmpReason
choose_refusal (FzGateway *self, const FzConnection *connection, const FzIpPacket *packet)
{
  const FzGrantee *grantee = fz_grants_find (self->grants, fz_connection_get_id (connection));
  FzFlow flow = fz_flow_from_packet (packet);

  return grantee != NULL && fz_grants_has_internet (grantee) &&
                 fz_address_plan_is_private (&flow.destination) &&
                 !fz_verdict_is_tunnel_ip (&flow.destination)
             ? FZ_ICMP_UNREACHABLE
             : FZ_ICMP_PROHIBITED;
}

static void
refuse (FzGateway *self,
        FzConnection *connection,
        const FzIpPacket *packet,
        FzIcmpReason error,
        FzDrop reason,
        FzInstant now)
{
  uint8_t out[FZ_ICMP_ERROR_MAX];
  size_t length = fz_role_write_refusal (self->context, packet, error, reason, now, out);

  if (length > 0)
    send_to_client (self, connection, fz_span (out, length), now);
}

/* The permissions that a lane asked may have changed since. */
static bool
is_permitted (const FzConnection *connection, const FzIpPacket *packet)
{
  const FzPeer *peer = fz_connection_get_peer ((FzConnection *) connection);
  const FzPolicy *permissions = atomic_load_explicit (&peer->permissions, memory_order_relaxed);
  FzFlow flow = fz_flow_from_packet (packet);

  return permissions != NULL &&
         fz_policy_lookup (permissions, &flow.destination, fz_flow_key_outbound (&flow), NULL) ==
             FZ_POLICY_ADMITTED;
}

/* The first packet of a session with a proxy address, and those that came right behind it. */
static void
handle_proxied (FzGateway *self, FzConnection *connection, const FzIpPacket *packet, FzInstant now)
{
  FzGrantee *grantee = fz_grants_find (self->grants, fz_connection_get_id (connection));
  uint8_t bytes[FZ_MTU];
  FzIpPacket copy = *packet;
  FzDrop reason;

  if (grantee == NULL || packet->length > sizeof bytes || !is_permitted (connection, packet)) {
    refuse (self, connection, packet, FZ_ICMP_PROHIBITED, FZ_DROP_NOT_ALLOWED, now);
    return;
  }
  memcpy (bytes, packet->data, packet->length);
  copy.data = bytes;
  reason = fz_gateway_names_translate (self->names, grantee, bytes, &copy, now);
  if (reason == FZ_DROP_NONE)
    fz_role_deliver (self->context, fz_span (bytes, packet->length));
  else if (reason == FZ_DROP_NO_ROUTE)
    refuse (self, connection, packet, FZ_ICMP_UNREACHABLE, reason, now);
  else
    fz_role_drop (self->context, reason);
}

void
fz_gateway_handle_inner (FzGateway *self,
                         FzConnection *connection,
                         const FzIpPacket *packet,
                         FzDrop reason,
                         FzInstant now)
{
  if (reason == FZ_DROP_NO_NAT) {
    handle_proxied (self, connection, packet, now);
    return;
  }
  if (reason == FZ_DROP_NONE) {
    if (fz_ip_packet_is_control (packet))
      handle_control (self, connection, packet, now);
    else
      fz_role_drop (self->context, FZ_DROP_UNKNOWN_PROTOCOL);
    return;
  }

  /* Also to a spoofed source: inside the tunnel it reaches the spoofer (Q14). */
  refuse (self, connection, packet, choose_refusal (self, connection, packet), reason, now);
}

/* -- the command's way -- */

static bool
handle_resolved (FzGateway *self, const FzCommand *command, FzInstant now, GError **error)
{
  if (!fz_gateway_names_handle_resolved (self->names,
                                         self->grants,
                                         command->domain_resolved.id,
                                         command->domain_resolved.ips,
                                         command->domain_resolved.n_ips,
                                         command->domain_resolved.is_failed)) {
    g_set_error_literal (
        error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_UNKNOWN_ID, "nobody waits for that name any more");
    return false;
  }
  tell_answers (self, now);
  return true;
}

bool
fz_gateway_handle_command (FzGateway *self, const FzCommand *command, FzInstant now, GError **error)
{
  switch (command->kind) {
  case FZ_COMMAND_GATEWAY_INIT:
    return handle_init (self, command, now, error);
  case FZ_COMMAND_CREATE_AUTHORIZATION:
    return handle_authorization (self, command, now, error);
  case FZ_COMMAND_REJECT_ACCESS:
    reject (self, command, now);
    return true;
  case FZ_COMMAND_UPDATE_RESOURCE:
    if (!fz_resource_check (&command->resource, error))
      return false;
    update_resource (self, &command->resource);
    return true;
  case FZ_COMMAND_DOMAIN_RESOLVED:
    return handle_resolved (self, command, now, error);
  case FZ_COMMAND_PORTAL_CONNECTED:
  case FZ_COMMAND_PORTAL_DISCONNECTED:
  case FZ_COMMAND_RELAYS_PRESENCE:
  case FZ_COMMAND_ADD_CANDIDATES:
  case FZ_COMMAND_INVALIDATE_CANDIDATES:
  case FZ_COMMAND_CLIENT_INIT:
  case FZ_COMMAND_CONFIG_CHANGED:
  case FZ_COMMAND_UPSERT_RESOURCE:
  case FZ_COMMAND_REMOVE_RESOURCE:
  case FZ_COMMAND_AUTHORIZATION_CREATED:
  case FZ_COMMAND_AUTHORIZATION_FAILED:
  case FZ_COMMAND_SET_RESOLVERS:
  case FZ_COMMAND_DNS_ANSWER:
  case FZ_COMMAND_SET_INTERNET:
  case FZ_COMMAND_ADD_BARE_PEER:
  case FZ_COMMAND_NETWORK_CHANGED:
  case FZ_COMMAND_PORT_CHANGED:
  case FZ_COMMAND_SHUT_DOWN:
    break;
  }
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_WRONG_ROLE, "command is not for a gateway");
  return false;
}

/* -- events and time -- */

static void
handle_gone (FzGateway *self, const FzUuid *id)
{
  FzGrantee *grantee = fz_grants_find (self->grants, id);

  if (grantee == NULL || !grantee->is_connected)
    return;
  grantee->is_connected = false;
  fz_role_push_peer_event (self->context, FZ_EVENT_PEER_DISCONNECTED, id);
}

void
fz_gateway_handle_node_event (FzGateway *self, const FzNodeEvent *event, FzInstant now)
{
  FzGrantee *grantee = fz_grants_find (self->grants, &event->id);

  switch (event->kind) {
  case FZ_NODE_EVENT_ESTABLISHED:
    if (grantee != NULL)
      grantee->is_connected = true;
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_CONNECTED, &event->id);
    return;
  case FZ_NODE_EVENT_PATH_CHANGED:
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_PATH_CHANGED, &event->id);
    return;
  case FZ_NODE_EVENT_FAILED:
  case FZ_NODE_EVENT_CLOSED:
    handle_gone (self, &event->id);
    return;
  case FZ_NODE_EVENT_NO_RELAYS:
    fz_role_push_event (self->context, FZ_EVENT_NO_RELAYS);
    return;
  case FZ_NODE_EVENT_ADDRESS_TAKEN:
    fz_role_push_event (self->context, FZ_EVENT_ADDRESS_TAKEN);
    return;
  case FZ_NODE_EVENT_SESSION:
  case FZ_NODE_EVENT_SILENT:
    return;
  }
}

void
fz_gateway_handle_timeout (FzGateway *self, FzInstant now)
{
  FzGrantee *grantee;

  while ((grantee = fz_grants_pop_expired (self->grants, now)) != NULL)
    apply (self, grantee, now);
  fz_gateway_names_handle_timeout (self->names, self->grants, now);
  tell_answers (self, now);
}

FzInstant
fz_gateway_next_timeout (const FzGateway *self)
{
  return fz_instant_min (fz_grants_next_timeout (self->grants),
                         fz_gateway_names_next_timeout (self->names));
}

bool
fz_gateway_has_grant (const FzGateway *self, const FzUuid *client, const FzUuid *resource)
{
  const FzGrantee *grantee = fz_grants_find (self->grants, client);

  return grantee != NULL && fz_grants_find_grant (grantee, resource) != NULL;
}
