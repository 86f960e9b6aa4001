/* test-bytes.c: the sticky reader and writer */

#include "src/base/fz-bytes.h"

#include <glib.h>

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

static void
test_reader (void)
{
  FzReader r = fz_reader (fz_span (bytes, sizeof bytes));

  g_assert_cmphex (fz_reader_u8 (&r), ==, 0x01);
  g_assert_cmphex (fz_reader_u16be (&r), ==, 0x0203);
  g_assert_cmphex (fz_reader_u32be (&r), ==, 0x04050607);
  g_assert_true (r.ok);
  g_assert_cmpuint (r.left, ==, 3);
  g_assert_cmphex (fz_reader_u32be (&r), ==, 0);
  g_assert_false (r.ok);
  g_assert_cmphex (fz_reader_u8 (&r), ==, 0); /* sticky though there is one left */
  g_assert_null (fz_reader_take (&r, 0));

  r = fz_reader (fz_span (bytes, sizeof bytes));
  g_assert_cmphex (fz_reader_u64be (&r), ==, 0x0102030405060708);
  r = fz_reader (fz_span (bytes, sizeof bytes));
  g_assert_cmphex (fz_reader_u64le (&r), ==, 0x0807060504030201);
  r = fz_reader (fz_span (bytes, sizeof bytes));
  g_assert_cmphex (fz_reader_u32le (&r), ==, 0x04030201);
  g_assert_null (fz_reader_take (&r, SIZE_MAX));
  g_assert_false (r.ok);
}

static void
test_reader_empty (void)
{
  FzReader r = fz_reader (fz_span (NULL, 0));

  fz_reader_take (&r, 0);
  g_assert_true (r.ok);
  fz_reader_u8 (&r);
  g_assert_false (r.ok);
}

static void
test_writer (void)
{
  uint8_t out[32];
  FzWriter w = fz_writer (out, 31);

  memset (out, 0xee, sizeof out);
  fz_writer_u8 (&w, 0x01);
  fz_writer_u16be (&w, 0x0203);
  fz_writer_u32be (&w, 0x04050607);
  fz_writer_u64be (&w, 0x08090a0b0c0d0e0f);
  fz_writer_u32le (&w, 0x13121110);
  fz_writer_u64le (&w, 0x1b1a191817161514);
  fz_writer_zeros (&w, 2);
  g_assert_true (w.ok);
  for (uint8_t i = 0; i < 27; i++)
    g_assert_cmphex (out[i], ==, i + 1);
  g_assert_cmphex (out[28], ==, 0);
  g_assert_cmpuint (w.length, ==, 29);

  fz_writer_u32be (&w, 1);
  g_assert_false (w.ok);
  fz_writer_u8 (&w, 1); /* would fit, but the writer is sticky */
  g_assert_cmpuint (w.length, ==, 29);
  g_assert_cmphex (out[29], ==, 0xee);
}

static void
test_writer_to_the_byte (void)
{
  uint8_t out[4];
  FzWriter w = fz_writer (out, sizeof out);

  fz_writer_bytes (&w, NULL, 0);
  fz_writer_u32be (&w, 7);
  g_assert_true (w.ok);
  g_assert_nonnull (fz_writer_reserve (&w, 0));
  g_assert_null (fz_writer_reserve (&w, SIZE_MAX));
  g_assert_false (w.ok);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bytes/reader/sticky", test_reader);
  g_test_add_func ("/bytes/reader/empty", test_reader_empty);
  g_test_add_func ("/bytes/writer/sticky", test_writer);
  g_test_add_func ("/bytes/writer/to-the-byte", test_writer_to_the_byte);
  return g_test_run ();
}
