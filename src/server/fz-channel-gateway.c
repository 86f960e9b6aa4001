/* fz-channel-gateway.c
 *
 * A gateway: told to let clients in, told to keep them out, and asked for
 * nothing but its answers and its candidates (portal-protocol.md §6). The first
 * connection of a gateway wins; a second one is sent away.
 */
#include "src/server/fz-hub-private.h"
#include "src/server/fz-json.h"
#include "src/server/fz-view.h"

#include <string.h>

#define CLIENTS_PER_BROADCAST_MAX 256u

struct FzGatewayChannel {
  FzHub *hub;
  FzSocket *socket;
  const FzSession *session;
  bool is_iceless;
  FzRelayView relays;
  char *identity;        /* what init said about addresses and account, to notice changes */
  GHashTable *resources; /* id → its JSON text as the gateway knows it */
};

/* -- init -- */

static JsonObject *
interface_of (FzGatewayChannel *self, const FzDeviceRecord *device, const FzAccount *account)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "account_slug", account->slug);
  json_object_set_object_member (object, "interface", fz_view_interface (device, NULL));
  return object;
}

static JsonObject *
config_of (void)
{
  JsonObject *object = json_object_new ();

  json_object_set_boolean_member (object, "ipv4_masquerade_enabled", TRUE);
  json_object_set_boolean_member (object, "ipv6_masquerade_enabled", TRUE);
  return object;
}

static JsonArray *
authorizations_of (GPtrArray *grants)
{
  JsonArray *array = json_array_new ();

  for (unsigned i = 0; i < grants->len; i++)
    json_array_add_object_element (array, fz_view_authorization (g_ptr_array_index (grants, i)));
  return array;
}

/* Tells the gateway about a resource it knows in another form, or may. */
static void
refresh_resource (FzGatewayChannel *self, const char *resource_id, bool always)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzResourceRecord) resource =
      fz_store_resource_load (self->hub->store, resource_id, &error);
  g_autoptr (JsonObject) view = NULL;
  g_autofree char *text = NULL;

  if (resource == NULL) {
    fz_hub_log_error (self->hub, "loading a resource", error);
    return;
  }
  view = fz_view_resource_for_gateway (resource);
  text = fz_json_object_to_text (view);
  if (!always && g_strcmp0 (g_hash_table_lookup (self->resources, resource_id), text) == 0)
    return;
  fz_socket_push_object (self->socket, "resource_updated", g_steal_pointer (&view));
  g_hash_table_insert (self->resources, g_strdup (resource_id), g_steal_pointer (&text));
}

/* Distinct resources of the grants; those without any are forgotten. */
static void
refresh_resources (FzGatewayChannel *self, GPtrArray *grants, bool always)
{
  g_autoptr (GHashTable) granted = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer id;

  for (unsigned i = 0; i < grants->len; i++) {
    const FzGrant *grant = g_ptr_array_index (grants, i);

    if (g_hash_table_add (granted, grant->resource_id))
      refresh_resource (self, grant->resource_id, always);
  }
  g_hash_table_iter_init (&iter, self->resources);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (granted, id))
      g_hash_table_iter_remove (&iter);
}

static bool
push_init (FzGatewayChannel *self, const FzDeviceRecord *device, const FzAccount *account)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) grants =
      fz_store_grants_of_receiver (self->hub->store, device->id, fz_store_now (), &error);
  g_autoptr (JsonObject) payload = NULL;

  if (grants == NULL) {
    fz_hub_log_error (self->hub, "loading grants", error);
    return false;
  }
  payload = interface_of (self, device, account);
  g_free (self->identity);
  self->identity = fz_json_object_to_text (payload);
  json_object_set_object_member (payload, "config", config_of ());
  json_object_set_array_member (
      payload, "relays", fz_relay_view_choose (&self->relays, self->hub->relay_table));
  json_object_set_array_member (payload, "authorizations", authorizations_of (grants));
  json_object_set_object_member (payload, "flow_logs", fz_view_flow_logs (self->hub->external_url));
  fz_socket_push_object (self->socket, "init", g_steal_pointer (&payload));

  /* init lists grants without their resources: filters may have changed while it was away. */
  refresh_resources (self, grants, true);
  return true;
}

/* Device and account as they are now; false when one is gone or cannot be loaded. */
static bool
load_identity (FzGatewayChannel *self, FzDeviceRecord **out_device, FzAccount **out_account)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzDeviceRecord) device =
      fz_store_device_load (self->hub->store, self->session->device->id, &error);
  g_autoptr (FzAccount) account = NULL;

  if (device != NULL)
    account = fz_store_account_load (self->hub->store, device->account_id, &error);
  if (account == NULL) {
    if (error != NULL)
      fz_hub_log_error (self->hub, "loading a gateway", error);
    return false;
  }
  *out_device = g_steal_pointer (&device);
  *out_account = g_steal_pointer (&account);
  return true;
}

static bool
may_join (FzSocket *socket, JsonNode *payload)
{
  return true;
}

static void
left (void *channel)
{
  FzGatewayChannel *self = channel;

  g_hash_table_remove (self->hub->gateways, self->session->device->id);
  fz_relay_view_clear (&self->relays);
  g_hash_table_unref (self->resources);
  g_free (self->identity);
  g_free (self);
}

static void *
joined (FzSocket *socket, JsonNode *payload, void *hub)
{
  const FzSession *session = fz_socket_session (socket);
  FzGatewayChannel *self;
  g_autoptr (FzDeviceRecord) device = NULL;
  g_autoptr (FzAccount) account = NULL;
  g_autoptr (GError) error = NULL;
  bool is_new = false;

  if (fz_hub_is_gateway_connected (session->device->id, hub)) {
    fz_socket_disconnect (socket, "token_expired"); /* the older connection stays, §8.3 */
    return NULL;
  }
  self = g_new0 (FzGatewayChannel, 1);
  self->hub = hub;
  self->socket = socket;
  self->session = session;
  self->resources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  fz_relay_view_init (&self->relays, session->device->id, session->public_key, FZ_STORE_FOREVER);
  g_hash_table_insert (self->hub->gateways, session->device->id, socket);

  /* a gateway that was started anew: what it granted before is void, and its clients hear of it */
  if (!fz_store_gateway_joined (
          self->hub->store, session->device->id, session->public_key, &is_new, &error))
    fz_hub_log_error (self->hub, "noting a gateway's key", error);
  if (is_new)
    fz_hub_reconcile_soon (self->hub);

  if (load_identity (self, &device, &account) && push_init (self, device, account))
    return self;
  left (self);
  fz_socket_close (socket, "the portal cannot serve this gateway right now");
  return NULL;
}

/* -- what others tell it -- */

const FzSession *
fz_gateway_channel_session (const FzGatewayChannel *self)
{
  return self->session;
}

bool
fz_gateway_channel_is_iceless (const FzGatewayChannel *self)
{
  return self->is_iceless;
}

/* "Debian/12.0.0 headless-client/1.5.11 …" → "Debian", "12.0.0"; names may hold spaces. */
static void
set_os (JsonObject *client, const char *user_agent)
{
  const char *slash = strchr (user_agent, '/');
  const char *space = slash != NULL ? strchr (slash, ' ') : NULL;
  g_autofree char *name = NULL;
  g_autofree char *version = NULL;

  if (space != NULL) {
    name = g_strndup (user_agent, (gsize) (slash - user_agent));
    version = g_strndup (slash + 1, (gsize) (space - slash - 1));
  }
  fz_json_set_text_or_null (client, "device_os_name", name);
  fz_json_set_text_or_null (client, "device_os_version", version);
}

static JsonObject *
client_of (const FzAuthorizationOrder *order)
{
  JsonObject *client = json_object_new ();

  json_object_set_string_member (client, "id", order->device->id);
  json_object_set_string_member (client, "public_key", order->client->public_key);
  json_object_set_string_member (client, "preshared_key", order->preshared_key);
  json_object_set_string_member (client, "ipv4", order->device->ipv4);
  json_object_set_string_member (client, "ipv6", order->device->ipv6);
  fz_json_set_text_or_null (client, "version", order->client->version_text);
  fz_json_set_text_or_null (client, "device_serial", order->client->device_serial);
  fz_json_set_text_or_null (client, "device_uuid", order->client->device_uuid);
  set_os (client, order->client->user_agent);
  json_object_set_null_member (client, "identifier_for_vendor");
  json_object_set_null_member (client, "firebase_installation_id");
  return client;
}

/* Older gateways log it. */
static JsonObject *
subject_of (const FzSession *client)
{
  JsonObject *subject = json_object_new ();

  json_object_set_string_member (subject, "actor_id", client->token->actor_id);
  json_object_set_string_member (subject, "actor_name", client->token->actor_name);
  fz_json_set_text_or_null (subject, "actor_email", client->token->actor_email);
  json_object_set_string_member (subject, "actor_type", client->token->actor_type);
  json_object_set_null_member (subject, "auth_provider_id");
  json_object_set_string_member (subject, "ip", client->remote_ip);
  json_object_set_string_member (subject, "user_agent", client->user_agent);
  return subject;
}

void
fz_gateway_channel_authorize (FzGatewayChannel *self, const FzAuthorizationOrder *order)
{
  JsonObject *payload = json_object_new ();
  JsonObject *resource = fz_view_resource_for_gateway (order->resource);

  g_hash_table_insert (
      self->resources, g_strdup (order->resource->id), fz_json_object_to_text (resource));
  json_object_set_string_member (payload, "ref", order->ref);
  json_object_set_object_member (payload, "resource", resource);
  json_object_set_object_member (payload, "client", client_of (order));
  json_object_set_object_member (
      payload, "client_ice_credentials", json_object_ref (order->client_ice));
  json_object_set_object_member (
      payload, "gateway_ice_credentials", json_object_ref (order->gateway_ice));
  json_object_set_int_member (payload, "expires_at", order->expires_at);
  json_object_set_object_member (payload, "subject", subject_of (order->client));
  json_object_set_boolean_member (payload, "use_iceless", order->use_iceless);
  json_object_set_string_member (payload, "flow_logs_ingest_token", order->ingest_token);
  fz_socket_push_object (self->socket,
                         fz_event_name (self->session, "create_authorization", "authorize_flow"),
                         payload);
}

void
fz_gateway_channel_reject (FzGatewayChannel *self, const char *client_id, const char *resource_id)
{
  JsonObject *payload = json_object_new ();

  json_object_set_string_member (payload, "client_id", client_id);
  json_object_set_string_member (payload, "resource_id", resource_id);
  fz_socket_push_object (self->socket, "reject_access", payload);
}

void
fz_gateway_channel_candidates (FzGatewayChannel *self,
                               const char *client_id,
                               const char *const *candidates,
                               bool is_withdrawal)
{
  fz_socket_push_object (self->socket,
                         is_withdrawal ? "invalidate_ice_candidates" : "ice_candidates",
                         fz_view_candidates ("client_id", client_id, candidates));
}

void
fz_gateway_channel_relays_changed (FzGatewayChannel *self)
{
  JsonObject *payload = fz_relay_view_update (&self->relays, self->hub->relay_table);

  if (payload != NULL)
    fz_socket_push_object (self->socket, "relays_presence", payload);
}

void
fz_gateway_channel_reconcile (FzGatewayChannel *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzDeviceRecord) device = NULL;
  g_autoptr (FzAccount) account = NULL;
  g_autoptr (JsonObject) identity = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GPtrArray) grants = NULL;

  if (!load_identity (self, &device, &account)) {
    fz_socket_close (self->socket, "this gateway has been removed");
    return;
  }
  identity = interface_of (self, device, account);
  text = fz_json_object_to_text (identity);
  if (strcmp (text, self->identity) != 0) {
    push_init (self, device, account);
    return;
  }
  grants = fz_store_grants_of_receiver (self->hub->store, device->id, fz_store_now (), &error);
  if (grants != NULL)
    refresh_resources (self, grants, false);
  else
    fz_hub_log_error (self->hub, "loading grants", error);
}

/* -- what it tells us -- */

static void
release_client (const FzPending *pending, void *context)
{
  FzGatewayChannel *self = context;
  FzClientChannel *client = fz_hub_find_client (self->hub, pending->client_id);

  if (client != NULL)
    fz_client_channel_authorized (client, pending);
}

static FzAnswer
handle_authorized (FzGatewayChannel *self, JsonObject *payload)
{
  const char *ref = fz_json_text (payload, "ref");

  if (ref == NULL)
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  return fz_pending_table_take (
             self->hub->pending, ref, self->session->device->id, release_client, self) ==
                 FZ_PENDING_FORGED
             ? FZ_ANSWER_INVALID_REF
             : FZ_ANSWER_OK;
}

/* Only between ends that a grant joins. */
static FzAnswer
handle_candidates (FzGatewayChannel *self, JsonObject *payload, bool is_withdrawal)
{
  g_auto (GStrv) clients =
      fz_json_strv (payload, "client_ids", CLIENTS_PER_BROADCAST_MAX, FZ_UUID_TEXT_MAX);
  g_auto (GStrv) candidates =
      fz_json_strv (payload, "candidates", FZ_SOCKET_CANDIDATES_MAX, FZ_SOCKET_CANDIDATE_MAX);

  if (clients == NULL || candidates == NULL)
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  for (size_t i = 0; clients[i] != NULL; i++) {
    FzClientChannel *client = fz_hub_find_client (self->hub, clients[i]);
    g_autoptr (GError) error = NULL;
    bool exists = false;

    if (client == NULL)
      continue;
    if (!fz_store_grant_exists (self->hub->store,
                                clients[i],
                                self->session->device->id,
                                fz_store_now (),
                                &exists,
                                &error))
      fz_hub_log_error (self->hub, "looking for a grant", error);
    if (exists)
      fz_client_channel_candidates (
          client, self->session->device->id, (const char *const *) candidates, is_withdrawal);
  }
  return FZ_ANSWER_NONE;
}

static FzAnswer
message (void *channel, const char *event, JsonObject *payload)
{
  FzGatewayChannel *self = channel;

  if (strcmp (event, fz_event_name (self->session, "authorization_created", "flow_authorized")) ==
      0)
    return handle_authorized (self, payload);
  if (strcmp (event, "broadcast_ice_candidates") == 0)
    return handle_candidates (self, payload, false);
  if (strcmp (event, "broadcast_invalidated_ice_candidates") == 0)
    return handle_candidates (self, payload, true);
  if (strcmp (event, "set_snownet_capabilities") == 0) {
    self->is_iceless = fz_json_bool (payload, "iceless", false);
    return FZ_ANSWER_NONE;
  }
  if (strcmp (event, "no_relays") == 0) {
    fz_socket_push_object (self->socket,
                           "relays_presence",
                           fz_relay_view_refresh (&self->relays, self->hub->relay_table));
    return FZ_ANSWER_NONE;
  }
  return FZ_ANSWER_UNKNOWN_MESSAGE;
}

const FzChannelKind fz_gateway_channel_kind = {
  .topic = "gateway",
  .may_join = may_join,
  .joined = joined,
  .message = message,
  .left = left,
};
