/* fz-rate-limiter.h
 *
 * How many handshake messages a node works on. Up to a limit per second all
 * of them (connectivity.md §2.8); past it the node is under load: only senders
 * that prove their address (mac2) are served, and of those each source prefix
 * only so many a second (dataplane.md §20), so that one of them cannot starve
 * the rest. Windows of one second that reset lazily on use: no timer.
 *
 * Fixed memory: sources share a small table of counters by a keyed hash, so an
 * attacker can neither make it grow nor aim at a neighbour's counter.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"

#include <stdbool.h>
#include <stdint.h>

#define FZ_HANDSHAKES_PER_S        100u /* per node; connectivity.md §2.8 */
#define FZ_HANDSHAKES_PER_SOURCE_S 20u  /* per IPv4 address or IPv6 /64, under load */
#define FZ_RATE_LIMITER_SLOTS      1024u

typedef struct {
  uint32_t limit_per_s;
  FzInstant window_start; /* FZ_INSTANT_NEVER before the first message */
  uint32_t n_in_window;
  uint8_t key[32]; /* of the hash that spreads the sources */
  uint8_t sources[FZ_RATE_LIMITER_SLOTS];
} FzRateLimiter;

void fz_rate_limiter_init (FzRateLimiter *self, uint32_t limit_per_s, const uint8_t key[32]);

/* Counts one message; true while the node is not under load. */
bool fz_rate_limiter_take (FzRateLimiter *self, FzInstant now);

/* Counts one message of a proven source while under load; false if it had its share. */
bool fz_rate_limiter_take_source (FzRateLimiter *self, const FzIp *source, FzInstant now);
