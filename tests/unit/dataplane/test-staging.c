/* test-staging.c: frames held back in a lane's transmit half: places, turns, signals, and what the
 * engine does to peers and policies meanwhile. A gateway with two clients, whose datagrams are
 * opened again. */

#include "packets.h"
#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-lane.h"
#include "src/proto/fz-checksum.h"

#include <glib.h>

#define N_PEERS    2u
#define RING_BYTES (1u << 20)
#define GSO        1000u
#define SUPER      (50 * GSO) /* bytes of payload */
#define A          1          /* last byte of a client's address, 10.1.0.x */
#define B          2

typedef struct {
  uint8_t peer;    /* A or B */
  uint8_t outer;   /* ECN bits of the datagram */
  uint64_t nonce;  /* counter */
  uint16_t length; /* of the packet, padding included */
  uint8_t bytes[FZ_MTU];
} Arrival;

typedef struct {
  FzPublished published;
  FzPeer *peers[N_PEERS + 1]; /* by address */
  FzAeadKey *keys[N_PEERS + 1];
  FzAead *aead;
  FzRing *ring;
  FzLaneTx *tx;
  FzInstant now;
  GPtrArray *arrived; /* Arrival, what was emitted last */
} Fixture;

static FzPolicy *
make_routes (FzPeer *const *peers, const char *prefix_length)
{
  FzPolicyEntry entries[2 * N_PEERS];
  size_t n = 0;

  for (unsigned i = A; i <= B; i++) {
    for (unsigned is_v6 = 0; is_v6 < 2; is_v6++) {
      g_autofree char *text =
          g_strdup_printf (is_v6 ? "fd01::%u" : "10.1.0.%u%s", i, is_v6 ? "" : prefix_length);

      if (peers[i] == NULL)
        continue;
      entries[n] = (FzPolicyEntry){ .peer = peers[i] };
      g_assert_true (fz_ip_network_parse (text, &entries[n++].network));
    }
  }
  return fz_policy_new (entries, n);
}

static void
publish (Fixture *f, FzRole role, FzPeer *const *peers)
{
  FzPeer *known[N_PEERS];
  size_t n = 0;

  for (unsigned i = A; i <= B; i++)
    if (peers[i] != NULL)
      known[n++] = peers[i];
  fz_published_set (&f->published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = role,
                                                         .own_ipv4 = test_ip ("10.0.0.99"),
                                                         .own_ipv6 = test_ip ("fd00::99"),
                                                         .routes = make_routes (peers, "/32"),
                                                         .peers = known,
                                                         .n_peers = n }));
}

static const FzPolicy *
make_permissions (bool is_open)
{
  FzPolicyEntry entries[2] = { { 0 } };

  g_assert_true (fz_ip_network_parse ("10.0.0.0/24", &entries[0].network));
  g_assert_true (fz_ip_network_parse ("fd00::/64", &entries[1].network));
  return fz_policy_new (entries, is_open ? 2 : 0);
}

static FzAeadKey *
make_key (unsigned i)
{
  uint8_t bytes[FZ_AEAD_KEY_SIZE];

  memset (bytes, (int) i, sizeof bytes);
  return fz_aead_key_new (bytes);
}

static void
add_peer (Fixture *f, unsigned i)
{
  FzPeer *peer = f->peers[i] = fz_peer_new (&(FzUuid){ { 0 } }, 0x100 + i);
  FzKeypair *keypair =
      fz_keypair_new (make_key (i), make_key (9), (0x100 + i) << 8, i, true, f->now);
  FzEndpoint endpoint = { 0 };

  f->keys[i] = make_key (i);
  atomic_store (&peer->is_watched, true); /* no messages about activity */
  atomic_store (&peer->permissions, make_permissions (true));
  atomic_store (&peer->receiving[0], keypair);
  atomic_store (&peer->sending, keypair);
  g_assert_true (fz_socket_address_parse ("192.0.2.1:51820", &endpoint.remote));
  fz_peer_set_endpoint (peer, &endpoint);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  FzLaneConfig config = { .published = &f->published,
                          .backend = FZ_AEAD_BACKEND_SODIUM,
                          .hash_seed = 4711,
                          .limits = { 64, true, true, true, 64 } };

  f->now = 1000 * FZ_S;
  f->arrived = g_ptr_array_new_with_free_func (g_free);
  f->aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  f->ring = config.tx_to_engine = config.rx_to_engine = fz_ring_new (RING_BYTES);
  fz_published_init (&f->published);
  for (unsigned i = A; i <= B; i++)
    add_peer (f, i);
  publish (f, FZ_ROLE_GATEWAY, f->peers);
  f->tx = fz_lane_tx_new (&config);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  fz_lane_tx_free (f->tx);
  fz_published_clear (&f->published);
  for (unsigned i = A; i <= B; i++) {
    fz_peer_free (f->peers[i]);
    fz_aead_key_free (f->keys[i]);
  }
  fz_ring_free (f->ring);
  fz_aead_free (f->aead);
  g_ptr_array_unref (f->arrived);
}

/* -- turns -- */

static void
begin (Fixture *f, uint64_t after_ns)
{
  f->now += after_ns;
  fz_lane_tx_begin (f->tx, f->now);
}

/* False: there is no place. */
static bool
stage (Fixture *f, const TestPacket *packet)
{
  FzTunFrame *frame = fz_lane_tx_reserve (f->tx);

  if (frame == NULL)
    return false;
  frame->vnet = (FzVnetHeader){ 0 };
  frame->length =
      (uint32_t) (packet->payload > GSO
                      ? test_packet_build_super (packet, GSO, frame->packet, &frame->vnet)
                      : test_packet_build (packet, frame->packet));
  fz_lane_tx_commit (f->tx);
  return true;
}

static void
open_datagram (Fixture *f, const FzTrain *train, const uint8_t *data, uint32_t length)
{
  Arrival *arrival = g_new0 (Arrival, 1);
  FzAeadOp op = { .source = data + 16,
                  .target = arrival->bytes,
                  .length = length - FZ_WIREGUARD_OVERHEAD,
                  .counter = 0 };

  for (unsigned i = 0; i < 8; i++)
    op.counter |= (uint64_t) data[8 + i] << 8 * i;
  arrival->peer = (uint8_t) (train->connection_id - 0x100);
  arrival->outer = train->ecn;
  arrival->nonce = op.counter;
  arrival->length = (uint16_t) op.length;
  g_assert_cmphex (fz_aead_open (f->aead, f->keys[arrival->peer], &op, 1), ==, 1);
  g_ptr_array_add (f->arrived, arrival);
}

static void
take (Fixture *f)
{
  const FzTrain *trains;
  size_t n = fz_lane_tx_take (f->tx, &trains);

  for (size_t i = 0; i < n; i++)
    for (uint32_t at = 0; at < trains[i].length; at += trains[i].segment_size)
      open_datagram (f,
                     &trains[i],
                     trains[i].data + at,
                     MIN (trains[i].length - at, (uint32_t) trains[i].segment_size));
}

/* What leaves is in f->arrived. */
static void
emit (Fixture *f, size_t n_bytes)
{
  g_ptr_array_set_size (f->arrived, 0);
  fz_lane_tx_emit (f->tx, n_bytes);
  take (f);
}

static void
emit_all (Fixture *f)
{
  g_ptr_array_set_size (f->arrived, 0);
  while (fz_lane_tx_has_work (f->tx)) {
    fz_lane_tx_emit (f->tx, FZ_TX_EMIT_BYTES);
    take (f);
  }
}

static const Arrival *
get (const Fixture *f, guint i)
{
  return f->arrived->pdata[i];
}

static uint32_t
sequence_of (const Arrival *arrival)
{
  FzIpPacket view = test_parse (arrival->bytes, arrival->length);

  return fz_get_u32be (fz_ip_packet_get_transport (&view) + 4);
}

static TestPacket
super_to (uint8_t peer, uint16_t port)
{
  return (TestPacket){
    .source = 1, .destination = peer, .source_port = port, .destination_port = 80, .payload = SUPER
  };
}

static uint64_t
count_drops (const Fixture *f, FzDrop reason)
{
  return atomic_load (&fz_lane_tx_get_counters (f->tx)->drops[reason]);
}

/* -- places -- */

static void
test_slots (Fixture *f, gconstpointer data)
{
  TestPacket packet = super_to (A, 1000);

  for (unsigned round = 0; round < 3; round++) {
    begin (f, FZ_US);
    for (unsigned i = 0; i < FZ_TX_SLOTS; i++)
      g_assert_true (stage (f, &packet));
    g_assert_false (stage (f, &packet));
    g_assert_cmpuint (atomic_load (&fz_lane_tx_get_staging (f->tx)->stops), ==, 2 * round + 1);
    emit (f, 1);
    g_assert_true (stage (f, &packet)); /* a place for each that has left */
    g_assert_false (stage (f, &packet));
    emit_all (f);
  }
}

/* Small packets do not use up the slots; each arrives as it was, wherever it lay. */
static void
test_cells (Fixture *f, gconstpointer data)
{
  TestPacket packet = super_to (A, 1000);
  unsigned n_all = FZ_TX_CELLS + FZ_TX_SLOTS;

  for (unsigned round = 0; round < 2; round++) {
    bool has_come[FZ_TX_CELLS + FZ_TX_SLOTS] = { false };

    begin (f, FZ_US);
    for (unsigned i = 0; i < n_all; i++) {
      packet.payload = packet.sequence = i;
      packet.source_port = (uint16_t) (1000 + i % 3); /* none holds most of the slots */
      g_assert_true (stage (f, &packet));
    }
    g_assert_false (stage (f, &packet));
    emit_all (f);
    g_assert_cmpuint (f->arrived->len, ==, n_all);
    for (unsigned i = 0; i < n_all; i++) {
      FzIpPacket view = test_parse (get (f, i)->bytes, get (f, i)->length);
      uint32_t number = sequence_of (get (f, i));

      g_assert_cmpuint (view.length, ==, 40 + number);
      g_assert_true (fz_checksum_is_good (&view));
      g_assert_false (has_come[number]);
      has_come[number] = true;
    }
  }
}

static void
test_counters (Fixture *f, gconstpointer data)
{
  const FzQueueCounters *queue = fz_lane_tx_get_staging (f->tx)->queue;
  TestPacket packet = super_to (A, 1000);

  begin (f, FZ_US);
  for (unsigned i = 0; i < 8; i++)
    stage (f, &packet);
  emit (f, 2 * SUPER);
  g_assert_cmpuint (atomic_load (&queue->items), ==, 6);
  g_assert_cmpuint (atomic_load (&queue->large), ==, 6);
  g_assert_cmpuint (atomic_load (&queue->bytes), ==, 6 * (SUPER + 40));
  g_assert_cmpuint (atomic_load (&queue->items_max), ==, 8);
  emit_all (f);
  g_assert_cmpuint (atomic_load (&queue->items), ==, 0);
  g_assert_cmpuint (atomic_load (&queue->sojourn[0]), ==, 8);

  packet.payload = 10; /* alone: never in line, but counted */
  begin (f, FZ_US);
  stage (f, &packet);
  emit_all (f);
  g_assert_cmpuint (atomic_load (&queue->items_max), ==, 8);
  g_assert_cmpuint (atomic_load (&queue->sojourn[0]), ==, 9);
}

/* -- turns -- */

/* One flow of A beside twelve of B. */
static void
test_fair_peers (Fixture *f, gconstpointer data)
{
  unsigned n_of_a = 0;

  begin (f, FZ_US);
  for (uint16_t i = 0; i < 48; i++) {
    TestPacket packet = super_to (B, 2000 + i % 12);

    stage (f, &packet);
  }
  for (unsigned i = 0; i < 12; i++) {
    TestPacket packet = super_to (A, 1000);

    stage (f, &packet);
  }
  emit (f, 20 * SUPER);
  for (guint i = 0; i < f->arrived->len; i++)
    n_of_a += get (f, i)->peer == A;
  g_assert_cmpuint (n_of_a, >=, f->arrived->len * 2 / 5);
  g_assert_cmpuint (n_of_a, <=, f->arrived->len * 3 / 5);
  emit_all (f);
}

static void
test_sparse_first (Fixture *f, gconstpointer data)
{
  TestPacket bulk = super_to (A, 1000), ping = super_to (A, 7);

  ping.payload = 20;
  begin (f, FZ_US);
  for (unsigned i = 0; i < 20; i++)
    stage (f, &bulk);
  emit (f, 2 * SUPER);
  begin (f, FZ_US);
  stage (f, &ping);
  emit (f, 1);
  g_assert_cmpuint (f->arrived->len, ==, 1);
  g_assert_cmpuint (get (f, 0)->length, ==, 60);
  emit_all (f);
}

/* -- signals -- */

/* A standing queue of one flow, a frame in and one out each half millisecond, until CoDel has
 * signalled @n_signals times; all that left is in f->arrived. */
static void
stand (Fixture *f, TestPacket packet, unsigned n_signals)
{
  const FzStagingCounters *staging = fz_lane_tx_get_staging (f->tx);

  g_ptr_array_set_size (f->arrived, 0);
  for (unsigned i = 0; i < 12; i++) {
    begin (f, 0);
    stage (f, &packet);
    packet.sequence += (uint32_t) packet.payload;
  }
  while (count_drops (f, FZ_DROP_CODEL) + atomic_load (&staging->marks) < n_signals) {
    begin (f, 500 * FZ_US);
    g_assert_true (stage (f, &packet));
    packet.sequence += (uint32_t) packet.payload;
    packet.id += 50;
    fz_lane_tx_emit (f->tx, 1);
    take (f);
    g_assert_cmpuint (f->arrived->len, <, 100000);
  }
  while (fz_lane_tx_has_work (f->tx)) {
    begin (f, FZ_US);
    fz_lane_tx_emit (f->tx, FZ_TX_EMIT_BYTES);
    take (f);
  }
}

/* The first segment of a super-packet is missing, nothing else: the others are what they would have
 * been, and the nonces have no hole. */
static void
test_skipped_segment (Fixture *f, gconstpointer data)
{
  uint32_t next = 0;
  unsigned n_holes = 0;

  for (unsigned is_v6 = 0; is_v6 < 2; is_v6++) {
    TestPacket packet = super_to (A, (uint16_t) (1000 + is_v6));
    uint64_t nonce;
    unsigned n_signals = (unsigned) count_drops (f, FZ_DROP_CODEL) + 3;

    next = n_holes = 0;
    packet.is_v6 = is_v6 != 0;
    packet.payload = SUPER + 500;
    packet.tcp_flags = 0x18;
    stand (f, packet, n_signals);
    nonce = get (f, 0)->nonce;
    for (guint i = 0; i < f->arrived->len; i++) {
      const Arrival *arrival = get (f, i);
      FzIpPacket view = test_parse (arrival->bytes, arrival->length);
      const uint8_t *tcp = fz_ip_packet_get_transport (&view);
      uint32_t sequence = sequence_of (arrival), payload = view.length - view.transport_offset - 20;

      g_assert_cmpuint (arrival->nonce, ==, nonce++);
      g_assert_true (fz_checksum_is_good (&view));
      if (sequence != next) {
        g_assert_cmpuint (sequence, ==, next + GSO);
        g_assert_cmpuint (next % (SUPER + 500), ==, 0);
        n_holes++;
      }
      for (uint32_t j = 0; j < payload; j++)
        g_assert_cmphex (tcp[20 + j], ==, test_payload_byte (0, sequence % (SUPER + 500) + j));
      g_assert_cmphex (tcp[13], ==, sequence % (SUPER + 500) == SUPER ? 0x18 : 0x10);
      next = sequence + payload;
    }
    g_assert_cmpuint (n_holes, ==, 3);
    g_assert_cmpuint (count_drops (f, FZ_DROP_CODEL), ==, n_signals);
  }
  g_assert_cmpuint (atomic_load (&fz_lane_tx_get_staging (f->tx)->marks), ==, 0);
}

/* What is capable of ECN is marked, all of a super-packet alike, within and without; nothing is
 * missing. */
static void
test_marked (Fixture *f, gconstpointer data)
{
  const FzStagingCounters *staging = fz_lane_tx_get_staging (f->tx);

  for (unsigned is_v6 = 0; is_v6 < 2; is_v6++) {
    for (uint8_t ect = FZ_ECN_ECT1; ect <= FZ_ECN_ECT0; ect++) {
      TestPacket packet = super_to (A, (uint16_t) (1000 + 2 * is_v6 + ect));
      unsigned n_before = (unsigned) atomic_load (&staging->marks), n_marked = 0;

      packet.is_v6 = is_v6 != 0;
      packet.traffic_class = 0xb8 | ect;
      stand (f, packet, n_before + 2);
      for (guint i = 0; i < f->arrived->len; i++) {
        const Arrival *arrival = get (f, i);
        FzIpPacket view = test_parse (arrival->bytes, arrival->length);
        uint8_t ecn = fz_ip_packet_get_ecn (&view);

        g_assert_cmpuint (sequence_of (arrival), ==, i * GSO);
        g_assert_true (fz_checksum_is_good (&view));
        if (!packet.is_v6)
          g_assert_cmphex (fz_checksum_finish (fz_checksum_sum (arrival->bytes, 20)), ==, 0);
        g_assert_cmphex (fz_ip_packet_get_traffic_class (&view) & 0xfc, ==, 0xb8);
        g_assert_cmpuint (arrival->outer, ==, ecn);
        g_assert_true (ecn == ect || ecn == FZ_ECN_CE);
        g_assert_cmpint (ecn,
                         ==,
                         fz_ip_packet_get_ecn (&(FzIpPacket){ .data = get (f, i / 50 * 50)->bytes,
                                                              .family = view.family }));
        n_marked += ecn == FZ_ECN_CE;
      }
      g_assert_cmpuint (n_marked, ==, 2 * 50);
      g_assert_cmpuint (atomic_load (&staging->marks), ==, n_before + 2);
    }
  }
  g_assert_cmpuint (count_drops (f, FZ_DROP_CODEL), ==, 0);
}

/* A packet that is one segment is missing as a whole. */
static void
test_skipped_packet (Fixture *f, gconstpointer data)
{
  TestPacket packet = super_to (A, 1000);
  uint32_t next = 0, n_holes = 0;

  packet.payload = 900;
  stand (f, packet, 3);
  for (guint i = 0; i < f->arrived->len; i++) {
    uint32_t sequence = sequence_of (get (f, i));

    n_holes += (sequence - next) / 900;
    next = sequence + 900;
  }
  g_assert_cmpuint (n_holes, ==, 3);
  g_assert_cmpuint (atomic_load (&fz_lane_tx_get_counters (f->tx)->packets), ==, f->arrived->len);
}

/* -- what happens meanwhile -- */

static void
stage_for_both (Fixture *f)
{
  begin (f, FZ_US);
  for (uint16_t i = 0; i < 8; i++) {
    TestPacket packet = super_to (i % 2 == 0 ? A : B, 1000 + i);

    packet.payload = GSO;
    g_assert_true (stage (f, &packet));
  }
}

static void
expect_arrivals (Fixture *f, unsigned n_of_a, unsigned n_of_b)
{
  unsigned n[N_PEERS + 1] = { 0 };

  emit_all (f);
  for (guint i = 0; i < f->arrived->len; i++)
    n[get (f, i)->peer]++;
  g_assert_cmpuint (n[A], ==, n_of_a);
  g_assert_cmpuint (n[B], ==, n_of_b);
}

/* A peer that is gone is not looked at any more: the address sanitizer watches. */
static void
test_peer_removed (Fixture *f, gconstpointer data)
{
  FzPeer *left[N_PEERS + 1] = { [B] = f->peers[B] };

  stage_for_both (f);
  publish (f, FZ_ROLE_GATEWAY, left);
  fz_peer_free (f->peers[A]);
  f->peers[A] = NULL;
  begin (f, FZ_US);
  expect_arrivals (f, 0, 4);
  g_assert_cmpuint (count_drops (f, FZ_DROP_NO_ROUTE), ==, 4);
}

/* The same for a frame that was alone. */
static void
test_lone_peer_removed (Fixture *f, gconstpointer data)
{
  FzPeer *left[N_PEERS + 1] = { [B] = f->peers[B] };
  TestPacket packet = super_to (A, 1000), other = super_to (B, 1000);

  begin (f, FZ_US);
  stage (f, &packet);
  publish (f, FZ_ROLE_GATEWAY, left);
  fz_peer_free (f->peers[A]);
  f->peers[A] = NULL;
  begin (f, FZ_US);
  stage (f, &other);
  expect_arrivals (f, 0, 50);
  g_assert_cmpuint (count_drops (f, FZ_DROP_NO_ROUTE), ==, 50);
}

static void
test_rights_taken (Fixture *f, gconstpointer data)
{
  stage_for_both (f);
  fz_policy_free (
      (FzPolicy *) atomic_exchange (&f->peers[A]->permissions, make_permissions (false)));
  begin (f, FZ_US);
  expect_arrivals (f, 0, 4);
  g_assert_cmpuint (count_drops (f, FZ_DROP_NOT_ALLOWED), ==, 4);
}

/* The address belongs to somebody else now. */
static void
test_rerouted (Fixture *f, gconstpointer data)
{
  FzPeer *swapped[N_PEERS + 1] = { [A] = f->peers[B], [B] = f->peers[B] };

  stage_for_both (f);
  swapped[B] = NULL; /* one entry for B, under A's address */
  publish (f, FZ_ROLE_GATEWAY, swapped);
  begin (f, FZ_US);
  expect_arrivals (f, 0, 4);
  g_assert_cmpuint (count_drops (f, FZ_DROP_NO_ROUTE), ==, 4);
}

/* A gateway's client without a session loses what waits; others lose nothing. */
static void
test_session_gone (Fixture *f, gconstpointer data)
{
  stage_for_both (f);
  atomic_store (&f->peers[A]->sending, NULL);
  begin (f, FZ_US);
  expect_arrivals (f, 0, 4);
  g_assert_cmpuint (count_drops (f, FZ_DROP_NO_SESSION), ==, 4);
}

/* Elsewhere it goes to the engine, and what comes later waits for that: flow by flow. */
static void
test_engine_first (Fixture *f, gconstpointer data)
{
  FzKeypair *keypair = atomic_exchange (&f->peers[A]->sending, NULL);
  const void *record;
  size_t length;
  unsigned n = 0;

  publish (f, FZ_ROLE_BARE, f->peers);
  stage_for_both (f);
  begin (f, FZ_US);
  expect_arrivals (f, 0, 4); /* A's four are the engine's now */
  atomic_store (&f->peers[A]->sending, keypair);
  for (unsigned round = 0; round < 3; round++) {
    stage_for_both (f);
    expect_arrivals (f, 0, 4);
    g_assert_true (fz_lane_tx_is_waiting (f->tx));
  }
  while ((record = fz_ring_peek (f->ring, &length)) != NULL) {
    fz_ring_release (f->ring);
    begin (f, FZ_US);
    expect_arrivals (f, 3, 0); /* the three of this record's flow */
    n++;
  }
  g_assert_cmpuint (n, ==, 4);
  g_assert_false (fz_lane_tx_is_waiting (f->tx));
}

/* -- anything at any time -- */

#define N_FLOWS 24u

typedef struct {
  uint32_t n_staged; /* bytes of payload, which are sequence numbers as well */
  uint32_t next;     /* sequence number that may come next at the least */
} Flow;

static void
check_arrivals (Fixture *f, Flow *flows)
{
  for (guint i = 0; i < f->arrived->len; i++) {
    const Arrival *arrival = get (f, i);
    FzIpPacket view = test_parse (arrival->bytes, arrival->length);
    Flow *flow = &flows[fz_get_u16be (fz_ip_packet_get_transport (&view)) - 1000];
    uint32_t sequence = sequence_of (arrival);

    g_assert_cmpuint (sequence, >=, flow->next); /* neither twice nor out of order */
    g_assert_true (fz_checksum_is_good (&view));
    flow->next = sequence + view.length - view.transport_offset - 20;
    g_assert_cmpuint (flow->next, <=, flow->n_staged);
  }
  g_ptr_array_set_size (f->arrived, 0);
}

static void
stage_random (Fixture *f, Flow *flows, GRand *rand, uint64_t *n_packets)
{
  static const size_t sizes[] = { 10, 900, GSO, 2500, 20000, SUPER };
  uint16_t i = (uint16_t) g_rand_int_range (rand, 0, N_FLOWS);
  TestPacket packet = super_to (i % 2 == 0 ? A : B, 1000 + i);

  packet.payload = sizes[g_rand_int_range (rand, 0, G_N_ELEMENTS (sizes))];
  packet.sequence = flows[i].n_staged;
  packet.is_v6 = i % 3 == 0;
  packet.traffic_class = i % 5 == 0 ? FZ_ECN_ECT0 : 0;
  if (stage (f, &packet)) {
    flows[i].n_staged += (uint32_t) packet.payload;
    *n_packets += (packet.payload + GSO - 1) / GSO;
  }
}

static void
test_random (Fixture *f, gconstpointer data)
{
  guint32 seed = (guint32) g_test_rand_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Flow flows[N_FLOWS] = { { 0 } };
  FzKeypair *keypairs[N_PEERS + 1] = { NULL };
  uint64_t n_packets = 0, n_gone = 0;

  g_test_message ("seed %u", seed);
  for (unsigned i = A; i <= B; i++)
    keypairs[i] = atomic_load (&f->peers[i]->sending);
  for (unsigned turn = 0; turn < 4000; turn++) {
    if (g_rand_int_range (rand, 0, 20) == 0) /* a session comes or goes */
      atomic_store (&f->peers[A + turn % 2]->sending,
                    g_rand_int_range (rand, 0, 5) > 0 ? keypairs[A + turn % 2] : NULL);
    if (g_rand_int_range (rand, 0, 20) == 0)
      publish (f, FZ_ROLE_GATEWAY, f->peers);
    begin (f, (uint64_t) g_rand_int_range (rand, 0, 2100000));
    if (g_rand_int_range (rand, 0, 10) == 0)
      fz_lane_tx_note_held_up (f->tx);
    for (int i = g_rand_int_range (rand, 0, turn / 100 % 2 == 0 ? 12 : 4); i > 0; i--)
      stage_random (f, flows, rand, &n_packets);
    if (g_rand_int_range (rand, 0, 8) == 0)
      continue; /* blocked */
    fz_lane_tx_emit (f->tx, (size_t) g_rand_int_range (rand, 1, 120000));
    take (f);
    check_arrivals (f, flows);
  }
  for (unsigned i = A; i <= B; i++)
    atomic_store (&f->peers[i]->sending, keypairs[i]);
  begin (f, FZ_MS);
  emit_all (f);
  check_arrivals (f, flows);
  for (unsigned i = 0; i < FZ_N_DROPS; i++)
    n_gone += count_drops (f, (FzDrop) i);
  g_test_message ("%" G_GUINT64_FORMAT " packets, %" G_GUINT64_FORMAT
                  " for CoDel, %" G_GUINT64_FORMAT " without a session",
                  n_packets,
                  count_drops (f, FZ_DROP_CODEL),
                  count_drops (f, FZ_DROP_NO_SESSION));
  g_assert_cmpuint (
      atomic_load (&fz_lane_tx_get_counters (f->tx)->packets) + n_gone, ==, n_packets);
  g_assert_cmpuint (
      n_gone, ==, count_drops (f, FZ_DROP_CODEL) + count_drops (f, FZ_DROP_NO_SESSION));
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  ADD ("/staging/places/slots", test_slots);
  ADD ("/staging/places/cells", test_cells);
  ADD ("/staging/counters", test_counters);
  ADD ("/staging/turns/fair-peers", test_fair_peers);
  ADD ("/staging/turns/sparse-first", test_sparse_first);
  ADD ("/staging/signals/skipped-segment", test_skipped_segment);
  ADD ("/staging/signals/skipped-packet", test_skipped_packet);
  ADD ("/staging/signals/marked", test_marked);
  ADD ("/staging/meanwhile/peer-removed", test_peer_removed);
  ADD ("/staging/meanwhile/lone-peer-removed", test_lone_peer_removed);
  ADD ("/staging/meanwhile/rights-taken", test_rights_taken);
  ADD ("/staging/meanwhile/rerouted", test_rerouted);
  ADD ("/staging/meanwhile/session-gone", test_session_gone);
  ADD ("/staging/meanwhile/engine-first", test_engine_first);
  ADD ("/staging/random", test_random);
  return g_test_run ();
}
