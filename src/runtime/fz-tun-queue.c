/* fz-tun-queue.c: see the header */

#include "src/runtime/fz-tun-queue.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define TCP              6u /* IP protocol */
#define SPLIT_BYTES      (FZ_PACKET_MAX + 1)
#define ERRORS_IN_A_ROW  16u
#define BAD_IN_A_ROW     16u
#define BACK_OFF_NS      FZ_MS
#define WRITE_WAIT_MS    10
#define IP_HEADER_LENGTH 20u /* the shortest thing that can be a packet */

struct FzTunReader {
  const FzIo *io;
  FzTunQueue queue;
  unsigned errors_in_a_row;
  FzTunCounters counters;
};

struct FzTunWriter {
  const FzIo *io;
  FzTunQueue queue;
  FzTunCounters counters;
  uint8_t *frame; /* for fz_lane_rx_split */
  bool is_stuck;  /* it has been waited for in vain: nobody waits once more in this turn */

  /* while a refused run is written packet by packet */
  bool single_refused;
  int single_error;
  FzTunStatus single_status;
};

static void
count (_Atomic uint64_t *counter, uint64_t n)
{
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static void *
allocate (size_t size)
{
  void *memory = calloc (1, size);

  if (memory == NULL)
    abort ();
  return memory;
}

/* A removed device answers no ioctl any more; one that is merely down does. What is no TUN (a
 * test's socket) cannot be removed. */
static bool
is_gone (int fd)
{
  struct ifreq request = { 0 };

  return ioctl (fd, TUNGETIFF, &request) != 0 && (errno == EBADFD || errno == EBADF);
}

/* -- reading -- */

FzTunReader *
fz_tun_reader_new (const FzIo *io)
{
  FzTunReader *self = allocate (sizeof *self);

  self->io = io;
  self->queue.fd = -1;
  return self;
}

void
fz_tun_reader_free (FzTunReader *self)
{
  free (self);
}

void
fz_tun_reader_set_queue (FzTunReader *self, FzTunQueue queue)
{
  self->queue = queue;
  self->errors_in_a_row = 0;
}

/* Length of the packet; 0 at the end of a stand-in, below 0 with errno. */
static ssize_t
read_frame (FzTunReader *self, FzTunFrame *frame)
{
  struct iovec pieces[] = {
    { &frame->vnet, sizeof frame->vnet },
    { frame->packet, FZ_PACKET_MAX },
  };
  ssize_t n;

  frame->vnet = (FzVnetHeader){ 0 };
  count (&self->counters.reads, 1);
  if (!self->queue.has_vnet)
    return self->io->readv (self->io->context, self->queue.fd, &pieces[1], 1);

  n = self->io->readv (self->io->context, self->queue.fd, pieces, 2);
  if (n <= 0)
    return n;
  return n > (ssize_t) sizeof frame->vnet ? n - (ssize_t) sizeof frame->vnet : 1;
}

/* What a failed read means; FZ_TUN_MORE: try again. */
static FzTunStatus
judge_read_error (FzTunReader *self, int error)
{
  if (error == EAGAIN)
    return FZ_TUN_DRAINED;
  if (error == EINTR)
    return FZ_TUN_MORE;
  fz_errno_counters_add (&self->counters.errors, error);
  if (error == EBADFD || error == EBADF || (error != ENOMEM && is_gone (self->queue.fd)))
    return FZ_TUN_GONE;
  if (error == EIO)
    return FZ_TUN_DOWN;
  if (++self->errors_in_a_row >= ERRORS_IN_A_ROW) {
    nanosleep (&(struct timespec){ .tv_nsec = BACK_OFF_NS }, NULL);
    self->errors_in_a_row = 0;
    return FZ_TUN_DRAINED;
  }
  return FZ_TUN_MORE;
}

FzTunStatus
fz_tun_reader_read (FzTunReader *self, FzTunFrame *frame)
{
  unsigned n_bad = 0;

  if (self->queue.fd < 0)
    return FZ_TUN_GONE;
  while (n_bad < BAD_IN_A_ROW) { /* a stream of nonsense ends the turn as well */
    ssize_t length = read_frame (self, frame);

    if (length < 0) {
      FzTunStatus status = judge_read_error (self, errno);

      if (status != FZ_TUN_MORE)
        return status;
      continue;
    }
    if (length == 0) /* no device does that: the end of a stand-in */
      return FZ_TUN_GONE;
    self->errors_in_a_row = 0;
    if (length >= (ssize_t) IP_HEADER_LENGTH) {
      frame->length = (uint32_t) length;
      count (&self->counters.read_bytes, (uint64_t) length);
      return FZ_TUN_MORE;
    }
    count (&self->counters.bad_frames, 1);
    n_bad++;
  }
  return FZ_TUN_DRAINED;
}

const FzTunCounters *
fz_tun_reader_get_counters (const FzTunReader *self)
{
  return &self->counters;
}

/* -- writing -- */

FzTunWriter *
fz_tun_writer_new (const FzIo *io)
{
  FzTunWriter *self = allocate (sizeof *self);

  self->io = io;
  self->queue.fd = -1;
  self->frame = allocate (SPLIT_BYTES);
  return self;
}

void
fz_tun_writer_free (FzTunWriter *self)
{
  if (self == NULL)
    return;
  free (self->frame);
  free (self);
}

void
fz_tun_writer_set_queue (FzTunWriter *self, FzTunQueue queue)
{
  self->queue = queue;
  self->is_stuck = false;
  if (queue.fd < 0)
    self->queue.write_fd = -1;
}

/* Which descriptor takes the packet at @packet: what is written on the queue brings its flow's
 * other direction to this lane. For TCP that is worth it, and harmless: the first answer finds
 * nothing of the flow under way but its SYN. Any other flow stays where the kernel has put it. */
static int
pick_fd (const FzTunWriter *self, const uint8_t *packet)
{
  uint8_t protocol = packet[0] >> 4 == 4 ? packet[9] : packet[6];

  return protocol == TCP ? self->queue.fd : self->queue.write_fd;
}

static bool
wait_until_writable (FzTunWriter *self, int fd)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

  count (&self->counters.waits, 1);
  return poll (&poll_fd, 1, WRITE_WAIT_MS) > 0 && (poll_fd.revents & POLLOUT) != 0;
}

/* Returns 0 or the errno that the kernel settled on. */
static int
write_pieces (FzTunWriter *self, int fd, const struct iovec *pieces, int n_pieces)
{
  bool waited = false;

  for (;;) {
    int error;

    count (&self->counters.writes, 1);
    if (self->io->writev (self->io->context, fd, pieces, n_pieces) >= 0)
      return 0;
    error = errno;
    if (error == EINTR)
      continue;
    if (error == EAGAIN && !waited && !self->is_stuck)
      self->is_stuck = !wait_until_writable (self, fd);
    if (error != EAGAIN || waited || self->is_stuck) {
      fz_errno_counters_add (&self->counters.errors, error);
      return error;
    }
    waited = true;
  }
}

static FzTunStatus
judge_write_error (const FzTunWriter *self, int error)
{
  if (error == EBADFD || error == EBADF || (error == EIO && is_gone (self->queue.write_fd)))
    return FZ_TUN_GONE;
  return error == EIO ? FZ_TUN_DOWN : FZ_TUN_MORE;
}

static FzTunStatus
write_packet (FzTunWriter *self, const uint8_t *packet, size_t length)
{
  FzVnetHeader none = { 0 };
  const struct iovec pieces[] = {
    { &none, sizeof none },
    { (void *) (uintptr_t) packet, length },
  };
  int error;

  if (self->queue.fd < 0)
    return FZ_TUN_GONE;
  error = write_pieces (self,
                        self->queue.write_fd,
                        self->queue.has_vnet ? pieces : &pieces[1],
                        self->queue.has_vnet ? 2 : 1);
  self->single_error = error;
  count (error == 0 ? &self->counters.written_packets : &self->counters.lost_packets, 1);
  return error == 0 ? FZ_TUN_MORE : judge_write_error (self, error);
}

FzTunStatus
fz_tun_writer_write_packet (FzTunWriter *self, const uint8_t *packet, size_t length)
{
  FzTunStatus status = write_packet (self, packet, length);

  /* who writes packet by packet has no turns: nobody waits once more until it takes one */
  if (status == FZ_TUN_MORE && self->single_error == 0)
    self->is_stuck = false;
  return status;
}

static void
write_one_of_run (void *context, const uint8_t *packet, size_t length)
{
  FzTunWriter *self = context;
  FzTunStatus status = write_packet (self, packet, length);

  if (self->single_error != 0)
    self->single_refused = true;
  if (status > self->single_status)
    self->single_status = status;
}

static unsigned
refusal_of (const FzRun *run)
{
  switch (run->vnet.gso_type & ~FZ_VNET_GSO_ECN) {
  case FZ_VNET_GSO_TCPV4:
    return FZ_TUN_REFUSED_TCP4;
  case FZ_VNET_GSO_TCPV6:
    return FZ_TUN_REFUSED_TCP6;
  default:
    return FZ_TUN_REFUSED_UDP;
  }
}

/* The device takes no such run: its packets go in one by one. Only if those were welcome was it the
 * run's fault. */
static FzTunStatus
write_singly (FzTunWriter *self, FzLaneRx *rx, const FzRun *run, unsigned *refused)
{
  count (&self->counters.refused_runs, 1);
  self->single_refused = false;
  self->single_status = FZ_TUN_MORE;
  fz_lane_rx_split (rx, run, self->frame, write_one_of_run, self);
  if (!self->single_refused)
    *refused |= refusal_of (run);
  return self->single_status;
}

static FzTunStatus
write_run (FzTunWriter *self, FzLaneRx *rx, const FzRun *run, unsigned *refused)
{
  int skip = self->queue.has_vnet ? 0 : 1; /* the first piece is the virtio header */
  int error = EINVAL;

  if (self->queue.has_vnet || run->n_packets == 1)
    error = write_pieces (
        self, pick_fd (self, run->iov[1].iov_base), run->iov + skip, run->n_iov - skip);
  if (error == 0) {
    count (&self->counters.written_packets, run->n_packets);
    return FZ_TUN_MORE;
  }
  if (run->n_packets > 1 && (error == EINVAL || error == EIO) && !is_gone (self->queue.write_fd))
    return write_singly (self, rx, run, refused);
  count (&self->counters.lost_packets, run->n_packets);
  return judge_write_error (self, error);
}

FzTunStatus
fz_tun_writer_write (
    FzTunWriter *self, FzLaneRx *rx, const FzRun *runs, size_t n_runs, unsigned *out_refused)
{
  FzTunStatus status = self->queue.fd >= 0 ? FZ_TUN_MORE : FZ_TUN_GONE;

  *out_refused = 0;
  self->is_stuck = false;
  for (size_t i = 0; i < n_runs; i++) {
    if (status == FZ_TUN_MORE)
      status = write_run (self, rx, &runs[i], out_refused);
    else /* down or gone: the rest of the turn has nowhere to go either */
      count (&self->counters.lost_packets, runs[i].n_packets);
  }
  return status;
}

const FzTunCounters *
fz_tun_writer_get_counters (const FzTunWriter *self)
{
  return &self->counters;
}
