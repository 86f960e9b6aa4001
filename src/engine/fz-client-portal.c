/* fz-client-portal.c
 *
 * What the portal says to a client: its resources, and the answers to its
 * questions (tunnel.md §§2.2, 2.6, 7.4, 8.6).
 */

#include "src/engine/fz-client-dns.h"
#include "src/engine/fz-client-private.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-uuid-table.h"

/* Notifications are for once per resource and session (tunnel.md §8.6). */
typedef struct {
  FzUuid resource_id;
  bool is_offline_told;
  bool is_version_told;
} Notice;

/* -- resources -- */

/* §2.2, disable: whatever hangs on the resource goes. */
static void
disable_resource (FzClient *self, const FzUuid *resource_id, FzInstant now)
{
  FzClientGateway *gateway = fz_client_gateways_deauthorize (self->gateways, resource_id);

  fz_authorizations_forget (self->pending, resource_id);
  fz_client_dns_forget_resource (self, resource_id);
  g_hash_table_remove (self->denied, resource_id);
  fz_client_gateways_forget_resource (self->gateways, resource_id);
  if (gateway != NULL)
    fz_client_close_if_unused (self, gateway, now);
}

/* §2.4: off takes the resource's connection; on only adds routes, traffic does the rest. */
static void
set_internet (FzClient *self, bool is_on, FzInstant now)
{
  if (self->is_internet_on == is_on)
    return;
  self->is_internet_on = is_on;
  for (size_t i = 0; i < fz_resources_get_count (self->resources); i++) {
    const FzResource *resource = fz_resources_get (self->resources, i);

    if (resource->kind == FZ_RESOURCE_INTERNET && !is_on)
      disable_resource (self, &resource->id, now);
  }
  fz_client_note_resources (self);
}

static void
remove_resource (FzClient *self, const FzUuid *resource_id, FzInstant now)
{
  FzUuid id = *resource_id;

  disable_resource (self, &id, now);
  fz_client_dns_note_resource (self, &id, NULL);
  fz_resources_remove (self->resources, &id);
  fz_client_note_resources (self);
}

static void
upsert_resource (FzClient *self, const FzResource *resource, FzInstant now)
{
  const FzResource *old = fz_resources_find (self->resources, &resource->id);

  if (old != NULL && !fz_resource_has_same_access (old, resource)) {
    remove_resource (self, &resource->id, now);
    old = NULL;
  }
  fz_resources_put (self->resources, resource);
  fz_client_dns_note_resource (self, &resource->id, resource);
  if (old == NULL)
    fz_log (&self->context->log,
            FZ_LOG_DEBUG,
            "resource-added",
            "resource added",
            FZ_KV_UUID ("resource", &resource->id),
            FZ_KV_TEXT ("name", resource->name));
  fz_client_note_resources (self);
}

static void
set_resources (FzClient *self, const FzResource *resources, size_t n_resources, FzInstant now)
{
  g_autoptr (GHashTable) listed = fz_uuid_table_new (NULL);

  for (size_t i = 0; i < n_resources; i++)
    g_hash_table_add (listed, (void *) &resources[i].id);
  for (size_t i = fz_resources_get_count (self->resources); i-- > 0;) {
    const FzResource *known = fz_resources_get (self->resources, i);

    if (!g_hash_table_contains (listed, &known->id))
      remove_resource (self, &known->id, now);
  }
  for (size_t i = 0; i < n_resources; i++)
    upsert_resource (self, &resources[i], now);
}

/* -- answers of the portal -- */

/* The resource moves to @gateway, from another if need be. */
static void
note_authorized (FzClient *self, const FzCommand *command, const FzUuid *resource_id, FzInstant now)
{
  FzClientGateway *before = fz_client_gateways_deauthorize (self->gateways, resource_id);
  FzClientGateway *gateway =
      fz_client_gateways_put (self->gateways, &command->authorization_created.gateway_id);

  fz_client_dns_forget_resource (self,
                                 resource_id); /* whoever serves it now must be told of names */
  gateway->site_id = command->authorization_created.site_id;
  gateway->ipv4 = command->authorization_created.gateway_ipv4;
  gateway->ipv6 = command->authorization_created.gateway_ipv6;
  fz_client_gateways_authorize (self->gateways, gateway, resource_id);
  fz_client_set_sources (self, gateway);
  if (before != NULL && before != gateway)
    fz_client_close_if_unused (self, before, now);
  fz_client_note_routes (self);
}

static bool
handle_authorization (FzClient *self, const FzCommand *command, FzInstant now, GError **error)
{
  const FzUuid *resource_id = &command->authorization_created.resource_id;
  FzConnectionRequest request = {
    .id = command->authorization_created.gateway_id,
    .public_key = command->authorization_created.gateway_public_key,
    .preshared_key = command->authorization_created.preshared_key,
    .local_ice = command->authorization_created.client_ice,
    .remote_ice = command->authorization_created.gateway_ice,
    .is_controlling = true,
  };
  g_autoptr (FzPacketBuffer) waiting = NULL;
  FzConnection *connection = fz_node_find (self->context->node, &request.id);
  uint32_t before = connection != NULL ? fz_connection_get_connection_id (connection) : 0;
  FzUpsert result;

  if (fz_resources_find (self->resources, resource_id) == NULL ||
      !fz_authorizations_is_pending (self->pending, resource_id)) {
    fz_log (&self->context->log,
            FZ_LOG_DEBUG,
            "authorization-ignored",
            "authorization for which nobody waits",
            FZ_KV_UUID ("resource", resource_id));
    return true;
  }
  result = fz_node_upsert (self->context->node, &request, now, &connection);
  if (result == FZ_UPSERT_NO_RELAYS) /* what waited is lost; new traffic asks again (§7.4) */
    fz_authorizations_forget (self->pending, resource_id);
  if (result != FZ_UPSERT_DONE)
    return fz_role_report_upsert (self->context, result, "gateway", error);

  /* A new connection to a known gateway: what was authorized on the old one is gone there. */
  if (before != 0 && before != fz_connection_get_connection_id (connection))
    fz_client_clean_up_gateway (self, &request.id, now);
  g_hash_table_remove (self->denied, resource_id);
  note_authorized (self, command, resource_id, now);
  waiting = fz_authorizations_steal (self->pending, resource_id);
  fz_client_replay (self, waiting, now);
  return true;
}

static Notice *
get_notice (FzClient *self, const FzUuid *resource_id)
{
  Notice *notice = g_hash_table_lookup (self->notified, resource_id);

  if (notice == NULL) {
    notice = g_new0 (Notice, 1);
    notice->resource_id = *resource_id;
    g_hash_table_insert (self->notified, &notice->resource_id, notice);
  }
  return notice;
}

static void
tell_once (FzClient *self, const FzUuid *resource_id, FzEventKind kind, bool *is_told)
{
  FzEvent event = { .kind = kind, .resource_id = *resource_id };

  if (*is_told)
    return;
  *is_told = true;
  fz_event_queue_push (&self->context->events, &event, NULL);
}

/* §2.6 and Q10: all sites of the resource, then the gateway that served it. */
static void
handle_offline (FzClient *self, const FzResource *resource, FzInstant now)
{
  FzClientGateway *gateway = fz_client_gateways_find_for (self->gateways, &resource->id);

  fz_authorizations_forget (self->pending, &resource->id);
  for (size_t i = 0; i < resource->n_sites; i++)
    fz_resources_set_site_status (
        self->resources, &resource->sites[i].id, FZ_RESOURCE_STATUS_OFFLINE, now);
  if (gateway != NULL) {
    FzUuid id = gateway->id;

    fz_node_close (self->context->node, &id, now);
    fz_client_clean_up_gateway (self, &id, now);
  }
  tell_once (self,
             &resource->id,
             FZ_EVENT_GATEWAYS_OFFLINE,
             &get_notice (self, &resource->id)->is_offline_told);
}

/* What waits stays: further traffic asks again (§8.6). A person hears of it once. */
static void
note_denied (FzClient *self, const FzUuid *resource_id)
{
  FzEvent event = { .kind = FZ_EVENT_ACCESS_DENIED, .resource_id = *resource_id };
  FzUuid *id = g_new (FzUuid, 1);

  *id = *resource_id;
  if (g_hash_table_replace (self->denied, id, id))
    fz_event_queue_push (&self->context->events, &event, NULL);
}

static void
handle_failure (FzClient *self, const FzUuid *resource_id, FzFailureReason reason, FzInstant now)
{
  const FzResource *resource = fz_resources_find (self->resources, resource_id);

  fz_log (&self->context->log,
          FZ_LOG_INFO,
          "authorization-failed",
          "the portal refuses access to a resource",
          FZ_KV_UUID ("resource", resource_id),
          FZ_KV_U64 ("reason", reason));
  if (resource == NULL)
    return;
  fz_authorizations_note_refused (self->pending, resource_id);
  switch (reason) {
  case FZ_FAILURE_OFFLINE:
    handle_offline (self, resource, now);
    return;
  case FZ_FAILURE_VERSION_MISMATCH:
    tell_once (self,
               resource_id,
               FZ_EVENT_GATEWAY_VERSION_MISMATCH,
               &get_notice (self, resource_id)->is_version_told);
    return;
  case FZ_FAILURE_FORBIDDEN:
    note_denied (self, resource_id);
    return;
  case FZ_FAILURE_UNKNOWN:
  case FZ_FAILURE_NOT_FOUND:
  case FZ_FAILURE_DISABLED:
    return; /* what waits stays: further traffic asks again (§8.6) */
  }
}

/* -- commands -- */

static bool
check_resources (const FzResource *resources, size_t n_resources, GError **error)
{
  if (n_resources > FZ_RESOURCES_MAX) {
    g_set_error (error,
                 FZ_ENGINE_ERROR,
                 FZ_ENGINE_ERROR_TOO_MANY,
                 "%zu resources, at most %u are allowed",
                 n_resources,
                 FZ_RESOURCES_MAX);
    return false;
  }
  for (size_t i = 0; i < n_resources; i++)
    if (!fz_resource_check (&resources[i], error))
      return false;
  return true;
}

static bool
handle_init (FzClient *self, const FzCommand *command, FzInstant now, GError **error)
{
  if (!fz_interface_check (&command->client_init.interface, error) ||
      !check_resources (command->client_init.resources, command->client_init.n_resources, error))
    return false;

  fz_role_set_interface (self->context, &command->client_init.interface);
  fz_client_dns_set_interface (self, self->context->interface);
  set_resources (self, command->client_init.resources, command->client_init.n_resources, now);
  fz_node_update_relays (self->context->node,
                         NULL,
                         0,
                         command->client_init.relays,
                         command->client_init.n_relays,
                         now);
  fz_client_ask_again (self, now);
  return true;
}

static bool
handle_upsert (FzClient *self, const FzResource *resource, FzInstant now, GError **error)
{
  size_t n = fz_resources_get_count (self->resources);
  bool is_known = fz_resources_find (self->resources, &resource->id) != NULL;

  if (!check_resources (resource, 1, error))
    return false;
  if (!is_known && n >= FZ_RESOURCES_MAX)
    return check_resources (resource, n + 1, error);
  upsert_resource (self, resource, now);
  return true;
}

bool
fz_client_handle_command (FzClient *self, const FzCommand *command, FzInstant now, GError **error)
{
  switch (command->kind) {
  case FZ_COMMAND_CLIENT_INIT:
    return handle_init (self, command, now, error);
  case FZ_COMMAND_CONFIG_CHANGED:
    if (!fz_interface_check (&command->config_changed, error))
      return false;
    fz_role_set_interface (self->context, &command->config_changed);
    fz_client_dns_set_interface (self, self->context->interface);
    return true;
  case FZ_COMMAND_UPSERT_RESOURCE:
    return handle_upsert (self, &command->resource, now, error);
  case FZ_COMMAND_REMOVE_RESOURCE:
    if (fz_resources_find (self->resources, &command->remove_resource) != NULL) {
      remove_resource (self, &command->remove_resource, now);
      return true;
    }
    g_set_error_literal (
        error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_UNKNOWN_ID, "resource is not known");
    return false;
  case FZ_COMMAND_AUTHORIZATION_CREATED:
    return handle_authorization (self, command, now, error);
  case FZ_COMMAND_AUTHORIZATION_FAILED:
    handle_failure (self,
                    &command->authorization_failed.resource_id,
                    command->authorization_failed.reason,
                    now);
    return true;
  case FZ_COMMAND_SET_INTERNET:
    set_internet (self, command->set_internet, now);
    return true;
  case FZ_COMMAND_SET_RESOLVERS:
    fz_client_dns_set_resolvers (self, command->set_resolvers.ips, command->set_resolvers.n_ips);
    return true;
  case FZ_COMMAND_DNS_ANSWER:
    fz_client_dns_handle_answer (self,
                                 command->dns_answer.id,
                                 fz_span (command->dns_answer.message, command->dns_answer.length),
                                 now);
    return true;
  case FZ_COMMAND_PORTAL_CONNECTED:
  case FZ_COMMAND_PORTAL_DISCONNECTED:
  case FZ_COMMAND_RELAYS_PRESENCE:
  case FZ_COMMAND_ADD_CANDIDATES:
  case FZ_COMMAND_INVALIDATE_CANDIDATES:
  case FZ_COMMAND_GATEWAY_INIT:
  case FZ_COMMAND_CREATE_AUTHORIZATION:
  case FZ_COMMAND_REJECT_ACCESS:
  case FZ_COMMAND_UPDATE_RESOURCE:
  case FZ_COMMAND_DOMAIN_RESOLVED:
  case FZ_COMMAND_ADD_BARE_PEER:
  case FZ_COMMAND_NETWORK_CHANGED:
  case FZ_COMMAND_PORT_CHANGED:
  case FZ_COMMAND_SHUT_DOWN:
    break;
  }
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_WRONG_ROLE, "command is not for a client");
  return false;
}
