/* fz-tun-queue.h
 *
 * Reads frames from a TUN queue and writes runs to it. The virtio header goes
 * and comes apart from the packet, so that packets are aligned and never moved.
 * Reader and writer belong to one thread each, which may be the same.
 *
 * Errors as in dataplane.md §19: one refused run costs nothing, one refused
 * packet only itself; only a removed device ends the work.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/dataplane/fz-lane.h"
#include "src/runtime/fz-errno-counters.h"
#include "src/runtime/fz-io.h"

typedef enum {
  FZ_TUN_MORE,    /* done, and there may be more to read */
  FZ_TUN_DRAINED, /* poll before the next read */
  FZ_TUN_DOWN,    /* the device is down: look again in a while */
  FZ_TUN_GONE,    /* the device was removed: never again on this descriptor */
} FzTunStatus;

/* Owner writes (relaxed), anyone reads. */
typedef struct {
  _Atomic uint64_t reads;
  _Atomic uint64_t read_bytes;
  _Atomic uint64_t bad_frames; /* read, but no packet with its header */
  _Atomic uint64_t writes;
  _Atomic uint64_t written_packets;
  _Atomic uint64_t refused_runs; /* cut up and written one by one */
  _Atomic uint64_t lost_packets; /* not accepted even alone */
  _Atomic uint64_t waits;        /* writes that would have blocked */
  FzErrnoCounters errors;        /* of a reader: reads that failed, EAGAIN and EINTR apart; of a
                                    writer: what packets were lost or runs refused for */
} FzTunCounters;

/* -- reading -- */

typedef struct FzTunReader FzTunReader;

FzTunReader *fz_tun_reader_new (const FzIo *io); /* @io outlives it */
void fz_tun_reader_free (FzTunReader *self);
void fz_tun_reader_set_queue (FzTunReader *self, FzTunQueue queue);

/**
 * fz_tun_reader_read:
 * @frame: its packet says where to read to; FZ_PACKET_MAX bytes
 *
 * Returns: FZ_TUN_MORE if @frame has been read, else why not
 */
FzTunStatus fz_tun_reader_read (FzTunReader *self, FzTunFrame *frame);
const FzTunCounters *fz_tun_reader_get_counters (const FzTunReader *self);

/* -- writing -- */

/* Kinds of run that the device refused while it took their packets one by one. */
#define FZ_TUN_REFUSED_TCP4 1u
#define FZ_TUN_REFUSED_TCP6 2u
#define FZ_TUN_REFUSED_UDP  4u

typedef struct FzTunWriter FzTunWriter;

FzTunWriter *fz_tun_writer_new (const FzIo *io);
void fz_tun_writer_free (FzTunWriter *self);
void fz_tun_writer_set_queue (FzTunWriter *self, FzTunQueue queue);

/**
 * fz_tun_writer_write:
 * @rx: whose runs they are, to cut up what is refused
 * @out_refused: (out): FZ_TUN_REFUSED_… bits: make no such runs from now on
 *
 * Returns: FZ_TUN_MORE, FZ_TUN_DOWN or FZ_TUN_GONE
 */
FzTunStatus fz_tun_writer_write (
    FzTunWriter *self, FzLaneRx *rx, const FzRun *runs, size_t n_runs, unsigned *out_refused);

/* One packet, complete with its checksums. */
FzTunStatus fz_tun_writer_write_packet (FzTunWriter *self, const uint8_t *packet, size_t length);
const FzTunCounters *fz_tun_writer_get_counters (const FzTunWriter *self);
