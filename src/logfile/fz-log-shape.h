/* fz-log-shape.h
 *
 * What secrets and addresses look like in running text: each function looks at
 * one place of a text and says how long the thing is that begins there, 0 if
 * none does. They err towards finding too much.
 *
 * Pure functions; any thread.
 */
#pragma once

#include "src/base/fz-span.h"

#include <stdbool.h>

typedef enum {
  FZ_LOG_SHAPE_NONE,
  FZ_LOG_SHAPE_TOKEN,
  FZ_LOG_SHAPE_KEY,
} FzLogShape;

/* Letters, digits, '_' and all bytes that are not ASCII. */
bool fz_log_is_word_byte (uint8_t byte);

/* Base64, JSON web tokens, long hexadecimal numbers. */
size_t fz_log_shape_secret (FzSpan text, size_t at, FzLogShape *out_shape);

size_t fz_log_shape_email (FzSpan text, size_t at);

/* @out_is_harmless: loopback or unspecified */
size_t fz_log_shape_ip (FzSpan text, size_t at, bool *out_is_harmless);

/* A DNS name of two labels or more, also "*.corp.example". @out_is_harmless: firezone.dev and below
 */
size_t fz_log_shape_domain (FzSpan text, size_t at, bool *out_is_harmless);

/* "user:password@" behind "://"; @at: behind it */
size_t fz_log_shape_userinfo (FzSpan text, size_t at);

/* Whether the value of a field called so is a secret, or names somebody or something private. */
bool fz_log_key_is_secret (FzSpan key);
bool fz_log_key_is_name (FzSpan key);
