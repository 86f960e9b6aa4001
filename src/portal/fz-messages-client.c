/* fz-messages-client.c
 *
 * What the portal says to a client (portal-protocol.md §5.2).
 */
#include "src/portal/fz-ingest-token.h"
#include "src/portal/fz-messages-private.h"

#include <string.h>

#define INTERNET_RESOURCE_NAME "Internet Resource"

/* -- resources -- */

static const FzSite *
read_sites (FzMessageContext *c, JsonObject *object, size_t *out_n)
{
  bool is_old = fz_json_member (object, "gateway_groups") != NULL;
  bool is_new = fz_json_member (object, "sites") != NULL;
  JsonArray *array;
  FzSite *sites;
  unsigned n;

  if (is_old && is_new)
    fz_json_fail (&c->r, "resource", "sites", "no gateway_groups beside it");
  array = fz_json_get_array (&c->r, object, "resource", is_old ? "gateway_groups" : "sites");
  n = array != NULL ? json_array_get_length (array) : 0;
  if (n > FZ_MESSAGES_SITES_MAX) {
    fz_json_fail (&c->r, "resource", "sites", "fewer entries");
    n = 0;
  }

  sites = fz_arena_take (c->arena, n, sizeof *sites);
  for (unsigned i = 0; i < n; i++) {
    JsonObject *o = fz_json_object (&c->r, json_array_get_element (array, i), "site");

    sites[i].id = fz_json_get_uuid (&c->r, o, "site", "id");
    sites[i].name = fz_json_get_string (&c->r, o, "site", "name");
  }
  *out_n = n;
  return sites;
}

static void
read_named (FzMessageContext *c, JsonObject *o, FzResource *out)
{
  out->name = fz_json_get_string (&c->r, o, "resource", "name");
  out->description = fz_json_get_optional_string (&c->r, o, "resource", "address_description");
  out->filters = fz_read_filters (
      c, fz_json_get_optional_array (&c->r, o, "resource", "filters"), &out->n_filters);
}

static FzIpStack
read_ip_stack (FzMessageContext *c, JsonObject *o)
{
  const char *stack = fz_json_get_optional_string (&c->r, o, "resource", "ip_stack");

  if (stack == NULL || strcmp (stack, "dual") == 0)
    return FZ_IP_STACK_DUAL;
  if (strcmp (stack, "ipv4_only") == 0)
    return FZ_IP_STACK_IPV4_ONLY;
  if (strcmp (stack, "ipv6_only") != 0)
    fz_json_fail (&c->r, "resource", "ip_stack", "dual, ipv4_only or ipv6_only");
  return FZ_IP_STACK_IPV6_ONLY;
}

/* The members of one resource whose type is known and ours. */
static void
read_resource_members (FzMessageContext *c, JsonObject *o, FzResource *out)
{
  out->id = fz_json_get_uuid (&c->r, o, "resource", "id");
  out->sites = read_sites (c, o, &out->n_sites);

  switch (out->kind) {
  case FZ_RESOURCE_CIDR:
    read_named (c, o, out);
    out->network = fz_read_network (c, o, "resource");
    break;
  case FZ_RESOURCE_DNS:
    read_named (c, o, out);
    out->pattern = fz_json_get_string (&c->r, o, "resource", "address");
    out->ip_stack = read_ip_stack (c, o);
    break;
  case FZ_RESOURCE_INTERNET:
    out->name = INTERNET_RESOURCE_NAME;
    if (fz_json_member (o, "name") != NULL)
      out->name = fz_json_get_string (&c->r, o, "resource", "name");
    break;
  }
}

/* Device pools come in a later protocol step of ours; unknown types belong to a newer portal. */
static bool
parse_kind (const char *type, FzResourceKind *out)
{
  static const struct {
    const char *type;
    FzResourceKind kind;
  } kinds[] = {
    { "cidr", FZ_RESOURCE_CIDR },
    { "dns", FZ_RESOURCE_DNS },
    { "internet", FZ_RESOURCE_INTERNET },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].type, type) == 0) {
      *out = kinds[i].kind;
      return true;
    }
  return false;
}

/* Each resource stands for itself: a malformed one is skipped, one of a type we do not know
 * likewise. Only an entry without any type spoils the message around it. */
static bool
read_resource (FzMessageContext *c, JsonNode *node, FzResource *out)
{
  FzMessageContext own = *c;
  JsonObject *o = fz_json_object (&c->r, node, "resource");
  const char *type = fz_json_get_string (&c->r, o, "resource", "type");

  if (type == NULL || !parse_kind (type, &out->kind))
    return false;

  own.r = FZ_JSON_READER_INIT;
  read_resource_members (&own, o, out);
  if (!own.r.ok)
    fz_log (c->log,
            FZ_LOG_WARNING,
            "portal-bad-resource",
            "skipped a resource that the portal described wrongly",
            FZ_KV_TEXT ("problem", own.r.problem),
            FZ_KV_UUID ("resource", &out->id));
  return own.r.ok;
}

static const FzResource *
read_resources (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = array != NULL ? json_array_get_length (array) : 0;
  FzResource *resources = fz_arena_take (c->arena, n, sizeof *resources);
  size_t n_resources = 0;

  for (unsigned i = 0; i < n; i++) {
    FzResource resource = { 0 };

    if (read_resource (c, json_array_get_element (array, i), &resource))
      resources[n_resources++] = resource;
  }
  *out_n = n_resources;
  return resources;
}

/* -- messages -- */

static bool
read_init (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  JsonObject *o = fz_json_object (&c->r, payload, "init");
  size_t n_grants;

  out->kind = FZ_COMMAND_CLIENT_INIT;
  out->client_init.interface = fz_read_interface (c, o, "interface");
  out->client_init.resources = read_resources (
      c, fz_json_get_optional_array (&c->r, o, "init", "resources"), &out->client_init.n_resources);
  out->client_init.relays = fz_read_relays (
      c, fz_json_get_optional_array (&c->r, o, "init", "relays"), &out->client_init.n_relays);
  /* Inbound grants of device pools: checked, not used. */
  fz_read_grants (c, fz_json_get_optional_array (&c->r, o, "init", "authorizations"), &n_grants);
  fz_read_flow_logs (c, o, "init");
  return true;
}

static bool
read_config_changed (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  JsonObject *o = fz_json_object (&c->r, payload, "config_changed");

  out->kind = FZ_COMMAND_CONFIG_CHANGED;
  out->config_changed = fz_read_interface (c, o, "interface");
  return true;
}

static bool
read_resource_changed (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  out->kind = FZ_COMMAND_UPSERT_RESOURCE;
  return read_resource (c, payload, &out->resource);
}

static bool
read_resource_deleted (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  const char *text = fz_json_node_string (payload);

  out->kind = FZ_COMMAND_REMOVE_RESOURCE;
  if (text == NULL || !fz_uuid_parse (text, &out->remove_resource))
    fz_json_fail (&c->r, "resource_deleted", NULL, "an id");
  return true;
}

static FzUuid
read_site_id (FzMessageContext *c, JsonObject *o)
{
  bool is_old = fz_json_member (o, "gateway_group_id") != NULL;
  bool is_new = fz_json_member (o, "site_id") != NULL;

  if (is_old && is_new)
    fz_json_fail (&c->r, "authorization_created", "site_id", "no gateway_group_id beside it");
  return fz_json_get_uuid (
      &c->r, o, "authorization_created", is_old ? "gateway_group_id" : "site_id");
}

static bool
read_authorization_created (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  static const char what[] = "authorization_created";
  FzJsonReader *r = &c->r;
  JsonObject *o = fz_json_object (r, payload, what);

  out->kind = FZ_COMMAND_AUTHORIZATION_CREATED;
  out->authorization_created.resource_id = fz_json_get_uuid (r, o, what, "resource_id");
  out->authorization_created.gateway_id = fz_json_get_uuid (r, o, what, "gateway_id");
  out->authorization_created.site_id = read_site_id (c, o);
  fz_json_get_key (r, o, what, "gateway_public_key", out->authorization_created.gateway_public_key);
  out->authorization_created.gateway_ipv4 = fz_json_get_ip (r, o, what, "gateway_ipv4", FZ_IP_V4);
  out->authorization_created.gateway_ipv6 = fz_json_get_ip (r, o, what, "gateway_ipv6", FZ_IP_V6);
  fz_json_get_key (r, o, what, "preshared_key", out->authorization_created.preshared_key);
  out->authorization_created.client_ice =
      fz_read_credentials (c, o, what, "client_ice_credentials");
  out->authorization_created.gateway_ice =
      fz_read_credentials (c, o, what, "gateway_ice_credentials");
  out->authorization_created.use_iceless = fz_json_get_bool_or (r, o, what, "use_iceless", false);
  fz_ingest_token_check (r, fz_json_get_string (r, o, what, "flow_logs_ingest_token"));
  return true;
}

static FzFailureReason
parse_reason (const char *text)
{
  static const struct {
    const char *text;
    FzFailureReason reason;
  } reasons[] = {
    { "not_found", FZ_FAILURE_NOT_FOUND },
    { "offline", FZ_FAILURE_OFFLINE },
    { "version_mismatch", FZ_FAILURE_VERSION_MISMATCH },
    { "forbidden", FZ_FAILURE_FORBIDDEN },
    { "disabled", FZ_FAILURE_DISABLED },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (strcmp (reasons[i].text, text) == 0)
      return reasons[i].reason;
  return FZ_FAILURE_UNKNOWN; /* also the reasons that only device pools know */
}

static bool
read_authorization_failed (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  static const char what[] = "authorization_creation_failed";
  JsonObject *o = fz_json_object (&c->r, payload, what);
  const char *reason = fz_json_get_string (&c->r, o, what, "reason");
  JsonArray *violated = fz_json_get_optional_array (&c->r, o, what, "violated_properties");

  out->kind = FZ_COMMAND_AUTHORIZATION_FAILED;
  out->authorization_failed.resource_id = fz_json_get_uuid (&c->r, o, what, "resource_id");
  if (reason != NULL)
    out->authorization_failed.reason = parse_reason (reason);
  for (unsigned i = 0; violated != NULL && i < json_array_get_length (violated); i++)
    if (fz_json_node_string (json_array_get_element (violated, i)) == NULL)
      fz_json_fail (&c->r, what, "violated_properties", "strings");
  return true;
}

static bool
read_new_candidates (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  return fz_read_candidates (c, payload, FZ_COMMAND_ADD_CANDIDATES, "gateway_id", out);
}

static bool
read_invalid_candidates (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  return fz_read_candidates (c, payload, FZ_COMMAND_INVALIDATE_CANDIDATES, "gateway_id", out);
}

static bool
read_presence (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  fz_read_relays_presence (c, payload, out);
  return true;
}

bool
fz_read_client_message (FzMessageContext *c, const char *event, JsonNode *payload, FzCommand *out)
{
  static const struct {
    const char *event;
    bool (*read) (FzMessageContext *c, JsonNode *payload, FzCommand *out);
  } readers[] = {
    { "init", read_init },
    { "config_changed", read_config_changed },
    { "resource_created_or_updated", read_resource_changed },
    { "resource_deleted", read_resource_deleted },
    { "relays_presence", read_presence },
    { "authorization_created", read_authorization_created },
    { "authorization_creation_failed", read_authorization_failed },
    { "ice_candidates", read_new_candidates },
    { "gateway_ice_candidates", read_new_candidates },
    { "invalidate_ice_candidates", read_invalid_candidates },
    { "invalidate_gateway_ice_candidates", read_invalid_candidates },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (readers); i++)
    if (strcmp (readers[i].event, event) == 0)
      return readers[i].read (c, payload, out);
  return false;
}
