/* fz-ladder.h
 *
 * What the kernel, the sockets and the ciphers gave us, in one line at start
 * (dataplane.md §15), and the limits for the lanes that follow from it.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/dataplane/fz-lane.h"
#include "src/runtime/fz-udp-socket.h"

/* What may be given up while running, and comes back no earlier than with a new device or socket,
 * or after a minute (segmentation). */
#define FZ_N_LADDER_DEMOTIONS 5u

typedef struct {
  uint64_t n;            /* times, by all lanes */
  uint64_t last_unix_ns; /* 0: never */
} FzLadderDemotion;

typedef struct {
  FzTunFeatures tun;
  const FzUdpPair *pair; /* the first lane's */
  FzAeadBackend backend;
  FzAeadReport reports[FZ_N_AEAD_BACKENDS];
  unsigned n_lanes;
  unsigned n_threads; /* of each lane */
  FzLadderDemotion demotions[FZ_N_LADDER_DEMOTIONS];
} FzLadder;

/* "udp-v4-gso", for counters; @i < FZ_N_LADDER_DEMOTIONS. */
const char *fz_ladder_demotion_name (unsigned i);

/* Counts and logs those among @reports, FZ_LANE_REPORT_…. */
void fz_ladder_note_reports (FzLadder *self, unsigned reports, uint64_t unix_ns, const FzLog *log);

FzLaneLimits fz_ladder_get_limits (const FzLadder *self);

/* "tun vnet_hdr=yes tso=yes … | udp4 … | crypto=… | lanes=1 …"; g_free. */
char *fz_ladder_format (const FzLadder *self);

/* The line at info, each cipher that did not pass its checks at error, each family that is missing
 * at warning. */
void fz_ladder_log (const FzLadder *self, const FzLog *log);
