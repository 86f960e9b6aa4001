/* fz-lookup.h
 *
 * A host's addresses from resolvers of our own choice, by sockets with the
 * tunnel's mark: while the machine's resolver is our own stub, the portal's name must not depend on
 * the tunnel that the portal has yet to set up (linux-apps.md §3.10). /etc/hosts
 * first; then each resolver in turn, A and AAAA at once, TCP where UDP is too small.
 *
 * On the default main context.
 */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_LOOKUP_RESOLVERS_MAX 8u
#define FZ_LOOKUP_RESOLVER_MS   2000u /* for one to answer, then the next is asked as well */

typedef struct {
  const char *name;
  const FzSocketAddress *resolvers; /* copied; the first FZ_LOOKUP_RESOLVERS_MAX count */
  size_t n_resolvers;
  uint32_t mark;     /* SO_MARK; 0: none */
  const char *hosts; /* NULL: /etc/hosts */
} FzLookupConfig;

typedef struct FzLookup FzLookup;

/* @ips: IPv6 and IPv4 in the order of the answers; with none @error is set. Once, from the main
 * loop, never from fz_lookup_start; may free the lookup. */
typedef void (*FzLookupFunc) (const FzIp *ips,
                              size_t n_ips,
                              const GError *error,
                              gpointer user_data);

FzLookup *fz_lookup_start (const FzLookupConfig *config, FzLookupFunc func, gpointer user_data);
void fz_lookup_free (FzLookup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLookup, fz_lookup_free)
