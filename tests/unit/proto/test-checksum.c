/* test-checksum.c: fz-checksum.h against RFC 1071's definition */

#include "src/base/fz-rng.h"
#include "src/proto/fz-checksum.h"

#include <glib.h>

static uint16_t
reference_sum (const uint8_t *data, size_t length)
{
  uint64_t sum = 0;

  for (size_t i = 0; i + 1 < length; i += 2)
    sum += fz_get_u16be (data + i);
  if (length % 2 != 0)
    sum += (uint64_t) data[length - 1] << 8;
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) sum;
}

/* RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 */
static void
test_vector (void)
{
  static const uint8_t bytes[8] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

  g_assert_cmphex (fz_checksum_sum (bytes, 8), ==, 0xddf2);
  g_assert_cmphex (fz_checksum_finish (0xddf2), ==, 0x220d);
  g_assert_cmphex (fz_checksum_sum (bytes, 0), ==, 0);
}

static void
test_lengths (void)
{
  enum { MAX = 300 };
  uint8_t source[MAX + 8], target[MAX + 8];
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 7);
  rng = fz_seeded_rng (&seeded);
  for (size_t length = 0; length <= MAX; length++) {
    for (size_t align = 0; align < 8; align++) {
      fz_rng_fill (&rng, source, sizeof source);
      memset (target, 0xee, sizeof target);
      g_assert_cmphex (
          fz_checksum_sum (source + align, length), ==, reference_sum (source + align, length));
      g_assert_cmphex (fz_checksum_copy (target + 7 - align, source + align, length),
                       ==,
                       reference_sum (source + align, length));
      g_assert_cmpmem (target + 7 - align, length, source + align, length);
      if (align > 0)
        g_assert_cmphex (target[7 - align + length], ==, 0xee);
    }
  }
}

static void
test_large (void)
{
  g_autofree uint8_t *ones = g_malloc (65536);

  memset (ones, 0xff, 65536); /* every carry there is */
  g_assert_cmphex (fz_checksum_sum (ones, 65536), ==, 0xffff);
  g_assert_cmphex (fz_checksum_sum (ones, 65535), ==, reference_sum (ones, 65535));
  memset (ones, 0, 65536);
  g_assert_cmphex (fz_checksum_sum (ones, 65536), ==, 0);
}

/* Changing words and updating equals computing anew, but for the two zeros of one's complement. */
static void
test_update (void)
{
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 11);
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < 10000; i++) {
    uint8_t data[64], changed[16];
    size_t length = 2 * (1 + fz_rng_below (&rng, 8));
    size_t at = 2 * fz_rng_below (&rng, (64 - length) / 2);
    uint16_t updated, computed;

    fz_rng_fill (&rng, data, sizeof data);
    fz_rng_fill (&rng, changed, sizeof changed);
    updated = fz_checksum_update_bytes (
        fz_checksum_finish (fz_checksum_sum (data, sizeof data)), data + at, changed, length);
    memcpy (data + at, changed, length);
    computed = fz_checksum_finish (fz_checksum_sum (data, sizeof data));
    g_assert_cmphex (updated, ==, computed);
  }
  g_assert_cmphex (fz_checksum_update (0xdd2f, 0x5555, 0x3285), ==, 0x0000); /* RFC 1624 §4 */
}

static void
test_is_good (void)
{
  /* UDP 10.0.0.1:1 -> 10.0.0.2:2, "abc" */
  uint8_t bytes[31] = { 0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10,  0,   0,  1,
                        10,   0, 0, 2,  0, 1, 0, 2, 0,  11, 0, 0, 'a', 'b', 'c' };
  FzIpPacket packet;
  uint32_t sum;

  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, sizeof bytes), &packet), ==, FZ_DROP_NONE);
  g_assert_false (fz_checksum_is_good (&packet)); /* zero: not computed */
  sum = fz_checksum_pseudo (&packet, 17, 11) + fz_checksum_sum (bytes + 20, 11);
  fz_put_u16be (bytes + 26, fz_checksum_finish (sum));
  g_assert_true (fz_checksum_is_good (&packet));
  for (size_t at = 12; at < sizeof bytes; at++) { /* addresses and all of UDP */
    if (at == 26 || at == 27)
      continue;
    bytes[at] ^= 0x10;
    if (at != 24 && at != 25)
      g_assert_false (fz_checksum_is_good (&packet));
    bytes[at] ^= 0x10;
  }
  packet.protocol = 132; /* SCTP has another kind of checksum */
  g_assert_false (fz_checksum_is_good (&packet));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/checksum/vector", test_vector);
  g_test_add_func ("/checksum/every-length-and-alignment", test_lengths);
  g_test_add_func ("/checksum/carries", test_large);
  g_test_add_func ("/checksum/update", test_update);
  g_test_add_func ("/checksum/is-good", test_is_good);
  return g_test_run ();
}
