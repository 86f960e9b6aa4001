/* fz-reclaim.c: see the header
 *
 * The clock counts retirements. A reader that quiesces notes the clock; an
 * object retired at tick t may go when every online reader has noted t or more.
 *
 * Why coming online is safe: the reader first marks itself online (any low
 * tick), then does a read-modify-write on the clock. Either that comes after the
 * engine's own one in retire: then the reader sees all that the engine had
 * replaced before, and cannot find the object. Or it comes before: then the
 * engine sees the mark, and waits. No fences, so thread sanitizers understand.
 */

#include "src/dataplane/fz-reclaim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ONLINE_SINCE_LONG 1u /* below any tick an object can have */

typedef struct {
  void *object;
  void (*free_object) (void *object);
  uint64_t tick;
} Retired;

struct FzReclaim {
  FzReclaimReader readers[FZ_RECLAIM_READERS_MAX];
  _Alignas(64) _Atomic uint64_t clock; /* engine writes; readers read, and add 0 */
  size_t n_readers;
  Retired *pending; /* by tick */
  size_t n_pending;
  size_t capacity;
};

FzReclaim *
fz_reclaim_new (void)
{
  FzReclaim *self = aligned_alloc (_Alignof(FzReclaim), sizeof *self);

  if (self == NULL)
    abort ();
  memset (self, 0, sizeof *self);
  atomic_init (&self->clock, ONLINE_SINCE_LONG);
  return self;
}

void
fz_reclaim_free (FzReclaim *self)
{
  if (self == NULL)
    return;
  fz_reclaim_collect (self);
  assert (self->n_pending == 0); /* a reader is still online */
  free (self->pending);
  free (self);
}

FzReclaimReader *
fz_reclaim_add_reader (FzReclaim *self)
{
  assert (self->n_readers < FZ_RECLAIM_READERS_MAX);
  return &self->readers[self->n_readers++];
}

/* The oldest tick that some online reader may still hold objects of; UINT64_MAX if none is. */
static uint64_t
find_oldest (FzReclaim *self)
{
  uint64_t oldest = UINT64_MAX;

  for (size_t i = 0; i < self->n_readers; i++) {
    uint64_t epoch = atomic_load_explicit (&self->readers[i].epoch, memory_order_acquire);

    if (epoch != 0 && epoch < oldest)
      oldest = epoch;
  }
  return oldest;
}

size_t
fz_reclaim_collect (FzReclaim *self)
{
  uint64_t oldest = self->n_pending > 0 ? find_oldest (self) : 0;
  size_t n_freed = 0;

  while (n_freed < self->n_pending && self->pending[n_freed].tick <= oldest)
    n_freed++;
  for (size_t i = 0; i < n_freed; i++)
    self->pending[i].free_object (self->pending[i].object);
  self->n_pending -= n_freed;
  if (n_freed > 0)
    memmove (self->pending, self->pending + n_freed, self->n_pending * sizeof *self->pending);
  return self->n_pending;
}

void
fz_reclaim_retire (FzReclaim *self, void *object, void (*free_object) (void *object))
{
  if (object == NULL)
    return;
  if (self->n_pending == self->capacity) {
    self->capacity = self->capacity > 0 ? 2 * self->capacity : 64;
    self->pending = realloc (self->pending, self->capacity * sizeof *self->pending);
    if (self->pending == NULL)
      abort ();
  }
  self->pending[self->n_pending++] = (Retired){
    .object = object,
    .free_object = free_object,
    .tick = atomic_fetch_add_explicit (&self->clock, 1, memory_order_acq_rel) + 1,
  };
  fz_reclaim_collect (self);
}

void
fz_reclaim_quiesce (FzReclaim *self, FzReclaimReader *reader)
{
  uint64_t now;

  if (atomic_load_explicit (&reader->epoch, memory_order_relaxed) == 0) {
    atomic_store_explicit (&reader->epoch, ONLINE_SINCE_LONG, memory_order_relaxed);
    now = atomic_fetch_add_explicit (&self->clock, 0, memory_order_acq_rel);
  } else {
    now = atomic_load_explicit (&self->clock, memory_order_acquire);
  }
  atomic_store_explicit (&reader->epoch, now, memory_order_release);
}

void
fz_reclaim_offline (FzReclaim *self, FzReclaimReader *reader)
{
  (void) self;
  atomic_store_explicit (&reader->epoch, 0, memory_order_release);
}
