/* fz-sim-packet.c: see the header */

#include "tests/sim/fz-sim-packet.h"

#include "src/proto/fz-checksum.h"

#include <string.h>

#define TCP_ACK 0x10u

static size_t
transport_header_size (uint8_t protocol)
{
  return protocol == FZ_IP_PROTOCOL_TCP ? FZ_TCP_HEADER_SIZE : FZ_UDP_HEADER_SIZE;
}

static uint8_t
wire_protocol (const FzSimPacket *packet)
{
  bool is_v6 = packet->source.family == FZ_IP_V6;

  return packet->protocol == FZ_IP_PROTOCOL_ICMP && is_v6 ? FZ_IP_PROTOCOL_ICMPV6
                                                          : packet->protocol;
}

static void
write_ip (const FzSimPacket *packet, size_t transport, FzWriter *w)
{
  uint8_t protocol = wire_protocol (packet);

  if (packet->source.family == FZ_IP_V4) {
    fz_writer_u8 (w, 0x45);
    fz_writer_u8 (w, packet->traffic_class);
    fz_writer_u16be (w, (uint16_t) (FZ_IPV4_HEADER_SIZE + transport));
    fz_writer_u16be (w, 0);
    fz_writer_u16be (w, 0x4000);
    fz_writer_u8 (w, 64);
    fz_writer_u8 (w, protocol);
    fz_writer_u16be (w, 0);
  } else {
    fz_writer_u8 (w, (uint8_t) (0x60 | packet->traffic_class >> 4));
    fz_writer_u8 (w, (uint8_t) (packet->traffic_class << 4));
    fz_writer_u16be (w, 0);
    fz_writer_u16be (w, (uint16_t) transport);
    fz_writer_u8 (w, protocol);
    fz_writer_u8 (w, 64);
  }
  fz_writer_bytes (w, packet->source.bytes, fz_ip_size (&packet->source));
  fz_writer_bytes (w, packet->destination.bytes, fz_ip_size (&packet->destination));
}

/* Returns: where the checksum stands, from the transport header */
static size_t
write_transport (const FzSimPacket *packet, FzWriter *w)
{
  switch (packet->protocol) {
  case FZ_IP_PROTOCOL_TCP:
    fz_writer_u16be (w, packet->source_port);
    fz_writer_u16be (w, packet->destination_port);
    fz_writer_u32be (w, packet->sequence);
    fz_writer_u32be (w, 1);
    fz_writer_u8 (w, 0x50);
    fz_writer_u8 (w, packet->tcp_flags != 0 ? packet->tcp_flags : TCP_ACK);
    fz_writer_u16be (w, 1000);
    fz_writer_u32be (w, 0);
    return 16;
  case FZ_IP_PROTOCOL_UDP:
    fz_writer_u16be (w, packet->source_port);
    fz_writer_u16be (w, packet->destination_port);
    fz_writer_u16be (w, (uint16_t) (FZ_UDP_HEADER_SIZE + packet->payload));
    fz_writer_u16be (w, 0);
    return 6;
  default:
    if (packet->source.family == FZ_IP_V4)
      fz_writer_u8 (w, packet->is_reply ? 0 : 8);
    else
      fz_writer_u8 (w, packet->is_reply ? 129 : 128);
    fz_writer_u8 (w, 0);
    fz_writer_u16be (w, 0);
    fz_writer_u16be (w, packet->source_port);
    fz_writer_u16be (w, packet->destination_port);
    return 2;
  }
}

size_t
fz_sim_packet_build (const FzSimPacket *packet, uint8_t out[FZ_SIM_PACKET_MAX])
{
  size_t transport = transport_header_size (packet->protocol) + packet->payload;
  FzWriter w = fz_writer (out, FZ_SIM_PACKET_MAX);
  FzIpPacket parsed;
  size_t checksum_at;
  uint32_t sum;
  uint8_t *start;

  g_assert (packet->payload >= 4);
  write_ip (packet, transport, &w);
  if (packet->source.family == FZ_IP_V4)
    fz_checksum_write_ipv4_header (out, FZ_IPV4_HEADER_SIZE);
  start = out + w.length;
  checksum_at = write_transport (packet, &w);
  fz_writer_u32be (&w, packet->mark);
  for (size_t i = 4; i < packet->payload; i++)
    fz_writer_u8 (&w, (uint8_t) (packet->mark + i));
  g_assert (w.ok);

  g_assert (fz_ip_packet_parse (fz_span (out, w.length), &parsed) == FZ_DROP_NONE);
  sum = fz_checksum_sum (start, transport);
  if (wire_protocol (packet) != FZ_IP_PROTOCOL_ICMP)
    sum += fz_checksum_pseudo (&parsed, wire_protocol (packet), (uint32_t) transport);
  fz_put_u16be (start + checksum_at, fz_checksum_finish (sum));
  return w.length;
}

bool
fz_sim_packet_parse (FzSpan bytes, FzSimPacket *out)
{
  FzIpPacket packet;
  const uint8_t *transport;
  size_t header;

  if (fz_ip_packet_parse (bytes, &packet) != FZ_DROP_NONE || packet.length != bytes.length)
    return false;
  transport = fz_ip_packet_get_transport (&packet);
  *out = (FzSimPacket){
    .source = fz_ip_packet_get_source (&packet),
    .destination = fz_ip_packet_get_destination (&packet),
    .protocol = packet.protocol == FZ_IP_PROTOCOL_ICMPV6 ? FZ_IP_PROTOCOL_ICMP : packet.protocol,
    .traffic_class = fz_ip_packet_get_traffic_class (&packet),
  };
  header = transport_header_size (out->protocol);
  if (fz_ip_packet_get_transport_length (&packet) < header + 4 || !fz_checksum_is_good (&packet))
    return false;

  if (out->protocol == FZ_IP_PROTOCOL_ICMP) {
    out->is_reply = transport[0] == 0 || transport[0] == 129;
    if (!out->is_reply && transport[0] != 8 && transport[0] != 128)
      return false;
    transport += 4;
  }
  out->source_port = fz_get_u16be (transport);
  out->destination_port = fz_get_u16be (transport + 2);
  transport = fz_ip_packet_get_transport (&packet);
  if (out->protocol == FZ_IP_PROTOCOL_TCP) {
    out->sequence = fz_get_u32be (transport + 4);
    out->tcp_flags = transport[13];
  }
  out->mark = fz_get_u32be (transport + header);
  out->payload = fz_ip_packet_get_transport_length (&packet) - header;
  for (size_t i = 4; i < out->payload; i++)
    if (transport[header + i] != (uint8_t) (out->mark + i))
      return false;
  return true;
}

FzSimPacket
fz_sim_packet_reply (const FzSimPacket *request)
{
  FzSimPacket reply = *request;

  reply.source = request->destination;
  reply.destination = request->source;
  reply.is_reply = true;
  if (request->protocol != FZ_IP_PROTOCOL_ICMP) {
    reply.source_port = request->destination_port;
    reply.destination_port = request->source_port;
  }
  return reply;
}

bool
fz_sim_packet_is_prohibited (FzSpan bytes, uint32_t *out_mark)
{
  FzIpPacket packet;
  const uint8_t *icmp;
  size_t quoted;

  if (fz_ip_packet_parse (bytes, &packet) != FZ_DROP_NONE || !fz_ip_packet_is_icmp_error (&packet))
    return false;
  icmp = fz_ip_packet_get_transport (&packet);
  if (packet.family == FZ_IP_V4 ? icmp[0] != 3 || icmp[1] != 13 : icmp[0] != 1 || icmp[1] != 1)
    return false;
  /* IPv4 quotes eight bytes behind the header: the mark is not among them */
  quoted = FZ_ICMP_HEADER_SIZE + (packet.family == FZ_IP_V4 ? FZ_IPV4_HEADER_SIZE : 40u);
  *out_mark = packet.family == FZ_IP_V6 &&
                      fz_ip_packet_get_transport_length (&packet) >= quoted + FZ_UDP_HEADER_SIZE + 4
                  ? fz_get_u32be (icmp + quoted + FZ_UDP_HEADER_SIZE)
                  : fz_get_u16be (icmp + quoted + 2);
  return true;
}
