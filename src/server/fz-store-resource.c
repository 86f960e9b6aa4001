/* fz-store-resource.c
 *
 * Resources: what can be reached, through which site, past which filters.
 * Addresses are normalised here, and the ones that would break a client are
 * refused: default routes, loopback and the block Firezone uses itself
 * (portal-protocol.md §§1, 9).
 */
#include "src/server/fz-filter-text.h"
#include "src/server/fz-store-private.h"

#include <string.h>

void
fz_resource_record_clear (FzResourceRecord *self)
{
  g_free (self->id);
  g_free (self->type);
  g_free (self->name);
  g_free (self->address);
  g_free (self->description);
  g_free (self->ip_stack);
  g_free (self->filters);
  g_free (self->site_id);
  g_free (self->site_name);
  memset (self, 0, sizeof *self);
}

void
fz_resource_record_free (FzResourceRecord *self)
{
  if (self == NULL)
    return;
  fz_resource_record_clear (self);
  g_free (self);
}

/* -- addresses -- */

static bool
lies_in (const FzIpNetwork *network, const FzIpNetwork *block)
{
  return network->prefix_length >= block->prefix_length &&
         fz_ip_network_contains (block, &network->ip);
}

static bool
check_not_reserved (const FzIpNetwork *network, const char *text, GError **error)
{
  static const char *const reserved[] = {
    "100.64.0.0/10", "fd00:2021:1111::/48", "127.0.0.0/8", "::1/128"
  };

  if (network->prefix_length == 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is everything; use a resource of type internet for that",
                 text);
    return false;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (reserved); i++) {
    FzIpNetwork block;

    g_assert (fz_ip_network_parse (reserved[i], &block));
    if (lies_in (network, &block)) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "\"%s\" lies in the reserved block %s",
                   text,
                   reserved[i]);
      return false;
    }
  }
  return true;
}

/* Host bits are allowed here and cut off: people write 10.0.0.7/24 and mean the network. */
static bool
parse_network (const char *text, FzIpNetwork *out)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 2);
  uint64_t bits = 0;
  FzIp ip;

  if (parts[0] == NULL || parts[1] == NULL || !fz_ip_parse (parts[0], &ip) ||
      !g_ascii_string_to_unsigned (parts[1], 10, 0, fz_ip_size (&ip) * 8, &bits, NULL))
    return false;
  out->ip = fz_ip_masked (&ip, (unsigned) bits);
  out->prefix_length = (uint8_t) bits;
  return true;
}

static char *
normalise_network (const char *text, GError **error)
{
  char buffer[FZ_IP_NETWORK_TEXT_MAX];
  FzIpNetwork network;

  if (!parse_network (text, &network)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is not a network; write it like 10.20.0.0/24 or fd00:1234::/64",
                 text);
    return NULL;
  }
  if (!check_not_reserved (&network, text, error))
    return NULL;
  return g_strdup (fz_ip_network_format (&network, buffer));
}

static char *
normalise_ip (const char *text, GError **error)
{
  char buffer[FZ_IP_TEXT_MAX];
  FzIpNetwork network;

  if (!fz_ip_parse (text, &network.ip)) {
    g_set_error (
        error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "\"%s\" is not an IP address", text);
    return NULL;
  }
  network.prefix_length = (uint8_t) (fz_ip_size (&network.ip) * 8);
  if (!check_not_reserved (&network, text, error))
    return NULL;
  return g_strdup (fz_ip_format (&network.ip, buffer));
}

static bool
is_fine_label (const char *label, bool is_last)
{
  size_t length = strlen (label);
  bool has_wildcard = strpbrk (label, "*?") != NULL;

  if (length == 0 || length > 63 || (is_last && has_wildcard))
    return false;
  if (strstr (label, "**") != NULL && strcmp (label, "**") != 0)
    return false;
  for (const char *p = label; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr ("-_*?", *p) == NULL)
      return false;
  return true;
}

/* portal-protocol.md §4.4. */
static char *
normalise_pattern (const char *text, GError **error)
{
  g_autofree char *lower = g_ascii_strdown (text, -1);
  g_auto (GStrv) labels = g_strsplit (lower, ".", -1);
  size_t n_labels = g_strv_length (labels);
  bool is_fine =
      strlen (lower) <= 253 && n_labels > 0 && strcmp (labels[n_labels - 1], "localhost") != 0;
  FzIp ip;

  for (size_t i = 0; i < n_labels; i++)
    is_fine &= is_fine_label (labels[i], i + 1 == n_labels);
  if (is_fine && !fz_ip_parse (lower, &ip))
    return g_steal_pointer (&lower);
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "\"%s\" is not a domain or domain pattern; write it like wiki.example.org, "
               "*.example.org or **.example.org",
               text);
  return NULL;
}

/* What the address looks like, for people who did not say. */
static const char *
guess_type (const char *address)
{
  FzIp ip;

  if (strchr (address, '/') != NULL)
    return "cidr";
  return fz_ip_parse (address, &ip) ? "ip" : "dns";
}

static char *
normalise_address (const char *type, const char *address, GError **error)
{
  if (address == NULL || *address == '\0') {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "a resource of type %s needs an address",
                 type);
    return NULL;
  }
  if (strcmp (type, "cidr") == 0)
    return normalise_network (address, error);
  if (strcmp (type, "ip") == 0)
    return normalise_ip (address, error);
  return normalise_pattern (address, error);
}

static bool
check_type (const char *type, GError **error)
{
  static const char *const types[] = { "cidr", "ip", "dns", "internet" };

  for (size_t i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (types[i], type) == 0)
      return true;
  if (g_str_has_suffix (type, "_device_pool"))
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_UNSUPPORTED,
                 "device pools are not supported by this portal yet");
  else
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is none of the resource types cidr, ip, dns, internet",
                 type);
  return false;
}

static bool
check_ip_stack (const char *type, const char *ip_stack, GError **error)
{
  if (ip_stack == NULL)
    return true;
  if (strcmp (type, "dns") == 0 &&
      (strcmp (ip_stack, "dual") == 0 || strcmp (ip_stack, "ipv4_only") == 0 ||
       strcmp (ip_stack, "ipv6_only") == 0))
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the IP stack is dual, ipv4_only or ipv6_only, and only for dns resources");
  return false;
}

char *
fz_store_resource_add (FzStore *self,
                       const char *account_id,
                       const FzResourceSpec *spec,
                       GError **error)
{
  g_autofree char *id = fz_store_new_id (self);
  g_autofree char *address = NULL;
  g_autofree char *filters = NULL;
  g_autofree char *name = NULL;
  const char *type = spec->type;

  name = fz_store_check_name ("resource's name", spec->name, FZ_STORE_NAME_MAX, error);
  if (name == NULL)
    return NULL;
  if (type == NULL)
    type = spec->address != NULL ? guess_type (spec->address) : "internet";
  if (!check_type (type, error) || !check_ip_stack (type, spec->ip_stack, error))
    return NULL;
  if (strcmp (type, "internet") != 0) {
    address = normalise_address (type, spec->address, error);
    if (address == NULL)
      return NULL;
  }
  filters = fz_filters_from_text (spec->filters, error);
  if (filters == NULL)
    return NULL;

  if (!fz_database_run (
          self->database,
          "INSERT INTO resource (id, account_id, type, name, address, description, ip_stack,"
          " filters, site_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
          FZ_ARGS (FZ_TEXT (id),
                   FZ_TEXT (account_id),
                   FZ_TEXT (type),
                   FZ_TEXT (name),
                   FZ_TEXT (address),
                   FZ_TEXT (spec->description),
                   FZ_TEXT (spec->ip_stack),
                   FZ_TEXT (filters),
                   FZ_TEXT (spec->site_id),
                   FZ_INT (fz_store_now ())),
          error)) {
    fz_store_explain_conflict (
        error, strcmp (type, "internet") == 0 ? "an internet resource or" : "resource", name);
    return NULL;
  }
  return g_steal_pointer (&id);
}

/* -- loading -- */

#define RESOURCE_COLUMNS                                                                           \
  "r.id, r.type, r.name, r.address, r.description, r.ip_stack, r.filters, r.site_id, s.name"

static void
fill_resource (const FzRows *rows, int first, FzResourceRecord *out)
{
  out->id = fz_rows_dup_text (rows, first);
  out->type = fz_rows_dup_text (rows, first + 1);
  out->name = fz_rows_dup_text (rows, first + 2);
  out->address = fz_rows_dup_text (rows, first + 3);
  out->description = fz_rows_dup_text (rows, first + 4);
  out->ip_stack = fz_rows_dup_text (rows, first + 5);
  out->filters = fz_rows_dup_text (rows, first + 6);
  out->site_id = fz_rows_dup_text (rows, first + 7);
  out->site_name = fz_rows_dup_text (rows, first + 8);
}

FzResourceRecord *
fz_store_resource_load (FzStore *self, const char *id, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  FzResourceRecord *resource = NULL;
  g_autoptr (FzRows) rows = fz_database_query (self->database,
                                               "SELECT " RESOURCE_COLUMNS " FROM resource r"
                                               " LEFT JOIN site s ON s.id = r.site_id"
                                               " WHERE r.id = ?1",
                                               FZ_ARGS (FZ_TEXT (id)),
                                               error);

  if (rows == NULL)
    return NULL;
  if (fz_rows_next (rows, &local_error)) {
    resource = g_new0 (FzResourceRecord, 1);
    fill_resource (rows, 0, resource);
  } else if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
  } else {
    g_set_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_NOT_FOUND, "the resource %s has gone", id);
  }
  return resource;
}

static void
entitlement_free (gpointer data)
{
  FzEntitlement *self = data;

  g_free (self->policy_id);
  g_free (self->membership_id);
  g_free (self->conditions);
  fz_resource_record_clear (&self->resource);
  g_free (self);
}

GPtrArray *
fz_store_entitlements (FzStore *self, const char *actor_id, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (entitlement_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows = fz_database_query (
      self->database,
      "SELECT p.id, m.id, p.conditions, " RESOURCE_COLUMNS " FROM actor a"
      " JOIN groups g ON g.account_id = a.account_id"
      " LEFT JOIN membership m ON m.group_id = g.id AND m.actor_id = a.id"
      " JOIN policy p ON p.group_id = g.id AND p.disabled = 0"
      " JOIN resource r ON r.id = p.resource_id"
      " JOIN site s ON s.id = r.site_id"
      " WHERE a.id = ?1 AND a.disabled = 0"
      " AND (m.id IS NOT NULL OR (g.type = 'managed' AND a.type <> 'service_account'))"
      " ORDER BY r.name, r.id, p.id",
      FZ_ARGS (FZ_TEXT (actor_id)),
      error);

  if (rows == NULL)
    return NULL;
  while (fz_rows_next (rows, &local_error)) {
    FzEntitlement *entitlement = g_new0 (FzEntitlement, 1);

    entitlement->policy_id = fz_rows_dup_text (rows, 0);
    entitlement->membership_id = fz_rows_dup_text (rows, 1);
    entitlement->conditions = fz_rows_dup_text (rows, 2);
    fill_resource (rows, 3, &entitlement->resource);
    g_ptr_array_add (list, entitlement);
  }
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  return g_steal_pointer (&list);
}

/* -- changes -- */

static GStrv
filters_of (JsonNode *node)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);

    for (unsigned i = 0; i < json_array_get_length (array); i++)
      g_strv_builder_add (builder, json_array_get_string_element (array, i));
  }
  return g_strv_builder_end (builder);
}

static void
replace (char **field, const char *value)
{
  g_free (*field);
  *field = value != NULL && *value != '\0' ? g_strdup (value) : NULL;
}

/* Applies the change set to the record, checking each value. */
static bool
apply_changes (FzResourceRecord *resource, JsonObject *changes, GError **error)
{
  const char *text = NULL;
  bool is_present = false;

  if (!fz_store_change_text (changes, "name", &text, &is_present, error))
    return false;
  if (is_present) {
    g_autofree char *clean =
        fz_store_check_name ("resource's name", text, FZ_STORE_NAME_MAX, error);

    if (clean == NULL)
      return false;
    replace (&resource->name, clean);
  }

  if (!fz_store_change_text (changes, "address", &text, &is_present, error))
    return false;
  if (is_present) {
    g_autofree char *address = NULL;

    if (strcmp (resource->type, "internet") == 0) {
      g_set_error (
          error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "the internet resource has no address");
      return false;
    }
    replace (&resource->type, guess_type (text));
    address = normalise_address (resource->type, text, error);
    if (address == NULL)
      return false;
    replace (&resource->address, address);
    if (strcmp (resource->type, "dns") != 0)
      replace (&resource->ip_stack, NULL);
  }

  if (!fz_store_change_text (changes, "description", &text, &is_present, error))
    return false;
  if (is_present)
    replace (&resource->description, text);
  if (!fz_store_change_text (changes, "ip_stack", &text, &is_present, error) ||
      (is_present && !check_ip_stack (resource->type, text, error)))
    return false;
  if (is_present)
    replace (&resource->ip_stack, text);
  if (!fz_store_change_text (changes, "site_id", &text, &is_present, error))
    return false;
  if (is_present)
    replace (&resource->site_id, text);

  if (json_object_has_member (changes, "filters")) {
    g_auto (GStrv) filters = filters_of (json_object_get_member (changes, "filters"));
    char *text_of_filters = fz_filters_from_text ((const char *const *) filters, error);

    if (text_of_filters == NULL)
      return false;
    g_free (resource->filters);
    resource->filters = text_of_filters;
  }
  return true;
}

/* A gateway applies new filters in place; the rest needs a new authorization (§8.9). */
static bool
ends_access (const FzResourceRecord *before, const FzResourceRecord *after)
{
  return g_strcmp0 (before->type, after->type) != 0 ||
         g_strcmp0 (before->address, after->address) != 0 ||
         g_strcmp0 (before->ip_stack, after->ip_stack) != 0 ||
         g_strcmp0 (before->site_id, after->site_id) != 0;
}

bool
fz_store_resource_update (FzStore *self, const char *id, JsonObject *changes, GError **error)
{
  g_autoptr (FzResourceRecord) before = fz_store_resource_load (self, id, error);
  g_autoptr (FzResourceRecord) after = NULL;
  g_auto (FzTransaction) transaction = { NULL };

  if (before == NULL)
    return false;
  after = fz_store_resource_load (self, id, error);
  if (after == NULL || !apply_changes (after, changes, error) ||
      !fz_transaction_begin (&transaction, self->database, error))
    return false;

  if (!fz_database_run (self->database,
                        "UPDATE resource SET type = ?2, name = ?3, address = ?4, description = ?5,"
                        " ip_stack = ?6, filters = ?7, site_id = ?8 WHERE id = ?1",
                        FZ_ARGS (FZ_TEXT (id),
                                 FZ_TEXT (after->type),
                                 FZ_TEXT (after->name),
                                 FZ_TEXT (after->address),
                                 FZ_TEXT (after->description),
                                 FZ_TEXT (after->ip_stack),
                                 FZ_TEXT (after->filters),
                                 FZ_TEXT (after->site_id)),
                        error)) {
    fz_store_explain_conflict (error, "resource", after->name);
    return false;
  }
  if (ends_access (before, after) &&
      !fz_database_run (self->database,
                        "DELETE FROM access_grant WHERE resource_id = ?1",
                        FZ_ARGS (FZ_TEXT (id)),
                        error))
    return false;
  return fz_transaction_commit (&transaction, error);
}
