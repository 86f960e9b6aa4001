/* test-steering.c: what the kernel brings to which lane's socket, over the loopback device */

#include "src/base/fz-bytes.h"
#include "src/runtime/fz-udp-socket.h"

#include <errno.h>
#include <glib.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define STUN_COOKIE 0x2112a442u
#define N_IDS       200u

typedef struct {
  FzSteering steering;
  FzUdpPair lanes[FZ_LANES_MAX];
  FzUdpFamily family;
  int sender; /* connected to the lanes' port */
} Bed;

static FzUdpConfig
make_config (uint16_t port)
{
  return (FzUdpConfig){
    .port = port,
    .require_port = port != 0,
    .use_offloads = true,
    .receive_buffer_bytes = 1u << 20,
    .send_buffer_bytes = 1u << 20,
  };
}

static int
connect_to (FzUdpFamily family, uint16_t port)
{
  FzSocketAddress address = { .port = port };
  struct sockaddr_storage name;
  socklen_t length;
  int fd = socket (family == FZ_UDP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_true (fz_ip_parse (family == FZ_UDP_V4 ? "127.0.0.1" : "::1", &address.ip));
  length = fz_udp_address_to_kernel (&address, &name);
  g_assert_cmpint (connect (fd, (const struct sockaddr *) &name, length), ==, 0);
  return fd;
}

static void
open_lanes (Bed *self, uint16_t port)
{
  FzUdpConfig config = make_config (port);
  GError *error = NULL;
  bool is_open = fz_udp_lanes_open (&config, &self->steering, self->lanes, &error);

  g_assert_no_error (error);
  g_assert_true (is_open);
  for (uint32_t i = 0; i < FZ_LANES_MAX; i++) {
    const FzUdpSocket *socket = &self->lanes[i].sockets[self->family];

    g_assert_true ((socket->fd >= 0) == (i < self->steering.n_lanes));
    if (socket->fd < 0)
      continue;
    g_assert_cmpuint (socket->port, ==, self->lanes[0].sockets[self->family].port);
    g_assert_true (socket->is_steered == (self->steering.n_lanes > 1));
  }
}

static bool
bed_init (Bed *self, uint32_t n_lanes, FzUdpFamily family)
{
  *self = (Bed){ .steering = { n_lanes, 0x9e3779b1 }, .family = family };
  if (family == FZ_UDP_V6) {
    int fd = socket (AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
      return false; /* no such family here */
    close (fd);
  }
  open_lanes (self, 0);
  self->sender = connect_to (family, self->lanes[0].sockets[family].port);
  return true;
}

static void
bed_clear (Bed *self)
{
  fz_udp_lanes_close (self->lanes);
  close (self->sender);
}

/* Takes the one datagram that is there; which lane it came to. */
static uint32_t
receive (Bed *self, uint8_t *out, size_t size, ssize_t *out_length)
{
  struct pollfd polled[FZ_LANES_MAX];
  uint32_t lane = FZ_LANES_MAX;

  for (uint32_t i = 0; i < self->steering.n_lanes; i++)
    polled[i] = (struct pollfd){ self->lanes[i].sockets[self->family].fd, POLLIN, 0 };
  g_assert_cmpint (poll (polled, self->steering.n_lanes, 5000), ==, 1);
  for (uint32_t i = 0; i < self->steering.n_lanes; i++)
    if (polled[i].revents != 0)
      lane = i;
  *out_length = recv (polled[lane].fd, out, size, 0);
  return lane;
}

static uint32_t
send_and_find (Bed *self, int fd, const void *data, size_t length)
{
  uint8_t buffer[2000];
  ssize_t got;
  uint32_t lane;

  g_assert_cmpint (send (fd, data, length, 0), ==, (ssize_t) length);
  lane = receive (self, buffer, sizeof buffer, &got);
  g_assert_cmpmem (buffer, (size_t) got, data, length);
  return lane;
}

/* -- what goes where -- */

static void
check_sessions (Bed *self)
{
  static const struct {
    uint8_t type;
    size_t offset; /* of the receiver index */
    size_t length;
  } messages[] = { { 4, 4, 32 }, { 4, 4, 1312 }, { 3, 4, 64 }, { 2, 8, 92 } };
  unsigned n_on_lane[FZ_LANES_MAX] = { 0 };

  for (uint32_t i = 0; i < N_IDS; i++) {
    uint32_t id = i * 83881u & 0xffffff;
    uint32_t expected = fz_steering_get_lane (&self->steering, id);

    n_on_lane[expected]++;
    for (size_t j = 0; j < G_N_ELEMENTS (messages); j++) {
      uint8_t message[1312] = { messages[j].type };

      fz_put_u32le (message + messages[j].offset, id << 8 | i);
      g_assert_cmpuint (
          send_and_find (self, self->sender, message, messages[j].length), ==, expected);
    }
  }
  for (uint32_t i = 0; i < self->steering.n_lanes; i++)
    g_assert_cmpuint (n_on_lane[i], >, 0);
}

static void
check_others (Bed *self)
{
  uint8_t message[148];

  memset (message, 0xff, sizeof message);
  for (size_t length = 1; length < 40; length++) /* nothing we know */
    g_assert_cmpuint (send_and_find (self, self->sender, message, length), ==, 0);
  memset (message, 0, sizeof message);
  message[0] = 1; /* a handshake's initiation has no index of ours */
  fz_put_u32le (message + 4, 0x12345678);
  g_assert_cmpuint (send_and_find (self, self->sender, message, sizeof message), ==, 0);
  memset (message, 0, sizeof message);
  message[1] = 1; /* STUN */
  fz_put_u32be (message + 4, STUN_COOKIE);
  g_assert_cmpuint (send_and_find (self, self->sender, message, 20), ==, 0);
  message[0] = 4; /* data, but for a reserved byte that is not zero */
  g_assert_cmpuint (send_and_find (self, self->sender, message, 32), ==, 0);
  message[1] = 0; /* data, cut off before and within the index */
  for (size_t length = 4; length < 8; length++)
    g_assert_cmpuint (send_and_find (self, self->sender, message, length), ==, 0);
  message[0] = 2;
  for (size_t length = 4; length < 12; length++)
    g_assert_cmpuint (send_and_find (self, self->sender, message, length), ==, 0);
}

/* One relay, one lane, whatever it carries; relays spread. */
static void
check_relayed (Bed *self)
{
  unsigned n_on_lane[FZ_LANES_MAX] = { 0 };

  for (unsigned i = 0; i < 40; i++) {
    int relay = connect_to (self->family, self->lanes[0].sockets[self->family].port);
    uint32_t lane = FZ_LANES_MAX;

    for (uint32_t j = 0; j < 20; j++) {
      uint8_t message[36] = { (uint8_t) (0x40 + j % 16), (uint8_t) i, 0, 32, 4 };
      uint32_t found;

      fz_put_u32le (message + 8, j * 0x01234567);
      found = send_and_find (self, relay, message, sizeof message);
      g_assert_true (lane == FZ_LANES_MAX || lane == found);
      lane = found;
    }
    n_on_lane[lane]++;
    close (relay);
  }
  g_assert_cmpuint (n_on_lane[0], <, 40);
}

static void
test_messages (gconstpointer data)
{
  unsigned number = GPOINTER_TO_UINT (data);
  Bed bed;

  if (!bed_init (&bed, 2 + number / 2 * 3, number % 2 == 0 ? FZ_UDP_V4 : FZ_UDP_V6)) {
    g_test_skip ("no IPv6 here");
    return;
  }
  check_sessions (&bed);
  check_others (&bed);
  check_relayed (&bed);
  bed_clear (&bed);
}

/* -- trains arrive whole, in the right place -- */

static void
send_train (const Bed *self, const uint8_t *data, size_t length, uint16_t size)
{
  union {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE (sizeof (uint16_t))];
  } control = { 0 };
  struct iovec piece = { (void *) (uintptr_t) data, length };
  struct msghdr message = {
    .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };

  control.header = (struct cmsghdr){ CMSG_LEN (sizeof size), SOL_UDP, UDP_SEGMENT };
  memcpy (CMSG_DATA (&control.header), &size, sizeof size);
  g_assert_cmpint (sendmsg (self->sender, &message, 0), ==, (ssize_t) length);
}

static void
test_trains (void)
{
  enum { SIZE = 500, N = 20 };
  g_autofree uint8_t *train = g_malloc0 (SIZE * N);
  g_autofree uint8_t *buffer = g_malloc (65536);
  Bed bed;

  bed_init (&bed, 4, FZ_UDP_V4);
  if (!bed.lanes[0].sockets[FZ_UDP_V4].has_gro || !bed.lanes[0].sockets[FZ_UDP_V4].has_gso) {
    g_test_skip ("the kernel has no UDP_SEGMENT or UDP_GRO");
    bed_clear (&bed);
    return;
  }
  for (uint32_t i = 0; i < 50; i++) {
    uint32_t id = i * 83881u & 0xffffff;
    ssize_t got;

    for (unsigned j = 0; j < N; j++) {
      train[j * SIZE] = 4;
      fz_put_u32le (train + j * SIZE + 4, id << 8 | 7);
    }
    send_train (&bed, train, SIZE * N, SIZE);
    g_assert_cmpuint (
        receive (&bed, buffer, 65536, &got), ==, fz_steering_get_lane (&bed.steering, id));
    g_assert_cmpint (got, ==, SIZE * N);
  }
  bed_clear (&bed);
}

/* -- the port -- */

static void
test_rebind (void)
{
  Bed bed;
  uint16_t port;

  bed_init (&bed, 4, FZ_UDP_V4);
  port = bed.lanes[0].sockets[FZ_UDP_V4].port;
  for (unsigned i = 0; i < 3; i++) {
    fz_udp_lanes_close (bed.lanes);
    open_lanes (&bed, port);
    check_sessions (&bed);
  }
  bed_clear (&bed);
}

/* -- new sockets without a gap -- */

#define STREAM_MAX 1000u /* less than a socket holds */

typedef struct {
  const Bed *bed;
  atomic_bool is_over;
  atomic_uint n_sent;
  unsigned n_refused; /* of them; the sender is told by the next call, which sends nothing */
} Stream;

/* Numbered data of many sessions, as fast as it goes. */
static gpointer
stream (gpointer data)
{
  Stream *self = data;

  for (uint32_t i = 0; i < STREAM_MAX && !atomic_load (&self->is_over); i++) {
    uint8_t message[32] = { 4 };

    fz_put_u32le (message + 4, (i * 83881u & 0xffffff) << 8);
    fz_put_u32be (message + 8, i);
    if (send (self->bed->sender, message, sizeof message, 0) == sizeof message) {
      atomic_fetch_add (&self->n_sent, 1);
      continue;
    }
    g_assert_cmpint (errno, ==, ECONNREFUSED);
    self->n_refused++;
  }
  return NULL;
}

/* And the last one, of which no call has told. */
static unsigned
count_refused (const Stream *self)
{
  int error = 0;
  socklen_t length = sizeof error;

  g_assert_no_errno (getsockopt (self->bed->sender, SOL_SOCKET, SO_ERROR, &error, &length));
  g_assert_true (error == 0 || error == ECONNREFUSED);
  return self->n_refused + (error != 0);
}

/* Everything that lies there, in the order in which it was sent. */
static void
take_all (const Bed *bed,
          const FzUdpPair lanes[FZ_LANES_MAX],
          uint32_t next[FZ_LANES_MAX],
          uint32_t *n)
{
  for (uint32_t i = 0; i < bed->steering.n_lanes; i++) {
    uint8_t message[32];

    while (recv (lanes[i].sockets[bed->family].fd, message, sizeof message, 0) > 0) {
      uint32_t number = fz_get_u32be (message + 8);

      g_assert_cmpuint (
          fz_steering_get_lane (&bed->steering, fz_get_u32le (message + 4) >> 8), ==, i);
      g_assert_cmpuint (number, >=, next[i]);
      next[i] = number + 1;
      (*n)++;
    }
    g_assert_cmpint (errno, ==, EAGAIN);
  }
}

static void
test_change (gconstpointer data)
{
  unsigned number = GPOINTER_TO_UINT (data);
  unsigned n_refused_max = number % 2; /* fz_udp_lanes_retire says why */
  uint32_t n_mixed = 0;
  Bed bed;

  if (!bed_init (&bed, 1 + number / 2 * 3, number % 2 == 0 ? FZ_UDP_V4 : FZ_UDP_V6)) {
    g_test_skip ("no IPv6 here");
    return;
  }
  for (unsigned i = 0; i < 50; i++) {
    FzUdpConfig config = make_config (0);
    FzUdpPair former[FZ_LANES_MAX], next[FZ_LANES_MAX];
    Stream sent = { .bed = &bed };
    uint32_t expected[FZ_LANES_MAX] = { 0 }, n_former = 0, n_all = 0;
    GThread *thread = g_thread_new ("stream", stream, &sent);

    memcpy (former, bed.lanes, sizeof former);
    while (atomic_load (&sent.n_sent) < i * (STREAM_MAX / 60))
      continue;
    g_assert_true (fz_udp_lanes_open_beside (&config, &bed.steering, former, next));
    fz_udp_lanes_retire (&bed.steering, former, next);
    take_all (&bed, former, expected, &n_former);
    atomic_store (&sent.is_over, true);
    g_thread_join (thread);
    take_all (&bed, former, expected, &n_former); /* what was within the kernel then */
    fz_udp_lanes_close (former);
    memcpy (bed.lanes, next, sizeof next);
    n_all = n_former;
    take_all (&bed, bed.lanes, expected, &n_all);
    g_assert_cmpuint (n_all + count_refused (&sent), ==, atomic_load (&sent.n_sent));
    g_assert_cmpuint (atomic_load (&sent.n_sent) - n_all, <=, n_refused_max);
    n_mixed += n_former > 0 && n_former < n_all;
  }
  g_test_message ("%u of 50 changes came in the midst of it", n_mixed);
  if (bed.steering.n_lanes > 1)
    check_sessions (&bed);
  bed_clear (&bed);
}

static void
assert_refused (const Bed *bed, uint32_t n_lanes)
{
  FzUdpConfig config = make_config (bed->lanes[0].sockets[FZ_UDP_V4].port);
  FzUdpPair other[FZ_LANES_MAX];
  FzSteering steering = { n_lanes, 1 };
  g_autoptr (GError) error = NULL;

  config.port = bed->lanes[0].sockets[FZ_UDP_V4].port;
  /* the other family may be free on that port */
  if (fz_udp_lanes_open (&config, &steering, other, &error)) {
    for (uint32_t i = 0; i < n_lanes; i++)
      g_assert_cmpint (other[i].sockets[FZ_UDP_V4].refusal, ==, EADDRINUSE);
    fz_udp_lanes_close (other);
  }
}

static void
change_once (Bed *self)
{
  FzUdpConfig config = make_config (0);
  FzUdpPair former[FZ_LANES_MAX];

  memcpy (former, self->lanes, sizeof former);
  g_assert_true (fz_udp_lanes_open_beside (&config, &self->steering, former, self->lanes));
  fz_udp_lanes_retire (&self->steering, former, self->lanes);
  fz_udp_lanes_close (former);
}

/* Sharing among our lanes is no invitation: nobody joins, and we join nobody. */
static void
test_port_is_ours (void)
{
  for (uint32_t mine = 1; mine <= 4; mine += 3) {
    Bed bed;

    bed_init (&bed, mine, FZ_UDP_V4);
    assert_refused (&bed, 1);
    assert_refused (&bed, 4);
    change_once (&bed);
    assert_refused (&bed, 1);
    assert_refused (&bed, 4);
    bed_clear (&bed);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/steering/two-lanes/v4", GUINT_TO_POINTER (0), test_messages);
  g_test_add_data_func ("/steering/two-lanes/v6", GUINT_TO_POINTER (1), test_messages);
  g_test_add_data_func ("/steering/five-lanes/v4", GUINT_TO_POINTER (2), test_messages);
  g_test_add_data_func ("/steering/eight-lanes/v6", GUINT_TO_POINTER (5), test_messages);
  g_test_add_func ("/steering/trains", test_trains);
  g_test_add_func ("/steering/rebind", test_rebind);
  g_test_add_data_func ("/steering/change/one-lane/v4", GUINT_TO_POINTER (0), test_change);
  g_test_add_data_func ("/steering/change/one-lane/v6", GUINT_TO_POINTER (1), test_change);
  g_test_add_data_func ("/steering/change/four-lanes/v4", GUINT_TO_POINTER (2), test_change);
  g_test_add_data_func ("/steering/change/four-lanes/v6", GUINT_TO_POINTER (3), test_change);
  g_test_add_func ("/steering/port-is-ours", test_port_is_ours);
  return g_test_run ();
}
