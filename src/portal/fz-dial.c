/* fz-dial.c
 *
 * Reference-counted within: each asynchronous step holds the dial, the owner's
 * fz_dial_free cancels and lets go. A finished or cancelled dial ignores what
 * still comes in.
 */
#include "src/portal/fz-dial.h"

#include "src/portal/fz-lookup.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 16u /* tried at once; a resolver may say anything */

typedef struct {
  FzDial *dial; /* borrowed: attempts end before the dial */
  GSocket *socket;
  GSocketAddress *address;
  GSource *source;
} Attempt;

struct FzDial {
  char *host;
  uint16_t port;
  bool uses_tls;
  uint32_t mark;
  FzSocketAddress resolvers[FZ_LOOKUP_RESOLVERS_MAX];
  size_t n_resolvers; /* 0: as the system does */
  FzLookup *lookup;
  FzLog log;
  FzDialFunc func; /* NULL: finished or cancelled */
  gpointer user_data;
  GCancellable *cancellable;
  GPtrArray *attempts; /* Attempt */
  GString *failures;   /* one clause per failed address */
  guint timeout_id;
  guint start_id;
};

static void
free_attempt (gpointer data)
{
  Attempt *attempt = data;

  if (attempt->source != NULL) {
    g_source_destroy (attempt->source);
    g_source_unref (attempt->source);
  }
  g_clear_object (&attempt->socket);
  g_clear_object (&attempt->address);
  g_free (attempt);
}

static void
clear_dial (gpointer data)
{
  FzDial *self = data;

  g_ptr_array_unref (self->attempts);
  g_object_unref (self->cancellable);
  g_string_free (self->failures, TRUE);
  g_free (self->host);
}

static FzDial *
ref_dial (FzDial *self)
{
  return g_rc_box_acquire (self);
}

static void
unref_dial (FzDial *self)
{
  g_rc_box_release_full (self, clear_dial);
}

static void
stop_connecting (FzDial *self)
{
  g_clear_handle_id (&self->timeout_id, g_source_remove);
  g_clear_handle_id (&self->start_id, g_source_remove);
  g_clear_pointer (&self->lookup, fz_lookup_free);
  g_ptr_array_set_size (self->attempts, 0);
}

static void
finish (FzDial *self, GIOStream *stream, const GError *error)
{
  FzDialFunc func = self->func;

  self->func = NULL;
  stop_connecting (self);
  if (func != NULL)
    func (stream, error, self->user_data);
}

/* -- TLS -- */

static void
on_handshake (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzDial *self = user_data;
  g_autoptr (GError) error = NULL;

  if (g_tls_connection_handshake_finish (G_TLS_CONNECTION (source), result, &error)) {
    finish (self, G_IO_STREAM (source), NULL);
  } else {
    g_prefix_error (&error, "no secure connection with %s: ", self->host);
    finish (self, NULL, error);
  }
  g_object_unref (source); /* reference taken by start_tls */
  unref_dial (self);
}

static void
start_tls (FzDial *self, GIOStream *base)
{
  g_autoptr (GSocketConnectable) identity = g_network_address_new (self->host, self->port);
  g_autoptr (GError) error = NULL;
  GIOStream *tls = g_tls_client_connection_new (base, identity, &error);

  if (tls == NULL) {
    g_prefix_error (&error, "TLS is not available, install glib-networking: ");
    finish (self, NULL, error);
    return;
  }
  g_tls_connection_handshake_async (
      G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, self->cancellable, on_handshake, ref_dial (self));
}

/* -- TCP -- */

static void
use_socket (FzDial *self, GSocket *socket)
{
  g_autoptr (GSocketConnection) connection = g_socket_connection_factory_create_connection (socket);
  int on = 1;

  setsockopt (g_socket_get_fd (socket), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  stop_connecting (self);
  if (self->uses_tls)
    start_tls (self, G_IO_STREAM (connection));
  else
    finish (self, G_IO_STREAM (connection), NULL);
}

static void
note_failure (FzDial *self, GSocketAddress *address, const GError *error)
{
  g_autofree char *text = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address));

  g_string_append_printf (
      self->failures, "%s%s: %s", self->failures->len > 0 ? ", " : "", text, error->message);
}

static void
give_up (FzDial *self, int code)
{
  g_autoptr (GError) error = g_error_new (G_IO_ERROR,
                                          code,
                                          "cannot connect to %s port %u [%s]",
                                          self->host,
                                          self->port,
                                          self->failures->str);

  finish (self, NULL, error);
}

static gboolean
on_socket_ready (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Attempt *attempt = user_data;
  FzDial *self = attempt->dial;
  g_autoptr (GError) error = NULL;

  if (g_socket_check_connect_result (socket, &error)) {
    ref_dial (self);
    use_socket (self, socket); /* frees the attempts, this one too */
    unref_dial (self);
    return G_SOURCE_REMOVE;
  }

  note_failure (self, attempt->address, error);
  ref_dial (self);
  g_ptr_array_remove_fast (self->attempts, attempt);
  if (self->attempts->len == 0)
    give_up (self, G_IO_ERROR_CONNECTION_REFUSED);
  unref_dial (self);
  return G_SOURCE_REMOVE;
}

static bool
set_mark (FzDial *self, GSocket *socket, GError **error)
{
  if (self->mark == 0 ||
      setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_MARK, &self->mark, sizeof self->mark) ==
          0)
    return true;

  if (errno == EPERM) {
    fz_log_plain (&self->log,
                  FZ_LOG_DEBUG,
                  "portal-no-mark",
                  "no right to mark the portal's socket; there is no tunnel then either");
    return true;
  }
  g_set_error (
      error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot mark the socket: %s", g_strerror (errno));
  return false;
}

static void
start_attempt (FzDial *self, GInetAddress *ip)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (ip, self->port);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new (
      g_inet_address_get_family (ip), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
  Attempt *attempt;

  if (socket == NULL || !set_mark (self, socket, &error)) {
    note_failure (self, address, error);
    return;
  }

  g_socket_set_blocking (socket, FALSE);
  if (!g_socket_connect (socket, address, NULL, &error) &&
      !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PENDING)) {
    note_failure (self, address, error);
    return;
  }

  attempt = g_new0 (Attempt, 1);
  attempt->dial = self;
  attempt->address = g_steal_pointer (&address);
  attempt->source = g_socket_create_source (socket, G_IO_OUT, NULL);
  attempt->socket = g_steal_pointer (&socket);
  g_source_set_callback (attempt->source, G_SOURCE_FUNC (on_socket_ready), attempt, NULL);
  g_source_attach (attempt->source, NULL);
  g_ptr_array_add (self->attempts, attempt);
}

static gboolean
on_connect_timeout (gpointer user_data)
{
  FzDial *self = user_data;

  self->timeout_id = 0;
  for (guint i = 0; i < self->attempts->len; i++) {
    Attempt *attempt = self->attempts->pdata[i];
    g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer");

    note_failure (self, attempt->address, error);
  }
  ref_dial (self);
  give_up (self, G_IO_ERROR_TIMED_OUT);
  unref_dial (self);
  return G_SOURCE_REMOVE;
}

static void
connect_to (FzDial *self, GList *addresses)
{
  unsigned n = 0;

  for (GList *at = addresses; at != NULL && n < ADDRESSES_MAX; at = at->next, n++)
    start_attempt (self, at->data);

  if (self->attempts->len == 0)
    give_up (self, G_IO_ERROR_HOST_UNREACHABLE);
  else
    self->timeout_id = g_timeout_add_seconds (FZ_DIAL_CONNECT_S, on_connect_timeout, self);
}

/* -- resolving -- */

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzDial *self = user_data;
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);

  if (self->func == NULL) {
    ; /* cancelled */
  } else if (error != NULL) {
    g_prefix_error (&error, "cannot find the address of %s: ", self->host);
    finish (self, NULL, error);
  } else {
    connect_to (self, addresses);
  }
  g_resolver_free_addresses (addresses);
  unref_dial (self);
}

static void
on_looked_up (const FzIp *ips, size_t n_ips, const GError *error, gpointer user_data)
{
  FzDial *self = user_data;
  GList *addresses = NULL;

  ref_dial (self);
  if (error != NULL) {
    g_autoptr (GError) longer = g_error_copy (error);

    g_prefix_error (&longer, "cannot find the address of %s: ", self->host);
    finish (self, NULL, longer);
  } else {
    for (size_t i = n_ips; i > 0; i--)
      addresses = g_list_prepend (addresses,
                                  g_inet_address_new_from_bytes (ips[i - 1].bytes,
                                                                 ips[i - 1].family == FZ_IP_V4
                                                                     ? G_SOCKET_FAMILY_IPV4
                                                                     : G_SOCKET_FAMILY_IPV6));
    connect_to (self, addresses);
  }
  g_list_free_full (addresses, g_object_unref);
  unref_dial (self);
}

static void
look_up (FzDial *self)
{
  const FzLookupConfig config = {
    .name = self->host,
    .resolvers = self->resolvers,
    .n_resolvers = self->n_resolvers,
    .mark = self->mark,
  };

  self->lookup = fz_lookup_start (&config, on_looked_up, self);
}

static gboolean
on_start (gpointer user_data)
{
  FzDial *self = user_data;
  g_autoptr (GInetAddress) literal = g_inet_address_new_from_string (self->host);

  self->start_id = 0;
  ref_dial (self);
  if (literal != NULL) {
    GList only = { literal, NULL, NULL };

    connect_to (self, &only);
  } else if (self->n_resolvers > 0) {
    look_up (self);
  } else {
    g_autoptr (GResolver) resolver = g_resolver_get_default ();

    g_resolver_lookup_by_name_async (
        resolver, self->host, self->cancellable, on_resolved, ref_dial (self));
  }
  unref_dial (self);
  return G_SOURCE_REMOVE;
}

FzDial *
fz_dial_start (const FzDialConfig *config, FzDialFunc func, gpointer user_data)
{
  FzDial *self = g_rc_box_new0 (FzDial);

  self->host = g_strdup (config->host);
  self->port = config->port;
  self->uses_tls = config->uses_tls;
  self->mark = config->mark;
  self->n_resolvers = MIN (config->n_resolvers, FZ_LOOKUP_RESOLVERS_MAX);
  for (size_t i = 0; i < self->n_resolvers; i++)
    self->resolvers[i] = config->resolvers[i];
  self->log = config->log;
  self->func = func;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->attempts = g_ptr_array_new_with_free_func (free_attempt);
  self->failures = g_string_new (NULL);
  self->start_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_start, self, NULL);
  return self;
}

void
fz_dial_free (FzDial *self)
{
  if (self == NULL)
    return;

  self->func = NULL;
  stop_connecting (self);
  g_cancellable_cancel (self->cancellable);
  unref_dial (self);
}
