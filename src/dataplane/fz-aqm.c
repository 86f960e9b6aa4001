/* fz-aqm.c: see the header
 *
 * Milliseconds out + in, what a ping takes beside eight flows (p50, p99), and what eight flows
 * each way send again in four seconds:
 *
 *   2/40 + 1/40     0.9    3.6      48
 *   2/100 + 1/100   0.9    4.2     345
 *   4/100 + 2/100   7.0   11.4     370
 *   5/100 + 5/100  12.4   24.3    3990
 *
 * Goodput of one flow with the first against no queue management, at round trips of 0.1, 20 and
 * 100 ms: 1.01, 0.99, 1.00. It loses nothing there: what CoDel would have to hold is then on the
 * wire, not here.
 */

#include "src/dataplane/fz-aqm.h"

const FzAqm fz_aqm_default = {
  .transmit = { .target_ns = 2 * FZ_MS, .interval_ns = 40 * FZ_MS },
  .receive = { .target_ns = 1 * FZ_MS, .interval_ns = 40 * FZ_MS },
};

const FzAqm fz_aqm_off = {
  .transmit = { .target_ns = FZ_INSTANT_NEVER, .interval_ns = FZ_S },
  .receive = { .target_ns = FZ_INSTANT_NEVER, .interval_ns = FZ_S },
};
