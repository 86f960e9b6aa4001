/* fz-log-columns.c: see the header */
#include "src/app/log/fz-log-columns.h"

#include <glib/gi18n.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 600u /* more is not seen in one line, but would be laid out */
#define DETAILS_ALPHA     (G_MAXUINT16 / 100 * 68) /* still 4.5:1 against every background */
#define COLUMN_KEY        "fz-log-column"          /* of a list item: its FzLogColumn */
#define TIME_OF_DAY       11                       /* bytes of "2026-03-01 " */

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

/* What a narrow column has no room for is told when somebody asks. Setting a tooltip's text would
 * ask the display server where the pointer is, for each cell that changes, and wait for it. */
static void
tell_on_query (GtkWidget *widget, GCallback on_query, GtkListItem *item)
{
  gtk_widget_set_has_tooltip (widget, TRUE);
  g_signal_connect (widget, "query-tooltip", on_query, item);
}

static bool
is_narrow (GtkListItem *item)
{
  const FzLogColumn *column = g_object_get_data (G_OBJECT (item), COLUMN_KEY);

  return column != NULL && column->all->is_narrow && gtk_list_item_get_item (item) != NULL;
}

/* -- time -- */

static gboolean
on_query_time (
    GtkWidget *label, int x, int y, gboolean by_keys, GtkTooltip *tooltip, GtkListItem *item)
{
  g_autofree char *text = is_narrow (item) ? fz_log_time_format (entry_of (item)->time_us) : NULL;

  gtk_tooltip_set_text (tooltip, text);
  return text != NULL && *text != '\0';
}

static void
setup_time (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  GtkWidget *label = new_label ("numeric");

  gtk_list_item_set_child (item, label);
  tell_on_query (label, G_CALLBACK (on_query_time), item);
}

/* A label without text would be called by its type. */
static void
set_text (GtkWidget *label, const char *text)
{
  gtk_label_set_text (GTK_LABEL (label), text);
  gtk_widget_set_visible (label, *text != '\0');
}

static void
show_time (const FzLogColumns *all, GtkListItem *item)
{
  g_autofree char *text = fz_log_time_format (entry_of (item)->time_us);
  GtkWidget *label = gtk_list_item_get_child (item);
  bool is_short = all->is_narrow && strlen (text) > TIME_OF_DAY;

  set_text (label, is_short ? text + TIME_OF_DAY : text);
}

/* -- level -- */

static gboolean
on_query_level (
    GtkWidget *box, int x, int y, gboolean by_keys, GtkTooltip *tooltip, GtkListItem *item)
{
  if (!is_narrow (item))
    return FALSE;
  gtk_tooltip_set_text (tooltip, fz_log_level_word (entry_of (item)->level));
  return TRUE;
}

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
  tell_on_query (box, G_CALLBACK (on_query_level), item);
}

static void
show_level (const FzLogColumns *all, GtkListItem *item)
{
  uint8_t level = entry_of (item)->level;
  GtkWidget *box = gtk_list_item_get_child (item);
  const char *classes[] = { fz_log_level_style (level), NULL };
  const char *shown = gtk_image_get_icon_name (GTK_IMAGE (gtk_widget_get_first_child (box)));

  gtk_widget_set_visible (gtk_widget_get_last_child (box), !all->is_narrow);
  if (g_strcmp0 (shown, fz_log_level_icon (level)) == 0)
    return; /* looking for the icon and the style anew would cost more than all the rest */
  gtk_widget_set_css_classes (box, classes);
  gtk_image_set_from_icon_name (GTK_IMAGE (gtk_widget_get_first_child (box)),
                                fz_log_level_icon (level));
  gtk_label_set_text (GTK_LABEL (gtk_widget_get_last_child (box)), fz_log_level_word (level));
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
show_target (const FzLogColumns *all, GtkListItem *item)
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

/* The message, and fainter what it is about: "connected to a peer  path=direct". */
static void
set_message (GtkLabel *label, const char *message, const char *details)
{
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();
  g_autofree char *all = g_strjoin (details[0] != '\0' ? "  " : "", message, details, NULL);
  g_autofree char *text = cut (all);
  PangoAttribute *faint = pango_attr_foreground_alpha_new (DETAILS_ALPHA);

  faint->start_index = (guint) strlen (message);
  pango_attr_list_insert (attributes, faint);
  gtk_label_set_text (label, text);
  gtk_label_set_attributes (label, attributes);
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
show_message (const FzLogColumns *all, GtkListItem *item)
{
  const FzLogEntry *entry = entry_of (item);
  GtkWidget *label = gtk_list_item_get_child (item);
  g_autofree char *text = cut (entry->message);
  g_autofree char *details = fz_log_entry_dup_details (entry);

  if (entry->kind == FZ_LOG_LINE_RAW)
    gtk_widget_add_css_class (label, "monospace");
  else
    gtk_widget_remove_css_class (label, "monospace");
  set_message (GTK_LABEL (label), text, details);
  name_row (label, entry, text);
}

/* -- all of them -- */

/* The row has become another line. */
static void
on_row_changed (FzLogRow *row, GtkListItem *item)
{
  const FzLogColumn *column = g_object_get_data (G_OBJECT (item), COLUMN_KEY);

  column->show (column->all, item);
}

static void
on_bind (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  FzLogColumn *self = user_data;

  g_object_set_data (G_OBJECT (item), COLUMN_KEY, self);
  g_signal_connect (gtk_list_item_get_item (item), "changed", G_CALLBACK (on_row_changed), item);
  self->show (self->all, item);
}

static void
on_unbind (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  g_signal_handlers_disconnect_by_data (gtk_list_item_get_item (item), item);
}

typedef void (*SetupFunc) (GtkSignalListItemFactory *, GtkListItem *, gpointer);

enum {
  TIME,
  LEVEL,
  TARGET,
  MESSAGE,
};

static void
add_column (FzLogColumns *all, int which, GtkColumnView *view, const char *title, SetupFunc setup)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  FzLogColumn *self = &all->columns[which];

  self->all = all;
  self->column = gtk_column_view_column_new (title, factory);
  g_signal_connect (factory, "setup", G_CALLBACK (setup), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (on_bind), self);
  g_signal_connect (factory, "unbind", G_CALLBACK (on_unbind), NULL);
  gtk_column_view_append_column (view, self->column);
  g_object_unref (self->column); /* the view has it */
}

void
fz_log_columns_init (FzLogColumns *self, GtkColumnView *view)
{
  *self = (FzLogColumns){
    .columns = { [TIME] = { .show = show_time },
                 [LEVEL] = { .show = show_level },
                 [TARGET] = { .show = show_target },
                 [MESSAGE] = { .show = show_message } },
  };
  add_column (self, TIME, view, _ ("Time"), setup_time);
  add_column (self, LEVEL, view, _ ("Level"), setup_level);
  add_column (self, TARGET, view, _ ("Target"), setup_target);
  add_column (self, MESSAGE, view, _ ("Message"), setup_message);
  gtk_column_view_column_set_expand (self->columns[MESSAGE].column, TRUE);
  gtk_column_view_column_set_resizable (self->columns[TARGET].column, TRUE);
}

void
fz_log_columns_set_narrow (FzLogColumns *self, bool is_narrow)
{
  static const int changed[] = { TIME, LEVEL };

  self->is_narrow = is_narrow;
  gtk_column_view_column_set_visible (self->columns[TARGET].column, !is_narrow);
  /* cells are made anew when their column is shown again */
  for (size_t i = 0; i < G_N_ELEMENTS (changed); i++) {
    gtk_column_view_column_set_visible (self->columns[changed[i]].column, FALSE);
    gtk_column_view_column_set_visible (self->columns[changed[i]].column, TRUE);
  }
}
