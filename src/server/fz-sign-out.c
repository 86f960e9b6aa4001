/* fz-sign-out.c: see the header */
#include "src/server/fz-sign-out.h"

#include <glib.h>

#define SCHEME "Bearer "

unsigned
fz_sign_out (FzStore *store, const char *authorization, int64_t now, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzTokenRecord) token = NULL;
  bool is_ended = false;

  if (authorization == NULL || g_ascii_strncasecmp (authorization, SCHEME, sizeof SCHEME - 1) != 0)
    return 401;
  token = fz_store_token_verify (
      store, FZ_TOKEN_CLIENT, authorization + sizeof SCHEME - 1, now, &local_error);
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return 500;
  }
  if (token == NULL)
    return 401;
  if (!fz_store_token_end_sign_in (store, token->id, &is_ended, error))
    return 500;
  return is_ended ? 204 : 403;
}
