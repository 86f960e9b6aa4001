/* fz-lane-thread.h
 *
 * One lane at work: a TUN queue and the UDP sockets, joined by the packet path
 * of src/dataplane/fz-lane.h. One thread runs both directions to completion;
 * with two_threads each direction has its own. The threads sleep in ppoll only
 * when nothing is left to do, and never spin.
 *
 * Made, started, stopped and freed by the engine thread. What a lane has to say
 * (packets for the engine, a lost device, a capability that had to be given up)
 * comes through its rings and reports, announced by the engine's bell.
 */
#pragma once

#include "src/dataplane/fz-lane.h"
#include "src/runtime/fz-bell.h"
#include "src/runtime/fz-clock.h"
#include "src/runtime/fz-tun-queue.h"
#include "src/runtime/fz-turn-counters.h"
#include "src/runtime/fz-udp-receive.h"
#include "src/runtime/fz-udp-send.h"

#define FZ_LANE_RING_BYTES (1u << 20) /* each direction; four times the largest record */

/* What a lane reports; bits add up until they are taken. */
#define FZ_LANE_REPORT_TUN_GONE     1u
#define FZ_LANE_REPORT_REFUSED_TCP4 2u /* the device takes no runs of that kind */
#define FZ_LANE_REPORT_REFUSED_TCP6 4u
#define FZ_LANE_REPORT_REFUSED_UDP  8u
#define FZ_LANE_REPORT_NO_GSO_V4    16u /* the system cannot cut trains for us, for a minute */
#define FZ_LANE_REPORT_NO_GSO_V6    32u
#define FZ_LANE_REPORT_UNREACHABLE  64u /* datagrams could not leave; at most once per second */

typedef struct {
  unsigned index;         /* names the threads: fz-lane0 */
  FzSteering steering;    /* of all lanes; zero: this is the only one */
  bool two_threads;       /* one per direction */
  FzPublished *published; /* borrowed, like all below */
  FzBell *engine_bell;
  const FzClock *clock;
  const FzIo *io;
  FzAeadBackend backend;
  uint64_t hash_seed;
  const FzAqm *aqm; /* copied; NULL: fz_aqm_default */
} FzLaneThreadConfig;

typedef struct FzLaneThread FzLaneThread;

/* NULL with errno set if a descriptor or memory is missing. */
FzLaneThread *fz_lane_thread_new (const FzLaneThreadConfig *config);

/* Starts on these descriptors, which stay open until it has stopped. False with errno set. */
bool fz_lane_thread_start (FzLaneThread *self,
                           FzTunQueue queue,
                           const FzUdpPair *pair,
                           const FzLaneLimits *limits);

/* What fz_lane_thread_stop begins with, for several lanes at once. */
void fz_lane_thread_ask_to_stop (FzLaneThread *self);

/**
 * fz_lane_thread_stop:
 *
 * Lets the threads send what they hold (50 ms at most) and joins them: the end. May be
 * started again all the same; what is staged stays so, but unsent trains are lost.
 *
 * Returns: false if a thread has not ended ten seconds after the lane was first asked to: it still
 * runs, free nothing
 */
bool fz_lane_thread_stop (FzLaneThread *self);

/* The same for a change of descriptors: at once, and nothing is lost. What is staged or sealed
 * stays so and leaves after the next start, through the sockets that are named there. */
void fz_lane_thread_ask_to_pause (FzLaneThread *self);
bool fz_lane_thread_pause (FzLaneThread *self);

/* Of a stopped lane whose sockets are about to be closed: what lies in them goes to the TUN and to
 * the rings. On the caller's thread, and bounded. */
void fz_lane_thread_empty_sockets (FzLaneThread *self);
void fz_lane_thread_free (FzLaneThread *self); /* stopped */

/* -- engine thread, while it runs -- */

/* The rings from the lane: transmit's and receive's. */
FzRing *fz_lane_thread_get_ring (FzLaneThread *self, unsigned which);
#define FZ_LANE_N_RINGS 2u

/* After releasing records: wakes a lane that waits for it. */
void fz_lane_thread_records_released (FzLaneThread *self);
unsigned fz_lane_thread_take_reports (FzLaneThread *self);

typedef struct {
  const FzLaneCounters *tx;
  const FzLaneCounters *rx;
  const FzStagingCounters *staging;
  const FzSendCounters *send[FZ_N_UDP_FAMILIES];
  const FzReceiveCounters *receive[FZ_N_UDP_FAMILIES];
  const FzTunCounters *tun_read;
  const FzTunCounters *tun_write;
  const FzTurnCounters *turns[2]; /* the second one only with two threads, else NULL */
} FzLaneThreadCounters;

FzLaneThreadCounters fz_lane_thread_get_counters (const FzLaneThread *self);
