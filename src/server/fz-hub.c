/* fz-hub.c
 *
 * The registry of channels and the reconciliation that follows every change.
 * Deletions are pushed before additions, gateways before clients: access ends
 * where it is enforced first.
 */
#include "src/server/fz-hub.h"

#include "src/server/fz-hub-private.h"

#include <string.h>

#define RETRY_S 2u /* after the store failed in the middle of a reconcile */

FzHubConfig
fz_hub_config_default (void)
{
  return (FzHubConfig){
    .external_url = "https://localhost/",
    .peer_idle_s = 37,
    .relay_idle_s = 41,
    .authorization_wait_ms = 15000,
    .presence_debounce_ms = 1000,
    .recompute_s = 60,
    .max_sockets = 10000,
  };
}

void
fz_hub_log_error (FzHub *self, const char *doing, const GError *error)
{
  fz_log (&self->log,
          FZ_LOG_ERROR,
          "store-failed",
          "the database failed us",
          FZ_KV_TEXT ("doing", doing),
          FZ_KV_TEXT ("error", error->message));
}

/* -- relays -- */

static void
collect_sockets (GHashTable *table, GPtrArray *out)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (out, fz_socket_ref (value));
}

/* Channels may leave while we walk over them, so we walk over a copy. */
static GPtrArray *
snapshot (GHashTable *table)
{
  GPtrArray *list =
      g_ptr_array_new_with_free_func ((GDestroyNotify) (void (*) (void)) fz_socket_unref);

  collect_sockets (table, list);
  return list;
}

static void
on_relays_changed (void *context)
{
  FzHub *self = context;
  g_autoptr (GPtrArray) gateways = snapshot (self->gateways);
  g_autoptr (GPtrArray) clients = snapshot (self->clients);

  for (unsigned i = 0; i < gateways->len; i++) {
    FzGatewayChannel *channel = fz_socket_channel (g_ptr_array_index (gateways, i));

    if (channel != NULL)
      fz_gateway_channel_relays_changed (channel);
  }
  for (unsigned i = 0; i < clients->len; i++) {
    FzClientChannel *channel = fz_socket_channel (g_ptr_array_index (clients, i));

    if (channel != NULL)
      fz_client_channel_relays_changed (channel);
  }
}

void
fz_hub_add_relay (FzHub *self, const FzRelay *relay)
{
  fz_relay_table_put (self->relay_table, relay);
}

typedef struct {
  GHashTable *known;  /* ids in the table that came from the database */
  GHashTable *wanted; /* ids in the database */
} FzRelaySweep;

static void
note_stored (const FzRelay *relay, void *context)
{
  FzRelaySweep *sweep = context;

  if (relay->origin == FZ_RELAY_STORED)
    g_hash_table_add (sweep->known, g_strdup (relay->id));
}

static bool
reconcile_relays (FzHub *self, GError **error)
{
  g_autoptr (GPtrArray) rows = fz_store_relays (self->store, error);
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) wanted = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer id;

  if (rows == NULL)
    return false;
  fz_relay_table_foreach (self->relay_table, note_stored, &(FzRelaySweep){ known, wanted });
  for (unsigned i = 0; i < rows->len; i++) {
    FzStaticRelay *row = g_ptr_array_index (rows, i);

    g_hash_table_add (wanted, row->id);
    if (!g_hash_table_contains (known, row->id))
      fz_relay_table_put (
          self->relay_table,
          &(FzRelay){ FZ_RELAY_STORED, row->id, row->ipv4, row->ipv6, row->secret });
  }
  g_hash_table_iter_init (&iter, known);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (wanted, id))
      fz_relay_table_remove (self->relay_table, id);
  return true;
}

/* -- sockets -- */

FzClientChannel *
fz_hub_find_client (FzHub *self, const char *device_id)
{
  FzSocket *socket = g_hash_table_lookup (self->clients, device_id);

  return socket != NULL ? fz_socket_channel (socket) : NULL;
}

FzGatewayChannel *
fz_hub_find_gateway (FzHub *self, const char *device_id)
{
  FzSocket *socket = g_hash_table_lookup (self->gateways, device_id);

  return socket != NULL ? fz_socket_channel (socket) : NULL;
}

bool
fz_hub_is_online (FzHub *self, const char *device_id)
{
  return g_hash_table_contains (self->clients, device_id) ||
         g_hash_table_contains (self->gateways, device_id);
}

bool
fz_hub_is_gateway_connected (const char *gateway_id, void *hub)
{
  FzHub *self = hub;

  return g_hash_table_contains (self->gateways, gateway_id);
}

bool
fz_hub_is_full (const FzHub *self)
{
  return self->sockets->len >= self->config.max_sockets;
}

static void
on_socket_closed (FzSocket *socket, void *hub)
{
  FzHub *self = hub;
  const FzSession *session = fz_socket_session (socket);

  fz_log (&self->log,
          FZ_LOG_INFO,
          "peer-disconnected",
          "a peer has disconnected",
          FZ_KV_TEXT ("role", fz_role_name (session->role)),
          FZ_KV_TEXT ("id", session->device != NULL ? session->device->id : NULL),
          FZ_KV_TEXT ("remote_ip", session->remote_ip));
  g_ptr_array_remove_fast (self->sockets, socket);
}

void
fz_hub_accept (FzHub *self, SoupWebsocketConnection *connection, FzSession *session)
{
  static const FzChannelKind *const kinds[] = {
    [FZ_ROLE_CLIENT] = &fz_client_channel_kind,
    [FZ_ROLE_GATEWAY] = &fz_gateway_channel_kind,
    [FZ_ROLE_RELAY] = &fz_relay_channel_kind,
  };
  unsigned idle_s =
      session->role == FZ_ROLE_RELAY ? self->config.relay_idle_s : self->config.peer_idle_s;

  fz_log (&self->log,
          FZ_LOG_INFO,
          "peer-connected",
          "a peer has connected",
          FZ_KV_TEXT ("role", fz_role_name (session->role)),
          FZ_KV_TEXT ("id", session->device != NULL ? session->device->id : NULL),
          FZ_KV_TEXT ("version", session->version_text),
          FZ_KV_TEXT ("remote_ip", session->remote_ip));
  g_ptr_array_add (
      self->sockets,
      fz_socket_new (
          connection, session, kinds[session->role], idle_s, self, &self->log, on_socket_closed));
}

/* Its token is as good as before once the account is back: it must not throw it away. */
static bool
is_account_disabled (FzHub *self, const FzSession *session)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzAccount) account =
      session->token->account_id != NULL
          ? fz_store_account_load (self->store, session->token->account_id, &error)
          : NULL;

  return account != NULL && account->is_disabled;
}

bool
fz_hub_check_token (FzHub *self, FzSocket *socket)
{
  const FzSession *session = fz_socket_session (socket);
  g_autoptr (GError) error = NULL;
  bool is_valid = false;

  if (!fz_store_token_is_valid (
          self->store, session->token->id, fz_store_now (), &is_valid, &error)) {
    fz_hub_log_error (self, "checking a token", error);
    return true; /* not the peer's fault; the next reconcile looks again */
  }
  if (is_valid)
    return true;
  if (is_account_disabled (self, session)) {
    fz_socket_close (socket, "the account is disabled"); /* tries again, and is told so */
    return false;
  }
  fz_log (&self->log,
          FZ_LOG_INFO,
          "token-ended",
          "a token has expired or was revoked, its connection ends",
          FZ_KV_TEXT ("role", fz_role_name (session->role)),
          FZ_KV_TEXT ("id", session->device != NULL ? session->device->id : NULL));
  fz_socket_disconnect (socket, "token_expired");
  return false;
}

/* -- reconciling -- */

static void
note_revoked (GHashTable *by_client, const FzRevocation *revocation)
{
  GHashTable *resources = g_hash_table_lookup (by_client, revocation->client_id);

  if (resources == NULL) {
    resources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_insert (by_client, g_strdup (revocation->client_id), resources);
  }
  g_hash_table_add (resources, g_strdup (revocation->resource_id));
}

/* Natural expiry is silent: both ends enforce it themselves. */
static void
announce_revocations (FzHub *self, GPtrArray *revocations, GHashTable *by_client)
{
  int64_t now = fz_store_now ();

  for (unsigned i = 0; i < revocations->len; i++) {
    const FzRevocation *revocation = g_ptr_array_index (revocations, i);
    FzGatewayChannel *gateway;

    if (revocation->expires_at <= now)
      continue;
    fz_pending_table_drop (self->pending, revocation->client_id, revocation->resource_id);
    gateway = fz_hub_find_gateway (self, revocation->receiver_id);
    if (gateway != NULL)
      fz_gateway_channel_reject (gateway, revocation->client_id, revocation->resource_id);
    note_revoked (by_client, revocation);
  }
}

static void
reconcile_channels (FzHub *self, GHashTable *revoked_by_client)
{
  g_autoptr (GPtrArray) relays = snapshot (self->relays);
  g_autoptr (GPtrArray) gateways = snapshot (self->gateways);
  g_autoptr (GPtrArray) clients = snapshot (self->clients);

  for (unsigned i = 0; i < relays->len; i++)
    fz_hub_check_token (self, g_ptr_array_index (relays, i));
  for (unsigned i = 0; i < gateways->len; i++) {
    FzSocket *socket = g_ptr_array_index (gateways, i);

    if (fz_hub_check_token (self, socket) && fz_socket_channel (socket) != NULL)
      fz_gateway_channel_reconcile (fz_socket_channel (socket));
  }
  for (unsigned i = 0; i < clients->len; i++) {
    FzSocket *socket = g_ptr_array_index (clients, i);
    const char *device_id = fz_socket_session (socket)->device->id;

    if (fz_hub_check_token (self, socket) && fz_socket_channel (socket) != NULL)
      fz_client_channel_reconcile (fz_socket_channel (socket),
                                   g_hash_table_lookup (revoked_by_client, device_id));
  }
}

static gboolean
on_retry (gpointer user_data)
{
  FzHub *self = user_data;

  self->leftover_id = 0;
  fz_hub_reconcile (self);
  return G_SOURCE_REMOVE;
}

void
fz_hub_reconcile (FzHub *self)
{
  g_autoptr (GHashTable) revoked = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) (void (*) (void)) g_hash_table_unref);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) revocations = fz_store_take_revocations (self->store, &error);

  if (revocations == NULL) {
    fz_hub_log_error (self, "collecting revoked access", error);
    if (self->leftover_id == 0)
      self->leftover_id = g_timeout_add_seconds (RETRY_S, on_retry, self);
    return;
  }
  announce_revocations (self, revocations, revoked);
  if (!reconcile_relays (self, &error))
    fz_hub_log_error (self, "loading relays", error);
  reconcile_channels (self, revoked);
}

void
fz_hub_reconcile_soon (FzHub *self)
{
  if (self->leftover_id == 0)
    self->leftover_id = g_idle_add (on_retry, self);
}

static gboolean
on_recompute (gpointer user_data)
{
  FzHub *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!fz_store_purge (self->store, fz_store_now (), &error))
    fz_hub_log_error (self, "deleting what has expired", error);
  fz_hub_reconcile (self);
  return G_SOURCE_CONTINUE;
}

/* -- authorizations that wait -- */

static void
on_authorization_timeout (const FzPending *pending, void *context)
{
  FzHub *self = context;
  FzClientChannel *client = fz_hub_find_client (self, pending->client_id);

  fz_log (&self->log,
          FZ_LOG_WARNING,
          "gateway-silent",
          "a gateway did not answer an authorization in time",
          FZ_KV_TEXT ("gateway_id", pending->gateway_id),
          FZ_KV_TEXT ("client_id", pending->client_id));
  if (client != NULL)
    fz_client_channel_timed_out (client, pending);
}

/* -- life -- */

FzHub *
fz_hub_new (FzStore *store, const FzHubConfig *config, GError **error)
{
  g_autoptr (FzHub) self = g_new0 (FzHub, 1);
  g_autoptr (GPtrArray) stale = fz_store_take_revocations (store, error);

  self->store = store;
  self->config = *config;
  self->log = config->log;
  self->external_url = g_strdup (config->external_url);
  self->sockets =
      g_ptr_array_new_with_free_func ((GDestroyNotify) (void (*) (void)) fz_socket_unref);
  self->clients = g_hash_table_new (g_str_hash, g_str_equal);
  self->gateways = g_hash_table_new (g_str_hash, g_str_equal);
  self->relays = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->relay_table = fz_relay_table_new (config->presence_debounce_ms, on_relays_changed, self);
  self->pending = fz_pending_table_new (
      fz_store_rng (store), config->authorization_wait_ms, on_authorization_timeout, self);
  if (stale == NULL || !reconcile_relays (self, error))
    return NULL;
  self->recompute_id = g_timeout_add_seconds (config->recompute_s, on_recompute, self);
  return g_steal_pointer (&self);
}

void
fz_hub_close_all (FzHub *self)
{
  g_autoptr (GPtrArray) all =
      g_ptr_array_new_with_free_func ((GDestroyNotify) (void (*) (void)) fz_socket_unref);

  for (unsigned i = 0; i < self->sockets->len; i++)
    g_ptr_array_add (all, fz_socket_ref (g_ptr_array_index (self->sockets, i)));
  for (unsigned i = 0; i < all->len; i++)
    fz_socket_close (g_ptr_array_index (all, i), "the portal is stopping");
}

void
fz_hub_free (FzHub *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->recompute_id, g_source_remove);
  g_clear_handle_id (&self->leftover_id, g_source_remove);
  g_clear_pointer (&self->sockets, g_ptr_array_unref); /* channels leave, using all the rest */
  g_hash_table_unref (self->clients);
  g_hash_table_unref (self->gateways);
  g_hash_table_unref (self->relays);
  fz_pending_table_free (self->pending);
  fz_relay_table_free (self->relay_table);
  g_free (self->external_url);
  g_free (self);
}

/* -- what there is, for people -- */

JsonObject *
fz_hub_describe (FzHub *self)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "clients", g_hash_table_size (self->clients));
  json_object_set_int_member (object, "gateways", g_hash_table_size (self->gateways));
  json_object_set_int_member (object, "relays", fz_relay_table_count (self->relay_table));
  json_object_set_int_member (object, "pending", fz_pending_table_count (self->pending));
  return object;
}

static void
describe_relay (const FzRelay *relay, void *context)
{
  JsonObject *object;

  if (relay->origin == FZ_RELAY_STORED)
    return;
  object = json_object_new ();
  json_object_set_string_member (object, "id", relay->id);
  json_object_set_string_member (
      object, "name", relay->origin == FZ_RELAY_REGISTERED ? "(registered)" : "(command line)");
  json_object_set_string_member (object, "ipv4", relay->ipv4 != NULL ? relay->ipv4 : "");
  json_object_set_string_member (object, "ipv6", relay->ipv6 != NULL ? relay->ipv6 : "");
  json_array_add_object_element (context, object);
}

JsonArray *
fz_hub_list_relays (FzHub *self)
{
  JsonArray *array = json_array_new ();

  fz_relay_table_foreach (self->relay_table, describe_relay, array);
  return array;
}
