/* fz-traffic-graph.c: see fz-traffic-graph.h */
#include "src/app/resources/fz-traffic-graph.h"

#define HEIGHT_PX  72
#define TOP_MIN    1024.0 /* bytes per second: an idle line is not blown up into a mountain */
#define GRID_LINES 3

struct _FzTrafficGraph {
  GtkWidget parent_instance;

  double rx[FZ_TRAFFIC_GRAPH_SAMPLES]; /* a ring; next is the oldest */
  double tx[FZ_TRAFFIC_GRAPH_SAMPLES];
  unsigned next;
  unsigned n;
};

G_DEFINE_FINAL_TYPE (FzTrafficGraph, fz_traffic_graph, GTK_TYPE_WIDGET)

/* @back: 0 is the newest */
static double
sample (const double *ring, const FzTrafficGraph *self, unsigned back)
{
  return ring[(self->next + FZ_TRAFFIC_GRAPH_SAMPLES - 1 - back) % FZ_TRAFFIC_GRAPH_SAMPLES];
}

double
fz_traffic_graph_get_top (FzTrafficGraph *self)
{
  double top = TOP_MIN;

  for (unsigned i = 0; i < self->n; i++)
    top = MAX (top, MAX (sample (self->rx, self, i), sample (self->tx, self, i)));
  return top;
}

static void
trace (
    cairo_t *cr, const FzTrafficGraph *self, const double *ring, double top, int width, int height)
{
  double step = (double) width / (FZ_TRAFFIC_GRAPH_SAMPLES - 1);

  for (unsigned i = 0; i < self->n; i++)
    cairo_line_to (cr, width - i * step, height - 1 - sample (ring, self, i) / top * (height - 4));
}

static void
draw_grid (cairo_t *cr, const GdkRGBA *colour, int width, int height)
{
  GdkRGBA faint = *colour;

  faint.alpha *= 0.15f;
  gdk_cairo_set_source_rgba (cr, &faint);
  cairo_set_line_width (cr, 1);
  for (int i = 0; i <= GRID_LINES; i++) {
    double y = (int) ((height - 1) * (double) i / GRID_LINES) + 0.5;

    cairo_move_to (cr, 0, y);
    cairo_line_to (cr, width, y);
  }
  cairo_stroke (cr);
}

static void
draw_received (cairo_t *cr, const FzTrafficGraph *self, GdkRGBA colour, int width, int height)
{
  double step = (double) width / (FZ_TRAFFIC_GRAPH_SAMPLES - 1);

  colour.alpha = 0.35f;
  gdk_cairo_set_source_rgba (cr, &colour);
  cairo_move_to (cr, width, height);
  trace (cr, self, self->rx, fz_traffic_graph_get_top ((FzTrafficGraph *) self), width, height);
  cairo_line_to (cr, width - (self->n - 1) * step, height);
  cairo_close_path (cr);
  cairo_fill (cr);
}

static void
draw_sent (cairo_t *cr, const FzTrafficGraph *self, const GdkRGBA *colour, int width, int height)
{
  static const double dashes[] = { 5, 3 };

  gdk_cairo_set_source_rgba (cr, colour);
  cairo_set_line_width (cr, 1.5);
  cairo_set_dash (cr, dashes, G_N_ELEMENTS (dashes), 0);
  trace (cr, self, self->tx, fz_traffic_graph_get_top ((FzTrafficGraph *) self), width, height);
  cairo_stroke (cr);
}

static void
snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  FzTrafficGraph *self = FZ_TRAFFIC_GRAPH (widget);
  GtkStyleContext *style = gtk_widget_get_style_context (widget);
  int width = gtk_widget_get_width (widget);
  int height = gtk_widget_get_height (widget);
  GdkRGBA text;
  GdkRGBA accent;
  cairo_t *cr;

  if (width <= 0 || height <= 0)
    return;
  gtk_style_context_get_color (style, &text);
  if (!gtk_style_context_lookup_color (style, "accent_color", &accent))
    accent = text;
  cr = gtk_snapshot_append_cairo (snapshot,
                                  &GRAPHENE_RECT_INIT (0, 0, (float) width, (float) height));
  draw_grid (cr, &text, width, height);
  if (self->n > 1) {
    draw_received (cr, self, accent, width, height);
    draw_sent (cr, self, &text, width, height);
  }
  cairo_destroy (cr);
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
  *minimum = orientation == GTK_ORIENTATION_VERTICAL ? HEIGHT_PX : 120;
  *natural = orientation == GTK_ORIENTATION_VERTICAL ? HEIGHT_PX : 320;
}

void
fz_traffic_graph_push (FzTrafficGraph *self, double rx, double tx)
{
  self->rx[self->next] = rx;
  self->tx[self->next] = tx;
  self->next = (self->next + 1) % FZ_TRAFFIC_GRAPH_SAMPLES;
  self->n = MIN (self->n + 1, FZ_TRAFFIC_GRAPH_SAMPLES);
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
fz_traffic_graph_reset (FzTrafficGraph *self)
{
  self->n = 0;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
fz_traffic_graph_class_init (FzTrafficGraphClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  widget_class->snapshot = snapshot;
  widget_class->measure = measure;
  gtk_widget_class_set_css_name (widget_class, "trafficgraph");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
fz_traffic_graph_init (FzTrafficGraph *self)
{
}
