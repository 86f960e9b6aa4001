/* main.c: firezone-client-tray
 *
 * The tray icon: watches the app on the session bus and mirrors its menu and
 * its status. Whether a panel shows the icon is told to the app, which keeps its
 * window when nobody does.
 *
 *   app appears ──► new proxies, menu follows, status follows, host is told
 *   app vanishes ─► menu says "Start Firezone"; the icon says disconnected
 */

#include "src/tray/fz-menu-mirror.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <gtk/gtk.h>
#include <libayatana-appindicator/app-indicator.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>

#define APP_ID    "dev.firezone.Client"
#define APP_PATH  "/dev/firezone/Client"
#define MENU_PATH APP_PATH "/menus/tray"
#define TRAY_NAME APP_ID ".Tray"
#define ITEM_ID   "firezone-client" /* panels remember the icon's place by it */

typedef struct {
  AppIndicator *indicator;
  FzMenuMirror *menu;
  GDBusConnection *bus;
  GActionGroup *actions; /* of the app; NULL: it is away */
  bool is_unique;        /* we have owned our name */
} Tray;

/* -- what the icon says -- */

static void
show_status (Tray *self, const char *icon, const char *sentence)
{
  static const char *const known[] = {
    "connected", "connecting", "disconnected", "attention", NULL
  };
  const char *state = g_strv_contains (known, icon) ? icon : "attention";
  g_autofree char *name = g_strdup_printf (APP_ID "-%s-symbolic", state);
  g_autofree char *title = g_strdup_printf ("Firezone – %s", sentence);

  app_indicator_set_icon_full (self->indicator, name, title);
  app_indicator_set_title (self->indicator, title);
}

static void
read_status (Tray *self)
{
  g_autoptr (GVariant) state = NULL;
  const char *icon;
  const char *sentence;

  if (self->actions != NULL)
    state = g_action_group_get_action_state (self->actions, "tray-status");
  if (state == NULL || !g_variant_is_of_type (state, G_VARIANT_TYPE ("(ss)"))) {
    show_status (self, "disconnected", _ ("not running"));
    return;
  }
  g_variant_get (state, "(&s&s)", &icon, &sentence);
  show_status (self, icon, sentence);
}

/* -- whether anybody shows it -- */

static void
tell_host (Tray *self)
{
  gboolean is_shown = FALSE;

  if (self->actions == NULL)
    return;
  g_object_get (self->indicator, "connected", &is_shown, NULL);
  g_action_group_activate_action (self->actions, "tray-host", g_variant_new_boolean (is_shown));
}

static void
on_host_changed (AppIndicator *indicator, gboolean is_connected, gpointer user_data)
{
  tell_host (user_data);
}

/* -- the app comes and goes -- */

static void
on_action_added (GActionGroup *actions, const char *name, gpointer user_data)
{
  if (g_str_equal (name, "tray-status"))
    read_status (user_data);
  else if (g_str_equal (name, "tray-host"))
    tell_host (user_data);
}

static void
on_action_state (GActionGroup *actions, const char *name, GVariant *state, gpointer user_data)
{
  if (g_str_equal (name, "tray-status"))
    read_status (user_data);
}

static void
forget_app (Tray *self)
{
  if (self->actions != NULL)
    g_signal_handlers_disconnect_by_data (self->actions, self);
  g_clear_object (&self->actions);
}

static void
on_app_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Tray *self = user_data;

  forget_app (self);
  fz_menu_mirror_set_source (self->menu, NULL, NULL);
  read_status (self);
}

/* Proxies of an owner that has gone never subscribe again, so every owner gets new ones. */
static void
on_app_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  Tray *self = user_data;
  g_autoptr (GMenuModel) model = NULL;
  g_auto (GStrv) names = NULL;

  forget_app (self);
  model = G_MENU_MODEL (g_dbus_menu_model_get (bus, owner, MENU_PATH));
  self->actions = G_ACTION_GROUP (g_dbus_action_group_get (bus, owner, APP_PATH));
  g_signal_connect (self->actions, "action-added", G_CALLBACK (on_action_added), self);
  g_signal_connect (self->actions, "action-state-changed", G_CALLBACK (on_action_state), self);
  names = g_action_group_list_actions (self->actions); /* empty; asking is what subscribes */
  fz_menu_mirror_set_source (self->menu, model, self->actions);
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL)
    g_warning ("the app could not be started: %s; start Firezone from the launcher",
               error->message);
}

static void
start_app (gpointer user_data)
{
  Tray *self = user_data;

  g_dbus_connection_call (self->bus,
                          APP_ID,
                          APP_PATH,
                          "org.freedesktop.Application",
                          "Activate",
                          g_variant_new ("(a{sv})", NULL),
                          NULL,
                          G_DBUS_CALL_FLAGS_NONE,
                          -1,
                          NULL,
                          on_started,
                          NULL);
}

static void
quit (gpointer user_data)
{
  gtk_main_quit ();
}

static gboolean
on_signal (gpointer user_data)
{
  gtk_main_quit ();
  return G_SOURCE_CONTINUE;
}

/* -- one per session -- */

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Tray *self = user_data;

  self->is_unique = true;
}

static void
on_name_lost (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Tray *self = user_data;

  if (bus == NULL)
    g_warning ("the session bus is gone");
  else if (!self->is_unique)
    g_message ("the tray icon is running already");
  gtk_main_quit ();
}

static void
make_indicator (Tray *self)
{
  const char *icon_folder = g_getenv ("FIREZONE_ICON_PATH"); /* uninstalled */

  self->indicator = app_indicator_new (
      ITEM_ID, APP_ID "-disconnected-symbolic", APP_INDICATOR_CATEGORY_SYSTEM_SERVICES);
  if (icon_folder != NULL)
    app_indicator_set_icon_theme_path (self->indicator, icon_folder);
  app_indicator_set_menu (self->indicator, fz_menu_mirror_get_widget (self->menu));
  app_indicator_set_status (self->indicator, APP_INDICATOR_STATUS_ACTIVE);
  g_signal_connect (self->indicator, "connection-changed", G_CALLBACK (on_host_changed), self);
  read_status (self);
}

int
main (int argc, char **argv)
{
  Tray self = { 0 };
  g_autoptr (GError) error = NULL;
  const char *folder = g_getenv ("FZ_LOCALEDIR"); /* for what is not installed */
  guint name_id;
  guint watch_id;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, folder != NULL ? folder : FZ_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  if (!gtk_init_with_args (
          &argc, &argv, _ ("– the tray icon of Firezone"), NULL, GETTEXT_PACKAGE, &error)) {
    g_printerr ("%s: %s\n", g_get_prgname (), error != NULL ? error->message : "no display");
    return EXIT_FAILURE;
  }
  self.bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  if (self.bus == NULL) {
    g_printerr ("%s: no session bus: %s\n", g_get_prgname (), error->message);
    return EXIT_FAILURE;
  }

  self.menu = fz_menu_mirror_new (G_CALLBACK (start_app), G_CALLBACK (quit), &self);
  make_indicator (&self);
  name_id = g_bus_own_name_on_connection (self.bus,
                                          TRAY_NAME,
                                          G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                          on_name_acquired,
                                          on_name_lost,
                                          &self,
                                          NULL);
  watch_id = g_bus_watch_name_on_connection (self.bus,
                                             APP_ID,
                                             G_BUS_NAME_WATCHER_FLAGS_NONE,
                                             on_app_appeared,
                                             on_app_vanished,
                                             &self,
                                             NULL);
  g_unix_signal_add (SIGTERM, on_signal, NULL);
  g_unix_signal_add (SIGINT, on_signal, NULL);
  gtk_main ();

  g_bus_unwatch_name (watch_id);
  g_bus_unown_name (name_id);
  forget_app (&self);
  g_clear_object (&self.indicator);
  g_clear_pointer (&self.menu, fz_menu_mirror_free);
  g_clear_object (&self.bus);
  return EXIT_SUCCESS;
}
