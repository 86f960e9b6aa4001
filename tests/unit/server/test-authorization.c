/* test-authorization.c
 *
 * A client and a gateway against a portal, frame by frame: init, the
 * authorization flow with its failures, candidates both ways, and what happens
 * when the gateway is slow, gone, too old or lying (portal-protocol.md §§5 to 8).
 */
#include "src/server/fz-json.h"
#include "src/server/fz-socket.h"
#include "tests/unit/server/portal-fixture.h"

#include <string.h>

static Portal *
started (bool with_policy)
{
  Portal *portal = portal_new ();

  portal_start (portal);
  portal_populate (portal);
  if (with_policy) {
    portal_change (portal, "policy add", "group", "staff", "resource", "lab", NULL);
  }
  return portal;
}

static char *
request_for (Portal *portal)
{
  return g_strdup_printf ("{\"resource_id\":\"%s\",\"connected_gateway_ids\":[]}",
                          portal->resource_id);
}

/* Lets a client in: request, order, answer, release. */
static void
authorize (Portal *portal, Peer *client, Peer *gateway)
{
  g_autofree char *request = request_for (portal);
  g_autoptr (JsonObject) order = NULL;
  g_autoptr (JsonObject) created = NULL;
  g_autofree char *answer = NULL;

  peer_send (client, "request_authorization", request);
  order = peer_expect (gateway, "create_authorization");
  answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));
  peer_expect_reply (gateway, peer_send (gateway, "authorization_created", answer), NULL);
  created = peer_expect (client, "authorization_created");
}

/* -- init -- */

static void
test_client_init (void)
{
  Portal *portal = started (true);
  portal_change (portal,
                 "account update",
                 "dns",
                 "custom",
                 "dns-server",
                 "9.9.9.9",
                 "dns-server",
                 "2620:fe::fe",
                 "search-domain",
                 "corp.example",
                 NULL);
  g_autoptr (JsonObject) init = NULL;
  Peer *client = client_new (portal, &init);
  JsonObject *interface = fz_json_child (init, "interface");
  JsonObject *flow_logs = fz_json_child (init, "flow_logs");
  JsonArray *resources = fz_json_array (init, "resources");
  JsonObject *resource = json_array_get_object_element (resources, 0);
  JsonObject *site = json_array_get_object_element (fz_json_array (resource, "sites"), 0);
  FzIpNetwork v4;
  FzIpNetwork v6;
  FzIp ip;

  g_assert_true (fz_ip_network_parse ("100.64.0.0/11", &v4));
  g_assert_true (fz_ip_network_parse ("fd00:2021:1111::/107", &v6));
  g_assert_true (fz_ip_parse (fz_json_text (interface, "ipv4"), &ip));
  g_assert_true (fz_ip_network_contains (&v4, &ip));
  g_assert_true (fz_ip_parse (fz_json_text (interface, "ipv6"), &ip));
  g_assert_true (fz_ip_network_contains (&v6, &ip));
  g_assert_cmpstr (fz_json_text (interface, "search_domain"), ==, "corp.example");
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (fz_json_array (interface, "upstream_do53"), 1),
                    "ip"),
      ==,
      "2620:fe::fe");
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (fz_json_array (interface, "upstream_dns"), 1),
                    "address"),
      ==,
      "[2620:fe::fe]:53");

  g_assert_cmpuint (json_array_get_length (resources), ==, 1);
  g_assert_cmpstr (fz_json_text (resource, "id"), ==, portal->resource_id);
  g_assert_cmpstr (fz_json_text (resource, "type"), ==, "cidr");
  g_assert_cmpstr (fz_json_text (resource, "address"), ==, "10.20.0.0/16");
  g_assert_cmpstr (fz_json_text (resource, "name"), ==, "lab");
  g_assert_cmpuint (json_array_get_length (fz_json_array (resource, "filters")), ==, 0);
  g_assert_cmpstr (fz_json_text (site, "id"), ==, portal->site_id);
  g_assert_cmpstr (fz_json_text (site, "name"), ==, "berlin");

  g_assert_cmpstr (fz_json_text (flow_logs, "api_url"), ==, "https://portal.example.net/");
  g_assert_cmpint (json_object_get_int_member (flow_logs, "upload_interval_secs"), ==, 0);
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "relays")), ==, 0);
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "authorizations")), ==, 0);
  peer_free (client);
  portal_free (portal);
}

static void
test_gateway_init (void)
{
  Portal *portal = started (true);
  g_autoptr (JsonObject) init = NULL;
  Peer *gateway = gateway_new (portal, &init);
  JsonObject *config = fz_json_child (init, "config");

  g_assert_cmpstr (fz_json_text (init, "account_slug"), ==, "firezone");
  g_assert_cmpuint (json_object_get_size (fz_json_child (init, "interface")), ==, 2);
  g_assert_true (fz_json_bool (config, "ipv4_masquerade_enabled", false));
  g_assert_true (fz_json_bool (config, "ipv6_masquerade_enabled", false));
  g_assert_nonnull (fz_json_child (init, "flow_logs"));
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "authorizations")), ==, 0);
  peer_free (gateway);
  portal_free (portal);
}

/* The same device comes back with the same addresses, another one gets others. */
static void
test_addresses_stay (void)
{
  Portal *portal = started (true);
  g_autoptr (JsonObject) first = NULL;
  g_autoptr (JsonObject) again = NULL;
  g_autoptr (JsonObject) other = NULL;

  peer_free (client_new (portal, &first));
  peer_free (client_new_as (portal, "client-one", KEY_3, &again));
  peer_free (client_new_as (portal, "client-two", KEY_3, &other));
  g_assert_cmpstr (fz_json_text (fz_json_child (first, "interface"), "ipv4"),
                   ==,
                   fz_json_text (fz_json_child (again, "interface"), "ipv4"));
  g_assert_cmpstr (fz_json_text (fz_json_child (first, "interface"), "ipv6"),
                   ==,
                   fz_json_text (fz_json_child (again, "interface"), "ipv6"));
  g_assert_cmpstr (fz_json_text (fz_json_child (first, "interface"), "ipv4"),
                   !=,
                   fz_json_text (fz_json_child (other, "interface"), "ipv4"));
  portal_free (portal);
}

/* -- the flow -- */

static void
check_token (const char *token, const char *role)
{
  g_auto (GStrv) parts = g_strsplit (token, ".", -1);
  g_autofree char *padded = NULL;
  g_autofree uint8_t *data = NULL;
  g_autoptr (JsonNode) payload = NULL;
  gsize length = 0;

  g_assert_cmpuint (g_strv_length (parts), ==, 3);
  padded = g_strdup_printf ("%s%.*s", parts[1], (int) (-strlen (parts[1]) & 3), "==");
  for (char *p = padded; *p != '\0'; p++)
    *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
  data = g_base64_decode (padded, &length);
  payload = fz_json_parse_bounded ((const char *) data, length, NULL);
  g_assert_cmpstr (fz_json_text (json_node_get_object (payload), "role"), ==, role);
}

static void
test_flow (void)
{
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  g_autoptr (JsonObject) init = NULL;
  Peer *client = client_new (portal, &init);
  g_autofree char *client_id = portal_first_id (portal, "client list");
  g_autofree char *gateway_id = portal_first_id (portal, "gateway list");
  g_autofree char *request = request_for (portal);
  g_autofree char *answer = NULL;
  g_autoptr (JsonObject) order = NULL;
  g_autoptr (JsonObject) created = NULL;
  JsonObject *resource;
  JsonObject *subject;
  int64_t expires_at;

  peer_send (client, "set_snownet_capabilities", "{\"iceless\":true}");
  peer_send (gateway, "set_snownet_capabilities", "{\"iceless\":true}");
  peer_send (client, "request_authorization", request);
  order = peer_expect (gateway, "create_authorization");
  peer_expect_silence (client, 50); /* not before the gateway is ready */

  resource = fz_json_child (order, "resource");
  g_assert_cmpstr (fz_json_text (resource, "id"), ==, portal->resource_id);
  g_assert_cmpstr (fz_json_text (resource, "type"), ==, "cidr");
  g_assert_cmpstr (fz_json_text (resource, "address"), ==, "10.20.0.0/16");
  g_assert_cmpstr (fz_json_text (resource, "name"), ==, "lab");
  g_assert_nonnull (fz_json_array (resource, "filters"));
  g_assert_cmpstr (fz_json_text (fz_json_child (order, "client"), "id"), ==, client_id);
  g_assert_cmpstr (fz_json_text (fz_json_child (order, "client"), "public_key"), ==, KEY_1);
  g_assert_cmpstr (fz_json_text (fz_json_child (order, "client"), "version"), ==, "1.5.12");
  g_assert_cmpstr (fz_json_text (fz_json_child (order, "client"), "ipv4"),
                   ==,
                   fz_json_text (fz_json_child (init, "interface"), "ipv4"));
  subject = fz_json_child (order, "subject");
  g_assert_cmpstr (fz_json_text (subject, "actor_email"), ==, "sam@acme.test");
  expires_at = json_object_get_int_member (order, "expires_at");
  g_assert_cmpint (expires_at, >, fz_store_now () + 6 * 86400);
  g_assert_cmpint (expires_at, <=, fz_store_now () + 7 * 86400);
  g_assert_false (fz_json_bool (order, "use_iceless", true)); /* the account has not allowed it */
  check_token (fz_json_text (order, "flow_logs_ingest_token"), "responder");

  answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));
  peer_expect_reply (gateway, peer_send (gateway, "authorization_created", answer), NULL);
  created = peer_expect (client, "authorization_created");
  g_assert_cmpstr (fz_json_text (created, "resource_id"), ==, portal->resource_id);
  g_assert_cmpstr (fz_json_text (created, "gateway_id"), ==, gateway_id);
  g_assert_cmpstr (fz_json_text (created, "site_id"), ==, portal->site_id);
  g_assert_false (json_object_has_member (created, "gateway_group_id"));
  g_assert_cmpstr (fz_json_text (created, "gateway_public_key"), ==, KEY_2);
  g_assert_nonnull (fz_json_text (created, "gateway_ipv4"));
  g_assert_nonnull (fz_json_text (created, "gateway_ipv6"));
  g_assert_cmpstr (fz_json_text (created, "preshared_key"),
                   ==,
                   fz_json_text (fz_json_child (order, "client"), "preshared_key"));
  g_assert_true (json_object_equal (fz_json_child (created, "client_ice_credentials"),
                                    fz_json_child (order, "client_ice_credentials")));
  g_assert_true (json_object_equal (fz_json_child (created, "gateway_ice_credentials"),
                                    fz_json_child (order, "gateway_ice_credentials")));
  check_token (fz_json_text (created, "flow_logs_ingest_token"), "initiator");

  /* the same answer again is late, not forged */
  peer_expect_reply (gateway, peer_send (gateway, "authorization_created", answer), NULL);
  peer_expect_silence (client, 50);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

/* Both ends and the account must want it. */
static void
test_iceless (void)
{
  Portal *portal = started (true);
  portal_change (portal, "account update", "iceless", "on", NULL);
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);

  for (int i = 0; i < 2; i++) {
    g_autoptr (JsonObject) order = NULL;

    peer_send (client, "set_snownet_capabilities", "{\"iceless\":true}");
    if (i == 1) {
      g_autoptr (JsonObject) relays = NULL;

      peer_send (gateway, "set_snownet_capabilities", "{\"iceless\":true}");
      peer_send (gateway, "no_relays", "{}");
      relays = peer_expect (gateway, "relays_presence"); /* so the one before has arrived */
    }
    peer_send (client, "request_authorization", request);
    order = peer_expect (gateway, "create_authorization");
    g_assert_cmpint (fz_json_bool (order, "use_iceless", i != 1), ==, i == 1);
  }
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

/* Secrets stay while the keys stay, so that a connection can be reused. */
static void
test_secrets_are_stable (void)
{
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  g_autofree char *request = request_for (portal);
  g_autofree char *psk[3] = { NULL };
  static const char *const keys[] = { KEY_1, KEY_1, KEY_3 };

  for (size_t i = 0; i < 3; i++) {
    Peer *client = client_new_as (portal, "client-one", keys[i], NULL);
    g_autoptr (JsonObject) order = NULL;

    peer_send (client, "request_authorization", request);
    order = peer_expect (gateway, "create_authorization");
    psk[i] = g_strdup (fz_json_text (fz_json_child (order, "client"), "preshared_key"));
    peer_free (client);
  }
  g_assert_cmpstr (psk[0], ==, psk[1]);
  g_assert_cmpstr (psk[0], !=, psk[2]);
  g_free (g_steal_pointer (&psk[1]));
  g_free (g_steal_pointer (&psk[2]));
  peer_free (gateway);
  portal_free (portal);
}

/* -- refusals -- */

static void
expect_failure (Peer *client, const char *resource_id, const char *reason)
{
  g_autoptr (JsonObject) failed = peer_expect (client, "authorization_creation_failed");

  g_assert_cmpstr (fz_json_text (failed, "resource_id"), ==, resource_id);
  g_assert_cmpstr (fz_json_text (failed, "reason"), ==, reason);
}

static void
test_no_policy_no_path (void)
{
  Portal *portal = started (false);
  g_autoptr (JsonObject) init = NULL;
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, &init);
  g_autofree char *request = request_for (portal);

  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "resources")), ==, 0);
  peer_send (client, "request_authorization", request);
  expect_failure (client, portal->resource_id, "not_found");
  peer_send (client,
             "request_authorization",
             "{\"resource_id\":\"99999999-0000-4000-8000-000000000000\","
             "\"connected_gateway_ids\":[]}");
  expect_failure (client, "99999999-0000-4000-8000-000000000000", "not_found");
  peer_expect_silence (gateway, 50);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

static void
test_condition_fails (void)
{
  Portal *portal = started (false);
  portal_change (portal,
                 "policy add",
                 "group",
                 "staff",
                 "resource",
                 "lab",
                 "condition",
                 "remote_ip is_in_cidr 192.0.2.0/24",
                 NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);
  g_autoptr (JsonObject) failed = NULL;
  g_autoptr (JsonObject) changed = NULL;
  g_autoptr (JsonObject) resource = NULL;

  peer_send (client, "request_authorization", request);
  failed = peer_expect (client, "authorization_creation_failed");
  g_assert_cmpstr (fz_json_text (failed, "reason"), ==, "forbidden");
  g_assert_cmpstr (json_array_get_string_element (fz_json_array (failed, "violated_properties"), 0),
                   ==,
                   "remote_ip");

  changed = portal_do (portal,
                       "policy update",
                       "which",
                       "staff:lab",
                       "condition",
                       "remote_ip is_in_cidr 127.0.0.0/8",
                       NULL);
  resource = peer_expect (client, "resource_created_or_updated");
  peer_free (client);
  portal_free (portal);
}

static void
test_gateway_offline (void)
{
  Portal *portal = started (true);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);

  peer_send (client, "request_authorization", request);
  expect_failure (client, portal->resource_id, "offline");
  peer_free (client);
  portal_free (portal);
}

static void
test_gateway_too_old (void)
{
  Portal *portal = started (true);
  PeerSpec spec = {
    .path = "/gateway/v2/websocket",
    .token = portal->gateway_token,
    .external_id = "old",
    .public_key = KEY_2,
    .user_agent = "Debian/12.0.0 gateway/1.3.9",
  };
  Peer *gateway = peer_connect (portal, "gateway", &spec);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);
  g_autoptr (JsonObject) init = NULL;

  peer_join (gateway);
  init = peer_expect (gateway, "init");
  peer_send (client, "request_authorization", request);
  expect_failure (client, portal->resource_id, "version_mismatch");
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

static void
test_gateway_silent (void)
{
  Portal *portal = portal_new ();
  Peer *gateway;
  Peer *client;
  g_autofree char *request = NULL;
  g_autofree char *answer = NULL;
  g_autoptr (JsonObject) policy = NULL;
  g_autoptr (JsonObject) order = NULL;

  portal->config.authorization_wait_ms = 100;
  portal_start (portal);
  portal_populate (portal);
  policy = portal_do (portal, "policy add", "group", "staff", "resource", "lab", NULL);
  gateway = gateway_new (portal, NULL);
  client = client_new (portal, NULL);
  request = request_for (portal);

  peer_send (client, "request_authorization", request);
  order = peer_expect (gateway, "create_authorization");
  expect_failure (client, portal->resource_id, "offline");

  answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));
  peer_expect_reply (gateway, peer_send (gateway, "authorization_created", answer), NULL);
  peer_expect_silence (client, 50); /* too late */
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

/* A newer request for the same resource replaces the older one: one answer, one timer. */
static void
test_request_twice (void)
{
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);
  g_autofree char *first_answer = NULL;
  g_autofree char *second_answer = NULL;
  g_autoptr (JsonObject) first = NULL;
  g_autoptr (JsonObject) second = NULL;
  g_autoptr (JsonObject) created = NULL;

  peer_send (client, "request_authorization", request);
  peer_send (client, "request_authorization", request);
  first = peer_expect (gateway, "create_authorization");
  second = peer_expect (gateway, "create_authorization");
  first_answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (first, "ref"));
  second_answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (second, "ref"));
  peer_expect_reply (gateway, peer_send (gateway, "authorization_created", first_answer), NULL);
  peer_expect_silence (client, 30);
  peer_expect_reply (gateway, peer_send (gateway, "authorization_created", second_answer), NULL);
  created = peer_expect (client, "authorization_created");
  peer_expect_silence (client, 30);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

static void
test_forged_answer (void)
{
  static const char *const refs[] = {
    "{\"ref\":\"\"}",
    "{\"ref\":\"made up\"}",
    "{\"ref\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
  };
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);
  g_autoptr (JsonObject) order = NULL;

  peer_send (client, "request_authorization", request);
  order = peer_expect (gateway, "create_authorization");
  for (size_t i = 0; i < G_N_ELEMENTS (refs); i++)
    peer_expect_reply (
        gateway, peer_send (gateway, "authorization_created", refs[i]), "invalid_ref");
  peer_expect_reply (
      gateway, peer_send (gateway, "authorization_created", "{}"), "unknown_message");
  peer_expect_silence (client, 30);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

/* Another gateway of the same site cannot answer for the one that was asked. */
static void
test_answer_of_another_gateway (void)
{
  Portal *portal = started (true);
  PeerSpec spec = {
    .path = "/gateway/v2/websocket",
    .token = portal->gateway_token,
    .external_id = "gateway-two",
    .public_key = KEY_3,
    .user_agent = "Debian/12.0.0 gateway/1.6.0",
  };
  Peer *asked = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *request = request_for (portal);
  g_autofree char *answer = NULL;
  g_autoptr (JsonObject) order = NULL;
  g_autoptr (JsonObject) init = NULL;
  Peer *other;

  peer_send (client, "request_authorization", request);
  order = peer_expect (asked, "create_authorization");
  other = peer_connect (portal, "gateway", &spec);
  peer_join (other);
  init = peer_expect (other, "init");
  answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));
  peer_expect_reply (other, peer_send (other, "authorization_created", answer), "invalid_ref");
  peer_expect_silence (client, 30);
  peer_free (other);
  peer_free (client);
  peer_free (asked);
  portal_free (portal);
}

/* The gateway the client knows is preferred, whatever the dice say. */
static void
test_connected_gateway (void)
{
  Portal *portal = started (true);
  PeerSpec spec = {
    .path = "/gateway/v2/websocket",
    .token = portal->gateway_token,
    .external_id = "gateway-two",
    .public_key = KEY_3,
    .user_agent = "Debian/12.0.0 gateway/1.6.0",
  };
  Peer *first = gateway_new (portal, NULL);
  g_autofree char *first_id = portal_first_id (portal, "gateway list");
  Peer *second = peer_connect (portal, "gateway", &spec);
  Peer *client = client_new (portal, NULL);
  g_autoptr (JsonObject) init = NULL;
  g_autofree char *request = g_strdup_printf ("{\"resource_id\":\"%s\",\"connected_gateway_ids\":["
                                              "\"99999999-0000-4000-8000-000000000000\",\"%s\"]}",
                                              portal->resource_id,
                                              first_id);

  peer_join (second);
  init = peer_expect (second, "init");
  for (int i = 0; i < 8; i++) {
    g_autoptr (JsonObject) order = NULL;

    peer_send (client, "request_authorization", request);
    order = peer_expect (first, "create_authorization");
  }
  peer_expect_silence (second, 20);
  peer_free (client);
  peer_free (second);
  peer_free (first);
  portal_free (portal);
}

/* -- candidates -- */

#define CANDIDATE "candidate:1 1 udp 2130706431 192.0.2.5 52625 typ host"

static void
expect_candidates (Peer *peer, const char *event, const char *member, const char *id)
{
  g_autoptr (JsonObject) payload = peer_expect (peer, event);
  JsonArray *candidates = fz_json_array (payload, "candidates");

  g_assert_cmpstr (fz_json_text (payload, member), ==, id);
  g_assert_cmpuint (json_array_get_length (candidates), ==, 1);
  g_assert_cmpstr (json_array_get_string_element (candidates, 0), ==, CANDIDATE);
}

static void
test_candidates (void)
{
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *client_id = portal_first_id (portal, "client list");
  g_autofree char *gateway_id = portal_first_id (portal, "gateway list");
  g_autofree char *to_gateway =
      g_strdup_printf ("{\"gateway_id\":\"%s\",\"candidates\":[\"" CANDIDATE "\"]}", gateway_id);
  g_autofree char *to_client =
      g_strdup_printf ("{\"client_ids\":[\"%s\"],\"candidates\":[\"" CANDIDATE "\"]}", client_id);

  /* nothing joins the two yet */
  peer_send (client, "new_gateway_ice_candidates", to_gateway);
  peer_send (gateway, "broadcast_ice_candidates", to_client);
  peer_expect_silence (gateway, 50);
  peer_expect_silence (client, 1);

  authorize (portal, client, gateway);
  peer_send (client, "new_gateway_ice_candidates", to_gateway);
  expect_candidates (gateway, "ice_candidates", "client_id", client_id);
  peer_send (client, "invalidate_gateway_ice_candidates", to_gateway);
  expect_candidates (gateway, "invalidate_ice_candidates", "client_id", client_id);
  peer_send (gateway, "broadcast_ice_candidates", to_client);
  expect_candidates (client, "ice_candidates", "gateway_id", gateway_id);
  peer_send (gateway, "broadcast_invalidated_ice_candidates", to_client);
  expect_candidates (client, "invalidate_ice_candidates", "gateway_id", gateway_id);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

static void
test_too_many_candidates (void)
{
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *gateway_id = portal_first_id (portal, "gateway list");
  g_autoptr (GString) list = g_string_new (NULL);
  g_autofree char *payload = NULL;
  g_autofree char *one_less = NULL;
  g_autoptr (JsonObject) forwarded = NULL;

  authorize (portal, client, gateway);
  for (unsigned i = 0; i < FZ_SOCKET_CANDIDATES_MAX; i++)
    g_string_append (list, i == 0 ? "\"" CANDIDATE "\"" : ",\"" CANDIDATE "\"");
  one_less = g_strdup_printf ("{\"gateway_id\":\"%s\",\"candidates\":[%s]}", gateway_id, list->str);
  payload =
      g_strdup_printf ("{\"gateway_id\":\"%s\",\"candidates\":[%s,\"x\"]}", gateway_id, list->str);
  peer_send (client, "new_gateway_ice_candidates", one_less);
  forwarded = peer_expect (gateway, "ice_candidates");
  peer_expect_reply (
      client, peer_send (client, "new_gateway_ice_candidates", payload), "unknown_message");
  peer_expect_silence (gateway, 30);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

/* -- older peers -- */

static void
test_legacy_endpoints (void)
{
  Portal *portal = started (true);
  PeerSpec gateway_spec = {
    .path = "/gateway/websocket",
    .token = portal->gateway_token,
    .external_id = "g",
    .public_key = KEY_2,
    .user_agent = "Ubuntu/22.4.0 gateway/1.4.18",
  };
  PeerSpec client_spec = {
    .path = "/client/websocket",
    .external_id = "c",
    .user_agent = "Ubuntu/22.4.0 headless-client/1.5.0",
  };
  g_autofree char *query = g_strdup_printf (
      "token=%s&firezone_id=c&public_key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%%3D",
      portal->client_token);
  Peer *gateway = peer_connect (portal, "gateway", &gateway_spec);
  Peer *client;
  g_autofree char *request = request_for (portal);
  g_autofree char *answer = NULL;
  g_autoptr (JsonObject) gateway_init = NULL;
  g_autoptr (JsonObject) init = NULL;
  g_autoptr (JsonObject) order = NULL;
  g_autoptr (JsonObject) created = NULL;
  JsonObject *resource;

  peer_join (gateway);
  gateway_init = peer_expect (gateway, "init");
  client_spec.query = query;
  client = peer_connect (portal, "client", &client_spec);
  peer_join (client);
  init = peer_expect (client, "init");
  resource = json_array_get_object_element (fz_json_array (init, "resources"), 0);
  g_assert_nonnull (fz_json_array (resource, "gateway_groups"));
  g_assert_null (fz_json_array (resource, "sites"));

  peer_expect_reply (
      client, peer_send (client, "request_authorization", request), "unknown_message");
  peer_send (client, "create_flow", request);
  order = peer_expect (gateway, "authorize_flow");
  answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));
  peer_expect_reply (gateway, peer_send (gateway, "flow_authorized", answer), NULL);
  created = peer_expect (client, "flow_created");
  g_assert_cmpstr (fz_json_text (created, "gateway_group_id"), ==, portal->site_id);
  peer_free (client);
  peer_free (gateway);
  portal_free (portal);
}

/* -- restart -- */

static void
test_restart_keeps_grants (void)
{
  Portal *portal = started (true);
  Peer *gateway = gateway_new (portal, NULL);
  Peer *client = client_new (portal, NULL);
  g_autofree char *client_id = portal_first_id (portal, "client list");
  g_autoptr (JsonObject) init = NULL;
  g_autoptr (JsonObject) updated = NULL;
  g_autoptr (JsonObject) rejected = NULL;
  g_autoptr (JsonObject) removed = NULL;
  JsonObject *grant;

  authorize (portal, client, gateway);
  portal_stop (portal);
  peer_expect_closed (gateway);
  peer_free (gateway);
  peer_free (client);

  portal_start (portal);
  gateway = gateway_new (portal, &init);
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "authorizations")), ==, 1);
  grant = json_array_get_object_element (fz_json_array (init, "authorizations"), 0);
  g_assert_cmpstr (fz_json_text (grant, "client_id"), ==, client_id);
  g_assert_cmpstr (fz_json_text (grant, "resource_id"), ==, portal->resource_id);
  g_assert_cmpint (json_object_get_int_member (grant, "expires_at"), >, fz_store_now ());
  updated = peer_expect (gateway, "resource_updated");

  removed = portal_do (portal, "policy remove", "group", "staff", "resource", "lab", NULL);
  rejected = peer_expect (gateway, "reject_access");
  g_assert_cmpstr (fz_json_text (rejected, "client_id"), ==, client_id);
  peer_free (gateway);
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/init/client", test_client_init);
  g_test_add_func ("/init/gateway", test_gateway_init);
  g_test_add_func ("/init/addresses-stay", test_addresses_stay);
  g_test_add_func ("/authorization/flow", test_flow);
  g_test_add_func ("/authorization/iceless-needs-all-three", test_iceless);
  g_test_add_func ("/authorization/secrets-are-stable", test_secrets_are_stable);
  g_test_add_func ("/authorization/no-policy-no-path", test_no_policy_no_path);
  g_test_add_func ("/authorization/condition-fails", test_condition_fails);
  g_test_add_func ("/authorization/gateway-offline", test_gateway_offline);
  g_test_add_func ("/authorization/gateway-too-old", test_gateway_too_old);
  g_test_add_func ("/authorization/gateway-silent", test_gateway_silent);
  g_test_add_func ("/authorization/request-twice", test_request_twice);
  g_test_add_func ("/authorization/forged-answer", test_forged_answer);
  g_test_add_func ("/authorization/answer-of-another-gateway", test_answer_of_another_gateway);
  g_test_add_func ("/authorization/connected-gateway", test_connected_gateway);
  g_test_add_func ("/candidates/both-ways", test_candidates);
  g_test_add_func ("/candidates/too-many", test_too_many_candidates);
  g_test_add_func ("/legacy/endpoints", test_legacy_endpoints);
  g_test_add_func ("/restart/keeps-grants", test_restart_keeps_grants);
  return g_test_run ();
}
