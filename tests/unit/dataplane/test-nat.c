/* test-nat.c: fz-nat.h (tunnel.md §§6.6, 12.1 G7, G8, G14) */

#include "src/base/fz-rng.h"
#include "src/dataplane/fz-flow-marks.h"
#include "src/dataplane/fz-flow.h"
#include "src/dataplane/fz-nat.h"
#include "src/proto/fz-checksum.h"
#include "tests/unit/dataplane/packets.h"

#include <glib.h>

#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define ACK 0x10u

typedef struct {
  FzReclaim *reclaim;
  FzNat *nat;
} Bed;

static void
set_up (Bed *bed)
{
  bed->reclaim = fz_reclaim_new ();
  bed->nat = fz_nat_new ();
}

static void
tear_down (Bed *bed)
{
  fz_nat_free (bed->nat);
  fz_reclaim_free (bed->reclaim);
}

static FzNatSession *
add (Bed *bed, uint8_t protocol, uint16_t port, const char *proxy, const char *real)
{
  FzNatKey inside = { test_ip (proxy), port, protocol };
  FzIp ip = test_ip (real);

  return fz_nat_add (bed->nat, bed->reclaim, &inside, &ip, NULL, NULL);
}

/* A packet of the session outwards, so that its time begins. */
static void
send_packet (FzNatSession *session, uint8_t tcp_flags, FzInstant now)
{
  TestPacket packet = { .protocol = session->inside.protocol == FZ_PROTOCOL_TCP ? 6 : 17,
                        .source_port = session->inside.port,
                        .tcp_flags = tcp_flags,
                        .payload = 8 };
  uint8_t bytes[256];
  FzIpPacket parsed = test_parse (bytes, test_packet_build (&packet, bytes));

  fz_nat_translate_out (session, bytes, &parsed, now);
}

static void
receive_packet (FzNatSession *session, uint8_t tcp_flags, FzInstant now)
{
  TestPacket packet = { .protocol = session->inside.protocol == FZ_PROTOCOL_TCP ? 6 : 17,
                        .destination_port = session->outside.port,
                        .tcp_flags = tcp_flags,
                        .payload = 8 };
  uint8_t bytes[256];
  FzIpPacket parsed = test_parse (bytes, test_packet_build (&packet, bytes));

  fz_nat_translate_in (session, bytes, &parsed, false, now);
}

/* Out and back: addresses and ports as they were, checksums right all the time. */
static void
test_translate (void)
{
  static const struct {
    bool is_v6;
    uint8_t protocol;
    bool ip_options;
    bool no_checksum;
  } rows[] = {
    { false, 6, false, false }, { true, 6, false, false },  { false, 17, false, false },
    { true, 17, false, false }, { false, 17, false, true }, { false, 1, false, false },
    { true, 58, false, false }, { false, 6, true, false },  { true, 17, true, false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    bool is_icmp = rows[i].protocol == 1 || rows[i].protocol == 58;
    TestPacket packet = { .is_v6 = rows[i].is_v6,
                          .protocol = rows[i].protocol,
                          .source = 1,
                          .destination = 2,
                          .source_port =
                              is_icmp ? rows[i].is_v6 ? 128 : 8 : 1000, /* echo request */
                          .destination_port = 80,
                          .ip_options = rows[i].ip_options,
                          .no_checksum = rows[i].no_checksum,
                          .payload = 33,
                          .payload_seed = (uint8_t) i };
    uint8_t bytes[256], before[256];
    size_t length = test_packet_build (&packet, bytes);
    FzIpPacket parsed = test_parse (bytes, length);
    FzFlow flow = fz_flow_from_packet (&parsed), translated;
    FzNatSession session = {
      .inside = { flow.destination, flow.source_port, flow.protocol },
      .outside = { test_ip (rows[i].is_v6 ? "2001:db8::99" : "192.0.2.99"), 2000, flow.protocol },
    };

    g_test_message ("row %zu", i);
    memcpy (before, bytes, length);
    fz_nat_translate_out (&session, bytes, &parsed, 5);
    parsed = test_parse (bytes, length);
    translated = fz_flow_from_packet (&parsed);
    g_assert_true (fz_ip_equal (&translated.destination, &session.outside.ip));
    g_assert_true (fz_ip_equal (&translated.source, &flow.source));
    g_assert_cmpuint (translated.source_port, ==, 2000);
    g_assert_true (rows[i].no_checksum || fz_checksum_is_good (&parsed));
    if (!rows[i].is_v6)
      g_assert_cmpuint (fz_checksum_sum (bytes, parsed.transport_offset), ==, 0xffff);
    g_assert_cmpuint (session.sent_at, ==, 5);

    /* what comes back has source and destination the other way round: undo it by hand */
    if (rows[i].protocol == 6 || rows[i].protocol == 17) {
      FzNatSession back = { .inside = { flow.source, 4000, flow.protocol },
                            .outside = { { 0 }, 80, flow.protocol } };

      fz_nat_translate_in (&back, bytes, &parsed, false, 6);
      parsed = test_parse (bytes, length);
      translated = fz_flow_from_packet (&parsed);
      g_assert_true (fz_ip_equal (&translated.source, &flow.source));
      g_assert_cmpuint (translated.destination_port, ==, 4000);
      g_assert_true (rows[i].no_checksum || fz_checksum_is_good (&parsed));
      g_assert_cmpuint (back.received_at, ==, 6);
    }
  }
}

/* A corrupt packet stays corrupt. */
static void
test_corrupt (void)
{
  TestPacket packet = { .source_port = 1, .destination_port = 2, .payload = 20 };
  FzNatSession session = { .inside = { test_ip ("10.1.0.0"), 1, FZ_PROTOCOL_TCP },
                           .outside = { test_ip ("192.0.2.1"), 77, FZ_PROTOCOL_TCP } };
  uint8_t bytes[256];
  size_t length = test_packet_build (&packet, bytes);
  FzIpPacket parsed;

  bytes[length - 1] ^= 1;
  parsed = test_parse (bytes, length);
  g_assert_false (fz_checksum_is_good (&parsed));
  fz_nat_translate_out (&session, bytes, &parsed, 1);
  parsed = test_parse (bytes, length);
  g_assert_false (fz_checksum_is_good (&parsed));
}

/* The kernel leaves the sum of the pseudo header: finished after translation, it must be right. */
static void
test_partial (void)
{
  for (unsigned i = 0; i < 4; i++) {
    TestPacket packet = { .is_v6 = i % 2 == 1,
                          .protocol = i < 2 ? 6 : 17,
                          .source = 9,
                          .destination = 1,
                          .source_port = 80,
                          .destination_port = 2000,
                          .payload = 900 };
    static uint8_t bytes[TEST_PACKET_MAX];
    FzVnetHeader vnet;
    size_t length = test_packet_build_super (&packet, 1000, bytes, &vnet);
    FzIpPacket parsed = test_parse (bytes, length);
    FzFlow flow = fz_flow_from_packet (&parsed);
    FzNatSession session = {
      .inside = { test_ip (packet.is_v6 ? "fd00:2021:1111:8000::7" : "100.96.0.7"),
                  1234,
                  flow.protocol },
      .outside = { flow.source, 2000, flow.protocol },
    };
    uint8_t *transport;
    uint16_t checksum;

    fz_nat_translate_in (&session, bytes, &parsed, true, 1);
    parsed = test_parse (bytes, length);
    transport = bytes + parsed.transport_offset;
    checksum = fz_checksum_finish (
        fz_checksum_sum (transport, fz_ip_packet_get_transport_length (&parsed)));
    fz_put_u16be (transport + (i < 2 ? 16 : 6), checksum != 0 ? checksum : 0xffff);
    g_assert_true (fz_checksum_is_good (&parsed));
    flow = fz_flow_from_packet (&parsed);
    g_assert_true (fz_ip_equal (&flow.source, &session.inside.ip));
    g_assert_cmpuint (flow.destination_port, ==, 1234);
  }
}

static void
test_ports (void)
{
  Bed bed;
  FzNatSession *first, *second, *last;

  set_up (&bed);
  first = add (&bed, FZ_PROTOCOL_UDP, 5000, "100.96.0.1", "10.0.0.1");
  g_assert_cmpuint (first->outside.port, ==, 5000);
  second = add (&bed, FZ_PROTOCOL_UDP, 5000, "100.96.0.2", "10.0.0.1"); /* taken: the next */
  g_assert_cmpuint (second->outside.port, ==, 5001);
  g_assert_cmpuint (
      add (&bed, FZ_PROTOCOL_UDP, 5000, "100.96.0.3", "10.0.0.2")->outside.port, ==, 5000);
  g_assert_cmpuint (
      add (&bed, FZ_PROTOCOL_TCP, 5000, "100.96.0.1", "10.0.0.1")->outside.port, ==, 5000);
  add (&bed, FZ_PROTOCOL_UDP, 65535, "100.96.0.1", "10.0.0.1");
  last = add (&bed, FZ_PROTOCOL_UDP, 65535, "100.96.0.2", "10.0.0.1"); /* around the end */
  g_assert_cmpuint (last->outside.port, ==, 1);

  g_assert_true (fz_nat_find_inside (bed.nat, &first->inside) == first);
  g_assert_true (fz_nat_find_outside (bed.nat, &second->outside) == second);
  g_assert_null (
      fz_nat_find_inside (bed.nat, &(FzNatKey){ test_ip ("100.96.0.9"), 5000, FZ_PROTOCOL_UDP }));
  tear_down (&bed);
}

/* -- direct flows to hosts that names lead to -- */

static void
test_direct (void)
{
  TestPacket packet = { .protocol = 17, .source_port = 5000, .payload = 8 };
  uint8_t bytes[256], before[256];
  FzNatSession *named, *direct, *moved;
  FzIpPacket parsed;
  size_t length;
  Bed bed;

  set_up (&bed);
  named = add (&bed, FZ_PROTOCOL_UDP, 5000, "100.96.0.1", "10.0.0.1");
  moved = add (&bed, FZ_PROTOCOL_UDP, 5000, "10.0.0.1", "10.0.0.1"); /* taken: the next */
  direct = add (&bed, FZ_PROTOCOL_UDP, 6000, "10.0.0.1", "10.0.0.1");
  g_assert_false (named->is_direct);
  g_assert_true (moved->is_direct && direct->is_direct);
  g_assert_cmpuint (moved->outside.port, ==, 5001);
  g_assert_cmpuint (direct->outside.port, ==, 6000);

  length = test_packet_build (&packet, bytes);
  parsed = test_parse (bytes, length);
  memcpy (before, bytes, length);
  fz_nat_translate_out (direct, bytes, &parsed, FZ_S);
  fz_nat_translate_in (direct, bytes, &parsed, false, FZ_S);
  g_assert_cmpmem (bytes, length, before, length);
  fz_nat_translate_out (moved, bytes, &parsed, FZ_S);
  parsed = test_parse (bytes, length);
  g_assert_cmpmem (bytes, 20, before, 20); /* no address */
  g_assert_cmpuint (fz_flow_from_packet (&parsed).source_port, ==, 5001);
  g_assert_true (fz_checksum_is_good (&parsed));
  send_packet (named, 0, FZ_S);

  /* over: what was never changed is not kept in mind, and its late answers pass */
  fz_nat_expire (bed.nat, bed.reclaim, 1000 * FZ_S);
  g_assert_cmpuint (fz_nat_get_n_sessions (bed.nat), ==, 0);
  g_assert_cmpuint (fz_nat_get_n_expired (bed.nat), ==, 2);
  g_assert_null (
      fz_nat_find_outside (bed.nat, &(FzNatKey){ test_ip ("10.0.0.1"), 6000, FZ_PROTOCOL_UDP }));
  g_assert_true (moved->is_expired && named->is_expired);
  tear_down (&bed);
}

static bool
is_even (const void *context, const FzNatKey *outside)
{
  ++*(unsigned *) context;
  return outside->port % 2 == 0;
}

static bool
is_all (const void *context, const FzNatKey *outside)
{
  ++*(unsigned *) context;
  return true;
}

/* Ports that flows without a session have. */
static void
test_taken (void)
{
  FzNatKey inside = { test_ip ("100.96.0.1"), 5000, FZ_PROTOCOL_UDP };
  FzIp real = test_ip ("10.0.0.1");
  unsigned n_asked = 0;
  Bed bed;

  set_up (&bed);
  g_assert_cmpuint (
      fz_nat_add (bed.nat, bed.reclaim, &inside, &real, is_even, &n_asked)->outside.port, ==, 5001);
  inside.ip = test_ip ("100.96.0.2");
  g_assert_cmpuint (
      fz_nat_add (bed.nat, bed.reclaim, &inside, &real, is_even, &n_asked)->outside.port, ==, 5003);
  inside.ip = test_ip ("100.96.0.3");
  n_asked = 0;
  g_assert_cmpuint (
      fz_nat_add (bed.nat, bed.reclaim, &inside, &real, is_all, &n_asked)->outside.port, ==, 5000);
  g_assert_cmpuint (n_asked, <=, 65);
  tear_down (&bed);
}

static void
test_hosts (void)
{
  unsigned n_wrong = 0;
  Bed bed;

  set_up (&bed);
  for (unsigned i = 0; i < 200; i++) {
    FzIp ip = test_ip (i % 2 == 0 ? "10.0.0.0" : "2001:db8::");

    ip.bytes[i % 2 == 0 ? 3 : 15] = (uint8_t) i;
    fz_nat_add_host (bed.nat, &ip);
  }
  for (unsigned i = 0; i < 1000; i++) {
    TestPacket packet = { .is_v6 = i % 2 != 0, .source_port = 1, .payload = 8 };
    uint8_t bytes[256];
    size_t length = test_packet_build (&packet, bytes);
    FzIpPacket parsed = test_parse (bytes, length);
    FzIp ip = test_ip (i % 2 == 0 ? "10.0.0.0" : "2001:db8::");

    ip.bytes[i % 2 == 0 ? 3 : 15] = (uint8_t) i;
    ip.bytes[i % 2 == 0 ? 2 : 14] = (uint8_t) (i / 200);
    memcpy (bytes + (i % 2 == 0 ? 16 : 24), ip.bytes, fz_ip_size (&ip));
    if (i < 200)
      g_assert_true (fz_nat_may_have_host (bed.nat, &parsed));
    else
      n_wrong += fz_nat_may_have_host (bed.nat, &parsed);
  }
  g_test_message ("%u of 800 taken for one of 200", n_wrong);
  g_assert_cmpuint (n_wrong, <, 120);
  tear_down (&bed);
}

static void
test_crowded (void)
{
  FzNatKey inside = { test_ip ("100.96.0.1"), 1, FZ_PROTOCOL_UDP };
  FzIp real = test_ip ("10.0.0.1");
  Bed bed;

  set_up (&bed);
  for (unsigned i = 0; i < FZ_NAT_CROWDED; i++) {
    g_assert_false (fz_nat_is_crowded (bed.nat));
    inside.port = (uint16_t) (i + 1);
    fz_nat_add (bed.nat, bed.reclaim, &inside, &real, NULL, NULL);
  }
  g_assert_true (fz_nat_is_crowded (bed.nat));
  tear_down (&bed);
}

static void
test_marks (void)
{
  FzFlowMarks *marks = fz_flow_marks_new (1u << 16);
  FzIp client = test_ip ("100.64.0.1"), other = test_ip ("100.64.0.2");
  FzNatKey key = { test_ip ("10.0.0.1"), 5000, FZ_PROTOCOL_UDP };
  FzNatKey next = { key.ip, 5001, key.protocol };
  FzInstant now = 3600 * FZ_S;

  fz_flow_marks_age (marks, now);
  g_assert_false (fz_flow_marks_has (marks, &client, &key));
  fz_flow_marks_add (marks, &client, &key);
  g_assert_true (fz_flow_marks_has (marks, &client, &key));
  g_assert_false (fz_flow_marks_has (marks, &other, &key));
  g_assert_false (fz_flow_marks_has (marks, &client, &next));

  now += FZ_FLOW_MARKS_AGE_S * FZ_S;
  fz_flow_marks_age (marks, now);
  fz_flow_marks_add (marks, &other, &key);
  fz_flow_marks_age (marks, now + FZ_FLOW_MARKS_AGE_S * FZ_S - 1);
  g_assert_true (fz_flow_marks_has (marks, &client, &key));
  fz_flow_marks_age (marks, now + FZ_FLOW_MARKS_AGE_S * FZ_S);
  g_assert_false (fz_flow_marks_has (marks, &client, &key));
  g_assert_true (fz_flow_marks_has (marks, &other, &key));
  fz_flow_marks_free (marks);
}

/* Random sessions: whatever is made and ends, inside and outside stay one to one. */
static void
test_bijection (void)
{
  FzSeededRng seeded;
  FzRng rng = fz_seeded_rng (&seeded);
  FzInstant now = FZ_S;
  Bed bed;

  set_up (&bed);
  fz_seeded_rng_init (&seeded, (uint64_t) g_test_rand_int ());
  for (unsigned step = 0; step < 20000; step++) {
    FzNatKey inside = { test_ip ("100.96.0.1"),
                        (uint16_t) (1 + fz_rng_below (&rng, 40)),
                        fz_rng_below (&rng, 2) == 0 ? FZ_PROTOCOL_UDP : FZ_PROTOCOL_TCP };
    FzIp real = test_ip ("10.0.0.1");
    FzNatSession *session;

    inside.ip.bytes[3] = (uint8_t) (1 + fz_rng_below (&rng, 8));
    real.bytes[3] = (uint8_t) (1 + fz_rng_below (&rng, 3));
    session = fz_nat_find_inside (bed.nat, &inside);
    if (session == NULL) {
      session = fz_nat_add (bed.nat, bed.reclaim, &inside, &real, NULL, NULL);
      g_assert_nonnull (session);
    }
    send_packet (session, ACK, now);
    g_assert_true (fz_nat_find_outside (bed.nat, &session->outside) == session);
    g_assert_true (fz_nat_find_inside (bed.nat, &inside) == session);
    if (fz_rng_below (&rng, 100) == 0)
      now += fz_rng_below (&rng, 100) * FZ_S;
    if (fz_rng_below (&rng, 20) == 0)
      fz_nat_expire (bed.nat, bed.reclaim, now);
    fz_reclaim_collect (bed.reclaim);
  }
  g_assert_cmpuint (fz_nat_get_n_sessions (bed.nat), <=, 640);
  tear_down (&bed);
}

static void
test_lifetimes (void)
{
  static const struct {
    const char *why;
    uint8_t protocol;
    uint8_t out; /* TCP flags of a second packet, 0: none */
    uint8_t in;  /* of an answer */
    uint64_t lives_s;
  } rows[] = {
    { "never answered", FZ_PROTOCOL_TCP, 0, 0, 60 },
    { "never answered", FZ_PROTOCOL_UDP, 0, 0, 60 },
    { "UDP", FZ_PROTOCOL_UDP, 0, ACK, 120 },
    { "TCP", FZ_PROTOCOL_TCP, 0, ACK, 7440 },
    { "one FIN", FZ_PROTOCOL_TCP, FIN | ACK, ACK, 7440 },
    { "both FIN", FZ_PROTOCOL_TCP, FIN | ACK, FIN | ACK, 5 },
    { "reset by the server", FZ_PROTOCOL_TCP, ACK, RST, 0 },
    { "reset by the client", FZ_PROTOCOL_TCP, RST, ACK, 0 },
    { "begun anew", FZ_PROTOCOL_TCP, SYN, FIN | ACK, 7440 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzInstant now = 10 * FZ_S;
    FzNatSession *session;
    Bed bed;

    g_test_message ("%s", rows[i].why);
    set_up (&bed);
    session = add (&bed, rows[i].protocol, 1, "100.96.0.1", "10.0.0.1");
    send_packet (session, FIN | ACK, now); /* of the first packet nothing is believed */
    if (rows[i].out != 0)
      send_packet (session, rows[i].out, now);
    if (rows[i].in != 0)
      receive_packet (session, rows[i].in, now);
    if (rows[i].lives_s > 0) {
      fz_nat_expire (bed.nat, bed.reclaim, now + rows[i].lives_s * FZ_S - 1);
      g_assert_cmpuint (fz_nat_get_n_sessions (bed.nat), ==, 1);
    }
    g_assert_cmpuint (fz_nat_expire (bed.nat, bed.reclaim, now + rows[i].lives_s * FZ_S),
                      ==,
                      now + (rows[i].lives_s + FZ_NAT_REMEMBERED_S) * FZ_S);
    g_assert_cmpuint (fz_nat_get_n_sessions (bed.nat), ==, 0);
    g_assert_null (fz_nat_find_inside (bed.nat, &session->inside));
    g_assert_true (fz_nat_find_outside (bed.nat, &session->outside) == session);
    g_assert_true (session->is_expired); /* late answers are known as such */
    tear_down (&bed);
  }
}

/* An expired session's port may be used again; only so many of them are remembered. */
static void
test_expired (void)
{
  FzNatSession *session;
  Bed bed;

  set_up (&bed);
  for (unsigned i = 0; i < FZ_NAT_EXPIRED_MAX + 10; i++)
    send_packet (
        add (&bed, FZ_PROTOCOL_UDP, (uint16_t) (i + 1), "100.96.0.1", "10.0.0.1"), 0, FZ_S);
  fz_nat_expire (bed.nat, bed.reclaim, 1000 * FZ_S);
  g_assert_cmpuint (fz_nat_get_n_sessions (bed.nat), ==, 0);
  fz_reclaim_collect (bed.reclaim);
  session = add (&bed, FZ_PROTOCOL_UDP, 4000, "100.96.0.1", "10.0.0.1");
  g_assert_cmpuint (session->outside.port, ==, 4000);
  g_assert_false (session->is_expired);
  g_assert_true (fz_nat_find_outside (bed.nat, &session->outside) == session);
  tear_down (&bed);
}

static void
test_too_many (void)
{
  FzNatKey inside = { test_ip ("100.96.0.1"), 1, FZ_PROTOCOL_UDP };
  FzIp real = test_ip ("10.0.0.1");
  Bed bed;

  set_up (&bed);
  for (unsigned i = 0; i < FZ_NAT_SESSIONS_MAX; i++) {
    inside.port = (uint16_t) (i + 1);
    g_assert_nonnull (fz_nat_add (bed.nat, bed.reclaim, &inside, &real, NULL, NULL));
  }
  inside.port = 0;
  g_assert_null (fz_nat_add (bed.nat, bed.reclaim, &inside, &real, NULL, NULL));
  tear_down (&bed);
}

static void
test_ranges (void)
{
  static const struct {
    const char *ip;
    bool is_proxy;
  } rows[] = {
    { "100.96.0.0", true },
    { "100.127.255.255", true },
    { "100.95.255.255", false },
    { "100.128.0.0", false },
    { "10.96.0.0", false },
    { "fd00:2021:1111:8000::", true },
    { "fd00:2021:1111:8000::1f:ffff", true },
    { "fd00:2021:1111:8000::20:0", false },
    { "fd00:2021:1111:8000:1::", false },
    { "fd00:2021:1111::1", false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzIp ip = test_ip (rows[i].ip);

    g_assert_cmpint (fz_nat_is_proxy_ip (&ip), ==, rows[i].is_proxy);
  }
  g_assert_false (fz_nat_is_proxy_ip (&(FzIp){ 0 }));
}

/* -- two threads: the engine makes and ends sessions, a lane finds and uses them -- */

typedef struct {
  Bed bed;
  FzReclaimReader *reader;
  atomic_bool is_over;
  unsigned n_found;
} Race;

static gpointer
run_lane (gpointer data)
{
  Race *race = data;
  FzNatKey inside = { test_ip ("100.96.0.1"), 1, FZ_PROTOCOL_UDP };

  for (unsigned turn = 1; !atomic_load (&race->is_over); turn++) {
    fz_reclaim_quiesce (race->bed.reclaim, race->reader);
    for (inside.port = 1; inside.port <= 300; inside.port++) {
      FzNatSession *session = fz_nat_find_inside (race->bed.nat, &inside);

      if (session == NULL)
        continue;
      g_assert_cmpuint (session->inside.port, ==, inside.port);
      fz_nat_find_outside (race->bed.nat, &session->outside); /* gone, if it has ended meanwhile */
      send_packet (session, 0, turn);
      race->n_found++;
    }
  }
  fz_reclaim_offline (race->bed.reclaim, race->reader);
  return NULL;
}

static void
test_threads (void)
{
  FzNatKey inside = { test_ip ("100.96.0.1"), 1, FZ_PROTOCOL_UDP };
  FzIp real = test_ip ("10.0.0.1");
  GThread *lane;
  Race race = { 0 };

  set_up (&race.bed);
  race.reader = fz_reclaim_add_reader (race.bed.reclaim);
  lane = g_thread_new ("lane", run_lane, &race);
  for (unsigned round = 1; round <= 300; round++) {
    for (inside.port = 1; inside.port <= 300; inside.port++)
      if (fz_nat_find_inside (race.bed.nat, &inside) == NULL)
        g_assert_nonnull (fz_nat_add (race.bed.nat, race.bed.reclaim, &inside, &real, NULL, NULL));
    if (round % 3 == 0)
      fz_nat_expire (race.bed.nat, race.bed.reclaim, FZ_INSTANT_NEVER - 1);
    fz_reclaim_collect (race.bed.reclaim);
  }
  atomic_store (&race.is_over, true);
  g_thread_join (lane);
  g_test_message ("%u found", race.n_found);
  tear_down (&race.bed);
}

/* They leave by time as well, many with one call, and nothing is left to be called for: a direct
 * connection to the same host from the same port is then taken for what it is. */
static void
test_forgotten (void)
{
  const FzInstant ended = 1000 * FZ_S;
  FzInstant next;
  unsigned n_calls = 0;
  FzNatKey outside = { .port = 7, .protocol = FZ_PROTOCOL_UDP };
  Bed bed;

  set_up (&bed);
  g_assert_true (fz_ip_parse ("10.0.0.1", &outside.ip));
  for (unsigned i = 0; i < FZ_NAT_EXPIRED_MAX; i++)
    send_packet (
        add (&bed, FZ_PROTOCOL_UDP, (uint16_t) (i + 1), "100.96.0.1", "10.0.0.1"), 0, FZ_S);
  next = fz_nat_expire (bed.nat, bed.reclaim, ended);
  g_assert_cmpuint (fz_nat_get_n_expired (bed.nat), ==, FZ_NAT_EXPIRED_MAX);
  g_assert_cmpuint (next, ==, ended + FZ_NAT_REMEMBERED_S * FZ_S);
  fz_nat_expire (bed.nat, bed.reclaim, next - 1);
  g_assert_cmpuint (fz_nat_get_n_expired (bed.nat), ==, FZ_NAT_EXPIRED_MAX);
  g_assert_nonnull (fz_nat_find_outside (bed.nat, &outside));
  for (; next != FZ_INSTANT_NEVER; n_calls++)
    next = fz_nat_expire (bed.nat, bed.reclaim, next);
  g_assert_cmpuint (n_calls, <=, FZ_NAT_EXPIRED_MAX / 256 + 1);
  g_assert_cmpuint (fz_nat_get_n_expired (bed.nat), ==, 0);
  g_assert_null (fz_nat_find_outside (bed.nat, &outside));
  tear_down (&bed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nat/translate", test_translate);
  g_test_add_func ("/nat/translate/corrupt", test_corrupt);
  g_test_add_func ("/nat/translate/partial", test_partial);
  g_test_add_func ("/nat/ports", test_ports);
  g_test_add_func ("/nat/direct", test_direct);
  g_test_add_func ("/nat/direct/taken", test_taken);
  g_test_add_func ("/nat/direct/hosts", test_hosts);
  g_test_add_func ("/nat/direct/crowded", test_crowded);
  g_test_add_func ("/nat/direct/marks", test_marks);
  g_test_add_func ("/nat/bijection", test_bijection);
  g_test_add_func ("/nat/lifetimes", test_lifetimes);
  g_test_add_func ("/nat/expired", test_expired);
  g_test_add_func ("/nat/forgotten", test_forgotten);
  g_test_add_func ("/nat/too-many", test_too_many);
  g_test_add_func ("/nat/ranges", test_ranges);
  g_test_add_func ("/nat/threads", test_threads);
  return g_test_run ();
}
