/* fz-site-shares.h
 *
 * The places for questions that a gateway passes on for its clients, shared among them: no client
 * has more than its share, and where all places are taken, the client that has most gives one up
 * for one that has less. So one client that asks without end, or ten, cost the others nothing.
 * A client is an address on the tunnel; it has one of each family.
 *
 *   of_client_max taken by this client ─► refused
 *   places_max taken, another has more ─► that one's newest question goes
 *   places_max taken, nobody has more  ─► refused
 *
 * Pure bookkeeping, owned by fz-site-dns.
 */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>

#define FZ_SITE_DNS_QUESTIONS_MAX 1000u
#define FZ_SITE_DNS_OF_CLIENT_MAX 100u

typedef struct FzSiteShares FzSiteShares;
typedef struct FzSiteShare FzSiteShare;

/* Of one question; zeroed before its first use, and then the shares'. */
typedef struct {
  GList link;         /* data: the question */
  FzSiteShare *share; /* of its client; NULL: it has no place */
} FzSitePlace;

FzSiteShares *fz_site_shares_new (unsigned places_max, unsigned of_client_max);
void fz_site_shares_free (FzSiteShares *self); /* places that are taken are left */

/**
 * fz_site_shares_take:
 * @place: stays where it is until it is left
 * @question: what is given back when it has to go
 * @out_gone: the question that had to go, which has left its place; NULL: none
 *
 * Returns: false: no place, the question is refused
 */
bool fz_site_shares_take (
    FzSiteShares *self, FzSitePlace *place, const FzIp *client, void *question, void **out_gone);

void fz_site_shares_leave (FzSiteShares *self, FzSitePlace *place); /* nothing if it has none */
