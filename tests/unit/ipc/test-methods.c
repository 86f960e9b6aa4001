/* test-methods.c
 *
 * The table of methods: every method of the contract has a row, and each row asks for the right
 * actions.
 */
#include "src/ipc/fz-ipc-methods.h"
#include "src/ipc/fz-tunnel1-generated.h"

#include <string.h>

static void
assert_rows (GDBusInterfaceInfo *info)
{
  for (size_t i = 0; info->methods[i] != NULL; i++) {
    const FzIpcMethod *method = fz_ipc_method_find (info->name, info->methods[i]->name);
    g_autoptr (GString) signature = g_string_new ("");

    g_test_message ("%s", info->methods[i]->name);
    g_assert_nonnull (method);
    for (size_t k = 0; info->methods[i]->in_args != NULL && info->methods[i]->in_args[k] != NULL;
         k++)
      g_string_append (signature, info->methods[i]->in_args[k]->signature);
    g_assert_cmpint (method->takes_fd, ==, strchr (signature->str, 'h') != NULL);
    g_assert_cmpint (method->options != NULL, ==, g_str_has_suffix (signature->str, "a{sv}"));
    if (method->takes_fd)
      g_assert_cmpint (signature->str[0], ==, 'h'); /* where the service looks for it */
  }
}

static void
test_every_method_has_a_row (void)
{
  assert_rows (fz_tunnel1_manager_interface_info ());
  assert_rows (fz_tunnel1_diagnostics_interface_info ());
}

static void
test_unknown_is_nothing (void)
{
  g_assert_null (fz_ipc_method_find (FZ_IPC_MANAGER, "connect"));
  g_assert_null (fz_ipc_method_find (FZ_IPC_DIAGNOSTICS, "Connect"));
  g_assert_null (fz_ipc_method_find (FZ_IPC_RESOURCE, "Connect"));
  g_assert_nonnull (fz_ipc_method_find (NULL, "Connect"));
}

#define A(name) "dev.firezone.Client.tunnel1." name

static void
test_actions (void)
{
  static const struct {
    const char *method;
    uint32_t uid, owner;
    bool is_up;
    const char *actions[4];
  } rows[] = {
    { "Connect", 1000, 1000, false, { A ("connect") } },
    { "Connect", 1000, FZ_IPC_NO_OWNER, false, { A ("connect") } },
    { "Connect", 1000, 1001, true, { A ("connect"), A ("take-over") } },
    { "Connect", 0, 1001, true, { A ("connect"), A ("take-over") } },
    { "Disconnect", 1000, 1000, true, { A ("disconnect") } },
    { "ClearCredential", 1000, 1000, false, { A ("credential") } },
    { "ClearCredential", 1000, 1000, true, { A ("credential"), A ("disconnect") } },
    { "SetCredential", 1000, 1001, true, { A ("credential"), A ("disconnect"), A ("take-over") } },
    { "OpenLog", 1000, 1000, true, { A ("diagnostics") } },
    { "OpenLog", 1000, FZ_IPC_NO_OWNER, false, { A ("diagnostics") } },
    { "OpenLog", 1000, 1001, true, { A ("diagnostics-other") } },
    { "SetLogFilter", 1000, 1000, true, { A ("diagnostics") } },
    { "SetLogFilter", 1000, FZ_IPC_NO_OWNER, false, { A ("configure") } },
    { "SetLogFilter", FZ_IPC_NO_OWNER, FZ_IPC_NO_OWNER, false, { A ("configure") } },
    { "WaitForState", 1000, 1001, true, { NULL } },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *actions[FZ_IPC_ACTIONS_MAX];
    unsigned n = fz_ipc_method_get_actions (fz_ipc_method_find (NULL, rows[i].method),
                                            rows[i].uid,
                                            rows[i].owner,
                                            rows[i].is_up,
                                            actions);

    g_test_message ("%s by %u, owner %u", rows[i].method, rows[i].uid, rows[i].owner);
    for (unsigned k = 0; k < n; k++)
      g_assert_cmpstr (actions[k], ==, rows[i].actions[k]);
    g_assert_null (rows[i].actions[n]);
  }
}

static void
test_options (void)
{
  static const struct {
    const char *options;
    bool is_good;
  } rows[] = {
    { "@a{sv} {}", true },
    { "{'account': <'acme'>}", true },
    { "{'api-url': <'wss://api.example/'>, 'expires': <uint64 1>}", true },
    { "{'account': <uint32 1>}", false },
    { "{'Account': <'acme'>}", false },
    { "{'account': <'a\tb'>}", false },
    { "{'account': <'a'>, 'account': <'a'>}", false },
    { "{'api-url': <'file:///etc/passwd'>}", false },
  };
  const FzIpcMethod *method = fz_ipc_method_find (NULL, "SetCredential");

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = g_strdup_printf ("(handle 0, %s)", rows[i].options);
    g_autoptr (GVariant) parameters =
        g_variant_parse (G_VARIANT_TYPE ("(ha{sv})"), text, NULL, NULL, NULL);
    g_autoptr (GVariant) options = fz_ipc_method_dup_options (method, parameters);
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", rows[i].options);
    g_assert_cmpint (
        fz_ipc_method_check (method, parameters, options, &error), ==, rows[i].is_good);
    g_assert_cmpint (error == NULL, ==, rows[i].is_good);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ipc/methods/every-method-has-a-row", test_every_method_has_a_row);
  g_test_add_func ("/ipc/methods/unknown-is-nothing", test_unknown_is_nothing);
  g_test_add_func ("/ipc/methods/actions", test_actions);
  g_test_add_func ("/ipc/methods/options", test_options);
  return g_test_run ();
}
