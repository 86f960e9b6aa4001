/* fz-heap.h
 *
 * Deadlines by handle: a binary heap with the earliest on top, where a handle's
 * deadline can be moved or taken out. Handles are small numbers (indices of the
 * owner's table); the heap's memory grows with the largest one in use. Equal
 * deadlines come out by handle, so that a run can be repeated.
 */
#pragma once

#include "src/base/fz-instant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_HEAP_HANDLE_MAX (1u << 24) /* exclusive */

typedef struct FzHeap FzHeap;

FzHeap *fz_heap_new (void); /* aborts without memory, like the functions below */
void fz_heap_free (FzHeap *self);

size_t fz_heap_get_length (const FzHeap *self); /* deadlines in it */

/* Sets or moves the deadline of @handle; FZ_INSTANT_NEVER takes it out. */
void fz_heap_set (FzHeap *self, uint32_t handle, FzInstant deadline);
void fz_heap_remove (FzHeap *self, uint32_t handle); /* harmless if it is not in */

/* The deadline of @handle, FZ_INSTANT_NEVER if it has none. */
FzInstant fz_heap_get (const FzHeap *self, uint32_t handle);

FzInstant fz_heap_next (const FzHeap *self); /* earliest, FZ_INSTANT_NEVER if empty */

/* Takes out the earliest if it is due at @now. */
bool fz_heap_pop_due (FzHeap *self, FzInstant now, uint32_t *out_handle);
