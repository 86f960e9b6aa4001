/* fz-sign-in.h
 *
 * The sign-in pages (portal-protocol.md §§2.2, 2.10): from the link a client opens
 * to the link that opens the client. Knows nothing of libsoup: requests come in as
 * values, replies go out as values, so that tests can ask without a socket.
 *
 *   GET  /                          which account; with only one, there
 *   GET  /{account}                 on to its sign-in
 *   GET  /{account}/sign_in         the form
 *   POST /{account}/sign_in         e-mail and password
 *   GET  …/sign_in/success          hands over to the app, or shows the token
 *   GET  …/sign_in/client_redirect  the deep link, as a redirect
 *   GET  …/sign_in/client_auth_error, …/client_account_disabled
 *   GET  /assets/…                  style sheet and mark
 *
 * Nothing is remembered between requests but how often somebody guessed wrong:
 * what has to last travels in the form or in a sealed cookie.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/crypto/fz-password.h"
#include "src/server/fz-store.h"

#include <glib.h>
#include <stdbool.h>

typedef struct FzSignIn FzSignIn;

#define FZ_SIGN_IN_WRONG_MAX        5u  /* for one address and one e-mail, in the window below */
#define FZ_SIGN_IN_WRONG_SOURCE_MAX 20u /* for one address (an IPv6 network of 64 bits) */
#define FZ_SIGN_IN_WRONG_EMAIL_MAX  30u /* for one e-mail, from wherever */
#define FZ_SIGN_IN_WINDOW_S         900

typedef struct {
  FzLog log;
  FzPasswordCost cost;
} FzSignInConfig;

/* @store outlives it. */
FzSignIn *fz_sign_in_new (FzStore *store, const FzSignInConfig *config);
/* Requests that wait for an answer get 503. */
void fz_sign_in_free (FzSignIn *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSignIn, fz_sign_in_free)

typedef struct {
  bool is_post;
  bool is_secure; /* the browser speaks TLS, to us or to a proxy in front */
  const char *path;
  const char *query; /* or NULL, like the ones below */
  const char *cookies;
  const char *content_type;
  const char *fetch_site; /* Sec-Fetch-Site */
  const char *body;
  size_t body_length;
  const char *remote_ip;
} FzPageRequest;

typedef struct {
  unsigned status;
  const char *type; /* static; NULL without a body */
  char *body;       /* owned; whole text */
  size_t body_length;
  char *location;         /* redirects */
  char *set_cookie;       /* or NULL */
  unsigned retry_after_s; /* 0: no such header */
  bool may_be_cached;
} FzPageReply;

void fz_page_reply_clear (FzPageReply *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzPageReply, fz_page_reply_clear)

/* @reply belongs to the caller of this, and ends with the call. */
typedef void (*FzPageDone) (const FzPageReply *reply, void *context);

/* @done is called once: before this returns, or later from the main loop. */
void
fz_sign_in_handle (FzSignIn *self, const FzPageRequest *request, FzPageDone done, void *context);
