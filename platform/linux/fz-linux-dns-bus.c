/* fz-linux-dns-bus.c: asynchronous calls that end with their asker */
#include "platform/linux/fz-linux-dns-private.h"

#define CALL_LIMIT_MS 5000

typedef struct {
  FzDnsReplyFunc func;
  gpointer user_data;
} Call;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Call *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    call->func (reply, error, call->user_data);
}

void
fz_dns_call (const FzDnsService *service,
             const char *path,
             const char *interface,
             const char *method,
             GVariant *args,
             const char *reply_type,
             FzDnsReplyFunc func,
             gpointer user_data)
{
  Call *call = g_new (Call, 1);
  g_autoptr (GVariantType) type = g_variant_type_new (reply_type);

  *call = (Call){ func, user_data };
  g_dbus_connection_call (service->bus,
                          service->name,
                          path,
                          interface,
                          method,
                          args,
                          type,
                          G_DBUS_CALL_FLAGS_NONE,
                          CALL_LIMIT_MS,
                          service->cancellable,
                          on_reply,
                          call);
}

static FzDnsError
code_of (const GError *error)
{
  g_autofree char *remote = g_dbus_error_get_remote_error (error);

  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED) ||
      g_strcmp0 (remote, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") == 0 ||
      g_strcmp0 (remote, "org.freedesktop.NetworkManager.PermissionDenied") == 0)
    return FZ_DNS_ERROR_PERMISSION;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return FZ_DNS_ERROR_ABSENT;
  return FZ_DNS_ERROR_FAILED;
}

GError *
fz_dns_error_from_bus (const char *what, const GError *error)
{
  FzDnsError code = code_of (error);
  g_autoptr (GError) plain = g_error_copy (error);

  g_dbus_error_strip_remote_error (plain);
  switch (code) {
  case FZ_DNS_ERROR_PERMISSION:
    return g_error_new (FZ_DNS_ERROR,
                        (int) code,
                        "%s does not let us set DNS servers (is the polkit rule of this package "
                        "installed?): %s",
                        what,
                        plain->message);
  case FZ_DNS_ERROR_ABSENT:
    return g_error_new (FZ_DNS_ERROR, (int) code, "%s does not answer: %s", what, plain->message);
  case FZ_DNS_ERROR_UNSUPPORTED:
  case FZ_DNS_ERROR_OVERRULED:
  case FZ_DNS_ERROR_NO_ANSWER:
  case FZ_DNS_ERROR_FAILED:
    break;
  }
  return g_error_new (
      FZ_DNS_ERROR, (int) code, "%s cannot set DNS servers: %s", what, plain->message);
}
