/* fz-flow-queue.h
 *
 * FQ-CoDel (RFC 8290; dataplane.md §7) over whatever is staged: deficit round
 * robin between groups (a gateway's clients) and inside each between its flows,
 * sparse ones first, with CoDel for each flow. Knows lengths and times, nothing
 * of packets. Of one flow everything leaves in the order in which it came.
 *
 * A flow is one of FZ_FLOW_QUEUE_FLOWS lines, found by hash; flows that collide
 * share a line, so a flow never changes lines while something of it is staged.
 * One thread; no allocation after the start.
 */
#pragma once

#include "src/dataplane/fz-codel.h"

#include <stdatomic.h>
#include <stddef.h>

#define FZ_FLOW_QUEUE_FLOWS   1024u
#define FZ_FLOW_QUEUE_GROUPS  256u
#define FZ_FLOW_QUEUE_QUANTUM 16384 /* bytes a turn, of a flow and of a group */
#define FZ_SOJOURN_BUCKETS    8u    /* below 0.1, 0.5, 1, 2, 5, 10, 50 ms, and above */

/* What is staged: the first member of the owner's own structure. */
typedef struct FzQueueItem {
  struct FzQueueItem *next; /* the queue's */
  FzInstant since;          /* owner: fz_flow_queue_clock when it came */
  uint32_t bytes;           /* owner: what it costs its flow */
  bool is_large;            /* owner: occupies one of the places of which there are few */
} FzQueueItem;

typedef struct FzQueueFlow FzQueueFlow;

/* Owner writes (relaxed), anyone reads. */
typedef struct {
  _Atomic uint64_t items; /* staged now, like the next two */
  _Atomic uint64_t bytes;
  _Atomic uint64_t large;
  _Atomic uint64_t items_max; /* since the start, like the next two */
  _Atomic uint64_t bytes_max;
  _Atomic uint64_t large_max;
  _Atomic uint64_t sojourn[FZ_SOJOURN_BUCKETS]; /* items that have left, by how long they waited */
  _Atomic uint64_t sojourn_ns;                  /* of all together */
  _Atomic uint64_t sparse;  /* items that left ahead of flows with a backlog, or past them all */
  _Atomic uint64_t crowded; /* signals to a flow that held most of the large places */
  _Atomic uint64_t paused;  /* times that a flow had to wait for its owner's condition */
} FzQueueCounters;

typedef struct FzFlowQueue FzFlowQueue;

/* @n_large_max: how many large items there can be; when nearly all of them are staged and more than
 * half are one flow's, that flow is signalled once in an interval. Aborts without memory. */
FzFlowQueue *fz_flow_queue_new (const FzCodelConfig *codel, uint32_t n_large_max);
void fz_flow_queue_free (FzFlowQueue *self);

/**
 * fz_flow_queue_begin:
 * @was_held_up: whether the owner had to wait since the last turn for those that it serves
 *
 * Starts a turn. The time since the last one counts as waiting only if it is short
 * or was spent on purpose: an owner that was not scheduled for longer than the
 * target must not punish its flows for that. So the queue has a clock of its own.
 */
void fz_flow_queue_begin (FzFlowQueue *self, FzInstant now, bool was_held_up);
FzInstant fz_flow_queue_clock (const FzFlowQueue *self);

/* The line of the flow with that hash (all bits are good). Valid as long as the queue. */
FzQueueFlow *fz_flow_queue_find (FzFlowQueue *self, uint64_t hash);

/* Behind all that is staged of @flow. @group: any number; collisions share their turns. */
void fz_flow_queue_push (FzFlowQueue *self, FzQueueFlow *flow, uint32_t group, FzQueueItem *item);

/* The flow whose turn it is, NULL if nothing may leave. The same one until something changes. */
FzQueueFlow *fz_flow_queue_next (FzFlowQueue *self);
FzQueueItem *fz_queue_flow_get_head (const FzQueueFlow *flow); /* of a flow that is next */

/**
 * fz_flow_queue_pop:
 * @flow: what fz_flow_queue_next has just returned
 * @out_signal: (out): whether the item's sender should be told to slow down
 */
FzQueueItem *fz_flow_queue_pop (FzFlowQueue *self, FzQueueFlow *flow, bool *out_signal);

/* For items that are never pushed because nothing is staged. */
void fz_flow_queue_note_bypass (FzFlowQueue *self);

bool fz_flow_queue_is_empty (const FzFlowQueue *self); /* paused flows count */

/* -- flows that may not go on yet -- */

/* A number of the owner's for each flow, 0 at first; its own is all that a flow waits for. */
uint64_t *fz_queue_flow_get_mark (FzQueueFlow *flow);

/* Sets aside what fz_flow_queue_next has just returned. */
void fz_flow_queue_pause (FzFlowQueue *self, FzQueueFlow *flow);

/* Lets all go on whose mark @is_over says yes to. Returns: whether some stay paused */
bool fz_flow_queue_resume (FzFlowQueue *self,
                           bool (*is_over) (const void *context, uint64_t mark),
                           const void *context);

/* At the end of a turn: what is staged becomes visible in the counters. */
void fz_flow_queue_publish (FzFlowQueue *self);
const FzQueueCounters *fz_flow_queue_get_counters (const FzFlowQueue *self);
