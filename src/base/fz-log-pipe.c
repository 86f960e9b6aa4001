#include "src/base/fz-log-pipe.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* A pipe that says it is writable takes this much without blocking (pipe(7)). */
#define CHUNK_BYTES PIPE_BUF

static bool
has_room (FzLogPipe *self)
{
  struct pollfd poll_fd = { .fd = self->fd, .events = POLLOUT };
  int n;

  do
    n = poll (&poll_fd, 1, self->is_stuck ? 0 : FZ_LOG_PIPE_WAIT_MS);
  while (n < 0 && errno == EINTR);
  self->is_stuck = n == 0;
  return n != 0; /* an error is for write() to find */
}

/* How much of it got through. */
static size_t
write_some (FzLogPipe *self, const char *bytes, size_t length)
{
  size_t done = 0;

  while (done < length && has_room (self)) {
    size_t chunk = length - done < CHUNK_BYTES ? length - done : CHUNK_BYTES;
    ssize_t n = write (self->fd, bytes + done, chunk);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      continue; /* others may share the descriptor and have taken the room */
    if (n <= 0)
      break; /* disk full, pipe closed: there is nobody left to tell */
    done += (size_t) n;
  }
  return done;
}

uint64_t
fz_log_pipe_write (FzLogPipe *self, const char *line, size_t length)
{
  uint64_t n_lost = self->n_lost;
  size_t done = 0;

  if (!self->is_cut || write_some (self, "\n", 1) == 1) {
    done = write_some (self, line, length);
    self->is_cut = done > 0 && done < length;
  }
  self->n_lost = done == length ? 0 : n_lost + 1;
  return done == length ? n_lost : 0;
}
