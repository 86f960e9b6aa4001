/* fz-linux-tun.c
 *
 * TUN queues and the ladder of offloads (dataplane.md §15, §16). The kernel is
 * asked for the best step first and for less until it agrees; what it granted
 * is in FzTunFeatures. A device lives as long as its last descriptor, so a
 * crash leaves none behind.
 *
 * Several queues. The kernel spreads packets over them by a hash of their flow,
 * until it sees a packet of the flow written on one: from then on, and for three
 * seconds after the last, the flow comes out there. That brings both directions of
 * a connection to one lane, but each such change may let newer packets overtake
 * older ones that wait in the other. So each queue has a second descriptor that is
 * detached: it takes packets in, is never given one, and teaches nothing. What is
 * only written there stays on one queue for good.
 *
 * Debian 12's headers lack TUN_F_USO4 and TUN_F_USO6: the values stand here
 * under names of our own.
 */

#include "platform/linux/fz-linux-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TUN_PATH      "/dev/net/tun"
#define TUN_DEVICE    makedev (10, 200)
#define VNET_SIZE     10    /* bytes of struct virtio_net_hdr */
#define FZ_TUN_F_USO4 0x20u /* Linux 6.2 */
#define FZ_TUN_F_USO6 0x40u
#define ADDR_GEN_NONE 1u /* IN6_ADDR_GEN_MODE_NONE */

#define OFFLOADS_CHECKSUM TUN_F_CSUM
#define OFFLOADS_TSO      (OFFLOADS_CHECKSUM | TUN_F_TSO4 | TUN_F_TSO6)
#define OFFLOADS_TSO_ECN  (OFFLOADS_TSO | TUN_F_TSO_ECN)
#define OFFLOADS_USO      (OFFLOADS_TSO_ECN | FZ_TUN_F_USO4 | FZ_TUN_F_USO6)

static const unsigned step_offloads[FZ_N_TUN_STEPS] = {
  [FZ_TUN_STEP_USO] = OFFLOADS_USO,
  [FZ_TUN_STEP_TSO] = OFFLOADS_TSO_ECN,
  [FZ_TUN_STEP_TSO_NO_ECN] = OFFLOADS_TSO,
  [FZ_TUN_STEP_CHECKSUM] = OFFLOADS_CHECKSUM,
  [FZ_TUN_STEP_VNET] = 0,
  [FZ_TUN_STEP_PLAIN] = 0,
};

/* If that fails, opening it says what to do. */
void
fz_linux_make_control_node (void)
{
  if (access (TUN_PATH, F_OK) == 0 || errno != ENOENT)
    return;
  mkdir ("/dev/net", 0751);
  mknod (TUN_PATH, S_IFCHR | 0600, TUN_DEVICE);
}

static int
open_control_node (void)
{
  return open (TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static void
set_node_error (GError **error, int error_number)
{
  if (error_number == EACCES || error_number == EPERM)
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_PERMISSION,
                 "cannot open " TUN_PATH ": permission denied; make it readable and writable for "
                 "this user, or run as root");
  else if (error_number == ENOENT || error_number == ENODEV || error_number == ENXIO)
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_UNSUPPORTED,
                 TUN_PATH " is not available: load the kernel module tun, or give the container "
                          "that device");
  else
    fz_linux_set_error (error, error_number, "opening " TUN_PATH);
}

static void
set_attach_error (GError **error, const char *name, int error_number)
{
  if (error_number == EPERM)
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_PERMISSION,
                 "cannot create interface %s: CAP_NET_ADMIN is missing; run as root, or grant it "
                 "with setcap cap_net_admin+ep or AmbientCapabilities= in the unit",
                 name);
  else if (error_number == EBUSY)
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_BUSY,
                 "interface %s exists already: stop the program that uses it, or remove it with "
                 "ip link delete %s",
                 name,
                 name);
  else
    fz_linux_set_error (error, error_number, "creating interface %s", name);
}

/* One descriptor of the device; the first makes the device. -1 with @error set on failure. */
static int
attach_queue (const char *name, short flags, GError **error)
{
  struct ifreq request = { .ifr_flags = flags };
  int fd = open_control_node ();

  if (fd < 0) {
    set_node_error (error, errno);
    return -1;
  }
  g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
  if (ioctl (fd, TUNSETIFF, &request) != 0) {
    set_attach_error (error, name, errno);
    close (fd);
    return -1;
  }
  return fd;
}

/* A descriptor that only writes; -1 if there can be none. */
static int
attach_writer (const char *name, short flags)
{
  struct ifreq request = { .ifr_flags = IFF_DETACH_QUEUE };
  int fd = attach_queue (name, flags, NULL);

  if (fd >= 0 && ioctl (fd, TUNSETQUEUE, &request) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static void
attach_writers (FzLinuxTun *tun, const char *name, short flags)
{
  for (unsigned i = 0; i < tun->base.features.n_queues; i++) {
    int fd = attach_writer (name, flags);

    if (fd >= 0)
      tun->base.queues[i].write_fd = fd;
  }
}

static unsigned
kernel_flags (void)
{
  unsigned flags = 0;
  int fd = open_control_node ();

  if (fd < 0)
    return 0; /* attaching says why */
  if (ioctl (fd, TUNGETFEATURES, &flags) != 0)
    flags = 0;
  close (fd);
  return flags;
}

/* The best step from @step on that the kernel grants; offloads are the device's, not the queue's.
 */
static FzTunStep
negotiate (int fd, FzTunStep step)
{
  while (step < FZ_TUN_STEP_VNET && ioctl (fd, TUNSETOFFLOAD, step_offloads[step]) != 0)
    step++;
  if (step >= FZ_TUN_STEP_VNET)
    ioctl (fd, TUNSETOFFLOAD, 0);
  return step;
}

static bool
attach_queues (FzLinuxTun *tun, const char *name, unsigned n_queues, FzTunStep step, GError **error)
{
  FzTun *base = &tun->base;
  bool has_vnet = step < FZ_TUN_STEP_PLAIN;
  short flags = (short) (IFF_TUN | IFF_NO_PI | (has_vnet ? IFF_VNET_HDR : 0) |
                         (n_queues > 1 ? IFF_MULTI_QUEUE : 0));

  for (unsigned i = 0; i < n_queues; i++) {
    int fd = attach_queue (name, (short) (flags | (i == 0 ? IFF_TUN_EXCL : 0)), error);

    if (fd < 0)
      return false;
    base->queues[i] = (FzTunQueue){ fd, has_vnet, fd };
    base->features.n_queues = i + 1;
    if (has_vnet) {
      int size = VNET_SIZE;

      ioctl (fd, TUNSETVNETHDRSZ, &size); /* the default, said again */
    }
  }
  if (n_queues > 1)
    attach_writers (tun, name, flags);
  if (has_vnet)
    step = negotiate (base->queues[0].fd, step);
  base->features.vnet_header = has_vnet;
  base->features.checksum = step <= FZ_TUN_STEP_CHECKSUM;
  base->features.tso = step <= FZ_TUN_STEP_TSO_NO_ECN;
  base->features.tso_ecn = step <= FZ_TUN_STEP_TSO;
  base->features.uso = step <= FZ_TUN_STEP_USO;
  return true;
}

static int
request_link (FzLinux *self, uint32_t index, void (*put) (struct nl_msg *message))
{
  const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int) index };
  struct nl_msg *message = fz_netlink_message_new (RTM_NEWLINK, 0, &header, sizeof header);

  put (message);
  return fz_netlink_request (&self->route, message);
}

static void
put_mtu (struct nl_msg *message)
{
  fz_netlink_put_u32 (message, IFLA_MTU, FZ_TUN_MTU);
}

static void
put_queue_length (struct nl_msg *message)
{
  fz_netlink_put_u32 (message, IFLA_TXQLEN, FZ_TUN_TXQUEUELEN);
}

/* No fe80:: address, whose neighbour discovery would come out of the tunnel. */
static void
put_no_link_local (struct nl_msg *message)
{
  const uint8_t mode = ADDR_GEN_NONE;
  struct nlattr *families = nla_nest_start (message, IFLA_AF_SPEC);
  struct nlattr *ipv6 = nla_nest_start (message, AF_INET6);

  fz_netlink_put (message, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
  nla_nest_end (message, ipv6);
  nla_nest_end (message, families);
}

static bool
configure (FzLinux *self, FzLinuxTun *tun, const char *name, GError **error)
{
  int result;

  tun->index = if_nametoindex (name);
  result = request_link (self, tun->index, put_mtu);
  if (result != 0) {
    fz_linux_set_error (error, -result, "setting the MTU of %s to %u", name, FZ_TUN_MTU);
    return false;
  }
  result = request_link (self, tun->index, put_queue_length);
  if (result != 0)
    fz_log (&self->base.log,
            FZ_LOG_WARNING,
            "tun-queue-length",
            "the transmit queue keeps the kernel's length",
            FZ_KV_TEXT ("interface", name),
            FZ_KV_TEXT ("reason", g_strerror (-result)));
  result = request_link (self, tun->index, put_no_link_local);
  if (result != 0 && !fz_linux_is_family_missing (-result) && result != -EINVAL) {
    fz_linux_set_error (error, -result, "switching off the link-local address of %s", name);
    return false;
  }
  return true;
}

FzTun *
fz_linux_open_tun_at (
    FzPlatform *platform, const char *name, unsigned n_queues, FzTunStep step, GError **error)
{
  FzLinux *self = (FzLinux *) platform;
  FzLinuxTun *tun = g_new0 (FzLinuxTun, 1);
  unsigned flags = kernel_flags ();

  tun->has_ipv4 = true;
  tun->has_ipv6 = true;
  if (flags != 0 && (flags & IFF_VNET_HDR) == 0)
    step = FZ_TUN_STEP_PLAIN;
  if (flags != 0 && (flags & IFF_MULTI_QUEUE) == 0)
    n_queues = 1;

  if (!attach_queues (tun, name, n_queues, step, error) || !configure (self, tun, name, error)) {
    fz_linux_close_tun (&tun->base);
    return NULL;
  }
  return &tun->base;
}

FzTun *
fz_linux_open_tun (
    FzPlatform *platform, const char *name, unsigned n_queues, bool use_offloads, GError **error)
{
  return fz_linux_open_tun_at (
      platform, name, n_queues, use_offloads ? FZ_TUN_STEP_USO : FZ_TUN_STEP_PLAIN, error);
}

void
fz_linux_close_tun (FzTun *tun)
{
  if (tun->platform != NULL)
    fz_linux_monitor_forget_tun ((FzLinux *) tun->platform, tun);
  for (unsigned i = 0; i < tun->features.n_queues; i++) {
    if (tun->queues[i].write_fd != tun->queues[i].fd)
      close (tun->queues[i].write_fd);
    close (tun->queues[i].fd);
  }
  g_free (tun);
}

/* -- statistics -- */

typedef struct {
  uint32_t index;
  bool is_found;
  struct rtnl_link_stats64 values;
} Statistics;

static void
forget_statistics (void *user_data)
{
  ((Statistics *) user_data)->is_found = false;
}

static void
collect_statistics (const struct nlmsghdr *header, void *user_data)
{
  const struct ifinfomsg *info = NLMSG_DATA (header);
  Statistics *statistics = user_data;
  struct nlattr *attributes[IFLA_MAX + 1];
  const struct nlattr *at;

  if (header->nlmsg_type != RTM_NEWLINK || (uint32_t) info->ifi_index != statistics->index ||
      nlmsg_parse ((struct nlmsghdr *) header, sizeof *info, attributes, IFLA_MAX, NULL) != 0)
    return;
  at = attributes[IFLA_STATS64];
  if (at == NULL || nla_len (at) < (int) sizeof statistics->values)
    return;
  memcpy (&statistics->values, nla_data (at), sizeof statistics->values);
  statistics->is_found = true;
}

bool
fz_linux_get_statistics (const FzTun *tun, FzTunStatistics *out)
{
  const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
  Statistics statistics = { .index = ((const FzLinuxTun *) tun)->index };

  if (fz_netlink_dump (&((FzLinux *) tun->platform)->route,
                       fz_netlink_message_new (RTM_GETLINK, 0, &header, sizeof header),
                       collect_statistics,
                       forget_statistics,
                       &statistics) != 0 ||
      !statistics.is_found)
    return false;
  *out = (FzTunStatistics){ statistics.values.tx_dropped, statistics.values.rx_dropped };
  return true;
}
