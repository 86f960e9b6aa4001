/* fz-account.h
 *
 * The person's side of the tunnel, without widgets: signing in and out, resuming what was,
 * connecting. It joins the sign-in, the credential store, the settings and the tunnel's model.
 *
 *   IDLE ──sign in──► BROWSER ──answer──► HANDING_OVER ──accepted or refused──► IDLE
 *    │ ▲                 │ cancel, ten minutes                                   ▲
 *    │ └─────────────────┘                                                       │
 *    ├──service has no credential, we may have one──► RESUMING ──found───────────┤ (through
 * HANDING_OVER) │                                                   └──none─────────────────┤
 *    └──sign out──► SIGNING_OUT ─────────────────────────────────────────────────┘
 *
 * Rules that decide what a person has to do again:
 *   - A lost portal, a lost network, a restart of service, app or machine: nothing. The token
 * stays.
 *   - The portal says the session is over or revoked: the token goes, and signing in is asked for.
 *   - Somebody signs out elsewhere (firezone sign-out): the token goes here as well.
 * Signing out forgets the token on this machine; the service tells the portal, which ends it where
 * it can (src/portal/fz-sign-out.h).
 *
 * Signals: "changed" (); "browse" (const char *url): show this page to the person, and tell
 * fz_account_set_browser_failed() if that cannot be done.
 *
 * Main thread.
 */
#pragma once

#include "src/app/fz-credential-store.h"
#include "src/app/fz-tunnel-model.h"

#define FZ_TYPE_ACCOUNT (fz_account_get_type ())
G_DECLARE_FINAL_TYPE (FzAccount, fz_account, FZ, ACCOUNT, GObject)

typedef enum {
  FZ_ACCOUNT_IDLE,
  FZ_ACCOUNT_BROWSER,      /* the browser has the question */
  FZ_ACCOUNT_RESUMING,     /* the keyring is asked */
  FZ_ACCOUNT_HANDING_OVER, /* the service is given the token */
  FZ_ACCOUNT_SIGNING_OUT,
} FzAccountPhase;

/* What went wrong last, until the next attempt of anything. */
typedef enum {
  FZ_ACCOUNT_FINE,
  FZ_ACCOUNT_BAD_ADDRESS,  /* of the sign-in page */
  FZ_ACCOUNT_TOO_LATE,     /* the ten minutes passed */
  FZ_ACCOUNT_SESSION_OVER, /* the portal wants a new sign-in */
  FZ_ACCOUNT_CALL_FAILED,  /* the service refused something: fz_account_get_error() */
} FzAccountTrouble;

FzAccount *fz_account_new (FzTunnelModel *tunnel, FzCredentialStore *store, GSettings *settings);

FzAccountPhase fz_account_get_phase (FzAccount *self);
FzAccountTrouble fz_account_get_trouble (FzAccount *self);
const GError *fz_account_get_error (FzAccount *self); /* (nullable) */
void fz_account_dismiss (FzAccount *self);            /* the trouble was read */
FzCredentialStore *fz_account_get_store (FzAccount *self);

/* The address that the browser should show; NULL unless it is waited for. */
const char *fz_account_get_link (FzAccount *self);
/* Whether no browser could be started, so that the link has to be shown. */
bool fz_account_is_browser_missing (FzAccount *self);
void fz_account_set_browser_failed (FzAccount *self);

bool fz_account_is_signed_in (FzAccount *self); /* the service has a credential of this person */

void fz_account_sign_in (FzAccount *self);
void fz_account_cancel (FzAccount *self);
void fz_account_handle_link (FzAccount *self, const char *link);
void fz_account_sign_out (FzAccount *self);

/* Connects, with the token that is stored where the service has none, by signing in where there is
 * none. */
void fz_account_connect (FzAccount *self);
void fz_account_disconnect (FzAccount *self);
void fz_account_set_internet (FzAccount *self, bool on);

/* Disconnects before the process ends, and calls back in any case, after five seconds at most. */
void fz_account_leave (FzAccount *self, GSourceFunc done, gpointer user_data);
