/* fz-io-metrics.h
 *
 * Families and names for what is counted where packets enter and leave the process: UDP
 * sockets and the tunnel device, of a lane or of the engine. What a counter means is said
 * where it is declared, and in the family's help.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/runtime/fz-metrics.h"
#include "src/runtime/fz-tun-queue.h"
#include "src/runtime/fz-udp-receive.h"
#include "src/runtime/fz-udp-send.h"

extern const FzMetricBounds fz_io_lengths; /* how many travel at a time */

void fz_io_metrics_add_send (FzMetrics *metrics,
                             const char *prefix,
                             FzUdpFamily which,
                             const FzSendCounters *counters);
void fz_io_metrics_add_receive (FzMetrics *metrics,
                                FzUdpFamily which,
                                const FzReceiveCounters *counters);
void fz_io_metrics_add_tun_read (FzMetrics *metrics, const FzTunCounters *counters);
void
fz_io_metrics_add_tun_write (FzMetrics *metrics, const char *prefix, const FzTunCounters *counters);

/* @statistics: what the kernel says of the device; NULL: it is not there. */
void fz_io_metrics_add_device (FzMetrics *metrics,
                               const FzTunStatistics *statistics,
                               uint64_t n_reopened);
