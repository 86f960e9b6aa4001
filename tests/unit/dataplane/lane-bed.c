/* lane-bed.c */

#include "tests/unit/dataplane/lane-bed.h"

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"

#define RING_BYTES (1u << 20)

static const FzLaneLimits limits = { 64, true, true, true, 64 };

static FzPolicyEntry
make_entry (const char *network, FzPeer *peer)
{
  FzPolicyEntry entry = { .peer = peer };

  g_assert_true (fz_ip_network_parse (network, &entry.network));
  return entry;
}

void
bed_publish (BedEnd *end, FzRole role, const char *own, const char *own6, const char *const *routes)
{
  FzPolicyEntry entries[8];
  size_t n = 0;

  for (; routes[n] != NULL; n++)
    entries[n] = make_entry (routes[n], end->peer);
  fz_published_set (&end->published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = role,
                                                         .own_ipv4 = test_ip (own),
                                                         .own_ipv6 = test_ip (own6),
                                                         .routes = fz_policy_new (entries, n),
                                                         .peers = &end->peer,
                                                         .n_peers = 1 }));
}

void
bed_set_policy (_Atomic (const FzPolicy *) *policy, const char *const *networks)
{
  FzPolicyEntry entries[8];
  size_t n = 0;

  for (; networks[n] != NULL; n++)
    entries[n] = make_entry (networks[n], NULL);
  fz_policy_free ((FzPolicy *) atomic_exchange (policy, fz_policy_new (entries, n)));
}

static FzAeadKey *
make_key (uint8_t seed)
{
  uint8_t bytes[FZ_AEAD_KEY_SIZE];

  memset (bytes, seed, sizeof bytes);
  return fz_aead_key_new (bytes);
}

FzKeypair *
bed_add_session (BedEnd *end, bool is_initiator, uint32_t local, uint32_t remote, FzInstant now)
{
  FzKeypair *keypair = fz_keypair_new (make_key (is_initiator ? 1 : 2),
                                       make_key (is_initiator ? 2 : 1),
                                       local,
                                       remote,
                                       is_initiator,
                                       now);

  atomic_store (&end->peer->receiving[local % FZ_PEER_SESSIONS], keypair);
  atomic_store (&end->peer->sending, keypair);
  return keypair;
}

void
bed_set_endpoint (BedEnd *end, const char *remote)
{
  FzEndpoint endpoint = { 0 };

  g_assert_true (fz_socket_address_parse (remote, &endpoint.remote));
  fz_peer_set_endpoint (end->peer, &endpoint);
}

static void
init_end (BedEnd *end, uint32_t connection_id)
{
  FzLaneConfig config;

  fz_published_init (&end->published);
  end->peer = fz_peer_new (&(FzUuid){ { 0 } }, connection_id);
  end->tx_ring = fz_ring_new (RING_BYTES);
  end->rx_ring = fz_ring_new (RING_BYTES);
  config = (FzLaneConfig){ .published = &end->published,
                           .backend = FZ_AEAD_BACKEND_SODIUM,
                           .tx_to_engine = end->tx_ring,
                           .rx_to_engine = end->rx_ring,
                           .hash_seed = 4711,
                           .limits = limits };
  end->tx = fz_lane_tx_new (&config);
  end->rx = fz_lane_rx_new (&config);
}

static void
clear_end (BedEnd *end)
{
  fz_lane_tx_free (end->tx);
  fz_lane_rx_free (end->rx);
  fz_published_clear (&end->published);
  fz_peer_free (end->peer);
  fz_ring_free (end->tx_ring);
  fz_ring_free (end->rx_ring);
}

void
bed_set_up (Bed *bed, gconstpointer data)
{
  bed->now = 1000 * FZ_S;
  bed->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  bed->wire = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  init_end (&bed->client, CLIENT_ID);
  init_end (&bed->gateway, GATEWAY_ID);
  bed_publish (&bed->client,
               FZ_ROLE_CLIENT,
               CLIENT_IP,
               CLIENT_IP6,
               (const char *[]){ RESOURCE_NET, RESOURCE6, NULL });
  bed_publish (&bed->gateway,
               FZ_ROLE_GATEWAY,
               GATEWAY_IP,
               "fd09::1",
               (const char *[]){ CLIENT_IP, CLIENT_IP6, NULL });
  bed_set_policy (&bed->client.peer->sources, (const char *[]){ RESOURCE_NET, RESOURCE6, NULL });
  bed_set_policy (&bed->gateway.peer->sources, (const char *[]){ CLIENT_IP, CLIENT_IP6, NULL });
  bed_set_policy (&bed->gateway.peer->permissions,
                  (const char *[]){ RESOURCE_NET, RESOURCE6, NULL });
  bed_set_endpoint (&bed->client, GATEWAY_ADDRESS);
  bed_set_endpoint (&bed->gateway, CLIENT_ADDRESS);
  bed_add_session (&bed->client, true, CLIENT_ID << 8 | 1, GATEWAY_ID << 8 | 1, bed->now);
  bed_add_session (&bed->gateway, false, GATEWAY_ID << 8 | 1, CLIENT_ID << 8 | 1, bed->now);
}

void
bed_tear_down (Bed *bed, gconstpointer data)
{
  clear_end (&bed->client);
  clear_end (&bed->gateway);
  g_ptr_array_unref (bed->received);
  g_ptr_array_unref (bed->wire);
}

uint64_t
bed_tx_drops (const BedEnd *end, FzDrop reason)
{
  return atomic_load (&fz_lane_tx_get_counters (end->tx)->drops[reason]);
}

uint64_t
bed_rx_drops (const BedEnd *end, FzDrop reason)
{
  return atomic_load (&fz_lane_rx_get_counters (end->rx)->drops[reason]);
}

FzLaneMessage *
bed_take_message (FzRing *ring, FzLaneMessageKind kind)
{
  size_t length;
  const FzLaneMessage *message = fz_ring_peek (ring, &length);
  FzLaneMessage *copy;

  g_assert_nonnull (message);
  g_assert_cmpint (message->kind, ==, kind);
  g_assert_cmpuint (length, >=, sizeof *message + message->length);
  copy = g_memdup2 (message, length);
  fz_ring_release (ring);
  return copy;
}

bool
bed_is_empty (FzRing *ring)
{
  size_t length;

  return fz_ring_peek (ring, &length) == NULL;
}

void
bed_drain (FzRing *ring)
{
  while (!bed_is_empty (ring))
    fz_ring_release (ring);
}

FzTunFrame
bed_make_frame (const uint8_t *packet, size_t length, const FzVnetHeader *vnet)
{
  return (FzTunFrame){ .vnet = vnet != NULL ? *vnet : (FzVnetHeader){ 0 },
                       .packet = g_memdup2 (packet, length),
                       .length = (uint32_t) length };
}

FzTunFrame
bed_make_download (void)
{
  TestPacket packet = { .source = 7, .destination = 1, .source_port = 80 };
  uint8_t bytes[64];
  size_t length = test_packet_build (&packet, bytes);

  bytes[13] = 1; /* from 10.1.0.7: the builder's networks are those of an upload */
  bytes[17] = 0; /* to 10.0.0.1 */
  return bed_make_frame (bytes, length, NULL);
}

void
bed_free_frame (FzTunFrame *frame)
{
  g_free (frame->packet);
}

size_t
bed_stage_frames (BedEnd *end, const FzTunFrame *frames, size_t n_frames, FzInstant now)
{
  fz_lane_tx_begin (end->tx, now);
  for (size_t i = 0; i < n_frames; i++) {
    FzTunFrame *frame = fz_lane_tx_reserve (end->tx);

    if (frame == NULL)
      return i;
    memcpy (frame->packet, frames[i].packet, frames[i].length);
    frame->vnet = frames[i].vnet;
    frame->length = frames[i].length;
    fz_lane_tx_commit (end->tx);
  }
  return n_frames;
}

size_t
bed_push_frames (BedEnd *end, const FzTunFrame *frames, size_t n_frames, FzInstant now)
{
  size_t n = bed_stage_frames (end, frames, n_frames, now);

  fz_lane_tx_emit (end->tx, SIZE_MAX);
  return n;
}

size_t
bed_push_packet (BedEnd *end, const TestPacket *packet, uint16_t gso_size, FzInstant now)
{
  static uint8_t bytes[TEST_PACKET_MAX];
  FzVnetHeader vnet = { 0 };
  size_t length = gso_size > 0 ? test_packet_build_super (packet, gso_size, bytes, &vnet)
                               : test_packet_build (packet, bytes);
  FzTunFrame frame = bed_make_frame (bytes, length, &vnet);
  size_t n = bed_push_frames (end, &frame, 1, now);

  bed_free_frame (&frame);
  return n;
}

size_t
bed_take_buffers (Bed *bed, BedEnd *end, const char *from, FzUdpBuffer *out)
{
  const FzTrain *trains;
  size_t n = fz_lane_tx_take (end->tx, &trains);

  g_assert_cmpuint (n, <=, FZ_RX_BATCH);
  for (size_t i = 0; i < n; i++) {
    out[i] = (FzUdpBuffer){ .data = g_memdup2 (trains[i].data, trains[i].length),
                            .length = trains[i].length,
                            .stride = trains[i].n_segments > 1 ? trains[i].segment_size : 0,
                            .ecn = trains[i].ecn,
                            .to = trains[i].to };
    g_assert_true (fz_socket_address_parse (from, &out[i].from));
    for (uint32_t at = 0; at < trains[i].length; at += trains[i].segment_size)
      g_ptr_array_add (
          bed->wire,
          g_bytes_new (trains[i].data + at, MIN (trains[i].segment_size, trains[i].length - at)));
  }
  return n;
}

static void
collect_packet (void *context, const uint8_t *packet, size_t length)
{
  Bed *bed = context;

  g_ptr_array_add (bed->received, g_bytes_new (packet, length));
}

static void
collect_runs (Bed *bed, BedEnd *end)
{
  g_autofree uint8_t *frame = g_malloc (65536);
  const FzRun *runs;
  size_t n = fz_lane_rx_take (end->rx, &runs);

  for (size_t i = 0; i < n; i++) {
    g_assert_true (runs[i].iov[0].iov_base == &runs[i].vnet);
    fz_lane_rx_split (end->rx, &runs[i], frame, collect_packet, bed);
  }
}

void
bed_push_buffers (Bed *bed, BedEnd *end, FzUdpBuffer *buffers, size_t n)
{
  if (n > 0)
    fz_lane_rx_push (end->rx, buffers, n, bed->now);
  collect_runs (bed, end);
  for (size_t i = 0; i < n; i++)
    g_free (buffers[i].data);
}

void
bed_transfer (Bed *bed, BedEnd *a, BedEnd *b)
{
  FzUdpBuffer buffers[FZ_RX_BATCH];
  size_t n =
      bed_take_buffers (bed, a, a == &bed->client ? CLIENT_ADDRESS : GATEWAY_ADDRESS, buffers);

  bed_push_buffers (bed, b, buffers, n);
}

void
bed_push_datagram (Bed *bed, BedEnd *end, const void *bytes, size_t length, const char *from)
{
  FzUdpBuffer buffer = { .data = g_memdup2 (bytes, length), .length = (uint32_t) length };

  g_assert_true (fz_socket_address_parse (from, &buffer.from));
  bed_push_buffers (bed, end, &buffer, 1);
}

void
bed_push_wire (Bed *bed, BedEnd *end, guint i, const char *from)
{
  gsize length;
  gconstpointer bytes = g_bytes_get_data (bed->wire->pdata[i], &length);

  bed_push_datagram (bed, end, bytes, length, from);
}

TestPacket
bed_upload (void)
{
  return (TestPacket){
    .source = 1, .destination = 7, .source_port = 40000, .destination_port = 80, .payload = 100
  };
}

void
bed_send_raw (Bed *bed, const void *plaintext, size_t length, uint8_t ecn)
{
  FzKeypair *keypair = atomic_load (&bed->client.peer->sending);
  FzAead *aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  FzUdpBuffer buffer = { .data = g_malloc0 (length + 32),
                         .length = (uint32_t) length + 32,
                         .ecn = ecn };
  FzAeadOp op = { .source = buffer.data + 16,
                  .target = buffer.data + 16,
                  .length = (uint32_t) length };

  g_assert_true (fz_keypair_reserve (keypair, 1, &op.counter));
  if (length > 0)
    memcpy (buffer.data + 16, plaintext, length);
  fz_put_u32le (buffer.data, 4);
  fz_put_u32le (buffer.data + 4, keypair->remote_index);
  fz_put_u64le (buffer.data + 8, op.counter);
  fz_aead_seal (aead, keypair->send_key, &op, 1);
  fz_aead_free (aead);
  g_assert_true (fz_socket_address_parse (CLIENT_ADDRESS, &buffer.from));
  bed_push_buffers (bed, &bed->gateway, &buffer, 1);
}
