/* fz-dns-nat.c: see the header */

#include "src/engine/fz-dns-nat.h"

#include "src/engine/fz-uuid-table.h"

typedef enum {
  PENDING, /* announced; deadline: the next repetition by the timer */
  CONFIRMED,
  FAILED,
  RECREATING, /* asked for again, not announced yet */
} State;

typedef struct {
  FzDnsNatKey key;
  State state;
  bool is_keeping; /* PENDING, RECREATING: packets wait */
  FzInstant sent_at;
  unsigned n_repeats;
  FzPacketBuffer *packets; /* NULL: none wait */
} Record;

struct FzDnsNat {
  GHashTable *records; /* of Record, to itself */
  bool has_changed;
  FzInstant next; /* no record is due before */
  uint64_t *given_up;
};

static guint
hash_key (gconstpointer data)
{
  const FzDnsNatKey *key = data;

  /* by the name, not by where it lies: one seed, one run */
  return fz_uuid_hash (&key->gateway_id) * 31 + fz_uuid_hash (&key->resource_id) * 7 +
         g_str_hash (key->domain->name);
}

static gboolean
keys_equal (gconstpointer a, gconstpointer b)
{
  const FzDnsNatKey *key_a = a, *key_b = b;

  return key_a->domain == key_b->domain && fz_uuid_equal (&key_a->gateway_id, &key_b->gateway_id) &&
         fz_uuid_equal (&key_a->resource_id, &key_b->resource_id);
}

static void
free_record (void *data)
{
  Record *record = data;

  fz_packet_buffer_free (record->packets);
  g_free (record);
}

FzDnsNat *
fz_dns_nat_new (uint64_t *given_up)
{
  FzDnsNat *self = g_new0 (FzDnsNat, 1);

  self->records = g_hash_table_new_full (hash_key, keys_equal, NULL, free_record);
  self->next = FZ_INSTANT_NEVER;
  self->given_up = given_up;
  return self;
}

void
fz_dns_nat_free (FzDnsNat *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->records);
  g_free (self);
}

static bool
is_open (const Record *record)
{
  switch (record->state) {
  case PENDING:
  case RECREATING:
    return !record->is_keeping;
  case CONFIRMED:
  case FAILED:
    return true;
  }
  return false;
}

static void
set_state (FzDnsNat *self, Record *record, State state, bool is_keeping)
{
  bool was_open = is_open (record);

  record->state = state;
  record->is_keeping = is_keeping;
  self->has_changed = self->has_changed || was_open != is_open (record);
}

static bool
is_due (const Record *record, FzInstant now)
{
  return fz_instant_since (record->sent_at, now) >= FZ_DNS_NAT_REPEAT_S * FZ_S;
}

static FzInstant
get_deadline (const Record *record)
{
  if (record->state != PENDING || record->n_repeats >= FZ_DNS_NAT_REPEATS_MAX)
    return FZ_INSTANT_NEVER;
  return fz_instant_add (record->sent_at, FZ_DNS_NAT_REPEAT_S * FZ_S);
}

static void
note_sent (FzDnsNat *self, Record *record, FzInstant now)
{
  record->sent_at = now;
  self->next = fz_instant_min (self->next, get_deadline (record));
}

bool
fz_dns_nat_set_up (FzDnsNat *self, const FzDnsNatKey *key, FzInstant now)
{
  Record *record = g_hash_table_lookup (self->records, key);

  if (record == NULL) {
    record = g_new0 (Record, 1);
    *record = (Record){ .key = *key, .state = PENDING, .is_keeping = true };
    g_hash_table_insert (self->records, &record->key, record);
  } else if (record->state == RECREATING) {
    set_state (self, record, PENDING, record->is_keeping);
  } else if (record->state != PENDING || !is_due (record, now)) {
    return false;
  }
  record->n_repeats = 0;
  note_sent (self, record, now);
  return true;
}

FzDnsNatFate
fz_dns_nat_handle_packet (
    FzDnsNat *self, const FzDnsNatKey *key, FzSpan packet, FzInstant now, bool *out_announce)
{
  Record *record = g_hash_table_lookup (self->records, key);
  size_t n_lost;

  *out_announce = false;
  if (record == NULL || record->state != PENDING)
    return FZ_DNS_NAT_SEND;
  if (is_due (record, now)) {
    note_sent (self, record, now);
    *out_announce = true;
  }
  if (!record->is_keeping)
    return FZ_DNS_NAT_SEND;
  if (record->packets == NULL)
    record->packets = fz_packet_buffer_new (FZ_DNS_NAT_PACKETS, self->given_up);
  n_lost = fz_packet_buffer_push (record->packets, packet);
  if (self->given_up != NULL)
    *self->given_up += n_lost;
  return FZ_DNS_NAT_KEPT;
}

bool
fz_dns_nat_has (const FzDnsNat *self, const FzDnsNatKey *key)
{
  return g_hash_table_contains (self->records, key);
}

bool
fz_dns_nat_is_pending (const FzDnsNat *self, const FzDnsNatKey *key)
{
  const Record *record = g_hash_table_lookup (self->records, key);

  return record != NULL && record->state == PENDING;
}

bool
fz_dns_nat_is_open (const FzDnsNat *self, const FzDnsNatKey *key)
{
  const Record *record = g_hash_table_lookup (self->records, key);

  return record != NULL && is_open (record);
}

FzPacketBuffer *
fz_dns_nat_handle_status (FzDnsNat *self, const FzDnsNatKey *key, bool is_active)
{
  Record *record = g_hash_table_lookup (self->records, key);
  g_autoptr (FzPacketBuffer) packets = NULL;

  if (record == NULL)
    return NULL;
  packets = g_steal_pointer (&record->packets);
  set_state (self, record, is_active ? CONFIRMED : FAILED, false);
  return is_active ? g_steal_pointer (&packets) : NULL;
}

void
fz_dns_nat_recreate (FzDnsNat *self, const FzDnsNatKey *key)
{
  Record *record = g_hash_table_lookup (self->records, key);

  if (record != NULL && (record->state == CONFIRMED || record->state == FAILED))
    set_state (self, record, RECREATING, record->state == FAILED);
}

/* -- going -- */

static gboolean
is_of_gateway (gpointer key, gpointer value, gpointer gateway_id)
{
  return fz_uuid_equal (&((const Record *) value)->key.gateway_id, gateway_id);
}

static gboolean
is_of_resource (gpointer key, gpointer value, gpointer resource_id)
{
  return fz_uuid_equal (&((const Record *) value)->key.resource_id, resource_id);
}

void
fz_dns_nat_remove_gateway (FzDnsNat *self, const FzUuid *gateway_id)
{
  if (g_hash_table_foreach_remove (self->records, is_of_gateway, (gpointer) gateway_id) > 0)
    self->has_changed = true;
}

void
fz_dns_nat_remove_resource (FzDnsNat *self, const FzUuid *resource_id)
{
  if (g_hash_table_foreach_remove (self->records, is_of_resource, (gpointer) resource_id) > 0)
    self->has_changed = true;
}

bool
fz_dns_nat_poll_changed (FzDnsNat *self)
{
  bool has_changed = self->has_changed;

  self->has_changed = false;
  return has_changed;
}

/* -- time -- */

bool
fz_dns_nat_poll_repeat (FzDnsNat *self, FzInstant now, FzDnsNatKey *out)
{
  FzInstant next = FZ_INSTANT_NEVER;
  GHashTableIter iter;
  gpointer value;

  if (now < self->next)
    return false;
  g_hash_table_iter_init (&iter, self->records);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Record *record = value;

    if (get_deadline (record) <= now) {
      record->n_repeats++;
      note_sent (self, record, now);
      *out = record->key;
      return true;
    }
    next = fz_instant_min (next, get_deadline (record));
  }
  self->next = next;
  return false;
}

FzInstant
fz_dns_nat_next_timeout (const FzDnsNat *self)
{
  return self->next;
}

void
fz_dns_nat_foreach (const FzDnsNat *self,
                    const FzUuid *gateway_id,
                    void (*visit) (const FzDnsNatKey *key, void *context),
                    void *context)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->records);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Record *record = value;

    if (fz_uuid_equal (&record->key.gateway_id, gateway_id))
      visit (&record->key, context);
  }
}
