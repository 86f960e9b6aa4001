/* fz-policy.c: see the header
 *
 * Entries are sorted so that those of one network stand together (a group),
 * best resource first, and groups of one prefix length stand together (a
 * level), longest first. Each level has a hash table from network to group. A
 * lookup walks the family's levels, masks the address, finds the group, and
 * takes the first entry that admits the key: by the order of the walk that is
 * the best. If none admits, the first entry met is the best that denies.
 */

#include "src/dataplane/fz-policy.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* An address or network as two words, for masking and comparing; bytes as they stand in FzIp. */
typedef struct {
  uint64_t words[2];
} Key;

typedef struct {
  Key network;
  uint32_t first; /* entry */
  uint32_t n_entries;
} Group;

typedef struct {
  Key mask;
  uint8_t family;
  uint32_t slots;     /* where its table begins */
  uint32_t slot_mask; /* size - 1; a power of two above twice the groups */
} Level;

struct FzPolicy {
  uint64_t serial;
  FzPolicyEntry *entries; /* sorted; filters point into @filters */
  FzFilter *filters;
  Group *groups;
  uint32_t *slots; /* group + 1, 0: empty */
  size_t n_levels;
  Level *levels; /* IPv4 before IPv6, longest prefix first */
};

static _Atomic uint64_t last_serial;

static void *
allocate (size_t n, size_t size)
{
  void *memory = n > 0 ? calloc (n, size) : NULL;

  if (n > 0 && memory == NULL)
    abort ();
  return memory;
}

static Key
make_key (const FzIp *ip)
{
  Key key;

  memcpy (&key, ip->bytes, sizeof key);
  return key;
}

static inline bool
key_equal (const Key *a, const Key *b)
{
  return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static inline uint32_t
key_hash (const Key *key)
{
  uint64_t hash = key->words[0] * UINT64_C (0x9e3779b97f4a7c15);

  hash = (hash ^ hash >> 32 ^ key->words[1]) * UINT64_C (0xd6e8feb86659fd93);
  return (uint32_t) (hash >> 32);
}

/* Family, then longer prefix, then network, then higher rank, then higher resource. */
static int
compare_entries (const void *pa, const void *pb)
{
  const FzPolicyEntry *a = pa, *b = pb;
  int order;

  if (a->network.ip.family != b->network.ip.family)
    return a->network.ip.family < b->network.ip.family ? -1 : 1;
  if (a->network.prefix_length != b->network.prefix_length)
    return a->network.prefix_length > b->network.prefix_length ? -1 : 1;
  order = memcmp (a->network.ip.bytes, b->network.ip.bytes, sizeof a->network.ip.bytes);
  if (order != 0)
    return order;
  if (a->rank != b->rank)
    return a->rank > b->rank ? -1 : 1;
  return fz_uuid_compare (&b->resource, &a->resource);
}

static void
copy_entries (FzPolicy *self, const FzPolicyEntry *entries, size_t n_entries)
{
  size_t n_filters = 0;
  FzFilter *next;

  for (size_t i = 0; i < n_entries; i++)
    n_filters += entries[i].n_filters;
  self->entries = allocate (n_entries, sizeof *self->entries);
  next = self->filters = allocate (n_filters, sizeof *self->filters);

  for (size_t i = 0; i < n_entries; i++) {
    FzPolicyEntry *entry = &self->entries[i];

    *entry = entries[i];
    entry->network.ip = fz_ip_masked (&entry->network.ip, entry->network.prefix_length);
    entry->filters = next;
    if (entry->n_filters > 0) { /* else there may be no memory to point into */
      memcpy (next, entries[i].filters, entry->n_filters * sizeof *next);
      next += entry->n_filters;
    }
  }
  if (n_entries > 0)
    qsort (self->entries, n_entries, sizeof *self->entries, compare_entries);
}

static bool
is_same_level (const FzPolicyEntry *a, const FzPolicyEntry *b)
{
  return a->network.ip.family == b->network.ip.family &&
         a->network.prefix_length == b->network.prefix_length;
}

/* A gateway has a policy or two for each client, most of one entry: so all is as long as needed. */
static void
allocate_tables (FzPolicy *self, size_t n_entries)
{
  size_t n_groups = 0, n_levels = 0;

  for (size_t i = 0; i < n_entries; i++) {
    const FzPolicyEntry *entry = &self->entries[i];

    n_groups += i == 0 || !fz_ip_network_equal (&entry->network, &entry[-1].network);
    n_levels += i == 0 || !is_same_level (entry, &entry[-1]);
  }
  self->groups = allocate (n_groups, sizeof *self->groups);
  self->levels = allocate (n_levels, sizeof *self->levels);
  /* at most four slots per group, and four per level for rounding */
  self->slots = allocate (4 * n_groups + 4 * n_levels, sizeof *self->slots);
}

static size_t
make_groups (FzPolicy *self, size_t n_entries)
{
  size_t n_groups = 0;

  for (size_t i = 0; i < n_entries; i++) {
    const FzPolicyEntry *entry = &self->entries[i];
    bool is_new = i == 0 || !fz_ip_network_equal (&entry->network, &entry[-1].network);

    if (is_new)
      self->groups[n_groups++] =
          (Group){ .network = make_key (&entry->network.ip), .first = (uint32_t) i };
    self->groups[n_groups - 1].n_entries++;
  }
  return n_groups;
}

static void
insert_group (FzPolicy *self, const Level *level, uint32_t group)
{
  uint32_t at = key_hash (&self->groups[group].network);

  while (self->slots[level->slots + (at & level->slot_mask)] != 0)
    at++;
  self->slots[level->slots + (at & level->slot_mask)] = group + 1;
}

/* The level of groups @first up to @end. */
static void
add_level (FzPolicy *self, uint32_t first, uint32_t end, uint32_t *n_slots)
{
  const FzIpNetwork *network = &self->entries[self->groups[first].first].network;
  FzIp ones = { .family = network->ip.family };
  Level *level = &self->levels[self->n_levels++];
  uint32_t size = 4;
  FzIp mask;

  while (size < 2 * (end - first))
    size *= 2;
  memset (ones.bytes, 0xff, fz_ip_size (&ones));
  mask = fz_ip_masked (&ones, network->prefix_length);
  *level = (Level){
    .mask = make_key (&mask), .family = network->ip.family, .slots = *n_slots, .slot_mask = size - 1
  };
  for (uint32_t group = first; group < end; group++)
    insert_group (self, level, group);
  *n_slots += size;
}

FzPolicy *
fz_policy_new (const FzPolicyEntry *entries, size_t n_entries)
{
  FzPolicy *self = allocate (1, sizeof *self);
  uint32_t n_slots = 0;
  size_t n_groups;

  assert (n_entries < UINT32_MAX / 8);
  self->serial = atomic_fetch_add (&last_serial, 1) + 1;
  copy_entries (self, entries, n_entries);
  allocate_tables (self, n_entries);
  n_groups = make_groups (self, n_entries);

  for (uint32_t first = 0, end; first < n_groups; first = end) {
    const FzPolicyEntry *entry = &self->entries[self->groups[first].first];

    end = first + 1;
    while (end < n_groups && is_same_level (entry, &self->entries[self->groups[end].first]))
      end++;
    add_level (self, first, end, &n_slots);
  }
  return self;
}

void
fz_policy_free (FzPolicy *self)
{
  if (self == NULL)
    return;
  free (self->entries);
  free (self->filters);
  free (self->groups);
  free (self->levels);
  free (self->slots);
  free (self);
}

uint64_t
fz_policy_get_serial (const FzPolicy *self)
{
  return self->serial;
}

static const Group *
find_group (const FzPolicy *self, const Level *level, const Key *address)
{
  Key network = { { address->words[0] & level->mask.words[0],
                    address->words[1] & level->mask.words[1] } };
  uint32_t at = key_hash (&network);
  uint32_t slot;

  for (; (slot = self->slots[level->slots + (at & level->slot_mask)]) != 0; at++)
    if (key_equal (&self->groups[slot - 1].network, &network))
      return &self->groups[slot - 1];
  return NULL;
}

FzPolicyAnswer
fz_policy_lookup (const FzPolicy *self,
                  const FzIp *ip,
                  FzProtocolKey key,
                  const FzPolicyEntry **out_entry)
{
  const FzPolicyEntry *best_denying = NULL;
  Key address = make_key (ip);
  bool is_covered = false;

  for (size_t i = 0; i < self->n_levels; i++) {
    const Group *group;

    if (self->levels[i].family != ip->family)
      continue;
    group = find_group (self, &self->levels[i], &address);
    for (uint32_t j = 0; group != NULL && j < group->n_entries; j++) {
      const FzPolicyEntry *entry = &self->entries[group->first + j];

      if (entry->kind == FZ_POLICY_ENTRY_HOLE)
        is_covered = true;
      if (entry->kind == FZ_POLICY_ENTRY_HOLE ||
          (entry->kind == FZ_POLICY_ENTRY_FALLBACK && is_covered))
        continue;
      is_covered = true;
      if (fz_filters_admit (entry->filters, entry->n_filters, key)) {
        if (out_entry != NULL)
          *out_entry = entry;
        return FZ_POLICY_ADMITTED;
      }
      if (best_denying == NULL)
        best_denying = entry;
    }
  }

  if (best_denying == NULL)
    return FZ_POLICY_NO_ENTRY;
  if (out_entry != NULL)
    *out_entry = best_denying;
  return FZ_POLICY_DENIED;
}
