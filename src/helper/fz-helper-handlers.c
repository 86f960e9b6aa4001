/* fz-helper-handlers.c: what callers ask for; each call is answered exactly once */
#include "src/crypto/fz-crypto.h"
#include "src/helper/fz-export.h"
#include "src/helper/fz-helper-private.h"
#include "src/helper/fz-self-test.h"
#include "src/ipc/fz-ipc-credential.h"
#include "src/portal/fz-login-url.h"
#include "src/runtime/fz-process-metrics.h"

#include <string.h>

#define BUFFER_SIZE (FZ_IPC_CREDENTIAL_BYTES_MAX + 1)

/* -- connecting -- */

static void
handle_connect (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  gboolean is_on = FALSE;

  if (fz_control_get_credential (self->control) == NULL) {
    fz_ipc_call_fail (
        call, FZ_IPC_ERROR_NOT_SIGNED_IN, "nobody is signed in: SetCredential has to come first");
    return;
  }
  if (g_variant_lookup (fz_ipc_call_get_options (call), "internet-resource", "b", &is_on))
    fz_control_set_internet (self->control, is_on);

  /* Accepted. Making a device and measuring ciphers takes its milliseconds: the caller has its
   * answer before, and whoever asks next finds it done. */
  fz_ipc_call_return (call, NULL);
  fz_control_connect (self->control);
}

static void
handle_disconnect (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;

  fz_control_disconnect (self->control);
  fz_ipc_call_return (call, NULL);
}

static void
handle_reconnect (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;

  fz_control_reconnect (self->control);
  fz_ipc_call_return (call, NULL);
}

static void
handle_set_internet_resource (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  gboolean is_on;

  g_variant_get (fz_ipc_call_get_parameters (call), "(b)", &is_on);
  if (fz_control_get_credential (self->control) == NULL) {
    fz_ipc_call_fail (call, FZ_IPC_ERROR_NOT_SIGNED_IN, "nobody is signed in");
    return;
  }
  fz_control_set_internet (self->control, is_on);
  fz_ipc_call_return (call, NULL);
}

/* -- the credential -- */

static FzToken *
read_token (FzIpcCall *call, GError **error)
{
  char *buffer = fz_secret_new (BUFFER_SIZE);
  int fd = fz_ipc_call_steal_fd (call);
  g_autoptr (GError) local = NULL;
  FzToken *token = NULL;

  if (fz_ipc_credential_read (fd, buffer, BUFFER_SIZE, error)) {
    token = fz_token_new (buffer, &local);
    if (token == NULL)
      g_set_error_literal (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT, local->message);
  }
  fz_secret_free (buffer, BUFFER_SIZE);
  if (fd >= 0)
    close (fd);
  return token;
}

static bool
check_url (const char *url, GError **error)
{
  const FzLoginUrlConfig config = {
    .role = FZ_ROLE_CLIENT, .api_url = url, .device_id = "x", .name = "x"
  };
  g_autoptr (GError) local = NULL;
  g_autoptr (FzLoginUrl) parsed = fz_login_url_new (&config, &local);

  if (parsed == NULL)
    g_set_error_literal (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT, local->message);
  return parsed != NULL;
}

/* The call has every right it needs. */
static void
take_credential (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  GVariant *options = fz_ipc_call_get_options (call);
  const char *api_url = NULL, *account = NULL, *actor = NULL;
  g_autoptr (GError) error = NULL;
  guint64 expires_us = 0;
  FzToken *token;

  g_variant_lookup (options, "api-url", "&s", &api_url);
  g_variant_lookup (options, "account", "&s", &account);
  g_variant_lookup (options, "actor", "&s", &actor);
  g_variant_lookup (options, "expires", "t", &expires_us);
  if (api_url != NULL && !check_url (api_url, &error)) {
    fz_ipc_call_take_error (call, g_steal_pointer (&error));
    return;
  }
  token = read_token (call, &error);
  if (token == NULL) {
    fz_ipc_call_take_error (call, g_steal_pointer (&error));
    return;
  }
  fz_control_set_credential (self->control,
                             fz_credential_new (token,
                                                fz_ipc_call_get_uid (call),
                                                api_url,
                                                account,
                                                actor,
                                                MIN (expires_us, G_MAXINT64)));
  fz_ipc_call_return (call, NULL);
}

/* "wss://host" and "wss://host/" are one portal. */
static bool
is_same_url (const char *a, const char *b)
{
  size_t n = strlen (a), m = strlen (b);

  n -= n > 0 && a[n - 1] == '/' ? 1 : 0;
  m -= m > 0 && b[m - 1] == '/' ? 1 : 0;
  return n == m && g_ascii_strncasecmp (a, b, n) == 0;
}

static void
handle_set_credential (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  const char *fixed = fz_machine_config_get (self->machine_config, FZ_SETTING_API_URL);
  const char *api_url = NULL;

  g_variant_lookup (fz_ipc_call_get_options (call), "api-url", "&s", &api_url);
  if (fixed == NULL || api_url == NULL || is_same_url (fixed, api_url))
    take_credential (call, self);
  else
    fz_ipc_call_authorize (call, FZ_IPC_ACTION_CONFIGURE, take_credential, self);
}

static void
handle_clear_credential (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;

  fz_control_clear_credential (self->control, FZ_REASON_USER);
  fz_ipc_call_return (call, NULL);
}

/* -- logs -- */

static void
handle_open_log (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  g_autoptr (GError) error = NULL;
  int fd = fz_log_setup_open_file (
      self->config.log_setup, fz_ipc_service_get_log_owner (self->service), &error);

  if (fd >= 0)
    fz_ipc_call_return_fd (call, fd);
  else
    fz_ipc_call_fail (call, FZ_IPC_ERROR_UNSUPPORTED, "%s", error->message);
}

static void
handle_set_log_filter (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  g_autoptr (GError) error = NULL;
  const char *filter;
  bool is_own;

  g_variant_get (fz_ipc_call_get_parameters (call), "(&s)", &filter);
  is_own = *filter != '\0';
  if (!is_own)
    filter = fz_helper_get_configured_filter (self);
  if (!fz_log_setup_set_filter (self->config.log_setup, filter, &error)) {
    fz_ipc_call_fail (call,
                      g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE)
                          ? FZ_IPC_ERROR_INVALID_ARGUMENT
                          : FZ_IPC_ERROR_BUSY,
                      "%s",
                      error->message);
    return;
  }
  self->has_own_filter = is_own;
  fz_log (&self->log,
          FZ_LOG_INFO,
          "log-filter-set",
          "the log filter was changed",
          FZ_KV_TEXT ("filter", fz_log_setup_get_filter (self->config.log_setup)));
  fz_helper_publish (self);
  fz_ipc_call_return (call, NULL);
}

/* -- counters -- */

static void
handle_metrics (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  FzSession *session = fz_control_get_session (self->control);
  g_autoptr (FzMetrics) metrics =
      session != NULL ? fz_host_get_metrics (fz_session_get_host (session)) : fz_metrics_new ();
  GVariantBuilder builder;
  const char *name;
  uint64_t value;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{st}"));
  for (unsigned i = 0; (name = fz_metrics_get (metrics, i, &value)) != NULL; i++)
    g_variant_builder_add (&builder, "{st}", name, (guint64) value);
  fz_ipc_call_return (call, g_variant_new ("(a{st})", &builder));
}

static void
handle_exposition (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  FzSession *session = fz_control_get_session (self->control);
  g_autoptr (FzMetrics) metrics = NULL;
  g_autofree char *text = NULL;

  if (session != NULL) {
    metrics = fz_host_get_metrics (fz_session_get_host (session));
  } else {
    metrics = fz_metrics_new ();
    fz_process_metrics_add (metrics);
  }
  text = fz_metrics_to_prometheus (metrics);
  fz_ipc_call_return (call, g_variant_new ("(s)", text));
}

/* -- checks -- */

static void
on_self_test (GVariant *rows, gpointer user_data)
{
  FzIpcCall *call = user_data;

  fz_ipc_call_return (call, g_variant_new ("(@a(sbs))", rows));
}

static void
handle_self_test (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  const char *api_url = fz_control_get_api_url (self->control);
  const char *fixed = fz_machine_config_get (self->machine_config, FZ_SETTING_API_URL);
  const FzSelfTestConfig config = {
    .control = self->control,
    .platform = self->config.session.host.platform,
    .log_setup = self->config.log_setup,
    .config = self->machine_config,
    .api_url = *api_url != '\0' ? api_url
               : fixed != NULL  ? fixed
                                : self->config.default_api_url,
  };

  fz_self_test_run (&config, self->cancellable, on_self_test, call);
}

/* -- export -- */

typedef struct {
  FzHelper *helper;
  FzIpcCall *call;
  uint32_t uid;
  GCancellable *cancellable; /* the helper's: cancelled when it is gone */
} ExportCall;

static void
on_exported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ExportCall *pending = user_data;
  g_autoptr (GError) error = NULL;
  bool is_written = fz_export_finish (result, &error);

  (void) source;
  if (!g_cancellable_is_cancelled (pending->cancellable)) {
    g_hash_table_remove (pending->helper->exporting, GUINT_TO_POINTER (pending->uid));
    if (is_written)
      fz_ipc_call_return (pending->call, NULL);
    else if (error->domain == G_FILE_ERROR) /* a log of ours cannot be read */
      fz_ipc_call_take_error (pending->call, g_steal_pointer (&error));
    else /* a full disk, a reader that has gone: the target is the caller's */
      fz_ipc_call_fail (pending->call,
                        FZ_IPC_ERROR_INVALID_ARGUMENT,
                        "the target cannot be written: %s",
                        error->message);
  }
  g_object_unref (pending->cancellable);
  g_free (pending);
}

static char *
dup_metrics (FzHelper *self)
{
  FzSession *session = fz_control_get_session (self->control);

  return session != NULL ? fz_host_dump_metrics (fz_session_get_host (session), FZ_METRICS_TEXT)
                         : g_strdup ("There is no session.\n");
}

/* A target that takes for ever holds up the user who named it, and nobody else. */
static const char *
find_export_obstacle (FzHelper *self, uint32_t uid)
{
  if (g_hash_table_contains (self->exporting, GUINT_TO_POINTER (uid)))
    return "an export of yours is being written already";
  if (g_hash_table_size (self->exporting) >= FZ_HELPER_EXPORTS_MAX)
    return "too many exports are being written; try again in a minute";
  return NULL;
}

static void
add_name (GPtrArray *names, const char *name)
{
  if (name != NULL && *name != '\0')
    g_ptr_array_add (names, g_strdup (name));
}

static void
add_resource_names (FzHelper *self, GPtrArray *names)
{
  FzSession *session = fz_control_get_session (self->control);
  const FzResourceView *views;
  size_t n = session != NULL ? fz_session_get_resources (session, &views) : 0;

  for (size_t i = 0; i < n; i++) {
    add_name (names, views[i].resource->name);
    for (size_t j = 0; j < views[i].resource->n_sites; j++)
      add_name (names, views[i].resource->sites[j].name);
  }
}

/* All that is known to name a person, a machine or a private network. */
static GPtrArray *
list_names (FzHelper *self)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  const FzCredential *credential = fz_control_get_credential (self->control);
  g_autoptr (GUri) portal =
      g_uri_parse (fz_control_get_api_url (self->control), G_URI_FLAGS_NONE, NULL);
  const char *host = portal != NULL ? g_uri_get_host (portal) : NULL;

  add_name (names, self->config.session.portal.login.name);
  if (!g_str_equal (g_get_host_name (), "localhost"))
    add_name (names, g_get_host_name ());
  if (credential != NULL) {
    add_name (names, credential->account);
    add_name (names, credential->actor);
  }
  if (host != NULL && !g_hostname_is_ip_address (host) && !g_str_equal (host, "localhost"))
    add_name (names, host);
  add_resource_names (self, names);
  return names;
}

static void
handle_export (FzIpcCall *call, gpointer user_data)
{
  FzHelper *self = user_data;
  uint32_t uid = fz_ipc_call_get_uid (call);
  const char *obstacle = find_export_obstacle (self, uid);
  FzExport export = { .target = fz_ipc_call_steal_fd (call), .reader = uid };
  const char *problem = fz_export_check_target (export.target);
  ExportCall *pending;

  if (problem != NULL || obstacle != NULL) {
    if (export.target >= 0)
      close (export.target);
    if (problem != NULL)
      fz_ipc_call_fail (call, FZ_IPC_ERROR_INVALID_ARGUMENT, "the target is no good: %s", problem);
    else
      fz_ipc_call_fail (call, FZ_IPC_ERROR_BUSY, "%s", obstacle);
    return;
  }
  export.log_directory = g_strdup (fz_log_setup_get_directory (self->config.log_setup));
  export.state = fz_helper_dup_state (self);
  export.metrics = dup_metrics (self);
  export.names = list_names (self);
  export.reads_all = uid == 0 || fz_ipc_call_is_granted (call, FZ_IPC_ACTION_DIAGNOSTICS_OTHER);
  g_hash_table_add (self->exporting, GUINT_TO_POINTER (uid));
  pending = g_new0 (ExportCall, 1);
  pending->helper = self;
  pending->call = call;
  pending->uid = uid;
  pending->cancellable = g_object_ref (self->cancellable);
  fz_export_start (&export, fz_ipc_call_get_cancellable (call), on_exported, pending);
}

const FzIpcHandlers fz_helper_handlers = {
  .connect = handle_connect,
  .disconnect = handle_disconnect,
  .reconnect = handle_reconnect,
  .set_credential = handle_set_credential,
  .clear_credential = handle_clear_credential,
  .set_internet_resource = handle_set_internet_resource,
  .open_log = handle_open_log,
  .set_log_filter = handle_set_log_filter,
  .export = handle_export,
  .self_test = handle_self_test,
  .metrics = handle_metrics,
  .exposition = handle_exposition,
};
