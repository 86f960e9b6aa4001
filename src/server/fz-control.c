/* fz-control.c
 *
 * Both ends of the control socket. Requests are carried out one by one on the
 * main loop; each is short, since all of it is SQLite on a local file.
 */
#include "src/server/fz-control.h"

#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_TIMEOUT_S 30
#define SOCKET_PATH_MAX   100u /* bytes; sockaddr_un holds 108 */
#define LOCK_RETRY_MS     50u

/* -- lock -- */

struct FzInstanceLock {
  int fd;
};

FzInstanceLock *
fz_instance_lock_take (const char *database_path, unsigned wait_ms, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s.lock", database_path);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  FzInstanceLock *self;

  if (fd < 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_FAILED,
                 "cannot open %s: %s",
                 path,
                 g_strerror (errno));
    return NULL;
  }
  for (unsigned waited_ms = 0; flock (fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_RETRY_MS) {
    if (waited_ms >= wait_ms) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_CONFLICT,
                   "another firezone-portal uses the database %s",
                   database_path);
      close (fd);
      return NULL;
    }
    g_usleep (LOCK_RETRY_MS * 1000);
  }
  self = g_new0 (FzInstanceLock, 1);
  self->fd = fd;
  return self;
}

void
fz_instance_lock_release (FzInstanceLock *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  g_free (self);
}

/* -- address -- */

/* A long path does not fit into a socket address; /proc gives its folder a short name. */
static GSocketAddress *
control_address (const char *database_path, int *out_folder_fd, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s.sock", database_path);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *short_path = NULL;

  *out_folder_fd = -1;
  if (strlen (path) <= SOCKET_PATH_MAX)
    return g_unix_socket_address_new (path);
  *out_folder_fd = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  short_path = g_strdup_printf ("/proc/self/fd/%d/%s", *out_folder_fd, name);
  if (*out_folder_fd >= 0 && strlen (short_path) <= SOCKET_PATH_MAX)
    return g_unix_socket_address_new (short_path);
  if (*out_folder_fd >= 0)
    close (*out_folder_fd);
  *out_folder_fd = -1;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the path of the database, %s, cannot be used for a socket; choose a shorter one",
               database_path);
  return NULL;
}

/* -- server -- */

struct FzControl {
  GSocketService *service;
  FzManage *manage;
  FzLog log;
  char *path;
  GPtrArray *peers; /* FzControlPeer, borrowed: each owns itself while it has an operation */
};

typedef struct {
  FzControl *control; /* NULL once the server has gone */
  GSocketConnection *connection;
  GDataInputStream *input;
  GCancellable *cancellable;
  char *answer;
} FzControlPeer;

static void read_next (FzControlPeer *peer);

static void
peer_free (FzControlPeer *peer)
{
  if (peer->control != NULL)
    g_ptr_array_remove_fast (peer->control->peers, peer);
  g_clear_object (&peer->input);
  g_clear_object (&peer->connection);
  g_clear_object (&peer->cancellable);
  g_free (peer->answer);
  g_free (peer);
}

static char *
failure_line (const GError *error)
{
  g_autoptr (JsonObject) answer = json_object_new ();
  JsonObject *details = json_object_new ();
  g_autofree char *text = NULL;

  json_object_set_string_member (details, "code", fz_server_error_name (error));
  json_object_set_string_member (details, "message", error->message);
  json_object_set_boolean_member (answer, "ok", FALSE);
  json_object_set_object_member (answer, "error", details);
  text = fz_json_object_to_text (answer);
  return g_strconcat (text, "\n", NULL);
}

static JsonNode *
carry_out (FzControl *self, const char *line, size_t length, GError **error)
{
  g_autoptr (JsonNode) root = fz_json_parse_bounded (line, length, error);
  g_autoptr (JsonObject) no_args = json_object_new ();
  JsonObject *request;
  JsonObject *args;
  const char *noun;
  const FzManageVerb *verb;

  if (root == NULL)
    return NULL;
  request = JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  noun = fz_json_text (request, "noun");
  args = fz_json_child (request, "args");
  verb = noun != NULL ? fz_manage_find (noun, fz_json_text (request, "verb")) : NULL;
  if (verb == NULL) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_UNSUPPORTED,
                 "the running portal does not know that command; is it older than this one?");
    return NULL;
  }
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "command",
          "a management command",
          FZ_KV_TEXT ("noun", verb->noun),
          FZ_KV_TEXT ("verb", verb->verb));
  return fz_manage_run (self->manage, verb, args != NULL ? args : no_args, error);
}

static char *
answer_line (FzControl *self, const char *line, size_t length)
{
  g_autoptr (GError) error = NULL;
  JsonNode *result = carry_out (self, line, length, &error);
  g_autoptr (JsonObject) answer = NULL;
  g_autofree char *text = NULL;

  if (result == NULL)
    return failure_line (error);
  answer = json_object_new ();
  json_object_set_boolean_member (answer, "ok", TRUE);
  json_object_set_member (answer, "result", result);
  text = fz_json_object_to_text (answer);
  return g_strconcat (text, "\n", NULL);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzControlPeer *peer = user_data;

  if (g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL) &&
      peer->control != NULL)
    read_next (peer);
  else
    peer_free (peer);
}

static void
answer_peer (FzControlPeer *peer, const char *line, gsize length)
{
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (peer->connection));

  g_free (peer->answer);
  peer->answer = answer_line (peer->control, line, length);
  g_output_stream_write_all_async (output,
                                   peer->answer,
                                   strlen (peer->answer),
                                   G_PRIORITY_DEFAULT,
                                   peer->cancellable,
                                   on_written,
                                   peer);
}

/* The buffer is as large as the longest line: if it is full without a newline, the line is too
 * long and the peer is dropped. */
static void
on_filled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzControlPeer *peer = user_data;
  GBufferedInputStream *input = G_BUFFERED_INPUT_STREAM (source);
  gssize n = g_buffered_input_stream_fill_finish (input, result, NULL);
  g_autofree char *line = NULL;
  gsize available = 0;
  const char *data;
  const char *end;

  if (n <= 0 || peer->control == NULL) {
    peer_free (peer);
    return;
  }
  data = g_buffered_input_stream_peek_buffer (input, &available);
  end = memchr (data, '\n', available);
  if (end == NULL) {
    if (available >= FZ_CONTROL_LINE_MAX)
      peer_free (peer);
    else
      g_buffered_input_stream_fill_async (
          input, -1, G_PRIORITY_DEFAULT, peer->cancellable, on_filled, peer);
    return;
  }
  line = g_strndup (data, (gsize) (end - data));
  if (g_input_stream_skip (G_INPUT_STREAM (input), (gsize) (end - data) + 1, NULL, NULL) < 0)
    peer_free (peer);
  else
    answer_peer (peer, line, strlen (line));
}

static void
read_next (FzControlPeer *peer)
{
  g_buffered_input_stream_fill_async (G_BUFFERED_INPUT_STREAM (peer->input),
                                      -1,
                                      G_PRIORITY_DEFAULT,
                                      peer->cancellable,
                                      on_filled,
                                      peer);
}

static gboolean
on_incoming (GSocketService *service,
             GSocketConnection *connection,
             GObject *source,
             gpointer user_data)
{
  FzControl *self = user_data;
  FzControlPeer *peer;

  if (self->peers->len >= FZ_CONTROL_PEERS_MAX)
    return TRUE; /* dropping the connection tells the peer to try later */
  peer = g_new0 (FzControlPeer, 1);
  peer->control = self;
  peer->connection = g_object_ref (connection);
  peer->input = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));
  g_buffered_input_stream_set_buffer_size (G_BUFFERED_INPUT_STREAM (peer->input),
                                           FZ_CONTROL_LINE_MAX);
  peer->cancellable = g_cancellable_new ();
  g_ptr_array_add (self->peers, peer);
  read_next (peer);
  return TRUE;
}

static bool
bind_socket (FzControl *self, const char *database_path, GError **error)
{
  int folder_fd = -1;
  g_autoptr (GSocketAddress) address = control_address (database_path, &folder_fd, error);
  mode_t old_mask;
  bool ok;

  if (address == NULL)
    return false;
  unlink (self->path);
  old_mask = umask (0177);
  ok = g_socket_listener_add_address (G_SOCKET_LISTENER (self->service),
                                      address,
                                      G_SOCKET_TYPE_STREAM,
                                      G_SOCKET_PROTOCOL_DEFAULT,
                                      NULL,
                                      NULL,
                                      error);
  umask (old_mask);
  if (folder_fd >= 0)
    close (folder_fd);
  if (!ok)
    g_prefix_error (error, "control socket %s: ", self->path);
  return ok;
}

FzControl *
fz_control_new (const char *database_path, FzManage *manage, const FzLog *log, GError **error)
{
  g_autoptr (FzControl) self = g_new0 (FzControl, 1);

  self->manage = manage;
  self->log = *log;
  self->path = g_strdup_printf ("%s.sock", database_path);
  self->peers = g_ptr_array_new ();
  self->service = g_socket_service_new ();
  if (!bind_socket (self, database_path, error))
    return NULL;
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  g_socket_service_start (self->service);
  return g_steal_pointer (&self);
}

void
fz_control_free (FzControl *self)
{
  if (self == NULL)
    return;
  if (self->service != NULL) {
    g_socket_service_stop (self->service);
    g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  }
  /* Their operations end with "cancelled" on a later turn of the loop and free them. */
  for (unsigned i = 0; i < self->peers->len; i++) {
    FzControlPeer *peer = g_ptr_array_index (self->peers, i);

    peer->control = NULL;
    g_cancellable_cancel (peer->cancellable);
  }
  g_ptr_array_unref (self->peers);
  g_clear_object (&self->service);
  unlink (self->path);
  g_free (self->path);
  g_free (self);
}

/* -- client -- */

static GSocketConnection *
connect_to (const char *database_path, bool *out_is_running, GError **error)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) local_error = NULL;
  GSocketConnection *connection;
  int folder_fd = -1;

  address = control_address (database_path, &folder_fd, error);
  if (address == NULL) {
    *out_is_running = true; /* an error to report, not a reason to go on without */
    return NULL;
  }
  g_socket_client_set_timeout (client, REQUEST_TIMEOUT_S);
  connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &local_error);
  if (folder_fd >= 0)
    close (folder_fd);
  *out_is_running = connection != NULL ||
                    !(g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
                      g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED));
  if (connection == NULL && *out_is_running)
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_UNREACHABLE,
                 "cannot reach the running portal at %s.sock: %s",
                 database_path,
                 local_error->message);
  return connection;
}

static JsonNode *
result_of (const char *line, GError **error)
{
  g_autoptr (JsonNode) root = fz_json_parse_bounded (line, strlen (line), error);
  JsonObject *answer;
  JsonObject *details;
  JsonNode *result;

  if (root == NULL)
    return NULL;
  answer = JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  result = answer != NULL ? json_object_get_member (answer, "result") : NULL;
  if (fz_json_bool (answer, "ok", false) && result != NULL)
    return json_node_copy (result);
  details = fz_json_child (answer, "error");
  g_set_error (error,
               FZ_SERVER_ERROR,
               (int) fz_server_error_from_name (fz_json_text (details, "code")),
               "%s",
               fz_json_text (details, "message") != NULL ? fz_json_text (details, "message")
                                                         : "the running portal gave no answer");
  return NULL;
}

JsonNode *
fz_control_request (const char *database_path,
                    const char *noun,
                    const char *verb,
                    JsonObject *args,
                    bool *out_is_running,
                    GError **error)
{
  g_autoptr (GSocketConnection) connection = connect_to (database_path, out_is_running, error);
  g_autoptr (JsonObject) request = NULL;
  g_autoptr (GDataInputStream) input = NULL;
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  g_autofree char *answer = NULL;
  GOutputStream *output;

  if (connection == NULL)
    return NULL;
  request = json_object_new ();
  json_object_set_string_member (request, "noun", noun);
  fz_json_set_text_or_null (request, "verb", verb);
  json_object_set_object_member (request, "args", json_object_ref (args));
  text = fz_json_object_to_text (request);
  line = g_strconcat (text, "\n", NULL);

  output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  input = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));
  if (!g_output_stream_write_all (output, line, strlen (line), NULL, NULL, error))
    return NULL;
  answer = g_data_input_stream_read_line (input, NULL, NULL, error);
  if (answer != NULL)
    return result_of (answer, error);
  if (error == NULL || *error == NULL)
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_UNREACHABLE,
                 "the running portal hung up; try again");
  return NULL;
}
