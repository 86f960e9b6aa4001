#include "tests/unit/session/portal-stub.h"

#include "tests/unit/portal/portal-test.h"

#include <string.h>

static void
on_message (SoupWebsocketConnection *connection, gint type, GBytes *bytes, gpointer data)
{
  PortalStub *self = data;
  g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_autofree char *reply = NULL;
  g_autoptr (JsonNode) root = json_from_string (text, NULL);
  JsonObject *frame = json_node_get_object (root);
  const char *event = json_object_get_string_member (frame, "event");

  g_string_append_printf (self->heard, "%s ", event);
  if (strcmp (event, "phx_join") != 0 && strcmp (event, "heartbeat") != 0)
    return;

  reply = g_strdup_printf (
      "{\"topic\":\"%s\",\"event\":\"phx_reply\",\"ref\":%d,\"payload\":{\"status\":\"ok\","
      "\"response\":{}}}",
      json_object_get_string_member (frame, "topic"),
      (int) json_object_get_int_member (frame, "ref"));
  soup_websocket_connection_send_text (connection, reply);
  if (strcmp (event, "heartbeat") == 0)
    return;
  self->n_joins++;
  for (guint i = 0; i < self->pushes->len; i++)
    soup_websocket_connection_send_text (connection, self->pushes->pdata[i]);
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer data)
{
  PortalStub *self = data;

  g_signal_handlers_disconnect_by_data (connection, self);
  if (connection == self->connection)
    g_clear_object (&self->connection);
}

static void
on_websocket (SoupServer *server,
              SoupServerMessage *message,
              const char *path,
              SoupWebsocketConnection *connection,
              gpointer data)
{
  PortalStub *self = data;

  if (self->connection != NULL)
    g_signal_handlers_disconnect_by_data (self->connection, self);
  g_set_object (&self->connection, connection);
  g_free (self->target);
  self->target = g_uri_to_string (soup_server_message_get_uri (message));
  g_signal_connect (connection, "message", G_CALLBACK (on_message), self);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), self);
}

void
portal_stub_open (PortalStub *self)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  *self = (PortalStub){ .server = g_object_new (SOUP_TYPE_SERVER, NULL) };
  self->pushes = g_ptr_array_new_with_free_func (g_free);
  self->heard = g_string_new (NULL);
  soup_server_add_websocket_handler (self->server, NULL, NULL, NULL, on_websocket, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("ws://127.0.0.1:%d/", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

void
portal_stub_close (PortalStub *self)
{
  if (self->connection != NULL)
    g_signal_handlers_disconnect_by_data (self->connection, self);
  g_clear_object (&self->connection);
  soup_server_disconnect (self->server);
  g_clear_object (&self->server);
  g_ptr_array_unref (self->pushes);
  g_string_free (self->heard, TRUE);
  g_free (self->target);
  g_free (self->url);
}

void
portal_stub_push_recorded (PortalStub *self, const char *file)
{
  g_ptr_array_add (self->pushes, portal_test_read (file));
}

void
portal_stub_say (PortalStub *self, const char *frame)
{
  g_assert_nonnull (self->connection);
  soup_websocket_connection_send_text (self->connection, frame);
}

void
portal_stub_hang_up (PortalStub *self)
{
  g_assert_nonnull (self->connection);
  soup_websocket_connection_close (self->connection, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, NULL);
}
