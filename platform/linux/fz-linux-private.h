/* fz-linux-private.h
 *
 * What the files of platform/linux share: the platform's and the device's
 * state, errors made of an errno, and the operations by concept.
 */
#pragma once

#include "platform/fz-platform-private.h"
#include "platform/linux/fz-linux-netlink.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FzLinuxMonitor FzLinuxMonitor;

typedef struct {
  FzPlatform base;
  FzNetlink route;         /* NETLINK_ROUTE: every request and dump */
  FzNetlink filter;        /* NETLINK_NETFILTER; opened when first needed */
  FzLinuxMonitor *monitor; /* NULL until it is needed */
  bool has_rules;          /* ours are installed: the link-scope table is kept up to date */
  bool has_logged_no_ipv4; /* each absence is logged once */
  bool has_logged_no_ipv6;
} FzLinux;

typedef struct {
  FzTun base;
  uint32_t index; /* the kernel's number of the interface */
  bool has_ipv4;  /* the family worked when addresses were set; true before */
  bool has_ipv6;
} FzLinuxTun;

/* -- errors: "<what>: <the errno's text>", with the code that the errno stands for -- */

/* @error_number: positive. What to do about it belongs into the format's text. */
void fz_linux_set_error (GError **error, int error_number, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Whether the errno says that the kernel has not got this address family, or has it switched off.
 */
bool fz_linux_is_family_missing (int error_number);

/* Logs, once per platform, that @family is not there and that we go on without. */
void fz_linux_log_no_family (FzLinux *self, FzIpFamily family);

/* AF_INET or AF_INET6. */
uint8_t fz_linux_address_family (const FzIp *ip);

/* -- fz-linux-tun.c -- */

/* Steps of the offload ladder, dataplane.md §15. */
typedef enum {
  FZ_TUN_STEP_USO,        /* T0: checksum, TSO with ECN, USO */
  FZ_TUN_STEP_TSO,        /* T1: without USO */
  FZ_TUN_STEP_TSO_NO_ECN, /* T2 */
  FZ_TUN_STEP_CHECKSUM,   /* T2, second try */
  FZ_TUN_STEP_VNET,       /* T3: plain packets behind a vnet header that is zero */
  FZ_TUN_STEP_PLAIN,      /* T3: no vnet header */
  FZ_N_TUN_STEPS,
} FzTunStep;

/* In a container the node may be missing; making it takes CAP_MKNOD, which programs give up soon
 * after they have started. */
void fz_linux_make_control_node (void);

/* Takes @step, or the next lower one that the kernel grants. */
FzTun *fz_linux_open_tun_at (
    FzPlatform *platform, const char *name, unsigned n_queues, FzTunStep step, GError **error);
bool fz_linux_get_statistics (const FzTun *tun, FzTunStatistics *out);
FzTun *fz_linux_open_tun (
    FzPlatform *platform, const char *name, unsigned n_queues, bool use_offloads, GError **error);
void fz_linux_close_tun (FzTun *tun);

/* -- fz-linux-address.c -- */
bool fz_linux_set_addresses (
    FzPlatform *platform, FzTun *tun, const FzIp *ipv4, const FzIp *ipv6, GError **error);

/* -- fz-linux-rule.c -- */
bool fz_linux_add_rules (FzLinux *self, GError **error);
bool fz_linux_remove_rules (FzLinux *self, GError **error); /* none there is no error */

/* -- fz-linux-route.c -- */
bool fz_linux_set_routes (FzPlatform *platform,
                          FzTun *tun,
                          const FzIpNetwork *routes,
                          size_t n_routes,
                          bool use_rules,
                          GError **error);
bool fz_linux_flush_tables (FzLinux *self, GError **error); /* our three */

/* -- fz-linux-link-scope.c -- */

/* Makes the link-scope table a copy of the main table's on-link routes. */
bool fz_linux_sync_link_scope (FzLinux *self, GError **error);

/* -- fz-linux-masquerade.c -- */
bool fz_linux_add_masquerade (FzPlatform *platform, FzTun *tun, GError **error);
bool fz_linux_remove_masquerade (FzPlatform *platform, GError **error);

/* -- fz-linux-monitor.c -- */
bool fz_linux_watch_network (
    FzPlatform *platform, FzTun *tun, FzNetworkChangeFunc func, gpointer user_data, GError **error);

/* Without a caller's function: keeps the link-scope table alone up to date. */
bool fz_linux_start_monitor (FzLinux *self, GError **error);
void fz_linux_monitor_forget_tun (FzLinux *self, const FzTun *tun);
void fz_linux_monitor_free (FzLinuxMonitor *monitor);
