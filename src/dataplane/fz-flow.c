/* fz-flow.c: see the header */

#include "src/dataplane/fz-flow.h"

static FzProtocol
classify (const FzIpPacket *packet, FzFlow *flow)
{
  const uint8_t *transport = fz_ip_packet_get_transport (packet);
  uint16_t identifier;

  if (packet->is_fragment)
    return FZ_PROTOCOL_OTHER;
  switch (packet->protocol) {
  case FZ_IP_PROTOCOL_TCP:
  case FZ_IP_PROTOCOL_UDP:
    flow->source_port = fz_get_u16be (transport);
    flow->destination_port = fz_get_u16be (transport + 2);
    return packet->protocol == FZ_IP_PROTOCOL_TCP ? FZ_PROTOCOL_TCP : FZ_PROTOCOL_UDP;
  case FZ_IP_PROTOCOL_ICMP:
  case FZ_IP_PROTOCOL_ICMPV6:
    if (fz_ip_packet_is_icmp_echo (packet, &identifier)) {
      flow->source_port = flow->destination_port = identifier;
      return FZ_PROTOCOL_ICMP_ECHO;
    }
    return fz_ip_packet_is_icmp_error (packet) ? FZ_PROTOCOL_ICMP_ERROR : FZ_PROTOCOL_ICMP_OTHER;
  default:
    return FZ_PROTOCOL_OTHER;
  }
}

FzFlow
fz_flow_from_packet (const FzIpPacket *packet)
{
  FzFlow flow = { .source = fz_ip_packet_get_source (packet),
                  .destination = fz_ip_packet_get_destination (packet) };

  flow.protocol = (uint8_t) classify (packet, &flow);
  return flow;
}
