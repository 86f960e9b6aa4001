/* fz-linux-route.c
 *
 * The device's routes as a set: what is wanted is added, what is there and not
 * wanted goes. With rules (clients) the three tables are ours alone; without
 * (gateways, bare peers) the routes stand in the main table among the system's
 * own, and only those over our device count as ours.
 */

#include "platform/linux/fz-linux-route-table.h"

#include <errno.h>
#include <linux/rtnetlink.h>

static const uint32_t own_tables[] = { FZ_TABLE_RESOURCES, FZ_TABLE_LINK_SCOPE, FZ_TABLE_DEFAULT };

typedef struct {
  FzLinux *platform;
  FzLinuxTun *tun;
  const FzIpNetwork *routes;
  size_t n_routes;
  bool use_rules;
} Wanted;

static uint32_t
table_for (const Wanted *wanted, const FzIpNetwork *network)
{
  if (!wanted->use_rules)
    return RT_TABLE_MAIN;
  return network->prefix_length == 0 ? FZ_TABLE_DEFAULT : FZ_TABLE_RESOURCES;
}

static bool
set_route_error (GError **error,
                 int error_number,
                 const char *doing,
                 const FzIpNetwork *network,
                 const char *interface)
{
  char text[FZ_IP_NETWORK_TEXT_MAX];

  fz_linux_set_error (error,
                      error_number,
                      "%s route %s over %s",
                      doing,
                      fz_ip_network_format (network, text),
                      interface);
  return false;
}

static bool
is_wanted (const Wanted *wanted, const FzLinuxRoute *found)
{
  if (found->out_index != wanted->tun->index)
    return false;
  for (size_t i = 0; i < wanted->n_routes; i++)
    if (fz_ip_network_equal (&wanted->routes[i], &found->network) &&
        table_for (wanted, &wanted->routes[i]) == found->table)
      return true;
  return false;
}

static bool
is_ours (const Wanted *wanted, const FzLinuxRoute *found)
{
  if (wanted->use_rules)
    return true; /* the table is ours */
  return found->out_index == wanted->tun->index && found->protocol == RTPROT_STATIC;
}

static bool
remove_unwanted (const Wanted *wanted, FzIpFamily family, uint32_t table, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (FzLinuxRoute));
  int result = fz_linux_list_routes (wanted->platform, family, table, found);

  if (result != 0) {
    fz_linux_set_error (error, -result, "listing the routes of table 0x%x", table);
    return false;
  }
  for (guint i = 0; i < found->len; i++) {
    const FzLinuxRoute *route = &g_array_index (found, FzLinuxRoute, i);

    if (!is_ours (wanted, route) || is_wanted (wanted, route))
      continue;
    result = fz_linux_delete_route (wanted->platform, route);
    if (result != 0 && result != -ESRCH)
      return set_route_error (error, -result, "removing", &route->network, wanted->tun->base.name);
  }
  return true;
}

static bool
add_wanted (const Wanted *wanted, const FzIpNetwork *network, GError **error)
{
  bool *works = network->ip.family == FZ_IP_V4 ? &wanted->tun->has_ipv4 : &wanted->tun->has_ipv6;
  const FzLinuxRoute route = {
    .network = *network,
    .table = table_for (wanted, network),
    .out_index = wanted->tun->index,
    .protocol = RTPROT_STATIC,
    .scope = RT_SCOPE_UNIVERSE,
    .type = RTN_UNICAST,
  };
  int result;

  if (!*works)
    return true; /* logged when its address was refused */
  result = fz_linux_add_route (wanted->platform, &route);
  if (result == 0 || result == -EEXIST)
    return true;
  if (!fz_linux_is_family_missing (-result))
    return set_route_error (error, -result, "adding", network, wanted->tun->base.name);
  *works = false;
  fz_linux_log_no_family (wanted->platform, (FzIpFamily) network->ip.family);
  return true;
}

bool
fz_linux_set_routes (FzPlatform *platform,
                     FzTun *tun,
                     const FzIpNetwork *routes,
                     size_t n_routes,
                     bool use_rules,
                     GError **error)
{
  FzLinux *self = (FzLinux *) platform;
  const Wanted wanted = { self, (FzLinuxTun *) tun, routes, n_routes, use_rules };

  if (!use_rules && self->has_rules &&
      (!fz_linux_remove_rules (self, error) || !fz_linux_flush_tables (self, error)))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS (fz_linux_families); i++) {
    FzIpFamily family = fz_linux_families[i];

    if (!use_rules && !remove_unwanted (&wanted, family, RT_TABLE_MAIN, error))
      return false;
    if (use_rules && (!remove_unwanted (&wanted, family, FZ_TABLE_RESOURCES, error) ||
                      !remove_unwanted (&wanted, family, FZ_TABLE_DEFAULT, error)))
      return false;
  }
  for (size_t i = 0; i < n_routes; i++)
    if (!add_wanted (&wanted, &routes[i], error))
      return false;
  if (!use_rules)
    return true;
  /* last, so that no packet meets a rule whose table is half filled */
  return fz_linux_sync_link_scope (self, error) && fz_linux_add_rules (self, error) &&
         fz_linux_start_monitor (self, error);
}

bool
fz_linux_flush_tables (FzLinux *self, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (FzLinuxRoute));

  for (size_t i = 0; i < G_N_ELEMENTS (own_tables) * G_N_ELEMENTS (fz_linux_families); i++) {
    uint32_t table = own_tables[i / 2];
    int result = fz_linux_list_routes (self, fz_linux_families[i % 2], table, found);

    for (guint j = 0; j < found->len && result == 0; j++) {
      result = fz_linux_delete_route (self, &g_array_index (found, FzLinuxRoute, j));
      if (result == -ESRCH)
        result = 0;
    }
    if (result != 0) {
      fz_linux_set_error (error, -result, "emptying routing table 0x%x", table);
      return false;
    }
  }
  return true;
}
