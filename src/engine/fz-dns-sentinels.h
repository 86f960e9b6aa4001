/* fz-dns-sentinels.h
 *
 * Whom we ask, and the address that stands for it inside the tunnel (tunnel.md
 * §4.1). Three lists compete: what the portal names (plain, then over HTTPS)
 * beats what the system asked before. A changed set gets other sentinels than
 * the set before it, so that the system notices.
 */
#pragma once

#include "src/engine/fz-model.h"

#include <glib.h>

typedef struct FzDnsSentinels FzDnsSentinels;

FzDnsSentinels *fz_dns_sentinels_new (void);
void fz_dns_sentinels_free (FzDnsSentinels *self);

/* Copies. True if the sentinels are other ones now: answers that were kept are void. Before the
 * interface is known there are none. */
bool fz_dns_sentinels_set_system (FzDnsSentinels *self, const FzIp *ips, size_t n_ips);
bool fz_dns_sentinels_set_interface (FzDnsSentinels *self, const FzInterface *interface);

/* In order; valid until one of the above. */
size_t fz_dns_sentinels_get (const FzDnsSentinels *self, const FzSentinel **out);
const FzSentinel *fz_dns_sentinels_find (const FzDnsSentinels *self, const FzIp *ip); /* or NULL */

/* Whether the portal names any: only those may be asked through the tunnel (§4.10). */
bool fz_dns_sentinels_are_custom (const FzDnsSentinels *self);

/* Whether @ip is in the ranges of sentinels, mapped or not. */
bool fz_dns_is_sentinel (const FzIp *ip);
