/* fz-session.c
 *
 * Portal and host never see each other: commands of the one run through here
 * into the other, events back. Whatever ends a session does so from an idle
 * source, because a host must not be stopped from its own callback.
 */
#include "src/session/fz-session.h"

#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-doh.h"
#include "src/session/fz-session-dns.h"

#define LEAVE_MS 1200u /* longest wait for the portal to let us go; it needs a second itself */

struct FzSession {
  FzSessionCallbacks callbacks;
  gpointer user_data;
  FzLog log;
  FzRole role;
  FzSessionState state;
  bool has_interface;
  FzIp ipv4; /* of the interface */
  FzIp ipv6;
  bool is_stopping;

  FzHost *host;
  FzPortal *portal;
  FzDnsControl *control; /* NULL: DNS is left alone */
  FzDoh *doh;            /* clients: questions to resolvers over HTTPS */
  FzSessionDns *dns;     /* NULL: likewise, or over */
  GError *failure;       /* why it ends; NULL: asked to */
  guint end_id;          /* idle source or time limit that ends it */
};

const char *
fz_session_describe_state (FzSessionState state)
{
  switch (state) {
  case FZ_SESSION_CONNECTING:
    return "Connecting to the portal";
  case FZ_SESSION_CONNECTED:
    return "Connected";
  case FZ_SESSION_PORTAL_AWAY:
    return "Connected; the portal is away, trying again";
  case FZ_SESSION_ENDED:
    return "Ended";
  }
  g_assert_not_reached ();
}

/* -- state -- */

static void
set_state (FzSession *self, FzSessionState state)
{
  if (self->state == state)
    return;

  self->state = state;
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "session-state",
          "session changed its state",
          FZ_KV_TEXT ("state", fz_session_describe_state (state)));
  if (self->callbacks.on_state != NULL)
    self->callbacks.on_state (state, self->user_data);
}

static void
update_state (FzSession *self)
{
  if (self->is_stopping || self->failure != NULL)
    return;
  if (!self->has_interface)
    set_state (self, FZ_SESSION_CONNECTING);
  else
    set_state (self,
               fz_portal_is_connected (self->portal) ? FZ_SESSION_CONNECTED
                                                     : FZ_SESSION_PORTAL_AWAY);
}

/* -- the end -- */

static gboolean
end (gpointer user_data)
{
  FzSession *self = user_data;
  g_autoptr (GError) failure = g_steal_pointer (&self->failure);

  self->end_id = 0;
  self->is_stopping = true;
  g_clear_pointer (&self->dns, fz_session_dns_free);
  g_clear_pointer (&self->doh, fz_doh_free);
  fz_host_stop (self->host);
  g_clear_pointer (&self->portal, fz_portal_free);
  set_state (self, FZ_SESSION_ENDED);
  self->callbacks.on_ended (failure, self->user_data);
  return G_SOURCE_REMOVE;
}

static void
end_soon (FzSession *self)
{
  g_clear_handle_id (&self->end_id, g_source_remove);
  self->end_id = g_idle_add (end, self);
}

static void
fail (FzSession *self, const GError *error)
{
  if (self->failure != NULL || self->is_stopping)
    return;
  self->failure = g_error_copy (error);
  end_soon (self);
}

/* -- from the portal -- */

static void
on_portal_command (const FzCommand *command, gpointer user_data)
{
  FzSession *self = user_data;
  g_autoptr (GError) error = NULL;

  if (self->is_stopping)
    return;

  if (!fz_host_run_command (self->host, command, &error)) {
    bool is_harmless = g_error_matches (error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_UNKNOWN_ID);

    fz_log (&self->log,
            is_harmless ? FZ_LOG_DEBUG : FZ_LOG_WARNING,
            "portal-command-refused",
            "ignored what the portal asked for",
            FZ_KV_TEXT ("problem", error->message));
    if (!is_harmless && !self->has_interface && self->callbacks.on_unusable != NULL)
      self->callbacks.on_unusable (error->message, self->user_data);
  }
  update_state (self);
  if (command->kind == FZ_COMMAND_PORTAL_DISCONNECTED && self->callbacks.on_portal_problem != NULL)
    self->callbacks.on_portal_problem (fz_portal_get_refusal (self->portal),
                                       fz_portal_get_problem (self->portal),
                                       self->user_data);
}

static void
on_portal_failed (const GError *error, gpointer user_data)
{
  fail (user_data, error);
}

static void
on_portal_closed (gpointer user_data)
{
  end_soon (user_data);
}

/* -- from the host -- */

static const char *
path_name (FzPathKind path)
{
  switch (path) {
  case FZ_PATH_DIRECT:
    return "direct";
  case FZ_PATH_PEER_TO_RELAY:
    return "to the peer's relay";
  case FZ_PATH_RELAY_TO_PEER:
    return "by our relay";
  case FZ_PATH_RELAY_TO_RELAY:
    return "from relay to relay";
  }
  g_assert_not_reached ();
}

static void
log_peer (FzSession *self, const FzEvent *event, const char *name, const char *message)
{
  fz_log (&self->log,
          FZ_LOG_INFO,
          name,
          message,
          FZ_KV_UUID ("peer", &event->peer.peer_id),
          FZ_KV_TEXT ("path", path_name (event->peer.path)),
          FZ_KV_SOCKET ("remote", &event->peer.remote));
}

const char *
fz_session_notice_name (FzSessionNotice notice)
{
  switch (notice) {
  case FZ_SESSION_NOTICE_GATEWAYS_OFFLINE:
    return "gateways-offline";
  case FZ_SESSION_NOTICE_VERSION_MISMATCH:
    return "version-mismatch";
  case FZ_SESSION_NOTICE_DENIED:
    return "resource-denied";
  }
  g_assert_not_reached ();
}

static void
notice (FzSession *self, const FzEvent *event, FzSessionNotice kind, const char *message)
{
  fz_log (&self->log,
          FZ_LOG_WARNING,
          fz_session_notice_name (kind),
          message,
          FZ_KV_UUID ("resource", &event->resource_id));
  if (self->callbacks.on_notice != NULL)
    self->callbacks.on_notice (kind, &event->resource_id, self->user_data);
}

static void
handle_interface (FzSession *self, const FzEvent *event)
{
  fz_log (&self->log,
          self->has_interface ? FZ_LOG_DEBUG : FZ_LOG_INFO,
          "interface-configured",
          "tunnel interface configured",
          FZ_KV_IP ("ipv4", &event->interface_changed.interface.ipv4),
          FZ_KV_IP ("ipv6", &event->interface_changed.interface.ipv6),
          FZ_KV_U64 ("n_routes", event->interface_changed.n_routes));
  self->has_interface = true;
  self->ipv4 = event->interface_changed.interface.ipv4;
  self->ipv6 = event->interface_changed.interface.ipv6;
  if (self->dns != NULL)
    fz_session_dns_handle_interface (self->dns, event);
  update_state (self);
}

static void
tell_resources (FzSession *self)
{
  if (self->callbacks.on_resources != NULL)
    self->callbacks.on_resources (self->user_data);
}

static void
on_host_event (const FzEvent *event, gpointer user_data)
{
  FzSession *self = user_data;

  /* Before everything is built there is nobody to tell; while stopping, nobody who cares. */
  if (self->portal == NULL || self->is_stopping)
    return;

  switch (event->kind) {
  case FZ_EVENT_REQUEST_AUTHORIZATION:
  case FZ_EVENT_NEW_CANDIDATES:
  case FZ_EVENT_INVALIDATED_CANDIDATES:
  case FZ_EVENT_AUTHORIZATION_ACCEPTED:
  case FZ_EVENT_NO_RELAYS:
  case FZ_EVENT_PUBLIC_KEY_CHANGED:
    fz_portal_handle_event (self->portal, event);
    if (event->kind == FZ_EVENT_REQUEST_AUTHORIZATION)
      tell_resources (self); /* one is on its way to a gateway */
    if (event->kind == FZ_EVENT_PUBLIC_KEY_CHANGED && self->doh != NULL)
      fz_doh_reset (self->doh); /* the network is another one */
    update_state (self);
    break;
  case FZ_EVENT_INTERFACE_CHANGED:
    handle_interface (self, event);
    break;
  case FZ_EVENT_RESOURCES_CHANGED:
    if (self->dns != NULL)
      fz_session_dns_handle_resources (self->dns);
    tell_resources (self);
    break;
  case FZ_EVENT_PEER_CONNECTED:
    log_peer (self, event, "peer-connected", "connected to a peer");
    tell_resources (self);
    break;
  case FZ_EVENT_PEER_PATH_CHANGED:
    log_peer (self, event, "peer-path-changed", "the path to a peer has changed");
    tell_resources (self);
    break;
  case FZ_EVENT_PEER_DISCONNECTED:
    fz_log (&self->log,
            FZ_LOG_INFO,
            "peer-disconnected",
            "connection to a peer ended",
            FZ_KV_UUID ("peer", &event->peer.peer_id));
    tell_resources (self);
    break;
  case FZ_EVENT_GATEWAYS_OFFLINE:
    notice (self,
            event,
            FZ_SESSION_NOTICE_GATEWAYS_OFFLINE,
            "no gateway for a resource is online; ask your administrator to start one in its site");
    break;
  case FZ_EVENT_GATEWAY_VERSION_MISMATCH:
    notice (self,
            event,
            FZ_SESSION_NOTICE_VERSION_MISMATCH,
            "the gateways for a resource do not work with this version; update this program");
    break;
  case FZ_EVENT_ACCESS_DENIED:
    notice (self,
            event,
            FZ_SESSION_NOTICE_DENIED,
            "the portal does not allow a resource as things are now; ask your administrator");
    tell_resources (self);
    break;
  case FZ_EVENT_DNS_QUERY:
    if (event->dns_query.doh_url != NULL && self->doh != NULL)
      fz_doh_ask (self->doh,
                  event->dns_query.id,
                  event->dns_query.doh_url,
                  event->dns_query.message,
                  event->dns_query.length);
    break;
  case FZ_EVENT_ADDRESS_TAKEN:
  case FZ_EVENT_RESOLVE_DOMAIN:
    break; /* the host's own affair */
  }
}

static void
on_host_fatal (const GError *error, gpointer user_data)
{
  fail (user_data, error);
}

/* -- public -- */

static bool
make_portal (FzSession *self, const FzSessionConfig *config, GError **error)
{
  static const FzPortalCallbacks callbacks = {
    .on_command = on_portal_command,
    .on_failed = on_portal_failed,
    .on_closed = on_portal_closed,
  };
  FzPortalConfig portal = config->portal;

  portal.log = fz_log_for (&config->log, "portal");
  portal.rng = fz_crypto_rng ();
  portal.mark = FZ_FWMARK;
  self->portal = fz_portal_new (&portal, &callbacks, self, error);
  return self->portal != NULL;
}

static bool
make_host (FzSession *self, const FzSessionConfig *config, GError **error)
{
  FzHostConfig host = config->host;

  host.role = config->portal.login.role;
  host.log = config->log;
  host.callbacks = (FzHostCallbacks){
    .on_event = on_host_event,
    .on_fatal = on_host_fatal,
    .user_data = self,
  };
  self->host = fz_host_new (&host, error);
  return self->host != NULL;
}

static void
on_dns (gpointer user_data)
{
  FzSession *self = user_data;

  if (self->callbacks.on_dns != NULL)
    self->callbacks.on_dns (self->user_data);
}

static void
on_doh_answer (uint32_t id, const uint8_t *message, size_t length, gpointer user_data)
{
  FzSession *self = user_data;
  FzCommand command = {
    .kind = FZ_COMMAND_DNS_ANSWER,
    .dns_answer = { .id = id, .message = message, .length = length },
  };

  if (!self->is_stopping)
    fz_host_run_command (self->host, &command, NULL);
}

static void
start_dns (FzSession *self, const FzSessionConfig *config)
{
  const char *name = config->host.tun_name;
  const FzSessionDnsConfig dns = {
    .control = config->dns,
    .host = self->host,
    .portal = self->portal,
    .doh = self->doh,
    .tun_name = name != NULL ? name : FZ_TUN_NAME,
    .log = self->log,
    .on_changed = on_dns,
    .user_data = self,
  };

  if (config->dns == NULL || self->role != FZ_ROLE_CLIENT)
    return;
  self->control = config->dns;
  self->dns = fz_session_dns_new (&dns);
}

FzSession *
fz_session_new (const FzSessionConfig *config,
                const FzSessionCallbacks *callbacks,
                gpointer user_data,
                GError **error)
{
  g_autoptr (FzSession) self = g_new0 (FzSession, 1);

  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->log = fz_log_for (&config->log, "session");
  self->role = config->portal.login.role;

  /* The portal first: a bad URL should not cost a device. */
  if (!make_portal (self, config, error) || !make_host (self, config, error))
    return NULL;

  if (self->role == FZ_ROLE_CLIENT)
    self->doh =
        fz_doh_new (config->host.no_mark ? 0 : FZ_FWMARK, &config->log, on_doh_answer, self);
  start_dns (self, config);
  if (config->is_internet_on)
    fz_session_set_internet (self, true);
  fz_portal_connect (self->portal, fz_engine_get_public_key (fz_host_get_engine (self->host)));
  return g_steal_pointer (&self);
}

void
fz_session_stop (FzSession *self)
{
  if (self->is_stopping || self->failure != NULL || self->state == FZ_SESSION_ENDED)
    return;

  /* Peers and kernel first: what follows may take its time, with no effect on the machine. */
  self->is_stopping = true;
  g_clear_pointer (&self->dns, fz_session_dns_free);
  g_clear_pointer (&self->doh, fz_doh_free);
  fz_host_stop (self->host);
  self->end_id = g_timeout_add (LEAVE_MS, end, self);
  fz_portal_close (self->portal);
}

void
fz_session_free (FzSession *self)
{
  if (self == NULL)
    return;

  self->is_stopping = true;
  g_clear_handle_id (&self->end_id, g_source_remove);
  g_clear_pointer (&self->dns, fz_session_dns_free);
  g_clear_pointer (&self->doh, fz_doh_free);
  g_clear_pointer (&self->portal, fz_portal_free);
  g_clear_pointer (&self->host, fz_host_free);
  g_clear_error (&self->failure);
  g_free (self);
}

FzSessionState
fz_session_get_state (const FzSession *self)
{
  return self->state;
}

void
fz_session_reset_network (FzSession *self)
{
  if (self->is_stopping || self->state == FZ_SESSION_ENDED)
    return;
  fz_host_reset_network (self->host);
  if (self->dns != NULL)
    fz_session_dns_check (self->dns);
}

size_t
fz_session_get_resources (FzSession *self, const FzResourceView **out)
{
  return fz_engine_get_resources (fz_host_get_engine (self->host), out);
}

size_t
fz_session_get_gateways (FzSession *self, const FzGatewayView **out)
{
  return fz_engine_get_gateways (fz_host_get_engine (self->host), out);
}

size_t
fz_session_get_relays (FzSession *self, const FzRelayView **out)
{
  return fz_engine_get_relays (fz_host_get_engine (self->host), out);
}

bool
fz_session_get_addresses (FzSession *self, FzIp *out_ipv4, FzIp *out_ipv6)
{
  if (!self->has_interface)
    return false;
  *out_ipv4 = self->ipv4;
  *out_ipv6 = self->ipv6;
  return true;
}

uint32_t
fz_session_get_portal_rtt_us (FzSession *self)
{
  uint64_t rtt_us = self->portal != NULL ? fz_portal_get_rtt_ns (self->portal) / 1000u : 0;

  return (uint32_t) MIN (rtt_us, UINT32_MAX);
}

void
fz_session_set_internet (FzSession *self, bool is_on)
{
  FzCommand command = { .kind = FZ_COMMAND_SET_INTERNET, .set_internet = is_on };

  if (!self->is_stopping && self->state != FZ_SESSION_ENDED && self->role == FZ_ROLE_CLIENT)
    fz_host_run_command (self->host, &command, NULL);
}

FzSessionInternet
fz_session_get_internet (FzSession *self)
{
  const FzResourceView *resources;
  size_t n = fz_session_get_resources (self, &resources);

  /* it comes first in the list */
  if (n == 0 || resources[0].resource->kind != FZ_RESOURCE_INTERNET)
    return FZ_SESSION_INTERNET_UNAVAILABLE;
  return fz_engine_is_internet_on (fz_host_get_engine (self->host)) ? FZ_SESSION_INTERNET_ON
                                                                    : FZ_SESSION_INTERNET_OFF;
}

const FzDnsControl *
fz_session_get_dns (const FzSession *self)
{
  return self->control;
}

FzHost *
fz_session_get_host (FzSession *self)
{
  return self->host;
}
