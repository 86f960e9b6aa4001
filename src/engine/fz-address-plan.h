/* fz-address-plan.h
 *
 * The fixed ranges of the tunnel (tunnel.md §1.1). Both ends hard-code them; the
 * question whether an address is a peer's is fz_verdict_is_tunnel_ip.
 */
#pragma once

#include "src/base/fz-address.h"

typedef enum {
  FZ_RANGE_TUNNEL_V4, /* TUN addresses of clients and gateways */
  FZ_RANGE_TUNNEL_V6,
  FZ_RANGE_PROXY_V4, /* proxy addresses of DNS resources */
  FZ_RANGE_PROXY_V6,
  FZ_RANGE_SENTINEL_V4, /* DNS servers that the client plays; inside the proxy range */
  FZ_RANGE_SENTINEL_V6,
  FZ_N_RANGES,
} FzRange;

const FzIpNetwork *fz_address_plan_get (FzRange range);

/* Both default routes. */
extern const FzIpNetwork fz_address_plan_everything[2];

/* What is not the Internet: private, local, shared and multicast addresses, which the Internet
 * resource never reaches (tunnel.md §6.4). */
const FzIpNetwork *fz_address_plan_get_private (size_t *out_n);
bool fz_address_plan_is_private (const FzIp *ip);

/* Order of routes in events: IPv4 before IPv6, by address, by prefix length. */
int fz_ip_network_compare (const FzIpNetwork *a, const FzIpNetwork *b);
