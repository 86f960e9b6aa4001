/* fz-tunnel-model.c: see fz-tunnel-model.h */
#include "src/app/fz-tunnel-model.h"

#include "src/app/fz-tunnel-model-private.h"
#include "src/ipc/fz-ipc-error.h"
#include "src/ipc/fz-ipc-names.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#define SNAPSHOT_TIMEOUT_MS 5000
#define CALL_TIMEOUT_MS     120000 /* a person may have to type a password */
#define GONE_GRACE_MS       3000   /* a restart of the service is not worth a word */
#define RETRY_S             30     /* how often a missing service is asked for */
#define BUS_RETRY_S         5

struct _FzTunnelModel {
  FzRemoteObject parent_instance;

  GDBusConnection *bus;
  GCancellable *cancellable; /* of everything that we asked; cancelled in dispose */
  GCancellable *snapshot;    /* of the snapshot on its way */
  guint subscription;
  guint watch_id;
  guint grace_id; /* the name is gone; MISSING when it fires */
  guint retry_id;
  guint changed_id;
  unsigned int incarnation;
  char *owner_name; /* unique name that the snapshot came from */

  FzRemoteList *resources;
  FzRemoteList *gateways;
  FzRemoteList *relays;
  GHashTable *favourites; /* ids */
};

G_DEFINE_FINAL_TYPE (FzTunnelModel, fz_tunnel_model, FZ_TYPE_REMOTE_OBJECT)

enum { SIGNAL_CHANGED, SIGNAL_EVENT, N_SIGNALS };

static guint signals[N_SIGNALS];

/* -- telling -- */

static gboolean
on_turn_over (gpointer user_data)
{
  FzTunnelModel *self = user_data;

  self->changed_id = 0;
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
  return G_SOURCE_REMOVE;
}

static void
tell_changed (FzRemoteObject *object)
{
  FzTunnelModel *self = FZ_TUNNEL_MODEL (object);

  if (self->changed_id == 0)
    self->changed_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_turn_over, self, NULL);
}

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  FzTunnelModel *self = user_data;

  for (guint i = 0; model == G_LIST_MODEL (self->resources) && i < added; i++) {
    g_autoptr (FzResourceItem) item = g_list_model_get_item (model, position + i);

    fz_resource_item_set_favourite (
        item, g_hash_table_contains (self->favourites, fz_resource_item_get_id (item)));
  }
  tell_changed (FZ_REMOTE_OBJECT (self));
}

static void
set_helper (FzTunnelModel *self, FzHelperState state, const char *detail)
{
  fz_remote_object_set_text (FZ_REMOTE_OBJECT (self), M_HELPER_DETAIL, detail);
  fz_remote_object_set_number (FZ_REMOTE_OBJECT (self), M_HELPER, state);
}

static void
forget (FzTunnelModel *self)
{
  fz_remote_object_reset (FZ_REMOTE_OBJECT (self));
  fz_remote_list_remove_all (self->resources);
  fz_remote_list_remove_all (self->gateways);
  fz_remote_list_remove_all (self->relays);
}

/* -- what the service says -- */

static FzRemoteList *
list_for_interface (FzTunnelModel *self, const char *interface)
{
  if (g_str_equal (interface, FZ_IPC_RESOURCE))
    return self->resources;
  if (g_str_equal (interface, FZ_IPC_GATEWAY))
    return self->gateways;
  return g_str_equal (interface, FZ_IPC_RELAY) ? self->relays : NULL;
}

static void
take_snapshot (FzTunnelModel *self, GVariant *objects)
{
  FzRemoteList *lists[] = { self->gateways, self->relays, self->resources };
  GHashTable *found[G_N_ELEMENTS (lists)];
  const char *path, *interface;
  GVariantIter by_path, *interfaces;
  GVariant *properties;

  for (size_t i = 0; i < G_N_ELEMENTS (lists); i++)
    found[i] =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_variant_unref);

  g_variant_iter_init (&by_path, objects);
  while (g_variant_iter_loop (&by_path, "{&oa{sa{sv}}}", &path, &interfaces)) {
    while (g_variant_iter_loop (interfaces, "{&s@a{sv}}", &interface, &properties)) {
      FzRemoteList *list = list_for_interface (self, interface);

      if (g_str_equal (interface, FZ_IPC_MANAGER))
        fz_remote_object_apply (FZ_REMOTE_OBJECT (self), properties);
      for (size_t i = 0; i < G_N_ELEMENTS (lists); i++)
        if (lists[i] == list)
          g_hash_table_insert (found[i], (gpointer) path, g_variant_ref (properties));
    }
  }
  for (size_t i = 0; i < G_N_ELEMENTS (lists); i++)
    fz_remote_list_replace (lists[i], found[i]);
  for (size_t i = 0; i < G_N_ELEMENTS (lists); i++)
    g_hash_table_unref (found[i]);
}

static void ask_for_snapshot (FzTunnelModel *self);

static bool
is_silence (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT);
}

static void
on_snapshot (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzTunnelModel) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) objects = NULL;

  reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->snapshot);
  if (is_silence (error)) {
    set_helper (self, FZ_HELPER_SILENT, error->message);
    ask_for_snapshot (self);
    return;
  }
  if (reply == NULL) {
    g_dbus_error_strip_remote_error (error);
    set_helper (self, FZ_HELPER_MISSING, error->message);
    return;
  }

  objects = g_variant_get_child_value (reply, 0);
  g_object_freeze_notify (G_OBJECT (self));
  take_snapshot (self, objects);
  set_helper (self, FZ_HELPER_READY, "");
  g_object_thaw_notify (G_OBJECT (self));
}

/* Any other trouble than silence shows in the next call as well. */
static void
on_manager (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzTunnelModel) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (is_silence (error)) {
    set_helper (self, FZ_HELPER_SILENT, error->message);
    ask_for_snapshot (self);
    return;
  }
  if (reply != NULL) {
    properties = g_variant_get_child_value (reply, 0);
    fz_remote_object_apply (FZ_REMOTE_OBJECT (self), properties);
  }
  g_dbus_connection_call (self->bus,
                          FZ_IPC_BUS_NAME,
                          FZ_IPC_PATH,
                          "org.freedesktop.DBus.ObjectManager",
                          "GetManagedObjects",
                          NULL,
                          G_VARIANT_TYPE ("(a{oa{sa{sv}}})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          SNAPSHOT_TIMEOUT_MS,
                          self->snapshot,
                          on_snapshot,
                          g_object_ref (self));
}

/* The manager first: it stands at the root of the tree, and what a tree lists is what is below. */
static void
ask_for_snapshot (FzTunnelModel *self)
{
  g_cancellable_cancel (self->snapshot);
  g_clear_object (&self->snapshot);
  self->snapshot = g_cancellable_new ();
  g_dbus_connection_call (self->bus,
                          FZ_IPC_BUS_NAME,
                          FZ_IPC_PATH,
                          "org.freedesktop.DBus.Properties",
                          "GetAll",
                          g_variant_new ("(s)", FZ_IPC_MANAGER),
                          G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          SNAPSHOT_TIMEOUT_MS,
                          self->snapshot,
                          on_manager,
                          g_object_ref (self));
}

/* Counters and times are read by who shows them; other changes may change what views say in sum. */
static bool
is_worth_telling (GVariant *properties)
{
  static const char *const members[] = { "Path", "State", "Name", "Address" };

  for (size_t i = 0; i < G_N_ELEMENTS (members); i++) {
    g_autoptr (GVariant) value = g_variant_lookup_value (properties, members[i], NULL);

    if (value != NULL)
      return true;
  }
  return false;
}

static void
handle_properties_changed (FzTunnelModel *self, const char *path, GVariant *parameters)
{
  g_autoptr (GVariant) properties = NULL;
  const char *interface;
  FzRemoteList *list;
  uint32_t owner = fz_tunnel_model_get_owner (self);

  g_variant_get (parameters, "(&s@a{sv}@as)", &interface, &properties, NULL);
  if (g_str_equal (interface, FZ_IPC_MANAGER)) {
    fz_remote_object_apply (FZ_REMOTE_OBJECT (self), properties);
    /* What we may see depends on who owns the tunnel. */
    if (fz_tunnel_model_get_owner (self) != owner)
      ask_for_snapshot (self);
    return;
  }
  list = list_for_interface (self, interface);
  if (list == NULL || fz_remote_list_lookup (list, path) == NULL)
    return;
  fz_remote_list_add (list, path, properties);
  if (is_worth_telling (properties))
    tell_changed (FZ_REMOTE_OBJECT (self));
}

static void
handle_interfaces_added (FzTunnelModel *self, GVariant *parameters)
{
  g_autoptr (GVariantIter) interfaces = NULL;
  const char *path, *interface;
  GVariant *properties;

  g_variant_get (parameters, "(&oa{sa{sv}})", &path, &interfaces);
  while (g_variant_iter_loop (interfaces, "{&s@a{sv}}", &interface, &properties)) {
    FzRemoteList *list = list_for_interface (self, interface);

    if (list != NULL)
      fz_remote_list_add (list, path, properties);
  }
}

static void
handle_interfaces_removed (FzTunnelModel *self, GVariant *parameters)
{
  g_autofree const char **interfaces = NULL;
  const char *path;

  g_variant_get (parameters, "(&o^a&s)", &path, &interfaces);
  for (size_t i = 0; interfaces[i] != NULL; i++) {
    FzRemoteList *list = list_for_interface (self, interfaces[i]);

    if (list != NULL)
      fz_remote_list_remove (list, path);
  }
}

static void
on_signal (GDBusConnection *bus,
           const char *sender,
           const char *path,
           const char *interface,
           const char *signal,
           GVariant *parameters,
           gpointer user_data)
{
  FzTunnelModel *self = user_data;
  g_autofree char *name = g_strconcat (interface, ".", signal, NULL);

  if (g_strcmp0 (sender, self->owner_name) != 0 || !g_str_has_prefix (path, FZ_IPC_PATH))
    return;
  if (g_str_equal (name, "org.freedesktop.DBus.Properties.PropertiesChanged") &&
      g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    handle_properties_changed (self, path, parameters);
  else if (g_str_equal (name, "org.freedesktop.DBus.ObjectManager.InterfacesAdded") &&
           g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    handle_interfaces_added (self, parameters);
  else if (g_str_equal (name, "org.freedesktop.DBus.ObjectManager.InterfacesRemoved") &&
           g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oas)")))
    handle_interfaces_removed (self, parameters);
  else if (g_str_equal (name, FZ_IPC_MANAGER ".Event") &&
           g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv})"))) {
    g_autoptr (GVariant) details = g_variant_get_child_value (parameters, 1);
    const char *id;

    g_variant_get_child (parameters, 0, "&s", &id);
    g_signal_emit (self, signals[SIGNAL_EVENT], 0, id, details);
  }
}

/* -- whether there is a service -- */

static gboolean
on_gone_for_good (gpointer user_data)
{
  FzTunnelModel *self = user_data;

  self->grace_id = 0;
  set_helper (self, FZ_HELPER_MISSING, "nobody owns " FZ_IPC_BUS_NAME " on the system bus");
  return G_SOURCE_REMOVE;
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzTunnelModel) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply != NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (fz_tunnel_model_get_helper (self) == FZ_HELPER_READY)
    return;
  g_clear_handle_id (&self->grace_id, g_source_remove);
  g_dbus_error_strip_remote_error (error);
  set_helper (self, FZ_HELPER_MISSING, error->message);
}

void
fz_tunnel_model_retry (FzTunnelModel *self)
{
  if (self->bus == NULL)
    return;
  g_dbus_connection_call (self->bus,
                          "org.freedesktop.DBus",
                          "/org/freedesktop/DBus",
                          "org.freedesktop.DBus",
                          "StartServiceByName",
                          g_variant_new ("(su)", FZ_IPC_BUS_NAME, 0),
                          G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE,
                          -1,
                          self->cancellable,
                          on_started,
                          g_object_ref (self));
}

static gboolean
on_retry (gpointer user_data)
{
  fz_tunnel_model_retry (user_data);
  return G_SOURCE_CONTINUE;
}

static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  FzTunnelModel *self = user_data;

  g_clear_handle_id (&self->grace_id, g_source_remove);
  g_clear_handle_id (&self->retry_id, g_source_remove);
  self->incarnation++;
  g_free (self->owner_name);
  self->owner_name = g_strdup (owner);
  ask_for_snapshot (self);
}

static void
on_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  FzTunnelModel *self = user_data;

  g_cancellable_cancel (self->snapshot);
  g_clear_object (&self->snapshot);
  g_clear_pointer (&self->owner_name, g_free);
  forget (self);
  set_helper (self, FZ_HELPER_STARTING, "");
  if (self->grace_id == 0)
    self->grace_id = g_timeout_add (GONE_GRACE_MS, on_gone_for_good, self);
  if (self->retry_id == 0)
    self->retry_id = g_timeout_add_seconds (RETRY_S, on_retry, self);
  fz_tunnel_model_retry (self);
}

static void
use_bus (FzTunnelModel *self, GDBusConnection *bus)
{
  self->bus = g_object_ref (bus);
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  self->subscription = g_dbus_connection_signal_subscribe (bus,
                                                           FZ_IPC_BUS_NAME,
                                                           NULL,
                                                           NULL,
                                                           NULL,
                                                           NULL,
                                                           G_DBUS_SIGNAL_FLAGS_NONE,
                                                           on_signal,
                                                           self,
                                                           NULL);
  self->watch_id = g_bus_watch_name_on_connection (
      bus, FZ_IPC_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared, on_vanished, self, NULL);
}

static void get_bus (FzTunnelModel *self);

static gboolean
on_bus_retry (gpointer user_data)
{
  FzTunnelModel *self = user_data;

  self->retry_id = 0;
  get_bus (self);
  return G_SOURCE_REMOVE;
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzTunnelModel) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (bus != NULL) {
    use_bus (self, bus);
    return;
  }
  set_helper (self, FZ_HELPER_MISSING, error->message);
  self->retry_id = g_timeout_add_seconds (BUS_RETRY_S, on_bus_retry, self);
}

static void
get_bus (FzTunnelModel *self)
{
  g_bus_get (G_BUS_TYPE_SYSTEM, self->cancellable, on_bus, g_object_ref (self));
}

FzTunnelModel *
fz_tunnel_model_new (GDBusConnection *bus)
{
  FzTunnelModel *self = g_object_new (FZ_TYPE_TUNNEL_MODEL, NULL);

  if (bus != NULL)
    use_bus (self, bus);
  else
    get_bus (self);
  return self;
}

/* -- calls -- */

static void
on_called (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GUnixFDList) fds = NULL;
  GError *error = NULL;
  GVariant *reply;

  reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), &fds, result, &error);
  if (reply == NULL) {
    g_dbus_error_strip_remote_error (error);
    g_task_return_error (task, error);
    return;
  }
  if (fds != NULL)
    g_task_set_task_data (task, g_steal_pointer (&fds), g_object_unref);
  g_task_return_pointer (task, reply, (GDestroyNotify) g_variant_unref);
}

void
fz_tunnel_model_call (FzTunnelModel *self,
                      const char *method,
                      GVariant *arguments,
                      GUnixFDList *fds,
                      GCancellable *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GVariant) owned = arguments != NULL ? g_variant_ref_sink (arguments) : NULL;
  const char *dot = strrchr (method, '.');
  g_autofree char *interface =
      dot != NULL ? g_strdup_printf (FZ_IPC_BUS_NAME ".%.*s", (int) (dot - method), method)
                  : g_strdup (FZ_IPC_MANAGER);

  if (self->bus == NULL) {
    g_task_return_new_error (task,
                             G_DBUS_ERROR,
                             G_DBUS_ERROR_SERVICE_UNKNOWN,
                             "there is no connection to the system bus");
    return;
  }
  g_dbus_connection_call_with_unix_fd_list (self->bus,
                                            FZ_IPC_BUS_NAME,
                                            FZ_IPC_PATH,
                                            interface,
                                            dot != NULL ? dot + 1 : method,
                                            owned,
                                            NULL,
                                            G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
                                            CALL_TIMEOUT_MS,
                                            fds,
                                            cancellable,
                                            on_called,
                                            g_steal_pointer (&task));
}

GVariant *
fz_tunnel_model_call_finish (FzTunnelModel *self,
                             GAsyncResult *result,
                             GUnixFDList **out_fds,
                             GError **error)
{
  GVariant *reply = g_task_propagate_pointer (G_TASK (result), error);
  GUnixFDList *fds = g_task_get_task_data (G_TASK (result));

  if (reply != NULL && out_fds != NULL)
    *out_fds = fds != NULL ? g_object_ref (fds) : NULL;
  return reply;
}

/* -- lists -- */

GListModel *
fz_tunnel_model_get_resources (FzTunnelModel *self)
{
  return G_LIST_MODEL (self->resources);
}

GListModel *
fz_tunnel_model_get_gateways (FzTunnelModel *self)
{
  return G_LIST_MODEL (self->gateways);
}

GListModel *
fz_tunnel_model_get_relays (FzTunnelModel *self)
{
  return G_LIST_MODEL (self->relays);
}

/* The service makes paths of ids; the id is what counts, so look for that. */
FzResourceItem *
fz_tunnel_model_find_resource (FzTunnelModel *self, const char *id)
{
  g_autofree char *name = g_strdelimit (g_strdup (id), "-", '_');
  g_autofree char *path = g_strconcat (FZ_IPC_PATH "/resource/", name, NULL);
  FzResourceItem *item = fz_remote_list_lookup (self->resources, path);

  return item != NULL && g_str_equal (fz_resource_item_get_id (item), id) ? item : NULL;
}

FzGatewayItem *
fz_tunnel_model_find_gateway (FzTunnelModel *self, const char *path)
{
  return fz_remote_list_lookup (self->gateways, path);
}

FzRelayItem *
fz_tunnel_model_find_relay (FzTunnelModel *self, const char *path)
{
  return fz_remote_list_lookup (self->relays, path);
}

void
fz_tunnel_model_set_favourites (FzTunnelModel *self, const char *const *ids)
{
  guint n_items = g_list_model_get_n_items (G_LIST_MODEL (self->resources));

  g_hash_table_remove_all (self->favourites);
  for (size_t i = 0; ids[i] != NULL; i++)
    g_hash_table_add (self->favourites, g_strdup (ids[i]));
  for (guint i = 0; i < n_items; i++) {
    g_autoptr (FzResourceItem) item = g_list_model_get_item (G_LIST_MODEL (self->resources), i);

    fz_resource_item_set_favourite (
        item, g_hash_table_contains (self->favourites, fz_resource_item_get_id (item)));
  }
  tell_changed (FZ_REMOTE_OBJECT (self));
}

/* -- life -- */

unsigned int
fz_tunnel_model_get_incarnation (FzTunnelModel *self)
{
  return self->incarnation;
}

static void
dispose (GObject *object)
{
  FzTunnelModel *self = FZ_TUNNEL_MODEL (object);

  g_cancellable_cancel (self->cancellable);
  g_cancellable_cancel (self->snapshot);
  g_clear_object (&self->snapshot);
  if (self->subscription != 0)
    g_dbus_connection_signal_unsubscribe (self->bus, self->subscription);
  self->subscription = 0;
  g_clear_handle_id (&self->watch_id, g_bus_unwatch_name);
  g_clear_handle_id (&self->grace_id, g_source_remove);
  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_clear_handle_id (&self->changed_id, g_source_remove);
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (fz_tunnel_model_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  FzTunnelModel *self = FZ_TUNNEL_MODEL (object);

  g_object_unref (self->resources);
  g_object_unref (self->gateways);
  g_object_unref (self->relays);
  g_object_unref (self->cancellable);
  g_hash_table_unref (self->favourites);
  g_free (self->owner_name);
  G_OBJECT_CLASS (fz_tunnel_model_parent_class)->finalize (object);
}

static void
fz_tunnel_model_class_init (FzTunnelModelClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = dispose;
  object_class->finalize = finalize;
  fz_tunnel_model_describe_fields (FZ_REMOTE_OBJECT_CLASS (klass));
  FZ_REMOTE_OBJECT_CLASS (klass)->changed = tell_changed;

  signals[SIGNAL_CHANGED] = g_signal_new (
      "changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_EVENT] = g_signal_new ("event",
                                        G_TYPE_FROM_CLASS (klass),
                                        G_SIGNAL_RUN_LAST,
                                        0,
                                        NULL,
                                        NULL,
                                        NULL,
                                        G_TYPE_NONE,
                                        2,
                                        G_TYPE_STRING,
                                        G_TYPE_VARIANT);
}

static void
fz_tunnel_model_init (FzTunnelModel *self)
{
  (void) fz_ipc_error_quark (); /* registers the names of errors before one can arrive */
  self->cancellable = g_cancellable_new ();
  self->favourites = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->resources = fz_remote_list_new (FZ_TYPE_RESOURCE_ITEM);
  self->gateways = fz_remote_list_new (FZ_TYPE_GATEWAY_ITEM);
  self->relays = fz_remote_list_new (FZ_TYPE_RELAY_ITEM);
  g_signal_connect_object (
      self->resources, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  g_signal_connect_object (self->gateways, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  g_signal_connect_object (self->relays, "items-changed", G_CALLBACK (on_items_changed), self, 0);
}
