/* fz-udp-send.c: see the header
 *
 * Each family has a cursor into the trains: which train, and how many of its
 * bytes are sent. Messages are laid out from the cursor, up to a call's worth;
 * what the kernel took moves the cursor; an error concerns the message at the
 * cursor and nothing else. Since a demoted train goes on at the same cursor,
 * neither a byte is lost nor one sent twice.
 */

#include "src/runtime/fz-udp-send.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define MESSAGES_MAX      64u         /* per call */
#define RETRY_AFTER_NS    (60 * FZ_S) /* a refused ability is tried again */
#define UNREACHABLE_EVERY (1 * FZ_S)  /* at most one report */
#define PENDING_ERRORS    4u          /* ICMP errors of other peers, in a row */

#define CONTROL_BYTES                                                                              \
  (CMSG_SPACE (sizeof (struct in6_pktinfo)) + CMSG_SPACE (sizeof (int)) +                          \
   CMSG_SPACE (sizeof (uint16_t)))

typedef struct {
  size_t train;
  uint32_t offset; /* bytes of it that are done */
} Cursor;

typedef struct {
  Cursor after;         /* where the cursor stands when this message is sent */
  uint16_t n_datagrams; /* above 1: needs segmentation */
  uint32_t length;      /* bytes */
  bool has_source;
} Plan;

typedef struct {
  Cursor cursor;
  FzInstant no_segments_until; /* 0: segmentation is on */
  FzIp bad_source;             /* the system refused it: leave the choice to the system */
  FzInstant bad_source_until;
  bool is_blocked;
} Outlet;

struct FzUdpSender {
  const FzIo *io;
  const FzUdpPair *pair;
  const FzTrain *trains;
  size_t n_trains;
  bool has_sendmmsg;
  unsigned reports;
  FzInstant reported_unreachable_at;
  Outlet outlets[FZ_N_UDP_FAMILIES];
  FzSendCounters counters[FZ_N_UDP_FAMILIES];

  /* one call's worth */
  Plan plans[MESSAGES_MAX];
  struct mmsghdr messages[MESSAGES_MAX];
  struct iovec pieces[MESSAGES_MAX];
  struct sockaddr_storage names[MESSAGES_MAX];
  _Alignas(struct cmsghdr) uint8_t control[MESSAGES_MAX][CONTROL_BYTES];
};

static void
count (_Atomic uint64_t *counter, uint64_t n)
{
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + n, memory_order_relaxed);
}

/* -- laying out messages -- */

static void
add_control (struct msghdr *header, int level, int type, const void *data, size_t length)
{
  struct cmsghdr *at =
      (struct cmsghdr *) (void *) ((uint8_t *) header->msg_control + header->msg_controllen);

  at->cmsg_level = level;
  at->cmsg_type = type;
  at->cmsg_len = CMSG_LEN (length);
  memcpy (CMSG_DATA (at), data, length);
  header->msg_controllen += CMSG_SPACE (length);
}

static void
add_source (struct msghdr *header, const FzIp *source)
{
  if (source->family == FZ_IP_V4) {
    struct in_pktinfo info = { 0 };

    memcpy (&info.ipi_spec_dst, source->bytes, 4);
    add_control (header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else {
    struct in6_pktinfo info = { 0 };

    memcpy (&info.ipi6_addr, source->bytes, 16);
    add_control (header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
}

static void
add_ecn (struct msghdr *header, FzUdpFamily family, int ecn)
{
  if (family == FZ_UDP_V4)
    add_control (header, IPPROTO_IP, IP_TOS, &ecn, sizeof ecn);
  else
    add_control (header, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof ecn);
}

static bool
may_use_source (const Outlet *outlet, const FzTrain *train)
{
  return train->from.family == train->to.ip.family &&
         (outlet->bad_source_until == 0 || !fz_ip_equal (&outlet->bad_source, &train->from));
}

/* How many bytes of @train from @offset fit one message. */
static uint32_t
message_length (const FzUdpSender *self, FzUdpFamily family, const FzTrain *train, uint32_t offset)
{
  const FzUdpSocket *socket = &self->pair->sockets[family];
  uint32_t left = train->length - offset;
  uint32_t most = family == FZ_UDP_V4 ? FZ_UDP_V4_BYTES_MAX : FZ_UDP_V6_BYTES_MAX;
  uint32_t n = 1;

  if (train->segment_size == 0 || train->segment_size >= left)
    return left;
  if (socket->has_gso && self->outlets[family].no_segments_until == 0) {
    n = most / train->segment_size;
    if (n > socket->max_segments)
      n = socket->max_segments;
    if (n == 0)
      n = 1;
  }
  return left / train->segment_size < n ? left : n * train->segment_size;
}

static void
lay_out (FzUdpSender *self, FzUdpFamily family, size_t i, Cursor cursor)
{
  const FzTrain *train = &self->trains[cursor.train];
  struct msghdr *header = &self->messages[i].msg_hdr;
  Plan *plan = &self->plans[i];

  plan->length = message_length (self, family, train, cursor.offset);
  plan->n_datagrams = 1;
  if (train->segment_size != 0 && plan->length > train->segment_size)
    plan->n_datagrams = (uint16_t) ((plan->length + train->segment_size - 1) / train->segment_size);
  plan->has_source = may_use_source (&self->outlets[family], train);
  plan->after = (Cursor){ cursor.train, cursor.offset + plan->length };

  self->pieces[i] =
      (struct iovec){ (void *) (uintptr_t) (train->data + cursor.offset), plan->length };
  *header = (struct msghdr){
    .msg_name = &self->names[i],
    .msg_namelen = fz_udp_address_to_kernel (&train->to, &self->names[i]),
    .msg_iov = &self->pieces[i],
    .msg_iovlen = 1,
    .msg_control = self->control[i],
  };
  if (plan->has_source)
    add_source (header, &train->from);
  if (train->ecn != 0)
    add_ecn (header, family, train->ecn);
  if (plan->n_datagrams > 1)
    add_control (header, SOL_UDP, UDP_SEGMENT, &train->segment_size, sizeof train->segment_size);
  if (header->msg_controllen == 0)
    header->msg_control = NULL;
}

/* The next byte to send at or after @cursor; false at the end. */
static bool
settle (const FzUdpSender *self, FzUdpFamily family, Cursor *cursor)
{
  while (cursor->train < self->n_trains) {
    const FzTrain *train = &self->trains[cursor->train];

    if (fz_udp_family (&train->to.ip) == family && cursor->offset < train->length)
      return true;
    cursor->train++;
    cursor->offset = 0;
  }
  return false;
}

static unsigned
lay_out_batch (FzUdpSender *self, FzUdpFamily family)
{
  Cursor cursor = self->outlets[family].cursor;
  unsigned n = 0;

  while (n < MESSAGES_MAX && settle (self, family, &cursor)) {
    lay_out (self, family, n, cursor);
    cursor = self->plans[n].after;
    n++;
  }
  return n;
}

/* -- sending -- */

static int
send_batch (FzUdpSender *self, int fd, unsigned n)
{
  int sent;

  if (self->has_sendmmsg) {
    sent = self->io->sendmmsg (self->io->context, fd, self->messages, n, MSG_DONTWAIT);
    if (sent >= 0 || errno != ENOSYS)
      return sent;
    self->has_sendmmsg = false;
  }
  return self->io->sendmsg (self->io->context, fd, &self->messages[0].msg_hdr, MSG_DONTWAIT) < 0
             ? -1
             : 1;
}

static void
lose_first (FzUdpSender *self, FzUdpFamily family, FzSendError why)
{
  count (&self->counters[family].lost[why], self->plans[0].n_datagrams);
  self->outlets[family].cursor = self->plans[0].after;
}

static void
report_unreachable (FzUdpSender *self, FzInstant now)
{
  if (self->reported_unreachable_at != 0 &&
      fz_instant_since (self->reported_unreachable_at, now) < UNREACHABLE_EVERY)
    return;
  self->reported_unreachable_at = now;
  self->reports |= FZ_SEND_REPORT_UNREACHABLE;
}

/* The address we answer from went away with an interface: let the system choose one. */
static bool
gave_up_source (FzUdpSender *self, Outlet *outlet, FzInstant now)
{
  if (!self->plans[0].has_source)
    return false;
  outlet->bad_source = self->trains[outlet->cursor.train].from;
  outlet->bad_source_until = fz_instant_add (now, RETRY_AFTER_NS);
  return true;
}

/* The kernel cannot segment on this route: the same bytes go out one by one. */
static bool
demoted (FzUdpSender *self, FzUdpFamily family, FzInstant now)
{
  Outlet *outlet = &self->outlets[family];

  if (self->plans[0].n_datagrams < 2)
    return false;
  outlet->no_segments_until = fz_instant_add (now, RETRY_AFTER_NS);
  outlet->bad_source_until = 0; /* it was not the source then */
  count (&self->counters[family].demotions, 1);
  self->reports |= family == FZ_UDP_V4 ? FZ_SEND_REPORT_DEMOTED_V4 : FZ_SEND_REPORT_DEMOTED_V6;
  return true;
}

/* Deals with the message at the cursor, which the kernel refused with @error. False: would block.
 */
static bool
handle_error (FzUdpSender *self, FzUdpFamily family, int error, unsigned *pending, FzInstant now)
{
  Outlet *outlet = &self->outlets[family];

  if (error != EAGAIN && error != EINTR)
    fz_errno_counters_add (&self->counters[family].errors, error);
  switch (error) {
  case EINTR:
    return true;
  case EAGAIN:
    count (&self->counters[family].blocked, 1);
    return false;
  case EINVAL:
  case EADDRNOTAVAIL:
    if (gave_up_source (self, outlet, now) || demoted (self, family, now))
      return true;
    lose_first (self, family, error == EINVAL ? FZ_SEND_ERROR_OTHER : FZ_SEND_ERROR_UNREACHABLE);
    return true;
  case EIO:
  case EMSGSIZE:
    if (!demoted (self, family, now))
      lose_first (self, family, error == EIO ? FZ_SEND_ERROR_OTHER : FZ_SEND_ERROR_TOO_LARGE);
    return true;
  case ENOBUFS:
  case ENOMEM:
    lose_first (self, family, FZ_SEND_ERROR_NO_BUFFER);
    return true;
  case ECONNREFUSED: /* an earlier datagram's ICMP answer, delivered here */
    if ((*pending)++ < PENDING_ERRORS)
      return true;
    lose_first (self, family, FZ_SEND_ERROR_OTHER);
    return true;
  case ENETUNREACH: /* what IPv4 says to a source address that is not ours */
    if (gave_up_source (self, outlet, now))
      return true;
    outlet->bad_source_until = 0; /* it was not the source */
    lose_first (self, family, FZ_SEND_ERROR_UNREACHABLE);
    report_unreachable (self, now);
    return true;
  case EHOSTUNREACH:
  case ENETDOWN:
  case EPERM:
  case EACCES:
    lose_first (self, family, FZ_SEND_ERROR_UNREACHABLE);
    report_unreachable (self, now);
    return true;
  default:
    lose_first (self, family, FZ_SEND_ERROR_OTHER);
    return true;
  }
}

static void
account (FzUdpSender *self, FzUdpFamily family, unsigned sent, unsigned offered)
{
  FzSendCounters *counters = &self->counters[family];
  uint64_t datagrams = 0, bytes = 0;

  for (unsigned i = 0; i < sent; i++) {
    datagrams += self->plans[i].n_datagrams;
    bytes += self->plans[i].length;
  }
  self->outlets[family].cursor = self->plans[sent - 1].after;
  count (&counters->messages, sent);
  count (&counters->datagrams, datagrams);
  count (&counters->bytes, bytes);
  /* Without sendmmsg one at a time is all we ask for. */
  if (sent < offered && self->has_sendmmsg)
    count (&counters->partial, 1);
}

static void
lose_rest (FzUdpSender *self, FzUdpFamily family, FzSendError why)
{
  Outlet *outlet = &self->outlets[family];

  while (settle (self, family, &outlet->cursor)) {
    lay_out (self, family, 0, outlet->cursor);
    lose_first (self, family, why);
  }
}

static void
forget_old_refusals (Outlet *outlet, FzInstant now)
{
  if (outlet->no_segments_until != 0 && now >= outlet->no_segments_until)
    outlet->no_segments_until = 0;
  if (outlet->bad_source_until != 0 && now >= outlet->bad_source_until)
    outlet->bad_source_until = 0;
}

static bool
flush_family (FzUdpSender *self, FzUdpFamily family, FzInstant now)
{
  Outlet *outlet = &self->outlets[family];
  int fd = self->pair->sockets[family].fd;
  unsigned pending = 0, n;

  outlet->is_blocked = false;
  if (fd < 0) {
    lose_rest (self, family, FZ_SEND_ERROR_NO_SOCKET);
    return true;
  }
  forget_old_refusals (outlet, now);
  while ((n = lay_out_batch (self, family)) > 0) {
    int sent = send_batch (self, fd, n);

    count (&self->counters[family].calls, 1);
    if (sent > 0) {
      account (self, family, (unsigned) sent, n);
    } else if (!handle_error (self, family, sent < 0 ? errno : EAGAIN, &pending, now)) {
      outlet->is_blocked = true;
      return false;
    }
  }
  return true;
}

/* -- public -- */

FzUdpSender *
fz_udp_sender_new (const FzIo *io)
{
  FzUdpSender *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->io = io;
  self->has_sendmmsg = true;
  return self;
}

void
fz_udp_sender_free (FzUdpSender *self)
{
  free (self);
}

void
fz_udp_sender_set_sockets (FzUdpSender *self, const FzUdpPair *pair)
{
  self->pair = pair;
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++)
    self->outlets[i] = (Outlet){ .cursor = self->outlets[i].cursor };
}

void
fz_udp_sender_start (FzUdpSender *self, const FzTrain *trains, size_t n_trains)
{
  self->trains = trains;
  self->n_trains = n_trains;
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    assert (!self->outlets[i].is_blocked);
    self->outlets[i].cursor = (Cursor){ 0 };
  }
}

bool
fz_udp_sender_flush (FzUdpSender *self, FzInstant now)
{
  bool v4_done = flush_family (self, FZ_UDP_V4, now);
  bool v6_done = flush_family (self, FZ_UDP_V6, now);

  if (v4_done && v6_done)
    self->n_trains = 0;
  return v4_done && v6_done;
}

bool
fz_udp_sender_is_blocked (const FzUdpSender *self, FzUdpFamily family)
{
  return self->outlets[family].is_blocked;
}

void
fz_udp_sender_abandon (FzUdpSender *self)
{
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    lose_rest (self, (FzUdpFamily) i, FZ_SEND_ERROR_NO_BUFFER);
    self->outlets[i].is_blocked = false;
  }
  self->n_trains = 0;
}

void
fz_udp_sender_recall (FzUdpSender *self)
{
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++)
    self->outlets[i].is_blocked = false;
  self->n_trains = 0;
}

unsigned
fz_udp_sender_take_reports (FzUdpSender *self)
{
  unsigned reports = self->reports;

  self->reports = 0;
  return reports;
}

const FzSendCounters *
fz_udp_sender_get_counters (const FzUdpSender *self, FzUdpFamily family)
{
  return &self->counters[family];
}
