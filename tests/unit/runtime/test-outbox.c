/* test-outbox.c: a full socket, without one that is full by chance
 *
 * The "UDP sockets" are ends of local socket pairs: those are full after a few datagrams and say
 * by poll() when they are not any more, as a UDP socket above a slow device does.
 */
#include "src/runtime/fz-outbox.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  FzIo io;
  FzClock clock;
  FzUdpPair pair;
  int far_ends[FZ_N_UDP_FAMILIES];
  FzOutbox *outbox;
  uint32_t n_sent;
} Bed;

/* A local socket knows no addresses and no control messages of ours. */
static int
send_plain (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags)
{
  struct msghdr header = { .msg_iov = messages[0].msg_hdr.msg_iov,
                           .msg_iovlen = messages[0].msg_hdr.msg_iovlen };

  return sendmsg (fd, &header, flags) < 0 ? -1 : 1;
}

static void
set_up (Bed *bed, gconstpointer data)
{
  *bed = (Bed){ .io = fz_io_kernel };
  bed->io.sendmmsg = send_plain;
  fz_clock_init (&bed->clock);
  bed->pair = FZ_UDP_PAIR_CLOSED;
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    int ends[2];

    g_assert_cmpint (
        socketpair (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), ==, 0);
    bed->pair.sockets[i].fd = ends[0];
    bed->far_ends[i] = ends[1];
  }
  bed->outbox = fz_outbox_new (&bed->io, &bed->clock);
  fz_outbox_set_sockets (bed->outbox, &bed->pair);
}

static void
tear_down (Bed *bed, gconstpointer data)
{
  fz_outbox_free (bed->outbox);
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    close (bed->pair.sockets[i].fd);
    close (bed->far_ends[i]);
  }
}

/* The bytes are gone when the call returns, as the engine's are. */
static void
send_one (Bed *bed, const char *to)
{
  uint32_t number = bed->n_sent++;
  FzTransmit transmit = { .data = { (const uint8_t *) &number, sizeof number } };

  g_assert_true (fz_ip_parse (to, &transmit.to.ip));
  transmit.to.port = 7;
  fz_outbox_send (bed->outbox, &transmit);
  number = UINT32_MAX;
}

/* Until the socket is full, and one more waits. */
static void
fill (Bed *bed)
{
  while (fz_outbox_get_counters (bed->outbox)->waited == 0)
    send_one (bed, "192.0.2.1");
}

static void
run_loop (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* The numbers from @first on, as many as are there. Returns the next one. */
static uint32_t
take (Bed *bed, FzUdpFamily family, uint32_t first)
{
  uint32_t number;

  while (recv (bed->far_ends[family], &number, sizeof number, 0) == sizeof number)
    g_assert_cmpuint (number, ==, first++);
  g_assert_cmpint (errno, ==, EAGAIN);
  return first;
}

static void
test_in_order (Bed *bed, gconstpointer data)
{
  uint32_t next = 0;

  fill (bed);
  for (unsigned i = 0; i < 100; i++)
    send_one (bed, "192.0.2.1");
  run_loop (); /* ends: the loop does not turn for a socket that stays full */
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->waited, ==, 101);
  while (next < bed->n_sent) {
    uint32_t before = next;

    next = take (bed, FZ_UDP_V4, next);
    g_assert_cmpuint (next, >, before);
    run_loop ();
  }
  g_assert_cmpuint (
      fz_outbox_get_send_counters (bed->outbox, FZ_UDP_V4)->datagrams, ==, bed->n_sent);
  g_assert_false (g_main_context_pending (NULL)); /* nothing waits for a socket with room */

  send_one (bed, "192.0.2.1"); /* at once again */
  g_assert_cmpuint (take (bed, FZ_UDP_V4, next), ==, bed->n_sent);
}

static void
test_families (Bed *bed, gconstpointer data)
{
  uint32_t first;

  fill (bed);
  first = bed->n_sent;
  send_one (bed, "2001:db8::1");
  g_assert_cmpuint (take (bed, FZ_UDP_V6, first), ==, first + 1);
}

static void
test_bounded (Bed *bed, gconstpointer data)
{
  fill (bed);
  while (fz_outbox_get_counters (bed->outbox)->waited < FZ_OUTBOX_MAX)
    send_one (bed, "192.0.2.1");
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->lost_full, ==, 0);
  send_one (bed, "192.0.2.1");
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->lost_full, ==, 1);
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->waited, ==, FZ_OUTBOX_MAX);
}

/* New sockets: what waited for the old ones does not go out by them. */
static void
test_sockets_replaced (Bed *bed, gconstpointer data)
{
  uint32_t n_before;

  fill (bed);
  fz_outbox_set_sockets (bed->outbox, NULL);
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->lost_sockets, ==, 1);
  n_before = take (bed, FZ_UDP_V4, 0);
  send_one (bed, "192.0.2.1");
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->lost_sockets, ==, 2);
  run_loop ();
  g_assert_cmpuint (take (bed, FZ_UDP_V4, n_before), ==, n_before);
  fz_outbox_set_sockets (bed->outbox, &bed->pair);
  send_one (bed, "192.0.2.1");
  g_assert_cmpuint (take (bed, FZ_UDP_V4, n_before + 2), ==, bed->n_sent);
}

/* The same without a gap: what waited for the old ones goes out through the new ones, at once where
 * they have room, else later. */
static void
test_sockets_changed (Bed *bed, gconstpointer data)
{
  Bed next;
  uint32_t n_before, n;

  set_up (&next, NULL);
  fill (bed);
  for (unsigned i = 0; i < 20; i++)
    send_one (bed, "192.0.2.1");
  n_before = take (bed, FZ_UDP_V4, 0);
  fz_outbox_set_sockets (bed->outbox, &next.pair);
  n = take (&next, FZ_UDP_V4, n_before);
  g_assert_cmpuint (n, >, n_before);
  while (n < bed->n_sent) {
    run_loop ();
    n = take (&next, FZ_UDP_V4, n);
  }
  run_loop ();
  g_assert_cmpuint (take (bed, FZ_UDP_V4, n_before), ==, n_before);
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->lost_sockets, ==, 0);
  fz_outbox_set_sockets (bed->outbox, NULL);
  tear_down (&next, NULL);
}

static gpointer
make_room (gpointer data)
{
  Bed *bed = data;
  uint32_t n = 0;

  while (n < bed->n_sent) {
    struct pollfd readable = { bed->far_ends[FZ_UDP_V4], POLLIN, 0 };

    g_assert_cmpint (poll (&readable, 1, -1), ==, 1);
    n = take (bed, FZ_UDP_V4, n);
  }
  return NULL;
}

/* Goodbyes: without the loop, as soon as there is room; and not for ever. */
static void
test_drain (Bed *bed, gconstpointer data)
{
  GThread *thread;

  fill (bed);
  fz_outbox_drain (bed->outbox, 1); /* nobody makes room */
  g_assert_cmpuint (fz_outbox_get_counters (bed->outbox)->lost_sockets, ==, 0);
  thread = g_thread_new ("far-end", make_room, bed);
  fz_outbox_drain (bed->outbox, 20000);
  g_thread_join (thread);
  g_assert_cmpuint (
      fz_outbox_get_send_counters (bed->outbox, FZ_UDP_V4)->datagrams, ==, bed->n_sent);
}

#define ADD(name, test) g_test_add ("/outbox/" name, Bed, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("in-order", test_in_order);
  ADD ("families", test_families);
  ADD ("bounded", test_bounded);
  ADD ("sockets-replaced", test_sockets_replaced);
  ADD ("sockets-changed", test_sockets_changed);
  ADD ("drain", test_drain);
  return g_test_run ();
}
