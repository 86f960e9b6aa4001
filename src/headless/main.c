/* main.c: firezone-headless-client
 *
 * Options, token, device id, then one session until a signal, in the order of
 * linux-apps.md §4.5. Options beat the environment, the environment defaults.
 */
#include "src/crypto/fz-crypto.h"
#include "src/headless/fz-sign-in.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-device-id.h"
#include "src/portal/fz-device-info.h"
#include "src/session/fz-options.h"
#include "src/session/fz-program.h"
#include "src/session/fz-sysctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_API_URL  "wss://api.firezone.dev/"
#define DEFAULT_AUTH_URL "https://app.firezone.dev"

typedef enum {
  ACTION_RUN,
  ACTION_SIGN_IN,
  ACTION_SIGN_OUT,
} Action;

typedef struct {
  Action action;
  char *api_url;
  char *auth_base_url;
  char *account_slug;
  char *dns_control;
  char *firezone_id;
  char *firezone_name;
  char *health_address;
  char *lanes;
  char *log_dir;
  char *log_format;
  char *max_partition_time;
  char *metrics;
  char *otlp_endpoint;
  char *token_path;
  gboolean activates_internet_resource;
  gboolean checks;
  gboolean exits;
  gboolean force;
  gboolean inc_buf;
  gboolean has_flow_logs;
  gboolean has_no_telemetry;
  uint64_t budget_ns;
  FzDnsMode dns_mode;
  unsigned n_lanes;
} Options;

/* -- command line -- */

static void
parse_command_line (Options *o, int *argc, char ***argv)
{
  const int hidden = G_OPTION_FLAG_HIDDEN;
  const GOptionEntry entries[] = {
    { "dns-control",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->dns_control,
      "auto, systemd-resolved, networkmanager, resolvconf, etc-resolv-conf or disabled; auto "
      "(FIREZONE_DNS_CONTROL)",
      "METHOD" },
    { "lanes",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->lanes,
      "How many threads carry packets, 1 to 8; 1 (FIREZONE_LANES)",
      "N" },
    { "log-dir",
      'l',
      0,
      G_OPTION_ARG_FILENAME,
      &o->log_dir,
      "Write logs to files in this folder as well (LOG_DIR)",
      "FOLDER" },
    { "log-format",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->log_format,
      "json or human; json unless on a terminal (FIREZONE_LOG_FORMAT)",
      "FORMAT" },
    { "max-partition-time",
      'm',
      0,
      G_OPTION_ARG_STRING,
      &o->max_partition_time,
      "How long to retry the portal, such as 5m, 1h or 30d; unlimited (MAX_PARTITION_TIME)",
      "TIME" },
    { "firezone-name",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->firezone_name,
      "Name of this device in the portal; the host name (FIREZONE_NAME)",
      "NAME" },
    { "firezone-id",
      'i',
      0,
      G_OPTION_ARG_STRING,
      &o->firezone_id,
      "Identity of this device (FIREZONE_ID)",
      "ID" },
    { "activate-internet-resource",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->activates_internet_resource,
      "Route everything, if the account allows (FIREZONE_ACTIVATE_INTERNET_RESOURCE)",
      NULL },
    { "token-path",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &o->token_path,
      "File with the token; " FZ_TOKEN_FILE " (FIREZONE_TOKEN_PATH)",
      "FILE" },
    { "flow-logs",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->has_flow_logs,
      "Write flows to the log (FIREZONE_FLOW_LOGS)",
      NULL },
    { "no-telemetry",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->has_no_telemetry,
      "Accepted and without effect: nothing is ever reported (FIREZONE_NO_TELEMETRY)",
      NULL },
    { "auth-base-url",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->auth_base_url,
      "sign-in: where to sign in; " DEFAULT_AUTH_URL " (FIREZONE_AUTH_BASE_URL)",
      "URL" },
    { "account-slug",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->account_slug,
      "sign-in: the account (FIREZONE_ACCOUNT_SLUG)",
      "SLUG" },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &o->force, "sign-out: do not ask", NULL },
    { "api-url", 'u', hidden, G_OPTION_ARG_STRING, &o->api_url, NULL, NULL },
    { "health-check-addr", 0, hidden, G_OPTION_ARG_STRING, &o->health_address, NULL, NULL },
    { "metrics", 0, hidden, G_OPTION_ARG_STRING, &o->metrics, NULL, NULL },
    { "otlp-grpc-endpoint", 0, hidden, G_OPTION_ARG_STRING, &o->otlp_endpoint, NULL, NULL },
    { "inc-buf", 0, hidden, G_OPTION_ARG_NONE, &o->inc_buf, NULL, NULL },
    { "check", 0, hidden, G_OPTION_ARG_NONE, &o->checks, NULL, NULL },
    { "exit", 0, hidden, G_OPTION_ARG_NONE, &o->exits, NULL, NULL },
    G_OPTION_ENTRY_NULL,
  };

  fz_options_parse (
      "[sign-in | sign-out]",
      "Connects this machine to a Firezone account, without a desktop.\n\n"
      "  sign-in    sign in with a browser and save the token\n"
      "  sign-out   delete the saved token",
      "The token comes from FIREZONE_TOKEN, from the systemd credential FIREZONE_TOKEN, or from "
      "the "
      "token file. It is never an option: it would show in process lists.\n"
      "Names in brackets are environment variables; RUST_LOG filters the log "
      "(\"info,ice=debug\").\n"
      "HEALTH_CHECK_ADDR is where GET /healthz, /readyz and /metrics are answered, such as "
      "127.0.0.1:8080; off if not set.",
      FZ_PORTAL_COMPONENT_HEADLESS,
      entries,
      argc,
      argv);
}

static Action
parse_action (int argc, char **argv)
{
  static const struct {
    const char *name;
    Action action;
  } actions[] = {
    { "standalone", ACTION_RUN }, /* for old scripts */
    { "sign-in", ACTION_SIGN_IN },
    { "sign-out", ACTION_SIGN_OUT },
  };

  if (argc < 2)
    return ACTION_RUN;
  if (argc > 2)
    fz_options_die ("unexpected argument '%s'", argv[2]);
  for (size_t i = 0; i < G_N_ELEMENTS (actions); i++)
    if (strcmp (actions[i].name, argv[1]) == 0)
      return actions[i].action;
  fz_options_die ("unknown command '%s'", argv[1]);
}

static void
check_choice (const char *value, const char *what, const char *const *choices)
{
  if (!g_strv_contains (choices, value))
    fz_options_die ("'%s' is not a value for %s", value, what);
}

static void
read_environment (Options *o)
{
  static const char *const metrics[] = { "sentry", "stdout", "otel-collector", NULL };

  fz_options_text (&o->api_url, "FIREZONE_API_URL", DEFAULT_API_URL);
  fz_options_text (&o->auth_base_url, "FIREZONE_AUTH_BASE_URL", DEFAULT_AUTH_URL);
  fz_options_text (&o->account_slug, "FIREZONE_ACCOUNT_SLUG", NULL);
  fz_options_text (&o->dns_control, "FIREZONE_DNS_CONTROL", "auto");
  fz_options_text (&o->firezone_id, "FIREZONE_ID", NULL);
  fz_options_text (&o->firezone_name, "FIREZONE_NAME", NULL);
  fz_options_text (&o->log_dir, "LOG_DIR", NULL);
  fz_options_text (&o->log_format, "FIREZONE_LOG_FORMAT", NULL);
  fz_options_text (&o->metrics, "FIREZONE_METRICS", "sentry");
  fz_options_text (&o->health_address, "HEALTH_CHECK_ADDR", "off");
  fz_options_text (&o->token_path, "FIREZONE_TOKEN_PATH", FZ_TOKEN_FILE);
  fz_options_flag (&o->activates_internet_resource, "FIREZONE_ACTIVATE_INTERNET_RESOURCE");
  fz_options_flag (&o->has_flow_logs, "FIREZONE_FLOW_LOGS");
  fz_options_flag (&o->inc_buf, "FIREZONE_INC_BUF");
  o->n_lanes = fz_options_lanes (o->lanes, "FIREZONE_LANES");
  o->budget_ns =
      fz_options_duration (&o->max_partition_time, "MAX_PARTITION_TIME", FZ_BACKOFF_UNLIMITED);
  if (!fz_dns_mode_parse (o->dns_control, &o->dns_mode))
    fz_options_die ("'%s' is not a value for --dns-control", o->dns_control);
  check_choice (o->metrics, "--metrics", metrics);
  if (o->force && o->action != ACTION_SIGN_OUT)
    fz_options_die ("--force belongs to sign-out");
}

static void
clear_options (Options *o)
{
  g_free (o->api_url);
  g_free (o->auth_base_url);
  g_free (o->account_slug);
  g_free (o->dns_control);
  g_free (o->firezone_id);
  g_free (o->firezone_name);
  g_free (o->lanes);
  g_free (o->log_dir);
  g_free (o->log_format);
  g_free (o->max_partition_time);
  g_free (o->metrics);
  g_free (o->health_address);
  g_free (o->otlp_endpoint);
  g_free (o->token_path);
}

/* -- running -- */

/* Says which places were tried, if there is none. */
static FzToken *
find_token (FzToken *from_environment, const char *path, GError **error)
{
  g_autoptr (GError) local = NULL;
  FzToken *token;

  if (from_environment != NULL)
    return fz_token_dup (from_environment);

  token = fz_token_read_credential (FZ_TOKEN_ENV, &local);
  if (token != NULL)
    return token;
  if (local != NULL) {
    g_propagate_error (error, g_steal_pointer (&local));
    return NULL;
  }

  token = fz_token_read_file (path, &local);
  if (token != NULL)
    return token;
  if (g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_set_error (error,
                 G_FILE_ERROR,
                 G_FILE_ERROR_NOENT,
                 "there is no token: set " FZ_TOKEN_ENV ", or run '%s sign-in', which saves one in "
                 "%s",
                 g_get_prgname (),
                 path);
  else
    g_propagate_error (error, g_steal_pointer (&local));
  return NULL;
}

static int
run_session (const Options *o, const FzToken *token, const char *device_id, const FzLog *log)
{
  g_autofree char *name =
      o->firezone_name != NULL ? g_strdup (o->firezone_name) : fz_device_info_dup_name ();
  g_autofree char *advice = g_strdup_printf ("make a new token in the portal and set " FZ_TOKEN_ENV
                                             ", or run '%s sign-in'",
                                             g_get_prgname ());
  g_auto (FzDeviceInfo) info = { 0 };
  FzProgramConfig program = {
    .session.portal = {
      .login = {
        .role = FZ_ROLE_CLIENT,
        .api_url = o->api_url,
        .device_id = device_id,
        .name = name,
      },
      .token = token,
      .component = FZ_PORTAL_COMPONENT_HEADLESS,
      .budget_ns = o->budget_ns,
    },
    .session.host = {
      .receive_buffer_bytes = fz_options_bytes ("FIREZONE_UDP_RECV_BUFFER_SIZE"),
      .send_buffer_bytes = fz_options_bytes ("FIREZONE_UDP_SEND_BUFFER_SIZE"),
      .n_lanes = o->n_lanes,
    },
    .session.is_internet_on = o->activates_internet_resource,
    .log = *log,
    .health_address = o->health_address,
    .token_advice = advice,
    .dns_mode = &o->dns_mode,
    .ends_when_ready = o->exits,
  };

  fz_device_info_read (NULL, &info);
  program.session.portal.login.device_serial = info.serial;
  program.session.portal.login.device_uuid = info.uuid;
  return fz_program_run (&program);
}

/* What old scripts may give and nothing here reads. */
static void
warn_without_effect (const Options *o, const FzLog *log)
{
  fz_options_warn_without_effect (log, o->has_flow_logs, "--flow-logs");
  fz_options_warn_without_effect (log, g_strcmp0 (o->metrics, "sentry") != 0, "--metrics");
  fz_options_warn_without_effect (log, o->otlp_endpoint != NULL, "--otlp-grpc-endpoint");
}

static int
run (const Options *o, FzToken *from_environment, const FzLog *log)
{
  g_autofree char *device_id = NULL;
  g_autoptr (FzToken) token = NULL;
  g_autoptr (GError) error = NULL;

  fz_program_log_started (log, "headless client started", FZ_PORTAL_COMPONENT_HEADLESS);
  warn_without_effect (o, log);
  if (o->inc_buf)
    fz_sysctl_raise_buffers (log);

  device_id = o->firezone_id != NULL ? g_strdup (o->firezone_id)
                                     : fz_device_id_get (FZ_DEVICE_ID_CLIENT_FILE,
                                                         FZ_DEVICE_ID_CLIENT_KEY,
                                                         FZ_DEVICE_ID_MACHINE_FILE,
                                                         &error);
  if (device_id == NULL)
    return fz_program_fail (log, error->message);
  token = find_token (from_environment, o->token_path, &error);
  if (token == NULL)
    return fz_program_fail (log, error->message);

  if (o->checks) {
    fz_log_plain (log, FZ_LOG_INFO, "check-passed", "check passed");
    return EXIT_SUCCESS;
  }
  return run_session (o, token, device_id, log);
}

static int
run_logged (const Options *o, FzToken *from_environment)
{
  g_autoptr (FzLogSetup) setup = NULL;
  g_autofree char *filter = fz_options_dup_log_filter (o->has_flow_logs);
  FzLogSetupConfig config = {
    .name = "firezone-headless-client",
    .directory = o->log_dir,
    .filter = filter,
    .format = fz_options_log_format (o->log_format),
  };
  FzLog log;

  setup = fz_program_open_log (&config);
  if (setup == NULL)
    return EXIT_FAILURE;
  log = fz_log_setup_get (setup, "headless");
  return run (o, from_environment, &log);
}

static int
run_action (const Options *o, FzToken *from_environment)
{
  g_autoptr (GError) error = NULL;
  bool is_done = true;

  switch (o->action) {
  case ACTION_RUN:
    return run_logged (o, from_environment);
  case ACTION_SIGN_IN:
    is_done = fz_sign_in (o->auth_base_url, o->account_slug, o->token_path, &error);
    break;
  case ACTION_SIGN_OUT:
    is_done = fz_sign_out (o->token_path, o->force, &error);
    break;
  }
  if (!is_done)
    fprintf (stderr, "%s: %s\n", g_get_prgname (), error->message);
  return is_done ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main (int argc, char **argv)
{
  g_autoptr (FzToken) from_environment = NULL;
  g_autoptr (GError) error = NULL;
  Options options = { 0 };
  int status;

  fz_program_init ();
  parse_command_line (&options, &argc, &argv);
  options.action = parse_action (argc, argv);
  read_environment (&options);

  if (!fz_crypto_init ()) {
    fprintf (stderr, "%s: libsodium does not start\n", g_get_prgname ());
    return EXIT_FAILURE;
  }
  from_environment = fz_token_steal_from_environment (FZ_TOKEN_ENV, &error);
  if (error != NULL) {
    fprintf (stderr, "%s: " FZ_TOKEN_ENV ": %s\n", g_get_prgname (), error->message);
    return EXIT_FAILURE;
  }
  status = run_action (&options, from_environment);
  clear_options (&options);
  return status;
}
