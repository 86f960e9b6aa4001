/* fz-aqm.c: see the header */

#include "src/dataplane/fz-aqm.h"

const FzAqm fz_aqm_default = {
  .transmit = { .target_ns = 2 * FZ_MS, .interval_ns = 40 * FZ_MS },
  .receive = { .target_ns = 1 * FZ_MS, .interval_ns = 40 * FZ_MS },
};

const FzAqm fz_aqm_off = {
  .transmit = { .target_ns = FZ_INSTANT_NEVER, .interval_ns = FZ_S },
  .receive = { .target_ns = FZ_INSTANT_NEVER, .interval_ns = FZ_S },
};
