/* test-phoenix.c
 *
 * The living channel and portal against a websocket server in the same process:
 * what goes over the wire, and every way a portal can refuse, fall silent or
 * misbehave. The channel's clock runs fast, so that silence takes milliseconds.
 */
#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-portal.h"
#include "tests/unit/portal/portal-test.h"

#include <libsoup/soup.h>
#include <string.h>

#define TOKEN ".SFMy.secret.part"

/* Debian 12's leak checker crashes when it walks the thread-local storage of the TLS module that
 * GIO loads at run time, so a run with TLS tests (they have one of their own) goes without it.
 * Asked by the sanitizer's runtime only, at exit. */
static bool has_used_tls;
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return has_used_tls;
}

typedef enum {
  BEHAVE_WELL,
  BEHAVE_SILENT,      /* upgrades, never says a word */
  BEHAVE_REFUSE,      /* answers with status, type and body */
  BEHAVE_REF_AS_TEXT, /* "0" instead of 0 in replies */
  BEHAVE_NULL_REPLY,
  BEHAVE_CLOSE_AFTER_JOIN,
  BEHAVE_NO_HEARTBEAT_REPLY,
} Behaviour;

typedef struct {
  /* the portal */
  SoupServer *server;
  Behaviour behaviour;
  unsigned refuse_status;
  const char *refuse_type;
  const char *refuse_body;
  const char *retry_after;
  GPtrArray *connections; /* SoupWebsocketConnection */
  GString *heard;         /* "event ref" of every frame, separated by spaces */
  char *target;
  SoupMessageHeaders *headers;
  unsigned n_requests;
  unsigned close_code; /* that the client sent */

  /* the client */
  FzPortal *portal;
  FzSeededRng seeded;
  PortalTestLog log;
  GString *commands; /* "kind " of each */
  GError *failure;
  bool is_closed;
  uint8_t key[FZ_KEY_SIZE];
} Bench;

/* -- server -- */

static void say (SoupWebsocketConnection *connection, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
say (SoupWebsocketConnection *connection, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  soup_websocket_connection_send_text (connection, text);
}

static void
answer (Bench *b, SoupWebsocketConnection *connection, const char *topic, int ref)
{
  const char *quote = b->behaviour == BEHAVE_REF_AS_TEXT ? "\"" : "";

  say (connection,
       "{\"topic\":\"%s\",\"event\":\"phx_reply\",\"ref\":%s%d%s,\"payload\":{\"status\":\"ok\","
       "\"response\":%s}}",
       topic,
       quote,
       ref,
       quote,
       b->behaviour == BEHAVE_NULL_REPLY ? "null" : "{}");
}

static void
on_server_message (SoupWebsocketConnection *connection, gint type, GBytes *bytes, gpointer data)
{
  Bench *b = data;
  g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_autoptr (JsonNode) root = json_from_string (text, NULL);
  JsonObject *frame = json_node_get_object (root);
  const char *event = json_object_get_string_member (frame, "event");
  int ref = (int) json_object_get_int_member (frame, "ref");

  g_assert_cmpint (type, ==, SOUP_WEBSOCKET_DATA_TEXT);
  g_string_append_printf (b->heard, "%s %d ", event, ref);
  if (b->behaviour == BEHAVE_SILENT)
    return;
  if (strcmp (event, "heartbeat") == 0 && b->behaviour != BEHAVE_NO_HEARTBEAT_REPLY)
    answer (b, connection, "phoenix", ref);
  if (strcmp (event, "phx_join") == 0) {
    answer (b, connection, json_object_get_string_member (frame, "topic"), ref);
    if (b->behaviour == BEHAVE_CLOSE_AFTER_JOIN)
      soup_websocket_connection_close (connection, 1012, "restarting");
  }
}

static void
on_server_closed (SoupWebsocketConnection *connection, gpointer data)
{
  Bench *b = data;

  b->close_code = soup_websocket_connection_get_close_code (connection);
  g_signal_handlers_disconnect_by_data (connection, b);
  g_ptr_array_remove (b->connections, connection);
}

static void
on_websocket (SoupServer *server,
              SoupServerMessage *message,
              const char *path,
              SoupWebsocketConnection *connection,
              gpointer data)
{
  Bench *b = data;

  g_ptr_array_add (b->connections, g_object_ref (connection));
  g_signal_connect (connection, "message", G_CALLBACK (on_server_message), b);
  g_signal_connect (connection, "closed", G_CALLBACK (on_server_closed), b);
}

static void
copy_header (const char *name, const char *value, gpointer headers)
{
  soup_message_headers_append (headers, name, value);
}

/* Runs before the handshake; an answer here refuses it. */
static void
on_early (SoupServer *server,
          SoupServerMessage *message,
          const char *path,
          GHashTable *query,
          gpointer data)
{
  Bench *b = data;

  b->n_requests++;
  g_free (b->target);
  b->target = g_uri_to_string (soup_server_message_get_uri (message));
  soup_message_headers_clear (b->headers);
  soup_message_headers_foreach (
      soup_server_message_get_request_headers (message), copy_header, b->headers);
  if (b->behaviour != BEHAVE_REFUSE)
    return;

  soup_server_message_set_status (message, b->refuse_status, NULL);
  if (b->refuse_body != NULL)
    soup_server_message_set_response (
        message, b->refuse_type, SOUP_MEMORY_COPY, b->refuse_body, strlen (b->refuse_body));
  if (b->retry_after != NULL)
    soup_message_headers_append (
        soup_server_message_get_response_headers (message), "Retry-After", b->retry_after);
}

/* -- client -- */

static void
on_command (const FzCommand *command, gpointer data)
{
  Bench *b = data;

  g_string_append_printf (b->commands, "%d ", (int) command->kind);
}

static void
on_failed (const GError *error, gpointer data)
{
  Bench *b = data;

  g_assert_null (b->failure);
  b->failure = g_error_copy (error);
}

static void
on_closed (gpointer data)
{
  Bench *b = data;

  b->is_closed = true;
}

static char *
server_url (Bench *b)
{
  g_autoslist (GUri) uris = soup_server_get_uris (b->server);

  return g_strdup_printf ("ws://127.0.0.1:%d/", g_uri_get_port (uris->data));
}

static void
start_portal (Bench *b, FzRole role, const char *url, unsigned speed)
{
  static const FzPortalCallbacks callbacks = {
    .on_command = on_command,
    .on_failed = on_failed,
    .on_closed = on_closed,
  };
  g_autoptr (FzToken) token = fz_token_new (TOKEN, NULL);
  g_autoptr (GError) error = NULL;
  FzPortalConfig config = {
    .login = { .role = role, .api_url = url, .device_id = "device-1", .name = "test machine" },
    .token = token,
    .component =
        role == FZ_ROLE_GATEWAY ? FZ_PORTAL_COMPONENT_GATEWAY : FZ_PORTAL_COMPONENT_HEADLESS,
    .budget_ns = FZ_BACKOFF_UNLIMITED,
    .mark = 0xfd002021u,
    .rng = fz_seeded_rng (&b->seeded),
    .log = portal_test_log_get (&b->log),
    .speed = speed,
  };

  b->portal = fz_portal_new (&config, &callbacks, b, &error);
  g_assert_no_error (error);
  memset (b->key, 1, sizeof b->key);
  fz_portal_connect (b->portal, b->key);
}

static void
start (Bench *b, unsigned speed)
{
  g_autofree char *url = server_url (b);

  start_portal (b, FZ_ROLE_CLIENT, url, speed);
}

static void
set_up (Bench *b, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  b->server = g_object_new (SOUP_TYPE_SERVER, NULL);
  b->connections = g_ptr_array_new_with_free_func (g_object_unref);
  b->heard = g_string_new (NULL);
  b->commands = g_string_new (NULL);
  b->headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  fz_seeded_rng_init (&b->seeded, 5);
  portal_test_log_init (&b->log);
  soup_server_add_early_handler (b->server, NULL, on_early, b, NULL);
  soup_server_add_websocket_handler (b->server, NULL, NULL, NULL, on_websocket, b, NULL);
  soup_server_listen_local (b->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
}

static void
tear_down (Bench *b, gconstpointer data)
{
  fz_portal_free (b->portal);
  portal_test_settle (20);
  for (guint i = 0; i < b->connections->len; i++)
    g_signal_handlers_disconnect_by_data (b->connections->pdata[i], b);
  g_ptr_array_unref (b->connections);
  soup_server_disconnect (b->server);
  g_object_unref (b->server);
  portal_test_settle (20);
  g_string_free (b->heard, TRUE);
  g_string_free (b->commands, TRUE);
  soup_message_headers_unref (b->headers);
  g_free (b->target);
  g_clear_error (&b->failure);
  portal_test_log_clear (&b->log);
}

#define wait_for(b, condition)                                                                     \
  portal_test_wait (condition, "heard: %s; commands: %s", (b)->heard->str, (b)->commands->str)

static SoupWebsocketConnection *
connection_of (Bench *b)
{
  g_assert_cmpuint (b->connections->len, >, 0);
  return b->connections->pdata[b->connections->len - 1];
}

/* -- tests -- */

static void
test_join (Bench *b, gconstpointer data)
{
  g_autofree char *init = portal_test_read ("client-init.json");
  g_autoptr (GString) names = g_string_new (NULL);
  SoupMessageHeadersIter iter;
  const char *name, *value;

  start (b, 1);
  wait_for (b, strcmp (b->heard->str, "phx_join 0 set_snownet_capabilities 1 ") == 0);
  g_assert_cmpstr (b->commands->str, ==, "0 ");
  g_assert_true (fz_portal_is_connected (b->portal));

  soup_message_headers_iter_init (&iter, b->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    g_string_append_printf (names, "%s ", name);
  g_assert_cmpstr (names->str,
                   ==,
                   "Host Connection Upgrade Sec-WebSocket-Version Sec-WebSocket-Key User-Agent "
                   "X-Authorization ");
  g_assert_cmpstr (soup_message_headers_get_one (b->headers, "Host"), ==, "127.0.0.1");
  g_assert_cmpstr (
      soup_message_headers_get_one (b->headers, "X-Authorization"), ==, "Bearer " TOKEN);
  g_assert_nonnull (
      strstr (soup_message_headers_get_one (b->headers, "User-Agent"), " headless-client/1.5.12"));
  g_assert_nonnull (strstr (b->target,
                            "/client/v2/websocket?external_id=device-1&name=test+machine&"
                            "public_key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%3D"));

  soup_websocket_connection_send_text (connection_of (b), init);
  wait_for (b, strcmp (b->commands->str, "0 5 ") == 0);
  g_assert_cmpstr (b->log.warnings->str, ==, "");
}

static void
test_gateway_sends (Bench *b, gconstpointer data)
{
  const FzEvent event = { .kind = FZ_EVENT_AUTHORIZATION_ACCEPTED, .authorization_ref = "r-1" };
  g_autofree char *url = server_url (b);

  start_portal (b, FZ_ROLE_GATEWAY, url, 1);
  wait_for (b, b->commands->len > 0);
  fz_portal_handle_event (b->portal, &event);
  wait_for (b, strstr (b->heard->str, "authorization_created 2") != NULL);
  g_assert_nonnull (strstr (b->target, "/gateway/v2/websocket?"));
}

static void
test_host_name (Bench *b, gconstpointer data)
{
  g_autofree char *literal = server_url (b);
  g_autofree char *url = g_strdup_printf ("ws://localhost%s", strrchr (literal, ':'));

  start_portal (b, FZ_ROLE_CLIENT, url, 1);
  wait_for (b, b->commands->len > 0);
  g_assert_cmpstr (soup_message_headers_get_one (b->headers, "Host"), ==, "localhost");
}

static void
test_bad_messages_keep_the_connection (Bench *b, gconstpointer data)
{
  static const guint8 binary[] = { 1, 2, 3 };
  g_autofree char *deep = g_strnfill (100000, '[');
  SoupWebsocketConnection *connection;

  start (b, 1);
  wait_for (b, b->commands->len > 0);
  connection = connection_of (b);
  say (connection, "{\"topic\":\"client\",\"event\":\"init\",\"payload\":{},\"ref\":null}");
  say (connection, "{\"topic\":\"client\",\"event\":\"tea\",\"payload\":{},\"ref\":null}");
  say (connection, "not json");
  soup_websocket_connection_send_text (connection, deep);
  soup_websocket_connection_send_binary (connection, binary, sizeof binary);
  say (connection,
       "{\"topic\":\"client\",\"event\":\"resource_deleted\",\"payload\":"
       "\"aaaaaaaa-0000-4000-8000-000000000006\",\"ref\":null}");
  wait_for (b, strcmp (b->commands->str, "0 8 ") == 0);
  g_assert_cmpstr (b->log.warnings->str,
                   ==,
                   "portal-bad-message portal-message-unknown portal-bad-frame portal-bad-frame "
                   "portal-binary-frame");
  g_assert_cmpuint (b->n_requests, ==, 1);
}

static void
test_truncated_frame_reconnects (Bench *b, gconstpointer data)
{
  start (b, 20);
  wait_for (b, b->commands->len > 0);
  say (connection_of (b), "{\"topic\":\"client\",\"ev");
  wait_for (b, strcmp (b->commands->str, "0 1 0 ") == 0);
  g_assert_cmpuint (b->n_requests, ==, 2);
}

/* A frame of ten megabytes, and one past what is accepted. */
static void
test_big_frames (Bench *b, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (10u << 20, 'x');
  g_autofree char *too_big = g_strnfill (17u << 20, ' ');

  start (b, 1);
  wait_for (b, b->commands->len > 0);
  soup_websocket_connection_set_max_incoming_payload_size (connection_of (b), 64u << 20);
  say (connection_of (b),
       "{\"topic\":\"client\",\"event\":\"resource_deleted\",\"payload\":"
       "\"aaaaaaaa-0000-4000-8000-000000000006\",\"ref\":null,\"filler\":\"%s\"}",
       filler);
  wait_for (b, strcmp (b->commands->str, "0 8 ") == 0);
  soup_websocket_connection_send_text (connection_of (b), too_big);
  wait_for (b, strcmp (b->commands->str, "0 8 1 ") == 0);
}

static const struct {
  const char *name;
  unsigned status;
  const char *type;
  const char *body;
  int code;
} fatal[] = {
  { "invalid-token",
    401,
    "application/problem+json",
    "{\"code\":\"invalid_token\",\"detail\":\"unknown here\"}",
    FZ_PORTAL_ERROR_INVALID_TOKEN },
  { "missing-token",
    401,
    "application/problem+json; charset=utf-8",
    "{\"code\":\"missing_token\"}",
    FZ_PORTAL_ERROR_INVALID_TOKEN },
  { "without-code", 401, "text/html", "<html>", FZ_PORTAL_ERROR_AUTHENTICATION_FAILED },
  { "without-body", 401, NULL, NULL, FZ_PORTAL_ERROR_AUTHENTICATION_FAILED },
};

static void
test_fatal (Bench *b, gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);

  b->behaviour = BEHAVE_REFUSE;
  b->refuse_status = fatal[i].status;
  b->refuse_type = fatal[i].type;
  b->refuse_body = fatal[i].body;
  start (b, 1);
  wait_for (b, b->failure != NULL);
  g_assert_error (b->failure, FZ_PORTAL_ERROR, fatal[i].code);
  g_assert_null (strstr (b->failure->message, TOKEN));
  portal_test_settle (50);
  g_assert_cmpuint (b->n_requests, ==, 1);
  g_assert_cmpstr (b->commands->str, ==, "");
}

static void
test_retry_after (Bench *b, gconstpointer data)
{
  gint64 started;

  b->behaviour = BEHAVE_REFUSE;
  b->refuse_status = 503;
  b->retry_after = "4";
  started = g_get_monotonic_time ();
  start (b, 20); /* 4 s are 200 ms here */
  wait_for (b, strcmp (b->commands->str, "1 ") == 0);
  b->behaviour = BEHAVE_WELL;
  wait_for (b, strcmp (b->commands->str, "1 0 ") == 0);
  g_assert_cmpint (g_get_monotonic_time () - started, >, 150000);
}

static void
test_server_away (Bench *b, gconstpointer data)
{
  g_autofree char *url = server_url (b);

  soup_server_disconnect (b->server);
  start_portal (b, FZ_ROLE_CLIENT, url, 100);
  wait_for (b, b->failure != NULL);
  g_assert_error (b->failure, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_RETRIES_EXHAUSTED);
  g_assert_cmpstr (b->commands->str, ==, "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 ");
}

static void
test_refused_then_well (Bench *b, gconstpointer data)
{
  static const unsigned statuses[] = { 301, 400, 404, 409, 429, 500 };

  b->behaviour = BEHAVE_REFUSE;
  for (size_t i = 0; i < G_N_ELEMENTS (statuses); i++) {
    b->refuse_status = statuses[i];
    if (b->portal == NULL)
      start (b, 50);
    wait_for (b, b->n_requests == i + 1);
    wait_for (b, b->commands->len == 2 * (i + 1));
  }
  b->behaviour = BEHAVE_WELL;
  wait_for (b, g_str_has_suffix (b->commands->str, "1 0 "));
}

static void
test_join_unanswered (Bench *b, gconstpointer data)
{
  b->behaviour = BEHAVE_SILENT;
  start (b, 50);
  wait_for (b, strcmp (b->commands->str, "1 ") == 0);
  g_assert_cmpstr (b->heard->str, ==, "phx_join 0 ");
}

static void
test_wrong_replies (Bench *b, gconstpointer data)
{
  b->behaviour = GPOINTER_TO_INT (data);
  start (b, 50);
  wait_for (b, strcmp (b->commands->str, "1 ") == 0); /* as if unanswered */
}

static void
test_heartbeats_keep_it_up (Bench *b, gconstpointer data)
{
  start (b, 100);
  wait_for (b, strstr (b->heard->str, "heartbeat 7 ") != NULL);
  g_assert_cmpstr (b->commands->str, ==, "0 ");
}

static void
test_heartbeats_unanswered (Bench *b, gconstpointer data)
{
  b->behaviour = BEHAVE_NO_HEARTBEAT_REPLY;
  start (b, 100);
  wait_for (b, g_str_has_prefix (b->commands->str, "0 1 "));
  g_assert_true (g_str_has_prefix (
      b->heard->str, "phx_join 0 set_snownet_capabilities 1 heartbeat 2 heartbeat 3 heartbeat 4 "));
}

static void
test_server_closes (Bench *b, gconstpointer data)
{
  b->behaviour = BEHAVE_CLOSE_AFTER_JOIN;
  start (b, 20);
  wait_for (b, strcmp (b->commands->str, "0 1 0 1 ") == 0);
  g_assert_null (b->failure);
}

static void
test_token_expired (Bench *b, gconstpointer data)
{
  start (b, 1);
  wait_for (b, b->commands->len > 0);
  say (connection_of (b),
       "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":\"token_expired\"},"
       "\"ref\":null}");
  wait_for (b, b->failure != NULL);
  g_assert_error (b->failure, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_INVALID_TOKEN);
  portal_test_settle (50);
  g_assert_cmpuint (b->n_requests, ==, 1);
}

static void
test_reconnect_with_new_key (Bench *b, gconstpointer data)
{
  FzEvent event = { .kind = FZ_EVENT_PUBLIC_KEY_CHANGED };

  memset (event.public_key, 2, sizeof event.public_key);
  start (b, 1);
  wait_for (b, b->commands->len > 0);
  fz_portal_handle_event (b->portal, &event);
  wait_for (b, b->n_requests == 2 && b->commands->len == 4);
  g_assert_cmpstr (b->commands->str, ==, "0 0 "); /* deliberate: no "disconnected" between */
  g_assert_nonnull (strstr (b->target, "public_key=AgICAgICAgICAgIC"));
  wait_for (b, b->close_code == SOUP_WEBSOCKET_CLOSE_NORMAL);
}

static void
test_close (Bench *b, gconstpointer data)
{
  start (b, 1);
  wait_for (b, b->commands->len > 0);
  fz_portal_close (b->portal);
  wait_for (b, b->is_closed);
  wait_for (b, b->close_code == SOUP_WEBSOCKET_CLOSE_NORMAL);
  g_assert_null (b->failure);
}

static void
test_close_while_dialling (Bench *b, gconstpointer data)
{
  start (b, 1);
  fz_portal_close (b->portal);
  wait_for (b, b->is_closed);
  portal_test_settle (50);
  g_assert_cmpuint (b->connections->len, ==, 0);
}

/* -- TLS -- */

/* A second listener that speaks TLS; returns its URL by @host. */
static char *
listen_with_tls (Bench *b, const char *address, const char *host)
{
  g_autofree char *certificate_path =
      g_build_filename (FZ_TEST_DATA, "portal", "tls-certificate.pem", NULL);
  g_autofree char *key_path = g_build_filename (FZ_TEST_DATA, "portal", "tls-key.pem", NULL);
  g_autoptr (GSocketAddress) where = g_inet_socket_address_new_from_string (address, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsCertificate) certificate =
      g_tls_certificate_new_from_files (certificate_path, key_path, &error);
  GSList *uris;
  int port;

  g_assert_no_error (error);
  has_used_tls = true;
  soup_server_disconnect (b->server);
  soup_server_set_tls_certificate (b->server, certificate);
  soup_server_listen (b->server, where, SOUP_SERVER_LISTEN_HTTPS, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (b->server);
  port = g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return g_strdup_printf ("wss://%s:%d/", host, port);
}

/* Makes the tests' own certificate the only one trusted; NULL: the system's again. */
static void
trust (const char *file)
{
  g_autofree char *path =
      file != NULL ? g_build_filename (FZ_TEST_DATA, "portal", file, NULL) : NULL;
  g_autoptr (GTlsDatabase) database = path != NULL ? g_tls_file_database_new (path, NULL) : NULL;

  g_tls_backend_set_default_database (g_tls_backend_get_default (), database);
}

/* Nobody has signed the certificate: no connection, no request, no token on the wire; but no end
 * either, for the clock or the trust store of a machine may be right a minute later. */
static void
test_tls_untrusted (Bench *b, gconstpointer data)
{
  g_autofree char *url = listen_with_tls (b, "127.0.0.1", "localhost");

  start_portal (b, FZ_ROLE_CLIENT, url, 20);
  wait_for (b, g_str_has_prefix (b->commands->str, "1 1 "));
  g_assert_cmpuint (b->n_requests, ==, 0);
}

static void
test_tls_trusted (Bench *b, gconstpointer data)
{
  g_autofree char *url = listen_with_tls (b, "127.0.0.1", data);
  g_autofree char *init = portal_test_read ("client-init.json");

  trust ("tls-certificate.pem");
  start_portal (b, FZ_ROLE_CLIENT, url, 1);
  wait_for (b, strcmp (b->commands->str, "0 ") == 0);
  soup_websocket_connection_send_text (connection_of (b), init);
  wait_for (b, strcmp (b->commands->str, "0 5 ") == 0);
  trust (NULL);
}

/* Its certificate is good, but for another name. */
static void
test_tls_other_name (Bench *b, gconstpointer data)
{
  g_autofree char *url = listen_with_tls (b, "127.0.0.2", "127.0.0.2");

  trust ("tls-certificate.pem");
  start_portal (b, FZ_ROLE_CLIENT, url, 20);
  wait_for (b, g_str_has_prefix (b->commands->str, "1 "));
  g_assert_cmpuint (b->n_requests, ==, 0);
  trust (NULL);
}

/* TLS asked of a server that has none. */
static void
test_tls_against_plain (Bench *b, gconstpointer data)
{
  g_autofree char *plain = server_url (b);
  g_autofree char *url = g_strdup_printf ("wss%s", strchr (plain, ':'));

  has_used_tls = true;
  start_portal (b, FZ_ROLE_CLIENT, url, 20);
  wait_for (b, g_str_has_prefix (b->commands->str, "1 1 "));
  g_assert_cmpuint (b->connections->len, ==, 0);
}

static void
on_command_free (const FzCommand *command, gpointer data)
{
  Bench *b = data;

  g_string_append (b->commands, "freed");
  g_clear_pointer (&b->portal, fz_portal_free);
}

/* Freed by its own callback, and at every step of the way there. */
static void
test_free_anywhere (Bench *b, gconstpointer data)
{
  static const FzPortalCallbacks callbacks = {
    .on_command = on_command_free,
    .on_failed = on_failed,
    .on_closed = on_closed,
  };
  g_autofree char *url = server_url (b);
  FzPortalConfig config = {
    .login = { .role = FZ_ROLE_CLIENT, .api_url = url, .device_id = "d", .name = "n" },
    .component = FZ_PORTAL_COMPONENT_HEADLESS,
    .rng = fz_seeded_rng (&b->seeded),
    .log = portal_test_log_get (&b->log),
  };

  b->portal = fz_portal_new (&config, &callbacks, b, NULL);
  fz_portal_connect (b->portal, b->key);
  wait_for (b, b->commands->len > 0);
  g_assert_null (b->portal);

  for (int steps = 0; steps < 60; steps++) {
    g_string_truncate (b->commands, 0);
    b->portal = fz_portal_new (&config, &callbacks, b, NULL);
    fz_portal_connect (b->portal, b->key);
    for (int i = 0; i < steps && b->portal != NULL; i++)
      g_main_context_iteration (NULL, TRUE);
    g_clear_pointer (&b->portal, fz_portal_free);
  }
  portal_test_settle (100);
}

static void
add_tls_tests (void)
{
  g_test_add ("/phoenix/tls/by-name", Bench, "localhost", set_up, test_tls_trusted, tear_down);
  g_test_add ("/phoenix/tls/by-address", Bench, "127.0.0.1", set_up, test_tls_trusted, tear_down);
  g_test_add ("/phoenix/tls/untrusted", Bench, NULL, set_up, test_tls_untrusted, tear_down);
  g_test_add ("/phoenix/tls/other-name", Bench, NULL, set_up, test_tls_other_name, tear_down);
  g_test_add ("/phoenix/tls/against-plain", Bench, NULL, set_up, test_tls_against_plain, tear_down);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*func) (Bench *b, gconstpointer data);
    int argument;
  } tests[] = {
    { "/phoenix/join", test_join, 0 },
    { "/phoenix/gateway", test_gateway_sends, 0 },
    { "/phoenix/host-name", test_host_name, 0 },
    { "/phoenix/bad-messages", test_bad_messages_keep_the_connection, 0 },
    { "/phoenix/truncated-frame", test_truncated_frame_reconnects, 0 },
    { "/phoenix/big-frames", test_big_frames, 0 },
    { "/phoenix/retry-after", test_retry_after, 0 },
    { "/phoenix/server-away", test_server_away, 0 },
    { "/phoenix/refused-then-well", test_refused_then_well, 0 },
    { "/phoenix/join-unanswered", test_join_unanswered, 0 },
    { "/phoenix/reply-ref-as-text", test_wrong_replies, BEHAVE_REF_AS_TEXT },
    { "/phoenix/reply-null", test_wrong_replies, BEHAVE_NULL_REPLY },
    { "/phoenix/heartbeats/answered", test_heartbeats_keep_it_up, 0 },
    { "/phoenix/heartbeats/unanswered", test_heartbeats_unanswered, 0 },
    { "/phoenix/server-closes", test_server_closes, 0 },
    { "/phoenix/token-expired", test_token_expired, 0 },
    { "/phoenix/new-key", test_reconnect_with_new_key, 0 },
    { "/phoenix/close", test_close, 0 },
    { "/phoenix/close-while-dialling", test_close_while_dialling, 0 },
    { "/phoenix/free-anywhere", test_free_anywhere, 0 },
  };

  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  if (g_getenv ("FZ_TEST_TLS") != NULL) {
    add_tls_tests ();
    return g_test_run ();
  }
  for (size_t i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path,
                Bench,
                GINT_TO_POINTER (tests[i].argument),
                set_up,
                tests[i].func,
                tear_down);
  for (size_t i = 0; i < G_N_ELEMENTS (fatal); i++) {
    g_autofree char *path = g_strdup_printf ("/phoenix/fatal/%s", fatal[i].name);

    g_test_add (path, Bench, GSIZE_TO_POINTER (i), set_up, test_fatal, tear_down);
  }
  return g_test_run ();
}
