/* fz-fact-row.c: see fz-fact-row.h */
#include "src/app/fz-fact-row.h"

struct _FzFactRow {
  AdwActionRow parent_instance;

  GtkImage *shape;
};

G_DEFINE_FINAL_TYPE (FzFactRow, fz_fact_row, ADW_TYPE_ACTION_ROW)

const char *
fz_fact_row_style_for (FzFactLevel level)
{
  switch (level) {
  case FZ_FACT_OFF:
    return "dim-label";
  case FZ_FACT_BUSY:
    return "accent";
  case FZ_FACT_GOOD:
    return "success";
  case FZ_FACT_BAD:
    return "error";
  }
  return "dim-label";
}

void
fz_fact_row_show (FzFactRow *self, const FzFact *fact)
{
  const char *classes[] = { "fz-fact", fz_fact_row_style_for (fact->level), NULL };
  g_autofree char *title = g_markup_escape_text (fact->title, -1);
  g_autofree char *note = g_markup_escape_text (fact->note, -1);

  gtk_image_set_from_icon_name (self->shape, fz_status_fact_icon (fact->level));
  gtk_widget_set_css_classes (GTK_WIDGET (self->shape), classes);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self), note);
  gtk_accessible_update_property (
      GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, fact->note, -1);
}

static void
fz_fact_row_class_init (FzFactRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  gtk_widget_class_set_template_from_resource (widget_class, "/dev/firezone/Client/fz-fact-row.ui");
  gtk_widget_class_bind_template_child (widget_class, FzFactRow, shape);
}

static void
fz_fact_row_init (FzFactRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
