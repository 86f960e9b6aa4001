/* fz-sim-node.c: see the header */

#include "tests/sim/fz-sim-node.h"

#include "src/base/fz-ring.h"
#include "src/crypto/fz-aead.h"
#include "tests/unit/base/addresses.h"

#include <stdio.h>
#include <string.h>

#define RING_SIZE       (256u * 1024u)
#define UNIX_NS_AT_ZERO (UINT64_C (1767225600) * FZ_S)

struct FzSimNode {
  FzSim *sim;
  unsigned host;
  FzRole role;
  FzIp ipv4;
  FzIp ipv6;
  FzSimNodeHooks hooks;

  FzLogSink sink;
  FzSeededRng rng;
  FzPublished published;
  FzRing *ring;
  FzEngine *engine;
  FzLaneTx *tx;
  FzLaneRx *rx;
  GQueue to_tun; /* of GBytes: packets from the TUN that wait for the lane */
  bool is_pumping;
  FzInstant woken_at;
  FzSimNodeStats stats;
};

/* -- log: to standard error with FZ_SIM_LOG=1 in the environment -- */

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  return level < FZ_LOG_TRACE;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  const FzSimNode *self = context;
  FzInstant now = fz_sim_now (self->sim);
  char time[48], line[2048];
  size_t length;

  g_snprintf (time, sizeof time, "host %u, %.3f s", self->host, (double) now / (double) FZ_S);
  length = fz_log_record_to_json (record, time, line, sizeof line);
  fwrite (line, 1, length, stderr);
}

/* -- parts -- */

static void
make_parts (FzSimNode *self)
{
  FzEngineConfig engine = {
    .role = self->role,
    .rng = fz_seeded_rng (&self->rng),
    .published = &self->published,
    .unix_ns_at_zero = UNIX_NS_AT_ZERO,
  };
  FzLaneConfig lane = {
    .published = &self->published,
    .backend = FZ_AEAD_BACKEND_SODIUM,
    .hash_seed = 1,
    .limits = { .train_segments = 64,
                .tun_tcp4 = true,
                .tun_tcp6 = true,
                .tun_udp = true,
                .tun_udp_segments = 64 },
  };

  self->sink = (FzLogSink){ wants, write_record, self };
  if (g_getenv ("FZ_SIM_LOG") != NULL)
    engine.log.sink = &self->sink;
  fz_published_init (&self->published);
  self->ring = fz_ring_new (RING_SIZE);
  self->engine = fz_engine_new (&engine);
  lane.tx_to_engine = self->ring;
  lane.rx_to_engine = self->ring;
  self->tx = fz_lane_tx_new (&lane);
  self->rx = fz_lane_rx_new (&lane);
}

static void
drop_parts (FzSimNode *self)
{
  fz_lane_tx_free (self->tx);
  fz_lane_rx_free (self->rx);
  fz_engine_free (self->engine);
  fz_ring_free (self->ring);
  fz_published_clear (&self->published);
  g_queue_clear_full (&self->to_tun, (GDestroyNotify) g_bytes_unref);
}

/* -- out -- */

static void
digest (FzSimNode *self, const void *data, size_t length)
{
  const uint8_t *bytes = data;

  for (size_t i = 0; i < length; i++)
    self->stats.digest = (self->stats.digest ^ bytes[i]) * UINT64_C (0x100000001b3);
}

static void
send_datagram (FzSimNode *self, const FzSocketAddress *to, const FzIp *from, FzSpan data)
{
  FzInstant now = fz_sim_now (self->sim);
  FzSocketAddress source = { .port = FZ_SIM_PORT };

  if (from->family != FZ_IP_NONE)
    source.ip = *from;
  else
    source.ip = to->ip.family == FZ_IP_V4 ? self->ipv4 : self->ipv6;
  self->stats.n_transmits++;
  digest (self, &now, sizeof now);
  digest (self, to->ip.bytes, sizeof to->ip.bytes);
  digest (self, &to->port, sizeof to->port);
  digest (self, data.data, data.length);
  if (source.ip.family != FZ_IP_NONE)
    fz_sim_send (self->sim, self->host, &source, to, data);
}

static void
flush_engine (FzSimNode *self)
{
  FzTransmit transmit;
  FzEvent event;
  FzSpan packet;

  while (fz_engine_poll_transmit (self->engine, &transmit))
    send_datagram (self, &transmit.to, &transmit.from, transmit.data);
  while (fz_engine_poll_packet (self->engine, &packet)) {
    g_autofree uint8_t *copy = g_memdup2 (packet.data, packet.length);

    self->hooks.on_packet (self->hooks.context, self, fz_span (copy, packet.length));
  }
  fz_engine_publish (self->engine);
  while (fz_engine_poll_event (self->engine, &event))
    self->hooks.on_event (self->hooks.context, self, &event);
}

/* -- the lane -- */

static void
stage_packet (FzSimNode *self, GBytes *bytes)
{
  FzTunFrame *frame = fz_lane_tx_reserve (self->tx);
  gsize length;
  const void *data = g_bytes_get_data (bytes, &length);

  g_assert (frame != NULL && length <= FZ_PACKET_MAX);
  frame->vnet = (FzVnetHeader){ 0 };
  memcpy (frame->packet, data, length);
  frame->length = (uint32_t) length;
  fz_lane_tx_commit (self->tx);
}

static void
send_trains (FzSimNode *self)
{
  const FzTrain *trains;
  size_t n = fz_lane_tx_take (self->tx, &trains);

  for (size_t i = 0; i < n; i++)
    for (size_t at = 0; at < trains[i].length; at += trains[i].segment_size) {
      size_t left = trains[i].length - at;

      self->stats.n_fast++;
      send_datagram (self,
                     &trains[i].to,
                     &trains[i].from,
                     fz_span (trains[i].data + at, MIN (left, trains[i].segment_size)));
    }
}

/* One turn of the lane's transmit half: a frame from the TUN if it may be read, and what is staged.
 * Returns: whether anything was done */
static bool
transmit (FzSimNode *self)
{
  bool has_frame = !g_queue_is_empty (&self->to_tun) && fz_lane_tx_reserve (self->tx) != NULL;

  fz_lane_tx_begin (self->tx, fz_sim_now (self->sim));
  if (has_frame) {
    GBytes *bytes = g_queue_pop_head (&self->to_tun);

    stage_packet (self, bytes);
    g_bytes_unref (bytes);
  } else if (!fz_lane_tx_has_work (self->tx)) {
    return false;
  }
  fz_lane_tx_emit (self->tx, FZ_TX_EMIT_BYTES);
  send_trains (self);
  return true;
}

static void
emit_packet (void *context, const uint8_t *packet, size_t length)
{
  FzSimNode *self = context;
  g_autofree uint8_t *copy = g_memdup2 (packet, length);

  self->hooks.on_packet (self->hooks.context, self, fz_span (copy, length));
}

static void
deliver_run (FzSimNode *self, const FzRun *run)
{
  static uint8_t frame[FZ_PACKET_MAX + 1];
  size_t n = 0;

  if (run->n_packets > 1) {
    fz_lane_rx_split (self->rx, run, frame, emit_packet, self);
    return;
  }
  for (uint16_t i = 1; i < run->n_iov; i++) { /* the first is the vnet header */
    memcpy (frame + n, run->iov[i].iov_base, run->iov[i].iov_len);
    n += run->iov[i].iov_len;
  }
  emit_packet (self, frame, n);
}

/* Everything that is to be done now: records to the engine, packets to the lane. */
static void
pump (FzSimNode *self)
{
  const void *record;
  size_t length;
  bool is_more = true;

  if (self->is_pumping)
    return; /* further up the stack it goes on */
  self->is_pumping = true;
  while (is_more) {
    is_more = false;
    flush_engine (self);
    while ((record = fz_ring_peek (self->ring, &length)) != NULL) {
      self->stats.n_messages++;
      fz_engine_handle_message (self->engine, record, fz_sim_now (self->sim));
      flush_engine (self);
      fz_ring_release (self->ring);
      is_more = true;
    }
    is_more |= transmit (self);
  }
  self->is_pumping = false;
}

/* -- the host's program -- */

static void
note_wakeup (FzSimNode *self, FzInstant now)
{
  self->stats.n_wakeups += self->woken_at != now;
  self->woken_at = now;
}

static void
handle_datagram (void *context,
                 const FzSocketAddress *local,
                 const FzSocketAddress *from,
                 FzSpan data,
                 FzInstant now)
{
  FzSimNode *self = context;
  g_autofree uint8_t *copy = g_memdup2 (data.data, data.length);
  FzUdpBuffer buffer = {
    .data = copy,
    .length = (uint32_t) data.length,
    .from = *from,
    .to = *local,
  };
  const FzRun *runs;
  bool may_wait;
  size_t n;

  if (data.length == 0 || local->port != FZ_SIM_PORT)
    return;
  note_wakeup (self, now);
  may_wait = fz_engine_may_answers_wait (self->engine);
  fz_lane_rx_push (self->rx, &buffer, 1, now);
  may_wait = may_wait && fz_lane_rx_get_news (self->rx) == FZ_LANE_NEWS_ANSWERS;
  n = fz_lane_rx_take (self->rx, &runs);
  self->is_pumping = true; /* what the TUN answers goes out after this turn */
  for (size_t i = 0; i < n; i++)
    deliver_run (self, &runs[i]);
  self->is_pumping = false;
  if (may_wait)
    return;
  self->stats.n_calls += fz_lane_rx_get_news (self->rx) != FZ_LANE_NEWS_NONE;
  pump (self);
}

static void
handle_timeout (void *context, FzInstant now)
{
  FzSimNode *self = context;

  note_wakeup (self, now);
  self->stats.n_timeouts++;
  pump (self); /* answers that waited are in time */
  fz_engine_handle_timeout (self->engine, now);
  pump (self);
}

static FzInstant
next_timeout (void *context)
{
  const FzSimNode *self = context;

  return fz_engine_next_timeout (self->engine);
}

static const FzSimProgram program = { handle_datagram, handle_timeout, next_timeout };

/* -- public -- */

FzSimNode *
fz_sim_node_new (FzSim *sim,
                 unsigned host,
                 FzRole role,
                 const char *ipv4,
                 const char *ipv6,
                 const FzSimNodeHooks *hooks)
{
  FzSimNode *self = g_new0 (FzSimNode, 1);
  FzRng rng = fz_sim_rng (sim);

  self->sim = sim;
  self->host = host;
  self->role = role;
  self->ipv4 = test_ip (ipv4);
  self->ipv6 = test_ip (ipv6);
  self->hooks = *hooks;
  self->stats.digest = UINT64_C (0xcbf29ce484222325);
  fz_seeded_rng_init (&self->rng, fz_rng_u64 (&rng));
  g_queue_init (&self->to_tun);
  make_parts (self);
  fz_sim_set_program (sim, host, &program, self);
  return self;
}

void
fz_sim_node_free (FzSimNode *self)
{
  if (self == NULL)
    return;
  drop_parts (self);
  g_free (self);
}

FzEngine *
fz_sim_node_get_engine (FzSimNode *self)
{
  return self->engine;
}

unsigned
fz_sim_node_get_host (const FzSimNode *self)
{
  return self->host;
}

void
fz_sim_node_restart (FzSimNode *self)
{
  drop_parts (self);
  g_queue_init (&self->to_tun);
  make_parts (self);
}

void
fz_sim_node_set_address (FzSimNode *self, const char *ipv4)
{
  self->ipv4 = test_ip (ipv4);
}

void
fz_sim_node_command (FzSimNode *self, const FzCommand *command)
{
  g_autoptr (GError) error = NULL;

  if (!fz_engine_handle_command (self->engine, command, fz_sim_now (self->sim), &error) &&
      !g_error_matches (error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_UNKNOWN_ID))
    g_error ("command %d was refused: %s", (int) command->kind, error->message);
  pump (self);
}

void
fz_sim_node_send (FzSimNode *self, FzSpan packet)
{
  g_queue_push_tail (&self->to_tun, g_bytes_new (packet.data, packet.length));
  pump (self);
}

const FzSimNodeStats *
fz_sim_node_get_stats (const FzSimNode *self)
{
  return &self->stats;
}
