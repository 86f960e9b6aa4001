/* fz-linux-dns-resolved.c
 *
 * systemd-resolved by D-Bus: servers of our link, the routing domain "~." (with
 * it no other link is asked, but for domains it claims as its own), default route; LLMNR, mDNS,
 * DNS over TLS and DNSSEC off for this link, as nobody but our stub is at its other end.
 * resolved forgets all of it with the link, whatever becomes of us.
 *
 *   apply: GetLink → GetAll ── equal ──────────────────────────────► done
 *                      └── differs → the calls of link_calls[] → GetAll → done, or overruled
 *
 * Upstreams are what the manager's extended property lists, without our link and
 * without links that are for certain domains only.
 */
#include "platform/linux/fz-linux-dns-bus-watch.h"
#include "platform/linux/fz-linux-dns-private.h"

#include <net/if.h>
#include <string.h>

#define NAME          "org.freedesktop.resolve1"
#define PATH          "/org/freedesktop/resolve1"
#define MANAGER       NAME ".Manager"
#define LINK          NAME ".Link"
#define PROPERTIES    "org.freedesktop.DBus.Properties"
#define LINK_TRIES    20u /* resolved sees a new link a moment after us */
#define LINK_RETRY_MS 100u

typedef struct {
  FzDnsBackend backend;
  FzDnsService service;
  char *etc;
  bool is_chosen; /* by a person: resolv.conf may name others */
  FzDnsBusWatch *watch;

  const FzDnsSettings *settings;
  GCancellable *apply; /* of one apply() */
  uint32_t ifindex;    /* what there is to revert; 0: nothing */
  char *link_path;
  size_t i_call;
  bool has_set;
  unsigned n_tries;
  guint retry_id;

  const FzDnsService *reading; /* of one read_upstreams(); the watch's */
  GVariant *servers;           /* a(iiayqs) */
  GArray *links;               /* uint32_t: to be asked about; the last first */
  GArray *excluded;            /* uint32_t: links for certain domains only */
} Resolved;

/* -- apply -- */

static void
done (Resolved *self, GError *error)
{
  g_autoptr (GError) owned = error;

  g_clear_object (&self->apply);
  fz_dns_control_take_applied (self->backend.control, self->has_set, owned);
}

static FzDnsService
apply_service (const Resolved *self)
{
  return (FzDnsService){ self->service.bus, NAME, self->apply };
}

static GVariant *
ip_bytes (const FzIp *ip)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, ip->bytes, fz_ip_size (ip), 1);
}

static int
address_family (const FzIp *ip)
{
  return ip->family == FZ_IP_V4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;
}

static GVariant *
make_servers (const FzDnsSettings *settings)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(iay)"));
  for (size_t i = 0; i < settings->n_servers; i++)
    g_variant_builder_add (&builder,
                           "(i@ay)",
                           address_family (&settings->servers[i]),
                           ip_bytes (&settings->servers[i]));
  return g_variant_builder_end (&builder);
}

static GVariant *
make_domains (const FzDnsSettings *settings)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sb)"));
  if (settings->search_domain != NULL)
    g_variant_builder_add (&builder, "(sb)", settings->search_domain, FALSE);
  g_variant_builder_add (&builder, "(sb)", ".", TRUE);
  return g_variant_builder_end (&builder);
}

static GVariant *
make_true (const FzDnsSettings *settings)
{
  return g_variant_new_boolean (TRUE);
}

static GVariant *
make_no (const FzDnsSettings *settings)
{
  return g_variant_new_string ("no");
}

static GVariant *
make_none (const FzDnsSettings *settings)
{
  return NULL;
}

static const struct {
  const char *method;
  GVariant *(*make) (const FzDnsSettings *settings);
  bool is_optional; /* some builds lack the feature that it switches off */
} link_calls[] = {
  { "SetLinkDNS", make_servers, false },       { "SetLinkDomains", make_domains, false },
  { "SetLinkDefaultRoute", make_true, false }, { "SetLinkLLMNR", make_no, true },
  { "SetLinkMulticastDNS", make_no, true },    { "SetLinkDNSOverTLS", make_no, true },
  { "SetLinkDNSSEC", make_no, true },          { "FlushCaches", make_none, false },
};

static bool
property_is (GVariant *properties, const char *name, GVariant *floating)
{
  g_autoptr (GVariant) expected = g_variant_ref_sink (floating);
  g_autoptr (GVariant) value =
      g_variant_lookup_value (properties, name, g_variant_get_type (expected));

  return value != NULL && g_variant_equal (value, expected);
}

static bool
is_in_force (const Resolved *self, GVariant *properties)
{
  return property_is (properties, "DNS", make_servers (self->settings)) &&
         property_is (properties, "Domains", make_domains (self->settings)) &&
         property_is (properties, "DefaultRoute", make_true (self->settings));
}

static void read_back (Resolved *self);
static void call_next (Resolved *self);

static void
on_set (GVariant *reply, const GError *error, gpointer user_data)
{
  Resolved *self = user_data;

  if (error != NULL && !link_calls[self->i_call].is_optional) {
    done (self, fz_dns_error_from_bus ("systemd-resolved", error));
    return;
  }
  self->i_call++;
  call_next (self);
}

static void
call_next (Resolved *self)
{
  FzDnsService service = apply_service (self);
  GVariant *value;

  if (self->i_call == G_N_ELEMENTS (link_calls)) {
    read_back (self);
    return;
  }
  value = link_calls[self->i_call].make (self->settings);
  fz_dns_call (&service,
               PATH,
               MANAGER,
               link_calls[self->i_call].method,
               value == NULL ? NULL : g_variant_new ("(i@*)", (int) self->ifindex, value),
               "()",
               on_set,
               self);
}

static void
on_link_properties (GVariant *reply, const GError *error, gpointer user_data)
{
  Resolved *self = user_data;
  g_autoptr (GVariant) properties = NULL;

  if (error != NULL) {
    done (self, fz_dns_error_from_bus ("systemd-resolved", error));
    return;
  }
  properties = g_variant_get_child_value (reply, 0);
  if (is_in_force (self, properties)) {
    done (self, NULL);
  } else if (self->has_set) {
    done (
        self,
        g_error_new_literal (FZ_DNS_ERROR,
                             FZ_DNS_ERROR_OVERRULED,
                             "systemd-resolved has other DNS servers for our interface than those "
                             "it was given: another program sets them as well"));
  } else {
    self->has_set = true;
    self->i_call = 0;
    call_next (self);
  }
}

static void
read_back (Resolved *self)
{
  FzDnsService service = apply_service (self);

  fz_dns_call (&service,
               self->link_path,
               PROPERTIES,
               "GetAll",
               g_variant_new ("(s)", LINK),
               "(a{sv})",
               on_link_properties,
               self);
}

static void get_link (Resolved *self);

static gboolean
on_retry (gpointer user_data)
{
  Resolved *self = user_data;

  self->retry_id = 0;
  get_link (self);
  return G_SOURCE_REMOVE;
}

static void
on_link (GVariant *reply, const GError *error, gpointer user_data)
{
  Resolved *self = user_data;
  g_autofree char *remote = error != NULL ? g_dbus_error_get_remote_error (error) : NULL;

  if (g_strcmp0 (remote, NAME ".NoSuchLink") == 0 && self->n_tries++ < LINK_TRIES) {
    self->retry_id = g_timeout_add (LINK_RETRY_MS, on_retry, self);
  } else if (error != NULL) {
    done (self, fz_dns_error_from_bus ("systemd-resolved", error));
  } else {
    g_free (self->link_path);
    g_variant_get (reply, "(o)", &self->link_path);
    read_back (self);
  }
}

static void
get_link (Resolved *self)
{
  FzDnsService service = apply_service (self);

  fz_dns_call (&service,
               PATH,
               MANAGER,
               "GetLink",
               g_variant_new ("(i)", (int) self->ifindex),
               "(o)",
               on_link,
               self);
}

static void
stop_apply (Resolved *self)
{
  g_clear_handle_id (&self->retry_id, g_source_remove);
  if (self->apply != NULL)
    g_cancellable_cancel (self->apply);
  g_clear_object (&self->apply);
}

static void
apply (FzDnsBackend *backend, const FzDnsSettings *settings)
{
  Resolved *self = (Resolved *) (void *) backend;

  stop_apply (self);
  self->settings = settings;
  self->has_set = false;
  self->n_tries = 0;
  self->ifindex = if_nametoindex (settings->ifname); /* made anew, it has another number */
  if (self->ifindex == 0)
    self->ifindex = settings->ifindex;
  if (self->service.bus == NULL)
    done (self,
          g_error_new_literal (FZ_DNS_ERROR,
                               FZ_DNS_ERROR_ABSENT,
                               "there is no system bus to reach systemd-resolved"));
  else if (!self->is_chosen && fz_dns_bypasses_resolved (self->etc))
    done (self,
          g_error_new_literal (
              FZ_DNS_ERROR,
              FZ_DNS_ERROR_FAILED,
              "/etc/resolv.conf lists the servers behind systemd-resolved, so programs do not ask "
              "it: make it a link to /run/systemd/resolve/stub-resolv.conf"));
  else if (!self->is_chosen && !fz_dns_names_resolved (self->etc))
    done (self,
          g_error_new_literal (FZ_DNS_ERROR,
                               FZ_DNS_ERROR_UNSUPPORTED,
                               "resolv.conf does not name systemd-resolved any more"));
  else {
    self->apply = g_cancellable_new ();
    get_link (self);
  }
}

/* -- revert, flush -- */

static void
call_and_forget (Resolved *self, const char *method, GVariant *args)
{
  g_dbus_connection_call (self->service.bus,
                          NAME,
                          PATH,
                          MANAGER,
                          method,
                          args,
                          NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          -1,
                          NULL,
                          NULL,
                          NULL);
}

static void
revert (FzDnsBackend *backend, bool waits)
{
  Resolved *self = (Resolved *) (void *) backend;

  stop_apply (self);
  self->settings = NULL;
  if (self->ifindex == 0 || self->service.bus == NULL)
    return;
  if (waits) {
    /* What it answers does not matter: the link goes next. */
    g_autoptr (GVariant) reply =
        g_dbus_connection_call_sync (self->service.bus,
                                     NAME,
                                     PATH,
                                     MANAGER,
                                     "RevertLink",
                                     g_variant_new ("(i)", (int) self->ifindex),
                                     NULL,
                                     G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                     1500,
                                     NULL,
                                     NULL);

    (void) reply;
  } else {
    call_and_forget (self, "RevertLink", g_variant_new ("(i)", (int) self->ifindex));
  }
  call_and_forget (self, "FlushCaches", NULL);
  if (waits)
    g_dbus_connection_flush_sync (self->service.bus, NULL, NULL);
  self->ifindex = 0;
}

static void
flush (FzDnsBackend *backend)
{
  Resolved *self = (Resolved *) (void *) backend;

  if (self->service.bus != NULL)
    call_and_forget (self, "FlushCaches", NULL);
}

/* -- upstreams -- */

static bool
has_link (const GArray *links, uint32_t ifindex)
{
  for (guint i = 0; i < links->len; i++)
    if (g_array_index (links, uint32_t, i) == ifindex)
      return true;
  return false;
}

static bool
read_server (GVariant *row, FzDnsUpstream *out)
{
  int ifindex, family;
  uint16_t port;
  const char *name;
  gsize size = 0;
  const uint8_t *bytes;
  g_autoptr (GVariant) address = NULL;

  g_variant_get (row, "(ii@ayq&s)", &ifindex, &family, &address, &port, &name);
  bytes = g_variant_get_fixed_array (address, &size, 1);
  *out = (FzDnsUpstream){ .ifindex = (uint32_t) MAX (ifindex, 0) };
  if (size == 4)
    out->address.ip = fz_ip_v4 (bytes);
  else if (size == 16)
    out->address.ip = fz_ip_v6 (bytes);
  else
    return false;
  out->address.port = port != 0 ? port : 53;
  out->server_name = *name != '\0' ? name : NULL;
  return true;
}

/* Our own link's servers are sentinels, which the control leaves out. */
static void
hand_over (Resolved *self)
{
  g_autoptr (GArray) list = fz_dns_upstreams_new ();
  gsize n = g_variant_n_children (self->servers);

  for (gsize i = 0; i < n; i++) {
    g_autoptr (GVariant) row = g_variant_get_child_value (self->servers, i);
    FzDnsUpstream upstream;

    if (read_server (row, &upstream) && !has_link (self->excluded, upstream.ifindex))
      fz_dns_upstreams_add (list, &upstream);
  }
  fz_dns_control_take_upstreams (self->backend.control, list);
}

static void ask_next_link (Resolved *self);

static void
on_upstream_link_properties (GVariant *reply, const GError *error, gpointer user_data)
{
  Resolved *self = user_data;
  uint32_t ifindex = g_array_index (self->links, uint32_t, self->links->len - 1);
  gboolean is_default = TRUE;

  if (error == NULL) {
    g_autoptr (GVariant) properties = g_variant_get_child_value (reply, 0);

    g_variant_lookup (properties, "DefaultRoute", "b", &is_default);
  }
  if (!is_default)
    g_array_append_val (self->excluded, ifindex);
  g_array_set_size (self->links, self->links->len - 1);
  ask_next_link (self);
}

static void
on_upstream_link (GVariant *reply, const GError *error, gpointer user_data)
{
  Resolved *self = user_data;
  const char *path = NULL;

  if (error != NULL) { /* it has gone meanwhile */
    g_array_set_size (self->links, self->links->len - 1);
    ask_next_link (self);
    return;
  }
  g_variant_get (reply, "(&o)", &path);
  fz_dns_call (self->reading,
               path,
               PROPERTIES,
               "GetAll",
               g_variant_new ("(s)", LINK),
               "(a{sv})",
               on_upstream_link_properties,
               self);
}

static void
ask_next_link (Resolved *self)
{
  if (self->links->len == 0) {
    hand_over (self);
    return;
  }
  fz_dns_call (
      self->reading,
      PATH,
      MANAGER,
      "GetLink",
      g_variant_new ("(i)", (int) g_array_index (self->links, uint32_t, self->links->len - 1)),
      "(o)",
      on_upstream_link,
      self);
}

static void
on_manager_properties (GVariant *reply, const GError *error, gpointer user_data)
{
  Resolved *self = user_data;
  g_autoptr (GVariant) properties = NULL;
  FzDnsUpstream upstream;

  if (error != NULL)
    return; /* what is known stays; its return is watched */
  properties = g_variant_get_child_value (reply, 0);
  g_clear_pointer (&self->servers, g_variant_unref);
  self->servers = g_variant_lookup_value (properties, "DNSEx", G_VARIANT_TYPE ("a(iiayqs)"));
  if (self->servers == NULL || g_variant_n_children (self->servers) == 0) {
    g_clear_pointer (&self->servers, g_variant_unref);
    self->servers =
        g_variant_lookup_value (properties, "FallbackDNSEx", G_VARIANT_TYPE ("a(iiayqs)"));
  }
  if (self->servers == NULL)
    return;

  g_array_set_size (self->links, 0);
  g_array_set_size (self->excluded, 0);
  for (gsize i = 0; i < g_variant_n_children (self->servers); i++) {
    g_autoptr (GVariant) row = g_variant_get_child_value (self->servers, i);

    if (read_server (row, &upstream) && upstream.ifindex != 0 &&
        upstream.ifindex != self->ifindex && !has_link (self->links, upstream.ifindex))
      g_array_append_val (self->links, upstream.ifindex);
  }
  ask_next_link (self);
}

static void
read_now (FzDnsBackend *backend, const FzDnsService *service)
{
  Resolved *self = (Resolved *) (void *) backend;

  self->reading = service;
  fz_dns_call (service,
               PATH,
               PROPERTIES,
               "GetAll",
               g_variant_new ("(s)", MANAGER),
               "(a{sv})",
               on_manager_properties,
               self);
}

static void
read_upstreams (FzDnsBackend *backend)
{
  fz_dns_bus_watch_read (((Resolved *) (void *) backend)->watch);
}

/* -- making -- */

static void
free_backend (FzDnsBackend *backend)
{
  Resolved *self = (Resolved *) (void *) backend;

  stop_apply (self);
  fz_dns_bus_watch_free (self->watch);
  g_clear_object (&self->service.bus);
  g_clear_pointer (&self->servers, g_variant_unref);
  g_array_unref (self->links);
  g_array_unref (self->excluded);
  g_free (self->link_path);
  g_free (self->etc);
  g_free (self);
}

FzDnsBackend *
fz_dns_resolved_backend_new (FzDnsControl *control,
                             GDBusConnection *bus,
                             const char *etc,
                             bool is_chosen)
{
  static const FzDnsBackendFunctions functions = {
    .free = free_backend,
    .apply = apply,
    .revert = revert,
    .read_upstreams = read_upstreams,
    .flush = flush,
  };
  Resolved *self = g_new0 (Resolved, 1);
  const FzDnsBusWatchConfig watch = {
    .backend = &self->backend,
    .bus = bus,
    .name = NAME,
    .etc = is_chosen ? NULL : etc,
    .read = read_now,
  };

  self->backend = (FzDnsBackend){ &functions, control };
  self->links = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->excluded = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->etc = g_strdup (etc);
  self->is_chosen = is_chosen;
  if (bus != NULL)
    self->service = (FzDnsService){ g_object_ref (bus), NAME, NULL };
  self->watch = fz_dns_bus_watch_new (&watch);
  return &self->backend;
}
