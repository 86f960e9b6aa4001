/* fz-linux-dns.c
 *
 * Who is in charge of DNS on this machine (desktop-integration.md §7), in this
 * order:
 *
 *   systemd-resolved   resolv.conf names its stub (or the C library asks it) and it runs; or the
 *                      file is its list of other servers, where nothing else would work
 *   NetworkManager     it wrote resolv.conf, and says that it does
 *   openresolv         it wrote resolv.conf, and is installed
 *   the file itself    none of these
 *
 * And the machine's own resolver, asked as any program asks it.
 */
#include "platform/linux/fz-linux-dns-agent.h"
#include "platform/linux/fz-linux-dns-private.h"
#include "platform/linux/fz-resolv-record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ETC           "/etc"
#define RESOLVED_NAME "org.freedesktop.resolve1"
#define NM_NAME       "org.freedesktop.NetworkManager"
#define NM_DNS_PATH   "/org/freedesktop/NetworkManager/DnsManager"
#define NM_DNS        "org.freedesktop.NetworkManager.DnsManager"

typedef struct {
  FzDnsMachine machine;
  char *etc;
  FzDnsMode wanted;
  unsigned failed; /* bits */
  GDBusConnection *bus;
  GCancellable *detecting;
  GCancellable *probing;
} Linux;

/* -- detecting: each step takes the machine or hands it to the next -- */

static bool
may_be (const Linux *self, FzDnsMode mode)
{
  return (self->failed & 1u << mode) == 0;
}

static void
take (Linux *self, FzDnsMode mode)
{
  FzDnsControl *control = self->machine.control;
  bool is_chosen = self->wanted != FZ_DNS_MODE_AUTO;
  FzDnsBackend *backend = NULL;

  switch (mode) {
  case FZ_DNS_MODE_RESOLVED:
    backend = fz_dns_resolved_backend_new (control, self->bus, self->etc, is_chosen);
    break;
  case FZ_DNS_MODE_NETWORK_MANAGER:
    backend = fz_dns_network_manager_backend_new (control, self->bus, self->etc, is_chosen);
    break;
  case FZ_DNS_MODE_RESOLVCONF:
  case FZ_DNS_MODE_FILE:
  case FZ_DNS_MODE_NONE:
    backend = fz_dns_file_backend_new (control, mode, self->etc);
    break;
  case FZ_DNS_MODE_AUTO:
    g_assert_not_reached ();
  }
  fz_dns_control_take_backend (control, mode, backend);
}

static void
try_files (Linux *self)
{
  bool is_openresolv = fz_dns_names_openresolv (self->etc) && fz_resolv_record_is_openresolv () &&
                       fz_resolv_record_find_program () != NULL;

  take (self,
        is_openresolv && may_be (self, FZ_DNS_MODE_RESOLVCONF) ? FZ_DNS_MODE_RESOLVCONF
                                                               : FZ_DNS_MODE_FILE);
}

static void
on_dns_manager (GVariant *reply, const GError *error, gpointer user_data)
{
  static const char *const modes[] = { "default", "dnsmasq", "unbound", NULL };
  static const char *const writers[] = { "file", "symlink", "auto", NULL };
  Linux *self = user_data;
  const char *mode = "", *writer = "";
  g_autoptr (GVariant) properties = NULL;

  if (error == NULL) {
    properties = g_variant_get_child_value (reply, 0);
    g_variant_lookup (properties, "Mode", "&s", &mode);
    g_variant_lookup (properties, "RcManager", "&s", &writer);
  }
  if (g_strv_contains (modes, mode) && g_strv_contains (writers, writer))
    take (self, FZ_DNS_MODE_NETWORK_MANAGER);
  else
    try_files (self);
}

static void
try_network_manager (Linux *self)
{
  FzDnsService service = { self->bus, NM_NAME, self->detecting };

  if (self->bus == NULL || !may_be (self, FZ_DNS_MODE_NETWORK_MANAGER) ||
      !fz_dns_names_network_manager (self->etc))
    try_files (self);
  else
    fz_dns_call (&service,
                 NM_DNS_PATH,
                 "org.freedesktop.DBus.Properties",
                 "GetAll",
                 g_variant_new ("(s)", NM_DNS),
                 "(a{sv})",
                 on_dns_manager,
                 self);
}

static void
ask_bus (
    Linux *self, const char *method, GVariant *args, const char *reply_type, FzDnsReplyFunc func)
{
  FzDnsService service = { self->bus, "org.freedesktop.DBus", self->detecting };

  fz_dns_call (&service,
               "/org/freedesktop/DBus",
               "org.freedesktop.DBus",
               method,
               args,
               reply_type,
               func,
               self);
}

static void
on_resolved_started (GVariant *reply, const GError *error, gpointer user_data)
{
  Linux *self = user_data;

  if (error == NULL)
    take (self, FZ_DNS_MODE_RESOLVED);
  else
    try_network_manager (self);
}

static void
on_resolved_owner (GVariant *reply, const GError *error, gpointer user_data)
{
  Linux *self = user_data;
  gboolean has_owner = FALSE;

  if (error == NULL)
    g_variant_get (reply, "(b)", &has_owner);
  if (has_owner)
    take (self, FZ_DNS_MODE_RESOLVED);
  else
    ask_bus (self,
             "StartServiceByName",
             g_variant_new ("(su)", RESOLVED_NAME, 0),
             "(u)",
             on_resolved_started);
}

static void
try_resolved (Linux *self)
{
  if (fz_dns_bypasses_resolved (self->etc))
    take (self, FZ_DNS_MODE_RESOLVED); /* which says what to do about it */
  else if (self->bus == NULL || !may_be (self, FZ_DNS_MODE_RESOLVED) ||
           !fz_dns_names_resolved (self->etc))
    try_network_manager (self);
  else
    ask_bus (self, "NameHasOwner", g_variant_new ("(s)", RESOLVED_NAME), "(b)", on_resolved_owner);
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_finish (result, &error);
  Linux *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->bus);
  self->bus = g_steal_pointer (&bus);
  if (self->bus != NULL)
    g_dbus_connection_set_exit_on_close (self->bus, FALSE);
  if (self->wanted == FZ_DNS_MODE_AUTO)
    try_resolved (self);
  else
    take (self, self->wanted);
}

static void
detect (FzDnsMachine *machine, FzDnsMode wanted, unsigned failed)
{
  Linux *self = (Linux *) (void *) machine;

  self->wanted = wanted;
  self->failed = failed;
  if (wanted == FZ_DNS_MODE_RESOLVCONF || wanted == FZ_DNS_MODE_FILE || wanted == FZ_DNS_MODE_NONE)
    take (self, wanted);
  else
    g_bus_get (G_BUS_TYPE_SYSTEM, self->detecting, on_bus, self);
}

/* -- probing -- */

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);
  Linux *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_resolver_free_addresses (addresses);
  fz_dns_control_take_answer (self->machine.control, error);
}

static void
stop_probe (Linux *self)
{
  if (self->probing != NULL)
    g_cancellable_cancel (self->probing);
  g_clear_object (&self->probing);
}

static void
probe (FzDnsMachine *machine, const char *name)
{
  Linux *self = (Linux *) (void *) machine;
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  stop_probe (self);
  self->probing = g_cancellable_new ();
  g_resolver_lookup_by_name_async (resolver, name, self->probing, on_answer, self);
}

/* -- public -- */

static void
free_machine (FzDnsMachine *machine)
{
  Linux *self = (Linux *) (void *) machine;

  stop_probe (self);
  g_cancellable_cancel (self->detecting);
  g_object_unref (self->detecting);
  g_clear_object (&self->bus);
  g_free (self->etc);
  g_free (self);
}

bool
fz_dns_control_linux_restore (const char *etc, GError **error)
{
  const FzResolvRequest restore = { .is_restore = true };

  return fz_resolv_request_run (&restore, etc != NULL ? etc : ETC, NULL, error);
}

FzDnsControl *
fz_dns_control_linux_new (const FzDnsControlConfig *config)
{
  static const FzDnsMachineFunctions functions = {
    .free = free_machine,
    .detect = detect,
    .probe = probe,
  };
  Linux *self = g_new0 (Linux, 1);
  g_autoptr (GError) error = NULL;
  FzLog log = fz_log_for (&config->log, "dns-control");

  self->machine.functions = &functions;
  self->etc = g_strdup (config->etc != NULL ? config->etc : ETC);
  self->detecting = g_cancellable_new ();

  /* Left by a killed process. Without the right to write, firezone-client-resolv has seen to it. */
  if (faccessat (AT_FDCWD, self->etc, W_OK, AT_EACCESS) == 0 &&
      !fz_dns_control_linux_restore (self->etc, &error))
    fz_log (&log,
            FZ_LOG_WARNING,
            "dns-not-restored",
            "what a former run did to resolv.conf could not be undone",
            FZ_KV_TEXT ("error", error->message));
  return fz_dns_control_new_for (config, &self->machine);
}
