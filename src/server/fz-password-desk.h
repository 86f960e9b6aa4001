/* fz-password-desk.h
 *
 * Checks passwords on threads of its own: a hash takes a tenth of a second, and
 * the main loop has peers to serve. A few at a time, a bounded queue; whoever
 * comes when it is full is told to come back.
 *
 * Everything here is called on the main thread, and so are the answers.
 */
#pragma once

#include "src/crypto/fz-password.h"

#include <glib.h>
#include <stdbool.h>

typedef struct FzPasswordDesk FzPasswordDesk;

#define FZ_PASSWORD_THREADS   2u
#define FZ_PASSWORD_QUEUE_MAX 32u

/* @is_right: whether the password belongs to the hash.
 * @new_hash: the same password at today's cost, if the hash was made at another one; else NULL. */
typedef void (*FzPasswordAnswer) (bool is_right, const char *new_hash, void *context);

FzPasswordDesk *fz_password_desk_new (const FzPasswordCost *cost);
/* Waits for the hashes that are being computed; no answer comes any more. */
void fz_password_desk_free (FzPasswordDesk *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPasswordDesk, fz_password_desk_free)

bool fz_password_desk_is_full (const FzPasswordDesk *self);

/**
 * fz_password_desk_check:
 * @hash: NULL if there is none; that takes as long, and the answer is no
 * @answer: called once, later, from the main loop
 *
 * Not to be called on a full desk.
 */
void fz_password_desk_check (FzPasswordDesk *self,
                             const char *hash,
                             const char *password,
                             FzPasswordAnswer answer,
                             void *context);

/* What is hashed: the same text however a keyboard composes it (NFKC). NULL if it is not UTF-8.
 * g_free after wiping. */
char *fz_password_normalize (const char *password);
