/* test-tunnel.c: what connectivity.md §12.8 asserts, and the edges beyond it, on a virtual clock
 *
 * End 0 is the initiator unless a test says otherwise. W… are the rows of §12.8.
 */

#include "tests/unit/engine/test-hex.h"
#include "tests/unit/engine/tunnel-bed.h"

#define JITTER (FZ_REKEY_JITTER_MAX_MS * FZ_MS)

static void
set_up_ice (Bed *bed, gconstpointer data)
{
  bed_init (bed, &fz_tunnel_profile_ice, 1);
}

static void
set_up_iceless (Bed *bed, gconstpointer data)
{
  bed_init (bed, &fz_tunnel_profile_iceless, 1);
}

static void
set_up_bare (Bed *bed, gconstpointer data)
{
  bed_init (bed, &fz_tunnel_profile_bare, 1);
}

static void
tear_down (Bed *bed, gconstpointer data)
{
  bed_clear (bed);
}

/* Asserts that both directions carry data at this moment. */
static void
assert_flows (Bed *bed)
{
  unsigned before[] = { bed->ends[0].n_received, bed->ends[1].n_received };

  for (size_t i = 0; i < 2; i++)
    g_assert_true (bed_send (bed, i));
  bed_run (bed, 100 * FZ_MS);
  for (size_t i = 0; i < 2; i++)
    g_assert_cmpuint (bed->ends[i].n_received, ==, before[i] + 1);
}

static unsigned
n_initiations (const Bed *bed)
{
  return bed->ends[0].n_sent[BED_INITIATION] + bed->ends[1].n_sent[BED_INITIATION];
}

/* Session age 0 for the rows that count from it: both ends connected, all counts zero. */
static FzInstant
establish (Bed *bed)
{
  FzInstant at;

  bed_connect (bed);
  at = atomic_load (&bed->ends[0].peer->sending)->created_at;
  bed_reset_counts (bed);
  return at;
}

/* -- handshakes -- */

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
  assert_flows (bed);
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
        bed_run (&fresh, 2 * FZ_S + JITTER);
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
    assert_flows (&fresh);
    n_before = n_initiations (&fresh);
    bed_run (&fresh, 20 * FZ_S); /* nobody goes on asking */
    g_assert_cmpuint (n_initiations (&fresh), ==, n_before);
    /* and at least one side will renew the keys */
    bed_run (&fresh, 1000 * FZ_S);
    for (size_t i = 0; i < 2; i++)
      g_assert_cmpuint (fresh.ends[i].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
    assert_flows (&fresh);
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
  assert_flows (bed);
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
    g_assert_cmpuint (n_initiations (&fresh), ==, 1);
    g_assert_false (fz_tunnel_can_send (fresh.ends[0].tunnel, fresh.now));
    fresh.ends[rows[row].end].is_late[rows[row].lost] = false;
    bed_run (&fresh, 100 * FZ_MS + JITTER + 100 * FZ_MS);
    g_assert_cmpuint (n_initiations (&fresh), ==, 2);
    assert_flows (&fresh);
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
  assert_flows (bed);
}

/* No renewal of our own while the peer is at it, but for no longer than it takes it to repeat. */
static void
test_holds_off (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzInstant start = establish (bed);

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, start + 119 * FZ_S);
  end->is_late[BED_RESPONSE] = true;
  bed_start (bed, 1);
  bed_run (bed, 100 * FZ_MS);
  bed->ends[1].is_cut = true;
  bed_run_until (bed, start + 124 * FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  bed_run (bed, 100 * FZ_MS + JITTER);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
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
    assert_flows (&fresh);
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
  assert_flows (bed);

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

  establish (bed);
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
  FzInstant due = establish (bed) + 120 * FZ_S;
  FzInstant announced;

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, due - 1);
  g_assert_cmpuint (fz_tunnel_next_timeout (end->tunnel), ==, due);
  bed->now = due;
  fz_tunnel_handle_timeout (end->tunnel, due);
  announced = fz_tunnel_next_timeout (end->tunnel);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  g_assert_cmpuint (announced, >, due);
  g_assert_cmpuint (announced, <=, due + JITTER);
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
  FzInstant due = establish (bed) + 120 * FZ_S;

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
  assert_flows (bed);
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

/* -- rekeying -- */

typedef enum {
  TRAFFIC_NONE,
  TRAFFIC_SENT,     /* one packet by the end under test, answered */
  TRAFFIC_RECEIVED, /* one packet to it */
} Traffic;

/* W11, W12, W13, W16: who renews, when, after which traffic. The packets go at age @at_s. */
static void
test_rekey_table (Bed *bed, gconstpointer data)
{
  static const struct {
    const FzTunnelProfile *profile;
    size_t end;
    Traffic traffic;
    uint64_t at_s;
    uint64_t quiet_until_s; /* no initiation before */
    unsigned n_then;        /* initiations at that time (and jitter) */
    const char *why;
  } rows[] = {
    { &fz_tunnel_profile_ice, 0, TRAFFIC_SENT, 1, 120, 1, "W11: sent: at 120 s" },
    { &fz_tunnel_profile_bare, 0, TRAFFIC_SENT, 1, 120, 1, "the same, bare" },
    { &fz_tunnel_profile_ice, 0, TRAFFIC_SENT, 119, 120, 1, "sent just before" },
    { &fz_tunnel_profile_ice, 0, TRAFFIC_SENT, 140, 140, 1, "sent later: at once" },
    { &fz_tunnel_profile_bare, 0, TRAFFIC_RECEIVED, 1, 165, 1, "received only: at 165 s" },
    { &fz_tunnel_profile_ice, 0, TRAFFIC_RECEIVED, 1, 165, 1, "the same, standing" },
    { &fz_tunnel_profile_iceless, 0, TRAFFIC_RECEIVED, 1, 165, 1, "the same, ICE-less" },
    { &fz_tunnel_profile_bare, 0, TRAFFIC_RECEIVED, 164, 165, 1, "received just before" },
    { &fz_tunnel_profile_bare, 0, TRAFFIC_RECEIVED, 166, 166, 1, "W12: then right then" },
    { &fz_tunnel_profile_bare, 0, TRAFFIC_NONE, 1, 400, 0, "idle and bare: never" },
    { &fz_tunnel_profile_ice, 0, TRAFFIC_NONE, 1, 165, 1, "W16: idle, standing: in time" },
    { &fz_tunnel_profile_ice, 1, TRAFFIC_SENT, 1, 160, 0, "W11: a responder never by age" },
  };

  for (size_t row = 0; row < G_N_ELEMENTS (rows); row++) {
    Bed fresh;
    BedEnd *end = &fresh.ends[rows[row].end];
    FzInstant start;

    g_test_message ("%s", rows[row].why);
    bed_init (&fresh, rows[row].profile, 11);
    start = establish (&fresh);
    bed_run_until (&fresh, start + rows[row].at_s * FZ_S - 200 * FZ_MS);
    if (rows[row].traffic != TRAFFIC_NONE)
      g_assert_true (
          bed_send (&fresh, rows[row].traffic == TRAFFIC_SENT ? rows[row].end : 1 - rows[row].end));
    bed_run_until (&fresh, start + rows[row].quiet_until_s * FZ_S - 250 * FZ_MS);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
    bed_run (&fresh, 250 * FZ_MS + JITTER + 100 * FZ_MS);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, rows[row].n_then);
    if (rows[row].n_then > 0) {
      bed_run (&fresh, FZ_S);
      g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, rows[row].n_then);
      assert_flows (&fresh);
    }
    bed_clear (&fresh);
  }
}

/* While the stamps are watched lanes say nothing, but the age at which they matter is kept. */
static void
test_rekey_while_watched (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzInstant start = establish (bed);

  bed_run_until (bed, start + 115 * FZ_S);
  g_assert_true (bed_send (bed, 1));
  bed_run_until (bed, start + 118 * FZ_S);
  bed_reset_counts (bed);
  g_assert_true (bed_send (bed, 0));
  g_assert_cmpuint (end->n_activities, ==, 0);
  bed_run_until (bed, start + 120 * FZ_S + JITTER);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
}

static void
test_w13_passive_keepalive (Bed *bed, gconstpointer data)
{
  FzInstant received_at;

  establish (bed);
  bed_run (bed, 40 * FZ_S); /* nobody looks any more */
  g_assert_true (bed_send (bed, 0));
  received_at = bed->now + bed->ends[0].latency_ns;
  bed_run_until (bed, received_at);
  /* W25: the prediction is exact */
  g_assert_cmpuint (fz_tunnel_next_timeout (bed->ends[1].tunnel), ==, received_at + 10 * FZ_S);
  bed_run_until (bed, received_at + 10 * FZ_S);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], ==, 1);
  g_assert_cmpuint (bed->ends[1].last_sent_at[BED_KEEPALIVE], ==, received_at + 10 * FZ_S);
  bed_run (bed, 60 * FZ_S);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], ==, 1);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (n_initiations (bed), ==, 0);
}

/* §11 #5: a one-way stream is answered every 10 s, and its sender never has to ask. */
static void
test_one_way_stream (Bed *bed, gconstpointer data)
{
  establish (bed);
  for (int i = 0; i < 1000; i++) {
    g_assert_true (bed_send (bed, 0));
    bed_run (bed, 100 * FZ_MS);
  }
  g_assert_cmpuint (bed->ends[1].n_received, ==, 1000);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], >=, 9);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], <=, 10);
  g_assert_cmpuint (n_initiations (bed), ==, 0);
}

/* Traffic both ways needs no keepalives. */
static void
test_two_way_stream (Bed *bed, gconstpointer data)
{
  establish (bed);
  for (int i = 0; i < 100; i++) {
    g_assert_true (bed_send (bed, 0) && bed_send (bed, 1));
    bed_run (bed, FZ_S);
  }
  g_assert_cmpuint (bed->ends[0].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (n_initiations (bed), ==, 0);
}

static void
test_w14_dead_link (Bed *bed, gconstpointer data)
{
  static const struct {
    const FzTunnelProfile *profile;
    size_t end;
    uint64_t expected_s;
  } rows[] = {
    { &fz_tunnel_profile_ice, 0, 15 },
    { &fz_tunnel_profile_ice, 1, 15 }, /* either role */
    { &fz_tunnel_profile_bare, 0, 15 },
    { &fz_tunnel_profile_iceless, 0, 7 },
  };

  for (size_t row = 0; row < G_N_ELEMENTS (rows); row++) {
    Bed fresh;
    BedEnd *end = &fresh.ends[rows[row].end];
    FzInstant first_at;

    bed_init (&fresh, rows[row].profile, 14);
    establish (&fresh);
    bed_run (&fresh, 30 * FZ_S);
    bed_reset_counts (&fresh);
    fresh.ends[0].is_cut = fresh.ends[1].is_cut = true;
    first_at = fresh.now;
    for (uint64_t s = 0; s < rows[row].expected_s; s++) {
      g_assert_true (bed_send (&fresh, rows[row].end));
      bed_run (&fresh, FZ_S - (s + 1 == rows[row].expected_s));
    }
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
    bed_run (&fresh, 1 + JITTER);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
    g_assert_cmpuint (
        end->last_sent_at[BED_INITIATION], >=, first_at + rows[row].expected_s * FZ_S);
    bed_clear (&fresh);
  }
}

static void
test_w15_persistent_keepalive (Bed *bed, gconstpointer data)
{
  FzTunnelProfile profile = fz_tunnel_profile_bare;

  profile.persistent_keepalive_s = 25;
  bed_renew_tunnel (bed, 0, &profile, NULL, fz_identity_get_public_key (bed->ends[1].identity));
  establish (bed);
  bed_run (bed, 80 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_KEEPALIVE], ==, 3);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (n_initiations (bed), ==, 0);

  /* keys end without traffic; then the keepalive asks for new ones, also after giving up */
  bed_run (bed, 150 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_INITIATION], ==, 1);
  g_assert_true (fz_tunnel_can_send (bed->ends[0].tunnel, bed->now));
  bed->ends[0].is_cut = true;
  bed_run (bed, 400 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_events[FZ_TUNNEL_EVENT_EXPIRED], >=, 1);
  bed->ends[0].is_cut = false;
  bed_run (bed, 40 * FZ_S);
  g_assert_true (fz_tunnel_can_send (bed->ends[0].tunnel, bed->now));
}

static void
test_w16_responder_at_180 (Bed *bed, gconstpointer data)
{
  FzInstant start = establish (bed);

  bed->ends[0].is_cut = true;
  bed_run_until (bed, start + 180 * FZ_S - 100 * FZ_MS);
  g_assert_true (bed_send (bed, 1));
  bed_run (bed, 200 * FZ_MS);
  g_assert_false (bed_send (bed, 1));
  g_assert_false (fz_tunnel_can_send (bed->ends[1].tunnel, bed->now));
  g_assert_cmpuint (bed->ends[1].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
  bed_run (bed, FZ_S); /* it is wiped together with others of its second */
  g_assert_null (atomic_load (&bed->ends[1].peer->sending));
  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++)
    g_assert_null (atomic_load (&bed->ends[1].peer->receiving[i]));
}

/* An idle standing tunnel can send at any moment: its keys are renewed before it has to stop. */
static void
test_no_gap (Bed *bed, gconstpointer data)
{
  establish (bed);
  for (int i = 0; i < 2000; i++) {
    bed_run (bed, FZ_S);
    for (size_t end = 0; end < 2; end++)
      g_assert_true (fz_tunnel_can_send (bed->ends[end].tunnel, bed->now));
  }
}

static void
test_w17_expiry (Bed *bed, gconstpointer data)
{
  BedEnd *responder = &bed->ends[1];
  FzInstant start = establish (bed);

  bed->ends[0].is_cut = true;
  bed_run_until (bed, start + 539 * FZ_S);
  g_assert_cmpuint (responder->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
  bed_run (bed, FZ_S);
  g_assert_cmpuint (responder->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
  g_assert_cmpuint (fz_tunnel_next_timeout (responder->tunnel), ==, FZ_INSTANT_NEVER);
}

/* A tunnel that never had a session, and W25: one late poll. */
static void
test_w17_never_connected (Bed *bed, gconstpointer data)
{
  g_assert_cmpuint (fz_tunnel_next_timeout (bed->ends[1].tunnel), ==, BED_START + 540 * FZ_S);
  bed_run_until (bed, BED_START + 540 * FZ_S);
  g_assert_cmpuint (bed->ends[1].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
}

static void
test_w25_late_poll (Bed *bed, gconstpointer data)
{
  for (size_t i = 0; i < 2; i++) {
    Bed fresh;

    bed_init (&fresh, &fz_tunnel_profile_ice, 25);
    establish (&fresh);
    fresh.now += 4 * 180 * FZ_S;
    fz_tunnel_handle_timeout (fresh.ends[i].tunnel, fresh.now);
    bed_collect (&fresh, i);
    g_assert_cmpuint (fresh.ends[i].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
    g_assert_cmpuint (fresh.ends[i].n_sent[BED_INITIATION], ==, 0);
    bed_clear (&fresh);
  }
}

/* A bare peer falls silent, and stays. */
static void
test_bare_is_quiet (Bed *bed, gconstpointer data)
{
  establish (bed);
  bed_run (bed, 10000 * FZ_S);
  for (size_t i = 0; i < 2; i++) {
    g_assert_cmpuint (bed->ends[i].n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
    g_assert_cmpuint (bed->ends[i].n_sent[BED_INITIATION], ==, 0);
    g_assert_cmpuint (fz_tunnel_next_timeout (bed->ends[i].tunnel), ==, FZ_INSTANT_NEVER);
    g_assert_cmpuint (bed->ends[i].n_wakeups, <=, 2);
  }
  bed_connect (bed);
}

static void
test_w18_age_171 (Bed *bed, gconstpointer data)
{
  FzInstant start = establish (bed);
  uint8_t out[64];

  bed->ends[0].is_cut = bed->ends[1].is_cut = true;
  bed_run_until (bed, start + 171 * FZ_S);
  g_assert_false (bed_send (bed, 0));
  g_assert_cmpint (fz_tunnel_seal (bed->ends[0].tunnel, fz_span (out, 20), bed->now, out),
                   ==,
                   FZ_DROP_NO_SESSION);
  g_assert_true (bed_send (bed, 1));
}

static void
test_w19_many_rekeys (Bed *bed, gconstpointer data)
{
  establish (bed);
  for (int i = 0; i < 24 * 60; i++) {
    assert_flows (bed);
    bed_run (bed, FZ_S);
  }
  g_assert_cmpuint (bed->ends[0].n_sent[BED_INITIATION], >=, 12);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_INITIATION], ==, 0);
  g_assert_cmpuint (bed->ends[0].n_refused + bed->ends[1].n_refused, ==, 0);
}

static void
test_w20_confirmation (Bed *bed, gconstpointer data)
{
  BedEnd *responder = &bed->ends[1];
  uint32_t old_index, new_index;
  BedDatagram keepalive;

  bed_connect (bed);
  assert_flows (bed);
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
  assert_flows (bed);
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
  assert_flows (bed);

  /* a rekey leaves the old session to the lanes until the new one is published */
  bed_start (bed, 0);
  bed_run (bed, 100 * FZ_MS);
  g_assert_cmphex (atomic_load (&end->peer->sending)->local_index & 0xff, ==, 1);
  assert_flows (bed);
  g_assert_true (fz_tunnel_publish (end->tunnel));
  g_assert_cmphex (atomic_load (&end->peer->sending)->local_index & 0xff, ==, 2);
  assert_flows (bed);
}

/* What the engine itself seals counts as traffic. */
static void
test_sealed_is_traffic (Bed *bed, gconstpointer data)
{
  static const uint8_t packet[40] = { 0x60 };
  uint8_t out[40 + FZ_WIREGUARD_DATA_OVERHEAD];
  BedEnd *end = &bed->ends[0];

  establish (bed);
  bed->ends[1].is_cut = true;
  bed_run (bed, 30 * FZ_S);
  g_assert_cmpint (
      fz_tunnel_seal (end->tunnel, fz_span (packet, 40), bed->now, out), ==, FZ_DROP_NONE);
  bed_run (bed, 15 * FZ_S - 1);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  bed_run (bed, JITTER + 1);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
}

/* -- the ring -- */

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

static void
test_exhausted (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzKeypair *keypair;
  uint8_t out[64];

  establish (bed);
  keypair = atomic_load (&end->peer->sending);
  fz_tunnel_handle_exhausted (end->tunnel, keypair->local_index + 1, bed->now); /* not that one */
  bed_run (bed, FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);

  atomic_store (&keypair->send_counter, FZ_REJECT_AFTER_MESSAGES);
  g_assert_cmpint (
      fz_tunnel_seal (end->tunnel, fz_span (out, 20), bed->now, out), ==, FZ_DROP_NO_SESSION);
  g_assert_false (bed_send (bed, 0));
  fz_tunnel_handle_exhausted (end->tunnel, keypair->local_index, bed->now);
  fz_tunnel_handle_exhausted (end->tunnel, keypair->local_index, bed->now);
  bed_run (bed, FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
  assert_flows (bed);
}

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
  assert_flows (bed);

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
  assert_flows (bed);
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
  assert_flows (bed);
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

/* -- idle cost and the watched flag -- */

static void
test_idle_cost (Bed *bed, gconstpointer data)
{
  establish (bed);
  bed_run (bed, 3600 * FZ_S);
  /* 3600 / 165 renewals; per renewal the initiator wakes for the end of keys and for jitter */
  g_assert_cmpuint (bed->ends[0].n_sent[BED_INITIATION], <=, 22);
  for (size_t i = 0; i < 2; i++)
    g_assert_cmpuint (bed->ends[i].n_wakeups, <, 22 * 5);
}

static void
test_watched (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];

  establish (bed);
  bed_run (bed, 40 * FZ_S);
  g_assert_false (atomic_load (&end->peer->is_watched));
  bed_reset_counts (bed);

  /* a stream is announced once, however many packets it has */
  for (int i = 0; i < 500; i++) {
    g_assert_true (bed_send (bed, 0) && bed_send (bed, 1));
    bed_run (bed, 100 * FZ_MS);
  }
  g_assert_cmpuint (end->n_activities, ==, 1);
  g_assert_cmpuint (end->n_wakeups, <=, 6);
  g_assert_true (atomic_load (&end->peer->is_watched));

  /* it ends: so does the watching */
  bed_run (bed, 21 * FZ_S);
  g_assert_false (atomic_load (&end->peer->is_watched));
  bed_reset_counts (bed);
  g_assert_true (bed_send (bed, 0));
  g_assert_cmpuint (end->n_activities, ==, 1);
}

/* A packet at any moment around the end of watching must find its keepalive timer. */
static void
test_no_lost_wakeup (Bed *bed, gconstpointer data)
{
  for (uint64_t offset_ms = 0; offset_ms <= 45 * 1000; offset_ms += 500) {
    Bed fresh;
    FzInstant at;

    bed_init (&fresh, &fz_tunnel_profile_ice, 77);
    establish (&fresh);
    g_assert_true (bed_send (&fresh, 0) && bed_send (&fresh, 1));
    bed_run (&fresh, offset_ms * FZ_MS + 100 * FZ_MS);
    bed_reset_counts (&fresh);
    fresh.ends[1].is_late[BED_KEEPALIVE] = true;
    g_assert_true (bed_send (&fresh, 0));
    at = fresh.now;
    bed_run (&fresh, 11 * FZ_S);
    g_assert_cmpuint (fresh.ends[1].n_sent[BED_KEEPALIVE], ==, 1);
    bed_run_until (&fresh, at + 15 * FZ_S + JITTER);
    g_assert_cmpuint (fresh.ends[0].n_sent[BED_INITIATION], ==, 1);
    bed_clear (&fresh);
  }
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
  assert_flows (bed);
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
  assert_flows (bed);
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
    assert_flows (&bed);
    bed_clear (&bed);
  }
}

static void
test_rekey_times_out_in_ice (Bed *bed, gconstpointer data)
{
  FzInstant start = establish (bed);
  BedEnd *end = &bed->ends[0];

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, start + 100 * FZ_S);
  end->is_cut = true;
  bed_run_until (bed, start + 120 * FZ_S + 19 * FZ_S);
  g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 0);
  bed_run (bed, FZ_S + JITTER);
  g_assert_cmpuint (end->n_events[FZ_TUNNEL_EVENT_EXPIRED], ==, 1);
  g_assert_false (fz_tunnel_can_send (end->tunnel, bed->now));
  g_assert_null (atomic_load (&end->peer->sending));
  g_assert_cmpuint (atomic_load (&end->peer->sent_data_at), ==, 0); /* nothing left to act on */
  g_assert_cmpuint (atomic_load (&end->peer->first_unanswered_sent_at), ==, 0);
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
    fz_tunnel_handle_timeout (end->tunnel, bed->now + JITTER);
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

#define ADD(path, set_up, function) g_test_add (path, Bed, NULL, set_up, function, tear_down)

static void
add_handshakes (void)
{
  ADD ("/tunnel/handshake/w1-complete", set_up_ice, test_w1_handshake);
  ADD ("/tunnel/handshake/w2-preshared-keys", set_up_ice, test_w2_preshared_keys);
  ADD ("/tunnel/handshake/w3-other-static-key", set_up_ice, test_w3_other_static_key);
  ADD ("/tunnel/handshake/w4-replay", set_up_ice, test_w4_replay);
  ADD ("/tunnel/handshake/w5-outstanding", set_up_ice, test_w5_outstanding);
  ADD ("/tunnel/handshake/w6-both-at-once", set_up_ice, test_w6_both_at_once);
  ADD ("/tunnel/handshake/w7-unsolicited", set_up_ice, test_w7_unsolicited);
  ADD ("/tunnel/handshake/lost-messages", set_up_ice, test_lost_messages);
  ADD ("/tunnel/handshake/peer-was-faster", set_up_ice, test_peer_was_faster);
  ADD ("/tunnel/handshake/timestamps-differ", set_up_ice, test_timestamps_differ);
  ADD ("/tunnel/handshake/low-order-peer", set_up_ice, test_low_order_peer);
  ADD ("/tunnel/handshake/timestamps-grow", set_up_bare, test_timestamps_grow);
  ADD ("/tunnel/attempt/w9-unanswered", set_up_ice, test_w9_unanswered);
  ADD ("/tunnel/attempt/expired-answers", set_up_ice, test_expired_answers);
  ADD ("/tunnel/attempt/unpolled", set_up_bare, test_unpolled);
  ADD ("/tunnel/attempt/new-tunnel-is-calm", set_up_ice, test_new_tunnel_is_calm);
  ADD ("/tunnel/attempt/scheduled-then-asked", set_up_ice, test_scheduled_then_asked);
  ADD ("/tunnel/attempt/w24-jitter", set_up_ice, test_w24_jitter);
  g_test_add_func ("/tunnel/attempt/w26-seeds", test_w26_seeds);
  ADD ("/tunnel/attempt/rekey-fails", set_up_ice, test_rekey_times_out_in_ice);
  ADD ("/tunnel/load/w22-cookies", set_up_ice, test_w22_cookies);
  ADD ("/tunnel/load/late-cookie", set_up_ice, test_late_cookie);
  ADD ("/tunnel/load/cookie-for-response", set_up_ice, test_cookie_for_response);
  ADD ("/tunnel/load/initiation-flood", set_up_ice, test_initiation_flood);
}

static void
add_timers (void)
{
  ADD ("/tunnel/rekey/table", set_up_ice, test_rekey_table);
  ADD ("/tunnel/rekey/holds-off", set_up_ice, test_holds_off);
  ADD ("/tunnel/rekey/while-watched", set_up_bare, test_rekey_while_watched);
  ADD ("/tunnel/rekey/w14-dead-link", set_up_ice, test_w14_dead_link);
  ADD ("/tunnel/rekey/w19-many", set_up_ice, test_w19_many_rekeys);
  ADD ("/tunnel/rekey/exhausted", set_up_ice, test_exhausted);
  ADD ("/tunnel/keepalive/w13-passive", set_up_ice, test_w13_passive_keepalive);
  ADD ("/tunnel/keepalive/w15-persistent", set_up_bare, test_w15_persistent_keepalive);
  ADD ("/tunnel/keepalive/one-way-stream", set_up_ice, test_one_way_stream);
  ADD ("/tunnel/keepalive/two-way-stream", set_up_ice, test_two_way_stream);
  ADD ("/tunnel/age/w16-responder", set_up_ice, test_w16_responder_at_180);
  ADD ("/tunnel/age/no-gap/ice", set_up_ice, test_no_gap);
  ADD ("/tunnel/age/no-gap/iceless", set_up_iceless, test_no_gap);
  ADD ("/tunnel/age/w17-expiry", set_up_ice, test_w17_expiry);
  ADD ("/tunnel/age/w17-never-connected", set_up_iceless, test_w17_never_connected);
  ADD ("/tunnel/age/w18-stop-sending", set_up_ice, test_w18_age_171);
  ADD ("/tunnel/age/w25-late-poll", set_up_ice, test_w25_late_poll);
  ADD ("/tunnel/age/bare-is-quiet", set_up_bare, test_bare_is_quiet);
  ADD ("/tunnel/traffic/idle-cost", set_up_ice, test_idle_cost);
  ADD ("/tunnel/traffic/watched", set_up_ice, test_watched);
  ADD ("/tunnel/traffic/no-lost-wakeup", set_up_ice, test_no_lost_wakeup);
}

static void
add_sessions (void)
{
  ADD ("/tunnel/session/w20-confirmation", set_up_ice, test_w20_confirmation);
  ADD ("/tunnel/session/confirmed-without-message", set_up_ice, test_confirmed_without_message);
  ADD ("/tunnel/session/publication", set_up_ice, test_publication);
  ADD ("/tunnel/session/sealed-is-traffic", set_up_ice, test_sealed_is_traffic);
  ADD ("/tunnel/session/ninth", set_up_ice, test_ninth_session);
  ADD ("/tunnel/session/w29-indices", set_up_ice, test_indices);
  ADD ("/tunnel/roaming", set_up_bare, test_roaming);
  ADD ("/tunnel/garbage/every-length", set_up_ice, test_garbage_lengths);
  ADD ("/tunnel/garbage/right-mac", set_up_ice, test_garbage_with_right_mac);
  g_test_add_func ("/tunnel/lossy-wire", test_lossy_wire);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  add_handshakes ();
  add_timers ();
  add_sessions ();
  return g_test_run ();
}
