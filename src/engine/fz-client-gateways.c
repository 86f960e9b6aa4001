/* fz-client-gateways.c: see the header */

#include "src/engine/fz-client-gateways.h"

#include "src/engine/fz-limits.h"
#include "src/engine/fz-uuid-table.h"

/* Resource to gateway; outlives the gateway's record, so that it is preferred again. */
typedef struct {
  FzUuid resource_id;
  FzUuid gateway_id;
} Affinity;

struct FzClientGateways {
  GHashTable *by_id;      /* of FzClientGateway */
  GHashTable *affinities; /* of Affinity */
  GArray *seen;           /* of FzUuid, sorted; at most FZ_GATEWAYS_SEEN_MAX */
};

static void
free_gateway (void *data)
{
  FzClientGateway *gateway = data;

  g_hash_table_unref (gateway->resources);
  g_clear_pointer (&gateway->waiting, fz_packet_buffer_free);
  g_free (gateway);
}

FzClientGateways *
fz_client_gateways_new (void)
{
  FzClientGateways *self = g_new0 (FzClientGateways, 1);

  self->by_id = fz_uuid_table_new (free_gateway);
  self->affinities = fz_uuid_table_new (g_free);
  self->seen = g_array_new (FALSE, FALSE, sizeof (FzUuid));
  return self;
}

void
fz_client_gateways_free (FzClientGateways *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_id);
  g_hash_table_unref (self->affinities);
  g_array_unref (self->seen);
  g_free (self);
}

FzClientGateway *
fz_client_gateways_find (const FzClientGateways *self, const FzUuid *id)
{
  return g_hash_table_lookup (self->by_id, id);
}

FzClientGateway *
fz_client_gateways_find_by_ip (const FzClientGateways *self, const FzIp *ip)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    FzClientGateway *gateway = value;

    if (fz_ip_equal (&gateway->ipv4, ip) || fz_ip_equal (&gateway->ipv6, ip))
      return gateway;
  }
  return NULL;
}

FzClientGateway *
fz_client_gateways_find_for (const FzClientGateways *self, const FzUuid *resource_id)
{
  const Affinity *affinity = g_hash_table_lookup (self->affinities, resource_id);
  FzClientGateway *gateway =
      affinity != NULL ? g_hash_table_lookup (self->by_id, &affinity->gateway_id) : NULL;

  return gateway != NULL && g_hash_table_contains (gateway->resources, resource_id) ? gateway
                                                                                    : NULL;
}

static void
note_seen (FzClientGateways *self, const FzUuid *id)
{
  guint at = 0;

  while (at < self->seen->len && fz_uuid_compare (&g_array_index (self->seen, FzUuid, at), id) < 0)
    at++;
  if (at < self->seen->len && fz_uuid_equal (&g_array_index (self->seen, FzUuid, at), id))
    return;
  if (self->seen->len < FZ_GATEWAYS_SEEN_MAX)
    g_array_insert_val (self->seen, at, *id);
}

FzClientGateway *
fz_client_gateways_put (FzClientGateways *self, const FzUuid *id)
{
  FzClientGateway *gateway = g_hash_table_lookup (self->by_id, id);

  if (gateway != NULL)
    return gateway;
  gateway = g_new0 (FzClientGateway, 1);
  gateway->id = *id;
  gateway->resources = g_hash_table_new_full (fz_uuid_hash, fz_uuid_hash_equal, g_free, NULL);
  g_hash_table_insert (self->by_id, &gateway->id, gateway);
  note_seen (self, id);
  return gateway;
}

void
fz_client_gateways_remove (FzClientGateways *self, const FzUuid *id)
{
  g_hash_table_remove (self->by_id, id);
}

void
fz_client_gateways_authorize (FzClientGateways *self,
                              FzClientGateway *gateway,
                              const FzUuid *resource_id)
{
  Affinity *affinity = g_new (Affinity, 1);

  *affinity = (Affinity){ *resource_id, gateway->id };
  g_hash_table_replace (self->affinities, &affinity->resource_id, affinity);
  g_hash_table_add (gateway->resources, g_memdup2 (resource_id, sizeof *resource_id));
}

FzClientGateway *
fz_client_gateways_deauthorize (FzClientGateways *self, const FzUuid *resource_id)
{
  FzClientGateway *gateway = fz_client_gateways_find_for (self, resource_id);

  if (gateway != NULL)
    g_hash_table_remove (gateway->resources, resource_id);
  return gateway;
}

void
fz_client_gateways_forget_resource (FzClientGateways *self, const FzUuid *resource_id)
{
  g_hash_table_remove (self->affinities, resource_id);
}

static void
append_once (GArray *ids, const FzUuid *id)
{
  for (guint i = 0; i < ids->len; i++)
    if (fz_uuid_equal (&g_array_index (ids, FzUuid, i), id))
      return;
  g_array_append_val (ids, *id);
}

GArray *
fz_client_gateways_get_preferred (FzClientGateways *self, const FzUuid *resource_id)
{
  const Affinity *affinity = g_hash_table_lookup (self->affinities, resource_id);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (FzUuid));

  if (affinity != NULL)
    append_once (ids, &affinity->gateway_id);
  for (guint i = 0; i < self->seen->len; i++)
    if (g_hash_table_contains (self->by_id, &g_array_index (self->seen, FzUuid, i)))
      append_once (ids, &g_array_index (self->seen, FzUuid, i));
  for (guint i = 0; i < self->seen->len; i++)
    append_once (ids, &g_array_index (self->seen, FzUuid, i));
  return ids;
}

void
fz_client_gateways_iter_init (const FzClientGateways *self, GHashTableIter *iter)
{
  g_hash_table_iter_init (iter, self->by_id);
}
