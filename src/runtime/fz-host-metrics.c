/* fz-host-metrics.c: see the header
 *
 * A table for each structure of counters says which family each of them is, and
 * what its flat name is; the labels are those of the whole structure. Flat names
 * are older than the families and stay what they are.
 */

#include "src/runtime/fz-host-metrics.h"

#include "src/dataplane/fz-flow-cache.h"

#include <stddef.h>

typedef struct {
  FzMetricFamily family;
  const char *flat_name;
  size_t offset; /* of the _Atomic uint64_t */
} Row;

#define COUNTER(name, help)                                                                        \
  {                                                                                                \
    "firezone_" name "_total", help, FZ_METRIC_COUNTER, false, NULL                                \
  }
#define GAUGE(name, help)                                                                          \
  {                                                                                                \
    "firezone_" name, help, FZ_METRIC_GAUGE, false, NULL                                           \
  }

#define MAXIMUM(name, help)                                                                        \
  {                                                                                                \
    "firezone_" name, help, FZ_METRIC_MAXIMUM, false, NULL                                         \
  }

static const FzMetricBounds lengths = {
  5,
  { "1", "4", "16", "32" },
  { "length_1", "length_2_4", "length_5_16", "length_17_32", "length_33_64" },
};

static const FzMetricBounds sojourns = {
  FZ_N_SOJOURNS,
  { "0.0001", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.05" },
  { "sojourn_100us",
    "sojourn_500us",
    "sojourn_1ms",
    "sojourn_2ms",
    "sojourn_5ms",
    "sojourn_10ms",
    "sojourn_50ms",
    "sojourn_longer" },
};

static uint64_t
load (const _Atomic uint64_t *counter)
{
  return atomic_load_explicit (counter, memory_order_relaxed);
}

static void
add_rows (FzMetrics *metrics,
          const Row *rows,
          size_t n_rows,
          const void *counters,
          const FzMetricLabel *labels,
          const char *prefix)
{
  for (size_t i = 0; i < n_rows; i++) {
    const _Atomic uint64_t *counter = (const void *) ((const uint8_t *) counters + rows[i].offset);

    fz_metrics_add (metrics, &rows[i].family, labels, prefix, rows[i].flat_name, load (counter));
  }
}

#define ADD_ROWS(metrics, rows, counters, labels, prefix)                                          \
  add_rows (metrics, rows, G_N_ELEMENTS (rows), counters, labels, prefix)

/* @label: beside the errno; its name may be NULL. */
static void
add_errors (FzMetrics *metrics,
            const FzMetricFamily *family,
            const FzErrnoCounters *errors,
            FzMetricLabel label,
            const char *prefix)
{
  for (unsigned i = 0; i < FZ_ERRNO_COUNTERS_N; i++) {
    FzMetricLabel error = { "errno", fz_errno_counters_name (i) };

    fz_metrics_add (
        metrics, family, FZ_METRIC_LABELS (error, label), prefix, "errors", load (&errors->n[i]));
  }
}

/* -- one half of a lane -- */

static const Row half_rows[] = {
  { COUNTER ("lane_packets", "Inner packets that passed the lane."),
    "packets",
    offsetof (FzLaneCounters, packets) },
  { COUNTER ("lane_bytes", "Bytes of inner packets that passed the lane."),
    "bytes",
    offsetof (FzLaneCounters, bytes) },
  { COUNTER ("lane_super_packets", "Frames read from the TUN (transmit), runs for it (receive)."),
    "super_packets",
    offsetof (FzLaneCounters, super_packets) },
  { COUNTER ("lane_datagrams", "Datagrams sealed (transmit), arrived (receive)."),
    "datagrams",
    offsetof (FzLaneCounters, datagrams) },
  { COUNTER ("lane_trains", "Trains of datagrams made (transmit), buffers taken up (receive)."),
    "trains",
    offsetof (FzLaneCounters, trains) },
  { COUNTER ("lane_to_engine_messages",
             "Messages handed to the engine: what a lane cannot decide."),
    "to_engine",
    offsetof (FzLaneCounters, to_engine) },
  { COUNTER ("flow_cache_hits", "Verdicts found in the flow cache."),
    "cache_hits",
    offsetof (FzLaneCounters, cache_hits) },
  { COUNTER ("flow_cache_misses", "Verdicts that had to be made."),
    "cache_misses",
    offsetof (FzLaneCounters, cache_misses) },
  { COUNTER ("flow_cache_evictions", "Valid verdicts that gave way to others."),
    "cache_evictions",
    offsetof (FzLaneCounters, cache_evictions) },
};

static void
add_drops (FzMetrics *metrics,
           const FzMetricFamily *family,
           const _Atomic uint64_t *drops,
           FzMetricLabel direction,
           const char *prefix)
{
  for (int i = FZ_DROP_NONE + 1; i < FZ_N_DROPS; i++) {
    const char *reason = fz_drop_name ((FzDrop) i);
    char flat[FZ_METRIC_NAME_MAX];

    g_snprintf (flat, sizeof flat, "drop_%s", reason);
    fz_metrics_add (metrics,
                    family,
                    FZ_METRIC_LABELS (direction, { "reason", reason }),
                    prefix,
                    flat,
                    load (&drops[i]));
  }
}

static void
add_crypto (FzMetrics *metrics, const char *operation, uint64_t packets, uint64_t bytes)
{
  static const FzMetricFamily packet_family =
      COUNTER ("crypto_packets", "Packets sealed, and opened with a good tag, by the lanes.");
  static const FzMetricFamily byte_family =
      COUNTER ("crypto_bytes", "Bytes of inner packets sealed, opened and accepted.");
  FzMetricLabel label = { "operation", operation };

  fz_metrics_add (metrics, &packet_family, FZ_METRIC_LABELS (label), NULL, NULL, packets);
  fz_metrics_add (metrics, &byte_family, FZ_METRIC_LABELS (label), NULL, NULL, bytes);
}

static void
add_half (FzMetrics *metrics, const char *name, const char *prefix, const FzLaneCounters *half)
{
  static const FzMetricFamily drops =
      COUNTER ("lane_drops", "Packets that a lane dropped, and why.");
  FzMetricLabel direction = { "direction", name };

  ADD_ROWS (metrics, half_rows, half, FZ_METRIC_LABELS (direction), prefix);
  add_drops (metrics, &drops, half->drops, direction, prefix);
}

static void
add_marks (FzMetrics *metrics, const char *direction, const char *prefix, uint64_t n)
{
  static const FzMetricFamily family = COUNTER (
      "codel_marks", "Packets marked with congestion experienced; drops have the reason codel.");

  fz_metrics_add (
      metrics, &family, FZ_METRIC_LABELS ({ "direction", direction }), prefix, "marks", n);
}

/* -- staging -- */

static const Row staging_rows[] = {
  { GAUGE ("staging_frames", "Frames that wait to be sent."),
    "frames",
    offsetof (FzQueueCounters, items) },
  { GAUGE ("staging_bytes", "Bytes of frames that wait to be sent."),
    "bytes",
    offsetof (FzQueueCounters, bytes) },
  { GAUGE ("staging_slots", "Places for super-packets in use."),
    "slots",
    offsetof (FzQueueCounters, large) },
  { MAXIMUM ("staging_frames_max", "Most frames that have waited at a time."),
    "frames_max",
    offsetof (FzQueueCounters, items_max) },
  { MAXIMUM ("staging_bytes_max", "Most bytes that have waited at a time."),
    "bytes_max",
    offsetof (FzQueueCounters, bytes_max) },
  { MAXIMUM ("staging_slots_max", "Most places for super-packets that were in use at a time."),
    "slots_max",
    offsetof (FzQueueCounters, large_max) },
  { COUNTER ("staging_sparse_frames", "Frames that left ahead of flows with a backlog."),
    "sparse",
    offsetof (FzQueueCounters, sparse) },
  { COUNTER ("staging_crowded_signals", "Signals to a flow that held most of the places."),
    "crowded",
    offsetof (FzQueueCounters, crowded) },
  { COUNTER ("staging_paused_flows", "Times that a flow had to wait for the engine."),
    "paused",
    offsetof (FzQueueCounters, paused) },
};

static void
add_staging (FzMetrics *metrics, const FzStagingCounters *staging)
{
  static const FzMetricFamily waits = { "firezone_staging_sojourn_seconds",
                                        "How long frames waited to be sent.",
                                        FZ_METRIC_HISTOGRAM,
                                        true,
                                        &sojourns };
  static const FzMetricFamily stops =
      COUNTER ("staging_stops", "Times that the TUN was not read for want of places.");
  const FzQueueCounters *queue = staging->queue;

  ADD_ROWS (metrics, staging_rows, queue, NULL, "staging");
  fz_metrics_add_histogram (
      metrics, &waits, NULL, "staging", queue->sojourn, load (&queue->sojourn_ns));
  fz_metrics_add (metrics, &stops, NULL, "staging", "stops", load (&staging->stops));
  add_marks (metrics, "transmit", "staging", load (&staging->marks));
}

/* -- both halves -- */

static void
add_transmit (FzMetrics *metrics, const FzLaneCounters *half)
{
  static const FzMetricFamily trains = { "firezone_train_datagrams",
                                         "Datagrams per train, sent as one message where the "
                                         "kernel segments.",
                                         FZ_METRIC_HISTOGRAM,
                                         false,
                                         &lengths };

  add_half (metrics, "transmit", "tx", half);
  fz_metrics_add_histogram (metrics, &trains, NULL, "tx", half->lengths, load (&half->datagrams));
  add_crypto (metrics, "seal", load (&half->datagrams), load (&half->bytes));
}

static void
add_replays (FzMetrics *metrics, const FzLaneCounters *half)
{
  static const FzMetricFamily family = COUNTER (
      "replays_rejected", "Datagrams whose counter was seen before, or is too old to know.");
  uint64_t all = load (&half->drops[FZ_DROP_REPLAY]);
  uint64_t old = MIN (load (&half->replays_old), all);

  fz_metrics_add (
      metrics, &family, FZ_METRIC_LABELS ({ "kind", "duplicate" }), NULL, NULL, all - old);
  fz_metrics_add (metrics, &family, FZ_METRIC_LABELS ({ "kind", "old" }), "rx", "replays_old", old);
}

static void
add_receive (FzMetrics *metrics, const FzLaneCounters *half)
{
  static const FzMetricFamily runs = { "firezone_run_packets",
                                       "Packets per run, written to the TUN in one call.",
                                       FZ_METRIC_HISTOGRAM,
                                       false,
                                       &lengths };
  static const FzMetricFamily waits = { "firezone_receive_sojourn_seconds",
                                        "How long buffers waited in the socket.",
                                        FZ_METRIC_HISTOGRAM,
                                        true,
                                        &sojourns };
  static const FzMetricFamily foreign =
      COUNTER ("foreign_lane_datagrams", "Datagrams of sessions that belong to another lane.");
  uint64_t forged = load (&half->drops[FZ_DROP_BAD_TAG]);

  add_half (metrics, "receive", "rx", half);
  fz_metrics_add_histogram (metrics, &runs, NULL, "rx", half->lengths, load (&half->run_packets));
  fz_metrics_add_histogram (metrics, &waits, NULL, "rx", half->sojourns, load (&half->sojourn_ns));
  fz_metrics_add (metrics, &foreign, NULL, "rx", "foreign", load (&half->foreign));
  add_replays (metrics, half);
  add_marks (metrics, "receive", "rx_codel", load (&half->marks));
  add_crypto (metrics, "open", MAX (load (&half->to_open), forged) - forged, load (&half->bytes));
}

/* -- UDP -- */

static const Row send_rows[] = {
  { COUNTER ("udp_send_calls", "System calls that sent."),
    "calls",
    offsetof (FzSendCounters, calls) },
  { COUNTER ("udp_sent_messages", "Messages sent; a train is one where the kernel segments."),
    "messages",
    offsetof (FzSendCounters, messages) },
  { COUNTER ("udp_sent_datagrams", "Datagrams sent."),
    "datagrams",
    offsetof (FzSendCounters, datagrams) },
  { COUNTER ("udp_sent_bytes", "Bytes of UDP payload sent."),
    "bytes",
    offsetof (FzSendCounters, bytes) },
  { COUNTER ("udp_send_partial", "Calls that sent some of their messages only."),
    "partial",
    offsetof (FzSendCounters, partial) },
  { COUNTER ("udp_send_blocked", "Calls that sent nothing for want of room (EAGAIN)."),
    "blocked",
    offsetof (FzSendCounters, blocked) },
  { COUNTER ("udp_segmentation_refused",
             "Trains that the kernel would not cut; sent singly instead."),
    "demotions",
    offsetof (FzSendCounters, demotions) },
};

static void
add_send (FzMetrics *metrics, const char *prefix, FzUdpFamily which, const FzSendCounters *counters)
{
  static const char *const reasons[FZ_N_SEND_ERRORS] = {
    [FZ_SEND_ERROR_NO_BUFFER] = "no-buffer",
    [FZ_SEND_ERROR_TOO_LARGE] = "too-large",
    [FZ_SEND_ERROR_UNREACHABLE] = "unreachable",
    [FZ_SEND_ERROR_NO_SOCKET] = "no-socket",
    [FZ_SEND_ERROR_OTHER] = "other",
  };
  static const FzMetricFamily lost =
      COUNTER ("udp_send_lost_datagrams", "Datagrams that could not be sent.");
  static const FzMetricFamily errors =
      COUNTER ("udp_send_errors", "Messages that the kernel refused.");
  FzMetricLabel family = { "family", which == FZ_UDP_V4 ? "v4" : "v6" };

  ADD_ROWS (metrics, send_rows, counters, FZ_METRIC_LABELS (family), prefix);
  for (int i = 0; i < FZ_N_SEND_ERRORS; i++) {
    char flat[FZ_METRIC_NAME_MAX];

    g_snprintf (flat, sizeof flat, "lost_%s", reasons[i]);
    fz_metrics_add (metrics,
                    &lost,
                    FZ_METRIC_LABELS (family, { "reason", reasons[i] }),
                    prefix,
                    flat,
                    load (&counters->lost[i]));
  }
  add_errors (metrics, &errors, &counters->errors, family, prefix);
}

static const Row receive_rows[] = {
  { COUNTER ("udp_receive_calls", "System calls that received, or found nothing."),
    "calls",
    offsetof (FzReceiveCounters, calls) },
  { COUNTER ("udp_received_buffers", "Buffers received; one holds several datagrams with GRO."),
    "buffers",
    offsetof (FzReceiveCounters, buffers) },
  { COUNTER ("udp_received_datagrams", "Datagrams received."),
    "datagrams",
    offsetof (FzReceiveCounters, datagrams) },
  { COUNTER ("udp_received_bytes", "Bytes of UDP payload received."),
    "bytes",
    offsetof (FzReceiveCounters, bytes) },
  { COUNTER ("udp_receive_truncated_buffers", "Buffers dropped: longer than what was read."),
    "truncated",
    offsetof (FzReceiveCounters, truncated) },
  { COUNTER ("udp_receive_no_address_buffers", "Buffers dropped: their addresses are unknown."),
    "no_address",
    offsetof (FzReceiveCounters, no_address) },
  { COUNTER ("udp_receive_overflowed_datagrams",
             "Datagrams that the kernel dropped: the socket was full."),
    "overflowed",
    offsetof (FzReceiveCounters, overflowed) },
};

static void
add_udp_receive (FzMetrics *metrics, FzUdpFamily which, const FzReceiveCounters *counters)
{
  static const FzMetricFamily buffers = { "firezone_udp_receive_buffer_datagrams",
                                          "Datagrams per buffer received.",
                                          FZ_METRIC_HISTOGRAM,
                                          false,
                                          &lengths };
  static const FzMetricFamily errors =
      COUNTER ("udp_receive_errors", "Receiving calls that failed, ICMP errors included.");
  FzMetricLabel family = { "family", which == FZ_UDP_V4 ? "v4" : "v6" };

  ADD_ROWS (metrics, receive_rows, counters, FZ_METRIC_LABELS (family), "udp_receive");
  fz_metrics_add_histogram (metrics,
                            &buffers,
                            FZ_METRIC_LABELS (family),
                            "udp_receive",
                            counters->lengths,
                            load (&counters->datagrams));
  add_errors (metrics, &errors, &counters->errors, family, "udp_receive");
}

/* -- TUN -- */

static const Row read_rows[] = {
  { COUNTER ("tun_reads", "Calls that read from the device, or found nothing."),
    "calls",
    offsetof (FzTunCounters, reads) },
  { COUNTER ("tun_read_bytes", "Bytes of packets read from the device."),
    "bytes",
    offsetof (FzTunCounters, read_bytes) },
  { COUNTER ("tun_bad_frames", "Frames read that are no packets."),
    "bad_frames",
    offsetof (FzTunCounters, bad_frames) },
};

static const Row write_rows[] = {
  { COUNTER ("tun_writes", "Calls that wrote to the device."),
    "calls",
    offsetof (FzTunCounters, writes) },
  { COUNTER ("tun_written_packets", "Packets written to the device."),
    "packets",
    offsetof (FzTunCounters, written_packets) },
  { COUNTER ("tun_refused_runs", "Runs that the device refused; written singly instead."),
    "refused_runs",
    offsetof (FzTunCounters, refused_runs) },
  { COUNTER ("tun_write_lost_packets", "Packets that the device did not take."),
    "lost_packets",
    offsetof (FzTunCounters, lost_packets) },
  { COUNTER ("tun_write_waits", "Writes that had to wait for the device."),
    "waits",
    offsetof (FzTunCounters, waits) },
};

static void
add_tun_read (FzMetrics *metrics, const FzTunCounters *counters)
{
  static const FzMetricFamily errors = COUNTER ("tun_read_errors", "Reads that failed.");

  ADD_ROWS (metrics, read_rows, counters, NULL, "tun_read");
  add_errors (metrics, &errors, &counters->errors, (FzMetricLabel){ 0 }, "tun_read");
}

static void
add_tun_write (FzMetrics *metrics, const char *prefix, const FzTunCounters *counters)
{
  static const FzMetricFamily errors = COUNTER ("tun_write_errors", "Writes that failed.");

  ADD_ROWS (metrics, write_rows, counters, NULL, prefix);
  add_errors (metrics, &errors, &counters->errors, (FzMetricLabel){ 0 }, prefix);
}

void
fz_host_metrics_add_device (FzMetrics *metrics,
                            const FzTunStatistics *statistics,
                            uint64_t n_reopened)
{
  static const FzMetricFamily reopened =
      COUNTER ("tun_reopened", "Times that the device had been removed and was made again.");
  static const FzMetricFamily drops =
      COUNTER ("tun_kernel_drops",
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

/* -- threads -- */

static const FzMetricBounds turn_times = {
  FZ_N_TURN_TIMES,
  { "0.00001", "0.00005", "0.0001", "0.0005", "0.001", "0.005", "0.02" },
  { "turn_10us",
    "turn_50us",
    "turn_100us",
    "turn_500us",
    "turn_1ms",
    "turn_5ms",
    "turn_20ms",
    "turn_longer" },
};

static const FzMetricBounds turn_works = {
  FZ_N_TURN_WORKS,
  { "0", "1", "4", "16", "64" },
  { "work_0", "work_1", "work_2_4", "work_5_16", "work_17_64", "work_more" },
};

static const Row turn_rows[] = {
  { COUNTER ("lane_turns", "Turns of a lane's thread."),
    "turns",
    offsetof (FzTurnCounters, turns) },
  { COUNTER ("lane_polls", "Looks at the descriptors without sleeping."),
    "polls",
    offsetof (FzTurnCounters, polls) },
  { COUNTER ("lane_sleeps", "Times that a lane's thread had nothing to do and slept."),
    "sleeps",
    offsetof (FzTurnCounters, sleeps) },
  { { "firezone_lane_turn_seconds_max", "The longest turn.", FZ_METRIC_MAXIMUM, true, NULL },
    "turn_max_ns",
    offsetof (FzTurnCounters, longest_ns) },
};

static void
add_turns (FzMetrics *metrics, const FzTurnCounters *const turns[2])
{
  static const FzMetricFamily times = { "firezone_lane_turn_seconds",
                                        "How long turns took; the sum is the time that the thread "
                                        "did not sleep.",
                                        FZ_METRIC_HISTOGRAM,
                                        true,
                                        &turn_times };
  static const FzMetricFamily works = { "firezone_lane_turn_work",
                                        "TUN frames and UDP buffers per turn.",
                                        FZ_METRIC_HISTOGRAM,
                                        false,
                                        &turn_works };

  for (unsigned i = 0; i < 2 && turns[i] != NULL; i++) {
    const char *serves = turns[1] == NULL ? "both" : i == 0 ? "transmit" : "receive";
    FzMetricLabel direction = { "direction", serves };

    ADD_ROWS (metrics, turn_rows, turns[i], FZ_METRIC_LABELS (direction), "lane");
    fz_metrics_add_histogram (metrics,
                              &times,
                              FZ_METRIC_LABELS (direction),
                              "lane",
                              turns[i]->times,
                              load (&turns[i]->busy_ns));
    fz_metrics_add_histogram (metrics,
                              &works,
                              FZ_METRIC_LABELS (direction),
                              "lane",
                              turns[i]->works,
                              load (&turns[i]->n_works));
  }
}

void
fz_host_metrics_add_lane (FzMetrics *metrics, const FzLaneThread *lane)
{
  FzLaneThreadCounters counters = fz_lane_thread_get_counters (lane);

  add_transmit (metrics, counters.tx);
  add_staging (metrics, counters.staging);
  add_receive (metrics, counters.rx);
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    add_send (metrics, "udp_send", (FzUdpFamily) i, counters.send[i]);
    add_udp_receive (metrics, (FzUdpFamily) i, counters.receive[i]);
  }
  add_tun_read (metrics, counters.tun_read);
  add_tun_write (metrics, "tun_write", counters.tun_write);
  add_turns (metrics, counters.turns);
}

/* -- the engine -- */

void
fz_host_metrics_add_engine_io (FzMetrics *metrics,
                               const FzOutbox *outbox,
                               const FzTunWriter *writer)
{
  static const FzMetricFamily waited =
      COUNTER ("outbox_waited_datagrams", "The engine's datagrams that were not sent at once.");
  static const FzMetricFamily lost =
      COUNTER ("outbox_lost_datagrams", "The engine's datagrams that could not wait any longer.");
  const FzOutboxCounters *counters = fz_outbox_get_counters (outbox);

  fz_metrics_set_lane (metrics, "engine", false);
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++)
    add_send (metrics,
              "engine_udp",
              (FzUdpFamily) i,
              fz_outbox_get_send_counters (outbox, (FzUdpFamily) i));
  add_tun_write (metrics, "engine_tun", fz_tun_writer_get_counters (writer));
  fz_metrics_set_lane (metrics, NULL, false);
  fz_metrics_add (metrics, &waited, NULL, "engine_udp", "waited", counters->waited);
  fz_metrics_add (metrics,
                  &lost,
                  FZ_METRIC_LABELS ({ "reason", "full" }),
                  "engine_udp",
                  "lost_full",
                  counters->lost_full);
  fz_metrics_add (metrics,
                  &lost,
                  FZ_METRIC_LABELS ({ "reason", "repairing" }),
                  "engine_udp",
                  "lost_repairing",
                  counters->lost_sockets);
}

static const FzMetricBounds handshake_times = {
  FZ_N_HANDSHAKE_TIMES,
  { "0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5" },
  { "handshake_1ms",
    "handshake_5ms",
    "handshake_10ms",
    "handshake_50ms",
    "handshake_100ms",
    "handshake_500ms",
    "handshake_1s",
    "handshake_5s",
    "handshake_longer" },
};

static void
add_handshake_times (FzMetrics *metrics, const FzEngineCounters *counters)
{
  static const FzMetricFamily family = {
    "firezone_handshake_seconds",
    "How long it took until a handshake of ours was answered, repetitions included.",
    FZ_METRIC_HISTOGRAM,
    true,
    &handshake_times
  };
  _Atomic uint64_t buckets[FZ_N_HANDSHAKE_TIMES];

  for (unsigned i = 0; i < FZ_N_HANDSHAKE_TIMES; i++)
    atomic_init (&buckets[i], counters->handshake_times.n[i]);
  fz_metrics_add_histogram (
      metrics, &family, NULL, "engine", buckets, counters->handshake_times.total_ns);
}

static void
add_table (FzMetrics *metrics, const char *table, uint64_t bytes)
{
  static const FzMetricFamily family =
      GAUGE ("table_bytes", "Memory of the tables that packets are looked up in.");

  fz_metrics_add (metrics, &family, FZ_METRIC_LABELS ({ "table", table }), NULL, NULL, bytes);
}

void
fz_host_metrics_add_engine (FzMetrics *metrics, const FzEngineCounters *counters)
{
  static const struct {
    FzMetricFamily family;
    const char *flat_name;
  } rows[] = {
    { GAUGE ("peers", "Peers that the engine has a connection with or makes one."), "peers" },
    { GAUGE ("peers_established", "Peers with a path and keys."), "peers_established" },
    { GAUGE ("sessions", "Keys that packets can be opened with; up to eight of a peer."),
      "sessions" },
    { GAUGE ("nat_sessions", "Translated flows to hosts behind names."), "nat_sessions" },
    { GAUGE ("relays", "Relays that the engine knows."), "relays" },
    { COUNTER ("handshakes_started", "Handshake initiations sent, repetitions included."),
      "handshakes_started" },
    { COUNTER ("handshakes_received", "Handshake initiations accepted."), "handshakes_received" },
    { COUNTER ("handshakes_completed", "Sessions that became usable, by either side's initiation."),
      "handshakes_completed" },
    { COUNTER ("handshakes_bad_mac1", "Handshake messages not made for our public key."),
      "handshakes_bad_mac1" },
    { COUNTER ("cookies_sent", "Handshakes answered by a cookie because of load."),
      "cookies_sent" },
    { COUNTER ("packets_buffered", "Packets that waited for a session in the engine."),
      "packets_buffered" },
  };
  const uint64_t values[] = { counters->n_peers,
                              counters->n_established,
                              counters->n_sessions,
                              counters->n_nat_sessions,
                              counters->n_relays,
                              counters->handshakes_started,
                              counters->handshakes_received,
                              counters->handshakes_completed,
                              counters->handshakes_bad_mac1,
                              counters->cookies_sent,
                              counters->packets_buffered };
  static const FzMetricFamily drops =
      COUNTER ("engine_drops", "Packets and datagrams that the engine did not use, and why.");

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    fz_metrics_add (metrics, &rows[i].family, NULL, "engine", rows[i].flat_name, values[i]);
  add_table (metrics, "peers", counters->peer_table_bytes);
  add_table (metrics, "nat", counters->nat_bytes);
  add_handshake_times (metrics, counters);
  for (int i = FZ_DROP_NONE + 1; i < FZ_N_DROPS; i++) {
    const char *reason = fz_drop_name ((FzDrop) i);
    char flat[FZ_METRIC_NAME_MAX];

    g_snprintf (flat, sizeof flat, "drop_%s", reason);
    fz_metrics_add (metrics,
                    &drops,
                    FZ_METRIC_LABELS ({ "reason", reason }),
                    "engine",
                    flat,
                    counters->drops[i]);
  }
}

/* -- ladder, cipher, version -- */

static void
add_capability (FzMetrics *metrics, const char *capability, bool is_granted)
{
  static const FzMetricFamily family =
      GAUGE ("ladder_granted", "Whether the system grants the capability: 1 or 0.");

  fz_metrics_add (
      metrics, &family, FZ_METRIC_LABELS ({ "capability", capability }), NULL, NULL, is_granted);
}

static void
add_socket (FzMetrics *metrics, const char *name, const FzUdpSocket *socket)
{
  static const FzMetricFamily buffer =
      GAUGE ("udp_socket_buffer_bytes", "Size of the socket's buffer; 0: no such socket.");
  const struct {
    const char *capability;
    bool is_granted;
  } rows[] = {
    { "socket", socket->fd >= 0 },
    { "gso", socket->fd >= 0 && socket->has_gso },
    { "gro", socket->fd >= 0 && socket->has_gro },
    { "timestamps", socket->fd >= 0 && socket->has_timestamps },
  };
  FzMetricLabel family = { "family", name };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    char capability[24];

    g_snprintf (capability, sizeof capability, "udp-%s-%s", name, rows[i].capability);
    add_capability (metrics, capability, rows[i].is_granted);
  }
  fz_metrics_add (metrics,
                  &buffer,
                  FZ_METRIC_LABELS (family, { "direction", "transmit" }),
                  NULL,
                  NULL,
                  socket->fd >= 0 ? socket->send_buffer_bytes : 0);
  fz_metrics_add (metrics,
                  &buffer,
                  FZ_METRIC_LABELS (family, { "direction", "receive" }),
                  NULL,
                  NULL,
                  socket->fd >= 0 ? socket->receive_buffer_bytes : 0);
}

static void
add_demotions (FzMetrics *metrics, const FzLadder *ladder)
{
  static const FzMetricFamily counts =
      COUNTER ("ladder_demotions", "Times that a capability was given up while running.");
  static const FzMetricFamily times = {
    "firezone_ladder_last_demotion_timestamp_seconds",
    "When the capability was last given up, since the epoch; 0: never.",
    FZ_METRIC_GAUGE,
    true,
    NULL
  };

  for (unsigned i = 0; i < FZ_N_LADDER_DEMOTIONS; i++) {
    FzMetricLabel label = { "capability", fz_ladder_demotion_name (i) };

    fz_metrics_add (
        metrics, &counts, FZ_METRIC_LABELS (label), "ladder", "demotions", ladder->demotions[i].n);
    fz_metrics_add (
        metrics, &times, FZ_METRIC_LABELS (label), NULL, NULL, ladder->demotions[i].last_unix_ns);
  }
}

void
fz_host_metrics_add_lanes (FzMetrics *metrics, unsigned n_lanes)
{
  add_table (metrics, "flow-cache", (uint64_t) 2 * n_lanes * fz_flow_cache_get_bytes ());
}

void
fz_host_metrics_add_ladder (FzMetrics *metrics, const FzLadder *ladder)
{
  static const FzMetricFamily lanes = GAUGE ("lanes", "Lanes at work.");
  static const FzMetricFamily build = {
    "firezone_build_info", "The version that is running.", FZ_METRIC_INFO, false, NULL
  };
  static const FzMetricFamily crypto = {
    "firezone_crypto_backend_info", "The library that seals and opens.", FZ_METRIC_INFO, false, NULL
  };
  const FzTunFeatures *tun = &ladder->tun;

  fz_metrics_add (metrics, &build, FZ_METRIC_LABELS ({ "version", FZ_VERSION }), NULL, NULL, 1);
  fz_metrics_add (metrics,
                  &crypto,
                  FZ_METRIC_LABELS ({ "backend", fz_aead_backend_name (ladder->backend) }),
                  NULL,
                  NULL,
                  1);
  fz_metrics_add (metrics, &lanes, NULL, NULL, NULL, ladder->n_lanes);
  add_capability (metrics, "tun-vnet-header", tun->vnet_header);
  add_capability (metrics, "tun-checksum", tun->checksum);
  add_capability (metrics, "tun-tso", tun->tso);
  add_capability (metrics, "tun-tso-ecn", tun->tso_ecn);
  add_capability (metrics, "tun-uso", tun->uso);
  add_socket (metrics, "v4", &ladder->pair->sockets[FZ_UDP_V4]);
  add_socket (metrics, "v6", &ladder->pair->sockets[FZ_UDP_V6]);
  add_demotions (metrics, ladder);
}
