/* fz-server-error.h
 *
 * What can go wrong in the portal, as one GError domain. Messages are for the
 * person at the command line: they name the object and say what to do.
 */
#pragma once

#include <glib.h>

#define FZ_SERVER_ERROR (fz_server_error_quark ())

typedef enum {
  FZ_SERVER_ERROR_INVALID,       /* a value that cannot be */
  FZ_SERVER_ERROR_NOT_FOUND,     /* nothing has that name or id */
  FZ_SERVER_ERROR_AMBIGUOUS,     /* more than one thing has that name */
  FZ_SERVER_ERROR_CONFLICT,      /* exists already, or something depends on it */
  FZ_SERVER_ERROR_UNSUPPORTED,   /* well-formed, but this portal cannot do it */
  FZ_SERVER_ERROR_EXHAUSTED,     /* no free tunnel address is left */
  FZ_SERVER_ERROR_STORE_BUSY,    /* another process holds the database */
  FZ_SERVER_ERROR_STORE_FULL,    /* disk full or quota reached */
  FZ_SERVER_ERROR_STORE_CORRUPT, /* the file is damaged or no database */
  FZ_SERVER_ERROR_STORE,         /* any other trouble with the database */
  FZ_SERVER_ERROR_UNREACHABLE,   /* the running portal does not answer */
  FZ_SERVER_ERROR_FAILED,        /* the system refused something else: a port, a file */
} FzServerError;

GQuark fz_server_error_quark (void);

/* Stable lower-case name with underscores, as in JSON output: "not_found". */
const char *fz_server_error_name (const GError *error);

/* The code of @name; FZ_SERVER_ERROR_FAILED if unknown. */
FzServerError fz_server_error_from_name (const char *name);
