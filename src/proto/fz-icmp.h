/* fz-icmp.h
 *
 * ICMP errors that we make ourselves, in answer to a packet that may not pass
 * (tunnel.md §10.4).
 */
#pragma once

#include "src/proto/fz-ip.h"

#define FZ_ICMP_ERROR_MAX 1280u /* bytes: the IPv6 error quotes as much as the MTU allows */

typedef enum {
  FZ_ICMP_PROHIBITED,  /* ICMP 3/13, ICMPv6 1/1 */
  FZ_ICMP_UNREACHABLE, /* ICMP 3/0, ICMPv6 1/3 */
} FzIcmpReason;

/**
 * fz_icmp_write_error:
 * @original: the packet that is refused
 * @out: the IP packet of the error, from the original's destination to its source
 *
 * Returns: its length in bytes, 0 for what must not be answered: ICMP errors,
 *   multicast or unspecified addresses (RFC 1122 §3.2.2, RFC 4443 §2.4)
 */
size_t fz_icmp_write_error (FzIcmpReason reason,
                            const FzIpPacket *original,
                            uint8_t out[FZ_ICMP_ERROR_MAX]);
