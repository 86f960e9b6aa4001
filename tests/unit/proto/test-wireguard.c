/* test-wireguard.c: shapes of the four messages */

#include "src/proto/fz-wireguard.h"

#include <glib.h>

static void
test_table (void)
{
  static const struct {
    uint8_t start[4];
    size_t length;
    bool is_message;
    const char *why;
  } rows[] = {
    { { 1 }, 148, true, "initiation" },
    { { 1 }, 147, false, "initiation, one byte short" },
    { { 1 }, 149, false, "initiation, one byte long" },
    { { 2 }, 92, true, "response" },
    { { 2 }, 91, false, "response, one byte short" },
    { { 2 }, 148, false, "response as long as an initiation" },
    { { 3 }, 64, true, "cookie reply" },
    { { 3 }, 63, false, "cookie reply, one byte short" },
    { { 4 }, 32, true, "keepalive" },
    { { 4 }, 31, false, "data without room for its tag" },
    { { 4 }, 33, true, "unpadded data: Firezone's peers send it" },
    { { 4 }, 1316, true, "full data" },
    { { 0 }, 148, false, "type 0" },
    { { 5 }, 148, false, "type 5" },
    { { 0xff }, 148, false, "type 255" },
    { { 1, 1 }, 148, false, "reserved bytes are not zero" },
    { { 4, 0, 0, 1 }, 64, false, "last reserved byte is not zero" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    uint8_t datagram[1316] = { 0 };
    FzWireguardMessage message;
    FzDrop drop;

    memcpy (datagram, rows[i].start, 4);
    g_test_message ("%s", rows[i].why);
    drop = fz_wireguard_parse (fz_span (datagram, rows[i].length), &message);
    g_assert_cmpint (drop, ==, rows[i].is_message ? FZ_DROP_NONE : FZ_DROP_NOT_WIREGUARD);
    g_assert_true (fz_wireguard_is_message (fz_span (datagram, rows[i].length)) ==
                   rows[i].is_message);
  }
}

/* Every length of every type, in memory that ends where the datagram ends. */
static void
test_lengths (void)
{
  for (unsigned type = 0; type < 7; type++)
    for (size_t length = 0; length <= 200; length++) {
      g_autofree uint8_t *datagram = g_malloc0 (MAX (length, 1));
      FzWireguardMessage message = { .type = 77 };

      datagram[0] = (uint8_t) type;
      if (fz_wireguard_parse (fz_span (datagram, length), &message) != FZ_DROP_NONE)
        g_assert_cmpint (message.type, ==, 77); /* untouched */
      else
        g_assert_cmpint (message.type, ==, type);
    }
}

static void
fill (uint8_t *datagram, size_t length, uint8_t type)
{
  for (size_t i = 0; i < length; i++)
    datagram[i] = (uint8_t) i;
  fz_put_u32le (datagram, type);
}

static void
test_fields (void)
{
  uint8_t d[148];
  FzWireguardMessage m;

  fill (d, 148, 1);
  g_assert_cmpint (fz_wireguard_parse (fz_span (d, 148), &m), ==, FZ_DROP_NONE);
  g_assert_cmphex (m.sender_index, ==, 0x07060504);
  g_assert_true (m.ephemeral == d + 8 && m.sealed_static == d + 40);
  g_assert_true (m.sealed.data == d + 88 && m.sealed.length == 28);
  g_assert_true (m.mac1 == d + 116 && m.mac2 == d + 132);
  g_assert_null (m.nonce);

  fill (d, 92, 2);
  g_assert_cmpint (fz_wireguard_parse (fz_span (d, 92), &m), ==, FZ_DROP_NONE);
  g_assert_cmphex (m.sender_index, ==, 0x07060504);
  g_assert_cmphex (m.receiver_index, ==, 0x0b0a0908);
  g_assert_true (m.ephemeral == d + 12 && m.sealed_static == NULL);
  g_assert_true (m.sealed.data == d + 44 && m.sealed.length == 16);
  g_assert_true (m.mac1 == d + 60 && m.mac2 == d + 76);

  fill (d, 64, 3);
  g_assert_cmpint (fz_wireguard_parse (fz_span (d, 64), &m), ==, FZ_DROP_NONE);
  g_assert_cmphex (m.receiver_index, ==, 0x07060504);
  g_assert_true (m.nonce == d + 8 && m.mac1 == NULL && m.mac2 == NULL);
  g_assert_true (m.sealed.data == d + 32 && m.sealed.length == 32);

  fill (d, 40, 4);
  g_assert_cmpint (fz_wireguard_parse (fz_span (d, 40), &m), ==, FZ_DROP_NONE);
  g_assert_cmphex (m.receiver_index, ==, 0x07060504);
  g_assert_cmphex (m.counter, ==, 0x0f0e0d0c0b0a0908);
  g_assert_true (m.sealed.data == d + 16 && m.sealed.length == 24);
  g_assert_null (m.ephemeral);
}

static void
test_data_header (void)
{
  static const uint8_t expected[] = { 4, 0, 0, 0, 1, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1 };
  uint8_t header[FZ_WIREGUARD_DATA_HEADER_SIZE];

  fz_wireguard_write_data_header (header, 0x01020301, 0x0102030405060708);
  g_assert_cmpmem (header, sizeof header, expected, sizeof expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wireguard/shapes/table", test_table);
  g_test_add_func ("/wireguard/shapes/every-length", test_lengths);
  g_test_add_func ("/wireguard/fields", test_fields);
  g_test_add_func ("/wireguard/data-header", test_data_header);
  return g_test_run ();
}
