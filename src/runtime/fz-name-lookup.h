/* fz-name-lookup.h
 *
 * A gateway's lookups of names, by the resolver of its machine: hosts file, DNS,
 * whatever is configured there (tunnel.md §6.3). In GIO's threads; everything
 * here belongs to the default main context.
 */
#pragma once

#include "src/base/fz-address.h"

#include <gio/gio.h>

/* All addresses of either family; none and @is_failed false: the name has none. From the main
 * loop, once per question unless the lookup is freed before. */
typedef void (*FzNameLookupFunc) (
    uint32_t id, const FzIp *ips, size_t n_ips, bool is_failed, gpointer user_data);

typedef struct FzNameLookup FzNameLookup;

FzNameLookup *fz_name_lookup_new (FzNameLookupFunc func, gpointer user_data);
void fz_name_lookup_free (FzNameLookup *self); /* what runs is cancelled, and nobody is told */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzNameLookup, fz_name_lookup_free)

/* Never calls back before it returns; gives up after FZ_DNS_RESOLVE_S. */
void fz_name_lookup_ask (FzNameLookup *self, uint32_t id, const char *name);
