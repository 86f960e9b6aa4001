/* test-remote.c: D-Bus objects as GObjects and lists */
#include "src/app/fz-remote-items.h"
#include "src/app/fz-remote-list.h"
#include "src/app/fz-words.h"

static GVariant *
make_properties (const char *text)
{
  return g_variant_ref_sink (g_variant_new_parsed (text));
}

static void
count (gpointer counter)
{
  (*(int *) counter)++;
}

static void
test_fields (void)
{
  g_autoptr (FzResourceItem) item = g_object_new (FZ_TYPE_RESOURCE_ITEM, NULL);
  g_autoptr (GVariant) first = make_properties (
      "@a{sv} {'Id': <'r1'>, 'Name': <'Wiki'>, 'Sites': <['a', 'b']>, 'State': <'relayed'>, "
      "'Gateway': <objectpath '/g/1'>, 'Rtt': <uint32 4100>, 'TxBytes': <uint64 7>}");
  int n_names = 0, n_all = 0;

  g_signal_connect_swapped (item, "notify::name", G_CALLBACK (count), &n_names);
  g_signal_connect_swapped (item, "notify", G_CALLBACK (count), &n_all);

  g_assert_cmpstr (fz_resource_item_get_name (item), ==, "");
  g_assert_cmpint (fz_resource_item_get_state (item), ==, FZ_RESOURCE_UNKNOWN);
  g_assert_true (fz_remote_object_apply (FZ_REMOTE_OBJECT (item), first));
  g_assert_cmpstr (fz_resource_item_get_name (item), ==, "Wiki");
  g_assert_cmpstr (fz_resource_item_get_sites (item)[1], ==, "b");
  g_assert_cmpint (fz_resource_item_get_state (item), ==, FZ_RESOURCE_RELAYED);
  g_assert_cmpstr (fz_resource_item_get_gateway (item), ==, "/g/1");
  g_assert_cmpuint (fz_resource_item_get_rtt_us (item), ==, 4100);
  g_assert_cmpint (n_names, ==, 1);
  g_assert_cmpint (n_all, ==, 7);

  g_assert_false (fz_remote_object_apply (FZ_REMOTE_OBJECT (item), first)); /* no news */
  g_assert_cmpint (n_all, ==, 7);
}

/* A newer service may say more, a broken one something else. */
static void
test_strange_members (void)
{
  g_autoptr (FzResourceItem) item = g_object_new (FZ_TYPE_RESOURCE_ITEM, NULL);
  g_autoptr (GVariant) strange =
      make_properties ("@a{sv} {'Name': <uint32 7>, 'Rtt': <'soon'>, 'Sites': <'one'>, 'Colour': "
                       "<'red'>, 'favourite': <true>, "
                       "'State': <'levitating'>}");

  fz_remote_object_apply (FZ_REMOTE_OBJECT (item), strange);
  g_assert_cmpstr (fz_resource_item_get_name (item), ==, "");
  g_assert_cmpuint (fz_resource_item_get_rtt_us (item), ==, 0);
  g_assert_null (fz_resource_item_get_sites (item)[0]);
  g_assert_false (fz_resource_item_is_favourite (item));
  g_assert_cmpint (fz_resource_item_get_state (item), ==, FZ_RESOURCE_UNKNOWN);
  g_assert_cmpstr (fz_words_resource_state (FZ_RESOURCE_UNKNOWN), !=, "");
}

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added, gpointer counter)
{
  (*(int *) counter)++;
}

static void
test_many_are_one_change (void)
{
  g_autoptr (FzRemoteList) list = fz_remote_list_new (FZ_TYPE_RESOURCE_ITEM);
  int n_changes = 0;

  g_signal_connect (list, "items-changed", G_CALLBACK (on_items_changed), &n_changes);
  for (int i = 0; i < 5000; i++) {
    g_autofree char *path = g_strdup_printf ("/r/%d", i);
    g_autoptr (GVariant) properties =
        g_variant_ref_sink (g_variant_new_parsed ("{'Name': <%s>}", path));

    fz_remote_list_add (list, path, properties);
  }
  fz_remote_list_remove (list, "/r/7"); /* before it was shown */
  g_assert_cmpint (n_changes, ==, 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (n_changes, ==, 1);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (list)), ==, 4999);
  g_assert_null (fz_remote_list_lookup (list, "/r/7"));
  fz_remote_list_remove_all (list);
  g_assert_cmpint (n_changes, ==, 2);
}

/* Takes @changes as a reader of the model would: places, not names. */
static void
mirror (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  GPtrArray *copy = user_data;

  if (removed > 0)
    g_ptr_array_remove_range (copy, position, removed);
  for (guint i = 0; i < added; i++)
    g_ptr_array_insert (copy, (int) (position + i), g_list_model_get_item (model, position + i));
}

static void
test_what_goes_goes_at_once (void)
{
  g_autoptr (FzRemoteList) list = fz_remote_list_new (FZ_TYPE_RESOURCE_ITEM);
  g_autoptr (GPtrArray) copy = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GVariant) properties = make_properties ("{'Name': <'one'>}");
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  int n_changes = 0;

  g_signal_connect (list, "items-changed", G_CALLBACK (on_items_changed), &n_changes);
  g_signal_connect (list, "items-changed", G_CALLBACK (mirror), copy);
  for (int turn = 0; turn < 200; turn++) {
    n_changes = 0;
    for (int k = g_rand_int_range (rand, 0, 30); k > 0; k--) {
      g_autofree char *path = g_strdup_printf ("/r/%d", g_rand_int_range (rand, 0, 40));

      if (g_rand_boolean (rand)) {
        fz_remote_list_add (list, path, properties);
        g_assert_nonnull (fz_remote_list_lookup (list, path));
      } else {
        fz_remote_list_remove (list, path);
        g_assert_null (fz_remote_list_lookup (list, path));
      }
    }
    while (g_main_context_iteration (NULL, FALSE))
      ;
    g_assert_cmpint (n_changes, <=, 2);
    g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (list)), ==, copy->len);
    for (guint i = 0; i < copy->len; i++) {
      g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (list), i);

      g_assert_true (item == copy->pdata[i]);
    }
  }
}

static void
test_a_snapshot_keeps_what_stays (void)
{
  g_autoptr (FzRemoteList) list = fz_remote_list_new (FZ_TYPE_RESOURCE_ITEM);
  g_autoptr (GHashTable) objects =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_variant_unref);
  g_autoptr (GVariant) old_one = make_properties ("{'Name': <'old'>}");
  gpointer before;

  fz_remote_list_add (list, "/r/stays", old_one);
  fz_remote_list_add (list, "/r/goes", old_one);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  before = fz_remote_list_lookup (list, "/r/stays");

  g_hash_table_insert (objects, (gpointer) "/r/stays", make_properties ("{'Name': <'new'>}"));
  g_hash_table_insert (objects, (gpointer) "/r/comes", make_properties ("{'Name': <'third'>}"));
  fz_remote_list_replace (list, objects);
  g_assert_true (fz_remote_list_lookup (list, "/r/stays") == before);
  g_assert_cmpstr (fz_resource_item_get_name (before), ==, "new");
  g_assert_null (fz_remote_list_lookup (list, "/r/goes"));
  g_assert_nonnull (fz_remote_list_lookup (list, "/r/comes"));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (list)), ==, 2);
}

static void
test_words (void)
{
  static const struct {
    uint64_t then_s;
    const char *ago, *until;
  } cases[] = {
    { 0, "never", "any moment now" },
    { 100000 - 3, "now", "any moment now" },
    { 100000 - 59, "59 seconds ago", "any moment now" },
    { 100000 - 60, "1 minute ago", "any moment now" },
    { 100000 - 7200, "2 hours ago", "any moment now" },
    { 100000 - 86400, "1 day ago", "any moment now" },
    { 100000 + 59, "now", "in 1 minute" },
    { 100000 + 3600, "now", "in 1 hour" },
    { 100000 + 47 * 3600, "now", "in 47 hours" },
    { 100000 + 48 * 3600, "now", "in 2 days" },
  };
  g_autofree char *none = fz_words_dup_rtt (0);
  g_autofree char *fine = fz_words_dup_rtt (420);
  g_autofree char *coarse = fz_words_dup_rtt (23500);

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    const uint64_t now_us = UINT64_C (100000) * G_USEC_PER_SEC;
    g_autofree char *ago = fz_words_dup_ago (cases[i].then_s * G_USEC_PER_SEC, now_us);
    g_autofree char *until = fz_words_dup_until (cases[i].then_s * G_USEC_PER_SEC, now_us);

    g_assert_cmpstr (ago, ==, cases[i].ago);
    g_assert_cmpstr (until, ==, cases[i].until);
  }
  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (fine, ==, "0.4 ms");
  g_assert_cmpstr (coarse, ==, "24 ms");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/remote/fields", test_fields);
  g_test_add_func ("/remote/strange-members", test_strange_members);
  g_test_add_func ("/remote/many-are-one-change", test_many_are_one_change);
  g_test_add_func ("/remote/what-goes-goes-at-once", test_what_goes_goes_at_once);
  g_test_add_func ("/remote/a-snapshot-keeps-what-stays", test_a_snapshot_keeps_what_stays);
  g_test_add_func ("/remote/words", test_words);
  return g_test_run ();
}
