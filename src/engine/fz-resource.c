/* fz-resource.c: see the header */

#include "src/engine/fz-resource.h"

#include "src/engine/fz-engine.h"
#include "src/engine/fz-limits.h"

#include <string.h>

/* -- checks -- */

static bool
check_text (const char *text, const char *what, GError **error)
{
  if (text == NULL || strnlen (text, FZ_TEXT_MAX + 1) <= FZ_TEXT_MAX)
    return true;
  g_set_error (error,
               FZ_ENGINE_ERROR,
               FZ_ENGINE_ERROR_TOO_MANY,
               "%s is longer than %u bytes",
               what,
               FZ_TEXT_MAX);
  return false;
}

static bool
check_count (size_t n, size_t max, const char *what, GError **error)
{
  if (n <= max)
    return true;
  g_set_error (error,
               FZ_ENGINE_ERROR,
               FZ_ENGINE_ERROR_TOO_MANY,
               "%zu %s, at most %zu are allowed",
               n,
               what,
               max);
  return false;
}

static bool
refuse (GError **error, const char *what)
{
  g_set_error_literal (error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, what);
  return false;
}

static bool
is_network (const FzIpNetwork *network)
{
  FzIp masked = fz_ip_masked (&network->ip, network->prefix_length);

  return fz_ip_size (&network->ip) > 0 && network->prefix_length <= 8 * fz_ip_size (&network->ip) &&
         fz_ip_equal (&masked, &network->ip);
}

bool
fz_resource_check (const FzResource *resource, GError **error)
{
  if (!check_text (resource->name, "name", error) ||
      !check_text (resource->description, "description", error) ||
      !check_text (resource->pattern, "pattern", error) ||
      !check_count (resource->n_filters, FZ_FILTERS_MAX, "filters", error) ||
      !check_count (resource->n_sites, FZ_SITES_MAX, "sites", error))
    return false;

  for (size_t i = 0; i < resource->n_sites; i++)
    if (!check_text (resource->sites[i].name, "site name", error))
      return false;
  for (size_t i = 0; i < resource->n_filters; i++)
    if (resource->filters[i].kind > FZ_FILTER_ICMP ||
        resource->filters[i].port_first > resource->filters[i].port_last)
      return refuse (error, "filter is malformed");

  switch (resource->kind) {
  case FZ_RESOURCE_CIDR:
    return is_network (&resource->network) || refuse (error, "resource has no network");
  case FZ_RESOURCE_DNS:
    return resource->pattern != NULL || refuse (error, "resource has no pattern");
  case FZ_RESOURCE_INTERNET:
    return true;
  }
  return refuse (error, "resource is of no known kind");
}

bool
fz_interface_check (const FzInterface *interface, GError **error)
{
  if (interface->ipv4.family != FZ_IP_V4 || interface->ipv6.family != FZ_IP_V6)
    return refuse (error, "interface lacks an address");
  if (!check_count (interface->n_upstream_do53, FZ_UPSTREAM_DNS_MAX, "resolvers", error) ||
      !check_count (interface->n_upstream_doh, FZ_UPSTREAM_DNS_MAX, "DoH resolvers", error) ||
      !check_text (interface->search_domain, "search domain", error))
    return false;
  for (size_t i = 0; i < interface->n_upstream_doh; i++)
    if (!check_text (interface->upstream_doh[i], "DoH URL", error))
      return false;
  return true;
}

/* -- resource -- */

FzResource *
fz_resource_dup (const FzResource *resource)
{
  FzResource *copy = g_new (FzResource, 1);
  FzSite *sites = g_new0 (FzSite, resource->n_sites);

  *copy = *resource;
  for (size_t i = 0; i < resource->n_sites; i++)
    sites[i] = (FzSite){ resource->sites[i].id, g_strdup (resource->sites[i].name) };
  copy->sites = sites;
  copy->name = g_strdup (resource->name != NULL ? resource->name : "");
  copy->description = g_strdup (resource->description);
  copy->pattern = g_strdup (resource->pattern);
  copy->filters = g_memdup2 (resource->filters, resource->n_filters * sizeof *resource->filters);
  return copy;
}

void
fz_resource_free (FzResource *resource)
{
  if (resource == NULL)
    return;
  for (size_t i = 0; i < resource->n_sites; i++)
    g_free ((char *) resource->sites[i].name);
  g_free ((FzSite *) resource->sites);
  g_free ((FzFilter *) resource->filters);
  g_free ((char *) resource->name);
  g_free ((char *) resource->description);
  g_free ((char *) resource->pattern);
  g_free (resource);
}

bool
fz_resource_has_site (const FzResource *resource, const FzUuid *site_id)
{
  for (size_t i = 0; i < resource->n_sites; i++)
    if (fz_uuid_equal (&resource->sites[i].id, site_id))
      return true;
  return false;
}

static bool
has_all_sites_of (const FzResource *a, const FzResource *b)
{
  for (size_t i = 0; i < b->n_sites; i++)
    if (!fz_resource_has_site (a, &b->sites[i].id))
      return false;
  return true;
}

static bool
has_same_address (const FzResource *a, const FzResource *b)
{
  if (a->kind != b->kind)
    return false;
  switch (a->kind) {
  case FZ_RESOURCE_CIDR:
    return fz_ip_network_equal (&a->network, &b->network);
  case FZ_RESOURCE_DNS:
    return a->ip_stack == b->ip_stack && g_strcmp0 (a->pattern, b->pattern) == 0;
  case FZ_RESOURCE_INTERNET:
    return true;
  }
  return false;
}

bool
fz_resource_has_same_access (const FzResource *a, const FzResource *b)
{
  return has_same_address (a, b) && has_all_sites_of (a, b) && has_all_sites_of (b, a) &&
         fz_filters_equal (a->filters, a->n_filters, b->filters, b->n_filters);
}

/* -- interface -- */

FzInterface *
fz_interface_dup (const FzInterface *interface)
{
  FzInterface *copy = g_new (FzInterface, 1);
  const char **urls = g_new0 (const char *, interface->n_upstream_doh);

  *copy = *interface;
  for (size_t i = 0; i < interface->n_upstream_doh; i++)
    urls[i] = g_strdup (interface->upstream_doh[i]);
  copy->upstream_doh = urls;
  copy->upstream_do53 =
      g_memdup2 (interface->upstream_do53, interface->n_upstream_do53 * sizeof (FzIp));
  copy->search_domain = g_strdup (interface->search_domain);
  return copy;
}

void
fz_interface_free (FzInterface *interface)
{
  if (interface == NULL)
    return;
  for (size_t i = 0; i < interface->n_upstream_doh; i++)
    g_free ((char *) interface->upstream_doh[i]);
  g_free ((char **) interface->upstream_doh);
  g_free ((FzIp *) interface->upstream_do53);
  g_free ((char *) interface->search_domain);
  g_free (interface);
}

bool
fz_interface_equal (const FzInterface *a, const FzInterface *b)
{
  if (!fz_ip_equal (&a->ipv4, &b->ipv4) || !fz_ip_equal (&a->ipv6, &b->ipv6) ||
      a->n_upstream_do53 != b->n_upstream_do53 || a->n_upstream_doh != b->n_upstream_doh ||
      g_strcmp0 (a->search_domain, b->search_domain) != 0)
    return false;
  for (size_t i = 0; i < a->n_upstream_do53; i++)
    if (!fz_ip_equal (&a->upstream_do53[i], &b->upstream_do53[i]))
      return false;
  for (size_t i = 0; i < a->n_upstream_doh; i++)
    if (g_strcmp0 (a->upstream_doh[i], b->upstream_doh[i]) != 0)
      return false;
  return true;
}
