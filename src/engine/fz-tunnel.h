/* fz-tunnel.h
 *
 * One peer's WireGuard: handshakes, sessions and timers of connectivity.md §2
 * and the WireGuard paper §6, sans-IO. Owned by a connection of the node;
 * engine thread. It never sees a data packet of the fast path: the lanes seal
 * and open with the keypairs that the tunnel hangs into its FzPeer, leave time
 * stamps there, and the tunnel reads those when a deadline comes.
 *
 *   QUIET ──start / rule of §2.7──► SCHEDULED ──jitter over──► AWAITING
 *     ▲            (an explicit start goes to AWAITING at once)  │   │
 *     └──response accepted, or the peer's own session confirmed──┘   │
 *   EXPIRED ◄──attempt time over; 540 s without new keys─────────────┘
 *     └──start, or an initiation accepted──► AWAITING, QUIET
 *
 * Receiving: a new keypair is in its slot before the message that lets the peer
 * use it is handed out. Sending: the newest keypair is used by fz_tunnel_seal
 * at once, but the lanes get it only by fz_tunnel_publish, after the packets
 * that waited in the engine have left.
 *
 * What depends on traffic is evaluated lazily. While FzPeer.is_watched is set
 * the tunnel looks at the stamps at least once per keepalive timeout, which is
 * sooner than any deadline that traffic can create; when nothing happened and
 * nothing is pending it clears is_watched and has no such deadline, until a
 * lane says FZ_LANE_MESSAGE_ACTIVITY. An idle tunnel costs no wake-ups but
 * those of its keys' ages.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-log.h"
#include "src/base/fz-rng.h"
#include "src/base/fz-span.h"
#include "src/crypto/fz-aead.h"
#include "src/dataplane/fz-peer.h"
#include "src/dataplane/fz-reclaim.h"
#include "src/engine/fz-handshake-times.h"
#include "src/engine/fz-identity.h"
#include "src/engine/fz-noise.h"
#include "src/proto/fz-wireguard.h"

#include <glib.h>

/* WireGuard paper §6.1, connectivity.md §2.7 */
#define FZ_REKEY_AFTER_S       120u
#define FZ_EXPIRE_AFTER_S      540u /* 3 × FZ_REJECT_AFTER_S */
#define FZ_REKEY_JITTER_MAX_MS 333u

typedef struct {
  uint32_t rekey_attempt_s;        /* give up a handshake after this long */
  uint32_t rekey_timeout_s;        /* repeat an initiation after this long, and jitter */
  uint32_t keepalive_timeout_s;    /* answer data by a keepalive after this long */
  uint32_t persistent_keepalive_s; /* say something at least this often; 0: off */
  /* Firezone's connections: the initiator renews its keys even without traffic, and 540 s without
   * new keys end the tunnel. A bare peer just falls silent. */
  bool is_standing;
} FzTunnelProfile;

extern const FzTunnelProfile fz_tunnel_profile_bare;    /* 90/5/10 */
extern const FzTunnelProfile fz_tunnel_profile_ice;     /* 20/5/10, standing */
extern const FzTunnelProfile fz_tunnel_profile_iceless; /* 90/2/5, standing */

/* Shared by a node's tunnels. */
typedef struct {
  uint64_t handshakes_started;   /* initiations written, repetitions too */
  uint64_t handshakes_received;  /* initiations accepted */
  uint64_t handshakes_completed; /* sessions that we may send on */
  FzHandshakeTimes handshake_times;
  uint64_t cookies_received;
  uint64_t keepalives_sent;
} FzTunnelCounters;

typedef struct {
  const FzIdentity *identity;   /* borrowed, outlives the tunnel */
  const uint8_t *public_key;    /* the peer's, FZ_KEY_SIZE bytes, copied */
  const uint8_t *preshared_key; /* FZ_KEY_SIZE bytes, copied; NULL: none */
  FzPeer *peer; /* borrowed, outlives the tunnel; its keypairs and stamps are the tunnel's, its
                   connection_id the upper 24 bits of our indices */
  FzTunnelProfile profile;
  FzAead *aead;               /* borrowed: the engine thread's */
  FzReclaim *reclaim;         /* borrowed: where replaced keypairs go */
  FzRng rng;                  /* copied; its context outlives the tunnel */
  FzLog log;                  /* copied */
  FzTunnelCounters *counters; /* borrowed; NULL: not counted */
  uint64_t unix_ns_at_zero;   /* wall clock at FzInstant 0, for the time stamps */
} FzTunnelConfig;

typedef struct FzTunnel FzTunnel;

/* NULL if no handshake can be made with @config->public_key (a low-order point). */
FzTunnel *fz_tunnel_new (const FzTunnelConfig *config, FzInstant now);

/* Takes the keypairs out of the peer and retires them; wipes. */
void fz_tunnel_free (FzTunnel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzTunnel, fz_tunnel_free)

/* -- input: messages that passed fz_identity_admit (cookie replies need not); @origin says where
 * from (remote), to which of our addresses (local), and through which channel -- */

/**
 * fz_tunnel_begin_response:
 * @initiation: of @message, from fz_noise_open_initiation
 * @out: for fz_noise_write_response, on whatever thread; then fz_tunnel_finish_response
 *
 * Returns: FZ_DROP_NONE if @message is to be answered, and from now on no other is that is not
 *   newer. FZ_DROP_BAD_TAG, FZ_DROP_STALE_HANDSHAKE (replayed or reordered) or
 *   FZ_DROP_RATE_LIMITED otherwise, and nothing has changed
 */
FzDrop fz_tunnel_begin_response (FzTunnel *self,
                                 const FzWireguardMessage *message,
                                 FzNoiseInitiation *initiation,
                                 FzInstant now,
                                 FzNoiseAnswer *out);

/**
 * fz_tunnel_finish_response:
 * @response: as fz_noise_write_response has made it; gets its macs
 *
 * The session exists, and a response is ready to be polled. The tunnel may be another than the
 * one that began, so it looks again: FZ_DROP_UNKNOWN_PEER; FZ_DROP_STALE_HANDSHAKE if it has
 * moved on so far that the session's place is taken.
 */
FzDrop fz_tunnel_finish_response (FzTunnel *self,
                                  const FzNoiseInitiation *initiation,
                                  uint32_t local_index,
                                  const FzNoiseKeys *keys,
                                  uint8_t response[FZ_WIREGUARD_RESPONSE_SIZE],
                                  const FzEndpoint *origin,
                                  FzInstant now);
FzDrop fz_tunnel_handle_response (FzTunnel *self,
                                  const FzWireguardMessage *message,
                                  const FzEndpoint *origin,
                                  FzInstant now);
FzDrop
fz_tunnel_handle_cookie_reply (FzTunnel *self, const FzWireguardMessage *message, FzInstant now);

/* -- input: what lanes say -- */
void fz_tunnel_handle_confirmed (FzTunnel *self, uint32_t local_index, FzInstant now);
void fz_tunnel_handle_exhausted (FzTunnel *self, uint32_t local_index, FzInstant now);
void fz_tunnel_handle_activity (FzTunnel *self, FzInstant now);

/* -- input: time and wishes -- */

/**
 * fz_tunnel_start_handshake:
 *
 * Sends an initiation now, without jitter. When one may be wanted at all is the
 * caller's affair (connectivity.md §2.8), and so is the 20 s rule.
 *
 * Returns: false if one is out already; a scheduled one is sent at once
 */
bool fz_tunnel_start_handshake (FzTunnel *self, FzInstant now);
void fz_tunnel_handle_timeout (FzTunnel *self, FzInstant now);
FzInstant fz_tunnel_next_timeout (const FzTunnel *self); /* FZ_INSTANT_NEVER if none */

/* -- output -- */

typedef enum {
  FZ_TUNNEL_SENDS_INITIATION, /* to the peer */
  FZ_TUNNEL_SENDS_RESPONSE,   /* a reply to a message from origin */
  FZ_TUNNEL_SENDS_KEEPALIVE,  /* to the peer */
} FzTunnelTransmitKind;

typedef struct {
  FzTunnelTransmitKind kind;
  FzEndpoint origin; /* RESPONSE: where the initiation came from; else all zero */
  FzSpan data;       /* valid until the next call on the tunnel */
} FzTunnelTransmit;

/* In the order in which they are to leave. */
bool fz_tunnel_poll_transmit (FzTunnel *self, FzTunnelTransmit *out);

typedef enum {
  /* There is a new session to send on: seal what waited, then fz_tunnel_publish. Comes for the
   * initiator with the response, for the responder with the first authenticated packet. */
  FZ_TUNNEL_EVENT_SESSION,
  FZ_TUNNEL_EVENT_ROAMED,  /* peer is_roaming: its endpoint was set to a handshake's origin */
  FZ_TUNNEL_EVENT_EXPIRED, /* all keys are gone; a connection must fail */
} FzTunnelEvent;

bool fz_tunnel_poll_event (FzTunnel *self, FzTunnelEvent *out);

/* Lets the lanes send on the newest session, once what waited for it has been sent. True if they
 * did not have it yet. */
bool fz_tunnel_publish (FzTunnel *self);

/**
 * fz_tunnel_seal:
 * @packet: IP packet, up to 64 KiB; empty: a keepalive
 * @out: room for @packet's length + FZ_WIREGUARD_DATA_OVERHEAD bytes, which are then the datagram
 *
 * For packets of the slow path. Uses the newest session, published or not, and
 * leaves the stamps a lane would leave.
 *
 * Returns: FZ_DROP_NONE; FZ_DROP_NO_SESSION, also past the session's age or
 *   message limit
 */
FzDrop fz_tunnel_seal (FzTunnel *self, FzSpan packet, FzInstant now, uint8_t *out);

/* -- what is observable -- */
bool fz_tunnel_can_send (const FzTunnel *self, FzInstant now);
bool fz_tunnel_is_handshaking (const FzTunnel *self);     /* scheduled or out */
unsigned fz_tunnel_count_sessions (const FzTunnel *self); /* keys that we would still open with */
const uint8_t *fz_tunnel_get_public_key (const FzTunnel *self); /* the peer's */
