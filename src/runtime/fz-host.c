/* fz-host.c: see the header
 *
 * Owned from the outside in: what carries packets, engine, driver. Lanes, sockets and device
 * stop, are replaced and start again by themselves (fz-host-lanes.h); here they meet the engine:
 *
 *   lanes ══ rings ══► FzDriver ── outputs ─┬─► datagrams: FzOutbox, packets: FzTunWriter
 *                         │                 └─► events: lanes, FzHostDns, the program
 *                      FzEngine
 */

#include "src/runtime/fz-host.h"

#include "src/runtime/fz-driver.h"
#include "src/runtime/fz-engine-metrics.h"
#include "src/runtime/fz-host-dns.h"
#include "src/runtime/fz-host-lanes.h"
#include "src/runtime/fz-ladder-metrics.h"
#include "src/runtime/fz-lane-count.h"
#include "src/runtime/fz-outbox.h"
#include "src/runtime/fz-process-metrics.h"
#include "src/runtime/fz-resume-watch.h"

#include <errno.h>

#define GOODBYE_MS    20u         /* for sockets that are full at the end */
#define SUSPENDED_NS  (5 * FZ_S)  /* paths that slept longer are made anew */
#define MOVE_EVERY_NS (30 * FZ_S) /* to another port, at most: a forger may ask for it */

struct FzHost {
  FzHostConfig config;
  FzClock own_clock;
  FzClock *clock;
  FzRng rng;
  FzPublished published;
  FzEngine *engine;
  FzDriver *driver;
  FzLadder ladder;
  FzHostLanes *lanes;  /* what carries packets */
  FzHostDns *dns;      /* NULL before the start and after the stop */
  FzOutbox *outbox;    /* the engine's own datagrams */
  FzTunWriter *writer; /* the engine's own packets */

  guint fatal_id;
  guint move_id;      /* to another port, soon */
  FzInstant moved_at; /* 0: never */
  GError *fatal;
  FzResumeWatch *resume_watch;
};

/* The first argument is no expression. */
/* clang-format off */
G_DEFINE_QUARK (fz-host-error-quark, fz_host_error)
/* clang-format on */

/* -- failing -- */

static gboolean
on_fatal_idle (gpointer data)
{
  FzHost *self = data;

  self->fatal_id = 0;
  if (self->config.callbacks.on_fatal != NULL)
    self->config.callbacks.on_fatal (self->fatal, self->config.callbacks.user_data);
  return G_SOURCE_REMOVE;
}

/* From an idle source, so that the program may free the host in its callback's wake. */
static void
on_lanes_failed (GError *error, gpointer user_data)
{
  FzHost *self = user_data;

  self->fatal = error;
  self->fatal_id = g_idle_add (on_fatal_idle, self);
}

/* -- what comes of the lanes -- */

static void
on_network_change (gpointer user_data)
{
  FzHost *self = user_data;

  /* Gateways and bare peers have wildcard sockets and are found again by their peers. */
  if (self->config.role == FZ_ROLE_CLIENT)
    fz_host_reset_network (self);
}

static void
on_lanes_restarted (gpointer user_data)
{
  FzHost *self = user_data;

  fz_host_dns_listen_again (self->dns);
}

/* -- what the engine puts out -- */

static void
on_transmit (void *context, const FzTransmit *transmit)
{
  FzHost *self = context;

  fz_outbox_send (self->outbox, transmit);
}

static void
on_packet (void *context, FzSpan packet)
{
  FzHost *self = context;

  fz_tun_writer_write_packet (self->writer, packet.data, packet.length);
}

/* An engine that has given up waiting refuses it. */
static void
on_dns_command (const FzCommand *command, gpointer user_data)
{
  fz_host_run_command (user_data, command, NULL);
}

/* Not where the event came: the lanes may be in the middle of a record. */
static gboolean
on_move_idle (gpointer data)
{
  FzHost *self = data;
  FzCommand command = { .kind = FZ_COMMAND_PORT_CHANGED };

  self->move_id = 0;
  if (!fz_host_lanes_move_port (self->lanes))
    return G_SOURCE_REMOVE;
  self->moved_at = fz_clock_now (self->clock);
  fz_log (&self->config.log,
          FZ_LOG_INFO,
          "port-changed",
          "a relay still serves our former self at the old port; taking another one",
          FZ_KV_U64 ("port", fz_host_get_port (self, FZ_IP_V4)));
  fz_host_run_command (self, &command, NULL);
  return G_SOURCE_REMOVE;
}

static void
leave_address (FzHost *self)
{
  bool is_soon = self->moved_at != 0 &&
                 fz_instant_since (self->moved_at, fz_clock_now (self->clock)) < MOVE_EVERY_NS;

  if (self->move_id == 0 && !is_soon && fz_host_lanes_are_running (self->lanes))
    self->move_id = g_idle_add (on_move_idle, self);
}

static void
on_event (void *context, const FzEvent *event)
{
  FzHost *self = context;

  if (event->kind == FZ_EVENT_ADDRESS_TAKEN) {
    leave_address (self);
    return;
  }
  if (event->kind == FZ_EVENT_INTERFACE_CHANGED &&
      !fz_host_lanes_set_interface (self->lanes, event))
    return;
  fz_host_dns_handle_event (self->dns, event);
  if (self->config.callbacks.on_event != NULL)
    self->config.callbacks.on_event (event, self->config.callbacks.user_data);
}

static void
on_released (void *context)
{
  FzHost *self = context;

  fz_host_lanes_records_released (self->lanes);
}

/* -- time -- */

/* A machine that slept comes back to a network that has forgotten it. */
static void
notice_suspend (FzHost *self)
{
  uint64_t slept = fz_resume_watch_take_slept (self->resume_watch);

  if (slept < SUSPENDED_NS || self->config.role != FZ_ROLE_CLIENT)
    return;
  fz_log (&self->config.log,
          FZ_LOG_INFO,
          "resumed",
          "the machine was suspended; making paths anew",
          FZ_KV_U64 ("suspended_s", slept / FZ_S));
  fz_host_reset_network (self);
}

static void
on_clock_jump (gpointer user_data)
{
  FzHost *self = user_data;

  if (fz_host_lanes_are_running (self->lanes))
    notice_suspend (self);
}

static void
on_turn (void *context)
{
  FzHost *self = context;

  fz_host_lanes_take_reports (self->lanes);
  notice_suspend (self);
}

/* -- starting -- */

static const char *
cipher_name (const FzHost *self)
{
  return self->config.aead_backend != NULL ? self->config.aead_backend : "auto";
}

/* Checks and times the ciphers beside the slow system calls of the start; touches nothing else. */
static gpointer
choose_cipher (gpointer data)
{
  FzHost *self = data;

  return GINT_TO_POINTER (
      fz_aead_select (cipher_name (self), &self->ladder.backend, self->ladder.reports));
}

/* After the device is open: had another client been running here, that would have failed, and its
 * rules and routes must stay. A bare peer leaves nothing behind and clears nothing up. */
static bool
clean_up (FzHost *self, GError **error)
{
  return self->config.role == FZ_ROLE_BARE || fz_platform_clean_up (self->config.platform, error);
}

static void
make_dns (FzHost *self)
{
  FzHostDnsConfig config = {
    .role = self->config.role,
    .is_marked = !self->config.no_mark,
    .device = self->config.tun_name,
    .log = self->config.log,
    .on_command = on_dns_command,
    .user_data = self,
  };

  self->dns = fz_host_dns_new (&config);
}

static bool
make_engine (FzHost *self, GError **error)
{
  FzEngineConfig config = {
    .role = self->config.role,
    .rng = self->rng,
    .log = self->config.log,
    .published = &self->published,
    .unix_ns_at_zero = fz_clock_unix_ns_at_zero (self->clock),
    .private_key = self->config.private_key,
    .steering = *fz_host_lanes_get_steering (self->lanes),
    .has_workers = true,
  };
  FzDriverSinks sinks = {
    .transmit = on_transmit,
    .packet = on_packet,
    .event = on_event,
    .released = on_released,
    .turn = on_turn,
    .context = self,
  };

  make_dns (self);
  self->engine = fz_engine_new (&config);
  self->driver = fz_driver_new (
      self->engine, &self->published, self->clock, &sinks, fz_lane_count_usable_cpus (""));
  if (self->driver != NULL)
    return true;
  g_set_error (
      error, FZ_HOST_ERROR, FZ_HOST_ERROR_THREAD, "no timer or event: %s", g_strerror (errno));
  return false;
}

static bool
open_everything (FzHost *self, GError **error)
{
  return fz_platform_check_rights (self->config.platform, error) &&
         fz_host_lanes_open (self->lanes, &self->rng, error) && clean_up (self, error);
}

static bool
start (FzHost *self, GError **error)
{
  bool is_open, has_cipher;
  GThread *thread;

  if (!fz_crypto_init ()) {
    g_set_error_literal (error, FZ_HOST_ERROR, FZ_HOST_ERROR_CRYPTO, "libsodium does not start");
    return false;
  }
  self->rng = fz_crypto_rng ();
  thread = g_thread_new ("fz-aead", choose_cipher, self);
  is_open = open_everything (self, error);
  has_cipher = GPOINTER_TO_INT (g_thread_join (thread)) != 0;
  if (!is_open)
    return false;
  if (!has_cipher) {
    g_set_error (error,
                 FZ_HOST_ERROR,
                 FZ_HOST_ERROR_CRYPTO,
                 "no usable cipher “%s”: choose auto, sodium, openssl or ipsec-mb",
                 cipher_name (self));
    return false;
  }
  if (!make_engine (self, error) ||
      !fz_host_lanes_start (self->lanes, &self->published, self->driver, &self->rng, error))
    return false;
  fz_ladder_log (&self->ladder, &self->config.log);
  fz_driver_settle (self->driver);
  return true;
}

static FzHostLanes *
make_lanes (FzHost *self)
{
  FzHostLanesConfig config = {
    .host = &self->config,
    .clock = self->clock,
    .ladder = &self->ladder,
    .outbox = self->outbox,
    .writer = self->writer,
    .on_network_change = on_network_change,
    .on_restarted = on_lanes_restarted,
    .on_failed = on_lanes_failed,
    .user_data = self,
  };

  return fz_host_lanes_new (&config);
}

FzHost *
fz_host_new (const FzHostConfig *config, GError **error)
{
  g_autoptr (FzHost) self = g_new0 (FzHost, 1);

  self->config = *config;
  self->config.log.target = "host";
  if (self->config.io == NULL)
    self->config.io = &fz_io_kernel;
  if (self->config.tun_name == NULL)
    self->config.tun_name = FZ_TUN_NAME;
  fz_clock_init (&self->own_clock);
  self->clock = config->clock != NULL ? config->clock : &self->own_clock;
  self->resume_watch = fz_resume_watch_new (self->clock, on_clock_jump, self);
  fz_published_init (&self->published);
  self->outbox = fz_outbox_new (self->config.io, self->clock);
  self->writer = fz_tun_writer_new (self->config.io);
  self->lanes = make_lanes (self);
  if (!start (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* -- stopping -- */

static void
say_goodbye (FzHost *self)
{
  FzCommand command = { .kind = FZ_COMMAND_SHUT_DOWN };

  if (self->engine == NULL || self->driver == NULL)
    return;
  if (fz_engine_handle_command (self->engine, &command, fz_clock_now (self->clock), NULL))
    fz_driver_settle (self->driver);
  fz_outbox_drain (self->outbox, GOODBYE_MS);
}

bool
fz_host_stop (FzHost *self)
{
  if (fz_host_lanes_is_stopped (self->lanes))
    return true;
  say_goodbye (self);
  g_clear_pointer (&self->dns, fz_host_dns_free);
  g_clear_handle_id (&self->fatal_id, g_source_remove);
  g_clear_handle_id (&self->move_id, g_source_remove);
  return fz_host_lanes_stop (self->lanes);
}

void
fz_host_free (FzHost *self)
{
  if (self == NULL || !fz_host_stop (self))
    return; /* a thread still uses it all: the process is about to end */
  g_clear_pointer (&self->resume_watch, fz_resume_watch_free);
  g_clear_pointer (&self->driver, fz_driver_free);
  g_clear_pointer (&self->lanes, fz_host_lanes_free);
  g_clear_pointer (&self->engine, fz_engine_free);
  fz_published_clear (&self->published);
  fz_outbox_free (self->outbox);
  fz_tun_writer_free (self->writer);
  g_clear_error (&self->fatal);
  g_free (self);
}

/* -- public -- */

static FzMetrics *
collect_metrics (FzHost *self)
{
  FzMetrics *metrics = fz_metrics_new ();
  FzEngineCounters engine;

  fz_engine_get_counters (self->engine, &engine);
  fz_engine_metrics_add (metrics, &engine);
  fz_host_lanes_add_metrics (self->lanes, metrics);
  fz_host_dns_add_metrics (self->dns, metrics);
  fz_ladder_metrics_add (metrics, &self->ladder);
  fz_process_metrics_add (metrics);
  return metrics;
}

bool
fz_host_run_command (FzHost *self, const FzCommand *command, GError **error)
{
  if (!fz_engine_handle_command (self->engine, command, fz_clock_now (self->clock), error))
    return false;
  fz_driver_settle (self->driver);
  return true;
}

void
fz_host_reset_network (FzHost *self)
{
  FzCommand command = { .kind = FZ_COMMAND_NETWORK_CHANGED };

  if (self->config.role == FZ_ROLE_GATEWAY || fz_host_lanes_is_stopped (self->lanes))
    return;
  fz_log_plain (&self->config.log,
                FZ_LOG_INFO,
                "network-changed",
                "the network has changed; opening new sockets");
  fz_host_lanes_replace_sockets (self->lanes);
  fz_host_dns_reset (self->dns);
  if (self->config.role == FZ_ROLE_CLIENT)
    fz_host_run_command (self, &command, NULL);
}

FzMetrics *
fz_host_get_metrics (FzHost *self)
{
  return collect_metrics (self);
}

const FzLadder *
fz_host_get_ladder (const FzHost *self)
{
  return &self->ladder;
}

char *
fz_host_dump_metrics (FzHost *self, FzMetricsFormat format)
{
  g_autoptr (FzMetrics) metrics = collect_metrics (self);

  switch (format) {
  case FZ_METRICS_TEXT:
    return fz_metrics_to_text (metrics);
  case FZ_METRICS_JSON:
    return fz_metrics_to_json (metrics);
  case FZ_METRICS_PROMETHEUS:
    return fz_metrics_to_prometheus (metrics);
  }
  g_assert_not_reached ();
}

void
fz_host_log_metrics (FzHost *self)
{
  g_autoptr (FzMetrics) metrics = collect_metrics (self);

  fz_metrics_log (metrics, &self->config.log, "metrics", "totals since the start");
}

FzEngine *
fz_host_get_engine (FzHost *self)
{
  return self->engine;
}

FzInstant
fz_host_now (const FzHost *self)
{
  return fz_clock_now (self->clock);
}

uint16_t
fz_host_get_port (const FzHost *self, FzIpFamily family)
{
  const FzUdpPair *first = fz_host_lanes_get_pairs (self->lanes);
  const FzUdpSocket *socket = &first->sockets[family == FZ_IP_V6 ? FZ_UDP_V6 : FZ_UDP_V4];

  return socket->fd >= 0 ? socket->port : 0;
}
