/* fz-store-credential.c
 *
 * Passwords of people, as hashes. Making and checking a hash is slow and is done
 * elsewhere; here is what belongs to whom, and what may be a password at all.
 */
#include "src/server/fz-store-private.h"

#include <string.h>

void
fz_credential_free (FzCredential *self)
{
  if (self == NULL)
    return;
  g_free (self->actor_id);
  g_free (self->name);
  g_free (self->email);
  g_free (self->password_hash);
  g_free (self);
}

/* Takes @rows; NULL without @error if there is no row. */
static FzCredential *
first_row (FzRows *all_rows, GError **error)
{
  g_autoptr (FzRows) rows = all_rows;
  g_autoptr (GError) local_error = NULL;
  FzCredential *credential;

  if (rows == NULL)
    return NULL;
  if (!fz_rows_next (rows, &local_error)) {
    if (local_error != NULL)
      g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  credential = g_new0 (FzCredential, 1);
  credential->actor_id = fz_rows_dup_text (rows, 0);
  credential->name = fz_rows_dup_text (rows, 1);
  credential->email = fz_rows_dup_text (rows, 2);
  credential->password_hash = fz_rows_dup_text (rows, 3);
  credential->is_disabled = fz_rows_integer (rows, 4) != 0;
  return credential;
}

FzCredential *
fz_store_credential_find (FzStore *self, const char *account_id, const char *email, GError **error)
{
  /* Two addresses may differ in capitals only; then the one that was meant comes first. */
  return first_row (fz_database_query (self->database,
                                       "SELECT a.id, a.name, a.email, c.password_hash, a.disabled"
                                       " FROM actor a LEFT JOIN credential c ON c.actor_id = a.id"
                                       " WHERE a.account_id = ?1 AND lower (a.email) = lower (?2)"
                                       " AND a.type <> 'service_account'"
                                       " ORDER BY a.email = ?2 DESC, a.id LIMIT 1",
                                       FZ_ARGS (FZ_TEXT (account_id), FZ_TEXT (email)),
                                       error),
                    error);
}

FzCredential *
fz_store_credential_load (FzStore *self, const char *actor_id, GError **error)
{
  return first_row (fz_database_query (self->database,
                                       "SELECT a.id, a.name, a.email, c.password_hash, a.disabled"
                                       " FROM actor a LEFT JOIN credential c ON c.actor_id = a.id"
                                       " WHERE a.id = ?1 AND a.type <> 'service_account'",
                                       FZ_ARGS (FZ_TEXT (actor_id)),
                                       error),
                    error);
}

static bool
is_same_text (const char *a, const char *b)
{
  g_autofree char *folded_a = g_utf8_casefold (a, -1);
  g_autofree char *folded_b = g_utf8_casefold (b, -1);

  return strcmp (folded_a, folded_b) == 0;
}

static bool
is_one_character (const char *text)
{
  gunichar first = g_utf8_get_char (text);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (g_utf8_get_char (p) != first)
      return false;
  return true;
}

bool
fz_store_password_check (const FzCredential *credential, const char *password, GError **error)
{
  const char *problem = NULL;

  if (!g_utf8_validate (password, -1, NULL))
    problem = "is not text";
  else if (g_utf8_strlen (password, -1) < (long) FZ_PASSWORD_MIN)
    problem = "is too short";
  else if (strlen (password) > FZ_PASSWORD_MAX)
    problem = "is too long";
  else if (is_one_character (password))
    problem = "is one character over and over";
  else if (is_same_text (password, credential->name) ||
           (credential->email != NULL && is_same_text (password, credential->email)))
    problem = "is the person's own name or address";
  for (const char *p = password; problem == NULL && *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      problem = "holds control characters, which no sign-in page accepts";

  if (problem == NULL)
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the password %s; take %u characters or more (at most %u bytes)",
               problem,
               FZ_PASSWORD_MIN,
               FZ_PASSWORD_MAX);
  return false;
}

bool
fz_store_password_put (FzStore *self, const char *actor_id, const char *hash, GError **error)
{
  if (hash == NULL)
    return fz_database_run (self->database,
                            "DELETE FROM credential WHERE actor_id = ?1",
                            FZ_ARGS (FZ_TEXT (actor_id)),
                            error);
  return fz_database_run (
      self->database,
      "INSERT INTO credential (actor_id, password_hash, changed_at) VALUES (?1, ?2, ?3)"
      " ON CONFLICT (actor_id) DO UPDATE SET password_hash = ?2, changed_at = ?3",
      FZ_ARGS (FZ_TEXT (actor_id), FZ_TEXT (hash), FZ_INT (fz_store_now ())),
      error);
}

bool
fz_store_password_renew (
    FzStore *self, const char *actor_id, const char *old_hash, const char *new_hash, GError **error)
{
  return fz_database_run (self->database,
                          "UPDATE credential SET password_hash = ?3"
                          " WHERE actor_id = ?1 AND password_hash = ?2",
                          FZ_ARGS (FZ_TEXT (actor_id), FZ_TEXT (old_hash), FZ_TEXT (new_hash)),
                          error);
}

bool
fz_store_password_note_use (FzStore *self, const char *actor_id, int64_t now, GError **error)
{
  return fz_database_run (self->database,
                          "UPDATE credential SET last_used_at = ?2 WHERE actor_id = ?1",
                          FZ_ARGS (FZ_TEXT (actor_id), FZ_INT (now)),
                          error);
}

bool
fz_store_actor_sign_out (FzStore *self, const char *id, GError **error)
{
  return fz_database_run (self->database,
                          "DELETE FROM token WHERE actor_id = ?1 AND made_by = 'sign_in'",
                          FZ_ARGS (FZ_TEXT (id)),
                          error);
}
