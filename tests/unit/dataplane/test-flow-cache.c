/* test-flow-cache.c: fz-flow-cache.h while peers come and go. What concerns a flow is noticed at
 * once, what does not costs it nothing. What the cache has to say at all: test-verdict.c. */

#include "packets.h"
#include "src/dataplane/fz-flow-cache.h"

#include <glib.h>

#define SERVER "10.0.0.1"
#define OWN    "100.64.0.1"

/* A gateway, or a bare engine, with its two caches, and its peers' table. */
typedef struct {
  FzPublished published;
  FzPeerTable *table;
  FzFlowCache *tx;
  FzFlowCache *rx;
} World;

static const FzPolicy *
make_policy (const FzIp *ip, uint8_t prefix_length)
{
  FzPolicyEntry entry = { .network = { *ip, prefix_length } };

  return fz_policy_new (&entry, 1);
}

static FzIp
ip_of (uint32_t number)
{
  return (FzIp){ FZ_IP_V4, { 100, 65, (uint8_t) (number / 256), (uint8_t) number } };
}

static void
world_init (World *self, FzRole role)
{
  fz_published_init (&self->published);
  self->table = fz_peer_table_new (self->published.reclaim);
  self->tx = fz_flow_cache_new (1);
  self->rx = fz_flow_cache_new (2);
  fz_published_set (&self->published,
                    fz_snapshot_new (&(FzSnapshotParts){
                        .role = role, .own_ipv4 = test_ip (OWN), .table = self->table }));
}

static void
world_clear (World *self)
{
  fz_flow_cache_free (self->tx);
  fz_flow_cache_free (self->rx);
  fz_peer_table_free (self->table);
  fz_published_clear (&self->published);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

/* A client with this address (and id), which may reach the server's network. */
static FzPeer *
join (World *self, uint32_t number, uint8_t id)
{
  FzPeer *peer = fz_peer_new (&(FzUuid){ { id } }, number | (uint32_t) id << 16);
  FzIp ip = ip_of (number), server = test_ip (SERVER);

  atomic_store (&peer->sources, make_policy (&ip, 32));
  atomic_store (&peer->permissions, make_policy (&server, 24));
  fz_peer_table_add (self->table, peer);
  fz_peer_table_set_hosts (self->table, peer, &ip, 1);
  return peer;
}

static void
free_peer (void *peer)
{
  fz_peer_free (peer);
}

/* As the engine does it: no new snapshot. */
static void
leave (World *self, FzPeer *peer)
{
  fz_peer_table_remove (self->table, peer);
  fz_reclaim_retire (self->published.reclaim, peer, free_peer);
}

static FzFlow
flow_to (uint32_t number)
{
  return (FzFlow){ .source = test_ip (SERVER),
                   .destination = ip_of (number),
                   .source_port = 80,
                   .destination_port = 40000,
                   .protocol = FZ_PROTOCOL_TCP };
}

static FzFlow
flow_from (uint32_t number)
{
  return (FzFlow){ .source = ip_of (number),
                   .destination = test_ip (SERVER),
                   .source_port = 40000,
                   .destination_port = 80,
                   .protocol = FZ_PROTOCOL_TCP };
}

static const FzSnapshot *
begin (World *self, FzFlowCache *cache)
{
  const FzSnapshot *snapshot = atomic_load (&self->published.current);

  fz_flow_cache_begin (cache, fz_snapshot_get_serial (snapshot));
  return snapshot;
}

static FzVerdict
transmit (World *self, uint32_t number, bool *out_is_hit)
{
  const FzSnapshot *snapshot = begin (self, self->tx);
  FzFlow flow = flow_to (number);

  return fz_flow_cache_transmit (
      self->tx, snapshot, &flow, fz_flow_cache_hash (self->tx, &flow), out_is_hit);
}

static FzVerdict
receive (World *self, const FzPeer *peer, uint32_t number, bool *out_is_hit)
{
  const FzSnapshot *snapshot = begin (self, self->rx);
  FzFlow flow = flow_from (number);

  return fz_flow_cache_receive (self->rx, snapshot, peer, &flow, out_is_hit);
}

/* Both ways pass; whether both were known. */
static bool
passes (World *self, FzPeer *peer, uint32_t number)
{
  bool is_known_out, is_known_in;
  FzVerdict out = transmit (self, number, &is_known_out);
  FzVerdict in = receive (self, peer, number, &is_known_in);

  g_assert_cmpint (out.kind, ==, FZ_VERDICT_PASS);
  g_assert_true (out.peer == peer);
  g_assert_cmpint (in.kind, ==, FZ_VERDICT_PASS);
  return is_known_out && is_known_in;
}

/* A thousand others come, change their rights, and go again. Addresses share watches, so one of
 * them in a few thousand may touch ours. */
static void
test_others (gconstpointer data)
{
  g_auto (World) world;
  unsigned n_unknown = 0;
  FzPeer *peer;

  world_init (&world, (FzRole) GPOINTER_TO_INT (data));
  peer = join (&world, 1, 1);
  g_assert_false (passes (&world, peer, 1));
  for (uint32_t i = 2; i < 1002; i++) {
    FzPeer *other = join (&world, i, 2);
    FzIp moved = ip_of (i + 5000);

    n_unknown += !passes (&world, peer, 1);
    fz_peer_table_set_hosts (world.table, other, &moved, 1);
    n_unknown += !passes (&world, peer, 1);
    leave (&world, other);
    n_unknown += !passes (&world, peer, 1);
  }
  g_assert_cmpuint (n_unknown, <, 10);
  leave (&world, peer);
}

/* Its memory may be another's by the next packet. */
static void
test_gone (gconstpointer data)
{
  FzRole role = (FzRole) GPOINTER_TO_INT (data);
  g_auto (World) world;
  FzPeer *peer, *next;
  FzVerdict verdict;
  bool is_hit;

  world_init (&world, role);
  peer = join (&world, 1, 1);
  passes (&world, peer, 1);
  g_assert_true (passes (&world, peer, 1));
  leave (&world, peer);
  verdict = transmit (&world, 1, &is_hit);
  g_assert_false (is_hit);
  g_assert_cmpint (verdict.kind, ==, FZ_VERDICT_DROP);
  g_assert_cmpint (verdict.reason, ==, FZ_DROP_NO_ROUTE);

  /* who comes next has another address, and perhaps the old one's memory */
  next = join (&world, 2, 1);
  verdict = receive (&world, next, 1, &is_hit);
  g_assert_false (is_hit);
  g_assert_cmpint (verdict.kind, !=, FZ_VERDICT_PASS);
  g_assert_false (passes (&world, next, 2));
  g_assert_true (passes (&world, next, 2));
  leave (&world, next);

  /* and who comes back gets its own again */
  peer = join (&world, 1, 1);
  g_assert_false (passes (&world, peer, 1));
  g_assert_true (passes (&world, peer, 1));
  leave (&world, peer);
}

/* The address becomes another peer's: by the higher id, by taking it over, by giving it up. */
static void
test_taken_over (void)
{
  g_auto (World) world;
  FzIp moved = ip_of (9);
  FzPeer *low, *high;
  bool is_hit;

  world_init (&world, FZ_ROLE_GATEWAY);
  low = join (&world, 1, 1);
  passes (&world, low, 1);
  high = join (&world, 1, 2);
  g_assert_false (passes (&world, high, 1));
  g_assert_true (transmit (&world, 1, &is_hit).peer == high);
  g_assert_true (is_hit);

  fz_peer_table_set_hosts (world.table, high, &moved, 1);
  g_assert_true (transmit (&world, 1, &is_hit).peer == low);
  g_assert_false (is_hit);
  fz_peer_table_set_hosts (world.table, low, NULL, 0);
  g_assert_cmpint (transmit (&world, 1, &is_hit).kind, ==, FZ_VERDICT_DROP);
  leave (&world, low);
  leave (&world, high);
}

/* A route of the snapshot gives way to an address of a peer, and has it back. */
static void
test_route_gives_way (void)
{
  g_auto (World) world;
  FzIp ip = ip_of (1);
  FzPolicyEntry route = { .network = { ip_of (0), 24 } };
  FzPeer *peer, *routed;
  bool is_hit;

  world_init (&world, FZ_ROLE_BARE);
  routed = join (&world, 999, 1);
  route.peer = routed;
  fz_published_set (&world.published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_BARE,
                                                         .routes = fz_policy_new (&route, 1),
                                                         .table = world.table }));
  g_assert_true (transmit (&world, 1, &is_hit).peer == routed);
  g_assert_true (transmit (&world, 1, &is_hit).peer == routed);
  g_assert_true (is_hit);
  g_assert_cmpint (receive (&world, routed, 1, &is_hit).kind, ==, FZ_VERDICT_PASS);

  peer = join (&world, 1, 2);
  g_assert_true (transmit (&world, 1, &is_hit).peer == peer);
  g_assert_cmpint (receive (&world, routed, 1, &is_hit).kind, ==, FZ_VERDICT_DROP);
  g_assert_null (fz_peer_table_find_host (world.table, &(FzIp){ 0 }));
  fz_peer_table_set_hosts (world.table, peer, NULL, 0);
  g_assert_true (transmit (&world, 1, &is_hit).peer == routed);
  fz_peer_table_set_hosts (world.table, peer, &ip, 1);
  leave (&world, peer);
  g_assert_true (transmit (&world, 1, &is_hit).peer == routed);

  fz_published_set (
      &world.published,
      fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_BARE, .table = world.table }));
  leave (&world, routed);
  g_assert_cmpint (transmit (&world, 1, &is_hit).kind, ==, FZ_VERDICT_DROP);
}

/* -- two threads: the lane asks while the engine changes everything -- */

enum { N_CLIENTS = 64, N_ROUNDS = 300 };

typedef struct {
  World world;
  FzReclaimReader *reader;
  atomic_bool is_stopped;
  unsigned n_hits;
} Crowd;

static gpointer
ask (gpointer data)
{
  Crowd *crowd = data;

  for (uint32_t i = 0; !atomic_load (&crowd->is_stopped); i++) {
    uint32_t number = i / 4 % N_CLIENTS;
    FzVerdict verdict;
    bool is_hit;

    fz_reclaim_quiesce (crowd->world.published.reclaim, crowd->reader);
    verdict = transmit (&crowd->world, number, &is_hit);
    g_assert_true (verdict.kind != FZ_VERDICT_PASS ||
                   (verdict.peer->connection_id & 0xffff) == number);
    crowd->n_hits += is_hit;
    if (i % 16 == 0) {
      fz_reclaim_offline (crowd->world.published.reclaim, crowd->reader);
      g_thread_yield ();
    }
  }
  fz_reclaim_offline (crowd->world.published.reclaim, crowd->reader);
  return NULL;
}

static void
test_threads (void)
{
  Crowd crowd = { .reader = NULL };
  FzPeer *peers[N_CLIENTS];
  GThread *thread;

  world_init (&crowd.world, FZ_ROLE_GATEWAY);
  crowd.reader = fz_reclaim_add_reader (crowd.world.published.reclaim);
  for (uint32_t i = 0; i < N_CLIENTS; i++)
    peers[i] = join (&crowd.world, i, 1);
  thread = g_thread_new ("lane", ask, &crowd);
  for (unsigned round = 0; round < N_ROUNDS; round++) {
    for (uint32_t i = round % 2; i < N_CLIENTS; i += 2) {
      leave (&crowd.world, peers[i]);
      peers[i] = join (&crowd.world, i, (uint8_t) (round % 255 + 1));
    }
    g_thread_yield ();
  }
  atomic_store (&crowd.is_stopped, true);
  g_thread_join (thread);
  g_test_message ("%u hits", crowd.n_hits);
  for (uint32_t i = 0; i < N_CLIENTS; i++)
    leave (&crowd.world, peers[i]);
  world_clear (&crowd.world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func (
      "/flow-cache/others/gateway", GINT_TO_POINTER (FZ_ROLE_GATEWAY), test_others);
  g_test_add_data_func ("/flow-cache/others/bare", GINT_TO_POINTER (FZ_ROLE_BARE), test_others);
  g_test_add_data_func ("/flow-cache/gone/gateway", GINT_TO_POINTER (FZ_ROLE_GATEWAY), test_gone);
  g_test_add_data_func ("/flow-cache/gone/bare", GINT_TO_POINTER (FZ_ROLE_BARE), test_gone);
  g_test_add_func ("/flow-cache/address/taken-over", test_taken_over);
  g_test_add_func ("/flow-cache/address/route-gives-way", test_route_gives_way);
  g_test_add_func ("/flow-cache/threads", test_threads);
  return g_test_run ();
}
