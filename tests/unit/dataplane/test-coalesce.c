/* test-coalesce.c: fz-coalesce.h, every rule of dataplane.md §9 */

#include "packets.h"
#include "src/dataplane/fz-coalesce.h"
#include "src/dataplane/fz-segment.h"
#include "src/proto/fz-checksum.h"

#include <glib.h>

static const FzLaneLimits all = { 64, true, true, true, 64 };

/* Packets of a turn, each in memory of its own. */
typedef struct {
  GPtrArray *memory;
  FzCoalescer *coalescer;
  const FzRun *runs;
  size_t n_runs;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->memory = g_ptr_array_new_with_free_func (g_free);
  f->coalescer = fz_coalescer_new ();
  fz_coalescer_begin (f->coalescer, &all);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  fz_coalescer_free (f->coalescer);
  g_ptr_array_unref (f->memory);
}

static bool
feed_bytes (Fixture *f, const uint8_t *bytes, size_t length, const void *owner)
{
  uint8_t *copy = g_memdup2 (bytes, length);
  FzArrival candidate = { .packet = test_parse (copy, length) };

  fz_coalescer_examine (f->coalescer, &candidate, owner);
  g_ptr_array_add (f->memory, copy);
  if (fz_coalescer_join (f->coalescer, &candidate))
    return true;
  g_assert_true (fz_coalescer_start (f->coalescer, &candidate));
  return false;
}

/* True if it joined a run. */
static bool
feed (Fixture *f, const TestPacket *spec)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  size_t length = test_packet_build (spec, bytes);

  return feed_bytes (f, bytes, length, NULL);
}

static void
finish (Fixture *f)
{
  f->n_runs = fz_coalescer_finish (f->coalescer, &f->runs);
}

static const TestPacket tcp = { .source = 1,
                                .destination = 2,
                                .source_port = 40000,
                                .destination_port = 443,
                                .sequence = 1000,
                                .acknowledgement = 5,
                                .window = 500,
                                .tcp_options = 12,
                                .id = 7,
                                .payload = 1000 };
static const TestPacket udp = { .protocol = 17,
                                .source = 1,
                                .destination = 2,
                                .source_port = 40000,
                                .destination_port = 53,
                                .id = 7,
                                .payload = 1000 };

/* The packet that follows @first after @n full ones. */
static TestPacket
next_of (const TestPacket *first, unsigned n)
{
  TestPacket next = *first;

  next.sequence += (uint32_t) (n * first->payload);
  if (!first->is_v6)
    next.id = (uint16_t) (next.id + n);
  return next;
}

static void
test_joins_tcp (Fixture *f, gconstpointer data)
{
  for (int is_v6 = 0; is_v6 < 2; is_v6++) {
    TestPacket first = tcp;
    FzIpPacket view;
    uint8_t *whole;

    first.is_v6 = is_v6;
    fz_coalescer_begin (f->coalescer, &all);
    g_assert_false (feed (f, &first));
    for (unsigned i = 1; i < 5; i++) {
      TestPacket next = next_of (&first, i);

      if (i == 4) {
        next.payload = 999;
        next.tcp_flags = 0x18;
      }
      g_assert_true (feed (f, &next));
    }
    finish (f);
    g_assert_cmpuint (f->n_runs, ==, 1);
    g_assert_cmpuint (f->runs[0].n_packets, ==, 5);
    g_assert_cmpuint (f->runs[0].n_iov, ==, 6);
    g_assert_cmpuint (f->runs[0].iov[0].iov_len, ==, FZ_VNET_HEADER_SIZE);
    g_assert_true (f->runs[0].iov[0].iov_base == &f->runs[0].vnet);
    g_assert_cmpuint (f->runs[0].vnet.flags, ==, FZ_VNET_F_NEEDS_CSUM);
    g_assert_cmpuint (f->runs[0].vnet.gso_type, ==, is_v6 ? FZ_VNET_GSO_TCPV6 : FZ_VNET_GSO_TCPV4);
    g_assert_cmpuint (f->runs[0].vnet.gso_size, ==, 1000);
    g_assert_cmpuint (f->runs[0].vnet.header_length, ==, is_v6 ? 72 : 52);
    g_assert_cmpuint (f->runs[0].vnet.csum_start, ==, is_v6 ? 40 : 20);
    g_assert_cmpuint (f->runs[0].vnet.csum_offset, ==, 16);
    g_assert_cmpuint (f->runs[0].length, ==, (is_v6 ? 72 : 52) + 4999);

    whole = f->runs[0].iov[1].iov_base;
    g_assert_cmpint (whole[(is_v6 ? 40 : 20) + 13], ==, 0x18); /* PSH of the last */
    if (is_v6) {
      g_assert_cmpuint (fz_get_u16be (whole + 4), ==, 32 + 4999);
    } else {
      g_assert_cmpuint (fz_get_u16be (whole + 2), ==, 52 + 4999);
      g_assert_cmphex (fz_checksum_sum (whole, 20), ==, 0xffff);
    }
    /* the checksum field is the pseudo header's sum, not inverted */
    view = (FzIpPacket){ .data = whole, .family = is_v6 ? FZ_IP_V6 : FZ_IP_V4 };
    g_assert_cmphex (fz_get_u16be (whole + (is_v6 ? 56 : 36)),
                     ==,
                     fz_checksum_fold (fz_checksum_pseudo (&view, 6, 32 + 4999)));
  }
}

static void
test_joins_udp (Fixture *f, gconstpointer data)
{
  TestPacket next;

  g_assert_false (feed (f, &udp));
  next = next_of (&udp, 1);
  g_assert_true (feed (f, &next));
  next = next_of (&udp, 2);
  next.payload = 10; /* shorter: the last */
  g_assert_true (feed (f, &next));
  next = next_of (&udp, 3);
  g_assert_false (feed (f, &next));
  finish (f);
  g_assert_cmpuint (f->n_runs, ==, 2);
  g_assert_cmpuint (f->runs[0].n_packets, ==, 3);
  g_assert_cmpuint (f->runs[0].vnet.gso_type, ==, FZ_VNET_GSO_UDP);
  g_assert_cmpuint (f->runs[0].vnet.csum_offset, ==, 6);
  g_assert_cmpuint (f->runs[0].vnet.header_length, ==, 28);
  g_assert_cmpuint (fz_get_u16be ((uint8_t *) f->runs[0].iov[1].iov_base + 24), ==, 8 + 2010);
  g_assert_cmpuint (f->runs[1].n_packets, ==, 1);
  g_assert_cmpuint (f->runs[1].vnet.flags, ==, 0);
  g_assert_cmpuint (f->runs[1].vnet.gso_type, ==, 0);
}

typedef struct {
  const char *why;
  bool is_udp;
  void (*change) (TestPacket *next);
  bool joins;
} Rule;

#define CHANGE(name, statement)                                                                    \
  static void change_##name (TestPacket *p)                                                        \
  {                                                                                                \
    statement;                                                                                     \
  }

CHANGE (nothing, (void) p)
CHANGE (source, p->source = 9)
CHANGE (destination, p->destination = 9)
CHANGE (source_port, p->source_port++)
CHANGE (destination_port, p->destination_port++)
CHANGE (ecn, p->traffic_class = 3)
CHANGE (dscp, p->traffic_class = 0x20)
CHANGE (ttl, p->ttl = 63)
CHANGE (df, p->no_df = true)
CHANGE (reserved_bit, p->fragment = 0xc000)
CHANGE (fragment, p->fragment = 0x2000)
CHANGE (ip_options, p->ip_options = true)
CHANGE (id_with_df, p->id = 9999)
CHANGE (sequence, p->sequence++)
CHANGE (old_sequence, p->sequence -= 1000)
CHANGE (acknowledgement, p->acknowledgement++)
CHANGE (window, p->window++)
CHANGE (options, p->option_seed++)
CHANGE (more_options, p->tcp_options += 4)
CHANGE (longer, p->payload++)
CHANGE (shorter, p->payload--)
CHANGE (empty, p->payload = 0)
CHANGE (push, p->tcp_flags = 0x18)
CHANGE (fin, p->tcp_flags = 0x11)
CHANGE (syn, p->tcp_flags = 0x12)
CHANGE (rst, p->tcp_flags = 0x14)
CHANGE (urg, p->tcp_flags = 0x30)
CHANGE (ece, p->tcp_flags = 0x50)
CHANGE (cwr, p->tcp_flags = 0x90)
CHANGE (no_ack, p->tcp_flags = 0x08)
CHANGE (no_checksum, p->no_checksum = true)

static const Rule rules[] = {
  { "nothing differs", false, change_nothing, true },
  { "another source", false, change_source, false },
  { "another destination", false, change_destination, false },
  { "another source port", false, change_source_port, false },
  { "another destination port", false, change_destination_port, false },
  { "another ECN", false, change_ecn, false },
  { "another DSCP", false, change_dscp, false },
  { "another TTL", false, change_ttl, false },
  { "another DF", false, change_df, false },
  { "the reserved bit", false, change_reserved_bit, false },
  { "a fragment", false, change_fragment, false },
  { "IP options", false, change_ip_options, false },
  { "any ID with DF", false, change_id_with_df, true },
  { "a gap", false, change_sequence, false },
  { "a repeat", false, change_old_sequence, false },
  { "another acknowledgement", false, change_acknowledgement, false },
  { "another window", false, change_window, false },
  { "other option bytes", false, change_options, false },
  { "more options", false, change_more_options, false },
  { "longer than the first", false, change_longer, false },
  { "shorter than the first", false, change_shorter, true },
  { "a pure ACK", false, change_empty, false },
  { "PSH", false, change_push, true },
  { "FIN", false, change_fin, false },
  { "SYN", false, change_syn, false },
  { "RST", false, change_rst, false },
  { "URG", false, change_urg, false },
  { "ECE", false, change_ece, false },
  { "CWR", false, change_cwr, false },
  { "no ACK", false, change_no_ack, false },
  { "no checksum", false, change_no_checksum, false },
  { "UDP: nothing differs", true, change_nothing, true },
  { "UDP: another source", true, change_source, false },
  { "UDP: another port", true, change_source_port, false },
  { "UDP: another ECN", true, change_ecn, false },
  { "UDP: another TTL", true, change_ttl, false },
  { "UDP: a fragment", true, change_fragment, false },
  { "UDP: IP options", true, change_ip_options, false },
  { "UDP: longer", true, change_longer, false },
  { "UDP: shorter", true, change_shorter, true },
  { "UDP: empty", true, change_empty, false },
  { "UDP: no checksum", true, change_no_checksum, false },
};

static void
test_rules (Fixture *f, gconstpointer data)
{
  for (size_t i = 0; i < 2 * G_N_ELEMENTS (rules); i++) {
    const Rule *rule = &rules[i / 2];
    TestPacket first = rule->is_udp ? udp : tcp;
    bool is_v6 = i % 2;
    TestPacket next;

    if (is_v6 && (rule->change == change_df || rule->change == change_reserved_bit ||
                  rule->change == change_fragment))
      continue; /* IPv4 only */
    first.is_v6 = is_v6;
    next = next_of (&first, 1);
    rule->change (&next);
    g_test_message ("%s, IPv%d", rule->why, is_v6 ? 6 : 4);
    fz_coalescer_begin (f->coalescer, &all);
    g_assert_false (feed (f, &first));
    g_assert_cmpint (feed (f, &next), ==, rule->joins);
    finish (f);
    g_assert_cmpuint (f->n_runs, ==, rule->joins ? 1 : 2);
    if (!rule->joins) { /* in order, and each as it was */
      g_assert_cmpuint (f->runs[0].n_packets, ==, 1);
      g_assert_cmpuint (f->runs[1].n_packets, ==, 1);
    }
  }
}

/* What may not join may not start a run either. */
static void
test_starters (Fixture *f, gconstpointer data)
{
  static const struct {
    const char *why;
    void (*change) (TestPacket *);
  } cases[] = {
    { "IP options", change_ip_options },
    { "PSH", change_push },
    { "FIN", change_fin },
    { "SYN", change_syn },
    { "URG", change_urg },
    { "ECE", change_ece },
    { "empty", change_empty },
    { "bad", change_no_checksum },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    TestPacket first = tcp, next;

    cases[i].change (&first);
    next = next_of (&first, 1);
    next.payload = tcp.payload;
    next.tcp_flags = 0x10;
    next.no_checksum = false;
    g_test_message ("%s", cases[i].why);
    fz_coalescer_begin (f->coalescer, &all);
    g_assert_false (feed (f, &first));
    g_assert_false (feed (f, &next));
  }
}

static void
test_id_without_df (Fixture *f, gconstpointer data)
{
  TestPacket first = tcp, next;

  first.no_df = true;
  first.id = 0xffff;
  g_assert_false (feed (f, &first));
  next = next_of (&first, 1); /* 0 */
  g_assert_true (feed (f, &next));
  next = next_of (&first, 2);
  next.id++;
  g_assert_false (feed (f, &next));
}

static void
test_flow_label_may_differ (Fixture *f, gconstpointer data)
{
  TestPacket first = tcp, next;

  first.is_v6 = true;
  next = next_of (&first, 1);
  next.id = 0x1234; /* the builder's flow label */
  g_assert_false (feed (f, &first));
  g_assert_true (feed (f, &next));
}

/* A wrong checksum is not repaired: the packet goes alone, byte for byte, its flow in order. */
static void
test_corruption_survives (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];

  for (unsigned bad = 0; bad < 3; bad++) {
    g_autofree uint8_t *bad_bytes = NULL;
    size_t bad_length = 0;

    fz_coalescer_begin (f->coalescer, &all);
    for (unsigned i = 0; i < 3; i++) {
      TestPacket packet = next_of (&tcp, i);
      size_t length = test_packet_build (&packet, bytes);

      if (i == bad) {
        bytes[length - 1] ^= 1;
        bad_bytes = g_memdup2 (bytes, length);
        bad_length = length;
      }
      feed_bytes (f, bytes, length, NULL);
    }
    finish (f);
    for (size_t i = 0, at = 0; i < f->n_runs; at += f->runs[i++].n_packets) {
      const FzRun *run = &f->runs[i];

      g_assert_true (run->n_packets == 1 || at > bad || at + run->n_packets <= bad);
      if (at == bad) {
        g_assert_cmpuint (run->n_packets, ==, 1);
        g_assert_cmpuint (run->vnet.flags, ==, 0);
        g_assert_cmpmem (run->iov[1].iov_base, run->iov[1].iov_len, bad_bytes, bad_length);
      }
    }
    g_assert_cmpuint (f->n_runs, ==, bad == 1 ? 3 : 2);
  }
}

static void
test_limits (Fixture *f, gconstpointer data)
{
  FzLaneLimits limits = { 64, true, true, true, 3 };
  TestPacket small = tcp;

  small.payload = 10;
  for (unsigned i = 0; i < 130; i++) {
    TestPacket next = next_of (&small, i);

    feed (f, &next);
  }
  finish (f);
  g_assert_cmpuint (f->n_runs, ==, 3);
  g_assert_cmpuint (f->runs[0].n_packets, ==, 64);
  g_assert_cmpuint (f->runs[1].n_packets, ==, 64);
  g_assert_cmpuint (f->runs[2].n_packets, ==, 2);

  /* bytes: 53 packets of 1228 and their header are 65136, one more would be too long */
  fz_coalescer_begin (f->coalescer, &all);
  small.payload = 1228;
  for (unsigned i = 0; i < 54; i++) {
    TestPacket next = next_of (&small, i);

    feed (f, &next);
  }
  finish (f);
  g_assert_cmpuint (f->n_runs, ==, 2);
  g_assert_cmpuint (f->runs[0].n_packets, ==, 53);

  fz_coalescer_begin (f->coalescer, &limits);
  for (unsigned i = 0; i < 4; i++) {
    TestPacket next = next_of (&udp, i);

    feed (f, &next);
  }
  finish (f);
  g_assert_cmpuint (f->n_runs, ==, 2);
  g_assert_cmpuint (f->runs[0].n_packets, ==, 3);
}

/* Each kind can be switched off by itself. */
static void
test_ladder (Fixture *f, gconstpointer data)
{
  for (int off = 0; off < 3; off++) {
    FzLaneLimits limits = { 64, off != 0, off != 1, off != 2, 64 };

    for (int kind = 0; kind < 3; kind++) {
      TestPacket first = kind == 2 ? udp : tcp, next;

      first.is_v6 = kind == 1;
      next = next_of (&first, 1);
      fz_coalescer_begin (f->coalescer, &limits);
      g_assert_false (feed (f, &first));
      g_assert_cmpint (feed (f, &next), ==, kind != off);
    }
  }
}

static void
test_interleaved (Fixture *f, gconstpointer data)
{
  for (unsigned n_flows = 2; n_flows <= 9; n_flows++) {
    fz_coalescer_begin (f->coalescer, &all);
    for (unsigned i = 0; i < 4; i++) {
      for (unsigned flow = 0; flow < n_flows; flow++) {
        TestPacket packet = next_of (&tcp, i);

        packet.source_port = (uint16_t) (1 + flow);
        feed (f, &packet);
      }
    }
    finish (f);
    /* nine flows in turn: the oldest always gives way just before it is wanted */
    g_assert_cmpuint (f->n_runs, ==, n_flows <= FZ_RUNS_OPEN ? n_flows : 4 * n_flows);
  }
}

/* Two peers with the same five-tuple never share a run. */
static void
test_owners (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  int alice, mallory;
  TestPacket next = next_of (&tcp, 1);
  size_t length = test_packet_build (&tcp, bytes);

  g_assert_false (feed_bytes (f, bytes, length, &alice));
  length = test_packet_build (&next, bytes);
  g_assert_false (feed_bytes (f, bytes, length, &mallory));
  g_assert_true (feed_bytes (f, bytes, length, &alice));
}

static void
test_full (Fixture *f, gconstpointer data)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  TestPacket icmp = { .protocol = 1, .source_port = 8, .payload = 10 };
  size_t length = test_packet_build (&icmp, bytes);
  FzArrival candidate = { .packet = test_parse (bytes, length) };

  fz_coalescer_examine (f->coalescer, &candidate, NULL);
  for (unsigned i = 0; i < FZ_COALESCE_MAX; i++) {
    g_assert_false (fz_coalescer_join (f->coalescer, &candidate));
    g_assert_true (fz_coalescer_start (f->coalescer, &candidate));
  }
  g_assert_false (fz_coalescer_start (f->coalescer, &candidate));
  finish (f);
  g_assert_cmpuint (f->n_runs, ==, FZ_COALESCE_MAX);
}

/* -- property: cutting the runs of any sequence gives the sequence back, per flow in order -- */

typedef struct {
  TestPacket next;
} Flow;

static TestPacket
pick_packet (Flow *flow, FzRng *rng)
{
  static const uint16_t lengths[] = { 1, 7, 100, 999, 1000, 1001, 1200 };
  TestPacket packet = flow->next;

  if (fz_rng_below (rng, 4) == 0)
    packet.payload = lengths[fz_rng_below (rng, G_N_ELEMENTS (lengths))];
  if (packet.protocol == 0) {
    if (fz_rng_below (rng, 8) == 0)
      packet.tcp_flags = 0x18;
    if (fz_rng_below (rng, 40) == 0)
      packet.tcp_flags = 0x11;
    if (fz_rng_below (rng, 30) == 0)
      packet.payload = 0;
    if (fz_rng_below (rng, 20) == 0)
      flow->next.option_seed++; /* the timestamp moves on */
    packet.option_seed = flow->next.option_seed;
    flow->next.sequence += (uint32_t) packet.payload;
  }
  if (fz_rng_below (rng, 25) == 0)
    flow->next.traffic_class ^= 3;
  if (fz_rng_below (rng, 30) == 0)
    flow->next.sequence += 1000; /* a hole */
  if (!flow->next.is_v6)
    flow->next.id++;
  return packet;
}

static void
init_flow (Flow *flow, unsigned i, FzRng *rng)
{
  flow->next = (TestPacket){ .is_v6 = fz_rng_below (rng, 2),
                             .protocol = fz_rng_below (rng, 3) == 0 ? 17 : 0,
                             .source = (uint8_t) i,
                             .destination = 1,
                             .source_port = (uint16_t) (1000 + i),
                             .destination_port = 443,
                             .sequence = fz_rng_u32 (rng),
                             .tcp_options = (uint8_t) (4 * fz_rng_below (rng, 4)),
                             .traffic_class = (uint8_t) fz_rng_below (rng, 256),
                             .no_df = fz_rng_below (rng, 2),
                             .id = (uint16_t) fz_rng_u32 (rng),
                             .payload = 200 + fz_rng_below (rng, 1000) };
}

/* Flow of a packet of this test: the last byte of its source. */
static unsigned
flow_of (const uint8_t *packet)
{
  return packet[0] >> 4 == 4 ? packet[15] : packet[23];
}

static uint8_t *
gather (const FzRun *run)
{
  uint8_t *bytes = g_malloc (run->length);
  size_t at = 0;

  for (unsigned i = 1; i < run->n_iov; i++) {
    memcpy (bytes + at, run->iov[i].iov_base, run->iov[i].iov_len);
    at += run->iov[i].iov_len;
  }
  g_assert_cmpuint (at, ==, run->length);
  return bytes;
}

static void
check_run (const FzRun *run, GQueue *expected_of_flow)
{
  g_autofree uint8_t *bytes = gather (run);
  FzSegmenter segmenter;

  g_assert_cmpint (
      fz_segmenter_init (&segmenter, &run->vnet, bytes, run->length, 1400), ==, FZ_DROP_NONE);
  g_assert_cmpuint (segmenter.n_segments, ==, run->n_packets);
  for (uint32_t i = 0; i < segmenter.n_segments; i++) {
    uint32_t length = fz_segmenter_get_length (&segmenter, i);
    g_autofree uint8_t *one = g_malloc (length);
    g_autoptr (GBytes) expected = NULL;
    gsize expected_length;
    gconstpointer expected_bytes;

    fz_segmenter_write (&segmenter, i, one);
    expected = g_queue_pop_head (&expected_of_flow[flow_of (one)]);
    g_assert_nonnull (expected);
    expected_bytes = g_bytes_get_data (expected, &expected_length);
    g_assert_cmpmem (one, length, expected_bytes, expected_length);
  }
}

static void
test_property (Fixture *f, gconstpointer data)
{
  uint64_t seed = (uint64_t) g_test_rand_int ();
  FzSeededRng seeded;
  FzRng rng;
  size_t n_joined = 0;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  fz_seeded_rng_init (&seeded, seed);
  rng = fz_seeded_rng (&seeded);
  for (unsigned round = 0; round < 60; round++) {
    enum { N_FLOWS = 10 };
    GQueue expected[256] = { 0 };
    Flow flows[N_FLOWS];
    unsigned n_flows = 1 + (unsigned) fz_rng_below (&rng, N_FLOWS);
    unsigned current = 0;

    for (unsigned i = 0; i < n_flows; i++)
      init_flow (&flows[i], i, &rng);
    fz_coalescer_begin (f->coalescer, &all);
    for (unsigned i = 0; i < 300; i++) {
      static uint8_t bytes[TEST_PACKET_MAX];
      TestPacket packet;
      size_t length;

      if (fz_rng_below (&rng, 5) == 0)
        current = (unsigned) fz_rng_below (&rng, n_flows);
      packet = pick_packet (&flows[current], &rng);
      length = test_packet_build (&packet, bytes);
      if (fz_rng_below (&rng, 50) == 0)
        bytes[length - 1] ^= 0x40; /* corruption must survive, too */
      g_queue_push_tail (&expected[flow_of (bytes)], g_bytes_new (bytes, length));
      n_joined += feed_bytes (f, bytes, length, NULL);
    }
    finish (f);
    for (size_t i = 0; i < f->n_runs; i++)
      check_run (&f->runs[i], expected);
    for (unsigned i = 0; i < 256; i++)
      g_assert_true (g_queue_is_empty (&expected[i]));
    g_ptr_array_set_size (f->memory, 0);
  }
  g_assert_cmpuint (n_joined, >, 1000);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/coalesce/joins/tcp", test_joins_tcp);
  ADD ("/coalesce/joins/udp", test_joins_udp);
  ADD ("/coalesce/rules", test_rules);
  ADD ("/coalesce/rules/starters", test_starters);
  ADD ("/coalesce/rules/id-without-df", test_id_without_df);
  ADD ("/coalesce/rules/flow-label-may-differ", test_flow_label_may_differ);
  ADD ("/coalesce/rules/peers-do-not-mix", test_owners);
  ADD ("/coalesce/corruption-survives", test_corruption_survives);
  ADD ("/coalesce/limits", test_limits);
  ADD ("/coalesce/ladder", test_ladder);
  ADD ("/coalesce/interleaved", test_interleaved);
  ADD ("/coalesce/full", test_full);
  ADD ("/coalesce/property", test_property);
  return g_test_run ();
}
