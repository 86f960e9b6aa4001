/* fz-cli-tunnel.c: firezone connect, disconnect, reconnect, toggle, wait, sign-out
 *
 * One call each; where somebody wants to wait, the service says when.
 */
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-verbs.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 30000u

static GVariant *
make_options (bool has_internet)
{
  GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (has_internet)
    g_variant_builder_add (&options, "{sv}", "internet-resource", g_variant_new_boolean (TRUE));
  return g_variant_new ("(a{sv})", &options);
}

/* Why it is in the state "error", in words. */
static void
explain (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all = NULL;
  const char *words = NULL, *reason = "", *detail = "";
  g_autofree char *clean = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      cli->bus,
      g_dbus_proxy_get_name (G_DBUS_PROXY (cli->manager)),
      g_dbus_proxy_get_object_path (G_DBUS_PROXY (cli->manager)),
      "org.freedesktop.DBus.Properties",
      "GetAll",
      g_variant_new ("(s)", g_dbus_proxy_get_interface_name (G_DBUS_PROXY (cli->manager))),
      G_VARIANT_TYPE ("(a{sv})"),
      G_DBUS_CALL_FLAGS_NONE,
      -1,
      NULL,
      &error);

  if (reply == NULL)
    return;
  all = g_variant_get_child_value (reply, 0);
  g_variant_lookup (all, "StateReason", "&s", &reason);
  g_variant_lookup (all, "StateDetail", "&s", &detail);
  words = fz_cli_reason_words (reason);
  clean = fz_cli_clean (detail);
  if (words != NULL)
    fprintf (stderr, "firezone: %s\n", words);
  if (*clean != '\0')
    fprintf (stderr, "firezone: %s\n", clean);
}

static int
wait_connected (FzCli *cli, unsigned timeout_ms)
{
  static const char *const ends[] = { "connected", "degraded", "error", "signed-out", NULL };
  g_autofree char *state = NULL;
  int status = fz_cli_service_wait (cli, ends, timeout_ms, &state);

  if (status == FZ_CLI_TIMEOUT) {
    fputs (_ ("firezone: not connected in time; it goes on trying. See: firezone status\n"),
           stderr);
    return status;
  }
  if (status != FZ_CLI_OK)
    return status;
  if (fz_cli_service_exit_for (state) != FZ_CLI_OK) {
    fprintf (stderr, _ ("firezone: not connected. %s.\n"), fz_cli_state_word (state));
    explain (cli);
  }
  return fz_cli_service_exit_for (state);
}

static int
connect_and_wait (FzCli *cli)
{
  unsigned timeout_ms;
  int status;

  if (!fz_cli_get_seconds (cli, "timeout", WAIT_MS, &timeout_ms))
    return FZ_CLI_USAGE;
  status = fz_cli_service_open (cli);
  if (status == FZ_CLI_OK)
    status =
        fz_cli_service_do (cli, "Manager.Connect", make_options (fz_cli_has (cli, "internet")));
  if (status == FZ_CLI_OK && fz_cli_has (cli, "wait"))
    status = wait_connected (cli, timeout_ms);
  return status;
}

int
fz_cli_connect (FzCli *cli)
{
  return connect_and_wait (cli);
}

int
fz_cli_disconnect (FzCli *cli)
{
  static const char *const ends[] = { "offline", "signed-out", NULL };
  g_autofree char *state = NULL;
  unsigned timeout_ms;
  int status;

  if (!fz_cli_get_seconds (cli, "timeout", WAIT_MS, &timeout_ms))
    return FZ_CLI_USAGE;
  status = fz_cli_service_open (cli);
  if (status == FZ_CLI_OK)
    status = fz_cli_service_do (cli, "Manager.Disconnect", make_options (false));
  if (status == FZ_CLI_OK && fz_cli_has (cli, "wait"))
    status = fz_cli_service_wait (cli, ends, timeout_ms, &state);
  if (status == FZ_CLI_TIMEOUT)
    fputs (_ ("firezone: not disconnected in time. See: firezone status\n"), stderr);
  return status;
}

int
fz_cli_reconnect (FzCli *cli)
{
  int status = fz_cli_service_open (cli);

  return status == FZ_CLI_OK ? fz_cli_service_do (cli, "Manager.Reconnect", NULL) : status;
}

int
fz_cli_toggle (FzCli *cli)
{
  static const char *const down[] = { "signed-out", "offline", "error", "disconnecting", NULL };
  int status = fz_cli_service_open (cli);

  if (status != FZ_CLI_OK)
    return status;
  if (g_strv_contains (down, fz_tunnel1_manager_get_state (cli->manager)))
    return fz_cli_service_do (cli, "Manager.Connect", make_options (false));
  return fz_cli_service_do (cli, "Manager.Disconnect", make_options (false));
}

int
fz_cli_wait (FzCli *cli)
{
  g_autofree char *state = NULL;
  unsigned timeout_ms;
  int status;

  if (!fz_cli_get_seconds (cli, "timeout", G_MAXUINT, &timeout_ms))
    return FZ_CLI_USAGE;
  status = fz_cli_service_open (cli);
  if (status != FZ_CLI_OK)
    return status;
  status = fz_cli_service_wait (cli, (const char *const *) cli->arguments, timeout_ms, &state);
  if (status == FZ_CLI_OK)
    puts (state);
  else if (status == FZ_CLI_TIMEOUT)
    fputs (_ ("firezone: none of these states came in time\n"), stderr);
  return status;
}

int
fz_cli_sign_out (FzCli *cli)
{
  int status = fz_cli_service_open (cli);

  return status == FZ_CLI_OK ? fz_cli_service_do (cli, "Manager.ClearCredential", NULL) : status;
}
