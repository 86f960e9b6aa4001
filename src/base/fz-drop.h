/* fz-drop.h
 *
 * Why a packet or datagram was not used. Parsers and the packet path return
 * one of these; it is counted, never logged above trace.
 */
#pragma once

typedef enum {
  FZ_DROP_NONE, /* not dropped */

  /* shape */
  FZ_DROP_TRUNCATED,
  FZ_DROP_BAD_LENGTH,
  FZ_DROP_BAD_VERSION,
  FZ_DROP_BAD_HEADER,
  FZ_DROP_BAD_CHECKSUM,
  FZ_DROP_TOO_LARGE,
  FZ_DROP_NOT_STUN,
  FZ_DROP_NOT_WIREGUARD,
  FZ_DROP_UNKNOWN_PROTOCOL,

  /* authenticity */
  FZ_DROP_BAD_MAC,
  FZ_DROP_BAD_TAG,
  FZ_DROP_REPLAY,
  FZ_DROP_UNKNOWN_INDEX,
  FZ_DROP_UNKNOWN_PEER,
  FZ_DROP_EXPIRED_KEY,
  FZ_DROP_STALE_HANDSHAKE,
  FZ_DROP_RATE_LIMITED,
  FZ_DROP_UNKNOWN_SOURCE,
  FZ_DROP_STRANGER, /* STUN or ChannelData of somebody we did not write to: too many of those */

  /* state and policy */
  FZ_DROP_NO_SESSION,
  FZ_DROP_NO_ROUTE,
  FZ_DROP_NOT_TUNNEL_SOURCE,
  FZ_DROP_NOT_ALLOWED,
  FZ_DROP_TO_SELF,
  FZ_DROP_MULTICAST,
  FZ_DROP_QUEUE_FULL,
  FZ_DROP_NO_BUFFER,
  FZ_DROP_DEVICE,
  FZ_DROP_NO_NAT,      /* proxy address without session: the engine makes one */
  FZ_DROP_EXPIRED_NAT, /* answer to a session that has ended */
  FZ_DROP_CODEL,       /* its queue stands too long: a signal to the sender, fz-codel.h */

  FZ_N_DROPS,
} FzDrop;

/* Stable lower-case name with hyphens, for counters and logs: "bad-tag". */
const char *fz_drop_name (FzDrop drop);
