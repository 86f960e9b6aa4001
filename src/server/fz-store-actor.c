/* fz-store-actor.c
 *
 * Who may hold a device, which groups they are in, and the sites that gateways
 * stand in. Membership is what policies look at; taking it away takes the access
 * that came through it.
 */
#include "src/server/fz-store-private.h"

#include <string.h>

static bool
check_actor_type (const char *type, GError **error)
{
  static const char *const types[] = { "account_user", "account_admin_user", "service_account" };

  for (size_t i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (types[i], type) == 0)
      return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "\"%s\" is none of the actor types account_user, account_admin_user, "
               "service_account",
               type);
  return false;
}

static bool
check_email (const char *email, GError **error)
{
  const char *at = strchr (email, '@');

  if (at != NULL && at != email && at[1] != '\0' && strlen (email) <= FZ_STORE_NAME_MAX &&
      strpbrk (email, " \t\r\n") == NULL)
    return true;
  g_set_error (
      error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "\"%s\" is not an e-mail address", email);
  return false;
}

char *
fz_store_actor_add (FzStore *self,
                    const char *account_id,
                    const char *type,
                    const char *name,
                    const char *email,
                    GError **error)
{
  g_autofree char *clean = fz_store_check_name ("actor's name", name, FZ_STORE_NAME_MAX, error);
  g_autofree char *id = fz_store_new_id (self);

  if (clean == NULL || !check_actor_type (type, error) ||
      (email != NULL && !check_email (email, error)))
    return NULL;
  if (!fz_database_run (self->database,
                        "INSERT INTO actor (id, account_id, type, name, email, created_at)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        FZ_ARGS (FZ_TEXT (id),
                                 FZ_TEXT (account_id),
                                 FZ_TEXT (type),
                                 FZ_TEXT (clean),
                                 FZ_TEXT (email),
                                 FZ_INT (fz_store_now ())),
                        error)) {
    fz_store_explain_conflict (error, "actor", clean);
    return NULL;
  }
  return g_steal_pointer (&id);
}

static bool
update_actor_disabled (FzStore *self, const char *id, bool is_disabled, GError **error)
{
  if (!fz_database_run (self->database,
                        "UPDATE actor SET disabled = ?2 WHERE id = ?1",
                        FZ_ARGS (FZ_TEXT (id), FZ_INT (is_disabled)),
                        error))
    return false;
  return !is_disabled || fz_database_run (self->database,
                                          "DELETE FROM access_grant WHERE client_id IN"
                                          " (SELECT id FROM device WHERE actor_id = ?1)",
                                          FZ_ARGS (FZ_TEXT (id)),
                                          error);
}

/* Access through the managed group hangs on no membership row: a person who becomes a service
 * account loses it here. */
static bool
update_actor_type (FzStore *self, const char *id, const char *type, GError **error)
{
  return check_actor_type (type, error) &&
         fz_database_run (self->database,
                          "UPDATE actor SET type = ?2 WHERE id = ?1",
                          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (type)),
                          error) &&
         (strcmp (type, "service_account") != 0 ||
          fz_database_run (self->database,
                           "DELETE FROM access_grant WHERE membership_id IS NULL AND client_id IN"
                           " (SELECT id FROM device WHERE actor_id = ?1)",
                           FZ_ARGS (FZ_TEXT (id)),
                           error));
}

bool
fz_store_actor_update (FzStore *self, const char *id, JsonObject *changes, GError **error)
{
  g_auto (FzTransaction) transaction = { NULL };
  const char *text = NULL;
  bool flag = false;
  bool is_present = false;

  if (!fz_transaction_begin (&transaction, self->database, error))
    return false;

  if (!fz_store_change_text (changes, "name", &text, &is_present, error))
    return false;
  if (is_present) {
    g_autofree char *clean = fz_store_check_name ("actor's name", text, FZ_STORE_NAME_MAX, error);

    if (clean == NULL)
      return false;
    if (!fz_database_run (self->database,
                          "UPDATE actor SET name = ?2 WHERE id = ?1",
                          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (clean)),
                          error)) {
      fz_store_explain_conflict (error, "actor", clean);
      return false;
    }
  }

  if (!fz_store_change_text (changes, "email", &text, &is_present, error) ||
      (is_present && *text != '\0' && !check_email (text, error)) ||
      (is_present && !fz_database_run (self->database,
                                       "UPDATE actor SET email = nullif (?2, '') WHERE id = ?1",
                                       FZ_ARGS (FZ_TEXT (id), FZ_TEXT (text)),
                                       error)))
    return false;
  if (!fz_store_change_text (changes, "type", &text, &is_present, error) ||
      (is_present && !update_actor_type (self, id, text, error)))
    return false;
  if (!fz_store_change_bool (changes, "disabled", &flag, &is_present, error) ||
      (is_present && !update_actor_disabled (self, id, flag, error)))
    return false;
  return fz_transaction_commit (&transaction, error);
}

/* -- groups -- */

char *
fz_store_group_add (FzStore *self, const char *account_id, const char *name, GError **error)
{
  g_autofree char *clean = fz_store_check_name ("group's name", name, FZ_STORE_NAME_MAX, error);
  g_autofree char *id = fz_store_new_id (self);

  if (clean == NULL)
    return NULL;
  if (!fz_database_run (
          self->database,
          "INSERT INTO groups (id, account_id, type, name, created_at)"
          " VALUES (?1, ?2, 'static', ?3, ?4)",
          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (account_id), FZ_TEXT (clean), FZ_INT (fz_store_now ())),
          error)) {
    fz_store_explain_conflict (error, "group", clean);
    return NULL;
  }
  return g_steal_pointer (&id);
}

static bool
check_is_static (FzStore *self, const char *group_id, GError **error)
{
  int64_t is_static = 0;

  if (!fz_database_number (self->database,
                           "SELECT type = 'static' FROM groups WHERE id = ?1",
                           FZ_ARGS (FZ_TEXT (group_id)),
                           0,
                           &is_static,
                           error))
    return false;
  if (is_static)
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the group \"%s\" is managed by the portal: it holds every person of the account "
               "and cannot be changed",
               FZ_GROUP_EVERYONE);
  return false;
}

bool
fz_store_group_rename (FzStore *self, const char *id, const char *name, GError **error)
{
  g_autofree char *clean = fz_store_check_name ("group's name", name, FZ_STORE_NAME_MAX, error);

  if (clean == NULL || !check_is_static (self, id, error))
    return false;
  if (fz_database_run (self->database,
                       "UPDATE groups SET name = ?2 WHERE id = ?1",
                       FZ_ARGS (FZ_TEXT (id), FZ_TEXT (clean)),
                       error))
    return true;
  fz_store_explain_conflict (error, "group", clean);
  return false;
}

bool
fz_store_member_add (FzStore *self, const char *group_id, const char *actor_id, GError **error)
{
  g_autofree char *id = fz_store_new_id (self);

  return check_is_static (self, group_id, error) &&
         fz_database_run (self->database,
                          "INSERT INTO membership (id, group_id, actor_id) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT DO NOTHING",
                          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (group_id), FZ_TEXT (actor_id)),
                          error);
}

bool
fz_store_member_remove (FzStore *self, const char *group_id, const char *actor_id, GError **error)
{
  if (!check_is_static (self, group_id, error) ||
      !fz_database_run (self->database,
                        "DELETE FROM membership WHERE group_id = ?1 AND actor_id = ?2",
                        FZ_ARGS (FZ_TEXT (group_id), FZ_TEXT (actor_id)),
                        error))
    return false;
  if (fz_database_changes (self->database) > 0)
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_NOT_FOUND,
               "that actor is not a member of that group");
  return false;
}

JsonArray *
fz_store_member_list (FzStore *self, const char *group_id, GError **error)
{
  g_autoptr (JsonArray) array = json_array_new ();
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows =
      fz_database_query (self->database,
                         "SELECT m.id, a.id AS actor_id, a.name AS actor, a.type FROM membership m"
                         " JOIN actor a ON a.id = m.actor_id WHERE m.group_id = ?1 ORDER BY a.name",
                         FZ_ARGS (FZ_TEXT (group_id)),
                         error);

  if (rows == NULL)
    return NULL;
  while (fz_rows_next (rows, &local_error))
    json_array_add_object_element (array, fz_rows_to_json (rows));
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  return g_steal_pointer (&array);
}

/* -- sites -- */

char *
fz_store_site_add (FzStore *self, const char *account_id, const char *name, GError **error)
{
  g_autofree char *clean = fz_store_check_name ("site's name", name, FZ_STORE_SITE_MAX, error);
  g_autofree char *id = fz_store_new_id (self);

  if (clean == NULL)
    return NULL;
  if (!fz_database_run (
          self->database,
          "INSERT INTO site (id, account_id, name, created_at)"
          " VALUES (?1, ?2, ?3, ?4)",
          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (account_id), FZ_TEXT (clean), FZ_INT (fz_store_now ())),
          error)) {
    fz_store_explain_conflict (error, "site", clean);
    return NULL;
  }
  return g_steal_pointer (&id);
}

bool
fz_store_site_rename (FzStore *self, const char *id, const char *name, GError **error)
{
  g_autofree char *clean = fz_store_check_name ("site's name", name, FZ_STORE_SITE_MAX, error);

  if (clean == NULL)
    return false;
  if (fz_database_run (self->database,
                       "UPDATE site SET name = ?2 WHERE id = ?1",
                       FZ_ARGS (FZ_TEXT (id), FZ_TEXT (clean)),
                       error))
    return true;
  fz_store_explain_conflict (error, "site", clean);
  return false;
}
