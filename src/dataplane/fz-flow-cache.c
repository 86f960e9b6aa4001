/* fz-flow-cache.c: see the header */

#include "src/dataplane/fz-flow-cache.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4u

/* Serials of a peer's policies; 0: none. */
typedef struct {
  uint64_t sources;
  uint64_t permissions;
} Rights;

typedef struct {
  FzFlow flow;
  uint32_t epoch; /* of the cache when it was put; 0: empty */
  const FzPeer *owner;
  FzPeer *peer;
  Rights rights;
} Entry;

struct FzFlowCache {
  uint64_t seed;
  uint64_t snapshot_serial;
  uint32_t epoch;
  uint32_t turn; /* which way is replaced next */
  uint64_t evictions;
  Entry sets[FZ_FLOW_CACHE_SETS][WAYS];
};

FzFlowCache *
fz_flow_cache_new (uint64_t seed)
{
  FzFlowCache *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->seed = seed;
  self->epoch = 1;
  return self;
}

void
fz_flow_cache_free (FzFlowCache *self)
{
  free (self);
}

void
fz_flow_cache_begin (FzFlowCache *self, uint64_t snapshot_serial)
{
  if (snapshot_serial == self->snapshot_serial)
    return;
  self->snapshot_serial = snapshot_serial;
  if (++self->epoch == 0) { /* after 2^32 snapshots old entries would look new */
    memset (self->sets, 0, sizeof self->sets);
    self->epoch = 1;
  }
}

static inline uint64_t
mix (uint64_t hash, uint64_t word)
{
  hash = (hash ^ word) * UINT64_C (0xd6e8feb86659fd93);
  return hash ^ hash >> 32;
}

static uint64_t
hash_flow (const FzFlowCache *self, const FzFlow *flow, const FzPeer *owner)
{
  uint64_t hash = mix (self->seed, (uint64_t) (uintptr_t) owner);
  uint64_t words[5];

  _Static_assert(sizeof words == sizeof *flow, "the whole flow is hashed");
  memcpy (words, flow, sizeof words);
  for (size_t i = 0; i < 5; i++)
    hash = mix (hash, words[i]);
  return hash;
}

uint64_t
fz_flow_cache_hash (const FzFlowCache *self, const FzFlow *flow)
{
  return hash_flow (self, flow, NULL);
}

static Entry *
find_set (FzFlowCache *self, uint64_t hash)
{
  return self->sets[hash % FZ_FLOW_CACHE_SETS];
}

static uint64_t
get_serial (_Atomic (const FzPolicy *) const *policy)
{
  const FzPolicy *current = atomic_load_explicit (policy, memory_order_acquire);

  return current != NULL ? fz_policy_get_serial (current) : 0;
}

static Rights
get_rights (const FzPeer *judge)
{
  return (Rights){ get_serial (&judge->sources), get_serial (&judge->permissions) };
}

static bool
is_entry_of (const Entry *entry, uint32_t epoch, const FzFlow *flow, const FzPeer *owner)
{
  return entry->epoch == epoch && entry->owner == owner &&
         memcmp (&entry->flow, flow, sizeof *flow) == 0;
}

/* The entry that says "pass" now, or NULL. */
static const Entry *
find (FzFlowCache *self, uint64_t hash, const FzFlow *flow, const FzPeer *owner)
{
  const Entry *set = find_set (self, hash);

  for (size_t i = 0; i < WAYS; i++) {
    Rights rights;

    if (!is_entry_of (&set[i], self->epoch, flow, owner))
      continue;
    rights = get_rights (owner != NULL ? owner : set[i].peer);
    if (rights.sources != set[i].rights.sources || rights.permissions != set[i].rights.permissions)
      return NULL;
    return &set[i];
  }
  return NULL;
}

static void
put (FzFlowCache *self,
     uint64_t hash,
     const FzFlow *flow,
     const FzPeer *owner,
     FzPeer *peer,
     Rights rights)
{
  Entry *set = find_set (self, hash);
  Entry *victim = NULL;

  for (size_t i = 0; i < WAYS && victim == NULL; i++)
    if (set[i].epoch != self->epoch || is_entry_of (&set[i], self->epoch, flow, owner))
      victim = &set[i];
  if (victim == NULL) {
    victim = &set[self->turn++ % WAYS];
    self->evictions++;
  }
  *victim = (Entry){
    .flow = *flow, .epoch = self->epoch, .owner = owner, .peer = peer, .rights = rights
  };
}

/* Who is asked for rights is known only by the verdict. So they are read between two askings: what
 * the second says is by these rights or by newer ones, and then the entry is stale at once. */
FzVerdict
fz_flow_cache_transmit (FzFlowCache *self,
                        const FzSnapshot *snapshot,
                        const FzFlow *flow,
                        uint64_t hash,
                        bool *out_is_hit)
{
  const Entry *entry = find (self, hash, flow, NULL);
  FzVerdict verdict;
  FzPeer *peer;
  Rights rights;

  *out_is_hit = entry != NULL;
  if (entry != NULL)
    return (FzVerdict){ .kind = FZ_VERDICT_PASS, .peer = entry->peer };

  verdict = fz_verdict_transmit (snapshot, flow);
  if (verdict.kind != FZ_VERDICT_PASS)
    return verdict;
  peer = verdict.peer;
  rights = get_rights (peer);
  verdict = fz_verdict_transmit (snapshot, flow);
  if (verdict.kind == FZ_VERDICT_PASS && verdict.peer == peer)
    put (self, hash, flow, NULL, peer, rights);
  return verdict;
}

FzVerdict
fz_flow_cache_receive (FzFlowCache *self,
                       const FzSnapshot *snapshot,
                       const FzPeer *peer,
                       const FzFlow *flow,
                       bool *out_is_hit)
{
  uint64_t hash = hash_flow (self, flow, peer);
  Rights rights = get_rights (peer); /* before the verdict: see above */
  FzVerdict verdict;

  *out_is_hit = find (self, hash, flow, peer) != NULL;
  if (*out_is_hit)
    return (FzVerdict){ .kind = FZ_VERDICT_PASS };
  verdict = fz_verdict_receive (snapshot, peer, flow);
  if (verdict.kind == FZ_VERDICT_PASS)
    put (self, hash, flow, peer, NULL, rights);
  return verdict;
}

uint64_t
fz_flow_cache_get_evictions (const FzFlowCache *self)
{
  return self->evictions;
}
