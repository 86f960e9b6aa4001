/* test-tunnel-session.c: sessions: confirmed, published, counted, one index each
 *
 * End 0 is the initiator unless a test says otherwise. W… are the rows of connectivity.md §12.8.
 */

#include "tests/unit/engine/tunnel-bed.h"

static void
test_w20_confirmation (Bed *bed, gconstpointer data)
{
  BedEnd *responder = &bed->ends[1];
  uint32_t old_index, new_index;
  BedDatagram keepalive;

  bed_connect (bed);
  bed_assert_flows (bed);
  old_index = responder->last_remote_index;
  bed->ends[0].is_late[BED_KEEPALIVE] = true;
  bed_start (bed, 0);
  bed_run (bed, 100 * FZ_MS);
  keepalive = bed->ends[0].last_sent[BED_KEEPALIVE];
  new_index = fz_get_u32le (bed->ends[0].last_sent[BED_INITIATION].data + 4);

  g_assert_true (bed_send (bed, 1));
  bed_run (bed, 100 * FZ_MS);
  g_assert_cmphex (responder->last_remote_index, ==, old_index);
  g_assert_cmpuint (bed->ends[0].n_received, ==, 2);

  g_assert_cmpint (bed_deliver (bed, 1, &keepalive), ==, FZ_DROP_NONE);
  g_assert_true (bed_send (bed, 1));
  g_assert_cmphex (responder->last_remote_index, ==, new_index);
  bed_run (bed, 100 * FZ_MS);
  bed_assert_flows (bed);
}

/* The message to the engine may be lost; the mark in the keypair is enough. */
static void
test_confirmed_without_message (Bed *bed, gconstpointer data)
{
  BedEnd *responder = &bed->ends[1];

  bed->ends[0].is_late[BED_KEEPALIVE] = true;
  bed_start (bed, 0);
  bed_run (bed, 100 * FZ_MS);
  g_assert_false (fz_tunnel_can_send (responder->tunnel, bed->now));
  atomic_store (&atomic_load (&responder->peer->receiving[1])->is_confirmed, true);
  fz_tunnel_handle_activity (responder->tunnel, bed->now);
  g_assert_true (fz_tunnel_can_send (responder->tunnel, bed->now));
  /* unknown indices, and one's own sessions, are ignored */
  fz_tunnel_handle_confirmed (responder->tunnel, 12345, bed->now);
  fz_tunnel_handle_confirmed (bed->ends[0].tunnel, 0x01020301, bed->now);
  bed_collect (bed, 1);
  g_assert_cmpuint (responder->n_events[FZ_TUNNEL_EVENT_SESSION], ==, 1);
}

static void
test_publication (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  static const uint8_t packet[40] = { 0x60 };
  uint8_t out[40 + FZ_WIREGUARD_DATA_OVERHEAD];
  BedDatagram datagram = { .length = sizeof out };

  end->holds_publication = true;
  g_assert_cmpint (
      fz_tunnel_seal (end->tunnel, fz_span (packet, 40), bed->now, out), ==, FZ_DROP_NO_SESSION);
  bed_start (bed, 0);
  bed_run (bed, 100 * FZ_MS);

  /* lanes may not send yet, the engine may: what waited leaves first */
  g_assert_null (atomic_load (&end->peer->sending));
  g_assert_false (bed_send (bed, 0));
  g_assert_cmpint (
      fz_tunnel_seal (end->tunnel, fz_span (packet, 40), bed->now, out), ==, FZ_DROP_NONE);
  g_assert_cmpuint (fz_get_u64le (out + 8), ==, 1); /* after the keepalive */
  memcpy (datagram.data, out, sizeof out);
  g_assert_cmpint (bed_deliver (bed, 1, &datagram), ==, FZ_DROP_NONE);
  g_assert_cmpuint (bed->ends[1].n_received, ==, 1);

  g_assert_true (fz_tunnel_publish (end->tunnel));
  g_assert_false (fz_tunnel_publish (end->tunnel));
  bed_assert_flows (bed);

  /* a rekey leaves the old session to the lanes until the new one is published */
  bed_start (bed, 0);
  bed_run (bed, 100 * FZ_MS);
  g_assert_cmphex (atomic_load (&end->peer->sending)->local_index & 0xff, ==, 1);
  bed_assert_flows (bed);
  g_assert_true (fz_tunnel_publish (end->tunnel));
  g_assert_cmphex (atomic_load (&end->peer->sending)->local_index & 0xff, ==, 2);
  bed_assert_flows (bed);
}

/* What the engine itself seals counts as traffic. */
static void
test_sealed_is_traffic (Bed *bed, gconstpointer data)
{
  static const uint8_t packet[40] = { 0x60 };
  uint8_t out[40 + FZ_WIREGUARD_DATA_OVERHEAD];
  BedEnd *end = &bed->ends[0];

  bed_establish (bed);
  bed->ends[1].is_cut = true;
  bed_run (bed, 30 * FZ_S);
  g_assert_cmpint (
      fz_tunnel_seal (end->tunnel, fz_span (packet, 40), bed->now, out), ==, FZ_DROP_NONE);
  bed_run (bed, 15 * FZ_S - 1);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  bed_run (bed, BED_JITTER + 1);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
}

static void
test_ninth_session (Bed *bed, gconstpointer data)
{
  BedDatagram old[9];

  for (size_t i = 0; i < 9; i++) {
    if (i == 0)
      bed_connect (bed);
    else
      bed_start (bed, 0);
    bed_run (bed, 100 * FZ_MS);
    bed->ends[0].is_late[BED_DATA] = true;
    g_assert_true (bed_send (bed, 0));
    bed->ends[0].is_late[BED_DATA] = false;
    old[i] = bed->ends[0].last_sent[BED_DATA];
  }
  g_assert_cmpint (bed_deliver (bed, 1, &old[0]), ==, FZ_DROP_UNKNOWN_INDEX);
  for (size_t i = 1; i < 9; i++)
    g_assert_cmpint (bed_deliver (bed, 1, &old[i]), ==, FZ_DROP_NONE);
  g_assert_cmpint (bed_deliver (bed, 1, &old[8]), ==, FZ_DROP_REPLAY);
}

/* W29, and that a peer which repeats itself cannot push out the session we send on. */
static void
test_indices (Bed *bed, gconstpointer data)
{
  BedEnd *initiator = &bed->ends[0], *responder = &bed->ends[1];
  uint32_t before;

  bed_connect (bed);
  before = atomic_load (&responder->peer->sending)->local_index;
  responder->is_late[BED_RESPONSE] = true;
  for (int i = 0; i < 300; i++) {
    uint32_t index;

    bed_run (bed, 30 * FZ_MS);
    bed_renew_tunnel (
        bed, 0, &fz_tunnel_profile_ice, NULL, fz_identity_get_public_key (responder->identity));
    bed_start (bed, 0);
    g_assert_cmphex (
        fz_get_u32le (initiator->last_sent[BED_INITIATION].data + 4) >> 8, ==, 0x010203);
    bed_run (bed, initiator->latency_ns);
    index = fz_get_u32le (responder->last_sent[BED_RESPONSE].data + 4);
    g_assert_cmphex (index >> 8, ==, 0x020406);
    g_assert_cmpuint (index % 8, !=, before % 8);
    g_assert_cmphex (atomic_load (&responder->peer->sending)->local_index, ==, before);
  }
  g_assert_cmpuint (responder->n_sent[BED_RESPONSE], ==, 301);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/tunnel/session/w20-confirmation", bed_set_up_ice, test_w20_confirmation);
  BED_ADD (
      "/tunnel/session/confirmed-without-message", bed_set_up_ice, test_confirmed_without_message);
  BED_ADD ("/tunnel/session/publication", bed_set_up_ice, test_publication);
  BED_ADD ("/tunnel/session/sealed-is-traffic", bed_set_up_ice, test_sealed_is_traffic);
  BED_ADD ("/tunnel/session/ninth", bed_set_up_ice, test_ninth_session);
  BED_ADD ("/tunnel/session/w29-indices", bed_set_up_ice, test_indices);
  return g_test_run ();
}
