/* fz-engine.c: see the header
 *
 * The engine joins the parts: it checks and routes commands, hands what lanes
 * pass on to node or role, lets the role see what the node reports, and makes
 * the snapshot that lanes read. Whatever is decided, is decided below.
 */

#include "src/engine/fz-engine.h"

#include "src/dataplane/fz-lane.h"
#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-bare.h"
#include "src/engine/fz-client.h"
#include "src/engine/fz-gateway.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-role.h"

#include <string.h>

struct FzEngine {
  FzRole role;
  FzPublished *published;
  FzFlowMarks *contacts; /* whom we wrote to; @published's */
  FzRng rng;
  FzRoleContext context;
  FzCandidateOutbox *outbox;
  FzClient *client; /* of these three the one of our role */
  FzGateway *gateway;
  FzBare *bare;
  GArray *networks;            /* of FzIpNetwork: routes of the TUN at the last event */
  FzInterface *told_interface; /* at the last event; NULL: never */
  uint64_t told_sentinels;     /* serial at the last event */
  GArray *relay_views;         /* of FzRelayView */
  bool do_routes_name_peers;   /* the current snapshot's */
  uint64_t unix_ns_at_zero;
};

/* -- construction -- */

#define CONTACT_BITS                                                                               \
  (UINT32_C (1) << 14) /* of a client, which knows a few; bare peers are few, too */

/* They outlive this engine, as lanes may. */
static FzFlowMarks *
share_marks (_Atomic (FzFlowMarks *) *shared, uint32_t bits)
{
  FzFlowMarks *marks = atomic_load_explicit (shared, memory_order_relaxed);

  if (marks == NULL) {
    marks = fz_flow_marks_new (bits);
    atomic_store_explicit (shared, marks, memory_order_release);
  }
  return marks;
}

FzEngine *
fz_engine_new (const FzEngineConfig *config)
{
  FzEngine *self = g_new0 (FzEngine, 1);
  FzNodeConfig node = {
    .role = config->role,
    .rng = config->rng,
    .log = config->log,
    .reclaim = config->published->reclaim,
    .unix_ns_at_zero = config->unix_ns_at_zero,
    .private_key = config->private_key,
    .steering = config->steering,
    .has_workers = config->has_workers,
  };

  self->role = config->role;
  self->published = config->published;
  self->rng = config->rng;
  self->outbox = fz_candidate_outbox_new ();
  node.outbox = self->outbox;
  self->networks = g_array_new (FALSE, FALSE, sizeof (FzIpNetwork));
  self->relay_views = g_array_new (FALSE, FALSE, sizeof (FzRelayView));
  self->unix_ns_at_zero = config->unix_ns_at_zero;

  self->context.log = fz_log_for (&config->log, "engine");
  self->context.rng = config->rng;
  self->context.reclaim = config->published->reclaim;
  self->context.unused_nats = g_ptr_array_new ();
  self->context.node = fz_node_new (&node);
  fz_out_queue_init (&self->context.packets);
  fz_event_queue_init (&self->context.events);

  self->contacts =
      share_marks (&self->published->contacts,
                   config->role == FZ_ROLE_GATEWAY ? FZ_FLOW_MARKS_BITS : CONTACT_BITS);

  switch (config->role) {
  case FZ_ROLE_CLIENT:
    self->client = fz_client_new (&self->context);
    break;
  case FZ_ROLE_GATEWAY:
    self->context.direct_flows = share_marks (&self->published->direct_flows, FZ_FLOW_MARKS_BITS);
    self->gateway = fz_gateway_new (&self->context);
    break;
  case FZ_ROLE_BARE:
    self->bare = fz_bare_new (&self->context);
    break;
  }
  self->context.are_routes_changed = true;
  fz_engine_publish (self);
  return self;
}

static void
free_nat (void *nat)
{
  fz_nat_free (nat);
}

/* No peer has them any more. */
static void
retire_nats (FzEngine *self)
{
  for (guint i = 0; i < self->context.unused_nats->len; i++)
    fz_reclaim_retire (self->published->reclaim, self->context.unused_nats->pdata[i], free_nat);
  g_ptr_array_set_size (self->context.unused_nats, 0);
}

void
fz_engine_free (FzEngine *self)
{
  FzSnapshotParts empty = { .role = FZ_ROLE_CLIENT };

  if (self == NULL)
    return;
  fz_published_set (self->published, fz_snapshot_new (&empty)); /* no peer of ours is left in it */
  g_clear_pointer (&self->client, fz_client_free);
  g_clear_pointer (&self->gateway, fz_gateway_free);
  g_clear_pointer (&self->bare, fz_bare_free);
  g_clear_pointer (&self->context.node, fz_node_free);
  retire_nats (self);
  g_ptr_array_unref (self->context.unused_nats);
  fz_out_queue_clear (&self->context.packets);
  fz_event_queue_clear (&self->context.events);
  g_clear_pointer (&self->context.interface, fz_interface_free);
  g_clear_pointer (&self->told_interface, fz_interface_free);
  g_clear_pointer (&self->outbox, fz_candidate_outbox_free);
  g_array_unref (self->networks);
  g_array_unref (self->relay_views);
  fz_reclaim_collect (self->published->reclaim);
  g_free (self);
}

const uint8_t *
fz_engine_get_public_key (const FzEngine *self)
{
  return fz_node_get_public_key (self->context.node);
}

/* -- what the node reports goes to the role, until there is nothing more -- */

static void
settle (FzEngine *self, FzInstant now)
{
  FzNodeEvent event;

  while (fz_node_poll_event (self->context.node, &event)) {
    switch (self->role) {
    case FZ_ROLE_CLIENT:
      fz_client_handle_node_event (self->client, &event, now);
      break;
    case FZ_ROLE_GATEWAY:
      fz_gateway_handle_node_event (self->gateway, &event, now);
      break;
    case FZ_ROLE_BARE:
      fz_bare_handle_node_event (self->bare, &event, now);
      break;
    }
  }
}

/* -- commands -- */

static bool
check_candidates (const FzCommand *command, GError **error)
{
  size_t n = command->candidates.n_candidates;

  if (n > FZ_CANDIDATES_MAX) {
    g_set_error (error,
                 FZ_ENGINE_ERROR,
                 FZ_ENGINE_ERROR_TOO_MANY,
                 "%zu candidates, at most %u are allowed",
                 n,
                 FZ_CANDIDATES_MAX);
    return false;
  }
  for (size_t i = 0; i < n; i++) {
    const char *text = command->candidates.candidates[i];

    if (text == NULL || strnlen (text, FZ_CANDIDATE_LENGTH_MAX + 1) > FZ_CANDIDATE_LENGTH_MAX) {
      g_set_error (error,
                   FZ_ENGINE_ERROR,
                   FZ_ENGINE_ERROR_TOO_MANY,
                   "candidate %zu is missing or longer than %u bytes",
                   i,
                   FZ_CANDIDATE_LENGTH_MAX);
      return false;
    }
  }
  return true;
}

static bool
is_credential (const char *text)
{
  size_t length = text != NULL ? strnlen (text, FZ_CREDENTIAL_LENGTH_MAX + 1) : 0;

  return length > 0 && length <= FZ_CREDENTIAL_LENGTH_MAX;
}

static bool
is_credentials (const FzIceCredentials *credentials)
{
  return is_credential (credentials->username) && is_credential (credentials->password);
}

/* What client and gateway ask of an authorization alike. */
static bool
check_connection (const FzEngine *self,
                  const FzIceCredentials *local,
                  const FzIceCredentials *remote,
                  bool use_iceless,
                  GError **error)
{
  if (use_iceless) {
    fz_log_plain (&self->context.log,
                  FZ_LOG_WARNING,
                  "iceless-refused",
                  "the portal asks for a connection without ICE, which we said we cannot make");
    g_set_error_literal (error,
                         FZ_ENGINE_ERROR,
                         FZ_ENGINE_ERROR_INVALID,
                         "connections without ICE are not supported");
    return false;
  }
  if (is_credentials (local) && is_credentials (remote))
    return true;
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, "ICE credentials are missing or too long");
  return false;
}

static bool
check_relays (const FzRelay *relays, size_t n_relays, GError **error)
{
  if (n_relays > FZ_RELAYS_MAX) {
    g_set_error (error,
                 FZ_ENGINE_ERROR,
                 FZ_ENGINE_ERROR_TOO_MANY,
                 "%zu relays, at most %u are allowed",
                 n_relays,
                 FZ_RELAYS_MAX);
    return false;
  }
  for (size_t i = 0; i < n_relays; i++) {
    if (relays[i].username == NULL || relays[i].password == NULL) {
      g_set_error_literal (
          error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, "credentials of a relay are missing");
      return false;
    }
  }
  return true;
}

/* What does not depend on the role's state; the engine is unchanged if it fails. */
static bool
check_command (const FzEngine *self, const FzCommand *command, GError **error)
{
  switch (command->kind) {
  case FZ_COMMAND_ADD_CANDIDATES:
  case FZ_COMMAND_INVALIDATE_CANDIDATES:
    return check_candidates (command, error);
  case FZ_COMMAND_RELAYS_PRESENCE:
    return check_relays (
        command->relays_presence.connected, command->relays_presence.n_connected, error);
  case FZ_COMMAND_CLIENT_INIT:
    return check_relays (command->client_init.relays, command->client_init.n_relays, error);
  case FZ_COMMAND_GATEWAY_INIT:
    return check_relays (command->gateway_init.relays, command->gateway_init.n_relays, error);
  case FZ_COMMAND_AUTHORIZATION_CREATED:
    return check_connection (self,
                             &command->authorization_created.client_ice,
                             &command->authorization_created.gateway_ice,
                             command->authorization_created.use_iceless,
                             error);
  case FZ_COMMAND_CREATE_AUTHORIZATION:
    return check_connection (self,
                             &command->create_authorization.gateway_ice,
                             &command->create_authorization.client_ice,
                             command->create_authorization.use_iceless,
                             error);
  case FZ_COMMAND_PORTAL_CONNECTED:
  case FZ_COMMAND_PORTAL_DISCONNECTED:
  case FZ_COMMAND_CONFIG_CHANGED:
  case FZ_COMMAND_UPSERT_RESOURCE:
  case FZ_COMMAND_REMOVE_RESOURCE:
  case FZ_COMMAND_AUTHORIZATION_FAILED:
  case FZ_COMMAND_SET_INTERNET:
  case FZ_COMMAND_REJECT_ACCESS:
  case FZ_COMMAND_UPDATE_RESOURCE:
  case FZ_COMMAND_SET_RESOLVERS:
  case FZ_COMMAND_DNS_ANSWER:
  case FZ_COMMAND_DOMAIN_RESOLVED:
  case FZ_COMMAND_ADD_BARE_PEER:
  case FZ_COMMAND_NETWORK_CHANGED:
  case FZ_COMMAND_PORT_CHANGED:
  case FZ_COMMAND_SHUT_DOWN:
    return true;
  }
  g_set_error_literal (error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, "command is unknown");
  return false;
}

static bool
handle_role_command (FzEngine *self, const FzCommand *command, FzInstant now, GError **error)
{
  if (!check_command (self, command, error))
    return false;
  switch (self->role) {
  case FZ_ROLE_CLIENT:
    return fz_client_handle_command (self->client, command, now, error);
  case FZ_ROLE_GATEWAY:
    return fz_gateway_handle_command (self->gateway, command, now, error);
  case FZ_ROLE_BARE:
    return fz_bare_handle_command (self->bare, command, now, error);
  }
  return false;
}

/* Only clients start over; a gateway never resets (§1.9). */
static void
reset_network (FzEngine *self, FzInstant now)
{
  FzEvent event = { .kind = FZ_EVENT_PUBLIC_KEY_CHANGED };

  if (self->role == FZ_ROLE_BARE)
    fz_node_forget_sources (self->context.node, now);
  if (self->role != FZ_ROLE_CLIENT)
    return;
  fz_candidate_outbox_set_held (self->outbox, true); /* the link is about to be made anew */
  fz_node_reset (self->context.node, now);
  self->context.are_routes_changed = true; /* the snapshot holds the identity's mac1 key */
  memcpy (event.public_key, fz_node_get_public_key (self->context.node), FZ_KEY_SIZE);
  fz_event_queue_push (&self->context.events, &event, NULL);
}

static bool
is_with_portal (const FzEngine *self, GError **error)
{
  if (self->role != FZ_ROLE_BARE)
    return true;
  g_set_error_literal (
      error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_WRONG_ROLE, "bare WireGuard has no portal");
  return false;
}

static bool
handle_common_command (FzEngine *self, const FzCommand *command, FzInstant now, GError **error)
{
  FzNode *node = self->context.node;

  switch (command->kind) {
  case FZ_COMMAND_PORTAL_CONNECTED:
  case FZ_COMMAND_PORTAL_DISCONNECTED:
    if (!is_with_portal (self, error))
      return false;
    fz_candidate_outbox_set_held (self->outbox, command->kind == FZ_COMMAND_PORTAL_DISCONNECTED);
    return true;
  case FZ_COMMAND_RELAYS_PRESENCE:
    if (!is_with_portal (self, error) || !check_command (self, command, error))
      return false;
    fz_node_update_relays (node,
                           command->relays_presence.disconnected_ids,
                           command->relays_presence.n_disconnected,
                           command->relays_presence.connected,
                           command->relays_presence.n_connected,
                           now);
    return true;
  case FZ_COMMAND_ADD_CANDIDATES:
    if (!is_with_portal (self, error) || !check_command (self, command, error))
      return false;
    fz_node_add_candidates (node,
                            &command->candidates.peer_id,
                            command->candidates.candidates,
                            command->candidates.n_candidates,
                            now);
    return true;
  case FZ_COMMAND_INVALIDATE_CANDIDATES:
    if (!is_with_portal (self, error) || !check_command (self, command, error))
      return false;
    fz_node_invalidate_candidates (node,
                                   &command->candidates.peer_id,
                                   command->candidates.candidates,
                                   command->candidates.n_candidates,
                                   now);
    return true;
  case FZ_COMMAND_NETWORK_CHANGED:
    reset_network (self, now);
    return true;
  case FZ_COMMAND_PORT_CHANGED:
    fz_node_restart_relays (node, now);
    return true;
  case FZ_COMMAND_SHUT_DOWN:
    fz_log_plain (&self->context.log, FZ_LOG_INFO, "shutdown", "saying goodbye to every peer");
    fz_node_close_all (node, now);
    fz_node_end_relays (node, now);
    return true;
  case FZ_COMMAND_CLIENT_INIT:
  case FZ_COMMAND_CONFIG_CHANGED:
  case FZ_COMMAND_UPSERT_RESOURCE:
  case FZ_COMMAND_REMOVE_RESOURCE:
  case FZ_COMMAND_AUTHORIZATION_CREATED:
  case FZ_COMMAND_AUTHORIZATION_FAILED:
  case FZ_COMMAND_SET_INTERNET:
  case FZ_COMMAND_GATEWAY_INIT:
  case FZ_COMMAND_CREATE_AUTHORIZATION:
  case FZ_COMMAND_REJECT_ACCESS:
  case FZ_COMMAND_UPDATE_RESOURCE:
  case FZ_COMMAND_SET_RESOLVERS:
  case FZ_COMMAND_DNS_ANSWER:
  case FZ_COMMAND_DOMAIN_RESOLVED:
  case FZ_COMMAND_ADD_BARE_PEER:
    return handle_role_command (self, command, now, error);
  }
  return check_command (self, command, error);
}

bool
fz_engine_handle_command (FzEngine *self, const FzCommand *command, FzInstant now, GError **error)
{
  bool is_done = handle_common_command (self, command, now, error);

  settle (self, now);
  return is_done;
}

/* -- what lanes pass on -- */

static void
handle_packet (FzEngine *self, FzSpan packet, FzInstant now)
{
  switch (self->role) {
  case FZ_ROLE_CLIENT:
    fz_client_handle_packet (self->client, packet, now);
    return;
  case FZ_ROLE_GATEWAY:
    fz_gateway_handle_packet (self->gateway, packet, now);
    return;
  case FZ_ROLE_BARE:
    fz_bare_handle_packet (self->bare, packet, now);
    return;
  }
}

static void
handle_inner (FzEngine *self, const FzLaneMessage *message, FzInstant now)
{
  FzConnection *connection = fz_node_find_by_number (self->context.node, message->connection_id);
  FzIpPacket packet;
  FzDrop reason = fz_ip_packet_parse (fz_span (message->data, message->length), &packet);

  if (connection == NULL)
    reason = FZ_DROP_UNKNOWN_PEER;
  if (reason != FZ_DROP_NONE) {
    fz_role_drop (&self->context, reason);
    return;
  }
  reason = message->reason < FZ_N_DROPS ? (FzDrop) message->reason : FZ_DROP_NOT_ALLOWED;
  switch (self->role) {
  case FZ_ROLE_CLIENT:
    fz_client_handle_inner (self->client, connection, &packet, reason, now);
    return;
  case FZ_ROLE_GATEWAY:
    fz_gateway_handle_inner (self->gateway, connection, &packet, reason, now);
    return;
  case FZ_ROLE_BARE: /* plain WireGuard has no messages of its own */
    fz_role_drop (&self->context, FZ_DROP_UNKNOWN_PROTOCOL);
    return;
  }
}

void
fz_engine_handle_message (FzEngine *self, const FzLaneMessage *message, FzInstant now)
{
  FzSpan data = { message->data, message->length };
  FzDrop reason;

  if (message->answered_at != 0)
    now = MIN (now, message->answered_at);
  switch ((FzLaneMessageKind) message->kind) {
  case FZ_LANE_MESSAGE_DATAGRAM:
    fz_node_handle_datagram (self->context.node, &message->to, &message->from, data, now);
    break;
  case FZ_LANE_MESSAGE_PACKET:
    handle_packet (self, data, now);
    break;
  case FZ_LANE_MESSAGE_INNER:
    handle_inner (self, message, now);
    break;
  case FZ_LANE_MESSAGE_CONFIRMED:
  case FZ_LANE_MESSAGE_ROAMED:
  case FZ_LANE_MESSAGE_ACTIVITY:
  case FZ_LANE_MESSAGE_EXHAUSTED:
    reason = fz_node_handle_lane_message (self->context.node, message, now);
    if (reason != FZ_DROP_NONE)
      fz_role_drop (&self->context, reason);
    break;
  }
  settle (self, now);
}

/* -- work for others -- */

FzHandshakeJob *
fz_engine_poll_job (FzEngine *self)
{
  return fz_node_poll_job (self->context.node);
}

void
fz_engine_finish_job (FzEngine *self, FzHandshakeJob *job, FzInstant now)
{
  fz_node_finish_job (self->context.node, job, now);
  settle (self, now);
}

/* -- time -- */

void
fz_engine_handle_timeout (FzEngine *self, FzInstant now)
{
  fz_flow_marks_age (self->contacts, now);
  fz_node_handle_timeout (self->context.node, now);
  settle (self, now);
  if (self->client != NULL)
    fz_client_handle_timeout (self->client, now);
  if (self->gateway != NULL)
    fz_gateway_handle_timeout (self->gateway, now);
  settle (self, now);
}

FzInstant
fz_engine_next_timeout (const FzEngine *self)
{
  FzInstant next = fz_node_next_timeout (self->context.node);

  if (self->client != NULL)
    next = fz_instant_min (next, fz_client_next_timeout (self->client));
  if (self->gateway != NULL)
    next = fz_instant_min (next, fz_gateway_next_timeout (self->gateway));
  return next;
}

bool
fz_engine_may_answers_wait (const FzEngine *self)
{
  return fz_node_may_answers_wait (self->context.node);
}

/* -- output -- */

bool
fz_engine_poll_transmit (FzEngine *self, FzTransmit *out)
{
  if (!fz_node_poll_transmit (self->context.node, out))
    return false;
  /* a cookie goes to whoever says he is there */
  if (out->data.length > 0 && out->data.data[0] != FZ_WIREGUARD_COOKIE_REPLY)
    fz_flow_marks_add_contact (self->contacts, &out->to);
  return true;
}

bool
fz_engine_poll_packet (FzEngine *self, FzSpan *out)
{
  FzOutItem item;

  return fz_out_queue_poll (&self->context.packets, &item, out);
}

static FzSnapshot *
make_snapshot (FzEngine *self)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));
  g_autoptr (GArray) resolvers = g_array_new (FALSE, FALSE, sizeof (FzIp));
  const FzInterface *interface = self->context.interface;
  FzSnapshotParts parts = { .role = self->role };

  if (self->client != NULL) {
    fz_client_add_routes (self->client, entries);
    fz_client_add_resolvers (self->client, resolvers);
  }
  if (self->gateway != NULL)
    parts.has_names = fz_gateway_has_names (self->gateway);
  if (self->bare != NULL)
    fz_bare_add_routes (self->bare, entries);
  if (interface != NULL) {
    parts.own_ipv4 = interface->ipv4;
    parts.own_ipv6 = interface->ipv6;
  }
  parts.routes = fz_policy_new ((const FzPolicyEntry *) entries->data, entries->len);
  self->do_routes_name_peers = entries->len > 0;
  parts.resolvers = (const FzIp *) resolvers->data;
  parts.n_resolvers = MIN (resolvers->len, FZ_SNAPSHOT_RESOLVERS_MAX);
  parts.table = fz_node_get_peers (self->context.node);
  parts.mac1_key = fz_node_get_mac1_key (self->context.node);
  return fz_snapshot_new (&parts);
}

/* A peer that comes or goes needs no new snapshot, which would make lanes look up every flow
 * anew, unless the routes name it. */
void
fz_engine_publish (FzEngine *self)
{
  if (self->context.are_routes_changed ||
      (self->do_routes_name_peers && fz_node_have_peers_changed (self->context.node))) {
    self->context.are_routes_changed = false;
    fz_published_set (self->published, make_snapshot (self));
  }
  retire_nats (self);
  fz_node_publish (self->context.node);
  fz_reclaim_collect (self->published->reclaim);
}

static gint
compare_networks (gconstpointer a, gconstpointer b)
{
  return fz_ip_network_compare (a, b);
}

static GArray *
make_networks (const FzEngine *self)
{
  GArray *networks = g_array_new (FALSE, FALSE, sizeof (FzIpNetwork));
  guint n = 0;

  if (self->client != NULL)
    fz_client_add_networks (self->client, networks);
  if (self->gateway != NULL)
    fz_gateway_add_networks (networks);
  if (self->bare != NULL)
    fz_bare_add_networks (self->bare, networks);
  g_array_sort (networks, compare_networks);
  for (guint i = 0; i < networks->len; i++) {
    FzIpNetwork *all = (FzIpNetwork *) networks->data;

    if (n == 0 || fz_ip_network_compare (&all[n - 1], &all[i]) != 0)
      all[n++] = all[i];
  }
  g_array_set_size (networks, n);
  return networks;
}

static bool
are_networks_equal (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return false;
  for (guint i = 0; i < a->len; i++)
    if (!fz_ip_network_equal (&g_array_index (a, FzIpNetwork, i),
                              &g_array_index (b, FzIpNetwork, i)))
      return false;
  return true;
}

/* Several changes between two polls are one event, and none if nothing is different in the end
 * (tunnel.md §2.7). */
static bool
poll_interface (FzEngine *self, FzEvent *out)
{
  g_autoptr (GArray) networks = NULL;
  const FzSentinel *sentinels = NULL;
  size_t n_sentinels = 0;
  uint64_t serial = 0;

  if (!self->context.is_interface_changed || self->context.interface == NULL)
    return false;
  self->context.is_interface_changed = false;
  networks = make_networks (self);
  if (self->client != NULL)
    n_sentinels = fz_client_get_sentinels (self->client, &sentinels, &serial);
  if (self->told_interface != NULL && serial == self->told_sentinels &&
      are_networks_equal (networks, self->networks) &&
      fz_interface_equal (self->told_interface, self->context.interface))
    return false;

  g_array_unref (self->networks);
  self->networks = g_steal_pointer (&networks);
  self->told_sentinels = serial;
  g_clear_pointer (&self->told_interface, fz_interface_free);
  self->told_interface = fz_interface_dup (self->context.interface);
  *out = (FzEvent){
    .kind = FZ_EVENT_INTERFACE_CHANGED,
    .interface_changed = {
      .interface = *self->told_interface,
      .routes = (const FzIpNetwork *) self->networks->data,
      .n_routes = self->networks->len,
      .sentinels = sentinels,
      .n_sentinels = n_sentinels,
    },
  };
  return true;
}

static bool
poll_candidates (FzEngine *self, FzEvent *out)
{
  FzCandidateBatch batch;

  if (!fz_candidate_outbox_poll (self->outbox, &batch))
    return false;
  *out = (FzEvent){
    .kind = batch.is_removal ? FZ_EVENT_INVALIDATED_CANDIDATES : FZ_EVENT_NEW_CANDIDATES,
    .candidates = {
      .peer_id = batch.peer_id,
      .candidates = batch.candidates,
      .n_candidates = batch.n_candidates,
    },
  };
  return true;
}

/* Candidates last: a gateway's answer goes before its candidates (portal-protocol.md §8.5). */
bool
fz_engine_poll_event (FzEngine *self, FzEvent *out)
{
  if (poll_interface (self, out))
    return true;
  if (self->client != NULL && fz_client_poll_resources_changed (self->client)) {
    *out = (FzEvent){ .kind = FZ_EVENT_RESOURCES_CHANGED };
    return true;
  }
  return fz_event_queue_poll (&self->context.events, out) || poll_candidates (self, out);
}

size_t
fz_engine_get_resources (FzEngine *self, const FzResourceView **out)
{
  *out = NULL;
  return self->client != NULL ? fz_client_get_view (self->client, out) : 0;
}

size_t
fz_engine_get_gateways (FzEngine *self, const FzGatewayView **out)
{
  return self->role == FZ_ROLE_CLIENT
             ? fz_client_get_gateways (self->client, self->unix_ns_at_zero, out)
             : 0;
}

size_t
fz_engine_get_relays (FzEngine *self, const FzRelayView **out)
{
  g_array_set_size (self->relay_views, 0);
  fz_node_add_relay_views (self->context.node, self->relay_views);
  *out = (const FzRelayView *) self->relay_views->data;
  return self->relay_views->len;
}

bool
fz_engine_is_internet_on (const FzEngine *self)
{
  return self->role == FZ_ROLE_CLIENT && fz_client_is_internet_on (self->client);
}

void
fz_engine_get_counters (const FzEngine *self, FzEngineCounters *out)
{
  *out = (FzEngineCounters){ .packets_buffered = self->context.packets_buffered };
  memcpy (out->drops, self->context.drops, sizeof out->drops);
  fz_node_add_counters (self->context.node, out);
}
