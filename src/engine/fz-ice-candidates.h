/* fz-ice-candidates.h
 *
 * One side's candidates of one ICE agent, ours or the peer's. Entries keep their
 * index for good: what is withdrawn or redundant is marked discarded and
 * remembered, so that it can come back (connectivity.md §3.3). Only when the
 * list is full an entry that nobody uses is given away.
 */
#pragma once

#include "src/proto/fz-candidate.h"

#include <stdbool.h>
#include <stddef.h>

#define FZ_ICE_CANDIDATES_MAX 64u /* discarded ones included */

typedef struct {
  FzCandidateKind kind;
  FzSocketAddress address;
  FzSocketAddress base; /* of ours: as in FzCandidate */
  uint32_t priority;
  bool is_discarded;
  bool is_guessed; /* the peer's, made up by us: optimistic, or peer-reflexive from a request */
} FzIceCandidate;

typedef struct {
  FzIceCandidate *items; /* they move when one is appended */
  size_t n;
  size_t capacity; /* FZ_ICE_CANDIDATES_MAX at most; a gateway has many lists, most of them short */
} FzIceCandidates;

void fz_ice_candidates_clear (FzIceCandidates *self);

/* Where datagrams of a local candidate leave: the relay's address if relayed, else the base. */
static inline const FzSocketAddress *
fz_ice_candidate_source (const FzIceCandidate *candidate)
{
  return candidate->kind == FZ_CANDIDATE_RELAYED ? &candidate->address : &candidate->base;
}

/* The priority of a candidate of ours if it is added now: §3.2's preferences. */
uint32_t fz_ice_candidates_priority (const FzIceCandidates *self, const FzCandidate *candidate);

/* PRIORITY of a check sent from @candidate (RFC 8445 §7.1.1). */
uint32_t fz_ice_candidate_check_priority (const FzIceCandidate *candidate);

/* The entry of this kind and address (and, if @base is given, base), discarded or not; -1 if none.
 */
int fz_ice_candidates_find (const FzIceCandidates *self,
                            FzCandidateKind kind,
                            const FzSocketAddress *address,
                            const FzSocketAddress *base);

/* The best entry in use with this address, -1 if none. */
int fz_ice_candidates_find_address (const FzIceCandidates *self, const FzSocketAddress *address);

/* Whether a discarded entry has this address. */
bool fz_ice_candidates_is_discarded (const FzIceCandidates *self, const FzSocketAddress *address);

/**
 * fz_ice_candidates_append:
 * @is_used: (array FZ_ICE_CANDIDATES_MAX): entries that pairs refer to
 *
 * Returns: the new entry's index; -1 if the list is full of entries in use
 */
int fz_ice_candidates_append (FzIceCandidates *self,
                              const FzIceCandidate *candidate,
                              const bool *is_used);
