/* fz-health.c: see the header
 *
 * Each connection reads until the end of the request's head or a limit, answers
 * and closes. A request is never parsed beyond its first line.
 */

#include "src/runtime/fz-health.h"

#include "src/runtime/fz-metrics.h"

#include <gio/gio.h>
#include <string.h>

#define HEAD_BYTES_MAX  4096u
#define CONNECTIONS_MAX 16u
#define DEADLINE_S      5u
#define TEXT            "text/plain; charset=utf-8"

struct FzHealth {
  FzHealthCallbacks callbacks;
  GSocketService *service;
  GCancellable *cancellable; /* ends what is under way when the server goes */
  unsigned n_connections;
  uint16_t port;
};

typedef struct {
  FzHealth *server; /* valid unless the cancellable is cancelled */
  GCancellable *cancellable;
  GSocketConnection *connection;
  char head[HEAD_BYTES_MAX + 1];
  gsize length;
  char *answer;
} Client;

static void
client_free (Client *client)
{
  if (!g_cancellable_is_cancelled (client->cancellable))
    client->server->n_connections--;
  g_object_unref (client->connection);
  g_object_unref (client->cancellable);
  g_free (client->answer);
  g_free (client);
}

static char *
make_answer (const char *status, const char *mime_type, const char *body)
{
  return g_strdup_printf ("HTTP/1.1 %s\r\nContent-Type: %s\r\n"
                          "Content-Length: %" G_GSIZE_FORMAT "\r\nConnection: close\r\n\r\n%s",
                          status,
                          mime_type,
                          strlen (body),
                          body);
}

static bool
asks_for (const Client *client, const char *path)
{
  g_autofree char *line = g_strdup_printf ("GET %s", path);
  size_t length = strlen (line);

  return strncmp (client->head, line, length) == 0 &&
         (client->head[length] == ' ' || client->head[length] == '?');
}

static char *
answer (const Client *client)
{
  const FzHealthCallbacks *callbacks = &client->server->callbacks;
  g_autofree char *metrics = NULL;

  if (asks_for (client, "/healthz"))
    return make_answer ("200 OK", TEXT, "ok\n");
  if (asks_for (client, "/readyz"))
    return callbacks->is_ready (callbacks->user_data)
               ? make_answer ("200 OK", TEXT, "ready\n")
               : make_answer ("503 Service Unavailable", TEXT, "not ready\n");
  if (asks_for (client, "/metrics") && callbacks->dump_metrics != NULL) {
    metrics = callbacks->dump_metrics (callbacks->user_data);
    return make_answer ("200 OK", FZ_METRICS_MIME_TYPE, metrics);
  }
  return make_answer ("404 Not Found", TEXT, "not found\n");
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);
  client_free (user_data);
}

static void read_more (Client *client);

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Client *client = user_data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  if (n <= 0 || g_cancellable_is_cancelled (client->cancellable)) {
    client_free (client);
    return;
  }
  client->length += (gsize) n;
  client->head[client->length] = '\0';
  if (strstr (client->head, "\r\n\r\n") == NULL && client->length < HEAD_BYTES_MAX) {
    read_more (client);
    return;
  }
  client->answer = answer (client);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (client->connection)),
                                   client->answer,
                                   strlen (client->answer),
                                   G_PRIORITY_DEFAULT,
                                   client->cancellable,
                                   on_written,
                                   client);
}

static void
read_more (Client *client)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (client->connection)),
                             client->head + client->length,
                             HEAD_BYTES_MAX - client->length,
                             G_PRIORITY_DEFAULT,
                             client->cancellable,
                             on_read,
                             client);
}

static gboolean
on_incoming (GSocketService *service,
             GSocketConnection *connection,
             GObject *source,
             gpointer user_data)
{
  FzHealth *self = user_data;
  Client *client;

  if (self->n_connections >= CONNECTIONS_MAX)
    return TRUE; /* closed unanswered */
  self->n_connections++;
  g_socket_set_timeout (g_socket_connection_get_socket (connection), DEADLINE_S);
  client = g_new0 (Client, 1);
  client->server = self;
  client->cancellable = g_object_ref (self->cancellable);
  client->connection = g_object_ref (connection);
  read_more (client);
  return TRUE;
}

static GSocketAddress *
parse_address (const char *text, GError **error)
{
  g_autoptr (GSocketConnectable) connectable = g_network_address_parse (text, 0, error);
  GSocketAddress *address;
  GNetworkAddress *network;

  if (connectable == NULL)
    return NULL;
  network = G_NETWORK_ADDRESS (connectable);
  address = g_inet_socket_address_new_from_string (g_network_address_get_hostname (network),
                                                   g_network_address_get_port (network));
  if (address == NULL)
    g_set_error (error,
                 G_IO_ERROR,
                 G_IO_ERROR_INVALID_ARGUMENT,
                 "“%s” is not an address with a port, such as 127.0.0.1:8080",
                 text);
  return address;
}

FzHealth *
fz_health_new (const char *text, const FzHealthCallbacks *callbacks, GError **error)
{
  g_autoptr (FzHealth) self = NULL;
  g_autoptr (GSocketAddress) address = NULL, bound = NULL;

  if (text == NULL || *text == '\0' || g_str_equal (text, "off"))
    return NULL;
  address = parse_address (text, error);
  if (address == NULL)
    return NULL;

  self = g_new0 (FzHealth, 1);
  self->callbacks = *callbacks;
  self->cancellable = g_cancellable_new ();
  self->service = g_socket_service_new ();
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (self->service),
                                      address,
                                      G_SOCKET_TYPE_STREAM,
                                      G_SOCKET_PROTOCOL_TCP,
                                      NULL,
                                      &bound,
                                      error)) {
    g_prefix_error (error, "health endpoint %s: ", text);
    return NULL;
  }
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  g_socket_service_start (self->service);
  return g_steal_pointer (&self);
}

void
fz_health_free (FzHealth *self)
{
  if (self == NULL)
    return;
  g_cancellable_cancel (self->cancellable);
  g_signal_handlers_disconnect_by_data (self->service, self);
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_object_unref (self->service);
  g_object_unref (self->cancellable);
  g_free (self);
}

uint16_t
fz_health_get_port (const FzHealth *self)
{
  return self->port;
}
