/* fz-steering.h
 *
 * Which lane receives a session: a function of the connection id, which is in
 * every datagram of the session and is ours to choose. The engine picks ids so
 * that connections spread evenly, a socket filter (src/runtime/fz-udp-steering.h)
 * brings the datagrams there, and a lane tells by it what should not have come to
 * it. The function is keyed: nobody outside learns from an id which lane it means,
 * so ids tell neither how many connections there are nor in which order they came.
 */
#pragma once

#include <stdint.h>

#define FZ_LANES_MAX 8u

typedef struct {
  uint32_t n_lanes; /* 0 … FZ_LANES_MAX; 0 is like 1 */
  uint32_t key;     /* secret; odd */
} FzSteering;

/* @connection_id: below 2^24. Its bytes in the order in which a filter loads them. */
static inline uint32_t
fz_steering_get_lane (const FzSteering *self, uint32_t connection_id)
{
  uint32_t swapped = __builtin_bswap32 (connection_id) >> 8;

  return self->n_lanes < 2 ? 0 : (swapped * self->key >> 16) % self->n_lanes;
}
