/* fz-ip.c: see the header */

#include "src/proto/fz-ip.h"

#include "src/proto/fz-checksum.h"

/* IPv6 extension headers (IANA); AH counts its length in other units */
#define EXTENSION_HOP_BY_HOP  0u
#define EXTENSION_ROUTING     43u
#define EXTENSION_FRAGMENT    44u
#define EXTENSION_AH          51u
#define EXTENSION_DESTINATION 60u
#define EXTENSION_MOBILITY    135u
#define EXTENSION_HIP         139u
#define EXTENSION_SHIM6       140u

#define ICMP_UNREACHABLE       3u
#define ICMP_TIME_EXCEEDED     11u
#define ICMP_ECHO_REPLY        0u
#define ICMP_ECHO_REQUEST      8u
#define ICMPV6_UNREACHABLE     1u
#define ICMPV6_PACKET_TOO_BIG  2u
#define ICMPV6_TIME_EXCEEDED   3u
#define ICMPV6_ECHO_REQUEST    128u
#define ICMPV6_ECHO_REPLY      129u
#define IPV6_PAYLOAD_LENGTH_AT 4u

static FzDrop
check_transport (const FzIpPacket *packet)
{
  const uint8_t *transport = fz_ip_packet_get_transport (packet);
  uint32_t length = fz_ip_packet_get_transport_length (packet);
  uint32_t tcp_header;

  switch (packet->protocol) {
  case FZ_IP_PROTOCOL_TCP:
    if (length < FZ_TCP_HEADER_SIZE)
      return FZ_DROP_TRUNCATED;
    tcp_header = (uint32_t) (transport[12] >> 4) * 4;
    return tcp_header < FZ_TCP_HEADER_SIZE || tcp_header > length ? FZ_DROP_BAD_HEADER
                                                                  : FZ_DROP_NONE;
  case FZ_IP_PROTOCOL_UDP:
    if (length < FZ_UDP_HEADER_SIZE)
      return FZ_DROP_TRUNCATED;
    return fz_get_u16be (transport + 4) != length ? FZ_DROP_BAD_LENGTH : FZ_DROP_NONE;
  case FZ_IP_PROTOCOL_ICMP:
  case FZ_IP_PROTOCOL_ICMPV6:
    if ((packet->protocol == FZ_IP_PROTOCOL_ICMP) != (packet->family == FZ_IP_V4))
      return FZ_DROP_BAD_HEADER;
    return length < FZ_ICMP_HEADER_SIZE ? FZ_DROP_TRUNCATED : FZ_DROP_NONE;
  default:
    return FZ_DROP_NONE;
  }
}

static FzDrop
parse_ipv4 (FzSpan bytes, FzIpPacket *packet)
{
  uint32_t header_length;

  if (bytes.length < FZ_IPV4_HEADER_SIZE)
    return FZ_DROP_TRUNCATED;
  header_length = (uint32_t) (bytes.data[0] & 0xf) * 4;
  packet->length = fz_get_u16be (bytes.data + 2);
  if (header_length < FZ_IPV4_HEADER_SIZE)
    return FZ_DROP_BAD_HEADER;
  if (packet->length < header_length)
    return FZ_DROP_BAD_LENGTH;
  if (packet->length > bytes.length)
    return FZ_DROP_TRUNCATED;

  packet->family = FZ_IP_V4;
  packet->transport_offset = (uint16_t) header_length;
  packet->protocol = bytes.data[9];
  packet->is_fragment = (fz_get_u16be (bytes.data + 6) & 0x3fff) != 0; /* MF or an offset */
  return FZ_DROP_NONE;
}

static bool
is_extension (uint8_t next_header)
{
  switch (next_header) {
  case EXTENSION_HOP_BY_HOP:
  case EXTENSION_ROUTING:
  case EXTENSION_FRAGMENT:
  case EXTENSION_AH:
  case EXTENSION_DESTINATION:
  case EXTENSION_MOBILITY:
  case EXTENSION_HIP:
  case EXTENSION_SHIM6:
    return true;
  default:
    return false;
  }
}

/* Bytes of the extension header at @at. */
static uint32_t
get_extension_length (uint8_t kind, const uint8_t *at)
{
  if (kind == EXTENSION_FRAGMENT)
    return 8;
  if (kind == EXTENSION_AH)
    return ((uint32_t) at[1] + 2) * 4;
  return ((uint32_t) at[1] + 1) * 8;
}

/* Walks to the transport header; each step is at least 8 bytes, so it ends. */
static FzDrop
skip_extensions (FzIpPacket *packet)
{
  uint32_t at = FZ_IPV6_HEADER_SIZE;
  uint8_t next = packet->data[6];

  while (is_extension (next)) {
    const uint8_t *extension = packet->data + at;
    uint32_t length;

    if (packet->length - at < 8)
      return FZ_DROP_TRUNCATED;
    length = get_extension_length (next, extension);
    if (length > packet->length - at)
      return FZ_DROP_BAD_HEADER;
    at += length;
    if (next == EXTENSION_FRAGMENT && (fz_get_u16be (extension + 2) & 0xfff9) != 0) {
      packet->is_fragment = true;
      next = extension[0];
      break;
    }
    next = extension[0];
  }
  packet->transport_offset = (uint16_t) at;
  packet->protocol = next;
  return FZ_DROP_NONE;
}

static FzDrop
parse_ipv6 (FzSpan bytes, FzIpPacket *packet)
{
  if (bytes.length < FZ_IPV6_HEADER_SIZE)
    return FZ_DROP_TRUNCATED;
  packet->length = FZ_IPV6_HEADER_SIZE + fz_get_u16be (bytes.data + IPV6_PAYLOAD_LENGTH_AT);
  if (packet->length > UINT16_MAX)
    return FZ_DROP_TOO_LARGE;
  if (packet->length > bytes.length)
    return FZ_DROP_TRUNCATED;
  packet->family = FZ_IP_V6;
  packet->is_fragment = false;
  return skip_extensions (packet);
}

FzDrop
fz_ip_packet_parse (FzSpan bytes, FzIpPacket *out)
{
  FzIpPacket packet = { .data = bytes.data };
  FzDrop drop;

  if (bytes.length == 0)
    return FZ_DROP_TRUNCATED;
  if (bytes.data[0] >> 4 == 4)
    drop = parse_ipv4 (bytes, &packet);
  else if (bytes.data[0] >> 4 == 6)
    drop = parse_ipv6 (bytes, &packet);
  else
    drop = FZ_DROP_BAD_VERSION;

  if (drop == FZ_DROP_NONE && !packet.is_fragment)
    drop = check_transport (&packet);
  if (drop == FZ_DROP_NONE)
    *out = packet;
  return drop;
}

static FzIp
make_ip (const FzIpPacket *packet, const uint8_t *bytes)
{
  return packet->family == FZ_IP_V4 ? fz_ip_v4 (bytes) : fz_ip_v6 (bytes);
}

FzIp
fz_ip_packet_get_source (const FzIpPacket *packet)
{
  return make_ip (packet, fz_ip_packet_get_addresses (packet));
}

FzIp
fz_ip_packet_get_destination (const FzIpPacket *packet)
{
  return make_ip (packet,
                  fz_ip_packet_get_addresses (packet) + (packet->family == FZ_IP_V4 ? 4 : 16));
}

void
fz_ip_merge_ecn (uint8_t *packet, uint8_t outer)
{
  bool is_v4 = packet[0] >> 4 == 4;
  uint8_t inner = is_v4 ? packet[1] & 3 : packet[1] >> 4 & 3;

  if (outer != FZ_ECN_CE || inner == FZ_ECN_NOT_ECT || inner == FZ_ECN_CE)
    return;
  if (is_v4) {
    uint16_t old_word = fz_get_u16be (packet);
    uint16_t new_word = old_word | FZ_ECN_CE;
    uint16_t checksum = fz_get_u16be (packet + 10);

    packet[1] |= FZ_ECN_CE;
    fz_put_u16be (packet + 10, fz_checksum_update (checksum, old_word, new_word));
  } else {
    packet[1] |= FZ_ECN_CE << 4;
  }
}

bool
fz_ip_packet_is_icmp_error (const FzIpPacket *packet)
{
  uint8_t type;

  if (packet->is_fragment)
    return false;
  type = *fz_ip_packet_get_transport (packet);
  if (packet->protocol == FZ_IP_PROTOCOL_ICMP)
    return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED;
  return packet->protocol == FZ_IP_PROTOCOL_ICMPV6 &&
         (type == ICMPV6_UNREACHABLE || type == ICMPV6_PACKET_TOO_BIG ||
          type == ICMPV6_TIME_EXCEEDED);
}

bool
fz_ip_packet_is_icmp_echo (const FzIpPacket *packet, uint16_t *out_identifier)
{
  const uint8_t *icmp = fz_ip_packet_get_transport (packet);
  bool is_echo = false;

  if (packet->is_fragment)
    return false;
  if (packet->protocol == FZ_IP_PROTOCOL_ICMP)
    is_echo = icmp[0] == ICMP_ECHO_REQUEST || icmp[0] == ICMP_ECHO_REPLY;
  else if (packet->protocol == FZ_IP_PROTOCOL_ICMPV6)
    is_echo = icmp[0] == ICMPV6_ECHO_REQUEST || icmp[0] == ICMPV6_ECHO_REPLY;
  if (is_echo)
    *out_identifier = fz_get_u16be (icmp + 4);
  return is_echo;
}

bool
fz_ip_packet_is_control (const FzIpPacket *packet)
{
  static const uint8_t zeros[32];

  return packet->family == FZ_IP_V6 && packet->protocol == FZ_IP_PROTOCOL_CONTROL &&
         memcmp (fz_ip_packet_get_addresses (packet), zeros, sizeof zeros) == 0;
}

bool
fz_ip_packet_is_path_probe (const FzIpPacket *packet)
{
  static const uint8_t addresses[32] = {
    0x01, 0, [10] = 0xde, 0xad, 0x01, 0xce, [15] = 1, 0x01, 0, [26] = 0xde, 0xad, 1, 0xce, [31] = 2,
  };

  return packet->family == FZ_IP_V6 && packet->protocol == FZ_IP_PROTOCOL_ICMPV6 &&
         memcmp (fz_ip_packet_get_addresses (packet), addresses, sizeof addresses) == 0;
}
