/* log-window.c
 *
 * The log pane in a window of its own, for tests of the pane alone.
 *
 * Usage: log-window FILE | --service
 */

#include "src/app/fz-ui.h"
#include "src/app/log/fz-log-view.h"

#include <string.h>

static const char *what;

/* Start of the process to the frame that shows the first rows, for the test to read. */
static void
on_first_rows (GtkStack *pages, GParamSpec *pspec, gpointer user_data)
{
  static bool is_told;

  if (is_told || g_strcmp0 (gtk_stack_get_visible_child_name (pages), "loading") == 0)
    return;
  is_told = true;
  g_print ("page %s after %.1f ms\n",
           gtk_stack_get_visible_child_name (pages),
           (double) (g_get_monotonic_time () - *(int64_t *) user_data) / 1000.0);
}

static GtkWidget *
find_stack (GtkWidget *widget)
{
  if (GTK_IS_STACK (widget))
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    GtkWidget *found = find_stack (child);

    if (found != NULL)
      return found;
  }
  return NULL;
}

static void
activate (GApplication *application)
{
  static int64_t start_us;
  GtkWidget *window = adw_application_window_new (GTK_APPLICATION (application));
  GtkWidget *view = fz_log_view_new (), *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);

  gtk_window_set_title (GTK_WINDOW (window), "Firezone");
  gtk_window_set_default_size (GTK_WINDOW (window), 900, 700);
  gtk_box_append (GTK_BOX (box), adw_header_bar_new ());
  gtk_box_append (GTK_BOX (box), view);
  gtk_widget_set_vexpand (view, TRUE);
  adw_application_window_set_content (ADW_APPLICATION_WINDOW (window), box);
  gtk_window_present (GTK_WINDOW (window));
  start_us = g_get_monotonic_time ();
  g_signal_connect (
      find_stack (view), "notify::visible-child", G_CALLBACK (on_first_rows), &start_us);
  if (strcmp (what, "--service") == 0)
    fz_log_view_open_service (FZ_LOG_VIEW (view), NULL);
  else
    fz_log_view_open_file (FZ_LOG_VIEW (view), what);
}

int
main (int argc, char **argv)
{
  g_autoptr (AdwApplication) app = NULL;

  if (argc != 2)
    return 2;
  what = argv[1];
  g_set_prgname ("firezone-client-gui"); /* under which the desk looks for it */
  fz_ui_register_resource ();
  app = adw_application_new ("dev.firezone.Client", G_APPLICATION_DEFAULT_FLAGS);
  g_signal_connect (app, "activate", G_CALLBACK (activate), NULL);
  return g_application_run (G_APPLICATION (app), 1, argv);
}
