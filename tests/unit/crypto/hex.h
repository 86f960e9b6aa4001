/* hex.h: bytes of a published vector, for the tests of this folder */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Returns the number of bytes; aborts the test if @text is no hex or does not fit. */
static inline size_t
unhex (const char *text, uint8_t *out, size_t capacity)
{
  size_t n = strlen (text) / 2;

  g_assert_cmpuint (strlen (text) % 2, ==, 0);
  g_assert_cmpuint (n, <=, capacity);
  for (size_t i = 0; i < n; i++) {
    int high = g_ascii_xdigit_value (text[2 * i]);
    int low = g_ascii_xdigit_value (text[2 * i + 1]);

    g_assert_true (high >= 0 && low >= 0);
    out[i] = (uint8_t) (high << 4 | low);
  }
  return n;
}

static inline void
assert_hex (const uint8_t *bytes, size_t n, const char *expected)
{
  uint8_t wanted[512];
  size_t n_wanted = unhex (expected, wanted, sizeof wanted);

  g_assert_cmpmem (bytes, n, wanted, n_wanted);
}
