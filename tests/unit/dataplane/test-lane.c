/* test-lane.c: fz-lane.h, both halves: a client's lane against a gateway's over real keys */

#include "packets.h"
#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-lane.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-wireguard.h"

#include <glib.h>

#define CLIENT_IP    "10.0.0.1" /* what packets.h writes as source 1 */
#define CLIENT_IP6   "fd00::1"
#define RESOURCE_NET "10.1.0.0/24"
#define RESOURCE6    "fd01::/64"
#define GATEWAY_IP   "10.9.0.1"

#define CLIENT_ID                                                                                  \
  0xabc001u /* the client's own connection id: upper bits of what it receives on                   \
             */
#define GATEWAY_ID 0xdef002u

#define RING_BYTES (1u << 20)
#define N_BATCH    16u

/* One end: what an engine would publish, and the lane's halves. */
typedef struct {
  FzPublished published;
  FzPeer *peer;
  FzRing *tx_ring;
  FzRing *rx_ring;
  FzLaneTx *tx;
  FzLaneRx *rx;
} End;

typedef struct {
  End client;
  End gateway;
  FzInstant now;
  GPtrArray *received; /* GBytes: packets at the far end's TUN, runs cut into packets */
  GPtrArray *wire;     /* GBytes: datagrams of the last transfer */
} Fixture;

static const FzLaneLimits limits = { 64, true, true, true, 64 };

static FzPolicyEntry
make_entry (const char *network, FzPeer *peer)
{
  FzPolicyEntry entry = { .peer = peer };

  g_assert_true (fz_ip_network_parse (network, &entry.network));
  return entry;
}

static void
publish (End *end, FzRole role, const char *own, const char *own6, const char *const *routes)
{
  FzPolicyEntry entries[8];
  size_t n = 0;

  for (; routes[n] != NULL; n++)
    entries[n] = make_entry (routes[n], end->peer);
  fz_published_set (&end->published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = role,
                                                         .own_ipv4 = test_ip (own),
                                                         .own_ipv6 = test_ip (own6),
                                                         .routes = fz_policy_new (entries, n),
                                                         .peers = &end->peer,
                                                         .n_peers = 1 }));
}

static void
set_policy (_Atomic (const FzPolicy *) *policy, const char *const *networks)
{
  FzPolicyEntry entries[8];
  size_t n = 0;

  for (; networks[n] != NULL; n++)
    entries[n] = make_entry (networks[n], NULL);
  fz_policy_free ((FzPolicy *) atomic_exchange (policy, fz_policy_new (entries, n)));
}

static FzAeadKey *
make_key (uint8_t seed)
{
  uint8_t bytes[FZ_AEAD_KEY_SIZE];

  memset (bytes, seed, sizeof bytes);
  return fz_aead_key_new (bytes);
}

static FzKeypair *
add_session (End *end, bool is_initiator, uint32_t local, uint32_t remote, FzInstant now)
{
  FzKeypair *keypair = fz_keypair_new (make_key (is_initiator ? 1 : 2),
                                       make_key (is_initiator ? 2 : 1),
                                       local,
                                       remote,
                                       is_initiator,
                                       now);

  atomic_store (&end->peer->receiving[local % FZ_PEER_SESSIONS], keypair);
  atomic_store (&end->peer->sending, keypair);
  return keypair;
}

static void
set_endpoint (End *end, const char *remote)
{
  FzEndpoint endpoint = { 0 };

  g_assert_true (fz_socket_address_parse (remote, &endpoint.remote));
  fz_peer_set_endpoint (end->peer, &endpoint);
}

static void
init_end (End *end, uint32_t connection_id)
{
  FzLaneConfig config;

  fz_published_init (&end->published);
  end->peer = fz_peer_new (&(FzUuid){ { 0 } }, connection_id);
  end->tx_ring = fz_ring_new (RING_BYTES);
  end->rx_ring = fz_ring_new (RING_BYTES);
  config = (FzLaneConfig){ .published = &end->published,
                           .backend = FZ_AEAD_BACKEND_SODIUM,
                           .tx_to_engine = end->tx_ring,
                           .rx_to_engine = end->rx_ring,
                           .hash_seed = 4711,
                           .limits = limits };
  end->tx = fz_lane_tx_new (&config);
  end->rx = fz_lane_rx_new (&config);
}

static void
clear_end (End *end)
{
  fz_lane_tx_free (end->tx);
  fz_lane_rx_free (end->rx);
  fz_published_clear (&end->published);
  fz_peer_free (end->peer);
  fz_ring_free (end->tx_ring);
  fz_ring_free (end->rx_ring);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->now = 1000 * FZ_S;
  f->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  f->wire = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  init_end (&f->client, CLIENT_ID);
  init_end (&f->gateway, GATEWAY_ID);
  publish (&f->client,
           FZ_ROLE_CLIENT,
           CLIENT_IP,
           CLIENT_IP6,
           (const char *[]){ RESOURCE_NET, RESOURCE6, NULL });
  publish (&f->gateway,
           FZ_ROLE_GATEWAY,
           GATEWAY_IP,
           "fd09::1",
           (const char *[]){ CLIENT_IP, CLIENT_IP6, NULL });
  set_policy (&f->client.peer->sources, (const char *[]){ RESOURCE_NET, RESOURCE6, NULL });
  set_policy (&f->gateway.peer->sources, (const char *[]){ CLIENT_IP, CLIENT_IP6, NULL });
  set_policy (&f->gateway.peer->permissions, (const char *[]){ RESOURCE_NET, RESOURCE6, NULL });
  set_endpoint (&f->client, "192.0.2.2:51820");
  set_endpoint (&f->gateway, "192.0.2.1:40000");
  add_session (&f->client, true, CLIENT_ID << 8 | 1, GATEWAY_ID << 8 | 1, f->now);
  add_session (&f->gateway, false, GATEWAY_ID << 8 | 1, CLIENT_ID << 8 | 1, f->now);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  clear_end (&f->client);
  clear_end (&f->gateway);
  g_ptr_array_unref (f->received);
  g_ptr_array_unref (f->wire);
}

static uint64_t
count_drops (const FzLaneCounters *counters, FzDrop reason)
{
  return atomic_load (&counters->drops[reason]);
}

#define TX_DROPS(end, reason) count_drops (fz_lane_tx_get_counters ((end)->tx), reason)
#define RX_DROPS(end, reason) count_drops (fz_lane_rx_get_counters ((end)->rx), reason)

/* Next message in @ring of @kind, copied; fails on any other kind. */
static FzLaneMessage *
take_message (FzRing *ring, FzLaneMessageKind kind)
{
  size_t length;
  const FzLaneMessage *message = fz_ring_peek (ring, &length);
  FzLaneMessage *copy;

  g_assert_nonnull (message);
  g_assert_cmpint (message->kind, ==, kind);
  g_assert_cmpuint (length, >=, sizeof *message + message->length);
  copy = g_memdup2 (message, length);
  fz_ring_release (ring);
  return copy;
}

static bool
is_empty (FzRing *ring)
{
  size_t length;

  return fz_ring_peek (ring, &length) == NULL;
}

static void
drain (FzRing *ring)
{
  while (!is_empty (ring))
    fz_ring_release (ring);
}

/* A frame as the TUN would hand it out. */
static FzTunFrame
make_frame (const uint8_t *packet, size_t length, const FzVnetHeader *vnet)
{
  return (FzTunFrame){ .vnet = vnet != NULL ? *vnet : (FzVnetHeader){ 0 },
                       .packet = g_memdup2 (packet, length),
                       .length = (uint32_t) length };
}

static void
free_frame (FzTunFrame *frame)
{
  g_free (frame->packet);
}

/* What the TUN would hand out, staged; returns how many there were places for. */
static size_t
stage_frames (End *end, const FzTunFrame *frames, size_t n_frames, FzInstant now)
{
  fz_lane_tx_begin (end->tx, now);
  for (size_t i = 0; i < n_frames; i++) {
    FzTunFrame *frame = fz_lane_tx_reserve (end->tx);

    if (frame == NULL)
      return i;
    memcpy (frame->packet, frames[i].packet, frames[i].length);
    frame->vnet = frames[i].vnet;
    frame->length = frames[i].length;
    fz_lane_tx_commit (end->tx);
  }
  return n_frames;
}

/* A turn: @frames are staged, and all that may leave is emitted. Returns how many were staged. */
static size_t
push_frames (End *end, const FzTunFrame *frames, size_t n_frames, FzInstant now)
{
  size_t n = stage_frames (end, frames, n_frames, now);

  fz_lane_tx_emit (end->tx, SIZE_MAX);
  return n;
}

static size_t
push_packet (End *end, const TestPacket *packet, uint16_t gso_size, FzInstant now)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  FzVnetHeader vnet = { 0 };
  size_t length = gso_size > 0 ? test_packet_build_super (packet, gso_size, bytes, &vnet)
                               : test_packet_build (packet, bytes);
  FzTunFrame frame = make_frame (bytes, length, &vnet);
  size_t n = push_frames (end, &frame, 1, now);

  free_frame (&frame);
  return n;
}

/* What @end has to send, as GRO buffers (the kernel joins what one train was). */
static size_t
take_buffers (Fixture *f, End *end, const char *from, FzUdpBuffer *out)
{
  const FzTrain *trains;
  size_t n = fz_lane_tx_take (end->tx, &trains);

  g_assert_cmpuint (n, <=, FZ_RX_BATCH);
  for (size_t i = 0; i < n; i++) {
    out[i] = (FzUdpBuffer){ .data = g_memdup2 (trains[i].data, trains[i].length),
                            .length = trains[i].length,
                            .stride = trains[i].n_segments > 1 ? trains[i].segment_size : 0,
                            .ecn = trains[i].ecn,
                            .to = trains[i].to };
    g_assert_true (fz_socket_address_parse (from, &out[i].from));
    for (uint32_t at = 0; at < trains[i].length; at += trains[i].segment_size)
      g_ptr_array_add (
          f->wire,
          g_bytes_new (trains[i].data + at, MIN (trains[i].segment_size, trains[i].length - at)));
  }
  return n;
}

static void
collect_packet (void *context, const uint8_t *packet, size_t length)
{
  Fixture *f = context;

  g_ptr_array_add (f->received, g_bytes_new (packet, length));
}

static void
collect_runs (Fixture *f, End *end)
{
  g_autofree uint8_t *frame = g_malloc (65536);
  const FzRun *runs;
  size_t n = fz_lane_rx_take (end->rx, &runs);

  for (size_t i = 0; i < n; i++) {
    g_assert_true (runs[i].iov[0].iov_base == &runs[i].vnet);
    fz_lane_rx_split (end->rx, &runs[i], frame, collect_packet, f);
  }
}

static void
push_buffers (Fixture *f, End *end, FzUdpBuffer *buffers, size_t n)
{
  if (n > 0)
    fz_lane_rx_push (end->rx, buffers, n, f->now);
  collect_runs (f, end);
  for (size_t i = 0; i < n; i++)
    g_free (buffers[i].data);
}

/* Moves everything from @a's transmit half into @b's TUN. */
static void
transfer (Fixture *f, End *a, End *b)
{
  FzUdpBuffer buffers[FZ_RX_BATCH];
  size_t n = take_buffers (f, a, a == &f->client ? "192.0.2.1:40000" : "192.0.2.2:51820", buffers);

  push_buffers (f, b, buffers, n);
}

/* One datagram from the network. */
static void
push_datagram (Fixture *f, End *end, const void *bytes, size_t length, const char *from)
{
  FzUdpBuffer buffer = { .data = g_memdup2 (bytes, length), .length = (uint32_t) length };

  g_assert_true (fz_socket_address_parse (from, &buffer.from));
  push_buffers (f, end, &buffer, 1);
}

static void
push_wire (Fixture *f, End *end, guint i, const char *from)
{
  gsize length;
  gconstpointer bytes = g_bytes_get_data (f->wire->pdata[i], &length);

  push_datagram (f, end, bytes, length, from);
}

static TestPacket
upload (void)
{
  return (TestPacket){
    .source = 1, .destination = 7, .source_port = 40000, .destination_port = 80, .payload = 100
  };
}

/* -- traffic -- */

static void
test_single (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();
  uint8_t expected[200];
  size_t length = test_packet_build (&packet, expected);
  gsize received_length;
  gconstpointer received;

  g_assert_cmpuint (push_packet (&f->client, &packet, 0, f->now), ==, 1);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 1);
  received = g_bytes_get_data (f->received->pdata[0], &received_length);
  g_assert_cmpmem (received, received_length, expected, length);

  /* on the wire: WireGuard's data message, no padding */
  g_assert_cmpuint (f->wire->len, ==, 1);
  received = g_bytes_get_data (f->wire->pdata[0], &received_length);
  g_assert_cmpuint (received_length, ==, length + 32);
  g_assert_cmphex (fz_get_u32le (received), ==, 4);
  g_assert_cmphex (fz_get_u32le ((const uint8_t *) received + 4), ==, GATEWAY_ID << 8 | 1);
  g_assert_cmphex (fz_get_u64le ((const uint8_t *) received + 8), ==, 0);
}

/* TCP super-packets of both families, both ways, come out as the very packets TCP would have made.
 */
static void
test_super_packets (Fixture *f, gconstpointer data)
{
  for (int is_v6 = 0; is_v6 < 2; is_v6++) {
    for (int is_up = 0; is_up < 2; is_up++) {
      End *from = is_up ? &f->client : &f->gateway, *to = is_up ? &f->gateway : &f->client;
      TestPacket packet = { .is_v6 = is_v6,
                            .sequence = 5,
                            .tcp_options = 12,
                            .tcp_flags = 0x18,
                            .traffic_class = 2,
                            .id = 3 };
      uint16_t gso_size = is_v6 ? 1208 : 1228;
      size_t sent = 0;

      /* the builder's source net is 10.0.0, its destination net 10.1.0: swap by hand going down */
      packet.source = 1;
      packet.destination = 7;
      g_ptr_array_set_size (f->received, 0);
      packet.payload = 60000;
      if (is_up) {
        g_assert_cmpuint (push_packet (from, &packet, gso_size, f->now), ==, 1);
      } else {
        static uint8_t bytes[TEST_PACKET_MAX];
        FzVnetHeader vnet;
        size_t length = test_packet_build_super (&packet, gso_size, bytes, &vnet);
        size_t size = is_v6 ? 16 : 4, at = is_v6 ? 8 : 12;
        uint8_t swap[16];
        FzTunFrame frame;

        memcpy (swap, bytes + at, size);
        memcpy (bytes + at, bytes + at + size, size);
        memcpy (bytes + at + size, swap, size);
        if (!is_v6)
          fz_checksum_write_ipv4_header (bytes, 20);
        frame = make_frame (bytes, length, &vnet);
        g_assert_cmpuint (push_frames (from, &frame, 1, f->now), ==, 1);
        free_frame (&frame);
      }
      transfer (f, from, to);

      g_assert_cmpuint (f->received->len, ==, (60000 + gso_size - 1) / gso_size);
      for (guint i = 0; i < f->received->len; i++) {
        gsize length;
        const uint8_t *bytes = g_bytes_get_data (f->received->pdata[i], &length);
        FzIpPacket view = test_parse (bytes, length);
        const uint8_t *tcp = fz_ip_packet_get_transport (&view);

        g_assert_true (fz_checksum_is_good (&view));
        g_assert_cmpuint (fz_get_u32be (tcp + 4), ==, 5 + i * gso_size);
        g_assert_cmphex (tcp[13], ==, i + 1 < f->received->len ? 0x10 : 0x18);
        g_assert_cmpuint (fz_ip_packet_get_ecn (&view), ==, 2);
        if (!is_v6)
          g_assert_cmpuint (fz_get_u16be (bytes + 4), ==, 3 + i);
        for (size_t j = 32; j < fz_ip_packet_get_transport_length (&view); j++)
          g_assert_cmphex (tcp[j], ==, test_payload_byte (0, sent++));
      }
      g_assert_cmpuint (sent, ==, 60000);
    }
  }
  g_assert_cmpuint (atomic_load (&fz_lane_rx_get_counters (f->gateway.rx)->super_packets), ==, 2);
  g_assert_cmpuint (atomic_load (&fz_lane_rx_get_counters (f->gateway.rx)->lengths[4]), ==, 2);
}

/* A full batch of super-packets: more than one round of trains, every byte in order. */
static void
test_batch (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  FzTunFrame frames[N_BATCH];
  uint32_t next = 0;

  for (size_t i = 0; i < N_BATCH; i++) {
    TestPacket packet = upload ();
    FzVnetHeader vnet;
    size_t length;

    packet.payload = 65000;
    packet.sequence = (uint32_t) (i * 65000);
    length = test_packet_build_super (&packet, 36, bytes, &vnet); /* 1806 tiny segments each */
    frames[i] = make_frame (bytes, length, &vnet);
  }
  g_assert_cmpuint (stage_frames (&f->client, frames, N_BATCH, f->now), ==, N_BATCH);
  while (fz_lane_tx_has_work (f->client.tx)) {
    const FzTrain *trains;
    size_t n_trains;

    g_assert_cmpuint (fz_lane_tx_emit (f->client.tx, SIZE_MAX), >, 0); /* progress */
    g_assert_false (fz_lane_tx_is_waiting (f->client.tx));
    n_trains = fz_lane_tx_take (f->client.tx, &trains);
    g_assert_cmpuint (n_trains, <=, FZ_TRAINS_MAX);
    for (size_t i = 0; i < n_trains; i++) {
      FzUdpBuffer buffer = { .data = g_memdup2 (trains[i].data, trains[i].length),
                             .length = trains[i].length,
                             .stride = trains[i].segment_size };

      push_buffers (f, &f->gateway, &buffer, 1);
    }
    g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 0); /* only once */
  }
  for (size_t i = 0; i < N_BATCH; i++)
    free_frame (&frames[i]);
  g_assert_cmpuint (f->received->len, ==, N_BATCH * 1806);
  for (guint i = 0; i < f->received->len; i++) {
    const uint8_t *packet = g_bytes_get_data (f->received->pdata[i], NULL);

    g_assert_cmpuint (fz_get_u32be (packet + 24), ==, next);
    next += fz_get_u16be (packet + 2) - 40u;
  }
}

static void
test_relayed (Fixture *f, gconstpointer data)
{
  FzEndpoint endpoint = { .channel = 0x4001 };
  TestPacket packet = upload ();
  const FzTrain *trains;

  g_assert_true (fz_socket_address_parse ("198.51.100.1:3478", &endpoint.remote));
  fz_peer_set_endpoint (f->client.peer, &endpoint);
  packet.payload = 5000;
  push_packet (&f->client, &packet, 1000, f->now);
  g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 1);
  g_assert_cmpuint (trains[0].segment_size, ==, 1000 + 40 + 32 + 4);
  for (unsigned i = 0; i < 5; i++) {
    const uint8_t *at = trains[0].data + (size_t) i * trains[0].segment_size;

    g_assert_cmphex (fz_get_u16be (at), ==, 0x4001);
    g_assert_cmpuint (fz_get_u16be (at + 2), ==, 1072);
    /* bare, as from a peer that a relay forwards to, or in the frame, as from a relay */
    if (i % 2 == 0)
      push_datagram (f, &f->gateway, at + 4, 1072, "192.0.2.1:1");
    else
      push_datagram (f, &f->gateway, at, 1076, "198.51.100.1:3478");
  }
  g_assert_cmpuint (f->received->len, ==, 5);
  drain (f->gateway.rx_ring);

  /* a whole train in one buffer, each datagram in its frame: one run, and nothing for the engine */
  push_packet (&f->client, &packet, 1000, f->now);
  g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 1);
  {
    FzUdpBuffer buffer = { .data = g_memdup2 (trains[0].data, trains[0].length),
                           .length = trains[0].length,
                           .stride = trains[0].segment_size };
    uint64_t n_runs = atomic_load (&fz_lane_rx_get_counters (f->gateway.rx)->super_packets);

    g_assert_true (fz_socket_address_parse ("198.51.100.1:3478", &buffer.from));
    push_buffers (f, &f->gateway, &buffer, 1);
    g_assert_cmpuint (f->received->len, ==, 10);
    g_assert_cmpuint (
        atomic_load (&fz_lane_rx_get_counters (f->gateway.rx)->super_packets), ==, n_runs + 1);
  }
  drain (f->gateway.rx_ring);

  /* a frame whose length is not that of the datagram is the engine's affair */
  push_datagram (f, &f->gateway, trains[0].data, 1075, "198.51.100.1:3478");
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_DATAGRAM));
}

/* -- transmit: refusals and the engine -- */

static void
test_transmit_drops (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();
  static uint8_t bytes[TEST_PACKET_MAX];
  const FzTrain *trains;
  FzTunFrame frame;
  size_t length;

  packet.source = 99;
  g_assert_cmpuint (push_packet (&f->client, &packet, 0, f->now), ==, 1);
  g_assert_cmpuint (TX_DROPS (&f->client, FZ_DROP_NOT_TUNNEL_SOURCE), ==, 1);

  packet = upload ();
  packet.payload = 1241;
  push_packet (&f->client, &packet, 0, f->now);
  g_assert_cmpuint (TX_DROPS (&f->client, FZ_DROP_TOO_LARGE), ==, 1);

  packet.payload = 5000; /* a refused super-packet counts for all its packets */
  packet.source = 98;
  push_packet (&f->client, &packet, 1000, f->now);
  g_assert_cmpuint (TX_DROPS (&f->client, FZ_DROP_NOT_TUNNEL_SOURCE), ==, 6);

  packet = upload ();
  length = test_packet_build (&packet, bytes);
  frame = make_frame (bytes, length - 1, NULL);
  push_frames (&f->client, &frame, 1, f->now);
  free_frame (&frame);
  g_assert_cmpuint (TX_DROPS (&f->client, FZ_DROP_TRUNCATED), ==, 1);

  g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 0);
  g_assert_true (is_empty (f->client.tx_ring));
}

/* One bad frame never costs another. */
static void
test_bad_among_good (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  FzTunFrame frames[N_BATCH];

  for (size_t i = 0; i < N_BATCH; i++) {
    TestPacket packet = upload ();
    size_t length = test_packet_build (&packet, bytes);

    if (i % 2 != 0)
      bytes[0] = 0xff;
    frames[i] = make_frame (bytes, length, NULL);
  }
  g_assert_cmpuint (push_frames (&f->client, frames, N_BATCH, f->now), ==, N_BATCH);
  for (size_t i = 0; i < N_BATCH; i++)
    free_frame (&frames[i]);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, N_BATCH / 2);
  g_assert_cmpuint (TX_DROPS (&f->client, FZ_DROP_BAD_VERSION), ==, N_BATCH / 2);
}

/* Without a usable session a client's packets go to the engine, cut; a gateway's are dropped. */
static void
test_no_session (Fixture *f, gconstpointer data)
{
  FzKeypair *keypair = atomic_exchange (&f->client.peer->sending, NULL);
  TestPacket packet = upload ();
  const FzTrain *trains;
  FzEndpoint nowhere = { 0 };

  packet.payload = 2500;
  for (int i = 0; i < 3; i++) {
    if (i == 1) { /* too old for an initiator, who stops 10 s before the peer forgets */
      atomic_store (&f->client.peer->sending, keypair);
      f->now += 170 * FZ_S;
    }
    if (i == 2) { /* no address */
      f->now -= 170 * FZ_S;
      fz_peer_set_endpoint (f->client.peer, &nowhere);
    }
    packet.sequence = (uint32_t) i;
    g_assert_cmpuint (push_packet (&f->client, &packet, 1000, f->now), ==, 1);
    for (unsigned j = 0; j < 3; j++) {
      g_autofree FzLaneMessage *message = take_message (f->client.tx_ring, FZ_LANE_MESSAGE_PACKET);
      FzIpPacket view = test_parse (message->data, message->length);

      g_assert_cmpuint (message->length, ==, 40 + (j < 2 ? 1000 : 500));
      g_assert_true (fz_checksum_is_good (&view));
      g_assert_cmpuint (fz_get_u32be (message->data + 24), ==, i + j * 1000);
    }
    g_assert_true (is_empty (f->client.tx_ring));
  }
  g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 0);
  g_assert_cmpuint (atomic_load (&fz_lane_tx_get_counters (f->client.tx)->to_engine), ==, 9);
}

static void
test_gateway_never_buffers (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  TestPacket packet = { .source = 7, .destination = 1, .source_port = 80 };
  FzKeypair *keypair = atomic_exchange (&f->gateway.peer->sending, NULL);
  size_t length = test_packet_build (&packet, bytes);
  const FzTrain *trains;
  FzTunFrame frame;

  bytes[13] = 1; /* from 10.1.0.7 */
  bytes[17] = 0; /* to 10.0.0.1 */
  frame = make_frame (bytes, length, NULL);
  g_assert_cmpuint (push_frames (&f->gateway, &frame, 1, f->now), ==, 1);
  g_assert_cmpuint (TX_DROPS (&f->gateway, FZ_DROP_NO_SESSION), ==, 1);
  g_assert_true (is_empty (f->gateway.tx_ring));

  /* confirmed a moment ago, and the engine has not come round to publish it: the answer to the very
   * first packet leaves all the same */
  atomic_store (&keypair->is_confirmed, true);
  g_assert_cmpuint (push_frames (&f->gateway, &frame, 1, f->now), ==, 1);
  g_assert_cmpuint (TX_DROPS (&f->gateway, FZ_DROP_NO_SESSION), ==, 1);
  g_assert_cmpuint (fz_lane_tx_take (f->gateway.tx, &trains), ==, 1);
  atomic_store (&f->gateway.peer->sending, keypair);

  /* a responder may send for 180 s */
  g_assert_cmpuint (push_frames (&f->gateway, &frame, 1, f->now + 180 * FZ_S), ==, 1);
  g_assert_cmpuint (TX_DROPS (&f->gateway, FZ_DROP_NO_SESSION), ==, 2);
  g_assert_cmpuint (push_frames (&f->gateway, &frame, 1, f->now + 180 * FZ_S - 1), ==, 1);
  g_assert_cmpuint (TX_DROPS (&f->gateway, FZ_DROP_NO_SESSION), ==, 2);
  free_frame (&frame);
}

/* A turn in which the TUN has nothing. Returns: how many datagrams it has made */
static unsigned
emit_more (End *end, FzInstant now)
{
  const FzTrain *trains;
  unsigned n_datagrams = 0;
  size_t n;

  fz_lane_tx_begin (end->tx, now);
  fz_lane_tx_emit (end->tx, SIZE_MAX);
  n = fz_lane_tx_take (end->tx, &trains);
  for (size_t i = 0; i < n; i++)
    n_datagrams += trains[i].n_segments;
  return n_datagrams;
}

/* What went to the engine leaves before what is sent directly; other flows do not wait, whether
 * they come later or are staged already. */
static void
test_order (Fixture *f, gconstpointer data)
{
  FzKeypair *keypair = atomic_exchange (&f->client.peer->sending, NULL);
  TestPacket packet = upload (), other = upload ();

  push_packet (&f->client, &packet, 0, f->now);
  push_packet (&f->client, &packet, 0, f->now);
  atomic_store (&f->client.peer->sending, keypair); /* the engine has published a session */

  other.destination = 8;
  push_packet (&f->client, &other, 0, f->now);
  g_assert_cmpuint (emit_more (&f->client, f->now), ==, 1);
  g_assert_false (fz_lane_tx_is_waiting (f->client.tx));

  push_packet (&f->client, &packet, 0, f->now);
  g_assert_cmpuint (emit_more (&f->client, f->now), ==, 0);
  g_assert_true (fz_lane_tx_is_waiting (f->client.tx));
  g_assert_false (fz_lane_tx_has_work (f->client.tx));
  g_free (take_message (f->client.tx_ring, FZ_LANE_MESSAGE_PACKET));
  g_assert_true (fz_lane_tx_is_waiting (f->client.tx)); /* one more is outstanding */
  push_packet (&f->client, &packet, 0, f->now);
  push_packet (&f->client, &other, 0, f->now);
  g_assert_cmpuint (emit_more (&f->client, f->now), ==, 1); /* the other flow's */
  g_free (take_message (f->client.tx_ring, FZ_LANE_MESSAGE_PACKET));
  g_assert_false (fz_lane_tx_is_waiting (f->client.tx));
  g_assert_true (fz_lane_tx_has_work (f->client.tx));
  g_assert_cmpuint (emit_more (&f->client, f->now), ==, 2);
  g_assert_false (fz_lane_tx_has_work (f->client.tx));
}

/* -- order with a real engine thread: sessions come and go at any time -- */

#define N_ORDERED 20000u

typedef struct {
  Fixture *f;
  GMutex mutex; /* guards the two below: what left, by either way, in the order it left */
  uint32_t n_left;
  uint32_t n_by_engine;
  FzKeypair *keypair;
  atomic_bool is_stopped;
} Ordered;

/* A packet of the test has left: it must be the next. */
static void
leave (Ordered *ordered, uint32_t sequence, bool is_by_engine)
{
  g_mutex_lock (&ordered->mutex);
  g_assert_cmpuint (sequence, ==, ordered->n_left);
  ordered->n_left++;
  ordered->n_by_engine += is_by_engine;
  g_mutex_unlock (&ordered->mutex);
}

static gpointer
run_engine (gpointer data)
{
  Ordered *ordered = data;
  FzPeer *peer = ordered->f->client.peer;
  FzRing *ring = ordered->f->client.tx_ring;
  size_t length;

  for (unsigned turn = 0; !atomic_load (&ordered->is_stopped) || !is_empty (ring); turn++) {
    const FzLaneMessage *message = fz_ring_peek (ring, &length);

    if (message != NULL) {
      if (message->kind == FZ_LANE_MESSAGE_PACKET)
        leave (ordered, fz_get_u32be (message->data + 24), true);
      fz_ring_release (ring);
    }
    /* the session is there, or not, with or without records outstanding */
    atomic_store_explicit (
        &peer->sending, turn % 3 == 0 ? NULL : ordered->keypair, memory_order_release);
    if (message == NULL || turn % 64 == 0)
      g_thread_yield ();
  }
  atomic_store (&peer->sending, ordered->keypair);
  return NULL;
}

static uint64_t
get_staged (const End *end)
{
  return atomic_load (&fz_lane_tx_get_staging (end->tx)->queue->items);
}

static void
test_order_with_threads (Fixture *f, gconstpointer data)
{
  Ordered ordered = { .f = f, .keypair = atomic_exchange (&f->client.peer->sending, NULL) };
  TestPacket packet = upload ();
  uint32_t n_pushed = 0, n_direct = 0;
  GThread *engine;

  g_mutex_init (&ordered.mutex);
  engine = g_thread_new ("engine", run_engine, &ordered);
  while (n_pushed < N_ORDERED || n_direct == 0) {
    const FzTrain *trains;
    size_t n_trains;

    if (n_pushed % 1024 == 0) /* keep the ring from filling up, which is another test */
      while (!fz_ring_is_consumed (f->client.tx_ring, fz_ring_position (f->client.tx_ring)))
        g_thread_yield ();
    packet.sequence = n_pushed;
    push_packet (&f->client, &packet, 0, f->now);
    while (get_staged (&f->client) > 0) {
      g_thread_yield ();
      fz_lane_tx_begin (f->client.tx, f->now);
      fz_lane_tx_emit (f->client.tx, SIZE_MAX);
    }
    n_trains = fz_lane_tx_take (f->client.tx, &trains);
    if (n_trains > 0)
      leave (&ordered, n_pushed, false);
    n_direct += n_trains > 0;
    n_pushed++;
  }
  atomic_store (&ordered.is_stopped, true);
  g_thread_join (engine);
  g_test_message ("%u of %u by the engine", ordered.n_by_engine, n_pushed);
  g_assert_cmpuint (ordered.n_left, ==, n_pushed);
  g_assert_cmpuint (ordered.n_by_engine, ==, n_pushed - n_direct);
  g_assert_cmpuint (ordered.n_by_engine, >, 0); /* the first ones had no session */
  g_assert_cmpuint (TX_DROPS (&f->client, FZ_DROP_QUEUE_FULL), ==, 0);
  g_mutex_clear (&ordered.mutex);
}

static void
test_ring_full (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();
  uint64_t n_pushed = 0, n_handed;

  atomic_exchange (&f->client.peer->sending, NULL);
  packet.payload = 50000;
  while (TX_DROPS (&f->client, FZ_DROP_QUEUE_FULL) == 0) {
    g_assert_cmpuint (push_packet (&f->client, &packet, 1000, f->now), ==, 1);
    n_pushed += 50;
  }
  n_handed = atomic_load (&fz_lane_tx_get_counters (f->client.tx)->to_engine);
  g_assert_cmpuint (n_handed + TX_DROPS (&f->client, FZ_DROP_QUEUE_FULL), ==, n_pushed);
  drain (f->client.tx_ring);
  push_packet (&f->client, &packet, 1000, f->now);
  g_assert_cmpuint (
      atomic_load (&fz_lane_tx_get_counters (f->client.tx)->to_engine), ==, n_handed + 50);
}

static void
test_exhausted (Fixture *f, gconstpointer data)
{
  FzKeypair *keypair = atomic_load (&f->client.peer->sending);
  g_autofree FzLaneMessage *message = NULL;
  TestPacket packet = upload ();

  atomic_store (&f->client.peer->is_watched, true);
  atomic_store (&keypair->send_counter, FZ_REKEY_AFTER_MESSAGES - 2);
  packet.payload = 5000;
  push_packet (&f->client, &packet, 1000, f->now);
  message = take_message (f->client.tx_ring, FZ_LANE_MESSAGE_EXHAUSTED);
  g_assert_cmpuint (message->connection_id, ==, CLIENT_ID);
  g_assert_cmpuint (message->local_index, ==, CLIENT_ID << 8 | 1);
  push_packet (&f->client, &packet, 1000, f->now);
  g_assert_true (is_empty (f->client.tx_ring)); /* said once */

  atomic_store (&keypair->send_counter, FZ_REJECT_AFTER_MESSAGES - 2);
  packet.payload = 10;
  push_packet (&f->client, &packet, 0, f->now);
  push_packet (&f->client, &packet, 0, f->now);
  push_packet (&f->client, &packet, 0, f->now); /* one too many: no session */
  g_free (take_message (f->client.tx_ring, FZ_LANE_MESSAGE_PACKET));
}

/* -- receive: refusals and the engine -- */

typedef struct {
  const char *why;
  guint at;       /* byte of the datagram to change */
  uint8_t change; /* xor */
  int length;     /* cut to so many bytes, 0: not */
  FzDrop expected;
} Forgery;

static const Forgery forgeries[] = {
  { "tag", 100, 1, 0, FZ_DROP_BAD_TAG },
  { "ciphertext", 16, 0x80, 0, FZ_DROP_BAD_TAG },
  { "counter", 8, 1, 0, FZ_DROP_BAD_TAG },
  { "counter beyond the limit", 15, 0xff, 0, FZ_DROP_BAD_TAG }, /* 0xff00…: a legal counter */
  { "index: session", 4, 1, 0, FZ_DROP_UNKNOWN_INDEX },
  { "index: same slot, other session", 4, 8, 0, FZ_DROP_UNKNOWN_INDEX },
  { "index: connection", 5, 1, 0, FZ_DROP_UNKNOWN_INDEX },
  { "type 5", 0, 1, 0, FZ_DROP_NOT_WIREGUARD },
  { "reserved byte", 2, 1, 0, FZ_DROP_NOT_WIREGUARD },
  { "cut to the header", 0, 0, 16, FZ_DROP_BAD_LENGTH },
  { "cut before the tag's end", 0, 0, 31, FZ_DROP_BAD_LENGTH },
  { "cut to a keepalive", 0, 0, 32, FZ_DROP_BAD_TAG },
  { "cut by one", 0, 0, -1, FZ_DROP_BAD_TAG },
  { "three bytes", 0, 0, 3, FZ_DROP_NOT_WIREGUARD },
};

static void
test_forgeries (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();
  const FzTrain *trains;
  g_autofree uint8_t *good = NULL;
  size_t length;

  push_packet (&f->client, &packet, 0, f->now);
  g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 1);
  length = trains[0].length;
  good = g_memdup2 (trains[0].data, length);
  for (size_t i = 0; i < G_N_ELEMENTS (forgeries); i++) {
    const Forgery *forgery = &forgeries[i];
    g_autofree uint8_t *bad = g_memdup2 (good, length);
    uint64_t before = RX_DROPS (&f->gateway, forgery->expected);
    size_t cut = forgery->length > 0   ? (size_t) forgery->length
                 : forgery->length < 0 ? length - 1
                                       : length;

    bad[forgery->at] ^= forgery->change;
    g_test_message ("%s", forgery->why);
    push_datagram (f, &f->gateway, bad, cut, "203.0.113.1:9");
    g_assert_cmpuint (RX_DROPS (&f->gateway, forgery->expected), ==, before + 1);
    g_assert_cmpuint (f->received->len, ==, 0);
  }
  g_assert_true (is_empty (f->gateway.rx_ring)); /* nothing of it confirms or moves anything */
  g_assert_cmpuint (atomic_load (&f->gateway.peer->received_any_at), ==, 0);

  push_datagram (f, &f->gateway, good, length, "192.0.2.1:40000"); /* and the real one passes */
  g_assert_cmpuint (f->received->len, ==, 1);
}

static void
test_replay (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();

  packet.payload = 5000;
  push_packet (&f->client, &packet, 1000, f->now);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 5);
  for (guint i = 0; i < 5; i++)
    push_wire (f, &f->gateway, i, "192.0.2.1:40000");
  g_assert_cmpuint (f->received->len, ==, 5);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_REPLAY), ==, 5);

  /* twice in one buffer: the second is caught after opening */
  push_packet (&f->client, &packet, 0, f->now + 1); /* refused: above the MTU */
  packet.payload = 10;
  push_packet (&f->client, &packet, 0, f->now);
  {
    const FzTrain *trains;
    FzUdpBuffer buffer;

    g_assert_cmpuint (fz_lane_tx_take (f->client.tx, &trains), ==, 1);
    buffer = (FzUdpBuffer){ .data = g_malloc (2 * trains[0].length),
                            .length = 2 * trains[0].length,
                            .stride = (uint16_t) trains[0].length };
    memcpy (buffer.data, trains[0].data, trains[0].length);
    memcpy (buffer.data + trains[0].length, trains[0].data, trains[0].length);
    push_buffers (f, &f->gateway, &buffer, 1);
  }
  g_assert_cmpuint (f->received->len, ==, 6);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_REPLAY), ==, 6);
}

static void
test_expired (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();

  push_packet (&f->client, &packet, 0, f->now);
  f->now += 180 * FZ_S;
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 0);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_EXPIRED_KEY), ==, 1);
}

/* Corrupted and good datagrams in one GRO buffer: only the bad ones are lost. */
static void
test_bad_in_buffer (Fixture *f, gconstpointer data)
{
  FzUdpBuffer buffers[FZ_RX_BATCH];
  TestPacket packet = upload ();
  size_t n;

  packet.payload = 40000;
  push_packet (&f->client, &packet, 1000, f->now);
  n = take_buffers (f, &f->client, "192.0.2.1:40000", buffers);
  g_assert_cmpuint (n, ==, 1);
  for (unsigned i = 0; i < 40; i += 7) /* 6 of them */
    buffers[0].data[i * buffers[0].stride + 50] ^= 1;
  push_buffers (f, &f->gateway, buffers, n);
  g_assert_cmpuint (f->received->len, ==, 34);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_BAD_TAG), ==, 6);
}

/* Puts arbitrary plaintext through the client's key. */
static void
send_raw (Fixture *f, const void *plaintext, size_t length, uint8_t ecn)
{
  FzKeypair *keypair = atomic_load (&f->client.peer->sending);
  FzAead *aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  FzUdpBuffer buffer = { .data = g_malloc0 (length + 32),
                         .length = (uint32_t) length + 32,
                         .ecn = ecn };
  FzAeadOp op = { .source = buffer.data + 16,
                  .target = buffer.data + 16,
                  .length = (uint32_t) length };

  g_assert_true (fz_keypair_reserve (keypair, 1, &op.counter));
  if (length > 0)
    memcpy (buffer.data + 16, plaintext, length);
  fz_put_u32le (buffer.data, 4);
  fz_put_u32le (buffer.data + 4, keypair->remote_index);
  fz_put_u64le (buffer.data + 8, op.counter);
  fz_aead_seal (aead, keypair->send_key, &op, 1);
  fz_aead_free (aead);
  g_assert_true (fz_socket_address_parse ("192.0.2.1:40000", &buffer.from));
  push_buffers (f, &f->gateway, &buffer, 1);
}

static void
test_inner (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  TestPacket packet = upload ();
  size_t length = test_packet_build (&packet, bytes);
  gsize received_length;

  memset (bytes + length, 0, 12); /* padded to 16: trimmed */
  send_raw (f, bytes, (length + 15) / 16 * 16, 0);
  g_assert_cmpuint (f->received->len, ==, 1);
  g_bytes_get_data (f->received->pdata[0], &received_length);
  g_assert_cmpuint (received_length, ==, length);

  send_raw (f, bytes, length - 1, 0);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_TRUNCATED), ==, 1);
  bytes[0] = 0x75;
  send_raw (f, bytes, length, 0);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_BAD_VERSION), ==, 1);

  packet = upload ();
  packet.payload = 1241; /* 1281 bytes, a datagram of 1313 */
  send_raw (f, bytes, test_packet_build (&packet, bytes), 0);
  packet.payload = 1400;
  send_raw (f, bytes, test_packet_build (&packet, bytes), 0);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_TOO_LARGE), ==, 2);
  g_assert_cmpuint (f->received->len, ==, 1);
}

static void
test_ecn (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];

  for (uint8_t inner = 0; inner < 4; inner++) {
    for (uint8_t outer = 0; outer < 4; outer++) {
      TestPacket packet = upload ();
      const uint8_t *received;

      packet.traffic_class = inner;
      g_ptr_array_set_size (f->received, 0);
      send_raw (f, bytes, test_packet_build (&packet, bytes), outer);
      g_assert_cmpuint (f->received->len, ==, 1);
      received = g_bytes_get_data (f->received->pdata[0], NULL);
      g_assert_cmpuint (received[1] & 3, ==, outer == 3 && inner != 0 ? 3 : inner);
      g_assert_cmphex (fz_checksum_sum (received, 20), ==, 0xffff);
    }
  }
}

/* One turn of the gateway: @n super-packets as buffers that have waited for @sojourn_ns each. */
static void
receive_late (Fixture *f, const TestPacket *packet, size_t n, uint64_t sojourn_ns)
{
  FzUdpBuffer buffers[FZ_RX_BATCH];
  size_t n_buffers;

  for (size_t i = 0; i < n; i++)
    g_assert_cmpuint (push_packet (&f->client, packet, 1000, f->now), ==, 1);
  n_buffers = take_buffers (f, &f->client, "192.0.2.1:40000", buffers);
  g_assert_cmpuint (n_buffers, >=, n);
  for (size_t i = 0; i < n_buffers; i++)
    buffers[i].sojourn_ns = sojourn_ns;
  push_buffers (f, &f->gateway, buffers, n_buffers);
}

static guint
count_marked (const Fixture *f)
{
  guint n = 0;

  for (guint i = 0; i < f->received->len; i++) {
    gsize length;
    const uint8_t *bytes = g_bytes_get_data (f->received->pdata[i], &length);
    FzIpPacket view = test_parse (bytes, length);

    g_assert_true (fz_checksum_is_good (&view));
    n += fz_ip_packet_get_ecn (&view) == FZ_ECN_CE;
  }
  return n;
}

/* A queue before us that stands for 40 ms: one datagram is dropped, or marked if it may be. */
static void
test_codel (Fixture *f, gconstpointer data)
{
  for (uint8_t ecn = FZ_ECN_NOT_ECT; ecn < FZ_ECN_CE; ecn++) {
    const FzLaneCounters *counters = fz_lane_rx_get_counters (f->gateway.rx);
    uint64_t marks = atomic_load (&counters->marks);
    uint64_t drops = RX_DROPS (&f->gateway, FZ_DROP_CODEL);
    TestPacket packet = upload ();
    guint n_sent = 0;

    packet.payload = 50000; /* fifty segments: more than one train, so there is a backlog */
    packet.traffic_class = ecn;
    g_ptr_array_set_size (f->received, 0);
    receive_late (f, &packet, 2, 0);
    for (unsigned ms = 0; ms < 45; ms += 5, n_sent += 100) {
      g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_CODEL) - drops, ==, 0);
      g_assert_cmpuint (atomic_load (&counters->marks) - marks, ==, 0);
      f->now += 5 * FZ_MS;
      receive_late (f, &packet, 2, 3 * FZ_MS);
    }
    g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_CODEL) - drops, ==, ecn == 0 ? 1 : 0);
    g_assert_cmpuint (count_marked (f), ==, ecn == 0 ? 0 : 1);
    g_assert_cmpuint (atomic_load (&counters->marks) - marks, ==, ecn == 0 ? 0 : 1);
    g_assert_cmpuint (f->received->len, ==, n_sent + 100 - (ecn == 0 ? 1 : 0));
    f->now += FZ_S;
  }
}

/* The session that fills the queue is told, not one that has a little in it. */
static void
test_codel_tells_the_largest (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();

  packet.payload = 900;
  for (unsigned ms = 0; ms < 200; ms += 5) {
    g_autofree uint8_t *noise = g_malloc0 (64);
    FzUdpBuffer buffers[FZ_RX_BATCH];
    size_t n;

    fz_put_u32le (noise, FZ_WIREGUARD_DATA);
    fz_put_u32le (noise + 4, 4711 << 8);
    g_assert_cmpuint (push_packet (&f->client, &packet, 0, f->now), ==, 1);
    n = take_buffers (f, &f->client, "192.0.2.1:40000", buffers);
    buffers[n] = (FzUdpBuffer){ .data = g_malloc0 (60000), .length = 60000, .stride = 1000 };
    buffers[n].from = buffers[0].from;
    for (size_t at = 0; at < 60000; at += 1000)
      memcpy (buffers[n].data + at, noise, 64);
    buffers[n + 1] = buffers[0];
    buffers[n + 1].data = g_memdup2 (noise, 64);
    buffers[n + 1].length = 64;
    for (size_t i = 0; i < n + 2; i++)
      buffers[i].sojourn_ns = 5 * FZ_MS;
    push_buffers (f, &f->gateway, buffers, n + 2);
    f->now += 5 * FZ_MS;
  }
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_CODEL), ==, 0); /* unknown: dropped anyway */
  g_assert_cmpuint (f->received->len, ==, 40);
}

static void
test_to_engine (Fixture *f, gconstpointer data)
{
  static const uint8_t goodbye[48] = { 0x60, 0, 0, 0, 0, 8, 0xff, 0, [40] = 2 };
  static uint8_t bytes[TEST_PACKET_MAX];
  g_autofree FzLaneMessage *control = NULL, *refused = NULL, *spoofed = NULL;
  TestPacket packet = upload ();
  size_t length;

  send_raw (f, goodbye, sizeof goodbye, 0);
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED));
  control = take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_INNER);
  g_assert_cmpint (control->reason, ==, FZ_DROP_NONE);
  g_assert_cmpuint (control->connection_id, ==, GATEWAY_ID);
  g_assert_cmpuint (control->from.port, ==, 40000);
  g_assert_cmpmem (control->data, control->length, goodbye, sizeof goodbye);
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_ACTIVITY));

  set_policy (&f->gateway.peer->permissions, (const char *[]){ "10.3.0.0/16", NULL });
  length = test_packet_build (&packet, bytes);
  send_raw (f, bytes, length, 0);
  refused = take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_INNER);
  g_assert_cmpint (refused->reason, ==, FZ_DROP_NOT_ALLOWED);
  g_assert_cmpmem (refused->data, refused->length, bytes, length);

  packet.source = 77;
  send_raw (f, bytes, test_packet_build (&packet, bytes), 0);
  spoofed = take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_INNER);
  g_assert_cmpint (spoofed->reason, ==, FZ_DROP_UNKNOWN_SOURCE);
  g_assert_cmpuint (f->received->len, ==, 0);
}

/* Revoked in mid-flow: the very next packet is refused. */
static void
test_revocation (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();

  for (int i = 0; i < 3; i++) {
    push_packet (&f->client, &packet, 0, f->now);
    transfer (f, &f->client, &f->gateway);
  }
  g_assert_cmpuint (f->received->len, ==, 3);
  g_assert_cmpuint (atomic_load (&fz_lane_rx_get_counters (f->gateway.rx)->cache_hits), ==, 2);
  set_policy (&f->gateway.peer->permissions, (const char *[]){ NULL });
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 3);
}

static void
test_demultiplex (Fixture *f, gconstpointer data)
{
  uint8_t bytes[1500] = { 0 };
  static const struct {
    const char *why;
    uint8_t first[8];
    size_t length;
    FzDrop expected; /* FZ_DROP_NONE: to the engine */
  } cases[] = {
    { "initiation", { 1 }, 148, FZ_DROP_NONE },
    { "initiation, too long", { 1 }, 149, FZ_DROP_NOT_WIREGUARD },
    { "response", { 2 }, 92, FZ_DROP_NONE },
    { "cookie reply", { 3 }, 64, FZ_DROP_NONE },
    { "type 0", { 0 }, 148, FZ_DROP_NOT_WIREGUARD },
    { "STUN request", { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 20, FZ_DROP_NONE },
    { "STUN success", { 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 148, FZ_DROP_NONE },
    { "STUN without cookie", { 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43 }, 20, FZ_DROP_NOT_WIREGUARD },
    { "STUN, too short", { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 19, FZ_DROP_NOT_WIREGUARD },
    { "channel data", { 0x40, 1, 0, 4 }, 8, FZ_DROP_NONE },
    { "channel data, last number", { 0x4f, 0xff }, 4, FZ_DROP_NONE },
    { "beyond the channels", { 0x50 }, 8, FZ_DROP_NOT_WIREGUARD },
    { "channel data, too long", { 0x40, 1 }, 1317, FZ_DROP_TOO_LARGE },
    { "one byte", { 4 }, 1, FZ_DROP_NOT_WIREGUARD },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    uint64_t before = RX_DROPS (&f->gateway, cases[i].expected);

    memcpy (bytes, cases[i].first, 8);
    g_test_message ("%s", cases[i].why);
    push_datagram (f, &f->gateway, bytes, cases[i].length, "203.0.113.5:6");
    if (cases[i].expected == FZ_DROP_NONE) {
      g_autofree FzLaneMessage *message =
          take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_DATAGRAM);

      g_assert_cmpuint (message->from.port, ==, 6);
      g_assert_cmpmem (message->data, message->length, bytes, cases[i].length);
    } else {
      g_assert_cmpuint (RX_DROPS (&f->gateway, cases[i].expected), ==, before + 1);
    }
    g_assert_true (is_empty (f->gateway.rx_ring));
  }
}

static void
test_receive_ring_full (Fixture *f, gconstpointer data)
{
  uint8_t initiation[148] = { 1 };
  TestPacket packet = upload ();

  while (RX_DROPS (&f->gateway, FZ_DROP_QUEUE_FULL) == 0)
    push_datagram (f, &f->gateway, initiation, sizeof initiation, "203.0.113.5:6");
  while (fz_ring_reserve (f->gateway.rx_ring, 1) != NULL) /* to the last byte */
    fz_ring_commit (f->gateway.rx_ring);

  /* data goes on; what the engine could not be told is told later */
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 1);
  g_assert_false (atomic_load (&f->gateway.peer->is_watched));
  drain (f->gateway.rx_ring);
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway);
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED));
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_ACTIVITY));
}

/* -- stamps, confirmation, roaming -- */

static void
test_activity (Fixture *f, gconstpointer data)
{
  FzPeer *client = f->client.peer, *gateway = f->gateway.peer;
  FzKeypair *keypair = atomic_load (&gateway->receiving[1]);
  TestPacket packet = upload ();
  g_autofree FzLaneMessage *confirmed = NULL, *activity = NULL;
  uint8_t down[200];
  FzTunFrame frame;

  packet.payload = 3000;
  g_assert_false (atomic_load (&keypair->is_confirmed));
  push_packet (&f->client, &packet, 1000, f->now);
  transfer (f, &f->client, &f->gateway);

  g_assert_cmpuint (atomic_load (&client->sent_data_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&client->first_unanswered_sent_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&client->sent_packets), ==, 3);
  g_assert_cmpuint (atomic_load (&client->sent_bytes), ==, 3120);
  g_assert_cmpuint (atomic_load (&gateway->received_data_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&gateway->received_any_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_received_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&gateway->received_packets), ==, 3);
  g_assert_cmpuint (atomic_load (&gateway->received_bytes), ==, 3120);

  /* the engines hear of it once, and the gateway that the session works */
  g_assert_true (atomic_load (&client->is_watched));
  g_free (take_message (f->client.tx_ring, FZ_LANE_MESSAGE_ACTIVITY));
  confirmed = take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED);
  g_assert_cmpuint (confirmed->connection_id, ==, GATEWAY_ID);
  g_assert_cmpuint (confirmed->local_index, ==, GATEWAY_ID << 8 | 1);
  g_assert_true (atomic_load (&keypair->is_confirmed));
  activity = take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_ACTIVITY);
  g_assert_cmpuint (activity->connection_id, ==, GATEWAY_ID);

  f->now += FZ_S;
  push_packet (&f->client, &packet, 1000, f->now);
  transfer (f, &f->client, &f->gateway);
  g_assert_true (is_empty (f->client.tx_ring));
  g_assert_true (is_empty (f->gateway.rx_ring));
  g_assert_cmpuint (atomic_load (&client->sent_data_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&client->first_unanswered_sent_at), ==, f->now - FZ_S);

  /* the answer clears "unanswered" at both ends; an initiator's session needs no confirmation */
  packet = (TestPacket){ .source = 7, .destination = 1 };
  test_packet_build (&packet, down);
  down[13] = 1;
  down[17] = 0;
  frame = make_frame (down, 40, NULL);
  push_frames (&f->gateway, &frame, 1, f->now);
  free_frame (&frame);
  transfer (f, &f->gateway, &f->client);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_received_at), ==, 0);
  g_assert_cmpuint (atomic_load (&client->first_unanswered_sent_at), ==, 0);
  g_assert_true (is_empty (f->client.rx_ring));
}

static void
test_keepalive (Fixture *f, gconstpointer data)
{
  FzPeer *gateway = f->gateway.peer;

  atomic_store (&gateway->first_unanswered_sent_at, 5);
  send_raw (f, NULL, 0, 0);
  g_assert_cmpuint (f->received->len, ==, 0);
  g_assert_cmpuint (atomic_load (&gateway->received_any_at), ==, f->now);
  g_assert_cmpuint (atomic_load (&gateway->received_data_at), ==, 0);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_sent_at), ==, 0);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_received_at), ==, 0);
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED));
  g_assert_true (is_empty (f->gateway.rx_ring)); /* no activity: nothing to answer */
}

static void
test_roaming (Fixture *f, gconstpointer data)
{
  FzPeer *peer = f->gateway.peer;
  g_autofree FzLaneMessage *roamed = NULL;
  TestPacket packet = upload ();

  atomic_store (&peer->is_watched, true);
  atomic_store (&((FzKeypair *) atomic_load (&peer->receiving[1]))->is_confirmed, true);
  for (int i = 0; i < 4; i++) {
    FzUdpBuffer buffers[FZ_RX_BATCH];

    packet.sequence += 100;
    push_packet (&f->client, &packet, 0, f->now);
    for (size_t n = take_buffers (f, &f->client, "192.0.2.1:40000", buffers); n > 0; n--)
      g_free (buffers[n - 1].data);
  }

  push_wire (f, &f->gateway, 0, "203.0.113.9:1");
  g_assert_true (is_empty (f->gateway.rx_ring)); /* not a roaming peer */
  atomic_store (&peer->is_roaming, true);
  push_wire (f, &f->gateway, 2, "203.0.113.9:1");
  roamed = take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_ROAMED);
  g_assert_cmpuint (roamed->connection_id, ==, GATEWAY_ID);
  g_assert_cmpuint (roamed->from.port, ==, 1);
  push_wire (f, &f->gateway, 1, "198.51.100.1:7"); /* late: an old counter moves nothing */
  g_assert_true (is_empty (f->gateway.rx_ring));
  push_wire (f, &f->gateway, 3, "203.0.113.9:1"); /* said already */
  g_assert_true (is_empty (f->gateway.rx_ring));
  g_assert_cmpuint (f->received->len, ==, 4);

  set_endpoint (&f->gateway, "203.0.113.9:1"); /* the engine has moved it */
  packet.sequence += 100;
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway); /* from 192.0.2.1:40000 again */
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_ROAMED));
}

/* New keys in mid-flow: packets of both sessions are received, in order. */
static void
test_rekey (Fixture *f, gconstpointer data)
{
  TestPacket packet = upload ();

  for (unsigned i = 0; i < 4; i++) {
    if (i == 2) {
      add_session (&f->client, true, CLIENT_ID << 8 | 2, GATEWAY_ID << 8 | 2, f->now);
      add_session (&f->gateway, false, GATEWAY_ID << 8 | 2, CLIENT_ID << 8 | 2, f->now);
    }
    packet.sequence = i * 100;
    push_packet (&f->client, &packet, 0, f->now);
  }
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 4);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (
        fz_get_u32be ((const uint8_t *) g_bytes_get_data (f->received->pdata[i], NULL) + 24),
        ==,
        i * 100);
}

/* Nothing of arbitrary datagrams gets anywhere; the sanitizers watch. */
static void
test_garbage (Fixture *f, gconstpointer data)
{
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 8);
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < 20000; i++) {
    FzUdpBuffer buffer = { .length = (uint32_t) fz_rng_below (&rng, 3000),
                           .stride = (uint16_t) fz_rng_below (&rng, 200),
                           .ecn = (uint8_t) fz_rng_below (&rng, 4) };

    buffer.data = g_malloc (buffer.length);
    fz_rng_fill (&rng, buffer.data, buffer.length);
    for (uint32_t at = 0; at + 16 < buffer.length; at += MAX (buffer.stride, 1)) {
      fz_put_u32le (buffer.data + at, (uint32_t) fz_rng_below (&rng, 6));
      if (fz_rng_below (&rng, 2) != 0)
        fz_put_u32le (buffer.data + at + 4, GATEWAY_ID << 8 | 1);
    }
    push_buffers (f, &f->gateway, &buffer, 1);
    drain (f->gateway.rx_ring);
  }
  g_assert_cmpuint (f->received->len, ==, 0);
}

/* Fragments have no ports in reach: they cross where the resource has no filters, in order and
 * alone; where it has some, the gateway refuses them, whatever the client thinks. */
static void
test_fragments (Fixture *f, gconstpointer data)
{
  static const uint16_t pieces[] = { 0x2000, 0x2010, 0x0020 }; /* first, middle, last */
  static const FzFilter only_tcp = { .kind = FZ_FILTER_TCP, .port_last = 65535 };
  FzPolicyEntry entry = { .filters = &only_tcp, .n_filters = 1 };
  TestPacket packet = upload ();

  for (size_t i = 0; i < G_N_ELEMENTS (pieces); i++) {
    packet.fragment = pieces[i];
    push_packet (&f->client, &packet, 0, f->now);
    transfer (f, &f->client, &f->gateway);
    g_assert_cmpuint (f->received->len, ==, i + 1);
  }

  g_assert_true (fz_ip_network_parse (RESOURCE_NET, &entry.network));
  fz_policy_free ((FzPolicy *) atomic_exchange (&f->gateway.peer->permissions,
                                                (const FzPolicy *) fz_policy_new (&entry, 1)));
  drain (f->gateway.rx_ring);
  packet.fragment = pieces[1];
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, G_N_ELEMENTS (pieces));
  g_free (take_message (f->gateway.rx_ring, FZ_LANE_MESSAGE_INNER));
}

/* A bare peer: cryptokey routing, fragments and control-like packets are just packets. */
static void
test_bare (Fixture *f, gconstpointer data)
{
  static const uint8_t odd[48] = { 0x60, 0, 0, 0, 0, 8, 0xff, 0, [40] = 2 };
  TestPacket packet = upload ();

  publish (&f->client, FZ_ROLE_BARE, CLIENT_IP, CLIENT_IP6, (const char *[]){ RESOURCE_NET, NULL });
  publish (&f->gateway, FZ_ROLE_BARE, GATEWAY_IP, "fd09::1", (const char *[]){ CLIENT_IP, NULL });
  packet.fragment = 0x2000;
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway);
  g_assert_cmpuint (f->received->len, ==, 1);

  packet = upload ();
  packet.source = 5; /* not in the peer's allowed addresses */
  push_packet (&f->client, &packet, 0, f->now);
  transfer (f, &f->client, &f->gateway);
  send_raw (f, odd, sizeof odd, 0);
  g_assert_cmpuint (f->received->len, ==, 1);
  g_assert_cmpuint (RX_DROPS (&f->gateway, FZ_DROP_UNKNOWN_SOURCE), ==, 2);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  ADD ("/lane/traffic/single", test_single);
  ADD ("/lane/traffic/super-packets", test_super_packets);
  ADD ("/lane/traffic/batch", test_batch);
  ADD ("/lane/traffic/relayed", test_relayed);
  ADD ("/lane/traffic/fragments", test_fragments);
  ADD ("/lane/traffic/rekey", test_rekey);
  ADD ("/lane/traffic/bare", test_bare);
  ADD ("/lane/transmit/drops", test_transmit_drops);
  ADD ("/lane/transmit/bad-among-good", test_bad_among_good);
  ADD ("/lane/transmit/no-session", test_no_session);
  ADD ("/lane/transmit/gateway-never-buffers", test_gateway_never_buffers);
  ADD ("/lane/transmit/order", test_order);
  ADD ("/lane/transmit/order-with-threads", test_order_with_threads);
  ADD ("/lane/transmit/ring-full", test_ring_full);
  ADD ("/lane/transmit/exhausted", test_exhausted);
  ADD ("/lane/receive/forgeries", test_forgeries);
  ADD ("/lane/receive/replay", test_replay);
  ADD ("/lane/receive/expired", test_expired);
  ADD ("/lane/receive/bad-in-buffer", test_bad_in_buffer);
  ADD ("/lane/receive/inner", test_inner);
  ADD ("/lane/receive/ecn", test_ecn);
  ADD ("/lane/receive/codel", test_codel);
  ADD ("/lane/receive/codel-largest", test_codel_tells_the_largest);
  ADD ("/lane/receive/to-engine", test_to_engine);
  ADD ("/lane/receive/revocation", test_revocation);
  ADD ("/lane/receive/demultiplex", test_demultiplex);
  ADD ("/lane/receive/ring-full", test_receive_ring_full);
  ADD ("/lane/receive/garbage", test_garbage);
  ADD ("/lane/peer/activity", test_activity);
  ADD ("/lane/peer/keepalive", test_keepalive);
  ADD ("/lane/peer/roaming", test_roaming);
  return g_test_run ();
}
