/* fz-tcp.h
 *
 * The one thing we say in TCP ourselves: that nobody listens (RFC 9293 §3.5.2).
 */
#pragma once

#include "src/proto/fz-ip.h"

#define FZ_TCP_RESET_MAX 60u /* bytes: an IPv6 header and TCP's */

/* The reset that answers @packet, TCP and no fragment. Returns: its length, 0 if @packet is a reset
 * itself */
size_t fz_tcp_write_reset (const FzIpPacket *packet, uint8_t out[FZ_TCP_RESET_MAX]);
