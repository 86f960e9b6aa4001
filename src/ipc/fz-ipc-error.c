#include "src/ipc/fz-ipc-error.h"

#include <gio/gio.h>

#define NAME(name) "dev.firezone.Client.Tunnel1.Error." name

static const GDBusErrorEntry entries[] = {
  { FZ_IPC_ERROR_NOT_AUTHORIZED, NAME ("NotAuthorized") },
  { FZ_IPC_ERROR_NOT_SIGNED_IN, NAME ("NotSignedIn") },
  { FZ_IPC_ERROR_INVALID_ARGUMENT, NAME ("InvalidArgument") },
  { FZ_IPC_ERROR_BUSY, NAME ("Busy") },
  { FZ_IPC_ERROR_OFFLINE, NAME ("Offline") },
  { FZ_IPC_ERROR_TIMEOUT, NAME ("Timeout") },
  { FZ_IPC_ERROR_UNSUPPORTED, NAME ("Unsupported") },
  { FZ_IPC_ERROR_NOT_OWNER, NAME ("NotOwner") },
  { FZ_IPC_ERROR_FAILED, NAME ("Failed") },
};

GQuark
fz_ipc_error_quark (void)
{
  static gsize quark; /* written once, by whoever comes first */

  g_dbus_error_register_error_domain ("fz-ipc-error", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}
