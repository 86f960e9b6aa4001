/* fz-session-ring-private.h
 *
 * The sessions of one tunnel: at most 8, in the slot of their index modulo 8
 * (connectivity.md §2.6). Owns the keypairs that hang in an FzPeer, and is the
 * only code that writes its receiving and sending fields.
 *
 * A new session is receivable at once. The one we send on is `current`; lanes
 * see it from fz_session_ring_publish on. A session that goes is withdrawn from
 * the peer at once and freed when no lane holds it any more.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/dataplane/fz-peer.h"
#include "src/dataplane/fz-reclaim.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  FzPeer *peer;                       /* borrowed */
  FzReclaim *reclaim;                 /* borrowed */
  uint8_t last_index;                 /* low byte of the newest index given out */
  FzKeypair *slots[FZ_PEER_SESSIONS]; /* owned */
  FzKeypair *current;                 /* one of slots, or NULL: nothing to send on */
  FzKeypair *published;               /* what lanes send on: one of slots, or NULL */
} FzSessionRing;

void fz_session_ring_init (FzSessionRing *self, FzPeer *peer, FzReclaim *reclaim);

/* Withdraws and retires every session. The ring may be used again. */
void fz_session_ring_clear (FzSessionRing *self);

/* The index for a new handshake message. The low byte counts 1, 2, … 255, 0, …, but leaves out the
 * slot of the current session: a peer that repeats its initiation cannot push it out. */
uint32_t fz_session_ring_next_index (FzSessionRing *self);

/* Whether a session of this index, given out before, may still be added: its slot is not that of
 * the session that we send on, and its index is this ring's. */
bool fz_session_ring_may_add (const FzSessionRing *self, uint32_t local_index);

/* Takes @keypair, in place of what stood in its slot; it can be received on from now on. */
void fz_session_ring_add (FzSessionRing *self, FzKeypair *keypair);

/* The session of exactly this index, or NULL. */
FzKeypair *fz_session_ring_find (const FzSessionRing *self, uint32_t local_index);

/* The newest session of the peer's making that has seen no packet yet, or NULL. */
const FzKeypair *fz_session_ring_newest_unconfirmed (const FzSessionRing *self);

/* A session of the peer's making that has seen its first packet but is not sent on although it is
 * newer than the current one; NULL if there is none. */
FzKeypair *fz_session_ring_next_confirmed (const FzSessionRing *self);

/* Removes what is FZ_REJECT_AFTER_S old. */
void fz_session_ring_expire (FzSessionRing *self, FzInstant now);
/* When to do so next, up to a second late; FZ_INSTANT_NEVER if empty. */
FzInstant fz_session_ring_next_expiry (const FzSessionRing *self);

/* The session to seal with, NULL if there is none young enough. */
FzKeypair *fz_session_ring_usable (const FzSessionRing *self, FzInstant now);

/* Shows lanes the current session; true if that is a session they did not have. */
bool fz_session_ring_publish (FzSessionRing *self);

unsigned fz_session_ring_count (const FzSessionRing *self);
