/* fz-linux-route-table.c: see the header */

#include "platform/linux/fz-linux-route-table.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>

const FzIpFamily fz_linux_families[2] = { FZ_IP_V4, FZ_IP_V6 };

typedef struct {
  uint8_t family; /* AF_… */
  uint32_t table;
  GArray *routes;
} Listing;

static void
forget_found (void *user_data)
{
  g_array_set_size (((Listing *) user_data)->routes, 0);
}

static FzIp
read_ip (const struct nlattr *attribute)
{
  if (attribute != NULL && nla_len (attribute) == 4)
    return fz_ip_v4 (nla_data (attribute));
  if (attribute != NULL && nla_len (attribute) == 16)
    return fz_ip_v6 (nla_data (attribute));
  return (FzIp){ 0 };
}

static uint32_t
read_u32 (const struct nlattr *attribute, uint32_t otherwise)
{
  return attribute != NULL && nla_len (attribute) >= 4 ? nla_get_u32 (attribute) : otherwise;
}

static void
collect (const struct nlmsghdr *header, void *user_data)
{
  Listing *listing = user_data;
  const struct rtmsg *info = NLMSG_DATA (header);
  struct nlattr *attributes[RTA_MAX + 1];
  FzLinuxRoute route;

  /* a kernel without IPv6 answers a question for it with IPv4's routes */
  if (header->nlmsg_type != RTM_NEWROUTE || info->rtm_family != listing->family ||
      (info->rtm_flags & RTM_F_CLONED) != 0 ||
      nlmsg_parse ((struct nlmsghdr *) header, sizeof *info, attributes, RTA_MAX, NULL) != 0)
    return;
  route = (FzLinuxRoute){
    .network = { read_ip (attributes[RTA_DST]), info->rtm_dst_len },
    .table = read_u32 (attributes[RTA_TABLE], info->rtm_table),
    .out_index = read_u32 (attributes[RTA_OIF], 0),
    .priority = read_u32 (attributes[RTA_PRIORITY], 0),
    .source = read_ip (attributes[RTA_PREFSRC]),
    .gateway = read_ip (attributes[RTA_GATEWAY]),
    .protocol = info->rtm_protocol,
    .scope = info->rtm_scope,
    .type = info->rtm_type,
  };
  route.network.ip.family = info->rtm_family == AF_INET ? FZ_IP_V4 : FZ_IP_V6; /* 0.0.0.0/0 */
  if (attributes[RTA_VIA] != NULL) /* a gateway of the other family */
    route.gateway.family = FZ_IP_V6;
  if (route.table == listing->table)
    g_array_append_val (listing->routes, route);
}

int
fz_linux_list_routes (FzLinux *self, FzIpFamily family, uint32_t table, GArray *routes)
{
  Listing listing = { family == FZ_IP_V4 ? AF_INET : AF_INET6, table, routes };
  const struct rtmsg header = {
    .rtm_family = listing.family,
    .rtm_table = table < 256 ? (uint8_t) table : RT_TABLE_UNSPEC,
  };
  struct nl_msg *message = fz_netlink_message_new (RTM_GETROUTE, 0, &header, sizeof header);
  int result;

  g_array_set_size (routes, 0);
  fz_netlink_put_u32 (message, RTA_TABLE, table);
  result = fz_netlink_dump (&self->route, message, collect, forget_found, &listing);
  if (result == -ENOENT || fz_linux_is_family_missing (-result))
    return 0;
  return result;
}

static int
change_route (FzLinux *self, int type, int flags, const FzLinuxRoute *route)
{
  const size_t size = fz_ip_size (&route->network.ip);
  const struct rtmsg header = {
    .rtm_family = fz_linux_address_family (&route->network.ip),
    .rtm_dst_len = route->network.prefix_length,
    .rtm_table = RT_TABLE_UNSPEC, /* the attribute says it */
    .rtm_protocol = route->protocol,
    .rtm_scope = route->scope,
    .rtm_type = route->type,
  };
  struct nl_msg *message = fz_netlink_message_new (type, flags, &header, sizeof header);

  fz_netlink_put (message, RTA_DST, route->network.ip.bytes, size);
  fz_netlink_put_u32 (message, RTA_TABLE, route->table);
  if (route->out_index != 0)
    fz_netlink_put_u32 (message, RTA_OIF, route->out_index);
  if (route->priority != 0)
    fz_netlink_put_u32 (message, RTA_PRIORITY, route->priority);
  if (route->source.family != FZ_IP_NONE)
    fz_netlink_put (message, RTA_PREFSRC, route->source.bytes, size);
  return fz_netlink_request (&self->route, message);
}

int
fz_linux_add_route (FzLinux *self, const FzLinuxRoute *route)
{
  return change_route (self, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
}

int
fz_linux_delete_route (FzLinux *self, const FzLinuxRoute *route)
{
  return change_route (self, RTM_DELROUTE, 0, route);
}

static void
forget_links (void *user_data)
{
  g_hash_table_remove_all (user_data);
}

static void
collect_link (const struct nlmsghdr *header, void *user_data)
{
  const struct ifinfomsg *info = NLMSG_DATA (header);
  struct nlattr *attributes[IFLA_MAX + 1];

  if (header->nlmsg_type != RTM_NEWLINK ||
      nlmsg_parse ((struct nlmsghdr *) header, sizeof *info, attributes, IFLA_MAX, NULL) != 0)
    return;
  if (attributes[IFLA_OPERSTATE] != NULL && nla_get_u8 (attributes[IFLA_OPERSTATE]) == IF_OPER_UP)
    g_hash_table_add (user_data, GINT_TO_POINTER (info->ifi_index));
}

int
fz_linux_list_links (FzLinux *self, GHashTable *links)
{
  const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
  int result = fz_netlink_dump (&self->route,
                                fz_netlink_message_new (RTM_GETLINK, 0, &header, sizeof header),
                                collect_link,
                                forget_links,
                                links);

  for (guint i = 0; i < self->base.tuns->len; i++) {
    const FzLinuxTun *tun = g_ptr_array_index (self->base.tuns, i);

    g_hash_table_remove (links, GUINT_TO_POINTER (tun->index));
  }
  return result;
}
