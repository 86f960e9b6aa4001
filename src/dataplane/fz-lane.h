/* fz-lane.h
 *
 * The packet path of one lane as functions over batches: TUN frames in, trains
 * of datagrams out; UDP buffers in, runs of packets out. No system calls, no
 * clock: src/runtime moves the bytes, the simulator calls the same functions on
 * one thread (dataplane.md §§5-12).
 *
 * The two directions share nothing that is written, so that one thread may run
 * both or two threads one each. Either half belongs to one thread at a time.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-ring.h"
#include "src/crypto/fz-aead.h"
#include "src/dataplane/fz-aqm.h"
#include "src/dataplane/fz-flow-queue.h"
#include "src/dataplane/fz-lane-message.h"
#include "src/dataplane/fz-snapshot.h"
#include "src/dataplane/fz-steering.h"
#include "src/dataplane/fz-vnet.h"

#include <sys/uio.h>

#define FZ_MTU                1280u /* inner; both ends */
#define FZ_WIREGUARD_OVERHEAD 32u
#define FZ_PACKET_MAX         65535u
#define FZ_TX_SLOTS           64u  /* frames of any length that a lane holds back */
#define FZ_TX_CELLS           512u /* frames of at most 2 KiB beside them */
#define FZ_RX_BATCH           16u  /* receive buffers per turn */
#define FZ_TRAINS_MAX         64u
#define FZ_TRAIN_SEGMENTS_MAX 64u
#define FZ_N_SOJOURNS         8u

/* What the ladder of dataplane.md §15 allows now; the runtime demotes at run time. */
typedef struct {
  uint16_t train_segments; /* datagrams per train: 1 without UDP_SEGMENT, else up to 64 */
  bool tun_tcp4;           /* runs of that kind may be written to the TUN */
  bool tun_tcp6;
  bool tun_udp;
  uint16_t tun_udp_segments; /* at most 64 */
} FzLaneLimits;

typedef struct {
  FzPublished *published; /* borrowed, outlives the lane */
  FzAeadBackend backend;
  FzRing
      *tx_to_engine; /* borrowed: messages of the transmit half; 64 KiB at least, like the other */
  FzRing *rx_to_engine; /* borrowed: messages of the receive half; may be the same ring only if
                           one thread runs both halves */
  uint64_t hash_seed;   /* flow cache */
  const FzAqm *aqm;     /* copied; NULL: fz_aqm_default */
  FzSteering steering;  /* of all lanes; zero: this is the only one */
  uint32_t index;       /* which of them this one is */
  FzLaneLimits limits;
} FzLaneConfig;

/* Counters: the owner writes (relaxed), anyone reads. Names as in dataplane.md §22. */
typedef struct {
  _Atomic uint64_t packets;       /* inner packets through this half */
  _Atomic uint64_t super_packets; /* TUN frames in, or runs out */
  _Atomic uint64_t bytes;         /* inner bytes */
  _Atomic uint64_t datagrams;
  _Atomic uint64_t trains;    /* trains out, or buffers in */
  _Atomic uint64_t to_engine; /* messages handed over */
  _Atomic uint64_t answers;   /* receive: of them answers to checks of paths */
  _Atomic uint64_t cache_hits;
  _Atomic uint64_t cache_misses;
  _Atomic uint64_t cache_evictions;
  _Atomic uint64_t foreign;     /* receive: datagrams of another lane's sessions */
  _Atomic uint64_t to_open;     /* receive: given to the cipher; less FZ_DROP_BAD_TAG were good */
  _Atomic uint64_t replays_old; /* receive: of FZ_DROP_REPLAY those that fell behind the window */
  _Atomic uint64_t run_packets; /* receive: packets of all runs out */
  _Atomic uint64_t drops[FZ_N_DROPS];
  _Atomic uint64_t lengths[5]; /* train or run length: 1, 2-4, 5-16, 17-32, 33-64 */
  _Atomic uint64_t marks; /* congestion experienced, set by CoDel; its drops are FZ_DROP_CODEL */
  /* how long a frame or buffer waited before this half took it up: up to 0.1, 0.5, 1, 2, 5, 10,
   * 50 ms, longer */
  _Atomic uint64_t sojourns[FZ_N_SOJOURNS];
  _Atomic uint64_t sojourn_ns; /* of all together */
} FzLaneCounters;

/* -- transmit: TUN to UDP --
 *
 * A turn: begin; reserve, read a frame, commit, until the TUN has no more or there is no place;
 * emit so many bytes, take the trains, send them. Committed frames are staged in flow queues
 * (fz-flow-queue.h) and leave fairly, not in the order in which they came; those of one flow do. */

/* Measured, ping beside eight flows, p50 and p99 in ms: 64 KiB emitted 0.7 and 5.1, 128 KiB 0.8 and
 * 4.0, 256 KiB 1.3 and 4.3, at the same throughput; how much is read makes no difference. */
#define FZ_TX_READ_BYTES (512u << 10) /* to be read before something is emitted */
#define FZ_TX_EMIT_BYTES (128u << 10) /* to be emitted before the TUN is looked at again */

typedef struct {
  FzVnetHeader vnet;
  uint8_t *packet; /* room for FZ_PACKET_MAX bytes */
  uint32_t length; /* bytes */
} FzTunFrame;

typedef struct {
  const uint8_t *data;
  uint32_t length;       /* bytes of the whole train */
  uint16_t segment_size; /* every datagram but the last */
  uint16_t n_segments;
  FzSocketAddress to;
  FzIp from; /* FZ_IP_NONE: the system's choice */
  uint8_t ecn;
  uint32_t connection_id; /* whose datagrams these are */
} FzTrain;

typedef struct FzLaneTx FzLaneTx;

FzLaneTx *fz_lane_tx_new (const FzLaneConfig *config);
void fz_lane_tx_free (FzLaneTx *self);
void fz_lane_tx_set_limits (FzLaneTx *self, const FzLaneLimits *limits);

/* Before anything else after a quiescent point of FzReclaim: what earlier turns knew of peers is
 * not believed any more. @now counts for all until the next call. */
void fz_lane_tx_begin (FzLaneTx *self, FzInstant now);

/* Where to read the next frame into; the same one until it is committed. NULL: all places are in
 * use, so the TUN is left alone until something has been emitted. */
FzTunFrame *fz_lane_tx_reserve (FzLaneTx *self);

/* The reserved frame is there: packet, length and virtio header. It is checked, translated, asked
 * for its verdict; unless dropped it is staged behind those of its flow. */
void fz_lane_tx_commit (FzLaneTx *self);

/**
 * fz_lane_tx_emit:
 * @n_bytes: of frames, roughly
 *
 * Cuts and seals what is staged, in the order of the flow queues. Trains pile up
 * until fz_lane_tx_take, and must have been sent when this is called the next
 * time. Stops early when all trains are full or nothing more may leave; after a
 * take, progress is certain while fz_lane_tx_has_work.
 *
 * Returns: bytes of frames that are done
 */
size_t fz_lane_tx_emit (FzLaneTx *self, size_t n_bytes);

/* Whether something staged may be emitted now. */
bool fz_lane_tx_has_work (FzLaneTx *self);

/* Whether flows wait because packets of theirs were handed to the engine, which must send them
 * first (fz-snapshot.h): ask again when the engine has released records of tx_to_engine. */
bool fz_lane_tx_is_waiting (FzLaneTx *self);

/* The trains taken cannot leave yet: the time that passes now is the queue's, not the scheduler's.
 */
void fz_lane_tx_note_held_up (FzLaneTx *self);

/* Trains in sending order, valid until the next emit; they are forgotten by this call. At most
 * FZ_TRAINS_MAX, but up to FZ_TRAIN_SEGMENTS_MAX times as many where the limits cut them up. */
size_t fz_lane_tx_take (FzLaneTx *self, const FzTrain **out_trains);
const FzLaneCounters *fz_lane_tx_get_counters (const FzLaneTx *self);

/* Staging. Owner writes (relaxed), anyone reads; what fz-flow-queue.h counts is beside it. */
typedef struct {
  const FzQueueCounters *queue;
  _Atomic uint64_t marks; /* super-packets marked instead of losing a segment (FZ_DROP_CODEL) */
  _Atomic uint64_t stops; /* times that there was no place for a frame */
} FzStagingCounters;

const FzStagingCounters *fz_lane_tx_get_staging (const FzLaneTx *self);

/* -- receive: UDP to TUN -- */

typedef struct {
  uint8_t *data;   /* decrypted in place */
  uint32_t length; /* bytes */
  uint16_t stride; /* UDP_GRO segment size; 0 or >= length: one datagram */
  uint8_t ecn;
  uint64_t sojourn_ns; /* since it came to the socket; 0: unknown */
  FzSocketAddress from;
  FzSocketAddress to; /* our address (packet info) and port */
} FzUdpBuffer;

typedef struct {
  FzVnetHeader vnet;       /* first in the write */
  const struct iovec *iov; /* n_iov pieces, the vnet header being the first */
  uint16_t n_iov;
  uint16_t n_packets; /* 1: a single packet, vnet header all zero */
  uint32_t length;    /* bytes without the vnet header */
} FzRun;

typedef struct FzLaneRx FzLaneRx;

FzLaneRx *fz_lane_rx_new (const FzLaneConfig *config);
void fz_lane_rx_free (FzLaneRx *self);
void fz_lane_rx_set_limits (FzLaneRx *self, const FzLaneLimits *limits);

/* Demultiplexes, opens, checks, coalesces. @n_buffers: 1 … FZ_RX_BATCH. */
void fz_lane_rx_push (FzLaneRx *self, FzUdpBuffer *buffers, size_t n_buffers, FzInstant now);

typedef enum {
  FZ_LANE_NEWS_NONE,
  FZ_LANE_NEWS_ANSWERS, /* to checks of paths, alone: where paths are idle, they need not be seen
                           before anything else is (fz_engine_may_answers_wait) */
  FZ_LANE_NEWS_URGENT,
} FzLaneNews;

/* What the last push handed over to the engine. URGENT too if much lies in the ring. */
FzLaneNews fz_lane_rx_get_news (const FzLaneRx *self);

/* Runs in writing order, valid (with the pushed buffers) until the next push. */
size_t fz_lane_rx_take (FzLaneRx *self, const FzRun **out_runs);

/**
 * fz_lane_rx_split:
 * @run: a run of several packets that the device refused
 * @frame: 64 KiB buffer that receives one packet after the other
 * @emit: called for each packet of the run, in order, as the single packet it was
 *
 * The way down the ladder: nothing of a refused run is lost.
 */
void fz_lane_rx_split (FzLaneRx *self,
                       const FzRun *run,
                       uint8_t *frame,
                       void (*emit) (void *context, const uint8_t *packet, size_t length),
                       void *context);
const FzLaneCounters *fz_lane_rx_get_counters (const FzLaneRx *self);
