/* fz-secret.c
 *
 * Locked memory for keys (the part of fz-crypto.h of that name). Secrets are
 * small and there are many, so they share chunks: a chunk is 64 KiB, locked and
 * kept out of core dumps as a whole, and cut into cells of one size. Freed
 * cells are wiped and wait in a list for the next secret of their size; chunks
 * stay until the process ends. What is larger than a cell has a mapping of its
 * own. Any thread may call; one mutex, never taken per packet.
 */

#include "src/crypto/fz-crypto.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CHUNK_BYTES    65536u
#define CELL_BYTES_MIN 64u /* a cache line: no two secrets share one */
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

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static FreeCell *free_cells[N_CELL_SIZES];
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

/* Zeroed. Without room under RLIMIT_MEMLOCK a secret in unlocked memory is better than none. */
static void *
map_locked (size_t size)
{
  void *memory;

  memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    abort ();
  if (mlock (memory, size) != 0)
    lock_was_refused = true;
  madvise (memory, size, MADV_DONTDUMP);
  return memory;
}

static void
cut_chunk (unsigned i_size)
{
  size_t cell_bytes = (size_t) CELL_BYTES_MIN << i_size;
  uint8_t *chunk = map_locked (CHUNK_BYTES);

  for (size_t at = CHUNK_BYTES; at > 0; at -= cell_bytes) {
    FreeCell *cell = (FreeCell *) (void *) (chunk + at - cell_bytes);

    cell->next = free_cells[i_size];
    free_cells[i_size] = cell;
  }
  ASAN_POISON_MEMORY_REGION (chunk, CHUNK_BYTES);
}

static void *
take_cell (unsigned i_size)
{
  FreeCell *cell;

  if (free_cells[i_size] == NULL)
    cut_chunk (i_size);
  cell = free_cells[i_size];
  ASAN_UNPOISON_MEMORY_REGION (cell, sizeof *cell);
  free_cells[i_size] = cell->next;
  cell->next = NULL; /* the rest of the cell is zero already */
  return cell;
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
  FreeCell *cell = secret;
  unsigned i_size;

  if (secret == NULL)
    return;
  sodium_memzero (secret, size);
  if (size > CELL_BYTES_MAX) {
    munmap (secret, whole_pages (size)); /* unlocks as well */
    return;
  }

  i_size = cell_class (size);
  ASAN_UNPOISON_MEMORY_REGION (cell, sizeof *cell); /* a secret may be shorter than a link */
  pthread_mutex_lock (&mutex);
  cell->next = free_cells[i_size];
  free_cells[i_size] = cell;
  /* before another can have it */
  ASAN_POISON_MEMORY_REGION (secret, (size_t) CELL_BYTES_MIN << i_size);
  pthread_mutex_unlock (&mutex);
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
