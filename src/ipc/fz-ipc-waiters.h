/* fz-ipc-waiters.h
 *
 * WaitForState: calls whose answer is a state to come. A waiter ends with the state, with its
 * timeout, or with its caller.
 */
#pragma once

#include "src/ipc/fz-ipc-call-private.h"

typedef struct FzIpcWaiters FzIpcWaiters;

FzIpcWaiters *fz_ipc_waiters_new (void);
void fz_ipc_waiters_free (FzIpcWaiters *self); /* the calls are their service's to answer */

/* Takes @call, which has been checked. */
void fz_ipc_waiters_take (FzIpcWaiters *self, FzIpcCall *call, const char *state);

/* The state is @state now. */
void fz_ipc_waiters_tell (FzIpcWaiters *self, const char *state);

void fz_ipc_waiters_drop (FzIpcWaiters *self, const FzIpcCaller *caller);
