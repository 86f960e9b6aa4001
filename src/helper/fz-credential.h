/* fz-credential.h
 *
 * Who is signed in: the token with what belongs to it, and the wish that goes
 * with both, as one thing that is kept across a crash. The token stays in
 * locked memory; where the whole is written out, for the service manager to
 * keep, it is written to a sealed memfd and nowhere else.
 */
#pragma once

#include "src/portal/fz-token.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_CREDENTIAL_TEXT_MAX   256u   /* bytes of account and actor */
#define FZ_CREDENTIAL_URL_MAX    2048u  /* bytes of the portal's address */
#define FZ_CREDENTIAL_STORED_MAX 16384u /* bytes of the memfd */

typedef struct {
  FzToken *token;
  uint32_t owner;      /* uid */
  char *api_url;       /* as the caller gave it; NULL: the machine's */
  char *account;       /* "" if unknown */
  char *actor;         /* "" if unknown */
  uint64_t expires_us; /* wall clock; 0: unknown */
} FzCredential;

/* Takes @token; texts are copied, NULL is "" but for @api_url. */
FzCredential *fz_credential_new (FzToken *token,
                                 uint32_t owner,
                                 const char *api_url,
                                 const char *account,
                                 const char *actor,
                                 uint64_t expires_us);
void fz_credential_free (FzCredential *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzCredential, fz_credential_free)

/* Whether both sign in the same person at the same place. In constant time. */
bool fz_credential_is_same (const FzCredential *a, const FzCredential *b);

/* What the people who may steer the tunnel have asked for. */
typedef struct {
  bool wants_connected;
  bool routes_internet;
  bool owner_was_here; /* the owner has had a login session since the credential came */
} FzWish;

/**
 * fz_credential_write:
 * @number: of this writing; a reader takes the highest
 *
 * Returns: a memfd, sealed against everything; -1 with G_FILE_ERROR
 */
int
fz_credential_write (const FzCredential *self, const FzWish *wish, uint64_t number, GError **error);

/* What fz_credential_write wrote; @fd stays open. NULL with G_FILE_ERROR for anything else. */
FzCredential *fz_credential_read (int fd, FzWish *out_wish, uint64_t *out_number, GError **error);
