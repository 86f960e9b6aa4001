/* fz-view.h
 *
 * What a person wants to see of a client: which way goes to which resource, and
 * how well. Plain values, made on demand; nothing in the engine depends on them.
 * Times are microseconds since 1970, 0 for never.
 */
#pragma once

#include "src/engine/fz-model.h"

typedef enum {
  FZ_REACH_IDLE,       /* nobody has asked for it */
  FZ_REACH_CONNECTING, /* the portal, or the path, is being waited for */
  FZ_REACH_DIRECT,
  FZ_REACH_RELAYED,
  FZ_REACH_OFFLINE, /* no gateway of its sites is online */
  FZ_REACH_DENIED,  /* the portal refused it when it was last asked */
} FzReach;

/* A gateway that we are connected to, or connecting. */
typedef struct {
  FzUuid id;
  FzUuid site_id;
  FzReach reach;          /* CONNECTING, DIRECT or RELAYED */
  FzSocketAddress local;  /* family FZ_IP_NONE before there is a path */
  FzSocketAddress remote; /* likewise */
  FzUuid relay_id;        /* that carries it; zero if none does */
  uint32_t rtt_us;        /* of the last answered check of the path; 0: unknown */
  uint64_t last_handshake_us;
  uint64_t last_activity_us; /* data, either way */
  uint64_t tx_bytes;         /* inside the tunnel */
  uint64_t rx_bytes;
  uint64_t tx_packets;
  uint64_t rx_packets;
} FzGatewayView;

typedef struct {
  FzUuid id;
  FzSocketAddress address; /* the socket that answers; before, the first offered */
  bool is_answering;
  uint32_t rtt_us; /* 0: unknown */
} FzRelayView;
