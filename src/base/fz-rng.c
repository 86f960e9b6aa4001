/* fz-rng.c: see the header */

#include "src/base/fz-rng.h"

#include <string.h>

static uint64_t
rotate_left (uint64_t x, int k)
{
  return x << k | x >> (64 - k);
}

static uint64_t
next_u64 (FzSeededRng *self)
{
  uint64_t *s = self->state;
  uint64_t result = rotate_left (s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left (s[3], 45);
  return result;
}

static void
fill_seeded (void *context, uint8_t *out, size_t length)
{
  while (length > 0) {
    uint64_t word = next_u64 (context);
    size_t n = length < sizeof word ? length : sizeof word;

    memcpy (out, &word, n);
    out += n;
    length -= n;
  }
}

void
fz_seeded_rng_init (FzSeededRng *self, uint64_t seed)
{
  /* splitmix64 spreads a small seed over the whole state */
  for (size_t i = 0; i < 4; i++) {
    uint64_t z = seed += UINT64_C (0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
    self->state[i] = z ^ z >> 31;
  }
}

FzRng
fz_seeded_rng (FzSeededRng *self)
{
  return (FzRng){ fill_seeded, self };
}

void
fz_rng_fill (const FzRng *rng, void *out, size_t length)
{
  rng->fill (rng->context, out, length);
}

uint32_t
fz_rng_u32 (const FzRng *rng)
{
  uint32_t value;

  fz_rng_fill (rng, &value, sizeof value);
  return value;
}

uint64_t
fz_rng_u64 (const FzRng *rng)
{
  uint64_t value;

  fz_rng_fill (rng, &value, sizeof value);
  return value;
}

uint64_t
fz_rng_below (const FzRng *rng, uint64_t bound)
{
  uint64_t reject, value;

  if (bound == 0)
    return 0;
  reject = -bound % bound; /* values below this would be over-represented */
  do
    value = fz_rng_u64 (rng);
  while (value < reject);
  return value % bound;
}
