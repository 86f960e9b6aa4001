/* test-icmp.c: fz-icmp.h */

#include "src/proto/fz-checksum.h"
#include "src/proto/fz-icmp.h"

#include <glib.h>

/* UDP of @length bytes in all, fd00::1 -> fd00::2 or 10.0.0.1 -> 10.0.0.2. */
static FzIpPacket
make_udp (uint8_t *bytes, bool is_v6, size_t length)
{
  size_t header = is_v6 ? 40 : 20;
  FzIpPacket packet;

  memset (bytes, 0, length);
  if (is_v6) {
    bytes[0] = 0x60;
    fz_put_u16be (bytes + 4, (uint16_t) (length - 40));
    bytes[6] = 17;
    bytes[8] = bytes[24] = 0xfd;
    bytes[23] = 1;
    bytes[39] = 2;
  } else {
    bytes[0] = 0x45;
    fz_put_u16be (bytes + 2, (uint16_t) length);
    bytes[9] = 17;
    bytes[12] = bytes[16] = 10;
    bytes[15] = 1;
    bytes[19] = 2;
  }
  fz_put_u16be (bytes + header + 4, (uint16_t) (length - header));
  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, length), &packet), ==, FZ_DROP_NONE);
  return packet;
}

static void
test_errors (void)
{
  static const struct {
    bool is_v6;
    FzIcmpReason reason;
    size_t original, expected; /* bytes */
    uint8_t type, code;
  } cases[] = {
    { false, FZ_ICMP_PROHIBITED, 1280, 56, 3, 13 }, { false, FZ_ICMP_UNREACHABLE, 28, 56, 3, 0 },
    { true, FZ_ICMP_PROHIBITED, 1280, 1280, 1, 1 }, /* quotes 1232 */
    { true, FZ_ICMP_PROHIBITED, 1232, 1280, 1, 1 }, { true, FZ_ICMP_UNREACHABLE, 100, 148, 1, 3 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    size_t header = cases[i].is_v6 ? 40 : 20;
    uint8_t original[1280], out[FZ_ICMP_ERROR_MAX];
    FzIpPacket packet = make_udp (original, cases[i].is_v6, cases[i].original);
    FzIpPacket error;
    FzIp a, b;

    g_assert_cmpuint (fz_icmp_write_error (cases[i].reason, &packet, out), ==, cases[i].expected);
    g_assert_cmpint (
        fz_ip_packet_parse (fz_span (out, cases[i].expected), &error), ==, FZ_DROP_NONE);
    g_assert_cmpuint (error.length, ==, cases[i].expected);
    g_assert_true (fz_ip_packet_is_icmp_error (&error));
    g_assert_true (fz_checksum_is_good (&error));
    g_assert_cmpuint (out[header], ==, cases[i].type);
    g_assert_cmpuint (out[header + 1], ==, cases[i].code);
    g_assert_cmpuint (out[cases[i].is_v6 ? 7 : 8], ==, 20);
    if (!cases[i].is_v6)
      g_assert_cmphex (fz_checksum_sum (out, 20), ==, 0xffff);
    a = fz_ip_packet_get_source (&error);
    b = fz_ip_packet_get_destination (&packet);
    g_assert_true (fz_ip_equal (&a, &b));
    a = fz_ip_packet_get_destination (&error);
    b = fz_ip_packet_get_source (&packet);
    g_assert_true (fz_ip_equal (&a, &b));
    g_assert_cmpmem (
        out + header + 8, cases[i].expected - header - 8, original, cases[i].expected - header - 8);
  }
}

static void
test_not_answered (void)
{
  uint8_t original[100], out[FZ_ICMP_ERROR_MAX], again[FZ_ICMP_ERROR_MAX];
  FzIpPacket packet, error;
  size_t length;

  packet = make_udp (original, false, 100);
  length = fz_icmp_write_error (FZ_ICMP_PROHIBITED, &packet, out);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (out, length), &error), ==, FZ_DROP_NONE);
  g_assert_cmpuint (fz_icmp_write_error (FZ_ICMP_PROHIBITED, &error, again), ==, 0);

  original[16] = 224; /* multicast */
  g_assert_cmpuint (fz_icmp_write_error (FZ_ICMP_PROHIBITED, &packet, out), ==, 0);
  memset (original + 16, 255, 4); /* broadcast */
  g_assert_cmpuint (fz_icmp_write_error (FZ_ICMP_PROHIBITED, &packet, out), ==, 0);
  original[16] = 10;
  memset (original + 12, 0, 4); /* no source */
  g_assert_cmpuint (fz_icmp_write_error (FZ_ICMP_PROHIBITED, &packet, out), ==, 0);

  packet = make_udp (original, true, 100);
  original[24] = 0xff;
  g_assert_cmpuint (fz_icmp_write_error (FZ_ICMP_PROHIBITED, &packet, out), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/icmp/errors", test_errors);
  g_test_add_func ("/icmp/not-answered", test_not_answered);
  return g_test_run ();
}
