/* fz-linux-link-scope.c
 *
 * With the Internet Resource on, the local network (printer, router) must stay
 * reachable: the main table's on-link routes are copied into a table that is
 * looked at before the tunnel's default route. Upstream copies IPv4's, which
 * carry the scope "link", and only adds; we copy IPv6's as well (on the link is
 * what has no gateway) and take out what is stale.
 */

#include "platform/linux/fz-linux-route-table.h"

#include <errno.h>
#include <linux/rtnetlink.h>

static bool
is_on_link (const FzLinuxRoute *route)
{
  if (route->type != RTN_UNICAST || route->out_index == 0 || route->network.prefix_length == 0)
    return false;
  if (route->network.ip.family == FZ_IP_V4)
    return route->scope == RT_SCOPE_LINK;
  return route->gateway.family == FZ_IP_NONE && !fz_ip_is_link_local (&route->network.ip) &&
         !fz_ip_is_multicast (&route->network.ip);
}

/* The same but for the table. */
static bool
is_same (const FzLinuxRoute *a, const FzLinuxRoute *b)
{
  return fz_ip_network_equal (&a->network, &b->network) && a->out_index == b->out_index &&
         a->priority == b->priority && fz_ip_equal (&a->source, &b->source);
}

static bool
contains (const GArray *routes, const FzLinuxRoute *route)
{
  for (guint i = 0; i < routes->len; i++)
    if (is_same (&g_array_index (routes, FzLinuxRoute, i), route))
      return true;
  return false;
}

/* Leaves in @routes what is to be copied, as it will stand in our table. */
static void
keep_on_link (GArray *routes, GHashTable *links)
{
  guint n_kept = 0;

  for (guint i = 0; i < routes->len; i++) {
    FzLinuxRoute route = g_array_index (routes, FzLinuxRoute, i);

    if (!is_on_link (&route) || !g_hash_table_contains (links, GUINT_TO_POINTER (route.out_index)))
      continue;
    route.table = FZ_TABLE_LINK_SCOPE;
    route.protocol = RTPROT_STATIC;
    if (route.network.ip.family == FZ_IP_V6)
      route.source = (FzIp){ 0 };
    g_array_index (routes, FzLinuxRoute, n_kept++) = route;
  }
  g_array_set_size (routes, n_kept);
}

static int
sync_family (FzLinux *self, FzIpFamily family, GHashTable *links)
{
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (FzLinuxRoute));
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (FzLinuxRoute));
  int result = fz_linux_list_routes (self, family, RT_TABLE_MAIN, wanted);

  if (result == 0)
    result = fz_linux_list_routes (self, family, FZ_TABLE_LINK_SCOPE, found);
  if (result != 0)
    return result;
  keep_on_link (wanted, links);

  for (guint i = 0; i < found->len; i++)
    if (!contains (wanted, &g_array_index (found, FzLinuxRoute, i)))
      fz_linux_delete_route (self, &g_array_index (found, FzLinuxRoute, i));
  for (guint i = 0; i < wanted->len; i++) {
    const FzLinuxRoute *route = &g_array_index (wanted, FzLinuxRoute, i);

    if (contains (found, route))
      continue;
    result = fz_linux_add_route (self, route);
    /* The link may have gone since we looked; its event brings us here again. */
    if (result != 0 && result != -EEXIST && result != -ENETDOWN && result != -ENODEV &&
        result != -EINVAL && !fz_linux_is_family_missing (-result))
      return result;
  }
  return 0;
}

bool
fz_linux_sync_link_scope (FzLinux *self, GError **error)
{
  g_autoptr (GHashTable) links = g_hash_table_new (NULL, NULL);
  int result = fz_linux_list_links (self, links);

  for (size_t i = 0; i < G_N_ELEMENTS (fz_linux_families) && result == 0; i++)
    result = sync_family (self, fz_linux_families[i], links);
  if (result == 0)
    return true;
  fz_linux_set_error (error, -result, "copying on-link routes to table 0x%x", FZ_TABLE_LINK_SCOPE);
  return false;
}
