#include "src/helper/fz-control.h"

#include "src/crypto/fz-crypto.h"
#include "src/helper/fz-announcer.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-sign-out.h"

#include <string.h>

struct FzControl {
  FzControlConfig config;
  FzControlCallbacks callbacks;
  gpointer user_data;
  FzLog log;
  char *default_api_url;
  GNetworkMonitor *network;
  gulong network_id;

  FzCredential *credential;
  FzWish wish;
  FzServiceReason signed_out; /* why there is no credential */
  guint expiry_id;

  FzSession *session;
  FzSessionState session_state;
  bool is_up;
  bool is_ending;
  bool was_set;        /* a credential, and nobody has been told yet */
  bool was_set_again;  /* the same as before */
  char *dns_problem;   /* NULL: names resolve, as far as known */
  bool is_dns_pending; /* before the first CONNECTED: this machine does not ask us yet */

  FzServiceReason failure; /* of the last session; NONE: it did not fail */
  char *failure_text;      /* NULL: the reason's own sentence */
  bool has_given_up;
  unsigned n_device_failures; /* in a row */
  FzBackoff backoff;
  guint retry_id;

  FzServiceMachine machine;
  FzPortalState portal_state;
  FzAnnouncer announcer;

  bool is_stopping; /* the process ends */
  guint stopped_id;
};

static void advance (FzControl *self);

/* -- facts -- */

static bool
is_loopback_url (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  g_autoptr (GInetAddress) address = host != NULL ? g_inet_address_new_from_string (host) : NULL;

  return address != NULL ? g_inet_address_get_is_loopback (address)
                         : g_strcmp0 (host, "localhost") == 0;
}

static FzServiceFacts
collect_facts (FzControl *self)
{
  return (FzServiceFacts){
    .has_credential = self->credential != NULL,
    .wants_connected = self->wish.wants_connected && !self->is_stopping,
    .has_session = self->session != NULL,
    .is_ending = self->is_ending,
    .is_up = self->is_up,
    .is_portal_there = self->session_state == FZ_SESSION_CONNECTED,
    .has_dns_failed = self->dns_problem != NULL,
    .is_dns_pending = self->is_dns_pending,
    .has_network = g_network_monitor_get_network_available (self->network) ||
                   is_loopback_url (fz_control_get_api_url (self)),
    .has_given_up = self->has_given_up,
    .signed_out = self->signed_out,
    .failure = self->failure,
  };
}

/* -- telling what has changed -- */

static void
announce_state (FzControl *self, FzServiceState before, FzServiceReason before_reason)
{
  const FzResourceView *views;
  size_t n_resources = self->machine.state == FZ_SERVICE_CONNECTED
                           ? fz_session_get_resources (self->session, &views)
                           : 0;

  fz_announcer_note_state (&self->announcer,
                           &self->machine,
                           before,
                           before_reason,
                           fz_control_get_api_url (self),
                           (uint32_t) n_resources);
}

static bool
is_somebodys_wish (FzServiceReason reason)
{
  return reason == FZ_REASON_NONE || reason == FZ_REASON_USER || reason == FZ_REASON_OWNER_LEFT;
}

static void
log_state (FzControl *self, FzServiceState before)
{
  fz_log (&self->log,
          is_somebodys_wish (self->machine.reason) ? FZ_LOG_INFO : FZ_LOG_WARNING,
          "state-changed",
          "the tunnel has another state",
          FZ_KV_TEXT ("state", fz_service_state_name (self->machine.state)),
          FZ_KV_TEXT ("before", fz_service_state_name (before)),
          FZ_KV_TEXT ("reason", fz_service_reason_name (self->machine.reason)),
          FZ_KV_TEXT ("detail", self->machine.detail));
}

/* The one place where the state changes. */
static void
update (FzControl *self)
{
  FzServiceFacts facts = collect_facts (self);
  FzServiceState before = self->machine.state;
  FzServiceReason before_reason = self->machine.reason, reason;
  FzServiceState state = fz_service_judge (&facts, &reason);
  const char *text = NULL;

  if (reason == FZ_REASON_DNS_FAILED)
    text = self->dns_problem;
  else if (reason != FZ_REASON_NONE && reason == self->failure)
    text = self->failure_text;
  self->portal_state = fz_service_judge_portal (&facts);
  if (fz_service_machine_set (&self->machine, state, reason, text)) {
    if (before != state || before_reason != reason)
      log_state (self, before);
    announce_state (self, before, before_reason);
  }
  self->callbacks.on_changed (self->user_data);
}

static void
keep (FzControl *self)
{
  if (self->credential != NULL)
    fz_credential_store_save (self->config.store, self->credential, &self->wish, &self->log);
  else
    fz_credential_store_forget (self->config.store);
}

/* -- failures -- */

FzServiceReason
fz_control_map_error (const GError *error, bool *out_is_final)
{
  *out_is_final = true;
  if (error->domain == FZ_PORTAL_ERROR)
    switch ((FzPortalError) error->code) {
    case FZ_PORTAL_ERROR_INVALID_TOKEN:
    case FZ_PORTAL_ERROR_BAD_TOKEN:
      return FZ_REASON_SESSION_REVOKED;
    case FZ_PORTAL_ERROR_AUTHENTICATION_FAILED:
    case FZ_PORTAL_ERROR_LOGIN_FAILED:
      return FZ_REASON_PORTAL_REFUSED;
    case FZ_PORTAL_ERROR_RETRIES_EXHAUSTED:
    case FZ_PORTAL_ERROR_TRUNCATED:
    case FZ_PORTAL_ERROR_MALFORMED:
      *out_is_final = false;
      return FZ_REASON_PORTAL_UNREACHABLE;
    case FZ_PORTAL_ERROR_BAD_URL:
    case FZ_PORTAL_ERROR_DEVICE_ID:
      return FZ_REASON_INTERNAL;
    }
  if (error->domain == FZ_PLATFORM_ERROR) {
    if (error->code == FZ_PLATFORM_ERROR_PERMISSION)
      return FZ_REASON_NO_RIGHTS;
    *out_is_final = error->code == FZ_PLATFORM_ERROR_UNSUPPORTED;
    return FZ_REASON_DEVICE_FAILED;
  }
  if (error->domain == FZ_HOST_ERROR && error->code == FZ_HOST_ERROR_TUN) {
    *out_is_final = false;
    return FZ_REASON_DEVICE_FAILED;
  }
  if (error->domain == FZ_HOST_ERROR && error->code == FZ_HOST_ERROR_SOCKET) {
    *out_is_final = false;
    return FZ_REASON_NETWORK_DOWN;
  }
  return FZ_REASON_INTERNAL;
}

static void
drop_credential (FzControl *self, FzServiceReason reason)
{
  g_clear_pointer (&self->credential, fz_credential_free);
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  self->was_set = false;
  self->signed_out = reason;
  self->wish = (FzWish){ 0 };
  keep (self);
}

static bool
is_expired (const FzCredential *credential)
{
  return credential->expires_us != 0 && (int64_t) credential->expires_us <= g_get_real_time ();
}

static void
note_failure (FzControl *self, const GError *error)
{
  bool is_final;

  self->failure = fz_control_map_error (error, &is_final);
  g_free (self->failure_text);
  self->failure_text = g_strdup (error->message);
  fz_log (&self->log,
          is_final ? FZ_LOG_ERROR : FZ_LOG_WARNING,
          "session-failed",
          is_final ? "the session has ended" : "the session has ended; trying again",
          FZ_KV_TEXT ("error", error->message));

  if (self->failure == FZ_REASON_SESSION_REVOKED && self->credential != NULL) {
    if (is_expired (self->credential))
      self->failure = FZ_REASON_SESSION_EXPIRED;
    drop_credential (self, self->failure);
    return;
  }
  if (self->failure == FZ_REASON_DEVICE_FAILED)
    is_final |= ++self->n_device_failures >= FZ_CONTROL_DEVICE_ATTEMPTS;
  self->has_given_up = is_final;
}

static void
forget_failure (FzControl *self)
{
  self->failure = FZ_REASON_NONE;
  g_clear_pointer (&self->failure_text, g_free);
  self->has_given_up = false;
  self->n_device_failures = 0;
  fz_backoff_init (&self->backoff,
                   (FzBackoffPolicy){ .first_ns = FZ_CONTROL_RETRY_FIRST_NS,
                                      .max_ns = FZ_CONTROL_RETRY_MAX_NS,
                                      .factor_permille = 1500,
                                      .has_jitter = true,
                                      .budget_ns = FZ_BACKOFF_UNLIMITED });
  g_clear_handle_id (&self->retry_id, g_source_remove);
}

/* -- from the session -- */

static void
note_problem (FzControl *self, FzServiceReason reason, const char *what, const char *why)
{
  self->failure = reason;
  g_free (self->failure_text);
  self->failure_text = g_strdup_printf ("%s: %s", what, why);
  update (self);
}

static FzServiceReason
reason_for_refusal (FzPortalRefusal refusal)
{
  switch (refusal) {
  case FZ_PORTAL_REFUSAL_NONE:
    return FZ_REASON_PORTAL_UNREACHABLE;
  case FZ_PORTAL_REFUSAL_DEVICE:
    return FZ_REASON_PORTAL_REFUSED;
  case FZ_PORTAL_REFUSAL_ACCOUNT:
    return FZ_REASON_ACCOUNT_DISABLED;
  case FZ_PORTAL_REFUSAL_VERSION:
    return FZ_REASON_VERSION_UNSUPPORTED;
  }
  g_assert_not_reached ();
}

static void
on_portal_problem (FzPortalRefusal refusal, const char *why, gpointer user_data)
{
  FzServiceReason reason = reason_for_refusal (refusal);
  const char *what = refusal == FZ_PORTAL_REFUSAL_NONE
                         ? "The portal cannot be reached; trying again"
                         : fz_service_reason_describe (reason);

  note_problem (user_data, reason, what, why);
}

/* While there is an interface what was good last goes on. */
static void
on_unusable (const char *why, gpointer user_data)
{
  FzControl *self = user_data;

  if (!self->is_up)
    note_problem (
        self, FZ_REASON_INTERNAL, "What the portal says about this device cannot be used", why);
}

static void
look_at_dns (FzControl *self)
{
  const FzDnsControl *dns = fz_session_get_dns (self->session);
  const GError *error = dns != NULL ? fz_dns_control_get_error (dns) : NULL;

  g_free (self->dns_problem);
  self->dns_problem = g_strdup (error != NULL ? error->message : NULL);
  self->is_dns_pending = dns != NULL && !self->announcer.has_said_connected &&
                         fz_dns_control_get_state (dns) == FZ_DNS_STATE_APPLYING;
}

static void
on_state (FzSessionState state, gpointer user_data)
{
  FzControl *self = user_data;

  self->session_state = state;
  if (state == FZ_SESSION_CONNECTED) {
    self->is_up = true;
    look_at_dns (self);
    forget_failure (self);
  }
  if (state != FZ_SESSION_ENDED)
    update (self);
}

static void
on_dns (gpointer user_data)
{
  FzControl *self = user_data;

  if (self->session == NULL) /* being made */
    return;
  look_at_dns (self);
  update (self);
}

static const FzResource *
find_resource (FzControl *self, const FzUuid *id)
{
  const FzResourceView *views;
  size_t n = fz_session_get_resources (self->session, &views);

  for (size_t i = 0; i < n; i++)
    if (memcmp (&views[i].resource->id, id, sizeof *id) == 0)
      return views[i].resource;
  return NULL;
}

static void
on_notice (FzSessionNotice notice, const FzUuid *resource_id, gpointer user_data)
{
  FzControl *self = user_data;

  fz_announcer_note_resource (
      &self->announcer, notice, resource_id, find_resource (self, resource_id));
}

static void
on_resources (gpointer user_data)
{
  FzControl *self = user_data;

  self->callbacks.on_changed (self->user_data);
}

/* In the log of whose credential it is: as long as a session has yet to end, the log is that one's,
 * who may be another. */
static void
tell_credential (FzControl *self)
{
  bool is_again = self->was_set_again;

  if (!self->was_set || fz_control_is_ending (self))
    return;
  self->was_set = false;
  fz_log (&self->log,
          FZ_LOG_INFO,
          "credential-set",
          is_again ? "the credential was set again" : "a credential was set",
          FZ_KV_U64 ("owner", self->credential->owner));
}

static void
on_ended (const GError *error, gpointer user_data)
{
  FzControl *self = user_data;

  g_clear_pointer (&self->session, fz_session_free);
  self->is_up = self->is_dns_pending = false;
  g_clear_pointer (&self->dns_problem, g_free);
  /* Told to end: what it failed with on its way out is of no interest. */
  if (error != NULL && !self->is_ending)
    note_failure (self, error);
  else if (!self->is_ending)
    self->failure = FZ_REASON_PORTAL_UNREACHABLE; /* never seen; but do not spin */
  self->is_ending = false;
  advance (self);
  tell_credential (self);
}

/* -- what to do next -- */

static void
start_session (FzControl *self)
{
  static const FzSessionCallbacks callbacks = {
    .on_state = on_state,
    .on_resources = on_resources,
    .on_dns = on_dns,
    .on_notice = on_notice,
    .on_portal_problem = on_portal_problem,
    .on_unusable = on_unusable,
    .on_ended = on_ended,
  };
  FzSessionConfig config = self->config.session;
  g_autoptr (GError) error = NULL;

  config.portal.login.api_url = fz_control_get_api_url (self);
  config.portal.token = self->credential->token;
  config.is_internet_on = self->wish.routes_internet;
  config.log = self->config.log;
  self->session_state = FZ_SESSION_CONNECTING;
  self->session = fz_session_new (&config, &callbacks, self, &error);
  if (self->session == NULL)
    note_failure (self, error);
}

static gboolean
on_retry (gpointer user_data)
{
  FzControl *self = user_data;

  self->retry_id = 0;
  start_session (self);
  advance (self);
  return G_SOURCE_REMOVE;
}

static void
retry_later (FzControl *self)
{
  FzRng rng = fz_crypto_rng ();
  uint64_t delay_ns = FZ_CONTROL_RETRY_MAX_NS;

  fz_backoff_next (&self->backoff, &rng, &delay_ns);
  delay_ns /= MAX (self->config.session.portal.speed, 1u);
  self->retry_id = g_timeout_add ((guint) (delay_ns / FZ_MS), on_retry, self);
}

static gboolean
on_stopped_idle (gpointer user_data)
{
  FzControl *self = user_data;

  self->stopped_id = 0;
  self->callbacks.on_stopped (self->user_data);
  return G_SOURCE_REMOVE;
}

static void
end_session (FzControl *self)
{
  if (self->is_ending)
    return;
  self->is_ending = true;
  fz_session_stop (self->session);
}

static void
advance (FzControl *self)
{
  bool should_run = self->credential != NULL && self->wish.wants_connected && !self->is_stopping;

  if (self->session != NULL) {
    if (!should_run)
      end_session (self);
  } else if (should_run && self->retry_id == 0 && !self->has_given_up) {
    update (self); /* a step on the way: whatever comes of it, we were connecting */
    if (self->failure == FZ_REASON_NONE)
      start_session (self);
    if (self->session == NULL && self->credential != NULL && !self->has_given_up)
      retry_later (self);
  } else if (!should_run) {
    forget_failure (self);
  }
  update (self);
  if (self->is_stopping && self->session == NULL && self->stopped_id == 0)
    self->stopped_id = g_idle_add (on_stopped_idle, self);
}

/* -- time and network -- */

static gboolean
check_expiry (gpointer user_data)
{
  FzControl *self = user_data;

  fz_announcer_note_expiry (
      &self->announcer, (int64_t) self->credential->expires_us, g_get_real_time ());
  return G_SOURCE_CONTINUE;
}

static void
watch_expiry (FzControl *self)
{
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  fz_announcer_note_credential (&self->announcer);
  if (self->credential->expires_us == 0)
    return;
  self->expiry_id = g_timeout_add_seconds (FZ_CONTROL_EXPIRY_CHECK_S, check_expiry, self);
  check_expiry (self);
}

/* Whoever waits for the next attempt need not wait once there is a network. */
static void
retry_now (FzControl *self)
{
  if (self->retry_id == 0)
    return;
  g_clear_handle_id (&self->retry_id, g_source_remove);
  start_session (self);
  advance (self);
}

static void
on_network_changed (GNetworkMonitor *monitor, gboolean is_available, gpointer user_data)
{
  FzControl *self = user_data;

  (void) monitor;
  if (is_available)
    retry_now (self);
  update (self);
}

/* -- public: life -- */

FzControl *
fz_control_new (const FzControlConfig *config,
                const FzControlCallbacks *callbacks,
                gpointer user_data)
{
  FzControl *self = g_new0 (FzControl, 1);

  self->config = *config;
  self->default_api_url = g_strdup (config->default_api_url);
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->announcer = (FzAnnouncer){ .on_event = callbacks->on_event, .user_data = user_data };
  self->log = fz_log_for (&config->log, "control");
  fz_service_machine_init (&self->machine);
  forget_failure (self);
  self->network = g_object_ref (g_network_monitor_get_default ());
  self->network_id =
      g_signal_connect (self->network, "network-changed", G_CALLBACK (on_network_changed), self);
  return self;
}

void
fz_control_free (FzControl *self)
{
  if (self == NULL)
    return;
  g_clear_signal_handler (&self->network_id, self->network);
  g_clear_object (&self->network);
  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  g_clear_handle_id (&self->stopped_id, g_source_remove);
  g_clear_pointer (&self->session, fz_session_free);
  g_clear_pointer (&self->credential, fz_credential_free);
  fz_service_machine_clear (&self->machine);
  g_free (self->failure_text);
  g_free (self->dns_problem);
  g_free (self->default_api_url);
  g_free (self);
}

bool
fz_control_restore (FzControl *self)
{
  FzWish wish = { 0 };
  FzCredential *credential = fz_credential_store_restore (self->config.store, &wish, &self->log);

  if (credential == NULL)
    return false;
  fz_log (&self->log,
          FZ_LOG_INFO,
          "credential-restored",
          "going on where the service was interrupted",
          FZ_KV_BOOL ("connects", wish.wants_connected));
  self->credential = credential;
  watch_expiry (self);
  update (self);
  self->wish = wish;
  advance (self);
  return true;
}

void
fz_control_stop (FzControl *self)
{
  self->is_stopping = true;
  advance (self);
}

/* -- public: what people ask for -- */

void
fz_control_set_credential (FzControl *self, FzCredential *credential)
{
  bool is_same = self->credential != NULL && fz_credential_is_same (self->credential, credential);

  if (!is_same)
    self->wish = (FzWish){ 0 };
  g_clear_pointer (&self->credential, fz_credential_free);
  self->credential = credential;
  self->signed_out = FZ_REASON_NONE;
  keep (self);
  self->was_set = true;
  self->was_set_again = is_same;
  advance (self);
  tell_credential (self);
  watch_expiry (self);
}

void
fz_control_clear_credential (FzControl *self, FzServiceReason reason)
{
  if (self->credential == NULL)
    return;
  if (!self->was_set) /* else it came and went while another's session was ending */
    fz_log (&self->log,
            FZ_LOG_INFO,
            "credential-cleared",
            "the credential was wiped",
            FZ_KV_TEXT ("reason", fz_service_reason_name (reason)));
  if (reason == FZ_REASON_USER)
    fz_sign_out_send (fz_control_get_api_url (self), self->credential->token, &self->log);
  drop_credential (self, reason);
  advance (self);
}

bool
fz_control_connect (FzControl *self)
{
  if (self->credential == NULL)
    return false;

  if (!self->wish.wants_connected) {
    self->wish.wants_connected = true;
    keep (self);
  } else if (self->session != NULL) {
    return true;
  }
  forget_failure (self); /* who asks again need not wait, nor hear of the last time */
  advance (self);
  return true;
}

void
fz_control_disconnect (FzControl *self)
{
  if (!self->wish.wants_connected)
    return;
  self->wish.wants_connected = false;
  g_clear_handle_id (&self->retry_id, g_source_remove);
  keep (self);
  advance (self);
}

void
fz_control_reconnect (FzControl *self)
{
  if (self->session != NULL && !self->is_ending)
    fz_session_reset_network (self->session);
  retry_now (self);
}

void
fz_control_set_internet (FzControl *self, bool is_on)
{
  if (self->wish.routes_internet == is_on)
    return;
  self->wish.routes_internet = is_on;
  if (self->session != NULL && !self->is_ending)
    fz_session_set_internet (self->session, is_on);
  keep (self);
  update (self);
}

void
fz_control_set_default_api_url (FzControl *self, const char *url)
{
  if (g_strcmp0 (self->default_api_url, url) == 0)
    return;
  g_free (self->default_api_url);
  self->default_api_url = g_strdup (url);
  update (self);
}

void
fz_control_note_owner (FzControl *self, bool was_here)
{
  if (self->credential == NULL || self->wish.owner_was_here == was_here)
    return;
  self->wish.owner_was_here = was_here;
  keep (self);
}

/* -- public: what is so -- */

const FzServiceMachine *
fz_control_get_machine (const FzControl *self)
{
  return &self->machine;
}

FzPortalState
fz_control_get_portal_state (const FzControl *self)
{
  return self->portal_state;
}

const FzCredential *
fz_control_get_credential (const FzControl *self)
{
  return self->credential;
}

const FzWish *
fz_control_get_wish (const FzControl *self)
{
  return &self->wish;
}

const char *
fz_control_get_api_url (const FzControl *self)
{
  if (self->credential == NULL)
    return "";
  return self->credential->api_url != NULL ? self->credential->api_url : self->default_api_url;
}

FzSession *
fz_control_get_session (FzControl *self)
{
  return self->is_ending ? NULL : self->session;
}

bool
fz_control_is_ending (const FzControl *self)
{
  return self->session != NULL && self->is_ending;
}

bool
fz_control_is_up (const FzControl *self)
{
  return self->session != NULL && !self->is_ending && self->is_up;
}
