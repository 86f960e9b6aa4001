/* fz-dns-carrier.c: see the header
 *
 * A question is a socket and two sources: one for the answer, one for the end
 * of patience. A question that cannot be sent has an idle source instead, for
 * its failure must not be told from within the asking.
 */

#include "src/runtime/fz-dns-carrier.h"

#include "platform/fz-platform.h"
#include "src/base/fz-bytes.h"
#include "src/engine/fz-dns-message.h"
#include "src/engine/fz-limits.h"
#include "src/runtime/fz-udp-socket.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 65535u

typedef struct {
  FzDnsCarrier *carrier;
  uint32_t id;
  GBytes *message;
  int fd;           /* -1: none */
  guint watch_id;   /* for the answer; or the idle source that tells of a failure */
  guint timeout_id; /* 0: none */
} Question;

struct FzDnsCarrier {
  bool is_marked;
  FzDnsCarrierFunc func;
  gpointer user_data;
  GHashTable *questions; /* of Question, to itself */
  uint8_t buffer[ANSWER_MAX];
};

static void
free_question (void *data)
{
  Question *question = data;

  g_clear_handle_id (&question->watch_id, g_source_remove);
  g_clear_handle_id (&question->timeout_id, g_source_remove);
  if (question->fd >= 0)
    close (question->fd);
  g_bytes_unref (question->message);
  g_free (question);
}

FzDnsCarrier *
fz_dns_carrier_new (bool is_marked, FzDnsCarrierFunc func, gpointer user_data)
{
  FzDnsCarrier *self = g_new0 (FzDnsCarrier, 1);

  self->is_marked = is_marked;
  self->func = func;
  self->user_data = user_data;
  self->questions = g_hash_table_new_full (NULL, NULL, NULL, free_question);
  return self;
}

void
fz_dns_carrier_free (FzDnsCarrier *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->questions);
  g_free (self);
}

void
fz_dns_carrier_reset (FzDnsCarrier *self)
{
  g_hash_table_remove_all (self->questions);
}

static gboolean
has_id (gpointer key, gpointer value, gpointer id)
{
  return ((const Question *) value)->id == GPOINTER_TO_UINT (id);
}

void
fz_dns_carrier_forget (FzDnsCarrier *self, uint32_t id)
{
  g_hash_table_foreach_remove (self->questions, has_id, GUINT_TO_POINTER (id));
}

/* Its sources end with it, also the one that calls this. */
static void
end_question (Question *question, size_t length)
{
  FzDnsCarrier *self = question->carrier;
  uint32_t id = question->id;

  g_hash_table_remove (self->questions, question);
  self->func (id, self->buffer, length, self->user_data);
}

/* Whoever only guesses the port must not end the question either. */
static bool
is_answer (const Question *question, FzSpan message)
{
  gsize length;
  const void *data = g_bytes_get_data (question->message, &length);
  FzDnsReply reply;

  return length >= FZ_DNS_HEADER_SIZE && fz_dns_parse_reply (message, &reply) == FZ_DROP_NONE &&
         reply.id == fz_get_u16be (data) &&
         fz_dns_is_reply_to (message, &reply, fz_span (data, length));
}

static gboolean
on_answer (int fd, GIOCondition condition, gpointer data)
{
  Question *question = data;
  ssize_t length = recv (fd, question->carrier->buffer, ANSWER_MAX, 0);

  if (length < 0 ? errno == EAGAIN || errno == EINTR
                 : !is_answer (question, fz_span (question->carrier->buffer, (size_t) length)))
    return G_SOURCE_CONTINUE;
  end_question (question, length > 0 ? (size_t) length : 0);
  return G_SOURCE_REMOVE;
}

static gboolean
on_failure (gpointer data)
{
  end_question (data, 0);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer data)
{
  Question *question = data;

  g_hash_table_remove (question->carrier->questions, question);
  return G_SOURCE_REMOVE;
}

static bool
mark (const FzDnsCarrier *self, int fd)
{
  int value = (int) FZ_FWMARK;

  return !self->is_marked || setsockopt (fd, SOL_SOCKET, SO_MARK, &value, sizeof value) == 0;
}

/* Leaves the socket in @question, also when it was of no use. */
static bool
send_question (FzDnsCarrier *self, Question *question, const FzEvent *event)
{
  const FzSocketAddress *server = &event->dns_query.server;
  struct sockaddr_storage address;
  socklen_t length;

  if (server->ip.family == FZ_IP_NONE || event->dns_query.is_tcp)
    return false; /* HTTPS and TCP are not carried */
  length = fz_udp_address_to_kernel (server, &address);
  question->fd = socket (address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return question->fd >= 0 && mark (self, question->fd) &&
         connect (question->fd, (struct sockaddr *) &address, length) == 0 &&
         send (question->fd, event->dns_query.message, event->dns_query.length, 0) ==
             (ssize_t) event->dns_query.length;
}

void
fz_dns_carrier_ask (FzDnsCarrier *self, const FzEvent *event)
{
  Question *question;

  if (g_hash_table_size (self->questions) >= FZ_DNS_CARRIER_MAX)
    return;
  question = g_new0 (Question, 1);
  *question = (Question){ .carrier = self, .id = event->dns_query.id, .fd = -1 };
  question->message = g_bytes_new (event->dns_query.message, event->dns_query.length);
  g_hash_table_add (self->questions, question);
  if (!send_question (self, question, event)) {
    question->watch_id = g_idle_add (on_failure, question);
    return;
  }
  question->watch_id =
      g_unix_fd_add (question->fd, G_IO_IN | G_IO_ERR | G_IO_HUP, on_answer, question);
  question->timeout_id = g_timeout_add_seconds (FZ_DNS_QUERY_S, on_timeout, question);
}
