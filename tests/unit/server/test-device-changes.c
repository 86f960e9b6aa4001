/* test-device-changes.c
 *
 * A token revoked or at its end, a device removed, connected twice or started anew: what
 * client and gateway are told, and in which order (portal-protocol.md §8.9).
 */
#include "src/server/fz-json.h"
#include "tests/unit/server/change-scene.h"

#include <string.h>

static void
test_client_token_revoked (void)
{
  Scene scene = scene_new ();

  change (&scene, "token revoke", "which", scene.portal->client_token_id);
  expect_reject (&scene);
  expect_disconnect (scene.client);
  scene_clear (&scene);
}

static void
test_gateway_token_revoked (void)
{
  Scene scene = scene_new ();

  change (&scene, "token revoke", "which", scene.portal->gateway_token_id);
  expect_disconnect (scene.gateway);
  scene_clear (&scene);
}

static void
test_relay_token_revoked (void)
{
  Portal *portal = portal_new ();
  Peer *relay;
  Peer *client;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) tokens = NULL;
  g_autoptr (JsonObject) init = NULL;
  g_autoptr (JsonObject) presence = NULL;

  portal_start (portal);
  portal_populate (portal);
  relay = relay_new (portal, "a secret of sixteen or more");
  client = client_new (portal, &init);
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "relays")), ==, 2);
  tokens = portal_try (portal, &error, "token list", NULL);
  for (unsigned i = 0; i < json_array_get_length (json_node_get_array (tokens)); i++) {
    JsonObject *token = json_array_get_object_element (json_node_get_array (tokens), i);
    g_autoptr (JsonObject) removed = NULL;

    if (strcmp (fz_json_text (token, "kind"), "relay") == 0)
      removed = portal_do (portal, "token revoke", "which", fz_json_text (token, "id"), NULL);
  }
  expect_disconnect (relay);
  presence = peer_expect (client, "relays_presence");
  g_assert_cmpuint (json_array_get_length (fz_json_array (presence, "connected")), ==, 0);
  peer_free (relay);
  peer_free (client);
  portal_free (portal);
}

/* The connection ends at the token's own end, without anybody's doing. */
static void
test_client_token_expires (void)
{
  Portal *portal = portal_new ();
  g_autoptr (JsonObject) token = NULL;
  Peer *client;

  portal_start (portal);
  portal_populate (portal);
  token = portal_do (portal, "token create", "client", "actor", "sam", "expires", "1s", NULL);
  g_free (portal->client_token);
  portal->client_token = g_strdup (fz_json_text (token, "token"));
  client = client_new (portal, NULL);
  expect_disconnect (client);
  peer_free (client);
  portal_free (portal);
}

static void
test_client_removed (void)
{
  Scene scene = scene_new ();

  change (&scene, "client remove", "which", scene.client_id);
  expect_reject (&scene);
  peer_expect_closed (scene.client); /* without token_expired: it comes back as a new device */
  scene_clear (&scene);
}

static void
test_gateway_removed (void)
{
  Scene scene = scene_new ();

  change (&scene, "gateway remove", "which", scene.gateway_id);
  expect_reject (&scene);
  peer_expect_closed (scene.gateway);
  expect_deleted (&scene);
  expect_created_quietly (&scene);
  scene_clear (&scene);
}

static void
test_grant_removed (void)
{
  Scene scene = scene_new ();
  g_autofree char *id = portal_first_id (scene.portal, "grant list");

  change (&scene, "grant remove", "which", id);
  expect_reject (&scene);
  expect_deleted (&scene);
  expect_created_quietly (&scene);
  scene_authorize (&scene);
  scene_clear (&scene);
}

/* Last connection of a client wins, first of a gateway. */
static void
test_duplicate_client (void)
{
  Scene scene = scene_new ();
  Peer *newer = client_new (scene.portal, NULL);

  expect_disconnect (scene.client);
  peer_expect_silence (newer, 30);
  peer_free (newer);
  scene_clear (&scene);
}

static void
test_duplicate_gateway (void)
{
  Scene scene = scene_new ();
  PeerSpec spec = {
    .path = "/gateway/v2/websocket",
    .token = scene.portal->gateway_token,
    .external_id = "gateway-one",
    .public_key = KEY_2,
    .user_agent = "Debian/12.0.0 gateway/1.6.0",
  };
  Peer *newer = peer_connect (scene.portal, "gateway", &spec);

  g_assert_null (newer->connection);
  g_assert_cmpuint (newer->status, ==, 409);
  expect_quiet (&scene);
  peer_free (newer);

  /* once the first has gone, its place is free */
  peer_leave (scene.gateway);
  scene.gateway = gateway_new (scene.portal, NULL);
  scene_clear (&scene);
}

static void
restart_gateway (Scene *scene, const char *public_key, JsonObject **out_init)
{
  peer_leave (scene->gateway);
  scene->gateway = gateway_new_as (scene->portal, public_key, out_init);
}

/* The same process after a broken connection: grants and sessions go on. */
static void
test_gateway_reconnects (void)
{
  Scene scene = scene_new ();
  g_autoptr (JsonObject) init = NULL;

  restart_gateway (&scene, KEY_2, &init);
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (init, "authorizations")), ==, 1);
  peer_skip (scene.gateway, "resource_updated"); /* its filters may have changed meanwhile */
  expect_quiet (&scene);
  scene_clear (&scene);
}

/* A new process has a new key and knows nobody: its clients are made to ask again at once. */
static void
test_gateway_starts_anew (void)
{
  Scene scene = scene_new ();
  g_autoptr (JsonObject) init = NULL;

  restart_gateway (&scene, KEY_3, &init);
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (init, "authorizations")), ==, 0);
  expect_reject (&scene); /* of which it knows nothing, and which it ignores */
  expect_deleted (&scene);
  expect_created_quietly (&scene);
  expect_quiet (&scene);
  scene_clear (&scene);
}

/* Two that were let in before either joined. */
static void
test_gateway_join_race (void)
{
  Portal *portal = portal_new ();
  PeerSpec spec = {
    .path = "/gateway/v2/websocket",
    .public_key = KEY_2,
    .external_id = "racer",
    .user_agent = "Debian/12.0.0 gateway/1.6.0",
  };
  Peer *first;
  Peer *second;
  g_autoptr (JsonObject) init = NULL;

  portal_start (portal);
  portal_populate (portal);
  spec.token = portal->gateway_token;
  first = peer_connect (portal, "gateway", &spec);
  second = peer_connect (portal, "gateway", &spec);
  peer_join (first);
  init = peer_expect (first, "init");
  peer_join (second);
  expect_disconnect (second);
  peer_expect_silence (first, 30);
  peer_free (first);
  peer_free (second);
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/token/client-revoked", test_client_token_revoked);
  g_test_add_func ("/token/gateway-revoked", test_gateway_token_revoked);
  g_test_add_func ("/token/relay-revoked", test_relay_token_revoked);
  g_test_add_func ("/token/client-expires", test_client_token_expires);
  g_test_add_func ("/device/client-removed", test_client_removed);
  g_test_add_func ("/device/gateway-removed", test_gateway_removed);
  g_test_add_func ("/device/grant-removed", test_grant_removed);
  g_test_add_func ("/device/duplicate-client", test_duplicate_client);
  g_test_add_func ("/device/duplicate-gateway", test_duplicate_gateway);
  g_test_add_func ("/device/gateway-reconnects", test_gateway_reconnects);
  g_test_add_func ("/device/gateway-starts-anew", test_gateway_starts_anew);
  g_test_add_func ("/device/gateway-join-race", test_gateway_join_race);
  return g_test_run ();
}
