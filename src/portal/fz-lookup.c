/* fz-lookup.c
 *
 * Two questions (A, AAAA), each with a socket of its own for the resolver that is being
 * asked. A question that hears nothing, or an error, goes on to the next
 * resolver; "no such name" and "no such record" are answers. The lookup ends when
 * both have ended.
 */
#include "src/portal/fz-lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_MAX     1232u /* as we announce it: no fragments */
#define IPS_MAX     16u
#define LENGTH_SIZE 2u /* in front of a message over TCP */

typedef struct {
  FzLookup *lookup;
  ldns_rr_type type;
  size_t i_resolver;
  bool is_done;
  bool is_tcp;
  bool has_sent; /* TCP */
  int fd;        /* -1: none */
  guint source_id;
  guint limit_id;
  uint16_t id;
  uint8_t *wire; /* the question; of ldns */
  size_t wire_length;
  GByteArray *in; /* TCP */
} Question;

struct FzLookup {
  FzLookupFunc func; /* NULL: told */
  gpointer user_data;
  char *name;
  char *hosts;
  FzSocketAddress resolvers[FZ_LOOKUP_RESOLVERS_MAX];
  size_t n_resolvers;
  uint32_t mark;
  FzIp ips[IPS_MAX];
  size_t n_ips;
  bool has_answer; /* some resolver said something about the name */
  Question questions[2];
  guint start_id;
};

/* -- the end -- */

static void
drop_socket (Question *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  g_clear_handle_id (&self->limit_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

static void
tell (FzLookup *self)
{
  FzLookupFunc func = self->func;
  g_autoptr (GError) error = NULL;

  self->func = NULL;
  if (func == NULL)
    return;
  if (self->n_ips == 0 && self->has_answer)
    error =
        g_error_new (G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "%s has no address", self->name);
  else if (self->n_ips == 0)
    error = g_error_new (G_RESOLVER_ERROR,
                         G_RESOLVER_ERROR_TEMPORARY_FAILURE,
                         "none of the machine's own resolvers answers");
  func (self->ips, self->n_ips, error, self->user_data);
}

static void
finish (Question *self)
{
  FzLookup *lookup = self->lookup;

  drop_socket (self);
  self->is_done = true;
  if (lookup->questions[0].is_done && lookup->questions[1].is_done)
    tell (lookup);
}

/* -- answers -- */

static void
add_ip (FzLookup *self, const FzIp *ip)
{
  for (size_t i = 0; i < self->n_ips; i++)
    if (fz_ip_equal (&self->ips[i], ip))
      return;
  if (self->n_ips < IPS_MAX)
    self->ips[self->n_ips++] = *ip;
}

static void
add_records (Question *self, const ldns_pkt *message)
{
  const ldns_rr_list *answers = ldns_pkt_answer (message);
  size_t n = answers != NULL ? ldns_rr_list_rr_count (answers) : 0;

  for (size_t i = 0; i < n; i++) {
    const ldns_rr *record = ldns_rr_list_rr (answers, i);
    const ldns_rdf *data = ldns_rr_rdf (record, 0);
    FzIp ip;

    if (ldns_rr_get_type (record) != self->type || data == NULL)
      continue;
    if (self->type == LDNS_RR_TYPE_A && ldns_rdf_size (data) == 4)
      ip = fz_ip_v4 (ldns_rdf_data (data));
    else if (self->type == LDNS_RR_TYPE_AAAA && ldns_rdf_size (data) == 16)
      ip = fz_ip_v6 (ldns_rdf_data (data));
    else
      continue;
    add_ip (self->lookup, &ip);
  }
}

typedef enum {
  VERDICT_NOT_OURS, /* somebody else's, or garbage: wait on */
  VERDICT_TRUNCATED,
  VERDICT_FAILED, /* this resolver does not know */
  VERDICT_ANSWERED,
} Verdict;

static bool
is_for (const Question *self, const ldns_pkt *message)
{
  const ldns_rr_list *questions = ldns_pkt_question (message);
  const ldns_rr *question;
  ldns_rdf *name;
  bool is_same;

  if (!ldns_pkt_qr (message) || ldns_pkt_id (message) != self->id || questions == NULL ||
      ldns_rr_list_rr_count (questions) != 1)
    return false;
  question = ldns_rr_list_rr (questions, 0);
  name = ldns_dname_new_frm_str (self->lookup->name);
  is_same = name != NULL && ldns_rr_get_type (question) == self->type &&
            ldns_dname_compare (ldns_rr_owner (question), name) == 0;
  ldns_rdf_deep_free (name);
  return is_same;
}

static Verdict
judge (Question *self, const uint8_t *bytes, size_t length)
{
  ldns_pkt *message = NULL;
  Verdict verdict = VERDICT_NOT_OURS;

  if (ldns_wire2pkt (&message, bytes, length) != LDNS_STATUS_OK)
    return VERDICT_NOT_OURS;
  if (!is_for (self, message)) {
    verdict = VERDICT_NOT_OURS;
  } else if (ldns_pkt_tc (message) && !self->is_tcp) {
    verdict = VERDICT_TRUNCATED;
  } else if (ldns_pkt_get_rcode (message) == LDNS_RCODE_NOERROR ||
             ldns_pkt_get_rcode (message) == LDNS_RCODE_NXDOMAIN) {
    add_records (self, message);
    self->lookup->has_answer = true;
    verdict = VERDICT_ANSWERED;
  } else {
    verdict = VERDICT_FAILED;
  }
  ldns_pkt_free (message);
  return verdict;
}

/* -- asking -- */

static void ask (Question *self);

static void
ask_next (Question *self)
{
  drop_socket (self);
  self->is_tcp = false;
  self->i_resolver++;
  ask (self);
}

static gboolean
on_limit (gpointer user_data)
{
  Question *self = user_data;

  self->limit_id = 0;
  ask_next (self);
  return G_SOURCE_REMOVE;
}

static void
act (Question *self, Verdict verdict)
{
  switch (verdict) {
  case VERDICT_NOT_OURS:
    break;
  case VERDICT_TRUNCATED:
    drop_socket (self);
    self->is_tcp = true;
    ask (self);
    break;
  case VERDICT_FAILED:
    ask_next (self);
    break;
  case VERDICT_ANSWERED:
    finish (self);
    break;
  }
}

static void
receive_udp (Question *self)
{
  uint8_t bytes[UDP_MAX];
  ssize_t n = recv (self->fd, bytes, sizeof bytes, MSG_DONTWAIT);

  if (n >= 0)
    act (self, judge (self, bytes, (size_t) n));
  else if (errno != EAGAIN && errno != EINTR)
    ask_next (self);
}

static void
receive_tcp (Question *self)
{
  uint8_t bytes[4096];
  ssize_t n = recv (self->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  size_t length;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n <= 0) {
    ask_next (self);
    return;
  }
  g_byte_array_append (self->in, bytes, (guint) n);
  if (self->in->len < LENGTH_SIZE)
    return;
  length = (size_t) (self->in->data[0] << 8 | self->in->data[1]);
  if (self->in->len < LENGTH_SIZE + length)
    return;
  if (judge (self, self->in->data + LENGTH_SIZE, length) == VERDICT_ANSWERED)
    finish (self);
  else
    ask_next (self);
}

static gboolean on_readable (int fd, GIOCondition condition, gpointer user_data);

/* The question is small: a fresh connection takes it whole. */
static void
send_tcp (Question *self)
{
  uint8_t bytes[LENGTH_SIZE + UDP_MAX];

  if (self->wire_length > UDP_MAX) {
    ask_next (self);
    return;
  }
  bytes[0] = (uint8_t) (self->wire_length >> 8);
  bytes[1] = (uint8_t) self->wire_length;
  memcpy (bytes + LENGTH_SIZE, self->wire, self->wire_length);
  if (send (self->fd, bytes, LENGTH_SIZE + self->wire_length, MSG_NOSIGNAL) !=
      (ssize_t) (LENGTH_SIZE + self->wire_length)) {
    ask_next (self);
    return;
  }
  self->has_sent = true;
  g_clear_handle_id (&self->source_id, g_source_remove);
  self->source_id = g_unix_fd_add (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, self);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  Question *self = user_data;

  (void) fd;
  (void) condition;
  if (!self->is_tcp)
    receive_udp (self);
  else if (self->has_sent)
    receive_tcp (self);
  else
    send_tcp (self);
  return G_SOURCE_CONTINUE; /* where the source is gone meanwhile, this does not bring it back */
}

static socklen_t
fill_address (const FzSocketAddress *address, struct sockaddr_storage *out)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *) (void *) out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) (void *) out;

  memset (out, 0, sizeof *out);
  if (address->ip.family == FZ_IP_V4) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons (address->port);
    memcpy (&v4->sin_addr, address->ip.bytes, 4);
    return sizeof *v4;
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons (address->port);
  memcpy (&v6->sin6_addr, address->ip.bytes, 16);
  return sizeof *v6;
}

static bool
open_socket (Question *self)
{
  const FzSocketAddress *resolver = &self->lookup->resolvers[self->i_resolver];
  struct sockaddr_storage address;
  socklen_t length = fill_address (resolver, &address);
  int kind = self->is_tcp ? SOCK_STREAM : SOCK_DGRAM;
  uint32_t mark = self->lookup->mark;

  self->fd = socket (address.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->fd < 0)
    return false;
  /* Without the right to mark there is no tunnel, either. */
  if (mark != 0 && setsockopt (self->fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0 &&
      errno != EPERM)
    return false;
  return connect (self->fd, (const struct sockaddr *) (const void *) &address, length) == 0 ||
         errno == EINPROGRESS;
}

static void
ask (Question *self)
{
  const FzLookup *lookup = self->lookup;

  for (; self->i_resolver < lookup->n_resolvers; self->i_resolver++, self->is_tcp = false) {
    self->has_sent = false;
    g_byte_array_set_size (self->in, 0);
    if (open_socket (self) &&
        (self->is_tcp || send (self->fd, self->wire, self->wire_length, MSG_NOSIGNAL) ==
                             (ssize_t) self->wire_length)) {
      self->source_id = g_unix_fd_add (
          self->fd, (self->is_tcp ? G_IO_OUT : G_IO_IN) | G_IO_HUP | G_IO_ERR, on_readable, self);
      self->limit_id = g_timeout_add (FZ_LOOKUP_RESOLVER_MS, on_limit, self);
      return;
    }
    drop_socket (self);
  }
  finish (self);
}

/* The identifier is a random one, and so is the port: an answer has to come from who was asked. */
static bool
make_question (Question *self, FzLookup *lookup, ldns_rr_type type)
{
  ldns_pkt *message = NULL;
  bool is_made;

  self->lookup = lookup;
  self->type = type;
  self->fd = -1;
  self->in = g_byte_array_new ();
  if (ldns_pkt_query_new_frm_str (&message, lookup->name, type, LDNS_RR_CLASS_IN, LDNS_RD) !=
      LDNS_STATUS_OK)
    return false;
  ldns_pkt_set_random_id (message);
  ldns_pkt_set_edns_udp_size (message, UDP_MAX);
  self->id = ldns_pkt_id (message);
  is_made = ldns_pkt2wire (&self->wire, message, &self->wire_length) == LDNS_STATUS_OK;
  ldns_pkt_free (message);
  return is_made;
}

/* hosts(5): an address, then names. */
static void
read_hosts (FzLookup *self)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (self->hosts, &text, NULL, NULL))
    return;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_auto (GStrv) words = NULL;
    FzIp ip;

    (*line)[strcspn (*line, "#")] = '\0';
    words = g_strsplit_set (*line, " \t", -1);
    if (words[0] == NULL || !fz_ip_parse (words[0], &ip))
      continue;
    for (char **name = words + 1; *name != NULL; name++)
      if (g_ascii_strcasecmp (*name, self->name) == 0)
        add_ip (self, &ip);
  }
}

static gboolean
on_start (gpointer user_data)
{
  FzLookup *self = user_data;

  self->start_id = 0;
  read_hosts (self);
  if (self->n_ips > 0 || self->questions[0].wire == NULL || self->questions[1].wire == NULL) {
    tell (self);
    return G_SOURCE_REMOVE;
  }
  /* The second may end everything at once, and us with it: then the first has ended before. */
  ask (&self->questions[0]);
  ask (&self->questions[1]);
  return G_SOURCE_REMOVE;
}

FzLookup *
fz_lookup_start (const FzLookupConfig *config, FzLookupFunc func, gpointer user_data)
{
  FzLookup *self = g_new0 (FzLookup, 1);

  self->func = func;
  self->user_data = user_data;
  self->name = g_strdup (config->name);
  self->hosts = g_strdup (config->hosts != NULL ? config->hosts : "/etc/hosts");
  self->mark = config->mark;
  self->n_resolvers = MIN (config->n_resolvers, FZ_LOOKUP_RESOLVERS_MAX);
  for (size_t i = 0; i < self->n_resolvers; i++)
    self->resolvers[i] = config->resolvers[i];
  make_question (&self->questions[0], self, LDNS_RR_TYPE_AAAA);
  make_question (&self->questions[1], self, LDNS_RR_TYPE_A);
  self->start_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_start, self, NULL);
  return self;
}

void
fz_lookup_free (FzLookup *self)
{
  if (self == NULL)
    return;

  g_clear_handle_id (&self->start_id, g_source_remove);
  for (size_t i = 0; i < G_N_ELEMENTS (self->questions); i++) {
    drop_socket (&self->questions[i]);
    g_byte_array_unref (self->questions[i].in);
    free (self->questions[i].wire);
  }
  g_free (self->name);
  g_free (self->hosts);
  g_free (self);
}
