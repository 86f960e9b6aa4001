/* test-relay.c: bindings, and what keeps a relay and its address ours (connectivity.md §5, §12.3)
 */

#include "tests/unit/engine/relay-bed.h"

#include <string.h>

/* A1, A5, A6 of the appendix, A4 */
static void
test_nobody_answers (void)
{
  static const unsigned at_ms[] = { 0, 1000, 2500, 4750 };
  g_auto (Bed) bed = { 0 };
  BedSeen first;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (at_ms); i++) {
    bed_run_to (&bed, BED_START + at_ms[i] * FZ_MS - (i > 0));
    if (i > 0)
      bed_expect_silence (&bed);
    bed_run_to (&bed, BED_START + at_ms[i] * FZ_MS);
    bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
    if (i == 0)
      first = seen;
    g_assert_cmpmem (seen.bytes, 32, first.bytes, 32); /* byte for byte the same */
    g_assert_false (fz_relay_link_is_finished (bed.link));
  }
  bed_run_to (&bed, BED_START + 8125 * FZ_MS - 1);
  g_assert_false (fz_relay_link_is_finished (bed.link));
  bed_run_to (&bed, BED_START + 8125 * FZ_MS);
  g_assert_true (fz_relay_link_is_finished (bed.link));
  bed_run_for (&bed, 600 * FZ_S);
  bed_expect_silence (&bed);
  g_assert_cmpuint (fz_relay_link_next_timeout (bed.link), ==, FZ_INSTANT_NEVER);
}

/* A3, A22 */
static void
test_two_families (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress v4 = test_address (V4);
  FzSocketAddress v6 = test_address (V6);
  BedSeen first;
  BedSeen second;
  BedSeen allocate;

  bed_init (&bed, V4, V6);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &first);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &second);
  g_assert_true (fz_socket_address_equal (&first.to, &v4));
  g_assert_true (fz_socket_address_equal (&second.to, &v6));
  g_assert_true (fz_relay_link_owns (bed.link, &v4));
  g_assert_true (fz_relay_link_owns (bed.link, &v6));

  g_assert_cmpint (bed_say_mapped (&bed, &second, LOCAL6), ==, FZ_DROP_NONE);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &allocate);
  g_assert_true (fz_socket_address_equal (&allocate.to, &v6));
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_HOST, LOCAL6);
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, LOCAL6);
  g_assert_cmpint (bed_say_mapped (&bed, &first, MAPPED4), ==, FZ_DROP_NONE);
  bed_expect_silence (&bed);
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_HOST, LOCAL4);
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, MAPPED4);
}

static void
test_one_family_silent (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen first;
  BedSeen second;
  BedSeen seen;

  bed_init (&bed, V4, V6);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &first);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &second);
  g_assert_cmpint (bed_say_mapped (&bed, &first, MAPPED4), ==, FZ_DROP_NONE);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed_say_error (&bed, &seen, 401);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed_say_allocated (&bed, &seen, "198.51.100.9:50000", NULL);
  bed_run_for (&bed, 20 * FZ_S);
  g_assert_false (fz_relay_link_is_finished (bed.link));
  bed_skip_events (&bed);
  while (bed_see (&bed, &seen))
    g_assert_cmpint (seen.to.ip.family, ==, FZ_IP_V6);
  bed_run_for (&bed, 7 * FZ_S);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen); /* the keep-alive */
}

static const struct {
  const char *v4;
  const char *v6;
  const char *from;
  bool owned;
} sources[] = {
  { V4, NULL, V4, true },
  { V4, NULL, V6, false },
  { NULL, V6, V6, true },
  { NULL, V6, V4, false },
  { V4, V6, "198.51.100.9:3479", false },
  { V4, V6, "198.51.100.8:3478", false },
};

static void
test_sources (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (sources); i++) {
    g_auto (Bed) bed = { 0 };
    FzSocketAddress from = test_address (sources[i].from);

    bed_init (&bed, sources[i].v4, sources[i].v6);
    g_assert_true (fz_relay_link_owns (bed.link, &from) == sources[i].owned);
  }
}

/* A23 */
static void
test_rtt (void)
{
  g_auto (Bed) bed = { 0 };
  uint64_t rtt = 0;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  g_assert_false (fz_relay_link_get_rtt (bed.link, &rtt));
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_run_for (&bed, 40 * FZ_MS);
  bed_say_mapped (&bed, &seen, MAPPED4);
  g_assert_true (fz_relay_link_get_rtt (bed.link, &rtt));
  g_assert_cmpuint (rtt, ==, 40 * FZ_MS);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed_run_for (&bed, 200 * FZ_MS);
  bed_say_error (&bed, &seen, 401);
  g_assert_true (fz_relay_link_get_rtt (bed.link, &rtt));
  g_assert_cmpuint (rtt, ==, 60 * FZ_MS);
}

static void
test_bad_binding_answers (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress elsewhere = test_address ("198.51.100.10:3478");
  FzSocketAddress local = test_address (LOCAL4);
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzStunMessage m;
  FzWriter w;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_begin (&seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  g_assert_cmpint (bed_say (&bed, &seen, &w, false), ==, FZ_DROP_BAD_HEADER); /* no address */
  bed_begin (&seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &local);
  g_assert_cmpint (fz_stun_parse (fz_span (buffer, w.length), &m), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_relay_link_handle_stun (bed.link, &m, &local, &elsewhere, bed.now),
                   ==,
                   FZ_DROP_UNKNOWN_SOURCE);
  m.transaction_id = (FzStunTransactionId){ { 1 } };
  g_assert_cmpint (fz_relay_link_handle_stun (bed.link, &m, &local, &seen.to, bed.now),
                   ==,
                   FZ_DROP_UNKNOWN_INDEX);
  seen.m.type = FZ_STUN_ALLOCATE_REQUEST;
  g_assert_cmpint (bed_say_yes (&bed, &seen), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  bed_expect_no_event (&bed);
  bed_expect_silence (&bed);
}

/* §1.11: an address that changes without notice is announced, the old one not withdrawn. */
static void
test_moved_mapping (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  bed_run_for (&bed, 27 * FZ_S);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, MAPPED4);
  bed_expect_no_event (&bed);
  bed_run_for (&bed, 27 * FZ_S);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, "203.0.113.8:1");
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.8:1");
  bed_expect_no_event (&bed);
}

/* A20, A21 */
static void
test_keep_alive (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelayRoute out;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  bed_bind_channel (&bed, PEER_A);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  bed_say_yes (&bed, &seen);
  bed_run_for (&bed, 20 * FZ_S);
  g_assert_true (bed_route (&bed, PEER_A, &out));
  bed_run_for (&bed, 27 * FZ_S - 1);
  bed_expect_silence (&bed);
  bed_run_for (&bed, 1);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_run_for (&bed, 8124 * FZ_MS);
  bed_expect_no_event (&bed);
  bed_run_for (&bed, FZ_MS);
  bed_expect_event (
      &bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  g_assert_false (bed_route (&bed, PEER_A, &out));
}

static void
test_restart (void)
{
  g_auto (Bed) bed = { 0 };
  uint64_t rtt;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  fz_relay_link_restart (bed.link, bed.now);
  bed_expect_no_event (&bed);
  g_assert_false (fz_relay_link_get_rtt (bed.link, &rtt));
  g_assert_null (fz_relay_link_get_candidate (bed.link, FZ_CANDIDATE_RELAYED, FZ_IP_V4));
  g_assert_null (fz_relay_link_get_candidate (bed.link, FZ_CANDIDATE_HOST, FZ_IP_V4));
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen); /* the end of what was there */
  g_assert_true (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME | FZ_STUN_HAS_USERNAME));
  g_assert_cmpuint (seen.m.lifetime_s, ==, 0);
  bed_go_to_allocate (&bed, &seen); /* the nonce is forgotten as well */
}

/* Who goes gives back what he has: the relay would keep it for ten minutes. */
static void
test_withdraw (void)
{
  for (int has_allocation = 0; has_allocation < 2; has_allocation++) {
    g_auto (Bed) bed = { 0 };
    BedSeen seen;

    bed_init (&bed, V4, NULL);
    if (has_allocation)
      bed_go_to_active (&bed);
    fz_relay_link_withdraw (bed.link);
    if (has_allocation) {
      bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
      g_assert_true (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME | FZ_STUN_HAS_USERNAME));
      g_assert_cmpuint (seen.m.lifetime_s, ==, 0);
    }
    bed_expect_silence (&bed);
  }
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/binding/nobody-answers", test_nobody_answers);
  g_test_add_func ("/relay/binding/two-families", test_two_families);
  g_test_add_func ("/relay/binding/one-family-silent", test_one_family_silent);
  g_test_add_func ("/relay/binding/sources", test_sources);
  g_test_add_func ("/relay/binding/rtt", test_rtt);
  g_test_add_func ("/relay/binding/bad-answers", test_bad_binding_answers);
  g_test_add_func ("/relay/binding/moved-mapping", test_moved_mapping);
  g_test_add_func ("/relay/keep-alive", test_keep_alive);
  g_test_add_func ("/relay/restart", test_restart);
  g_test_add_func ("/relay/withdraw", test_withdraw);
  return g_test_run ();
}
