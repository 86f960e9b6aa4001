#include "src/cli/fz-cli-service.h"

#include "src/cli/fz-cli-agent.h"
#include "src/ipc/fz-ipc-error.h"
#include "src/ipc/fz-ipc-names.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPEN_TIMEOUT_MS 25000
#define WAIT_MS_MAX     86400000u

static bool
is_missing (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND);
}

static bool
is_broken (const GError *error)
{
  return error->domain == G_DBUS_ERROR && error->code >= G_DBUS_ERROR_SPAWN_EXEC_FAILED &&
         error->code <= G_DBUS_ERROR_SPAWN_NO_MEMORY;
}

static int
fail_ipc (const GError *error)
{
  switch ((FzIpcError) error->code) {
  case FZ_IPC_ERROR_NOT_AUTHORIZED:
    fprintf (stderr, _ ("firezone: you are not allowed to do this: %s\n"), error->message);
    fputs (
        _ ("On a terminal you are asked for a password where one would help; elsewhere run it with "
           "sudo, or ask your administrator for a polkit rule.\n"),
        stderr);
    return FZ_CLI_NOT_AUTHORIZED;
  case FZ_IPC_ERROR_NOT_OWNER:
    fprintf (
        stderr, _ ("firezone: another user of this computer is signed in: %s\n"), error->message);
    fputs (_ ("An administrator can take over, for instance with sudo.\n"), stderr);
    return FZ_CLI_NOT_AUTHORIZED;
  case FZ_IPC_ERROR_NOT_SIGNED_IN:
    fputs (_ ("firezone: nobody is signed in. Sign in with: firezone sign-in\n"), stderr);
    return FZ_CLI_NOT_CONNECTED;
  case FZ_IPC_ERROR_OFFLINE:
    fprintf (stderr, _ ("firezone: not connected: %s\n"), error->message);
    return FZ_CLI_NOT_CONNECTED;
  case FZ_IPC_ERROR_TIMEOUT:
    fprintf (stderr, _ ("firezone: not in time: %s\n"), error->message);
    return FZ_CLI_TIMEOUT;
  case FZ_IPC_ERROR_FAILED:
    fprintf (stderr, "firezone: %s\n", error->message);
    return FZ_CLI_ERROR;
  case FZ_IPC_ERROR_INVALID_ARGUMENT:
  case FZ_IPC_ERROR_BUSY:
  case FZ_IPC_ERROR_UNSUPPORTED:
    break;
  }
  fprintf (stderr, _ ("firezone: the tunnel service refuses: %s\n"), error->message);
  return FZ_CLI_ERROR;
}

int
fz_cli_service_fail (const GError *error)
{
  if (error->domain == FZ_IPC_ERROR)
    return fail_ipc (error);
  if (is_missing (error)) {
    fputs (_ ("firezone: the tunnel service is not installed, or not running.\n"
              "Install the package of the Firezone client, or see what keeps the service from "
              "starting: "
              "systemctl status firezone-client-tunnel\n"),
           stderr);
  } else if (is_broken (error)) {
    fprintf (stderr,
             _ ("firezone: the tunnel service cannot be started: %s\n"
                "See why: systemctl status firezone-client-tunnel\n"),
             error->message);
  } else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
             g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)) {
    fprintf (stderr,
             _ ("firezone: the tunnel service does not answer: %s\n"
                "See its state: systemctl status firezone-client-tunnel\n"),
             error->message);
  } else {
    fprintf (stderr, "firezone: %s\n", error->message);
  }
  return FZ_CLI_ERROR;
}

/* -- opening -- */

/* Starts the service if nothing has; the reason if that fails. */
static bool
ping (GDBusConnection *bus, GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (bus,
                                                            FZ_IPC_BUS_NAME,
                                                            FZ_IPC_PATH,
                                                            "org.freedesktop.DBus.Peer",
                                                            "Ping",
                                                            NULL,
                                                            NULL,
                                                            G_DBUS_CALL_FLAGS_NONE,
                                                            OPEN_TIMEOUT_MS,
                                                            NULL,
                                                            error);

  return reply != NULL;
}

int
fz_cli_service_open (FzCli *cli)
{
  g_autoptr (GError) error = NULL;

  if (cli->manager != NULL)
    return FZ_CLI_OK;
  fz_ipc_error_quark ();
  cli->bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (cli->bus == NULL) {
    fprintf (stderr,
             _ ("firezone: the system bus cannot be reached: %s\n"
                "Is D-Bus running? See: systemctl status dbus\n"),
             error->message);
    return FZ_CLI_ERROR;
  }
  if (ping (cli->bus, &error))
    cli->manager = fz_tunnel1_manager_proxy_new_sync (
        cli->bus, G_DBUS_PROXY_FLAGS_NONE, FZ_IPC_BUS_NAME, FZ_IPC_PATH, NULL, &error);
  if (cli->manager != NULL)
    return FZ_CLI_OK;
  g_dbus_error_strip_remote_error (error);
  return fz_cli_service_fail (error);
}

/* -- calling -- */

/* A password is asked for only where somebody sits: a script must not hang on a dialog. */
static GDBusCallFlags
get_flags (void)
{
  return isatty (STDIN_FILENO) == 1 ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                    : G_DBUS_CALL_FLAGS_NONE;
}

/* Waiting is free, and long: nobody is to sit in front of an agent meanwhile. */
static bool
needs_agent (const char *method)
{
  return strcmp (method, "Manager.WaitForState") != 0;
}

static int
take_fd (GUnixFDList *list, GError **error)
{
  if (list == NULL || g_unix_fd_list_get_length (list) < 1) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the service sent no file");
    return -1;
  }
  return g_unix_fd_list_get (list, 0, error);
}

GVariant *
fz_cli_service_call (FzCli *cli,
                     const char *method,
                     GVariant *parameters,
                     int fd,
                     int timeout_ms,
                     int *out_fd,
                     GError **error)
{
  const char *dot = strchr (method, '.');
  g_autofree char *interface =
      g_strdup_printf (FZ_IPC_BUS_NAME ".%.*s", (int) (dot - method), method);
  g_autoptr (GUnixFDList) list = fd >= 0 ? g_unix_fd_list_new () : NULL;
  g_autoptr (GUnixFDList) returned = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) sunk = parameters != NULL ? g_variant_ref_sink (parameters) : NULL;

  if (needs_agent (method))
    fz_cli_agent_start ();
  if (list != NULL && g_unix_fd_list_append (list, fd, error) < 0)
    return NULL;
  reply = g_dbus_connection_call_with_unix_fd_list_sync (cli->bus,
                                                         FZ_IPC_BUS_NAME,
                                                         FZ_IPC_PATH,
                                                         interface,
                                                         dot + 1,
                                                         sunk,
                                                         NULL,
                                                         get_flags (),
                                                         timeout_ms < 0 ? G_MAXINT : timeout_ms,
                                                         list,
                                                         &returned,
                                                         NULL,
                                                         error);
  if (reply == NULL) {
    if (error != NULL)
      g_dbus_error_strip_remote_error (*error);
    return NULL;
  }
  if (out_fd != NULL) {
    *out_fd = take_fd (returned, error);
    if (*out_fd < 0)
      return NULL;
  }
  return g_steal_pointer (&reply);
}

int
fz_cli_service_do (FzCli *cli, const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = fz_cli_service_call (cli, method, parameters, -1, -1, NULL, &error);

  return reply != NULL ? FZ_CLI_OK : fz_cli_service_fail (error);
}

/* -- objects -- */

static int
compare_by_name (gconstpointer a, gconstpointer b)
{
  const char *left = "", *right = "";

  g_variant_lookup (*(GVariant *const *) a, "Name", "&s", &left);
  g_variant_lookup (*(GVariant *const *) b, "Name", "&s", &right);
  return g_utf8_collate (left, right);
}

static GVariant *
with_path (GVariant *properties, const char *path)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (properties);

  g_variant_dict_insert (&dict, "@path", "s", path);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

GPtrArray *
fz_cli_service_list (FzCli *cli, const char *interface, GError **error)
{
  g_autofree char *name = g_strconcat (FZ_IPC_BUS_NAME, ".", interface, NULL);
  g_autoptr (GPtrArray) out = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (GVariant) objects = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (cli->bus,
                                                            FZ_IPC_BUS_NAME,
                                                            FZ_IPC_PATH,
                                                            "org.freedesktop.DBus.ObjectManager",
                                                            "GetManagedObjects",
                                                            NULL,
                                                            G_VARIANT_TYPE ("(a{oa{sa{sv}}})"),
                                                            G_DBUS_CALL_FLAGS_NONE,
                                                            OPEN_TIMEOUT_MS,
                                                            NULL,
                                                            error);
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  if (reply == NULL)
    return NULL;
  objects = g_variant_get_child_value (reply, 0);
  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_loop (&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
    g_autoptr (GVariant) properties =
        g_variant_lookup_value (interfaces, name, G_VARIANT_TYPE_VARDICT);

    if (properties != NULL)
      g_ptr_array_add (out, with_path (properties, path));
  }
  g_ptr_array_sort (out, compare_by_name);
  return g_steal_pointer (&out);
}

/* -- states -- */

int
fz_cli_service_wait (FzCli *cli, const char *const *states, unsigned timeout_ms, char **out_state)
{
  bool is_for_ever = timeout_ms == G_MAXUINT;

  for (;;) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GVariant) reply =
        fz_cli_service_call (cli,
                             "Manager.WaitForState",
                             g_variant_new ("(^asu)", states, MIN (timeout_ms, WAIT_MS_MAX)),
                             -1,
                             -1,
                             NULL,
                             &error);

    if (reply != NULL) {
      g_variant_get (reply, "(s)", out_state);
      return FZ_CLI_OK;
    }
    if (!g_error_matches (error, FZ_IPC_ERROR, FZ_IPC_ERROR_TIMEOUT))
      return fz_cli_service_fail (error);
    if (!is_for_ever)
      return FZ_CLI_TIMEOUT;
  }
}

int
fz_cli_service_exit_for (const char *state)
{
  return strcmp (state, "connected") == 0 || strcmp (state, "degraded") == 0 ? FZ_CLI_OK
                                                                             : FZ_CLI_NOT_CONNECTED;
}
