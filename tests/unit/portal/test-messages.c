/* test-messages.c
 *
 * Every message of the portal as recorded, and what becomes of it when members
 * are missing, of a wrong type, unknown, reordered or absurdly many; and every
 * message of ours, byte for byte.
 */
#include "src/portal/fz-json.h"
#include "src/portal/fz-messages.h"
#include "src/portal/fz-phoenix-frame.h"
#include "src/portal/fz-portal-error.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

#define UNIX_NOW     UINT64_C (1780000000)
#define SITE_1       "aaaaaaaa-0000-4000-8000-0000000000a1"
#define RESOURCE_DNS "aaaaaaaa-0000-4000-8000-000000000004"
#define RESOURCE_LAB "aaaaaaaa-0000-4000-8000-000000000006"
#define RESOURCE_NET "aaaaaaaa-0000-4000-8000-000000000007"
#define CLIENT_1     "11111111-2222-4333-8444-555555555501"
#define GATEWAY_1    "11111111-2222-4333-8444-555555555502"
#define PSK          "UPzNZTQCgGDzf5o6h4GlcXRwTWaLiOCGh3CyypVuLlw="
#define KEY_1        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2        "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

#define RELAY_LOGIN                                                                                \
  "  login 1790000000:xXzDtV05+ab3cvUI44IeCigIIjUsDQ8NJZ+6Y7dNqaA "                                \
  "rjxAgvxLGvK6YLosZ/zYVf6VQFdvjPNcXoTjtH/pHL8 1790000000\n"
#define RELAY_DUAL                                                                                 \
  "relay 9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df\n  ipv4 198.51.100.7:3478\n"                         \
  "  ipv6 [2001:db8::7]:3478\n" RELAY_LOGIN
#define INTERFACE                                                                                  \
  "ipv4 100.64.12.5\nipv6 fd00:2021:1111::5:12\ndo53 9.9.9.9\ndo53 2620:fe::fe\n"                  \
  "doh https://dns.quad9.net/dns-query\nsearch corp.example\n"
#define SITE "  site " SITE_1 "\n  site-name berlin\n"
#define LAB                                                                                        \
  "cidr " RESOURCE_LAB "\n  name Lab\n  description the lab\n  network 10.20.0.0/16\n"             \
  "  filter tcp 80-443\n  filter udp 0-65535\n  filter icmp 0-0\n" SITE
#define CANDIDATES                                                                                 \
  "candidate:4fe8a2c17f3d9b06 1 udp 1686109951 203.0.113.7 40000 typ srflx raddr 0.0.0.0 rport 0 " \
  "ufrag jbi4\n"                                                                                   \
  "candidate:1 1 udp 50331391 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0\n"

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

/* -- running a frame -- */

typedef struct {
  FzMessageVerdict verdict;
  char *described; /* of a command */
  char *problem;   /* of a refusal */
  char *warnings;
} Outcome;

static void
clear_outcome (Outcome *outcome)
{
  g_free (outcome->described);
  g_free (outcome->problem);
  g_free (outcome->warnings);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, clear_outcome)

static Outcome
run_text (const char *text)
{
  g_auto (FzPhoenixFrame) frame = { 0 };
  g_autoptr (FzMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  PortalTestLog log;
  FzLog to;
  Outcome out = { 0 };

  portal_test_log_init (&log);
  to = portal_test_log_get (&log);
  g_assert_true (fz_phoenix_frame_parse (text, strlen (text), &frame, &error));
  g_assert_cmpint (frame.kind, ==, FZ_FRAME_MESSAGE);
  out.verdict =
      fz_message_parse (strcmp (frame.topic, "gateway") == 0 ? FZ_ROLE_GATEWAY : FZ_ROLE_CLIENT,
                        frame.event,
                        frame.payload,
                        UNIX_NOW,
                        &to,
                        &message,
                        &error);
  /* The message stands on its own: the frame may go. */
  fz_phoenix_frame_clear (&frame);
  if (out.verdict == FZ_MESSAGE_COMMAND)
    out.described = portal_test_describe (fz_message_get_command (message));
  else
    g_assert_null (message);
  if (out.verdict == FZ_MESSAGE_REFUSED) {
    g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED);
    out.problem = g_strdup (error->message);
  } else {
    g_assert_no_error (error);
  }
  out.warnings = g_strdup (log.warnings->str);
  portal_test_log_clear (&log);
  return out;
}

static Outcome
run_tree (JsonNode *root)
{
  g_autofree char *text = json_to_string (root, FALSE);

  return run_text (text);
}

static JsonNode *
load (const char *file)
{
  g_autofree char *name = g_strconcat (file, ".json", NULL);
  g_autofree char *text = portal_test_read (name);
  JsonNode *root = json_from_string (text, NULL);

  g_assert_nonnull (root);
  return root;
}

/* -- tests over every recorded message -- */

static void
test_as_recorded (gconstpointer data)
{
  const Recorded *row = data;
  g_autoptr (JsonNode) root = load (row->file);
  g_auto (Outcome) outcome = run_tree (root);

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
    g_autoptr (JsonNode) root = load (row->file);
    g_auto (Outcome) outcome = { 0 };

    if (**path == '\0')
      continue;
    portal_test_remove (root, *path);
    outcome = run_tree (root);
    if (outcome.verdict != FZ_MESSAGE_REFUSED)
      g_error ("%s without %s was not refused", row->file, *path);
  }
  for (char **path = optional; *path != NULL; path++) {
    g_autoptr (JsonNode) root = load (row->file);
    g_auto (Outcome) outcome = { 0 };

    if (**path == '\0')
      continue;
    portal_test_remove (root, *path);
    outcome = run_tree (root);
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
      g_autoptr (JsonNode) root = load (row->file);
      g_auto (Outcome) outcome = { 0 };
      JsonNode *old = portal_test_find (root, *path);
      bool is_text = JSON_NODE_HOLDS_VALUE (old) && json_node_get_value_type (old) == G_TYPE_STRING;
      bool is_bool =
          JSON_NODE_HOLDS_VALUE (old) && json_node_get_value_type (old) == G_TYPE_BOOLEAN;

      if ((is_text && wrong[i][0] == '"') || (is_bool && strcmp (wrong[i], "true") == 0))
        continue; /* of the right type */
      if (g_str_has_suffix (*path, "/candidates") && strcmp (wrong[i], "[17]") == 0)
        continue; /* elements that are no candidates are left out one by one */
      portal_test_set (root, *path, wrong[i]);
      outcome = run_tree (root);
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
  g_autoptr (JsonNode) root = load (row->file);
  g_auto (Outcome) outcome = { 0 };

  add_extras (root);
  outcome = run_tree (root);
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
  g_autoptr (JsonNode) root = load (row->file);
  g_autoptr (JsonNode) reversed = reverse_members (root);
  g_auto (Outcome) outcome = run_tree (reversed);

  g_assert_cmpint (outcome.verdict, ==, row->verdict);
  g_assert_cmpstr (outcome.described, ==, row->expected);
}

static void
test_cut_anywhere (gconstpointer data)
{
  const Recorded *row = data;
  g_autoptr (JsonNode) root = load (row->file);
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

/* -- single rules -- */

static const struct {
  const char *name;
  const char *file;
  const char *path;
  const char *json;
  FzMessageVerdict verdict;
  const char *contains; /* in the description, the problem or the warnings */
  const char *lacks;    /* likewise; NULL: nothing */
} rules[] = {
  { "older-sites",
    "client-resource-created-or-updated",
    "payload/gateway_groups",
    "[{\"id\":\"" SITE_1 "\",\"name\":\"berlin\"}]",
    FZ_MESSAGE_IGNORED,
    "portal-bad-resource",
    "command" },
  { "no-flow-logs",
    "client-init",
    "payload/flow_logs",
    "null",
    FZ_MESSAGE_REFUSED,
    "flow_logs",
    NULL },
  { "legacy-dns-when-do53-empty",
    "client-init",
    "payload/interface/upstream_do53",
    "[]",
    FZ_MESSAGE_COMMAND,
    "do53 149.112.112.112",
    "do53 9.9.9.9" },
  { "doh-must-be-https",
    "client-init",
    "payload/interface/upstream_doh",
    "[{\"url\":\"http://dns.quad9.net/\"}]",
    FZ_MESSAGE_REFUSED,
    "https",
    NULL },
  { "doh-without-query",
    "client-init",
    "payload/interface/upstream_doh",
    "[{\"url\":\"https://dns.quad9.net/?a=1\"}]",
    FZ_MESSAGE_REFUSED,
    "query",
    NULL },
  { "search-domain-null",
    "client-init",
    "payload/interface/search_domain",
    "null",
    FZ_MESSAGE_COMMAND,
    "do53",
    "search" },
  { "search-domain-empty-label",
    "client-init",
    "payload/interface/search_domain",
    "\"corp..example\"",
    FZ_MESSAGE_REFUSED,
    "search_domain",
    NULL },
  { "addresses-with-prefix",
    "client-init",
    "payload/interface/ipv4",
    "\"100.64.12.5/32\"",
    FZ_MESSAGE_COMMAND,
    "ipv4 100.64.12.5\n",
    NULL },
  { "addresses-with-short-prefix",
    "client-init",
    "payload/interface/ipv4",
    "\"100.64.12.0/24\"",
    FZ_MESSAGE_REFUSED,
    "ipv4",
    NULL },
  { "address-of-other-family",
    "client-init",
    "payload/interface/ipv4",
    "\"::1\"",
    FZ_MESSAGE_REFUSED,
    "ipv4",
    NULL },
  { "resource-of-unknown-type",
    "client-init",
    "payload/resources",
    "[{\"type\":\"teapot\"},{\"type\":\"internet\",\"id\":\"" RESOURCE_NET "\",\"sites\":[]}]",
    FZ_MESSAGE_COMMAND,
    "internet",
    "portal-bad-resource" },
  { "malformed-resource-is-skipped",
    "client-init",
    "payload/resources",
    "[{\"type\":\"cidr\",\"id\":\"" RESOURCE_LAB "\",\"name\":\"x\",\"address\":\"10.0.0.1/8\","
    "\"sites\":[]},{\"type\":\"internet\",\"id\":\"" RESOURCE_NET "\",\"sites\":[]}]",
    FZ_MESSAGE_COMMAND,
    "portal-bad-resource",
    "cidr" },
  { "resource-without-sites-is-skipped",
    "client-init",
    "payload/resources",
    "[{\"type\":\"internet\",\"id\":\"" RESOURCE_NET "\"}]",
    FZ_MESSAGE_COMMAND,
    "portal-bad-resource",
    "internet" },
  { "unknown-filter-spoils-resource",
    "client-init",
    "payload/resources",
    "[{\"type\":\"cidr\",\"id\":\"" RESOURCE_LAB "\",\"name\":\"x\",\"address\":\"10.0.0.0/8\","
    "\"sites\":[],\"filters\":[{\"protocol\":\"sctp\"}]}]",
    FZ_MESSAGE_COMMAND,
    "portal-bad-resource",
    "cidr" },
  { "filter-port-too-large",
    "client-init",
    "payload/resources",
    "[{\"type\":\"cidr\",\"id\":\"" RESOURCE_LAB "\",\"name\":\"x\",\"address\":\"10.0.0.0/8\","
    "\"sites\":[],\"filters\":[{\"protocol\":\"tcp\",\"port_range_end\":65536}]}]",
    FZ_MESSAGE_COMMAND,
    "portal-bad-resource",
    "cidr" },
  { "resource-without-type-spoils-init",
    "client-init",
    "payload/resources",
    "[{}]",
    FZ_MESSAGE_REFUSED,
    "type",
    NULL },
  { "both-site-ids",
    "client-authorization-created",
    "payload/gateway_group_id",
    "\"" SITE_1 "\"",
    FZ_MESSAGE_REFUSED,
    "gateway_group_id",
    NULL },
  { "iceless-null",
    "client-authorization-created",
    "payload/use_iceless",
    "null",
    FZ_MESSAGE_REFUSED,
    "use_iceless",
    NULL },
  { "iceless-true",
    "client-authorization-created",
    "payload/use_iceless",
    "true",
    FZ_MESSAGE_COMMAND,
    "iceless 1",
    NULL },
  { "key-too-short",
    "client-authorization-created",
    "payload/preshared_key",
    "\"AQEBAQ==\"",
    FZ_MESSAGE_REFUSED,
    "preshared_key",
    "AQEB" },
  { "token-of-two-segments",
    "client-authorization-created",
    "payload/flow_logs_ingest_token",
    "\"abc.def\"",
    FZ_MESSAGE_REFUSED,
    "three segments",
    NULL },
  { "unknown-reason",
    "client-authorization-creation-failed",
    "payload/reason",
    "\"whatever\"",
    FZ_MESSAGE_COMMAND,
    "reason 0",
    NULL },
  { "offline",
    "client-authorization-creation-failed",
    "payload/reason",
    "\"offline\"",
    FZ_MESSAGE_COMMAND,
    "reason 2",
    NULL },
  { "violated-property-no-string",
    "client-authorization-creation-failed",
    "payload/violated_properties",
    "[1]",
    FZ_MESSAGE_REFUSED,
    "violated_properties",
    NULL },
  { "stun-relay-ignored",
    "client-relays-presence",
    "payload/connected",
    "[{\"type\":\"stun\",\"id\":\"" SITE_1 "\",\"addr\":\"192.0.2.1:3478\"}]",
    FZ_MESSAGE_COMMAND,
    "gone",
    "relay" },
  { "relay-of-unknown-type",
    "client-relays-presence",
    "payload/connected",
    "[{\"type\":\"quic\",\"id\":\"" SITE_1 "\",\"addr\":\"192.0.2.1:3478\"}]",
    FZ_MESSAGE_REFUSED,
    "turn or stun",
    NULL },
  { "gateway-expiry-null",
    "gateway-create-authorization",
    "payload/expires_at",
    "null",
    FZ_MESSAGE_COMMAND,
    "expires 18446744073709551615",
    NULL },
  { "gateway-unknown-resource-type",
    "gateway-create-authorization",
    "payload/resource/type",
    "\"static_device_pool\"",
    FZ_MESSAGE_REFUSED,
    "type",
    NULL },
  { "gateway-bad-filter",
    "gateway-create-authorization",
    "payload/resource/filters",
    "[{\"protocol\":\"sctp\"}]",
    FZ_MESSAGE_REFUSED,
    "protocol",
    NULL },
  { "gateway-host-bits",
    "gateway-create-authorization",
    "payload/resource/address",
    "\"10.20.0.1/16\"",
    FZ_MESSAGE_REFUSED,
    "host bits",
    NULL },
  { "gateway-config-null",
    "gateway-init",
    "payload/config",
    "null",
    FZ_MESSAGE_REFUSED,
    "config",
    NULL },
  { "unknown-event",
    "client-config-changed",
    "event",
    "\"tea_time\"",
    FZ_MESSAGE_IGNORED,
    "portal-message-unknown",
    NULL },
  { "gateway-event-at-client",
    "client-config-changed",
    "event",
    "\"create_authorization\"",
    FZ_MESSAGE_IGNORED,
    "portal-message-unknown",
    NULL },
  { "deleted-resource-as-object",
    "client-resource-deleted",
    "payload",
    "{\"id\":\"" RESOURCE_LAB "\"}",
    FZ_MESSAGE_REFUSED,
    "an id",
    NULL },
};

static void
test_rule (gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);
  g_autoptr (JsonNode) root = load (rules[i].file);
  g_auto (Outcome) outcome = { 0 };
  g_autofree char *all = NULL;

  portal_test_set (root, rules[i].path, rules[i].json);
  outcome = run_tree (root);
  all = g_strconcat (outcome.described != NULL ? outcome.described : "",
                     outcome.problem != NULL ? outcome.problem : "",
                     outcome.warnings,
                     NULL);
  g_assert_cmpint (outcome.verdict, ==, rules[i].verdict);
  if (strstr (all, rules[i].contains) == NULL)
    g_error ("\"%s\" is not in: %s", rules[i].contains, all);
  if (rules[i].lacks != NULL && strstr (all, rules[i].lacks) != NULL)
    g_error ("\"%s\" should not be in: %s", rules[i].lacks, all);
}

static void
test_older_names (void)
{
  g_autoptr (JsonNode) resource = load ("client-resource-created-or-updated");
  g_autoptr (JsonNode) created = load ("client-authorization-created");
  g_auto (Outcome) first = { 0 }, second = { 0 };

  portal_test_remove (resource, "payload/sites");
  portal_test_set (
      resource, "payload/gateway_groups", "[{\"id\":\"" SITE_1 "\",\"name\":\"berlin\"}]");
  first = run_tree (resource);
  g_assert_cmpstr (first.described, ==, "command 7\n" LAB);

  portal_test_remove (created, "payload/site_id");
  portal_test_set (created, "payload/gateway_group_id", "\"" SITE_1 "\"");
  second = run_tree (created);
  g_assert_nonnull (strstr (second.described, "site " SITE_1));
}

/* Only neighbours are one relay; a second address of one family is left out. */
static void
test_relays_merge (void)
{
#define TURN(n, address)                                                                           \
  "{\"type\":\"turn\",\"id\":\"bbbbbbbb-0000-4000-8000-00000000000" n "\",\"addr\":\"" address     \
  "\",\"username\":\"u\",\"password\":\"p\",\"expires_at\":1}"
  g_autoptr (JsonNode) root = load ("client-relays-presence");
  g_auto (Outcome) outcome = { 0 };

  portal_test_set (
      root,
      "payload/connected",
      "[" TURN ("1", "[2001:db8::1]:3478") "," TURN ("1", "192.0.2.1:3478") "," TURN (
          "1", "192.0.2.9:3478") "," TURN ("2", "192.0.2.2:3478") "," TURN ("1",
                                                                            "192.0.2."
                                                                            "1:"
                                                                            "3478") "]");
  outcome = run_tree (root);
  g_assert_cmpstr (outcome.described,
                   ==,
                   "command 2\ngone bbbbbbbb-0000-4000-8000-000000000001\n"
                   "relay bbbbbbbb-0000-4000-8000-000000000001\n  ipv4 192.0.2.1:3478\n"
                   "  ipv6 [2001:db8::1]:3478\n  login u p 1\n"
                   "relay bbbbbbbb-0000-4000-8000-000000000002\n  ipv4 192.0.2.2:3478\n"
                   "  login u p 1\n"
                   "relay bbbbbbbb-0000-4000-8000-000000000001\n  ipv4 192.0.2.1:3478\n"
                   "  login u p 1\n");
  g_assert_cmpstr (outcome.warnings, ==, "portal-relay-duplicate");
}

static char *
repeat (const char *before, const char *item, size_t n, const char *after)
{
  GString *out = g_string_new (before);

  for (size_t i = 0; i < n; i++)
    g_string_append_printf (out, "%s%s", i > 0 ? "," : "", item);
  g_string_append (out, after);
  return g_string_free (out, FALSE);
}

static void
test_lists_at_their_maximum (void)
{
  static const size_t lengths[] = { FZ_MESSAGES_CANDIDATES_MAX, FZ_MESSAGES_CANDIDATES_MAX + 1 };

  for (size_t i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_autofree char *text =
        repeat ("{\"topic\":\"client\",\"event\":\"ice_candidates\",\"ref\":null,\"payload\":{"
                "\"gateway_id\":\"" GATEWAY_1 "\",\"candidates\":[",
                "\"candidate:1 1 udp 2 192.0.2.1 1 typ host\"",
                lengths[i],
                "]}}");
    g_auto (Outcome) outcome = run_text (text);
    size_t n_lines = 0;

    for (const char *p = outcome.described; (p = strchr (p, '\n')) != NULL; p++)
      n_lines++;
    g_assert_cmpuint (n_lines, ==, FZ_MESSAGES_CANDIDATES_MAX + 2);
    g_assert_cmpstr (outcome.warnings, ==, i == 0 ? "" : "portal-list-too-long");
  }
}

static void
test_filters_are_never_cut (void)
{
  static const size_t lengths[] = { FZ_MESSAGES_FILTERS_MAX, FZ_MESSAGES_FILTERS_MAX + 1 };

  for (size_t i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_autoptr (JsonNode) root = load ("gateway-resource-updated");
    g_autofree char *filters = repeat ("[", "{\"protocol\":\"icmp\"}", lengths[i], "]");
    g_auto (Outcome) outcome = { 0 };

    portal_test_set (root, "payload/filters", filters);
    outcome = run_tree (root);
    g_assert_cmpint (outcome.verdict, ==, i == 0 ? FZ_MESSAGE_COMMAND : FZ_MESSAGE_REFUSED);
  }
}

static void
test_ten_megabytes (void)
{
  g_autofree char *resources =
      repeat ("[",
              "{\"id\":\"" RESOURCE_LAB
              "\",\"type\":\"cidr\",\"name\":\"A resource whose name is long enough to be seen\","
              "\"address\":\"10.20.0.0/16\",\"address_description\":\"and a description, so that "
              "the frame grows to the size that this test is about, with few values in it, for "
              "their number is bounded too: a portal of that size has other troubles than this "
              "client, but the client must not be the first to fall over because of it, nor may "
              "it take the connection down\",\"sites\":[]}",
              25000,
              "]");
  g_autoptr (JsonNode) root = load ("client-init");
  g_autofree char *text = NULL;
  g_auto (Outcome) outcome = { 0 };

  portal_test_set (root, "payload/resources", resources);
  text = json_to_string (root, FALSE);
  g_assert_cmpuint (strlen (text), >, 10u << 20);
  outcome = run_text (text);
  g_assert_cmpint (outcome.verdict, ==, FZ_MESSAGE_COMMAND);
  g_assert_cmpuint (strlen (outcome.described), >, 25000u * 100);
}

static void
test_twice_the_same (void)
{
  g_autoptr (JsonNode) root = load ("client-init");
  g_auto (Outcome) first = run_tree (root);
  g_auto (Outcome) second = run_tree (root);

  g_assert_cmpstr (first.described, ==, second.described);
}

/* -- what we send -- */

static FzUuid
id_of (const char *text)
{
  FzUuid id;

  g_assert_true (fz_uuid_parse (text, &id));
  return id;
}

static void
check_written (FzRole role, const FzEvent *event, const char *line, uint64_t ref)
{
  const char *name = NULL;
  g_autofree char *payload = fz_message_write (role, event, &name);
  g_autofree char *frame = NULL;

  g_assert_nonnull (payload);
  frame =
      fz_phoenix_frame_write (role == FZ_ROLE_GATEWAY ? "gateway" : "client", name, payload, ref);
  g_assert_cmpstr (frame, ==, line);
}

static void
test_client_sends (void)
{
  g_autofree char *text = portal_test_read ("client-sent.jsonl");
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  FzUuid gateways[] = { id_of (GATEWAY_1), id_of ("11111111-2222-4333-8444-555555555503") };
  const char *const added[] = {
    "candidate:4fe8a2c17f3d9b06 1 udp 2130706431 192.0.2.5 52625 typ host ufrag cgcj",
    "candidate:1 1 udp 1686109951 203.0.113.7 40000 typ srflx raddr 0.0.0.0 rport 0 ufrag cgcj",
  };
  const char *const removed[] = {
    "candidate:1 1 udp 50331391 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0",
  };
  FzEvent request = { .kind = FZ_EVENT_REQUEST_AUTHORIZATION,
                      .request_authorization = { .resource_id = id_of (RESOURCE_DNS) } };
  FzEvent candidates = { .kind = FZ_EVENT_NEW_CANDIDATES, .candidates = { gateways[0], added, 2 } };
  const FzEvent no_relays = { .kind = FZ_EVENT_NO_RELAYS };
  g_autofree char *join = fz_phoenix_frame_write ("client", "phx_join", "null", 0);
  g_autofree char *hello =
      fz_phoenix_frame_write ("client", FZ_MESSAGES_HELLO_EVENT, FZ_MESSAGES_HELLO_PAYLOAD, 1);
  g_autofree char *heartbeat = fz_phoenix_frame_write ("phoenix", "heartbeat", "{}", 7);

  g_assert_cmpstr (join, ==, lines[0]);
  g_assert_cmpstr (hello, ==, lines[1]);
  check_written (FZ_ROLE_CLIENT, &request, lines[2], 2);
  request.request_authorization.connected_gateway_ids = gateways;
  request.request_authorization.n_connected = 2;
  check_written (FZ_ROLE_CLIENT, &request, lines[3], 3);
  check_written (FZ_ROLE_CLIENT, &candidates, lines[4], 4);
  candidates = (FzEvent){ .kind = FZ_EVENT_INVALIDATED_CANDIDATES,
                          .candidates = { gateways[0], removed, 1 } };
  check_written (FZ_ROLE_CLIENT, &candidates, lines[5], 5);
  check_written (FZ_ROLE_CLIENT, &no_relays, lines[6], 6);
  g_assert_cmpstr (heartbeat, ==, lines[7]);
}

static void
test_gateway_sends (void)
{
  g_autofree char *text = portal_test_read ("gateway-sent.jsonl");
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  const char *const added[] = {
    "candidate:4fe8a2c17f3d9b06 1 udp 2130706431 192.0.2.5 52625 typ host ufrag bvch",
  };
  const char *const removed[] = {
    "candidate:1 1 udp 50331391 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0",
  };
  const FzEvent accepted = { .kind = FZ_EVENT_AUTHORIZATION_ACCEPTED,
                             .authorization_ref = "r-7f3a \"quoted\" ümlaut" };
  const FzEvent new_ones = { .kind = FZ_EVENT_NEW_CANDIDATES,
                             .candidates = { id_of (CLIENT_1), added, 1 } };
  const FzEvent old_ones = { .kind = FZ_EVENT_INVALIDATED_CANDIDATES,
                             .candidates = { id_of (CLIENT_1), removed, 1 } };
  const FzEvent no_relays = { .kind = FZ_EVENT_NO_RELAYS };

  check_written (FZ_ROLE_GATEWAY, &accepted, lines[2], 2);
  check_written (FZ_ROLE_GATEWAY, &new_ones, lines[3], 3);
  check_written (FZ_ROLE_GATEWAY, &old_ones, lines[4], 4);
  check_written (FZ_ROLE_GATEWAY, &no_relays, lines[5], 5);
}

static void
test_not_for_the_portal (void)
{
  static const struct {
    FzRole role;
    FzEventKind kind;
  } rows[] = {
    { FZ_ROLE_CLIENT, FZ_EVENT_INTERFACE_CHANGED },
    { FZ_ROLE_CLIENT, FZ_EVENT_RESOURCES_CHANGED },
    { FZ_ROLE_CLIENT, FZ_EVENT_PEER_CONNECTED },
    { FZ_ROLE_CLIENT, FZ_EVENT_AUTHORIZATION_ACCEPTED },
    { FZ_ROLE_GATEWAY, FZ_EVENT_REQUEST_AUTHORIZATION },
    { FZ_ROLE_GATEWAY, FZ_EVENT_PUBLIC_KEY_CHANGED },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const FzEvent event = { .kind = rows[i].kind };
    const char *name = NULL;

    g_assert_null (fz_message_write (rows[i].role, &event, &name));
    g_assert_null (name);
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
  for (size_t i = 0; i < G_N_ELEMENTS (rules); i++) {
    g_autofree char *path = g_strdup_printf ("/messages/rules/%s", rules[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_rule);
  }
  g_test_add_func ("/messages/rules/older-names", test_older_names);
  g_test_add_func ("/messages/rules/relays-merge", test_relays_merge);
  g_test_add_func ("/messages/bounds/candidates", test_lists_at_their_maximum);
  g_test_add_func ("/messages/bounds/filters", test_filters_are_never_cut);
  g_test_add_func ("/messages/bounds/ten-megabytes", test_ten_megabytes);
  g_test_add_func ("/messages/twice-the-same", test_twice_the_same);
  g_test_add_func ("/messages/sent/client", test_client_sends);
  g_test_add_func ("/messages/sent/gateway", test_gateway_sends);
  g_test_add_func ("/messages/sent/not-for-the-portal", test_not_for_the_portal);
  return g_test_run ();
}
