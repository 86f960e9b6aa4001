/* fz-node-input.c
 *
 * What arrives: datagrams that no lane could use, sorted into relay, STUN and
 * WireGuard (connectivity.md §6), and what lanes say of their peers. The cheap
 * tests come first: curves are computed only for messages with a right mac1.
 */

#include "src/base/fz-bytes.h"
#include "src/engine/fz-node-private.h"
#include "src/proto/fz-ip.h"

#include <string.h>

/* -- STUN of peers -- */

static FzDrop
handle_request (FzNode *self,
                const FzStunMessage *message,
                const FzSocketAddress *local,
                const FzSocketAddress *from,
                FzInstant now)
{
  FzSpan ours, theirs;
  char ufrag[FZ_CANDIDATE_UFRAG_MAX];
  GPtrArray *list;
  FzDrop reason = FZ_DROP_UNKNOWN_PEER;

  if (!fz_stun_split_username (message, &ours, &theirs) || ours.length >= sizeof ufrag)
    return FZ_DROP_BAD_HEADER;
  memcpy (ufrag, ours.data, ours.length);
  ufrag[ours.length] = '\0';
  list = g_hash_table_lookup (self->by_ufrag, ufrag);
  if (list == NULL) {
    fz_log (&self->context.log,
            FZ_LOG_TRACE,
            "stun-for-unknown-connection",
            "binding request for no connection",
            FZ_KV_BOOL ("is_former",
                        fz_former_peers_has_ufrag (&self->former, ufrag, strlen (ufrag), now)));
    return FZ_DROP_UNKNOWN_PEER;
  }

  g_ptr_array_ref (list); /* the last one in it may be reaped */
  for (guint i = 0; i < list->len && reason != FZ_DROP_NONE; i++) {
    FzConnection *connection = list->pdata[i];
    guint n = list->len;

    reason = fz_connection_handle_stun (connection, message, local, from, now);
    fz_node_book (self, connection, now);
    if (list->len != n)
      break;
  }
  g_ptr_array_unref (list);
  return reason;
}

static FzDrop
handle_response_to_us (FzNode *self,
                       const FzStunMessage *message,
                       const FzSocketAddress *local,
                       const FzSocketAddress *from,
                       FzInstant now)
{
  FzConnection *connection;
  uint32_t number;
  FzDrop reason;

  if (!fz_stun_in_flight_find (self->context.in_flight, &message->transaction_id, now, &number))
    return FZ_DROP_UNKNOWN_PEER;
  connection = fz_node_find_by_number (self, number);
  if (connection == NULL)
    return FZ_DROP_UNKNOWN_PEER;
  reason = fz_connection_handle_stun (connection, message, local, from, now);
  if (reason == FZ_DROP_NONE) /* else it may be forged, and the peer's is still to come */
    fz_stun_in_flight_remove (self->context.in_flight, &message->transaction_id);
  fz_node_book (self, connection, now);
  return reason;
}

static FzDrop
handle_stun (FzNode *self,
             const FzStunMessage *message,
             const FzSocketAddress *local,
             const FzSocketAddress *from,
             FzInstant now)
{
  switch (message->type) {
  case FZ_STUN_BINDING_REQUEST:
    return handle_request (self, message, local, from, now);
  case FZ_STUN_BINDING_SUCCESS:
  case FZ_STUN_BINDING_ERROR: /* upstream discards errors; ours resolve role conflicts (§11 #3) */
    return handle_response_to_us (self, message, local, from, now);
  default:
    return FZ_DROP_UNKNOWN_PROTOCOL;
  }
}

/* -- WireGuard's handshakes -- */

/* A handshake message and the way back to its sender. */
typedef struct {
  FzEndpoint origin;
  const FzSocketAddress *relay; /* that it came through; NULL: none */
  uint16_t channel;             /* of the relay */
} Arrival;

/* The first step is done: whose is it? */
static FzDrop
begin_response (FzNode *self, FzHandshakeJob *job, FzInstant now)
{
  FzConnection *connection;

  if (job->drop != FZ_DROP_NONE)
    return job->drop;
  if (job->identity != self->context.identity)
    return FZ_DROP_UNKNOWN_PEER; /* we have become somebody else */
  connection = g_hash_table_lookup (self->by_public_key, job->initiation.public_key);
  return connection != NULL ? fz_connection_begin_response (connection, job, now)
                            : FZ_DROP_UNKNOWN_PEER;
}

static FzDrop
finish_response (FzNode *self, FzHandshakeJob *job, FzInstant now)
{
  FzConnection *connection;
  FzDrop reason;

  if (job->drop != FZ_DROP_NONE)
    return job->drop;
  connection = fz_node_find_by_number (self, job->connection_id);
  if (connection == NULL || job->identity != self->context.identity)
    return FZ_DROP_UNKNOWN_PEER;
  reason = fz_connection_finish_response (connection, job, now);
  fz_node_book (self, connection, now);
  return reason;
}

/* Both steps at once: nobody else does them. */
static FzDrop
do_job (FzNode *self, FzHandshakeJob *job, FzInstant now)
{
  FzDrop reason;

  fz_handshake_job_run (job);
  reason = begin_response (self, job, now);
  if (reason != FZ_DROP_NONE)
    return reason;
  fz_handshake_job_run (job);
  return finish_response (self, job, now);
}

static FzDrop
handle_initiation (FzNode *self,
                   const FzWireguardMessage *message,
                   const FzEndpoint *origin,
                   FzInstant now)
{
  g_autoptr (FzHandshakeJob) job = NULL;

  if (self->n_jobs >= FZ_HANDSHAKE_JOBS_MAX)
    return FZ_DROP_QUEUE_FULL;
  job = fz_handshake_job_new (self->context.identity, message->datagram, origin);
  if (!self->has_workers)
    return do_job (self, job, now);
  g_queue_push_tail (&self->jobs, g_steal_pointer (&job));
  self->n_jobs++;
  return FZ_DROP_NONE;
}

void
fz_node_finish_job (FzNode *self, FzHandshakeJob *taken, FzInstant now)
{
  g_autoptr (FzHandshakeJob) job = taken;
  FzDrop reason;

  if (job->kind == FZ_HANDSHAKE_JOB_OPEN) {
    reason = begin_response (self, job, now);
    if (reason == FZ_DROP_NONE) {
      g_queue_push_tail (&self->jobs, g_steal_pointer (&job));
      return;
    }
  } else {
    reason = finish_response (self, job, now);
  }
  self->n_jobs--;
  if (reason != FZ_DROP_NONE)
    self->context.drops[reason]++;
  fz_node_drain_relays (self, now); /* the response may have asked for a channel */
}

static FzDrop
handle_reply (FzNode *self,
              const FzWireguardMessage *message,
              const FzEndpoint *origin,
              FzInstant now)
{
  FzConnection *connection = fz_node_find_by_number (self, message->receiver_index >> 8);
  FzDrop reason;

  if (connection == NULL)
    return FZ_DROP_UNKNOWN_INDEX;
  if (message->type == FZ_WIREGUARD_RESPONSE)
    reason = fz_connection_handle_response (connection, message, origin, now);
  else
    reason = fz_connection_handle_cookie_reply (connection, message, now);
  fz_node_book (self, connection, now);
  return reason;
}

/* With workers it is what waits for them that says how much we can do; it does so for a second,
 * lest a flood come and go with the queue. */
static void
set_load (FzNode *self, const FzWireguardMessage *message, FzInstant now)
{
  FzLoad load = FZ_LOAD_BY_COUNT;

  if (self->has_workers && message->type == FZ_WIREGUARD_INITIATION) {
    if (self->n_jobs > FZ_HANDSHAKE_JOBS_LOAD)
      self->loaded_until = fz_instant_add (now, FZ_S);
    load = now < self->loaded_until ? FZ_LOAD_HIGH : FZ_LOAD_LOW;
  }
  fz_identity_set_load (self->context.identity, load);
}

/* The way it came: through the same channel of the same relay, whosever connection that is. */
static bool
send_back (FzNode *self, const Arrival *arrival, FzSpan data)
{
  FzOutQueue *queue = &self->context.transmits;
  uint8_t *room;

  if (arrival->relay == NULL)
    return fz_out_queue_push (
        queue, &arrival->origin.remote, &arrival->origin.local, FZ_ECN_NOT_ECT, data);
  room = fz_out_queue_reserve (
      queue, arrival->relay, NULL, FZ_ECN_NOT_ECT, FZ_CHANNEL_HEADER_SIZE + data.length);
  if (room == NULL)
    return false;
  fz_channel_header_write (room, arrival->channel, (uint16_t) data.length);
  memcpy (room + FZ_CHANNEL_HEADER_SIZE, data.data, data.length);
  return true;
}

/* mac1, then load, then curves (§2.8). */
static FzDrop
admit (FzNode *self, const FzWireguardMessage *message, const Arrival *arrival, FzInstant now)
{
  uint8_t reply[FZ_WIREGUARD_COOKIE_REPLY_SIZE];
  bool has_reply = false;
  FzDrop reason;

  set_load (self, message, now);
  reason = fz_identity_admit (
      self->context.identity, message, &arrival->origin.remote, now, reply, &has_reply);
  self->context.bad_mac1 += reason == FZ_DROP_BAD_MAC;
  if (has_reply && reason == FZ_DROP_RATE_LIMITED &&
      send_back (self, arrival, fz_span (reply, sizeof reply)))
    self->context.cookies_sent++;
  return reason;
}

static FzDrop
handle_wireguard (FzNode *self,
                  const FzWireguardMessage *message,
                  const Arrival *arrival,
                  FzInstant now)
{
  FzDrop reason;

  switch (message->type) {
  case FZ_WIREGUARD_INITIATION:
    reason = admit (self, message, arrival, now);
    return reason == FZ_DROP_NONE ? handle_initiation (self, message, &arrival->origin, now)
                                  : reason;
  case FZ_WIREGUARD_RESPONSE:
    reason = admit (self, message, arrival, now);
    return reason == FZ_DROP_NONE ? handle_reply (self, message, &arrival->origin, now) : reason;
  case FZ_WIREGUARD_COOKIE_REPLY:
    return handle_reply (self, message, &arrival->origin, now);
  case FZ_WIREGUARD_DATA:
    return FZ_DROP_UNKNOWN_INDEX; /* lanes open data; what reaches us is nobody's */
  }
  return FZ_DROP_NOT_WIREGUARD;
}

/* -- demultiplexing, §6 -- */

/* @relay, @channel: that it came through; NULL: directly. */
static FzDrop
handle_from_peer (FzNode *self,
                  const FzSocketAddress *local,
                  const FzSocketAddress *from,
                  const FzSocketAddress *relay,
                  uint16_t channel,
                  FzSpan data,
                  FzInstant now)
{
  FzStunMessage stun;
  FzWireguardMessage wireguard;
  FzDrop reason;

  if (fz_stun_parse (data, &stun) == FZ_DROP_NONE)
    return handle_stun (self, &stun, local, from, now);

  reason = fz_wireguard_parse (data, &wireguard);
  if (reason == FZ_DROP_NONE) {
    Arrival arrival = { .origin.remote = *from, .relay = relay, .channel = channel };

    if (relay == NULL)
      arrival.origin.local = local->ip;
    reason = handle_wireguard (self, &wireguard, &arrival, now);
  }
  return reason;
}

static FzDrop
handle_from_relay (FzNode *self,
                   const FzSocketAddress *local,
                   const FzSocketAddress *from,
                   FzSpan data,
                   bool *out_is_done,
                   FzInstant now)
{
  FzStunMessage stun;
  FzRelayedDatagram relayed;
  FzDrop reason;

  *out_is_done = true;
  if (data.length > 0 && data.data[0] <= 3 && fz_stun_parse (data, &stun) == FZ_DROP_NONE)
    return fz_relay_pool_handle_stun (self->context.relays, &stun, local, from, now);
  if (data.length > 0 && (data.data[0] & 0xf0) == 0x40) {
    reason = fz_relay_pool_unwrap (self->context.relays, data, from, now, &relayed);
    if (reason == FZ_DROP_NONE)
      return handle_from_peer (self,
                               &relayed.local,
                               &relayed.from,
                               from,
                               fz_get_u16be (data.data),
                               relayed.payload,
                               now);
    if (reason == FZ_DROP_UNKNOWN_PEER)
      return reason;
  }
  *out_is_done = false; /* a peer may live behind the relay's address too */
  return FZ_DROP_NONE;
}

static bool
is_relay_traffic (FzSpan data)
{
  FzStunMessage stun;

  return data.length > 0 && ((data.data[0] & 0xf0) == 0x40 ||
                             (data.data[0] <= 3 && fz_stun_parse (data, &stun) == FZ_DROP_NONE));
}

FzDrop
fz_node_handle_datagram (FzNode *self,
                         const FzSocketAddress *local,
                         const FzSocketAddress *from,
                         FzSpan data,
                         FzInstant now)
{
  bool is_done = false;
  FzDrop reason = FZ_DROP_NONE;

  switch (fz_relay_pool_classify (self->context.relays, from)) {
  case FZ_RELAY_SOURCE_CURRENT:
    reason = handle_from_relay (self, local, from, data, &is_done, now);
    break;
  case FZ_RELAY_SOURCE_FORMER:
    is_done = is_relay_traffic (data);
    reason = is_done ? FZ_DROP_UNKNOWN_PEER : FZ_DROP_NONE;
    break;
  case FZ_RELAY_SOURCE_UNKNOWN:
    break;
  }
  if (!is_done)
    reason = handle_from_peer (self, local, from, NULL, 0, data, now);
  fz_node_drain_relays (self, now);
  if (reason != FZ_DROP_NONE)
    self->context.drops[reason]++;
  return reason;
}

FzDrop
fz_node_handle_lane_message (FzNode *self, const FzLaneMessage *message, FzInstant now)
{
  FzConnection *connection = fz_node_find_by_number (self, message->connection_id);
  FzEndpoint endpoint = { .remote = message->from, .local = message->to.ip };

  if (connection == NULL)
    return FZ_DROP_UNKNOWN_PEER;
  switch ((FzLaneMessageKind) message->kind) {
  case FZ_LANE_MESSAGE_CONFIRMED:
    fz_connection_handle_confirmed (connection, message->local_index, now);
    break;
  case FZ_LANE_MESSAGE_ROAMED:
    fz_connection_handle_roamed (connection, &endpoint, now);
    break;
  case FZ_LANE_MESSAGE_ACTIVITY:
    fz_connection_handle_activity (connection, now);
    break;
  case FZ_LANE_MESSAGE_EXHAUSTED:
    fz_connection_handle_exhausted (connection, message->local_index, now);
    break;
  case FZ_LANE_MESSAGE_DATAGRAM:
  case FZ_LANE_MESSAGE_PACKET:
  case FZ_LANE_MESSAGE_INNER:
    g_assert_not_reached ();
  }
  fz_node_book (self, connection, now);
  return FZ_DROP_NONE;
}
