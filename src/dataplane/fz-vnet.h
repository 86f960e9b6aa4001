/* fz-vnet.h
 *
 * The virtio header in front of every packet on the TUN descriptor
 * (dataplane.md §16). Debian 12's headers lack the newer names, so they stand
 * here.
 */
#pragma once

#include <stdint.h>

#define FZ_VNET_HEADER_SIZE 10u

#define FZ_VNET_F_NEEDS_CSUM 1u

#define FZ_VNET_GSO_NONE  0u
#define FZ_VNET_GSO_TCPV4 1u
#define FZ_VNET_GSO_TCPV6 4u
#define FZ_VNET_GSO_UDP   5u
#define FZ_VNET_GSO_ECN   0x80u

typedef struct {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length; /* native order, like the rest */
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
} FzVnetHeader;

_Static_assert(sizeof (FzVnetHeader) == FZ_VNET_HEADER_SIZE, "the kernel's layout");
