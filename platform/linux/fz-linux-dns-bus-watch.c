/* fz-linux-dns-bus-watch.c: see the header */
#include "platform/linux/fz-linux-dns-bus-watch.h"

#include "platform/linux/fz-linux-dns-watch.h"

#define GATHER_MS 50u /* changes come in bursts, one for each property */

struct FzDnsBusWatch {
  FzDnsBackend *backend;
  void (*read) (FzDnsBackend *backend, const FzDnsService *service);
  FzDnsService reading; /* its cancellable: of the last reading; NULL: none yet */
  guint read_id;
  guint name_watch;
  guint signal_id;
  FzDnsWatch *file;
  bool has_owner; /* has been seen once */
};

static void
end_reading (FzDnsBusWatch *self)
{
  if (self->reading.cancellable != NULL)
    g_cancellable_cancel (self->reading.cancellable);
  g_clear_object (&self->reading.cancellable);
}

static gboolean
on_read_due (gpointer user_data)
{
  FzDnsBusWatch *self = user_data;

  self->read_id = 0;
  end_reading (self);
  self->reading.cancellable = g_cancellable_new ();
  self->read (self->backend, &self->reading);
  return G_SOURCE_REMOVE;
}

static void
read_in (FzDnsBusWatch *self, guint ms)
{
  if (self->read_id == 0 && self->reading.bus != NULL)
    self->read_id = g_timeout_add (ms, on_read_due, self);
}

static void
take_news (FzDnsBusWatch *self)
{
  fz_dns_control_note_change (self->backend->control);
  read_in (self, GATHER_MS);
}

static void
on_properties_changed (GDBusConnection *bus,
                       const char *sender,
                       const char *path,
                       const char *interface,
                       const char *signal,
                       GVariant *parameters,
                       gpointer user_data)
{
  take_news (user_data);
}

/* The first owner is the one that the backend was made for. */
static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  FzDnsBusWatch *self = user_data;

  if (self->has_owner)
    take_news (self);
  self->has_owner = true;
}

static void
on_file_changed (gpointer user_data)
{
  FzDnsBusWatch *self = user_data;

  fz_dns_control_note_change (self->backend->control);
}

static void
watch_service (FzDnsBusWatch *self, const FzDnsBusWatchConfig *config)
{
  self->name_watch = g_bus_watch_name_on_connection (
      config->bus, config->name, G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared, NULL, self, NULL);
  self->signal_id = g_dbus_connection_signal_subscribe (config->bus,
                                                        config->name,
                                                        "org.freedesktop.DBus.Properties",
                                                        "PropertiesChanged",
                                                        config->path,
                                                        NULL,
                                                        G_DBUS_SIGNAL_FLAGS_NONE,
                                                        on_properties_changed,
                                                        self,
                                                        NULL);
}

FzDnsBusWatch *
fz_dns_bus_watch_new (const FzDnsBusWatchConfig *config)
{
  FzDnsBusWatch *self = g_new0 (FzDnsBusWatch, 1);

  self->backend = config->backend;
  self->read = config->read;
  if (config->bus == NULL)
    return self;

  self->reading = (FzDnsService){ g_object_ref (config->bus), config->name, NULL };
  watch_service (self, config);
  if (config->etc != NULL) {
    g_autofree char *path = g_build_filename (config->etc, "resolv.conf", NULL);

    self->file = fz_dns_watch_file_new (path, on_file_changed, self);
  }
  return self;
}

void
fz_dns_bus_watch_free (FzDnsBusWatch *self)
{
  if (self == NULL)
    return;

  end_reading (self);
  g_clear_handle_id (&self->read_id, g_source_remove);
  g_clear_handle_id (&self->name_watch, g_bus_unwatch_name);
  if (self->signal_id != 0)
    g_dbus_connection_signal_unsubscribe (self->reading.bus, self->signal_id);
  fz_dns_watch_free (self->file);
  g_clear_object (&self->reading.bus);
  g_free (self);
}

void
fz_dns_bus_watch_read (FzDnsBusWatch *self)
{
  read_in (self, 0);
}
