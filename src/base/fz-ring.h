/* fz-ring.h
 *
 * A single-producer, single-consumer ring of records of varying length: how a
 * lane hands what it cannot decide to the engine thread. No locks, no
 * allocation after the start. A record is contiguous and 8-byte aligned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FzRing FzRing;

/* @capacity: bytes, a power of two, at least 4096. NULL without memory. */
FzRing *fz_ring_new (size_t capacity);
void fz_ring_free (FzRing *self);
size_t fz_ring_get_capacity (const FzRing *self); /* as it was asked for */

/* -- producer -- */

/* Room for one record of @length bytes (at most capacity / 4), NULL if the ring is full. */
void *fz_ring_reserve (FzRing *self, size_t length);
void fz_ring_commit (FzRing *self); /* publishes the reserved record (release) */

/* Running number of bytes committed so far: what fz_ring_is_consumed asks for. */
uint64_t fz_ring_position (const FzRing *self);

/* Whether the consumer has released everything up to @position (acquire). */
bool fz_ring_is_consumed (const FzRing *self, uint64_t position);

/* -- consumer -- */

/* The oldest record, NULL if there is none; the same one until it is released. */
const void *fz_ring_peek (FzRing *self, size_t *out_length);
void fz_ring_release (FzRing *self);
