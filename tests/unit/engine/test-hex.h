/* test-hex.h: bytes of test vectors, and a random source that says what it is told */
#pragma once

#include "src/base/fz-rng.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Decodes @hex (blanks allowed) into @out, which it must fill. */
static inline void
from_hex (const char *hex, uint8_t *out, size_t length)
{
  size_t n = 0;
  int high = -1;

  for (; *hex != '\0'; hex++) {
    int digit = g_ascii_xdigit_value (*hex);

    if (digit < 0)
      continue;
    if (high < 0) {
      high = digit;
    } else {
      g_assert_cmpuint (n, <, length);
      out[n++] = (uint8_t) (high << 4 | digit);
      high = -1;
    }
  }
  g_assert_cmpuint (n, ==, length);
}

/* @first, @first + 1, … */
static inline void
fill_from (uint8_t first, uint8_t *out, size_t length)
{
  for (size_t i = 0; i < length; i++)
    out[i] = (uint8_t) (first + i);
}

#define assert_hex(data, length, hex)                                                              \
  do {                                                                                             \
    size_t length_ = (length); /* first: it may be what writes the data */                         \
    g_autofree uint8_t *expected_ = g_malloc (length_);                                            \
                                                                                                   \
    from_hex ((hex), expected_, length_);                                                          \
    g_assert_cmpmem ((data), length_, expected_, length_);                                         \
  } while (0)

/* Yields start, start + 1, … as random bytes. */
typedef struct {
  uint8_t next;
} CountingRng;

static inline void
counting_rng_fill (void *context, uint8_t *out, size_t length)
{
  CountingRng *self = context;

  for (size_t i = 0; i < length; i++)
    out[i] = self->next++;
}

static inline FzRng
counting_rng (CountingRng *self, uint8_t first)
{
  self->next = first;
  return (FzRng){ counting_rng_fill, self };
}
