/* fz-handshakes.c
 *
 * Makes one responder shake hands as fast as it can, or at a rate: initiations of many peers are
 * made beforehand, so that what is measured is the responder's curve arithmetic and not ours.
 *
 *   fz-handshakes --peers FILE --responder KEY --seconds S [--outstanding N | --rate R]
 *                 [--messages N] IP PORT
 *   fz-handshakes --make N       prints such a FILE with addresses from 10.50.0.1 on
 *
 * FILE has a line "PRIVATE-KEY IP PUBLIC-KEY" for each peer: a source address of its own, because
 * responders limit by source (the namespace must take all of them as local). Cookies are honoured.
 * No peer sends again within 25 ms: wireguard-go drops what comes within 20. Responses are matched
 * by their index and not opened.
 */

#include "src/base/fz-bytes.h"
#include "src/engine/fz-cookie.h"
#include "src/engine/fz-noise.h"
#include "tests/bench/fz-tool.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SPACING_NS (25 * FZ_MS) /* of one peer's messages */
#define TIMEOUT_NS FZ_S         /* after which a message is lost */
#define BUFFER     (4 << 20)
#define MADE_MAX   62500 /* 250 in each third of an address */
#define EXIT_USAGE 2

typedef struct {
  uint8_t datagram[FZ_WIREGUARD_INITIATION_SIZE];
} Message;

typedef struct {
  struct in_addr from;
  FzCookieJar jar;
  uint32_t n_used; /* of its messages */
  FzInstant sent;  /* the latest */
  bool is_out;     /* the latest waits for its response */
} InitiatorPeer;

typedef struct {
  char *peers_file, *responder;
  double seconds, rate;
  int outstanding, n_messages, n_made;
  gboolean tell_begin;
  struct sockaddr_in to;

  int fd;
  InitiatorPeer *peers;
  Message *messages; /* n_each of the first peer, then of the second … */
  uint32_t n_peers, n_each, cursor;
  uint64_t n_out, n_sent, n_done, n_cookies, n_lost, n_refused;
  bool is_exhausted; /* every prepared message is used */
  GArray *times_us;
} Initiator;

static _Noreturn void
fail (const char *what)
{
  fprintf (stderr, "fz-handshakes: %s\n", what);
  exit (EXIT_FAILURE);
}

/* -- before -- */

static void
make_peers (uint32_t n)
{
  FzRng rng = fz_crypto_rng ();

  if (!fz_crypto_init ())
    fail ("the crypto libraries do not start");
  for (uint32_t i = 0; i < n; i++) {
    uint8_t private_key[FZ_KEY_SIZE], public_key[FZ_KEY_SIZE];
    char private_text[FZ_KEY_TEXT_MAX], public_text[FZ_KEY_TEXT_MAX];

    fz_rng_fill (&rng, private_key, sizeof private_key);
    fz_x25519_clamp (private_key);
    fz_x25519_public (private_key, public_key);
    printf ("%s 10.50.%u.%u %s\n",
            fz_key_format (private_key, private_text),
            i / 250,
            i % 250 + 1,
            fz_key_format (public_key, public_text));
  }
}

static void
prepare_peer (Initiator *self,
              uint32_t number,
              const char *line,
              const uint8_t responder[FZ_KEY_SIZE])
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  InitiatorPeer *peer = &self->peers[number];
  uint8_t private_key[FZ_KEY_SIZE];
  const uint8_t no_psk[FZ_KEY_SIZE] = { 0 };
  FzRng rng = fz_crypto_rng ();
  g_autoptr (FzIdentity) identity = NULL;
  FzNoisePeer noise;
  uint64_t unix_ns = (uint64_t) g_get_real_time () * 1000;

  if (g_strv_length (words) != 3 || !fz_key_parse (words[0], private_key) ||
      inet_pton (AF_INET, words[1], &peer->from) != 1)
    fail ("a line of the peers' file is not PRIVATE-KEY IP PUBLIC-KEY");
  identity = fz_identity_new (private_key, &rng);
  if (!fz_noise_peer_init (&noise, identity, responder, no_psk))
    fail ("the responder's key is no good");
  fz_cookie_jar_init (&peer->jar, responder);
  for (uint32_t i = 0; i < self->n_each; i++) {
    uint32_t index = number * self->n_each + i;
    uint8_t timestamp[FZ_TAI64N_SIZE];
    FzNoiseHandshake handshake;

    fz_tai64n_write (unix_ns + i * FZ_US, timestamp);
    fz_noise_write_initiation (
        identity, &noise, &rng, index, timestamp, &handshake, self->messages[index].datagram);
  }
}

static void
prepare (Initiator *self)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  uint8_t responder[FZ_KEY_SIZE];

  if (!fz_crypto_init () || !fz_key_parse (self->responder, responder))
    fail ("the responder's key cannot be read");
  if (!g_file_get_contents (self->peers_file, &text, NULL, NULL))
    fail ("the peers' file cannot be read");
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  self->n_peers = g_strv_length (lines);
  if (self->n_peers == 0)
    fail ("no peers");
  self->n_each = ((uint32_t) self->n_messages + self->n_peers - 1) / self->n_peers;
  self->peers = g_new0 (InitiatorPeer, self->n_peers);
  self->messages = g_new0 (Message, (size_t) self->n_peers * self->n_each);
  self->times_us = g_array_new (FALSE, FALSE, sizeof (double));
  for (uint32_t i = 0; i < self->n_peers; i++)
    prepare_peer (self, i, lines[i], responder);
}

static void
open_socket (Initiator *self)
{
  int size = BUFFER;

  self->fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->fd < 0)
    fail ("no socket");
  if (setsockopt (self->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
    setsockopt (self->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/* -- a message -- */

static void
send_message (Initiator *self, uint32_t number, uint32_t index)
{
  InitiatorPeer *peer = &self->peers[number];
  uint8_t control[CMSG_SPACE (sizeof (struct in_pktinfo))] = { 0 };
  struct in_pktinfo source = { .ipi_spec_dst = peer->from };
  struct iovec vector = { self->messages[index].datagram, FZ_WIREGUARD_INITIATION_SIZE };
  struct msghdr message = { .msg_name = &self->to,
                            .msg_namelen = sizeof self->to,
                            .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
  struct cmsghdr *head = CMSG_FIRSTHDR (&message);
  FzInstant now = fz_tool_now ();

  head->cmsg_level = IPPROTO_IP;
  head->cmsg_type = IP_PKTINFO;
  head->cmsg_len = CMSG_LEN (sizeof source);
  memcpy (CMSG_DATA (head), &source, sizeof source);
  fz_cookie_jar_seal (&peer->jar, vector.iov_base, vector.iov_len, index, now);
  peer->sent = now;
  self->n_sent++;
  if (sendmsg (self->fd, &message, 0) < 0)
    self->n_refused++;
}

/* The next peer that is not busy sends its next message; false while none may. */
static bool
send_next (Initiator *self)
{
  FzInstant now = fz_tool_now ();

  for (uint32_t i = 0; i < self->n_peers; i++) {
    uint32_t number = (self->cursor + i) % self->n_peers;
    InitiatorPeer *peer = &self->peers[number];

    if (peer->is_out || now - peer->sent < SPACING_NS)
      continue;
    if (peer->n_used == self->n_each) {
      self->is_exhausted = true;
      return false;
    }
    peer->is_out = true;
    self->n_out++;
    self->cursor = number + 1;
    send_message (self, number, number * self->n_each + peer->n_used++);
    return true;
  }
  return false;
}

static void
handle (Initiator *self, const uint8_t *datagram, size_t length)
{
  FzWireguardMessage message;
  InitiatorPeer *peer;
  uint32_t number;
  double took_us;

  if (fz_wireguard_parse ((FzSpan){ datagram, length }, &message) != FZ_DROP_NONE ||
      (message.type != FZ_WIREGUARD_RESPONSE && message.type != FZ_WIREGUARD_COOKIE_REPLY) ||
      message.receiver_index / self->n_each >= self->n_peers)
    return;
  number = message.receiver_index / self->n_each;
  peer = &self->peers[number];
  if (!peer->is_out || message.receiver_index % self->n_each != peer->n_used - 1)
    return; /* late: it counted as lost */
  if (message.type == FZ_WIREGUARD_COOKIE_REPLY) {
    self->n_cookies++;
    if (fz_cookie_jar_take_reply (&peer->jar, &message, fz_tool_now ()) == FZ_DROP_NONE)
      send_message (self, number, message.receiver_index); /* it was never looked into */
    return;
  }
  took_us = (double) (fz_tool_now () - peer->sent) / 1e3;
  g_array_append_val (self->times_us, took_us);
  peer->is_out = false;
  self->n_out--;
  self->n_done++;
}

static void
receive (Initiator *self, uint64_t wait_ns)
{
  struct pollfd poll = { .fd = self->fd, .events = POLLIN };
  struct timespec wait = { (time_t) (wait_ns / FZ_S), (long) (wait_ns % FZ_S) };
  uint8_t datagram[2048];
  ssize_t n;

  if (ppoll (&poll, 1, &wait, NULL) <= 0)
    return;
  while ((n = recv (self->fd, datagram, sizeof datagram, 0)) >= 0)
    handle (self, datagram, (size_t) n);
}

static void
forget_lost (Initiator *self)
{
  FzInstant now = fz_tool_now ();

  for (uint32_t i = 0; i < self->n_peers; i++)
    if (self->peers[i].is_out && now - self->peers[i].sent > TIMEOUT_NS) {
      self->peers[i].is_out = false;
      self->n_out--;
      self->n_lost++;
    }
}

/* -- the program -- */

static double
run (Initiator *self)
{
  FzInstant started = fz_tool_now (), now = started, looked = started;
  FzInstant ends = started + (uint64_t) (self->seconds * 1e9);

  while (now < ends && !self->is_exhausted) {
    uint64_t due = (uint64_t) ((double) (now - started) / 1e9 * self->rate), n_new = 0;

    if (self->rate > 0) {
      while (n_new < due && self->n_done + self->n_lost + self->n_out < due && send_next (self))
        n_new++;
    } else {
      while (self->n_out < (uint64_t) self->outstanding && send_next (self))
        ;
    }
    receive (self, self->rate > 0 ? 500 * FZ_US : FZ_MS);
    now = fz_tool_now ();
    if (now - looked > 100 * FZ_MS) {
      forget_lost (self);
      looked = now;
    }
  }
  return (double) (now - started) / 1e9;
}

static int
by_size (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static void
report (Initiator *self, double seconds)
{
  const double *times = (const double *) (const void *) self->times_us->data;
  guint n = self->times_us->len;

  g_array_sort (self->times_us, by_size);
  printf ("{\"peers\":%" PRIu32 ",\"sent\":%" PRIu64 ",\"done\":%" PRIu64 ",\"lost\":%" PRIu64
          ",\"cookies\":%" PRIu64 ",\"refused\":%" PRIu64
          ",\"seconds\":%.4f,\"per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
          "\"exhausted\":%s}\n",
          self->n_peers,
          self->n_sent,
          self->n_done,
          self->n_lost,
          self->n_cookies,
          self->n_refused,
          seconds,
          (double) self->n_done / seconds,
          n > 0 ? times[n / 2] : 0,
          n > 0 ? times[n * 99 / 100] : 0,
          self->is_exhausted ? "true" : "false");
}

static bool
parse_options (Initiator *self, int argc, char **argv, GError **error)
{
  GOptionEntry entries[] = {
    { "peers", 0, 0, G_OPTION_ARG_FILENAME, &self->peers_file, "a line for each", "FILE" },
    { "responder", 0, 0, G_OPTION_ARG_STRING, &self->responder, "its public key", "KEY" },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &self->seconds, "how long", "S" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &self->rate, "a second, answered or not", "R" },
    { "outstanding", 0, 0, G_OPTION_ARG_INT, &self->outstanding, "at once", "N" },
    { "messages", 0, 0, G_OPTION_ARG_INT, &self->n_messages, "to make beforehand", "N" },
    { "make", 0, 0, G_OPTION_ARG_INT, &self->n_made, "print so many peers instead", "N" },
    { "tell-begin", 0, 0, G_OPTION_ARG_NONE, &self->tell_begin, "when all is prepared", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("IP PORT");

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return false;
  if (self->n_made > 0)
    return self->n_made <= MADE_MAX;
  if (argc != 3 || self->peers_file == NULL || self->responder == NULL || self->n_messages < 1 ||
      inet_pton (AF_INET, argv[1], &self->to.sin_addr) != 1) {
    g_set_error_literal (error,
                         G_OPTION_ERROR,
                         G_OPTION_ERROR_BAD_VALUE,
                         "--peers, --responder, IP and PORT, please");
    return false;
  }
  self->to.sin_family = AF_INET;
  self->to.sin_port = htons ((uint16_t) atoi (argv[2]));
  return true;
}

int
main (int argc, char **argv)
{
  Initiator self = { .seconds = 3, .outstanding = 64, .n_messages = 30000 };
  g_autoptr (GError) error = NULL;

  if (!parse_options (&self, argc, argv, &error)) {
    fprintf (stderr, "fz-handshakes: %s\n", error != NULL ? error->message : "too many peers");
    return EXIT_USAGE;
  }
  if (self.n_made > 0) {
    make_peers ((uint32_t) self.n_made);
    return EXIT_SUCCESS;
  }
  prepare (&self);
  open_socket (&self);
  if (self.tell_begin) {
    puts ("begins");
    fflush (stdout);
  }
  report (&self, run (&self));
  g_array_unref (self.times_us);
  g_free (self.peers);
  g_free (self.messages);
  g_free (self.peers_file);
  g_free (self.responder);
  return EXIT_SUCCESS;
}
