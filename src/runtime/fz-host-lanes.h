/* fz-host-lanes.h
 *
 * What carries a host's packets: the device, the sockets and the lanes between them, kept in
 * order. Sockets are replaced after a network change, and the device is made again after
 * somebody removed it; the lanes are stopped for that and started again.
 *
 * Engine thread.
 */
#pragma once

#include "src/runtime/fz-driver.h"
#include "src/runtime/fz-host.h"
#include "src/runtime/fz-outbox.h"
#include "src/runtime/fz-tun-queue.h"

/* All borrowed; they outlive it. */
typedef struct {
  const FzHostConfig *host;
  const FzClock *clock;
  FzLadder *ladder;    /* all but the ciphers is set here */
  FzOutbox *outbox;    /* is told of the sockets */
  FzTunWriter *writer; /* is told of the device */

  void (*on_network_change) (gpointer user_data); /* links or routes are others */
  void (*on_restarted) (gpointer user_data);      /* after a replacement all is in order again */

  /* It cannot be repaired, and the log has been told; called once. Takes @error. */
  void (*on_failed) (GError *error, gpointer user_data);

  gpointer user_data;
} FzHostLanesConfig;

typedef struct FzHostLanes FzHostLanes;

FzHostLanes *fz_host_lanes_new (const FzHostLanesConfig *config);
void fz_host_lanes_free (FzHostLanes *self); /* stopped; NULL: nothing */

/* Opens device and sockets. @error: FZ_HOST_ERROR or FZ_PLATFORM_ERROR */
bool fz_host_lanes_open (FzHostLanes *self, FzRng *rng, GError **error);

/* How packets find their lane, and how many there are: known when it is open. */
const FzSteering *fz_host_lanes_get_steering (const FzHostLanes *self);

/* Makes the lanes, whose rings @driver empties from now on, and starts them. */
bool fz_host_lanes_start (
    FzHostLanes *self, FzPublished *published, FzDriver *driver, FzRng *rng, GError **error);

/* False: a lane did not end; see fz_host_stop. Closes everything otherwise. */
bool fz_host_lanes_stop (FzHostLanes *self);
bool fz_host_lanes_is_stopped (const FzHostLanes *self);
bool fz_host_lanes_are_running (const FzHostLanes *self); /* no repair is going on, nor the end */

/* New sockets in place of those that are open. */
void fz_host_lanes_replace_sockets (FzHostLanes *self);

/* The same on another port. False: the port is not ours to choose, or not now. */
bool fz_host_lanes_move_port (FzHostLanes *self);

/* Addresses and routes are to be as @event says, FZ_EVENT_INTERFACE_CHANGED. False: it has failed.
 */
bool fz_host_lanes_set_interface (FzHostLanes *self, const FzEvent *event);

void fz_host_lanes_records_released (FzHostLanes *self); /* wakes whoever waits for it */

/* Acts on what the lanes have reported meanwhile. */
void fz_host_lanes_take_reports (FzHostLanes *self);

/* FZ_LANES_MAX pairs, always the same array. */
const FzUdpPair *fz_host_lanes_get_pairs (const FzHostLanes *self);

/* What lanes, device and the engine's own sending and writing count. */
void fz_host_lanes_add_metrics (const FzHostLanes *self, FzMetrics *metrics);
