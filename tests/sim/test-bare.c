/* test-bare.c: plain WireGuard, two bare engines with their lanes: who starts, loss, roaming,
 * silence. What a foreign implementation says of us is tested in tests/netns. */

#include "src/crypto/fz-crypto.h"
#include "tests/sim/fz-sim-node.h"
#include "tests/sim/fz-sim-packet.h"

#include <string.h>

typedef struct {
  FzSim *sim;
  FzSimNode *nodes[2];
  uint32_t last_mark[2]; /* newest packet at each TUN */
  unsigned n_packets[2];
  unsigned n_out_of_order;
} World;

static const char *const addresses[] = { "192.0.2.1", "192.0.2.2" };

static void
on_packet (void *context, FzSimNode *node, FzSpan bytes)
{
  World *world = context;
  unsigned at = node == world->nodes[1];
  FzSimPacket packet;

  g_assert_true (fz_sim_packet_parse (bytes, &packet));
  world->n_out_of_order += packet.mark < world->last_mark[at];
  world->last_mark[at] = packet.mark;
  world->n_packets[at]++;
}

static void
on_event (void *context, FzSimNode *node, const FzEvent *event)
{
}

static FzIp
inner_ip (unsigned node)
{
  return (FzIp){ FZ_IP_V4, { 10, 0, 0, (uint8_t) (node + 1) } };
}

static void
add_peer (World *world, unsigned node, bool has_endpoint, uint32_t keepalive_s)
{
  unsigned other = 1 - node;
  FzIpNetwork allowed = { inner_ip (other), 32 };
  FzCommand command = { .kind = FZ_COMMAND_ADD_BARE_PEER };

  command.bare_peer.id = (FzUuid){ { (uint8_t) (other + 1) } };
  memcpy (command.bare_peer.public_key,
          fz_engine_get_public_key (fz_sim_node_get_engine (world->nodes[other])),
          FZ_KEY_SIZE);
  command.bare_peer.preshared_key[0] = 9;
  if (has_endpoint) {
    g_assert_true (fz_ip_parse (addresses[other], &command.bare_peer.endpoint.ip));
    command.bare_peer.endpoint.port = FZ_SIM_PORT;
  }
  command.bare_peer.allowed = &allowed;
  command.bare_peer.n_allowed = 1;
  command.bare_peer.keepalive_s = keepalive_s;
  fz_sim_node_command (world->nodes[node], &command);
}

/* The first knows where the second is, not the other way round. */
static void
world_init (World *world, uint64_t seed, const FzSimLink *link, uint32_t keepalive_s)
{
  FzSimNodeHooks hooks = { on_packet, on_event, world };

  *world = (World){ .sim = fz_sim_new (seed) };
  for (unsigned i = 0; i < 2; i++) {
    unsigned host = fz_sim_add_host (world->sim, FZ_SIM_INTERNET, link);

    fz_sim_add_address (world->sim, host, addresses[i]);
    world->nodes[i] = fz_sim_node_new (world->sim, host, FZ_ROLE_BARE, addresses[i], NULL, &hooks);
  }
  add_peer (world, 0, true, keepalive_s);
  add_peer (world, 1, false, 0);
}

static void
world_clear (World *world)
{
  for (unsigned i = 0; i < 2; i++)
    fz_sim_node_free (world->nodes[i]);
  fz_sim_free (world->sim);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

static void
send_packet (World *world, unsigned from, FzIp source, uint32_t mark)
{
  FzSimPacket packet = {
    .source = source,
    .destination = inner_ip (1 - from),
    .protocol = FZ_IP_PROTOCOL_UDP,
    .source_port = 1,
    .destination_port = 2,
    .mark = mark,
    .payload = 100,
  };
  uint8_t bytes[FZ_SIM_PACKET_MAX];

  fz_sim_node_send (world->nodes[from], fz_span (bytes, fz_sim_packet_build (&packet, bytes)));
}

static const FzSimLink quick = { .delay_ns = 10 * FZ_MS };

static void
test_first_packets (void)
{
  g_auto (World) world;

  world_init (&world, fz_sim_seed (1), &quick, 0);
  send_packet (&world, 1, inner_ip (1), 1); /* knows no endpoint: waits */
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[0], ==, 0);
  for (uint32_t mark = 1; mark <= 30; mark++) {
    send_packet (&world, 0, inner_ip (0), mark);
    fz_sim_run_for (world.sim, 2 * FZ_MS);
  }
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[1], ==, 30);
  g_assert_cmpuint (world.n_packets[0], ==, 1); /* what waited on the other side came too */
  g_assert_cmpuint (world.n_out_of_order, ==, 0);
  g_assert_cmpuint (fz_sim_node_get_stats (world.nodes[0])->n_fast, >=, 5);
}

static void
test_renewal_under_loss (void)
{
  g_auto (World) world;
  const FzSimLink bad = {
    .delay_ns = 10 * FZ_MS,
    .jitter_ns = 3 * FZ_MS,
    .loss_permille = 100,
    .reorder_permille = 50,
    .duplicate_permille = 50,
  };

  world_init (&world, fz_sim_seed (2), &bad, 0);
  for (uint32_t mark = 1; mark <= 3000; mark++) { /* ten minutes: five keys */
    send_packet (&world, 0, inner_ip (0), mark);
    send_packet (&world, 1, inner_ip (1), mark);
    fz_sim_run_for (world.sim, 200 * FZ_MS);
  }
  g_test_message ("%u and %u of 3000", world.n_packets[0], world.n_packets[1]);
  for (unsigned i = 0; i < 2; i++) {
    g_assert_cmpuint (world.n_packets[i], >, 2200); /* 81 % of each way */
    g_assert_cmpuint (world.n_packets[i], <=, 3000);
  }
}

static void
test_roaming (void)
{
  g_auto (World) world;
  FzCommand changed = { .kind = FZ_COMMAND_NETWORK_CHANGED };
  unsigned host;

  world_init (&world, fz_sim_seed (3), &quick, 0);
  send_packet (&world, 0, inner_ip (0), 1);
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[1], ==, 1);

  host = fz_sim_node_get_host (world.nodes[0]);
  fz_sim_add_address (world.sim, host, "192.0.2.77");
  fz_sim_remove_address (world.sim, host, addresses[0]);
  fz_sim_node_set_address (world.nodes[0], "192.0.2.77");
  fz_sim_node_command (world.nodes[0], &changed);
  send_packet (&world, 0, inner_ip (0), 2); /* authenticated from elsewhere: followed */
  fz_sim_run_for (world.sim, FZ_S);
  send_packet (&world, 1, inner_ip (1), 3);
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[1], ==, 2);
  g_assert_cmpuint (world.n_packets[0], ==, 1);
}

static void
test_not_allowed (void)
{
  g_auto (World) world;

  world_init (&world, fz_sim_seed (4), &quick, 0);
  send_packet (&world, 0, inner_ip (0), 1);
  send_packet (&world, 0, (FzIp){ FZ_IP_V4, { 10, 9, 9, 9 } }, 2); /* not its source */
  fz_sim_run_for (world.sim, FZ_S);
  send_packet (&world, 0, (FzIp){ FZ_IP_V4, { 10, 9, 9, 9 } }, 3);
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[1], ==, 1);
  g_assert_cmpuint (world.last_mark[1], ==, 1);
}

static void
test_silent_peer (void)
{
  g_auto (World) world;
  FzSimNodeStats before;

  world_init (&world, fz_sim_seed (5), &quick, 0);
  fz_sim_block (world.sim, NULL, addresses[1]);
  send_packet (&world, 0, inner_ip (0), 1);
  fz_sim_run_for (world.sim, 100 * FZ_S); /* 90 s of attempts, then quiet */
  before = *fz_sim_node_get_stats (world.nodes[0]);
  g_assert_cmpuint (before.n_transmits, >=, 15);
  fz_sim_run_for (world.sim, 600 * FZ_S);
  g_assert_cmpuint (fz_sim_node_get_stats (world.nodes[0])->n_transmits, ==, before.n_transmits);
  fz_sim_unblock (world.sim);
  send_packet (&world, 0, inner_ip (0), 2); /* the first has waited long enough and is gone */
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[1], ==, 1);
  g_assert_cmpuint (world.last_mark[1], ==, 2);
}

static void
test_keepalive (void)
{
  g_auto (World) world;
  uint64_t n;

  world_init (&world, fz_sim_seed (6), &quick, 25);
  fz_sim_run_for (world.sim, 10 * FZ_S);
  n = fz_sim_node_get_stats (world.nodes[0])->n_transmits;
  fz_sim_run_for (world.sim, 1000 * FZ_S);
  n = fz_sim_node_get_stats (world.nodes[0])->n_transmits - n;
  g_assert_cmpuint (n, >=, 39);
  g_assert_cmpuint (n, <=, 70);             /* renewals of the keys among them */
  send_packet (&world, 1, inner_ip (1), 1); /* it has known us all the time */
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[0], ==, 1);
}

static void
test_idle_is_silent (void)
{
  g_auto (World) world;
  FzSimNodeStats before;

  world_init (&world, fz_sim_seed (7), &quick, 0);
  send_packet (&world, 0, inner_ip (0), 1);
  fz_sim_run_for (world.sim, 600 * FZ_S);
  before = *fz_sim_node_get_stats (world.nodes[0]);
  fz_sim_run_for (world.sim, 3600 * FZ_S);
  g_assert_cmpuint (fz_sim_node_get_stats (world.nodes[0])->n_wakeups, ==, before.n_wakeups);
  send_packet (&world, 0, inner_ip (0), 2);
  fz_sim_run_for (world.sim, FZ_S);
  g_assert_cmpuint (world.n_packets[1], ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/bare/first-packets", test_first_packets);
  g_test_add_func ("/bare/renewal-under-loss", test_renewal_under_loss);
  g_test_add_func ("/bare/roaming", test_roaming);
  g_test_add_func ("/bare/not-allowed", test_not_allowed);
  g_test_add_func ("/bare/silent-peer", test_silent_peer);
  g_test_add_func ("/bare/keepalive", test_keepalive);
  g_test_add_func ("/bare/idle-is-silent", test_idle_is_silent);
  return g_test_run ();
}
