/* fz-linux-monitor.c
 *
 * Network changes. The kernel's events say only that something happened; 500 ms
 * after the first of them what matters is listed anew (usable addresses on
 * interfaces that are up, default routes) and compared with what was there
 * before. So a renewed lease, a temporary address or a container's veth is no
 * change, and lost events cost nothing. The end of our own device is told at
 * once. Lives in the default main context.
 */

#include "platform/linux/fz-linux-route-table.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEBOUNCE_MS   500u
#define RECEIVE_BYTES 65536u
#define GROUPS                                                                                     \
  (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

/* Compared as bytes: no padding is left unset. */
typedef struct {
  uint32_t interface;
  uint32_t priority; /* of a route */
  uint8_t is_route;
  FzIp ip; /* the address, or the default route's gateway */
} Entry;

struct FzLinuxMonitor {
  FzLinux *platform; /* owns us */
  int fd;
  guint fd_source;
  guint timer;                   /* 0: nothing has happened since the last look */
  const FzTun *tun;              /* NULL: none, or told already */
  FzNetworkChangeFunc on_change; /* NULL: only the link-scope table is kept */
  gpointer user_data;
  GArray *links;  /* Entry, sorted: as it was at the last look */
  GArray *routes; /* likewise */
};

/* -- what matters -- */

typedef struct {
  GHashTable *links; /* interfaces that are up */
  GArray *found;
} Listing;

static void
forget_found (void *user_data)
{
  g_array_set_size (((Listing *) user_data)->found, 0);
}

static void
collect_address (const struct nlmsghdr *header, void *user_data)
{
  Listing *listing = user_data;
  const struct ifaddrmsg *info = NLMSG_DATA (header);
  struct nlattr *attributes[IFA_MAX + 1];
  const struct nlattr *address;
  uint32_t flags;
  Entry entry;

  if (header->nlmsg_type != RTM_NEWADDR || info->ifa_scope >= RT_SCOPE_LINK ||
      !g_hash_table_contains (listing->links, GUINT_TO_POINTER (info->ifa_index)) ||
      nlmsg_parse ((struct nlmsghdr *) header, sizeof *info, attributes, IFA_MAX, NULL) != 0)
    return;
  flags = attributes[IFA_FLAGS] != NULL ? nla_get_u32 (attributes[IFA_FLAGS]) : info->ifa_flags;
  address = attributes[IFA_LOCAL] != NULL ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (address == NULL || nla_len (address) > 16 ||
      (info->ifa_family == AF_INET6 &&
       (flags & (IFA_F_TEMPORARY | IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0))
    return;
  memset (&entry, 0, sizeof entry);
  entry.interface = info->ifa_index;
  entry.ip.family = info->ifa_family == AF_INET ? FZ_IP_V4 : FZ_IP_V6;
  memcpy (entry.ip.bytes, nla_data (address), (size_t) nla_len (address));
  g_array_append_val (listing->found, entry);
}

static int
list_addresses (FzLinux *self, GArray *found)
{
  g_autoptr (GHashTable) links = g_hash_table_new (NULL, NULL);
  Listing listing = { links, found };
  const struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };
  int result = fz_linux_list_links (self, links);

  if (result != 0)
    return result;
  return fz_netlink_dump (&self->route,
                          fz_netlink_message_new (RTM_GETADDR, 0, &header, sizeof header),
                          collect_address,
                          forget_found,
                          &listing);
}

static bool
is_own_device (FzLinux *self, uint32_t index)
{
  for (guint i = 0; i < self->base.tuns->len; i++)
    if (((const FzLinuxTun *) g_ptr_array_index (self->base.tuns, i))->index == index)
      return true;
  return false;
}

static int
list_default_routes (FzLinux *self, GArray *found)
{
  g_autoptr (GArray) routes = g_array_new (FALSE, FALSE, sizeof (FzLinuxRoute));
  int result = 0;

  for (size_t i = 0; i < 2 && result == 0; i++) {
    result = fz_linux_list_routes (self, fz_linux_families[i], RT_TABLE_MAIN, routes);
    for (guint j = 0; j < routes->len && result == 0; j++) {
      const FzLinuxRoute *route = &g_array_index (routes, FzLinuxRoute, j);
      Entry entry;

      if (route->network.prefix_length != 0 || is_own_device (self, route->out_index))
        continue;
      memset (&entry, 0, sizeof entry);
      entry.interface = route->out_index;
      entry.priority = route->priority;
      entry.is_route = 1;
      entry.ip.family = (uint8_t) fz_linux_families[i];
      memcpy (entry.ip.bytes, route->gateway.bytes, sizeof entry.ip.bytes);
      g_array_append_val (found, entry);
    }
  }
  return result;
}

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (Entry));
}

/* Replaces *@stored by @found and says whether that is another set; takes @found. */
static bool
replace (GArray **stored, GArray *found)
{
  bool is_other;

  g_array_sort (found, compare_entries);
  is_other =
      (*stored)->len != found->len ||
      (found->len > 0 && memcmp ((*stored)->data, found->data, found->len * sizeof (Entry)) != 0);
  g_array_unref (*stored);
  *stored = found;
  return is_other;
}

/* Looks again. A listing that fails is taken as a change: better one reset too many. */
static void
look (FzLinuxMonitor *self, bool *out_has_new_links, bool *out_has_new_routes)
{
  GArray *links = g_array_new (FALSE, FALSE, sizeof (Entry));
  GArray *routes = g_array_new (FALSE, FALSE, sizeof (Entry));
  int links_result = list_addresses (self->platform, links);
  int routes_result = list_default_routes (self->platform, routes);

  *out_has_new_links = replace (&self->links, links) || links_result != 0;
  *out_has_new_routes = replace (&self->routes, routes) || routes_result != 0;
}

/* -- events -- */

static void
sync_link_scope (FzLinux *self)
{
  g_autoptr (GError) error = NULL;

  if (self->has_rules && !fz_linux_sync_link_scope (self, &error))
    fz_log (&self->base.log,
            FZ_LOG_WARNING,
            "link-scope-sync",
            "on-link routes could not be copied: the local network may not be reachable while the "
            "Internet Resource is on",
            FZ_KV_TEXT ("reason", error->message));
}

static gboolean
on_timer (gpointer user_data)
{
  FzLinuxMonitor *self = user_data;
  bool has_new_links, has_new_routes;

  self->timer = 0;
  sync_link_scope (self->platform);
  look (self, &has_new_links, &has_new_routes);
  if (has_new_links && self->on_change != NULL)
    self->on_change (FZ_NETWORK_CHANGE_LINK, self->user_data);
  if (has_new_routes && self->on_change != NULL)
    self->on_change (FZ_NETWORK_CHANGE_ROUTE, self->user_data);
  return G_SOURCE_REMOVE;
}

static uint32_t
watched_index (const FzLinuxMonitor *self)
{
  return self->tun != NULL ? ((const FzLinuxTun *) self->tun)->index : 0;
}

/* Whether the messages in @buffer say that the watched device is gone. */
static bool
tells_of_the_end (const FzLinuxMonitor *self, void *buffer, int length)
{
  for (struct nlmsghdr *header = buffer; nlmsg_ok (header, length);
       header = nlmsg_next (header, &length)) {
    const struct ifinfomsg *info = NLMSG_DATA (header);

    if (header->nlmsg_type == RTM_DELLINK && header->nlmsg_len >= NLMSG_LENGTH (sizeof *info) &&
        self->tun != NULL && (uint32_t) info->ifi_index == watched_index (self))
      return true;
  }
  return false;
}

static bool
still_exists (uint32_t index)
{
  char name[IFNAMSIZ];

  return if_indextoname (index, name) != NULL;
}

/* Reads all that is there; true if the watched device is gone. */
static bool
drain (FzLinuxMonitor *self)
{
  g_autofree uint8_t *buffer = g_malloc (RECEIVE_BYTES);
  bool is_gone = false;

  for (;;) {
    ssize_t n = recv (self->fd, buffer, RECEIVE_BYTES, 0);

    if (n < 0 && errno == ENOBUFS) /* events were lost, ours perhaps among them */
      is_gone = is_gone || (self->tun != NULL && !still_exists (watched_index (self)));
    else if (n <= 0 && errno != EINTR)
      return is_gone;
    else if (n > 0)
      is_gone = tells_of_the_end (self, buffer, (int) n) || is_gone;
  }
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user_data)
{
  FzLinuxMonitor *self = user_data;

  (void) fd;
  (void) condition;
  if (self->timer == 0)
    self->timer = g_timeout_add (DEBOUNCE_MS, on_timer, self);
  if (drain (self)) {
    self->tun = NULL;
    if (self->on_change != NULL)
      self->on_change (FZ_NETWORK_CHANGE_TUN_GONE, self->user_data);
  }
  return G_SOURCE_CONTINUE;
}

/* -- life -- */

static int
open_socket (void)
{
  const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = GROUPS };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

  if (fd >= 0 && bind (fd, (const struct sockaddr *) &address, sizeof address) != 0) {
    int error_number = errno;

    close (fd);
    errno = error_number;
    return -1;
  }
  return fd;
}

bool
fz_linux_start_monitor (FzLinux *platform, GError **error)
{
  FzLinuxMonitor *self;
  bool ignored;
  int fd;

  if (platform->monitor != NULL)
    return true;
  fd = open_socket ();
  if (fd < 0) {
    fz_linux_set_error (error, errno, "listening for network changes");
    return false;
  }
  self = g_new0 (FzLinuxMonitor, 1);
  self->platform = platform;
  self->fd = fd;
  self->links = g_array_new (FALSE, FALSE, sizeof (Entry));
  self->routes = g_array_new (FALSE, FALSE, sizeof (Entry));
  self->fd_source = g_unix_fd_add (fd, G_IO_IN, on_readable, self);
  platform->monitor = self;
  look (self, &ignored, &ignored);
  return true;
}

bool
fz_linux_watch_network (
    FzPlatform *platform, FzTun *tun, FzNetworkChangeFunc func, gpointer user_data, GError **error)
{
  FzLinux *self = (FzLinux *) platform;

  if (!fz_linux_start_monitor (self, error))
    return false;
  self->monitor->tun = tun;
  self->monitor->on_change = func;
  self->monitor->user_data = user_data;
  return true;
}

void
fz_linux_monitor_forget_tun (FzLinux *self, const FzTun *tun)
{
  if (self->monitor != NULL && self->monitor->tun == tun)
    self->monitor->tun = NULL;
}

void
fz_linux_monitor_free (FzLinuxMonitor *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_handle_id (&self->fd_source, g_source_remove);
  close (self->fd);
  g_array_unref (self->links);
  g_array_unref (self->routes);
  g_free (self);
}
