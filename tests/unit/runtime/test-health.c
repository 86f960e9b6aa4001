/* test-health.c: the health endpoint over real sockets */

#include "src/runtime/fz-health.h"
#include "src/runtime/fz-notify.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

static bool is_ready;

static bool
ask_ready (gpointer user_data)
{
  return is_ready;
}

static char *
dump (gpointer user_data)
{
  return g_strdup ("# HELP a_total A.\n# TYPE a_total counter\na_total 7\n");
}

static const FzHealthCallbacks callbacks = { .is_ready = ask_ready, .dump_metrics = dump };

static FzHealth *
open_server (const FzHealthCallbacks *with)
{
  GError *error = NULL;
  FzHealth *server = fz_health_new ("127.0.0.1:0", with, &error);

  g_assert_no_error (error);
  return server;
}

static GSocketConnection *
connect_to (FzHealth *server)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection = g_socket_client_connect_to_host (
      client, "127.0.0.1", fz_health_get_port (server), NULL, &error);

  g_assert_no_error (error);
  return connection;
}

/* Sends @request and returns the whole answer, turning the main loop meanwhile. */
static char *
ask (FzHealth *server, const char *request)
{
  g_autoptr (GSocketConnection) connection = connect_to (server);
  GSocket *socket = g_socket_connection_get_socket (connection);
  GString *answer = g_string_new (NULL);

  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)),
                             request,
                             strlen (request),
                             NULL,
                             NULL,
                             NULL);
  g_socket_set_blocking (socket, FALSE);
  for (unsigned i = 0; i < 5000; i++) {
    char bytes[512];
    gssize n = g_socket_receive (socket, bytes, sizeof bytes, NULL, NULL);

    if (n == 0)
      break;
    if (n > 0)
      g_string_append_len (answer, bytes, n);
    while (g_main_context_iteration (NULL, FALSE))
      ;
    g_usleep (1000); /* polls */
  }
  return g_string_free (answer, FALSE);
}

static void
test_answers (void)
{
  static const struct {
    const char *request;
    bool is_ready;
    const char *status;
    const char *why;
  } rows[] = {
    { "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", false, "HTTP/1.1 200 ", "alive before ready" },
    { "GET /readyz HTTP/1.1\r\n\r\n", false, "HTTP/1.1 503 ", "tells the truth" },
    { "GET /readyz HTTP/1.1\r\n\r\n", true, "HTTP/1.1 200 ", "tells the truth" },
    { "GET /readyz?verbose HTTP/1.0\r\n\r\n", true, "HTTP/1.1 200 ", "a query is ignored" },
    { "GET /metrics HTTP/1.1\r\n\r\n", true, "HTTP/1.1 200 ", "counters" },
    { "GET /readyzz HTTP/1.1\r\n\r\n", true, "HTTP/1.1 404 ", "a longer path" },
    { "POST /healthz HTTP/1.1\r\n\r\n", true, "HTTP/1.1 404 ", "nothing but GET" },
    { "GET / HTTP/1.1\r\n\r\n", true, "HTTP/1.1 404 ", "anything else" },
    { "\r\n\r\n", true, "HTTP/1.1 404 ", "nonsense" },
  };
  g_autoptr (FzHealth) server = open_server (&callbacks);

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *answer = NULL;

    is_ready = rows[i].is_ready;
    answer = ask (server, rows[i].request);
    g_test_message ("%s", rows[i].why);
    g_assert_true (g_str_has_prefix (answer, rows[i].status));
  }
}

/* The type tells a scraper which format it is. */
static void
test_content_type (void)
{
  g_autoptr (FzHealth) server = open_server (&callbacks);
  g_autofree char *metrics = ask (server, "GET /metrics HTTP/1.1\r\nAccept: text/plain\r\n\r\n");
  g_autofree char *health = ask (server, "GET /healthz HTTP/1.1\r\n\r\n");

  g_assert_nonnull (
      strstr (metrics, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  g_assert_true (g_str_has_suffix (metrics,
                                   "\r\n\r\n# HELP a_total A.\n# TYPE a_total counter\n"
                                   "a_total 7\n"));
  g_assert_nonnull (strstr (health, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
}

static void
test_long_request (void)
{
  g_autoptr (FzHealth) server = open_server (&callbacks);
  g_autofree char *request = g_strnfill (100000, 'a');
  g_autofree char *answer = ask (server, request);

  /* answered at the limit, or cut off while we were still talking */
  g_assert_true (*answer == '\0' || g_str_has_prefix (answer, "HTTP/1.1 404 "));
  g_free (answer);
  answer = ask (server, "GET /healthz HTTP/1.1\r\n\r\n");
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200 "));
}

static void
test_too_many (void)
{
  g_autoptr (FzHealth) server = open_server (&callbacks);
  GSocketConnection *silent[16];
  g_autofree char *refused = NULL, *answer = NULL;

  for (unsigned i = 0; i < 16; i++) {
    silent[i] = connect_to (server);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  refused = ask (server, "GET /healthz HTTP/1.1\r\n\r\n");
  g_assert_cmpstr (refused, ==, "");
  for (unsigned i = 0; i < 16; i++)
    g_object_unref (silent[i]);
  for (unsigned i = 0; i < 100; i++) {
    g_main_context_iteration (NULL, FALSE);
    g_usleep (1000); /* polls */
  }
  answer = ask (server, "GET /healthz HTTP/1.1\r\n\r\n");
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200 "));
}

static void
test_freed_with_clients (void)
{
  FzHealth *server = open_server (&callbacks);
  GSocketConnection *connection = connect_to (server);

  while (g_main_context_iteration (NULL, FALSE))
    ;
  fz_health_free (server);
  for (unsigned i = 0; i < 20; i++) {
    g_main_context_iteration (NULL, FALSE);
    g_usleep (1000); /* polls */
  }
  g_object_unref (connection);
}

static void
test_addresses (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_health_new ("off", &callbacks, &error));
  g_assert_no_error (error);
  g_assert_null (fz_health_new ("", &callbacks, &error));
  g_assert_no_error (error);
  g_assert_null (fz_health_new ("localhost.example:80", &callbacks, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_null (fz_health_new ("192.0.2.1:80", &callbacks, &error)); /* not ours */
  g_assert_nonnull (error);
}

static void
test_notify (void)
{
  g_autofree char *folder = g_dir_make_tmp ("fz-notify-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "socket", NULL);
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  char text[256] = "";

  fz_notify_ready ("nobody listens"); /* no-op */
  g_assert_true (g_socket_bind (socket, address, TRUE, NULL));
  g_setenv ("NOTIFY_SOCKET", path, TRUE);
  fz_notify_ready ("connected");
  g_assert_cmpint (g_socket_receive (socket, text, sizeof text - 1, NULL, NULL), >, 0);
  g_assert_nonnull (strstr (text, "READY=1"));
  g_assert_nonnull (strstr (text, "STATUS=connected"));
  fz_notify_stopping ();
  g_assert_cmpint (g_socket_receive (socket, text, sizeof text - 1, NULL, NULL), >, 0);
  g_assert_true (g_str_has_prefix (text, "STOPPING=1"));
  g_assert_cmpuint (fz_notify_start_watchdog (), ==, 0); /* not asked for */
  g_unsetenv ("NOTIFY_SOCKET");
  g_unlink (path);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/health/answers", test_answers);
  g_test_add_func ("/health/content-type", test_content_type);
  g_test_add_func ("/health/long-request", test_long_request);
  g_test_add_func ("/health/too-many", test_too_many);
  g_test_add_func ("/health/freed-with-clients", test_freed_with_clients);
  g_test_add_func ("/health/addresses", test_addresses);
  g_test_add_func ("/notify/messages", test_notify);
  return g_test_run ();
}
