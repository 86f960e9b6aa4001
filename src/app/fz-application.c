/* fz-application.c: see fz-application.h */
#include "src/app/fz-application.h"

#include "src/app/fz-actions.h"
#include "src/app/fz-app-log.h"
#include "src/app/fz-autostart.h"
#include "src/app/fz-settings.h"
#include "src/app/fz-status.h"
#include "src/app/fz-tray-menu.h"
#include "src/app/fz-ui.h"
#include "src/app/fz-window.h"

#include <glib/gi18n.h>

#define TRAY_NAME         "dev.firezone.Client.Tray"
#define TRAY_PATIENCE_S   8 /* how long a start in the background waits for a panel */
#define BACKGROUND_PORTAL "org.freedesktop.portal.Background"
#define PORTAL_STATUS_MAX 96 /* characters that the Background portal takes */

struct _FzApplication {
  AdwApplication parent_instance;

  FzTunnelModel *tunnel;
  FzAccount *account;
  GSettings *settings;
  FzNotifier *notifier;
  FzMenuExport *menu_export; /* NULL: there is no bus */
  FzTrayMenu *tray_menu;
  guint tray_watch_id;
  guint tray_patience_id; /* started in the background: the window comes up when it fires */
  bool has_tray;
  bool starts_hidden; /* --background, until the first activation */
  bool is_leaving;
  unsigned int filtered_incarnation; /* of the service, that knows the log filter */
  char *portal_status;               /* what the Background portal was told */
};

G_DEFINE_FINAL_TYPE (FzApplication, fz_application, ADW_TYPE_APPLICATION)

/* -- the window -- */

GtkWindow *
fz_application_ensure_window (FzApplication *self)
{
  for (GList *w = gtk_application_get_windows (GTK_APPLICATION (self)); w != NULL; w = w->next)
    if (FZ_IS_WINDOW (w->data))
      return w->data;
  return GTK_WINDOW (fz_window_new (self));
}

static gboolean
on_tray_did_not_come (gpointer user_data)
{
  FzApplication *self = user_data;

  /* Nothing would show that we run, nor lead to the window. */
  self->tray_patience_id = 0;
  gtk_window_present (fz_application_ensure_window (self));
  return G_SOURCE_REMOVE;
}

static void
activate (GApplication *application)
{
  FzApplication *self = FZ_APPLICATION (application);

  if (self->starts_hidden) {
    self->starts_hidden = false;
    if (!self->has_tray)
      self->tray_patience_id = g_timeout_add_seconds (TRAY_PATIENCE_S, on_tray_did_not_come, self);
    return;
  }
  g_clear_handle_id (&self->tray_patience_id, g_source_remove);
  gtk_window_present (fz_application_ensure_window (self));
}

static void
open_files (GApplication *application, GFile **files, int n_files, const char *hint)
{
  FzApplication *self = FZ_APPLICATION (application);
  FzLog log = fz_app_log_for ("application");

  for (int i = 0; i < n_files; i++) {
    g_autofree char *uri = g_file_get_uri (files[i]);

    if (g_ascii_strncasecmp (uri, FZ_SIGN_IN_SCHEME ":", strlen (FZ_SIGN_IN_SCHEME ":")) == 0)
      fz_account_handle_link (self->account, uri);
    else if (g_file_is_native (files[i]))
      fz_window_open_log (FZ_WINDOW (fz_application_ensure_window (self)), files[i]);
    else {
      fz_log_plain (&log,
                    FZ_LOG_WARNING,
                    "open-refused",
                    "asked to open what is neither a file nor a sign-in link");
      continue;
    }
    gtk_window_present (fz_application_ensure_window (self));
  }
}

/* -- the browser -- */

static void
on_browser_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzApplication) self = user_data;
  g_autoptr (GError) error = NULL;
  FzLog log = fz_app_log_for ("sign-in");

  if (g_app_info_launch_default_for_uri_finish (result, &error))
    return;
  fz_log (&log,
          FZ_LOG_WARNING,
          "no-browser",
          "no browser could be started",
          FZ_KV_TEXT ("error", error->message));
  fz_account_set_browser_failed (self->account);
}

/* Goes through the OpenURI portal where there is a sandbox or GTK_USE_PORTAL. */
static void
on_browse (FzAccount *account, const char *url, gpointer user_data)
{
  FzApplication *self = user_data;
  GdkDisplay *display = gdk_display_get_default ();
  g_autoptr (GdkAppLaunchContext) context = gdk_display_get_app_launch_context (display);

  g_app_info_launch_default_for_uri_async (
      url, G_APP_LAUNCH_CONTEXT (context), NULL, on_browser_started, g_object_ref (self));
}

/* -- the tray, or what stands in for it -- */

bool
fz_application_has_tray (FzApplication *self)
{
  return self->has_tray;
}

void
fz_application_set_tray (FzApplication *self, bool is_shown)
{
  FzLog log = fz_app_log_for ("application");

  if (self->has_tray != is_shown)
    fz_log (&log,
            FZ_LOG_INFO,
            "tray",
            "a panel shows the tray icon, or no longer",
            FZ_KV_BOOL ("shown", is_shown));
  self->has_tray = is_shown;
  if (is_shown)
    g_clear_handle_id (&self->tray_patience_id, g_source_remove);
}

static void
on_tray_gone (GDBusConnection *bus, const char *name, gpointer user_data)
{
  fz_application_set_tray (user_data, false);
}

/* Without a tray, desktops that list what runs in the background can at least say what we do. */
static void
tell_portal (FzApplication *self)
{
  GDBusConnection *bus = g_application_get_dbus_connection (G_APPLICATION (self));
  g_auto (FzStatus) status = { 0 };
  g_autofree char *text = NULL;
  GVariantBuilder options;

  if (bus == NULL || self->has_tray)
    return;
  fz_status_read (&status, self->tunnel, self->account);
  text =
      g_utf8_substring (status.tray, 0, MIN (g_utf8_strlen (status.tray, -1), PORTAL_STATUS_MAX));
  if (g_strcmp0 (text, self->portal_status) == 0)
    return;
  g_free (self->portal_status);
  self->portal_status = g_strdup (text);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "message", g_variant_new_string (text));
  g_dbus_connection_call (bus,
                          "org.freedesktop.portal.Desktop",
                          "/org/freedesktop/portal/desktop",
                          BACKGROUND_PORTAL,
                          "SetStatus",
                          g_variant_new ("(a{sv})", &options),
                          NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          -1,
                          NULL,
                          NULL,
                          NULL);
}

/* -- settings that act -- */

static void
on_autostart_changed (GSettings *settings, const char *key, gpointer user_data)
{
  FzLog log = fz_app_log_for ("application");
  g_autoptr (GError) error = NULL;

  if (!fz_autostart_set (g_settings_get_boolean (settings, key), &error))
    fz_log (&log,
            FZ_LOG_WARNING,
            "autostart-failed",
            "the start with the session cannot be set",
            FZ_KV_TEXT ("error", error->message));
}

static void
on_favourites_changed (GSettings *settings, const char *key, gpointer user_data)
{
  FzApplication *self = user_data;
  g_auto (GStrv) ids = g_settings_get_strv (settings, key);

  fz_tunnel_model_set_favourites (self->tunnel, (const char *const *) ids);
}

/* The service forgets the person's log filter when it ends. Asked only for a tunnel of one's own:
 * for that polkit wants no password. */
static void
on_tunnel_changed (FzTunnelModel *tunnel, gpointer user_data)
{
  FzApplication *self = user_data;
  g_autofree char *filter = NULL;

  tell_portal (self);
  if (!fz_tunnel_model_is_ours (tunnel) ||
      self->filtered_incarnation == fz_tunnel_model_get_incarnation (tunnel))
    return;
  self->filtered_incarnation = fz_tunnel_model_get_incarnation (tunnel);
  filter = g_settings_get_string (self->settings, "log-filter");
  if (filter[0] == '\0' || fz_settings_is_fixed (self->settings, tunnel, "log-filter"))
    return;
  fz_tunnel_model_call (
      tunnel, "Diagnostics.SetLogFilter", g_variant_new ("(s)", filter), NULL, NULL, NULL, NULL);
}

/* -- leaving -- */

static gboolean
on_left (gpointer user_data)
{
  g_application_quit (user_data);
  return G_SOURCE_REMOVE;
}

void
fz_application_leave (FzApplication *self)
{
  if (self->is_leaving)
    return;
  self->is_leaving = true;
  for (GList *w = gtk_application_get_windows (GTK_APPLICATION (self)); w != NULL; w = w->next)
    gtk_widget_hide (w->data);
  fz_account_leave (self->account, on_left, self);
}

/* -- life -- */

static void
make_models (FzApplication *self)
{
  g_autoptr (FzCredentialStore) store = fz_credential_store_new ();

  self->tunnel = fz_tunnel_model_new (NULL);
  self->account = fz_account_new (self->tunnel, store, self->settings);
  self->notifier =
      fz_notifier_new (G_APPLICATION (self), self->tunnel, self->account, self->settings);
  self->tray_menu = fz_tray_menu_new (self->tunnel, self->account, self->menu_export);
  g_signal_connect_object (self->account, "browse", G_CALLBACK (on_browse), self, 0);
  g_signal_connect_object (self->tunnel, "changed", G_CALLBACK (on_tunnel_changed), self, 0);
  g_signal_connect_object (
      self->settings, "changed::start-with-session", G_CALLBACK (on_autostart_changed), self, 0);
  g_signal_connect_object (
      self->settings, "changed::favourites", G_CALLBACK (on_favourites_changed), self, 0);
  on_favourites_changed (self->settings, "favourites", self);
}

static void
meet_tray (FzApplication *self)
{
  GDBusConnection *bus = g_application_get_dbus_connection (G_APPLICATION (self));

  if (bus == NULL)
    return;
  self->tray_watch_id = g_bus_watch_name_on_connection (
      bus, TRAY_NAME, G_BUS_NAME_WATCHER_FLAGS_AUTO_START, NULL, on_tray_gone, self, NULL);
}

/* Comes before the name is asked for, so that nobody who sees the name finds no menu. */
static gboolean
dbus_register (GApplication *application, GDBusConnection *bus, const char *path, GError **error)
{
  FzApplication *self = FZ_APPLICATION (application);
  g_autofree char *menu_path = g_strconcat (path, "/menus/tray", NULL);

  if (!G_APPLICATION_CLASS (fz_application_parent_class)
           ->dbus_register (application, bus, path, error))
    return FALSE;
  self->menu_export = fz_menu_export_new (bus, menu_path, error);
  return self->menu_export != NULL;
}

static void
dbus_unregister (GApplication *application, GDBusConnection *bus, const char *path)
{
  g_clear_pointer (&FZ_APPLICATION (application)->menu_export, fz_menu_export_free);
  G_APPLICATION_CLASS (fz_application_parent_class)->dbus_unregister (application, bus, path);
}

static void
startup (GApplication *application)
{
  FzApplication *self = FZ_APPLICATION (application);

  G_APPLICATION_CLASS (fz_application_parent_class)->startup (application);
  fz_app_log_open ();
  if (g_strcmp0 (g_getenv ("FZ_DIRECTION"), "rtl") == 0) /* for tests: GTK asks its own catalogue */
    gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  gtk_window_set_default_icon_name (FZ_APPLICATION_ID);
  self->settings = fz_settings_new ();
  if (self->settings == NULL) {
    g_printerr ("firezone-client-gui: the settings schema dev.firezone.Client is not installed\n");
    exit (1);
  }
  make_models (self);
  fz_actions_add (self);
  meet_tray (self);
  g_application_hold (application); /* it ends by "quit", not with its window */
}

static void
shut_down (GApplication *application)
{
  FzApplication *self = FZ_APPLICATION (application);

  g_clear_handle_id (&self->tray_watch_id, g_bus_unwatch_name);
  g_clear_handle_id (&self->tray_patience_id, g_source_remove);
  G_APPLICATION_CLASS (fz_application_parent_class)->shutdown (application);
  g_clear_object (&self->tray_menu);
  g_clear_object (&self->notifier);
  if (self->account != NULL)
    g_object_run_dispose (G_OBJECT (self->account));
  g_clear_object (&self->account);
  if (self->tunnel != NULL)
    g_object_run_dispose (G_OBJECT (self->tunnel));
  g_clear_object (&self->tunnel);
}

static int
handle_local_options (GApplication *application, GVariantDict *options)
{
  FzApplication *self = FZ_APPLICATION (application);
  g_autoptr (GError) error = NULL;

  if (g_variant_dict_contains (options, "version")) {
    g_print ("firezone-client-gui %s\n", FZ_VERSION);
    return 0;
  }
  if (!g_variant_dict_contains (options, "background"))
    return -1;
  if (!g_application_register (application, NULL, &error)) {
    g_printerr ("firezone-client-gui: %s\n", error->message);
    return 1;
  }
  if (g_application_get_is_remote (application))
    return 0; /* it runs already, and nobody asked for a window */
  self->starts_hidden = true;
  return -1;
}

static void
finalize (GObject *object)
{
  FzApplication *self = FZ_APPLICATION (object);

  g_clear_object (&self->settings);
  g_free (self->portal_status);
  G_OBJECT_CLASS (fz_application_parent_class)->finalize (object);
}

static void
fz_application_class_init (FzApplicationClass *klass)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (klass);

  fz_ui_register_resource ();
  G_OBJECT_CLASS (klass)->finalize = finalize;
  application_class->dbus_register = dbus_register;
  application_class->dbus_unregister = dbus_unregister;
  application_class->startup = startup;
  application_class->activate = activate;
  application_class->open = open_files;
  application_class->shutdown = shut_down;
  application_class->handle_local_options = handle_local_options;
}

static void
fz_application_init (FzApplication *self)
{
  static const GOptionEntry options[] = {
    { "background",
      0,
      0,
      G_OPTION_ARG_NONE,
      NULL,
      N_ ("Start without a window, as with the session"),
      NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, NULL, N_ ("Show the version and leave"), NULL },
    { 0 },
  };
  GApplication *application = G_APPLICATION (self);

  g_application_add_main_option_entries (application, options);
  g_application_set_option_context_parameter_string (application, _ ("[SIGN-IN LINK | LOG FILE…]"));
  g_application_set_option_context_summary (
      application, _ ("Connects this computer to the private resources of your organization."));
}

FzApplication *
fz_application_new (void)
{
  return g_object_new (FZ_TYPE_APPLICATION,
                       "application-id",
                       FZ_APPLICATION_ID,
                       "flags",
                       G_APPLICATION_HANDLES_OPEN,
                       NULL);
}

FzTunnelModel *
fz_application_get_tunnel (FzApplication *self)
{
  return self->tunnel;
}

FzAccount *
fz_application_get_account (FzApplication *self)
{
  return self->account;
}

GSettings *
fz_application_get_settings (FzApplication *self)
{
  return self->settings;
}

FzNotifier *
fz_application_get_notifier (FzApplication *self)
{
  return self->notifier;
}
