/* fz-ipc-error.h
 *
 * The errors of dev.firezone.Client.Tunnel1, registered with GDBus: a GError of this domain crosses
 * the bus as dev.firezone.Client.Tunnel1.Error.NAME and arrives as the same code.
 */
#pragma once

#include <glib.h>

#define FZ_IPC_ERROR (fz_ipc_error_quark ())

typedef enum {
  FZ_IPC_ERROR_NOT_AUTHORIZED,   /* polkit says no, or may not ask */
  FZ_IPC_ERROR_NOT_SIGNED_IN,    /* there is no credential */
  FZ_IPC_ERROR_INVALID_ARGUMENT, /* out of range, unknown option, a wrong kind of descriptor */
  FZ_IPC_ERROR_BUSY,             /* one caller wants too much */
  FZ_IPC_ERROR_OFFLINE,          /* needs the portal, which is not reached */
  FZ_IPC_ERROR_TIMEOUT,          /* WaitForState */
  FZ_IPC_ERROR_UNSUPPORTED,      /* this build or machine cannot */
  FZ_IPC_ERROR_NOT_OWNER,        /* another user's tunnel, and polkit's take-over says no */
  FZ_IPC_ERROR_FAILED,           /* something of the service's own; the call was good */
} FzIpcError;

/* Registers the names at the first call; a client calls it once before its first reply arrives. */
GQuark fz_ipc_error_quark (void);
