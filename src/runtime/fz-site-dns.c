/* fz-site-dns.c: see the header */

#include "src/runtime/fz-site-dns.h"

#include "src/engine/fz-dns-message.h"
#include "src/runtime/fz-dns-carrier.h"
#include "src/runtime/fz-site-shares.h"
#include "src/runtime/fz-udp-socket.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX  2u
#define QUESTION_MAX 2000u
#define RESOLV_CONF  "/etc/resolv.conf"

typedef struct {
  FzSiteDns *site;
  uint32_t id;
  int fd; /* of the socket it came to; borrowed */
  FzSocketAddress client;
  GBytes *message;
  guint timeout_id;
  FzSitePlace place;
} Question;

typedef struct {
  int fd; /* -1: none */
  guint watch_id;
} Socket;

struct FzSiteDns {
  char *device;
  char *resolv_conf;
  FzLog log;
  Socket sockets[SOCKETS_MAX];
  FzDnsCarrier *carrier;
  GHashTable *questions; /* by id */
  FzSiteShares *shares;
  uint32_t last_id;
  FzSiteDnsCounts counts;
};

static void
free_question (void *data)
{
  Question *question = data;

  fz_site_shares_leave (question->site->shares, &question->place);
  g_clear_handle_id (&question->timeout_id, g_source_remove);
  g_bytes_unref (question->message);
  g_free (question);
}

/* Before its answer has come. */
static void
give_up (Question *question)
{
  FzSiteDns *self = question->site;

  fz_dns_carrier_forget (self->carrier, question->id);
  g_hash_table_remove (self->questions, GUINT_TO_POINTER (question->id));
}

/* -- answers -- */

static void
send_reply (const Question *question, const uint8_t *message, size_t length)
{
  uint8_t cut[FZ_SITE_DNS_ANSWER_MAX];
  struct sockaddr_storage address;
  socklen_t address_length = fz_udp_address_to_kernel (&question->client, &address);

  if (length > sizeof cut) {
    length = fz_dns_message_cut (fz_span (message, length), cut, sizeof cut);
    message = cut;
  }
  if (length == 0)
    return;
  sendto (question->fd, message, length, 0, (struct sockaddr *) &address, address_length);
}

static void
send_failure (const Question *question)
{
  uint8_t out[FZ_SITE_DNS_ANSWER_MAX];
  gsize length;
  const void *data = g_bytes_get_data (question->message, &length);

  send_reply (
      question, out, fz_dns_message_write_failure (fz_span (data, length), out, sizeof out));
}

static void
on_answer (uint32_t id, const uint8_t *message, size_t length, gpointer user_data)
{
  FzSiteDns *self = user_data;
  Question *question = g_hash_table_lookup (self->questions, GUINT_TO_POINTER (id));

  if (question == NULL)
    return;
  if (length > 0)
    send_reply (question, message, length);
  else
    send_failure (question);
  g_hash_table_remove (self->questions, GUINT_TO_POINTER (id));
}

static gboolean
on_timeout (gpointer data)
{
  Question *question = data;

  question->timeout_id = 0;
  send_failure (question);
  give_up (question);
  return G_SOURCE_REMOVE;
}

/* -- questions -- */

/* The first one; read anew for each question, for it changes with the network. */
static bool
find_nameserver (const FzSiteDns *self, FzSocketAddress *out)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (self->resolv_conf, &text, NULL, NULL))
    return false;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_auto (GStrv) words = g_strsplit_set (g_strstrip (*line), " \t", 3);

    if (words[0] != NULL && words[1] != NULL && strcmp (words[0], "nameserver") == 0 &&
        fz_ip_parse (words[1], &out->ip)) {
      out->port = FZ_DNS_PORT;
      return true;
    }
  }
  return false;
}

static Question *
find_place (FzSiteDns *self, const FzSocketAddress *client)
{
  Question *question = g_new0 (Question, 1);
  void *gone;

  if (!fz_site_shares_take (self->shares, &question->place, &client->ip, question, &gone)) {
    self->counts.n_dropped++;
    g_free (question);
    return NULL;
  }
  if (gone != NULL) {
    self->counts.n_dropped++;
    give_up (gone);
  }
  self->counts.n_asked++;
  question->site = self;
  question->client = *client;
  return question;
}

static void
ask (FzSiteDns *self, int fd, const FzSocketAddress *client, const uint8_t *message, size_t length)
{
  FzEvent event = { .kind = FZ_EVENT_DNS_QUERY,
                    .dns_query = { .message = message, .length = length } };
  Question *question;
  FzDnsQuery query;

  if (fz_dns_parse_query (fz_span (message, length), &query) != FZ_DROP_NONE)
    return;
  question = find_place (self, client);
  if (question == NULL)
    return;
  question->fd = fd;
  do
    question->id = ++self->last_id;
  while (g_hash_table_contains (self->questions, GUINT_TO_POINTER (question->id)));
  question->message = g_bytes_new (message, length);
  question->timeout_id = g_timeout_add_seconds (FZ_SITE_DNS_TIMEOUT_S, on_timeout, question);
  g_hash_table_insert (self->questions, GUINT_TO_POINTER (question->id), question);
  event.dns_query.id = question->id;
  find_nameserver (self, &event.dns_query.server); /* without one the carrier fails */
  fz_dns_carrier_ask (self->carrier, &event);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  struct sockaddr_storage address;
  socklen_t address_length = sizeof address;
  uint8_t message[QUESTION_MAX];
  FzSocketAddress client;
  ssize_t length =
      recvfrom (fd, message, sizeof message, 0, (struct sockaddr *) &address, &address_length);

  if (length > 0 && fz_udp_address_from_kernel (&address, address_length, &client))
    ask (data, fd, &client, message, (size_t) length);
  return G_SOURCE_CONTINUE;
}

/* -- sockets -- */

static void
close_sockets (FzSiteDns *self)
{
  g_hash_table_remove_all (self->questions); /* they point to them */
  fz_dns_carrier_reset (self->carrier);
  for (size_t i = 0; i < SOCKETS_MAX; i++) {
    g_clear_handle_id (&self->sockets[i].watch_id, g_source_remove);
    if (self->sockets[i].fd >= 0)
      close (self->sockets[i].fd);
    self->sockets[i].fd = -1;
  }
}

/* -1 with errno */
static int
open_socket (const FzSiteDns *self, const FzSocketAddress *local)
{
  struct sockaddr_storage address;
  socklen_t length = fz_udp_address_to_kernel (local, &address);
  int fd = socket (address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int saved;

  if (fd < 0)
    return -1;
  if ((self->device == NULL ||
       setsockopt (
           fd, SOL_SOCKET, SO_BINDTODEVICE, self->device, (socklen_t) strlen (self->device) + 1) ==
           0) &&
      bind (fd, (struct sockaddr *) &address, length) == 0)
    return fd;
  saved = errno;
  close (fd);
  errno = saved;
  return -1;
}

void
fz_site_dns_listen (FzSiteDns *self, const FzIp *ips, size_t n_ips, uint16_t port)
{
  close_sockets (self);
  for (size_t i = 0; i < MIN (n_ips, SOCKETS_MAX); i++) {
    FzSocketAddress local = { ips[i], port };
    Socket *socket = &self->sockets[i];

    if (ips[i].family == FZ_IP_NONE)
      continue;
    socket->fd = open_socket (self, &local);
    if (socket->fd >= 0)
      socket->watch_id = g_unix_fd_add (socket->fd, G_IO_IN, on_readable, self);
    else
      fz_log (&self->log,
              FZ_LOG_WARNING,
              "site-dns-failed",
              "clients cannot ask this gateway's resolver: the address cannot be bound",
              FZ_KV_SOCKET ("address", &local),
              FZ_KV_TEXT ("error", g_strerror (errno)));
  }
}

FzSiteDns *
fz_site_dns_new (const char *device, const char *resolv_conf, const FzLog *log)
{
  FzSiteDns *self = g_new0 (FzSiteDns, 1);

  self->device = g_strdup (device);
  self->resolv_conf = g_strdup (resolv_conf != NULL ? resolv_conf : RESOLV_CONF);
  self->log = *log;
  self->carrier = fz_dns_carrier_new (false, on_answer, self);
  self->questions = g_hash_table_new_full (NULL, NULL, NULL, free_question);
  self->shares = fz_site_shares_new (FZ_SITE_DNS_QUESTIONS_MAX, FZ_SITE_DNS_OF_CLIENT_MAX);
  for (size_t i = 0; i < SOCKETS_MAX; i++)
    self->sockets[i].fd = -1;
  return self;
}

void
fz_site_dns_free (FzSiteDns *self)
{
  if (self == NULL)
    return;
  close_sockets (self);
  g_hash_table_unref (self->questions);
  fz_site_shares_free (self->shares);
  fz_dns_carrier_free (self->carrier);
  g_free (self->resolv_conf);
  g_free (self->device);
  g_free (self);
}

FzSiteDnsCounts
fz_site_dns_get_counts (const FzSiteDns *self)
{
  return self->counts;
}
