#include "src/session/fz-session-dns.h"

#include "src/runtime/fz-resume-watch.h"

#include <net/if.h>
#include <string.h>

#define RESOLVERS_MAX 16u
#define PROBE_AGAIN_S 10u /* after one without an answer */
#define PROBE_LABEL   "firezone-probe"

struct FzSessionDns {
  FzDnsControl *control;
  FzHost *host;
  FzPortal *portal;
  FzDoh *doh; /* NULL: none */
  char *tun_name;
  FzLog log;
  void (*on_changed) (gpointer user_data);
  gpointer user_data;
  FzDnsState state; /* as last seen */
  bool is_probed;   /* what is in force now */
  guint probe_id;
  FzResumeWatch *resume;
};

/* -- upstreams: to the engine and the portal -- */

static void
give_portal (FzSessionDns *self)
{
  const FzDnsUpstream *upstreams = NULL;
  size_t n = fz_dns_control_get_upstreams (self->control, &upstreams);
  bool is_ours = fz_dns_control_get_state (self->control) != FZ_DNS_STATE_IDLE;
  FzSocketAddress resolvers[RESOLVERS_MAX];
  size_t n_resolvers = 0;

  /* Plain DNS is what we speak to them; their address answers it whatever else they offer. */
  for (size_t i = 0; i < n && is_ours && n_resolvers < RESOLVERS_MAX; i++)
    if (!fz_ip_is_link_local (&upstreams[i].address.ip)) {
      resolvers[n_resolvers] = upstreams[i].address;
      if (upstreams[i].server_name != NULL)
        resolvers[n_resolvers].port = 53;
      n_resolvers++;
    }
  fz_portal_set_resolvers (self->portal, resolvers, n_resolvers);
  if (self->doh != NULL)
    fz_doh_set_resolvers (self->doh, resolvers, n_resolvers);
}

static void
on_upstreams (gpointer user_data)
{
  FzSessionDns *self = user_data;
  const FzDnsUpstream *upstreams = NULL;
  size_t n = fz_dns_control_get_upstreams (self->control, &upstreams);
  FzIp ips[RESOLVERS_MAX];
  FzCommand command = { .kind = FZ_COMMAND_SET_RESOLVERS };
  g_autoptr (GError) error = NULL;

  /* A link-local address means nothing without its link. */
  for (size_t i = 0; i < n && command.set_resolvers.n_ips < RESOLVERS_MAX; i++)
    if (!fz_ip_is_link_local (&upstreams[i].address.ip))
      ips[command.set_resolvers.n_ips++] = upstreams[i].address.ip;
  command.set_resolvers.ips = ips;
  if (!fz_host_run_command (self->host, &command, &error))
    fz_log (&self->log,
            FZ_LOG_DEBUG,
            "resolvers-refused",
            "the engine does not take the machine's resolvers",
            FZ_KV_TEXT ("problem", error->message));
  give_portal (self);
}

/* -- the proof -- */

char *
fz_session_dns_dup_probe_name (const char *pattern)
{
  const char *rest = pattern + strspn (pattern, "*");
  char *name;

  if (rest != pattern && *rest != '.')
    return NULL; /* nothing a person writes */
  name = rest == pattern ? g_strdup (pattern) : g_strconcat (PROBE_LABEL, rest, NULL);
  for (char *at = name; *at != '\0'; at++)
    if (*at == '*' || *at == '?')
      *at = 'x';
  return name;
}

static char *
dup_private_name (FzSessionDns *self)
{
  const FzResourceView *resources = NULL;
  size_t n = fz_engine_get_resources (fz_host_get_engine (self->host), &resources);

  for (size_t i = 0; i < n; i++)
    if (resources[i].resource->kind == FZ_RESOURCE_DNS && resources[i].resource->pattern != NULL) {
      char *name = fz_session_dns_dup_probe_name (resources[i].resource->pattern);

      if (name != NULL)
        return name;
    }
  return NULL;
}

/* Where the machine does not ask us, the private name would go to whom it asks instead. */
static void
probe (FzSessionDns *self)
{
  g_autofree char *name = NULL;

  g_clear_handle_id (&self->probe_id, g_source_remove);
  if (fz_dns_control_get_mode (self->control) == FZ_DNS_MODE_NONE)
    return;
  name = dup_private_name (self);
  if (name == NULL)
    return;
  self->is_probed = true;
  fz_dns_control_probe (self->control, name, NULL, NULL);
}

static gboolean
on_probe_again (gpointer user_data)
{
  FzSessionDns *self = user_data;

  self->probe_id = 0;
  probe (self);
  return G_SOURCE_REMOVE;
}

/* -- from DNS control -- */

static void
on_changed (gpointer user_data)
{
  FzSessionDns *self = user_data;
  FzDnsState former = self->state;
  const GError *error = fz_dns_control_get_error (self->control);

  self->state = fz_dns_control_get_state (self->control);
  if (self->state == FZ_DNS_STATE_ACTIVE && former != FZ_DNS_STATE_ACTIVE &&
      former != FZ_DNS_STATE_DEGRADED)
    self->is_probed = false;
  if (self->state == FZ_DNS_STATE_ACTIVE && !self->is_probed)
    probe (self);
  if (g_error_matches (error, FZ_DNS_ERROR, FZ_DNS_ERROR_NO_ANSWER) && self->probe_id == 0)
    self->probe_id = g_timeout_add_seconds (PROBE_AGAIN_S, on_probe_again, self);
  give_portal (self);
  if (self->on_changed != NULL)
    self->on_changed (self->user_data);
}

static void
on_failed (const GError *error, gpointer user_data)
{
  FzSessionDns *self = user_data;

  fz_log (&self->log,
          FZ_LOG_WARNING,
          "dns-failed",
          "private names may not be found on this machine",
          FZ_KV_TEXT ("problem", error->message));
}

static void
on_recovered (gpointer user_data)
{
  FzSessionDns *self = user_data;

  fz_log_plain (&self->log, FZ_LOG_INFO, "dns-recovered", "private names are found again");
}

/* Asleep, a machine misses what it would have been told. */
static void
on_jump (gpointer user_data)
{
  fz_session_dns_check (user_data);
}

/* -- public -- */

FzSessionDns *
fz_session_dns_new (const FzSessionDnsConfig *config)
{
  const FzDnsCallbacks callbacks = {
    .on_changed = on_changed,
    .on_upstreams = on_upstreams,
    .on_failed = on_failed,
    .on_recovered = on_recovered,
  };
  FzSessionDns *self = g_new0 (FzSessionDns, 1);

  self->control = config->control;
  self->host = config->host;
  self->portal = config->portal;
  self->doh = config->doh;
  self->tun_name = g_strdup (config->tun_name);
  self->log = config->log;
  self->on_changed = config->on_changed;
  self->user_data = config->user_data;
  fz_dns_control_set_callbacks (self->control, &callbacks, self);
  self->resume = fz_resume_watch_new (NULL, on_jump, self);
  return self;
}

void
fz_session_dns_free (FzSessionDns *self)
{
  if (self == NULL)
    return;

  g_clear_handle_id (&self->probe_id, g_source_remove);
  fz_resume_watch_free (self->resume);
  fz_dns_control_set_callbacks (self->control, NULL, NULL);
  fz_dns_control_clear (self->control);
  g_free (self->tun_name);
  g_free (self);
}

void
fz_session_dns_handle_interface (FzSessionDns *self, const FzEvent *event)
{
  const FzSentinel *sentinels = event->interface_changed.sentinels;
  FzIp servers[FZ_DNS_SERVERS_MAX];
  FzDnsSettings settings = {
    .ifname = self->tun_name,
    .ifindex = if_nametoindex (self->tun_name),
    .servers = servers,
    .search_domain = event->interface_changed.interface.search_domain,
  };

  for (size_t i = 0;
       i < event->interface_changed.n_sentinels && settings.n_servers < FZ_DNS_SERVERS_MAX;
       i++)
    servers[settings.n_servers++] = sentinels[i].ip;
  fz_dns_control_set (self->control, &settings); /* without servers: back to what was */
  give_portal (self);
}

void
fz_session_dns_handle_resources (FzSessionDns *self)
{
  fz_dns_control_flush (self->control);
  if (self->state == FZ_DNS_STATE_ACTIVE && !self->is_probed)
    probe (self);
}

void
fz_session_dns_check (FzSessionDns *self)
{
  fz_dns_control_check (self->control);
  if (fz_dns_control_get_state (self->control) == FZ_DNS_STATE_ACTIVE)
    probe (self);
}
