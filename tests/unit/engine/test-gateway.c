/* test-gateway.c: the gateway's decisions, by commands made by hand (tunnel.md §6.2). */

#include "engine-bed.h"
#include "src/dataplane/fz-verdict.h"

#include <string.h>

#define UNIX_NOW UINT64_C (1767225600)
#define ALICE    0xc1
#define BOB      0xc2

static void
setup (EngineBed *bed)
{
  FzRelay relay = bed_relay ();
  FzCommand connected = { .kind = FZ_COMMAND_PORTAL_CONNECTED };
  FzCommand init = bed_gateway_init (NULL, 0, &relay);

  bed_init (bed, FZ_ROLE_GATEWAY);
  bed_command (bed, &connected);
  bed_command (bed, &init);
  bed_expect (bed, "interface 100.64.0.200 100.64.0.0/11 fd00:2021:1111::/107");
  bed_expect (bed, NULL);
  bed_answer_relay (bed);
}

static void
authorize (
    EngineBed *bed, uint8_t client, uint8_t resource, const char *network, uint64_t expires_at)
{
  FzResource described = bed_cidr (resource, network);
  FzCommand create = bed_create (&described, client);

  create.create_authorization.expires_at = expires_at;
  bed_command (bed, &create);
}

/* What a lane would say to a packet of @client's to 10.@second.0.1, TCP @port. */
static FzVerdict
ask (EngineBed *bed, uint8_t client, uint8_t second, uint16_t port)
{
  FzSnapshot *snapshot = atomic_load (&bed->published.current);
  FzIp address = { FZ_IP_V4, { 100, 64, 0, client } };
  FzPeer *peer = fz_snapshot_find_route (snapshot, &address, (FzProtocolKey){ FZ_PROTOCOL_TCP, 1 });
  FzFlow flow;

  if (peer == NULL)
    return (FzVerdict){ .kind = FZ_VERDICT_DROP, .reason = FZ_DROP_UNKNOWN_PEER };
  memset (&flow, 0, sizeof flow);
  flow.source = address;
  flow.destination = (FzIp){ FZ_IP_V4, { 10, second, 0, 1 } };
  flow.source_port = 1234;
  flow.destination_port = port;
  flow.protocol = FZ_PROTOCOL_TCP;
  return fz_verdict_receive (snapshot, peer, &flow);
}

static void
assert_admitted (EngineBed *bed, uint8_t client, uint8_t second, uint16_t port)
{
  g_assert_cmpint (ask (bed, client, second, port).kind, ==, FZ_VERDICT_PASS);
}

static void
assert_refused (EngineBed *bed, uint8_t client, uint8_t second, uint16_t port)
{
  FzVerdict verdict = ask (bed, client, second, port);

  g_assert_cmpint (verdict.kind, ==, FZ_VERDICT_TO_ENGINE);
  g_assert_cmpint (verdict.reason, ==, FZ_DROP_NOT_ALLOWED);
}

static void
test_answer_before_candidates (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  bed_expect (&bed, "accepted ref");
  bed_expect (&bed, "candidates c1 2");
  bed_expect (&bed, NULL);
  assert_admitted (&bed, ALICE, 1, 80);
  assert_refused (&bed, ALICE, 2, 80);
  g_assert_cmpint (ask (&bed, BOB, 1, 80).reason, ==, FZ_DROP_UNKNOWN_PEER);

  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX); /* a duplicate: answered, reused */
  bed_expect (&bed, "accepted ref");
  bed_expect (&bed, "candidates c1 2");
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
}

static void
test_no_relays (void)
{
  g_auto (EngineBed) bed;
  FzCommand init = bed_gateway_init (NULL, 0, NULL);

  bed_init (&bed, FZ_ROLE_GATEWAY);
  bed_command (&bed, &init);
  bed_forget (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  bed_expect (&bed, "no-relays"); /* and no answer */
  bed_expect (&bed, NULL);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
}

static void
test_reject (void)
{
  g_auto (EngineBed) bed;
  FzCommand reject = { .kind = FZ_COMMAND_REJECT_ACCESS };

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  authorize (&bed, ALICE, 2, "10.2.0.0/16", UINT64_MAX);
  authorize (&bed, BOB, 1, "10.1.0.0/16", UINT64_MAX);
  bed_forget (&bed);
  reject.reject_access.client_id = bed_uuid (ALICE);
  reject.reject_access.resource_id = bed_uuid (1);
  bed_command (&bed, &reject);
  bed_command (&bed, &reject); /* twice */
  assert_refused (&bed, ALICE, 1, 80);
  assert_admitted (&bed, ALICE, 2, 80);
  assert_admitted (&bed, BOB, 1, 80);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 2);

  reject.reject_access.resource_id = bed_uuid (2);
  bed_command (&bed, &reject); /* the last one closes */
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
  g_assert_cmpint (ask (&bed, ALICE, 2, 80).reason, ==, FZ_DROP_UNKNOWN_PEER);
  reject.reject_access.client_id = bed_uuid (0x77);
  bed_command (&bed, &reject); /* nobody */
  bed_expect (&bed, NULL);
}

static void
test_expiry (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UNIX_NOW + 3);
  authorize (&bed, ALICE, 2, "10.2.0.0/16", UNIX_NOW + 6);
  bed_run (&bed, 2900 * FZ_MS);
  assert_admitted (&bed, ALICE, 1, 80);
  bed_run (&bed, 200 * FZ_MS);
  assert_refused (&bed, ALICE, 1, 80);
  assert_admitted (&bed, ALICE, 2, 80);
  bed_run (&bed, 3 * FZ_S);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);

  authorize (&bed, BOB, 1, "10.1.0.0/16", UNIX_NOW); /* over already: gone at the next tick */
  bed_run (&bed, FZ_MS);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
}

/* The wall clock is read with the command and never again: a step of years later neither ends nor
 * prolongs what is granted, and what is granted after the step lasts as long as it should. */
static void
test_clock_steps (void)
{
  static const int64_t steps_s[] = { 0, 10 * 365 * 86400, -20 * 86400 };
  g_auto (EngineBed) bed;

  setup (&bed);
  for (uint8_t i = 0; i < G_N_ELEMENTS (steps_s); i++) {
    uint64_t unix_now = (uint64_t) ((int64_t) UNIX_NOW + steps_s[i]);
    g_autofree char *network = g_strdup_printf ("10.%u.0.0/16", i + 1);
    FzResource described = bed_cidr (i + 1, network);
    FzCommand create = bed_create (&described, ALICE);

    create.create_authorization.unix_now = unix_now;
    create.create_authorization.expires_at = unix_now + 3;
    bed_command (&bed, &create);
  }
  bed_run (&bed, 2900 * FZ_MS);
  for (uint8_t i = 0; i < G_N_ELEMENTS (steps_s); i++)
    assert_admitted (&bed, ALICE, i + 1, 80);
  bed_run (&bed, 200 * FZ_MS);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
}

static void
test_init_retains (void)
{
  g_auto (EngineBed) bed;
  const FzGrant grants[] = {
    { bed_uuid (ALICE), bed_uuid (2), UNIX_NOW + 5 },
    { bed_uuid (0x77), bed_uuid (1), UNIX_NOW + 5 }, /* somebody we do not know */
  };
  FzCommand init = bed_gateway_init (grants, 2, NULL);

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  authorize (&bed, ALICE, 2, "10.2.0.0/16", UINT64_MAX);
  authorize (&bed, BOB, 1, "10.1.0.0/16", UINT64_MAX);
  bed_forget (&bed);
  bed_command (&bed, &init);
  bed_expect (&bed, NULL); /* the interface is as before */
  assert_refused (&bed, ALICE, 1, 80);
  assert_admitted (&bed, ALICE, 2, 80);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1); /* Bob has lost everything */
  bed_run (&bed, 6 * FZ_S);                     /* and the listed one has a new end */
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
}

static void
test_update (void)
{
  static const FzFilter web[] = { { FZ_FILTER_TCP, 80, 80 } };
  g_auto (EngineBed) bed;
  FzCommand update = { .kind = FZ_COMMAND_UPDATE_RESOURCE };

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  authorize (&bed, BOB, 1, "10.1.0.0/16", UINT64_MAX);
  update.resource = bed_cidr (1, "10.3.0.0/16"); /* the address is not followed (§6.2) */
  update.resource.filters = web;
  update.resource.n_filters = 1;
  bed_command (&bed, &update);
  assert_admitted (&bed, ALICE, 1, 80);
  assert_admitted (&bed, BOB, 1, 80);
  assert_refused (&bed, ALICE, 1, 22);
  assert_refused (&bed, BOB, 3, 80);
  update.resource.n_filters = 0;
  bed_command (&bed, &update);
  assert_admitted (&bed, ALICE, 1, 22);
  update.resource.id = bed_uuid (0x77);
  bed_command (&bed, &update); /* nobody has it */
}

static void
test_spoofing (void)
{
  g_auto (EngineBed) bed;
  FzResource resource = bed_cidr (1, "10.1.0.0/16");
  FzCommand create = bed_create (&resource, BOB);
  FzSnapshot *snapshot;
  FzPeer *peer;
  FzIp alice = { FZ_IP_V4, { 100, 64, 0, ALICE } };
  FzIp bob_v6 = bed_interface (BOB).ipv6;
  FzFlow flow;

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  assert_admitted (&bed, ALICE, 1, 80);
  /* The portal gives Bob what was Alice's: from then on she may not use it. */
  create.create_authorization.client_ipv4 = alice;
  bed_command (&bed, &create);
  snapshot = atomic_load (&bed.published.current);
  peer = fz_snapshot_find_route (snapshot, &alice, (FzProtocolKey){ FZ_PROTOCOL_TCP, 1 });
  g_assert_true (fz_uuid_equal (&peer->id, &create.create_authorization.client_id));
  memset (&flow, 0, sizeof flow);
  flow.source = alice;
  flow.destination = (FzIp){ FZ_IP_V4, { 10, 1, 0, 1 } };
  flow.protocol = FZ_PROTOCOL_TCP;
  g_assert_cmpint (fz_verdict_receive (snapshot, peer, &flow).kind, ==, FZ_VERDICT_PASS);
  peer = fz_snapshot_find_route (
      snapshot,
      &(FzIp){ FZ_IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, ALICE } },
      (FzProtocolKey){ FZ_PROTOCOL_TCP, 1 });
  g_assert_cmpint (fz_verdict_receive (snapshot, peer, &flow).reason, ==, FZ_DROP_UNKNOWN_SOURCE);
  flow.source = bob_v6;
  g_assert_cmpint (fz_verdict_receive (snapshot, peer, &flow).reason, ==, FZ_DROP_UNKNOWN_SOURCE);
}

/* A failed connection keeps its grants: the client may come back without asking. */
static void
test_grants_outlive_connection (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  bed_run (&bed, 11 * FZ_S); /* no candidates: failed */
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  authorize (&bed, ALICE, 2, "10.2.0.0/16", UINT64_MAX);
  assert_admitted (&bed, ALICE, 1, 80);
  assert_admitted (&bed, ALICE, 2, 80);
}

static void
test_network_change_is_nothing (void)
{
  g_auto (EngineBed) bed;
  FzCommand changed = { .kind = FZ_COMMAND_NETWORK_CHANGED };

  setup (&bed);
  authorize (&bed, ALICE, 1, "10.1.0.0/16", UINT64_MAX);
  bed_forget (&bed);
  bed_command (&bed, &changed); /* gateways never reset (§1.9) */
  bed_expect (&bed, NULL);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway/answer-before-candidates", test_answer_before_candidates);
  g_test_add_func ("/gateway/no-relays", test_no_relays);
  g_test_add_func ("/gateway/reject", test_reject);
  g_test_add_func ("/gateway/expiry", test_expiry);
  g_test_add_func ("/gateway/clock-steps", test_clock_steps);
  g_test_add_func ("/gateway/init-retains", test_init_retains);
  g_test_add_func ("/gateway/update", test_update);
  g_test_add_func ("/gateway/spoofing", test_spoofing);
  g_test_add_func ("/gateway/grants-outlive-connection", test_grants_outlive_connection);
  g_test_add_func ("/gateway/network-change", test_network_change_is_nothing);
  return g_test_run ();
}
