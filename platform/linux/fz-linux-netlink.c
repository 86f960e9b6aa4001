/* fz-linux-netlink.c: see the header */

#include "platform/linux/fz-linux-netlink.h"

#include <errno.h>
#include <glib.h>
#include <linux/netlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define RECEIVE_BYTES   65536u /* the kernel's dumps come in 32 KiB at most */
#define ANSWER_WAIT_S   5      /* the kernel answers at once; this is for bugs */
#define DUMP_TRIES_MAX  5      /* then what we have is taken as it is */
#define MESSAGE_BYTES   4096u
#define BATCH_BYTES_MAX (FZ_NETLINK_BATCH_MAX * MESSAGE_BYTES)

int
fz_netlink_open (FzNetlink *self, int protocol)
{
  const struct timeval wait = { .tv_sec = ANSWER_WAIT_S };
  const int on = 1;
  int fd;

  if (self->socket != NULL)
    return 0;
  self->socket = nl_socket_alloc ();
  g_assert (self->socket != NULL);
  self->protocol = protocol;
  errno = 0;
  if (nl_connect (self->socket, protocol) != 0) {
    int error_number = errno != 0 ? errno : EPROTONOSUPPORT;

    fz_netlink_close (self);
    return -error_number;
  }
  nl_socket_disable_auto_ack (self->socket); /* each message says for itself */
  fd = nl_socket_get_fd (self->socket);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  if (protocol == NETLINK_ROUTE) /* dumps filtered by the kernel; they are filtered here as well */
    setsockopt (fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return 0;
}

void
fz_netlink_close (FzNetlink *self)
{
  nl_socket_free (self->socket); /* accepts NULL */
  self->socket = NULL;
}

struct nl_msg *
fz_netlink_message_new (int type, int flags, const void *header, size_t size)
{
  struct nl_msg *message = nlmsg_alloc_size (MESSAGE_BYTES);

  g_assert (message != NULL);
  nlmsg_put (message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, NLM_F_REQUEST | flags);
  g_assert (nlmsg_append (message, (void *) header, size, NLMSG_ALIGNTO) == 0);
  return message;
}

void
fz_netlink_put (struct nl_msg *message, int type, const void *data, size_t size)
{
  g_assert (nla_put (message, type, (int) size, data) == 0);
}

void
fz_netlink_put_u32 (struct nl_msg *message, int type, uint32_t value)
{
  fz_netlink_put (message, type, &value, sizeof value);
}

static int
send_message (FzNetlink *self, struct nl_msg *message, int flags, uint32_t *out_sequence)
{
  const struct nlmsghdr *header = nlmsg_hdr (message);
  ssize_t sent;

  nlmsg_hdr (message)->nlmsg_flags |= (uint16_t) flags;
  nl_complete_msg (self->socket, message);
  *out_sequence = header->nlmsg_seq;
  do
    sent = send (nl_socket_get_fd (self->socket), header, header->nlmsg_len, 0);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

static ssize_t
receive (FzNetlink *self, void *buffer)
{
  ssize_t n;

  do
    n = recv (nl_socket_get_fd (self->socket), buffer, RECEIVE_BYTES, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN ? -ETIMEDOUT : -errno;
  return n;
}

static int
error_of (const struct nlmsghdr *header)
{
  const struct nlmsgerr *answer = NLMSG_DATA (header);

  if (header->nlmsg_len < NLMSG_LENGTH (sizeof *answer))
    return -EBADMSG;
  return answer->error;
}

/* Hands the messages of one sequence number to @func until it is through; 0 or a negative errno.
 * @out_was_interrupted: (optional): whether the kernel's table changed meanwhile */
static int
receive_answers (FzNetlink *self,
                 uint32_t sequence,
                 FzNetlinkFunc func,
                 void *user_data,
                 bool *out_was_interrupted)
{
  g_autofree uint8_t *buffer = g_malloc (RECEIVE_BYTES);

  for (;;) {
    ssize_t received = receive (self, buffer);
    int left = (int) received;

    if (received < 0)
      return (int) received;
    for (struct nlmsghdr *header = (struct nlmsghdr *) (void *) buffer; nlmsg_ok (header, left);
         header = nlmsg_next (header, &left)) {
      if (header->nlmsg_seq != sequence)
        continue; /* what an earlier request left unread */
      if (out_was_interrupted != NULL && (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
        *out_was_interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR)
        return error_of (header);
      if (header->nlmsg_type == NLMSG_DONE) /* carries a dump's error */
        return header->nlmsg_len >= NLMSG_LENGTH (sizeof (int)) ? *(int *) NLMSG_DATA (header) : 0;
      if (func != NULL)
        func (header, user_data);
    }
  }
}

int
fz_netlink_request (FzNetlink *self, struct nl_msg *message)
{
  uint32_t sequence;
  int result = send_message (self, message, NLM_F_ACK, &sequence);

  if (result == 0)
    result = receive_answers (self, sequence, NULL, NULL, NULL);
  nlmsg_free (message);
  return result;
}

int
fz_netlink_dump (FzNetlink *self,
                 struct nl_msg *message,
                 FzNetlinkFunc func,
                 void (*restart) (void *user_data),
                 void *user_data)
{
  int result = 0;

  for (int i = 0; i < DUMP_TRIES_MAX; i++) {
    bool was_interrupted = false;
    uint32_t sequence;

    if (i > 0 && restart != NULL)
      restart (user_data);
    nlmsg_hdr (message)->nlmsg_seq = NL_AUTO_SEQ;
    result = send_message (self, message, NLM_F_DUMP, &sequence);
    if (result == 0)
      result = receive_answers (self, sequence, func, user_data, &was_interrupted);
    if (result != 0 || !was_interrupted)
      break;
  }
  nlmsg_free (message);
  return result;
}

/* Collects the acknowledgements of the sequence numbers from @first on. The kernel answers a batch
 * that it does not take at all with an error for its first message alone. */
static int
receive_batch_answers (FzNetlink *self, uint32_t first, size_t n)
{
  g_autofree uint8_t *buffer = g_malloc (RECEIVE_BYTES);
  size_t n_expected = n - 2; /* begin and end are not acknowledged */
  int result = 0;

  for (size_t n_answers = 0; n_answers < n_expected;) {
    ssize_t received = receive (self, buffer);
    int left = (int) received;

    if (received < 0)
      return (int) received;
    for (struct nlmsghdr *header = (struct nlmsghdr *) (void *) buffer; nlmsg_ok (header, left);
         header = nlmsg_next (header, &left)) {
      if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq - first >= n)
        continue;
      if (result == 0)
        result = error_of (header);
      if (header->nlmsg_seq == first && result != 0)
        return result;
      n_answers++;
    }
  }
  return result;
}

int
fz_netlink_batch (FzNetlink *self, struct nl_msg *const messages[], size_t n)
{
  g_autoptr (GByteArray) datagram = g_byte_array_new ();
  uint32_t first = 0;
  ssize_t sent;

  g_assert (n > 2 && n <= FZ_NETLINK_BATCH_MAX);
  for (size_t i = 0; i < n; i++) {
    static const uint8_t padding[NLMSG_ALIGNTO];
    struct nlmsghdr *header = nlmsg_hdr (messages[i]);

    if (i > 0 && i < n - 1)
      header->nlmsg_flags |= NLM_F_ACK;
    nl_complete_msg (self->socket, messages[i]);
    if (i == 0)
      first = header->nlmsg_seq;
    g_byte_array_append (datagram, (const uint8_t *) header, header->nlmsg_len);
    g_byte_array_append (datagram, padding, NLMSG_ALIGN (header->nlmsg_len) - header->nlmsg_len);
    nlmsg_free (messages[i]);
  }
  g_assert (datagram->len <= BATCH_BYTES_MAX);

  do
    sent = send (nl_socket_get_fd (self->socket), datagram->data, datagram->len, 0);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : receive_batch_answers (self, first, n);
}
