#include "tests/unit/portal/portal-test.h"

#include <string.h>

#ifndef FZ_TEST_DATA
#define FZ_TEST_DATA "tests/data" /* from the source folder */
#endif

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  return level <= FZ_LOG_WARNING;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  GString *warnings = context;

  g_string_append_printf (warnings, "%s%s", warnings->len > 0 ? " " : "", record->event);
}

void
portal_test_log_init (PortalTestLog *self)
{
  self->warnings = g_string_new (NULL);
  self->sink = (FzLogSink){ wants, write_record, self->warnings };
}

void
portal_test_log_clear (PortalTestLog *self)
{
  g_string_free (self->warnings, TRUE);
}

FzLog
portal_test_log_get (PortalTestLog *self)
{
  return (FzLog){ &self->sink, "portal" };
}

char *
portal_test_read (const char *name)
{
  g_autofree char *path = g_build_filename (FZ_TEST_DATA, "portal", name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* -- commands as text -- */

static void
put_id (GString *out, const char *name, const FzUuid *id)
{
  char text[FZ_UUID_TEXT_MAX];

  g_string_append_printf (out, "%s %s\n", name, fz_uuid_format (id, text));
}

static void
put_ip (GString *out, const char *name, const FzIp *ip)
{
  char text[FZ_IP_TEXT_MAX];

  g_string_append_printf (out, "%s %s\n", name, fz_ip_format (ip, text));
}

static void
put_key (GString *out, const char *name, const uint8_t key[FZ_KEY_SIZE])
{
  char text[FZ_KEY_TEXT_MAX];

  g_string_append_printf (out, "%s %s\n", name, fz_key_format (key, text));
}

static void
put_interface (GString *out, const FzInterface *interface)
{
  put_ip (out, "ipv4", &interface->ipv4);
  put_ip (out, "ipv6", &interface->ipv6);
  for (size_t i = 0; i < interface->n_upstream_do53; i++)
    put_ip (out, "do53", &interface->upstream_do53[i]);
  for (size_t i = 0; i < interface->n_upstream_doh; i++)
    g_string_append_printf (out, "doh %s\n", interface->upstream_doh[i]);
  if (interface->search_domain != NULL)
    g_string_append_printf (out, "search %s\n", interface->search_domain);
}

static void
put_resource (GString *out, const FzResource *resource)
{
  static const char *const kinds[] = { "cidr", "dns", "internet" };
  static const char *const protocols[] = { "tcp", "udp", "icmp" };
  char text[FZ_IP_NETWORK_TEXT_MAX];

  put_id (out, kinds[resource->kind], &resource->id);
  g_string_append_printf (out, "  name %s\n", resource->name);
  if (resource->description != NULL)
    g_string_append_printf (out, "  description %s\n", resource->description);
  if (resource->kind == FZ_RESOURCE_CIDR)
    g_string_append_printf (out, "  network %s\n", fz_ip_network_format (&resource->network, text));
  if (resource->kind == FZ_RESOURCE_DNS)
    g_string_append_printf (out, "  pattern %s\n", resource->pattern);
  if (resource->ip_stack != FZ_IP_STACK_DUAL)
    g_string_append_printf (
        out, "  only %s\n", resource->ip_stack == FZ_IP_STACK_IPV4_ONLY ? "ipv4" : "ipv6");
  for (size_t i = 0; i < resource->n_filters; i++)
    g_string_append_printf (out,
                            "  filter %s %u-%u\n",
                            protocols[resource->filters[i].kind],
                            resource->filters[i].port_first,
                            resource->filters[i].port_last);
  for (size_t i = 0; i < resource->n_sites; i++) {
    put_id (out, "  site", &resource->sites[i].id);
    g_string_append_printf (out, "  site-name %s\n", resource->sites[i].name);
  }
}

static void
put_relays (GString *out, const FzRelay *relays, size_t n)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];

  for (size_t i = 0; i < n; i++) {
    put_id (out, "relay", &relays[i].id);
    if (relays[i].ipv4.ip.family != FZ_IP_NONE)
      g_string_append_printf (out, "  ipv4 %s\n", fz_socket_address_format (&relays[i].ipv4, text));
    if (relays[i].ipv6.ip.family != FZ_IP_NONE)
      g_string_append_printf (out, "  ipv6 %s\n", fz_socket_address_format (&relays[i].ipv6, text));
    g_string_append_printf (out,
                            "  login %s %s %" G_GUINT64_FORMAT "\n",
                            relays[i].username,
                            relays[i].password,
                            relays[i].expires_at);
  }
}

static void
put_credentials (GString *out, const char *name, const FzIceCredentials *credentials)
{
  g_string_append_printf (out, "%s %s %s\n", name, credentials->username, credentials->password);
}

static void
put_created (GString *out, const FzCommand *command)
{
  put_id (out, "resource", &command->authorization_created.resource_id);
  put_id (out, "gateway", &command->authorization_created.gateway_id);
  put_id (out, "site", &command->authorization_created.site_id);
  put_key (out, "key", command->authorization_created.gateway_public_key);
  put_ip (out, "ipv4", &command->authorization_created.gateway_ipv4);
  put_ip (out, "ipv6", &command->authorization_created.gateway_ipv6);
  put_key (out, "psk", command->authorization_created.preshared_key);
  put_credentials (out, "local", &command->authorization_created.client_ice);
  put_credentials (out, "remote", &command->authorization_created.gateway_ice);
  g_string_append_printf (out, "iceless %d\n", command->authorization_created.use_iceless);
}

static void
put_create (GString *out, const FzCommand *command)
{
  g_string_append_printf (out, "ref %s\n", command->create_authorization.ref);
  put_resource (out, &command->create_authorization.resource);
  put_id (out, "client", &command->create_authorization.client_id);
  put_key (out, "key", command->create_authorization.client_public_key);
  put_key (out, "psk", command->create_authorization.preshared_key);
  put_ip (out, "ipv4", &command->create_authorization.client_ipv4);
  put_ip (out, "ipv6", &command->create_authorization.client_ipv6);
  put_credentials (out, "local", &command->create_authorization.gateway_ice);
  put_credentials (out, "remote", &command->create_authorization.client_ice);
  g_string_append_printf (out,
                          "expires %" G_GUINT64_FORMAT " now %" G_GUINT64_FORMAT " iceless %d\n",
                          command->create_authorization.expires_at,
                          command->create_authorization.unix_now,
                          command->create_authorization.use_iceless);
}

static void
put_gateway_init (GString *out, const FzCommand *command)
{
  put_interface (out, &command->gateway_init.interface);
  put_relays (out, command->gateway_init.relays, command->gateway_init.n_relays);
  for (size_t i = 0; i < command->gateway_init.n_grants; i++) {
    put_id (out, "grant", &command->gateway_init.grants[i].client_id);
    put_id (out, "  resource", &command->gateway_init.grants[i].resource_id);
    g_string_append_printf (
        out, "  expires %" G_GUINT64_FORMAT "\n", command->gateway_init.grants[i].expires_at);
  }
  g_string_append_printf (out, "now %" G_GUINT64_FORMAT "\n", command->gateway_init.unix_now);
}

static void
put_client_init (GString *out, const FzCommand *command)
{
  put_interface (out, &command->client_init.interface);
  for (size_t i = 0; i < command->client_init.n_resources; i++)
    put_resource (out, &command->client_init.resources[i]);
  put_relays (out, command->client_init.relays, command->client_init.n_relays);
}

static void
put_candidates (GString *out, const FzCommand *command)
{
  put_id (out, "peer", &command->candidates.peer_id);
  for (size_t i = 0; i < command->candidates.n_candidates; i++)
    g_string_append_printf (out, "%s\n", command->candidates.candidates[i]);
}

static void
put_members (GString *out, const FzCommand *command)
{
  switch (command->kind) {
  case FZ_COMMAND_CLIENT_INIT:
    put_client_init (out, command);
    break;
  case FZ_COMMAND_GATEWAY_INIT:
    put_gateway_init (out, command);
    break;
  case FZ_COMMAND_SET_INTERNET:
    g_string_append_printf (out, "internet: %d\n", command->set_internet);
    break;
  case FZ_COMMAND_CONFIG_CHANGED:
    put_interface (out, &command->config_changed);
    break;
  case FZ_COMMAND_UPSERT_RESOURCE:
  case FZ_COMMAND_UPDATE_RESOURCE:
    put_resource (out, &command->resource);
    break;
  case FZ_COMMAND_REMOVE_RESOURCE:
    put_id (out, "id", &command->remove_resource);
    break;
  case FZ_COMMAND_RELAYS_PRESENCE:
    for (size_t i = 0; i < command->relays_presence.n_disconnected; i++)
      put_id (out, "gone", &command->relays_presence.disconnected_ids[i]);
    put_relays (out, command->relays_presence.connected, command->relays_presence.n_connected);
    break;
  case FZ_COMMAND_ADD_CANDIDATES:
  case FZ_COMMAND_INVALIDATE_CANDIDATES:
    put_candidates (out, command);
    break;
  case FZ_COMMAND_AUTHORIZATION_CREATED:
    put_created (out, command);
    break;
  case FZ_COMMAND_AUTHORIZATION_FAILED:
    put_id (out, "resource", &command->authorization_failed.resource_id);
    g_string_append_printf (out, "reason %d\n", (int) command->authorization_failed.reason);
    break;
  case FZ_COMMAND_CREATE_AUTHORIZATION:
    put_create (out, command);
    break;
  case FZ_COMMAND_REJECT_ACCESS:
    put_id (out, "client", &command->reject_access.client_id);
    put_id (out, "resource", &command->reject_access.resource_id);
    break;
  case FZ_COMMAND_PORTAL_CONNECTED:
  case FZ_COMMAND_PORTAL_DISCONNECTED:
  case FZ_COMMAND_SET_RESOLVERS:
  case FZ_COMMAND_DNS_ANSWER:
  case FZ_COMMAND_DOMAIN_RESOLVED:
  case FZ_COMMAND_ADD_BARE_PEER:
  case FZ_COMMAND_NETWORK_CHANGED:
  case FZ_COMMAND_PORT_CHANGED:
  case FZ_COMMAND_SHUT_DOWN:
    break;
  }
}

char *
portal_test_describe (const FzCommand *command)
{
  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "command %d\n", (int) command->kind);
  put_members (out, command);
  return g_string_free (out, FALSE);
}

/* -- trees -- */

static JsonNode *
step_into (JsonNode *node, const char *step)
{
  if (node == NULL)
    return NULL;
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_array_get_element (json_node_get_array (node),
                                   (guint) g_ascii_strtoull (step, NULL, 10));
  return JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_member (json_node_get_object (node), step)
                                       : NULL;
}

JsonNode *
portal_test_find (JsonNode *root, const char *path)
{
  g_auto (GStrv) steps = g_strsplit (path, "/", 0);
  JsonNode *node = root;

  for (char **step = steps; *step != NULL; step++)
    node = step_into (node, *step);
  return node;
}

/* The object that holds the last step of @path. */
static JsonObject *
find_parent (JsonNode *root, const char *path, const char **out_last)
{
  const char *slash = strrchr (path, '/');
  g_autofree char *parent = g_strndup (path, slash != NULL ? (gsize) (slash - path) : 0);
  JsonNode *node = slash != NULL ? portal_test_find (root, parent) : root;

  *out_last = slash != NULL ? slash + 1 : path;
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    g_error ("%s: no such member in the recorded frame", path);
  return json_node_get_object (node);
}

void
portal_test_remove (JsonNode *root, const char *path)
{
  const char *last = NULL;
  JsonObject *parent = find_parent (root, path, &last);

  if (!json_object_has_member (parent, last))
    g_error ("%s: no such member in the recorded frame", path);
  json_object_remove_member (parent, last);
}

void
portal_test_set (JsonNode *root, const char *path, const char *json)
{
  const char *last = NULL;
  JsonObject *parent = find_parent (root, path, &last);

  json_object_set_member (parent, last, json_from_string (json, NULL));
}

void
portal_test_settle (unsigned ms)
{
  gint64 end = g_get_monotonic_time () + ms * 1000;

  while (g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500); /* polls */
}

gboolean
portal_test_set_flag (gpointer flag)
{
  *(bool *) flag = true;
  return G_SOURCE_REMOVE;
}
