/* test-menu-export.c: a menu on the bus, read by GLib's own reader over a wire without a bus */
#include "src/app/fz-menu-export.h"

#include <sys/socket.h>

#define PATH "/menu"

typedef struct {
  GDBusConnection *ours;
  GDBusConnection *theirs;
} Wire;

static void
on_connection (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  *(GDBusConnection **) user_data = g_dbus_connection_new_finish (result, &error);
  g_assert_no_error (error);
}

static GSocketConnection *
make_stream (int fd)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, NULL);

  g_assert_nonnull (socket);
  return g_socket_connection_factory_create_connection (socket);
}

static void
set_up (Wire *wire, gconstpointer data)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GSocketConnection) a = NULL;
  g_autoptr (GSocketConnection) b = NULL;
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  a = make_stream (fds[0]);
  b = make_stream (fds[1]);
  g_dbus_connection_new (G_IO_STREAM (a),
                         guid,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                             G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS,
                         NULL,
                         NULL,
                         on_connection,
                         &wire->ours);
  g_dbus_connection_new (G_IO_STREAM (b),
                         NULL,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
                         NULL,
                         NULL,
                         on_connection,
                         &wire->theirs);
  while (wire->ours == NULL || wire->theirs == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
tear_down (Wire *wire, gconstpointer data)
{
  g_dbus_connection_close_sync (wire->theirs, NULL, NULL);
  g_clear_object (&wire->theirs);
  g_clear_object (&wire->ours);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* -- a menu as text: "label", "[section]", "{submenu}"; everything below is watched -- */

static void
describe (GMenuModel *model, GString *out)
{
  for (int i = 0; i < g_menu_model_get_n_items (model); i++) {
    g_autoptr (GMenuModel) section = g_menu_model_get_item_link (model, i, G_MENU_LINK_SECTION);
    g_autoptr (GMenuModel) submenu = g_menu_model_get_item_link (model, i, G_MENU_LINK_SUBMENU);
    g_autofree char *label = NULL;
    g_autofree char *action = NULL;

    g_menu_model_get_item_attribute (model, i, "label", "s", &label);
    g_menu_model_get_item_attribute (model, i, "action", "s", &action);
    g_string_append_printf (out,
                            "%s%s%s ",
                            label != NULL ? label : "",
                            action != NULL ? "=" : "",
                            action != NULL ? action : "");
    if (section != NULL) {
      g_string_append (out, "[");
      describe (section, out);
      g_string_append (out, "] ");
    }
    if (submenu != NULL) {
      g_string_append (out, "{");
      describe (submenu, out);
      g_string_append (out, "} ");
    }
  }
}

/* Holds every model below, so that its group stays subscribed to. */
static void
hold (GMenuModel *model, GPtrArray *held)
{
  g_ptr_array_add (held, g_object_ref (model));
  for (int i = 0; i < g_menu_model_get_n_items (model); i++) {
    g_autoptr (GMenuModel) section = g_menu_model_get_item_link (model, i, G_MENU_LINK_SECTION);
    g_autoptr (GMenuModel) submenu = g_menu_model_get_item_link (model, i, G_MENU_LINK_SUBMENU);

    if (section != NULL)
      hold (section, held);
    if (submenu != NULL)
      hold (submenu, held);
  }
}

/* Until the reader has what @menu says. */
static void
wait_same (GMenuModel *remote, GMenu *menu)
{
  g_autoptr (GString) want = g_string_new (NULL);
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func (g_object_unref);

  describe (G_MENU_MODEL (menu), want);
  for (;;) {
    g_autoptr (GPtrArray) more = g_ptr_array_new_with_free_func (g_object_unref);
    g_autoptr (GString) have = g_string_new (NULL);

    hold (remote, more);
    describe (remote, have);
    g_ptr_array_extend_and_steal (held, g_steal_pointer (&more));
    if (g_string_equal (have, want))
      return;
    g_main_context_iteration (NULL, TRUE);
  }
}

/* A menu as the tray has: sections, and submenus of them; what is in it follows from @seed. */
static void
fill (GMenu *menu, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  int n_sections = g_rand_int_range (rand, 0, 4);

  g_menu_remove_all (menu);
  for (int s = 0; s < n_sections; s++) {
    g_autoptr (GMenu) section = g_menu_new ();
    int n_items = g_rand_int_range (rand, 0, 5);

    for (int i = 0; i < n_items; i++) {
      g_autofree char *label = g_strdup_printf ("%d", g_rand_int_range (rand, 0, 6));
      g_autoptr (GMenu) submenu = g_menu_new ();

      if (g_rand_boolean (rand)) {
        g_menu_append (section, label, "app.some");
        continue;
      }
      for (int k = g_rand_int_range (rand, 0, 3); k > 0; k--)
        g_menu_append (submenu, label, NULL);
      g_menu_append_submenu (section, label, G_MENU_MODEL (submenu));
    }
    g_menu_append_section (menu, s == 1 ? "Title" : NULL, G_MENU_MODEL (section));
  }
}

static void
test_readers_follow (Wire *wire, gconstpointer data)
{
  g_autoptr (GMenu) menu = g_menu_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (FzMenuExport) exported = fz_menu_export_new (wire->ours, PATH, &error);
  g_autoptr (GDBusMenuModel) remote = g_dbus_menu_model_get (wire->theirs, NULL, PATH);

  g_assert_no_error (error);
  for (guint32 seed = 1; seed <= 200; seed++) {
    g_test_message ("seed %u", seed);
    fill (menu, seed);
    fz_menu_export_show (exported, G_MENU_MODEL (menu));
    wait_same (G_MENU_MODEL (remote), menu);
  }
}

/* -- what is said on the wire -- */

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  *(GVariant **) user_data =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_assert_no_error (error);
}

static char *
ask (Wire *wire, const char *method, const char *groups)
{
  GVariant *reply = NULL;
  char *text;

  g_dbus_connection_call (wire->theirs,
                          NULL,
                          PATH,
                          "org.gtk.Menus",
                          method,
                          g_variant_new_parsed (groups),
                          NULL,
                          G_DBUS_CALL_FLAGS_NONE,
                          -1,
                          NULL,
                          on_reply,
                          &reply);
  while (reply == NULL)
    g_main_context_iteration (NULL, TRUE);
  text = g_variant_print (reply, FALSE);
  g_variant_unref (reply);
  return text;
}

static void
test_groups_that_are_not (Wire *wire, gconstpointer data)
{
  static const struct {
    const char *method;
    const char *groups;
    const char *answer;
    const char *why;
  } rows[] = {
    { "Start", "(@au [],)", "([],)", "nothing" },
    { "Start", "([uint32 7],)", "([],)", "never was" },
    { "Start",
      "([uint32 1, 4294967295, 2147483648],)",
      "([(1, 0, [{'label': <'Inner'>}])],)",
      "one of three" },
    { "Start",
      "([uint32 1, 1, 1],)",
      "([(1, 0, [{'label': <'Inner'>}])],)",
      "asked for thrice, told once" },
    { "End", "([uint32 7, 7, 4294967295],)", "()", "never began" },
    { "End", "([uint32 1],)", "()", "and once more" },
    { "End", "([uint32 1],)", "()", "and once too often" },
  };
  g_autoptr (GMenu) menu = g_menu_new ();
  g_autoptr (GMenu) submenu = g_menu_new ();
  g_autoptr (FzMenuExport) exported = NULL;

  g_menu_append (submenu, "Inner", NULL);
  g_menu_append_submenu (menu, "Outer", G_MENU_MODEL (submenu));
  exported = fz_menu_export_new (wire->ours, PATH, NULL);
  fz_menu_export_show (exported, G_MENU_MODEL (menu));
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *answer = ask (wire, rows[i].method, rows[i].groups);

    g_test_message ("%s", rows[i].why);
    g_assert_cmpstr (answer, ==, rows[i].answer);
  }
  g_menu_remove_all (menu);
  fz_menu_export_show (exported, G_MENU_MODEL (menu));
  {
    g_autofree char *answer = ask (wire, "Start", "([uint32 1],)");

    g_assert_cmpstr (answer, ==, "([],)"); /* it was there a moment ago */
  }
}

static void
on_changed (GDBusConnection *bus,
            const char *sender,
            const char *path,
            const char *interface,
            const char *signal,
            GVariant *parameters,
            gpointer user_data)
{
  g_ptr_array_add (user_data, g_variant_print (parameters, FALSE));
}

static void
test_only_what_is_different (Wire *wire, gconstpointer data)
{
  g_autoptr (GPtrArray) told = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GMenu) menu = g_menu_new ();
  g_autoptr (FzMenuExport) exported = NULL;
  g_autofree char *answer = NULL;
  guint id = g_dbus_connection_signal_subscribe (wire->theirs,
                                                 NULL,
                                                 "org.gtk.Menus",
                                                 "Changed",
                                                 PATH,
                                                 NULL,
                                                 G_DBUS_SIGNAL_FLAGS_NONE,
                                                 on_changed,
                                                 told,
                                                 NULL);

  for (int i = 0; i < 4; i++)
    g_menu_append (menu, (const char *[]){ "a", "b", "c", "d" }[i], NULL);
  exported = fz_menu_export_new (wire->ours, PATH, NULL);
  fz_menu_export_show (exported, G_MENU_MODEL (menu));
  g_menu_remove_all (menu);
  for (int i = 0; i < 4; i++)
    g_menu_append (menu, (const char *[]){ "a", "b", "c", "d" }[i], NULL);
  fz_menu_export_show (exported, G_MENU_MODEL (menu)); /* built anew, and the same */
  g_menu_remove (menu, 2);
  g_menu_insert (menu, 2, "x", NULL);
  fz_menu_export_show (exported, G_MENU_MODEL (menu));
  g_menu_remove_all (menu);
  fz_menu_export_show (exported, G_MENU_MODEL (menu));
  answer = ask (wire, "Start", "([uint32 0],)"); /* comes after them */
  while (told->len < 3)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (told->len, ==, 3);
  g_assert_true (g_str_has_prefix (told->pdata[0], "([(0, 0, 0, 0, [{'label': <'a'>},"));
  g_assert_cmpstr (told->pdata[1], ==, "([(0, 0, 2, 1, [{'label': <'x'>}])],)");
  g_assert_cmpstr (told->pdata[2], ==, "([(0, 0, 0, 4, [])],)");
  g_assert_cmpstr (answer, ==, "([],)");
  g_dbus_connection_signal_unsubscribe (wire->theirs, id);
}

static void
test_one_at_a_path (Wire *wire, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  FzMenuExport *first = fz_menu_export_new (wire->ours, PATH, NULL);
  FzMenuExport *second = fz_menu_export_new (wire->ours, PATH, &error);

  g_assert_null (second);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  fz_menu_export_free (first);
  second = fz_menu_export_new (wire->ours, PATH, NULL);
  g_assert_nonnull (second);
  fz_menu_export_free (second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/menu-export/readers-follow", Wire, NULL, set_up, test_readers_follow, tear_down);
  g_test_add (
      "/menu-export/groups-that-are-not", Wire, NULL, set_up, test_groups_that_are_not, tear_down);
  g_test_add ("/menu-export/only-what-is-different",
              Wire,
              NULL,
              set_up,
              test_only_what_is_different,
              tear_down);
  g_test_add ("/menu-export/one-at-a-path", Wire, NULL, set_up, test_one_at_a_path, tear_down);
  return g_test_run ();
}
