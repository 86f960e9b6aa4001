/* test-lane.c: fz-lane.h, both halves: what crosses from one TUN to the other, and in which shape
 */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-checksum.h"
#include "tests/unit/dataplane/lane-bed.h"

static void
test_single (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();
  uint8_t expected[200];
  size_t length = test_packet_build (&packet, expected);
  gsize received_length;
  gconstpointer received;

  g_assert_cmpuint (bed_push_packet (&bed->client, &packet, 0, bed->now), ==, 1);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 1);
  received = g_bytes_get_data (bed->received->pdata[0], &received_length);
  g_assert_cmpmem (received, received_length, expected, length);

  /* on the wire: WireGuard's data message, no padding */
  g_assert_cmpuint (bed->wire->len, ==, 1);
  received = g_bytes_get_data (bed->wire->pdata[0], &received_length);
  g_assert_cmpuint (received_length, ==, length + 32);
  g_assert_cmphex (fz_get_u32le (received), ==, 4);
  g_assert_cmphex (fz_get_u32le ((const uint8_t *) received + 4), ==, GATEWAY_ID << 8 | 1);
  g_assert_cmphex (fz_get_u64le ((const uint8_t *) received + 8), ==, 0);
}

/* TCP super-packets of both families, both ways, come out as the very packets TCP would have made.
 */
static void
test_super_packets (Bed *bed, gconstpointer data)
{
  for (int is_v6 = 0; is_v6 < 2; is_v6++) {
    for (int is_up = 0; is_up < 2; is_up++) {
      BedEnd *from = is_up ? &bed->client : &bed->gateway,
             *to = is_up ? &bed->gateway : &bed->client;
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
      g_ptr_array_set_size (bed->received, 0);
      packet.payload = 60000;
      if (is_up) {
        g_assert_cmpuint (bed_push_packet (from, &packet, gso_size, bed->now), ==, 1);
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
        frame = bed_make_frame (bytes, length, &vnet);
        g_assert_cmpuint (bed_push_frames (from, &frame, 1, bed->now), ==, 1);
        bed_free_frame (&frame);
      }
      bed_transfer (bed, from, to);

      g_assert_cmpuint (bed->received->len, ==, (60000 + gso_size - 1) / gso_size);
      for (guint i = 0; i < bed->received->len; i++) {
        gsize length;
        const uint8_t *bytes = g_bytes_get_data (bed->received->pdata[i], &length);
        FzIpPacket view = test_parse (bytes, length);
        const uint8_t *tcp = fz_ip_packet_get_transport (&view);

        g_assert_true (fz_checksum_is_good (&view));
        g_assert_cmpuint (fz_get_u32be (tcp + 4), ==, 5 + i * gso_size);
        g_assert_cmphex (tcp[13], ==, i + 1 < bed->received->len ? 0x10 : 0x18);
        g_assert_cmpuint (fz_ip_packet_get_ecn (&view), ==, 2);
        if (!is_v6)
          g_assert_cmpuint (fz_get_u16be (bytes + 4), ==, 3 + i);
        for (size_t j = 32; j < fz_ip_packet_get_transport_length (&view); j++)
          g_assert_cmphex (tcp[j], ==, test_payload_byte (0, sent++));
      }
      g_assert_cmpuint (sent, ==, 60000);
    }
  }
  g_assert_cmpuint (atomic_load (&fz_lane_rx_get_counters (bed->gateway.rx)->super_packets), ==, 2);
  g_assert_cmpuint (atomic_load (&fz_lane_rx_get_counters (bed->gateway.rx)->lengths[4]), ==, 2);
}

/* A full batch of super-packets: more than one round of trains, every byte in order. */
static void
test_batch (Bed *bed, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  FzTunFrame frames[N_BATCH];
  uint32_t next = 0;

  for (size_t i = 0; i < N_BATCH; i++) {
    TestPacket packet = bed_upload ();
    FzVnetHeader vnet;
    size_t length;

    packet.payload = 65000;
    packet.sequence = (uint32_t) (i * 65000);
    length = test_packet_build_super (&packet, 36, bytes, &vnet); /* 1806 tiny segments each */
    frames[i] = bed_make_frame (bytes, length, &vnet);
  }
  g_assert_cmpuint (bed_stage_frames (&bed->client, frames, N_BATCH, bed->now), ==, N_BATCH);
  while (fz_lane_tx_has_work (bed->client.tx)) {
    const FzTrain *trains;
    size_t n_trains;

    g_assert_cmpuint (fz_lane_tx_emit (bed->client.tx, SIZE_MAX), >, 0); /* progress */
    g_assert_false (fz_lane_tx_is_waiting (bed->client.tx));
    n_trains = fz_lane_tx_take (bed->client.tx, &trains);
    g_assert_cmpuint (n_trains, <=, FZ_TRAINS_MAX);
    for (size_t i = 0; i < n_trains; i++) {
      FzUdpBuffer buffer = { .data = g_memdup2 (trains[i].data, trains[i].length),
                             .length = trains[i].length,
                             .stride = trains[i].segment_size };

      bed_push_buffers (bed, &bed->gateway, &buffer, 1);
    }
    g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 0); /* only once */
  }
  for (size_t i = 0; i < N_BATCH; i++)
    bed_free_frame (&frames[i]);
  g_assert_cmpuint (bed->received->len, ==, N_BATCH * 1806);
  for (guint i = 0; i < bed->received->len; i++) {
    const uint8_t *packet = g_bytes_get_data (bed->received->pdata[i], NULL);

    g_assert_cmpuint (fz_get_u32be (packet + 24), ==, next);
    next += fz_get_u16be (packet + 2) - 40u;
  }
}

static void
test_relayed (Bed *bed, gconstpointer data)
{
  FzEndpoint endpoint = { .channel = 0x4001 };
  TestPacket packet = bed_upload ();
  const FzTrain *trains;

  g_assert_true (fz_socket_address_parse ("198.51.100.1:3478", &endpoint.remote));
  fz_peer_set_endpoint (bed->client.peer, &endpoint);
  packet.payload = 5000;
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 1);
  g_assert_cmpuint (trains[0].segment_size, ==, 1000 + 40 + 32 + 4);
  for (unsigned i = 0; i < 5; i++) {
    const uint8_t *at = trains[0].data + (size_t) i * trains[0].segment_size;

    g_assert_cmphex (fz_get_u16be (at), ==, 0x4001);
    g_assert_cmpuint (fz_get_u16be (at + 2), ==, 1072);
    /* bare, as from a peer that a relay forwards to, or in the frame, as from a relay */
    if (i % 2 == 0)
      bed_push_datagram (bed, &bed->gateway, at + 4, 1072, "192.0.2.1:1");
    else
      bed_push_datagram (bed, &bed->gateway, at, 1076, "198.51.100.1:3478");
  }
  g_assert_cmpuint (bed->received->len, ==, 5);
  bed_drain (bed->gateway.rx_ring);

  /* a whole train in one buffer, each datagram in its frame: one run, and nothing for the engine */
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 1);
  {
    FzUdpBuffer buffer = { .data = g_memdup2 (trains[0].data, trains[0].length),
                           .length = trains[0].length,
                           .stride = trains[0].segment_size };
    uint64_t n_runs = atomic_load (&fz_lane_rx_get_counters (bed->gateway.rx)->super_packets);

    g_assert_true (fz_socket_address_parse ("198.51.100.1:3478", &buffer.from));
    bed_push_buffers (bed, &bed->gateway, &buffer, 1);
    g_assert_cmpuint (bed->received->len, ==, 10);
    g_assert_cmpuint (
        atomic_load (&fz_lane_rx_get_counters (bed->gateway.rx)->super_packets), ==, n_runs + 1);
  }
  bed_drain (bed->gateway.rx_ring);

  /* a frame whose length is not that of the datagram is the engine's affair */
  bed_push_datagram (bed, &bed->gateway, trains[0].data, 1075, "198.51.100.1:3478");
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_DATAGRAM));
}

/* Fragments have no ports in reach: they cross where the resource has no filters, in order and
 * alone; where it has some, the gateway refuses them, whatever the client thinks. */
static void
test_fragments (Bed *bed, gconstpointer data)
{
  static const uint16_t pieces[] = { 0x2000, 0x2010, 0x0020 }; /* first, middle, last */
  static const FzFilter only_tcp = { .kind = FZ_FILTER_TCP, .port_last = 65535 };
  FzPolicyEntry entry = { .filters = &only_tcp, .n_filters = 1 };
  TestPacket packet = bed_upload ();

  for (size_t i = 0; i < G_N_ELEMENTS (pieces); i++) {
    packet.fragment = pieces[i];
    bed_push_packet (&bed->client, &packet, 0, bed->now);
    bed_transfer (bed, &bed->client, &bed->gateway);
    g_assert_cmpuint (bed->received->len, ==, i + 1);
  }

  g_assert_true (fz_ip_network_parse (RESOURCE_NET, &entry.network));
  fz_policy_free ((FzPolicy *) atomic_exchange (&bed->gateway.peer->permissions,
                                                (const FzPolicy *) fz_policy_new (&entry, 1)));
  bed_drain (bed->gateway.rx_ring);
  packet.fragment = pieces[1];
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, G_N_ELEMENTS (pieces));
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_INNER));
}

/* New keys in mid-flow: packets of both sessions are received, in order. */
static void
test_rekey (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();

  for (unsigned i = 0; i < 4; i++) {
    if (i == 2) {
      bed_add_session (&bed->client, true, CLIENT_ID << 8 | 2, GATEWAY_ID << 8 | 2, bed->now);
      bed_add_session (&bed->gateway, false, GATEWAY_ID << 8 | 2, CLIENT_ID << 8 | 2, bed->now);
    }
    packet.sequence = i * 100;
    bed_push_packet (&bed->client, &packet, 0, bed->now);
  }
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 4);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (
        fz_get_u32be ((const uint8_t *) g_bytes_get_data (bed->received->pdata[i], NULL) + 24),
        ==,
        i * 100);
}

/* A bare peer: cryptokey routing, fragments and control-like packets are just packets. */
static void
test_bare (Bed *bed, gconstpointer data)
{
  static const uint8_t odd[48] = { 0x60, 0, 0, 0, 0, 8, 0xff, 0, [40] = 2 };
  TestPacket packet = bed_upload ();

  bed_publish (
      &bed->client, FZ_ROLE_BARE, CLIENT_IP, CLIENT_IP6, (const char *[]){ RESOURCE_NET, NULL });
  bed_publish (
      &bed->gateway, FZ_ROLE_BARE, GATEWAY_IP, "fd09::1", (const char *[]){ CLIENT_IP, NULL });
  packet.fragment = 0x2000;
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 1);

  packet = bed_upload ();
  packet.source = 5; /* not in the peer's allowed addresses */
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  bed_send_raw (bed, odd, sizeof odd, 0);
  g_assert_cmpuint (bed->received->len, ==, 1);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_UNKNOWN_SOURCE), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/lane/traffic/single", test_single);
  BED_ADD ("/lane/traffic/super-packets", test_super_packets);
  BED_ADD ("/lane/traffic/batch", test_batch);
  BED_ADD ("/lane/traffic/relayed", test_relayed);
  BED_ADD ("/lane/traffic/fragments", test_fragments);
  BED_ADD ("/lane/traffic/rekey", test_rekey);
  BED_ADD ("/lane/traffic/bare", test_bare);
  return g_test_run ();
}
