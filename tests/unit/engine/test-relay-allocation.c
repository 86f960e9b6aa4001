/* test-relay-allocation.c: allocating at a relay, keeping it, and losing it (connectivity.md §5,
 * §12.3) */

#include "src/engine/fz-stun-auth.h"
#include "tests/unit/engine/relay-bed.h"

#include <string.h>

/* A2 as §5.4 measured it, A6, A7 */
static void
test_allocate (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, MAPPED4);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_USERNAME));
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_INTEGRITY));
  bed_say_error (&bed, &seen, 401);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_true (fz_stun_has (&seen.m,
                              FZ_STUN_HAS_USERNAME | FZ_STUN_HAS_REALM | FZ_STUN_HAS_NONCE |
                                  FZ_STUN_HAS_INTEGRITY));
  g_assert_cmpmem (seen.m.nonce.data, seen.m.nonce.length, NONCE, strlen (NONCE));
  g_assert_cmpuint (seen.m.transport, ==, 17);
  bed_say_allocated (&bed, &seen, "198.51.100.9:50000", "[2001:db8::9]:50000");
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_HOST, LOCAL4);
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, MAPPED4);
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  bed_expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_RELAYED, "[2001:db8::9]:50000");
  bed_expect_no_event (&bed);
  bed_expect_silence (&bed);
}

static void
test_stale_nonce (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  g_strlcpy (bed.nonce, "second", sizeof bed.nonce);
  g_assert_cmpint (bed_say_error (&bed, &seen, 438), ==, FZ_DROP_NONE);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpmem (seen.m.nonce.data, seen.m.nonce.length, "second", 6);
}

/* A challenge without end is not followed without end. */
static void
test_endless_challenge (void)
{
  for (int is_unsigned = 0; is_unsigned < 2; is_unsigned++) {
    g_auto (Bed) bed = { 0 };
    unsigned n = 0;
    BedSeen seen;

    bed_init (&bed, V4, NULL);
    bed.is_unsigned = is_unsigned;
    bed_go_to_allocate (&bed, &seen);
    do {
      g_snprintf (bed.nonce, sizeof bed.nonce, "nonce %u", n++);
      bed_say_error (&bed, &seen, 438);
    } while (bed_see (&bed, &seen) && n < 100);
    g_assert_cmpuint (n, <=, 4);
    g_assert_false (fz_relay_link_is_finished (bed.link));
  }
}

/* Forged or unsigned answers are no verdict; the request stays outstanding. */
static void
test_forged (void)
{
  g_auto (Bed) bed = { 0 };
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  bed_skip_events (&bed);
  bed.password = "wrong";
  g_assert_cmpint (bed_say_allocated (&bed, &seen, "198.51.100.66:1", NULL), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (bed_say_error (&bed, &seen, 403), ==, FZ_DROP_BAD_MAC);
  bed.is_unsigned = true;
  g_assert_cmpint (bed_say_error (&bed, &seen, 400), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (bed_say_error (&bed, &seen, 441), ==, FZ_DROP_BAD_MAC);
  bed_begin (&seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  g_assert_cmpint (bed_say (&bed, &seen, &w, false), ==, FZ_DROP_BAD_MAC);
  bed_expect_no_event (&bed);
  bed_run_for (&bed, FZ_S);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen); /* the retry, with a new id */
  bed.password = PASSWORD;
  g_assert_cmpint (bed_say_allocated (&bed, &seen, "198.51.100.9:1", NULL), ==, FZ_DROP_NONE);
}

/* A19 */
static void
test_bad_credentials (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  fz_relay_link_refresh (bed.link, bed.now);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_cmpint (bed_say_error (&bed, &seen, 401), ==, FZ_DROP_NONE);
  bed_expect_event (
      &bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  bed_expect_silence (&bed);
  g_assert_true (fz_relay_link_is_finished (bed.link));
  g_assert_cmpuint (fz_relay_link_next_timeout (bed.link), ==, FZ_INSTANT_NEVER);
}

/* A17, but with the slow retry of §11 #15, and no end to the relay's use for direct paths. */
static void
test_allocate_refused (void)
{
  g_auto (Bed) bed = { 0 };
  unsigned n_bindings = 0;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  bed_bind_channel (&bed, PEER_A);
  g_assert_cmpint (bed_say_error (&bed, &seen, 508), ==, FZ_DROP_NONE);
  g_assert_false (fz_relay_link_is_finished (bed.link));
  while (bed.now < BED_START + 59 * FZ_S) {
    bed_run_for (&bed, FZ_S);
    while (bed_see (&bed, &seen)) {
      g_assert_cmphex (seen.m.type, ==, FZ_STUN_BINDING_REQUEST);
      bed_say_mapped (&bed, &seen, MAPPED4);
      n_bindings++;
    }
  }
  g_assert_cmpuint (n_bindings, ==, 2);
  bed_run_for (&bed, FZ_S);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpint (bed_say_allocated (&bed, &seen, "198.51.100.9:50000", NULL), ==, FZ_DROP_NONE);
  bed_expect_silence (&bed); /* the buffered channel was given up */
}

static void
test_refused_then_list_update (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  bed_say_error (&bed, &seen, 486);
  fz_relay_link_refresh (bed.link, bed.now);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, MAPPED4);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
}

/* A STUN server only: silent to Allocate, alive all the same. */
static void
test_allocate_unanswered (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, MAPPED4);
  for (FzInstant end = BED_START + 600 * FZ_S; bed.now < end;) {
    bed_run_for (&bed, FZ_S / 2);
    while (bed_see (&bed, &seen))
      if (seen.m.type == FZ_STUN_BINDING_REQUEST)
        bed_say_mapped (&bed, &seen, MAPPED4);
    g_assert_false (fz_relay_link_is_finished (bed.link));
  }
}

/* 437 to Allocate: an allocation of ours from before is deleted first. */
static void
test_mismatch (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  bed_say_error (&bed, &seen, 437);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_true (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME));
  g_assert_cmpuint (seen.m.lifetime_s, ==, 0);
  bed_say_refreshed (&bed, &seen, 0);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpint (bed_say_allocated (&bed, &seen, "198.51.100.9:50000", NULL), ==, FZ_DROP_NONE);
}

/* Who comes back on the port of a process that was killed: coturn says 437 unsigned, and 441 to the
 * deletion, for the allocation is under another name. Another port of ours is what helps. */
static void
test_address_taken (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelayEvent event;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, MAPPED4);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed_skip_events (&bed);
  bed.is_unsigned = true;
  g_assert_cmpint (bed_say_error (&bed, &seen, 437), ==, FZ_DROP_NONE);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_cmpint (bed_say_error (&bed, &seen, 401), ==, FZ_DROP_NONE);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_cmpuint (seen.m.lifetime_s, ==, 0);
  g_assert_cmpint (bed_say_error (&bed, &seen, 441), ==, FZ_DROP_NONE);
  g_assert_false (fz_relay_link_poll_event (bed.link, &event)); /* it may be about to go */
  bed_expect_silence (&bed);

  bed_run_for (&bed, 2 * FZ_S);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpint (bed_say_error (&bed, &seen, 437), ==, FZ_DROP_NONE);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_cmpint (bed_say_error (&bed, &seen, 441), ==, FZ_DROP_NONE);
  g_assert_true (fz_relay_link_poll_event (bed.link, &event));
  g_assert_cmpint (event.kind, ==, FZ_RELAY_EVENT_ADDRESS_TAKEN);
  bed_expect_silence (&bed);

  bed.is_unsigned = false;
  fz_relay_link_restart (bed.link, bed.now); /* from the new port */
  bed_go_to_active (&bed);
}

/* The same after a change of network that left us our address: the name is ours, and it goes, in
 * coturn's own time. */
static void
test_own_former (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  fz_relay_link_restart (bed.link, bed.now);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen); /* nobody waits for the answer */
  bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  bed_say_mapped (&bed, &seen, MAPPED4);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed.is_unsigned = true;
  g_assert_cmpint (bed_say_error (&bed, &seen, 437), ==, FZ_DROP_NONE);
  bed.is_unsigned = false;
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  bed_say_error (&bed, &seen, 401);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  bed_say_refreshed (&bed, &seen, 0);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed.is_unsigned = true;
  g_assert_cmpint (bed_say_error (&bed, &seen, 437), ==, FZ_DROP_NONE);
  bed_expect_silence (&bed);
  bed.is_unsigned = false;
  bed_run_for (&bed, 2 * FZ_S);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpint (bed_say_allocated (&bed, &seen, "198.51.100.9:50001", NULL), ==, FZ_DROP_NONE);
}

static void
test_endless_mismatch (void)
{
  g_auto (Bed) bed = { 0 };
  unsigned n = 0;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  do
    bed_say_error (&bed, &seen, 437);
  while (bed_see (&bed, &seen) && ++n < 100);
  g_assert_cmpuint (n, <, 20);
}

/* A13, A15, A14 */
static void
test_refresh (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  for (int i = 0; i < 11; i++) { /* keep-alives up to 297 s */
    bed_run_for (&bed, 27 * FZ_S);
    bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
    bed_say_mapped (&bed, &seen, MAPPED4);
  }
  bed_expect_silence (&bed);
  bed_run_to (&bed, BED_START + 300 * FZ_S);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME));
  fz_relay_link_handle_timeout (bed.link, bed.now);
  g_assert_cmpint (bed_say_refreshed (&bed, &seen, 600), ==, FZ_DROP_NONE);

  fz_relay_link_refresh (bed.link, bed.now);
  while (bed_see (&bed, &seen) && seen.m.type != FZ_STUN_REFRESH_REQUEST)
    ;
  g_assert_cmphex (seen.m.type, ==, FZ_STUN_REFRESH_REQUEST);
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME));
  bed_skip_events (&bed);
  bed_say_error (&bed, &seen, 437);
  bed_expect_event (
      &bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
}

/* A peer makes us bind as many channels as we ever have under way, when the refresh is due. */
static void
test_refresh_without_room (void)
{
  g_auto (Bed) bed = { 0 };
  bool is_refreshed = false;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  for (int i = 0; i < 11; i++) {
    bed_run_for (&bed, 27 * FZ_S);
    bed_expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
    bed_say_mapped (&bed, &seen, MAPPED4);
  }
  bed_run_to (&bed, BED_START + 300 * FZ_S - FZ_MS);
  for (unsigned port = 1; port <= 1000; port++) {
    g_autofree char *peer = g_strdup_printf ("203.0.113.20:%u", port);

    bed_bind_channel (&bed, peer);
  }
  bed_run_to (&bed, BED_START + 300 * FZ_S);
  while (bed_see (&bed, &seen))
    if (seen.m.type == FZ_STUN_CHANNEL_BIND_REQUEST)
      bed_say_yes (&bed, &seen);
  bed_run_for (&bed, 2 * FZ_S);
  while (bed_see (&bed, &seen))
    is_refreshed |= seen.m.type == FZ_STUN_REFRESH_REQUEST;
  g_assert_true (is_refreshed);
}

/* A16; allocated anew rather than suspended (§11 #16). */
static void
test_expiry (void)
{
  g_auto (Bed) bed = { 0 };
  bool is_invalid = false;
  FzRelayEvent event;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  while (bed.now < BED_START + 601 * FZ_S) {
    bed_run_for (&bed, FZ_S);
    while (bed_see (&bed, &seen))
      if (seen.m.type == FZ_STUN_BINDING_REQUEST)
        bed_say_mapped (&bed, &seen, MAPPED4);
      else if (seen.m.type == FZ_STUN_REFRESH_REQUEST)
        bed_say_error (&bed, &seen, 500);
      else
        g_assert_cmphex (seen.m.type, ==, FZ_STUN_ALLOCATE_REQUEST);
    while (fz_relay_link_poll_event (bed.link, &event))
      is_invalid |= event.kind == FZ_RELAY_EVENT_CANDIDATE_INVALID;
    g_assert_true (is_invalid == (bed.now >= BED_START + 600 * FZ_S));
  }
}

static void
test_list_update_while_allocating (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  fz_relay_link_refresh (bed.link, bed.now);
  bed_expect_silence (&bed);
}

/* §5.5: a list update's refresh has one second: a restarted relay is noticed fast. */
static void
test_list_update_unanswered (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  fz_relay_link_refresh (bed.link, bed.now);
  bed_expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  bed_run_for (&bed, FZ_S);
  bed_expect_silence (&bed);
  bed_expect_event (
      &bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  g_assert_true (fz_relay_link_is_finished (bed.link));
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/allocation/allocate", test_allocate);
  g_test_add_func ("/relay/allocation/stale-nonce", test_stale_nonce);
  g_test_add_func ("/relay/allocation/endless-challenge", test_endless_challenge);
  g_test_add_func ("/relay/allocation/forged", test_forged);
  g_test_add_func ("/relay/allocation/bad-credentials", test_bad_credentials);
  g_test_add_func ("/relay/allocation/refused", test_allocate_refused);
  g_test_add_func ("/relay/allocation/refused-then-list-update", test_refused_then_list_update);
  g_test_add_func ("/relay/allocation/unanswered", test_allocate_unanswered);
  g_test_add_func ("/relay/allocation/mismatch", test_mismatch);
  g_test_add_func ("/relay/allocation/address-taken", test_address_taken);
  g_test_add_func ("/relay/allocation/own-former", test_own_former);
  g_test_add_func ("/relay/allocation/endless-mismatch", test_endless_mismatch);
  g_test_add_func ("/relay/allocation/refresh", test_refresh);
  g_test_add_func ("/relay/allocation/refresh-without-room", test_refresh_without_room);
  g_test_add_func ("/relay/allocation/expiry", test_expiry);
  g_test_add_func ("/relay/list-update/while-allocating", test_list_update_while_allocating);
  g_test_add_func ("/relay/list-update/unanswered", test_list_update_unanswered);
  return g_test_run ();
}
