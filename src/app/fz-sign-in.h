/* fz-sign-in.h
 *
 * The question a sign-in asks, and the one answer it takes (portal-protocol.md §2.2).
 *
 *   begin: state and nonce, 32 random bytes each, go into the address for the browser
 *   answer: a link that the browser was sent back by; its state must be ours, and the token is
 *           nonce || fragment
 *
 * Exactly one answer within ten minutes. Everything else (no question, a late link, another state,
 * a link that is none) changes nothing: any page can make a browser open our links, and must be
 * able neither to sign anybody in nor to spoil a sign-in under way. (Upstream gives up a sign-in at
 * the first foreign link.)
 *
 * Secrets live in memory of libsodium's and are wiped with the question. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_SIGN_IN_SCHEME  "firezone-fd0020211111"
#define FZ_SIGN_IN_SECONDS 600u
#define FZ_SIGN_IN_TEXT_MAX                                                                        \
  256u /* bytes of an account's or a person's name; the service takes no more */
#define FZ_SIGN_IN_TOKEN_MAX 4096u /* bytes */

#define FZ_SIGN_IN_ERROR (fz_sign_in_error_quark ())

typedef enum {
  FZ_SIGN_IN_ERROR_BAD_URL,     /* the sign-in address is none */
  FZ_SIGN_IN_ERROR_NOT_PENDING, /* nobody asked, or the answer was had */
  FZ_SIGN_IN_ERROR_EXPIRED,     /* the ten minutes are over */
  FZ_SIGN_IN_ERROR_MALFORMED,   /* no link of the portal */
  FZ_SIGN_IN_ERROR_FOREIGN,     /* an answer to somebody else's question */
} FzSignInError;

GQuark fz_sign_in_error_quark (void);

/* A token and what the portal says about it. */
typedef struct {
  char *token;   /* in guarded memory of libsodium's */
  char *account; /* slug, may be "" */
  char *actor;   /* name of the person, may be "" */
  char *api_url; /* the portal it is for */
} FzCredential;

/* Copies all; @token into guarded memory. */
FzCredential *
fz_credential_new (const char *token, const char *account, const char *actor, const char *api_url);
FzCredential *fz_credential_copy (const FzCredential *self);
void fz_credential_free (FzCredential *self); /* wipes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzCredential, fz_credential_free)

typedef struct FzSignIn FzSignIn;

/* @now_s: seconds of a clock that runs on while the machine sleeps; NULL: CLOCK_BOOTTIME. */
FzSignIn *fz_sign_in_new (uint64_t (*now_s) (void));
void fz_sign_in_free (FzSignIn *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSignIn, fz_sign_in_free)

/**
 * fz_sign_in_begin:
 * @auth_url: http or https; its path and query are replaced
 * @slug: account to sign in to; "": the page asks
 * @api_url: portal that the token will be for
 *
 * Asks anew; an earlier question is forgotten.
 *
 * Returns: (transfer full): address for the browser; NULL with FZ_SIGN_IN_ERROR_BAD_URL
 */
char *fz_sign_in_begin (
    FzSignIn *self, const char *auth_url, const char *slug, const char *api_url, GError **error);

bool fz_sign_in_is_pending (FzSignIn *self); /* and in time */
void fz_sign_in_cancel (FzSignIn *self);

/* (transfer full): the credential if @link answers our question, which is over then; NULL with
 * FZ_SIGN_IN_ERROR otherwise, and the question stands. The message never holds a part of the link.
 */
FzCredential *fz_sign_in_answer (FzSignIn *self, const char *link, GError **error);
