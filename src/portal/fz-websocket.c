#include "src/portal/fz-websocket.h"

#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-json.h"

#include <libsoup/soup.h>
#include <string.h>

#define ABANDON_S  1u   /* how long an abandoned websocket may take to close */
#define READ_CHUNK 4096 /* bytes of a refusal's body per read */

struct FzWebsocket {
  FzWebsocketCallbacks callbacks;
  gpointer user_data; /* NULL callbacks after the last one */
  bool is_over;       /* dropped, abandoned, lost or refused: call nobody */

  FzDial *dial;
  GCancellable *cancellable;
  GIOStream *stream; /* until the websocket owns it */
  GString *request;  /* holds the token */
  FzUpgradeReader *reader;
  GSource *read_source;
  SoupWebsocketConnection *connection;
  char *problem; /* what the library said before it closed */
  guint abandon_id;
};

static void
wipe_request (FzWebsocket *self)
{
  if (self->request == NULL)
    return;
  fz_wipe (self->request->str, self->request->allocated_len);
  g_string_free (self->request, TRUE);
  self->request = NULL;
}

static void
stop_reading (FzWebsocket *self)
{
  if (self->read_source != NULL) {
    g_source_destroy (self->read_source);
    g_clear_pointer (&self->read_source, g_source_unref);
  }
}

/* Lets go of everything that could still call back. */
static void
shut_down (FzWebsocket *self)
{
  self->is_over = true;
  g_clear_handle_id (&self->abandon_id, g_source_remove);
  g_clear_pointer (&self->dial, fz_dial_free);
  g_cancellable_cancel (self->cancellable);
  stop_reading (self);
  if (self->connection != NULL) {
    g_signal_handlers_disconnect_by_data (self->connection, self);
    g_clear_object (&self->connection);
  }
  g_clear_object (&self->stream);
}

static void
clear_websocket (gpointer data)
{
  FzWebsocket *self = data;

  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->reader, fz_upgrade_reader_free);
  g_clear_pointer (&self->problem, g_free);
  wipe_request (self);
}

static void
unref_websocket (FzWebsocket *self)
{
  g_rc_box_release_full (self, clear_websocket);
}

static void
lose (FzWebsocket *self, const char *why)
{
  if (self->is_over)
    return;

  g_rc_box_acquire (self);
  shut_down (self);
  self->callbacks.on_lost (why, self->user_data);
  unref_websocket (self);
}

/* -- frames -- */

static void
on_message (SoupWebsocketConnection *connection, gint type, GBytes *message, gpointer user_data)
{
  FzWebsocket *self = user_data;
  gsize length = 0;
  const char *data = g_bytes_get_data (message, &length);

  if (type == SOUP_WEBSOCKET_DATA_TEXT)
    self->callbacks.on_text (data != NULL ? data : "", length, self->user_data);
  else
    self->callbacks.on_binary (self->user_data);
}

static void
on_error (SoupWebsocketConnection *connection, GError *error, gpointer user_data)
{
  FzWebsocket *self = user_data;

  if (self->problem == NULL)
    self->problem = g_strdup (error->message);
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer user_data)
{
  FzWebsocket *self = user_data;
  g_autofree char *why = NULL;
  unsigned code = soup_websocket_connection_get_close_code (connection);

  if (self->problem != NULL)
    why = g_strdup_printf ("the connection to the portal broke: %s", self->problem);
  else if (code != 0)
    why = g_strdup_printf ("the portal closed the connection with code %u", code);
  else
    why = g_strdup ("the portal closed the connection");
  lose (self, why);
}

static void
become_websocket (FzWebsocket *self)
{
  g_autoptr (GUri) uri = g_uri_parse ("ws://portal/", G_URI_FLAGS_NONE, NULL);

  stop_reading (self);
  g_clear_pointer (&self->reader, fz_upgrade_reader_free);
  self->connection = soup_websocket_connection_new (
      self->stream, uri, SOUP_WEBSOCKET_CONNECTION_CLIENT, NULL, NULL, NULL);
  g_clear_object (&self->stream);
  soup_websocket_connection_set_max_incoming_payload_size (self->connection, FZ_JSON_BYTES_MAX);
  g_signal_connect (self->connection, "message", G_CALLBACK (on_message), self);
  g_signal_connect (self->connection, "error", G_CALLBACK (on_error), self);
  g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
  self->callbacks.on_open (self->user_data);
}

/* -- upgrade -- */

static void
finish_upgrade (FzWebsocket *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzUpgradeReader) reader = NULL;
  FzChannelRefusal refusal;

  if (fz_upgrade_reader_get_result (
          self->reader, g_get_real_time () / G_USEC_PER_SEC, &refusal, &error)) {
    become_websocket (self);
  } else if (error != NULL) {
    lose (self, error->message);
  } else {
    reader = g_steal_pointer (&self->reader); /* the refusal's texts live in it */
    shut_down (self);
    self->callbacks.on_refused (&refusal, self->user_data);
  }
}

typedef enum {
  READ_MORE,    /* some bytes came, and more are wanted */
  READ_BLOCKED, /* nothing there at the moment */
  READ_OVER,    /* the source has to go; the websocket may be gone as well */
} ReadResult;

static ReadResult
read_some (FzWebsocket *self, GPollableInputStream *input)
{
  g_autoptr (GError) error = NULL;
  char buffer[READ_CHUNK];
  size_t wanted = MIN (fz_upgrade_reader_wants (self->reader), sizeof buffer);
  gssize n;
  bool is_good;

  n = g_pollable_input_stream_read_nonblocking (input, buffer, wanted, self->cancellable, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return READ_BLOCKED;
  if (n < 0) {
    lose (self, error->message);
    return READ_OVER;
  }

  is_good = n > 0 ? fz_upgrade_reader_feed (self->reader, buffer, (size_t) n, &error)
                  : fz_upgrade_reader_end (self->reader, &error);
  if (!is_good) {
    lose (self, error->message);
    return READ_OVER;
  }
  if (fz_upgrade_reader_wants (self->reader) > 0)
    return READ_MORE;
  finish_upgrade (self);
  return READ_OVER;
}

static gboolean
on_readable (GObject *input, gpointer user_data)
{
  FzWebsocket *self = user_data;
  ReadResult result;

  /* Until it blocks, for a few bytes are taken at a time: those that a TLS stream has decrypted
   * already neither wake us nor count as readable. */
  g_rc_box_acquire (self);
  do
    result = read_some (self, G_POLLABLE_INPUT_STREAM (input));
  while (result == READ_MORE);
  unref_websocket (self);
  return result == READ_BLOCKED ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
start_reading (FzWebsocket *self)
{
  GPollableInputStream *input =
      G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (self->stream));

  self->read_source = g_pollable_input_stream_create_source (input, NULL);
  g_source_set_callback (self->read_source, G_SOURCE_FUNC (on_readable), self, NULL);
  g_source_attach (self->read_source, NULL);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzWebsocket *self = user_data;
  g_autoptr (GError) error = NULL;
  bool is_written =
      g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error);

  wipe_request (self);
  if (self->is_over)
    ; /* dropped meanwhile */
  else if (is_written)
    start_reading (self);
  else
    lose (self, error->message);
  unref_websocket (self);
}

static void
on_dialled (GIOStream *stream, const GError *error, gpointer user_data)
{
  FzWebsocket *self = user_data;

  if (stream == NULL) {
    lose (self, error->message);
    return;
  }
  self->stream = g_object_ref (stream);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (stream),
                                   self->request->str,
                                   self->request->len,
                                   G_PRIORITY_DEFAULT,
                                   self->cancellable,
                                   on_written,
                                   g_rc_box_acquire (self));
}

/* -- public -- */

FzWebsocket *
fz_websocket_open (const FzWebsocketConfig *config,
                   const FzWebsocketCallbacks *callbacks,
                   gpointer user_data)
{
  FzWebsocket *self = g_rc_box_new0 (FzWebsocket);

  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->request = fz_upgrade_write_request (&config->request);
  self->reader = fz_upgrade_reader_new (config->request.key);
  self->dial = fz_dial_start (&config->dial, on_dialled, self);
  return self;
}

void
fz_websocket_send (FzWebsocket *self, const char *text)
{
  if (self->connection != NULL &&
      soup_websocket_connection_get_state (self->connection) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_send_text (self->connection, text);
}

void
fz_websocket_close (FzWebsocket *self)
{
  if (self->connection != NULL &&
      soup_websocket_connection_get_state (self->connection) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (self->connection, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

static void
ignore_lost (const char *why, gpointer user_data)
{
  unref_websocket (user_data);
}

static void
ignore_text (const char *text, size_t length, gpointer user_data)
{
}

static void
ignore_binary (gpointer user_data)
{
}

static gboolean
on_abandon_timeout (gpointer user_data)
{
  FzWebsocket *self = user_data;

  self->abandon_id = 0;
  lose (self, "");
  return G_SOURCE_REMOVE;
}

void
fz_websocket_abandon (FzWebsocket *self)
{
  if (self == NULL)
    return;
  if (self->is_over || self->connection == NULL ||
      soup_websocket_connection_get_state (self->connection) == SOUP_WEBSOCKET_STATE_CLOSED) {
    fz_websocket_drop (self);
    return;
  }

  self->callbacks = (FzWebsocketCallbacks){
    .on_text = ignore_text,
    .on_binary = ignore_binary,
    .on_lost = ignore_lost,
  };
  self->user_data = self;
  self->abandon_id = g_timeout_add_seconds (ABANDON_S, on_abandon_timeout, self);
  fz_websocket_close (self);
}

void
fz_websocket_drop (FzWebsocket *self)
{
  if (self == NULL)
    return;
  shut_down (self);
  unref_websocket (self);
}
