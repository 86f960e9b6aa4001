/* fz-drop.c: see the header */

#include "src/base/fz-drop.h"

static const char *const names[FZ_N_DROPS] = {
  [FZ_DROP_NONE] = "none",
  [FZ_DROP_TRUNCATED] = "truncated",
  [FZ_DROP_BAD_LENGTH] = "bad-length",
  [FZ_DROP_BAD_VERSION] = "bad-version",
  [FZ_DROP_BAD_HEADER] = "bad-header",
  [FZ_DROP_BAD_CHECKSUM] = "bad-checksum",
  [FZ_DROP_TOO_LARGE] = "too-large",
  [FZ_DROP_NOT_STUN] = "not-stun",
  [FZ_DROP_NOT_WIREGUARD] = "not-wireguard",
  [FZ_DROP_UNKNOWN_PROTOCOL] = "unknown-protocol",
  [FZ_DROP_BAD_MAC] = "bad-mac",
  [FZ_DROP_BAD_TAG] = "bad-tag",
  [FZ_DROP_REPLAY] = "replay",
  [FZ_DROP_UNKNOWN_INDEX] = "unknown-index",
  [FZ_DROP_UNKNOWN_PEER] = "unknown-peer",
  [FZ_DROP_EXPIRED_KEY] = "expired-key",
  [FZ_DROP_STALE_HANDSHAKE] = "stale-handshake",
  [FZ_DROP_RATE_LIMITED] = "rate-limited",
  [FZ_DROP_UNKNOWN_SOURCE] = "unknown-source",
  [FZ_DROP_STRANGER] = "stranger",
  [FZ_DROP_NO_SESSION] = "no-session",
  [FZ_DROP_NO_ROUTE] = "no-route",
  [FZ_DROP_NOT_TUNNEL_SOURCE] = "not-tunnel-source",
  [FZ_DROP_NOT_ALLOWED] = "not-allowed",
  [FZ_DROP_TO_SELF] = "to-self",
  [FZ_DROP_MULTICAST] = "multicast",
  [FZ_DROP_QUEUE_FULL] = "queue-full",
  [FZ_DROP_NO_BUFFER] = "no-buffer",
  [FZ_DROP_DEVICE] = "device",
  [FZ_DROP_NO_NAT] = "no-nat-session",
  [FZ_DROP_EXPIRED_NAT] = "expired-nat-session",
  [FZ_DROP_CODEL] = "codel",
};

const char *
fz_drop_name (FzDrop drop)
{
  return (unsigned) drop < FZ_N_DROPS ? names[drop] : "unknown";
}
