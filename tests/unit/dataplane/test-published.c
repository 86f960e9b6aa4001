/* test-published.c: fz-reclaim.h, fz-snapshot.h, fz-peer.h, fz-keypair.h; with a second thread
 * where two are meant to meet (run it under the thread sanitizer) */

#include "packets.h"
#include "src/dataplane/fz-snapshot.h"

#include <glib.h>

static size_t n_freed;

static void
count_free (void *object)
{
  n_freed++;
  g_free (object);
}

static void
test_reclaim_without_readers (void)
{
  FzReclaim *reclaim = fz_reclaim_new ();

  n_freed = 0;
  fz_reclaim_retire (reclaim, g_malloc (8), count_free);
  g_assert_cmpuint (n_freed, ==, 1);
  g_assert_cmpuint (fz_reclaim_collect (reclaim), ==, 0);
  fz_reclaim_retire (reclaim, NULL, count_free); /* nothing is fine */
  g_assert_cmpuint (n_freed, ==, 1);
  fz_reclaim_free (reclaim);
  fz_reclaim_free (NULL);
}

static void
test_reclaim_readers (void)
{
  FzReclaim *reclaim = fz_reclaim_new ();
  FzReclaimReader *a = fz_reclaim_add_reader (reclaim);
  FzReclaimReader *b = fz_reclaim_add_reader (reclaim);

  n_freed = 0;
  fz_reclaim_quiesce (reclaim, a);
  fz_reclaim_retire (reclaim, g_malloc (8), count_free);
  g_assert_cmpuint (n_freed, ==, 0); /* a may hold it; b is offline */
  fz_reclaim_quiesce (reclaim, b);   /* came online after: cannot have found it */
  g_assert_cmpuint (fz_reclaim_collect (reclaim), ==, 1);
  fz_reclaim_quiesce (reclaim, a);
  g_assert_cmpuint (fz_reclaim_collect (reclaim), ==, 0);
  g_assert_cmpuint (n_freed, ==, 1);

  /* two objects, freed in order as the slower reader goes on */
  fz_reclaim_retire (reclaim, g_malloc (8), count_free);
  fz_reclaim_quiesce (reclaim, a);
  fz_reclaim_quiesce (reclaim, b);
  fz_reclaim_retire (reclaim, g_malloc (8), count_free);
  g_assert_cmpuint (n_freed, ==, 2);
  fz_reclaim_offline (reclaim, a);
  g_assert_cmpuint (fz_reclaim_collect (reclaim), ==, 1);
  fz_reclaim_offline (reclaim, b);
  g_assert_cmpuint (fz_reclaim_collect (reclaim), ==, 0);
  g_assert_cmpuint (n_freed, ==, 3);

  for (size_t i = 0; i < 1000; i++) /* grows */
    fz_reclaim_retire (reclaim, g_malloc (8), count_free);
  g_assert_cmpuint (n_freed, ==, 1003);
  fz_reclaim_quiesce (reclaim, b);
  for (size_t i = 0; i < 1000; i++)
    fz_reclaim_retire (reclaim, g_malloc (8), count_free);
  g_assert_cmpuint (fz_reclaim_collect (reclaim), ==, 1000);
  fz_reclaim_offline (reclaim, b);
  fz_reclaim_free (reclaim); /* frees what is pending */
  g_assert_cmpuint (n_freed, ==, 2003);
}

static FzPeer *
make_peer (uint32_t connection_id)
{
  return fz_peer_new (&(FzUuid){ { 0 } }, connection_id);
}

static void
test_snapshot (void)
{
  enum { N = 1000 };
  FzPeer *peers[N];
  FzPublished published;
  FzSnapshot *snapshot;
  FzIp own = test_ip ("100.64.0.1"), other = test_ip ("100.64.0.2"), none = { 0 };
  uint64_t serial;

  fz_published_init (&published);
  snapshot = atomic_load (&published.current);
  serial = fz_snapshot_get_serial (snapshot);
  g_assert_cmpint (fz_snapshot_get_role (snapshot), ==, FZ_ROLE_CLIENT);
  g_assert_false (fz_snapshot_is_own_ip (snapshot, &own));
  g_assert_false (fz_snapshot_is_own_ip (snapshot, &none));
  g_assert_null (fz_snapshot_find_peer (snapshot, 0));

  for (uint32_t i = 0; i < N; i++)
    peers[i] = make_peer (i * 16411 & 0xffffff);
  fz_published_set (&published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_GATEWAY,
                                                         .own_ipv4 = own,
                                                         .routes = fz_policy_new (NULL, 0),
                                                         .peers = peers,
                                                         .n_peers = N }));
  snapshot = atomic_load (&published.current);
  g_assert_cmpuint (fz_snapshot_get_serial (snapshot), >, serial);
  g_assert_true (fz_snapshot_is_own_ip (snapshot, &own));
  g_assert_false (fz_snapshot_is_own_ip (snapshot, &other));
  for (uint32_t i = 0; i < N; i++)
    g_assert_true (fz_snapshot_find_peer (snapshot, peers[i]->connection_id) == peers[i]);
  g_assert_null (fz_snapshot_find_peer (snapshot, 0xfffffe));
  for (uint32_t i = 0; i < N; i++)
    fz_peer_free (peers[i]);
  fz_published_clear (&published);
}

/* One lane looks while the engine adds and removes ten thousand peers, over and over. */
typedef struct {
  FzPublished published;
  FzReclaimReader *reader;
  FzPeerTable *table;
  FzPeer *constant; /* always there */
  atomic_bool is_stopped;
} Crowd;

static FzIp
crowd_ip (uint32_t number)
{
  return (FzIp){ FZ_IP_V4,
                 { 10, (uint8_t) (number >> 16), (uint8_t) (number >> 8), (uint8_t) number } };
}

static gpointer
look_around (gpointer data)
{
  Crowd *crowd = data;
  FzIp constant = crowd_ip (0);

  for (uint32_t i = 0; !atomic_load (&crowd->is_stopped); i++) {
    FzIp ip = crowd_ip (i % 1000 + 1);
    const FzPeer *peer;

    fz_reclaim_quiesce (crowd->published.reclaim, crowd->reader);
    g_assert_true (fz_peer_table_find (crowd->table, 0) == crowd->constant);
    g_assert_true (fz_peer_table_find_host (crowd->table, &constant) == crowd->constant);
    peer = fz_peer_table_find (crowd->table, i % 1000 + 1);
    g_assert_true (peer == NULL || peer->connection_id == i % 1000 + 1);
    peer = fz_peer_table_find_host (crowd->table, &ip);
    g_assert_true (peer == NULL || peer->connection_id == i % 1000 + 1);
    if (i % 16 == 0) {
      fz_reclaim_offline (crowd->published.reclaim, crowd->reader);
      g_thread_yield ();
    }
  }
  fz_reclaim_offline (crowd->published.reclaim, crowd->reader);
  return NULL;
}

static void
free_peer (void *peer)
{
  fz_peer_free (peer);
}

static FzPeer *
join_crowd (Crowd *crowd, uint32_t number)
{
  FzPeer *peer = make_peer (number);
  FzIp ips[] = { crowd_ip (number), crowd_ip (number | 1u << 20) };

  fz_peer_table_add (crowd->table, peer);
  fz_peer_table_set_hosts (crowd->table, peer, ips, G_N_ELEMENTS (ips));
  return peer;
}

static void
test_peer_table_threads (void)
{
  enum { N = 1000, ROUNDS = 20 };
  Crowd crowd = { .reader = NULL };
  FzPeer *peers[N + 1] = { 0 };
  GThread *thread;

  fz_published_init (&crowd.published);
  crowd.reader = fz_reclaim_add_reader (crowd.published.reclaim);
  crowd.table = fz_peer_table_new (crowd.published.reclaim);
  crowd.constant = join_crowd (&crowd, 0);
  thread = g_thread_new ("lane", look_around, &crowd);
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (uint32_t i = 1; i <= N; i++)
      peers[i] = join_crowd (&crowd, i);
    for (uint32_t i = 1; i <= N; i++) {
      fz_peer_table_remove (crowd.table, peers[i]);
      fz_reclaim_retire (crowd.published.reclaim, peers[i], free_peer);
    }
  }
  atomic_store (&crowd.is_stopped, true);
  g_thread_join (thread);
  fz_peer_table_free (crowd.table);
  fz_peer_free (crowd.constant);
  fz_published_clear (&crowd.published);
}

static void
test_peer_table (void)
{
  FzPeerTable *table = fz_peer_table_new (NULL);
  FzPeer *low = fz_peer_new (&(FzUuid){ { 1 } }, 1), *high = fz_peer_new (&(FzUuid){ { 2 } }, 2);
  FzIp v4 = test_ip ("10.0.0.1"), v6 = test_ip ("fd00::1"), mapped = test_ip ("0a00:1::");
  FzIp both[] = { v4, v6 };

  fz_peer_table_add (table, low);
  fz_peer_table_add (table, high);
  g_assert_null (fz_peer_table_find_host (table, &v4));
  g_assert_true (fz_peer_table_set_hosts (table, high, both, 2));
  g_assert_false (fz_peer_table_set_hosts (table, high, both, 2));
  g_assert_true (fz_peer_table_set_hosts (table, low, both, 2));
  g_assert_true (fz_peer_table_find_host (table, &v4) == high); /* whoever came first */
  g_assert_true (fz_peer_table_find_host (table, &v6) == high);
  g_assert_null (fz_peer_table_find_host (table, &mapped));
  g_assert_true (fz_peer_table_set_hosts (table, high, &v6, 1));
  g_assert_true (fz_peer_table_find_host (table, &v4) == low);
  g_assert_true (fz_peer_table_find_host (table, &v6) == high);
  fz_peer_table_remove (table, high);
  g_assert_true (fz_peer_table_find_host (table, &v6) == low);
  g_assert_null (fz_peer_table_find (table, 2));
  fz_peer_table_remove (table, high); /* twice is once */
  g_assert_true (fz_peer_table_find (table, 1) == low);
  fz_peer_table_free (table);
  fz_peer_free (low);
  fz_peer_free (high);
}

static void
test_endpoint (void)
{
  FzPeer *peer = make_peer (7);
  FzEndpoint endpoint = fz_peer_get_endpoint (peer);

  g_assert_cmpint (endpoint.remote.ip.family, ==, FZ_IP_NONE);
  g_assert_true (fz_socket_address_parse ("[2001:db8::1]:51820", &endpoint.remote));
  endpoint.local = test_ip ("2001:db8::2");
  endpoint.channel = 0x4001;
  endpoint.generation = 99;
  fz_peer_set_endpoint (peer, &endpoint);
  endpoint = fz_peer_get_endpoint (peer);
  g_assert_cmpuint (endpoint.remote.port, ==, 51820);
  g_assert_cmpuint (endpoint.channel, ==, 0x4001);
  g_assert_cmpuint (endpoint.local.bytes[15], ==, 2);
  g_assert_cmpuint (endpoint.generation, ==, 1); /* the peer's own */
  fz_peer_set_endpoint (peer, &endpoint);
  g_assert_cmpuint (fz_peer_get_endpoint (peer).generation, ==, 2);
  fz_peer_free (peer);
  fz_peer_free (NULL);
}

static void
test_keypair (void)
{
  static const uint8_t key[FZ_AEAD_KEY_SIZE] = { 1 };
  FzKeypair *keypair = fz_keypair_new (
      fz_aead_key_new (key), fz_aead_key_new (key), 0x123456, 0x654321, true, 100 * FZ_S);
  FzPeer *peer = make_peer (1);
  uint64_t first;

  g_assert_true (fz_keypair_may_send (keypair, 0)); /* a clock that goes back */
  g_assert_true (fz_keypair_may_send (keypair, 270 * FZ_S - 1));
  g_assert_false (fz_keypair_may_send (keypair, 270 * FZ_S));
  g_assert_true (fz_keypair_may_receive (keypair, 280 * FZ_S - 1));
  g_assert_false (fz_keypair_may_receive (keypair, 280 * FZ_S));
  keypair->is_initiator = false;
  g_assert_true (fz_keypair_may_send (keypair, 280 * FZ_S - 1));
  g_assert_false (fz_keypair_may_send (keypair, 280 * FZ_S));

  g_assert_true (fz_keypair_reserve (keypair, 5, &first));
  g_assert_cmpuint (first, ==, 0);
  g_assert_true (fz_keypair_reserve (keypair, 1, &first));
  g_assert_cmpuint (first, ==, 5);
  atomic_store (&keypair->send_counter, FZ_REJECT_AFTER_MESSAGES - 3);
  g_assert_false (fz_keypair_reserve (keypair, 4, &first));
  g_assert_true (fz_keypair_reserve (keypair, 3, &first)); /* nothing was used up */
  g_assert_cmpuint (first, ==, FZ_REJECT_AFTER_MESSAGES - 3);
  g_assert_false (fz_keypair_reserve (keypair, 1, &first));

  /* a peer frees the keypair once though it is in two places, and one that is only being sent on */
  atomic_store (&peer->sending, keypair);
  atomic_store (&peer->receiving[6], keypair);
  fz_peer_free (peer);
  peer = make_peer (2);
  atomic_store (&peer->sending,
                fz_keypair_new (fz_aead_key_new (key), fz_aead_key_new (key), 1, 2, true, 0));
  atomic_store (&peer->sources, fz_policy_new (NULL, 0));
  atomic_store (&peer->permissions, fz_policy_new (NULL, 0));
  fz_peer_free (peer);
  fz_keypair_free (NULL);
}

/* -- two threads -- */

typedef struct {
  FzPublished published;
  FzReclaimReader *reader;
  FzPeer *peer;
  atomic_bool is_stopped;
  uint64_t n_turns;
  uint64_t n_changes; /* as seen by the reader */
} Shared;

/* Turns as a lane has them: quiesce, look at everything, now and then sleep. */
static gpointer
read_all (gpointer data)
{
  Shared *shared = data;
  uint64_t last_serial = 0;
  FzIp ip = test_ip ("10.0.0.1");

  while (!atomic_load (&shared->is_stopped)) {
    FzSnapshot *snapshot;
    const FzPolicy *sources;
    FzEndpoint endpoint;

    fz_reclaim_quiesce (shared->published.reclaim, shared->reader);
    snapshot = atomic_load_explicit (&shared->published.current, memory_order_acquire);
    sources = atomic_load_explicit (&shared->peer->sources, memory_order_acquire);
    g_assert_cmpuint (fz_snapshot_get_serial (snapshot), >=, last_serial);
    shared->n_changes += fz_snapshot_get_serial (snapshot) != last_serial;
    last_serial = fz_snapshot_get_serial (snapshot);
    g_assert_true (fz_snapshot_find_peer (snapshot, 7) == shared->peer);
    g_assert_cmpint (
        fz_policy_lookup (sources, &ip, (FzProtocolKey){ 0 }, NULL), ==, FZ_POLICY_ADMITTED);
    endpoint = fz_peer_get_endpoint (shared->peer);
    /* never half of one and half of another */
    g_assert_cmpuint (endpoint.remote.port, ==, endpoint.channel);
    g_assert_cmpuint (endpoint.remote.ip.bytes[0], ==, endpoint.channel & 0xff);
    g_assert_cmpuint (endpoint.local.bytes[15], ==, endpoint.channel & 0xff);
    if (++shared->n_turns % 16 == 0) {
      fz_reclaim_offline (shared->published.reclaim, shared->reader);
      g_thread_yield ();
    }
  }
  fz_reclaim_offline (shared->published.reclaim, shared->reader);
  return NULL;
}

static const FzPolicy *
make_sources (void)
{
  FzPolicyEntry entry = { 0 };

  g_assert_true (fz_ip_network_parse ("10.0.0.0/8", &entry.network));
  return fz_policy_new (&entry, 1);
}

static void
free_policy (void *policy)
{
  fz_policy_free (policy);
}

static void
change_all (Shared *shared, uint16_t i)
{
  FzEndpoint endpoint = { .channel = i };
  const FzPolicy *old;

  endpoint.remote.ip.family = endpoint.local.family = FZ_IP_V6;
  endpoint.remote.port = i;
  endpoint.remote.ip.bytes[0] = endpoint.local.bytes[15] = (uint8_t) i;
  fz_peer_set_endpoint (shared->peer, &endpoint);
  fz_published_set (&shared->published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_GATEWAY,
                                                         .routes = fz_policy_new (NULL, 0),
                                                         .peers = (FzPeer *const[]){ shared->peer },
                                                         .n_peers = 1 }));
  old = atomic_exchange_explicit (&shared->peer->sources, make_sources (), memory_order_acq_rel);
  fz_reclaim_retire (shared->published.reclaim, (void *) old, free_policy);
}

static void
test_threads (void)
{
  Shared shared = { .peer = make_peer (7) };
  GThread *thread;

  fz_published_init (&shared.published);
  shared.reader = fz_reclaim_add_reader (shared.published.reclaim);
  change_all (&shared, 0);
  thread = g_thread_new ("reader", read_all, &shared);
  for (uint32_t i = 1; i <= 20000; i++) {
    change_all (&shared, (uint16_t) i);
    if (i % 64 == 0)
      g_thread_yield ();
  }
  atomic_store (&shared.is_stopped, true);
  g_thread_join (thread);
  g_test_message ("%" G_GUINT64_FORMAT " turns, %" G_GUINT64_FORMAT " changes seen",
                  shared.n_turns,
                  shared.n_changes);
  g_assert_cmpuint (fz_reclaim_collect (shared.published.reclaim), ==, 0);
  fz_published_clear (&shared.published);
  fz_peer_free (shared.peer);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reclaim/without-readers", test_reclaim_without_readers);
  g_test_add_func ("/reclaim/readers", test_reclaim_readers);
  g_test_add_func ("/snapshot/tables", test_snapshot);
  g_test_add_func ("/peer/endpoint", test_endpoint);
  g_test_add_func ("/published/peer-table", test_peer_table);
  g_test_add_func ("/published/peer-table/threads", test_peer_table_threads);
  g_test_add_func ("/peer/keypair", test_keypair);
  g_test_add_func ("/published/two-threads", test_threads);
  return g_test_run ();
}
