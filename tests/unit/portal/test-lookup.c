/* A name looked up with resolvers of our choice: they are played here, over real sockets of the
 * loopback. */
#include "src/portal/fz-lookup.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

typedef enum {
  BEHAVIOUR_ANSWER,
  BEHAVIOUR_SILENT,
  BEHAVIOUR_FAIL,     /* SERVFAIL */
  BEHAVIOUR_TRUNCATE, /* over UDP; over TCP all of it */
  BEHAVIOUR_FORGE,    /* a wrong identifier first, then the answer */
  BEHAVIOUR_NO_NAME,  /* NXDOMAIN */
} Behaviour;

typedef struct {
  Behaviour behaviour;
  GSocket *udp;
  GSocketListener *tcp;
  GIOStream *connection; /* one at a time */
  GSource *source;
  uint16_t port;
  unsigned n_udp;
  unsigned n_tcp;
} Resolver;

typedef struct {
  FzIp ips[16];
  size_t n_ips;
  GError *error;
  bool is_done;
} Result;

/* -- the resolver -- */

/* Header and question of @query, one record behind them: 192.0.2.80 or 2001:db8::80. */
static size_t
write_answer (const uint8_t *query, size_t length, uint8_t flags[2], bool has_record, uint8_t *out)
{
  static const uint8_t ipv4[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80 };
  static const uint8_t ipv6[] = { 0xc0, 12,   0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 0x01,
                                  0x0d, 0xb8, 0, 0,  0, 0, 0, 0, 0, 0,  0, 0,  0,    0x80 };
  size_t end = 12;
  bool is_ipv4;

  while (end < length && query[end] != 0)
    end += query[end] + 1u;
  end += 5;
  is_ipv4 = query[end - 3] == 1;
  memcpy (out, query, end);
  memset (out + 6, 0, 6);
  out[2] = flags[0];
  out[3] = flags[1];
  if (!has_record)
    return end;
  out[7] = 1;
  memcpy (out + end, is_ipv4 ? ipv4 : ipv6, is_ipv4 ? sizeof ipv4 : sizeof ipv6);
  return end + (is_ipv4 ? sizeof ipv4 : sizeof ipv6);
}

static size_t
answer (Resolver *self, const uint8_t *query, size_t length, bool is_tcp, uint8_t *out)
{
  uint8_t good[] = { 0x81, 0x80 }, failed[] = { 0x81, 0x82 }, truncated[] = { 0x83, 0x80 },
          unknown[] = { 0x81, 0x83 };

  switch (self->behaviour) {
  case BEHAVIOUR_SILENT:
    return 0;
  case BEHAVIOUR_FAIL:
    return write_answer (query, length, failed, false, out);
  case BEHAVIOUR_NO_NAME:
    return write_answer (query, length, unknown, false, out);
  case BEHAVIOUR_TRUNCATE:
    return write_answer (query, length, is_tcp ? good : truncated, is_tcp, out);
  case BEHAVIOUR_ANSWER:
  case BEHAVIOUR_FORGE:
    break;
  }
  return write_answer (query, length, good, true, out);
}

static gboolean
on_udp (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Resolver *self = user_data;
  g_autoptr (GSocketAddress) from = NULL;
  uint8_t query[2048], reply[2048];
  gssize n = g_socket_receive_from (socket, &from, (char *) query, sizeof query, NULL, NULL);
  size_t length = answer (self, query, (size_t) n, false, reply);

  self->n_udp++;
  if (self->behaviour == BEHAVIOUR_FORGE) {
    reply[0] ^= 0xff;
    g_socket_send_to (socket, from, (const char *) reply, length, NULL, NULL);
    reply[0] ^= 0xff;
  }
  if (length > 0)
    g_socket_send_to (socket, from, (const char *) reply, length, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static void on_tcp (GObject *source, GAsyncResult *result, gpointer user_data);

/* The question comes in one piece. */
static void
on_tcp_question (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Resolver *self = user_data;
  g_autoptr (GIOStream) connection = g_steal_pointer (&self->connection);
  g_autoptr (GBytes) question =
      g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, NULL);
  gsize n = 0;
  const uint8_t *query = g_bytes_get_data (question, &n);
  uint8_t reply[2050];
  size_t length;

  g_assert_cmpuint (n, >, 2);
  g_assert_cmpuint ((size_t) (query[0] << 8 | query[1]), ==, n - 2);
  self->n_tcp++;
  length = answer (self, query + 2, n - 2, true, reply + 2);
  reply[0] = (uint8_t) (length >> 8);
  reply[1] = (uint8_t) length;
  g_output_stream_write_all (
      g_io_stream_get_output_stream (connection), reply, length + 2, NULL, NULL, NULL);
  g_socket_listener_accept_async (self->tcp, NULL, on_tcp, self);
}

static void
on_tcp (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Resolver *self = user_data;
  GSocketConnection *connection =
      g_socket_listener_accept_finish (G_SOCKET_LISTENER (source), result, NULL, NULL);

  if (connection == NULL)
    return; /* the test is over */
  self->connection = G_IO_STREAM (connection);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (self->connection),
                                   2048,
                                   G_PRIORITY_DEFAULT,
                                   NULL,
                                   on_tcp_question,
                                   self);
}

/* One port for both: of TCP it may be somebody else's, who has it for a connection. */
static void
bind_port (Resolver *self)
{
  g_autoptr (GInetAddress) ip = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (ip, 0);
  g_autoptr (GSocketAddress) bound = NULL;

  self->tcp = g_socket_listener_new ();
  for (;;) {
    g_clear_object (&self->udp);
    g_clear_object (&bound);
    self->udp =
        g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
    g_assert_true (g_socket_bind (self->udp, any, FALSE, NULL));
    bound = g_socket_get_local_address (self->udp, NULL);
    if (g_socket_listener_add_address (
            self->tcp, bound, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, NULL))
      break;
  }
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
}

static void
start_resolver (Resolver *self, Behaviour behaviour)
{
  *self = (Resolver){ .behaviour = behaviour };
  bind_port (self);
  self->source = g_socket_create_source (self->udp, G_IO_IN, NULL);
  g_source_set_callback (self->source, G_SOURCE_FUNC (on_udp), self, NULL);
  g_source_attach (self->source, NULL);
  g_socket_listener_accept_async (self->tcp, NULL, on_tcp, self);
}

static void
stop_resolver (Resolver *self)
{
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_socket_listener_close (self->tcp);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (self->tcp);
  g_object_unref (self->udp);
}

/* -- the asker -- */

static void
on_result (const FzIp *ips, size_t n_ips, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  g_assert_false (result->is_done);
  g_assert_true ((n_ips > 0) == (error == NULL));
  memcpy (result->ips, ips, n_ips * sizeof *ips);
  result->n_ips = n_ips;
  result->error = error != NULL ? g_error_copy (error) : NULL;
  result->is_done = true;
}

static Result
look_up (const char *name, const Resolver *resolvers, size_t n, const char *hosts)
{
  static const uint8_t loopback[] = { 127, 0, 0, 1 };
  FzSocketAddress addresses[4];
  FzLookupConfig config = {
    .name = name,
    .resolvers = addresses,
    .n_resolvers = n,
    .mark = 0xfd002021u,
    .hosts = hosts,
  };
  Result result = { .is_done = false };
  g_autoptr (FzLookup) lookup = NULL;

  for (size_t i = 0; i < n; i++)
    addresses[i] = (FzSocketAddress){ fz_ip_v4 (loopback), resolvers[i].port };
  lookup = fz_lookup_start (&config, on_result, &result);
  g_assert_false (result.is_done);
  while (!result.is_done)
    g_main_context_iteration (NULL, TRUE);
  return result;
}

static void
assert_both (const Result *result)
{
  char text[FZ_IP_TEXT_MAX];
  bool has_ipv4 = false, has_ipv6 = false;

  g_assert_no_error (result->error);
  g_assert_cmpuint (result->n_ips, ==, 2);
  for (size_t i = 0; i < 2; i++) {
    fz_ip_format (&result->ips[i], text);
    has_ipv4 = has_ipv4 || strcmp (text, "192.0.2.80") == 0;
    has_ipv6 = has_ipv6 || strcmp (text, "2001:db8::80") == 0;
  }
  g_assert_true (has_ipv4 && has_ipv6);
}

static void
test_behaviours (void)
{
  static const struct {
    Behaviour first;
    unsigned n_udp; /* that the second hears */
    unsigned n_tcp; /* that the first hears */
  } rows[] = {
    { BEHAVIOUR_ANSWER, 0, 0 },   { BEHAVIOUR_FAIL, 2, 0 },  { BEHAVIOUR_SILENT, 2, 0 },
    { BEHAVIOUR_TRUNCATE, 0, 2 }, { BEHAVIOUR_FORGE, 0, 0 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Resolver resolvers[2];
    Result result;

    start_resolver (&resolvers[0], rows[i].first);
    start_resolver (&resolvers[1], BEHAVIOUR_ANSWER);
    result = look_up ("portal.example", resolvers, 2, "/nonexistent");
    assert_both (&result);
    g_assert_cmpuint (resolvers[0].n_udp, ==, 2);
    g_assert_cmpuint (resolvers[1].n_udp, ==, rows[i].n_udp);
    g_assert_cmpuint (resolvers[0].n_tcp, ==, rows[i].n_tcp);
    stop_resolver (&resolvers[0]);
    stop_resolver (&resolvers[1]);
  }
}

static void
test_failures (void)
{
  Resolver resolvers[2];
  Result result;

  start_resolver (&resolvers[0], BEHAVIOUR_NO_NAME);
  start_resolver (&resolvers[1], BEHAVIOUR_ANSWER);
  result = look_up ("portal.example", resolvers, 2, "/nonexistent");
  g_assert_error (result.error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND);
  g_assert_cmpuint (resolvers[1].n_udp, ==, 0); /* that was an answer */
  g_clear_error (&result.error);

  resolvers[0].behaviour = resolvers[1].behaviour = BEHAVIOUR_FAIL;
  result = look_up ("portal.example", resolvers, 2, "/nonexistent");
  g_assert_error (result.error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE);
  g_clear_error (&result.error);
  result = look_up ("portal.example", resolvers, 0, "/nonexistent");
  g_assert_error (result.error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE);
  g_clear_error (&result.error);
  result = look_up ("not..a.name", resolvers, 1, "/nonexistent");
  g_assert_nonnull (result.error);
  g_clear_error (&result.error);
  stop_resolver (&resolvers[0]);
  stop_resolver (&resolvers[1]);
}

static void
test_hosts (void)
{
  Resolver resolver;
  Result result;
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("fz-hosts-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path,
                                      "# 192.0.2.1 portal.example\n192.0.2.2 a.example "
                                      "Portal.Example # home\n2001:db8::2\tportal.example\n",
                                      -1,
                                      NULL));
  start_resolver (&resolver, BEHAVIOUR_ANSWER);
  result = look_up ("portal.example", &resolver, 1, path);
  g_assert_cmpuint (result.n_ips, ==, 2);
  g_assert_cmpuint (resolver.n_udp, ==, 0);
  stop_resolver (&resolver);
  g_remove (path);
}

/* Freed at any moment, it stays quiet. */
static void
test_free (void)
{
  Resolver resolver;
  static const uint8_t loopback[] = { 127, 0, 0, 1 };

  start_resolver (&resolver, BEHAVIOUR_SILENT);
  for (unsigned n_steps = 0; n_steps < 4; n_steps++) {
    const FzSocketAddress address = { fz_ip_v4 (loopback), resolver.port };
    const FzLookupConfig config = {
      .name = "portal.example", .resolvers = &address, .n_resolvers = 1, .hosts = "/nonexistent"
    };
    Result result = { .is_done = false };
    FzLookup *lookup = fz_lookup_start (&config, on_result, &result);

    for (unsigned i = 0; i < n_steps; i++)
      g_main_context_iteration (NULL, FALSE);
    fz_lookup_free (lookup);
    while (g_main_context_iteration (NULL, FALSE))
      ;
    g_assert_false (result.is_done);
  }
  stop_resolver (&resolver);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lookup/behaviours", test_behaviours);
  g_test_add_func ("/lookup/failures", test_failures);
  g_test_add_func ("/lookup/hosts", test_hosts);
  g_test_add_func ("/lookup/free", test_free);
  return g_test_run ();
}
