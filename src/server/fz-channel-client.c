/* fz-channel-client.c
 *
 * A client: given its resources, let in where a policy says so
 * (portal-protocol.md §§5, 8.3 to 8.5). The last connection of a client wins;
 * an older one is ended.
 */
#include "src/server/fz-authorization.h"
#include "src/server/fz-decision.h"
#include "src/server/fz-hub-private.h"
#include "src/server/fz-json.h"
#include "src/server/fz-view.h"

#include <string.h>

#define CONNECTED_GATEWAYS_MAX 256u
#define EXPIRY_STEP_S          3600 /* timers are re-armed at least this often: clocks step */

/* A resource as this client knows it. */
typedef struct {
  char *text; /* JSON */
  char *site_id;
} FzSentResource;

struct FzClientChannel {
  FzHub *hub;
  FzSocket *socket;
  const FzSession *session;
  const char *id; /* of the device */
  bool is_iceless;
  FzRelayView relays;
  char *addresses;       /* JSON of the interface without resolvers */
  char *interface;       /* JSON of the whole interface */
  GHashTable *resources; /* id → FzSentResource */
  guint expiry_id;
};

static void
sent_resource_free (gpointer data)
{
  FzSentResource *sent = data;

  g_free (sent->text);
  g_free (sent->site_id);
  g_free (sent);
}

/* -- what it should know -- */

/* Everything that decides what a client may reach, loaded afresh each time. */
typedef struct {
  FzDeviceRecord *device;
  FzAccount *account;
  GPtrArray *entitlements;
  FzDecisionContext context;
} FzClientState;

static void
state_clear (FzClientState *state)
{
  g_clear_pointer (&state->device, fz_device_record_free);
  g_clear_pointer (&state->account, fz_account_free);
  g_clear_pointer (&state->entitlements, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzClientState, state_clear)

/* False with no @error: the device has been removed. */
static bool
load_state (FzClientChannel *self, FzClientState *out, GError **error)
{
  FzStore *store = self->hub->store;

  out->device = fz_store_device_load (store, self->id, error);
  if (out->device == NULL)
    return false;
  out->account = fz_store_account_load (store, out->device->account_id, error);
  if (out->account == NULL)
    return false;
  out->entitlements = fz_store_entitlements (store, out->device->actor_id, error);
  if (out->entitlements == NULL)
    return false;
  out->context = (FzDecisionContext){
    .conditions = { fz_store_now (), self->session->remote_ip, out->device->is_verified },
    .token_expires_at = self->session->token->expires_at,
    .version = self->session->version,
  };
  return true;
}

static char *
interface_text (const FzDeviceRecord *device, const FzAccount *account)
{
  g_autoptr (JsonObject) view = fz_view_interface (device, account);

  return fz_json_object_to_text (view);
}

static void
remember_interface (FzClientChannel *self, const FzClientState *state)
{
  g_free (self->addresses);
  g_free (self->interface);
  self->addresses = interface_text (state->device, NULL);
  self->interface = interface_text (state->device, state->account);
}

static void
remember_resource (FzClientChannel *self, const FzResourceRecord *resource, char *text)
{
  FzSentResource *sent = g_new0 (FzSentResource, 1);

  sent->text = text;
  sent->site_id = g_strdup (resource->site_id);
  g_hash_table_replace (self->resources, g_strdup (resource->id), sent);
}

static JsonArray *
choose_resources (FzClientChannel *self, const FzClientState *state)
{
  g_autoptr (GPtrArray) resources = fz_decision_connectable (state->entitlements, &state->context);
  JsonArray *array = json_array_new ();

  g_hash_table_remove_all (self->resources);
  for (unsigned i = 0; i < resources->len; i++) {
    const FzResourceRecord *resource = g_ptr_array_index (resources, i);
    JsonObject *view = fz_view_resource_for_client (resource, &self->session->version);

    remember_resource (self, resource, fz_json_object_to_text (view));
    json_array_add_object_element (array, view);
  }
  return array;
}

static void
push_init (FzClientChannel *self, const FzClientState *state)
{
  JsonObject *payload = json_object_new ();

  remember_interface (self, state);
  json_object_set_object_member (
      payload, "interface", fz_view_interface (state->device, state->account));
  json_object_set_array_member (payload, "resources", choose_resources (self, state));
  json_object_set_array_member (
      payload, "relays", fz_relay_view_choose (&self->relays, self->hub->relay_table));
  json_object_set_array_member (payload, "authorizations", json_array_new ());
  json_object_set_object_member (payload, "flow_logs", fz_view_flow_logs (self->hub->external_url));
  fz_socket_push_object (self->socket, "init", payload);
}

/* -- joining and leaving -- */

static void arm_expiry (FzClientChannel *self);

static gboolean
on_expiry (gpointer user_data)
{
  FzClientChannel *self = user_data;

  self->expiry_id = 0;
  if (fz_hub_check_token (self->hub, self->socket))
    arm_expiry (self);
  return G_SOURCE_REMOVE;
}

static void
arm_expiry (FzClientChannel *self)
{
  int64_t left_s = self->session->token->expires_at - fz_store_now ();

  self->expiry_id =
      g_timeout_add_seconds ((guint) CLAMP (left_s + 1, 1, EXPIRY_STEP_S), on_expiry, self);
}

static bool
may_join (FzSocket *socket, JsonNode *payload)
{
  return true;
}

static void
left (void *channel)
{
  FzClientChannel *self = channel;

  g_clear_handle_id (&self->expiry_id, g_source_remove);
  fz_pending_table_drop_client (self->hub->pending, self->id);
  if (g_hash_table_lookup (self->hub->clients, self->id) == self->socket)
    g_hash_table_remove (self->hub->clients, self->id);
  fz_relay_view_clear (&self->relays);
  g_hash_table_unref (self->resources);
  g_free (self->addresses);
  g_free (self->interface);
  g_free (self);
}

static void *
joined (FzSocket *socket, JsonNode *payload, void *hub)
{
  const FzSession *session = fz_socket_session (socket);
  FzClientChannel *self = g_new0 (FzClientChannel, 1);
  g_autoptr (GError) error = NULL;
  g_auto (FzClientState) state = { 0 };
  FzSocket *older;

  self->hub = hub;
  self->socket = socket;
  self->session = session;
  self->id = session->device->id;
  self->resources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, sent_resource_free);
  fz_relay_view_init (&self->relays, self->id, session->public_key, session->token->expires_at);

  older = g_hash_table_lookup (self->hub->clients, self->id);
  if (older != NULL)
    fz_socket_disconnect (older, "token_expired"); /* §8.3; ends that process for good */
  g_hash_table_insert (self->hub->clients, (gpointer) self->id, socket);

  if (!load_state (self, &state, &error)) {
    if (error != NULL)
      fz_hub_log_error (self->hub, "loading a client", error);
    left (self);
    fz_socket_close (socket, "the portal cannot serve this client right now");
    return NULL;
  }
  push_init (self, &state);
  arm_expiry (self);
  return self;
}

/* -- changes -- */

static void
push_deleted (FzClientChannel *self, const char *resource_id)
{
  fz_socket_push_text (self->socket, "resource_deleted", resource_id);
}

/* Resources that are no longer connectable. */
static void
push_deletions (FzClientChannel *self, GPtrArray *wanted)
{
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer id;

  for (unsigned i = 0; i < wanted->len; i++)
    g_hash_table_add (ids, ((FzResourceRecord *) g_ptr_array_index (wanted, i))->id);
  g_hash_table_iter_init (&iter, self->resources);
  while (g_hash_table_iter_next (&iter, &id, NULL)) {
    if (g_hash_table_contains (ids, id))
      continue;
    push_deleted (self, id);
    g_hash_table_iter_remove (&iter);
  }
}

/* A client that lost its access but may have it again must forget the resource once, or it would
 * go on sending into a closed door (§10.3). */
static bool
must_forget_first (FzClientChannel *self,
                   const FzResourceRecord *resource,
                   const FzSentResource *sent,
                   GHashTable *revoked)
{
  if (revoked != NULL && g_hash_table_contains (revoked, resource->id))
    return true;
  return g_strcmp0 (sent->site_id, resource->site_id) != 0 &&
         !fz_version_can_move_resource (&self->session->version);
}

static void
push_additions (FzClientChannel *self, GPtrArray *wanted, GHashTable *revoked)
{
  for (unsigned i = 0; i < wanted->len; i++) {
    const FzResourceRecord *resource = g_ptr_array_index (wanted, i);
    const FzSentResource *sent = g_hash_table_lookup (self->resources, resource->id);
    JsonObject *view = fz_view_resource_for_client (resource, &self->session->version);
    g_autofree char *text = fz_json_object_to_text (view);
    bool forget = sent != NULL && must_forget_first (self, resource, sent, revoked);

    if (forget)
      push_deleted (self, resource->id);
    if (sent != NULL && !forget && strcmp (sent->text, text) == 0) {
      json_object_unref (view);
      continue;
    }
    fz_socket_push_object (self->socket, "resource_created_or_updated", view);
    remember_resource (self, resource, g_steal_pointer (&text));
  }
}

static void
reconcile_resources (FzClientChannel *self, const FzClientState *state, GHashTable *revoked)
{
  g_autoptr (GPtrArray) wanted = fz_decision_connectable (state->entitlements, &state->context);

  push_deletions (self, wanted);
  push_additions (self, wanted, revoked);
}

void
fz_client_channel_reconcile (FzClientChannel *self, GHashTable *revoked)
{
  g_autoptr (GError) error = NULL;
  g_auto (FzClientState) state = { 0 };
  g_autofree char *addresses = NULL;
  g_autofree char *interface = NULL;

  if (!load_state (self, &state, &error)) {
    if (error != NULL)
      fz_hub_log_error (self->hub, "loading a client", error);
    else
      fz_socket_close (self->socket, "this client has been removed");
    return;
  }

  addresses = interface_text (state.device, NULL);
  interface = interface_text (state.device, state.account);
  if (strcmp (addresses, self->addresses) != 0) {
    push_init (self, &state);
    return;
  }
  if (strcmp (interface, self->interface) != 0) {
    JsonObject *payload = json_object_new ();

    json_object_set_object_member (
        payload, "interface", fz_view_interface (state.device, state.account));
    fz_socket_push_object (self->socket, "config_changed", payload);
    remember_interface (self, &state);
  }
  reconcile_resources (self, &state, revoked);
}

void
fz_client_channel_relays_changed (FzClientChannel *self)
{
  JsonObject *payload = fz_relay_view_update (&self->relays, self->hub->relay_table);

  if (payload != NULL)
    fz_socket_push_object (self->socket, "relays_presence", payload);
}

void
fz_client_channel_candidates (FzClientChannel *self,
                              const char *gateway_id,
                              const char *const *candidates,
                              bool is_withdrawal)
{
  fz_socket_push_object (self->socket,
                         is_withdrawal ? "invalidate_ice_candidates" : "ice_candidates",
                         fz_view_candidates ("gateway_id", gateway_id, candidates));
}

/* -- asking for access -- */

static void
push_failure (FzClientChannel *self,
              const char *resource_id,
              const char *reason,
              GPtrArray *violated)
{
  JsonObject *payload = json_object_new ();

  json_object_set_string_member (payload, "resource_id", resource_id);
  json_object_set_string_member (payload, "reason", reason);
  if (violated != NULL) {
    JsonArray *array = json_array_new ();

    for (unsigned i = 0; i < violated->len; i++)
      json_array_add_string_element (array, g_ptr_array_index (violated, i));
    json_object_set_array_member (payload, "violated_properties", array);
  }
  fz_socket_push_object (
      self->socket,
      fz_event_name (self->session, "authorization_creation_failed", "flow_creation_failed"),
      payload);
  fz_log (&self->hub->log,
          FZ_LOG_DEBUG,
          "authorization-failed",
          "an authorization was refused",
          FZ_KV_TEXT ("client_id", self->id),
          FZ_KV_TEXT ("resource_id", resource_id),
          FZ_KV_TEXT ("reason", reason));
}

void
fz_client_channel_timed_out (FzClientChannel *self, const FzPending *pending)
{
  push_failure (self, pending->resource_id, "offline", NULL);
}

void
fz_client_channel_authorized (FzClientChannel *self, const FzPending *pending)
{
  fz_socket_push_object (self->socket,
                         fz_event_name (self->session, "authorization_created", "flow_created"),
                         json_object_ref (pending->answer));
}

static void
authorize (FzClientChannel *self,
           const FzClientState *state,
           const FzDecision *decision,
           const char *const *connected)
{
  FzAuthorizationRequest request = {
    .client = self->session,
    .device = state->device,
    .account = state->account,
    .entitlement = decision->entitlement,
    .expires_at = decision->expires_at,
    .connected = connected,
    .is_iceless = self->is_iceless,
  };
  const char *resource_id = decision->entitlement->resource.id;

  switch (fz_authorization_order (self->hub, &request)) {
  case FZ_AUTHORIZATION_ORDERED:
    break; /* the answer follows the gateway's */
  case FZ_AUTHORIZATION_OFFLINE:
    push_failure (self, resource_id, "offline", NULL);
    break;
  case FZ_AUTHORIZATION_VERSION_MISMATCH:
    push_failure (self, resource_id, "version_mismatch", NULL);
    break;
  case FZ_AUTHORIZATION_FAILED:
    push_failure (self, resource_id, "internal_error", NULL);
    break;
  }
}

static FzAnswer
handle_request (FzClientChannel *self, JsonObject *payload)
{
  const char *resource_id = fz_json_text (payload, "resource_id");
  g_auto (GStrv) connected =
      fz_json_strv (payload, "connected_gateway_ids", CONNECTED_GATEWAYS_MAX, FZ_UUID_TEXT_MAX);
  g_autoptr (GError) error = NULL;
  g_auto (FzClientState) state = { 0 };
  g_auto (FzDecision) decision = { 0 };
  FzUuid id;

  if (resource_id == NULL || !fz_uuid_parse (resource_id, &id))
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  if (!load_state (self, &state, &error)) {
    if (error != NULL)
      fz_hub_log_error (self->hub, "loading a client", error);
    push_failure (self, resource_id, "internal_error", NULL);
    return FZ_ANSWER_NONE;
  }

  fz_decision_make (state.entitlements, resource_id, &state.context, &decision);
  switch (decision.result) {
  case FZ_DECISION_GRANTED:
    authorize (self, &state, &decision, (const char *const *) connected);
    break;
  case FZ_DECISION_NOT_FOUND:
    push_failure (self, resource_id, "not_found", NULL);
    break;
  case FZ_DECISION_FORBIDDEN:
    push_failure (self, resource_id, "forbidden", decision.violated);
    break;
  }
  return FZ_ANSWER_NONE;
}

/* -- candidates -- */

static void
forward_candidates (FzClientChannel *self,
                    const char *gateway_id,
                    const char *const *candidates,
                    bool is_withdrawal)
{
  FzGatewayChannel *gateway = fz_hub_find_gateway (self->hub, gateway_id);
  g_autoptr (GError) error = NULL;
  bool exists = false;

  if (gateway == NULL)
    return;
  if (!fz_store_grant_exists (
          self->hub->store, self->id, gateway_id, fz_store_now (), &exists, &error))
    fz_hub_log_error (self->hub, "looking for a grant", error);
  if (exists)
    fz_gateway_channel_candidates (gateway, self->id, candidates, is_withdrawal);
}

static FzAnswer
handle_candidates (FzClientChannel *self, JsonObject *payload, bool is_withdrawal)
{
  const char *gateway_id = fz_json_text (payload, "gateway_id");
  g_auto (GStrv) candidates =
      fz_json_strv (payload, "candidates", FZ_SOCKET_CANDIDATES_MAX, FZ_SOCKET_CANDIDATE_MAX);

  if (gateway_id == NULL || candidates == NULL)
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  forward_candidates (self, gateway_id, (const char *const *) candidates, is_withdrawal);
  return FZ_ANSWER_NONE;
}

/* The form of old clients (§11.3). */
static FzAnswer
handle_broadcast (FzClientChannel *self, JsonObject *payload, bool is_withdrawal)
{
  g_auto (GStrv) gateways =
      fz_json_strv (payload, "gateway_ids", CONNECTED_GATEWAYS_MAX, FZ_UUID_TEXT_MAX);
  g_auto (GStrv) candidates =
      fz_json_strv (payload, "candidates", FZ_SOCKET_CANDIDATES_MAX, FZ_SOCKET_CANDIDATE_MAX);

  if (gateways == NULL || candidates == NULL)
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  for (size_t i = 0; gateways[i] != NULL; i++)
    forward_candidates (self, gateways[i], (const char *const *) candidates, is_withdrawal);
  return FZ_ANSWER_NONE;
}

/* -- device pools: there are none here, and the answers say so -- */

static FzAnswer
handle_resolve (FzClientChannel *self, JsonObject *payload)
{
  const char *resource_id = fz_json_text (payload, "resource_id");
  const char *domain = fz_json_text (payload, "domain");
  JsonObject *answer;

  if (resource_id == NULL || domain == NULL)
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  answer = json_object_new ();
  json_object_set_string_member (answer, "resource_id", resource_id);
  json_object_set_string_member (answer, "domain", domain);
  json_object_set_string_member (answer, "reason", "not_found");
  fz_socket_push_object (self->socket, "device_pool_domain_resolution_failed", answer);
  return FZ_ANSWER_NONE;
}

static FzAnswer
handle_client_withdrawal (FzClientChannel *self, JsonObject *payload)
{
  const char *client_id = fz_json_text (payload, "client_id");
  JsonObject *answer;

  if (client_id == NULL)
    return FZ_ANSWER_UNKNOWN_MESSAGE;
  answer = json_object_new ();
  json_object_set_string_member (answer, "client_id", client_id);
  json_object_set_string_member (answer, "reason", "offline");
  fz_socket_push_object (self->socket, "client_ice_candidate_error", answer);
  return FZ_ANSWER_NONE;
}

/* -- messages -- */

static FzAnswer
handle_capabilities (FzClientChannel *self, JsonObject *payload)
{
  self->is_iceless = fz_json_bool (payload, "iceless", false);
  return FZ_ANSWER_NONE;
}

static FzAnswer
handle_no_relays (FzClientChannel *self, JsonObject *payload)
{
  fz_socket_push_object (self->socket,
                         "relays_presence",
                         fz_relay_view_refresh (&self->relays, self->hub->relay_table));
  return FZ_ANSWER_NONE;
}

static FzAnswer
handle_new_candidates (FzClientChannel *self, JsonObject *payload)
{
  return handle_candidates (self, payload, false);
}

static FzAnswer
handle_withdrawn_candidates (FzClientChannel *self, JsonObject *payload)
{
  return handle_candidates (self, payload, true);
}

static FzAnswer
handle_new_broadcast (FzClientChannel *self, JsonObject *payload)
{
  return handle_broadcast (self, payload, false);
}

static FzAnswer
handle_withdrawn_broadcast (FzClientChannel *self, JsonObject *payload)
{
  return handle_broadcast (self, payload, true);
}

static FzAnswer
handle_nothing (FzClientChannel *self, JsonObject *payload)
{
  return FZ_ANSWER_NONE;
}

static FzAnswer
message (void *channel, const char *event, JsonObject *payload)
{
  static const struct {
    const char *event;
    FzAnswer (*handle) (FzClientChannel *self, JsonObject *payload);
  } handlers[] = {
    { "new_gateway_ice_candidates", handle_new_candidates },
    { "invalidate_gateway_ice_candidates", handle_withdrawn_candidates },
    { "broadcast_ice_candidates", handle_new_broadcast },
    { "broadcast_invalidated_ice_candidates", handle_withdrawn_broadcast },
    { "set_snownet_capabilities", handle_capabilities },
    { "no_relays", handle_no_relays },
    { "resolve_device_pool_domain", handle_resolve },
    { "new_client_ice_candidates", handle_nothing },
    { "invalidate_client_ice_candidates", handle_client_withdrawal },
    { "request_device_access", handle_nothing },
  };
  FzClientChannel *self = channel;

  if (strcmp (event, fz_event_name (self->session, "request_authorization", "create_flow")) == 0)
    return handle_request (self, payload);
  for (size_t i = 0; i < G_N_ELEMENTS (handlers); i++)
    if (strcmp (handlers[i].event, event) == 0)
      return handlers[i].handle (self, payload);
  return FZ_ANSWER_UNKNOWN_MESSAGE;
}

const FzChannelKind fz_client_channel_kind = {
  .topic = "client",
  .may_join = may_join,
  .joined = joined,
  .message = message,
  .left = left,
};
