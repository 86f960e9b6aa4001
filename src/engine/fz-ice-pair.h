/* fz-ice-pair.h
 *
 * One candidate pair of an ICE agent: its recent checks, when the next one is
 * due, whether it still may work, and how far its nomination is
 * (connectivity.md §3.5 and §3.6).
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/engine/fz-ice-timing.h"
#include "src/proto/fz-stun.h"

#include <stdbool.h>
#include <stddef.h>

#define FZ_ICE_RECENT_REQUEST_NS (15 * FZ_S) /* a valid request keeps a pair alive, §3.6 */
#define FZ_ICE_ANSWER_NS         (10 * FZ_S) /* as long a check may be answered, §6 */

typedef enum {
  FZ_ICE_NOMINATION_NONE,
  FZ_ICE_NOMINATION_WANTED,    /* its check has not been sent: it jumps the queue */
  FZ_ICE_NOMINATION_SENT,      /* its check is on the way */
  FZ_ICE_NOMINATION_CONFIRMED, /* its check was answered */
} FzIceNomination;

typedef struct {
  FzInstant sent;
  FzStunTransactionId transaction_id;
  bool is_answered;
  bool is_nominated;   /* at the time of sending */
  bool is_controlling; /* our role at the time of sending: a 487 to an older role is stale */
} FzIceAttempt;

typedef struct {
  unsigned local;    /* index into our candidates */
  unsigned remote;   /* index into the peer's */
  uint64_t priority; /* RFC 8445 §6.1.2.3 */
  bool has_succeeded;
  FzIceNomination nomination;
  uint64_t rtt_ns;        /* smoothed as RFC 6298 §2; 0: no answer yet */
  FzInstant last_request; /* newest valid request on this pair; FZ_INSTANT_NEVER if none */
  FzInstant next_attempt; /* 0: nominated and not sent, 1: never tried */
  unsigned n_attempts;    /* at most as many as the profile knows */
  unsigned n_unanswered;  /* of them, since the last one that was answered */
  FzInstant last_attempt; /* when it was sent */
  FzInstant silent_since; /* n_unanswered > 0: when the first of these was sent */
  unsigned n_recent;
  unsigned capacity;
  FzIceAttempt *recent; /* the newest, which may be answered; oldest first, they move */
} FzIcePair;

FzIcePair *fz_ice_pair_new (unsigned local, unsigned remote, uint64_t priority);
void fz_ice_pair_free (void *pair);

/* @controlling, @controlled: priorities of the candidates of the side with that role */
uint64_t fz_ice_pair_priority (uint32_t controlling, uint32_t controlled);

static inline bool
fz_ice_pair_is_nominated (const FzIcePair *self)
{
  return self->nomination != FZ_ICE_NOMINATION_NONE;
}

/* Recomputes when the next check is due; after a switch of profile or a nomination. */
void fz_ice_pair_schedule (FzIcePair *self, const FzIceTiming *timing, FzInstant now);

/* A check goes out; those that it is too late to answer are forgotten but for their number, since
 * a settled pair is checked for as long as its connection lives. */
void fz_ice_pair_record_attempt (FzIcePair *self,
                                 const FzStunTransactionId *id,
                                 bool is_controlling,
                                 const FzIceTiming *timing,
                                 FzInstant now);

/* The remembered attempt with this id, NULL if none. */
FzIceAttempt *fz_ice_pair_find_attempt (FzIcePair *self, const FzStunTransactionId *id);

void fz_ice_pair_record_answer (FzIcePair *self,
                                FzIceAttempt *attempt,
                                const FzIceTiming *timing,
                                FzInstant now);

/* A valid request arrived; answers an unfinished check sooner (RFC 8445 §7.3.1.4). */
void fz_ice_pair_record_request (FzIcePair *self, FzInstant now);

void fz_ice_pair_nominate (FzIcePair *self);

/* False once it has failed. */
bool fz_ice_pair_is_possible (const FzIcePair *self, const FzIceTiming *timing, FzInstant now);
