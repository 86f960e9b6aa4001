/* fz-ipc-names.h
 *
 * Names of data/dev.firezone.Client.Tunnel1.xml that code on both sides of the bus writes out.
 */
#pragma once

#include <stdint.h>

#define FZ_IPC_BUS_NAME "dev.firezone.Client.Tunnel1"
#define FZ_IPC_PATH     "/dev/firezone/Client/Tunnel1"

#define FZ_IPC_MANAGER     "dev.firezone.Client.Tunnel1.Manager"
#define FZ_IPC_DIAGNOSTICS "dev.firezone.Client.Tunnel1.Diagnostics"
#define FZ_IPC_RESOURCE    "dev.firezone.Client.Tunnel1.Resource"
#define FZ_IPC_GATEWAY     "dev.firezone.Client.Tunnel1.Gateway"
#define FZ_IPC_RELAY       "dev.firezone.Client.Tunnel1.Relay"

#define FZ_IPC_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

#define FZ_IPC_API_MINOR 0u         /* rises with every addition to the interface */
#define FZ_IPC_NO_OWNER  UINT32_MAX /* Manager.Owner without a credential */

/* polkit actions; desktop-integration.md §3 */
#define FZ_IPC_ACTION_CONNECT           "dev.firezone.Client.tunnel1.connect"
#define FZ_IPC_ACTION_DISCONNECT        "dev.firezone.Client.tunnel1.disconnect"
#define FZ_IPC_ACTION_CREDENTIAL        "dev.firezone.Client.tunnel1.credential"
#define FZ_IPC_ACTION_TAKE_OVER         "dev.firezone.Client.tunnel1.take-over"
#define FZ_IPC_ACTION_DIAGNOSTICS       "dev.firezone.Client.tunnel1.diagnostics"
#define FZ_IPC_ACTION_DIAGNOSTICS_OTHER "dev.firezone.Client.tunnel1.diagnostics-other"
#define FZ_IPC_ACTION_CONFIGURE         "dev.firezone.Client.tunnel1.configure"
