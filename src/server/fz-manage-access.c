/* fz-manage-access.c
 *
 * Commands about what can be reached and by whom: resources, policies, and the
 * access that is in force.
 */
#include "src/server/fz-condition.h"
#include "src/server/fz-filter-text.h"
#include "src/server/fz-manage-private.h"

#include <string.h>

/* -- resource -- */

#define FILTER_HELP "what passes: tcp/443, udp/5000-6000, tcp, udp or icmp; none: everything"

static const FzManageOption resource_add_options[] = {
  { "name", "TEXT", FZ_OPTION_REQUIRED, "its name" },
  { "address", "ADDRESS", 0, "network, IP address or domain pattern" },
  { "site", "NAME|ID", FZ_OPTION_REQUIRED, "the site whose gateways lead to it" },
  { "type", "TYPE", 0, "cidr, ip, dns or internet (default: told from the address)" },
  { "description", "TEXT", 0, "what clients show beside the address" },
  { "ip-stack", "STACK", 0, "dns only: dual, ipv4_only or ipv6_only" },
  { "filter", "FILTER", FZ_OPTION_MANY, FILTER_HELP },
  FZ_OPTIONS_END
};

static const FzManageOption resource_update_options[] = {
  FZ_OPTION_WHICH,
  { "name", "TEXT", 0, "new name" },
  { "address", "ADDRESS", 0, "new network, IP address or domain pattern" },
  { "site", "NAME|ID", 0, "another site" },
  { "description", "TEXT", 0, "new description; empty for none" },
  { "ip-stack", "STACK", 0, "dns only: dual, ipv4_only or ipv6_only" },
  { "filter", "FILTER", FZ_OPTION_MANY, "replaces the filters; " FILTER_HELP },
  { "no-filters", NULL, 0, "let everything pass" },
  FZ_OPTIONS_END
};

static JsonNode *
run_resource_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_RESOURCE, account_id, error);
}

static JsonNode *
run_resource_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_RESOURCE, account_id, args, error);
}

static JsonNode *
run_resource_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_RESOURCE, account_id, args, error);
}

static JsonNode *
run_resource_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *site_id =
      fz_manage_find_option (self, FZ_THING_SITE, account_id, args, "site", error);
  g_auto (GStrv) filters = fz_json_strv (args, "filter", FZ_FILTERS_MAX + 1, 64);
  FzResourceSpec spec = {
    .name = fz_json_text (args, "name"),
    .type = fz_json_text (args, "type"),
    .address = fz_json_text (args, "address"),
    .description = fz_json_text (args, "description"),
    .ip_stack = fz_json_text (args, "ip-stack"),
    .site_id = site_id,
    .filters = (const char *const *) filters,
  };
  g_autofree char *id = NULL;

  if (site_id == NULL)
    return NULL;
  if (filters == NULL && json_object_has_member (args, "filter")) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "a resource has at most %u filters",
                 FZ_FILTERS_MAX);
    return NULL;
  }
  if (spec.address == NULL && g_strcmp0 (spec.type, "internet") != 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "--address is missing; only a resource of type internet has none");
    return NULL;
  }
  id = fz_store_resource_add (self->store, account_id, &spec, error);
  return id != NULL ? fz_manage_show_id (self, FZ_THING_RESOURCE, account_id, id, error) : NULL;
}

static JsonNode *
run_resource_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const char *const members[] = { "name",           "address",
                                         "description",    "ip-stack:ip_stack",
                                         "filter:filters", NULL };
  g_autoptr (JsonObject) changes = fz_manage_changes (args, members);
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_RESOURCE, account_id, args, "which", error);

  if (id == NULL)
    return NULL;
  if (json_object_has_member (args, "site")) {
    g_autofree char *site_id =
        fz_manage_find_option (self, FZ_THING_SITE, account_id, args, "site", error);

    if (site_id == NULL)
      return NULL;
    json_object_set_string_member (changes, "site_id", site_id);
  }
  if (fz_json_bool (args, "no-filters", false))
    json_object_set_array_member (changes, "filters", json_array_new ());
  if (!fz_store_resource_update (self->store, id, changes, error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_RESOURCE, account_id, id, error);
}

/* -- policy -- */

#define CONDITION_HELP                                                                             \
  "\"PROPERTY OPERATOR VALUES\", for example \"remote_ip is_in_cidr 192.0.2.0/24\", "              \
  "\"client_verified is true\", "                                                                  \
  "\"current_utc_datetime is_in_day_of_week_time_ranges M/09:00-17:00/Europe/Berlin\""

static const FzManageOption policy_add_options[] = {
  { "group", "NAME|ID", FZ_OPTION_REQUIRED, "who" },
  { "resource", "NAME|ID", FZ_OPTION_REQUIRED, "may reach what" },
  { "description", "TEXT", 0, "why" },
  { "condition", "TEXT", FZ_OPTION_MANY, CONDITION_HELP },
  FZ_OPTIONS_END
};

static const FzManageOption policy_which_options[] = {
  { "which", "GROUP:RESOURCE|ID", FZ_OPTION_POSITIONAL, "which one; or use the options" },
  { "group", "NAME|ID", 0, "its group" },
  { "resource", "NAME|ID", 0, "its resource" },
  FZ_OPTIONS_END
};

static const FzManageOption policy_update_options[] = {
  { "which", "GROUP:RESOURCE|ID", FZ_OPTION_REQUIRED | FZ_OPTION_POSITIONAL, "which one" },
  { "group", "NAME|ID", 0, "another group" },
  { "resource", "NAME|ID", 0, "another resource" },
  { "description", "TEXT", 0, "new description; empty for none" },
  { "condition", "TEXT", FZ_OPTION_MANY, "replaces the conditions; " CONDITION_HELP },
  { "no-conditions", NULL, 0, "let it hold always" },
  { "enable", NULL, 0, "let it hold again" },
  { "disable", NULL, 0, "suspend it" },
  FZ_OPTIONS_END
};

static JsonNode *
run_policy_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_POLICY, account_id, error);
}

/* By id or "group:resource", or by both of its ends. */
static char *
find_policy (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *group_id = NULL;
  g_autofree char *resource_id = NULL;
  g_autoptr (JsonArray) policies = NULL;

  if (json_object_has_member (args, "which"))
    return fz_manage_find_option (self, FZ_THING_POLICY, account_id, args, "which", error);
  if (!json_object_has_member (args, "group") || !json_object_has_member (args, "resource")) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "say which policy: by its id, or by --group and --resource");
    return NULL;
  }
  group_id = fz_manage_find_option (self, FZ_THING_GROUP, account_id, args, "group", error);
  if (group_id == NULL)
    return NULL;
  resource_id =
      fz_manage_find_option (self, FZ_THING_RESOURCE, account_id, args, "resource", error);
  if (resource_id == NULL)
    return NULL;

  policies = fz_store_list (self->store, FZ_THING_POLICY, account_id, NULL, error);
  if (policies == NULL)
    return NULL;
  for (unsigned i = 0; i < json_array_get_length (policies); i++) {
    JsonObject *policy = json_array_get_object_element (policies, i);

    if (g_strcmp0 (fz_json_text (policy, "group_id"), group_id) == 0 &&
        g_strcmp0 (fz_json_text (policy, "resource_id"), resource_id) == 0)
      return g_strdup (fz_json_text (policy, "id"));
  }
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_NOT_FOUND,
               "there is no policy for the group \"%s\" and the resource \"%s\"",
               fz_json_text (args, "group"),
               fz_json_text (args, "resource"));
  return NULL;
}

static JsonNode *
run_policy_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id = find_policy (self, account_id, args, error);

  return id != NULL ? fz_manage_show_id (self, FZ_THING_POLICY, account_id, id, error) : NULL;
}

static JsonNode *
run_policy_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id = find_policy (self, account_id, args, error);

  return id != NULL ? fz_manage_remove_id (self, FZ_THING_POLICY, account_id, id, error) : NULL;
}

/* The conditions of @args as an array; an empty one if there are none. */
static JsonArray *
conditions_of (JsonObject *args, GError **error)
{
  JsonArray *texts = fz_json_array (args, "condition");
  g_autoptr (JsonArray) conditions = json_array_new ();

  for (unsigned i = 0; texts != NULL && i < json_array_get_length (texts); i++) {
    JsonObject *condition =
        fz_condition_from_text (json_array_get_string_element (texts, i), error);

    if (condition == NULL)
      return NULL;
    json_array_add_object_element (conditions, condition);
  }
  return g_steal_pointer (&conditions);
}

static JsonNode *
run_policy_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *group_id =
      fz_manage_find_option (self, FZ_THING_GROUP, account_id, args, "group", error);
  g_autofree char *resource_id = NULL;
  g_autofree char *text = NULL;
  g_autofree char *id = NULL;
  g_autoptr (JsonArray) conditions = NULL;
  g_autoptr (JsonNode) node = NULL;

  if (group_id == NULL)
    return NULL;
  resource_id =
      fz_manage_find_option (self, FZ_THING_RESOURCE, account_id, args, "resource", error);
  if (resource_id == NULL)
    return NULL;
  conditions = conditions_of (args, error);
  if (conditions == NULL)
    return NULL;

  node = json_node_init_array (json_node_alloc (), conditions);
  text = json_to_string (node, FALSE);
  id = fz_store_policy_add (self->store,
                            account_id,
                            group_id,
                            resource_id,
                            fz_json_text (args, "description"),
                            text,
                            error);
  return id != NULL ? fz_manage_show_id (self, FZ_THING_POLICY, account_id, id, error) : NULL;
}

/* Names become ids in the change set. */
static bool
id_change (FzManage *self,
           FzThing thing,
           const char *account_id,
           JsonObject *args,
           const char *option,
           JsonObject *changes,
           const char *member,
           GError **error)
{
  g_autofree char *id = NULL;

  if (!json_object_has_member (args, option))
    return true;
  id = fz_manage_find_option (self, thing, account_id, args, option, error);
  if (id == NULL)
    return false;
  json_object_set_string_member (changes, member, id);
  return true;
}

static JsonNode *
run_policy_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const char *const members[] = { "description", NULL };
  g_autoptr (JsonObject) changes = fz_manage_changes (args, members);
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_POLICY, account_id, args, "which", error);

  if (id == NULL ||
      !id_change (self, FZ_THING_GROUP, account_id, args, "group", changes, "group_id", error) ||
      !id_change (
          self, FZ_THING_RESOURCE, account_id, args, "resource", changes, "resource_id", error))
    return NULL;
  if (json_object_has_member (args, "condition") || fz_json_bool (args, "no-conditions", false)) {
    JsonArray *conditions = conditions_of (args, error);

    if (conditions == NULL)
      return NULL;
    json_object_set_array_member (changes, "conditions", conditions);
  }
  fz_manage_enable_change (args, changes);
  if (!fz_store_policy_update (self->store, id, changes, error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_POLICY, account_id, id, error);
}

/* -- grant -- */

static JsonNode *
run_grant_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_GRANT, account_id, error);
}

static JsonNode *
run_grant_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_GRANT, account_id, args, error);
}

static JsonNode *
run_grant_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_GRANT, account_id, args, error);
}

const FzManageVerb fz_manage_access[] = {
  { "resource", "add", "add a resource", NULL, true, true, resource_add_options, run_resource_add },
  { "resource",
    "list",
    "list the resources",
    "name,type,address,site,filters,id",
    true,
    false,
    fz_options_none,
    run_resource_list },
  { "resource",
    "show",
    "show one resource",
    NULL,
    true,
    false,
    fz_options_which,
    run_resource_show },
  { "resource",
    "update",
    "change a resource",
    NULL,
    true,
    true,
    resource_update_options,
    run_resource_update },
  { "resource",
    "remove",
    "remove a resource with its policies",
    NULL,
    true,
    true,
    fz_options_which,
    run_resource_remove },

  { "policy",
    "add",
    "let a group reach a resource",
    NULL,
    true,
    true,
    policy_add_options,
    run_policy_add },
  { "policy",
    "list",
    "list the policies",
    "group,resource,disabled,description,id",
    true,
    false,
    fz_options_none,
    run_policy_list },
  { "policy", "show", "show one policy", NULL, true, false, policy_which_options, run_policy_show },
  { "policy",
    "update",
    "change, suspend or resume a policy",
    NULL,
    true,
    true,
    policy_update_options,
    run_policy_update },
  { "policy",
    "remove",
    "take the right back; access in force ends at once",
    NULL,
    true,
    true,
    policy_which_options,
    run_policy_remove },

  { "grant",
    "list",
    "list the access in force",
    "client,resource,gateway,expires_at,id",
    true,
    false,
    fz_options_none,
    run_grant_list },
  { "grant", "show", "show one grant", NULL, true, false, fz_options_which, run_grant_show },
  { "grant",
    "remove",
    "end an access; the client may ask again",
    NULL,
    true,
    true,
    fz_options_which,
    run_grant_remove },
  FZ_VERBS_END
};
