/* fz-manage-things.c
 *
 * Commands about tokens, about the devices that came with them, and about
 * relays.
 */
#include "src/server/fz-manage-private.h"

#include <string.h>

#define DEFAULT_CLIENT_EXPIRES "90d"

/* -- token -- */

static const FzManageOption token_create_options[] = {
  { "client", NULL, 0, "for a client; needs --actor" },
  { "gateway", NULL, 0, "for the gateways of a site; needs --site or --bind" },
  { "relay", NULL, 0, "for a Firezone relay" },
  { "actor", "NAME|ID", 0, "whose client it is" },
  { "site", "NAME|ID", 0, "the site of the gateways" },
  { "bind", "GATEWAY", 0, "only for this gateway, made by \"gateway add\"" },
  { "name", "TEXT", 0, "what to call the token" },
  { "expires",
    "WHEN",
    0,
    "90d, 12h, 30m, 2027-01-31T12:00:00Z or never (default: 90d for clients, else never)" },
  FZ_OPTIONS_END
};

static bool
parse_expiry (const char *text, int64_t *out, GError **error)
{
  int64_t seconds = 0;

  if (strcmp (text, "never") == 0) {
    *out = 0;
    return true;
  }
  if (fz_manage_parse_duration (text, &seconds)) {
    *out = fz_store_now () + seconds;
    return true;
  }
  {
    g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);

    if (time != NULL) {
      *out = g_date_time_to_unix (time);
      return true;
    }
  }
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "\"%s\" is not a time; write 90d, 12h, 30m, 2027-01-31T12:00:00Z or never",
               text);
  return false;
}

static bool
choose_kind (JsonObject *args, FzTokenKind *out, GError **error)
{
  bool is_client = fz_json_bool (args, "client", false);
  bool is_gateway = fz_json_bool (args, "gateway", false);
  bool is_relay = fz_json_bool (args, "relay", false);

  if (is_client + is_gateway + is_relay != 1) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "say what the token is for: one of --client, --gateway and --relay");
    return false;
  }
  *out = is_client ? FZ_TOKEN_CLIENT : is_gateway ? FZ_TOKEN_GATEWAY : FZ_TOKEN_RELAY;
  if ((json_object_has_member (args, "actor") && !is_client) ||
      ((json_object_has_member (args, "site") || json_object_has_member (args, "bind")) &&
       !is_gateway)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "--actor goes with --client, --site and --bind go with --gateway");
    return false;
  }
  return true;
}

static void
set_missing (const char *option, const char *kind, GError **error)
{
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "%s is missing; a %s token needs it",
               option,
               kind);
}

/* The site of a gateway that was made beforehand. */
static char *
site_of_gateway (FzManage *self, const char *gateway_id, GError **error)
{
  g_autoptr (FzDeviceRecord) device = fz_store_device_load (self->store, gateway_id, error);

  return device != NULL ? g_strdup (device->site_id) : NULL;
}

/* Whoever the token is for; false with @error. */
static bool
find_owner (FzManage *self,
            const char *account_id,
            JsonObject *args,
            FzTokenKind kind,
            char **out_actor_id,
            char **out_site_id,
            char **out_gateway_id,
            GError **error)
{
  switch (kind) {
  case FZ_TOKEN_CLIENT:
    if (!json_object_has_member (args, "actor")) {
      set_missing ("--actor", "client", error);
      return false;
    }
    *out_actor_id = fz_manage_find_option (self, FZ_THING_ACTOR, account_id, args, "actor", error);
    return *out_actor_id != NULL;
  case FZ_TOKEN_GATEWAY:
    if (json_object_has_member (args, "bind")) {
      *out_gateway_id =
          fz_manage_find_option (self, FZ_THING_GATEWAY, account_id, args, "bind", error);
      if (*out_gateway_id == NULL)
        return false;
      *out_site_id = site_of_gateway (self, *out_gateway_id, error);
      return *out_site_id != NULL;
    }
    if (!json_object_has_member (args, "site")) {
      set_missing ("--site", "gateway", error);
      return false;
    }
    *out_site_id = fz_manage_find_option (self, FZ_THING_SITE, account_id, args, "site", error);
    return *out_site_id != NULL;
  case FZ_TOKEN_RELAY:
    return true;
  }
  g_assert_not_reached ();
}

static JsonNode *
run_token_create (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *actor_id = NULL;
  g_autofree char *site_id = NULL;
  g_autofree char *gateway_id = NULL;
  g_autofree char *text = NULL;
  g_autofree char *id = NULL;
  const char *expires = fz_json_text (args, "expires");
  FzTokenSpec spec = { 0 };
  JsonNode *node;

  if (!choose_kind (args, &spec.kind, error) ||
      !find_owner (self, account_id, args, spec.kind, &actor_id, &site_id, &gateway_id, error))
    return NULL;
  if (expires == NULL)
    expires = spec.kind == FZ_TOKEN_CLIENT ? DEFAULT_CLIENT_EXPIRES : "never";
  if (!parse_expiry (expires, &spec.expires_at, error))
    return NULL;

  spec.account_id = spec.kind == FZ_TOKEN_RELAY ? NULL : account_id;
  spec.name = fz_json_text (args, "name");
  spec.actor_id = actor_id;
  spec.site_id = site_id;
  spec.gateway_id = gateway_id;
  id = fz_store_token_add (self->store, &spec, &text, error);
  if (id == NULL)
    return NULL;
  node = fz_manage_show_id (self, FZ_THING_TOKEN, account_id, id, error);
  if (node != NULL)
    json_object_set_string_member (json_node_get_object (node), "token", text);
  return node;
}

static JsonNode *
run_token_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_TOKEN, account_id, error);
}

static JsonNode *
run_token_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_TOKEN, account_id, args, error);
}

static JsonNode *
run_token_revoke (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_TOKEN, account_id, args, error);
}

/* -- gateway -- */

static const FzManageOption gateway_add_options[] = {
  { "name", "TEXT", FZ_OPTION_REQUIRED, "its name" },
  { "site", "NAME|ID", FZ_OPTION_REQUIRED, "the site it stands in" },
  FZ_OPTIONS_END
};

static const FzManageOption device_rename_options[] = {
  FZ_OPTION_WHICH, { "name", "TEXT", FZ_OPTION_REQUIRED, "its new name" }, FZ_OPTIONS_END
};

static JsonNode *
run_gateway_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_GATEWAY, account_id, error);
}

static JsonNode *
run_gateway_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_GATEWAY, account_id, args, error);
}

static JsonNode *
run_gateway_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_GATEWAY, account_id, args, error);
}

static JsonNode *
run_gateway_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *site_id =
      fz_manage_find_option (self, FZ_THING_SITE, account_id, args, "site", error);
  g_autofree char *id = NULL;

  if (site_id == NULL)
    return NULL;
  id = fz_store_gateway_add (self->store, site_id, fz_json_text (args, "name"), error);
  return id != NULL ? fz_manage_show_id (self, FZ_THING_GATEWAY, account_id, id, error) : NULL;
}

static JsonNode *
update_device (FzManage *self,
               FzThing thing,
               const char *account_id,
               JsonObject *args,
               JsonObject *changes,
               GError **error)
{
  g_autofree char *id = fz_manage_find_option (self, thing, account_id, args, "which", error);

  if (id == NULL || !fz_store_device_update (self->store, id, changes, error))
    return NULL;
  return fz_manage_show_id (self, thing, account_id, id, error);
}

static JsonNode *
run_gateway_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const char *const members[] = { "name", NULL };
  g_autoptr (JsonObject) changes = fz_manage_changes (args, members);

  return update_device (self, FZ_THING_GATEWAY, account_id, args, changes, error);
}

/* -- client -- */

static const FzManageOption client_update_options[] = {
  FZ_OPTION_WHICH,
  { "name", "TEXT", 0, "its new name" },
  { "verify", NULL, 0, "vouch for the device" },
  { "unverify", NULL, 0, "no longer vouch for it; access in force ends" },
  FZ_OPTIONS_END
};

static JsonNode *
run_client_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_list (self, FZ_THING_CLIENT, account_id, error);
}

static JsonNode *
run_client_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_CLIENT, account_id, args, error);
}

static JsonNode *
run_client_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_CLIENT, account_id, args, error);
}

static JsonNode *
run_client_update (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  static const char *const members[] = { "name", NULL };
  g_autoptr (JsonObject) changes = fz_manage_changes (args, members);

  if (fz_json_bool (args, "verify", false))
    json_object_set_boolean_member (changes, "verified", TRUE);
  if (fz_json_bool (args, "unverify", false))
    json_object_set_boolean_member (changes, "verified", FALSE);
  return update_device (self, FZ_THING_CLIENT, account_id, args, changes, error);
}

/* -- relay -- */

static const FzManageOption relay_add_options[] = {
  { "name", "TEXT", FZ_OPTION_REQUIRED, "its name" },
  { "address",
    "IP:PORT",
    FZ_OPTION_REQUIRED | FZ_OPTION_MANY,
    "where it listens, port 3478; twice for IPv4 and IPv6" },
  { "secret-file",
    "FILE",
    FZ_OPTION_REQUIRED | FZ_OPTION_FILE,
    "file with the secret of coturn's static-auth-secret" },
  FZ_OPTIONS_END
};

static JsonNode *
run_relay_list (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  JsonNode *node = fz_manage_list (self, FZ_THING_RELAY, NULL, error);

  if (node != NULL && self->hub != NULL) {
    g_autoptr (JsonArray) online = fz_hub_list_relays (self->hub);

    for (unsigned i = 0; i < json_array_get_length (online); i++)
      json_array_add_object_element (json_node_get_array (node),
                                     json_object_ref (json_array_get_object_element (online, i)));
  }
  return node;
}

static JsonNode *
run_relay_show (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_show (self, FZ_THING_RELAY, NULL, args, error);
}

static JsonNode *
run_relay_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  return fz_manage_remove (self, FZ_THING_RELAY, NULL, args, error);
}

static JsonNode *
run_relay_add (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_auto (GStrv) addresses = fz_json_strv (args, "address", 2, FZ_SOCKET_ADDRESS_TEXT_MAX);
  g_autofree char *id = NULL;

  if (addresses == NULL) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "a relay has at most one IPv4 and one IPv6 address");
    return NULL;
  }
  id = fz_store_relay_add (self->store,
                           fz_json_text (args, "name"),
                           (const char *const *) addresses,
                           fz_json_text (args, "secret-file"),
                           error);
  return id != NULL ? fz_manage_show_id (self, FZ_THING_RELAY, NULL, id, error) : NULL;
}

const FzManageVerb fz_manage_things[] = {
  { "token",
    "create",
    "make a token; it is shown this once",
    NULL,
    true,
    true,
    token_create_options,
    run_token_create },
  { "token",
    "list",
    "list the tokens, without their secrets",
    "kind,name,made_by,actor,site,gateway,expires_at,last_used_at,id",
    true,
    false,
    fz_options_none,
    run_token_list },
  { "token",
    "show",
    "show one token, without its secret",
    NULL,
    true,
    false,
    fz_options_which,
    run_token_show },
  { "token",
    "revoke",
    "end a token and every connection made with it",
    NULL,
    true,
    true,
    fz_options_which,
    run_token_revoke },

  { "gateway",
    "add",
    "make a gateway before it connects, for a token bound to it",
    NULL,
    true,
    true,
    gateway_add_options,
    run_gateway_add },
  { "gateway",
    "list",
    "list the gateways",
    "name,site,online,ipv4,ipv6,version,remote_ip,id",
    true,
    false,
    fz_options_none,
    run_gateway_list },
  { "gateway", "show", "show one gateway", NULL, true, false, fz_options_which, run_gateway_show },
  { "gateway",
    "update",
    "rename a gateway",
    NULL,
    true,
    true,
    device_rename_options,
    run_gateway_update },
  { "gateway",
    "remove",
    "forget a gateway; a site token makes it anew when it connects",
    NULL,
    true,
    true,
    fz_options_which,
    run_gateway_remove },

  { "client",
    "list",
    "list the clients",
    "name,actor,online,ipv4,ipv6,version,remote_ip,id",
    true,
    false,
    fz_options_none,
    run_client_list },
  { "client", "show", "show one client", NULL, true, false, fz_options_which, run_client_show },
  { "client",
    "update",
    "rename a client, or vouch for it",
    NULL,
    true,
    true,
    client_update_options,
    run_client_update },
  { "client",
    "remove",
    "forget a client; its token makes it anew when it connects",
    NULL,
    true,
    true,
    fz_options_which,
    run_client_remove },

  { "relay",
    "add",
    "add a coturn server; its realm must be \"firezone\"",
    NULL,
    false,
    true,
    relay_add_options,
    run_relay_add },
  { "relay",
    "list",
    "list the relays",
    "name,ipv4,ipv6,id",
    false,
    false,
    fz_options_none,
    run_relay_list },
  { "relay",
    "show",
    "show one relay of the database",
    NULL,
    false,
    false,
    fz_options_which,
    run_relay_show },
  { "relay",
    "remove",
    "remove a relay from the database",
    NULL,
    false,
    true,
    fz_options_which,
    run_relay_remove },
  FZ_VERBS_END
};
