/* fz-sign-out.h
 *
 * Tells the portal that a person has signed out, so that the token ends there
 * too: DELETE /client/v2/session. The self-hosted portal knows it; a full
 * Firezone portal answers 404, and the token lives until it expires
 * (portal-protocol.md §2.9). Whether it could be done is said in the log; nobody
 * waits for it.
 *
 * On the default main context.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/portal/fz-token.h"

#define FZ_SIGN_OUT_TIMEOUT_S 10u
#define FZ_SIGN_OUTS_MAX      8u /* under way; one more is not sent */

/* @api_url: the portal's, as for fz_portal_new. @log: its sink outlives the process's main loop. */
void fz_sign_out_send (const char *api_url, const FzToken *token, const FzLog *log);
