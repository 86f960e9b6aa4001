/* fz-replay-window.h
 *
 * Replay protection for one receiving key, after RFC 6479: a ring of bits that
 * slides forward with the newest counter. Owned by the keypair; used by the
 * lane that receives on it only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FZ_REPLAY_WINDOW_BITS 8192u /* packets; covers 10 ms of reordering at 800 kpps */

typedef struct {
  uint64_t next;                             /* newest counter accepted + 1; 0 before the first */
  uint64_t seen[FZ_REPLAY_WINDOW_BITS / 64]; /* bit per counter, modulo the window */
} FzReplayWindow;

/* Cheap test before decryption: false if @counter is certainly too old or seen. */
bool fz_replay_window_may_accept (const FzReplayWindow *window, uint64_t counter);

/* Whether @counter is so old that the window does not remember it. */
bool fz_replay_window_is_behind (const FzReplayWindow *window, uint64_t counter);

/**
 * fz_replay_window_accept:
 * @window: window of the key that authenticated the packet
 * @counter: packet counter in host order
 *
 * Records @counter as seen. Call it only after authentication: otherwise a
 * forged counter could push honest packets out of the window.
 *
 * Returns: true if @counter is new and not older than the window
 */
bool fz_replay_window_accept (FzReplayWindow *window, uint64_t counter);
