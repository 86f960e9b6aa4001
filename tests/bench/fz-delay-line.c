/* fz-delay-line.c
 *
 * A wire in user space with delay, rate, loss and overtaking, for kernels without netem: two TAP
 * devices, each made inside a network namespace, and a queue between them in each direction
 * (dataplane.md §23.4). Both take and give segmentation offloads, so aggregates cross whole, as
 * they cross a veth pair; --no-offloads makes loss and order act on single packets.
 *
 *   fz-delay-line --a NAMESPACE:DEVICE --b NAMESPACE:DEVICE [--delay MS] [--rate MBIT]
 *                 [--limit PACKETS] [--loss PERCENT] [--overtake PERCENT] [--seed N]
 * [--no-offloads]
 *
 * --delay is one way's, so a round trip takes twice as much; --limit bounds each direction's queue
 * and drops at its tail; --overtake lets that share of the frames leave without waiting for its
 * turn. Prints "ready", and at its end what it did, as JSON.
 */

#include "src/base/fz-instant.h"
#include "tests/bench/fz-tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX     (65536u + 64u)
#define READS_A_TURN  64
#define RING_LIMIT    (1u << 20) /* frames */
#define DEFAULT_LIMIT 100000u    /* packets: 8 Gbit/s for 120 ms */
#define EXIT_USAGE    2

typedef struct {
  FzInstant due;
  uint32_t length;    /* with the virtio header */
  uint32_t n_packets; /* of the network, in this frame */
  uint8_t data[];
} Frame;

/* One direction: read at one end, written at the other. Times due never fall within the queue, so
 * it is a plain ring. */
typedef struct {
  int from, to;
  Frame **ring;
  uint32_t head, tail; /* frames from head to tail wait */
  uint64_t n_waiting;  /* packets */
  FzInstant busy_until;
  uint64_t n_frames, n_packets, n_bytes, n_lost, n_overflows, n_overtaken, n_refused, most_waiting;
} Way;

typedef struct {
  const char *ends[2];
  double delay_ms, rate_mbit, loss_percent, overtake_percent;
  uint64_t limit;
  bool no_offloads;
} Options;

/* -- devices -- */

static void
set_offloads (int fd)
{
  unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  unsigned uso = 0x20 | 0x40; /* TUN_F_USO4, TUN_F_USO6: newer than this floor's headers */

  if (ioctl (fd, TUNSETOFFLOAD, (unsigned long) (offloads | uso)) != 0 &&
      ioctl (fd, TUNSETOFFLOAD, (unsigned long) offloads) != 0)
    fz_tool_fail ("TUNSETOFFLOAD");
}

/* Makes a TAP in the namespace; the descriptor works from anywhere. */
static int
open_tap (const char *end, bool no_offloads)
{
  const char *colon = strchr (end, ':');
  struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
  char path[256];
  int home = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;

  if (colon == NULL || strlen (colon + 1) >= sizeof request.ifr_name) {
    fprintf (stderr, "fz-delay-line: “%s” is not NAMESPACE:DEVICE\n", end);
    exit (EXIT_USAGE);
  }
  snprintf (path, sizeof path, "/run/netns/%.*s", (int) (colon - end), end);
  strcpy (request.ifr_name, colon + 1); /* length checked above */
  there = open (path, O_RDONLY | O_CLOEXEC);
  if (home < 0 || there < 0 || setns (there, CLONE_NEWNET) != 0)
    fz_tool_fail (path);
  fd = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || ioctl (fd, TUNSETIFF, &request) != 0)
    fz_tool_fail (end);
  if (!no_offloads)
    set_offloads (fd);
  if (setns (home, CLONE_NEWNET) != 0)
    fz_tool_fail ("namespace");
  close (there);
  close (home);
  return fd;
}

/* -- a direction -- */

static uint32_t
packets_in (const uint8_t *data, size_t length)
{
  struct virtio_net_hdr header;

  memcpy (&header, data, sizeof header);
  if (header.gso_type == VIRTIO_NET_HDR_GSO_NONE || header.gso_size == 0)
    return 1;
  return (uint32_t) ((length - sizeof header + header.gso_size - 1) / header.gso_size);
}

static void
write_frame (Way *way, const Frame *frame)
{
  way->n_frames++;
  way->n_packets += frame->n_packets;
  way->n_bytes += frame->length - sizeof (struct virtio_net_hdr);
  if (write (way->to, frame->data, frame->length) < 0)
    way->n_refused++; /* the device is down, or going */
}

static bool
happens (double percent)
{
  return percent > 0 && drand48 () * 100 < percent;
}

/* What a wire of this rate makes of a frame that arrives at @now: when its last bit has left. */
static FzInstant
leaves_at (Way *way, const Options *options, uint32_t length, FzInstant now)
{
  if (options->rate_mbit <= 0)
    return now;
  if (way->busy_until < now)
    way->busy_until = now;
  way->busy_until += (uint64_t) (length * 8000.0 / options->rate_mbit);
  return way->busy_until;
}

static void
take_frame (Way *way, const Options *options, const uint8_t *data, size_t length, FzInstant now)
{
  uint32_t n_packets = packets_in (data, length);
  Frame *frame;

  if (happens (options->loss_percent)) {
    way->n_lost++;
    return;
  }
  if (way->n_waiting + n_packets > options->limit || way->tail - way->head == RING_LIMIT) {
    way->n_overflows += n_packets;
    return;
  }
  frame = malloc (sizeof *frame + length);
  if (frame == NULL)
    fz_tool_fail ("memory");
  frame->length = (uint32_t) length;
  frame->n_packets = n_packets;
  memcpy (frame->data, data, length);
  if (happens (options->overtake_percent)) {
    way->n_overtaken++;
    write_frame (way, frame);
    free (frame);
    return;
  }
  frame->due = leaves_at (way, options, frame->length, now) + (uint64_t) (options->delay_ms * 1e6);
  way->ring[way->tail++ % RING_LIMIT] = frame;
  way->n_waiting += n_packets;
  if (way->n_waiting > way->most_waiting)
    way->most_waiting = way->n_waiting;
}

static void
read_frames (Way *way, const Options *options)
{
  static uint8_t data[FRAME_MAX];

  for (int i = 0; i < READS_A_TURN; i++) {
    ssize_t n = read (way->from, data, sizeof data);

    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO) /* EIO: still down */
      fz_tool_fail ("read");
    if (n < (ssize_t) sizeof (struct virtio_net_hdr))
      return;
    take_frame (way, options, data, (size_t) n, fz_tool_now ());
  }
}

/* Writes what is due; returns when the next will be. */
static FzInstant
write_frames (Way *way)
{
  FzInstant now = fz_tool_now ();

  while (way->head != way->tail) {
    Frame *frame = way->ring[way->head % RING_LIMIT];

    if (frame->due > now)
      return frame->due;
    way->head++;
    way->n_waiting -= frame->n_packets;
    write_frame (way, frame);
    free (frame);
  }
  return FZ_INSTANT_NEVER;
}

/* -- the program -- */

static void
print_way (const Way *way)
{
  printf ("{\"frames\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
          ",\"overflows\":%" PRIu64 ",\"overtaken\":%" PRIu64 ",\"refused\":%" PRIu64
          ",\"most_waiting\":%" PRIu64 "}",
          way->n_frames,
          way->n_packets,
          way->n_bytes,
          way->n_lost,
          way->n_overflows,
          way->n_overtaken,
          way->n_refused,
          way->most_waiting);
}

static void
run (Way ways[2], const Options *options)
{
  while (!fz_tool_is_ended ()) {
    FzInstant next = fz_instant_min (write_frames (&ways[0]), write_frames (&ways[1]));
    uint64_t left = next == FZ_INSTANT_NEVER ? FZ_S : fz_instant_since (fz_tool_now (), next);
    struct timespec wait = { (time_t) (left / FZ_S), (long) (left % FZ_S) };
    struct pollfd polls[2] = { { .fd = ways[0].from, .events = POLLIN },
                               { .fd = ways[1].from, .events = POLLIN } };

    if (ppoll (polls, 2, &wait, NULL) <= 0)
      continue;
    for (int i = 0; i < 2; i++)
      if (polls[i].revents != 0)
        read_frames (&ways[i], options);
  }
}

static void
parse_options (int argc, char **argv, Options *out)
{
  static const struct option words[] = {
    { "a", required_argument, NULL, 'a' },     { "b", required_argument, NULL, 'b' },
    { "delay", required_argument, NULL, 'd' }, { "rate", required_argument, NULL, 'r' },
    { "limit", required_argument, NULL, 'l' }, { "loss", required_argument, NULL, 'x' },
    { "seed", required_argument, NULL, 's' },  { "overtake", required_argument, NULL, 'o' },
    { "no-offloads", no_argument, NULL, 'n' }, { NULL, 0, NULL, 0 },
  };
  int word;

  while ((word = getopt_long (argc, argv, "", words, NULL)) != -1) {
    double number = optarg != NULL ? strtod (optarg, NULL) : 0;

    switch (word) {
    case 'a':
    case 'b':
      out->ends[word - 'a'] = optarg;
      break;
    case 'd':
      out->delay_ms = number;
      break;
    case 'r':
      out->rate_mbit = number;
      break;
    case 'l':
      out->limit = (uint64_t) number;
      break;
    case 'x':
      out->loss_percent = number;
      break;
    case 'o':
      out->overtake_percent = number;
      break;
    case 's':
      srand48 ((long) number);
      break;
    case 'n':
      out->no_offloads = true;
      break;
    default:
      exit (EXIT_USAGE);
    }
  }
}

int
main (int argc, char **argv)
{
  Options options = { .limit = DEFAULT_LIMIT };
  Way ways[2] = { 0 };
  int ends[2];

  srand48 (1);
  parse_options (argc, argv, &options);
  if (options.ends[0] == NULL || options.ends[1] == NULL || optind != argc) {
    fputs ("fz-delay-line: --a and --b NAMESPACE:DEVICE are needed\n", stderr);
    return EXIT_USAGE;
  }
  fz_tool_catch_signals ();
  prctl (PR_SET_TIMERSLACK, 1UL);
  for (int i = 0; i < 2; i++)
    ends[i] = open_tap (options.ends[i], options.no_offloads);
  for (int i = 0; i < 2; i++) {
    ways[i].from = ends[i];
    ways[i].to = ends[1 - i];
    ways[i].ring = calloc (RING_LIMIT, sizeof (Frame *));
    if (ways[i].ring == NULL)
      fz_tool_fail ("memory");
  }
  puts ("ready");
  fflush (stdout);
  run (ways, &options);
  fputs ("{\"a_to_b\":", stdout);
  print_way (&ways[0]);
  fputs (",\"b_to_a\":", stdout);
  print_way (&ways[1]);
  puts ("}");
  for (int i = 0; i < 2; i++) {
    while (ways[i].head != ways[i].tail)
      free (ways[i].ring[ways[i].head++ % RING_LIMIT]);
    free (ways[i].ring);
    close (ends[i]);
  }
  return EXIT_SUCCESS;
}
