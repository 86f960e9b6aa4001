/* fz-condition.c
 *
 * Three kinds of condition: where the client comes from, whether its device was
 * verified, and when. Time ranges are per day of the week and time zone; ranges
 * that touch are one range, and access ends where it ends.
 */
#include "src/server/fz-condition.h"

#include "src/base/fz-address.h"
#include "src/server/fz-server-error.h"

#include <string.h>

#define DAY_S      86400
#define RANGES_MAX 32u

/* -- when: "M/09:00-12:00,13:00-17:30/Europe/Berlin" -- */

typedef struct {
  int first_s; /* seconds of the day, inclusive */
  int last_s;  /* inclusive; DAY_S means to the end of the day */
} FzDayRange;

typedef struct {
  int weekday; /* 1 Monday … 7 Sunday */
  FzDayRange ranges[RANGES_MAX];
  size_t n_ranges;
  GTimeZone *zone;
} FzDayRule;

static bool
parse_clock (const char *text, int *out)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 3);
  static const unsigned limits[] = { 24, 59, 59 };
  static const int units[] = { 3600, 60, 1 };
  int total = 0;

  if (parts[0] == NULL)
    return false;
  for (size_t i = 0; parts[i] != NULL; i++) {
    guint64 value = 0;

    if (strlen (parts[i]) > 2 ||
        !g_ascii_string_to_unsigned (parts[i], 10, 0, limits[i], &value, NULL))
      return false;
    total += (int) value * units[i];
  }
  *out = total;
  return total <= DAY_S;
}

static int
compare_ranges (const void *a, const void *b)
{
  const FzDayRange *x = a;
  const FzDayRange *y = b;

  return x->first_s - y->first_s;
}

static void
merge_ranges (FzDayRule *rule)
{
  size_t n = 0;

  qsort (rule->ranges, rule->n_ranges, sizeof rule->ranges[0], compare_ranges);
  for (size_t i = 0; i < rule->n_ranges; i++) {
    if (n > 0 && rule->ranges[i].first_s <= rule->ranges[n - 1].last_s)
      rule->ranges[n - 1].last_s = MAX (rule->ranges[n - 1].last_s, rule->ranges[i].last_s);
    else
      rule->ranges[n++] = rule->ranges[i];
  }
  rule->n_ranges = n;
}

static bool
parse_ranges (const char *text, FzDayRule *out)
{
  g_auto (GStrv) ranges = g_strsplit (text, ",", RANGES_MAX + 1);

  out->n_ranges = 0;
  if (strcmp (text, "true") == 0) {
    out->ranges[out->n_ranges++] = (FzDayRange){ 0, DAY_S };
    return true;
  }
  for (size_t i = 0; ranges[i] != NULL; i++) {
    g_auto (GStrv) ends = g_strsplit (g_strstrip (ranges[i]), "-", 2);
    FzDayRange range;

    if (out->n_ranges == RANGES_MAX || ends[0] == NULL || ends[1] == NULL ||
        !parse_clock (ends[0], &range.first_s) || !parse_clock (ends[1], &range.last_s) ||
        range.last_s < range.first_s)
      return false;
    out->ranges[out->n_ranges++] = range;
  }
  merge_ranges (out);
  return out->n_ranges > 0;
}

static void
day_rule_clear (FzDayRule *rule)
{
  g_clear_pointer (&rule->zone, g_time_zone_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzDayRule, day_rule_clear)

static bool
parse_day_rule (const char *text, FzDayRule *out)
{
  static const char days[] = "MTWRFSU";
  g_auto (GStrv) parts = g_strsplit (text, "/", 3);
  const char *day;

  if (g_strv_length (parts) != 3 || strlen (parts[0]) != 1)
    return false;
  day = strchr (days, parts[0][0]);
  if (day == NULL || !parse_ranges (parts[1], out))
    return false;
  out->weekday = (int) (day - days) + 1;
  g_clear_pointer (&out->zone, g_time_zone_unref);
  out->zone = g_time_zone_new_identifier (parts[2]);
  return out->zone != NULL;
}

/* Whether now lies in the rule; then @out_until is the first second outside it. */
static bool
day_rule_holds (const FzDayRule *rule, int64_t now, int64_t *out_until)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (now);
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_timezone (utc, rule->zone) : NULL;
  int second;

  if (local == NULL || g_date_time_get_day_of_week (local) != rule->weekday)
    return false;
  second = g_date_time_get_hour (local) * 3600 + g_date_time_get_minute (local) * 60 +
           g_date_time_get_second (local);
  for (size_t i = 0; i < rule->n_ranges; i++) {
    if (second >= rule->ranges[i].first_s && second <= rule->ranges[i].last_s) {
      *out_until = now + (rule->ranges[i].last_s - second);
      return true;
    }
  }
  return false;
}

/* -- values -- */

static bool
is_network (const char *text)
{
  FzIpNetwork network;

  return fz_ip_network_parse (text, &network);
}

static bool
is_day_rule (const char *text)
{
  g_auto (FzDayRule) rule = { 0 };

  return parse_day_rule (text, &rule);
}

static bool
is_truth (const char *text)
{
  return strcmp (text, "true") == 0 || strcmp (text, "false") == 0;
}

static bool
address_in (JsonArray *values, const char *address)
{
  FzIp ip;

  if (address == NULL || !fz_ip_parse (address, &ip))
    return false;
  for (unsigned i = 0; i < json_array_get_length (values); i++) {
    FzIpNetwork network;

    if (fz_ip_network_parse (json_array_get_string_element (values, i), &network) &&
        fz_ip_network_contains (&network, &ip))
      return true;
  }
  return false;
}

/* -- kinds -- */

typedef struct {
  const char *property;
  const char *operator;
  bool (*is_value) (const char *text);
  unsigned max_values;
  const char *hint;
  bool (*holds) (JsonArray *values, const FzConditionContext *context, int64_t *out_until);
} FzConditionKind;

static bool
is_in_cidr (JsonArray *values, const FzConditionContext *context, int64_t *out_until)
{
  return address_in (values, context->remote_ip);
}

/* An address we do not know satisfies nothing, not even a "not in". */
static bool
is_not_in_cidr (JsonArray *values, const FzConditionContext *context, int64_t *out_until)
{
  FzIp ip;

  return context->remote_ip != NULL && fz_ip_parse (context->remote_ip, &ip) &&
         !address_in (values, context->remote_ip);
}

static bool
is_verified (JsonArray *values, const FzConditionContext *context, int64_t *out_until)
{
  return strcmp (json_array_get_string_element (values, 0), "false") == 0 || context->is_verified;
}

static bool
is_in_time (JsonArray *values, const FzConditionContext *context, int64_t *out_until)
{
  bool any = false;

  for (unsigned i = 0; i < json_array_get_length (values); i++) {
    g_auto (FzDayRule) rule = { 0 };
    int64_t until = 0;

    if (!parse_day_rule (json_array_get_string_element (values, i), &rule) ||
        !day_rule_holds (&rule, context->now, &until))
      continue;
    *out_until = any ? MAX (*out_until, until) : until;
    any = true;
  }
  return any;
}

static const FzConditionKind kinds[] = {
  { "remote_ip",
    "is_in_cidr",
    is_network,
    FZ_CONDITION_VALUES_MAX,
    "addresses or networks like 192.0.2.0/24",
    is_in_cidr },
  { "remote_ip",
    "is_not_in_cidr",
    is_network,
    FZ_CONDITION_VALUES_MAX,
    "addresses or networks like 192.0.2.0/24",
    is_not_in_cidr },
  { "client_verified", "is", is_truth, 1, "true or false", is_verified },
  { "current_utc_datetime",
    "is_in_day_of_week_time_ranges",
    is_day_rule,
    FZ_CONDITION_VALUES_MAX,
    "rules like M/09:00-17:30/Europe/Berlin or U/true/UTC",
    is_in_time },
};

static const FzConditionKind *
find_kind (const char *property, const char *operator)
{
  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (kinds[i].property, property) == 0 &&
        g_strcmp0 (kinds[i].operator, operator) == 0)
      return &kinds[i];
  return NULL;
}

static const char *
text_member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

static JsonArray *
values_member (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "values");
  JsonArray *values =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (values == NULL || json_array_get_length (values) == 0)
    return NULL;
  for (unsigned i = 0; i < json_array_get_length (values); i++)
    if (json_node_get_value_type (json_array_get_element (values, i)) != G_TYPE_STRING)
      return NULL;
  return values;
}

static bool
check_one (JsonObject *condition, GError **error)
{
  const char *property = text_member (condition, "property");
  const FzConditionKind *kind = find_kind (property, text_member (condition, "operator"));
  JsonArray *values = values_member (condition);

  if (kind == NULL) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_UNSUPPORTED,
                 "the condition \"%s %s\" is not supported; supported are remote_ip is_in_cidr, "
                 "remote_ip is_not_in_cidr, client_verified is and current_utc_datetime "
                 "is_in_day_of_week_time_ranges",
                 property != NULL ? property : "",
                 text_member (condition, "operator") != NULL ? text_member (condition, "operator")
                                                             : "");
    return false;
  }
  if (values == NULL || json_array_get_length (values) > kind->max_values) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "the condition on %s needs 1 to %u values: %s",
                 kind->property,
                 kind->max_values,
                 kind->hint);
    return false;
  }
  for (unsigned i = 0; i < json_array_get_length (values); i++) {
    const char *value = json_array_get_string_element (values, i);

    if (!kind->is_value (value)) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "\"%s\" does not fit the condition on %s; it takes %s",
                   value,
                   kind->property,
                   kind->hint);
      return false;
    }
  }
  return true;
}

JsonObject *
fz_condition_from_text (const char *text, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (text, " \t", -1);
  g_autoptr (JsonObject) condition = json_object_new ();
  g_autoptr (JsonArray) values = json_array_new ();
  size_t n = 0;

  for (size_t i = 0; words[i] != NULL; i++) {
    if (*words[i] == '\0')
      continue;
    if (n == 0)
      json_object_set_string_member (condition, "property", words[i]);
    else if (n == 1)
      json_object_set_string_member (condition, "operator", words[i]);
    else
      json_array_add_string_element (values, words[i]);
    n++;
  }
  json_object_set_array_member (condition, "values", g_steal_pointer (&values));
  if (!check_one (condition, error))
    return NULL;
  return g_steal_pointer (&condition);
}

bool
fz_conditions_check (JsonArray *conditions, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (unsigned i = 0; i < json_array_get_length (conditions); i++) {
    JsonNode *node = json_array_get_element (conditions, i);
    const char *property;

    if (!JSON_NODE_HOLDS_OBJECT (node)) {
      g_set_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "a condition is not an object");
      return false;
    }
    if (!check_one (json_node_get_object (node), error))
      return false;
    property = text_member (json_node_get_object (node), "property");
    if (!g_hash_table_add (seen, (gpointer) property)) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "a policy has at most one condition on %s",
                   property);
      return false;
    }
  }
  return true;
}

static bool
evaluate_one (JsonNode *node, const FzConditionContext *context, int64_t *out_until)
{
  const FzConditionKind *kind;
  JsonArray *values;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return false;
  kind = find_kind (text_member (json_node_get_object (node), "property"),
                    text_member (json_node_get_object (node), "operator"));
  values = values_member (json_node_get_object (node));
  return kind != NULL && values != NULL && kind->holds (values, context, out_until);
}

bool
fz_conditions_evaluate (const char *conditions,
                        const FzConditionContext *context,
                        int64_t *out_until,
                        GPtrArray *violated)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root = NULL;
  int64_t until = FZ_CONDITION_NO_END;
  bool all = true;

  if (json_parser_load_from_data (parser, conditions, -1, NULL))
    root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_ARRAY (root))
    return false; /* what cannot be read cannot allow anything */

  for (unsigned i = 0; i < json_array_get_length (json_node_get_array (root)); i++) {
    JsonNode *node = json_array_get_element (json_node_get_array (root), i);
    int64_t end = FZ_CONDITION_NO_END;

    if (evaluate_one (node, context, &end)) {
      until = MIN (until, end);
      continue;
    }
    all = false;
    if (violated != NULL && JSON_NODE_HOLDS_OBJECT (node))
      g_ptr_array_add (violated, g_strdup (text_member (json_node_get_object (node), "property")));
  }
  if (all)
    *out_until = until;
  return all;
}
