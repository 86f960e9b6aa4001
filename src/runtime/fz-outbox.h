/* fz-outbox.h
 *
 * The engine's own datagrams on their way out: handshakes, checks, relay control,
 * packets that waited for a session. Each is sent at once; where its socket is full
 * it waits here, in order and bounded, and the main loop sends it when the kernel says
 * that there is room. Nobody ever waits for the socket, and one family does not wait for the
 * other.
 *
 * What a lane sends meanwhile may pass what waits: to the peer that is a network that reorders,
 * and better than losing a handshake.
 *
 * Belongs to the thread of the default main context.
 */
#pragma once

#include "src/engine/fz-engine.h"
#include "src/runtime/fz-clock.h"
#include "src/runtime/fz-udp-send.h"

#define FZ_OUTBOX_MAX 256u /* datagrams that wait, per family; the next ones are lost */

typedef struct FzOutbox FzOutbox;

typedef struct {
  uint64_t waited;       /* datagrams that were not sent at once */
  uint64_t lost_full;    /* too many waited already */
  uint64_t lost_sockets; /* the sockets were taken away, or not there yet */
} FzOutboxCounters;

FzOutbox *fz_outbox_new (const FzIo *io, const FzClock *clock); /* both outlive it */
void fz_outbox_free (FzOutbox *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzOutbox, fz_outbox_free)

/* @pair: outlives its use; what waits for the old ones goes out through it. NULL: there are none
 * for now, and what waits is lost. Call it before the old ones are closed. */
void fz_outbox_set_sockets (FzOutbox *self, const FzUdpPair *pair);

/* Sends @transmit, or copies it to send it later. */
void fz_outbox_send (FzOutbox *self, const FzTransmit *transmit);

/* Waits until everything has been sent, at most @limit_ms: for goodbyes, before the end. */
void fz_outbox_drain (FzOutbox *self, unsigned limit_ms);

const FzOutboxCounters *fz_outbox_get_counters (const FzOutbox *self);
const FzSendCounters *fz_outbox_get_send_counters (const FzOutbox *self, FzUdpFamily family);
