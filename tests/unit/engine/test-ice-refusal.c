/* test-ice-refusal.c: messages that must change nothing, and roles in conflict (connectivity.md §3,
 * §12.6) */

#include "src/engine/fz-stun-auth.h"
#include "tests/unit/engine/ice-bed.h"

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
  g_assert_cmpuint (fz_ice_agent_next_timeout (agent), ==, BED_START + 250 * FZ_MS);
}

static void
test_bad_requests (Bed *f, gconstpointer data)
{
  fz_ice_agent_handle_timeout (f->agent, BED_START);
  bed_drain (f->agent);
  for (size_t i = 0; i < G_N_ELEMENTS (bad_requests); i++) {
    g_test_message ("%s", bad_requests[i].why);
    g_assert_cmpint (bed_request (f->agent,
                                  &bad_requests[i].check,
                                  bad_requests[i].local,
                                  bad_requests[i].from,
                                  BED_START),
                     ==,
                     bad_requests[i].drop);
    assert_unchanged (f->agent);
  }
}

/* Messages without one attribute that they need; all are signed. */
static void
test_missing_attributes (Bed *f, gconstpointer data)
{
  static const FzStunTransactionId id = { { 9 } };

  fz_ice_agent_handle_timeout (f->agent, BED_START);
  bed_drain (f->agent);
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
    g_assert_cmpint (bed_deliver (f->agent, fz_span (bytes, w.length), US, THEM, BED_START),
                     ==,
                     FZ_DROP_BAD_HEADER);
    assert_unchanged (f->agent);
  }
}

/* Garbage of every length, every prefix of a good request, and every byte of it changed. */
static void
test_garbage (Bed *f, gconstpointer data)
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

  fz_ice_agent_handle_timeout (f->agent, BED_START);
  bed_drain (f->agent);
  for (size_t length = 0; length <= 1400; length++) {
    uint8_t bytes[1400];

    fz_rng_fill (&rng, bytes, length);
    g_assert_cmpint (bed_deliver (f->agent, fz_span (bytes, length), US, THEM, BED_START), !=, 0);
  }
  for (size_t length = 0; length < n; length++)
    g_assert_cmpint (bed_deliver (f->agent, fz_span (good, length), US, THEM, BED_START), !=, 0);
  for (size_t i = 0; i < n - 8; i++) { /* the last 8 are FINGERPRINT, which is not asked for */
    good[i] ^= 0x40;
    g_assert_cmpint (bed_deliver (f->agent, fz_span (good, n), US, THEM, BED_START), !=, 0);
    good[i] ^= 0x40;
  }
  assert_unchanged (f->agent);
  g_assert_cmpint (
      bed_deliver (f->agent, fz_span (good, n), US, THEM, BED_START), ==, FZ_DROP_NONE);
}

/* -- responses that must change nothing -- */

/* I20 */
static void
test_bad_responses (Bed *f, gconstpointer data)
{
  FzInstant now = BED_START;
  FzStunTransactionId unknown = { { 1, 2, 3 } };
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzSocketAddress mapped = test_address (US);
  FzIceTransmit check;
  FzIceEvent event;
  FzWriter w;
  size_t n;

  g_assert_true (bed_next_check (f->agent, BED_START, &check, &now));
  while (fz_ice_agent_poll_event (f->agent, &event))
    ;
  n = fz_ice_write_success (bytes, &unknown, &mapped, THEIR_PW);
  g_assert_cmpint (
      bed_deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_UNKNOWN_INDEX);
  g_assert_cmpint (bed_answer (f->agent, &check, OUR_PW, now), ==, FZ_DROP_BAD_MAC);
  n = fz_ice_write_success (bytes, &check.transaction_id, &mapped, THEIR_PW);
  g_assert_cmpint (bed_deliver (f->agent, fz_span (bytes, n), US, "10.0.0.3:52625", now),
                   ==,
                   FZ_DROP_UNKNOWN_SOURCE);

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_SUCCESS, &check.transaction_id);
  g_assert_cmpint (
      bed_deliver (f->agent, fz_span (bytes, w.length), US, THEM, now), ==, FZ_DROP_BAD_HEADER);
  fz_stun_sign (&w, fz_stun_short_term_key (THEIR_PW));
  g_assert_cmpint (
      bed_deliver (f->agent, fz_span (bytes, w.length), US, THEM, now), ==, FZ_DROP_BAD_HEADER);
  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_INDICATION, &check.transaction_id);
  g_assert_cmpint (bed_deliver (f->agent, fz_span (bytes, w.length), US, THEM, now),
                   ==,
                   FZ_DROP_UNKNOWN_PROTOCOL);
  g_assert_false (fz_ice_agent_poll_event (f->agent, &event));

  g_assert_cmpint (bed_answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_cmpint (bed_answer (f->agent, &check, THEIR_PW, now), ==, FZ_DROP_REPLAY);
}

/* -- roles -- */

static void
test_conflict_kept (Bed *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true, .tie_breaker = 0 };
  FzIceTransmit transmit;
  FzStunMessage m;

  fz_ice_agent_handle_timeout (f->agent, BED_START);
  bed_drain (f->agent);
  g_assert_cmpint (bed_request (f->agent, &check, US, THEM, BED_START), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLING);
  g_assert_true (fz_ice_agent_poll_transmit (f->agent, &transmit));
  m = bed_parse (&transmit);
  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_ERROR);
  g_assert_cmpuint (m.error_code, ==, 487);
  g_assert_true (fz_stun_verify (&m, fz_stun_short_term_key (OUR_PW)));
}

static void
test_conflict_yielded (Bed *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true, .tie_breaker = UINT64_MAX };

  fz_ice_agent_handle_timeout (f->agent, BED_START);
  g_assert_cmpint (bed_request (f->agent, &check, US, THEM, BED_START), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLED);
}

static void
test_conflict_response (Bed *f, gconstpointer data)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzInstant now = BED_START;
  FzIceTransmit first;
  FzIceTransmit check;
  FzStunMessage m;
  size_t n;

  g_assert_true (bed_next_check (f->agent, BED_START, &first, &now));
  n = fz_ice_write_role_conflict (bytes, &first.transaction_id, OUR_PW);
  g_assert_cmpint (bed_deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLING);
  n = fz_ice_write_role_conflict (bytes, &first.transaction_id, THEIR_PW);
  g_assert_cmpint (bed_deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLED);
  /* The same answer again is about a role we do not have any more. */
  g_assert_cmpint (
      bed_deliver (f->agent, fz_span (bytes, n), US, THEM, now), ==, FZ_DROP_NOT_ALLOWED);
  g_assert_cmpint (fz_ice_agent_get_role (f->agent), ==, FZ_ICE_CONTROLLED);
  g_assert_true (bed_next_check (f->agent, BED_START, &check, &now));
  m = bed_parse (&check);
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_CONTROLLED));
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  BED_ADD ("/ice-agent/refused/requests", bed_set_up, test_bad_requests);
  BED_ADD ("/ice-agent/refused/missing-attributes", bed_set_up, test_missing_attributes);
  BED_ADD ("/ice-agent/refused/responses", bed_set_up, test_bad_responses);
  BED_ADD ("/ice-agent/refused/garbage", bed_set_up, test_garbage);
  BED_ADD ("/ice-agent/role/kept", bed_set_up, test_conflict_kept);
  BED_ADD ("/ice-agent/role/yielded", bed_set_up, test_conflict_yielded);
  BED_ADD ("/ice-agent/role/response", bed_set_up, test_conflict_response);
  return g_test_run ();
}
