/* fz-log-details.c: see the header */
#include "src/app/log/fz-log-details.h"

#include "src/app/log/fz-log-columns.h"

#include <glib/gi18n.h>

struct _FzLogDetails {
  AdwBin parent_instance;

  GtkImage *level_icon;
  GtkLabel *level_label;
  GtkLabel *where_label;
  GtkLabel *message_label;
  GtkGrid *fields;
  GtkLabel *cut_label;
};

G_DEFINE_FINAL_TYPE (FzLogDetails, fz_log_details, ADW_TYPE_BIN)

static void
clear_fields (FzLogDetails *self)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->fields))) != NULL)
    gtk_grid_remove (self->fields, child);
}

static GtkWidget *
new_value (const char *text)
{
  GtkWidget *value = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (value), 0);
  gtk_label_set_wrap (GTK_LABEL (value), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (value), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_selectable (GTK_LABEL (value), TRUE);
  gtk_widget_set_hexpand (value, TRUE);
  gtk_widget_add_css_class (value, "monospace");
  return value;
}

static void
add_field (FzLogDetails *self, const char *key_text, const char *value_text, int at)
{
  GtkWidget *key = gtk_label_new (key_text), *value = new_value (value_text);
  g_autofree char *name = g_strdup_printf ("%s: %s", key_text, value_text);

  gtk_label_set_xalign (GTK_LABEL (key), 0);
  gtk_label_set_yalign (GTK_LABEL (key), 0);
  gtk_label_set_wrap (GTK_LABEL (key), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (key), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_max_width_chars (GTK_LABEL (key), 16);
  gtk_widget_add_css_class (key, "fz-log-dim");
  gtk_accessible_update_property (GTK_ACCESSIBLE (value), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
  gtk_grid_attach (self->fields, key, 0, at, 1, 1);
  gtk_grid_attach (self->fields, value, 1, at, 1, 1);
}

static void
show_head (FzLogDetails *self, const FzLogEntry *entry)
{
  g_autofree char *time_text = fz_log_time_format (entry->time_us);
  /* Translators: the place of a line in a log file, counted from 1 */
  g_autofree char *line_text = g_strdup_printf (_ ("Line %u"), entry->line + 1);
  const char *classes[] = { fz_log_level_style (entry->level), NULL };
  g_autofree char *where =
      g_strjoin (time_text[0] != '\0' ? " · " : "", time_text, line_text, NULL);

  gtk_image_set_from_icon_name (self->level_icon, fz_log_level_icon (entry->level));
  gtk_widget_set_css_classes (GTK_WIDGET (self->level_icon), classes);
  gtk_label_set_text (self->level_label, fz_log_level_word (entry->level));
  gtk_label_set_text (self->where_label, where);
  gtk_label_set_text (self->message_label, entry->message);
}

void
fz_log_details_set_row (FzLogDetails *self, FzLogRow *row)
{
  const FzLogEntry *entry;

  clear_fields (self);
  if (row == NULL)
    return;
  entry = fz_log_row_get_entry (row);
  show_head (self, entry);
  for (guint i = 0; i < entry->fields->len; i++) {
    const FzLogEntryField *field = entry->fields->pdata[i];

    add_field (self, field->key, field->value, (int) i);
  }
  gtk_label_set_text (self->cut_label,
                      entry->is_gone  ? _ ("The file has changed; this line is no longer in it.")
                      : entry->is_cut ? _ ("The line is longer; its beginning is shown.")
                      : entry->kind == FZ_LOG_LINE_RAW
                          ? _ ("This line is not a whole log record; it is shown as it is.")
                          : "");
  gtk_widget_set_visible (GTK_WIDGET (self->cut_label),
                          gtk_label_get_text (self->cut_label)[0] != '\0');
}

static void
fz_log_details_class_init (FzLogDetailsClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/log/fz-log-details.ui");
  gtk_widget_class_bind_template_child (widget_class, FzLogDetails, level_icon);
  gtk_widget_class_bind_template_child (widget_class, FzLogDetails, level_label);
  gtk_widget_class_bind_template_child (widget_class, FzLogDetails, where_label);
  gtk_widget_class_bind_template_child (widget_class, FzLogDetails, message_label);
  gtk_widget_class_bind_template_child (widget_class, FzLogDetails, fields);
  gtk_widget_class_bind_template_child (widget_class, FzLogDetails, cut_label);
}

static void
fz_log_details_init (FzLogDetails *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
