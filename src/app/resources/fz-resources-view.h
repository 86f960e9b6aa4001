/* fz-resources-view.h
 *
 * The page of resources: search, order and choice above, the list below, and
 * beside it (or in its place, where the window is narrow) the details of the one
 * that is chosen. What cannot be shown is replaced by why, and what to do.
 */
#pragma once

#include "src/app/fz-tunnel-model.h"

#include <gtk/gtk.h>

#define FZ_TYPE_RESOURCES_VIEW (fz_resources_view_get_type ())
G_DECLARE_FINAL_TYPE (FzResourcesView, fz_resources_view, FZ, RESOURCES_VIEW, GtkBox)

/* Once, before it shows. */
void fz_resources_view_set_tunnel (FzResourcesView *self, FzTunnelModel *tunnel);

/* Chooses the resource and shows its details; nothing if there is none of this id. */
void fz_resources_view_show_resource (FzResourcesView *self, const char *id);

void fz_resources_view_start_search (FzResourcesView *self); /* Ctrl+F */
