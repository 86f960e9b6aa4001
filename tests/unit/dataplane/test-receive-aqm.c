/* test-receive-aqm.c: fz-receive-aqm.h: whom a standing queue in the socket costs */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-receive-aqm.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-wireguard.h"
#include "tests/unit/dataplane/lane-bed.h"

#define A 1u
#define B 2u
#define C 3u

static const FzCodelConfig config = { .target_ns = 1 * FZ_MS, .interval_ns = 40 * FZ_MS };

/* -- in a lane -- */

/* One turn of the gateway: @n super-packets as buffers that have waited for @sojourn_ns each. */
static void
receive_late (Bed *bed, const TestPacket *packet, size_t n, uint64_t sojourn_ns)
{
  FzUdpBuffer buffers[FZ_RX_BATCH];
  size_t n_buffers;

  for (size_t i = 0; i < n; i++)
    g_assert_cmpuint (bed_push_packet (&bed->client, packet, 1000, bed->now), ==, 1);
  n_buffers = bed_take_buffers (bed, &bed->client, CLIENT_ADDRESS, buffers);
  g_assert_cmpuint (n_buffers, >=, n);
  for (size_t i = 0; i < n_buffers; i++)
    buffers[i].sojourn_ns = sojourn_ns;
  bed_push_buffers (bed, &bed->gateway, buffers, n_buffers);
}

static guint
count_marked (const Bed *bed)
{
  guint n = 0;

  for (guint i = 0; i < bed->received->len; i++) {
    gsize length;
    const uint8_t *bytes = g_bytes_get_data (bed->received->pdata[i], &length);
    FzIpPacket view = test_parse (bytes, length);

    g_assert_true (fz_checksum_is_good (&view));
    n += fz_ip_packet_get_ecn (&view) == FZ_ECN_CE;
  }
  return n;
}

/* A queue before us that stands for 40 ms: one datagram is dropped, or marked if it may be. */
static void
test_codel (Bed *bed, gconstpointer data)
{
  for (uint8_t ecn = FZ_ECN_NOT_ECT; ecn < FZ_ECN_CE; ecn++) {
    const FzLaneCounters *counters = fz_lane_rx_get_counters (bed->gateway.rx);
    uint64_t marks = atomic_load (&counters->marks);
    uint64_t drops = bed_rx_drops (&bed->gateway, FZ_DROP_CODEL);
    TestPacket packet = bed_upload ();
    guint n_sent = 0;

    packet.payload = 50000; /* fifty segments: more than one train, so there is a backlog */
    packet.traffic_class = ecn;
    g_ptr_array_set_size (bed->received, 0);
    receive_late (bed, &packet, 2, 0);
    for (unsigned ms = 0; ms < 45; ms += 5, n_sent += 100) {
      g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_CODEL) - drops, ==, 0);
      g_assert_cmpuint (atomic_load (&counters->marks) - marks, ==, 0);
      bed->now += 5 * FZ_MS;
      receive_late (bed, &packet, 2, 3 * FZ_MS);
    }
    g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_CODEL) - drops, ==, ecn == 0 ? 1 : 0);
    g_assert_cmpuint (count_marked (bed), ==, ecn == 0 ? 0 : 1);
    g_assert_cmpuint (atomic_load (&counters->marks) - marks, ==, ecn == 0 ? 0 : 1);
    g_assert_cmpuint (bed->received->len, ==, n_sent + 100 - (ecn == 0 ? 1 : 0));
    bed->now += FZ_S;
  }
}

/* The session that fills the queue is told, not one that has a little in it. */
static void
test_codel_tells_the_largest (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();

  packet.payload = 900;
  for (unsigned ms = 0; ms < 200; ms += 5) {
    g_autofree uint8_t *noise = g_malloc0 (64);
    FzUdpBuffer buffers[FZ_RX_BATCH];
    size_t n;

    fz_put_u32le (noise, FZ_WIREGUARD_DATA);
    fz_put_u32le (noise + 4, 4711 << 8);
    g_assert_cmpuint (bed_push_packet (&bed->client, &packet, 0, bed->now), ==, 1);
    n = bed_take_buffers (bed, &bed->client, CLIENT_ADDRESS, buffers);
    buffers[n] = (FzUdpBuffer){ .data = g_malloc0 (60000), .length = 60000, .stride = 1000 };
    buffers[n].from = buffers[0].from;
    for (size_t at = 0; at < 60000; at += 1000)
      memcpy (buffers[n].data + at, noise, 64);
    buffers[n + 1] = buffers[0];
    buffers[n + 1].data = g_memdup2 (noise, 64);
    buffers[n + 1].length = 64;
    for (size_t i = 0; i < n + 2; i++)
      buffers[i].sojourn_ns = 5 * FZ_MS;
    bed_push_buffers (bed, &bed->gateway, buffers, n + 2);
    bed->now += 5 * FZ_MS;
  }
  g_assert_cmpuint (
      bed_rx_drops (&bed->gateway, FZ_DROP_CODEL), ==, 0); /* unknown: dropped anyway */
  g_assert_cmpuint (bed->received->len, ==, 40);
}

/* -- the queue alone -- */

/* A peer's buffers of one turn. */
typedef struct {
  uint32_t peer;
  unsigned n;
  uint32_t length;
} Load;

typedef struct {
  FzReceiveAqm aqm;
  FzInstant now;
  uint8_t session;       /* the low byte of receiver indices */
  bool is_relayed;       /* every other buffer */
  unsigned signals[256]; /* by peer */
} Queue;

static void
write_header (const Queue *self, const Load *load, bool is_relayed, uint8_t bytes[32])
{
  uint8_t *at = bytes + (is_relayed ? 4 : 0);

  if (is_relayed)
    fz_put_u32be (bytes, 0x40010000 + 1300);
  fz_put_u32le (at, FZ_WIREGUARD_DATA);
  fz_put_u32le (at + 4, load->peer << 8 | self->session);
}

/* One turn of what has waited for @sojourn_ns; every buffer is one data message. */
static void
turn (Queue *self, const Load *loads, size_t n_loads, uint64_t sojourn_ns)
{
  static uint8_t headers[FZ_RX_BATCH][32];
  uint32_t peers[FZ_RX_BATCH];
  FzUdpBuffer buffers[FZ_RX_BATCH];
  size_t n = 0;

  for (size_t i = 0; i < n_loads; i++)
    for (unsigned j = 0; j < loads[i].n; j++) {
      g_assert_cmpuint (n, <, FZ_RX_BATCH);
      write_header (self, &loads[i], self->is_relayed && n % 2 == 1, headers[n]);
      peers[n] = loads[i].peer;
      buffers[n] =
          (FzUdpBuffer){ .data = headers[n], .length = loads[i].length, .sojourn_ns = sojourn_ns };
      n++;
    }
  fz_receive_aqm_begin (&self->aqm, buffers, n, self->now);
  for (size_t i = 0; i < n; i++)
    self->signals[peers[i]] += fz_receive_aqm_signals (&self->aqm, &buffers[i]);
}

/* Turns of one load, and so on in a ring, every half millisecond from now until @until_ms: a
 * standing queue. */
static void
run (Queue *self, const Load *loads, size_t n_loads, unsigned until_ms)
{
  for (size_t i = 0; self->now < until_ms * FZ_MS; i++) {
    turn (self, &loads[i % n_loads], 1, 3 * FZ_MS);
    self->now += FZ_MS / 2;
  }
}

static Queue
queue (void)
{
  Queue self = { .now = FZ_S };

  fz_receive_aqm_init (&self.aqm, &config);
  return self;
}

/* CoDel's own rhythm: 1, 2, 3 … intervals of 40 ms over the root of their number. */
static void
test_one_peer_is_told_at_once (void)
{
  static const Load alone = { A, 8, 40000 };
  Queue self = queue ();

  run (&self, &alone, 1, 1040);
  g_assert_cmpuint (self.signals[A], ==, 0);
  run (&self, &alone, 1, 1041);
  g_assert_cmpuint (self.signals[A], ==, 1);
  run (&self, &alone, 1, 1500);
  g_assert_cmpuint (self.signals[A], >=, 20);
  g_assert_cmpuint (self.aqm.n_owed, ==, 0);
}

/* Whose turn it is when CoDel signals is chance; who has three quarters of the queue is not. */
static void
test_the_smaller_is_spared (void)
{
  static const Load ring[] = { { A, 4, 40000 }, { B, 4, 40000 }, { B, 4, 40000 }, { B, 4, 40000 } };
  Queue self = queue ();

  run (&self, ring, G_N_ELEMENTS (ring), 3000);
  g_assert_cmpuint (self.signals[A], ==, 0);
  g_assert_cmpuint (self.signals[B], >=, 500);
}

static void
test_equals_share_it (void)
{
  static const Load ring[] = { { A, 4, 40000 }, { B, 4, 40000 } };
  Queue self = queue ();

  run (&self, ring, G_N_ELEMENTS (ring), 3000);
  g_assert_cmpuint (self.signals[A] + self.signals[B], >=, 500);
  g_assert_cmpuint (self.signals[A], >=, (self.signals[A] + self.signals[B]) / 4);
  g_assert_cmpuint (self.signals[B], >=, (self.signals[A] + self.signals[B]) / 4);
}

/* Both in every turn: the one with most of late, not with most in this turn. */
static void
test_history_decides (void)
{
  static const Load usual[] = { { A, 2, 40000 }, { B, 6, 40000 } };
  static const Load unusual[] = { { A, 6, 40000 }, { B, 2, 40000 } };
  Queue self = queue ();

  for (unsigned i = 0; i < 100; i++, self.now += FZ_MS / 2)
    turn (&self, usual, 2, 3 * FZ_MS);
  g_assert_cmpuint (self.signals[B], ==, 1);
  for (unsigned i = 0; i < 200 && self.signals[B] < 2; i++, self.now += FZ_MS / 2)
    turn (&self, i % 4 == 3 ? unusual : usual, 2, 3 * FZ_MS);
  g_assert_cmpuint (self.signals[A], ==, 0);
  g_assert_cmpuint (self.signals[B], ==, 2);
}

/* Until the first signal B sends most; then only A does. */
static void
run_until_owed (Queue *self)
{
  static const Load few = { A, 2, 40000 }, many = { B, 8, 40000 };

  for (unsigned i = 0; self->aqm.n_owed == 0; i++, self->now += FZ_MS / 2) {
    g_assert_cmpuint (i, <, 100);
    turn (self, self->now >= FZ_S + 40 * FZ_MS || i % 4 == 3 ? &few : &many, 1, 3 * FZ_MS);
  }
  g_assert_cmpuint (self->signals[A] + self->signals[B], ==, 0);
}

static void
test_a_signal_is_owed (void)
{
  static const Load few = { A, 2, 40000 }, many = { B, 8, 40000 };
  Queue self = queue ();

  run_until_owed (&self);
  turn (&self, &few, 1, 0);
  g_assert_cmpuint (self.signals[A], ==, 0);
  turn (&self, &many, 1, 0); /* not waited for long: yet it is B's queue that A has met */
  g_assert_cmpuint (self.signals[B], ==, 1);
  g_assert_cmpuint (self.aqm.n_owed, ==, 0);
}

/* Who has gone away leaves no shield behind: by then what A sends is the queue. */
static void
test_who_stays_is_told_in_the_end (void)
{
  static const Load few = { A, 2, 40000 };
  Queue self = queue ();
  FzInstant from;

  run_until_owed (&self);
  from = self.now;
  while (self.signals[A] == 0) {
    turn (&self, &few, 1, 3 * FZ_MS);
    self.now += FZ_MS / 2;
    g_assert_cmpuint (fz_instant_since (from, self.now), <, 40 * FZ_MS);
  }
}

static void
test_an_old_debt_is_forgotten (void)
{
  static const Load many = { B, 8, 40000 };
  Queue self = queue ();

  run_until_owed (&self);
  self.now += 41 * FZ_MS;
  turn (&self, &many, 1, 0);
  g_assert_cmpuint (self.signals[B], ==, 0);
  g_assert_cmpuint (self.aqm.n_owed, ==, 0);
}

/* Many with hardly anything make nobody's part look large: A has 40, B 60 of 100. */
static void
test_sparse_peers_do_not_count (void)
{
  Load ring[25] = { { A, 4, 40000 }, { B, 6, 40000 } };
  Queue self = queue ();

  for (unsigned i = 2; i < G_N_ELEMENTS (ring); i++)
    ring[i] = (Load){ .peer = 100 + i % 100, .n = 2, .length = 100 };
  for (unsigned i = 0; i < G_N_ELEMENTS (ring); i++)
    if (i % 5 < 2)
      ring[i] = i % 5 == 0 ? ring[0] : ring[1];
  run (&self, ring, G_N_ELEMENTS (ring), 3000);
  g_assert_cmpuint (self.signals[A], ==, 0);
  g_assert_cmpuint (self.signals[B], >=, 300);
}

/* Neither a new session nor a relay makes a peer another one. */
static void
test_a_peer_is_one (void)
{
  static const Load ring[] = { { A, 4, 40000 }, { B, 4, 40000 }, { C, 4, 40000 }, { B, 4, 40000 } };
  Queue self = queue ();

  self.is_relayed = true;
  for (unsigned ms = 1000; ms < 2000; self.session++) {
    ms += 8; /* four rounds */
    run (&self, ring, G_N_ELEMENTS (ring), ms);
  }
  g_assert_cmpuint (self.signals[A] + self.signals[C], ==, 0);
  g_assert_cmpuint (self.signals[B], >=, 50);
}

/* What is no data is never a target; nor is anything else then. */
static void
test_other_datagrams (void)
{
  uint8_t handshake[148] = { FZ_WIREGUARD_INITIATION };
  FzUdpBuffer buffers[2];
  Queue self = queue ();

  for (unsigned i = 0; i < 2; i++)
    buffers[i] =
        (FzUdpBuffer){ .data = handshake, .length = sizeof handshake, .sojourn_ns = 9 * FZ_MS };
  for (unsigned i = 0; i < 1000; i++, self.now += FZ_MS) {
    fz_receive_aqm_begin (&self.aqm, buffers, 2, self.now);
    g_assert_false (fz_receive_aqm_signals (&self.aqm, &buffers[0]));
    g_assert_false (fz_receive_aqm_signals (&self.aqm, &buffers[1]));
  }
  g_assert_cmpuint (self.aqm.n_owed, <=, FZ_RECEIVE_OWED_MAX);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/lane/receive/codel", test_codel);
  BED_ADD ("/lane/receive/codel-largest", test_codel_tells_the_largest);
  g_test_add_func ("/receive-aqm/one-peer", test_one_peer_is_told_at_once);
  g_test_add_func ("/receive-aqm/smaller-is-spared", test_the_smaller_is_spared);
  g_test_add_func ("/receive-aqm/equals", test_equals_share_it);
  g_test_add_func ("/receive-aqm/history", test_history_decides);
  g_test_add_func ("/receive-aqm/owed", test_a_signal_is_owed);
  g_test_add_func ("/receive-aqm/owed-to-who-stays", test_who_stays_is_told_in_the_end);
  g_test_add_func ("/receive-aqm/owed-too-long", test_an_old_debt_is_forgotten);
  g_test_add_func ("/receive-aqm/sparse", test_sparse_peers_do_not_count);
  g_test_add_func ("/receive-aqm/one-peer-many-sessions", test_a_peer_is_one);
  g_test_add_func ("/receive-aqm/other-datagrams", test_other_datagrams);
  return g_test_run ();
}
