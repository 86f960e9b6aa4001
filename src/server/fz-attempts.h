/* fz-attempts.h
 *
 * How often somebody may guess a password: wrong attempts per key in a window of
 * time. Attempts under way may all turn out wrong, so no more begin than are left;
 * many at once gain nothing. Keys are what the caller makes them: an address, a
 * name, both.
 *
 * The table is bounded. When it is full the entry that would end first goes: a
 * flood from many places must not keep everybody else from signing in.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FzAttempts FzAttempts;

#define FZ_ATTEMPTS_KEYS_MAX 4096u

FzAttempts *fz_attempts_new (unsigned max_wrong, int64_t window_us);
void fz_attempts_free (FzAttempts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzAttempts, fz_attempts_free)

/* Time until @key may try again, after too many wrong attempts; 0: now. Changes nothing. */
int64_t fz_attempts_wait_us (const FzAttempts *self, const char *key, int64_t now_us);

/* Whether as many are under way as may still be wrong: the next one waits for one to end. */
bool fz_attempts_is_busy (const FzAttempts *self, const char *key, int64_t now_us);

void fz_attempts_begin (FzAttempts *self, const char *key, int64_t now_us);
/* One that has begun has ended. */
void fz_attempts_end (FzAttempts *self, const char *key, bool was_wrong);

/* Forgets @key: whoever knows the password is welcome. */
void fz_attempts_forgive (FzAttempts *self, const char *key);

size_t fz_attempts_size (const FzAttempts *self);
