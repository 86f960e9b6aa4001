/* test-verdict.c: fz-flow.h, fz-verdict.h, fz-flow-cache.h, role by role */

#include "packets.h"
#include "src/dataplane/fz-flow-cache.h"
#include "src/dataplane/fz-verdict.h"

#include <glib.h>

static const FzFilter web[] = { { FZ_FILTER_TCP, 80, 80 } };

typedef struct {
  FzPeer *alice; /* client: the gateway; gateway: a client */
  FzPeer *bob;
  FzSnapshot *snapshot;
} World;

static FzPolicyEntry
make_entry (const char *network, const FzFilter *filters, size_t n_filters, FzPeer *peer)
{
  FzPolicyEntry entry = { .filters = filters, .n_filters = n_filters, .peer = peer };

  g_assert_true (fz_ip_network_parse (network, &entry.network));
  return entry;
}

static const FzPolicy *
make_sources (const char *const *networks)
{
  FzPolicyEntry entries[8];
  size_t n = 0;

  for (; networks[n] != NULL; n++)
    entries[n] = make_entry (networks[n], NULL, 0, NULL);
  return fz_policy_new (entries, n);
}

static World
make_world (FzRole role, const FzPolicyEntry *routes, size_t n_routes, FzPeer *alice, FzPeer *bob)
{
  World world = { .alice = alice, .bob = bob };
  FzPeer *peers[2] = { alice, bob };

  world.snapshot = fz_snapshot_new (&(FzSnapshotParts){
      .role = role,
      .own_ipv4 = test_ip ("100.64.0.1"),
      .own_ipv6 = test_ip ("fd00:2021:1111::1"),
      .routes = fz_policy_new (routes, n_routes),
      .peers = peers,
      .n_peers = 2,
  });
  return world;
}

static void
clear_world (World *world)
{
  fz_snapshot_free (world->snapshot);
  fz_peer_free (world->alice);
  fz_peer_free (world->bob);
}

typedef struct {
  const char *why;
  const char *source;
  const char *destination;
  FzProtocol protocol;
  uint16_t source_port;
  uint16_t destination_port;
  FzVerdictKind kind;
  FzDrop reason;
  int peer; /* 0: none, 1: alice, 2: bob */
} Case;

static FzFlow
make_flow (const Case *c)
{
  return (FzFlow){ .source = test_ip (c->source),
                   .destination = test_ip (c->destination),
                   .source_port = c->source_port,
                   .destination_port = c->destination_port,
                   .protocol = (uint8_t) c->protocol };
}

static void
check (const World *world, const Case *cases, size_t n_cases, const FzPeer *from)
{
  for (size_t i = 0; i < n_cases; i++) {
    const Case *c = &cases[i];
    FzFlow flow = make_flow (c);
    FzVerdict verdict = from != NULL ? fz_verdict_receive (world->snapshot, from, &flow)
                                     : fz_verdict_transmit (world->snapshot, &flow);

    g_test_message ("%s", c->why);
    g_assert_cmpint (verdict.kind, ==, c->kind);
    g_assert_cmpstr (fz_drop_name ((FzDrop) verdict.reason), ==, fz_drop_name (c->reason));
    g_assert_true (verdict.peer == (c->peer == 1   ? world->alice
                                    : c->peer == 2 ? world->bob
                                                   : NULL));
  }
}

static FzPeer *
make_peer (uint32_t id)
{
  return fz_peer_new (&(FzUuid){ { 0 } }, id);
}

#define OWN     "100.64.0.1"
#define OWN6    "fd00:2021:1111::1"
#define PASS    FZ_VERDICT_PASS
#define DROP    FZ_VERDICT_DROP
#define ENGINE  FZ_VERDICT_TO_ENGINE
#define TCP     FZ_PROTOCOL_TCP
#define UDP     FZ_PROTOCOL_UDP
#define ECHO    FZ_PROTOCOL_ICMP_ECHO
#define OTHER   FZ_PROTOCOL_OTHER
#define ICMPERR FZ_PROTOCOL_ICMP_ERROR

static void
test_client_transmit (void)
{
  static const Case cases[] = {
    { "to a resource", OWN, "10.0.0.1", TCP, 1, 22, PASS, 0, 1 },
    { "to a resource, IPv6", OWN6, "fd01::1", TCP, 1, 22, PASS, 0, 2 },
    { "filter admits", OWN, "10.1.0.1", TCP, 1, 80, PASS, 0, 1 },
    { "filter denies: the engine answers", OWN, "10.1.0.1", TCP, 80, 22, ENGINE, 0, 0 },
    { "no gateway yet", OWN, "10.2.0.1", TCP, 1, 22, ENGINE, 0, 0 },
    { "echo", OWN, "10.0.0.1", ECHO, 7, 7, PASS, 0, 1 },
    { "no route", OWN, "8.8.8.8", TCP, 1, 80, DROP, FZ_DROP_NO_ROUTE, 0 },
    { "unclassifiable, with a plain route", OWN, "10.0.0.1", OTHER, 0, 0, PASS, 0, 1 },
    { "unclassifiable, denied", OWN, "10.1.0.1", OTHER, 0, 0, ENGINE, 0, 0 },
    { "unclassifiable, no route", OWN, "8.8.8.8", OTHER, 0, 0, ENGINE, 0, 0 },
    { "ICMP error, no route", OWN, "8.8.8.8", ICMPERR, 0, 0, ENGINE, 0, 0 },
    { "ICMP error, with a route", OWN, "10.0.0.1", ICMPERR, 0, 0, ENGINE, 0, 0 },
    { "multicast", OWN, "224.0.0.251", UDP, 1, 2, DROP, FZ_DROP_MULTICAST, 0 },
    { "multicast before the source",
      "fe80::1",
      "ff02::16",
      OTHER,
      0,
      0,
      DROP,
      FZ_DROP_MULTICAST,
      0 },
    { "foreign source", "192.168.0.9", "10.0.0.1", TCP, 1, 2, DROP, FZ_DROP_NOT_TUNNEL_SOURCE, 0 },
    { "link-local source", "fe80::1", "fd01::1", TCP, 1, 2, DROP, FZ_DROP_NOT_TUNNEL_SOURCE, 0 },
    { "to ourselves", OWN, OWN, TCP, 1, 2, DROP, FZ_DROP_TO_SELF, 0 },
    { "to ourselves, IPv6", OWN6, OWN6, TCP, 1, 2, DROP, FZ_DROP_TO_SELF, 0 },
    { "to a gateway's own address", OWN, "100.64.0.9", TCP, 1, 2, PASS, 0, 1 },
  };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  const FzPolicyEntry routes[] = {
    make_entry ("10.0.0.0/16", NULL, 0, alice), make_entry ("10.1.0.0/16", web, 1, alice),
    make_entry ("10.2.0.0/16", NULL, 0, NULL),  make_entry ("fd01::/64", NULL, 0, bob),
    make_entry ("100.64.0.9", NULL, 0, alice),
  };
  World world = make_world (FZ_ROLE_CLIENT, routes, G_N_ELEMENTS (routes), alice, bob);

  check (&world, cases, G_N_ELEMENTS (cases), NULL);
  clear_world (&world);
}

static void
test_client_receive (void)
{
  static const Case cases[] = {
    { "from the resource", "10.0.0.1", OWN, TCP, 22, 1, PASS, 0, 0 },
    { "from the gateway itself", "100.64.0.9", OWN, TCP, 22, 1, PASS, 0, 0 },
    { "an ICMP error passes by the engine", "10.0.0.1", OWN, ICMPERR, 0, 0, ENGINE, 0, 0 },
    { "an ICMP error from elsewhere",
      "10.9.0.1",
      OWN,
      ICMPERR,
      0,
      0,
      DROP,
      FZ_DROP_UNKNOWN_SOURCE,
      0 },
    { "from elsewhere", "10.9.0.1", OWN, TCP, 22, 1, DROP, FZ_DROP_UNKNOWN_SOURCE, 0 },
    { "from another gateway's resource",
      "10.5.0.1",
      OWN,
      TCP,
      1,
      1,
      DROP,
      FZ_DROP_UNKNOWN_SOURCE,
      0 },
    { "not for us", "10.0.0.1", "192.168.0.1", TCP, 22, 1, DROP, FZ_DROP_NOT_ALLOWED, 0 },
    { "as ourselves", OWN, OWN, TCP, 22, 1, DROP, FZ_DROP_UNKNOWN_SOURCE, 0 },
  };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  World world = make_world (FZ_ROLE_CLIENT, NULL, 0, alice, bob);
  static const Case nothing = { "a peer without sources", "10.0.0.1", OWN, TCP, 1, 1, DROP,
                                FZ_DROP_UNKNOWN_SOURCE,   0 };

  atomic_store (&alice->sources,
                make_sources ((const char *[]){ "10.0.0.0/16", "100.64.0.9", NULL }));
  check (&world, cases, G_N_ELEMENTS (cases), alice);
  check (&world, &nothing, 1, bob);
  clear_world (&world);
}

static void
set_gateway_rights (FzPeer *alice, FzPeer *bob)
{
  const FzPolicyEntry permissions[] = { make_entry ("10.0.0.0/16", web, 1, NULL),
                                        make_entry ("fd01::/64", NULL, 0, NULL),
                                        make_entry ("0.0.0.0/1", web, 1, NULL) };

  atomic_store (&alice->sources,
                make_sources ((const char *[]){ "100.64.0.2", "fd00:2021:1111::2", NULL }));
  atomic_store (&alice->permissions, fz_policy_new (permissions, 3));
  atomic_store (&bob->sources, make_sources ((const char *[]){ "100.64.0.3", NULL }));
}

static void
test_gateway_transmit (void)
{
  static const Case cases[] = {
    { "answer of a resource", "10.0.0.1", "100.64.0.2", TCP, 80, 5, PASS, 0, 1 },
    { "answer by a port that is not allowed",
      "10.0.0.1",
      "100.64.0.2",
      TCP,
      81,
      80,
      DROP,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "from what was never allowed",
      "192.168.0.1",
      "100.64.0.2",
      TCP,
      80,
      5,
      DROP,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "IPv6, no filters", "fd01::9", "fd00:2021:1111::2", OTHER, 0, 0, PASS, 0, 1 },
    { "from the gateway itself", OWN, "100.64.0.2", TCP, 53535, 5, PASS, 0, 1 },
    { "from the gateway itself to one without rights",
      OWN,
      "100.64.0.3",
      UDP,
      53535,
      5,
      PASS,
      0,
      2 },
    { "client to client", "100.64.0.3", "100.64.0.2", TCP, 80, 5, DROP, FZ_DROP_NOT_ALLOWED, 0 },
    { "an ICMP error passes", "172.16.0.1", "100.64.0.2", ICMPERR, 0, 0, PASS, 0, 1 },
    { "an ICMP error from the tunnel range",
      "100.64.0.7",
      "100.64.0.2",
      ICMPERR,
      0,
      0,
      DROP,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "echo needs its filter", "10.0.0.1", "100.64.0.2", ECHO, 1, 1, DROP, FZ_DROP_NOT_ALLOWED, 0 },
    { "a client without permissions",
      "10.0.0.1",
      "100.64.0.3",
      TCP,
      80,
      5,
      DROP,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "nobody's address", "10.0.0.1", "100.64.0.4", TCP, 80, 5, DROP, FZ_DROP_NO_ROUTE, 0 },
    { "not a client at all", "10.0.0.1", "8.8.8.8", TCP, 80, 5, DROP, FZ_DROP_NO_ROUTE, 0 },
    { "multicast", "10.0.0.1", "224.0.0.1", UDP, 80, 5, DROP, FZ_DROP_NO_ROUTE, 0 },
  };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  const FzPolicyEntry routes[] = { make_entry ("100.64.0.2", NULL, 0, alice),
                                   make_entry ("fd00:2021:1111::2", NULL, 0, alice),
                                   make_entry ("100.64.0.3", NULL, 0, bob) };
  World world = make_world (FZ_ROLE_GATEWAY, routes, G_N_ELEMENTS (routes), alice, bob);

  set_gateway_rights (alice, bob);
  check (&world, cases, G_N_ELEMENTS (cases), NULL);
  clear_world (&world);
}

static void
test_gateway_receive (void)
{
  static const Case cases[] = {
    { "to a resource", "100.64.0.2", "10.0.0.1", TCP, 5, 80, PASS, 0, 0 },
    { "to a port that is not allowed",
      "100.64.0.2",
      "10.0.0.1",
      TCP,
      80,
      81,
      ENGINE,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "to nothing allowed",
      "100.64.0.2",
      "192.168.0.1",
      TCP,
      5,
      80,
      ENGINE,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "IPv6", "fd00:2021:1111::2", "fd01::1", OTHER, 0, 0, PASS, 0, 0 },
    { "to the gateway itself, no filter", "100.64.0.2", OWN, UDP, 5, 53535, PASS, 0, 0 },
    { "to another client, though a network covers it",
      "100.64.0.2",
      "100.64.0.3",
      TCP,
      5,
      80,
      ENGINE,
      FZ_DROP_NOT_ALLOWED,
      0 },
    { "a spoofed source", "100.64.0.3", "10.0.0.1", TCP, 5, 80, ENGINE, FZ_DROP_UNKNOWN_SOURCE, 0 },
    { "a spoofed source to the gateway itself",
      "1.2.3.4",
      OWN,
      TCP,
      5,
      80,
      ENGINE,
      FZ_DROP_UNKNOWN_SOURCE,
      0 },
    { "multicast", "100.64.0.2", "224.0.0.1", UDP, 5, 80, DROP, FZ_DROP_MULTICAST, 0 },
    { "multicast, IPv6", "fd00:2021:1111::2", "ff02::1", UDP, 5, 80, DROP, FZ_DROP_MULTICAST, 0 },
    { "an ICMP error", "100.64.0.2", "10.0.0.1", ICMPERR, 0, 0, DROP, FZ_DROP_NOT_ALLOWED, 0 },
    { "echo without its filter",
      "100.64.0.2",
      "10.0.0.1",
      ECHO,
      1,
      1,
      ENGINE,
      FZ_DROP_NOT_ALLOWED,
      0 },
  };
  static const Case powerless = { "no permissions", "100.64.0.3",        "10.0.0.1", TCP, 5, 80,
                                  ENGINE,           FZ_DROP_NOT_ALLOWED, 0 };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  World world = make_world (FZ_ROLE_GATEWAY, NULL, 0, alice, bob);

  set_gateway_rights (alice, bob);
  check (&world, cases, G_N_ELEMENTS (cases), alice);
  check (&world, &powerless, 1, bob);
  clear_world (&world);
}

static void
test_bare (void)
{
  static const Case transmit[] = {
    { "longest prefix wins", "1.2.3.4", "10.0.1.1", TCP, 1, 2, PASS, 0, 2 },
    { "shorter one", "1.2.3.4", "10.0.2.1", OTHER, 0, 0, PASS, 0, 1 },
    { "nobody", "1.2.3.4", "11.0.0.1", TCP, 1, 2, DROP, FZ_DROP_NO_ROUTE, 0 },
  };
  static const Case receive[] = {
    { "alice's address", "10.0.2.1", "1.2.3.4", TCP, 1, 2, PASS, 0, 0 },
    { "bob's, though alice's prefix covers it",
      "10.0.1.1",
      "1.2.3.4",
      TCP,
      1,
      2,
      DROP,
      FZ_DROP_UNKNOWN_SOURCE,
      0 },
    { "nobody's", "11.0.0.1", "1.2.3.4", TCP, 1, 2, DROP, FZ_DROP_UNKNOWN_SOURCE, 0 },
  };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  const FzPolicyEntry routes[] = { make_entry ("10.0.0.0/8", NULL, 0, alice),
                                   make_entry ("10.0.1.0/24", NULL, 0, bob) };
  World world = make_world (FZ_ROLE_BARE, routes, 2, alice, bob);

  check (&world, transmit, G_N_ELEMENTS (transmit), NULL);
  check (&world, receive, G_N_ELEMENTS (receive), alice);
  clear_world (&world);
}

static void
test_tunnel_range (void)
{
  static const struct {
    const char *ip;
    bool is_peer;
  } cases[] = {
    { "100.64.0.0", true },
    { "100.95.255.255", true },
    { "100.96.0.1", false },
    { "100.63.255.255", false },
    { "fd00:2021:1111::1", true },
    { "ff02::16", false },
    { "fd00:2021:1111::1f:ffff", true },
    { "fd00:2021:1111::20:0", false },
    { "fd00:2021:1111:8000::1", false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    FzIp ip = test_ip (cases[i].ip);

    g_assert_cmpint (fz_verdict_is_tunnel_ip (&ip), ==, cases[i].is_peer);
  }
}

static void
test_flow (void)
{
  static const struct {
    TestPacket packet;
    FzProtocol protocol;
    uint16_t source_port, destination_port;
  } cases[] = {
    { { .source_port = 1, .destination_port = 2 }, FZ_PROTOCOL_TCP, 1, 2 },
    { { .source_port = 1, .destination_port = 2, .is_v6 = true }, FZ_PROTOCOL_TCP, 1, 2 },
    { { .protocol = 17, .source_port = 1, .destination_port = 2 }, FZ_PROTOCOL_UDP, 1, 2 },
    { { .protocol = 1, .source_port = 8, .destination_port = 77 }, FZ_PROTOCOL_ICMP_ECHO, 77, 77 },
    { { .protocol = 1, .source_port = 3, .destination_port = 77 }, FZ_PROTOCOL_ICMP_ERROR, 0, 0 },
    { { .protocol = 1, .source_port = 13, .destination_port = 77 }, FZ_PROTOCOL_ICMP_OTHER, 0, 0 },
    { { .protocol = 58, .source_port = 129, .destination_port = 7, .is_v6 = true },
      FZ_PROTOCOL_ICMP_ECHO,
      7,
      7 },
    { { .protocol = 132, .no_checksum = true }, FZ_PROTOCOL_OTHER, 0, 0 },
    { { .source_port = 1, .destination_port = 2, .fragment = 0x2000 }, FZ_PROTOCOL_OTHER, 0, 0 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    uint8_t bytes[200];
    size_t length = test_packet_build (&cases[i].packet, bytes);
    FzIpPacket packet = test_parse (bytes, length);
    FzFlow flow = fz_flow_from_packet (&packet);

    g_assert_cmpint (flow.protocol, ==, cases[i].protocol);
    g_assert_cmpuint (flow.source_port, ==, cases[i].source_port);
    g_assert_cmpuint (flow.destination_port, ==, cases[i].destination_port);
    g_assert_cmpuint (fz_flow_key_outbound (&flow).port, ==, cases[i].destination_port);
    g_assert_cmpuint (fz_flow_key_return (&flow).port, ==, cases[i].source_port);
  }
}

/* -- the cache says what the tables say, at any time -- */

static void
test_cache_revocation (void)
{
  static const Case c = { "", "100.64.0.2", "10.0.0.1", TCP, 5, 80, PASS, 0, 0 };
  static const Case back = { "", "10.0.0.1", "100.64.0.2", TCP, 80, 5, PASS, 0, 0 };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  const FzPolicyEntry routes[] = { make_entry ("100.64.0.2", NULL, 0, alice) };
  World world = make_world (FZ_ROLE_GATEWAY, routes, 1, alice, bob);
  FzFlowCache *rx = fz_flow_cache_new (1), *tx = fz_flow_cache_new (1);
  FzFlow flow = make_flow (&c), answer = make_flow (&back);
  uint64_t hash = fz_flow_cache_hash (tx, &answer);
  bool is_hit;

  set_gateway_rights (alice, bob);
  fz_flow_cache_begin (rx, 1);
  fz_flow_cache_begin (tx, 1);
  for (int i = 0; i < 3; i++) {
    g_assert_cmpint (
        fz_flow_cache_receive (rx, world.snapshot, alice, &flow, &is_hit).kind, ==, PASS);
    g_assert_cmpint (is_hit, ==, i > 0);
    g_assert_true (fz_flow_cache_transmit (tx, world.snapshot, &answer, hash, &is_hit).peer ==
                   alice);
    g_assert_cmpint (is_hit, ==, i > 0);
  }
  /* the same flow through another peer's session is another question */
  g_assert_cmpint (
      fz_flow_cache_receive (rx, world.snapshot, bob, &flow, &is_hit).kind, ==, ENGINE);

  /* revoked: at once, both ways, without a new snapshot */
  fz_policy_free ((FzPolicy *) atomic_exchange (&alice->permissions, fz_policy_new (NULL, 0)));
  g_assert_cmpint (
      fz_flow_cache_receive (rx, world.snapshot, alice, &flow, &is_hit).kind, ==, ENGINE);
  g_assert_false (is_hit);
  g_assert_cmpint (
      fz_flow_cache_transmit (tx, world.snapshot, &answer, hash, &is_hit).kind, ==, DROP);

  /* granted again: refusals were not remembered */
  fz_policy_free ((FzPolicy *) atomic_exchange (
      &alice->permissions,
      fz_policy_new ((FzPolicyEntry[]){ make_entry ("10.0.0.0/16", web, 1, NULL) }, 1)));
  g_assert_cmpint (
      fz_flow_cache_receive (rx, world.snapshot, alice, &flow, &is_hit).kind, ==, PASS);
  g_assert_cmpint (
      fz_flow_cache_transmit (tx, world.snapshot, &answer, hash, &is_hit).kind, ==, PASS);

  /* a new snapshot forgets everything */
  g_assert_cmpint (
      fz_flow_cache_receive (rx, world.snapshot, alice, &flow, &is_hit).kind, ==, PASS);
  g_assert_true (is_hit);
  fz_flow_cache_begin (rx, 2);
  g_assert_cmpint (
      fz_flow_cache_receive (rx, world.snapshot, alice, &flow, &is_hit).kind, ==, PASS);
  g_assert_false (is_hit);
  fz_flow_cache_free (rx);
  fz_flow_cache_free (tx);
  clear_world (&world);
}

/* More flows than entries: old ones give way, answers stay right. */
static void
test_cache_overflow (void)
{
  static const Case c = { "", "100.64.0.2", "10.0.0.1", TCP, 5, 80, PASS, 0, 0 };
  FzPeer *alice = make_peer (1), *bob = make_peer (2);
  World world = make_world (FZ_ROLE_GATEWAY, NULL, 0, alice, bob);
  FzFlowCache *cache = fz_flow_cache_new (99);
  FzFlow flow = make_flow (&c);
  size_t n_hits = 0;

  set_gateway_rights (alice, bob);
  fz_flow_cache_begin (cache, 1);
  for (int round = 0; round < 2; round++) {
    for (uint32_t port = 0; port < 10000; port++) {
      bool is_hit;

      flow.source_port = (uint16_t) port;
      flow.destination_port = port % 3 == 0 ? 81 : 80;
      g_assert_cmpint (fz_flow_cache_receive (cache, world.snapshot, alice, &flow, &is_hit).kind,
                       ==,
                       port % 3 == 0 ? ENGINE : PASS);
      n_hits += is_hit;
    }
  }
  g_assert_cmpuint (n_hits, <, 4 * FZ_FLOW_CACHE_SETS);
  fz_flow_cache_free (cache);
  clear_world (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/verdict/client/transmit", test_client_transmit);
  g_test_add_func ("/verdict/client/receive", test_client_receive);
  g_test_add_func ("/verdict/gateway/transmit", test_gateway_transmit);
  g_test_add_func ("/verdict/gateway/receive", test_gateway_receive);
  g_test_add_func ("/verdict/bare", test_bare);
  g_test_add_func ("/verdict/tunnel-range", test_tunnel_range);
  g_test_add_func ("/flow/from-packet", test_flow);
  g_test_add_func ("/flow-cache/revocation", test_cache_revocation);
  g_test_add_func ("/flow-cache/overflow", test_cache_overflow);
  return g_test_run ();
}
