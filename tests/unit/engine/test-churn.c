/* test-churn.c: peers that come and go by the thousand. What lanes remember of the others stays
 * good, and what is gone leaves nothing behind. */

#include "engine-bed.h"
#include "src/crypto/fz-crypto.h"

#include <glib.h>

static const FzProtocolKey any;

static uint64_t
get_serial (const EngineBed *bed)
{
  return fz_snapshot_get_serial (atomic_load (&bed->published.current));
}

static FzPeer *
find_host (const EngineBed *bed, uint8_t client)
{
  const FzSnapshot *snapshot = atomic_load (&bed->published.current);

  FzIp ip = bed_interface (client).ipv4;

  return fz_peer_table_find_host (fz_snapshot_get_table (snapshot), &ip);
}

/* -- a gateway's clients -- */

static void
start_gateway (EngineBed *bed)
{
  FzRelay relay = bed_relay ();
  FzCommand init = bed_gateway_init (NULL, 0, &relay);

  bed_init (bed, FZ_ROLE_GATEWAY);
  bed_command (bed, &init);
  bed_answer_relay (bed);
}

static void
authorize (EngineBed *bed, uint8_t client)
{
  FzResource resource = bed_cidr (1, "10.1.0.0/16");
  FzCommand create = bed_create (&resource, client);

  bed_command (bed, &create);
}

static void
test_gateway_snapshot (void)
{
  FzCommand reject = { .kind = FZ_COMMAND_REJECT_ACCESS };
  g_auto (EngineBed) bed;
  uint64_t serial;
  FzPeer *first;

  start_gateway (&bed);
  authorize (&bed, 1);
  first = find_host (&bed, 1);
  g_assert_nonnull (first);
  serial = get_serial (&bed);

  authorize (&bed, 2); /* comes, and goes by the portal's will */
  g_assert_nonnull (find_host (&bed, 2));
  reject.reject_access.client_id = bed_uuid (2);
  reject.reject_access.resource_id = bed_uuid (1);
  bed_command (&bed, &reject);
  g_assert_null (find_host (&bed, 2));

  authorize (&bed, 3); /* comes, and is never heard of again */
  bed_run (&bed, 5 * FZ_S);
  authorize (&bed, 1); /* still wanted */
  g_assert_true (find_host (&bed, 1) == first);
  g_assert_cmpuint (get_serial (&bed), ==, serial);
  bed_run (&bed, 30 * FZ_S);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  g_assert_null (find_host (&bed, 1));
  g_assert_null (find_host (&bed, 3));
  g_assert_cmpuint (get_serial (&bed), ==, serial);
}

/* -- bare peers -- */

static void
add_bare (EngineBed *bed, uint8_t number, const char *allowed)
{
  FzCommand add = { .kind = FZ_COMMAND_ADD_BARE_PEER };
  uint8_t private_key[FZ_KEY_SIZE] = { 8, number };
  FzIpNetwork network;

  g_assert_true (fz_ip_network_parse (allowed, &network));
  fz_x25519_clamp (private_key);
  fz_x25519_public (private_key, add.bare_peer.public_key);
  add.bare_peer.id = bed_uuid (number);
  add.bare_peer.allowed = &network;
  add.bare_peer.n_allowed = 1;
  bed_command (bed, &add);
}

/* Single addresses are the table's, which is changed in place; a network is a route of all. */
static void
test_bare_snapshot (void)
{
  FzCommand configure = { .kind = FZ_COMMAND_CONFIG_CHANGED };
  FzIp inside = { FZ_IP_V4, { 10, 1, 2, 3 } };
  g_auto (EngineBed) bed;
  uint64_t serial;
  FzPeer *third;

  bed_init (&bed, FZ_ROLE_BARE);
  configure.config_changed = bed_interface (200);
  bed_command (&bed, &configure);
  serial = get_serial (&bed);
  add_bare (&bed, 1, "100.64.0.1/32");
  add_bare (&bed, 2, "100.64.0.2/32");
  add_bare (&bed, 2, "100.64.0.2/32"); /* replaced */
  g_assert_nonnull (find_host (&bed, 1));
  g_assert_nonnull (find_host (&bed, 2));
  g_assert_cmpuint (get_serial (&bed), ==, serial);

  add_bare (&bed, 3, "10.1.0.0/16");
  g_assert_cmpuint (get_serial (&bed), >, serial);
  serial = get_serial (&bed);
  third = fz_snapshot_find_route (atomic_load (&bed.published.current), &inside, any);
  g_assert_nonnull (third);
  add_bare (&bed, 3, "100.64.0.3/32"); /* its route goes with it */
  g_assert_cmpuint (get_serial (&bed), >, serial);
  g_assert_null (fz_snapshot_find_route (atomic_load (&bed.published.current), &inside, any));
  g_assert_nonnull (find_host (&bed, 3));
  serial = get_serial (&bed);

  bed_command (&bed, &(FzCommand){ .kind = FZ_COMMAND_SHUT_DOWN });
  for (uint8_t i = 1; i <= 3; i++)
    g_assert_null (find_host (&bed, i));
  g_assert_cmpuint (get_serial (&bed), ==, serial);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/churn/gateway/snapshot", test_gateway_snapshot);
  g_test_add_func ("/churn/bare/snapshot", test_bare_snapshot);
  return g_test_run ();
}
