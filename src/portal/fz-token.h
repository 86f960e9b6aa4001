/* fz-token.h
 *
 * The secret that signs a process in, and the places it comes from: the
 * environment, a file that only root can read, a systemd credential
 * (linux-apps.md §4.4, §5.1). Kept in locked memory, wiped on every path, never
 * logged.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define FZ_TOKEN_ENV       "FIREZONE_TOKEN"
#define FZ_TOKEN_FILE      "/etc/dev.firezone.client/token"
#define FZ_TOKEN_BYTES_MAX 8192u

typedef struct FzToken FzToken;

/* Copies @text without any white space; FZ_PORTAL_ERROR_BAD_TOKEN if nothing or too much is left,
 * or a character that no header may hold. */
FzToken *fz_token_new (const char *text, GError **error);
void fz_token_free (FzToken *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzToken, fz_token_free)

FzToken *fz_token_dup (const FzToken *self);
const char *fz_token_get_text (const FzToken *self);

/* Takes @variable out of the environment and wipes it there, so that /proc and child processes do
 * not show it. Before any thread starts. NULL without @error: not set, or empty. */
FzToken *fz_token_steal_from_environment (const char *variable, GError **error);

/* The file must belong to root's user and group and be closed to everybody else (0400 or 0600).
 * A missing one is G_FILE_ERROR_NOENT. */
FzToken *fz_token_read_file (const char *path, GError **error);

/* $CREDENTIALS_DIRECTORY/@name; the service manager guards that directory. NULL without @error:
 * there is no such directory, or no such file. */
FzToken *fz_token_read_credential (const char *name, GError **error);

/* Writes @self with mode 0600, owned by root, by a temporary name and rename; parents are made. */
bool fz_token_write_file (const FzToken *self, const char *path, GError **error);
