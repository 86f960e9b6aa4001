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

const FzIpNetwork fz_address_plan_everything[2] = {
  { { .family = FZ_IP_V4 }, 0 },
  { { .family = FZ_IP_V6 }, 0 },
};

static const FzIpNetwork private_networks[] = {
  { { FZ_IP_V4, { 10 } }, 8 },
  { { FZ_IP_V4, { 172, 16 } }, 12 },
  { { FZ_IP_V4, { 192, 168 } }, 16 },
  { { FZ_IP_V4, { 127 } }, 8 },
  { { FZ_IP_V4, { 169, 254 } }, 16 },
  { { FZ_IP_V4, { 100, 64 } }, 10 },
  { { FZ_IP_V4, { 224 } }, 4 },
  { { FZ_IP_V4, { 240 } }, 4 },
  { { FZ_IP_V6, { [15] = 1 } }, 128 },
  { { FZ_IP_V6, { [10] = 0xff, [11] = 0xff } }, 96 }, /* IPv4-mapped */
  { { FZ_IP_V6, { 0xfc } }, 7 },
  { { FZ_IP_V6, { 0xfe, 0x80 } }, 10 },
  { { FZ_IP_V6, { 0xff } }, 8 },
};

const FzIpNetwork *
fz_address_plan_get_private (size_t *out_n)
{
  *out_n = sizeof private_networks / sizeof *private_networks;
  return private_networks;
}

bool
fz_address_plan_is_private (const FzIp *ip)
{
  for (size_t i = 0; i < sizeof private_networks / sizeof *private_networks; i++)
    if (fz_ip_network_contains (&private_networks[i], ip))
      return true;
  return false;
}

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
