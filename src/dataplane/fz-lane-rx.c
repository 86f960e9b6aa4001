/* fz-lane-rx.c: the receive half of a lane, see fz-lane.h
 *
 * One turn:
 *
 *   buffer ─► datagrams ─► data? ─► key, age, replay ─► open in place, 16 at a time
 *                            │ no                              │
 *                            ▼                                 ▼
 *             engine's ring: handshakes, STUN, TURN   replay, stamps, roaming, confirmation
 *                                                              │
 *   TUN ◄── runs ◄── joined to its flow's run ◄── inner checks, ECN ◄── trimmed
 *                       │ cannot: verdict (flow cache), then a run of its own,
 *                       ▼ a drop, or the engine
 *
 * A packet that joins a run needs no verdict: it has the five-tuple and the peer
 * of one that had it in this very turn. Runs point into the receive buffers.
 * Nothing outlives the turn but counters, the flow cache and what is in the
 * peers.
 *
 * Congestion. Each buffer says how long it stood in the socket. When that queue
 * stands (fz-receive-aqm.h), a datagram of a session that fills it is marked or
 * dropped, once its header is known to be a session's and before it is opened.
 *
 * A session has one lane (fz-steering.h). Where there are several, the kernel may
 * yet bring datagrams to another one: without steering, after a rebind, or because
 * a relay carries many sessions from one address. They are opened as any; the
 * replay window is then asked under its lock, once per batch, after opening only.
 *
 * Handshake messages and what strangers send pass a gate first (fz-handshake-gate.h):
 * mac1, and no more of them in the ring than leave place for the rest.
 *
 * A gateway's packets to proxy addresses, and to the hosts behind those, pass a gate
 * last, one by one (fz-nat-gate.h): it translates them, or they are the engine's.
 */

#include "src/crypto/fz-aead.h"
#include "src/dataplane/fz-coalesce.h"
#include "src/dataplane/fz-flow-cache.h"
#include "src/dataplane/fz-handshake-gate.h"
#include "src/dataplane/fz-lane-private.h"
#include "src/dataplane/fz-nat-gate.h"
#include "src/dataplane/fz-receive-aqm.h"
#include "src/dataplane/fz-segment.h"
#include "src/proto/fz-wireguard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TOUCHED_MAX         32u
#define TOLD_MAX            16u
#define CHANNEL_HEADER_SIZE 4u
#define DATAGRAM_MAX                                                                               \
  (FZ_MTU + FZ_WIREGUARD_OVERHEAD + CHANNEL_HEADER_SIZE) /* connectivity.md §9.1 */
#define WAITING_DIVISOR      4u /* of the ring: so much may lie there and wait */
#define STUN_HEADER_SIZE     20u
#define STUN_MAGIC_COOKIE    UINT32_C (0x2112a442)
#define STUN_BINDING_SUCCESS 0x0101u

/* A data datagram that waits to be opened. */
typedef struct {
  uint8_t *plaintext; /* where it will be */
  uint64_t counter;
  const FzUdpBuffer *buffer;
  uint8_t ecn; /* of the outer header, or CoDel's mark */
} Sealed;

/* The session of the datagrams at hand: found once per run of equal indices. */
typedef struct {
  uint32_t index;
  FzPeer *peer;
  FzKeypair *keypair; /* NULL: look it up */
  const FzNat *nat;   /* gateway: the peer's sessions; NULL: it has none */
  bool is_foreign;    /* another lane's */
} Session;

/* A move that the engine has been told of. */
typedef struct {
  uint32_t connection_id;
  uint32_t generation; /* of the endpoint then */
  FzSocketAddress from;
} Told;

struct FzLaneRx {
  FzPublished *published;
  FzRing *to_engine;
  FzLaneLimits limits;
  FzSteering steering;
  uint32_t index;
  bool is_shared; /* there are other lanes, and any may meet any session */
  FzAead *aead;
  FzFlowCache *cache;
  FzCoalescer *coalescer;
  FzReceiveAqm aqm;
  FzHandshakeGate *gate;
  FzNatGate nat_gate;

  /* of the current turn */
  const FzSnapshot *snapshot;
  FzInstant now;
  bool is_gateway;
  bool is_strict; /* Firezone's limits on inner packets: not for the bare engine */
  Session session;
  size_t n_sealed; /* all of @session */
  Sealed sealed[FZ_LANE_SEAL_BATCH];
  FzAeadOp ops[FZ_LANE_SEAL_BATCH];
  size_t n_touched;
  FzTouched touched[TOUCHED_MAX];

  Told told[TOLD_MAX];               /* by connection id, modulo */
  uint64_t n_handed_over, n_answers; /* of the counters, before the last push */
  bool is_taken;
  FzLaneCounters counters;
};

FzLaneRx *
fz_lane_rx_new (const FzLaneConfig *config)
{
  FzLaneRx *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->published = config->published;
  self->to_engine = config->rx_to_engine;
  self->limits = config->limits;
  self->steering = config->steering;
  self->index = config->index;
  self->is_shared = config->steering.n_lanes > 1;
  self->aead = fz_aead_new (config->backend);
  self->cache = fz_flow_cache_new (config->hash_seed);
  self->coalescer = fz_coalescer_new ();
  self->gate = fz_handshake_gate_new (self->to_engine);
  fz_nat_gate_init (&self->nat_gate, self->to_engine);
  fz_receive_aqm_init (&self->aqm,
                       config->aqm != NULL ? &config->aqm->receive : &fz_aqm_default.receive);
  if (self->aead == NULL)
    abort ();
  self->is_taken = true;
  return self;
}

void
fz_lane_rx_free (FzLaneRx *self)
{
  if (self == NULL)
    return;
  fz_aead_free (self->aead);
  fz_flow_cache_free (self->cache);
  fz_coalescer_free (self->coalescer);
  fz_handshake_gate_free (self->gate);
  free (self);
}

void
fz_lane_rx_set_limits (FzLaneRx *self, const FzLaneLimits *limits)
{
  self->limits = *limits;
}

static uint64_t
get (const _Atomic uint64_t *counter)
{
  return atomic_load_explicit (counter, memory_order_relaxed);
}

const FzLaneCounters *
fz_lane_rx_get_counters (const FzLaneRx *self)
{
  return &self->counters;
}

/* -- to the engine -- */

/* A binding's success, directly or in a relay's ChannelData. */
static bool
is_answer (FzSpan datagram)
{
  const uint8_t *data = datagram.data;

  if (datagram.length > CHANNEL_HEADER_SIZE && (data[0] & 0xf0) == 0x40)
    datagram = fz_span (data + CHANNEL_HEADER_SIZE, datagram.length - CHANNEL_HEADER_SIZE);
  return datagram.length >= STUN_HEADER_SIZE &&
         fz_get_u16be (datagram.data) == STUN_BINDING_SUCCESS &&
         fz_get_u32be (datagram.data + 4) == STUN_MAGIC_COOKIE;
}

/* False, and counted, if the ring is full. */
static bool
hand_over_datagram (FzLaneRx *self, FzSpan datagram, const FzUdpBuffer *buffer)
{
  FzLaneMessage *message = fz_lane_message_reserve (
      self->to_engine, &self->counters, FZ_LANE_MESSAGE_DATAGRAM, (uint32_t) datagram.length);

  if (message == NULL)
    return false;
  message->ecn = buffer->ecn;
  message->from = buffer->from;
  message->to = buffer->to;
  if (is_answer (datagram)) {
    message->answered_at = self->now;
    fz_count (&self->counters.answers, 1);
  }
  memcpy (message->data, datagram.data, datagram.length);
  fz_ring_commit (self->to_engine);
  return true;
}

static void
hand_over_inner (FzLaneRx *self, const FzIpPacket *packet, FzDrop reason, const FzUdpBuffer *buffer)
{
  FzLaneMessage *message = fz_lane_message_reserve (
      self->to_engine, &self->counters, FZ_LANE_MESSAGE_INNER, packet->length);

  if (message == NULL)
    return;
  message->reason = (uint8_t) reason;
  message->connection_id = self->session.peer->connection_id;
  message->from = buffer->from;
  message->to = buffer->to;
  memcpy (message->data, packet->data, packet->length);
  fz_ring_commit (self->to_engine);
}

/* The first authenticated packet on a session that the peer initiated: now we may send on it. */
static void
confirm_session (FzLaneRx *self)
{
  FzKeypair *keypair = self->session.keypair;
  FzLaneMessage *message;

  if (atomic_load_explicit (&keypair->is_confirmed, memory_order_relaxed))
    return;
  if (!keypair->is_initiator) {
    message =
        fz_lane_message_reserve (self->to_engine, &self->counters, FZ_LANE_MESSAGE_CONFIRMED, 0);
    if (message == NULL)
      return; /* the next packet tries again */
    message->connection_id = self->session.peer->connection_id;
    message->local_index = keypair->local_index;
    fz_ring_commit (self->to_engine);
  }
  atomic_store_explicit (&keypair->is_confirmed, true, memory_order_release);
}

/* A static peer's newest packet came from elsewhere. Said once, until the engine has moved the
 * endpoint. */
static void
follow_roaming (FzLaneRx *self, const FzUdpBuffer *buffer)
{
  FzPeer *peer = self->session.peer;
  FzLaneMessage *message;
  FzEndpoint endpoint;
  Told *told;

  if (!atomic_load_explicit (&peer->is_roaming, memory_order_relaxed))
    return;
  endpoint = fz_peer_get_endpoint (peer);
  told = &self->told[peer->connection_id % TOLD_MAX];
  if (fz_socket_address_equal (&endpoint.remote, &buffer->from) ||
      (told->connection_id == peer->connection_id && told->generation == endpoint.generation &&
       fz_socket_address_equal (&told->from, &buffer->from)))
    return;
  message = fz_lane_message_reserve (self->to_engine, &self->counters, FZ_LANE_MESSAGE_ROAMED, 0);
  if (message == NULL)
    return;
  *told = (Told){ peer->connection_id, endpoint.generation, buffer->from };
  message->connection_id = peer->connection_id;
  message->from = buffer->from;
  message->to = buffer->to;
  fz_ring_commit (self->to_engine);
}

/* -- peers of the turn -- */

static void
stamp_received (const FzTouched *touched, uint64_t now)
{
  FzPeer *peer = touched->peer;

  atomic_store_explicit (&peer->received_any_at, now, memory_order_relaxed);
  if (atomic_load_explicit (&peer->first_unanswered_sent_at, memory_order_relaxed) != 0)
    atomic_store_explicit (&peer->first_unanswered_sent_at, 0, memory_order_relaxed);
  if (!touched->has_data)
    return;
  atomic_store_explicit (&peer->received_data_at, now, memory_order_relaxed);
  if (atomic_load_explicit (&peer->first_unanswered_received_at, memory_order_relaxed) == 0)
    atomic_store_explicit (&peer->first_unanswered_received_at, now, memory_order_relaxed);
}

static void
publish_touched (FzLaneRx *self)
{
  uint64_t now = self->now > 0 ? self->now : 1; /* 0 says "never" */

  for (size_t i = 0; i < self->n_touched; i++) {
    const FzTouched *touched = &self->touched[i];

    stamp_received (touched, now);
    atomic_fetch_add_explicit (
        &touched->peer->received_packets, touched->packets, memory_order_relaxed);
    atomic_fetch_add_explicit (
        &touched->peer->received_bytes, touched->bytes, memory_order_relaxed);
    if (touched->has_data)
      fz_lane_tell_activity (touched->peer, self->to_engine, &self->counters);
  }
  self->n_touched = 0;
}

static FzTouched *
touch (FzLaneRx *self, FzPeer *peer)
{
  size_t i = self->n_touched;

  while (i > 0 && self->touched[i - 1].peer != peer)
    i--;
  if (i > 0)
    return &self->touched[i - 1];
  if (self->n_touched == TOUCHED_MAX)
    publish_touched (self);
  self->touched[self->n_touched] = (FzTouched){ .peer = peer };
  return &self->touched[self->n_touched++];
}

/* -- inner packets -- */

static FzDrop
check_inner (const FzLaneRx *self, uint8_t *plaintext, uint32_t length, FzIpPacket *out)
{
  FzDrop drop = fz_ip_packet_parse (fz_span (plaintext, length), out);

  if (drop != FZ_DROP_NONE || !self->is_strict)
    return drop;
  return out->length > FZ_MTU ? FZ_DROP_TOO_LARGE : FZ_DROP_NONE;
}

/* The verdict of the packet's flow; true if it passes, else it is dealt with. */
static bool
may_pass (FzLaneRx *self, const FzIpPacket *packet, const FzFlow *flow, const FzUdpBuffer *buffer)
{
  bool is_hit;
  FzVerdict verdict =
      fz_flow_cache_receive (self->cache, self->snapshot, self->session.peer, flow, &is_hit);

  fz_count_cache (&self->counters, self->cache, is_hit);
  if (!is_hit && self->is_gateway && verdict.kind == FZ_VERDICT_PASS)
    fz_nat_gate_mark_direct (
        atomic_load_explicit (&self->published->direct_flows, memory_order_acquire), flow);
  switch ((FzVerdictKind) verdict.kind) {
  case FZ_VERDICT_DROP:
    fz_count_drop (&self->counters, (FzDrop) verdict.reason, 1);
    return false;
  case FZ_VERDICT_TO_ENGINE:
    hand_over_inner (self, packet, (FzDrop) verdict.reason, buffer);
    return false;
  case FZ_VERDICT_PASS:
    return true;
  }
  return false;
}

static void
start_run (FzLaneRx *self, FzArrival *candidate)
{
  if (!fz_coalescer_start (self->coalescer, candidate))
    fz_count_drop (&self->counters, FZ_DROP_NO_BUFFER, 1);
}

static void
join_or_start (FzLaneRx *self, FzArrival *candidate)
{
  fz_coalescer_examine (self->coalescer, candidate, self->session.peer);
  if (!fz_coalescer_join (self->coalescer, candidate))
    start_run (self, candidate);
}

static void
decide_packet (FzLaneRx *self, FzArrival *candidate, const FzUdpBuffer *buffer)
{
  FzFlow flow = fz_flow_from_packet (&candidate->packet);

  if (may_pass (self, &candidate->packet, &flow, buffer))
    start_run (self, candidate);
}

/* Judged one by one, because its way may lead by a session (fz-nat-gate.h). */
static void
receive_of_session (FzLaneRx *self,
                    FzArrival *candidate,
                    uint8_t *plaintext,
                    const FzUdpBuffer *buffer)
{
  const FzIpPacket *packet = &candidate->packet;
  FzFlow flow = fz_flow_from_packet (packet);

  if (!may_pass (self, packet, &flow, buffer))
    return;
  switch (
      fz_nat_gate_pass (&self->nat_gate, self->session.nat, &flow, plaintext, packet, self->now)) {
  case FZ_VERDICT_DROP:
    fz_count_drop (&self->counters, FZ_DROP_UNKNOWN_PROTOCOL, 1);
    return;
  case FZ_VERDICT_TO_ENGINE:
    hand_over_inner (self, packet, FZ_DROP_NO_NAT, buffer);
    fz_nat_gate_note (&self->nat_gate, &flow);
    return;
  case FZ_VERDICT_PASS:
    join_or_start (self, candidate);
    return;
  }
}

static void
receive_packet (FzLaneRx *self, const Sealed *sealed, uint32_t length)
{
  const FzUdpBuffer *buffer = sealed->buffer;
  uint8_t *plaintext = sealed->plaintext;
  FzArrival candidate;
  const FzIpPacket *packet = &candidate.packet;
  FzDrop drop = check_inner (self, plaintext, length, &candidate.packet);

  if (drop != FZ_DROP_NONE) {
    fz_count_drop (&self->counters, drop, 1);
    return;
  }
  fz_count (&self->counters.packets, 1);
  fz_count (&self->counters.bytes, packet->length);
  if (self->is_strict &&
      (fz_ip_packet_is_control (packet) || fz_ip_packet_is_path_probe (packet))) {
    hand_over_inner (self, packet, FZ_DROP_NONE, buffer);
    return;
  }
  fz_ip_merge_ecn (plaintext, sealed->ecn);
  if (self->is_gateway && fz_nat_gate_concerns (self->session.nat, packet)) {
    receive_of_session (self, &candidate, plaintext, buffer);
    return;
  }
  fz_coalescer_examine (self->coalescer, &candidate, self->session.peer);
  if (!fz_coalescer_join (self->coalescer, &candidate))
    decide_packet (self, &candidate, buffer);
}

/* -- opening -- */

/* What an opened and new datagram means for its peer. */
static void
receive_opened (FzLaneRx *self, const Sealed *sealed, uint32_t length, FzTouched *touched)
{
  if (length == 0)
    return; /* a keepalive */
  touched->has_data = true;
  touched->packets++;
  touched->bytes += length;
  receive_packet (self, sealed, length);
}

static void
count_refused (FzLaneRx *self, size_t n, uint64_t is_good, uint64_t is_new)
{
  uint64_t all = (UINT64_C (1) << n) - 1;

  fz_count_drop (
      &self->counters, FZ_DROP_BAD_TAG, (uint64_t) __builtin_popcountll (all & ~is_good));
  fz_count_drop (
      &self->counters, FZ_DROP_REPLAY, (uint64_t) __builtin_popcountll (is_good & all & ~is_new));
}

/* Of the first @n packets those that authenticated, as bits @is_good, and are new; @out_newest:
 * where the newest of the session came from, if it is among them. */
static uint64_t
accept_opened (FzLaneRx *self, size_t n, uint64_t is_good, const FzUdpBuffer **out_newest)
{
  FzKeypair *keypair = self->session.keypair;
  FzReplayWindow *window = &keypair->window;
  uint64_t is_new = 0;

  if (self->is_shared)
    fz_keypair_lock_window (keypair);
  for (size_t i = 0; i < n; i++) {
    uint64_t counter = self->sealed[i].counter;

    if ((is_good >> i & 1) == 0 || !fz_replay_window_accept (window, counter))
      continue;
    is_new |= UINT64_C (1) << i;
    if (window->next == counter + 1)
      *out_newest = self->sealed[i].buffer;
  }
  if (self->is_shared)
    fz_keypair_unlock_window (keypair);
  return is_new;
}

static void
open_sealed (FzLaneRx *self)
{
  size_t n = self->n_sealed;
  const FzUdpBuffer *newest = NULL;
  FzTouched *touched;
  uint64_t is_good, is_new;

  if (n == 0)
    return;
  self->n_sealed = 0;
  fz_count (&self->counters.to_open, n);
  is_good = fz_aead_open (self->aead, self->session.keypair->receive_key, self->ops, n);
  is_new = accept_opened (self, n, is_good, &newest);
  if (is_new != (UINT64_C (1) << n) - 1)
    count_refused (self, n, is_good, is_new);
  if (self->session.is_foreign)
    fz_count (&self->counters.foreign, n);
  if (is_new == 0)
    return;

  touched = touch (self, self->session.peer);
  confirm_session (self);
  for (size_t i = 0; i < n; i++)
    if ((is_new >> i & 1) != 0)
      receive_opened (self, &self->sealed[i], self->ops[i].length, touched);
  if (newest != NULL)
    follow_roaming (self, newest);
}

/* The session of @index, or why there is none. */
static FzDrop
find_session (FzLaneRx *self, uint32_t index)
{
  FzPeer *peer;
  FzKeypair *keypair;

  if (self->session.keypair != NULL && self->session.index == index)
    return FZ_DROP_NONE;
  open_sealed (self);
  self->session = (Session){ 0 };
  peer = fz_snapshot_find_peer (self->snapshot, index >> 8);
  if (peer == NULL)
    return FZ_DROP_UNKNOWN_INDEX;
  keypair = atomic_load_explicit (&peer->receiving[index % FZ_PEER_SESSIONS], memory_order_acquire);
  if (keypair == NULL || keypair->local_index != index)
    return FZ_DROP_UNKNOWN_INDEX;
  if (!fz_keypair_may_receive (keypair, self->now))
    return FZ_DROP_EXPIRED_KEY;
  self->session = (Session){
    .index = index,
    .peer = peer,
    .keypair = keypair,
    .nat = self->is_gateway ? atomic_load_explicit (&peer->nat, memory_order_acquire) : NULL,
    .is_foreign = fz_steering_get_lane (&self->steering, index >> 8) != self->index,
  };
  return FZ_DROP_NONE;
}

/* CoDel's signal to a sender whose packets say that they understand it. The peer has copied that to
 * the outer header (RFC 6040 §4.1). */
static bool
mark (FzLaneRx *self, uint8_t *ecn)
{
  if (*ecn == FZ_ECN_NOT_ECT)
    return false;
  *ecn = FZ_ECN_CE;
  fz_count (&self->counters.marks, 1);
  return true;
}

static FzDrop
count_replay (FzLaneRx *self, uint64_t counter)
{
  if (fz_replay_window_is_behind (&self->session.keypair->window, counter))
    fz_count (&self->counters.replays_old, 1);
  return FZ_DROP_REPLAY;
}

static FzDrop
receive_data (FzLaneRx *self, uint8_t *datagram, uint32_t length, const FzUdpBuffer *buffer)
{
  uint64_t counter = fz_get_u64le (datagram + 8);
  uint8_t *sealed = datagram + FZ_WIREGUARD_DATA_HEADER_SIZE;
  uint8_t ecn = buffer->ecn;
  FzDrop drop;

  if (self->is_strict && length > DATAGRAM_MAX)
    return FZ_DROP_TOO_LARGE;
  drop = find_session (self, fz_get_u32le (datagram + 4));
  if (drop != FZ_DROP_NONE)
    return drop;
  if (!self->is_shared && !fz_replay_window_may_accept (&self->session.keypair->window, counter))
    return count_replay (self, counter);
  if (length > FZ_WIREGUARD_OVERHEAD && fz_receive_aqm_signals (&self->aqm, buffer) &&
      !mark (self, &ecn))
    return FZ_DROP_CODEL;

  self->ops[self->n_sealed] = (FzAeadOp){
    .source = sealed, .target = sealed, .length = length - FZ_WIREGUARD_OVERHEAD, .counter = counter
  };
  self->sealed[self->n_sealed++] =
      (Sealed){ .plaintext = sealed, .counter = counter, .buffer = buffer, .ecn = ecn };
  if (self->n_sealed == FZ_LANE_SEAL_BATCH)
    open_sealed (self);
  return FZ_DROP_NONE;
}

/* -- demultiplexing -- */

/* connectivity.md §2.2 and §6: handshakes, STUN, ChannelData by their first bytes. */
static bool
is_for_engine (FzSpan datagram)
{
  const uint8_t *data = datagram.data;

  if (datagram.length < 4)
    return false;
  if (data[0] >= 0x40 && data[0] <= 0x4f)
    return true;
  if (fz_wireguard_is_message (datagram))
    return true;
  return datagram.length >= STUN_HEADER_SIZE && data[0] <= 3 &&
         fz_get_u32be (data + 4) == STUN_MAGIC_COOKIE;
}

/* A relay's ChannelData around a data message (connectivity.md §5.6). Which channel of which relay
 * it came through is of no concern: what authenticates is accepted from anywhere (§1.11). */
static bool
is_relayed_data (const uint8_t *datagram, uint32_t length)
{
  return length >= CHANNEL_HEADER_SIZE + FZ_WIREGUARD_OVERHEAD && (datagram[0] & 0xf0) == 0x40 &&
         fz_get_u16be (datagram + 2) == length - CHANNEL_HEADER_SIZE &&
         fz_get_u32le (datagram + CHANNEL_HEADER_SIZE) == FZ_WIREGUARD_DATA;
}

/* A handshake message, which a relay's channel may have brought. */
static bool
is_handshake (const FzLaneRx *self, FzSpan datagram, FzWireguardMessage *out)
{
  const uint8_t *data = datagram.data;
  size_t length;

  if (self->is_strict && datagram.length > CHANNEL_HEADER_SIZE && (data[0] & 0xf0) == 0x40) {
    length = fz_get_u16be (data + 2); /* padding may follow */
    if (length > datagram.length - CHANNEL_HEADER_SIZE)
      return false;
    datagram = fz_span (data + CHANNEL_HEADER_SIZE, length);
  }
  return fz_wireguard_parse (datagram, out) == FZ_DROP_NONE && out->type != FZ_WIREGUARD_DATA;
}

/* STUN or ChannelData, or what looks like it. */
static FzDrop
receive_other (FzLaneRx *self, FzSpan datagram, const FzUdpBuffer *buffer)
{
  const FzFlowMarks *contacts =
      atomic_load_explicit (&self->published->contacts, memory_order_acquire);

  if (contacts == NULL || fz_flow_marks_has_contact (contacts, &buffer->from)) {
    hand_over_datagram (self, datagram, buffer);
    return FZ_DROP_NONE;
  }
  if (!fz_handshake_gate_has_place (self->gate, datagram.length))
    return FZ_DROP_STRANGER;
  if (hand_over_datagram (self, datagram, buffer))
    fz_handshake_gate_note_stranger (self->gate, datagram.length);
  return FZ_DROP_NONE;
}

static FzDrop
receive_for_engine (FzLaneRx *self, FzSpan datagram, const FzUdpBuffer *buffer)
{
  FzWireguardMessage handshake;
  FzDrop drop;

  if (!is_for_engine (datagram))
    return FZ_DROP_NOT_WIREGUARD;
  if (datagram.length > DATAGRAM_MAX)
    return FZ_DROP_TOO_LARGE;
  if (!is_handshake (self, datagram, &handshake))
    return receive_other (self, datagram, buffer);
  /* without what is behind it: anybody may pad, and the gate counts with small records */
  datagram.length = (size_t) (handshake.datagram.data - datagram.data) + handshake.datagram.length;
  drop =
      fz_handshake_gate_check (self->gate, &handshake, fz_snapshot_get_mac1_key (self->snapshot));
  if (drop == FZ_DROP_NONE && hand_over_datagram (self, datagram, buffer))
    fz_handshake_gate_note (self->gate, &handshake);
  return drop;
}

static void
receive_datagram (FzLaneRx *self, uint8_t *datagram, uint32_t length, const FzUdpBuffer *buffer)
{
  FzDrop drop = FZ_DROP_NONE;

  fz_count (&self->counters.datagrams, 1);
  if (self->is_strict && is_relayed_data (datagram, length)) {
    datagram += CHANNEL_HEADER_SIZE;
    length -= CHANNEL_HEADER_SIZE;
  }
  if (length >= 4 && fz_get_u32le (datagram) == FZ_WIREGUARD_DATA)
    drop = length >= FZ_WIREGUARD_OVERHEAD ? receive_data (self, datagram, length, buffer)
                                           : FZ_DROP_BAD_LENGTH;
  else
    drop = receive_for_engine (self, fz_span (datagram, length), buffer);
  if (drop != FZ_DROP_NONE)
    fz_count_drop (&self->counters, drop, 1);
}

static void
receive_buffer (FzLaneRx *self, const FzUdpBuffer *buffer)
{
  uint32_t stride = buffer->stride > 0 ? buffer->stride : buffer->length;
  uint32_t n_left;

  fz_count (&self->counters.trains, 1);
  fz_count_sojourn (&self->counters, buffer->sojourn_ns);
  for (uint32_t at = 0; at < buffer->length; at += stride) {
    n_left = buffer->length - at;
    receive_datagram (self, buffer->data + at, n_left < stride ? n_left : stride, buffer);
  }
}

void
fz_lane_rx_push (FzLaneRx *self, FzUdpBuffer *buffers, size_t n_buffers, FzInstant now)
{
  assert (n_buffers <= FZ_RX_BATCH);
  self->snapshot = atomic_load_explicit (&self->published->current, memory_order_acquire);
  self->now = now;
  self->is_gateway = fz_snapshot_get_role (self->snapshot) == FZ_ROLE_GATEWAY;
  self->is_strict = fz_snapshot_get_role (self->snapshot) != FZ_ROLE_BARE;
  self->session = (Session){ 0 };
  self->is_taken = false;
  self->n_handed_over = get (&self->counters.to_engine);
  self->n_answers = get (&self->counters.answers);
  fz_flow_cache_begin (self->cache, fz_snapshot_get_serial (self->snapshot));
  fz_coalescer_begin (self->coalescer, &self->limits);
  fz_receive_aqm_begin (&self->aqm, buffers, n_buffers, now);

  for (size_t i = 0; i < n_buffers; i++)
    receive_buffer (self, &buffers[i]);

  open_sealed (self);
  publish_touched (self);
}

FzLaneNews
fz_lane_rx_get_news (const FzLaneRx *self)
{
  uint64_t n = get (&self->counters.to_engine) - self->n_handed_over;
  uint64_t n_answers = get (&self->counters.answers) - self->n_answers;
  uint64_t position = fz_ring_position (self->to_engine);
  size_t may_wait = fz_ring_get_capacity (self->to_engine) / WAITING_DIVISOR;

  if (n == 0)
    return FZ_LANE_NEWS_NONE;
  if (n > n_answers ||
      (position > may_wait && !fz_ring_is_consumed (self->to_engine, position - may_wait)))
    return FZ_LANE_NEWS_URGENT;
  return FZ_LANE_NEWS_ANSWERS;
}

size_t
fz_lane_rx_take (FzLaneRx *self, const FzRun **out_runs)
{
  size_t n_runs = 0, n_packets = 0;

  *out_runs = NULL;
  if (!self->is_taken)
    n_runs = fz_coalescer_finish (self->coalescer, out_runs);
  self->is_taken = true;
  fz_count (&self->counters.super_packets, n_runs);
  for (size_t i = 0; i < n_runs; i++) {
    fz_count_length (&self->counters, (*out_runs)[i].n_packets);
    n_packets += (*out_runs)[i].n_packets;
  }
  fz_count (&self->counters.run_packets, n_packets);
  return n_runs;
}

void
fz_lane_rx_split (FzLaneRx *self,
                  const FzRun *run,
                  uint8_t *frame,
                  void (*emit) (void *context, const uint8_t *packet, size_t length),
                  void *context)
{
  const uint8_t *first = run->iov[1].iov_base;
  FzSegmenter segmenter;
  FzDrop drop;

  (void) self;
  if (run->n_packets < 2) {
    emit (context, first, run->iov[1].iov_len);
    return;
  }
  /* The run is ours, so it is well-formed. Its header says the length of the whole, of which only
   * the headers lie at @first: the payloads are taken from their pieces. */
  drop = fz_segmenter_init (&segmenter, &run->vnet, first, run->length, FZ_PACKET_MAX);
  assert (drop == FZ_DROP_NONE && segmenter.n_segments == run->n_packets);
  for (uint32_t i = 0; i < segmenter.n_segments; i++) {
    const uint8_t *payload = i == 0 ? first + segmenter.header_length : run->iov[i + 1].iov_base;

    fz_segmenter_write_from (&segmenter, i, payload, frame);
    emit (context, frame, fz_segmenter_get_length (&segmenter, i));
  }
}
