/* test-lane-tx.c: the way out: refusals, what the engine is handed, and the order of a flow */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-wireguard.h"
#include "tests/unit/dataplane/lane-bed.h"

static void
test_transmit_drops (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();
  static uint8_t bytes[TEST_PACKET_MAX];
  const FzTrain *trains;
  FzTunFrame frame;
  size_t length;

  packet.source = 99;
  g_assert_cmpuint (bed_push_packet (&bed->client, &packet, 0, bed->now), ==, 1);
  g_assert_cmpuint (bed_tx_drops (&bed->client, FZ_DROP_NOT_TUNNEL_SOURCE), ==, 1);

  packet = bed_upload ();
  packet.payload = 1241;
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  g_assert_cmpuint (bed_tx_drops (&bed->client, FZ_DROP_TOO_LARGE), ==, 1);

  packet.payload = 5000; /* a refused super-packet counts for all its packets */
  packet.source = 98;
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  g_assert_cmpuint (bed_tx_drops (&bed->client, FZ_DROP_NOT_TUNNEL_SOURCE), ==, 6);

  packet = bed_upload ();
  length = test_packet_build (&packet, bytes);
  frame = bed_make_frame (bytes, length - 1, NULL);
  bed_push_frames (&bed->client, &frame, 1, bed->now);
  bed_free_frame (&frame);
  g_assert_cmpuint (bed_tx_drops (&bed->client, FZ_DROP_TRUNCATED), ==, 1);

  g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 0);
  g_assert_true (bed_is_empty (bed->client.tx_ring));
}

/* One bad frame never costs another. */
static void
test_bad_among_good (Bed *bed, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  FzTunFrame frames[N_BATCH];

  for (size_t i = 0; i < N_BATCH; i++) {
    TestPacket packet = bed_upload ();
    size_t length = test_packet_build (&packet, bytes);

    if (i % 2 != 0)
      bytes[0] = 0xff;
    frames[i] = bed_make_frame (bytes, length, NULL);
  }
  g_assert_cmpuint (bed_push_frames (&bed->client, frames, N_BATCH, bed->now), ==, N_BATCH);
  for (size_t i = 0; i < N_BATCH; i++)
    bed_free_frame (&frames[i]);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed->received->len, ==, N_BATCH / 2);
  g_assert_cmpuint (bed_tx_drops (&bed->client, FZ_DROP_BAD_VERSION), ==, N_BATCH / 2);
}

/* Without a usable session a client's packets go to the engine, cut; a gateway's are dropped. */
static void
test_no_session (Bed *bed, gconstpointer data)
{
  FzKeypair *keypair = atomic_exchange (&bed->client.peer->sending, NULL);
  TestPacket packet = bed_upload ();
  const FzTrain *trains;
  FzEndpoint nowhere = { 0 };

  packet.payload = 2500;
  for (int i = 0; i < 3; i++) {
    if (i == 1) { /* too old for an initiator, who stops 10 s before the peer forgets */
      atomic_store (&bed->client.peer->sending, keypair);
      bed->now += 170 * FZ_S;
    }
    if (i == 2) { /* no address */
      bed->now -= 170 * FZ_S;
      fz_peer_set_endpoint (bed->client.peer, &nowhere);
    }
    packet.sequence = (uint32_t) i;
    g_assert_cmpuint (bed_push_packet (&bed->client, &packet, 1000, bed->now), ==, 1);
    for (unsigned j = 0; j < 3; j++) {
      g_autofree FzLaneMessage *message =
          bed_take_message (bed->client.tx_ring, FZ_LANE_MESSAGE_PACKET);
      FzIpPacket view = test_parse (message->data, message->length);

      g_assert_cmpuint (message->length, ==, 40 + (j < 2 ? 1000 : 500));
      g_assert_true (fz_checksum_is_good (&view));
      g_assert_cmpuint (fz_get_u32be (message->data + 24), ==, i + j * 1000);
    }
    g_assert_true (bed_is_empty (bed->client.tx_ring));
  }
  g_assert_cmpuint (fz_lane_tx_take (bed->client.tx, &trains), ==, 0);
  g_assert_cmpuint (atomic_load (&fz_lane_tx_get_counters (bed->client.tx)->to_engine), ==, 9);
}

static void
test_gateway_never_buffers (Bed *bed, gconstpointer data)
{
  FzKeypair *keypair = atomic_exchange (&bed->gateway.peer->sending, NULL);
  FzTunFrame frame = bed_make_download ();
  const FzTrain *trains;

  g_assert_cmpuint (bed_push_frames (&bed->gateway, &frame, 1, bed->now), ==, 1);
  g_assert_cmpuint (bed_tx_drops (&bed->gateway, FZ_DROP_NO_SESSION), ==, 1);
  g_assert_true (bed_is_empty (bed->gateway.tx_ring));

  /* confirmed a moment ago, and the engine has not come round to publish it: the answer to the very
   * first packet leaves all the same */
  atomic_store (&keypair->is_confirmed, true);
  g_assert_cmpuint (bed_push_frames (&bed->gateway, &frame, 1, bed->now), ==, 1);
  g_assert_cmpuint (bed_tx_drops (&bed->gateway, FZ_DROP_NO_SESSION), ==, 1);
  g_assert_cmpuint (fz_lane_tx_take (bed->gateway.tx, &trains), ==, 1);
  atomic_store (&bed->gateway.peer->sending, keypair);

  /* a responder may send for 180 s */
  g_assert_cmpuint (bed_push_frames (&bed->gateway, &frame, 1, bed->now + 180 * FZ_S), ==, 1);
  g_assert_cmpuint (bed_tx_drops (&bed->gateway, FZ_DROP_NO_SESSION), ==, 2);
  g_assert_cmpuint (bed_push_frames (&bed->gateway, &frame, 1, bed->now + 180 * FZ_S - 1), ==, 1);
  g_assert_cmpuint (bed_tx_drops (&bed->gateway, FZ_DROP_NO_SESSION), ==, 2);
  bed_free_frame (&frame);
}

static void
test_ring_full (Bed *bed, gconstpointer data)
{
  TestPacket packet = bed_upload ();
  uint64_t n_pushed = 0, n_handed;

  atomic_exchange (&bed->client.peer->sending, NULL);
  packet.payload = 50000;
  while (bed_tx_drops (&bed->client, FZ_DROP_QUEUE_FULL) == 0) {
    g_assert_cmpuint (bed_push_packet (&bed->client, &packet, 1000, bed->now), ==, 1);
    n_pushed += 50;
  }
  n_handed = atomic_load (&fz_lane_tx_get_counters (bed->client.tx)->to_engine);
  g_assert_cmpuint (n_handed + bed_tx_drops (&bed->client, FZ_DROP_QUEUE_FULL), ==, n_pushed);
  bed_drain (bed->client.tx_ring);
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  g_assert_cmpuint (
      atomic_load (&fz_lane_tx_get_counters (bed->client.tx)->to_engine), ==, n_handed + 50);
}

static void
test_exhausted (Bed *bed, gconstpointer data)
{
  FzKeypair *keypair = atomic_load (&bed->client.peer->sending);
  g_autofree FzLaneMessage *message = NULL;
  TestPacket packet = bed_upload ();

  atomic_store (&bed->client.peer->is_watched, true);
  atomic_store (&keypair->send_counter, FZ_REKEY_AFTER_MESSAGES - 2);
  packet.payload = 5000;
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  message = bed_take_message (bed->client.tx_ring, FZ_LANE_MESSAGE_EXHAUSTED);
  g_assert_cmpuint (message->connection_id, ==, CLIENT_ID);
  g_assert_cmpuint (message->local_index, ==, CLIENT_ID << 8 | 1);
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  g_assert_true (bed_is_empty (bed->client.tx_ring)); /* said once */

  atomic_store (&keypair->send_counter, FZ_REJECT_AFTER_MESSAGES - 2);
  packet.payload = 10;
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_push_packet (&bed->client, &packet, 0, bed->now); /* one too many: no session */
  g_free (bed_take_message (bed->client.tx_ring, FZ_LANE_MESSAGE_PACKET));
}

/* A turn in which the TUN has nothing. Returns: how many datagrams it has made */
static unsigned
emit_more (BedEnd *end, FzInstant now)
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
test_order (Bed *bed, gconstpointer data)
{
  FzKeypair *keypair = atomic_exchange (&bed->client.peer->sending, NULL);
  TestPacket packet = bed_upload (), other = bed_upload ();

  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  atomic_store (&bed->client.peer->sending, keypair); /* the engine has published a session */

  other.destination = 8;
  bed_push_packet (&bed->client, &other, 0, bed->now);
  g_assert_cmpuint (emit_more (&bed->client, bed->now), ==, 1);
  g_assert_false (fz_lane_tx_is_waiting (bed->client.tx));

  bed_push_packet (&bed->client, &packet, 0, bed->now);
  g_assert_cmpuint (emit_more (&bed->client, bed->now), ==, 0);
  g_assert_true (fz_lane_tx_is_waiting (bed->client.tx));
  g_assert_false (fz_lane_tx_has_work (bed->client.tx));
  g_free (bed_take_message (bed->client.tx_ring, FZ_LANE_MESSAGE_PACKET));
  g_assert_true (fz_lane_tx_is_waiting (bed->client.tx)); /* one more is outstanding */
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_push_packet (&bed->client, &other, 0, bed->now);
  g_assert_cmpuint (emit_more (&bed->client, bed->now), ==, 1); /* the other flow's */
  g_free (bed_take_message (bed->client.tx_ring, FZ_LANE_MESSAGE_PACKET));
  g_assert_false (fz_lane_tx_is_waiting (bed->client.tx));
  g_assert_true (fz_lane_tx_has_work (bed->client.tx));
  g_assert_cmpuint (emit_more (&bed->client, bed->now), ==, 2);
  g_assert_false (fz_lane_tx_has_work (bed->client.tx));
}

/* -- order with a real engine thread: sessions come and go at any time -- */

#define N_ORDERED 20000u

typedef struct {
  Bed *bed;
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
  FzPeer *peer = ordered->bed->client.peer;
  FzRing *ring = ordered->bed->client.tx_ring;
  size_t length;

  for (unsigned turn = 0; !atomic_load (&ordered->is_stopped) || !bed_is_empty (ring); turn++) {
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
get_staged (const BedEnd *end)
{
  return atomic_load (&fz_lane_tx_get_staging (end->tx)->queue->items);
}

static void
test_order_with_threads (Bed *bed, gconstpointer data)
{
  Ordered ordered = { .bed = bed, .keypair = atomic_exchange (&bed->client.peer->sending, NULL) };
  TestPacket packet = bed_upload ();
  uint32_t n_pushed = 0, n_direct = 0;
  GThread *engine = NULL;

  g_mutex_init (&ordered.mutex);
  while (n_pushed < N_ORDERED || n_direct == 0) {
    const FzTrain *trains;
    size_t n_trains;

    if (n_pushed == 1) /* the first one had no session */
      engine = g_thread_new ("engine", run_engine, &ordered);
    if (n_pushed % 1024 == 0) /* keep the ring from filling up, which is another test */
      while (!fz_ring_is_consumed (bed->client.tx_ring, fz_ring_position (bed->client.tx_ring)))
        g_thread_yield ();
    packet.sequence = n_pushed;
    bed_push_packet (&bed->client, &packet, 0, bed->now);
    while (get_staged (&bed->client) > 0) {
      g_thread_yield ();
      fz_lane_tx_begin (bed->client.tx, bed->now);
      fz_lane_tx_emit (bed->client.tx, SIZE_MAX);
    }
    n_trains = fz_lane_tx_take (bed->client.tx, &trains);
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
  g_assert_cmpuint (ordered.n_by_engine, >, 0);
  g_assert_cmpuint (bed_tx_drops (&bed->client, FZ_DROP_QUEUE_FULL), ==, 0);
  g_mutex_clear (&ordered.mutex);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/lane/transmit/drops", test_transmit_drops);
  BED_ADD ("/lane/transmit/bad-among-good", test_bad_among_good);
  BED_ADD ("/lane/transmit/no-session", test_no_session);
  BED_ADD ("/lane/transmit/gateway-never-buffers", test_gateway_never_buffers);
  BED_ADD ("/lane/transmit/order", test_order);
  BED_ADD ("/lane/transmit/order-with-threads", test_order_with_threads);
  BED_ADD ("/lane/transmit/ring-full", test_ring_full);
  BED_ADD ("/lane/transmit/exhausted", test_exhausted);
  return g_test_run ();
}
