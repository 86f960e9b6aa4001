/* fz-receive-aqm.h
 *
 * Active queue management of the UDP socket, the queue before the most expensive
 * stage (dataplane.md §8.2). CoDel watches how long buffers have waited; when it
 * signals, a session that has more than its share of the queue is told, by its
 * largest buffer of the turn.
 *
 * A turn is a few buffers, often all of one session, so it does not say whose the
 * queue is: what has come of late does, in bytes per peer, forgotten by halves. A
 * signal that finds nobody to tell in its turn is owed until such a session comes.
 * So one flow beside many of another peer keeps its window: without that, each had
 * the same chance to be hit, and only the one flow would feel it.
 *
 * What is told is the lane's: a datagram that came as ECN-capable is marked, any
 * other is dropped before it costs an AEAD. Its flow cannot be known before that.
 */
#pragma once

#include "src/dataplane/fz-codel.h"
#include "src/dataplane/fz-lane.h"

#define FZ_RECEIVE_SHARES     64u         /* lines of peers, found by hash; who collide are one */
#define FZ_RECEIVE_HALVING_NS (8 * FZ_MS) /* several turns of a thread that shares its core */
#define FZ_RECEIVE_OWED_MAX   8u          /* signals */

typedef struct {
  FzCodelConfig config;
  FzCodel codel;

  FzInstant halved_at;
  uint32_t shares[FZ_RECEIVE_SHARES]; /* bytes of late */
  FzInstant owed_at;                  /* the newest of those that are owed */
  unsigned n_owed;

  /* of the turn */
  const FzUdpBuffer *target; /* whose datagrams are to be signalled; NULL: none */
} FzReceiveAqm;

void fz_receive_aqm_init (FzReceiveAqm *self, const FzCodelConfig *config);

/* Looks at what a turn has received. Buffers whose wait is unknown never lead to a signal. */
void fz_receive_aqm_begin (FzReceiveAqm *self,
                           const FzUdpBuffer *buffers,
                           size_t n_buffers,
                           FzInstant now);

/* Whether the next data message of @buffer is to be signalled. */
static inline bool
fz_receive_aqm_signals (FzReceiveAqm *self, const FzUdpBuffer *buffer)
{
  if (self->target != buffer || self->n_owed == 0)
    return false;
  self->n_owed--;
  return true;
}
