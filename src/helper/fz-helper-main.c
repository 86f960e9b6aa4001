/* fz-helper-main.c: see the header
 *
 * Bus-activated and then there to stay: an idle service costs a few megabytes,
 * and what a person asks for next is done at once. Losing the bus or the name
 * ends the process with an error; the manager starts it again, and the
 * credential is still there.
 */
#include "src/helper/fz-helper-main.h"

#include "src/crypto/fz-crypto.h"
#include "src/helper/fz-helper.h"
#include "src/ipc/fz-ipc-names.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-device-id.h"
#include "src/portal/fz-device-info.h"
#include "src/runtime/fz-notify.h"
#include "src/session/fz-options.h"
#include "src/session/fz-privileges.h"
#include "src/session/fz-program.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_API_URL "wss://api.firezone.dev/"
#define DEFAULT_LOG_DIR "/var/log/dev.firezone.client"
#define COMPONENT       "gui-client/1.5.12"

typedef struct {
  char *api_url;
  char *config_path;
  char *dns_control;
  char *firezone_id;
  char *firezone_name;
  char *log_dir;
  char *log_filter; /* RUST_LOG */
  char *log_file_bytes;
  gboolean checks;
  bool names_file; /* to check */
  gboolean restores_dns;
} Options;

typedef struct {
  const Options *options;
  const FzHelperWorld *world;
  FzLogSetup *log_setup;
  FzLog log;
  FzCredentialStore *store;
  FzPlatform *platform;
  char *device_id;
  char *device_name;
  FzDeviceInfo device;
  GDBusConnection *connection;
  FzHelper *helper;
  GMainLoop *loop;
  guint name_id;
  bool has_name;
  bool is_leaving;
  int status;
} Program;

/* -- command line -- */

static void
parse_command_line (Options *o, int *argc, char ***argv)
{
  const int hidden = G_OPTION_FLAG_HIDDEN;
  const GOptionEntry entries[] = {
    { "config",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &o->config_path,
      "The administrator's settings; " FZ_MACHINE_CONFIG_FILE,
      "FILE" },
    { "check-config",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->checks,
      "Say what is wrong in FILE, or the one of --config, and its drop-ins, and end; status 1 if "
      "there are errors",
      NULL },
    { "dns-control",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->dns_control,
      "auto, systemd-resolved, networkmanager, resolvconf, etc-resolv-conf or disabled "
      "(FIREZONE_DNS_CONTROL)",
      "METHOD" },
    { "restore-dns",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->restores_dns,
      "Undo what a service that is gone did to this machine's name resolution, and end",
      NULL },
    { "log-dir",
      'l',
      0,
      G_OPTION_ARG_FILENAME,
      &o->log_dir,
      "Folder of the log files (LOG_DIR, LOGS_DIRECTORY); " DEFAULT_LOG_DIR,
      "FOLDER" },
    { "firezone-id",
      'i',
      0,
      G_OPTION_ARG_STRING,
      &o->firezone_id,
      "Identity of this device (FIREZONE_ID)",
      "ID" },
    { "firezone-name",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->firezone_name,
      "Name of this device in the portal; the host name (FIREZONE_NAME)",
      "NAME" },
    { "log-file-bytes", 0, hidden, G_OPTION_ARG_STRING, &o->log_file_bytes, NULL, NULL },
    G_OPTION_ENTRY_NULL,
  };

  fz_options_parse ("[run | FILE]",
                    "The tunnel of this machine, steered over the system bus by the app and the "
                    "command line. Started by the bus when somebody calls.",
                    "Names in brackets are environment variables; RUST_LOG filters the log "
                    "(\"info,ice=debug\") and beats the administrator's settings.",
                    COMPONENT,
                    entries,
                    argc,
                    argv);
  if (o->checks && *argc == 2) {
    g_free (o->config_path);
    o->config_path = g_strdup ((*argv)[1]);
    o->names_file = true;
  } else if (*argc > 2 || (*argc == 2 && strcmp ((*argv)[1], "run") != 0)) {
    fz_options_die ("unexpected argument '%s'", (*argv)[*argc - 1]);
  }
}

/* systemd gives several folders with colons between; ours is the first. */
static void
cut_at_colon (char *path)
{
  char *colon = path != NULL ? strchr (path, ':') : NULL;

  if (colon != NULL)
    *colon = '\0';
}

static void
read_environment (Options *o)
{
  FzDnsMode mode;

  fz_options_text (&o->api_url, "FIREZONE_API_URL", DEFAULT_API_URL);
  fz_options_text (&o->config_path, NULL, FZ_MACHINE_CONFIG_FILE);
  fz_options_text (&o->dns_control, "FIREZONE_DNS_CONTROL", NULL);
  if (o->dns_control != NULL && !fz_dns_mode_parse (o->dns_control, &mode))
    fz_options_die ("'%s' is not a value for --dns-control", o->dns_control);
  fz_options_text (&o->firezone_id, "FIREZONE_ID", NULL);
  fz_options_text (&o->firezone_name, "FIREZONE_NAME", NULL);
  fz_options_text (&o->log_filter, "RUST_LOG", NULL);
  fz_options_text (&o->log_dir, "LOG_DIR", NULL);
  if (o->log_dir == NULL) {
    fz_options_text (&o->log_dir, "LOGS_DIRECTORY", DEFAULT_LOG_DIR);
    cut_at_colon (o->log_dir);
  }
  /* Never ours to use: the token comes by the bus. Nor anybody's to see in /proc. */
  fz_token_free (fz_token_steal_from_environment (FZ_TOKEN_ENV, NULL));
}

static void
clear_options (Options *o)
{
  g_free (o->api_url);
  g_free (o->config_path);
  g_free (o->dns_control);
  g_free (o->firezone_id);
  g_free (o->firezone_name);
  g_free (o->log_dir);
  g_free (o->log_filter);
  g_free (o->log_file_bytes);
}

/* -- leaving -- */

static void
leave (Program *self, int status)
{
  if (self->is_leaving)
    return;
  self->is_leaving = true;
  self->status = status;
  fz_notify_stopping ();
  if (self->helper != NULL)
    fz_helper_stop (self->helper);
  else
    g_main_loop_quit (self->loop);
}

static void
on_stopped (gpointer user_data)
{
  Program *self = user_data;

  g_main_loop_quit (self->loop);
}

static gboolean
on_terminate (gpointer user_data)
{
  Program *self = user_data;

  if (self->is_leaving)
    _exit (EXIT_FAILURE); /* asked twice: at once; the next start clears up what is left */
  fz_log_plain (&self->log, FZ_LOG_INFO, "signal", "asked to end");
  leave (self, EXIT_SUCCESS);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_hangup (gpointer user_data)
{
  Program *self = user_data;

  fz_helper_reload (self->helper);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_user_signal (gpointer user_data)
{
  Program *self = user_data;

  fz_helper_log_metrics (self->helper);
  return G_SOURCE_CONTINUE;
}

/* -- the bus -- */

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Program *self = user_data;

  (void) connection;
  self->has_name = true;
  fz_log (&self->log, FZ_LOG_INFO, "ready", "callers are answered", FZ_KV_TEXT ("name", name));
  fz_notify_ready ("ready");
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Program *self = user_data;
  g_autofree char *text = NULL;

  (void) connection;
  if (self->is_leaving)
    return;
  text = g_strdup_printf (self->has_name ? "the name %s on the system bus was lost"
                                         : "the name %s on the system bus is not to be had: "
                                           "another tunnel service runs, or the bus's policy does "
                                           "not let this user own it",
                          name);
  leave (self, fz_program_fail (&self->log, text));
}

static void
on_bus_closed (GDBusConnection *connection,
               gboolean remote_peer_vanished,
               GError *error,
               gpointer user_data)
{
  Program *self = user_data;

  (void) connection;
  (void) remote_peer_vanished;
  (void) error;
  if (!self->is_leaving)
    leave (self, fz_program_fail (&self->log, "the connection to the system bus was lost"));
}

static bool
connect_to_bus (Program *self, GError **error)
{
  g_autofree char *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, error);

  if (address == NULL)
    return false;
  self->connection =
      g_dbus_connection_new_for_address_sync (address,
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                  G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL,
                                              NULL,
                                              error);
  if (self->connection == NULL) {
    g_prefix_error (error, "the system bus: ");
    return false;
  }
  g_signal_connect (self->connection, "closed", G_CALLBACK (on_bus_closed), self);
  return true;
}

/* -- running -- */

static bool
open_platform (Program *self, GError **error)
{
  FzLog log = fz_log_for (&self->log, "platform");
  g_autoptr (GError) rights = NULL;

  self->platform = self->world->open_platform (&log, error);
  if (self->platform == NULL)
    return false;
  if (!self->world->is_real)
    return true;

  /* Without the right people still hear why: Connect ends in the state error, no-rights. */
  if (!fz_platform_check_rights (self->platform, &rights))
    fz_log (&self->log,
            FZ_LOG_WARNING,
            "no-rights",
            "no tunnel can be made",
            FZ_KV_TEXT ("error", rights->message));
  return fz_privileges_keep_net_admin (&log, error);
}

static bool
find_identity (Program *self, GError **error)
{
  const Options *o = self->options;

  self->device_id = o->firezone_id != NULL ? g_strdup (o->firezone_id)
                                           : fz_device_id_get (FZ_DEVICE_ID_CLIENT_FILE,
                                                               FZ_DEVICE_ID_CLIENT_KEY,
                                                               FZ_DEVICE_ID_MACHINE_FILE,
                                                               error);
  self->device_name =
      o->firezone_name != NULL ? g_strdup (o->firezone_name) : fz_device_info_dup_name ();
  fz_device_info_read (NULL, &self->device);
  return self->device_id != NULL;
}

static void
make_helper (Program *self)
{
  const FzHelperCallbacks callbacks = { .on_stopped = on_stopped };
  const FzHelperConfig config = {
    .connection = self->connection,
    .session = {
      .portal = {
        .login = {
          .role = FZ_ROLE_CLIENT,
          .device_id = self->device_id,
          .name = self->device_name,
          .device_serial = self->device.serial,
          .device_uuid = self->device.uuid,
        },
        .component = COMPONENT,
        .budget_ns = FZ_BACKOFF_UNLIMITED,
        .is_patient = true,
      },
      .host = { .platform = self->platform },
    },
    .store = self->store,
    .log_setup = self->log_setup,
    .config_path = self->options->config_path,
    .log_filter = self->options->log_filter,
    .default_api_url = self->options->api_url,
    .dns_control = self->options->dns_control,
    .open_dns = self->world->open_dns,
    .log = self->log,
  };

  self->helper = fz_helper_new (&config, &callbacks, self);
  self->name_id = g_bus_own_name_on_connection (self->connection,
                                                FZ_IPC_BUS_NAME,
                                                G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                                on_name_acquired,
                                                on_name_lost,
                                                self,
                                                NULL);
}

static void
run_loop (Program *self)
{
  const guint signals[] = {
    g_unix_signal_add (SIGINT, on_terminate, self),
    g_unix_signal_add (SIGTERM, on_terminate, self),
    g_unix_signal_add (SIGHUP, on_hangup, self),
    g_unix_signal_add (SIGUSR1, on_user_signal, self),
  };
  guint watchdog_id = fz_notify_start_watchdog ();

  g_main_loop_run (self->loop);
  g_clear_handle_id (&watchdog_id, g_source_remove);
  for (size_t i = 0; i < G_N_ELEMENTS (signals); i++)
    g_source_remove (signals[i]);
}

static void
log_start (Program *self)
{
  fz_program_log_started (&self->log, "tunnel service started", COMPONENT);
  if (!fz_secret_is_locked ())
    fz_log_plain (&self->log,
                  FZ_LOG_WARNING,
                  "memory-not-locked",
                  "secrets may be written to swap: raise LimitMEMLOCK in the service's unit");
}

static void
run (Program *self)
{
  g_autoptr (GError) error = NULL;

  log_start (self);
  self->loop = g_main_loop_new (NULL, FALSE);
  if (find_identity (self, &error) && open_platform (self, &error) &&
      connect_to_bus (self, &error)) {
    make_helper (self);
    run_loop (self);
  } else {
    self->status = fz_program_fail (&self->log, error->message);
  }

  g_clear_handle_id (&self->name_id, g_bus_unown_name);
  g_clear_pointer (&self->helper, fz_helper_free);
  if (self->connection != NULL)
    g_signal_handlers_disconnect_by_data (self->connection, self);
  g_clear_object (&self->connection);
  g_clear_pointer (&self->platform, fz_platform_free);
  fz_device_info_clear (&self->device);
  g_free (self->device_id);
  g_free (self->device_name);
  g_main_loop_unref (self->loop);
  if (self->status == EXIT_SUCCESS)
    fz_log_plain (&self->log, FZ_LOG_INFO, "goodbye", "ended");
}

/* A folder that cannot be written costs the file, not the service. */
static FzLogSetup *
open_log (const Options *o)
{
  FzLogSetupConfig config = {
    .name = "tunnel-service",
    .directory = o->log_dir,
    .filter = o->log_filter,
    .uses_journal = true,
    .max_file_bytes =
        o->log_file_bytes != NULL ? g_ascii_strtoull (o->log_file_bytes, NULL, 10) : 0,
  };
  g_autoptr (GError) error = NULL;
  FzLogSetup *setup = fz_log_setup_new (&config, &error);

  if (setup != NULL)
    return setup;
  fprintf (stderr, "%s: %s; going on without a log file\n", g_get_prgname (), error->message);
  config.directory = NULL;
  setup = fz_log_setup_new (&config, NULL);
  if (setup != NULL)
    return setup;
  config.filter = NULL; /* it was the filter */
  return fz_log_setup_new (&config, NULL);
}

static FzPlatform *
open_linux (const FzLog *log, GError **error)
{
  return fz_platform_linux_new (log, error);
}

const FzHelperWorld fz_helper_world_linux = { .open_platform = open_linux,
                                              .open_dns = fz_dns_control_linux_new,
                                              .is_real = true };

static int
restore_dns (void)
{
  g_autoptr (GError) error = NULL;

  if (fz_dns_control_linux_restore (NULL, &error))
    return EXIT_SUCCESS;
  fprintf (stderr, "%s: %s\n", g_get_prgname (), error->message);
  return EXIT_FAILURE;
}

int
fz_helper_main (int argc, char **argv, const FzHelperWorld *world)
{
  Options options = { 0 };
  Program self = { .options = &options, .world = world };

  fz_program_init ();
  g_setenv (
      "GIO_USE_NETWORK_MONITOR", "netlink", FALSE); /* asks no other process, so never waits */
  parse_command_line (&options, &argc, &argv);
  read_environment (&options);
  if (options.checks || options.restores_dns) {
    self.status = options.checks ? fz_machine_config_check (options.config_path, options.names_file)
                                 : restore_dns ();
    clear_options (&options);
    return self.status;
  }
  if (!fz_crypto_init ()) {
    fprintf (stderr, "%s: libsodium does not start\n", g_get_prgname ());
    return EXIT_FAILURE;
  }

  self.store = fz_credential_store_new ();
  self.log_setup = open_log (&options);
  self.log = fz_log_setup_get (self.log_setup, "helper");
  run (&self);
  g_clear_pointer (&self.store, fz_credential_store_free);
  g_clear_pointer (&self.log_setup, fz_log_setup_free);
  clear_options (&options);
  return self.status;
}
