/* fz-linux-route-table.h
 *
 * Reading and changing the kernel's routing tables, one family and one table at
 * a time, and which interfaces are up. What a route means is the callers'
 * affair.
 */
#pragma once

#include "platform/linux/fz-linux-private.h"

typedef struct {
  FzIpNetwork network;
  uint32_t table;
  uint32_t out_index; /* interface; 0 if it has none, or several */
  uint32_t priority;  /* metric */
  FzIp source;        /* preferred source; FZ_IP_NONE without one */
  FzIp gateway;       /* FZ_IP_NONE for a route on the link */
  uint8_t protocol;   /* RTPROT_… */
  uint8_t scope;      /* RT_SCOPE_… */
  uint8_t type;       /* RTN_… */
} FzLinuxRoute;

extern const FzIpFamily fz_linux_families[2]; /* IPv4, IPv6 */

/* Replaces @routes (of FzLinuxRoute) by what is in @table; 0 or a negative errno. A family or a
 * table that does not exist is empty. */
int fz_linux_list_routes (FzLinux *self, FzIpFamily family, uint32_t table, GArray *routes);

int fz_linux_add_route (FzLinux *self, const FzLinuxRoute *route);    /* -EEXIST if it is there */
int fz_linux_delete_route (FzLinux *self, const FzLinuxRoute *route); /* -ESRCH if it is not */

/* Fills @links, a set of interface numbers by GUINT_TO_POINTER: what is operationally up and not a
 * device of ours. */
int fz_linux_list_links (FzLinux *self, GHashTable *links);
