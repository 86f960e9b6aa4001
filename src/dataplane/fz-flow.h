/* fz-flow.h
 *
 * What an inner packet is matched by: addresses, protocol class and ports. One
 * direction; a flow and its answers are two FzFlows.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/dataplane/fz-filter.h"
#include "src/proto/fz-ip.h"

/* Compared and hashed as bytes: no padding, unused fields are zero. */
typedef struct {
  FzIp source;
  FzIp destination;
  uint16_t source_port;      /* host order; ICMP echo: the identifier in both; else 0 */
  uint16_t destination_port; /* host order */
  uint8_t protocol;          /* FzProtocol */
  uint8_t reserved;          /* zero */
} FzFlow;

_Static_assert(sizeof (FzFlow) == 2 * sizeof (FzIp) + 6, "hashed as bytes: no holes");

/* @packet: parsed by fz_ip_packet_parse. A fragment is FZ_PROTOCOL_OTHER: its ports are not in
 * reach. */
FzFlow fz_flow_from_packet (const FzIpPacket *packet);

/* What filters are asked with on the way to a resource: the destination's port. */
static inline FzProtocolKey
fz_flow_key_outbound (const FzFlow *flow)
{
  return (FzProtocolKey){ flow->protocol, flow->destination_port };
}

/* The same for the way back: the source's port. */
static inline FzProtocolKey
fz_flow_key_return (const FzFlow *flow)
{
  return (FzProtocolKey){ flow->protocol, flow->source_port };
}
