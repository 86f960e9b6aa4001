/* test-tunnel-wire.c: what the wire brings: floods, garbage, loss, a peer from elsewhere
 *
 * End 0 is the initiator unless a test says otherwise. W… are the rows of connectivity.md §12.8.
 */

#include "tests/unit/engine/tunnel-bed.h"

/* -- under load -- */

static void
test_w22_cookies (Bed *bed, gconstpointer data)
{
  BedEnd *initiator = &bed->ends[0], *responder = &bed->ends[1];
  static const uint8_t no_mac[16];

  fz_identity_set_limit (responder->identity, 0);
  bed_start (bed, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpuint (responder->n_sent[BED_COOKIE_REPLY], ==, 1);
  g_assert_cmpuint (responder->last_sent[BED_COOKIE_REPLY].length, ==, 64);
  g_assert_cmpuint (responder->n_sent[BED_RESPONSE], ==, 0);
  g_assert_cmpuint (initiator->counters.cookies_received, ==, 1);
  g_assert_false (fz_tunnel_can_send (initiator->tunnel, bed->now));

  bed_run (bed, 5 * FZ_S);
  g_assert_cmpint (memcmp (initiator->last_sent[BED_INITIATION].data + 132, no_mac, 16), !=, 0);
  g_assert_cmpuint (responder->n_sent[BED_COOKIE_REPLY], ==, 1);
  g_assert_cmpuint (responder->n_sent[BED_RESPONSE], ==, 1);
  bed_assert_flows (bed);

  /* used again within 120 s, then asked for anew */
  bed_run (bed, 60 * FZ_S);
  bed_start (bed, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpuint (responder->n_sent[BED_COOKIE_REPLY], ==, 1);
  g_assert_cmpuint (responder->n_sent[BED_RESPONSE], ==, 2);
  bed_run (bed, 60 * FZ_S);
  bed_start (bed, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpuint (responder->n_sent[BED_COOKIE_REPLY], ==, 2);
  bed_run (bed, 6 * FZ_S);
  g_assert_cmpuint (responder->n_sent[BED_RESPONSE], ==, 3);
  bed_assert_flows (bed);
}

/* The initiator may be the one under load: it asks the responder for a cookie. */
static void
test_cookie_for_response (Bed *bed, gconstpointer data)
{
  fz_identity_set_limit (bed->ends[0].identity, 0);
  bed_start (bed, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_COOKIE_REPLY], ==, 1);
  g_assert_cmpuint (bed->ends[1].counters.cookies_received, ==, 1);
  bed_run (bed, 6 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_COOKIE_REPLY], ==, 1);
  bed_assert_flows (bed);
}

static void
test_initiation_flood (Bed *bed, gconstpointer data)
{
  BedEnd *initiator = &bed->ends[0];
  unsigned n_accepted = 0;

  /* an honest key in dishonest hands: a new valid initiation every millisecond */
  for (int i = 0; i < 90; i++) {
    initiator->is_late[BED_INITIATION] = true;
    bed_renew_tunnel (
        bed, 0, &fz_tunnel_profile_ice, NULL, fz_identity_get_public_key (bed->ends[1].identity));
    bed_start (bed, 0);
    n_accepted += bed_deliver (bed, 1, &initiator->last_sent[BED_INITIATION]) == FZ_DROP_NONE;
    bed->now += FZ_MS;
  }
  g_assert_cmpuint (n_accepted, ==, 5); /* at 0, 20, 40, 60, 80 ms */
}

/* The reply to an initiation that has been answered since. */
static void
test_late_cookie (Bed *bed, gconstpointer data)
{
  BedDatagram *initiation = &bed->ends[0].last_sent[BED_INITIATION];
  BedDatagram reply = { .length = FZ_WIREGUARD_COOKIE_REPLY_SIZE };
  FzWireguardMessage message;
  bool has_reply;

  bed_connect (bed);
  fz_identity_set_limit (bed->ends[1].identity, 0);
  g_assert_cmpint (
      fz_wireguard_parse (fz_span (initiation->data, initiation->length), &message), ==, 0);
  g_assert_cmpint (
      fz_identity_admit (
          bed->ends[1].identity, &message, &bed->ends[0].address, bed->now, reply.data, &has_reply),
      ==,
      FZ_DROP_RATE_LIMITED);
  g_assert_true (has_reply);
  g_assert_cmpint (bed_deliver (bed, 0, &reply), ==, FZ_DROP_UNKNOWN_INDEX);
}

/* -- roaming -- */

static void
test_roaming (Bed *bed, gconstpointer data)
{
  BedEnd *responder = &bed->ends[1];
  FzEndpoint endpoint;

  bed_connect (bed);
  endpoint = fz_peer_get_endpoint (responder->peer);
  g_assert_cmpint (endpoint.remote.ip.family, ==, FZ_IP_NONE); /* the node's affair */

  atomic_store (&responder->peer->is_roaming, true);
  for (uint16_t port = 5000; port < 5003; port++) {
    bed->ends[0].address.port = port;
    bed_start (bed, 0);
    bed_run (bed, 100 * FZ_MS);
    endpoint = fz_peer_get_endpoint (responder->peer);
    g_assert_true (fz_socket_address_equal (&endpoint.remote, &bed->ends[0].address));
  }
  g_assert_cmpuint (responder->n_events[FZ_TUNNEL_EVENT_ROAMED], ==, 3);

  /* a replayed initiation moves nobody */
  bed->ends[0].address.port = 6000;
  bed_deliver (bed, 1, &bed->ends[0].last_sent[BED_INITIATION]);
  g_assert_cmpint (responder->last_drop, ==, FZ_DROP_STALE_HANDSHAKE);
  g_assert_cmpuint (fz_peer_get_endpoint (responder->peer).remote.port, ==, 5002);
  g_assert_cmpuint (responder->n_events[FZ_TUNNEL_EVENT_ROAMED], ==, 3);
}

/* -- garbage -- */

static void
test_garbage_lengths (Bed *bed, gconstpointer data)
{
  bed_connect (bed);
  for (size_t length = 0; length <= 256; length++)
    for (unsigned type = 0; type <= 5; type++)
      for (size_t to = 0; to < 2; to++) {
        BedDatagram datagram = { .length = length };

        fz_rng_fill (&bed->rng, datagram.data, sizeof datagram.data);
        fz_put_u32le (datagram.data, type);
        g_assert_cmpint (bed_deliver (bed, to, &datagram), !=, FZ_DROP_NONE);
      }
  bed_reset_counts (bed);
  bed_assert_flows (bed);
}

/* Past the door: mac1 needs no secret, so anybody can make it right. */
static void
test_garbage_with_right_mac (Bed *bed, gconstpointer data)
{
  uint32_t receiver;

  bed_connect (bed);
  bed->ends[0].is_cut = true;
  bed_start (bed, 0);
  receiver = fz_get_u32le (bed->ends[0].last_sent[BED_INITIATION].data + 4);
  for (size_t to = 0; to < 2; to++) {
    FzCookieJar jar;

    fz_identity_set_limit (bed->ends[to].identity, 1000);
    fz_cookie_jar_init (&jar, fz_identity_get_public_key (bed->ends[to].identity));
    for (int i = 0; i < 100; i++) {
      BedDatagram initiation = { .length = 148 }, response = { .length = 92 };

      fz_rng_fill (&bed->rng, initiation.data, 148);
      fz_put_u32le (initiation.data, FZ_WIREGUARD_INITIATION);
      fz_cookie_jar_seal (&jar, initiation.data, 148, 1, bed->now);
      g_assert_cmpint (bed_deliver (bed, to, &initiation), ==, FZ_DROP_BAD_TAG);

      fz_rng_fill (&bed->rng, response.data, 92);
      fz_put_u32le (response.data, FZ_WIREGUARD_RESPONSE);
      fz_put_u32le (response.data + 8, receiver);
      fz_cookie_jar_seal (&jar, response.data, 92, 1, bed->now);
      g_assert_cmpint (
          bed_deliver (bed, to, &response), ==, to == 0 ? FZ_DROP_BAD_TAG : FZ_DROP_UNKNOWN_INDEX);
    }
  }
  /* forged responses have not used up the real one */
  g_assert_cmpint (bed_deliver (bed, 1, &bed->ends[0].last_sent[BED_INITIATION]), ==, 0);
  bed->ends[0].is_cut = false;
  bed_run (bed, 100 * FZ_MS);
  bed_assert_flows (bed);
}

/* -- bad wires -- */

static void
test_lossy_wire (void)
{
  for (uint64_t seed = 1; seed <= 40; seed++) {
    Bed bed;
    FzInstant end;

    bed_init (&bed, seed % 2 ? &fz_tunnel_profile_iceless : &fz_tunnel_profile_bare, seed);
    for (size_t i = 0; i < 2; i++) {
      bed.ends[i].loss_permille = 300;
      bed.ends[i].jitter_ns = 400 * FZ_MS; /* reorders, too */
    }
    bed_start (&bed, 0);
    if (seed % 3 == 0)
      bed_start (&bed, 1);

    end = bed.now + 2000 * FZ_S;
    while (bed.now < end) {
      bed_send (&bed, 0);
      if (fz_rng_below (&bed.rng, 3) == 0)
        bed_send (&bed, 1);
      bed_run (&bed, fz_rng_below (&bed.rng, 4000) * FZ_MS);
    }
    for (size_t i = 0; i < 2; i++) {
      g_assert_cmpuint (bed.ends[i].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
      g_assert_cmpuint (bed.ends[i].n_received, >, 150);
      bed.ends[i].loss_permille = 0;
      bed.ends[i].jitter_ns = 0;
    }
    /* better weather: within one attempt's time all is as it should be */
    for (int i = 0; i < 30; i++) {
      bed_send (&bed, 0);
      bed_send (&bed, 1);
      bed_run (&bed, FZ_S);
    }
    bed_assert_flows (&bed);
    bed_clear (&bed);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/tunnel/load/w22-cookies", bed_set_up_ice, test_w22_cookies);
  BED_ADD ("/tunnel/load/late-cookie", bed_set_up_ice, test_late_cookie);
  BED_ADD ("/tunnel/load/cookie-for-response", bed_set_up_ice, test_cookie_for_response);
  BED_ADD ("/tunnel/load/initiation-flood", bed_set_up_ice, test_initiation_flood);
  BED_ADD ("/tunnel/roaming", bed_set_up_bare, test_roaming);
  BED_ADD ("/tunnel/garbage/every-length", bed_set_up_ice, test_garbage_lengths);
  BED_ADD ("/tunnel/garbage/right-mac", bed_set_up_ice, test_garbage_with_right_mac);
  g_test_add_func ("/tunnel/lossy-wire", test_lossy_wire);
  return g_test_run ();
}
