/* fz-ladder.h
 *
 * What the kernel, the sockets and the ciphers gave us, in one line at start
 * (dataplane.md §15), and the limits for the lanes that follow from it.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/dataplane/fz-lane.h"
#include "src/runtime/fz-udp-socket.h"

typedef struct {
  FzTunFeatures tun;
  const FzUdpPair *pair; /* the first lane's */
  FzAeadBackend backend;
  FzAeadReport reports[FZ_N_AEAD_BACKENDS];
  unsigned n_lanes;
  unsigned n_threads; /* of each lane */
} FzLadder;

FzLaneLimits fz_ladder_get_limits (const FzLadder *self);

/* "tun vnet_hdr=yes tso=yes … | udp4 … | crypto=… | lanes=1 …"; g_free. */
char *fz_ladder_format (const FzLadder *self);

/* The line at info, each cipher that did not pass its checks at error, each family that is missing
 * at warning. */
void fz_ladder_log (const FzLadder *self, const FzLog *log);
