/* fz-stream-send.c
 *
 * The sender: one socket a flow, datagrams dealt to the flows in turn. Pace is kept by absolute
 * deadlines, so that a late wake-up is caught up and the rate asked for is the rate sent. What
 * was missed is made good at twice the pace, never in one burst: a burst that only this
 * machine's scheduler made would be the test of somebody's queue. What a machine without CPU to
 * spare could not send within some milliseconds is forfeited and told. For the same reason the
 * sender runs before others where it may: it stands for a machine of its own.
 *
 * A call for each datagram costs more than a tunnel does with it, so that at high rates the sender
 * would measure itself. With trains the kernel cuts a batch into its datagrams (UDP_SEGMENT):
 * behind the socket, or where the device does that, behind the device. Where it does not do that at
 * all, each goes by itself again.
 */

#include "tests/bench/fz-stream.h"
#include "tests/bench/fz-tool.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define BATCH         32u
#define TICK_NS       (100 * FZ_US) /* the shortest time between two bursts */
#define CATCH_UP_NS   (20 * FZ_MS)
#define HASTE         2.0 /* times the pace, at most, while catching up */
#define NICENESS      (-10)
#define END_REPEAT_NS (20 * FZ_MS)
#define END_WAIT_NS   (30 * FZ_S)

typedef struct {
  int fd;
  uint64_t next; /* sequence number */
  bool is_heard; /* the sink knows that it is over */
} Flow;

typedef struct {
  const FzStreamOptions *options;
  uint32_t run;
  Flow *flows;
  size_t cursor;   /* flow whose turn it is */
  uint64_t n_sent; /* datagrams given to the kernel, refused ones too */
  uint64_t n_refused;
  uint64_t n_forfeited;
  bool is_uncut; /* the kernel cuts no trains here */
  int last_errno;
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  uint8_t datagrams[BATCH][FZ_STREAM_DATAGRAM_MAX];
} Sender;

static void
stamp (Sender *self, size_t n, FzStreamHead head, uint64_t sequence)
{
  for (size_t i = 0; i < n; i++) {
    head.sequence = sequence + i;
    fz_stream_head_write (&head, self->datagrams[i]);
  }
}

/* One datagram at least, so that a refused one is passed by: its number is used up. */
static size_t
send_singly (Sender *self, const Flow *flow, size_t first, size_t n)
{
  int status = sendmmsg (flow->fd, self->messages + first, (unsigned) n, 0);

  if (status < 0 && errno == EINTR && !fz_tool_is_ended ())
    return 0;
  if (status < 0) {
    self->n_refused++;
    self->last_errno = errno;
  }
  return status > 0 ? (size_t) status : 1;
}

static size_t
send_train (Sender *self, const Flow *flow, size_t first, size_t n)
{
  _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE (sizeof (uint16_t))] = { 0 };
  struct msghdr train = { .msg_iov = self->vectors + first,
                          .msg_control = control,
                          .msg_controllen = sizeof control };
  struct cmsghdr *header = CMSG_FIRSTHDR (&train);
  uint16_t size = (uint16_t) self->options->size;

  if (n > FZ_STREAM_TRAIN_MAX / size)
    n = FZ_STREAM_TRAIN_MAX / size;
  train.msg_iovlen = n;
  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN (sizeof size);
  memcpy (CMSG_DATA (header), &size, sizeof size);
  if (sendmsg (flow->fd, &train, 0) >= 0)
    return n;
  if (errno == EINTR && !fz_tool_is_ended ())
    return 0;
  if (errno == EIO || errno == EINVAL || errno == EMSGSIZE) {
    self->is_uncut = true;
    return 0;
  }
  self->n_refused += n;
  self->last_errno = errno;
  return n;
}

static void
send_batch (Sender *self, size_t number, size_t n)
{
  Flow *flow = &self->flows[number];
  FzStreamHead head = { .run = self->run,
                        .kind = FZ_STREAM_DATA,
                        .flow = (uint16_t) number,
                        .n_flows = (uint16_t) self->options->n_flows,
                        .sent = fz_tool_now () };
  size_t done = 0;

  stamp (self, n, head, flow->next);
  while (done < n)
    done += self->options->has_trains && !self->is_uncut && n - done > 1
                ? send_train (self, flow, done, n - done)
                : send_singly (self, flow, done, n - done);
  flow->next += n;
  self->n_sent += n;
}

static void
send_burst (Sender *self, uint64_t n)
{
  size_t n_flows = (size_t) self->options->n_flows, first = self->cursor;

  for (size_t i = 0; i < n_flows && n > 0; i++) {
    uint64_t share = n / n_flows + (i < n % n_flows ? 1 : 0);

    for (uint64_t done = 0; done < share;) {
      size_t batch = share - done < BATCH ? (size_t) (share - done) : BATCH;

      send_batch (self, (first + i) % n_flows, batch);
      done += batch;
    }
  }
  self->cursor = (first + n) % n_flows;
}

/* Sends by the clock; returns how long it took, ns. */
static uint64_t
send_all (Sender *self)
{
  double rate = self->options->rate, until_s = self->options->seconds;
  uint64_t limit = self->options->count > 0 ? (uint64_t) self->options->count : UINT64_MAX;
  FzInstant started = fz_tool_now (), now = started;

  while (!fz_tool_is_ended () && self->n_sent < limit) {
    double elapsed_s = (double) (now - started) / 1e9;
    uint64_t due = (uint64_t) (elapsed_s * rate) + 1, burst, catch_up;
    uint64_t most = (uint64_t) (rate * (double) TICK_NS / 1e9 * HASTE) + 1;
    FzInstant next;

    if (self->options->count == 0 && elapsed_s >= until_s)
      break;
    burst = due > self->n_sent + self->n_forfeited ? due - self->n_sent - self->n_forfeited : 0;
    catch_up = (uint64_t) (rate * (double) CATCH_UP_NS / 1e9) + 1;
    if (burst > catch_up) {
      self->n_forfeited += burst - catch_up;
      burst = catch_up;
    }
    burst = burst < most ? burst : most;
    send_burst (self, burst < limit - self->n_sent ? burst : limit - self->n_sent);
    next = started + (uint64_t) ((double) (self->n_sent + self->n_forfeited) / rate * 1e9);
    fz_stream_sleep_until (next > now + TICK_NS ? next : now + TICK_NS);
    now = fz_tool_now ();
  }
  return fz_tool_now () - started;
}

static bool
hears_answer (Sender *self, Flow *flow)
{
  uint8_t answer[FZ_STREAM_HEADER_SIZE];
  FzStreamHead head;
  ssize_t n;

  while ((n = recv (flow->fd, answer, sizeof answer, MSG_DONTWAIT)) >= 0)
    if (fz_stream_head_parse (answer, (size_t) n, &head) && head.kind == FZ_STREAM_HEARD &&
        head.run == self->run)
      flow->is_heard = true;
  return flow->is_heard;
}

/* Tells the sink how much there was, until it has heard of all flows. */
static bool
tell_end (Sender *self)
{
  size_t n_flows = (size_t) self->options->n_flows, n_left = n_flows;
  FzInstant started = fz_tool_now ();

  while (n_left > 0 && fz_tool_now () - started < END_WAIT_NS) {
    n_left = 0;
    for (size_t i = 0; i < n_flows; i++) {
      uint8_t datagram[FZ_STREAM_HEADER_SIZE];
      FzStreamHead head = { .run = self->run,
                            .kind = FZ_STREAM_END,
                            .flow = (uint16_t) i,
                            .n_flows = (uint16_t) n_flows,
                            .sequence = self->flows[i].next };

      if (hears_answer (self, &self->flows[i]))
        continue;
      n_left++;
      fz_stream_head_write (&head, datagram);
      if (send (self->flows[i].fd, datagram, sizeof datagram, 0) < 0)
        self->last_errno = errno; /* asked again below */
    }
    if (n_left > 0)
      fz_stream_sleep_until (fz_tool_now () + END_REPEAT_NS);
  }
  return n_left == 0;
}

static void
open_flows (Sender *self)
{
  FzStreamOptions options = *self->options;

  options.buffer_bytes = 1 << 16; /* only answers come back */
  self->flows = calloc ((size_t) options.n_flows, sizeof *self->flows);
  if (self->flows == NULL)
    fz_tool_fail ("memory");
  for (int i = 0; i < options.n_flows; i++)
    self->flows[i].fd = fz_stream_connect (&options);
  for (size_t i = 0; i < BATCH; i++) {
    self->vectors[i] = (struct iovec){ self->datagrams[i], (size_t) options.size };
    self->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &self->vectors[i], .msg_iovlen = 1 };
  }
}

int
fz_stream_send (const FzStreamOptions *options)
{
  Sender *self = calloc (1, sizeof *self);
  uint64_t took_ns;
  bool is_heard;

  if (self == NULL)
    fz_tool_fail ("memory");
  if (options->rate <= 0) {
    fputs ("fz-stream: a sender needs a rate\n", stderr);
    return EXIT_FAILURE;
  }
  self->options = options;
  self->run = fz_stream_new_run ();
  (void) !setpriority (PRIO_PROCESS, 0, NICENESS); /* refused without privilege */
  open_flows (self);
  took_ns = send_all (self);
  is_heard = tell_end (self);
  printf ("{\"run\":%" PRIu32 ",\"sent\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"forfeited\":%" PRIu64
          ",\"seconds\":%.6f,\"pps\":%.1f,\"heard\":%s,\"last_error\":\"%s\"}\n",
          self->run,
          self->n_sent,
          self->n_refused,
          self->n_forfeited,
          (double) took_ns / 1e9,
          (double) self->n_sent / ((double) took_ns / 1e9),
          is_heard ? "true" : "false",
          self->last_errno != 0 ? strerror (self->last_errno) : "");
  for (int i = 0; i < options->n_flows; i++)
    close (self->flows[i].fd);
  free (self->flows);
  free (self);
  return is_heard ? EXIT_SUCCESS : EXIT_FAILURE;
}
