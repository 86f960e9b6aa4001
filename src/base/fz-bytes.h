/* fz-bytes.h
 *
 * The only place that knows byte order: a sticky reader and writer over a
 * bounded buffer. After one access past the end everything yields zero (or
 * writes nothing) and ok stays false, so a parser reads a whole header and
 * decides once.
 */
#pragma once

#include "src/base/fz-span.h"

#include <stdbool.h>
#include <string.h>

/* -- fixed offsets, for code that has checked the length already -- */

static inline uint16_t
fz_get_u16be (const uint8_t *p)
{
  return (uint16_t) (p[0] << 8 | p[1]);
}

static inline uint32_t
fz_get_u32be (const uint8_t *p)
{
  return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static inline uint64_t
fz_get_u64be (const uint8_t *p)
{
  return (uint64_t) fz_get_u32be (p) << 32 | fz_get_u32be (p + 4);
}

static inline uint32_t
fz_get_u32le (const uint8_t *p)
{
  return (uint32_t) p[3] << 24 | (uint32_t) p[2] << 16 | (uint32_t) p[1] << 8 | p[0];
}

static inline uint64_t
fz_get_u64le (const uint8_t *p)
{
  return (uint64_t) fz_get_u32le (p + 4) << 32 | fz_get_u32le (p);
}

static inline void
fz_put_u16be (uint8_t *p, uint16_t v)
{
  p[0] = (uint8_t) (v >> 8);
  p[1] = (uint8_t) v;
}

static inline void
fz_put_u32be (uint8_t *p, uint32_t v)
{
  fz_put_u16be (p, (uint16_t) (v >> 16));
  fz_put_u16be (p + 2, (uint16_t) v);
}

static inline void
fz_put_u64be (uint8_t *p, uint64_t v)
{
  fz_put_u32be (p, (uint32_t) (v >> 32));
  fz_put_u32be (p + 4, (uint32_t) v);
}

static inline void
fz_put_u32le (uint8_t *p, uint32_t v)
{
  p[0] = (uint8_t) v; /* written out: compilers make one store of it, but not of a loop */
  p[1] = (uint8_t) (v >> 8);
  p[2] = (uint8_t) (v >> 16);
  p[3] = (uint8_t) (v >> 24);
}

static inline void
fz_put_u64le (uint8_t *p, uint64_t v)
{
  fz_put_u32le (p, (uint32_t) v);
  fz_put_u32le (p + 4, (uint32_t) (v >> 32));
}

/* -- reader -- */

typedef struct {
  const uint8_t *at;
  size_t left; /* bytes */
  bool ok;     /* false after the first short read */
} FzReader;

static inline FzReader
fz_reader (FzSpan span)
{
  return (FzReader){ span.data, span.length, true };
}

static inline const uint8_t *
fz_reader_take (FzReader *r, size_t n)
{
  const uint8_t *p = r->at;

  if (!r->ok || n > r->left) {
    r->ok = false;
    return NULL;
  }
  r->at += n;
  r->left -= n;
  return p;
}

static inline uint8_t
fz_reader_u8 (FzReader *r)
{
  const uint8_t *p = fz_reader_take (r, 1);

  return p != NULL ? *p : 0;
}

static inline uint16_t
fz_reader_u16be (FzReader *r)
{
  const uint8_t *p = fz_reader_take (r, 2);

  return p != NULL ? fz_get_u16be (p) : 0;
}

static inline uint32_t
fz_reader_u32be (FzReader *r)
{
  const uint8_t *p = fz_reader_take (r, 4);

  return p != NULL ? fz_get_u32be (p) : 0;
}

static inline uint64_t
fz_reader_u64be (FzReader *r)
{
  const uint8_t *p = fz_reader_take (r, 8);

  return p != NULL ? fz_get_u64be (p) : 0;
}

static inline uint32_t
fz_reader_u32le (FzReader *r)
{
  const uint8_t *p = fz_reader_take (r, 4);

  return p != NULL ? fz_get_u32le (p) : 0;
}

static inline uint64_t
fz_reader_u64le (FzReader *r)
{
  const uint8_t *p = fz_reader_take (r, 8);

  return p != NULL ? fz_get_u64le (p) : 0;
}

/* -- writer -- */

typedef struct {
  uint8_t *start;
  size_t length;   /* bytes written */
  size_t capacity; /* bytes */
  bool ok;         /* false after the first write that did not fit */
} FzWriter;

static inline FzWriter
fz_writer (void *buffer, size_t capacity)
{
  return (FzWriter){ buffer, 0, capacity, true };
}

/* Room for @n bytes that the caller fills, NULL if they do not fit. */
static inline uint8_t *
fz_writer_reserve (FzWriter *w, size_t n)
{
  uint8_t *p;

  if (!w->ok || n > w->capacity - w->length) {
    w->ok = false;
    return NULL;
  }
  p = w->start + w->length;
  w->length += n;
  return p;
}

static inline void
fz_writer_bytes (FzWriter *w, const void *data, size_t n)
{
  uint8_t *p = fz_writer_reserve (w, n);

  if (p != NULL && n > 0)
    memcpy (p, data, n);
}

static inline void
fz_writer_zeros (FzWriter *w, size_t n)
{
  uint8_t *p = fz_writer_reserve (w, n);

  if (p != NULL && n > 0)
    memset (p, 0, n);
}

static inline void
fz_writer_u8 (FzWriter *w, uint8_t v)
{
  fz_writer_bytes (w, &v, 1);
}

static inline void
fz_writer_u16be (FzWriter *w, uint16_t v)
{
  uint8_t *p = fz_writer_reserve (w, 2);

  if (p != NULL)
    fz_put_u16be (p, v);
}

static inline void
fz_writer_u32be (FzWriter *w, uint32_t v)
{
  uint8_t *p = fz_writer_reserve (w, 4);

  if (p != NULL)
    fz_put_u32be (p, v);
}

static inline void
fz_writer_u64be (FzWriter *w, uint64_t v)
{
  uint8_t *p = fz_writer_reserve (w, 8);

  if (p != NULL)
    fz_put_u64be (p, v);
}

static inline void
fz_writer_u32le (FzWriter *w, uint32_t v)
{
  uint8_t *p = fz_writer_reserve (w, 4);

  if (p != NULL)
    fz_put_u32le (p, v);
}

static inline void
fz_writer_u64le (FzWriter *w, uint64_t v)
{
  uint8_t *p = fz_writer_reserve (w, 8);

  if (p != NULL)
    fz_put_u64le (p, v);
}
