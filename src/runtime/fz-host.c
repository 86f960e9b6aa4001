/* fz-host.c: see the header
 *
 * Owned from the outside in: sockets, TUN, engine, driver, lanes. The lanes may
 * be stopped and started again at any time; that is how sockets are replaced
 * after a network change and the device after somebody removed it:
 *
 *   RUNNING ──network change──► sockets replaced ──────────────► RUNNING
 *   RUNNING ──device removed──► REPAIRING ──re-created─────────► RUNNING
 *                               REPAIRING ──5 tries in vain────► FAILED (on_fatal)
 *   any ──fz_host_stop──► STOPPED
 *
 * How sockets are replaced without a gap: fz-host-sockets.h. What the lanes have in
 * hand stays there meanwhile, and leaves by the new ones.
 *
 * While repairing, the engine goes on: handshakes and paths stay alive, packets
 * for the device are dropped.
 */

#include "src/runtime/fz-host.h"

#include "src/runtime/fz-device.h"
#include "src/runtime/fz-driver.h"
#include "src/runtime/fz-host-dns.h"
#include "src/runtime/fz-host-metrics.h"
#include "src/runtime/fz-host-sockets.h"
#include "src/runtime/fz-ladder.h"
#include "src/runtime/fz-lane-count.h"
#include "src/runtime/fz-lanes.h"
#include "src/runtime/fz-outbox.h"
#include "src/runtime/fz-process-metrics.h"
#include "src/runtime/fz-resume-watch.h"

#include <errno.h>

#define REPAIR_TRIES    5u
#define REPAIR_EVERY_MS 1000u
#define GOODBYE_MS      20u        /* for sockets that are full at the end */
#define SUSPENDED_NS    (5 * FZ_S) /* paths that slept longer are made anew */

typedef enum {
  STATE_RUNNING,
  STATE_REPAIRING, /* no lanes; the timer below tries again */
  STATE_FAILED,    /* on_fatal is on its way; no lanes */
  STATE_STOPPED,
} State;

struct FzHost {
  FzHostConfig config;
  State state;
  FzClock own_clock;
  FzClock *clock;
  FzRng rng;
  FzPublished published;
  FzEngine *engine;
  FzDriver *driver;
  unsigned n_lanes; /* wanted */
  FzSteering steering;
  FzLanes *lanes;
  FzHostSockets *sockets; /* the lanes'; the engine sends by the first */
  FzDevice *device;
  FzLadder ladder;
  FzHostDns *dns;      /* NULL before the start and after the stop */
  FzOutbox *outbox;    /* the engine's own datagrams */
  FzTunWriter *writer; /* the engine's own packets */

  guint repair_id;     /* a repair that waits for its time */
  FzInstant halted_at; /* the lanes, for the repair */
  unsigned n_repairs;  /* tries since the device was last well */
  uint64_t n_reopened;
  guint fatal_id;
  GError *fatal;
  FzResumeWatch *resume_watch; /* NULL: the kernel has none */
  uint64_t suspended_ns;       /* in total, as last seen */
  bool warned_unreachable;
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

/* Takes @error. From an idle source, so that the program may free the host in its callback's wake.
 */
static void
fail (FzHost *self, GError *error)
{
  if (self->state == STATE_FAILED || self->state == STATE_STOPPED) {
    g_error_free (error);
    return;
  }
  fz_log (&self->config.log,
          FZ_LOG_ERROR,
          "host-failed",
          "the tunnel cannot go on",
          FZ_KV_TEXT ("error", error->message));
  self->state = STATE_FAILED;
  g_clear_handle_id (&self->repair_id, g_source_remove);
  self->fatal = error;
  self->fatal_id = g_idle_add (on_fatal_idle, self);
}

/* -- lanes -- */

static bool
start_lanes (FzHost *self, GError **error)
{
  const FzTunQueue *queues = fz_device_get_queues (self->device);
  FzLaneLimits limits;

  self->ladder.tun = fz_device_get_features (self->device);
  limits = fz_ladder_get_limits (&self->ladder);
  fz_tun_writer_set_queue (self->writer, queues[0]);
  if (fz_lanes_start (self->lanes, queues, fz_host_sockets_get_pairs (self->sockets), &limits))
    return true;
  g_set_error (error,
               FZ_HOST_ERROR,
               FZ_HOST_ERROR_THREAD,
               "cannot start the lanes' threads: %s",
               g_strerror (errno));
  return false;
}

/* @is_end: what cannot leave soon is given up; else it waits for the next start. */
static bool
halt_lanes (FzHost *self, bool is_end, GError **error)
{
  unsigned lane;

  if (self->lanes == NULL)
    return true;
  if (is_end ? fz_lanes_stop (self->lanes, &lane) : fz_lanes_pause (self->lanes, &lane))
    return true;
  g_set_error (error,
               FZ_HOST_ERROR,
               FZ_HOST_ERROR_THREAD,
               "a thread of lane %u did not end within two seconds",
               lane);
  return false;
}

static void
close_device (FzHost *self)
{
  fz_tun_writer_set_queue (self->writer, (FzTunQueue){ .fd = -1 });
  fz_device_close (self->device);
}

/* -- repair -- */

static gboolean on_repair_timeout (gpointer data);

/* One try at having everything that lanes need. */
static bool
try_repair (FzHost *self, GError **error)
{
  if (!fz_host_sockets_open (self->sockets, &self->steering, error))
    return false;
  if (!fz_device_is_open (self->device) && !fz_device_open (self->device, error))
    return false;
  if (!fz_device_apply (self->device, error)) {
    close_device (self);
    return false;
  }
  return start_lanes (self, error);
}

static void
repair (FzHost *self)
{
  GError *error = NULL;
  bool is_repaired = try_repair (self, &error);
  FzInstant now = fz_clock_now (self->clock);

  if (is_repaired) {
    fz_log (&self->config.log,
            FZ_LOG_INFO,
            "lanes-restarted",
            "sockets and device are in order again",
            FZ_KV_U64 ("tries", self->n_repairs + 1),
            FZ_KV_U64 ("gap_us", fz_instant_since (self->halted_at, now) / FZ_US));
    self->state = STATE_RUNNING;
    self->n_repairs = 0;
    fz_host_dns_listen_again (self->dns);
    return;
  }
  self->state = STATE_REPAIRING;
  if (++self->n_repairs >= REPAIR_TRIES) {
    fail (self, error);
    return;
  }
  fz_log (&self->config.log,
          FZ_LOG_WARNING,
          "repair-failed",
          "sockets and device are not in order yet; trying again",
          FZ_KV_TEXT ("error", error->message));
  g_error_free (error);
  self->repair_id = g_timeout_add (REPAIR_EVERY_MS, on_repair_timeout, self);
}

static gboolean
on_repair_timeout (gpointer data)
{
  FzHost *self = data;

  self->repair_id = 0;
  repair (self);
  return G_SOURCE_REMOVE;
}

/* Takes the lanes down, replaces what is asked for, starts them again. What the lanes had handed
 * over is dealt with, so nothing waits for them when they come back. */
static void
replace (FzHost *self, bool sockets, bool tun)
{
  GError *error = NULL;

  if (self->state != STATE_RUNNING && self->state != STATE_REPAIRING)
    return;
  if (sockets)
    fz_host_sockets_prepare (self->sockets);
  if (self->state == STATE_RUNNING)
    self->halted_at = fz_clock_now (self->clock);
  if (!halt_lanes (self, false, &error)) {
    fz_host_sockets_abandon (self->sockets);
    fail (self, error);
    return;
  }
  g_clear_handle_id (&self->repair_id, g_source_remove);
  if (sockets)
    fz_host_sockets_change (self->sockets, self->state == STATE_RUNNING ? self->lanes : NULL);
  fz_driver_drain_rings (self->driver);
  if (self->state == STATE_FAILED) /* by what came of the rings: for good */
    return;
  if (tun)
    close_device (self);
  repair (self);
}

static void
replace_tun (FzHost *self)
{
  /* the watch and the lane may both tell; while repairing there is none to lose */
  if (self->state != STATE_RUNNING || !fz_device_is_open (self->device))
    return;
  fz_log_plain (&self->config.log,
                FZ_LOG_WARNING,
                "tun-gone",
                "the tunnel device was removed; making it again");
  self->n_reopened++;
  replace (self, false, true);
}

static void
on_network_change (FzNetworkChange change, gpointer user_data)
{
  FzHost *self = user_data;

  switch (change) {
  case FZ_NETWORK_CHANGE_TUN_GONE:
    replace_tun (self);
    return;
  case FZ_NETWORK_CHANGE_LINK:
  case FZ_NETWORK_CHANGE_ROUTE:
    /* Gateways and bare peers have wildcard sockets and are found again by their peers. */
    if (self->config.role == FZ_ROLE_CLIENT)
      fz_host_reset_network (self);
    return;
  }
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

static gboolean
on_tun_gone_idle (gpointer data)
{
  FzHost *self = data;

  self->repair_id = 0;
  replace_tun (self);
  return G_SOURCE_REMOVE;
}

/* Addresses and routes as they should be. A device that was removed meanwhile is made again, which
 * sets them as well; not now, for we may be in the middle of a lane's record. */
static bool
renew_interface (FzHost *self, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (self->state != STATE_RUNNING || fz_device_apply (self->device, &local))
    return true;
  if (g_error_matches (local, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_GONE)) {
    if (self->repair_id == 0)
      self->repair_id = g_idle_add (on_tun_gone_idle, self);
    return true;
  }
  g_propagate_error (error, g_steal_pointer (&local));
  return false;
}

/* An engine that has given up waiting refuses it. */
static void
on_dns_command (const FzCommand *command, gpointer user_data)
{
  fz_host_run_command (user_data, command, NULL);
}

static void
on_event (void *context, const FzEvent *event)
{
  FzHost *self = context;
  GError *error = NULL;

  if (event->kind == FZ_EVENT_INTERFACE_CHANGED) {
    fz_device_set_interface (self->device,
                             &event->interface_changed.interface.ipv4,
                             &event->interface_changed.interface.ipv6,
                             event->interface_changed.routes,
                             event->interface_changed.n_routes);
    if (!renew_interface (self, &error)) {
      fail (self, error);
      return;
    }
  }
  fz_host_dns_handle_event (self->dns, event);
  if (self->config.callbacks.on_event != NULL)
    self->config.callbacks.on_event (event, self->config.callbacks.user_data);
}

static void
on_released (void *context)
{
  FzHost *self = context;

  fz_lanes_records_released (self->lanes);
}

/* -- what the lanes report -- */

static void
take_reports (FzHost *self)
{
  unsigned reports = fz_lanes_take_reports (self->lanes);

  if (reports == 0)
    return;
  fz_ladder_note_reports (&self->ladder,
                          reports,
                          fz_clock_unix_ns_at_zero (self->clock) + fz_clock_now (self->clock),
                          &self->config.log);
  if ((reports & FZ_LANE_REPORT_UNREACHABLE) != 0) {
    FzLogLevel level = self->warned_unreachable ? FZ_LOG_DEBUG : FZ_LOG_INFO;

    self->warned_unreachable = true;
    fz_log_plain (&self->config.log,
                  level,
                  "peer-unreachable",
                  "datagrams to a peer cannot leave this machine: no route, or a local firewall");
  }
  if ((reports & FZ_LANE_REPORT_TUN_GONE) != 0)
    replace_tun (self);
}

/* A machine that slept comes back to a network that has forgotten it. */
static void
notice_suspend (FzHost *self)
{
  uint64_t total = fz_clock_suspended_ns (self->clock);
  uint64_t slept = fz_instant_since (self->suspended_ns, total);

  self->suspended_ns = total;
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

  if (self->state == STATE_RUNNING)
    notice_suspend (self);
}

static void
on_turn (void *context)
{
  FzHost *self = context;

  take_reports (self);
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

static const char *
tun_name (const FzHost *self)
{
  return self->config.tun_name != NULL ? self->config.tun_name : FZ_TUN_NAME;
}

static void
make_dns (FzHost *self)
{
  FzHostDnsConfig config = {
    .role = self->config.role,
    .is_marked = !self->config.no_mark,
    .device = tun_name (self),
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
    .steering = self->steering,
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
make_lanes (FzHost *self, GError **error)
{
  FzLaneThreadConfig config = {
    .two_threads = self->config.two_threads,
    .published = &self->published,
    .engine_bell = fz_driver_get_bell (self->driver),
    .clock = self->clock,
    .io = self->config.io,
    .backend = self->ladder.backend,
    .hash_seed = fz_rng_u64 (&self->rng),
    .aqm = self->config.aqm,
    .steering = self->steering,
  };
  FzRing *ring;

  self->lanes = fz_lanes_new (&config);
  if (self->lanes == NULL) {
    g_set_error (
        error, FZ_HOST_ERROR, FZ_HOST_ERROR_THREAD, "cannot make a lane: %s", g_strerror (errno));
    return false;
  }
  for (unsigned i = 0; (ring = fz_lanes_get_ring (self->lanes, i)) != NULL; i++)
    fz_driver_add_ring (self->driver, ring);
  return start_lanes (self, error);
}

/* An old kernel may have given the device one queue only. */
static void
choose_steering (FzHost *self)
{
  unsigned n_lanes = MIN (self->n_lanes, fz_device_get_features (self->device).n_queues);

  self->steering = (FzSteering){ n_lanes, fz_rng_u32 (&self->rng) | 1 };
}

static bool
open_everything (FzHost *self, GError **error)
{
  if (!fz_platform_check_rights (self->config.platform, error) ||
      !fz_device_open (self->device, error))
    return false;
  choose_steering (self);
  return fz_host_sockets_open (self->sockets, &self->steering, error) && clean_up (self, error);
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
  self->ladder.pair = fz_host_sockets_get_pairs (self->sockets);
  self->ladder.n_lanes = self->steering.n_lanes;
  self->ladder.n_threads = self->config.two_threads ? 2 : 1;
  if (!make_engine (self, error) || !make_lanes (self, error))
    return false;
  fz_ladder_log (&self->ladder, &self->config.log);
  fz_driver_settle (self->driver);
  return true;
}

static unsigned
pick_n_lanes (const FzHostConfig *config)
{
  g_assert (config->n_lanes <= FZ_HOST_LANES_MAX);
  if (config->n_lanes != 0)
    return config->n_lanes;
  return fz_lane_count_for (config->role, fz_lane_count_usable_cpus (""));
}

static FzDevice *
make_device (FzHost *self)
{
  FzDeviceConfig config = {
    .platform = self->config.platform,
    .log = self->config.log,
    .role = self->config.role,
    .name = tun_name (self),
    .use_offloads = !self->config.no_offloads,
    .n_queues = self->n_lanes,
    .on_change = on_network_change,
    .user_data = self,
  };

  return fz_device_new (&config);
}

FzHost *
fz_host_new (const FzHostConfig *config, GError **error)
{
  g_autoptr (FzHost) self = g_new0 (FzHost, 1);

  self->config = *config;
  self->config.log.target = "host";
  if (self->config.io == NULL)
    self->config.io = &fz_io_kernel;
  self->n_lanes = pick_n_lanes (config);
  self->device = make_device (self);
  fz_clock_init (&self->own_clock);
  self->clock = config->clock != NULL ? config->clock : &self->own_clock;
  self->suspended_ns = fz_clock_suspended_ns (self->clock);
  self->resume_watch = fz_resume_watch_new (on_clock_jump, self);
  fz_published_init (&self->published);
  self->outbox = fz_outbox_new (self->config.io, self->clock);
  self->sockets = fz_host_sockets_new (&self->config, self->outbox);
  self->writer = fz_tun_writer_new (self->config.io);
  self->state = STATE_RUNNING;
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
  g_autoptr (GError) error = NULL;

  if (self->state == STATE_STOPPED)
    return true;
  say_goodbye (self);
  g_clear_pointer (&self->resume_watch, fz_resume_watch_free);
  g_clear_pointer (&self->dns, fz_host_dns_free);
  g_clear_handle_id (&self->repair_id, g_source_remove);
  g_clear_handle_id (&self->fatal_id, g_source_remove);
  self->state = STATE_STOPPED;
  if (self->driver != NULL && !halt_lanes (self, true, &error)) {
    fz_log (&self->config.log,
            FZ_LOG_ERROR,
            "lane-hangs",
            "giving up on a thread",
            FZ_KV_TEXT ("error", error->message));
    return false;
  }
  fz_device_undo (self->device);
  fz_host_sockets_close (self->sockets);
  close_device (self);
  return true;
}

void
fz_host_free (FzHost *self)
{
  if (self == NULL || !fz_host_stop (self))
    return; /* a thread still uses it all: the process is about to end */
  g_clear_pointer (&self->driver, fz_driver_free);
  g_clear_pointer (&self->lanes, fz_lanes_free);
  g_clear_pointer (&self->engine, fz_engine_free);
  fz_published_clear (&self->published);
  fz_host_sockets_free (self->sockets);
  fz_outbox_free (self->outbox);
  fz_tun_writer_free (self->writer);
  g_clear_error (&self->fatal);
  fz_device_free (self->device);
  g_free (self);
}

/* -- public -- */

static FzMetrics *
collect_metrics (FzHost *self)
{
  FzMetrics *metrics = fz_metrics_new ();
  FzTunStatistics statistics;
  bool has_statistics = fz_device_get_statistics (self->device, &statistics);
  FzEngineCounters engine;

  fz_engine_get_counters (self->engine, &engine);
  fz_host_metrics_add_engine (metrics, &engine);
  fz_lanes_add_metrics (self->lanes, metrics);
  fz_host_metrics_add_engine_io (metrics, self->outbox, self->writer);
  fz_host_metrics_add_device (metrics, has_statistics ? &statistics : NULL, self->n_reopened);
  fz_host_dns_add_metrics (self->dns, metrics);
  fz_host_metrics_add_ladder (metrics, &self->ladder);
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

  if (self->config.role == FZ_ROLE_GATEWAY || self->state == STATE_STOPPED)
    return;
  fz_log_plain (&self->config.log,
                FZ_LOG_INFO,
                "network-changed",
                "the network has changed; opening new sockets");
  replace (self, true, false);
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
  const FzUdpPair *first = fz_host_sockets_get_pairs (self->sockets);
  const FzUdpSocket *socket = &first->sockets[family == FZ_IP_V6 ? FZ_UDP_V6 : FZ_UDP_V4];

  return socket->fd >= 0 ? socket->port : 0;
}
