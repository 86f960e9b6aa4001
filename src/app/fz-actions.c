/* fz-actions.c: see fz-actions.h */
#include "src/app/fz-actions.h"

#include "src/app/fz-status.h"
#include "src/app/fz-window.h"

#include <glib/gi18n.h>

#define WEBSITE "https://www.firezone.dev"

static FzAccount *
account_of (gpointer user_data)
{
  return fz_application_get_account (FZ_APPLICATION (user_data));
}

static FzTunnelModel *
tunnel_of (gpointer user_data)
{
  return fz_application_get_tunnel (FZ_APPLICATION (user_data));
}

/* -- the tunnel -- */

static void
on_connect (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_account_connect (account_of (user_data));
}

static void
on_disconnect (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_account_disconnect (account_of (user_data));
}

static void
on_toggle (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GActionGroup *actions = G_ACTION_GROUP (user_data);
  const char *const ways[] = { "disconnect", "connect", "sign-in" };

  for (size_t i = 0; i < G_N_ELEMENTS (ways); i++)
    if (g_action_group_get_action_enabled (actions, ways[i])) {
      g_action_group_activate_action (actions, ways[i], NULL);
      return;
    }
}

/* New paths where there are some, and another attempt where the portal is away. */
static void
on_reconnect (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_tunnel_model_call (tunnel_of (user_data), "Reconnect", NULL, NULL, NULL, NULL, NULL);
}

static void
on_retry_service (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_tunnel_model_retry (tunnel_of (user_data));
}

/* A switch is what the service says; a wish goes there and comes back as the state. */
static void
on_internet_wish (GSimpleAction *action, GVariant *value, gpointer user_data)
{
  fz_account_set_internet (account_of (user_data), g_variant_get_boolean (value));
}

/* -- the person -- */

static void
on_sign_in (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_account_sign_in (account_of (user_data));
}

static void
on_cancel_sign_in (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_account_cancel (account_of (user_data));
}

static void
on_clear_keyring (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  FzAccount *account = fz_application_get_account (FZ_APPLICATION (user_data));

  fz_credential_store_clear_again (fz_account_get_store (account));
}

static void
on_sign_out (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_account_sign_out (account_of (user_data));
}

/* -- the window -- */

static FzWindow *
present_window (gpointer user_data)
{
  GtkWindow *window = fz_application_ensure_window (FZ_APPLICATION (user_data));

  gtk_window_present (window);
  return FZ_WINDOW (window);
}

static void
on_show_window (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  present_window (user_data);
}

static void
on_keep_in_file (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_ask_passphrase (present_window (user_data), FZ_PASSPHRASE_NEW);
}

static void
on_open_file (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_ask_passphrase (present_window (user_data), FZ_PASSPHRASE_OPEN);
}

static void
on_show_page (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_show_page (present_window (user_data), g_variant_get_string (parameter, NULL));
}

static void
on_show_logs (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_show_page (present_window (user_data), "logs");
}

static void
on_show_resources (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_show_page (present_window (user_data), "resources");
}

static void
on_show_settings (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_show_page (present_window (user_data), "settings");
}

static void
on_show_resource (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_show_resource (present_window (user_data), g_variant_get_string (parameter, NULL));
}

static void
on_show_sign_in_link (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_window_show_link (present_window (user_data));
}

static void
on_about (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  FzTunnelModel *tunnel = tunnel_of (user_data);
  const char *service = fz_tunnel_model_get_version (tunnel);
  g_autofree char *debug_info =
      g_strdup_printf ("app: %s\nservice: %s\nmode: %s\nGTK: %u.%u.%u\nlibadwaita: %u.%u.%u\n",
                       FZ_VERSION,
                       service[0] != '\0' ? service : "not running",
                       fz_tunnel_model_get_mode (tunnel),
                       gtk_get_major_version (),
                       gtk_get_minor_version (),
                       gtk_get_micro_version (),
                       adw_get_major_version (),
                       adw_get_minor_version (),
                       adw_get_micro_version ());

  adw_show_about_window (
      GTK_WINDOW (present_window (user_data)),
      "application-name",
      _ ("Firezone"),
      "application-icon",
      FZ_APPLICATION_ID,
      "developer-name",
      _ ("The Firezone in C contributors"),
      "version",
      FZ_VERSION,
      "comments",
      _ ("Reach the private resources of your organization, one by one and encrypted, "
         "without opening a network to the world."),
      "website",
      WEBSITE "/kb",
      "support-url",
      WEBSITE "/support",
      "license-type",
      GTK_LICENSE_APACHE_2_0,
      "debug-info",
      debug_info,
      "debug-info-filename",
      "firezone.txt",
      "translator-credits",
      _ ("translator-credits"),
      NULL);
}

static void
on_quit (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_application_leave (FZ_APPLICATION (user_data));
}

/* -- resources -- */

static void
on_copy_address (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  FzResourceItem *item =
      fz_tunnel_model_find_resource (tunnel_of (user_data), g_variant_get_string (parameter, NULL));
  GdkDisplay *display = gdk_display_get_default ();
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (user_data));

  if (item == NULL || display == NULL)
    return;
  gdk_clipboard_set_text (gdk_display_get_clipboard (display), fz_resource_item_get_address (item));
  if (FZ_IS_WINDOW (window))
    fz_window_toast (FZ_WINDOW (window), _ ("Address copied"));
}

static void
on_toggle_favourite (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GSettings *settings = fz_application_get_settings (FZ_APPLICATION (user_data));
  g_auto (GStrv) ids = g_settings_get_strv (settings, "favourites");
  const char *id = g_variant_get_string (parameter, NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) changed = NULL;
  bool was_one = false;

  for (size_t i = 0; ids[i] != NULL; i++) {
    was_one |= g_str_equal (ids[i], id);
    if (!g_str_equal (ids[i], id))
      g_strv_builder_add (builder, ids[i]);
  }
  if (!was_one)
    g_strv_builder_add (builder, id);
  changed = g_strv_builder_end (builder);
  g_settings_set_strv (settings, "favourites", (const char *const *) changed);
}

/* -- the tray -- */

static void
on_tray_host (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  fz_application_set_tray (FZ_APPLICATION (user_data), g_variant_get_boolean (parameter));
}

/* -- when they are possible -- */

static void
set_enabled (FzApplication *self, const char *name, bool is_enabled)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (self), name);

  g_simple_action_set_enabled (G_SIMPLE_ACTION (action), is_enabled);
}

static void
set_state (FzApplication *self, const char *name, GVariant *state)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (self), name);

  g_simple_action_set_state (G_SIMPLE_ACTION (action), state);
}

static bool
is_up (FzTunnelState state)
{
  return state == FZ_TUNNEL_CONNECTING || state == FZ_TUNNEL_CONNECTED ||
         state == FZ_TUNNEL_DEGRADED;
}

static void
update_tunnel_actions (FzApplication *self, FzTunnelModel *tunnel, FzAccount *account)
{
  FzTunnelState state = fz_tunnel_model_get_state (tunnel);
  bool is_ready = fz_tunnel_model_get_helper (tunnel) == FZ_HELPER_READY;
  bool is_idle = is_ready && fz_account_get_phase (account) == FZ_ACCOUNT_IDLE;
  bool is_ours = fz_tunnel_model_is_ours (tunnel);
  bool has_token = fz_credential_store_get_kept (fz_account_get_store (account)) != FZ_KEPT_NOWHERE;
  bool can_connect =
      is_idle && (fz_tunnel_model_is_foreign (tunnel) ||
                  (is_ours && (state == FZ_TUNNEL_OFFLINE || state == FZ_TUNNEL_ERROR)) ||
                  (state == FZ_TUNNEL_SIGNED_OUT && has_token));
  bool can_disconnect = is_ready && is_ours && is_up (state);
  bool can_sign_in = is_idle && !fz_account_is_signed_in (account);
  FzInternetState internet = fz_tunnel_model_get_internet (tunnel);

  set_enabled (self, "connect", can_connect);
  set_enabled (self, "disconnect", can_disconnect);
  set_enabled (self, "toggle", can_connect || can_disconnect || can_sign_in);
  set_enabled (self, "reconnect", can_disconnect);
  set_enabled (self, "retry-service", !is_ready);
  set_enabled (self, "sign-in", can_sign_in || (is_idle && state == FZ_TUNNEL_ERROR));
  set_enabled (self, "renew", is_idle);
  set_enabled (self,
               "keep-in-file",
               fz_credential_store_get_kept (fz_account_get_store (account)) == FZ_KEPT_IN_MEMORY);
  set_enabled (
      self, "clear-keyring", fz_credential_store_has_left_over (fz_account_get_store (account)));
  set_enabled (
      self, "open-file", is_idle && fz_credential_store_is_sealed (fz_account_get_store (account)));
  set_enabled (self, "cancel-sign-in", fz_account_get_phase (account) == FZ_ACCOUNT_BROWSER);
  set_enabled (self, "show-sign-in-link", fz_account_get_phase (account) == FZ_ACCOUNT_BROWSER);
  set_enabled (self,
               "sign-out",
               fz_account_get_phase (account) != FZ_ACCOUNT_SIGNING_OUT && (is_ours || has_token));
  set_enabled (self, "internet-resource", is_ours && internet != FZ_INTERNET_UNAVAILABLE);
  set_state (self, "internet-resource", g_variant_new_boolean (internet == FZ_INTERNET_ON));
}

static void
on_changed (gpointer source, gpointer user_data)
{
  FzApplication *self = user_data;
  FzTunnelModel *tunnel = fz_application_get_tunnel (self);
  FzAccount *account = fz_application_get_account (self);
  g_auto (FzStatus) status = { 0 };

  fz_status_read (&status, tunnel, account);
  update_tunnel_actions (self, tunnel, account);
  set_state (self, "tray-status", g_variant_new ("(ss)", status.icon, status.tray));
}

static void
add_stateful (FzApplication *self)
{
  g_autoptr (GSimpleAction) internet =
      g_simple_action_new_stateful ("internet-resource", NULL, g_variant_new_boolean (FALSE));
  g_autoptr (GSimpleAction) status = g_simple_action_new_stateful (
      "tray-status", NULL, g_variant_new ("(ss)", "disconnected", ""));

  g_signal_connect_object (internet, "change-state", G_CALLBACK (on_internet_wish), self, 0);
  g_action_map_add_action (G_ACTION_MAP (self), G_ACTION (internet));
  g_simple_action_set_enabled (status, FALSE); /* only to be read */
  g_action_map_add_action (G_ACTION_MAP (self), G_ACTION (status));
}

static void
add_shortcuts (FzApplication *self)
{
  static const struct {
    const char *action;
    const char *keys[3];
  } shortcuts[] = {
    { "app.quit", { "<Control>q" } },
    { "app.show-logs", { "<Control>l" } },
    { "app.show-settings", { "<Control>comma" } },
    { "app.show-page::overview", { "<Alt>1" } },
    { "app.show-page::resources", { "<Alt>2" } },
    { "app.show-page::logs", { "<Alt>3" } },
    { "app.show-page::settings", { "<Alt>4" } },
    { "app.toggle", { "<Control>k" } },
    { "win.search", { "<Control>f" } },
    { "window.close", { "<Control>w" } },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (shortcuts); i++)
    gtk_application_set_accels_for_action (
        GTK_APPLICATION (self), shortcuts[i].action, shortcuts[i].keys);
}

void
fz_actions_add (FzApplication *self)
{
  static const GActionEntry entries[] = {
    { .name = "connect", .activate = on_connect },
    { .name = "disconnect", .activate = on_disconnect },
    { .name = "toggle", .activate = on_toggle },
    { .name = "reconnect", .activate = on_reconnect },
    { .name = "retry-service", .activate = on_retry_service },
    { .name = "sign-in", .activate = on_sign_in },
    { .name = "renew", .activate = on_sign_in },
    { .name = "cancel-sign-in", .activate = on_cancel_sign_in },
    { .name = "show-sign-in-link", .activate = on_show_sign_in_link },
    { .name = "keep-in-file", .activate = on_keep_in_file },
    { .name = "open-file", .activate = on_open_file },
    { .name = "clear-keyring", .activate = on_clear_keyring },
    { .name = "sign-out", .activate = on_sign_out },
    { .name = "show-window", .activate = on_show_window },
    { .name = "show-page", .activate = on_show_page, .parameter_type = "s" },
    { .name = "show-logs", .activate = on_show_logs },
    { .name = "show-resources", .activate = on_show_resources },
    { .name = "show-settings", .activate = on_show_settings },
    { .name = "show-resource", .activate = on_show_resource, .parameter_type = "s" },
    { .name = "copy-address", .activate = on_copy_address, .parameter_type = "s" },
    { .name = "toggle-favourite", .activate = on_toggle_favourite, .parameter_type = "s" },
    { .name = "tray-host", .activate = on_tray_host, .parameter_type = "b" },
    { .name = "about", .activate = on_about },
    { .name = "quit", .activate = on_quit },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  add_stateful (self);
  add_shortcuts (self);
  g_signal_connect_object (
      fz_application_get_tunnel (self), "changed", G_CALLBACK (on_changed), self, 0);
  g_signal_connect_object (
      fz_application_get_account (self), "changed", G_CALLBACK (on_changed), self, 0);
  on_changed (NULL, self);
}
