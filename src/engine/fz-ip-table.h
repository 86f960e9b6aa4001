/* fz-ip-table.h
 *
 * GHashTable by FzIp, the keys being borrowed from the values.
 */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>

/* Keys lie inside the values, which @free_value (NULL: nobody) frees. */
static inline GHashTable *
fz_ip_table_new (GDestroyNotify free_value)
{
  return g_hash_table_new_full (fz_ip_hash, fz_ip_hash_equal, NULL, free_value);
}
