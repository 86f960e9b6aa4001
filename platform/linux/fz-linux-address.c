/* fz-linux-address.c
 *
 * The device's addresses, /32 and /128, and bringing it up. Addresses that are
 * there and wanted stay, so that connections over them live through a repeat.
 */

#include "platform/linux/fz-linux-private.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

typedef struct {
  uint32_t index;
  GArray *found; /* FzIpNetwork; "network" with its host bits, as on the interface */
} Listing;

static void
forget_found (void *user_data)
{
  g_array_set_size (((Listing *) user_data)->found, 0);
}

static void
collect (const struct nlmsghdr *header, void *user_data)
{
  Listing *listing = user_data;
  const struct ifaddrmsg *info = NLMSG_DATA (header);
  struct nlattr *attributes[IFA_MAX + 1];
  const struct nlattr *address;
  FzIpNetwork found = { .prefix_length = info->ifa_prefixlen };

  if (header->nlmsg_type != RTM_NEWADDR || info->ifa_index != listing->index ||
      nlmsg_parse ((struct nlmsghdr *) header, sizeof *info, attributes, IFA_MAX, NULL) != 0)
    return;
  address = attributes[IFA_LOCAL] != NULL ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (address == NULL)
    return;
  if (info->ifa_family == AF_INET && nla_len (address) == 4)
    found.ip = fz_ip_v4 (nla_data (address));
  else if (info->ifa_family == AF_INET6 && nla_len (address) == 16)
    found.ip = fz_ip_v6 (nla_data (address));
  else
    return;
  g_array_append_val (listing->found, found);
}

static int
change_address (FzLinux *self, int type, int flags, uint32_t index, const FzIpNetwork *address)
{
  const struct ifaddrmsg header = {
    .ifa_family = fz_linux_address_family (&address->ip),
    .ifa_prefixlen = address->prefix_length,
    .ifa_flags = IFA_F_NODAD, /* nobody else is on this link */
    .ifa_index = index,
  };
  struct nl_msg *message = fz_netlink_message_new (type, flags, &header, sizeof header);

  fz_netlink_put (message, IFA_LOCAL, address->ip.bytes, fz_ip_size (&address->ip));
  fz_netlink_put (message, IFA_ADDRESS, address->ip.bytes, fz_ip_size (&address->ip));
  return fz_netlink_request (&self->route, message);
}

static FzIpNetwork
host_network (const FzIp *ip)
{
  return (FzIpNetwork){ *ip, (uint8_t) (fz_ip_size (ip) * 8) };
}

static bool
is_wanted (const FzIpNetwork *found, const FzIp *wanted)
{
  FzIpNetwork network;

  if (wanted == NULL)
    return false;
  network = host_network (wanted);
  return fz_ip_network_equal (found, &network);
}

/* Removes what is not wanted. */
static bool
remove_others (FzLinux *self, FzLinuxTun *tun, const FzIp *ipv4, const FzIp *ipv6, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (FzIpNetwork));
  Listing listing = { tun->index, found };
  const struct ifaddrmsg header = { .ifa_family = AF_UNSPEC, .ifa_index = tun->index };
  int result;

  result = fz_netlink_dump (&self->route,
                            fz_netlink_message_new (RTM_GETADDR, 0, &header, sizeof header),
                            collect,
                            forget_found,
                            &listing);
  if (result != 0) {
    fz_linux_set_error (error, -result, "listing the addresses of %s", tun->base.name);
    return false;
  }
  for (guint i = 0; i < found->len; i++) {
    const FzIpNetwork *network = &g_array_index (found, FzIpNetwork, i);

    if (is_wanted (network, ipv4) || is_wanted (network, ipv6))
      continue;
    result = change_address (self, RTM_DELADDR, 0, tun->index, network);
    if (result != 0 && result != -EADDRNOTAVAIL) {
      char text[FZ_IP_TEXT_MAX];

      fz_linux_set_error (error,
                          -result,
                          "removing address %s from %s",
                          fz_ip_format (&network->ip, text),
                          tun->base.name);
      return false;
    }
  }
  return true;
}

/* True, with *@out_works false, where the family is not there. */
static bool
add_one (FzLinux *self, FzLinuxTun *tun, const FzIp *ip, bool *out_works, GError **error)
{
  FzIpNetwork network;
  char text[FZ_IP_TEXT_MAX];
  int result;

  *out_works = true;
  if (ip == NULL)
    return true;
  network = host_network (ip);
  result = change_address (self, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, tun->index, &network);
  if (result == 0 || result == -EEXIST)
    return true;
  if (fz_linux_is_family_missing (-result)) {
    *out_works = false;
    fz_linux_log_no_family (self, (FzIpFamily) ip->family);
    return true;
  }
  fz_linux_set_error (
      error, -result, "adding address %s to %s", fz_ip_format (ip, text), tun->base.name);
  return false;
}

static bool
bring_up (FzLinux *self, FzLinuxTun *tun, GError **error)
{
  const struct ifinfomsg header = {
    .ifi_family = AF_UNSPEC,
    .ifi_index = (int) tun->index,
    .ifi_flags = IFF_UP,
    .ifi_change = IFF_UP,
  };
  struct nl_msg *message = fz_netlink_message_new (RTM_NEWLINK, 0, &header, sizeof header);
  int result;

  fz_netlink_put_u32 (message, IFLA_MTU, FZ_TUN_MTU); /* someone may have changed it */
  result = fz_netlink_request (&self->route, message);
  if (result == 0)
    return true;
  fz_linux_set_error (error, -result, "bringing %s up", tun->base.name);
  return false;
}

bool
fz_linux_set_addresses (
    FzPlatform *platform, FzTun *base, const FzIp *ipv4, const FzIp *ipv6, GError **error)
{
  FzLinux *self = (FzLinux *) platform;
  FzLinuxTun *tun = (FzLinuxTun *) base;

  if (!remove_others (self, tun, ipv4, ipv6, error) ||
      !add_one (self, tun, ipv4, &tun->has_ipv4, error) ||
      !add_one (self, tun, ipv6, &tun->has_ipv6, error))
    return false;
  if ((ipv4 != NULL || ipv6 != NULL) && !(ipv4 != NULL && tun->has_ipv4) &&
      !(ipv6 != NULL && tun->has_ipv6)) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_UNSUPPORTED,
                 "interface %s takes no address: the kernel has that IP version switched off; "
                 "switch it on (net.ipv6.conf.all.disable_ipv6=0)",
                 base->name);
    return false;
  }
  return bring_up (self, tun, error);
}
