/* fz-store-policy.c
 *
 * Policies: this group may reach that resource, under these conditions. A policy
 * that changes in any way but its description takes back the access it gave.
 */
#include "src/server/fz-condition.h"
#include "src/server/fz-store-private.h"

#include <string.h>

/* Checked text of a JSON array of conditions. */
static char *
check_conditions (JsonNode *node, GError **error)
{
  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "the conditions of a policy are not an array");
    return NULL;
  }
  if (!fz_conditions_check (json_node_get_array (node), error))
    return NULL;
  return json_to_string (node, FALSE);
}

static char *
conditions_from_text (const char *text, GError **error)
{
  g_autoptr (JsonNode) node = json_from_string (text != NULL ? text : "[]", error);

  return node != NULL ? check_conditions (node, error) : NULL;
}

/* The managed group is everybody, so a policy on the internet resource for it is still a choice;
 * but both ends must belong to one account. */
static bool
check_same_account (FzStore *self,
                    const char *account_id,
                    const char *group_id,
                    const char *resource_id,
                    GError **error)
{
  int64_t n = 0;

  if (!fz_database_number (
          self->database,
          "SELECT (SELECT count (*) FROM groups WHERE id = ?2 AND account_id = ?1)"
          " + (SELECT count (*) FROM resource WHERE id = ?3 AND account_id = ?1)",
          FZ_ARGS (FZ_TEXT (account_id), FZ_TEXT (group_id), FZ_TEXT (resource_id)),
          0,
          &n,
          error))
    return false;
  if (n == 2)
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_NOT_FOUND,
               "the group or the resource of the policy does not exist");
  return false;
}

char *
fz_store_policy_add (FzStore *self,
                     const char *account_id,
                     const char *group_id,
                     const char *resource_id,
                     const char *description,
                     const char *conditions,
                     GError **error)
{
  g_autofree char *id = fz_store_new_id (self);
  g_autofree char *checked = conditions_from_text (conditions, error);

  if (checked == NULL || !check_same_account (self, account_id, group_id, resource_id, error))
    return NULL;
  if (!fz_database_run (
          self->database,
          "INSERT INTO policy (id, account_id, group_id, resource_id, description, conditions,"
          " created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
          FZ_ARGS (FZ_TEXT (id),
                   FZ_TEXT (account_id),
                   FZ_TEXT (group_id),
                   FZ_TEXT (resource_id),
                   FZ_TEXT (description),
                   FZ_TEXT (checked),
                   FZ_INT (fz_store_now ())),
          error)) {
    fz_store_explain_conflict (error, "a policy for", "this group and this resource");
    return NULL;
  }
  return g_steal_pointer (&id);
}

static bool
drop_grants (FzStore *self, const char *id, GError **error)
{
  return fz_database_run (self->database,
                          "DELETE FROM access_grant WHERE policy_id = ?1",
                          FZ_ARGS (FZ_TEXT (id)),
                          error);
}

static bool
update_text (FzStore *self, const char *id, const char *sql, const char *value, GError **error)
{
  if (fz_database_run (self->database, sql, FZ_ARGS (FZ_TEXT (id), FZ_TEXT (value)), error))
    return true;
  fz_store_explain_conflict (error, "a policy for", "this group and this resource");
  return false;
}

bool
fz_store_policy_update (FzStore *self, const char *id, JsonObject *changes, GError **error)
{
  g_auto (FzTransaction) transaction = { NULL };
  const char *text = NULL;
  bool is_disabled = false;
  bool is_present = false;
  bool ends_access = false;

  if (!fz_transaction_begin (&transaction, self->database, error) ||
      !fz_store_change_text (changes, "description", &text, &is_present, error) ||
      (is_present &&
       !update_text (
           self, id, "UPDATE policy SET description = nullif (?2, '') WHERE id = ?1", text, error)))
    return false;

  if (!fz_store_change_text (changes, "group_id", &text, &is_present, error) ||
      (is_present &&
       !update_text (self, id, "UPDATE policy SET group_id = ?2 WHERE id = ?1", text, error)))
    return false;
  ends_access |= is_present;
  if (!fz_store_change_text (changes, "resource_id", &text, &is_present, error) ||
      (is_present &&
       !update_text (self, id, "UPDATE policy SET resource_id = ?2 WHERE id = ?1", text, error)))
    return false;
  ends_access |= is_present;

  if (json_object_has_member (changes, "conditions")) {
    g_autofree char *checked =
        check_conditions (json_object_get_member (changes, "conditions"), error);

    if (checked == NULL ||
        !update_text (self, id, "UPDATE policy SET conditions = ?2 WHERE id = ?1", checked, error))
      return false;
    ends_access = true;
  }

  if (!fz_store_change_bool (changes, "disabled", &is_disabled, &is_present, error) ||
      (is_present && !fz_database_run (self->database,
                                       "UPDATE policy SET disabled = ?2 WHERE id = ?1",
                                       FZ_ARGS (FZ_TEXT (id), FZ_INT (is_disabled)),
                                       error)))
    return false;
  ends_access |= is_present && is_disabled;

  return (!ends_access || drop_grants (self, id, error)) &&
         fz_transaction_commit (&transaction, error);
}
