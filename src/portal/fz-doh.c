/* fz-doh.c: see the header
 *
 * Each server has a SoupSession of its own, made when its addresses are known;
 * questions wait until then. A server whose addresses could not be found is
 * forgotten, so that the next question tries again.
 */

#include "src/portal/fz-doh.h"

#include "src/portal/fz-doh-address.h"
#include "src/portal/fz-lookup.h"

#include <libsoup/soup.h>
#include <string.h>
#include <sys/socket.h>

#define CONTENT_TYPE "application/dns-message"
#define ANSWER_MAX   65535u
#define HEADER_SIZE  12u

typedef struct Server Server;

typedef struct {
  Server *server; /* NULL: nobody waits any more */
  uint32_t id;
  uint8_t wire_id[2]; /* as the engine wrote it */
  GUri *uri;
  GCancellable *cancellable;
  guint timeout_id;
  GInputStream *body;
  uint8_t answer[ANSWER_MAX + 1];
} Question;

struct Server {
  FzDoh *doh;
  char *url;
  char *host;
  uint16_t port;
  SoupSession *session; /* NULL: its name is being looked up */
  FzLookup *lookup;     /* NULL: it is not */
  GPtrArray *questions; /* all of Question; those that wait have no request yet */
};

struct FzDoh {
  uint32_t mark;
  FzLog log;
  FzDohFunc func;
  gpointer user_data;
  GArray *resolvers;   /* of FzSocketAddress */
  GHashTable *servers; /* by URL */
};

/* -- questions -- */

static void
free_question (Question *question)
{
  g_clear_handle_id (&question->timeout_id, g_source_remove);
  g_clear_object (&question->cancellable);
  g_clear_object (&question->body);
  g_uri_unref (question->uri);
  g_free (question);
}

/* Out of its server's hands; what GIO still holds ends by its own callback. */
static void
detach (Question *question)
{
  if (question->server == NULL)
    return;
  g_ptr_array_remove_fast (question->server->questions, question);
  question->server = NULL;
  g_clear_handle_id (&question->timeout_id, g_source_remove);
}

static void
tell (Question *question, size_t length)
{
  FzDoh *self;

  if (question->server == NULL)
    return;
  self = question->server->doh;
  detach (question);
  if (length >= HEADER_SIZE)
    memcpy (question->answer, question->wire_id, sizeof question->wire_id);
  self->func (question->id, question->answer, length, self->user_data);
}

static gboolean
on_timeout (gpointer data)
{
  Question *question = data;
  bool has_request = question->server->session != NULL;

  question->timeout_id = 0;
  tell (question, 0);
  g_cancellable_cancel (question->cancellable);
  if (!has_request)
    free_question (question);
  return G_SOURCE_REMOVE;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  gsize length = 0;
  bool is_whole = g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &length, NULL);

  tell (question, is_whole && length >= HEADER_SIZE && length <= ANSWER_MAX ? length : 0);
  free_question (question);
}

static bool
is_good (SoupMessage *message)
{
  const char *type =
      soup_message_headers_get_one (soup_message_get_response_headers (message), "Content-Type");

  return soup_message_get_status (message) == SOUP_STATUS_OK && g_strcmp0 (type, CONTENT_TYPE) == 0;
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (source), result);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body = soup_session_send_finish (SOUP_SESSION (source), result, &error);

  if (question->server == NULL || body == NULL || !is_good (message)) {
    if (question->server != NULL)
      fz_log (&question->server->doh->log,
              FZ_LOG_DEBUG,
              "doh-failed",
              "a DNS server has not answered by HTTPS",
              FZ_KV_TEXT ("server", question->server->host),
              FZ_KV_U64 ("status", soup_message_get_status (message)),
              FZ_KV_TEXT ("error", error != NULL ? error->message : "no DNS message"));
    tell (question, 0);
    free_question (question);
    return;
  }
  question->body = g_steal_pointer (&body);
  g_input_stream_read_all_async (question->body,
                                 question->answer,
                                 sizeof question->answer,
                                 G_PRIORITY_DEFAULT,
                                 question->cancellable,
                                 on_read,
                                 question);
}

/* Before it connects. A socket without the mark would go into the tunnel, and its questions come
 * back to us. */
static void
on_network_event (SoupMessage *message,
                  GSocketClientEvent event,
                  GIOStream *stream,
                  gpointer user_data)
{
  uint32_t mark = GPOINTER_TO_UINT (user_data);

  if (event == G_SOCKET_CLIENT_CONNECTING && mark != 0 && G_IS_SOCKET_CONNECTION (stream)) {
    GSocket *socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));

    if (setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
      g_socket_close (socket, NULL);
  }
}

static void
send_question (Question *question)
{
  Server *server = question->server;
  g_autoptr (SoupMessage) message = soup_message_new_from_uri ("GET", question->uri);

  soup_message_set_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_append (soup_message_get_request_headers (message), "Accept", CONTENT_TYPE);
  g_signal_connect (message,
                    "network-event",
                    G_CALLBACK (on_network_event),
                    GUINT_TO_POINTER (server->doh->mark));
  soup_session_send_async (
      server->session, message, G_PRIORITY_DEFAULT, question->cancellable, on_sent, question);
}

/* -- servers -- */

static void
free_server (gpointer data)
{
  Server *server = data;

  g_clear_pointer (&server->lookup, fz_lookup_free);
  while (server->questions->len > 0) {
    Question *question = server->questions->pdata[0];

    detach (question);
    g_cancellable_cancel (question->cancellable);
    if (server->session == NULL) /* it only waited */
      free_question (question);
  }
  if (server->session != NULL)
    soup_session_abort (server->session);
  g_clear_object (&server->session);
  g_ptr_array_unref (server->questions);
  g_free (server->host);
  g_free (server->url);
  g_free (server);
}

static void
open_session (Server *server, GSocketConnectable *address)
{
  g_autoptr (GPtrArray) waiting = g_ptr_array_copy (server->questions, NULL, NULL);

  server->session = soup_session_new_with_options (
      "timeout", FZ_DOH_TIMEOUT_S, "user-agent", "firezone", "remote-connectable", address, NULL);
  soup_session_set_proxy_resolver (server->session, NULL);
  for (guint i = 0; i < waiting->len; i++)
    send_question (waiting->pdata[i]);
}

static void
on_looked_up (const FzIp *ips, size_t n_ips, const GError *error, gpointer user_data)
{
  Server *server = user_data;
  g_autoptr (GSocketConnectable) address = NULL;

  if (n_ips > 0) {
    address = fz_doh_address_new (server->host, server->port, ips, n_ips);
    g_clear_pointer (&server->lookup, fz_lookup_free);
    open_session (server, address);
    return;
  }
  fz_log (&server->doh->log,
          FZ_LOG_WARNING,
          "doh-unknown-host",
          "the account's DNS server cannot be found",
          FZ_KV_TEXT ("server", server->host),
          FZ_KV_TEXT ("error", error->message));
  while (server->questions->len > 0) {
    Question *question = server->questions->pdata[0];

    tell (question, 0);
    free_question (question);
  }
  g_hash_table_remove (server->doh->servers, server->url);
}

static Server *
make_server (FzDoh *self, const char *url, GUri *uri)
{
  Server *server = g_new0 (Server, 1);
  FzLookupConfig config = {
    .resolvers = (const FzSocketAddress *) self->resolvers->data,
    .n_resolvers = self->resolvers->len,
    .mark = self->mark,
  };

  server->doh = self;
  server->url = g_strdup (url);
  server->host = g_strdup (g_uri_get_host (uri));
  server->port = (uint16_t) g_uri_get_port (uri);
  server->questions = g_ptr_array_new ();
  g_hash_table_insert (self->servers, server->url, server);
  if (self->resolvers->len == 0 || g_hostname_is_ip_address (server->host)) {
    open_session (server, NULL);
    return server;
  }
  config.name = server->host;
  server->lookup = fz_lookup_start (&config, on_looked_up, server);
  return server;
}

/* With the port that the scheme has where none is given. NULL: no such URL. */
static GUri *
make_uri (const char *url, const uint8_t *message, size_t length)
{
  g_autofree uint8_t *zeroed = g_memdup2 (message, length);
  g_autofree char *encoded = NULL;
  g_autofree char *query = NULL;
  g_autoptr (GUri) base = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);

  if (base == NULL || g_uri_get_host (base) == NULL)
    return NULL;
  memset (zeroed, 0, 2); /* so that caches on the way can do their work */
  encoded = g_base64_encode (zeroed, length);
  g_strdelimit (encoded, "+", '-');
  g_strdelimit (encoded, "/", '_');
  encoded[strcspn (encoded, "=")] = '\0';
  query = g_strconcat ("dns=", encoded, NULL);
  return g_uri_build (SOUP_HTTP_URI_FLAGS,
                      g_uri_get_scheme (base),
                      NULL,
                      g_uri_get_host (base),
                      g_uri_get_port (base),
                      g_uri_get_path (base),
                      query,
                      NULL);
}

/* -- public -- */

FzDoh *
fz_doh_new (uint32_t mark, const FzLog *log, FzDohFunc func, gpointer user_data)
{
  FzDoh *self = g_new0 (FzDoh, 1);

  self->mark = mark;
  self->log = fz_log_for (log, "doh");
  self->func = func;
  self->user_data = user_data;
  self->resolvers = g_array_new (FALSE, FALSE, sizeof (FzSocketAddress));
  self->servers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_server);
  return self;
}

void
fz_doh_free (FzDoh *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->servers);
  g_array_unref (self->resolvers);
  g_free (self);
}

void
fz_doh_reset (FzDoh *self)
{
  g_hash_table_remove_all (self->servers);
}

void
fz_doh_set_resolvers (FzDoh *self, const FzSocketAddress *resolvers, size_t n_resolvers)
{
  if (n_resolvers == self->resolvers->len &&
      (n_resolvers == 0 ||
       memcmp (self->resolvers->data, resolvers, n_resolvers * sizeof *resolvers) == 0))
    return;
  g_array_set_size (self->resolvers, 0);
  g_array_append_vals (self->resolvers, resolvers, (guint) n_resolvers);
  fz_doh_reset (self);
}

void
fz_doh_ask (FzDoh *self, uint32_t id, const char *url, const uint8_t *message, size_t length)
{
  Server *server = g_hash_table_lookup (self->servers, url);
  GUri *uri = length >= HEADER_SIZE ? make_uri (url, message, length) : NULL;
  Question *question;

  if (uri == NULL || (server == NULL && g_hash_table_size (self->servers) >= FZ_DOH_SERVERS_MAX) ||
      (server != NULL && server->session == NULL && server->questions->len >= FZ_DOH_WAITING_MAX)) {
    g_clear_pointer (&uri, g_uri_unref);
    return; /* the engine gives up by itself */
  }
  if (server == NULL)
    server = make_server (self, url, uri);
  question = g_new0 (Question, 1);
  question->server = server;
  question->id = id;
  memcpy (question->wire_id, message, sizeof question->wire_id);
  question->uri = uri;
  question->cancellable = g_cancellable_new ();
  question->timeout_id = g_timeout_add_seconds (FZ_DOH_TIMEOUT_S, on_timeout, question);
  g_ptr_array_add (server->questions, question);
  if (server->session != NULL)
    send_question (question);
}
