/* fz-udp-receive.c: see the header */

#include "src/runtime/fz-udp-receive.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_RXQ_OVFL
#define SO_RXQ_OVFL 40
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define ERRORS_IN_A_ROW 16u /* pending ICMP errors taken before we look elsewhere */
#define BACK_OFF_NS     FZ_MS
#define SOJOURN_MAX_NS  FZ_S /* longer, or negative: the wall clock was set */

#define CONTROL_BYTES                                                                              \
  (CMSG_SPACE (sizeof (struct in6_pktinfo)) + CMSG_SPACE (sizeof (struct timespec)) +              \
   3 * CMSG_SPACE (sizeof (int)) + 64)

struct FzUdpReceiver {
  const FzIo *io;
  const FzUdpPair *pair;
  bool has_recvmmsg;
  uint64_t cookies[FZ_N_UDP_FAMILIES];    /* tell sockets apart; 0: none */
  uint32_t overflowed[FZ_N_UDP_FAMILIES]; /* the kernel's running number of that socket */
  FzReceiveCounters counters[FZ_N_UDP_FAMILIES];
  uint8_t *memory;  /* FZ_RX_BATCH buffers */
  uint64_t unix_ns; /* when the batch was received: the kernel stamps by the wall clock */

  struct mmsghdr messages[FZ_RX_BATCH];
  struct iovec pieces[FZ_RX_BATCH];
  struct sockaddr_storage names[FZ_RX_BATCH];
  _Alignas(struct cmsghdr) uint8_t control[FZ_RX_BATCH][CONTROL_BYTES];
};

static void
count (_Atomic uint64_t *counter, uint64_t n)
{
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static uint64_t
unix_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return (uint64_t) now.tv_sec * FZ_S + (uint64_t) now.tv_nsec;
}

/* Lengths are in-and-out: what the last call left there would hide control messages. */
static void
reset_messages (FzUdpReceiver *self, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    self->messages[i].msg_hdr.msg_namelen = sizeof self->names[i];
    self->messages[i].msg_hdr.msg_controllen = sizeof self->control[i];
    self->messages[i].msg_hdr.msg_flags = 0;
    self->messages[i].msg_len = 0;
  }
}

static int
receive_batch (FzUdpReceiver *self, int fd)
{
  int n;

  if (self->has_recvmmsg) {
    reset_messages (self, FZ_RX_BATCH);
    n = self->io->recvmmsg (self->io->context, fd, self->messages, FZ_RX_BATCH, MSG_DONTWAIT);
    if (n >= 0 || errno != ENOSYS)
      return n;
    self->has_recvmmsg = false;
  }
  reset_messages (self, 1);
  n = (int) self->io->recvmsg (self->io->context, fd, &self->messages[0].msg_hdr, MSG_DONTWAIT);
  if (n < 0)
    return -1;
  self->messages[0].msg_len = (unsigned) n;
  return 1;
}

/* -- one message -- */

static int
int_of (const struct cmsghdr *at)
{
  int value = 0;

  if (at->cmsg_len >= CMSG_LEN (sizeof value))
    memcpy (&value, CMSG_DATA (at), sizeof value);
  else if (at->cmsg_len >= CMSG_LEN (1))
    value = *CMSG_DATA (at); /* IP_TOS comes as one byte */
  return value;
}

static void
note_overflow (FzUdpReceiver *self, FzUdpFamily family, uint32_t total)
{
  count (&self->counters[family].overflowed, (uint32_t) (total - self->overflowed[family]));
  self->overflowed[family] = total;
}

static uint64_t
sojourn_of (const FzUdpReceiver *self, const struct cmsghdr *at)
{
  struct timespec stamp;
  uint64_t sojourn;

  memcpy (&stamp, CMSG_DATA (at), sizeof stamp);
  sojourn =
      fz_instant_since ((uint64_t) stamp.tv_sec * FZ_S + (uint64_t) stamp.tv_nsec, self->unix_ns);
  return sojourn <= SOJOURN_MAX_NS ? sojourn : 0;
}

static void
read_control (FzUdpReceiver *self, FzUdpFamily family, const struct cmsghdr *at, FzUdpBuffer *out)
{
  if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
    struct in_pktinfo info;

    memcpy (&info, CMSG_DATA (at), sizeof info);
    out->to.ip = fz_ip_v4 ((const uint8_t *) &info.ipi_addr);
  } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
    struct in6_pktinfo info;

    memcpy (&info, CMSG_DATA (at), sizeof info);
    out->to.ip = fz_ip_v6 (info.ipi6_addr.s6_addr);
  } else if ((at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) ||
             (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS)) {
    out->ecn = (uint8_t) (int_of (at) & 3);
  } else if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
    out->stride = (uint16_t) int_of (at);
  } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
    note_overflow (self, family, (uint32_t) int_of (at));
  } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_TIMESTAMPNS) {
    out->sojourn_ns = sojourn_of (self, at);
  }
}

static void
account (FzReceiveCounters *counters, const FzUdpBuffer *buffer)
{
  uint32_t n = 1;

  if (buffer->stride != 0 && buffer->stride < buffer->length)
    n = (buffer->length + buffer->stride - 1) / buffer->stride;
  count (&counters->buffers, 1);
  count (&counters->datagrams, n);
  count (&counters->bytes, buffer->length);
  count (&counters->lengths[n < 2 ? 0 : n < 5 ? 1 : n < 17 ? 2 : n < 33 ? 3 : 4], 1);
}

/* False if the message is of no use. */
static bool
take_message (FzUdpReceiver *self, FzUdpFamily family, unsigned i, FzUdpBuffer *out)
{
  struct msghdr *header = &self->messages[i].msg_hdr;
  FzUdpBuffer buffer = { .data = self->pieces[i].iov_base, .length = self->messages[i].msg_len };

  for (struct cmsghdr *at = CMSG_FIRSTHDR (header); at != NULL; at = CMSG_NXTHDR (header, at))
    read_control (self, family, at, &buffer);
  if ((header->msg_flags & MSG_TRUNC) != 0) {
    count (&self->counters[family].truncated, 1);
    return false;
  }
  if (buffer.to.ip.family == FZ_IP_NONE ||
      !fz_udp_address_from_kernel (&self->names[i], header->msg_namelen, &buffer.from)) {
    count (&self->counters[family].no_address, 1);
    return false;
  }
  buffer.to.port = self->pair->sockets[family].port;
  account (&self->counters[family], &buffer);
  *out = buffer;
  return true;
}

/* -- public -- */

FzUdpReceiver *
fz_udp_receiver_new (const FzIo *io)
{
  FzUdpReceiver *self = calloc (1, sizeof *self);

  if (self == NULL || (self->memory = malloc (FZ_RX_BATCH * FZ_RECEIVE_BYTES)) == NULL)
    abort ();
  self->io = io;
  self->has_recvmmsg = true;
  for (unsigned i = 0; i < FZ_RX_BATCH; i++) {
    self->pieces[i] =
        (struct iovec){ self->memory + (size_t) i * FZ_RECEIVE_BYTES, FZ_RECEIVE_BYTES };
    self->messages[i].msg_hdr = (struct msghdr){
      .msg_name = &self->names[i],
      .msg_iov = &self->pieces[i],
      .msg_iovlen = 1,
      .msg_control = self->control[i],
    };
  }
  return self;
}

void
fz_udp_receiver_free (FzUdpReceiver *self)
{
  if (self == NULL)
    return;
  free (self->memory);
  free (self);
}

static uint64_t
cookie_of (int fd)
{
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;

  if (fd < 0 || getsockopt (fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0)
    return 0;
  return cookie;
}

/* A lane that only gets a new device keeps its sockets: what they have lost is counted already. */
void
fz_udp_receiver_set_sockets (FzUdpReceiver *self, const FzUdpPair *pair)
{
  self->pair = pair;
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    uint64_t cookie = cookie_of (pair->sockets[i].fd);

    if (cookie == 0 || cookie != self->cookies[i])
      self->overflowed[i] = 0;
    self->cookies[i] = cookie;
  }
}

size_t
fz_udp_receiver_receive (FzUdpReceiver *self,
                         FzUdpFamily family,
                         FzUdpBuffer *out,
                         bool *out_is_drained)
{
  int fd = self->pair->sockets[family].fd, n = -1;
  size_t n_out = 0;

  for (unsigned tries = 0; n < 0 && fd >= 0 && tries < ERRORS_IN_A_ROW; tries++) {
    n = receive_batch (self, fd);
    count (&self->counters[family].calls, 1);
    if (n < 0 && errno == EAGAIN)
      break;
    if (n < 0 && errno != EINTR)
      fz_errno_counters_add (&self->counters[family].errors,
                             errno); /* mostly ECONNREFUSED: ICMP for an earlier datagram */
    if (n < 0 && tries == ERRORS_IN_A_ROW - 1)
      nanosleep (&(struct timespec){ .tv_nsec = BACK_OFF_NS }, NULL); /* never a spinning loop */
  }
  self->unix_ns = n > 0 ? unix_now () : 0;
  for (int i = 0; i < n; i++)
    n_out += take_message (self, family, (unsigned) i, &out[n_out]);
  *out_is_drained = n < (int) (self->has_recvmmsg ? FZ_RX_BATCH : 1);
  return n_out;
}

const FzReceiveCounters *
fz_udp_receiver_get_counters (const FzUdpReceiver *self, FzUdpFamily family)
{
  return &self->counters[family];
}
