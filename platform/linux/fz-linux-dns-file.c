/* fz-linux-dns-file.c
 *
 * The backend of the modes that come down to a file: resolv.conf itself, and
 * resolvconf's record; and of "disabled", which reads and touches nothing.
 * Whoever may write below /etc does it at once, others ask firezone-client-resolv.
 *
 * Watched are resolv.conf (overwritten by others), the file behind it where the original
 * is a link (a lease), and the folder of resolvconf's records.
 */
#include "platform/linux/fz-linux-dns-agent.h"
#include "platform/linux/fz-linux-dns-private.h"
#include "platform/linux/fz-linux-dns-watch.h"
#include "platform/linux/fz-resolv-conf.h"
#include "platform/linux/fz-resolv-file.h"
#include "platform/linux/fz-resolv-record.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define GATHER_MS 50u

typedef struct {
  FzDnsBackend backend;
  FzDnsMode mode;
  char *etc;
  FzDnsAgent *agent;       /* NULL: we may write ourselves */
  FzResolvRequest request; /* what is or was asked for last */
  bool has_set;            /* there is something to revert */
  FzDnsWatch *file;
  FzDnsWatch *original;
  char *original_path;
  FzDnsWatch *records;
  guint read_id;
} File;

/* -- apply -- */

static void
fill_request (File *self, const FzDnsSettings *settings)
{
  fz_resolv_request_clear (&self->request);
  self->request.mode = self->mode;
  self->request.n_servers = settings->n_servers;
  memcpy (self->request.servers, settings->servers, settings->n_servers * sizeof (FzIp));
  if (settings->search_domain != NULL && fz_resolv_conf_is_domain (settings->search_domain))
    self->request.search_domain = g_strdup (settings->search_domain);
}

static void
on_agent (const GError *error, gpointer user_data)
{
  File *self = user_data;
  g_autoptr (GError) local = NULL;

  if (error == NULL && !fz_resolv_request_is_done (&self->request, self->etc))
    local = g_error_new_literal (FZ_DNS_ERROR,
                                 FZ_DNS_ERROR_OVERRULED,
                                 "resolv.conf was changed back at once by another program");
  fz_dns_control_take_applied (self->backend.control, true, error != NULL ? error : local);
}

static void
apply (FzDnsBackend *backend, const FzDnsSettings *settings)
{
  File *self = (File *) (void *) backend;
  FzDnsControl *control = backend->control;
  g_autoptr (GError) error = NULL;
  bool has_changed = false;

  g_assert (self->mode != FZ_DNS_MODE_NONE); /* which sets nothing */
  fill_request (self, settings);
  self->has_set = true;
  if (self->agent == NULL) {
    fz_resolv_request_run (&self->request, self->etc, &has_changed, &error);
    fz_dns_control_take_applied (control, has_changed, error);
  } else if (fz_dns_agent_is_open (self->agent) &&
             fz_resolv_request_is_done (&self->request, self->etc)) {
    fz_dns_control_take_applied (control, false, NULL);
  } else {
    fz_dns_agent_ask (self->agent, &self->request, on_agent, self);
  }
}

static void
revert (FzDnsBackend *backend, bool waits)
{
  File *self = (File *) (void *) backend;
  const FzResolvRequest restore = { .is_restore = true };
  g_autoptr (GError) error = NULL;

  if (!self->has_set)
    return;
  self->has_set = false;
  if (self->agent != NULL)
    fz_dns_agent_close (self->agent, waits);
  else if (!fz_resolv_request_run (&restore, self->etc, NULL, &error))
    fz_log (fz_dns_control_get_log (backend->control),
            FZ_LOG_ERROR,
            "dns-not-restored",
            "resolv.conf could not be given back",
            FZ_KV_TEXT ("error", error->message));
}

static void
on_agent_lost (gpointer user_data)
{
  fz_dns_control_note_change (((File *) user_data)->backend.control);
}

/* -- upstreams -- */

static void on_changed (gpointer user_data);

/* The original may be another file now, or the same behind another link. */
static void
watch_original (File *self)
{
  g_autofree char *path = fz_resolv_file_dup_original_path (self->etc);

  if (g_strcmp0 (path, self->original_path) == 0)
    return;
  fz_dns_watch_free (self->original);
  g_free (self->original_path);
  self->original_path = g_strdup (path);
  self->original = fz_dns_watch_file_new (path, on_changed, self);
}

static gboolean
on_read_due (gpointer user_data)
{
  File *self = user_data;
  g_autoptr (GArray) list = fz_dns_upstreams_new ();

  self->read_id = 0;
  watch_original (self);
  if (self->mode == FZ_DNS_MODE_RESOLVCONF) {
    fz_resolv_record_read_upstreams (list);
  } else {
    g_autofree char *text = fz_resolv_file_dup_original (self->etc);

    if (text != NULL)
      fz_resolv_conf_read_upstreams (text, list);
  }
  fz_dns_control_take_upstreams (self->backend.control, list);
  return G_SOURCE_REMOVE;
}

static void
read_upstreams (FzDnsBackend *backend)
{
  File *self = (File *) (void *) backend;

  if (self->read_id == 0)
    self->read_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_read_due, self, NULL);
}

/* A writer may be in the middle of it. */
static void
on_changed (gpointer user_data)
{
  File *self = user_data;

  fz_dns_control_note_change (self->backend.control);
  if (self->read_id == 0)
    self->read_id = g_timeout_add (GATHER_MS, on_read_due, self);
}

static void
free_backend (FzDnsBackend *backend)
{
  File *self = (File *) (void *) backend;

  g_clear_handle_id (&self->read_id, g_source_remove);
  g_clear_pointer (&self->agent, fz_dns_agent_free);
  fz_dns_watch_free (self->file);
  fz_dns_watch_free (self->original);
  fz_dns_watch_free (self->records);
  fz_resolv_request_clear (&self->request);
  g_free (self->original_path);
  g_free (self->etc);
  g_free (self);
}

FzDnsBackend *
fz_dns_file_backend_new (FzDnsControl *control, FzDnsMode mode, const char *etc)
{
  static const FzDnsBackendFunctions functions = {
    .free = free_backend,
    .apply = apply,
    .revert = revert,
    .read_upstreams = read_upstreams,
  };
  File *self = g_new0 (File, 1);
  g_autofree char *path = g_build_filename (etc, "resolv.conf", NULL);

  self->backend = (FzDnsBackend){ &functions, control };
  self->mode = mode;
  self->etc = g_strdup (etc);
  if (mode != FZ_DNS_MODE_NONE && faccessat (AT_FDCWD, etc, W_OK, AT_EACCESS) != 0)
    self->agent = fz_dns_agent_new (on_agent_lost, self);
  self->file = fz_dns_watch_file_new (path, on_changed, self);
  if (mode == FZ_DNS_MODE_RESOLVCONF)
    self->records = fz_dns_watch_folder_new (fz_resolv_record_get_folder (), on_changed, self);
  return &self->backend;
}
