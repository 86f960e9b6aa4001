/* fz-relay-request.h
 *
 * One request to a relay that has not been answered, and when it is sent again
 * or given up (connectivity.md §5.5: at 0, 1, 2.5 and 4.75 s, given up at 8.125 s).
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"
#include "src/proto/fz-stun.h"

#define FZ_RELAY_RETRY_NS        (1 * FZ_S)
#define FZ_RELAY_BUDGET_NS       (8 * FZ_S)
#define FZ_RELAY_SHORT_BUDGET_NS (1 * FZ_S) /* a refresh after a list update, §5.9 */

typedef enum {
  FZ_RELAY_REQUEST_BINDING,
  FZ_RELAY_REQUEST_ALLOCATE,
  FZ_RELAY_REQUEST_REFRESH,
  FZ_RELAY_REQUEST_DELETE, /* Refresh with a lifetime of 0 */
  FZ_RELAY_REQUEST_CHANNEL_BIND,
} FzRelayRequestKind;

typedef struct {
  FzRelayRequestKind kind;
  FzSocketAddress to;
  FzStunTransactionId id;
  FzSocketAddress peer; /* CHANNEL_BIND */
  uint16_t channel;     /* CHANNEL_BIND */
  bool had_nonce;       /* in its last transmission */
  unsigned n_challenges;
  FzInstant first_sent; /* RTT counts from here, whichever transmission is answered */
  FzInstant due;        /* next transmission, or the end */
  uint64_t interval_ns;
  uint64_t budget_ns;
} FzRelayRequest;

static inline void
fz_relay_request_start (FzRelayRequest *self, FzInstant now)
{
  self->first_sent = now;
  self->interval_ns = FZ_RELAY_RETRY_NS;
  self->due = fz_instant_add (now, self->interval_ns);
}

/* It is due: true if it is to be sent again, false if it is over. */
static inline bool
fz_relay_request_retry (FzRelayRequest *self, FzInstant now)
{
  if (fz_instant_since (self->first_sent, now) >= self->budget_ns)
    return false;
  self->interval_ns += self->interval_ns / 2;
  self->due = fz_instant_add (self->due, self->interval_ns);
  return true;
}
