/* fz-span.h
 *
 * A borrowed view of bytes. It never owns: the view ends with the call that
 * received it, unless a doc comment says otherwise.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *data;
  size_t length; /* bytes */
} FzSpan;

static inline FzSpan
fz_span (const void *data, size_t length)
{
  return (FzSpan){ data, length };
}
