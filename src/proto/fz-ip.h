/* fz-ip.h
 *
 * Inner IP packets of either family: parsed and validated once into a small
 * view, then read through it (tunnel.md §10.1, connectivity.md §9.2).
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-bytes.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-span.h"

#define FZ_IPV4_HEADER_SIZE 20u /* without options */
#define FZ_IPV6_HEADER_SIZE 40u /* without extension headers */
#define FZ_TCP_HEADER_SIZE  20u /* without options */
#define FZ_UDP_HEADER_SIZE  8u
#define FZ_ICMP_HEADER_SIZE 8u

/* Protocol numbers (IANA) */
#define FZ_IP_PROTOCOL_ICMP    1u
#define FZ_IP_PROTOCOL_TCP     6u
#define FZ_IP_PROTOCOL_UDP     17u
#define FZ_IP_PROTOCOL_ICMPV6  58u
#define FZ_IP_PROTOCOL_CONTROL 255u /* connectivity.md §7.1 */

/* ECN bits of the traffic class (RFC 3168 §5) */
#define FZ_ECN_NOT_ECT 0u
#define FZ_ECN_ECT1    1u
#define FZ_ECN_ECT0    2u
#define FZ_ECN_CE      3u

/* A view of one packet; valid as long as its bytes. */
typedef struct {
  const uint8_t *data;       /* IP header */
  uint32_t length;           /* bytes by the IP header: what lies behind is padding */
  uint16_t transport_offset; /* bytes: IP header with options or extension headers */
  uint8_t family;            /* FzIpFamily */
  uint8_t protocol;          /* IPv4 protocol, or the last next header of IPv6 */
  bool is_fragment;          /* more fragments, or an offset; an atomic IPv6 fragment is none */
} FzIpPacket;

/**
 * fz_ip_packet_parse:
 * @bytes: a packet, maybe with padding behind it
 *
 * Checks version, lengths and the transport header as far as it is understood:
 * UDP's length must be what is there, TCP's data offset in bounds, ICMP at least
 * 8 bytes and of the packet's family. Other protocols pass. Of a fragment nothing
 * behind the IP header is checked. Does not look at checksums nor at the MTU.
 *
 * Returns: FZ_DROP_NONE, or TRUNCATED, BAD_LENGTH, BAD_VERSION, BAD_HEADER
 */
FzDrop fz_ip_packet_parse (FzSpan bytes, FzIpPacket *out);

FzIp fz_ip_packet_get_source (const FzIpPacket *packet);
FzIp fz_ip_packet_get_destination (const FzIpPacket *packet);

/* Source, then destination, as they stand in the header: 8 or 32 bytes. */
static inline const uint8_t *
fz_ip_packet_get_addresses (const FzIpPacket *packet)
{
  return packet->data + (packet->family == FZ_IP_V4 ? 12 : 8);
}

static inline const uint8_t *
fz_ip_packet_get_transport (const FzIpPacket *packet)
{
  return packet->data + packet->transport_offset;
}

static inline uint32_t
fz_ip_packet_get_transport_length (const FzIpPacket *packet)
{
  return packet->length - packet->transport_offset;
}

/* DSCP and ECN. */
static inline uint8_t
fz_ip_packet_get_traffic_class (const FzIpPacket *packet)
{
  if (packet->family == FZ_IP_V4)
    return packet->data[1];
  return (uint8_t) (packet->data[0] << 4 | packet->data[1] >> 4);
}

static inline uint8_t
fz_ip_packet_get_ecn (const FzIpPacket *packet)
{
  return fz_ip_packet_get_traffic_class (packet) & 3;
}

/**
 * fz_ip_merge_ecn:
 * @packet: bytes of a packet that fz_ip_packet_parse has accepted
 * @outer: ECN bits of the datagram that carried it
 *
 * Sets CE where the outer header says so and the inner one is ECT; never clears
 * (connectivity.md §9.3). The IPv4 header checksum is updated.
 */
void fz_ip_merge_ecn (uint8_t *packet, uint8_t outer);

/* An ICMP error message of the kinds that quote a packet: unreachable, time exceeded, and packet
 * too big of ICMPv6. */
bool fz_ip_packet_is_icmp_error (const FzIpPacket *packet);

/* ICMP or ICMPv6 echo request or reply; @out_identifier in host order. */
bool fz_ip_packet_is_icmp_echo (const FzIpPacket *packet, uint16_t *out_identifier);

/* The peer-to-peer control protocol's carrier (connectivity.md §7.1): IPv6, last next header 255,
 * both addresses unspecified. */
bool fz_ip_packet_is_control (const FzIpPacket *packet);

/* A path agent's probe (connectivity.md §4.5), by its addresses. */
bool fz_ip_packet_is_path_probe (const FzIpPacket *packet);
