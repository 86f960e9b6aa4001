/* test-store-trouble.c: a database that is full, locked, damaged, or from another time */

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-server-error.h"
#include "tests/unit/server/store-bed.h"

#include <string.h>

static void
test_half_a_change_is_none (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) changes =
      json_from_string ("{\"name\":\"New\",\"slug\":\"not a slug\"}", NULL);
  g_autoptr (FzAccount) account = NULL;

  g_assert_false (fz_store_account_update (
      bed->store, bed->account_id, json_node_get_object (changes), &error));
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
  account = fz_store_account_load (bed->store, bed->account_id, NULL);
  g_assert_cmpstr (account->name, ==, "Acme & Co");
}

static void
test_full (StoreBed *bed, gconstpointer data)
{
  FzDatabase *database = fz_store_database (bed->store);
  g_autoptr (GError) error = NULL;
  g_autofree char *last = NULL;
  g_autofree char *site = NULL;

  /* a quota of what there is now, and a little */
  g_assert_true (fz_database_script (database, "PRAGMA max_page_count = 1", NULL));
  for (int i = 0; i < 5000 && error == NULL; i++) {
    g_autofree char *name = g_strdup_printf ("site number %d with a name that takes room", i);

    g_free (last);
    last = fz_store_site_add (bed->store, bed->account_id, name, &error);
  }
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE_FULL);
  g_assert_nonnull (strstr (error->message, "free some disk space"));
  g_clear_error (&error);

  g_assert_true (fz_database_script (database, "PRAGMA max_page_count = 100000", NULL));
  site = fz_store_site_add (bed->store, bed->account_id, "after", &error);
  g_assert_no_error (error);
}

static void
test_locked (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzDatabase) other = fz_database_open (bed->path, &error);
  g_autofree char *site = NULL;
  g_autofree char *later = NULL;

  g_assert_true (
      fz_database_script (fz_store_database (bed->store), "PRAGMA busy_timeout = 20", NULL));
  g_assert_true (fz_database_script (other, "BEGIN IMMEDIATE", &error));
  site = fz_store_site_add (bed->store, bed->account_id, "x", &error);
  g_assert_null (site);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE_BUSY);
  g_clear_error (&error);
  g_assert_true (fz_database_script (other, "ROLLBACK", &error));
  later = fz_store_site_add (bed->store, bed->account_id, "x", &error);
  g_assert_no_error (error);
}

static void
overwrite (const char *path, gsize offset, gsize length)
{
  g_autofree char *content = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  for (gsize i = offset; i < MIN (offset + length, size); i++)
    content[i] = (char) (i * 37);
  g_assert_true (g_file_set_contents (path, content, (gssize) size, NULL));
}

static void
test_corrupt (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzStore) store = NULL;

  g_clear_pointer (&bed->store, fz_store_free);
  overwrite (bed->path, 0, 200);
  store = fz_store_open (bed->path, &bed->rng, &error);
  g_assert_null (store);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE_CORRUPT);
  g_assert_nonnull (strstr (error->message, bed->path));
}

/* Damage inside: whatever is asked, there is an answer and no crash. */
static void
test_corrupt_inside (StoreBed *bed, gconstpointer data)
{
  for (gsize page = 1; page < 12; page++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (FzStore) store = NULL;

    g_clear_pointer (&bed->store, fz_store_free);
    store_bed_tear_down (bed, NULL);
    store_bed_set_up (bed, NULL);
    g_clear_pointer (&bed->store, fz_store_free);
    overwrite (bed->path, page * 4096, 4096);
    store = fz_store_open (bed->path, &bed->rng, &error);
    if (store == NULL) {
      g_assert_nonnull (error);
      continue;
    }
    for (FzThing thing = FZ_THING_ACCOUNT; thing <= FZ_THING_GRANT; thing++) {
      g_autoptr (GError) list_error = NULL;
      g_autoptr (JsonArray) list = fz_store_list (store, thing, bed->account_id, NULL, &list_error);

      g_assert_true ((list == NULL) == (list_error != NULL));
    }
  }
}

static void
test_from_the_future (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzStore) store = NULL;

  g_assert_true (
      fz_database_script (fz_store_database (bed->store), "PRAGMA user_version = 99", NULL));
  g_clear_pointer (&bed->store, fz_store_free);
  store = fz_store_open (bed->path, &bed->rng, &error);
  g_assert_null (store);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_UNSUPPORTED);
}

/* A database of the first portals, before people could sign in. */
static void
test_from_the_past (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *actor_id = fz_store_actor_add (
      bed->store, bed->account_id, "account_user", "sam", "sam@acme.test", &error);
  const FzTokenSpec spec = { .kind = FZ_TOKEN_CLIENT,
                             .account_id = bed->account_id,
                             .actor_id = actor_id };
  g_autofree char *text = NULL;
  g_autofree char *token_id = fz_store_token_add (bed->store, &spec, &text, &error);
  g_autoptr (FzTokenRecord) token = NULL;
  g_autoptr (FzAccount) account = NULL;
  g_autoptr (FzCredential) credential = NULL;

  g_assert_no_error (error);
  g_assert_true (fz_database_script (fz_store_database (bed->store),
                                     "DROP TABLE credential;"
                                     "ALTER TABLE account DROP COLUMN sign_in_lifetime_s;"
                                     "DROP INDEX token_actor;"
                                     "ALTER TABLE token DROP COLUMN made_by;"
                                     "PRAGMA user_version = 1",
                                     &error));
  g_assert_no_error (error);
  g_clear_pointer (&bed->store, fz_store_free);

  bed->store = fz_store_open (bed->path, &bed->rng, &error);
  g_assert_no_error (error);
  token = fz_store_token_verify (bed->store, FZ_TOKEN_CLIENT, text, fz_store_now (), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (token->id, ==, token_id);
  account = fz_store_account_load (bed->store, bed->account_id, &error);
  g_assert_no_error (error);
  g_assert_cmpint (account->sign_in_lifetime_s, ==, 604800);
  credential = fz_store_credential_load (bed->store, actor_id, &error);
  g_assert_no_error (error);
  g_assert_null (credential->password_hash);
}

static void
test_no_such_folder (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (bed->folder, "missing", "portal.db", NULL);
  g_autoptr (FzStore) store = fz_store_open (path, &bed->rng, &error);

  g_assert_null (store);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, path));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  STORE_BED_ADD ("/trouble/half-a-change-is-none", test_half_a_change_is_none);
  STORE_BED_ADD ("/trouble/full", test_full);
  STORE_BED_ADD ("/trouble/locked", test_locked);
  STORE_BED_ADD ("/trouble/corrupt", test_corrupt);
  STORE_BED_ADD ("/trouble/corrupt-inside", test_corrupt_inside);
  STORE_BED_ADD ("/trouble/from-the-future", test_from_the_future);
  STORE_BED_ADD ("/trouble/from-the-past", test_from_the_past);
  STORE_BED_ADD ("/trouble/no-such-folder", test_no_such_folder);
  return g_test_run ();
}
