/* fz-database.c
 *
 * SQLite behind a typed door. Statements are kept by their text and lent to
 * one user at a time; a second user of the same text, while the first still
 * reads, gets a statement of its own.
 */
#include "src/server/fz-database.h"

#include "src/server/fz-server-error.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS       2000
#define MAX_CACHED_STATEMENTS 128u

struct FzDatabase {
  sqlite3 *handle;
  char *path;
  GHashTable *statements; /* SQL text → idle sqlite3_stmt */
  unsigned depth;         /* transactions open */
  bool must_roll_back;    /* an inner transaction was not committed */
};

struct FzRows {
  FzDatabase *database;
  sqlite3_stmt *statement;
};

static FzServerError
code_of (int result)
{
  switch (result & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return FZ_SERVER_ERROR_STORE_BUSY;
  case SQLITE_FULL:
    return FZ_SERVER_ERROR_STORE_FULL;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return FZ_SERVER_ERROR_STORE_CORRUPT;
  case SQLITE_CONSTRAINT:
    return FZ_SERVER_ERROR_CONFLICT;
  default:
    return FZ_SERVER_ERROR_STORE;
  }
}

static const char *
advice_of (FzServerError code)
{
  switch ((int) code) {
  case FZ_SERVER_ERROR_STORE_BUSY:
    return "; another process is using it";
  case FZ_SERVER_ERROR_STORE_FULL:
    return "; free some disk space and try again";
  case FZ_SERVER_ERROR_STORE_CORRUPT:
    return "; restore it from a backup";
  default:
    return "";
  }
}

static void
set_error (FzDatabase *self, int result, GError **error)
{
  FzServerError code = code_of (result);

  g_set_error (error,
               FZ_SERVER_ERROR,
               code,
               "database %s: %s%s",
               self->path,
               self->handle != NULL ? sqlite3_errmsg (self->handle) : sqlite3_errstr (result),
               advice_of (code));
}

bool
fz_database_script (FzDatabase *self, const char *sql, GError **error)
{
  int result = sqlite3_exec (self->handle, sql, NULL, NULL, NULL);

  if (result == SQLITE_OK)
    return true;
  set_error (self, result, error);
  return false;
}

/* The file holds relay secrets and everything about who may go where: nobody else may read it. */
static bool
open_handle (FzDatabase *self, GError **error)
{
  mode_t old_mask = umask (0077);
  int result =
      sqlite3_open_v2 (self->path, &self->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

  umask (old_mask);
  if (result != SQLITE_OK) {
    set_error (self, result, error);
    return false;
  }

  sqlite3_extended_result_codes (self->handle, 1);
  sqlite3_busy_timeout (self->handle, BUSY_TIMEOUT_MS);
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);

  /* NORMAL with a write-ahead log survives our own death; only a power cut can cost the last
   * commits, and a lost grant is simply asked for again. */
  return fz_database_script (self,
                             "PRAGMA journal_mode = WAL;"
                             "PRAGMA synchronous = NORMAL;"
                             "PRAGMA foreign_keys = ON;"
                             "PRAGMA trusted_schema = OFF;",
                             error);
}

FzDatabase *
fz_database_open (const char *path, GError **error)
{
  g_autoptr (FzDatabase) self = g_new0 (FzDatabase, 1);

  self->path = g_strdup (path);
  self->statements = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) (void (*) (void)) sqlite3_finalize);
  if (!open_handle (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
fz_database_close (FzDatabase *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->statements, g_hash_table_unref);
  sqlite3_close_v2 (self->handle);
  g_free (self->path);
  g_free (self);
}

static int
bind_one (sqlite3_stmt *statement, int index, const FzArg *arg)
{
  switch (arg->type) {
  case FZ_ARG_NULL:
    return sqlite3_bind_null (statement, index);
  case FZ_ARG_TEXT:
    return sqlite3_bind_text (statement, index, arg->text, -1, SQLITE_TRANSIENT);
  case FZ_ARG_INTEGER:
    return sqlite3_bind_int64 (statement, index, arg->integer);
  case FZ_ARG_BLOB:
    return sqlite3_bind_blob64 (
        statement, index, arg->blob.data, arg->blob.length, SQLITE_TRANSIENT);
  }
  g_assert_not_reached ();
}

static sqlite3_stmt *
take_statement (FzDatabase *self, const char *sql, GError **error)
{
  sqlite3_stmt *statement = NULL;
  gpointer key = NULL;
  gpointer value = NULL;
  int result;

  if (g_hash_table_steal_extended (self->statements, sql, &key, &value)) {
    g_free (key);
    return value;
  }

  result = sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
  if (result != SQLITE_OK) {
    set_error (self, result, error);
    return NULL;
  }
  return statement;
}

static void
return_statement (FzDatabase *self, sqlite3_stmt *statement)
{
  const char *sql = sqlite3_sql (statement);

  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  if (g_hash_table_size (self->statements) >= MAX_CACHED_STATEMENTS ||
      g_hash_table_contains (self->statements, sql))
    sqlite3_finalize (statement);
  else
    g_hash_table_insert (self->statements, g_strdup (sql), statement);
}

FzRows *
fz_database_query (
    FzDatabase *self, const char *sql, const FzArg *args, size_t n_args, GError **error)
{
  sqlite3_stmt *statement = take_statement (self, sql, error);
  FzRows *rows;

  if (statement == NULL)
    return NULL;
  g_assert ((size_t) sqlite3_bind_parameter_count (statement) == n_args);

  for (size_t i = 0; i < n_args; i++) {
    int result = bind_one (statement, (int) i + 1, &args[i]);

    if (result != SQLITE_OK) {
      set_error (self, result, error);
      return_statement (self, statement);
      return NULL;
    }
  }

  rows = g_new0 (FzRows, 1);
  rows->database = self;
  rows->statement = statement;
  return rows;
}

bool
fz_database_run (
    FzDatabase *self, const char *sql, const FzArg *args, size_t n_args, GError **error)
{
  g_autoptr (FzRows) rows = fz_database_query (self, sql, args, n_args, error);
  g_autoptr (GError) local_error = NULL;

  if (rows == NULL)
    return false;
  while (fz_rows_next (rows, &local_error))
    ;
  if (local_error == NULL)
    return true;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return false;
}

int64_t
fz_database_changes (const FzDatabase *self)
{
  return sqlite3_changes64 (self->handle);
}

bool
fz_database_number (FzDatabase *self,
                    const char *sql,
                    const FzArg *args,
                    size_t n_args,
                    int64_t fallback,
                    int64_t *out,
                    GError **error)
{
  g_autoptr (FzRows) rows = fz_database_query (self, sql, args, n_args, error);
  g_autoptr (GError) local_error = NULL;

  if (rows == NULL)
    return false;
  if (fz_rows_next (rows, &local_error)) {
    *out = fz_rows_is_null (rows, 0) ? fallback : fz_rows_integer (rows, 0);
    return true;
  }
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return false;
  }
  *out = fallback;
  return true;
}

/* -- rows -- */

bool
fz_rows_next (FzRows *self, GError **error)
{
  int result = sqlite3_step (self->statement);

  if (result == SQLITE_ROW)
    return true;
  if (result != SQLITE_DONE)
    set_error (self->database, result, error);
  return false;
}

void
fz_rows_free (FzRows *self)
{
  if (self == NULL)
    return;
  return_statement (self->database, self->statement);
  g_free (self);
}

bool
fz_rows_is_null (const FzRows *self, int column)
{
  return sqlite3_column_type (self->statement, column) == SQLITE_NULL;
}

const char *
fz_rows_text (const FzRows *self, int column)
{
  return (const char *) sqlite3_column_text (self->statement, column);
}

char *
fz_rows_dup_text (const FzRows *self, int column)
{
  return g_strdup (fz_rows_text (self, column));
}

int64_t
fz_rows_integer (const FzRows *self, int column)
{
  return sqlite3_column_int64 (self->statement, column);
}

bool
fz_rows_blob (const FzRows *self, int column, void *out, size_t length)
{
  const void *data = sqlite3_column_blob (self->statement, column);

  if (data == NULL || (size_t) sqlite3_column_bytes (self->statement, column) != length)
    return false;
  memcpy (out, data, length);
  return true;
}

static JsonNode *
json_from_text (const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (text == NULL || !json_parser_load_from_data (parser, text, -1, NULL))
    return json_node_new (JSON_NODE_NULL);
  return json_parser_steal_root (parser);
}

static JsonNode *
json_from_time (int64_t seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (seconds);
  g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
  JsonNode *node = json_node_new (JSON_NODE_VALUE);

  json_node_set_string (node, text != NULL ? text : "");
  return node;
}

static JsonNode *
json_from_column (const FzRows *self, int column, const char *type)
{
  JsonNode *node;

  if (fz_rows_is_null (self, column))
    return json_node_new (JSON_NODE_NULL);
  if (g_strcmp0 (type, "json") == 0)
    return json_from_text (fz_rows_text (self, column));
  if (g_strcmp0 (type, "time") == 0)
    return json_from_time (fz_rows_integer (self, column));

  node = json_node_new (JSON_NODE_VALUE);
  if (g_strcmp0 (type, "bool") == 0)
    json_node_set_boolean (node, fz_rows_integer (self, column) != 0);
  else if (sqlite3_column_type (self->statement, column) == SQLITE_INTEGER)
    json_node_set_int (node, fz_rows_integer (self, column));
  else
    json_node_set_string (node, fz_rows_text (self, column));
  return node;
}

JsonObject *
fz_rows_to_json (const FzRows *self)
{
  JsonObject *object = json_object_new ();
  int n_columns = sqlite3_column_count (self->statement);

  for (int i = 0; i < n_columns; i++) {
    g_auto (GStrv) name = g_strsplit (sqlite3_column_name (self->statement, i), ":", 2);

    json_object_set_member (object, name[0], json_from_column (self, i, name[1]));
  }
  return object;
}

/* -- transactions -- */

bool
fz_transaction_begin (FzTransaction *self, FzDatabase *database, GError **error)
{
  if (database->depth == 0) {
    if (!fz_database_script (database, "BEGIN IMMEDIATE", error))
      return false;
    database->must_roll_back = false;
  }
  database->depth++;
  self->database = database;
  return true;
}

bool
fz_transaction_commit (FzTransaction *self, GError **error)
{
  FzDatabase *database = self->database;

  g_assert (database != NULL && database->depth > 0);
  if (database->depth > 1) {
    database->depth--;
    self->database = NULL;
    return true;
  }
  if (database->must_roll_back) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_STORE,
                 "database %s: a part of the change failed, nothing was changed",
                 database->path);
    return false; /* fz_transaction_clear () rolls back */
  }
  if (!fz_database_script (database, "COMMIT", error))
    return false;
  database->depth = 0;
  self->database = NULL;
  return true;
}

void
fz_transaction_clear (FzTransaction *self)
{
  FzDatabase *database = g_steal_pointer (&self->database);

  if (database == NULL)
    return;
  database->must_roll_back = true;
  database->depth--;
  /* Some failures, a full disk among them, have rolled back already. */
  if (database->depth == 0 && !sqlite3_get_autocommit (database->handle))
    sqlite3_exec (database->handle, "ROLLBACK", NULL, NULL, NULL);
}
