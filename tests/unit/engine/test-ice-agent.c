/* test-ice-agent.c: one ICE agent, its peer played by the test (connectivity.md §3, §12.6, A.6) */

#include "src/engine/fz-ice-agent.h"
#include "src/engine/fz-ice-message.h"
#include "src/engine/fz-stun-auth.h"

#include <glib.h>
#include <string.h>

#define START    (100 * FZ_S)
#define US       "10.0.0.1:52625"
#define THEM     "10.0.0.2:52625"
#define OUR_PW   "our-password"
#define THEIR_PW "their-password"

static const char remote_host[] = "candidate:1 1 udp 2130706175 10.0.0.2 52625 typ host";

typedef struct {
  FzSeededRng seeded;
  FzIceAgent *agent;
} Fixture;

static FzSocketAddress
address (const char *text)
{
  FzSocketAddress out;

  g_assert_true (fz_socket_address_parse (text, &out));
  return out;
}

static FzIceAgent *
make_agent (FzSeededRng *seeded, FzIceRole role, FzIceProfile profile)
{
  fz_seeded_rng_init (seeded, 1);
  return fz_ice_agent_new (&(FzIceAgentConfig){
      .role = role,
      .profile = profile,
      .local = { "us", OUR_PW },
      .remote = { "them", THEIR_PW },
      .rng = fz_seeded_rng (seeded),
  });
}

static bool
add_host (FzIceAgent *agent, const char *text)
{
  FzSocketAddress host = address (text);
  FzCandidate candidate = fz_candidate_host (&host);

  return fz_ice_agent_add_local_candidate (agent, &candidate, NULL);
}

static void
set_up_role (Fixture *f, FzIceRole role, FzIceProfile profile)
{
  f->agent = make_agent (&f->seeded, role, profile);
  g_assert_true (add_host (f->agent, US));
  g_assert_true (fz_ice_agent_add_remote_candidate (f->agent, remote_host));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  set_up_role (f, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
}

static void
set_up_controlled (Fixture *f, gconstpointer data)
{
  set_up_role (f, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_DEFAULT);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  fz_ice_agent_free (f->agent);
}

static void
drain (FzIceAgent *agent)
{
  FzIceTransmit transmit;
  FzIceEvent event;

  while (fz_ice_agent_poll_transmit (agent, &transmit))
    ;
  while (fz_ice_agent_poll_event (agent, &event))
    ;
}

/* -- the peer -- */

static FzDrop
deliver (FzIceAgent *agent, FzSpan data, const char *local, const char *from, FzInstant now)
{
  FzSocketAddress here = address (local);
  FzSocketAddress there = address (from);
  FzStunMessage message;
  FzDrop drop = fz_stun_parse (data, &message);

  return drop != FZ_DROP_NONE ? drop
                              : fz_ice_agent_handle_message (agent, &message, &here, &there, now);
}

static FzDrop
request (
    FzIceAgent *agent, const FzIceCheck *check, const char *local, const char *from, FzInstant now)
{
  static uint8_t counter;
  FzStunTransactionId id = { { counter++ } };
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzIceCheck full = *check;

  full.transaction_id = &id;
  full.username = check->username != NULL ? check->username : "us:them";
  full.password = check->password != NULL ? check->password : OUR_PW;
  full.priority = 1862270719;
  return deliver (agent, fz_span (bytes, fz_ice_write_check (bytes, &full)), local, from, now);
}

static FzDrop
answer (FzIceAgent *agent, const FzIceTransmit *check, const char *password, FzInstant now)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  char from[FZ_SOCKET_ADDRESS_TEXT_MAX];
  size_t n = fz_ice_write_success (bytes, &check->transaction_id, &check->local, password);

  return deliver (
      agent, fz_span (bytes, n), US, fz_socket_address_format (&check->remote, from), now);
}

/* Runs the agent's clock to the next check and takes it; false if none comes before @until. */
static bool
next_check (FzIceAgent *agent, FzInstant until, FzIceTransmit *out, FzInstant *out_at)
{
  for (;;) {
    FzInstant due = fz_ice_agent_next_timeout (agent);

    if (due > until)
      return false;
    *out_at = MAX (*out_at, due);
    fz_ice_agent_handle_timeout (agent, *out_at);
    while (fz_ice_agent_poll_transmit (agent, out))
      if (out->is_request)
        return true;
  }
}

static FzStunMessage
parse (const FzIceTransmit *transmit)
{
  FzStunMessage message;

  g_assert_cmpint (fz_stun_parse (transmit->data, &message), ==, FZ_DROP_NONE);
  return message;
}

/* -- checks -- */

static void
test_check_contents (Fixture *f, gconstpointer data)
{
  FzInstant now = START;
  FzIceTransmit check;
  FzStunMessage m;

  g_assert_true (next_check (f->agent, START, &check, &now));
  m = parse (&check);
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
    Fixture f;
    FzInstant now = START;
    FzIceTransmit check;

    set_up_role (&f, FZ_ICE_CONTROLLED, schedules[i].profile);
    for (unsigned k = 0; k < schedules[i].n; k++) {
      g_assert_true (next_check (f.agent, START + 1000 * FZ_S, &check, &now));
      g_assert_cmpuint ((now - START) / FZ_MS, ==, schedules[i].at[k]);
    }
    if (schedules[i].removed_at != 0) {
      g_assert_cmpint (fz_ice_agent_get_state (f.agent), ==, FZ_ICE_CHECKING);
      g_assert_false (next_check (f.agent, START + 1000 * FZ_S, &check, &now));
      g_assert_cmpuint ((now - START) / FZ_MS, ==, schedules[i].removed_at);
      g_assert_cmpint (fz_ice_agent_get_state (f.agent), ==, FZ_ICE_DISCONNECTED);
    }
    tear_down (&f, NULL);
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
  Fixture f;
  FzInstant now = 0;
  FzIceTransmit check;

  set_up (&f, NULL);
  for (int i = 0; i < 3; i++) {
    g_assert_true (next_check (f.agent, 10 * FZ_S, &check, &now));
    g_assert_cmpint (answer (f.agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  }
  tear_down (&f, NULL);
}

/* I14 */
static void
test_profile_switch (Fixture *f, gconstpointer data)
{
  FzInstant now = START;
  FzIceTransmit check;

  fz_ice_agent_set_profile (f->agent, FZ_ICE_CLIENT_IDLE);
  g_assert_true (next_check (f->agent, START, &check, &now));
  g_assert_cmpint (answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (next_check (f->agent, START, &check, &now)); /* the nomination */
  g_assert_cmpint (answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), >=, START + 25 * FZ_S);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), <=, START + 26 * FZ_S);
  fz_ice_agent_set_profile (f->agent, FZ_ICE_CLIENT_DEFAULT);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), <=, START + 1500 * FZ_MS);
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
test_company (Fixture *f, gconstpointer data)
{
  const FzIceCheck check = { 0 }; /* of a controlled one */
  FzInstant now = START, due;
  FzIceTransmit ours;

  fz_ice_agent_set_profile (f->agent, FZ_ICE_CLIENT_IDLE);
  for (unsigned i = 0; i < 2; i++) { /* the second one nominates */
    g_assert_true (next_check (f->agent, START, &ours, &now));
    g_assert_cmpint (answer (f->agent, &ours, THEIR_PW, now), ==, FZ_DROP_NONE);
  }
  due = fz_ice_agent_next_timeout (f->agent);

  now = START + 10 * FZ_S;
  request (f->agent, &check, US, THEM, now);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (count_pending_checks (f->agent), ==, 0);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), ==, due);

  now = START + 14 * FZ_S;
  request (f->agent, &check, US, THEM, now);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (count_pending_checks (f->agent), ==, 1);
  request (f->agent, &check, US, THEM, now);
  fz_ice_agent_handle_timeout (f->agent, now);
  g_assert_cmpuint (count_pending_checks (f->agent), ==, 0);
  g_assert_cmpuint (fz_ice_agent_next_timeout (f->agent), >=, now + 25 * FZ_S);
}

/* Two connections of an idle gateway: whatever the second at which each began, they end up waking
 * it at whole seconds. */
static void
test_grid (void)
{
  const FzInstant started[] = { START, START + 4 * FZ_S + 321 * FZ_MS };

  for (size_t i = 0; i < G_N_ELEMENTS (started); i++) {
    Fixture f;
    FzInstant now = started[i], last;
    FzIceTransmit check;

    set_up_role (&f, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_IDLE);
    g_assert_true (next_check (f.agent, now, &check, &now));
    last = now;
    for (unsigned k = 0; k < 5; k++) {
      g_assert_true (next_check (f.agent, now + 30 * FZ_S, &check, &now));
      g_assert_cmpuint (now % FZ_S, ==, 0);
      g_assert_cmpuint (now - last, >, 24 * FZ_S);
      g_assert_cmpuint (now - last, <=, 25 * FZ_S);
      last = now;
    }
    tear_down (&f, NULL);
  }
}

/* -- nomination -- */

static void
test_controlling (Fixture *f, gconstpointer data)
{
  FzInstant now = START;
  FzIceTransmit check;
  FzIceEvent event;
  FzStunMessage m;

  g_assert_true (next_check (f->agent, START, &check, &now));
  g_assert_cmpint (answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
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
    g_assert_true (next_check (f->agent, START + 10 * FZ_S, &check, &now));
    g_assert_true (i > 0 || now == START);
    m = parse (&check);
    g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_USE_CANDIDATE));
    answer (f->agent, &check, THEIR_PW, now);
  }
  g_assert_false (fz_ice_agent_poll_event (f->agent, &event));
}

/* Of two equally good pairs the one in use stays. */
static void
test_equal_pairs (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  FzIceTransmit checks[2];
  FzInstant now = START;
  unsigned n_nominated = 0;
  FzIceEvent event;

  add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, remote_host));
  g_assert_true (fz_ice_agent_add_remote_candidate (
      agent, "candidate:1 1 udp 2130706175 10.0.0.3 52625 typ host"));
  fz_ice_agent_handle_timeout (agent, now);
  for (int i = 0; i < 2; i++) {
    g_assert_true (fz_ice_agent_poll_transmit (agent, &checks[i]));
    checks[i].data = (FzSpan){ 0 };
  }
  g_assert_cmpint (answer (agent, &checks[1], THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_cmpint (answer (agent, &checks[0], THEIR_PW, now), ==, FZ_DROP_NONE);
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
    Fixture f;
    FzInstant now = START;
    FzInstant at = START + rows[i].request_ms * FZ_MS;
    FzIceTransmit transmit;

    set_up_role (&f, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
    g_assert_true (next_check (f.agent, START, &transmit, &now));
    if (!next_check (f.agent, at, &transmit, &now)) {
      now = at;
      g_assert_cmpint (
          request (f.agent, &(FzIceCheck){ .is_controlling = true }, US, THEM, at), ==, 0);
      g_assert_true (next_check (f.agent, START + FZ_S, &transmit, &now));
    }
    g_assert_cmpuint ((now - START) / FZ_MS, ==, rows[i].check_ms);
    tear_down (&f, NULL);
  }
}

/* §3.6: whoever still sends valid requests is still there. */
static void
test_kept_by_requests (void)
{
  Fixture f;
  FzInstant last = START + 40 * FZ_S;

  set_up_role (&f, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  for (FzInstant now = START; now <= last + 18 * FZ_S; now += FZ_S / 4) {
    if (now <= last && (now - START) % (5 * FZ_S) == 0)
      request (f.agent, &(FzIceCheck){ .is_controlling = true }, US, THEM, now);
    fz_ice_agent_handle_timeout (f.agent, now);
    drain (f.agent);
    g_assert_true (fz_ice_agent_get_state (f.agent) == FZ_ICE_CHECKING || now >= last + 15 * FZ_S);
  }
  g_assert_cmpint (fz_ice_agent_get_state (f.agent), ==, FZ_ICE_DISCONNECTED);
  tear_down (&f, NULL);
}

static void
test_controlled (Fixture *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true, .use_candidate = true };
  FzInstant now = START;
  FzIceTransmit transmit;
  FzIceEvent event;
  FzStunMessage m;

  fz_ice_agent_handle_timeout (f->agent, START);
  drain (f->agent);
  g_assert_cmpint (request (f->agent, &check, US, THEM, START), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_poll_event (f->agent, &event));
  g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_NOMINATED); /* before our own check succeeded */
  g_assert_true (fz_ice_agent_poll_transmit (f->agent, &transmit));
  m = parse (&transmit);
  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_SUCCESS);
  g_assert_true (fz_stun_verify (&m, fz_stun_short_term_key (OUR_PW)));
  g_assert_true (fz_socket_address_equal (&m.xor_mapped, &transmit.remote));
  g_assert_true (next_check (f->agent, START, &transmit, &now)); /* checked at once */
  m = parse (&transmit);
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
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_DEFAULT);
  FzIceCheck check = { .is_controlling = true, .use_candidate = true };
  FzInstant now = START;
  FzIceTransmit transmit;
  FzIceEvent event;

  add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, relayed));
  g_assert_cmpint (request (agent, &check, US, THEM, START), ==, FZ_DROP_NONE);
  g_assert_true (next_check (agent, START, &transmit, &now));
  g_assert_cmpint (answer (agent, &transmit, THEIR_PW, now), ==, FZ_DROP_NONE);
  drain (agent);

  for (unsigned n = 0; n < 3; n++) {
    g_assert_cmpint (request (agent, &check, US, "10.0.0.66:666", now), ==, FZ_DROP_NONE);
    fz_ice_agent_handle_timeout (agent, now);
    while (fz_ice_agent_poll_event (agent, &event))
      g_assert_cmpint (event.kind, !=, FZ_ICE_EVENT_NOMINATED);
    now += FZ_S / 10;
  }

  /* The peer itself has moved there: then our check is answered, and we follow. */
  drain (agent);
  request (agent, &check, US, "10.0.0.66:666", now);
  do
    g_assert_true (next_check (agent, now + 10 * FZ_S, &transmit, &now));
  while (transmit.remote.port != 666);
  g_assert_cmpint (answer (agent, &transmit, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_poll_event (agent, &event));
  g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_NOMINATED);
  g_assert_cmpuint (event.nominated.remote.port, ==, 666);
}

/* -- requests that must change nothing -- */

static const struct {
  FzIceCheck check;
  const char *local;
  const char *from;
  FzDrop drop;
  const char *why;
} bad_requests[] = {
  { { .password = THEIR_PW }, US, THEM, FZ_DROP_BAD_MAC, "other side's password" },
  { { .password = "" }, US, THEM, FZ_DROP_BAD_MAC, "empty password" },
  { { .username = "us:other" }, US, THEM, FZ_DROP_UNKNOWN_PEER, "remote fragment" },
  { { .username = "other:them" }, US, THEM, FZ_DROP_UNKNOWN_PEER, "local fragment" },
  { { .username = "them:us" }, US, THEM, FZ_DROP_UNKNOWN_PEER, "reflected" },
  { { .username = "us:" }, US, THEM, FZ_DROP_BAD_HEADER, "no remote fragment" },
  { { .username = "us" }, US, THEM, FZ_DROP_BAD_HEADER, "no colon" },
  { { .username = "us:themm" }, US, THEM, FZ_DROP_UNKNOWN_PEER, "longer" },
  { { .username = "us:the" }, US, THEM, FZ_DROP_UNKNOWN_PEER, "shorter" },
  { { 0 }, "10.0.0.9:52625", THEM, FZ_DROP_UNKNOWN_SOURCE, "not our address" },
  { { 0 }, "10.0.0.1:1", THEM, FZ_DROP_UNKNOWN_SOURCE, "not our port" },
  { { 0 }, US, "[::1]:1", FZ_DROP_UNKNOWN_SOURCE, "other family" },
  { { .use_candidate = true },
    US,
    "10.0.0.3:1",
    FZ_DROP_NOT_ALLOWED,
    "USE-CANDIDATE from the controlled side" },
};

static void
assert_unchanged (FzIceAgent *agent)
{
  FzIceTransmit transmit;
  FzIceEvent event;

  g_assert_false (fz_ice_agent_poll_transmit (agent, &transmit));
  g_assert_false (fz_ice_agent_poll_event (agent, &event));
  g_assert_cmpint (fz_ice_agent_get_role (agent), ==, FZ_ICE_CONTROLLING);
  g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_CHECKING);
  g_assert_cmpuint (fz_ice_agent_next_timeout (agent), ==, START + 250 * FZ_MS);
}

static void
test_bad_requests (Fixture *f, gconstpointer data)
{
  fz_ice_agent_handle_timeout (f->agent, START);
  drain (f->agent);
  for (size_t i = 0; i < G_N_ELEMENTS (bad_requests); i++) {
    g_test_message ("%s", bad_requests[i].why);
    g_assert_cmpint (
        request (
            f->agent, &bad_requests[i].check, bad_requests[i].local, bad_requests[i].from, START),
        ==,
        bad_requests[i].drop);
    assert_unchanged (f->agent);
  }
}

/* Messages without one attribute that they need; all are signed. */
static void
test_missing_attributes (Fixture *f, gconstpointer data)
{
  static const FzStunTransactionId id = { { 9 } };

  fz_ice_agent_handle_timeout (f->agent, START);
  drain (f->agent);
  for (unsigned missing = 0; missing < 3; missing++) {
    uint8_t bytes[256];
    FzWriter w;

    fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_REQUEST, &id);
    if (missing != 0)
      fz_stun_write_text (&w, FZ_STUN_USERNAME, "us:them");
    if (missing != 1)
      fz_stun_write_u32 (&w, FZ_STUN_PRIORITY, 1);
    if (missing != 2)
      fz_stun_sign (&w, fz_stun_short_term_key (OUR_PW));
    fz_stun_write_fingerprint (&w);
    g_assert_cmpint (
        deliver (f->agent, fz_span (bytes, w.length), US, THEM, START), ==, FZ_DROP_BAD_HEADER);
    assert_unchanged (f->agent);
  }
}

/* Garbage of every length, every prefix of a good request, and every byte of it changed. */
static void
test_garbage (Fixture *f, gconstpointer data)
{
  static const FzStunTransactionId id = { { 7 } };
  FzRng rng = fz_seeded_rng (&f->seeded);
  uint8_t good[FZ_STUN_WRITE_MAX];
  size_t n = fz_ice_write_check (good,
                                 &(FzIceCheck){
                                     .transaction_id = &id,
                                     .username = "us:them",
                                     .password = OUR_PW,
                                     .priority = 5,
                                 });

  fz_ice_agent_handle_timeout (f->agent, START);
  drain (f->agent);
  for (size_t length = 0; length <= 1400; length++) {
    uint8_t bytes[1400];

    fz_rng_fill (&rng, bytes, length);
    g_assert_cmpint (deliver (f->agent, fz_span (bytes, length), US, THEM, START), !=, 0);
  }
  for (size_t length = 0; length < n; length++)
    g_assert_cmpint (deliver (f->agent, fz_span (good, length), US, THEM, START), !=, 0);
  for (size_t i = 0; i < n - 8; i++) { /* the last 8 are FINGERPRINT, which is not asked for */
    good[i] ^= 0x40;
    g_assert_cmpint (deliver (f->agent, fz_span (good, n), US, THEM, START), !=, 0);
    good[i] ^= 0x40;
  }
  assert_unchanged (f->agent);
  g_assert_cmpint (deliver (f->agent, fz_span (good, n), US, THEM, START), ==, FZ_DROP_NONE);
}

/* -- responses that must change nothing -- */

/* I20 */
static void
test_bad_responses (Fixture *f, gconstpointer data)
{
  FzInstant now = START;
  FzStunTransactionId unknown = { { 1, 2, 3 } };
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzSocketAddress mapped = address (US);
  FzIceTransmit check;
  FzIceEvent event;
  FzWriter w;
  size_t n;

  g_assert_true (next_check (f->agent, START, &check, &now));
  while (fz_ice_agent_poll_event (f->agent, &event))
    ;
  n = fz_ice_write_success (bytes, &unknown, &mapped, THEIR_PW);
  g_assert_cmpint (
      deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_UNKNOWN_INDEX);
  g_assert_cmpint (answer (f->agent, &check, OUR_PW, now), ==, FZ_DROP_BAD_MAC);
  n = fz_ice_write_success (bytes, &check.transaction_id, &mapped, THEIR_PW);
  g_assert_cmpint (deliver (f->agent, fz_span (bytes, n), US, "10.0.0.3:52625", now),
                   ==,
                   FZ_DROP_UNKNOWN_SOURCE);

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_SUCCESS, &check.transaction_id);
  g_assert_cmpint (
      deliver (f->agent, fz_span (bytes, w.length), US, THEM, now), ==, FZ_DROP_BAD_HEADER);
  fz_stun_sign (&w, fz_stun_short_term_key (THEIR_PW));
  g_assert_cmpint (
      deliver (f->agent, fz_span (bytes, w.length), US, THEM, now), ==, FZ_DROP_BAD_HEADER);
  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_INDICATION, &check.transaction_id);
  g_assert_cmpint (
      deliver (f->agent, fz_span (bytes, w.length), US, THEM, now), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  g_assert_false (fz_ice_agent_poll_event (f->agent, &event));

  g_assert_cmpint (answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_cmpint (answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_REPLAY);
}

/* -- roles -- */

static void
test_conflict_kept (Fixture *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true, .tie_breaker = 0 };
  FzIceTransmit transmit;
  FzStunMessage m;

  fz_ice_agent_handle_timeout (f->agent, START);
  drain (f->agent);
  g_assert_cmpint (request (f->agent, &check, US, THEM, START), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLING);
  g_assert_true (fz_ice_agent_poll_transmit (f->agent, &transmit));
  m = parse (&transmit);
  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_ERROR);
  g_assert_cmpuint (m.error_code, ==, 487);
  g_assert_true (fz_stun_verify (&m, fz_stun_short_term_key (OUR_PW)));
}

static void
test_conflict_yielded (Fixture *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true, .tie_breaker = UINT64_MAX };

  fz_ice_agent_handle_timeout (f->agent, START);
  g_assert_cmpint (request (f->agent, &check, US, THEM, START), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLED);
}

static void
test_conflict_response (Fixture *f, gconstpointer data)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzInstant now = START;
  FzIceTransmit first;
  FzIceTransmit check;
  FzStunMessage m;
  size_t n;

  g_assert_true (next_check (f->agent, START, &first, &now));
  n = fz_ice_write_role_conflict (bytes, &first.transaction_id, OUR_PW);
  g_assert_cmpint (deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLING);
  n = fz_ice_write_role_conflict (bytes, &first.transaction_id, THEIR_PW);
  g_assert_cmpint (deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLED);
  /* The same answer again is about a role we do not have any more. */
  g_assert_cmpint (deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_NOT_ALLOWED);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLED);
  g_assert_true (next_check (f->agent, START, &check, &now));
  m = parse (&check);
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_CONTROLLED));
}

/* -- candidates -- */

/* I17 */
static const struct {
  FzCandidateKind kind;
  const char *address;
  const char *base;
  unsigned long priority;
} priorities[] = {
  { FZ_CANDIDATE_HOST, "10.0.0.1:1", "10.0.0.1:1", 2130706175 },
  { FZ_CANDIDATE_HOST, "[2001:db8::1]:1", "[2001:db8::1]:1", 2130706431 },
  { FZ_CANDIDATE_HOST, "[2001:db8::2]:1", "[2001:db8::2]:1", 2130705919 },
  { FZ_CANDIDATE_HOST, "10.0.0.2:1", "10.0.0.2:1", 2130705663 },
  { FZ_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.1:1", "10.0.0.1:1", 1686109951 },
  { FZ_CANDIDATE_SERVER_REFLEXIVE, "[2001:db8::9]:1", "[2001:db8::1]:1", 1686110207 },
  { FZ_CANDIDATE_RELAYED, "198.51.100.1:1", "10.0.0.1:1", 37748479 },
  { FZ_CANDIDATE_RELAYED, "[2001:db8:9::1]:1", "[2001:db8::1]:1", 37748735 },
};

static void
test_priorities (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  char text[FZ_CANDIDATE_TEXT_MAX];
  unsigned long last = G_MAXULONG;

  for (size_t i = 0; i < G_N_ELEMENTS (priorities); i++) {
    FzCandidate candidate = {
      .kind = priorities[i].kind,
      .address = address (priorities[i].address),
      .base = address (priorities[i].base),
    };
    FzCandidate parsed;

    g_assert_true (fz_ice_agent_add_local_candidate (agent, &candidate, text));
    g_assert_true (fz_candidate_parse (text, &parsed));
    g_assert_cmpuint (parsed.priority, ==, priorities[i].priority);
    g_assert_cmpstr (parsed.ufrag, ==, "us");
    g_assert_false (fz_ice_agent_add_local_candidate (agent, &candidate, text));
  }
  for (size_t i = 0; i < G_N_ELEMENTS (priorities); i++) {
    FzCandidate parsed;

    g_assert_true (fz_ice_agent_get_local_candidate (agent, i, text));
    g_assert_true (fz_candidate_parse (text, &parsed));
    g_assert_cmpuint (parsed.priority, <=, last);
    last = parsed.priority;
  }
  g_assert_false (fz_ice_agent_get_local_candidate (agent, G_N_ELEMENTS (priorities), text));
}

static void
test_cross_family_relay (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  FzSocketAddress v4 = address ("198.51.100.1:1");
  FzSocketAddress v6 = address ("[2001:db8::1]:1");
  FzCandidate over_v4 = fz_candidate_relayed (&v6, &v4);
  FzCandidate over_v6 = fz_candidate_relayed (&v4, &v6);
  char text[FZ_CANDIDATE_TEXT_MAX];

  g_assert_true (fz_ice_agent_add_local_candidate (agent, &over_v4, text));
  g_assert_nonnull (strstr (text, " 37492735 "));
  g_assert_true (fz_ice_agent_add_local_candidate (agent, &over_v6, text));
  g_assert_nonnull (strstr (text, " 37492479 "));
}

static size_t
count_checks (FzIceAgent *agent, FzInstant now)
{
  FzIceTransmit transmit;
  size_t n = 0;

  fz_ice_agent_handle_timeout (agent, now);
  while (fz_ice_agent_poll_transmit (agent, &transmit))
    n += transmit.is_request;
  return n;
}

/* I12, I18: no NAT */
static void
test_redundant (Fixture *f, gconstpointer data)
{
  FzSocketAddress us = address (US);
  FzCandidate reflexive = fz_candidate_server_reflexive (&us, &us);

  g_assert_false (fz_ice_agent_add_local_candidate (f->agent, &reflexive, NULL));
  g_assert_true (fz_ice_agent_add_remote_candidate (
      f->agent, "candidate:1 1 udp 1686109951 10.0.0.2 52625 typ srflx raddr 0.0.0.0 rport 0"));
  g_assert_cmpuint (count_checks (f->agent, START), ==, 1);

  /* Withdrawing the reflexive one leaves the host alone. */
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (
      f->agent, "candidate:9 1 udp 1 10.0.0.2 52625 typ srflx raddr 0.0.0.0 rport 0"));
  g_assert_false (fz_ice_agent_invalidate_local_candidate (f->agent, &reflexive));
  g_assert_cmpuint (count_checks (f->agent, START + 250 * FZ_MS), ==, 1);
}

static void
test_better_replaces (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  FzSocketAddress us = address (US);
  FzCandidate reflexive = fz_candidate_server_reflexive (&us, &us);
  char text[FZ_CANDIDATE_TEXT_MAX];

  g_assert_true (fz_ice_agent_add_local_candidate (agent, &reflexive, NULL));
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, remote_host));
  g_assert_true (add_host (agent, US));
  g_assert_true (fz_ice_agent_get_local_candidate (agent, 0, text));
  g_assert_nonnull (strstr (text, "typ host"));
  g_assert_false (fz_ice_agent_get_local_candidate (agent, 1, text));
  g_assert_cmpuint (count_checks (agent, START), ==, 1);
  g_assert_false (fz_ice_agent_add_local_candidate (agent, &reflexive, NULL)); /* offered again */
}

/* I5 */
static void
test_withdrawn_local (Fixture *f, gconstpointer data)
{
  FzSocketAddress us = address (US);
  FzCandidate host = fz_candidate_host (&us);
  FzIceTransmit transmit;

  g_assert_true (fz_ice_agent_invalidate_local_candidate (f->agent, &host));
  g_assert_false (fz_ice_agent_invalidate_local_candidate (f->agent, &host));
  g_assert_cmpint (
      request (f->agent, &(FzIceCheck){ 0 }, US, THEM, START), ==, FZ_DROP_UNKNOWN_SOURCE);
  g_assert_false (fz_ice_agent_poll_transmit (f->agent, &transmit));
}

static void
test_withdrawn_remote (Fixture *f, gconstpointer data)
{
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (f->agent, remote_host));
  g_assert_cmpuint (count_checks (f->agent, START), ==, 0);
  /* Not turned into a peer-reflexive one behind the peer's back. */
  g_assert_cmpint (
      request (f->agent, &(FzIceCheck){ 0 }, US, THEM, START), ==, FZ_DROP_UNKNOWN_SOURCE);
  g_assert_cmpuint (count_checks (f->agent, START), ==, 0);
  g_assert_true (fz_ice_agent_add_remote_candidate (f->agent, remote_host));
  g_assert_cmpuint (count_checks (f->agent, START), ==, 1);
}

static const struct {
  const char *text;
  bool accepted;
  const char *why;
} remotes[] = {
  { remote_host, false, "known" },
  { "candidate:2 1 udp 9 10.0.0.2 52625 typ host", false, "known, other priority" },
  { "candidate:2 1 udp 9 10.0.0.3 1 typ host ufrag them", true, "right fragment" },
  { "candidate:2 1 udp 9 10.0.0.4 1 typ host ufrag us", false, "wrong fragment" },
  { "candidate:2 2 udp 9 10.0.0.5 1 typ host", false, "component 2" },
  { "candidate:2 1 udp 9 0.0.0.0 1 typ host", false, "nobody's address" },
  { "candidate:2 1 udp 9 10.0.0.6 0 typ host", false, "port 0" },
  { "candidate:2 1 udp 9 224.0.0.1 1 typ host", false, "multicast" },
  { "", false, "empty" },
  { "garbage", false, "garbage" },
};

static void
test_remotes (Fixture *f, gconstpointer data)
{
  for (size_t i = 0; i < G_N_ELEMENTS (remotes); i++) {
    g_test_message ("%s", remotes[i].why);
    g_assert_true (fz_ice_agent_add_remote_candidate (f->agent, remotes[i].text) ==
                   remotes[i].accepted);
  }
  g_assert_false (fz_ice_agent_invalidate_remote_candidate (f->agent, "garbage"));
  g_assert_false (fz_ice_agent_invalidate_remote_candidate (
      f->agent, "candidate:2 1 udp 9 10.9.9.9 1 typ host"));
}

/* N3, N4, N5 */
static const struct {
  const char *lines[5];
  size_t n_checks; /* one per remote IPv4 or IPv6 address, guesses included */
  const char *why;
} guesses[] = {
  { { "candidate:1 1 udp 5 203.0.113.1 1000 typ srflx", "candidate:1 1 udp 9 10.0.0.2 2 typ host" },
    3,
    "reflexive and host: one guess" },
  { { "candidate:1 1 udp 5 203.0.113.1 2 typ srflx", "candidate:1 1 udp 9 10.0.0.2 2 typ host" },
    2,
    "the router keeps ports: the guess is known" },
  { { "candidate:1 1 udp 5 2001:db8::1 1000 typ srflx", "candidate:1 1 udp 9 fd00::2 2 typ host" },
    2,
    "IPv6: none" },
  { { "candidate:1 1 udp 5 203.0.113.1 1000 typ srflx",
      "candidate:1 1 udp 5 203.0.113.2 1000 typ srflx",
      "candidate:1 1 udp 5 203.0.113.3 1000 typ srflx",
      "candidate:1 1 udp 9 10.0.0.2 2 typ host" },
    6,
    "two in one call" },
};

static void
test_optimistic (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (guesses); i++) {
    FzSeededRng seeded;
    g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

    g_test_message ("%s", guesses[i].why);
    add_host (agent, US);
    add_host (agent, "[fd00::1]:52625");
    for (size_t k = 0; guesses[i].lines[k] != NULL; k++)
      g_assert_true (fz_ice_agent_add_remote_candidate (agent, guesses[i].lines[k]));
    g_assert_cmpuint (count_checks (agent, START), ==, guesses[i].n_checks);
  }
}

/* I21: what was discovered becomes what is signalled, with all it has been through. */
static void
test_discovered_becomes_signalled (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  FzIceCheck check = { .is_controlling = true, .use_candidate = true };
  FzInstant now = START;
  FzIceTransmit transmit;
  FzIceEvent event;

  add_host (agent, US);
  fz_ice_agent_handle_timeout (agent, START);
  g_assert_cmpint (request (agent, &check, US, THEM, START), ==, FZ_DROP_NONE);
  g_assert_true (next_check (agent, START, &transmit, &now));
  drain (agent);

  /* Between a check and its answer. */
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, remote_host));
  fz_ice_agent_handle_timeout (agent, now);
  g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_COMPLETED);
  g_assert_cmpint (answer (agent, &transmit, THEIR_PW, now), ==, FZ_DROP_NONE);
  while (fz_ice_agent_poll_event (agent, &event))
    g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_STATE);
  g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_COMPLETED);
  g_assert_true (next_check (agent, START + 10 * FZ_S, &transmit, &now));
  g_assert_cmpuint (now, ==, START + 250 * FZ_MS); /* not tried anew */
}

/* What was discovered and then signalled is withdrawn like anything signalled. */
static void
test_discovered_is_withdrawn (void)
{
  static const char relayed[] =
      "candidate:1 1 udp 5 10.0.0.2 52625 typ relay raddr 0.0.0.0 rport 0";
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  FzIceCheck check = { .is_controlling = true };
  FzSocketAddress them = address (THEM);

  add_host (agent, US);
  fz_ice_agent_handle_timeout (agent, START);
  g_assert_cmpint (request (agent, &check, US, THEM, START), ==, FZ_DROP_NONE);
  g_assert_cmpuint (count_checks (agent, START), ==, 1);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, relayed));
  g_assert_true (fz_ice_agent_is_remote_relayed (agent, &them));
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (agent, relayed));
  g_assert_false (fz_ice_agent_is_remote_relayed (agent, &them));
  g_assert_cmpuint (count_checks (agent, START + 10 * FZ_S), ==, 0);
  g_assert_cmpint (request (agent, &check, US, THEM, START), ==, FZ_DROP_UNKNOWN_SOURCE);
}

/* The pair goes over to a better candidate of the same address, and does not start anew when the
 * worse one is withdrawn. */
static void
test_pair_goes_over (void)
{
  static const char reflexive[] =
      "candidate:1 1 udp 1686109951 10.0.0.2 52625 typ srflx raddr 0.0.0.0 rport 0";
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

  add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, reflexive));
  g_assert_cmpuint (count_checks (agent, START), ==, 1);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, remote_host));
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (agent, reflexive));
  g_assert_cmpuint (count_checks (agent, START + 200 * FZ_MS), ==, 0);
  g_assert_cmpuint (count_checks (agent, START + 250 * FZ_MS), ==, 1);
}

/* An answer shows an address of ours that we did not know: remembered, never paired. */
static void
test_own_discovered (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  FzSocketAddress relayed_at = address ("198.51.100.9:50000");
  FzSocketAddress us = address (US);
  FzCandidate relayed = fz_candidate_relayed (&relayed_at, &us);
  FzInstant now = START;
  char text[FZ_CANDIDATE_TEXT_MAX];
  FzIceTransmit check;

  g_assert_true (fz_ice_agent_add_local_candidate (agent, &relayed, NULL));
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, remote_host));
  g_assert_true (next_check (agent, START, &check, &now));
  g_assert_true (check.is_relayed);
  g_assert_true (fz_socket_address_equal (&check.local, &relayed_at));
  check.local = address ("203.0.113.99:7"); /* what the peer saw */
  g_assert_cmpint (answer (agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_get_local_candidate (agent, 0, text));
  g_assert_nonnull (strstr (text, " 203.0.113.99 7 typ prflx ufrag us"));
  g_assert_true (
      fz_ice_agent_add_remote_candidate (agent, "candidate:1 1 udp 5 10.0.0.3 52625 typ host"));
  g_assert_true (next_check (agent, START, &check, &now));
  g_assert_true (check.is_relayed);
  g_assert_true (fz_socket_address_equal (&check.local, &relayed_at));
}

/* I19 */
static void
test_one_sided (void)
{
  for (int side = 0; side < 2; side++) {
    FzSeededRng seeded;
    g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

    g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_NEW);
    if (side == 0)
      add_host (agent, US);
    else
      fz_ice_agent_add_remote_candidate (agent, remote_host);
    for (FzInstant now = START; now < START + 100 * FZ_S; now += FZ_S)
      fz_ice_agent_handle_timeout (agent, now);
    g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_CHECKING);
    g_assert_cmpuint (fz_ice_agent_next_timeout (agent), ==, FZ_INSTANT_NEVER);
  }
}

/* -- maxima -- */

/* §3.5: at most 100 pairs, the worst are dropped. */
static void
test_many_pairs (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

  for (int i = 1; i <= 11; i++) {
    g_autofree char *ours = g_strdup_printf ("10.0.0.%d:1", i);
    g_autofree char *theirs = g_strdup_printf ("candidate:1 1 udp %d 10.0.1.%d 1 typ host", i, i);

    g_assert_true (add_host (agent, ours));
    g_assert_true (fz_ice_agent_add_remote_candidate (agent, theirs));
  }
  g_assert_cmpuint (count_checks (agent, START), ==, 100);
}

/* Somebody with the password comes from ever new ports: memory is bounded, the newest is heard. */
static void
test_many_sources (Fixture *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true };

  for (unsigned port = 1; port < 3000; port++) {
    g_autofree char *from = g_strdup_printf ("10.0.0.7:%u", port);
    FzInstant now = START + port * 60 * FZ_S;

    fz_ice_agent_handle_timeout (f->agent, now);
    request (f->agent, &check, US, from, now);
    drain (f->agent);
  }
  g_assert_cmpuint (count_checks (f->agent, START + 3000 * 60 * FZ_S), <=, 100);
}

static void
test_credentials (void)
{
  g_autofree char *longest = g_strnfill (FZ_ICE_CREDENTIAL_MAX, 'x');
  g_autofree char *too_long = g_strnfill (FZ_ICE_CREDENTIAL_MAX + 1, 'x');
  FzSeededRng seeded;
  FzIceAgentConfig config = {
    .local = { longest, longest },
    .remote = { longest, longest },
    .rng = fz_seeded_rng (&seeded),
  };
  g_autoptr (FzIceAgent) agent = NULL;

  fz_seeded_rng_init (&seeded, 1);
  agent = fz_ice_agent_new (&config);
  g_assert_nonnull (agent);
  add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, remote_host));
  g_assert_cmpuint (count_checks (agent, START), ==, 1);
  g_assert_true (fz_ice_agent_has_credentials (agent, &config.local, &config.remote));

  config.local.username = "";
  g_assert_null (fz_ice_agent_new (&config));
  config.local.username = too_long;
  g_assert_null (fz_ice_agent_new (&config));
  config.local.username = longest;
  config.remote.password = "";
  g_assert_null (fz_ice_agent_new (&config));
  g_assert_false (fz_ice_agent_has_credentials (agent, &config.local, &config.remote));
}

#define ADD(path, function) g_test_add ((path), Fixture, NULL, set_up, (function), tear_down)

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  ADD ("/ice-agent/check/contents", test_check_contents);
  g_test_add_func ("/ice-agent/check/schedule", test_schedule);
  g_test_add_func ("/ice-agent/check/timeouts", test_timeouts);
  ADD ("/ice-agent/check/company", test_company);
  g_test_add_func ("/ice-agent/check/grid", test_grid);
  g_test_add_func ("/ice-agent/check/epoch", test_epoch);
  ADD ("/ice-agent/check/profile-switch", test_profile_switch);
  ADD ("/ice-agent/nomination/controlling", test_controlling);
  g_test_add ("/ice-agent/nomination/controlled",
              Fixture,
              NULL,
              set_up_controlled,
              test_controlled,
              tear_down);
  g_test_add_func ("/ice-agent/nomination/equal-pairs", test_equal_pairs);
  g_test_add_func ("/ice-agent/nomination/repeated-elsewhere", test_repeated_elsewhere);
  g_test_add_func ("/ice-agent/check/triggered", test_triggered);
  g_test_add_func ("/ice-agent/check/kept-by-requests", test_kept_by_requests);
  ADD ("/ice-agent/refused/requests", test_bad_requests);
  ADD ("/ice-agent/refused/missing-attributes", test_missing_attributes);
  ADD ("/ice-agent/refused/responses", test_bad_responses);
  ADD ("/ice-agent/refused/garbage", test_garbage);
  ADD ("/ice-agent/role/kept", test_conflict_kept);
  ADD ("/ice-agent/role/yielded", test_conflict_yielded);
  ADD ("/ice-agent/role/response", test_conflict_response);
  g_test_add_func ("/ice-agent/candidate/priorities", test_priorities);
  g_test_add_func ("/ice-agent/candidate/cross-family-relay", test_cross_family_relay);
  ADD ("/ice-agent/candidate/redundant", test_redundant);
  g_test_add_func ("/ice-agent/candidate/better-replaces", test_better_replaces);
  ADD ("/ice-agent/candidate/withdrawn-local", test_withdrawn_local);
  ADD ("/ice-agent/candidate/withdrawn-remote", test_withdrawn_remote);
  ADD ("/ice-agent/candidate/remotes", test_remotes);
  g_test_add_func ("/ice-agent/candidate/optimistic", test_optimistic);
  g_test_add_func ("/ice-agent/candidate/discovered-becomes-signalled",
                   test_discovered_becomes_signalled);
  g_test_add_func ("/ice-agent/candidate/discovered-is-withdrawn", test_discovered_is_withdrawn);
  g_test_add_func ("/ice-agent/candidate/pair-goes-over", test_pair_goes_over);
  g_test_add_func ("/ice-agent/candidate/own-discovered", test_own_discovered);
  g_test_add_func ("/ice-agent/candidate/one-sided", test_one_sided);
  g_test_add_func ("/ice-agent/maximum/pairs", test_many_pairs);
  ADD ("/ice-agent/maximum/sources", test_many_sources);
  g_test_add_func ("/ice-agent/maximum/credentials", test_credentials);
  return g_test_run ();
}
