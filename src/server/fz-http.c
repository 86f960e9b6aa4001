/* fz-http.c
 *
 * libsoup's server with two kinds of route: websocket endpoints, whose check
 * runs before the upgrade so that a refusal is a proper HTTP answer, and pages:
 * those of the table, and for all else fz-sign-in. No request may be large.
 */
#include "src/server/fz-http.h"

#include "src/base/fz-address.h"
#include "src/server/fz-door.h"
#include "src/server/fz-form.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-sign-in.h"
#include "src/server/fz-sign-out.h"
#include "src/server/fz-upgrade.h"

#include <libsoup/soup.h>
#include <string.h>

#define SESSION_KEY           "fz-session"
#define REFUSALS_LOGGED_PER_S 10u /* strangers must not fill the log */
#define QUERY_BYTES_MAX       8192u
#define BODY_IGNORED_MAX      1048576u /* bytes of a request that is too large but gets an answer */

struct FzHttp {
  SoupServer *server;
  FzDoor *door;
  FzStore *store;
  FzHub *hub;
  FzLog log;
  GStrv listen;
  FzIpNetwork proxies[FZ_HTTP_PROXIES_MAX];
  size_t n_proxies;
  bool has_tls;
  bool is_https_outside;
  FzSignIn *sign_in;
  FzConnectLimiter *limiter;
  int64_t refusals_since_us; /* start of the second that the next two count */
  unsigned n_refusals;
  unsigned n_unlogged;
};

/* -- router -- */

typedef struct {
  const char *path;
  FzRole role;
  bool is_legacy;
} FzSocketRoute;

static const FzSocketRoute socket_routes[] = {
  { "/client/v2/websocket", FZ_ROLE_CLIENT, false },
  { "/client/websocket", FZ_ROLE_CLIENT, true },
  { "/gateway/v2/websocket", FZ_ROLE_GATEWAY, false },
  { "/gateway/websocket", FZ_ROLE_GATEWAY, true },
  { "/relay/websocket", FZ_ROLE_RELAY, false },
};

typedef void (*FzPage) (FzHttp *self, SoupServerMessage *message, GHashTable *query);

typedef struct {
  const char *path;
  FzPage page;
} FzPageRoute;

static void
health_page (FzHttp *self, SoupServerMessage *message, GHashTable *query)
{
  static const char body[] = "ok\n";

  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_STATIC, body, strlen (body));
}

static const FzPageRoute page_routes[] = {
  { "/healthz", health_page },
};

/* -- who is asking -- */

static bool
is_trusted_proxy (const FzHttp *self, const char *address)
{
  FzIp ip;

  if (!fz_ip_parse (address, &ip))
    return false;
  for (size_t i = 0; i < self->n_proxies; i++)
    if (fz_ip_network_contains (&self->proxies[i], &ip))
      return true;
  return false;
}

/* An IPv4 peer on a dual-stack socket shows up as ::ffff:192.0.2.1. */
static char *
peer_address (SoupServerMessage *message)
{
  GSocketAddress *remote = soup_server_message_get_remote_address (message);
  g_autofree char *text = NULL;

  if (remote == NULL || !G_IS_INET_SOCKET_ADDRESS (remote))
    return g_strdup ("0.0.0.0");
  text =
      g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  if (g_str_has_prefix (text, "::ffff:") && strchr (text, '.') != NULL)
    return g_strdup (text + strlen ("::ffff:"));
  return g_steal_pointer (&text);
}

/* The last address that a proxy of ours vouches for: the rest of the list is the peer's own word.
 */
static char *
client_address (const FzHttp *self, SoupServerMessage *message)
{
  g_autofree char *address = peer_address (message);
  const char *header;
  g_auto (GStrv) hops = NULL;

  header = soup_message_headers_get_list (soup_server_message_get_request_headers (message),
                                          "X-Forwarded-For");
  if (header == NULL)
    return g_steal_pointer (&address);
  hops = g_strsplit (header, ",", -1);
  for (size_t i = g_strv_length (hops); i > 0 && is_trusted_proxy (self, address); i--) {
    FzIp ip;

    if (!fz_ip_parse (g_strstrip (hops[i - 1]), &ip))
      break;
    g_free (address);
    address = g_strdup (hops[i - 1]);
  }
  return g_steal_pointer (&address);
}

/* -- upgrades -- */

static void
log_refusal (FzHttp *self, FzRole role, const FzProblem *problem)
{
  int64_t now_us = g_get_monotonic_time ();

  if (now_us - self->refusals_since_us >= G_USEC_PER_SEC) {
    self->refusals_since_us = now_us;
    self->n_refusals = 0;
  }
  if (self->n_refusals++ >= REFUSALS_LOGGED_PER_S) {
    self->n_unlogged++;
    return;
  }
  fz_log (&self->log,
          problem->status == 500 ? FZ_LOG_WARNING : FZ_LOG_INFO,
          "upgrade-refused",
          "a peer was not let in",
          FZ_KV_TEXT ("role", fz_role_name (role)),
          FZ_KV_U64 ("status", problem->status),
          FZ_KV_TEXT ("code", problem->code),
          FZ_KV_TEXT ("detail", problem->detail),
          FZ_KV_U64 ("not_logged_before", self->n_unlogged));
  self->n_unlogged = 0;
}

static void
refuse (FzHttp *self, SoupServerMessage *message, FzRole role, const FzProblem *problem)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  char *body = fz_problem_to_json (problem);

  if (problem->retry_after_s != 0) {
    g_autofree char *seconds = g_strdup_printf ("%u", problem->retry_after_s);

    soup_message_headers_replace (headers, "Retry-After", seconds);
  }
  soup_server_message_set_status (message, problem->status, NULL);
  soup_server_message_set_response (
      message, "application/problem+json", SOUP_MEMORY_TAKE, body, strlen (body));
  log_refusal (self, role, problem);
}

static bool
is_upgrade (SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);

  return soup_server_message_get_method (message) == SOUP_METHOD_GET &&
         soup_message_headers_header_contains (headers, "Upgrade", "websocket") &&
         soup_message_headers_header_contains (headers, "Connection", "Upgrade");
}

static const FzSocketRoute *
route_of (const char *path)
{
  for (size_t i = 0; i < G_N_ELEMENTS (socket_routes); i++)
    if (strcmp (socket_routes[i].path, path) == 0)
      return &socket_routes[i];
  return NULL;
}

static FzSession *
check (FzHttp *self, const FzSocketRoute *route, SoupServerMessage *message, FzProblem *out_problem)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const char *query_text = g_uri_get_query (soup_server_message_get_uri (message));
  g_autoptr (GHashTable) query = NULL;
  g_autofree char *remote_ip = client_address (self, message);
  g_autoptr (GError) error = NULL;
  FzUpgrade upgrade = { self->store, self->limiter, fz_hub_is_gateway_connected, self->hub };
  FzUpgradeRequest request = {
    .role = route->role,
    .is_legacy = route->is_legacy,
    .authorization = soup_message_headers_get_one (headers, "X-Authorization"),
    .user_agent = soup_message_headers_get_one (headers, "User-Agent"),
    .remote_ip = remote_ip,
  };
  FzSession *session;

  if (query_text != NULL && strlen (query_text) <= QUERY_BYTES_MAX)
    query = soup_form_decode (query_text);
  request.query = query;
  if (fz_hub_is_full (self->hub)) {
    *out_problem =
        (FzProblem){ 503, "rate_limit", g_strdup ("the portal has too many connections"), 10 };
    return NULL;
  }
  session = fz_upgrade_check (&upgrade, &request, out_problem, &error);
  if (error != NULL)
    fz_log (&self->log,
            FZ_LOG_ERROR,
            "store-failed",
            "the database failed us",
            FZ_KV_TEXT ("doing", "letting a peer in"),
            FZ_KV_TEXT ("error", error->message));
  return session;
}

/* Runs when the headers are there, before libsoup answers the handshake. */
static void
on_socket_request (SoupServer *server,
                   SoupServerMessage *message,
                   const char *path,
                   GHashTable *query,
                   gpointer user_data)
{
  FzHttp *self = user_data;
  const FzSocketRoute *route = route_of (path);
  g_auto (FzProblem) problem = { 0 };
  FzSession *session;

  if (route == NULL) {
    soup_server_message_set_status (message, SOUP_STATUS_NOT_FOUND, NULL);
    return;
  }
  if (!is_upgrade (message)) {
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Upgrade", "websocket");
    soup_server_message_set_status (message, 426, "Upgrade Required");
    return;
  }
  session = check (self, route, message, &problem);
  if (session == NULL) {
    refuse (self, message, route->role, &problem);
    return;
  }
  g_object_set_data_full (
      G_OBJECT (message), SESSION_KEY, session, (GDestroyNotify) (void (*) (void)) fz_session_free);
}

static void
on_websocket (SoupServer *server,
              SoupServerMessage *message,
              const char *path,
              SoupWebsocketConnection *connection,
              gpointer user_data)
{
  FzHttp *self = user_data;
  FzSession *session = g_object_steal_data (G_OBJECT (message), SESSION_KEY);

  g_assert (session != NULL);
  fz_hub_accept (self->hub, connection, session);
}

/* -- sign-in pages -- */

/* A request whose answer is on its way. */
typedef struct {
  SoupServerMessage *message;
  bool is_paused;
} FzWaiting;

static void
set_page_headers (SoupMessageHeaders *headers, const FzPageReply *reply)
{
  static const char *const fixed[][2] = {
    { "Content-Security-Policy",
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
      " frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    /* not "no-referrer": with that browsers hide the origin of our own form from us */
    { "Referrer-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (fixed); i++)
    soup_message_headers_replace (headers, fixed[i][0], fixed[i][1]);
  soup_message_headers_replace (
      headers, "Cache-Control", reply->may_be_cached ? "public, max-age=600" : "no-store");
  if (reply->location != NULL)
    soup_message_headers_replace (headers, "Location", reply->location);
  if (reply->set_cookie != NULL)
    soup_message_headers_append (headers, "Set-Cookie", reply->set_cookie);
  if (reply->retry_after_s != 0) {
    g_autofree char *seconds = g_strdup_printf ("%u", reply->retry_after_s);

    soup_message_headers_replace (headers, "Retry-After", seconds);
  }
}

static void
send_page (const FzPageReply *reply, void *context)
{
  FzWaiting *waiting = context;
  SoupServerMessage *message = waiting->message;

  set_page_headers (soup_server_message_get_response_headers (message), reply);
  /* a word that libsoup does not know */
  soup_server_message_set_status (
      message, reply->status, reply->status == 429 ? "Too Many Requests" : NULL);
  soup_server_message_set_response (message,
                                    reply->type != NULL ? reply->type : "text/plain",
                                    SOUP_MEMORY_COPY,
                                    reply->body != NULL ? reply->body : "",
                                    reply->body != NULL ? reply->body_length : 0);
  if (waiting->is_paused)
    soup_server_message_unpause (message);
  g_object_unref (message);
  g_free (waiting);
}

static bool
is_https (const FzHttp *self, SoupServerMessage *message)
{
  g_autofree char *peer = peer_address (message);
  const char *forwarded = soup_message_headers_get_one (
      soup_server_message_get_request_headers (message), "X-Forwarded-Proto");

  if (self->has_tls || self->is_https_outside)
    return true;
  return forwarded != NULL && g_ascii_strcasecmp (forwarded, "https") == 0 &&
         is_trusted_proxy (self, peer);
}

static void
sign_in_page (FzHttp *self, SoupServerMessage *message, const char *path)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autoptr (GBytes) body =
      soup_message_body_flatten (soup_server_message_get_request_body (message));
  g_autofree char *remote_ip = client_address (self, message);
  FzWaiting *waiting = g_new0 (FzWaiting, 1);
  FzPageRequest request = {
    .is_post = soup_server_message_get_method (message) == SOUP_METHOD_POST,
    .is_secure = is_https (self, message),
    .path = path,
    .query = g_uri_get_query (soup_server_message_get_uri (message)),
    .cookies = soup_message_headers_get_list (headers, "Cookie"),
    .content_type = soup_message_headers_get_one (headers, "Content-Type"),
    .fetch_site = soup_message_headers_get_one (headers, "Sec-Fetch-Site"),
    .remote_ip = remote_ip,
  };

  request.body = g_bytes_get_data (body, &request.body_length);
  waiting->message = g_object_ref (message);
  /* Paused for as long as no answer is there; an answer at once unpauses it again. */
  waiting->is_paused = true;
  soup_server_message_pause (message);
  fz_sign_in_handle (self->sign_in, &request, send_page, waiting);
}

/* -- every other request -- */

/* Nobody honest sends as much: not worth an answer. */
static void
cut_off (SoupServerMessage *message)
{
  GSocket *socket = fz_door_get_socket (message);

  soup_server_message_set_status (message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, NULL);
  if (socket != NULL)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

static void
on_chunk (SoupServerMessage *message, GBytes *chunk, gpointer user_data)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);

  if (body->length > (goffset) FZ_FORM_BYTES_MAX)
    cut_off (message);
}

/* Runs when the headers are there, and before anything of the body is read. libsoup answers only
 * when the body has passed by, so a long one is not waited for. */
static void
on_page_headers (SoupServer *server,
                 SoupServerMessage *message,
                 const char *path,
                 GHashTable *query,
                 gpointer user_data)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  goffset length = soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH
                       ? soup_message_headers_get_content_length (headers)
                       : 0;

  if (length > (goffset) BODY_IGNORED_MAX) {
    cut_off (message);
  } else if (length > (goffset) FZ_FORM_BYTES_MAX) {
    soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
    soup_server_message_set_status (message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, NULL);
  } else {
    g_signal_connect (message, "got-chunk", G_CALLBACK (on_chunk), NULL);
  }
}

/* Its connection, if it has one, ends with it. */
static void
sign_out (FzHttp *self, SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autofree char *remote_ip = client_address (self, message);
  g_autofree char *key = g_strconcat ("sign-out ", remote_ip, NULL);
  g_autoptr (GError) error = NULL;
  unsigned status;

  if (!fz_connect_limiter_allow (self->limiter, key, g_get_monotonic_time ())) {
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Retry-After", "1");
    soup_server_message_set_status (message, 429, "Too Many Requests");
    return;
  }
  status = fz_sign_out (self->store,
                        soup_message_headers_get_one (headers, "X-Authorization"),
                        fz_store_now (),
                        &error);
  if (error != NULL)
    fz_log (&self->log,
            FZ_LOG_ERROR,
            "store-failed",
            "the database failed us",
            FZ_KV_TEXT ("doing", "ending a sign-in"),
            FZ_KV_TEXT ("error", error->message));
  if (status == 204) {
    fz_log_plain (&self->log, FZ_LOG_INFO, "signed-out", "a person has signed out");
    fz_hub_reconcile_soon (self->hub);
  }
  soup_server_message_set_status (message, status, NULL);
}

static void
on_page_request (SoupServer *server,
                 SoupServerMessage *message,
                 const char *path,
                 GHashTable *query,
                 gpointer user_data)
{
  FzHttp *self = user_data;
  const char *method = soup_server_message_get_method (message);
  const char *raw_path = g_uri_get_path (soup_server_message_get_uri (message));
  bool is_get = method == SOUP_METHOD_GET || method == SOUP_METHOD_HEAD;

  if (soup_server_message_get_status (message) != 0)
    return; /* refused by its headers */
  for (size_t i = 0; i < G_N_ELEMENTS (page_routes); i++) {
    if (strcmp (page_routes[i].path, path) != 0)
      continue;
    if (is_get)
      page_routes[i].page (self, message, query);
    else
      soup_server_message_set_status (message, SOUP_STATUS_METHOD_NOT_ALLOWED, NULL);
    return;
  }
  if (method == SOUP_METHOD_DELETE && strcmp (path, FZ_SIGN_OUT_PATH) == 0)
    sign_out (self, message);
  else if (is_get || method == SOUP_METHOD_POST)
    sign_in_page (self, message, raw_path);
  else
    soup_server_message_set_status (message, SOUP_STATUS_METHOD_NOT_ALLOWED, NULL);
}

/* -- life -- */

static bool
parse_proxies (FzHttp *self, const char *const *proxies, GError **error)
{
  for (size_t i = 0; proxies != NULL && proxies[i] != NULL; i++) {
    if (self->n_proxies == FZ_HTTP_PROXIES_MAX ||
        !fz_ip_network_parse (proxies[i], &self->proxies[self->n_proxies])) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "\"%s\" is not a network of a trusted proxy",
                   proxies[i]);
      return false;
    }
    self->n_proxies++;
  }
  return true;
}

FzHttp *
fz_http_new (FzStore *store, FzHub *hub, const FzHttpConfig *config, GError **error)
{
  g_autoptr (FzHttp) self = g_new0 (FzHttp, 1);

  self->store = store;
  self->hub = hub;
  self->log = config->log;
  self->listen = g_strdupv ((GStrv) config->listen);
  self->limiter = fz_connect_limiter_new (config->connect_interval_us);
  if (!parse_proxies (self, config->trusted_proxies, error))
    return NULL;

  self->has_tls = config->certificate != NULL;
  self->is_https_outside = config->is_https_outside;
  self->sign_in = fz_sign_in_new (
      store, &(FzSignInConfig){ .log = config->log, .cost = config->password_cost });
  self->server = soup_server_new ("server-header", "firezone-portal", NULL);
  self->door = fz_door_new (self->server, config->certificate, &config->log);
  fz_door_set_proxies (self->door, self->proxies, self->n_proxies);
  /* A compressed frame may unfold to any size, and no peer asks for it. */
  soup_server_remove_websocket_extension (self->server, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
  for (size_t i = 0; i < G_N_ELEMENTS (socket_routes); i++) {
    const char *path = socket_routes[i].path;

    soup_server_add_early_handler (self->server, path, on_socket_request, self, NULL);
    soup_server_add_websocket_handler (self->server, path, NULL, NULL, on_websocket, self, NULL);
  }
  soup_server_add_early_handler (self->server, NULL, on_page_headers, self, NULL);
  soup_server_add_handler (self->server, NULL, on_page_request, self, NULL);
  return g_steal_pointer (&self);
}

void
fz_http_free (FzHttp *self)
{
  if (self == NULL)
    return;
  fz_sign_in_free (self->sign_in); /* answers who waits, while there is a server */
  fz_door_free (self->door);
  if (self->server != NULL)
    soup_server_disconnect (self->server);
  g_clear_object (&self->server);
  fz_connect_limiter_free (self->limiter);
  g_strfreev (self->listen);
  g_free (self);
}

static bool
listen_on (FzHttp *self, const char *text, GError **error)
{
  char ip[FZ_IP_TEXT_MAX];
  FzSocketAddress address;
  g_autoptr (GSocketAddress) socket_address = NULL;

  if (!fz_socket_address_parse (text, &address)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is not an address to listen on; write it like 0.0.0.0:8080 or [::]:8080",
                 text);
    return false;
  }
  socket_address =
      g_inet_socket_address_new_from_string (fz_ip_format (&address.ip, ip), address.port);
  if (fz_door_open (self->door, socket_address, error))
    return true;
  g_prefix_error (error, "listening on %s: ", text);
  return false;
}

bool
fz_http_listen (FzHttp *self, GError **error)
{
  for (size_t i = 0; self->listen != NULL && self->listen[i] != NULL; i++)
    if (!listen_on (self, self->listen[i], error))
      return false;
  return true;
}

GStrv
fz_http_uris (FzHttp *self)
{
  return fz_door_uris (self->door);
}
