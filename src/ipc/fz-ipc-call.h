/* fz-ipc-call.h
 *
 * One method call that has passed every check: its sender is known, its arguments are within
 * bounds, polkit has said yes. Whoever holds it owes exactly one answer; each of the answering
 * functions takes the call. Main thread.
 */
#pragma once

#include "src/ipc/fz-ipc-error.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FzIpcCall FzIpcCall;

typedef void (*FzIpcHandler) (FzIpcCall *call, gpointer user_data); /* takes @call */

/* -- reading -- */

uint32_t fz_ipc_call_get_uid (const FzIpcCall *self);       /* of the caller */
const char *fz_ipc_call_get_sender (const FzIpcCall *self); /* unique name */
const char *fz_ipc_call_get_method (const FzIpcCall *self); /* "Connect" */

/* (transfer none): the arguments, a tuple of the method's signature. */
GVariant *fz_ipc_call_get_parameters (const FzIpcCall *self);

/* (transfer none): the a{sv} argument, for g_variant_lookup(). It holds only keys and types that
 * the method knows; no text longer than allowed. */
GVariant *fz_ipc_call_get_options (const FzIpcCall *self);

/* The descriptor argument, close-on-exec; the caller's of this function now. -1 if it was taken
 * before. One that is not taken is closed with the call. */
int fz_ipc_call_steal_fd (FzIpcCall *self);

/* Cancelled when the sender leaves the bus; answering is still owed (and goes nowhere). */
GCancellable *fz_ipc_call_get_cancellable (FzIpcCall *self);

/* Whether polkit was asked about @action for this call, and said yes. */
bool fz_ipc_call_is_granted (const FzIpcCall *self, const char *action);

/* -- one answer; takes @self -- */

/* @values: a tuple of the method's results, a floating one is taken; NULL for none. */
void fz_ipc_call_return (FzIpcCall *self, GVariant *values);

/* For methods that return one descriptor. Takes @fd. */
void fz_ipc_call_return_fd (FzIpcCall *self, int fd);

/* Takes @error. FZ_IPC_ERROR and D-Bus's own keep their names, anything else becomes
 * FZ_IPC_ERROR_FAILED with the same text. */
void fz_ipc_call_take_error (FzIpcCall *self, GError *error);

void fz_ipc_call_fail (FzIpcCall *self, FzIpcError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/**
 * fz_ipc_call_authorize:
 * @action: another action that this very call needs, FZ_IPC_ACTION_…
 *
 * Asks polkit; @allowed has the call if it says yes, otherwise the call fails with NotAuthorized.
 */
void fz_ipc_call_authorize (FzIpcCall *self,
                            const char *action,
                            FzIpcHandler allowed,
                            gpointer user_data);
