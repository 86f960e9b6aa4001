/* fz-resource-details.h
 *
 * Everything about one resource: what it is, which way goes to it, and its
 * traffic, live. Samples are taken once a second while it shows.
 */
#pragma once

#include "src/app/fz-tunnel-model.h"

#include <gtk/gtk.h>

#define FZ_TYPE_RESOURCE_DETAILS (fz_resource_details_get_type ())
G_DECLARE_FINAL_TYPE (FzResourceDetails, fz_resource_details, FZ, RESOURCE_DETAILS, GtkBox)

void fz_resource_details_set_tunnel (FzResourceDetails *self, FzTunnelModel *tunnel);

/* NULL: "choose a resource". */
void fz_resource_details_set_item (FzResourceDetails *self, FzResourceItem *item);
