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

/* Of an address: what its watch said before the tables were asked. */
typedef struct {
  const _Atomic uint64_t *watch;
  uint64_t count;
} Presence;

typedef struct {
  FzFlow flow;
  uint32_t epoch;      /* of the cache when it was put; 0: empty */
  const FzPeer *owner; /* received: whose session brought it; never looked into */
  FzPeer *peer;        /* transmitted: where it goes; there while presence is the same */
  Rights rights;
  Presence presence;
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

size_t
fz_flow_cache_get_bytes (void)
{
  return sizeof (FzFlowCache);
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

static uint64_t
get_count (const _Atomic uint64_t *watch)
{
  return atomic_load_explicit (watch, memory_order_acquire);
}

static Presence
get_presence (const FzSnapshot *snapshot, const FzIp *ip)
{
  const _Atomic uint64_t *watch = fz_peer_table_watch (fz_snapshot_get_table (snapshot), ip);

  return (Presence){ watch, get_count (watch) };
}

static bool
is_entry_of (const Entry *entry, uint32_t epoch, const FzFlow *flow, const FzPeer *owner)
{
  return entry->epoch == epoch && entry->owner == owner &&
         memcmp (&entry->flow, flow, sizeof *flow) == 0;
}

/* The flow's entry if whom it concerns is still there, else NULL. */
static const Entry *
find (FzFlowCache *self, uint64_t hash, const FzFlow *flow, const FzPeer *owner)
{
  const Entry *set = find_set (self, hash);

  for (size_t i = 0; i < WAYS; i++)
    if (is_entry_of (&set[i], self->epoch, flow, owner))
      return get_count (set[i].presence.watch) == set[i].presence.count ? &set[i] : NULL;
  return NULL;
}

static void
put (FzFlowCache *self, uint64_t hash, const Entry *entry)
{
  Entry *set = find_set (self, hash);
  Entry *victim = NULL;

  for (size_t i = 0; i < WAYS && victim == NULL; i++)
    if (set[i].epoch != self->epoch ||
        is_entry_of (&set[i], self->epoch, &entry->flow, entry->owner))
      victim = &set[i];
  if (victim == NULL) {
    victim = &set[self->turn++ % WAYS];
    self->evictions++;
  }
  *victim = *entry;
  victim->epoch = self->epoch;
}

/* What goes out is judged by the permissions of where it goes. */
static uint64_t
get_transmit_rights (const FzPeer *peer)
{
  return get_serial (&peer->permissions);
}

/* Who is asked for rights is known only by the verdict. So they are read between two askings: what
 * the second says is by these rights or by newer ones, and then the entry is stale at once. */
static FzVerdict
judge_transmit (FzFlowCache *self, const FzSnapshot *snapshot, const FzFlow *flow, uint64_t hash)
{
  Entry entry = { .flow = *flow, .presence = get_presence (snapshot, &flow->destination) };
  FzVerdict verdict = fz_verdict_transmit (snapshot, flow);

  if (verdict.kind != FZ_VERDICT_PASS)
    return verdict;
  entry.peer = verdict.peer;
  entry.rights.permissions = get_transmit_rights (entry.peer);
  verdict = fz_verdict_transmit (snapshot, flow);
  if (verdict.kind == FZ_VERDICT_PASS && verdict.peer == entry.peer)
    put (self, hash, &entry);
  return verdict;
}

FzVerdict
fz_flow_cache_transmit (FzFlowCache *self,
                        const FzSnapshot *snapshot,
                        const FzFlow *flow,
                        uint64_t hash,
                        bool *out_is_hit)
{
  const Entry *entry = find (self, hash, flow, NULL);

  *out_is_hit = entry != NULL && get_transmit_rights (entry->peer) == entry->rights.permissions;
  if (*out_is_hit)
    return (FzVerdict){ .kind = FZ_VERDICT_PASS, .peer = entry->peer };
  return judge_transmit (self, snapshot, flow, hash);
}

FzVerdict
fz_flow_cache_receive (FzFlowCache *self,
                       const FzSnapshot *snapshot,
                       const FzPeer *peer,
                       const FzFlow *flow,
                       bool *out_is_hit)
{
  uint64_t hash = hash_flow (self, flow, peer);
  const Entry *known = find (self, hash, flow, peer);
  Rights rights = { get_serial (&peer->sources), get_serial (&peer->permissions) };
  Entry entry;
  FzVerdict verdict;

  *out_is_hit = known != NULL && known->rights.sources == rights.sources &&
                known->rights.permissions == rights.permissions;
  if (*out_is_hit)
    return (FzVerdict){ .kind = FZ_VERDICT_PASS };
  entry = (Entry){
    /* all of it from before the verdict: see above */
    .flow = *flow,
    .owner = peer,
    .rights = rights,
    .presence = get_presence (snapshot, &flow->source),
  };
  verdict = fz_verdict_receive (snapshot, peer, flow);
  if (verdict.kind == FZ_VERDICT_PASS)
    put (self, hash, &entry);
  return verdict;
}

uint64_t
fz_flow_cache_get_evictions (const FzFlowCache *self)
{
  return self->evictions;
}
