/* fz-lanes.c: see the header */

#include "src/runtime/fz-lanes.h"

#include "src/runtime/fz-lane-metrics.h"

#include <errno.h>
#include <glib.h>

struct FzLanes {
  unsigned n_lanes;
  FzLaneThread *lanes[FZ_LANES_MAX];
};

FzLanes *
fz_lanes_new (const FzLaneThreadConfig *config)
{
  FzLanes *self = g_new0 (FzLanes, 1);
  FzLaneThreadConfig own = *config;

  g_assert (config->steering.n_lanes <= FZ_LANES_MAX);
  for (own.index = 0; own.index < MAX (config->steering.n_lanes, 1); own.index++) {
    self->lanes[own.index] = fz_lane_thread_new (&own);
    if (self->lanes[own.index] == NULL) {
      int error = errno;

      fz_lanes_free (self);
      errno = error;
      return NULL;
    }
    self->n_lanes++;
  }
  return self;
}

void
fz_lanes_free (FzLanes *self)
{
  if (self == NULL)
    return;
  for (unsigned i = 0; i < self->n_lanes; i++)
    fz_lane_thread_free (self->lanes[i]);
  g_free (self);
}

bool
fz_lanes_start (FzLanes *self,
                const FzTunQueue *queues,
                const FzUdpPair *pairs,
                const FzLaneLimits *limits)
{
  for (unsigned i = 0; i < self->n_lanes; i++)
    if (!fz_lane_thread_start (self->lanes[i], queues[i], &pairs[i], limits)) {
      int error = errno;
      unsigned hanging;

      fz_lanes_stop (self, &hanging);
      errno = error;
      return false;
    }
  return true;
}

bool
fz_lanes_stop (FzLanes *self, unsigned *out_lane)
{
  bool all_ended = true;

  /* told together, so that they end together */
  for (unsigned i = 0; i < self->n_lanes; i++)
    fz_lane_thread_ask_to_stop (self->lanes[i]);
  for (unsigned i = 0; i < self->n_lanes; i++)
    if (!fz_lane_thread_stop (self->lanes[i])) {
      *out_lane = i;
      all_ended = false;
    }
  return all_ended;
}

bool
fz_lanes_pause (FzLanes *self, unsigned *out_lane)
{
  bool all_ended = true;

  for (unsigned i = 0; i < self->n_lanes; i++)
    fz_lane_thread_ask_to_pause (self->lanes[i]);
  for (unsigned i = 0; i < self->n_lanes; i++)
    if (!fz_lane_thread_pause (self->lanes[i])) {
      *out_lane = i;
      all_ended = false;
    }
  return all_ended;
}

void
fz_lanes_empty_sockets (FzLanes *self)
{
  for (unsigned i = 0; i < self->n_lanes; i++)
    fz_lane_thread_empty_sockets (self->lanes[i]);
}

FzRing *
fz_lanes_get_ring (FzLanes *self, unsigned i)
{
  if (i >= self->n_lanes * FZ_LANE_N_RINGS)
    return NULL;
  return fz_lane_thread_get_ring (self->lanes[i / FZ_LANE_N_RINGS], i % FZ_LANE_N_RINGS);
}

void
fz_lanes_records_released (FzLanes *self)
{
  for (unsigned i = 0; i < self->n_lanes; i++)
    fz_lane_thread_records_released (self->lanes[i]);
}

unsigned
fz_lanes_take_reports (FzLanes *self)
{
  unsigned reports = 0;

  for (unsigned i = 0; i < self->n_lanes; i++)
    reports |= fz_lane_thread_take_reports (self->lanes[i]);
  return reports;
}

void
fz_lanes_add_metrics (const FzLanes *self, FzMetrics *metrics)
{
  for (unsigned i = 0; i < self->n_lanes; i++) {
    char lane[8];

    g_snprintf (lane, sizeof lane, "%u", i);
    fz_metrics_set_lane (metrics, lane, self->n_lanes > 1);
    fz_lane_metrics_add (metrics, self->lanes[i]);
  }
  fz_metrics_set_lane (metrics, NULL, false);
  fz_lane_metrics_add_shared (metrics, self->n_lanes);
}
