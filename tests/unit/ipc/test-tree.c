/* test-tree.c
 *
 * The tree by itself: what is told when, to whom, and what each caller sees.
 */
#include "src/ipc/fz-ipc-names.h"
#include "src/ipc/fz-ipc-tree-private.h"
#include "src/ipc/fz-tunnel1-generated.h"

#include <string.h>

typedef struct {
  GString *told; /* a line for each signal: "AUDIENCE SIGNAL PATH [DESTINATION] ARGUMENTS" */
  unsigned n_flushed;
} Heard;

static void
on_emit (const char *destination,
         FzIpcAudience audience,
         const char *path,
         const char *interface,
         const char *signal,
         GVariant *parameters,
         gpointer user_data)
{
  Heard *heard = user_data;
  g_autofree char *text = g_variant_print (parameters, FALSE);

  g_string_append_printf (heard->told,
                          "%s %s %s%s%s %s\n",
                          audience == FZ_IPC_PRIVATE ? "private" : "public",
                          signal,
                          path + strlen (FZ_IPC_PATH),
                          destination != NULL ? " to " : "",
                          destination != NULL ? destination : "",
                          text);
}

static void
on_emit_added (const char *destination,
               FzIpcAudience audience,
               FzIpcPicture *picture,
               gpointer user_data)
{
  g_autoptr (GVariant) parameters = g_variant_ref_sink (fz_ipc_picture_to_added (picture));

  on_emit (destination,
           audience,
           FZ_IPC_PATH,
           FZ_IPC_OBJECT_MANAGER,
           "InterfacesAdded",
           parameters,
           user_data);
}

static void
on_flushed (gpointer user_data)
{
  Heard *heard = user_data;

  heard->n_flushed++;
}

typedef struct {
  Heard heard;
  FzIpcTree *tree;
  FzIpcObject *manager;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  const FzIpcTreeEvents events = { on_emit, on_emit_added, on_flushed };

  f->heard.told = g_string_new ("");
  f->tree = fz_ipc_tree_new (&events, &f->heard);
  f->manager = fz_ipc_tree_get_manager (f->tree);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  fz_ipc_tree_free (f->tree);
  g_string_free (f->heard.told, TRUE);
}

static void
assert_told (Fixture *f, const char *wanted)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (f->heard.told->str, ==, wanted);
  g_string_truncate (f->heard.told, 0);
}

static FzIpcObject *
add_relay (Fixture *f, const char *name, FzIpcAudience audience)
{
  g_autofree char *path = g_strconcat (FZ_IPC_PATH "/relay/", name, NULL);

  return fz_ipc_tree_add (f->tree, path, fz_tunnel1_relay_interface_info (), audience);
}

static void
test_once_a_turn (Fixture *f, gconstpointer data)
{
  fz_ipc_object_set_u32 (f->manager, "Mtu", 1280);
  fz_ipc_object_set_u32 (f->manager, "Mtu", 1500);
  fz_ipc_object_set_text (f->manager, "Interface", "tun0");
  g_assert_cmpstr (f->heard.told->str, ==, "");
  assert_told (f,
               "public PropertiesChanged  ('dev.firezone.Client.Tunnel1.Manager', "
               "{'Interface': <'tun0'>, 'Mtu': <uint32 1500>}, [])\n");
  g_assert_cmpuint (f->heard.n_flushed, ==, 1);

  fz_ipc_object_set_u32 (f->manager, "Mtu", 1500);
  fz_ipc_object_set_text (f->manager, "Interface", "tun0");
  assert_told (f, "");
  g_assert_cmpuint (f->heard.n_flushed, ==, 1);
}

static void
test_private_properties (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) own = NULL;
  g_autoptr (GVariant) others = NULL;

  fz_ipc_object_set_text (f->manager, "Account", "acme");
  fz_ipc_object_set_u32 (f->manager, "Mtu", 1280);
  assert_told (f,
               "public PropertiesChanged  ('dev.firezone.Client.Tunnel1.Manager', {'Mtu': <uint32 "
               "1280>}, [])\n"
               "private PropertiesChanged  ('dev.firezone.Client.Tunnel1.Manager', "
               "{'Account': <'acme'>}, [])\n");
  own = fz_ipc_object_view (f->manager, "Account", true);
  others = fz_ipc_object_view (f->manager, "Account", false);
  g_assert_cmpstr (g_variant_get_string (own, NULL), ==, "acme");
  g_assert_cmpstr (g_variant_get_string (others, NULL), ==, "");
  g_assert_null (fz_ipc_object_view (f->manager, "account", true));
}

static void
test_life_of_an_object (Fixture *f, gconstpointer data)
{
  FzIpcObject *relay = add_relay (f, "1", FZ_IPC_PRIVATE);

  fz_ipc_object_set_text (relay, "Address", "192.0.2.1:3478");
  assert_told (f,
               "private InterfacesAdded  ('/dev/firezone/Client/Tunnel1/relay/1', "
               "{'dev.firezone.Client.Tunnel1.Relay': {'Address': <'192.0.2.1:3478'>, "
               "'State': <''>, 'Rtt': <uint32 0>}})\n");
  fz_ipc_object_set_u32 (relay, "Rtt", 5);
  assert_told (f,
               "private PropertiesChanged /relay/1 ('dev.firezone.Client.Tunnel1.Relay', "
               "{'Rtt': <uint32 5>}, [])\n");
  fz_ipc_object_set_u32 (relay, "Rtt", 6);
  fz_ipc_tree_remove (f->tree, relay);
  g_assert_null (fz_ipc_tree_lookup (f->tree, FZ_IPC_PATH "/relay/1"));
  relay = add_relay (f, "1", FZ_IPC_PRIVATE);
  fz_ipc_object_set_text (relay, "Address", "192.0.2.2:3478");
  assert_told (f,
               "private InterfacesRemoved  ('/dev/firezone/Client/Tunnel1/relay/1', "
               "['dev.firezone.Client.Tunnel1.Relay'])\n"
               "private InterfacesAdded  ('/dev/firezone/Client/Tunnel1/relay/1', "
               "{'dev.firezone.Client.Tunnel1.Relay': {'Address': <'192.0.2.2:3478'>, "
               "'State': <''>, 'Rtt': <uint32 0>}})\n");
}

static void
test_come_and_gone_in_a_turn (Fixture *f, gconstpointer data)
{
  FzIpcObject *relay = add_relay (f, "1", FZ_IPC_PUBLIC);

  fz_ipc_object_set_u32 (relay, "Rtt", 5);
  fz_ipc_tree_remove (f->tree, relay);
  assert_told (f, "");
}

static void
test_eyes (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) all = NULL;
  g_autoptr (GPtrArray) some = NULL;
  g_autoptr (GPtrArray) kinds = NULL;
  g_autoptr (GPtrArray) relays = NULL;
  g_autoptr (GPtrArray) hidden = NULL;

  add_relay (f, "2", FZ_IPC_PRIVATE);
  add_relay (f, "3", FZ_IPC_PRIVATE); /* three of a kind: its name is seen twice after the first */
  add_relay (f, "1", FZ_IPC_PRIVATE);
  all = fz_ipc_tree_dup_managed (f->tree, true);
  some = fz_ipc_tree_dup_managed (f->tree, false);
  g_assert_cmpuint (all->len, ==, 3);
  g_assert_cmpuint (some->len, ==, 0);

  kinds = fz_ipc_tree_dup_children (f->tree, FZ_IPC_PATH, true);
  g_assert_cmpuint (kinds->len, ==, 1);
  g_assert_cmpstr (kinds->pdata[0], ==, "relay");
  relays = fz_ipc_tree_dup_children (f->tree, FZ_IPC_PATH "/relay", true);
  g_assert_cmpuint (relays->len, ==, 3);
  g_assert_cmpstr (relays->pdata[0], ==, "1");
  hidden = fz_ipc_tree_dup_children (f->tree, FZ_IPC_PATH, false);
  g_assert_cmpuint (hidden->len, ==, 0);
}

static char *
print_managed (GPtrArray *pictures)
{
  g_autoptr (GVariant) managed = g_variant_ref_sink (fz_ipc_pictures_to_managed (pictures));

  return g_variant_print (managed, FALSE);
}

/* A reply that is still being written shows what was so when it was asked for. */
static void
test_pictures_do_not_change (Fixture *f, gconstpointer data)
{
  FzIpcObject *relay = add_relay (f, "1", FZ_IPC_PRIVATE);
  g_autoptr (GPtrArray) before = NULL;
  g_autoptr (GPtrArray) after = NULL;
  g_autofree char *was = NULL;
  g_autofree char *is = NULL;

  fz_ipc_object_set_text (relay, "Address", "192.0.2.1:3478");
  before = fz_ipc_tree_dup_managed (f->tree, true);
  fz_ipc_object_set_text (relay, "Address", "192.0.2.2:3478");
  fz_ipc_object_set_u32 (relay, "Rtt", 7);
  after = fz_ipc_tree_dup_managed (f->tree, true);
  fz_ipc_tree_remove (f->tree, relay);

  was = print_managed (before);
  is = print_managed (after);
  g_assert_cmpstr (was,
                   ==,
                   "({'/dev/firezone/Client/Tunnel1/relay/1': {'dev.firezone.Client.Tunnel1.Relay':"
                   " {'Address': <'192.0.2.1:3478'>, 'State': <''>, 'Rtt': <uint32 0>}}},)");
  g_assert_cmpstr (is,
                   ==,
                   "({'/dev/firezone/Client/Tunnel1/relay/1': {'dev.firezone.Client.Tunnel1.Relay':"
                   " {'Address': <'192.0.2.2:3478'>, 'State': <''>, 'Rtt': <uint32 7>}}},)");
}

static void
test_show_private (Fixture *f, gconstpointer data)
{
  add_relay (f, "1", FZ_IPC_PRIVATE);
  add_relay (f, "public", FZ_IPC_PUBLIC);
  fz_ipc_object_set_text (f->manager, "Actor", "Alice");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_string_truncate (f->heard.told, 0);

  fz_ipc_tree_show_private (f->tree, ":1.7", false);
  assert_told (f,
               "private PropertiesChanged  to :1.7 ('dev.firezone.Client.Tunnel1.Manager', "
               "{'StateDetail': <''>, 'Account': <''>, 'Actor': <''>, 'PortalUrl': <''>}, [])\n"
               "private InterfacesRemoved  to :1.7 ('/dev/firezone/Client/Tunnel1/relay/1', "
               "['dev.firezone.Client.Tunnel1.Relay'])\n");
  fz_ipc_tree_show_private (f->tree, ":1.8", true);
  assert_told (
      f,
      "private PropertiesChanged  to :1.8 ('dev.firezone.Client.Tunnel1.Manager', "
      "{'StateDetail': <''>, 'Account': <''>, 'Actor': <'Alice'>, 'PortalUrl': <''>}, [])\n"
      "private InterfacesAdded  to :1.8 ('/dev/firezone/Client/Tunnel1/relay/1', "
      "{'dev.firezone.Client.Tunnel1.Relay': {'Address': <''>, "
      "'State': <''>, 'Rtt': <uint32 0>}})\n");
}

static void
test_many (Fixture *f, gconstpointer data)
{
  g_autofree FzIpcObject **all = g_new0 (FzIpcObject *, 5000);
  g_autofree char *path = fz_ipc_dup_resource_path ("6a7d5c1e-0000-4000-8000-000000000001");

  g_assert_cmpstr (path, ==, FZ_IPC_PATH "/resource/6a7d5c1e_0000_4000_8000_000000000001");
  for (int i = 0; i < 5000; i++) {
    g_autofree char *name = g_strdup_printf ("%d", i);

    all[i] = add_relay (f, name, FZ_IPC_PRIVATE);
  }
  fz_ipc_tree_flush (f->tree);
  for (int i = 0; i < 5000; i++)
    fz_ipc_tree_remove (f->tree, all[i]);
  fz_ipc_tree_flush (f->tree);
  g_assert_cmpuint (f->heard.n_flushed, ==, 2);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/ipc/tree/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("once-a-turn", test_once_a_turn);
  ADD ("private-properties", test_private_properties);
  ADD ("life-of-an-object", test_life_of_an_object);
  ADD ("come-and-gone-in-a-turn", test_come_and_gone_in_a_turn);
  ADD ("eyes", test_eyes);
  ADD ("pictures-do-not-change", test_pictures_do_not_change);
  ADD ("show-private", test_show_private);
  ADD ("many", test_many);
  return g_test_run ();
}
