/* fz-log-needle.h
 *
 * A text to look for in megabytes: ASCII letters match in either case, all else
 * byte for byte. Two bytes of the text that are rare in logs are compared at 64
 * places at once; only where both agree the whole text is.
 */
#pragma once

#include "src/base/fz-span.h"

#include <stdbool.h>

#define FZ_LOG_NEEDLE_BYTES_MAX 1024u /* a longer text is cut */

typedef struct {
  size_t length;
  size_t probe[2];                        /* places in the text of the two rarest bytes */
  uint8_t lower[FZ_LOG_NEEDLE_BYTES_MAX]; /* the text, letters small */
  uint8_t fold[FZ_LOG_NEEDLE_BYTES_MAX];  /* 0x20 for letters, 0 for all else */
} FzLogNeedle;

/* @text: at least one byte */
void fz_log_needle_init (FzLogNeedle *self, FzSpan text);

/* Returns: the first place at or behind @from where it stands, @hay.length if nowhere */
size_t fz_log_needle_find (const FzLogNeedle *self, FzSpan hay, size_t from);
