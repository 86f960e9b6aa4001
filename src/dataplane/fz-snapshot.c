/* fz-snapshot.c: see the header */

#include "src/dataplane/fz-snapshot.h"

#include "src/crypto/fz-crypto.h"

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
  bool has_mac1_key;
  uint8_t mac1_key[FZ_KEY_SIZE]; /* no secret: it follows from the public key */
  size_t n_resolvers;
  FzIp resolvers[FZ_SNAPSHOT_RESOLVERS_MAX];
  FzPeerTable *own_table; /* NULL: it is not ours */
  const FzPeerTable *table;
};

FzSnapshot *
fz_snapshot_new (const FzSnapshotParts *parts)
{
  FzSnapshot *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->role = parts->role;
  self->own_ipv4 = parts->own_ipv4;
  self->own_ipv6 = parts->own_ipv6;
  self->routes = parts->routes != NULL ? parts->routes : fz_policy_new (NULL, 0);
  assert (parts->n_resolvers <= FZ_SNAPSHOT_RESOLVERS_MAX);
  self->has_names = parts->has_names;
  self->has_mac1_key = parts->mac1_key != NULL;
  if (self->has_mac1_key)
    memcpy (self->mac1_key, parts->mac1_key, FZ_KEY_SIZE);
  self->n_resolvers = parts->n_resolvers;
  if (parts->n_resolvers > 0)
    memcpy (self->resolvers, parts->resolvers, parts->n_resolvers * sizeof *parts->resolvers);
  self->table = parts->table;
  if (self->table == NULL) {
    self->table = self->own_table = fz_peer_table_new (NULL);
    for (size_t i = 0; i < parts->n_peers; i++)
      fz_peer_table_add (self->own_table, parts->peers[i]);
  }
  return self;
}

void
fz_snapshot_free (FzSnapshot *self)
{
  if (self == NULL)
    return;
  fz_policy_free (self->routes);
  fz_peer_table_free (self->own_table);
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

const FzPeerTable *
fz_snapshot_get_table (const FzSnapshot *self)
{
  return self->table;
}

bool
fz_snapshot_has_names (const FzSnapshot *self)
{
  return self->has_names;
}

const uint8_t *
fz_snapshot_get_mac1_key (const FzSnapshot *self)
{
  return self->has_mac1_key ? self->mac1_key : NULL;
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
  return fz_peer_table_find (self->table, connection_id);
}

FzPeer *
fz_snapshot_find_route (const FzSnapshot *self, const FzIp *ip, FzProtocolKey key)
{
  FzPeer *peer = fz_peer_table_find_host (self->table, ip);
  const FzPolicyEntry *entry = NULL;

  if (peer != NULL || fz_policy_lookup (self->routes, ip, key, &entry) != FZ_POLICY_ADMITTED)
    return peer;
  return entry->peer;
}

void
fz_published_init (FzPublished *self)
{
  FzSnapshot *empty = fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_CLIENT });

  empty->serial = 1;
  self->n_published = 1;
  self->reclaim = fz_reclaim_new ();
  atomic_init (&self->direct_flows, NULL);
  atomic_init (&self->contacts, NULL);
  atomic_init (&self->current, empty);
}

void
fz_published_clear (FzPublished *self)
{
  fz_reclaim_free (self->reclaim);
  fz_snapshot_free (atomic_load (&self->current));
  fz_flow_marks_free (atomic_exchange (&self->direct_flows, NULL));
  fz_flow_marks_free (atomic_exchange (&self->contacts, NULL));
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
