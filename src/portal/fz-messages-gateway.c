/* fz-messages-gateway.c
 *
 * What the portal says to a gateway (portal-protocol.md §6.2). Unlike a
 * client's, a gateway's resources are parts of their message: a wrong one
 * refuses it, for access must never be granted by guess.
 */
#include "src/portal/fz-ingest-token.h"
#include "src/portal/fz-messages-private.h"

#include <string.h>

static void
read_filtered (FzMessageContext *c, JsonObject *o, FzResource *out)
{
  out->name = fz_json_get_string (&c->r, o, "resource", "name");
  out->filters =
      fz_read_filters (c, fz_json_get_array (&c->r, o, "resource", "filters"), &out->n_filters);
}

static FzResource
read_resource (FzMessageContext *c, JsonObject *o)
{
  const char *type = fz_json_get_string (&c->r, o, "resource", "type");
  FzResource out = { .id = fz_json_get_uuid (&c->r, o, "resource", "id") };

  if (type == NULL)
    return out;

  if (strcmp (type, "cidr") == 0) {
    out.kind = FZ_RESOURCE_CIDR;
    read_filtered (c, o, &out);
    out.network = fz_read_network (c, o, "resource");
  } else if (strcmp (type, "dns") == 0) {
    out.kind = FZ_RESOURCE_DNS;
    read_filtered (c, o, &out);
    out.pattern = fz_json_get_string (&c->r, o, "resource", "address");
  } else if (strcmp (type, "internet") == 0) {
    out.kind = FZ_RESOURCE_INTERNET;
    out.name = "Internet Resource";
  } else {
    fz_json_fail (&c->r, "resource", "type", "dns, cidr or internet");
  }
  return out;
}

static bool
read_init (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  JsonObject *o = fz_json_object (&c->r, payload, "init");
  JsonObject *config = fz_json_get_object (&c->r, o, "init", "config");

  out->kind = FZ_COMMAND_GATEWAY_INIT;
  out->gateway_init.interface = fz_read_interface (c, o, "interface");
  fz_json_get_bool (&c->r, config, "config", "ipv4_masquerade_enabled");
  fz_json_get_bool (&c->r, config, "config", "ipv6_masquerade_enabled");
  fz_json_get_optional_string (&c->r, o, "init", "account_slug");
  out->gateway_init.relays = fz_read_relays (
      c, fz_json_get_optional_array (&c->r, o, "init", "relays"), &out->gateway_init.n_relays);
  out->gateway_init.grants =
      fz_read_grants (c,
                      fz_json_get_optional_array (&c->r, o, "init", "authorizations"),
                      &out->gateway_init.n_grants);
  fz_read_flow_logs (c, o, "init");
  out->gateway_init.unix_now = c->unix_now;
  return true;
}

static bool
read_create_authorization (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  static const char what[] = "create_authorization";
  FzJsonReader *r = &c->r;
  JsonObject *o = fz_json_object (r, payload, what);
  JsonObject *client = fz_json_get_object (r, o, what, "client");

  out->kind = FZ_COMMAND_CREATE_AUTHORIZATION;
  out->create_authorization.ref = fz_json_get_string (r, o, what, "ref");
  out->create_authorization.resource =
      read_resource (c, fz_json_get_object (r, o, what, "resource"));
  out->create_authorization.client_id = fz_json_get_uuid (r, client, "client", "id");
  fz_json_get_key (r, client, "client", "public_key", out->create_authorization.client_public_key);
  fz_json_get_key (r, client, "client", "preshared_key", out->create_authorization.preshared_key);
  out->create_authorization.client_ipv4 = fz_json_get_ip (r, client, "client", "ipv4", FZ_IP_V4);
  out->create_authorization.client_ipv6 = fz_json_get_ip (r, client, "client", "ipv6", FZ_IP_V6);
  out->create_authorization.gateway_ice =
      fz_read_credentials (c, o, what, "gateway_ice_credentials");
  out->create_authorization.client_ice = fz_read_credentials (c, o, what, "client_ice_credentials");
  out->create_authorization.expires_at = fz_json_get_u64_or (r, o, what, "expires_at", UINT64_MAX);
  out->create_authorization.use_iceless = fz_json_get_bool_or (r, o, what, "use_iceless", false);
  out->create_authorization.unix_now = c->unix_now;
  fz_ingest_token_check (r, fz_json_get_string (r, o, what, "flow_logs_ingest_token"));
  return true;
}

static bool
read_new_candidates (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  return fz_read_candidates (c, payload, FZ_COMMAND_ADD_CANDIDATES, "client_id", out);
}

static bool
read_invalid_candidates (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  return fz_read_candidates (c, payload, FZ_COMMAND_INVALIDATE_CANDIDATES, "client_id", out);
}

static bool
read_reject_access (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  JsonObject *o = fz_json_object (&c->r, payload, "reject_access");

  out->kind = FZ_COMMAND_REJECT_ACCESS;
  out->reject_access.client_id = fz_json_get_uuid (&c->r, o, "reject_access", "client_id");
  out->reject_access.resource_id = fz_json_get_uuid (&c->r, o, "reject_access", "resource_id");
  return true;
}

static bool
read_resource_updated (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  out->kind = FZ_COMMAND_UPDATE_RESOURCE;
  out->resource = read_resource (c, fz_json_object (&c->r, payload, "resource_updated"));
  return true;
}

static bool
read_presence (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  fz_read_relays_presence (c, payload, out);
  return true;
}

bool
fz_read_gateway_message (FzMessageContext *c, const char *event, JsonNode *payload, FzCommand *out)
{
  static const struct {
    const char *event;
    bool (*read) (FzMessageContext *c, JsonNode *payload, FzCommand *out);
  } readers[] = {
    { "init", read_init },
    { "create_authorization", read_create_authorization },
    { "ice_candidates", read_new_candidates },
    { "invalidate_ice_candidates", read_invalid_candidates },
    { "reject_access", read_reject_access },
    { "resource_updated", read_resource_updated },
    { "relays_presence", read_presence },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (readers); i++)
    if (strcmp (readers[i].event, event) == 0)
      return readers[i].read (c, payload, out);
  return false;
}
