/* fz-driver.h
 *
 * Turns the default main context for one engine: its timer, the lanes' rings,
 * its handshakes' arithmetic, and its outputs in the order that fz-engine.h asks
 * for. Knows nothing of sockets or devices; what comes out goes to the sinks.
 *
 * A handshake that comes alone is computed right here: handing it over and back,
 * twice, would cost the peer that waits some 100 us, and the loop has nothing
 * better to do. Of those that come together only one a turn is; the others go to
 * the workers, so that the loop never stands for longer than one takes.
 *
 * Belongs to the thread of the default main context.
 */
#pragma once

#include "src/base/fz-ring.h"
#include "src/engine/fz-engine.h"
#include "src/runtime/fz-bell.h"
#include "src/runtime/fz-clock.h"

#define FZ_DRIVER_RINGS_MAX 16u
#define FZ_DRIVER_TURN_LIMIT                                                                       \
  64u /* records per turn, so that the rest of the loop gets its chance */

typedef struct {
  void (*transmit) (void *context, const FzTransmit *transmit);
  void (*packet) (void *context, FzSpan packet); /* for the TUN */
  void (*event) (void *context, const FzEvent *event);
  void (*released) (void *context); /* ring records were released: wake lanes that wait */
  void (*turn) (void *context);     /* once per turn, last: take reports */
  void *context;
} FzDriverSinks;

typedef struct FzDriver FzDriver;

/* Everything is borrowed and outlives the driver. NULL with errno set. */
FzDriver *fz_driver_new (FzEngine *engine,
                         FzPublished *published,
                         const FzClock *clock,
                         const FzDriverSinks *sinks,
                         unsigned n_cpus); /* how many there are to compute with */
void fz_driver_free (FzDriver *self);

void fz_driver_add_ring (FzDriver *self, FzRing *ring); /* outlives the driver */
FzBell *fz_driver_get_bell (FzDriver *self);            /* what lanes ring */

/* After any handle_ call from outside: takes the outputs, sets the timer. */
void fz_driver_settle (FzDriver *self);

/* Handles whatever lies in the rings, without limit: the lanes have stopped. */
void fz_driver_drain_rings (FzDriver *self);
