/* test-changes.c
 *
 * What an administrator changes reaches everybody at once
 * (portal-protocol.md §8.9): each test makes one change and looks at what client
 * and gateway are told, and in which order. Tokens and devices: test-device-changes.c.
 */
#include "src/server/fz-json.h"
#include "tests/unit/server/change-scene.h"

#include <string.h>

/* -- policies -- */

static void
test_policy_removed_and_back (void)
{
  Scene scene = scene_new ();
  g_autoptr (JsonObject) policy = NULL;

  change (&scene, "policy remove", "which", "staff:lab");
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_quiet (&scene);

  policy = portal_do (scene.portal, "policy add", "group", "staff", "resource", "lab", NULL);
  expect_created_quietly (&scene);
  scene_authorize (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_policy_disabled_and_enabled (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "policy update", "disable", "which", "staff:lab", NULL);
  g_autoptr (JsonObject) on = NULL;

  expect_reject (&scene);
  expect_deleted (&scene);
  on = portal_do (scene.portal, "policy update", "enable", "which", "staff:lab", NULL);
  expect_created_quietly (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

/* The right remains by another policy: the client must forget and may ask again at once. */
static void
test_policy_removed_but_another_holds (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "policy add", "group", "Everyone", "resource", "lab", NULL);

  expect_quiet (&scene);
  change (&scene, "policy remove", "which", "staff:lab");
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_created_quietly (&scene);
  scene_authorize (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_policy_conditions_changed (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal,
                 "policy update",
                 "which",
                 "staff:lab",
                 "condition",
                 "client_verified is true",
                 NULL);

  expect_reject (&scene);
  expect_deleted (&scene);
  {
    portal_change (scene.portal, "client update", "verify", "which", scene.client_id, NULL);
  }
  expect_created_quietly (&scene);
  scene_authorize (&scene);
  {
    portal_change (scene.portal, "client update", "unverify", "which", scene.client_id, NULL);
  }
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_description_is_not_news (void)
{
  Scene scene = scene_new ();
  portal_change (
      scene.portal, "policy update", "which", "staff:lab", "description", "why not", NULL);

  expect_quiet (&scene);
  scene_clear (&scene);
}

/* -- people -- */

static void
test_membership (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "group remove-member", "group", "staff", "actor", "sam", NULL);
  g_autoptr (JsonObject) in = NULL;

  expect_reject (&scene);
  expect_deleted (&scene);
  in = portal_do (scene.portal, "group add-member", "group", "staff", "actor", "sam", NULL);
  expect_created_quietly (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_group_removed (void)
{
  Scene scene = scene_new ();

  change (&scene, "group remove", "which", "staff");
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

/* The managed group holds people, not service accounts. */
static void
test_everyone (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "policy add", "group", "Everyone", "resource", "lab", NULL);
  g_autoptr (JsonObject) robot = NULL;

  change (&scene, "policy remove", "which", "staff:lab");
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_created_quietly (&scene);
  scene_authorize (&scene);

  robot = portal_do (scene.portal, "actor update", "which", "sam", "type", "service_account", NULL);
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_actor_disabled (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "actor update", "disable", "which", "sam", NULL);
  g_autoptr (JsonObject) on = NULL;

  expect_reject (&scene);
  expect_disconnect (scene.client);
  on = portal_do (scene.portal, "actor update", "enable", "which", "sam", NULL);
  peer_free (scene.client);
  scene.client = client_new (scene.portal, NULL); /* the token is as good as before */
  scene_clear (&scene);
}

static void
test_account_disabled (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "account update", "disable", NULL);

  /* Out, but not told to throw their tokens away. */
  expect_reject (&scene);
  peer_expect_closed (scene.gateway);
  peer_expect_closed (scene.client);
  portal_change (scene.portal, "account update", "enable", NULL);
  peer_free (scene.client);
  scene.client = client_new (scene.portal, NULL); /* as good as before */
  scene_clear (&scene);
}

/* -- resources and sites -- */

static void
test_resource_renamed (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "resource update", "which", "lab", "name", "Labor", NULL);
  g_autoptr (JsonObject) for_gateway = peer_expect (scene.gateway, "resource_updated");
  g_autoptr (JsonObject) for_client = expect_created (&scene);

  g_assert_cmpstr (fz_json_text (for_gateway, "name"), ==, "Labor");
  g_assert_cmpstr (fz_json_text (for_client, "name"), ==, "Labor");
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_resource_filters (void)
{
  Scene scene = scene_new ();
  portal_change (
      scene.portal, "resource update", "which", "lab", "filter", "tcp/443", "filter", "icmp", NULL);
  g_autoptr (JsonObject) for_gateway = peer_expect (scene.gateway, "resource_updated");
  g_autoptr (JsonObject) for_client = expect_created (&scene);
  JsonObject *filter = json_array_get_object_element (fz_json_array (for_gateway, "filters"), 0);

  g_assert_cmpstr (fz_json_text (filter, "protocol"), ==, "tcp");
  g_assert_cmpint (json_object_get_int_member (filter, "port_range_start"), ==, 443);
  g_assert_cmpint (json_object_get_int_member (filter, "port_range_end"), ==, 443);
  g_assert_cmpuint (json_array_get_length (fz_json_array (for_client, "filters")), ==, 2);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_resource_address (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "resource update", "which", "lab", "address", "10.21.0.0/16", NULL);
  g_autoptr (JsonObject) resource = NULL;

  expect_reject (&scene);
  expect_deleted (&scene);
  resource = expect_created (&scene);
  g_assert_cmpstr (fz_json_text (resource, "address"), ==, "10.21.0.0/16");
  scene_authorize (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_resource_removed (void)
{
  Scene scene = scene_new ();

  change (&scene, "resource remove", "which", "lab");
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_site_renamed (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "site update", "which", "berlin", "name", "Berlin 2", NULL);
  g_autoptr (JsonObject) resource = expect_created (&scene);
  JsonObject *site = json_array_get_object_element (fz_json_array (resource, "sites"), 0);

  g_assert_cmpstr (fz_json_text (site, "name"), ==, "Berlin 2");
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_site_removed (void)
{
  Scene scene = scene_new ();
  g_autoptr (JsonObject) removed = NULL;

  removed = portal_do (scene.portal, "site remove", "which", "berlin", NULL);
  expect_reject (&scene);
  expect_disconnect (scene.gateway); /* its token went with the site */
  expect_deleted (&scene);
  peer_expect_silence (scene.client, 30);
  scene_clear (&scene);
}

static void
test_new_resource (void)
{
  Scene scene = scene_new ();
  portal_change (
      scene.portal, "resource add", "name", "host", "address", "10.9.8.7", "site", "berlin", NULL);
  g_autoptr (JsonObject) policy = NULL;
  g_autoptr (JsonObject) pushed = NULL;

  expect_quiet (&scene); /* nobody may reach it yet */
  policy = portal_do (scene.portal, "policy add", "group", "staff", "resource", "host", NULL);
  pushed = peer_expect (scene.client, "resource_created_or_updated");
  g_assert_cmpstr (fz_json_text (pushed, "type"), ==, "cidr");
  g_assert_cmpstr (fz_json_text (pushed, "address"), ==, "10.9.8.7/32");
  expect_quiet (&scene);
  scene_clear (&scene);
}

/* -- account and relays -- */

static void
test_dns_changed (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "account update", "dns", "secure", "doh-provider", "quad9", NULL);
  g_autoptr (JsonObject) pushed = peer_expect (scene.client, "config_changed");
  JsonObject *interface = fz_json_child (pushed, "interface");
  JsonArray *doh = fz_json_array (interface, "upstream_doh");

  g_assert_cmpstr (fz_json_text (json_array_get_object_element (doh, 0), "url"),
                   ==,
                   "https://dns.quad9.net/dns-query");
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_slug_changed (void)
{
  Scene scene = scene_new ();
  portal_change (scene.portal, "account update", "slug", "acme", NULL);
  g_autoptr (JsonObject) init = peer_expect (scene.gateway, "init");
  peer_skip (scene.gateway, "resource_updated");

  g_assert_cmpstr (fz_json_text (init, "account_slug"), ==, "acme");
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "authorizations")), ==, 1);
  expect_quiet (&scene);
  scene_clear (&scene);
}

static void
test_coturn_added_and_removed (void)
{
  Scene scene = scene_new ();
  g_autoptr (JsonObject) relay = portal_do (scene.portal,
                                            "relay add",
                                            "name",
                                            "turn-1",
                                            "address",
                                            "192.0.2.9:3478",
                                            "secret-file",
                                            "north",
                                            NULL);
  peer_skip (scene.client, "relays_presence");
  g_autoptr (JsonObject) for_gateway = peer_expect (scene.gateway, "relays_presence");
  JsonObject *entry = json_array_get_object_element (fz_json_array (for_gateway, "connected"), 0);

  g_assert_cmpint (json_object_get_int_member (entry, "expires_at"), ==, FZ_STORE_FOREVER);
  g_assert_true (g_str_has_prefix (fz_json_text (entry, "username"), "2145916800:"));
  g_assert_cmpuint (strlen (fz_json_text (entry, "password")), ==, 28); /* padded SHA-1 */
  g_assert_null (strstr (fz_json_text (entry, "password"), "north"));

  change (&scene, "relay remove", "which", "turn-1");
  {
    g_autoptr (JsonObject) gone = peer_expect (scene.client, "relays_presence");

    g_assert_cmpstr (json_array_get_string_element (fz_json_array (gone, "disconnected_ids"), 0),
                     ==,
                     fz_json_text (relay, "id"));
  }
  scene_clear (&scene);
}

/* -- trouble -- */

/* A store that takes no writes: nobody is let in anew, nobody is thrown out, and it passes. */
static void
test_store_fails (void)
{
  Scene scene = scene_new ();
  FzDatabase *database = fz_store_database (scene.portal->store);
  g_autofree char *request = g_strdup_printf (
      "{\"resource_id\":\"%s\",\"connected_gateway_ids\":[]}", scene.portal->resource_id);
  PeerSpec spec = {
    .path = "/client/v2/websocket",
    .token = scene.portal->client_token,
    .external_id = "another",
    .public_key = KEY_3,
    .user_agent = "Debian/12.0.0 gui-client/1.5.16",
  };
  g_autoptr (JsonObject) failed = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) site = NULL;
  Peer *refused;

  g_assert_true (fz_database_script (database, "PRAGMA query_only = ON", NULL));
  peer_send (scene.client, "request_authorization", request);
  failed = peer_expect (scene.client, "authorization_creation_failed");
  g_assert_cmpstr (fz_json_text (failed, "reason"), ==, "internal_error");
  refused = peer_connect (scene.portal, "client", &spec);
  g_assert_cmpuint (refused->status, ==, 500);
  peer_free (refused);
  site = portal_try (scene.portal, &error, "site add", "name", "x", NULL);
  g_assert_null (site);
  g_assert_nonnull (error);
  expect_quiet (&scene);

  g_assert_true (fz_database_script (database, "PRAGMA query_only = OFF", NULL));
  scene_authorize (&scene);
  scene_clear (&scene);
}

/* -- many at once -- */

#define MANY 40

static void
test_many_clients (void)
{
  Portal *portal = portal_new ();
  Peer *clients[MANY];
  Peer *gateway;
  g_autoptr (JsonObject) policy = NULL;
  g_autofree char *request = NULL;

  portal_start (portal);
  portal_populate (portal);
  policy = portal_do (portal, "policy add", "group", "staff", "resource", "lab", NULL);
  request = g_strdup_printf ("{\"resource_id\":\"%s\",\"connected_gateway_ids\":[]}",
                             portal->resource_id);
  gateway = gateway_new (portal, NULL);
  for (int i = 0; i < MANY; i++) {
    g_autofree char *external_id = g_strdup_printf ("client-%d", i);

    clients[i] = client_new_as (portal, external_id, KEY_1, NULL);
  }
  for (int i = 0; i < MANY; i++)
    peer_send (clients[i], "request_authorization", request);
  for (int i = 0; i < MANY; i++) {
    g_autoptr (JsonObject) order = peer_expect (gateway, "create_authorization");
    g_autofree char *answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));

    peer_send (gateway, "authorization_created", answer);
  }
  for (int i = 0; i < MANY; i++) {
    peer_skip (clients[i], "authorization_created");
  }
  for (int i = 0; i < MANY; i++)
    peer_expect_reply (gateway, gateway->ref - MANY + i, NULL);

  {
    portal_change (portal, "policy remove", "which", "staff:lab", NULL);
  }
  for (int i = 0; i < MANY; i++) {
    peer_skip (gateway, "reject_access");
    g_free (peer_expect_text (clients[i], "resource_deleted"));
  }
  for (int i = 0; i < MANY; i++)
    peer_free (clients[i]);
  peer_free (gateway);
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/removed-and-back", test_policy_removed_and_back);
  g_test_add_func ("/policy/disabled-and-enabled", test_policy_disabled_and_enabled);
  g_test_add_func ("/policy/removed-but-another-holds", test_policy_removed_but_another_holds);
  g_test_add_func ("/policy/conditions-changed", test_policy_conditions_changed);
  g_test_add_func ("/policy/description-is-not-news", test_description_is_not_news);
  g_test_add_func ("/people/membership", test_membership);
  g_test_add_func ("/people/group-removed", test_group_removed);
  g_test_add_func ("/people/everyone-is-people", test_everyone);
  g_test_add_func ("/people/actor-disabled", test_actor_disabled);
  g_test_add_func ("/people/account-disabled", test_account_disabled);
  g_test_add_func ("/resource/renamed", test_resource_renamed);
  g_test_add_func ("/resource/filters", test_resource_filters);
  g_test_add_func ("/resource/address", test_resource_address);
  g_test_add_func ("/resource/removed", test_resource_removed);
  g_test_add_func ("/resource/new", test_new_resource);
  g_test_add_func ("/site/renamed", test_site_renamed);
  g_test_add_func ("/site/removed", test_site_removed);
  g_test_add_func ("/account/dns", test_dns_changed);
  g_test_add_func ("/account/slug", test_slug_changed);
  g_test_add_func ("/relay/coturn-added-and-removed", test_coturn_added_and_removed);
  g_test_add_func ("/trouble/store-fails", test_store_fails);
  g_test_add_func ("/load/many-clients", test_many_clients);
  return g_test_run ();
}
