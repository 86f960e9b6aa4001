/* fz-ip-table.h
 *
 * GHashTable by FzIp, the keys being borrowed from the values.
 */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>

static inline guint
fz_ip_hash (gconstpointer key)
{
  const FzIp *ip = key;
  uint32_t hash = ip->family; /* FNV-1a */

  for (size_t i = 0; i < sizeof ip->bytes; i++)
    hash = (hash ^ ip->bytes[i]) * 16777619u;
  return hash;
}

static inline gboolean
fz_ip_hash_equal (gconstpointer a, gconstpointer b)
{
  return fz_ip_equal (a, b);
}

/* Keys lie inside the values, which @free_value (NULL: nobody) frees. */
static inline GHashTable *
fz_ip_table_new (GDestroyNotify free_value)
{
  return g_hash_table_new_full (fz_ip_hash, fz_ip_hash_equal, NULL, free_value);
}
