/* fz-dns-control.c
 *
 * One question is with the backend at a time: apply. What happens meanwhile
 * (new settings, an event) makes it asked once more. Events are gathered for
 * a moment, failures repeated with growing pauses; with mode auto a backend that
 * fails three times, or says that it cannot work here, makes room for the next.
 *
 * Two programs that both insist on their own settings would keep each other
 * busy: who has to correct the same thing too often in a short time says so and pauses.
 *
 * The owner is told from an idle source; what it is told follows from the state then, so a failure
 * that is over before anybody heard of it was none.
 */
#include "platform/fz-dns-control-private.h"

#include <string.h>

#define GATHER_MS      50u      /* events of one change come in bursts */
#define RETRY_MS       500u     /* first pause after a failure; doubled … */
#define RETRY_MAX_MS   30000u   /* … up to this */
#define TRIES          3u       /* of one mode, when there may be another */
#define OVERRULED_MAX  6u       /* corrections … */
#define OVERRULED_US   20000000 /* … in this time: another program insists */
#define PROBE_MS       2000u    /* desktop-integration.md §7 */
#define ERROR_TEXT_MAX 512u

struct FzDnsControl {
  FzDnsMode wanted;
  FzLog log;
  FzDnsMachine *machine;
  FzDnsCallbacks callbacks;
  gpointer user_data;

  FzDnsMode mode;
  FzDnsBackend *backend; /* NULL until found */
  bool is_detecting;
  unsigned failed_modes; /* bits */

  FzDnsState state;
  FzDnsSettings *settings; /* NULL: nothing is to be set */
  bool is_applying;        /* the backend has been asked */
  bool is_stale;           /* ask again once it has answered */
  bool is_in_force;        /* as last answered */
  GError *apply_error;
  GError *probe_error;
  unsigned n_failures;
  unsigned n_overruled;
  gint64 overruled_since;
  guint start_id; /* idle source of the first detection */
  guint apply_id; /* timer */

  GArray *upstreams; /* FzDnsUpstream */
  bool has_upstreams;

  FzDnsProbeFunc probe_func; /* NULL: none is waiting */
  gpointer probe_data;
  guint probe_id; /* time limit */

  guint tell_id; /* idle source */
  bool tells_changed;
  bool tells_upstreams;
  bool has_told_failure;
};

/* The name is no expression, so the formatter must not touch it. */
/* clang-format off */
G_DEFINE_QUARK (fz-dns-error-quark, fz_dns_error)
/* clang-format on */

/* -- names -- */

static const char *const mode_names[] = {
  [FZ_DNS_MODE_AUTO] = "auto",
  [FZ_DNS_MODE_RESOLVED] = "systemd-resolved",
  [FZ_DNS_MODE_NETWORK_MANAGER] = "networkmanager",
  [FZ_DNS_MODE_RESOLVCONF] = "resolvconf",
  [FZ_DNS_MODE_FILE] = "etc-resolv-conf",
  [FZ_DNS_MODE_NONE] = "disabled",
};

const char *
fz_dns_mode_name (FzDnsMode mode)
{
  return mode_names[mode];
}

bool
fz_dns_mode_parse (const char *text, FzDnsMode *out)
{
  for (size_t i = 0; i < G_N_ELEMENTS (mode_names); i++)
    if (strcmp (mode_names[i], text) == 0) {
      *out = (FzDnsMode) i;
      return true;
    }
  return false;
}

bool
fz_dns_control_owns_address (const FzIp *ip)
{
  FzIpNetwork network = { 0 };
  const char *text = ip->family == FZ_IP_V4 ? FZ_DNS_SENTINELS_V4 : FZ_DNS_SENTINELS_V6;

  return fz_ip_network_parse (text, &network) && fz_ip_network_contains (&network, ip);
}

/* -- lists and settings -- */

static void
clear_upstream (gpointer data)
{
  FzDnsUpstream *upstream = data;

  g_free ((char *) upstream->server_name);
}

GArray *
fz_dns_upstreams_new (void)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (FzDnsUpstream));

  g_array_set_clear_func (list, clear_upstream);
  return list;
}

void
fz_dns_upstreams_add (GArray *list, const FzDnsUpstream *upstream)
{
  FzDnsUpstream copy = *upstream;

  copy.server_name = g_strdup (upstream->server_name);
  g_array_append_val (list, copy);
}

static bool
upstream_equal (const FzDnsUpstream *a, const FzDnsUpstream *b)
{
  return fz_socket_address_equal (&a->address, &b->address) && a->ifindex == b->ifindex &&
         g_strcmp0 (a->server_name, b->server_name) == 0;
}

static bool
has_upstream (const GArray *list, const FzDnsUpstream *upstream)
{
  for (guint i = 0; i < list->len; i++)
    if (upstream_equal (&g_array_index (list, FzDnsUpstream, i), upstream))
      return true;
  return false;
}

static bool
upstreams_equal (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return false;
  for (guint i = 0; i < a->len; i++)
    if (!upstream_equal (&g_array_index (a, FzDnsUpstream, i),
                         &g_array_index (b, FzDnsUpstream, i)))
      return false;
  return true;
}

static void
free_settings (FzDnsSettings *settings)
{
  if (settings == NULL)
    return;
  g_free ((char *) settings->ifname);
  g_free ((char *) settings->search_domain);
  g_free ((FzIp *) settings->servers);
  g_free (settings);
}

/* Only sentinels, each once. */
static FzDnsSettings *
copy_settings (const FzDnsSettings *settings)
{
  FzDnsSettings *copy = g_new0 (FzDnsSettings, 1);
  FzIp *servers = g_new0 (FzIp, FZ_DNS_SERVERS_MAX);

  for (size_t i = 0; i < settings->n_servers && copy->n_servers < FZ_DNS_SERVERS_MAX; i++) {
    bool is_known = false;

    for (size_t k = 0; k < copy->n_servers; k++)
      is_known = is_known || fz_ip_equal (&servers[k], &settings->servers[i]);
    if (!is_known && fz_dns_control_owns_address (&settings->servers[i]))
      servers[copy->n_servers++] = settings->servers[i];
  }
  copy->servers = servers;
  copy->ifname = g_strdup (settings->ifname);
  copy->ifindex = settings->ifindex;
  if (settings->search_domain != NULL && settings->search_domain[0] != '\0')
    copy->search_domain = g_strdup (settings->search_domain);
  return copy;
}

static bool
settings_equal (const FzDnsSettings *a, const FzDnsSettings *b)
{
  if (a->ifindex != b->ifindex || a->n_servers != b->n_servers ||
      g_strcmp0 (a->ifname, b->ifname) != 0 || g_strcmp0 (a->search_domain, b->search_domain) != 0)
    return false;
  for (size_t i = 0; i < a->n_servers; i++)
    if (!fz_ip_equal (&a->servers[i], &b->servers[i]))
      return false;
  return true;
}

/* -- telling -- */

static void
tell_failure (FzDnsControl *self)
{
  const GError *error = fz_dns_control_get_error (self);

  if (error != NULL && !self->has_told_failure) {
    self->has_told_failure = true;
    if (self->callbacks.on_failed != NULL)
      self->callbacks.on_failed (error, self->user_data);
  } else if (self->state == FZ_DNS_STATE_ACTIVE && self->has_told_failure) {
    self->has_told_failure = false;
    if (self->callbacks.on_recovered != NULL)
      self->callbacks.on_recovered (self->user_data);
  }
}

static gboolean
tell (gpointer user_data)
{
  FzDnsControl *self = user_data;
  bool tells_changed = self->tells_changed;
  bool tells_upstreams = self->tells_upstreams;

  self->tell_id = 0;
  self->tells_changed = false;
  self->tells_upstreams = false;
  if (tells_upstreams && self->callbacks.on_upstreams != NULL)
    self->callbacks.on_upstreams (self->user_data);
  if (tells_changed) {
    if (self->callbacks.on_changed != NULL)
      self->callbacks.on_changed (self->user_data);
    tell_failure (self);
  }
  return G_SOURCE_REMOVE;
}

static void
tell_soon (FzDnsControl *self)
{
  if (self->tell_id == 0)
    self->tell_id = g_idle_add_full (G_PRIORITY_DEFAULT, tell, self, NULL);
}

static const char *
state_name (FzDnsState state)
{
  switch (state) {
  case FZ_DNS_STATE_IDLE:
    return "idle";
  case FZ_DNS_STATE_APPLYING:
    return "applying";
  case FZ_DNS_STATE_ACTIVE:
    return "active";
  case FZ_DNS_STATE_DEGRADED:
    return "degraded";
  }
  g_assert_not_reached ();
}

/* The state follows from what is known; a read-back of what holds does not show. */
static void
update_state (FzDnsControl *self)
{
  FzDnsState next;

  if (self->settings == NULL)
    next = FZ_DNS_STATE_IDLE;
  else if (self->apply_error != NULL || (self->is_in_force && self->probe_error != NULL))
    next = FZ_DNS_STATE_DEGRADED;
  else
    next = self->is_in_force ? FZ_DNS_STATE_ACTIVE : FZ_DNS_STATE_APPLYING;

  self->tells_changed = true;
  tell_soon (self);
  if (next == self->state)
    return;
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "dns-state",
          "DNS control changed its state",
          FZ_KV_TEXT ("mode", fz_dns_mode_name (self->mode)),
          FZ_KV_TEXT ("state", state_name (next)));
  self->state = next;
}

/* -- applying -- */

static void
detect (FzDnsControl *self)
{
  if (self->is_detecting)
    return;
  self->is_detecting = true;
  self->machine->functions->detect (self->machine, self->wanted, self->failed_modes);
}

static void
apply_now (FzDnsControl *self)
{
  g_clear_handle_id (&self->apply_id, g_source_remove);
  if (self->settings == NULL || self->backend == NULL || self->is_detecting)
    return;
  if (self->is_applying) {
    self->is_stale = true;
    return;
  }
  self->is_applying = true;
  self->backend->functions->apply (self->backend, self->settings);
}

static gboolean
on_apply_due (gpointer user_data)
{
  FzDnsControl *self = user_data;

  self->apply_id = 0;
  apply_now (self);
  return G_SOURCE_REMOVE;
}

static void
apply_in (FzDnsControl *self, guint ms)
{
  g_clear_handle_id (&self->apply_id, g_source_remove);
  self->apply_id = g_timeout_add (ms, on_apply_due, self);
}

/* Undoes what was set and forgets what was asked. */
static void
revert (FzDnsControl *self, bool waits)
{
  g_clear_handle_id (&self->apply_id, g_source_remove);
  if (self->backend != NULL)
    self->backend->functions->revert (self->backend, waits);
  self->is_applying = false;
  self->is_stale = false;
  self->is_in_force = false;
  self->n_failures = 0;
  self->n_overruled = 0;
  g_clear_error (&self->apply_error);
  g_clear_error (&self->probe_error);
}

static void
try_next_mode (FzDnsControl *self)
{
  fz_log (&self->log,
          FZ_LOG_WARNING,
          "dns-mode-failed",
          "this way of setting DNS servers does not work here; trying the next",
          FZ_KV_TEXT ("mode", fz_dns_mode_name (self->mode)),
          FZ_KV_TEXT ("error", self->apply_error->message));
  self->failed_modes |= 1u << self->mode;
  self->n_failures = 0;
  if (!self->has_told_failure)
    g_clear_error (&self->apply_error); /* whether this is a failure, the next mode says */
  detect (self);
}

static void
fail (FzDnsControl *self, const GError *error)
{
  bool is_unsupported = g_error_matches (error, FZ_DNS_ERROR, FZ_DNS_ERROR_UNSUPPORTED);
  bool is_news = self->apply_error == NULL;
  bool has_next = self->wanted == FZ_DNS_MODE_AUTO && (self->failed_modes & 1u << self->mode) == 0;
  guint pause = MIN (RETRY_MS << MIN (self->n_failures, 10u), RETRY_MAX_MS);

  g_clear_error (&self->apply_error);
  self->apply_error = g_error_copy (error);
  self->is_in_force = false;
  self->n_failures++;
  fz_log (&self->log,
          is_news ? FZ_LOG_WARNING : FZ_LOG_DEBUG,
          "dns-not-set",
          "the machine does not ask our DNS servers",
          FZ_KV_TEXT ("mode", fz_dns_mode_name (self->mode)),
          FZ_KV_TEXT ("error", error->message));
  if (has_next && (is_unsupported || self->n_failures >= TRIES))
    try_next_mode (self);
  else
    apply_in (self, pause);
}

/* Whether a correction was one too many. */
static bool
is_overruled (FzDnsControl *self)
{
  gint64 now = g_get_monotonic_time ();

  if (now - self->overruled_since > OVERRULED_US) {
    self->overruled_since = now;
    self->n_overruled = 0;
  }
  return ++self->n_overruled >= OVERRULED_MAX;
}

static void
succeed (FzDnsControl *self, bool has_changed)
{
  bool was_in_force = self->is_in_force;

  self->is_in_force = true;
  self->n_failures = 0;
  g_clear_error (&self->apply_error);
  if (!has_changed && was_in_force)
    return;

  fz_log (&self->log,
          FZ_LOG_INFO,
          was_in_force ? "dns-set-again" : "dns-set",
          was_in_force ? "another program had changed the DNS servers; set again"
                       : "the machine asks our DNS servers",
          FZ_KV_TEXT ("mode", fz_dns_mode_name (self->mode)),
          FZ_KV_U64 ("n_servers", self->settings->n_servers));
  if (was_in_force && is_overruled (self)) {
    g_autoptr (GError) error =
        g_error_new_literal (FZ_DNS_ERROR,
                             FZ_DNS_ERROR_OVERRULED,
                             "another program keeps changing the DNS servers back: let only one "
                             "program manage them");

    self->n_failures = TRIES - 1; /* a longer pause, no other mode */
    self->n_overruled = 0;
    self->apply_error = g_steal_pointer (&error);
    self->is_in_force = false;
    apply_in (self, RETRY_MS << TRIES);
  }
}

void
fz_dns_control_take_applied (FzDnsControl *self, bool has_changed, const GError *error)
{
  g_assert (self->is_applying);
  self->is_applying = false;
  if (error != NULL)
    fail (self, error);
  else
    succeed (self, has_changed);
  if (self->is_stale && !self->is_detecting) {
    self->is_stale = false;
    apply_in (self, 0);
  }
  update_state (self);
}

void
fz_dns_control_note_change (FzDnsControl *self)
{
  /* The pause that another program's insistence has earned is kept; that after any other failure
   * ends, for the event may be what was missing. A gathering one is not drawn out. */
  if (self->settings == NULL || self->is_detecting ||
      g_error_matches (self->apply_error, FZ_DNS_ERROR, FZ_DNS_ERROR_OVERRULED))
    return;
  if (self->is_applying)
    self->is_stale = true;
  else if (self->apply_id == 0 || self->apply_error != NULL)
    apply_in (self, GATHER_MS);
}

/* -- what the machine finds -- */

void
fz_dns_control_take_backend (FzDnsControl *self, FzDnsMode mode, FzDnsBackend *backend)
{
  self->is_detecting = false;
  if (self->backend != NULL) {
    if (self->settings != NULL)
      self->backend->functions->revert (self->backend, false);
    self->backend->functions->free (self->backend);
  }
  self->is_applying = false;
  self->is_stale = false;
  self->is_in_force = false;
  self->backend = backend;
  self->mode = mode;
  fz_log (&self->log,
          FZ_LOG_INFO,
          "dns-mode",
          "found out who is in charge of DNS on this machine",
          FZ_KV_TEXT ("mode", fz_dns_mode_name (mode)));
  backend->functions->read_upstreams (backend);
  update_state (self);
  apply_now (self);
}

void
fz_dns_control_take_upstreams (FzDnsControl *self, const GArray *list)
{
  g_autoptr (GArray) upstreams = fz_dns_upstreams_new ();

  for (guint i = 0; i < list->len && upstreams->len < FZ_DNS_UPSTREAMS_MAX; i++) {
    const FzDnsUpstream *upstream = &g_array_index (list, FzDnsUpstream, i);

    if (!fz_dns_control_owns_address (&upstream->address.ip) && !has_upstream (upstreams, upstream))
      fz_dns_upstreams_add (upstreams, upstream);
  }
  if (self->has_upstreams && upstreams_equal (self->upstreams, upstreams))
    return;

  g_array_unref (self->upstreams);
  self->upstreams = g_steal_pointer (&upstreams);
  self->has_upstreams = true;
  self->tells_upstreams = true;
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "dns-upstreams",
          "read the machine's own resolvers",
          FZ_KV_U64 ("n", self->upstreams->len));
  tell_soon (self);
}

/* -- probing -- */

static void
end_probe (FzDnsControl *self, const GError *error)
{
  FzDnsProbeFunc func = self->probe_func;

  g_clear_handle_id (&self->probe_id, g_source_remove);
  self->probe_func = NULL;
  g_clear_error (&self->probe_error);
  if (error != NULL && self->settings != NULL)
    self->probe_error = g_error_copy (error);
  update_state (self);
  if (func != NULL)
    func (error, self->probe_data);
}

static gboolean
on_probe_timeout (gpointer user_data)
{
  FzDnsControl *self = user_data;
  g_autoptr (GError) error = g_error_new_literal (
      FZ_DNS_ERROR, FZ_DNS_ERROR_NO_ANSWER, "a private name was not resolved within two seconds");

  self->probe_id = 0;
  end_probe (self, error);
  return G_SOURCE_REMOVE;
}

void
fz_dns_control_take_answer (FzDnsControl *self, const GError *error)
{
  g_autoptr (GError) copy = NULL;

  if (self->probe_id == 0)
    return;
  if (error != NULL)
    copy = g_error_new (FZ_DNS_ERROR,
                        FZ_DNS_ERROR_NO_ANSWER,
                        "a private name is not resolved: %.*s",
                        (int) ERROR_TEXT_MAX,
                        error->message);
  end_probe (self, copy);
}

void
fz_dns_control_probe (FzDnsControl *self, const char *name, FzDnsProbeFunc func, gpointer user_data)
{
  g_clear_handle_id (&self->probe_id, g_source_remove);
  self->probe_func = func;
  self->probe_data = user_data;
  self->probe_id = g_timeout_add (PROBE_MS, on_probe_timeout, self);
  self->machine->functions->probe (self->machine, name);
}

/* -- public -- */

static gboolean
on_start (gpointer user_data)
{
  FzDnsControl *self = user_data;

  self->start_id = 0;
  detect (self);
  return G_SOURCE_REMOVE;
}

FzDnsControl *
fz_dns_control_new_for (const FzDnsControlConfig *config, FzDnsMachine *machine)
{
  FzDnsControl *self = g_new0 (FzDnsControl, 1);

  self->wanted = config->mode;
  self->mode = FZ_DNS_MODE_NONE;
  self->log = fz_log_for (&config->log, "dns-control");
  self->upstreams = fz_dns_upstreams_new ();
  self->machine = machine;
  machine->control = self;
  self->start_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_start, self, NULL);
  return self;
}

void
fz_dns_control_free (FzDnsControl *self)
{
  if (self == NULL)
    return;

  if (self->settings != NULL)
    revert (self, true);
  g_clear_handle_id (&self->start_id, g_source_remove);
  g_clear_handle_id (&self->apply_id, g_source_remove);
  g_clear_handle_id (&self->probe_id, g_source_remove);
  g_clear_handle_id (&self->tell_id, g_source_remove);
  if (self->backend != NULL)
    self->backend->functions->free (self->backend);
  self->machine->functions->free (self->machine);
  free_settings (self->settings);
  g_clear_error (&self->apply_error);
  g_clear_error (&self->probe_error);
  g_array_unref (self->upstreams);
  g_free (self);
}

void
fz_dns_control_set_callbacks (FzDnsControl *self,
                              const FzDnsCallbacks *callbacks,
                              gpointer user_data)
{
  self->callbacks = callbacks != NULL ? *callbacks : (FzDnsCallbacks){ 0 };
  self->user_data = user_data;
  self->probe_func = NULL;
  self->has_told_failure = false;
  if (callbacks == NULL)
    return;

  /* Who comes later hears what there is. */
  self->tells_upstreams = self->has_upstreams;
  self->tells_changed = true;
  tell_soon (self);
}

void
fz_dns_control_set (FzDnsControl *self, const FzDnsSettings *settings)
{
  FzDnsSettings *copy = NULL;
  FzDnsSettings *former = self->settings;

  if (self->wanted == FZ_DNS_MODE_NONE)
    return;

  copy = copy_settings (settings);
  if (copy->n_servers == 0) {
    free_settings (copy);
    fz_dns_control_clear (self);
    return;
  }
  if (former != NULL && settings_equal (former, copy)) {
    free_settings (copy);
    fz_dns_control_check (self);
    return;
  }

  /* Another device, or an answer to the former settings on its way: start from the beginning. */
  if (former != NULL && (self->is_applying || former->ifindex != copy->ifindex))
    revert (self, false);
  self->settings = copy;
  self->is_in_force = false;
  self->is_stale = false;
  free_settings (former);
  update_state (self);
  apply_now (self);
}

void
fz_dns_control_clear (FzDnsControl *self)
{
  if (self->settings == NULL)
    return;

  revert (self, false);
  g_clear_pointer (&self->settings, free_settings);
  self->failed_modes = 0;
  self->has_told_failure = false;
  update_state (self);
}

void
fz_dns_control_check (FzDnsControl *self)
{
  if (self->backend != NULL && !self->is_detecting)
    self->backend->functions->read_upstreams (self->backend);
  apply_now (self);
}

void
fz_dns_control_flush (FzDnsControl *self)
{
  if (self->backend != NULL && self->is_in_force && self->backend->functions->flush != NULL)
    self->backend->functions->flush (self->backend);
}

FzDnsMode
fz_dns_control_get_mode (const FzDnsControl *self)
{
  return self->mode;
}

FzDnsState
fz_dns_control_get_state (const FzDnsControl *self)
{
  return self->state;
}

const GError *
fz_dns_control_get_error (const FzDnsControl *self)
{
  if (self->state != FZ_DNS_STATE_DEGRADED)
    return NULL;
  return self->apply_error != NULL ? self->apply_error : self->probe_error;
}

size_t
fz_dns_control_get_servers (const FzDnsControl *self, const FzIp **out)
{
  if (self->state != FZ_DNS_STATE_ACTIVE)
    return 0;
  *out = self->settings->servers;
  return self->settings->n_servers;
}

size_t
fz_dns_control_get_upstreams (const FzDnsControl *self, const FzDnsUpstream **out)
{
  *out = (const FzDnsUpstream *) (const void *) self->upstreams->data;
  return self->upstreams->len;
}

const FzLog *
fz_dns_control_get_log (const FzDnsControl *self)
{
  return &self->log;
}
