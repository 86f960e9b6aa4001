/* test-steering.c: which lane a session belongs to, and a session that two lanes meet */

#include "packets.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-lane.h"
#include "src/proto/fz-wireguard.h"

#include <glib.h>
#include <string.h>

#define ID       0xabc001u
#define INDEX    (ID << 8 | 1)
#define N_SEALED 4000u
#define N_LANES  2u
#define STRIDE   (28u + 32u) /* an empty UDP packet, sealed */

/* Random ids spread evenly, whatever the key; and one lane takes everything. */
static void
test_spread (void)
{
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 7);
  rng = fz_seeded_rng (&seeded);
  for (uint32_t n_lanes = 0; n_lanes <= FZ_LANES_MAX; n_lanes++) {
    FzSteering steering = { n_lanes, fz_rng_u32 (&rng) | 1 };
    unsigned counts[FZ_LANES_MAX] = { 0 };
    unsigned expected = 16000 / (n_lanes > 0 ? n_lanes : 1);

    for (unsigned i = 0; i < 16000; i++)
      counts[fz_steering_get_lane (&steering, fz_rng_u32 (&rng) >> 8)]++;
    for (unsigned i = 0; i < FZ_LANES_MAX; i++) {
      if (i >= MAX (n_lanes, 1))
        g_assert_cmpuint (counts[i], ==, 0);
      else
        g_assert_cmpuint (counts[i], >, expected * 9 / 10);
    }
  }
}

/* -- two lanes, one session -- */

typedef struct {
  FzPublished published;
  FzPeer *peer;
  FzKeypair *keypair;
  uint8_t *sealed; /* N_SEALED datagrams of STRIDE bytes */
  FzRing *rings[N_LANES];
  FzLaneRx *lanes[N_LANES];
  unsigned n_out[N_LANES]; /* packets that came out */
} Shared;

static FzAeadKey *
make_key (uint8_t seed)
{
  uint8_t bytes[FZ_AEAD_KEY_SIZE];

  memset (bytes, seed, sizeof bytes);
  return fz_aead_key_new (bytes);
}

static void
publish (Shared *self)
{
  FzPolicyEntry entry = { 0 };

  g_assert_true (fz_ip_network_parse ("10.0.0.0/24", &entry.network));
  self->keypair = fz_keypair_new (make_key (1), make_key (2), INDEX, 1, false, 0);
  fz_published_init (&self->published);
  self->peer = fz_peer_new (&(FzUuid){ { 1 } }, ID);
  atomic_store (&self->peer->sources, fz_policy_new (&entry, 1));
  atomic_store (&self->peer->receiving[INDEX % FZ_PEER_SESSIONS], self->keypair);
  entry.peer = self->peer;
  fz_published_set (&self->published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_BARE,
                                                         .routes = fz_policy_new (&entry, 1),
                                                         .peers = &self->peer,
                                                         .n_peers = 1 }));
}

static void
seal_all (Shared *self)
{
  TestPacket packet = { .source = 1, .protocol = 17, .source_port = 1, .destination_port = 2 };
  FzAead *aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  FzAeadKey *key = make_key (2);

  self->sealed = g_malloc (N_SEALED * STRIDE);
  for (unsigned i = 0; i < N_SEALED; i++) {
    uint8_t *datagram = self->sealed + i * STRIDE;
    uint8_t *plaintext = datagram + FZ_WIREGUARD_DATA_HEADER_SIZE;
    FzAeadOp op = { plaintext, plaintext, 28, i };

    fz_wireguard_write_data_header (datagram, INDEX, i);
    g_assert_cmpuint (test_packet_build (&packet, plaintext), ==, 28);
    fz_aead_seal (aead, key, &op, 1);
  }
  fz_aead_key_free (key);
  fz_aead_free (aead);
}

static void
shared_init (Shared *self)
{
  FzSteering steering = { N_LANES, 12345 };

  g_assert_true (fz_crypto_init ());
  memset (self, 0, sizeof *self);
  publish (self);
  seal_all (self);
  for (uint32_t i = 0; i < N_LANES; i++) {
    FzLaneConfig config = {
      .published = &self->published,
      .backend = FZ_AEAD_BACKEND_SODIUM,
      .hash_seed = 1,
      .steering = steering,
      .index = i,
    };

    self->rings[i] = fz_ring_new (1u << 18);
    config.rx_to_engine = self->rings[i];
    self->lanes[i] = fz_lane_rx_new (&config);
    fz_lane_rx_set_limits (self->lanes[i], &(FzLaneLimits){ 64, true, true, true, 64 });
  }
}

static void
shared_clear (Shared *self)
{
  for (uint32_t i = 0; i < N_LANES; i++) {
    fz_lane_rx_free (self->lanes[i]);
    fz_ring_free (self->rings[i]);
  }
  fz_published_clear (&self->published);
  fz_peer_free (self->peer);
  g_free (self->sealed);
}

static void
take (Shared *self, uint32_t lane)
{
  const FzRun *runs;
  size_t n = fz_lane_rx_take (self->lanes[lane], &runs);

  for (size_t i = 0; i < n; i++)
    self->n_out[lane] += runs[i].n_packets;
}

/* All of the session's datagrams through one lane, some at a time. */
static void
push_all (Shared *self, uint32_t lane)
{
  for (unsigned at = 0, n; at < N_SEALED; at += n) {
    FzUdpBuffer buffer;

    n = MIN (1 + at % 40, N_SEALED - at);
    buffer = (FzUdpBuffer){ .data = g_memdup2 (self->sealed + at * STRIDE, n * STRIDE),
                            .length = n * STRIDE,
                            .stride = STRIDE };
    fz_lane_rx_push (self->lanes[lane], &buffer, 1, FZ_S);
    take (self, lane);
    g_free (buffer.data);
  }
}

typedef struct {
  Shared *shared;
  uint32_t lane;
} Pushing;

static gpointer
push_all_thread (gpointer data)
{
  const Pushing *pushing = data;

  push_all (pushing->shared, pushing->lane);
  return NULL;
}

/* Each packet comes out once, of one lane or the other; the other says "replay". */
static void
test_shared_session (void)
{
  Shared shared;
  GThread *threads[N_LANES];
  Pushing pushing[N_LANES];
  uint64_t n_replays = 0, n_foreign = 0;

  shared_init (&shared);
  for (uint32_t i = 0; i < N_LANES; i++) {
    pushing[i] = (Pushing){ &shared, i };
    threads[i] = g_thread_new ("lane", push_all_thread, &pushing[i]);
  }
  for (uint32_t i = 0; i < N_LANES; i++) {
    const FzLaneCounters *counters = fz_lane_rx_get_counters (shared.lanes[i]);

    g_thread_join (threads[i]);
    n_replays += atomic_load (&counters->drops[FZ_DROP_REPLAY]);
    n_foreign += atomic_load (&counters->foreign);
  }
  g_assert_cmpuint (shared.n_out[0] + shared.n_out[1], ==, N_SEALED);
  g_assert_cmpuint (n_replays, ==, N_SEALED);
  g_assert_cmpuint (n_foreign, ==, N_SEALED); /* one of the two is at home */
  g_assert_true (atomic_load (&shared.keypair->is_confirmed));
  g_test_message ("%u by the one, %u by the other", shared.n_out[0], shared.n_out[1]);
  shared_clear (&shared);
}

/* Alone, or one after the other: the second lane adds nothing. */
static void
test_one_after_the_other (void)
{
  Shared shared;

  shared_init (&shared);
  push_all (&shared, 1);
  push_all (&shared, 0);
  g_assert_cmpuint (shared.n_out[1], ==, N_SEALED);
  g_assert_cmpuint (shared.n_out[0], ==, 0);
  shared_clear (&shared);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/steering/spread", test_spread);
  g_test_add_func ("/steering/session/at-once", test_shared_session);
  g_test_add_func ("/steering/session/one-after-the-other", test_one_after_the_other);
  return g_test_run ();
}
