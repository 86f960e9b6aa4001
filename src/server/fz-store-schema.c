/* fz-store-schema.c
 *
 * The schema, as a list of steps. Step n brings a database of version n to
 * version n + 1; a step that has been released is never edited, only followed.
 *
 * Times are unix seconds. What depends on a row goes with it (ON DELETE
 * CASCADE), and whatever the route, every grant that disappears leaves a row in
 * "revocation", so that no path of deletion can forget to tell a gateway.
 */
#include "src/server/fz-store-schema.h"

#include "src/server/fz-server-error.h"

/* A step is a list of scripts that ends in NULL. */
static const char *const step_0[] = {
  "CREATE TABLE account ("
  "  id TEXT PRIMARY KEY, name TEXT NOT NULL, slug TEXT NOT NULL UNIQUE,"
  "  disabled INTEGER NOT NULL DEFAULT 0, iceless INTEGER NOT NULL DEFAULT 0,"
  "  dns_mode TEXT NOT NULL DEFAULT 'system' CHECK (dns_mode IN ('system', 'custom', 'secure')),"
  "  dns_servers TEXT NOT NULL DEFAULT '[]', doh_provider TEXT, search_domain TEXT,"
  "  ingest_key BLOB NOT NULL, created_at INTEGER NOT NULL"
  ") STRICT;",

  "CREATE TABLE actor ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  type TEXT NOT NULL CHECK (type IN ('account_user', 'account_admin_user', 'service_account')),"
  "  name TEXT NOT NULL, email TEXT, disabled INTEGER NOT NULL DEFAULT 0,"
  "  created_at INTEGER NOT NULL,"
  "  UNIQUE (account_id, name), UNIQUE (account_id, email)"
  ") STRICT;",

  "CREATE TABLE groups ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  type TEXT NOT NULL CHECK (type IN ('static', 'managed')), name TEXT NOT NULL,"
  "  created_at INTEGER NOT NULL, UNIQUE (account_id, name)"
  ") STRICT;",

  "CREATE TABLE membership ("
  "  id TEXT PRIMARY KEY, group_id TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,"
  "  actor_id TEXT NOT NULL REFERENCES actor ON DELETE CASCADE, UNIQUE (group_id, actor_id)"
  ") STRICT;"
  "CREATE INDEX membership_actor ON membership (actor_id);",

  "CREATE TABLE site ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  name TEXT NOT NULL, created_at INTEGER NOT NULL, UNIQUE (account_id, name)"
  ") STRICT;",

  "CREATE TABLE device ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  type TEXT NOT NULL CHECK (type IN ('client', 'gateway')),"
  "  external_id TEXT, name TEXT NOT NULL, psk_base BLOB NOT NULL,"
  "  ipv4 TEXT NOT NULL, ipv6 TEXT NOT NULL,"
  "  actor_id TEXT REFERENCES actor ON DELETE CASCADE,"
  "  site_id TEXT REFERENCES site ON DELETE CASCADE,"
  "  hostname TEXT, device_serial TEXT, device_uuid TEXT, verified_at INTEGER,"
  "  public_key TEXT, user_agent TEXT, version TEXT, remote_ip TEXT, last_seen_at INTEGER,"
  "  joined_key TEXT," /* gateways: the public key that its grants belong to */
  "  created_at INTEGER NOT NULL,"
  "  UNIQUE (account_id, ipv4), UNIQUE (account_id, ipv6),"
  "  UNIQUE (actor_id, external_id), UNIQUE (site_id, external_id),"
  "  CHECK ((type = 'client') = (actor_id IS NOT NULL)),"
  "  CHECK ((type = 'gateway') = (site_id IS NOT NULL))"
  ") STRICT;",

  "CREATE TABLE resource ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  type TEXT NOT NULL CHECK (type IN ('dns', 'cidr', 'ip', 'internet')),"
  "  name TEXT NOT NULL, address TEXT, description TEXT, ip_stack TEXT,"
  "  filters TEXT NOT NULL DEFAULT '[]', site_id TEXT REFERENCES site ON DELETE SET NULL,"
  "  created_at INTEGER NOT NULL, UNIQUE (account_id, name)"
  ") STRICT;"
  "CREATE UNIQUE INDEX resource_one_internet ON resource (account_id) WHERE type = 'internet';",

  "CREATE TABLE policy ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  group_id TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,"
  "  resource_id TEXT NOT NULL REFERENCES resource ON DELETE CASCADE,"
  "  description TEXT, disabled INTEGER NOT NULL DEFAULT 0,"
  "  conditions TEXT NOT NULL DEFAULT '[]',"
  "  created_at INTEGER NOT NULL, UNIQUE (group_id, resource_id)"
  ") STRICT;"
  "CREATE INDEX policy_resource ON policy (resource_id);",

  "CREATE TABLE token ("
  "  id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('client', 'gateway', 'relay')),"
  "  account_id TEXT REFERENCES account ON DELETE CASCADE, name TEXT,"
  "  actor_id TEXT REFERENCES actor ON DELETE CASCADE,"
  "  site_id TEXT REFERENCES site ON DELETE CASCADE,"
  "  gateway_id TEXT REFERENCES device ON DELETE CASCADE,"
  "  secret_salt BLOB NOT NULL, secret_hash BLOB NOT NULL,"
  "  expires_at INTEGER, created_at INTEGER NOT NULL, last_used_at INTEGER,"
  "  CHECK ((kind = 'client') = (actor_id IS NOT NULL)),"
  "  CHECK ((kind = 'gateway') = (site_id IS NOT NULL))"
  ") STRICT;",

  "CREATE TABLE access_grant ("
  "  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,"
  "  policy_id TEXT NOT NULL REFERENCES policy ON DELETE CASCADE,"
  "  resource_id TEXT NOT NULL REFERENCES resource ON DELETE CASCADE,"
  "  client_id TEXT NOT NULL REFERENCES device ON DELETE CASCADE,"
  "  receiver_id TEXT NOT NULL REFERENCES device ON DELETE CASCADE,"
  "  token_id TEXT NOT NULL REFERENCES token ON DELETE CASCADE,"
  "  membership_id TEXT REFERENCES membership ON DELETE CASCADE,"
  "  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,"
  "  UNIQUE (client_id, receiver_id, resource_id)"
  ") STRICT;"
  "CREATE INDEX access_grant_receiver ON access_grant (receiver_id);"
  "CREATE INDEX access_grant_policy ON access_grant (policy_id);"
  "CREATE INDEX access_grant_resource ON access_grant (resource_id);"
  "CREATE INDEX access_grant_token ON access_grant (token_id);"
  "CREATE INDEX access_grant_membership ON access_grant (membership_id);",

  "CREATE TABLE revocation ("
  "  id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, receiver_id TEXT NOT NULL,"
  "  resource_id TEXT NOT NULL, expires_at INTEGER NOT NULL"
  ") STRICT;"
  "CREATE TRIGGER access_grant_deleted AFTER DELETE ON access_grant BEGIN"
  "  INSERT INTO revocation (client_id, receiver_id, resource_id, expires_at)"
  "    VALUES (old.client_id, old.receiver_id, old.resource_id, old.expires_at);"
  " END;",

  "CREATE TABLE static_relay ("
  "  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, ipv4 TEXT, ipv6 TEXT,"
  "  secret TEXT NOT NULL, created_at INTEGER NOT NULL,"
  "  CHECK (ipv4 IS NOT NULL OR ipv6 IS NOT NULL)"
  ") STRICT;",
  NULL,
};

/* Signing in by password, and how long what came of it lasts. */
static const char *const step_1[] = {
  "CREATE TABLE credential ("
  "  actor_id TEXT PRIMARY KEY REFERENCES actor ON DELETE CASCADE,"
  "  password_hash TEXT NOT NULL, changed_at INTEGER NOT NULL, last_used_at INTEGER"
  ") STRICT;",

  "ALTER TABLE account ADD COLUMN sign_in_lifetime_s INTEGER NOT NULL DEFAULT 604800"
  "  CHECK (sign_in_lifetime_s BETWEEN 3600 AND 7776000);",

  "ALTER TABLE token ADD COLUMN made_by TEXT NOT NULL DEFAULT 'command'"
  "  CHECK (made_by IN ('command', 'sign_in'));"
  "CREATE INDEX token_actor ON token (actor_id);",
  NULL,
};

static const char *const *const steps[] = { step_0, step_1 };

static bool
run_scripts (FzDatabase *database, const char *const *scripts, GError **error)
{
  for (size_t i = 0; scripts[i] != NULL; i++)
    if (!fz_database_script (database, scripts[i], error))
      return false;
  return true;
}

bool
fz_store_migrate (FzDatabase *database, GError **error)
{
  int64_t version = 0;

  if (!fz_database_number (database, "PRAGMA user_version", FZ_NO_ARGS, 0, &version, error))
    return false;
  if (version > (int64_t) G_N_ELEMENTS (steps)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_UNSUPPORTED,
                 "the database has schema version %" G_GINT64_FORMAT
                 ", this portal knows %zu; use a newer firezone-portal",
                 version,
                 G_N_ELEMENTS (steps));
    return false;
  }

  for (int64_t i = version; i < (int64_t) G_N_ELEMENTS (steps); i++) {
    g_auto (FzTransaction) transaction = { NULL };
    g_autofree char *set_version =
        g_strdup_printf ("PRAGMA user_version = %" G_GINT64_FORMAT, i + 1);

    if (!fz_transaction_begin (&transaction, database, error) ||
        !run_scripts (database, steps[i], error) ||
        !fz_database_script (database, set_version, error) ||
        !fz_transaction_commit (&transaction, error))
      return false;
  }
  return true;
}
