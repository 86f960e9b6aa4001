/* fz-sign-out.h
 *
 * A client ends its own sign-in: DELETE /client/v2/session with its token in
 * X-Authorization. Full Firezone portals have no such address and answer 404;
 * there the token lives until it expires.
 *
 * Only what the sign-in page made can be ended so. A token that an
 * administrator made may be in use on many machines; it is theirs to revoke.
 */
#pragma once

#include "src/server/fz-store.h"

#define FZ_SIGN_OUT_PATH "/client/v2/session"

/**
 * fz_sign_out:
 * @authorization: (nullable): value of X-Authorization
 *
 * Returns: the HTTP status: 204 it is ended; 401 no token, or none that is good; 403 an
 *   administrator's token; 500 with @error set
 */
unsigned fz_sign_out (FzStore *store, const char *authorization, int64_t now, GError **error);
