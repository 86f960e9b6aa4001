/* fz-grants.c: see the header */

#include "src/engine/fz-grants.h"

#include "src/base/fz-heap.h"
#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-ip-table.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-resource-routes.h"
#include "src/engine/fz-resource.h"
#include "src/engine/fz-uuid-table.h"

struct FzGrants {
  GHashTable *by_client; /* of FzGrantee */
  GHashTable *by_ip;     /* FzIp inside the FzGrantee, to it */
  GPtrArray *by_handle;  /* FzGrantee or NULL */
  GArray *free_handles;  /* of uint32_t: those of NULL */
  FzHeap *deadlines;     /* by handle: earliest expiry */
};

static void
free_grant (void *data)
{
  FzHeldGrant *grant = data;

  fz_resource_free (grant->resource);
  g_free (grant);
}

static void
free_grantee (void *data)
{
  FzGrantee *grantee = data;

  g_hash_table_unref (grantee->grants);
  g_clear_pointer (&grantee->translations, fz_translations_free);
  g_free (grantee);
}

FzGrants *
fz_grants_new (void)
{
  FzGrants *self = g_new0 (FzGrants, 1);

  self->by_client = fz_uuid_table_new (free_grantee);
  self->by_ip = fz_ip_table_new (NULL);
  self->by_handle = g_ptr_array_new ();
  self->free_handles = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->deadlines = fz_heap_new ();
  return self;
}

void
fz_grants_free (FzGrants *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_ip);
  g_hash_table_unref (self->by_client);
  g_ptr_array_unref (self->by_handle);
  g_array_unref (self->free_handles);
  fz_heap_free (self->deadlines);
  g_free (self);
}

size_t
fz_grants_get_n_grantees (const FzGrants *self)
{
  return g_hash_table_size (self->by_client);
}

FzGrantee *
fz_grants_find (const FzGrants *self, const FzUuid *client_id)
{
  return g_hash_table_lookup (self->by_client, client_id);
}

FzGrantee *
fz_grants_find_by_ip (const FzGrants *self, const FzIp *ip)
{
  return g_hash_table_lookup (self->by_ip, ip);
}

const FzHeldGrant *
fz_grants_find_grant (const FzGrantee *grantee, const FzUuid *resource_id)
{
  return g_hash_table_lookup (grantee->grants, resource_id);
}

void
fz_grants_iter_init (const FzGrants *self, GHashTableIter *iter)
{
  g_hash_table_iter_init (iter, self->by_client);
}

/* -- clients -- */

static void
update_deadline (FzGrants *self, FzGrantee *grantee)
{
  FzInstant next = FZ_INSTANT_NEVER;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, grantee->grants);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    next = fz_instant_min (next, ((const FzHeldGrant *) value)->expires_at);
  fz_heap_set (self->deadlines, grantee->handle, next);
}

static uint32_t
take_handle (FzGrants *self, FzGrantee *grantee)
{
  guint n_free = self->free_handles->len;
  uint32_t handle;

  if (n_free == 0) {
    g_ptr_array_add (self->by_handle, grantee);
    return self->by_handle->len - 1;
  }
  handle = g_array_index (self->free_handles, uint32_t, n_free - 1);
  g_array_set_size (self->free_handles, n_free - 1);
  self->by_handle->pdata[handle] = grantee;
  return handle;
}

/* The address is @grantee's from now on; whoever had it has none of that family. */
static void
claim (FzGrants *self, FzGrantee *grantee, FzIp *slot, const FzIp *ip)
{
  FzGrantee *before = g_hash_table_lookup (self->by_ip, ip);

  if (before != NULL) {
    g_hash_table_remove (self->by_ip, ip);
    if (fz_ip_equal (&before->ipv4, ip))
      before->ipv4 = (FzIp){ 0 };
    else
      before->ipv6 = (FzIp){ 0 };
  }
  *slot = *ip;
  g_hash_table_insert (self->by_ip, slot, grantee);
}

static void
release (FzGrants *self, FzGrantee *grantee, const FzIp *ip)
{
  if (ip->family != FZ_IP_NONE && g_hash_table_lookup (self->by_ip, ip) == grantee)
    g_hash_table_remove (self->by_ip, ip);
}

void
fz_grants_remove (FzGrants *self, const FzUuid *client_id)
{
  FzGrantee *grantee = fz_grants_find (self, client_id);

  if (grantee == NULL)
    return;
  release (self, grantee, &grantee->ipv4);
  release (self, grantee, &grantee->ipv6);
  fz_heap_remove (self->deadlines, grantee->handle);
  self->by_handle->pdata[grantee->handle] = NULL;
  g_array_append_val (self->free_handles, grantee->handle);
  g_hash_table_remove (self->by_client, client_id);
}

FzGrantee *
fz_grants_put (FzGrants *self, const FzUuid *client_id, const FzIp *ipv4, const FzIp *ipv6)
{
  FzGrantee *grantee = fz_grants_find (self, client_id);
  bool is_connected = grantee != NULL && grantee->is_connected;

  if (grantee != NULL && fz_ip_equal (&grantee->ipv4, ipv4) && fz_ip_equal (&grantee->ipv6, ipv6))
    return grantee;
  fz_grants_remove (self, client_id);

  grantee = g_new0 (FzGrantee, 1);
  grantee->id = *client_id;
  grantee->is_connected = is_connected;
  grantee->grants = fz_uuid_table_new (free_grant);
  grantee->handle = take_handle (self, grantee);
  g_hash_table_insert (self->by_client, &grantee->id, grantee);
  claim (self, grantee, &grantee->ipv4, ipv4);
  claim (self, grantee, &grantee->ipv6, ipv6);
  return grantee;
}

/* -- grants -- */

/* What the portal may change of a grant that stands: all but its address. */
static void
describe_anew (FzHeldGrant *grant, const FzResource *resource)
{
  FzResource next = *grant->resource;
  FzResource *copy;

  next.name = resource->name;
  next.description = resource->description;
  next.filters = resource->filters;
  next.n_filters = resource->n_filters;
  copy = fz_resource_dup (&next);
  fz_resource_free (grant->resource);
  grant->resource = copy;
}

bool
fz_grants_grant (FzGrants *self,
                 FzGrantee *grantee,
                 const FzResource *resource,
                 FzInstant expires_at)
{
  FzHeldGrant *grant = g_hash_table_lookup (grantee->grants, &resource->id);

  if (grant != NULL) {
    if (grant->resource->kind == resource->kind)
      describe_anew (grant, resource);
  } else {
    if (g_hash_table_size (grantee->grants) >= FZ_RESOURCES_MAX)
      return false;
    grant = g_new0 (FzHeldGrant, 1);
    grant->resource_id = resource->id;
    grant->resource = fz_resource_dup (resource);
    g_hash_table_insert (grantee->grants, &grant->resource_id, grant);
  }
  grant->expires_at = expires_at;
  update_deadline (self, grantee);
  return true;
}

bool
fz_grants_set_expiry (FzGrants *self,
                      FzGrantee *grantee,
                      const FzUuid *resource_id,
                      FzInstant expires_at)
{
  FzHeldGrant *grant = g_hash_table_lookup (grantee->grants, resource_id);

  if (grant == NULL)
    return false;
  grant->expires_at = expires_at;
  update_deadline (self, grantee);
  return true;
}

bool
fz_grants_revoke (FzGrants *self, FzGrantee *grantee, const FzUuid *resource_id)
{
  bool is_known = g_hash_table_remove (grantee->grants, resource_id);

  update_deadline (self, grantee);
  return is_known;
}

static gboolean
is_not_kept (gpointer key, gpointer value, gpointer user_data)
{
  GHashTable *keep = user_data;

  return keep == NULL || !g_hash_table_contains (keep, key);
}

bool
fz_grants_retain (FzGrants *self, FzGrantee *grantee, GHashTable *keep)
{
  bool is_changed = g_hash_table_foreach_remove (grantee->grants, is_not_kept, keep) > 0;

  update_deadline (self, grantee);
  return is_changed;
}

bool
fz_grants_update (FzGrantee *grantee, const FzResource *resource)
{
  FzHeldGrant *grant = g_hash_table_lookup (grantee->grants, &resource->id);

  if (grant == NULL || grant->resource->kind != resource->kind)
    return false;
  describe_anew (grant, resource);
  return true;
}

static gboolean
is_expired (gpointer key, gpointer value, gpointer user_data)
{
  const FzHeldGrant *grant = value;
  const FzInstant *now = user_data;

  return grant->expires_at <= *now;
}

FzGrantee *
fz_grants_pop_expired (FzGrants *self, FzInstant now)
{
  FzGrantee *grantee;
  uint32_t handle;

  if (!fz_heap_pop_due (self->deadlines, now, &handle))
    return NULL;
  grantee = self->by_handle->pdata[handle];
  g_hash_table_foreach_remove (grantee->grants, is_expired, &now);
  update_deadline (self, grantee);
  return grantee;
}

FzInstant
fz_grants_next_timeout (const FzGrants *self)
{
  return fz_heap_next (self->deadlines);
}

bool
fz_grants_has_internet (const FzGrantee *grantee)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, grantee->grants);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((const FzHeldGrant *) value)->resource->kind == FZ_RESOURCE_INTERNET)
      return true;
  return false;
}

FzPolicy *
fz_grants_make_permissions (const FzGrantee *grantee)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));
  const FzIpNetwork *private_networks;
  GHashTableIter iter;
  gpointer value;
  size_t n;

  g_hash_table_iter_init (&iter, grantee->grants);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const FzResource *resource = ((const FzHeldGrant *) value)->resource;

    fz_resource_routes_append (entries, resource, NULL);
    if (resource->kind == FZ_RESOURCE_DNS && grantee->translations != NULL)
      fz_translations_append_entries (grantee->translations, resource, entries);
  }
  if (fz_grants_has_internet (grantee)) { /* there is nothing else to keep out of them */
    private_networks = fz_address_plan_get_private (&n);
    fz_resource_routes_append_holes (entries, private_networks, n);
  }
  return fz_policy_new ((const FzPolicyEntry *) entries->data, entries->len);
}
