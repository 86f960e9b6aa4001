/* fz-hash.h
 *
 * FNV-1a, for tables in memory: quick for keys of some bytes, and the same in every run, so
 * that a table is walked in the same order. It knows no secret: whoever chooses the keys
 * can make them meet, so a table that strangers fill has a small maximum.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FZ_HASH_START 2166136261u

/* @hash: FZ_HASH_START, or what came of the bytes before */
static inline uint32_t
fz_hash_bytes (uint32_t hash, const uint8_t *bytes, size_t n_bytes)
{
  for (size_t i = 0; i < n_bytes; i++)
    hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}
