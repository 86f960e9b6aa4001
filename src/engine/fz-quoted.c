/* fz-quoted.c: see the header */

#include "src/engine/fz-quoted.h"

#include <string.h>

bool
fz_quoted_is_prohibited (const FzIpPacket *error)
{
  const uint8_t *icmp = fz_ip_packet_get_transport (error);

  return error->family == FZ_IP_V4 ? icmp[0] == 3 && icmp[1] == 13 : icmp[0] == 1 && icmp[1] == 1;
}

static void
set_transport (FzFlow *flow, uint8_t protocol, FzReader *r)
{
  uint16_t source_port = fz_reader_u16be (r);
  uint16_t destination_port = fz_reader_u16be (r);
  uint16_t identifier = fz_reader_u16be (r); /* of an echo */

  switch (protocol) {
  case FZ_IP_PROTOCOL_TCP:
  case FZ_IP_PROTOCOL_UDP:
    flow->protocol = protocol == FZ_IP_PROTOCOL_TCP ? FZ_PROTOCOL_TCP : FZ_PROTOCOL_UDP;
    flow->source_port = source_port;
    flow->destination_port = destination_port;
    return;
  case FZ_IP_PROTOCOL_ICMP:
  case FZ_IP_PROTOCOL_ICMPV6:
    flow->protocol = FZ_PROTOCOL_ICMP_ECHO;
    flow->source_port = identifier;
    flow->destination_port = identifier;
    return;
  default:
    flow->protocol = FZ_PROTOCOL_OTHER;
  }
}

FzDrop
fz_quoted_parse (const FzIpPacket *error, FzFlow *out)
{
  FzReader r = fz_reader (
      fz_span (fz_ip_packet_get_transport (error), fz_ip_packet_get_transport_length (error)));
  bool is_v4 = error->family == FZ_IP_V4;
  FzFlow flow;
  const uint8_t *ip;

  memset (&flow, 0, sizeof flow);
  fz_reader_take (&r, FZ_ICMP_HEADER_SIZE);
  ip = fz_reader_take (&r, is_v4 ? FZ_IPV4_HEADER_SIZE : FZ_IPV6_HEADER_SIZE);
  if (ip == NULL)
    return FZ_DROP_TRUNCATED;
  if (ip[0] >> 4 != (is_v4 ? 4 : 6) || (is_v4 && (ip[0] & 15) < 5))
    return FZ_DROP_BAD_VERSION;
  if (is_v4)
    fz_reader_take (&r, (size_t) (ip[0] & 15) * 4 - FZ_IPV4_HEADER_SIZE);

  flow.source = is_v4 ? fz_ip_v4 (ip + 12) : fz_ip_v6 (ip + 8);
  flow.destination = is_v4 ? fz_ip_v4 (ip + 16) : fz_ip_v6 (ip + 24);
  set_transport (&flow, is_v4 ? ip[9] : ip[6], &r);
  if (!r.ok)
    return FZ_DROP_TRUNCATED;
  *out = flow;
  return FZ_DROP_NONE;
}
