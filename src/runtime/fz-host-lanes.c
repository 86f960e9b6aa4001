/* fz-host-lanes.c: see the header
 *
 *   RUNNING ──network change──► sockets replaced ──────────────► RUNNING
 *   RUNNING ──device removed──► REPAIRING ──re-created─────────► RUNNING
 *                               REPAIRING ──5 tries in vain────► FAILED (on_failed)
 *   any ──fz_host_lanes_stop──► STOPPED
 *
 * How sockets are replaced without a gap: fz-host-sockets.h. What the lanes have in
 * hand stays there meanwhile, and leaves by the new ones.
 *
 * While repairing, the engine goes on: handshakes and paths stay alive, packets
 * for the device are dropped.
 */

#include "src/runtime/fz-host-lanes.h"

#include "src/runtime/fz-device.h"
#include "src/runtime/fz-engine-metrics.h"
#include "src/runtime/fz-host-sockets.h"
#include "src/runtime/fz-io-metrics.h"
#include "src/runtime/fz-lane-count.h"
#include "src/runtime/fz-lanes.h"

#include <errno.h>

#define REPAIR_TRIES    5u
#define REPAIR_EVERY_MS 1000u

typedef enum {
  STATE_RUNNING,
  STATE_REPAIRING, /* no lanes; the timer below tries again */
  STATE_FAILED,    /* on_failed was called; no lanes */
  STATE_STOPPED,
} State;

struct FzHostLanes {
  FzHostLanesConfig config;
  FzLog log;
  State state;
  unsigned n_lanes; /* wanted */
  FzSteering steering;
  FzDevice *device;
  FzHostSockets *sockets; /* the lanes'; the engine sends by the first */
  FzLanes *lanes;         /* NULL before the start, like the driver */
  FzDriver *driver;

  guint repair_id;     /* a repair that waits for its time */
  FzInstant halted_at; /* the lanes, for the repair */
  unsigned n_repairs;  /* tries since the device was last well */
  uint64_t n_reopened;
  bool warned_unreachable;
};

/* Takes @error. */
static void
fail (FzHostLanes *self, GError *error)
{
  if (self->state == STATE_FAILED || self->state == STATE_STOPPED) {
    g_error_free (error);
    return;
  }
  fz_log (&self->log,
          FZ_LOG_ERROR,
          "host-failed",
          "the tunnel cannot go on",
          FZ_KV_TEXT ("error", error->message));
  self->state = STATE_FAILED;
  g_clear_handle_id (&self->repair_id, g_source_remove);
  self->config.on_failed (error, self->config.user_data);
}

/* -- lanes and device -- */

static bool
start_lanes (FzHostLanes *self, GError **error)
{
  const FzTunQueue *queues = fz_device_get_queues (self->device);
  FzLaneLimits limits;

  self->config.ladder->tun = fz_device_get_features (self->device);
  limits = fz_ladder_get_limits (self->config.ladder);
  fz_tun_writer_set_queue (self->config.writer, queues[0]);
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
halt_lanes (FzHostLanes *self, bool is_end, GError **error)
{
  unsigned lane;

  if (self->lanes == NULL)
    return true;
  if (is_end ? fz_lanes_stop (self->lanes, &lane) : fz_lanes_pause (self->lanes, &lane))
    return true;
  g_set_error (error,
               FZ_HOST_ERROR,
               FZ_HOST_ERROR_THREAD,
               "a thread of lane %u did not end within ten seconds",
               lane);
  return false;
}

static void
close_device (FzHostLanes *self)
{
  fz_tun_writer_set_queue (self->config.writer, (FzTunQueue){ .fd = -1 });
  fz_device_close (self->device);
}

/* -- repair -- */

static gboolean on_repair_timeout (gpointer data);

/* One try at having everything that lanes need. */
static bool
try_repair (FzHostLanes *self, GError **error)
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
repair (FzHostLanes *self)
{
  GError *error = NULL;
  bool is_repaired = try_repair (self, &error);
  FzInstant now = fz_clock_now (self->config.clock);

  if (is_repaired) {
    fz_log (&self->log,
            FZ_LOG_INFO,
            "lanes-restarted",
            "sockets and device are in order again",
            FZ_KV_U64 ("tries", self->n_repairs + 1),
            FZ_KV_U64 ("gap_us", fz_instant_since (self->halted_at, now) / FZ_US));
    self->state = STATE_RUNNING;
    self->n_repairs = 0;
    self->config.on_restarted (self->config.user_data);
    return;
  }
  self->state = STATE_REPAIRING;
  if (++self->n_repairs >= REPAIR_TRIES) {
    fail (self, error);
    return;
  }
  fz_log (&self->log,
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
  FzHostLanes *self = data;

  self->repair_id = 0;
  repair (self);
  return G_SOURCE_REMOVE;
}

typedef enum {
  SOCKETS,           /* beside the old ones, where the system allows it */
  SOCKETS_ELSEWHERE, /* on another port */
  DEVICE,
} What;

/* Takes the lanes down, replaces what is asked for, starts them again. What the lanes had handed
 * over is dealt with, so nothing waits for them when they come back. */
static void
replace (FzHostLanes *self, What what)
{
  GError *error = NULL;

  if (self->state != STATE_RUNNING && self->state != STATE_REPAIRING)
    return;
  if (what == SOCKETS)
    fz_host_sockets_prepare (self->sockets);
  if (self->state == STATE_RUNNING)
    self->halted_at = fz_clock_now (self->config.clock);
  if (!halt_lanes (self, false, &error)) {
    fz_host_sockets_abandon (self->sockets);
    fail (self, error);
    return;
  }
  g_clear_handle_id (&self->repair_id, g_source_remove);
  if (what != DEVICE)
    fz_host_sockets_change (self->sockets, self->state == STATE_RUNNING ? self->lanes : NULL);
  fz_driver_drain_rings (self->driver);
  if (self->state == STATE_FAILED) /* by what came of the rings: for good */
    return;
  if (what == DEVICE)
    close_device (self);
  repair (self);
}

static void
replace_tun (FzHostLanes *self)
{
  /* the watch and the lane may both tell; while repairing there is none to lose */
  if (self->state != STATE_RUNNING || !fz_device_is_open (self->device))
    return;
  fz_log_plain (
      &self->log, FZ_LOG_WARNING, "tun-gone", "the tunnel device was removed; making it again");
  self->n_reopened++;
  replace (self, DEVICE);
}

static void
on_network_change (FzNetworkChange change, gpointer user_data)
{
  FzHostLanes *self = user_data;

  switch (change) {
  case FZ_NETWORK_CHANGE_TUN_GONE:
    replace_tun (self);
    return;
  case FZ_NETWORK_CHANGE_LINK:
  case FZ_NETWORK_CHANGE_ROUTE:
    self->config.on_network_change (self->config.user_data);
    return;
  }
}

/* -- the interface -- */

static gboolean
on_tun_gone_idle (gpointer data)
{
  FzHostLanes *self = data;

  self->repair_id = 0;
  replace_tun (self);
  return G_SOURCE_REMOVE;
}

/* Addresses and routes as they should be. A device that was removed meanwhile is made again, which
 * sets them as well; not now, for we may be in the middle of a lane's record. */
static bool
renew_interface (FzHostLanes *self, GError **error)
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

bool
fz_host_lanes_set_interface (FzHostLanes *self, const FzEvent *event)
{
  GError *error = NULL;

  fz_device_set_interface (self->device,
                           &event->interface_changed.interface.ipv4,
                           &event->interface_changed.interface.ipv6,
                           event->interface_changed.routes,
                           event->interface_changed.n_routes);
  if (renew_interface (self, &error))
    return true;
  fail (self, error);
  return false;
}

/* -- what the lanes report -- */

void
fz_host_lanes_take_reports (FzHostLanes *self)
{
  unsigned reports = fz_lanes_take_reports (self->lanes);

  if (reports == 0)
    return;
  fz_ladder_note_reports (self->config.ladder,
                          reports,
                          fz_clock_unix_ns_at_zero (self->config.clock) +
                              fz_clock_now (self->config.clock),
                          &self->log);
  if ((reports & FZ_LANE_REPORT_UNREACHABLE) != 0) {
    FzLogLevel level = self->warned_unreachable ? FZ_LOG_DEBUG : FZ_LOG_INFO;

    self->warned_unreachable = true;
    fz_log_plain (&self->log,
                  level,
                  "peer-unreachable",
                  "datagrams to a peer cannot leave this machine: no route, or a local firewall");
  }
  if ((reports & FZ_LANE_REPORT_TUN_GONE) != 0)
    replace_tun (self);
}

void
fz_host_lanes_records_released (FzHostLanes *self)
{
  fz_lanes_records_released (self->lanes);
}

/* -- making, starting, stopping -- */

static unsigned
pick_n_lanes (const FzHostConfig *config)
{
  g_assert (config->n_lanes <= FZ_HOST_LANES_MAX);
  if (config->n_lanes != 0)
    return config->n_lanes;
  return fz_lane_count_for (config->role, fz_lane_count_usable_cpus (""));
}

static FzDevice *
make_device (FzHostLanes *self)
{
  const FzHostConfig *host = self->config.host;
  FzDeviceConfig config = {
    .platform = host->platform,
    .log = self->log,
    .role = host->role,
    .name = host->tun_name,
    .use_offloads = !host->no_offloads,
    .n_queues = self->n_lanes,
    .on_change = on_network_change,
    .user_data = self,
  };

  return fz_device_new (&config);
}

FzHostLanes *
fz_host_lanes_new (const FzHostLanesConfig *config)
{
  FzHostLanes *self = g_new0 (FzHostLanes, 1);

  self->config = *config;
  self->log = config->host->log;
  self->n_lanes = pick_n_lanes (config->host);
  self->device = make_device (self);
  self->sockets = fz_host_sockets_new (config->host, config->outbox);
  self->state = STATE_RUNNING;
  return self;
}

void
fz_host_lanes_free (FzHostLanes *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->lanes, fz_lanes_free);
  fz_host_sockets_free (self->sockets);
  fz_device_free (self->device);
  g_free (self);
}

/* An old kernel may have given the device one queue only. */
static void
choose_steering (FzHostLanes *self, FzRng *rng)
{
  unsigned n_lanes = MIN (self->n_lanes, fz_device_get_features (self->device).n_queues);

  self->steering = (FzSteering){ n_lanes, fz_rng_u32 (rng) | 1 };
}

bool
fz_host_lanes_open (FzHostLanes *self, FzRng *rng, GError **error)
{
  if (!fz_device_open (self->device, error))
    return false;
  choose_steering (self, rng);
  return fz_host_sockets_open (self->sockets, &self->steering, error);
}

static void
fill_ladder (FzHostLanes *self)
{
  FzLadder *ladder = self->config.ladder;

  ladder->pair = fz_host_sockets_get_pairs (self->sockets);
  ladder->n_lanes = self->steering.n_lanes;
  ladder->n_threads = self->config.host->two_threads ? 2 : 1;
}

bool
fz_host_lanes_start (
    FzHostLanes *self, FzPublished *published, FzDriver *driver, FzRng *rng, GError **error)
{
  const FzHostConfig *host = self->config.host;
  FzLaneThreadConfig config = {
    .two_threads = host->two_threads,
    .published = published,
    .engine_bell = fz_driver_get_bell (driver),
    .clock = self->config.clock,
    .io = host->io,
    .backend = self->config.ladder->backend,
    .hash_seed = fz_rng_u64 (rng),
    .aqm = host->aqm,
    .steering = self->steering,
  };
  FzRing *ring;

  fill_ladder (self);
  self->driver = driver;
  self->lanes = fz_lanes_new (&config);
  if (self->lanes == NULL) {
    g_set_error (
        error, FZ_HOST_ERROR, FZ_HOST_ERROR_THREAD, "cannot make a lane: %s", g_strerror (errno));
    return false;
  }
  for (unsigned i = 0; (ring = fz_lanes_get_ring (self->lanes, i)) != NULL; i++)
    fz_driver_add_ring (driver, ring);
  return start_lanes (self, error);
}

bool
fz_host_lanes_stop (FzHostLanes *self)
{
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&self->repair_id, g_source_remove);
  self->state = STATE_STOPPED;
  if (!halt_lanes (self, true, &error)) {
    fz_log (&self->log,
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

/* -- public -- */

void
fz_host_lanes_replace_sockets (FzHostLanes *self)
{
  replace (self, SOCKETS);
}

bool
fz_host_lanes_move_port (FzHostLanes *self)
{
  if (self->state != STATE_RUNNING || !fz_host_sockets_leave_port (self->sockets))
    return false;
  replace (self, SOCKETS_ELSEWHERE);
  return true;
}

bool
fz_host_lanes_is_stopped (const FzHostLanes *self)
{
  return self->state == STATE_STOPPED;
}

bool
fz_host_lanes_are_running (const FzHostLanes *self)
{
  return self->state == STATE_RUNNING;
}

const FzSteering *
fz_host_lanes_get_steering (const FzHostLanes *self)
{
  return &self->steering;
}

const FzUdpPair *
fz_host_lanes_get_pairs (const FzHostLanes *self)
{
  return fz_host_sockets_get_pairs (self->sockets);
}

void
fz_host_lanes_add_metrics (const FzHostLanes *self, FzMetrics *metrics)
{
  FzTunStatistics statistics;
  bool has_statistics = fz_device_get_statistics (self->device, &statistics);

  fz_lanes_add_metrics (self->lanes, metrics);
  fz_engine_metrics_add_io (metrics, self->config.outbox, self->config.writer);
  fz_io_metrics_add_device (metrics, has_statistics ? &statistics : NULL, self->n_reopened);
}
