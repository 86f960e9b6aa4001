/* fz-host-metrics.c: see the header */

#include "src/runtime/fz-host-metrics.h"

static const char *const length_names[5] = { "1", "2_4", "5_16", "17_32", "33_64" };

static void
add_drop (FzMetrics *metrics, const char *prefix, FzDrop drop, uint64_t value)
{
  g_autofree char *name = g_strconcat ("drop_", fz_drop_name (drop), NULL);

  fz_metrics_add (metrics, prefix, name, value);
}

static void
add_lengths (FzMetrics *metrics, const char *prefix, const _Atomic uint64_t lengths[5])
{
  for (int i = 0; i < 5; i++) {
    g_autofree char *name = g_strconcat ("length_", length_names[i], NULL);

    fz_metrics_add_counter (metrics, prefix, name, &lengths[i]);
  }
}

static void
add_sojourns (FzMetrics *metrics,
              const char *prefix,
              const _Atomic uint64_t sojourns[FZ_N_SOJOURNS])
{
  static const char *const names[FZ_N_SOJOURNS] = { "100us", "500us", "1ms",  "2ms",
                                                    "5ms",   "10ms",  "50ms", "longer" };

  for (unsigned i = 0; i < FZ_N_SOJOURNS; i++) {
    g_autofree char *name = g_strconcat ("sojourn_", names[i], NULL);

    fz_metrics_add_counter (metrics, prefix, name, &sojourns[i]);
  }
}

void
fz_host_metrics_add_engine (FzMetrics *metrics, const FzEngineCounters *counters)
{
  fz_metrics_add (metrics, "engine", "peers", counters->n_peers);
  fz_metrics_add (metrics, "engine", "relays", counters->n_relays);
  fz_metrics_add (metrics, "engine", "handshakes_started", counters->handshakes_started);
  fz_metrics_add (metrics, "engine", "handshakes_completed", counters->handshakes_completed);
  fz_metrics_add (metrics, "engine", "handshakes_received", counters->handshakes_received);
  fz_metrics_add (metrics, "engine", "cookies_sent", counters->cookies_sent);
  fz_metrics_add (metrics, "engine", "packets_buffered", counters->packets_buffered);
  for (int i = FZ_DROP_NONE + 1; i < FZ_N_DROPS; i++)
    add_drop (metrics, "engine", (FzDrop) i, counters->drops[i]);
}

static void
add_half (FzMetrics *metrics, const char *prefix, const FzLaneCounters *half)
{
  fz_metrics_add_counter (metrics, prefix, "packets", &half->packets);
  fz_metrics_add_counter (metrics, prefix, "super_packets", &half->super_packets);
  fz_metrics_add_counter (metrics, prefix, "bytes", &half->bytes);
  fz_metrics_add_counter (metrics, prefix, "datagrams", &half->datagrams);
  fz_metrics_add_counter (metrics, prefix, "trains", &half->trains);
  fz_metrics_add_counter (metrics, prefix, "to_engine", &half->to_engine);
  fz_metrics_add_counter (metrics, prefix, "cache_hits", &half->cache_hits);
  fz_metrics_add_counter (metrics, prefix, "cache_misses", &half->cache_misses);
  fz_metrics_add_counter (metrics, prefix, "foreign", &half->foreign);
  add_lengths (metrics, prefix, half->lengths);
  fz_metrics_add_counter (metrics, prefix, "codel_marks", &half->marks);
  add_sojourns (metrics, prefix, half->sojourns);
  for (int i = FZ_DROP_NONE + 1; i < FZ_N_DROPS; i++)
    add_drop (
        metrics, prefix, (FzDrop) i, atomic_load_explicit (&half->drops[i], memory_order_relaxed));
}

static void
add_staging (FzMetrics *metrics, const FzStagingCounters *staging)
{
  static const char *const sojourns[FZ_SOJOURN_BUCKETS] = {
    "sojourn_below_100us", "sojourn_below_500us", "sojourn_below_1ms",  "sojourn_below_2ms",
    "sojourn_below_5ms",   "sojourn_below_10ms",  "sojourn_below_50ms", "sojourn_longer",
  };
  const FzQueueCounters *queue = staging->queue;

  fz_metrics_add_counter (metrics, "staging", "frames", &queue->items);
  fz_metrics_add_counter (metrics, "staging", "frames_max", &queue->items_max);
  fz_metrics_add_counter (metrics, "staging", "bytes", &queue->bytes);
  fz_metrics_add_counter (metrics, "staging", "bytes_max", &queue->bytes_max);
  fz_metrics_add_counter (metrics, "staging", "slots", &queue->large);
  fz_metrics_add_counter (metrics, "staging", "slots_max", &queue->large_max);
  for (unsigned i = 0; i < FZ_SOJOURN_BUCKETS; i++)
    fz_metrics_add_counter (metrics, "staging", sojourns[i], &queue->sojourn[i]);
  fz_metrics_add_counter (metrics, "staging", "sparse", &queue->sparse);
  fz_metrics_add_counter (metrics, "staging", "crowded", &queue->crowded);
  fz_metrics_add_counter (metrics, "staging", "paused", &queue->paused);
  fz_metrics_add_counter (metrics, "staging", "marks", &staging->marks);
  fz_metrics_add_counter (metrics, "staging", "stops", &staging->stops);
}

static void
add_receive (FzMetrics *metrics, const FzReceiveCounters *counters)
{
  fz_metrics_add_counter (metrics, "udp_receive", "calls", &counters->calls);
  fz_metrics_add_counter (metrics, "udp_receive", "buffers", &counters->buffers);
  fz_metrics_add_counter (metrics, "udp_receive", "datagrams", &counters->datagrams);
  fz_metrics_add_counter (metrics, "udp_receive", "bytes", &counters->bytes);
  fz_metrics_add_counter (metrics, "udp_receive", "truncated", &counters->truncated);
  fz_metrics_add_counter (metrics, "udp_receive", "no_address", &counters->no_address);
  fz_metrics_add_counter (metrics, "udp_receive", "overflowed", &counters->overflowed);
  fz_metrics_add_counter (metrics, "udp_receive", "errors", &counters->errors);
  add_lengths (metrics, "udp_receive", counters->lengths);
}

static void
add_reader (FzMetrics *metrics, const FzTunCounters *counters)
{
  fz_metrics_add_counter (metrics, "tun_read", "calls", &counters->reads);
  fz_metrics_add_counter (metrics, "tun_read", "bytes", &counters->read_bytes);
  fz_metrics_add_counter (metrics, "tun_read", "bad_frames", &counters->bad_frames);
  fz_metrics_add_counter (metrics, "tun_read", "errors", &counters->errors);
}

static void
add_turns (FzMetrics *metrics, const FzTurnCounters *counters)
{
  if (counters == NULL)
    return;
  fz_metrics_add_counter (metrics, "lane", "turns", &counters->turns);
  fz_metrics_add_counter (metrics, "lane", "polls", &counters->polls);
  fz_metrics_add_counter (metrics, "lane", "sleeps", &counters->sleeps);
}

void
fz_host_metrics_add_send (FzMetrics *metrics, const char *prefix, const FzSendCounters *counters)
{
  static const char *const names[FZ_N_SEND_ERRORS] = {
    [FZ_SEND_ERROR_NO_BUFFER] = "lost_no_buffer",
    [FZ_SEND_ERROR_TOO_LARGE] = "lost_too_large",
    [FZ_SEND_ERROR_UNREACHABLE] = "lost_unreachable",
    [FZ_SEND_ERROR_NO_SOCKET] = "lost_no_socket",
    [FZ_SEND_ERROR_OTHER] = "lost_other",
  };

  fz_metrics_add_counter (metrics, prefix, "calls", &counters->calls);
  fz_metrics_add_counter (metrics, prefix, "messages", &counters->messages);
  fz_metrics_add_counter (metrics, prefix, "datagrams", &counters->datagrams);
  fz_metrics_add_counter (metrics, prefix, "bytes", &counters->bytes);
  fz_metrics_add_counter (metrics, prefix, "partial", &counters->partial);
  fz_metrics_add_counter (metrics, prefix, "blocked", &counters->blocked);
  fz_metrics_add_counter (metrics, prefix, "demotions", &counters->demotions);
  for (int i = 0; i < FZ_N_SEND_ERRORS; i++)
    fz_metrics_add_counter (metrics, prefix, names[i], &counters->lost[i]);
}

void
fz_host_metrics_add_writer (FzMetrics *metrics, const char *prefix, const FzTunCounters *counters)
{
  fz_metrics_add_counter (metrics, prefix, "calls", &counters->writes);
  fz_metrics_add_counter (metrics, prefix, "packets", &counters->written_packets);
  fz_metrics_add_counter (metrics, prefix, "refused_runs", &counters->refused_runs);
  fz_metrics_add_counter (metrics, prefix, "lost_packets", &counters->lost_packets);
  fz_metrics_add_counter (metrics, prefix, "waits", &counters->waits);
}

void
fz_host_metrics_add_lane (FzMetrics *metrics, const FzLaneThread *lane)
{
  FzLaneThreadCounters counters = fz_lane_thread_get_counters (lane);

  add_half (metrics, "tx", counters.tx);
  add_half (metrics, "rx", counters.rx);
  add_staging (metrics, counters.staging);
  fz_host_metrics_add_send (metrics, "udp_send", counters.send);
  add_receive (metrics, counters.receive);
  add_reader (metrics, counters.tun_read);
  fz_host_metrics_add_writer (metrics, "tun_write", counters.tun_write);
  add_turns (metrics, counters.turns[0]);
  add_turns (metrics, counters.turns[1]);
}
