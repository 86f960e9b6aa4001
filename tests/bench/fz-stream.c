/* fz-stream.c
 *
 * Program of fz-stream.h: words on the command line, and what its four jobs share.
 *
 *   fz-stream sink IP PORT [--runs N] [--flows-told] [--trains]
 *   fz-stream send IP PORT --rate R --seconds S [--flows N] [--size BYTES] [--count N] [--trains]
 *   fz-stream echo IP PORT
 *   fz-stream ask  IP PORT --count N [--rate R] [--pause S]
 *
 * A sink prints "ready", then an object for each run; an echo prints "ready".
 */

#include "tests/bench/fz-stream.h"

#include "src/base/fz-bytes.h"
#include "tests/bench/fz-tool.h"

#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define MAGIC        UINT32_C (0x665a7374)
#define EXIT_USAGE   2
#define WAIT_US      20000 /* of a blocking receive */
#define SUB_BITS     7u    /* 128 buckets per power of two */
#define BUFFER_BYTES (32 << 20)
#define SINK_DEFAULTS                                                                              \
  {                                                                                                \
    .n_flows = 1, .size = 64, .seconds = 1, .n_runs = 1, .buffer_bytes = BUFFER_BYTES              \
  }

/* -- datagrams -- */

void
fz_stream_head_write (const FzStreamHead *head, uint8_t out[FZ_STREAM_HEADER_SIZE])
{
  fz_put_u32be (out, MAGIC);
  fz_put_u32be (out + 4, head->run);
  fz_put_u32be (out + 8, (uint32_t) head->kind);
  fz_put_u16be (out + 12, head->flow);
  fz_put_u16be (out + 14, head->n_flows);
  fz_put_u64be (out + 16, head->sequence);
  fz_put_u64be (out + 24, head->sent);
}

bool
fz_stream_head_parse (const uint8_t *datagram, size_t length, FzStreamHead *out)
{
  FzReader r = fz_reader ((FzSpan){ datagram, length });
  uint32_t magic = fz_reader_u32be (&r);

  out->run = fz_reader_u32be (&r);
  out->kind = (FzStreamKind) fz_reader_u32be (&r);
  out->flow = fz_reader_u16be (&r);
  out->n_flows = fz_reader_u16be (&r);
  out->sequence = fz_reader_u64be (&r);
  out->sent = fz_reader_u64be (&r);
  return r.ok && magic == MAGIC && out->n_flows <= FZ_STREAM_FLOWS_MAX && out->flow < out->n_flows;
}

/* -- time -- */

void
fz_stream_sleep_until (FzInstant at)
{
  struct timespec deadline = { (time_t) (at / FZ_S), (long) (at % FZ_S) };

  clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

uint32_t
fz_stream_new_run (void)
{
  uint32_t run;

  if (getrandom (&run, sizeof run, 0) != sizeof run)
    fz_tool_fail ("random number");
  return run | 1; /* 0 stands for none */
}

/* -- sockets -- */

static int
open_socket (const FzStreamOptions *options)
{
  int fd = socket (options->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct timeval wait = { .tv_usec = WAIT_US };

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0)
    fz_tool_fail ("socket");
  /* as root beyond the system's limit; else what the limit allows */
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &options->buffer_bytes, sizeof (int)) != 0)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &options->buffer_bytes, sizeof (int));
  return fd;
}

int
fz_stream_bind (const FzStreamOptions *options)
{
  int fd = open_socket (options);

  if (bind (fd, (const struct sockaddr *) &options->address, options->address_length) != 0)
    fz_tool_fail ("bind");
  return fd;
}

int
fz_stream_connect (const FzStreamOptions *options)
{
  int fd = open_socket (options);

  if (connect (fd, (const struct sockaddr *) &options->address, options->address_length) != 0)
    fz_tool_fail ("connect");
  return fd;
}

/* -- histogram -- */

static unsigned
bucket_of (uint64_t ns)
{
  unsigned top = ns == 0 ? 0 : 63u - (unsigned) __builtin_clzll (ns);

  if (top < SUB_BITS)
    return (unsigned) ns;
  return ((top - SUB_BITS + 1) << SUB_BITS) + (unsigned) (ns >> (top - SUB_BITS)) -
         (1u << SUB_BITS);
}

/* The middle of a bucket. */
static uint64_t
value_of (unsigned bucket)
{
  unsigned octave = bucket >> SUB_BITS, shift;

  if (octave == 0)
    return bucket;
  shift = octave - 1;
  return ((uint64_t) ((bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) << shift) +
         (UINT64_C (1) << shift) / 2;
}

void
fz_stream_histogram_add (FzStreamHistogram *self, uint64_t ns)
{
  self->buckets[bucket_of (ns)]++;
  self->n++;
  if (ns > self->max_ns)
    self->max_ns = ns;
}

uint64_t
fz_stream_histogram_at (const FzStreamHistogram *self, double share)
{
  uint64_t wanted = (uint64_t) (share * (double) self->n), passed = 0;

  for (unsigned i = 0; i < FZ_STREAM_BUCKETS; i++) {
    passed += self->buckets[i];
    if (passed > wanted)
      return value_of (i);
  }
  return self->max_ns;
}

void
fz_stream_histogram_print (const FzStreamHistogram *self)
{
  printf ("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
          (double) fz_stream_histogram_at (self, 0.5) / 1e3,
          (double) fz_stream_histogram_at (self, 0.9) / 1e3,
          (double) fz_stream_histogram_at (self, 0.99) / 1e3,
          (double) fz_stream_histogram_at (self, 0.999) / 1e3,
          (double) self->max_ns / 1e3);
}

/* -- the program -- */

static _Noreturn void
usage (void)
{
  fputs ("usage: fz-stream sink|send|echo|ask IP PORT [--rate R] [--seconds S] [--count N] "
         "[--flows N]\n"
         "       [--size BYTES] [--pause S] [--runs N] [--buffer BYTES] [--flows-told] "
         "[--trains]\n",
         stderr);
  exit (EXIT_USAGE);
}

static double
number_of (const char *text, double min, double max)
{
  char *end;
  double value = strtod (text, &end);

  if (end == text || *end != '\0' || !(value >= min && value <= max)) {
    fprintf (stderr, "fz-stream: “%s” is no number from %g to %g\n", text, min, max);
    exit (EXIT_USAGE);
  }
  return value;
}

static void
parse_options (int argc, char **argv, FzStreamOptions *out)
{
  static const struct option words[] = {
    { "rate", required_argument, NULL, 'r' },
    { "seconds", required_argument, NULL, 's' },
    { "count", required_argument, NULL, 'c' },
    { "flows", required_argument, NULL, 'f' },
    { "size", required_argument, NULL, 'z' },
    { "pause", required_argument, NULL, 'p' },
    { "runs", required_argument, NULL, 'n' },
    { "buffer", required_argument, NULL, 'b' },
    { "flows-told", no_argument, NULL, 't' },
    { "trains", no_argument, NULL, 'g' },
    { NULL, 0, NULL, 0 },
  };
  int word;

  while ((word = getopt_long (argc, argv, "", words, NULL)) != -1) {
    switch (word) {
    case 'r':
      out->rate = number_of (optarg, 0, 1e8);
      break;
    case 's':
      out->seconds = number_of (optarg, 0, 1e6);
      break;
    case 'c':
      out->count = (int64_t) number_of (optarg, 0, 1e15);
      break;
    case 'f':
      out->n_flows = (int) number_of (optarg, 1, FZ_STREAM_FLOWS_MAX);
      break;
    case 'z':
      out->size = (int) number_of (optarg, FZ_STREAM_HEADER_SIZE, FZ_STREAM_DATAGRAM_MAX);
      break;
    case 'p':
      out->pause_s = number_of (optarg, 0, 1000);
      break;
    case 'n':
      out->n_runs = (int) number_of (optarg, 0, 1e9);
      break;
    case 'b':
      out->buffer_bytes = (int) number_of (optarg, 4096, 1 << 30);
      break;
    case 't':
      out->are_flows_told = true;
      break;
    case 'g':
      out->has_trains = true;
      break;
    default:
      usage ();
    }
  }
}

static void
parse_address (const char *ip, const char *port, FzStreamOptions *out)
{
  struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                            .ai_socktype = SOCK_DGRAM };
  struct addrinfo *found = NULL;
  int status = getaddrinfo (ip, port, &hints, &found);

  if (status != 0) {
    fprintf (stderr, "fz-stream: %s port %s: %s\n", ip, port, gai_strerror (status));
    exit (EXIT_USAGE);
  }
  memcpy (&out->address, found->ai_addr, found->ai_addrlen);
  out->address_length = found->ai_addrlen;
  freeaddrinfo (found);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    int (*run) (const FzStreamOptions *options);
  } jobs[] = {
    { "sink", fz_stream_sink },
    { "send", fz_stream_send },
    { "echo", fz_stream_echo },
    { "ask", fz_stream_ask },
  };
  FzStreamOptions options = SINK_DEFAULTS;

  parse_options (argc, argv, &options);
  if (argc - optind != 3)
    usage ();
  parse_address (argv[optind + 1], argv[optind + 2], &options);
  fz_tool_catch_signals ();
  prctl (PR_SET_TIMERSLACK, 1UL); /* deadlines to the microsecond */
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
    if (strcmp (argv[optind], jobs[i].name) == 0)
      return jobs[i].run (&options);
  usage ();
}
