/* fz-handshake-times.h
 *
 * How long handshakes of ours took until they were answered, from the first
 * initiation on: a histogram. Belongs to whoever counts.
 */
#pragma once

#include <stdint.h>

#define FZ_N_HANDSHAKE_TIMES 9u /* up to 1, 5, 10, 50, 100, 500 ms, 1, 5 s, longer */

typedef struct {
  uint64_t n[FZ_N_HANDSHAKE_TIMES];
  uint64_t total_ns; /* of all together */
} FzHandshakeTimes;
