/* fz-translations.h
 *
 * What one client's proxy addresses mean at a gateway: their name, the real
 * addresses it had when it was last looked up, the resources that it was
 * announced for; and the sessions that run over them (tunnel.md §§5.4, 6.4).
 */
#pragma once

#include "src/dataplane/fz-nat.h"
#include "src/engine/fz-model.h"
#include "src/proto/fz-p2p-control.h"

#include <glib.h>

#define FZ_TRANSLATED_DOMAINS_MAX   1024u /* of one client; the one announced longest ago goes */
#define FZ_TRANSLATED_RESOURCES_MAX 16u   /* of one name */

typedef struct FzTranslations FzTranslations;

/* @unused: where sessions go that lanes may still hold (of FzNat); outlives the translations. */
FzTranslations *fz_translations_new (GPtrArray *unused);
void fz_translations_free (FzTranslations *self);

/**
 * fz_translations_set:
 * @announced: by the client; its name is in lower case
 * @ips: what the name was found to have; of either family, in any order
 *
 * Real addresses are dealt out to the proxy addresses of their family, round and
 * round; a family without any leaves its proxies without target. Sessions that
 * run keep theirs. A client that has given an address to another name has started
 * over: then all earlier translations and sessions go first.
 */
void fz_translations_set (FzTranslations *self,
                          const FzP2pAssignedIps *announced,
                          const FzIp *ips,
                          size_t n_ips);

/* NULL: there is none. */
const FzIp *fz_translations_find_target (const FzTranslations *self, const FzIp *proxy);
FzNat *fz_translations_get_nat (const FzTranslations *self);

/* Every proxy address of every name of @resource, as FzPolicyEntry that borrow from it. */
void fz_translations_append_entries (const FzTranslations *self,
                                     const FzResource *resource,
                                     GArray *entries);
size_t fz_translations_get_n_domains (const FzTranslations *self);
