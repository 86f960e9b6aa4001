/* fz-relay.c
 *
 * Sockets, bindings, candidates, outstanding requests and time of one relay.
 */
#include "src/engine/fz-relay-private.h"

#include <string.h>

#define KEEP_ALIVE_NS      (25 * FZ_S) /* §5.8 */
#define KEEP_ALIVE_LATE_NS (2 * FZ_S)  /* idle paths' checks come every 25 s too, and save it */

typedef struct {
  FzSocketAddress to;
  size_t length;
  uint8_t bytes[];
} Outgoing;

/* -- output -- */

static void
push_transmit (FzRelayLink *self, const FzSocketAddress *to, const uint8_t *bytes, size_t length)
{
  Outgoing *out = g_malloc0 (sizeof *out + length);

  out->to = *to;
  out->length = length;
  memcpy (out->bytes, bytes, length);
  g_queue_push_tail (&self->transmits, out);
}

bool
fz_relay_link_poll_transmit (FzRelayLink *self, FzRelayTransmit *out)
{
  Outgoing *next;

  g_clear_pointer (&self->polled, g_free);
  next = g_queue_pop_head (&self->transmits);
  if (next == NULL)
    return false;
  self->polled = next;
  *out = (FzRelayTransmit){ .to = next->to, .data = fz_span (next->bytes, next->length) };
  return true;
}

void
fz_relay_link_push_event (FzRelayLink *self, FzRelayEventKind kind, const FzCandidate *c)
{
  FzRelayEvent event = { .kind = kind, .relay_id = self->id };

  if (c != NULL)
    event.candidate = *c;
  g_queue_push_tail (&self->events, g_memdup2 (&event, sizeof event));
}

bool
fz_relay_link_poll_event (FzRelayLink *self, FzRelayEvent *out)
{
  g_autofree FzRelayEvent *event = g_queue_pop_head (&self->events);

  if (event == NULL)
    return false;
  *out = *event;
  return true;
}

void
fz_relay_link_learn (FzRelayLink *self, FzCandidate *slot, const FzCandidate *candidate)
{
  if (fz_socket_address_equal (&slot->address, &candidate->address) &&
      fz_socket_address_equal (&slot->base, &candidate->base))
    return;
  if (!fz_candidate_is_usable (candidate))
    return;
  *slot = *candidate;
  fz_relay_link_push_event (self, FZ_RELAY_EVENT_CANDIDATE, slot);
}

/* -- requests -- */

static FzRelayRequest *
request_at (const FzRelayLink *self, guint i)
{
  return &g_array_index (self->requests, FzRelayRequest, i);
}

static size_t
write_with (const FzRelayRequest *request, const FzTurnAuth *auth, uint8_t *out)
{
  switch (request->kind) {
  case FZ_RELAY_REQUEST_BINDING:
    return fz_turn_write_binding (out, &request->id);
  case FZ_RELAY_REQUEST_ALLOCATE:
    return fz_turn_write_allocate (out, &request->id, auth);
  case FZ_RELAY_REQUEST_REFRESH:
    return fz_turn_write_refresh (out, &request->id, false, auth);
  case FZ_RELAY_REQUEST_DELETE:
    return fz_turn_write_refresh (out, &request->id, true, auth);
  case FZ_RELAY_REQUEST_CHANNEL_BIND:
    return fz_turn_write_channel_bind (out, &request->id, &request->peer, request->channel, auth);
  }
  return 0;
}

static size_t
write_request (const FzRelayLink *self, FzRelayRequest *request, uint8_t *out)
{
  FzTurnAuth credentials = { 0 };
  size_t n;

  request->had_nonce = fz_relay_allocation_get_auth (self, &credentials);
  n = write_with (request, request->had_nonce ? &credentials : NULL, out);
  fz_wipe (&credentials, sizeof credentials);
  return n;
}

/* A repeated binding request is the same message; any other is made anew (§5.3). */
static void
transmit_request (FzRelayLink *self, FzRelayRequest *request, bool is_first)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  size_t n;

  if (is_first || request->kind != FZ_RELAY_REQUEST_BINDING)
    fz_rng_fill (&self->rng, request->id.bytes, sizeof request->id.bytes);
  n = write_request (self, request, bytes);
  push_transmit (self, &request->to, bytes, n);
}

static bool
add_request (FzRelayLink *self, FzRelayRequest request, uint64_t budget_ns, FzInstant now)
{
  if (self->requests->len >= FZ_RELAY_REQUESTS_MAX)
    return false;
  request.budget_ns = budget_ns;
  request.n_challenges = 0;
  fz_relay_request_start (&request, now);
  transmit_request (self, &request, true);
  g_array_append_val (self->requests, request);
  return true;
}

bool
fz_relay_link_request (FzRelayLink *self,
                       const FzRelayRequest *request,
                       uint64_t budget_ns,
                       FzInstant now)
{
  FzRelayRequest copy = *request;

  if (self->active.ip.family == FZ_IP_NONE)
    return false;
  copy.to = self->active;
  return add_request (self, copy, budget_ns, now);
}

void
fz_relay_link_resend (FzRelayLink *self, FzRelayRequest *request, FzInstant now)
{
  request->n_challenges++;
  fz_relay_request_start (request, now);
  transmit_request (self, request, false);
}

bool
fz_relay_link_is_outstanding (const FzRelayLink *self, FzRelayRequestKind kind)
{
  for (guint i = 0; i < self->requests->len; i++)
    if (request_at (self, i)->kind == kind)
      return true;
  return false;
}

void
fz_relay_link_cancel_turn (FzRelayLink *self)
{
  for (guint i = self->requests->len; i > 0; i--)
    if (request_at (self, i - 1)->kind != FZ_RELAY_REQUEST_BINDING)
      g_array_remove_index (self->requests, i - 1);
}

static void
probe (FzRelayLink *self, FzInstant now)
{
  for (unsigned i = 0; i < 2; i++)
    if (self->sockets[i].ip.family != FZ_IP_NONE)
      add_request (self,
                   (FzRelayRequest){ .kind = FZ_RELAY_REQUEST_BINDING, .to = self->sockets[i] },
                   FZ_RELAY_BUDGET_NS,
                   now);
}

/* -- life -- */

bool
fz_relay_link_accepts (const FzRelay *relay)
{
  return (relay->ipv4.ip.family == FZ_IP_V4 || relay->ipv6.ip.family == FZ_IP_V6) &&
         relay->username != NULL && relay->password != NULL &&
         strnlen (relay->username, FZ_RELAY_USERNAME_MAX + 1) <= FZ_RELAY_USERNAME_MAX &&
         strnlen (relay->password, FZ_RELAY_PASSWORD_MAX + 1) <= FZ_RELAY_PASSWORD_MAX;
}

FzRelayLink *
fz_relay_link_new (const FzRelay *relay, const FzRng *rng, const FzLog *log, FzInstant now)
{
  FzRelayLink *self = g_new0 (FzRelayLink, 1);

  g_assert (fz_relay_link_accepts (relay));
  self->id = relay->id;
  self->sockets[0] = relay->ipv4;
  self->sockets[1] = relay->ipv6;
  self->rng = *rng;
  self->log = fz_log_for (log, "relay");
  self->username = g_strdup (relay->username);
  self->password = g_strdup (relay->password);
  self->requests = g_array_new (FALSE, FALSE, sizeof (FzRelayRequest));
  self->wanted = g_array_new (FALSE, FALSE, sizeof (FzSocketAddress));
  self->channels = fz_channel_table_new ();
  g_queue_init (&self->transmits);
  g_queue_init (&self->events);
  fz_relay_allocation_reset (self);
  probe (self, now);
  return self;
}

void
fz_relay_link_free (FzRelayLink *self)
{
  if (self == NULL)
    return;
  g_queue_clear_full (&self->transmits, g_free);
  g_queue_clear_full (&self->events, g_free);
  g_free (self->polled);
  fz_channel_table_free (self->channels);
  g_array_unref (self->requests);
  g_array_unref (self->wanted);
  fz_wipe (self->password, strlen (self->password));
  fz_wipe (self->key, sizeof self->key);
  g_free (self->username);
  g_free (self->password);
  g_free (self->realm);
  g_free (self->nonce);
  g_free (self);
}

static void
forget_active (FzRelayLink *self)
{
  self->active = (FzSocketAddress){ 0 };
}

void
fz_relay_link_end_allocation (FzRelayLink *self)
{
  FzRelayRequest request = { .kind = FZ_RELAY_REQUEST_DELETE, .to = self->active };
  bool may_have_one =
      self->allocation == FZ_ALLOCATION_ACTIVE || self->allocation == FZ_ALLOCATION_REQUESTING;

  if (may_have_one && self->active.ip.family != FZ_IP_NONE && self->nonce != NULL)
    transmit_request (self, &request, true);
}

void
fz_relay_link_restart (FzRelayLink *self, FzInstant now)
{
  g_queue_clear_full (&self->transmits, g_free);
  fz_relay_link_end_allocation (self);
  g_queue_clear_full (&self->events, g_free);
  g_array_set_size (self->requests, 0);
  forget_active (self);
  memset (self->host, 0, sizeof self->host);
  memset (self->reflexive, 0, sizeof self->reflexive);
  self->has_rtt = false;
  self->n_mismatches = self->n_taken = 0;
  g_clear_pointer (&self->nonce, g_free);
  fz_relay_allocation_reset (self);
  probe (self, now);
}

void
fz_relay_link_refresh (FzRelayLink *self, FzInstant now)
{
  switch (self->allocation) {
  case FZ_ALLOCATION_REQUESTING:
  case FZ_ALLOCATION_DELETING:
  case FZ_ALLOCATION_REFUSED:
    return;
  case FZ_ALLOCATION_ACTIVE:
    if (!fz_relay_link_is_outstanding (self, FZ_RELAY_REQUEST_REFRESH))
      fz_relay_link_request (self,
                             &(FzRelayRequest){ .kind = FZ_RELAY_REQUEST_REFRESH },
                             FZ_RELAY_SHORT_BUDGET_NS,
                             now);
    return;
  case FZ_ALLOCATION_IDLE:
  case FZ_ALLOCATION_FAILED:
    if (fz_relay_link_is_outstanding (self, FZ_RELAY_REQUEST_BINDING))
      return;
    forget_active (self);
    fz_relay_allocation_reset (self);
    probe (self, now);
    return;
  }
}

void
fz_relay_link_withdraw (FzRelayLink *self)
{
  g_queue_clear_full (&self->transmits, g_free);
  fz_relay_link_end_allocation (self);
  fz_relay_allocation_invalidate (self);
}

bool
fz_relay_link_is_finished (const FzRelayLink *self)
{
  if (self->requests->len > 0 || self->transmits.length > 0)
    return false;
  return self->active.ip.family == FZ_IP_NONE || self->allocation == FZ_ALLOCATION_REFUSED;
}

/* -- queries -- */

const FzUuid *
fz_relay_link_get_id (const FzRelayLink *self)
{
  return &self->id;
}

const FzSocketAddress *
fz_relay_link_get_socket (const FzRelayLink *self, unsigned i)
{
  return &self->sockets[i];
}

bool
fz_relay_link_matches (const FzRelayLink *self, const FzRelay *relay)
{
  return fz_uuid_equal (&self->id, &relay->id) && strcmp (self->username, relay->username) == 0 &&
         strcmp (self->password, relay->password) == 0 &&
         fz_socket_address_equal (&self->sockets[0], &relay->ipv4) &&
         fz_socket_address_equal (&self->sockets[1], &relay->ipv6);
}

bool
fz_relay_link_owns (const FzRelayLink *self, const FzSocketAddress *from)
{
  return from->ip.family != FZ_IP_NONE && (fz_socket_address_equal (&self->sockets[0], from) ||
                                           fz_socket_address_equal (&self->sockets[1], from));
}

bool
fz_relay_link_get_rtt (const FzRelayLink *self, uint64_t *out)
{
  if (self->has_rtt)
    *out = self->rtt_ns;
  return self->has_rtt;
}

FzRelayView
fz_relay_link_get_view (const FzRelayLink *self)
{
  FzRelayView view = { .id = self->id, .address = self->active };

  view.is_answering = self->active.ip.family != FZ_IP_NONE;
  if (!view.is_answering)
    view.address = self->sockets[self->sockets[0].ip.family != FZ_IP_NONE ? 0 : 1];
  if (self->has_rtt)
    view.rtt_us = (uint32_t) MIN (self->rtt_ns / 1000u, UINT32_MAX);
  return view;
}

const FzCandidate *
fz_relay_link_get_candidate (const FzRelayLink *self, FzCandidateKind kind, FzIpFamily family)
{
  const FzCandidate *slot = NULL;
  unsigned i = family == FZ_IP_V6 ? 1 : 0;

  switch (kind) {
  case FZ_CANDIDATE_HOST:
    slot = &self->host[i];
    break;
  case FZ_CANDIDATE_SERVER_REFLEXIVE:
    slot = &self->reflexive[i];
    break;
  case FZ_CANDIDATE_RELAYED:
    slot = &self->relayed[i];
    break;
  case FZ_CANDIDATE_PEER_REFLEXIVE:
    return NULL;
  }
  return slot->address.ip.family != FZ_IP_NONE ? slot : NULL;
}

/* -- answers -- */

static void
sample_rtt (FzRelayLink *self, const FzRelayRequest *request, FzInstant now)
{
  uint64_t sample = fz_instant_since (request->first_sent, now);

  self->rtt_ns = self->has_rtt ? (7 * self->rtt_ns + sample) / 8 : sample;
  self->has_rtt = true;
}

static void
learn_from_binding (FzRelayLink *self, const FzStunMessage *message, const FzSocketAddress *local)
{
  unsigned i = fz_relay_family_index (&local->ip);
  FzCandidate host = fz_candidate_host (local);
  FzCandidate reflexive = fz_candidate_server_reflexive (&message->xor_mapped, local);

  fz_relay_link_learn (self, &self->host[i], &host);
  fz_relay_link_learn (self, &self->reflexive[i], &reflexive);
}

static FzDrop
handle_binding (FzRelayLink *self,
                guint index,
                const FzStunMessage *message,
                const FzSocketAddress *local,
                FzInstant now)
{
  FzRelayRequest request = *request_at (self, index);

  if (message->type != FZ_STUN_BINDING_SUCCESS && message->type != FZ_STUN_BINDING_ERROR)
    return FZ_DROP_UNKNOWN_PROTOCOL;
  if (message->type == FZ_STUN_BINDING_SUCCESS && !fz_stun_has (message, FZ_STUN_HAS_XOR_MAPPED))
    return FZ_DROP_BAD_HEADER;
  g_array_remove_index (self->requests, index);
  sample_rtt (self, &request, now);
  if (message->type == FZ_STUN_BINDING_ERROR)
    return FZ_DROP_NONE;

  learn_from_binding (self, message, local);
  if (self->active.ip.family != FZ_IP_NONE)
    return FZ_DROP_NONE;
  self->active = request.to;
  self->kept_alive_at = now;
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "relay-answers",
          "relay answers",
          FZ_KV_UUID ("relay", &self->id),
          FZ_KV_SOCKET ("socket", &self->active),
          FZ_KV_U64 ("rtt_ms", self->rtt_ns / FZ_MS));
  fz_relay_allocation_start (self, now);
  return FZ_DROP_NONE;
}

static FzDrop
handle_turn (FzRelayLink *self,
             guint index,
             const FzStunMessage *message,
             const FzSocketAddress *local,
             FzInstant now)
{
  FzRelayRequest request = *request_at (self, index);

  switch (fz_relay_allocation_judge (self, &request, message)) {
  case FZ_RELAY_VERDICT_IGNORE:
    return FZ_DROP_BAD_MAC;
  case FZ_RELAY_VERDICT_CHALLENGE:
    sample_rtt (self, &request, now);
    fz_relay_link_resend (self, request_at (self, index), now);
    return FZ_DROP_NONE;
  case FZ_RELAY_VERDICT_ANSWER:
    sample_rtt (self, &request, now);
    g_array_remove_index (self->requests, index);
    fz_relay_allocation_handle_answer (self, &request, message, local, now);
    return FZ_DROP_NONE;
  }
  return FZ_DROP_NONE;
}

FzDrop
fz_relay_link_handle_stun (FzRelayLink *self,
                           const FzStunMessage *message,
                           const FzSocketAddress *local,
                           const FzSocketAddress *from,
                           FzInstant now)
{
  for (guint i = 0; i < self->requests->len; i++) {
    const FzRelayRequest *request = request_at (self, i);

    if (memcmp (&request->id, &message->transaction_id, sizeof request->id) != 0)
      continue;
    if (!fz_socket_address_equal (&request->to, from))
      return FZ_DROP_UNKNOWN_SOURCE;
    return request->kind == FZ_RELAY_REQUEST_BINDING ? handle_binding (self, i, message, local, now)
                                                     : handle_turn (self, i, message, local, now);
  }
  return FZ_DROP_UNKNOWN_INDEX;
}

/* -- time -- */

/* §5.5: a request given up on the family in use means that the relay is silent; bindings of the
 * other family may fail without harm. */
static void
handle_abandoned (FzRelayLink *self, const FzRelayRequest *request, FzInstant now)
{
  bool is_silent = request->kind == FZ_RELAY_REQUEST_BINDING ||
                   fz_relay_allocation_handle_abandoned (self, request, now);

  if (!is_silent || request->to.ip.family != self->active.ip.family)
    return;
  fz_log (&self->log,
          FZ_LOG_INFO,
          "relay-silent",
          "relay does not answer any more",
          FZ_KV_UUID ("relay", &self->id),
          FZ_KV_SOCKET ("socket", &self->active));
  forget_active (self);
  fz_relay_allocation_invalidate (self);
}

/* The first request that is due, or the end of the list. */
static guint
find_due (const FzRelayLink *self, FzInstant now)
{
  guint i = 0;

  while (i < self->requests->len && request_at (self, i)->due > now)
    i++;
  return i;
}

static void
retry_requests (FzRelayLink *self, FzInstant now)
{
  guint i;

  while ((i = find_due (self, now)) < self->requests->len) {
    FzRelayRequest request = *request_at (self, i);

    if (fz_relay_request_retry (request_at (self, i), now)) {
      transmit_request (self, request_at (self, i), false);
      continue;
    }
    g_array_remove_index (self->requests, i);
    handle_abandoned (self, &request, now);
  }
}

static bool
wants_keep_alive (const FzRelayLink *self)
{
  return self->active.ip.family != FZ_IP_NONE && self->allocation != FZ_ALLOCATION_REFUSED &&
         !fz_relay_link_is_outstanding (self, FZ_RELAY_REQUEST_BINDING);
}

void
fz_relay_link_handle_timeout (FzRelayLink *self, FzInstant now)
{
  retry_requests (self, now);
  fz_relay_allocation_handle_timeout (self, now);
  if (wants_keep_alive (self) && now >= fz_instant_add (self->kept_alive_at, KEEP_ALIVE_NS)) {
    self->kept_alive_at = now;
    fz_relay_link_request (
        self, &(FzRelayRequest){ .kind = FZ_RELAY_REQUEST_BINDING }, FZ_RELAY_BUDGET_NS, now);
  }
}

FzInstant
fz_relay_link_next_timeout (const FzRelayLink *self)
{
  FzInstant next = fz_relay_allocation_next_timeout (self);

  for (guint i = 0; i < self->requests->len; i++)
    next = fz_instant_min (next, request_at (self, i)->due);
  if (wants_keep_alive (self))
    next = fz_instant_min (
        next, fz_instant_add (self->kept_alive_at, KEEP_ALIVE_NS + KEEP_ALIVE_LATE_NS));
  return next;
}

bool
fz_relay_link_awaits_answers (const FzRelayLink *self)
{
  return self->requests->len > 0;
}
