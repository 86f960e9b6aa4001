/* test-lane-rx.c: the way in: what is refused, what is put right, what goes to the engine */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-checksum.h"
#include "tests/unit/dataplane/lane-bed.h"

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
test_forgeries (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();
  const FzTrain *trains;
  g_autofree uint8_t *good = NULL;
  size_t length;

  bed_push_packet (&bed->client, &packet, 0, bed->now);
  g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 1);
  length = trains[0].length;
  good = g_memdup2 (trains[0].data, length);
  for (size_t i = 0; i < G_N_ELEMENTS (forgeries); i++) {
    const Forgery *forgery = &forgeries[i];
    g_autofree uint8_t *bad = g_memdup2 (good, length);
    uint64_t before = bed_rx_drops (&bed->gateway, forgery->expected);
    size_t cut = forgery->length > 0   ? (size_t) forgery->length
                 : forgery->length < 0 ? length - 1
                                       : length;

    bad[forgery->at] ^= forgery->change;
    g_test_message ("%s", forgery->why);
    bed_push_datagram (bed, &bed->gateway, bad, cut, "203.0.113.1:9");
    g_assert_cmpuint (bed_rx_drops (&bed->gateway, forgery->expected), ==, before + 1);
    g_assert_cmpuint (bed->received->len, ==, 0);
  }
  g_assert_true (
      bed_is_empty (bed->gateway.rx_ring)); /* nothing of it confirms or moves anything */
  g_assert_cmpuint (atomic_load (&bed->gateway.peer->received_any_at), ==, 0);

  bed_push_datagram (
      bed, &bed->gateway, good, length, CLIENT_ADDRESS); /* and the real one passes */
  g_assert_cmpuint (bed->received->len, ==, 1);
}

static void
test_replay (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();

  packet.payload = 5000;
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 5);
  for (guint i = 0; i < 5; i++)
    bed_push_wire (bed, &bed->gateway, i, CLIENT_ADDRESS);
  g_assert_cmpuint (bed->received->len, ==, 5);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_REPLAY), ==, 5);

  /* twice in one buffer: the second is caught after opening */
  bed_push_packet (&bed->client, &packet, 0, bed->now + 1); /* refused: above the MTU */
  packet.payload = 10;
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  {
    const FzTrain *trains;
    FzUdpBuffer buffer;

    g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 1);
    buffer = (FzUdpBuffer){ .data = g_malloc (2 * trains[0].length),
                            .length = 2 * trains[0].length,
                            .stride = (uint16_t) trains[0].length };
    memcpy (buffer.data, trains[0].data, trains[0].length);
    memcpy (buffer.data + trains[0].length, trains[0].data, trains[0].length);
    bed_push_buffers (bed, &bed->gateway, &buffer, 1);
  }
  g_assert_cmpuint (bed->received->len, ==, 6);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_REPLAY), ==, 6);
}

static void
test_expired (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();

  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed->now += 180 * FZ_S;
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 0);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_EXPIRED_KEY), ==, 1);
}

/* Corrupted and good datagrams in one GRO buffer: only the bad ones are lost. */
static void
test_bad_in_buffer (Bed *bed, gconstpointer data)
{
  FzUdpBuffer buffers[FZ_RX_BATCH];
  TestPacket packet = bed_upload ();
  size_t n;

  packet.payload = 40000;
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  n = bed_take_buffers (bed, &bed->client, CLIENT_ADDRESS, buffers);
  g_assert_cmpuint (n, ==, 1);
  for (unsigned i = 0; i < 40; i += 7) /* 6 of them */
    buffers[0].data[i * buffers[0].stride + 50] ^= 1;
  bed_push_buffers (bed, &bed->gateway, buffers, n);
  g_assert_cmpuint (bed->received->len, ==, 34);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_BAD_TAG), ==, 6);
}

static void
test_inner (Bed *bed, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  TestPacket packet = bed_upload ();
  size_t length = test_packet_build (&packet, bytes);
  gsize received_length;

  memset (bytes + length, 0, 12); /* padded to 16: trimmed */
  bed_send_raw (bed, bytes, (length + 15) / 16 * 16, 0);
  g_assert_cmpuint (bed->received->len, ==, 1);
  g_bytes_get_data (bed->received->pdata[0], &received_length);
  g_assert_cmpuint (received_length, ==, length);

  bed_send_raw (bed, bytes, length - 1, 0);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_TRUNCATED), ==, 1);
  bytes[0] = 0x75;
  bed_send_raw (bed, bytes, length, 0);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_BAD_VERSION), ==, 1);

  packet = bed_upload ();
  packet.payload = 1241; /* 1281 bytes, a datagram of 1313 */
  bed_send_raw (bed, bytes, test_packet_build (&packet, bytes), 0);
  packet.payload = 1400;
  bed_send_raw (bed, bytes, test_packet_build (&packet, bytes), 0);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_TOO_LARGE), ==, 2);
  g_assert_cmpuint (bed->received->len, ==, 1);
}

static void
test_ecn (Bed *bed, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];

  for (uint8_t inner = 0; inner < 4; inner++) {
    for (uint8_t outer = 0; outer < 4; outer++) {
      TestPacket packet = bed_upload ();
      const uint8_t *received;

      packet.traffic_class = inner;
      g_ptr_array_set_size (bed->received, 0);
      bed_send_raw (bed, bytes, test_packet_build (&packet, bytes), outer);
      g_assert_cmpuint (bed->received->len, ==, 1);
      received = g_bytes_get_data (bed->received->pdata[0], NULL);
      g_assert_cmpuint (received[1] & 3, ==, outer == 3 && inner != 0 ? 3 : inner);
      g_assert_cmphex (fz_checksum_sum (received, 20), ==, 0xffff);
    }
  }
}

static void
test_to_engine (Bed *bed, gconstpointer data)
{
  static const uint8_t goodbye[48] = { 0x60, 0, 0, 0, 0, 8, 0xff, 0, [40] = 2 };
  static uint8_t bytes[TEST_PACKET_MAX];
  g_autofree FzLaneMessage *control = NULL, *refused = NULL, *spoofed = NULL;
  TestPacket packet = bed_upload ();
  size_t length;

  bed_send_raw (bed, goodbye, sizeof goodbye, 0);
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED));
  control = bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_INNER);
  g_assert_cmpint (control->reason, ==, FZ_DROP_NONE);
  g_assert_cmpuint (control->connection_id, ==, GATEWAY_ID);
  g_assert_cmpuint (control->from.port, ==, 40000);
  g_assert_cmpmem (control->data, control->length, goodbye, sizeof goodbye);
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_ACTIVITY));

  bed_set_policy (&bed->gateway.peer->permissions, (const char *[]){ "10.3.0.0/16", NULL });
  length = test_packet_build (&packet, bytes);
  bed_send_raw (bed, bytes, length, 0);
  refused = bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_INNER);
  g_assert_cmpint (refused->reason, ==, FZ_DROP_NOT_ALLOWED);
  g_assert_cmpmem (refused->data, refused->length, bytes, length);

  packet.source = 77;
  bed_send_raw (bed, bytes, test_packet_build (&packet, bytes), 0);
  spoofed = bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_INNER);
  g_assert_cmpint (spoofed->reason, ==, FZ_DROP_UNKNOWN_SOURCE);
  g_assert_cmpuint (bed->received->len, ==, 0);
}

/* Revoked in mid-flow: the very next packet is refused. */
static void
test_revocation (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();

  for (int i = 0; i < 3; i++) {
    bed_push_packet (&bed->client, &packet, 0, bed->now);
    bed_transfer (bed, &bed->client, &bed->gateway);
  }
  g_assert_cmpuint (bed->received->len, ==, 3);
  g_assert_cmpuint (atomic_load (&fz_lane_rx_get_counters (bed->gateway.rx)->cache_hits), ==, 2);
  bed_set_policy (&bed->gateway.peer->permissions, (const char *[]){ NULL });
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 3);
}

static void
test_demultiplex (Bed *bed, gconstpointer data)
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
    uint64_t before = bed_rx_drops (&bed->gateway, cases[i].expected);

    memcpy (bytes, cases[i].first, 8);
    g_test_message ("%s", cases[i].why);
    bed_push_datagram (bed, &bed->gateway, bytes, cases[i].length, "203.0.113.5:6");
    if (cases[i].expected == FZ_DROP_NONE) {
      g_autofree FzLaneMessage *message =
          bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_DATAGRAM);

      g_assert_cmpuint (message->from.port, ==, 6);
      g_assert_cmpmem (message->data, message->length, bytes, cases[i].length);
    } else {
      g_assert_cmpuint (bed_rx_drops (&bed->gateway, cases[i].expected), ==, before + 1);
    }
    g_assert_true (bed_is_empty (bed->gateway.rx_ring));
  }
}

/* Answers to checks, directly or through a relay, may wait; when something else comes, or much of
 * them, they may not. */
static void
test_news (Bed *bed, gconstpointer data)
{
  static const struct {
    uint8_t bytes[40];
    size_t length;
    FzLaneNews expected;
  } cases[] = {
    { { 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 20, FZ_LANE_NEWS_ANSWERS },
    { { 0x40, 1, 0, 20, 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 24, FZ_LANE_NEWS_ANSWERS },
    { { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 20, FZ_LANE_NEWS_URGENT },    /* a request */
    { { 1, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 20, FZ_LANE_NEWS_URGENT }, /* an error */
    { { 1, 4, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 20, FZ_LANE_NEWS_URGENT },    /* a relay's refresh */
    { { 0x40, 1, 0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 24, FZ_LANE_NEWS_URGENT },
    { { 0x40, 1, 0, 4 }, 8, FZ_LANE_NEWS_URGENT },
    { { 0x50 }, 8, FZ_LANE_NEWS_NONE }, /* dropped */
  };
  size_t n_waiting = 0;
  uint8_t bytes[40];

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("case %zu", i);
    memcpy (bytes, cases[i].bytes, sizeof bytes);
    bed_push_datagram (bed, &bed->gateway, bytes, cases[i].length, "203.0.113.5:6");
    g_assert_cmpint (fz_lane_rx_get_news (bed->gateway.rx), ==, cases[i].expected);
    if (cases[i].expected != FZ_LANE_NEWS_NONE) {
      g_autofree FzLaneMessage *message =
          bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_DATAGRAM);

      g_assert_cmpuint (
          message->answered_at, ==, cases[i].expected == FZ_LANE_NEWS_ANSWERS ? bed->now : 0);
    }
  }

  do {
    memcpy (bytes, cases[0].bytes, sizeof bytes);
    bed_push_datagram (bed, &bed->gateway, bytes, cases[0].length, "203.0.113.5:6");
    n_waiting++;
  } while (fz_lane_rx_get_news (bed->gateway.rx) == FZ_LANE_NEWS_ANSWERS);
  g_assert_cmpuint (n_waiting, >, 50);
  g_assert_cmpuint (
      bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL), ==, 0); /* there is room yet */
}

static void
test_receive_ring_full (Bed *bed, gconstpointer data)
{
  uint8_t request[148] = { 0, 1, 0, 128, 0x21, 0x12, 0xa4, 0x42 }; /* STUN */
  TestPacket packet = bed_upload ();

  while (bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL) == 0)
    bed_push_datagram (bed, &bed->gateway, request, sizeof request, "203.0.113.5:6");
  while (fz_ring_reserve (bed->gateway.rx_ring, 1) != NULL) /* to the last byte */
    fz_ring_commit (bed->gateway.rx_ring);

  /* data goes on; what the engine could not be told is told later */
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, 1);
  g_assert_false (atomic_load (&bed->gateway.peer->is_watched));
  bed_drain (bed->gateway.rx_ring);
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED));
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_ACTIVITY));
}

/* Nothing of arbitrary datagrams gets anywhere; the sanitizers watch. */
static void
test_garbage (Bed *bed, gconstpointer data)
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
    bed_push_buffers (bed, &bed->gateway, &buffer, 1);
    bed_drain (bed->gateway.rx_ring);
  }
  g_assert_cmpuint (bed->received->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/lane/receive/forgeries", test_forgeries);
  BED_ADD ("/lane/receive/replay", test_replay);
  BED_ADD ("/lane/receive/expired", test_expired);
  BED_ADD ("/lane/receive/bad-in-buffer", test_bad_in_buffer);
  BED_ADD ("/lane/receive/inner", test_inner);
  BED_ADD ("/lane/receive/ecn", test_ecn);
  BED_ADD ("/lane/receive/to-engine", test_to_engine);
  BED_ADD ("/lane/receive/revocation", test_revocation);
  BED_ADD ("/lane/receive/demultiplex", test_demultiplex);
  BED_ADD ("/lane/receive/news", test_news);
  BED_ADD ("/lane/receive/ring-full", test_receive_ring_full);
  BED_ADD ("/lane/receive/garbage", test_garbage);
  return g_test_run ();
}
