/* test-message-rules.c: single members of the portal's messages, their values and their bounds */

#include "tests/unit/portal/message-bed.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

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
  g_autoptr (JsonNode) root = message_load (rules[i].file);
  g_auto (MessageOutcome) outcome = { 0 };
  g_autofree char *all = NULL;

  portal_test_set (root, rules[i].path, rules[i].json);
  outcome = message_run_tree (root);
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
  g_autoptr (JsonNode) resource = message_load ("client-resource-created-or-updated");
  g_autoptr (JsonNode) created = message_load ("client-authorization-created");
  g_auto (MessageOutcome) first = { 0 }, second = { 0 };

  portal_test_remove (resource, "payload/sites");
  portal_test_set (
      resource, "payload/gateway_groups", "[{\"id\":\"" SITE_1 "\",\"name\":\"berlin\"}]");
  first = message_run_tree (resource);
  g_assert_cmpstr (first.described, ==, "command 7\n" LAB);

  portal_test_remove (created, "payload/site_id");
  portal_test_set (created, "payload/gateway_group_id", "\"" SITE_1 "\"");
  second = message_run_tree (created);
  g_assert_nonnull (strstr (second.described, "site " SITE_1));
}

/* Only neighbours are one relay; a second address of one family is left out. */
static void
test_relays_merge (void)
{
#define TURN(n, address)                                                                           \
  "{\"type\":\"turn\",\"id\":\"bbbbbbbb-0000-4000-8000-00000000000" n "\",\"addr\":\"" address     \
  "\",\"username\":\"u\",\"password\":\"p\",\"expires_at\":1}"
  g_autoptr (JsonNode) root = message_load ("client-relays-presence");
  g_auto (MessageOutcome) outcome = { 0 };

  portal_test_set (
      root,
      "payload/connected",
      "[" TURN ("1", "[2001:db8::1]:3478") "," TURN ("1", "192.0.2.1:3478") "," TURN (
          "1", "192.0.2.9:3478") "," TURN ("2", "192.0.2.2:3478") "," TURN ("1",
                                                                            "192.0.2."
                                                                            "1:"
                                                                            "3478") "]");
  outcome = message_run_tree (root);
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
    g_auto (MessageOutcome) outcome = message_run_text (text);
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
    g_autoptr (JsonNode) root = message_load ("gateway-resource-updated");
    g_autofree char *filters = repeat ("[", "{\"protocol\":\"icmp\"}", lengths[i], "]");
    g_auto (MessageOutcome) outcome = { 0 };

    portal_test_set (root, "payload/filters", filters);
    outcome = message_run_tree (root);
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
  g_autoptr (JsonNode) root = message_load ("client-init");
  g_autofree char *text = NULL;
  g_auto (MessageOutcome) outcome = { 0 };

  portal_test_set (root, "payload/resources", resources);
  text = json_to_string (root, FALSE);
  g_assert_cmpuint (strlen (text), >, 10u << 20);
  outcome = message_run_text (text);
  g_assert_cmpint (outcome.verdict, ==, FZ_MESSAGE_COMMAND);
  g_assert_cmpuint (strlen (outcome.described), >, 25000u * 100);
}

static void
test_twice_the_same (void)
{
  g_autoptr (JsonNode) root = message_load ("client-init");
  g_auto (MessageOutcome) first = message_run_tree (root);
  g_auto (MessageOutcome) second = message_run_tree (root);

  g_assert_cmpstr (first.described, ==, second.described);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
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
  return g_test_run ();
}
