/* fz-host-sockets.h
 *
 * The sockets of a host's lanes, as its configuration wants them: opened at the start, and
 * replaced after a network change. New ones are opened beside the old ones and take over
 * from them, so that no datagram finds the port closed; where the system does not allow
 * that, the old ones are closed and a repair opens them again.
 *
 * Engine thread; but for fz_host_sockets_prepare no lane runs when something changes.
 */
#pragma once

#include "src/runtime/fz-host.h"
#include "src/runtime/fz-lanes.h"
#include "src/runtime/fz-outbox.h"
#include "src/runtime/fz-udp-socket.h"

typedef struct FzHostSockets FzHostSockets;

/* @config: copied. @outbox: borrowed; the engine sends by the first lane's pair. */
FzHostSockets *fz_host_sockets_new (const FzHostConfig *config, FzOutbox *outbox);
void fz_host_sockets_free (FzHostSockets *self); /* closes first */

/* Nothing to do while they are open. @steering: says for how many lanes. @error:
 * FZ_HOST_ERROR_SOCKET
 */
bool fz_host_sockets_open (FzHostSockets *self, const FzSteering *steering, GError **error);
void fz_host_sockets_close (FzHostSockets *self);

/* FZ_LANES_MAX pairs; always the same array, closed pairs while there are none. */
const FzUdpPair *fz_host_sockets_get_pairs (const FzHostSockets *self);

/* Opens successors, if the system allows it, while the lanes still run on what is there. */
void fz_host_sockets_prepare (FzHostSockets *self);
void fz_host_sockets_abandon (FzHostSockets *self); /* no change after all */

/* From the next fz_host_sockets_open on any port will do. False: the configuration wants its own.
 */
bool fz_host_sockets_leave_port (FzHostSockets *self);

/**
 * fz_host_sockets_change:
 * @lanes: halted; what lies in the old sockets is dealt with by them. NULL: there is no device for
 * it
 *
 * What was prepared takes over; else there are none until fz_host_sockets_open.
 */
void fz_host_sockets_change (FzHostSockets *self, FzLanes *lanes);
