/* fz-ladder.c: see the header */

#include "src/runtime/fz-ladder.h"

#include "src/runtime/fz-lane-thread.h"

static const struct {
  unsigned report;
  const char *name;
  const char *what;
} demotions[] = {
  { FZ_LANE_REPORT_REFUSED_TCP4, "tun-tcp4-runs", "tun tcp4 runs" },
  { FZ_LANE_REPORT_REFUSED_TCP6, "tun-tcp6-runs", "tun tcp6 runs" },
  { FZ_LANE_REPORT_REFUSED_UDP, "tun-udp-runs", "tun udp runs" },
  { FZ_LANE_REPORT_NO_GSO_V4, "udp-v4-gso", "udp4 segmentation, for a minute" },
  { FZ_LANE_REPORT_NO_GSO_V6, "udp-v6-gso", "udp6 segmentation, for a minute" },
};

G_STATIC_ASSERT (G_N_ELEMENTS (demotions) == FZ_N_LADDER_DEMOTIONS);

const char *
fz_ladder_demotion_name (unsigned i)
{
  return demotions[i].name;
}

void
fz_ladder_note_reports (FzLadder *self, unsigned reports, uint64_t unix_ns, const FzLog *log)
{
  for (unsigned i = 0; i < FZ_N_LADDER_DEMOTIONS; i++) {
    if ((reports & demotions[i].report) == 0)
      continue;
    self->demotions[i].n++;
    self->demotions[i].last_unix_ns = unix_ns;
    fz_log (log,
            FZ_LOG_WARNING,
            "ladder-demoted",
            "the system refused an offload; going on without it",
            FZ_KV_TEXT ("offload", demotions[i].what));
  }
}

static const char *
yes (bool value)
{
  return value ? "yes" : "no";
}

FzLaneLimits
fz_ladder_get_limits (const FzLadder *self)
{
  bool runs = self->tun.vnet_header && self->tun.checksum;
  uint16_t segments = 1;

  /* The sender cuts a train up for a family that cannot. */
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++)
    if (self->pair->sockets[i].fd >= 0 && self->pair->sockets[i].has_gso)
      segments = MAX (segments, self->pair->sockets[i].max_segments);
  return (FzLaneLimits){
    .train_segments = MIN (segments, FZ_TRAIN_SEGMENTS_MAX),
    .tun_tcp4 = runs && self->tun.tso,
    .tun_tcp6 = runs && self->tun.tso,
    .tun_udp = runs && self->tun.uso,
    .tun_udp_segments = FZ_TRAIN_SEGMENTS_MAX,
  };
}

static void
append_socket (GString *line, const char *name, const FzUdpSocket *socket)
{
  if (socket->fd < 0) {
    g_string_append_printf (line, " | %s none (%s)", name, g_strerror (socket->refusal));
    return;
  }
  g_string_append_printf (line, " | %s port=%u gso=", name, socket->port);
  if (socket->has_gso)
    g_string_append_printf (line, "yes(max %u)", socket->max_segments);
  else
    g_string_append (line, "no");
  g_string_append_printf (line,
                          " gro=%s timestamp=%s mark=%s rcvbuf=%u sndbuf=%u",
                          yes (socket->has_gro),
                          yes (socket->has_timestamps),
                          yes (socket->has_mark),
                          socket->receive_buffer_bytes,
                          socket->send_buffer_bytes);
}

static void
append_ciphers (GString *line, const FzLadder *self)
{
  g_string_append_printf (line, " | crypto=%s", fz_aead_backend_name (self->backend));
  for (int i = 0; i < FZ_N_AEAD_BACKENDS; i++)
    if (self->reports[i].is_trusted && self->reports[i].ns_per_1312 != 0)
      g_string_append_printf (line,
                              " %s(%.2fus@1312B %.2fus@96B)",
                              fz_aead_backend_name ((FzAeadBackend) i),
                              self->reports[i].ns_per_1312 / 1000.0,
                              self->reports[i].ns_per_96 / 1000.0);
}

/* Whether the kernel brings each session to its lane. */
static const char *
steering_name (const FzLadder *self)
{
  if (self->n_lanes < 2)
    return "n/a";
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++)
    if (self->pair->sockets[i].fd >= 0 && !self->pair->sockets[i].is_steered)
      return "no";
  return "yes";
}

char *
fz_ladder_format (const FzLadder *self)
{
  GString *line = g_string_new (NULL);

  g_string_append_printf (
      line,
      "tun vnet_hdr=%s csum=%s tso=%s tso_ecn=%s uso=%s queues=%u txqueuelen=%u",
      yes (self->tun.vnet_header),
      yes (self->tun.checksum),
      yes (self->tun.tso),
      yes (self->tun.tso_ecn),
      yes (self->tun.uso),
      self->tun.n_queues,
      FZ_TUN_TXQUEUELEN);
  append_socket (line, "udp4", &self->pair->sockets[FZ_UDP_V4]);
  append_socket (line, "udp6", &self->pair->sockets[FZ_UDP_V6]);
  append_ciphers (line, self);
  g_string_append_printf (line,
                          " | lanes=%u threads=%u reuseport_cbpf=%s",
                          self->n_lanes,
                          self->n_threads,
                          steering_name (self));
  return g_string_free (line, FALSE);
}

static void
log_family (const FzLog *log, const char *family, const FzUdpSocket *socket)
{
  if (socket->fd < 0)
    fz_log (log,
            FZ_LOG_WARNING,
            "udp-family-missing",
            "no UDP socket of this family; going on with the other",
            FZ_KV_TEXT ("family", family),
            FZ_KV_TEXT ("error", g_strerror (socket->refusal)));
}

void
fz_ladder_log (const FzLadder *self, const FzLog *log)
{
  g_autofree char *line = fz_ladder_format (self);
  g_autofree char *message = g_strconcat ("dataplane: ", line, NULL);

  fz_log (log,
          FZ_LOG_INFO,
          "dataplane-ready",
          message,
          FZ_KV_TEXT ("aead", fz_aead_backend_name (self->backend)));
  log_family (log, "IPv4", &self->pair->sockets[FZ_UDP_V4]);
  log_family (log, "IPv6", &self->pair->sockets[FZ_UDP_V6]);
  for (int i = 0; i < FZ_N_AEAD_BACKENDS; i++)
    if (self->reports[i].is_available && !self->reports[i].is_trusted)
      fz_log (log,
              FZ_LOG_ERROR,
              "aead-distrusted",
              "this cipher library gave wrong answers and is not used",
              FZ_KV_TEXT ("aead", fz_aead_backend_name ((FzAeadBackend) i)));
}
