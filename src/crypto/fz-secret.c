/* fz-secret.c
 *
 * Locked memory for keys (the part of fz-crypto.h of that name). Secrets are
 * small and there are many, so they share chunks: a chunk is 64 KiB, locked and
 * kept out of core dumps as a whole, and cut into cells of one size, the first
 * of which holds the chunk's own record. Freed cells are wiped and wait for the
 * next secret of their size; a chunk without any secret goes back to the system,
 * but for the last of its size. What is larger than a cell has a mapping of its
 * own. Any thread may call; one mutex, never taken per packet.
 */

#include "src/crypto/fz-crypto.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CHUNK_BYTES    65536u /* and its alignment: a cell's chunk follows from its address */
#define CELL_BYTES_MIN 64u    /* a cache line: no two secrets share one */
#define CELL_BYTES_MAX 4096u
#define N_CELL_SIZES   7u /* 64, 128, … 4096 */
#define PAGE_BYTES     4096u

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void) (p), (void) (n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#endif

typedef struct FreeCell {
  struct FreeCell *next;
} FreeCell;

/* Stands at the start of the chunk. */
typedef struct Chunk {
  struct Chunk *next; /* with free cells, of one size */
  struct Chunk *previous;
  FreeCell *free_cells;
  uint32_t n_used;
} Chunk;

_Static_assert(sizeof (Chunk) <= CELL_BYTES_MIN, "a chunk's record fits a cell");

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static Chunk *with_free_cells[N_CELL_SIZES];
static size_t reserved_bytes;
static bool lock_was_refused;

static unsigned
cell_class (size_t size)
{
  unsigned i_size = 0;

  while ((size_t) CELL_BYTES_MIN << i_size < size)
    i_size++;
  return i_size;
}

static size_t
whole_pages (size_t size)
{
  return (size + PAGE_BYTES - 1) & ~(size_t) (PAGE_BYTES - 1);
}

/* Without room under RLIMIT_MEMLOCK a secret in unlocked memory is better than none. */
static void
lock (void *memory, size_t size)
{
  if (mlock (memory, size) != 0)
    lock_was_refused = true;
  madvise (memory, size, MADV_DONTDUMP);
  reserved_bytes += size;
}

/* Zeroed. */
static void *
map_locked (size_t size)
{
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED)
    abort ();
  lock (memory, size);
  return memory;
}

static void
unmap (void *memory, size_t size)
{
  munmap (memory, size); /* unlocks as well */
  reserved_bytes -= size;
}

/* The kernel aligns to pages only: of twice as much the aligned half is kept. */
static void *
map_aligned (void)
{
  uint8_t *memory =
      mmap (NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  size_t before;

  if (memory == MAP_FAILED)
    abort ();
  before = (CHUNK_BYTES - (uintptr_t) memory % CHUNK_BYTES) % CHUNK_BYTES;
  if (before > 0)
    munmap (memory, before);
  munmap (memory + before + CHUNK_BYTES, CHUNK_BYTES - before);
  return memory + before;
}

static void
link_chunk (Chunk *chunk, unsigned i_size)
{
  chunk->previous = NULL;
  chunk->next = with_free_cells[i_size];
  if (chunk->next != NULL)
    chunk->next->previous = chunk;
  with_free_cells[i_size] = chunk;
}

static void
unlink_chunk (Chunk *chunk, unsigned i_size)
{
  if (chunk->previous != NULL)
    chunk->previous->next = chunk->next;
  else
    with_free_cells[i_size] = chunk->next;
  if (chunk->next != NULL)
    chunk->next->previous = chunk->previous;
}

static void
cut_chunk (unsigned i_size)
{
  size_t cell_bytes = (size_t) CELL_BYTES_MIN << i_size;
  uint8_t *memory = map_aligned ();
  Chunk *chunk = (Chunk *) (void *) memory;

  lock (memory, CHUNK_BYTES);
  for (size_t at = CHUNK_BYTES - cell_bytes; at > 0; at -= cell_bytes) {
    FreeCell *cell = (FreeCell *) (void *) (memory + at);

    cell->next = chunk->free_cells;
    chunk->free_cells = cell;
  }
  link_chunk (chunk, i_size);
  ASAN_POISON_MEMORY_REGION (memory + cell_bytes, CHUNK_BYTES - cell_bytes);
}

static void *
take_cell (unsigned i_size)
{
  Chunk *chunk;
  FreeCell *cell;

  if (with_free_cells[i_size] == NULL)
    cut_chunk (i_size);
  chunk = with_free_cells[i_size];
  cell = chunk->free_cells;
  ASAN_UNPOISON_MEMORY_REGION (cell, sizeof *cell);
  chunk->free_cells = cell->next;
  chunk->n_used++;
  if (chunk->free_cells == NULL)
    unlink_chunk (chunk, i_size);
  cell->next = NULL; /* the rest of the cell is zero already */
  return cell;
}

static void
give_cell (FreeCell *cell, unsigned i_size)
{
  Chunk *chunk = (Chunk *) (void *) ((uint8_t *) cell - (uintptr_t) cell % CHUNK_BYTES);

  if (chunk->free_cells == NULL)
    link_chunk (chunk, i_size);
  cell->next = chunk->free_cells;
  chunk->free_cells = cell;
  chunk->n_used--;
  ASAN_POISON_MEMORY_REGION (cell, (size_t) CELL_BYTES_MIN << i_size);
  if (chunk->n_used > 0 || (chunk->next == NULL && chunk->previous == NULL))
    return;
  unlink_chunk (chunk, i_size);
  ASAN_UNPOISON_MEMORY_REGION (chunk, CHUNK_BYTES);
  unmap (chunk, CHUNK_BYTES);
}

void *
fz_secret_new (size_t size)
{
  void *secret;

  pthread_mutex_lock (&mutex);
  if (size > CELL_BYTES_MAX)
    secret = map_locked (whole_pages (size));
  else
    secret = take_cell (cell_class (size));
  pthread_mutex_unlock (&mutex);
  if (size <= CELL_BYTES_MAX)
    ASAN_UNPOISON_MEMORY_REGION (secret, size);
  return secret;
}

void
fz_secret_free (void *secret, size_t size)
{
  unsigned i_size;

  if (secret == NULL)
    return;
  sodium_memzero (secret, size);
  pthread_mutex_lock (&mutex);
  if (size > CELL_BYTES_MAX) {
    unmap (secret, whole_pages (size));
  } else {
    i_size = cell_class (size);
    ASAN_UNPOISON_MEMORY_REGION (secret, sizeof (FreeCell)); /* it may be shorter than a link */
    give_cell (secret, i_size);
  }
  pthread_mutex_unlock (&mutex);
}

size_t
fz_secret_get_reserved_bytes (void)
{
  size_t bytes;

  pthread_mutex_lock (&mutex);
  bytes = reserved_bytes;
  pthread_mutex_unlock (&mutex);
  return bytes;
}

bool
fz_secret_is_locked (void)
{
  bool is_locked;

  pthread_mutex_lock (&mutex);
  is_locked = !lock_was_refused;
  pthread_mutex_unlock (&mutex);
  return is_locked;
}
