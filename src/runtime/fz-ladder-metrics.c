/* fz-ladder-metrics.c: see the header */

#include "src/runtime/fz-ladder-metrics.h"

#include "src/runtime/fz-metric-rows.h"

typedef struct {
  const char *name;
  bool is_granted;
} Capability;

static void
add_capabilities (FzMetrics *metrics, const char *of, const Capability *rows, size_t n_rows)
{
  static const FzMetricFamily family =
      FZ_GAUGE_FAMILY ("ladder_granted", "Whether the system grants the capability: 1 or 0.");

  for (size_t i = 0; i < n_rows; i++) {
    char name[24];

    g_snprintf (name, sizeof name, "%s-%s", of, rows[i].name);
    fz_metrics_add (metrics,
                    &family,
                    FZ_METRIC_LABELS ({ "capability", name }),
                    NULL,
                    NULL,
                    rows[i].is_granted);
  }
}

static void
add_device (FzMetrics *metrics, const FzTunFeatures *tun)
{
  const Capability rows[] = {
    { "vnet-header", tun->vnet_header }, { "checksum", tun->checksum }, { "tso", tun->tso },
    { "tso-ecn", tun->tso_ecn },         { "uso", tun->uso },
  };

  add_capabilities (metrics, "tun", rows, G_N_ELEMENTS (rows));
}

static void
add_socket (FzMetrics *metrics, const char *name, const FzUdpSocket *socket)
{
  static const FzMetricFamily buffer = FZ_GAUGE_FAMILY (
      "udp_socket_buffer_bytes", "Size of the socket's buffer; 0: no such socket.");
  const Capability rows[] = {
    { "socket", socket->fd >= 0 },
    { "gso", socket->fd >= 0 && socket->has_gso },
    { "gro", socket->fd >= 0 && socket->has_gro },
    { "timestamps", socket->fd >= 0 && socket->has_timestamps },
  };
  FzMetricLabel family = { "family", name };
  char of[8];

  g_snprintf (of, sizeof of, "udp-%s", name);
  add_capabilities (metrics, of, rows, G_N_ELEMENTS (rows));
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
      FZ_COUNTER_FAMILY ("ladder_demotions", "Times that a capability was given up while running.");
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
fz_ladder_metrics_add (FzMetrics *metrics, const FzLadder *ladder)
{
  static const FzMetricFamily lanes = FZ_GAUGE_FAMILY ("lanes", "Lanes at work.");
  static const FzMetricFamily build = {
    "firezone_build_info", "The version that is running.", FZ_METRIC_INFO, false, NULL
  };
  static const FzMetricFamily crypto = {
    "firezone_crypto_backend_info", "The library that seals and opens.", FZ_METRIC_INFO, false, NULL
  };

  fz_metrics_add (metrics, &build, FZ_METRIC_LABELS ({ "version", FZ_VERSION }), NULL, NULL, 1);
  fz_metrics_add (metrics,
                  &crypto,
                  FZ_METRIC_LABELS ({ "backend", fz_aead_backend_name (ladder->backend) }),
                  NULL,
                  NULL,
                  1);
  fz_metrics_add (metrics, &lanes, NULL, NULL, NULL, ladder->n_lanes);
  add_device (metrics, &ladder->tun);
  add_socket (metrics, "v4", &ladder->pair->sockets[FZ_UDP_V4]);
  add_socket (metrics, "v6", &ladder->pair->sockets[FZ_UDP_V6]);
  add_demotions (metrics, ladder);
}
