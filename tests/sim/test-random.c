/* test-random.c: random scenarios against a reference model.
 *
 * The world: two clients and two gateways behind random routers, four resources
 * that overlap and filter. Random steps change policies, filters, links to the
 * portal, addresses, processes. After each the world settles, and probes go out
 * whose fate the model knows:
 *
 *   granted      exactly one request at a gateway, exactly one answer back
 *   refused      exactly one "prohibited" at the client, nothing at any gateway
 *   unrouted     nothing anywhere
 *   excused      while links are down or a peer has just died: at most one of each
 *
 * `test-sim-random --seed 123` (or FZ_SEED=123) replays one run.
 */

#include "src/crypto/fz-crypto.h"
#include "tests/sim/fz-sim-world.h"

#include <string.h>

#define N_CLIENTS   2u
#define N_GATEWAYS  2u
#define N_NODES     (N_CLIENTS + N_GATEWAYS)
#define N_RESOURCES 4u
#define N_STEPS     30u
#define N_RUNS      60u

static const FzFilter udp_seven[] = { { FZ_FILTER_UDP, 7, 7 } };
static const FzFilter echo[] = { { FZ_FILTER_UDP, 0, 7 }, { FZ_FILTER_ICMP, 0, 0 } };
static const FzFilter web[] = { { FZ_FILTER_TCP, 80, 80 } };

static const struct {
  const FzFilter *filters;
  size_t n;
} filter_sets[] = { { NULL, 0 }, { udp_seven, 1 }, { echo, 2 }, { web, 1 } };

static const char *const networks[N_RESOURCES] = {
  "10.20.0.0/16",
  "10.20.5.0/24", /* inside the first */
  "10.30.0.0/16",
  "fd12:3456::/32",
};

static const char *const destinations[] = {
  "10.20.0.9", "10.20.5.9", "10.20.5.10", "10.30.1.2", "fd12:3456::9", "10.99.0.1", "fd99::1",
};

typedef struct {
  FzSimWorld world;
  FzRng rng;
  FzSeededRng seeded;
  uint32_t next_mark;
  unsigned filters[N_RESOURCES]; /* index into filter_sets */
  bool is_disturbed;             /* a probe may be lost until the next calm */
} Run;

typedef enum {
  FATE_GRANTED,
  FATE_REFUSED,
  FATE_UNROUTED,
} Fate;

static unsigned
draw (Run *run, unsigned n)
{
  return (unsigned) fz_rng_below (&run->rng, n);
}

/* -- the model -- */

static Fate
expect (const Run *run, unsigned client, const char *destination, bool is_ping, uint16_t port)
{
  FzProtocolKey key = { is_ping ? FZ_PROTOCOL_ICMP_ECHO : FZ_PROTOCOL_UDP, port };
  Fate fate = FATE_UNROUTED;
  FzIp ip;

  g_assert_true (fz_ip_parse (destination, &ip));
  for (unsigned i = 0; i < N_RESOURCES; i++) {
    FzIpNetwork network;

    g_assert_true (fz_ip_network_parse (networks[i], &network));
    if (!fz_sim_portal_has_policy (run->world.portal, client, i) ||
        !fz_ip_network_contains (&network, &ip))
      continue;
    fate = FATE_REFUSED;
    if (fz_filters_admit (
            filter_sets[run->filters[i]].filters, filter_sets[run->filters[i]].n, key))
      return FATE_GRANTED;
  }
  return fate;
}

static bool
are_links_up (const Run *run)
{
  for (unsigned i = 0; i < N_NODES; i++)
    if (!fz_sim_portal_is_connected (run->world.portal, i))
      return false;
  return true;
}

/* -- probes -- */

static unsigned
count_at_gateways (const Run *run, uint32_t mark)
{
  unsigned n = 0;

  for (unsigned i = N_CLIENTS; i < N_NODES; i++)
    n += fz_sim_world_count (&run->world, i, mark);
  return n;
}

static void
probe (Run *run)
{
  unsigned client = draw (run, N_CLIENTS);
  const char *destination = destinations[draw (run, G_N_ELEMENTS (destinations))];
  bool is_ping = draw (run, 2) == 0;
  uint16_t port = draw (run, 2) == 0 ? 7 : 9;
  uint32_t mark = run->next_mark++;
  Fate fate = expect (run, client, destination, is_ping, port);
  bool is_excused = run->is_disturbed || !are_links_up (run);
  unsigned n_there, n_back, n_prohibited;

  fz_sim_world_forget (&run->world);
  if (is_ping)
    fz_sim_world_ping (&run->world, client, destination, mark);
  else
    fz_sim_world_send_udp (&run->world, client, destination, port, mark);
  fz_sim_world_run (&run->world, 5 * FZ_S);

  n_there = count_at_gateways (run, mark);
  n_back = fz_sim_world_count (&run->world, client, mark);
  n_prohibited = fz_sim_world_count_prohibited (&run->world, client);
  g_test_message ("probe %u: client %u to %s %s:%u, fate %d%s: %u there, %u back, %u prohibited",
                  mark,
                  client,
                  destination,
                  is_ping ? "ping" : "udp",
                  port,
                  (int) fate,
                  is_excused ? " (excused)" : "",
                  n_there,
                  n_back,
                  n_prohibited);

  if (fate != FATE_GRANTED) {
    g_assert_cmpuint (n_there, ==, 0); /* whatever the disturbance */
    g_assert_cmpuint (n_back, ==, 0);
  }
  if (fate == FATE_REFUSED)
    g_assert_cmpuint (n_prohibited, ==, 1); /* by our own filter: needs nobody */
  if (fate == FATE_UNROUTED)
    g_assert_cmpuint (n_prohibited, ==, 0);
  if (fate == FATE_GRANTED && is_excused) {
    g_assert_cmpuint (n_there, <=, 1);
    g_assert_cmpuint (n_back, <=, n_there);
  }
  if (fate == FATE_GRANTED && !is_excused) {
    g_assert_cmpuint (n_there, ==, 1);
    g_assert_cmpuint (n_back, ==, 1);
    g_assert_cmpuint (n_prohibited, ==, 0);
  }
  for (unsigned i = 0; i < N_CLIENTS; i++) /* nobody else sees it */
    if (i != client)
      g_assert_cmpuint (fz_sim_world_count (&run->world, i, mark), ==, 0);
  g_assert_cmpuint (run->world.n_malformed, ==, 0);
}

/* -- steps -- */

static void
toggle_policy (Run *run)
{
  unsigned client = draw (run, N_CLIENTS);
  unsigned resource = draw (run, N_RESOURCES);
  bool has_policy = fz_sim_portal_has_policy (run->world.portal, client, resource);

  if (!are_links_up (run))
    return; /* who is not reached goes on as before; the model does not follow that */
  g_test_message ("client %u: resource %u %s", client, resource, has_policy ? "goes" : "comes");
  fz_sim_portal_set_policy (run->world.portal, client, resource, !has_policy);
}

static void
change_filters (Run *run)
{
  unsigned resource = draw (run, N_RESOURCES);
  unsigned set = draw (run, G_N_ELEMENTS (filter_sets));

  if (!are_links_up (run))
    return;
  g_test_message ("resource %u: filters %u", resource, set);
  run->filters[resource] = set;
  fz_sim_portal_set_filters (
      run->world.portal, resource, filter_sets[set].filters, filter_sets[set].n);
}

static void
toggle_link (Run *run)
{
  unsigned node = draw (run, N_NODES);
  bool is_up = fz_sim_portal_is_connected (run->world.portal, node);

  g_test_message ("node %u: portal %s", node, is_up ? "away" : "back");
  if (is_up)
    fz_sim_portal_disconnect (run->world.portal, node);
  else
    fz_sim_portal_connect (run->world.portal, node);
}

/* A process is killed and started again. Who had a path to it finds out when its checks, woken by
 * traffic, stay unanswered. */
static void
restart (Run *run)
{
  unsigned node = draw (run, N_NODES);

  g_test_message ("node %u: killed and started", node);
  fz_sim_portal_disconnect (run->world.portal, node);
  fz_sim_node_restart (run->world.nodes[node]);
  fz_sim_portal_connect (run->world.portal, node);
  run->is_disturbed = true;
}

static void
forget_silently (Run *run)
{
  unsigned client = draw (run, N_CLIENTS);
  unsigned resource = draw (run, N_RESOURCES);

  if (!are_links_up (run))
    return;
  g_test_message ("client %u: resource %u rejected behind its back", client, resource);
  fz_sim_portal_reject_silently (run->world.portal, client, resource);
  run->is_disturbed = true;
}

static void
change_network (Run *run)
{
  FzCommand command = { .kind = FZ_COMMAND_NETWORK_CHANGED };
  unsigned client = draw (run, N_CLIENTS);

  if (!fz_sim_portal_is_connected (run->world.portal, client))
    return;
  g_test_message ("client %u: network changed", client);
  if (run->world.routers[client] != FZ_SIM_INTERNET)
    fz_sim_forget_mappings (run->world.sim, run->world.routers[client]);
  fz_sim_node_command (run->world.nodes[client], &command);
}

static void
restart_relay (Run *run)
{
  g_test_message ("relay restarted");
  fz_sim_relay_restart (run->world.relay);
  /* The portal says nothing; old channels are noticed at the latest by the refresh at half the
   * lifetime. Then relayed paths must be found anew. */
  fz_sim_world_run (&run->world, 320 * FZ_S);
  run->is_disturbed = true;
}

static void
idle (Run *run)
{
  g_test_message ("six minutes of nothing");
  fz_sim_world_run (&run->world, 360 * FZ_S);
}

/* Links up, everybody nudged by traffic, and long enough for every failure to be noticed. */
static void
calm (Run *run)
{
  g_test_message ("calm");
  for (unsigned i = 0; i < N_NODES; i++)
    fz_sim_portal_connect (run->world.portal, i);
  for (unsigned round = 0; round < 4; round++) {
    fz_sim_world_run (&run->world, 5 * FZ_S);
    for (unsigned client = 0; client < N_CLIENTS; client++)
      for (unsigned i = 0; i < G_N_ELEMENTS (destinations); i++) {
        fz_sim_world_send_udp (&run->world, client, destinations[i], 7, run->next_mark++);
        fz_sim_world_ping (&run->world, client, destinations[i], run->next_mark++);
      }
    fz_sim_world_run (&run->world, 25 * FZ_S);
  }
  run->is_disturbed = false;
}

static const struct {
  void (*act) (Run *run);
  unsigned weight;
} steps[] = {
  { probe, 20 },         { toggle_policy, 4 }, { change_filters, 2 },
  { toggle_link, 2 },    { restart, 1 },       { forget_silently, 1 },
  { change_network, 1 }, { restart_relay, 1 }, { idle, 1 },
  { calm, 3 },
};

static void
take_step (Run *run)
{
  unsigned sum = 0, at;

  for (size_t i = 0; i < G_N_ELEMENTS (steps); i++)
    sum += steps[i].weight;
  at = draw (run, sum);
  for (size_t i = 0; i < G_N_ELEMENTS (steps); i++) {
    if (at < steps[i].weight) {
      steps[i].act (run);
      break;
    }
    at -= steps[i].weight;
  }
  fz_sim_world_run (&run->world, 2500 * FZ_MS);
}

static int
draw_nat (Run *run)
{
  static const int nats[] = { FZ_SIM_OPEN,
                              FZ_SIM_NAT_FULL_CONE,
                              FZ_SIM_NAT_ADDRESS_RESTRICTED,
                              FZ_SIM_NAT_PORT_RESTRICTED,
                              FZ_SIM_NAT_SYMMETRIC };

  return nats[draw (run, G_N_ELEMENTS (nats))];
}

static void
run_seed (uint64_t seed)
{
  Run run = { .next_mark = 1 };

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  fz_seeded_rng_init (&run.seeded, seed);
  run.rng = fz_seeded_rng (&run.seeded);
  fz_sim_world_init (&run.world, seed);
  run.world.link.delay_ns = (1 + draw (&run, 60)) * FZ_MS;
  for (unsigned i = 0; i < N_NODES; i++)
    fz_sim_world_add (&run.world, i >= N_CLIENTS, draw_nat (&run));
  for (unsigned i = 0; i < N_RESOURCES; i++) {
    run.filters[i] = draw (&run, G_N_ELEMENTS (filter_sets));
    fz_sim_portal_add_resource (run.world.portal,
                                networks[i],
                                filter_sets[run.filters[i]].filters,
                                filter_sets[run.filters[i]].n);
    for (unsigned client = 0; client < N_CLIENTS; client++)
      fz_sim_portal_set_policy (run.world.portal, client, i, draw (&run, 3) != 0);
  }
  fz_sim_world_run (&run.world, 3 * FZ_S);

  for (unsigned i = 0; i < N_STEPS; i++)
    take_step (&run);
  fz_sim_world_clear (&run.world);
}

static void
test_random (void)
{
  const char *fixed = g_getenv ("FZ_SEED");

  if (fixed != NULL) {
    run_seed (g_ascii_strtoull (fixed, NULL, 10));
    return;
  }
  for (unsigned i = 0; i < N_RUNS; i++)
    run_seed (1000 + i);
}

/* --seed of GLib's own is for its generator; ours comes before. */
static void
take_seed (int *argc, char **argv)
{
  for (int i = 1; i + 1 < *argc; i++)
    if (strcmp (argv[i], "--seed") == 0 && g_ascii_isdigit (argv[i + 1][0])) {
      g_setenv ("FZ_SEED", argv[i + 1], TRUE);
      memmove (&argv[i], &argv[i + 2], (size_t) (*argc - i - 1) * sizeof *argv);
      *argc -= 2;
      return;
    }
}

int
main (int argc, char **argv)
{
  take_seed (&argc, argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/random/model", test_random);
  return g_test_run ();
}
