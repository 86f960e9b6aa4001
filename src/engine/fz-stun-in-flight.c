/* fz-stun-in-flight.c: see the header */

#include "src/engine/fz-stun-in-flight.h"

#include "src/engine/fz-limits.h"

#include <string.h>

typedef struct {
  FzStunTransactionId id;
  uint32_t connection_id;
  FzInstant until;
  GList link; /* in oldest_first */
} Entry;

struct FzStunInFlight {
  GHashTable *by_id;
  GQueue oldest_first;
};

static guint
hash_id (gconstpointer key)
{
  uint32_t hash;

  memcpy (&hash, key, sizeof hash); /* our own random bytes */
  return hash;
}

static gboolean
ids_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, FZ_STUN_TRANSACTION_ID_SIZE) == 0;
}

FzStunInFlight *
fz_stun_in_flight_new (void)
{
  FzStunInFlight *self = g_new0 (FzStunInFlight, 1);

  self->by_id = g_hash_table_new_full (hash_id, ids_equal, NULL, g_free);
  g_queue_init (&self->oldest_first);
  return self;
}

void
fz_stun_in_flight_free (FzStunInFlight *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_id);
  g_free (self);
}

static void
drop (FzStunInFlight *self, Entry *entry)
{
  g_queue_unlink (&self->oldest_first, &entry->link);
  g_hash_table_remove (self->by_id, &entry->id);
}

static void
drop_old (FzStunInFlight *self, FzInstant now)
{
  Entry *oldest;

  while ((oldest = g_queue_peek_head (&self->oldest_first)) != NULL && oldest->until <= now)
    drop (self, oldest);
}

void
fz_stun_in_flight_add (FzStunInFlight *self,
                       const FzStunTransactionId *id,
                       uint32_t connection_id,
                       FzInstant now)
{
  Entry *entry = g_hash_table_lookup (self->by_id, id);

  if (entry != NULL)
    drop (self, entry);
  drop_old (self, now);
  if (self->oldest_first.length >= FZ_STUN_IN_FLIGHT_MAX)
    drop (self, g_queue_peek_head (&self->oldest_first));

  entry = g_new0 (Entry, 1);
  entry->id = *id;
  entry->connection_id = connection_id;
  entry->until = fz_instant_add (now, FZ_STUN_IN_FLIGHT_S * FZ_S);
  entry->link.data = entry;
  g_queue_push_tail_link (&self->oldest_first, &entry->link);
  g_hash_table_insert (self->by_id, &entry->id, entry);
}

bool
fz_stun_in_flight_find (FzStunInFlight *self,
                        const FzStunTransactionId *id,
                        FzInstant now,
                        uint32_t *out_connection_id)
{
  const Entry *entry;

  drop_old (self, now);
  entry = g_hash_table_lookup (self->by_id, id);
  if (entry == NULL)
    return false;
  *out_connection_id = entry->connection_id;
  return true;
}

void
fz_stun_in_flight_remove (FzStunInFlight *self, const FzStunTransactionId *id)
{
  Entry *entry = g_hash_table_lookup (self->by_id, id);

  if (entry != NULL)
    drop (self, entry);
}

void
fz_stun_in_flight_clear (FzStunInFlight *self)
{
  g_queue_init (&self->oldest_first);
  g_hash_table_remove_all (self->by_id);
}

size_t
fz_stun_in_flight_get_count (const FzStunInFlight *self)
{
  return self->oldest_first.length;
}
