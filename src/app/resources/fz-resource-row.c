/* fz-resource-row.c: see fz-resource-row.h */
#include "src/app/resources/fz-resource-row.h"

#include "src/app/fz-words.h"

#include <glib/gi18n.h>

struct _FzResourceRow {
  GtkBox parent_instance;

  GtkImage *icon;
  GtkLabel *name;
  GtkLabel *address;
  GtkLabel *state;
  GtkLabel *rtt;
  GtkButton *star;

  FzResourceItem *item; /* NULL while unused */
};

G_DEFINE_FINAL_TYPE (FzResourceRow, fz_resource_row, GTK_TYPE_BOX)

/* Setting what is so already would still cost a relayout. */
static void
set_label (GtkLabel *label, const char *text)
{
  if (g_strcmp0 (gtk_label_get_label (label), text) != 0)
    gtk_label_set_label (label, text);
}

static void
show_star (FzResourceRow *self)
{
  bool is_favourite = fz_resource_item_is_favourite (self->item);
  const char *name = fz_resource_item_get_name (self->item);
  g_autofree char *words = is_favourite
                               ? g_strdup_printf (_ ("Remove %s from the favourites"), name)
                               : g_strdup_printf (_ ("Add %s to the favourites"), name);

  gtk_widget_set_visible (GTK_WIDGET (self->star), !fz_resource_item_is_internet (self->item));
  gtk_button_set_icon_name (self->star, is_favourite ? "starred-symbolic" : "non-starred-symbolic");
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->star), words);
  gtk_accessible_update_property (
      GTK_ACCESSIBLE (self->star), GTK_ACCESSIBLE_PROPERTY_LABEL, words, -1);
}

/* The list's own widget around us takes the focus, and has no name in GTK 4.8. */
static void
name_list_item (FzResourceRow *self, const char *state)
{
  GtkWidget *parent = gtk_widget_get_parent (GTK_WIDGET (self));
  g_autofree char *name = NULL;

  if (parent == NULL)
    return;
  /* Translators: a resource's name and its state, for screen readers: "Wiki, Relayed" */
  name = g_strdup_printf (_ ("%s, %s"), fz_resource_item_get_name (self->item), state);
  gtk_accessible_update_property (GTK_ACCESSIBLE (parent), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static void
show (FzResourceRow *self)
{
  FzResourceState state = fz_resource_item_get_state (self->item);
  const char *address = fz_resource_item_get_address (self->item);
  g_autofree char *rtt = fz_words_dup_rtt (fz_resource_item_get_rtt_us (self->item));

  gtk_image_set_from_icon_name (self->icon, fz_words_resource_icon (state));
  set_label (self->name, fz_resource_item_get_name (self->item));
  set_label (self->address,
             *address != '\0' ? address
                              : fz_words_resource_kind (fz_resource_item_get_kind (self->item)));
  set_label (self->state, fz_words_resource_state (state));
  set_label (self->rtt, rtt);
  gtk_widget_set_visible (GTK_WIDGET (self->rtt), *rtt != '\0');
  show_star (self);
  name_list_item (self, fz_words_resource_state (state));
}

void
fz_resource_row_toggle_favourite (FzResourceRow *self)
{
  if (self->item != NULL && !fz_resource_item_is_internet (self->item))
    gtk_widget_activate_action (
        GTK_WIDGET (self), "app.toggle-favourite", "s", fz_resource_item_get_id (self->item));
}

static void
on_star_clicked (GtkButton *button, gpointer user_data)
{
  fz_resource_row_toggle_favourite (user_data);
}

void
fz_resource_row_set_item (FzResourceRow *self, FzResourceItem *item)
{
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_set_object (&self->item, item);
  if (item == NULL)
    return;
  g_signal_connect_swapped (item, "notify", G_CALLBACK (show), self);
  show (self);
}

static void
dispose (GObject *object)
{
  fz_resource_row_set_item (FZ_RESOURCE_ROW (object), NULL);
  G_OBJECT_CLASS (fz_resource_row_parent_class)->dispose (object);
}

static void
fz_resource_row_class_init (FzResourceRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-resource-row.ui");
  gtk_widget_class_bind_template_child (widget_class, FzResourceRow, icon);
  gtk_widget_class_bind_template_child (widget_class, FzResourceRow, name);
  gtk_widget_class_bind_template_child (widget_class, FzResourceRow, address);
  gtk_widget_class_bind_template_child (widget_class, FzResourceRow, state);
  gtk_widget_class_bind_template_child (widget_class, FzResourceRow, rtt);
  gtk_widget_class_bind_template_child (widget_class, FzResourceRow, star);
  gtk_widget_class_bind_template_callback (widget_class, on_star_clicked);
}

static void
fz_resource_row_init (FzResourceRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
fz_resource_row_new (void)
{
  return g_object_new (FZ_TYPE_RESOURCE_ROW, NULL);
}
