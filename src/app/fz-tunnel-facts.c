/* fz-tunnel-facts.c: the tunnel's model as typed facts; see fz-tunnel-model.h */
#include "src/app/fz-tunnel-model-private.h"
#include "src/app/fz-tunnel-model.h"
#include "src/ipc/fz-ipc-names.h"

#include <unistd.h>

void
fz_tunnel_model_describe_fields (FzRemoteObjectClass *klass)
{
  static FzRemoteField fields[M_N] = {
    [M_VERSION] = { "Version", "version", G_TYPE_STRING },
    [M_API_MINOR] = { "ApiMinor", "api-minor", G_TYPE_UINT },
    [M_STATE] = { "State", "state", G_TYPE_STRING },
    [M_STATE_REASON] = { "StateReason", "state-reason", G_TYPE_STRING },
    [M_STATE_DETAIL] = { "StateDetail", "state-detail", G_TYPE_STRING },
    [M_STATE_SINCE] = { "StateSince", "state-since", G_TYPE_UINT64 },
    [M_OWNER] = { "Owner", "owner", G_TYPE_UINT },
    [M_ACCOUNT] = { "Account", "account", G_TYPE_STRING },
    [M_ACTOR] = { "Actor", "actor", G_TYPE_STRING },
    [M_SESSION_EXPIRES] = { "SessionExpires", "session-expires", G_TYPE_UINT64 },
    [M_INTERFACE] = { "Interface", "interface", G_TYPE_STRING },
    [M_ADDRESSES] = { "Addresses", "addresses", 0 },
    [M_MTU] = { "Mtu", "mtu", G_TYPE_UINT },
    [M_DNS_MODE] = { "DnsMode", "dns-mode", G_TYPE_STRING },
    [M_DNS_SERVERS] = { "DnsServers", "dns-servers", 0 },
    [M_PORTAL_URL] = { "PortalUrl", "portal-url", G_TYPE_STRING },
    [M_PORTAL_STATE] = { "PortalState", "portal-state", G_TYPE_STRING },
    [M_PORTAL_RTT] = { "PortalRtt", "portal-rtt", G_TYPE_UINT },
    [M_INTERNET] = { "InternetResource", "internet-resource", G_TYPE_STRING },
    [M_FEATURES] = { "Features", "features", 0 },
    [M_MODE] = { "Mode", "mode", G_TYPE_STRING },
    [M_LOG_FILTER] = { "LogFilter", "log-filter", G_TYPE_STRING },
    [M_MANAGED] = { "Managed", "managed", G_TYPE_VARIANT },
    [M_HELPER] = { NULL, "helper", G_TYPE_UINT },
    [M_HELPER_DETAIL] = { NULL, "helper-detail", G_TYPE_STRING },
  };

  /* G_TYPE_STRV is no constant. */
  fields[M_ADDRESSES].type = G_TYPE_STRV;
  fields[M_DNS_SERVERS].type = G_TYPE_STRV;
  fields[M_FEATURES].type = G_TYPE_STRV;
  fz_remote_object_class_describe (klass, fields, M_N);
}

/* The index of @word in @words, 0 for one that we do not know. */
static unsigned int
find_word (const char *word, const char *const *words, size_t n_words)
{
  for (size_t i = 1; i < n_words; i++)
    if (g_str_equal (word, words[i]))
      return (unsigned int) i;
  return 0;
}

static const char *
text (FzTunnelModel *self, size_t field)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), field);
}

static uint64_t
number (FzTunnelModel *self, size_t field)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), field);
}

FzHelperState
fz_tunnel_model_get_helper (FzTunnelModel *self)
{
  return (FzHelperState) number (self, M_HELPER);
}

const char *
fz_tunnel_model_get_helper_detail (FzTunnelModel *self)
{
  return text (self, M_HELPER_DETAIL);
}

FzTunnelState
fz_tunnel_model_get_state (FzTunnelModel *self)
{
  static const char *const words[] = {
    [FZ_TUNNEL_UNKNOWN] = "",
    [FZ_TUNNEL_SIGNED_OUT] = "signed-out",
    [FZ_TUNNEL_OFFLINE] = "offline",
    [FZ_TUNNEL_CONNECTING] = "connecting",
    [FZ_TUNNEL_CONNECTED] = "connected",
    [FZ_TUNNEL_DEGRADED] = "degraded",
    [FZ_TUNNEL_DISCONNECTING] = "disconnecting",
    [FZ_TUNNEL_ERROR] = "error",
  };

  return (FzTunnelState) find_word (text (self, M_STATE), words, G_N_ELEMENTS (words));
}

const char *
fz_tunnel_model_get_reason (FzTunnelModel *self)
{
  return text (self, M_STATE_REASON);
}

const char *
fz_tunnel_model_get_detail (FzTunnelModel *self)
{
  return text (self, M_STATE_DETAIL);
}

uint64_t
fz_tunnel_model_get_since (FzTunnelModel *self)
{
  return number (self, M_STATE_SINCE);
}

/* Before the first snapshot there is no owner rather than root. */
uint32_t
fz_tunnel_model_get_owner (FzTunnelModel *self)
{
  if (fz_tunnel_model_get_helper (self) != FZ_HELPER_READY)
    return FZ_IPC_NO_OWNER;
  return (uint32_t) number (self, M_OWNER);
}

bool
fz_tunnel_model_is_ours (FzTunnelModel *self)
{
  return fz_tunnel_model_get_owner (self) == getuid ();
}

bool
fz_tunnel_model_is_foreign (FzTunnelModel *self)
{
  uint32_t owner = fz_tunnel_model_get_owner (self);

  return owner != FZ_IPC_NO_OWNER && owner != getuid ();
}

const char *
fz_tunnel_model_get_account (FzTunnelModel *self)
{
  return text (self, M_ACCOUNT);
}

const char *
fz_tunnel_model_get_actor (FzTunnelModel *self)
{
  return text (self, M_ACTOR);
}

uint64_t
fz_tunnel_model_get_session_expires (FzTunnelModel *self)
{
  return number (self, M_SESSION_EXPIRES);
}

FzPortalState
fz_tunnel_model_get_portal_state (FzTunnelModel *self)
{
  static const char *const words[] = {
    [FZ_PORTAL_UNKNOWN] = "",
    [FZ_PORTAL_OFF] = "off",
    [FZ_PORTAL_CONNECTING] = "connecting",
    [FZ_PORTAL_CONNECTED] = "connected",
    [FZ_PORTAL_RETRYING] = "retrying",
  };

  return (FzPortalState) find_word (text (self, M_PORTAL_STATE), words, G_N_ELEMENTS (words));
}

const char *
fz_tunnel_model_get_portal_url (FzTunnelModel *self)
{
  return text (self, M_PORTAL_URL);
}

uint32_t
fz_tunnel_model_get_portal_rtt_us (FzTunnelModel *self)
{
  return (uint32_t) number (self, M_PORTAL_RTT);
}

FzInternetState
fz_tunnel_model_get_internet (FzTunnelModel *self)
{
  static const char *const words[] = {
    [FZ_INTERNET_UNAVAILABLE] = "unavailable",
    [FZ_INTERNET_OFF] = "off",
    [FZ_INTERNET_ON] = "on",
  };

  return (FzInternetState) find_word (text (self, M_INTERNET), words, G_N_ELEMENTS (words));
}

const char *
fz_tunnel_model_get_interface (FzTunnelModel *self)
{
  return text (self, M_INTERFACE);
}

const char *const *
fz_tunnel_model_get_addresses (FzTunnelModel *self)
{
  return fz_remote_object_get_texts (FZ_REMOTE_OBJECT (self), M_ADDRESSES);
}

const char *
fz_tunnel_model_get_dns_mode (FzTunnelModel *self)
{
  return text (self, M_DNS_MODE);
}

const char *const *
fz_tunnel_model_get_dns_servers (FzTunnelModel *self)
{
  return fz_remote_object_get_texts (FZ_REMOTE_OBJECT (self), M_DNS_SERVERS);
}

const char *
fz_tunnel_model_get_mode (FzTunnelModel *self)
{
  return text (self, M_MODE);
}

const char *
fz_tunnel_model_get_version (FzTunnelModel *self)
{
  return text (self, M_VERSION);
}

const char *
fz_tunnel_model_get_log_filter (FzTunnelModel *self)
{
  return text (self, M_LOG_FILTER);
}

GVariant *
fz_tunnel_model_dup_managed (FzTunnelModel *self, const char *setting)
{
  GVariant *managed = fz_remote_object_get_variant (FZ_REMOTE_OBJECT (self), M_MANAGED);

  return managed != NULL ? g_variant_lookup_value (managed, setting, NULL) : NULL;
}
