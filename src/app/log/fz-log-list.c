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

void
fz_log_list_clear (FzLogList *self)
{
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
  self->row = row;
  self->n_frames = FRAMES_TO_WAIT;
  if (self->tick_id == 0)
    self->tick_id = gtk_widget_add_tick_callback (self->inner, on_frame, self, NULL);
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
