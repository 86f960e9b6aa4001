/* fz-pending.c
 *
 * References are 16 random bytes and an HMAC over them and the gateway's id,
 * with a key that lives as long as the process.
 */
#include "src/server/fz-pending.h"

#include "src/crypto/fz-crypto.h"

#include <string.h>

#define NONCE_SIZE 16u
#define MAC_SIZE   16u
#define REF_SIZE   (NONCE_SIZE + MAC_SIZE)

typedef struct {
  FzPending view;
  char *ref;
  char *client_id;
  char *resource_id;
  char *gateway_id;
  guint timer_id;
  FzPendingTable *table;
} FzPendingEntry;

struct FzPendingTable {
  GHashTable *by_ref;    /* ref → FzPendingEntry, owned */
  GHashTable *by_target; /* "client resource" → the same */
  FzRng rng;
  uint8_t key[FZ_KEY_SIZE];
  unsigned timeout_ms;
  void (*timed_out) (const FzPending *pending, void *context);
  void *context;
};

static char *
target_of (const char *client_id, const char *resource_id)
{
  return g_strdup_printf ("%s %s", client_id, resource_id);
}

static void
entry_free (gpointer data)
{
  FzPendingEntry *entry = data;

  g_clear_handle_id (&entry->timer_id, g_source_remove);
  json_object_unref (entry->view.answer);
  g_free (entry->ref);
  g_free (entry->client_id);
  g_free (entry->resource_id);
  g_free (entry->gateway_id);
  g_free (entry);
}

FzPendingTable *
fz_pending_table_new (const FzRng *rng,
                      unsigned timeout_ms,
                      void (*timed_out) (const FzPending *pending, void *context),
                      void *context)
{
  FzPendingTable *self = g_new0 (FzPendingTable, 1);

  self->by_ref = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  self->by_target = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->rng = *rng;
  self->timeout_ms = timeout_ms;
  self->timed_out = timed_out;
  self->context = context;
  fz_rng_fill (rng, self->key, sizeof self->key);
  return self;
}

void
fz_pending_table_free (FzPendingTable *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_target);
  g_hash_table_unref (self->by_ref);
  fz_wipe (self->key, sizeof self->key);
  g_free (self);
}

/* Out of the table, but alive. */
static void
detach (FzPendingTable *self, FzPendingEntry *entry)
{
  g_autofree char *target = target_of (entry->client_id, entry->resource_id);

  g_hash_table_remove (self->by_target, target);
  g_hash_table_steal (self->by_ref, entry->ref);
}

static gboolean
on_timeout (gpointer user_data)
{
  FzPendingEntry *entry = user_data;
  FzPendingTable *self = entry->table;

  entry->timer_id = 0;
  detach (self, entry);
  self->timed_out (&entry->view, self->context);
  entry_free (entry);
  return G_SOURCE_REMOVE;
}

static void
sign (const FzPendingTable *self,
      const uint8_t nonce[NONCE_SIZE],
      const char *gateway_id,
      uint8_t out[MAC_SIZE])
{
  FzSpan data[] = { fz_span (nonce, NONCE_SIZE), fz_span (gateway_id, strlen (gateway_id)) };
  uint8_t mac[FZ_SHA256_SIZE];

  fz_hmac_sha256 (fz_span (self->key, sizeof self->key), data, G_N_ELEMENTS (data), mac);
  memcpy (out, mac, MAC_SIZE);
}

static char *
make_ref (const FzPendingTable *self, const char *gateway_id)
{
  uint8_t ref[REF_SIZE];

  fz_rng_fill (&self->rng, ref, NONCE_SIZE);
  sign (self, ref, gateway_id, ref + NONCE_SIZE);
  return g_base64_encode (ref, sizeof ref);
}

static bool
is_ours (const FzPendingTable *self, const char *ref, const char *gateway_id)
{
  uint8_t mac[MAC_SIZE];
  gsize length = 0;
  g_autofree uint8_t *data = NULL;

  if (strlen (ref) > 2 * REF_SIZE)
    return false;
  data = g_base64_decode (ref, &length);
  if (length != REF_SIZE)
    return false;
  sign (self, data, gateway_id, mac);
  return fz_equal_constant_time (mac, data + NONCE_SIZE, MAC_SIZE);
}

void
fz_pending_table_drop (FzPendingTable *self, const char *client_id, const char *resource_id)
{
  g_autofree char *target = target_of (client_id, resource_id);
  FzPendingEntry *entry = g_hash_table_lookup (self->by_target, target);

  if (entry == NULL)
    return;
  detach (self, entry);
  entry_free (entry);
}

char *
fz_pending_table_add (FzPendingTable *self,
                      const char *client_id,
                      const char *resource_id,
                      const char *gateway_id,
                      JsonObject *answer)
{
  FzPendingEntry *entry = g_new0 (FzPendingEntry, 1);

  fz_pending_table_drop (self, client_id, resource_id);
  entry->table = self;
  entry->ref = make_ref (self, gateway_id);
  entry->client_id = g_strdup (client_id);
  entry->resource_id = g_strdup (resource_id);
  entry->gateway_id = g_strdup (gateway_id);
  entry->view = (FzPending){ entry->client_id, entry->resource_id, entry->gateway_id, answer };
  entry->timer_id = g_timeout_add (self->timeout_ms, on_timeout, entry);
  g_hash_table_insert (self->by_ref, entry->ref, entry);
  g_hash_table_insert (self->by_target, target_of (client_id, resource_id), entry);
  return g_strdup (entry->ref);
}

FzPendingResult
fz_pending_table_take (FzPendingTable *self,
                       const char *ref,
                       const char *gateway_id,
                       void (*use) (const FzPending *pending, void *context),
                       void *context)
{
  FzPendingEntry *entry;

  if (!is_ours (self, ref, gateway_id))
    return FZ_PENDING_FORGED;
  entry = g_hash_table_lookup (self->by_ref, ref);
  if (entry == NULL)
    return FZ_PENDING_LATE;
  detach (self, entry);
  use (&entry->view, context);
  entry_free (entry);
  return FZ_PENDING_FOUND;
}

void
fz_pending_table_drop_client (FzPendingTable *self, const char *client_id)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->by_ref);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (strcmp (((FzPendingEntry *) value)->client_id, client_id) == 0)
      g_ptr_array_add (entries, value);
  for (unsigned i = 0; i < entries->len; i++) {
    detach (self, g_ptr_array_index (entries, i));
    entry_free (g_ptr_array_index (entries, i));
  }
}

unsigned
fz_pending_table_count (const FzPendingTable *self)
{
  return g_hash_table_size (self->by_ref);
}
