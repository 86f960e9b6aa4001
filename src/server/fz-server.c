/* fz-server.c
 *
 * Start: lock, database, hub, HTTP, control socket, then "ready". Stop: peers
 * get a close frame and a moment to take it, then everything goes in reverse.
 */
#include "src/server/fz-server.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-control.h"
#include "src/server/fz-derive.h"
#include "src/server/fz-http.h"
#include "src/server/fz-hub.h"
#include "src/server/fz-manage.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-server-log.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define LOCK_WAIT_MS        2000u
#define GOODBYE_MS          300u /* for close frames to leave */
#define CONNECT_INTERVAL_US G_USEC_PER_SEC
#define DESCRIPTORS_WANTED  16384u /* 10 000 peers, those at the door, those on their way out */

typedef struct {
  FzServerLog sink;
  FzLog log;
  FzInstanceLock *lock;
  FzStore *store;
  FzHub *hub;
  FzHttp *http;
  FzManage manage;
  FzControl *control;
  GTlsCertificate *certificate;
  GMainLoop *loop;
  bool is_stopping;
} FzServer;

static void
server_clear (FzServer *self)
{
  fz_control_free (self->control);
  fz_hub_free (self->hub); /* before the server whose connections it uses */
  fz_http_free (self->http);
  g_clear_object (&self->certificate);
  fz_store_free (self->store);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  fz_instance_lock_release (self->lock);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzServer, server_clear)

char *
fz_server_read_secret (const char *path, GError **error)
{
  g_autofree char *content = NULL;

  if (!g_file_get_contents (path, &content, NULL, error))
    return NULL;
  g_strstrip (content);
  if (*content != '\0' && g_utf8_validate (content, -1, NULL))
    return g_steal_pointer (&content);
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the file %s holds no secret: it is empty or not text",
               path);
  return NULL;
}

/* -- start -- */

static bool
start_log (FzServer *self, const FzServerOptions *options, GError **error)
{
  FzLogFilter filter;
  const char *format = options->log_format != NULL ? options->log_format : "json";

  if (strcmp (format, "json") != 0 && strcmp (format, "human") != 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "the log format is json or human, not \"%s\"",
                 format);
    return false;
  }
  if (!fz_log_filter_parse (
          options->log_filter != NULL ? options->log_filter : "info", &filter, NULL)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is not a log filter; write it like info or debug",
                 options->log_filter);
    return false;
  }
  fz_server_log_init (&self->sink, STDOUT_FILENO, strcmp (format, "human") == 0, &filter);
  self->log = fz_server_log_get (&self->sink);
  return true;
}

static bool
open_store (FzServer *self, const FzServerOptions *options, GError **error)
{
  FzRng rng = fz_crypto_rng ();

  self->lock = fz_instance_lock_take (options->database_path, LOCK_WAIT_MS, error);
  if (self->lock == NULL)
    return false;
  self->store = fz_store_open (options->database_path, &rng, error);
  return self->store != NULL;
}

static bool
load_certificate (FzServer *self, const FzServerOptions *options, GError **error)
{
  if (options->tls_certificate == NULL && options->tls_key == NULL)
    return true;
  if (options->tls_certificate == NULL || options->tls_key == NULL) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "--tls-certificate and --tls-key go together");
    return false;
  }
  self->certificate =
      g_tls_certificate_new_from_files (options->tls_certificate, options->tls_key, error);
  if (self->certificate == NULL)
    g_prefix_error (error, "%s: ", options->tls_certificate);
  return self->certificate != NULL;
}

static char *
choose_external_url (FzServer *self, const FzServerOptions *options)
{
  if (options->external_url != NULL)
    return g_strdup (options->external_url);
  return g_strdup_printf (
      "%s://%s/", self->certificate != NULL ? "https" : "http", options->listen[0]);
}

/* Its id comes from its address, so that peers keep it across our restarts. */
static bool
add_coturn (FzServer *self, const char *text, const char *secret, GError **error)
{
  g_auto (GStrv) addresses = g_strsplit (text, ",", 3);
  g_autofree char *id = fz_derive_relay_id (text);
  g_autofree char *ipv4 = NULL;
  g_autofree char *ipv6 = NULL;

  if (!fz_static_relay_parse_addresses ((const char *const *) addresses, &ipv4, &ipv6, error)) {
    g_prefix_error (error, "--coturn: ");
    return false;
  }
  fz_hub_add_relay (self->hub, &(FzRelay){ FZ_RELAY_CONFIGURED, id, ipv4, ipv6, (char *) secret });
  return true;
}

static bool
add_coturns (FzServer *self, const FzServerOptions *options, GError **error)
{
  g_autofree char *secret = NULL;
  bool ok = true;

  if (options->coturn == NULL || options->coturn[0] == NULL)
    return true;
  if (options->coturn_secret_file == NULL) {
    g_set_error (
        error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "--coturn needs --coturn-secret-file");
    return false;
  }
  secret = fz_server_read_secret (options->coturn_secret_file, error);
  if (secret == NULL)
    return false;
  for (size_t i = 0; ok && options->coturn[i] != NULL; i++)
    ok = add_coturn (self, options->coturn[i], secret, error);
  fz_wipe (secret, strlen (secret));
  return ok;
}

static bool
start_hub (FzServer *self, const FzServerOptions *options, GError **error)
{
  FzHubConfig config = fz_hub_config_default ();
  g_autofree char *external_url = choose_external_url (self, options);

  config.log = self->log;
  config.external_url = external_url;
  self->hub = fz_hub_new (self->store, &config, error);
  return self->hub != NULL && add_coturns (self, options, error);
}

static bool
start_http (FzServer *self, const FzServerOptions *options, GError **error)
{
  FzHttpConfig config = {
    .log = self->log,
    .listen = options->listen,
    .trusted_proxies = options->trusted_proxies,
    .certificate = self->certificate,
    .connect_interval_us = CONNECT_INTERVAL_US,
    .is_https_outside =
        options->external_url != NULL && g_str_has_prefix (options->external_url, "https://"),
    .password_cost = fz_password_cost_default (),
  };

  self->http = fz_http_new (self->store, self->hub, &config, error);
  return self->http != NULL && fz_http_listen (self->http, error);
}

static bool
start_control (FzServer *self, const FzServerOptions *options, GError **error)
{
  self->manage = (FzManage){ self->store, self->hub, options->database_path, fz_store_now () };
  self->control = fz_control_new (options->database_path, &self->manage, &self->log, error);
  return self->control != NULL;
}

/* Where to send a browser: an address for listening everywhere is none. */
static char *
sign_in_url (const FzServerOptions *options, const char *uri)
{
  g_autoptr (GString) url = NULL;

  if (options->external_url != NULL)
    return g_strdup (options->external_url);
  url = g_string_new (uri);
  g_string_replace (url, "//0.0.0.0", "//127.0.0.1", 1);
  g_string_replace (url, "//[::]", "//[::1]", 1);
  return g_strdup (url->str);
}

static void
announce_ready (FzServer *self, const FzServerOptions *options)
{
  g_auto (GStrv) uris = fz_http_uris (self->http);
  g_autofree char *joined = g_strjoinv (" ", uris);
  g_autofree char *sign_in = sign_in_url (options, uris[0]);
  g_autofree char *state = g_strdup_printf ("READY=1\nSTATUS=Listening on %s", joined);

  fz_log (&self->log,
          FZ_LOG_INFO,
          "portal-ready",
          "the portal is ready",
          FZ_KV_TEXT ("version", FZ_VERSION),
          FZ_KV_TEXT ("listen", joined),
          FZ_KV_TEXT ("sign_in", sign_in),
          FZ_KV_TEXT ("database", options->database_path));
  sd_notify (0, state);
}

/* -- stop -- */

static gboolean
on_goodbye_over (gpointer user_data)
{
  FzServer *self = user_data;

  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_signal (gpointer user_data)
{
  FzServer *self = user_data;

  if (self->is_stopping)
    return G_SOURCE_CONTINUE;
  self->is_stopping = true;
  sd_notify (0, "STOPPING=1");
  fz_log_plain (&self->log, FZ_LOG_INFO, "portal-stopping", "the portal is stopping");
  fz_hub_close_all (self->hub);
  g_timeout_add (GOODBYE_MS, on_goodbye_over, self);
  return G_SOURCE_CONTINUE;
}

/* Keys of relays and connections are in memory. */
static void
forbid_dumps (void)
{
  const struct rlimit none = { 0, 0 };

  setrlimit (RLIMIT_CORE, &none);
}

/* Every peer is a descriptor, and by default a process may have 1024. */
static void
allow_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
    return;
  limit.rlim_cur = MIN (limit.rlim_max, DESCRIPTORS_WANTED);
  setrlimit (RLIMIT_NOFILE, &limit);
}

bool
fz_server_run (const FzServerOptions *options, GError **error)
{
  g_auto (FzServer) self = { 0 };
  guint term_id;
  guint int_id;

  forbid_dumps ();
  allow_descriptors ();
  signal (SIGPIPE, SIG_IGN);
  if (!start_log (&self, options, error) || !open_store (&self, options, error) ||
      !load_certificate (&self, options, error) || !start_hub (&self, options, error) ||
      !start_http (&self, options, error) || !start_control (&self, options, error))
    return false;

  self.loop = g_main_loop_new (NULL, FALSE);
  term_id = g_unix_signal_add (SIGTERM, on_signal, &self);
  int_id = g_unix_signal_add (SIGINT, on_signal, &self);
  announce_ready (&self, options);
  g_main_loop_run (self.loop);
  g_source_remove (term_id);
  g_source_remove (int_id);
  fz_log_plain (&self.log, FZ_LOG_INFO, "portal-stopped", "the portal has stopped");
  return true;
}
