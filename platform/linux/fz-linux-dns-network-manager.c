/* fz-linux-dns-network-manager.c
 *
 * NetworkManager by D-Bus, where it writes resolv.conf. Our device is one that it
 * found ("connected (externally)"); Reapply gives it DNS servers with a negative
 * priority, so that nobody else's are asked. The flag that keeps what we
 * configured ourselves (1.42) is vital: without it NetworkManager takes the
 * device down. The settings live in memory and go with the device.
 *
 *   apply: GetDeviceByIpIface → State → DnsManager.Configuration ── ours ──► done
 *            ▲  not yet seen                    │ not ours
 *            └──────── later ◄── once more ── GetAppliedConnection → Reapply
 *
 * Upstreams are the entries of the DNS manager's configuration for other interfaces.
 */
#include "platform/linux/fz-linux-dns-bus-watch.h"
#include "platform/linux/fz-linux-dns-private.h"
#include "platform/linux/fz-resolv-conf.h"
#include "platform/linux/fz-resolv-file.h"

#include <net/if.h>
#include <string.h>

#define NAME             "org.freedesktop.NetworkManager"
#define PATH             "/org/freedesktop/NetworkManager"
#define DEVICE           NAME ".Device"
#define DNS_PATH         PATH "/DnsManager"
#define DNS              NAME ".DnsManager"
#define PROPERTIES       "org.freedesktop.DBus.Properties"
#define STATE_UNMANAGED  10u
#define STATE_ACTIVATED  100u
#define KEEP_EXTERNAL_IP 1u   /* NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP */
#define PRIORITY         -100 /* below zero: servers of higher values are not asked */
#define RELOAD_DNS_RC    2u   /* NM_MANAGER_RELOAD_FLAG_DNS_RC: writes resolv.conf again */
#define POLLS_PATIENT    5u
#define POLL_MS          100u
#define POLLS_MAX        50u  /* for the device to be seen, then for the file to be written */
#define WAIT_MS          1000 /* each of two calls at the end */

typedef struct {
  FzDnsBackend backend;
  FzDnsService service;
  char *etc;
  bool is_chosen; /* by a person: resolv.conf may name others */
  FzDnsBusWatch *watch;

  const FzDnsSettings *settings;
  GCancellable *apply; /* of one apply() */
  char *device;        /* object path; what there is to revert: NULL: nothing */
  bool has_set;
  unsigned n_polls;
  guint poll_id;
} Manager;

/* A Reapply that takes our servers away again; outlives the backend. */
typedef struct {
  FzDnsService service;
  char *device;
} Undo;

/* -- a connection's settings: a{sa{sv}} -- */

static bool
is_usable (GVariant *connection, const char *family)
{
  g_autoptr (GVariant) setting =
      g_variant_lookup_value (connection, family, G_VARIANT_TYPE_VARDICT);
  static const char *const methods[] = {
    "auto", "dhcp", "manual", NULL
  }; /* the others forbid it */
  const char *method = "";

  if (setting != NULL)
    g_variant_lookup (setting, "method", "&s", &method);
  return g_strv_contains (methods, method);
}

static GVariant *
make_servers (const FzDnsSettings *settings, FzIpFamily family)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder,
                          family == FZ_IP_V4 ? G_VARIANT_TYPE ("au") : G_VARIANT_TYPE ("aay"));
  for (size_t i = 0; i < settings->n_servers; i++) {
    const FzIp *ip = &settings->servers[i];
    uint32_t word;

    if (ip->family != family)
      continue;
    memcpy (&word, ip->bytes, sizeof word); /* network order in a host's number, as NM has it */
    if (family == FZ_IP_V4)
      g_variant_builder_add (&builder, "u", word);
    else
      g_variant_builder_add (
          &builder, "@ay", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, ip->bytes, 16, 1));
  }
  return g_variant_builder_end (&builder);
}

static GVariant *
make_search (const FzDnsSettings *settings)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("as"));
  if (settings->search_domain != NULL)
    g_variant_builder_add (&builder, "s", settings->search_domain);
  g_variant_builder_add (&builder, "s", "~.");
  return g_variant_builder_end (&builder);
}

/* One family's setting with our servers, or @settings NULL: without. */
static GVariant *
change_family (GVariant *setting, const FzDnsSettings *settings, FzIpFamily family)
{
  static const char *const keys[] = { "dns", "dns-data", "dns-search", "dns-priority" };
  g_auto (GVariantDict) dict;

  g_variant_dict_init (&dict, setting);
  for (size_t i = 0; i < G_N_ELEMENTS (keys); i++)
    g_variant_dict_remove (&dict, keys[i]);
  if (settings != NULL) {
    g_variant_dict_insert_value (&dict, "dns", make_servers (settings, family));
    g_variant_dict_insert_value (&dict, "dns-search", make_search (settings));
    g_variant_dict_insert (&dict, "dns-priority", "i", PRIORITY);
  }
  return g_variant_dict_end (&dict);
}

/* Returns: a floating a{sa{sv}} */
static GVariant *
change_connection (GVariant *connection, const FzDnsSettings *settings)
{
  GVariantBuilder builder;
  GVariantIter iter;
  const char *name;
  GVariant *setting;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_iter_init (&iter, connection);
  while (g_variant_iter_next (&iter, "{&s@a{sv}}", &name, &setting)) {
    g_autoptr (GVariant) owned = setting;
    FzIpFamily family = strcmp (name, "ipv4") == 0   ? FZ_IP_V4
                        : strcmp (name, "ipv6") == 0 ? FZ_IP_V6
                                                     : FZ_IP_NONE;

    if (family != FZ_IP_NONE && is_usable (connection, name))
      g_variant_builder_add (&builder, "{s@a{sv}}", name, change_family (owned, settings, family));
    else
      g_variant_builder_add (&builder, "{s@a{sv}}", name, owned);
  }
  return g_variant_builder_end (&builder);
}

/* -- apply -- */

static FzDnsService
apply_service (const Manager *self)
{
  return (FzDnsService){ self->service.bus, NAME, self->apply };
}

static void
done (Manager *self, GError *error)
{
  g_autoptr (GError) owned = error;

  g_clear_object (&self->apply);
  fz_dns_control_take_applied (self->backend.control, self->has_set, owned);
}

static void
give_up (Manager *self, FzDnsError code, const char *text)
{
  done (self, g_error_new_literal (FZ_DNS_ERROR, (int) code, text));
}

static void get_device (Manager *self);

static gboolean
on_poll (gpointer user_data)
{
  Manager *self = user_data;

  self->poll_id = 0;
  get_device (self);
  return G_SOURCE_REMOVE;
}

/* NetworkManager sees a new device, and writes its file, a moment later. */
static void
look_again (Manager *self, FzDnsError code, const char *text)
{
  if (self->n_polls++ < POLLS_MAX)
    self->poll_id = g_timeout_add (POLL_MS, on_poll, self);
  else
    give_up (self, code, text);
}

static void
on_reapplied (GVariant *reply, const GError *error, gpointer user_data)
{
  Manager *self = user_data;
  g_autofree char *remote = error != NULL ? g_dbus_error_get_remote_error (error) : NULL;

  if (g_strcmp0 (remote, DEVICE ".InvalidArgument") == 0 ||
      g_strcmp0 (remote, NAME ".InvalidArguments") == 0)
    give_up (self,
             FZ_DNS_ERROR_UNSUPPORTED,
             "NetworkManager is older than 1.42 and cannot set DNS servers for our interface");
  else if (g_strcmp0 (remote, DEVICE ".VersionIdMismatch") == 0)
    look_again (self, FZ_DNS_ERROR_OVERRULED, "NetworkManager keeps changing our interface");
  else if (error != NULL)
    done (self, fz_dns_error_from_bus ("NetworkManager", error));
  else {
    self->has_set = true;
    self->n_polls = 0;
    get_device (self);
  }
}

static void
on_applied_connection (GVariant *reply, const GError *error, gpointer user_data)
{
  Manager *self = user_data;
  FzDnsService service = apply_service (self);
  g_autoptr (GVariant) connection = NULL;
  guint64 version = 0;

  if (error != NULL) {
    done (self, fz_dns_error_from_bus ("NetworkManager", error));
    return;
  }
  g_variant_get (reply, "(@a{sa{sv}}t)", &connection, &version);
  if (!is_usable (connection, "ipv4") && !is_usable (connection, "ipv6")) {
    look_again (self, FZ_DNS_ERROR_UNSUPPORTED, "NetworkManager sees no address of our interface");
    return;
  }
  fz_dns_call (&service,
               self->device,
               DEVICE,
               "Reapply",
               g_variant_new ("(@a{sa{sv}}tu)",
                              change_connection (connection, self->settings),
                              version,
                              KEEP_EXTERNAL_IP),
               "()",
               on_reapplied,
               self);
}

/* -- read back -- */

static bool
is_ours (GVariant *entry, const char *ifname)
{
  const char *interface = "";

  g_variant_lookup (entry, "interface", "&s", &interface);
  return g_strcmp0 (interface, ifname) == 0;
}

static bool
entry_names (GVariant *entry, const FzIp *ip)
{
  g_autofree const char **servers = NULL;
  char text[FZ_IP_TEXT_MAX];

  fz_ip_format (ip, text);
  return g_variant_lookup (entry, "nameservers", "^a&s", &servers) &&
         g_strv_contains ((const char *const *) servers, text);
}

static bool
configuration_names (GVariant *configuration, const char *ifname, const FzIp *ip)
{
  for (gsize i = 0; i < g_variant_n_children (configuration); i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (configuration, i);

    if (is_ours (entry, ifname) && entry_names (entry, ip))
      return true;
  }
  return false;
}

static gsize
count_ours (GVariant *configuration, const FzDnsSettings *settings, FzIpFamily family)
{
  gsize n = 0;

  for (size_t i = 0; i < settings->n_servers; i++)
    if (settings->servers[i].family == family &&
        configuration_names (configuration, settings->ifname, &settings->servers[i]))
      n++;
  return n;
}

static gsize
count_wanted (const FzDnsSettings *settings, FzIpFamily family)
{
  gsize n = 0;

  for (size_t i = 0; i < settings->n_servers; i++)
    n += settings->servers[i].family == family;
  return n;
}

/* Our servers and no former ones, with our priority. A family that the device has no address of has
 * none of them. */
static bool
is_configured (GVariant *configuration, const FzDnsSettings *settings)
{
  gsize n_ipv4 = count_ours (configuration, settings, FZ_IP_V4);
  gsize n_ipv6 = count_ours (configuration, settings, FZ_IP_V6);
  gsize n_servers = 0;

  for (gsize i = 0; i < g_variant_n_children (configuration); i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (configuration, i);
    g_autofree const char **servers = NULL;
    gint32 priority = 0;

    if (!is_ours (entry, settings->ifname))
      continue;
    g_variant_lookup (entry, "priority", "i", &priority);
    if (priority != PRIORITY)
      return false;
    if (g_variant_lookup (entry, "nameservers", "^a&s", &servers))
      n_servers += g_strv_length ((char **) servers);
  }
  return n_servers > 0 && n_servers == n_ipv4 + n_ipv6 &&
         (n_ipv4 == 0 || n_ipv4 == count_wanted (settings, FZ_IP_V4)) &&
         (n_ipv6 == 0 || n_ipv6 == count_wanted (settings, FZ_IP_V6));
}

/* What programs read: our servers, or NetworkManager's own forwarder on this machine. */
static bool
is_in_file (const char *etc, const FzDnsSettings *settings)
{
  g_autofree char *text = fz_resolv_file_dup_current (etc);
  g_autoptr (GArray) asked = fz_dns_upstreams_new ();

  if (text == NULL)
    return false;
  fz_resolv_conf_read_upstreams (text, asked);
  for (guint i = 0; i < asked->len; i++) {
    const FzIp *ip = &g_array_index (asked, FzDnsUpstream, i).address.ip;

    if (!fz_dns_control_owns_address (ip) && !fz_ip_is_loopback (ip))
      return false;
  }
  return asked->len > 0;
}

/* It believes to have written the file, but another program has, or it was changed twice at once.
 */
static void
let_it_write (Manager *self)
{
  g_dbus_connection_call (self->service.bus,
                          NAME,
                          PATH,
                          NAME,
                          "Reload",
                          g_variant_new ("(u)", RELOAD_DNS_RC),
                          NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          -1,
                          NULL,
                          NULL,
                          NULL);
}

static void
on_dns_properties (GVariant *reply, const GError *error, gpointer user_data)
{
  Manager *self = user_data;
  FzDnsService service = apply_service (self);
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) configuration = NULL;
  bool is_told;

  if (error != NULL) {
    done (self, fz_dns_error_from_bus ("NetworkManager", error));
    return;
  }
  properties = g_variant_get_child_value (reply, 0);
  configuration = g_variant_lookup_value (properties, "Configuration", G_VARIANT_TYPE ("aa{sv}"));
  is_told = configuration != NULL && is_configured (configuration, self->settings);
  if (is_told && is_in_file (self->etc, self->settings)) {
    done (self, NULL);
  } else if (is_told || self->has_set) {
    if (is_told && self->n_polls == POLLS_PATIENT)
      let_it_write (self);
    look_again (self,
                is_told ? FZ_DNS_ERROR_UNSUPPORTED : FZ_DNS_ERROR_OVERRULED,
                is_told ? "NetworkManager has our DNS servers but does not write them to "
                          "resolv.conf"
                        : "NetworkManager does not keep our DNS servers");
  } else {
    fz_dns_call (&service,
                 self->device,
                 DEVICE,
                 "GetAppliedConnection",
                 g_variant_new ("(u)", 0),
                 "(a{sa{sv}}t)",
                 on_applied_connection,
                 self);
  }
}

static void
on_device_state (GVariant *reply, const GError *error, gpointer user_data)
{
  Manager *self = user_data;
  FzDnsService service = apply_service (self);
  g_autoptr (GVariant) value = NULL;
  uint32_t state = 0;

  if (error == NULL) {
    g_variant_get (reply, "(v)", &value);
    if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
      state = g_variant_get_uint32 (value);
  }
  if (state != STATE_ACTIVATED)
    look_again (self,
                FZ_DNS_ERROR_UNSUPPORTED,
                state == STATE_UNMANAGED
                    ? "NetworkManager is configured not to look at our interface"
                    : "NetworkManager does not regard our interface as connected");
  else
    fz_dns_call (&service,
                 DNS_PATH,
                 PROPERTIES,
                 "GetAll",
                 g_variant_new ("(s)", DNS),
                 "(a{sv})",
                 on_dns_properties,
                 self);
}

static void
on_device (GVariant *reply, const GError *error, gpointer user_data)
{
  Manager *self = user_data;
  FzDnsService service = apply_service (self);
  g_autofree char *remote = error != NULL ? g_dbus_error_get_remote_error (error) : NULL;

  if (g_strcmp0 (remote, NAME ".UnknownDevice") == 0) {
    look_again (self, FZ_DNS_ERROR_UNSUPPORTED, "NetworkManager does not see our interface");
    return;
  }
  if (error != NULL) {
    done (self, fz_dns_error_from_bus ("NetworkManager", error));
    return;
  }
  g_free (self->device);
  g_variant_get (reply, "(o)", &self->device);
  fz_dns_call (&service,
               self->device,
               PROPERTIES,
               "Get",
               g_variant_new ("(ss)", DEVICE, "State"),
               "(v)",
               on_device_state,
               self);
}

static void
get_device (Manager *self)
{
  FzDnsService service = apply_service (self);

  fz_dns_call (&service,
               PATH,
               NAME,
               "GetDeviceByIpIface",
               g_variant_new ("(s)", self->settings->ifname),
               "(o)",
               on_device,
               self);
}

static void
stop_apply (Manager *self)
{
  g_clear_handle_id (&self->poll_id, g_source_remove);
  if (self->apply != NULL)
    g_cancellable_cancel (self->apply);
  g_clear_object (&self->apply);
}

static void
apply (FzDnsBackend *backend, const FzDnsSettings *settings)
{
  Manager *self = (Manager *) (void *) backend;

  stop_apply (self);
  self->settings = settings;
  self->has_set = false;
  self->n_polls = 0;
  if (self->service.bus == NULL)
    give_up (self, FZ_DNS_ERROR_ABSENT, "there is no system bus to reach NetworkManager");
  else if (!self->is_chosen && !fz_dns_names_network_manager (self->etc))
    give_up (self, FZ_DNS_ERROR_UNSUPPORTED, "resolv.conf is not NetworkManager's any more");
  else {
    self->apply = g_cancellable_new ();
    get_device (self);
  }
}

/* -- revert -- */

static void
free_undo (Undo *undo)
{
  g_object_unref (undo->service.bus);
  g_free (undo->device);
  g_free (undo);
}

static void
on_undone (GVariant *reply, const GError *error, gpointer user_data)
{
  free_undo (user_data); /* on an error the device has gone, and our servers with it */
}

static void
on_connection_to_undo (GVariant *reply, const GError *error, gpointer user_data)
{
  Undo *undo = user_data;
  g_autoptr (GVariant) connection = NULL;
  guint64 version = 0;

  if (error != NULL) {
    free_undo (undo);
    return;
  }
  g_variant_get (reply, "(@a{sa{sv}}t)", &connection, &version);
  fz_dns_call (
      &undo->service,
      undo->device,
      DEVICE,
      "Reapply",
      g_variant_new (
          "(@a{sa{sv}}tu)", change_connection (connection, NULL), version, KEEP_EXTERNAL_IP),
      "()",
      on_undone,
      undo);
}

static GVariant *
call_and_wait (const Undo *undo, const char *method, GVariant *args)
{
  return g_dbus_connection_call_sync (undo->service.bus,
                                      NAME,
                                      undo->device,
                                      DEVICE,
                                      method,
                                      args,
                                      NULL,
                                      G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                      WAIT_MS,
                                      NULL,
                                      NULL);
}

/* What fails here has gone with the device. */
static void
undo_now (const Undo *undo)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) connection = NULL;
  g_autoptr (GVariant) done_reply = NULL;
  guint64 version = 0;

  reply = call_and_wait (undo, "GetAppliedConnection", g_variant_new ("(u)", 0));
  if (reply == NULL || !g_variant_is_of_type (reply, G_VARIANT_TYPE ("(a{sa{sv}}t)")))
    return;
  g_variant_get (reply, "(@a{sa{sv}}t)", &connection, &version);
  done_reply = call_and_wait (
      undo,
      "Reapply",
      g_variant_new (
          "(@a{sa{sv}}tu)", change_connection (connection, NULL), version, KEEP_EXTERNAL_IP));
}

static void
revert (FzDnsBackend *backend, bool waits)
{
  Manager *self = (Manager *) (void *) backend;
  Undo *undo;

  stop_apply (self);
  self->settings = NULL;
  if (self->device == NULL)
    return;
  undo = g_new0 (Undo, 1);
  undo->service = (FzDnsService){ g_object_ref (self->service.bus), NAME, NULL };
  undo->device = g_steal_pointer (&self->device);
  if (waits) {
    undo_now (undo);
    free_undo (undo);
    return;
  }
  fz_dns_call (&undo->service,
               undo->device,
               DEVICE,
               "GetAppliedConnection",
               g_variant_new ("(u)", 0),
               "(a{sa{sv}}t)",
               on_connection_to_undo,
               undo);
}

/* -- upstreams -- */

/* "192.0.2.1", with "%eth0" and "#name" behind it in later versions. */
static bool
read_server (const char *text, const char *interface, FzDnsUpstream *out)
{
  const char *name = strchr (text, '#');
  g_autofree char *rest = g_strdup (text);
  FzDnsUpstream upstream = { .address.port = 53 };

  rest[strcspn (rest, "#%")] = '\0';
  if (!fz_ip_parse (rest, &upstream.address.ip))
    return false;
  upstream.server_name = name != NULL && name[1] != '\0' ? name + 1 : NULL;
  if (fz_ip_is_link_local (&upstream.address.ip))
    upstream.ifindex = if_nametoindex (interface);
  *out = upstream;
  return true;
}

static void
add_entry (GArray *list, GVariant *entry)
{
  g_autofree const char **servers = NULL;
  const char *interface = "";

  g_variant_lookup (entry, "interface", "&s", &interface);
  if (!g_variant_lookup (entry, "nameservers", "^a&s", &servers))
    return;
  for (const char **at = servers; *at != NULL; at++) {
    FzDnsUpstream upstream;

    if (read_server (*at, interface, &upstream))
      fz_dns_upstreams_add (list, &upstream);
  }
}

static void
on_configuration (GVariant *reply, const GError *error, gpointer user_data)
{
  Manager *self = user_data;
  g_autoptr (GArray) list = fz_dns_upstreams_new ();
  g_autoptr (GVariant) configuration = NULL;

  if (error != NULL)
    return; /* what is known stays; its return is watched */
  g_variant_get (reply, "(v)", &configuration);
  if (!g_variant_is_of_type (configuration, G_VARIANT_TYPE ("aa{sv}")))
    return;
  for (gsize i = 0; i < g_variant_n_children (configuration); i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (configuration, i);

    add_entry (list, entry);
  }
  fz_dns_control_take_upstreams (self->backend.control, list);
}

static void
read_now (FzDnsBackend *backend, const FzDnsService *service)
{
  fz_dns_call (service,
               DNS_PATH,
               PROPERTIES,
               "Get",
               g_variant_new ("(ss)", DNS, "Configuration"),
               "(v)",
               on_configuration,
               backend);
}

static void
read_upstreams (FzDnsBackend *backend)
{
  fz_dns_bus_watch_read (((Manager *) (void *) backend)->watch);
}

/* -- making -- */

static void
free_backend (FzDnsBackend *backend)
{
  Manager *self = (Manager *) (void *) backend;

  stop_apply (self);
  fz_dns_bus_watch_free (self->watch);
  g_clear_object (&self->service.bus);
  g_free (self->device);
  g_free (self->etc);
  g_free (self);
}

FzDnsBackend *
fz_dns_network_manager_backend_new (FzDnsControl *control,
                                    GDBusConnection *bus,
                                    const char *etc,
                                    bool is_chosen)
{
  static const FzDnsBackendFunctions functions = {
    .free = free_backend,
    .apply = apply,
    .revert = revert,
    .read_upstreams = read_upstreams,
  };
  Manager *self = g_new0 (Manager, 1);
  const FzDnsBusWatchConfig watch = {
    .backend = &self->backend,
    .bus = bus,
    .name = NAME,
    .path = DNS_PATH,
    .etc = is_chosen ? NULL : etc,
    .read = read_now,
  };

  self->backend = (FzDnsBackend){ &functions, control };
  self->etc = g_strdup (etc);
  self->is_chosen = is_chosen;
  if (bus != NULL)
    self->service = (FzDnsService){ g_object_ref (bus), NAME, NULL };
  self->watch = fz_dns_bus_watch_new (&watch);
  return &self->backend;
}
