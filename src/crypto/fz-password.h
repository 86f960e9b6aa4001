/* fz-password.h
 *
 * Passwords of people, hashed by Argon2id: slow and large on purpose, so call it
 * on a thread of its own where something else waits. The text of a hash names its
 * parameters, so that they can rise without old ones becoming useless.
 *
 * Thread-safe after fz_crypto_init().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_PASSWORD_HASH_MAX 128u /* bytes, with the terminating zero */

/* What one hash costs whoever makes or guesses it. */
typedef struct {
  uint64_t passes;
  size_t memory_bytes;
} FzPasswordCost;

/* 64 MiB and three passes: a tenth of a second of one core (RFC 9106 §4 asks for as much). */
FzPasswordCost fz_password_cost_default (void);

/* False without memory. */
bool
fz_password_hash (const char *password, const FzPasswordCost *cost, char out[FZ_PASSWORD_HASH_MAX]);

/* Takes as long for a wrong password as for the right one; false for a text that is no hash. */
bool fz_password_verify (const char *hash, const char *password);

/* Whether @hash was made at another cost than @cost, or is no hash. */
bool fz_password_needs_rehash (const char *hash, const FzPasswordCost *cost);
