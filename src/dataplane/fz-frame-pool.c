/* fz-frame-pool.c: see the header */

#include "src/dataplane/fz-frame-pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES (65536u + 128u) /* not a power of two: headers would share their cache lines */
#define N_FRAMES   (FZ_TX_SLOTS + FZ_TX_CELLS)

/* Places are numbered: slots first, then cells. */
typedef struct {
  uint32_t n;
  uint16_t places[FZ_TX_CELLS];
} Stack;

_Static_assert(FZ_PACKET_MAX <= SLOT_BYTES, "any packet fits a slot");
_Static_assert(FZ_TX_SLOTS <= FZ_TX_CELLS, "either fits a stack");
_Static_assert(N_FRAMES <= UINT16_MAX, "a place is 16 bits");

struct FzFramePool {
  uint8_t *slots; /* SLOT_BYTES each */
  uint8_t *cells;
  Stack free_slots;
  Stack free_cells;
  FzStagedFrame *free_frames; /* linked by item.next */
  FzStagedFrame frames[N_FRAMES];
};

static void
push (Stack *stack, uint32_t place)
{
  stack->places[stack->n++] = (uint16_t) place;
}

static void *
allocate (size_t size)
{
  void *memory = aligned_alloc (64, size);

  if (memory == NULL)
    abort ();
  return memory;
}

static void
link_free (FzFramePool *self, FzStagedFrame *frame)
{
  frame->item.next = self->free_frames != NULL ? &self->free_frames->item : NULL;
  self->free_frames = frame;
}

FzFramePool *
fz_frame_pool_new (void)
{
  FzFramePool *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->slots = allocate ((size_t) FZ_TX_SLOTS * SLOT_BYTES);
  self->cells = allocate ((size_t) FZ_TX_CELLS * FZ_FRAME_CELL_BYTES);
  for (uint32_t i = FZ_TX_SLOTS; i > 0; i--)
    push (&self->free_slots, i - 1);
  for (uint32_t i = FZ_TX_CELLS; i > 0; i--)
    push (&self->free_cells, FZ_TX_SLOTS + i - 1);
  for (uint32_t i = N_FRAMES; i > 0; i--)
    link_free (self, &self->frames[i - 1]);
  return self;
}

void
fz_frame_pool_free (FzFramePool *self)
{
  if (self == NULL)
    return;
  free (self->slots);
  free (self->cells);
  free (self);
}

FzStagedFrame *
fz_frame_pool_take (FzFramePool *self)
{
  FzStagedFrame *frame = self->free_frames;

  if (self->free_slots.n == 0)
    return NULL;
  assert (frame != NULL); /* there is one for every place */
  self->free_frames = (FzStagedFrame *) (void *) frame->item.next;
  frame->place = self->free_slots.places[--self->free_slots.n];
  frame->tun.packet = self->slots + (size_t) frame->place * SLOT_BYTES;
  frame->item.is_large = true;
  return frame;
}

void
fz_frame_pool_shrink (FzFramePool *self, FzStagedFrame *frame)
{
  uint8_t *cell;

  if (frame->tun.length > FZ_FRAME_CELL_BYTES || self->free_cells.n == 0 || !frame->item.is_large)
    return;
  push (&self->free_slots, frame->place);
  frame->place = self->free_cells.places[--self->free_cells.n];
  cell = self->cells + (size_t) (frame->place - FZ_TX_SLOTS) * FZ_FRAME_CELL_BYTES;
  memcpy (cell, frame->tun.packet, frame->tun.length);
  frame->tun.packet = cell;
  frame->segmenter.ip.data = cell;
  frame->item.is_large = false;
}

void
fz_frame_pool_give_back (FzFramePool *self, FzStagedFrame *frame)
{
  push (frame->item.is_large ? &self->free_slots : &self->free_cells, frame->place);
  link_free (self, frame);
}
