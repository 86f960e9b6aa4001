/* fz-database.h
 *
 * A narrow door to SQLite: values are bound by type, statements are prepared
 * once and kept, and every failure becomes a GError that says what is wrong
 * with the file. Owned by the store; one thread, one writer.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FzDatabase FzDatabase;
typedef struct FzRows FzRows;

/* -- values to bind -- */

typedef enum {
  FZ_ARG_NULL,
  FZ_ARG_TEXT,
  FZ_ARG_INTEGER,
  FZ_ARG_BLOB,
} FzArgType;

typedef struct {
  FzArgType type;
  union {
    const char *text; /* NULL is stored as NULL */
    int64_t integer;
    struct {
      const void *data;
      size_t length; /* bytes */
    } blob;
  };
} FzArg;

#define FZ_TEXT(v)    ((FzArg){ .type = FZ_ARG_TEXT, .text = (v) })
#define FZ_INT(v)     ((FzArg){ .type = FZ_ARG_INTEGER, .integer = (v) })
#define FZ_BLOB(p, n) ((FzArg){ .type = FZ_ARG_BLOB, .blob = { (p), (n) } })
#define FZ_SQL_NULL   ((FzArg){ .type = FZ_ARG_NULL })

/* The two arguments @args and @n_args of the functions below. */
#define FZ_ARGS(...)                                                                               \
  (const FzArg[]){ __VA_ARGS__ }, (sizeof ((const FzArg[]){ __VA_ARGS__ }) / sizeof (FzArg))
#define FZ_NO_ARGS NULL, 0

/* -- database -- */

/**
 * fz_database_open:
 * @path: file, created with mode 0600 if it is missing; ":memory:" for tests
 * @error: FZ_SERVER_ERROR_STORE… with the path in its text
 *
 * Opens with write-ahead log and foreign keys on. A locked file is waited for
 * two seconds.
 */
FzDatabase *fz_database_open (const char *path, GError **error);
void fz_database_close (FzDatabase *self); /* NULL is fine */

/* Several statements without values, as in a schema. */
bool fz_database_script (FzDatabase *self, const char *sql, GError **error);

/* One statement without result. @sql is a literal: it is the key of the statement cache. */
bool fz_database_run (
    FzDatabase *self, const char *sql, const FzArg *args, size_t n_args, GError **error);

/* Rows changed by the last fz_database_run (). */
int64_t fz_database_changes (const FzDatabase *self);

/* One statement with rows; NULL on failure. Values are bound at once, so that they need not outlive
 * the call. */
FzRows *fz_database_query (
    FzDatabase *self, const char *sql, const FzArg *args, size_t n_args, GError **error);

/* First column of the first row, as a number; @fallback if there is no row or it is NULL. */
bool fz_database_number (FzDatabase *self,
                         const char *sql,
                         const FzArg *args,
                         size_t n_args,
                         int64_t fallback,
                         int64_t *out,
                         GError **error);

/* -- rows -- */

/* False at the end and on failure; the latter sets @error. */
bool fz_rows_next (FzRows *self, GError **error);
void fz_rows_free (FzRows *self); /* hands the statement back */

bool fz_rows_is_null (const FzRows *self, int column);
const char *fz_rows_text (const FzRows *self, int column); /* valid until the next call; or NULL */
char *fz_rows_dup_text (const FzRows *self, int column);
int64_t fz_rows_integer (const FzRows *self, int column);

/* Copies a blob of exactly @length bytes; false if it has another length. */
bool fz_rows_blob (const FzRows *self, int column, void *out, size_t length);

/**
 * fz_rows_to_json:
 *
 * The current row as an object. A column's name may end in a type: "x:bool",
 * "x:json" (text that holds JSON) and "x:time" (unix seconds, written as RFC
 * 3339 or null); without one it is text or a number as stored.
 */
JsonObject *fz_rows_to_json (const FzRows *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzRows, fz_rows_free)

/* -- transactions: they nest, and only the outermost one is real -- */

typedef struct {
  FzDatabase *database; /* NULL when it has ended */
} FzTransaction;

bool fz_transaction_begin (FzTransaction *self, FzDatabase *database, GError **error);
bool fz_transaction_commit (FzTransaction *self, GError **error);
void fz_transaction_clear (FzTransaction *self); /* rolls back what was not committed */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzTransaction, fz_transaction_clear)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDatabase, fz_database_close)
