/* fz-tcp.c: see the header */

#include "src/proto/fz-tcp.h"

#include "src/proto/fz-checksum.h"

#define HOP_LIMIT 64u /* tunnel.md §10.3 */
#define FIN       0x01u
#define SYN       0x02u
#define RST       0x04u
#define ACK       0x10u

/* Addresses swapped. */
static size_t
write_ip_header (const FzIpPacket *packet, uint8_t *out)
{
  const uint8_t *addresses = fz_ip_packet_get_addresses (packet);
  bool is_v4 = packet->family == FZ_IP_V4;
  size_t header = is_v4 ? FZ_IPV4_HEADER_SIZE : FZ_IPV6_HEADER_SIZE;
  size_t size = is_v4 ? 4 : 16;

  memset (out, 0, header);
  if (is_v4) {
    out[0] = 0x45;
    fz_put_u16be (out + 2, FZ_IPV4_HEADER_SIZE + FZ_TCP_HEADER_SIZE);
    fz_put_u16be (out + 6, 0x4000); /* don't fragment */
    out[8] = HOP_LIMIT;
    out[9] = FZ_IP_PROTOCOL_TCP;
  } else {
    out[0] = 0x60;
    fz_put_u16be (out + 4, FZ_TCP_HEADER_SIZE);
    out[6] = FZ_IP_PROTOCOL_TCP;
    out[7] = HOP_LIMIT;
  }
  memcpy (out + header - 2 * size, addresses + size, size);
  memcpy (out + header - size, addresses, size);
  if (is_v4)
    fz_checksum_write_ipv4_header (out, header);
  return header;
}

/* What the packet takes up in the sequence space. */
static uint32_t
sequence_length (const FzIpPacket *packet, uint8_t flags)
{
  uint32_t header = (uint32_t) (fz_ip_packet_get_transport (packet)[12] >> 4) * 4;

  return fz_ip_packet_get_transport_length (packet) - header + ((flags & SYN) != 0) +
         ((flags & FIN) != 0);
}

size_t
fz_tcp_write_reset (const FzIpPacket *packet, uint8_t out[FZ_TCP_RESET_MAX])
{
  const uint8_t *theirs = fz_ip_packet_get_transport (packet);
  uint8_t flags = theirs[13];
  FzIpPacket own = { .data = out, .family = packet->family };
  size_t header;
  uint8_t *tcp;

  if ((flags & RST) != 0)
    return 0;
  header = write_ip_header (packet, out);
  tcp = out + header;
  memset (tcp, 0, FZ_TCP_HEADER_SIZE);
  memcpy (tcp, theirs + 2, 2);
  memcpy (tcp + 2, theirs, 2);
  if ((flags & ACK) != 0)
    memcpy (tcp + 4, theirs + 8, 4);
  else
    fz_put_u32be (tcp + 8, fz_get_u32be (theirs + 4) + sequence_length (packet, flags));
  tcp[12] = 5 << 4;
  tcp[13] = (flags & ACK) != 0 ? RST : RST | ACK;
  fz_put_u16be (
      tcp + 16,
      fz_checksum_finish (fz_checksum_pseudo (&own, FZ_IP_PROTOCOL_TCP, FZ_TCP_HEADER_SIZE) +
                          fz_checksum_sum (tcp, FZ_TCP_HEADER_SIZE)));
  return header + FZ_TCP_HEADER_SIZE;
}
