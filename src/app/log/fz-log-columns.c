/* fz-log-columns.c: see the header */
#include "src/app/log/fz-log-columns.h"

#include <glib/gi18n.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 600u /* more is not seen in one line, but would be laid out */
#define TIME_OF_DAY       11   /* bytes of "2026-03-01 " */

static const struct {
  const char *icon;
  const char *word;
  const char *style;
} levels[] = {
  [FZ_LOG_ERROR] = { "fz-log-error-symbolic", NC_ ("log level", "Error"), "error" },
  [FZ_LOG_WARNING] = { "fz-log-warning-symbolic", NC_ ("log level", "Warning"), "warning" },
  [FZ_LOG_INFO] = { "fz-log-info-symbolic", NC_ ("log level", "Info"), NULL },
  [FZ_LOG_DEBUG] = { "fz-log-debug-symbolic", NC_ ("log level", "Debug"), "fz-log-dim" },
  [FZ_LOG_TRACE] = { "fz-log-trace-symbolic", NC_ ("log level", "Trace"), "fz-log-dim" },
  /* Translators: a line of a log that does not say how important it is */
  [FZ_LOG_LEVEL_UNKNOWN] = { "fz-log-other-symbolic", NC_ ("log level", "Other"), "fz-log-dim" },
};

const char *
fz_log_level_icon (uint8_t level)
{
  return levels[MIN (level, FZ_LOG_LEVEL_UNKNOWN)].icon;
}

const char *
fz_log_level_word (uint8_t level)
{
  return g_dpgettext2 (NULL, "log level", levels[MIN (level, FZ_LOG_LEVEL_UNKNOWN)].word);
}

const char *
fz_log_level_style (uint8_t level)
{
  return levels[MIN (level, FZ_LOG_LEVEL_UNKNOWN)].style;
}

static const FzLogEntry *
entry_of (GtkListItem *item)
{
  return fz_log_row_get_entry (FZ_LOG_ROW (gtk_list_item_get_item (item)));
}

static GtkWidget *
new_label (const char *style)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_single_line_mode (GTK_LABEL (label), TRUE);
  if (style != NULL)
    gtk_widget_add_css_class (label, style);
  return label;
}

/* -- time -- */

static void
setup_time (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  gtk_list_item_set_child (item, new_label ("numeric"));
}

/* A label without text would be called by its type. */
static void
set_text (GtkWidget *label, const char *text)
{
  gtk_label_set_text (GTK_LABEL (label), text);
  gtk_widget_set_visible (label, *text != '\0');
}

static void
bind_time (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  const FzLogColumns *columns = user_data;
  g_autofree char *text = fz_log_time_format (entry_of (item)->time_us);
  GtkWidget *label = gtk_list_item_get_child (item);
  bool is_short = columns->is_narrow && strlen (text) > TIME_OF_DAY;

  set_text (label, is_short ? text + TIME_OF_DAY : text);
  gtk_widget_set_tooltip_text (label, is_short ? text : NULL);
}

/* -- level -- */

static void
setup_level (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  GtkWidget *icon = gtk_image_new ();

  gtk_accessible_update_state (
      GTK_ACCESSIBLE (icon), GTK_ACCESSIBLE_STATE_HIDDEN, TRUE, -1); /* the word says it */
  gtk_box_append (GTK_BOX (box), icon);
  gtk_box_append (GTK_BOX (box), new_label (NULL));
  gtk_list_item_set_child (item, box);
}

static void
bind_level (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  const FzLogColumns *columns = user_data;
  uint8_t level = entry_of (item)->level;
  GtkWidget *box = gtk_list_item_get_child (item);
  const char *classes[] = { fz_log_level_style (level), NULL };

  gtk_widget_set_css_classes (box, classes);
  gtk_widget_set_tooltip_text (box, columns->is_narrow ? fz_log_level_word (level) : NULL);
  gtk_image_set_from_icon_name (GTK_IMAGE (gtk_widget_get_first_child (box)),
                                fz_log_level_icon (level));
  gtk_label_set_text (GTK_LABEL (gtk_widget_get_last_child (box)), fz_log_level_word (level));
  gtk_widget_set_visible (gtk_widget_get_last_child (box), !columns->is_narrow);
}

/* -- target -- */

static void
setup_target (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  GtkWidget *label = new_label (NULL);

  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
  gtk_label_set_width_chars (GTK_LABEL (label), 10);
  gtk_list_item_set_child (item, label);
}

static void
bind_target (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  set_text (gtk_list_item_get_child (item), entry_of (item)->target);
}

/* -- message, and the name of the row -- */

static void
setup_message (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  GtkWidget *label = new_label (NULL);

  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_list_item_set_child (item, label);
}

static char *
cut (const char *text)
{
  size_t n = strlen (text);

  return g_utf8_make_valid (text, (gssize) MIN (n, MESSAGE_BYTES_MAX));
}

/* The row is the one thing in the list that takes the focus; it has no name unless we give it one.
 */
static void
name_row (GtkWidget *child, const FzLogEntry *entry, const char *message)
{
  GtkWidget *cell = gtk_widget_get_parent (child);
  GtkWidget *row = cell != NULL ? gtk_widget_get_parent (cell) : NULL;
  g_autofree char *time_text = fz_log_time_format (entry->time_us);
  g_autofree char *name = g_strdup_printf ("%s, %s%s%s: %s",
                                           fz_log_level_word (entry->level),
                                           time_text,
                                           entry->target[0] != '\0' ? ", " : "",
                                           entry->target,
                                           message);

  if (row != NULL)
    gtk_accessible_update_property (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static void
bind_message (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  const FzLogEntry *entry = entry_of (item);
  GtkWidget *label = gtk_list_item_get_child (item);
  g_autofree char *text = cut (entry->message);

  if (entry->kind == FZ_LOG_LINE_RAW)
    gtk_widget_add_css_class (label, "monospace");
  else
    gtk_widget_remove_css_class (label, "monospace");
  gtk_label_set_text (GTK_LABEL (label), text);
  name_row (label, entry, text);
}

/* -- all of them -- */

typedef void (*ItemFunc) (GtkSignalListItemFactory *, GtkListItem *, gpointer);

static GtkColumnViewColumn *
add_column (
    FzLogColumns *self, GtkColumnView *view, const char *title, ItemFunc setup, ItemFunc bind)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  GtkColumnViewColumn *column = gtk_column_view_column_new (title, factory);

  g_signal_connect (factory, "setup", G_CALLBACK (setup), self);
  g_signal_connect (factory, "bind", G_CALLBACK (bind), self);
  gtk_column_view_append_column (view, column);
  g_object_unref (column); /* the view has it */
  return column;
}

void
fz_log_columns_init (FzLogColumns *self, GtkColumnView *view)
{
  self->time = add_column (self, view, _ ("Time"), setup_time, bind_time);
  self->level = add_column (self, view, _ ("Level"), setup_level, bind_level);
  self->target = add_column (self, view, _ ("Target"), setup_target, bind_target);
  self->message = add_column (self, view, _ ("Message"), setup_message, bind_message);
  gtk_column_view_column_set_expand (self->message, TRUE);
  gtk_column_view_column_set_resizable (self->target, TRUE);
}

void
fz_log_columns_set_narrow (FzLogColumns *self, bool is_narrow)
{
  GtkColumnViewColumn *changed[] = { self->time, self->level };

  self->is_narrow = is_narrow;
  gtk_column_view_column_set_visible (self->target, !is_narrow);
  /* cells are made anew when their column is shown again */
  for (size_t i = 0; i < G_N_ELEMENTS (changed); i++) {
    gtk_column_view_column_set_visible (changed[i], FALSE);
    gtk_column_view_column_set_visible (changed[i], TRUE);
  }
}
