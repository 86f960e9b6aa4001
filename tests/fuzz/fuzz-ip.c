/* fuzz-ip.c
 *
 * An inner packet through its parser, everything that reads the view, ECN
 * merging, and the errors we make in answer to it. First byte: the outer ECN.
 */
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-icmp.h"
#include "src/proto/fz-ip.h"
#include "tests/fuzz/fuzz.h"

#include <glib.h>
#include <stdlib.h>

static void
check_error (FzIcmpReason reason, const FzIpPacket *original)
{
  uint8_t out[FZ_ICMP_ERROR_MAX];
  size_t length = fz_icmp_write_error (reason, original, out);
  FzIpPacket error;

  if (length == 0)
    return;
  g_assert_cmpuint (length, <=, sizeof out);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (out, length), &error), ==, FZ_DROP_NONE);
  g_assert_cmpuint (error.length, ==, length);
  g_assert_true (fz_ip_packet_is_icmp_error (&error));
  g_assert_true (fz_checksum_is_good (&error));
  /* an error is never answered by an error */
  g_assert_cmpuint (fz_icmp_write_error (reason, &error, (uint8_t[FZ_ICMP_ERROR_MAX]){ 0 }), ==, 0);
}

static void
read_all (const FzIpPacket *packet)
{
  FzIp source = fz_ip_packet_get_source (packet);
  FzIp destination = fz_ip_packet_get_destination (packet);
  uint16_t identifier;

  g_assert_cmpuint (source.family, ==, packet->family);
  g_assert_cmpuint (destination.family, ==, packet->family);
  g_assert_cmpuint (packet->transport_offset, <=, packet->length);
  (void) fz_ip_packet_get_traffic_class (packet);
  (void) fz_ip_packet_is_icmp_error (packet);
  (void) fz_ip_packet_is_icmp_echo (packet, &identifier);
  (void) fz_ip_packet_is_control (packet);
  (void) fz_ip_packet_is_path_probe (packet);
  if (!packet->is_fragment)
    (void) fz_checksum_is_good (packet);
}

static void
check_ecn (const FzIpPacket *packet, uint8_t outer)
{
  g_autofree uint8_t *copy = g_memdup2 (packet->data, packet->length);
  uint8_t before = fz_ip_packet_get_ecn (packet), after;
  FzIpPacket merged;

  fz_ip_merge_ecn (copy, outer);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (copy, packet->length), &merged), ==, FZ_DROP_NONE);
  after = fz_ip_packet_get_ecn (&merged);
  g_assert_true (after == before || (after == FZ_ECN_CE && before != FZ_ECN_NOT_ECT));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FzIpPacket packet;

  if (size < 1 || fz_ip_packet_parse (fz_span (data + 1, size - 1), &packet) != FZ_DROP_NONE)
    return 0;
  g_assert_cmpuint (packet.length, <=, size - 1);
  read_all (&packet);
  check_ecn (&packet, data[0] & 3);
  check_error (FZ_ICMP_PROHIBITED, &packet);
  check_error (FZ_ICMP_UNREACHABLE, &packet);
  return 0;
}
