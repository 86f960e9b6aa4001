/* fz-lane-message.h
 *
 * What a lane cannot decide, as a record in its FzRing to the engine thread.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"

#include <stdint.h>

typedef enum {
  FZ_LANE_MESSAGE_DATAGRAM,  /* from the network: handshake, STUN, TURN */
  FZ_LANE_MESSAGE_PACKET,    /* from the TUN: no route, no session, filtered, or for us to answer */
  FZ_LANE_MESSAGE_INNER,     /* decrypted and from a known peer: control message, or refused */
  FZ_LANE_MESSAGE_CONFIRMED, /* first authenticated packet of a keypair we did not initiate */
  FZ_LANE_MESSAGE_ROAMED,    /* static peer: authenticated from a new address */
  FZ_LANE_MESSAGE_ACTIVITY,  /* traffic on a peer that was not watched */
  FZ_LANE_MESSAGE_EXHAUSTED, /* a keypair wants to be replaced: message limit */
} FzLaneMessageKind;

typedef struct {
  uint8_t kind;           /* FzLaneMessageKind */
  uint8_t ecn;            /* outer ECN bits of a datagram */
  uint8_t reason;         /* FzDrop: why an INNER packet was refused; FZ_DROP_NONE for control */
  uint32_t connection_id; /* peer: INNER, CONFIRMED, ROAMED, ACTIVITY, EXHAUSTED */
  uint32_t local_index;   /* keypair: CONFIRMED, EXHAUSTED */
  uint32_t length;        /* bytes that follow */
  FzInstant answered_at;  /* answer to a check: when it came, for it may have waited; else 0 */
  FzSocketAddress from;   /* DATAGRAM, INNER, ROAMED */
  FzSocketAddress to;     /* DATAGRAM, INNER, ROAMED: our address and port */
  uint8_t data[];         /* datagram or IP packet (one packet: super-packets are cut before) */
} FzLaneMessage;
