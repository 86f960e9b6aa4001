/* fz-flow.h
 *
 * One sign-in from the link that a client opens to the answer it gets
 * (portal-protocol.md §2.2): what the link carries, the token that ties a posted
 * form to the browser and the link it was made for, and the sealed cookie that
 * holds the answer for the two minutes it takes to hand it over. Pure functions;
 * nothing is kept here between requests, so there is no session to steal or fix.
 */
#pragma once

#include "src/base/fz-rng.h"
#include "src/server/fz-form.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_FLOW_SCHEME   "firezone-fd0020211111"
#define FZ_FLOW_TEXT_MAX 128u /* bytes of state, of nonce, and of a path to return to */
#define FZ_FLOW_KEY_SIZE 32u

#define FZ_FLOW_FORM_S   3600 /* how long a form may stay open */
#define FZ_FLOW_ANSWER_S 120  /* how long the answer can be fetched */

/* -- what the link carries -- */

typedef enum {
  FZ_FLOW_NONE,     /* a person who came by themselves */
  FZ_FLOW_GUI,      /* "gui-client", and "client" as it was once called */
  FZ_FLOW_HEADLESS, /* "headless-client" */
} FzFlowKind;

const char *fz_flow_kind_name (FzFlowKind kind); /* "gui-client"; "" for none */

typedef struct {
  FzFlowKind kind;
  const char *state; /* never NULL; these three are borrowed from the form */
  const char *nonce;
  const char *redirect_to; /* carried along; never followed */
} FzFlow;

/* From a query or from a posted form; false for a link that no client makes. */
bool fz_flow_read (const FzForm *form, FzFlow *out);

/* As the query of a link, without "?"; "" for a person who came by themselves. g_free. */
char *fz_flow_to_query (const FzFlow *self);

/* -- forms -- */

#define FZ_FLOW_BROWSER_MAX    43u /* characters of the cookie that knows a browser again */
#define FZ_FLOW_FORM_TOKEN_MAX 96u

/* A fresh value of that cookie; g_free. */
char *fz_flow_new_browser (const FzRng *rng);
bool fz_flow_is_browser (const char *text);

/**
 * fz_flow_form_token:
 * @browser: the cookie's value
 * @account_id: whose page it is
 * @now: unix seconds
 *
 * What a form carries to show that it came from our page, in this browser, for
 * this link. g_free.
 */
char *fz_flow_form_token (const uint8_t key[FZ_FLOW_KEY_SIZE],
                          const char *browser,
                          const char *account_id,
                          const FzFlow *flow,
                          int64_t now);
bool fz_flow_check_form_token (const uint8_t key[FZ_FLOW_KEY_SIZE],
                               const char *browser,
                               const char *account_id,
                               const FzFlow *flow,
                               const char *token,
                               int64_t now);

/* -- the answer -- */

typedef struct {
  FzFlowKind kind;
  char *account_id;
  char *actor_id;
  char *token_id;
  char *fragment; /* the token without its nonce */
  char *state;
  int64_t expires_at; /* of the token, unix seconds */
} FzFlowAnswer;

void fz_flow_answer_clear (FzFlowAnswer *self); /* wipes the fragment */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzFlowAnswer, fz_flow_answer_clear)

#define FZ_FLOW_SEALED_MAX 2048u /* bytes; browsers keep cookies of 4096 with their attributes */

/* Encrypted and authenticated, for a cookie; g_free. */
char *fz_flow_seal (const uint8_t key[FZ_FLOW_KEY_SIZE],
                    const FzRng *rng,
                    const FzFlowAnswer *answer,
                    int64_t now);

/* False for anything that fz_flow_seal () did not make in the last FZ_FLOW_ANSWER_S. */
bool fz_flow_open (const uint8_t key[FZ_FLOW_KEY_SIZE],
                   const char *sealed,
                   int64_t now,
                   FzFlowAnswer *out);

/* The link that opens the client and tells it who has signed in; g_free. */
char *fz_flow_deep_link (const FzFlowAnswer *answer,
                         const char *account_slug,
                         const char *account_name,
                         const char *actor_name,
                         const char *email);
