/* fz-resources-view.c: see fz-resources-view.h
 *
 *   model ──► filter (search, choice) ──► sorter ──► selection ──► list view
 *
 * States, addresses and counters of items change all the time; rows follow their
 * items. Only an order or a choice that depends on states is asked again, once
 * a second at most, so that five thousand resources stay still.
 */
#include "src/app/resources/fz-resources-view.h"

#include "src/app/resources/fz-resource-details.h"
#include "src/app/resources/fz-resource-order.h"
#include "src/app/resources/fz-resource-row.h"

#include <adwaita.h>
#include <glib/gi18n.h>

#define REFRESH_MS 1000u

struct _FzResourcesView {
  GtkBox parent_instance;

  GtkStack *stack;
  AdwStatusPage *status;
  GtkButton *status_button;
  GtkSpinner *spinner;
  AdwLeaflet *leaflet;
  GtkWidget *list_pane;
  GtkWidget *details_pane;
  GtkSearchEntry *search;
  GtkDropDown *order;
  GtkDropDown *choice;
  GtkLabel *count;
  GtkListView *list;
  GtkStack *list_stack;
  GtkButton *back;
  FzResourceDetails *details;

  FzTunnelModel *tunnel;
  GtkFilter *filter;
  GtkSorter *sorter;
  GListModel *shown; /* filtered */
  GtkSingleSelection *selection;
  char **needles; /* folded words of the search */
  guint refresh_id;
};

G_DEFINE_FINAL_TYPE (FzResourcesView, fz_resources_view, GTK_TYPE_BOX)

/* -- which and in which order -- */

static gboolean
matches (gpointer item, gpointer user_data)
{
  FzResourcesView *self = user_data;

  return fz_resource_order_matches (item,
                                    (FzResourceShow) gtk_drop_down_get_selected (self->choice),
                                    (const char *const *) self->needles);
}

static int
compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
  FzResourcesView *self = user_data;

  return fz_resource_order_compare ((FzResourceItem *) a,
                                    (FzResourceItem *) b,
                                    (FzResourceOrder) gtk_drop_down_get_selected (self->order));
}

static void
on_search_changed (GtkSearchEntry *entry, gpointer user_data)
{
  FzResourcesView *self = user_data;
  g_autofree char *folded = g_utf8_casefold (gtk_editable_get_text (GTK_EDITABLE (entry)), -1);

  g_strfreev (self->needles);
  self->needles = g_strsplit_set (folded, " \t", -1);
  gtk_filter_changed (self->filter, GTK_FILTER_CHANGE_DIFFERENT);
}

static void
on_choice_changed (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  FzResourcesView *self = user_data;

  gtk_filter_changed (self->filter, GTK_FILTER_CHANGE_DIFFERENT);
}

static void
on_order_changed (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  FzResourcesView *self = user_data;

  gtk_sorter_changed (self->sorter, GTK_SORTER_CHANGE_DIFFERENT);
}

static gboolean
refresh (gpointer user_data)
{
  FzResourcesView *self = user_data;

  self->refresh_id = 0;
  if (gtk_drop_down_get_selected (self->choice) != FZ_RESOURCE_SHOW_ALL)
    gtk_filter_changed (self->filter, GTK_FILTER_CHANGE_DIFFERENT);
  gtk_sorter_changed (self->sorter, GTK_SORTER_CHANGE_DIFFERENT);
  return G_SOURCE_REMOVE;
}

/* -- what to show in the list's place -- */

static void
show_status (FzResourcesView *self,
             const char *icon,
             const char *title,
             const char *description,
             const char *label,
             const char *action)
{
  adw_status_page_set_icon_name (self->status, icon);
  adw_status_page_set_title (self->status, title);
  adw_status_page_set_description (self->status, description);
  gtk_widget_set_visible (GTK_WIDGET (self->status_button), action != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), icon == NULL);
  gtk_spinner_set_spinning (self->spinner, icon == NULL);
  if (action != NULL) {
    gtk_button_set_label (self->status_button, label);
    gtk_actionable_set_action_name (GTK_ACTIONABLE (self->status_button), action);
  }
  gtk_stack_set_visible_child_name (self->stack, "status");
}

static void
show_missing (FzResourcesView *self)
{
  if (fz_tunnel_model_get_helper (self->tunnel) == FZ_HELPER_SILENT)
    show_status (self,
                 "dialog-warning-symbolic",
                 _ ("The Tunnel Service Does Not Answer"),
                 _ ("It is running, but busy or stuck. Wait a moment, or look into its log."),
                 _ ("_Logs"),
                 "app.show-logs");
  else
    show_status (self,
                 "dialog-warning-symbolic",
                 _ ("The Tunnel Service Is Not Running"),
                 _ ("Install Firezone's system service, or start it: "
                    "systemctl start firezone-client-tunnel"),
                 _ ("_Try Again"),
                 "app.retry-service");
}

static void
show_no_resources (FzResourcesView *self)
{
  switch (fz_tunnel_model_get_state (self->tunnel)) {
  case FZ_TUNNEL_CONNECTING:
    show_status (
        self, NULL, _ ("Connecting"), _ ("The portal will say what you may reach."), NULL, NULL);
    return;
  case FZ_TUNNEL_CONNECTED:
  case FZ_TUNNEL_DEGRADED:
    show_status (self,
                 "fz-resources-symbolic",
                 _ ("No Resources Yet"),
                 _ ("Your account is not allowed to reach anything. Ask your administrator for a "
                    "policy that names you."),
                 NULL,
                 NULL);
    return;
  case FZ_TUNNEL_OFFLINE:
  case FZ_TUNNEL_DISCONNECTING:
  case FZ_TUNNEL_ERROR:
    show_status (self,
                 "dev.firezone.Client-disconnected-symbolic",
                 _ ("Not Connected"),
                 _ ("Connect to see what you may reach."),
                 _ ("_Connect"),
                 "app.connect");
    return;
  case FZ_TUNNEL_SIGNED_OUT:
  case FZ_TUNNEL_UNKNOWN:
    show_status (self,
                 "dev.firezone.Client-symbolic",
                 _ ("Signed Out"),
                 _ ("Sign in to see what you may reach."),
                 _ ("_Sign In"),
                 "app.sign-in");
    return;
  }
}

static void
show_count (FzResourcesView *self)
{
  guint n_shown = g_list_model_get_n_items (self->shown);
  guint n_all = g_list_model_get_n_items (fz_tunnel_model_get_resources (self->tunnel));
  g_autofree char *words =
      n_shown == n_all ? g_strdup_printf (ngettext ("%u resource", "%u resources", n_all), n_all)
                       /* Translators: the first number of the second */
                       : g_strdup_printf (_ ("%u of %u resources"), n_shown, n_all);

  gtk_label_set_label (self->count, words);
  gtk_stack_set_visible_child_name (self->list_stack, n_shown > 0 ? "list" : "no-match");
}

static void
show (FzResourcesView *self)
{
  FzHelperState helper = fz_tunnel_model_get_helper (self->tunnel);

  if (helper == FZ_HELPER_MISSING || helper == FZ_HELPER_SILENT) {
    show_missing (self);
  } else if (helper == FZ_HELPER_STARTING) {
    show_status (self, NULL, _ ("Asking the Tunnel Service"), NULL, NULL, NULL);
  } else if (g_list_model_get_n_items (fz_tunnel_model_get_resources (self->tunnel)) == 0) {
    show_no_resources (self);
  } else {
    gtk_spinner_set_spinning (self->spinner, false);
    gtk_stack_set_visible_child_name (self->stack, "resources");
    show_count (self);
  }
}

static void
on_model_changed (FzResourcesView *self)
{
  bool is_live =
      fz_resource_order_is_live ((FzResourceOrder) gtk_drop_down_get_selected (self->order)) ||
      gtk_drop_down_get_selected (self->choice) != FZ_RESOURCE_SHOW_ALL;

  show (self);
  if (is_live && self->refresh_id == 0 && gtk_widget_get_mapped (GTK_WIDGET (self)))
    self->refresh_id = g_timeout_add (REFRESH_MS, refresh, self);
}

/* A star moves its row at once. */
static void
on_favourite_changed (FzResourcesView *self)
{
  if (self->refresh_id == 0)
    self->refresh_id = g_idle_add (refresh, self);
}

/* -- rows -- */

static void
on_setup (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  gtk_list_item_set_child (item, fz_resource_row_new ());
}

static void
on_bind (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  FzResourceItem *resource = gtk_list_item_get_item (item);

  fz_resource_row_set_item (FZ_RESOURCE_ROW (gtk_list_item_get_child (item)), resource);
  g_signal_connect_swapped (
      resource, "notify::favourite", G_CALLBACK (on_favourite_changed), user_data);
}

static void
on_unbind (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  g_signal_handlers_disconnect_by_data (gtk_list_item_get_item (item), user_data);
  fz_resource_row_set_item (FZ_RESOURCE_ROW (gtk_list_item_get_child (item)), NULL);
}

/* The stars are for the pointer: as stops of Tab, thousands of them would keep the keyboard in the
 * list. */
static gboolean
on_favourite_key (GtkWidget *list, GVariant *arguments, gpointer user_data)
{
  GtkWidget *item = gtk_widget_get_focus_child (list);
  GtkWidget *row = item != NULL ? gtk_widget_get_first_child (item) : NULL;

  if (!FZ_IS_RESOURCE_ROW (row))
    return FALSE;
  fz_resource_row_toggle_favourite (FZ_RESOURCE_ROW (row));
  return TRUE;
}

static void
add_favourite_key (FzResourcesView *self)
{
  GtkEventController *keys = gtk_shortcut_controller_new ();

  gtk_shortcut_controller_add_shortcut (
      GTK_SHORTCUT_CONTROLLER (keys),
      gtk_shortcut_new (gtk_keyval_trigger_new (GDK_KEY_d, GDK_CONTROL_MASK),
                        gtk_callback_action_new (on_favourite_key, NULL, NULL)));
  gtk_widget_add_controller (GTK_WIDGET (self->list), keys);
}

/* -- details -- */

static void
on_selected (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  FzResourcesView *self = user_data;
  FzResourceItem *item = gtk_single_selection_get_selected_item (self->selection);

  if (item != NULL)
    fz_resource_details_set_item (self->details, item);
}

static void
on_activate (GtkListView *list, guint position, gpointer user_data)
{
  FzResourcesView *self = user_data;

  gtk_single_selection_set_selected (self->selection, position);
  adw_leaflet_set_visible_child (self->leaflet, self->details_pane);
}

static void
on_back (GtkButton *button, gpointer user_data)
{
  FzResourcesView *self = user_data;

  adw_leaflet_set_visible_child (self->leaflet, self->list_pane);
  gtk_widget_grab_focus (GTK_WIDGET (self->list));
}

void
fz_resources_view_show_resource (FzResourcesView *self, const char *id)
{
  FzResourceItem *wanted = fz_tunnel_model_find_resource (self->tunnel, id);
  GListModel *model = G_LIST_MODEL (self->selection);

  if (wanted == NULL)
    return;
  gtk_editable_set_text (GTK_EDITABLE (self->search), "");
  gtk_drop_down_set_selected (self->choice, FZ_RESOURCE_SHOW_ALL);
  for (guint i = 0, n = g_list_model_get_n_items (model); i < n; i++) {
    g_autoptr (FzResourceItem) item = g_list_model_get_item (model, i);

    if (item != wanted)
      continue;
    gtk_single_selection_set_selected (self->selection, i);
    gtk_widget_activate_action (GTK_WIDGET (self->list), "list.scroll-to-item", "u", i);
  }
  fz_resource_details_set_item (self->details, wanted);
  adw_leaflet_set_visible_child (self->leaflet, self->details_pane);
}

void
fz_resources_view_start_search (FzResourcesView *self)
{
  adw_leaflet_set_visible_child (self->leaflet, self->list_pane);
  gtk_widget_grab_focus (GTK_WIDGET (self->search));
}

/* -- life -- */

static void
make_lists (FzResourcesView *self)
{
  GListModel *resources = fz_tunnel_model_get_resources (self->tunnel);
  GtkFilterListModel *filtered;
  GtkSortListModel *sorted;

  self->filter = GTK_FILTER (gtk_custom_filter_new (matches, self, NULL));
  self->sorter = GTK_SORTER (gtk_custom_sorter_new (compare, self, NULL));
  filtered = gtk_filter_list_model_new (g_object_ref (resources), g_object_ref (self->filter));
  self->shown = G_LIST_MODEL (filtered);
  sorted = gtk_sort_list_model_new (g_object_ref (self->shown), g_object_ref (self->sorter));
  self->selection = gtk_single_selection_new (G_LIST_MODEL (sorted));
  gtk_single_selection_set_autoselect (self->selection, false);
  gtk_single_selection_set_can_unselect (self->selection, true);
  gtk_single_selection_set_selected (self->selection, GTK_INVALID_LIST_POSITION);
  g_signal_connect_object (
      self->selection, "notify::selected-item", G_CALLBACK (on_selected), self, 0);
  g_signal_connect_object (
      self->shown, "items-changed", G_CALLBACK (show), self, G_CONNECT_SWAPPED);
  gtk_list_view_set_model (self->list, GTK_SELECTION_MODEL (self->selection));
}

void
fz_resources_view_set_tunnel (FzResourcesView *self, FzTunnelModel *tunnel)
{
  g_assert (self->tunnel == NULL);
  self->tunnel = g_object_ref (tunnel);
  fz_resource_details_set_tunnel (self->details, tunnel);
  make_lists (self);
  g_signal_connect_object (
      tunnel, "changed", G_CALLBACK (on_model_changed), self, G_CONNECT_SWAPPED);
  show (self);
}

static void
dispose (GObject *object)
{
  FzResourcesView *self = FZ_RESOURCES_VIEW (object);

  g_clear_handle_id (&self->refresh_id, g_source_remove);
  if (self->list != NULL)
    gtk_list_view_set_model (self->list, NULL);
  g_clear_object (&self->selection);
  g_clear_object (&self->shown);
  g_clear_object (&self->filter);
  g_clear_object (&self->sorter);
  g_clear_object (&self->tunnel);
  G_OBJECT_CLASS (fz_resources_view_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  g_strfreev (FZ_RESOURCES_VIEW (object)->needles);
  G_OBJECT_CLASS (fz_resources_view_parent_class)->finalize (object);
}

static void
fz_resources_view_class_init (FzResourcesViewClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  G_OBJECT_CLASS (klass)->finalize = finalize;
  g_type_ensure (FZ_TYPE_RESOURCE_DETAILS);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-resources-view.ui");
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, stack);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, status);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, status_button);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, spinner);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, leaflet);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, list_pane);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, details_pane);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, search);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, order);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, choice);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, count);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, list);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, list_stack);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, back);
  gtk_widget_class_bind_template_child (widget_class, FzResourcesView, details);
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_choice_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_order_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_setup);
  gtk_widget_class_bind_template_callback (widget_class, on_bind);
  gtk_widget_class_bind_template_callback (widget_class, on_unbind);
  gtk_widget_class_bind_template_callback (widget_class, on_activate);
  gtk_widget_class_bind_template_callback (widget_class, on_back);
}

/* The button inside a drop-down takes the focus, and would be called by its type. */
static void
name_drop_down (GtkDropDown *drop_down, const char *name)
{
  gtk_accessible_update_property (
      GTK_ACCESSIBLE (gtk_widget_get_first_child (GTK_WIDGET (drop_down))),
      GTK_ACCESSIBLE_PROPERTY_LABEL,
      name,
      -1);
}

static void
fz_resources_view_init (FzResourcesView *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  name_drop_down (self->choice, _ ("Which resources to show"));
  name_drop_down (self->order, _ ("Order of the resources"));
  add_favourite_key (self);
}
