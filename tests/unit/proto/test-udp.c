/* test-udp.c: fz-udp.h and fz-tcp.h */

#include "src/proto/fz-checksum.h"
#include "src/proto/fz-tcp.h"
#include "src/proto/fz-udp.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>

static void
test_udp (void)
{
  static const char *const pairs[][2] = { { "100.100.111.1:53", "100.64.0.1:5000" },
                                          { "[fd00::1]:53", "[fd00::2]:5000" } };
  static const uint8_t payload[FZ_UDP_PAYLOAD_MAX + 1] = "hello";
  static const size_t lengths[] = { 0, 1, 5, FZ_UDP_PAYLOAD_MAX };
  uint8_t out[FZ_UDP_PACKET_MAX];

  for (size_t i = 0; i < G_N_ELEMENTS (pairs) * G_N_ELEMENTS (lengths); i++) {
    const char *const *pair = pairs[i / G_N_ELEMENTS (lengths)];
    FzUdpDatagram datagram = { test_address (pair[0]),
                               test_address (pair[1]),
                               { payload, lengths[i % G_N_ELEMENTS (lengths)] } };
    size_t length = fz_udp_write (&datagram, out);
    FzUdpDatagram back;
    FzIpPacket packet;

    g_assert_cmpint (fz_ip_packet_parse (fz_span (out, length), &packet), ==, FZ_DROP_NONE);
    g_assert_cmpuint (packet.length, ==, length);
    g_assert_true (fz_checksum_is_good (&packet));
    g_assert_true (fz_udp_parse (&packet, &back));
    g_assert_true (fz_socket_address_equal (&back.source, &datagram.source));
    g_assert_true (fz_socket_address_equal (&back.destination, &datagram.destination));
    g_assert_cmpmem (
        back.payload.data, back.payload.length, datagram.payload.data, datagram.payload.length);
    datagram.payload.length = FZ_UDP_PAYLOAD_MAX + 1;
    g_assert_cmpuint (fz_udp_write (&datagram, out), ==, 0);
  }
}

/* A TCP packet with these flags, from 10.0.0.1 port 1000 to 10.0.0.2 port 53. */
static FzIpPacket
make_tcp (uint8_t bytes[44], uint8_t flags)
{
  static const uint8_t ip[] = { 0x45, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
  FzIpPacket packet;

  memset (bytes, 0, 44);
  memcpy (bytes, ip, sizeof ip);
  fz_put_u16be (bytes + 20, 1000);
  fz_put_u16be (bytes + 22, 53);
  fz_put_u32be (bytes + 24, 0xffffffff);
  fz_put_u32be (bytes + 28, 7777);
  bytes[32] = 6 << 4; /* 4 bytes of options, no payload */
  bytes[33] = flags;
  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 44), &packet), ==, FZ_DROP_NONE);
  return packet;
}

static void
test_reset (void)
{
  uint8_t bytes[44], out[FZ_TCP_RESET_MAX];
  FzIpPacket packet = make_tcp (bytes, 0x02), reset; /* SYN */
  const uint8_t *tcp;
  size_t length = fz_tcp_write_reset (&packet, out);

  g_assert_cmpint (fz_ip_packet_parse (fz_span (out, length), &reset), ==, FZ_DROP_NONE);
  g_assert_true (fz_checksum_is_good (&reset));
  tcp = fz_ip_packet_get_transport (&reset);
  g_assert_cmpuint (fz_get_u16be (tcp), ==, 53);
  g_assert_cmpuint (fz_get_u16be (tcp + 2), ==, 1000);
  g_assert_cmpuint (fz_get_u32be (tcp + 8), ==, 0); /* their sequence and one for the SYN */
  g_assert_cmpuint (tcp[13], ==, 0x14);

  packet = make_tcp (bytes, 0x10); /* ACK */
  length = fz_tcp_write_reset (&packet, out);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (out, length), &reset), ==, FZ_DROP_NONE);
  tcp = fz_ip_packet_get_transport (&reset);
  g_assert_cmpuint (fz_get_u32be (tcp + 4), ==, 7777);
  g_assert_cmpuint (tcp[13], ==, 0x04);

  packet = make_tcp (bytes, 0x04); /* resets are not answered */
  g_assert_cmpuint (fz_tcp_write_reset (&packet, out), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/udp/round-trip", test_udp);
  g_test_add_func ("/tcp/reset", test_reset);
  return g_test_run ();
}
