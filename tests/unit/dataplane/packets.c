/* packets.c: see the header */

#include "packets.h"

#include "src/proto/fz-checksum.h"

#include <glib.h>

#define TCP_ACK 0x10

uint8_t
test_payload_byte (uint8_t seed, size_t i)
{
  return (uint8_t) (seed + i * 7 + (i >> 8));
}

static void
write_ipv4 (FzWriter *w, const TestPacket *packet, size_t transport_length)
{
  size_t header = packet->ip_options ? 24 : 20;
  uint8_t *ip = w->start;

  fz_writer_u8 (w, (uint8_t) (0x40 | header / 4));
  fz_writer_u8 (w, packet->traffic_class);
  fz_writer_u16be (w, (uint16_t) (header + transport_length));
  fz_writer_u16be (w, packet->id);
  if (packet->fragment != 0)
    fz_writer_u16be (w, packet->fragment);
  else
    fz_writer_u16be (w, packet->no_df ? 0 : 0x4000);
  fz_writer_u8 (w, packet->ttl != 0 ? packet->ttl : 64);
  fz_writer_u8 (w, packet->protocol != 0 ? packet->protocol : FZ_IP_PROTOCOL_TCP);
  fz_writer_u16be (w, 0);
  fz_writer_u32be (w, 0x0a000000u | packet->source);
  fz_writer_u32be (w, 0x0a010000u | packet->destination);
  if (packet->ip_options)
    fz_writer_u32be (w, 0x01010100u);
  fz_checksum_write_ipv4_header (ip, header);
}

static void
write_ipv6 (FzWriter *w, const TestPacket *packet, size_t transport_length)
{
  uint8_t protocol = packet->protocol != 0 ? packet->protocol : FZ_IP_PROTOCOL_TCP;

  fz_writer_u32be (w, 6u << 28 | (uint32_t) packet->traffic_class << 20 | (packet->id & 0xfffffu));
  fz_writer_u16be (w, (uint16_t) (transport_length + (packet->ip_options ? 8 : 0)));
  fz_writer_u8 (w, packet->ip_options ? 60 : protocol);
  fz_writer_u8 (w, packet->ttl != 0 ? packet->ttl : 64);
  fz_writer_u16be (w, 0xfd00);
  fz_writer_zeros (w, 13);
  fz_writer_u8 (w, packet->source);
  fz_writer_u16be (w, 0xfd01);
  fz_writer_zeros (w, 13);
  fz_writer_u8 (w, packet->destination);
  if (packet->ip_options) {
    fz_writer_u8 (w, protocol);
    fz_writer_zeros (w, 1);
    fz_writer_u16be (w, 0x0104);
    fz_writer_zeros (w, 4);
  }
}

static void
write_transport (FzWriter *w, const TestPacket *packet, size_t transport_length)
{
  switch (packet->protocol) {
  case FZ_IP_PROTOCOL_UDP:
    fz_writer_u16be (w, packet->source_port);
    fz_writer_u16be (w, packet->destination_port);
    fz_writer_u16be (w, (uint16_t) transport_length);
    fz_writer_u16be (w, 0);
    break;
  case 0:
  case FZ_IP_PROTOCOL_TCP:
    fz_writer_u16be (w, packet->source_port);
    fz_writer_u16be (w, packet->destination_port);
    fz_writer_u32be (w, packet->sequence);
    fz_writer_u32be (w, packet->acknowledgement);
    fz_writer_u8 (w, (uint8_t) ((20 + packet->tcp_options) / 4 << 4));
    fz_writer_u8 (w, packet->tcp_flags != 0 ? packet->tcp_flags : TCP_ACK);
    fz_writer_u16be (w, packet->window);
    fz_writer_u32be (w, 0);
    for (uint8_t i = 0; i < packet->tcp_options; i++)
      fz_writer_u8 (w, (uint8_t) (packet->option_seed + i));
    break;
  default: /* ICMP and others: type is the source port's low byte, then the identifier */
    fz_writer_u8 (w, (uint8_t) packet->source_port);
    fz_writer_u8 (w, 0);
    fz_writer_u16be (w, 0);
    fz_writer_u16be (w, packet->destination_port);
    fz_writer_u16be (w, (uint16_t) packet->sequence);
    break;
  }
}

static size_t
transport_header_length (const TestPacket *packet)
{
  if (packet->protocol == 0 || packet->protocol == FZ_IP_PROTOCOL_TCP)
    return 20u + packet->tcp_options;
  return 8;
}

/* Everything but the transport checksum. */
static size_t
build (const TestPacket *packet, uint8_t *out)
{
  FzWriter w = fz_writer (out, TEST_PACKET_MAX);
  size_t transport_length = transport_header_length (packet) + packet->payload;

  if (packet->is_v6)
    write_ipv6 (&w, packet, transport_length);
  else
    write_ipv4 (&w, packet, transport_length);
  write_transport (&w, packet, transport_length);
  for (size_t i = 0; i < packet->payload; i++)
    fz_writer_u8 (&w, test_payload_byte (packet->payload_seed, i));
  g_assert_true (w.ok);
  return w.length;
}

FzIpPacket
test_parse (const uint8_t *bytes, size_t length)
{
  FzIpPacket packet;

  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, length), &packet), ==, FZ_DROP_NONE);
  return packet;
}

static size_t
checksum_offset (uint8_t protocol)
{
  return protocol == FZ_IP_PROTOCOL_TCP ? 16 : protocol == FZ_IP_PROTOCOL_UDP ? 6 : 2;
}

size_t
test_packet_build (const TestPacket *packet, uint8_t *out)
{
  size_t length = build (packet, out);
  FzIpPacket parsed;
  uint32_t transport_length, sum;
  uint8_t *transport;
  uint16_t checksum;

  if (packet->no_checksum || packet->fragment != 0)
    return length;
  parsed = test_parse (out, length);
  transport = out + parsed.transport_offset;
  transport_length = fz_ip_packet_get_transport_length (&parsed);
  sum = fz_checksum_sum (transport, transport_length);
  if (parsed.protocol != FZ_IP_PROTOCOL_ICMP)
    sum += fz_checksum_pseudo (&parsed, parsed.protocol, transport_length);
  checksum = fz_checksum_finish (sum);
  if (parsed.protocol == FZ_IP_PROTOCOL_UDP && checksum == 0)
    checksum = 0xffff;
  fz_put_u16be (transport + checksum_offset (parsed.protocol), checksum);
  return length;
}

size_t
test_packet_build_super (const TestPacket *packet,
                         uint16_t gso_size,
                         uint8_t *out,
                         FzVnetHeader *out_vnet)
{
  size_t length = build (packet, out);
  FzIpPacket parsed = test_parse (out, length);
  bool is_tcp = parsed.protocol == FZ_IP_PROTOCOL_TCP;
  uint32_t pseudo =
      fz_checksum_pseudo (&parsed, parsed.protocol, fz_ip_packet_get_transport_length (&parsed));

  fz_put_u16be (out + parsed.transport_offset + checksum_offset (parsed.protocol),
                fz_checksum_fold (pseudo));
  *out_vnet = (FzVnetHeader){
    .flags = FZ_VNET_F_NEEDS_CSUM,
    .gso_type = (uint8_t) (gso_size == 0   ? FZ_VNET_GSO_NONE
                           : !is_tcp       ? FZ_VNET_GSO_UDP
                           : packet->is_v6 ? FZ_VNET_GSO_TCPV6
                                           : FZ_VNET_GSO_TCPV4),
    .header_length = 0xffff, /* a lie, as when the kernel forwards */
    .gso_size = gso_size,
    .csum_start = parsed.transport_offset,
    .csum_offset = (uint16_t) checksum_offset (parsed.protocol),
  };
  return length;
}
