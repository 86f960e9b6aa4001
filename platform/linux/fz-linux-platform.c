/* fz-linux-platform.c
 *
 * The real platform: construction, the question whether we may do any of it,
 * and clearing away what a killed process has left. What each operation does is
 * in the file of its name.
 */

#include "platform/linux/fz-linux-private.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
has_net_admin (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

  return syscall (SYS_capget, &header, data) == 0 &&
         (data[CAP_TO_INDEX (CAP_NET_ADMIN)].effective & CAP_TO_MASK (CAP_NET_ADMIN)) != 0;
}

static bool
check_rights (FzPlatform *platform, GError **error)
{
  (void) platform;
  if (has_net_admin ())
    return true;
  g_set_error (error,
               FZ_PLATFORM_ERROR,
               FZ_PLATFORM_ERROR_PERMISSION,
               "CAP_NET_ADMIN is missing: run as root, or grant it with setcap cap_net_admin+ep "
               "to the program, AmbientCapabilities=CAP_NET_ADMIN in its unit, or --cap-add "
               "NET_ADMIN to its container");
  return false;
}

static bool
clean_up (FzPlatform *platform, GError **error)
{
  FzLinux *self = (FzLinux *) platform;

  return fz_linux_remove_rules (self, error) && fz_linux_flush_tables (self, error) &&
         fz_linux_remove_masquerade (platform, error);
}

static void
free_linux (FzPlatform *platform)
{
  FzLinux *self = (FzLinux *) platform;

  fz_linux_monitor_free (self->monitor);
  fz_netlink_close (&self->route);
  fz_netlink_close (&self->filter);
  g_free (self);
}

static const FzPlatformFunctions functions = {
  .free = free_linux,
  .check_rights = check_rights,
  .clean_up = clean_up,
  .open_tun = fz_linux_open_tun,
  .get_statistics = fz_linux_get_statistics,
  .close_tun = fz_linux_close_tun,
  .set_addresses = fz_linux_set_addresses,
  .set_routes = fz_linux_set_routes,
  .add_masquerade = fz_linux_add_masquerade,
  .remove_masquerade = fz_linux_remove_masquerade,
  .watch_network = fz_linux_watch_network,
};

FzPlatform *
fz_platform_linux_new (const FzLog *log, GError **error)
{
  FzLinux *self = g_new0 (FzLinux, 1);
  int result;

  fz_platform_init (&self->base, &functions, log);
  fz_linux_make_control_node ();
  result = fz_netlink_open (&self->route, NETLINK_ROUTE);
  if (result != 0) {
    fz_linux_set_error (error, -result, "opening the routing socket");
    fz_platform_free (&self->base);
    return NULL;
  }
  return &self->base;
}
