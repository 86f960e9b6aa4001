/* fz-lane-metrics.c: see the header */

#include "src/runtime/fz-lane-metrics.h"

#include "src/dataplane/fz-flow-cache.h"
#include "src/runtime/fz-io-metrics.h"
#include "src/runtime/fz-metric-rows.h"

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

/* -- one half of a lane -- */

static const FzMetricRow half_rows[] = {
  { FZ_COUNTER_FAMILY ("lane_packets", "Inner packets that passed the lane."),
    "packets",
    offsetof (FzLaneCounters, packets) },
  { FZ_COUNTER_FAMILY ("lane_bytes", "Bytes of inner packets that passed the lane."),
    "bytes",
    offsetof (FzLaneCounters, bytes) },
  { FZ_COUNTER_FAMILY ("lane_super_packets",
                       "Frames read from the TUN (transmit), runs for it (receive)."),
    "super_packets",
    offsetof (FzLaneCounters, super_packets) },
  { FZ_COUNTER_FAMILY ("lane_datagrams", "Datagrams sealed (transmit), arrived (receive)."),
    "datagrams",
    offsetof (FzLaneCounters, datagrams) },
  { FZ_COUNTER_FAMILY ("lane_trains",
                       "Trains of datagrams made (transmit), buffers taken up (receive)."),
    "trains",
    offsetof (FzLaneCounters, trains) },
  { FZ_COUNTER_FAMILY ("lane_to_engine_messages",
                       "Messages handed to the engine: what a lane cannot decide."),
    "to_engine",
    offsetof (FzLaneCounters, to_engine) },
  { FZ_COUNTER_FAMILY ("flow_cache_hits", "Verdicts found in the flow cache."),
    "cache_hits",
    offsetof (FzLaneCounters, cache_hits) },
  { FZ_COUNTER_FAMILY ("flow_cache_misses", "Verdicts that had to be made."),
    "cache_misses",
    offsetof (FzLaneCounters, cache_misses) },
  { FZ_COUNTER_FAMILY ("flow_cache_evictions", "Valid verdicts that gave way to others."),
    "cache_evictions",
    offsetof (FzLaneCounters, cache_evictions) },
};

static void
add_crypto (FzMetrics *metrics, const char *operation, uint64_t packets, uint64_t bytes)
{
  static const FzMetricFamily packet_family = FZ_COUNTER_FAMILY (
      "crypto_packets", "Packets sealed, and opened with a good tag, by the lanes.");
  static const FzMetricFamily byte_family =
      FZ_COUNTER_FAMILY ("crypto_bytes", "Bytes of inner packets sealed, opened and accepted.");
  FzMetricLabel label = { "operation", operation };

  fz_metrics_add (metrics, &packet_family, FZ_METRIC_LABELS (label), NULL, NULL, packets);
  fz_metrics_add (metrics, &byte_family, FZ_METRIC_LABELS (label), NULL, NULL, bytes);
}

static void
add_half (FzMetrics *metrics, const char *name, const char *prefix, const FzLaneCounters *half)
{
  static const FzMetricFamily drops =
      FZ_COUNTER_FAMILY ("lane_drops", "Packets that a lane dropped, and why.");
  FzMetricLabel direction = { "direction", name };

  FZ_METRICS_ADD_ROWS (metrics, half_rows, half, FZ_METRIC_LABELS (direction), prefix);
  for (FzDrop drop = FZ_DROP_NONE + 1; drop < FZ_N_DROPS; drop++)
    fz_metrics_add_drop (
        metrics, &drops, direction, drop, prefix, fz_metric_load (&half->drops[drop]));
}

static void
add_marks (FzMetrics *metrics, const char *direction, const char *prefix, uint64_t n)
{
  static const FzMetricFamily family = FZ_COUNTER_FAMILY (
      "codel_marks", "Packets marked with congestion experienced; drops have the reason codel.");

  fz_metrics_add (
      metrics, &family, FZ_METRIC_LABELS ({ "direction", direction }), prefix, "marks", n);
}

/* -- staging -- */

static const FzMetricRow staging_rows[] = {
  { FZ_GAUGE_FAMILY ("staging_frames", "Frames that wait to be sent."),
    "frames",
    offsetof (FzQueueCounters, items) },
  { FZ_GAUGE_FAMILY ("staging_bytes", "Bytes of frames that wait to be sent."),
    "bytes",
    offsetof (FzQueueCounters, bytes) },
  { FZ_GAUGE_FAMILY ("staging_slots", "Places for super-packets in use."),
    "slots",
    offsetof (FzQueueCounters, large) },
  { FZ_MAXIMUM_FAMILY ("staging_frames_max", "Most frames that have waited at a time."),
    "frames_max",
    offsetof (FzQueueCounters, items_max) },
  { FZ_MAXIMUM_FAMILY ("staging_bytes_max", "Most bytes that have waited at a time."),
    "bytes_max",
    offsetof (FzQueueCounters, bytes_max) },
  { FZ_MAXIMUM_FAMILY ("staging_slots_max",
                       "Most places for super-packets that were in use at a time."),
    "slots_max",
    offsetof (FzQueueCounters, large_max) },
  { FZ_COUNTER_FAMILY ("staging_sparse_frames", "Frames that left ahead of flows with a backlog."),
    "sparse",
    offsetof (FzQueueCounters, sparse) },
  { FZ_COUNTER_FAMILY ("staging_crowded_signals",
                       "Signals to a flow that held most of the places."),
    "crowded",
    offsetof (FzQueueCounters, crowded) },
  { FZ_COUNTER_FAMILY ("staging_paused_flows", "Times that a flow had to wait for the engine."),
    "paused",
    offsetof (FzQueueCounters, paused) },
};

static void
add_staging (FzMetrics *metrics, const FzStagingCounters *staging)
{
  static const FzMetricFamily waits =
      FZ_TIMES_FAMILY ("staging_sojourn", "How long frames waited to be sent.", &sojourns);
  static const FzMetricFamily stops =
      FZ_COUNTER_FAMILY ("staging_stops", "Times that the TUN was not read for want of places.");
  const FzQueueCounters *queue = staging->queue;

  FZ_METRICS_ADD_ROWS (metrics, staging_rows, queue, NULL, "staging");
  fz_metrics_add_histogram (
      metrics, &waits, NULL, "staging", queue->sojourn, fz_metric_load (&queue->sojourn_ns));
  fz_metrics_add (metrics, &stops, NULL, "staging", "stops", fz_metric_load (&staging->stops));
  add_marks (metrics, "transmit", "staging", fz_metric_load (&staging->marks));
}

/* -- both halves -- */

static void
add_transmit (FzMetrics *metrics, const FzLaneCounters *half)
{
  static const FzMetricFamily trains =
      FZ_HISTOGRAM_FAMILY ("train_datagrams",
                           "Datagrams per train, sent as one message where the "
                           "kernel segments.",
                           &fz_io_lengths);

  add_half (metrics, "transmit", "tx", half);
  fz_metrics_add_histogram (
      metrics, &trains, NULL, "tx", half->lengths, fz_metric_load (&half->datagrams));
  add_crypto (metrics, "seal", fz_metric_load (&half->datagrams), fz_metric_load (&half->bytes));
}

static void
add_replays (FzMetrics *metrics, const FzLaneCounters *half)
{
  static const FzMetricFamily family = FZ_COUNTER_FAMILY (
      "replays_rejected", "Datagrams whose counter was seen before, or is too old to know.");
  uint64_t all = fz_metric_load (&half->drops[FZ_DROP_REPLAY]);
  uint64_t old = MIN (fz_metric_load (&half->replays_old), all);

  fz_metrics_add (
      metrics, &family, FZ_METRIC_LABELS ({ "kind", "duplicate" }), NULL, NULL, all - old);
  fz_metrics_add (metrics, &family, FZ_METRIC_LABELS ({ "kind", "old" }), "rx", "replays_old", old);
}

static void
add_receive (FzMetrics *metrics, const FzLaneCounters *half)
{
  static const FzMetricFamily runs = FZ_HISTOGRAM_FAMILY (
      "run_packets", "Packets per run, written to the TUN in one call.", &fz_io_lengths);
  static const FzMetricFamily waits =
      FZ_TIMES_FAMILY ("receive_sojourn", "How long buffers waited in the socket.", &sojourns);
  static const FzMetricFamily foreign = FZ_COUNTER_FAMILY (
      "foreign_lane_datagrams", "Datagrams of sessions that belong to another lane.");
  uint64_t forged = fz_metric_load (&half->drops[FZ_DROP_BAD_TAG]);

  add_half (metrics, "receive", "rx", half);
  fz_metrics_add_histogram (
      metrics, &runs, NULL, "rx", half->lengths, fz_metric_load (&half->run_packets));
  fz_metrics_add_histogram (
      metrics, &waits, NULL, "rx", half->sojourns, fz_metric_load (&half->sojourn_ns));
  fz_metrics_add (metrics, &foreign, NULL, "rx", "foreign", fz_metric_load (&half->foreign));
  add_replays (metrics, half);
  add_marks (metrics, "receive", "rx_codel", fz_metric_load (&half->marks));
  add_crypto (metrics,
              "open",
              MAX (fz_metric_load (&half->to_open), forged) - forged,
              fz_metric_load (&half->bytes));
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

static const FzMetricRow turn_rows[] = {
  { FZ_COUNTER_FAMILY ("lane_turns", "Turns of a lane's thread."),
    "turns",
    offsetof (FzTurnCounters, turns) },
  { FZ_COUNTER_FAMILY ("lane_polls", "Looks at the descriptors without sleeping."),
    "polls",
    offsetof (FzTurnCounters, polls) },
  { FZ_COUNTER_FAMILY ("lane_sleeps", "Times that a lane's thread had nothing to do and slept."),
    "sleeps",
    offsetof (FzTurnCounters, sleeps) },
  { { "firezone_lane_turn_seconds_max", "The longest turn.", FZ_METRIC_MAXIMUM, true, NULL },
    "turn_max_ns",
    offsetof (FzTurnCounters, longest_ns) },
};

static void
add_turns (FzMetrics *metrics, const FzTurnCounters *const turns[2])
{
  static const FzMetricFamily times =
      FZ_TIMES_FAMILY ("lane_turn",
                       "How long turns took; the sum is the time that the thread "
                       "did not sleep.",
                       &turn_times);
  static const FzMetricFamily works =
      FZ_HISTOGRAM_FAMILY ("lane_turn_work", "TUN frames and UDP buffers per turn.", &turn_works);

  for (unsigned i = 0; i < 2 && turns[i] != NULL; i++) {
    const char *serves = turns[1] == NULL ? "both" : i == 0 ? "transmit" : "receive";
    FzMetricLabel direction = { "direction", serves };

    FZ_METRICS_ADD_ROWS (metrics, turn_rows, turns[i], FZ_METRIC_LABELS (direction), "lane");
    fz_metrics_add_histogram (metrics,
                              &times,
                              FZ_METRIC_LABELS (direction),
                              "lane",
                              turns[i]->times,
                              fz_metric_load (&turns[i]->busy_ns));
    fz_metrics_add_histogram (metrics,
                              &works,
                              FZ_METRIC_LABELS (direction),
                              "lane",
                              turns[i]->works,
                              fz_metric_load (&turns[i]->n_works));
  }
}

void
fz_lane_metrics_add (FzMetrics *metrics, const FzLaneThread *lane)
{
  FzLaneThreadCounters counters = fz_lane_thread_get_counters (lane);

  add_transmit (metrics, counters.tx);
  add_staging (metrics, counters.staging);
  add_receive (metrics, counters.rx);
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    fz_io_metrics_add_send (metrics, "udp_send", (FzUdpFamily) i, counters.send[i]);
    fz_io_metrics_add_receive (metrics, (FzUdpFamily) i, counters.receive[i]);
  }
  fz_io_metrics_add_tun_read (metrics, counters.tun_read);
  fz_io_metrics_add_tun_write (metrics, "tun_write", counters.tun_write);
  add_turns (metrics, counters.turns);
}

void
fz_lane_metrics_add_shared (FzMetrics *metrics, unsigned n_lanes)
{
  fz_metrics_add_table (metrics, "flow-cache", (uint64_t) 2 * n_lanes * fz_flow_cache_get_bytes ());
}
