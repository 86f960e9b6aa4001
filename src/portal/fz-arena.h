/* fz-arena.h
 *
 * Memory of one translated message: everything the command points to, freed in
 * one go. Wiped before it is freed, for preshared keys pass through here.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

typedef struct FzArena FzArena;

FzArena *fz_arena_new (void);
void fz_arena_free (FzArena *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzArena, fz_arena_free)

/* @n zeroed items of @size bytes, aligned for anything; NULL for none. Lives as long as @self. */
void *fz_arena_take (FzArena *self, size_t n, size_t size);
