/* test-churn.c: peers that come and go by the thousand. What lanes remember of the others stays
 * good, and what is gone leaves nothing behind. */

#include "engine-bed.h"
#include "src/crypto/fz-crypto.h"

#include <glib.h>
#include <malloc.h>
#include <string.h>

#define N_CROWD   10000u
#define N_ROUNDS  4u
#define TABLE_MAX 512u   /* bytes per peer that tables and GSlice may keep for the next as many */
#define NOISE_MAX 65536u /* six bytes a peer */

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
start_bare (EngineBed *bed)
{
  FzCommand configure = { .kind = FZ_COMMAND_CONFIG_CHANGED };

  bed_init (bed, FZ_ROLE_BARE);
  configure.config_changed = bed_interface (200);
  bed_command (bed, &configure);
}

static FzCommand
make_bare (uint32_t number, const FzIpNetwork *network)
{
  FzCommand add = { .kind = FZ_COMMAND_ADD_BARE_PEER };

  add.bare_peer.public_key[0] = 9; /* any number is a point of the curve, or of its twist */
  memcpy (add.bare_peer.public_key + 4, &number, sizeof number);
  add.bare_peer.id = bed_uuid ((uint8_t) number);
  memcpy (add.bare_peer.id.bytes + 4, &number, sizeof number);
  add.bare_peer.allowed = network;
  add.bare_peer.n_allowed = 1;
  return add;
}

static void
add_bare (EngineBed *bed, uint8_t number, const char *allowed)
{
  FzIpNetwork network;
  FzCommand add;

  g_assert_true (fz_ip_network_parse (allowed, &network));
  add = make_bare (number, &network);
  bed_command (bed, &add);
}

/* Single addresses are the table's, which is changed in place; a network is a route of all. */
static void
test_bare_snapshot (void)
{
  FzIp inside = { FZ_IP_V4, { 10, 1, 2, 3 } };
  g_auto (EngineBed) bed;
  uint64_t serial;
  FzPeer *third;

  start_bare (&bed);
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

/* -- memory: ten thousand come and go, again and again -- */

/* What is in use, wherever it came from: not what the process holds, which depends on how the
 * allocator's pages lie. */
static size_t
get_bytes (void)
{
  struct mallinfo2 info = mallinfo2 (); /* all zero under a sanitizer */

  return info.uordblks + info.hblkhd + fz_secret_get_reserved_bytes ();
}

static FzIp
ip_of (uint32_t number)
{
  return (FzIp){ FZ_IP_V4, { 100, 65, (uint8_t) (number / 256), (uint8_t) number } };
}

static void
crowd_of_bare (EngineBed *bed)
{
  g_autoptr (GError) error = NULL;

  for (uint32_t i = 0; i < N_CROWD; i++) {
    FzIpNetwork network = { ip_of (i), 32 };
    FzCommand add = make_bare (i, &network);

    g_assert_true (fz_engine_handle_command (bed->engine, &add, bed->now, &error));
  }
  fz_engine_publish (bed->engine);
  g_assert_cmpuint (bed_n_peers (bed), ==, N_CROWD);
  bed_command (bed, &(FzCommand){ .kind = FZ_COMMAND_SHUT_DOWN });
}

static FzUuid
client_id (uint32_t number)
{
  FzUuid id = { { 0x40 } };

  memcpy (id.bytes + 4, &number, sizeof number);
  return id;
}

static void
crowd_of_clients (EngineBed *bed)
{
  FzResource resource = bed_cidr (1, "10.1.0.0/16");
  FzCommand reject = { .kind = FZ_COMMAND_REJECT_ACCESS };
  char ufrag[16];

  for (uint32_t i = 0; i < N_CROWD; i++) {
    FzCommand create = bed_create (&resource, 1);

    g_snprintf (ufrag, sizeof ufrag, "u%07x", i);
    create.create_authorization.client_id = client_id (i);
    memcpy (create.create_authorization.client_public_key, &i, sizeof i);
    create.create_authorization.client_ipv4 = ip_of (i);
    memcpy (create.create_authorization.client_ipv6.bytes + 8, &i, sizeof i);
    create.create_authorization.gateway_ice.username = ufrag;
    bed_command (bed, &create);
    bed_forget (bed);
  }
  g_assert_cmpuint (bed_n_peers (bed), ==, N_CROWD);
  reject.reject_access.resource_id = resource.id;
  for (uint32_t i = 0; i < N_CROWD; i++) {
    reject.reject_access.client_id = client_id (i);
    bed_command (bed, &reject);
  }
}

static void
test_memory (gconstpointer data)
{
  bool is_gateway = GPOINTER_TO_INT (data);
  g_auto (EngineBed) bed;
  size_t start, after[N_ROUNDS];

  if (is_gateway)
    start_gateway (&bed);
  else
    start_bare (&bed);
  start = get_bytes ();
  for (unsigned i = 0; i < N_ROUNDS; i++) {
    if (is_gateway)
      crowd_of_clients (&bed);
    else
      crowd_of_bare (&bed);
    bed_forget (&bed);
    g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
    after[i] = get_bytes ();
    g_test_message ("round %u: %+" G_GINT64_FORMAT " bytes, %" G_GSIZE_FORMAT " of secrets",
                    i,
                    (gint64) after[i] - (gint64) start,
                    fz_secret_get_reserved_bytes ());
  }
  g_assert_cmpuint (after[0], <, start + TABLE_MAX * N_CROWD);
  for (unsigned i = 1; i < N_ROUNDS; i++)
    g_assert_cmpuint (after[i], <, after[0] + NOISE_MAX);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/churn/gateway/snapshot", test_gateway_snapshot);
  g_test_add_func ("/churn/bare/snapshot", test_bare_snapshot);
  g_test_add_data_func ("/churn/memory/bare", GINT_TO_POINTER (false), test_memory);
  g_test_add_data_func ("/churn/memory/gateway", GINT_TO_POINTER (true), test_memory);
  return g_test_run ();
}
