/* fz-stream-ask.c
 *
 * Questions and their echoes: the latency of a path there and back. Without a rate the next
 * question follows the last answer (after a pause, if one is asked for, in which the path falls
 * asleep); with a rate questions leave by the clock, whether answers have come or not, so a slow
 * path cannot thin out its own samples.
 */

#include "tests/bench/fz-stream.h"
#include "tests/bench/fz-tool.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_WAIT_NS FZ_S /* after which a question counts as lost */

typedef struct {
  const FzStreamOptions *options;
  int fd;
  uint32_t run;
  uint64_t n_asked, n_answered, n_refused;
  FzStreamHistogram times;
} Asker;

int
fz_stream_echo (const FzStreamOptions *options)
{
  int fd = fz_stream_bind (options);
  uint8_t datagram[FZ_STREAM_DATAGRAM_MAX];

  puts ("ready");
  fflush (stdout);
  while (!fz_tool_is_ended ()) {
    struct sockaddr_storage from;
    socklen_t from_length = sizeof from;
    ssize_t n =
        recvfrom (fd, datagram, sizeof datagram, 0, (struct sockaddr *) &from, &from_length);

    if (n >= 0) /* an answer that cannot leave is a lost one: the asker counts it */
      (void) !sendto (fd, datagram, (size_t) n, 0, (struct sockaddr *) &from, from_length);
  }
  close (fd);
  return EXIT_SUCCESS;
}

static void
ask (Asker *self)
{
  uint8_t datagram[FZ_STREAM_DATAGRAM_MAX] = { 0 };
  FzStreamHead head = { .run = self->run,
                        .kind = FZ_STREAM_ASK,
                        .n_flows = 1,
                        .sequence = self->n_asked++,
                        .sent = fz_tool_now () };

  fz_stream_head_write (&head, datagram);
  if (send (self->fd, datagram, (size_t) self->options->size, 0) < 0)
    self->n_refused++;
}

/* Takes what has come until @until; returns at once after the answer to question @wanted. */
static bool
listen_until (Asker *self, FzInstant until, uint64_t wanted)
{
  for (;;) {
    FzInstant now = fz_tool_now ();
    uint64_t left = fz_instant_since (now, until);
    struct timespec wait = { (time_t) (left / FZ_S), (long) (left % FZ_S) };
    struct pollfd poll = { .fd = self->fd, .events = POLLIN };
    uint8_t datagram[FZ_STREAM_DATAGRAM_MAX];
    FzStreamHead head;
    ssize_t n;

    if (fz_tool_is_ended () || left == 0)
      return false;
    if (ppoll (&poll, 1, &wait, NULL) <= 0)
      continue;
    n = recv (self->fd, datagram, sizeof datagram, MSG_DONTWAIT);
    if (n < 0 || !fz_stream_head_parse (datagram, (size_t) n, &head) || head.run != self->run)
      continue;
    fz_stream_histogram_add (&self->times, fz_instant_since (head.sent, fz_tool_now ()));
    self->n_answered++;
    if (head.sequence == wanted)
      return true;
  }
}

static void
ask_in_turn (Asker *self, uint64_t limit, FzInstant ends)
{
  while (!fz_tool_is_ended () && self->n_asked < limit && fz_tool_now () < ends) {
    ask (self);
    listen_until (self, fz_tool_now () + ANSWER_WAIT_NS, self->n_asked - 1);
    if (self->options->pause_s > 0)
      fz_stream_sleep_until (fz_tool_now () + (uint64_t) (self->options->pause_s * 1e9));
  }
}

static void
ask_by_clock (Asker *self, uint64_t limit, FzInstant started, FzInstant ends)
{
  FzInstant last_call;

  while (!fz_tool_is_ended () && self->n_asked < limit && fz_tool_now () < ends) {
    ask (self);
    listen_until (self,
                  started + (uint64_t) ((double) self->n_asked / self->options->rate * 1e9),
                  UINT64_MAX);
  }
  last_call = fz_tool_now () + ANSWER_WAIT_NS;
  while (self->n_answered < self->n_asked && fz_tool_now () < last_call && !fz_tool_is_ended ())
    listen_until (self, fz_instant_min (last_call, fz_tool_now () + 10 * FZ_MS), UINT64_MAX);
}

int
fz_stream_ask (const FzStreamOptions *options)
{
  Asker *self = calloc (1, sizeof *self);
  FzInstant started = fz_tool_now (), ends = FZ_INSTANT_NEVER;
  uint64_t limit = UINT64_MAX;

  if (self == NULL)
    fz_tool_fail ("memory");
  self->options = options;
  self->run = fz_stream_new_run ();
  self->fd = fz_stream_connect (options);
  if (options->count > 0)
    limit = (uint64_t) options->count;
  else
    ends = started + (uint64_t) (options->seconds * 1e9);
  if (options->rate > 0)
    ask_by_clock (self, limit, started, ends);
  else
    ask_in_turn (self, limit, ends);
  printf ("{\"asked\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"refused\":%" PRIu64
          ",\"seconds\":%.6f,",
          self->n_asked,
          self->n_answered,
          self->n_refused,
          (double) (fz_tool_now () - started) / 1e9);
  fz_stream_histogram_print (&self->times);
  puts ("}");
  close (self->fd);
  free (self);
  return EXIT_SUCCESS;
}
