/* fz-view.c
 *
 * From records to wire shapes. Members that older readers need stand beside the
 * ones newer readers use only where the protocol allows both.
 */
#include "src/server/fz-view.h"

#include "src/server/fz-json.h"

#include <string.h>

static JsonArray *
do53_of (const FzAccount *account)
{
  JsonArray *array = json_array_new ();

  for (size_t i = 0; account->dns_servers != NULL && account->dns_servers[i] != NULL; i++) {
    JsonObject *server = json_object_new ();

    json_object_set_string_member (server, "ip", account->dns_servers[i]);
    json_array_add_object_element (array, server);
  }
  return array;
}

static JsonArray *
doh_of (const FzAccount *account)
{
  JsonArray *array = json_array_new ();

  if (account->doh_url != NULL) {
    JsonObject *server = json_object_new ();

    json_object_set_string_member (server, "url", account->doh_url);
    json_array_add_object_element (array, server);
  }
  return array;
}

/* For readers that predate "upstream_do53". */
static JsonArray *
legacy_dns_of (const FzAccount *account)
{
  JsonArray *array = json_array_new ();

  for (size_t i = 0; account->dns_servers != NULL && account->dns_servers[i] != NULL; i++) {
    JsonObject *server = json_object_new ();
    char text[FZ_SOCKET_ADDRESS_TEXT_MAX];
    FzSocketAddress address = { .port = 53 };

    if (!fz_ip_parse (account->dns_servers[i], &address.ip))
      continue;
    json_object_set_string_member (server, "protocol", "ip_port");
    json_object_set_string_member (server, "address", fz_socket_address_format (&address, text));
    json_array_add_object_element (array, server);
  }
  return array;
}

JsonObject *
fz_view_interface (const FzDeviceRecord *device, const FzAccount *account)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "ipv4", device->ipv4);
  json_object_set_string_member (object, "ipv6", device->ipv6);
  if (account != NULL) {
    json_object_set_array_member (object, "upstream_do53", do53_of (account));
    json_object_set_array_member (object, "upstream_doh", doh_of (account));
    json_object_set_array_member (object, "upstream_dns", legacy_dns_of (account));
    fz_json_set_text_or_null (object, "search_domain", account->search_domain);
  }
  return object;
}

JsonObject *
fz_view_flow_logs (const char *api_url)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "api_url", api_url);
  json_object_set_int_member (object, "upload_interval_secs", 0); /* off */
  json_object_set_int_member (object, "upload_batch_size", 1000);
  return object;
}

static JsonArray *
filters_of (const FzResourceRecord *resource)
{
  g_autoptr (JsonNode) node =
      fz_json_parse_bounded (resource->filters, strlen (resource->filters), NULL);

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return json_array_new ();
  return json_array_ref (json_node_get_array (node));
}

/* A single address travels as the network that holds only it. */
static char *
address_of (const FzResourceRecord *resource)
{
  if (strcmp (resource->type, "ip") != 0)
    return g_strdup (resource->address);
  return g_strdup_printf (
      "%s/%d", resource->address, strchr (resource->address, ':') != NULL ? 128 : 32);
}

static const char *
wire_type_of (const FzResourceRecord *resource)
{
  return strcmp (resource->type, "ip") == 0 ? "cidr" : resource->type;
}

static JsonArray *
sites_of (const FzResourceRecord *resource)
{
  JsonArray *array = json_array_new ();

  if (resource->site_id != NULL) {
    JsonObject *site = json_object_new ();

    json_object_set_string_member (site, "id", resource->site_id);
    json_object_set_string_member (site, "name", resource->site_name);
    json_array_add_object_element (array, site);
  }
  return array;
}

JsonObject *
fz_view_resource_for_client (const FzResourceRecord *resource, const FzVersion *client)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "id", resource->id);
  json_object_set_string_member (object, "type", wire_type_of (resource));
  json_object_set_array_member (
      object, fz_version_has_sites (client) ? "sites" : "gateway_groups", sites_of (resource));
  if (strcmp (resource->type, "internet") == 0) {
    json_object_set_string_member (object, "name", resource->name);
    json_object_set_boolean_member (object, "can_be_disabled", TRUE);
    return object;
  }

  {
    g_autofree char *address = address_of (resource);

    json_object_set_string_member (object, "name", resource->name);
    json_object_set_string_member (object, "address", address);
  }
  fz_json_set_text_or_null (object, "address_description", resource->description);
  json_object_set_array_member (object, "filters", filters_of (resource));
  if (resource->ip_stack != NULL)
    json_object_set_string_member (object, "ip_stack", resource->ip_stack);
  return object;
}

JsonObject *
fz_view_resource_for_gateway (const FzResourceRecord *resource)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "id", resource->id);
  json_object_set_string_member (object, "type", wire_type_of (resource));
  if (strcmp (resource->type, "internet") != 0) {
    g_autofree char *address = address_of (resource);

    json_object_set_string_member (object, "name", resource->name);
    json_object_set_string_member (object, "address", address);
    json_object_set_array_member (object, "filters", filters_of (resource));
  }
  return object;
}

JsonObject *
fz_view_authorization (const FzGrant *grant)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "client_id", grant->client_id);
  json_object_set_string_member (object, "resource_id", grant->resource_id);
  json_object_set_int_member (object, "expires_at", grant->expires_at);
  return object;
}

JsonObject *
fz_view_candidates (const char *peer_member, const char *peer_id, const char *const *candidates)
{
  JsonObject *payload = json_object_new ();
  JsonArray *array = json_array_new ();

  for (size_t i = 0; candidates[i] != NULL; i++)
    json_array_add_string_element (array, candidates[i]);
  json_object_set_string_member (payload, peer_member, peer_id);
  json_object_set_array_member (payload, "candidates", array);
  return payload;
}

JsonObject *
fz_view_ice_credentials (const char *username, const char *password)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "username", username);
  json_object_set_string_member (object, "password", password);
  return object;
}
