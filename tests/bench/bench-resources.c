/* bench-resources.c
 *
 * The resources' view in a window, with what the service in DBUS_SYSTEM_BUS_ADDRESS says: how long
 * its frames take. desktop.py starts it and tells it what to do, one word a line on standard input;
 * what is done is answered by a line on standard output:
 *
 *   ready MS STALL_MS           all resources are there, so long after the question; the longest
 *                               time in which the main loop did nothing else
 *   scroll                      from top to bottom in four seconds; answers "scrolled"
 *   search TEXT, order N        answers "drawn MS": until the frame that shows it was painted
 *   frames                      answers "frames N P50_MS P95_MS MAX_MS CPU95_MS CPUMAX_MS MISSED"
 * of the frames since it was asked last
 *
 * A frame's time is the work in it: from its beginning, through layout and drawing, to its end; by
 * the clock, and what this thread computed, which other programs hardly change. The waiting for the
 * next one is not in it. Missed are frames that could have been and were not: each sixtieth of a
 * second between two of a movement.
 *
 * Usage: bench-resources N_RESOURCES
 */
#include "src/app/fz-ui.h"
#include "src/app/resources/fz-resources-view.h"

#include <adwaita.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SCROLL_US       4000000
#define FRAME_US        16667
#define PAUSE_FRAMES    6 /* two frames further apart than this were no movement */
#define STALL_PERIOD_MS 1u

typedef struct {
  FzTunnelModel *tunnel;
  GtkWidget *view;
  GdkFrameClock *clock;
  guint n_wanted;
  int64_t asked_us;
  int64_t stall_us; /* the longest so far */
  int64_t turned_us;
  guint stall_id;

  GArray *frames; /* double, ms */
  GArray *cpu;    /* double, ms */
  int64_t began_us;
  double began_cpu_ms;
  int64_t last_us;
  guint n_missed;

  int64_t scroll_us; /* when it began */
  int64_t change_us; /* of a search or an order */
  bool waits_for_drawn;
} Bench;

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

/* -- frames -- */

static double
cpu_ms (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static void
on_begin (GdkFrameClock *clock, Bench *self)
{
  int64_t n_periods;

  self->began_us = g_get_monotonic_time ();
  self->began_cpu_ms = cpu_ms ();
  n_periods = (self->began_us - self->last_us + FRAME_US / 2) / FRAME_US;
  if (self->last_us != 0 && n_periods > 1 && n_periods < PAUSE_FRAMES)
    self->n_missed += (guint) n_periods - 1;
  self->last_us = self->began_us;
}

static void
on_end (GdkFrameClock *clock, Bench *self)
{
  const int64_t now_us = g_get_monotonic_time ();
  const double took_ms = (double) (now_us - self->began_us) / 1000.0;
  const double computed_ms = cpu_ms () - self->began_cpu_ms;

  g_array_append_val (self->frames, took_ms);
  g_array_append_val (self->cpu, computed_ms);
  if (!self->waits_for_drawn)
    return;
  self->waits_for_drawn = false;
  printf ("drawn %.2f\n", (double) (now_us - self->change_us) / 1000.0);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  const double *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

/* @part: 0 to 1; of sorted values */
static double
at (const GArray *values, double part)
{
  guint i = (guint) ((double) values->len * part);

  return values->len > 0 ? g_array_index (values, double, MIN (i, values->len - 1)) : 0;
}

static void
tell_frames (Bench *self)
{
  g_array_sort (self->frames, compare_doubles);
  g_array_sort (self->cpu, compare_doubles);
  printf ("frames %u %.2f %.2f %.2f %.2f %.2f %u\n",
          self->frames->len,
          at (self->frames, 0.5),
          at (self->frames, 0.95),
          at (self->frames, 1),
          at (self->cpu, 0.95),
          at (self->cpu, 1),
          self->n_missed);
  g_array_set_size (self->frames, 0);
  g_array_set_size (self->cpu, 0);
  self->n_missed = 0;
  self->last_us = 0;
}

/* -- orders -- */

static gboolean
on_tick (GtkWidget *list, GdkFrameClock *clock, gpointer user_data)
{
  Bench *self = user_data;
  GtkAdjustment *place = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (list));
  const int64_t now_us = gdk_frame_clock_get_frame_time (clock);
  double done;

  if (self->scroll_us == 0)
    self->scroll_us = now_us;
  done = (double) (now_us - self->scroll_us) / SCROLL_US;
  gtk_adjustment_set_value (
      place, done * (gtk_adjustment_get_upper (place) - gtk_adjustment_get_page_size (place)));
  if (done < 1)
    return G_SOURCE_CONTINUE;
  printf ("scrolled\n");
  return G_SOURCE_REMOVE;
}

static void
do_order (Bench *self, char **words)
{
  GtkWidget *list = find_by_id (self->view, "list");
  const char *argument = words[1] != NULL ? words[1] : "";

  self->change_us = g_get_monotonic_time ();
  if (g_str_equal (words[0], "frames")) {
    tell_frames (self);
  } else if (g_str_equal (words[0], "scroll")) {
    self->scroll_us = 0;
    gtk_widget_add_tick_callback (list, on_tick, self, NULL);
  } else if (g_str_equal (words[0], "focus")) {
    gtk_widget_grab_focus (list);
    printf ("focused\n");
  } else if (g_str_equal (words[0], "search")) {
    self->waits_for_drawn = true;
    gtk_editable_set_text (GTK_EDITABLE (find_by_id (self->view, "search")), argument);
    g_signal_emit_by_name (find_by_id (self->view, "search"), "search-changed");
    gtk_widget_queue_draw (list);
  } else if (g_str_equal (words[0], "order")) {
    self->waits_for_drawn = true;
    gtk_drop_down_set_selected (GTK_DROP_DOWN (find_by_id (self->view, "order")),
                                (guint) atoi (argument));
    gtk_widget_queue_draw (list);
  }
}

static gboolean
on_input (GIOChannel *input, GIOCondition condition, gpointer user_data)
{
  g_autofree char *line = NULL;
  g_auto (GStrv) words = NULL;

  if (g_io_channel_read_line (input, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
    exit (0);
  words = g_strsplit (g_strchomp (line), " ", 2);
  do_order (user_data, words);
  return G_SOURCE_CONTINUE;
}

/* -- receiving -- */

static gboolean
on_turn (gpointer user_data)
{
  Bench *self = user_data;
  const int64_t now_us = g_get_monotonic_time ();

  self->stall_us = MAX (self->stall_us, now_us - self->turned_us);
  self->turned_us = now_us;
  return G_SOURCE_CONTINUE;
}

static void
on_changed (FzTunnelModel *tunnel, Bench *self)
{
  const int64_t now_us = g_get_monotonic_time ();

  if (self->stall_id == 0 ||
      g_list_model_get_n_items (fz_tunnel_model_get_resources (tunnel)) < self->n_wanted)
    return;
  self->stall_us = MAX (self->stall_us, now_us - self->turned_us);
  g_clear_handle_id (&self->stall_id, g_source_remove);
  printf ("ready %.1f %.1f\n",
          (double) (now_us - self->asked_us) / 1000.0,
          (double) self->stall_us / 1000.0);
}

static void
on_activate (GtkApplication *application, Bench *self)
{
  GtkWidget *window = adw_application_window_new (application);
  GIOChannel *input = g_io_channel_unix_new (0);

  self->view = g_object_new (FZ_TYPE_RESOURCES_VIEW, NULL);
  self->tunnel = fz_tunnel_model_new (NULL);
  self->asked_us = self->turned_us = g_get_monotonic_time ();
  self->stall_id = g_timeout_add (STALL_PERIOD_MS, on_turn, self);
  fz_resources_view_set_tunnel (FZ_RESOURCES_VIEW (self->view), self->tunnel);
  gtk_window_set_title (GTK_WINDOW (window), "Firezone");
  gtk_window_set_default_size (GTK_WINDOW (window), 780, 720);
  adw_application_window_set_content (ADW_APPLICATION_WINDOW (window), self->view);
  gtk_window_present (GTK_WINDOW (window));
  self->clock = gtk_widget_get_frame_clock (window);
  g_signal_connect (self->clock, "before-paint", G_CALLBACK (on_begin), self);
  g_signal_connect_after (self->clock, "after-paint", G_CALLBACK (on_end), self);
  g_signal_connect_after (self->tunnel, "changed", G_CALLBACK (on_changed), self);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_input, self);
}

int
main (int argc, char **argv)
{
  g_autoptr (AdwApplication) application =
      adw_application_new ("dev.firezone.Client.BenchResources", G_APPLICATION_NON_UNIQUE);
  Bench self = { .n_wanted = argc > 1 ? (guint) atoi (argv[1]) : 0 };

  setvbuf (stdout, NULL, _IOLBF, 0);
  fz_ui_register_resource ();
  self.frames = g_array_new (FALSE, FALSE, sizeof (double));
  self.cpu = g_array_new (FALSE, FALSE, sizeof (double));
  g_signal_connect (application, "activate", G_CALLBACK (on_activate), &self);
  g_application_run (G_APPLICATION (application), 0, NULL);
  g_array_unref (self.frames);
  g_array_unref (self.cpu);
  return 0;
}
