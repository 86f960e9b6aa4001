/* fz-rng.h
 *
 * Where sans-IO code takes its random bytes from. Programs pass libsodium's
 * generator; tests and the simulator a seeded one, so that a run can be
 * repeated bit for bit.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
  void (*fill) (void *context, uint8_t *out, size_t length); /* never fails */
  void *context;                                             /* outlives the FzRng's users */
} FzRng;

/* Seeded generator (xoshiro256**) for tests and the simulator: never for keys. */
typedef struct {
  uint64_t state[4];
} FzSeededRng;

void fz_seeded_rng_init (FzSeededRng *self, uint64_t seed);
FzRng fz_seeded_rng (FzSeededRng *self);

void fz_rng_fill (const FzRng *rng, void *out, size_t length);
uint32_t fz_rng_u32 (const FzRng *rng);
uint64_t fz_rng_u64 (const FzRng *rng);

/* Uniform in 0 … @bound - 1, without modulo bias; 0 for a @bound of 0. */
uint64_t fz_rng_below (const FzRng *rng, uint64_t bound);
