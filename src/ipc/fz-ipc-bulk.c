#include "src/ipc/fz-ipc-bulk.h"

typedef struct {
  FzIpcBodyFunc write;
  gpointer data;
  GDestroyNotify free;
} Body;

static GQuark
body_quark (void)
{
  return g_quark_from_static_string ("fz-ipc-bulk");
}

static void
free_body (gpointer user_data)
{
  Body *body = user_data;

  body->free (body->data);
  g_free (body);
}

static void
attach (GDBusMessage *message, FzIpcBodyFunc write, gpointer data, GDestroyNotify free)
{
  Body *body = g_new (Body, 1);

  *body = (Body){ .write = write, .data = data, .free = free };
  g_object_set_qdata_full (G_OBJECT (message), body_quark (), body, free_body);
}

GDBusMessage *
fz_ipc_bulk_new_reply (GDBusMessage *call, FzIpcBodyFunc write, gpointer data, GDestroyNotify free)
{
  GDBusMessage *message = g_dbus_message_new_method_error_literal (
      call, "org.freedesktop.DBus.Error.LimitsExceeded", "there is more than a message can hold");

  attach (message, write, data, free);
  return message;
}

GDBusMessage *
fz_ipc_bulk_new_signal (const char *path,
                        const char *interface,
                        const char *signal,
                        FzIpcBodyFunc write,
                        gpointer data,
                        GDestroyNotify free)
{
  GDBusMessage *message = g_dbus_message_new_signal (path, interface, signal);

  attach (message, write, data, free);
  return message;
}

GDBusMessage *
fz_ipc_bulk_expand (GDBusMessage *message)
{
  const Body *body = g_object_get_qdata (G_OBJECT (message), body_quark ());
  GDBusMessage *whole;

  if (body == NULL)
    return message;
  whole = g_dbus_message_copy (message, NULL); /* fails on descriptors alone; it has none */
  g_assert (whole != NULL);
  if (g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_ERROR) {
    g_dbus_message_set_message_type (whole, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
    g_dbus_message_set_error_name (whole, NULL);
  }
  g_dbus_message_set_body (whole, body->write (body->data));
  g_object_unref (message);
  return whole;
}
