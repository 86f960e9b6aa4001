/* fz-resource-order.h
 *
 * Which resources the list shows, and in which order: pure questions about
 * items, for the list's filter and sorter.
 */
#pragma once

#include "src/app/fz-remote-items.h"

typedef enum {
  FZ_RESOURCE_ORDER_NAME,
  FZ_RESOURCE_ORDER_STATE,    /* what has a path first */
  FZ_RESOURCE_ORDER_SITE,     /* then by name */
  FZ_RESOURCE_ORDER_ACTIVITY, /* newest first */
  FZ_N_RESOURCE_ORDERS,
} FzResourceOrder;

typedef enum {
  FZ_RESOURCE_SHOW_ALL,
  FZ_RESOURCE_SHOW_FAVOURITES,
  FZ_RESOURCE_SHOW_CONNECTED, /* direct or relayed */
  FZ_RESOURCE_SHOW_TROUBLE,   /* offline or denied */
  FZ_N_RESOURCE_SHOWS,
} FzResourceShow;

/* Favourites and the Internet resource before all others; then by @order; then by name and id. */
int fz_resource_order_compare (FzResourceItem *a, FzResourceItem *b, FzResourceOrder order);

/* Whether both orders can change with the state of a resource, not only with its name. */
bool fz_resource_order_is_live (FzResourceOrder order);

/**
 * fz_resource_order_matches:
 * @needle: what the person typed, folded by g_utf8_casefold; words in any order; "": everything
 *
 * Looks in name, address, note and sites.
 */
bool
fz_resource_order_matches (FzResourceItem *item, FzResourceShow which, const char *const *needles);
