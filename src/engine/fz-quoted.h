/* fz-quoted.h
 *
 * The packet that an ICMP error quotes (RFC 792, RFC 4443 §3): enough of it to
 * find the flow that the error is about.
 */
#pragma once

#include "src/dataplane/fz-flow.h"

/* Administratively prohibited: ICMP 3/13, ICMPv6 1/1. */
bool fz_quoted_is_prohibited (const FzIpPacket *error);

/**
 * fz_quoted_parse:
 * @error: one that fz_ip_packet_is_icmp_error
 * @out: the flow as its sender sent it; ports are zero where they are not quoted
 *
 * Returns: FZ_DROP_NONE, or FZ_DROP_TRUNCATED, FZ_DROP_BAD_VERSION
 */
FzDrop fz_quoted_parse (const FzIpPacket *error, FzFlow *out);
