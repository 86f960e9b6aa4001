/* fuzz-lane.c
 *
 * The receive half of a lane with one peer and three live sessions. The input
 * is a script of datagrams: sound packets of four flows, raw packets properly
 * sealed, replays, corrupted ones, and bytes as they are, in buffers of several.
 * What comes out must be what went in: each packet once, whole, and in its
 * flow's order, after runs are split again. First byte: the role.
 */
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-lane.h"
#include "src/proto/fz-wireguard.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dataplane/packets.h"

#include <glib.h>

#define CONNECTION  UINT32_C (0x010203)
#define N_SESSIONS  3u
#define N_FLOWS     4u
#define MAX_STEPS   300u
#define MAX_PAYLOAD 1200u
#define START       (1000 * FZ_S)
#define RAW_FLOW    N_FLOWS

typedef struct {
  uint8_t *data;
  size_t length;
  size_t flow;
  bool is_out;
} Packet;

typedef struct {
  FzPublished published;
  FzPeer *peer;
  FzRing *ring;
  FzLaneRx *lane;
  FzAead *aead;
  FzAeadKey *send_keys[N_SESSIONS]; /* the peer's */
  uint64_t counters[N_SESSIONS];
  FzInstant now;

  uint32_t sequence[N_FLOWS];
  uint16_t id[N_FLOWS];     /* IPv4: a split run counts up, so the flows do too */
  GArray *sent;             /* Packet: sealed soundly */
  size_t last_out[N_FLOWS]; /* index in sent, + 1 */
  uint8_t *frame;

  /* the turn's buffers; datagrams of one length share a buffer */
  FzUdpBuffer buffers[FZ_RX_BATCH];
  size_t n_buffers;
} World;

static void
packet_clear (gpointer data)
{
  g_free (((Packet *) data)->data);
}

/* -- making the world -- */

static void
add_session (World *world, size_t i)
{
  uint8_t key[FZ_AEAD_KEY_SIZE];
  uint32_t index = CONNECTION << 8 | (uint32_t) (i + 1);
  FzKeypair *keypair;

  memset (key, (int) i + 1, sizeof key);
  world->send_keys[i] = fz_aead_key_new (key);
  keypair = fz_keypair_new (
      fz_aead_key_new (key), fz_aead_key_new (key), index, 77, i % 2 != 0, world->now);
  atomic_store (&world->peer->receiving[index % FZ_PEER_SESSIONS], keypair);
}

static FzPolicy *
make_policy (FzPeer *peer, const char *v4, const char *v6)
{
  FzPolicyEntry entries[2] = { { .peer = peer }, { .peer = peer } };

  g_assert_true (fz_ip_network_parse (v4, &entries[0].network));
  g_assert_true (fz_ip_network_parse (v6, &entries[1].network));
  return fz_policy_new (entries, 2);
}

static void
init (World *world, FzRole role)
{
  FzUuid id = { { 1 } };
  FzSnapshotParts parts = { .role = role, .n_peers = 1 };
  FzLaneConfig config = {
    .published = &world->published,
    .backend = FZ_AEAD_BACKEND_SODIUM,
    .limits = { 64, true, true, true, 64 },
  };

  world->now = START;
  world->peer = fz_peer_new (&id, CONNECTION);
  for (size_t i = 0; i < N_SESSIONS; i++)
    add_session (world, i);
  atomic_store (&world->peer->sources, make_policy (NULL, "10.0.0.0/24", "fd00::/64"));
  atomic_store (&world->peer->permissions, make_policy (NULL, "10.1.0.0/24", "fd01::/64"));
  atomic_store (&world->peer->is_roaming, role == FZ_ROLE_BARE);

  fz_published_init (&world->published);
  parts.own_ipv4 = test_ip ("10.1.0.1");
  parts.own_ipv6 = test_ip ("fd01::1");
  parts.routes = make_policy (world->peer, "10.0.0.0/24", "fd00::/64");
  parts.peers = (FzPeer *const[]){ world->peer };
  fz_published_set (&world->published, fz_snapshot_new (&parts));

  world->ring = fz_ring_new (1 << 16);
  config.rx_to_engine = config.tx_to_engine = world->ring;
  world->lane = fz_lane_rx_new (&config);
  world->aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  world->sent = g_array_new (FALSE, FALSE, sizeof (Packet));
  g_array_set_clear_func (world->sent, packet_clear);
  world->frame = g_malloc (FZ_PACKET_MAX);
}

static void
clear (World *world)
{
  fz_lane_rx_free (world->lane);
  fz_published_clear (&world->published);
  fz_peer_free (world->peer);
  fz_ring_free (world->ring);
  fz_aead_free (world->aead);
  for (size_t i = 0; i < N_SESSIONS; i++)
    fz_aead_key_free (world->send_keys[i]);
  g_array_unref (world->sent);
  g_free (world->frame);
}

/* -- what comes out -- */

/* The first packet that is not out yet and begins with these bytes (padding may have been cut). */
static void
on_packet (void *context, const uint8_t *data, size_t length)
{
  World *world = context;

  for (size_t i = 0; i < world->sent->len; i++) {
    Packet *packet = &g_array_index (world->sent, Packet, i);

    if (packet->is_out || packet->length < length || memcmp (packet->data, data, length) != 0)
      continue;
    packet->is_out = true;
    if (packet->flow < N_FLOWS) {
      g_assert_cmpuint (packet->length, ==, length);
      g_assert_cmpuint (i, >=, world->last_out[packet->flow]);
      world->last_out[packet->flow] = i + 1;
    }
    return;
  }
  g_assert_not_reached (); /* nobody sent this */
}

static void
drain_ring (World *world)
{
  const FzLaneMessage *message;
  size_t length;

  while ((message = fz_ring_peek (world->ring, &length)) != NULL) {
    g_assert_cmpuint (length, >=, sizeof *message);
    g_assert_cmpuint (message->length, <=, length - sizeof *message);
    fz_ring_release (world->ring);
  }
}

static void
turn (World *world)
{
  const FzRun *runs;
  size_t n_runs;

  if (world->n_buffers > 0)
    fz_lane_rx_push (world->lane, world->buffers, world->n_buffers, world->now);
  n_runs = fz_lane_rx_take (world->lane, &runs);
  for (size_t i = 0; i < n_runs; i++) {
    size_t length = 0;

    for (size_t k = 1; k < runs[i].n_iov; k++)
      length += runs[i].iov[k].iov_len;
    g_assert_cmpuint (length, ==, runs[i].length);
    fz_lane_rx_split (world->lane, &runs[i], world->frame, on_packet, world);
  }
  drain_ring (world);
  for (size_t i = 0; i < world->n_buffers; i++)
    g_free (world->buffers[i].data);
  world->n_buffers = 0;
  world->now += FZ_MS;
}

/* -- what goes in -- */

/* Behind the last buffer if that one is still open for its length, else in a new one. */
static void
add_datagram (World *world, const uint8_t *data, size_t length, uint8_t ecn)
{
  FzUdpBuffer *last = world->n_buffers > 0 ? &world->buffers[world->n_buffers - 1] : NULL;
  bool is_open = last != NULL && length > 0 && length <= last->stride && last->ecn == ecn &&
                 last->length % last->stride == 0 && last->length + length < FZ_PACKET_MAX;

  if (!is_open) {
    if (world->n_buffers == FZ_RX_BATCH)
      turn (world);
    last = &world->buffers[world->n_buffers++];
    *last = (FzUdpBuffer){
      .stride = (uint16_t) length,
      .ecn = ecn,
      .from = { test_ip ("192.0.2.7"), (uint16_t) (4000 + length % 2) },
      .to = { test_ip ("192.0.2.1"), 52625 },
    };
  }
  last->data = g_realloc (last->data, last->length + length);
  if (length > 0)
    memcpy (last->data + last->length, data, length);
  last->length += (uint32_t) length;
}

static void
add_sealed (World *world, size_t session, uint64_t counter, FzSpan packet, uint8_t corruption)
{
  g_autofree uint8_t *datagram = g_malloc (packet.length + FZ_WIREGUARD_OVERHEAD);
  FzAeadOp op = {
    .source = packet.data,
    .target = datagram + FZ_WIREGUARD_DATA_HEADER_SIZE,
    .length = (uint32_t) packet.length,
    .counter = counter,
  };

  fz_wireguard_write_data_header (datagram, CONNECTION << 8 | (uint32_t) (session + 1), counter);
  fz_aead_seal (world->aead, world->send_keys[session], &op, 1);
  datagram[corruption % (packet.length + FZ_WIREGUARD_OVERHEAD)] ^= corruption;
  add_datagram (world, datagram, packet.length + FZ_WIREGUARD_OVERHEAD, 0);
}

static void
send_packet (World *world, size_t session, FzSpan bytes, size_t flow)
{
  Packet packet = { g_memdup2 (bytes.data, bytes.length), bytes.length, flow, false };

  g_array_append_val (world->sent, packet);
  add_sealed (world, session, world->counters[session]++, bytes, 0);
}

/* The next segment of one of four flows, with what may differ within a flow chosen by the script.
 */
static void
send_flow (World *world, size_t session, Script *script)
{
  uint8_t shape = script_byte (script);
  size_t flow = shape % N_FLOWS;
  TestPacket packet = {
    .is_v6 = flow % 2 != 0,
    .protocol = flow >= 2 ? FZ_IP_PROTOCOL_UDP : FZ_IP_PROTOCOL_TCP,
    .source = 5,
    .destination = 1,
    .source_port = (uint16_t) (1000 + flow),
    .destination_port = 443,
    .sequence = world->sequence[flow],
    .id = flow % 2 == 0 ? world->id[flow]++ : 0, /* in IPv6: the flow label */
    .tcp_flags = shape & 0x10 ? 0x18 : 0,
    .traffic_class = shape & 0x20 ? 2 : 0,
    .no_checksum = (shape & 0x40) != 0,
    .tcp_options = shape & 0x08 ? 12 : 0,
    .payload = script_byte (script) * (shape & 0x80 ? 4u : 1u),
  };
  uint8_t bytes[1500];
  size_t length = test_packet_build (&packet, bytes);

  world->sequence[flow] += (uint32_t) packet.payload;
  send_packet (world, session, fz_span (bytes, length), flow);
}

static void
take_step (World *world, Script *script)
{
  uint8_t what = script_byte (script);
  size_t session = what / 8 % N_SESSIONS;
  uint8_t bytes[MAX_PAYLOAD];
  size_t length;

  switch (what % 8) {
  case 0:
  case 1:
    send_flow (world, session, script);
    return;
  case 2: /* any inner bytes */
    length = script_byte (script) * (what & 0x80 ? 4u : 1u);
    script_bytes (script, bytes, length);
    send_packet (world, session, fz_span (bytes, length), RAW_FLOW);
    return;
  case 3: /* any outer bytes */
    length = script_byte (script);
    script_bytes (script, bytes, length);
    add_datagram (world, bytes, length, what >> 6);
    return;
  case 4: /* a counter of the script's choice: replays, jumps; or a corrupted one */
    length = script_byte (script) % 8;
    memset (bytes, 0x45, length);
    add_sealed (
        world, session, script_u16 (script), fz_span (bytes, length), script_byte (script) | 1);
    return;
  case 5: /* a keepalive */
    add_sealed (world, session, world->counters[session]++, fz_span (bytes, 0), 0);
    return;
  case 6:
    world->counters[session] += script_u16 (script);
    return;
  case 7:
    turn (world);
    world->now += what & 0x80 ? script_byte (script) * FZ_S : 0;
    return;
  default:
    return;
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const FzRole roles[] = { FZ_ROLE_BARE, FZ_ROLE_CLIENT, FZ_ROLE_GATEWAY };
  Script script = { data, size };
  World world;

  if (!fz_crypto_init ())
    return 0;
  memset (&world, 0, sizeof world); /* no initializer: its first field is an atomic pointer */
  init (&world, roles[script_byte (&script) % G_N_ELEMENTS (roles)]);
  for (unsigned i = 0; i < MAX_STEPS && script.left > 0; i++)
    take_step (&world, &script);
  turn (&world);
  clear (&world);
  return 0;
}
