/* test-udp.c: sockets, sender and receiver on the loopback device, with faults */

#include "src/runtime/fz-udp-receive.h"
#include "src/runtime/fz-udp-send.h"
#include "tests/unit/runtime/test-io.h"

#include <glib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define N_DATAGRAMS_MAX 4096u

/* A sender's sockets and a receiver's, and what the receiver got, by number. */
typedef struct {
  TestIo send_io;
  TestIo receive_io;
  FzUdpPair from;
  FzUdpPair to;
  FzUdpSender *sender;
  FzUdpReceiver *receiver;
  uint8_t *memory;
  FzTrain trains[FZ_TRAINS_MAX];
  size_t n_trains;
  uint32_t n_sent; /* datagrams laid out: numbers 0 … n_sent - 1 */
  uint32_t n_got;  /* datagrams received */
  uint32_t got[N_DATAGRAMS_MAX];
  uint8_t ecn[N_DATAGRAMS_MAX];
  FzSocketAddress got_from;
  FzSocketAddress got_to;
} Wire;

static FzUdpConfig
any_port (bool use_offloads)
{
  return (FzUdpConfig){
    .use_offloads = use_offloads,
    .receive_buffer_bytes = 4u << 20,
    .send_buffer_bytes = 1u << 20,
  };
}

static void
wire_init (Wire *wire, bool use_offloads)
{
  FzUdpConfig config = any_port (use_offloads);
  GError *error = NULL;

  memset (wire, 0, sizeof *wire);
  test_io_init (&wire->send_io);
  test_io_init (&wire->receive_io);
  fz_udp_pair_open (&config, &wire->from, &error);
  g_assert_no_error (error);
  fz_udp_pair_open (&config, &wire->to, &error);
  g_assert_no_error (error);
  wire->sender = fz_udp_sender_new (&wire->send_io.io);
  wire->receiver = fz_udp_receiver_new (&wire->receive_io.io);
  fz_udp_sender_set_sockets (wire->sender, &wire->from);
  fz_udp_receiver_set_sockets (wire->receiver, &wire->to);
  wire->memory = g_malloc0 (8u << 20);
}

static void
wire_clear (Wire *wire)
{
  fz_udp_sender_free (wire->sender);
  fz_udp_receiver_free (wire->receiver);
  fz_udp_pair_close (&wire->from);
  fz_udp_pair_close (&wire->to);
  g_free (wire->memory);
}

static FzIp
loopback (FzUdpFamily family)
{
  FzIp ip;

  g_assert_true (fz_ip_parse (family == FZ_UDP_V4 ? "127.0.0.1" : "::1", &ip));
  return ip;
}

/* A train of @n datagrams of @size bytes, the last of @last, each starting with its number. */
static void
add_train (Wire *wire, FzUdpFamily family, unsigned n, uint16_t size, uint16_t last)
{
  uint8_t *data = wire->memory + wire->n_trains * 65536;
  FzTrain *train = &wire->trains[wire->n_trains++];

  *train = (FzTrain){
    .data = data,
    .length = (n - 1) * size + last,
    .segment_size = size,
    .n_segments = (uint16_t) n,
    .to = { loopback (family), wire->to.sockets[family].port },
  };
  for (unsigned i = 0; i < n; i++, wire->n_sent++)
    memcpy (data + i * size, &wire->n_sent, sizeof wire->n_sent);
}

static void
take_buffer (Wire *wire, const FzUdpBuffer *buffer)
{
  uint32_t stride = buffer->stride != 0 ? buffer->stride : buffer->length;

  wire->got_from = buffer->from;
  wire->got_to = buffer->to;
  for (uint32_t at = 0; at < buffer->length; at += stride) {
    g_assert_cmpuint (wire->n_got, <, N_DATAGRAMS_MAX);
    memcpy (&wire->got[wire->n_got], buffer->data + at, sizeof (uint32_t));
    wire->ecn[wire->n_got] = buffer->ecn;
    wire->n_got++;
  }
}

static void
receive_all (Wire *wire, FzUdpFamily family)
{
  struct pollfd readable = { .fd = wire->to.sockets[family].fd, .events = POLLIN };
  FzUdpBuffer buffers[FZ_RX_BATCH];
  bool is_drained;

  while (poll (&readable, 1, 100) > 0) {
    size_t n = fz_udp_receiver_receive (wire->receiver, family, buffers, &is_drained);

    for (size_t i = 0; i < n; i++)
      take_buffer (wire, &buffers[i]);
    if (wire->n_got == wire->n_sent)
      return;
  }
}

/* Sends everything, however often the socket would block. */
static void
send_all (Wire *wire, FzInstant now)
{
  fz_udp_sender_start (wire->sender, wire->trains, wire->n_trains);
  for (unsigned i = 0; !fz_udp_sender_flush (wire->sender, now); i++)
    g_assert_cmpuint (i, <, 10000);
}

static void
assert_all_in_order (const Wire *wire)
{
  g_assert_cmpuint (wire->n_got, ==, wire->n_sent);
  for (uint32_t i = 0; i < wire->n_got; i++)
    g_assert_cmpuint (wire->got[i], ==, i);
}

static uint64_t
lost (const Wire *wire, FzSendError why)
{
  return fz_udp_sender_get_counters (wire->sender, FZ_UDP_V4)->lost[why] +
         fz_udp_sender_get_counters (wire->sender, FZ_UDP_V6)->lost[why];
}

/* -- sockets -- */

static void
test_ports (void)
{
  FzUdpConfig config = any_port (true);
  FzUdpPair first, second;
  GError *error = NULL;

  g_assert_true (fz_udp_pair_open (&config, &first, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (first.sockets[FZ_UDP_V4].port, !=, 0);

  config.port = first.sockets[FZ_UDP_V4].port;
  g_assert_true (fz_udp_pair_open (&config, &second, &error));
  g_assert_cmpuint (second.sockets[FZ_UDP_V4].port, !=, config.port);
  fz_udp_pair_close (&second);

  config.require_port = true;
  g_assert_true (fz_udp_pair_open (&config, &second, &error)); /* IPv6 may have it */
  g_assert_cmpint (second.sockets[FZ_UDP_V4].fd, ==, -1);
  g_assert_cmpint (second.sockets[FZ_UDP_V4].refusal, ==, EADDRINUSE);
  fz_udp_pair_close (&second);
  fz_udp_pair_close (&first);
  fz_udp_pair_close (&first); /* harmless */
}

static void
test_both_families_refused (void)
{
  FzUdpConfig config = any_port (true);
  FzUdpPair first, second, third = FZ_UDP_PAIR_CLOSED;
  GError *error = NULL;

  g_assert_true (fz_udp_pair_open (&config, &first, &error));
  config.port = first.sockets[FZ_UDP_V4].port;
  g_assert_true (fz_udp_pair_open (&config, &second, &error)); /* takes the number over IPv6 */
  config.require_port = true;
  g_assert_false (fz_udp_pair_open (&config, &third, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_cmpint (third.sockets[FZ_UDP_V4].fd, ==, -1);
  fz_udp_pair_close (&first);
  fz_udp_pair_close (&second);
}

/* -- round trips -- */

static void
test_trains (gconstpointer data)
{
  FzUdpFamily family = (FzUdpFamily) GPOINTER_TO_UINT (data);

  for (int offloads = 0; offloads < 2; offloads++) {
    Wire wire;

    wire_init (&wire, offloads == 1);
    add_train (&wire, family, 1, 100, 100);
    add_train (&wire, family, 40, 1312, 1312);
    add_train (&wire, family, 7, 1312, 64);
    add_train (&wire, family, 49, 1312, 900);
    add_train (&wire, family, 64, 96, 96);
    for (int i = 0; i < 3; i++)
      add_train (&wire, family, 3, 200, 48);
    send_all (&wire, FZ_S);
    receive_all (&wire, family);
    assert_all_in_order (&wire);
    g_assert_true (fz_ip_is_loopback (&wire.got_to.ip));
    g_assert_cmpuint (wire.got_to.port, ==, wire.to.sockets[family].port);
    g_assert_cmpuint (wire.got_from.port, ==, wire.from.sockets[family].port);
    g_assert_cmpuint (fz_udp_sender_get_counters (wire.sender, family)->datagrams, ==, wire.n_sent);
    wire_clear (&wire);
  }
}

static void
test_ecn_and_source (gconstpointer data)
{
  FzUdpFamily family = (FzUdpFamily) GPOINTER_TO_UINT (data);
  Wire wire;

  wire_init (&wire, true);
  for (uint8_t ecn = 0; ecn < 4; ecn++) {
    add_train (&wire, family, 2, 100, 100);
    wire.trains[ecn].ecn = ecn;
    if (family == FZ_UDP_V4)
      g_assert_true (fz_ip_parse ("127.0.0.7", &wire.trains[ecn].from));
  }
  send_all (&wire, FZ_S);
  receive_all (&wire, family);
  assert_all_in_order (&wire);
  for (unsigned i = 0; i < wire.n_got; i++)
    g_assert_cmpuint (wire.ecn[i], ==, i / 2);
  if (family == FZ_UDP_V4)
    g_assert_cmpuint (wire.got_from.ip.bytes[3], ==, 7);
  wire_clear (&wire);
}

static void
test_control_is_reset (void)
{
  Wire wire;

  /* A coalesced buffer first, a single datagram after it in the same slot: its stride must not
   * stick. */
  wire_init (&wire, true);
  add_train (&wire, FZ_UDP_V4, 8, 500, 500);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  wire.n_trains = 0;
  add_train (&wire, FZ_UDP_V4, 1, 1200, 1200);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  assert_all_in_order (&wire);
  wire_clear (&wire);
}

/* -- faults in sending -- */

static const struct {
  const char *name;
  TestFault faults[3];
  unsigned n_demotions;
} survivable[] = {
  { "interrupted", { { TEST_SENDMMSG, 1, EINTR, 0, false } }, 0 },
  { "would-block",
    { { TEST_SENDMMSG, 1, EAGAIN, 0, false }, { TEST_SENDMMSG, 3, EAGAIN, 0, false } },
    0 },
  { "partial", { { TEST_SENDMMSG, 0, 0, 1, false } }, 0 },
  { "partial-then-block",
    { { TEST_SENDMMSG, 1, 0, 2, false }, { TEST_SENDMMSG, 2, EAGAIN, 0, false } },
    0 },
  { "no-segmentation-eio", { { TEST_SENDMMSG, 0, EIO, 0, true } }, 1 },
  { "no-segmentation-einval", { { TEST_SENDMMSG, 0, EINVAL, 0, true } }, 1 },
  { "no-segmentation-emsgsize", { { TEST_SENDMMSG, 0, EMSGSIZE, 0, true } }, 1 },
  { "demoted-in-the-middle",
    { { TEST_SENDMMSG, 1, 0, 2, false }, { TEST_SENDMMSG, 2, EIO, 0, true } },
    1 },
  { "no-sendmmsg", { { TEST_SENDMMSG, 0, ENOSYS, 0, false } }, 0 },
  { "another-peers-refusal", { { TEST_SENDMMSG, 1, ECONNREFUSED, 0, false } }, 0 },
};

static void
test_survivable (gconstpointer data)
{
  unsigned row = GPOINTER_TO_UINT (data);
  Wire wire;

  wire_init (&wire, true);
  for (size_t i = 0; i < G_N_ELEMENTS (survivable[row].faults); i++)
    if (survivable[row].faults[i].error != 0 || survivable[row].faults[i].most != 0)
      test_io_add (&wire.send_io, survivable[row].faults[i]);
  add_train (&wire, FZ_UDP_V4, 1, 148, 148);
  add_train (&wire, FZ_UDP_V4, 20, 1312, 700);
  add_train (&wire, FZ_UDP_V4, 5, 400, 400);
  add_train (&wire, FZ_UDP_V4, 1, 92, 92);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  assert_all_in_order (&wire);
  g_assert_cmpuint (fz_udp_sender_get_counters (wire.sender, FZ_UDP_V4)->demotions,
                    ==,
                    survivable[row].n_demotions);
  g_assert_cmpuint (fz_udp_sender_take_reports (wire.sender) & FZ_SEND_REPORT_DEMOTED_V4,
                    ==,
                    survivable[row].n_demotions > 0 ? FZ_SEND_REPORT_DEMOTED_V4 : 0);
  for (int i = 0; i < FZ_N_SEND_ERRORS; i++)
    g_assert_cmpuint (lost (&wire, (FzSendError) i), ==, 0);
  wire_clear (&wire);
}

static void
test_demotion_ends (void)
{
  Wire wire;
  uint64_t messages;

  wire_init (&wire, true);
  test_io_add (&wire.send_io, (TestFault){ TEST_SENDMMSG, 1, EIO, 0, true });
  add_train (&wire, FZ_UDP_V4, 10, 500, 500);
  send_all (&wire, FZ_S);
  messages = fz_udp_sender_get_counters (wire.sender, FZ_UDP_V4)->messages;
  g_assert_cmpuint (messages, ==, 10); /* one by one */

  wire.n_trains = 0;
  add_train (&wire, FZ_UDP_V4, 10, 500, 500);
  send_all (&wire, 62 * FZ_S);
  g_assert_cmpuint (
      fz_udp_sender_get_counters (wire.sender, FZ_UDP_V4)->messages, ==, messages + 1);
  receive_all (&wire, FZ_UDP_V4);
  assert_all_in_order (&wire);
  wire_clear (&wire);
}

static const struct {
  const char *name;
  int error;
  FzSendError kind;
  bool is_reported;
} costly[] = {
  { "no-buffers", ENOBUFS, FZ_SEND_ERROR_NO_BUFFER, false },
  { "too-large", EMSGSIZE, FZ_SEND_ERROR_TOO_LARGE, false },
  { "unreachable-net", ENETUNREACH, FZ_SEND_ERROR_UNREACHABLE, true },
  { "unreachable-host", EHOSTUNREACH, FZ_SEND_ERROR_UNREACHABLE, true },
  { "firewall", EPERM, FZ_SEND_ERROR_UNREACHABLE, true },
  { "unknown", EPROTO, FZ_SEND_ERROR_OTHER, false },
};

/* The second message fails; the first and the third arrive. */
static void
test_costs_only_itself (gconstpointer data)
{
  unsigned row = GPOINTER_TO_UINT (data);
  Wire wire;

  wire_init (&wire, true);
  test_io_add (&wire.send_io, (TestFault){ TEST_SENDMMSG, 1, 0, 1, false });
  test_io_add (&wire.send_io, (TestFault){ TEST_SENDMMSG, 2, costly[row].error, 0, false });
  for (int i = 0; i < 3; i++)
    add_train (&wire, FZ_UDP_V4, 1, 100, 100);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  g_assert_cmpuint (wire.n_got, ==, 2);
  g_assert_cmpuint (wire.got[0], ==, 0);
  g_assert_cmpuint (wire.got[1], ==, 2);
  g_assert_cmpuint (lost (&wire, costly[row].kind), ==, 1);
  g_assert_cmpuint (fz_udp_sender_take_reports (wire.sender) & FZ_SEND_REPORT_UNREACHABLE,
                    ==,
                    costly[row].is_reported ? FZ_SEND_REPORT_UNREACHABLE : 0);
  wire_clear (&wire);
}

static void
test_source_gone (void)
{
  Wire wire;

  wire_init (&wire, true);
  add_train (&wire, FZ_UDP_V4, 4, 300, 300);
  g_assert_true (
      fz_ip_parse ("192.0.2.77", &wire.trains[0].from)); /* not ours: the kernel refuses */
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  assert_all_in_order (&wire);
  g_assert_cmpuint (fz_udp_sender_get_counters (wire.sender, FZ_UDP_V4)->demotions, ==, 0);
  wire_clear (&wire);
}

static void
test_one_family_missing (void)
{
  Wire wire;

  wire_init (&wire, true);
  add_train (&wire, FZ_UDP_V4, 2, 100, 100);
  add_train (&wire, FZ_UDP_V6, 3, 100, 100);
  close (wire.from.sockets[FZ_UDP_V6].fd);
  wire.from.sockets[FZ_UDP_V6].fd = -1;
  fz_udp_sender_set_sockets (wire.sender, &wire.from);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  g_assert_cmpuint (wire.n_got, ==, 2);
  g_assert_cmpuint (lost (&wire, FZ_SEND_ERROR_NO_SOCKET), ==, 3);
  wire_clear (&wire);
}

static void
test_blocked_family_does_not_hold_the_other (void)
{
  Wire wire;

  wire_init (&wire, true);
  test_io_add (&wire.send_io, (TestFault){ TEST_SENDMMSG, 1, EAGAIN, 0, false }); /* IPv4 */
  add_train (&wire, FZ_UDP_V4, 2, 100, 100);
  add_train (&wire, FZ_UDP_V6, 3, 100, 100);
  fz_udp_sender_start (wire.sender, wire.trains, wire.n_trains);
  g_assert_false (fz_udp_sender_flush (wire.sender, FZ_S));
  g_assert_true (fz_udp_sender_is_blocked (wire.sender, FZ_UDP_V4));
  g_assert_false (fz_udp_sender_is_blocked (wire.sender, FZ_UDP_V6));
  receive_all (&wire, FZ_UDP_V6);
  g_assert_cmpuint (wire.n_got, ==, 3);
  fz_udp_sender_abandon (wire.sender);
  g_assert_cmpuint (lost (&wire, FZ_SEND_ERROR_NO_BUFFER), ==, 2);
  wire_clear (&wire);
}

static void
test_chaos (void)
{
  for (unsigned seed = 1; seed <= 20; seed++) {
    Wire wire;

    wire_init (&wire, true);
    wire.send_io.chaos_per_mille = 400;
    atomic_store (&wire.send_io.chaos_state, seed * 7919);
    for (unsigned i = 0; i < 30; i++)
      add_train (&wire, FZ_UDP_V4, 1 + (seed * i) % 20, (uint16_t) (64 + 16 * i), 50);
    send_all (&wire, FZ_S);
    receive_all (&wire, FZ_UDP_V4);
    assert_all_in_order (&wire);
    wire_clear (&wire);
  }
}

/* -- faults in receiving -- */

static uint64_t
count_errors (const Wire *wire, const char *name)
{
  const FzErrnoCounters *errors = &fz_udp_receiver_get_counters (wire->receiver, FZ_UDP_V4)->errors;

  for (unsigned i = 0; i < FZ_ERRNO_COUNTERS_N; i++)
    if (g_str_equal (fz_errno_counters_name (i), name))
      return errors->n[i];
  g_assert_not_reached ();
}

static void
test_receive_errors (void)
{
  Wire wire;

  wire_init (&wire, true);
  test_io_add (&wire.receive_io, (TestFault){ TEST_RECVMMSG, 1, ECONNREFUSED, 0, false });
  test_io_add (&wire.receive_io, (TestFault){ TEST_RECVMMSG, 2, EINTR, 0, false });
  test_io_add (&wire.receive_io, (TestFault){ TEST_RECVMMSG, 3, EHOSTUNREACH, 0, false });
  add_train (&wire, FZ_UDP_V4, 5, 100, 100);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  assert_all_in_order (&wire);
  g_assert_cmpuint (count_errors (&wire, "ECONNREFUSED"), ==, 1);
  g_assert_cmpuint (count_errors (&wire, "EHOSTUNREACH"), ==, 1);
  g_assert_cmpuint (count_errors (&wire, "other"), ==, 0);
  wire_clear (&wire);
}

static void
test_receive_without_recvmmsg (void)
{
  Wire wire;

  wire_init (&wire, true);
  test_io_add (&wire.receive_io, (TestFault){ TEST_RECVMMSG, 0, ENOSYS, 0, false });
  for (int i = 0; i < 3; i++)
    add_train (&wire, FZ_UDP_V4, 4, 100, 80);
  send_all (&wire, FZ_S);
  receive_all (&wire, FZ_UDP_V4);
  assert_all_in_order (&wire);
  wire_clear (&wire);
}

static void
test_receive_broken_socket (void)
{
  Wire wire;
  FzUdpBuffer buffers[FZ_RX_BATCH];
  bool is_drained = false;

  wire_init (&wire, true);
  test_io_add (&wire.receive_io, (TestFault){ TEST_RECVMMSG, 0, ENOTSOCK, 0, false });
  g_assert_cmpuint (
      fz_udp_receiver_receive (wire.receiver, FZ_UDP_V4, buffers, &is_drained), ==, 0);
  g_assert_true (is_drained); /* and does not spin */
  wire_clear (&wire);
}

static void
send_and_receive (Wire *wire, unsigned n)
{
  wire->n_trains = 0;
  for (unsigned i = 0; i < n; i++)
    add_train (wire, FZ_UDP_V4, 1, 1200, 1200);
  send_all (wire, FZ_S);
  receive_all (wire, FZ_UDP_V4);
}

/* Sends so much that the kernel must drop some, then one more, which says how many. */
static uint64_t
overflow (Wire *wire)
{
  send_and_receive (wire, 40);
  send_and_receive (wire, 1);
  return fz_udp_receiver_get_counters (wire->receiver, FZ_UDP_V4)->overflowed;
}

/* A lane that starts again on the same sockets does not count their losses twice; those of other
 * sockets, with the same descriptors, count from the first. */
static void
test_receive_overflow (void)
{
  FzUdpConfig config = any_port (false);
  uint64_t n_first, n_second;
  int small = 4096;
  Wire wire;

  wire_init (&wire, false);
  for (int round = 0; round < 2; round++) {
    setsockopt (wire.to.sockets[FZ_UDP_V4].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    n_first = overflow (&wire);
    g_assert_cmpuint (n_first + wire.n_got, ==, wire.n_sent);
    g_assert_cmpuint (n_first, >, 0);
    fz_udp_receiver_set_sockets (wire.receiver, &wire.to);
    n_second = overflow (&wire);
    g_assert_cmpuint (n_second, >, n_first);
    g_assert_cmpuint (n_second + wire.n_got, ==, wire.n_sent);

    fz_udp_pair_close (&wire.to);
    g_assert_true (fz_udp_pair_open (&config, &wire.to, NULL));
    fz_udp_receiver_set_sockets (wire.receiver, &wire.to);
  }
  wire_clear (&wire);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/udp/socket/ports", test_ports);
  g_test_add_func ("/udp/socket/both-families-refused", test_both_families_refused);
  g_test_add_data_func ("/udp/trains/v4", GUINT_TO_POINTER (FZ_UDP_V4), test_trains);
  g_test_add_data_func ("/udp/trains/v6", GUINT_TO_POINTER (FZ_UDP_V6), test_trains);
  g_test_add_data_func (
      "/udp/ecn-and-source/v4", GUINT_TO_POINTER (FZ_UDP_V4), test_ecn_and_source);
  g_test_add_data_func (
      "/udp/ecn-and-source/v6", GUINT_TO_POINTER (FZ_UDP_V6), test_ecn_and_source);
  g_test_add_func ("/udp/receive/control-is-reset", test_control_is_reset);
  for (unsigned i = 0; i < G_N_ELEMENTS (survivable); i++) {
    g_autofree char *path = g_strconcat ("/udp/send/survives/", survivable[i].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_survivable);
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (costly); i++) {
    g_autofree char *path = g_strconcat ("/udp/send/costs-only-itself/", costly[i].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_costs_only_itself);
  }
  g_test_add_func ("/udp/send/demotion-ends", test_demotion_ends);
  g_test_add_func ("/udp/send/source-gone", test_source_gone);
  g_test_add_func ("/udp/send/one-family-missing", test_one_family_missing);
  g_test_add_func ("/udp/send/blocked-family", test_blocked_family_does_not_hold_the_other);
  g_test_add_func ("/udp/send/chaos", test_chaos);
  g_test_add_func ("/udp/receive/errors", test_receive_errors);
  g_test_add_func ("/udp/receive/without-recvmmsg", test_receive_without_recvmmsg);
  g_test_add_func ("/udp/receive/overflow", test_receive_overflow);
  g_test_add_func ("/udp/receive/broken-socket", test_receive_broken_socket);
  return g_test_run ();
}
