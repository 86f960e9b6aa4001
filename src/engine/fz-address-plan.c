/* fz-address-plan.c: see the header */

#include "src/engine/fz-address-plan.h"

static const FzIpNetwork ranges[FZ_N_RANGES] = {
  [FZ_RANGE_TUNNEL_V4] = { { FZ_IP_V4, { 100, 64 } }, 11 },
  [FZ_RANGE_TUNNEL_V6] = { { FZ_IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 } }, 107 },
  [FZ_RANGE_PROXY_V4] = { { FZ_IP_V4, { 100, 96 } }, 11 },
  [FZ_RANGE_PROXY_V6] = { { FZ_IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0x80 } }, 107 },
  [FZ_RANGE_SENTINEL_V4] = { { FZ_IP_V4, { 100, 100, 111 } }, 24 },
  [FZ_RANGE_SENTINEL_V6] = { { FZ_IP_V6,
                               { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0x80, 0, 1, 0, 1, 0, 1, 0x11 } },
                             120 },
};

const FzIpNetwork *
fz_address_plan_get (FzRange range)
{
  return &ranges[range];
}

int
fz_ip_network_compare (const FzIpNetwork *a, const FzIpNetwork *b)
{
  int order = fz_ip_compare (&a->ip, &b->ip);

  return order != 0 ? order : (int) a->prefix_length - (int) b->prefix_length;
}
