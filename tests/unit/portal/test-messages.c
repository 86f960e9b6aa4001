/* test-messages.c
 *
 * Every message of the portal as recorded, and what becomes of it when members
 * are missing, of a wrong type, unknown or reordered.
 */

#include "src/portal/fz-phoenix-frame.h"
#include "src/portal/fz-portal-error.h"
#include "tests/unit/portal/message-bed.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

#define INTERFACE_PATHS "payload/interface payload/interface/ipv4 payload/interface/ipv6 "
#define FLOW_PATHS                                                                                 \
  "payload/flow_logs payload/flow_logs/api_url payload/flow_logs/upload_interval_secs "            \
  "payload/flow_logs/upload_batch_size "
#define RELAY_PATHS(list)                                                                          \
  list "/0/type " list "/0/id " list "/0/addr " list "/0/username " list "/0/password " list       \
       "/0/expires_at "
#define GRANT_PATHS                                                                                \
  "payload/authorizations/0/client_id payload/authorizations/0/resource_id "                       \
  "payload/authorizations/0/expires_at "
#define CREDENTIAL_PATHS                                                                           \
  "payload/client_ice_credentials payload/client_ice_credentials/username "                        \
  "payload/client_ice_credentials/password payload/gateway_ice_credentials "                       \
  "payload/gateway_ice_credentials/username payload/gateway_ice_credentials/password "

typedef struct {
  const char *file;
  FzMessageVerdict verdict;
  const char *expected; /* NULL: not a command */
  const char *required; /* members without which the message is refused */
  const char *optional; /* members that may be absent, but not of another type */
} Recorded;

static const Recorded recorded[] = {
  { "client-init",
    FZ_MESSAGE_COMMAND,
    "command 5\n" INTERFACE "dns " RESOURCE_DNS
    "\n  name Wiki\n  pattern *.wiki.corp.example\n" SITE LAB "internet " RESOURCE_NET
    "\n  name Internet Resource\n  site aaaaaaaa-0000-4000-8000-0000000000a2\n  site-name "
    "exit\n" RELAY_DUAL,
    INTERFACE_PATHS FLOW_PATHS RELAY_PATHS ("payload/relays") GRANT_PATHS
    "payload/interface/upstream_do53/0/ip payload/interface/upstream_doh/0/url "
    "payload/interface/upstream_dns/0/address payload/interface/upstream_dns/0/protocol "
    "payload/resources/0/type",
    "payload/resources payload/relays payload/authorizations payload/interface/upstream_do53 "
    "payload/interface/upstream_doh payload/interface/upstream_dns "
    "payload/interface/search_domain" },
  { "client-init-minimal",
    FZ_MESSAGE_COMMAND,
    "command 5\nipv4 100.64.12.5\nipv6 fd00:2021:1111::5:12\n",
    INTERFACE_PATHS FLOW_PATHS,
    "" },
  { "client-config-changed",
    FZ_MESSAGE_COMMAND,
    "command 6\n" INTERFACE,
    INTERFACE_PATHS,
    "payload/interface/search_domain" },
  { "client-resource-created-or-updated",
    FZ_MESSAGE_COMMAND,
    "command 7\n" LAB,
    "payload/type",
    "" },
  { "client-resource-deleted", FZ_MESSAGE_COMMAND, "command 8\nid " RESOURCE_LAB "\n", "", "" },
  { "client-relays-presence",
    FZ_MESSAGE_COMMAND,
    "command 2\ngone bbbbbbbb-0000-4000-8000-000000000001\n" RELAY_DUAL,
    "payload/disconnected_ids payload/connected " RELAY_PATHS ("payload/connected"),
    "" },
  { "client-authorization-created",
    FZ_MESSAGE_COMMAND,
    "command 9\nresource " RESOURCE_LAB "\ngateway " GATEWAY_1 "\nsite " SITE_1 "\nkey " KEY_2
    "\nipv4 100.64.200.1\nipv6 fd00:2021:1111::1f:1\npsk " PSK
    "\nlocal cgcj ofgtwlxitjzy3mr6yyxra2\nremote bvch wddfo7s6robzeocmi3gvbq\niceless 0\n",
    CREDENTIAL_PATHS "payload/resource_id payload/gateway_id payload/site_id "
                     "payload/gateway_public_key payload/gateway_ipv4 payload/gateway_ipv6 "
                     "payload/preshared_key payload/flow_logs_ingest_token",
    "payload/use_iceless" },
  { "client-authorization-creation-failed",
    FZ_MESSAGE_COMMAND,
    "command 10\nresource " RESOURCE_LAB "\nreason 4\n",
    "payload/resource_id payload/reason",
    "payload/violated_properties" },
  { "client-ice-candidates",
    FZ_MESSAGE_COMMAND,
    "command 3\npeer " GATEWAY_1 "\n" CANDIDATES,
    "payload/gateway_id payload/candidates",
    "" },
  { "client-gateway-ice-candidates",
    FZ_MESSAGE_COMMAND,
    "command 3\npeer " GATEWAY_1 "\n" CANDIDATES,
    "payload/gateway_id payload/candidates",
    "" },
  { "client-invalidate-ice-candidates",
    FZ_MESSAGE_COMMAND,
    "command 4\npeer " GATEWAY_1 "\n" CANDIDATES,
    "payload/gateway_id payload/candidates",
    "" },
  { "client-invalidate-gateway-ice-candidates",
    FZ_MESSAGE_COMMAND,
    "command 4\npeer " GATEWAY_1 "\n" CANDIDATES,
    "payload/gateway_id payload/candidates",
    "" },
  { "client-device-access-authorized", FZ_MESSAGE_IGNORED, NULL, "", "" },
  { "gateway-init",
    FZ_MESSAGE_COMMAND,
    "command 11\nipv4 100.64.200.1\nipv6 fd00:2021:1111::1f:1\n" RELAY_DUAL "grant " CLIENT_1
    "\n  resource " RESOURCE_LAB "\n  expires 1788861600\nnow 1780000000\n",
    INTERFACE_PATHS FLOW_PATHS RELAY_PATHS ("payload/relays") GRANT_PATHS
    "payload/config payload/config/ipv4_masquerade_enabled "
    "payload/config/ipv6_masquerade_enabled",
    "payload/relays payload/authorizations payload/account_slug" },
  { "gateway-create-authorization",
    FZ_MESSAGE_COMMAND,
    "command 12\nref r-7f3a\ncidr " RESOURCE_LAB
    "\n  name Lab\n  network 10.20.0.0/16\n  filter tcp 443-443\nclient " CLIENT_1 "\nkey " KEY_1
    "\npsk " PSK "\nipv4 100.64.12.5\nipv6 fd00:2021:1111::5:12\nlocal bvch wddfo7s6robzeocmi3gvbq"
    "\nremote cgcj ofgtwlxitjzy3mr6yyxra2\nexpires 1788861600 now 1780000000 iceless 0\n",
    CREDENTIAL_PATHS "payload/ref payload/resource payload/resource/type payload/resource/id "
                     "payload/resource/name payload/resource/address payload/resource/filters "
                     "payload/client payload/client/id payload/client/public_key "
                     "payload/client/preshared_key payload/client/ipv4 payload/client/ipv6 "
                     "payload/flow_logs_ingest_token payload/resource/filters/0/protocol",
    "payload/expires_at payload/use_iceless" },
  { "gateway-ice-candidates",
    FZ_MESSAGE_COMMAND,
    "command 3\npeer " CLIENT_1 "\n" CANDIDATES,
    "payload/client_id payload/candidates",
    "" },
  { "gateway-invalidate-ice-candidates",
    FZ_MESSAGE_COMMAND,
    "command 4\npeer " CLIENT_1 "\n" CANDIDATES,
    "payload/client_id payload/candidates",
    "" },
  { "gateway-reject-access",
    FZ_MESSAGE_COMMAND,
    "command 13\nclient " CLIENT_1 "\nresource " RESOURCE_LAB "\n",
    "payload/client_id payload/resource_id",
    "" },
  { "gateway-resource-updated",
    FZ_MESSAGE_COMMAND,
    "command 14\ndns " RESOURCE_DNS
    "\n  name Wiki\n  pattern *.wiki.corp.example\n  filter icmp 0-0\n",
    "payload/type payload/id payload/name payload/address payload/filters",
    "" },
  { "gateway-resource-updated-internet",
    FZ_MESSAGE_COMMAND,
    "command 14\ninternet " RESOURCE_NET "\n  name Internet Resource\n",
    "payload/type payload/id",
    "" },
  { "gateway-relays-presence",
    FZ_MESSAGE_COMMAND,
    "command 2\nrelay 9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df\n  ipv4 198.51.100.7:3478\n" RELAY_LOGIN,
    "payload/disconnected_ids payload/connected " RELAY_PATHS ("payload/connected"),
    "" },
  { "gateway-access-authorization-expiry-updated", FZ_MESSAGE_IGNORED, NULL, "", "" },
};

static void
test_as_recorded (gconstpointer data)
{
  const Recorded *row = data;
  g_autoptr (JsonNode) root = message_load (row->file);
  g_auto (MessageOutcome) outcome = message_run_tree (root);

  g_assert_cmpint (outcome.verdict, ==, row->verdict);
  g_assert_cmpstr (outcome.described, ==, row->expected);
  g_assert_cmpstr (outcome.warnings, ==, "");
}

static void
test_members_missing (gconstpointer data)
{
  const Recorded *row = data;
  g_auto (GStrv) required = g_strsplit (row->required, " ", 0);
  g_auto (GStrv) optional = g_strsplit (row->optional, " ", 0);

  for (char **path = required; *path != NULL; path++) {
    g_autoptr (JsonNode) root = message_load (row->file);
    g_auto (MessageOutcome) outcome = { 0 };

    if (**path == '\0')
      continue;
    portal_test_remove (root, *path);
    outcome = message_run_tree (root);
    if (outcome.verdict != FZ_MESSAGE_REFUSED)
      g_error ("%s without %s was not refused", row->file, *path);
  }
  for (char **path = optional; *path != NULL; path++) {
    g_autoptr (JsonNode) root = message_load (row->file);
    g_auto (MessageOutcome) outcome = { 0 };

    if (**path == '\0')
      continue;
    portal_test_remove (root, *path);
    outcome = message_run_tree (root);
    if (outcome.verdict != FZ_MESSAGE_COMMAND)
      g_error ("%s without %s: %s", row->file, *path, outcome.problem);
  }
}

static void
test_members_of_wrong_type (gconstpointer data)
{
  static const char *const wrong[] = {
    "-1", "1.5", "\"nonsense\"", "true", "[17]", "{\"a\":1}", "\"\"",
  };
  const Recorded *row = data;
  g_autofree char *both = g_strconcat (row->required, " ", row->optional, NULL);
  g_auto (GStrv) paths = g_strsplit (both, " ", 0);

  for (char **path = paths; *path != NULL; path++)
    for (size_t i = 0; **path != '\0' && i < G_N_ELEMENTS (wrong); i++) {
      g_autoptr (JsonNode) root = message_load (row->file);
      g_auto (MessageOutcome) outcome = { 0 };
      JsonNode *old = portal_test_find (root, *path);
      bool is_text = JSON_NODE_HOLDS_VALUE (old) && json_node_get_value_type (old) == G_TYPE_STRING;
      bool is_bool =
          JSON_NODE_HOLDS_VALUE (old) && json_node_get_value_type (old) == G_TYPE_BOOLEAN;

      if ((is_text && wrong[i][0] == '"') || (is_bool && strcmp (wrong[i], "true") == 0))
        continue; /* of the right type */
      if (g_str_has_suffix (*path, "/candidates") && strcmp (wrong[i], "[17]") == 0)
        continue; /* elements that are no candidates are left out one by one */
      portal_test_set (root, *path, wrong[i]);
      outcome = message_run_tree (root);
      if (outcome.verdict != FZ_MESSAGE_REFUSED)
        g_error ("%s with %s = %s was not refused", row->file, *path, wrong[i]);
      if (strstr (outcome.problem, "nonsense") != NULL)
        g_error ("the error quotes a value: %s", outcome.problem);
    }
}

static void
add_extras (JsonNode *node)
{
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);

    for (guint i = 0; i < json_array_get_length (array); i++)
      add_extras (json_array_get_element (array, i));
  } else if (JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObject *object = json_node_get_object (node);
    g_autoptr (GList) members = json_object_get_members (object);

    for (GList *at = members; at != NULL; at = at->next)
      add_extras (json_object_get_member (object, at->data));
    json_object_set_member (
        object, "a_future_member", json_from_string ("{\"x\":[1,{\"y\":null}]}", NULL));
  }
}

static void
test_unknown_members (gconstpointer data)
{
  const Recorded *row = data;
  g_autoptr (JsonNode) root = message_load (row->file);
  g_auto (MessageOutcome) outcome = { 0 };

  add_extras (root);
  outcome = message_run_tree (root);
  g_assert_cmpint (outcome.verdict, ==, row->verdict);
  g_assert_cmpstr (outcome.described, ==, row->expected);
}

static JsonNode *
reverse_members (JsonNode *node)
{
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *from = json_node_get_array (node);
    JsonNode *out = json_node_new (JSON_NODE_ARRAY);

    json_node_take_array (out, json_array_new ());
    for (guint i = 0; i < json_array_get_length (from); i++)
      json_array_add_element (json_node_get_array (out),
                              reverse_members (json_array_get_element (from, i)));
    return out;
  }
  if (JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObject *from = json_node_get_object (node);
    g_autoptr (GList) members = g_list_reverse (json_object_get_members (from));
    JsonNode *out = json_node_new (JSON_NODE_OBJECT);

    json_node_take_object (out, json_object_new ());
    for (GList *at = members; at != NULL; at = at->next)
      json_object_set_member (json_node_get_object (out),
                              at->data,
                              reverse_members (json_object_get_member (from, at->data)));
    return out;
  }
  return json_node_copy (node);
}

static void
test_members_reordered (gconstpointer data)
{
  const Recorded *row = data;
  g_autoptr (JsonNode) root = message_load (row->file);
  g_autoptr (JsonNode) reversed = reverse_members (root);
  g_auto (MessageOutcome) outcome = message_run_tree (reversed);

  g_assert_cmpint (outcome.verdict, ==, row->verdict);
  g_assert_cmpstr (outcome.described, ==, row->expected);
}

static void
test_cut_anywhere (gconstpointer data)
{
  const Recorded *row = data;
  g_autoptr (JsonNode) root = message_load (row->file);
  g_autofree char *text = json_to_string (root, FALSE);
  size_t length = strlen (text);

  for (size_t n = 0; n < length; n++) {
    g_auto (FzPhoenixFrame) frame = { 0 };
    g_autoptr (GError) error = NULL;
    g_autofree char *cut = g_strndup (text, n); /* its own block, for the sanitizer */

    g_assert_false (fz_phoenix_frame_parse (cut, n, &frame, &error));
    if (!g_error_matches (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_TRUNCATED))
      g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED);
  }
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestDataFunc func;
  } suites[] = {
    { "as-recorded", test_as_recorded },           { "members-missing", test_members_missing },
    { "wrong-types", test_members_of_wrong_type }, { "unknown-members", test_unknown_members },
    { "reordered", test_members_reordered },       { "cut", test_cut_anywhere },
  };

  g_test_init (&argc, &argv, NULL);
  for (size_t s = 0; s < G_N_ELEMENTS (suites); s++)
    for (size_t i = 0; i < G_N_ELEMENTS (recorded); i++) {
      g_autofree char *path = g_strdup_printf ("/messages/%s/%s", suites[s].name, recorded[i].file);

      g_test_add_data_func (path, &recorded[i], suites[s].func);
    }
  return g_test_run ();
}
