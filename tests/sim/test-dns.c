/* test-dns.c: DNS resources with whole engines: names asked on a sentinel, packets to proxy
 * addresses, gateways that look names up and translate (tunnel.md §§4, 5, 6.3-6.7). */

#include "src/proto/fz-dns.h"
#include "tests/sim/fz-sim-world.h"

#define UPSTREAM "192.0.2.53"

static const FzFilter echo_only[] = { { FZ_FILTER_UDP, 7, 7 } };

/* A client, a gateway, and names behind it. */
static unsigned
setup (FzSimWorld *world, uint64_t seed, const char *pattern, const FzFilter *filters, size_t n)
{
  unsigned resource;

  fz_sim_world_init (world, seed);
  fz_sim_portal_set_upstream (world->portal, UPSTREAM);
  fz_sim_portal_set_name (world->portal, "www.example.org", "198.51.100.80 2001:db8:80::1");
  fz_sim_portal_set_name (world->portal, "web.corp.example", "10.20.0.10 10.20.0.11 fd20::10");
  fz_sim_portal_set_name (world->portal, "old.corp.example", "10.20.0.12");
  fz_sim_world_add (world, false, FZ_SIM_OPEN);
  fz_sim_world_add (world, true, FZ_SIM_OPEN);
  resource = fz_sim_portal_add_dns_resource (world->portal, pattern, FZ_IP_STACK_DUAL, filters, n);
  fz_sim_portal_set_policy (world->portal, 0, resource, true);
  fz_sim_world_run (world, 2 * FZ_S);
  return resource;
}

static bool
is_proxy (const FzIp *ip)
{
  FzIpNetwork v4, v6;

  g_assert_true (fz_ip_network_parse ("100.96.0.0/11", &v4));
  g_assert_true (fz_ip_network_parse ("fd00:2021:1111:8000::/107", &v6));
  return fz_ip_network_contains (&v4, ip) || fz_ip_network_contains (&v6, ip);
}

/* The first proxy address of the name, as text. */
static const char *
ask (FzSimWorld *world, const char *name, uint16_t type, char text[FZ_IP_TEXT_MAX])
{
  FzSimAnswer answer = fz_sim_world_query (world, 0, name, type);

  g_assert_true (answer.is_answered);
  g_assert_cmpuint (answer.n_ips, ==, 4);
  for (size_t i = 0; i < answer.n_ips; i++)
    g_assert_true (is_proxy (&answer.ips[i]));
  return fz_ip_format (&answer.ips[0], text);
}

static void
assert_destination (const FzSimPacket *packet, const char *one, const char *other)
{
  char text[FZ_IP_TEXT_MAX];

  fz_ip_format (&packet->destination, text);
  g_assert_true (g_str_equal (text, one) || g_str_equal (text, other));
}

static void
test_round_trip (gconstpointer data)
{
  uint16_t type = (uint16_t) GPOINTER_TO_UINT (data);
  bool is_v4 = type == FZ_DNS_TYPE_A;
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX], back[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (51), "*.corp.example", NULL, 0);
  ask (&world, "WEB.Corp.example", type, text);
  for (uint32_t mark = 1; mark <= 5; mark++)
    fz_sim_world_send_udp (&world, 0, text, 0, mark);
  fz_sim_world_ping (&world, 0, text, 6);
  fz_sim_world_run (&world, 2 * FZ_S);

  g_assert_cmpuint (world.n_malformed, ==, 0); /* so all checksums are right */
  for (uint32_t mark = 1; mark <= 6; mark++) {
    g_assert_cmpuint (fz_sim_world_count (&world, 1, mark), ==, 1);
    g_assert_cmpuint (fz_sim_world_count (&world, 0, mark), ==, 1);
    assert_destination (fz_sim_world_find (&world, 1, mark),
                        is_v4 ? "10.20.0.10" : "fd20::10",
                        is_v4 ? "10.20.0.11" : "fd20::10");
    fz_ip_format (&fz_sim_world_find (&world, 0, mark)->source, back);
    g_assert_cmpstr (back, ==, text); /* the application never sees another address */
  }
  for (guint i = 0, expected = 1; i < world.seen->len; i++) {
    const FzSimSeen *seen = &g_array_index (world.seen, FzSimSeen, i);

    if (seen->at == 1)
      g_assert_cmpuint (seen->mark, ==, expected++); /* in order */
  }
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_queries, ==, 0);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_lookups, ==, 1);
}

/* Once a name is known, lanes do it all: at both ends no packet meets the engine. */
static void
test_fast_path (void)
{
  g_auto (FzSimWorld) world;
  FzSimNodeStats before[2];
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (52), "web.corp.example", NULL, 0);
  ask (&world, "web.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_send_udp (&world, 0, text, 0, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  for (unsigned i = 0; i < 2; i++)
    before[i] = *fz_sim_node_get_stats (world.nodes[i]);
  for (uint32_t mark = 100; mark < 200; mark++)
    fz_sim_world_send_udp (&world, 0, text, 0, mark);
  fz_sim_world_run (&world, 100 * FZ_MS);

  for (uint32_t mark = 100; mark < 200; mark++) {
    g_assert_cmpuint (fz_sim_world_count (&world, 1, mark), ==, 1);
    g_assert_cmpuint (fz_sim_world_count (&world, 0, mark), ==, 1);
  }
  for (unsigned i = 0; i < 2; i++) {
    const FzSimNodeStats *after = fz_sim_node_get_stats (world.nodes[i]);

    g_assert_cmpuint (after->n_fast - before[i].n_fast, ==, 100);
    g_assert_cmpuint (after->n_messages - before[i].n_messages, <, 10);
  }
}

static void
test_other_names (void)
{
  g_auto (FzSimWorld) world;
  FzSimAnswer answer;
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (53), "*.corp.example", NULL, 0);
  for (unsigned i = 0; i < 2; i++) {
    answer = fz_sim_world_query (&world, 0, "www.example.org", FZ_DNS_TYPE_A);
    g_assert_cmpuint (answer.n_ips, ==, 1);
    g_assert_cmpstr (fz_ip_format (&answer.ips[0], text), ==, "198.51.100.80");
    g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_queries, ==, 1); /* then kept */
  }
  answer = fz_sim_world_query (&world, 0, "nowhere.example.org", FZ_DNS_TYPE_A);
  g_assert_cmpuint (answer.code, ==, FZ_DNS_NXDOMAIN);
  answer = fz_sim_world_query (&world, 0, "use-application-dns.net", FZ_DNS_TYPE_A);
  g_assert_cmpuint (answer.code, ==, FZ_DNS_NXDOMAIN);
  answer = fz_sim_world_query (&world, 0, "web.corp.example", FZ_DNS_TYPE_HTTPS);
  g_assert_true (answer.is_answered && answer.code == FZ_DNS_NO_ERROR);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_queries, ==, 2);

  /* a resolver that says nothing: neither do we */
  fz_sim_portal_set_name (world.portal, "silent.example.org", NULL);
  answer = fz_sim_world_query (&world, 0, "silent.example.org", FZ_DNS_TYPE_A);
  g_assert_false (answer.is_answered);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 0);
}

/* The account's resolver is a private one: asked through the tunnel, by an authorization. */
static void
test_resolver_inside (void)
{
  g_auto (FzSimWorld) world;
  FzSimAnswer answer;
  unsigned resource;
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (54), "*.corp.example", NULL, 0);
  resource = fz_sim_portal_add_resource (world.portal, "192.0.2.0/24", NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, resource, true);
  fz_sim_world_run (&world, FZ_S);

  answer = fz_sim_world_query (&world, 0, "www.example.org", FZ_DNS_TYPE_A);
  g_assert_cmpuint (answer.n_ips, ==, 1);
  g_assert_cmpstr (fz_ip_format (&answer.ips[0], text), ==, "198.51.100.80");
  g_assert_cmpuint (world.n_private_queries, ==, 1);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_queries, ==, 0);
  answer = fz_sim_world_query (&world, 0, "www.example.org", FZ_DNS_TYPE_AAAA); /* by the lanes */
  g_assert_cmpuint (answer.n_ips, ==, 1);

  fz_sim_portal_set_name (world.portal, "silent.example.org", NULL);
  answer = fz_sim_world_query (&world, 0, "silent.example.org", FZ_DNS_TYPE_A);
  fz_sim_world_run (&world, FZ_S);
  g_assert_true (world.answer.is_answered);
  g_assert_cmpuint (world.answer.code, ==, FZ_DNS_SERVFAIL);

  world.is_private_dns_refused = true;
  answer = fz_sim_world_query (&world, 0, "other.example.org", FZ_DNS_TYPE_A);
  g_assert_cmpuint (answer.code, ==, FZ_DNS_SERVFAIL);
  g_assert_cmpuint (world.seen->len, ==, 0); /* none of this reached a program */
}

static void
test_filters (void)
{
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (55), "*.corp.example", echo_only, 1);
  ask (&world, "web.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_send_udp (&world, 0, text, 8, 1); /* refused at the client: nobody is asked */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count_prohibited (&world, 0), ==, 1);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 0);

  fz_sim_world_send_udp (&world, 0, text, 7, 2);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);
  fz_sim_world_send_udp (&world, 0, text, 8, 3); /* also while the lanes know the name */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count_prohibited (&world, 0), ==, 2);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 3), ==, 0);
}

/* A name without addresses of the family: the gateway says so. */
static void
test_no_address (void)
{
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (56), "*.corp.example", NULL, 0);
  ask (&world, "old.corp.example", FZ_DNS_TYPE_AAAA, text);
  fz_sim_world_send_udp (&world, 0, text, 0, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 1), ==, 0);
  g_assert_cmpuint (world.n_malformed, ==, 1); /* "unreachable", of which the world knows nothing */
}

/* Revoked and granted again: the name is announced anew and works. */
static void
test_policy_goes_and_comes (void)
{
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];
  unsigned resource = setup (&world, fz_sim_seed (57), "*.corp.example", NULL, 0);

  ask (&world, "web.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_send_udp (&world, 0, text, 0, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 1), ==, 1);

  fz_sim_portal_set_policy (world.portal, 0, resource, false);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_send_udp (&world, 0, text, 0, 2);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 2), ==, 0);
  /* not ours any more: the resolver is asked */
  fz_sim_world_query (&world, 0, "web.corp.example", FZ_DNS_TYPE_A);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_queries, ==, 1);

  fz_sim_portal_set_policy (world.portal, 0, resource, true);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_send_udp (&world, 0, text, 0, 3);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1);
}

/* The gateway has forgotten and says "prohibited": the next packets go through once more. */
static void
test_gateway_restarts (void)
{
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];
  unsigned n = 0;

  setup (&world, fz_sim_seed (58), "*.corp.example", NULL, 0);
  ask (&world, "web.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_send_udp (&world, 0, text, 0, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  fz_sim_portal_disconnect (world.portal, 1);
  fz_sim_node_restart (world.nodes[1]);
  fz_sim_portal_connect (world.portal, 1);
  for (uint32_t mark = 100; mark < 160 && n == 0; mark++) {
    fz_sim_world_send_udp (&world, 0, text, 0, mark);
    fz_sim_world_run (&world, FZ_S);
    for (uint32_t seen = 100; seen <= mark; seen++)
      n += fz_sim_world_count (&world, 0, seen);
  }
  g_assert_cmpuint (n, >, 0);
}

/* New records: a running session keeps its server, a new one gets the new. */
static void
test_new_records (void)
{
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (59), "*.corp.example", NULL, 0);
  ask (&world, "old.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_send_udp (&world, 0, text, 0, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  assert_destination (fz_sim_world_find (&world, 1, 1), "10.20.0.12", "10.20.0.12");

  fz_sim_portal_set_name (world.portal, "old.corp.example", "10.20.0.99");
  ask (&world, "old.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_send_udp (&world, 0, text, 0, 2);
  fz_sim_world_ping (&world, 0, text, 3);
  fz_sim_world_run (&world, FZ_S);
  assert_destination (fz_sim_world_find (&world, 1, 2), "10.20.0.12", "10.20.0.12");
  assert_destination (fz_sim_world_find (&world, 1, 3), "10.20.0.99", "10.20.0.99");
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_lookups, ==, 2);

  /* nobody spoke for two minutes: the old session is over, its late answers are dropped */
  fz_sim_world_run (&world, 130 * FZ_S);
  fz_sim_world_send_udp (&world, 0, text, 0, 4);
  fz_sim_world_run (&world, 2 * FZ_S);
  assert_destination (fz_sim_world_find (&world, 1, 4), "10.20.0.99", "10.20.0.99");
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 4), ==, 1);
}

/* One server, by its name and by its address: two flows that have the same ports, and look the same
 * on the wire behind the gateway unless one gets another port there. */
static void
assert_apart (const FzSimWorld *world, uint32_t named, uint32_t direct, const char *proxy)
{
  const FzSimPacket *of_name = fz_sim_world_find (world, 1, named);
  const FzSimPacket *of_address = fz_sim_world_find (world, 1, direct);
  char text[FZ_IP_TEXT_MAX];

  g_assert_true (fz_ip_equal (&of_name->destination, &of_address->destination));
  g_assert_cmpuint (of_name->source_port, !=, of_address->source_port);
  g_assert_cmpuint (fz_sim_world_count (world, 0, named), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (world, 0, direct), ==, 1);
  fz_ip_format (&fz_sim_world_find (world, 0, named)->source, text);
  g_assert_cmpstr (text, ==, proxy);
  fz_ip_format (&fz_sim_world_find (world, 0, direct)->source, text);
  g_assert_cmpstr (text, ==, "10.20.0.12");
}

static void
test_name_and_address (gconstpointer data)
{
  bool is_direct_first = data != NULL;
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];
  uint16_t port;

  setup (&world, fz_sim_seed (63), "*.corp.example", NULL, 0);
  fz_sim_portal_set_policy (
      world.portal, 0, fz_sim_portal_add_resource (world.portal, "10.20.0.0/24", NULL, 0), true);
  fz_sim_world_run (&world, FZ_S);
  if (is_direct_first) { /* before anybody knows that a name leads there */
    fz_sim_world_send_udp (&world, 0, "10.20.0.12", 0, 1);
    fz_sim_world_ping (&world, 0, "10.20.0.12", 2);
    fz_sim_world_run (&world, 2 * FZ_S);
    g_assert_cmpuint (fz_sim_world_count (&world, 0, 1), ==, 1);
    g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);
  }
  ask (&world, "old.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_run (&world, 2 * FZ_S);
  if (is_direct_first) {
    fz_sim_world_send_udp (&world, 0, "10.20.0.12", 0, 3);
    fz_sim_world_ping (&world, 0, "10.20.0.12", 4);
    fz_sim_world_run (&world, FZ_S);
  }
  for (uint32_t mark = 100; mark < 140; mark += 4) {
    fz_sim_world_send_udp (&world, 0, text, 0, mark);
    fz_sim_world_send_udp (&world, 0, "10.20.0.12", 0, mark + 1);
    fz_sim_world_ping (&world, 0, text, mark + 2);
    fz_sim_world_ping (&world, 0, "10.20.0.12", mark + 3);
    if (mark > 120) /* after those behind one another */
      fz_sim_world_run (&world, FZ_S);
  }
  fz_sim_world_run (&world, 2 * FZ_S);

  g_assert_cmpuint (world.n_malformed, ==, 0);
  for (uint32_t mark = 100; mark < 140; mark += 2)
    assert_apart (&world, mark, mark + 1, text);
  if (is_direct_first) { /* who was first has kept his port */
    port = fz_sim_world_find (&world, 1, 1)->source_port;
    for (uint32_t mark = 101; mark < 140; mark += 4)
      g_assert_cmpuint (fz_sim_world_find (&world, 1, mark)->source_port, ==, port);
  }
}

/* The most specific pattern counts where both admit; where it denies, the other one does. */
static void
test_overlap (void)
{
  g_auto (FzSimWorld) world;
  char text[FZ_IP_TEXT_MAX];
  unsigned wide;

  setup (&world, fz_sim_seed (60), "web.corp.example", echo_only, 1);
  wide = fz_sim_portal_add_dns_resource (
      world.portal, "**.corp.example", FZ_IP_STACK_IPV4_ONLY, NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, wide, true);
  fz_sim_world_run (&world, FZ_S);
  ask (&world, "web.corp.example", FZ_DNS_TYPE_A, text);
  fz_sim_world_send_udp (&world, 0, text, 7, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
  fz_sim_world_send_udp (&world, 0, text, 8, 2);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 2);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 1), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);
  ask (&world, "web.corp.example", FZ_DNS_TYPE_AAAA, text); /* of the specific one alone */
  fz_sim_world_send_udp (&world, 0, text, 8, 3);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 3), ==, 0);
}

/* TCP to a sentinel is refused at once; what else is sent there is swallowed. */
static void
test_refused_at_sentinel (void)
{
  g_auto (FzSimWorld) world;
  FzSimPacket packet = { .source_port = 5000,
                         .protocol = FZ_IP_PROTOCOL_TCP,
                         .destination_port = FZ_DNS_PORT,
                         .tcp_flags = 0x02,
                         .payload = 4 };
  uint8_t bytes[FZ_SIM_PACKET_MAX];
  char text[FZ_IP_TEXT_MAX];

  setup (&world, fz_sim_seed (62), "*.corp.example", NULL, 0);
  packet.source = fz_sim_portal_get_ip (world.portal, 0, false);
  packet.destination = world.sentinels[0];
  fz_sim_node_send (world.nodes[0], fz_span (bytes, fz_sim_packet_build (&packet, bytes)));
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (world.n_malformed, ==, 1); /* a reset, which carries no mark */
  g_assert_cmpuint (world.seen->len, ==, 0);

  fz_ip_format (&world.sentinels[0], text);
  fz_sim_world_ping (&world, 0, text, 1);
  fz_sim_world_send_udp (&world, 0, text, 54, 2);
  fz_sim_world_send_udp (&world, 0, text, FZ_DNS_PORT, 3); /* no DNS message */
  fz_sim_world_send_udp (&world, 0, "100.100.111.200", FZ_DNS_PORT, 4);
  fz_sim_world_send_udp (&world, 0, "100.96.7.7", 7, 5); /* nobody's proxy address */
  fz_sim_world_run (&world, 5 * FZ_S);
  g_assert_cmpuint (world.n_malformed, ==, 1);
  g_assert_cmpuint (world.seen->len, ==, 0);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 0);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_queries, ==, 0);
}

/* A link that loses a seventh of everything: the announcement is repeated until it is heard. */
static void
test_loss (void)
{
  g_auto (FzSimWorld) world;
  unsigned n = 0;
  char text[FZ_IP_TEXT_MAX];
  unsigned resource;

  fz_sim_world_init (&world, fz_sim_seed (61));
  world.link.loss_permille = 150;
  fz_sim_portal_set_upstream (world.portal, UPSTREAM);
  fz_sim_portal_set_name (world.portal, "web.corp.example", "10.20.0.10");
  fz_sim_world_add (&world, false, FZ_SIM_OPEN);
  fz_sim_world_add (&world, true, FZ_SIM_OPEN);
  resource =
      fz_sim_portal_add_dns_resource (world.portal, "*.corp.example", FZ_IP_STACK_DUAL, NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, resource, true);
  fz_sim_world_run (&world, 2 * FZ_S);
  ask (&world, "web.corp.example", FZ_DNS_TYPE_A, text);
  for (uint32_t mark = 1; mark <= 60; mark++) {
    fz_sim_world_send_udp (&world, 0, text, 0, mark);
    fz_sim_world_run (&world, FZ_S);
  }
  for (uint32_t mark = 30; mark <= 60; mark++)
    n += fz_sim_world_count (&world, 0, mark);
  g_assert_cmpuint (n, >, 8);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/dns/round-trip/ipv4", GUINT_TO_POINTER (FZ_DNS_TYPE_A), test_round_trip);
  g_test_add_data_func (
      "/dns/round-trip/ipv6", GUINT_TO_POINTER (FZ_DNS_TYPE_AAAA), test_round_trip);
  g_test_add_func ("/dns/fast-path", test_fast_path);
  g_test_add_func ("/dns/other-names", test_other_names);
  g_test_add_func ("/dns/resolver-inside", test_resolver_inside);
  g_test_add_func ("/dns/filters", test_filters);
  g_test_add_func ("/dns/no-address", test_no_address);
  g_test_add_func ("/dns/policy-goes-and-comes", test_policy_goes_and_comes);
  g_test_add_func ("/dns/gateway-restarts", test_gateway_restarts);
  g_test_add_func ("/dns/new-records", test_new_records);
  g_test_add_func ("/dns/overlap", test_overlap);
  g_test_add_data_func ("/dns/name-and-address/name-first", NULL, test_name_and_address);
  g_test_add_data_func (
      "/dns/name-and-address/address-first", GUINT_TO_POINTER (1), test_name_and_address);
  g_test_add_func ("/dns/refused-at-sentinel", test_refused_at_sentinel);
  g_test_add_func ("/dns/loss", test_loss);
  return g_test_run ();
}
