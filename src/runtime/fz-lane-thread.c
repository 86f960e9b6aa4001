/* fz-lane-thread.c: see the header
 *
 * A worker is a thread with a set of sources it serves. A source is ready when
 * poll said so and until a call finds it drained. One turn serves each ready
 * source once, by a bounded batch, so neither direction starves; now and then
 * the others are looked at without sleeping. With no source ready the worker goes offline for
 * FzReclaim and sleeps.
 *
 * To transmit means to read the TUN into the lane's staging, to emit a little of
 * it, to send that, and to look at the TUN again, since what comes now may have
 * to leave before what is staged. Nothing is emitted while a socket would block
 * (then its writability is a source); flows that wait for the engine stay staged
 * (then the bell is a source). The TUN is read until all places are in use; then
 * the kernel's queue holds or drops.
 */

#include "src/runtime/fz-lane-thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES   (256u << 10)
#define POLL_EVERY_NS (50 * FZ_US) /* while one source is busy, for the others' sake */
#define LAST_FLUSH_MS 50           /* dataplane.md §18 */
#define JOIN_MS       10000 /* dataplane.md §18 has two seconds: a busy machine's threads wait longer */
#define DOWN_MS       100 /* how often a device that is down is looked at */
#define LAST_READ_MS  500 /* of sockets that are about to be closed; a full one takes some ten */
#define EMIT_STEPS    4   /* emissions in a turn, then the other direction has its own */

typedef enum {
  SOURCE_UDP_V4,
  SOURCE_UDP_V6,
  SOURCE_TUN,
  N_SOURCES,
} Source;

#define BIT(source) (1u << (source))
#define RECEIVES    (BIT (SOURCE_UDP_V4) | BIT (SOURCE_UDP_V6))
#define TRANSMITS   BIT (SOURCE_TUN)

typedef struct {
  FzLaneThread *lane;
  unsigned serves; /* sources, as bits */
  char name[16];
  pthread_t thread;
  bool is_running;         /* engine thread only */
  FzReclaimReader *reader; /* kept over restarts */
  FzBell bell;             /* wakes the worker: stop, or the engine has released records */
  int ended_fd;            /* eventfd: the thread is about to return */
  FzTurnCounters counters;

  /* the thread's own */
  FzTurn turn;
  unsigned ready; /* sources, as bits */
  FzInstant polled_at;
  FzInstant tun_down_at; /* 0: not down */
} Worker;

struct FzLaneThread {
  FzLaneThreadConfig config;
  FzLaneTx *tx;
  FzLaneRx *rx;
  FzRing *rings[FZ_LANE_N_RINGS];
  FzUdpSender *sender;
  FzUdpReceiver *receiver;
  FzTunReader *reader;
  FzTunWriter *writer;
  FzUdpPair pair;
  FzTunQueue queue;
  Worker workers[2];
  unsigned n_workers;
  FzInstant stop_by;        /* engine thread only; from being asked to stop on */
  atomic_bool stopping;     /* engine writes, workers read */
  atomic_bool pausing;      /* likewise: stopping, to be started again soon */
  atomic_bool tun_is_gone;  /* either worker writes, both read */
  _Atomic unsigned reports; /* workers add, engine takes */

  /* transmit worker only */
  bool is_full; /* staging, at the last look: the TUN need not be polled */

  /* receive worker only */
  FzLaneLimits limits;
};

static void
count (_Atomic uint64_t *counter)
{
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void
report (FzLaneThread *self, unsigned bits)
{
  if (bits == 0)
    return;
  atomic_fetch_or (&self->reports, bits);
  fz_bell_ring (self->config.engine_bell);
}

static void
lose_tun (FzLaneThread *self)
{
  if (!atomic_exchange (&self->tun_is_gone, true))
    report (self, FZ_LANE_REPORT_TUN_GONE);
}

/* Wakes the engine if @ring has grown since @before. */
static void
announce (FzLaneThread *self, const FzRing *ring, uint64_t before)
{
  if (fz_ring_position (ring) != before)
    fz_bell_ring (self->config.engine_bell);
}

/* -- receive: UDP to TUN -- */

static void
apply_refusals (FzLaneThread *self, unsigned refused)
{
  unsigned bits = 0;

  if ((refused & FZ_TUN_REFUSED_TCP4) != 0 && self->limits.tun_tcp4) {
    self->limits.tun_tcp4 = false;
    bits |= FZ_LANE_REPORT_REFUSED_TCP4;
  }
  if ((refused & FZ_TUN_REFUSED_TCP6) != 0 && self->limits.tun_tcp6) {
    self->limits.tun_tcp6 = false;
    bits |= FZ_LANE_REPORT_REFUSED_TCP6;
  }
  if ((refused & FZ_TUN_REFUSED_UDP) != 0 && self->limits.tun_udp) {
    self->limits.tun_udp = false;
    bits |= FZ_LANE_REPORT_REFUSED_UDP;
  }
  if (bits != 0)
    fz_lane_rx_set_limits (self->rx, &self->limits);
  report (self, bits);
}

static void
write_runs (FzLaneThread *self)
{
  const FzRun *runs;
  size_t n = fz_lane_rx_take (self->rx, &runs);
  unsigned refused;

  if (n == 0)
    return;
  if (fz_tun_writer_write (self->writer, self->rx, runs, n, &refused) == FZ_TUN_GONE)
    lose_tun (self);
  if (refused != 0)
    apply_refusals (self, refused);
}

static void
announce_received (FzLaneThread *self)
{
  switch (fz_lane_rx_get_news (self->rx)) {
  case FZ_LANE_NEWS_NONE:
    return;
  case FZ_LANE_NEWS_ANSWERS:
    fz_bell_tap (self->config.engine_bell);
    return;
  case FZ_LANE_NEWS_URGENT:
    fz_bell_ring (self->config.engine_bell);
    return;
  }
}

static void
serve_udp (Worker *worker, FzUdpFamily family, FzInstant now)
{
  FzLaneThread *self = worker->lane;
  FzUdpBuffer buffers[FZ_RX_BATCH];
  bool is_drained;
  size_t n = fz_udp_receiver_receive (self->receiver, family, buffers, &is_drained);

  if (is_drained)
    worker->ready &= ~BIT (family == FZ_UDP_V4 ? SOURCE_UDP_V4 : SOURCE_UDP_V6);
  if (n == 0)
    return;
  worker->turn.n_works += (unsigned) n;
  fz_lane_rx_push (self->rx, buffers, n, now);
  write_runs (self);
  announce_received (self);
}

/* -- transmit: TUN to UDP -- */

static void
report_send (FzLaneThread *self)
{
  unsigned reports = fz_udp_sender_take_reports (self->sender), bits = 0;

  if ((reports & FZ_SEND_REPORT_DEMOTED_V4) != 0)
    bits |= FZ_LANE_REPORT_NO_GSO_V4;
  if ((reports & FZ_SEND_REPORT_DEMOTED_V6) != 0)
    bits |= FZ_LANE_REPORT_NO_GSO_V6;
  if ((reports & FZ_SEND_REPORT_UNREACHABLE) != 0)
    bits |= FZ_LANE_REPORT_UNREACHABLE;
  report (self, bits);
}

/* Sends what the lane has ready; false while a socket would block. */
static bool
flush_trains (FzLaneThread *self, FzInstant now)
{
  bool is_done = fz_udp_sender_flush (self->sender, now);

  report_send (self);
  return is_done;
}

static bool
is_blocked (const FzLaneThread *self)
{
  return fz_udp_sender_is_blocked (self->sender, FZ_UDP_V4) ||
         fz_udp_sender_is_blocked (self->sender, FZ_UDP_V6);
}

/* Stages what the TUN has and there is a place for. Returns: whether it may have more */
static bool
read_tun (Worker *worker, FzInstant now)
{
  FzLaneThread *self = worker->lane;
  FzTunStatus status = FZ_TUN_MORE;
  uint32_t n_bytes = 0;

  self->is_full = false;
  while (n_bytes < FZ_TX_READ_BYTES) {
    FzTunFrame *frame = fz_lane_tx_reserve (self->tx);

    self->is_full = frame == NULL;
    if (frame == NULL)
      return true;
    status = fz_tun_reader_read (self->reader, frame);
    if (status != FZ_TUN_MORE)
      break;
    n_bytes += frame->length;
    fz_lane_tx_commit (self->tx);
    worker->turn.n_works++;
  }
  if (status == FZ_TUN_DOWN)
    worker->tun_down_at = now;
  if (status == FZ_TUN_GONE)
    lose_tun (self);
  return status == FZ_TUN_MORE;
}

/* Seals and sends a little of what is staged; false while a socket would block. */
static bool
emit_some (FzLaneThread *self, FzInstant now)
{
  const FzTrain *trains;
  size_t n_trains;

  if (fz_lane_tx_emit (self->tx, FZ_TX_EMIT_BYTES) > 0)
    self->is_full = false;
  n_trains = fz_lane_tx_take (self->tx, &trains);
  fz_udp_sender_start (self->sender, trains, n_trains);
  return flush_trains (self, now);
}

static void
serve_tun (Worker *worker, FzInstant now)
{
  FzLaneThread *self = worker->lane;
  uint64_t before = fz_ring_position (self->rings[0]);
  bool is_open = flush_trains (self, now), has_more, has_work;

  for (unsigned i = 0;; i++) {
    fz_lane_tx_begin (self->tx, now);
    has_more = read_tun (worker, now);
    if (is_open && fz_lane_tx_has_work (self->tx))
      is_open = emit_some (self, now);
    has_work = is_open && fz_lane_tx_has_work (self->tx);
    if (!has_work || i + 1 == EMIT_STEPS)
      break;
    now = fz_clock_now (self->config.clock);
  }
  if (!is_open)
    fz_lane_tx_note_held_up (self->tx);
  if (!has_work && (!has_more || self->is_full))
    worker->ready &= ~BIT (SOURCE_TUN);
  announce (self, self->rings[0], before);
}

/* -- waiting -- */

static struct pollfd
poll_udp (Worker *worker, FzUdpFamily family)
{
  const FzLaneThread *self = worker->lane;
  struct pollfd result = { .fd = self->pair.sockets[family].fd };

  if ((worker->serves & RECEIVES) != 0 && !atomic_load (&self->tun_is_gone))
    result.events |= POLLIN;
  if ((worker->serves & TRANSMITS) != 0 && fz_udp_sender_is_blocked (self->sender, family))
    result.events |= POLLOUT;
  if (result.events == 0)
    result.fd = -1;
  return result;
}

static struct pollfd
poll_tun (Worker *worker, FzInstant now)
{
  FzLaneThread *self = worker->lane;
  struct pollfd result = { .fd = -1, .events = POLLIN };

  if ((worker->serves & TRANSMITS) == 0 || self->is_full || atomic_load (&self->tun_is_gone))
    return result;
  if (worker->tun_down_at != 0 && fz_instant_since (worker->tun_down_at, now) < DOWN_MS * FZ_MS)
    return result;
  worker->tun_down_at = 0;
  result.fd = self->queue.fd;
  return result;
}

/* Whether the worker can transmit something now. The bell is armed before the last look at what
 * it announces. */
static bool
can_transmit (Worker *worker)
{
  FzLaneThread *self = worker->lane;

  if ((worker->serves & TRANSMITS) == 0)
    return false;
  if (fz_lane_tx_is_waiting (self->tx))
    fz_bell_arm (&worker->bell, FZ_BELL_TAPS);
  return !is_blocked (self) && fz_lane_tx_has_work (self->tx);
}

static void
note_events (Worker *worker, const struct pollfd *polled)
{
  for (unsigned i = SOURCE_UDP_V4; i <= SOURCE_UDP_V6; i++) {
    if ((polled[i].revents & ~POLLOUT) != 0)
      worker->ready |= BIT (i) & worker->serves;
    if ((polled[i].events & POLLOUT) != 0 && (polled[i].revents & (POLLOUT | POLLERR)) != 0)
      worker->ready |= BIT (SOURCE_TUN);
  }
  if (polled[SOURCE_TUN].revents != 0)
    worker->ready |= BIT (SOURCE_TUN);
  if (polled[N_SOURCES].revents != 0) {
    fz_bell_answer (&worker->bell);
    worker->ready |= BIT (SOURCE_TUN) & worker->serves; /* the engine may have let flows go */
  }
}

/* Looks at the descriptors; sleeps if nothing is ready. */
static void
wait (Worker *worker, FzInstant now)
{
  FzLaneThread *self = worker->lane;
  struct pollfd polled[N_SOURCES + 1];
  int timeout;

  worker->polled_at = now;
  if ((worker->ready & BIT (SOURCE_TUN)) == 0 && can_transmit (worker))
    worker->ready |= BIT (SOURCE_TUN);
  timeout = worker->ready == 0 ? -1 : 0;
  polled[SOURCE_UDP_V4] = poll_udp (worker, FZ_UDP_V4);
  polled[SOURCE_UDP_V6] = poll_udp (worker, FZ_UDP_V6);
  polled[SOURCE_TUN] = poll_tun (worker, now);
  polled[N_SOURCES] = (struct pollfd){ .fd = worker->bell.fd, .events = POLLIN };
  if (timeout != 0 && worker->tun_down_at != 0)
    timeout = DOWN_MS;

  count (timeout != 0 ? &worker->counters.sleeps : &worker->counters.polls);
  if (timeout != 0) {
    fz_turn_end (&worker->turn, &worker->counters, fz_clock_now (self->config.clock));
    fz_reclaim_offline (self->config.published->reclaim, worker->reader);
  }
  if (poll (polled, N_SOURCES + 1, timeout) > 0)
    note_events (worker, polled);
}

/* -- the thread -- */

static void
wait_until_writable (Worker *worker, FzInstant now, FzInstant deadline)
{
  uint64_t left = fz_instant_since (now, deadline);
  struct pollfd polled[] = { poll_udp (worker, FZ_UDP_V4), poll_udp (worker, FZ_UDP_V6) };

  polled[0].events &= POLLOUT;
  polled[1].events &= POLLOUT;
  poll (polled, 2, (int) (left / FZ_MS) + 1);
}

/* What is staged goes out, if it can soon. What cannot stays staged for a restart. The worker may
 * come here from its sleep, offline. */
static void
finish (Worker *worker)
{
  FzLaneThread *self = worker->lane;
  uint64_t before = fz_ring_position (self->rings[0]);
  FzInstant now = fz_clock_now (self->config.clock);
  FzInstant deadline = fz_instant_add (now, LAST_FLUSH_MS * FZ_MS);

  if ((worker->serves & TRANSMITS) == 0 || atomic_load (&self->pausing))
    return;
  for (bool is_open = flush_trains (self, now); now < deadline;
       now = fz_clock_now (self->config.clock)) {
    fz_reclaim_quiesce (self->config.published->reclaim, worker->reader);
    fz_lane_tx_begin (self->tx, now);
    if (!is_open) {
      wait_until_writable (worker, now, deadline);
      is_open = flush_trains (self, now);
    } else if (fz_lane_tx_has_work (self->tx)) {
      is_open = emit_some (self, now);
    } else {
      break;
    }
  }
  fz_udp_sender_abandon (self->sender);
  announce (self, self->rings[0], before);
}

static bool
is_poll_due (const Worker *worker, FzInstant now)
{
  return worker->ready == 0 || (worker->ready != worker->serves &&
                                fz_instant_since (worker->polled_at, now) >= POLL_EVERY_NS);
}

static void *
work (void *data)
{
  Worker *worker = data;
  FzLaneThread *self = worker->lane;

  pthread_setname_np (pthread_self (), worker->name);
  worker->ready = worker->serves;
  worker->turn = (FzTurn){ 0 };
  while (!atomic_load (&self->stopping)) {
    FzInstant now = fz_clock_now (self->config.clock);

    fz_turn_begin (&worker->turn, &worker->counters, now);
    fz_reclaim_quiesce (self->config.published->reclaim, worker->reader);
    if (atomic_load (&self->tun_is_gone)) /* what comes in waits for the next one */
      worker->ready &= ~RECEIVES;
    if ((worker->ready & BIT (SOURCE_UDP_V4)) != 0)
      serve_udp (worker, FZ_UDP_V4, now);
    if ((worker->ready & BIT (SOURCE_UDP_V6)) != 0)
      serve_udp (worker, FZ_UDP_V6, now);
    if ((worker->ready & BIT (SOURCE_TUN)) != 0)
      serve_tun (worker, now);
    if (is_poll_due (worker, now))
      wait (worker, now);
  }
  finish (worker);
  fz_reclaim_offline (self->config.published->reclaim, worker->reader);
  (void) eventfd_write (worker->ended_fd, 1);
  return NULL;
}

/* -- public, engine thread -- */

static bool
init_worker (FzLaneThread *self, Worker *worker, unsigned serves, const char *direction)
{
  worker->lane = self;
  worker->serves = serves;
  worker->bell.fd = -1;
  snprintf (worker->name, sizeof worker->name, "fz-lane%u%s", self->config.index % 100, direction);
  worker->reader = fz_reclaim_add_reader (self->config.published->reclaim);
  worker->ended_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fz_bell_init (&worker->bell) && worker->ended_fd >= 0;
}

static bool
init_workers (FzLaneThread *self)
{
  if (!self->config.two_threads) {
    self->n_workers = 1;
    return init_worker (self, &self->workers[0], RECEIVES | TRANSMITS, "");
  }
  self->n_workers = 2;
  return init_worker (self, &self->workers[0], TRANSMITS, "-tx") &&
         init_worker (self, &self->workers[1], RECEIVES, "-rx");
}

FzLaneThread *
fz_lane_thread_new (const FzLaneThreadConfig *config)
{
  FzLaneThread *self = aligned_alloc (64, (sizeof *self + 63) / 64 * 64);
  FzLaneConfig lane;

  if (self == NULL)
    return NULL;
  memset (self, 0, sizeof *self);
  self->config = *config;
  self->pair = FZ_UDP_PAIR_CLOSED;
  self->workers[0] = self->workers[1] = (Worker){ .bell.fd = -1, .ended_fd = -1 };
  for (unsigned i = 0; i < FZ_LANE_N_RINGS; i++)
    self->rings[i] = fz_ring_new (FZ_LANE_RING_BYTES);
  if (self->rings[0] == NULL || self->rings[1] == NULL || !init_workers (self)) {
    fz_lane_thread_free (self);
    return NULL;
  }

  lane = (FzLaneConfig){
    .published = config->published,
    .backend = config->backend,
    .tx_to_engine = self->rings[0],
    .rx_to_engine = self->rings[1],
    .hash_seed = config->hash_seed,
    .aqm = config->aqm,
    .steering = config->steering,
    .index = config->index,
  };
  self->tx = fz_lane_tx_new (&lane);
  self->rx = fz_lane_rx_new (&lane);
  self->sender = fz_udp_sender_new (config->io);
  self->receiver = fz_udp_receiver_new (config->io);
  self->reader = fz_tun_reader_new (config->io);
  self->writer = fz_tun_writer_new (config->io);
  return self;
}

static bool
start_worker (Worker *worker)
{
  pthread_attr_t attributes;
  eventfd_t stale;
  int error;

  (void) eventfd_read (worker->ended_fd, &stale);
  if ((error = pthread_attr_init (&attributes)) != 0) {
    errno = error;
    return false;
  }
  pthread_attr_setstacksize (&attributes, STACK_BYTES);
  error = pthread_create (&worker->thread, &attributes, work, worker);
  pthread_attr_destroy (&attributes);
  worker->is_running = error == 0;
  errno = error;
  return error == 0;
}

bool
fz_lane_thread_start (FzLaneThread *self,
                      FzTunQueue queue,
                      const FzUdpPair *pair,
                      const FzLaneLimits *limits)
{
  self->pair = *pair;
  self->queue = queue;
  fz_udp_sender_set_sockets (self->sender, &self->pair);
  fz_udp_receiver_set_sockets (self->receiver, &self->pair);
  fz_tun_reader_set_queue (self->reader, queue);
  fz_tun_writer_set_queue (self->writer, queue);
  self->limits = *limits; /* a new device may take what the old one refused */
  fz_lane_rx_set_limits (self->rx, &self->limits);
  fz_lane_tx_set_limits (self->tx, &self->limits);
  atomic_store (&self->stopping, false);
  atomic_store (&self->pausing, false);
  atomic_store (&self->tun_is_gone, false);
  atomic_fetch_and (&self->reports, ~FZ_LANE_REPORT_TUN_GONE); /* what else there is still holds */
  for (unsigned i = 0; i < self->n_workers; i++)
    if (!start_worker (&self->workers[i])) {
      int error = errno;

      fz_lane_thread_stop (self);
      errno = error;
      return false;
    }
  return true;
}

/* The bell rings whether or not it is armed: a worker that is about to sleep sees the flag, one
 * that sleeps hears the bell. */
static void
wake (Worker *worker)
{
  (void) eventfd_write (worker->bell.fd, 1);
}

static bool
join_worker (Worker *worker)
{
  struct pollfd ended = { .fd = worker->ended_fd, .events = POLLIN };
  const FzLaneThread *self = worker->lane;
  int n;

  do {
    uint64_t left_ns = fz_instant_since (fz_clock_now (self->config.clock), self->stop_by);

    n = poll (&ended, 1, (int) (left_ns / FZ_MS));
  } while (n < 0 && errno == EINTR);
  if (n <= 0)
    return false;
  pthread_join (worker->thread, NULL);
  worker->is_running = false;
  return true;
}

void
fz_lane_thread_ask_to_stop (FzLaneThread *self)
{
  /* asked once more, for the join: there is one deadline, for all lanes that were asked together */
  if (!atomic_exchange (&self->stopping, true))
    self->stop_by = fz_instant_add (fz_clock_now (self->config.clock), JOIN_MS * FZ_MS);
  for (unsigned i = 0; i < self->n_workers; i++)
    if (self->workers[i].is_running)
      wake (&self->workers[i]);
}

static bool
join_workers (FzLaneThread *self)
{
  bool all_ended = true;

  for (unsigned i = 0; i < self->n_workers; i++)
    if (self->workers[i].is_running)
      all_ended = join_worker (&self->workers[i]) && all_ended;
  return all_ended;
}

bool
fz_lane_thread_stop (FzLaneThread *self)
{
  fz_lane_thread_ask_to_stop (self);
  if (!join_workers (self))
    return false;
  fz_udp_sender_abandon (self->sender); /* of a lane that was paused */
  return true;
}

void
fz_lane_thread_ask_to_pause (FzLaneThread *self)
{
  atomic_store (&self->pausing, true);
  fz_lane_thread_ask_to_stop (self);
}

bool
fz_lane_thread_pause (FzLaneThread *self)
{
  fz_lane_thread_ask_to_pause (self);
  return join_workers (self);
}

void
fz_lane_thread_empty_sockets (FzLaneThread *self)
{
  Worker *receiver = &self->workers[self->n_workers - 1]; /* the one that receives is the last */
  FzInstant now = fz_clock_now (self->config.clock);
  FzInstant deadline = fz_instant_add (now, LAST_READ_MS * FZ_MS);

  for (unsigned source = SOURCE_UDP_V4; source <= SOURCE_UDP_V6; source++) {
    if (self->pair.sockets[source].fd >= 0)
      receiver->ready |= BIT (source);
    while (now < deadline && (receiver->ready & BIT (source)) != 0) {
      serve_udp (receiver, (FzUdpFamily) source, now);
      now = fz_clock_now (self->config.clock);
    }
  }
}

void
fz_lane_thread_free (FzLaneThread *self)
{
  if (self == NULL)
    return;
  fz_lane_tx_free (self->tx);
  fz_lane_rx_free (self->rx);
  fz_udp_sender_free (self->sender);
  fz_udp_receiver_free (self->receiver);
  fz_tun_reader_free (self->reader);
  fz_tun_writer_free (self->writer);
  for (unsigned i = 0; i < FZ_LANE_N_RINGS; i++)
    fz_ring_free (self->rings[i]);
  for (unsigned i = 0; i < 2; i++) {
    fz_bell_clear (&self->workers[i].bell);
    if (self->workers[i].ended_fd >= 0)
      close (self->workers[i].ended_fd);
  }
  free (self);
}

FzRing *
fz_lane_thread_get_ring (FzLaneThread *self, unsigned which)
{
  return self->rings[which];
}

void
fz_lane_thread_records_released (FzLaneThread *self)
{
  fz_bell_ring (&self->workers[0].bell); /* the one that transmits is always the first */
}

unsigned
fz_lane_thread_take_reports (FzLaneThread *self)
{
  return atomic_exchange (&self->reports, 0);
}

FzLaneThreadCounters
fz_lane_thread_get_counters (const FzLaneThread *self)
{
  return (FzLaneThreadCounters){
    .tx = fz_lane_tx_get_counters (self->tx),
    .rx = fz_lane_rx_get_counters (self->rx),
    .staging = fz_lane_tx_get_staging (self->tx),
    .send = { fz_udp_sender_get_counters (self->sender, FZ_UDP_V4),
              fz_udp_sender_get_counters (self->sender, FZ_UDP_V6) },
    .receive = { fz_udp_receiver_get_counters (self->receiver, FZ_UDP_V4),
                 fz_udp_receiver_get_counters (self->receiver, FZ_UDP_V6) },
    .tun_read = fz_tun_reader_get_counters (self->reader),
    .tun_write = fz_tun_writer_get_counters (self->writer),
    .turns = { &self->workers[0].counters,
               self->n_workers > 1 ? &self->workers[1].counters : NULL },
  };
}
