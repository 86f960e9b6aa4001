/* fz-store-grant.c
 *
 * Grants are the portal's memory of which access is in force. They outlive the
 * process: a gateway that reconnects drops every access the portal does not
 * list (portal-protocol.md §6.3). Every deletion, by whatever cascade, leaves a
 * revocation that the hub collects.
 */
#include "src/server/fz-store-private.h"

#define KEEP_EXPIRED_S 86400 /* so that "grant list" still shows what ended a moment ago */

void
fz_grant_free (FzGrant *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self->policy_id);
  g_free (self->resource_id);
  g_free (self->client_id);
  g_free (self->receiver_id);
  g_free (self);
}

void
fz_revocation_free (FzRevocation *self)
{
  if (self == NULL)
    return;
  g_free (self->client_id);
  g_free (self->receiver_id);
  g_free (self->resource_id);
  g_free (self);
}

char *
fz_store_grant_put (FzStore *self, const FzGrantSpec *spec, GError **error)
{
  g_autofree char *id = fz_store_new_id (self);

  if (!fz_database_run (
          self->database,
          "INSERT INTO access_grant (id, account_id, policy_id, resource_id, client_id,"
          " receiver_id, token_id, membership_id, created_at, expires_at)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
          " ON CONFLICT (client_id, receiver_id, resource_id) DO UPDATE SET"
          " id = excluded.id, policy_id = excluded.policy_id, token_id = excluded.token_id,"
          " membership_id = excluded.membership_id, created_at = excluded.created_at,"
          " expires_at = excluded.expires_at",
          FZ_ARGS (FZ_TEXT (id),
                   FZ_TEXT (spec->account_id),
                   FZ_TEXT (spec->policy_id),
                   FZ_TEXT (spec->resource_id),
                   FZ_TEXT (spec->client_id),
                   FZ_TEXT (spec->receiver_id),
                   FZ_TEXT (spec->token_id),
                   FZ_TEXT (spec->membership_id),
                   FZ_INT (fz_store_now ()),
                   FZ_INT (spec->expires_at)),
          error))
    return NULL;
  return g_steal_pointer (&id);
}

GPtrArray *
fz_store_grants_of_receiver (FzStore *self, const char *receiver_id, int64_t now, GError **error)
{
  g_autoptr (GPtrArray) list =
      g_ptr_array_new_with_free_func ((GDestroyNotify) (void (*) (void)) fz_grant_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows = fz_database_query (
      self->database,
      "SELECT id, policy_id, resource_id, client_id, receiver_id, expires_at FROM access_grant"
      " WHERE receiver_id = ?1 AND expires_at > ?2 ORDER BY created_at, id",
      FZ_ARGS (FZ_TEXT (receiver_id), FZ_INT (now)),
      error);

  if (rows == NULL)
    return NULL;
  while (fz_rows_next (rows, &local_error)) {
    FzGrant *grant = g_new0 (FzGrant, 1);

    grant->id = fz_rows_dup_text (rows, 0);
    grant->policy_id = fz_rows_dup_text (rows, 1);
    grant->resource_id = fz_rows_dup_text (rows, 2);
    grant->client_id = fz_rows_dup_text (rows, 3);
    grant->receiver_id = fz_rows_dup_text (rows, 4);
    grant->expires_at = fz_rows_integer (rows, 5);
    g_ptr_array_add (list, grant);
  }
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  return g_steal_pointer (&list);
}

bool
fz_store_gateway_joined (
    FzStore *self, const char *gateway_id, const char *public_key, bool *out_is_new, GError **error)
{
  int64_t has_changed = 0;

  if (!fz_database_number (self->database,
                           "SELECT EXISTS (SELECT 1 FROM device"
                           " WHERE id = ?1 AND joined_key <> ?2)",
                           FZ_ARGS (FZ_TEXT (gateway_id), FZ_TEXT (public_key)),
                           0,
                           &has_changed,
                           error))
    return false;
  if (has_changed != 0 && !fz_database_run (self->database,
                                            "DELETE FROM access_grant WHERE receiver_id = ?1",
                                            FZ_ARGS (FZ_TEXT (gateway_id)),
                                            error))
    return false;
  *out_is_new = has_changed != 0;
  return fz_database_run (self->database,
                          "UPDATE device SET joined_key = ?2 WHERE id = ?1",
                          FZ_ARGS (FZ_TEXT (gateway_id), FZ_TEXT (public_key)),
                          error);
}

bool
fz_store_grant_exists (FzStore *self,
                       const char *client_id,
                       const char *receiver_id,
                       int64_t now,
                       bool *out_exists,
                       GError **error)
{
  int64_t exists = 0;

  if (!fz_database_number (self->database,
                           "SELECT EXISTS (SELECT 1 FROM access_grant"
                           " WHERE client_id = ?1 AND receiver_id = ?2 AND expires_at > ?3)",
                           FZ_ARGS (FZ_TEXT (client_id), FZ_TEXT (receiver_id), FZ_INT (now)),
                           0,
                           &exists,
                           error))
    return false;
  *out_exists = exists != 0;
  return true;
}

GPtrArray *
fz_store_take_revocations (FzStore *self, GError **error)
{
  g_autoptr (GPtrArray) list =
      g_ptr_array_new_with_free_func ((GDestroyNotify) (void (*) (void)) fz_revocation_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows = fz_database_query (
      self->database,
      "SELECT client_id, receiver_id, resource_id, expires_at FROM revocation ORDER BY id",
      FZ_NO_ARGS,
      error);

  if (rows == NULL)
    return NULL;
  while (fz_rows_next (rows, &local_error)) {
    FzRevocation *revocation = g_new0 (FzRevocation, 1);

    revocation->client_id = fz_rows_dup_text (rows, 0);
    revocation->receiver_id = fz_rows_dup_text (rows, 1);
    revocation->resource_id = fz_rows_dup_text (rows, 2);
    revocation->expires_at = fz_rows_integer (rows, 3);
    g_ptr_array_add (list, revocation);
  }
  g_clear_pointer (&rows, fz_rows_free);
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  if (list->len > 0 &&
      !fz_database_run (self->database, "DELETE FROM revocation", FZ_NO_ARGS, error))
    return NULL;
  return g_steal_pointer (&list);
}

bool
fz_store_purge (FzStore *self, int64_t now, GError **error)
{
  return fz_database_run (self->database,
                          "DELETE FROM access_grant WHERE expires_at < ?1",
                          FZ_ARGS (FZ_INT (now - KEEP_EXPIRED_S)),
                          error) &&
         fz_database_run (self->database,
                          "DELETE FROM token WHERE made_by = 'sign_in' AND expires_at < ?1",
                          FZ_ARGS (FZ_INT (now - KEEP_EXPIRED_S)),
                          error);
}
