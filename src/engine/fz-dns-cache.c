/* fz-dns-cache.c: see the header */

#include "src/engine/fz-dns-cache.h"

#include <string.h>

typedef struct {
  uint16_t type;
  uint16_t class_;
  char name[FZ_DNS_NAME_MAX];
  FzInstant put_at;
  FzInstant ends_at;
  GByteArray *message; /* without authorities and additional records */
  size_t question_size;
} Entry;

struct FzDnsCache {
  GHashTable *entries; /* of Entry, to itself */
  uint64_t n_clears;
  GByteArray *served;
};

static guint
hash_entry (gconstpointer key)
{
  const Entry *entry = key;

  return g_str_hash (entry->name) * 31 + entry->type;
}

static gboolean
are_entries_equal (gconstpointer a, gconstpointer b)
{
  const Entry *entry_a = a, *entry_b = b;

  return entry_a->type == entry_b->type && entry_a->class_ == entry_b->class_ &&
         strcmp (entry_a->name, entry_b->name) == 0;
}

static void
free_entry (void *data)
{
  Entry *entry = data;

  g_byte_array_unref (entry->message);
  g_free (entry);
}

FzDnsCache *
fz_dns_cache_new (void)
{
  FzDnsCache *self = g_new0 (FzDnsCache, 1);

  self->entries = g_hash_table_new_full (hash_entry, are_entries_equal, NULL, free_entry);
  self->served = g_byte_array_new ();
  return self;
}

void
fz_dns_cache_free (FzDnsCache *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->entries);
  g_byte_array_unref (self->served);
  g_free (self);
}

void
fz_dns_cache_clear (FzDnsCache *self)
{
  g_hash_table_remove_all (self->entries);
  self->n_clears++;
}

uint64_t
fz_dns_cache_get_n_clears (const FzDnsCache *self)
{
  return self->n_clears;
}

static void
make_room (FzDnsCache *self, FzInstant now)
{
  const Entry *first = NULL;
  GHashTableIter iter;
  gpointer value;

  if (g_hash_table_size (self->entries) < FZ_DNS_CACHE_ENTRIES_MAX)
    return;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Entry *entry = value;

    if (entry->ends_at <= now)
      g_hash_table_iter_remove (&iter);
    else if (first == NULL || entry->ends_at < first->ends_at)
      first = entry;
  }
  if (g_hash_table_size (self->entries) >= FZ_DNS_CACHE_ENTRIES_MAX)
    g_hash_table_remove (self->entries, first);
}

static bool
may_keep (const FzDnsQuery *query, const FzDnsReply *reply)
{
  return query->name[0] != '\0' && reply->code == FZ_DNS_NO_ERROR && !reply->is_truncated &&
         reply->question_size == query->question_size && reply->type == query->type &&
         reply->n_of_type > 0 && reply->least_ttl_s >= FZ_DNS_CACHE_TTL_MIN_S;
}

void
fz_dns_cache_put (
    FzDnsCache *self, const FzDnsQuery *query, FzSpan reply, uint64_t as_of, FzInstant now)
{
  FzDnsReply parsed;
  Entry *entry;
  size_t size;

  if (as_of != self->n_clears || fz_dns_parse_reply (reply, &parsed) != FZ_DROP_NONE ||
      !may_keep (query, &parsed))
    return;
  size = FZ_DNS_HEADER_SIZE + parsed.question_size + parsed.answers_size;
  if (size > FZ_DNS_CACHE_BYTES_MAX)
    return;
  make_room (self, now);

  entry = g_new0 (Entry, 1);
  entry->type = query->type;
  entry->class_ = query->class_;
  g_strlcpy (entry->name, query->name, sizeof entry->name);
  entry->put_at = now;
  entry->ends_at = fz_instant_add (now, parsed.least_ttl_s * FZ_S);
  entry->question_size = parsed.question_size;
  entry->message = g_byte_array_new ();
  g_byte_array_append (entry->message, reply.data, (guint) size);
  memset (entry->message->data + 8, 0, 4); /* counts of authorities and additional records */
  g_hash_table_replace (self->entries, entry, entry);
}

bool
fz_dns_cache_get (
    FzDnsCache *self, FzSpan message, const FzDnsQuery *query, FzInstant now, FzSpan *out)
{
  Entry key = { .type = query->type, .class_ = query->class_ };
  const Entry *entry;
  uint64_t age_s;

  g_strlcpy (key.name, query->name, sizeof key.name);
  entry = g_hash_table_lookup (self->entries, &key);
  if (entry == NULL)
    return false;
  if (entry->ends_at <= now) {
    g_hash_table_remove (self->entries, &key);
    return false;
  }
  age_s = fz_instant_since (entry->put_at, now) / FZ_S;
  g_byte_array_set_size (self->served, 0);
  g_byte_array_append (self->served, entry->message->data, entry->message->len);
  fz_dns_age (self->served->data, self->served->len, (uint32_t) age_s);
  fz_dns_set_id (self->served->data, query->id);
  memcpy (self->served->data + FZ_DNS_HEADER_SIZE,
          message.data + FZ_DNS_HEADER_SIZE,
          entry->question_size);
  *out = fz_span (self->served->data, self->served->len);
  return true;
}
