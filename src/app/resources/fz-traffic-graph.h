/* fz-traffic-graph.h
 *
 * Two minutes of traffic as a picture: what arrives is an area, what leaves a
 * dashed line, so that nothing hangs on colour. One widget, drawn anew only when
 * a sample comes and only while it shows; the numbers stand beside it. Nothing
 * moves by itself.
 */
#pragma once

#include <gtk/gtk.h>

#define FZ_TRAFFIC_GRAPH_SAMPLES 120u

#define FZ_TYPE_TRAFFIC_GRAPH (fz_traffic_graph_get_type ())
G_DECLARE_FINAL_TYPE (FzTrafficGraph, fz_traffic_graph, FZ, TRAFFIC_GRAPH, GtkWidget)

/* Bytes per second, once a second. */
void fz_traffic_graph_push (FzTrafficGraph *self, double rx, double tx);
void fz_traffic_graph_reset (FzTrafficGraph *self);

/* The greatest rate that shows, bytes per second; at least 1024. */
double fz_traffic_graph_get_top (FzTrafficGraph *self);
