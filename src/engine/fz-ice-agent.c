/* fz-ice-agent.c
 *
 * Glue: credentials, roles, messages in and out, nomination and state. What is
 * known about addresses is in the checklist, what is known about one way in its
 * pair.
 *
 * Three things are done better than the peers we have met do them, invisibly on the
 * wire. A pair that has not answered FZ_ICE_DISTRESS checks in a row gives way
 * to a working one at once, rather than when it is finally removed, which takes
 * a gateway ten minutes. A valid request hastens our own unfinished check, as
 * RFC 8445 §7.3.1.4 asks. And a way that works is left only for one that has been
 * seen to work (§7.3.1.5), so that a repeated request cannot lead traffic away.
 */
#include "src/engine/fz-ice-agent.h"

#include "src/engine/fz-ice-agent-private.h"

#include <string.h>

#define FZ_ICE_DISTRESS      5u   /* unanswered checks in a row */
#define FZ_ICE_TRANSMITS_MAX 256u /* queued; the owner drains after every call */

/* -- output -- */

static void
push_event (FzIceAgent *self, const FzIceEvent *event)
{
  g_queue_push_tail (&self->events, g_memdup2 (event, sizeof *event));
}

void
fz_ice_agent_push (FzIceAgent *self,
                   const FzIceCandidate *local,
                   const FzSocketAddress *remote,
                   const FzStunTransactionId *request_id,
                   FzSpan data)
{
  Outgoing *out = g_malloc0 (sizeof *out + data.length);

  out->transmit.is_relayed = local->kind == FZ_CANDIDATE_RELAYED;
  out->transmit.local = *fz_ice_candidate_source (local);
  out->transmit.remote = *remote;
  out->transmit.is_request = request_id != NULL;
  if (request_id != NULL)
    out->transmit.transaction_id = *request_id;
  memcpy (out->bytes, data.data, data.length);
  out->transmit.data = fz_span (out->bytes, data.length);
  if (self->transmits.length >= FZ_ICE_TRANSMITS_MAX)
    g_free (g_queue_pop_head (&self->transmits));
  g_queue_push_tail (&self->transmits, out);
}

bool
fz_ice_agent_poll_transmit (FzIceAgent *self, FzIceTransmit *out)
{
  g_clear_pointer (&self->polled, g_free);
  self->polled = g_queue_pop_head (&self->transmits);
  if (self->polled == NULL)
    return false;
  *out = self->polled->transmit;
  return true;
}

bool
fz_ice_agent_poll_event (FzIceAgent *self, FzIceEvent *out)
{
  g_autofree FzIceEvent *event = g_queue_pop_head (&self->events);

  if (event == NULL)
    return false;
  *out = *event;
  return true;
}

/* -- state -- */

static const char *
state_name (FzIceState state)
{
  static const char *const names[] = {
    [FZ_ICE_NEW] = "new",
    [FZ_ICE_CHECKING] = "checking",
    [FZ_ICE_CONNECTED] = "connected",
    [FZ_ICE_COMPLETED] = "completed",
    [FZ_ICE_DISCONNECTED] = "disconnected",
  };

  return names[state];
}

static void
set_state (FzIceAgent *self, FzIceState next)
{
  if (self->state == next)
    return;
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "ice-state",
          "ICE agent changed its state",
          FZ_KV_TEXT ("from", state_name (self->state)),
          FZ_KV_TEXT ("to", state_name (next)),
          FZ_KV_TEXT ("ufrag", self->local_ufrag));
  self->state = next;
  push_event (self, &(FzIceEvent){ .kind = FZ_ICE_EVENT_STATE, .state = next });
}

void
fz_ice_agent_evaluate_state (FzIceAgent *self, FzInstant now)
{
  /* Nobody has failed before both sides had something to try. */
  bool is_possible = self->list.local.n == 0 || self->list.remote.n == 0;
  bool is_nominated = false;

  for (guint i = 0; i < self->list.pairs->len; i++) {
    const FzIcePair *pair = fz_ice_checklist_pair (&self->list, i);

    if (fz_ice_pair_is_nominated (pair))
      is_nominated = true;
    else if (fz_ice_pair_is_possible (pair, self->timing, now))
      is_possible = true;
  }

  if (self->state == FZ_ICE_NEW)
    set_state (self, FZ_ICE_CHECKING);
  if (is_nominated)
    set_state (self, is_possible ? FZ_ICE_CONNECTED : FZ_ICE_COMPLETED);
  else
    set_state (self, is_possible ? FZ_ICE_CHECKING : FZ_ICE_DISCONNECTED);
}

/* -- nomination -- */

static bool
is_candidate_for_nomination (const FzIceAgent *self, const FzIcePair *pair)
{
  return self->list.is_controlling ? pair->has_succeeded : fz_ice_pair_is_nominated (pair);
}

/* Whether we know that the peer is at the other end: our own check was answered. */
static bool
is_proven (const FzIceAgent *self, const FzIcePair *pair)
{
  return self->list.is_controlling || pair->has_succeeded;
}

/* Pairs are sorted: the first healthy one is the best; without one the best of the others. Of a
 * request we know who wrote it, not who sent it: somebody may have repeated it from an address of
 * his own. So the controlled side follows a nomination at once only if it has no way that works;
 * otherwise when its own check is answered, which is a round trip later. */
static FzIcePair *
pick_pair (const FzIceAgent *self)
{
  FzIcePair *unproven = NULL;
  FzIcePair *fallback = NULL;

  for (guint i = 0; i < self->list.pairs->len; i++) {
    FzIcePair *pair = fz_ice_checklist_pair (&self->list, i);
    bool is_healthy = pair->n_unanswered < FZ_ICE_DISTRESS;

    if (!is_candidate_for_nomination (self, pair))
      continue;
    if (is_healthy && is_proven (self, pair))
      return pair;
    if (is_healthy && unproven == NULL)
      unproven = pair;
    if (fallback == NULL)
      fallback = pair;
  }
  return unproven != NULL ? unproven : fallback;
}

static FzPathKind
path_kind (const FzIceAgent *self, const FzIcePair *pair)
{
  const FzIceCandidate *local = fz_ice_checklist_local_of (&self->list, pair);
  const FzIceCandidate *remote = fz_ice_checklist_remote_of (&self->list, pair);
  bool is_remote_relayed = fz_ice_agent_is_remote_relayed (self, &remote->address);

  if (local->kind == FZ_CANDIDATE_RELAYED)
    return is_remote_relayed ? FZ_PATH_RELAY_TO_RELAY : FZ_PATH_RELAY_TO_PEER;
  return is_remote_relayed ? FZ_PATH_PEER_TO_RELAY : FZ_PATH_DIRECT;
}

static void
announce (FzIceAgent *self, const FzIcePair *pair)
{
  FzIceEvent event = {
    .kind = FZ_ICE_EVENT_NOMINATED,
    .nominated = {
      .path = path_kind (self, pair),
      .local = *fz_ice_candidate_source (fz_ice_checklist_local_of (&self->list, pair)),
      .remote = fz_ice_checklist_remote_of (&self->list, pair)->address,
    },
  };

  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "ice-nominated",
          "ICE agent sends over another pair",
          FZ_KV_SOCKET ("local", &event.nominated.local),
          FZ_KV_SOCKET ("remote", &event.nominated.remote),
          FZ_KV_TEXT ("ufrag", self->local_ufrag));
  push_event (self, &event);
}

void
fz_ice_agent_evaluate_nomination (FzIceAgent *self)
{
  FzIcePair *best = pick_pair (self);
  FzIcePair *current = self->list.selected;

  if (best == NULL || best == current)
    return;
  if (current != NULL && current->priority == best->priority &&
      current->n_unanswered < FZ_ICE_DISTRESS)
    return; /* as good: stay */
  if (self->list.is_controlling && !fz_ice_pair_is_nominated (best))
    fz_ice_pair_nominate (best);
  self->list.selected = best;
  announce (self, best);
}

void
fz_ice_agent_set_role (FzIceAgent *self, bool is_controlling)
{
  if (self->list.is_controlling == is_controlling)
    return;
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "ice-role",
          "ICE agent yields its role",
          FZ_KV_TEXT ("to", is_controlling ? "controlling" : "controlled"),
          FZ_KV_TEXT ("ufrag", self->local_ufrag));
  self->list.is_controlling = is_controlling;
  /* What we nominated with a right that was not ours does not bind the peer. */
  if (!is_controlling)
    for (guint i = 0; i < self->list.pairs->len; i++)
      fz_ice_checklist_pair (&self->list, i)->nomination = FZ_ICE_NOMINATION_NONE;
  fz_ice_checklist_reorder (&self->list);
  for (guint i = 0; i < self->list.pairs->len; i++)
    fz_ice_pair_schedule (fz_ice_checklist_pair (&self->list, i), self->timing, self->last_now);
  self->is_dirty = true;
}

/* -- life -- */

static bool
is_credential (const char *text)
{
  size_t n = strnlen (text, FZ_ICE_CREDENTIAL_MAX + 1);

  return n > 0 && n <= FZ_ICE_CREDENTIAL_MAX;
}

FzIceAgent *
fz_ice_agent_new (const FzIceAgentConfig *config)
{
  FzIceAgent *self;

  if (!is_credential (config->local.username) || !is_credential (config->local.password) ||
      !is_credential (config->remote.username) || !is_credential (config->remote.password))
    return NULL;

  self = g_new0 (FzIceAgent, 1);
  self->rng = config->rng;
  self->log = fz_log_for (&config->log, "ice");
  self->local_ufrag = g_strdup (config->local.username);
  self->local_password = g_strdup (config->local.password);
  self->remote_ufrag = g_strdup (config->remote.username);
  self->remote_password = g_strdup (config->remote.password);
  self->username = g_strdup_printf ("%s:%s", self->remote_ufrag, self->local_ufrag);
  self->tie_breaker = fz_rng_u64 (&self->rng);
  self->timing = fz_ice_timing (config->profile);
  self->is_dirty = true;
  fz_ice_checklist_init (&self->list, config->role == FZ_ICE_CONTROLLING);
  g_queue_init (&self->transmits);
  g_queue_init (&self->events);
  return self;
}

static void
free_password (char *password)
{
  fz_wipe (password, strlen (password));
  g_free (password);
}

void
fz_ice_agent_free (FzIceAgent *self)
{
  if (self == NULL)
    return;
  fz_ice_checklist_clear (&self->list);
  g_queue_clear_full (&self->transmits, g_free);
  g_queue_clear_full (&self->events, g_free);
  g_free (self->polled);
  free_password (self->local_password);
  free_password (self->remote_password);
  g_free (self->local_ufrag);
  g_free (self->remote_ufrag);
  g_free (self->username);
  g_free (self);
}

static bool
is_same (const char *a, const char *b)
{
  return strcmp (a, b) == 0;
}

bool
fz_ice_agent_has_credentials (const FzIceAgent *self,
                              const FzIceCredentials *local,
                              const FzIceCredentials *remote)
{
  return is_same (self->local_ufrag, local->username) &&
         is_same (self->local_password, local->password) &&
         is_same (self->remote_ufrag, remote->username) &&
         is_same (self->remote_password, remote->password);
}

const char *
fz_ice_agent_get_local_ufrag (const FzIceAgent *self)
{
  return self->local_ufrag;
}

FzIceRole
fz_ice_agent_get_role (const FzIceAgent *self)
{
  return self->list.is_controlling ? FZ_ICE_CONTROLLING : FZ_ICE_CONTROLLED;
}

bool
fz_ice_agent_get_rtt (const FzIceAgent *self, uint64_t *out_ns)
{
  const FzIcePair *pair = self->list.selected;

  if (pair == NULL || pair->rtt_ns == 0)
    return false;
  *out_ns = pair->rtt_ns;
  return true;
}

FzIceState
fz_ice_agent_get_state (const FzIceAgent *self)
{
  return self->state;
}

void
fz_ice_agent_set_profile (FzIceAgent *self, FzIceProfile profile)
{
  if (self->timing == fz_ice_timing (profile))
    return;
  self->timing = fz_ice_timing (profile);
  for (guint i = 0; i < self->list.pairs->len; i++)
    fz_ice_pair_schedule (fz_ice_checklist_pair (&self->list, i), self->timing, self->last_now);
}

/* -- time -- */

/* The pair whose check is most overdue; the best of those that are equally so. */
static FzIcePair *
find_next (const FzIceAgent *self)
{
  FzIcePair *next = NULL;

  for (guint i = 0; i < self->list.pairs->len; i++) {
    FzIcePair *pair = fz_ice_checklist_pair (&self->list, i);

    if (next == NULL || pair->next_attempt < next->next_attempt)
      next = pair;
  }
  return next;
}

/* When we wake up for @pair's next check. Only a path that works waits. */
static FzInstant
wake_for (const FzIceAgent *self, const FzIcePair *pair)
{
  const FzIceTiming *timing = self->timing;

  if (timing->grid_ns > 0)
    return pair->next_attempt - pair->next_attempt % timing->grid_ns;
  /* The last check's answer may have come, and wait to be seen. */
  if (timing->late_ns == 0 || !pair->has_succeeded || pair->n_unanswered > 1)
    return pair->next_attempt;
  return fz_instant_add (pair->next_attempt, timing->late_ns * (self->list.is_controlling ? 1 : 2));
}

/* Checks that are planned for no later go out now. */
static FzInstant
reach_of_tick (const FzIceAgent *self, FzInstant now)
{
  const FzIcePair *next = find_next (self);
  uint64_t early_ns = 0;

  if (next != NULL && wake_for (self, next) <= now)
    early_ns = MAX (self->timing->early_beside_ours_ns, self->timing->grid_ns);
  if (self->has_been_checked)
    early_ns = MAX (early_ns, self->timing->early_beside_theirs_ns);
  return fz_instant_add (now, early_ns);
}

void
fz_ice_agent_handle_timeout (FzIceAgent *self, FzInstant now)
{
  FzInstant until;
  FzIcePair *pair;

  self->last_now = now;
  self->is_dirty = false;
  fz_ice_checklist_prune (&self->list, self->timing, now);
  fz_ice_agent_evaluate_nomination (self);
  until = reach_of_tick (self, now);
  self->has_been_checked = false;
  while ((pair = find_next (self)) != NULL && pair->next_attempt <= until)
    fz_ice_agent_send_check (self, pair, now);
  fz_ice_agent_evaluate_state (self, now);
}

bool
fz_ice_agent_is_answered (const FzIceAgent *self)
{
  const FzIcePair *selected = self->list.selected;

  for (guint i = 0; i < self->list.pairs->len; i++) {
    const FzIcePair *pair = fz_ice_checklist_pair (&self->list, i);

    if (fz_ice_pair_is_nominated (pair) && !is_proven (self, pair))
      return false; /* to be followed as soon as it is */
  }
  return selected != NULL && selected->n_unanswered <= 1;
}

FzInstant
fz_ice_agent_next_timeout (const FzIceAgent *self)
{
  const FzIcePair *next = find_next (self);

  if (self->is_dirty)
    return self->last_now;
  return next != NULL ? wake_for (self, next) : FZ_INSTANT_NEVER;
}
