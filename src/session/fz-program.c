#include "src/session/fz-program.h"

#include "src/portal/fz-portal-error.h"
#include "src/runtime/fz-health.h"
#include "src/runtime/fz-notify.h"
#include "src/session/fz-privileges.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

typedef struct {
  const FzProgramConfig *config;
  FzLog log;
  GMainLoop *loop;
  FzSession *session;
  FzDnsControl *dns; /* NULL: left alone */
  FzHealth *health;
  bool was_ready;
  bool is_leaving;
  int status;
} Program;

/* -- before anything else -- */

static void
fill_standard_descriptors (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close (fd);
}

static void
end_at_once (int number)
{
  (void) number;
  _exit (EXIT_SUCCESS);
}

void
fz_program_init (void)
{
  fill_standard_descriptors ();
  fz_privileges_forbid_dumps ();
  signal (SIGINT, end_at_once);
  signal (SIGTERM, end_at_once);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGUSR1, SIG_IGN);
  signal (SIGHUP, SIG_IGN); /* last: whoever sees it ignored may ask us to end */
}

FzLogSetup *
fz_program_open_log (const FzLogSetupConfig *config)
{
  g_autoptr (GError) error = NULL;
  FzLogSetup *setup = fz_log_setup_new (config, &error);

  if (setup == NULL)
    fprintf (stderr, "%s: %s\n", g_get_prgname (), error->message);
  return setup;
}

void
fz_program_log_started (const FzLog *log, const char *message, const char *component)
{
  struct utsname names = { 0 };

  uname (&names);
  fz_log (log,
          FZ_LOG_INFO,
          "started",
          message,
          FZ_KV_TEXT ("version", FZ_VERSION),
          FZ_KV_TEXT ("component", component),
          FZ_KV_TEXT ("arch", names.machine),
          FZ_KV_TEXT ("kernel", names.release));
}

int
fz_program_fail (const FzLog *log, const char *text)
{
  fz_log (log, FZ_LOG_ERROR, "program-failed", "cannot go on", FZ_KV_TEXT ("error", text));
  fprintf (stderr, "%s: %s\n", g_get_prgname (), text);
  return EXIT_FAILURE;
}

/* -- from the session -- */

static void
leave (Program *self)
{
  if (self->is_leaving)
    return;
  self->is_leaving = true;
  fz_notify_stopping ();
  fz_session_stop (self->session);
}

static gboolean
on_leave_idle (gpointer user_data)
{
  leave (user_data);
  return G_SOURCE_REMOVE;
}

static void
on_state (FzSessionState state, gpointer user_data)
{
  Program *self = user_data;

  if (state == FZ_SESSION_ENDED || self->is_leaving)
    return;
  if (state != FZ_SESSION_CONNECTED || self->was_ready) {
    fz_notify_status (fz_session_describe_state (state));
    return;
  }

  self->was_ready = true;
  fz_log_plain (&self->log, FZ_LOG_INFO, "ready", "the tunnel is up");
  fz_notify_ready (fz_session_describe_state (state));
  if (self->config->ends_when_ready)
    g_idle_add (on_leave_idle, self);
}

static void
on_ended (const GError *error, gpointer user_data)
{
  Program *self = user_data;
  g_autofree char *text = NULL;

  if (error != NULL) {
    bool is_token = g_error_matches (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_INVALID_TOKEN);

    text = g_strdup_printf (
        "%s%s%s", error->message, is_token ? "; " : "", is_token ? self->config->token_advice : "");
    self->status = fz_program_fail (&self->log, text);
  }
  g_main_loop_quit (self->loop);
}

/* -- signals -- */

static gboolean
on_terminate (gpointer user_data)
{
  Program *self = user_data;

  if (self->is_leaving)
    _exit (EXIT_FAILURE); /* asked twice: at once; the next start clears up what is left */
  fz_log_plain (&self->log, FZ_LOG_INFO, "signal", "asked to end");
  leave (self);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_hangup (gpointer user_data)
{
  Program *self = user_data;

  fz_log_plain (&self->log, FZ_LOG_INFO, "signal", "asked to connect anew (SIGHUP)");
  if (!self->is_leaving)
    fz_session_reset_network (self->session);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_user_signal (gpointer user_data)
{
  Program *self = user_data;

  fz_host_log_metrics (fz_session_get_host (self->session));
  return G_SOURCE_CONTINUE;
}

typedef struct {
  guint ids[4];
} Signals;

static Signals
watch_signals (Program *self)
{
  return (Signals){ {
      g_unix_signal_add (SIGINT, on_terminate, self),
      g_unix_signal_add (SIGTERM, on_terminate, self),
      g_unix_signal_add (SIGHUP, on_hangup, self),
      g_unix_signal_add (SIGUSR1, on_user_signal, self),
  } };
}

/* -- health -- */

static bool
is_ready (gpointer user_data)
{
  const Program *self = user_data;

  return self->session != NULL && fz_session_get_state (self->session) == FZ_SESSION_CONNECTED;
}

static char *
dump_metrics (gpointer user_data)
{
  Program *self = user_data;

  return fz_host_dump_metrics (fz_session_get_host (self->session), FZ_METRICS_PROMETHEUS);
}

/* A gateway without its health endpoint still does its job. */
static void
start_health (Program *self)
{
  const FzHealthCallbacks callbacks = {
    .is_ready = is_ready,
    .dump_metrics = dump_metrics,
    .user_data = self,
  };
  g_autoptr (GError) error = NULL;

  if (self->config->health_address == NULL)
    return;
  self->health = fz_health_new (self->config->health_address, &callbacks, &error);
  if (error != NULL)
    fz_log (&self->log,
            FZ_LOG_WARNING,
            "no-health-endpoint",
            "the health endpoint cannot be offered; choose another address",
            FZ_KV_TEXT ("address", self->config->health_address),
            FZ_KV_TEXT ("error", error->message));
}

/* -- running -- */

static FzPlatform *
open_platform (Program *self, GError **error)
{
  FzLog log = fz_log_for (&self->log, "platform");
  g_autoptr (FzPlatform) platform = fz_platform_linux_new (&log, error);

  if (platform == NULL)
    return NULL;
  if (!self->config->skips_check && !fz_platform_check_rights (platform, error))
    return NULL;
  if (!fz_privileges_keep_net_admin (&log, error))
    return NULL;
  return g_steal_pointer (&platform);
}

/* Before the session: the first thing it does is to undo what a killed process left. */
static void
start_dns (Program *self)
{
  FzDnsControlConfig config = { .log = self->log };

  if (self->config->dns_mode == NULL)
    return;
  config.mode = *self->config->dns_mode;
  self->dns = fz_dns_control_linux_new (&config);
}

static bool
start_session (Program *self, FzPlatform *platform, GError **error)
{
  const FzSessionCallbacks callbacks = { .on_state = on_state, .on_ended = on_ended };
  FzSessionConfig config = self->config->session;

  config.dns = self->dns;
  config.log = self->log;
  config.host.platform = platform;
  self->session = fz_session_new (&config, &callbacks, self, error);
  return self->session != NULL;
}

static void
run_loop (Program *self)
{
  Signals signals = watch_signals (self);
  guint watchdog_id = fz_notify_start_watchdog ();

  start_health (self);
  g_main_loop_run (self->loop);
  fz_host_log_metrics (fz_session_get_host (self->session));

  g_clear_pointer (&self->health, fz_health_free);
  g_clear_handle_id (&watchdog_id, g_source_remove);
  for (size_t i = 0; i < G_N_ELEMENTS (signals.ids); i++)
    g_source_remove (signals.ids[i]);
}

int
fz_program_run (const FzProgramConfig *config)
{
  g_autoptr (FzPlatform) platform = NULL;
  g_autoptr (GError) error = NULL;
  Program self = { .config = config, .log = config->log };

  platform = open_platform (&self, &error);
  if (platform == NULL)
    return fz_program_fail (&self.log, error->message);

  self.loop = g_main_loop_new (NULL, FALSE);
  start_dns (&self);
  if (start_session (&self, platform, &error))
    run_loop (&self);
  else
    self.status = fz_program_fail (&self.log, error->message);

  g_clear_pointer (&self.session, fz_session_free);
  g_clear_pointer (&self.dns, fz_dns_control_free);
  g_main_loop_unref (self.loop);
  if (self.status == EXIT_SUCCESS)
    fz_log_plain (&self.log, FZ_LOG_INFO, "goodbye", "ended");
  return self.status;
}
