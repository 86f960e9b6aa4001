/* test-engine.c: whole engines with their lanes against each other, through relay, routers and
 * portal of the simulator (connectivity.md §12.10, tunnel.md §12). */

#include "src/crypto/fz-crypto.h"
#include "tests/sim/fz-sim-world.h"

#define LAN    "10.20.0.0/16"
#define SERVER "10.20.0.9"

static const FzFilter echo_only[] = { { FZ_FILTER_UDP, 7, 7 } };

/* A client and a gateway with one resource that is allowed; indices 0 and 1. */
static void
setup (FzSimWorld *world, uint64_t seed, int client_nat, int gateway_nat)
{
  unsigned resource;

  fz_sim_world_init (world, seed);
  fz_sim_world_add (world, false, client_nat);
  fz_sim_world_add (world, true, gateway_nat);
  resource = fz_sim_portal_add_resource (world->portal, LAN, NULL, 0);
  fz_sim_portal_set_policy (world->portal, 0, resource, true);
  fz_sim_world_run (world, 2 * FZ_S);
}

static void
assert_round_trip (FzSimWorld *world, uint32_t mark)
{
  fz_sim_world_ping (world, 0, SERVER, mark);
  fz_sim_world_run (world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (world, 1, mark), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (world, 0, mark), ==, 1);
}

/* -- first packets -- */

static void
test_first_packets (void)
{
  g_auto (FzSimWorld) world;
  uint32_t expected = 1;

  setup (&world, fz_sim_seed (1), FZ_SIM_OPEN, FZ_SIM_OPEN);
  for (uint32_t mark = 1; mark <= 20; mark++) { /* some before, some while it is being set up */
    fz_sim_world_send_udp (&world, 0, SERVER, 0, mark);
    fz_sim_world_run (&world, 10 * FZ_MS);
  }
  fz_sim_world_run (&world, FZ_S);

  for (guint i = 0; i < world.seen->len; i++) {
    const FzSimSeen *seen = &g_array_index (world.seen, FzSimSeen, i);

    if (seen->at == 1)
      g_assert_cmpuint (seen->mark, ==, expected++); /* each once and in order */
  }
  g_assert_cmpuint (expected, ==, 21);
  g_assert_cmpuint (world.seen->len, ==, 40);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
  g_assert_cmpuint (world.n_connected, ==, 2);
  g_assert_cmpuint (world.n_malformed, ==, 0);
}

static void
test_buffer_is_bounded (void)
{
  g_auto (FzSimWorld) world;
  unsigned n = 0;

  setup (&world, fz_sim_seed (2), FZ_SIM_OPEN, FZ_SIM_OPEN);
  for (uint32_t mark = 1; mark <= 300; mark++)
    fz_sim_world_send_udp (&world, 0, SERVER, 0, mark);
  fz_sim_world_run (&world, 3 * FZ_S);
  for (uint32_t mark = 1; mark <= 300; mark++)
    n += fz_sim_world_count (&world, 1, mark);
  g_assert_cmpuint (n, ==, 128);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 172), ==, 0);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 173), ==, 1); /* the oldest went */
}

static void
test_fast_path (void)
{
  g_auto (FzSimWorld) world;
  FzSimNodeStats before;

  setup (&world, fz_sim_seed (3), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  before = *fz_sim_node_get_stats (world.nodes[0]);
  for (uint32_t mark = 100; mark < 200; mark++)
    fz_sim_world_send_udp (&world, 0, SERVER, 0, mark);
  fz_sim_world_run (&world, 100 * FZ_MS);
  for (uint32_t mark = 100; mark < 200; mark++) {
    g_assert_cmpuint (fz_sim_world_count (&world, 1, mark), ==, 1);
    g_assert_cmpuint (fz_sim_world_count (&world, 0, mark), ==, 1);
  }
  g_assert_cmpuint (
      fz_sim_node_get_stats (world.nodes[0])->n_fast - before.n_fast, ==, 100); /* none by engine */
  g_assert_cmpuint (fz_sim_node_get_stats (world.nodes[0])->n_messages - before.n_messages, <, 10);
}

/* Traffic all the time, over three renewals of the keys: nothing is lost, nothing overtakes,
 * nothing waits, neither on a direct path nor on a relayed one. */
static void
test_renewal_under_traffic (gconstpointer data)
{
  int nat = GPOINTER_TO_INT (data);
  g_auto (FzSimWorld) world;
  uint32_t sent = 1, expected[2] = { 2, 2 };

  setup (&world, fz_sim_seed (31), nat, nat);
  assert_round_trip (&world, 1);
  for (unsigned step = 0; step < 10; step++) { /* the path may still become better */
    fz_sim_world_run (&world, FZ_S);
    fz_sim_world_ping (&world, 0, SERVER, 1);
  }
  fz_sim_world_run (&world, FZ_S);

  while (sent < 40000) {
    fz_sim_world_forget (&world);
    fz_sim_world_send_udp (&world, 0, SERVER, 0, ++sent);
    fz_sim_world_run (&world, 10 * FZ_MS);
    for (guint i = 0; i < world.seen->len; i++) {
      const FzSimSeen *seen = &g_array_index (world.seen, FzSimSeen, i);

      g_assert_cmpuint (seen->mark, ==, expected[seen->at]++);
    }
    g_assert_cmpuint (sent - expected[0], <, 50); /* half a second there and back */
  }
  g_assert_cmpuint (world.n_malformed, ==, 0);
}

static void
test_ipv6_inside (void)
{
  g_auto (FzSimWorld) world;
  unsigned resource;

  setup (&world, fz_sim_seed (4), FZ_SIM_OPEN, FZ_SIM_OPEN);
  resource = fz_sim_portal_add_resource (world.portal, "fd12:3456::/32", echo_only, 1);
  fz_sim_portal_set_policy (world.portal, 0, resource, true);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_send_udp (&world, 0, "fd12:3456::9", 7, 5);
  fz_sim_world_send_udp (&world, 0, "fd12:3456::9", 8, 6);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 5), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 6), ==, 0);
  g_assert_cmpuint (fz_sim_world_count_prohibited (&world, 0), ==, 1);
}

/* -- policy -- */

static void
test_policy_comes_and_goes (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (5), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);

  fz_sim_portal_set_policy (world.portal, 0, 0, false);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 2);
  fz_sim_world_run (&world, 5 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 2), ==, 0);
  g_assert_cmpuint (world.n_connected, ==, 0); /* the last resource is gone: goodbye */

  fz_sim_portal_set_policy (world.portal, 0, 0, true);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 3);
  g_assert_cmpuint (world.n_connected, ==, 2);
}

static void
test_refused_at_the_gateway (void)
{
  g_auto (FzSimWorld) world;
  unsigned other;

  setup (&world, fz_sim_seed (6), FZ_SIM_OPEN, FZ_SIM_OPEN);
  other = fz_sim_portal_add_resource (world.portal, "10.30.0.0/16", NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, other, true);
  assert_round_trip (&world, 1);
  fz_sim_world_ping (&world, 0, "10.30.0.9", 2);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);

  /* The client does not know: the gateway refuses, the client hears it and asks again. */
  fz_sim_portal_reject_silently (world.portal, 0, 0);
  fz_sim_world_run (&world, 3 * FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 3);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 3), ==, 0);
  g_assert_cmpuint (fz_sim_world_count_prohibited (&world, 0), ==, 1);
  assert_round_trip (&world, 4);
  fz_sim_world_ping (&world, 0, "10.30.0.9", 5); /* the other one was never touched */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 5), ==, 1);
}

static void
test_filters (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (7), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_portal_set_filters (world.portal, 0, echo_only, 1);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 2); /* our own filter says no */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 2), ==, 0);
  g_assert_cmpuint (fz_sim_world_count_prohibited (&world, 0), ==, 1);
  fz_sim_world_send_udp (&world, 0, SERVER, 7, 3);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1);
  g_assert_cmpuint (
      fz_sim_portal_get_counters (world.portal)->n_requests, ==, 2); /* asked anew, §2.2 */
}

static void
test_expiry (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (8), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_portal_set_lifetime (world.portal, 30);
  assert_round_trip (&world, 1);
  fz_sim_world_run (&world, 20 * FZ_S);
  assert_round_trip (&world, 2);
  fz_sim_world_run (&world, 10 * FZ_S); /* the last grant is over: the gateway says goodbye */
  g_assert_cmpuint (world.n_connected, ==, 0);
  fz_sim_world_ping (&world, 0, SERVER, 3);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1); /* it asked again */
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_granted, ==, 2);
}

static void
test_unknown_destination (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (9), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_world_ping (&world, 0, "10.99.0.1", 1);
  fz_sim_world_ping (&world, 0, "100.64.0.1", 2); /* ourselves */
  fz_sim_world_ping (&world, 0, "100.64.0.77", 3);
  fz_sim_world_ping (&world, 0, "224.0.0.251", 4);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (world.seen->len, ==, 0);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 0);
}

static void
test_gateway_own_address (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (10), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_world_ping (&world, 0, "100.64.0.2", 2); /* needs no resource */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 2), ==, 1);
}

static void
test_two_resources_one_gateway (void)
{
  g_auto (FzSimWorld) world;
  unsigned other;

  setup (&world, fz_sim_seed (11), FZ_SIM_OPEN, FZ_SIM_OPEN);
  other = fz_sim_portal_add_resource (world.portal, "10.30.0.0/16", NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, other, true);
  assert_round_trip (&world, 1);
  fz_sim_world_ping (&world, 0, "10.30.0.9", 2);
  fz_sim_world_run (&world, 100 * FZ_MS); /* the connection is there: one round to the portal */
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);

  fz_sim_portal_set_policy (world.portal, 0, 0, false);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_ping (&world, 0, "10.30.0.9", 3); /* the other keeps flowing */
  fz_sim_world_ping (&world, 0, SERVER, 4);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 4), ==, 0);
  g_assert_cmpuint (world.n_connected, ==, 2);
}

/* -- faults -- */

static void
test_gateway_restart (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (20), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_portal_disconnect (world.portal, 1);
  fz_sim_node_restart (world.nodes[1]); /* killed: no goodbye */
  fz_sim_portal_connect (world.portal, 1);
  fz_sim_world_run (&world, 30 * FZ_S); /* the client's checks find out */
  fz_sim_world_ping (&world, 0, SERVER, 2);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);
}

static void
test_gateway_goodbye (void)
{
  g_auto (FzSimWorld) world;
  FzCommand command = { .kind = FZ_COMMAND_SHUT_DOWN };

  setup (&world, fz_sim_seed (30), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_node_command (world.nodes[1], &command);
  fz_sim_world_run (&world, 100 * FZ_MS);
  fz_sim_portal_disconnect (world.portal, 1);
  fz_sim_node_restart (world.nodes[1]);
  fz_sim_portal_connect (world.portal, 1);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 2); /* the client knew at once */
}

/* Failover: the portal chooses another gateway when the client asks again. */
static void
test_failover (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (31), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_world_add (&world, true, FZ_SIM_OPEN);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 1);
  fz_sim_portal_disconnect (world.portal, 1);
  fz_sim_block (world.sim, "203.0.113.2", NULL); /* the first gateway's cable is cut */
  fz_sim_block (world.sim, NULL, "203.0.113.2");
  fz_sim_world_ping (&world, 0, SERVER, 2);
  fz_sim_world_run (&world, 25 * FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 3);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 2, 3), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1);
}

/* A router that restarts maps us anew: the checks find the new way, nothing is asked again. */
static void
test_router_restart (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (32), FZ_SIM_NAT_SYMMETRIC, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_forget_mappings (world.sim, world.routers[0]);
  for (uint32_t mark = 2; mark < 12; mark++) {
    fz_sim_world_ping (&world, 0, SERVER, mark);
    fz_sim_world_run (&world, 2 * FZ_S);
  }
  assert_round_trip (&world, 12);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
}

/* The gateway hears no candidate of the client's, only its checks: the path is proof enough. */
static void
test_candidates_one_way (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (33), FZ_SIM_NAT_PORT_RESTRICTED, FZ_SIM_OPEN);
  fz_sim_portal_set_forwarding (world.portal, 0, false);
  assert_round_trip (&world, 1);
  fz_sim_world_run (&world, 30 * FZ_S);
  assert_round_trip (&world, 2);
  g_assert_cmpuint (world.n_connected, ==, 2);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
}

/* A resource that moves to another gateway leaves the first without use: goodbye to that. */
static void
test_resource_moves (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (34), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_world_add (&world, true, FZ_SIM_OPEN);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_portal_add_resource (world.portal, "10.30.0.0/16", NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, 1, true);
  assert_round_trip (&world, 1);
  fz_sim_world_ping (&world, 0, "10.30.0.9", 2); /* both through the first gateway */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 1, 2), ==, 1);

  fz_sim_portal_reject_silently (world.portal, 0, 0); /* the second keeps that connection up */
  fz_sim_world_run (&world, FZ_S);
  fz_sim_portal_disconnect (world.portal, 1);
  fz_sim_world_ping (&world, 0, SERVER, 3); /* "prohibited": ask; the portal has the other left */
  fz_sim_world_run (&world, 2 * FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 4);
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 2, 4), ==, 1);
  g_assert_cmpuint (world.n_connected, ==, 4);

  fz_sim_portal_connect (world.portal, 1);
  fz_sim_portal_set_policy (world.portal, 0, 1, false); /* now the first is of no use */
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (world.n_connected, ==, 2);
  fz_sim_world_ping (&world, 0, SERVER, 5);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 5), ==, 1);
}

static void
test_client_restart (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (21), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_portal_disconnect (world.portal, 0);
  fz_sim_node_restart (world.nodes[0]);
  fz_sim_portal_connect (world.portal, 0);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 2); /* a new key replaces the old connection at once */
}

static void
test_client_shutdown (void)
{
  g_auto (FzSimWorld) world;
  FzCommand command = { .kind = FZ_COMMAND_SHUT_DOWN };

  setup (&world, fz_sim_seed (22), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_node_command (world.nodes[0], &command);
  fz_sim_world_run (&world, 100 * FZ_MS);
  g_assert_cmpuint (world.n_connected, ==, 0); /* the goodbye has arrived */
}

static void
test_portal_away (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (23), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_portal_disconnect (world.portal, 0);
  fz_sim_portal_disconnect (world.portal, 1);
  for (uint32_t mark = 2; mark < 40; mark++) { /* ten minutes without portal */
    fz_sim_world_run (&world, 15 * FZ_S);
    assert_round_trip (&world, mark);
  }
  fz_sim_portal_connect (world.portal, 0);
  fz_sim_portal_connect (world.portal, 1);
  fz_sim_world_run (&world, 2 * FZ_S);
  assert_round_trip (&world, 40); /* init changed nothing */
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
}

static void
test_portal_away_at_first (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (24), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_portal_disconnect (world.portal, 0);
  fz_sim_world_ping (&world, 0, SERVER, 1); /* the request is lost */
  fz_sim_world_run (&world, 5 * FZ_S);
  fz_sim_portal_connect (world.portal, 0);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 2); /* traffic repeats it */
  fz_sim_world_run (&world, 2 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 1), ==, 1);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 2), ==, 1);
}

static void
test_gateway_offline (void)
{
  g_auto (FzSimWorld) world;
  const FzResourceView *view;

  setup (&world, fz_sim_seed (25), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_portal_disconnect (world.portal, 1);
  fz_sim_world_ping (&world, 0, SERVER, 1);
  fz_sim_world_run (&world, 3 * FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 2);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (world.n_offline, ==, 1); /* once */
  g_assert_cmpuint (
      fz_engine_get_resources (fz_sim_node_get_engine (world.nodes[0]), &view), ==, 1);
  g_assert_cmpint (view[0].status, ==, FZ_RESOURCE_STATUS_OFFLINE);
  fz_sim_portal_connect (world.portal, 1);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 3);
  g_assert_cmpuint (
      fz_engine_get_resources (fz_sim_node_get_engine (world.nodes[0]), &view), ==, 1);
  g_assert_cmpint (view[0].status, ==, FZ_RESOURCE_STATUS_ONLINE);
}

static void
test_no_relays (void)
{
  g_auto (FzSimWorld) world;
  unsigned resource;

  fz_sim_world_init (&world, fz_sim_seed (26));
  fz_sim_portal_set_relays_listed (world.portal, false);
  fz_sim_world_add (&world, false, FZ_SIM_OPEN);
  fz_sim_world_add (&world, true, FZ_SIM_OPEN);
  resource = fz_sim_portal_add_resource (world.portal, LAN, NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, resource, true);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_world_ping (&world, 0, SERVER, 1);
  fz_sim_portal_set_relays_listed (world.portal, true);
  fz_sim_world_run (&world, 3 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 1), ==, 0);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_no_relays, ==, 1); /* gateway */
  fz_sim_world_ping (&world, 0, SERVER, 2);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_no_relays, ==, 2); /* client */
  fz_sim_world_run (&world, 2 * FZ_S);
  assert_round_trip (&world, 3);
}

static void
test_loss (void)
{
  g_auto (FzSimWorld) world;
  unsigned n_there = 0, n_back = 0;

  fz_sim_world_init (&world, fz_sim_seed (27));
  world.link = (FzSimLink){
    .delay_ns = 20 * FZ_MS,
    .jitter_ns = 5 * FZ_MS,
    .loss_permille = 100, /* each of the two links of a way: 19 % */
    .duplicate_permille = 20,
    .reorder_permille = 20,
  };
  fz_sim_world_add (&world, false, FZ_SIM_OPEN);
  fz_sim_world_add (&world, true, FZ_SIM_OPEN);
  fz_sim_portal_add_resource (world.portal, LAN, NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, 0, true);
  fz_sim_world_run (&world, 3 * FZ_S);
  for (uint32_t mark = 1; mark <= 400; mark++) { /* over two renewals of the keys */
    fz_sim_world_ping (&world, 0, SERVER, mark);
    fz_sim_world_run (&world, FZ_S);
    g_assert_cmpuint (fz_sim_world_count (&world, 1, mark), <=, 1);
    n_there += fz_sim_world_count (&world, 1, mark);
    n_back += fz_sim_world_count (&world, 0, mark);
  }
  g_test_message ("%u of 400 there, %u back", n_there, n_back);
  g_assert_cmpuint (n_there, >, 280);
  g_assert_cmpuint (n_back, >, 210);
  g_assert_cmpuint (world.n_malformed, ==, 0);
}

static void
test_roaming (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (28), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_world_roam (&world, 0);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 2);
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_granted, ==, 2);
}

static void
test_everything_twice (void)
{
  g_auto (FzSimWorld) world;

  fz_sim_world_init (&world, fz_sim_seed (29));
  fz_sim_portal_set_copies (world.portal, 2);
  fz_sim_world_add (&world, false, FZ_SIM_OPEN);
  fz_sim_world_add (&world, true, FZ_SIM_OPEN);
  fz_sim_portal_add_resource (world.portal, LAN, NULL, 0);
  fz_sim_portal_set_policy (world.portal, 0, 0, true);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 1);
  fz_sim_portal_set_policy (world.portal, 0, 0, false);
  fz_sim_world_run (&world, FZ_S);
  fz_sim_portal_set_policy (world.portal, 0, 0, true);
  fz_sim_world_run (&world, FZ_S);
  assert_round_trip (&world, 2);
}

/* -- routers -- */

static const struct {
  int client, gateway;
  const char *path;
} nats[] = {
  { FZ_SIM_NAT_FULL_CONE, FZ_SIM_OPEN, "/engine/nat/cone-open" },
  { FZ_SIM_NAT_PORT_RESTRICTED, FZ_SIM_NAT_PORT_RESTRICTED, "/engine/nat/restricted-both" },
  { FZ_SIM_NAT_SYMMETRIC, FZ_SIM_OPEN, "/engine/nat/symmetric-open" },
  { FZ_SIM_OPEN, FZ_SIM_NAT_SYMMETRIC, "/engine/nat/open-symmetric" },
  { FZ_SIM_NAT_SYMMETRIC, FZ_SIM_NAT_ADDRESS_RESTRICTED, "/engine/nat/symmetric-address" },
  { FZ_SIM_NAT_SYMMETRIC, FZ_SIM_NAT_SYMMETRIC, "/engine/nat/symmetric-both-relayed" },
};

static void
test_nat (gconstpointer data)
{
  g_auto (FzSimWorld) world;
  size_t i = GPOINTER_TO_SIZE (data);
  FzEngineCounters counters;

  setup (&world, fz_sim_seed (40 + i), nats[i].client, nats[i].gateway);
  fz_sim_world_ping (&world, 0, SERVER, 1);
  fz_sim_world_run (&world, 5 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 1), ==, 1);
  /* Better paths are found one after the other: no new handshake for each (§2.8). */
  fz_engine_get_counters (fz_sim_node_get_engine (world.nodes[0]), &counters);
  g_assert_cmpuint (counters.handshakes_started, ==, 1);
  assert_round_trip (&world, 2);
  fz_sim_world_run (&world, 360 * FZ_S); /* idle checks keep the mappings */
  assert_round_trip (&world, 3);
}

/* -- quiet and repeatable -- */

static void
test_idle_is_quiet (void)
{
  g_auto (FzSimWorld) world;
  FzSimNodeStats before[2];

  setup (&world, fz_sim_seed (60), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_world_run (&world, 60 * FZ_S);
  for (unsigned i = 0; i < 2; i++)
    before[i] = *fz_sim_node_get_stats (world.nodes[i]);
  fz_sim_world_run (&world, 3600 * FZ_S);
  for (unsigned i = 0; i < 2; i++) {
    const FzSimNodeStats *after = fz_sim_node_get_stats (world.nodes[i]);
    uint64_t n_wakeups = after->n_wakeups - before[i].n_wakeups;

    g_test_message ("node %u: %" G_GUINT64_FORMAT " wake-ups, %" G_GUINT64_FORMAT
                    " by deadlines, %" G_GUINT64_FORMAT " by the lane, %" G_GUINT64_FORMAT
                    " messages in an hour",
                    i,
                    n_wakeups,
                    after->n_timeouts - before[i].n_timeouts,
                    after->n_calls - before[i].n_calls,
                    after->n_messages - before[i].n_messages);
    g_assert_cmpuint (n_wakeups, <=, 900); /* 0.25 a second; each relayed answer by itself */
    /* each check of the peer's by itself, over six ways; no answer to one of ours */
    g_assert_cmpuint (after->n_calls - before[i].n_calls, <=, 144 * 6);
    /* 144 rounds of checks, which the gateway leads; some 22 renewals of keys and their ends, 12
     * refreshes of the relay */
    g_assert_cmpuint (after->n_timeouts - before[i].n_timeouts, <=, i == 1 ? 200 : 100);
  }
  assert_round_trip (&world, 2);
}

/* Two days: keys renewed a thousand times, relays refreshed, one question to the portal. */
static void
test_two_days (void)
{
  g_auto (FzSimWorld) world;

  setup (&world, fz_sim_seed (64), FZ_SIM_NAT_SYMMETRIC, FZ_SIM_NAT_SYMMETRIC);
  assert_round_trip (&world, 1);
  for (uint32_t mark = 2; mark < 2 + 48 * 6; mark++) {
    fz_sim_world_run (&world, 598 * FZ_S);
    assert_round_trip (&world, mark);
    fz_sim_world_forget (&world);
  }
  g_assert_cmpuint (fz_sim_portal_get_counters (world.portal)->n_requests, ==, 1);
}

/* An idle connection that wakes up watches its path closely again: consent is lost in seconds. */
static void
test_idle_wakes_up (void)
{
  g_auto (FzSimWorld) world;
  uint64_t n_idle, n_awake;

  setup (&world, fz_sim_seed (63), FZ_SIM_OPEN, FZ_SIM_OPEN);
  assert_round_trip (&world, 1);
  fz_sim_world_run (&world, 60 * FZ_S);
  n_idle = fz_sim_node_get_stats (world.nodes[0])->n_transmits;
  fz_sim_world_run (&world, 18 * FZ_S);
  n_idle = fz_sim_node_get_stats (world.nodes[0])->n_transmits - n_idle;
  assert_round_trip (&world, 2);
  n_awake = fz_sim_node_get_stats (world.nodes[0])->n_transmits;
  fz_sim_world_run (&world, 16 * FZ_S);
  n_awake = fz_sim_node_get_stats (world.nodes[0])->n_transmits - n_awake;
  g_test_message ("%" G_GUINT64_FORMAT " idle, %" G_GUINT64_FORMAT " awake", n_idle, n_awake);
  g_assert_cmpuint (n_awake, >=, 20); /* every 1.5 s, several pairs */
  g_assert_cmpuint (n_awake, >=, 2 * n_idle);
}

static void
test_without_peers_is_silent (void)
{
  g_auto (FzSimWorld) world;
  FzSimNodeStats before;

  setup (&world, fz_sim_seed (61), FZ_SIM_OPEN, FZ_SIM_OPEN);
  fz_sim_world_run (&world, 60 * FZ_S);
  before = *fz_sim_node_get_stats (world.nodes[0]);
  fz_sim_world_run (&world, 3600 * FZ_S);
  /* keep-alive and refresh of the relay only */
  g_assert_cmpuint (
      fz_sim_node_get_stats (world.nodes[0])->n_timeouts - before.n_timeouts, <=, 400);
}

static uint64_t
run_once (uint64_t seed)
{
  g_auto (FzSimWorld) world;

  setup (&world, seed, FZ_SIM_NAT_PORT_RESTRICTED, FZ_SIM_NAT_PORT_RESTRICTED);
  for (uint32_t mark = 1; mark <= 50; mark++) {
    fz_sim_world_send_udp (&world, 0, SERVER, 0, mark);
    fz_sim_world_run (&world, 5 * FZ_S);
  }
  return fz_sim_node_get_stats (world.nodes[0])->digest ^
         fz_sim_node_get_stats (world.nodes[1])->digest;
}

static void
test_repeatable (void)
{
  uint64_t seed = fz_sim_seed (62);
  uint64_t first = run_once (seed);

  g_assert_cmpuint (first, ==, run_once (seed));
  g_assert_cmpuint (first, !=, run_once (seed + 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/engine/first-packets/in-order", test_first_packets);
  g_test_add_func ("/engine/first-packets/bounded", test_buffer_is_bounded);
  g_test_add_func ("/engine/fast-path", test_fast_path);
  g_test_add_data_func ("/engine/renewal-under-traffic/direct",
                        GINT_TO_POINTER (FZ_SIM_OPEN),
                        test_renewal_under_traffic);
  g_test_add_data_func ("/engine/renewal-under-traffic/relayed",
                        GINT_TO_POINTER (FZ_SIM_NAT_SYMMETRIC),
                        test_renewal_under_traffic);
  g_test_add_func ("/engine/ipv6-inside", test_ipv6_inside);
  g_test_add_func ("/engine/policy/comes-and-goes", test_policy_comes_and_goes);
  g_test_add_func ("/engine/policy/refused-at-the-gateway", test_refused_at_the_gateway);
  g_test_add_func ("/engine/policy/filters", test_filters);
  g_test_add_func ("/engine/policy/expiry", test_expiry);
  g_test_add_func ("/engine/routes/unknown", test_unknown_destination);
  g_test_add_func ("/engine/routes/gateway-itself", test_gateway_own_address);
  g_test_add_func ("/engine/routes/two-resources", test_two_resources_one_gateway);
  g_test_add_func ("/engine/faults/gateway-restart", test_gateway_restart);
  g_test_add_func ("/engine/faults/gateway-goodbye", test_gateway_goodbye);
  g_test_add_func ("/engine/faults/failover", test_failover);
  g_test_add_func ("/engine/faults/router-restart", test_router_restart);
  g_test_add_func ("/engine/faults/candidates-one-way", test_candidates_one_way);
  g_test_add_func ("/engine/faults/resource-moves", test_resource_moves);
  g_test_add_func ("/engine/faults/client-restart", test_client_restart);
  g_test_add_func ("/engine/faults/client-shutdown", test_client_shutdown);
  g_test_add_func ("/engine/faults/portal-away", test_portal_away);
  g_test_add_func ("/engine/faults/portal-away-at-first", test_portal_away_at_first);
  g_test_add_func ("/engine/faults/gateway-offline", test_gateway_offline);
  g_test_add_func ("/engine/faults/no-relays", test_no_relays);
  g_test_add_func ("/engine/faults/loss", test_loss);
  g_test_add_func ("/engine/faults/roaming", test_roaming);
  g_test_add_func ("/engine/faults/everything-twice", test_everything_twice);
  for (size_t i = 0; i < G_N_ELEMENTS (nats); i++)
    g_test_add_data_func (nats[i].path, GSIZE_TO_POINTER (i), test_nat);
  g_test_add_func ("/engine/quiet/idle", test_idle_is_quiet);
  g_test_add_func ("/engine/quiet/two-days", test_two_days);
  g_test_add_func ("/engine/quiet/wakes-up", test_idle_wakes_up);
  g_test_add_func ("/engine/quiet/without-peers", test_without_peers_is_silent);
  g_test_add_func ("/engine/repeatable", test_repeatable);
  return g_test_run ();
}
