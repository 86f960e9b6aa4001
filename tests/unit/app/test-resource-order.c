/* test-resource-order.c: which resources the list shows, and in which order */

#include "src/app/resources/fz-resource-order.h"

#include <glib.h>

static FzResourceItem *
make_item (const char *id,
           const char *name,
           const char *kind,
           const char *state,
           const char *site,
           uint64_t activity)
{
  FzResourceItem *item = g_object_new (FZ_TYPE_RESOURCE_ITEM, NULL);
  const char *sites[] = { site, NULL };
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "Id", "s", id);
  g_variant_dict_insert (&dict, "Name", "s", name);
  g_variant_dict_insert (&dict, "Kind", "s", kind);
  g_variant_dict_insert (&dict, "Address", "s", "10.20.0.0/24");
  g_variant_dict_insert (&dict, "AddressNote", "s", "the Wiki of everybody");
  g_variant_dict_insert (&dict, "State", "s", state);
  g_variant_dict_insert_value (&dict, "Sites", g_variant_new_strv (sites, site != NULL ? 1 : 0));
  g_variant_dict_insert (&dict, "LastActivity", "t", activity);
  fz_remote_object_apply (FZ_REMOTE_OBJECT (item), g_variant_ref_sink (g_variant_dict_end (&dict)));
  return item;
}

static int
compare (gconstpointer a, gconstpointer b, gpointer order)
{
  return fz_resource_order_compare (
      *(FzResourceItem *const *) a, *(FzResourceItem *const *) b, GPOINTER_TO_INT (order));
}

static char *
order_of (GPtrArray *items, FzResourceOrder order)
{
  GString *ids = g_string_new (NULL);

  g_ptr_array_sort_with_data (items, compare, GINT_TO_POINTER (order));
  for (guint i = 0; i < items->len; i++)
    g_string_append (ids, fz_resource_item_get_id (items->pdata[i]));
  return g_string_free (ids, FALSE);
}

static void
test_order (void)
{
  static const struct {
    FzResourceOrder order;
    const char *ids;
  } rows[] = {
    { FZ_RESOURCE_ORDER_NAME,
      "ifabcd" }, /* Internet, favourite, then apple, Banana, cherry, cherry */
    { FZ_RESOURCE_ORDER_STATE, "ifbdac" },    /* direct, relayed, idle, denied */
    { FZ_RESOURCE_ORDER_SITE, "ifdbca" },     /* none, Berlin, Berlin, Paris */
    { FZ_RESOURCE_ORDER_ACTIVITY, "ifcabd" }, /* newest first, never last */
  };
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_object_unref);

  g_ptr_array_add (items, make_item ("d", "cherry", "cidr", "relayed", NULL, 0));
  g_ptr_array_add (items, make_item ("c", "cherry", "cidr", "denied", "Berlin", 900));
  g_ptr_array_add (items, make_item ("b", "Banana", "dns", "direct", "Berlin", 20));
  g_ptr_array_add (items, make_item ("a", "apple", "ip", "idle", "Paris", 30));
  g_ptr_array_add (items, make_item ("f", "zebra", "ip", "offline", "Zürich", 1));
  g_ptr_array_add (items, make_item ("i", "Internet", "internet", "idle", "exit", 0));
  fz_resource_item_set_favourite (items->pdata[4], true);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *ids = order_of (items, rows[i].order);

    g_assert_cmpstr (ids, ==, rows[i].ids);
  }
}

static void
test_rename_sorts_anew (void)
{
  g_autoptr (FzResourceItem) a = make_item ("a", "alpha", "ip", "idle", NULL, 0);
  g_autoptr (FzResourceItem) b = make_item ("b", "beta", "ip", "idle", NULL, 0);
  GVariantDict dict;

  g_assert_cmpint (fz_resource_order_compare (a, b, FZ_RESOURCE_ORDER_NAME), <, 0);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "Name", "s", "zeta");
  fz_remote_object_apply (FZ_REMOTE_OBJECT (a), g_variant_ref_sink (g_variant_dict_end (&dict)));
  g_assert_cmpint (fz_resource_order_compare (a, b, FZ_RESOURCE_ORDER_NAME), >, 0);
}

static void
test_choice (void)
{
  static const struct {
    const char *state;
    bool is_favourite;
    unsigned shown; /* a bit for each FzResourceShow */
  } rows[] = {
    { "idle", false, 1 << FZ_RESOURCE_SHOW_ALL },
    { "idle", true, 1 << FZ_RESOURCE_SHOW_ALL | 1 << FZ_RESOURCE_SHOW_FAVOURITES },
    { "direct", false, 1 << FZ_RESOURCE_SHOW_ALL | 1 << FZ_RESOURCE_SHOW_CONNECTED },
    { "relayed", false, 1 << FZ_RESOURCE_SHOW_ALL | 1 << FZ_RESOURCE_SHOW_CONNECTED },
    { "offline", false, 1 << FZ_RESOURCE_SHOW_ALL | 1 << FZ_RESOURCE_SHOW_TROUBLE },
    { "denied", false, 1 << FZ_RESOURCE_SHOW_ALL | 1 << FZ_RESOURCE_SHOW_TROUBLE },
    { "a word of tomorrow", false, 1 << FZ_RESOURCE_SHOW_ALL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzResourceItem) item = make_item ("a", "a", "ip", rows[i].state, NULL, 0);

    fz_resource_item_set_favourite (item, rows[i].is_favourite);
    for (unsigned which = 0; which < FZ_N_RESOURCE_SHOWS; which++)
      g_assert_cmpint (
          fz_resource_order_matches (item, which, NULL), ==, (rows[i].shown >> which & 1) != 0);
  }
}

static void
test_search (void)
{
  static const struct {
    const char *typed;
    bool is_found;
  } rows[] = {
    { "", true },
    { "BÜRO", true },
    { "büro berlin", true },
    { "berlin büro", true },
    { "20.0.0", true },
    { "wiki everybody", true },
    { "paris", false },
    { "büro paris", false },
    { "  wiki  ", true },
  };
  g_autoptr (FzResourceItem) item = make_item ("a", "Drucker Büro", "ip", "idle", "Berlin", 0);

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *folded = g_utf8_casefold (rows[i].typed, -1);
    g_auto (GStrv) needles = g_strsplit_set (folded, " \t", -1);

    g_test_message ("%s", rows[i].typed);
    g_assert_cmpint (
        fz_resource_order_matches (item, FZ_RESOURCE_SHOW_ALL, (const char *const *) needles),
        ==,
        rows[i].is_found);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/resource-order/order", test_order);
  g_test_add_func ("/resource-order/rename", test_rename_sorts_anew);
  g_test_add_func ("/resource-order/choice", test_choice);
  g_test_add_func ("/resource-order/search", test_search);
  return g_test_run ();
}
