/* store-bed.c */

#include "tests/unit/server/store-bed.h"

#include <glib/gstdio.h>

void
store_bed_set_up (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bed->folder = g_dir_make_tmp ("fz-store-XXXXXX", NULL);
  bed->path = g_build_filename (bed->folder, "portal.db", NULL);
  fz_seeded_rng_init (&bed->seeded, 7);
  bed->rng = fz_seeded_rng (&bed->seeded);
  bed->store = fz_store_open (bed->path, &bed->rng, &error);
  g_assert_no_error (error);
  bed->account_id = fz_store_account_add (bed->store, "Acme & Co", NULL, &error);
  g_assert_no_error (error);
  bed->site_id = fz_store_site_add (bed->store, bed->account_id, "berlin", &error);
  g_assert_no_error (error);
}

void
store_bed_tear_down (StoreBed *bed, gconstpointer data)
{
  static const char *const endings[] = { "", "-wal", "-shm" };

  fz_store_free (bed->store);
  for (size_t i = 0; i < G_N_ELEMENTS (endings); i++) {
    g_autofree char *path = g_strconcat (bed->path, endings[i], NULL);

    g_unlink (path);
  }
  g_rmdir (bed->folder);
  g_free (bed->folder);
  g_free (bed->path);
  g_free (bed->account_id);
  g_free (bed->site_id);
}

char *
store_bed_add_actor (StoreBed *bed, const char *name)
{
  g_autoptr (GError) error = NULL;
  char *id = fz_store_actor_add (bed->store, bed->account_id, "account_user", name, NULL, &error);

  g_assert_no_error (error);
  return id;
}

FzTokenRecord *
store_bed_client_token (StoreBed *bed, const char *actor_id, char **out_text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  FzTokenSpec spec = { .kind = FZ_TOKEN_CLIENT,
                       .account_id = bed->account_id,
                       .actor_id = actor_id };
  g_autofree char *id = fz_store_token_add (bed->store, &spec, &text, &error);
  FzTokenRecord *record;

  g_assert_no_error (error);
  record = fz_store_token_verify (bed->store, FZ_TOKEN_CLIENT, text, fz_store_now (), &error);
  g_assert_no_error (error);
  g_assert_nonnull (record);
  g_assert_cmpstr (record->id, ==, id);
  if (out_text != NULL)
    *out_text = g_steal_pointer (&text);
  return record;
}

FzDeviceRecord *
store_bed_connect_client (StoreBed *bed, const FzTokenRecord *token, const char *external_id)
{
  g_autoptr (GError) error = NULL;
  FzDeviceReport report = { .external_id = external_id, .name = "laptop", .public_key = "key" };
  FzDeviceRecord *device = fz_store_client_connect (bed->store, token, &report, &error);

  g_assert_no_error (error);
  return device;
}
