/* test-door.c: connections come in by a door, plainly and by TLS, and nothing of them stays */

#include "src/server/fz-door.h"

#include <string.h>
#include <sys/resource.h>

/* Debian 12's leak checker crashes when it walks the thread-local storage of the TLS module that
 * GIO loads at run time, so the run with the TLS test goes without it. Asked by the sanitizer's
 * runtime only, at exit. */
static bool has_used_tls;
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return has_used_tls;
}

typedef struct {
  SoupServer *server;
  FzDoor *door;
  SoupSession *session;
  char *base;         /* "http://127.0.0.1:40001" */
  unsigned n_sockets; /* alive, of those that requests came by */
  unsigned n_requests;
  unsigned n_answers;
  unsigned n_refusals;  /* connections that were closed instead */
  unsigned patience_ms; /* from the first request on; 0: as it is */
  SoupWebsocketConnection *server_end;
  SoupWebsocketConnection *client_end;
  FzLogSink sink;
  unsigned n_reports; /* lines about a crowd */
  uint64_t n_told;    /* connections that they tell of */
} Bench;

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  return true;
}

static void
take_report (void *context, const FzLogRecord *record)
{
  Bench *b = context;

  g_assert_cmpstr (record->event, ==, "door-crowded");
  b->n_reports++;
  for (size_t i = 0; i < record->n_fields; i++)
    if (g_str_has_prefix (record->fields[i].key, "too_many"))
      b->n_told += record->fields[i].u64;
}

static void
on_socket_gone (gpointer data, GObject *was)
{
  ((Bench *) data)->n_sockets--;
  g_main_context_wakeup (NULL); /* the last reference may have been a handshake's thread's */
}

static void
note_socket (Bench *b, SoupServerMessage *message)
{
  GSocket *socket = fz_door_get_socket (message);

  g_assert_nonnull (socket);
  g_object_weak_ref (G_OBJECT (socket), on_socket_gone, b);
  b->n_sockets++;
}

static void
on_request (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer data)
{
  Bench *b = data;

  note_socket (b, message);
  b->n_requests++;
  if (b->patience_ms != 0)
    fz_door_set_patience (b->door, b->patience_ms);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_STATIC, "in", 2);
}

static void
on_websocket (SoupServer *server,
              SoupServerMessage *message,
              const char *path,
              SoupWebsocketConnection *connection,
              gpointer data)
{
  Bench *b = data;

  note_socket (b, message);
  b->server_end = g_object_ref (connection);
}

static Bench *
bench_new (GTlsCertificate *certificate, const char *address)
{
  Bench *b = g_new0 (Bench, 1);
  g_autoptr (GSocketAddress) where = g_inet_socket_address_new_from_string (address, 0);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) uris = NULL;

  b->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (b->server, NULL, on_request, b, NULL);
  soup_server_add_websocket_handler (b->server, "/socket", NULL, NULL, on_websocket, b, NULL);
  b->sink = (FzLogSink){ wants, take_report, b };
  b->door = fz_door_new (b->server, certificate, &(FzLog){ &b->sink, "door" });
  g_assert_true (fz_door_open (b->door, where, &error));
  g_assert_no_error (error);
  uris = fz_door_uris (b->door);
  g_assert_cmpuint (g_strv_length (uris), ==, 1);
  g_assert_true (g_str_has_suffix (uris[0], "/"));
  b->base = g_strndup (uris[0], strlen (uris[0]) - 1);
  b->session = soup_session_new_with_options ("proxy-resolver", NULL, NULL);
  return b;
}

static void
wait_until (const unsigned *value, unsigned wanted)
{
  while (*value != wanted)
    g_main_context_iteration (NULL, TRUE);
}

static void
bench_free (Bench *b)
{
  soup_session_abort (b->session);
  g_object_unref (b->session);
  wait_until (&b->n_sockets, 0);
  fz_door_free (b->door);
  soup_server_disconnect (b->server);
  g_object_unref (b->server);
  g_free (b->base);
  g_free (b);
}

static gboolean
trust (SoupMessage *message,
       GTlsCertificate *certificate,
       GTlsCertificateFlags errors,
       gpointer data)
{
  return TRUE;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Bench *b = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = soup_session_send_and_read_finish (b->session, result, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "in", 2);
  b->n_answers++;
}

/* On a connection of its own. */
static void
ask (Bench *b, GAsyncReadyCallback on_done)
{
  g_autoptr (SoupMessage) message = soup_message_new ("GET", b->base);

  soup_message_add_flags (message, SOUP_MESSAGE_NEW_CONNECTION);
  soup_message_headers_append (soup_message_get_request_headers (message), "Connection", "close");
  g_signal_connect (message, "accept-certificate", G_CALLBACK (trust), NULL);
  soup_session_send_and_read_async (b->session, message, G_PRIORITY_DEFAULT, NULL, on_done, b);
}

static void
ask_often (Bench *b)
{
  for (unsigned i = 1; i <= 5; i++) {
    ask (b, on_answer);
    wait_until (&b->n_answers, i);
    wait_until (&b->n_sockets, 0); /* and not with the end of the process */
  }
  g_assert_cmpuint (b->n_requests, ==, 5);
}

static bool
has_ipv6 (void)
{
  g_autoptr (GSocketAddress) loopback = g_inet_socket_address_new_from_string ("::1", 0);
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_IPV6, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);

  return socket != NULL && g_socket_bind (socket, loopback, FALSE, NULL);
}

static void
test_plain (gconstpointer address)
{
  Bench *b;

  if (strchr (address, ':') != NULL && !has_ipv6 ()) {
    g_test_skip ("no IPv6 on this machine");
    return;
  }
  b = bench_new (NULL, address);
  g_assert_true (g_str_has_prefix (b->base, "http://"));
  ask_often (b);
  bench_free (b);
}

static GTlsCertificate *
load_certificate (void)
{
  g_autofree char *certificate_path =
      g_build_filename (FZ_TEST_DATA, "portal", "tls-certificate.pem", NULL);
  g_autofree char *key_path = g_build_filename (FZ_TEST_DATA, "portal", "tls-key.pem", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsCertificate) certificate =
      g_tls_certificate_new_from_files (certificate_path, key_path, &error);

  g_assert_no_error (error);
  has_used_tls = true;
  return g_steal_pointer (&certificate);
}

static void
test_tls (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  Bench *b = bench_new (certificate, "127.0.0.1");

  g_assert_true (g_str_has_prefix (b->base, "https://"));
  ask_often (b);
  bench_free (b);
}

/* -- those that say nothing, or not all of it -- */

#define N_SILENT    100u /* GLib begins with ten threads for handshakes */
#define PATIENCE_MS 500u

#define VERY_PATIENT_MS 600000u

/* @from: an address of this machine; NULL: the usual one */
static GSocketConnection *
connect_and_send (const Bench *b, const char *from, const void *bytes, size_t size)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection;

  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, 20); /* for who is not even heard */
  if (from != NULL) {
    g_autoptr (GSocketAddress) local = g_inet_socket_address_new_from_string (from, 0);

    g_socket_client_set_local_address (client, local);
  }
  connection = g_socket_client_connect_to_uri (client, b->base, 80, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (connection)), bytes, size, NULL, NULL, &error));
  return connection;
}

static GSocketConnection *
connect_from (const Bench *b, const char *from, const char *words)
{
  return connect_and_send (b, from, words, strlen (words));
}

static GSocketConnection *
connect_plainly (const Bench *b, const char *words)
{
  return connect_from (b, NULL, words);
}

static bool
is_cut_off (GSocketConnection *connection)
{
  GSocket *socket = g_socket_connection_get_socket (connection);
  g_autoptr (GError) error = NULL;
  char byte;
  gssize n = g_socket_receive_with_blocking (socket, &byte, 1, FALSE, NULL, &error);

  g_assert_cmpint (n, <=, 0);
  return n == 0 || !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static void
wait_until_cut_off (GSocketConnection *connection)
{
  guint tick = g_timeout_add (20, on_tick, NULL);

  while (!is_cut_off (connection))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
}

static void
test_tls_silence (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  Bench *b = bench_new (certificate, "127.0.0.1");

  fz_door_set_patience (b->door, PATIENCE_MS);
  for (unsigned i = 0; i < N_SILENT; i++) {
    g_ptr_array_add (silent, connect_plainly (b, ""));
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  for (unsigned i = 0; i < N_SILENT; i++)
    wait_until_cut_off (silent->pdata[i]);
  fz_door_set_patience (b->door, FZ_DOOR_PATIENCE_MS);
  ask (b, on_answer);
  wait_until (&b->n_answers, 1);
  bench_free (b);
}

/* Neither silence nor half a hello takes a thread that others need for their handshakes. */
static void
test_tls_threads (void)
{
  static const char *const words[] = { "", "\x16", "\x16\x03\x01\x02\x10\x01" };
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  Bench *b = bench_new (certificate, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  for (unsigned i = 0; i < 2 * N_SILENT; i++)
    g_ptr_array_add (silent, connect_from (b, "127.0.0.2", words[i % G_N_ELEMENTS (words)]));
  while (fz_door_get_counts (b->door).n_waiting < 2 * N_SILENT)
    g_main_context_iteration (NULL, TRUE);
  ask_often (b);
  g_assert_cmpuint (fz_door_get_counts (b->door).n_waiting, ==, 2 * N_SILENT);
  bench_free (b);
}

static unsigned
n_pushed_out (const Bench *b)
{
  FzDoorCounts counts = fz_door_get_counts (b->door);

  return (unsigned) (counts.pushed_out.n_of_source + counts.pushed_out.n_in_all);
}

/* What a TLS client says first. */
static GBytes *
make_hello (void)
{
  g_autoptr (GInputStream) nothing = g_memory_input_stream_new ();
  g_autoptr (GOutputStream) said = g_memory_output_stream_new_resizable ();
  g_autoptr (GIOStream) both = g_simple_io_stream_new (nothing, said);
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) client = g_tls_client_connection_new (both, NULL, &error);

  g_assert_no_error (error);
  g_assert_false (g_tls_connection_handshake (G_TLS_CONNECTION (client), NULL, NULL));
  if (!g_output_stream_is_closed (said))
    g_output_stream_close (said, NULL, NULL);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (said));
}

/* @n that say hello and never answer, the first ones of them in their handshake. */
static GPtrArray *
say_hello (Bench *b, const char *from, unsigned n)
{
  g_autoptr (GBytes) hello = make_hello ();
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  FzDoorCounts counts = { 0 };

  for (unsigned i = 0; i < n; i++)
    g_ptr_array_add (
        silent,
        connect_and_send (b, from, g_bytes_get_data (hello, NULL), g_bytes_get_size (hello)));
  while (counts.n_shaking + counts.n_held < n) {
    g_main_context_iteration (NULL, TRUE);
    counts = fz_door_get_counts (b->door);
  }
  g_assert_cmpuint (counts.n_shaking, ==, FZ_HANDSHAKES_OF_SOURCE_MAX);
  return g_steal_pointer (&silent);
}

/* Half a handshake takes a thread, of which others find enough. */
static void
test_tls_half_handshakes (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  g_autoptr (GPtrArray) silent = NULL;
  Bench *b = bench_new (certificate, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  fz_door_set_handshake_time (b->door, VERY_PATIENT_MS);
  silent = say_hello (b, "127.0.0.2", 2 * N_SILENT);
  ask_often (b);
  g_assert_cmpuint (fz_door_get_counts (b->door).n_waiting, ==, 2 * N_SILENT);
  g_assert_cmpuint (fz_door_get_counts (b->door).n_too_slow, ==, 0);
  bench_free (b);
}

static void
on_answer_or_not (GObject *source, GAsyncResult *result, gpointer data)
{
  Bench *b = data;
  g_autoptr (GBytes) bytes = soup_session_send_and_read_finish (b->session, result, NULL);

  if (bytes != NULL)
    b->n_answers++;
  else
    b->n_refusals++;
}

/* Behind the same address as those, he waits until they have had their time, which is less than
 * the door's patience. On a machine so busy that it is his own, too, he asks again. */
static void
test_tls_overdue (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  g_autoptr (GPtrArray) silent = NULL;
  Bench *b = bench_new (certificate, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  silent = say_hello (b, NULL, 2 * N_SILENT);
  while (b->n_answers == 0) {
    unsigned n_refusals = b->n_refusals;

    ask (b, on_answer_or_not);
    while (b->n_answers == 0 && b->n_refusals == n_refusals)
      g_main_context_iteration (NULL, TRUE);
  }
  g_assert_cmpuint (fz_door_get_counts (b->door).n_too_slow, >, 0);
  g_assert_cmpuint (b->n_reports, ==, 1);
  bench_free (b);
}

/* Honest ones behind one address, more at once than may shake hands: each has his turn. They are
 * no more since their own ends take threads of the same few. */
#define N_HONEST (2 * FZ_HANDSHAKES_OF_SOURCE_MAX)

static void
test_tls_crowd (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  Bench *b = bench_new (certificate, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  fz_door_set_handshake_time (b->door, VERY_PATIENT_MS);
  g_object_unref (b->session);
  b->session = soup_session_new_with_options (
      "proxy-resolver", NULL, "max-conns", N_HONEST, "max-conns-per-host", N_HONEST, NULL);
  for (unsigned i = 0; i < N_HONEST; i++)
    ask (b, on_answer);
  wait_until (&b->n_answers, N_HONEST);
  g_assert_cmpuint (n_pushed_out (b), ==, 0);
  g_assert_cmpuint (fz_door_get_counts (b->door).n_held, ==, 0);
  g_assert_cmpuint (fz_door_get_counts (b->door).n_shaking, ==, 0);
  bench_free (b);
}

/* Whatever the door has said before. */
static void
read_to_end (GSocketConnection *connection)
{
  GSocket *socket = g_socket_connection_get_socket (connection);
  g_autoptr (GError) error = NULL;
  char bytes[4096];

  while (g_socket_receive_with_blocking (socket, bytes, sizeof bytes, TRUE, NULL, &error) > 0)
    ;
  g_assert_false (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
}

/* The door closes while handshakes go on and others are held. */
static void
test_tls_closed (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  g_autoptr (GPtrArray) silent = NULL;
  Bench *b = bench_new (certificate, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  fz_door_set_handshake_time (b->door, VERY_PATIENT_MS);
  silent = say_hello (b, NULL, N_SILENT);
  bench_free (b);
  for (unsigned i = 0; i < N_SILENT; i++)
    read_to_end (silent->pdata[i]);
}

/* Who leaves before his hello is whole is not waited for; nobody spins on what will not come. */
static void
test_tls_half_closed (void)
{
  g_autoptr (GTlsCertificate) certificate = load_certificate ();
  Bench *b = bench_new (certificate, "127.0.0.1");
  g_autoptr (GSocketConnection) one = NULL;

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  one = connect_from (b, NULL, "\x16\x03\x01\x02\x10\x01");
  while (fz_door_get_counts (b->door).n_waiting == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_socket_shutdown (g_socket_connection_get_socket (one), FALSE, TRUE, NULL));
  while (fz_door_get_counts (b->door).n_waiting > 0)
    g_main_context_iteration (NULL, TRUE);
  bench_free (b);
}

static void
test_unfinished (gconstpointer words)
{
  Bench *b = bench_new (NULL, "127.0.0.1");
  g_autoptr (GSocketConnection) connection = NULL;

  fz_door_set_patience (b->door, PATIENCE_MS);
  connection = connect_plainly (b, words);
  wait_until_cut_off (connection);
  g_assert_cmpuint (b->n_requests, ==, 0);
  bench_free (b);
}

/* Who has asked once may ask again, but not whenever he likes. */
static void
test_idle (void)
{
  Bench *b = bench_new (NULL, "127.0.0.1");
  g_autoptr (GSocketConnection) connection = NULL;
  char answer[4096];

  b->patience_ms = PATIENCE_MS;
  connection = connect_plainly (b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  wait_until (&b->n_requests, 1);
  while (g_socket_condition_check (g_socket_connection_get_socket (connection), G_IO_IN) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)),
                                        answer,
                                        sizeof answer,
                                        NULL,
                                        NULL),
                   >,
                   0);
  wait_until_cut_off (connection);
  bench_free (b);
}

/* -- websockets -- */

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  Bench *b = data;
  g_autoptr (GError) error = NULL;

  b->client_end = soup_session_websocket_connect_finish (b->session, result, &error);
  g_assert_no_error (error);
}

static void
open_websocket (Bench *b)
{
  g_autofree char *uri = g_strdup_printf ("ws%s/socket", b->base + strlen ("http"));
  g_autoptr (SoupMessage) message = soup_message_new ("GET", uri);

  soup_session_websocket_connect_async (
      b->session, message, NULL, NULL, G_PRIORITY_DEFAULT, NULL, on_connected, b);
  while (b->client_end == NULL || b->server_end == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
close_websocket (Bench *b)
{
  g_assert_cmpint (
      soup_websocket_connection_get_state (b->client_end), ==, SOUP_WEBSOCKET_STATE_OPEN);
  soup_websocket_connection_close (b->client_end, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
  while (soup_websocket_connection_get_state (b->server_end) != SOUP_WEBSOCKET_STATE_CLOSED ||
         soup_websocket_connection_get_state (b->client_end) != SOUP_WEBSOCKET_STATE_CLOSED)
    g_main_context_iteration (NULL, TRUE);
  g_clear_object (&b->client_end);
  g_clear_object (&b->server_end);
}

static void
test_websocket (void)
{
  Bench *b = bench_new (NULL, "127.0.0.1");
  g_autoptr (GSocketConnection) later = NULL;

  fz_door_set_patience (b->door, 8 * PATIENCE_MS);
  open_websocket (b);
  later = connect_plainly (b, "");
  wait_until_cut_off (later); /* nothing is asked of who has come in */
  close_websocket (b);
  bench_free (b);
}

/* -- a crowd that says nothing -- */

#define N_CROWD   600u
#define PLACES    8u
#define OF_SOURCE 3u
#define N_BACKLOG 100u
#define REPORT_MS 200u

static void
crowd (Bench *b, GPtrArray *silent, const char *from, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    FzDoorCounts before = fz_door_get_counts (b->door), now = before;
    unsigned n_out = n_pushed_out (b);

    g_ptr_array_add (silent, connect_from (b, from, ""));
    while (now.n_waiting == before.n_waiting && n_pushed_out (b) == n_out) {
      g_main_context_iteration (NULL, TRUE);
      now = fz_door_get_counts (b->door);
    }
  }
}

static void
assert_n_waiting (Bench *b, unsigned expected)
{
  g_assert_cmpuint (fz_door_get_counts (b->door).n_waiting, ==, expected);
}

/* All that one address may have, and its oldest go: not others, nor who has come in. */
static void
test_crowd_of_one (void)
{
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketConnection) other = NULL;
  Bench *b = bench_new (NULL, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  open_websocket (b);
  other = connect_from (b, "127.0.0.2", "GET / HT");
  while (fz_door_get_counts (b->door).n_waiting == 0)
    g_main_context_iteration (NULL, TRUE);
  crowd (b, silent, NULL, N_CROWD);
  assert_n_waiting (b, FZ_LOBBY_OF_SOURCE_MAX + 1);
  g_assert_cmpuint (n_pushed_out (b), ==, N_CROWD - FZ_LOBBY_OF_SOURCE_MAX);
  for (unsigned i = 0; i < N_CROWD - FZ_LOBBY_OF_SOURCE_MAX; i++)
    wait_until_cut_off (silent->pdata[i]);
  for (unsigned i = N_CROWD - FZ_LOBBY_OF_SOURCE_MAX; i < N_CROWD; i++)
    g_assert_false (is_cut_off (silent->pdata[i]));
  g_assert_false (is_cut_off (other));
  while (fz_door_get_counts (b->door).n_leaving > 0) /* their descriptors are closed */
    g_main_context_iteration (NULL, TRUE);
  ask (b, on_answer);
  wait_until (&b->n_answers, 1);
  close_websocket (b);
  bench_free (b);
}

/* From many addresses: the oldest of all go, and who asks is still heard. */
static void
test_crowd_of_many (void)
{
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  Bench *b = bench_new (NULL, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  fz_door_set_grace (b->door, 0);
  fz_door_set_limits (b->door, PLACES, OF_SOURCE);
  open_websocket (b);
  for (unsigned i = 0; i < 2 * PLACES; i++) {
    g_autofree char *from = g_strdup_printf ("127.0.1.%u", i + 1);

    crowd (b, silent, from, 1);
  }
  assert_n_waiting (b, PLACES);
  g_assert_cmpuint (fz_door_get_counts (b->door).pushed_out.n_in_all, ==, PLACES);
  for (unsigned i = 0; i < PLACES; i++) {
    wait_until_cut_off (silent->pdata[i]);
    g_assert_false (is_cut_off (silent->pdata[PLACES + i]));
  }
  ask (b, on_answer);
  wait_until (&b->n_answers, 1);
  close_websocket (b);
  bench_free (b);
}

/* Everybody comes from a proxy's address; only all the room there is bounds it. */
static void
test_crowd_behind_proxy (void)
{
  static const FzIpNetwork proxies[] = { { { FZ_IP_V4, { 127, 0, 0, 1 } }, 32 } };
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  Bench *b = bench_new (NULL, "127.0.0.1");

  fz_door_set_grace (b->door, 0);
  fz_door_set_limits (b->door, PLACES, OF_SOURCE);
  fz_door_set_proxies (b->door, proxies, G_N_ELEMENTS (proxies));
  crowd (b, silent, NULL, PLACES);
  g_assert_cmpuint (n_pushed_out (b), ==, 0);
  crowd (b, silent, NULL, 1);
  g_assert_cmpuint (n_pushed_out (b), ==, 1);
  bench_free (b);
}

/* Everybody comes at once: nobody is pushed out before he could speak; who finds no room waits
 * in the kernel until there is, or until the oldest has had his time. */
static void
test_crowd_of_newcomers (void)
{
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketConnection) next = NULL, last = NULL;
  Bench *b = bench_new (NULL, "127.0.0.1");

  fz_door_set_patience (b->door, VERY_PATIENT_MS);
  fz_door_set_grace (b->door, VERY_PATIENT_MS);
  fz_door_set_limits (b->door, PLACES, PLACES);
  crowd (b, silent, NULL, PLACES);
  g_assert_cmpuint (fz_door_get_counts (b->door).n_pauses, ==, 0);
  next = connect_plainly (b, "GET / HTTP/1.0\r\n\r\n");
  while (fz_door_get_counts (b->door).n_pauses < 3)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (b->n_requests, ==, 0);
  g_assert_cmpuint (n_pushed_out (b), ==, 0);
  g_assert_cmpuint (b->n_reports, ==, 1);
  g_ptr_array_remove_index (silent, 0);
  wait_until (&b->n_requests, 1);
  g_assert_cmpuint (n_pushed_out (b), ==, 0);
  crowd (b, silent, NULL, 1);
  fz_door_set_grace (b->door, 0);
  last = connect_plainly (b, "GET / HTTP/1.0\r\n\r\n");
  wait_until (&b->n_requests, 2);
  g_assert_cmpuint (n_pushed_out (b), ==, 1);
  bench_free (b);
}

/* Not a line for each: one when it begins, one for all that came in the interval after. */
static void
test_crowd_is_told_once (void)
{
  g_autoptr (GPtrArray) silent = g_ptr_array_new_with_free_func (g_object_unref);
  Bench *b = bench_new (NULL, "127.0.0.1");

  fz_door_set_limits (b->door, PLACES, OF_SOURCE);
  fz_door_set_report_interval (b->door, VERY_PATIENT_MS);
  crowd (b, silent, NULL, OF_SOURCE);
  g_assert_cmpuint (b->n_reports, ==, 0);
  crowd (b, silent, NULL, N_BACKLOG);
  g_assert_cmpuint (b->n_reports, ==, 1);
  g_assert_cmpuint (b->n_told, ==, 1);
  bench_free (b);

  b = bench_new (NULL, "127.0.0.1");
  fz_door_set_limits (b->door, PLACES, OF_SOURCE);
  fz_door_set_report_interval (b->door, REPORT_MS);
  crowd (b, silent, NULL, OF_SOURCE + 5);
  while (b->n_told < 5)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (b->n_told, ==, 5);
  bench_free (b);
}

/* Who comes while we are busy waits in the kernel, and is not made to try again. */
static void
test_backlog (void)
{
  g_autoptr (GPtrArray) waiting = g_ptr_array_new_with_free_func (g_object_unref);
  Bench *b = bench_new (NULL, "127.0.0.1");

  for (unsigned i = 0; i < N_BACKLOG; i++)
    g_ptr_array_add (waiting, connect_plainly (b, "GET / HTTP/1.0\r\n\r\n"));
  wait_until (&b->n_requests, N_BACKLOG);
  bench_free (b);
}

/* -- when it does not go -- */

static void
test_taken (void)
{
  Bench *b = bench_new (NULL, "127.0.0.1");
  g_autoptr (GUri) uri = g_uri_parse (b->base, G_URI_FLAGS_NONE, NULL);
  g_autoptr (GSocketAddress) where =
      g_inet_socket_address_new_from_string ("127.0.0.1", (guint) g_uri_get_port (uri));
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) uris = NULL;

  g_assert_false (fz_door_open (b->door, where, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  uris = fz_door_uris (b->door);
  g_assert_cmpuint (g_strv_length (uris), ==, 1);
  bench_free (b);
}

/* Without a descriptor to spare it waits, without turning round and round, and goes on. */
static void
test_no_descriptors (void)
{
  Bench *b = bench_new (NULL, "127.0.0.1");
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) early = NULL;
  g_autoptr (GError) error = NULL;
  struct rlimit usual, none;

  g_socket_client_set_enable_proxy (client, FALSE);
  early = g_socket_client_connect_to_uri (client, b->base, 80, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (early)),
                                            "GET / HTTP/1.0\r\n\r\n",
                                            strlen ("GET / HTTP/1.0\r\n\r\n"),
                                            NULL,
                                            NULL,
                                            &error));
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &usual), ==, 0);
  none = usual;
  none.rlim_cur = 3;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (b->n_requests, ==, 0);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &usual), ==, 0);
  wait_until (&b->n_requests, 1);
  g_clear_object (&early);
  ask (b, on_answer);
  wait_until (&b->n_answers, 1);
  bench_free (b);
}

int
main (int argc, char **argv)
{
  struct rlimit descriptors;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &descriptors), ==, 0);
  descriptors.rlim_cur = MIN (descriptors.rlim_max, 4096); /* both ends are ours */
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &descriptors), ==, 0);
  if (g_getenv ("FZ_TEST_TLS") != NULL) {
    g_test_add_func ("/door/tls", test_tls);
    g_test_add_func ("/door/tls-silence", test_tls_silence);
    g_test_add_func ("/door/tls-threads", test_tls_threads);
    g_test_add_func ("/door/tls-half-handshakes", test_tls_half_handshakes);
    g_test_add_func ("/door/tls-overdue", test_tls_overdue);
    g_test_add_func ("/door/tls-crowd", test_tls_crowd);
    g_test_add_func ("/door/tls-closed", test_tls_closed);
    g_test_add_func ("/door/tls-half-closed", test_tls_half_closed);
    return g_test_run ();
  }
  g_test_add_data_func ("/door/ipv4", "127.0.0.1", test_plain);
  g_test_add_data_func ("/door/ipv6", "::1", test_plain);
  g_test_add_data_func ("/door/unfinished/nothing", "", test_unfinished);
  g_test_add_data_func (
      "/door/unfinished/headers", "GET / HTTP/1.1\r\nHost: x\r\n", test_unfinished);
  g_test_add_data_func ("/door/unfinished/body",
                        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome",
                        test_unfinished);
  g_test_add_func ("/door/idle", test_idle);
  g_test_add_func ("/door/websocket", test_websocket);
  g_test_add_func ("/door/crowd/of-one-source", test_crowd_of_one);
  g_test_add_func ("/door/crowd/of-many-sources", test_crowd_of_many);
  g_test_add_func ("/door/crowd/behind-a-proxy", test_crowd_behind_proxy);
  g_test_add_func ("/door/crowd/of-newcomers", test_crowd_of_newcomers);
  g_test_add_func ("/door/crowd/is-told-once", test_crowd_is_told_once);
  g_test_add_func ("/door/backlog", test_backlog);
  g_test_add_func ("/door/taken", test_taken);
  g_test_add_func ("/door/no-descriptors", test_no_descriptors);
  return g_test_run ();
}
