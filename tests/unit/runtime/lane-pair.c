/* lane-pair.c: see the header */

#include "tests/unit/runtime/lane-pair.h"

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPV4_HEADER 20u
#define UDP_HEADER  8u

static uint32_t
sum (const uint8_t *bytes, size_t n, uint32_t start)
{
  for (size_t i = 0; i + 1 < n; i += 2)
    start += fz_get_u16be (bytes + i);
  return n % 2 != 0 ? start + (uint32_t) (bytes[n - 1] << 8) : start;
}

static uint16_t
fold (uint32_t value)
{
  while (value >> 16 != 0)
    value = (value & 0xffff) + (value >> 16);
  return (uint16_t) ~value;
}

static void
open_end (LanePair *self, unsigned i, const LanePairOptions *options)
{
  LaneEnd *end = &self->ends[i];
  FzUdpConfig config = { .use_offloads = true,
                         .receive_buffer_bytes = 4u << 20,
                         .send_buffer_bytes = 1u << 20 };
  FzUuid id = { { (uint8_t) (i + 1) } };
  GError *error = NULL;

  test_io_init (&end->io);
  fz_published_init (&end->published);
  fz_udp_lanes_open (&config, &self->steering, end->sockets, &error);
  g_assert_no_error (error);
  for (unsigned lane = 0; lane < self->steering.n_lanes; lane++) {
    /* without the time of arrival nothing is dropped for having waited, as on a slow machine it
     * does
     */
    setsockopt (end->sockets[lane].sockets[FZ_UDP_V4].fd,
                SOL_SOCKET,
                SO_TIMESTAMPNS,
                &(int){ 0 },
                sizeof (int));
    g_assert_cmpint (
        socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, end->tun[lane]),
        ==,
        0);
    for (unsigned j = 0; j < 2; j++)
      setsockopt (end->tun[lane][j], SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof (int));
  }
  g_assert_true (fz_bell_init (&end->bell));
  end->peer = fz_peer_new (&id, 0x100 + i);
}

static void
publish_end (LanePair *self, unsigned i)
{
  LaneEnd *end = &self->ends[i];
  FzPolicyEntry entry = { .peer = end->peer };
  FzSnapshotParts parts = { .role = FZ_ROLE_BARE, .peers = &end->peer, .n_peers = 1 };
  FzEndpoint endpoint = { .remote = { test_ip ("127.0.0.1"),
                                      self->ends[1 - i].sockets[0].sockets[FZ_UDP_V4].port } };

  entry.network.ip = test_ip (i == 0 ? "10.9.0.2" : "10.9.0.1");
  entry.network.prefix_length = 32;
  parts.routes = fz_policy_new (&entry, 1);
  fz_peer_set_endpoint (end->peer, &endpoint);
  fz_published_set (&end->published, fz_snapshot_new (&parts));
}

void
lane_pair_give_session (LanePair *self)
{
  uint8_t keys[2][FZ_AEAD_KEY_SIZE];

  memset (keys[0], 0x11, sizeof keys[0]);
  memset (keys[1], 0x22, sizeof keys[1]);
  for (unsigned i = 0; i < 2; i++) {
    FzPeer *peer = self->ends[i].peer;
    FzKeypair *keypair = fz_keypair_new (fz_aead_key_new (keys[i]),
                                         fz_aead_key_new (keys[1 - i]),
                                         (0x100 + i) << 8,
                                         (0x100 + 1 - i) << 8,
                                         i == 0,
                                         fz_clock_now (&self->clock));

    atomic_store (&peer->receiving[0], keypair);
    atomic_store (&peer->sending, keypair);
  }
}

static void
make_lanes (LanePair *self, unsigned i, const LanePairOptions *options)
{
  LaneEnd *end = &self->ends[i];
  FzLaneThreadConfig config = {
    .steering = self->steering,
    .two_threads = options->two_threads,
    .published = &end->published,
    .engine_bell = &end->bell,
    .clock = &self->clock,
    .io = &end->io.io,
    .hash_seed = 42,
    .aqm = &fz_aqm_off, /* a slow machine's queues stand */
  };

  g_assert_true (fz_aead_select ("auto", &config.backend, NULL));
  for (unsigned lane = 0; lane < self->steering.n_lanes; lane++) {
    config.index = lane;
    end->lanes[lane] = fz_lane_thread_new (&config);
    g_assert_nonnull (end->lanes[lane]);
  }
  end->lane = end->lanes[0];
}

void
lane_pair_init (LanePair *self, const LanePairOptions *options)
{
  g_assert_true (fz_crypto_init ());
  memset (self, 0, sizeof *self);
  fz_clock_init (&self->clock);
  self->has_vnet = !options->no_vnet;
  self->steering = (FzSteering){ MAX (options->n_lanes, 1), 0x9e3779b1 };
  self->limits = (FzLaneLimits){
    .train_segments = 64,
    .tun_tcp4 = options->runs,
    .tun_tcp6 = options->runs,
    .tun_udp = options->runs,
    .tun_udp_segments = 64,
  };
  for (unsigned i = 0; i < 2; i++)
    open_end (self, i, options);
  for (unsigned i = 0; i < 2; i++)
    publish_end (self, i);
  if (!options->no_session)
    lane_pair_give_session (self);
  for (unsigned i = 0; i < 2; i++)
    make_lanes (self, i, options);
}

void
lane_pair_start (LanePair *self)
{
  for (unsigned i = 0; i < 2; i++)
    for (unsigned lane = 0; lane < self->steering.n_lanes; lane++) {
      LaneEnd *end = &self->ends[i];
      FzTunQueue queue = { end->tun[lane][0], self->has_vnet, end->tun[lane][0] };

      g_assert_true (
          fz_lane_thread_start (end->lanes[lane], queue, &end->sockets[lane], &self->limits));
    }
}

void
lane_pair_stop (LanePair *self)
{
  for (unsigned i = 0; i < 2; i++)
    for (unsigned lane = 0; lane < self->steering.n_lanes; lane++)
      g_assert_true (fz_lane_thread_stop (self->ends[i].lanes[lane]));
}

void
lane_pair_clear (LanePair *self)
{
  for (unsigned i = 0; i < 2; i++) {
    LaneEnd *end = &self->ends[i];

    for (unsigned lane = 0; lane < self->steering.n_lanes; lane++)
      fz_lane_thread_free (end->lanes[lane]);
    fz_published_clear (&end->published);
    fz_peer_free (end->peer);
    fz_udp_lanes_close (end->sockets);
    fz_bell_clear (&end->bell);
    for (unsigned lane = 0; lane < self->steering.n_lanes; lane++) {
      close (end->tun[lane][0]);
      close (end->tun[lane][1]);
    }
  }
}

bool
lane_pair_put_on (LanePair *self, unsigned from, unsigned lane, uint32_t number, size_t length)
{
  uint8_t packet[FZ_MTU] = { 0x45 };
  FzVnetHeader vnet = { 0 };
  struct iovec pieces[] = { { &vnet, sizeof vnet }, { packet, length } };
  uint8_t *udp = packet + IPV4_HEADER;

  g_assert_cmpuint (length, >=, 40);
  g_assert_cmpuint (length, <=, FZ_MTU);
  fz_put_u16be (packet + 2, (uint16_t) length);
  packet[6] = 0x40; /* do not fragment */
  packet[8] = 64;
  packet[9] = 17;
  memcpy (packet + 12, test_ip (from == 0 ? "10.9.0.1" : "10.9.0.2").bytes, 4);
  memcpy (packet + 16, test_ip (from == 0 ? "10.9.0.2" : "10.9.0.1").bytes, 4);
  fz_put_u16be (packet + 10, fold (sum (packet, IPV4_HEADER, 0)));
  fz_put_u16be (udp, 7000);
  fz_put_u16be (udp + 2, 7001);
  fz_put_u16be (udp + 4, (uint16_t) (length - IPV4_HEADER));
  fz_put_u32be (udp + UDP_HEADER, number);
  fz_put_u16be (udp + 6,
                fold (sum (udp,
                           length - IPV4_HEADER,
                           sum (packet + 12, 8, 17 + (uint32_t) (length - IPV4_HEADER)))));
  return writev (self->ends[from].tun[lane][1],
                 self->has_vnet ? pieces : &pieces[1],
                 self->has_vnet ? 2 : 1) > 0;
}

bool
lane_pair_put (LanePair *self, unsigned from, uint32_t number, size_t length)
{
  return lane_pair_put_on (self, from, 0, number, length);
}

size_t
lane_pair_get_on (LanePair *self, unsigned to, unsigned lane, uint32_t *out, int timeout_ms)
{
  static _Thread_local uint8_t frame[FZ_VNET_HEADER_SIZE + FZ_PACKET_MAX];
  struct pollfd readable = { .fd = self->ends[to].tun[lane][1], .events = POLLIN };
  const uint8_t *payload = frame + IPV4_HEADER + UDP_HEADER;
  FzVnetHeader vnet = { 0 };
  size_t n = 0, size, stride;
  ssize_t length;

  if (poll (&readable, 1, timeout_ms) <= 0)
    return 0;
  length = read (readable.fd, frame, sizeof frame);
  g_assert_cmpint (length, >, (ssize_t) (IPV4_HEADER + UDP_HEADER));
  if (self->has_vnet) {
    memcpy (&vnet, frame, sizeof vnet);
    payload += FZ_VNET_HEADER_SIZE;
    length -= FZ_VNET_HEADER_SIZE;
  }
  size = (size_t) length - IPV4_HEADER - UDP_HEADER;
  stride = vnet.gso_type == FZ_VNET_GSO_NONE ? size : vnet.gso_size;
  for (size_t at = 0; at < size; at += stride) {
    g_assert_cmpuint (n, <, 64);
    out[n++] = fz_get_u32be (payload + at);
  }
  return n;
}

size_t
lane_pair_get (LanePair *self, unsigned to, uint32_t *out, int timeout_ms)
{
  return lane_pair_get_on (self, to, 0, out, timeout_ms);
}
