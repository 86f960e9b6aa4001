/* fz-platform-private.h
 *
 * What an implementation of fz-platform.h provides, and the common part of its
 * objects. fz-platform.c checks arguments and dispatches; it keeps the list of
 * open devices, so that either may be freed before the other.
 */
#pragma once

#include "platform/fz-platform.h"

#include <net/if.h>

#define FZ_TUN_QUEUES_MAX 8u

typedef struct {
  void (*free) (FzPlatform *self);
  bool (*check_rights) (FzPlatform *self, GError **error);
  bool (*clean_up) (FzPlatform *self, GError **error);
  FzTun *(*open_tun) (
      FzPlatform *self, const char *name, unsigned n_queues, bool use_offloads, GError **error);
  bool (*get_statistics) (const FzTun *tun, FzTunStatistics *out);
  /* Closes the queues and frees @tun. Its platform is NULL if that was freed before. */
  void (*close_tun) (FzTun *tun);
  bool (*set_addresses) (
      FzPlatform *self, FzTun *tun, const FzIp *ipv4, const FzIp *ipv6, GError **error);
  bool (*set_routes) (FzPlatform *self,
                      FzTun *tun,
                      const FzIpNetwork *routes,
                      size_t n_routes,
                      bool use_rules,
                      GError **error);
  bool (*add_masquerade) (FzPlatform *self, FzTun *tun, GError **error);
  bool (*remove_masquerade) (FzPlatform *self, GError **error);
  bool (*watch_network) (
      FzPlatform *self, FzTun *tun, FzNetworkChangeFunc func, gpointer user_data, GError **error);
} FzPlatformFunctions;

/* First member of every implementation's own struct. */
struct FzPlatform {
  const FzPlatformFunctions *functions;
  FzLog log;
  GPtrArray *tuns; /* open FzTun, borrowed; made by fz_platform_init() */
};

/* The same for devices. */
struct FzTun {
  const FzPlatformFunctions *functions;
  FzPlatform *platform; /* NULL once it is gone */
  char name[IFNAMSIZ];
  FzTunQueue queues[FZ_TUN_QUEUES_MAX];
  FzTunFeatures features;
};

void fz_platform_init (FzPlatform *self, const FzPlatformFunctions *functions, const FzLog *log);
