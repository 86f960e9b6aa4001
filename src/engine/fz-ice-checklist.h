/* fz-ice-checklist.h
 *
 * The candidates of both sides and the pairs made of them, best first, one pair
 * per way a datagram can take: the address it leaves from and the address it
 * goes to (connectivity.md §3.5). When a better candidate turns up for the same
 * way, the pair goes over to it and keeps its checks and its nomination: to the
 * network it is the same thing.
 *
 * Owned by its agent. Pairs are freed here; a pointer to one is valid until
 * candidates are added or withdrawn, or pairs pruned.
 */
#pragma once

#include "src/engine/fz-ice-candidates.h"
#include "src/engine/fz-ice-pair.h"

#include <glib.h>

#define FZ_ICE_PAIRS_MAX 100u /* §3.5 */

typedef struct {
  FzIceCandidates local;
  FzIceCandidates remote;
  bool is_controlling;
  GPtrArray *pairs;    /* of FzIcePair, by falling priority */
  FzIcePair *selected; /* in pairs: what is sent over; NULL if none */
} FzIceChecklist;

void fz_ice_checklist_init (FzIceChecklist *self, bool is_controlling);
void fz_ice_checklist_clear (FzIceChecklist *self);

static inline FzIcePair *
fz_ice_checklist_pair (const FzIceChecklist *self, size_t i)
{
  return (FzIcePair *) g_ptr_array_index (self->pairs, i);
}

static inline const FzIceCandidate *
fz_ice_checklist_local_of (const FzIceChecklist *self, const FzIcePair *pair)
{
  return &self->local.items[pair->local];
}

static inline const FzIceCandidate *
fz_ice_checklist_remote_of (const FzIceChecklist *self, const FzIcePair *pair)
{
  return &self->remote.items[pair->remote];
}

/* Adds a candidate and pairs it with the other side's; -1 if the list is full. */
int fz_ice_checklist_add_local (FzIceChecklist *self, const FzIceCandidate *candidate);
int fz_ice_checklist_add_remote (FzIceChecklist *self, const FzIceCandidate *candidate);

/* A candidate that is recorded but not paired; -1 if the list is full. */
int fz_ice_checklist_note_local (FzIceChecklist *self, const FzIceCandidate *candidate);
int fz_ice_checklist_note_remote (FzIceChecklist *self, const FzIceCandidate *candidate);

/* Puts a candidate that is in the list (back) to use, and pairs it. */
void fz_ice_checklist_enable_local (FzIceChecklist *self, unsigned index);
void fz_ice_checklist_enable_remote (FzIceChecklist *self, unsigned index);

/* Marks a candidate discarded and drops its pairs; another candidate with the same way takes over.
 */
void fz_ice_checklist_discard_local (FzIceChecklist *self, unsigned index);
void fz_ice_checklist_discard_remote (FzIceChecklist *self, unsigned index);

bool fz_ice_checklist_has_pairs_of_remote (const FzIceChecklist *self, unsigned index);

/* The pair of these two ways' ends, made if it is not there; NULL if there is no room for it. */
FzIcePair *fz_ice_checklist_ensure (FzIceChecklist *self, unsigned local, unsigned remote);

FzIcePair *fz_ice_checklist_find_attempt (FzIceChecklist *self,
                                          const FzStunTransactionId *id,
                                          FzIceAttempt **out);

/* After a candidate's priority or the role changed: priorities and order anew. */
void fz_ice_checklist_reorder (FzIceChecklist *self);

/* Drops failed pairs; true if there were any. */
bool fz_ice_checklist_prune (FzIceChecklist *self, const FzIceTiming *timing, FzInstant now);
