/* fz-manage-private.h
 *
 * Helpers of the command modules, and the tables they contribute.
 */
#pragma once

#include "src/server/fz-json.h"
#include "src/server/fz-manage.h"
#include "src/server/fz-server-error.h"

extern const FzManageVerb fz_manage_people[]; /* account, actor, group, site, init, status */
extern const FzManageVerb fz_manage_access[]; /* resource, policy, grant */
extern const FzManageVerb fz_manage_things[]; /* token, gateway, client, relay */

#define FZ_OPTIONS_END                                                                             \
  {                                                                                                \
    NULL, NULL, 0, NULL                                                                            \
  }
#define FZ_VERBS_END                                                                               \
  {                                                                                                \
    NULL, NULL, NULL, NULL, false, false, NULL, NULL                                               \
  }

#define FZ_OPTION_WHICH                                                                            \
  {                                                                                                \
    "which", "NAME|ID", FZ_OPTION_REQUIRED | FZ_OPTION_POSITIONAL, "which one, by name or by id"   \
  }

extern const FzManageOption fz_options_none[];
extern const FzManageOption fz_options_which[];

/* "actor password set" and "… remove", for the table of people. */
extern const FzManageOption fz_password_set_options[];
extern const FzManageOption fz_password_remove_options[];
JsonNode *
fz_manage_password_set (FzManage *self, const char *account_id, JsonObject *args, GError **error);
JsonNode *fz_manage_password_remove (FzManage *self,
                                     const char *account_id,
                                     JsonObject *args,
                                     GError **error);

/* The three verbs that are alike for everything. @args names it in "which". */
JsonNode *fz_manage_list (FzManage *self, FzThing thing, const char *account_id, GError **error);
JsonNode *fz_manage_show_id (
    FzManage *self, FzThing thing, const char *account_id, const char *id, GError **error);
JsonNode *fz_manage_show (
    FzManage *self, FzThing thing, const char *account_id, JsonObject *args, GError **error);
JsonNode *fz_manage_remove (
    FzManage *self, FzThing thing, const char *account_id, JsonObject *args, GError **error);
JsonNode *fz_manage_remove_id (
    FzManage *self, FzThing thing, const char *account_id, const char *id, GError **error);

/* Id of what @args names in @option; NULL without @error if the option is absent. g_free. */
char *fz_manage_find_option (FzManage *self,
                             FzThing thing,
                             const char *account_id,
                             JsonObject *args,
                             const char *option,
                             GError **error);

/* Copies members of @args that are there into a change set, under another name where they differ:
 * "description", "site:site_id", … ends with NULL. */
JsonObject *fz_manage_changes (JsonObject *args, const char *const *members);

/* "90d", "12h", "30m", "10s" as seconds, at most 100 years; false for anything else. */
bool fz_manage_parse_duration (const char *text, int64_t *out_s);

/* "--enable" and "--disable" into "disabled" of the change set. */
void fz_manage_enable_change (JsonObject *args, JsonObject *changes);
