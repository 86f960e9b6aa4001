/* fz-requests.c
 *
 * Web requests, many at once, each on a connection of its own: SYN, request, answer and FIN make
 * some ten small packets both ways, which is what a gateway carries when people browse.
 *
 *   fz-requests serve IP PORT [--size BYTES]               prints "ready"
 *   fz-requests get IP PORT --at-once N --seconds S        prints an object
 *
 * One thread each, epoll, no more of HTTP than both need.
 */

#include "src/base/fz-instant.h"
#include "tests/bench/fz-tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST      "GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"
#define EVENTS       256
#define AT_ONCE_MAX  4096
#define ANSWER_MAX   65536u
#define BACKLOG      4096
#define STALLED_NS   (5 * FZ_S)
#define CONNECT_WAIT 100 /* ms, of one epoll_wait */
#define EXIT_USAGE   2

typedef struct {
  struct sockaddr_in address;
  int at_once;
  double seconds;
  size_t size;
} Options;

typedef struct {
  int fd; /* -1: free */
  bool is_connected;
  size_t n_received;
  FzInstant begun;
} Connection;

typedef struct {
  const Options *options;
  int epoll;
  Connection connections[AT_ONCE_MAX];
  uint64_t n_done, n_failed;
  double *times_ms; /* of the done ones */
  size_t times_room;
} Client;

/* The same for everyone, whatever the machine's default is; what is accepted inherits it. */
static void
set_cubic (int fd)
{
  if (setsockopt (fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0)
    fz_tool_fail ("congestion control cubic");
}

static void
watch (int epoll, int fd, uint32_t events, uint64_t data)
{
  struct epoll_event event = { .events = events, .data.u64 = data };

  if (epoll_ctl (epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    fz_tool_fail ("epoll_ctl");
}

/* -- the server -- */

static void
answer (int fd, const char *text, size_t length)
{
  char request[4096];
  ssize_t n = recv (fd, request, sizeof request, MSG_DONTWAIT);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n > 0) /* a request of ours fits into one segment, and the answer into the socket's buffer */
    (void) !send (fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  close (fd);
}

static int
serve (const Options *options)
{
  static char text[ANSWER_MAX];
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int epoll = epoll_create1 (EPOLL_CLOEXEC), on = 1;
  int head = snprintf (text,
                       sizeof text,
                       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       options->size);
  size_t length = (size_t) head + options->size;

  set_cubic (listener);
  setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind (listener, (const struct sockaddr *) &options->address, sizeof options->address) != 0 ||
      listen (listener, BACKLOG) != 0)
    fz_tool_fail ("bind");
  memset (text + head, 'x', options->size);
  watch (epoll, listener, EPOLLIN, (uint64_t) listener);
  puts ("ready");
  fflush (stdout);
  while (!fz_tool_is_ended ()) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait (epoll, events, EVENTS, -1), fd;

    for (int i = 0; i < n; i++) {
      if (events[i].data.u64 != (uint64_t) listener) {
        answer ((int) events[i].data.u64, text, length);
        continue;
      }
      while ((fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        watch (epoll, fd, EPOLLIN, (uint64_t) fd);
    }
  }
  return EXIT_SUCCESS;
}

/* -- the client -- */

static void
begin (Client *self, size_t i)
{
  Connection *connection = &self->connections[i];
  struct linger reset = { .l_onoff = 1 }; /* no ports in TIME_WAIT: there are only so many */
  int on = 1;

  *connection = (Connection){
    .fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    .begun = fz_tool_now (),
  };
  if (connection->fd < 0)
    fz_tool_fail ("socket");
  set_cubic (connection->fd);
  setsockopt (connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  setsockopt (connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect (connection->fd,
               (const struct sockaddr *) &self->options->address,
               sizeof self->options->address) != 0 &&
      errno != EINPROGRESS)
    fz_tool_fail ("connect");
  watch (self->epoll, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET, i);
}

static void
finish (Client *self, size_t i, bool is_good)
{
  Connection *connection = &self->connections[i];

  if (is_good) {
    if (self->n_done == self->times_room) {
      self->times_room = self->times_room == 0 ? 65536 : 2 * self->times_room;
      self->times_ms = realloc (self->times_ms, self->times_room * sizeof *self->times_ms);
      if (self->times_ms == NULL)
        fz_tool_fail ("memory");
    }
    self->times_ms[self->n_done++] = (double) (fz_tool_now () - connection->begun) / 1e6;
  } else {
    self->n_failed++;
  }
  close (connection->fd);
  begin (self, i);
}

static void
go_on (Client *self, size_t i, uint32_t events)
{
  Connection *connection = &self->connections[i];
  char answer_part[ANSWER_MAX];
  ssize_t n;

  if ((events & EPOLLERR) != 0) {
    finish (self, i, false);
    return;
  }
  if (!connection->is_connected && (events & EPOLLOUT) != 0) {
    connection->is_connected = true;
    if (send (connection->fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) != sizeof REQUEST - 1) {
      finish (self, i, false);
      return;
    }
  }
  while ((n = recv (connection->fd, answer_part, sizeof answer_part, 0)) > 0)
    connection->n_received += (size_t) n;
  if (n == 0)
    finish (self, i, connection->n_received > self->options->size);
  else if (errno != EAGAIN && errno != EINTR)
    finish (self, i, false);
}

/* One whose packets all got lost would hold its place for as long as TCP retries. */
static void
give_up_stalled (Client *self)
{
  FzInstant now = fz_tool_now ();

  for (int i = 0; i < self->options->at_once; i++)
    if (now - self->connections[i].begun > STALLED_NS)
      finish (self, (size_t) i, false);
}

static int
by_size (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static void
report (Client *self, double seconds)
{
  qsort (self->times_ms, self->n_done, sizeof *self->times_ms, by_size);
  printf ("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64
          ",\"seconds\":%.6f,\"per_second\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
          self->n_done,
          self->n_failed,
          seconds,
          (double) self->n_done / seconds,
          self->n_done > 0 ? self->times_ms[self->n_done / 2] : 0,
          self->n_done > 0 ? self->times_ms[self->n_done * 99 / 100] : 0);
}

static int
get (const Options *options)
{
  Client *self = calloc (1, sizeof *self);
  FzInstant started = fz_tool_now (), ends = started + (uint64_t) (options->seconds * 1e9),
            now = started;

  if (self == NULL)
    fz_tool_fail ("memory");
  self->options = options;
  self->epoll = epoll_create1 (EPOLL_CLOEXEC);
  for (int i = 0; i < options->at_once; i++)
    begin (self, (size_t) i);
  while (!fz_tool_is_ended () && now < ends) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait (self->epoll, events, EVENTS, CONNECT_WAIT);

    for (int i = 0; i < n; i++)
      go_on (self, (size_t) events[i].data.u64, events[i].events);
    if (n < EVENTS)
      give_up_stalled (self);
    now = fz_tool_now ();
  }
  report (self, (double) (now - started) / 1e9);
  for (int i = 0; i < options->at_once; i++)
    close (self->connections[i].fd);
  free (self->times_ms);
  free (self);
  return EXIT_SUCCESS;
}

/* -- the program -- */

int
main (int argc, char **argv)
{
  static const struct option words[] = {
    { "at-once", required_argument, NULL, 'n' },
    { "seconds", required_argument, NULL, 's' },
    { "size", required_argument, NULL, 'z' },
    { NULL, 0, NULL, 0 },
  };
  Options options = { .at_once = 200, .seconds = 1, .size = 1024 };
  int word;

  while ((word = getopt_long (argc, argv, "", words, NULL)) != -1) {
    double number = optarg != NULL ? strtod (optarg, NULL) : 0;

    if (word == 'n' && number >= 1 && number <= AT_ONCE_MAX)
      options.at_once = (int) number;
    else if (word == 's' && number > 0)
      options.seconds = number;
    else if (word == 'z' && number >= 0 && number <= ANSWER_MAX / 2)
      options.size = (size_t) number;
    else
      return EXIT_USAGE;
  }
  if (argc - optind != 3)
    return EXIT_USAGE;
  options.address = (struct sockaddr_in){
    .sin_family = AF_INET,
    .sin_port = htons ((uint16_t) atoi (argv[optind + 2])),
  };
  if (inet_pton (AF_INET, argv[optind + 1], &options.address.sin_addr) != 1)
    return EXIT_USAGE;
  fz_tool_catch_signals ();
  if (strcmp (argv[optind], "serve") == 0)
    return serve (&options);
  if (strcmp (argv[optind], "get") == 0)
    return get (&options);
  return EXIT_USAGE;
}
