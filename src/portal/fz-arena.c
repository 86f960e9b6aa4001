/* fz-arena.c
 *
 * A list of blocks, newest first. Messages need a few blocks each, so nothing
 * is gained from packing them.
 */
#include "src/portal/fz-arena.h"

#include "src/crypto/fz-crypto.h"

#include <stdalign.h>

typedef struct Block Block;

struct Block {
  Block *next;
  size_t size; /* bytes in data */
  alignas (max_align_t) unsigned char data[];
};

struct FzArena {
  Block *blocks;
};

FzArena *
fz_arena_new (void)
{
  return g_new0 (FzArena, 1);
}

void
fz_arena_free (FzArena *self)
{
  if (self == NULL)
    return;

  while (self->blocks != NULL) {
    Block *block = self->blocks;

    self->blocks = block->next;
    fz_wipe (block->data, block->size);
    g_free (block);
  }
  g_free (self);
}

void *
fz_arena_take (FzArena *self, size_t n, size_t size)
{
  Block *block;

  if (n == 0 || size == 0)
    return NULL;

  g_assert (n <= (SIZE_MAX - sizeof *block) / size);
  block = g_malloc0 (sizeof *block + n * size);
  block->next = self->blocks;
  block->size = n * size;
  self->blocks = block;
  return block->data;
}
