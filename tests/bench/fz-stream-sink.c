/* fz-stream-sink.c
 *
 * The sink: for each flow what was received, lost, doubled and out of order, the delay of one
 * way, and the longest silence. "Reordered" is a datagram with a lower number than one that came
 * before it. A run ends when every flow's end was heard (a datagram that tells how many there
 * were, so that a lost tail counts too) and stragglers had a moment; the next may follow.
 *
 * With trains it takes what the network's stack has put together as it is (UDP_GRO), as the sender
 * gives it: what a sink costs for each datagram is nobody's limit then.
 */

#include "tests/bench/fz-stream.h"
#include "tests/bench/fz-tool.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BATCH     64u
#define WINDOW    (UINT64_C (1) << 18) /* numbers within which a double is known from a late one */
#define LINGER_NS (100 * FZ_MS)        /* for stragglers */

typedef struct {
  uint64_t received; /* without doubles */
  uint64_t doubled;
  uint64_t reordered;
  uint64_t highest;      /* number + 1, 0 before the first */
  uint64_t total;        /* that were sent, once the end is known */
  uint64_t longest_loss; /* numbers missing in a row */
  uint64_t longest_silence_ns;
  FzInstant last;
  bool is_over;
  uint64_t seen[WINDOW / 64]; /* the newest WINDOW numbers */
} Flow;

typedef struct {
  const FzStreamOptions *options;
  int fd;
  uint32_t run, former_run;
  size_t n_flows, n_over;
  Flow **flows; /* FZ_STREAM_FLOWS_MAX of them, NULL until heard of */
  FzInstant first, last, over_at;
  uint64_t n_bytes;
  uint32_t socket_drops, drops_before; /* the kernel's count for this socket */
  FzStreamHistogram delay;
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  struct sockaddr_storage senders[BATCH];
  _Alignas(struct cmsghdr) uint8_t controls[BATCH][2 * CMSG_SPACE (sizeof (uint32_t))];
  uint8_t *datagrams; /* of BATCH messages */
} Sink;

/* -- one flow -- */

static bool
test_and_set (Flow *flow, uint64_t number)
{
  uint64_t *word = &flow->seen[number % WINDOW / 64], bit = UINT64_C (1) << number % 64;
  bool was_set = (*word & bit) != 0;

  *word |= bit;
  return was_set;
}

static void
advance (Flow *flow, uint64_t number)
{
  uint64_t missing = number - flow->highest;

  if (missing >= WINDOW)
    memset (flow->seen, 0, sizeof flow->seen);
  else
    for (uint64_t i = flow->highest; i <= number; i++)
      flow->seen[i % WINDOW / 64] &= ~(UINT64_C (1) << i % 64);
  if (missing > flow->longest_loss)
    flow->longest_loss = missing;
  flow->highest = number + 1;
}

static void
count (Flow *flow, uint64_t number, FzInstant now)
{
  if (number < flow->highest) {
    if (flow->highest - number <= WINDOW && test_and_set (flow, number)) {
      flow->doubled++;
      return;
    }
    flow->reordered++;
  } else {
    advance (flow, number);
    test_and_set (flow, number);
  }
  flow->received++;
  if (flow->last != 0 && now - flow->last > flow->longest_silence_ns)
    flow->longest_silence_ns = now - flow->last;
  flow->last = now;
}

static uint64_t
lost (const Flow *flow)
{
  uint64_t total = flow->is_over ? flow->total : flow->highest;

  return total > flow->received ? total - flow->received : 0;
}

/* -- a run -- */

static Flow *
flow_of (Sink *self, size_t number)
{
  if (self->flows[number] == NULL && (self->flows[number] = calloc (1, sizeof (Flow))) == NULL)
    fz_tool_fail ("memory");
  return self->flows[number];
}

static void
begin_run (Sink *self, const FzStreamHead *head)
{
  self->run = head->run;
  self->n_flows = head->n_flows;
  self->n_over = 0;
  self->first = self->last = self->over_at = 0;
  self->n_bytes = 0;
  self->drops_before = self->socket_drops;
  memset (&self->delay, 0, sizeof self->delay);
  for (size_t i = 0; i < FZ_STREAM_FLOWS_MAX; i++) {
    free (self->flows[i]);
    self->flows[i] = NULL;
  }
}

static void
print_flow (const Flow *flow)
{
  printf ("{\"received\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"reordered\":%" PRIu64
          ",\"doubled\":%" PRIu64 ",\"longest_loss\":%" PRIu64 ",\"longest_silence_ms\":%.3f}",
          flow->received,
          lost (flow),
          flow->reordered,
          flow->doubled,
          flow->longest_loss,
          (double) flow->longest_silence_ns / 1e6);
}

static void
add_up (Sink *self, Flow *sum)
{
  for (size_t i = 0; i < self->n_flows; i++) {
    Flow *flow = flow_of (self, i);

    sum->received += flow->received;
    sum->total += flow->received + lost (flow);
    sum->reordered += flow->reordered;
    sum->doubled += flow->doubled;
    if (flow->longest_loss > sum->longest_loss)
      sum->longest_loss = flow->longest_loss;
    if (flow->longest_silence_ns > sum->longest_silence_ns)
      sum->longest_silence_ns = flow->longest_silence_ns;
  }
  sum->is_over = true;
}

static void
end_run (Sink *self)
{
  Flow *sum = calloc (1, sizeof *sum);

  if (sum == NULL)
    fz_tool_fail ("memory");
  add_up (self, sum);
  printf ("{\"run\":%" PRIu32 ",\"complete\":%s,\"flows\":%zu,\"bytes\":%" PRIu64
          ",\"seconds\":%.6f,\"socket_drops\":%" PRIu32 ",",
          self->run,
          self->n_over == self->n_flows ? "true" : "false",
          self->n_flows,
          self->n_bytes,
          (double) (self->last - self->first) / 1e9,
          self->socket_drops - self->drops_before);
  fz_stream_histogram_print (&self->delay);
  fputs (",\"all\":", stdout);
  print_flow (sum);
  if (self->options->are_flows_told)
    for (size_t i = 0; i < self->n_flows; i++) {
      fputs (i == 0 ? ",\"each\":[" : ",", stdout);
      print_flow (flow_of (self, i));
    }
  puts (self->options->are_flows_told ? "]}" : "}");
  fflush (stdout);
  free (sum);
  self->former_run = self->run;
  self->run = 0;
}

static void
answer_end (Sink *self, FzStreamHead head, const struct msghdr *from)
{
  uint8_t answer[FZ_STREAM_HEADER_SIZE];

  head.kind = FZ_STREAM_HEARD;
  fz_stream_head_write (&head, answer);
  /* a lost answer is asked for again */
  (void) !sendto (self->fd, answer, sizeof answer, 0, from->msg_name, from->msg_namelen);
}

static void
handle_end (Sink *self, const FzStreamHead *head, const struct msghdr *from, FzInstant now)
{
  Flow *flow = flow_of (self, head->flow);

  answer_end (self, *head, from);
  if (flow->is_over)
    return;
  flow->is_over = true;
  flow->total = head->sequence;
  if (++self->n_over == self->n_flows)
    self->over_at = now;
}

static void
handle (
    Sink *self, const uint8_t *datagram, size_t length, const struct msghdr *from, FzInstant now)
{
  FzStreamHead head;

  if (!fz_stream_head_parse (datagram, length, &head))
    return;
  if (head.run == self->former_run) {
    if (head.kind == FZ_STREAM_END)
      answer_end (self, head, from);
    return;
  }
  if (self->run == 0)
    begin_run (self, &head);
  if (head.run != self->run || head.n_flows != self->n_flows)
    return;
  if (head.kind == FZ_STREAM_END) {
    handle_end (self, &head, from, now);
    return;
  }
  if (self->first == 0)
    self->first = now;
  self->last = now;
  self->n_bytes += length;
  fz_stream_histogram_add (&self->delay, fz_instant_since (head.sent, now));
  count (flow_of (self, head.flow), head.sequence, now);
}

/* -- the socket -- */

/* Also notes what the socket has lost. Returns: bytes of each of its datagrams but the last */
static size_t
read_controls (Sink *self, struct mmsghdr *message)
{
  struct msghdr *header = &message->msg_hdr;
  int size = 0;

  for (struct cmsghdr *c = CMSG_FIRSTHDR (header); c != NULL; c = CMSG_NXTHDR (header, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
      memcpy (&self->socket_drops, CMSG_DATA (c), sizeof self->socket_drops);
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
      memcpy (&size, CMSG_DATA (c), sizeof size);
  }
  return size > 0 ? (size_t) size : message->msg_len;
}

static void
handle_message (Sink *self, struct mmsghdr *message, FzInstant now)
{
  const uint8_t *data = message->msg_hdr.msg_iov->iov_base;
  size_t size = read_controls (self, message), left;

  for (size_t at = 0; at < message->msg_len; at += size) {
    left = message->msg_len - at;
    handle (self, data + at, left < size ? left : size, &message->msg_hdr, now);
  }
}

static void
receive (Sink *self)
{
  FzInstant now;
  int n;

  for (size_t i = 0; i < BATCH; i++)
    self->messages[i].msg_hdr = (struct msghdr){ .msg_name = &self->senders[i],
                                                 .msg_namelen = sizeof self->senders[i],
                                                 .msg_iov = &self->vectors[i],
                                                 .msg_iovlen = 1,
                                                 .msg_control = self->controls[i],
                                                 .msg_controllen = sizeof self->controls[i] };
  n = recvmmsg (self->fd, self->messages, BATCH, MSG_WAITFORONE, NULL);
  if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
    fz_tool_fail ("recvmmsg");
  now = fz_tool_now ();
  for (int i = 0; i < n; i++)
    handle_message (self, &self->messages[i], now);
}

static void
open_sink (Sink *self)
{
  size_t size = self->options->has_trains ? FZ_STREAM_TRAIN_MAX : FZ_STREAM_DATAGRAM_MAX;
  int on = 1;

  self->datagrams = malloc (BATCH * size);
  if (self->datagrams == NULL)
    fz_tool_fail ("memory");
  for (size_t i = 0; i < BATCH; i++)
    self->vectors[i] = (struct iovec){ self->datagrams + i * size, size };
  self->fd = fz_stream_bind (self->options);
  if (setsockopt (self->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) != 0)
    fz_tool_fail ("SO_RXQ_OVFL");
  if (self->options->has_trains && setsockopt (self->fd, SOL_UDP, UDP_GRO, &on, sizeof on) != 0)
    fz_tool_fail ("UDP_GRO");
}

int
fz_stream_sink (const FzStreamOptions *options)
{
  Sink *self = calloc (1, sizeof *self);
  int n_runs = 0;

  if (self == NULL || (self->flows = calloc (FZ_STREAM_FLOWS_MAX, sizeof (Flow *))) == NULL)
    fz_tool_fail ("memory");
  self->options = options;
  open_sink (self);
  puts ("ready");
  fflush (stdout);
  while (!fz_tool_is_ended () && (options->n_runs == 0 || n_runs < options->n_runs)) {
    receive (self);
    if (self->over_at != 0 && self->run != 0 && fz_tool_now () - self->over_at > LINGER_NS) {
      end_run (self);
      n_runs++;
    }
  }
  if (self->run != 0)
    end_run (self);
  for (size_t i = 0; i < FZ_STREAM_FLOWS_MAX; i++)
    free (self->flows[i]);
  free (self->flows);
  free (self->datagrams);
  close (self->fd);
  free (self);
  return EXIT_SUCCESS;
}
