/* test-relay.c: connections over relays that restart, fall silent or go away (connectivity.md §5)
 */

#include "src/crypto/fz-crypto.h"
#include "tests/sim/fz-sim-peer.h"
#include "tests/sim/fz-sim-relay.h"

#define STUN_PORT 3478u

static const FzSimLink near_link = { .delay_ns = 5 * FZ_MS };

/* Two peers that can only meet on a relay. */
typedef struct {
  FzSim *sim;
  FzSimRelay *relay;
  FzSimPeer *left;
  FzSimPeer *right;
} World;

static FzSimPeer *
make_peer (World *world, FzIceRole role, FzIceProfile profile, const char *outer, const char *inner)
{
  unsigned router =
      fz_sim_add_router (world->sim, FZ_SIM_INTERNET, FZ_SIM_NAT_SYMMETRIC, &near_link);
  unsigned host = fz_sim_add_host (world->sim, router, &near_link);
  FzRelay relay = fz_sim_relay_describe (world->relay);
  FzSimPeer *peer;

  fz_sim_add_address (world->sim, router, outer);
  fz_sim_add_address (world->sim, host, inner);
  peer = fz_sim_peer_new (world->sim, host, role, profile);
  fz_sim_peer_add_relay (peer, &relay);
  return peer;
}

static void
world_init (World *world, FzSimRelayStyle style)
{
  world->sim = fz_sim_new (fz_sim_seed (17));
  world->relay = fz_sim_relay_new (
      world->sim, FZ_SIM_INTERNET, style, &near_link, "198.51.100.9", NULL, STUN_PORT);
  world->left =
      make_peer (world, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT, "203.0.113.1", "10.1.0.2");
  world->right =
      make_peer (world, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_DEFAULT, "203.0.113.2", "10.2.0.2");
  fz_sim_run_for (world->sim, FZ_S);
  fz_sim_peer_introduce (world->left, world->right, 20 * FZ_MS);
  g_assert_true (fz_sim_peers_connect (world->left, world->right, 5 * FZ_S));
  fz_sim_run_for (world->sim, 30 * FZ_S);
  g_assert_true (fz_sim_peers_can_talk (world->left, world->right, FZ_S));
  g_assert_cmpint (fz_sim_peer_get_view (world->left)->path, !=, FZ_PATH_DIRECT);
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

/* relays_presence without a word about this relay (§5.9, 3). */
static void
update_lists (World *world)
{
  fz_relay_pool_update (
      fz_sim_peer_get_pool (world->left), NULL, 0, NULL, 0, fz_sim_now (world->sim));
  fz_relay_pool_update (
      fz_sim_peer_get_pool (world->right), NULL, 0, NULL, 0, fz_sim_now (world->sim));
  fz_sim_peer_poke (world->left);
  fz_sim_peer_poke (world->right);
}

/* The allocation is refreshed, channels are bound again, mappings stay open: for an hour. */
static void
test_an_hour (void)
{
  for (int style = FZ_SIM_RELAY_FIREZONE; style <= FZ_SIM_RELAY_COTURN; style++) {
    g_auto (World) world = { 0 };

    world_init (&world, (FzSimRelayStyle) style);
    for (int minute = 0; minute < 60; minute++) {
      fz_sim_run_for (world.sim, 60 * FZ_S);
      g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
    }
    g_assert_cmpuint (fz_sim_peer_get_view (world.left)->n_states[FZ_ICE_DISCONNECTED], ==, 0);
    g_assert_cmpuint (fz_sim_peer_get_view (world.right)->n_states[FZ_ICE_DISCONNECTED], ==, 0);
    g_assert_cmpuint (fz_sim_relay_get_counters (world.relay).n_allocations, ==, 2);
    g_assert_cmpuint (fz_sim_relay_get_counters (world.relay).n_allocates, ==, 4);
  }
}

/* The relay forgets everything: after the portal's word, seconds pass, and nobody disconnects. */
static void
test_restart (void)
{
  for (int style = FZ_SIM_RELAY_FIREZONE; style <= FZ_SIM_RELAY_COTURN; style++) {
    g_auto (World) world = { 0 };

    world_init (&world, (FzSimRelayStyle) style);
    fz_sim_relay_restart (world.relay);
    update_lists (&world);
    fz_sim_run_for (world.sim, 3 * FZ_S);
    g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
    g_assert_cmpuint (fz_sim_relay_get_counters (world.relay).n_allocations, ==, 2);
  }
}

/* Without that word it is noticed by the next refresh; the connection is lost and found again. */
static void
test_restart_unnoticed (void)
{
  g_auto (World) world = { 0 };

  world_init (&world, FZ_SIM_RELAY_FIREZONE);
  fz_sim_relay_restart (world.relay);
  fz_sim_run_for (world.sim, 310 * FZ_S);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

static void
test_silent (void)
{
  g_auto (World) world = { 0 };
  FzInstant began;

  world_init (&world, FZ_SIM_RELAY_FIREZONE);
  fz_sim_relay_set_silent (world.relay, true);
  update_lists (&world);
  began = fz_sim_now (world.sim);
  fz_sim_run_for (world.sim, 2 * FZ_S);
  /* One second for a refresh after a list update, then the relay is given up. */
  g_assert_cmpuint (fz_relay_pool_get_n_relays (fz_sim_peer_get_pool (world.left)), ==, 0);
  g_assert_cmpint (
      fz_ice_agent_get_state (fz_sim_peer_get_agent (world.left)), ==, FZ_ICE_DISCONNECTED);
  g_assert_cmpuint (fz_sim_peer_get_view (world.left)->disconnected_at - began, <=, 2 * FZ_S);
}

/* §1.6: the relay is replaced by another; the connection lives on over the new one. */
static void
test_replaced (void)
{
  g_auto (World) world = { 0 };
  FzSimRelay *other;
  FzRelay entry;

  world_init (&world, FZ_SIM_RELAY_FIREZONE);
  other = fz_sim_relay_new (world.sim,
                            FZ_SIM_INTERNET,
                            FZ_SIM_RELAY_COTURN,
                            &near_link,
                            "198.51.100.20",
                            NULL,
                            STUN_PORT);
  entry = fz_sim_relay_describe (other);
  fz_sim_relay_set_silent (world.relay, true);
  update_lists (&world);
  fz_sim_peer_add_relay (world.left, &entry);
  fz_sim_peer_add_relay (world.right, &entry);
  fz_sim_run_for (world.sim, 10 * FZ_S);
  g_assert_true (fz_sim_peers_connect (world.left, world.right, FZ_S));
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
  g_assert_cmpuint (fz_sim_relay_get_counters (other).n_relayed, >, 0);
  fz_sim_relay_free (other);
}

/* The relay has other credentials now, and says so; the list has to bring new ones. */
static void
test_credentials_changed (void)
{
  g_auto (World) world = { 0 };
  FzRelay entry;

  world_init (&world, FZ_SIM_RELAY_COTURN);
  fz_sim_relay_change_password (world.relay);
  fz_sim_relay_restart (world.relay);
  entry = fz_sim_relay_describe (world.relay);
  fz_sim_peer_add_relay (world.left, &entry);
  fz_sim_peer_add_relay (world.right, &entry);
  fz_sim_run_for (world.sim, 3 * FZ_S);
  g_assert_true (fz_sim_peers_can_talk (world.left, world.right, FZ_S));
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/an-hour", test_an_hour);
  g_test_add_func ("/relay/restart/told", test_restart);
  g_test_add_func ("/relay/restart/unnoticed", test_restart_unnoticed);
  g_test_add_func ("/relay/silent", test_silent);
  g_test_add_func ("/relay/replaced", test_replaced);
  g_test_add_func ("/relay/credentials-changed", test_credentials_changed);
  return g_test_run ();
}
