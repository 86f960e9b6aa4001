/* fz-nat.c: see the header
 *
 * Two open hash tables of pointers, one by each side. Only the engine writes:
 * it fills an empty slot or one that holds the mark of a removed session, so a
 * reader that walks from slot to slot meets every session that was there before
 * it came. A table that gets full, of marks as well, is replaced by a new one.
 */

#include "src/dataplane/fz-nat.h"

#include "src/base/fz-bytes.h"
#include "src/proto/fz-checksum.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FIN_SENT     1u
#define FIN_RECEIVED 2u
#define RESET        4u

#define TCP_FLAGS_AT  13u
#define TCP_FIN       0x01u
#define TCP_SYN       0x02u
#define TCP_RST       0x04u
#define TCP_ACK       0x10u
#define SLOTS_MIN     64u
#define PORTS         65535u     /* 1 … 65535 */
#define EXPIRE_MIN_NS FZ_S       /* tunnel.md §6.2: the gateway's tick */
#define EXPIRE_MAX_NS (5 * FZ_S) /* what lanes have seen of an end meanwhile */
#define TAKEN_MAX     64u        /* ports of direct flows that are passed over */
#define FORGET_MAX    256u       /* at a time */
#define HOST_BITS     4096u      /* for a client's 100 names with two addresses each: 5 % wrong */

typedef struct {
  uint32_t mask;   /* slots - 1 */
  uint32_t n_used; /* slots that are not empty; engine only */
  _Atomic (FzNatSession *) slots[];
} Table;

struct FzNat {
  _Atomic (Table *) by_inside;            /* engine: release; lanes: acquire */
  _Atomic (Table *) by_outside;           /* with expired sessions */
  _Atomic size_t n_sessions;              /* engine writes, lanes read; relaxed */
  _Atomic uint64_t hosts[HOST_BITS / 64]; /* a bit for each, by its hash; the same */
  size_t n_expired;
  size_t first_expired; /* the ring of expired ones, oldest first */
  FzNatSession *expired[FZ_NAT_EXPIRED_MAX];
};

/* What stands where a session was. */
static FzNatSession removed;

/* -- tables -- */

static void *
allocate (size_t size)
{
  void *memory = calloc (1, size);

  if (memory == NULL)
    abort ();
  return memory;
}

static Table *
new_table (size_t n_sessions)
{
  size_t n_slots = SLOTS_MIN;
  Table *table;

  while (n_slots < 4 * n_sessions)
    n_slots *= 2;
  table = allocate (sizeof *table + n_slots * sizeof *table->slots);
  table->mask = (uint32_t) n_slots - 1;
  return table;
}

static uint32_t
hash_key (const FzNatKey *key)
{
  uint64_t words[2];
  uint64_t hash = (uint64_t) key->protocol << 16 | key->port;

  memcpy (words, key->ip.bytes, sizeof words);
  hash = (hash ^ words[0]) * UINT64_C (0x9e3779b97f4a7c15);
  hash = (hash ^ hash >> 32 ^ words[1]) * UINT64_C (0xd6e8feb86659fd93);
  return (uint32_t) (hash >> 32);
}

static bool
keys_equal (const FzNatKey *a, const FzNatKey *b)
{
  return a->port == b->port && a->protocol == b->protocol && fz_ip_equal (&a->ip, &b->ip);
}

static FzNatSession *
find (const Table *table, const FzNatKey *key, bool is_inside)
{
  FzNatSession *session;

  for (uint32_t at = hash_key (key);; at++) {
    session = atomic_load_explicit (&table->slots[at & table->mask], memory_order_acquire);
    if (session == NULL)
      return NULL;
    if (session != &removed && keys_equal (is_inside ? &session->inside : &session->outside, key))
      return session;
  }
}

static void
put (Table *table, FzNatSession *session, bool is_inside)
{
  uint32_t at = hash_key (is_inside ? &session->inside : &session->outside);
  FzNatSession *there;

  while ((there = atomic_load_explicit (&table->slots[at & table->mask], memory_order_relaxed)) !=
             NULL &&
         there != &removed)
    at++;
  table->n_used += there == NULL;
  atomic_store_explicit (&table->slots[at & table->mask], session, memory_order_release);
}

static void
take (Table *table, const FzNatSession *session, bool is_inside)
{
  uint32_t at = hash_key (is_inside ? &session->inside : &session->outside);

  while (atomic_load_explicit (&table->slots[at & table->mask], memory_order_relaxed) != session)
    at++;
  atomic_store_explicit (&table->slots[at & table->mask], &removed, memory_order_release);
}

/* Room for one more: at least a quarter of the slots is empty, so every search ends. */
static Table *
make_room (_Atomic (Table *) *table, FzReclaim *reclaim, size_t n_sessions, bool is_inside)
{
  Table *old = atomic_load_explicit (table, memory_order_relaxed);
  Table *new;

  if (4 * (old->n_used + 1) <= 3 * (old->mask + 1))
    return old;
  new = new_table (n_sessions + 1);
  for (uint32_t i = 0; i <= old->mask; i++) {
    FzNatSession *session = atomic_load_explicit (&old->slots[i], memory_order_relaxed);

    if (session != NULL && session != &removed)
      put (new, session, is_inside);
  }
  atomic_store_explicit (table, new, memory_order_release);
  fz_reclaim_retire (reclaim, old, free);
  return new;
}

FzNat *
fz_nat_new (void)
{
  FzNat *self = allocate (sizeof *self);

  atomic_init (&self->by_inside, new_table (0));
  atomic_init (&self->by_outside, new_table (0));
  return self;
}

void
fz_nat_free (FzNat *self)
{
  Table *table;

  if (self == NULL)
    return;
  table = atomic_load (&self->by_outside);
  for (uint32_t i = 0; i <= table->mask; i++) {
    FzNatSession *session = atomic_load (&table->slots[i]);

    if (session != &removed)
      free (session);
  }
  free (table);
  free (atomic_load (&self->by_inside));
  free (self);
}

FzNatSession *
fz_nat_find_inside (const FzNat *self, const FzNatKey *key)
{
  return find (atomic_load_explicit (&self->by_inside, memory_order_acquire), key, true);
}

FzNatSession *
fz_nat_find_outside (const FzNat *self, const FzNatKey *key)
{
  return find (atomic_load_explicit (&self->by_outside, memory_order_acquire), key, false);
}

/* -- packets -- */

/* Where the transport checksum is, from its header; 0: there is none. */
static size_t
checksum_offset (const FzIpPacket *parsed)
{
  switch (parsed->protocol) {
  case FZ_IP_PROTOCOL_TCP:
    return 16;
  case FZ_IP_PROTOCOL_UDP:
    return 6;
  default:
    return 2; /* ICMP of both families */
  }
}

/* Whether the transport checksum covers the addresses. */
static bool
has_pseudo_header (const FzIpPacket *parsed)
{
  return parsed->protocol != FZ_IP_PROTOCOL_ICMP;
}

static void
put_checksum (const FzIpPacket *parsed, uint8_t *field, uint16_t checksum)
{
  if (parsed->protocol == FZ_IP_PROTOCOL_UDP && checksum == 0)
    checksum = 0xffff;
  fz_put_u16be (field, checksum);
}

/* One address, of the packet's family. */
static void
replace_address (
    uint8_t *packet, const FzIpPacket *parsed, bool is_source, const FzIp *ip, bool is_partial)
{
  bool is_v4 = parsed->family == FZ_IP_V4;
  size_t size = is_v4 ? 4 : 16;
  uint8_t *address = packet + (is_v4 ? 12 : 8) + (is_source ? 0 : size);
  uint8_t *field = packet + parsed->transport_offset + checksum_offset (parsed);
  uint16_t checksum = fz_get_u16be (field);

  if (is_v4)
    fz_put_u16be (packet + 10,
                  fz_checksum_update_bytes (fz_get_u16be (packet + 10), address, ip->bytes, size));
  if (is_partial) /* a sum, not its complement */
    fz_put_u16be (
        field,
        (uint16_t) ~fz_checksum_update_bytes ((uint16_t) ~checksum, address, ip->bytes, size));
  else if (has_pseudo_header (parsed) && (checksum != 0 || parsed->protocol != FZ_IP_PROTOCOL_UDP))
    put_checksum (parsed, field, fz_checksum_update_bytes (checksum, address, ip->bytes, size));
  memcpy (address, ip->bytes, size);
}

/* @offset: in the transport header. A partial checksum does not cover it. */
static void
replace_port (
    uint8_t *packet, const FzIpPacket *parsed, size_t offset, uint16_t port, bool is_partial)
{
  uint8_t *transport = packet + parsed->transport_offset;
  uint8_t *field = transport + checksum_offset (parsed);
  uint16_t checksum = fz_get_u16be (field);
  uint16_t before = fz_get_u16be (transport + offset);

  if (!is_partial && (checksum != 0 || parsed->protocol != FZ_IP_PROTOCOL_UDP))
    put_checksum (parsed, field, fz_checksum_update (checksum, before, port));
  fz_put_u16be (transport + offset, port);
}

static size_t
port_offset (const FzIpPacket *parsed, bool is_source)
{
  if (parsed->protocol == FZ_IP_PROTOCOL_ICMP || parsed->protocol == FZ_IP_PROTOCOL_ICMPV6)
    return 4; /* the identifier */
  return is_source ? 0 : 2;
}

static void
stamp (_Atomic uint64_t *at, FzInstant now)
{
  if (now == 0)
    now = 1;
  if (atomic_load_explicit (at, memory_order_relaxed) != now)
    atomic_store_explicit (at, now, memory_order_relaxed);
}

static void
note_endings (FzNatSession *session, const FzIpPacket *parsed, uint32_t fin)
{
  uint8_t flags;
  uint32_t endings;

  if (parsed->protocol != FZ_IP_PROTOCOL_TCP)
    return;
  flags = fz_ip_packet_get_transport (parsed)[TCP_FLAGS_AT];
  if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) /* the same ports once more: it begins anew */
    atomic_store_explicit (&session->endings, 0, memory_order_relaxed);
  endings = ((flags & TCP_FIN) != 0 ? fin : 0) | ((flags & TCP_RST) != 0 ? RESET : 0);
  if (endings != 0)
    atomic_fetch_or_explicit (&session->endings, endings, memory_order_relaxed);
}

void
fz_nat_translate_out (FzNatSession *session,
                      uint8_t *packet,
                      const FzIpPacket *parsed,
                      FzInstant now)
{
  /* what the session's first packet says of an end is not believed (§6.6) */
  if (atomic_load_explicit (&session->sent_at, memory_order_relaxed) != 0)
    note_endings (session, parsed, FIN_SENT);
  stamp (&session->sent_at, now);
  if (!session->is_direct)
    replace_address (packet, parsed, false, &session->outside.ip, false);
  if (session->outside.port != session->inside.port)
    replace_port (packet, parsed, port_offset (parsed, true), session->outside.port, false);
}

void
fz_nat_translate_in (FzNatSession *session,
                     uint8_t *packet,
                     const FzIpPacket *parsed,
                     bool is_partial,
                     FzInstant now)
{
  note_endings (session, parsed, FIN_RECEIVED);
  stamp (&session->received_at, now);
  if (!session->is_direct)
    replace_address (packet, parsed, true, &session->inside.ip, is_partial);
  if (session->outside.port != session->inside.port)
    replace_port (packet, parsed, port_offset (parsed, false), session->inside.port, is_partial);
}

/* 100.96.0.0/11 and fd00:2021:1111:8000::/107, as they stand in a header */
static bool
is_proxy (const uint8_t *address, bool is_v4)
{
  static const uint8_t prefix[13] = { 0xfd, 0x00, 0x20, 0x21, 0x11, 0x11, 0x80 };

  if (is_v4)
    return address[0] == 100 && (address[1] & 0xe0) == 96;
  return memcmp (address, prefix, sizeof prefix) == 0 && (address[13] & 0xe0) == 0;
}

bool
fz_nat_is_proxied (const FzIpPacket *packet)
{
  bool is_v4 = packet->family == FZ_IP_V4;

  return is_proxy (fz_ip_packet_get_addresses (packet) + (is_v4 ? 4 : 16), is_v4);
}

bool
fz_nat_is_proxy_ip (const FzIp *ip)
{
  return ip->family != FZ_IP_NONE && is_proxy (ip->bytes, ip->family == FZ_IP_V4);
}

/* -- hosts -- */

static uint32_t
hash_host (const uint8_t *address, bool is_v4)
{
  uint64_t words[2] = { 0 };
  uint64_t hash;

  memcpy (words, address, is_v4 ? 4 : 16);
  hash = words[1] * UINT64_C (0xd6e8feb86659fd93);
  hash = (hash ^ hash >> 32 ^ words[0]) * UINT64_C (0x9e3779b97f4a7c15);
  return (uint32_t) (hash >> 32) % HOST_BITS;
}

void
fz_nat_add_host (FzNat *self, const FzIp *real)
{
  uint32_t hash = hash_host (real->bytes, real->family == FZ_IP_V4);

  atomic_fetch_or_explicit (
      &self->hosts[hash / 64], UINT64_C (1) << hash % 64, memory_order_relaxed);
}

bool
fz_nat_may_have_host (const FzNat *self, const FzIpPacket *packet)
{
  bool is_v4 = packet->family == FZ_IP_V4;
  uint32_t hash = hash_host (fz_ip_packet_get_addresses (packet) + (is_v4 ? 4 : 16), is_v4);

  return (atomic_load_explicit (&self->hosts[hash / 64], memory_order_relaxed) >> hash % 64 & 1) !=
         0;
}

bool
fz_nat_is_crowded (const FzNat *self)
{
  return fz_nat_get_n_sessions (self) >= FZ_NAT_CROWDED;
}

/* -- sessions -- */

/* Forgets an expired session for good. */
static void
forget (FzNat *self, FzReclaim *reclaim, FzNatSession *session)
{
  take (atomic_load_explicit (&self->by_outside, memory_order_relaxed), session, false);
  for (size_t i = 0; i < self->n_expired; i++) {
    size_t at = (self->first_expired + i) % FZ_NAT_EXPIRED_MAX;

    if (self->expired[at] != session)
      continue;
    self->expired[at] = self->expired[self->first_expired]; /* the order hardly matters */
    self->first_expired = (self->first_expired + 1) % FZ_NAT_EXPIRED_MAX;
    self->n_expired--;
    break;
  }
  fz_reclaim_retire (reclaim, session, free);
}

/* Whether a session may have it; an expired one's counts as free. */
static bool
take_port (FzNat *self, FzReclaim *reclaim, const FzNatKey *outside)
{
  FzNatSession *session = fz_nat_find_outside (self, outside);

  if (session == NULL)
    return true;
  if (!atomic_load_explicit (&session->is_expired, memory_order_relaxed))
    return false;
  forget (self, reclaim, session);
  return true;
}

/* The port of @outside or one of the next @n that is free. */
static bool
pick_port (FzNat *self,
           FzReclaim *reclaim,
           FzNatKey *outside,
           uint32_t n,
           FzNatIsTaken is_taken,
           const void *context)
{
  FzNatKey key = *outside;

  for (uint32_t i = 0; i <= n; i++) {
    uint32_t port = outside->port + i;

    key.port = (uint16_t) (port <= PORTS ? port : port - PORTS);
    if ((is_taken != NULL && is_taken (context, &key)) || !take_port (self, reclaim, &key))
      continue;
    outside->port = key.port;
    return true;
  }
  return false;
}

/* Where direct flows seem to have many, one of theirs is taken after all. */
static bool
pick_any_port (
    FzNat *self, FzReclaim *reclaim, FzNatKey *outside, FzNatIsTaken is_taken, const void *context)
{
  return (is_taken != NULL && pick_port (self, reclaim, outside, TAKEN_MAX, is_taken, context)) ||
         pick_port (self, reclaim, outside, PORTS, NULL, NULL);
}

FzNatSession *
fz_nat_add (FzNat *self,
            FzReclaim *reclaim,
            const FzNatKey *inside,
            const FzIp *real,
            FzNatIsTaken is_taken,
            const void *context)
{
  FzNatKey outside = { *real, inside->port, inside->protocol };
  size_t n_sessions = fz_nat_get_n_sessions (self);
  FzNatSession *session;

  assert (fz_nat_find_inside (self, inside) == NULL);
  if (n_sessions >= FZ_NAT_SESSIONS_MAX ||
      !pick_any_port (self, reclaim, &outside, is_taken, context))
    return NULL;
  session = allocate (sizeof *session);
  session->inside = *inside;
  session->outside = outside;
  session->is_direct = fz_ip_equal (&inside->ip, real);
  /* outside first: an answer cannot come before it is found there */
  put (make_room (&self->by_outside, reclaim, n_sessions + self->n_expired, false), session, false);
  put (make_room (&self->by_inside, reclaim, n_sessions, true), session, true);
  atomic_store_explicit (&self->n_sessions, n_sessions + 1, memory_order_relaxed);
  return session;
}

/* -- time -- */

static FzInstant
get_deadline (const FzNatSession *session)
{
  uint64_t sent = atomic_load_explicit (&session->sent_at, memory_order_relaxed);
  uint64_t received = atomic_load_explicit (&session->received_at, memory_order_relaxed);
  uint32_t endings = atomic_load_explicit (&session->endings, memory_order_relaxed);
  uint64_t last = sent > received ? sent : received;
  uint64_t life_s = session->inside.protocol == FZ_PROTOCOL_TCP ? FZ_NAT_TCP_S : FZ_NAT_OTHER_S;
  FzInstant deadline = fz_instant_add (last, life_s * FZ_S);

  if (received == 0)
    deadline = fz_instant_min (deadline, fz_instant_add (sent, FZ_NAT_UNANSWERED_S * FZ_S));
  if ((endings & FIN_SENT) != 0 && (endings & FIN_RECEIVED) != 0)
    deadline = fz_instant_min (deadline, fz_instant_add (last, FZ_NAT_CLOSED_S * FZ_S));
  if ((endings & RESET) != 0)
    deadline = fz_instant_min (deadline, last);
  return deadline;
}

static void
end_session (FzNat *self, FzReclaim *reclaim, FzNatSession *session, FzInstant now)
{
  take (atomic_load_explicit (&self->by_inside, memory_order_relaxed), session, true);
  atomic_store_explicit (&self->n_sessions, fz_nat_get_n_sessions (self) - 1, memory_order_relaxed);
  if (session->is_direct && session->outside.port == session->inside.port) {
    take (atomic_load_explicit (&self->by_outside, memory_order_relaxed), session, false);
    fz_reclaim_retire (reclaim, session, free);
    return;
  }
  atomic_store_explicit (&session->is_expired, true, memory_order_relaxed);
  session->expired_at = now;
  if (self->n_expired == FZ_NAT_EXPIRED_MAX)
    forget (self, reclaim, self->expired[self->first_expired]);
  self->expired[(self->first_expired + self->n_expired++) % FZ_NAT_EXPIRED_MAX] = session;
}

static FzInstant
get_forget_time (const FzNatSession *session)
{
  return fz_instant_add (session->expired_at, FZ_NAT_REMEMBERED_S * FZ_S);
}

static void
forget_old (FzNat *self, FzReclaim *reclaim, FzInstant now)
{
  for (unsigned i = 0; i < FORGET_MAX && self->n_expired > 0; i++) {
    FzNatSession *oldest = self->expired[self->first_expired];

    if (get_forget_time (oldest) > now)
      return;
    forget (self, reclaim, oldest);
  }
}

/* Without sessions: one call when the newest is to be forgotten, and all of them are. */
static FzInstant
when_idle (const FzNat *self, FzInstant now)
{
  size_t newest = (self->first_expired + self->n_expired - 1) % FZ_NAT_EXPIRED_MAX;
  FzInstant soonest = fz_instant_add (now, EXPIRE_MIN_NS);
  FzInstant next;

  if (self->n_expired == 0)
    return FZ_INSTANT_NEVER;
  next = get_forget_time (self->expired[newest]);
  return next < soonest ? soonest : next;
}

FzInstant
fz_nat_expire (FzNat *self, FzReclaim *reclaim, FzInstant now)
{
  const Table *table = atomic_load_explicit (&self->by_inside, memory_order_relaxed);
  FzInstant next = FZ_INSTANT_NEVER;

  forget_old (self, reclaim, now);
  for (uint32_t i = 0; i <= table->mask; i++) {
    FzNatSession *session = atomic_load_explicit (&table->slots[i], memory_order_relaxed);
    FzInstant deadline;

    if (session == NULL || session == &removed)
      continue;
    deadline = get_deadline (session);
    if (deadline <= now)
      end_session (self, reclaim, session, now);
    else
      next = fz_instant_min (next, deadline);
  }
  if (fz_nat_get_n_sessions (self) == 0)
    return when_idle (self, now);
  next = fz_instant_min (next, fz_instant_add (now, EXPIRE_MAX_NS));
  return next < fz_instant_add (now, EXPIRE_MIN_NS) ? fz_instant_add (now, EXPIRE_MIN_NS) : next;
}

size_t
fz_nat_get_n_sessions (const FzNat *self)
{
  return atomic_load_explicit (&self->n_sessions, memory_order_relaxed);
}

size_t
fz_nat_get_n_expired (const FzNat *self)
{
  return self->n_expired;
}

/* -- what it costs -- */

static size_t
bytes_of (const Table *table)
{
  return table != NULL ? sizeof *table + ((size_t) table->mask + 1) * sizeof *table->slots : 0;
}

size_t
fz_nat_get_bytes (const FzNat *self)
{
  return sizeof *self + bytes_of (atomic_load_explicit (&self->by_inside, memory_order_relaxed)) +
         bytes_of (atomic_load_explicit (&self->by_outside, memory_order_relaxed)) +
         (fz_nat_get_n_sessions (self) + self->n_expired) * sizeof (FzNatSession);
}
