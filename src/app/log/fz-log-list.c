/* fz-log-list.c: see the header */
#include "src/app/log/fz-log-list.h"

#include <glib/gi18n.h>

#define FRAMES_TO_WAIT 2

static GtkWidget *
find_inner_list (GtkColumnView *view)
{
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (view));

  while (child != NULL && !GTK_IS_LIST_VIEW (child))
    child = gtk_widget_get_next_sibling (child);
  g_assert (child != NULL);
  return child;
}

static void
name_parts (FzLogList *self)
{
  GtkWidget *header = gtk_widget_get_first_child (GTK_WIDGET (self->view));

  gtk_accessible_update_property (
      GTK_ACCESSIBLE (self->inner), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Lines of the log"), -1);
  gtk_accessible_update_property (
      GTK_ACCESSIBLE (header), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Column headings"), -1);
  gtk_widget_set_focusable (header, FALSE); /* nothing there can be pressed */
}

void
fz_log_list_init (FzLogList *self,
                  GtkColumnView *view,
                  void (*prepare) (gpointer user_data),
                  gpointer user_data)
{
  *self = (FzLogList){
    .view = view, .inner = find_inner_list (view), .prepare = prepare, .user_data = user_data
  };
  name_parts (self);
}

static void
forget_place (FzLogList *self)
{
  if (self->clock != NULL)
    g_clear_signal_handler (&self->layout_id, self->clock);
  g_clear_object (&self->clock);
}

void
fz_log_list_clear (FzLogList *self)
{
  forget_place (self);
  if (self->tick_id != 0)
    gtk_widget_remove_tick_callback (self->inner, self->tick_id);
  self->tick_id = 0;
}

/* The list knows how high its rows are only after it was laid out with them, and details that open
 * or close change how much it shows; a jump before that ends at a wrong place. So it waits for some
 * frames. */
static gboolean
on_frame (GtkWidget *inner, GdkFrameClock *clock, gpointer user_data)
{
  FzLogList *self = user_data;
  GtkSelectionModel *model = gtk_column_view_get_model (self->view);
  guint n_rows = model != NULL ? g_list_model_get_n_items (G_LIST_MODEL (model)) : 0, row;

  self->prepare (self->user_data);
  if (gtk_widget_get_height (inner) == 0 || self->n_frames > 0) {
    self->n_frames -= self->n_frames > 0;
    return G_SOURCE_CONTINUE;
  }
  self->tick_id = 0;
  row = self->row == FZ_LOG_LIST_END ? n_rows - 1 : self->row;
  if (n_rows > 0 && row < n_rows)
    gtk_widget_activate_action (inner, "list.scroll-to-item", "u", row);
  return G_SOURCE_REMOVE;
}

void
fz_log_list_scroll_to (FzLogList *self, guint row)
{
  forget_place (self);
  self->row = row;
  self->n_frames = FRAMES_TO_WAIT;
  if (self->tick_id == 0)
    self->tick_id = gtk_widget_add_tick_callback (self->inner, on_frame, self, NULL);
}

/* -- places -- */

static GtkAdjustment *
get_adjustment (const FzLogList *self)
{
  return gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (self->view));
}

static guint
get_n_rows (const FzLogList *self)
{
  GtkSelectionModel *model = gtk_column_view_get_model (self->view);

  return model != NULL ? g_list_model_get_n_items (G_LIST_MODEL (model)) : 0;
}

/* All rows are one line high. 0 before they were laid out. */
static double
get_row_height (const FzLogList *self)
{
  guint n_rows = get_n_rows (self);

  return n_rows > 0 ? gtk_adjustment_get_upper (get_adjustment (self)) / n_rows : 0;
}

FzLogListPlace
fz_log_list_get_top (const FzLogList *self)
{
  const double value = gtk_adjustment_get_value (get_adjustment (self));
  const double height = get_row_height (self);
  FzLogListPlace place = { .row = 0 };

  if (height > 0) {
    place.row = MIN ((guint) (value / height), get_n_rows (self) - 1);
    place.y = place.row * height - value;
  }
  return place;
}

bool
fz_log_list_find (const FzLogList *self, guint row, FzLogListPlace *out)
{
  GtkAdjustment *adjustment = get_adjustment (self);
  const double height = get_row_height (self);
  const double y = row * height - gtk_adjustment_get_value (adjustment);

  if (height <= 0 || y <= -height || y >= gtk_adjustment_get_page_size (adjustment))
    return false;
  *out = (FzLogListPlace){ .row = row, .y = y };
  return true;
}

/* The list has laid out its new rows; what we change here is laid out again before it is painted.
 */
static void
on_layout (GdkFrameClock *clock, gpointer user_data)
{
  FzLogList *self = user_data;
  GtkAdjustment *adjustment = get_adjustment (self);

  forget_place (self);
  if (get_n_rows (self) == 0) /* they have gone since; an empty list is not laid out at all */
    return;
  gtk_adjustment_set_value (adjustment, self->place.row * get_row_height (self) - self->place.y);
  self->placed_px = gtk_adjustment_get_value (adjustment);
}

void
fz_log_list_set_place (FzLogList *self, FzLogListPlace place)
{
  GdkFrameClock *clock = gtk_widget_get_frame_clock (self->inner);

  forget_place (self);
  if (clock == NULL)
    return;
  self->place = place;
  self->clock = g_object_ref (clock);
  self->layout_id = g_signal_connect_after (clock, "layout", G_CALLBACK (on_layout), self);
  gdk_frame_clock_request_phase (clock, GDK_FRAME_CLOCK_PHASE_LAYOUT);
}

bool
fz_log_list_was_scrolled (const FzLogList *self)
{
  const double moved = gtk_adjustment_get_value (get_adjustment (self)) - self->placed_px;

  return self->clock == NULL && ABS (moved) >= get_row_height (self) / 2;
}

void
fz_log_list_focus (FzLogList *self)
{
  GtkRoot *root = gtk_widget_get_root (self->inner);
  GtkWidget *focus = root != NULL ? gtk_root_get_focus (root) : NULL;

  /* from within, the next step would lead out again */
  if (focus == NULL || !gtk_widget_is_ancestor (focus, self->inner))
    gtk_widget_child_focus (self->inner, GTK_DIR_TAB_FORWARD);
}
