/* fz-log-view.c: see the header */
#include "src/app/log/fz-log-view.h"

#include "src/app/log/fz-log-columns.h"
#include "src/app/log/fz-log-details.h"
#include "src/app/log/fz-log-files.h"
#include "src/app/log/fz-log-filter-bar.h"
#include "src/app/log/fz-log-list.h"
#include "src/app/log/fz-log-reader.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <string.h>

#define NARROW_CHARS   80  /* of width; below, columns collapse: 360 px, or twice the text size */
#define DETAILS_HEIGHT 290 /* px */
#define NO_LINE        UINT32_MAX

struct _FzLogView {
  AdwBin parent_instance;

  AdwToastOverlay *toasts;
  FzLogFilterBar *filter_bar;
  GtkStack *pages;
  AdwStatusPage *failed_page;
  GtkColumnView *list;
  GtkPaned *paned;
  GtkWidget *details_box;
  FzLogDetails *details;
  GtkLabel *status;
  GtkSpinner *spinner;

  FzLogReader *reader;
  FzLogFiles *files;
  FzLogColumns columns;
  FzLogList rows;
  GtkSingleSelection *selection; /* of the reader's model; NULL without one */
  uint32_t selected_line;        /* NO_LINE: none */
  FzLogIndex *index;             /* of what is shown; NULL: nothing */
  uint32_t line_in_view;         /* that is to stay where it is when the answer changes */
  double y_in_view;              /* px from the top of the list */
  bool has_placed_details;       /* the border above them is where we want it */
  bool is_selecting;             /* by us, not by the person */
  bool follows;
  bool is_narrow;
  guint narrow_id;
};

enum {
  PROP_0,
  PROP_FOLLOW,
  N_PROPS,
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (FzLogView, fz_log_view, ADW_TYPE_BIN)

/* -- words -- */

/* The C locale has no separator, and seven digits in a row cannot be read. */
static char *
format_count (uint32_t n)
{
  const char *separator = localeconv ()->thousands_sep;
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "%u", n);
  if (separator[0] == '\0')
    separator = ",";
  for (gssize at = (gssize) text->len - 3; at > 0; at -= 3)
    g_string_insert (text, at, separator);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
say (FzLogView *self, const char *text)
{
  g_autofree char *markup = g_markup_escape_text (text, -1);
  AdwToast *toast = adw_toast_new (markup);

  adw_toast_set_timeout (toast, 3);
  adw_toast_overlay_add_toast (self->toasts, toast);
}

static guint
get_n_rows (FzLogView *self)
{
  FzLogModel *model = fz_log_reader_get_model (self->reader);

  return model != NULL ? g_list_model_get_n_items (G_LIST_MODEL (model)) : 0;
}

static char *
describe_count (FzLogView *self)
{
  uint32_t n_lines = fz_log_reader_get_n_lines (self->reader), n_rows = get_n_rows (self);
  g_autofree char *lines = format_count (n_lines), *rows = format_count (n_rows);
  FzLogModel *model = fz_log_reader_get_model (self->reader);

  if (model == NULL)
    return g_strdup ("");
  if (fz_log_model_get_rows (model) == NULL)
    /* Translators: %s is a number such as 1,000,000 */
    return g_strdup_printf (ngettext ("%s line", "%s lines", n_lines), lines);
  /* Translators: how many lines a filter shows: "12,345 of 1,000,000 lines" */
  return g_strdup_printf (ngettext ("%s of %s line", "%s of %s lines", n_lines), rows, lines);
}

/* -- what is shown -- */

static const char *
page_of_state (FzLogView *self)
{
  bool is_service = fz_log_reader_is_service (self->reader);

  switch (fz_log_reader_get_state (self->reader)) {
  case FZ_LOG_READER_CLOSED:
  case FZ_LOG_READER_LOADING:
    return "loading";
  case FZ_LOG_READER_FAILED:
    return "failed";
  case FZ_LOG_READER_DENIED:
    return is_service ? "denied-service" : "denied-file";
  case FZ_LOG_READER_MISSING:
    return is_service ? "missing-service" : "missing-file";
  case FZ_LOG_READER_READY:
    break;
  }
  if (get_n_rows (self) > 0)
    return "list";
  return fz_log_reader_get_n_lines (self->reader) > 0 ? "no-match" : "empty";
}

static void
update_actions (FzLogView *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  bool has_rows = get_n_rows (self) > 0, has_line = self->selected_line != NO_LINE;

  gtk_widget_action_set_enabled (widget, "log.next-error", has_rows);
  gtk_widget_action_set_enabled (widget, "log.previous-error", has_rows);
  gtk_widget_action_set_enabled (widget, "log.copy-text", has_line);
  gtk_widget_action_set_enabled (widget, "log.copy-json", has_line);
  gtk_widget_action_set_enabled (widget,
                                 "log.export",
                                 fz_log_reader_get_model (self->reader) != NULL &&
                                     !fz_log_files_is_exporting (self->files));
  gtk_widget_action_set_enabled (
      widget, "log.show-service", !fz_log_reader_is_service (self->reader));
}

static void
update (FzLogView *self)
{
  g_autofree char *text = describe_count (self);
  bool is_busy = fz_log_reader_is_reading (self->reader);

  gtk_stack_set_visible_child_name (self->pages, page_of_state (self));
  adw_status_page_set_description (self->failed_page, fz_log_reader_get_detail (self->reader));
  gtk_label_set_text (self->status, text);
  gtk_widget_set_visible (GTK_WIDGET (self->status), *text != '\0');
  gtk_widget_set_sensitive (GTK_WIDGET (self->filter_bar),
                            fz_log_reader_get_state (self->reader) == FZ_LOG_READER_READY);
  gtk_spinner_set_spinning (self->spinner, is_busy);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), is_busy);
  update_actions (self);
}

/* Room for a dozen fields, but never more than half. Done when there is a height to share. */
static void
place_details (FzLogView *self)
{
  int height = gtk_widget_get_height (GTK_WIDGET (self->paned));

  if (self->has_placed_details || height == 0)
    return;
  self->has_placed_details = true;
  gtk_paned_set_position (self->paned, height - MIN (height / 2, DETAILS_HEIGHT));
}

/* Details that were opened before there was anything to share. */
static void
prepare_jump (gpointer user_data)
{
  FzLogView *self = user_data;

  if (gtk_widget_get_visible (self->details_box))
    place_details (self);
}

static void
follow_soon (FzLogView *self)
{
  if (self->follows)
    fz_log_list_scroll_to (&self->rows, FZ_LOG_LIST_END);
}

static void
set_follow (FzLogView *self, bool follows)
{
  if (self->follows == follows)
    return;
  self->follows = follows;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_FOLLOW]);
  follow_soon (self);
}

/* -- the selected line -- */

static FzLogRow *
get_selected (FzLogView *self)
{
  gpointer item =
      self->selection != NULL ? gtk_single_selection_get_selected_item (self->selection) : NULL;

  return item != NULL ? FZ_LOG_ROW (item) : NULL;
}

static void
open_details (FzLogView *self)
{
  if (!gtk_widget_get_visible (self->details_box))
    self->has_placed_details = false;
  gtk_widget_set_visible (self->details_box, TRUE);
  place_details (self);
}

static void
show_selected (FzLogView *self)
{
  FzLogRow *row = get_selected (self);

  self->selected_line = row != NULL ? fz_log_row_get_line (row) : NO_LINE;
  fz_log_details_set_row (self->details, row);
  if (row != NULL)
    open_details (self);
  else
    gtk_widget_set_visible (self->details_box, FALSE);
  update_actions (self);
}

/* Who looks at a line does not want to be carried away from it. */
static void
on_selected (GObject *selection, GParamSpec *pspec, gpointer user_data)
{
  FzLogView *self = user_data;

  if (self->is_selecting)
    return;
  show_selected (self);
  if (self->selected_line != NO_LINE)
    set_follow (self, false);
}

static void
select_row (FzLogView *self, guint row)
{
  set_follow (self, false);
  gtk_single_selection_set_selected (self->selection, row);
  fz_log_list_scroll_to (&self->rows, row);
}

/* -- another answer -- */

/* Where the person looks: at the selected line if it can be seen, or at the first one on the
 * screen. Who did not move since the last answer still wants to be where that found them, even if
 * it had nothing to show there. */
static void
remember_place (FzLogView *self)
{
  FzLogModel *model = fz_log_reader_get_model (self->reader);
  guint selected = self->selection != NULL ? gtk_single_selection_get_selected (self->selection)
                                           : GTK_INVALID_LIST_POSITION;
  FzLogListPlace place;

  if (model == NULL || get_n_rows (self) == 0)
    return;
  if (selected == GTK_INVALID_LIST_POSITION || !fz_log_list_find (&self->rows, selected, &place)) {
    if (!fz_log_list_was_scrolled (&self->rows))
      return;
    place = fz_log_list_get_top (&self->rows);
  }
  self->line_in_view = fz_log_model_get_line (model, place.row);
  self->y_in_view = place.y;
}

static void
return_to_place (FzLogView *self, FzLogModel *model)
{
  guint row = fz_log_model_find_line (model, self->line_in_view), n_rows = get_n_rows (self);

  if (!self->follows && n_rows > 0)
    fz_log_list_set_place (&self->rows,
                           (FzLogListPlace){ .row = MIN (row, n_rows - 1), .y = self->y_in_view });
}

/* In another answer of the same file the line is at another place, or gone. */
static void
select_line_again (FzLogView *self, FzLogModel *model)
{
  guint row = fz_log_model_find_line (model, self->selected_line);
  bool is_there =
      row < get_n_rows (self) && fz_log_model_get_line (model, row) == self->selected_line;

  gtk_single_selection_set_selected (self->selection, is_there ? row : GTK_INVALID_LIST_POSITION);
  if (!is_there)
    show_selected (self);
}

static GtkSingleSelection *
new_selection (FzLogView *self, FzLogModel *model)
{
  GtkSingleSelection *selection = gtk_single_selection_new (NULL);

  gtk_single_selection_set_autoselect (selection, FALSE);
  gtk_single_selection_set_can_unselect (selection, TRUE);
  gtk_single_selection_set_model (selection, G_LIST_MODEL (model));
  g_signal_connect_object (selection, "notify::selected-item", G_CALLBACK (on_selected), self, 0);
  return selection;
}

/* The first file, or none. */
static void
take_model (FzLogView *self, FzLogModel *model)
{
  g_autoptr (GtkSingleSelection) selection = model != NULL ? new_selection (self, model) : NULL;

  gtk_column_view_set_model (self->list, GTK_SELECTION_MODEL (selection));
  g_set_object (&self->selection, selection);
}

/* Nothing of the file that was shown is of use in this one. */
static void
take_index (FzLogView *self, FzLogIndex *index)
{
  g_clear_pointer (&self->index, fz_log_index_unref);
  self->index = index != NULL ? fz_log_index_ref (index) : NULL;
  self->selected_line = NO_LINE;
  self->line_in_view = 0;
  self->y_in_view = 0;
  if (self->selection != NULL)
    gtk_single_selection_set_selected (self->selection, GTK_INVALID_LIST_POSITION);
  show_selected (self);
}

static void
on_replacing (FzLogReader *reader, FzLogView *self)
{
  remember_place (self);
  self->is_selecting = true;
}

static void
on_replaced (FzLogReader *reader, FzLogView *self)
{
  FzLogModel *model = fz_log_reader_get_model (reader);
  FzLogIndex *index = model != NULL ? fz_log_model_get_index (model) : NULL;

  if (model == NULL || self->selection == NULL)
    take_model (self, model);
  if (index != self->index)
    take_index (self, index);
  else if (self->selected_line != NO_LINE)
    select_line_again (self, model);
  self->is_selecting = false;
  if (model != NULL)
    return_to_place (self, model);
  fz_log_filter_bar_set_last_time (self->filter_bar, fz_log_reader_get_last_time_us (reader));
  update (self);
  follow_soon (self);
}

static void
on_grew (FzLogReader *reader, FzLogView *self)
{
  fz_log_filter_bar_set_last_time (self->filter_bar, fz_log_reader_get_last_time_us (reader));
  update (self);
  follow_soon (self);
}

static void
on_filter_changed (FzLogView *self)
{
  uint32_t line;

  remember_place (self);
  line = self->line_in_view;
  if (self->selected_line != NO_LINE)
    line = MAX (line, self->selected_line);
  if (self->follows)
    line = NO_LINE; /* the end */
  fz_log_reader_set_query (self->reader, fz_log_filter_bar_get_query (self->filter_bar), line);
  update (self);
}

/* Scrolling back is looking at something; the wheel down to the end is not asked to follow again.
 */
static gboolean
on_scrolled (FzLogView *self, double dx, double dy)
{
  if (dy < 0)
    set_follow (self, false);
  return GDK_EVENT_PROPAGATE;
}

/* -- actions -- */

static void
find (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_filter_bar_focus_search (FZ_LOG_VIEW (widget)->filter_bar);
}

static void
clear_filters (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_filter_bar_clear (FZ_LOG_VIEW (widget)->filter_bar);
}

static void
focus_list (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_list_focus (&FZ_LOG_VIEW (widget)->rows);
}

static void
close_details (GtkWidget *widget, const char *name, GVariant *parameter)
{
  FzLogView *self = FZ_LOG_VIEW (widget);

  if (self->selection != NULL)
    gtk_single_selection_set_selected (self->selection, GTK_INVALID_LIST_POSITION);
  focus_list (widget, name, parameter);
}

static void
go_to_error (FzLogView *self, int step)
{
  FzLogModel *model = fz_log_reader_get_model (self->reader);
  guint selected = self->selection != NULL ? gtk_single_selection_get_selected (self->selection)
                                           : GTK_INVALID_LIST_POSITION;
  uint32_t row = FZ_LOG_NO_ROW;

  if (model != NULL)
    row = fz_log_rows_find_level (fz_log_model_get_index (model),
                                  fz_log_model_get_rows (model),
                                  selected != GTK_INVALID_LIST_POSITION ? selected : FZ_LOG_NO_ROW,
                                  step,
                                  FZ_LOG_ERROR);
  if (row != FZ_LOG_NO_ROW && row < get_n_rows (self))
    select_row (self, row);
  else
    say (self,
         step > 0 ? _ ("No further error in what is shown")
                  : _ ("No earlier error in what is shown"));
}

static void
next_error (GtkWidget *widget, const char *name, GVariant *parameter)
{
  go_to_error (FZ_LOG_VIEW (widget), 1);
}

static void
previous_error (GtkWidget *widget, const char *name, GVariant *parameter)
{
  go_to_error (FZ_LOG_VIEW (widget), -1);
}

static void
copy (FzLogView *self, char *(*to_text) (const FzLogEntry *), const char *done)
{
  FzLogRow *row = get_selected (self);
  g_autofree char *text = row != NULL ? to_text (fz_log_row_get_entry (row)) : NULL;

  if (text == NULL)
    return;
  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), text);
  say (self, done);
}

static void
copy_text (GtkWidget *widget, const char *name, GVariant *parameter)
{
  copy (FZ_LOG_VIEW (widget), fz_log_entry_to_text, _ ("Line copied as text"));
}

static void
copy_json (GtkWidget *widget, const char *name, GVariant *parameter)
{
  copy (FZ_LOG_VIEW (widget), fz_log_entry_to_json, _ ("Line copied as JSON"));
}

static void
show_service (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_view_open_service (FZ_LOG_VIEW (widget), NULL);
}

static void
retry (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_reader_retry (FZ_LOG_VIEW (widget)->reader, false);
}

static void
ask_permission (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_reader_retry (FZ_LOG_VIEW (widget)->reader, true);
}

static void
open_file (GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_files_open (FZ_LOG_VIEW (widget)->files, widget);
}

static void export(GtkWidget *widget, const char *name, GVariant *parameter)
{
  fz_log_files_export (FZ_LOG_VIEW (widget)->files, widget);
}

/* -- width -- */

static gboolean
on_width_crossed (gpointer user_data)
{
  FzLogView *self = user_data;

  self->narrow_id = 0;
  fz_log_columns_set_narrow (&self->columns, self->is_narrow);
  fz_log_filter_bar_set_compact (self->filter_bar, self->is_narrow);
  return G_SOURCE_REMOVE;
}

/* Measured in characters, so that large text collapses the columns as a small window does. */
static void
note_width (FzLogView *self, int width)
{
  PangoContext *context = gtk_widget_get_pango_context (GTK_WIDGET (self));
  PangoFontMetrics *metrics = pango_context_get_metrics (context, NULL, NULL);
  int char_width = pango_font_metrics_get_approximate_char_width (metrics) / PANGO_SCALE;
  bool is_narrow = width < NARROW_CHARS * MAX (char_width, 1);

  pango_font_metrics_unref (metrics);
  if (is_narrow == self->is_narrow)
    return;
  self->is_narrow = is_narrow;
  if (self->narrow_id == 0)
    self->narrow_id = g_idle_add (on_width_crossed, self);
}

static void
measure (GtkWidget *widget,
         GtkOrientation orientation,
         int for_size,
         int *minimum,
         int *natural,
         int *minimum_baseline,
         int *natural_baseline)
{
  gtk_widget_measure (gtk_widget_get_first_child (widget),
                      orientation,
                      for_size,
                      minimum,
                      natural,
                      minimum_baseline,
                      natural_baseline);
}

static void
allocate (GtkWidget *widget, int width, int height, int baseline)
{
  gtk_widget_allocate (gtk_widget_get_first_child (widget), width, height, baseline, NULL);
  note_width (FZ_LOG_VIEW (widget), width);
}

/* -- life -- */

static void
map (GtkWidget *widget)
{
  fz_log_reader_set_paused (FZ_LOG_VIEW (widget)->reader, false);
  GTK_WIDGET_CLASS (fz_log_view_parent_class)->map (widget);
}

static void
unmap (GtkWidget *widget)
{
  FzLogView *self = FZ_LOG_VIEW (widget);

  if (self->reader != NULL) /* not while we go */
    fz_log_reader_set_paused (self->reader, true);
  GTK_WIDGET_CLASS (fz_log_view_parent_class)->unmap (widget);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_FOLLOW)
    g_value_set_boolean (value, FZ_LOG_VIEW (object)->follows);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_FOLLOW)
    set_follow (FZ_LOG_VIEW (object), g_value_get_boolean (value));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
dispose (GObject *object)
{
  FzLogView *self = FZ_LOG_VIEW (object);

  g_clear_handle_id (&self->narrow_id, g_source_remove);
  fz_log_list_clear (&self->rows);
  if (self->files != NULL)
    fz_log_files_close (self->files);
  g_clear_object (&self->files);
  g_clear_object (&self->selection);
  g_clear_pointer (&self->index, fz_log_index_unref);
  if (self->reader != NULL)
    g_signal_handlers_disconnect_by_data (self->reader, self);
  g_clear_object (&self->reader);
  G_OBJECT_CLASS (fz_log_view_parent_class)->dispose (object);
}

static void
install_actions (GtkWidgetClass *widget_class)
{
  gtk_widget_class_install_action (widget_class, "log.find", NULL, find);
  gtk_widget_class_install_action (widget_class, "log.clear-filters", NULL, clear_filters);
  gtk_widget_class_install_action (widget_class, "log.focus-list", NULL, focus_list);
  gtk_widget_class_install_action (widget_class, "log.close-details", NULL, close_details);
  gtk_widget_class_install_action (widget_class, "log.next-error", NULL, next_error);
  gtk_widget_class_install_action (widget_class, "log.previous-error", NULL, previous_error);
  gtk_widget_class_install_action (widget_class, "log.copy-text", NULL, copy_text);
  gtk_widget_class_install_action (widget_class, "log.copy-json", NULL, copy_json);
  gtk_widget_class_install_action (widget_class, "log.open-file", NULL, open_file);
  gtk_widget_class_install_action (widget_class, "log.show-service", NULL, show_service);
  gtk_widget_class_install_action (widget_class, "log.export", NULL, export);
  gtk_widget_class_install_action (widget_class, "log.retry", NULL, retry);
  gtk_widget_class_install_action (widget_class, "log.ask-permission", NULL, ask_permission);
  gtk_widget_class_install_property_action (widget_class, "log.follow", "follow");
}

static void
bind_keys (GtkWidgetClass *widget_class)
{
  static const struct {
    guint key;
    GdkModifierType modifiers;
    const char *action;
  } keys[] = {
    { GDK_KEY_f, GDK_CONTROL_MASK, "log.find" },
    { GDK_KEY_F8, 0, "log.next-error" },
    { GDK_KEY_F8, GDK_SHIFT_MASK, "log.previous-error" },
    { GDK_KEY_c, GDK_CONTROL_MASK | GDK_SHIFT_MASK, "log.copy-text" },
    { GDK_KEY_j, GDK_CONTROL_MASK | GDK_SHIFT_MASK, "log.copy-json" },
    { GDK_KEY_End, GDK_CONTROL_MASK, "log.follow" },
    { GDK_KEY_e, GDK_CONTROL_MASK, "log.export" },
    { GDK_KEY_o, GDK_CONTROL_MASK, "log.open-file" },
    { GDK_KEY_Escape, 0, "log.close-details" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (keys); i++)
    gtk_widget_class_add_binding_action (
        widget_class, keys[i].key, keys[i].modifiers, keys[i].action, NULL);
}

static void
bind_template (GtkWidgetClass *widget_class)
{
  g_type_ensure (FZ_TYPE_LOG_DETAILS);
  g_type_ensure (FZ_TYPE_LOG_FILTER_BAR);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/log/fz-log-view.ui");
  gtk_widget_class_bind_template_child (widget_class, FzLogView, toasts);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, filter_bar);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, pages);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, failed_page);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, list);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, paned);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, details_box);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, details);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, status);
  gtk_widget_class_bind_template_child (widget_class, FzLogView, spinner);
  gtk_widget_class_bind_template_callback (widget_class, on_filter_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_scrolled);
}

static void
fz_log_view_class_init (FzLogViewClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->get_property = get_property;
  object_class->set_property = set_property;
  object_class->dispose = dispose;
  widget_class->map = map;
  widget_class->unmap = unmap;
  props[PROP_FOLLOW] =
      g_param_spec_boolean ("follow",
                            NULL,
                            NULL,
                            FALSE,
                            G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
  bind_template (widget_class);
  install_actions (widget_class);
  bind_keys (widget_class);
}

static void
fz_log_view_init (FzLogView *self)
{
  self->selected_line = NO_LINE;
  self->reader = fz_log_reader_new ();
  self->files = fz_log_files_new (self->reader);
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_widget_set_layout_manager (GTK_WIDGET (self),
                                 gtk_custom_layout_new (NULL, measure, allocate));
  fz_log_columns_init (&self->columns, self->list);
  fz_log_list_init (&self->rows, self->list, prepare_jump, self);
  fz_log_filter_bar_capture_keys (self->filter_bar, GTK_WIDGET (self->list));
  g_signal_connect (self->reader, "replacing", G_CALLBACK (on_replacing), self);
  g_signal_connect (self->reader, "replaced", G_CALLBACK (on_replaced), self);
  g_signal_connect (self->reader, "grew", G_CALLBACK (on_grew), self);
  g_signal_connect_swapped (self->reader, "changed", G_CALLBACK (update), self);
  g_signal_connect_object (
      self->files, "chosen", G_CALLBACK (fz_log_view_open_file), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->files, "said", G_CALLBACK (say), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (
      self->files, "changed", G_CALLBACK (update_actions), self, G_CONNECT_SWAPPED);
  update (self);
}

GtkWidget *
fz_log_view_new (void)
{
  return g_object_new (FZ_TYPE_LOG_VIEW, NULL);
}

void
fz_log_view_open_file (FzLogView *self, const char *path)
{
  set_follow (self, false);
  fz_log_reader_open_file (self->reader, path);
  update (self);
}

void
fz_log_view_open_service (FzLogView *self, GDBusConnection *bus)
{
  set_follow (self, true);
  fz_log_reader_open_service (self->reader, bus);
  update (self);
}

bool
fz_log_view_is_open (FzLogView *self)
{
  return fz_log_reader_get_state (self->reader) != FZ_LOG_READER_CLOSED;
}
