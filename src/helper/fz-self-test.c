#include "src/helper/fz-self-test.h"

#include "src/crypto/fz-crypto.h"

#include <libsoup/soup.h>
#include <string.h>
#include <sys/statvfs.h>

typedef struct {
  GVariantBuilder rows;
  SoupSession *http;
  SoupMessage *question;
  GCancellable *cancellable;
  FzSelfTestFunc func;
  gpointer user_data;
} Run;

/* @advice: printf-like; used only where the check does not hold. */
static void G_GNUC_PRINTF (4, 5)
    add_row (Run *run, const char *name, bool holds, const char *advice, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, advice);
  text = g_strdup_vprintf (advice, arguments);
  va_end (arguments);
  g_variant_builder_add (&run->rows, "(sbs)", name, (gboolean) holds, holds ? "" : text);
}

/* -- what can be seen at once -- */

static void
check_device (Run *run, const FzSelfTestConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzTun) tun = NULL;

  if (fz_control_get_session (config->control) == NULL)
    tun = fz_platform_open_tun (config->platform, "tun-fz-check", 1, true, &error);
  add_row (run,
           "device",
           error == NULL,
           "No tunnel device can be made: %s",
           error != NULL ? error->message : "");
}

static void
check_rights (Run *run, const FzSelfTestConfig *config)
{
  g_autoptr (GError) error = NULL;
  bool holds = fz_platform_check_rights (config->platform, &error);

  add_row (run, "rights", holds, "%s", error != NULL ? error->message : "");
}

static void
check_sockets (Run *run, const FzSelfTestConfig *config)
{
  FzSession *session = fz_control_get_session (config->control);
  FzHost *host = session != NULL ? fz_session_get_host (session) : NULL;

  if (host != NULL)
    add_row (run,
             "udp",
             fz_host_get_port (host, FZ_IP_V4) != 0 || fz_host_get_port (host, FZ_IP_V6) != 0,
             "No UDP socket could be opened; is there a network?");
}

static void
check_log (Run *run, const FzSelfTestConfig *config)
{
  const char *folder = fz_log_setup_get_directory (config->log_setup);
  struct statvfs info = { 0 };

  add_row (run, "log", folder != NULL, "No log file is written: the log folder cannot be used");
  if (folder != NULL && statvfs (folder, &info) == 0)
    add_row (run,
             "disk",
             (uint64_t) info.f_bavail * info.f_frsize >= FZ_SELF_TEST_DISK_FREE,
             "The disk with %s is nearly full",
             folder);
}

static void
check_configuration (Run *run, const FzSelfTestConfig *config)
{
  size_t n;
  const FzConfigProblem *problems = fz_machine_config_get_problems (config->config, &n);

  add_row (run,
           "configuration",
           fz_machine_config_is_valid (config->config),
           "%s",
           n > 0 ? problems[0].text : "");
}

static void
check_state (Run *run, const FzSelfTestConfig *config)
{
  const FzServiceMachine *machine = fz_control_get_machine (config->control);
  bool is_fine = machine->state != FZ_SERVICE_ERROR && machine->state != FZ_SERVICE_DEGRADED &&
                 machine->reason == FZ_REASON_NONE;

  add_row (run,
           "signed-in",
           fz_control_get_credential (config->control) != NULL,
           "Nobody is signed in; sign in with the app or with 'firezone sign-in'");
  if (fz_control_get_credential (config->control) != NULL)
    add_row (run, "tunnel", is_fine, "%s", machine->detail);
  add_row (run,
           "dns",
           machine->reason != FZ_REASON_DNS_FAILED,
           "Private names do not resolve: %s",
           machine->detail);
  add_row (run,
           "network",
           machine->reason != FZ_REASON_NETWORK_DOWN,
           "This machine has no network; check cable or wireless");
}

/* -- the portal -- */

static void
finish (Run *run)
{
  if (!g_cancellable_is_cancelled (run->cancellable))
    run->func (g_variant_builder_end (&run->rows), run->user_data);
  else
    g_variant_builder_clear (&run->rows);
  g_clear_object (&run->question);
  g_clear_object (&run->http);
  g_clear_object (&run->cancellable);
  g_free (run);
}

static void
check_clock (Run *run)
{
  const char *text =
      soup_message_headers_get_one (soup_message_get_response_headers (run->question), "Date");
  g_autoptr (GDateTime) theirs = text != NULL ? soup_date_time_new_from_http_string (text) : NULL;
  g_autoptr (GDateTime) ours = g_date_time_new_now_utc ();
  int64_t off_s;

  if (theirs == NULL)
    return;
  off_s = g_date_time_difference (ours, theirs) / G_TIME_SPAN_SECOND;
  add_row (run,
           "clock",
           ABS (off_s) <= (int64_t) FZ_SELF_TEST_CLOCK_S,
           "The clock of this machine and the portal's differ by %" G_GINT64_FORMAT
           " seconds; set the time",
           off_s);
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body = soup_session_send_finish (SOUP_SESSION (source), result, &error);

  add_row (run,
           "portal",
           body != NULL,
           "The portal does not answer: %s",
           error != NULL ? error->message : "");
  if (body != NULL)
    check_clock (run);
  finish (run);
}

/* "wss://…" as "https://…" */
static char *
to_http (const char *api_url)
{
  return g_str_has_prefix (api_url, "ws") ? g_strconcat ("http", api_url + 2, NULL)
                                          : g_strdup (api_url);
}

static void
ask_portal (Run *run, const char *api_url)
{
  g_autofree char *url = to_http (api_url);

  run->question = soup_message_new ("HEAD", url);
  if (run->question == NULL) {
    add_row (run, "portal", false, "“%s” is no portal's address", api_url);
    finish (run);
    return;
  }
  soup_message_set_flags (run->question, SOUP_MESSAGE_NO_REDIRECT);
  run->http = soup_session_new ();
  soup_session_set_timeout (run->http, FZ_SELF_TEST_PORTAL_S);
  soup_session_send_async (
      run->http, run->question, G_PRIORITY_DEFAULT, run->cancellable, on_answered, run);
}

void
fz_self_test_run (const FzSelfTestConfig *config,
                  GCancellable *cancellable,
                  FzSelfTestFunc func,
                  gpointer user_data)
{
  Run *run = g_new0 (Run, 1);

  run->cancellable = g_object_ref (cancellable);
  run->func = func;
  run->user_data = user_data;
  g_variant_builder_init (&run->rows, G_VARIANT_TYPE ("a(sbs)"));
  check_rights (run, config);
  check_device (run, config);
  check_sockets (run, config);
  check_state (run, config);
  check_configuration (run, config);
  check_log (run, config);
  add_row (run,
           "memory",
           fz_secret_is_locked (),
           "Secrets could not be locked in memory; raise LimitMEMLOCK in the service's unit");
  ask_portal (run, config->api_url);
}
