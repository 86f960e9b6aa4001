/* test-tunnel-timers.c: when keys are renewed, kept alive, thrown away; the cost of idling
 *
 * End 0 is the initiator unless a test says otherwise. W… are the rows of connectivity.md §12.8.
 */

#include "tests/unit/engine/tunnel-bed.h"

/* -- rekeying -- */

/* No renewal of our own while the peer is at it, but for no longer than it takes it to repeat. */
static void
test_holds_off (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzInstant start = bed_establish (bed);

  g_assert_true (bed_send (bed, 0));
  bed_run_until (bed, start + 119 * FZ_S);
  end->is_late[BED_RESPONSE] = true;
  bed_start (bed, 1);
  bed_run (bed, 100 * FZ_MS);
  bed->ends[1].is_cut = true;
  bed_run_until (bed, start + 124 * FZ_S);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
  bed_run (bed, 100 * FZ_MS + BED_JITTER);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
}

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
    start = bed_establish (&fresh);
    bed_run_until (&fresh, start + rows[row].at_s * FZ_S - 200 * FZ_MS);
    if (rows[row].traffic != TRAFFIC_NONE)
      g_assert_true (
          bed_send (&fresh, rows[row].traffic == TRAFFIC_SENT ? rows[row].end : 1 - rows[row].end));
    bed_run_until (&fresh, start + rows[row].quiet_until_s * FZ_S - 250 * FZ_MS);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
    bed_run (&fresh, 250 * FZ_MS + BED_JITTER + 100 * FZ_MS);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, rows[row].n_then);
    if (rows[row].n_then > 0) {
      bed_run (&fresh, FZ_S);
      g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, rows[row].n_then);
      bed_assert_flows (&fresh);
    }
    bed_clear (&fresh);
  }
}

/* While the stamps are watched lanes say nothing, but the age at which they matter is kept. */
static void
test_rekey_while_watched (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzInstant start = bed_establish (bed);

  bed_run_until (bed, start + 115 * FZ_S);
  g_assert_true (bed_send (bed, 1));
  bed_run_until (bed, start + 118 * FZ_S);
  bed_reset_counts (bed);
  g_assert_true (bed_send (bed, 0));
  g_assert_cmpuint (end->n_activities, ==, 0);
  bed_run_until (bed, start + 120 * FZ_S + BED_JITTER);
  g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
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
    bed_establish (&fresh);
    bed_run (&fresh, 30 * FZ_S);
    bed_reset_counts (&fresh);
    fresh.ends[0].is_cut = fresh.ends[1].is_cut = true;
    first_at = fresh.now;
    for (uint64_t s = 0; s < rows[row].expected_s; s++) {
      g_assert_true (bed_send (&fresh, rows[row].end));
      bed_run (&fresh, FZ_S - (s + 1 == rows[row].expected_s));
    }
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 0);
    bed_run (&fresh, 1 + BED_JITTER);
    g_assert_cmpuint (end->n_sent[BED_INITIATION], ==, 1);
    g_assert_cmpuint (
        end->last_sent_at[BED_INITIATION], >=, first_at + rows[row].expected_s * FZ_S);
    bed_clear (&fresh);
  }
}

static void
test_w19_many_rekeys (Bed *bed, gconstpointer data)
{
  bed_establish (bed);
  for (int i = 0; i < 24 * 60; i++) {
    bed_assert_flows (bed);
    bed_run (bed, FZ_S);
  }
  g_assert_cmpuint (bed->ends[0].n_sent[BED_INITIATION], >=, 12);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_INITIATION], ==, 0);
  g_assert_cmpuint (bed->ends[0].n_refused + bed->ends[1].n_refused, ==, 0);
}

static void
test_exhausted (Bed *bed, gconstpointer data)
{
  BedEnd *end = &bed->ends[0];
  FzKeypair *keypair;
  uint8_t out[64];

  bed_establish (bed);
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
  bed_assert_flows (bed);
}

/* -- keepalives -- */

static void
test_w13_passive_keepalive (Bed *bed, gconstpointer data)
{
  FzInstant received_at;

  bed_establish (bed);
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
  g_assert_cmpuint (bed_count_initiations (bed), ==, 0);
}

/* §11 #5: a one-way stream is answered every 10 s, and its sender never has to ask. */
static void
test_one_way_stream (Bed *bed, gconstpointer data)
{
  bed_establish (bed);
  for (int i = 0; i < 1000; i++) {
    g_assert_true (bed_send (bed, 0));
    bed_run (bed, 100 * FZ_MS);
  }
  g_assert_cmpuint (bed->ends[1].n_received, ==, 1000);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], >=, 9);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], <=, 10);
  g_assert_cmpuint (bed_count_initiations (bed), ==, 0);
}

/* Traffic both ways needs no keepalives. */
static void
test_two_way_stream (Bed *bed, gconstpointer data)
{
  bed_establish (bed);
  for (int i = 0; i < 100; i++) {
    g_assert_true (bed_send (bed, 0) && bed_send (bed, 1));
    bed_run (bed, FZ_S);
  }
  g_assert_cmpuint (bed->ends[0].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (bed_count_initiations (bed), ==, 0);
}

static void
test_w15_persistent_keepalive (Bed *bed, gconstpointer data)
{
  FzTunnelProfile profile = fz_tunnel_profile_bare;

  profile.persistent_keepalive_s = 25;
  bed_renew_tunnel (bed, 0, &profile, NULL, fz_identity_get_public_key (bed->ends[1].identity));
  bed_establish (bed);
  bed_run (bed, 80 * FZ_S);
  g_assert_cmpuint (bed->ends[0].n_sent[BED_KEEPALIVE], ==, 3);
  g_assert_cmpuint (bed->ends[1].n_sent[BED_KEEPALIVE], ==, 0);
  g_assert_cmpuint (bed_count_initiations (bed), ==, 0);

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

/* -- age -- */

static void
test_w16_responder_at_180 (Bed *bed, gconstpointer data)
{
  FzInstant start = bed_establish (bed);

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
  bed_establish (bed);
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
  FzInstant start = bed_establish (bed);

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
    bed_establish (&fresh);
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
  bed_establish (bed);
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
  FzInstant start = bed_establish (bed);
  uint8_t out[64];

  bed->ends[0].is_cut = bed->ends[1].is_cut = true;
  bed_run_until (bed, start + 171 * FZ_S);
  g_assert_false (bed_send (bed, 0));
  g_assert_cmpint (fz_tunnel_seal (bed->ends[0].tunnel, fz_span (out, 20), bed->now, out),
                   ==,
                   FZ_DROP_NO_SESSION);
  g_assert_true (bed_send (bed, 1));
}

/* -- idle cost and the watched flag -- */

static void
test_idle_cost (Bed *bed, gconstpointer data)
{
  bed_establish (bed);
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

  bed_establish (bed);
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
    bed_establish (&fresh);
    g_assert_true (bed_send (&fresh, 0) && bed_send (&fresh, 1));
    bed_run (&fresh, offset_ms * FZ_MS + 100 * FZ_MS);
    bed_reset_counts (&fresh);
    fresh.ends[1].is_late[BED_KEEPALIVE] = true;
    g_assert_true (bed_send (&fresh, 0));
    at = fresh.now;
    bed_run (&fresh, 11 * FZ_S);
    g_assert_cmpuint (fresh.ends[1].n_sent[BED_KEEPALIVE], ==, 1);
    bed_run_until (&fresh, at + 15 * FZ_S + BED_JITTER);
    g_assert_cmpuint (fresh.ends[0].n_sent[BED_INITIATION], ==, 1);
    bed_clear (&fresh);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/tunnel/rekey/table", bed_set_up_ice, test_rekey_table);
  BED_ADD ("/tunnel/rekey/holds-off", bed_set_up_ice, test_holds_off);
  BED_ADD ("/tunnel/rekey/while-watched", bed_set_up_bare, test_rekey_while_watched);
  BED_ADD ("/tunnel/rekey/w14-dead-link", bed_set_up_ice, test_w14_dead_link);
  BED_ADD ("/tunnel/rekey/w19-many", bed_set_up_ice, test_w19_many_rekeys);
  BED_ADD ("/tunnel/rekey/exhausted", bed_set_up_ice, test_exhausted);
  BED_ADD ("/tunnel/keepalive/w13-passive", bed_set_up_ice, test_w13_passive_keepalive);
  BED_ADD ("/tunnel/keepalive/w15-persistent", bed_set_up_bare, test_w15_persistent_keepalive);
  BED_ADD ("/tunnel/keepalive/one-way-stream", bed_set_up_ice, test_one_way_stream);
  BED_ADD ("/tunnel/keepalive/two-way-stream", bed_set_up_ice, test_two_way_stream);
  BED_ADD ("/tunnel/age/w16-responder", bed_set_up_ice, test_w16_responder_at_180);
  BED_ADD ("/tunnel/age/no-gap/ice", bed_set_up_ice, test_no_gap);
  BED_ADD ("/tunnel/age/no-gap/iceless", bed_set_up_iceless, test_no_gap);
  BED_ADD ("/tunnel/age/w17-expiry", bed_set_up_ice, test_w17_expiry);
  BED_ADD ("/tunnel/age/w17-never-connected", bed_set_up_iceless, test_w17_never_connected);
  BED_ADD ("/tunnel/age/w18-stop-sending", bed_set_up_ice, test_w18_age_171);
  BED_ADD ("/tunnel/age/w25-late-poll", bed_set_up_ice, test_w25_late_poll);
  BED_ADD ("/tunnel/age/bare-is-quiet", bed_set_up_bare, test_bare_is_quiet);
  BED_ADD ("/tunnel/traffic/idle-cost", bed_set_up_ice, test_idle_cost);
  BED_ADD ("/tunnel/traffic/watched", bed_set_up_ice, test_watched);
  BED_ADD ("/tunnel/traffic/no-lost-wakeup", bed_set_up_ice, test_no_lost_wakeup);
  return g_test_run ();
}
