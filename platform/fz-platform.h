/* fz-platform.h
 *
 * The only door to the kernel for TUN devices, addresses, routes, rules,
 * masquerading and network-change events. Callers see operations, not netlink.
 * Implementations: linux/ (real) and fake/ (the same state in memory, able to
 * fail at the n-th call). Engine thread only, except that lanes read and write
 * the descriptors of their queues.
 *
 * Errors: FZ_PLATFORM_ERROR with a sentence that says what to do.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-log.h"

#include <glib.h>
#include <stdbool.h>

#define FZ_PLATFORM_ERROR (fz_platform_error_quark ())
GQuark fz_platform_error_quark (void);

typedef enum {
  FZ_PLATFORM_ERROR_PERMISSION,  /* CAP_NET_ADMIN is missing */
  FZ_PLATFORM_ERROR_UNSUPPORTED, /* the kernel lacks it */
  FZ_PLATFORM_ERROR_BUSY,        /* name or table in use by another process */
  FZ_PLATFORM_ERROR_GONE,        /* the device was deleted under us */
  FZ_PLATFORM_ERROR_FAILED,
} FzPlatformError;

/* tunnel.md §1.4 */
#define FZ_FWMARK           0xfd002021u
#define FZ_TABLE_RESOURCES  0x2021fd00u /* rule priority 100 */
#define FZ_TABLE_LINK_SCOPE 0x2021fd01u /* 200 */
#define FZ_TABLE_DEFAULT    0x2021fd02u /* 300 */
#define FZ_TUN_NAME         "tun-firezone"
#define FZ_TUN_MTU          1280u /* bytes */
/* Entries of a queue: ten milliseconds of small packets, for while an engine is off its CPU. It
 * empties the queue each turn, and flows are held short by their own queues (fz-flow-queue.h), so
 * length costs no delay: 300,000 datagrams/s of 64 bytes lose 0.2 % with 1024 entries, none with
 * 4096, and a ping beside eight bulk flows takes as long, also on half a CPU. */
#define FZ_TUN_TXQUEUELEN   4096u

typedef struct {
  int fd;        /* non-blocking, close-on-exec; owned by the FzTun */
  bool has_vnet; /* every packet has an FzVnetHeader in front */
  int write_fd;  /* where packets go in that are not to bring their flow's other direction to this
                    queue, as those written to fd do (fz-linux-tun.c); fd where there is one queue */
} FzTunQueue;

/* What the kernel granted (dataplane.md §15). */
typedef struct {
  bool vnet_header;
  bool checksum;
  bool tso; /* TCP over IPv4 and IPv6 */
  bool tso_ecn;
  bool uso; /* UDP over IPv4 and IPv6 */
  unsigned n_queues;
} FzTunFeatures;

/* What the kernel counts at the device; from zero again when it is made again. */
typedef struct {
  uint64_t tx_dropped; /* packets for the tunnel: the queue was full */
  uint64_t rx_dropped; /* packets from the tunnel that were not taken */
} FzTunStatistics;

typedef struct FzPlatform FzPlatform;
typedef struct FzTun FzTun;

typedef enum {
  FZ_NETWORK_CHANGE_LINK,    /* an interface or its address came, went or changed */
  FZ_NETWORK_CHANGE_ROUTE,   /* the default route changed */
  FZ_NETWORK_CHANGE_TUN_GONE /* our own device was deleted */
} FzNetworkChange;

typedef void (*FzNetworkChangeFunc) (FzNetworkChange change, gpointer user_data);

/**
 * fz_platform_linux_new / fz_platform_fake_new:
 *
 * The linux one opens its netlink sockets, and makes /dev/net/tun if that is missing: the right to
 * do so may be given up afterwards; @error: FZ_PLATFORM_ERROR.
 */
FzPlatform *fz_platform_linux_new (const FzLog *log, GError **error);
FzPlatform *fz_platform_fake_new (const FzLog *log);

/* Undoes nothing: call the remove functions first; then safe on every path. */
void fz_platform_free (FzPlatform *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPlatform, fz_platform_free)

/* Whether we may do any of this: FZ_PLATFORM_ERROR_PERMISSION with what to do otherwise. */
bool fz_platform_check_rights (FzPlatform *self, GError **error);

/* Removes what an earlier process left behind: rules, our tables' routes, nftables table. */
bool fz_platform_clean_up (FzPlatform *self, GError **error);

/**
 * fz_platform_open_tun:
 * @name: at most 15 characters
 * @n_queues: 1 … 8 (IFF_MULTI_QUEUE only above 1)
 * @use_offloads: false forces the lowest step of the ladder, for tests
 *
 * Creates the device down, MTU FZ_TUN_MTU, no IPv6 link-local address.
 */
FzTun *fz_platform_open_tun (
    FzPlatform *self, const char *name, unsigned n_queues, bool use_offloads, GError **error);
const FzTunQueue *fz_tun_get_queues (const FzTun *tun, size_t *out_n);
const FzTunFeatures *fz_tun_get_features (const FzTun *tun);

/* Asks the kernel; false if it does not say. */
bool fz_tun_get_statistics (const FzTun *tun, FzTunStatistics *out);
void fz_tun_close (FzTun *tun); /* the kernel removes the device with its routes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzTun, fz_tun_close)

/* Replaces all addresses by /32 and /128, brings the device up. A family the kernel lacks is
 * logged once and tolerated. */
bool fz_platform_set_addresses (
    FzPlatform *self, FzTun *tun, const FzIp *ipv4, const FzIp *ipv6, GError **error);

/**
 * fz_platform_set_routes:
 * @routes: the whole set; what is in the tables and not in it is removed
 * @use_rules: client: own tables with "not fwmark" rules; false (gateway, bare): main table
 */
bool fz_platform_set_routes (FzPlatform *self,
                             FzTun *tun,
                             const FzIpNetwork *routes,
                             size_t n_routes,
                             bool use_rules,
                             GError **error);

/* Gateway: forwarding on, masquerade what comes from the tunnel ranges and leaves by another
 * interface, by an nftables table of our own; removed by the second. Idempotent. Written as
 * nfnetlink messages with libnl-3 (LGPL): libnftables and libnftnl are GPL-2 and must not be
 * linked. */
bool fz_platform_add_masquerade (FzPlatform *self, FzTun *tun, GError **error);
bool fz_platform_remove_masquerade (FzPlatform *self, GError **error);

/**
 * fz_platform_watch_network:
 * @tun: the device whose end is reported, once
 *
 * Calls @func on the default main context, debounced by 500 ms except for
 * TUN_GONE. What counts are usable addresses on interfaces that are up, and the
 * default routes; our own devices do not. A second call replaces the first.
 * @func may close @tun and open another; it must not free @self.
 */
bool fz_platform_watch_network (
    FzPlatform *self, FzTun *tun, FzNetworkChangeFunc func, gpointer user_data, GError **error);
