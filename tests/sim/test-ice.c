/* test-ice.c: two ICE agents over a simulated network (connectivity.md §3, §12.6) */

#include "src/crypto/fz-crypto.h"
#include "tests/sim/fz-sim-peer.h"
#include "tests/sim/fz-sim-relay.h"

#include <string.h>

#define STUN_PORT    3478u
#define SIGNAL_NS    (30 * FZ_MS)
#define RELAY_IP     "198.51.100.9"
#define RELAY_IP6    "2001:db8:9::9"
#define L_OUTER      "203.0.113.1"
#define R_OUTER      "203.0.113.2"
#define CLIENT_LIMIT (16500 * FZ_MS)

static const FzSimLink near_link = { .delay_ns = 5 * FZ_MS };

typedef struct {
  FzSim *sim;
  FzSimRelay *relay;
  unsigned left_router; /* 0: none */
  unsigned right_router;
  unsigned left_host;
  unsigned right_host;
  FzSimPeer *left;
  FzSimPeer *right;
} World;

/* What the world is made of: -1 for "no router". */
typedef struct {
  int left_nat;
  int right_nat;
  FzIceProfile right_profile;
  FzIceRole left_role;
  FzIceRole right_role;
} Plan;

static const Plan open_plan = {
  -1, -1, FZ_ICE_SERVER_DEFAULT, FZ_ICE_CONTROLLING, FZ_ICE_CONTROLLED
};

static unsigned
make_side (World *world, int nat, const char *outer, const char *inner, unsigned *out_router)
{
  unsigned parent = FZ_SIM_INTERNET;
  unsigned host;

  if (nat >= 0) {
    parent = fz_sim_add_router (world->sim, FZ_SIM_INTERNET, (FzSimNat) nat, &near_link);
    fz_sim_add_address (world->sim, parent, outer);
  }
  *out_router = parent;
  host = fz_sim_add_host (world->sim, parent, &near_link);
  fz_sim_add_address (world->sim, host, nat >= 0 ? inner : outer);
  return host;
}

static void
world_init (World *world, const Plan *plan, FzSimRelayStyle style)
{
  world->sim = fz_sim_new (fz_sim_seed (42));
  world->relay =
      fz_sim_relay_new (world->sim, FZ_SIM_INTERNET, style, &near_link, RELAY_IP, NULL, STUN_PORT);
  world->left_host = make_side (world, plan->left_nat, L_OUTER, "10.1.0.2", &world->left_router);
  world->right_host = make_side (world, plan->right_nat, R_OUTER, "10.2.0.2", &world->right_router);
  world->left =
      fz_sim_peer_new (world->sim, world->left_host, plan->left_role, FZ_ICE_CLIENT_DEFAULT);
  world->right =
      fz_sim_peer_new (world->sim, world->right_host, plan->right_role, plan->right_profile);
}

static void
world_clear (World *world)
{
  fz_sim_peer_free (world->left);
  fz_sim_peer_free (world->right);
  fz_sim_relay_free (world->relay);
  fz_sim_free (world->sim);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

static void
add_relay_to_both (World *world)
{
  FzRelay relay = fz_sim_relay_describe (world->relay);

  fz_sim_peer_add_relay (world->left, &relay);
  fz_sim_peer_add_relay (world->right, &relay);
}

/* Relay first, as in life; then the connection. */
static void
start (World *world)
{
  add_relay_to_both (world);
  fz_sim_run_for (world->sim, FZ_S);
  fz_sim_peer_introduce (world->left, world->right, SIGNAL_NS);
}

/* Without a relay: host candidates by hand. */
static void
start_by_hand (World *world)
{
  fz_sim_peer_introduce (world->left, world->right, SIGNAL_NS);
  fz_sim_peer_add_host_candidate (world->left, L_OUTER);
  fz_sim_peer_add_host_candidate (world->right, R_OUTER);
}

static void
assert_same_path (const World *world)
{
  const FzSimPeerView *left = fz_sim_peer_get_view (world->left);
  const FzSimPeerView *right = fz_sim_peer_get_view (world->right);

  g_assert_true (left->is_nominated && right->is_nominated);
  g_assert_cmpint (left->path == FZ_PATH_DIRECT, ==, right->path == FZ_PATH_DIRECT);
}

static void
assert_never_disconnected (const World *world)
{
  g_assert_cmpuint (fz_sim_peer_get_view (world->left)->n_states[FZ_ICE_DISCONNECTED], ==, 0);
  g_assert_cmpuint (fz_sim_peer_get_view (world->right)->n_states[FZ_ICE_DISCONNECTED], ==, 0);
}

static FzIceState
state_of (FzSimPeer *peer)
{
  return fz_ice_agent_get_state (fz_sim_peer_get_agent (peer));
}

static bool
are_disconnected (void *context)
{
  World *world = context;

  return state_of (world->left) == FZ_ICE_DISCONNECTED &&
         state_of (world->right) == FZ_ICE_DISCONNECTED;
}

/* -- paths -- */

static void
test_direct (void)
{
  g_auto (World) world = { 0 };
  FzInstant began;

  world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
  start (&world);
  began = fz_sim_now (world.sim);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 5 * FZ_S));
  /* Signalling, a check, its answer: nothing waits for a timer. */
  g_assert_cmpuint (fz_sim_now (world.sim) - began, <=, SIGNAL_NS + 40 * FZ_MS);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
  g_assert_cmpint (fz_sim_peer_get_view (world.left)->path, ==, FZ_PATH_DIRECT);
  fz_sim_run_for (world.sim, 600 * FZ_S);
  assert_never_disconnected (&world);
  g_assert_cmpuint (fz_sim_peer_get_view (world.left)->n_nominations, ==, 1);
  g_assert_cmpuint (fz_sim_peer_get_view (world.right)->n_nominations, ==, 1);
}

/* The pair of NATs, and whether a direct path exists. */
static const struct {
  int left;
  int right;
  bool is_direct;
} nat_pairs[] = {
  { -1, FZ_SIM_NAT_FULL_CONE, true },
  { -1, FZ_SIM_NAT_ADDRESS_RESTRICTED, true },
  { -1, FZ_SIM_NAT_PORT_RESTRICTED, true },
  { -1, FZ_SIM_NAT_SYMMETRIC, true },
  { FZ_SIM_NAT_FULL_CONE, -1, true },
  { FZ_SIM_NAT_PORT_RESTRICTED, -1, true },
  { FZ_SIM_NAT_SYMMETRIC, -1, true },
  { FZ_SIM_NAT_PORT_RESTRICTED, FZ_SIM_NAT_PORT_RESTRICTED, true },
  { FZ_SIM_NAT_ADDRESS_RESTRICTED, FZ_SIM_NAT_PORT_RESTRICTED, true },
  { FZ_SIM_NAT_SYMMETRIC, FZ_SIM_NAT_ADDRESS_RESTRICTED, true },
  { FZ_SIM_NAT_ADDRESS_RESTRICTED, FZ_SIM_NAT_SYMMETRIC, true },
  { FZ_SIM_NAT_SYMMETRIC, FZ_SIM_NAT_PORT_RESTRICTED, false },
  { FZ_SIM_NAT_PORT_RESTRICTED, FZ_SIM_NAT_SYMMETRIC, false },
  { FZ_SIM_NAT_SYMMETRIC, FZ_SIM_NAT_SYMMETRIC, false },
};

static void
check_nat_pair (size_t i, FzSimRelayStyle style)
{
  Plan plan = open_plan;
  g_auto (World) world = { 0 };

  g_test_message ("pair %zu: %d, %d", i, nat_pairs[i].left, nat_pairs[i].right);
  plan.left_nat = nat_pairs[i].left;
  plan.right_nat = nat_pairs[i].right;
  world_init (&world, &plan, style);
  start (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 5 * FZ_S));
  fz_sim_run_for (world.sim, 5 * FZ_S); /* the best pair wins */
  assert_same_path (&world);
  g_assert_cmpint (
      fz_sim_peer_get_view (world.left)->path == FZ_PATH_DIRECT, ==, nat_pairs[i].is_direct);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
  fz_sim_run_for (world.sim, 600 * FZ_S);
  assert_never_disconnected (&world);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

static void
test_nats_firezone (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (nat_pairs); i++)
    check_nat_pair (i, FZ_SIM_RELAY_FIREZONE);
}

static void
test_nats_coturn (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (nat_pairs); i++)
    check_nat_pair (i, FZ_SIM_RELAY_COTURN);
}

/* A relay that only does STUN is enough where a direct path exists. */
static void
test_nats_without_turn (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (nat_pairs); i++)
    if (nat_pairs[i].is_direct)
      check_nat_pair (i, FZ_SIM_RELAY_STUN);
}

/* I8: L's own address is private, and all that R is told. */
static void
test_private_only (void)
{
  Plan plan = open_plan;
  g_auto (World) world = { 0 };

  plan.left_nat = FZ_SIM_NAT_PORT_RESTRICTED;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  fz_sim_peer_introduce (world.left, world.right, SIGNAL_NS);
  fz_sim_peer_add_host_candidate (world.left, "10.1.0.2");
  fz_sim_peer_add_host_candidate (world.right, R_OUTER);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 5 * FZ_S));
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

/* I13: the relay of the peer's family is taken, whichever side controls. */
static void
test_relay_of_same_family (void)
{
  for (int left_role = 0; left_role < 2; left_role++) {
    Plan plan = open_plan;
    g_auto (World) world = { 0 };
    FzSimRelay *relay;
    FzRelay entry;

    plan.left_nat = FZ_SIM_NAT_SYMMETRIC;
    plan.left_role = left_role == 0 ? FZ_ICE_CONTROLLING : FZ_ICE_CONTROLLED;
    plan.right_role = left_role == 0 ? FZ_ICE_CONTROLLED : FZ_ICE_CONTROLLING;
    world_init (&world, &plan, FZ_SIM_RELAY_FIREZONE);
    relay = fz_sim_relay_new (world.sim,
                              FZ_SIM_INTERNET,
                              FZ_SIM_RELAY_FIREZONE,
                              &near_link,
                              "198.51.100.10",
                              RELAY_IP6,
                              STUN_PORT);
    entry = fz_sim_relay_describe (relay);
    fz_sim_add_address (world.sim, world.right_host, "2001:db8:2::2");
    fz_sim_block (world.sim, L_OUTER, R_OUTER);
    fz_sim_block (world.sim, R_OUTER, L_OUTER);
    fz_sim_peer_add_relay (world.left, &entry);
    fz_sim_run_for (world.sim, FZ_S);
    fz_sim_peer_introduce (world.left, world.right, SIGNAL_NS);
    fz_sim_peer_add_host_candidate (world.right, R_OUTER);
    fz_sim_peer_add_host_candidate (world.right, "2001:db8:2::2");
    g_assert_true (fz_sim_peers_connect (world.left, world.right, 5 * FZ_S));
    fz_sim_run_for (world.sim, 5 * FZ_S);
    g_assert_cmpint (fz_sim_peer_get_view (world.left)->path, ==, FZ_PATH_RELAY_TO_PEER);
    g_assert_cmpint (fz_sim_peer_get_view (world.right)->path, ==, FZ_PATH_PEER_TO_RELAY);
    g_assert_cmpint (fz_sim_peer_get_view (world.left)->remote.ip.family, ==, FZ_IP_V4);
    g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
    fz_sim_relay_free (relay);
  }
}

/* -- time and loss -- */

static void
test_lossy (void)
{
  static const FzSimLink lossy = {
    .delay_ns = 20 * FZ_MS,
    .jitter_ns = 10 * FZ_MS,
    .loss_permille = 163, /* two such links lose 30 % */
    .reorder_permille = 50,
    .duplicate_permille = 50,
  };
  g_auto (World) world = { 0 };

  world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
  start (&world);
  fz_sim_set_link (world.sim, world.left_host, &lossy);
  fz_sim_set_link (world.sim, world.right_host, &lossy);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 10 * FZ_S));
  fz_sim_run_for (world.sim, 600 * FZ_S);
  assert_never_disconnected (&world);
}

static void
test_trickled_late (void)
{
  for (int side = 0; side < 2; side++) {
    g_auto (World) world = { 0 };

    world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
    add_relay_to_both (&world);
    fz_sim_run_for (world.sim, FZ_S);
    fz_sim_peer_hold_candidates (side == 0 ? world.left : world.right, 9 * FZ_S);
    fz_sim_peer_introduce (world.left, world.right, SIGNAL_NS);
    g_assert_true (fz_sim_peers_connect (world.left, world.right, 12 * FZ_S));
    fz_sim_run_for (world.sim, 60 * FZ_S);
    assert_never_disconnected (&world);
    g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
  }
}

/* I11: R hears of L by its checks first, and by the portal later. */
static void
test_late_signalling_keeps_connection (void)
{
  Plan plan = open_plan;
  g_auto (World) world = { 0 };
  unsigned n_checking;

  plan.left_nat = FZ_SIM_NAT_PORT_RESTRICTED;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  add_relay_to_both (&world);
  fz_sim_run_for (world.sim, FZ_S);
  fz_sim_peer_hold_candidates (world.left, 3 * FZ_S);
  fz_sim_peer_introduce (world.left, world.right, SIGNAL_NS);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 2 * FZ_S));
  n_checking = fz_sim_peer_get_view (world.right)->n_states[FZ_ICE_CHECKING];
  fz_sim_run_for (world.sim, 60 * FZ_S);
  assert_never_disconnected (&world);
  g_assert_cmpuint (fz_sim_peer_get_view (world.right)->n_states[FZ_ICE_CHECKING], ==, n_checking);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

static void
cut (World *world)
{
  fz_sim_block (world->sim, L_OUTER, R_OUTER);
  fz_sim_block (world->sim, R_OUTER, L_OUTER);
}

/* I2 and N1: an established pair lives as long as its profile says. */
static void
check_consent_loss (FzIceProfile right_profile, uint64_t right_limit_ns)
{
  const FzIceTiming *timing = fz_ice_timing (right_profile);
  Plan plan = open_plan;
  g_auto (World) world = { 0 };
  FzInstant began;
  uint64_t left_ns;
  uint64_t right_ns;

  plan.right_profile = right_profile;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 30 * FZ_S));
  fz_sim_run_for (world.sim, 700 * FZ_S);
  cut (&world);
  began = fz_sim_now (world.sim);
  g_assert_true (fz_sim_run_while_not (world.sim, are_disconnected, &world, 2000 * FZ_S));
  left_ns = fz_sim_peer_get_view (world.left)->disconnected_at - began;
  right_ns = fz_sim_peer_get_view (world.right)->disconnected_at - began;

  /* The last answer came up to one interval before the cut. */
  g_assert_cmpuint (left_ns, >=, CLIENT_LIMIT - 1500 * FZ_MS);
  g_assert_cmpuint (left_ns, <=, CLIENT_LIMIT + 1500 * FZ_MS);
  g_assert_cmpuint (right_ns, >=, right_limit_ns - timing->max_rto_ns);
  g_assert_cmpuint (right_ns, <=, right_limit_ns + timing->max_rto_ns);
}

static void
test_consent_loss (void)
{
  check_consent_loss (FZ_ICE_CLIENT_DEFAULT, CLIENT_LIMIT);
  check_consent_loss (FZ_ICE_SERVER_DEFAULT, 615500 * FZ_MS);
}

/* One direction alone is no connection either. */
static void
test_half_cut (void)
{
  Plan plan = open_plan;
  g_auto (World) world = { 0 };
  FzInstant began;

  plan.right_profile = FZ_ICE_CLIENT_DEFAULT;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  fz_sim_run_for (world.sim, 30 * FZ_S);
  fz_sim_block (world.sim, L_OUTER, R_OUTER);
  began = fz_sim_now (world.sim);
  g_assert_true (fz_sim_run_while_not (world.sim, are_disconnected, &world, 60 * FZ_S));
  g_assert_cmpuint (fz_sim_now (world.sim) - began, >=, CLIENT_LIMIT - 1500 * FZ_MS);
}

/* An interruption that is shorter than the limit leaves no trace. */
static void
test_interruption (void)
{
  g_auto (World) world = { 0 };

  world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  fz_sim_run_for (world.sim, 30 * FZ_S);
  cut (&world);
  fz_sim_run_for (world.sim, 12 * FZ_S);
  fz_sim_unblock (world.sim);
  fz_sim_run_for (world.sim, 60 * FZ_S);
  assert_never_disconnected (&world);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

/* I1: the only pair never works. */
static void
test_unreachable (void)
{
  Plan plan = open_plan;
  g_auto (World) world = { 0 };

  plan.right_profile = FZ_ICE_CLIENT_DEFAULT;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  cut (&world);
  start_by_hand (&world);
  g_assert_true (fz_sim_run_while_not (world.sim, are_disconnected, &world, 60 * FZ_S));
  g_assert_cmpuint (fz_sim_peer_get_view (world.left)->n_requests_sent, ==, 12);
  g_assert_cmpuint (fz_sim_peer_get_view (world.right)->n_requests_sent, ==, 12);
}

/* I15 and I7: what was lost comes back when candidates do. */
static void
test_recovery_by_new_candidate (void)
{
  Plan plan = open_plan;
  g_auto (World) world = { 0 };

  plan.right_profile = FZ_ICE_CLIENT_DEFAULT;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  cut (&world);
  start_by_hand (&world);
  g_assert_true (fz_sim_run_while_not (world.sim, are_disconnected, &world, 60 * FZ_S));
  fz_sim_add_address (world.sim, world.left_host, "203.0.113.7");
  fz_sim_peer_add_host_candidate (world.left, "203.0.113.7");
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 2 * FZ_S));
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

/* -- change -- */

static FzCandidate
host_candidate (const char *ip)
{
  FzSocketAddress address = { .port = FZ_SIM_PEER_PORT };

  g_assert_true (fz_ip_parse (ip, &address.ip));
  return fz_candidate_host (&address);
}

/* I6: the machine moves to another network. */
static void
test_address_change (void)
{
  FzCandidate old = host_candidate (L_OUTER);
  g_auto (World) world = { 0 };
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];

  world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  fz_sim_run_for (world.sim, 30 * FZ_S);
  fz_sim_add_address (world.sim, world.left_host, "203.0.113.7");
  fz_sim_remove_address (world.sim, world.left_host, L_OUTER);
  fz_sim_peer_add_host_candidate (world.left, "203.0.113.7");
  fz_sim_peer_withdraw (world.left, &old);
  fz_sim_run_for (world.sim, FZ_S);
  assert_never_disconnected (&world);
  g_assert_cmpstr (fz_socket_address_format (&fz_sim_peer_get_view (world.right)->remote, text),
                   ==,
                   "203.0.113.7:52625");
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

/* I7 */
static void
test_withdraw_and_return (void)
{
  FzCandidate candidate = host_candidate (L_OUTER);
  Plan plan = open_plan;
  g_auto (World) world = { 0 };

  plan.right_profile = FZ_ICE_CLIENT_DEFAULT;
  world_init (&world, &plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  fz_sim_peer_withdraw (world.left, &candidate);
  g_assert_true (fz_sim_run_while_not (world.sim, are_disconnected, &world, 60 * FZ_S));
  fz_sim_peer_add_candidate (world.left, &candidate);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, 2 * FZ_S));
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

/* The better of two paths fails: both sides leave it long before it is given up. */
static void
test_fail_over (void)
{
  for (int profile = 0; profile < 2; profile++) {
    Plan plan = open_plan;
    g_auto (World) world = { 0 };
    FzInstant began;

    plan.right_profile = profile == 0 ? FZ_ICE_SERVER_DEFAULT : FZ_ICE_CLIENT_DEFAULT;
    world_init (&world, &plan, FZ_SIM_RELAY_STUN);
    fz_sim_add_address (world.sim, world.left_host, "2001:db8:1::2");
    fz_sim_add_address (world.sim, world.right_host, "2001:db8:2::2");
    start_by_hand (&world);
    fz_sim_peer_add_host_candidate (world.left, "2001:db8:1::2");
    fz_sim_peer_add_host_candidate (world.right, "2001:db8:2::2");
    g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
    fz_sim_run_for (world.sim, 60 * FZ_S);
    g_assert_cmpint (fz_sim_peer_get_view (world.left)->remote.ip.family, ==, FZ_IP_V6);
    g_assert_cmpint (fz_sim_peer_get_view (world.right)->remote.ip.family, ==, FZ_IP_V6);

    fz_sim_block (world.sim, "2001:db8:1::2", NULL);
    fz_sim_block (world.sim, "2001:db8:2::2", NULL);
    began = fz_sim_now (world.sim);
    fz_sim_run_for (world.sim, 40 * FZ_S);
    g_assert_cmpint (fz_sim_peer_get_view (world.left)->remote.ip.family, ==, FZ_IP_V4);
    g_assert_cmpint (fz_sim_peer_get_view (world.right)->remote.ip.family, ==, FZ_IP_V4);
    g_assert_cmpuint (fz_sim_peer_get_view (world.left)->nominated_at - began, <, 8 * FZ_S);
    g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
    assert_never_disconnected (&world);
  }
}

/* -- roles -- */

/* I3 */
static void
test_role_conflict (void)
{
  static const FzIceRole roles[] = { FZ_ICE_CONTROLLING, FZ_ICE_CONTROLLED };

  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++) {
    Plan plan = open_plan;
    g_auto (World) world = { 0 };

    plan.left_role = roles[i];
    plan.right_role = roles[i];
    world_init (&world, &plan, FZ_SIM_RELAY_STUN);
    start (&world);
    g_assert_true (fz_sim_peers_connect (world.left, world.right, 5 * FZ_S));
    fz_sim_run_for (world.sim, 60 * FZ_S);
    g_assert_cmpint (fz_ice_agent_get_role (fz_sim_peer_get_agent (world.left)),
                     !=,
                     fz_ice_agent_get_role (fz_sim_peer_get_agent (world.right)));
    assert_never_disconnected (&world);
    g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
  }
}

/* I10: a second pair that is no better changes nothing. */
static void
test_worse_pair (void)
{
  g_auto (World) world = { 0 };

  world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  fz_sim_add_address (world.sim, world.left_host, "203.0.113.7");
  fz_sim_peer_add_host_candidate (world.left, "203.0.113.7");
  fz_sim_run_for (world.sim, 30 * FZ_S);
  g_assert_cmpuint (fz_sim_peer_get_view (world.left)->n_nominations, ==, 1);
  g_assert_cmpuint (fz_sim_peer_get_view (world.right)->n_nominations, ==, 1);
}

/* §3.6: idle profiles on both sides keep the connection, and notice its end in their time. */
static void
test_idle (void)
{
  g_auto (World) world = { 0 };
  uint64_t before;
  uint64_t after;

  world_init (&world, &open_plan, FZ_SIM_RELAY_STUN);
  start_by_hand (&world);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  fz_sim_run_for (world.sim, 20 * FZ_S);
  fz_ice_agent_set_profile (fz_sim_peer_get_agent (world.left), FZ_ICE_CLIENT_IDLE);
  fz_ice_agent_set_profile (fz_sim_peer_get_agent (world.right), FZ_ICE_SERVER_IDLE);
  before = fz_sim_peer_get_view (world.left)->n_requests_sent;
  fz_sim_run_for (world.sim, 500 * FZ_S);
  after = fz_sim_peer_get_view (world.left)->n_requests_sent;
  g_assert_cmpuint (after - before, >=, 19);
  g_assert_cmpuint (after - before, <=, 21);
  assert_never_disconnected (&world);

  fz_ice_agent_set_profile (fz_sim_peer_get_agent (world.left), FZ_ICE_CLIENT_DEFAULT);
  fz_sim_run_for (world.sim, 30 * FZ_S);
  g_assert_cmpuint (fz_sim_peer_get_view (world.left)->n_requests_sent - after, >=, 19);
}

static uint64_t
fingerprint_of_run (void)
{
  static const FzSimLink lossy = { .delay_ns = FZ_MS, .jitter_ns = FZ_MS, .loss_permille = 100 };
  Plan plan = { FZ_SIM_NAT_SYMMETRIC,
                FZ_SIM_NAT_SYMMETRIC,
                FZ_ICE_SERVER_DEFAULT,
                FZ_ICE_CONTROLLING,
                FZ_ICE_CONTROLLED };
  g_auto (World) world = { 0 };
  const FzSimCounters *counters;

  world_init (&world, &plan, FZ_SIM_RELAY_FIREZONE);
  fz_sim_set_link (world.sim, world.left_host, &lossy);
  start (&world);
  fz_sim_run_for (world.sim, 120 * FZ_S);
  counters = fz_sim_get_counters (world.sim);
  return counters->n_sent * 1000003 + counters->n_arrived * 1009 + counters->n_lost +
         fz_sim_peer_get_view (world.left)->nominated_at;
}

static void
test_repeatable (void)
{
  g_assert_cmpuint (fingerprint_of_run (), ==, fingerprint_of_run ());
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ice/path/direct", test_direct);
  g_test_add_func ("/ice/path/nats-firezone-relay", test_nats_firezone);
  g_test_add_func ("/ice/path/nats-coturn", test_nats_coturn);
  g_test_add_func ("/ice/path/nats-without-turn", test_nats_without_turn);
  g_test_add_func ("/ice/path/private-only", test_private_only);
  g_test_add_func ("/ice/path/relay-of-same-family", test_relay_of_same_family);
  g_test_add_func ("/ice/signalling/trickled-late", test_trickled_late);
  g_test_add_func ("/ice/signalling/late-keeps-connection", test_late_signalling_keeps_connection);
  g_test_add_func ("/ice/liveness/lossy", test_lossy);
  g_test_add_func ("/ice/liveness/consent-loss", test_consent_loss);
  g_test_add_func ("/ice/liveness/half-cut", test_half_cut);
  g_test_add_func ("/ice/liveness/interruption", test_interruption);
  g_test_add_func ("/ice/liveness/unreachable", test_unreachable);
  g_test_add_func ("/ice/liveness/idle", test_idle);
  g_test_add_func ("/ice/change/recovery", test_recovery_by_new_candidate);
  g_test_add_func ("/ice/change/address", test_address_change);
  g_test_add_func ("/ice/change/withdraw-and-return", test_withdraw_and_return);
  g_test_add_func ("/ice/change/fail-over", test_fail_over);
  g_test_add_func ("/ice/nomination/role-conflict", test_role_conflict);
  g_test_add_func ("/ice/nomination/worse-pair", test_worse_pair);
  g_test_add_func ("/ice/repeatable", test_repeatable);
  return g_test_run ();
}
