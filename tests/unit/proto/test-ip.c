/* test-ip.c: fz-ip.h */

#include "src/base/fz-rng.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-ip.h"

#include <glib.h>

/* 10.0.0.1:4660 -> 10.0.0.2:80, TCP with 4 bytes of payload */
static const uint8_t tcp4[44] = {
  0x45, 0x02, 0,    44,   0x12, 0x34, 0x40, 0, 64, 6, 0,   0,   10,  0,   0,
  1,    10,   0,    0,    2,    0x12, 0x34, 0, 80, 0, 0,   0,   1,   0,   0,
  0,    2,    0x50, 0x10, 0,    100,  0,    0, 0,  0, 'a', 'b', 'c', 'd',
};

/* fd00::1 -> fd00::2, a hop-by-hop header, then UDP with 2 bytes */
static const uint8_t udp6[58] = {
  0x60, 0x20, 0, 0, 0,    18, 0, 64, 0xfd, 0, 0,    0, 0, 0,  0, 0, 0,   0,   0, 0,
  0,    0,    0, 1, 0xfd, 0,  0, 0,  0,    0, 0,    0, 0, 0,  0, 0, 0,   0,   0, 2,
  17,   0,    1, 4, 0,    0,  0, 0,  0x10, 0, 0x20, 0, 0, 10, 0, 0, 'x', 'y',
};

static const uint8_t goodbye[48] = { 0x60, 0, 0, 0, 0, 8, 0xff, 0, [40] = 2 };

/* connectivity.md A.5 */
static const uint8_t probe[48] = {
  0x60, 0x00, 0x00, 0x00, 0x00, 0x08, 0x3a, 0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  0x00, 0x00, 0xde, 0xad, 0x01, 0xce, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  0x00, 0x00, 0xde, 0xad, 0x01, 0xce, 0x00, 0x02, 0x80, 0x00, 0x54, 0x16, 0x12, 0x34, 0x56, 0x78,
};

static void
test_view (void)
{
  static const uint8_t expected_source[4] = { 10, 0, 0, 1 };
  uint8_t padded[64] = { 0 };
  FzIpPacket packet;
  FzIp ip;

  memcpy (padded, tcp4, sizeof tcp4);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (padded, sizeof padded), &packet), ==, FZ_DROP_NONE);
  g_assert_cmpuint (packet.length, ==, 44); /* padding is not part of it */
  g_assert_cmpuint (packet.family, ==, FZ_IP_V4);
  g_assert_cmpuint (packet.protocol, ==, FZ_IP_PROTOCOL_TCP);
  g_assert_cmpuint (packet.transport_offset, ==, 20);
  g_assert_false (packet.is_fragment);
  g_assert_cmpuint (fz_ip_packet_get_ecn (&packet), ==, FZ_ECN_ECT0);
  ip = fz_ip_packet_get_source (&packet);
  g_assert_cmpmem (ip.bytes, 4, expected_source, 4);
  ip = fz_ip_packet_get_destination (&packet);
  g_assert_cmpuint (ip.bytes[3], ==, 2);

  g_assert_cmpint (fz_ip_packet_parse (fz_span (udp6, sizeof udp6), &packet), ==, FZ_DROP_NONE);
  g_assert_cmpuint (packet.family, ==, FZ_IP_V6);
  g_assert_cmpuint (packet.protocol, ==, FZ_IP_PROTOCOL_UDP);
  g_assert_cmpuint (packet.transport_offset, ==, 48);
  g_assert_cmpuint (fz_ip_packet_get_transport_length (&packet), ==, 10);
  g_assert_cmpuint (fz_ip_packet_get_ecn (&packet), ==, FZ_ECN_ECT0);
  ip = fz_ip_packet_get_destination (&packet);
  g_assert_cmpuint (ip.bytes[15], ==, 2);
}

typedef struct {
  const char *why;
  const uint8_t *bytes;
  size_t length;
  size_t at; /* one byte is changed; 0xffff: none */
  uint8_t value;
  FzDrop expected;
} BadCase;

#define UNCHANGED 0xffffu

static const BadCase bad_cases[] = {
  { "nothing", tcp4, 0, UNCHANGED, 0, FZ_DROP_TRUNCATED },
  { "IPv4 header cut", tcp4, 19, UNCHANGED, 0, FZ_DROP_TRUNCATED },
  { "version 5", tcp4, 44, 0, 0x55, FZ_DROP_BAD_VERSION },
  { "IHL 4", tcp4, 44, 0, 0x44, FZ_DROP_BAD_HEADER },
  { "total length below the header", tcp4, 44, 3, 19, FZ_DROP_BAD_LENGTH },
  { "total length beyond the bytes", tcp4, 44, 3, 45, FZ_DROP_TRUNCATED },
  { "IHL beyond the packet", tcp4, 44, 0, 0x4f, FZ_DROP_BAD_LENGTH },
  { "TCP header cut", tcp4, 44, 3, 39, FZ_DROP_TRUNCATED },
  { "TCP data offset 4", tcp4, 44, 32, 0x40, FZ_DROP_BAD_HEADER },
  { "TCP data offset beyond the packet", tcp4, 44, 32, 0x70, FZ_DROP_BAD_HEADER },
  { "TCP data offset at the end", tcp4, 44, 32, 0x60, FZ_DROP_NONE },
  { "ICMPv6 in IPv4", tcp4, 44, 9, 58, FZ_DROP_BAD_HEADER },
  { "ICMP in IPv4", tcp4, 44, 9, 1, FZ_DROP_NONE },
  { "SCTP is not looked at", tcp4, 44, 9, 132, FZ_DROP_NONE },
  { "UDP length wrong", tcp4, 44, 9, 17, FZ_DROP_BAD_LENGTH },
  { "IPv6 header cut", udp6, 39, UNCHANGED, 0, FZ_DROP_TRUNCATED },
  { "IPv6 payload beyond the bytes", udp6, 58, 5, 19, FZ_DROP_TRUNCATED },
  { "IPv6 extension cut", udp6, 58, 5, 7, FZ_DROP_TRUNCATED },
  { "IPv6 extension too long", udp6, 58, 41, 2, FZ_DROP_BAD_HEADER },
  { "IPv6 UDP length", udp6, 58, 53, 11, FZ_DROP_BAD_LENGTH },
  { "ICMP in IPv6", udp6, 58, 40, 1, FZ_DROP_BAD_HEADER },
  { "ICMPv6 in IPv6", udp6, 58, 40, 58, FZ_DROP_NONE },
  { "extension behind extension", udp6, 58, 40, 60, FZ_DROP_NONE },
};

static void
test_bad (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (bad_cases); i++) {
    const BadCase *c = &bad_cases[i];
    uint8_t bytes[64] = { 0 };
    FzIpPacket packet;

    memcpy (bytes, c->bytes, c->length);
    if (c->at != UNCHANGED)
      bytes[c->at] = c->value;
    g_test_message ("%s", c->why);
    g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, c->length), &packet), ==, c->expected);
  }
}

static void
test_fragments (void)
{
  static const struct {
    uint8_t high, low;
    bool is_fragment;
  } ipv4[] = {
    { 0x40, 0, false },                       /* DF */
    { 0x20, 0, true },                        /* more fragments */
    { 0x00, 1, true },                        /* offset */
    { 0x1f, 0xff, true }, { 0x80, 0, false }, /* reserved bit */
  };
  uint8_t bytes[64];
  FzIpPacket packet;

  for (size_t i = 0; i < G_N_ELEMENTS (ipv4); i++) {
    memcpy (bytes, tcp4, sizeof tcp4);
    bytes[6] = ipv4[i].high;
    bytes[7] = ipv4[i].low;
    g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 44), &packet), ==, FZ_DROP_NONE);
    g_assert_cmpint (packet.is_fragment, ==, ipv4[i].is_fragment);
  }

  /* the hop-by-hop header becomes a fragment header: 8 bytes too, its length byte is reserved */
  memcpy (bytes, udp6, sizeof udp6);
  bytes[6] = 44;
  memset (bytes + 41, 0, 7);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 58), &packet), ==, FZ_DROP_NONE);
  g_assert_false (packet.is_fragment); /* atomic */
  g_assert_cmpuint (packet.protocol, ==, FZ_IP_PROTOCOL_UDP);
  bytes[43] = 1; /* more fragments */
  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 58), &packet), ==, FZ_DROP_NONE);
  g_assert_true (packet.is_fragment);
  bytes[43] = 8;  /* offset */
  bytes[53] = 99; /* what would be UDP's length is payload */
  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 58), &packet), ==, FZ_DROP_NONE);
  g_assert_true (packet.is_fragment);
}

static void
test_icmp_kinds (void)
{
  static const struct {
    uint8_t protocol, type;
    bool is_error, is_echo;
  } kinds[] = {
    { 1, 0, false, true },     { 1, 8, false, true },    { 1, 3, true, false },
    { 1, 11, true, false },    { 1, 12, false, false },  { 1, 13, false, false },
    { 58, 128, false, true },  { 58, 129, false, true }, { 58, 1, true, false },
    { 58, 2, true, false },    { 58, 3, true, false },   { 58, 4, false, false },
    { 58, 135, false, false }, { 6, 3, false, false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++) {
    bool is_v6 = kinds[i].protocol == 58;
    uint8_t bytes[64] = { 0 };
    uint8_t *icmp = bytes + (is_v6 ? 40 : 20);
    size_t length = is_v6 ? 60 : 44;
    uint16_t identifier = 0;
    FzIpPacket packet;

    if (is_v6) {
      bytes[0] = 0x60;
      bytes[5] = 20;
      bytes[6] = 58;
    } else {
      memcpy (bytes, tcp4, 44);
      bytes[9] = kinds[i].protocol;
    }
    icmp[0] = kinds[i].type;
    icmp[4] = 0xab;
    icmp[5] = 0xcd;
    g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, length), &packet), ==, FZ_DROP_NONE);
    g_assert_cmpint (fz_ip_packet_is_icmp_error (&packet), ==, kinds[i].is_error);
    g_assert_cmpint (fz_ip_packet_is_icmp_echo (&packet, &identifier), ==, kinds[i].is_echo);
    g_assert_cmphex (identifier, ==, kinds[i].is_echo ? 0xabcd : 0);
  }
}

static void
test_control (void)
{
  uint8_t bytes[64];
  FzIpPacket packet;

  g_assert_cmpint (fz_ip_packet_parse (fz_span (goodbye, 48), &packet), ==, FZ_DROP_NONE);
  g_assert_true (fz_ip_packet_is_control (&packet));
  g_assert_false (fz_ip_packet_is_path_probe (&packet));

  memcpy (bytes, goodbye, 48);
  bytes[39] = 1; /* an address */
  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 48), &packet), ==, FZ_DROP_NONE);
  g_assert_false (fz_ip_packet_is_control (&packet));

  g_assert_cmpint (fz_ip_packet_parse (fz_span (probe, 48), &packet), ==, FZ_DROP_NONE);
  g_assert_true (fz_ip_packet_is_path_probe (&packet));
  g_assert_false (fz_ip_packet_is_control (&packet));
  g_assert_true (fz_checksum_is_good (&packet));
}

/* connectivity.md §9.3, every cell */
static void
test_ecn (void)
{
  for (uint8_t inner = 0; inner < 4; inner++) {
    for (uint8_t outer = 0; outer < 4; outer++) {
      bool becomes_ce = outer == FZ_ECN_CE && inner != FZ_ECN_NOT_ECT;
      uint8_t expected = becomes_ce ? FZ_ECN_CE : inner;
      uint8_t bytes[64];
      FzIpPacket packet;

      memcpy (bytes, tcp4, sizeof tcp4);
      bytes[1] = 0xa0 | inner; /* DSCP stays */
      fz_checksum_write_ipv4_header (bytes, 20);
      fz_ip_merge_ecn (bytes, outer);
      g_assert_cmphex (bytes[1], ==, 0xa0 | expected);
      g_assert_cmphex (fz_checksum_sum (bytes, 20), ==, 0xffff);

      memcpy (bytes, udp6, sizeof udp6);
      bytes[0] = 0x6a;
      bytes[1] = (uint8_t) (0x0f | inner << 4);
      fz_ip_merge_ecn (bytes, outer);
      g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, 58), &packet), ==, FZ_DROP_NONE);
      g_assert_cmphex (fz_ip_packet_get_traffic_class (&packet), ==, 0xa0 | expected);
      g_assert_cmphex (bytes[1] & 0xf, ==, 0xf);
    }
  }
}

/* Arbitrary bytes: every accessor stays inside what the parser accepted (the sanitizers watch). */
static void
test_garbage (void)
{
  FzSeededRng seeded;
  FzRng rng;
  size_t n_accepted = 0;

  fz_seeded_rng_init (&seeded, 42);
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < 200000; i++) {
    size_t length = fz_rng_below (&rng, 100);
    g_autofree uint8_t *bytes = g_malloc (length + 1);
    FzIpPacket packet;
    uint16_t identifier;

    fz_rng_fill (&rng, bytes, length);
    if (length > 6) {
      bytes[0] = (i & 1) != 0 ? 0x45 : 0x60;
      if ((i & 2) != 0) { /* make acceptance likely */
        fz_put_u16be (bytes + ((i & 1) != 0 ? 2 : 4),
                      (uint16_t) (length - ((i & 1) != 0 ? 0 : 40)));
        bytes[6] = (uint8_t) (fz_rng_below (&rng, 2) * 60);
      }
    }
    if (fz_ip_packet_parse (fz_span (bytes, length), &packet) != FZ_DROP_NONE)
      continue;
    n_accepted++;
    g_assert_cmpuint (packet.length, <=, length);
    g_assert_cmpuint (packet.transport_offset, <=, packet.length);
    (void) fz_ip_packet_is_icmp_error (&packet);
    (void) fz_ip_packet_is_icmp_echo (&packet, &identifier);
    (void) fz_ip_packet_is_control (&packet);
    (void) fz_ip_packet_is_path_probe (&packet);
    if (!packet.is_fragment)
      (void) fz_checksum_is_good (&packet);
    fz_ip_merge_ecn (bytes, 3);
  }
  g_assert_cmpuint (n_accepted, >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ip/view", test_view);
  g_test_add_func ("/ip/bad", test_bad);
  g_test_add_func ("/ip/fragments", test_fragments);
  g_test_add_func ("/ip/icmp-kinds", test_icmp_kinds);
  g_test_add_func ("/ip/control-and-probe", test_control);
  g_test_add_func ("/ip/ecn", test_ecn);
  g_test_add_func ("/ip/garbage", test_garbage);
  return g_test_run ();
}
