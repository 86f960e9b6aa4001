/* test-lane-peer.c: what a lane notes of its peer: stamps, the session confirmed, another address
 */

#include "src/crypto/fz-crypto.h"
#include "tests/unit/dataplane/lane-bed.h"

static void
test_activity (Bed *bed, gconstpointer data)
{
  FzPeer *client = bed->client.peer, *gateway = bed->gateway.peer;
  FzKeypair *keypair = atomic_load (&gateway->receiving[1]);
  TestPacket packet = bed_upload ();
  g_autofree FzLaneMessage *confirmed = NULL, *activity = NULL;
  FzTunFrame frame;

  packet.payload = 3000;
  g_assert_false (atomic_load (&keypair->is_confirmed));
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);

  g_assert_cmpuint (atomic_load (&client->sent_data_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&client->first_unanswered_sent_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&client->sent_packets), ==, 3);
  g_assert_cmpuint (atomic_load (&client->sent_bytes), ==, 3120);
  g_assert_cmpuint (atomic_load (&gateway->received_data_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&gateway->received_any_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_received_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&gateway->received_packets), ==, 3);
  g_assert_cmpuint (atomic_load (&gateway->received_bytes), ==, 3120);

  /* the engines hear of it once, and the gateway that the session works */
  g_assert_true (atomic_load (&client->is_watched));
  g_free (bed_take_message (bed->client.tx_ring, FZ_LANE_MESSAGE_ACTIVITY));
  confirmed = bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED);
  g_assert_cmpuint (confirmed->connection_id, ==, GATEWAY_ID);
  g_assert_cmpuint (confirmed->local_index, ==, GATEWAY_ID << 8 | 1);
  g_assert_true (atomic_load (&keypair->is_confirmed));
  activity = bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_ACTIVITY);
  g_assert_cmpuint (activity->connection_id, ==, GATEWAY_ID);

  bed->now += FZ_S;
  bed_push_packet (&bed->client, &packet, 1000, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_true (bed_is_empty (bed->client.tx_ring));
  g_assert_true (bed_is_empty (bed->gateway.rx_ring));
  g_assert_cmpuint (atomic_load (&client->sent_data_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&client->first_unanswered_sent_at), ==, bed->now - FZ_S);

  /* the answer clears "unanswered" at both ends; an initiator's session needs no confirmation */
  frame = bed_make_download ();
  bed_push_frames (&bed->gateway, &frame, 1, bed->now);
  bed_free_frame (&frame);
  bed_transfer (bed, &bed->gateway, &bed->client);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_received_at), ==, 0);
  g_assert_cmpuint (atomic_load (&client->first_unanswered_sent_at), ==, 0);
  g_assert_true (bed_is_empty (bed->client.rx_ring));
}

static void
test_keepalive (Bed *bed, gconstpointer data)
{
  FzPeer *gateway = bed->gateway.peer;

  atomic_store (&gateway->first_unanswered_sent_at, 5);
  bed_send_raw (bed, NULL, 0, 0);
  g_assert_cmpuint (bed->received->len, ==, 0);
  g_assert_cmpuint (atomic_load (&gateway->received_any_at), ==, bed->now);
  g_assert_cmpuint (atomic_load (&gateway->received_data_at), ==, 0);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_sent_at), ==, 0);
  g_assert_cmpuint (atomic_load (&gateway->first_unanswered_received_at), ==, 0);
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_CONFIRMED));
  g_assert_true (bed_is_empty (bed->gateway.rx_ring)); /* no activity: nothing to answer */
}

static void
test_roaming (Bed *bed, gconstpointer data)
{
  FzPeer *peer = bed->gateway.peer;
  g_autofree FzLaneMessage *roamed = NULL;
  TestPacket packet = bed_upload ();

  atomic_store (&peer->is_watched, true);
  atomic_store (&((FzKeypair *) atomic_load (&peer->receiving[1]))->is_confirmed, true);
  for (int i = 0; i < 4; i++) {
    FzUdpBuffer buffers[FZ_RX_BATCH];

    packet.sequence += 100;
    bed_push_packet (&bed->client, &packet, 0, bed->now);
    for (size_t n = bed_take_buffers (bed, &bed->client, CLIENT_ADDRESS, buffers); n > 0; n--)
      g_free (buffers[n - 1].data);
  }

  bed_push_wire (bed, &bed->gateway, 0, "203.0.113.9:1");
  g_assert_true (bed_is_empty (bed->gateway.rx_ring)); /* not a roaming peer */
  atomic_store (&peer->is_roaming, true);
  bed_push_wire (bed, &bed->gateway, 2, "203.0.113.9:1");
  roamed = bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_ROAMED);
  g_assert_cmpuint (roamed->connection_id, ==, GATEWAY_ID);
  g_assert_cmpuint (roamed->from.port, ==, 1);
  bed_push_wire (bed, &bed->gateway, 1, "198.51.100.1:7"); /* late: an old counter moves nothing */
  g_assert_true (bed_is_empty (bed->gateway.rx_ring));
  bed_push_wire (bed, &bed->gateway, 3, "203.0.113.9:1"); /* said already */
  g_assert_true (bed_is_empty (bed->gateway.rx_ring));
  g_assert_cmpuint (bed->received->len, ==, 4);

  bed_set_endpoint (&bed->gateway, "203.0.113.9:1"); /* the engine has moved it */
  packet.sequence += 100;
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway); /* from 192.0.2.1:40000 again */
  g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_ROAMED));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/lane/peer/activity", test_activity);
  BED_ADD ("/lane/peer/keepalive", test_keepalive);
  BED_ADD ("/lane/peer/roaming", test_roaming);
  return g_test_run ();
}
