/* fz-resource-order.c: see fz-resource-order.h */
#include "src/app/resources/fz-resource-order.h"

#include <string.h>

/* -- order -- */

static int
state_rank (FzResourceItem *item)
{
  switch (fz_resource_item_get_state (item)) {
  case FZ_RESOURCE_DIRECT:
    return 0;
  case FZ_RESOURCE_RELAYED:
    return 1;
  case FZ_RESOURCE_CONNECTING:
    return 2;
  case FZ_RESOURCE_IDLE:
    return 3;
  case FZ_RESOURCE_OFFLINE:
    return 4;
  case FZ_RESOURCE_DENIED:
    return 5;
  case FZ_RESOURCE_UNKNOWN:
    return 6;
  }
  return 6;
}

static int
compare_int (int64_t a, int64_t b)
{
  return a < b ? -1 : a > b;
}

/* Folded for sorting once per item and text: five thousand rows are compared sixty thousand times.
 */
static const char *
collation_key (FzResourceItem *item, const char *text, const char *slot)
{
  const char *of = g_object_get_data (G_OBJECT (item), slot);
  g_autofree char *folded = NULL;
  g_autofree char *key = NULL;
  g_autofree char *stored = NULL;
  size_t length = strlen (text);

  /* stored as text, NUL, key: a new name makes a new key */
  if (of != NULL && strcmp (of, text) == 0)
    return of + length + 1;
  folded = g_utf8_casefold (text, -1);
  key = g_utf8_collate_key (folded, -1);
  stored = g_malloc (length + 1 + strlen (key) + 1);
  memcpy (stored, text, length + 1);
  strcpy (stored + length + 1, key);
  of = stored;
  g_object_set_data_full (G_OBJECT (item), slot, g_steal_pointer (&stored), g_free);
  return of + length + 1;
}

static const char *
first_site (FzResourceItem *item)
{
  const char *const *sites = fz_resource_item_get_sites (item);

  return sites != NULL && sites[0] != NULL ? sites[0] : "";
}

static int
compare_names (FzResourceItem *a, FzResourceItem *b)
{
  int order = strcmp (collation_key (a, fz_resource_item_get_name (a), "name-key"),
                      collation_key (b, fz_resource_item_get_name (b), "name-key"));

  return order != 0 ? order : strcmp (fz_resource_item_get_id (a), fz_resource_item_get_id (b));
}

static int
group (FzResourceItem *item)
{
  if (fz_resource_item_is_internet (item))
    return 0;
  return fz_resource_item_is_favourite (item) ? 1 : 2;
}

int
fz_resource_order_compare (FzResourceItem *a, FzResourceItem *b, FzResourceOrder order)
{
  int result = compare_int (group (a), group (b));

  if (result != 0)
    return result;
  switch (order) {
  case FZ_RESOURCE_ORDER_STATE:
    result = compare_int (state_rank (a), state_rank (b));
    break;
  case FZ_RESOURCE_ORDER_SITE:
    result = strcmp (collation_key (a, first_site (a), "site-key"),
                     collation_key (b, first_site (b), "site-key"));
    break;
  case FZ_RESOURCE_ORDER_ACTIVITY:
    result = compare_int ((int64_t) fz_resource_item_get_last_activity (b),
                          (int64_t) fz_resource_item_get_last_activity (a));
    break;
  case FZ_RESOURCE_ORDER_NAME:
  case FZ_N_RESOURCE_ORDERS:
    break;
  }
  return result != 0 ? result : compare_names (a, b);
}

bool
fz_resource_order_is_live (FzResourceOrder order)
{
  return order == FZ_RESOURCE_ORDER_STATE || order == FZ_RESOURCE_ORDER_ACTIVITY;
}

/* -- choice -- */

static bool
is_shown (FzResourceItem *item, FzResourceShow which)
{
  FzResourceState state = fz_resource_item_get_state (item);

  switch (which) {
  case FZ_RESOURCE_SHOW_FAVOURITES:
    return fz_resource_item_is_favourite (item);
  case FZ_RESOURCE_SHOW_CONNECTED:
    return state == FZ_RESOURCE_DIRECT || state == FZ_RESOURCE_RELAYED;
  case FZ_RESOURCE_SHOW_TROUBLE:
    return state == FZ_RESOURCE_OFFLINE || state == FZ_RESOURCE_DENIED;
  case FZ_RESOURCE_SHOW_ALL:
  case FZ_N_RESOURCE_SHOWS:
    break;
  }
  return true;
}

static bool
contains (const char *text, const char *needle)
{
  g_autofree char *folded = g_utf8_casefold (text, -1);

  return strstr (folded, needle) != NULL;
}

static bool
has_word (FzResourceItem *item, const char *needle)
{
  const char *const *sites = fz_resource_item_get_sites (item);

  if (contains (fz_resource_item_get_name (item), needle) ||
      contains (fz_resource_item_get_address (item), needle) ||
      contains (fz_resource_item_get_address_note (item), needle))
    return true;
  for (size_t i = 0; sites != NULL && sites[i] != NULL; i++)
    if (contains (sites[i], needle))
      return true;
  return false;
}

bool
fz_resource_order_matches (FzResourceItem *item, FzResourceShow which, const char *const *needles)
{
  if (!is_shown (item, which))
    return false;
  for (size_t i = 0; needles != NULL && needles[i] != NULL; i++)
    if (!has_word (item, needles[i]))
      return false;
  return true;
}
