/* fz-site-shares.c: see the header */

#include "src/runtime/fz-site-shares.h"

#include "src/engine/fz-ip-table.h"

struct FzSiteShare {
  FzIp client;
  GQueue places; /* of FzSitePlace's links, in the order of asking; never empty */
};

struct FzSiteShares {
  GHashTable *by_client; /* FzSiteShare */
  unsigned n_places;     /* taken */
  unsigned places_max;
  unsigned of_client_max;
};

FzSiteShares *
fz_site_shares_new (unsigned places_max, unsigned of_client_max)
{
  FzSiteShares *self = g_new0 (FzSiteShares, 1);

  self->by_client = fz_ip_table_new (g_free);
  self->places_max = places_max;
  self->of_client_max = of_client_max;
  return self;
}

static FzSitePlace *
place_of (GList *link)
{
  return (FzSitePlace *) ((char *) link - G_STRUCT_OFFSET (FzSitePlace, link));
}

void
fz_site_shares_free (FzSiteShares *self)
{
  GHashTableIter iter;
  gpointer value;

  if (self == NULL)
    return;
  g_hash_table_iter_init (&iter, self->by_client);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    for (GList *at = ((FzSiteShare *) value)->places.head; at != NULL; at = at->next)
      place_of (at)->share = NULL;
  g_hash_table_unref (self->by_client);
  g_free (self);
}

void
fz_site_shares_leave (FzSiteShares *self, FzSitePlace *place)
{
  FzSiteShare *share = g_steal_pointer (&place->share);

  if (share == NULL)
    return;
  g_queue_unlink (&share->places, &place->link);
  self->n_places--;
  if (share->places.length == 0)
    g_hash_table_remove (self->by_client, &share->client);
}

static const FzSiteShare *
find_largest (const FzSiteShares *self)
{
  const FzSiteShare *largest = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->by_client);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const FzSiteShare *share = value;

    if (largest == NULL || share->places.length > largest->places.length)
      largest = share;
  }
  return largest;
}

/* For a client that has @n_own. */
static bool
make_room (FzSiteShares *self, unsigned n_own, void **out_gone)
{
  const FzSiteShare *largest;
  FzSitePlace *newest;

  if (self->n_places < self->places_max)
    return true;
  largest = find_largest (self);
  if (largest == NULL || largest->places.length <= n_own + 1)
    return false;
  newest = place_of (largest->places.tail);
  *out_gone = newest->link.data;
  fz_site_shares_leave (self, newest);
  return true;
}

bool
fz_site_shares_take (
    FzSiteShares *self, FzSitePlace *place, const FzIp *client, void *question, void **out_gone)
{
  FzSiteShare *share = g_hash_table_lookup (self->by_client, client);
  unsigned n_own = share != NULL ? share->places.length : 0;

  *out_gone = NULL;
  if (n_own >= self->of_client_max || !make_room (self, n_own, out_gone))
    return false;
  if (share == NULL) {
    share = g_new0 (FzSiteShare, 1);
    share->client = *client;
    g_hash_table_insert (self->by_client, &share->client, share);
  }
  *place = (FzSitePlace){ .link.data = question, .share = share };
  g_queue_push_tail_link (&share->places, &place->link);
  self->n_places++;
  return true;
}
