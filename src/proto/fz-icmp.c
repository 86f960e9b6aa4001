/* fz-icmp.c: see the header */

#include "src/proto/fz-icmp.h"

#include "src/proto/fz-checksum.h"

#define ERROR_TTL   20u /* tunnel.md §10.3 */
#define QUOTE_IPV4  8u  /* bytes of the original behind its IP header */
#define ICMP_HEADER FZ_ICMP_HEADER_SIZE

static size_t
min_size (size_t a, size_t b)
{
  return a < b ? a : b;
}

static bool
may_be_answered (const FzIpPacket *original)
{
  FzIp source = fz_ip_packet_get_source (original);
  FzIp destination = fz_ip_packet_get_destination (original);

  return !fz_ip_packet_is_icmp_error (original) && !fz_ip_is_unspecified (&source) &&
         !fz_ip_is_multicast (&source) && !fz_ip_is_broadcast (&source) &&
         !fz_ip_is_multicast (&destination) && !fz_ip_is_broadcast (&destination);
}

/* Swaps: ours is from the original's destination to its source. */
static void
write_addresses (FzWriter *w, const FzIpPacket *original)
{
  const uint8_t *addresses = fz_ip_packet_get_addresses (original);
  size_t size = original->family == FZ_IP_V4 ? 4 : 16;

  fz_writer_bytes (w, addresses + size, size);
  fz_writer_bytes (w, addresses, size);
}

static void
write_ipv4_header (FzWriter *w, const FzIpPacket *original, size_t quoted)
{
  uint8_t *header = w->start;

  fz_writer_u8 (w, 0x45);
  fz_writer_u8 (w, 0);
  fz_writer_u16be (w, (uint16_t) (FZ_IPV4_HEADER_SIZE + ICMP_HEADER + quoted));
  fz_writer_u16be (w, 0);      /* identification */
  fz_writer_u16be (w, 0x4000); /* don't fragment */
  fz_writer_u8 (w, ERROR_TTL);
  fz_writer_u8 (w, FZ_IP_PROTOCOL_ICMP);
  fz_writer_u16be (w, 0);
  write_addresses (w, original);
  fz_checksum_write_ipv4_header (header, FZ_IPV4_HEADER_SIZE);
}

static void
write_ipv6_header (FzWriter *w, const FzIpPacket *original, size_t quoted)
{
  fz_writer_u32be (w, UINT32_C (6) << 28);
  fz_writer_u16be (w, (uint16_t) (ICMP_HEADER + quoted));
  fz_writer_u8 (w, FZ_IP_PROTOCOL_ICMPV6);
  fz_writer_u8 (w, ERROR_TTL);
  write_addresses (w, original);
}

size_t
fz_icmp_write_error (FzIcmpReason reason,
                     const FzIpPacket *original,
                     uint8_t out[FZ_ICMP_ERROR_MAX])
{
  bool is_v4 = original->family == FZ_IP_V4;
  FzWriter w = fz_writer (out, FZ_ICMP_ERROR_MAX);
  uint32_t sum = 0;
  size_t quoted;
  uint8_t *icmp;

  if (!may_be_answered (original))
    return 0;

  if (is_v4) {
    quoted = min_size (original->length, original->transport_offset + QUOTE_IPV4);
    write_ipv4_header (&w, original, quoted);
  } else {
    quoted = min_size (original->length, FZ_ICMP_ERROR_MAX - FZ_IPV6_HEADER_SIZE - ICMP_HEADER);
    write_ipv6_header (&w, original, quoted);
    sum = fz_checksum_pseudo (original, FZ_IP_PROTOCOL_ICMPV6, (uint32_t) (ICMP_HEADER + quoted));
  }

  icmp = out + w.length;
  fz_writer_u8 (&w, is_v4 ? 3 : 1);
  if (is_v4)
    fz_writer_u8 (&w, reason == FZ_ICMP_PROHIBITED ? 13 : 0);
  else
    fz_writer_u8 (&w, reason == FZ_ICMP_PROHIBITED ? 1 : 3);
  fz_writer_zeros (&w, 6); /* checksum, unused */
  fz_writer_bytes (&w, original->data, quoted);
  sum += fz_checksum_sum (icmp, ICMP_HEADER + quoted);
  fz_put_u16be (icmp + 2, fz_checksum_finish (sum));
  return w.length;
}
