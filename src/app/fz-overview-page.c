/* fz-overview-page.c: see fz-overview-page.h */
#include "src/app/fz-overview-page.h"

#include "src/app/fz-fact-row.h"
#include "src/app/fz-problem-card.h"

#include <glib/gi18n.h>

struct _FzOverviewPage {
  AdwBin parent_instance;

  FzTunnelModel *tunnel;
  FzAccount *account;
  char
      *shown_problems; /* ids of the cards on the screen; they are made anew only if these change */

  GtkImage *logo;
  GtkLabel *headline;
  GtkLabel *explanation;
  GtkSpinner *spinner;
  GtkButton *primary;
  GtkWidget *link_button;
  GtkBox *problems;
  FzFactRow *signed_in;
  FzFactRow *portal;
  FzFactRow *path;
  GtkWidget *more;
  GtkWidget *internet_row;
  AdwActionRow *resources_row;
};

G_DEFINE_FINAL_TYPE (FzOverviewPage, fz_overview_page, ADW_TYPE_BIN)

static void
show_headline (FzOverviewPage *self, const FzStatus *status)
{
  const char *logo_classes[] = { "fz-logo", status->icon, NULL };
  g_autofree char *logo = fz_status_dup_logo (status);

  gtk_image_set_from_icon_name (self->logo, logo);
  gtk_widget_set_css_classes (GTK_WIDGET (self->logo), logo_classes);
  gtk_label_set_text (self->headline, status->headline);
  gtk_label_set_text (self->explanation, status->explanation);
  gtk_widget_set_visible (GTK_WIDGET (self->explanation), status->explanation[0] != '\0');
  gtk_spinner_set_spinning (self->spinner, status->is_busy);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), status->is_busy);
}

static void
show_button (FzOverviewPage *self, const FzStatus *status)
{
  GtkWidget *button = GTK_WIDGET (self->primary);

  gtk_widget_set_visible (button, status->action != NULL);
  gtk_widget_set_visible (self->link_button,
                          fz_account_get_phase (self->account) == FZ_ACCOUNT_BROWSER);
  if (status->action == NULL)
    return;
  gtk_button_set_label (self->primary, status->label);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (self->primary), status->action);
  if (status->is_suggested)
    gtk_widget_add_css_class (button, "suggested-action");
  else
    gtk_widget_remove_css_class (button, "suggested-action");
}

static void
show_problems (FzOverviewPage *self)
{
  g_autoptr (GPtrArray) problems = fz_problem_list (self->tunnel, self->account);
  GString *ids = g_string_new (NULL);
  GtkWidget *card;

  for (guint i = 0; i < problems->len; i++) {
    const FzProblem *problem = problems->pdata[i];

    g_string_append_printf (ids, "%s\n%s\n", problem->id, problem->why);
  }
  if (g_strcmp0 (ids->str, self->shown_problems) == 0) {
    g_string_free (ids, TRUE);
    return;
  }
  g_free (self->shown_problems);
  self->shown_problems = g_string_free (ids, FALSE);

  while ((card = gtk_widget_get_first_child (GTK_WIDGET (self->problems))) != NULL)
    gtk_box_remove (self->problems, card);
  for (guint i = 0; i < problems->len; i++)
    gtk_box_append (self->problems, fz_problem_card_new (problems->pdata[i]));
  gtk_widget_set_visible (GTK_WIDGET (self->problems), problems->len > 0);
}

static void
show_more (FzOverviewPage *self)
{
  guint n = g_list_model_get_n_items (fz_tunnel_model_get_resources (self->tunnel));
  bool has_internet = fz_tunnel_model_get_internet (self->tunnel) != FZ_INTERNET_UNAVAILABLE;
  g_autofree char *count = g_strdup_printf (ngettext ("%u resource", "%u resources", n), n);

  adw_action_row_set_subtitle (self->resources_row, count);
  gtk_widget_set_visible (self->internet_row, has_internet);
  gtk_widget_set_visible (GTK_WIDGET (self->resources_row), n > 0);
  gtk_widget_set_visible (self->more, has_internet || n > 0);
}

static void
on_changed (gpointer source, gpointer user_data)
{
  FzOverviewPage *self = user_data;
  g_auto (FzStatus) status = { 0 };

  fz_status_read (&status, self->tunnel, self->account);
  show_headline (self, &status);
  show_button (self, &status);
  show_problems (self);
  fz_fact_row_show (self->signed_in, &status.signed_in);
  fz_fact_row_show (self->portal, &status.portal);
  fz_fact_row_show (self->path, &status.path);
  show_more (self);
}

void
fz_overview_page_follow (FzOverviewPage *self, FzTunnelModel *tunnel, FzAccount *account)
{
  self->tunnel = g_object_ref (tunnel);
  self->account = g_object_ref (account);
  g_signal_connect_object (tunnel, "changed", G_CALLBACK (on_changed), self, 0);
  g_signal_connect_object (account, "changed", G_CALLBACK (on_changed), self, 0);
  on_changed (NULL, self);
}

static void
dispose (GObject *object)
{
  FzOverviewPage *self = FZ_OVERVIEW_PAGE (object);

  g_clear_object (&self->tunnel);
  g_clear_object (&self->account);
  g_clear_pointer (&self->shown_problems, g_free);
  G_OBJECT_CLASS (fz_overview_page_parent_class)->dispose (object);
}

static void
fz_overview_page_class_init (FzOverviewPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  g_type_ensure (FZ_TYPE_FACT_ROW);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-overview-page.ui");
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, logo);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, headline);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, explanation);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, spinner);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, primary);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, link_button);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, problems);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, signed_in);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, portal);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, path);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, more);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, internet_row);
  gtk_widget_class_bind_template_child (widget_class, FzOverviewPage, resources_row);
}

/* The list inside a group without a heading would be called by its type. */
static void
name_list (GtkWidget *row, const char *name)
{
  gtk_accessible_update_property (
      GTK_ACCESSIBLE (gtk_widget_get_parent (row)), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static void
fz_overview_page_init (FzOverviewPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  name_list (GTK_WIDGET (self->signed_in), _ ("State of the connection"));
  name_list (self->internet_row, _ ("What goes through the tunnel"));
}
