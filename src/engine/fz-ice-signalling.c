/* fz-ice-signalling.c
 *
 * Candidates come in: ours from the relays, the peer's as text from the portal.
 */
#include "src/engine/fz-ice-agent-private.h"

#include <stdlib.h>
#include <string.h>

/* -- ours -- */

static FzCandidate
to_signal (const FzIceAgent *self, const FzIceCandidate *candidate)
{
  FzCandidate out = {
    .kind = candidate->kind,
    .address = candidate->address,
    .base = candidate->base,
    .priority = candidate->priority,
  };

  fz_candidate_set_foundation (&out);
  g_strlcpy (out.ufrag, self->local_ufrag, sizeof out.ufrag);
  return out;
}

/* An entry in use that a candidate of ours would repeat: same address, same base (§3.2). */
static int
find_redundant (const FzIceCandidates *list, const FzCandidate *candidate)
{
  for (size_t i = 0; i < list->n; i++)
    if (!list->items[i].is_discarded &&
        fz_socket_address_equal (&list->items[i].address, &candidate->address) &&
        (candidate->kind == FZ_CANDIDATE_RELAYED ||
         fz_socket_address_equal (&list->items[i].base, &candidate->base)))
      return (int) i;
  return -1;
}

/* Takes a candidate of ours into the list; its index, or -1 if it is refused. */
static int
take_local (FzIceAgent *self, const FzCandidate *candidate)
{
  FzIceCandidates *list = &self->list.local;
  FzIceCandidate item = {
    .kind = candidate->kind,
    .address = candidate->address,
    .base = candidate->base,
    .priority = fz_ice_candidates_priority (list, candidate),
  };
  int redundant = find_redundant (list, candidate);
  int known = fz_ice_candidates_find (list, item.kind, &item.address, &item.base);

  if (redundant >= 0 && list->items[redundant].priority > item.priority)
    return -1;
  if (known >= 0 && list->items[known].is_discarded)
    fz_ice_checklist_enable_local (&self->list, (unsigned) known);
  else
    known = fz_ice_checklist_add_local (&self->list, &item);
  /* Only now, so that its pairs have gone over to the better one. */
  if (known >= 0 && redundant >= 0)
    fz_ice_checklist_discard_local (&self->list, (unsigned) redundant);
  return known;
}

bool
fz_ice_agent_add_local_candidate (FzIceAgent *self,
                                  const FzCandidate *candidate,
                                  char out[FZ_CANDIDATE_TEXT_MAX])
{
  FzCandidate text;
  int index;

  if (!fz_candidate_is_usable (candidate))
    return false;
  index = take_local (self, candidate);
  if (index < 0)
    return false;
  self->is_dirty = true;
  fz_ice_agent_evaluate_nomination (self);
  text = to_signal (self, &self->list.local.items[index]);
  if (out != NULL)
    fz_candidate_format (&text, out);
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "ice-local-candidate",
          "ICE agent has a new candidate of ours",
          FZ_KV_TEXT ("kind", fz_candidate_kind_name (candidate->kind)),
          FZ_KV_SOCKET ("address", &candidate->address),
          FZ_KV_TEXT ("ufrag", self->local_ufrag));
  return true;
}

bool
fz_ice_agent_invalidate_local_candidate (FzIceAgent *self, const FzCandidate *candidate)
{
  bool is_relayed = candidate->kind == FZ_CANDIDATE_RELAYED;
  int index = fz_ice_candidates_find (&self->list.local,
                                      candidate->kind,
                                      &candidate->address,
                                      is_relayed ? NULL : &candidate->base);

  if (index < 0 || self->list.local.items[index].is_discarded)
    return false;
  fz_ice_checklist_discard_local (&self->list, (unsigned) index);
  self->is_dirty = true;
  fz_ice_agent_evaluate_nomination (self);
  return true;
}

typedef struct {
  uint32_t priority;
  char text[FZ_CANDIDATE_TEXT_MAX];
} Signalled;

static int
compare_signalled (const void *a, const void *b)
{
  const Signalled *x = a;
  const Signalled *y = b;

  if (x->priority != y->priority)
    return x->priority > y->priority ? -1 : 1;
  return strcmp (x->text, y->text);
}

bool
fz_ice_agent_get_local_candidate (const FzIceAgent *self, size_t i, char out[FZ_CANDIDATE_TEXT_MAX])
{
  g_autofree Signalled *all = g_new (Signalled, FZ_ICE_CANDIDATES_MAX);
  size_t n = 0;

  for (size_t k = 0; k < self->list.local.n; k++)
    if (!self->list.local.items[k].is_discarded) {
      FzCandidate candidate = to_signal (self, &self->list.local.items[k]);

      all[n].priority = candidate.priority;
      fz_candidate_format (&candidate, all[n++].text);
    }
  if (i >= n)
    return false;
  qsort (all, n, sizeof *all, compare_signalled);
  g_strlcpy (out, all[i].text, FZ_CANDIDATE_TEXT_MAX);
  return true;
}

/* -- the peer's -- */

/* An address that we only guessed or discovered and that the peer now tells us about. */
static int
find_guessed (const FzIceCandidates *list, const FzSocketAddress *address)
{
  for (size_t i = 0; i < list->n; i++)
    if (list->items[i].is_guessed && fz_socket_address_equal (&list->items[i].address, address))
      return (int) i;
  return -1;
}

/* Takes a signalled candidate into the list; false if nothing changed. */
static bool
take_remote (FzIceAgent *self, const FzIceCandidate *item)
{
  FzIceCandidates *list = &self->list.remote;
  int known = fz_ice_candidates_find (list, item->kind, &item->address, NULL);
  int guessed = find_guessed (list, &item->address);

  if (known >= 0 && !list->items[known].is_guessed) {
    if (!list->items[known].is_discarded &&
        fz_ice_checklist_has_pairs_of_remote (&self->list, (unsigned) known))
      return false;
    list->items[known] = *item;
    fz_ice_checklist_enable_remote (&self->list, (unsigned) known);
    return true;
  }
  if (guessed >= 0) {
    list->items[guessed] = *item;
    fz_ice_checklist_enable_remote (&self->list, (unsigned) guessed);
    return true;
  }
  return fz_ice_checklist_add_remote (&self->list, item) >= 0;
}

static bool
is_ipv4_in_use (const FzIceCandidate *candidate, FzCandidateKind kind)
{
  return candidate->kind == kind && !candidate->is_discarded && !candidate->is_guessed &&
         candidate->address.ip.family == FZ_IP_V4;
}

/* A port that the peer's router forwards for good is found on its public address, even if its
 * mappings are symmetric (§3.2). */
static void
add_optimistic (FzIceAgent *self)
{
  FzIceCandidates *list = &self->list.remote;
  unsigned n_now = 0;

  for (size_t i = 0; i < list->n; i++)
    for (size_t k = 0;
         k < list->n && is_ipv4_in_use (&list->items[i], FZ_CANDIDATE_SERVER_REFLEXIVE);
         k++) {
      FzIceCandidate guess = {
        .kind = FZ_CANDIDATE_SERVER_REFLEXIVE,
        .address = { .ip = list->items[i].address.ip, .port = list->items[k].address.port },
        .base = list->items[k].address,
        .priority = fz_candidate_priority (FZ_CANDIDATE_SERVER_REFLEXIVE, 65534),
        .is_guessed = true,
      };

      if (n_now >= FZ_ICE_OPTIMISTIC_PER_CALL || self->n_optimistic >= FZ_ICE_OPTIMISTIC_MAX)
        return;
      if (!is_ipv4_in_use (&list->items[k], FZ_CANDIDATE_HOST) ||
          fz_ice_candidates_find_address (list, &guess.address) >= 0 ||
          fz_ice_candidates_is_discarded (list, &guess.address))
        continue;
      if (fz_ice_checklist_add_remote (&self->list, &guess) < 0)
        return;
      n_now++;
      self->n_optimistic++;
    }
}

bool
fz_ice_agent_add_remote_candidate (FzIceAgent *self, const char *text)
{
  FzCandidate candidate;
  FzIceCandidate item;

  if (!fz_candidate_parse (text, &candidate) || !fz_candidate_is_usable (&candidate))
    return false;
  if (candidate.ufrag[0] != '\0' && strcmp (candidate.ufrag, self->remote_ufrag) != 0)
    return false;
  item = (FzIceCandidate){
    .kind = candidate.kind,
    .address = candidate.address,
    .base = candidate.base,
    .priority = candidate.priority,
  };
  if (!take_remote (self, &item))
    return false;
  add_optimistic (self);
  self->is_dirty = true;
  fz_ice_agent_evaluate_nomination (self);
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "ice-remote-candidate",
          "ICE agent has a new candidate of the peer",
          FZ_KV_TEXT ("kind", fz_candidate_kind_name (candidate.kind)),
          FZ_KV_SOCKET ("address", &candidate.address),
          FZ_KV_TEXT ("ufrag", self->local_ufrag));
  return true;
}

bool
fz_ice_agent_invalidate_remote_candidate (FzIceAgent *self, const char *text)
{
  FzCandidate candidate;
  int index;

  if (!fz_candidate_parse (text, &candidate))
    return false;
  index = fz_ice_candidates_find (&self->list.remote, candidate.kind, &candidate.address, NULL);
  if (index < 0 || self->list.remote.items[index].is_discarded)
    return false;
  fz_ice_checklist_discard_remote (&self->list, (unsigned) index);
  self->is_dirty = true;
  fz_ice_agent_evaluate_nomination (self);
  return true;
}

bool
fz_ice_agent_is_remote_relayed (const FzIceAgent *self, const FzSocketAddress *remote)
{
  int index = fz_ice_candidates_find (&self->list.remote, FZ_CANDIDATE_RELAYED, remote, NULL);

  return index >= 0 && !self->list.remote.items[index].is_discarded;
}
