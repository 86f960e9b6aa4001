/* fz-codel.h
 *
 * CoDel (RFC 8289) as a decision: whoever owns a queue tells at each departure
 * how long that one waited, and learns whether its sender should be told to slow
 * down. What telling means (a mark, a drop, of what) is the owner's.
 *
 * A queue is too long if even its shortest wait of an interval is above the
 * target. While that lasts, signals come closer together by the square root of
 * their number, which is what a TCP sender's rate answers to.
 */
#pragma once

#include "src/base/fz-instant.h"

#include <stdbool.h>

typedef struct {
  uint64_t target_ns;   /* the standing delay that is accepted, > 0 */
  uint64_t interval_ns; /* how long it may be exceeded: a round trip of the flows, or more; > 0 */
} FzCodelConfig;

/* One queue's state; zero is an empty queue's. */
typedef struct {
  FzInstant above_until; /* when the wait will have been too long for an interval; 0: it is not */
  FzInstant next_at;     /* the next signal, or of late */
  uint32_t n_signals;    /* of this episode, with what an earlier one has taught */
  uint32_t n_at_start;
  bool is_signalling;
} FzCodel;

/**
 * fz_codel_should_signal:
 * @sojourn_ns: how long what departs has waited
 * @has_backlog: whether something waits behind it; the last one is never signalled
 *
 * Returns: whether to mark or drop what departs
 */
bool fz_codel_should_signal (FzCodel *self,
                             const FzCodelConfig *config,
                             uint64_t sojourn_ns,
                             bool has_backlog,
                             FzInstant now);
