/* main.c: firezone-gateway
 *
 * Options, token, device id, then one session until a signal, in the order of
 * linux-apps.md §5.3. Options beat the environment, the environment defaults.
 */
#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-device-id.h"
#include "src/portal/fz-device-info.h"
#include "src/session/fz-options.h"
#include "src/session/fz-program.h"
#include "src/session/fz-sysctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_API_URL           "wss://api.firezone.dev"
/* upstream says 0.0.0.0; a gateway has no open port unless somebody asks for one */
#define DEFAULT_HEALTH_ADDRESS    "127.0.0.1:8080"
#define DEFAULT_PARTITION_TIME_NS (UINT64_C (86400) * FZ_S)
#define TOKEN_CREDENTIAL          "FIREZONE_TOKEN"

typedef struct {
  char *api_url;
  char *firezone_id;
  char *firezone_name;
  char *health_address;
  char *lanes;
  char *log_format;
  char *max_partition_time;
  char *metrics;
  char *otlp_endpoint;
  gboolean has_flow_logs;
  gboolean has_no_check;
  gboolean has_no_inc_buf;
  gboolean has_no_telemetry;
  gboolean validates_checksums;
  uint64_t budget_ns;
  unsigned n_lanes;
} Options;

/* -- command line -- */

static void
parse_command_line (Options *o, int *argc, char ***argv)
{
  const int hidden = G_OPTION_FLAG_HIDDEN;
  const GOptionEntry entries[] = {
    { "firezone-name",
      'n',
      0,
      G_OPTION_ARG_STRING,
      &o->firezone_name,
      "Name of this gateway in the portal; the host name (FIREZONE_NAME)",
      "NAME" },
    { "firezone-id",
      'i',
      0,
      G_OPTION_ARG_STRING,
      &o->firezone_id,
      "Identity of this gateway (FIREZONE_ID)",
      "ID" },
    { "max-partition-time",
      'm',
      0,
      G_OPTION_ARG_STRING,
      &o->max_partition_time,
      "How long to retry the portal, such as 5m, 1h or 30d; 24h (FIREZONE_MAX_PARTITION_TIME)",
      "TIME" },
    { "lanes",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->lanes,
      "How many threads carry packets, 1 to 8; by the number of CPUs (FIREZONE_LANES)",
      "N" },
    { "log-format",
      0,
      0,
      G_OPTION_ARG_STRING,
      &o->log_format,
      "json or human; json unless on a terminal (FIREZONE_LOG_FORMAT)",
      "FORMAT" },
    { "flow-logs",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->has_flow_logs,
      "Write flows to the log (FIREZONE_FLOW_LOGS)",
      NULL },
    { "no-check",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->has_no_check,
      "Do not check for CAP_NET_ADMIN at start",
      NULL },
    { "no-inc-buf",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->has_no_inc_buf,
      "Do not raise net.core.rmem_max and wmem_max (FIREZONE_NO_INC_BUF)",
      NULL },
    { "no-telemetry",
      0,
      0,
      G_OPTION_ARG_NONE,
      &o->has_no_telemetry,
      "Accepted and without effect: nothing is ever reported (FIREZONE_NO_TELEMETRY)",
      NULL },
    { "api-url", 'u', hidden, G_OPTION_ARG_STRING, &o->api_url, NULL, NULL },
    { "health-check-addr", 0, hidden, G_OPTION_ARG_STRING, &o->health_address, NULL, NULL },
    { "metrics", 0, hidden, G_OPTION_ARG_STRING, &o->metrics, NULL, NULL },
    { "otlp-grpc-endpoint", 0, hidden, G_OPTION_ARG_STRING, &o->otlp_endpoint, NULL, NULL },
    { "validate-checksums", 0, hidden, G_OPTION_ARG_NONE, &o->validates_checksums, NULL, NULL },
    G_OPTION_ENTRY_NULL,
  };

  fz_options_parse (
      "[TOKEN]",
      "Carries the traffic that a Firezone account allows into this machine's networks.",
      "The token comes from FIREZONE_TOKEN, from the argument, or from the systemd credential "
      "FIREZONE_TOKEN; the first two are wiped from the process list.\n"
      "Names in brackets are environment variables; RUST_LOG filters the log "
      "(\"info,ice=debug\").\n"
      "HEALTH_CHECK_ADDR is where GET /healthz, /readyz and /metrics are "
      "answered; " DEFAULT_HEALTH_ADDRESS ", or off.",
      FZ_PORTAL_COMPONENT_GATEWAY,
      entries,
      argc,
      argv);
}

static void
read_environment (Options *o)
{
  static const char *const metrics[] = { "sentry", "stdout", "otel-collector", NULL };

  fz_options_text (&o->api_url, "FIREZONE_API_URL", DEFAULT_API_URL);
  fz_options_text (&o->firezone_name, "FIREZONE_NAME", NULL);
  fz_options_text (&o->health_address, "HEALTH_CHECK_ADDR", DEFAULT_HEALTH_ADDRESS);
  fz_options_text (&o->log_format, "FIREZONE_LOG_FORMAT", NULL);
  fz_options_text (&o->metrics, "FIREZONE_METRICS", "sentry");
  fz_options_flag (&o->has_flow_logs, "FIREZONE_FLOW_LOGS");
  fz_options_flag (&o->has_no_inc_buf, "FIREZONE_NO_INC_BUF");
  o->n_lanes = fz_options_lanes (o->lanes, "FIREZONE_LANES");
  o->budget_ns = fz_options_duration (
      &o->max_partition_time, "FIREZONE_MAX_PARTITION_TIME", DEFAULT_PARTITION_TIME_NS);
  if (!g_strv_contains (metrics, o->metrics))
    fz_options_die ("'%s' is not a value for --metrics", o->metrics);

  if (o->firezone_id != NULL && *o->firezone_id == '\0')
    g_clear_pointer (&o->firezone_id, g_free);
  fz_options_text (&o->firezone_id, "FIREZONE_ID", NULL);
}

static void
clear_options (Options *o)
{
  g_free (o->api_url);
  g_free (o->firezone_id);
  g_free (o->firezone_name);
  g_free (o->health_address);
  g_free (o->lanes);
  g_free (o->log_format);
  g_free (o->max_partition_time);
  g_free (o->metrics);
  g_free (o->otlp_endpoint);
}

/* -- token -- */

/* The argument is wiped where the process list shows it. */
static FzToken *
steal_argument (int argc, char **argv, GError **error)
{
  FzToken *token;

  if (argc > 2)
    fz_options_die ("unexpected argument '%s'", argv[2]);
  if (argc < 2)
    return NULL;
  token = fz_token_new (argv[1], error);
  fz_wipe (argv[1], strlen (argv[1]));
  return token;
}

/* An argument beats the environment, both beat the credential. */
static FzToken *
find_token (int argc, char **argv, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (FzToken) from_environment = fz_token_steal_from_environment (FZ_TOKEN_ENV, &local);
  FzToken *token = steal_argument (argc, argv, error);

  if (token != NULL || (error != NULL && *error != NULL))
    return token;
  if (local != NULL) {
    g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", FZ_TOKEN_ENV);
    return NULL;
  }
  if (from_environment != NULL)
    return g_steal_pointer (&from_environment);

  token = fz_token_read_credential (TOKEN_CREDENTIAL, error);
  if (token == NULL && *error == NULL)
    g_set_error_literal (error,
                         G_FILE_ERROR,
                         G_FILE_ERROR_NOENT,
                         "there is no token: set " FZ_TOKEN_ENV " to one that the portal made for "
                         "this gateway's site, or give the unit a credential of that name");
  return token;
}

/* -- running -- */

static int
run_session (const Options *o, const FzToken *token, const char *device_id, const FzLog *log)
{
  g_autofree char *name =
      o->firezone_name != NULL ? g_strdup (o->firezone_name) : fz_device_info_dup_name ();
  FzProgramConfig program = {
    .session.portal = {
      .login = {
        .role = FZ_ROLE_GATEWAY,
        .api_url = o->api_url,
        .device_id = device_id,
        .name = name,
      },
      .token = token,
      .component = FZ_PORTAL_COMPONENT_GATEWAY,
      .budget_ns = o->budget_ns,
    },
    .session.host = {
      .receive_buffer_bytes = fz_options_bytes ("FIREZONE_UDP_RECV_BUFFER_SIZE"),
      .send_buffer_bytes = fz_options_bytes ("FIREZONE_UDP_SEND_BUFFER_SIZE"),
      .n_lanes = o->n_lanes,
    },
    .log = *log,
    .token_advice = "make a new token for this gateway in the portal and set " FZ_TOKEN_ENV,
    .health_address = o->health_address,
    .skips_check = o->has_no_check,
  };

  return fz_program_run (&program);
}

static int
run (const Options *o, const FzToken *token, const FzLog *log)
{
  g_autofree char *device_id = NULL;
  g_autoptr (GError) error = NULL;

  fz_program_log_started (log, "gateway started", FZ_PORTAL_COMPONENT_GATEWAY);
  fz_options_warn_without_effect (log, o->has_flow_logs, "--flow-logs");
  fz_options_warn_without_effect (log, o->validates_checksums, "--validate-checksums");
  fz_options_warn_without_effect (log, g_strcmp0 (o->metrics, "sentry") != 0, "--metrics");
  fz_options_warn_without_effect (log, o->otlp_endpoint != NULL, "--otlp-grpc-endpoint");
  if (!o->has_no_inc_buf)
    fz_sysctl_raise_buffers (log);

  device_id = o->firezone_id != NULL ? g_strdup (o->firezone_id)
                                     : fz_device_id_get (FZ_DEVICE_ID_GATEWAY_FILE,
                                                         FZ_DEVICE_ID_GATEWAY_KEY,
                                                         FZ_DEVICE_ID_MACHINE_FILE,
                                                         &error);
  if (device_id == NULL)
    return fz_program_fail (log, error->message);
  return run_session (o, token, device_id, log);
}

static int
run_logged (const Options *o, int argc, char **argv)
{
  g_autoptr (FzLogSetup) setup = NULL;
  g_autoptr (FzToken) token = NULL;
  g_autoptr (GError) token_error = NULL;
  g_autofree char *filter = fz_options_dup_log_filter (o->has_flow_logs);
  FzLogSetupConfig config = {
    .name = "firezone-gateway",
    .filter = filter,
    .format = fz_options_log_format (o->log_format),
  };
  FzLog log;

  /* The token leaves environment and arguments before anything else happens. */
  token = find_token (argc, argv, &token_error);
  setup = fz_program_open_log (&config);
  if (setup == NULL)
    return EXIT_FAILURE;
  log = fz_log_setup_get (setup, "gateway");
  if (token == NULL)
    return fz_program_fail (&log, token_error->message);
  return run (o, token, &log);
}

int
main (int argc, char **argv)
{
  Options options = { 0 };
  int status;

  fz_program_init ();
  parse_command_line (&options, &argc, &argv);
  read_environment (&options);
  if (!fz_crypto_init ()) {
    fprintf (stderr, "%s: libsodium does not start\n", g_get_prgname ());
    return EXIT_FAILURE;
  }
  status = run_logged (&options, argc, argv);
  clear_options (&options);
  return status;
}
