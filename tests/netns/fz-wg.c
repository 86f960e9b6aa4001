/* fz-wg.c
 *
 * A plain WireGuard peer made of the bare engine, the host and the Linux
 * platform: what the namespace tests and the benchmarks run against
 * wireguard-go. Not installed: keys may stand on its command line.
 *
 *   fz-wg --tun fz0 --private-key KEY --address 10.9.0.1 \
 *         --peer key=KEY,endpoint=10.0.0.2:51820,allowed=10.9.0.2/32+fd09::2/128,keepalive=25
 *
 * SIGINT, SIGTERM: ends. SIGHUP: opens new sockets. SIGUSR1: prints all counters.
 * SIGUSR2: sets the engine's clock forward by --skip seconds, so that a rekey can be
 * seen without waiting for it.
 */

#include "platform/fz-platform.h"
#include "src/crypto/fz-crypto.h"
#include "src/runtime/fz-host.h"
#include "src/runtime/fz-log-json.h"
#include "src/runtime/fz-notify.h"

#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALLOWED_MAX 64u
#define EXIT_USAGE  2

typedef struct {
  char *tun_name;
  char *private_key;
  char **addresses;
  char **peers;
  char *aead;
  char *log_filter;
  int port;
  int skip_s;
  int receive_buffer_bytes;
  int send_buffer_bytes;
  gboolean no_offloads;
  gboolean no_aqm;
  char *codel;
  gboolean two_threads;
  int lanes;
} Options;

typedef struct {
  Options options;
  FzClock clock;
  FzHost *host;
  GMainLoop *loop;
  FzLog log;
  int status;
} Program;

/* -- what the engine says -- */

static void
on_event (const FzEvent *event, gpointer user_data)
{
  Program *program = user_data;

  switch (event->kind) {
  case FZ_EVENT_INTERFACE_CHANGED:
    fz_log_plain (&program->log, FZ_LOG_INFO, "interface-set", "addresses and routes are set");
    fz_notify_ready ("running");
    return;
  case FZ_EVENT_PEER_CONNECTED:
  case FZ_EVENT_PEER_PATH_CHANGED:
    fz_log (&program->log,
            FZ_LOG_INFO,
            event->kind == FZ_EVENT_PEER_CONNECTED ? "peer-connected" : "peer-moved",
            "the peer is here",
            FZ_KV_SOCKET ("remote", &event->peer.remote));
    return;
  case FZ_EVENT_PEER_DISCONNECTED:
    fz_log_plain (&program->log, FZ_LOG_INFO, "peer-disconnected", "the peer is gone");
    return;
  case FZ_EVENT_REQUEST_AUTHORIZATION:
  case FZ_EVENT_NEW_CANDIDATES:
  case FZ_EVENT_INVALIDATED_CANDIDATES:
  case FZ_EVENT_AUTHORIZATION_ACCEPTED:
  case FZ_EVENT_NO_RELAYS:
  case FZ_EVENT_PUBLIC_KEY_CHANGED:
  case FZ_EVENT_ADDRESS_TAKEN:
  case FZ_EVENT_RESOURCES_CHANGED:
  case FZ_EVENT_GATEWAYS_OFFLINE:
  case FZ_EVENT_GATEWAY_VERSION_MISMATCH:
  case FZ_EVENT_ACCESS_DENIED:
  case FZ_EVENT_DNS_QUERY:
  case FZ_EVENT_RESOLVE_DOMAIN:
    return; /* a bare peer has no portal */
  }
}

static void
on_fatal (const GError *error, gpointer user_data)
{
  Program *program = user_data;

  program->status = EXIT_FAILURE; /* the host has logged why */
  g_main_loop_quit (program->loop);
}

static gboolean
on_end (gpointer user_data)
{
  g_main_loop_quit (((Program *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_hang_up (gpointer user_data)
{
  fz_host_reset_network (((Program *) user_data)->host);
  return G_SOURCE_CONTINUE;
}

/* Whole, with what is told for single lanes: a record of the log would be cut. */
static void
print_metrics (Program *program)
{
  g_autofree char *json = fz_host_dump_metrics (program->host, FZ_METRICS_JSON);

  g_print ("{\"event\":\"metrics\",%s\n", json + 1);
}

static gboolean
on_metrics (gpointer user_data)
{
  print_metrics (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_skip (gpointer user_data)
{
  Program *program = user_data;

  fz_clock_skip (&program->clock, (uint64_t) program->options.skip_s * FZ_S);
  fz_log_plain (&program->log, FZ_LOG_INFO, "clock-skipped", "the clock was set forward");
  return G_SOURCE_CONTINUE;
}

/* -- commands -- */

static bool
set_addresses (Program *program, GError **error)
{
  FzCommand command = { .kind = FZ_COMMAND_CONFIG_CHANGED };

  for (char **text = program->options.addresses; text != NULL && *text != NULL; text++) {
    FzIp ip;

    if (!fz_ip_parse (*text, &ip)) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "bad address “%s”", *text);
      return false;
    }
    if (ip.family == FZ_IP_V4)
      command.config_changed.ipv4 = ip;
    else
      command.config_changed.ipv6 = ip;
  }
  return fz_host_run_command (program->host, &command, error);
}

static bool
parse_allowed (const char *text, FzIpNetwork *out, size_t *out_n)
{
  g_auto (GStrv) parts = g_strsplit (text, "+", -1);

  for (char **part = parts; *part != NULL; part++)
    if (*out_n == ALLOWED_MAX || !fz_ip_network_parse (*part, &out[(*out_n)++]))
      return false;
  return true;
}

static bool
parse_peer_part (const char *part, FzIpNetwork *allowed, FzCommand *command)
{
  if (g_str_has_prefix (part, "key="))
    return fz_key_parse (part + 4, command->bare_peer.public_key);
  if (g_str_has_prefix (part, "psk="))
    return fz_key_parse (part + 4, command->bare_peer.preshared_key);
  if (g_str_has_prefix (part, "endpoint="))
    return fz_socket_address_parse (part + 9, &command->bare_peer.endpoint);
  if (g_str_has_prefix (part, "allowed="))
    return parse_allowed (part + 8, allowed, &command->bare_peer.n_allowed);
  if (g_str_has_prefix (part, "keepalive=")) {
    guint64 seconds;

    if (!g_ascii_string_to_unsigned (part + 10, 10, 0, 65535, &seconds, NULL))
      return false;
    command->bare_peer.keepalive_s = (uint32_t) seconds;
    return true;
  }
  return false;
}

static bool
add_peer (Program *program, const char *text, unsigned number, GError **error)
{
  FzCommand command = { .kind = FZ_COMMAND_ADD_BARE_PEER };
  FzIpNetwork allowed[ALLOWED_MAX];
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  command.bare_peer.allowed = allowed;
  command.bare_peer.id.bytes[14] = (uint8_t) (number >> 8);
  command.bare_peer.id.bytes[15] = (uint8_t) number;
  for (char **part = parts; *part != NULL; part++)
    if (!parse_peer_part (*part, allowed, &command)) {
      g_set_error (
          error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "bad part of peer: “%s”", *part);
      return false;
    }
  return fz_host_run_command (program->host, &command, error);
}

static bool
configure (Program *program, GError **error)
{
  unsigned number = 0;

  for (char **text = program->options.peers; text != NULL && *text != NULL; text++)
    if (!add_peer (program, *text, ++number, error))
      return false;
  return set_addresses (program, error);
}

/* -- the program -- */

static bool
parse_options (Options *options, int *argc, char ***argv, GError **error)
{
  GOptionEntry entries[] = {
    { "tun", 0, 0, G_OPTION_ARG_STRING, &options->tun_name, "device to make", "NAME" },
    { "private-key", 0, 0, G_OPTION_ARG_STRING, &options->private_key, "base64", "KEY" },
    { "address", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->addresses, "own tunnel address", "IP" },
    { "peer", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->peers, "see the source", "key=…,…" },
    { "listen-port", 0, 0, G_OPTION_ARG_INT, &options->port, "UDP port", "PORT" },
    { "aead",
      0,
      0,
      G_OPTION_ARG_STRING,
      &options->aead,
      "auto, sodium, openssl, ipsec-mb",
      "NAME" },
    { "log", 0, 0, G_OPTION_ARG_STRING, &options->log_filter, "log filter", "FILTER" },
    { "skip", 0, 0, G_OPTION_ARG_INT, &options->skip_s, "seconds that SIGUSR2 skips", "S" },
    { "receive-buffer", 0, 0, G_OPTION_ARG_INT, &options->receive_buffer_bytes, "UDP", "BYTES" },
    { "send-buffer", 0, 0, G_OPTION_ARG_INT, &options->send_buffer_bytes, "UDP", "BYTES" },
    { "no-offloads",
      0,
      0,
      G_OPTION_ARG_NONE,
      &options->no_offloads,
      "lowest step of the ladder",
      NULL },
    { "no-aqm", 0, 0, G_OPTION_ARG_NONE, &options->no_aqm, "no CoDel", NULL },
    { "codel",
      0,
      0,
      G_OPTION_ARG_STRING,
      &options->codel,
      "targets and intervals, transmit and receive",
      "US/US,US/US" },
    { "two-threads",
      0,
      0,
      G_OPTION_ARG_NONE,
      &options->two_threads,
      "one thread per direction",
      NULL },
    { "lanes", 0, 0, G_OPTION_ARG_INT, &options->lanes, "1 … 8", "N" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- a plain WireGuard peer, for tests");

  options->skip_s = 121;
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, argc, argv, error);
}

static void
watch_signals (Program *program)
{
  g_unix_signal_add (SIGINT, on_end, program);
  g_unix_signal_add (SIGTERM, on_end, program);
  g_unix_signal_add (SIGHUP, on_hang_up, program);
  g_unix_signal_add (SIGUSR1, on_metrics, program);
  g_unix_signal_add (SIGUSR2, on_skip, program);
}

/* "2000/40000,1000/40000", in microseconds. */
static bool
parse_codel (const char *text, FzAqm *out, GError **error)
{
  unsigned values[4];

  if (sscanf (text, "%u/%u,%u/%u", &values[0], &values[1], &values[2], &values[3]) != 4) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "bad --codel “%s”", text);
    return false;
  }
  *out = (FzAqm){ .transmit = { values[0] * FZ_US, values[1] * FZ_US },
                  .receive = { values[2] * FZ_US, values[3] * FZ_US } };
  return true;
}

static bool
run (Program *program, FzPlatform *platform, GError **error)
{
  Options *options = &program->options;
  uint8_t key[FZ_KEY_SIZE];
  FzAqm aqm;
  FzHostConfig config = {
    .role = FZ_ROLE_BARE,
    .platform = platform,
    .log = program->log,
    .callbacks = { .on_event = on_event, .on_fatal = on_fatal, .user_data = program },
    .tun_name = options->tun_name,
    .aead_backend = options->aead,
    .receive_buffer_bytes = (uint32_t) options->receive_buffer_bytes,
    .send_buffer_bytes = (uint32_t) options->send_buffer_bytes,
    .port = (uint16_t) options->port,
    .require_port = options->port != 0,
    .no_offloads = options->no_offloads,
    .aqm = options->no_aqm ? &fz_aqm_off : NULL,
    .two_threads = options->two_threads,
    .n_lanes = (unsigned) CLAMP (options->lanes, 0, (int) FZ_HOST_LANES_MAX),
    .clock = &program->clock,
  };

  if (options->codel != NULL) {
    if (!parse_codel (options->codel, &aqm, error))
      return false;
    config.aqm = &aqm;
  }
  if (options->private_key != NULL) {
    if (!fz_key_parse (options->private_key, key)) {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "bad private key");
      return false;
    }
    config.private_key = key;
  }
  program->host = fz_host_new (&config, error);
  fz_wipe (key, sizeof key);
  if (program->host == NULL)
    return false;
  watch_signals (program);
  if (configure (program, error)) {
    g_main_loop_run (program->loop);
    fz_notify_stopping ();
    print_metrics (program);
  }
  if (!fz_host_stop (program->host))
    program->status = EXIT_FAILURE;
  g_clear_pointer (&program->host, fz_host_free);
  return *error == NULL;
}

int
main (int argc, char **argv)
{
  Program program = { .loop = g_main_loop_new (NULL, FALSE) };
  FzLogJsonConfig log = { .format = FZ_LOG_FORMAT_JSON };
  g_autoptr (FzLogJson) sink = NULL;
  g_autoptr (FzPlatform) platform = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  if (!parse_options (&program.options, &argc, &argv, &error)) {
    g_printerr ("fz-wg: %s\n", error->message);
    return EXIT_USAGE;
  }
  log.filter = program.options.log_filter;
  sink = fz_log_json_new (&log, &error);
  if (sink != NULL) {
    program.log = fz_log_json_get (sink, "fz-wg");
    fz_clock_init (&program.clock);
    platform = fz_platform_linux_new (&program.log, &error);
  }
  if (platform == NULL || !run (&program, platform, &error)) {
    g_printerr ("fz-wg: %s\n", error->message);
    program.status = EXIT_FAILURE;
  }
  g_main_loop_unref (program.loop);
  g_free (program.options.tun_name);
  g_free (program.options.private_key);
  g_strfreev (program.options.addresses);
  g_strfreev (program.options.peers);
  g_free (program.options.aead);
  g_free (program.options.codel);
  g_free (program.options.log_filter);
  return program.status;
}
