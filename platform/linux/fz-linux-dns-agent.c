#include "platform/linux/fz-linux-dns-agent.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 12000u /* resolvconf may take ten seconds */
#define CLOSE_MS  2000   /* longest wait at the end */
#define REPLY_MAX 1024u

struct FzDnsAgent {
  void (*on_lost) (gpointer user_data);
  gpointer lost_data;
  int fd; /* -1: closed */
  guint source_id;
  guint limit_id;
  char reply[REPLY_MAX + 1];
  size_t used;
  FzDnsAgentFunc func; /* NULL: nothing is asked */
  gpointer user_data;
  GError *failure; /* of ask(), to be told from the main loop */
  guint failure_id;
};

static void
drop (FzDnsAgent *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  g_clear_handle_id (&self->limit_id, g_source_remove);
  g_clear_handle_id (&self->failure_id, g_source_remove);
  g_clear_error (&self->failure);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  self->used = 0;
  self->func = NULL;
}

static void
answer (FzDnsAgent *self, const GError *error)
{
  FzDnsAgentFunc func = self->func;

  g_clear_handle_id (&self->limit_id, g_source_remove);
  self->func = NULL;
  if (func != NULL)
    func (error, self->user_data);
}

static void
lose (FzDnsAgent *self)
{
  FzDnsAgentFunc func = self->func;
  gpointer user_data = self->user_data;
  g_autoptr (GError) error = g_error_new_literal (
      FZ_DNS_ERROR, FZ_DNS_ERROR_ABSENT, "the program that writes resolv.conf for us has ended");

  self->source_id = 0; /* the caller removes it */
  drop (self);
  if (func != NULL)
    func (error, user_data);
  else
    self->on_lost (self->lost_data);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  FzDnsAgent *self = user_data;
  ssize_t n = recv (fd, self->reply + self->used, REPLY_MAX - self->used, MSG_DONTWAIT);
  g_autoptr (GError) error = NULL;
  char *end;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0) {
    lose (self);
    return G_SOURCE_REMOVE;
  }
  self->used += (size_t) n;
  self->reply[self->used] = '\0';
  end = memchr (self->reply, '\n', self->used);
  if (end == NULL && self->used < REPLY_MAX)
    return G_SOURCE_CONTINUE;
  self->used = 0;
  if (fz_resolv_reply_parse (self->reply, &error))
    answer (self, NULL);
  else
    answer (self, error);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_limit (gpointer user_data)
{
  FzDnsAgent *self = user_data;

  self->limit_id = 0;
  g_clear_handle_id (&self->source_id, g_source_remove);
  lose (self);
  return G_SOURCE_REMOVE;
}

/* A local socket that systemd listens on: connects at once or not at all. */
static bool
connect_agent (FzDnsAgent *self, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = FZ_DNS_AGENT_SOCKET };

  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->fd >= 0 &&
      connect (self->fd, (const struct sockaddr *) (const void *) &address, sizeof address) == 0) {
    self->source_id = g_unix_fd_add (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, self);
    return true;
  }
  g_set_error (error,
               FZ_DNS_ERROR,
               errno == EACCES ? FZ_DNS_ERROR_PERMISSION : FZ_DNS_ERROR_ABSENT,
               "resolv.conf cannot be written by this user, and " FZ_DNS_AGENT_SOCKET
               " does not answer (is firezone-client-resolv.socket started?): %s",
               g_strerror (errno));
  drop (self);
  return false;
}

static gboolean
on_failure (gpointer user_data)
{
  FzDnsAgent *self = user_data;
  g_autoptr (GError) error = g_steal_pointer (&self->failure);

  self->failure_id = 0;
  answer (self, error);
  return G_SOURCE_REMOVE;
}

void
fz_dns_agent_ask (FzDnsAgent *self,
                  const FzResolvRequest *request,
                  FzDnsAgentFunc func,
                  gpointer user_data)
{
  g_autofree char *line = fz_resolv_request_write (request);
  g_autoptr (GError) error = NULL;

  if (self->func != NULL)
    drop (self); /* its answer would be taken for ours */
  if (self->fd < 0 && !connect_agent (self, &error)) {
    self->failure = g_steal_pointer (&error);
    self->failure_id = g_idle_add (on_failure, self);
  } else if (send (self->fd, line, strlen (line), MSG_NOSIGNAL) != (ssize_t) strlen (line)) {
    drop (self);
    self->failure = g_error_new_literal (
        FZ_DNS_ERROR, FZ_DNS_ERROR_ABSENT, "the program that writes resolv.conf does not listen");
    self->failure_id = g_idle_add (on_failure, self);
  } else {
    self->limit_id = g_timeout_add (ANSWER_MS, on_limit, self);
  }
  self->func = func;
  self->user_data = user_data;
}

bool
fz_dns_agent_is_open (const FzDnsAgent *self)
{
  return self->fd >= 0;
}

void
fz_dns_agent_close (FzDnsAgent *self, bool waits)
{
  struct pollfd fds = { .fd = self->fd, .events = POLLIN };
  char rest[64];

  /* The other side reads the end, restores, then closes. */
  if (self->fd >= 0 && waits && shutdown (self->fd, SHUT_WR) == 0)
    while (poll (&fds, 1, CLOSE_MS) > 0 && recv (self->fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
      ;
  drop (self);
}

FzDnsAgent *
fz_dns_agent_new (void (*on_lost) (gpointer user_data), gpointer user_data)
{
  FzDnsAgent *self = g_new0 (FzDnsAgent, 1);

  self->fd = -1;
  self->on_lost = on_lost;
  self->lost_data = user_data;
  return self;
}

void
fz_dns_agent_free (FzDnsAgent *self)
{
  if (self == NULL)
    return;
  drop (self);
  g_free (self);
}
