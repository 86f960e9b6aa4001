#include "src/helper/fz-helper-private.h"
#include "src/runtime/fz-notify.h"

#include <string.h>

#define RELOAD_DELAY_MS  200u /* an editor writes a file in several steps */
#define DROPPED_EVERY_US (1 * G_USEC_PER_SEC)

/* -- what a session shows -- */

static void
count_dropped (FzHelper *self, FzSession *session)
{
  g_autoptr (FzMetrics) metrics = NULL;
  int64_t now_us = g_get_monotonic_time ();
  uint64_t value, sum = 0;
  const char *name;

  if (now_us - self->dropped_at_us < DROPPED_EVERY_US)
    return;
  self->dropped_at_us = now_us;
  metrics = fz_host_get_metrics (fz_session_get_host (session));
  for (unsigned i = 0; (name = fz_metrics_get (metrics, i, &value)) != NULL; i++)
    if (strstr (name, "drop_") != NULL && !g_str_has_prefix (name, "lane")) /* not each lane's */
      sum += value;
  self->totals.sum.dropped = sum;
}

static void
sample (FzIpcSample *out, gpointer user_data)
{
  FzHelper *self = user_data;
  FzSession *session = fz_control_get_session (self->control);

  if (session != NULL) {
    const FzGatewayView *views;
    size_t n = fz_session_get_gateways (session, &views);

    fz_totals_update (&self->totals, views, n);
    count_dropped (self, session);
  }
  *out = self->totals.sum;
}

/* -- putting it all on the bus -- */

static void
watch_owner (FzHelper *self)
{
  const FzCredential *credential = fz_control_get_credential (self->control);
  uint32_t owner = credential != NULL ? credential->owner : UINT32_MAX;

  if (owner == self->watched_owner)
    return;
  self->watched_owner = owner;
  fz_owner_watch_set (
      self->owner_watch, owner, fz_control_get_wish (self->control)->owner_was_here);
}

static gboolean look (gpointer user_data);

static void
look_while_up (FzHelper *self)
{
  bool is_up = fz_control_is_up (self->control);

  if (is_up && self->look_id == 0)
    self->look_id = g_timeout_add (FZ_HELPER_LOOK_MS, look, self);
  else if (!is_up)
    g_clear_handle_id (&self->look_id, g_source_remove);
  if (fz_control_get_session (self->control) == NULL)
    fz_totals_reset (&self->totals);
}

static void
publish (FzHelper *self, bool has_news)
{
  FzSession *up = fz_control_is_up (self->control) ? fz_control_get_session (self->control) : NULL;

  fz_helper_show_person (self);
  fz_helper_show_rest (self, has_news);
  fz_mirror_update (self->mirror, up, has_news);
  fz_helper_show_state (self); /* last: who is told of it finds the rest */
  watch_owner (self);
  look_while_up (self);
}

/* Nobody says when counters and times have changed. */
static gboolean
look (gpointer user_data)
{
  FzHelper *self = user_data;
  FzIpcSample unused;

  sample (&unused, self);
  publish (self, false);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_publish_idle (gpointer user_data)
{
  FzHelper *self = user_data;

  self->publish_id = 0;
  publish (self, true);
  return G_SOURCE_REMOVE;
}

void
fz_helper_publish (FzHelper *self)
{
  if (self->publish_id == 0)
    self->publish_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_publish_idle, self, NULL);
}

/* -- from the control -- */

/* Everybody can read it: the reason's own sentence, not the details. */
static void
notify_manager (FzHelper *self)
{
  const FzServiceMachine *machine = fz_control_get_machine (self->control);
  const char *reason = fz_service_reason_describe (machine->reason);
  g_autofree char *status = g_strdup_printf (
      "%s%s%s", fz_service_state_name (machine->state), *reason != '\0' ? ": " : "", reason);

  fz_notify_status (status);
}

static void
on_control_changed (gpointer user_data)
{
  FzHelper *self = user_data;

  if (self->control == NULL) /* being made */
    return;
  notify_manager (self);

  /* State and owner at once: whoever asks next must not read the past, nor profit from it. */
  fz_helper_show_person (self);
  fz_helper_show_state (self);
  fz_helper_publish (self);
}

static void
on_control_event (const char *id, GVariant *details, gpointer user_data)
{
  FzHelper *self = user_data;

  fz_ipc_service_emit_event (self->service, id, details);
}

static void
on_control_stopped (gpointer user_data)
{
  FzHelper *self = user_data;

  self->callbacks.on_stopped (self->user_data);
}

/* -- the owner -- */

static void
on_owner_here (gpointer user_data)
{
  FzHelper *self = user_data;

  fz_control_note_owner (self->control, true);
}

static void
on_owner_left (gpointer user_data)
{
  FzHelper *self = user_data;
  bool keeps = fz_machine_config_keeps_when_owner_leaves (self->machine_config);

  fz_log (&self->log,
          FZ_LOG_INFO,
          "owner-left",
          keeps ? "the owner has logged out; the tunnel stays"
                : "the owner has logged out; the tunnel ends",
          FZ_KV_U64 ("owner", self->watched_owner));
  if (keeps)
    fz_control_note_owner (self->control, false);
  else
    fz_control_clear_credential (self->control, FZ_REASON_OWNER_LEFT);
}

/* -- the administrator's files -- */

const char *
fz_helper_get_configured_filter (const FzHelper *self)
{
  const char *fixed = fz_machine_config_get (self->machine_config, FZ_SETTING_LOG_FILTER);

  if (self->config.log_filter != NULL)
    return self->config.log_filter;
  return fixed != NULL ? fixed : "info";
}

static const char *
pick_api_url (const FzHelper *self)
{
  const char *fixed = fz_machine_config_get (self->machine_config, FZ_SETTING_API_URL);

  return fixed != NULL ? fixed : self->config.default_api_url;
}

static void
log_problems (FzHelper *self)
{
  size_t n;
  const FzConfigProblem *problems = fz_machine_config_get_problems (self->machine_config, &n);

  for (size_t i = 0; i < n; i++)
    fz_log (&self->log,
            FZ_LOG_WARNING,
            "configuration-problem",
            problems[i].is_error ? "a setting is wrong; what was good last stays"
                                 : "a setting is not understood and ignored",
            FZ_KV_TEXT ("problem", problems[i].text));
}

static void
apply_filter (FzHelper *self)
{
  g_autoptr (GError) error = NULL;

  if (self->has_own_filter)
    return;
  if (!fz_log_setup_set_filter (
          self->config.log_setup, fz_helper_get_configured_filter (self), &error))
    fz_log (&self->log,
            FZ_LOG_WARNING,
            "log-filter-refused",
            "the log filter stays as it is",
            FZ_KV_TEXT ("error", error->message));
}

void
fz_helper_reload (FzHelper *self)
{
  FzMachineConfig *fresh = fz_machine_config_load (self->config.config_path, self->machine_config);

  g_clear_pointer (&self->machine_config, fz_machine_config_free);
  self->machine_config = fresh;
  log_problems (self);
  apply_filter (self);
  fz_log_plain (&self->log, FZ_LOG_INFO, "configuration-read", "the configuration was read again");
  fz_control_set_default_api_url (self->control, pick_api_url (self));
  fz_helper_publish (self);
}

static gboolean
on_reload (gpointer user_data)
{
  FzHelper *self = user_data;

  self->reload_id = 0;
  fz_helper_reload (self);
  return G_SOURCE_REMOVE;
}

static void
on_config_file (
    GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user_data)
{
  FzHelper *self = user_data;

  (void) monitor;
  (void) file;
  (void) other;
  (void) event;
  g_clear_handle_id (&self->reload_id, g_source_remove);
  self->reload_id = g_timeout_add (RELOAD_DELAY_MS, on_reload, self);
}

static void
watch_config (FzHelper *self)
{
  g_autofree char *folder = g_strconcat (self->config.config_path, ".d", NULL);
  const char *paths[] = { self->config.config_path, folder };

  for (size_t i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GFile) file = g_file_new_for_path (paths[i]);

    self->config_monitors[i] = i == 0 ? g_file_monitor_file (file, 0, NULL, NULL)
                                      : g_file_monitor_directory (file, 0, NULL, NULL);
    if (self->config_monitors[i] != NULL)
      g_signal_connect (self->config_monitors[i], "changed", G_CALLBACK (on_config_file), self);
  }
}

/* -- public -- */

static void
make_service (FzHelper *self)
{
  FzIpcServiceConfig config = {
    .connection = self->config.connection,
    .handlers = fz_helper_handlers,
    .user_data = self,
    .log = fz_log_for (&self->config.log, "ipc"),
  };

  config.handlers.sample = sample;
  self->service = fz_ipc_service_new (&config);
  self->mirror = fz_mirror_new (fz_ipc_service_get_tree (self->service));
}

static void
make_dns (FzHelper *self)
{
  const char *fixed = fz_machine_config_get (self->machine_config, FZ_SETTING_DNS_CONTROL);
  const char *name = self->config.dns_control != NULL ? self->config.dns_control : fixed;
  FzDnsControlConfig config = { .mode = FZ_DNS_MODE_AUTO,
                                .log = fz_log_for (&self->config.log, "dns") };

  if (name != NULL)
    fz_dns_mode_parse (name, &config.mode);
  self->dns = self->config.open_dns (&config);
}

static void
make_control (FzHelper *self)
{
  static const FzControlCallbacks callbacks = {
    .on_changed = on_control_changed,
    .on_event = on_control_event,
    .on_stopped = on_control_stopped,
  };
  const char *lanes = fz_machine_config_get (self->machine_config, FZ_SETTING_LANES);
  FzControlConfig config = {
    .session = self->config.session,
    .store = self->config.store,
    .default_api_url = pick_api_url (self),
    .log = self->config.log,
  };

  config.session.dns = self->dns;
  if (lanes != NULL) /* it has been checked */
    config.session.host.n_lanes = (unsigned) g_ascii_strtoull (lanes, NULL, 10);
  self->control = fz_control_new (&config, &callbacks, self);
}

FzHelper *
fz_helper_new (const FzHelperConfig *config, const FzHelperCallbacks *callbacks, gpointer user_data)
{
  static const FzOwnerWatchCallbacks owner = { .on_here = on_owner_here, .on_left = on_owner_left };
  FzHelper *self = g_new0 (FzHelper, 1);

  self->config = *config;
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->log = fz_log_for (&config->log, "helper");
  self->cancellable = g_cancellable_new ();
  self->exporting = g_hash_table_new (NULL, NULL);
  self->watched_owner = UINT32_MAX;
  fz_totals_init (&self->totals);

  self->machine_config = fz_machine_config_load (config->config_path, NULL);
  log_problems (self);
  apply_filter (self);
  watch_config (self);

  self->owner_watch = fz_owner_watch_new (&owner, self, &self->log);
  make_dns (self);
  make_service (self);
  make_control (self);
  fz_control_restore (self->control);
  publish (self, true); /* whole before anybody can ask */
  return self;
}

void
fz_helper_free (FzHelper *self)
{
  if (self == NULL)
    return;
  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->look_id, g_source_remove);
  g_clear_handle_id (&self->publish_id, g_source_remove);
  g_clear_handle_id (&self->reload_id, g_source_remove);
  for (size_t i = 0; i < G_N_ELEMENTS (self->config_monitors); i++) {
    if (self->config_monitors[i] != NULL)
      g_signal_handlers_disconnect_by_data (self->config_monitors[i], self);
    g_clear_object (&self->config_monitors[i]);
  }
  g_clear_pointer (&self->owner_watch, fz_owner_watch_free);
  g_clear_pointer (&self->control, fz_control_free);
  g_clear_pointer (&self->dns, fz_dns_control_free);
  g_clear_pointer (&self->mirror, fz_mirror_free);
  g_clear_pointer (&self->service, fz_ipc_service_free);
  g_clear_pointer (&self->machine_config, fz_machine_config_free);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->exporting, g_hash_table_unref);
  fz_totals_clear (&self->totals);
  g_free (self);
}

void
fz_helper_stop (FzHelper *self)
{
  fz_control_stop (self->control);
}

void
fz_helper_log_metrics (FzHelper *self)
{
  FzSession *session = fz_control_get_session (self->control);

  if (session != NULL)
    fz_host_log_metrics (fz_session_get_host (session));
}
