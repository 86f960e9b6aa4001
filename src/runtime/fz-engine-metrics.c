/* fz-engine-metrics.c: see the header */

#include "src/runtime/fz-engine-metrics.h"

#include "src/runtime/fz-io-metrics.h"
#include "src/runtime/fz-metric-rows.h"

#include <string.h>

void
fz_engine_metrics_add_io (FzMetrics *metrics, const FzOutbox *outbox, const FzTunWriter *writer)
{
  static const FzMetricFamily waited = FZ_COUNTER_FAMILY (
      "outbox_waited_datagrams", "The engine's datagrams that were not sent at once.");
  static const FzMetricFamily lost = FZ_COUNTER_FAMILY (
      "outbox_lost_datagrams", "The engine's datagrams that could not wait any longer.");
  const FzOutboxCounters *counters = fz_outbox_get_counters (outbox);

  fz_metrics_set_lane (metrics, "engine", false);
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++)
    fz_io_metrics_add_send (metrics,
                            "engine_udp",
                            (FzUdpFamily) i,
                            fz_outbox_get_send_counters (outbox, (FzUdpFamily) i));
  fz_io_metrics_add_tun_write (metrics, "engine_tun", fz_tun_writer_get_counters (writer));
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
  static const FzMetricFamily family = FZ_TIMES_FAMILY (
      "handshake",
      "How long it took until a handshake of ours was answered, repetitions included.",
      &handshake_times);
  _Atomic uint64_t buckets[FZ_N_HANDSHAKE_TIMES];

  for (unsigned i = 0; i < FZ_N_HANDSHAKE_TIMES; i++)
    atomic_init (&buckets[i], counters->handshake_times.n[i]);
  fz_metrics_add_histogram (
      metrics, &family, NULL, "engine", buckets, counters->handshake_times.total_ns);
}

static const FzMetricRow engine_rows[] = {
  { FZ_GAUGE_FAMILY ("peers", "Peers that the engine has a connection with or makes one."),
    "peers",
    offsetof (FzEngineCounters, n_peers) },
  { FZ_GAUGE_FAMILY ("peers_established", "Peers with a path and keys."),
    "peers_established",
    offsetof (FzEngineCounters, n_established) },
  { FZ_GAUGE_FAMILY ("sessions", "Keys that packets can be opened with; up to eight of a peer."),
    "sessions",
    offsetof (FzEngineCounters, n_sessions) },
  { FZ_GAUGE_FAMILY ("nat_sessions", "Translated flows to hosts behind names."),
    "nat_sessions",
    offsetof (FzEngineCounters, n_nat_sessions) },
  { FZ_GAUGE_FAMILY ("relays", "Relays that the engine knows."),
    "relays",
    offsetof (FzEngineCounters, n_relays) },
  { FZ_COUNTER_FAMILY ("handshakes_started", "Handshake initiations sent, repetitions included."),
    "handshakes_started",
    offsetof (FzEngineCounters, handshakes_started) },
  { FZ_COUNTER_FAMILY ("handshakes_received", "Handshake initiations accepted."),
    "handshakes_received",
    offsetof (FzEngineCounters, handshakes_received) },
  { FZ_COUNTER_FAMILY ("handshakes_completed",
                       "Sessions that became usable, by either side's initiation."),
    "handshakes_completed",
    offsetof (FzEngineCounters, handshakes_completed) },
  { FZ_COUNTER_FAMILY ("handshakes_bad_mac1", "Handshake messages not made for our public key."),
    "handshakes_bad_mac1",
    offsetof (FzEngineCounters, handshakes_bad_mac1) },
  { FZ_COUNTER_FAMILY ("cookies_sent", "Handshakes answered by a cookie because of load."),
    "cookies_sent",
    offsetof (FzEngineCounters, cookies_sent) },
  { FZ_COUNTER_FAMILY ("packets_buffered", "Packets that waited for a session in the engine."),
    "packets_buffered",
    offsetof (FzEngineCounters, packets_buffered) },
};

void
fz_engine_metrics_add (FzMetrics *metrics, const FzEngineCounters *counters)
{
  static const FzMetricFamily drops = FZ_COUNTER_FAMILY (
      "engine_drops", "Packets and datagrams that the engine did not use, and why.");

  for (size_t i = 0; i < G_N_ELEMENTS (engine_rows); i++) {
    const FzMetricRow *row = &engine_rows[i];
    uint64_t value;

    memcpy (&value, (const uint8_t *) counters + row->offset, sizeof value);
    fz_metrics_add (metrics, &row->family, NULL, "engine", row->flat_name, value);
  }
  fz_metrics_add_table (metrics, "peers", counters->peer_table_bytes);
  fz_metrics_add_table (metrics, "nat", counters->nat_bytes);
  add_handshake_times (metrics, counters);
  for (FzDrop drop = FZ_DROP_NONE + 1; drop < FZ_N_DROPS; drop++)
    fz_metrics_add_drop (
        metrics, &drops, (FzMetricLabel){ 0 }, drop, "engine", counters->drops[drop]);
}
