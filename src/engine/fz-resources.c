/* fz-resources.c: see the header */

#include "src/engine/fz-resources.h"

#include "src/engine/fz-resource.h"
#include "src/engine/fz-uuid-table.h"

#include <string.h>

typedef struct {
  FzUuid id;
  FzResourceStatus status; /* a site in the table is online or offline, never unknown */
  FzInstant offline_until;
} Site;

struct FzResources {
  GPtrArray *list; /* of FzResource, owned, in the order of arrival */
  GHashTable *by_id;
  GHashTable *sites; /* of Site */
  GArray *view;      /* of FzResourceView; built on demand */
  bool is_view_valid;
  bool may_differ; /* since the last fz_resources_poll_changed */
  char *polled;    /* what the view was at the last fz_resources_poll_changed, as text */
};

static void
free_resource (void *resource)
{
  fz_resource_free (resource);
}

FzResources *
fz_resources_new (void)
{
  FzResources *self = g_new0 (FzResources, 1);

  self->list = g_ptr_array_new_with_free_func (free_resource);
  self->by_id = fz_uuid_table_new (NULL);
  self->sites = fz_uuid_table_new (g_free);
  self->view = g_array_new (FALSE, FALSE, sizeof (FzResourceView));
  self->polled = g_strdup ("");
  return self;
}

void
fz_resources_free (FzResources *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_id);
  g_ptr_array_unref (self->list);
  g_hash_table_unref (self->sites);
  g_array_unref (self->view);
  g_free (self->polled);
  g_free (self);
}

static void
note_change (FzResources *self)
{
  self->is_view_valid = false;
  self->may_differ = true;
}

size_t
fz_resources_get_count (const FzResources *self)
{
  return self->list->len;
}

const FzResource *
fz_resources_find (const FzResources *self, const FzUuid *id)
{
  return g_hash_table_lookup (self->by_id, id);
}

const FzResource *
fz_resources_get (const FzResources *self, size_t index)
{
  return self->list->pdata[index];
}

void
fz_resources_put (FzResources *self, const FzResource *resource)
{
  FzResource *copy = fz_resource_dup (resource);
  FzResource *old = g_hash_table_lookup (self->by_id, &resource->id);
  guint at;

  note_change (self);
  if (old != NULL && g_ptr_array_find (self->list, old, &at)) {
    g_hash_table_remove (self->by_id, &old->id);
    self->list->pdata[at] = copy;
    fz_resource_free (old);
  } else {
    g_ptr_array_add (self->list, copy);
  }
  g_hash_table_insert (self->by_id, &copy->id, copy);
}

bool
fz_resources_remove (FzResources *self, const FzUuid *id)
{
  FzResource *resource = g_hash_table_lookup (self->by_id, id);

  if (resource == NULL)
    return false;
  note_change (self);
  g_hash_table_remove (self->by_id, id);
  g_ptr_array_remove (self->list, resource);
  return true;
}

/* -- sites -- */

void
fz_resources_set_site_status (FzResources *self,
                              const FzUuid *site_id,
                              FzResourceStatus status,
                              FzInstant now)
{
  Site *site = g_hash_table_lookup (self->sites, site_id);

  note_change (self);
  if (status == FZ_RESOURCE_STATUS_UNKNOWN) {
    g_hash_table_remove (self->sites, site_id);
    return;
  }
  if (site == NULL) {
    site = g_new0 (Site, 1);
    site->id = *site_id;
    g_hash_table_insert (self->sites, &site->id, site);
  }
  site->status = status;
  site->offline_until = status == FZ_RESOURCE_STATUS_OFFLINE
                            ? fz_instant_add (now, FZ_SITE_OFFLINE_S * FZ_S)
                            : FZ_INSTANT_NEVER;
}

FzResourceStatus
fz_resources_get_status (const FzResources *self, const FzResource *resource)
{
  size_t n_offline = 0;

  for (size_t i = 0; i < resource->n_sites; i++) {
    const Site *site = g_hash_table_lookup (self->sites, &resource->sites[i].id);

    if (site != NULL && site->status == FZ_RESOURCE_STATUS_ONLINE)
      return FZ_RESOURCE_STATUS_ONLINE;
    n_offline += site != NULL;
  }
  return resource->n_sites > 0 && n_offline == resource->n_sites ? FZ_RESOURCE_STATUS_OFFLINE
                                                                 : FZ_RESOURCE_STATUS_UNKNOWN;
}

static gboolean
is_over (gpointer key, gpointer value, gpointer user_data)
{
  const Site *site = value;
  const FzInstant *now = user_data;

  return site->offline_until <= *now;
}

void
fz_resources_handle_timeout (FzResources *self, FzInstant now)
{
  if (g_hash_table_foreach_remove (self->sites, is_over, &now) > 0)
    note_change (self);
}

FzInstant
fz_resources_next_timeout (const FzResources *self)
{
  FzInstant next = FZ_INSTANT_NEVER;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->sites);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    next = fz_instant_min (next, ((const Site *) value)->offline_until);
  return next;
}

/* -- view -- */

static gint
compare_views (gconstpointer a, gconstpointer b)
{
  const FzResource *resource_a = ((const FzResourceView *) a)->resource;
  const FzResource *resource_b = ((const FzResourceView *) b)->resource;
  bool is_internet_a = resource_a->kind == FZ_RESOURCE_INTERNET;
  bool is_internet_b = resource_b->kind == FZ_RESOURCE_INTERNET;
  int order;

  if (is_internet_a != is_internet_b)
    return is_internet_a ? -1 : 1;
  order = strcmp (resource_a->name, resource_b->name);
  return order != 0 ? order : fz_uuid_compare (&resource_a->id, &resource_b->id);
}

size_t
fz_resources_get_view (FzResources *self, const FzResourceView **out)
{
  if (!self->is_view_valid) {
    g_array_set_size (self->view, 0);
    for (guint i = 0; i < self->list->len; i++) {
      const FzResource *resource = self->list->pdata[i];
      FzResourceView view = { .resource = resource,
                              .status = fz_resources_get_status (self, resource) };

      g_array_append_val (self->view, view);
    }
    g_array_sort (self->view, compare_views);
    self->is_view_valid = true;
  }
  *out = (const FzResourceView *) self->view->data;
  return self->view->len;
}

static void
append_text (GString *out, const char *text)
{
  g_string_append_printf (out, "%zu:%s", text != NULL ? strlen (text) + 1 : 0, text ? text : "");
}

static void
append_view (GString *out, const FzResourceView *view)
{
  const FzResource *resource = view->resource;
  char text[FZ_IP_NETWORK_TEXT_MAX > FZ_UUID_TEXT_MAX ? FZ_IP_NETWORK_TEXT_MAX : FZ_UUID_TEXT_MAX];

  append_text (out, fz_uuid_format (&resource->id, text));
  append_text (out, resource->name);
  append_text (out, resource->description);
  append_text (out, resource->pattern);
  if (resource->kind == FZ_RESOURCE_CIDR)
    append_text (out, fz_ip_network_format (&resource->network, text));
  for (size_t i = 0; i < resource->n_sites; i++) {
    append_text (out, fz_uuid_format (&resource->sites[i].id, text));
    append_text (out, resource->sites[i].name);
  }
  for (size_t i = 0; i < resource->n_filters; i++)
    g_string_append_printf (out,
                            "%u-%u-%u,",
                            resource->filters[i].kind,
                            resource->filters[i].port_first,
                            resource->filters[i].port_last);
  g_string_append_printf (out, "%d/%d\n", (int) resource->kind, (int) view->status);
}

bool
fz_resources_poll_changed (FzResources *self)
{
  g_autoptr (GString) text = NULL;
  const FzResourceView *view;
  size_t n;

  if (!self->may_differ)
    return false;
  self->may_differ = false;

  text = g_string_new (NULL);
  n = fz_resources_get_view (self, &view);
  for (size_t i = 0; i < n; i++)
    append_view (text, &view[i]);
  if (strcmp (text->str, self->polled) == 0)
    return false;
  g_free (self->polled);
  self->polled = g_string_free (g_steal_pointer (&text), FALSE);
  return true;
}
