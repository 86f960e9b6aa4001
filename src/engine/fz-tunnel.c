/* fz-tunnel.c
 *
 * One peer's handshakes and timers; the picture is in the header. Everything
 * that can change what is due ends in evaluate(), which acts on what is due
 * now, leaves nothing due behind, and notes the next deadline. So the order of
 * the rules of connectivity.md §2.7 stands in one place; when each of them is due
 * stands in fz-tunnel-due.c.
 */
#include "src/engine/fz-tunnel.h"

#include "src/base/fz-bytes.h"
#include "src/engine/fz-tunnel-private.h"

#include <string.h>

/* dataplane.md §16: an honest peer initiates at most 50 times a second */
#define INITIATION_GAP_NS (20 * FZ_MS)

static const uint8_t allowed_next[] = {
  [FZ_TUNNEL_QUIET] = 1 << FZ_TUNNEL_SCHEDULED | 1 << FZ_TUNNEL_AWAITING | 1 << FZ_TUNNEL_EXPIRED,
  [FZ_TUNNEL_SCHEDULED] = 1 << FZ_TUNNEL_AWAITING | 1 << FZ_TUNNEL_QUIET | 1 << FZ_TUNNEL_EXPIRED,
  [FZ_TUNNEL_AWAITING] = 1 << FZ_TUNNEL_SCHEDULED | 1 << FZ_TUNNEL_QUIET | 1 << FZ_TUNNEL_EXPIRED,
  [FZ_TUNNEL_EXPIRED] = 1 << FZ_TUNNEL_AWAITING | 1 << FZ_TUNNEL_SCHEDULED | 1 << FZ_TUNNEL_QUIET,
};

static const char *const state_names[] = {
  [FZ_TUNNEL_QUIET] = "quiet",
  [FZ_TUNNEL_SCHEDULED] = "scheduled",
  [FZ_TUNNEL_AWAITING] = "awaiting",
  [FZ_TUNNEL_EXPIRED] = "expired",
};

static void
set_state (FzTunnel *self, FzTunnelState next)
{
  if (self->state == next)
    return;
  g_assert (allowed_next[self->state] & (1 << next));
  fz_log (&self->log,
          FZ_LOG_TRACE,
          "tunnel-state",
          "tunnel changed state",
          FZ_KV_U64 ("connection", self->peer->connection_id),
          FZ_KV_TEXT ("from", state_names[self->state]),
          FZ_KV_TEXT ("to", state_names[next]));
  self->state = next;
}

static void
raise_event (FzTunnel *self, FzTunnelEvent event)
{
  self->events |= UINT32_C (1) << event;
}

/* -- outgoing datagrams -- */

static void
seal_with (FzTunnel *self, FzKeypair *keypair, uint64_t counter, FzSpan packet, uint8_t *out)
{
  FzAeadOp op = {
    .source = packet.data,
    .target = out + FZ_WIREGUARD_DATA_HEADER_SIZE,
    .length = (uint32_t) packet.length,
    .counter = counter,
  };

  fz_wireguard_write_data_header (out, keypair->remote_index, counter);
  fz_aead_seal (self->aead, keypair->send_key, &op, 1);
}

static void
send_keepalive (FzTunnel *self, FzInstant now)
{
  FzKeypair *keypair = fz_session_ring_usable (&self->sessions, now);
  uint64_t counter;
  uint8_t nothing[1] = { 0 };
  FzTunnelOutboxItem *out;

  /* whatever becomes of it, this keepalive is no longer owed */
  fz_traffic_note_sent (&self->traffic, false, now);
  if (keypair == NULL || !fz_keypair_reserve (keypair, 1, &counter))
    return;
  out = fz_tunnel_outbox_add (&self->outbox, FZ_TUNNEL_SENDS_KEEPALIVE, FZ_WIREGUARD_DATA_OVERHEAD);
  seal_with (self, keypair, counter, fz_span (nothing, 0), out->data);
  self->counters->keepalives_sent++;
}

/* -- our initiations -- */

/* Strictly growing, whatever the clock does: two initiations of one instant must differ. */
static void
make_timestamp (FzTunnel *self, FzInstant now, uint8_t out[FZ_TAI64N_SIZE])
{
  uint64_t unix_ns = self->unix_ns_at_zero + now;

  if (unix_ns <= self->last_stamp_ns)
    unix_ns = self->last_stamp_ns + 1;
  self->last_stamp_ns = unix_ns;
  fz_tai64n_write (unix_ns, out);
}

static void
forget_outstanding (FzTunnel *self)
{
  fz_secret_free (g_steal_pointer (&self->outstanding), sizeof *self->outstanding);
}

/* Room for another, in place of the oldest. */
static FzNoiseHandshake *
add_outstanding (FzTunnel *self)
{
  FzTunnelOutstanding *outstanding = self->outstanding;

  if (outstanding == NULL)
    outstanding = self->outstanding = fz_secret_new (sizeof *outstanding);
  outstanding->handshakes[1] = outstanding->handshakes[0];
  outstanding->n = MIN (outstanding->n + 1, FZ_TUNNEL_OUTSTANDING_MAX);
  return &outstanding->handshakes[0];
}

static void
send_initiation (FzTunnel *self, FzInstant now)
{
  FzTunnelSecrets *secrets = self->secrets;
  FzTunnelOutboxItem *out = fz_tunnel_outbox_add (
      &self->outbox, FZ_TUNNEL_SENDS_INITIATION, FZ_WIREGUARD_INITIATION_SIZE);
  uint32_t index = fz_session_ring_next_index (&self->sessions);
  uint8_t timestamp[FZ_TAI64N_SIZE];

  make_timestamp (self, now, timestamp);
  fz_noise_write_initiation (self->identity,
                             &secrets->noise,
                             &self->rng,
                             index,
                             timestamp,
                             add_outstanding (self),
                             out->data);
  fz_cookie_jar_seal (&secrets->jar, out->data, out->length, index, now);

  if (self->first_attempt_at == FZ_INSTANT_NEVER)
    self->first_attempt_at = now;
  self->last_attempt_at = now;
  fz_traffic_note_sent (&self->traffic, false, now);
  self->counters->handshakes_started++;
  set_state (self, FZ_TUNNEL_AWAITING);
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "handshake-started",
          "sent a handshake initiation",
          FZ_KV_U64 ("connection", self->peer->connection_id),
          FZ_KV_U64 ("index", index));
}

/* An expired tunnel that tries again has its whole time before it. */
static void
revive (FzTunnel *self, FzInstant now)
{
  if (self->state == FZ_TUNNEL_EXPIRED)
    self->renewed_at = now;
}

/* The first of an attempt, or a repetition of it. */
static void
schedule_initiation (FzTunnel *self, FzInstant now)
{
  uint64_t jitter_ns = fz_rng_below (&self->rng, FZ_REKEY_JITTER_MAX_MS + 1) * FZ_MS;

  revive (self, now);
  self->scheduled_at = fz_instant_add (now, jitter_ns);
  set_state (self, FZ_TUNNEL_SCHEDULED);
}

static void
end_attempt (FzTunnel *self)
{
  forget_outstanding (self);
  self->first_attempt_at = FZ_INSTANT_NEVER;
  set_state (self, FZ_TUNNEL_QUIET);
}

static void
expire (FzTunnel *self, const char *why)
{
  end_attempt (self);
  fz_session_ring_clear (&self->sessions);
  fz_cookie_jar_clear (&self->secrets->jar);
  fz_traffic_clear (&self->traffic);
  fz_tunnel_outbox_clear (&self->outbox);
  self->events = 0;
  raise_event (self, FZ_TUNNEL_EVENT_EXPIRED);
  set_state (self, FZ_TUNNEL_EXPIRED);
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "tunnel-expired",
          "gave up the keys of a tunnel",
          FZ_KV_U64 ("connection", self->peer->connection_id),
          FZ_KV_TEXT ("reason", why));
}

/* -- sessions -- */

static FzKeypair *
make_session (FzTunnel *self,
              const FzNoiseKeys *keys,
              uint32_t local_index,
              uint32_t remote_index,
              bool is_initiator,
              FzInstant now)
{
  FzKeypair *keypair = fz_keypair_new (fz_aead_key_new (keys->send),
                                       fz_aead_key_new (keys->receive),
                                       local_index,
                                       remote_index,
                                       is_initiator,
                                       now);

  fz_session_ring_add (&self->sessions, keypair);
  self->renewed_at = now;
  return keypair;
}

static void
use_session (FzTunnel *self, FzKeypair *keypair)
{
  self->sessions.current = keypair;
  self->was_initiator = keypair->is_initiator;
  self->counters->handshakes_completed++;
  raise_event (self, FZ_TUNNEL_EVENT_SESSION);
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "session-established",
          "session established",
          FZ_KV_U64 ("connection", self->peer->connection_id),
          FZ_KV_U64 ("index", keypair->local_index),
          FZ_KV_BOOL ("is_initiator", keypair->is_initiator));
}

/* Sessions that the peer has begun to use. Their proof of life also ends an attempt of our own that
 * is no newer: there is nothing left to ask for. */
static void
adopt_confirmed (FzTunnel *self)
{
  FzKeypair *keypair = fz_session_ring_next_confirmed (&self->sessions);

  if (keypair == NULL)
    return;
  use_session (self, keypair);
  if ((self->state == FZ_TUNNEL_AWAITING || self->state == FZ_TUNNEL_SCHEDULED) &&
      (self->first_attempt_at == FZ_INSTANT_NEVER || self->first_attempt_at <= keypair->created_at))
    end_attempt (self);
}

static void
follow_origin (FzTunnel *self, const FzEndpoint *origin)
{
  FzEndpoint known;

  if (!atomic_load_explicit (&self->peer->is_roaming, memory_order_relaxed) ||
      origin->remote.ip.family == FZ_IP_NONE)
    return;
  known = fz_peer_get_endpoint (self->peer);
  if (fz_socket_address_equal (&known.remote, &origin->remote) &&
      fz_ip_equal (&known.local, &origin->local) && known.channel == origin->channel)
    return;
  fz_peer_set_endpoint (self->peer, origin);
  raise_event (self, FZ_TUNNEL_EVENT_ROAMED);
}

/* -- what is due: connectivity.md §2.7 -- */

static void
act_without_handshake (FzTunnel *self, FzInstant now)
{
  bool has_keys = fz_session_ring_usable (&self->sessions, now) != NULL;

  if (self->state == FZ_TUNNEL_QUIET && fz_tunnel_handshake_due_at (self, now) <= now) {
    schedule_initiation (self, now);
    return;
  }
  if (fz_tunnel_passive_keepalive_due_at (self) <= now)
    send_keepalive (self, now);
  if (fz_tunnel_persistent_keepalive_due_at (self) > now)
    return;
  if (has_keys)
    send_keepalive (self, now);
  else
    schedule_initiation (self, now);
}

static void
act (FzTunnel *self, FzInstant now)
{
  if (fz_tunnel_keys_end_at (self) <= now) {
    expire (self, "no new keys in time");
    return;
  }
  if (fz_tunnel_attempt_ends_at (self) <= now) {
    expire (self, "handshake unanswered");
    return;
  }
  if (self->state == FZ_TUNNEL_AWAITING && fz_tunnel_repetition_due_at (self) <= now)
    schedule_initiation (self, now);
  else if (self->state == FZ_TUNNEL_QUIET || self->state == FZ_TUNNEL_EXPIRED)
    act_without_handshake (self, now);
  if (self->state == FZ_TUNNEL_SCHEDULED && self->scheduled_at <= now)
    send_initiation (self, now);
}

static void
note_deadline (FzTunnel *self, FzInstant now)
{
  fz_traffic_watch (&self->traffic, self->profile.keepalive_timeout_s * FZ_S, now);
  self->next = MAX (fz_tunnel_find_deadline (self, now), now);
}

static void
evaluate (FzTunnel *self, FzInstant now)
{
  fz_session_ring_expire (&self->sessions, now);
  adopt_confirmed (self);
  act (self, now);
  note_deadline (self, now);
}

/* -- making and freeing -- */

FzTunnel *
fz_tunnel_new (const FzTunnelConfig *config, FzInstant now)
{
  static const uint8_t no_preshared_key[FZ_KEY_SIZE];
  const uint8_t *preshared_key =
      config->preshared_key != NULL ? config->preshared_key : no_preshared_key;
  g_autoptr (FzTunnel) self = g_new0 (FzTunnel, 1);

  self->identity = config->identity;
  self->peer = config->peer;
  self->profile = config->profile;
  self->aead = config->aead;
  self->rng = config->rng;
  self->log = fz_log_for (&config->log, "wireguard");
  if (config->counters == NULL)
    self->own_counters = g_new0 (FzTunnelCounters, 1);
  self->counters = config->counters != NULL ? config->counters : self->own_counters;
  self->unix_ns_at_zero = config->unix_ns_at_zero;
  self->first_attempt_at = FZ_INSTANT_NEVER;
  self->initiation_accepted_at = FZ_INSTANT_NEVER;
  self->renewed_at = now;
  fz_traffic_init (&self->traffic, config->peer, now);
  fz_traffic_clear (&self->traffic); /* the peer may have had a tunnel before */
  fz_session_ring_init (&self->sessions, config->peer, config->reclaim);

  self->secrets = fz_secret_new (sizeof *self->secrets);
  if (!fz_noise_peer_init (
          &self->secrets->noise, config->identity, config->public_key, preshared_key))
    return NULL;
  fz_cookie_jar_init (&self->secrets->jar, config->public_key);
  evaluate (self, now);
  return g_steal_pointer (&self);
}

void
fz_tunnel_free (FzTunnel *self)
{
  if (self == NULL)
    return;
  fz_session_ring_clear (&self->sessions);
  fz_tunnel_outbox_clear (&self->outbox);
  forget_outstanding (self);
  fz_secret_free (self->secrets, sizeof *self->secrets);
  g_free (self->own_counters);
  g_free (self);
}

/* -- messages -- */

/* Replayed and reordered initiations first, then those that come faster than an honest peer's. */
static FzDrop
check_freshness (const FzTunnel *self, const uint8_t timestamp[FZ_TAI64N_SIZE], FzInstant now)
{
  if (self->initiation_accepted_at == FZ_INSTANT_NEVER)
    return FZ_DROP_NONE;
  if (memcmp (timestamp, self->greatest_timestamp, FZ_TAI64N_SIZE) <= 0)
    return FZ_DROP_STALE_HANDSHAKE;
  if (fz_instant_since (self->initiation_accepted_at, now) < INITIATION_GAP_NS)
    return FZ_DROP_RATE_LIMITED;
  return FZ_DROP_NONE;
}

static void
note_accepted (FzTunnel *self, const FzEndpoint *origin, FzInstant now)
{
  fz_traffic_note_received (&self->traffic, now);
  fz_traffic_note_sent (&self->traffic, false, now);
  follow_origin (self, origin);
  self->counters->handshakes_received++;
  /* what was only scheduled is done by the peer now */
  if (self->state == FZ_TUNNEL_EXPIRED ||
      (self->state == FZ_TUNNEL_SCHEDULED && self->first_attempt_at == FZ_INSTANT_NEVER))
    set_state (self, FZ_TUNNEL_QUIET);
}

FzDrop
fz_tunnel_begin_response (FzTunnel *self,
                          const FzWireguardMessage *message,
                          FzNoiseInitiation *initiation,
                          FzInstant now,
                          FzNoiseAnswer *out)
{
  const FzNoisePeer *peer = &self->secrets->noise;
  uint8_t timestamp[FZ_TAI64N_SIZE];
  FzDrop drop;

  if (!fz_equal_constant_time (initiation->public_key, peer->public_key, FZ_KEY_SIZE))
    return FZ_DROP_UNKNOWN_PEER;
  drop = fz_noise_read_timestamp (initiation, peer, message, timestamp);
  if (drop == FZ_DROP_NONE)
    drop = check_freshness (self, timestamp, now);
  if (drop != FZ_DROP_NONE)
    return drop;

  /* now, and not with the response: what comes twice meanwhile is answered once */
  memcpy (self->greatest_timestamp, timestamp, FZ_TAI64N_SIZE);
  self->initiation_accepted_at = now;
  fz_noise_answer_init (out, peer, &self->rng, fz_session_ring_next_index (&self->sessions));
  return FZ_DROP_NONE;
}

FzDrop
fz_tunnel_finish_response (FzTunnel *self,
                           const FzNoiseInitiation *initiation,
                           uint32_t local_index,
                           const FzNoiseKeys *keys,
                           uint8_t response[FZ_WIREGUARD_RESPONSE_SIZE],
                           const FzEndpoint *origin,
                           FzInstant now)
{
  FzTunnelOutboxItem *out;

  if (!fz_equal_constant_time (
          initiation->public_key, self->secrets->noise.public_key, FZ_KEY_SIZE))
    return FZ_DROP_UNKNOWN_PEER;
  if (!fz_session_ring_may_add (&self->sessions, local_index))
    return FZ_DROP_STALE_HANDSHAKE;

  fz_cookie_jar_seal (&self->secrets->jar, response, FZ_WIREGUARD_RESPONSE_SIZE, local_index, now);
  make_session (self, keys, local_index, initiation->remote_index, false, now);
  out = fz_tunnel_outbox_add (&self->outbox, FZ_TUNNEL_SENDS_RESPONSE, FZ_WIREGUARD_RESPONSE_SIZE);
  memcpy (out->data, response, FZ_WIREGUARD_RESPONSE_SIZE);
  out->origin = *origin;
  note_accepted (self, origin, now);
  evaluate (self, now);
  return FZ_DROP_NONE;
}

static const FzNoiseHandshake *
find_outstanding (const FzTunnel *self, uint32_t local_index)
{
  for (size_t i = 0; self->outstanding != NULL && i < self->outstanding->n; i++)
    if (self->outstanding->handshakes[i].local_index == local_index)
      return &self->outstanding->handshakes[i];
  return NULL;
}

/* What we had asked for is answered. */
static void
count_handshake_time (FzTunnel *self, FzInstant now)
{
  static const uint64_t limits[FZ_N_HANDSHAKE_TIMES - 1] = { 1 * FZ_MS,  5 * FZ_MS,   10 * FZ_MS,
                                                             50 * FZ_MS, 100 * FZ_MS, 500 * FZ_MS,
                                                             1 * FZ_S,   5 * FZ_S };
  uint64_t elapsed_ns;
  unsigned i = 0;

  if (self->first_attempt_at == FZ_INSTANT_NEVER)
    return; /* an answer that came after we had given up */
  elapsed_ns = fz_instant_since (self->first_attempt_at, now);
  while (i < FZ_N_HANDSHAKE_TIMES - 1 && elapsed_ns > limits[i])
    i++;
  self->counters->handshake_times.n[i]++;
  self->counters->handshake_times.total_ns += elapsed_ns;
}

FzDrop
fz_tunnel_handle_response (FzTunnel *self,
                           const FzWireguardMessage *message,
                           const FzEndpoint *origin,
                           FzInstant now)
{
  const FzNoiseHandshake *handshake = find_outstanding (self, message->receiver_index);
  g_auto (FzNoiseKeys) keys = { { 0 }, { 0 } };
  FzKeypair *keypair;
  FzDrop drop;

  if (handshake == NULL)
    return FZ_DROP_UNKNOWN_INDEX;
  drop = fz_noise_read_response (handshake, self->identity, &self->secrets->noise, message, &keys);
  if (drop != FZ_DROP_NONE)
    return drop;

  keypair = make_session (self, &keys, message->receiver_index, message->sender_index, true, now);
  self->secrets->jar.is_waiting = false;
  count_handshake_time (self, now);
  end_attempt (self);
  fz_traffic_note_received (&self->traffic, now);
  follow_origin (self, origin);
  use_session (self, keypair);
  /* tells the responder that the session is alive: without it, it may not send */
  send_keepalive (self, now);
  evaluate (self, now);
  return FZ_DROP_NONE;
}

FzDrop
fz_tunnel_handle_cookie_reply (FzTunnel *self, const FzWireguardMessage *message, FzInstant now)
{
  FzDrop drop = fz_cookie_jar_take_reply (&self->secrets->jar, message, now);

  if (drop == FZ_DROP_NONE)
    self->counters->cookies_received++;
  return drop;
}

/* -- lanes, time, wishes -- */

void
fz_tunnel_handle_confirmed (FzTunnel *self, uint32_t local_index, FzInstant now)
{
  FzKeypair *keypair = fz_session_ring_find (&self->sessions, local_index);

  if (keypair == NULL)
    return;
  atomic_store_explicit (&keypair->is_confirmed, true, memory_order_release);
  evaluate (self, now);
}

void
fz_tunnel_handle_exhausted (FzTunnel *self, uint32_t local_index, FzInstant now)
{
  const FzKeypair *keypair = self->sessions.current;

  if (keypair == NULL || keypair->local_index != local_index || self->state != FZ_TUNNEL_QUIET)
    return;
  schedule_initiation (self, now);
  evaluate (self, now);
}

void
fz_tunnel_handle_activity (FzTunnel *self, FzInstant now)
{
  evaluate (self, now);
}

bool
fz_tunnel_start_handshake (FzTunnel *self, FzInstant now)
{
  if (self->first_attempt_at != FZ_INSTANT_NEVER)
    return false;
  revive (self, now);
  send_initiation (self, now);
  evaluate (self, now);
  return true;
}

void
fz_tunnel_handle_timeout (FzTunnel *self, FzInstant now)
{
  evaluate (self, now);
}

FzInstant
fz_tunnel_next_timeout (const FzTunnel *self)
{
  return self->next;
}

/* -- output -- */

bool
fz_tunnel_poll_transmit (FzTunnel *self, FzTunnelTransmit *out)
{
  return fz_tunnel_outbox_poll (&self->outbox, out);
}

bool
fz_tunnel_poll_event (FzTunnel *self, FzTunnelEvent *out)
{
  for (uint32_t event = FZ_TUNNEL_EVENT_SESSION; event <= FZ_TUNNEL_EVENT_EXPIRED; event++)
    if (self->events & UINT32_C (1) << event) {
      self->events &= ~(UINT32_C (1) << event);
      *out = (FzTunnelEvent) event;
      return true;
    }
  return false;
}

bool
fz_tunnel_publish (FzTunnel *self)
{
  return fz_session_ring_publish (&self->sessions);
}

FzDrop
fz_tunnel_seal (FzTunnel *self, FzSpan packet, FzInstant now, uint8_t *out)
{
  FzKeypair *keypair = fz_session_ring_usable (&self->sessions, now);
  uint64_t counter;

  if (keypair == NULL || !fz_keypair_reserve (keypair, 1, &counter))
    return FZ_DROP_NO_SESSION;
  seal_with (self, keypair, counter, packet, out);
  fz_traffic_note_sent (&self->traffic, packet.length > 0, now);
  note_deadline (self, now);
  return FZ_DROP_NONE;
}

bool
fz_tunnel_can_send (const FzTunnel *self, FzInstant now)
{
  return fz_session_ring_usable (&self->sessions, now) != NULL;
}

bool
fz_tunnel_is_handshaking (const FzTunnel *self)
{
  return self->state == FZ_TUNNEL_SCHEDULED || self->state == FZ_TUNNEL_AWAITING;
}

unsigned
fz_tunnel_count_sessions (const FzTunnel *self)
{
  return fz_session_ring_count (&self->sessions);
}

const uint8_t *
fz_tunnel_get_public_key (const FzTunnel *self)
{
  return self->secrets->noise.public_key;
}
