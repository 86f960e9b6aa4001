/* test-segment.c: fz-segment.h, every rule of dataplane.md §10 */

#include "packets.h"
#include "src/dataplane/fz-segment.h"
#include "src/proto/fz-checksum.h"

#include <glib.h>

#define MTU 1280

static uint8_t super[TEST_PACKET_MAX], out[TEST_PACKET_MAX];

/* What the kernel would have sent without offload, field by field. */
static void
assert_segments (const TestPacket *whole, uint16_t gso_size)
{
  bool is_tcp = whole->protocol == 0;
  size_t n_expected = (whole->payload + gso_size - 1) / gso_size;
  FzSegmenter segmenter;
  FzVnetHeader vnet;
  size_t length = test_packet_build_super (whole, gso_size, super, &vnet);

  g_assert_cmpint (fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_NONE);
  g_assert_cmpuint (segmenter.n_segments, ==, MAX (n_expected, 1));
  for (uint32_t i = 0; i < segmenter.n_segments; i++) {
    TestPacket one = *whole;
    g_autofree uint8_t *expected = g_malloc (TEST_PACKET_MAX);
    size_t at = (size_t) i * gso_size, expected_length;
    bool is_last = i + 1 == segmenter.n_segments;
    FzIpPacket view;

    one.payload = MIN (gso_size, whole->payload - at);
    if (!whole->is_v6)
      one.id = (uint16_t) (whole->id + i);
    if (is_tcp) {
      one.sequence = whole->sequence + (uint32_t) at;
      one.tcp_flags = whole->tcp_flags != 0 ? whole->tcp_flags : 0x10;
      if (!is_last)
        one.tcp_flags &= (uint8_t) ~0x09; /* PSH, FIN */
      if (i > 0)
        one.tcp_flags &= (uint8_t) ~0x80; /* CWR */
    }
    one.no_checksum = true;
    expected_length = test_packet_build (&one, expected);
    g_assert_cmpuint (fz_segmenter_get_length (&segmenter, i), ==, expected_length);

    memset (out, 0xee, expected_length + 8);
    fz_segmenter_write (&segmenter, i, out);
    g_assert_cmphex (out[expected_length], ==, 0xee);
    view = test_parse (out, expected_length);
    g_assert_true (fz_checksum_is_good (&view));
    if (!whole->is_v6)
      g_assert_cmphex (fz_checksum_sum (out, view.transport_offset), ==, 0xffff);

    /* payload from the right place, and every header byte but the checksum */
    for (size_t j = 0; j < one.payload; j++)
      expected[expected_length - one.payload + j] = test_payload_byte (whole->payload_seed, at + j);
    memcpy (expected + view.transport_offset + (is_tcp ? 16 : 6),
            out + view.transport_offset + (is_tcp ? 16 : 6),
            2);
    g_assert_cmpmem (out, expected_length, expected, expected_length);
  }
}

static void
test_tcp4 (void)
{
  TestPacket packet = { .source = 1,
                        .destination = 2,
                        .source_port = 1000,
                        .destination_port = 80,
                        .sequence = 0xfffff000, /* wraps */
                        .acknowledgement = 7,
                        .window = 512,
                        .id = 0xfffe, /* wraps */
                        .payload = 65000 };

  assert_segments (&packet, 1240);
  packet.traffic_class = 0xb9; /* DSCP and ECT(1) go along */
  assert_segments (&packet, 1240);
  packet.tcp_options = 12;
  assert_segments (&packet, 1228);
  packet.tcp_options = 40;
  assert_segments (&packet, 1200);
  packet.ip_options = true;
  assert_segments (&packet, 1196);
}

static void
test_flags (void)
{
  static const uint8_t flags[] = { 0x10, 0x18, 0x11, 0x19, 0x90, 0xd8, 0x99 };

  for (size_t i = 0; i < G_N_ELEMENTS (flags); i++) {
    TestPacket packet = { .tcp_flags = flags[i], .payload = 5000, .sequence = 1 };

    assert_segments (&packet, 1000);
    packet.payload = 5001;
    assert_segments (&packet, 1000);
    packet.payload = 900; /* one segment is first and last */
    assert_segments (&packet, 1000);
  }
}

static void
test_tcp6 (void)
{
  TestPacket packet = { .is_v6 = true,
                        .source = 1,
                        .destination = 2,
                        .sequence = 99,
                        .tcp_flags = 0x18,
                        .payload = 60001,
                        .traffic_class = 2 };

  assert_segments (&packet, 1220);
  packet.tcp_options = 12;
  assert_segments (&packet, 1207); /* odd */
  packet.ip_options = true;
  assert_segments (&packet, 1199);
}

static void
test_udp (void)
{
  TestPacket packet = { .protocol = 17,
                        .source = 3,
                        .destination = 4,
                        .source_port = 5,
                        .destination_port = 6,
                        .payload = 64000 };

  for (int is_v6 = 0; is_v6 < 2; is_v6++) {
    packet.is_v6 = is_v6;
    packet.payload = 60000;
    assert_segments (&packet, 1200);
    packet.payload = 1999;
    assert_segments (&packet, 1);
    assert_segments (&packet, 33);
  }
}

static void
test_lengths (void)
{
  for (size_t payload = 1; payload < 200; payload++) {
    TestPacket packet = { .payload = payload,
                          .is_v6 = payload % 2,
                          .sequence = (uint32_t) payload };

    assert_segments (&packet, 48);
  }
  assert_segments (&(TestPacket){ .payload = 0 }, 100);
  assert_segments (&(TestPacket){ .payload = 65535 - 40 }, 36); /* the most that TCP makes */
}

/* A UDP checksum that comes out as zero is written as all ones. */
static void
test_udp_zero (void)
{
  TestPacket packet = { .protocol = 17, .source_port = 1, .destination_port = 2, .payload = 4 };
  bool was_seen = false;

  for (uint32_t port = 0; port < 0x10000 && !was_seen; port++) {
    FzSegmenter segmenter;
    FzVnetHeader vnet;
    size_t length;

    packet.source_port = (uint16_t) port;
    length = test_packet_build_super (&packet, 2, super, &vnet);
    g_assert_cmpint (fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_NONE);
    fz_segmenter_write (&segmenter, 1, out);
    g_assert_cmphex (fz_get_u16be (out + 26), !=, 0);
    was_seen = fz_get_u16be (out + 26) == 0xffff;
  }
  g_assert_true (was_seen);
}

static void
test_single (void)
{
  static const TestPacket packets[] = {
    { .payload = 100 },
    { .payload = 1240 },
    { .payload = 0 },
    { .payload = 333, .is_v6 = true, .tcp_options = 12 },
    { .payload = 1, .protocol = 17 },
    { .payload = 1232, .protocol = 17, .is_v6 = true },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (packets); i++) {
    g_autofree uint8_t *plain = g_malloc (TEST_PACKET_MAX);
    size_t length = test_packet_build (&packets[i], plain);
    FzVnetHeader vnet = { 0 };
    FzSegmenter segmenter;

    g_assert_cmpint (fz_segmenter_init (&segmenter, &vnet, plain, length, MTU), ==, FZ_DROP_NONE);
    g_assert_cmpuint (segmenter.n_segments, ==, 1);
    g_assert_cmpuint (fz_segmenter_get_length (&segmenter, 0), ==, length);
    fz_segmenter_write (&segmenter, 0, out);
    g_assert_cmpmem (out, length, plain, length);

    test_packet_build_super (&packets[i], 0, super, &vnet); /* the checksum is left to us */
    g_assert_cmpint (fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_NONE);
    fz_segmenter_write (&segmenter, 0, out);
    g_assert_cmpmem (out, length, plain, length);
  }
}

typedef struct {
  const char *why;
  TestPacket packet;
  FzVnetHeader vnet; /* fields that are not zero replace the right ones */
  uint8_t clear_flags;
  int delta; /* to the length that is passed */
  FzDrop expected;
} BadCase;

static const BadCase bad_cases[] = {
  { "as it should be", { .payload = 3000 }, { 0 }, 0, 0, FZ_DROP_NONE },
  { "no NEEDS_CSUM", { .payload = 3000 }, { 0 }, 1, 0, FZ_DROP_BAD_HEADER },
  { "unknown kind (UFO)", { .payload = 3000 }, { .gso_type = 3 }, 0, 0, FZ_DROP_BAD_HEADER },
  { "IPv6 kind on IPv4", { .payload = 3000 }, { .gso_type = 4 }, 0, 0, FZ_DROP_BAD_HEADER },
  { "IPv4 kind on IPv6",
    { .payload = 3000, .is_v6 = true },
    { .gso_type = 1 },
    0,
    0,
    FZ_DROP_BAD_HEADER },
  { "UDP kind on TCP", { .payload = 3000 }, { .gso_type = 5 }, 0, 0, FZ_DROP_BAD_HEADER },
  { "TCP kind on UDP",
    { .payload = 3000, .protocol = 17 },
    { .gso_type = 1 },
    0,
    0,
    FZ_DROP_BAD_HEADER },
  { "ECN flag is a flag", { .payload = 3000 }, { .gso_type = 0x81 }, 0, 0, FZ_DROP_NONE },
  { "csum_start before the transport",
    { .payload = 3000 },
    { .csum_start = 19 },
    0,
    0,
    FZ_DROP_BAD_HEADER },
  { "csum_start behind it", { .payload = 3000 }, { .csum_start = 24 }, 0, 0, FZ_DROP_BAD_HEADER },
  { "csum_offset elsewhere", { .payload = 3000 }, { .csum_offset = 6 }, 0, 0, FZ_DROP_BAD_HEADER },
  { "segments above the MTU", { .payload = 3000 }, { .gso_size = 1241 }, 0, 0, FZ_DROP_TOO_LARGE },
  { "segments of the MTU", { .payload = 3000 }, { .gso_size = 1240 }, 0, 0, FZ_DROP_NONE },
  { "too many segments",
    { .payload = 2049, .protocol = 17 },
    { .gso_size = 1 },
    0,
    0,
    FZ_DROP_BAD_HEADER },
  { "the most segments",
    { .payload = 2048, .protocol = 17 },
    { .gso_size = 1 },
    0,
    0,
    FZ_DROP_NONE },
  { "cut short", { .payload = 3000 }, { 0 }, 0, -1, FZ_DROP_TRUNCATED },
  { "bytes behind", { .payload = 3000 }, { 0 }, 0, 1, FZ_DROP_BAD_LENGTH },
  { "a fragment", { .payload = 3000, .fragment = 0x2000 }, { 0 }, 0, 0, FZ_DROP_BAD_HEADER },
};

static void
test_bad_super (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (bad_cases); i++) {
    const BadCase *c = &bad_cases[i];
    FzSegmenter segmenter;
    FzVnetHeader vnet;
    size_t length = test_packet_build_super (&c->packet, 1000, super, &vnet);

    vnet.flags &= (uint8_t) ~c->clear_flags;
    if (c->vnet.gso_type != 0)
      vnet.gso_type = c->vnet.gso_type;
    if (c->vnet.csum_start != 0)
      vnet.csum_start = c->vnet.csum_start;
    if (c->vnet.csum_offset != 0)
      vnet.csum_offset = c->vnet.csum_offset;
    if (c->vnet.gso_size != 0)
      vnet.gso_size = c->vnet.gso_size;
    g_test_message ("%s", c->why);
    g_assert_cmpint (
        fz_segmenter_init (&segmenter, &vnet, super, length + (size_t) (ssize_t) c->delta, MTU),
        ==,
        c->expected);
  }
}

static void
test_bad_more (void)
{
  FzSegmenter segmenter;
  FzVnetHeader vnet;
  size_t length = test_packet_build_super (&(TestPacket){ .payload = 3000 }, 1000, super, &vnet);

  vnet.gso_size = 0;
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_BAD_HEADER);
  vnet.gso_size = 1000;
  super[32] = 0x40; /* TCP data offset 4 */
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_BAD_HEADER);
  super[0] = 0x55;
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_BAD_VERSION);

  /* a single packet above the MTU, and one whose checksum would be out of bounds */
  length = test_packet_build_super (&(TestPacket){ .payload = 1241 }, 0, super, &vnet);
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_TOO_LARGE);
  length = test_packet_build_super (&(TestPacket){ .payload = 0 }, 0, super, &vnet);
  vnet.csum_offset = 19;
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_BAD_HEADER);
  vnet.csum_offset = 18;
  g_assert_cmpint (fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_NONE);
  vnet.csum_start = 19;
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_BAD_HEADER);
  vnet.csum_start = 0xffff;
  vnet.csum_offset = 0xffff;
  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &vnet, super, length, MTU), ==, FZ_DROP_BAD_HEADER);
}

/* Arbitrary headers in front of arbitrary packets: the sanitizers watch. */
static void
test_garbage (void)
{
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 3);
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < 20000; i++) {
    TestPacket packet = { .payload = fz_rng_below (&rng, 4000),
                          .is_v6 = fz_rng_below (&rng, 2),
                          .protocol = fz_rng_below (&rng, 2) ? 17 : 0 };
    uint16_t gso_size = (uint16_t) fz_rng_below (&rng, 1500);
    FzSegmenter segmenter;
    FzVnetHeader vnet;
    size_t length = test_packet_build_super (&packet, gso_size, super, &vnet);
    g_autofree uint8_t *exact = NULL;

    if (fz_rng_below (&rng, 2) != 0)
      fz_rng_fill (&rng, (uint8_t *) &vnet + fz_rng_below (&rng, 9), 2);
    for (size_t n = fz_rng_below (&rng, 3); n > 0; n--)
      super[fz_rng_below (&rng, MIN (length, 80))] = (uint8_t) fz_rng_u32 (&rng);
    exact = g_memdup2 (super, length);
    if (fz_segmenter_init (&segmenter, &vnet, exact, length, MTU) != FZ_DROP_NONE)
      continue;
    for (uint32_t j = 0; j < segmenter.n_segments; j++) {
      g_autofree uint8_t *one = g_malloc (fz_segmenter_get_length (&segmenter, j));

      g_assert_cmpuint (fz_segmenter_get_length (&segmenter, j), <=, MTU);
      fz_segmenter_write (&segmenter, j, one);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/segment/tcp4", test_tcp4);
  g_test_add_func ("/segment/tcp6", test_tcp6);
  g_test_add_func ("/segment/udp", test_udp);
  g_test_add_func ("/segment/flags", test_flags);
  g_test_add_func ("/segment/lengths", test_lengths);
  g_test_add_func ("/segment/udp-zero-checksum", test_udp_zero);
  g_test_add_func ("/segment/single", test_single);
  g_test_add_func ("/segment/bad-super-packets", test_bad_super);
  g_test_add_func ("/segment/bad-packets", test_bad_more);
  g_test_add_func ("/segment/garbage", test_garbage);
  return g_test_run ();
}
