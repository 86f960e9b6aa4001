/* test-lanes.c: several lanes at both ends of one session */

#include "tests/unit/runtime/lane-pair.h"

#include <errno.h>
#include <glib.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

#define LANES_MAX 4u
#define WINDOW    48u /* packets under way from each lane: no queue overflows by itself */
#define N_PACKETS 600u
#define LANE_AT   24u /* a packet's number has its sending lane in the top byte */

/* What one lane sends. */
typedef struct {
  uint32_t n_put;
  uint32_t n_got;
  uint8_t *seen; /* per packet */
} Stream;

typedef struct {
  LanePair pair;
  bool is_ordered; /* assert it */
  Stream streams[2][LANES_MAX];
} Bed;

static void
bed_init (Bed *self, uint32_t n_lanes, bool runs)
{
  memset (self, 0, sizeof *self);
  lane_pair_init (&self->pair, &(LanePairOptions){ .n_lanes = n_lanes, .runs = runs });
  for (unsigned i = 0; i < 2; i++)
    for (unsigned lane = 0; lane < n_lanes; lane++)
      self->streams[i][lane].seen = g_malloc0 (N_PACKETS);
  self->is_ordered = true;
}

static void
bed_clear (Bed *self)
{
  lane_pair_clear (&self->pair);
  for (unsigned i = 0; i < 2; i++)
    for (unsigned lane = 0; lane < LANES_MAX; lane++)
      g_free (self->streams[i][lane].seen);
}

static uint64_t
count_foreign (const Bed *self)
{
  uint64_t n = 0;

  for (unsigned i = 0; i < 2; i++)
    for (unsigned lane = 0; lane < self->pair.steering.n_lanes; lane++)
      n += atomic_load (&fz_lane_thread_get_counters (self->pair.ends[i].lanes[lane]).rx->foreign);
  return n;
}

static void
put_some (Bed *self, unsigned from)
{
  for (unsigned lane = 0; lane < self->pair.steering.n_lanes; lane++) {
    Stream *stream = &self->streams[from][lane];

    while (stream->n_put < N_PACKETS && stream->n_put - stream->n_got < WINDOW &&
           lane_pair_put_on (
               &self->pair, from, lane, lane << LANE_AT | stream->n_put, 40 + stream->n_put % 900))
      stream->n_put++;
  }
}

static void
note (Bed *self, unsigned from, uint32_t number)
{
  Stream *stream = &self->streams[from][number >> LANE_AT];
  uint32_t n = number & ((1u << LANE_AT) - 1);

  g_assert_cmpuint (n, <, stream->n_put);
  g_assert_cmpuint (stream->seen[n], ==, 0); /* never twice */
  if (self->is_ordered)
    g_assert_cmpuint (n, ==, stream->n_got);
  stream->seen[n] = 1;
  stream->n_got++;
}

static void
get_some (Bed *self, unsigned to)
{
  for (unsigned lane = 0; lane < self->pair.steering.n_lanes; lane++) {
    uint32_t numbers[64];
    size_t n = lane_pair_get_on (&self->pair, to, lane, numbers, 0);

    for (size_t i = 0; i < n; i++)
      note (self, 1 - to, numbers[i]);
  }
}

/* All packets of all lanes, both ways; @every: restarts all lanes each so many turns, 0: never. */
static void
carry (Bed *self, unsigned every)
{
  gint64 deadline = g_get_monotonic_time () + 200 * G_TIME_SPAN_SECOND;
  bool is_done = false;

  for (unsigned turn = 1; !is_done; turn++) {
    is_done = true;
    for (unsigned i = 0; i < 2; i++) {
      put_some (self, i);
      get_some (self, 1 - i);
      for (unsigned lane = 0; lane < self->pair.steering.n_lanes; lane++)
        is_done = is_done && self->streams[i][lane].n_got == N_PACKETS;
    }
    if (every != 0 && turn % every == 0) {
      lane_pair_stop (&self->pair);
      lane_pair_start (&self->pair);
    }
    g_thread_yield ();
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  }
}

static void
test_order (gconstpointer data)
{
  Bed bed;

  bed_init (&bed, GPOINTER_TO_UINT (data), true);
  lane_pair_start (&bed.pair);
  carry (&bed, 0);
  lane_pair_stop (&bed.pair);
  g_assert_cmpuint (count_foreign (&bed), ==, 0);
  bed_clear (&bed);
}

static void
test_restart (void)
{
  Bed bed;

  bed_init (&bed, 2, true);
  lane_pair_start (&bed.pair);
  carry (&bed, 50);
  lane_pair_stop (&bed.pair);
  bed_clear (&bed);
}

/* Sockets that refuse and take half: order holds on each lane. */
static void
test_back_pressure (void)
{
  Bed bed;

  bed_init (&bed, 2, true);
  for (unsigned i = 0; i < 2; i++)
    bed.pair.ends[i].io.chaos_per_mille = 300;
  lane_pair_start (&bed.pair);
  carry (&bed, 0);
  lane_pair_stop (&bed.pair);
  bed_clear (&bed);
}

/* The datagrams of a session go now to the one lane, now to the other, by their counters. */
static void
scatter (int fd)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_B | BPF_ABS, 8),
    BPF_STMT (BPF_ALU | BPF_AND | BPF_K, 1),
    BPF_STMT (BPF_RET | BPF_A, 0),
  };
  const struct sock_fprog program = { G_N_ELEMENTS (code), code };

  g_assert_cmpint (
      setsockopt (fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program), ==, 0);
}

static void
test_scattered (void)
{
  Bed bed;

  bed_init (&bed, 2, true);
  bed.is_ordered = false;
  for (unsigned i = 0; i < 2; i++)
    scatter (bed.pair.ends[i].sockets[0].sockets[FZ_UDP_V4].fd);
  lane_pair_start (&bed.pair);
  carry (&bed, 0);
  lane_pair_stop (&bed.pair);
  g_assert_cmpuint (count_foreign (&bed), >, 0);
  bed_clear (&bed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/lanes/order/1", GUINT_TO_POINTER (1), test_order);
  g_test_add_data_func ("/lanes/order/2", GUINT_TO_POINTER (2), test_order);
  g_test_add_data_func ("/lanes/order/4", GUINT_TO_POINTER (4), test_order);
  g_test_add_func ("/lanes/restart", test_restart);
  g_test_add_func ("/lanes/back-pressure", test_back_pressure);
  g_test_add_func ("/lanes/scattered", test_scattered);
  return g_test_run ();
}
