/* fz-ice-connectivity.c
 *
 * Checks go out, requests and responses come in. Nothing changes before a
 * message is authentic.
 */
#include "src/engine/fz-ice-agent-private.h"
#include "src/engine/fz-ice-message.h"
#include "src/engine/fz-stun-auth.h"

#include <string.h>

/* -- checks -- */

void
fz_ice_agent_send_check (FzIceAgent *self, FzIcePair *pair, FzInstant now)
{
  const FzIceCandidate *local = fz_ice_checklist_local_of (&self->list, pair);
  FzStunTransactionId id;
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  size_t n;

  fz_rng_fill (&self->rng, id.bytes, sizeof id.bytes);
  fz_ice_pair_record_attempt (pair, &id, self->list.is_controlling, self->timing, now);
  n = fz_ice_write_check (
      bytes,
      &(FzIceCheck){
          .transaction_id = &id,
          .username = self->username,
          .password = self->remote_password,
          .is_controlling = self->list.is_controlling,
          .tie_breaker = self->tie_breaker,
          .priority = fz_ice_candidate_check_priority (local),
          .use_candidate = self->list.is_controlling && fz_ice_pair_is_nominated (pair),
      });
  fz_ice_agent_push (self,
                     local,
                     &fz_ice_checklist_remote_of (&self->list, pair)->address,
                     &id,
                     fz_span (bytes, n));
}

/* -- requests -- */

static bool
is_span (FzSpan span, const char *text)
{
  return span.length == strlen (text) && memcmp (span.data, text, span.length) == 0;
}

static FzDrop
authenticate_request (const FzIceAgent *self, const FzStunMessage *message)
{
  FzSpan local;
  FzSpan remote;

  if (!fz_stun_has (message, FZ_STUN_HAS_INTEGRITY | FZ_STUN_HAS_PRIORITY) ||
      !fz_stun_split_username (message, &local, &remote))
    return FZ_DROP_BAD_HEADER;
  if (!is_span (local, self->local_ufrag) || !is_span (remote, self->remote_ufrag))
    return FZ_DROP_UNKNOWN_PEER;
  if (!fz_stun_verify (message, fz_stun_short_term_key (self->local_password)))
    return FZ_DROP_BAD_MAC;
  return FZ_DROP_NONE;
}

/* The candidate of ours that a request was sent to: a socket or a relayed address. */
static int
find_destination (const FzIceAgent *self, const FzSocketAddress *local)
{
  for (size_t i = 0; i < self->list.local.n; i++) {
    const FzIceCandidate *item = &self->list.local.items[i];

    if (!item->is_discarded &&
        (item->kind == FZ_CANDIDATE_HOST || item->kind == FZ_CANDIDATE_RELAYED) &&
        fz_socket_address_equal (&item->address, local))
      return (int) i;
  }
  return -1;
}

/* The peer's candidate that a request came from, a new peer-reflexive one if need be; -1 if it was
 * withdrawn or there is no room. */
static int
find_or_discover_source (FzIceAgent *self, const FzSocketAddress *from, uint32_t priority)
{
  FzIceCandidate discovered = {
    .kind = FZ_CANDIDATE_PEER_REFLEXIVE,
    .address = *from,
    .base = *from,
    .priority = priority,
    .is_guessed = true,
  };
  int index = fz_ice_candidates_find_address (&self->list.remote, from);

  if (index >= 0)
    return index;
  if (fz_ice_candidates_is_discarded (&self->list.remote, from))
    return -1;
  return fz_ice_checklist_note_remote (&self->list, &discovered);
}

static bool
is_role_conflict (const FzIceAgent *self, const FzStunMessage *message)
{
  return fz_stun_has (message,
                      self->list.is_controlling ? FZ_STUN_HAS_CONTROLLING : FZ_STUN_HAS_CONTROLLED);
}

/* RFC 8445 §7.3.1.1 as §3.1 has it: the larger or equal tie-breaker keeps its role. */
static bool
resolve_role_conflict (FzIceAgent *self,
                       const FzStunMessage *message,
                       const FzIceCandidate *destination,
                       const FzSocketAddress *from)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  size_t n;

  if (!is_role_conflict (self, message))
    return true;
  if (self->tie_breaker < message->tie_breaker) {
    fz_ice_agent_set_role (self, !self->list.is_controlling);
    return true;
  }
  n = fz_ice_write_role_conflict (bytes, &message->transaction_id, self->local_password);
  fz_ice_agent_push (self, destination, from, NULL, fz_span (bytes, n));
  return false;
}

static FzDrop
handle_request (FzIceAgent *self,
                const FzStunMessage *message,
                const FzSocketAddress *local,
                const FzSocketAddress *from,
                FzInstant now)
{
  bool use_candidate = fz_stun_has (message, FZ_STUN_HAS_USE_CANDIDATE);
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzDrop drop = authenticate_request (self, message);
  const FzIceCandidate *ours;
  int destination;
  int source;
  FzIcePair *pair;
  size_t n;

  if (drop != FZ_DROP_NONE)
    return drop;
  destination = find_destination (self, local);
  if (destination < 0 || local->ip.family != from->ip.family)
    return FZ_DROP_UNKNOWN_SOURCE;
  ours = &self->list.local.items[destination];
  if (!resolve_role_conflict (self, message, ours, from))
    return FZ_DROP_NONE;
  if (use_candidate && self->list.is_controlling)
    return FZ_DROP_NOT_ALLOWED;
  source = find_or_discover_source (self, from, message->priority);
  if (source < 0)
    return FZ_DROP_UNKNOWN_SOURCE;
  pair = fz_ice_checklist_ensure (&self->list, (unsigned) destination, (unsigned) source);
  if (pair == NULL)
    return FZ_DROP_QUEUE_FULL;

  fz_ice_pair_record_request (pair, now);
  if (use_candidate && !fz_ice_pair_is_nominated (pair))
    fz_ice_pair_nominate (pair);
  n = fz_ice_write_success (bytes, &message->transaction_id, from, self->local_password);
  fz_ice_agent_push (self, ours, from, NULL, fz_span (bytes, n));
  self->is_dirty = self->has_been_checked = true;
  fz_ice_agent_evaluate_nomination (self);
  return FZ_DROP_NONE;
}

/* -- responses -- */

/* What the peer sees us as; a new address is remembered (RFC 8445 §7.2.5.3.1), nothing more. */
static void
note_mapped_address (FzIceAgent *self, const FzIcePair *pair, const FzSocketAddress *mapped)
{
  const FzIceCandidate *local = fz_ice_checklist_local_of (&self->list, pair);
  FzIceCandidate discovered = {
    .kind = FZ_CANDIDATE_PEER_REFLEXIVE,
    .address = *mapped,
    .base = *fz_ice_candidate_source (local),
    .priority = fz_ice_candidate_check_priority (local),
  };

  for (size_t i = 0; i < self->list.local.n; i++)
    if (fz_socket_address_equal (&self->list.local.items[i].address, mapped))
      return;
  fz_ice_checklist_note_local (&self->list, &discovered);
}

static FzDrop
handle_success (FzIceAgent *self,
                const FzStunMessage *message,
                FzIcePair *pair,
                FzIceAttempt *attempt,
                const FzSocketAddress *from,
                FzInstant now)
{
  if (!fz_stun_has (message, FZ_STUN_HAS_XOR_MAPPED))
    return FZ_DROP_BAD_HEADER;
  /* Both directions must be the same way (RFC 8445 §7.2.5.2.1). */
  if (!fz_socket_address_equal (&fz_ice_checklist_remote_of (&self->list, pair)->address, from))
    return FZ_DROP_UNKNOWN_SOURCE;
  note_mapped_address (self, pair, &message->xor_mapped);
  fz_ice_pair_record_answer (pair, attempt, self->timing, now);
  fz_ice_agent_evaluate_nomination (self);
  fz_ice_agent_evaluate_state (self, now);
  return FZ_DROP_NONE;
}

static FzDrop
handle_error (FzIceAgent *self,
              const FzStunMessage *message,
              FzIcePair *pair,
              const FzIceAttempt *attempt)
{
  if (!fz_stun_has (message, FZ_STUN_HAS_ERROR))
    return FZ_DROP_BAD_HEADER;
  /* A second 487 to a request of our former role must not switch us back. */
  if (message->error_code != FZ_STUN_ERROR_ROLE_CONFLICT ||
      attempt->is_controlling != self->list.is_controlling)
    return FZ_DROP_NOT_ALLOWED;
  fz_ice_agent_set_role (self, !self->list.is_controlling);
  pair->next_attempt = 0;
  return FZ_DROP_NONE;
}

static FzDrop
handle_response (FzIceAgent *self,
                 const FzStunMessage *message,
                 const FzSocketAddress *from,
                 FzInstant now)
{
  FzIceAttempt *attempt;
  FzIcePair *pair = fz_ice_checklist_find_attempt (&self->list, &message->transaction_id, &attempt);

  if (pair == NULL)
    return FZ_DROP_UNKNOWN_INDEX;
  if (!fz_stun_has (message, FZ_STUN_HAS_INTEGRITY))
    return FZ_DROP_BAD_HEADER;
  if (!fz_stun_verify (message, fz_stun_short_term_key (self->remote_password)))
    return FZ_DROP_BAD_MAC;
  if (attempt->is_answered)
    return FZ_DROP_REPLAY;
  if (message->type == FZ_STUN_BINDING_SUCCESS)
    return handle_success (self, message, pair, attempt, from, now);
  return handle_error (self, message, pair, attempt);
}

FzDrop
fz_ice_agent_handle_message (FzIceAgent *self,
                             const FzStunMessage *message,
                             const FzSocketAddress *local,
                             const FzSocketAddress *from,
                             FzInstant now)
{
  switch (message->type) {
  case FZ_STUN_BINDING_REQUEST:
    return handle_request (self, message, local, from, now);
  case FZ_STUN_BINDING_SUCCESS:
  case FZ_STUN_BINDING_ERROR:
    return handle_response (self, message, from, now);
  default:
    return FZ_DROP_UNKNOWN_PROTOCOL;
  }
}
