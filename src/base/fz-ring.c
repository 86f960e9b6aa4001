/* fz-ring.c: see the header
 *
 * Two running byte counts, written by one side each. A record is an 8-byte
 * header and its payload, rounded up to 8; it never wraps: what does not fit
 * before the end of the buffer leaves a skip header there and starts over at
 * the beginning. Since everything is a multiple of 8, a skip header always
 * fits. Each side keeps its last view of the other's count, so that the shared
 * cache line is read only when the ring looks full or empty.
 */

#include "src/base/fz-ring.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define RECORD_ALIGN     8u
#define CACHE_LINE_BYTES 64u
#define CAPACITY_MIN     4096u

typedef struct {
  uint32_t length;  /* payload bytes; for a skip: bytes to the end of the buffer, header included */
  uint32_t is_skip; /* 0 or 1 */
} RecordHeader;

_Static_assert(sizeof (RecordHeader) == RECORD_ALIGN,
               "a skip header fits wherever a record starts");

struct FzRing {
  /* producer writes, consumer reads; release/acquire */
  _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t committed;
  uint64_t reserved;      /* producer: end of the reserved record */
  uint64_t seen_released; /* producer: last view of @released */

  /* consumer writes, producer reads; release/acquire */
  _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t released;
  uint64_t seen_committed; /* consumer: last view of @committed */

  /* set at the start, then read by both */
  _Alignas(CACHE_LINE_BYTES) uint64_t capacity;
  uint8_t *buffer;
};

static size_t
record_size (size_t length)
{
  return (sizeof (RecordHeader) + length + RECORD_ALIGN - 1) & ~(size_t) (RECORD_ALIGN - 1);
}

static RecordHeader *
header_at (const FzRing *self, uint64_t position)
{
  return (RecordHeader *) (void *) (self->buffer + (position & (self->capacity - 1)));
}

FzRing *
fz_ring_new (size_t capacity)
{
  FzRing *self;

  assert (capacity >= CAPACITY_MIN && (capacity & (capacity - 1)) == 0 && capacity <= UINT32_MAX);
  self = aligned_alloc (CACHE_LINE_BYTES, sizeof *self);
  if (self == NULL)
    return NULL;
  *self = (FzRing){ .capacity = capacity };
  self->buffer = aligned_alloc (CACHE_LINE_BYTES, capacity);
  if (self->buffer == NULL) {
    free (self);
    return NULL;
  }
  return self;
}

void
fz_ring_free (FzRing *self)
{
  if (self == NULL)
    return;
  free (self->buffer);
  free (self);
}

size_t
fz_ring_get_capacity (const FzRing *self)
{
  return self->capacity;
}

static bool
has_room (FzRing *self, uint64_t start, size_t needed)
{
  if (needed <= self->capacity - (start - self->seen_released))
    return true;
  self->seen_released = atomic_load_explicit (&self->released, memory_order_acquire);
  return needed <= self->capacity - (start - self->seen_released);
}

void *
fz_ring_reserve (FzRing *self, size_t length)
{
  uint64_t start = atomic_load_explicit (&self->committed, memory_order_relaxed);
  size_t to_end = self->capacity - (start & (self->capacity - 1));
  size_t size = record_size (length);
  size_t skip = size > to_end ? to_end : 0;
  RecordHeader *header;

  assert (length <= self->capacity / 4);
  if (!has_room (self, start, skip + size))
    return NULL;
  if (skip != 0) {
    *header_at (self, start) = (RecordHeader){ (uint32_t) skip, 1 };
    start += skip;
  }
  header = header_at (self, start);
  *header = (RecordHeader){ (uint32_t) length, 0 };
  self->reserved = start + size;
  return header + 1;
}

void
fz_ring_commit (FzRing *self)
{
  assert (self->reserved > atomic_load_explicit (&self->committed, memory_order_relaxed));
  atomic_store_explicit (&self->committed, self->reserved, memory_order_release);
}

uint64_t
fz_ring_position (const FzRing *self)
{
  return atomic_load_explicit (&self->committed, memory_order_relaxed);
}

bool
fz_ring_is_consumed (const FzRing *self, uint64_t position)
{
  return atomic_load_explicit (&self->released, memory_order_acquire) >= position;
}

/* The oldest record's header, past a skip if one is in front; NULL for an empty ring. */
static const RecordHeader *
oldest_record (FzRing *self)
{
  uint64_t at = atomic_load_explicit (&self->released, memory_order_relaxed);
  const RecordHeader *header;

  if (at == self->seen_committed) {
    self->seen_committed = atomic_load_explicit (&self->committed, memory_order_acquire);
    if (at == self->seen_committed)
      return NULL;
  }
  header = header_at (self, at);
  if (header->is_skip) { /* committed together with the record behind it */
    at += header->length;
    atomic_store_explicit (&self->released, at, memory_order_release);
    header = header_at (self, at);
  }
  return header;
}

const void *
fz_ring_peek (FzRing *self, size_t *out_length)
{
  const RecordHeader *header = oldest_record (self);

  if (header == NULL)
    return NULL;
  *out_length = header->length;
  return header + 1;
}

void
fz_ring_release (FzRing *self)
{
  const RecordHeader *header = oldest_record (self);
  uint64_t at = atomic_load_explicit (&self->released, memory_order_relaxed);

  assert (header != NULL);
  atomic_store_explicit (&self->released, at + record_size (header->length), memory_order_release);
}
