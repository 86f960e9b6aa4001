/* fz-heap.c: see the header */

#include "src/base/fz-heap.h"

#include <assert.h>
#include <stdlib.h>

#define NOT_IN UINT32_MAX

typedef struct {
  FzInstant deadline;
  uint32_t handle;
} Entry;

struct FzHeap {
  Entry *entries; /* the heap; entries[0] is the earliest */
  size_t n_entries;
  uint32_t *places; /* by handle: index in @entries, or NOT_IN */
  size_t n_places;  /* both arrays have room for as many */
};

FzHeap *
fz_heap_new (void)
{
  FzHeap *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  return self;
}

void
fz_heap_free (FzHeap *self)
{
  if (self == NULL)
    return;
  free (self->entries);
  free (self->places);
  free (self);
}

size_t
fz_heap_get_length (const FzHeap *self)
{
  return self->n_entries;
}

static void
grow (FzHeap *self, uint32_t handle)
{
  size_t n = self->n_places < 16 ? 16 : self->n_places;

  assert (handle < FZ_HEAP_HANDLE_MAX);
  while (n <= handle)
    n *= 2;
  self->entries = realloc (self->entries, n * sizeof *self->entries);
  self->places = realloc (self->places, n * sizeof *self->places);
  if (self->entries == NULL || self->places == NULL)
    abort ();
  for (size_t i = self->n_places; i < n; i++)
    self->places[i] = NOT_IN;
  self->n_places = n;
}

static bool
is_before (const Entry *a, const Entry *b)
{
  return a->deadline != b->deadline ? a->deadline < b->deadline : a->handle < b->handle;
}

static void
place (FzHeap *self, size_t i, Entry entry)
{
  self->entries[i] = entry;
  self->places[entry.handle] = (uint32_t) i;
}

/* Lets @entry rise from the hole at @i. */
static void
sift_up (FzHeap *self, size_t i, Entry entry)
{
  while (i > 0 && is_before (&entry, &self->entries[(i - 1) / 2])) {
    place (self, i, self->entries[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  place (self, i, entry);
}

/* Lets @entry sink from the hole at @i. */
static void
sift_down (FzHeap *self, size_t i, Entry entry)
{
  for (;;) {
    size_t child = 2 * i + 1;

    if (child + 1 < self->n_entries && is_before (&self->entries[child + 1], &self->entries[child]))
      child++;
    if (child >= self->n_entries || is_before (&entry, &self->entries[child]))
      break;
    place (self, i, self->entries[child]);
    i = child;
  }
  place (self, i, entry);
}

static void
fill_hole (FzHeap *self, size_t i, Entry entry)
{
  if (i > 0 && is_before (&entry, &self->entries[(i - 1) / 2]))
    sift_up (self, i, entry);
  else
    sift_down (self, i, entry);
}

void
fz_heap_set (FzHeap *self, uint32_t handle, FzInstant deadline)
{
  const Entry entry = { deadline, handle };

  if (deadline == FZ_INSTANT_NEVER) {
    fz_heap_remove (self, handle);
    return;
  }
  if (handle >= self->n_places)
    grow (self, handle);
  if (self->places[handle] == NOT_IN)
    sift_up (self, self->n_entries++, entry);
  else
    fill_hole (self, self->places[handle], entry);
}

void
fz_heap_remove (FzHeap *self, uint32_t handle)
{
  size_t hole;

  if (handle >= self->n_places || self->places[handle] == NOT_IN)
    return;
  hole = self->places[handle];
  self->places[handle] = NOT_IN;
  self->n_entries--;
  if (hole != self->n_entries)
    fill_hole (self, hole, self->entries[self->n_entries]);
}

FzInstant
fz_heap_get (const FzHeap *self, uint32_t handle)
{
  if (handle >= self->n_places || self->places[handle] == NOT_IN)
    return FZ_INSTANT_NEVER;
  return self->entries[self->places[handle]].deadline;
}

FzInstant
fz_heap_next (const FzHeap *self)
{
  return self->n_entries > 0 ? self->entries[0].deadline : FZ_INSTANT_NEVER;
}

bool
fz_heap_pop_due (FzHeap *self, FzInstant now, uint32_t *out_handle)
{
  uint32_t handle;

  if (self->n_entries == 0 || self->entries[0].deadline > now)
    return false;
  handle = self->entries[0].handle;
  fz_heap_remove (self, handle);
  *out_handle = handle;
  return true;
}
