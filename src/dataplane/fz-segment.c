/* fz-segment.c: see the header */

#include "src/dataplane/fz-segment.h"

#include "src/proto/fz-checksum.h"

#define TCP_SEQUENCE_AT 4u
#define TCP_FLAGS_AT    12u
#define TCP_CHECKSUM_AT 16u
#define UDP_LENGTH_AT   4u
#define UDP_CHECKSUM_AT 6u

#define TCP_FIN 0x0001u
#define TCP_PSH 0x0008u
#define TCP_CWR 0x0080u

/* A packet that goes as it is, but maybe for its checksum. */
static FzDrop
init_single (FzSegmenter *self, const FzVnetHeader *vnet)
{
  self->n_segments = 1;
  self->payload_length = self->ip.length;
  if ((vnet->flags & FZ_VNET_F_NEEDS_CSUM) == 0)
    return FZ_DROP_NONE;

  /* The place need not be the outer transport header: the kernel may leave the sum of a tunnelled
   * packet to us. It is bytes in the packet behind the IP header, no more. */
  if (vnet->csum_start < FZ_IPV4_HEADER_SIZE ||
      (uint32_t) vnet->csum_start + vnet->csum_offset + 2 > self->ip.length)
    return FZ_DROP_BAD_HEADER;
  self->checksum_start = vnet->csum_start;
  self->checksum_offset = vnet->csum_offset;
  return FZ_DROP_NONE;
}

static bool
is_consistent (const FzIpPacket *ip, const FzVnetHeader *vnet)
{
  uint8_t kind = (uint8_t) (vnet->gso_type & ~FZ_VNET_GSO_ECN);
  bool is_tcp = kind == FZ_VNET_GSO_TCPV4 || kind == FZ_VNET_GSO_TCPV6;

  if (!is_tcp && kind != FZ_VNET_GSO_UDP)
    return false;
  if (is_tcp && ip->family != (kind == FZ_VNET_GSO_TCPV4 ? FZ_IP_V4 : FZ_IP_V6))
    return false;
  if (ip->is_fragment || ip->protocol != (is_tcp ? FZ_IP_PROTOCOL_TCP : FZ_IP_PROTOCOL_UDP))
    return false;
  return (vnet->flags & FZ_VNET_F_NEEDS_CSUM) != 0 && vnet->gso_size > 0 &&
         vnet->csum_start == ip->transport_offset &&
         vnet->csum_offset == (is_tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
}

/* What every segment's checksums have in common. */
static void
sum_up (FzSegmenter *self)
{
  const uint8_t *ip = self->ip.data;
  const uint8_t *transport = fz_ip_packet_get_transport (&self->ip);
  uint32_t sum = fz_checksum_pseudo (&self->ip, self->ip.protocol, 0);

  if (self->ip.family == FZ_IP_V4) {
    self->first_id = fz_get_u16be (ip + 4);
    self->ip_sum = (uint32_t) fz_get_u16be (ip) + fz_get_u16be (ip + 6) + fz_get_u16be (ip + 8) +
                   fz_checksum_sum (ip + 12, self->ip.transport_offset - 12u);
  }
  if (self->ip.protocol == FZ_IP_PROTOCOL_TCP) {
    self->first_sequence = fz_get_u32be (transport + TCP_SEQUENCE_AT);
    self->tcp_flags = fz_get_u16be (transport + TCP_FLAGS_AT);
    sum += (uint32_t) fz_checksum_sum (transport, 4) + fz_checksum_sum (transport + 8, 4) +
           fz_get_u16be (transport + 14) +
           fz_checksum_sum (transport + 18, self->header_length - self->ip.transport_offset - 18u);
  } else {
    sum += fz_checksum_sum (transport, 4);
  }
  self->transport_sum = fz_checksum_fold (sum);
}

static FzDrop
init_super (FzSegmenter *self, const FzVnetHeader *vnet, uint32_t mtu)
{
  const uint8_t *transport = fz_ip_packet_get_transport (&self->ip);
  uint32_t transport_header = FZ_UDP_HEADER_SIZE;
  uint32_t n_segments;

  if (!is_consistent (&self->ip, vnet))
    return FZ_DROP_BAD_HEADER;
  if (self->ip.protocol == FZ_IP_PROTOCOL_TCP)
    transport_header = (uint32_t) (transport[TCP_FLAGS_AT] >> 4) * 4;
  self->header_length = (uint16_t) (self->ip.transport_offset + transport_header);
  self->payload_length = self->ip.length - self->header_length;
  self->gso_size = vnet->gso_size;

  n_segments = (self->payload_length + self->gso_size - 1) / self->gso_size;
  self->n_segments = n_segments > 0 ? n_segments : 1;
  if (self->n_segments > FZ_SEGMENTS_MAX)
    return FZ_DROP_BAD_HEADER;
  if (fz_segmenter_get_length (self, 0) > mtu)
    return FZ_DROP_TOO_LARGE;
  sum_up (self);
  return FZ_DROP_NONE;
}

FzDrop
fz_segmenter_init (
    FzSegmenter *self, const FzVnetHeader *vnet, const uint8_t *packet, size_t length, uint32_t mtu)
{
  FzDrop drop;

  *self = (FzSegmenter){ 0 };
  drop = fz_ip_packet_parse (fz_span (packet, length), &self->ip);
  if (drop != FZ_DROP_NONE)
    return drop;
  if (self->ip.length != length)
    return FZ_DROP_BAD_LENGTH;
  if (vnet->gso_type != FZ_VNET_GSO_NONE)
    return init_super (self, vnet, mtu);
  if (self->ip.length > mtu)
    return FZ_DROP_TOO_LARGE;
  return init_single (self, vnet);
}

static void
write_single (const FzSegmenter *self, uint8_t *out)
{
  uint32_t start = self->checksum_start;
  uint16_t checksum;

  if (start == 0) {
    memcpy (out, self->ip.data, self->ip.length);
    return;
  }
  memcpy (out, self->ip.data, start);
  /* the field holds the pseudo header's sum, so summing over it adds that in */
  checksum = fz_checksum_finish (
      fz_checksum_copy (out + start, self->ip.data + start, self->ip.length - start));
  fz_put_u16be (out + start + self->checksum_offset, checksum != 0 ? checksum : 0xffff);
}

static void
patch_ip (const FzSegmenter *self, uint32_t i, uint32_t length, uint8_t *out)
{
  uint16_t id;

  if (self->ip.family == FZ_IP_V6) {
    fz_put_u16be (out + 4, (uint16_t) (length - FZ_IPV6_HEADER_SIZE));
    return;
  }
  id = (uint16_t) (self->first_id + i);
  fz_put_u16be (out + 2, (uint16_t) length);
  fz_put_u16be (out + 4, id);
  fz_put_u16be (out + 10, fz_checksum_finish (self->ip_sum + length + id));
}

static void
patch_tcp (const FzSegmenter *self, uint32_t i, uint32_t length, uint32_t payload, uint8_t *out)
{
  uint32_t sequence = self->first_sequence + i * self->gso_size;
  uint32_t flags = self->tcp_flags;
  uint32_t sum;

  if (i + 1 < self->n_segments)
    flags &= ~(TCP_FIN | TCP_PSH);
  if (i > 0)
    flags &= ~TCP_CWR;
  sum = self->transport_sum + length + (sequence >> 16) + (sequence & 0xffff) + flags + payload;
  fz_put_u32be (out + TCP_SEQUENCE_AT, sequence);
  fz_put_u16be (out + TCP_FLAGS_AT, (uint16_t) flags);
  fz_put_u16be (out + TCP_CHECKSUM_AT, fz_checksum_finish (sum));
}

static void
patch_udp (const FzSegmenter *self, uint32_t length, uint32_t payload, uint8_t *out)
{
  uint16_t checksum = fz_checksum_finish (self->transport_sum + 2 * length + payload);

  fz_put_u16be (out + UDP_LENGTH_AT, (uint16_t) length);
  fz_put_u16be (out + UDP_CHECKSUM_AT, checksum != 0 ? checksum : 0xffff);
}

void
fz_segmenter_write_from (const FzSegmenter *self, uint32_t i, const uint8_t *payload, uint8_t *out)
{
  uint32_t offset = self->ip.transport_offset;
  uint32_t payload_length = fz_segmenter_get_payload_length (self, i);
  uint32_t length = self->header_length + payload_length;
  uint32_t sum;

  memcpy (out, self->ip.data, self->header_length);
  sum = fz_checksum_copy (out + self->header_length, payload, payload_length);
  patch_ip (self, i, length, out);
  if (self->ip.protocol == FZ_IP_PROTOCOL_TCP)
    patch_tcp (self, i, length - offset, sum, out + offset);
  else
    patch_udp (self, length - offset, sum, out + offset);
}

void
fz_segmenter_write (const FzSegmenter *self, uint32_t i, uint8_t *out)
{
  if (self->header_length == 0)
    write_single (self, out);
  else
    fz_segmenter_write_from (
        self, i, self->ip.data + self->header_length + (size_t) i * self->gso_size, out);
}
