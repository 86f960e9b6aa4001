/* test-abuse.c
 *
 * What strangers and broken peers do: wrong tokens and parameters, frames that
 * are malformed, oversized, deep or too many, joins that make no sense. Each is
 * answered or ignored as portal-protocol.md §§3.5 to 3.10 say, and the portal
 * goes on serving everybody else.
 */
#include "src/server/fz-json.h"
#include "src/server/fz-socket.h"
#include "tests/unit/server/portal-fixture.h"

#include <string.h>

#define CLIENT_PATH  "/client/v2/websocket"
#define CLIENT_AGENT "Debian/12.0.0 gui-client/1.5.16"

/* The usual client still gets in and is served. */
static void
expect_alive (Portal *portal)
{
  Peer *client = client_new_as (portal, "proof-of-life", KEY_3, NULL);

  peer_free (client);
}

/* -- upgrade -- */

static unsigned
status_of (Portal *portal, const PeerSpec *spec)
{
  Peer *peer = peer_connect (portal, "client", spec);
  unsigned status = peer->status;

  g_assert_true ((peer->connection != NULL) == (status == 101));
  peer_free (peer);
  return status;
}

static void
test_tokens (void)
{
  Portal *portal = portal_new_populated ();
  g_autofree char *cut = g_strndup (portal->client_token, strlen (portal->client_token) - 1);
  g_autofree char *other = g_strdup (portal->client_token);
  g_autofree char *with_nonce = g_strconcat ("nonce", portal->client_token, NULL);
  g_autofree char *spaced = g_strconcat (" ", portal->client_token, " ", NULL);
  g_autoptr (JsonObject) revoked = NULL;
  struct {
    const char *token;
    unsigned status;
    const char *why;
  } rows[] = {
    { portal->client_token, 101, "the right one" },
    { spaced, 101, "white space is not part of it" },
    { NULL, 401, "none" },
    { "", 401, "an empty one" },
    { "garbage", 401, "no token at all" },
    { cut, 401, "a character short" },
    { other, 401, "another secret" },
    { with_nonce, 401, "made without that nonce" },
    { portal->gateway_token, 401, "a token of another kind" },
    { portal->relay_token, 401, "a token of another kind" },
  };

  other[strlen (other) - 1] = other[strlen (other) - 1] == 'A' ? 'B' : 'A';
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    PeerSpec spec = { CLIENT_PATH, rows[i].token, "c", KEY_1, CLIENT_AGENT, NULL };

    g_test_message ("%s", rows[i].why);
    g_assert_cmpuint (status_of (portal, &spec), ==, rows[i].status);
  }

  revoked = portal_do (portal, "token revoke", "which", portal->client_token_id, NULL);
  g_assert_cmpuint (
      status_of (portal,
                 &(PeerSpec){ CLIENT_PATH, portal->client_token, "c", KEY_1, CLIENT_AGENT, NULL }),
      ==,
      401);
  portal_free (portal);
}

/* Only who holds a good token hears of the account; one that is not good stays so. */
static void
test_disabled_account (void)
{
  Portal *portal = portal_new_populated ();
  PeerSpec good = { CLIENT_PATH, portal->client_token, "c", KEY_1, CLIENT_AGENT, NULL };
  PeerSpec bad = { CLIENT_PATH, "garbage", "c", KEY_1, CLIENT_AGENT, NULL };
  PeerSpec gateway = {
    "/gateway/v2/websocket", portal->gateway_token, "g", KEY_2, "Debian/12.0.0 gateway/1.6.0", NULL
  };

  portal_change (portal, "account update", "disable", NULL);
  g_assert_cmpuint (status_of (portal, &good), ==, 403);
  g_assert_cmpuint (status_of (portal, &gateway), ==, 403);
  g_assert_cmpuint (status_of (portal, &bad), ==, 401);
  portal_change (portal, "account update", "enable", NULL);
  g_assert_cmpuint (status_of (portal, &good), ==, 101);

  /* A person is not an account: that token is as good as none. */
  portal_change (portal, "actor update", "disable", "which", "sam", NULL);
  g_assert_cmpuint (status_of (portal, &good), ==, 401);
  portal_free (portal);
}

static void
test_versions (void)
{
  static const struct {
    const char *agent;
    unsigned status;
  } rows[] = {
    { "Debian/12.0.0 gui-client/1.4.0", 101 },      { "Debian/12.0.0 gui-client/2.0.0", 101 },
    { "Debian/12.0.0 headless-client/1.3.9", 426 }, { "Debian/12.0.0 gui-client/0.9.0", 426 },
    { "Debian/12.0.0 gui-client/unknown", 101 },
  };
  Portal *portal = portal_new_populated ();

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    PeerSpec spec = { CLIENT_PATH, portal->client_token, "c", KEY_1, rows[i].agent, NULL };

    g_test_message ("%s", rows[i].agent);
    g_assert_cmpuint (status_of (portal, &spec), ==, rows[i].status);
  }
  portal_free (portal);
}

static void
test_parameters (void)
{
  Portal *portal = portal_new_populated ();
  g_autofree char *long_id = g_strnfill (256, 'x');
  g_autofree char *fine_id = g_strnfill (255, 'x');
  struct {
    const char *path;
    const char *external_id;
    const char *public_key;
    const char *user_agent;
    unsigned status;
    const char *why;
  } rows[] = {
    { CLIENT_PATH, fine_id, KEY_1, CLIENT_AGENT, 101, "the longest id" },
    { CLIENT_PATH, long_id, KEY_1, CLIENT_AGENT, 400, "one more" },
    { CLIENT_PATH, "", KEY_1, CLIENT_AGENT, 400, "no id" },
    { CLIENT_PATH, "c", "", CLIENT_AGENT, 400, "no key" },
    { CLIENT_PATH, "c", "AQEB", CLIENT_AGENT, 400, "a short key" },
    { CLIENT_PATH, "c", KEY_1, "curl/7.88", 400, "an unknown program" },
    { CLIENT_PATH, "c", KEY_1, "my-gui-client/1.5.16", 400, "only something like it" },
    { CLIENT_PATH, "c", KEY_1, "Debian/12 gui-client/7.0.0", 101, "a version yet to come" },
    { CLIENT_PATH "/", "c", KEY_1, CLIENT_AGENT, 404, "not quite the path" },
    { "/client/v3/websocket", "c", KEY_1, CLIENT_AGENT, 404, "no such path" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    PeerSpec spec = { rows[i].path,       portal->client_token, rows[i].external_id,
                      rows[i].public_key, rows[i].user_agent,   NULL };

    g_test_message ("%s", rows[i].why);
    g_assert_cmpuint (status_of (portal, &spec), ==, rows[i].status);
  }
  portal_free (portal);
}

static void
test_relay_parameters (void)
{
  static const struct {
    const char *query;
    unsigned status;
  } rows[] = {
    { "ipv4=198.51.100.7&port=3478", 101 },
    { "ipv6=2001:db8::7", 101 },
    { "port=3478", 500 },
    { "ipv4=nonsense", 500 },
    { "ipv4=2001:db8::7", 500 },
    { "ipv4=198.51.100.7&port=0", 400 },
    { "ipv4=198.51.100.7&port=65536", 400 },
  };
  Portal *portal = portal_new_populated ();

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    PeerSpec spec = { .path = "/relay/websocket",
                      .token = portal->relay_token,
                      .query = rows[i].query };

    g_test_message ("%s", rows[i].query);
    g_assert_cmpuint (status_of (portal, &spec), ==, rows[i].status);
  }
  portal_free (portal);
}

/* The body is what newer peers decide by. */
static void
test_problem_details (void)
{
  static const char request[] =
      "GET " CLIENT_PATH "?external_id=c HTTP/1.1\r\nHost: portal\r\nConnection: Upgrade\r\n"
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AQEBAQEBAQEBAQEBAQEBAQ==\r\n%s\r\n";
  static const struct {
    const char *header;
    const char *code;
  } rows[] = {
    { "Connection: close\r\n", "\"code\":\"missing_token\"" },
    { "X-Authorization: Bearer nonsense\r\n", "\"code\":\"invalid_token\"" },
    { "X-Authorization: Basic nonsense\r\n", "\"code\":\"missing_token\"" },
  };
  Portal *portal = portal_new_populated ();

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *head = g_strdup_printf ("%sConnection: close\r\n", rows[i].header);
    g_auto (GStrv) parts = g_strsplit (request, "%s", 2);
    g_autofree char *text = g_strconcat (parts[0], head, parts[1], NULL);
    g_autofree char *answer = raw_request (portal, text);

    g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 401 "));
    g_assert_nonnull (strstr (answer, "Content-Type: application/problem+json"));
    g_assert_nonnull (strstr (answer, rows[i].code));
    g_assert_nonnull (strstr (answer, "\"status\":401"));
  }
  portal_free (portal);
}

static void
test_plain_http (void)
{
  static const struct {
    const char *request;
    const char *status;
  } rows[] = {
    { "GET /healthz HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 " },
    { "POST /healthz HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 405 " },
    { "GET / HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n", "HTTP/1.1 302 " },
    { "GET /nobody HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 " },
    { "GET /a/b/c HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 " },
    { "DELETE / HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 " },
    { "GET " CLIENT_PATH " HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n", "HTTP/1.1 426 " },
    { "NONSENSE\r\n\r\n", "HTTP/1." },
  };
  Portal *portal = portal_new_populated ();

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *answer = raw_request (portal, rows[i].request);

    g_test_message ("%s", rows[i].request);
    g_assert_true (g_str_has_prefix (answer, rows[i].status));
  }
  expect_alive (portal);
  portal_free (portal);
}

static void
test_rate_limit (void)
{
  Portal *portal = portal_new ();
  PeerSpec spec = { CLIENT_PATH, NULL, "c", KEY_1, CLIENT_AGENT, NULL };
  PeerSpec other = { "/gateway/v2/websocket", NULL, "g", KEY_1, "Debian/12 gateway/1.6.0", NULL };

  portal->connect_interval_us = 3600 * (int64_t) G_USEC_PER_SEC;
  portal_start (portal);
  portal_populate (portal);
  spec.token = portal->client_token;
  other.token = portal->gateway_token;
  g_assert_cmpuint (status_of (portal, &spec), ==, 101);
  g_assert_cmpuint (status_of (portal, &spec), ==, 503);
  g_assert_cmpuint (status_of (portal, &other), ==, 101); /* another token is another bucket */
  portal_free (portal);

  portal = portal_new ();
  portal->connect_interval_us = G_USEC_PER_SEC / 10;
  portal_start (portal);
  portal_populate (portal);
  spec.token = portal->client_token;
  g_assert_cmpuint (status_of (portal, &spec), ==, 101);
  turn_for (200);
  g_assert_cmpuint (status_of (portal, &spec), ==, 101);
  portal_free (portal);
}

static void
test_too_many_sockets (void)
{
  Portal *portal = portal_new ();
  PeerSpec spec = { CLIENT_PATH, NULL, "c", KEY_1, CLIENT_AGENT, NULL };
  Peer *peers[2];

  portal->config.max_sockets = 2;
  portal_start (portal);
  portal_populate (portal);
  spec.token = portal->client_token;
  for (size_t i = 0; i < 2; i++)
    peers[i] = peer_connect (portal, "client", &spec);
  g_assert_cmpuint (status_of (portal, &spec), ==, 503);
  peer_leave (peers[0]);
  g_assert_cmpuint (status_of (portal, &spec), ==, 101);
  peer_free (peers[1]);
  portal_free (portal);
}

/* -- frames -- */

/* Ignored: the connection stays and the next frame counts. */
static void
test_ignored_frames (void)
{
  static const char *const frames[] = {
    "[]",
    "null",
    "1",
    "\"text\"",
    "{}",
    "{\"topic\":\"client\",\"payload\":{},\"ref\":1}",
    "{\"topic\":7,\"event\":\"init\",\"payload\":{},\"ref\":1}",
    "{\"topic\":\"client\",\"event\":{},\"payload\":{},\"ref\":1}",
  };
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (frames); i++)
    peer_send_text (client, frames[i]);
  soup_websocket_connection_send_binary (client->connection, "\0\1\2", 3);
  peer_send (client, "no_relays", "{}");
  json_object_unref (peer_expect (client, "relays_presence"));
  peer_free (client);
  portal_free (portal);
}

/* Events we know in shapes we do not, and events we do not know. */
static void
test_refused_messages (void)
{
  static const struct {
    const char *event;
    const char *payload;
  } rows[] = {
    { "request_authorization", "{}" },
    { "request_authorization", "[]" },
    { "request_authorization", "null" },
    { "request_authorization", "{\"resource_id\":7}" },
    { "request_authorization", "{\"resource_id\":\"not a uuid\"}" },
    { "request_authorization", "{\"resource_id\":[[[]]]}" },
    { "new_gateway_ice_candidates", "{}" },
    { "new_gateway_ice_candidates", "{\"gateway_id\":\"x\",\"candidates\":{}}" },
    { "new_gateway_ice_candidates", "{\"gateway_id\":\"x\",\"candidates\":[1]}" },
    { "new_gateway_ice_candidates", "{\"gateway_id\":null,\"candidates\":[]}" },
    { "invalidate_gateway_ice_candidates", "{\"gateway_id\":\"x\"}" },
    { "broadcast_ice_candidates", "{\"gateway_ids\":\"x\",\"candidates\":[]}" },
    { "resolve_device_pool_domain", "{}" },
    { "authorization_created", "{\"ref\":\"x\"}" },
    { "create_flow", "{}" },
    { "", "{}" },
    { "init", "{}" },
    { "phx_reply", "{}" },
  };
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s %s", rows[i].event, rows[i].payload);
    peer_expect_reply (
        client, peer_send (client, rows[i].event, rows[i].payload), "unknown_message");
  }
  peer_free (client);
  portal_free (portal);
}

/* Tolerated: capabilities of any shape, members nobody knows, a request without its list. */
static void
test_tolerated_messages (void)
{
  static const char *const capabilities[] = {
    "{}", "null", "{\"iceless\":7}", "{\"iceless\":true,\"more\":[{}]}"
  };
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);
  g_autofree char *request =
      g_strdup_printf ("{\"resource_id\":\"%s\",\"more\":{\"x\":1}}", portal->resource_id);
  g_autoptr (JsonObject) failed = NULL;

  for (size_t i = 0; i < G_N_ELEMENTS (capabilities); i++)
    peer_send (client, "set_snownet_capabilities", capabilities[i]);
  peer_send (client, "request_device_access", "{}");
  peer_send (client, "request_authorization", request);
  failed = peer_expect (client, "authorization_creation_failed");
  peer_free (client);
  portal_free (portal);
}

static void
expect_cut_off (Portal *portal, const char *text)
{
  Peer *client = client_new (portal, NULL);

  peer_send_text (client, text);
  peer_expect_closed (client);
  peer_free (client);
}

static void
test_fatal_frames (void)
{
  Portal *portal = portal_new_populated ();
  g_autofree char *brackets = g_strnfill (FZ_SOCKET_FRAME_MAX / 2, '[');
  g_autofree char *too_deep = g_strnfill (FZ_JSON_DEPTH_MAX + 1, '[');
  g_autofree char *huge = g_strnfill (FZ_SOCKET_FRAME_MAX + 1, ' ');

  expect_cut_off (portal, "{\"topic\":\"client\",\"ev");
  expect_cut_off (portal, "garbage");
  expect_cut_off (portal, too_deep);
  expect_cut_off (portal, brackets);
  expect_cut_off (portal, huge);
  expect_alive (portal);
  portal_free (portal);
}

/* A frame of exactly the limit is read. */
static void
test_largest_frame (void)
{
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);
  g_autofree char *frame = g_strnfill (FZ_SOCKET_FRAME_MAX, ' ');
  static const char head[] =
      "{\"topic\":\"client\",\"event\":\"no_relays\",\"payload\":{},\"ref\":1}";

  memcpy (frame, head, strlen (head));
  peer_send_text (client, frame);
  json_object_unref (peer_expect (client, "relays_presence"));
  peer_free (client);
  portal_free (portal);
}

static void
test_flood (void)
{
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);

  for (unsigned i = 0; i < 2 * FZ_SOCKET_BURST_MAX; i++)
    peer_send (client, "set_snownet_capabilities", "{}");
  peer_expect_closed (client);
  peer_free (client);
  expect_alive (portal);
  portal_free (portal);
}

/* Damaged copies of honest frames, from a seed: ends of connections are fine, ends of the portal
 * are not. */
static void
test_random_frames (void)
{
  static const char *const honest[] = {
    "{\"topic\":\"client\",\"event\":\"request_authorization\",\"payload\":{\"resource_id\":"
    "\"aaaaaaaa-0000-4000-8000-000000000004\",\"connected_gateway_ids\":[\"a\"]},\"ref\":4}",
    "{\"topic\":\"client\",\"event\":\"new_gateway_ice_candidates\",\"payload\":{\"gateway_id\":"
    "\"aaaaaaaa-0000-4000-8000-000000000004\",\"candidates\":[\"candidate:1\"]},\"ref\":5}",
    "{\"topic\":\"client\",\"event\":\"phx_join\",\"payload\":null,\"ref\":0}",
    "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":7}",
    "{\"topic\":\"client\",\"event\":\"no_relays\",\"payload\":{},\"ref\":8}",
  };
  static const char spice[] = "{}[]\",:0-9nulltruefalse\\u0000\xc3\x28";
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 20261);
  rng = fz_seeded_rng (&seeded);
  for (int i = 0; i < 3000; i++) {
    g_autofree char *frame = g_strdup (honest[fz_rng_below (&rng, G_N_ELEMENTS (honest))]);
    uint64_t n_changes = 1 + fz_rng_below (&rng, 4);

    for (uint64_t k = 0; k < n_changes; k++)
      frame[fz_rng_below (&rng, strlen (frame))] = spice[fz_rng_below (&rng, sizeof spice - 1)];
    if (client->is_closed || i % 500 == 499) {
      peer_free (client);
      client = client_new (portal, NULL);
    }
    if (g_utf8_validate (frame, -1, NULL) &&
        soup_websocket_connection_get_state (client->connection) == SOUP_WEBSOCKET_STATE_OPEN)
      peer_send_text (client, frame);
    while (g_main_context_iteration (NULL, FALSE))
      ;
    g_queue_clear_full (&client->inbox, (GDestroyNotify) (void (*) (void)) json_object_unref);
    g_queue_init (&client->inbox);
  }
  peer_free (client);
  expect_alive (portal);
  portal_free (portal);
}

/* -- joins and heartbeats -- */

static void
test_joins (void)
{
  Portal *portal = portal_new_populated ();
  PeerSpec spec = { CLIENT_PATH, portal->client_token, "c", KEY_1, CLIENT_AGENT, NULL };
  Peer *client = peer_connect (portal, "client", &spec);
  char *topic;

  /* before the join there are only heartbeats */
  peer_expect_reply (client, peer_send (client, "no_relays", "{}"), "unmatched topic");
  topic = g_steal_pointer (&client->topic);
  client->topic = g_strdup ("phoenix");
  peer_expect_reply (client, peer_send (client, "heartbeat", "{}"), NULL);
  g_free (client->topic);
  client->topic = g_strdup ("gateway");
  peer_expect_reply (client, peer_send (client, "phx_join", "null"), "unmatched topic");
  g_free (client->topic);
  client->topic = topic;

  peer_join (client);
  json_object_unref (peer_expect (client, "init"));
  peer_join (client); /* again: a fresh channel on the same transport */
  json_object_unref (peer_expect (client, "init"));

  peer_expect_reply (client, peer_send (client, "phx_leave", "{}"), NULL);
  json_object_unref (peer_expect (client, "phx_close"));
  peer_expect_reply (client, peer_send (client, "no_relays", "{}"), "unmatched topic");
  peer_join (client);
  json_object_unref (peer_expect (client, "init"));
  peer_free (client);
  portal_free (portal);
}

static void
test_relay_joins (void)
{
  static const char *const payloads[] = {
    "null", "{}", "{\"stamp_secret\":7}", "{\"stamp_secret\":\"short\"}"
  };
  Portal *portal = portal_new_populated ();
  PeerSpec spec = { .path = "/relay/websocket",
                    .token = portal->relay_token,
                    .query = "ipv4=198.51.100.7" };
  Peer *relay = peer_connect (portal, "relay", &spec);

  for (size_t i = 0; i < G_N_ELEMENTS (payloads); i++)
    peer_expect_reply (relay, peer_send (relay, "phx_join", payloads[i]), "invalid_payload");
  peer_expect_reply (
      relay, peer_send (relay, "phx_join", "{\"stamp_secret\":\"0123456789abcdef\"}"), NULL);
  json_object_unref (peer_expect (relay, "init"));
  peer_expect_reply (relay, peer_send (relay, "anything", "{}"), "unknown_message");
  peer_free (relay);
  portal_free (portal);
}

/* A string as reference comes back as a string; the peers we know send numbers. */
static void
test_reference_is_echoed (void)
{
  static const struct {
    const char *sent;
    const char *echoed;
  } rows[] = {
    { "7", "\"ref\":7" },
    { "\"7\"", "\"ref\":\"7\"" },
    { "null", "\"ref\":null" },
    { "{}", "\"ref\":null" },
    { "9007199254740993", "\"ref\":9007199254740993" },
  };
  Portal *portal = portal_new_populated ();
  Peer *client = client_new (portal, NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *frame = g_strdup_printf (
        "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":%s}", rows[i].sent);
    g_autoptr (JsonObject) reply = NULL;
    g_autofree char *text = NULL;

    peer_send_text (client, frame);
    while (g_queue_is_empty (&client->inbox))
      g_main_context_iteration (NULL, TRUE);
    reply = g_queue_pop_head (&client->inbox);
    text = fz_json_object_to_text (reply);
    g_assert_nonnull (strstr (text, rows[i].echoed));
  }
  peer_free (client);
  portal_free (portal);
}

/* Heartbeats keep a connection; without any frame it ends. */
static void
test_silence (void)
{
  Portal *portal = portal_new ();
  Peer *silent;
  Peer *lively;

  portal->config.peer_idle_s = 4;
  portal_start (portal);
  portal_populate (portal);
  silent = client_new_as (portal, "silent", KEY_1, NULL);
  lively = client_new_as (portal, "lively", KEY_2, NULL);
  while (!silent->is_closed) {
    turn_for (300);
    peer_send_text (lively,
                    "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":0}");
  }
  peer_expect_closed (silent);
  g_assert_false (lively->is_closed);
  peer_free (silent);
  peer_free (lively);
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/upgrade/tokens", test_tokens);
  g_test_add_func ("/upgrade/disabled-account", test_disabled_account);
  g_test_add_func ("/upgrade/versions", test_versions);
  g_test_add_func ("/upgrade/parameters", test_parameters);
  g_test_add_func ("/upgrade/relay-parameters", test_relay_parameters);
  g_test_add_func ("/upgrade/problem-details", test_problem_details);
  g_test_add_func ("/upgrade/plain-http", test_plain_http);
  g_test_add_func ("/upgrade/rate-limit", test_rate_limit);
  g_test_add_func ("/upgrade/too-many-sockets", test_too_many_sockets);
  g_test_add_func ("/frames/ignored", test_ignored_frames);
  g_test_add_func ("/frames/refused", test_refused_messages);
  g_test_add_func ("/frames/tolerated", test_tolerated_messages);
  g_test_add_func ("/frames/fatal", test_fatal_frames);
  g_test_add_func ("/frames/largest", test_largest_frame);
  g_test_add_func ("/frames/flood", test_flood);
  g_test_add_func ("/frames/random", test_random_frames);
  g_test_add_func ("/channel/joins", test_joins);
  g_test_add_func ("/channel/relay-joins", test_relay_joins);
  g_test_add_func ("/channel/reference-is-echoed", test_reference_is_echoed);
  g_test_add_func ("/channel/silence", test_silence);
  return g_test_run ();
}
