/* bench-dataplane.c
 *
 * What each step of the packet path costs, in nanoseconds per packet: an
 * executable that prints a table, not a test with a limit. The lane rows are
 * whole turns without system calls: a full batch of super-packets through the
 * transmit half, and its trains through the receive half.
 *
 * Usage: bench-dataplane [backend] [seconds per row] [part of a row's name]
 *        bench-dataplane --instructions      by instructions.py, under callgrind
 *
 * With --instructions each row is run a fixed number of times, and callgrind told
 * to write down what that took. A row that seals or opens on the way has that
 * taken out by instructions.py: what a library makes of it is not ours to limit.
 */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-coalesce.h"
#include "src/dataplane/fz-flow-cache.h"
#include "src/dataplane/fz-flow-queue.h"
#include "src/dataplane/fz-lane.h"
#include "src/dataplane/fz-segment.h"
#include "src/dataplane/fz-train.h"
#include "src/proto/fz-checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(name) (void) (name)
#endif

#define PAYLOAD    1228u /* bytes of TCP payload in a full packet with timestamps */
#define N_SEGMENTS 52u   /* packets of a full super-packet */
#define HEADERS    52u   /* IPv4 and TCP with timestamps */
#define SUPER      (HEADERS + N_SEGMENTS * PAYLOAD)
#define PACKET     (HEADERS + PAYLOAD)
#define SMALL      64u /* bytes of UDP payload */
#define N_FRAMES   16u /* of a turn */

#define CLIENT_ID  1u
#define GATEWAY_ID 2u

#define WARM_ROUNDS    4 /* of --instructions */
#define COUNTED_ROUNDS 8

static double seconds_per_row = 0.5;
static bool counts_instructions;
static const char *wanted = ""; /* rows to measure, for profiling one */

static uint64_t
read_clock (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

typedef struct {
  const char *name;
  size_t (*run) (void *state); /* one round; returns how many packets it was */
  void *state;
  size_t bytes;   /* per packet, for the rate */
  bool is_cipher; /* what fz_aead_seal and fz_aead_open do is all that is counted */
} Row;

/* Callgrind collects from here on but for seal and open, or there alone: see instructions.py. */
static void
count_instructions (const Row *row)
{
  size_t packets = 0;

  for (int i = 0; i < WARM_ROUNDS; i++)
    row->run (row->state);
  CALLGRIND_ZERO_STATS;
  if (!row->is_cipher)
    CALLGRIND_TOGGLE_COLLECT;
  for (int i = 0; i < COUNTED_ROUNDS; i++)
    packets += row->run (row->state);
  if (!row->is_cipher)
    CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT (row->name);
  printf ("%zu\t%s\n", packets, row->name);
}

static void
measure (const Row *row)
{
  uint64_t limit = (uint64_t) (seconds_per_row * 1e9);
  uint64_t start, now, packets = 0;

  if (strstr (row->name, wanted) == NULL)
    return;
  if (counts_instructions) {
    count_instructions (row);
    return;
  }
  for (int i = 0; i < 20; i++)
    row->run (row->state);
  start = now = read_clock ();
  while (now - start < limit) {
    for (int i = 0; i < 10; i++)
      packets += row->run (row->state);
    now = read_clock ();
  }
  printf ("%-36s %9.1f ns %8.2f Gbit/s\n",
          row->name,
          (double) (now - start) / (double) packets,
          (double) packets * (double) row->bytes * 8.0 / (double) (now - start));
}

/* -- packets -- */

static uint8_t super[SUPER];
static FzVnetHeader super_vnet;
static uint8_t packets[N_SEGMENTS][PACKET];

/* A TCP super-packet 10.0.0.1 -> 10.1.0.1. */
static void
make_super (void)
{
  FzWriter w = fz_writer (super, sizeof super);
  FzIpPacket view;

  fz_writer_u32be (&w, 0x45000000u | SUPER);
  fz_writer_u32be (&w, 0x00014000u);
  fz_writer_u32be (&w, 0x40060000u);
  fz_writer_u32be (&w, 0x0a000001u);
  fz_writer_u32be (&w, 0x0a010001u);
  fz_writer_u16be (&w, 40000);
  fz_writer_u16be (&w, 5201);
  fz_writer_u32be (&w, 1);
  fz_writer_u32be (&w, 2);
  fz_writer_u16be (&w, 0x8010);
  fz_writer_u16be (&w, 512);
  fz_writer_zeros (&w, 4);
  fz_writer_u32be (&w, 0x0101080au);
  fz_writer_u64be (&w, 0x1122334455667788u);
  for (size_t i = w.length; i < SUPER; i++)
    super[i] = (uint8_t) (i * 31 + (i >> 7));
  fz_checksum_write_ipv4_header (super, 20);
  if (fz_ip_packet_parse (fz_span (super, SUPER), &view) != FZ_DROP_NONE)
    abort ();
  fz_put_u16be (super + 36,
                fz_checksum_fold (fz_checksum_pseudo (&view, FZ_IP_PROTOCOL_TCP, SUPER - 20)));
  super_vnet = (FzVnetHeader){ .flags = FZ_VNET_F_NEEDS_CSUM,
                               .gso_type = FZ_VNET_GSO_TCPV4,
                               .gso_size = PAYLOAD,
                               .csum_start = 20,
                               .csum_offset = 16 };
}

/* -- rows of single steps -- */

static size_t
run_checksum (void *state)
{
  static volatile uint16_t sink;

  for (size_t i = 0; i < N_SEGMENTS; i++)
    sink = fz_checksum_sum (packets[i], PACKET);
  (void) sink;
  return N_SEGMENTS;
}

static size_t
run_segment (void *state)
{
  FzSegmenter segmenter;

  if (fz_segmenter_init (&segmenter, &super_vnet, super, SUPER, FZ_MTU) != FZ_DROP_NONE)
    abort ();
  for (uint32_t i = 0; i < segmenter.n_segments; i++)
    fz_segmenter_write (&segmenter, i, packets[i]);
  return segmenter.n_segments;
}

/* The coalescer writes into the first packet's header, so that one is put back each time. */
static size_t
run_coalesce (void *state)
{
  static const FzLaneLimits limits = { 64, true, true, true, 64 };
  FzCoalescer *coalescer = state;
  uint8_t saved[HEADERS];
  const FzRun *runs;

  memcpy (saved, packets[0], HEADERS);
  fz_coalescer_begin (coalescer, &limits);
  for (size_t i = 0; i < N_SEGMENTS; i++) {
    FzArrival candidate;

    if (fz_ip_packet_parse (fz_span (packets[i], PACKET), &candidate.packet) != FZ_DROP_NONE)
      abort ();
    fz_coalescer_examine (coalescer, &candidate, NULL);
    if (!fz_coalescer_join (coalescer, &candidate))
      fz_coalescer_start (coalescer, &candidate);
  }
  if (fz_coalescer_finish (coalescer, &runs) != 1)
    abort ();
  memcpy (packets[0], saved, HEADERS);
  return N_SEGMENTS;
}

static size_t
run_replay (void *state)
{
  FzReplayWindow *window = state;
  uint64_t base = window->next;

  for (uint64_t i = 0; i < N_SEGMENTS; i++) {
    if (!fz_replay_window_may_accept (window, base + i) ||
        !fz_replay_window_accept (window, base + i))
      abort ();
  }
  return N_SEGMENTS;
}

typedef struct {
  FzAead *aead;
  FzAeadKey *key;
  uint32_t length;
  bool opens;
  uint8_t (*buffers)[PACKET + 16];
  uint8_t (*sealed)[PACKET + 16];
} Cipher;

/* Sixteen at a time, as the lanes do; opening works on a fresh copy, whose cost is in the row. */
static size_t
run_cipher (void *state)
{
  Cipher *cipher = state;
  FzAeadOp ops[16];

  for (size_t i = 0; i < 16; i++) {
    ops[i] = (FzAeadOp){ .source = cipher->buffers[i],
                         .target = cipher->buffers[i],
                         .length = cipher->length,
                         .counter = i };
    if (cipher->opens)
      memcpy (cipher->buffers[i], cipher->sealed[i], cipher->length + 16);
  }
  if (!cipher->opens)
    fz_aead_seal (cipher->aead, cipher->key, ops, 16);
  else if (fz_aead_open (cipher->aead, cipher->key, ops, 16) != 0xffff)
    abort ();
  return 16;
}

static Cipher
make_cipher (FzAeadBackend backend, uint32_t length, bool opens)
{
  static const uint8_t key[FZ_AEAD_KEY_SIZE] = { 7 };
  Cipher cipher = { .aead = fz_aead_new (backend), .key = fz_aead_key_new (key), .length = length };

  cipher.buffers = calloc (16, sizeof *cipher.buffers);
  cipher.sealed = calloc (16, sizeof *cipher.sealed);
  if (cipher.aead == NULL || cipher.buffers == NULL || cipher.sealed == NULL)
    abort ();
  run_cipher (&cipher);
  memcpy (cipher.sealed, cipher.buffers, 16 * sizeof *cipher.sealed);
  cipher.opens = opens;
  return cipher;
}

static void
clear_cipher (Cipher *cipher)
{
  fz_aead_free (cipher->aead);
  fz_aead_key_free (cipher->key);
  free (cipher->buffers);
  free (cipher->sealed);
}

/* -- whole lanes -- */

typedef struct {
  FzPublished published;
  FzPeer *peer;
  FzRing *ring;
  FzLaneTx *tx;
  FzLaneRx *rx;
} End;

typedef struct {
  End client;
  End gateway;
  bool receives; /* measure the receive half, too */
  bool is_small;
  bool is_single; /* one frame a turn: never queued */
  uint16_t port;  /* of the next frame */
  uint16_t n_flows;
  const void *written[FZ_TX_SLOTS]; /* places that hold the frame already */
  size_t n_written;
  uint8_t *buffers[FZ_TRAINS_MAX];
} Lane;

static const FzPolicy *
make_policy (const char *network, FzPeer *peer)
{
  FzPolicyEntry entry = { .peer = peer };

  if (!fz_ip_network_parse (network, &entry.network))
    abort ();
  return fz_policy_new (&entry, 1);
}

static void
init_end (End *end, FzAeadBackend backend, bool is_client)
{
  static const uint8_t up[FZ_AEAD_KEY_SIZE] = { 1 }, down[FZ_AEAD_KEY_SIZE] = { 2 };
  uint32_t local = is_client ? CLIENT_ID << 8 | 1 : GATEWAY_ID << 8 | 1;
  uint32_t remote = is_client ? GATEWAY_ID << 8 | 1 : CLIENT_ID << 8 | 1;
  FzEndpoint endpoint = { 0 };
  FzKeypair *keypair = fz_keypair_new (fz_aead_key_new (is_client ? up : down),
                                       fz_aead_key_new (is_client ? down : up),
                                       local,
                                       remote,
                                       is_client,
                                       0);
  FzSnapshotParts parts = { .role = is_client ? FZ_ROLE_CLIENT : FZ_ROLE_GATEWAY, .n_peers = 1 };
  FzLaneConfig config = { .published = &end->published,
                          .backend = backend,
                          .limits = { 64, true, true, true, 64 } };

  fz_published_init (&end->published);
  end->peer = fz_peer_new (&(FzUuid){ { 0 } }, is_client ? CLIENT_ID : GATEWAY_ID);
  end->ring = fz_ring_new (1 << 20);
  fz_ip_parse (is_client ? "10.0.0.1" : "10.9.0.1", &parts.own_ipv4);
  parts.routes = (FzPolicy *) make_policy (is_client ? "10.1.0.0/16" : "10.0.0.1/32", end->peer);
  parts.peers = &end->peer;
  fz_published_set (&end->published, fz_snapshot_new (&parts));
  atomic_store (&end->peer->sources, make_policy (is_client ? "10.1.0.0/16" : "10.0.0.1/32", NULL));
  atomic_store (&end->peer->permissions, make_policy ("10.1.0.0/16", NULL));
  atomic_store (&end->peer->receiving[1], keypair);
  atomic_store (&end->peer->sending, keypair);
  fz_socket_address_parse ("192.0.2.1:51820", &endpoint.remote);
  fz_peer_set_endpoint (end->peer, &endpoint);
  config.tx_to_engine = config.rx_to_engine = end->ring;
  end->tx = fz_lane_tx_new (&config);
  end->rx = fz_lane_rx_new (&config);
}

static void
clear_end (End *end)
{
  fz_lane_tx_free (end->tx);
  fz_lane_rx_free (end->rx);
  fz_published_clear (&end->published);
  fz_peer_free (end->peer);
  fz_ring_free (end->ring);
}

/* A UDP packet of SMALL bytes in the place of the super-packet. */
static uint32_t
make_small (uint8_t *out)
{
  FzIpPacket view;

  memcpy (out, super, 28 + SMALL);
  fz_put_u16be (out + 2, 28 + SMALL);
  out[9] = FZ_IP_PROTOCOL_UDP;
  fz_checksum_write_ipv4_header (out, 20);
  fz_put_u16be (out + 24, 8 + SMALL);
  fz_put_u16be (out + 26, 0);
  if (fz_ip_packet_parse (fz_span (out, 28 + SMALL), &view) != FZ_DROP_NONE)
    abort ();
  fz_put_u16be (out + 26,
                fz_checksum_finish (fz_checksum_pseudo (&view, 17, 8 + SMALL) +
                                    fz_checksum_sum (out + 20, 8 + SMALL)));
  return 28 + SMALL;
}

static Lane *
make_lane (FzAeadBackend backend)
{
  Lane *lane = calloc (1, sizeof *lane);

  if (lane == NULL)
    abort ();
  init_end (&lane->client, backend, true);
  init_end (&lane->gateway, backend, false);
  for (size_t i = 0; i < FZ_TRAINS_MAX; i++)
    if ((lane->buffers[i] = malloc (65536)) == NULL)
      abort ();
  return lane;
}

static void
free_lane (Lane *lane)
{
  clear_end (&lane->client);
  clear_end (&lane->gateway);
  for (size_t i = 0; i < FZ_TRAINS_MAX; i++)
    free (lane->buffers[i]);
  free (lane);
}

static void
receive (Lane *lane, const FzTrain *trains, size_t n_trains)
{
  for (size_t first = 0; first < n_trains; first += FZ_RX_BATCH) {
    size_t n = n_trains - first < FZ_RX_BATCH ? n_trains - first : FZ_RX_BATCH;
    FzUdpBuffer buffers[FZ_RX_BATCH];
    const FzRun *runs;

    for (size_t i = 0; i < n; i++) {
      const FzTrain *train = &trains[first + i];

      memcpy (lane->buffers[i], train->data, train->length); /* what the kernel would do */
      buffers[i] = (FzUdpBuffer){ .data = lane->buffers[i],
                                  .length = train->length,
                                  .stride = train->segment_size,
                                  .from = train->to };
    }
    fz_lane_rx_push (lane->gateway.rx, buffers, n, 1);
    if (fz_lane_rx_take (lane->gateway.rx, &runs) == 0)
      abort ();
  }
}

/* The kernel's copy is not measured: a place is written once, its bytes stay what they were. */
static void
fill (Lane *lane, FzTunFrame *frame)
{
  static const FzVnetHeader plain = { 0 };
  size_t i = 0;

  while (i < lane->n_written && lane->written[i] != frame->packet)
    i++;
  if (i == lane->n_written) {
    if (lane->is_small)
      make_small (frame->packet);
    else
      memcpy (frame->packet, super, SUPER);
    lane->written[lane->n_written++] = frame->packet;
  }
  fz_put_u16be (frame->packet + 20, lane->port); /* the checksum is nobody's business here */
  lane->port = (uint16_t) (lane->port + 1 < lane->n_flows ? lane->port + 1 : 0);
  frame->vnet = lane->is_small ? plain : super_vnet;
  frame->length = lane->is_small ? 28 + SMALL : SUPER;
}

/* As a lane's thread does it: one turn, as many emissions as it takes. */
static size_t
run_lane (void *state)
{
  Lane *lane = state;
  FzLaneTx *tx = lane->client.tx;
  size_t n_frames = lane->is_single ? 1 : N_FRAMES, length;
  FzTunFrame *frame;

  fz_lane_tx_begin (tx, 1);
  for (size_t i = 0; i < n_frames && (frame = fz_lane_tx_reserve (tx)) != NULL; i++) {
    fill (lane, frame);
    fz_lane_tx_commit (tx);
  }
  while (fz_lane_tx_has_work (tx)) {
    const FzTrain *trains;
    size_t n_trains;

    fz_lane_tx_emit (tx, FZ_TX_EMIT_BYTES);
    n_trains = fz_lane_tx_take (tx, &trains);
    if (lane->receives)
      receive (lane, trains, n_trains);
  }
  while (fz_ring_peek (lane->client.ring, &length) != NULL)
    fz_ring_release (lane->client.ring);
  while (fz_ring_peek (lane->gateway.ring, &length) != NULL)
    fz_ring_release (lane->gateway.ring);
  return lane->is_small ? n_frames : n_frames * N_SEGMENTS;
}

static void
measure_cipher (FzAeadBackend backend, const char *name, uint32_t length, bool opens)
{
  Cipher cipher = make_cipher (backend, length, opens);

  measure (&(Row){ name, run_cipher, &cipher, length, true });
  clear_cipher (&cipher);
}

typedef struct {
  const char *name;
  bool receives;
  bool is_small;
  bool is_single;
  uint16_t n_flows;
} LaneRow;

static void
measure_lane (FzAeadBackend backend, const LaneRow *row)
{
  Lane *lane = make_lane (backend);

  lane->receives = row->receives;
  lane->is_small = row->is_small;
  lane->is_single = row->is_single;
  lane->n_flows = row->n_flows;
  measure (&(Row){ row->name, run_lane, lane, row->is_small ? 28 + SMALL : PACKET, false });
  free_lane (lane);
}

/* -- flow queues alone -- */

#define N_ITEMS 64u

typedef struct {
  FzFlowQueue *queue;
  FzQueueItem items[N_ITEMS];
  uint32_t n_flows;
} Staging;

/* In and out of the queue, as many at a time as there are places for super-packets. */
static size_t
run_staging (void *state)
{
  Staging *staging = state;
  bool is_signalled;
  FzQueueFlow *flow;

  fz_flow_queue_begin (staging->queue, 1, false);
  for (uint32_t i = 0; i < N_ITEMS; i++) {
    FzQueueItem *item = &staging->items[i];

    item->since = fz_flow_queue_clock (staging->queue);
    item->bytes = PACKET;
    flow = fz_flow_queue_find (staging->queue, i % staging->n_flows);
    fz_flow_queue_push (staging->queue, flow, i % staging->n_flows % 4, item);
  }
  while ((flow = fz_flow_queue_next (staging->queue)) != NULL)
    fz_flow_queue_pop (staging->queue, flow, &is_signalled);
  return N_ITEMS;
}

static void
measure_staging (const char *name, uint32_t n_flows)
{
  const FzCodelConfig codel = { 2 * FZ_MS, 40 * FZ_MS };
  static Staging staging;

  staging = (Staging){ .queue = fz_flow_queue_new (&codel, N_ITEMS), .n_flows = n_flows };
  measure (&(Row){ name, run_staging, &staging, PACKET, false });
  fz_flow_queue_free (staging.queue);
}

/* -- looking up -- */

#define N_LOOKUPS  64u
#define N_NETWORKS 256u

typedef struct {
  FzFlowCache *cache;
  const FzSnapshot *snapshot;
  const FzPolicy *policy;
  FzFlow flows[N_LOOKUPS];
} Lookup;

static size_t
run_flow_cache (void *state)
{
  Lookup *lookup = state;
  size_t n_hits = 0;

  for (size_t i = 0; i < N_LOOKUPS; i++) {
    const FzFlow *flow = &lookup->flows[i];
    bool is_hit;

    fz_flow_cache_transmit (
        lookup->cache, lookup->snapshot, flow, fz_flow_cache_hash (lookup->cache, flow), &is_hit);
    n_hits += is_hit;
  }
  return n_hits > 0 ? N_LOOKUPS : 1; /* the first round fills the cache */
}

static size_t
run_policy (void *state)
{
  static const FzPolicyEntry *volatile sink;
  Lookup *lookup = state;

  for (size_t i = 0; i < N_LOOKUPS; i++) {
    const FzPolicyEntry *entry = NULL;

    if (fz_policy_lookup (
            lookup->policy, &lookup->flows[i].destination, (FzProtocolKey){ 0 }, &entry) !=
        FZ_POLICY_ADMITTED)
      abort ();
    sink = entry;
  }
  (void) sink;
  return N_LOOKUPS;
}

static const FzPolicy *
make_many_networks (void)
{
  static FzPolicyEntry entries[N_NETWORKS];

  for (size_t i = 0; i < N_NETWORKS; i++) {
    char network[32];

    snprintf (network, sizeof network, "10.%zu.%zu.0/24", 1 + i / 64, i % 64);
    if (!fz_ip_network_parse (network, &entries[i].network))
      abort ();
  }
  return fz_policy_new (entries, N_NETWORKS);
}

static void
measure_lookups (FzAeadBackend backend)
{
  static Lookup lookup;
  End end = { .peer = NULL };
  FzIpPacket view;

  init_end (&end, backend, true);
  lookup.cache = fz_flow_cache_new (1);
  lookup.snapshot = atomic_load (&end.published.current);
  lookup.policy = make_many_networks ();
  fz_flow_cache_begin (lookup.cache, fz_snapshot_get_serial (lookup.snapshot));
  if (fz_ip_packet_parse (fz_span (packets[0], PACKET), &view) != FZ_DROP_NONE)
    abort ();
  for (size_t i = 0; i < N_LOOKUPS; i++) {
    lookup.flows[i] = fz_flow_from_packet (&view);
    lookup.flows[i].source_port = (uint16_t) (40000 + i);
    lookup.flows[i].destination.bytes[2] = (uint8_t) i;
  }
  measure (&(Row){ "flow cache, 64 flows", run_flow_cache, &lookup, PACKET, false });
  measure (&(Row){ "policy, 256 networks", run_policy, &lookup, PACKET, false });
  fz_flow_cache_free (lookup.cache);
  fz_policy_free ((FzPolicy *) lookup.policy);
  clear_end (&end);
}

/* -- trains -- */

typedef struct {
  FzTrainYard *yard;
  const FzPeer *peer;
  FzEndpoint endpoint;
} Yard;

/* Places for datagrams, in trains; what goes there is other rows' business. */
static size_t
run_trains (void *state)
{
  Yard *yard = state;
  const FzTrain *trains;

  fz_train_yard_clear (yard->yard);
  for (size_t i = 0; i < N_SEGMENTS; i++)
    fz_train_yard_append (yard->yard, yard->peer, &yard->endpoint, 0, PACKET);
  if (fz_train_yard_list (yard->yard, 64, &trains) == 0)
    abort ();
  return N_SEGMENTS;
}

static void
measure_trains (void)
{
  FzPeer *peer = fz_peer_new (&(FzUuid){ { 0 } }, CLIENT_ID);
  Yard yard = { .yard = fz_train_yard_new (), .peer = peer };

  fz_socket_address_parse ("192.0.2.1:51820", &yard.endpoint.remote);
  measure (&(Row){ "trains", run_trains, &yard, PACKET, false });
  fz_train_yard_free (yard.yard);
  fz_peer_free (peer);
}

/* Whatever else decides how many instructions there are. */
static void
print_build (void)
{
#if defined __clang__
  const char *compiler = "clang";
#else
  const char *compiler = "gcc";
#endif
#if defined __x86_64__
  const char *machine = "x86_64";
#else
  const char *machine = "other";
#endif

  printf ("build\t%s %d %s -O%s\n", compiler, __GNUC__, machine, FZ_OPTIMIZATION);
}

int
main (int argc, char **argv)
{
  static const LaneRow rows[] = {
    { "lane, full: transmit", false, false, false, 1 },
    { "lane, full: transmit, 8 flows", false, false, false, 8 },
    { "lane, full: transmit, alone", false, false, true, 1 },
    { "lane, full: transmit, copy, receive", true, false, false, 1 },
    { "lane, small: transmit", false, true, false, 1 },
    { "lane, small: transmit, 8 flows", false, true, false, 8 },
    { "lane, small: transmit, alone", false, true, true, 1 },
    { "lane, small: transmit, copy, receive", true, true, false, 1 },
  };
  const char *name = "auto";
  FzAeadBackend backend;
  FzCoalescer *coalescer;
  static FzReplayWindow window;

  counts_instructions = argc > 1 && strcmp (argv[1], "--instructions") == 0;
  if (counts_instructions)
    name = "openssl"; /* runs on valgrind's CPU, like sodium, but is as fast as one wants it */
  else if (argc > 1)
    name = argv[1];
  if (!fz_crypto_init () || !fz_aead_select (name, &backend, NULL)) {
    fprintf (stderr, "no such backend: %s\n", name);
    return 1;
  }
  if (argc > 2)
    seconds_per_row = atof (argv[2]);
  if (argc > 3)
    wanted = argv[3];
  make_super ();
  run_segment (NULL); /* packets for the rows that need some */
  coalescer = fz_coalescer_new ();

  if (counts_instructions)
    print_build ();
  else
    printf ("cipher: %s; packets of %u bytes, small ones of %u\n\n",
            fz_aead_backend_name (backend),
            PACKET,
            28 + SMALL);
  measure (&(Row){ "segment (headers, copy, checksum)", run_segment, NULL, PACKET, false });
  measure (&(Row){ "checksum", run_checksum, NULL, PACKET, false });
  measure (&(Row){ "parse, verify, coalesce", run_coalesce, coalescer, PACKET, false });
  measure (&(Row){ "replay window", run_replay, &window, PACKET, false });
  measure_cipher (backend, "seal", PACKET, false);
  measure_cipher (backend, "open (and copy)", PACKET, true);
  measure_cipher (backend, "seal, small", 28 + SMALL, false);
  measure_cipher (backend, "open (and copy), small", 28 + SMALL, true);
  measure_lookups (backend);
  measure_trains ();
  measure_staging ("flow queue, 1 flow", 1);
  measure_staging ("flow queue, 64 flows of 4 groups", 64);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    measure_lane (backend, &rows[i]);
  fz_coalescer_free (coalescer);
  return 0;
}
