/* fz-sign-in-private.h
 *
 * What the two halves of the sign-in pages share: fz-sign-in.c shows pages,
 * fz-sign-in-post.c takes the posted form and checks the password.
 */
#pragma once

#include "src/server/fz-attempts.h"
#include "src/server/fz-flow.h"
#include "src/server/fz-password-desk.h"
#include "src/server/fz-sign-in.h"

#define FZ_ANSWER_COOKIE "client_auth"

struct FzSignIn {
  FzStore *store;
  FzLog log;
  uint8_t *key; /* FZ_FLOW_KEY_SIZE; for as long as the portal runs */
  FzPasswordDesk *desk;
  FzAttempts *by_both;
  FzAttempts *by_source;
  FzAttempts *by_email;
  GPtrArray *pending; /* FzPendingCheck */
  int64_t logged_since_us;
  unsigned n_logged;
};

/* A page with a title, what happened, and what to do (or NULL). */
FzPageReply
fz_sign_in_message (unsigned status, const char *title, const char *text, const char *hint);
FzPageReply fz_sign_in_broken_link (void);

/* For @error of the store, which is logged. */
FzPageReply fz_sign_in_our_fault (FzSignIn *self, const char *doing, const GError *error);

/* Takes @location. */
FzPageReply fz_sign_in_redirect (unsigned status, char *location);

/* "/acme/sign_in" and what is @below it; @flow NULL: without its query. g_free. */
char *fz_sign_in_path (const FzAccount *account, const char *below, const FzFlow *flow);

/* The cookie that knows the browser again; NULL if it has none of ours. g_free. */
char *fz_sign_in_browser (const FzPageRequest *request);

/* The form, with @problem above it if that is not NULL. */
FzPageReply fz_sign_in_form (FzSignIn *self,
                             unsigned status,
                             const FzPageRequest *request,
                             const FzAccount *account,
                             const FzFlow *flow,
                             const char *email,
                             const char *problem);

/* False: the reply comes later, by @done. */
bool fz_sign_in_post (FzSignIn *self,
                      const FzPageRequest *request,
                      const FzAccount *account,
                      FzPageDone done,
                      void *context,
                      FzPageReply *out_reply);

/* Requests that wait get 503. */
void fz_sign_in_end_pending (FzSignIn *self);
