/* portal-fixture.c
 *
 * See portal-fixture.h.
 */
#include "tests/unit/server/portal-fixture.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-hub-private.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"

#include <glib/gstdio.h>
#include <string.h>

#define PATIENCE_S 60

/* -- main loop -- */

static gboolean
on_tick (gpointer user_data)
{
  *(bool *) user_data = true;
  return G_SOURCE_REMOVE;
}

void
turn_until (bool (*is_done) (void *context), void *context)
{
  bool is_late = false;
  guint id = g_timeout_add_seconds (PATIENCE_S, on_tick, &is_late);

  while (!is_done (context) && !is_late)
    g_main_context_iteration (NULL, TRUE);
  if (is_late)
    g_error ("waited %d s in vain", PATIENCE_S);
  g_source_remove (id);
}

void
turn_for (unsigned ms)
{
  bool is_over = false;

  g_timeout_add (ms, on_tick, &is_over);
  while (!is_over)
    g_main_context_iteration (NULL, TRUE);
}

/* -- portal -- */

Portal *
portal_new (void)
{
  Portal *portal = g_new0 (Portal, 1);

  g_assert_true (fz_crypto_init ());
  portal->folder = g_dir_make_tmp ("fz-portal-XXXXXX", NULL);
  g_assert_nonnull (portal->folder);
  portal->database = g_build_filename (portal->folder, "portal.db", NULL);
  portal->config = fz_hub_config_default ();
  portal->config.external_url = "https://portal.example.net/";
  portal->config.presence_debounce_ms = 60;
  return portal;
}

void
portal_start (Portal *portal)
{
  static const char *const listen[] = { "127.0.0.1:0", NULL };
  FzRng rng = fz_crypto_rng ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) uris = NULL;
  FzHttpConfig http = { .listen = listen,
                        .connect_interval_us = portal->connect_interval_us,
                        .is_https_outside = portal->is_https_outside,
                        .password_cost = { .passes = 1, .memory_bytes = 1 << 13 } };

  portal->store = fz_store_open (portal->database, &rng, &error);
  g_assert_no_error (error);
  portal->hub = fz_hub_new (portal->store, &portal->config, &error);
  g_assert_no_error (error);
  portal->http = fz_http_new (portal->store, portal->hub, &http, &error);
  g_assert_no_error (error);
  g_assert_true (fz_http_listen (portal->http, &error));
  g_assert_no_error (error);
  uris = fz_http_uris (portal->http);
  portal->base = g_strdup (uris[0] + strlen ("http://"));
  *strchr (portal->base, '/') = '\0';
  portal->manage = (FzManage){ portal->store, portal->hub, portal->database, fz_store_now () };
}

void
portal_stop (Portal *portal)
{
  g_clear_pointer (&portal->hub, fz_hub_free);
  g_clear_pointer (&portal->http, fz_http_free);
  g_clear_pointer (&portal->store, fz_store_free);
  g_clear_pointer (&portal->base, g_free);
}

void
portal_remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      portal_remove_folder (path);
    g_unlink (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
}

void
portal_free (Portal *portal)
{
  portal_stop (portal);
  portal_remove_folder (portal->folder);
  g_free (portal->folder);
  g_free (portal->database);
  g_free (portal->account_id);
  g_free (portal->actor_id);
  g_free (portal->group_id);
  g_free (portal->site_id);
  g_free (portal->resource_id);
  g_free (portal->client_token);
  g_free (portal->client_token_id);
  g_free (portal->gateway_token);
  g_free (portal->gateway_token_id);
  g_free (portal->relay_token);
  g_free (portal);
}

static void
add_argument (JsonObject *args, const FzManageVerb *verb, const char *name, const char *value)
{
  const FzManageOption *option = verb->options;

  while (option->name != NULL && strcmp (option->name, name) != 0)
    option++;
  if (value == NULL) {
    json_object_set_boolean_member (args, name, TRUE);
  } else if (option->flags & FZ_OPTION_MANY) {
    if (!json_object_has_member (args, name))
      json_object_set_array_member (args, name, json_array_new ());
    json_array_add_string_element (json_object_get_array_member (args, name), value);
  } else {
    json_object_set_string_member (args, name, value);
  }
}

static JsonNode *
run_command (Portal *portal, GError **error, const char *command, va_list list)
{
  g_auto (GStrv) words = g_strsplit (command, " ", 2);
  const FzManageVerb *verb = fz_manage_find (words[0], words[1]);
  g_autoptr (JsonObject) args = json_object_new ();
  const char *name;

  g_assert_nonnull (verb);
  while ((name = va_arg (list, const char *)) != NULL) {
    const FzManageOption *option = verb->options;

    while (option->name != NULL && strcmp (option->name, name) != 0)
      option++;
    if (option->name != NULL && option->placeholder == NULL)
      add_argument (args, verb, name, NULL);
    else
      add_argument (args, verb, name, va_arg (list, const char *));
  }
  return fz_manage_run (&portal->manage, verb, args, error);
}

JsonNode *
portal_try (Portal *portal, GError **error, const char *command, ...)
{
  JsonNode *node;
  va_list list;

  va_start (list, command);
  node = run_command (portal, error, command, list);
  va_end (list);
  return node;
}

static JsonNode *
run_or_fail (Portal *portal, const char *command, va_list list)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node = run_command (portal, &error, command, list);

  g_assert_no_error (error);
  return node;
}

JsonObject *
portal_do (Portal *portal, const char *command, ...)
{
  g_autoptr (JsonNode) node = NULL;
  va_list list;

  va_start (list, command);
  node = run_or_fail (portal, command, list);
  va_end (list);
  g_assert_true (JSON_NODE_HOLDS_OBJECT (node));
  return json_object_ref (json_node_get_object (node));
}

void
portal_change (Portal *portal, const char *command, ...)
{
  va_list list;

  va_start (list, command);
  json_node_unref (run_or_fail (portal, command, list));
  va_end (list);
}

static char *
take (JsonObject *object, const char *member)
{
  return g_strdup (fz_json_text (object, member));
}

void
portal_populate (Portal *portal)
{
  g_autoptr (JsonObject) account = portal_do (portal, "init", "site", "berlin", NULL);
  g_autoptr (JsonObject) actor =
      portal_do (portal, "actor add", "name", "sam", "email", "sam@acme.test", NULL);
  g_autoptr (JsonObject) group = portal_do (portal, "group add", "name", "staff", NULL);
  portal_change (portal, "group add-member", "group", "staff", "actor", "sam", NULL);
  g_autoptr (JsonObject) site = portal_do (portal, "site show", "which", "berlin", NULL);
  g_autoptr (JsonObject) resource = portal_do (
      portal, "resource add", "name", "lab", "address", "10.20.0.0/16", "site", "berlin", NULL);
  g_autoptr (JsonObject) client =
      portal_do (portal, "token create", "client", "actor", "sam", "expires", "7d", NULL);
  g_autoptr (JsonObject) gateway =
      portal_do (portal, "token create", "gateway", "site", "berlin", NULL);
  g_autoptr (JsonObject) relay = portal_do (portal, "token create", "relay", NULL);

  portal->account_id = take (account, "id");
  portal->actor_id = take (actor, "id");
  portal->group_id = take (group, "id");
  portal->site_id = take (site, "id");
  portal->resource_id = take (resource, "id");
  portal->client_token = take (client, "token");
  portal->client_token_id = take (client, "id");
  portal->gateway_token = take (gateway, "token");
  portal->gateway_token_id = take (gateway, "id");
  portal->relay_token = take (relay, "token");
}

/* -- peers -- */

static void
on_message (SoupWebsocketConnection *connection, gint type, GBytes *message, gpointer user_data)
{
  Peer *peer = user_data;
  gsize length = 0;
  const char *text = g_bytes_get_data (message, &length);
  g_autoptr (JsonNode) node = fz_json_parse_bounded (text, length, NULL);

  g_assert_nonnull (node);
  g_queue_push_tail (&peer->inbox, json_object_ref (json_node_get_object (node)));
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer user_data)
{
  ((Peer *) user_data)->is_closed = true;
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Peer *peer = user_data;
  g_autoptr (GError) error = NULL;

  peer->connection = soup_session_websocket_connect_finish (SOUP_SESSION (source), result, &error);
  peer->is_done = true;
  if (peer->connection == NULL)
    return;
  soup_websocket_connection_set_max_incoming_payload_size (peer->connection, 1 << 20);
  g_signal_connect (peer->connection, "message", G_CALLBACK (on_message), peer);
  g_signal_connect (peer->connection, "closed", G_CALLBACK (on_closed), peer);
}

static bool
is_connect_done (void *context)
{
  return ((Peer *) context)->is_done;
}

static char *
make_url (Portal *portal, const PeerSpec *spec)
{
  g_autofree char *key =
      spec->public_key != NULL ? g_uri_escape_string (spec->public_key, NULL, FALSE) : NULL;

  if (spec->query != NULL)
    return g_strdup_printf ("ws://%s%s?%s", portal->base, spec->path, spec->query);
  return g_strdup_printf ("ws://%s%s?external_id=%s&name=test+peer&public_key=%s",
                          portal->base,
                          spec->path,
                          spec->external_id != NULL ? spec->external_id : "",
                          key != NULL ? key : "");
}

Peer *
peer_connect (Portal *portal, const char *topic, const PeerSpec *spec)
{
  Peer *peer = g_new0 (Peer, 1);
  g_autofree char *url = make_url (portal, spec);
  g_autofree char *bearer = g_strdup_printf ("Bearer %s", spec->token);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  peer->portal = portal;
  peer->topic = g_strdup (topic);
  g_queue_init (&peer->inbox);
  peer->session = soup_session_new_with_options ("proxy-resolver", NULL, NULL);
  if (spec->token != NULL)
    soup_message_headers_replace (headers, "X-Authorization", bearer);
  if (spec->user_agent != NULL)
    soup_message_headers_replace (headers, "User-Agent", spec->user_agent);
  soup_session_websocket_connect_async (
      peer->session, message, NULL, NULL, G_PRIORITY_DEFAULT, NULL, on_connected, peer);
  turn_until (is_connect_done, peer);
  peer->status = soup_message_get_status (message);
  return peer;
}

void
peer_free (Peer *peer)
{
  if (peer == NULL)
    return;
  if (peer->connection != NULL)
    g_signal_handlers_disconnect_by_data (peer->connection, peer);
  g_clear_object (&peer->connection);
  g_clear_object (&peer->session);
  g_queue_clear_full (&peer->inbox, (GDestroyNotify) (void (*) (void)) json_object_unref);
  g_free (peer->topic);
  g_free (peer);
}

typedef struct {
  const FzHub *hub;
  unsigned n_sockets;
} Leaving;

static bool
has_left (void *context)
{
  const Leaving *leaving = context;

  return leaving->hub->sockets->len < leaving->n_sockets;
}

void
peer_leave (Peer *peer)
{
  Leaving leaving = { peer->portal->hub, peer->portal->hub->sockets->len };

  peer_free (peer);
  turn_until (has_left, &leaving);
}

void
peer_send_text (Peer *peer, const char *text)
{
  soup_websocket_connection_send_text (peer->connection, text);
}

int64_t
peer_send (Peer *peer, const char *event, const char *payload)
{
  int64_t ref = peer->ref++;
  g_autofree char *text =
      g_strdup_printf ("{\"topic\":\"%s\",\"event\":\"%s\",\"payload\":%s,\"ref\":%d}",
                       peer->topic,
                       event,
                       payload,
                       (int) ref);

  peer_send_text (peer, text);
  return ref;
}

static bool
has_frame (void *context)
{
  Peer *peer = context;

  return !g_queue_is_empty (&peer->inbox) || peer->is_closed;
}

static JsonObject *
next_frame (Peer *peer, const char *event)
{
  JsonObject *frame;

  turn_until (has_frame, peer);
  frame = g_queue_pop_head (&peer->inbox);
  if (frame == NULL)
    g_error ("the connection closed while \"%s\" was awaited", event);
  if (g_strcmp0 (fz_json_text (frame, "event"), event) != 0) {
    g_autofree char *text = fz_json_object_to_text (frame);

    g_error ("\"%s\" was awaited, but this came: %s", event, text);
  }
  return frame;
}

JsonObject *
peer_expect (Peer *peer, const char *event)
{
  g_autoptr (JsonObject) frame = next_frame (peer, event);
  JsonObject *payload = fz_json_child (frame, "payload");

  g_assert_nonnull (payload);
  g_assert_cmpstr (fz_json_text (frame, "topic"), ==, peer->topic);
  g_assert_true (json_object_get_null_member (frame, "ref"));
  return json_object_ref (payload);
}

void
peer_skip (Peer *peer, const char *event)
{
  json_object_unref (peer_expect (peer, event));
}

char *
peer_expect_text (Peer *peer, const char *event)
{
  g_autoptr (JsonObject) frame = next_frame (peer, event);

  return g_strdup (fz_json_text (frame, "payload"));
}

void
peer_expect_reply (Peer *peer, int64_t ref, const char *error_reason)
{
  g_autoptr (JsonObject) frame = next_frame (peer, "phx_reply");
  JsonObject *payload = fz_json_child (frame, "payload");
  JsonObject *response = fz_json_child (payload, "response");

  g_assert_cmpint (
      json_node_get_value_type (json_object_get_member (frame, "ref")), ==, G_TYPE_INT64);
  g_assert_cmpint (json_object_get_int_member (frame, "ref"), ==, ref);
  g_assert_cmpstr (fz_json_text (payload, "status"), ==, error_reason == NULL ? "ok" : "error");
  g_assert_nonnull (response);
  if (error_reason == NULL)
    g_assert_cmpuint (json_object_get_size (response), ==, 0);
  else
    g_assert_cmpstr (fz_json_text (response, "reason"), ==, error_reason);
}

static bool
is_closed (void *context)
{
  return ((Peer *) context)->is_closed;
}

void
peer_expect_closed (Peer *peer)
{
  turn_until (is_closed, peer);
  g_assert_true (g_queue_is_empty (&peer->inbox));
}

void
peer_expect_silence (Peer *peer, unsigned ms)
{
  turn_for (ms);
  if (!g_queue_is_empty (&peer->inbox)) {
    g_autofree char *text = fz_json_object_to_text (g_queue_peek_head (&peer->inbox));

    g_error ("silence was awaited, but this came: %s", text);
  }
  g_assert_false (peer->is_closed);
}

void
peer_join (Peer *peer)
{
  peer_expect_reply (peer, peer_send (peer, "phx_join", "null"), NULL);
}

static void
take_init (Peer *peer, JsonObject **out_init)
{
  g_autoptr (JsonObject) init = peer_expect (peer, "init");

  if (out_init != NULL)
    *out_init = g_steal_pointer (&init);
}

Peer *
client_new_as (Portal *portal, const char *external_id, const char *key, JsonObject **out_init)
{
  PeerSpec spec = {
    .path = "/client/v2/websocket",
    .token = portal->client_token,
    .external_id = external_id,
    .public_key = key,
    .user_agent = "Debian/12.0.0 headless-client/1.5.12 (x86_64; 6.1.0)",
  };
  Peer *peer = peer_connect (portal, "client", &spec);

  g_assert_nonnull (peer->connection);
  peer_join (peer);
  take_init (peer, out_init);
  return peer;
}

Peer *
client_new (Portal *portal, JsonObject **out_init)
{
  return client_new_as (portal, "client-one", KEY_1, out_init);
}

Peer *
gateway_new (Portal *portal, JsonObject **out_init)
{
  return gateway_new_as (portal, KEY_2, out_init);
}

Peer *
gateway_new_as (Portal *portal, const char *key, JsonObject **out_init)
{
  PeerSpec spec = {
    .path = "/gateway/v2/websocket",
    .token = portal->gateway_token,
    .external_id = "gateway-one",
    .public_key = key,
    .user_agent = "Debian/12.0.0 gateway/1.6.0 (x86_64; 6.1.0)",
  };
  Peer *peer = peer_connect (portal, "gateway", &spec);

  g_assert_nonnull (peer->connection);
  peer_join (peer);
  take_init (peer, out_init);
  return peer;
}

Peer *
relay_new (Portal *portal, const char *stamp_secret)
{
  PeerSpec spec = {
    .path = "/relay/websocket",
    .token = portal->relay_token,
    .query = "ipv4=198.51.100.7&ipv6=2001:db8::7&port=3478",
    .user_agent = "Debian/12.0.0 relay/0.1.0",
  };
  Peer *peer = peer_connect (portal, "relay", &spec);
  g_autofree char *payload = g_strdup_printf ("{\"stamp_secret\":\"%s\"}", stamp_secret);
  g_autoptr (JsonObject) init = NULL;

  g_assert_nonnull (peer->connection);
  peer_expect_reply (peer, peer_send (peer, "phx_join", payload), NULL);
  init = peer_expect (peer, "init");
  g_assert_cmpuint (json_object_get_size (init), ==, 0);
  return peer;
}

/* -- raw HTTP -- */

typedef struct {
  char *host;
  const char *request;
  char *answer;
  gint is_done; /* atomic; the answer is there */
} RawRequest;

static gpointer
run_raw_request (gpointer data)
{
  RawRequest *raw = data;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_to_host (client, raw->host, 80, NULL, NULL);
  GString *answer = g_string_new (NULL);
  char buffer[4096];
  gssize n;

  if (connection != NULL) {
    GIOStream *stream = G_IO_STREAM (connection);

    g_output_stream_write_all (g_io_stream_get_output_stream (stream),
                               raw->request,
                               strlen (raw->request),
                               NULL,
                               NULL,
                               NULL);
    while ((n = g_input_stream_read (
                g_io_stream_get_input_stream (stream), buffer, sizeof buffer, NULL, NULL)) > 0)
      g_string_append_len (answer, buffer, n);
  }
  raw->answer = g_string_free (answer, FALSE);
  g_atomic_int_set (&raw->is_done, 1);
  g_main_context_wakeup (NULL);
  return NULL;
}

static bool
is_raw_done (void *context)
{
  return g_atomic_int_get (&((RawRequest *) context)->is_done) != 0;
}

char *
raw_request (Portal *portal, const char *request)
{
  RawRequest raw = { .host = portal->base, .request = request };
  GThread *thread = g_thread_new ("raw-request", run_raw_request, &raw);

  turn_until (is_raw_done, &raw);
  g_thread_join (thread);
  return raw.answer;
}

Portal *
portal_new_populated (void)
{
  Portal *portal = portal_new ();

  portal_start (portal);
  portal_populate (portal);
  return portal;
}

char *
portal_first_id (Portal *portal, const char *command)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) list = portal_try (portal, &error, command, NULL);

  g_assert_no_error (error);
  return g_strdup (
      fz_json_text (json_array_get_object_element (json_node_get_array (list), 0), "id"));
}
