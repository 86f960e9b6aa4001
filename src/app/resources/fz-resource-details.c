/* fz-resource-details.c: see fz-resource-details.h */
#include "src/app/resources/fz-resource-details.h"

#include "src/app/fz-words.h"
#include "src/app/resources/fz-traffic-graph.h"

#include <adwaita.h>
#include <glib/gi18n.h>

struct _FzResourceDetails {
  GtkBox parent_instance;

  GtkStack *stack;
  GtkImage *icon;
  GtkLabel *name;
  GtkLabel *state;
  AdwActionRow *address;
  GtkButton *copy;
  AdwActionRow *note;
  GtkLinkButton *link;
  AdwActionRow *kind;
  AdwActionRow *sites;
  AdwActionRow *path;
  AdwActionRow *rtt;
  AdwActionRow *activity;
  FzTrafficGraph *graph;
  GtkLabel *rx;
  GtkLabel *tx;
  GtkLabel *scale;

  FzTunnelModel *tunnel;
  FzResourceItem *item; /* NULL: none chosen */
  guint tick_id;        /* while mapped and an item is there */
  uint64_t rx_bytes;    /* at the last tick */
  uint64_t tx_bytes;
  double rx_rate; /* of the last tick: two make one sample, for the service counts in seconds too */
  double tx_rate;
};

G_DEFINE_FINAL_TYPE (FzResourceDetails, fz_resource_details, GTK_TYPE_BOX)

/* -- words -- */

static void
set_value (AdwActionRow *row, const char *value)
{
  gtk_widget_set_visible (GTK_WIDGET (row), value != NULL && *value != '\0');
  if (value != NULL && g_strcmp0 (adw_action_row_get_subtitle (row), value) != 0)
    adw_action_row_set_subtitle (row, value);
}

static bool
is_url (const char *text)
{
  g_autofree char *scheme = g_uri_parse_scheme (text);

  return g_strcmp0 (scheme, "https") == 0 || g_strcmp0 (scheme, "http") == 0;
}

/* A link is followed only if it is one to a web page: the note is an administrator's free text. */
static void
show_note (FzResourceDetails *self)
{
  const char *note = fz_resource_item_get_address_note (self->item);
  bool is_link = is_url (note);

  set_value (self->note, note);
  gtk_widget_set_visible (GTK_WIDGET (self->link), is_link);
  if (is_link)
    gtk_link_button_set_uri (self->link, note);
}

static char *
dup_path (FzResourceDetails *self)
{
  const char *gateway_path = fz_resource_item_get_gateway (self->item);
  FzGatewayItem *gateway =
      self->tunnel != NULL ? fz_tunnel_model_find_gateway (self->tunnel, gateway_path) : NULL;
  FzRelayItem *relay;
  const char *remote;

  if (gateway == NULL)
    return g_strdup ("");
  remote = fz_gateway_item_get_remote_candidate (gateway);
  relay = fz_tunnel_model_find_relay (self->tunnel, fz_gateway_item_get_relay (gateway));
  if (*remote == '\0')
    return g_strdup_printf (_ ("To a gateway of %s, not there yet"),
                            fz_gateway_item_get_site (gateway));
  if (relay != NULL)
    /* Translators: the gateway's address, then the relay's */
    return g_strdup_printf (_ ("%s by the relay %s"), remote, fz_relay_item_get_address (relay));
  /* Translators: our own address, then the gateway's */
  return g_strdup_printf (_ ("%s to %s"), fz_gateway_item_get_local_candidate (gateway), remote);
}

static void
show (FzResourceDetails *self)
{
  FzResourceState state = fz_resource_item_get_state (self->item);
  g_autofree char *sites = g_strjoinv (", ", (char **) fz_resource_item_get_sites (self->item));
  g_autofree char *rtt = fz_words_dup_rtt (fz_resource_item_get_rtt_us (self->item));
  g_autofree char *path = dup_path (self);

  gtk_image_set_from_icon_name (self->icon, fz_words_resource_icon (state));
  gtk_label_set_label (self->name, fz_resource_item_get_name (self->item));
  gtk_label_set_label (self->state, fz_words_resource_state (state));
  set_value (self->address, fz_resource_item_get_address (self->item));
  set_value (self->kind, fz_words_resource_kind (fz_resource_item_get_kind (self->item)));
  set_value (self->sites, sites);
  set_value (self->path, path);
  set_value (self->rtt, rtt);
  show_note (self);
}

static void
show_activity (FzResourceDetails *self)
{
  g_autofree char *ago = fz_words_dup_ago (fz_resource_item_get_last_activity (self->item),
                                           (uint64_t) g_get_real_time ());

  set_value (self->activity, ago);
}

/* -- traffic -- */

static char *
dup_rate (double bytes_per_s)
{
  g_autofree char *size = g_format_size ((guint64) bytes_per_s);

  return g_strdup_printf (_ ("%s/s"), size); /* Translators: an amount of data per second */
}

static void
show_traffic (FzResourceDetails *self, double rx_rate, double tx_rate)
{
  g_autofree char *rx_size = g_format_size (self->rx_bytes);
  g_autofree char *tx_size = g_format_size (self->tx_bytes);
  g_autofree char *rx = dup_rate (rx_rate);
  g_autofree char *tx = dup_rate (tx_rate);
  g_autofree char *top = dup_rate (fz_traffic_graph_get_top (self->graph));
  g_autofree char *rx_words = g_strdup_printf (_ ("Received: %s, %s in all"), rx, rx_size);
  g_autofree char *tx_words = g_strdup_printf (_ ("Sent: %s, %s in all"), tx, tx_size);
  g_autofree char *picture = g_strdup_printf (
      _ ("Traffic of the last two minutes, up to %s. %s. %s"), top, rx_words, tx_words);
  g_autofree char *scale = g_strdup_printf (_ ("Two minutes, up to %s"), top);

  gtk_label_set_label (self->rx, rx_words);
  gtk_label_set_label (self->tx, tx_words);
  gtk_label_set_label (self->scale, scale);
  gtk_accessible_update_property (
      GTK_ACCESSIBLE (self->graph), GTK_ACCESSIBLE_PROPERTY_LABEL, picture, -1);
}

/* Counters start over with a new path: what is less than before is no traffic. */
static double
step (uint64_t *last, uint64_t now)
{
  double delta = now >= *last ? (double) (now - *last) : 0;

  *last = now;
  return delta;
}

static gboolean
tick (gpointer user_data)
{
  FzResourceDetails *self = user_data;
  double rx = step (&self->rx_bytes, fz_resource_item_get_rx_bytes (self->item));
  double tx = step (&self->tx_bytes, fz_resource_item_get_tx_bytes (self->item));
  double rx_rate = (rx + self->rx_rate) / 2;
  double tx_rate = (tx + self->tx_rate) / 2;

  self->rx_rate = rx;
  self->tx_rate = tx;
  fz_traffic_graph_push (self->graph, rx_rate, tx_rate);
  show_traffic (self, rx_rate, tx_rate);
  show_activity (self);
  return G_SOURCE_CONTINUE;
}

static void
update_tick (FzResourceDetails *self)
{
  bool is_wanted = self->item != NULL && gtk_widget_get_mapped (GTK_WIDGET (self));

  if (!is_wanted)
    g_clear_handle_id (&self->tick_id, g_source_remove);
  else if (self->tick_id == 0)
    self->tick_id = g_timeout_add_seconds (1, tick, self);
}

/* -- public -- */

void
fz_resource_details_set_tunnel (FzResourceDetails *self, FzTunnelModel *tunnel)
{
  g_set_object (&self->tunnel, tunnel);
}

static void
start_over (FzResourceDetails *self)
{
  self->rx_bytes = fz_resource_item_get_rx_bytes (self->item);
  self->tx_bytes = fz_resource_item_get_tx_bytes (self->item);
  self->rx_rate = 0;
  self->tx_rate = 0;
  fz_traffic_graph_reset (self->graph);
  show_traffic (self, 0, 0);
  show_activity (self);
}

void
fz_resource_details_set_item (FzResourceDetails *self, FzResourceItem *item)
{
  if (item == self->item)
    return;
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_set_object (&self->item, item);
  gtk_stack_set_visible_child_name (self->stack, item != NULL ? "item" : "none");
  update_tick (self);
  if (item == NULL)
    return;
  g_signal_connect_swapped (item, "notify", G_CALLBACK (show), self);
  gtk_actionable_set_action_target (
      GTK_ACTIONABLE (self->copy), "s", fz_resource_item_get_id (item));
  show (self);
  start_over (self);
}

static void
dispose (GObject *object)
{
  FzResourceDetails *self = FZ_RESOURCE_DETAILS (object);

  g_clear_handle_id (&self->tick_id, g_source_remove);
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_clear_object (&self->item);
  g_clear_object (&self->tunnel);
  G_OBJECT_CLASS (fz_resource_details_parent_class)->dispose (object);
}

static void
map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (fz_resource_details_parent_class)->map (widget);
  update_tick (FZ_RESOURCE_DETAILS (widget));
}

static void
unmap (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (fz_resource_details_parent_class)->unmap (widget);
  update_tick (FZ_RESOURCE_DETAILS (widget));
}

static void
fz_resource_details_class_init (FzResourceDetailsClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  widget_class->map = map;
  widget_class->unmap = unmap;
  g_type_ensure (FZ_TYPE_TRAFFIC_GRAPH);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-resource-details.ui");
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, stack);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, icon);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, name);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, state);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, address);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, copy);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, note);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, link);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, kind);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, sites);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, path);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, rtt);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, activity);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, graph);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, rx);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, tx);
  gtk_widget_class_bind_template_child (widget_class, FzResourceDetails, scale);
}

static void
fz_resource_details_init (FzResourceDetails *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
