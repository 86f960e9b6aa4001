/* fz-checksum.c: see the header
 *
 * The bulk loop adds the halves of 64-bit words into separate 64-bit lanes, so
 * that no carry is ever lost and any compiler can use vector registers for it;
 * x86-64 gets a second copy for AVX2. One's complement sums do not care for
 * byte order but for a final swap (RFC 1071 §2), which is the reader's.
 */

#include "src/proto/fz-checksum.h"

#include <string.h>

#define LOW_HALVES UINT64_C (0xffffffff)
#define BLOCK      64u /* bytes per turn of the loop */

typedef uint64_t Vector __attribute__ ((vector_size (32)));

/* Native sum of whole blocks and what is left of @length; copies as well if @target is not NULL. */
static inline __attribute__ ((always_inline)) uint64_t
add_up (uint8_t *target, const uint8_t *data, size_t length)
{
  uint64_t total = 0;
  uint64_t word;

  if (length >= BLOCK) {
    Vector low = { 0 }, high = { 0 }, a, b;

    for (; length >= BLOCK; length -= BLOCK, data += BLOCK) {
      memcpy (&a, data, sizeof a);
      memcpy (&b, data + sizeof a, sizeof b);
      if (target != NULL) {
        memcpy (target, &a, sizeof a);
        memcpy (target + sizeof a, &b, sizeof b);
        target += BLOCK;
      }
      low += (a & LOW_HALVES) + (b & LOW_HALVES);
      high += (a >> 32) + (b >> 32);
    }
    for (int i = 0; i < 4; i++)
      total += low[i] + high[i];
  }
  for (; length >= sizeof word; length -= sizeof word, data += sizeof word) {
    memcpy (&word, data, sizeof word);
    if (target != NULL) {
      memcpy (target, &word, sizeof word);
      target += sizeof word;
    }
    total += (word & LOW_HALVES) + (word >> 32);
  }
  if (length > 0) {
    word = 0;
    memcpy (&word, data, length);
    if (target != NULL)
      memcpy (target, data, length);
    total += (word & LOW_HALVES) + (word >> 32);
  }
  return total;
}

#if defined(__x86_64__)
__attribute__ ((target ("avx2"))) static uint64_t
add_up_avx2 (uint8_t *target, const uint8_t *data, size_t length)
{
  return target != NULL ? add_up (target, data, length) : add_up (NULL, data, length);
}
#endif

static uint64_t
add_up_portable (uint8_t *target, const uint8_t *data, size_t length)
{
  return target != NULL ? add_up (target, data, length) : add_up (NULL, data, length);
}

/* 16 bits in host order of a native sum. */
static uint16_t
fold_native (uint64_t total)
{
  uint8_t bytes[2];
  uint16_t folded;

  total = (total & LOW_HALVES) + (total >> 32);
  total = (total & LOW_HALVES) + (total >> 32);
  folded = fz_checksum_fold ((uint32_t) total);
  memcpy (bytes, &folded, sizeof folded);
  return fz_get_u16be (bytes);
}

static inline uint64_t
dispatch (uint8_t *target, const uint8_t *data, size_t length)
{
#if defined(__x86_64__)
  if (length >= BLOCK && __builtin_cpu_supports ("avx2"))
    return add_up_avx2 (target, data, length);
#endif
  return add_up_portable (target, data, length);
}

uint16_t
fz_checksum_sum (const uint8_t *data, size_t length)
{
  return fold_native (dispatch (NULL, data, length));
}

uint16_t
fz_checksum_copy (uint8_t *target, const uint8_t *source, size_t length)
{
  return fold_native (dispatch (target, source, length));
}

uint32_t
fz_checksum_pseudo (const FzIpPacket *packet, uint8_t protocol, uint32_t length)
{
  size_t size = packet->family == FZ_IP_V4 ? 8 : 32;

  return (uint32_t) fz_checksum_sum (fz_ip_packet_get_addresses (packet), size) + protocol +
         (length >> 16) + (length & 0xffff);
}

bool
fz_checksum_is_good (const FzIpPacket *packet)
{
  const uint8_t *transport = fz_ip_packet_get_transport (packet);
  uint32_t length = fz_ip_packet_get_transport_length (packet);
  uint32_t sum = 0;

  switch (packet->protocol) {
  case FZ_IP_PROTOCOL_UDP:
    if (fz_get_u16be (transport + 6) == 0)
      return false;
    sum = fz_checksum_pseudo (packet, packet->protocol, length);
    break;
  case FZ_IP_PROTOCOL_TCP:
  case FZ_IP_PROTOCOL_ICMPV6:
    sum = fz_checksum_pseudo (packet, packet->protocol, length);
    break;
  case FZ_IP_PROTOCOL_ICMP:
    break;
  default:
    return false;
  }
  return fz_checksum_finish (sum + fz_checksum_sum (transport, length)) == 0;
}

void
fz_checksum_write_ipv4_header (uint8_t *header, size_t length)
{
  fz_put_u16be (header + 10, 0);
  fz_put_u16be (header + 10, fz_checksum_finish (fz_checksum_sum (header, length)));
}

uint16_t
fz_checksum_update (uint16_t checksum, uint16_t old_word, uint16_t new_word)
{
  return fz_checksum_finish ((uint32_t) (uint16_t) ~checksum + (uint16_t) ~old_word + new_word);
}

uint16_t
fz_checksum_update_bytes (uint16_t checksum,
                          const uint8_t *old_bytes,
                          const uint8_t *new_bytes,
                          size_t length)
{
  uint16_t old_sum = fz_checksum_sum (old_bytes, length);
  uint16_t new_sum = fz_checksum_sum (new_bytes, length);

  return fz_checksum_update (checksum, old_sum, new_sum);
}
