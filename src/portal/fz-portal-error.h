/* fz-portal-error.h
 *
 * The error domain of the portal layer: what went wrong between us and the
 * control plane, and whether a new token would help (portal-protocol.md §12).
 */
#pragma once

#include <glib.h>

#define FZ_PORTAL_ERROR (fz_portal_error_quark ())
GQuark fz_portal_error_quark (void);

/* What keeps the portal from letting us in, while we try again (portal-protocol.md §3.10). */
typedef enum {
  FZ_PORTAL_REFUSAL_NONE,   /* it was not reached, or is in trouble of its own */
  FZ_PORTAL_REFUSAL_DEVICE, /* this person or device, as things are: no seat left, not trusted, … */
  FZ_PORTAL_REFUSAL_ACCOUNT, /* the account is disabled */
  FZ_PORTAL_REFUSAL_VERSION, /* this version is not served any more */
} FzPortalRefusal;

/* @status: of the HTTP answer; @code: of its problem details, NULL for none. */
FzPortalRefusal fz_portal_refusal_of (unsigned status, const char *code);

typedef enum {
  /* what arrived could not be used; the connection is kept */
  FZ_PORTAL_ERROR_TRUNCATED, /* the JSON text ends early: the one case that ends the connection */
  FZ_PORTAL_ERROR_MALFORMED, /* no JSON, too deep, or of the wrong shape */

  /* fatal: nobody tries again */
  FZ_PORTAL_ERROR_INVALID_TOKEN,         /* discard the token, sign in again */
  FZ_PORTAL_ERROR_AUTHENTICATION_FAILED, /* refused, but the token is not named as the reason */
  FZ_PORTAL_ERROR_LOGIN_FAILED,          /* the join was refused */
  FZ_PORTAL_ERROR_RETRIES_EXHAUSTED,     /* the budget of delays is used up */

  /* configuration */
  FZ_PORTAL_ERROR_BAD_URL,
  FZ_PORTAL_ERROR_BAD_TOKEN, /* no token, or a file that others could read */
  FZ_PORTAL_ERROR_DEVICE_ID, /* neither found nor made */
} FzPortalError;
