/* test-decision.c
 *
 * Decision tables: versions, conditions, which policy wins, which gateway is
 * chosen (portal-protocol.md §§8.4, 8.5, 11.2). No database, no clock.
 */
#include "src/server/fz-decision.h"
#include "src/server/fz-filter-text.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"

#include <string.h>

/* -- versions -- */

static void
test_user_agents (void)
{
  static const struct {
    const char *text;
    FzComponent component;
    const char *version;
  } rows[] = {
    { "Debian/12.0.0 headless-client/1.5.12 (x86_64; 6.1.0)", FZ_COMPONENT_HEADLESS, "1.5.12" },
    { "Arch Linux/Rolling Release gui-client/1.5.16", FZ_COMPONENT_GUI, "1.5.16" },
    { "Ubuntu/24.4.0 gateway/1.6.1 (x86_64)", FZ_COMPONENT_GATEWAY, "1.6.1" },
    { "iOS/18.0 apple-client/1.5.1", FZ_COMPONENT_APPLE, "1.5.1" },
    { "Android/14 android-client/1.4.0", FZ_COMPONENT_ANDROID, "1.4.0" },
    { "x/1 relay/0.1.0", FZ_COMPONENT_RELAY, "0.1.0" },
    { "x/1 connlib/1.2.3", FZ_COMPONENT_CONNLIB, "1.2.3" },
    { "gateway/10.20.30", FZ_COMPONENT_GATEWAY, "10.20.30" },
    { "x/1 gateway/1.6", FZ_COMPONENT_GATEWAY, "" },
    { "x/1 gateway/1.6.0-rc1", FZ_COMPONENT_GATEWAY, "" },
    { "x/1 gateway/", FZ_COMPONENT_GATEWAY, "" },
    { "x/1 gateway/1..0", FZ_COMPONENT_GATEWAY, "" },
    { "x/1 gateway/99999999999.1.1", FZ_COMPONENT_GATEWAY, "" },
    { "curl/7.88.1", FZ_COMPONENT_UNKNOWN, "" },
    { "x/1 mygateway/1.2.3", FZ_COMPONENT_UNKNOWN, "" },
    { "", FZ_COMPONENT_UNKNOWN, "" },
    { NULL, FZ_COMPONENT_UNKNOWN, "" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzVersion version = fz_version_from_user_agent (rows[i].text);
    char text[FZ_VERSION_TEXT_MAX];

    g_assert_cmpint (version.component, ==, rows[i].component);
    g_assert_cmpstr (fz_version_format (&version, text), ==, rows[i].version);
  }
}

static void
test_version_window (void)
{
  static const struct {
    const char *client;
    const char *gateway;
    bool fits;
  } rows[] = {
    { "gui-client/1.5.0", "gateway/1.4.0", true },   { "gui-client/1.5.0", "gateway/1.5.9", true },
    { "gui-client/1.5.0", "gateway/1.6.99", true },  { "gui-client/1.5.0", "gateway/1.7.0", false },
    { "gui-client/1.5.0", "gateway/1.3.99", false }, { "gui-client/1.0.0", "gateway/1.0.0", true },
    { "gui-client/1.0.0", "gateway/1.1.0", true },   { "gui-client/2.0.0", "gateway/1.9.0", false },
    { "gui-client/1.5.0", "gateway/x", false },      { "gui-client/x", "gateway/1.0.0", true },
    { "gui-client/x", "gateway/x", true },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzVersion client = fz_version_from_user_agent (rows[i].client);
    FzVersion gateway = fz_version_from_user_agent (rows[i].gateway);

    g_assert_cmpint (fz_version_gateway_fits_client (&gateway, &client), ==, rows[i].fits);
  }
}

static void
test_features (void)
{
  static const struct {
    const char *client;
    bool has_sites;
    bool can_move;
    bool has_internet;
  } rows[] = {
    { "headless-client/1.5.6", true, true, true },   { "headless-client/1.5.5", false, true, true },
    { "headless-client/1.5.4", false, false, true }, { "gui-client/1.5.10", true, true, true },
    { "gui-client/1.5.9", false, true, true },       { "gui-client/1.5.8", false, false, true },
    { "apple-client/1.5.11", true, true, true },     { "apple-client/1.5.10", false, true, true },
    { "android-client/1.5.8", true, true, true },    { "android-client/1.5.7", false, true, true },
    { "gui-client/1.2.9", false, false, false },     { "gui-client/1.3.0", false, false, true },
    { "connlib/1.5.10", true, true, true },          { "gui-client/3.0.0", true, true, true },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzVersion client = fz_version_from_user_agent (rows[i].client);

    g_test_message ("%s", rows[i].client);
    g_assert_cmpint (fz_version_has_sites (&client), ==, rows[i].has_sites);
    g_assert_cmpint (fz_version_can_move_resource (&client), ==, rows[i].can_move);
    g_assert_cmpint (fz_version_has_internet (&client), ==, rows[i].has_internet);
  }
}

/* -- filters -- */

static void
test_filters (void)
{
  static const struct {
    const char *text;
    const char *json; /* NULL: refused */
    const char *back;
  } rows[] = {
    { "tcp/443",
      "{\"protocol\":\"tcp\",\"port_range_start\":443,\"port_range_end\":443}",
      "tcp/443" },
    { "udp/1-65535",
      "{\"protocol\":\"udp\",\"port_range_start\":1,\"port_range_end\":65535}",
      "udp/1-65535" },
    { "tcp/80-80",
      "{\"protocol\":\"tcp\",\"port_range_start\":80,\"port_range_end\":80}",
      "tcp/80" },
    { "tcp", "{\"protocol\":\"tcp\"}", "tcp" },
    { "udp", "{\"protocol\":\"udp\"}", "udp" },
    { "icmp", "{\"protocol\":\"icmp\"}", "icmp" },
    { "icmp/8", NULL, NULL },
    { "sctp/80", NULL, NULL },
    { "tcp/0", NULL, NULL },
    { "tcp/65536", NULL, NULL },
    { "tcp/90-80", NULL, NULL },
    { "tcp/", NULL, NULL },
    { "tcp/http", NULL, NULL },
    { "", NULL, NULL },
    { "TCP/80", NULL, NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonObject) filter = fz_filter_from_text (rows[i].text, &error);
    g_autofree char *json = filter != NULL ? fz_json_object_to_text (filter) : NULL;
    g_autofree char *back = filter != NULL ? fz_filter_to_text (filter) : NULL;

    g_assert_cmpstr (json, ==, rows[i].json);
    g_assert_cmpstr (back, ==, rows[i].back);
    g_assert_true ((filter == NULL) == (error != NULL));
  }
}

static void
test_filter_limit (void)
{
  const char *texts[FZ_FILTERS_MAX + 2] = { NULL };
  g_autofree char *most = NULL;
  g_autofree char *more = NULL;

  for (size_t i = 0; i < FZ_FILTERS_MAX; i++)
    texts[i] = "icmp";
  most = fz_filters_from_text (texts, NULL);
  g_assert_nonnull (most);
  texts[FZ_FILTERS_MAX] = "icmp";
  more = fz_filters_from_text (texts, NULL);
  g_assert_null (more);
}

/* -- conditions -- */

#define MONDAY_NOON_UTC INT64_C (1788782400) /* 2026-09-07T12:00:00Z */

static void
test_condition_texts (void)
{
  static const struct {
    const char *text;
    int code; /* -1: fine */
  } rows[] = {
    { "remote_ip is_in_cidr 192.0.2.0/24 2001:db8::/32 198.51.100.7", -1 },
    { "remote_ip  is_not_in_cidr\t192.0.2.0/24", -1 },
    { "client_verified is true", -1 },
    { "current_utc_datetime is_in_day_of_week_time_ranges M/true/UTC", -1 },
    { "current_utc_datetime is_in_day_of_week_time_ranges M/09:00-17:30,18-19:00:30/Europe/Berlin",
      -1 },
    { "remote_ip is_in_cidr", FZ_SERVER_ERROR_INVALID },
    { "remote_ip is_in_cidr 192.0.2.1/24", FZ_SERVER_ERROR_INVALID },
    { "remote_ip is_in_cidr home", FZ_SERVER_ERROR_INVALID },
    { "client_verified is maybe", FZ_SERVER_ERROR_INVALID },
    { "client_verified is true false", FZ_SERVER_ERROR_INVALID },
    { "current_utc_datetime is_in_day_of_week_time_ranges X/true/UTC", FZ_SERVER_ERROR_INVALID },
    { "current_utc_datetime is_in_day_of_week_time_ranges M/17:00-09:00/UTC",
      FZ_SERVER_ERROR_INVALID },
    { "current_utc_datetime is_in_day_of_week_time_ranges M/25:00-26:00/UTC",
      FZ_SERVER_ERROR_INVALID },
    { "current_utc_datetime is_in_day_of_week_time_ranges M/true/Middle_Earth/Shire",
      FZ_SERVER_ERROR_INVALID },
    { "current_utc_datetime is_in_day_of_week_time_ranges M/true", FZ_SERVER_ERROR_INVALID },
    { "remote_ip_location_region is_in DE", FZ_SERVER_ERROR_UNSUPPORTED },
    { "auth_provider_id is_in 11111111-2222-4333-8444-555555555501", FZ_SERVER_ERROR_UNSUPPORTED },
    { "remote_ip equals 192.0.2.1", FZ_SERVER_ERROR_UNSUPPORTED },
    { "", FZ_SERVER_ERROR_UNSUPPORTED },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonObject) condition = fz_condition_from_text (rows[i].text, &error);

    g_test_message ("%s", rows[i].text);
    if (rows[i].code < 0)
      g_assert_no_error (error);
    else
      g_assert_error (error, FZ_SERVER_ERROR, rows[i].code);
    g_assert_true ((condition == NULL) == (error != NULL));
  }
}

static char *
conditions_from (const char *first, const char *second)
{
  g_autoptr (JsonArray) array = json_array_new ();
  g_autoptr (JsonNode) node = NULL;

  if (first != NULL)
    json_array_add_object_element (array, fz_condition_from_text (first, NULL));
  if (second != NULL)
    json_array_add_object_element (array, fz_condition_from_text (second, NULL));
  node = json_node_init_array (json_node_alloc (), array);
  return json_to_string (node, FALSE);
}

#define WHEN "current_utc_datetime is_in_day_of_week_time_ranges "

static void
test_conditions_hold (void)
{
  static const struct {
    const char *condition;
    const char *remote_ip;
    bool is_verified;
    bool holds;
    int64_t until; /* seconds after now; -1: no end */
  } rows[] = {
    { NULL, "192.0.2.7", false, true, -1 },
    { "remote_ip is_in_cidr 192.0.2.0/24", "192.0.2.7", false, true, -1 },
    { "remote_ip is_in_cidr 192.0.2.0/24", "192.0.3.7", false, false, 0 },
    { "remote_ip is_in_cidr 198.51.100.1 192.0.2.0/24", "198.51.100.1", false, true, -1 },
    { "remote_ip is_in_cidr 2001:db8::/32", "2001:db8::1", false, true, -1 },
    { "remote_ip is_in_cidr 0.0.0.0/0", "2001:db8::1", false, false, 0 },
    { "remote_ip is_in_cidr 0.0.0.0/0", NULL, false, false, 0 },
    { "remote_ip is_not_in_cidr 192.0.2.0/24", "192.0.2.7", false, false, 0 },
    { "remote_ip is_not_in_cidr 192.0.2.0/24", "192.0.3.7", false, true, -1 },
    { "remote_ip is_not_in_cidr 192.0.2.0/24", NULL, false, false, 0 },
    { "client_verified is true", NULL, true, true, -1 },
    { "client_verified is true", NULL, false, false, 0 },
    { "client_verified is false", NULL, false, true, -1 },
    { "client_verified is false", NULL, true, true, -1 },
    { WHEN "M/12:00-13:00/UTC", NULL, false, true, 3600 },
    { WHEN "M/11:00-12:00/UTC", NULL, false, true, 0 },
    { WHEN "M/11:00-11:59:59/UTC", NULL, false, false, 0 },
    { WHEN "M/12:00:01-13:00/UTC", NULL, false, false, 0 },
    { WHEN "M/true/UTC", NULL, false, true, 43200 },
    { WHEN "T/true/UTC", NULL, false, false, 0 },
    { WHEN "M/14:00-15:00/Europe/Berlin", NULL, false, true, 3600 },
    { WHEN "M/12:00-13:00/Europe/Berlin", NULL, false, false, 0 },
    { WHEN "M/true/Asia/Tokyo", NULL, false, true, 3 * 3600 },
    { WHEN "M/11:00-12:30,12:30-14:00/UTC", NULL, false, true, 7200 },
    { WHEN "M/13:00-14:00,11:00-13:00/UTC", NULL, false, true, 7200 },
    { WHEN "M/11:00-12:30/UTC M/11:00-13:00/UTC", NULL, false, true, 3600 },
    { WHEN "T/true/UTC M/12-13/UTC", NULL, false, true, 3600 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *conditions = conditions_from (rows[i].condition, NULL);
    FzConditionContext context = { MONDAY_NOON_UTC, rows[i].remote_ip, rows[i].is_verified };
    int64_t until = 0;

    g_test_message ("%s from %s", rows[i].condition, rows[i].remote_ip);
    g_assert_cmpint (
        fz_conditions_evaluate (conditions, &context, &until, NULL), ==, rows[i].holds);
    if (!rows[i].holds)
      continue;
    if (rows[i].until < 0)
      g_assert_cmpint (until, ==, FZ_CONDITION_NO_END);
    else
      g_assert_cmpint (until - MONDAY_NOON_UTC, ==, rows[i].until);
  }
}

/* What this portal cannot read or judge allows nothing. */
static void
test_conditions_unknown (void)
{
  static const char *const conditions[] = {
    "",
    "{}",
    "null",
    "[1]",
    "[{}]",
    "[{\"property\":\"remote_ip\",\"operator\":\"is_in_cidr\",\"values\":[]}]",
    "[{\"property\":\"remote_ip\",\"operator\":\"is_in_cidr\",\"values\":[7]}]",
    "[{\"property\":\"remote_ip_location_region\",\"operator\":\"is_in\",\"values\":[\"DE\"]}]",
  };
  FzConditionContext context = { MONDAY_NOON_UTC, "192.0.2.7", true };

  for (size_t i = 0; i < G_N_ELEMENTS (conditions); i++) {
    int64_t until = 0;

    g_assert_false (fz_conditions_evaluate (conditions[i], &context, &until, NULL));
  }
}

static void
test_conditions_all_must_hold (void)
{
  g_autofree char *conditions =
      conditions_from ("client_verified is true", "remote_ip is_in_cidr 192.0.2.0/24");
  g_autoptr (GPtrArray) violated = g_ptr_array_new_with_free_func (g_free);
  FzConditionContext context = { MONDAY_NOON_UTC, "192.0.2.7", false };
  int64_t until = 0;

  g_assert_false (fz_conditions_evaluate (conditions, &context, &until, violated));
  g_assert_cmpuint (violated->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (violated, 0), ==, "client_verified");
  context.is_verified = true;
  g_assert_true (fz_conditions_evaluate (conditions, &context, &until, NULL));
}

static void
test_conditions_one_per_property (void)
{
  g_autofree char *text =
      conditions_from ("remote_ip is_in_cidr 192.0.2.0/24", "remote_ip is_not_in_cidr 10.0.0.0/8");
  g_autoptr (JsonNode) node = json_from_string (text, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (fz_conditions_check (json_node_get_array (node), &error));
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
}

/* -- decisions -- */

static void
free_entitlement (gpointer data)
{
  FzEntitlement *entitlement = data;

  g_free (entitlement->policy_id);
  g_free (entitlement->conditions);
  fz_resource_record_clear (&entitlement->resource);
  g_free (entitlement);
}

static void
entitle (
    GPtrArray *list, const char *resource, const char *type, const char *policy, char *conditions)
{
  FzEntitlement *entitlement = g_new0 (FzEntitlement, 1);

  entitlement->policy_id = g_strdup (policy);
  entitlement->conditions = conditions;
  entitlement->resource.id = g_strdup (resource);
  entitlement->resource.type = g_strdup (type);
  g_ptr_array_add (list, entitlement);
}

static void
test_longest_policy_wins (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_entitlement);
  FzDecisionContext context = {
    .conditions = { MONDAY_NOON_UTC, "192.0.2.7", false },
    .token_expires_at = MONDAY_NOON_UTC + 86400,
  };
  g_auto (FzDecision) timed = { 0 };
  g_auto (FzDecision) unlimited = { 0 };

  entitle (list, "r", "cidr", "fails", conditions_from ("client_verified is true", NULL));
  entitle (list, "r", "cidr", "an hour", conditions_from (WHEN "M/12-13/UTC", NULL));
  entitle (list, "r", "cidr", "two hours", conditions_from (WHEN "M/12-14/UTC", NULL));
  fz_decision_make (list, "r", &context, &timed);
  g_assert_cmpint (timed.result, ==, FZ_DECISION_GRANTED);
  g_assert_cmpstr (timed.entitlement->policy_id, ==, "two hours");
  g_assert_cmpint (timed.expires_at, ==, MONDAY_NOON_UTC + 7200);

  entitle (list, "r", "cidr", "always", conditions_from (NULL, NULL));
  fz_decision_make (list, "r", &context, &unlimited);
  g_assert_cmpstr (unlimited.entitlement->policy_id, ==, "always");
  g_assert_cmpint (unlimited.expires_at, ==, context.token_expires_at);
}

static void
test_refusals (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_entitlement);
  FzDecisionContext context = { .conditions = { MONDAY_NOON_UTC, "192.0.2.7", false } };
  g_auto (FzDecision) unknown = { 0 };
  g_auto (FzDecision) forbidden = { 0 };

  entitle (list, "r", "cidr", "a", conditions_from ("client_verified is true", NULL));
  entitle (list,
           "r",
           "cidr",
           "b",
           conditions_from ("client_verified is true", "remote_ip is_in_cidr 10.0.0.0/8"));
  fz_decision_make (list, "elsewhere", &context, &unknown);
  g_assert_cmpint (unknown.result, ==, FZ_DECISION_NOT_FOUND);
  fz_decision_make (list, "r", &context, &forbidden);
  g_assert_cmpint (forbidden.result, ==, FZ_DECISION_FORBIDDEN);
  g_assert_cmpuint (forbidden.violated->len, ==, 2); /* each once */
}

static void
test_connectable (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_entitlement);
  FzDecisionContext context = {
    .conditions = { MONDAY_NOON_UTC, "192.0.2.7", false },
    .version = fz_version_from_user_agent ("gui-client/1.2.0"),
  };
  g_autoptr (GPtrArray) old = NULL;
  g_autoptr (GPtrArray) new = NULL;

  entitle (list, "a", "cidr", "1", conditions_from ("client_verified is true", NULL));
  entitle (list, "a", "cidr", "2", conditions_from (NULL, NULL));
  entitle (list, "a", "cidr", "3", conditions_from (NULL, NULL));
  entitle (list, "b", "cidr", "4", conditions_from ("client_verified is true", NULL));
  entitle (list, "c", "internet", "5", conditions_from (NULL, NULL));
  old = fz_decision_connectable (list, &context);
  g_assert_cmpuint (old->len, ==, 1);
  g_assert_cmpstr (((FzResourceRecord *) g_ptr_array_index (old, 0))->id, ==, "a");

  context.version = fz_version_from_user_agent ("gui-client/1.5.16");
  new = fz_decision_connectable (list, &context);
  g_assert_cmpuint (new->len, ==, 2);
}

static void
test_gateway_choice (void)
{
  static const char *const known[] = { "nobody", "c", "a", NULL };
  FzSeededRng seeded;
  FzRng rng;
  FzVersion client = fz_version_from_user_agent ("gui-client/1.5.0");
  FzGatewayCandidate gateways[] = {
    { "a", fz_version_from_user_agent ("gateway/1.5.0") },
    { "b", fz_version_from_user_agent ("gateway/1.9.0") },
    { "c", fz_version_from_user_agent ("gateway/1.6.0") },
  };
  unsigned seen[3] = { 0 };
  size_t index = 9;

  fz_seeded_rng_init (&seeded, 1);
  rng = fz_seeded_rng (&seeded);
  g_assert_cmpint (
      fz_decision_pick_gateway (gateways, 0, NULL, &client, &rng, &index), ==, FZ_GATEWAY_OFFLINE);
  g_assert_cmpint (fz_decision_pick_gateway (&gateways[1], 1, NULL, &client, &rng, &index),
                   ==,
                   FZ_GATEWAY_VERSION_MISMATCH);
  g_assert_cmpuint (index, ==, 9);

  g_assert_cmpint (
      fz_decision_pick_gateway (gateways, 3, known, &client, &rng, &index), ==, FZ_GATEWAY_CHOSEN);
  g_assert_cmpuint (index, ==, 2); /* the client's order, not ours */

  for (int i = 0; i < 200; i++) {
    g_assert_cmpint (
        fz_decision_pick_gateway (gateways, 3, NULL, &client, &rng, &index), ==, FZ_GATEWAY_CHOSEN);
    seen[index]++;
  }
  g_assert_cmpuint (seen[0], >, 50);
  g_assert_cmpuint (seen[1], ==, 0);
  g_assert_cmpuint (seen[2], >, 50);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/version/user-agents", test_user_agents);
  g_test_add_func ("/version/window", test_version_window);
  g_test_add_func ("/version/features", test_features);
  g_test_add_func ("/filter/texts", test_filters);
  g_test_add_func ("/filter/limit", test_filter_limit);
  g_test_add_func ("/condition/texts", test_condition_texts);
  g_test_add_func ("/condition/hold", test_conditions_hold);
  g_test_add_func ("/condition/unknown-denies", test_conditions_unknown);
  g_test_add_func ("/condition/all-must-hold", test_conditions_all_must_hold);
  g_test_add_func ("/condition/one-per-property", test_conditions_one_per_property);
  g_test_add_func ("/decision/longest-policy-wins", test_longest_policy_wins);
  g_test_add_func ("/decision/refusals", test_refusals);
  g_test_add_func ("/decision/connectable", test_connectable);
  g_test_add_func ("/decision/gateway-choice", test_gateway_choice);
  return g_test_run ();
}
