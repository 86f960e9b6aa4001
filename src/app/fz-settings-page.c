/* fz-settings-page.c: see fz-settings-page.h */
#include "src/app/fz-settings-page.h"

#include "src/app/fz-settings.h"

#include <glib/gi18n.h>

struct _FzSettingsPage {
  AdwBin parent_instance;

  FzTunnelModel *tunnel;
  GSettings *settings;

  AdwEntryRow *account_slug;
  AdwEntryRow *auth_url;
  AdwEntryRow *api_url;
  AdwEntryRow *log_filter;
  GtkWidget *account_slug_note;
  GtkWidget *auth_url_note;
  GtkWidget *api_url_note;
  GtkWidget *log_filter_note;
  AdwActionRow *start_with_session_row;
  AdwActionRow *connect_on_start_row;
  AdwActionRow *notifications_row;
  AdwActionRow *notify_connected_row;
  GtkSwitch *start_with_session;
  GtkSwitch *connect_on_start;
  GtkSwitch *notifications;
  GtkSwitch *notify_connected;
};

G_DEFINE_FINAL_TYPE (FzSettingsPage, fz_settings_page, ADW_TYPE_BIN)

/* The rows, each with its key. */
typedef struct {
  AdwEntryRow *row;
  GtkWidget *note; /* below the group: why an entry is not accepted */
  const char *key;
} TextSetting;

typedef struct {
  AdwActionRow *row;
  GtkSwitch *toggle;
  const char *key;
  const char *subtitle;
} SwitchSetting;

#define N_TEXTS    4
#define N_SWITCHES 4

static void
list_texts (FzSettingsPage *self, TextSetting out[N_TEXTS])
{
  out[0] = (TextSetting){ self->account_slug, self->account_slug_note, "account-slug" };
  out[1] = (TextSetting){ self->auth_url, self->auth_url_note, "auth-url" };
  out[2] = (TextSetting){ self->api_url, self->api_url_note, "api-url" };
  out[3] = (TextSetting){ self->log_filter, self->log_filter_note, "log-filter" };
}

static void
list_switches (FzSettingsPage *self, SwitchSetting out[N_SWITCHES])
{
  out[0] = (SwitchSetting){ self->start_with_session_row,
                            self->start_with_session,
                            "start-with-session",
                            _ ("In the background, when you log in to the desktop") };
  out[1] = (SwitchSetting){ self->connect_on_start_row,
                            self->connect_on_start,
                            "connect-on-start",
                            _ ("As soon as Firezone starts, if you are signed in") };
  out[2] = (SwitchSetting){ self->notifications_row,
                            self->notifications,
                            "notifications",
                            _ ("When the connection is lost, or something needs you") };
  out[3] = (SwitchSetting){ self->notify_connected_row,
                            self->notify_connected,
                            "notify-connected",
                            _ ("Also when a connection is made") };
}

/* -- showing what is so -- */

static void
set_note (const TextSetting *text, const char *words, bool is_error)
{
  gtk_label_set_text (GTK_LABEL (text->note), words);
  gtk_widget_set_visible (text->note, words[0] != '\0');
  gtk_accessible_update_property (GTK_ACCESSIBLE (gtk_widget_get_parent (text->note)),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  words,
                                  -1); /* the list's row around it would have no name */
  if (is_error) {
    gtk_widget_add_css_class (GTK_WIDGET (text->row), "error");
    gtk_widget_add_css_class (text->note, "error");
  } else {
    gtk_widget_remove_css_class (GTK_WIDGET (text->row), "error");
    gtk_widget_remove_css_class (text->note, "error");
  }
}

/* An entry that somebody is typing in keeps what they typed. */
static void
show_text (FzSettingsPage *self, const TextSetting *text)
{
  g_autofree char *value = fz_settings_dup_text (self->settings, self->tunnel, text->key);
  bool is_fixed = fz_settings_is_fixed (self->settings, self->tunnel, text->key);
  GtkWidget *row = GTK_WIDGET (text->row);
  bool is_typed_in = (gtk_widget_get_state_flags (row) & GTK_STATE_FLAG_FOCUS_WITHIN) != 0;

  if (!is_typed_in && !g_str_equal (gtk_editable_get_text (GTK_EDITABLE (text->row)), value)) {
    /* otherwise the row offers to apply what nobody has typed */
    adw_entry_row_set_show_apply_button (text->row, FALSE);
    gtk_editable_set_text (GTK_EDITABLE (text->row), value);
    adw_entry_row_set_show_apply_button (text->row, TRUE);
  }
  if (gtk_widget_get_sensitive (row) == is_fixed) {
    gtk_widget_set_sensitive (row, !is_fixed);
    set_note (text, is_fixed ? _ ("Managed by your organization") : "", false);
  }
}

static void
show_switch (FzSettingsPage *self, const SwitchSetting *item)
{
  bool is_fixed = fz_settings_is_fixed (self->settings, self->tunnel, item->key);
  bool is_possible = !is_fixed && (item->toggle != self->notify_connected ||
                                   g_settings_get_boolean (self->settings, "notifications"));

  gtk_switch_set_active (item->toggle,
                         fz_settings_get_switch (self->settings, self->tunnel, item->key));
  gtk_widget_set_sensitive (GTK_WIDGET (item->row), is_possible);
  adw_action_row_set_subtitle (item->row,
                               is_fixed ? _ ("Managed by your organization") : item->subtitle);
}

static void
show_all (FzSettingsPage *self)
{
  TextSetting texts[N_TEXTS];
  SwitchSetting switches[N_SWITCHES];

  list_texts (self, texts);
  list_switches (self, switches);
  for (size_t i = 0; i < N_TEXTS; i++)
    show_text (self, &texts[i]);
  for (size_t i = 0; i < N_SWITCHES; i++)
    show_switch (self, &switches[i]);
}

/* -- taking what is chosen -- */

static void
on_toggled (GtkSwitch *toggle, GParamSpec *pspec, FzSettingsPage *self)
{
  SwitchSetting switches[N_SWITCHES];

  list_switches (self, switches);
  for (size_t i = 0; i < N_SWITCHES; i++)
    if (switches[i].toggle == toggle &&
        gtk_switch_get_active (toggle) !=
            fz_settings_get_switch (self->settings, self->tunnel, switches[i].key))
      g_settings_set_boolean (self->settings, switches[i].key, gtk_switch_get_active (toggle));
}

static void
on_filter_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzSettingsPage) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      fz_tunnel_model_call_finish (FZ_TUNNEL_MODEL (source), result, NULL, &error);
  TextSetting text = { self->log_filter, self->log_filter_note, "log-filter" };

  if (reply != NULL) {
    g_settings_set_string (
        self->settings, text.key, gtk_editable_get_text (GTK_EDITABLE (text.row)));
    set_note (&text, "", false);
  } else if (self->log_filter_note != NULL)
    set_note (&text, error->message, true);
}

/* The service knows what a filter is. */
static void
apply_filter (FzSettingsPage *self)
{
  const char *filter = gtk_editable_get_text (GTK_EDITABLE (self->log_filter));

  fz_tunnel_model_call (self->tunnel,
                        "Diagnostics.SetLogFilter",
                        g_variant_new ("(s)", filter),
                        NULL,
                        NULL,
                        on_filter_set,
                        g_object_ref (self));
}

static void
on_apply (AdwEntryRow *row, FzSettingsPage *self)
{
  g_autofree char *value = g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (row))));
  TextSetting texts[N_TEXTS];

  if (row == self->log_filter) {
    apply_filter (self);
    return;
  }
  list_texts (self, texts);
  for (size_t i = 0; i < N_TEXTS; i++) {
    g_autofree char *objection = NULL;

    if (texts[i].row != row)
      continue;
    objection = fz_settings_dup_objection (texts[i].key, value);
    if (objection == NULL)
      g_settings_set_string (self->settings, texts[i].key, value);
    set_note (&texts[i], objection != NULL ? objection : "", objection != NULL);
  }
}

static void
on_reset (FzSettingsPage *self)
{
  TextSetting texts[N_TEXTS];
  SwitchSetting switches[N_SWITCHES];

  list_texts (self, texts);
  list_switches (self, switches);
  gtk_widget_grab_focus (GTK_WIDGET (self)); /* out of an entry, so that it shows the default */
  for (size_t i = 0; i < N_TEXTS; i++) {
    g_settings_reset (self->settings, texts[i].key);
    if (gtk_widget_get_sensitive (GTK_WIDGET (texts[i].row)))
      set_note (&texts[i], "", false);
  }
  for (size_t i = 0; i < N_SWITCHES; i++)
    g_settings_reset (self->settings, switches[i].key);
  show_all (self);
}

/* -- life -- */

void
fz_settings_page_follow (FzSettingsPage *self, FzTunnelModel *tunnel, GSettings *settings)
{
  self->tunnel = g_object_ref (tunnel);
  self->settings = g_object_ref (settings);
  g_signal_connect_object (
      tunnel, "notify::managed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (settings, "changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (
      settings, "writable-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  show_all (self);
}

static void
dispose (GObject *object)
{
  FzSettingsPage *self = FZ_SETTINGS_PAGE (object);

  g_clear_object (&self->tunnel);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (fz_settings_page_parent_class)->dispose (object);
}

static void
fz_settings_page_class_init (FzSettingsPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-settings-page.ui");
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, account_slug);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, auth_url);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, api_url);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, log_filter);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, account_slug_note);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, auth_url_note);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, api_url_note);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, log_filter_note);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, start_with_session_row);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, connect_on_start_row);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, notifications_row);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, notify_connected_row);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, start_with_session);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, connect_on_start);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, notifications);
  gtk_widget_class_bind_template_child (widget_class, FzSettingsPage, notify_connected);
  gtk_widget_class_bind_template_callback (widget_class, on_apply);
  gtk_widget_class_bind_template_callback (widget_class, on_toggled);
  gtk_widget_class_bind_template_callback (widget_class, on_reset);
}

static void
fz_settings_page_init (FzSettingsPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
