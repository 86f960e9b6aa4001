/* fz-relay-allocation.c
 *
 * TURN on one relay: challenge, allocation, refresh, channels
 * (connectivity.md §5.4 to §5.8; RFC 8656).
 *
 *   IDLE ─► REQUESTING ─► ACTIVE ─► (437, expiry) ─► REQUESTING
 *             │    ▲        │
 *             │    │        └─ relay silent ─► IDLE
 *             │    └─ DELETING ◄─ 437 to Allocate
 *             └─► FAILED ─► REQUESTING after a minute
 *   any ─► REFUSED: the relay itself says that our credentials are wrong
 *
 * The first request goes without credentials, so that relays of both kinds
 * answer with a challenge (§5.4, measured). An unsigned answer is a hint at
 * most: anybody could have made it.
 */
#include "src/engine/fz-relay-private.h"

#include <string.h>

#define RETRY_SOON_NS    (2 * FZ_S)  /* coturn needs a second for what it has agreed to delete */
#define RETRY_NS         (60 * FZ_S) /* after a refused Allocate (§11 #15) */
#define REFRESH_RETRY_NS (30 * FZ_S) /* after a refused Refresh */
#define NO_ROOM_RETRY_NS (1 * FZ_S)  /* of a Refresh that could not be sent */
#define CHALLENGES_MAX   3u          /* per request */
#define MISMATCHES_MAX   3u          /* 437 in a row */
#define REALM_MAX        127u        /* characters, §5.1 */
#define NONCE_MAX        300u

static const char *
state_name (FzAllocationState state)
{
  static const char *const names[] = {
    [FZ_ALLOCATION_IDLE] = "idle",     [FZ_ALLOCATION_REQUESTING] = "requesting",
    [FZ_ALLOCATION_ACTIVE] = "active", [FZ_ALLOCATION_DELETING] = "deleting",
    [FZ_ALLOCATION_FAILED] = "failed", [FZ_ALLOCATION_REFUSED] = "refused",
  };

  return names[state];
}

static void
set_state (FzRelayLink *self, FzAllocationState next, FzInstant deadline)
{
  if (self->allocation != next)
    fz_log (&self->log,
            FZ_LOG_DEBUG,
            "allocation-state",
            "allocation changed its state",
            FZ_KV_UUID ("relay", &self->id),
            FZ_KV_TEXT ("from", state_name (self->allocation)),
            FZ_KV_TEXT ("to", state_name (next)));
  self->allocation = next;
  self->deadline = deadline;
}

/* -- credentials -- */

bool
fz_relay_allocation_get_auth (const FzRelayLink *self, FzTurnAuth *out)
{
  if (self->nonce == NULL)
    return false;
  *out = (FzTurnAuth){ .username = self->username, .realm = self->realm, .nonce = self->nonce };
  memcpy (out->key, self->key, sizeof out->key);
  return true;
}

static bool
is_plain_text (FzSpan span, size_t max)
{
  return span.length > 0 && span.length <= max && memchr (span.data, '\0', span.length) == NULL;
}

static FzSpan
span_of (const char *text)
{
  return fz_span (text, strlen (text));
}

/* Takes over nonce and realm of a challenge; false if they are of no use. */
static bool
adopt_challenge (FzRelayLink *self, const FzStunMessage *message)
{
  bool has_realm = fz_stun_has (message, FZ_STUN_HAS_REALM);

  if (!fz_stun_has (message, FZ_STUN_HAS_NONCE) || !is_plain_text (message->nonce, NONCE_MAX))
    return false;
  if (has_realm ? !is_plain_text (message->realm, REALM_MAX) : self->realm == NULL)
    return false;
  if (has_realm) {
    g_free (self->realm);
    self->realm = g_strndup ((const char *) message->realm.data, message->realm.length);
  }
  g_free (self->nonce);
  self->nonce = g_strndup ((const char *) message->nonce.data, message->nonce.length);
  fz_stun_long_term_key (
      span_of (self->username), span_of (self->realm), span_of (self->password), self->key);
  return true;
}

static uint16_t
method_of (FzRelayRequestKind kind)
{
  switch (kind) {
  case FZ_RELAY_REQUEST_BINDING:
    return FZ_STUN_BINDING_REQUEST;
  case FZ_RELAY_REQUEST_ALLOCATE:
    return FZ_STUN_ALLOCATE_REQUEST;
  case FZ_RELAY_REQUEST_REFRESH:
  case FZ_RELAY_REQUEST_DELETE:
    return FZ_STUN_REFRESH_REQUEST;
  case FZ_RELAY_REQUEST_CHANNEL_BIND:
    return FZ_STUN_CHANNEL_BIND_REQUEST;
  }
  return 0;
}

static bool
is_challenge (const FzRelayRequest *request, const FzStunMessage *message, bool is_signed)
{
  switch (message->error_code) {
  case FZ_STUN_ERROR_STALE_NONCE:
    return true;
  case FZ_STUN_ERROR_UNAUTHENTICATED:
    return !(is_signed && request->had_nonce); /* then it is about the credentials */
  case FZ_STUN_ERROR_BAD_REQUEST:
    return !is_signed;
  default:
    return false;
  }
}

/* Two answers that coturn does not sign: 437 to an Allocate from an address that has an allocation,
 * before it would ask who we are; and 441 to its deletion, if the allocation is under another name.
 * A forger who sees our transaction ids could give them too. What he gains is that we ask again, or
 * take another port. */
static bool
is_about_former (const FzRelayRequest *request, const FzStunMessage *message)
{
  return (request->kind == FZ_RELAY_REQUEST_ALLOCATE &&
          message->error_code == FZ_STUN_ERROR_ALLOCATION_MISMATCH) ||
         (request->kind == FZ_RELAY_REQUEST_DELETE &&
          message->error_code == FZ_STUN_ERROR_WRONG_CREDENTIALS);
}

FzRelayVerdict
fz_relay_allocation_judge (FzRelayLink *self,
                           const FzRelayRequest *request,
                           const FzStunMessage *message)
{
  uint16_t method = method_of (request->kind);
  bool is_error = message->type == (method | FZ_STUN_CLASS_ERROR);
  bool is_signed =
      self->nonce != NULL && fz_stun_verify (message, fz_span (self->key, sizeof self->key));

  if (!is_error && message->type != (method | FZ_STUN_CLASS_SUCCESS))
    return FZ_RELAY_VERDICT_IGNORE;
  if (is_error && is_challenge (request, message, is_signed) &&
      request->n_challenges < CHALLENGES_MAX)
    return adopt_challenge (self, message) ? FZ_RELAY_VERDICT_CHALLENGE : FZ_RELAY_VERDICT_IGNORE;
  return is_signed || (is_error && is_about_former (request, message)) ? FZ_RELAY_VERDICT_ANSWER
                                                                       : FZ_RELAY_VERDICT_IGNORE;
}

/* -- allocation -- */

void
fz_relay_allocation_reset (FzRelayLink *self)
{
  memset (self->relayed, 0, sizeof self->relayed);
  fz_channel_table_reset (self->channels);
  fz_relay_link_cancel_turn (self);
  self->expires_at = FZ_INSTANT_NEVER;
  set_state (self, FZ_ALLOCATION_IDLE, FZ_INSTANT_NEVER);
}

void
fz_relay_allocation_invalidate (FzRelayLink *self)
{
  for (unsigned i = 0; i < 2; i++)
    if (self->relayed[i].address.ip.family != FZ_IP_NONE)
      fz_relay_link_push_event (self, FZ_RELAY_EVENT_CANDIDATE_INVALID, &self->relayed[i]);
  fz_relay_allocation_reset (self);
}

static void
allocate (FzRelayLink *self, FzInstant now)
{
  set_state (self, FZ_ALLOCATION_REQUESTING, FZ_INSTANT_NEVER);
  fz_relay_link_request (
      self, &(FzRelayRequest){ .kind = FZ_RELAY_REQUEST_ALLOCATE }, FZ_RELAY_BUDGET_NS, now);
}

static void
refresh (FzRelayLink *self, FzInstant now)
{
  bool is_sent = fz_relay_link_request (
      self, &(FzRelayRequest){ .kind = FZ_RELAY_REQUEST_REFRESH }, FZ_RELAY_BUDGET_NS, now);

  /* Until it is answered; or soon again, if so many channels are being bound that there is no room
   * for it: candidates of a peer must not cost us the allocation. */
  self->deadline = is_sent ? FZ_INSTANT_NEVER : fz_instant_add (now, NO_ROOM_RETRY_NS);
}

void
fz_relay_allocation_start (FzRelayLink *self, FzInstant now)
{
  switch (self->allocation) {
  case FZ_ALLOCATION_IDLE:
  case FZ_ALLOCATION_FAILED:
    allocate (self, now);
    break;
  case FZ_ALLOCATION_ACTIVE:
    refresh (self, now);
    break;
  case FZ_ALLOCATION_REQUESTING:
  case FZ_ALLOCATION_DELETING:
  case FZ_ALLOCATION_REFUSED:
    break;
  }
}

static void
fail (FzRelayLink *self, uint16_t code, FzInstant now)
{
  fz_log (&self->log,
          FZ_LOG_INFO,
          "allocation-failed",
          code == 0 ? "relay does not answer our request for an allocation"
                    : "relay refuses us an allocation",
          FZ_KV_UUID ("relay", &self->id),
          FZ_KV_U64 ("code", code));
  g_array_set_size (self->wanted, 0);
  self->n_mismatches = 0;
  set_state (self, FZ_ALLOCATION_FAILED, fz_instant_add (now, RETRY_NS));
}

/* The allocation at our address is under another name. Perhaps it is ours from before the portal
 * gave us a new one, and about to go, for we have said so. Otherwise we were killed, are back on
 * our port, and nobody has the name that could delete it within its ten minutes: another address is
 * what helps (RFC 8656 §7.4). */
static void
note_taken (FzRelayLink *self, FzInstant now)
{
  if (++self->n_taken == 1) {
    set_state (self, FZ_ALLOCATION_FAILED, fz_instant_add (now, RETRY_SOON_NS));
    return;
  }
  fz_log (&self->log,
          FZ_LOG_INFO,
          "address-taken",
          "relay serves somebody else at our address",
          FZ_KV_UUID ("relay", &self->id));
  g_array_set_size (self->wanted, 0);
  self->n_mismatches = 0;
  set_state (self, FZ_ALLOCATION_FAILED, fz_instant_add (now, RETRY_NS));
  fz_relay_link_push_event (self, FZ_RELAY_EVENT_ADDRESS_TAKEN, NULL);
}

static void
set_lifetime (FzRelayLink *self, uint32_t lifetime_s, FzInstant now)
{
  uint64_t lifetime_ns = lifetime_s * FZ_S;

  self->expires_at = fz_instant_add (now, lifetime_ns);
  set_state (self, FZ_ALLOCATION_ACTIVE, fz_instant_add (now, lifetime_ns / 2));
}

static void
refuse (FzRelayLink *self)
{
  fz_log (&self->log,
          FZ_LOG_WARNING,
          "relay-refuses-credentials",
          "relay refuses our credentials",
          FZ_KV_UUID ("relay", &self->id));
  fz_relay_allocation_invalidate (self);
  g_array_set_size (self->wanted, 0);
  g_clear_pointer (&self->nonce, g_free);
  set_state (self, FZ_ALLOCATION_REFUSED, FZ_INSTANT_NEVER);
}

static void
start_anew (FzRelayLink *self, FzInstant now)
{
  fz_relay_allocation_invalidate (self);
  allocate (self, now);
}

/* -- channels -- */

static bool
has_family (const FzRelayLink *self, const FzSocketAddress *peer)
{
  return self->relayed[fz_relay_family_index (&peer->ip)].address.ip.family != FZ_IP_NONE;
}

static void
want (FzRelayLink *self, const FzSocketAddress *peer)
{
  for (guint i = 0; i < self->wanted->len; i++)
    if (fz_socket_address_equal (&g_array_index (self->wanted, FzSocketAddress, i), peer))
      return;
  if (self->wanted->len >= FZ_RELAY_BUFFERED_MAX)
    g_array_remove_index (self->wanted, 0);
  g_array_append_vals (self->wanted, peer, 1);
}

static void
request_channel (FzRelayLink *self, const FzSocketAddress *peer, FzInstant now)
{
  const FzChannel *channel = fz_channel_table_request (self->channels, peer, now);

  if (channel == NULL) {
    fz_log_plain (&self->log, FZ_LOG_WARNING, "channels-exhausted", "no channel number is free");
    return;
  }
  if (!fz_relay_link_request (self,
                              &(FzRelayRequest){
                                  .kind = FZ_RELAY_REQUEST_CHANNEL_BIND,
                                  .peer = *peer,
                                  .channel = channel->number,
                              },
                              FZ_RELAY_BUDGET_NS,
                              now))
    fz_channel_table_forget (self->channels, channel->number);
}

void
fz_relay_link_bind_channel (FzRelayLink *self, const FzSocketAddress *peer, FzInstant now)
{
  switch (self->allocation) {
  case FZ_ALLOCATION_IDLE:
  case FZ_ALLOCATION_REQUESTING:
  case FZ_ALLOCATION_DELETING:
    want (self, peer);
    break;
  case FZ_ALLOCATION_ACTIVE:
    if (has_family (self, peer) && fz_channel_table_find (self->channels, peer, now) == NULL)
      request_channel (self, peer, now);
    break;
  case FZ_ALLOCATION_FAILED:
  case FZ_ALLOCATION_REFUSED:
    break;
  }
}

static void
bind_wanted (FzRelayLink *self, FzInstant now)
{
  for (guint i = 0; i < self->wanted->len; i++)
    fz_relay_link_bind_channel (self, &g_array_index (self->wanted, FzSocketAddress, i), now);
  g_array_set_size (self->wanted, 0);
}

bool
fz_relay_link_route (FzRelayLink *self,
                     const FzSocketAddress *peer,
                     FzInstant now,
                     FzRelayRoute *out)
{
  const FzChannel *channel = fz_channel_table_find (self->channels, peer, now);

  if (self->allocation != FZ_ALLOCATION_ACTIVE || channel == NULL) {
    fz_relay_link_bind_channel (self, peer, now);
    return false;
  }
  self->kept_alive_at = now;
  *out = (FzRelayRoute){ .to = self->active, .channel = channel->number };
  return true;
}

FzDrop
fz_relay_link_unwrap (FzRelayLink *self, FzSpan datagram, FzInstant now, FzRelayedDatagram *out)
{
  FzReader r = fz_reader (datagram);
  uint16_t number = fz_reader_u16be (&r);
  uint16_t length = fz_reader_u16be (&r);
  const FzChannel *channel;

  if (!r.ok || length != r.left)
    return FZ_DROP_BAD_LENGTH;
  if (number < FZ_CHANNEL_FIRST || number > FZ_CHANNEL_VALID_LAST)
    return FZ_DROP_UNKNOWN_PROTOCOL;
  channel = fz_channel_table_receive (self->channels, number, now);
  if (channel == NULL)
    return FZ_DROP_UNKNOWN_PEER;
  *out = (FzRelayedDatagram){
    .relay_id = self->id,
    .local = self->relayed[fz_relay_family_index (&channel->peer.ip)].address,
    .from = channel->peer,
    .payload = fz_span (r.at, r.left),
  };
  return FZ_DROP_NONE;
}

/* -- answers -- */

static void
handle_allocated (FzRelayLink *self,
                  const FzStunMessage *message,
                  const FzSocketAddress *local,
                  FzInstant now)
{
  const FzSocketAddress *addresses[] = { &message->xor_relayed_v4, &message->xor_relayed_v6 };
  bool is_any = addresses[0]->ip.family != FZ_IP_NONE || addresses[1]->ip.family != FZ_IP_NONE;

  if (!is_any || !fz_stun_has (message, FZ_STUN_HAS_LIFETIME) || message->lifetime_s == 0) {
    fail (self, 0, now);
    return;
  }
  self->n_mismatches = self->n_taken = 0;
  set_lifetime (self, message->lifetime_s, now);
  for (unsigned i = 0; i < 2; i++)
    if (addresses[i]->ip.family != FZ_IP_NONE) {
      FzCandidate relayed = fz_candidate_relayed (addresses[i], local);

      fz_relay_link_learn (self, &self->relayed[i], &relayed);
    }
  bind_wanted (self, now);
}

static void
handle_allocate_error (FzRelayLink *self, uint16_t code, FzInstant now)
{
  if (code == FZ_STUN_ERROR_UNAUTHENTICATED) {
    refuse (self);
    return;
  }
  if (code != FZ_STUN_ERROR_ALLOCATION_MISMATCH || ++self->n_mismatches > MISMATCHES_MAX) {
    fail (self, code, now);
    return;
  }
  if (self->n_mismatches == 2 && self->n_taken == 0) { /* the deletion takes its time */
    set_state (self, FZ_ALLOCATION_FAILED, fz_instant_add (now, RETRY_SOON_NS));
    return;
  }
  /* Our address had an allocation before we started: it has to go first. */
  fz_relay_allocation_invalidate (self);
  set_state (self, FZ_ALLOCATION_DELETING, FZ_INSTANT_NEVER);
  fz_relay_link_request (
      self, &(FzRelayRequest){ .kind = FZ_RELAY_REQUEST_DELETE }, FZ_RELAY_BUDGET_NS, now);
}

static void
handle_refreshed (FzRelayLink *self, const FzStunMessage *message, FzInstant now)
{
  uint32_t lifetime_s = fz_stun_has (message, FZ_STUN_HAS_LIFETIME) ? message->lifetime_s : 600;

  if (lifetime_s == 0)
    start_anew (self, now);
  else if (self->allocation == FZ_ALLOCATION_ACTIVE)
    set_lifetime (self, lifetime_s, now);
}

static void
handle_refresh_error (FzRelayLink *self, uint16_t code, FzInstant now)
{
  if (code == FZ_STUN_ERROR_UNAUTHENTICATED)
    refuse (self);
  else if (code == FZ_STUN_ERROR_ALLOCATION_MISMATCH)
    start_anew (self, now); /* a restarted relay has forgotten us (RFC 8656 §7.2) */
  else if (self->allocation == FZ_ALLOCATION_ACTIVE)
    self->deadline = fz_instant_add (now, REFRESH_RETRY_NS);
}

static void
handle_delete_error (FzRelayLink *self, uint16_t code, FzInstant now)
{
  if (code == FZ_STUN_ERROR_UNAUTHENTICATED)
    refuse (self);
  else if (code == FZ_STUN_ERROR_ALLOCATION_MISMATCH)
    start_anew (self, now);
  else if (code == FZ_STUN_ERROR_WRONG_CREDENTIALS)
    note_taken (self, now);
  else
    fail (self, code, now);
}

static void
handle_bind_error (FzRelayLink *self, const FzRelayRequest *request, uint16_t code, FzInstant now)
{
  fz_channel_table_forget (self->channels, request->channel);
  if (code == FZ_STUN_ERROR_UNAUTHENTICATED) {
    refuse (self);
  } else if (code == FZ_STUN_ERROR_ALLOCATION_MISMATCH) {
    start_anew (self, now);
    want (self, &request->peer);
  }
}

static void
handle_success (FzRelayLink *self,
                const FzRelayRequest *request,
                const FzStunMessage *message,
                const FzSocketAddress *local,
                FzInstant now)
{
  switch (request->kind) {
  case FZ_RELAY_REQUEST_BINDING:
    break;
  case FZ_RELAY_REQUEST_ALLOCATE:
    handle_allocated (self, message, local, now);
    break;
  case FZ_RELAY_REQUEST_REFRESH:
    handle_refreshed (self, message, now);
    break;
  case FZ_RELAY_REQUEST_DELETE:
    start_anew (self, now);
    break;
  case FZ_RELAY_REQUEST_CHANNEL_BIND:
    fz_channel_table_confirm (self->channels, request->channel, now);
    break;
  }
}

static void
handle_error (FzRelayLink *self, const FzRelayRequest *request, uint16_t code, FzInstant now)
{
  switch (request->kind) {
  case FZ_RELAY_REQUEST_BINDING:
    break;
  case FZ_RELAY_REQUEST_ALLOCATE:
    handle_allocate_error (self, code, now);
    break;
  case FZ_RELAY_REQUEST_REFRESH:
    handle_refresh_error (self, code, now);
    break;
  case FZ_RELAY_REQUEST_DELETE:
    handle_delete_error (self, code, now);
    break;
  case FZ_RELAY_REQUEST_CHANNEL_BIND:
    handle_bind_error (self, request, code, now);
    break;
  }
}

void
fz_relay_allocation_handle_answer (FzRelayLink *self,
                                   const FzRelayRequest *request,
                                   const FzStunMessage *message,
                                   const FzSocketAddress *local,
                                   FzInstant now)
{
  if ((message->type & FZ_STUN_CLASS_MASK) == FZ_STUN_CLASS_SUCCESS)
    handle_success (self, request, message, local, now);
  else
    handle_error (self, request, message->error_code, now);
}

bool
fz_relay_allocation_handle_abandoned (FzRelayLink *self,
                                      const FzRelayRequest *request,
                                      FzInstant now)
{
  switch (request->kind) {
  case FZ_RELAY_REQUEST_BINDING:
    return true;
  case FZ_RELAY_REQUEST_ALLOCATE:
  case FZ_RELAY_REQUEST_DELETE:
    /* It may be a STUN server only; whether it is alive, the bindings say. */
    fail (self, 0, now);
    return false;
  case FZ_RELAY_REQUEST_REFRESH:
    return true;
  case FZ_RELAY_REQUEST_CHANNEL_BIND:
    fz_channel_table_forget (self->channels, request->channel);
    return true;
  }
  return true;
}

/* -- time -- */

static void
refresh_channels (FzRelayLink *self, FzInstant now)
{
  const FzChannel *due;

  while ((due = fz_channel_table_get_due (self->channels, now)) != NULL) {
    FzSocketAddress peer = due->peer;

    request_channel (self, &peer, now);
  }
}

void
fz_relay_allocation_handle_timeout (FzRelayLink *self, FzInstant now)
{
  switch (self->allocation) {
  case FZ_ALLOCATION_ACTIVE:
    if (now >= self->expires_at) {
      start_anew (self, now);
      return;
    }
    if (now >= self->deadline)
      refresh (self, now);
    refresh_channels (self, now);
    break;
  case FZ_ALLOCATION_FAILED:
    if (now >= self->deadline && self->active.ip.family != FZ_IP_NONE)
      allocate (self, now);
    break;
  case FZ_ALLOCATION_IDLE:
  case FZ_ALLOCATION_REQUESTING:
  case FZ_ALLOCATION_DELETING:
  case FZ_ALLOCATION_REFUSED:
    break;
  }
}

FzInstant
fz_relay_allocation_next_timeout (const FzRelayLink *self)
{
  FzInstant next = self->deadline;

  if (self->allocation == FZ_ALLOCATION_FAILED && self->active.ip.family == FZ_IP_NONE)
    return FZ_INSTANT_NEVER;
  if (self->allocation == FZ_ALLOCATION_ACTIVE) {
    next = fz_instant_min (next, self->expires_at);
    next = fz_instant_min (next, fz_channel_table_next_due (self->channels));
  }
  return next;
}
