/* test-lane-thread.c: lanes at work, under faults, and their end */

#include "tests/unit/runtime/lane-pair.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW      96u /* packets under way each way: no queue below overflows by itself */
#define PATIENCE_US (60 * G_TIME_SPAN_SECOND)

typedef struct {
  uint32_t n_packets;  /* each way */
  uint32_t n_may_lack; /* each way: the injected losses */
  size_t length;       /* 0: mixed */
} Load;

/* State of one direction. */
typedef struct {
  uint32_t n_put;
  uint32_t next; /* number that may come next at the least */
  uint32_t n_lacking;
} Direction;

static void
get_some (LanePair *pair, unsigned to, Direction *direction, int timeout_ms)
{
  uint32_t numbers[64];
  size_t n = lane_pair_get (pair, to, numbers, timeout_ms);

  for (size_t i = 0; i < n; i++) {
    g_assert_cmpuint (numbers[i], >=, direction->next); /* neither twice nor out of order */
    g_assert_cmpuint (numbers[i], <, direction->n_put);
    direction->n_lacking += numbers[i] - direction->next;
    direction->next = numbers[i] + 1;
  }
}

static void
put_some (LanePair *pair, unsigned from, Direction *direction, const Load *load)
{
  while (direction->n_put < load->n_packets && direction->n_put - direction->next < WINDOW) {
    size_t length = load->length != 0 ? load->length : 40 + direction->n_put * 67 % 1240;

    if (!lane_pair_put (pair, from, direction->n_put, length))
      return;
    direction->n_put++;
  }
}

/* Both ways at once; asserts that all but the permitted losses arrive, once and in order. The last
 * ones are never among the lost. */
static void
carry (LanePair *pair, const Load *load)
{
  Direction directions[2] = { 0 };
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;
  bool is_done = false;

  while (!is_done) {
    is_done = true;
    for (unsigned i = 0; i < 2; i++) {
      put_some (pair, i, &directions[i], load);
      get_some (pair, 1 - i, &directions[i], 1);
      is_done = is_done && directions[i].next == load->n_packets;
    }
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  }
  for (unsigned i = 0; i < 2; i++)
    g_assert_cmpuint (directions[i].n_lacking, <=, load->n_may_lack);
}

static const struct {
  const char *name;
  LanePairOptions options;
  size_t length;
} plain[] = {
  { "one-thread", { 0 }, 1280 },
  { "one-thread-mixed", { 0 }, 0 },
  { "one-thread-runs", { .runs = true }, 1280 },
  { "two-threads", { .two_threads = true }, 1280 },
  { "two-threads-mixed", { .two_threads = true }, 0 },
  { "no-vnet-header", { .no_vnet = true }, 0 },
};

static void
test_plain (gconstpointer data)
{
  unsigned row = GPOINTER_TO_UINT (data);
  LanePair pair;

  lane_pair_init (&pair, &plain[row].options);
  lane_pair_start (&pair);
  carry (&pair, &(Load){ .n_packets = 4000, .length = plain[row].length });
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

/* -- faults: nothing is lost but what was injected, nothing twice, nothing out of order -- */

static const struct {
  const char *name;
  bool runs;
  unsigned chaos_per_mille;
  TestFault faults[4];
  unsigned n_may_lack; /* packets */
  unsigned report;     /* that must come */
} faulty[] = {
  { "send-chaos", false, 300, { { 0 } }, 0, 0 },
  { "segmentation-refused",
    false,
    0,
    { { TEST_SENDMMSG, 0, EIO, 0, true } },
    0,
    FZ_LANE_REPORT_NO_GSO_V4 },
  { "tun-read-interrupted",
    false,
    0,
    { { TEST_READV, 5, EINTR, 0, false }, { TEST_READV, 50, EIO, 0, false } },
    0,
    0 },
  { "tun-write-blocks",
    false,
    0,
    { { TEST_WRITEV, 7, EAGAIN, 0, false }, { TEST_WRITEV, 90, EINTR, 0, false } },
    0,
    0 },
  { "tun-write-no-memory", false, 0, { { TEST_WRITEV, 9, ENOBUFS, 0, false } }, 1, 0 },
  { "tun-refuses-a-packet", false, 0, { { TEST_WRITEV, 9, EINVAL, 0, false } }, 1, 0 },
  { "tun-refuses-runs",
    true,
    0,
    { { TEST_WRITEV, 0, EINVAL, 0, true } },
    0,
    FZ_LANE_REPORT_REFUSED_UDP },
  { "tun-refuses-runs-eio",
    true,
    0,
    { { TEST_WRITEV, 0, EIO, 0, true } },
    0,
    FZ_LANE_REPORT_REFUSED_UDP },
  { "receive-errors",
    false,
    0,
    { { TEST_RECVMMSG, 3, ECONNREFUSED, 0, false }, { TEST_RECVMMSG, 4, EINTR, 0, false } },
    0,
    0 },
  { "old-kernel",
    false,
    0,
    { { TEST_SENDMMSG, 0, ENOSYS, 0, false }, { TEST_RECVMMSG, 0, ENOSYS, 0, false } },
    0,
    0 },
};

static void
test_faulty (gconstpointer data)
{
  unsigned row = GPOINTER_TO_UINT (data);
  LanePairOptions options = { .runs = faulty[row].runs };
  LanePair pair;

  lane_pair_init (&pair, &options);
  for (unsigned i = 0; i < 2; i++) {
    pair.ends[i].io.chaos_per_mille = faulty[row].chaos_per_mille;
    for (size_t j = 0; j < G_N_ELEMENTS (faulty[row].faults); j++)
      if (faulty[row].faults[j].error != 0)
        test_io_add (&pair.ends[i].io, faulty[row].faults[j]);
  }
  lane_pair_start (&pair);
  carry (&pair, &(Load){ .n_packets = 3000, .n_may_lack = faulty[row].n_may_lack, .length = 1200 });
  for (unsigned i = 0; i < 2; i++) {
    unsigned reports = fz_lane_thread_take_reports (pair.ends[i].lane);

    g_assert_cmpuint (reports, ==, faulty[row].report);
  }
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

static void
wait_for_report (LanePair *pair, unsigned end, unsigned report)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;
  unsigned got = 0;

  while ((got & report) == 0) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    got |= fz_lane_thread_take_reports (pair->ends[end].lane);
    g_usleep (1000); /* polls */
  }
}

static uint64_t
count_turns (const LanePair *pair, unsigned end)
{
  return atomic_load (&fz_lane_thread_get_counters (pair->ends[end].lane).turns[0]->turns);
}

/* Told once, and no spinning afterwards. */
static void
test_tun_gone (void)
{
  static const int errors[] = { EBADFD, EBADF };

  for (size_t i = 0; i < G_N_ELEMENTS (errors); i++) {
    LanePair pair;
    uint64_t turns;

    lane_pair_init (&pair, &(LanePairOptions){ 0 });
    test_io_add (&pair.ends[0].io, (TestFault){ TEST_READV, 0, errors[i], 0, false });
    lane_pair_start (&pair);
    g_assert_true (lane_pair_put (&pair, 0, 0, 100));
    wait_for_report (&pair, 0, FZ_LANE_REPORT_TUN_GONE);
    turns = count_turns (&pair, 0);
    g_usleep (100000); /* watches that nothing happens */
    g_assert_cmpuint (fz_lane_thread_take_reports (pair.ends[0].lane), ==, 0);
    g_assert_cmpuint (count_turns (&pair, 0) - turns, <=, 2);
    lane_pair_stop (&pair);
    lane_pair_clear (&pair);
  }
}

static void
test_idle_sleeps (void)
{
  LanePair pair;
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;
  uint64_t turns;

  lane_pair_init (&pair, &(LanePairOptions){ 0 });
  lane_pair_start (&pair);
  carry (&pair, &(Load){ .n_packets = 10, .length = 100 });
  do { /* the last turn of a thread that has no CPU comes late */
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    turns = count_turns (&pair, 0) + count_turns (&pair, 1);
    g_usleep (300000); /* watches that nothing happens */
  } while (count_turns (&pair, 0) + count_turns (&pair, 1) != turns);
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

/* A device that is down is looked at now and then, and used when it is up. */
static void
test_tun_down (void)
{
  LanePair pair;
  uint64_t turns;

  lane_pair_init (&pair, &(LanePairOptions){ 0 });
  for (unsigned n = 2; n < 5; n++)
    test_io_add (&pair.ends[0].io, (TestFault){ TEST_READV, n, EIO, 0, false });
  lane_pair_start (&pair);
  turns = count_turns (&pair, 0);
  carry (&pair, &(Load){ .n_packets = 50, .length = 100 });
  g_assert_cmpuint (count_turns (&pair, 0) - turns, <, 300);
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

/* -- the engine's side -- */

static const FzLaneMessage *
wait_for_record (LanePair *pair, unsigned end, unsigned ring)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;
  const FzLaneMessage *message = NULL;
  size_t length;

  while (message == NULL) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    message = fz_ring_peek (fz_lane_thread_get_ring (pair->ends[end].lane, ring), &length);
    g_usleep (200); /* polls */
  }
  return message;
}

/* Packets from before the session are the engine's; later ones wait until it has dealt with them.
 */
static void
test_nothing_overtakes_the_engine (void)
{
  LanePair pair;
  FzRing *ring;
  uint32_t numbers[64];

  lane_pair_init (&pair, &(LanePairOptions){ .no_session = true });
  fz_bell_arm (&pair.ends[0].bell, FZ_BELL_TAPS);
  lane_pair_start (&pair);
  g_assert_true (lane_pair_put (&pair, 0, 100, 100));
  g_assert_cmpint (wait_for_record (&pair, 0, 0)->kind, ==, FZ_LANE_MESSAGE_PACKET);
  g_assert_false (atomic_load (&pair.ends[0].bell.armed)); /* the engine was called */

  lane_pair_give_session (&pair);
  for (uint32_t i = 0; i < 20; i++)
    g_assert_true (lane_pair_put (&pair, 0, i, 100));
  g_assert_cmpuint (lane_pair_get (&pair, 1, numbers, 100), ==, 0); /* held back */

  ring = fz_lane_thread_get_ring (pair.ends[0].lane, 0);
  fz_ring_release (ring);
  fz_lane_thread_records_released (pair.ends[0].lane);
  for (uint32_t i = 0; i < 20; i++) {
    g_assert_cmpuint (lane_pair_get (&pair, 1, numbers, PATIENCE_US / 1000), ==, 1);
    g_assert_cmpuint (numbers[0], ==, i);
  }
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

/* -- restart and end -- */

static void
test_restart_loses_nothing (void)
{
  LanePair pair;
  Direction direction = { 0 };
  Load load = { .n_packets = 2000, .length = 300 };

  lane_pair_init (&pair, &(LanePairOptions){ 0 });
  lane_pair_start (&pair);
  while (direction.next < load.n_packets) {
    put_some (&pair, 0, &direction, &load);
    get_some (&pair, 1, &direction, 50);
    if (direction.next % 7 == 0) {
      lane_pair_stop (&pair);
      lane_pair_start (&pair);
    }
  }
  g_assert_cmpuint (direction.n_lacking, ==, 0);
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

static uint64_t
count_staged (const LanePair *pair, unsigned end)
{
  const FzLaneThreadCounters counters = fz_lane_thread_get_counters (pair->ends[end].lane);

  return atomic_load (&counters.staging->queue->items);
}

/* While the socket takes nothing the TUN is still read. What is staged then is sent by the
 * restarted lane; only what was sealed for the old socket is lost, and counted. */
static void
test_restart_while_blocked (void)
{
  const FzSendCounters *send;
  Direction direction = { 0 };
  Load load = { .n_packets = 200, .length = 300 };
  LanePair pair;
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;

  lane_pair_init (&pair, &(LanePairOptions){ 0 });
  send = fz_lane_thread_get_counters (pair.ends[0].lane).send[0];
  test_io_add (&pair.ends[0].io, (TestFault){ TEST_SENDMMSG, 0, EAGAIN, 0, false });
  lane_pair_start (&pair);
  g_assert_true (lane_pair_put (&pair, 0, direction.n_put++, load.length));
  while (atomic_load (&send->blocked) == 0 || count_staged (&pair, 0) < WINDOW / 2) {
    if (atomic_load (&send->blocked) > 0)
      put_some (&pair, 0, &direction, &load);
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (1000); /* polls */
  }
  lane_pair_stop (&pair);
  pair.ends[0].io.n_faults = 0;
  g_assert_cmpuint (count_staged (&pair, 0), >=, WINDOW / 2);
  lane_pair_start (&pair);
  while (direction.next < load.n_packets) {
    put_some (&pair, 0, &direction, &load);
    get_some (&pair, 1, &direction, 50);
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  }
  g_assert_cmpuint (direction.n_lacking, ==, atomic_load (&send->lost[FZ_SEND_ERROR_NO_BUFFER]));
  g_assert_cmpuint (count_staged (&pair, 0), ==, 0);
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

/* A change of sockets while the old ones are full: what is sealed goes out through the next ones.
 */
static void
test_pause_while_blocked (void)
{
  LanePair pair;
  Direction direction = { 0 };
  Load load = { .n_packets = 60, .length = 1000 };

  lane_pair_init (&pair, &(LanePairOptions){ 0 });
  test_io_add (&pair.ends[0].io, (TestFault){ TEST_SENDMMSG, 0, EAGAIN, 0, false });
  lane_pair_start (&pair);
  put_some (&pair, 0, &direction, &load);
  while (atomic_load (&pair.ends[0].io.calls[TEST_SENDMMSG]) == 0)
    g_usleep (100); /* polls */
  for (unsigned i = 0; i < 2; i++)
    g_assert_true (fz_lane_thread_pause (pair.ends[i].lane));
  pair.ends[0].io.n_faults = 0;
  lane_pair_start (&pair);
  while (direction.next < load.n_packets)
    get_some (&pair, 1, &direction, 5000);
  g_assert_cmpuint (direction.n_lacking, ==, 0);
  lane_pair_stop (&pair);
  lane_pair_clear (&pair);
}

/* A device that takes nothing costs a turn one wait, not one for each of its runs: the lane, or who
 * stops it, has other things to do. */
static void
test_stuck_device (void)
{
  FzVnetHeader vnet = { 0 };
  uint8_t packet[1280] = { 0x45 };
  const struct iovec pieces[] = { { &vnet, sizeof vnet }, { packet, sizeof packet } };
  FzTunWriter *writer = fz_tun_writer_new (&fz_io_kernel);
  const FzTunCounters *counters = fz_tun_writer_get_counters (writer);
  FzRun runs[64];
  unsigned refused;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), ==, 0);
  while (write (fds[0], packet, sizeof packet) > 0)
    continue;
  for (unsigned i = 0; i < G_N_ELEMENTS (runs); i++)
    runs[i] =
        (FzRun){ .iov = pieces, .n_iov = 2, .n_packets = 1, .length = (uint32_t) sizeof packet };
  fz_tun_writer_set_queue (writer, (FzTunQueue){ fds[0], true, fds[0] });
  for (unsigned turn = 1; turn <= 2; turn++) {
    fz_tun_writer_write (writer, NULL, runs, G_N_ELEMENTS (runs), &refused);
    g_assert_cmpuint (counters->waits, ==, turn);
    g_assert_cmpuint (counters->lost_packets, ==, turn * G_N_ELEMENTS (runs));
  }
  for (unsigned round = 1; round <= 2;
       round++) { /* and all that come singly, one until it takes again */
    for (unsigned i = 0; i < 64; i++)
      fz_tun_writer_write_packet (writer, packet, sizeof packet);
    g_assert_cmpuint (counters->waits, ==, 1 + round);
    while (read (fds[1], packet, sizeof packet) > 0)
      continue;
    fz_tun_writer_write_packet (writer, packet, sizeof packet);
    g_assert_cmpuint (counters->written_packets, ==, round);
    while (write (fds[0], packet, sizeof packet) > 0)
      continue;
  }
  while (read (fds[1], packet, sizeof packet) > 0)
    continue;
  fz_tun_writer_write (writer, NULL, runs, 1, &refused);
  g_assert_cmpuint (counters->written_packets, ==, 3);
  fz_tun_writer_free (writer);
  close (fds[0]);
  close (fds[1]);
}

/* How often: FZ_SHUTDOWN_ROUNDS says it for long runs with sanitizers. */
static unsigned
count_shutdowns (void)
{
  const char *text = g_getenv ("FZ_SHUTDOWN_ROUNDS");
  guint64 n;

  if (text != NULL && g_ascii_string_to_unsigned (text, 10, 1, 1000000, &n, NULL))
    return (unsigned) n;
  return g_test_slow () ? 1000 : 150;
}

/* Ends at any moment under load, in time, with everything freed. */
static void
test_shutdown (gconstpointer data)
{
  unsigned n_rounds = count_shutdowns ();
  LanePairOptions options = { .two_threads = GPOINTER_TO_UINT (data) != 0 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int () & 0x7fffffff);
  gint64 longest = 0;

  for (unsigned i = 0; i < n_rounds; i++) {
    gint64 stop_at = g_get_monotonic_time () + g_rand_int_range (rand, 0, 3000), stopped_at;
    uint32_t numbers[64], number = 0;
    LanePair pair;

    lane_pair_init (&pair, &options);
    pair.ends[0].io.chaos_per_mille = i % 3 == 0 ? 500 : 0;
    lane_pair_start (&pair);
    do {
      for (unsigned j = 0; j < 16; j++)
        lane_pair_put (&pair, j & 1, number++, 600);
      lane_pair_get (&pair, number & 1, numbers, 0);
    } while (g_get_monotonic_time () < stop_at);
    stopped_at = g_get_monotonic_time ();
    lane_pair_stop (&pair);
    longest = MAX (longest, g_get_monotonic_time () - stopped_at);
    lane_pair_clear (&pair);
  }
  g_test_message ("longest stop: %" G_GINT64_FORMAT " us", longest);
}

/* A socket that never becomes writable does not hold up the end. */
static void
test_shutdown_while_blocked (void)
{
  LanePair pair;

  lane_pair_init (&pair, &(LanePairOptions){ 0 });
  test_io_add (&pair.ends[0].io, (TestFault){ TEST_SENDMMSG, 0, EAGAIN, 0, false });
  lane_pair_start (&pair);
  for (uint32_t i = 0; i < 30; i++)
    lane_pair_put (&pair, 0, i, 1000);
  while (fz_lane_thread_get_counters (pair.ends[0].lane).send[FZ_UDP_V4]->blocked == 0)
    g_usleep (1000);      /* polls */
  lane_pair_stop (&pair); /* asserts that it ends */
  g_assert_cmpuint (fz_lane_thread_get_counters (pair.ends[0].lane)
                        .send[FZ_UDP_V4]
                        ->lost[FZ_SEND_ERROR_NO_BUFFER],
                    >,
                    0);
  lane_pair_clear (&pair);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (plain); i++) {
    g_autofree char *path = g_strconcat ("/lane-thread/carries/", plain[i].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_plain);
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (faulty); i++) {
    g_autofree char *path = g_strconcat ("/lane-thread/survives/", faulty[i].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_faulty);
  }
  g_test_add_func ("/lane-thread/tun/gone", test_tun_gone);
  g_test_add_func ("/lane-thread/tun/down", test_tun_down);
  g_test_add_func ("/lane-thread/idle-sleeps", test_idle_sleeps);
  g_test_add_func ("/lane-thread/engine/nothing-overtakes", test_nothing_overtakes_the_engine);
  g_test_add_func ("/lane-thread/restart-loses-nothing", test_restart_loses_nothing);
  g_test_add_func ("/lane-thread/restart-while-blocked", test_restart_while_blocked);
  g_test_add_data_func ("/lane-thread/shutdown/one-thread", NULL, test_shutdown);
  g_test_add_data_func ("/lane-thread/shutdown/two-threads", GUINT_TO_POINTER (1), test_shutdown);
  g_test_add_func ("/lane-thread/pause/while-blocked", test_pause_while_blocked);
  g_test_add_func ("/lane-thread/stuck-device", test_stuck_device);
  g_test_add_func ("/lane-thread/shutdown/while-blocked", test_shutdown_while_blocked);
  return g_test_run ();
}
