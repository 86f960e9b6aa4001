/* log-window.c
 *
 * The log pane in a window of its own, for tests of the pane alone. It tells on
 * standard output what the pane shows and how long that took, so that a test
 * need not walk thousands of accessible cells to know:
 *
 *   page NAME MS       another page; milliseconds since the log was opened
 *   status TEXT | MS   another count; milliseconds since the log was opened or a key was pressed
 *   drawn TEXT | MS    the same, when the frame that shows it has been painted
 *   line TEXT          details of another line
 *   copied TEXT        on the clipboard
 *   popup open|closed  choices of a filter have the keys, or have given them back
 *   place LINE PX      the first line on the screen, counted from 1, or the selected one if it is
 *                      there, and how far below the list's upper edge; when a frame was painted
 *                      with another one, and after F12
 *
 * Usage: log-window [--text-scale=2] FILE | --service
 */

#include "src/app/fz-ui.h"
#include "src/app/log/fz-log-model.h"
#include "src/app/log/fz-log-view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DPI        96
#define AGE_MAX_MS 10000u

static const char *what;
static double text_scale = 1;
static int64_t since_us;       /* of what the next line is told */
static int64_t drawn_since_us; /* of the frame that is to be painted */
static gulong painted_id;      /* on its clock; 0: none is */
static bool is_place_asked;    /* it is told even if it is the same */

static double
milliseconds (void)
{
  return (double) (g_get_monotonic_time () - since_us) / 1000.0;
}

static void
on_page (GtkStack *pages)
{
  printf ("page %s %.1f\n", gtk_stack_get_visible_child_name (pages), milliseconds ());
}

static void
on_painted (GdkFrameClock *clock, GtkLabel *status)
{
  g_clear_signal_handler (&painted_id, clock);
  printf ("drawn %s | %.1f\n",
          gtk_label_get_text (status),
          (double) (g_get_monotonic_time () - drawn_since_us) / 1000.0);
}

static void
on_status (GtkLabel *status)
{
  GtkWidget *window = GTK_WIDGET (gtk_widget_get_root (GTK_WIDGET (status)));
  GdkFrameClock *clock = gtk_widget_get_frame_clock (window);

  printf ("status %s | %.1f\n", gtk_label_get_text (status), milliseconds ());
  if (painted_id != 0)
    return;
  drawn_since_us = since_us;
  painted_id = g_signal_connect (clock, "after-paint", G_CALLBACK (on_painted), status);
  gdk_frame_clock_request_phase (clock, GDK_FRAME_CLOCK_PHASE_AFTER_PAINT);
}

/* False: there is nothing to see. */
static bool
find_place (GtkColumnView *list, guint *out_line, int *out_px)
{
  GtkAdjustment *scroll = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (list));
  GtkSelectionModel *rows = gtk_column_view_get_model (list);
  const guint n_rows = rows != NULL ? g_list_model_get_n_items (G_LIST_MODEL (rows)) : 0;
  const double above = gtk_adjustment_get_value (scroll);
  const double height = n_rows > 0 ? gtk_adjustment_get_upper (scroll) / n_rows : 0;
  guint row, selected;
  g_autoptr (FzLogRow) item = NULL;

  if (height <= 0)
    return false;
  row = MIN ((guint) (above / height), n_rows - 1);
  selected = gtk_single_selection_get_selected (GTK_SINGLE_SELECTION (rows));
  if (selected != GTK_INVALID_LIST_POSITION && (selected + 1) * height > above &&
      selected * height < above + gtk_adjustment_get_page_size (scroll))
    row = selected;
  item = g_list_model_get_item (G_LIST_MODEL (rows), row);
  *out_line = fz_log_row_get_line (item) + 1;
  *out_px = (int) lround (row * height - above);
  return true;
}

static void
tell_place (GdkFrameClock *clock, GtkColumnView *list)
{
  static guint told_line;
  static int told_px;
  guint line;
  int px;

  if (!find_place (list, &line, &px) || (line == told_line && px == told_px && !is_place_asked))
    return;
  printf ("place %u %d\n", line, px);
  told_line = line;
  told_px = px;
  is_place_asked = false;
}

static void
on_realized (GtkWidget *list)
{
  g_signal_connect (
      gtk_widget_get_frame_clock (list), "after-paint", G_CALLBACK (tell_place), list);
}

static void
on_line (GtkLabel *where)
{
  printf ("line %s\n", gtk_label_get_text (where));
}

static void
on_clipboard_read (GObject *clipboard, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *text = gdk_clipboard_read_text_finish (GDK_CLIPBOARD (clipboard), result, NULL);

  if (text != NULL)
    printf ("copied %s\n", text);
}

static void
on_clipboard (GdkClipboard *clipboard)
{
  if (gdk_clipboard_is_local (clipboard))
    gdk_clipboard_read_text_async (clipboard, NULL, on_clipboard_read, NULL);
}

static void
on_popup (void)
{
  printf ("popup open\n");
}

static void
on_popup_gone (void)
{
  printf ("popup closed\n");
}

/* The display server's clock is the monotonic one, in milliseconds, so that a key which waited for
 * us counts from its press; from its arrival where the clocks differ. */
static gboolean
on_key (GtkEventController *keys, guint key)
{
  const int64_t now_us = g_get_monotonic_time ();
  const uint32_t pressed_ms = gtk_event_controller_get_current_event_time (keys);
  const uint32_t age_ms = (uint32_t) (now_us / 1000) - pressed_ms;

  since_us = now_us - (age_ms < AGE_MAX_MS ? (int64_t) age_ms * 1000 : 0);
  if (key == GDK_KEY_F12) {
    is_place_asked = true;
    gtk_widget_queue_draw (gtk_event_controller_get_widget (keys));
  }
  return GDK_EVENT_PROPAGATE;
}

static void
watch_keys (GtkWidget *widget)
{
  GtkEventController *keys = gtk_event_controller_key_new ();

  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key), NULL);
  gtk_widget_add_controller (widget, keys);
}

static void
watch_popup (GtkWidget *drop_down)
{
  GtkWidget *popup = gtk_widget_get_last_child (drop_down);

  watch_keys (popup); /* a window of its own */
  g_signal_connect (popup, "map", G_CALLBACK (on_popup), NULL);
  g_signal_connect (popup, "unmap", G_CALLBACK (on_popup_gone), NULL);
}

static GtkWidget *
find_by_id (GtkWidget *widget, const char *id)
{
  if (g_strcmp0 (gtk_buildable_get_buildable_id (GTK_BUILDABLE (widget)), id) == 0)
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    GtkWidget *found = find_by_id (child, id);

    if (found != NULL)
      return found;
  }
  return NULL;
}

static void
tell_of (GtkWidget *view)
{
  g_signal_connect (
      find_by_id (view, "pages"), "notify::visible-child", G_CALLBACK (on_page), NULL);
  g_signal_connect (find_by_id (view, "status"), "notify::label", G_CALLBACK (on_status), NULL);
  g_signal_connect (find_by_id (view, "where_label"), "notify::label", G_CALLBACK (on_line), NULL);
  g_signal_connect (gtk_widget_get_clipboard (view), "changed", G_CALLBACK (on_clipboard), NULL);
  watch_popup (find_by_id (view, "level"));
  watch_popup (find_by_id (view, "span"));
}

static GtkWidget *
new_window (GtkApplication *application, GtkWidget *view)
{
  GtkWidget *window = adw_application_window_new (application);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);

  gtk_window_set_title (GTK_WINDOW (window), "Firezone");
  gtk_window_set_default_size (GTK_WINDOW (window), 900, 700);
  gtk_box_append (GTK_BOX (box), adw_header_bar_new ());
  gtk_box_append (GTK_BOX (box), view);
  gtk_widget_set_vexpand (view, TRUE);
  adw_application_window_set_content (ADW_APPLICATION_WINDOW (window), box);
  watch_keys (window);
  return window;
}

static void
activate (GApplication *application)
{
  GtkWidget *view = fz_log_view_new ();

  g_signal_connect (find_by_id (view, "list"), "realize", G_CALLBACK (on_realized), NULL);
  g_object_set (gtk_settings_get_default (), "gtk-xft-dpi", (int) (DPI * 1024 * text_scale), NULL);
  gtk_window_present (GTK_WINDOW (new_window (GTK_APPLICATION (application), view)));
  tell_of (view);
  since_us = g_get_monotonic_time ();
  if (strcmp (what, "--service") == 0)
    fz_log_view_open_service (FZ_LOG_VIEW (view), NULL);
  else
    fz_log_view_open_file (FZ_LOG_VIEW (view), what);
}

int
main (int argc, char **argv)
{
  g_autoptr (AdwApplication) app = NULL;

  if (argc < 2)
    return 2;
  what = argv[argc - 1];
  if (g_str_has_prefix (argv[1], "--text-scale="))
    text_scale = g_ascii_strtod (argv[1] + strlen ("--text-scale="), NULL);
  setvbuf (stdout, NULL, _IOLBF, 0);
  g_set_prgname ("firezone-client-gui"); /* under which the desk looks for it */
  fz_ui_register_resource ();
  app = adw_application_new ("dev.firezone.Client", G_APPLICATION_DEFAULT_FLAGS);
  g_signal_connect (app, "activate", G_CALLBACK (activate), NULL);
  return g_application_run (G_APPLICATION (app), 1, argv);
}
