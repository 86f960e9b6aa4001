/* fz-manage.c
 *
 * Dispatch of management commands, and the verbs that all things share.
 */
#include "src/server/fz-manage.h"

#include "src/server/fz-manage-private.h"

#include <string.h>

#define DAY_S INT64_C (86400)

const FzManageOption fz_options_none[] = { FZ_OPTIONS_END };
const FzManageOption fz_options_which[] = { FZ_OPTION_WHICH, FZ_OPTIONS_END };

const FzManageVerb *const *
fz_manage_tables (void)
{
  static const FzManageVerb *const tables[] = {
    fz_manage_people, fz_manage_access, fz_manage_things, NULL
  };

  return tables;
}

const FzManageVerb *
fz_manage_find (const char *noun, const char *verb)
{
  const FzManageVerb *const *tables = fz_manage_tables ();

  for (size_t t = 0; tables[t] != NULL; t++)
    for (const FzManageVerb *entry = tables[t]; entry->noun != NULL; entry++)
      if (strcmp (entry->noun, noun) == 0 && g_strcmp0 (entry->verb, verb) == 0)
        return entry;
  return NULL;
}

/* -- arguments -- */

static const FzManageOption *
find_option (const FzManageVerb *verb, const char *name)
{
  for (const FzManageOption *option = verb->options; option->name != NULL; option++)
    if (strcmp (option->name, name) == 0)
      return option;
  return NULL;
}

static bool
is_of_kind (const FzManageOption *option, JsonNode *node)
{
  if (option->flags & FZ_OPTION_MANY) {
    if (!JSON_NODE_HOLDS_ARRAY (node))
      return false;
    for (unsigned i = 0; i < json_array_get_length (json_node_get_array (node)); i++)
      if (json_node_get_value_type (json_array_get_element (json_node_get_array (node), i)) !=
          G_TYPE_STRING)
        return false;
    return true;
  }
  return json_node_get_value_type (node) ==
         (option->placeholder != NULL ? G_TYPE_STRING : G_TYPE_BOOLEAN);
}

static bool
check_args (const FzManageVerb *verb, JsonObject *args, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, args);
  while (json_object_iter_next (&iter, &name, &node)) {
    const FzManageOption *option = find_option (verb, name);

    if (strcmp (name, "account") == 0 && json_node_get_value_type (node) == G_TYPE_STRING)
      continue;
    if (option == NULL || !is_of_kind (option, node)) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "the option --%s does not belong here or has the wrong form",
                   name);
      return false;
    }
  }
  for (const FzManageOption *option = verb->options; option->name != NULL; option++) {
    if (!(option->flags & FZ_OPTION_REQUIRED) || json_object_has_member (args, option->name))
      continue;
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "%s%s is missing",
                 option->flags & FZ_OPTION_POSITIONAL ? "" : "--",
                 option->flags & FZ_OPTION_POSITIONAL ? option->placeholder : option->name);
    return false;
  }
  return true;
}

/* The account that was named, or the only one there is. */
static char *
choose_account (FzManage *self, JsonObject *args, GError **error)
{
  const char *name = fz_json_text (args, "account");
  g_autoptr (JsonArray) accounts = NULL;

  if (name != NULL)
    return fz_store_find (self->store, FZ_THING_ACCOUNT, NULL, name, error);
  accounts = fz_store_list (self->store, FZ_THING_ACCOUNT, NULL, NULL, error);
  if (accounts == NULL)
    return NULL;
  if (json_array_get_length (accounts) == 1)
    return g_strdup (fz_json_text (json_array_get_object_element (accounts, 0), "id"));
  if (json_array_get_length (accounts) == 0)
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_NOT_FOUND,
                 "there is no account yet; \"firezone-portal init\" makes one");
  else
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_AMBIGUOUS,
                 "there are several accounts; say which one with --account");
  return NULL;
}

JsonNode *
fz_manage_run (FzManage *self, const FzManageVerb *verb, JsonObject *args, GError **error)
{
  g_autofree char *account_id = NULL;
  g_autoptr (JsonNode) result = NULL;

  if (!check_args (verb, args, error))
    return NULL;
  if (verb->needs_account) {
    account_id = choose_account (self, args, error);
    if (account_id == NULL)
      return NULL;
  }
  result = verb->run (self, account_id, args, error);
  if (result != NULL && verb->is_change && self->hub != NULL)
    fz_hub_reconcile (self->hub);
  return g_steal_pointer (&result);
}

/* -- shared verbs -- */

static JsonNode *
node_of_object (JsonObject *object)
{
  JsonNode *node = json_node_alloc ();

  json_node_init_object (node, object);
  json_object_unref (object);
  return node;
}

static void
note_online (FzManage *self, FzThing thing, JsonObject *object)
{
  if (thing != FZ_THING_CLIENT && thing != FZ_THING_GATEWAY)
    return;
  json_object_set_boolean_member (object,
                                  "online",
                                  self->hub != NULL &&
                                      fz_hub_is_online (self->hub, fz_json_text (object, "id")));
}

JsonNode *
fz_manage_list (FzManage *self, FzThing thing, const char *account_id, GError **error)
{
  g_autoptr (JsonArray) array = fz_store_list (self->store, thing, account_id, NULL, error);

  if (array == NULL)
    return NULL;
  for (unsigned i = 0; i < json_array_get_length (array); i++)
    note_online (self, thing, json_array_get_object_element (array, i));
  return json_node_init_array (json_node_alloc (), array);
}

JsonNode *
fz_manage_show_id (
    FzManage *self, FzThing thing, const char *account_id, const char *id, GError **error)
{
  JsonObject *object = fz_store_show (self->store, thing, account_id, id, error);

  if (object == NULL)
    return NULL;
  note_online (self, thing, object);
  return node_of_object (object);
}

JsonNode *
fz_manage_show (
    FzManage *self, FzThing thing, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_store_find (self->store, thing, account_id, fz_json_text (args, "which"), error);

  return id != NULL ? fz_manage_show_id (self, thing, account_id, id, error) : NULL;
}

JsonNode *
fz_manage_remove_id (
    FzManage *self, FzThing thing, const char *account_id, const char *id, GError **error)
{
  JsonObject *object;

  if (!fz_store_remove (self->store, thing, account_id, id, error))
    return NULL;
  object = json_object_new ();
  json_object_set_string_member (object, "id", id);
  json_object_set_boolean_member (object, "removed", TRUE);
  return node_of_object (object);
}

JsonNode *
fz_manage_remove (
    FzManage *self, FzThing thing, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_store_find (self->store, thing, account_id, fz_json_text (args, "which"), error);

  return id != NULL ? fz_manage_remove_id (self, thing, account_id, id, error) : NULL;
}

char *
fz_manage_find_option (FzManage *self,
                       FzThing thing,
                       const char *account_id,
                       JsonObject *args,
                       const char *option,
                       GError **error)
{
  const char *name = fz_json_text (args, option);

  return name != NULL ? fz_store_find (self->store, thing, account_id, name, error) : NULL;
}

JsonObject *
fz_manage_changes (JsonObject *args, const char *const *members)
{
  JsonObject *changes = json_object_new ();

  for (size_t i = 0; members[i] != NULL; i++) {
    g_auto (GStrv) names = g_strsplit (members[i], ":", 2);
    JsonNode *node = json_object_get_member (args, names[0]);

    if (node != NULL)
      json_object_set_member (
          changes, names[1] != NULL ? names[1] : names[0], json_node_copy (node));
  }
  return changes;
}

void
fz_manage_enable_change (JsonObject *args, JsonObject *changes)
{
  if (fz_json_bool (args, "enable", false))
    json_object_set_boolean_member (changes, "disabled", FALSE);
  if (fz_json_bool (args, "disable", false))
    json_object_set_boolean_member (changes, "disabled", TRUE);
}

bool
fz_manage_parse_duration (const char *text, int64_t *out_s)
{
  static const struct {
    char unit;
    int64_t seconds;
  } units[] = { { 'd', DAY_S }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
  size_t length = strlen (text);

  for (size_t i = 0; i < G_N_ELEMENTS (units); i++) {
    g_autofree char *digits = NULL;
    guint64 n = 0;

    if (length < 2 || text[length - 1] != units[i].unit)
      continue;
    digits = g_strndup (text, length - 1);
    if (!g_ascii_string_to_unsigned (digits, 10, 1, 36500 * DAY_S / units[i].seconds, &n, NULL))
      return false;
    *out_s = (int64_t) n * units[i].seconds;
    return true;
  }
  return false;
}
