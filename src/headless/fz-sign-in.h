/* fz-sign-in.h
 *
 * The sub-commands sign-in and sign-out: a token from the browser into the token
 * file, and away again. They talk to a person on the terminal.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* {base}[/{slug}]?as=headless-client; NULL with FZ_PORTAL_ERROR_BAD_URL. */
char *fz_sign_in_build_url (const char *auth_base_url, const char *account_slug, GError **error);

/* Says where to sign in, reads the token without echo, saves it. */
bool fz_sign_in (const char *auth_base_url,
                 const char *account_slug,
                 const char *token_path,
                 GError **error);

/* Asks unless @is_forced, and deletes the file. True as well if there is none, or if the person
 * thinks better of it. */
bool fz_sign_out (const char *token_path, bool is_forced, GError **error);
