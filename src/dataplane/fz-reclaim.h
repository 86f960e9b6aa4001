/* fz-reclaim.h
 *
 * Quiescent-state reclamation: what the engine has replaced is freed when every
 * lane has passed a point at which it holds nothing (dataplane.md §4.1). A lane
 * announces such a point at the top of each turn and goes offline before it
 * sleeps. With no readers everything is freed at once.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_RECLAIM_READERS_MAX 32u

typedef struct {
  /* reader writes (seq_cst around sleep), engine reads; 0: offline */
  _Alignas(64) _Atomic uint64_t epoch;
} FzReclaimReader;

typedef struct FzReclaim FzReclaim;

FzReclaim *fz_reclaim_new (void);
void fz_reclaim_free (FzReclaim *self); /* no reader may be online; frees what is pending */

/* -- engine thread -- */
FzReclaimReader *fz_reclaim_add_reader (FzReclaim *self); /* starts offline; before its thread */
void fz_reclaim_retire (FzReclaim *self, void *object, void (*free_object) (void *object));
size_t fz_reclaim_collect (FzReclaim *self); /* frees what it can; returns what is left */

/* -- reader -- */
void fz_reclaim_quiesce (FzReclaim *self, FzReclaimReader *reader); /* also: come online */
void fz_reclaim_offline (FzReclaim *self, FzReclaimReader *reader);
