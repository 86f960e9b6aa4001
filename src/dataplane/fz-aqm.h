/* fz-aqm.h
 *
 * How much standing delay a lane accepts on its two queues: what flows have
 * staged on their way out (fz-flow-queue.h), and the UDP socket on the way in
 * (fz-receive-aqm.h). Chosen by measurement, tests/bench/README.md.
 */
#pragma once

#include "src/dataplane/fz-codel.h"

typedef struct {
  FzCodelConfig transmit;
  FzCodelConfig receive;
} FzAqm;

extern const FzAqm fz_aqm_default;
extern const FzAqm fz_aqm_off; /* never signals: what a measurement compares with */
