/* fz-server-error.c
 *
 * Names of the error codes, for JSON output and for the control socket.
 */
#include "src/server/fz-server-error.h"

/* The name is no expression, so the formatter must not touch it. */
/* clang-format off */
G_DEFINE_QUARK (fz-server-error-quark, fz_server_error)
/* clang-format on */

static const char *const names[] = {
  [FZ_SERVER_ERROR_INVALID] = "invalid",
  [FZ_SERVER_ERROR_NOT_FOUND] = "not_found",
  [FZ_SERVER_ERROR_AMBIGUOUS] = "ambiguous",
  [FZ_SERVER_ERROR_CONFLICT] = "conflict",
  [FZ_SERVER_ERROR_UNSUPPORTED] = "unsupported",
  [FZ_SERVER_ERROR_EXHAUSTED] = "exhausted",
  [FZ_SERVER_ERROR_STORE_BUSY] = "store_busy",
  [FZ_SERVER_ERROR_STORE_FULL] = "store_full",
  [FZ_SERVER_ERROR_STORE_CORRUPT] = "store_corrupt",
  [FZ_SERVER_ERROR_STORE] = "store",
  [FZ_SERVER_ERROR_UNREACHABLE] = "unreachable",
  [FZ_SERVER_ERROR_FAILED] = "failed",
};

const char *
fz_server_error_name (const GError *error)
{
  if (error->domain == FZ_SERVER_ERROR && error->code >= 0 &&
      (size_t) error->code < G_N_ELEMENTS (names))
    return names[error->code];
  return names[FZ_SERVER_ERROR_FAILED];
}

FzServerError
fz_server_error_from_name (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (names[i], name) == 0)
      return (FzServerError) i;
  return FZ_SERVER_ERROR_FAILED;
}
