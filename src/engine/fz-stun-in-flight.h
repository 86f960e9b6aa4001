/* fz-stun-in-flight.h
 *
 * Which connection asked: transaction ids of binding requests that were sent
 * and not yet answered (connectivity.md §6). An entry stays until an authentic
 * answer has come, 10 s at most, so that a forged one, from somebody who saw the
 * request, cannot keep the peer's from being heard. It names its connection by
 * number, so that it may outlive it harmlessly.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/proto/fz-stun.h"

#include <glib.h>

#define FZ_STUN_IN_FLIGHT_S 10u

typedef struct FzStunInFlight FzStunInFlight;

FzStunInFlight *fz_stun_in_flight_new (void);
void fz_stun_in_flight_free (FzStunInFlight *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzStunInFlight, fz_stun_in_flight_free)

/* Forgets what has got too old; at FZ_STUN_IN_FLIGHT_MAX the oldest goes. */
void fz_stun_in_flight_add (FzStunInFlight *self,
                            const FzStunTransactionId *id,
                            uint32_t connection_id,
                            FzInstant now);

/* Who asked; false for an unknown, used or expired id. The entry stays: what came may be forged. */
bool fz_stun_in_flight_find (FzStunInFlight *self,
                             const FzStunTransactionId *id,
                             FzInstant now,
                             uint32_t *out_connection_id);

/* The answer was authentic: the id is used now. Unknown ones are no harm. */
void fz_stun_in_flight_remove (FzStunInFlight *self, const FzStunTransactionId *id);
void fz_stun_in_flight_clear (FzStunInFlight *self);
size_t fz_stun_in_flight_get_count (const FzStunInFlight *self);
