/* fz-dns-cache.h
 *
 * Answers of resolvers, kept as long as they say (tunnel.md §4.8): by name and
 * type, only whole ones with something of what was asked for, and only if they
 * live for 5 s at least. A full cache forgets what ends first.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/proto/fz-dns.h"

#include <glib.h>

#define FZ_DNS_CACHE_ENTRIES_MAX 1024u
#define FZ_DNS_CACHE_BYTES_MAX   4096u /* of one answer */
#define FZ_DNS_CACHE_TTL_MIN_S   5u

typedef struct FzDnsCache FzDnsCache;

FzDnsCache *fz_dns_cache_new (void);
void fz_dns_cache_free (FzDnsCache *self);

/* Keeps @reply if it may be kept. @as_of: fz_dns_cache_get_n_clears() when the question was asked;
 * what was asked before the last clearing may be wrong by now, and is not kept. */
void fz_dns_cache_put (
    FzDnsCache *self, const FzDnsQuery *query, FzSpan reply, uint64_t as_of, FzInstant now);
uint64_t fz_dns_cache_get_n_clears (const FzDnsCache *self);

/* The answer to @query, its lifetimes reduced, with the query's id and question. Valid until the
 * next call. */
bool fz_dns_cache_get (
    FzDnsCache *self, FzSpan message, const FzDnsQuery *query, FzInstant now, FzSpan *out);

void fz_dns_cache_clear (FzDnsCache *self);
