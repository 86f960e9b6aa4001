/* fz-socket.c
 *
 * A websocket as a Phoenix peer sees it.
 *
 *   upgraded ── phx_join ok ──► joined ── phx_leave ──► upgraded
 *       │                         │
 *       └─── silence, bad data, flood, close, error ───► closed
 *
 * What a peer may get wrong without losing the connection: unknown topics and
 * events, wrong shapes, missing members. What ends it: text that is not JSON or
 * too deep, frames above the limit, more frames than anybody honest sends.
 */
#include "src/server/fz-socket.h"

#include "src/server/fz-json.h"

#include <string.h>

#define WARNINGS_MAX 10u /* per connection; more would let a peer fill the log */

struct FzSocket {
  grefcount refs;
  SoupWebsocketConnection *connection;
  FzSession *session;
  const FzChannelKind *kind;
  void *hub;
  FzLog log;
  void (*closed) (FzSocket *self, void *hub);

  void *channel; /* NULL unless joined */
  unsigned idle_s;
  guint idle_id;
  bool is_closed;
  double tokens; /* frames that may still come at once */
  int64_t refilled_us;
  unsigned n_warnings;
};

static void
warn (FzSocket *self, const char *event, const char *message, const char *detail)
{
  if (self->n_warnings++ >= WARNINGS_MAX)
    return;
  fz_log (&self->log,
          FZ_LOG_WARNING,
          event,
          message,
          FZ_KV_TEXT ("role", fz_role_name (self->session->role)),
          FZ_KV_TEXT ("remote_ip", self->session->remote_ip),
          FZ_KV_TEXT ("detail", detail));
}

/* -- sending -- */

static bool
is_open (const FzSocket *self)
{
  return !self->is_closed &&
         soup_websocket_connection_get_state (self->connection) == SOUP_WEBSOCKET_STATE_OPEN;
}

/* Takes @payload and @ref. */
static void
send_frame (FzSocket *self, const char *topic, const char *event, JsonNode *payload, JsonNode *ref)
{
  g_autoptr (JsonObject) frame = json_object_new ();
  g_autofree char *text = NULL;

  json_object_set_string_member (frame, "topic", topic);
  json_object_set_string_member (frame, "event", event);
  json_object_set_member (frame, "payload", payload);
  json_object_set_member (frame, "ref", ref);
  if (!is_open (self))
    return;
  text = fz_json_object_to_text (frame);
  soup_websocket_connection_send_text (self->connection, text);
}

static JsonNode *
null_node (void)
{
  return json_node_new (JSON_NODE_NULL);
}

void
fz_socket_push (FzSocket *self, const char *event, JsonNode *payload)
{
  send_frame (self, self->kind->topic, event, payload, null_node ());
}

void
fz_socket_push_object (FzSocket *self, const char *event, JsonObject *payload)
{
  JsonNode *node = json_node_alloc ();

  json_node_init_object (node, payload);
  json_object_unref (payload);
  fz_socket_push (self, event, node);
}

void
fz_socket_push_text (FzSocket *self, const char *event, const char *payload)
{
  fz_socket_push (self, event, json_node_init_string (json_node_alloc (), payload));
}

static void
reply (FzSocket *self, const char *topic, JsonNode *ref, const char *error_reason)
{
  JsonObject *payload = json_object_new ();
  JsonObject *response = json_object_new ();

  if (error_reason != NULL)
    json_object_set_string_member (response, "reason", error_reason);
  json_object_set_string_member (payload, "status", error_reason == NULL ? "ok" : "error");
  json_object_set_object_member (payload, "response", response);
  send_frame (self,
              topic,
              "phx_reply",
              json_node_init_object (json_node_alloc (), payload),
              ref != NULL ? json_node_copy (ref) : null_node ());
  json_object_unref (payload);
}

/* -- life and end -- */

static void
leave (FzSocket *self)
{
  void *channel = g_steal_pointer (&self->channel);

  if (channel != NULL)
    self->kind->left (channel);
}

static void
finish (FzSocket *self)
{
  self->is_closed = true;
  g_clear_handle_id (&self->idle_id, g_source_remove);
  leave (self);
}

/* The channel is gone at once; the connection stays until the close handshake is over, so that
 * what was pushed before still arrives. libsoup gives the peer five seconds for it. */
static void
close_transport (FzSocket *self, unsigned short code, const char *why)
{
  if (self->is_closed)
    return;
  fz_socket_ref (self);
  finish (self);
  if (soup_websocket_connection_get_state (self->connection) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (self->connection, code, why);
  fz_socket_unref (self);
}

void
fz_socket_close (FzSocket *self, const char *why)
{
  close_transport (self, SOUP_WEBSOCKET_CLOSE_NORMAL, why);
}

void
fz_socket_disconnect (FzSocket *self, const char *reason)
{
  JsonObject *payload = json_object_new ();

  json_object_set_string_member (payload, "reason", reason);
  fz_socket_push_object (self, "disconnect", payload);
  fz_socket_close (self, reason);
}

static gboolean
on_idle (gpointer user_data)
{
  FzSocket *self = user_data;

  self->idle_id = 0;
  fz_log (&self->log,
          FZ_LOG_INFO,
          "peer-silent",
          "peer has fallen silent, closing its connection",
          FZ_KV_TEXT ("role", fz_role_name (self->session->role)),
          FZ_KV_TEXT ("remote_ip", self->session->remote_ip));
  close_transport (self, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, "silent for too long");
  return G_SOURCE_REMOVE;
}

static void
restart_idle_timer (FzSocket *self)
{
  g_clear_handle_id (&self->idle_id, g_source_remove);
  self->idle_id = g_timeout_add_seconds (self->idle_s, on_idle, self);
}

/* -- receiving -- */

static bool
may_send_another (FzSocket *self)
{
  int64_t now_us = g_get_monotonic_time ();

  self->tokens += (double) (now_us - self->refilled_us) * FZ_SOCKET_FRAMES_PER_S / G_USEC_PER_SEC;
  self->tokens = MIN (self->tokens, FZ_SOCKET_BURST_MAX);
  self->refilled_us = now_us;
  if (self->tokens < 1)
    return false;
  self->tokens -= 1;
  return true;
}

static void
handle_join (FzSocket *self, JsonNode *payload, JsonNode *ref)
{
  leave (self); /* joining again replaces the channel, as Phoenix does */
  if (!self->kind->may_join (self, payload)) {
    warn (self, "join-refused", "a join was refused", "unusable payload");
    reply (self, self->kind->topic, ref, "invalid_payload");
    return;
  }
  reply (self, self->kind->topic, ref, NULL);
  self->channel = self->kind->joined (self, payload, self->hub);
}

static void
handle_leave (FzSocket *self, JsonNode *ref)
{
  leave (self);
  reply (self, self->kind->topic, ref, NULL);
  fz_socket_push_object (self, "phx_close", json_object_new ());
}

static void
handle_message (FzSocket *self, const char *event, JsonNode *payload, JsonNode *ref)
{
  g_autoptr (JsonObject) empty = json_object_new ();
  JsonObject *object = empty;
  FzAnswer answer;

  if (payload != NULL && JSON_NODE_HOLDS_OBJECT (payload))
    object = json_node_get_object (payload);
  answer = self->kind->message (self->channel, event, object);

  switch (answer) {
  case FZ_ANSWER_NONE:
    break;
  case FZ_ANSWER_OK:
    reply (self, self->kind->topic, ref, NULL);
    break;
  case FZ_ANSWER_UNKNOWN_MESSAGE:
    warn (self, "unknown-message", "a message was not understood", event);
    reply (self, self->kind->topic, ref, "unknown_message");
    break;
  case FZ_ANSWER_INVALID_REF:
    warn (self, "invalid-ref", "an answer to a question that was never asked", event);
    reply (self, self->kind->topic, ref, "invalid_ref");
    break;
  }
}

static void
handle_frame (FzSocket *self, JsonObject *frame)
{
  const char *topic = fz_json_text (frame, "topic");
  const char *event = fz_json_text (frame, "event");
  JsonNode *payload = json_object_get_member (frame, "payload");
  JsonNode *ref = json_object_get_member (frame, "ref");

  if (topic == NULL || event == NULL) {
    warn (self, "bad-frame", "a frame without topic or event was ignored", "");
    return;
  }
  if (ref != NULL && !JSON_NODE_HOLDS_VALUE (ref))
    ref = NULL;

  if (strcmp (topic, "phoenix") == 0 && strcmp (event, "heartbeat") == 0)
    reply (self, topic, ref, NULL);
  else if (strcmp (topic, self->kind->topic) != 0)
    reply (self, topic, ref, "unmatched topic");
  else if (strcmp (event, "phx_join") == 0)
    handle_join (self, payload, ref);
  else if (self->channel == NULL)
    reply (self, topic, ref, "unmatched topic");
  else if (strcmp (event, "phx_leave") == 0)
    handle_leave (self, ref);
  else
    handle_message (self, event, payload, ref);
}

static void
on_message (SoupWebsocketConnection *connection, gint type, GBytes *message, gpointer user_data)
{
  g_autoptr (FzSocket) self = fz_socket_ref (user_data);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = NULL;
  gsize length = 0;
  const char *text = g_bytes_get_data (message, &length);

  if (self->is_closed)
    return;
  restart_idle_timer (self);
  if (!may_send_another (self)) {
    warn (self, "peer-floods", "a peer sends too many frames, closing its connection", "");
    close_transport (self, SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION, "too many frames");
    return;
  }
  if (type != SOUP_WEBSOCKET_DATA_TEXT) {
    warn (self, "bad-frame", "a binary frame was ignored", "");
    return;
  }

  root = fz_json_parse_bounded (text, length, &error);
  if (root == NULL) {
    warn (self, "bad-frame", "a frame was not JSON, closing the connection", error->message);
    close_transport (self, SOUP_WEBSOCKET_CLOSE_BAD_DATA, "not JSON");
  } else if (JSON_NODE_HOLDS_OBJECT (root)) {
    handle_frame (self, json_node_get_object (root));
  } else {
    warn (self, "bad-frame", "a frame that is not an object was ignored", "");
  }
}

static void
on_error (SoupWebsocketConnection *connection, GError *error, gpointer user_data)
{
  warn (user_data, "websocket-error", "a websocket broke its protocol", error->message);
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer user_data)
{
  g_autoptr (FzSocket) self = fz_socket_ref (user_data);

  finish (self);
  self->closed (self, self->hub);
}

FzSocket *
fz_socket_new (SoupWebsocketConnection *connection,
               FzSession *session,
               const FzChannelKind *kind,
               unsigned idle_s,
               void *hub,
               const FzLog *log,
               void (*closed) (FzSocket *self, void *hub))
{
  FzSocket *self = g_new0 (FzSocket, 1);

  g_ref_count_init (&self->refs);
  self->connection = g_object_ref (connection);
  self->session = session;
  self->kind = kind;
  self->hub = hub;
  self->log = *log;
  self->closed = closed;
  self->idle_s = idle_s;
  self->tokens = FZ_SOCKET_BURST_MAX;
  self->refilled_us = g_get_monotonic_time ();

  soup_websocket_connection_set_max_incoming_payload_size (connection, FZ_SOCKET_FRAME_MAX);
  g_signal_connect (connection, "message", G_CALLBACK (on_message), self);
  g_signal_connect (connection, "error", G_CALLBACK (on_error), self);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), self);
  restart_idle_timer (self);
  return self;
}

FzSocket *
fz_socket_ref (FzSocket *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
fz_socket_unref (FzSocket *self)
{
  if (self == NULL || !g_ref_count_dec (&self->refs))
    return;
  finish (self);
  g_signal_handlers_disconnect_by_data (self->connection, self);
  g_clear_object (&self->connection);
  fz_session_free (self->session);
  g_free (self);
}

const FzSession *
fz_socket_session (const FzSocket *self)
{
  return self->session;
}

const FzChannelKind *
fz_socket_kind (const FzSocket *self)
{
  return self->kind;
}

const FzLog *
fz_socket_log (const FzSocket *self)
{
  return &self->log;
}

void *
fz_socket_channel (const FzSocket *self)
{
  return self->channel;
}
