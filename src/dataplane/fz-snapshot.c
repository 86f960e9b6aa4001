/* fz-snapshot.c: see the header */

#include "src/dataplane/fz-snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct FzSnapshot {
  FzRole role;
  FzIp own_ipv4;
  FzIp own_ipv6;
  FzPolicy *routes; /* owned */
  uint64_t serial;
  bool has_names;
  size_t n_resolvers;
  FzIp resolvers[FZ_SNAPSHOT_RESOLVERS_MAX];
  uint32_t slot_mask; /* size - 1; a power of two above twice the peers */
  FzPeer *slots[];    /* by hash of connection_id, NULL: empty */
};

static uint32_t
hash_id (uint32_t connection_id)
{
  return connection_id * UINT32_C (0x9e3779b1) >> 7;
}

static void
insert_peer (FzSnapshot *self, FzPeer *peer)
{
  uint32_t at = hash_id (peer->connection_id);

  while (self->slots[at & self->slot_mask] != NULL)
    at++;
  self->slots[at & self->slot_mask] = peer;
}

FzSnapshot *
fz_snapshot_new (const FzSnapshotParts *parts)
{
  size_t size = 4;
  FzSnapshot *self;

  assert (parts->n_peers < UINT32_MAX / 8);
  while (size < 2 * parts->n_peers)
    size *= 2;
  self = calloc (1, sizeof *self + size * sizeof *self->slots);
  if (self == NULL)
    abort ();
  self->role = parts->role;
  self->own_ipv4 = parts->own_ipv4;
  self->own_ipv6 = parts->own_ipv6;
  self->routes = parts->routes != NULL ? parts->routes : fz_policy_new (NULL, 0);
  assert (parts->n_resolvers <= FZ_SNAPSHOT_RESOLVERS_MAX);
  self->has_names = parts->has_names;
  self->n_resolvers = parts->n_resolvers;
  if (parts->n_resolvers > 0)
    memcpy (self->resolvers, parts->resolvers, parts->n_resolvers * sizeof *parts->resolvers);
  self->slot_mask = (uint32_t) size - 1;
  for (size_t i = 0; i < parts->n_peers; i++)
    insert_peer (self, parts->peers[i]);
  return self;
}

void
fz_snapshot_free (FzSnapshot *self)
{
  if (self == NULL)
    return;
  fz_policy_free (self->routes);
  free (self);
}

FzRole
fz_snapshot_get_role (const FzSnapshot *self)
{
  return self->role;
}

const FzPolicy *
fz_snapshot_get_routes (const FzSnapshot *self)
{
  return self->routes;
}

uint64_t
fz_snapshot_get_serial (const FzSnapshot *self)
{
  return self->serial;
}

bool
fz_snapshot_is_own_ip (const FzSnapshot *self, const FzIp *ip)
{
  if (ip->family == FZ_IP_NONE)
    return false;
  return fz_ip_equal (ip, &self->own_ipv4) || fz_ip_equal (ip, &self->own_ipv6);
}

bool
fz_snapshot_has_names (const FzSnapshot *self)
{
  return self->has_names;
}

bool
fz_snapshot_is_resolver (const FzSnapshot *self, const FzIp *ip, uint16_t port)
{
  if (port == FZ_SITE_DNS_PORT)
    return true; /* of which of our peers is for the engine to see */
  if (port != 53)
    return false;
  for (size_t i = 0; i < self->n_resolvers; i++)
    if (fz_ip_equal (&self->resolvers[i], ip))
      return true;
  return false;
}

FzPeer *
fz_snapshot_find_peer (const FzSnapshot *self, uint32_t connection_id)
{
  FzPeer *peer;

  for (uint32_t at = hash_id (connection_id); (peer = self->slots[at & self->slot_mask]) != NULL;
       at++)
    if (peer->connection_id == connection_id)
      return peer;
  return NULL;
}

void
fz_published_init (FzPublished *self)
{
  FzSnapshot *empty = fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_CLIENT });

  empty->serial = 1;
  self->n_published = 1;
  self->reclaim = fz_reclaim_new ();
  atomic_init (&self->current, empty);
}

void
fz_published_clear (FzPublished *self)
{
  fz_reclaim_free (self->reclaim);
  fz_snapshot_free (atomic_load (&self->current));
  self->reclaim = NULL;
  atomic_store (&self->current, NULL);
}

static void
free_snapshot (void *snapshot)
{
  fz_snapshot_free (snapshot);
}

void
fz_published_set (FzPublished *self, FzSnapshot *snapshot)
{
  FzSnapshot *old;

  snapshot->serial = ++self->n_published;
  old = atomic_exchange_explicit (&self->current, snapshot, memory_order_acq_rel);
  fz_reclaim_retire (self->reclaim, old, free_snapshot);
}
