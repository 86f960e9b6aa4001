/* fz-io-metrics.c: see the header */

#include "src/runtime/fz-io-metrics.h"

#include "src/runtime/fz-metric-rows.h"

const FzMetricBounds fz_io_lengths = {
  5,
  { "1", "4", "16", "32" },
  { "length_1", "length_2_4", "length_5_16", "length_17_32", "length_33_64" },
};

/* -- UDP -- */

static const FzMetricRow send_rows[] = {
  { FZ_COUNTER_FAMILY ("udp_send_calls", "System calls that sent."),
    "calls",
    offsetof (FzSendCounters, calls) },
  { FZ_COUNTER_FAMILY ("udp_sent_messages",
                       "Messages sent; a train is one where the kernel segments."),
    "messages",
    offsetof (FzSendCounters, messages) },
  { FZ_COUNTER_FAMILY ("udp_sent_datagrams", "Datagrams sent."),
    "datagrams",
    offsetof (FzSendCounters, datagrams) },
  { FZ_COUNTER_FAMILY ("udp_sent_bytes", "Bytes of UDP payload sent."),
    "bytes",
    offsetof (FzSendCounters, bytes) },
  { FZ_COUNTER_FAMILY ("udp_send_partial", "Calls that sent some of their messages only."),
    "partial",
    offsetof (FzSendCounters, partial) },
  { FZ_COUNTER_FAMILY ("udp_send_blocked", "Calls that sent nothing for want of room (EAGAIN)."),
    "blocked",
    offsetof (FzSendCounters, blocked) },
  { FZ_COUNTER_FAMILY ("udp_segmentation_refused",
                       "Trains that the kernel would not cut; sent singly instead."),
    "demotions",
    offsetof (FzSendCounters, demotions) },
};

void
fz_io_metrics_add_send (FzMetrics *metrics,
                        const char *prefix,
                        FzUdpFamily which,
                        const FzSendCounters *counters)
{
  static const char *const reasons[FZ_N_SEND_ERRORS] = {
    [FZ_SEND_ERROR_NO_BUFFER] = "no-buffer",
    [FZ_SEND_ERROR_TOO_LARGE] = "too-large",
    [FZ_SEND_ERROR_UNREACHABLE] = "unreachable",
    [FZ_SEND_ERROR_NO_SOCKET] = "no-socket",
    [FZ_SEND_ERROR_OTHER] = "other",
  };
  static const FzMetricFamily lost =
      FZ_COUNTER_FAMILY ("udp_send_lost_datagrams", "Datagrams that could not be sent.");
  static const FzMetricFamily errors =
      FZ_COUNTER_FAMILY ("udp_send_errors", "Messages that the kernel refused.");
  FzMetricLabel family = { "family", which == FZ_UDP_V4 ? "v4" : "v6" };

  FZ_METRICS_ADD_ROWS (metrics, send_rows, counters, FZ_METRIC_LABELS (family), prefix);
  for (int i = 0; i < FZ_N_SEND_ERRORS; i++) {
    char flat[FZ_METRIC_NAME_MAX];

    g_snprintf (flat, sizeof flat, "lost_%s", reasons[i]);
    fz_metrics_add (metrics,
                    &lost,
                    FZ_METRIC_LABELS (family, { "reason", reasons[i] }),
                    prefix,
                    flat,
                    fz_metric_load (&counters->lost[i]));
  }
  fz_metrics_add_errors (metrics, &errors, &counters->errors, family, prefix);
}

static const FzMetricRow receive_rows[] = {
  { FZ_COUNTER_FAMILY ("udp_receive_calls", "System calls that received, or found nothing."),
    "calls",
    offsetof (FzReceiveCounters, calls) },
  { FZ_COUNTER_FAMILY ("udp_received_buffers",
                       "Buffers received; one holds several datagrams with GRO."),
    "buffers",
    offsetof (FzReceiveCounters, buffers) },
  { FZ_COUNTER_FAMILY ("udp_received_datagrams", "Datagrams received."),
    "datagrams",
    offsetof (FzReceiveCounters, datagrams) },
  { FZ_COUNTER_FAMILY ("udp_received_bytes", "Bytes of UDP payload received."),
    "bytes",
    offsetof (FzReceiveCounters, bytes) },
  { FZ_COUNTER_FAMILY ("udp_receive_truncated_buffers",
                       "Buffers dropped: longer than what was read."),
    "truncated",
    offsetof (FzReceiveCounters, truncated) },
  { FZ_COUNTER_FAMILY ("udp_receive_no_address_buffers",
                       "Buffers dropped: their addresses are unknown."),
    "no_address",
    offsetof (FzReceiveCounters, no_address) },
  { FZ_COUNTER_FAMILY ("udp_receive_overflowed_datagrams",
                       "Datagrams that the kernel dropped: the socket was full."),
    "overflowed",
    offsetof (FzReceiveCounters, overflowed) },
};

void
fz_io_metrics_add_receive (FzMetrics *metrics, FzUdpFamily which, const FzReceiveCounters *counters)
{
  static const FzMetricFamily buffers = FZ_HISTOGRAM_FAMILY (
      "udp_receive_buffer_datagrams", "Datagrams per buffer received.", &fz_io_lengths);
  static const FzMetricFamily errors = FZ_COUNTER_FAMILY (
      "udp_receive_errors", "Receiving calls that failed, ICMP errors included.");
  FzMetricLabel family = { "family", which == FZ_UDP_V4 ? "v4" : "v6" };

  FZ_METRICS_ADD_ROWS (metrics, receive_rows, counters, FZ_METRIC_LABELS (family), "udp_receive");
  fz_metrics_add_histogram (metrics,
                            &buffers,
                            FZ_METRIC_LABELS (family),
                            "udp_receive",
                            counters->lengths,
                            fz_metric_load (&counters->datagrams));
  fz_metrics_add_errors (metrics, &errors, &counters->errors, family, "udp_receive");
}

/* -- TUN -- */

static const FzMetricRow read_rows[] = {
  { FZ_COUNTER_FAMILY ("tun_reads", "Calls that read from the device, or found nothing."),
    "calls",
    offsetof (FzTunCounters, reads) },
  { FZ_COUNTER_FAMILY ("tun_read_bytes", "Bytes of packets read from the device."),
    "bytes",
    offsetof (FzTunCounters, read_bytes) },
  { FZ_COUNTER_FAMILY ("tun_bad_frames", "Frames read that are no packets."),
    "bad_frames",
    offsetof (FzTunCounters, bad_frames) },
};

static const FzMetricRow write_rows[] = {
  { FZ_COUNTER_FAMILY ("tun_writes", "Calls that wrote to the device."),
    "calls",
    offsetof (FzTunCounters, writes) },
  { FZ_COUNTER_FAMILY ("tun_written_packets", "Packets written to the device."),
    "packets",
    offsetof (FzTunCounters, written_packets) },
  { FZ_COUNTER_FAMILY ("tun_refused_runs", "Runs that the device refused; written singly instead."),
    "refused_runs",
    offsetof (FzTunCounters, refused_runs) },
  { FZ_COUNTER_FAMILY ("tun_write_lost_packets", "Packets that the device did not take."),
    "lost_packets",
    offsetof (FzTunCounters, lost_packets) },
  { FZ_COUNTER_FAMILY ("tun_write_waits", "Writes that had to wait for the device."),
    "waits",
    offsetof (FzTunCounters, waits) },
};

void
fz_io_metrics_add_tun_read (FzMetrics *metrics, const FzTunCounters *counters)
{
  static const FzMetricFamily errors = FZ_COUNTER_FAMILY ("tun_read_errors", "Reads that failed.");

  FZ_METRICS_ADD_ROWS (metrics, read_rows, counters, NULL, "tun_read");
  fz_metrics_add_errors (metrics, &errors, &counters->errors, (FzMetricLabel){ 0 }, "tun_read");
}

void
fz_io_metrics_add_tun_write (FzMetrics *metrics, const char *prefix, const FzTunCounters *counters)
{
  static const FzMetricFamily errors =
      FZ_COUNTER_FAMILY ("tun_write_errors", "Writes that failed.");

  FZ_METRICS_ADD_ROWS (metrics, write_rows, counters, NULL, prefix);
  fz_metrics_add_errors (metrics, &errors, &counters->errors, (FzMetricLabel){ 0 }, prefix);
}

void
fz_io_metrics_add_device (FzMetrics *metrics,
                          const FzTunStatistics *statistics,
                          uint64_t n_reopened)
{
  static const FzMetricFamily reopened = FZ_COUNTER_FAMILY (
      "tun_reopened", "Times that the device had been removed and was made again.");
  static const FzMetricFamily drops =
      FZ_COUNTER_FAMILY ("tun_kernel_drops",
                         "Packets that the kernel dropped at the device: its queue was "
                         "full (transmit), or it did not take them (receive).");

  fz_metrics_add (metrics, &reopened, NULL, "tun", "reopened", n_reopened);
  if (statistics == NULL)
    return;
  fz_metrics_add (metrics,
                  &drops,
                  FZ_METRIC_LABELS ({ "direction", "transmit" }),
                  "tun",
                  "kernel_tx_dropped",
                  statistics->tx_dropped);
  fz_metrics_add (metrics,
                  &drops,
                  FZ_METRIC_LABELS ({ "direction", "receive" }),
                  "tun",
                  "kernel_rx_dropped",
                  statistics->rx_dropped);
}
