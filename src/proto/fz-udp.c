/* fz-udp.c: see the header */

#include "src/proto/fz-udp.h"

#include "src/proto/fz-checksum.h"

#define HOP_LIMIT       64u /* tunnel.md §10.3 */
#define UDP_CHECKSUM_AT 6u

bool
fz_udp_parse (const FzIpPacket *packet, FzUdpDatagram *out)
{
  const uint8_t *udp = fz_ip_packet_get_transport (packet);

  if (packet->protocol != FZ_IP_PROTOCOL_UDP || packet->is_fragment)
    return false;
  *out = (FzUdpDatagram){
    .source = { fz_ip_packet_get_source (packet), fz_get_u16be (udp) },
    .destination = { fz_ip_packet_get_destination (packet), fz_get_u16be (udp + 2) },
    .payload = fz_span (udp + FZ_UDP_HEADER_SIZE,
                        fz_ip_packet_get_transport_length (packet) - FZ_UDP_HEADER_SIZE),
  };
  return true;
}

static size_t
write_ip_header (const FzUdpDatagram *datagram, size_t udp_length, uint8_t *out)
{
  const FzIp *source = &datagram->source.ip, *destination = &datagram->destination.ip;
  bool is_v4 = source->family == FZ_IP_V4;
  size_t header = is_v4 ? FZ_IPV4_HEADER_SIZE : FZ_IPV6_HEADER_SIZE;

  memset (out, 0, header);
  if (is_v4) {
    out[0] = 0x45;
    fz_put_u16be (out + 2, (uint16_t) (header + udp_length));
    fz_put_u16be (out + 6, 0x4000); /* don't fragment: no identification is needed */
    out[8] = HOP_LIMIT;
    out[9] = FZ_IP_PROTOCOL_UDP;
    memcpy (out + 12, source->bytes, 4);
    memcpy (out + 16, destination->bytes, 4);
    fz_checksum_write_ipv4_header (out, header);
  } else {
    out[0] = 0x60;
    fz_put_u16be (out + 4, (uint16_t) udp_length);
    out[6] = FZ_IP_PROTOCOL_UDP;
    out[7] = HOP_LIMIT;
    memcpy (out + 8, source->bytes, 16);
    memcpy (out + 24, destination->bytes, 16);
  }
  return header;
}

size_t
fz_udp_write (const FzUdpDatagram *datagram, uint8_t out[FZ_UDP_PACKET_MAX])
{
  size_t udp_length = FZ_UDP_HEADER_SIZE + datagram->payload.length;
  FzIpPacket packet;
  uint16_t checksum;
  uint8_t *udp;
  size_t header;

  if (datagram->payload.length > FZ_UDP_PAYLOAD_MAX)
    return 0;
  header = write_ip_header (datagram, udp_length, out);
  udp = out + header;
  fz_put_u16be (udp, datagram->source.port);
  fz_put_u16be (udp + 2, datagram->destination.port);
  fz_put_u16be (udp + 4, (uint16_t) udp_length);
  fz_put_u16be (udp + UDP_CHECKSUM_AT, 0);
  if (datagram->payload.length > 0)
    memcpy (udp + FZ_UDP_HEADER_SIZE, datagram->payload.data, datagram->payload.length);

  packet = (FzIpPacket){ .data = out, .family = datagram->source.ip.family };
  checksum =
      fz_checksum_finish (fz_checksum_pseudo (&packet, FZ_IP_PROTOCOL_UDP, (uint32_t) udp_length) +
                          fz_checksum_sum (udp, udp_length));
  fz_put_u16be (udp + UDP_CHECKSUM_AT, checksum != 0 ? checksum : 0xffff);
  return header + udp_length;
}
