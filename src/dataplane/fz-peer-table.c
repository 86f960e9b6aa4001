/* fz-peer-table.c: see the header
 *
 * Two hash tables of pointers with open addressing. A slot goes from empty to an
 * item (release, so that a lane that sees it sees what it points to), from item
 * to GONE, and perhaps to another item; only in a new array, which replaces the
 * old one when three quarters are used up, is it empty again. So a search that
 * stops at an empty slot has seen all there was when it began.
 *
 * A watch counts up after the change, never before: a lane that sees the new
 * count sees the change, and what it looked up in between it remembers under the
 * old one. A peer is retired later still, so no lane that can have seen it freed
 * takes the old count for the present one.
 */

#include "src/dataplane/fz-peer-table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16u
#define N_WATCHES 2048u /* 16 KiB; a power of two */

/* One address of one peer. */
typedef struct FzPeerHost {
  FzIp ip;
  FzPeer *peer;
  struct FzPeerHost *next; /* of the same peer; engine only */
} Host;

typedef struct {
  uint32_t mask;   /* number of slots - 1; a power of two */
  uint32_t n_used; /* that are not empty; engine only */
  _Atomic (void *) items[];
} Slots;

typedef struct {
  _Atomic (Slots *) slots; /* engine writes (release), lanes read (acquire) */
  uint32_t n_items;        /* engine only */
  uint32_t (*hash_of) (const void *item);
} Map;

struct FzPeerTable {
  FzReclaim *reclaim;
  Map by_id;                           /* of FzPeer */
  Map by_host;                         /* of Host */
  _Atomic uint64_t watches[N_WATCHES]; /* engine counts up (release), lanes read (acquire) */
};

static char gone; /* its address stands where an item has been */
#define GONE ((void *) &gone)

/* -- one map -- */

/* What no lane can find any more, though one may hold it until its turn ends. */
static void
let_go (FzReclaim *reclaim, void *memory)
{
  if (reclaim != NULL)
    fz_reclaim_retire (reclaim, memory, free);
  else
    free (memory);
}

static Slots *
make_slots (uint32_t size)
{
  Slots *slots = calloc (1, sizeof *slots + size * sizeof slots->items[0]);

  if (slots == NULL)
    abort ();
  slots->mask = size - 1;
  return slots;
}

static void
map_init (Map *map, uint32_t (*hash_of) (const void *item))
{
  atomic_init (&map->slots, make_slots (SLOTS_MIN));
  map->hash_of = hash_of;
}

static void
put (Slots *slots, uint32_t hash, void *item)
{
  uint32_t at = hash & slots->mask;
  void *there;

  while ((there = atomic_load_explicit (&slots->items[at], memory_order_relaxed)) != NULL &&
         there != GONE)
    at = (at + 1) & slots->mask;
  slots->n_used += there == NULL;
  atomic_store_explicit (&slots->items[at], item, memory_order_release);
}

/* A new array with room for as many again, without what is gone. */
static void
renew_slots (Map *map, FzReclaim *reclaim)
{
  Slots *old = atomic_load_explicit (&map->slots, memory_order_relaxed);
  uint32_t size = SLOTS_MIN;
  Slots *slots;

  while (size < 4 * map->n_items)
    size *= 2;
  slots = make_slots (size);
  for (uint32_t i = 0; i <= old->mask; i++) {
    void *item = atomic_load_explicit (&old->items[i], memory_order_relaxed);

    if (item != NULL && item != GONE)
      put (slots, map->hash_of (item), item);
  }
  atomic_store_explicit (&map->slots, slots, memory_order_release);
  let_go (reclaim, old);
}

static void
map_add (Map *map, FzReclaim *reclaim, void *item)
{
  const Slots *slots = atomic_load_explicit (&map->slots, memory_order_relaxed);

  if ((slots->n_used + 1) * 4 > (slots->mask + 1) * 3)
    renew_slots (map, reclaim);
  map->n_items++;
  put (atomic_load_explicit (&map->slots, memory_order_relaxed), map->hash_of (item), item);
}

static void
map_remove (Map *map, FzReclaim *reclaim, const void *item)
{
  Slots *slots = atomic_load_explicit (&map->slots, memory_order_relaxed);
  uint32_t at = map->hash_of (item) & slots->mask;
  void *there;

  while ((there = atomic_load_explicit (&slots->items[at], memory_order_relaxed)) != item) {
    if (there == NULL)
      return;
    at = (at + 1) & slots->mask;
  }
  atomic_store_explicit (&slots->items[at], GONE, memory_order_release);
  map->n_items--;
  if (slots->mask >= SLOTS_MIN && map->n_items * 8 < slots->mask)
    renew_slots (map, reclaim); /* many have left */
}

/* The next item from *@at on, which is moved behind it; NULL at the end of the chain. */
static void *
next_item (const Slots *slots, uint32_t *at)
{
  void *item;

  do {
    item = atomic_load_explicit (&slots->items[*at & slots->mask], memory_order_acquire);
    ++*at;
  } while (item == GONE);
  return item;
}

/* -- keys -- */

static uint32_t
hash_id (uint32_t connection_id)
{
  return connection_id * UINT32_C (0x9e3779b1) >> 7;
}

static uint32_t
hash_ip (const FzIp *ip)
{
  uint64_t words[2];
  uint64_t hash;

  memcpy (words, ip->bytes, sizeof words);
  hash = (words[0] ^ ip->family) * UINT64_C (0x9e3779b97f4a7c15);
  hash = (hash ^ hash >> 32 ^ words[1]) * UINT64_C (0xd6e8feb86659fd93);
  return (uint32_t) (hash >> 32);
}

static uint32_t
hash_peer (const void *item)
{
  return hash_id (((const FzPeer *) item)->connection_id);
}

static uint32_t
hash_host (const void *item)
{
  return hash_ip (&((const Host *) item)->ip);
}

/* -- public -- */

FzPeerTable *
fz_peer_table_new (FzReclaim *reclaim)
{
  FzPeerTable *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->reclaim = reclaim;
  map_init (&self->by_id, hash_peer);
  map_init (&self->by_host, hash_host);
  return self;
}

static void
free_hosts (const Slots *slots)
{
  for (uint32_t i = 0; i <= slots->mask; i++) {
    void *item = atomic_load (&slots->items[i]);

    if (item != GONE)
      free (item);
  }
}

void
fz_peer_table_free (FzPeerTable *self)
{
  if (self == NULL)
    return;
  free_hosts (atomic_load (&self->by_host.slots));
  free (atomic_load (&self->by_host.slots));
  free (atomic_load (&self->by_id.slots));
  free (self);
}

void
fz_peer_table_add (FzPeerTable *self, FzPeer *peer)
{
  map_add (&self->by_id, self->reclaim, peer);
}

static void
note_change (FzPeerTable *self, const FzIp *ip)
{
  atomic_fetch_add_explicit (&self->watches[hash_ip (ip) % N_WATCHES], 1, memory_order_release);
}

static void
remove_hosts (FzPeerTable *self, FzPeer *peer)
{
  while (peer->hosts != NULL) {
    Host *host = peer->hosts;

    peer->hosts = host->next;
    map_remove (&self->by_host, self->reclaim, host);
    note_change (self, &host->ip);
    let_go (self->reclaim, host);
  }
}

void
fz_peer_table_remove (FzPeerTable *self, FzPeer *peer)
{
  remove_hosts (self, peer);
  map_remove (&self->by_id, self->reclaim, peer);
}

/* @ips in the other order are the list. */
static bool
has_hosts (const FzPeer *peer, const FzIp *ips, size_t n_ips)
{
  const Host *host = peer->hosts;

  for (size_t i = n_ips; i-- > 0; host = host->next)
    if (host == NULL || !fz_ip_equal (&host->ip, &ips[i]))
      return false;
  return host == NULL;
}

bool
fz_peer_table_set_hosts (FzPeerTable *self, FzPeer *peer, const FzIp *ips, size_t n_ips)
{
  if (has_hosts (peer, ips, n_ips))
    return false;
  remove_hosts (self, peer);
  for (size_t i = 0; i < n_ips; i++) {
    Host *host = calloc (1, sizeof *host);

    if (host == NULL)
      abort ();
    *host = (Host){ .ip = ips[i], .peer = peer, .next = peer->hosts };
    peer->hosts = host;
    map_add (&self->by_host, self->reclaim, host);
    note_change (self, &host->ip);
  }
  return true;
}

const _Atomic uint64_t *
fz_peer_table_watch (const FzPeerTable *self, const FzIp *ip)
{
  return &self->watches[hash_ip (ip) % N_WATCHES];
}

FzPeer *
fz_peer_table_find (const FzPeerTable *self, uint32_t connection_id)
{
  const Slots *slots = atomic_load_explicit (&self->by_id.slots, memory_order_acquire);
  uint32_t at = hash_id (connection_id);
  FzPeer *peer;

  while ((peer = next_item (slots, &at)) != NULL)
    if (peer->connection_id == connection_id)
      return peer;
  return NULL;
}

FzPeer *
fz_peer_table_find_host (const FzPeerTable *self, const FzIp *ip)
{
  const Slots *slots = atomic_load_explicit (&self->by_host.slots, memory_order_acquire);
  uint32_t at = hash_ip (ip);
  FzPeer *best = NULL;
  const Host *host;

  while ((host = next_item (slots, &at)) != NULL)
    if (fz_ip_equal (&host->ip, ip) &&
        (best == NULL || fz_uuid_compare (&host->peer->id, &best->id) > 0))
      best = host->peer;
  return best;
}

/* -- what it costs -- */

static size_t
bytes_of (const Map *map)
{
  const Slots *slots = atomic_load_explicit (&map->slots, memory_order_relaxed);

  return slots != NULL ? sizeof *slots + ((size_t) slots->mask + 1) * sizeof slots->items[0] : 0;
}

size_t
fz_peer_table_get_bytes (const FzPeerTable *self)
{
  return sizeof *self + bytes_of (&self->by_id) + bytes_of (&self->by_host) +
         self->by_host.n_items * sizeof (Host);
}
