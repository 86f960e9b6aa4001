/* fz-keypair.h
 *
 * One WireGuard session: two keys, two indices, the send counter and the
 * receive window. Made by the engine when a handshake completes, published
 * through its FzPeer, used by the lanes; retired through FzReclaim and wiped.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/crypto/fz-aead.h"
#include "src/dataplane/fz-replay-window.h"

#include <stdatomic.h>

/* WireGuard paper §6.1; the reject limit leaves room for one replay window */
#define FZ_REKEY_AFTER_MESSAGES  (UINT64_C (1) << 60)
#define FZ_REJECT_AFTER_MESSAGES (UINT64_MAX - FZ_REPLAY_WINDOW_BITS)
#define FZ_REJECT_AFTER_S        180u
/* connectivity.md §2.7: the initiator stops sending 10 s before the peer forgets the keys */
#define FZ_STOP_SENDING_AFTER_S  170u

typedef struct FzKeypair {
  /* read-only after publication */
  FzAeadKey *send_key;
  FzAeadKey *receive_key;
  uint32_t local_index;  /* ours: what the peer puts into its datagrams */
  uint32_t remote_index; /* the peer's */
  bool is_initiator;
  FzInstant created_at;

  /* any sender: fetch_add, relaxed */
  _Alignas(64) _Atomic uint64_t send_counter;

  /* the receiving lane; where several lanes may meet it, the one that holds the lock */
  _Alignas(64) FzReplayWindow window;
  atomic_bool is_window_locked; /* fz_keypair_lock_window, with several lanes */

  /* the receiving lane sets it (release) on the first authenticated packet; engine reads */
  atomic_bool is_confirmed;
} FzKeypair;

/* Takes the keys; @self is zeroed, 64-byte aligned memory of its own. Aborts without memory. */
FzKeypair *fz_keypair_new (FzAeadKey *send_key,
                           FzAeadKey *receive_key,
                           uint32_t local_index,
                           uint32_t remote_index,
                           bool is_initiator,
                           FzInstant created_at);
void fz_keypair_free (FzKeypair *self); /* wipes */

/* Whether packets may still be sent on / accepted from it by its age. */
bool fz_keypair_may_send (const FzKeypair *self, FzInstant now);
bool fz_keypair_may_receive (const FzKeypair *self, FzInstant now);

/**
 * fz_keypair_reserve:
 * @n: number of packets about to be sealed
 *
 * Returns: true and the first of @n consecutive counters; false if the keypair
 *   has reached its message limit (nothing is used up then)
 */
bool fz_keypair_reserve (FzKeypair *self, uint64_t n, uint64_t *out_first);

/**
 * fz_keypair_lock_window:
 *
 * Around every use of the window where there are several lanes. A session has one
 * lane, so the lock is free but for what the kernel brings to another: after a
 * rebind, without steering, on the way from one path to the next. Hold it for one
 * batch of counters, never while packets are opened.
 */
void fz_keypair_lock_window (FzKeypair *self);
void fz_keypair_unlock_window (FzKeypair *self);
