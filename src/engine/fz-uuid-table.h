/* fz-uuid-table.h
 *
 * GHashTables keyed by the bytes of an FzUuid. The hash knows no secret and no
 * address, so a table walks in the same order in every run.
 */
#pragma once

#include "src/base/fz-hash.h"
#include "src/base/fz-uuid.h"

#include <glib.h>

static inline guint
fz_uuid_hash (gconstpointer key)
{
  const FzUuid *id = key;

  return fz_hash_bytes (FZ_HASH_START, id->bytes, sizeof id->bytes);
}

static inline gboolean
fz_uuid_hash_equal (gconstpointer a, gconstpointer b)
{
  return fz_uuid_equal (a, b);
}

/* Keys lie inside the values, which @free_value frees. */
static inline GHashTable *
fz_uuid_table_new (GDestroyNotify free_value)
{
  return g_hash_table_new_full (fz_uuid_hash, fz_uuid_hash_equal, NULL, free_value);
}
