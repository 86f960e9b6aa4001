/* fz-flow-queue.c: see the header
 *
 * Both levels are the same thing, a Round: members with something to send, in
 * two lists. New members stand in the first and go before all others; who has
 * used up its quantum goes to the end of the second. A member that runs dry is
 * not forgotten at once: it passes once through the second list, or else it
 * would be new again with its next packet and starve the others (RFC 8290 §4.2).
 * Since one item may be larger than a quantum, deficits go below zero, and a
 * member may have to be passed over several times.
 *
 *   groups: fresh ─► group ─► group        group: fresh ─► flow
 *           old ─► group                          old ─► flow ─► flow ─► items
 */

#include "src/dataplane/fz-flow-queue.h"

#include <assert.h>
#include <stdlib.h>

typedef enum {
  LIST_NONE,
  LIST_FRESH,
  LIST_OLD,
} ListKind;

typedef struct Member {
  struct Member *next;
  int32_t deficit; /* bytes that it may still send */
  uint8_t list;    /* ListKind */
} Member;

typedef struct {
  Member *head;
  Member *tail;
} List;

typedef struct {
  List fresh;
  List old;
} Round;

typedef struct {
  Member member; /* of the queue's round */
  Round flows;
} Group;

struct FzQueueFlow {
  Member member; /* of its group's round; paused: of the list of those */
  Group *group;  /* while it is a member */
  FzQueueItem *head;
  FzQueueItem *tail;
  uint32_t n_items;
  uint32_t n_large;
  bool is_paused;
  uint64_t mark;
  FzCodel codel;
};

struct FzFlowQueue {
  FzCodelConfig codel;
  uint32_t n_large_max;
  FzInstant now;
  uint64_t absent_ns;   /* time that nobody is to blame for, in total */
  FzInstant crowded_at; /* when a flow was last signalled for its size */
  uint64_t n_items;
  uint64_t n_bytes;
  uint64_t n_large;
  uint64_t n_items_max;
  uint64_t n_bytes_max;
  uint64_t n_large_max_seen;
  uint64_t sojourn_ns;
  Round groups;
  List paused;
  FzQueueCounters counters;
  Group group_table[FZ_FLOW_QUEUE_GROUPS];
  FzQueueFlow flows[FZ_FLOW_QUEUE_FLOWS];
};

_Static_assert((FZ_FLOW_QUEUE_FLOWS & (FZ_FLOW_QUEUE_FLOWS - 1)) == 0, "a mask finds the line");
_Static_assert((FZ_FLOW_QUEUE_GROUPS & (FZ_FLOW_QUEUE_GROUPS - 1)) == 0, "and the group");

/* -- lists and rounds -- */

static void
append (List *list, Member *member, ListKind kind)
{
  member->next = NULL;
  member->list = (uint8_t) kind;
  if (list->head == NULL)
    list->head = member;
  else
    list->tail->next = member;
  list->tail = member;
}

static Member *
take_first (List *list)
{
  Member *member = list->head;

  list->head = member->next;
  member->list = LIST_NONE;
  return member;
}

static List *
front_list (Round *round)
{
  return round->fresh.head != NULL ? &round->fresh : &round->old;
}

/* Who is next by turns and deficits, with or without something to send; NULL: nobody is there. */
static Member *
find_front (Round *round)
{
  for (;;) {
    List *list = front_list (round);
    Member *front = list->head;

    if (front == NULL || front->deficit > 0)
      return front;
    front->deficit += FZ_FLOW_QUEUE_QUANTUM;
    append (&round->old, take_first (list), LIST_OLD);
  }
}

/* The one in front has run dry. */
static void
dismiss_front (Round *round)
{
  bool was_fresh = round->fresh.head != NULL;
  Member *front = take_first (front_list (round));

  if (was_fresh && round->old.head != NULL)
    append (&round->old, front, LIST_OLD);
}

static void
enter (Round *round, Member *member)
{
  if (member->list != LIST_NONE)
    return;
  member->deficit = FZ_FLOW_QUEUE_QUANTUM;
  append (&round->fresh, member, LIST_FRESH);
}

/* -- flows and groups: a member's structure begins with it -- */

static FzQueueFlow *
flow_of (Member *member)
{
  return (FzQueueFlow *) (void *) member;
}

static Group *
group_of (Member *member)
{
  return (Group *) (void *) member;
}

static FzQueueFlow *
find_flow (Group *group)
{
  Member *member;

  while ((member = find_front (&group->flows)) != NULL) {
    if (flow_of (member)->n_items > 0)
      return flow_of (member);
    dismiss_front (&group->flows);
  }
  return NULL;
}

FzFlowQueue *
fz_flow_queue_new (const FzCodelConfig *codel, uint32_t n_large_max)
{
  FzFlowQueue *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->codel = *codel;
  self->n_large_max = n_large_max;
  return self;
}

void
fz_flow_queue_free (FzFlowQueue *self)
{
  free (self);
}

void
fz_flow_queue_begin (FzFlowQueue *self, FzInstant now, bool was_held_up)
{
  uint64_t gap = fz_instant_since (self->now, now);

  if (gap > self->codel.target_ns && !was_held_up)
    self->absent_ns += gap;
  self->now += gap; /* never back */
}

FzInstant
fz_flow_queue_clock (const FzFlowQueue *self)
{
  return self->now - self->absent_ns;
}

FzQueueFlow *
fz_flow_queue_find (FzFlowQueue *self, uint64_t hash)
{
  return &self->flows[hash & (FZ_FLOW_QUEUE_FLOWS - 1)];
}

static void
note_maxima (FzFlowQueue *self)
{
  if (self->n_items > self->n_items_max)
    self->n_items_max = self->n_items;
  if (self->n_bytes > self->n_bytes_max)
    self->n_bytes_max = self->n_bytes;
  if (self->n_large > self->n_large_max_seen)
    self->n_large_max_seen = self->n_large;
}

void
fz_flow_queue_push (FzFlowQueue *self, FzQueueFlow *flow, uint32_t group, FzQueueItem *item)
{
  item->next = NULL;
  if (flow->n_items++ == 0)
    flow->head = item;
  else
    flow->tail->next = item;
  flow->tail = item;
  flow->n_large += item->is_large;
  self->n_items++;
  self->n_bytes += item->bytes;
  self->n_large += item->is_large;
  note_maxima (self);
  if (flow->is_paused)
    return;
  if (flow->member.list == LIST_NONE)
    flow->group = &self->group_table[group & (FZ_FLOW_QUEUE_GROUPS - 1)];
  enter (&flow->group->flows, &flow->member);
  enter (&self->groups, &flow->group->member);
}

FzQueueFlow *
fz_flow_queue_next (FzFlowQueue *self)
{
  Member *member;

  while ((member = find_front (&self->groups)) != NULL) {
    FzQueueFlow *flow = find_flow (group_of (member));

    if (flow != NULL)
      return flow;
    dismiss_front (&self->groups);
  }
  return NULL;
}

FzQueueItem *
fz_queue_flow_get_head (const FzQueueFlow *flow)
{
  return flow->head;
}

static void
count (_Atomic uint64_t *counter)
{
  atomic_store_explicit (
      counter, atomic_load_explicit (counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void
count_sojourn (FzFlowQueue *self, uint64_t sojourn_ns)
{
  static const uint32_t limits_us[FZ_SOJOURN_BUCKETS - 1] = { 100,  500,   1000, 2000,
                                                              5000, 10000, 50000 };
  unsigned i = 0;

  while (i < FZ_SOJOURN_BUCKETS - 1 && sojourn_ns >= limits_us[i] * FZ_US)
    i++;
  count (&self->counters.sojourn[i]);
  self->sojourn_ns += sojourn_ns;
}

/* Hardly a place is left, and most are this flow's: it is told so before all have to wait outside.
 * Once in an interval, since it takes a round trip to answer. A burst that leaves places free is
 * CoDel's alone: at a round trip of 20 ms, 2 MB at once are nothing to punish. */
static bool
is_crowding (FzFlowQueue *self, const FzQueueFlow *flow)
{
  uint32_t most = self->n_large_max - self->n_large_max / 8;

  if (self->n_large <= most || flow->n_large <= self->n_large_max / 2 ||
      fz_instant_since (self->crowded_at, self->now) < self->codel.interval_ns)
    return false;
  self->crowded_at = self->now;
  count (&self->counters.crowded);
  return true;
}

FzQueueItem *
fz_flow_queue_pop (FzFlowQueue *self, FzQueueFlow *flow, bool *out_signal)
{
  FzQueueItem *item = flow->head;
  uint64_t sojourn_ns = fz_instant_since (item->since, fz_flow_queue_clock (self));
  bool is_signalled =
      fz_codel_should_signal (&flow->codel, &self->codel, sojourn_ns, flow->n_items > 1, self->now);

  *out_signal = is_signalled || is_crowding (self, flow);
  count_sojourn (self, sojourn_ns);
  if (flow->member.list == LIST_FRESH)
    count (&self->counters.sparse);
  flow->head = item->next;
  flow->n_items--;
  flow->n_large -= item->is_large;
  self->n_items--;
  self->n_bytes -= item->bytes;
  self->n_large -= item->is_large;
  flow->member.deficit -= (int32_t) item->bytes;
  flow->group->member.deficit -= (int32_t) item->bytes;
  return item;
}

void
fz_flow_queue_note_bypass (FzFlowQueue *self)
{
  count (&self->counters.sojourn[0]);
  count (&self->counters.sparse);
}

bool
fz_flow_queue_is_empty (const FzFlowQueue *self)
{
  return self->n_items == 0;
}

uint64_t *
fz_queue_flow_get_mark (FzQueueFlow *flow)
{
  return &flow->mark;
}

void
fz_flow_queue_pause (FzFlowQueue *self, FzQueueFlow *flow)
{
  Member *member = take_first (front_list (&flow->group->flows));

  assert (flow_of (member) == flow);
  append (&self->paused, member, LIST_NONE);
  flow->is_paused = true;
  count (&self->counters.paused);
}

bool
fz_flow_queue_resume (FzFlowQueue *self,
                      bool (*is_over) (const void *context, uint64_t mark),
                      const void *context)
{
  List all = self->paused;

  self->paused = (List){ 0 };
  while (all.head != NULL) {
    Member *member = take_first (&all);
    FzQueueFlow *flow = flow_of (member);

    if (!is_over (context, flow->mark)) {
      append (&self->paused, member, LIST_NONE);
      continue;
    }
    flow->is_paused = false;
    append (&flow->group->flows.old, member, LIST_OLD); /* with the deficit that it had */
    enter (&self->groups, &flow->group->member);
  }
  return self->paused.head != NULL;
}

static void
set (_Atomic uint64_t *counter, uint64_t value)
{
  atomic_store_explicit (counter, value, memory_order_relaxed);
}

void
fz_flow_queue_publish (FzFlowQueue *self)
{
  set (&self->counters.items, self->n_items);
  set (&self->counters.bytes, self->n_bytes);
  set (&self->counters.large, self->n_large);
  set (&self->counters.items_max, self->n_items_max);
  set (&self->counters.bytes_max, self->n_bytes_max);
  set (&self->counters.large_max, self->n_large_max_seen);
  set (&self->counters.sojourn_ns, self->sojourn_ns);
}

const FzQueueCounters *
fz_flow_queue_get_counters (const FzFlowQueue *self)
{
  return &self->counters;
}
