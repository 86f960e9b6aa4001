/* fz-ipc-samples.h
 *
 * Diagnostics.Subscribe: a stream of counters per subscriber, sent to it alone, until it says stop
 * or leaves the bus.
 */
#pragma once

#include "src/ipc/fz-ipc-call-private.h"

typedef struct FzIpcSamples FzIpcSamples;

FzIpcSamples *
fz_ipc_samples_new (GDBusConnection *connection, const FzIpcHandlers *handlers, gpointer user_data);
void fz_ipc_samples_free (FzIpcSamples *self);

/* Both take @call, which has been checked. */
void fz_ipc_samples_subscribe (FzIpcSamples *self, FzIpcCall *call);
void fz_ipc_samples_unsubscribe (FzIpcSamples *self, FzIpcCall *call);

void fz_ipc_samples_drop (FzIpcSamples *self, const FzIpcCaller *caller);
