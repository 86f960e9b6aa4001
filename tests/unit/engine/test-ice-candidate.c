/* test-ice-candidate.c: what becomes of candidates: priorities, pairs, maxima (connectivity.md §3,
 * §12.6, A.6) */

#include "tests/unit/engine/ice-bed.h"

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
  g_autoptr (FzIceAgent) agent =
      bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  char text[FZ_CANDIDATE_TEXT_MAX];
  unsigned long last = G_MAXULONG;

  for (size_t i = 0; i < G_N_ELEMENTS (priorities); i++) {
    FzCandidate candidate = {
      .kind = priorities[i].kind,
      .address = test_address (priorities[i].address),
      .base = test_address (priorities[i].base),
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
  g_autoptr (FzIceAgent) agent =
      bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  FzSocketAddress v4 = test_address ("198.51.100.1:1");
  FzSocketAddress v6 = test_address ("[2001:db8::1]:1");
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
test_redundant (Bed *f, gconstpointer data)
{
  FzSocketAddress us = test_address (US);
  FzCandidate reflexive = fz_candidate_server_reflexive (&us, &us);

  g_assert_false (fz_ice_agent_add_local_candidate (f->agent, &reflexive, NULL));
  g_assert_true (fz_ice_agent_add_remote_candidate (
      f->agent, "candidate:1 1 udp 1686109951 10.0.0.2 52625 typ srflx raddr 0.0.0.0 rport 0"));
  g_assert_cmpuint (count_checks (f->agent, BED_START), ==, 1);

  /* Withdrawing the reflexive one leaves the host alone. */
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (
      f->agent, "candidate:9 1 udp 1 10.0.0.2 52625 typ srflx raddr 0.0.0.0 rport 0"));
  g_assert_false (fz_ice_agent_invalidate_local_candidate (f->agent, &reflexive));
  g_assert_cmpuint (count_checks (f->agent, BED_START + 250 * FZ_MS), ==, 1);
}

static void
test_better_replaces (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent =
      bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
  FzSocketAddress us = test_address (US);
  FzCandidate reflexive = fz_candidate_server_reflexive (&us, &us);
  char text[FZ_CANDIDATE_TEXT_MAX];

  g_assert_true (fz_ice_agent_add_local_candidate (agent, &reflexive, NULL));
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, bed_remote_host));
  g_assert_true (bed_add_host (agent, US));
  g_assert_true (fz_ice_agent_get_local_candidate (agent, 0, text));
  g_assert_nonnull (strstr (text, "typ host"));
  g_assert_false (fz_ice_agent_get_local_candidate (agent, 1, text));
  g_assert_cmpuint (count_checks (agent, BED_START), ==, 1);
  g_assert_false (fz_ice_agent_add_local_candidate (agent, &reflexive, NULL)); /* offered again */
}

/* I5 */
static void
test_withdrawn_local (Bed *f, gconstpointer data)
{
  FzSocketAddress us = test_address (US);
  FzCandidate host = fz_candidate_host (&us);
  FzIceTransmit transmit;

  g_assert_true (fz_ice_agent_invalidate_local_candidate (f->agent, &host));
  g_assert_false (fz_ice_agent_invalidate_local_candidate (f->agent, &host));
  g_assert_cmpint (
      bed_request (f->agent, &(FzIceCheck){ 0 }, US, THEM, BED_START), ==, FZ_DROP_UNKNOWN_SOURCE);
  g_assert_false (fz_ice_agent_poll_transmit (f->agent, &transmit));
}

static void
test_withdrawn_remote (Bed *f, gconstpointer data)
{
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (f->agent, bed_remote_host));
  g_assert_cmpuint (count_checks (f->agent, BED_START), ==, 0);
  /* Not turned into a peer-reflexive one behind the peer's back. */
  g_assert_cmpint (
      bed_request (f->agent, &(FzIceCheck){ 0 }, US, THEM, BED_START), ==, FZ_DROP_UNKNOWN_SOURCE);
  g_assert_cmpuint (count_checks (f->agent, BED_START), ==, 0);
  g_assert_true (fz_ice_agent_add_remote_candidate (f->agent, bed_remote_host));
  g_assert_cmpuint (count_checks (f->agent, BED_START), ==, 1);
}

static const struct {
  const char *text;
  bool accepted;
  const char *why;
} remotes[] = {
  { bed_remote_host, false, "known" },
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
test_remotes (Bed *f, gconstpointer data)
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
    g_autoptr (FzIceAgent) agent =
        bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

    g_test_message ("%s", guesses[i].why);
    bed_add_host (agent, US);
    bed_add_host (agent, "[fd00::1]:52625");
    for (size_t k = 0; guesses[i].lines[k] != NULL; k++)
      g_assert_true (fz_ice_agent_add_remote_candidate (agent, guesses[i].lines[k]));
    g_assert_cmpuint (count_checks (agent, BED_START), ==, guesses[i].n_checks);
  }
}

/* I21: what was discovered becomes what is signalled, with all it has been through. */
static void
test_discovered_becomes_signalled (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = bed_make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  FzIceCheck check = { .is_controlling = true, .use_candidate = true };
  FzInstant now = BED_START;
  FzIceTransmit transmit;
  FzIceEvent event;

  bed_add_host (agent, US);
  fz_ice_agent_handle_timeout (agent, BED_START);
  g_assert_cmpint (bed_request (agent, &check, US, THEM, BED_START), ==, FZ_DROP_NONE);
  g_assert_true (bed_next_check (agent, BED_START, &transmit, &now));
  bed_drain (agent);

  /* Between a check and its answer. */
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, bed_remote_host));
  fz_ice_agent_handle_timeout (agent, now);
  g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_COMPLETED);
  g_assert_cmpint (bed_answer (agent, &transmit, THEIR_PW, now), ==, FZ_DROP_NONE);
  while (fz_ice_agent_poll_event (agent, &event))
    g_assert_cmpint (event.kind, ==, FZ_ICE_EVENT_STATE);
  g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_COMPLETED);
  g_assert_true (bed_next_check (agent, BED_START + 10 * FZ_S, &transmit, &now));
  g_assert_cmpuint (now, ==, BED_START + 250 * FZ_MS); /* not tried anew */
}

/* What was discovered and then signalled is withdrawn like anything signalled. */
static void
test_discovered_is_withdrawn (void)
{
  static const char relayed[] =
      "candidate:1 1 udp 5 10.0.0.2 52625 typ relay raddr 0.0.0.0 rport 0";
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = bed_make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  FzIceCheck check = { .is_controlling = true };
  FzSocketAddress them = test_address (THEM);

  bed_add_host (agent, US);
  fz_ice_agent_handle_timeout (agent, BED_START);
  g_assert_cmpint (bed_request (agent, &check, US, THEM, BED_START), ==, FZ_DROP_NONE);
  g_assert_cmpuint (count_checks (agent, BED_START), ==, 1);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, relayed));
  g_assert_true (fz_ice_agent_is_remote_relayed (agent, &them));
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (agent, relayed));
  g_assert_false (fz_ice_agent_is_remote_relayed (agent, &them));
  g_assert_cmpuint (count_checks (agent, BED_START + 10 * FZ_S), ==, 0);
  g_assert_cmpint (bed_request (agent, &check, US, THEM, BED_START), ==, FZ_DROP_UNKNOWN_SOURCE);
}

/* The pair goes over to a better candidate of the same address, and does not start anew when the
 * worse one is withdrawn. */
static void
test_pair_goes_over (void)
{
  static const char reflexive[] =
      "candidate:1 1 udp 1686109951 10.0.0.2 52625 typ srflx raddr 0.0.0.0 rport 0";
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent =
      bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

  bed_add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, reflexive));
  g_assert_cmpuint (count_checks (agent, BED_START), ==, 1);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, bed_remote_host));
  g_assert_true (fz_ice_agent_invalidate_remote_candidate (agent, reflexive));
  g_assert_cmpuint (count_checks (agent, BED_START + 200 * FZ_MS), ==, 0);
  g_assert_cmpuint (count_checks (agent, BED_START + 250 * FZ_MS), ==, 1);
}

/* An answer shows an address of ours that we did not know: remembered, never paired. */
static void
test_own_discovered (void)
{
  FzSeededRng seeded;
  g_autoptr (FzIceAgent) agent = bed_make_agent (&seeded, FZ_ICE_CONTROLLED, FZ_ICE_CLIENT_DEFAULT);
  FzSocketAddress relayed_at = test_address ("198.51.100.9:50000");
  FzSocketAddress us = test_address (US);
  FzCandidate relayed = fz_candidate_relayed (&relayed_at, &us);
  FzInstant now = BED_START;
  char text[FZ_CANDIDATE_TEXT_MAX];
  FzIceTransmit check;

  g_assert_true (fz_ice_agent_add_local_candidate (agent, &relayed, NULL));
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, bed_remote_host));
  g_assert_true (bed_next_check (agent, BED_START, &check, &now));
  g_assert_true (check.is_relayed);
  g_assert_true (fz_socket_address_equal (&check.local, &relayed_at));
  check.local = test_address ("203.0.113.99:7"); /* what the peer saw */
  g_assert_cmpint (bed_answer (agent, &check, THEIR_PW, now), ==, FZ_DROP_NONE);
  g_assert_true (fz_ice_agent_get_local_candidate (agent, 0, text));
  g_assert_nonnull (strstr (text, " 203.0.113.99 7 typ prflx ufrag us"));
  g_assert_true (
      fz_ice_agent_add_remote_candidate (agent, "candidate:1 1 udp 5 10.0.0.3 52625 typ host"));
  g_assert_true (bed_next_check (agent, BED_START, &check, &now));
  g_assert_true (check.is_relayed);
  g_assert_true (fz_socket_address_equal (&check.local, &relayed_at));
}

/* I19 */
static void
test_one_sided (void)
{
  for (int side = 0; side < 2; side++) {
    FzSeededRng seeded;
    g_autoptr (FzIceAgent) agent =
        bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

    g_assert_cmpint (fz_ice_agent_get_state (agent), ==, FZ_ICE_NEW);
    if (side == 0)
      bed_add_host (agent, US);
    else
      fz_ice_agent_add_remote_candidate (agent, bed_remote_host);
    for (FzInstant now = BED_START; now < BED_START + 100 * FZ_S; now += FZ_S)
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
  g_autoptr (FzIceAgent) agent =
      bed_make_agent (&seeded, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);

  for (int i = 1; i <= 11; i++) {
    g_autofree char *ours = g_strdup_printf ("10.0.0.%d:1", i);
    g_autofree char *theirs = g_strdup_printf ("candidate:1 1 udp %d 10.0.1.%d 1 typ host", i, i);

    g_assert_true (bed_add_host (agent, ours));
    g_assert_true (fz_ice_agent_add_remote_candidate (agent, theirs));
  }
  g_assert_cmpuint (count_checks (agent, BED_START), ==, 100);
}

/* Somebody with the password comes from ever new ports: memory is bounded, the newest is heard. */
static void
test_many_sources (Bed *f, gconstpointer data)
{
  FzIceCheck check = { .is_controlling = true };

  for (unsigned port = 1; port < 3000; port++) {
    g_autofree char *from = g_strdup_printf ("10.0.0.7:%u", port);
    FzInstant now = BED_START + port * 60 * FZ_S;

    fz_ice_agent_handle_timeout (f->agent, now);
    bed_request (f->agent, &check, US, from, now);
    bed_drain (f->agent);
  }
  g_assert_cmpuint (count_checks (f->agent, BED_START + 3000 * 60 * FZ_S), <=, 100);
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
  bed_add_host (agent, US);
  g_assert_true (fz_ice_agent_add_remote_candidate (agent, bed_remote_host));
  g_assert_cmpuint (count_checks (agent, BED_START), ==, 1);
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

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ice-agent/candidate/priorities", test_priorities);
  g_test_add_func ("/ice-agent/candidate/cross-family-relay", test_cross_family_relay);
  BED_ADD ("/ice-agent/candidate/redundant", bed_set_up, test_redundant);
  g_test_add_func ("/ice-agent/candidate/better-replaces", test_better_replaces);
  BED_ADD ("/ice-agent/candidate/withdrawn-local", bed_set_up, test_withdrawn_local);
  BED_ADD ("/ice-agent/candidate/withdrawn-remote", bed_set_up, test_withdrawn_remote);
  BED_ADD ("/ice-agent/candidate/remotes", bed_set_up, test_remotes);
  g_test_add_func ("/ice-agent/candidate/optimistic", test_optimistic);
  g_test_add_func ("/ice-agent/candidate/discovered-becomes-signalled",
                   test_discovered_becomes_signalled);
  g_test_add_func ("/ice-agent/candidate/discovered-is-withdrawn", test_discovered_is_withdrawn);
  g_test_add_func ("/ice-agent/candidate/pair-goes-over", test_pair_goes_over);
  g_test_add_func ("/ice-agent/candidate/own-discovered", test_own_discovered);
  g_test_add_func ("/ice-agent/candidate/one-sided", test_one_sided);
  g_test_add_func ("/ice-agent/maximum/pairs", test_many_pairs);
  BED_ADD ("/ice-agent/maximum/sources", bed_set_up, test_many_sources);
  g_test_add_func ("/ice-agent/maximum/credentials", test_credentials);
  return g_test_run ();
}
