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

#define ICMP_UNREACHABLE      3u
#define ICMP_TIME_EXCEEDED    11u
#define ICMP_ECHO_REPLY       0u
#define ICMP_ECHO_REQUEST     8u
#define ICMPV6_UNREACHABLE    1u
#define ICMPV6_PACKET_TOO_BIG 2u
#define ICMPV6_TIME_EXCEEDED  3u
#define ICMPV6_ECHO_REQUEST   128u
#define ICMPV6_ECHO_REPLY     129u

#define IPV6_PAYLOAD_LENGTH_AT 4u

static inline FzDrop
check_transport (uint8_t family, uint8_t protocol, const uint8_t *transport, uint32_t length)
{
  uint32_t tcp_header;

  switch (protocol) {
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
    if ((protocol == FZ_IP_PROTOCOL_ICMP) != (family == FZ_IP_V4))
      return FZ_DROP_BAD_HEADER;
    return length < FZ_ICMP_HEADER_SIZE ? FZ_DROP_TRUNCATED : FZ_DROP_NONE;
  default:
    return FZ_DROP_NONE;
  }
}

/* The view is put together from values at the end, not in place: it is copied soon after, and a
 * wide load from fresh narrow stores stalls. */
static FzDrop
parse_ipv4 (FzSpan bytes, FzIpPacket *out)
{
  uint32_t header_length, length;
  bool is_fragment;
  FzDrop drop;

  if (bytes.length < FZ_IPV4_HEADER_SIZE)
    return FZ_DROP_TRUNCATED;
  header_length = (uint32_t) (bytes.data[0] & 0xf) * 4;
  length = fz_get_u16be (bytes.data + 2);
  if (header_length < FZ_IPV4_HEADER_SIZE)
    return FZ_DROP_BAD_HEADER;
  if (length < header_length)
    return FZ_DROP_BAD_LENGTH;
  if (length > bytes.length)
    return FZ_DROP_TRUNCATED;

  is_fragment = (fz_get_u16be (bytes.data + 6) & 0x3fff) != 0; /* MF or an offset */
  if (!is_fragment) {
    drop = check_transport (
        FZ_IP_V4, bytes.data[9], bytes.data + header_length, length - header_length);
    if (drop != FZ_DROP_NONE)
      return drop;
  }
  out->data = bytes.data;
  out->length = length;
  out->transport_offset = (uint16_t) header_length;
  out->family = FZ_IP_V4;
  out->protocol = bytes.data[9];
  out->is_fragment = is_fragment;
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

/* Where the walk over the extension headers has got to. */
typedef struct {
  uint32_t at; /* bytes from the start of the packet */
  uint8_t next;
  bool is_fragment;
  FzDrop drop;
} Extensions;

/* Walks to the transport header; each step is at least 8 bytes, so it ends. */
static Extensions
skip_extensions (const uint8_t *data, uint32_t length)
{
  Extensions walk = { .at = FZ_IPV6_HEADER_SIZE, .next = data[6] };

  while (is_extension (walk.next) && !walk.is_fragment) {
    const uint8_t *extension = data + walk.at;
    uint32_t size;

    if (length - walk.at < 8) {
      walk.drop = FZ_DROP_TRUNCATED;
      break;
    }
    size = get_extension_length (walk.next, extension);
    if (size > length - walk.at) {
      walk.drop = FZ_DROP_BAD_HEADER;
      break;
    }
    walk.is_fragment =
        walk.next == EXTENSION_FRAGMENT && (fz_get_u16be (extension + 2) & 0xfff9) != 0;
    walk.at += size;
    walk.next = extension[0];
  }
  return walk;
}

static FzDrop
parse_ipv6 (FzSpan bytes, FzIpPacket *out)
{
  Extensions walk;
  uint32_t length;
  FzDrop drop;

  if (bytes.length < FZ_IPV6_HEADER_SIZE)
    return FZ_DROP_TRUNCATED;
  length = FZ_IPV6_HEADER_SIZE + fz_get_u16be (bytes.data + IPV6_PAYLOAD_LENGTH_AT);
  if (length > UINT16_MAX)
    return FZ_DROP_TOO_LARGE;
  if (length > bytes.length)
    return FZ_DROP_TRUNCATED;

  walk = skip_extensions (bytes.data, length);
  drop = walk.drop;
  if (drop == FZ_DROP_NONE && !walk.is_fragment)
    drop = check_transport (FZ_IP_V6, walk.next, bytes.data + walk.at, length - walk.at);
  if (drop != FZ_DROP_NONE)
    return drop;
  out->data = bytes.data;
  out->length = length;
  out->transport_offset = (uint16_t) walk.at;
  out->family = FZ_IP_V6;
  out->protocol = walk.next;
  out->is_fragment = walk.is_fragment;
  return FZ_DROP_NONE;
}

FzDrop
fz_ip_packet_parse (FzSpan bytes, FzIpPacket *out)
{
  if (bytes.length == 0)
    return FZ_DROP_TRUNCATED;
  switch (bytes.data[0] >> 4) {
  case 4:
    return parse_ipv4 (bytes, out);
  case 6:
    return parse_ipv6 (bytes, out);
  default:
    return FZ_DROP_BAD_VERSION;
  }
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
  bool is_v4 = packet->protocol == FZ_IP_PROTOCOL_ICMP;
  uint8_t type;

  /* only of ICMP has the parser seen that there is a transport header at all */
  if (packet->is_fragment || (!is_v4 && packet->protocol != FZ_IP_PROTOCOL_ICMPV6))
    return false;
  type = *fz_ip_packet_get_transport (packet);
  if (is_v4)
    return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED;
  return type == ICMPV6_UNREACHABLE || type == ICMPV6_PACKET_TOO_BIG ||
         type == ICMPV6_TIME_EXCEEDED;
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
