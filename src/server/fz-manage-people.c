/* fz-manage-people.c
 *
 * Commands about the account, its people and groups, and its sites; "init" and
 * "status".
 */
#include "src/server/fz-manage-private.h"

#include <string.h>

static JsonNode *
node_of_object (JsonObject *object)
{
  JsonNode *node = json_node_alloc ();

  json_node_init_object (node, object);
  json_object_unref (object);
  return node;
}

/* -- init -- */

static const FzManageOption init_options[] = {
  { "name", "TEXT", 0, "name of the account (default: \"Firezone\")" },
  { "slug", "TEXT", 0, "short name of the account (default: made from its name)" },
  { "site", "NAME", 0, "name of the first site (default: \"main\")" },
  FZ_OPTIONS_END
};

/* Makes what is missing and says what there is; a second run changes nothing. */
static JsonNode *
run_init (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  const char *site = fz_json_text (args, "site");
  const char *name = fz_json_text (args, "name");
  g_autoptr (JsonArray) accounts = fz_store_list (self->store, FZ_THING_ACCOUNT, NULL, NULL, error);
  g_autofree char *id = NULL;
  g_autofree char *site_id = NULL;
  JsonObject *result;

  if (accounts == NULL)
    return NULL;
  if (json_array_get_length (accounts) > 0) {
    id = g_strdup (fz_json_text (json_array_get_object_element (accounts, 0), "id"));
  } else {
    g_auto (FzTransaction) transaction = { NULL };

    if (!fz_transaction_begin (&transaction, fz_store_database (self->store), error))
      return NULL;
    id = fz_store_account_add (
        self->store, name != NULL ? name : "Firezone", fz_json_text (args, "slug"), error);
    if (id == NULL)
      return NULL;
    site_id = fz_store_site_add (self->store, id, site != NULL ? site : "main", error);
    if (site_id == NULL || !fz_transaction_commit (&transaction, error))
      return NULL;
  }

  result = fz_store_show (self->store, FZ_THING_ACCOUNT, NULL, id, error);
  if (result == NULL)
    return NULL;
  json_object_set_boolean_member (result, "created", site_id != NULL);
  return node_of_object (result);
}

/* -- status -- */

static bool
count_into (FzManage *self, JsonObject *out, const char *name, const char *sql, GError **error)
{
  int64_t n = 0;

  if (!fz_database_number (fz_store_database (self->store), sql, FZ_NO_ARGS, 0, &n, error))
    return false;
  json_object_set_int_member (out, name, n);
  return true;
}

static JsonNode *
run_status (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const struct {
    const char *name;
    const char *sql;
  } counts[] = {
    { "actors", "SELECT count (*) FROM actor" },
    { "sites", "SELECT count (*) FROM site" },
    { "resources", "SELECT count (*) FROM resource" },
    { "policies", "SELECT count (*) FROM policy" },
    { "clients", "SELECT count (*) FROM device WHERE type = 'client'" },
    { "gateways", "SELECT count (*) FROM device WHERE type = 'gateway'" },
    { "tokens", "SELECT count (*) FROM token" },
    { "grants", "SELECT count (*) FROM access_grant WHERE expires_at > unixepoch ()" },
  };
  g_autoptr (JsonObject) stored = json_object_new ();
  JsonObject *result;

  for (size_t i = 0; i < G_N_ELEMENTS (counts); i++)
    if (!count_into (self, stored, counts[i].name, counts[i].sql, error))
      return NULL;

  result = json_object_new ();
  json_object_set_boolean_member (result, "running", self->hub != NULL);
  json_object_set_string_member (result, "version", FZ_VERSION);
  json_object_set_string_member (result, "database", self->database_path);
  if (self->hub != NULL) {
    json_object_set_int_member (result, "uptime_s", fz_store_now () - self->started_at);
    json_object_set_object_member (result, "online", fz_hub_describe (self->hub));
  }
  json_object_set_object_member (result, "stored", g_steal_pointer (&stored));
  return node_of_object (result);
}

/* -- account -- */

static const FzManageOption account_add_options[] = {
  { "name", "TEXT", FZ_OPTION_REQUIRED, "name of the account" },
  { "slug", "TEXT", 0, "short name (default: made from the name)" },
  FZ_OPTIONS_END
};

static const FzManageOption account_update_options[] = {
  { "name", "TEXT", 0, "new name" },
  { "slug", "TEXT", 0, "new short name" },
  { "dns", "MODE", 0, "resolvers of clients: system, custom or secure" },
  { "dns-server", "IP", FZ_OPTION_MANY, "resolver for custom DNS; replaces the list" },
  { "doh-provider", "NAME", 0, "for secure DNS: google, quad9, cloudflare or opendns" },
  { "search-domain", "DOMAIN", 0, "search domain of clients; empty for none" },
  { "iceless", "on|off", 0, "whether peers that can may connect without ICE" },
  { "sign-in-lifetime",
    "TIME",
    0,
    "how long a sign-in by the web page lasts, from 1h to 90d (default: 7d)" },
  { "enable", NULL, 0, "let its peers connect again" },
  { "disable", NULL, 0, "disconnect its clients and gateways and let none in" },
  FZ_OPTIONS_END
};

static JsonNode *
run_account_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_ACCOUNT, NULL, error);
}

static JsonNode *
run_account_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show_id (self, FZ_THING_ACCOUNT, NULL, account_id, error);
}

static JsonNode *
run_account_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id = fz_store_account_add (
      self->store, fz_json_text (args, "name"), fz_json_text (args, "slug"), error);

  return id != NULL ? fz_manage_show_id (self, FZ_THING_ACCOUNT, NULL, id, error) : NULL;
}

static bool
iceless_change (JsonObject *args, JsonObject *changes, GError **error)
{
  const char *text = fz_json_text (args, "iceless");

  if (text == NULL)
    return true;
  if (strcmp (text, "on") != 0 && strcmp (text, "off") != 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "--iceless takes on or off, not \"%s\"",
                 text);
    return false;
  }
  json_object_set_boolean_member (changes, "iceless", strcmp (text, "on") == 0);
  return true;
}

static bool
lifetime_change (JsonObject *args, JsonObject *changes, GError **error)
{
  const char *text = fz_json_text (args, "sign-in-lifetime");
  int64_t seconds = 0;

  if (text == NULL)
    return true;
  if (!fz_manage_parse_duration (text, &seconds)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "--sign-in-lifetime takes a time like 7d or 12h, not \"%s\"",
                 text);
    return false;
  }
  json_object_set_int_member (changes, "sign_in_lifetime_s", seconds);
  return true;
}

static JsonNode *
run_account_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const char *const members[] = { "name",
                                         "slug",
                                         "dns",
                                         "dns-server:dns_servers",
                                         "doh-provider:doh_provider",
                                         "search-domain:search_domain",
                                         NULL };
  g_autoptr (JsonObject) changes = fz_manage_changes (args, members);

  fz_manage_enable_change (args, changes);
  if (!iceless_change (args, changes, error) || !lifetime_change (args, changes, error) ||
      !fz_store_account_update (self->store, account_id, changes, error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_ACCOUNT, NULL, account_id, error);
}

/* -- actor -- */

static const FzManageOption actor_add_options[] = {
  { "name", "NAME", FZ_OPTION_REQUIRED | FZ_OPTION_OR_WORD, "name of the person or service" },
  { "type", "TYPE", 0, "account_user (default), account_admin_user or service_account" },
  { "email", "ADDRESS", 0, "e-mail address, for signing in" },
  FZ_OPTIONS_END
};

static const FzManageOption actor_update_options[] = {
  FZ_OPTION_WHICH,
  { "name", "TEXT", 0, "new name" },
  { "type", "TYPE", 0, "account_user, account_admin_user or service_account" },
  { "email", "ADDRESS", 0, "new e-mail address; empty for none" },
  { "enable", NULL, 0, "let the actor in again" },
  { "disable", NULL, 0, "disconnect the actor's clients and let none in" },
  FZ_OPTIONS_END
};

static JsonNode *
run_actor_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_ACTOR, account_id, error);
}

static JsonNode *
run_actor_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_ACTOR, account_id, args, error);
}

static JsonNode *
run_actor_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_ACTOR, account_id, args, error);
}

static JsonNode *
run_actor_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  const char *type = fz_json_text (args, "type");
  g_autofree char *id = fz_store_actor_add (self->store,
                                            account_id,
                                            type != NULL ? type : "account_user",
                                            fz_json_text (args, "name"),
                                            fz_json_text (args, "email"),
                                            error);

  return id != NULL ? fz_manage_show_id (self, FZ_THING_ACTOR, account_id, id, error) : NULL;
}

static JsonNode *
run_actor_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const char *const members[] = { "name", "type", "email", NULL };
  g_autoptr (JsonObject) changes = fz_manage_changes (args, members);
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_ACTOR, account_id, args, "which", error);

  if (id == NULL)
    return NULL;
  fz_manage_enable_change (args, changes);
  if (!fz_store_actor_update (self->store, id, changes, error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_ACTOR, account_id, id, error);
}

/* -- group -- */

static const FzManageOption name_options[] = { { "name", "TEXT", FZ_OPTION_REQUIRED, "its name" },
                                               FZ_OPTIONS_END };

static const FzManageOption rename_options[] = {
  FZ_OPTION_WHICH, { "name", "TEXT", FZ_OPTION_REQUIRED, "its new name" }, FZ_OPTIONS_END
};

static const FzManageOption member_options[] = {
  { "group", "NAME|ID", FZ_OPTION_REQUIRED, "the group" },
  { "actor", "NAME|ID", FZ_OPTION_REQUIRED, "the actor" },
  FZ_OPTIONS_END
};

static JsonNode *
run_group_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_GROUP, account_id, error);
}

static JsonNode *
run_group_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_GROUP, account_id, args, error);
}

static JsonNode *
run_group_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_GROUP, account_id, args, "which", error);
  g_autoptr (JsonObject) group = NULL;

  if (id == NULL)
    return NULL;
  group = fz_store_show (self->store, FZ_THING_GROUP, account_id, id, error);
  if (group == NULL)
    return NULL;
  if (g_strcmp0 (fz_json_text (group, "type"), "managed") == 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "the group \"%s\" is managed by the portal and cannot be removed",
                 fz_json_text (group, "name"));
    return NULL;
  }
  return fz_manage_remove_id (self, FZ_THING_GROUP, account_id, id, error);
}

static JsonNode *
run_group_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_store_group_add (self->store, account_id, fz_json_text (args, "name"), error);

  return id != NULL ? fz_manage_show_id (self, FZ_THING_GROUP, account_id, id, error) : NULL;
}

static JsonNode *
run_group_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_GROUP, account_id, args, "which", error);

  if (id == NULL || !fz_store_group_rename (self->store, id, fz_json_text (args, "name"), error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_GROUP, account_id, id, error);
}

static JsonNode *
change_member (FzManage *self,
               const char *account_id,
               JsonObject *args,
               bool (*change) (FzStore *, const char *, const char *, GError **),
               GError **error)
{
  g_autofree char *group_id =
      fz_manage_find_option (self, FZ_THING_GROUP, account_id, args, "group", error);
  g_autofree char *actor_id = NULL;

  if (group_id == NULL)
    return NULL;
  actor_id = fz_manage_find_option (self, FZ_THING_ACTOR, account_id, args, "actor", error);
  if (actor_id == NULL || !change (self->store, group_id, actor_id, error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_GROUP, account_id, group_id, error);
}

static JsonNode *
run_group_add_member (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return change_member (self, account_id, args, fz_store_member_add, error);
}

static JsonNode *
run_group_remove_member (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return change_member (self, account_id, args, fz_store_member_remove, error);
}

static JsonNode *
run_group_list_members (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_GROUP, account_id, args, "which", error);
  g_autoptr (JsonArray) members = NULL;

  if (id == NULL)
    return NULL;
  members = fz_store_member_list (self->store, id, error);
  return members != NULL ? json_node_init_array (json_node_alloc (), members) : NULL;
}

/* -- site -- */

static JsonNode *
run_site_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_SITE, account_id, error);
}

static JsonNode *
run_site_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_SITE, account_id, args, error);
}

static JsonNode *
run_site_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_SITE, account_id, args, error);
}

static JsonNode *
run_site_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_store_site_add (self->store, account_id, fz_json_text (args, "name"), error);

  return id != NULL ? fz_manage_show_id (self, FZ_THING_SITE, account_id, id, error) : NULL;
}

static JsonNode *
run_site_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_SITE, account_id, args, "which", error);

  if (id == NULL || !fz_store_site_rename (self->store, id, fz_json_text (args, "name"), error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_SITE, account_id, id, error);
}

/* -- table -- */

#define GROUP_COLUMNS  "name,type,members,id"
#define MEMBER_COLUMNS "actor,type,actor_id"

/* noun, verb, summary, columns, needs account, is change, options, function */
const FzManageVerb fz_manage_people[] = {
  { "init",
    NULL,
    "make the database, the account, the group Everyone and a first site",
    NULL,
    false,
    true,
    init_options,
    run_init },
  { "status",
    NULL,
    "what is running and what is stored",
    NULL,
    false,
    false,
    fz_options_none,
    run_status },

  { "account",
    "list",
    "list the accounts",
    "name,slug,dns,disabled,id",
    false,
    false,
    fz_options_none,
    run_account_list },
  { "account", "show", "show the account", NULL, true, false, fz_options_none, run_account_show },
  { "account",
    "add",
    "make another account",
    NULL,
    false,
    true,
    account_add_options,
    run_account_add },
  { "account",
    "update",
    "change name, DNS or state of the account",
    NULL,
    true,
    true,
    account_update_options,
    run_account_update },

  { "actor",
    "add",
    "add a person or a service account",
    NULL,
    true,
    true,
    actor_add_options,
    run_actor_add },
  { "actor",
    "list",
    "list people and service accounts",
    "name,type,email,password,groups,disabled,id",
    true,
    false,
    fz_options_none,
    run_actor_list },
  { "actor", "show", "show one actor", NULL, true, false, fz_options_which, run_actor_show },
  { "actor",
    "update",
    "change, enable or disable an actor",
    NULL,
    true,
    true,
    actor_update_options,
    run_actor_update },
  { "actor",
    "remove",
    "remove an actor with its tokens and clients",
    NULL,
    true,
    true,
    fz_options_which,
    run_actor_remove },

  { "actor",
    "password set",
    "set the password that a person signs in with: typed twice, or on standard input",
    NULL,
    true,
    true,
    fz_password_set_options,
    fz_manage_password_set },
  { "actor",
    "password remove",
    "take a person's password away",
    NULL,
    true,
    true,
    fz_password_remove_options,
    fz_manage_password_remove },

  { "group", "add", "add a group", NULL, true, true, name_options, run_group_add },
  { "group",
    "list",
    "list the groups",
    GROUP_COLUMNS,
    true,
    false,
    fz_options_none,
    run_group_list },
  { "group", "show", "show one group", NULL, true, false, fz_options_which, run_group_show },
  { "group", "update", "rename a group", NULL, true, true, rename_options, run_group_update },
  { "group",
    "remove",
    "remove a group with its policies",
    NULL,
    true,
    true,
    fz_options_which,
    run_group_remove },
  { "group",
    "add-member",
    "put an actor into a group",
    NULL,
    true,
    true,
    member_options,
    run_group_add_member },
  { "group",
    "remove-member",
    "take an actor out of a group",
    NULL,
    true,
    true,
    member_options,
    run_group_remove_member },
  { "group",
    "list-members",
    "list who is in a group",
    MEMBER_COLUMNS,
    true,
    false,
    fz_options_which,
    run_group_list_members },

  { "site",
    "add",
    "add a site for gateways and resources",
    NULL,
    true,
    true,
    name_options,
    run_site_add },
  { "site",
    "list",
    "list the sites",
    "name,gateways,resources,id",
    true,
    false,
    fz_options_none,
    run_site_list },
  { "site", "show", "show one site", NULL, true, false, fz_options_which, run_site_show },
  { "site", "update", "rename a site", NULL, true, true, rename_options, run_site_update },
  { "site",
    "remove",
    "remove a site with its gateways and their tokens",
    NULL,
    true,
    true,
    fz_options_which,
    run_site_remove },
  FZ_VERBS_END
};
