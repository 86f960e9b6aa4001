/* fz-tunnel-private.h
 *
 * What a tunnel consists of, for fz-tunnel.c, which changes it, and fz-tunnel-due.c, which
 * says when something is due.
 */
#pragma once

#include "src/engine/fz-session-ring-private.h"
#include "src/engine/fz-traffic-private.h"
#include "src/engine/fz-tunnel-outbox.h"
#include "src/engine/fz-tunnel.h"

/* connectivity.md §2.4: initiations that may still be answered */
#define FZ_TUNNEL_OUTSTANDING_MAX 2u

typedef enum {
  FZ_TUNNEL_QUIET,     /* no handshake of ours; deadlines: ages, traffic */
  FZ_TUNNEL_SCHEDULED, /* an initiation goes out when its jitter is over */
  FZ_TUNNEL_AWAITING,  /* an initiation is out; deadlines: repeat, give up */
  FZ_TUNNEL_EXPIRED,   /* no keys and no attempt to get some */
} FzTunnelState;

/* In locked memory. */
typedef struct {
  FzNoisePeer noise;
  FzCookieJar jar;
} FzTunnelSecrets;

/* In locked memory, for as long as there are any: newest first. */
typedef struct {
  FzNoiseHandshake handshakes[FZ_TUNNEL_OUTSTANDING_MAX];
  size_t n;
} FzTunnelOutstanding;

struct FzTunnel {
  const FzIdentity *identity;
  FzPeer *peer;
  FzTunnelProfile profile;
  FzAead *aead;
  FzRng rng;
  FzLog log;
  FzTunnelCounters *counters;
  FzTunnelCounters *own_counters; /* owned; NULL: config's */
  uint64_t unix_ns_at_zero;
  FzTunnelSecrets *secrets;
  FzTunnelOutstanding *outstanding; /* our initiations that may still be answered; NULL: none */

  /* our handshakes */
  FzTunnelState state;
  FzInstant first_attempt_at; /* SCHEDULED, AWAITING; NEVER: none was made yet */
  FzInstant last_attempt_at;  /* AWAITING */
  FzInstant scheduled_at;     /* SCHEDULED */
  uint64_t last_stamp_ns;     /* unix time in our latest initiation */

  /* the peer's */
  uint8_t greatest_timestamp[FZ_TAI64N_SIZE];
  FzInstant initiation_accepted_at; /* NEVER: none yet */

  /* sessions */
  FzSessionRing sessions;
  bool was_initiator;   /* of the latest current session */
  FzInstant renewed_at; /* latest session, or when the tunnel was made or started anew */

  FzTraffic traffic;

  FzInstant next; /* what next_timeout answers */

  /* output */
  FzTunnelOutbox outbox;
  uint32_t events; /* bit per FzTunnelEvent */
};

/* All deadlines: FZ_INSTANT_NEVER where there is none. */

/* When a handshake is wanted, as far as the stamps of this moment tell. */
FzInstant fz_tunnel_handshake_due_at (const FzTunnel *self, FzInstant now);

/* An answer to data, when there is no data to answer with. */
FzInstant fz_tunnel_passive_keepalive_due_at (const FzTunnel *self);
FzInstant fz_tunnel_persistent_keepalive_due_at (const FzTunnel *self);

FzInstant fz_tunnel_repetition_due_at (const FzTunnel *self); /* AWAITING */
FzInstant fz_tunnel_attempt_ends_at (const FzTunnel *self);
FzInstant fz_tunnel_keys_end_at (const FzTunnel *self);

/* The earliest at which to look again. */
FzInstant fz_tunnel_find_deadline (const FzTunnel *self, FzInstant now);
