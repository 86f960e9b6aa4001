/* fz-window.c: see fz-window.h */
#include "src/app/fz-window.h"

#include "src/app/fz-link-dialog.h"
#include "src/app/fz-overview-page.h"
#include "src/app/fz-settings-page.h"
#include "src/app/fz-shown-pages.h"
#include "src/app/log/fz-log-view.h"
#include "src/app/resources/fz-resources-view.h"

#include <glib/gi18n.h>

struct _FzWindow {
  AdwApplicationWindow parent_instance;

  FzLinkDialog *link_dialog; /* weak */
  bool was_link_shown;       /* for this sign-in, because no browser opened */

  AdwToastOverlay *toasts;
  AdwViewStack *stack;
  GtkWidget *switcher_bar;
  FzOverviewPage *overview;
  FzResourcesView *resources;
  FzLogView *logs;
  FzSettingsPage *settings;
};

G_DEFINE_FINAL_TYPE (FzWindow, fz_window, ADW_TYPE_APPLICATION_WINDOW)

static FzApplication *
application_of (FzWindow *self)
{
  return FZ_APPLICATION (gtk_window_get_application (GTK_WINDOW (self)));
}

/* -- pages -- */

void
fz_window_show_page (FzWindow *self, const char *page)
{
  if (adw_view_stack_get_child_by_name (self->stack, page) != NULL)
    adw_view_stack_set_visible_child_name (self->stack, page);
}

void
fz_window_show_resource (FzWindow *self, const char *id)
{
  fz_window_show_page (self, "resources");
  fz_resources_view_show_resource (self->resources, id);
  if (fz_tunnel_model_find_resource (fz_application_get_tunnel (application_of (self)), id) == NULL)
    fz_window_toast (self, _ ("This resource is not within your reach any more"));
}

void
fz_window_open_log (FzWindow *self, GFile *file)
{
  if (g_file_peek_path (file) != NULL)
    fz_log_view_open_file (self->logs, g_file_peek_path (file));
  fz_window_show_page (self, "logs");
}

/* The service's log is read from when somebody wants to see it. */
static void
on_page_shown (FzWindow *self)
{
  if (g_strcmp0 (adw_view_stack_get_visible_child_name (self->stack), "logs") == 0 &&
      !fz_log_view_is_open (self->logs))
    fz_log_view_open_service (self->logs, NULL);
}

void
fz_window_toast (FzWindow *self, const char *text)
{
  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (text));
}

static void
on_search (GtkWidget *widget, const char *action, GVariant *parameter)
{
  FzWindow *self = FZ_WINDOW (widget);

  if (g_strcmp0 (adw_view_stack_get_visible_child_name (self->stack), "logs") == 0 &&
      gtk_widget_activate_action (GTK_WIDGET (self->logs), "log.find", NULL))
    return;
  fz_window_show_page (self, "resources");
  fz_resources_view_start_search (self->resources);
}

/* -- signing in without a browser -- */

void
fz_window_show_link (FzWindow *self)
{
  FzAccount *account = fz_application_get_account (application_of (self));

  if (fz_account_get_link (account) == NULL)
    return;
  if (self->link_dialog == NULL)
    g_set_weak_pointer (&self->link_dialog, fz_link_dialog_new (GTK_WINDOW (self), account));
  gtk_window_present (GTK_WINDOW (self->link_dialog));
}

void
fz_window_ask_passphrase (FzWindow *self, FzPassphraseUse use)
{
  FzAccount *account = fz_application_get_account (application_of (self));

  gtk_window_present (GTK_WINDOW (fz_passphrase_dialog_new (GTK_WINDOW (self), account, use)));
}

static void
on_account_changed (FzAccount *account, FzWindow *self)
{
  bool is_needed = fz_account_is_browser_missing (account);

  if (is_needed && !self->was_link_shown)
    fz_window_show_link (self);
  self->was_link_shown = is_needed;
}

/* -- closing -- */

static void
save_size (FzWindow *self)
{
  GSettings *settings = fz_application_get_settings (application_of (self));
  int width, height;

  gtk_window_get_default_size (GTK_WINDOW (self), &width, &height);
  g_settings_set_int (settings, "window-width", width);
  g_settings_set_int (settings, "window-height", height);
  g_settings_set_boolean (
      settings, "window-maximized", gtk_window_is_maximized (GTK_WINDOW (self)));
}

static void
on_explained (AdwMessageDialog *dialog, const char *response, FzWindow *self)
{
  FzApplication *application = application_of (self);

  if (g_str_equal (response, "quit")) {
    fz_application_leave (application);
    return;
  }
  if (g_str_equal (response, "keep")) {
    g_settings_set_boolean (
        fz_application_get_settings (application), "explained-background", TRUE);
    gtk_widget_hide (GTK_WIDGET (self));
  }
}

static void
explain_background (FzWindow *self)
{
  GtkWidget *dialog = adw_message_dialog_new (
      GTK_WINDOW (self),
      _ ("Firezone Goes On"),
      _ ("Your desktop shows no tray icons, so nothing will be seen of Firezone "
         "once this window is closed. It stays connected. Start it again to "
         "see the window."));

  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog),
                                    "cancel",
                                    _ ("_Back"),
                                    "quit",
                                    _ ("_Disconnect and Quit"),
                                    "keep",
                                    _ ("_Close the Window"),
                                    NULL);
  adw_message_dialog_set_response_appearance (
      ADW_MESSAGE_DIALOG (dialog), "keep", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "keep");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_signal_connect_object (dialog, "response", G_CALLBACK (on_explained), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static gboolean
close_request (GtkWindow *window)
{
  FzWindow *self = FZ_WINDOW (window);
  FzApplication *application = application_of (self);

  save_size (self);
  if (!fz_application_has_tray (application)) {
    if (!g_settings_get_boolean (fz_application_get_settings (application),
                                 "explained-background")) {
      explain_background (self);
      return TRUE;
    }
    fz_notifier_tell_background (fz_application_get_notifier (application));
  }
  gtk_widget_hide (GTK_WIDGET (self));
  return TRUE;
}

/* -- life -- */

static void
follow (FzWindow *self, FzApplication *application)
{
  FzTunnelModel *tunnel = fz_application_get_tunnel (application);
  FzAccount *account = fz_application_get_account (application);
  GSettings *settings = fz_application_get_settings (application);

  gtk_window_set_default_size (GTK_WINDOW (self),
                               g_settings_get_int (settings, "window-width"),
                               g_settings_get_int (settings, "window-height"));
  if (g_settings_get_boolean (settings, "window-maximized"))
    gtk_window_maximize (GTK_WINDOW (self));
  fz_overview_page_follow (self->overview, tunnel, account);
  fz_resources_view_set_tunnel (self->resources, tunnel);
  fz_settings_page_follow (self->settings, tunnel, settings);
  g_signal_connect_object (account, "changed", G_CALLBACK (on_account_changed), self, 0);
}

static void
dispose (GObject *object)
{
  g_clear_weak_pointer (&FZ_WINDOW (object)->link_dialog);
  G_OBJECT_CLASS (fz_window_parent_class)->dispose (object);
}

static void
fz_window_class_init (FzWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  GTK_WINDOW_CLASS (klass)->close_request = close_request;
  g_type_ensure (FZ_TYPE_LOG_VIEW);
  g_type_ensure (FZ_TYPE_OVERVIEW_PAGE);
  g_type_ensure (FZ_TYPE_RESOURCES_VIEW);
  g_type_ensure (FZ_TYPE_SETTINGS_PAGE);
  gtk_widget_class_set_template_from_resource (widget_class, "/dev/firezone/Client/fz-window.ui");
  gtk_widget_class_bind_template_child (widget_class, FzWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, FzWindow, stack);
  gtk_widget_class_bind_template_child (widget_class, FzWindow, switcher_bar);
  gtk_widget_class_bind_template_child (widget_class, FzWindow, overview);
  gtk_widget_class_bind_template_child (widget_class, FzWindow, resources);
  gtk_widget_class_bind_template_child (widget_class, FzWindow, logs);
  gtk_widget_class_bind_template_child (widget_class, FzWindow, settings);
  gtk_widget_class_install_action (widget_class, "win.search", NULL, on_search);
}

/* With text of twice the size, four titles side by side would be wider than a telephone. */
static void
let_titles_shrink (GtkWidget *widget)
{
  if (GTK_IS_LABEL (widget))
    gtk_label_set_ellipsize (GTK_LABEL (widget), PANGO_ELLIPSIZE_END);
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    let_titles_shrink (child);
}

/* And words on a button break, rather than push the window's edge. */
static void
let_buttons_shrink (GtkWidget *widget)
{
  if (GTK_IS_LABEL (widget) && GTK_IS_BUTTON (gtk_widget_get_parent (widget))) {
    gtk_label_set_wrap (GTK_LABEL (widget), TRUE);
    gtk_label_set_wrap_mode (GTK_LABEL (widget), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_justify (GTK_LABEL (widget), GTK_JUSTIFY_CENTER);
  }
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    let_buttons_shrink (child);
}

static void
fz_window_init (FzWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  let_titles_shrink (self->switcher_bar);
  let_buttons_shrink (GTK_WIDGET (self));
  fz_shown_pages_follow (GTK_WIDGET (self));
  g_signal_connect_swapped (
      self->stack, "notify::visible-child-name", G_CALLBACK (on_page_shown), self);
}

FzWindow *
fz_window_new (FzApplication *application)
{
  FzWindow *self = g_object_new (FZ_TYPE_WINDOW, "application", application, NULL);

  follow (self, application);
  return self;
}
