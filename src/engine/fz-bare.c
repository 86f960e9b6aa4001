/* fz-bare.c: see the header */

#include "src/engine/fz-bare.h"

#include "src/engine/fz-limits.h"
#include "src/engine/fz-packet-buffer.h"
#include "src/engine/fz-uuid-table.h"

typedef struct {
  FzUuid id;
  GArray *allowed;         /* of FzIpNetwork */
  FzPacketBuffer *waiting; /* packets from before there was a session; NULL: none */
} Peer;

struct FzBare {
  FzRoleContext *context;
  GHashTable *peers; /* of Peer */
  FzPolicy *policy;  /* allowed networks to peers, for our own lookups; NULL: rebuild */
};

static void
free_peer (void *data)
{
  Peer *peer = data;

  g_array_unref (peer->allowed);
  g_clear_pointer (&peer->waiting, fz_packet_buffer_free);
  g_free (peer);
}

FzBare *
fz_bare_new (FzRoleContext *context)
{
  FzBare *self = g_new0 (FzBare, 1);

  self->context = context;
  self->peers = fz_uuid_table_new (free_peer);
  return self;
}

void
fz_bare_free (FzBare *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->peers);
  g_clear_pointer (&self->policy, fz_policy_free);
  g_free (self);
}

static bool
is_host (const FzIpNetwork *network)
{
  return network->prefix_length == 8 * fz_ip_size (&network->ip);
}

/* Its networks; single addresses are the node's. */
static void
add_entries (const Peer *peer, FzPeer *target, GArray *entries)
{
  for (guint i = 0; i < peer->allowed->len; i++) {
    FzPolicyEntry entry = {
      .network = g_array_index (peer->allowed, FzIpNetwork, i),
      .resource = peer->id, /* of equal networks the higher id wins, here and in the lanes */
      .peer = target,
    };

    if (!is_host (&entry.network))
      g_array_append_val (entries, entry);
  }
}

/* Whether lanes find it by the routes: then these change with it. */
static bool
has_routes (const Peer *peer)
{
  for (guint i = 0; peer != NULL && i < peer->allowed->len; i++)
    if (!is_host (&g_array_index (peer->allowed, FzIpNetwork, i)))
      return true;
  return false;
}

static void
note_routes (FzBare *self)
{
  g_clear_pointer (&self->policy, fz_policy_free);
  self->context->are_routes_changed = true;
}

static void
set_hosts (FzBare *self, const Peer *peer, FzConnection *connection)
{
  g_autoptr (GArray) ips = g_array_new (FALSE, FALSE, sizeof (FzIp));

  for (guint i = 0; i < peer->allowed->len; i++) {
    const FzIpNetwork *network = &g_array_index (peer->allowed, FzIpNetwork, i);

    if (is_host (network))
      g_array_append_val (ips, network->ip);
  }
  fz_node_set_hosts (self->context->node, connection, (const FzIp *) ips->data, ips->len);
}

void
fz_bare_add_routes (FzBare *self, GArray *entries)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Peer *peer = value;
    FzConnection *connection = fz_node_find (self->context->node, &peer->id);

    add_entries (peer, connection != NULL ? fz_connection_get_peer (connection) : NULL, entries);
  }
}

void
fz_bare_add_networks (const FzBare *self, GArray *networks)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Peer *peer = value;

    g_array_append_vals (networks, peer->allowed->data, peer->allowed->len);
  }
}

static const FzPolicy *
get_policy (FzBare *self)
{
  g_autoptr (GArray) entries = NULL;

  if (self->policy == NULL) {
    entries = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));
    fz_bare_add_routes (self, entries);
    self->policy = fz_policy_new ((const FzPolicyEntry *) entries->data, entries->len);
  }
  return self->policy;
}

/* -- commands -- */

static void
put_peer (FzBare *self, const FzCommand *command, FzConnection *connection)
{
  Peer *peer = g_new0 (Peer, 1);
  bool had_routes = has_routes (g_hash_table_lookup (self->peers, &command->bare_peer.id));

  peer->id = command->bare_peer.id;
  peer->allowed = g_array_new (FALSE, FALSE, sizeof (FzIpNetwork));
  g_array_append_vals (
      peer->allowed, command->bare_peer.allowed, (guint) command->bare_peer.n_allowed);
  g_hash_table_replace (self->peers, &peer->id, peer);

  set_hosts (self, peer, connection);
  if (had_routes || has_routes (peer))
    note_routes (self);
  self->context->is_interface_changed = true;
}

static bool
add_peer (FzBare *self, const FzCommand *command, FzInstant now, GError **error)
{
  FzBareRequest request = {
    .id = command->bare_peer.id,
    .public_key = command->bare_peer.public_key,
    .preshared_key = command->bare_peer.preshared_key,
    .endpoint = command->bare_peer.endpoint,
    .keepalive_s = command->bare_peer.keepalive_s,
  };
  FzConnection *connection = NULL;

  if (command->bare_peer.n_allowed > FZ_ALLOWED_MAX) {
    g_set_error (error,
                 FZ_ENGINE_ERROR,
                 FZ_ENGINE_ERROR_TOO_MANY,
                 "%zu allowed networks, at most %u are possible",
                 command->bare_peer.n_allowed,
                 FZ_ALLOWED_MAX);
    return false;
  }
  switch (fz_node_add_bare (self->context->node, &request, now, &connection)) {
  case FZ_UPSERT_DONE:
    put_peer (self, command, connection);
    return true;
  case FZ_UPSERT_TOO_MANY:
    g_set_error_literal (
        error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_TOO_MANY, "no room for another peer");
    return false;
  case FZ_UPSERT_BAD_KEY:
  case FZ_UPSERT_NO_RELAYS: /* bare peers need none */
    break;
  }
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, "public key of the peer is no key");
  return false;
}

bool
fz_bare_handle_command (FzBare *self, const FzCommand *command, FzInstant now, GError **error)
{
  if (command->kind == FZ_COMMAND_ADD_BARE_PEER)
    return add_peer (self, command, now, error);
  if (command->kind == FZ_COMMAND_CONFIG_CHANGED) {
    if (!fz_interface_check (&command->config_changed, error))
      return false;
    fz_role_set_interface (self->context, &command->config_changed);
    return true;
  }
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_WRONG_ROLE, "command is not for bare WireGuard");
  return false;
}

/* -- packets -- */

static void
send_or_keep (FzBare *self, Peer *peer, const FzIpPacket *packet, FzInstant now)
{
  FzConnection *connection = fz_node_find (self->context->node, &peer->id);

  if (fz_role_send_or_keep (self->context, connection, packet, &peer->waiting, now))
    fz_node_start_handshake (self->context->node, connection, now);
}

void
fz_bare_handle_packet (FzBare *self, FzSpan bytes, FzInstant now)
{
  const FzPolicyEntry *entry = NULL;
  const FzPeer *host;
  FzIpPacket packet;
  FzFlow flow;
  FzDrop reason = fz_ip_packet_parse (bytes, &packet);

  if (reason != FZ_DROP_NONE) {
    fz_role_drop (self->context, reason);
    return;
  }
  flow = fz_flow_from_packet (&packet);
  host = fz_peer_table_find_host (fz_node_get_peers (self->context->node), &flow.destination);
  if (host != NULL) {
    send_or_keep (self, g_hash_table_lookup (self->peers, &host->id), &packet, now);
    return;
  }
  if (fz_policy_lookup (
          get_policy (self), &flow.destination, fz_flow_key_outbound (&flow), &entry) !=
      FZ_POLICY_ADMITTED) {
    fz_role_drop (self->context, FZ_DROP_NO_ROUTE);
    return;
  }
  send_or_keep (self, g_hash_table_lookup (self->peers, &entry->resource), &packet, now);
}

static void
flush (FzBare *self, Peer *peer, FzInstant now)
{
  g_autoptr (FzPacketBuffer) waiting = g_steal_pointer (&peer->waiting);
  FzSpan packet;

  while (waiting != NULL && fz_packet_buffer_pop (waiting, &packet))
    fz_bare_handle_packet (self, packet, now);
}

void
fz_bare_handle_node_event (FzBare *self, const FzNodeEvent *event, FzInstant now)
{
  Peer *peer = g_hash_table_lookup (self->peers, &event->id);

  switch (event->kind) {
  case FZ_NODE_EVENT_ESTABLISHED:
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_CONNECTED, &event->id);
    flush (self, peer, now);
    return;
  case FZ_NODE_EVENT_SESSION:
    flush (self, peer, now);
    return;
  case FZ_NODE_EVENT_PATH_CHANGED:
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_PATH_CHANGED, &event->id);
    return;
  case FZ_NODE_EVENT_SILENT: /* what waited has waited long enough */
    g_clear_pointer (&peer->waiting, fz_packet_buffer_free);
    return;
  case FZ_NODE_EVENT_FAILED:
  case FZ_NODE_EVENT_CLOSED:
    fz_role_push_peer_event (self->context, FZ_EVENT_PEER_DISCONNECTED, &event->id);
    if (has_routes (peer))
      note_routes (self);
    g_hash_table_remove (self->peers, &event->id);
    return;
  case FZ_NODE_EVENT_NO_RELAYS:
  case FZ_NODE_EVENT_ADDRESS_TAKEN:
    return;
  }
}
