/* test-relay-channel.c: channels of an allocation (connectivity.md §5, §12.3) */

#include "tests/unit/engine/relay-bed.h"

#include <string.h>

/* A8, A9, A12, A11 */
static void
test_channels (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress relay = test_address (V4);
  FzRelayRoute out;
  BedSeen first;
  BedSeen second;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  bed_bind_channel (&bed, PEER_A);
  bed_bind_channel (&bed, PEER_B);
  bed_bind_channel (&bed, PEER_A);
  bed_bind_channel (&bed, PEER_6); /* no address of that family, as it turns out */
  bed_expect_silence (&bed);
  bed_say_allocated (&bed, &seen, "198.51.100.9:50000", NULL);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &first);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &second);
  bed_expect_silence (&bed);
  g_assert_cmphex (first.m.channel, ==, 0x4000);
  g_assert_cmphex (second.m.channel, ==, 0x4001);

  g_assert_true (bed_route (&bed, PEER_A, &out)); /* requested is enough to send */
  g_assert_cmphex (out.channel, ==, 0x4000);
  g_assert_true (fz_socket_address_equal (&out.to, &relay));
  bed_say_yes (&bed, &first);
  g_assert_true (bed_route (&bed, PEER_A, &out));
  bed_bind_channel (&bed, PEER_A);
  bed_bind_channel (&bed, PEER_B);
  bed_expect_silence (&bed);
  g_assert_false (bed_route (&bed, "203.0.113.22:1", &out)); /* unknown: bound lazily */
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  g_assert_false (bed_route (&bed, PEER_6, &out));
  bed_expect_silence (&bed);
}

/* A10 */
static void
test_channel_refused (void)
{
  g_auto (Bed) bed = { 0 };
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  bed_bind_channel (&bed, PEER_A);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  g_assert_cmpint (bed_say_error (&bed, &seen, 400), ==, FZ_DROP_NONE);
  bed_bind_channel (&bed, PEER_A);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
}

/* A18 */
static void
test_channel_mismatch (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress peer = test_address (PEER_A);
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  bed_bind_channel (&bed, PEER_A);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  bed_say_error (&bed, &seen, 437);
  bed_expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  bed_say_allocated (&bed, &seen, "198.51.100.9:50001", NULL);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  g_assert_true (fz_socket_address_equal (&seen.m.xor_peer, &peer));
}

static FzDrop
unwrap (Bed *bed, const char *bytes, size_t length, FzRelayedDatagram *out)
{
  return fz_relay_link_unwrap (bed->link, fz_span (bytes, length), bed->now, out);
}

/* C5, and what is no ChannelData */
static void
test_unwrap (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress peer = test_address (PEER_A);
  FzRelayedDatagram out = { 0 };
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_active (&bed);
  bed_bind_channel (&bed, PEER_A);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out), ==, FZ_DROP_UNKNOWN_PEER);
  bed_expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  bed_say_yes (&bed, &seen);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out), ==, FZ_DROP_NONE);
  g_assert_true (fz_socket_address_equal (&out.from, &peer));
  g_assert_cmpstr (fz_socket_address_format (&out.local, text), ==, "198.51.100.9:50000");
  g_assert_cmpmem (out.payload.data, out.payload.length, "x", 1);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x00", 4, &out), ==, FZ_DROP_NONE);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x02x", 5, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01xy", 6, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00", 3, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "", 0, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "\x3f\xff\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  g_assert_cmpint (unwrap (&bed, "\x80\x00\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  g_assert_cmpint (unwrap (&bed, "\x4f\xff\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PEER);
  g_assert_cmpint (unwrap (&bed, "\x7f\xff\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PEER);
}

/* C6, C7: a channel in use is bound again before it ends; one that is not, ends. */
static void
test_channel_refresh (void)
{
  for (int is_used = 0; is_used < 2; is_used++) {
    g_auto (Bed) bed = { 0 };
    unsigned n_binds = 0;
    FzRelayedDatagram out;
    BedSeen seen;

    bed_init (&bed, V4, NULL);
    bed_go_to_active (&bed);
    bed_bind_channel (&bed, PEER_A);
    for (int s = 0; s < 1200; s++) {
      while (bed_see (&bed, &seen)) {
        n_binds += seen.m.type == FZ_STUN_CHANNEL_BIND_REQUEST;
        if (seen.m.type == FZ_STUN_BINDING_REQUEST)
          bed_say_mapped (&bed, &seen, MAPPED4);
        else if (seen.m.type == FZ_STUN_REFRESH_REQUEST)
          bed_say_refreshed (&bed, &seen, 600);
        else
          bed_say_yes (&bed, &seen);
      }
      if (is_used)
        g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out), ==, FZ_DROP_NONE);
      bed_run_for (&bed, FZ_S);
    }
    g_assert_cmpuint (n_binds, ==, is_used ? 4 : 1);
    g_assert_true (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out) ==
                   (is_used ? FZ_DROP_NONE : FZ_DROP_UNKNOWN_PEER));
  }
}

static void
test_many_wanted (void)
{
  g_auto (Bed) bed = { 0 };
  unsigned n = 0;
  BedSeen seen;

  bed_init (&bed, V4, NULL);
  bed_go_to_allocate (&bed, &seen);
  for (unsigned port = 1; port <= 150; port++) {
    g_autofree char *peer = g_strdup_printf ("203.0.113.20:%u", port);

    bed_bind_channel (&bed, peer);
  }
  bed_say_allocated (&bed, &seen, "198.51.100.9:50000", NULL);
  while (bed_see (&bed, &seen)) {
    g_assert_cmpuint (seen.m.xor_peer.port, ==, 51 + n); /* the oldest were dropped */
    n++;
  }
  g_assert_cmpuint (n, ==, 100);
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/channel/bind", test_channels);
  g_test_add_func ("/relay/channel/refused", test_channel_refused);
  g_test_add_func ("/relay/channel/mismatch", test_channel_mismatch);
  g_test_add_func ("/relay/channel/unwrap", test_unwrap);
  g_test_add_func ("/relay/channel/refresh", test_channel_refresh);
  g_test_add_func ("/relay/channel/many-wanted", test_many_wanted);
  return g_test_run ();
}
