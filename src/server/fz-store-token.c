/* fz-store-token.c
 *
 * Tokens of clients, gateways and relays. Deleting one ends every connection
 * and every access that came in with it.
 */
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-store-private.h"
#include "src/server/fz-token.h"

#include <string.h>

static const char kind_letters[] = { 'c', 'g', 'r' };

const char *
fz_token_kind_name (FzTokenKind kind)
{
  static const char *const names[] = { "client", "gateway", "relay" };

  return names[kind];
}

void
fz_token_record_free (FzTokenRecord *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self->account_id);
  g_free (self->actor_id);
  g_free (self->actor_name);
  g_free (self->actor_email);
  g_free (self->actor_type);
  g_free (self->site_id);
  g_free (self->gateway_id);
  g_free (self);
}

static bool
check_spec (const FzTokenSpec *spec, GError **error)
{
  const char *nonce = spec->nonce != NULL ? spec->nonce : "";

  if (strlen (nonce) > FZ_TOKEN_NONCE_MAX || strpbrk (nonce, ". \t\r\n") != NULL ||
      !g_str_is_ascii (nonce)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "the nonce of the sign-in is not plain text of at most %u characters",
                 FZ_TOKEN_NONCE_MAX);
    return false;
  }
  if (spec->expires_at != 0 && spec->expires_at <= fz_store_now ()) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "a token that has expired already is of no use; give a time in the future");
    return false;
  }
  return true;
}

char *
fz_store_token_add (FzStore *self, const FzTokenSpec *spec, char **out_text, GError **error)
{
  g_autofree char *id = fz_store_new_id (self);
  g_auto (FzTokenParts) parts = { .kind = kind_letters[spec->kind] };
  uint8_t salt[FZ_TOKEN_SALT_SIZE];
  uint8_t hash[FZ_TOKEN_HASH_SIZE];

  if (!check_spec (spec, error))
    return NULL;
  g_assert (fz_uuid_parse (id, &parts.id));
  fz_rng_fill (&self->rng, parts.secret, sizeof parts.secret);
  fz_rng_fill (&self->rng, salt, sizeof salt);
  if (spec->nonce != NULL)
    g_strlcpy (parts.nonce, spec->nonce, sizeof parts.nonce);
  fz_token_hash (&parts, salt, hash);

  if (!fz_database_run (
          self->database,
          "INSERT INTO token (id, kind, account_id, name, actor_id, site_id, gateway_id,"
          " secret_salt, secret_hash, expires_at, created_at, made_by)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
          FZ_ARGS (FZ_TEXT (id),
                   FZ_TEXT (fz_token_kind_name (spec->kind)),
                   FZ_TEXT (spec->account_id),
                   FZ_TEXT (spec->name),
                   FZ_TEXT (spec->actor_id),
                   FZ_TEXT (spec->site_id),
                   FZ_TEXT (spec->gateway_id),
                   FZ_BLOB (salt, sizeof salt),
                   FZ_BLOB (hash, sizeof hash),
                   spec->expires_at != 0 ? FZ_INT (spec->expires_at) : FZ_SQL_NULL,
                   FZ_INT (fz_store_now ()),
                   FZ_TEXT (spec->is_sign_in ? "sign_in" : "command")),
          error))
    return NULL;
  *out_text = fz_token_format (&parts);
  return g_steal_pointer (&id);
}

/* Whatever makes a token unusable although its secret is right. */
#define ACCOUNT_DISABLED                                                                           \
  "EXISTS (SELECT 1 FROM account x WHERE x.id = t.account_id AND x.disabled != 0)"
#define USABLE                                                                                     \
  "(t.expires_at IS NULL OR t.expires_at > ?2)"                                                    \
  " AND (t.actor_id IS NULL OR EXISTS"                                                             \
  "   (SELECT 1 FROM actor y WHERE y.id = t.actor_id AND y.disabled = 0))"

static FzTokenRecord *
record_from_row (const FzRows *rows, FzTokenKind kind)
{
  FzTokenRecord *record = g_new0 (FzTokenRecord, 1);

  record->kind = kind;
  record->id = fz_rows_dup_text (rows, 2);
  record->account_id = fz_rows_dup_text (rows, 3);
  record->actor_id = fz_rows_dup_text (rows, 4);
  record->actor_name = fz_rows_dup_text (rows, 5);
  record->actor_email = fz_rows_dup_text (rows, 6);
  record->actor_type = fz_rows_dup_text (rows, 7);
  record->site_id = fz_rows_dup_text (rows, 8);
  record->gateway_id = fz_rows_dup_text (rows, 9);
  record->expires_at = fz_rows_is_null (rows, 10) ? FZ_STORE_FOREVER : fz_rows_integer (rows, 10);
  record->is_account_disabled = fz_rows_integer (rows, 11) != 0;
  return record;
}

FzTokenRecord *
fz_store_token_verify (
    FzStore *self, FzTokenKind kind, const char *text, int64_t now, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzTokenRecord) record = NULL;
  g_autoptr (FzRows) rows = NULL;
  g_auto (FzTokenParts) parts = { 0 };
  uint8_t salt[FZ_TOKEN_SALT_SIZE];
  uint8_t hash[FZ_TOKEN_HASH_SIZE];
  uint8_t expected[FZ_TOKEN_HASH_SIZE];
  char id[FZ_UUID_TEXT_MAX];

  if (!fz_token_parse (text, &parts) || parts.kind != kind_letters[kind])
    return NULL;

  fz_uuid_format (&parts.id, id);
  rows = fz_database_query (
      self->database,
      "SELECT t.secret_salt, t.secret_hash, t.id, t.account_id, t.actor_id, a.name, a.email,"
      " a.type, t.site_id, t.gateway_id, t.expires_at, " ACCOUNT_DISABLED
      " FROM token t LEFT JOIN actor a ON a.id = t.actor_id"
      " WHERE t.id = ?1 AND t.kind = ?3 AND " USABLE,
      FZ_ARGS (FZ_TEXT (id), FZ_INT (now), FZ_TEXT (fz_token_kind_name (kind))),
      error);
  if (rows == NULL)
    return NULL;
  if (!fz_rows_next (rows, &local_error)) {
    if (local_error != NULL)
      g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }

  if (!fz_rows_blob (rows, 0, salt, sizeof salt) || !fz_rows_blob (rows, 1, hash, sizeof hash))
    return NULL;
  fz_token_hash (&parts, salt, expected);
  if (!fz_equal_constant_time (hash, expected, sizeof hash))
    return NULL;

  record = record_from_row (rows, kind);
  g_clear_pointer (&rows, fz_rows_free);
  if (!fz_database_run (self->database,
                        "UPDATE token SET last_used_at = ?2 WHERE id = ?1",
                        FZ_ARGS (FZ_TEXT (id), FZ_INT (now)),
                        error))
    return NULL;
  return g_steal_pointer (&record);
}

bool
fz_store_token_end_sign_in (FzStore *self, const char *id, bool *out_is_ended, GError **error)
{
  if (!fz_database_run (self->database,
                        "DELETE FROM token WHERE id = ?1 AND made_by = 'sign_in'",
                        FZ_ARGS (FZ_TEXT (id)),
                        error))
    return false;
  *out_is_ended = fz_database_changes (self->database) > 0;
  return true;
}

bool
fz_store_token_is_valid (
    FzStore *self, const char *id, int64_t now, bool *out_is_valid, GError **error)
{
  int64_t exists = 0;

  if (!fz_database_number (self->database,
                           "SELECT EXISTS (SELECT 1 FROM token t WHERE t.id = ?1 AND " USABLE
                           " AND NOT " ACCOUNT_DISABLED ")",
                           FZ_ARGS (FZ_TEXT (id), FZ_INT (now)),
                           0,
                           &exists,
                           error))
    return false;
  *out_is_valid = exists != 0;
  return true;
}
