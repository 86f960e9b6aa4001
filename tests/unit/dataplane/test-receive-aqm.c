/* test-receive-aqm.c: fz-receive-aqm.h, as a lane runs it: whom a standing queue in the socket
 * costs */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-wireguard.h"
#include "tests/unit/dataplane/lane-bed.h"

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/lane/receive/codel", test_codel);
  BED_ADD ("/lane/receive/codel-largest", test_codel_tells_the_largest);
  return g_test_run ();
}
