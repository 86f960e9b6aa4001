/* fz-store.c
 *
 * Opening the store, and what is the same for all things in it: finding them by
 * name or id, listing, showing and removing them. One row of the table below
 * per kind of thing.
 */
#include "src/server/fz-store.h"

#include "src/base/fz-uuid.h"
#include "src/server/fz-store-private.h"
#include "src/server/fz-store-schema.h"

#include <string.h>

typedef struct {
  const char *name;
  const char *find;   /* ids; ?1 account, ?2 name or id */
  const char *list;   /* ?1 account, ?2 id or NULL for all */
  const char *remove; /* ?1 account, ?2 id */
} FzThingSql;

/* Every statement names both parameters, so that they all bind alike. */
static const FzThingSql things[] = {
  [FZ_THING_ACCOUNT] = {
    "account",
    "SELECT id FROM account WHERE (?1 IS NULL OR id = ?1) AND (id = ?2 OR slug = ?2 OR name = ?2)",
    "SELECT id, name, slug, disabled AS \"disabled:bool\", dns_mode AS dns,"
    " dns_servers AS \"dns_servers:json\", doh_provider, search_domain,"
    " iceless AS \"iceless:bool\", sign_in_lifetime_s, created_at AS \"created_at:time\""
    " FROM account WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR id = ?2) ORDER BY name",
    "DELETE FROM account WHERE (?1 IS NULL OR id = ?1) AND id = ?2",
  },
  [FZ_THING_ACTOR] = {
    "actor",
    "SELECT id FROM actor WHERE account_id = ?1 AND (id = ?2 OR name = ?2 OR email = ?2)",
    "SELECT a.id, a.name, a.type, a.email, a.disabled AS \"disabled:bool\","
    " (SELECT json_group_array (g.name) FROM membership m JOIN groups g ON g.id = m.group_id"
    "   WHERE m.actor_id = a.id) AS \"groups:json\","
    " EXISTS (SELECT 1 FROM credential c WHERE c.actor_id = a.id) AS \"password:bool\","
    " a.created_at AS \"created_at:time\""
    " FROM actor a WHERE a.account_id = ?1 AND (?2 IS NULL OR a.id = ?2) ORDER BY a.name",
    "DELETE FROM actor WHERE account_id = ?1 AND id = ?2",
  },
  [FZ_THING_GROUP] = {
    "group",
    "SELECT id FROM groups WHERE account_id = ?1 AND (id = ?2 OR name = ?2)",
    "SELECT g.id, g.name, g.type,"
    " (SELECT json_group_array (a.name) FROM membership m JOIN actor a ON a.id = m.actor_id"
    "   WHERE m.group_id = g.id) AS \"members:json\","
    " g.created_at AS \"created_at:time\""
    " FROM groups g WHERE g.account_id = ?1 AND (?2 IS NULL OR g.id = ?2) ORDER BY g.name",
    "DELETE FROM groups WHERE account_id = ?1 AND id = ?2",
  },
  [FZ_THING_SITE] = {
    "site",
    "SELECT id FROM site WHERE account_id = ?1 AND (id = ?2 OR name = ?2)",
    "SELECT s.id, s.name,"
    " (SELECT count (*) FROM device d WHERE d.site_id = s.id) AS gateways,"
    " (SELECT count (*) FROM resource r WHERE r.site_id = s.id) AS resources,"
    " s.created_at AS \"created_at:time\""
    " FROM site s WHERE s.account_id = ?1 AND (?2 IS NULL OR s.id = ?2) ORDER BY s.name",
    "DELETE FROM site WHERE account_id = ?1 AND id = ?2",
  },
  [FZ_THING_RESOURCE] = {
    "resource",
    "SELECT id FROM resource WHERE account_id = ?1 AND (id = ?2 OR name = ?2)",
    "SELECT r.id, r.name, r.type, r.address, r.description, r.ip_stack,"
    " r.filters AS \"filters:json\", r.site_id, s.name AS site,"
    " r.created_at AS \"created_at:time\""
    " FROM resource r LEFT JOIN site s ON s.id = r.site_id"
    " WHERE r.account_id = ?1 AND (?2 IS NULL OR r.id = ?2) ORDER BY r.name",
    "DELETE FROM resource WHERE account_id = ?1 AND id = ?2",
  },
  [FZ_THING_POLICY] = {
    "policy",
    "SELECT p.id FROM policy p JOIN groups g ON g.id = p.group_id"
    " JOIN resource r ON r.id = p.resource_id"
    " WHERE p.account_id = ?1"
    " AND (p.id = ?2 OR p.description = ?2 OR g.name || ':' || r.name = ?2)",
    "SELECT p.id, p.description, p.group_id, g.name AS \"group\", p.resource_id,"
    " r.name AS resource, p.disabled AS \"disabled:bool\","
    " p.conditions AS \"conditions:json\", p.created_at AS \"created_at:time\""
    " FROM policy p JOIN groups g ON g.id = p.group_id JOIN resource r ON r.id = p.resource_id"
    " WHERE p.account_id = ?1 AND (?2 IS NULL OR p.id = ?2) ORDER BY g.name, r.name",
    "DELETE FROM policy WHERE account_id = ?1 AND id = ?2",
  },
  [FZ_THING_CLIENT] = {
    "client",
    "SELECT id FROM device WHERE type = 'client' AND account_id = ?1"
    " AND (id = ?2 OR name = ?2 OR external_id = ?2)",
    "SELECT d.id, d.name, d.external_id, d.actor_id, a.name AS actor, d.ipv4, d.ipv6,"
    " d.version, d.user_agent, d.remote_ip, d.public_key,"
    " (d.verified_at IS NOT NULL) AS \"verified:bool\","
    " d.last_seen_at AS \"last_seen_at:time\", d.created_at AS \"created_at:time\""
    " FROM device d JOIN actor a ON a.id = d.actor_id"
    " WHERE d.type = 'client' AND d.account_id = ?1 AND (?2 IS NULL OR d.id = ?2)"
    " ORDER BY d.name",
    "DELETE FROM device WHERE type = 'client' AND account_id = ?1 AND id = ?2",
  },
  [FZ_THING_GATEWAY] = {
    "gateway",
    "SELECT id FROM device WHERE type = 'gateway' AND account_id = ?1"
    " AND (id = ?2 OR name = ?2 OR external_id = ?2)",
    "SELECT d.id, d.name, d.external_id, d.site_id, s.name AS site, d.ipv4, d.ipv6,"
    " d.version, d.user_agent, d.remote_ip, d.public_key,"
    " d.last_seen_at AS \"last_seen_at:time\", d.created_at AS \"created_at:time\""
    " FROM device d JOIN site s ON s.id = d.site_id"
    " WHERE d.type = 'gateway' AND d.account_id = ?1 AND (?2 IS NULL OR d.id = ?2)"
    " ORDER BY d.name",
    "DELETE FROM device WHERE type = 'gateway' AND account_id = ?1 AND id = ?2",
  },
  [FZ_THING_TOKEN] = {
    "token",
    "SELECT id FROM token WHERE (account_id = ?1 OR account_id IS NULL)"
    " AND (id = ?2 OR name = ?2)",
    "SELECT t.id, t.kind, t.name, t.made_by, a.name AS actor, s.name AS site, g.name AS gateway,"
    " t.expires_at AS \"expires_at:time\", t.last_used_at AS \"last_used_at:time\","
    " t.created_at AS \"created_at:time\""
    " FROM token t LEFT JOIN actor a ON a.id = t.actor_id LEFT JOIN site s ON s.id = t.site_id"
    " LEFT JOIN device g ON g.id = t.gateway_id"
    " WHERE (t.account_id = ?1 OR t.account_id IS NULL) AND (?2 IS NULL OR t.id = ?2)"
    " ORDER BY t.created_at, t.id",
    "DELETE FROM token WHERE (account_id = ?1 OR account_id IS NULL) AND id = ?2",
  },
  [FZ_THING_RELAY] = {
    "relay",
    "SELECT id FROM static_relay WHERE ?1 IS ?1 AND (id = ?2 OR name = ?2)",
    "SELECT id, name, ipv4, ipv6, created_at AS \"created_at:time\""
    " FROM static_relay WHERE ?1 IS ?1 AND (?2 IS NULL OR id = ?2) ORDER BY name",
    "DELETE FROM static_relay WHERE ?1 IS ?1 AND id = ?2",
  },
  [FZ_THING_GRANT] = {
    "grant",
    "SELECT id FROM access_grant WHERE account_id = ?1 AND id = ?2",
    "SELECT x.id, x.client_id, c.name AS client, a.name AS actor, x.receiver_id AS gateway_id,"
    " g.name AS gateway, x.resource_id, r.name AS resource, x.policy_id,"
    " x.created_at AS \"created_at:time\", x.expires_at AS \"expires_at:time\""
    " FROM access_grant x JOIN device c ON c.id = x.client_id JOIN actor a ON a.id = c.actor_id"
    " JOIN device g ON g.id = x.receiver_id JOIN resource r ON r.id = x.resource_id"
    " WHERE x.account_id = ?1 AND (?2 IS NULL OR x.id = ?2) ORDER BY x.created_at, x.id",
    "DELETE FROM access_grant WHERE account_id = ?1 AND id = ?2",
  },
};

FzStore *
fz_store_open (const char *path, const FzRng *rng, GError **error)
{
  g_autoptr (FzStore) self = g_new0 (FzStore, 1);

  self->rng = *rng;
  self->database = fz_database_open (path, error);
  if (self->database == NULL || !fz_store_migrate (self->database, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
fz_store_free (FzStore *self)
{
  if (self == NULL)
    return;
  fz_database_close (self->database);
  g_free (self);
}

FzDatabase *
fz_store_database (FzStore *self)
{
  return self->database;
}

const FzRng *
fz_store_rng (FzStore *self)
{
  return &self->rng;
}

int64_t
fz_store_now (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

char *
fz_store_new_id (FzStore *self)
{
  FzUuid id;
  char text[FZ_UUID_TEXT_MAX];

  fz_rng_fill (&self->rng, id.bytes, sizeof id.bytes);
  id.bytes[6] = (uint8_t) ((id.bytes[6] & 0x0f) | 0x40); /* RFC 9562 §5.4 */
  id.bytes[8] = (uint8_t) ((id.bytes[8] & 0x3f) | 0x80);
  return g_strdup (fz_uuid_format (&id, text));
}

const char *
fz_thing_name (FzThing thing)
{
  return things[thing].name;
}

static void
set_not_found (FzThing thing, const char *name, GError **error)
{
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_NOT_FOUND,
               "there is no %s \"%s\"; \"firezone-portal %s list\" shows what there is",
               things[thing].name,
               name,
               things[thing].name);
}

char *
fz_store_find (
    FzStore *self, FzThing thing, const char *account_id, const char *name_or_id, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *id = NULL;
  g_autoptr (FzRows) rows = fz_database_query (self->database,
                                               things[thing].find,
                                               FZ_ARGS (FZ_TEXT (account_id), FZ_TEXT (name_or_id)),
                                               error);

  if (rows == NULL)
    return NULL;
  while (fz_rows_next (rows, &local_error)) {
    if (id != NULL) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_AMBIGUOUS,
                   "more than one %s is called \"%s\"; use its id",
                   things[thing].name,
                   name_or_id);
      return NULL;
    }
    id = fz_rows_dup_text (rows, 0);
  }
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (id == NULL)
    set_not_found (thing, name_or_id, error);
  return g_steal_pointer (&id);
}

JsonArray *
fz_store_list (FzStore *self, FzThing thing, const char *account_id, const char *id, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (JsonArray) array = json_array_new ();
  g_autoptr (FzRows) rows = fz_database_query (
      self->database, things[thing].list, FZ_ARGS (FZ_TEXT (account_id), FZ_TEXT (id)), error);

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

JsonObject *
fz_store_show (FzStore *self, FzThing thing, const char *account_id, const char *id, GError **error)
{
  g_autoptr (JsonArray) array = fz_store_list (self, thing, account_id, id, error);

  if (array == NULL)
    return NULL;
  if (json_array_get_length (array) != 1) {
    set_not_found (thing, id, error);
    return NULL;
  }
  return json_object_ref (json_array_get_object_element (array, 0));
}

bool
fz_store_remove (
    FzStore *self, FzThing thing, const char *account_id, const char *id, GError **error)
{
  if (!fz_database_run (self->database,
                        things[thing].remove,
                        FZ_ARGS (FZ_TEXT (account_id), FZ_TEXT (id)),
                        error))
    return false;
  if (fz_database_changes (self->database) > 0)
    return true;
  set_not_found (thing, id, error);
  return false;
}

/* -- shared checks -- */

char *
fz_store_check_name (const char *what, const char *text, size_t max, GError **error)
{
  g_autofree char *name = g_strstrip (g_strdup (text != NULL ? text : ""));
  const char *problem = NULL;

  if (*name == '\0')
    problem = "is empty";
  else if (strlen (name) > max)
    problem = "is too long";
  else if (!g_utf8_validate (name, -1, NULL))
    problem = "is not UTF-8";
  else
    for (const char *p = name; *p != '\0' && problem == NULL; p = g_utf8_next_char (p))
      if (g_unichar_iscntrl (g_utf8_get_char (p)))
        problem = "holds control characters";

  if (problem == NULL)
    return g_steal_pointer (&name);
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the %s %s (1 to %zu bytes of text are allowed)",
               what,
               problem,
               max);
  return NULL;
}

void
fz_store_explain_conflict (GError **error, const char *what, const char *name)
{
  if (error == NULL || !g_error_matches (*error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT) ||
      strstr ((*error)->message, "UNIQUE") == NULL)
    return;
  g_clear_error (error);
  g_set_error (
      error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT, "%s \"%s\" exists already", what, name);
}

bool
fz_store_change_text (
    JsonObject *changes, const char *name, const char **out, bool *is_present, GError **error)
{
  JsonNode *node = json_object_get_member (changes, name);

  *is_present = node != NULL;
  if (node == NULL)
    return true;
  if (json_node_get_value_type (node) == G_TYPE_STRING) {
    *out = json_node_get_string (node);
    return true;
  }
  g_set_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "\"%s\" is not text", name);
  return false;
}

bool
fz_store_change_bool (
    JsonObject *changes, const char *name, bool *out, bool *is_present, GError **error)
{
  JsonNode *node = json_object_get_member (changes, name);

  *is_present = node != NULL;
  if (node == NULL)
    return true;
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN) {
    *out = json_node_get_boolean (node);
    return true;
  }
  g_set_error (
      error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "\"%s\" is not true or false", name);
  return false;
}
