/* fz-totals.h
 *
 * Traffic since the connection began, as one number per direction: gateways
 * come and go with their counts, and a person's graph must never fall. A plain
 * value.
 */
#pragma once

#include "src/ipc/fz-ipc-service.h"
#include "src/session/fz-session.h"

typedef struct {
  GHashTable *last; /* FzUuid -> what its gateway had said last */
  FzIpcSample sum;
} FzTotals;

void fz_totals_init (FzTotals *self);
void fz_totals_clear (FzTotals *self);
void fz_totals_reset (FzTotals *self); /* a new connection */

/* @views: of this moment. */
void fz_totals_update (FzTotals *self, const FzGatewayView *views, size_t n_views);
