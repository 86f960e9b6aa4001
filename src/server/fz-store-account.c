/* fz-store-account.c
 *
 * The account: its name, its slug and the resolvers its clients are given. Each
 * account has one managed group, "Everyone", to which all people belong without
 * being listed; service accounts do not (portal-protocol.md §8.4).
 */
#include "src/server/fz-store-private.h"

#include <string.h>

#define MAX_DNS_SERVERS 8u

static const struct {
  const char *name;
  const char *url;
} doh_providers[] = {
  { "google", "https://dns.google/dns-query" },
  { "quad9", "https://dns.quad9.net/dns-query" },
  { "cloudflare", "https://cloudflare-dns.com/dns-query" },
  { "opendns", "https://doh.opendns.com/dns-query" },
};

static const char *
doh_url_of (const char *provider)
{
  for (size_t i = 0; i < G_N_ELEMENTS (doh_providers); i++)
    if (g_strcmp0 (doh_providers[i].name, provider) == 0)
      return doh_providers[i].url;
  return NULL;
}

void
fz_account_free (FzAccount *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self->name);
  g_free (self->slug);
  g_strfreev (self->dns_servers);
  g_free (self->doh_url);
  g_free (self->search_domain);
  g_free (self);
}

/* Letters, digits and underscores; anything else becomes an underscore. */
static char *
make_slug (const char *name)
{
  g_autofree char *slug = g_ascii_strdown (name, -1);

  for (char *p = slug; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p))
      *p = '_';
  return g_steal_pointer (&slug);
}

static bool
check_slug (const char *slug, GError **error)
{
  size_t length = strlen (slug);
  bool is_fine = length >= 1 && length <= 100;

  for (const char *p = slug; *p != '\0'; p++)
    is_fine &= g_ascii_isalnum (*p) || *p == '_';
  if (is_fine)
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the slug \"%s\" may only hold letters, digits and underscores (1 to 100)",
               slug);
  return false;
}

char *
fz_store_account_add (FzStore *self, const char *name, const char *slug, GError **error)
{
  g_autofree char *clean = fz_store_check_name ("account name", name, FZ_STORE_NAME_MAX, error);
  g_autofree char *id = fz_store_new_id (self);
  g_autofree char *group_id = fz_store_new_id (self);
  g_autofree char *own_slug = NULL;
  uint8_t key[FZ_STORE_KEY_SIZE];
  g_auto (FzTransaction) transaction = { NULL };

  if (clean == NULL)
    return NULL;
  own_slug = slug != NULL ? g_strdup (slug) : make_slug (clean);
  if (!check_slug (own_slug, error) || !fz_transaction_begin (&transaction, self->database, error))
    return NULL;

  fz_rng_fill (&self->rng, key, sizeof key);
  if (!fz_database_run (self->database,
                        "INSERT INTO account (id, name, slug, ingest_key, created_at)"
                        " VALUES (?1, ?2, ?3, ?4, ?5)",
                        FZ_ARGS (FZ_TEXT (id),
                                 FZ_TEXT (clean),
                                 FZ_TEXT (own_slug),
                                 FZ_BLOB (key, sizeof key),
                                 FZ_INT (fz_store_now ())),
                        error)) {
    fz_store_explain_conflict (error, "account", own_slug);
    return NULL;
  }
  if (!fz_database_run (self->database,
                        "INSERT INTO groups (id, account_id, type, name, created_at)"
                        " VALUES (?1, ?2, 'managed', ?3, ?4)",
                        FZ_ARGS (FZ_TEXT (group_id),
                                 FZ_TEXT (id),
                                 FZ_TEXT (FZ_GROUP_EVERYONE),
                                 FZ_INT (fz_store_now ())),
                        error) ||
      !fz_transaction_commit (&transaction, error))
    return NULL;
  return g_steal_pointer (&id);
}

static GStrv
strv_from_json (const char *text)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;

  if (json_parser_load_from_data (parser, text, -1, NULL)) {
    root = json_parser_get_root (parser);
    if (root != NULL && JSON_NODE_HOLDS_ARRAY (root))
      for (unsigned i = 0; i < json_array_get_length (json_node_get_array (root)); i++)
        g_strv_builder_add (builder, json_array_get_string_element (json_node_get_array (root), i));
  }
  return g_strv_builder_end (builder);
}

static FzDnsMode
dns_mode_from_text (const char *text)
{
  if (strcmp (text, "custom") == 0)
    return FZ_DNS_CUSTOM;
  return strcmp (text, "secure") == 0 ? FZ_DNS_SECURE : FZ_DNS_SYSTEM;
}

FzAccount *
fz_store_account_load (FzStore *self, const char *id, GError **error)
{
  g_autoptr (FzAccount) account = NULL;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows = fz_database_query (
      self->database,
      "SELECT id, name, slug, disabled, iceless, dns_mode, dns_servers, doh_provider,"
      " search_domain, ingest_key, sign_in_lifetime_s FROM account WHERE id = ?1",
      FZ_ARGS (FZ_TEXT (id)),
      error);

  if (rows == NULL)
    return NULL;
  if (!fz_rows_next (rows, &local_error)) {
    if (local_error != NULL)
      g_propagate_error (error, g_steal_pointer (&local_error));
    else
      g_set_error (
          error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_NOT_FOUND, "the account %s has gone", id);
    return NULL;
  }

  account = g_new0 (FzAccount, 1);
  account->id = fz_rows_dup_text (rows, 0);
  account->name = fz_rows_dup_text (rows, 1);
  account->slug = fz_rows_dup_text (rows, 2);
  account->is_disabled = fz_rows_integer (rows, 3) != 0;
  account->has_iceless = fz_rows_integer (rows, 4) != 0;
  account->dns_mode = dns_mode_from_text (fz_rows_text (rows, 5));
  if (account->dns_mode == FZ_DNS_CUSTOM)
    account->dns_servers = strv_from_json (fz_rows_text (rows, 6));
  if (account->dns_mode == FZ_DNS_SECURE)
    account->doh_url = g_strdup (doh_url_of (fz_rows_text (rows, 7)));
  account->search_domain = fz_rows_dup_text (rows, 8);
  account->sign_in_lifetime_s = fz_rows_integer (rows, 10);
  if (!fz_rows_blob (rows, 9, account->ingest_key, sizeof account->ingest_key)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_STORE_CORRUPT,
                 "the account %s has no usable signing key; restore the database from a backup",
                 id);
    return NULL;
  }
  return g_steal_pointer (&account);
}

/* -- changes -- */

static bool
check_dns_server (const char *text, GError **error)
{
  FzIpNetwork reserved_v4;
  FzIpNetwork reserved_v6;
  FzIp ip;

  g_assert (fz_ip_network_parse ("100.64.0.0/10", &reserved_v4));
  g_assert (fz_ip_network_parse ("fd00:2021:1111::/48", &reserved_v6));
  if (fz_ip_parse (text, &ip) && !fz_ip_network_contains (&reserved_v4, &ip) &&
      !fz_ip_network_contains (&reserved_v6, &ip))
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the DNS server \"%s\" is not an IP address outside 100.64.0.0/10 and "
               "fd00:2021:1111::/48",
               text);
  return false;
}

static bool
update_dns_servers (FzStore *self, const char *id, JsonNode *node, GError **error)
{
  g_autofree char *text = NULL;
  JsonArray *array;

  if (!JSON_NODE_HOLDS_ARRAY (node) ||
      json_array_get_length (json_node_get_array (node)) > MAX_DNS_SERVERS) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "at most %u DNS servers may be given",
                 MAX_DNS_SERVERS);
    return false;
  }
  array = json_node_get_array (node);
  for (unsigned i = 0; i < json_array_get_length (array); i++)
    if (!check_dns_server (json_array_get_string_element (array, i), error))
      return false;

  text = json_to_string (node, FALSE);
  return fz_database_run (self->database,
                          "UPDATE account SET dns_servers = ?2 WHERE id = ?1",
                          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (text)),
                          error);
}

/* What the mode needs must be there, else clients would be left without resolvers. */
static bool
check_dns_is_whole (FzStore *self, const char *id, GError **error)
{
  int64_t is_broken = 0;

  if (!fz_database_number (self->database,
                           "SELECT (dns_mode = 'custom' AND dns_servers = '[]')"
                           " OR (dns_mode = 'secure' AND doh_provider IS NULL)"
                           " FROM account WHERE id = ?1",
                           FZ_ARGS (FZ_TEXT (id)),
                           0,
                           &is_broken,
                           error))
    return false;
  if (!is_broken)
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "\"custom\" DNS needs at least one server, \"secure\" DNS needs a provider");
  return false;
}

static bool
update_text (FzStore *self, const char *id, const char *member, const char *value, GError **error)
{
  FzDatabase *db = self->database;

  if (strcmp (member, "name") == 0) {
    g_autofree char *clean = fz_store_check_name ("account name", value, FZ_STORE_NAME_MAX, error);

    return clean != NULL && fz_database_run (db,
                                             "UPDATE account SET name = ?2 WHERE id = ?1",
                                             FZ_ARGS (FZ_TEXT (id), FZ_TEXT (clean)),
                                             error);
  }
  if (strcmp (member, "slug") == 0)
    return check_slug (value, error) && fz_database_run (db,
                                                         "UPDATE account SET slug = ?2"
                                                         " WHERE id = ?1",
                                                         FZ_ARGS (FZ_TEXT (id), FZ_TEXT (value)),
                                                         error);
  if (strcmp (member, "search_domain") == 0)
    return fz_database_run (db,
                            "UPDATE account SET search_domain = nullif (?2, '') WHERE id = ?1",
                            FZ_ARGS (FZ_TEXT (id), FZ_TEXT (value)),
                            error);
  if (strcmp (member, "doh_provider") == 0) {
    if (doh_url_of (value) != NULL)
      return fz_database_run (db,
                              "UPDATE account SET doh_provider = ?2 WHERE id = ?1",
                              FZ_ARGS (FZ_TEXT (id), FZ_TEXT (value)),
                              error);
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is none of the DNS providers google, quad9, cloudflare, opendns",
                 value);
    return false;
  }

  g_assert (strcmp (member, "dns") == 0);
  if (strcmp (value, "system") != 0 && strcmp (value, "custom") != 0 &&
      strcmp (value, "secure") != 0) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "\"%s\" is none of the DNS modes system, custom, secure",
                 value);
    return false;
  }
  return fz_database_run (db,
                          "UPDATE account SET dns_mode = ?2 WHERE id = ?1",
                          FZ_ARGS (FZ_TEXT (id), FZ_TEXT (value)),
                          error);
}

static bool
update_flags (FzStore *self, const char *id, JsonObject *changes, GError **error)
{
  bool is_present = false;
  bool value = false;

  if (!fz_store_change_bool (changes, "iceless", &value, &is_present, error) ||
      (is_present && !fz_database_run (self->database,
                                       "UPDATE account SET iceless = ?2 WHERE id = ?1",
                                       FZ_ARGS (FZ_TEXT (id), FZ_INT (value)),
                                       error)))
    return false;
  if (!fz_store_change_bool (changes, "disabled", &value, &is_present, error))
    return false;
  if (!is_present)
    return true;
  return fz_database_run (self->database,
                          "UPDATE account SET disabled = ?2 WHERE id = ?1",
                          FZ_ARGS (FZ_TEXT (id), FZ_INT (value)),
                          error) &&
         (!value || fz_database_run (self->database,
                                     "DELETE FROM access_grant WHERE account_id = ?1",
                                     FZ_ARGS (FZ_TEXT (id)),
                                     error));
}

static bool
update_sign_in_lifetime (FzStore *self, const char *id, JsonNode *node, GError **error)
{
  int64_t seconds = json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : 0;

  if (seconds >= FZ_STORE_SIGN_IN_LIFETIME_MIN_S && seconds <= FZ_STORE_SIGN_IN_LIFETIME_MAX_S)
    return fz_database_run (self->database,
                            "UPDATE account SET sign_in_lifetime_s = ?2 WHERE id = ?1",
                            FZ_ARGS (FZ_TEXT (id), FZ_INT (seconds)),
                            error);
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "a sign-in may last from an hour (1h) to 90 days (90d)");
  return false;
}

bool
fz_store_account_update (FzStore *self, const char *id, JsonObject *changes, GError **error)
{
  static const char *const texts[] = { "name", "slug", "dns", "doh_provider", "search_domain" };
  g_auto (FzTransaction) transaction = { NULL };

  if (!fz_transaction_begin (&transaction, self->database, error))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    const char *value = NULL;
    bool is_present = false;

    if (!fz_store_change_text (changes, texts[i], &value, &is_present, error) ||
        (is_present && !update_text (self, id, texts[i], value, error)))
      return false;
  }
  if (json_object_has_member (changes, "dns_servers") &&
      !update_dns_servers (self, id, json_object_get_member (changes, "dns_servers"), error))
    return false;
  if (json_object_has_member (changes, "sign_in_lifetime_s") &&
      !update_sign_in_lifetime (
          self, id, json_object_get_member (changes, "sign_in_lifetime_s"), error))
    return false;
  return update_flags (self, id, changes, error) && check_dns_is_whole (self, id, error) &&
         fz_transaction_commit (&transaction, error);
}
