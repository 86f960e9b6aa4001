/* fz-traffic-private.h
 *
 * What a tunnel knows of its traffic: the stamps in its FzPeer, which lanes
 * write, and whether somebody looks at them. Part of an FzTunnel.
 *
 * A stamp made after a look can ask for nothing sooner than a keepalive timeout
 * later, so while is_watched is set one look per timeout misses no deadline.
 * After as long without traffic, and with nothing unanswered, watching ends:
 * the next packet makes its lane say FZ_LANE_MESSAGE_ACTIVITY.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/dataplane/fz-peer.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  FzPeer *peer;         /* borrowed */
  FzInstant sent_at;    /* anything the engine sent to this peer */
  uint64_t newest;      /* newest stamp when last looked at */
  FzInstant busy_since; /* when it was last seen to change */
  FzInstant look_at;    /* when to look again; FZ_INSTANT_NEVER: not watched */
} FzTraffic;

void fz_traffic_init (FzTraffic *self, FzPeer *peer, FzInstant now);
void fz_traffic_clear (FzTraffic *self); /* nothing is owed or awaited any more */

/* Of the engine's own messages. Any authenticated message, a handshake too, tells the other side
 * that we are there; @is_data: a packet, which wants an answer. */
void fz_traffic_note_sent (FzTraffic *self, bool is_data, FzInstant now);
void fz_traffic_note_received (FzTraffic *self, FzInstant now);

/* Instants; 0: never, or nothing unanswered. */
uint64_t fz_traffic_get_sent_data_at (const FzTraffic *self);
uint64_t fz_traffic_get_received_data_at (const FzTraffic *self);
uint64_t fz_traffic_get_unanswered_sent_at (const FzTraffic *self);
uint64_t fz_traffic_get_unanswered_received_at (const FzTraffic *self);
FzInstant fz_traffic_get_last_sent_at (const FzTraffic *self); /* engine or lane, data or not */

/* Takes a look; sets look_at. @timeout_ns: the keepalive timeout. */
void fz_traffic_watch (FzTraffic *self, uint64_t timeout_ns, FzInstant now);
