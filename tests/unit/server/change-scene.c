/* change-scene.c: see the header */

#include "tests/unit/server/change-scene.h"

#include "src/server/fz-json.h"

void
scene_authorize (Scene *scene)
{
  g_autofree char *request = g_strdup_printf (
      "{\"resource_id\":\"%s\",\"connected_gateway_ids\":[]}", scene->portal->resource_id);
  g_autoptr (JsonObject) order = NULL;
  g_autoptr (JsonObject) created = NULL;
  g_autofree char *answer = NULL;

  peer_send (scene->client, "request_authorization", request);
  order = peer_expect (scene->gateway, "create_authorization");
  answer = g_strdup_printf ("{\"ref\":\"%s\"}", fz_json_text (order, "ref"));
  peer_expect_reply (
      scene->gateway, peer_send (scene->gateway, "authorization_created", answer), NULL);
  created = peer_expect (scene->client, "authorization_created");
}

/* A client with access in force through a gateway. */
Scene
scene_new (void)
{
  Scene scene = { .portal = portal_new () };
  g_autoptr (JsonObject) policy = NULL;

  portal_start (scene.portal);
  portal_populate (scene.portal);
  policy = portal_do (scene.portal, "policy add", "group", "staff", "resource", "lab", NULL);
  scene.gateway = gateway_new (scene.portal, NULL);
  scene.client = client_new (scene.portal, NULL);
  scene.client_id = portal_first_id (scene.portal, "client list");
  scene.gateway_id = portal_first_id (scene.portal, "gateway list");
  scene_authorize (&scene);
  return scene;
}

void
scene_clear (Scene *scene)
{
  peer_free (scene->client);
  peer_free (scene->gateway);
  portal_free (scene->portal);
  g_free (scene->client_id);
  g_free (scene->gateway_id);
}

void
change (Scene *scene, const char *command, const char *option, const char *value)
{
  g_autoptr (GError) error = NULL;
  JsonNode *result = portal_try (scene->portal, &error, command, option, value, NULL);

  g_assert_no_error (error);
  json_node_unref (result);
}

void
expect_reject (Scene *scene)
{
  g_autoptr (JsonObject) rejected = peer_expect (scene->gateway, "reject_access");

  g_assert_cmpstr (fz_json_text (rejected, "client_id"), ==, scene->client_id);
  g_assert_cmpstr (fz_json_text (rejected, "resource_id"), ==, scene->portal->resource_id);
}

void
expect_deleted (Scene *scene)
{
  g_autofree char *id = peer_expect_text (scene->client, "resource_deleted");

  g_assert_cmpstr (id, ==, scene->portal->resource_id);
}

JsonObject *
expect_created (Scene *scene)
{
  JsonObject *resource = peer_expect (scene->client, "resource_created_or_updated");

  g_assert_cmpstr (fz_json_text (resource, "id"), ==, scene->portal->resource_id);
  return resource;
}

void
expect_created_quietly (Scene *scene)
{
  json_object_unref (expect_created (scene));
}

void
expect_disconnect (Peer *peer)
{
  g_autoptr (JsonObject) payload = peer_expect (peer, "disconnect");

  g_assert_cmpstr (fz_json_text (payload, "reason"), ==, "token_expired");
  peer_expect_closed (peer);
}

void
expect_quiet (Scene *scene)
{
  peer_expect_silence (scene->client, 40);
  peer_expect_silence (scene->gateway, 1);
}
