/* fz-mirror.c: see the header
 *
 * Gateways and relays have no name that a path could hold for ever, so each
 * gets a number when it comes and another when it comes again.
 */
#include "src/helper/fz-mirror.h"

#include "src/ipc/fz-tunnel1-generated.h"

#include <string.h>

/* What changes by itself. */
typedef struct {
  FzReach reach;
  FzUuid gateway_id;
  uint32_t rtt_us;
  uint64_t last_activity_us;
  uint64_t tx_bytes;
  uint64_t rx_bytes;
} Pulse;

typedef struct {
  FzUuid id;
  FzIpcObject *object;
  bool is_seen; /* in this look */
  bool is_new;  /* since this look */
  Pulse pulse;  /* resources: as it was told last; padding is zero */
} Entry;

typedef struct {
  GHashTable *entries; /* FzUuid (in the entry) -> Entry */
  unsigned next;       /* number of the next one */
  bool has_new;        /* one has come in this look */
} Family;

struct FzMirror {
  FzIpcTree *tree;
  Family resources;
  Family gateways;
  Family relays;
  GPtrArray *carried;     /* resources' Entry with a gateway, borrowed; since the last whole look */
  bool is_any_connecting; /* resource, by then */
  unsigned n_short_looks; /* since then */
};

/* -- words -- */

const char *
fz_mirror_reach_name (FzReach reach)
{
  switch (reach) {
  case FZ_REACH_IDLE:
    return "idle";
  case FZ_REACH_CONNECTING:
    return "connecting";
  case FZ_REACH_DIRECT:
    return "direct";
  case FZ_REACH_RELAYED:
    return "relayed";
  case FZ_REACH_OFFLINE:
    return "offline";
  case FZ_REACH_DENIED:
    return "denied";
  }
  g_assert_not_reached ();
}

const char *
fz_mirror_path_name (FzReach reach)
{
  return reach == FZ_REACH_DIRECT || reach == FZ_REACH_RELAYED ? fz_mirror_reach_name (reach)
                                                               : "connecting";
}

static bool
is_one_address (const FzIpNetwork *network)
{
  return network->prefix_length == (network->ip.family == FZ_IP_V4 ? 32 : 128);
}

const char *
fz_mirror_kind_name (const FzResource *resource)
{
  switch (resource->kind) {
  case FZ_RESOURCE_CIDR:
    return is_one_address (&resource->network) ? "ip" : "cidr";
  case FZ_RESOURCE_DNS:
    return "dns";
  case FZ_RESOURCE_INTERNET:
    return "internet";
  }
  g_assert_not_reached ();
}

char *
fz_mirror_dup_address (const FzResource *resource)
{
  char text[FZ_IP_NETWORK_TEXT_MAX];

  switch (resource->kind) {
  case FZ_RESOURCE_CIDR:
    if (is_one_address (&resource->network))
      return g_strdup (fz_ip_format (&resource->network.ip, text));
    return g_strdup (fz_ip_network_format (&resource->network, text));
  case FZ_RESOURCE_DNS:
    return g_strdup (resource->pattern);
  case FZ_RESOURCE_INTERNET:
    return g_strdup ("");
  }
  g_assert_not_reached ();
}

/* -- families -- */

static guint
hash_uuid (gconstpointer key)
{
  guint hash;

  memcpy (&hash, key, sizeof hash); /* random already */
  return hash;
}

static gboolean
equal_uuid (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (FzUuid)) == 0;
}

static void
init_family (Family *family)
{
  family->entries = g_hash_table_new_full (hash_uuid, equal_uuid, NULL, g_free);
  family->next = 1;
}

static bool
is_no_uuid (const FzUuid *id)
{
  static const FzUuid zero = { 0 };

  return equal_uuid (id, &zero);
}

/* Where @id's object is; "/" if it has none. */
static const char *
path_of (Family *family, const FzUuid *id)
{
  const Entry *entry = is_no_uuid (id) ? NULL : g_hash_table_lookup (family->entries, id);

  return entry != NULL ? fz_ipc_object_get_path (entry->object) : "/";
}

static void
begin_look (Family *family)
{
  GHashTableIter iter;
  gpointer entry;

  family->has_new = false;
  g_hash_table_iter_init (&iter, family->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    ((Entry *) entry)->is_seen = false;
}

/* One that was there before the look is not there any more. */
static bool
is_any_unseen (Family *family)
{
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, family->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    if (!((Entry *) entry)->is_seen)
      return true;
  return false;
}

static void
end_look (FzMirror *self, Family *family)
{
  GHashTableIter iter;
  gpointer data;

  g_hash_table_iter_init (&iter, family->entries);
  while (g_hash_table_iter_next (&iter, NULL, &data)) {
    Entry *entry = data;

    if (entry->is_seen)
      continue;
    fz_ipc_tree_remove (self->tree, entry->object);
    g_hash_table_iter_remove (&iter);
  }
}

static char *
dup_path (FzMirror *self, Family *family, const FzUuid *id)
{
  char text[FZ_UUID_TEXT_MAX];

  if (family == &self->gateways)
    return fz_ipc_dup_gateway_path (family->next++);
  if (family == &self->relays)
    return fz_ipc_dup_relay_path (family->next++);
  fz_uuid_format (id, text);
  return fz_ipc_dup_resource_path (text);
}

static Entry *
see (FzMirror *self, Family *family, const FzUuid *id, GDBusInterfaceInfo *info)
{
  Entry *entry = g_hash_table_lookup (family->entries, id);
  g_autofree char *path = NULL;

  if (entry == NULL) {
    path = dup_path (self, family, id);
    entry = g_new0 (Entry, 1);
    entry->id = *id;
    entry->is_new = true;
    entry->object = fz_ipc_tree_add (self->tree, path, info, FZ_IPC_PRIVATE);
    g_hash_table_insert (family->entries, &entry->id, entry);
    family->has_new = true;
  }
  entry->is_seen = true;
  return entry;
}

/* -- one look -- */

static void
set_socket (FzIpcObject *object, const char *property, const FzSocketAddress *socket)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX] = "";

  if (socket->ip.family != FZ_IP_NONE)
    fz_socket_address_format (socket, text);
  fz_ipc_object_set_text (object, property, text);
}

static void
set_id (FzIpcObject *object, const FzUuid *id)
{
  char text[FZ_UUID_TEXT_MAX];

  fz_uuid_format (id, text);
  fz_ipc_object_set_text (object, "Id", text);
}

static void
look_at_relays (FzMirror *self, FzSession *session)
{
  const FzRelayView *views;
  size_t n = fz_session_get_relays (session, &views);

  for (size_t i = 0; i < n; i++) {
    FzIpcObject *object =
        see (self, &self->relays, &views[i].id, fz_tunnel1_relay_interface_info ())->object;

    set_socket (object, "Address", &views[i].address);
    fz_ipc_object_set_text (object, "State", views[i].is_answering ? "ready" : "trying");
    fz_ipc_object_set_u32 (object, "Rtt", views[i].rtt_us);
  }
}

static const char *
find_site (FzSession *session, const FzUuid *site_id)
{
  const FzResourceView *views;
  size_t n = fz_session_get_resources (session, &views);

  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < views[i].resource->n_sites; j++)
      if (equal_uuid (&views[i].resource->sites[j].id, site_id))
        return views[i].resource->sites[j].name;
  return "";
}

static void
look_at_gateways (FzMirror *self, FzSession *session, bool has_news)
{
  const FzGatewayView *views;
  size_t n = fz_session_get_gateways (session, &views);

  for (size_t i = 0; i < n; i++) {
    const FzGatewayView *view = &views[i];
    Entry *entry = see (self, &self->gateways, &view->id, fz_tunnel1_gateway_interface_info ());
    FzIpcObject *object = entry->object;

    if (has_news || entry->is_new) {
      set_id (object, &view->id);
      fz_ipc_object_set_text (object, "Site", find_site (session, &view->site_id));
    }
    entry->is_new = false;
    fz_ipc_object_set_text (object, "Path", fz_mirror_path_name (view->reach));
    set_socket (object, "LocalCandidate", &view->local);
    set_socket (object, "RemoteCandidate", &view->remote);
    fz_ipc_object_set_path (object, "Relay", path_of (&self->relays, &view->relay_id));
    fz_ipc_object_set_u32 (object, "Rtt", view->rtt_us);
    fz_ipc_object_set_u64 (object, "LastHandshake", view->last_handshake_us);
    fz_ipc_object_set_u64 (object, "TxBytes", view->tx_bytes);
    fz_ipc_object_set_u64 (object, "RxBytes", view->rx_bytes);
  }
}

static GVariant *
site_names (const FzResource *resource)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (size_t i = 0; i < resource->n_sites; i++)
    g_variant_builder_add (&builder, "s", resource->sites[i].name);
  return g_variant_builder_end (&builder);
}

static const FzGatewayView *
find_gateway (const FzGatewayView *views, size_t n, const FzUuid *id)
{
  static const FzGatewayView none = { 0 };

  for (size_t i = 0; i < n; i++)
    if (equal_uuid (&views[i].id, id))
      return &views[i];
  return &none;
}

static void
set_resource (FzIpcObject *object, const FzResource *resource)
{
  g_autofree char *address = fz_mirror_dup_address (resource);

  set_id (object, &resource->id);
  fz_ipc_object_set_text (object, "Name", resource->name);
  fz_ipc_object_set_text (object, "Kind", fz_mirror_kind_name (resource));
  fz_ipc_object_set_text (object, "Address", address);
  fz_ipc_object_set_text (object, "AddressNote", resource->description);
  fz_ipc_object_set (object, "Sites", site_names (resource));
}

static void
set_pulse (FzMirror *self, FzIpcObject *object, const Pulse *pulse)
{
  fz_ipc_object_set_text (object, "State", fz_mirror_reach_name (pulse->reach));
  fz_ipc_object_set_path (object, "Gateway", path_of (&self->gateways, &pulse->gateway_id));
  fz_ipc_object_set_u32 (object, "Rtt", pulse->rtt_us);
  fz_ipc_object_set_u64 (object, "LastActivity", pulse->last_activity_us);
  fz_ipc_object_set_u64 (object, "TxBytes", pulse->tx_bytes);
  fz_ipc_object_set_u64 (object, "RxBytes", pulse->rx_bytes);
}

/* Padding is zero: pulses are compared as bytes. */
static void
init_pulse (Pulse *pulse, FzReach reach, const FzUuid *gateway_id, const FzGatewayView *gateway)
{
  memset (pulse, 0, sizeof *pulse);
  pulse->reach = reach;
  pulse->gateway_id = *gateway_id;
  pulse->rtt_us = gateway->rtt_us;
  pulse->last_activity_us = gateway->last_activity_us;
  pulse->tx_bytes = gateway->tx_bytes;
  pulse->rx_bytes = gateway->rx_bytes;
}

static void
look_at_resource (FzMirror *self,
                  const FzResourceView *view,
                  const FzGatewayView *gateway,
                  bool has_news)
{
  Entry *entry =
      see (self, &self->resources, &view->resource->id, fz_tunnel1_resource_interface_info ());
  Pulse pulse;

  init_pulse (&pulse, view->reach, &view->gateway_id, gateway);
  if (has_news || entry->is_new)
    set_resource (entry->object, view->resource);
  if (has_news || entry->is_new || memcmp (&pulse, &entry->pulse, sizeof pulse) != 0)
    set_pulse (self, entry->object, &pulse);
  memcpy (&entry->pulse, &pulse, sizeof pulse);
  entry->is_new = false;

  self->is_any_connecting |= view->reach == FZ_REACH_CONNECTING;
  if (!is_no_uuid (&view->gateway_id))
    g_ptr_array_add (self->carried, entry);
}

/* The whole look, after the one at the gateways. */
static void
look_at_resources (FzMirror *self, FzSession *session, bool has_news)
{
  static const FzGatewayView none = { 0 };
  const FzResourceView *views;
  const FzGatewayView *gateways;
  size_t n_gateways = fz_session_get_gateways (session, &gateways);
  size_t n = fz_session_get_resources (session, &views);

  for (size_t i = 0; i < n; i++)
    look_at_resource (self,
                      &views[i],
                      is_no_uuid (&views[i].gateway_id)
                          ? &none
                          : find_gateway (gateways, n_gateways, &views[i].gateway_id),
                      has_news);
}

/* The short look. */
static void
look_at_carried (FzMirror *self, FzSession *session)
{
  const FzGatewayView *gateways;
  size_t n_gateways = fz_session_get_gateways (session, &gateways);

  for (guint i = 0; i < self->carried->len; i++) {
    Entry *entry = self->carried->pdata[i];
    const FzUuid *id = &entry->pulse.gateway_id;
    Pulse pulse;

    init_pulse (&pulse, entry->pulse.reach, id, find_gateway (gateways, n_gateways, id));
    if (memcmp (&pulse, &entry->pulse, sizeof pulse) == 0)
      continue;
    set_pulse (self, entry->object, &pulse);
    memcpy (&entry->pulse, &pulse, sizeof pulse);
  }
}

/* -- public -- */

FzMirror *
fz_mirror_new (FzIpcTree *tree)
{
  FzMirror *self = g_new0 (FzMirror, 1);

  self->tree = tree;
  init_family (&self->resources);
  init_family (&self->gateways);
  init_family (&self->relays);
  self->carried = g_ptr_array_new ();
  return self;
}

void
fz_mirror_free (FzMirror *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->resources.entries);
  g_hash_table_unref (self->gateways.entries);
  g_hash_table_unref (self->relays.entries);
  g_ptr_array_unref (self->carried);
  g_free (self);
}

static bool
needs_whole_look (FzMirror *self, FzSession *session, bool has_news)
{
  return session == NULL || has_news || self->is_any_connecting || self->gateways.has_new ||
         is_any_unseen (&self->gateways) || self->n_short_looks >= FZ_MIRROR_SHORT_LOOKS;
}

static void
look_whole (FzMirror *self, FzSession *session, bool has_news)
{
  begin_look (&self->resources);
  g_ptr_array_set_size (self->carried, 0);
  self->is_any_connecting = false;
  self->n_short_looks = 0;
  if (session != NULL)
    look_at_resources (self, session, has_news);
  end_look (self, &self->resources);
}

void
fz_mirror_update (FzMirror *self, FzSession *session, bool has_news)
{
  begin_look (&self->gateways);
  begin_look (&self->relays);

  /* What others point to comes first, so that a path that a property names already answers, and
   * goes last. */
  if (session != NULL) {
    look_at_relays (self, session);
    look_at_gateways (self, session, has_news);
  }
  if (needs_whole_look (self, session, has_news)) {
    look_whole (self, session, has_news);
  } else {
    look_at_carried (self, session);
    self->n_short_looks++;
  }
  end_look (self, &self->gateways);
  end_look (self, &self->relays);
}
