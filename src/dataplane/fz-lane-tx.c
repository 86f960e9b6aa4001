/* fz-lane-tx.c: the transmit half of a lane, see fz-lane.h
 *
 * One turn:
 *
 *   frame ─► parse, validate ─► verdict ─► session? address? ─► room? ─┐
 *     (fz-segment)          (flow cache)    │ no                       │
 *                                           ▼                          ▼
 *                            engine's ring, cut into packets   cut into its train, seal
 *
 * A super-packet is routed, filtered and given its nonces once. Its packets are
 * then written one by one to their places in a train and sealed there, sixteen
 * at a time.
 *
 * Order. What went to the engine must leave before what is sent directly later.
 * For each destination (hashed into a small table) the half remembers how far
 * the ring had got when it last handed over a packet for it; a packet that could
 * be sent directly waits, with all that follow, until the engine has released
 * that much. The engine releases a record after it has sent what came of it, and
 * sends what waited for a session before the session becomes visible here.
 *
 * Proxy addresses. What comes to a gateway from behind one is translated back
 * (fz-nat.h) before its verdict is asked; a frame that then has to wait is put
 * back as it was. ICMP errors are few and the engine's.
 *
 * Flow queueing. There is none yet: frames are emitted in the order in which
 * they were read. FQ-CoDel (dataplane.md §7) belongs between route_frame, which
 * knows peer and flow of a whole super-packet, and emit_frame, which needs
 * nothing but that decision: it would stage routed frames instead of emitting
 * them at once, and emit by deficit and sojourn time.
 */

#include "src/crypto/fz-aead.h"
#include "src/dataplane/fz-flow-cache.h"
#include "src/dataplane/fz-lane-private.h"
#include "src/dataplane/fz-segment.h"
#include "src/dataplane/fz-train.h"
#include "src/proto/fz-wireguard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DESTINATIONS 256u /* buckets of the ordering table */
#define TOUCHED_MAX  FZ_TX_BATCH

struct FzLaneTx {
  FzPublished *published;
  FzRing *to_engine;
  FzLaneLimits limits;
  FzAead *aead;
  FzFlowCache *cache;
  FzTrainYard *yard;

  /* of the current turn */
  const FzSnapshot *snapshot;
  FzInstant now;
  FzKeypair *pending_key; /* of the packets in @ops */
  size_t n_ops;
  FzAeadOp ops[FZ_LANE_SEAL_BATCH];
  size_t n_touched;
  FzTouched touched[TOUCHED_MAX];

  uint64_t handed[DESTINATIONS]; /* ring position, 0: nothing outstanding */
  uint64_t waiting_for;          /* ring position, 0: not waiting */
  bool is_taken;                 /* the trains were handed out: forget them before the next push */

  FzLaneCounters counters;
};

/* A frame whose way is decided. */
typedef struct {
  FzSegmenter segmenter;
  FzFlow flow;
  FzVerdict verdict;
  bool is_translated;
  uint8_t saved_ip[FZ_IPV6_HEADER_SIZE]; /* of a translated frame: as it came */
  uint8_t saved_transport[FZ_TCP_HEADER_SIZE];
} RoutedFrame;

typedef enum {
  FRAME_DONE,    /* sent, handed over or dropped */
  FRAME_BLOCKED, /* not touched: wait for the engine, or for trains to be taken */
} FrameResult;

FzLaneTx *
fz_lane_tx_new (const FzLaneConfig *config)
{
  FzLaneTx *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->published = config->published;
  self->to_engine = config->tx_to_engine;
  self->limits = config->limits;
  self->aead = fz_aead_new (config->backend);
  self->cache = fz_flow_cache_new (config->hash_seed);
  self->yard = fz_train_yard_new ();
  if (self->aead == NULL)
    abort ();
  return self;
}

void
fz_lane_tx_free (FzLaneTx *self)
{
  if (self == NULL)
    return;
  fz_aead_free (self->aead);
  fz_flow_cache_free (self->cache);
  fz_train_yard_free (self->yard);
  free (self);
}

void
fz_lane_tx_set_limits (FzLaneTx *self, const FzLaneLimits *limits)
{
  self->limits = *limits;
}

const FzLaneCounters *
fz_lane_tx_get_counters (const FzLaneTx *self)
{
  return &self->counters;
}

/* -- what is outstanding at the engine -- */

static uint64_t *
find_handed (FzLaneTx *self, const FzIp *destination)
{
  uint64_t words[2];

  memcpy (words, destination->bytes, sizeof words);
  words[0] = (words[0] ^ words[1] >> 7 ^ words[1] << 9) * UINT64_C (0x9e3779b97f4a7c15);
  return &self->handed[words[0] >> 56];
}

/* Whether a packet for @destination would overtake one that the engine still has to handle. */
static bool
must_wait (FzLaneTx *self, const FzIp *destination)
{
  uint64_t *handed = find_handed (self, destination);

  _Static_assert(DESTINATIONS == 256, "the bucket is the top byte of the hash");
  if (*handed == 0)
    return false;
  if (fz_ring_is_consumed (self->to_engine, *handed)) {
    *handed = 0;
    return false;
  }
  self->waiting_for = *handed;
  return true;
}

bool
fz_lane_tx_is_waiting (FzLaneTx *self)
{
  if (self->waiting_for != 0 && fz_ring_is_consumed (self->to_engine, self->waiting_for))
    self->waiting_for = 0;
  return self->waiting_for != 0;
}

static void
hand_over (FzLaneTx *self, const RoutedFrame *frame)
{
  const FzSegmenter *segmenter = &frame->segmenter;

  for (uint32_t i = 0; i < segmenter->n_segments; i++) {
    FzLaneMessage *message = fz_lane_message_reserve (self->to_engine,
                                                      &self->counters,
                                                      FZ_LANE_MESSAGE_PACKET,
                                                      fz_segmenter_get_length (segmenter, i));

    if (message == NULL) {
      fz_count_drop (&self->counters, FZ_DROP_QUEUE_FULL, segmenter->n_segments - i - 1);
      return;
    }
    fz_segmenter_write (segmenter, i, message->data);
    fz_ring_commit (self->to_engine);
    if (fz_snapshot_get_role (self->snapshot) != FZ_ROLE_GATEWAY) /* there, nobody waits */
      *find_handed (self, &frame->flow.destination) = fz_ring_position (self->to_engine);
  }
}

/* -- peers of the turn -- */

static void
publish_touched (FzLaneTx *self)
{
  uint64_t now = self->now > 0 ? self->now : 1; /* 0 says "never" */

  for (size_t i = 0; i < self->n_touched; i++) {
    const FzTouched *touched = &self->touched[i];
    FzPeer *peer = touched->peer;

    atomic_store_explicit (&peer->sent_data_at, now, memory_order_relaxed);
    if (atomic_load_explicit (&peer->first_unanswered_sent_at, memory_order_relaxed) == 0)
      atomic_store_explicit (&peer->first_unanswered_sent_at, now, memory_order_relaxed);
    if (atomic_load_explicit (&peer->first_unanswered_received_at, memory_order_relaxed) != 0)
      atomic_store_explicit (&peer->first_unanswered_received_at, 0, memory_order_relaxed);
    atomic_fetch_add_explicit (&peer->sent_packets, touched->packets, memory_order_relaxed);
    atomic_fetch_add_explicit (&peer->sent_bytes, touched->bytes, memory_order_relaxed);
    fz_lane_tell_activity (peer, self->to_engine, &self->counters);
  }
  self->n_touched = 0;
}

static void
touch (FzLaneTx *self, FzPeer *peer, uint64_t packets, uint64_t bytes)
{
  size_t i = self->n_touched;

  while (i > 0 && self->touched[i - 1].peer != peer)
    i--;
  if (i == 0) {
    assert (self->n_touched < TOUCHED_MAX); /* one per frame at most */
    i = ++self->n_touched;
    self->touched[i - 1] = (FzTouched){ .peer = peer, .has_data = true };
  }
  self->touched[i - 1].packets += packets;
  self->touched[i - 1].bytes += bytes;
}

/* -- sealing and emitting -- */

static void
seal_pending (FzLaneTx *self)
{
  if (self->n_ops > 0)
    fz_aead_seal (self->aead, self->pending_key->send_key, self->ops, self->n_ops);
  self->n_ops = 0;
}

static void
add_pending (FzLaneTx *self, uint8_t *plaintext, uint32_t length, uint64_t counter)
{
  self->ops[self->n_ops++] =
      (FzAeadOp){ .source = plaintext, .target = plaintext, .length = length, .counter = counter };
  if (self->n_ops == FZ_LANE_SEAL_BATCH)
    seal_pending (self);
}

/* Every packet of the frame into its train; sealed there at last when the turn ends. */
static void
emit_frame (FzLaneTx *self,
            const RoutedFrame *frame,
            FzKeypair *keypair,
            const FzEndpoint *endpoint,
            uint64_t first_counter)
{
  const FzSegmenter *segmenter = &frame->segmenter;
  uint8_t ecn = fz_ip_packet_get_ecn (&segmenter->ip);
  FzPeer *peer = frame->verdict.peer;
  uint64_t bytes = 0;

  if (self->pending_key != keypair)
    seal_pending (self);
  self->pending_key = keypair;

  for (uint32_t i = 0; i < segmenter->n_segments; i++) {
    uint32_t length = fz_segmenter_get_length (segmenter, i);
    uint8_t *datagram =
        fz_train_yard_append (self->yard, peer, endpoint, ecn, length + FZ_WIREGUARD_OVERHEAD);
    uint8_t *plaintext = datagram + FZ_WIREGUARD_DATA_HEADER_SIZE;

    fz_wireguard_write_data_header (datagram, keypair->remote_index, first_counter + i);
    fz_segmenter_write (segmenter, i, plaintext);
    add_pending (self, plaintext, length, first_counter + i);
    bytes += length;
  }
  touch (self, peer, segmenter->n_segments, bytes);
  fz_count (&self->counters.packets, segmenter->n_segments);
  fz_count (&self->counters.datagrams, segmenter->n_segments);
  fz_count (&self->counters.bytes, bytes);
}

/* Says once, when the limit is crossed, that a keypair should be replaced. */
static void
tell_if_exhausted (
    FzLaneTx *self, const FzPeer *peer, const FzKeypair *keypair, uint64_t first, uint64_t n)
{
  FzLaneMessage *message;

  if (first >= FZ_REKEY_AFTER_MESSAGES || first + n < FZ_REKEY_AFTER_MESSAGES)
    return;
  message =
      fz_lane_message_reserve (self->to_engine, &self->counters, FZ_LANE_MESSAGE_EXHAUSTED, 0);
  if (message == NULL)
    return;
  message->connection_id = peer->connection_id;
  message->local_index = keypair->local_index;
  fz_ring_commit (self->to_engine);
}

/* No session or no address: the engine makes one, but a gateway never waits for its clients. */
static FrameResult
refuse_frame (FzLaneTx *self, const RoutedFrame *frame)
{
  if (fz_snapshot_get_role (self->snapshot) == FZ_ROLE_GATEWAY)
    fz_count_drop (&self->counters, FZ_DROP_NO_SESSION, frame->segmenter.n_segments);
  else
    hand_over (self, frame);
  return FRAME_DONE;
}

/* The newest session that the peer has confirmed to our receive half. The answer to a client's very
 * first packet comes back before the engine has made that session the one to send on; a gateway
 * holds nothing back in the engine, so nothing can be overtaken. */
static FzKeypair *
find_confirmed (const FzLaneTx *self, FzPeer *peer)
{
  FzKeypair *newest = NULL;

  for (size_t i = 0; i < FZ_PEER_SESSIONS; i++) {
    FzKeypair *keypair = atomic_load_explicit (&peer->receiving[i], memory_order_acquire);

    if (keypair != NULL && !keypair->is_initiator &&
        atomic_load_explicit (&keypair->is_confirmed, memory_order_acquire) &&
        fz_keypair_may_send (keypair, self->now) &&
        (newest == NULL || keypair->created_at > newest->created_at))
      newest = keypair;
  }
  return newest;
}

static FzKeypair *
pick_keypair (const FzLaneTx *self, FzPeer *peer)
{
  FzKeypair *keypair = atomic_load_explicit (&peer->sending, memory_order_acquire);

  if (keypair != NULL && fz_keypair_may_send (keypair, self->now))
    return keypair;
  return fz_snapshot_get_role (self->snapshot) == FZ_ROLE_GATEWAY ? find_confirmed (self, peer)
                                                                  : NULL;
}

static FrameResult
send_frame (FzLaneTx *self, const RoutedFrame *frame)
{
  const FzSegmenter *segmenter = &frame->segmenter;
  FzPeer *peer = frame->verdict.peer;
  FzKeypair *keypair = pick_keypair (self, peer);
  FzEndpoint endpoint;
  uint64_t first;

  if (keypair == NULL)
    return refuse_frame (self, frame);
  endpoint = fz_peer_get_endpoint (peer);
  if (endpoint.remote.ip.family == FZ_IP_NONE)
    return refuse_frame (self, frame);
  if (must_wait (self, &frame->flow.destination))
    return FRAME_BLOCKED;
  if (!fz_train_yard_has_room (self->yard,
                               segmenter->n_segments,
                               fz_segmenter_get_length (segmenter, 0) + FZ_WIREGUARD_OVERHEAD))
    return FRAME_BLOCKED;
  if (!fz_keypair_reserve (keypair, segmenter->n_segments, &first))
    return refuse_frame (self, frame);

  tell_if_exhausted (self, peer, keypair, first, segmenter->n_segments);
  emit_frame (self, frame, keypair, &endpoint, first);
  return FRAME_DONE;
}

/* -- routing -- */

/* The session that a frame from behind a gateway answers. FZ_DROP_NONE and NULL: none, as with most
 * traffic. */
static FzDrop
find_nat_session (const FzLaneTx *self, const FzFlow *flow, FzNatSession **out)
{
  const FzPolicyEntry *entry = NULL;
  FzNatKey key = { flow->source, flow->destination_port, flow->protocol };
  const FzNat *nat;

  *out = NULL;
  if (fz_nat_is_proxy_ip (&flow->source))
    return FZ_DROP_NOT_ALLOWED; /* we alone speak for those */
  if (!fz_nat_has_key (flow->protocol) ||
      fz_policy_lookup (fz_snapshot_get_routes (self->snapshot),
                        &flow->destination,
                        fz_flow_key_return (flow),
                        &entry) != FZ_POLICY_ADMITTED ||
      entry->peer == NULL)
    return FZ_DROP_NONE;
  nat = atomic_load_explicit (&entry->peer->nat, memory_order_acquire);
  *out = nat != NULL ? fz_nat_find_outside (nat, &key) : NULL;
  return *out != NULL && atomic_load_explicit (&(*out)->is_expired, memory_order_relaxed)
             ? FZ_DROP_EXPIRED_NAT
             : FZ_DROP_NONE;
}

static void
save_frame (const FzTunFrame *frame, RoutedFrame *routed)
{
  memcpy (routed->saved_ip, frame->packet, sizeof routed->saved_ip);
  memcpy (routed->saved_transport,
          frame->packet + routed->segmenter.ip.transport_offset,
          sizeof routed->saved_transport);
  routed->is_translated = true;
}

/* What lies behind a short packet is the frame's headroom, and stays as it was. */
static void
restore_frame (const FzTunFrame *frame, const RoutedFrame *routed)
{
  if (!routed->is_translated)
    return;
  memcpy (frame->packet, routed->saved_ip, sizeof routed->saved_ip);
  memcpy (frame->packet + routed->segmenter.ip.transport_offset,
          routed->saved_transport,
          sizeof routed->saved_transport);
}

static FzDrop
translate_frame (FzLaneTx *self, const FzTunFrame *frame, RoutedFrame *out)
{
  FzNatSession *session;
  FzDrop drop = find_nat_session (self, &out->flow, &session);
  bool is_partial = (frame->vnet.flags & FZ_VNET_F_NEEDS_CSUM) != 0 &&
                    frame->vnet.csum_start == out->segmenter.ip.transport_offset;

  if (drop != FZ_DROP_NONE || session == NULL)
    return drop;
  save_frame (frame, out);
  fz_nat_translate_in (session, frame->packet, &out->segmenter.ip, is_partial, self->now);
  drop = fz_segmenter_init (&out->segmenter, &frame->vnet, frame->packet, frame->length, FZ_MTU);
  out->flow = fz_flow_from_packet (&out->segmenter.ip);
  return drop;
}

static FzDrop
route_frame (FzLaneTx *self, const FzTunFrame *frame, RoutedFrame *out)
{
  FzDrop drop =
      fz_segmenter_init (&out->segmenter, &frame->vnet, frame->packet, frame->length, FZ_MTU);
  bool is_hit;

  out->is_translated = false;
  if (drop != FZ_DROP_NONE)
    return drop;
  out->flow = fz_flow_from_packet (&out->segmenter.ip);
  if (fz_snapshot_has_names (self->snapshot)) {
    drop = translate_frame (self, frame, out);
    if (drop != FZ_DROP_NONE)
      return drop;
  }
  out->verdict = fz_flow_cache_transmit (self->cache, self->snapshot, &out->flow, &is_hit);
  fz_count (is_hit ? &self->counters.cache_hits : &self->counters.cache_misses, 1);
  return FZ_DROP_NONE;
}

static FrameResult
push_frame (FzLaneTx *self, const FzTunFrame *tun_frame)
{
  FrameResult result = FRAME_DONE;
  RoutedFrame frame;
  FzDrop drop = route_frame (self, tun_frame, &frame);

  if (drop != FZ_DROP_NONE) {
    fz_count_drop (&self->counters, drop, 1);
  } else {
    switch ((FzVerdictKind) frame.verdict.kind) {
    case FZ_VERDICT_DROP:
      fz_count_drop (&self->counters, (FzDrop) frame.verdict.reason, frame.segmenter.n_segments);
      break;
    case FZ_VERDICT_TO_ENGINE:
      hand_over (self, &frame);
      break;
    case FZ_VERDICT_PASS:
      result = send_frame (self, &frame);
      break;
    }
  }
  if (result == FRAME_DONE)
    fz_count (&self->counters.super_packets, 1);
  else
    restore_frame (tun_frame, &frame);
  return result;
}

size_t
fz_lane_tx_push (FzLaneTx *self, FzTunFrame *frames, size_t n_frames, FzInstant now)
{
  size_t n_done = 0;

  assert (n_frames <= FZ_TX_BATCH);
  if (fz_lane_tx_is_waiting (self))
    return 0;
  if (self->is_taken)
    fz_train_yard_clear (self->yard);
  self->is_taken = false;
  self->snapshot = atomic_load_explicit (&self->published->current, memory_order_acquire);
  self->now = now;
  fz_flow_cache_begin (self->cache, fz_snapshot_get_serial (self->snapshot));

  while (n_done < n_frames && push_frame (self, &frames[n_done]) == FRAME_DONE)
    n_done++;

  seal_pending (self);
  self->pending_key = NULL; /* not ours any more when the turn is over */
  publish_touched (self);
  return n_done;
}

size_t
fz_lane_tx_take (FzLaneTx *self, const FzTrain **out_trains)
{
  size_t n_trains = 0;

  *out_trains = NULL;
  if (!self->is_taken)
    n_trains = fz_train_yard_list (self->yard, self->limits.train_segments, out_trains);
  self->is_taken = true;
  fz_count (&self->counters.trains, n_trains);
  for (size_t i = 0; i < n_trains; i++)
    fz_count_length (&self->counters, (*out_trains)[i].n_segments);
  return n_trains;
}
