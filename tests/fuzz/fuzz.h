/* fuzz.h: what a target of this folder and its driver agree on */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One input. Returns 0. A finding is a crash: a sanitizer's, or a failed assertion of the target.
 */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The input as a script: short reads yield zeros, so every input means something. */
typedef struct {
  const uint8_t *at;
  size_t left;
} Script;

static inline uint8_t
script_byte (Script *script)
{
  if (script->left == 0)
    return 0;
  script->left--;
  return *script->at++;
}

static inline uint16_t
script_u16 (Script *script)
{
  uint16_t high = script_byte (script);

  return (uint16_t) (high << 8 | script_byte (script));
}

/* Fills @out; returns how many bytes came from the script, the rest is zero. */
static inline size_t
script_bytes (Script *script, uint8_t *out, size_t length)
{
  size_t n = length < script->left ? length : script->left;

  memset (out, 0, length);
  if (n > 0)
    memcpy (out, script->at, n);
  script->at += n;
  script->left -= n;
  return n;
}
