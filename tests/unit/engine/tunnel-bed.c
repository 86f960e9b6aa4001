/* tunnel-bed.c: see the header
 *
 * lane_send and lane_receive do what the lanes do for one packet, in the
 * plainest way: slots, ages, windows, stamps, is_watched, is_confirmed.
 */
#include "tests/unit/engine/tunnel-bed.h"

#include <string.h>

#define UNIX_NS_AT_ZERO (UINT64_C (1767225600) * FZ_S)

typedef struct {
  FzInstant arrives_at;
  size_t to;
  BedDatagram datagram;
} InFlight;

static BedKind
kind_of (const BedDatagram *datagram)
{
  switch (datagram->data[0]) {
  case FZ_WIREGUARD_INITIATION:
    return BED_INITIATION;
  case FZ_WIREGUARD_RESPONSE:
    return BED_RESPONSE;
  case FZ_WIREGUARD_COOKIE_REPLY:
    return BED_COOKIE_REPLY;
  default:
    return datagram->length == FZ_WIREGUARD_DATA_OVERHEAD ? BED_KEEPALIVE : BED_DATA;
  }
}

static int
compare_arrival (gconstpointer a, gconstpointer b, gpointer unused)
{
  const InFlight *one = a, *other = b;

  return one->arrives_at < other->arrives_at ? -1 : one->arrives_at > other->arrives_at;
}

static void
put_on_wire (Bed *bed, size_t from, FzSpan data)
{
  BedEnd *end = &bed->ends[from];
  InFlight *in_flight = g_new0 (InFlight, 1);
  BedDatagram *datagram = &in_flight->datagram;
  BedKind kind;

  g_assert_cmpuint (data.length, <=, sizeof datagram->data);
  memcpy (datagram->data, data.data, data.length);
  datagram->length = data.length;
  kind = kind_of (datagram);
  end->n_sent[kind]++;
  end->last_sent_at[kind] = bed->now;
  end->last_sent[kind] = *datagram;
  if (kind == BED_DATA || kind == BED_KEEPALIVE)
    end->last_remote_index = fz_get_u32le (datagram->data + 4);

  if (end->is_cut || end->is_late[kind] || fz_rng_below (&bed->rng, 1000) < end->loss_permille) {
    g_free (in_flight);
    return;
  }
  in_flight->to = 1 - from;
  in_flight->arrives_at = bed->now + end->latency_ns + fz_rng_below (&bed->rng, end->jitter_ns + 1);
  g_queue_insert_sorted (&bed->wire, in_flight, compare_arrival, NULL);
}

void
bed_collect (Bed *bed, size_t i)
{
  BedEnd *end = &bed->ends[i];
  FzTunnelTransmit transmit;
  FzTunnelEvent event;

  while (fz_tunnel_poll_transmit (end->tunnel, &transmit)) {
    /* a response goes where the initiation came from; the rest to the peer */
    if (transmit.kind == FZ_TUNNEL_SENDS_RESPONSE)
      g_assert_true (fz_socket_address_equal (&transmit.origin.remote, &bed->ends[1 - i].address));
    else
      g_assert_cmpint (transmit.origin.remote.ip.family, ==, FZ_IP_NONE);
    put_on_wire (bed, i, transmit.data);
  }
  while (fz_tunnel_poll_event (end->tunnel, &event))
    end->n_events[event]++;
  if (!end->holds_publication)
    fz_tunnel_publish (end->tunnel);
  fz_reclaim_collect (end->reclaim);
}

/* -- a lane's part -- */

static void
set_if_zero (_Atomic uint64_t *field, uint64_t value)
{
  if (atomic_load (field) == 0)
    atomic_store (field, value);
}

static void
tell_of_activity (Bed *bed, size_t i)
{
  BedEnd *end = &bed->ends[i];

  atomic_thread_fence (memory_order_seq_cst);
  if (atomic_exchange (&end->peer->is_watched, true))
    return;
  end->n_activities++;
  fz_tunnel_handle_activity (end->tunnel, bed->now);
  bed_collect (bed, i);
}

static bool
lane_send (Bed *bed, size_t i, FzSpan packet)
{
  BedEnd *end = &bed->ends[i];
  FzKeypair *keypair = atomic_load (&end->peer->sending);
  uint8_t out[256];
  uint64_t counter;
  FzAeadOp op = { packet.data, out + FZ_WIREGUARD_DATA_HEADER_SIZE, (uint32_t) packet.length, 0 };

  if (keypair == NULL || !fz_keypair_may_send (keypair, bed->now) ||
      !fz_keypair_reserve (keypair, 1, &counter))
    return false;
  op.counter = counter;
  fz_wireguard_write_data_header (out, keypair->remote_index, counter);
  fz_aead_seal (end->aead, keypair->send_key, &op, 1);
  atomic_store (&end->peer->sent_data_at, bed->now);
  set_if_zero (&end->peer->first_unanswered_sent_at, bed->now);
  atomic_store (&end->peer->first_unanswered_received_at, 0);
  put_on_wire (bed, i, fz_span (out, packet.length + FZ_WIREGUARD_DATA_OVERHEAD));
  tell_of_activity (bed, i);
  return true;
}

static FzDrop
open_data (Bed *bed, BedEnd *end, const FzWireguardMessage *message, FzKeypair **out_keypair)
{
  FzKeypair *keypair = atomic_load (&end->peer->receiving[message->receiver_index % 8]);
  uint8_t plain[256];
  FzAeadOp op = {
    .source = message->sealed.data,
    .target = plain,
    .length = (uint32_t) (message->sealed.length - FZ_TAG_SIZE),
    .counter = message->counter,
  };

  if (keypair == NULL || keypair->local_index != message->receiver_index)
    return FZ_DROP_UNKNOWN_INDEX;
  if (!fz_keypair_may_receive (keypair, bed->now))
    return FZ_DROP_EXPIRED_KEY;
  if (fz_aead_open (end->aead, keypair->receive_key, &op, 1) != 1)
    return FZ_DROP_BAD_TAG;
  if (!fz_replay_window_accept (&keypair->window, message->counter))
    return FZ_DROP_REPLAY;
  *out_keypair = keypair;
  return FZ_DROP_NONE;
}

static FzDrop
lane_receive (Bed *bed, size_t i, const FzWireguardMessage *message)
{
  BedEnd *end = &bed->ends[i];
  bool is_data = message->sealed.length > FZ_TAG_SIZE;
  FzKeypair *keypair;
  FzDrop drop = open_data (bed, end, message, &keypair);

  if (drop != FZ_DROP_NONE) {
    end->n_refused++;
    return drop;
  }
  end->n_received += is_data;
  atomic_store (&end->peer->received_any_at, bed->now);
  atomic_store (&end->peer->first_unanswered_sent_at, 0);
  if (is_data) {
    atomic_store (&end->peer->received_data_at, bed->now);
    set_if_zero (&end->peer->first_unanswered_received_at, bed->now);
  }
  if (!keypair->is_initiator && !atomic_exchange (&keypair->is_confirmed, true)) {
    fz_tunnel_handle_confirmed (end->tunnel, keypair->local_index, bed->now);
    bed_collect (bed, i);
  }
  tell_of_activity (bed, i);
  return FZ_DROP_NONE;
}

bool
bed_send (Bed *bed, size_t end)
{
  static const uint8_t packet[BED_PACKET_SIZE] = { 0x60 };

  return lane_send (bed, end, fz_span (packet, sizeof packet));
}

/* -- a node's part -- */

static FzDrop
handle_initiation (Bed *bed, BedEnd *end, const FzWireguardMessage *message, FzEndpoint *origin)
{
  g_auto (FzNoiseInitiation) initiation = { 0 };
  g_auto (FzNoiseAnswer) answer = { 0 };
  g_auto (FzNoiseKeys) keys = { { 0 }, { 0 } };
  uint8_t response[FZ_WIREGUARD_RESPONSE_SIZE];
  FzDrop drop = fz_noise_open_initiation (end->identity, message, &initiation);

  if (drop == FZ_DROP_NONE)
    drop = fz_tunnel_begin_response (end->tunnel, message, &initiation, bed->now, &answer);
  if (drop == FZ_DROP_NONE)
    drop = fz_noise_write_response (&initiation, &answer, response, &keys);
  if (drop != FZ_DROP_NONE)
    return drop;
  return fz_tunnel_finish_response (
      end->tunnel, &initiation, answer.local_index, &keys, response, origin, bed->now);
}

static FzDrop
handle_handshake (Bed *bed, size_t to, const FzWireguardMessage *message)
{
  BedEnd *end = &bed->ends[to];
  FzEndpoint origin = { .remote = bed->ends[1 - to].address };
  uint8_t reply[FZ_WIREGUARD_COOKIE_REPLY_SIZE];
  bool has_reply;
  FzDrop drop;

  if (message->type == FZ_WIREGUARD_COOKIE_REPLY)
    return fz_tunnel_handle_cookie_reply (end->tunnel, message, bed->now);
  drop = fz_identity_admit (end->identity, message, &origin.remote, bed->now, reply, &has_reply);
  if (has_reply)
    put_on_wire (bed, to, fz_span (reply, sizeof reply));
  if (drop != FZ_DROP_NONE)
    return drop;
  return message->type == FZ_WIREGUARD_INITIATION
             ? handle_initiation (bed, end, message, &origin)
             : fz_tunnel_handle_response (end->tunnel, message, &origin, bed->now);
}

FzDrop
bed_deliver (Bed *bed, size_t to, const BedDatagram *datagram)
{
  FzWireguardMessage message;
  FzDrop drop = fz_wireguard_parse (fz_span (datagram->data, datagram->length), &message);

  if (drop != FZ_DROP_NONE)
    return drop;
  if (message.type == FZ_WIREGUARD_DATA)
    return lane_receive (bed, to, &message);
  drop = handle_handshake (bed, to, &message);
  bed->ends[to].last_drop = drop;
  bed_collect (bed, to);
  return drop;
}

void
bed_start (Bed *bed, size_t end)
{
  g_assert_true (fz_tunnel_start_handshake (bed->ends[end].tunnel, bed->now));
  bed_collect (bed, end);
}

void
bed_connect (Bed *bed)
{
  bed_start (bed, 0);
  bed_run (bed, 100 * FZ_MS);
  for (size_t i = 0; i < 2; i++)
    g_assert_true (fz_tunnel_can_send (bed->ends[i].tunnel, bed->now));
}

/* -- time -- */

static void
run_timeouts (Bed *bed)
{
  for (size_t i = 0; i < 2; i++)
    if (fz_tunnel_next_timeout (bed->ends[i].tunnel) <= bed->now) {
      bed->ends[i].n_wakeups++;
      fz_tunnel_handle_timeout (bed->ends[i].tunnel, bed->now);
      /* what is due was done: a wake-up never asks for itself again */
      g_assert_cmpuint (fz_tunnel_next_timeout (bed->ends[i].tunnel), >, bed->now);
      bed_collect (bed, i);
    }
}

void
bed_run_until (Bed *bed, FzInstant at)
{
  for (;;) {
    InFlight *first = g_queue_peek_head (&bed->wire);
    FzInstant next = first != NULL ? first->arrives_at : FZ_INSTANT_NEVER;

    for (size_t i = 0; i < 2; i++)
      next = MIN (next, fz_tunnel_next_timeout (bed->ends[i].tunnel));
    if (next > at)
      break;
    bed->now = MAX (bed->now, next);
    if (first != NULL && first->arrives_at <= bed->now) {
      g_queue_pop_head (&bed->wire);
      bed_deliver (bed, first->to, &first->datagram);
      g_free (first);
    } else {
      run_timeouts (bed);
    }
  }
  bed->now = at;
}

void
bed_run (Bed *bed, uint64_t duration_ns)
{
  bed_run_until (bed, bed->now + duration_ns);
}

/* -- making and clearing -- */

void
bed_renew_tunnel (Bed *bed,
                  size_t i,
                  const FzTunnelProfile *profile,
                  const uint8_t *preshared_key,
                  const uint8_t *remote_public_key)
{
  BedEnd *end = &bed->ends[i];
  FzTunnelConfig config = {
    .identity = end->identity,
    .public_key = remote_public_key,
    .preshared_key = preshared_key,
    .peer = end->peer,
    .profile = *profile,
    .aead = end->aead,
    .reclaim = end->reclaim,
    .rng = end->rng,
    .counters = &end->counters,
    .unix_ns_at_zero = UNIX_NS_AT_ZERO,
  };

  fz_tunnel_free (end->tunnel);
  end->tunnel = fz_tunnel_new (&config, bed->now);
  g_assert_nonnull (end->tunnel);
}

static void
init_end (Bed *bed, size_t i, uint64_t seed)
{
  BedEnd *end = &bed->ends[i];
  FzUuid id = { { (uint8_t) (i + 1) } };

  end->address = (FzSocketAddress){ { FZ_IP_V4, { 192, 0, 2, (uint8_t) (i + 1) } }, 4000 };
  fz_seeded_rng_init (&end->seeded, seed * 2 + i);
  end->rng = fz_seeded_rng (&end->seeded);
  end->identity = fz_identity_new (NULL, &end->rng);
  end->peer = fz_peer_new (&id, 0x010203 * (uint32_t) (i + 1));
  end->aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  end->reclaim = fz_reclaim_new ();
  end->latency_ns = (10 + i) * FZ_MS; /* not the same both ways: no accidental ties */
  g_assert_nonnull (end->aead);
}

void
bed_init (Bed *bed, const FzTunnelProfile *profile, uint64_t seed)
{
  memset (bed, 0, sizeof *bed);
  bed->now = BED_START;
  g_queue_init (&bed->wire);
  fz_seeded_rng_init (&bed->seeded, ~seed);
  bed->rng = fz_seeded_rng (&bed->seeded);
  for (size_t i = 0; i < 2; i++)
    init_end (bed, i, seed);
  for (size_t i = 0; i < 2; i++)
    bed_renew_tunnel (
        bed, i, profile, NULL, fz_identity_get_public_key (bed->ends[1 - i].identity));
}

void
bed_clear (Bed *bed)
{
  for (size_t i = 0; i < 2; i++) {
    BedEnd *end = &bed->ends[i];

    fz_tunnel_free (end->tunnel);
    fz_peer_free (end->peer);
    fz_reclaim_free (end->reclaim);
    fz_aead_free (end->aead);
    fz_identity_free (end->identity);
  }
  bed_forget_wire (bed);
}

void
bed_forget_wire (Bed *bed)
{
  g_queue_clear_full (&bed->wire, g_free);
}

void
bed_reset_counts (Bed *bed)
{
  for (size_t i = 0; i < 2; i++) {
    BedEnd *end = &bed->ends[i];

    memset (end->n_sent, 0, sizeof end->n_sent);
    memset (end->n_events, 0, sizeof end->n_events);
    end->n_received = end->n_refused = end->n_activities = end->n_wakeups = 0;
  }
}

void
bed_set_up_ice (Bed *bed, gconstpointer data)
{
  bed_init (bed, &fz_tunnel_profile_ice, 1);
}

void
bed_set_up_iceless (Bed *bed, gconstpointer data)
{
  bed_init (bed, &fz_tunnel_profile_iceless, 1);
}

void
bed_set_up_bare (Bed *bed, gconstpointer data)
{
  bed_init (bed, &fz_tunnel_profile_bare, 1);
}

void
bed_tear_down (Bed *bed, gconstpointer data)
{
  bed_clear (bed);
}

void
bed_assert_flows (Bed *bed)
{
  unsigned before[] = { bed->ends[0].n_received, bed->ends[1].n_received };

  for (size_t i = 0; i < 2; i++)
    g_assert_true (bed_send (bed, i));
  bed_run (bed, 100 * FZ_MS);
  for (size_t i = 0; i < 2; i++)
    g_assert_cmpuint (bed->ends[i].n_received, ==, before[i] + 1);
}

unsigned
bed_count_initiations (const Bed *bed)
{
  return bed->ends[0].n_sent[BED_INITIATION] + bed->ends[1].n_sent[BED_INITIATION];
}

FzInstant
bed_establish (Bed *bed)
{
  FzInstant at;

  bed_connect (bed);
  at = atomic_load (&bed->ends[0].peer->sending)->created_at;
  bed_reset_counts (bed);
  return at;
}
