/* fz-ice-pair.c */
#include "src/engine/fz-ice-pair.h"

#include <glib.h>

#define AT_ONCE     0u /* next_attempt of a nomination that has not been sent */
#define NEVER_TRIED 1u

#define CAPACITY_STEP 2u /* a gateway has many pairs, most of which wait for one answer */

/* Requests of the peer hasten a check, but not more often than this. */
#define TRIGGER_GAP_NS (20 * FZ_MS)

FzIcePair *
fz_ice_pair_new (unsigned local, unsigned remote, uint64_t priority)
{
  FzIcePair *self = g_new0 (FzIcePair, 1);

  self->local = local;
  self->remote = remote;
  self->priority = priority;
  self->last_request = FZ_INSTANT_NEVER;
  self->next_attempt = NEVER_TRIED;
  return self;
}

void
fz_ice_pair_free (void *pair)
{
  FzIcePair *self = pair;

  g_free (self->recent);
  g_free (self);
}

uint64_t
fz_ice_pair_priority (uint32_t controlling, uint32_t controlled)
{
  uint64_t g = controlling;
  uint64_t d = controlled;

  return (MIN (g, d) << 32) + 2 * MAX (g, d) + (g > d ? 1 : 0);
}

/* The position in the back-off: all remembered attempts, or only the current outage once it has
 * lasted a while, so that an outage of a settled pair is probed quickly. */
static unsigned
back_off_step (const FzIcePair *self, const FzIceTiming *timing, FzInstant now)
{
  if (self->n_unanswered == 0 ||
      fz_instant_since (self->silent_since, now) <= timing->max_rto_ns / 2)
    return self->n_attempts;
  return self->n_unanswered;
}

void
fz_ice_pair_schedule (FzIcePair *self, const FzIceTiming *timing, FzInstant now)
{
  if (self->nomination == FZ_ICE_NOMINATION_WANTED)
    self->next_attempt = AT_ONCE;
  else if (self->n_attempts == 0)
    self->next_attempt = NEVER_TRIED;
  else
    self->next_attempt = fz_instant_add (
        self->last_attempt, fz_ice_timing_delay (timing, back_off_step (self, timing, now)));
}

static void
count_attempt (FzIcePair *self, const FzIceTiming *timing, FzInstant now)
{
  unsigned n_kept = timing->max_retransmits > 0 ? timing->max_retransmits - 1 : 0;

  if (self->n_unanswered == 0)
    self->silent_since = now;
  self->n_attempts = MIN (self->n_attempts, n_kept) + 1;
  self->n_unanswered = MIN (self->n_unanswered, n_kept) + 1;
  self->last_attempt = now;
}

/* Without those that have got too old, or too many. */
static FzIceAttempt *
append_recent (FzIcePair *self, FzInstant now)
{
  unsigned n_gone = self->n_recent >= FZ_ICE_ATTEMPTS_MAX;
  unsigned capacity;

  while (n_gone < self->n_recent &&
         fz_instant_since (self->recent[n_gone].sent, now) >= FZ_ICE_ANSWER_NS)
    n_gone++;
  self->n_recent -= n_gone;
  if (n_gone > 0)
    memmove (self->recent, self->recent + n_gone, self->n_recent * sizeof *self->recent);
  capacity = self->n_recent / CAPACITY_STEP * CAPACITY_STEP + CAPACITY_STEP;
  if (capacity != self->capacity)
    self->recent = g_renew (FzIceAttempt, self->recent, capacity);
  self->capacity = capacity;
  return &self->recent[self->n_recent++];
}

void
fz_ice_pair_record_attempt (FzIcePair *self,
                            const FzStunTransactionId *id,
                            bool is_controlling,
                            const FzIceTiming *timing,
                            FzInstant now)
{
  FzIceAttempt *attempt;

  if (self->nomination == FZ_ICE_NOMINATION_WANTED)
    self->nomination = FZ_ICE_NOMINATION_SENT;
  count_attempt (self, timing, now);
  attempt = append_recent (self, now);
  *attempt = (FzIceAttempt){
    .transaction_id = *id,
    .sent = now,
    .is_nominated = fz_ice_pair_is_nominated (self),
    .is_controlling = is_controlling,
  };
  fz_ice_pair_schedule (self, timing, now);
}

FzIceAttempt *
fz_ice_pair_find_attempt (FzIcePair *self, const FzStunTransactionId *id)
{
  for (unsigned i = 0; i < self->n_recent; i++) {
    FzIceAttempt *attempt = &self->recent[i];

    if (memcmp (&attempt->transaction_id, id, sizeof *id) == 0)
      return attempt;
  }
  return NULL;
}

/* The run of silence ends with @attempt; what was sent later begins another. */
static void
end_silence (FzIcePair *self, const FzIceAttempt *attempt)
{
  unsigned n_later = self->n_recent - 1 - (unsigned) (attempt - self->recent);

  if (n_later >= self->n_unanswered)
    return; /* a later one has been answered */
  self->n_unanswered = n_later;
  if (n_later > 0)
    self->silent_since = attempt[1].sent;
}

void
fz_ice_pair_record_answer (FzIcePair *self,
                           FzIceAttempt *attempt,
                           const FzIceTiming *timing,
                           FzInstant now)
{
  uint64_t sample_ns = fz_instant_since (attempt->sent, now);

  self->rtt_ns = self->rtt_ns > 0 ? (7 * self->rtt_ns + sample_ns) / 8 : MAX (sample_ns, 1);
  attempt->is_answered = true;
  end_silence (self, attempt);
  self->has_succeeded = true;
  if (attempt->is_nominated && self->nomination == FZ_ICE_NOMINATION_SENT)
    self->nomination = FZ_ICE_NOMINATION_CONFIRMED;
  fz_ice_pair_schedule (self, timing, now);
}

void
fz_ice_pair_record_request (FzIcePair *self, FzInstant now)
{
  self->last_request = now;
  if (!self->has_succeeded && self->n_attempts > 0)
    self->next_attempt =
        fz_instant_min (self->next_attempt, fz_instant_add (self->last_attempt, TRIGGER_GAP_NS));
}

void
fz_ice_pair_nominate (FzIcePair *self)
{
  g_assert (self->nomination == FZ_ICE_NOMINATION_NONE);
  self->nomination = FZ_ICE_NOMINATION_WANTED;
  self->next_attempt = AT_ONCE;
}

bool
fz_ice_pair_is_possible (const FzIcePair *self, const FzIceTiming *timing, FzInstant now)
{
  if (self->last_request != FZ_INSTANT_NEVER &&
      fz_instant_since (self->last_request, now) < FZ_ICE_RECENT_REQUEST_NS)
    return true;
  if (self->n_attempts < timing->max_retransmits || self->n_unanswered < timing->max_retransmits)
    return true;
  return now <
         fz_instant_add (self->last_attempt, fz_ice_timing_delay (timing, timing->max_retransmits));
}
