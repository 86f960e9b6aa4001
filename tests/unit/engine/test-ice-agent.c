/* test-ice-agent.c: checks and nomination, the peer played by the test (connectivity.md §3, §12.6)
 */

#include "src/engine/fz-stun-auth.h"
#include "tests/unit/engine/ice-bed.h"

static void
test_check_contents (Bed *f, gconstpointer data)
{
  FzInstant now = BED_START;
  FzIceTransmit check;
  FzStunMessage m;

  g_assert_true (bed_next_check (f->agent, BED_START, &check, &now));
  m = bed_parse (&check);
  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_REQUEST);
  g_assert_cmpmem (m.username.data, m.username.length, "them:us", 7);
  g_assert_true (fz_stun_verify (&m, fz_stun_short_term_key (THEIR_PW)));
  g_assert_true (fz_stun_check_fingerprint (&m));
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_CONTROLLING | FZ_STUN_HAS_PRIORITY));
  g_assert_false (fz_stun_has (&m, FZ_STUN_HAS_USE_CANDIDATE));
  g_assert_cmpuint (m.priority, ==, 1862270719); /* as in A.3 */
  g_assert_cmpmem (&check.transaction_id, 12, &m.transaction_id, 12);
  g_assert_false (check.is_relayed);
}

/* A.6, in ms */
static const struct {
  FzIceProfile profile;
  unsigned at[16];
  unsigned n;
  unsigned removed_at; /* 0: later than we look */
} schedules[] = {
  { FZ_ICE_CLIENT_DEFAULT,
    { 0, 250, 750, 1750, 3250, 4750, 6250, 7750, 9250, 10750, 12250, 13750 },
    12,
    15250 },
  { FZ_ICE_SERVER_DEFAULT, { 0, 250, 750, 1750, 3750, 7750, 15750, 30750, 45750, 60750 }, 10, 0 },
  { FZ_ICE_CLIENT_IDLE, { 0, 25000, 50000, 75000 }, 4, 100000 },
};

static void
test_schedule (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (schedules); i++) {
    Bed f;
    FzInstant now = BED_START;
    FzIceTransmit check;

    bed_set_up_role (&f, FZ_ICE_CONTROLLED, schedules[i].profile);
    for (unsigned k = 0; k < schedules[i].n; k++) {
      g_assert_true (bed_next_check (f.agent, BED_START + 1000 * FZ_S, &check, &now));
      g_assert_cmpuint ((now - BED_START) / FZ_MS, ==, schedules[i].at[k]);
    }
    if (schedules[i].removed_at != 0) {
      g_assert_cmpint (fz_ice_agent_get_state (f.agent), ==, FZ_ICE_CHECKING);
      g_assert_false (bed_next_check (f.agent, BED_START + 1000 * FZ_S, &check, &now));
      g_assert_cmpuint ((now - BED_START) / FZ_MS, ==, schedules[i].removed_at);
      g_assert_cmpint (fz_ice_agent_get_state (f.agent), ==, FZ_ICE_DISCONNECTED);
    }
    bed_tear_down (&f, NULL);
  }
}

/* N1, N2 */
static void
test_timeouts (void)
{
  static const uint64_t expected_ms[] = { 16500, 100000, 615500, 1000000 };

  for (int i = 0; i <= FZ_ICE_SERVER_IDLE; i++)
    g_assert_cmpuint (
        fz_ice_timing_timeout (fz_ice_timing ((FzIceProfile) i)), ==, expected_ms[i] * FZ_MS);
  g_assert_cmpuint (fz_ice_timing_timeout (fz_ice_timing (FZ_ICE_CLIENT_DEFAULT)), <, 20 * FZ_S);
}

/* I4: the clock may stand at its epoch. */
static void
test_epoch (void)
{
  Bed f;
  FzInstant now = 0;
  FzIceTransmit check;

  bed_set_up (&f, NULL);
  for (int i = 0; i < 3; i++) {
    g_assert_true (bed_next_check (f.agent, 10 * FZ_S, &check, &now));
    g_assert_cmpint (bed_answer (f.agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  }
  bed_tear_down (&f, NULL);
}

/* I14 */
static void
test_profile_switch (Bed *f, gconstpointer data)
{
  FzInstant now = BED_START;
  FzIceTransmit check;

  fz_ice_agent_set_profile (f->agent, FZ_ICE_CLIENT_IDLE);
  g_assert_true (bed_next_check (f->agent, BED_START, &check, &now));
  g_assert_cmpint (bed_answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (bed_next_check (f->agent, BED_START, &check, &now)); /* the nomination */
  g_assert_cmpint (bed_answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), >=, BED_START + 25 * FZ_S);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), <=, BED_START + 26 * FZ_S);
  fz_ice_agent_set_profile (f->agent, FZ_ICE_CLIENT_DEFAULT);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), <=, BED_START + 1500 * FZ_MS);
}

static unsigned
count_pending_checks (FzIceAgent *agent)
{
  FzIceTransmit transmit;
  unsigned n = 0;

  while (fz_ice_agent_poll_transmit (agent, &transmit))
    n += transmit.is_request;
  return n;
}

/* Idle: what the peer's check finds nearly due goes along with the answer, and nothing else. */
static void
test_company (Bed *f, gconstpointer data)
{
  const FzIceCheck check = { 0 }; /* of a controlled one */
  FzInstant now = BED_START, due;
  FzIceTransmit ours;

  fz_ice_agent_set_profile (f->agent, FZ_ICE_CLIENT_IDLE);
  for (unsigned i = 0; i < 2; i++) { /* the second one nominates */
    g_assert_true (bed_next_check (f->agent, BED_START, &ours, &now));
    g_assert_cmpint (bed_answer (f->agent, &ours, THEIR_PW, now), ==, FZ_DROP_NONE);
  }
  due = fz_ice_agent_next_timeout (f->agent);

  now = BED_START + 10 * FZ_S;
  bed_request (f->agent, &check, US, THEM, now);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (count_pending_checks (f->agent), ==, 0);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), ==, due);

  now = BED_START + 14 * FZ_S;
  bed_request (f->agent, &check, US, THEM, now);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (count_pending_checks (f->agent), ==, 1);
  bed_request (f->agent, &check, US, THEM, now);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (count_pending_checks (f->agent), ==, 0);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), >=, now + 25 * FZ_S);
}

/* Two connections of an idle gateway: whatever the second at which each began, they end up waking
 * it at whole seconds. */
static void
test_grid (void)
{
  const FzInstant started[] = { BED_START, BED_START + 4 * FZ_S + 321 * FZ_MS };

  for (size_t i = 0; i < G_N_ELEMENTS (started); i++) {
    Bed f;
    FzInstant now = started[i], last;
    FzIceTransmit check;

    bed_set_up_role (&f, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_IDLE);
    g_assert_true (bed_next_check (f.agent, now, &check, &now));
    last = now;
    for (unsigned k = 0; k < 5; k++) {
      g_assert_true (bed_next_check (f.agent, now + 30 * FZ_S, &check, &now));
      g_assert_cmpuint (now % FZ_S, ==, 0);
      g_assert_cmpuint (now - last, >, 24 * FZ_S);
      g_assert_cmpuint (now - last, <=, 25 * FZ_S);
      last = now;
    }
    bed_tear_down (&f, NULL);
  }
}

/* -- nomination -- */

static void
test_controlling (Bed *f, gconstpointer data)
{
  FzInstant now = BED_START;
  FzIceTransmit check;
  FzIceEvent event;
  FzStunMessage m;

  g_assert_true (bed_next_check (f->agent, BED_START, &check, &now));
  g_assert_cmpint (bed_answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_poll_event (f->agent, &event));
  g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_STATE);
  g_assert_cmpint (event.state, ==, FZ_ICE_CHECKING);
  g_assert_true (fz_ice_agent_poll_event (f->agent, &event));
  g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_NOMINATED);
  g_assert_cmpint (event.nominated.path, ==, FZ_PATH_DIRECT);
  g_assert_true (fz_ice_agent_poll_event (f->agent, &event));
  g_assert_cmpint (event.state, ==, FZ_ICE_COMPLETED);

  /* The check with USE-CANDIDATE jumps the queue; all later ones carry it too. */
  for (int i = 0; i < 3; i++) {
    g_assert_true (bed_next_check (f->agent, BED_START + 10 * FZ_S, &check, &now));
    g_assert_true (i > 0 || now == BED_START);
    m = bed_parse (&check);
    g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_USE_CANDIDATE));
    bed_answer (f->agent, &check, THEIR_PW, now);
  }
  g_assert_false (fz_ice_agent_poll_event (f->agent, &event));
}

/* Of two equally good pairs the one in use stays. */
static void
test_equal_pairs (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent =
      bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  FzIceTransmit checks[2];
  FzInstant now = BED_START;
  unsigned n_nominated = 0;
  FzIceEvent event;

  bed_add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, bed_remote_host));
  g_assert_true (fz_ice_agent_add_remote_candidate (
      agent, "candidate:1 1 udp 2130706175 10.0.0.3 52625 typ host"));
  fz_ice_agent_handle_timeout (agent, now);
  for (int i = 0; i < 2; i++) {
    g_assert_true (fz_ice_agent_poll_transmit (agent, &checks[i]));
    checks[i].data = (FzSpan){ 0 };
  }
  g_assert_cmpint (bed_answer (agent, &checks[1], THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_cmpint (bed_answer (agent, &checks[0], THEIR_PW, now), ==, FZ_DROP_NONE);
  while (fz_ice_agent_poll_event (agent, &event))
    n_nominated += event.kind == FZ_ICE_EVENT_NOMINATED;
  g_assert_cmpuint (n_nominated, ==, 1);
}

/* RFC 8445 §7.3.1.4: a request hastens our own unfinished check, but not without measure. */
static void
test_triggered (void)
{
  static const struct {
    unsigned request_ms;
    unsigned check_ms;
  } rows[] = { { 100, 100 }, { 10, 20 }, { 0, 20 }, { 300, 250 } };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Bed f;
    FzInstant now = BED_START;
    FzInstant at = BED_START + rows[i].request_ms * FZ_MS;
    FzIceTransmit transmit;

    bed_set_up_role (&f, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
    g_assert_true (bed_next_check (f.agent, BED_START, &transmit, &now));
    if (!bed_next_check (f.agent, at, &transmit, &now)) {
      now = at;
      g_assert_cmpint (
          bed_request (f.agent, &(FzIceCheck){ .is_controlling = true }, US, THEM, at), ==, 0);
      g_assert_true (bed_next_check (f.agent, BED_START + FZ_S, &transmit, &now));
    }
    g_assert_cmpuint ((now - BED_START) / FZ_MS, ==, rows[i].check_ms);
    bed_tear_down (&f, NULL);
  }
}

/* §3.6: whoever still sends valid requests is still there. */
static void
test_kept_by_requests (void)
{
  Bed f;
  FzInstant last = BED_START + 40 * FZ_S;

  bed_set_up_role (&f, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  for (FzInstant now = BED_START; now <= last + 18 * FZ_S; now += FZ_S / 4) {
    if (now <= last && (now - BED_START) % (5 * FZ_S) == 0)
      bed_request (f.agent, &(FzIceCheck){ .is_controlling = true }, US, THEM, now);
    fz_ice_agent_handle_timeout (f.agent, now);
    bed_drain (f.agent);
    g_assert_true (fz_ice_agent_get_state (f.agent) == FZ_ICE_CHECKING || now >= last + 15 * FZ_S);
  }
  g_assert_cmpint (fz_ice_agent_get_state (f.agent), ==, FZ_ICE_DISCONNECTED);
  bed_tear_down (&f, NULL);
}

static void
test_controlled (Bed *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true, .use_candidate = true };
  FzInstant now = BED_START;
  FzIceTransmit transmit;
  FzIceEvent event;
  FzStunMessage m;

  fz_ice_agent_handle_timeout (f->agent, BED_START);
  bed_drain (f->agent);
  g_assert_cmpint (bed_request (f->agent, &check, US, THEM, BED_START), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_poll_event (f->agent, &event));
  g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_NOMINATED); /* before our own check succeeded */
  g_assert_true (fz_ice_agent_poll_transmit (f->agent, &transmit));
  m = bed_parse (&transmit);
  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_SUCCESS);
  g_assert_true (fz_stun_verify (&m, fz_stun_short_term_key (OUR_PW)));
  g_assert_true (fz_socket_address_equal (&m.xor_mapped, &transmit.remote));
  g_assert_true (bed_next_check (f->agent, BED_START, &transmit, &now)); /* checked at once */
  m = bed_parse (&transmit);
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_CONTROLLED));
  g_assert_false (fz_stun_has (&m, FZ_STUN_HAS_USE_CANDIDATE));
}

/* Somebody on the way repeats the peer's request from a place of his own: it is authentic, and its
 * pair would be the better one. A way that works is not left for a place that does not answer. */
static void
test_repeated_elsewhere (void)
{
  static const char relayed[] =
      "candidate:1 1 udp 5 10.0.0.2 52625 typ relay raddr 0.0.0.0 rport 0";
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = bed_make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_DEFAULT);
  FzIceCheck check = { .is_controlling = true, .use_candidate = true };
  FzInstant now = BED_START;
  FzIceTransmit transmit;
  FzIceEvent event;

  bed_add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, relayed));
  g_assert_cmpint (bed_request (agent, &check, US, THEM, BED_START), ==, FZ_DROP_NONE);
  g_assert_true (bed_next_check (agent, BED_START, &transmit, &now));
  g_assert_cmpint (bed_answer (agent, &transmit, THEIR_PW, now), ==, FZ_DROP_NONE);
  bed_drain (agent);

  for (unsigned n = 0; n < 3; n++) {
    g_assert_cmpint (bed_request (agent, &check, US, "10.0.0.66:666", now), ==, FZ_DROP_NONE);
    fz_ice_agent_handle_timeout (agent, now);
    while (fz_ice_agent_poll_event (agent, &event))
      g_assert_cmpint (event.kind, !=, FZ_ICE_EVENT_NOMINATED);
    now += FZ_S / 10;
  }

  /* The peer itself has moved there: then our check is answered, and we follow. */
  bed_drain (agent);
  bed_request (agent, &check, US, "10.0.0.66:666", now);
  do
    g_assert_true (bed_next_check (agent, now + 10 * FZ_S, &transmit, &now));
  while (transmit.remote.port != 666);
  g_assert_cmpint (bed_answer (agent, &transmit, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_poll_event (agent, &event));
  g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_NOMINATED);
  g_assert_cmpuint (event.nominated.remote.port, ==, 666);
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  BED_ADD ("/ice-agent/check/contents", bed_set_up, test_check_contents);
  g_test_add_func ("/ice-agent/check/schedule", test_schedule);
  g_test_add_func ("/ice-agent/check/timeouts", test_timeouts);
  BED_ADD ("/ice-agent/check/company", bed_set_up, test_company);
  g_test_add_func ("/ice-agent/check/grid", test_grid);
  g_test_add_func ("/ice-agent/check/epoch", test_epoch);
  BED_ADD ("/ice-agent/check/profile-switch", bed_set_up, test_profile_switch);
  BED_ADD ("/ice-agent/nomination/controlling", bed_set_up, test_controlling);
  BED_ADD ("/ice-agent/nomination/controlled", bed_set_up_controlled, test_controlled);
  g_test_add_func ("/ice-agent/nomination/equal-pairs", test_equal_pairs);
  g_test_add_func ("/ice-agent/nomination/repeated-elsewhere", test_repeated_elsewhere);
  g_test_add_func ("/ice-agent/check/triggered", test_triggered);
  g_test_add_func ("/ice-agent/check/kept-by-requests", test_kept_by_requests);
  return g_test_run ();
}
