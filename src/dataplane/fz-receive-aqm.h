/* fz-receive-aqm.h
 *
 * Active queue management of the UDP socket, the queue before the most expensive
 * stage (dataplane.md §8.2). CoDel watches how long buffers have waited; when it
 * signals, the session with most bytes in the turn is told, by its largest buffer:
 * most likely that of the flow which fills the queue.
 *
 * What is told is the lane's: a datagram that came as ECN-capable is marked, any
 * other is dropped before it costs an AEAD. Its flow cannot be known before that.
 */
#pragma once

#include "src/dataplane/fz-codel.h"
#include "src/dataplane/fz-lane.h"

typedef struct {
  FzCodelConfig config;
  FzCodel codel;

  /* of the turn */
  const FzUdpBuffer *target; /* whose datagrams are to be signalled; NULL: none */
  unsigned n_signals;        /* how many are left */
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
  if (self->target != buffer || self->n_signals == 0)
    return false;
  self->n_signals--;
  return true;
}
