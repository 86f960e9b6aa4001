/* fz-outbox-private.h
 *
 * What a tunnel has to say until it is polled: a few small datagrams, oldest
 * first. When nobody polls, the oldest are lost as they might be on the wire.
 */
#pragma once

#include "src/engine/fz-tunnel.h"

#define FZ_OUTBOX_DATAGRAMS 8u

typedef struct {
  FzTunnelTransmitKind kind;
  FzEndpoint origin; /* RESPONSE */
  size_t length;     /* bytes */
  uint8_t data[FZ_WIREGUARD_HANDSHAKE_MAX];
} FzOutboxItem;

typedef struct {
  FzOutboxItem *items; /* FZ_OUTBOX_DATAGRAMS; NULL: nothing to say, as nearly always */
  size_t first;
  size_t n_items;
} FzOutbox;

/* Room for a datagram of @length bytes, for the caller to fill in at once. */
FzOutboxItem *fz_outbox_add (FzOutbox *self, FzTunnelTransmitKind kind, size_t length);

/* The oldest, which leaves; valid until the next call. */
bool fz_outbox_poll (FzOutbox *self, FzTunnelTransmit *out);
void fz_outbox_clear (FzOutbox *self); /* it may be used again */
