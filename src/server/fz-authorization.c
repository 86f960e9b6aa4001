/* fz-authorization.c
 *
 * The order matters: the grant is durable before the gateway hears of it, and
 * the client hears last, so that no candidate can reach an end that does not
 * know the other one yet.
 */
#include "src/server/fz-authorization.h"

#include "src/server/fz-decision.h"
#include "src/server/fz-derive.h"
#include "src/server/fz-ingest-token.h"
#include "src/server/fz-view.h"

#include <string.h>

/* One authorization in the making. */
typedef struct {
  FzHub *hub;
  const FzAuthorizationRequest *request;
  const FzResourceRecord *resource;
  FzGatewayChannel *gateway;
  const FzSession *gateway_session;
  char *grant_id;
  char *initiator_token;
  char *responder_token;
  char *preshared_key;
  JsonObject *client_ice;
  JsonObject *gateway_ice;
  bool use_iceless;
} FzAuthorization;

static void
authorization_clear (FzAuthorization *self)
{
  g_free (self->grant_id);
  g_free (self->initiator_token);
  g_free (self->responder_token);
  g_free (self->preshared_key);
  g_clear_pointer (&self->client_ice, json_object_unref);
  g_clear_pointer (&self->gateway_ice, json_object_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzAuthorization, authorization_clear)

/* Gateways of the resource's site that are online; borrowed channels. */
static GPtrArray *
gateways_of_site (FzHub *hub, const char *site_id)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, hub->gateways);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const FzSession *session = fz_socket_session (value);

    if (fz_socket_channel (value) != NULL && g_strcmp0 (session->device->site_id, site_id) == 0)
      g_ptr_array_add (list, fz_socket_channel (value));
  }
  return list;
}

static FzAuthorizationResult
pick_gateway (FzAuthorization *self)
{
  g_autoptr (GPtrArray) gateways = gateways_of_site (self->hub, self->resource->site_id);
  g_autofree FzGatewayCandidate *candidates = g_new0 (FzGatewayCandidate, gateways->len + 1);
  size_t index = 0;

  for (unsigned i = 0; i < gateways->len; i++) {
    const FzSession *session = fz_gateway_channel_session (g_ptr_array_index (gateways, i));

    candidates[i] = (FzGatewayCandidate){ session->device->id, session->version };
  }
  switch (fz_decision_pick_gateway (candidates,
                                    gateways->len,
                                    self->request->connected,
                                    &self->request->client->version,
                                    fz_store_rng (self->hub->store),
                                    &index)) {
  case FZ_GATEWAY_CHOSEN:
    self->gateway = g_ptr_array_index (gateways, index);
    self->gateway_session = fz_gateway_channel_session (self->gateway);
    return FZ_AUTHORIZATION_ORDERED;
  case FZ_GATEWAY_OFFLINE:
    return FZ_AUTHORIZATION_OFFLINE;
  case FZ_GATEWAY_VERSION_MISMATCH:
    fz_log (&self->hub->log,
            FZ_LOG_WARNING,
            "version-mismatch",
            "no gateway of the site goes with this client's version",
            FZ_KV_TEXT ("client_id", self->request->device->id),
            FZ_KV_TEXT ("client_version", self->request->client->version_text),
            FZ_KV_TEXT ("site_id", self->resource->site_id));
    return FZ_AUTHORIZATION_VERSION_MISMATCH;
  }
  g_assert_not_reached ();
}

static bool
put_grant (FzAuthorization *self)
{
  g_autoptr (GError) error = NULL;
  FzGrantSpec spec = {
    .account_id = self->request->account->id,
    .policy_id = self->request->entitlement->policy_id,
    .resource_id = self->resource->id,
    .client_id = self->request->device->id,
    .receiver_id = self->gateway_session->device->id,
    .token_id = self->request->client->token->id,
    .membership_id = self->request->entitlement->membership_id,
    .expires_at = self->request->expires_at,
  };

  self->grant_id = fz_store_grant_put (self->hub->store, &spec, &error);
  if (self->grant_id == NULL)
    fz_hub_log_error (self->hub, "noting a grant", error);
  return self->grant_id != NULL;
}

static void
mint_tokens (FzAuthorization *self)
{
  const FzSession *client = self->request->client;
  const uint8_t *key = self->request->account->ingest_key;
  FzIngestClaims claims = {
    .account_id = self->request->account->id,
    .initiator_device_id = self->request->device->id,
    .responder_device_id = self->gateway_session->device->id,
    .authorization_id = self->grant_id,
    .policy_id = self->request->entitlement->policy_id,
    .resource_id = self->resource->id,
    .resource_name = self->resource->name,
    .resource_address = self->resource->address,
    .actor_id = client->token->actor_id,
    .actor_name = client->token->actor_name,
    .actor_email = client->token->actor_email,
    .client_version = client->version_text,
    .device_serial = client->device_serial,
    .device_uuid = client->device_uuid,
    .authorized_at = fz_store_now (),
    .expires_at = self->request->expires_at,
  };

  self->initiator_token = fz_ingest_token_mint (&claims, "initiator", key);
  self->responder_token = fz_ingest_token_mint (&claims, "responder", key);
}

static void
derive_secrets (FzAuthorization *self)
{
  const FzSession *gateway = self->gateway_session;
  FzEnd client_end = { self->request->device->id,
                       self->request->client->public_key,
                       self->request->device->psk_base };
  FzEnd gateway_end = { gateway->device->id, gateway->public_key, gateway->device->psk_base };
  FzIceSecrets ice;

  self->preshared_key = fz_derive_psk (&client_end, &gateway_end);
  fz_derive_ice (&client_end, &gateway_end, &ice);
  self->client_ice = fz_view_ice_credentials (ice.initiator.username, ice.initiator.password);
  self->gateway_ice = fz_view_ice_credentials (ice.receiver.username, ice.receiver.password);
}

/* What the client gets once the gateway is ready. */
static JsonObject *
answer_of (const FzAuthorization *self)
{
  const FzSession *gateway = self->gateway_session;
  const char *site_member =
      fz_version_has_sites (&self->request->client->version) ? "site_id" : "gateway_group_id";
  JsonObject *answer = json_object_new ();

  json_object_set_string_member (answer, "resource_id", self->resource->id);
  json_object_set_string_member (answer, "gateway_id", gateway->device->id);
  json_object_set_string_member (answer, site_member, gateway->device->site_id);
  json_object_set_string_member (answer, "gateway_public_key", gateway->public_key);
  json_object_set_string_member (answer, "gateway_ipv4", gateway->device->ipv4);
  json_object_set_string_member (answer, "gateway_ipv6", gateway->device->ipv6);
  json_object_set_string_member (answer, "preshared_key", self->preshared_key);
  json_object_set_object_member (
      answer, "client_ice_credentials", json_object_ref (self->client_ice));
  json_object_set_object_member (
      answer, "gateway_ice_credentials", json_object_ref (self->gateway_ice));
  json_object_set_boolean_member (answer, "use_iceless", self->use_iceless);
  json_object_set_string_member (answer, "flow_logs_ingest_token", self->initiator_token);
  return answer;
}

static void
tell_gateway (const FzAuthorization *self)
{
  g_autofree char *ref = fz_pending_table_add (self->hub->pending,
                                               self->request->device->id,
                                               self->resource->id,
                                               self->gateway_session->device->id,
                                               answer_of (self));
  FzAuthorizationOrder order = {
    .client = self->request->client,
    .device = self->request->device,
    .resource = self->resource,
    .expires_at = self->request->expires_at,
    .preshared_key = self->preshared_key,
    .client_ice = self->client_ice,
    .gateway_ice = self->gateway_ice,
    .use_iceless = self->use_iceless,
    .ingest_token = self->responder_token,
    .ref = ref,
  };

  fz_gateway_channel_authorize (self->gateway, &order);
  fz_log (&self->hub->log,
          FZ_LOG_INFO,
          "authorization-granted",
          "a client may use a resource through a gateway",
          FZ_KV_TEXT ("client_id", self->request->device->id),
          FZ_KV_TEXT ("gateway_id", self->gateway_session->device->id),
          FZ_KV_TEXT ("resource_id", self->resource->id),
          FZ_KV_TEXT ("policy_id", self->request->entitlement->policy_id),
          FZ_KV_I64 ("expires_at", self->request->expires_at));
}

FzAuthorizationResult
fz_authorization_order (FzHub *hub, const FzAuthorizationRequest *request)
{
  g_auto (FzAuthorization) self = {
    .hub = hub,
    .request = request,
    .resource = &request->entitlement->resource,
  };
  FzAuthorizationResult result = pick_gateway (&self);

  if (result != FZ_AUTHORIZATION_ORDERED)
    return result;
  if (!put_grant (&self))
    return FZ_AUTHORIZATION_FAILED;
  self.use_iceless = request->account->has_iceless && request->is_iceless &&
                     fz_gateway_channel_is_iceless (self.gateway);
  mint_tokens (&self);
  derive_secrets (&self);
  tell_gateway (&self);
  return FZ_AUTHORIZATION_ORDERED;
}
