/* fz-ice-checklist.c */
#include "src/engine/fz-ice-checklist.h"

void
fz_ice_checklist_init (FzIceChecklist *self, bool is_controlling)
{
  *self = (FzIceChecklist){ .is_controlling = is_controlling };
  self->pairs = g_ptr_array_new_with_free_func (fz_ice_pair_free);
}

void
fz_ice_checklist_clear (FzIceChecklist *self)
{
  g_clear_pointer (&self->pairs, g_ptr_array_unref);
  fz_ice_candidates_clear (&self->local);
  fz_ice_candidates_clear (&self->remote);
  self->selected = NULL;
}

/* -- order -- */

static uint64_t
priority_of (const FzIceChecklist *self, unsigned local, unsigned remote)
{
  uint32_t ours = self->local.items[local].priority;
  uint32_t theirs = self->remote.items[remote].priority;

  return self->is_controlling ? fz_ice_pair_priority (ours, theirs)
                              : fz_ice_pair_priority (theirs, ours);
}

/* Equal priorities keep an order that does not depend on the sort: a run can be repeated. */
static gint
compare_pairs (gconstpointer a, gconstpointer b)
{
  const FzIcePair *x = *(FzIcePair *const *) a;
  const FzIcePair *y = *(FzIcePair *const *) b;

  if (x->priority != y->priority)
    return x->priority > y->priority ? -1 : 1;
  if (x->local != y->local)
    return x->local < y->local ? -1 : 1;
  return x->remote < y->remote ? -1 : x->remote > y->remote;
}

void
fz_ice_checklist_reorder (FzIceChecklist *self)
{
  for (guint i = 0; i < self->pairs->len; i++) {
    FzIcePair *pair = fz_ice_checklist_pair (self, i);

    pair->priority = priority_of (self, pair->local, pair->remote);
  }
  g_ptr_array_sort (self->pairs, compare_pairs);
}

static void
remove_at (FzIceChecklist *self, guint i)
{
  if (fz_ice_checklist_pair (self, i) == self->selected)
    self->selected = NULL;
  g_ptr_array_remove_index (self->pairs, i);
}

/* The worst pair goes, but not the one in use, nor the one that the caller is about to use. */
static void
drop_overflow (FzIceChecklist *self)
{
  guint i = self->pairs->len;

  while (self->pairs->len > FZ_ICE_PAIRS_MAX && i > 0)
    if (fz_ice_checklist_pair (self, --i) != self->selected)
      remove_at (self, i);
}

/* -- pairs -- */

static FzIcePair *
find_way (const FzIceChecklist *self, const FzSocketAddress *source, const FzSocketAddress *to)
{
  for (guint i = 0; i < self->pairs->len; i++) {
    FzIcePair *pair = fz_ice_checklist_pair (self, i);
    const FzIceCandidate *local = fz_ice_checklist_local_of (self, pair);
    const FzIceCandidate *remote = fz_ice_checklist_remote_of (self, pair);

    if (fz_socket_address_equal (fz_ice_candidate_source (local), source) &&
        fz_socket_address_equal (&remote->address, to))
      return pair;
  }
  return NULL;
}

static void
form_pair (FzIceChecklist *self, unsigned local, unsigned remote)
{
  const FzIceCandidate *ours = &self->local.items[local];
  const FzIceCandidate *theirs = &self->remote.items[remote];
  uint64_t priority = priority_of (self, local, remote);
  FzIcePair *pair;

  if (ours->is_discarded || theirs->is_discarded ||
      ours->address.ip.family != theirs->address.ip.family)
    return;
  if (ours->kind == FZ_CANDIDATE_PEER_REFLEXIVE)
    return; /* known for what the peer sees; its base is paired (RFC 8445 §7.2.5.3.1) */
  pair = find_way (self, fz_ice_candidate_source (ours), &theirs->address);
  if (pair == NULL) {
    g_ptr_array_add (self->pairs, fz_ice_pair_new (local, remote, priority));
  } else if (pair->priority < priority) {
    pair->local = local;
    pair->remote = remote;
    pair->priority = priority;
  }
}

static void
settle (FzIceChecklist *self)
{
  g_ptr_array_sort (self->pairs, compare_pairs);
  drop_overflow (self);
}

static void
pair_local (FzIceChecklist *self, unsigned index)
{
  for (unsigned i = 0; i < self->remote.n; i++)
    form_pair (self, index, i);
  settle (self);
}

static void
pair_remote (FzIceChecklist *self, unsigned index)
{
  for (unsigned i = 0; i < self->local.n; i++)
    form_pair (self, i, index);
  settle (self);
}

FzIcePair *
fz_ice_checklist_ensure (FzIceChecklist *self, unsigned local, unsigned remote)
{
  const FzSocketAddress *source = fz_ice_candidate_source (&self->local.items[local]);
  const FzSocketAddress *to = &self->remote.items[remote].address;

  form_pair (self, local, remote);
  settle (self);
  return find_way (self, source, to);
}

/* -- candidates -- */

static void
mark_used (const FzIceChecklist *self, bool is_local, bool used[FZ_ICE_CANDIDATES_MAX])
{
  memset (used, 0, FZ_ICE_CANDIDATES_MAX * sizeof *used);
  for (guint i = 0; i < self->pairs->len; i++) {
    const FzIcePair *pair = fz_ice_checklist_pair (self, i);

    used[is_local ? pair->local : pair->remote] = true;
  }
}

int
fz_ice_checklist_note_local (FzIceChecklist *self, const FzIceCandidate *candidate)
{
  bool used[FZ_ICE_CANDIDATES_MAX];

  mark_used (self, true, used);
  /* Sockets and relays are what everything stands on: never given away for a discovery. */
  for (unsigned i = 0; i < self->local.n; i++)
    used[i] = used[i] || (!self->local.items[i].is_discarded &&
                          self->local.items[i].kind != FZ_CANDIDATE_PEER_REFLEXIVE);
  return fz_ice_candidates_append (&self->local, candidate, used);
}

int
fz_ice_checklist_note_remote (FzIceChecklist *self, const FzIceCandidate *candidate)
{
  bool used[FZ_ICE_CANDIDATES_MAX];

  mark_used (self, false, used);
  return fz_ice_candidates_append (&self->remote, candidate, used);
}

int
fz_ice_checklist_add_local (FzIceChecklist *self, const FzIceCandidate *candidate)
{
  int index = fz_ice_checklist_note_local (self, candidate);

  if (index >= 0)
    pair_local (self, (unsigned) index);
  return index;
}

int
fz_ice_checklist_add_remote (FzIceChecklist *self, const FzIceCandidate *candidate)
{
  int index = fz_ice_checklist_note_remote (self, candidate);

  if (index >= 0)
    pair_remote (self, (unsigned) index);
  return index;
}

void
fz_ice_checklist_enable_local (FzIceChecklist *self, unsigned index)
{
  self->local.items[index].is_discarded = false;
  pair_local (self, index);
}

void
fz_ice_checklist_enable_remote (FzIceChecklist *self, unsigned index)
{
  self->remote.items[index].is_discarded = false;
  fz_ice_checklist_reorder (self);
  pair_remote (self, index);
}

void
fz_ice_checklist_discard_local (FzIceChecklist *self, unsigned index)
{
  FzIceCandidate *gone = &self->local.items[index];

  gone->is_discarded = true;
  for (guint i = self->pairs->len; i > 0; i--)
    if (fz_ice_checklist_pair (self, i - 1)->local == index)
      remove_at (self, i - 1);
  for (unsigned i = 0; i < self->local.n; i++)
    if (i != index && fz_socket_address_equal (fz_ice_candidate_source (&self->local.items[i]),
                                               fz_ice_candidate_source (gone)))
      pair_local (self, i);
}

void
fz_ice_checklist_discard_remote (FzIceChecklist *self, unsigned index)
{
  FzIceCandidate *gone = &self->remote.items[index];

  gone->is_discarded = true;
  for (guint i = self->pairs->len; i > 0; i--)
    if (fz_ice_checklist_pair (self, i - 1)->remote == index)
      remove_at (self, i - 1);
  for (unsigned i = 0; i < self->remote.n; i++)
    if (i != index && fz_socket_address_equal (&self->remote.items[i].address, &gone->address))
      pair_remote (self, i);
}

bool
fz_ice_checklist_has_pairs_of_remote (const FzIceChecklist *self, unsigned index)
{
  for (guint i = 0; i < self->pairs->len; i++)
    if (fz_ice_checklist_pair (self, i)->remote == index)
      return true;
  return false;
}

FzIcePair *
fz_ice_checklist_find_attempt (FzIceChecklist *self,
                               const FzStunTransactionId *id,
                               FzIceAttempt **out)
{
  for (guint i = 0; i < self->pairs->len; i++) {
    FzIceAttempt *attempt = fz_ice_pair_find_attempt (fz_ice_checklist_pair (self, i), id);

    if (attempt != NULL) {
      *out = attempt;
      return fz_ice_checklist_pair (self, i);
    }
  }
  return NULL;
}

bool
fz_ice_checklist_prune (FzIceChecklist *self, const FzIceTiming *timing, FzInstant now)
{
  bool any = false;

  for (guint i = self->pairs->len; i > 0; i--)
    if (!fz_ice_pair_is_possible (fz_ice_checklist_pair (self, i - 1), timing, now)) {
      remove_at (self, i - 1);
      any = true;
    }
  return any;
}
