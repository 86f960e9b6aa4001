/* fz-checksum.h
 *
 * The Internet checksum (RFC 1071): sums of 16-bit big-endian words as host
 * numbers. A "sum" is not inverted and may be added to others; a "checksum" is
 * what stands in a header. Pieces may be summed one by one if all but the last
 * are of even length.
 */
#pragma once

#include "src/proto/fz-ip.h"

#include <stddef.h>
#include <stdint.h>

/* Sum of @length bytes, folded to 16 bits. Fast for long pieces. */
uint16_t fz_checksum_sum (const uint8_t *data, size_t length);

/* Copies @length bytes and sums them on the way; the buffers do not overlap. */
uint16_t fz_checksum_copy (uint8_t *target, const uint8_t *source, size_t length);

static inline uint16_t
fz_checksum_fold (uint32_t sum)
{
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ((sum & 0xffff) + (sum >> 16));
}

/* What stands in the header for @sum. */
static inline uint16_t
fz_checksum_finish (uint32_t sum)
{
  return (uint16_t) ~fz_checksum_fold (sum);
}

/* Sum of the pseudo header of @packet's addresses (RFC 9293 §3.1, RFC 8200 §8.1). */
uint32_t fz_checksum_pseudo (const FzIpPacket *packet, uint8_t protocol, uint32_t length);

/**
 * fz_checksum_is_good:
 * @packet: TCP, UDP or ICMP, no fragment
 *
 * Returns: whether the transport checksum is right; false for other protocols
 *   and for a UDP checksum that was not computed (0)
 */
bool fz_checksum_is_good (const FzIpPacket *packet);

/* IPv4 header checksum over @length bytes (its own field is taken as zero) and into its place. */
void fz_checksum_write_ipv4_header (uint8_t *header, size_t length);

/* -- RFC 1624: the checksum after a 16-bit word, or a run of words, has changed -- */
uint16_t fz_checksum_update (uint16_t checksum, uint16_t old_word, uint16_t new_word);
uint16_t fz_checksum_update_bytes (uint16_t checksum,
                                   const uint8_t *old_bytes,
                                   const uint8_t *new_bytes,
                                   size_t length); /* even */
