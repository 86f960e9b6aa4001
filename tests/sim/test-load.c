/* test-load.c: handshakes while a gateway is flooded with them, over a relay (connectivity.md §2.8)
 */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-cookie.h"
#include "src/engine/fz-rate-limiter.h"
#include "tests/sim/fz-sim-world.h"

#define LAN     "10.20.0.0/16"
#define SERVER  "10.20.0.9"
#define STEP_NS (100 * FZ_MS)
#define N_STEPS 1500u /* longer than a session's keys are used */

static FzEngineCounters
counters_of (const FzSimWorld *world, unsigned node)
{
  FzEngineCounters counters;

  fz_engine_get_counters (fz_sim_node_get_engine (world->nodes[node]), &counters);
  return counters;
}

/* A client and a gateway that only meet on a relay, with a session. */
static void
setup (FzSimWorld *world)
{
  unsigned resource;

  fz_sim_world_init (world, fz_sim_seed (71));
  fz_sim_world_add (world, false, FZ_SIM_NAT_SYMMETRIC);
  fz_sim_world_add (world, true, FZ_SIM_NAT_SYMMETRIC);
  resource = fz_sim_portal_add_resource (world->portal, LAN, NULL, 0);
  fz_sim_portal_set_policy (world->portal, 0, resource, true);
  fz_sim_world_run (world, 2 * FZ_S);
  fz_sim_world_ping (world, 0, SERVER, 1);
  fz_sim_world_run (world, 10 * FZ_S);
  g_assert_cmpuint (fz_sim_world_count (world, 0, 1), ==, 1);
}

/* More initiations than the gateway takes in a second, by somebody who knows its key and whom it
 * does not know. Returns: how many cookies went to them, and nowhere */
static unsigned
flood (FzSimWorld *world, const FzCookieKeys *keys)
{
  FzEngine *gateway = fz_sim_node_get_engine (world->nodes[1]);
  size_t size = sizeof (FzLaneMessage) + FZ_WIREGUARD_INITIATION_SIZE;
  g_autofree FzLaneMessage *message = g_malloc0 (size);
  FzSpan covered = { message->data, FZ_WIREGUARD_INITIATION_MAC1 };
  FzTransmit transmit;
  unsigned n_cookies = 0;

  message->kind = FZ_LANE_MESSAGE_DATAGRAM;
  message->length = FZ_WIREGUARD_INITIATION_SIZE;
  fz_socket_address_parse ("203.0.113.99:9", &message->from);
  fz_socket_address_parse ("10.0.0.1:52625", &message->to);
  fz_put_u32le (message->data, FZ_WIREGUARD_INITIATION);
  message->data[8] = 9; /* an ephemeral key */
  fz_blake2s_mac (fz_span (keys->mac1, sizeof keys->mac1),
                  &covered,
                  1,
                  message->data + FZ_WIREGUARD_INITIATION_MAC1);
  for (unsigned i = 0; i < FZ_HANDSHAKES_PER_S + 5; i++) {
    fz_engine_handle_message (gateway, message, fz_sim_now (world->sim));
    while (fz_engine_poll_transmit (gateway, &transmit))
      n_cookies += transmit.data.length == FZ_WIREGUARD_COOKIE_REPLY_SIZE;
  }
  return n_cookies;
}

/* The client's keys must be renewed just then. Its initiation is answered by a cookie, which has to
 * find back through the relay's channel: nothing else lets the next one in. */
static void
test_cookie_through_a_relay (void)
{
  g_auto (FzSimWorld) world;
  FzEngineCounters client, gateway;
  FzCookieKeys keys;
  uint64_t n_completed;
  unsigned n_relayed, n_strange_cookies = 0, n_steps = 0;

  setup (&world);
  client = counters_of (&world, 0);
  gateway = counters_of (&world, 1);
  n_completed = client.handshakes_completed;
  n_relayed = fz_sim_relay_get_counters (world.relay).n_relayed;
  fz_cookie_keys_init (&keys, fz_engine_get_public_key (fz_sim_node_get_engine (world.nodes[1])));

  while (counters_of (&world, 0).handshakes_completed == n_completed) {
    g_assert_cmpuint (++n_steps, <, N_STEPS);
    n_strange_cookies += flood (&world, &keys);
    fz_sim_world_ping (&world, 0, SERVER, 2);
    fz_sim_world_run (&world, STEP_NS);
  }
  g_assert_cmpuint (fz_sim_relay_get_counters (world.relay).n_relayed, >, n_relayed + n_steps);
  g_assert_cmpuint (n_strange_cookies, >, 0);
  g_assert_cmpuint (
      counters_of (&world, 1).cookies_sent - gateway.cookies_sent - n_strange_cookies, ==, 1);
  g_assert_cmpuint (counters_of (&world, 0).handshakes_started - client.handshakes_started, ==, 2);
  g_assert_cmpuint (
      counters_of (&world, 1).handshakes_received - gateway.handshakes_received, ==, 1);

  fz_sim_world_ping (&world, 0, SERVER, 3);
  fz_sim_world_run (&world, FZ_S);
  g_assert_cmpuint (fz_sim_world_count (&world, 0, 3), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/load/cookie-through-a-relay", test_cookie_through_a_relay);
  return g_test_run ();
}
