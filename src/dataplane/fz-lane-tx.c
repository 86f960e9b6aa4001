/* fz-lane-tx.c: the transmit half of a lane, see fz-lane.h
 *
 *   frame ─► parse, validate ─► flow, verdict ─► its flow's queue ─┐ commit
 *            (fz-segment)       (flow cache)     (fz-flow-queue)   │
 *   ┌──────────────────────────────────────────────────────────────┘
 *   └► whose turn? ─► verdict of this turn? ─► session? address? ─► cut, seal   emit
 *                                 │ no               │ no           into its train
 *                                 └──► asked anew    └──► engine's ring, in packets
 *
 * A super-packet is routed, filtered and given its nonces once. Its packets are
 * then written one by one to their places in a train and sealed there, sixteen
 * at a time. One frame alone, with nothing staged, never sees the queue.
 *
 * Staged frames outlive turns, what they refer to need not: between two turns
 * the engine may publish another snapshot, or free a peer that has gone. So a
 * frame keeps its flow and never relies on a peer: a verdict is used in the turn
 * that asked for it, in any later one the flow cache is asked again.
 *
 * Order. What went to the engine must leave before what is sent directly later.
 * For each flow the half remembers how far the ring had got when it last handed
 * over a packet of it. When the flow's next frame could be sent directly, the
 * flow is set aside until the engine has released that much; others go on. The
 * engine releases a record after it has sent what came of it, and sends what
 * waited for a session before the session becomes visible here.
 *
 * Proxy addresses. What comes to a gateway from behind one is translated back
 * (fz-nat.h) before its verdict is asked, in its place. ICMP errors are few and
 * the engine's.
 *
 * Congestion. The flow queue says whose sender should slow down. A super-packet
 * that is capable of ECN is marked before it is cut; any other loses its first
 * segment, so that the receiver sees the hole at once by all that follow.
 */

#include "src/crypto/fz-aead.h"
#include "src/dataplane/fz-flow-cache.h"
#include "src/dataplane/fz-frame-pool.h"
#include "src/dataplane/fz-lane-private.h"
#include "src/dataplane/fz-train.h"
#include "src/proto/fz-wireguard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TOUCHED_MAX 16u /* peers whose stamps are gathered before they are written */

struct FzLaneTx {
  FzPublished *published;
  FzRing *to_engine;
  FzLaneLimits limits;
  FzAead *aead;
  FzFlowCache *cache;
  FzTrainYard *yard;

  /* frames */
  FzFramePool *pool;
  FzFlowQueue *queue;
  FzStagedFrame *reserved; /* to be read into; NULL: none */
  FzStagedFrame *lone;     /* the only one that is staged, and not in the queue */

  /* of the current turn */
  uint64_t turn;
  const FzSnapshot *snapshot;
  FzInstant now;
  FzKeypair *pending_key; /* of the packets in @ops */
  size_t n_ops;
  FzAeadOp ops[FZ_LANE_SEAL_BATCH];
  size_t n_touched;
  FzTouched touched[TOUCHED_MAX];

  bool is_taken;   /* the trains were handed out: forget them before the next emission */
  bool is_held_up; /* since the last turn, see fz_lane_tx_note_held_up */

  FzLaneCounters counters;
  FzStagingCounters staging;
};

/* What is to be done with a frame. */
typedef enum {
  WAY_DROP,
  WAY_ENGINE,
  WAY_SEND,
  WAY_WAITS, /* for the engine, as what came before it */
  WAY_FULL,  /* when the trains are taken */
} WayKind;

typedef struct {
  WayKind kind;
  FzDrop reason; /* of WAY_DROP */
  FzKeypair *keypair;
  FzEndpoint endpoint;
} Way;

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
  self->pool = fz_frame_pool_new ();
  self->queue = fz_flow_queue_new (
      config->aqm != NULL ? &config->aqm->transmit : &fz_aqm_default.transmit, FZ_TX_SLOTS);
  self->staging.queue = fz_flow_queue_get_counters (self->queue);
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
  fz_frame_pool_free (self->pool);
  fz_flow_queue_free (self->queue);
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

const FzStagingCounters *
fz_lane_tx_get_staging (const FzLaneTx *self)
{
  return &self->staging;
}

/* -- what is outstanding at the engine -- */

static bool
is_handled (const void *context, uint64_t position)
{
  const FzLaneTx *self = context;

  return fz_ring_is_consumed (self->to_engine, position);
}

/* Whether a packet of @flow would overtake one that the engine still has to handle. */
static bool
must_wait (const FzLaneTx *self, FzQueueFlow *flow)
{
  uint64_t *handed = fz_queue_flow_get_mark (flow);

  if (*handed == 0)
    return false;
  if (!is_handled (self, *handed))
    return true;
  *handed = 0;
  return false;
}

bool
fz_lane_tx_is_waiting (FzLaneTx *self)
{
  return fz_flow_queue_resume (self->queue, is_handled, self);
}

static void
hand_over (FzLaneTx *self, const FzStagedFrame *frame, FzQueueFlow *flow)
{
  const FzSegmenter *segmenter = &frame->segmenter;

  for (uint32_t i = frame->n_skipped; i < segmenter->n_segments; i++) {
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
      *fz_queue_flow_get_mark (flow) = fz_ring_position (self->to_engine);
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
    if (self->n_touched == TOUCHED_MAX)
      publish_touched (self);
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
emit_frame (FzLaneTx *self, const FzStagedFrame *frame, const Way *way, uint64_t first_counter)
{
  const FzSegmenter *segmenter = &frame->segmenter;
  uint8_t ecn = fz_ip_packet_get_ecn (&segmenter->ip);
  FzPeer *peer = frame->verdict.peer;
  uint32_t n = segmenter->n_segments - frame->n_skipped;
  uint64_t counter = first_counter, bytes = 0;

  if (self->pending_key != way->keypair)
    seal_pending (self);
  self->pending_key = way->keypair;

  for (uint32_t i = frame->n_skipped; i < segmenter->n_segments; i++) {
    uint32_t length = fz_segmenter_get_length (segmenter, i);
    uint8_t *datagram = fz_train_yard_append (
        self->yard, peer, &way->endpoint, ecn, length + FZ_WIREGUARD_OVERHEAD);
    uint8_t *plaintext = datagram + FZ_WIREGUARD_DATA_HEADER_SIZE;

    fz_wireguard_write_data_header (datagram, way->keypair->remote_index, counter);
    fz_segmenter_write (segmenter, i, plaintext);
    add_pending (self, plaintext, length, counter++);
    bytes += length;
  }
  touch (self, peer, n, bytes);
  fz_count (&self->counters.packets, n);
  fz_count (&self->counters.datagrams, n);
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

/* No session or no address: the engine makes one, but a gateway never waits for its clients. */
static WayKind
refuse (const FzLaneTx *self, Way *way)
{
  way->reason = FZ_DROP_NO_SESSION;
  return fz_snapshot_get_role (self->snapshot) == FZ_ROLE_GATEWAY ? WAY_DROP : WAY_ENGINE;
}

static WayKind
find_way_to_peer (FzLaneTx *self, const FzStagedFrame *frame, FzQueueFlow *flow, Way *way)
{
  const FzSegmenter *segmenter = &frame->segmenter;
  FzPeer *peer = frame->verdict.peer;

  way->keypair = pick_keypair (self, peer);
  if (way->keypair == NULL)
    return refuse (self, way);
  way->endpoint = fz_peer_get_endpoint (peer);
  if (way->endpoint.remote.ip.family == FZ_IP_NONE)
    return refuse (self, way);
  if (must_wait (self, flow))
    return WAY_WAITS;
  if (!fz_train_yard_has_room (self->yard,
                               segmenter->n_segments,
                               fz_segmenter_get_length (segmenter, 0) + FZ_WIREGUARD_OVERHEAD))
    return WAY_FULL;
  return WAY_SEND;
}

static void
find_way (FzLaneTx *self, FzStagedFrame *frame, FzQueueFlow *flow, Way *way)
{
  bool is_hit;

  if (frame->verdict_turn != self->turn) {
    frame->verdict =
        fz_flow_cache_transmit (self->cache, self->snapshot, &frame->flow, frame->hash, &is_hit);
    frame->verdict_turn = self->turn;
  }
  switch ((FzVerdictKind) frame->verdict.kind) {
  case FZ_VERDICT_DROP:
    way->kind = WAY_DROP;
    way->reason = (FzDrop) frame->verdict.reason;
    break;
  case FZ_VERDICT_TO_ENGINE:
    way->kind = WAY_ENGINE;
    break;
  case FZ_VERDICT_PASS:
    way->kind = find_way_to_peer (self, frame, flow, way);
    break;
  }
}

static void
send_frame (FzLaneTx *self, const FzStagedFrame *frame, FzQueueFlow *flow, Way *way)
{
  uint32_t n = frame->segmenter.n_segments - frame->n_skipped;
  uint64_t first;

  if (!fz_keypair_reserve (way->keypair, n, &first)) {
    if (refuse (self, way) == WAY_ENGINE)
      hand_over (self, frame, flow);
    else
      fz_count_drop (&self->counters, way->reason, n);
    return;
  }
  tell_if_exhausted (self, frame->verdict.peer, way->keypair, first, n);
  emit_frame (self, frame, way, first);
}

/* The frame goes where @way says, and its place is free again. */
static void
dispatch (FzLaneTx *self, FzStagedFrame *frame, FzQueueFlow *flow, Way *way)
{
  uint32_t n = frame->segmenter.n_segments - frame->n_skipped;

  if (n > 0) {
    switch (way->kind) {
    case WAY_DROP:
      fz_count_drop (&self->counters, way->reason, n);
      break;
    case WAY_ENGINE:
      hand_over (self, frame, flow);
      break;
    case WAY_SEND:
      send_frame (self, frame, flow, way);
      break;
    case WAY_WAITS:
    case WAY_FULL:
      assert (false); /* the caller has kept it */
    }
  }
  fz_frame_pool_give_back (self->pool, frame);
}

/* Tells the frame's sender to slow down. */
static void
signal_sender (FzLaneTx *self, FzStagedFrame *frame)
{
  FzTunFrame *tun = &frame->tun;

  if (fz_ip_packet_get_ecn (&frame->segmenter.ip) == FZ_ECN_NOT_ECT) {
    frame->n_skipped = 1;
    fz_count_drop (&self->counters, FZ_DROP_CODEL, 1);
    return;
  }
  fz_ip_merge_ecn (tun->packet, FZ_ECN_CE);
  if (fz_segmenter_init (&frame->segmenter, &tun->vnet, tun->packet, tun->length, FZ_MTU) !=
      FZ_DROP_NONE)
    assert (false); /* it was accepted before, and nothing but the mark has changed */
  fz_count (&self->staging.marks, 1);
}

/* -- routing -- */

/* The session that a frame from behind a gateway answers. FZ_DROP_NONE and NULL: none, as with most
 * traffic. */
static FzDrop
find_nat_session (const FzLaneTx *self, const FzFlow *flow, FzNatSession **out)
{
  FzNatKey key = { flow->source, flow->destination_port, flow->protocol };
  const FzPeer *peer;
  const FzNat *nat;

  *out = NULL;
  if (fz_nat_is_proxy_ip (&flow->source))
    return FZ_DROP_NOT_ALLOWED; /* we alone speak for those */
  if (!fz_nat_has_key (flow->protocol))
    return FZ_DROP_NONE;
  peer = fz_snapshot_find_route (self->snapshot, &flow->destination, fz_flow_key_return (flow));
  if (peer == NULL)
    return FZ_DROP_NONE;
  nat = atomic_load_explicit (&peer->nat, memory_order_acquire);
  *out = nat != NULL ? fz_nat_find_outside (nat, &key) : NULL;
  return *out != NULL && atomic_load_explicit (&(*out)->is_expired, memory_order_relaxed)
             ? FZ_DROP_EXPIRED_NAT
             : FZ_DROP_NONE;
}

static FzDrop
translate_frame (FzLaneTx *self, FzStagedFrame *frame)
{
  FzTunFrame *tun = &frame->tun;
  FzNatSession *session;
  FzDrop drop = find_nat_session (self, &frame->flow, &session);
  bool is_partial = (tun->vnet.flags & FZ_VNET_F_NEEDS_CSUM) != 0 &&
                    tun->vnet.csum_start == frame->segmenter.ip.transport_offset;

  if (drop != FZ_DROP_NONE || session == NULL)
    return drop;
  fz_nat_translate_in (session, tun->packet, &frame->segmenter.ip, is_partial, self->now);
  drop = fz_segmenter_init (&frame->segmenter, &tun->vnet, tun->packet, tun->length, FZ_MTU);
  frame->flow = fz_flow_from_packet (&frame->segmenter.ip);
  return drop;
}

static FzDrop
route_frame (FzLaneTx *self, FzStagedFrame *frame)
{
  FzTunFrame *tun = &frame->tun;
  FzDrop drop = fz_segmenter_init (&frame->segmenter, &tun->vnet, tun->packet, tun->length, FZ_MTU);
  bool is_hit;

  frame->n_skipped = 0;
  if (drop != FZ_DROP_NONE)
    return drop;
  frame->flow = fz_flow_from_packet (&frame->segmenter.ip);
  if (fz_snapshot_has_names (self->snapshot)) {
    drop = translate_frame (self, frame);
    if (drop != FZ_DROP_NONE)
      return drop;
  }
  frame->hash = fz_flow_cache_hash (self->cache, &frame->flow);
  frame->verdict =
      fz_flow_cache_transmit (self->cache, self->snapshot, &frame->flow, frame->hash, &is_hit);
  frame->verdict_turn = self->turn;
  fz_count_cache (&self->counters, self->cache, is_hit);
  return FZ_DROP_NONE;
}

/* -- staging -- */

/* Clients share a gateway by turns; a client's gateways share nothing that is scarce here. */
static uint32_t
find_group (const FzLaneTx *self, const FzStagedFrame *frame)
{
  if (frame->verdict.kind != FZ_VERDICT_PASS ||
      fz_snapshot_get_role (self->snapshot) == FZ_ROLE_CLIENT)
    return 0;
  return frame->verdict.peer->connection_id;
}

static void
enqueue (FzLaneTx *self, FzStagedFrame *frame)
{
  fz_frame_pool_shrink (self->pool, frame);
  fz_flow_queue_push (
      self->queue, fz_flow_queue_find (self->queue, frame->hash), frame->group, &frame->item);
}

static void
enqueue_lone (FzLaneTx *self)
{
  if (self->lone != NULL)
    enqueue (self, self->lone);
  self->lone = NULL;
}

void
fz_lane_tx_begin (FzLaneTx *self, FzInstant now)
{
  self->turn++;
  self->snapshot = atomic_load_explicit (&self->published->current, memory_order_acquire);
  self->now = now;
  fz_flow_cache_begin (self->cache, fz_snapshot_get_serial (self->snapshot));
  fz_flow_queue_begin (self->queue, now, self->is_held_up);
  self->is_held_up = false;
}

FzTunFrame *
fz_lane_tx_reserve (FzLaneTx *self)
{
  if (self->reserved == NULL)
    self->reserved = fz_frame_pool_take (self->pool);
  if (self->reserved == NULL) {
    fz_count (&self->staging.stops, 1);
    return NULL;
  }
  return &self->reserved->tun;
}

/* A frame that is dropped leaves its place to the next one. */
void
fz_lane_tx_commit (FzLaneTx *self)
{
  FzStagedFrame *frame = self->reserved;
  FzDrop drop = route_frame (self, frame);

  fz_count (&self->counters.super_packets, 1);
  if (drop != FZ_DROP_NONE) {
    fz_count_drop (&self->counters, drop, 1);
    return;
  }
  if (frame->verdict.kind == FZ_VERDICT_DROP) {
    fz_count_drop (&self->counters, (FzDrop) frame->verdict.reason, frame->segmenter.n_segments);
    return;
  }
  self->reserved = NULL;
  frame->group = find_group (self, frame);
  frame->item.since = fz_flow_queue_clock (self->queue);
  frame->item.bytes = frame->tun.length;
  if (self->lone == NULL && fz_flow_queue_is_empty (self->queue)) {
    self->lone = frame;
    return;
  }
  enqueue_lone (self);
  enqueue (self, frame);
}

bool
fz_lane_tx_has_work (FzLaneTx *self)
{
  fz_flow_queue_resume (self->queue, is_handled, self);
  return self->lone != NULL || fz_flow_queue_next (self->queue) != NULL;
}

void
fz_lane_tx_note_held_up (FzLaneTx *self)
{
  self->is_held_up = true;
  fz_flow_queue_publish (self->queue);
}

/* -- emission -- */

/* The only frame, past the queue; if it has to wait it goes there. */
static size_t
emit_lone (FzLaneTx *self)
{
  FzStagedFrame *frame = self->lone;
  FzQueueFlow *flow = fz_flow_queue_find (self->queue, frame->hash);
  size_t length = frame->tun.length;
  Way way;

  find_way (self, frame, flow, &way);
  if (way.kind == WAY_WAITS || way.kind == WAY_FULL) {
    enqueue_lone (self);
    return 0;
  }
  self->lone = NULL;
  fz_flow_queue_note_bypass (self->queue);
  dispatch (self, frame, flow, &way);
  return length;
}

/* The frame whose turn it is. False: nothing may leave now. */
static bool
emit_next (FzLaneTx *self, size_t *n_bytes)
{
  FzQueueFlow *flow = fz_flow_queue_next (self->queue);
  FzStagedFrame *frame;
  bool is_signalled;
  Way way;

  if (flow == NULL)
    return false;
  frame = (FzStagedFrame *) (void *) fz_queue_flow_get_head (flow);
  find_way (self, frame, flow, &way);
  if (way.kind == WAY_FULL)
    return false;
  if (way.kind == WAY_WAITS) {
    fz_flow_queue_pause (self->queue, flow);
    return true;
  }
  *n_bytes += frame->tun.length;
  fz_flow_queue_pop (self->queue, flow, &is_signalled);
  if (is_signalled && way.kind == WAY_SEND)
    signal_sender (self, frame);
  dispatch (self, frame, flow, &way);
  return true;
}

size_t
fz_lane_tx_emit (FzLaneTx *self, size_t n_bytes)
{
  size_t n_done = 0;

  if (self->is_taken)
    fz_train_yard_clear (self->yard);
  self->is_taken = false;
  fz_lane_tx_is_waiting (self);
  if (self->lone != NULL)
    n_done += emit_lone (self);
  while (n_done < n_bytes && emit_next (self, &n_done))
    continue;

  seal_pending (self);
  self->pending_key = NULL; /* not ours any more when the turn is over */
  publish_touched (self);
  fz_flow_queue_publish (self->queue);
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
