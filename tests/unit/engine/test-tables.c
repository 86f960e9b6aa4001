/* test-tables.c: the engine's small books: transaction ids in flight, peers that ended, open
 * questions to the portal, gateways of a client, queues, quoted packets. */

#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-authorizations.h"
#include "src/engine/fz-client-gateways.h"
#include "src/engine/fz-event-queue.h"
#include "src/engine/fz-former-peers.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-out-queue.h"
#include "src/engine/fz-quoted.h"
#include "src/engine/fz-stun-in-flight.h"
#include "src/proto/fz-icmp.h"

#include <string.h>

static FzStunTransactionId
txid (uint32_t i)
{
  FzStunTransactionId id = { { 0 } };

  memcpy (id.bytes, &i, sizeof i);
  return id;
}

/* connectivity.md N10, N11 */
static void
test_in_flight (void)
{
  g_autoptr (FzStunInFlight) table = fz_stun_in_flight_new ();
  FzStunTransactionId one = txid (1), two = txid (2), three = txid (3);
  uint32_t connection = 0;

  fz_stun_in_flight_add (table, &one, 11, 0);
  fz_stun_in_flight_add (table, &two, 22, 0);
  fz_stun_in_flight_add (table, &three, 33, 5 * FZ_S);
  g_assert_true (fz_stun_in_flight_find (table, &one, FZ_S, &connection));
  g_assert_cmpuint (connection, ==, 11);
  g_assert_true (fz_stun_in_flight_find (table, &one, FZ_S, &connection)); /* until it is removed */
  fz_stun_in_flight_remove (table, &one);
  fz_stun_in_flight_remove (table, &one);
  g_assert_false (fz_stun_in_flight_find (table, &one, FZ_S, &connection));
  fz_stun_in_flight_add (table, &one, 12, FZ_S);
  g_assert_true (fz_stun_in_flight_find (table, &one, 10 * FZ_S, &connection));
  g_assert_false (fz_stun_in_flight_find (table, &two, 10 * FZ_S, &connection));
  g_assert_true (fz_stun_in_flight_find (table, &three, 15 * FZ_S - 1, &connection));
  fz_stun_in_flight_remove (table, &three);
  fz_stun_in_flight_remove (table, &one);
  g_assert_cmpuint (fz_stun_in_flight_get_count (table), ==, 0);

  for (uint32_t i = 0; i <= FZ_STUN_IN_FLIGHT_MAX; i++) {
    FzStunTransactionId id = txid (i);

    fz_stun_in_flight_add (table, &id, i, 20 * FZ_S);
  }
  g_assert_cmpuint (fz_stun_in_flight_get_count (table), ==, FZ_STUN_IN_FLIGHT_MAX);
  one = txid (0);
  g_assert_false (fz_stun_in_flight_find (table, &one, 20 * FZ_S, &connection));
  fz_stun_in_flight_clear (table);
  one = txid (7);
  g_assert_false (fz_stun_in_flight_find (table, &one, 20 * FZ_S, &connection));
}

/* connectivity.md N6 */
static void
test_former (void)
{
  FzFormerPeers peers;
  FzUuid id = { { 1 } };
  uint8_t key[FZ_KEY_SIZE] = { 2 };

  fz_former_peers_init (&peers);
  fz_former_peers_add (&peers, &id, 77, key, "abcd", FZ_S);
  g_assert_true (fz_former_peers_has_id (&peers, &id, 2 * FZ_S));
  g_assert_true (fz_former_peers_has_connection_id (&peers, 77, 2 * FZ_S));
  g_assert_true (fz_former_peers_has_public_key (&peers, key, 2 * FZ_S));
  g_assert_true (fz_former_peers_has_ufrag (&peers, "abcdx", 4, 2 * FZ_S));
  g_assert_false (fz_former_peers_has_ufrag (&peers, "abcd", 3, 2 * FZ_S));
  g_assert_false (fz_former_peers_has_connection_id (&peers, 78, 2 * FZ_S));
  g_assert_false (fz_former_peers_has_id (&peers, &id, 6 * FZ_S));
  for (uint32_t i = 0; i <= FZ_FORMER_PEERS_MAX; i++)
    fz_former_peers_add (&peers, &id, i, key, NULL, 7 * FZ_S);
  g_assert_false (fz_former_peers_has_connection_id (&peers, 0, 7 * FZ_S));
  g_assert_true (fz_former_peers_has_connection_id (&peers, FZ_FORMER_PEERS_MAX, 7 * FZ_S));
  fz_former_peers_clear (&peers);
}

/* tunnel.md P1, P2 */
static void
test_authorizations (void)
{
  FzAuthorizations *pending = fz_authorizations_new (NULL);
  FzUuid a = { { 1 } }, b = { { 2 } };
  uint8_t packet[] = { 0x45, 1, 2 };
  FzPacketBuffer *waiting;

  g_assert_true (fz_authorizations_want (pending, &a, fz_span (packet, 3), 0, NULL));
  g_assert_false (fz_authorizations_want (pending, &a, fz_span (packet, 2), FZ_S, NULL));
  g_assert_true (fz_authorizations_want (pending, &b, (FzSpan){ 0 }, FZ_S, NULL));
  g_assert_true (fz_authorizations_want (pending, &a, fz_span (packet, 1), 2 * FZ_S, NULL));
  g_assert_false (fz_authorizations_want (pending, &a, (FzSpan){ 0 }, 3 * FZ_S, NULL));

  waiting = fz_authorizations_steal (pending, &a);
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (waiting), ==, 3);
  fz_packet_buffer_free (waiting);
  g_assert_null (fz_authorizations_steal (pending, &a));
  g_assert_true (fz_authorizations_is_pending (pending, &b));
  fz_authorizations_forget (pending, &b);
  g_assert_false (fz_authorizations_is_pending (pending, &b));
  fz_authorizations_free (pending);
}

/* tunnel.md R14, R15 */
static void
test_preferred (void)
{
  FzClientGateways *gateways = fz_client_gateways_new ();
  FzUuid g1 = { { 1 } }, g2 = { { 2 } }, g3 = { { 3 } };
  FzUuid resource = { { 9 } }, other = { { 8 } };
  g_autoptr (GArray) ids = NULL;

  fz_client_gateways_put (gateways, &g1);
  fz_client_gateways_authorize (gateways, fz_client_gateways_put (gateways, &g3), &resource);
  fz_client_gateways_put (gateways, &g2);
  g_assert_true (fz_client_gateways_find_for (gateways, &resource) ==
                 fz_client_gateways_find (gateways, &g3));
  fz_client_gateways_remove (gateways, &g3);
  fz_client_gateways_remove (gateways, &g1);
  g_assert_null (fz_client_gateways_find_for (gateways, &resource));

  /* the one before, the connected one, the other */
  ids = fz_client_gateways_get_preferred (gateways, &resource);
  g_assert_cmpuint (ids->len, ==, 3);
  g_assert_true (fz_uuid_equal (&g_array_index (ids, FzUuid, 0), &g3));
  g_assert_true (fz_uuid_equal (&g_array_index (ids, FzUuid, 1), &g2));
  g_assert_true (fz_uuid_equal (&g_array_index (ids, FzUuid, 2), &g1));
  g_clear_pointer (&ids, g_array_unref);
  ids = fz_client_gateways_get_preferred (gateways, &other);
  g_assert_true (fz_uuid_equal (&g_array_index (ids, FzUuid, 0), &g2));

  for (unsigned i = 0; i < FZ_GATEWAYS_SEEN_MAX + 10; i++) {
    FzUuid id = { { 0xff, (uint8_t) (i >> 8), (uint8_t) i } };

    fz_client_gateways_put (gateways, &id);
    fz_client_gateways_remove (gateways, &id);
  }
  g_clear_pointer (&ids, g_array_unref);
  ids = fz_client_gateways_get_preferred (gateways, &other);
  g_assert_cmpuint (ids->len, ==, FZ_GATEWAYS_SEEN_MAX);
  fz_client_gateways_free (gateways);
}

static void
test_out_queue (void)
{
  FzOutQueue queue;
  FzOutItem item;
  FzSpan data;
  FzSocketAddress to = { { FZ_IP_V4, { 1, 2, 3, 4 } }, 5 };
  uint8_t *room;

  fz_out_queue_init (&queue);
  g_assert_false (fz_out_queue_poll (&queue, &item, &data));
  g_assert_true (fz_out_queue_push (&queue, &to, NULL, 2, fz_span ("abc", 3)));
  g_assert_nonnull (fz_out_queue_reserve (&queue, &to, NULL, 0, 100));
  fz_out_queue_unreserve (&queue);
  g_assert_true (fz_out_queue_push (&queue, NULL, NULL, 0, fz_span ("", 0)));
  g_assert_true (fz_out_queue_poll (&queue, &item, &data));
  g_assert_cmpmem (data.data, data.length, "abc", 3);
  g_assert_true (fz_socket_address_equal (&item.to, &to));
  g_assert_cmpuint (item.ecn, ==, 2);
  g_assert_true (fz_out_queue_poll (&queue, &item, &data));
  g_assert_cmpuint (data.length, ==, 0);
  g_assert_true (fz_out_queue_is_empty (&queue));
  g_assert_false (fz_out_queue_poll (&queue, &item, &data));

  room = fz_out_queue_reserve (&queue, &to, NULL, 0, FZ_OUT_QUEUE_BYTES_MAX);
  g_assert_nonnull (room);
  room[FZ_OUT_QUEUE_BYTES_MAX - 1] = 1;
  g_assert_false (fz_out_queue_push (&queue, &to, NULL, 0, fz_span ("x", 1)));
  g_assert_true (fz_out_queue_poll (&queue, &item, &data));
  g_assert_true (fz_out_queue_push (&queue, &to, NULL, 0, fz_span ("x", 1)));
  fz_out_queue_clear (&queue);
}

static void
test_event_queue (void)
{
  FzEventQueue queue;
  FzEvent event = { .kind = FZ_EVENT_AUTHORIZATION_ACCEPTED };

  fz_event_queue_init (&queue);
  for (unsigned i = 0; i <= FZ_EVENTS_MAX; i++) {
    char *ref = g_strdup_printf ("%u", i);

    event.authorization_ref = ref;
    fz_event_queue_push (&queue, &event, ref);
  }
  g_assert_true (fz_event_queue_poll (&queue, &event));
  g_assert_cmpstr (event.authorization_ref, ==, "1"); /* the oldest went */
  g_assert_true (fz_event_queue_poll (&queue, &event));
  g_assert_cmpstr (event.authorization_ref, ==, "2");
  fz_event_queue_clear (&queue);
}

/* A UDP packet 100.64.0.1:1000 to 10.0.0.1:53, and what ICMP says of it. */
static void
test_quoted (void)
{
  uint8_t udp[28] = { 0x45, 0, 0,  28, 0, 0, 0, 0,   64, 17, 0, 0, 100, 64,
                      0,    1, 10, 0,  0, 1, 3, 232, 0,  53, 0, 8, 0,   0 };
  uint8_t error[FZ_ICMP_ERROR_MAX];
  FzIpPacket packet;
  FzFlow flow;
  size_t n;

  g_assert_cmpint (fz_ip_packet_parse (fz_span (udp, 28), &packet), ==, FZ_DROP_NONE);
  n = fz_icmp_write_error (FZ_ICMP_PROHIBITED, &packet, error);
  g_assert_cmpuint (n, >, 0);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (error, n), &packet), ==, FZ_DROP_NONE);
  g_assert_true (fz_quoted_is_prohibited (&packet));
  g_assert_cmpint (fz_quoted_parse (&packet, &flow), ==, FZ_DROP_NONE);
  g_assert_cmpuint (flow.protocol, ==, FZ_PROTOCOL_UDP);
  g_assert_cmpuint (flow.source_port, ==, 1000);
  g_assert_cmpuint (flow.destination_port, ==, 53);
  g_assert_cmpuint (flow.destination.bytes[0], ==, 10);

  for (uint32_t cut = packet.transport_offset; cut < packet.length; cut++) {
    FzIpPacket shorter = packet;

    shorter.length = cut;
    if (cut < packet.transport_offset + 8u + 20u + 6u)
      g_assert_cmpint (fz_quoted_parse (&shorter, &flow), ==, FZ_DROP_TRUNCATED);
  }
  error[20 + 8] = 0x60;
  g_assert_cmpint (fz_quoted_parse (&packet, &flow), ==, FZ_DROP_BAD_VERSION);
  error[20 + 8] = 0x44;
  g_assert_cmpint (fz_quoted_parse (&packet, &flow), ==, FZ_DROP_BAD_VERSION);
  n = fz_icmp_write_error (FZ_ICMP_UNREACHABLE, &packet, error);
  g_assert_cmpuint (n, ==, 0);
}

static const struct {
  FzRange range;
  const char *text;
} plan[] = {
  { FZ_RANGE_TUNNEL_V4, "100.64.0.0/11" },
  { FZ_RANGE_TUNNEL_V6, "fd00:2021:1111::/107" },
  { FZ_RANGE_PROXY_V4, "100.96.0.0/11" },
  { FZ_RANGE_PROXY_V6, "fd00:2021:1111:8000::/107" },
  { FZ_RANGE_SENTINEL_V4, "100.100.111.0/24" },
  { FZ_RANGE_SENTINEL_V6, "fd00:2021:1111:8000:100:100:111:0/120" },
};

static void
test_plan (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (plan); i++) {
    FzIpNetwork network;

    g_assert_true (fz_ip_network_parse (plan[i].text, &network));
    g_assert_true (fz_ip_network_equal (&network, fz_address_plan_get (plan[i].range)));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tables/stun-in-flight", test_in_flight);
  g_test_add_func ("/tables/former-peers", test_former);
  g_test_add_func ("/tables/authorizations", test_authorizations);
  g_test_add_func ("/tables/preferred-gateways", test_preferred);
  g_test_add_func ("/tables/out-queue", test_out_queue);
  g_test_add_func ("/tables/event-queue", test_event_queue);
  g_test_add_func ("/tables/quoted", test_quoted);
  g_test_add_func ("/tables/address-plan", test_plan);
  return g_test_run ();
}
