/* fz-checked.h
 *
 * Sums and products of numbers from outside. Each returns false and leaves
 * @out untouched where the result does not fit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool
fz_checked_add_size (size_t a, size_t b, size_t *out)
{
  size_t sum;

  if (__builtin_add_overflow (a, b, &sum))
    return false;
  *out = sum;
  return true;
}

static inline bool
fz_checked_mul_size (size_t a, size_t b, size_t *out)
{
  size_t product;

  if (__builtin_mul_overflow (a, b, &product))
    return false;
  *out = product;
  return true;
}

static inline bool
fz_checked_add_u64 (uint64_t a, uint64_t b, uint64_t *out)
{
  uint64_t sum;

  if (__builtin_add_overflow (a, b, &sum))
    return false;
  *out = sum;
  return true;
}

static inline bool
fz_checked_mul_u64 (uint64_t a, uint64_t b, uint64_t *out)
{
  uint64_t product;

  if (__builtin_mul_overflow (a, b, &product))
    return false;
  *out = product;
  return true;
}
