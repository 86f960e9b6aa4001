/* fz-tunnel-outbox.h
 *
 * What a tunnel has to say until it is polled: a few small datagrams, oldest
 * first. When nobody polls, the oldest are lost as they might be on the wire.
 */
#pragma once

#include "src/engine/fz-tunnel.h"

#define FZ_TUNNEL_OUTBOX_DATAGRAMS 8u /* of the ring */

typedef struct {
  FzTunnelTransmitKind kind;
  FzEndpoint origin; /* RESPONSE */
  size_t length;     /* bytes */
  uint8_t data[FZ_WIREGUARD_HANDSHAKE_MAX];
} FzTunnelOutboxItem;

typedef struct {
  FzTunnelOutboxItem *items; /* a ring; NULL: nothing to say, as nearly always */
  size_t first;
  size_t n_items;
} FzTunnelOutbox;

/* Room for a datagram of @length bytes, for the caller to fill in at once. */
FzTunnelOutboxItem *
fz_tunnel_outbox_add (FzTunnelOutbox *self, FzTunnelTransmitKind kind, size_t length);

/* The oldest, which leaves; valid until the next call. */
bool fz_tunnel_outbox_poll (FzTunnelOutbox *self, FzTunnelTransmit *out);
void fz_tunnel_outbox_clear (FzTunnelOutbox *self); /* it may be used again */
