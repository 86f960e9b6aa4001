/* fz-relay-table.c
 *
 * Relays online, and who was given which.
 */
#include "src/server/fz-relay-table.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-derive.h"

#include <string.h>

struct FzRelayTable {
  GHashTable *relays; /* id → FzRelay */
  unsigned debounce_ms;
  guint debounce_id;
  void (*changed) (void *context);
  void *context;
};

static void
relay_free (gpointer data)
{
  FzRelay *relay = data;

  g_free (relay->id);
  g_free (relay->ipv4);
  g_free (relay->ipv6);
  if (relay->secret != NULL)
    fz_wipe (relay->secret, strlen (relay->secret));
  g_free (relay->secret);
  g_free (relay);
}

FzRelayTable *
fz_relay_table_new (unsigned debounce_ms, void (*changed) (void *context), void *context)
{
  FzRelayTable *self = g_new0 (FzRelayTable, 1);

  self->relays = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, relay_free);
  self->debounce_ms = debounce_ms;
  self->changed = changed;
  self->context = context;
  return self;
}

void
fz_relay_table_free (FzRelayTable *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->debounce_id, g_source_remove);
  g_hash_table_unref (self->relays);
  g_free (self);
}

static gboolean
on_quiet (gpointer user_data)
{
  FzRelayTable *self = user_data;

  self->debounce_id = 0;
  self->changed (self->context);
  return G_SOURCE_REMOVE;
}

static void
note_change (FzRelayTable *self)
{
  g_clear_handle_id (&self->debounce_id, g_source_remove);
  self->debounce_id = g_timeout_add (self->debounce_ms, on_quiet, self);
}

void
fz_relay_table_put (FzRelayTable *self, const FzRelay *relay)
{
  FzRelay *copy = g_new0 (FzRelay, 1);

  copy->id = g_strdup (relay->id);
  copy->ipv4 = g_strdup (relay->ipv4);
  copy->ipv6 = g_strdup (relay->ipv6);
  copy->secret = g_strdup (relay->secret);
  copy->origin = relay->origin;
  g_hash_table_replace (self->relays, copy->id, copy);
  note_change (self);
}

void
fz_relay_table_remove (FzRelayTable *self, const char *id)
{
  if (g_hash_table_remove (self->relays, id))
    note_change (self);
}

unsigned
fz_relay_table_count (const FzRelayTable *self)
{
  return g_hash_table_size (self->relays);
}

void
fz_relay_table_foreach (FzRelayTable *self,
                        void (*visit) (const FzRelay *relay, void *context),
                        void *context)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->relays);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    visit (value, context);
}

/* -- views -- */

void
fz_relay_view_init (FzRelayView *self,
                    const char *device_id,
                    const char *public_key,
                    int64_t expires_at)
{
  self->device_id = device_id;
  self->public_key = public_key;
  self->expires_at = expires_at;
  self->given = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
fz_relay_view_clear (FzRelayView *self)
{
  g_clear_pointer (&self->given, g_hash_table_unref);
}

/* Highest random weight: each pair of device and relay has a fixed rank. */
static uint64_t
rank_of (const char *device_id, const FzRelay *relay)
{
  FzSpan data[] = {
    fz_span (device_id, strlen (device_id)),
    fz_span (relay->id, strlen (relay->id)),
  };
  uint8_t hash[FZ_SHA256_SIZE];
  uint64_t rank;

  fz_sha256 (data, G_N_ELEMENTS (data), hash);
  memcpy (&rank, hash, sizeof rank);
  return rank;
}

static size_t
choose (const FzRelayView *self, FzRelayTable *table, const FzRelay *out[FZ_RELAYS_PER_PEER])
{
  uint64_t ranks[FZ_RELAYS_PER_PEER];
  size_t n = 0;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table->relays);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    uint64_t rank = rank_of (self->device_id, value);
    size_t at = n;

    while (at > 0 && ranks[at - 1] < rank)
      at--;
    if (at == FZ_RELAYS_PER_PEER)
      continue;
    if (n < FZ_RELAYS_PER_PEER)
      n++;
    for (size_t i = n - 1; i > at; i--) {
      ranks[i] = ranks[i - 1];
      out[i] = out[i - 1];
    }
    ranks[at] = rank;
    out[at] = value;
  }
  return n;
}

static void
add_entry (JsonArray *array,
           const FzRelay *relay,
           const char *address,
           const char *username,
           const char *password,
           int64_t expires_at)
{
  JsonObject *entry;

  if (address == NULL)
    return;
  entry = json_object_new ();
  json_object_set_string_member (entry, "id", relay->id);
  json_object_set_string_member (entry, "type", "turn");
  json_object_set_string_member (entry, "addr", address);
  json_object_set_string_member (entry, "username", username);
  json_object_set_string_member (entry, "password", password);
  json_object_set_int_member (entry, "expires_at", expires_at);
  json_array_add_object_element (array, entry);
}

/* The two entries of a dual-stack relay must be neighbours: readers merge only those. */
static void
add_relay (JsonArray *array, const FzRelayView *view, const FzRelay *relay)
{
  g_autofree char *username = fz_derive_turn_username (view->expires_at, view->public_key);
  g_autofree char *password = relay->origin == FZ_RELAY_REGISTERED
                                  ? fz_derive_turn_password (relay->secret, username)
                                  : fz_derive_turn_rest_password (relay->secret, username);

  add_entry (array, relay, relay->ipv4, username, password, view->expires_at);
  add_entry (array, relay, relay->ipv6, username, password, view->expires_at);
}

JsonArray *
fz_relay_view_choose (FzRelayView *self, FzRelayTable *table)
{
  const FzRelay *relays[FZ_RELAYS_PER_PEER];
  size_t n = choose (self, table, relays);
  JsonArray *array = json_array_new ();

  g_hash_table_remove_all (self->given);
  for (size_t i = 0; i < n; i++) {
    add_relay (array, self, relays[i]);
    g_hash_table_add (self->given, g_strdup (relays[i]->id));
  }
  return array;
}

static JsonObject *
presence (FzRelayView *self, FzRelayTable *table, JsonArray *disconnected)
{
  JsonObject *payload = json_object_new ();

  json_object_set_array_member (payload, "disconnected_ids", disconnected);
  json_object_set_array_member (payload, "connected", fz_relay_view_choose (self, table));
  return payload;
}

JsonObject *
fz_relay_view_refresh (FzRelayView *self, FzRelayTable *table)
{
  return presence (self, table, json_array_new ());
}

JsonObject *
fz_relay_view_update (FzRelayView *self, FzRelayTable *table)
{
  g_autoptr (JsonArray) gone = json_array_new ();
  unsigned n_given = g_hash_table_size (self->given);
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, self->given);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (table->relays, id))
      json_array_add_string_element (gone, id);

  /* With fewer than two, another one is welcome; if there is no other, nothing is new. */
  if (json_array_get_length (gone) == 0 &&
      (n_given >= FZ_RELAYS_PER_PEER || fz_relay_table_count (table) <= n_given))
    return NULL;
  return presence (self, table, g_steal_pointer (&gone));
}
