/* fz-sim-peer.c: see fz-sim-peer.h */

#include "tests/sim/fz-sim-peer.h"

#include <string.h>

#define WORD "word:"

typedef struct {
  FzInstant due;
  bool is_withdrawal;
  char *text;
} Signal;

struct FzSimPeer {
  FzSim *sim;
  unsigned host;
  FzIceRole role;
  FzIceProfile profile;
  FzRelayPool *pool;
  FzIceAgent *agent; /* NULL before the introduction */
  FzSimPeer *other;
  uint64_t signalling_ns;
  FzInstant hold_until;
  GQueue inbox; /* of Signal, from the other */
  FzUuid relay_id;
  bool has_relay;
  FzSimPeerView view;
};

static void drain (FzSimPeer *self);

/* -- signalling -- */

static void
free_signal (gpointer data)
{
  Signal *signal = data;

  g_free (signal->text);
  g_free (signal);
}

static void
tell_other (FzSimPeer *self, const char *text, bool is_withdrawal)
{
  FzInstant now = fz_sim_now (self->sim);
  Signal *signal = g_new0 (Signal, 1);

  signal->due = MAX (now, self->hold_until) + self->signalling_ns;
  signal->is_withdrawal = is_withdrawal;
  signal->text = g_strdup (text);
  g_queue_push_tail (&self->other->inbox, signal);
}

/* A channel is wanted for whatever is not on the peer's own machine (§5.6). */
static void
bind_for (FzSimPeer *self, const char *text)
{
  FzCandidate candidate;

  if (self->has_relay && fz_candidate_parse (text, &candidate) &&
      candidate.kind != FZ_CANDIDATE_HOST)
    fz_relay_pool_bind_channel (
        self->pool, &self->relay_id, &candidate.address, fz_sim_now (self->sim));
}

void
fz_sim_peer_receive_candidate (FzSimPeer *self, const char *text)
{
  bind_for (self, text);
  fz_ice_agent_add_remote_candidate (self->agent, text);
  drain (self);
}

static void
read_inbox (FzSimPeer *self, FzInstant now)
{
  Signal *signal;

  while ((signal = g_queue_peek_head (&self->inbox)) != NULL && signal->due <= now) {
    g_queue_pop_head (&self->inbox);
    if (signal->is_withdrawal)
      fz_ice_agent_invalidate_remote_candidate (self->agent, signal->text);
    else
      fz_sim_peer_receive_candidate (self, signal->text);
    free_signal (signal);
  }
}

/* -- candidates -- */

void
fz_sim_peer_add_candidate (FzSimPeer *self, const FzCandidate *candidate)
{
  char text[FZ_CANDIDATE_TEXT_MAX];

  if (fz_ice_agent_add_local_candidate (self->agent, candidate, text))
    tell_other (self, text, false);
  drain (self);
}

void
fz_sim_peer_add_host_candidate (FzSimPeer *self, const char *ip)
{
  FzSocketAddress address = { .port = FZ_SIM_PEER_PORT };
  FzCandidate candidate;

  g_assert_true (fz_ip_parse (ip, &address.ip));
  candidate = fz_candidate_host (&address);
  fz_sim_peer_add_candidate (self, &candidate);
}

void
fz_sim_peer_withdraw (FzSimPeer *self, const FzCandidate *candidate)
{
  char text[FZ_CANDIDATE_TEXT_MAX];

  if (fz_ice_agent_invalidate_local_candidate (self->agent, candidate))
    tell_other (self, fz_candidate_format_invalidation (candidate, text), true);
  drain (self);
}

/* -- output -- */

static void
send_relayed (FzSimPeer *self, const FzSocketAddress *to, FzSpan data)
{
  uint8_t buffer[1500];
  FzRelayRoute route;

  if (!self->has_relay ||
      !fz_relay_pool_route (self->pool, &self->relay_id, to, fz_sim_now (self->sim), &route))
    return;
  fz_channel_header_write (buffer, route.channel, (uint16_t) data.length);
  memcpy (buffer + FZ_CHANNEL_HEADER_SIZE, data.data, data.length);
  fz_sim_send_any (self->sim,
                   self->host,
                   FZ_SIM_PEER_PORT,
                   &route.to,
                   fz_span (buffer, FZ_CHANNEL_HEADER_SIZE + data.length));
}

/* Relayed candidates count from the connection's own relay only (§1.6). */
static bool
is_wanted (const FzSimPeer *self, const FzRelayEvent *event)
{
  return event->candidate.kind != FZ_CANDIDATE_RELAYED ||
         fz_uuid_equal (&event->relay_id, &self->relay_id);
}

static void
offer_known (FzSimPeer *self)
{
  FzCandidate candidates[FZ_RELAYS_MAX * FZ_RELAY_CANDIDATES_MAX];
  size_t n;

  self->has_relay = fz_relay_pool_select (self->pool, &self->relay_id);
  if (!self->has_relay)
    return;
  n = fz_relay_pool_get_candidates (
      self->pool, &self->relay_id, candidates, G_N_ELEMENTS (candidates));
  for (size_t i = 0; i < n; i++)
    fz_sim_peer_add_candidate (self, &candidates[i]);
}

static void
handle_pool_event (FzSimPeer *self, const FzRelayEvent *event)
{
  if (self->agent == NULL)
    return;
  switch (event->kind) {
  case FZ_RELAY_EVENT_CANDIDATE:
    if (!self->has_relay)
      offer_known (self);
    if (is_wanted (self, event))
      fz_sim_peer_add_candidate (self, &event->candidate);
    break;
  case FZ_RELAY_EVENT_CANDIDATE_INVALID:
    fz_sim_peer_withdraw (self, &event->candidate);
    break;
  case FZ_RELAY_EVENT_GONE:
    if (self->has_relay && fz_uuid_equal (&event->relay_id, &self->relay_id))
      offer_known (self);
    break;
  case FZ_RELAY_EVENT_ADDRESS_TAKEN:
  case FZ_RELAY_EVENT_NONE_LEFT:
    break;
  }
}

static void
handle_agent_event (FzSimPeer *self, const FzIceEvent *event)
{
  FzInstant now = fz_sim_now (self->sim);

  switch (event->kind) {
  case FZ_ICE_EVENT_STATE:
    self->view.n_states[event->state]++;
    if (event->state == FZ_ICE_DISCONNECTED)
      self->view.disconnected_at = now;
    break;
  case FZ_ICE_EVENT_NOMINATED:
    self->view.is_nominated = true;
    self->view.path = event->nominated.path;
    self->view.local = event->nominated.local;
    self->view.remote = event->nominated.remote;
    self->view.nominated_at = now;
    self->view.n_nominations++;
    break;
  }
}

static void
drain_agent (FzSimPeer *self)
{
  FzIceTransmit transmit;
  FzIceEvent event;

  while (fz_ice_agent_poll_transmit (self->agent, &transmit)) {
    self->view.n_requests_sent += transmit.is_request;
    if (transmit.is_relayed)
      send_relayed (self, &transmit.remote, transmit.data);
    else
      fz_sim_send (self->sim, self->host, &transmit.local, &transmit.remote, transmit.data);
  }
  while (fz_ice_agent_poll_event (self->agent, &event))
    handle_agent_event (self, &event);
}

static void
drain (FzSimPeer *self)
{
  FzRelayTransmit transmit;
  FzRelayEvent event;

  while (fz_relay_pool_poll_event (self->pool, &event))
    handle_pool_event (self, &event);
  if (self->agent != NULL)
    drain_agent (self);
  while (fz_relay_pool_poll_transmit (self->pool, &transmit))
    fz_sim_send_any (self->sim, self->host, FZ_SIM_PEER_PORT, &transmit.to, transmit.data);
}

void
fz_sim_peer_poke (FzSimPeer *self)
{
  drain (self);
}

/* -- input -- */

static void
hear (FzSimPeer *self, FzSpan data)
{
  if (data.length < strlen (WORD) || memcmp (data.data, WORD, strlen (WORD)) != 0)
    return;
  self->view.n_heard++;
  g_snprintf (self->view.heard,
              sizeof self->view.heard,
              "%.*s",
              (int) (data.length - strlen (WORD)),
              (const char *) data.data + strlen (WORD));
}

/* Step B of §6. */
static void
handle_from_peer (FzSimPeer *self,
                  const FzSocketAddress *local,
                  const FzSocketAddress *from,
                  FzSpan data,
                  FzInstant now)
{
  FzStunMessage message;

  if (self->agent == NULL)
    return;
  if (fz_stun_parse (data, &message) == FZ_DROP_NONE)
    fz_ice_agent_handle_message (self->agent, &message, local, from, now);
  else
    hear (self, data);
}

static void
handle_datagram (void *context,
                 const FzSocketAddress *local,
                 const FzSocketAddress *from,
                 FzSpan data,
                 FzInstant now)
{
  FzSimPeer *self = context;
  FzRelayedDatagram inner;
  FzStunMessage message;

  if (local->port != FZ_SIM_PEER_PORT)
    return;
  if (fz_relay_pool_classify (self->pool, from) != FZ_RELAY_SOURCE_CURRENT)
    handle_from_peer (self, local, from, data, now);
  else if (fz_stun_parse (data, &message) == FZ_DROP_NONE)
    fz_relay_pool_handle_stun (self->pool, &message, local, from, now);
  else if (fz_relay_pool_unwrap (self->pool, data, from, now, &inner) == FZ_DROP_NONE)
    handle_from_peer (self, &inner.local, &inner.from, inner.payload, now);
  drain (self);
}

static void
handle_timeout (void *context, FzInstant now)
{
  FzSimPeer *self = context;

  read_inbox (self, now);
  fz_relay_pool_handle_timeout (self->pool, now);
  if (self->agent != NULL)
    fz_ice_agent_handle_timeout (self->agent, now);
  drain (self);
}

static FzInstant
next_timeout (void *context)
{
  FzSimPeer *self = context;
  FzInstant next = fz_relay_pool_next_timeout (self->pool);
  const Signal *signal = g_queue_peek_head (&self->inbox);

  if (signal != NULL)
    next = fz_instant_min (next, signal->due);
  if (self->agent != NULL)
    next = fz_instant_min (next, fz_ice_agent_next_timeout (self->agent));
  return next;
}

/* -- life -- */

FzSimPeer *
fz_sim_peer_new (FzSim *sim, unsigned host, FzIceRole role, FzIceProfile profile)
{
  static const FzSimProgram program = { handle_datagram, handle_timeout, next_timeout };
  FzSimPeer *self = g_new0 (FzSimPeer, 1);
  FzRng rng = fz_sim_rng (sim);

  self->sim = sim;
  self->host = host;
  self->role = role;
  self->profile = profile;
  self->pool = fz_relay_pool_new (&rng, &(FzLog){ 0 });
  g_queue_init (&self->inbox);
  fz_sim_set_program (sim, host, &program, self);
  return self;
}

void
fz_sim_peer_free (FzSimPeer *self)
{
  if (self == NULL)
    return;
  fz_relay_pool_free (self->pool);
  fz_ice_agent_free (self->agent);
  g_queue_clear_full (&self->inbox, free_signal);
  g_free (self);
}

static void
make_agent (FzSimPeer *self, const char *ufrag, const char *other_ufrag)
{
  g_autofree char *password = g_strdup_printf ("%s-password-of-22-char", ufrag);
  g_autofree char *other_password = g_strdup_printf ("%s-password-of-22-char", other_ufrag);

  self->agent = fz_ice_agent_new (&(FzIceAgentConfig){
      .role = self->role,
      .profile = self->profile,
      .local = { ufrag, password },
      .remote = { other_ufrag, other_password },
      .rng = fz_sim_rng (self->sim),
  });
}

void
fz_sim_peer_introduce (FzSimPeer *a, FzSimPeer *b, uint64_t signalling_ns)
{
  a->other = b;
  b->other = a;
  a->signalling_ns = signalling_ns;
  b->signalling_ns = signalling_ns;
  make_agent (a, "aaaa", "bbbb");
  make_agent (b, "bbbb", "aaaa");
  offer_known (a);
  offer_known (b);
}

void
fz_sim_peer_hold_candidates (FzSimPeer *self, uint64_t when_ns)
{
  self->hold_until = fz_instant_add (fz_sim_now (self->sim), when_ns);
}

void
fz_sim_peer_add_relay (FzSimPeer *self, const FzRelay *relay)
{
  fz_relay_pool_update (self->pool, NULL, 0, relay, 1, fz_sim_now (self->sim));
  drain (self);
}

FzIceAgent *
fz_sim_peer_get_agent (FzSimPeer *self)
{
  return self->agent;
}

FzRelayPool *
fz_sim_peer_get_pool (FzSimPeer *self)
{
  return self->pool;
}

const FzSimPeerView *
fz_sim_peer_get_view (const FzSimPeer *self)
{
  return &self->view;
}

/* -- talk -- */

bool
fz_sim_peer_say (FzSimPeer *self, const char *text)
{
  g_autofree char *word = g_strconcat (WORD, text, NULL);
  FzSpan data = fz_span (word, strlen (word));

  if (!self->view.is_nominated)
    return false;
  if (self->view.path == FZ_PATH_RELAY_TO_PEER || self->view.path == FZ_PATH_RELAY_TO_RELAY)
    send_relayed (self, &self->view.remote, data);
  else
    fz_sim_send (self->sim, self->host, &self->view.local, &self->view.remote, data);
  return true;
}

bool
fz_sim_peers_can_talk (FzSimPeer *a, FzSimPeer *b, uint64_t limit_ns)
{
  unsigned heard_a = a->view.n_heard;
  unsigned heard_b = b->view.n_heard;

  if (!fz_sim_peer_say (a, "from a") || !fz_sim_peer_say (b, "from b"))
    return false;
  fz_sim_run_for (a->sim, limit_ns);
  return a->view.n_heard > heard_a && b->view.n_heard > heard_b &&
         strcmp (a->view.heard, "from b") == 0 && strcmp (b->view.heard, "from a") == 0;
}

static bool
is_settled (const FzSimPeer *self)
{
  FzIceState state = fz_ice_agent_get_state (self->agent);

  return state == FZ_ICE_CONNECTED || state == FZ_ICE_COMPLETED;
}

static bool
are_settled (void *context)
{
  FzSimPeer *const *pair = context;

  return is_settled (pair[0]) && is_settled (pair[1]);
}

bool
fz_sim_peers_connect (FzSimPeer *a, FzSimPeer *b, uint64_t limit_ns)
{
  FzSimPeer *pair[] = { a, b };

  return fz_sim_run_while_not (a->sim, are_settled, pair, limit_ns);
}
