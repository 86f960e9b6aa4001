/* lane-pair.h
 *
 * Test helper: two lanes joined by real UDP sockets on the loopback device, each
 * with a socket pair for a TUN and a session that needs no handshake. What is
 * put into one TUN comes out of the other. An end may have several lanes, each with
 * a TUN queue of its own.
 */
#pragma once

#include "src/runtime/fz-lane-thread.h"
#include "tests/unit/runtime/test-io.h"

typedef struct {
  TestIo io;
  FzPublished published;
  FzPeer *peer;
  FzUdpPair sockets[FZ_LANES_MAX];
  int tun[FZ_LANES_MAX][2]; /* the lane's end, the test's */
  FzBell bell;              /* of the engine that is not there */
  FzLaneThread *lane;       /* the first one */
  FzLaneThread *lanes[FZ_LANES_MAX];
} LaneEnd;

typedef struct {
  FzClock clock;
  FzLaneLimits limits;
  bool has_vnet;
  FzSteering steering; /* of either end */
  LaneEnd ends[2];
} LanePair;

typedef struct {
  bool two_threads;
  bool no_vnet;
  bool runs;        /* write runs of several packets to the TUN */
  bool no_session;  /* the peer has no key yet: see lane_pair_give_session */
  uint32_t n_lanes; /* of either end; 0: 1 */
} LanePairOptions;

void lane_pair_init (LanePair *self, const LanePairOptions *options);
void lane_pair_start (LanePair *self);
void lane_pair_stop (LanePair *self); /* asserts that the threads end in time */
void lane_pair_clear (LanePair *self);

/* Publishes keys for both ends. */
void lane_pair_give_session (LanePair *self);

/* A packet from end @from to the other with @number inside; @length of 40 … 1280 bytes. False if
 * the TUN would block. */
bool lane_pair_put (LanePair *self, unsigned from, uint32_t number, size_t length);
bool
lane_pair_put_on (LanePair *self, unsigned from, unsigned lane, uint32_t number, size_t length);

/**
 * lane_pair_get:
 * @out: room for 64 numbers
 *
 * Takes what lies in end @to's TUN; runs are cut up by their header.
 *
 * Returns: how many packets' numbers were read; 0 if nothing came within @timeout_ms
 */
size_t lane_pair_get (LanePair *self, unsigned to, uint32_t *out, int timeout_ms);
size_t lane_pair_get_on (LanePair *self, unsigned to, unsigned lane, uint32_t *out, int timeout_ms);
