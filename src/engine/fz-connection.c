/* fz-connection.c: see the header */

#include "src/engine/fz-connection-private.h"

#include <string.h>

/* An agent with nothing left to do reports a later deadline; this many checks at one instant are
 * more than it can have. */
#define DUE_ROUNDS_MAX 256u

static const uint8_t allowed_next[] = {
  [FZ_CONNECTION_CONNECTING] = 1 << FZ_CONNECTION_CONNECTED | 1 << FZ_CONNECTION_FAILED,
  [FZ_CONNECTION_CONNECTED] = 1 << FZ_CONNECTION_IDLE | 1 << FZ_CONNECTION_FAILED,
  [FZ_CONNECTION_IDLE] = 1 << FZ_CONNECTION_CONNECTED | 1 << FZ_CONNECTION_FAILED,
  [FZ_CONNECTION_FAILED] = 0,
};

static const char *const state_names[] = {
  [FZ_CONNECTION_CONNECTING] = "connecting",
  [FZ_CONNECTION_CONNECTED] = "connected",
  [FZ_CONNECTION_IDLE] = "idle",
  [FZ_CONNECTION_FAILED] = "failed",
};

static const char *const path_names[] = {
  [FZ_PATH_DIRECT] = "PeerToPeer",
  [FZ_PATH_PEER_TO_RELAY] = "PeerToRelay",
  [FZ_PATH_RELAY_TO_PEER] = "RelayToPeer",
  [FZ_PATH_RELAY_TO_RELAY] = "RelayToRelay",
};

static void
set_state (FzConnection *self, FzConnectionState next, const char *reason)
{
  g_assert (allowed_next[self->state] & (1 << next));
  fz_log (&self->context->log,
          next == FZ_CONNECTION_FAILED ? FZ_LOG_INFO : FZ_LOG_DEBUG,
          next == FZ_CONNECTION_FAILED ? "connection-failed" : "connection-state",
          next == FZ_CONNECTION_FAILED ? "connection failed" : "connection state changed",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_TEXT ("from", state_names[self->state]),
          FZ_KV_TEXT ("to", state_names[next]),
          FZ_KV_TEXT ("reason", reason),
          FZ_KV_U64 ("connection", self->connection_id));
  self->state = next;
}

static void
fail (FzConnection *self, const char *reason)
{
  if (self->state != FZ_CONNECTION_FAILED)
    set_state (self, FZ_CONNECTION_FAILED, reason);
}

static void
emit (FzConnection *self, FzNodeEventKind kind)
{
  FzNodeEvent event = { kind, self->id };

  g_array_append_val (self->context->events, event);
}

/* -- activity -- */

/* What the lanes have seen counts as much as what came through the engine. */
static FzInstant
get_last_activity (const FzConnection *self)
{
  FzInstant sent = atomic_load_explicit (&self->peer->sent_data_at, memory_order_relaxed);
  FzInstant received = atomic_load_explicit (&self->peer->received_data_at, memory_order_relaxed);

  return MAX (self->last_activity, MAX (sent, received));
}

void
fz_connection_note_activity (FzConnection *self, FzInstant now, const char *trigger)
{
  self->last_activity = MAX (self->last_activity, now);
  if (self->state != FZ_CONNECTION_IDLE)
    return;
  set_state (self, FZ_CONNECTION_CONNECTED, trigger);
  self->idle_timeout = fz_instant_add (now, FZ_IDLE_AFTER_S * FZ_S);
  fz_path_agent_set_idle (self->agent, false);
}

static void
check_idle (FzConnection *self, FzInstant now)
{
  FzInstant since = get_last_activity (self);

  if (self->is_bare)
    return;
  if (self->state == FZ_CONNECTION_IDLE && since > self->last_activity) {
    fz_connection_note_activity (self, since, "packet");
    return;
  }
  if (self->state != FZ_CONNECTION_CONNECTED || self->idle_timeout > now)
    return;

  self->last_activity = since;
  self->idle_timeout = fz_instant_add (since, FZ_IDLE_AFTER_S * FZ_S);
  if (self->idle_timeout > now)
    return;
  if (fz_path_agent_is_settled (self->agent)) {
    set_state (self, FZ_CONNECTION_IDLE, "no packets");
    self->idle_timeout = FZ_INSTANT_NEVER;
    fz_path_agent_set_idle (self->agent, true);
  } else {
    self->idle_timeout = fz_instant_add (now, FZ_IDLE_AFTER_S * FZ_S);
  }
}

/* -- what follows from agent and tunnel -- */

static void
check_established (FzConnection *self, FzInstant now)
{
  if (self->is_established || !self->has_path || !self->has_session)
    return;
  self->is_established = true;
  fz_log (&self->context->log,
          FZ_LOG_INFO,
          "connection-established",
          "connection established",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_TEXT ("path", path_names[self->path.kind]),
          FZ_KV_U64 ("elapsed_ms", fz_instant_since (self->created_at, now) / FZ_MS));
  emit (self, FZ_NODE_EVENT_ESTABLISHED);
}

/* For a path: not while one is out, and not twice within 20 s (§2.8). */
void
fz_connection_start_handshake_for_path (FzConnection *self, FzInstant now)
{
  if (!self->is_controlling || fz_tunnel_is_handshaking (self->tunnel))
    return;
  if (self->last_handshake != FZ_INSTANT_NEVER &&
      fz_instant_since (self->last_handshake, now) < FZ_HANDSHAKE_MIN_GAP_S * FZ_S)
    return;
  if (fz_tunnel_start_handshake (self->tunnel, now))
    self->last_handshake = now;
}

static void
log_path (FzConnection *self, const FzPath *path, FzInstant now)
{
  fz_log (&self->context->log,
          FZ_LOG_INFO,
          "path-changed",
          "path to the peer changed",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_TEXT ("from", self->has_path ? path_names[self->path.kind] : NULL),
          FZ_KV_TEXT ("to", path_names[path->kind]),
          FZ_KV_U64 ("elapsed_ms", fz_instant_since (self->created_at, now) / FZ_MS));
  fz_log (&self->context->log,
          FZ_LOG_DEBUG,
          "path-addresses",
          "addresses of the path",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_SOCKET ("local", &path->local),
          FZ_KV_SOCKET ("remote", &path->remote));
}

static void
choose_path (FzConnection *self, const FzPath *path, FzInstant now)
{
  FzRelayRoute route;

  if (self->has_path && self->path.kind == path->kind &&
      fz_socket_address_equal (&self->path.local, &path->local) &&
      fz_socket_address_equal (&self->path.remote, &path->remote))
    return;

  log_path (self, path, now);
  self->path = *path;
  self->has_path = true;
  self->has_route = false;
  self->is_endpoint_new = true;
  if (fz_connection_is_relay_local (path))
    fz_connection_find_route (self, path, now, &route);
  if (self->state == FZ_CONNECTION_CONNECTING) {
    set_state (self, FZ_CONNECTION_CONNECTED, "path chosen");
    self->candidate_timeout = FZ_INSTANT_NEVER;
    self->last_activity = MAX (self->last_activity, now);
    self->idle_timeout = fz_instant_add (now, FZ_IDLE_AFTER_S * FZ_S);
    fz_connection_send_waiting (self, now);
  }
  fz_connection_start_handshake_for_path (self, now);
  if (self->is_established)
    emit (self, FZ_NODE_EVENT_PATH_CHANGED);
  check_established (self, now);
}

static void
handle_path_event (FzConnection *self, const FzPathEvent *event, FzInstant now)
{
  switch (event->kind) {
  case FZ_PATH_EVENT_CHOSEN:
    choose_path (self, &event->path, now);
    return;
  case FZ_PATH_EVENT_LOST:
    if (self->grace_timeout == FZ_INSTANT_NEVER)
      self->grace_timeout = fz_instant_add (now, FZ_PATH_GRACE_S * FZ_S);
    return;
  case FZ_PATH_EVENT_RECOVERED:
    self->grace_timeout = FZ_INSTANT_NEVER;
    return;
  }
}

static void
follow_peer_endpoint (FzConnection *self, FzInstant now)
{
  FzEndpoint endpoint = fz_peer_get_endpoint (self->peer);

  self->has_path = endpoint.remote.ip.family != FZ_IP_NONE;
  self->path = (FzPath){
    .kind = FZ_PATH_DIRECT,
    .local = { .ip = endpoint.local },
    .remote = endpoint.remote,
  };
  if (self->is_established)
    emit (self, FZ_NODE_EVENT_PATH_CHANGED);
  check_established (self, now);
}

static void
handle_tunnel_event (FzConnection *self, FzTunnelEvent event, FzInstant now)
{
  switch (event) {
  case FZ_TUNNEL_EVENT_SESSION:
    self->has_session = true;
    self->is_session_new = true;
    if (self->is_established)
      emit (self, FZ_NODE_EVENT_SESSION);
    check_established (self, now);
    return;
  case FZ_TUNNEL_EVENT_ROAMED:
    follow_peer_endpoint (self, now);
    return;
  case FZ_TUNNEL_EVENT_EXPIRED:
    if (self->is_bare)
      emit (self, FZ_NODE_EVENT_SILENT);
    else
      fail (self, "WireGuard expired");
    return;
  }
}

static void
drain_agent (FzConnection *self, FzInstant now)
{
  FzIceTransmit transmit;
  FzPathEvent event;

  while (fz_path_agent_poll_transmit (self->agent, &transmit)) {
    FzPath path = {
      .kind = transmit.is_relayed ? FZ_PATH_RELAY_TO_PEER : FZ_PATH_DIRECT,
      .local = transmit.local,
      .remote = transmit.remote,
    };

    if (transmit.is_request)
      fz_stun_in_flight_add (
          self->context->in_flight, &transmit.transaction_id, self->connection_id, now);
    fz_connection_send_datagram (self, &path, transmit.data, now);
  }
  while (fz_path_agent_poll_event (self->agent, &event))
    handle_path_event (self, &event, now);
}

static void
drain_tunnel (FzConnection *self, FzInstant now)
{
  FzTunnelTransmit transmit;
  FzTunnelEvent event;

  /* Roaming first: what the tunnel has to send goes to the new address. */
  while (fz_tunnel_poll_event (self->tunnel, &event))
    handle_tunnel_event (self, event, now);
  while (fz_tunnel_poll_transmit (self->tunnel, &transmit))
    fz_connection_send_tunnel_transmit (self, &transmit, now);
}

void
fz_connection_settle (FzConnection *self, FzInstant now)
{
  if (self->agent != NULL) {
    drain_agent (self, now);
    /* A new candidate or profile makes checks due at this very instant. */
    for (unsigned i = 0; i < DUE_ROUNDS_MAX && fz_path_agent_next_timeout (self->agent) <= now;
         i++) {
      fz_path_agent_handle_timeout (self->agent, now);
      drain_agent (self, now);
    }
  }
  drain_tunnel (self, now);
}

/* -- construction -- */

/* A gateway has thousands, each in a cell of locked memory. */
_Static_assert(sizeof (FzConnection) <= 256, "a connection fits the cell that it had");

static FzConnection *
new_connection (FzConnectionContext *context,
                const FzUuid *id,
                uint32_t connection_id,
                const uint8_t *preshared_key,
                FzInstant now)
{
  FzConnection *self = fz_secret_new (sizeof *self);

  self->context = context;
  self->id = *id;
  self->connection_id = connection_id;
  if (preshared_key != NULL)
    memcpy (self->preshared_key, preshared_key, FZ_KEY_SIZE);
  self->peer = fz_peer_new (id, connection_id);
  self->created_at = now;
  self->last_activity = now;
  self->last_handshake = FZ_INSTANT_NEVER;
  self->candidate_timeout = FZ_INSTANT_NEVER;
  self->grace_timeout = FZ_INSTANT_NEVER;
  self->idle_timeout = FZ_INSTANT_NEVER;
  g_queue_init (&self->waiting);
  return self;
}

static bool
make_tunnel (FzConnection *self,
             const uint8_t *public_key,
             const FzTunnelProfile *profile,
             FzInstant now)
{
  FzConnectionContext *context = self->context;
  FzTunnelConfig config = {
    .identity = context->identity,
    .public_key = public_key,
    .preshared_key = self->preshared_key,
    .peer = self->peer,
    .profile = *profile,
    .aead = context->aead,
    .reclaim = context->reclaim,
    .rng = context->rng,
    .log = fz_log_for (&context->log, "wireguard"),
    .counters = &context->tunnels,
    .unix_ns_at_zero = context->unix_ns_at_zero,
  };

  self->tunnel = fz_tunnel_new (&config, now);
  return self->tunnel != NULL;
}

static FzPathAgentConfig
agent_config (const FzConnectionContext *context, const FzConnectionRequest *request)
{
  return (FzPathAgentConfig){
    .kind = FZ_PATH_AGENT_ICE,
    .role = context->role,
    .is_controlling = request->is_controlling,
    .local = request->local_ice,
    .remote = request->remote_ice,
    .rng = context->rng,
    .log = context->log,
  };
}

FzConnection *
fz_connection_new (FzConnectionContext *context,
                   const FzConnectionRequest *request,
                   uint32_t connection_id,
                   const FzUuid *relay_id,
                   FzInstant now)
{
  FzConnection *self =
      new_connection (context, &request->id, connection_id, request->preshared_key, now);
  FzPathAgentConfig config = agent_config (context, request);

  self->relay_id = *relay_id;
  self->is_controlling = request->is_controlling;
  self->agent = fz_path_agent_new (&config);
  self->candidate_timeout = fz_instant_add (now, FZ_CANDIDATE_DEADLINE_S * FZ_S);
  if (!make_tunnel (self, request->public_key, &fz_tunnel_profile_ice, now))
    g_clear_pointer (&self, fz_connection_free);
  return self;
}

FzConnection *
fz_connection_new_bare (FzConnectionContext *context,
                        const FzBareRequest *request,
                        uint32_t connection_id,
                        FzInstant now)
{
  FzConnection *self =
      new_connection (context, &request->id, connection_id, request->preshared_key, now);
  FzTunnelProfile profile = fz_tunnel_profile_bare;
  FzEndpoint endpoint = { .remote = request->endpoint };

  self->is_bare = true;
  self->state = FZ_CONNECTION_CONNECTED;
  profile.persistent_keepalive_s = request->keepalive_s;
  atomic_store (&self->peer->is_roaming, true);
  fz_peer_set_endpoint (self->peer, &endpoint);
  if (!make_tunnel (self, request->public_key, &profile, now)) {
    fz_connection_free (self);
    return NULL;
  }
  follow_peer_endpoint (self, now);
  fz_connection_settle (self, now);
  return self;
}

void
fz_connection_free (FzConnection *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->tunnel, fz_tunnel_free);
  g_clear_pointer (&self->agent, fz_path_agent_free);
  g_queue_clear_full (&self->waiting, (GDestroyNotify) g_bytes_unref);
  g_ptr_array_add (self->context->retired_peers, self->peer);
  fz_secret_free (self, sizeof *self);
}

/* -- questions -- */

const char *
fz_connection_get_state_name (const FzConnection *self)
{
  return state_names[self->state];
}

FzConnectionState
fz_connection_get_state (const FzConnection *self)
{
  return self->state;
}

FzInstant
fz_connection_next_timeout (const FzConnection *self)
{
  FzInstant next = fz_tunnel_next_timeout (self->tunnel);

  if (self->agent != NULL)
    next = fz_instant_min (next, fz_path_agent_next_timeout (self->agent));
  next = fz_instant_min (next, self->candidate_timeout);
  next = fz_instant_min (next, self->grace_timeout);
  return fz_instant_min (next, self->idle_timeout);
}

bool
fz_connection_may_answers_wait (const FzConnection *self)
{
  return self->is_bare ||
         (self->state == FZ_CONNECTION_IDLE && self->grace_timeout == FZ_INSTANT_NEVER &&
          fz_path_agent_is_answered (self->agent));
}

bool
fz_connection_needs_publish (const FzConnection *self)
{
  return self->is_endpoint_new || self->is_session_new;
}

/* A relayed path is the relay's socket and a channel; without a channel yet, nowhere. */
static FzEndpoint
make_endpoint (const FzConnection *self)
{
  FzEndpoint endpoint = { .remote = self->path.remote, .local = self->path.local.ip };

  if (!fz_connection_is_relay_local (&self->path))
    return endpoint;
  if (!self->has_route)
    return (FzEndpoint){ 0 };
  return (FzEndpoint){ .remote = self->route.to, .channel = self->route.channel };
}

void
fz_connection_publish (FzConnection *self)
{
  FzEndpoint endpoint;

  if (self->is_endpoint_new && !self->is_bare) {
    endpoint = make_endpoint (self);
    fz_peer_set_endpoint (self->peer, &endpoint);
  }
  if (self->is_session_new)
    fz_tunnel_publish (self->tunnel);
  self->is_endpoint_new = false;
  self->is_session_new = false;
}

const FzUuid *
fz_connection_get_id (const FzConnection *self)
{
  return &self->id;
}

uint32_t
fz_connection_get_connection_id (const FzConnection *self)
{
  return self->connection_id;
}

const uint8_t *
fz_connection_get_public_key (const FzConnection *self)
{
  return fz_tunnel_get_public_key (self->tunnel);
}

const char *
fz_connection_get_local_ufrag (const FzConnection *self)
{
  return self->agent != NULL ? fz_path_agent_get_local_ufrag (self->agent) : NULL;
}

const FzUuid *
fz_connection_get_relay_id (const FzConnection *self)
{
  return &self->relay_id;
}

FzPeer *
fz_connection_get_peer (FzConnection *self)
{
  return self->peer;
}

unsigned
fz_connection_count_sessions (const FzConnection *self)
{
  return fz_tunnel_count_sessions (self->tunnel);
}

bool
fz_connection_is_established (const FzConnection *self)
{
  return self->is_established;
}

bool
fz_connection_get_path (const FzConnection *self, FzPath *out)
{
  if (self->has_path)
    *out = self->path;
  return self->has_path;
}

bool
fz_connection_get_rtt (const FzConnection *self, uint64_t *out_ns)
{
  return self->has_path && self->agent != NULL && fz_path_agent_get_rtt (self->agent, out_ns);
}

bool
fz_connection_matches (const FzConnection *self, const FzConnectionRequest *request)
{
  static const uint8_t none[FZ_KEY_SIZE];
  FzPathAgentConfig config = agent_config (self->context, request);
  const uint8_t *preshared_key = request->preshared_key != NULL ? request->preshared_key : none;

  return self->agent != NULL && fz_path_agent_matches (self->agent, &config) &&
         fz_equal_constant_time (
             fz_connection_get_public_key (self), request->public_key, FZ_KEY_SIZE) &&
         fz_equal_constant_time (self->preshared_key, preshared_key, FZ_KEY_SIZE);
}

/* -- policies -- */

static void
free_policy (void *policy)
{
  fz_policy_free (policy);
}

static void
replace_policy (FzConnection *self, _Atomic (const FzPolicy *) *slot, FzPolicy *policy)
{
  const FzPolicy *old = atomic_exchange_explicit (slot, policy, memory_order_acq_rel);

  if (old != NULL)
    fz_reclaim_retire (self->context->reclaim, (void *) (uintptr_t) old, free_policy);
}

void
fz_connection_set_sources (FzConnection *self, FzPolicy *sources)
{
  replace_policy (self, &self->peer->sources, sources);
}

void
fz_connection_set_permissions (FzConnection *self, FzPolicy *permissions)
{
  replace_policy (self, &self->peer->permissions, permissions);
}

void
fz_connection_set_nat (FzConnection *self, FzNat *nat)
{
  atomic_store_explicit (&self->peer->nat, nat, memory_order_release);
}

/* -- input -- */

FzDrop
fz_connection_handle_stun (FzConnection *self,
                           const FzStunMessage *message,
                           const FzSocketAddress *local,
                           const FzSocketAddress *from,
                           FzInstant now)
{
  FzDrop drop;

  if (self->agent == NULL)
    return FZ_DROP_UNKNOWN_PEER;
  drop = fz_path_agent_handle_stun (self->agent, message, local, from, now);
  fz_connection_settle (self, now);
  return drop;
}

FzDrop
fz_connection_begin_response (FzConnection *self, FzHandshakeJob *job, FzInstant now)
{
  FzWireguardMessage message = fz_handshake_job_get_message (job);
  FzDrop drop =
      fz_tunnel_begin_response (self->tunnel, &message, &job->initiation, now, &job->answer);

  job->kind = FZ_HANDSHAKE_JOB_RESPOND;
  job->connection_id = self->connection_id;
  return drop;
}

FzDrop
fz_connection_finish_response (FzConnection *self, FzHandshakeJob *job, FzInstant now)
{
  FzDrop drop = fz_tunnel_finish_response (self->tunnel,
                                           &job->initiation,
                                           job->answer.local_index,
                                           &job->keys,
                                           job->response,
                                           &job->origin,
                                           now);

  fz_connection_settle (self, now);
  return drop;
}

FzDrop
fz_connection_handle_response (FzConnection *self,
                               const FzWireguardMessage *message,
                               const FzEndpoint *origin,
                               FzInstant now)
{
  FzDrop drop = fz_tunnel_handle_response (self->tunnel, message, origin, now);

  fz_connection_settle (self, now);
  return drop;
}

FzDrop
fz_connection_handle_cookie_reply (FzConnection *self,
                                   const FzWireguardMessage *message,
                                   FzInstant now)
{
  FzDrop drop = fz_tunnel_handle_cookie_reply (self->tunnel, message, now);

  fz_connection_settle (self, now);
  return drop;
}

void
fz_connection_handle_confirmed (FzConnection *self, uint32_t local_index, FzInstant now)
{
  fz_tunnel_handle_confirmed (self->tunnel, local_index, now);
  fz_connection_settle (self, now);
}

void
fz_connection_handle_exhausted (FzConnection *self, uint32_t local_index, FzInstant now)
{
  fz_tunnel_handle_exhausted (self->tunnel, local_index, now);
  fz_connection_settle (self, now);
}

void
fz_connection_handle_activity (FzConnection *self, FzInstant now)
{
  fz_connection_note_activity (self, now, "packet");
  fz_tunnel_handle_activity (self->tunnel, now);
  fz_connection_settle (self, now);
}

void
fz_connection_handle_roamed (FzConnection *self, const FzEndpoint *endpoint, FzInstant now)
{
  if (!self->is_bare)
    return; /* only the agent moves the path of a connection (§1.11) */
  fz_peer_set_endpoint (self->peer, endpoint);
  follow_peer_endpoint (self, now);
  fz_connection_settle (self, now);
}

void
fz_connection_forget_source (FzConnection *self, FzInstant now)
{
  FzEndpoint endpoint = fz_peer_get_endpoint (self->peer);

  endpoint.local = (FzIp){ 0 };
  fz_connection_handle_roamed (self, &endpoint, now);
}

void
fz_connection_handle_timeout (FzConnection *self, FzInstant now)
{
  fz_tunnel_handle_timeout (self->tunnel, now);
  check_idle (self, now);
  fz_connection_settle (self, now);

  if (self->grace_timeout <= now)
    fail (self, "ICE timeout");
  else if (self->candidate_timeout <= now)
    fail (self, "no candidates");
}
