/* test-tunnel-handshake.c: messages of a handshake, in every order; repeating them, and giving up
 *
 * End 0 is the initiator unless a test says otherwise. W… are the rows of connectivity.md §12.8.
 */

#include "tests/unit/engine/tunnel-bed.h"

/* -- the messages -- */

static void
test_w1_handshake (Bed *bed, gconstpointer data)
{
  static const unsigned expected[2][BED_N_KINDS] = {
    { [BED_INITIATION] = 1, [BED_KEEPALIVE] = 1 },
    { [BED_RESPONSE] = 1 },
  };

  g_assert_false (fz_tunnel_can_send (bed->ends[0].tunnel, bed->now));
  bed_connect (bed);
  for (size_t i = 0; i < 2; i++)
    for (int kind = 0; kind < BED_N_KINDS; kind++)
      g_assert_cmpuint (bed->ends[i].n_sent[kind], ==, expected[i][kind]);
  g_assert_cmpuint (bed->ends[0].last_sent[BED_INITIATION].length, ==, 148);
  g_assert_cmpuint (bed->ends[1].last_sent[BED_RESPONSE].length, ==, 92);
  g_assert_cmpuint (bed->ends[0].last_sent[BED_KEEPALIVE].length, ==, 32);
  g_assert_cmpuint (bed->ends[0].n_events[FZ_TUNNEL_EVENT_SESSION], ==, 1);
  g_assert_cmpuint (bed->ends[1].n_events[FZ_TUNNEL_EVENT_SESSION], ==, 1);
  /* §2.6: 24 bits of connection, then 1 for the first message */
  g_assert_cmphex (fz_get_u32le (bed->ends[0].last_sent[BED_INITIATION].data + 4), ==, 0x01020301);
  g_assert_cmphex (fz_get_u32le (bed->ends[1].last_sent[BED_RESPONSE].data + 4), ==, 0x02040601);
  bed_assert_flows (bed);
}

static void
test_w2_preshared_keys (Bed *bed, gconstpointer data)
{
  static const struct {
    uint8_t keys[2];
    bool works;
  } rows[] = { { { 5, 5 }, true }, { { 5, 6 }, false }, { { 0, 6 }, false } };

  for (size_t row = 0; row < G_N_ELEMENTS (rows); row++) {
    for (size_t i = 0; i < 2; i++) {
      uint8_t key[FZ_KEY_SIZE];

      memset (key, rows[row].keys[i], sizeof key);
      bed_renew_tunnel (bed,
                        i,
                        &fz_tunnel_profile_ice,
                        key,
                        fz_identity_get_public_key (bed->ends[1 - i].identity));
    }
    bed_start (bed, 0);
    bed_run (bed, FZ_S);
    for (size_t i = 0; i < 2; i++)
      g_assert_true (fz_tunnel_can_send (bed->ends[i].tunnel, bed->now) == rows[row].works);
    if (!rows[row].works)
      g_assert_cmpint (bed->ends[0].last_drop, ==, FZ_DROP_BAD_TAG);
    bed_run (bed, 100 * FZ_S);
  }
}

static void
test_w3_other_static_key (Bed *bed, gconstpointer data)
{
  g_autoptr (FzIdentity) stranger = fz_identity_new (NULL, &bed->rng);

  bed_renew_tunnel (bed, 1, &fz_tunnel_profile_ice, NULL, fz_identity_get_public_key (stranger));
  bed_start (bed, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpint (bed->ends[1].last_drop, ==, FZ_DROP_UNKNOWN_PEER);
  for (int kind = 0; kind < BED_N_KINDS; kind++)
    g_assert_cmpuint (bed->ends[1].n_sent[kind], ==, 0);
}

static void
test_w4_replay (Bed *bed, gconstpointer data)
{
  BedDatagram first, second;

  bed_connect (bed);
  first = bed->ends[0].last_sent[BED_INITIATION];
  g_assert_cmpint (bed_deliver (bed, 1, &first), ==, FZ_DROP_STALE_HANDSHAKE);
  bed_run (bed, 30 * FZ_S);
  g_assert_cmpint (bed_deliver (bed, 1, &first), ==, FZ_DROP_STALE_HANDSHAKE);

  bed->ends[0].is_cut = true;
  bed_start (bed, 0);
  second = bed->ends[0].last_sent[BED_INITIATION];
  for (size_t i = 4; i < 132; i++) {
    second.data[i] ^= 1;
    g_assert_cmpint (bed_deliver (bed, 1, &second), ==, FZ_DROP_BAD_MAC);
    second.data[i] ^= 1;
  }
  /* reordered: the newer one first makes the older one stale */
  bed_run (bed, 6 * FZ_S);
  g_assert_cmpint (bed_deliver (bed, 1, &bed->ends[0].last_sent[BED_INITIATION]), ==, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpint (bed_deliver (bed, 1, &second), ==, FZ_DROP_STALE_HANDSHAKE);
}

/* Two initiations are out; the response to either is good, to an older one not. */
static void
test_w5_outstanding (Bed *bed, gconstpointer data)
{
  static const bool is_accepted[] = { false, true, true };

  for (size_t answered = 0; answered < 3; answered++) {
    Bed fresh;
    BedDatagram initiations[3], response;

    bed_init (&fresh, &fz_tunnel_profile_iceless, 5);
    fresh.ends[0].is_cut = fresh.ends[1].is_cut = true;
    bed_start (&fresh, 0);
    for (size_t i = 0; i < 3; i++) {
      initiations[i] = fresh.ends[0].last_sent[BED_INITIATION];
      if (i < 2)
        bed_run (&fresh, 2 * FZ_S + BED_JITTER);
    }
    g_assert_cmpuint (fresh.ends[0].n_sent[BED_INITIATION], ==, 3);
    g_assert_cmpint (bed_deliver (&fresh, 1, &initiations[answered]), ==, FZ_DROP_NONE);
    response = fresh.ends[1].last_sent[BED_RESPONSE];
    g_assert_cmpint (bed_deliver (&fresh, 0, &response),
                     ==,
                     is_accepted[answered] ? FZ_DROP_NONE : FZ_DROP_UNKNOWN_INDEX);
    g_assert_true (fz_tunnel_can_send (fresh.ends[0].tunnel, fresh.now) == is_accepted[answered]);
    /* a response is good once */
    g_assert_cmpint (bed_deliver (&fresh, 0, &response), ==, FZ_DROP_UNKNOWN_INDEX);
    bed_clear (&fresh);
  }
}

static void
test_w6_both_at_once (Bed *bed, gconstpointer data)
{
  static const struct {
    uint64_t latency_ms[2];
    uint64_t head_start_ms;
    const char *why;
  } rows[] = {
    { { 10, 10 }, 0, "mirror images" },
    { { 0, 0 }, 0, "no time at all" },
    { { 10, 50 }, 0, "slow one way" },
    { { 20, 20 }, 10, "crossing" },
    { { 20, 20 }, 20, "started as the other's arrives" },
    { { 20, 20 }, 30, "started while answering" },
  };

  for (size_t row = 0; row < G_N_ELEMENTS (rows); row++) {
    Bed fresh;
    unsigned n_before;

    g_test_message ("%s", rows[row].why);
    bed_init (&fresh, &fz_tunnel_profile_ice, 2);
    for (size_t i = 0; i < 2; i++)
      fresh.ends[i].latency_ns = rows[row].latency_ms[i] * FZ_MS;
    bed_start (&fresh, 0);
    bed_run (&fresh, rows[row].head_start_ms * FZ_MS);
    bed_start (&fresh, 1);
    bed_run (&fresh, FZ_S);
    bed_assert_flows (&fresh);
    n_before = bed_count_initiations (&fresh);
    bed_run (&fresh, 20 * FZ_S); /* nobody goes on asking */
    g_assert_cmpuint (bed_count_initiations (&fresh), ==, n_before);
    /* and at least one side will renew the keys */
    bed_run (&fresh, 1000 * FZ_S);
    for (size_t i = 0; i < 2; i++)
      g_assert_cmpuint (fresh.ends[i].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
    bed_assert_flows (&fresh);
    bed_clear (&fresh);
  }
}

static void
test_w7_unsolicited (Bed *bed, gconstpointer data)
{
  BedDatagram cookie = { .data = { 3, 0, 0, 0, 1, 3, 2, 1 }, .length = 64 };
  BedDatagram response = { .data = { 2, 0, 0, 0 }, .length = 92 };

  g_assert_cmpint (bed_deliver (bed, 0, &cookie), ==, FZ_DROP_UNKNOWN_INDEX);
  bed_start (bed, 0);
  g_assert_cmpint (bed_deliver (bed, 0, &cookie), ==, FZ_DROP_BAD_TAG);
  g_assert_cmpint (bed_deliver (bed, 0, &response), ==, FZ_DROP_BAD_MAC);
  bed_run (bed, FZ_S);
  bed_assert_flows (bed);
}

static void
test_lost_messages (Bed *bed, gconstpointer data)
{
  static const struct {
    size_t end;
    BedKind lost;
    const char *why;
  } rows[] = {
    { 0, BED_INITIATION, "initiation lost" },
    { 1, BED_RESPONSE, "response lost" },
  };

  for (size_t row = 0; row < G_N_ELEMENTS (rows); row++) {
    Bed fresh;

    g_test_message ("%s", rows[row].why);
    bed_init (&fresh, &fz_tunnel_profile_ice, 3);
    fresh.ends[rows[row].end].is_late[rows[row].lost] = true;
    bed_start (&fresh, 0);
    bed_run (&fresh, 4900 * FZ_MS);
    g_assert_cmpuint (bed_count_initiations (&fresh), ==, 1);
    g_assert_false (fz_tunnel_can_send (fresh.ends[0].tunnel, fresh.now));
    fresh.ends[rows[row].end].is_late[rows[row].lost] = false;
    bed_run (&fresh, 100 * FZ_MS + BED_JITTER + 100 * FZ_MS);
    g_assert_cmpuint (bed_count_initiations (&fresh), ==, 2);
    bed_assert_flows (&fresh);
    bed_clear (&fresh);
  }
}

/* One side's own attempt is over when the peer's has brought a session. */
static void
test_peer_was_faster (Bed *bed, gconstpointer data)
{
  bed->ends[0].is_late[BED_INITIATION] = true;
  bed_start (bed, 0);
  bed_run (bed, FZ_S);
  bed_start (bed, 1);
  bed_run (bed, 100 * FZ_MS);
  g_assert_false (fz_tunnel_is_handshaking (bed->ends[0].tunnel));
  bed_run (bed, 30 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_INITIATION], ==, 1);
  bed_assert_flows (bed);
}

/* A clock that stands still or goes back must not make two equal time stamps. */
static void
test_timestamps_grow (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];

  end->is_late[BED_INITIATION] = true;
  bed_start (bed, 0);
  for (int i = 0; i < 3; i++) {
    BedDatagram before = end->last_sent[BED_INITIATION];

    bed->now += 6 * FZ_S;
    fz_tunnel_handle_timeout (end->tunnel, bed->now); /* schedules */
    fz_tunnel_handle_timeout (end->tunnel, bed->now + BED_JITTER);
    bed_collect (bed, 0);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, (guint) i + 2);
    g_assert_cmpint (bed_deliver (bed, 1, &end->last_sent[BED_INITIATION]), ==, FZ_DROP_NONE);
    bed->now += FZ_S;
    g_assert_cmpint (bed_deliver (bed, 1, &before), ==, FZ_DROP_STALE_HANDSHAKE);
  }
}

/* Two initiations of one instant: the second is too fast, but not stale. */
static void
test_timestamps_differ (Bed *bed, gconstpointer data)
{
  bed->ends[0].latency_ns = bed->ends[1].latency_ns = 0;
  bed_start (bed, 0);
  bed_run (bed, 0);
  bed_start (bed, 0);
  bed_run (bed, 0);
  g_assert_cmpint (bed->ends[1].last_drop, ==, FZ_DROP_RATE_LIMITED);
}

static void
test_low_order_peer (Bed *bed, gconstpointer data)
{
  static const uint8_t zero[FZ_KEY_SIZE];
  BedEnd *end = &bed->ends[0];
  FzTunnelConfig config = {
    .identity = end->identity,
    .public_key = zero,
    .peer = end->peer,
    .profile = fz_tunnel_profile_ice,
    .aead = end->aead,
    .reclaim = end->reclaim,
    .rng = end->rng,
  };

  g_assert_null (fz_tunnel_new (&config, bed->now));
}

/* -- repeating and giving up -- */

static void
test_w9_unanswered (Bed *bed, gconstpointer data)
{
  static const struct {
    const FzTunnelProfile *profile;
    uint64_t early_s;
    unsigned n_early;
    uint64_t end_s;
    unsigned n_min, n_max;
  } rows[] = {
    { &fz_tunnel_profile_bare, 18, 4, 90, 16, 18 },
    { &fz_tunnel_profile_ice, 18, 4, 20, 4, 4 },
    { &fz_tunnel_profile_iceless, 7, 4, 90, 38, 45 },
  };

  for (size_t row = 0; row < G_N_ELEMENTS (rows); row++) {
    Bed fresh;
    BedEnd *end = &fresh.ends[0];
    FzInstant start;

    bed_init (&fresh, rows[row].profile, 9);
    start = fresh.now;
    end->is_cut = true;
    bed_start (&fresh, 0);
    g_assert_false (fz_tunnel_start_handshake (end->tunnel, fresh.now)); /* one is out */
    bed_run_until (&fresh, start + rows[row].early_s * FZ_S);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, rows[row].n_early);
    bed_run_until (&fresh, start + rows[row].end_s * FZ_S - 1);
    g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
    g_assert_true (fz_tunnel_is_handshaking (end->tunnel));
    bed_run (&fresh, 1);
    g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], >=, rows[row].n_min);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], <=, rows[row].n_max);
    g_assert_false (fz_tunnel_is_handshaking (end->tunnel));

    /* silence, until somebody asks again */
    bed_reset_counts (&fresh);
    bed_run (&fresh, 1000 * FZ_S);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
    g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
    end->is_cut = false;
    bed_start (&fresh, 0);
    bed_run (&fresh, FZ_S);
    bed_assert_flows (&fresh);
    bed_clear (&fresh);
  }
}

/* An expired tunnel still answers its peer. */
static void
test_expired_answers (Bed *bed, gconstpointer data)
{
  bed->ends[0].is_cut = true;
  bed_start (bed, 0);
  bed_run (bed, 30 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
  bed->ends[0].is_cut = false;
  bed_start (bed, 1);
  bed_run (bed, FZ_S);
  bed_assert_flows (bed);

  /* and is as alive as before */
  bed_reset_counts (bed);
  bed->ends[0].is_cut = bed->ends[1].is_cut = true;
  g_assert_true (bed_send (bed, 0));
  bed_run (bed, 16 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_INITIATION], ==, 1);
}

/* Nobody polls for a whole attempt: the newest eight are kept. */
static void
test_unpolled (Bed *bed, gconstpointer data)
{
  FzTunnel *tunnel = bed->ends[0].tunnel;
  FzTunnelTransmit transmit;
  unsigned n = 0;
  uint32_t index = 0;

  g_assert_true (fz_tunnel_start_handshake (tunnel, bed->now));
  while (bed->ends[0].counters.handshakes_started < 12) {
    bed->now = fz_tunnel_next_timeout (tunnel);
    fz_tunnel_handle_timeout (tunnel, bed->now);
  }
  for (; fz_tunnel_poll_transmit (tunnel, &transmit); n++)
    index = fz_get_u32le (transmit.data.data + 4);
  g_assert_cmpuint (n, ==, 8);
  g_assert_cmphex (index, ==, 0x01020300 + 12);
}

/* A tunnel that follows another one on the same peer does not inherit its worries. */
static void
test_new_tunnel_is_calm (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];

  bed_establish (bed);
  end->is_cut = true;
  g_assert_true (bed_send (bed, 0));
  bed_run (bed, 10 * FZ_S);
  bed_renew_tunnel (
      bed, 0, &fz_tunnel_profile_ice, NULL, fz_identity_get_public_key (bed->ends[1].identity));
  g_assert_false (bed_send (bed, 0));
  bed_run (bed, 60 * FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
}

static void
test_w24_jitter (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzInstant due = bed_establish (bed) + 120 * FZ_S;
  FzInstant announced;

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, due - 1);
  g_assert_cmpuint (fz_tunnel_next_timeout (end->tunnel), ==, due);
  bed->now = due;
  fz_tunnel_handle_timeout (end->tunnel, due);
  announced = fz_tunnel_next_timeout (end->tunnel);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  g_assert_cmpuint (announced, >, due);
  g_assert_cmpuint (announced, <=, due + BED_JITTER);
  for (FzInstant at = due; at < announced; at += FZ_MS) /* early and often is harmless */
    fz_tunnel_handle_timeout (end->tunnel, at);
  g_assert_cmpuint (fz_tunnel_next_timeout (end->tunnel), ==, announced);
  bed_run_until (bed, announced);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
  g_assert_cmpuint (end->last_sent_at[BED_INITIATION], ==, announced);
  bed_run (bed, 10 * FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
}

/* The peer initiates in the moment between the decision and its execution. */
static void
test_scheduled_then_asked (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzInstant due = bed_establish (bed) + 120 * FZ_S;

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, due - 1);
  bed->ends[1].is_late[BED_INITIATION] = true;
  bed_start (bed, 1);
  bed->now = due;
  fz_tunnel_handle_timeout (end->tunnel, due);
  g_assert_true (fz_tunnel_is_handshaking (end->tunnel));
  g_assert_cmpint (bed_deliver (bed, 0, &bed->ends[1].last_sent[BED_INITIATION]), ==, 0);
  g_assert_false (fz_tunnel_is_handshaking (end->tunnel));
  bed_run (bed, 10 * FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  bed_assert_flows (bed);
}

static void
test_w26_seeds (void)
{
  FzInstant at[3];

  for (size_t i = 0; i < 3; i++) {
    Bed bed;

    bed_init (&bed, &fz_tunnel_profile_bare, i == 2 ? 2 : 1);
    bed.ends[0].is_cut = true;
    bed_start (&bed, 0);
    bed_run (&bed, 60 * FZ_S);
    at[i] = bed.ends[0].last_sent_at[BED_INITIATION];
    bed_clear (&bed);
  }
  g_assert_cmpuint (at[0], ==, at[1]);
  g_assert_cmpuint (at[0], !=, at[2]);
}

static void
test_rekey_times_out_in_ice (Bed *bed, gconstpointer data)
{
  FzInstant start = bed_establish (bed);
  BedEnd *end = &bed->ends[0];

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, start + 100 * FZ_S);
  end->is_cut = true;
  bed_run_until (bed, start + 120 * FZ_S + 19 * FZ_S);
  g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
  bed_run (bed, FZ_S + BED_JITTER);
  g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
  g_assert_false (fz_tunnel_can_send (end->tunnel, bed->now));
  g_assert_null (atomic_load (&end->peer->sending));
  g_assert_cmpuint (atomic_load (&end->peer->sent_data_at), ==, 0); /* nothing left to act on */
  g_assert_cmpuint (atomic_load (&end->peer->first_unanswered_sent_at), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/tunnel/handshake/w1-complete", bed_set_up_ice, test_w1_handshake);
  BED_ADD ("/tunnel/handshake/w2-preshared-keys", bed_set_up_ice, test_w2_preshared_keys);
  BED_ADD ("/tunnel/handshake/w3-other-static-key", bed_set_up_ice, test_w3_other_static_key);
  BED_ADD ("/tunnel/handshake/w4-replay", bed_set_up_ice, test_w4_replay);
  BED_ADD ("/tunnel/handshake/w5-outstanding", bed_set_up_ice, test_w5_outstanding);
  BED_ADD ("/tunnel/handshake/w6-both-at-once", bed_set_up_ice, test_w6_both_at_once);
  BED_ADD ("/tunnel/handshake/w7-unsolicited", bed_set_up_ice, test_w7_unsolicited);
  BED_ADD ("/tunnel/handshake/lost-messages", bed_set_up_ice, test_lost_messages);
  BED_ADD ("/tunnel/handshake/peer-was-faster", bed_set_up_ice, test_peer_was_faster);
  BED_ADD ("/tunnel/handshake/timestamps-differ", bed_set_up_ice, test_timestamps_differ);
  BED_ADD ("/tunnel/handshake/low-order-peer", bed_set_up_ice, test_low_order_peer);
  BED_ADD ("/tunnel/handshake/timestamps-grow", bed_set_up_bare, test_timestamps_grow);
  BED_ADD ("/tunnel/attempt/w9-unanswered", bed_set_up_ice, test_w9_unanswered);
  BED_ADD ("/tunnel/attempt/expired-answers", bed_set_up_ice, test_expired_answers);
  BED_ADD ("/tunnel/attempt/unpolled", bed_set_up_bare, test_unpolled);
  BED_ADD ("/tunnel/attempt/new-tunnel-is-calm", bed_set_up_ice, test_new_tunnel_is_calm);
  BED_ADD ("/tunnel/attempt/scheduled-then-asked", bed_set_up_ice, test_scheduled_then_asked);
  BED_ADD ("/tunnel/attempt/w24-jitter", bed_set_up_ice, test_w24_jitter);
  g_test_add_func ("/tunnel/attempt/w26-seeds", test_w26_seeds);
  BED_ADD ("/tunnel/attempt/rekey-fails", bed_set_up_ice, test_rekey_times_out_in_ice);
  return g_test_run ();
}
