/* fz-resource-row.h
 *
 * One line of the list: state as a shape and a word, name, address, round trip,
 * favourite. Rows are few and used again: whatever scrolls into view is shown by
 * one that has scrolled out.
 */
#pragma once

#include "src/app/fz-remote-items.h"

#include <gtk/gtk.h>

#define FZ_TYPE_RESOURCE_ROW (fz_resource_row_get_type ())
G_DECLARE_FINAL_TYPE (FzResourceRow, fz_resource_row, FZ, RESOURCE_ROW, GtkBox)

GtkWidget *fz_resource_row_new (void);

/* Follows @item from now on; NULL: nothing. */
void fz_resource_row_set_item (FzResourceRow *self, FzResourceItem *item);

/* As a click on its star. */
void fz_resource_row_toggle_favourite (FzResourceRow *self);
