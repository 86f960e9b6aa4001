/* fz-udp-receive.h
 *
 * Receives datagrams in batches, with what the control messages say of them:
 * the segment size of a coalesced buffer, our address, the ECN bits, and how long
 * it has stood in the socket. A bad message costs only itself (dataplane.md §19).
 *
 * A receiver belongs to one thread and owns the buffers it fills.
 */
#pragma once

#include "src/dataplane/fz-lane.h"
#include "src/runtime/fz-errno-counters.h"
#include "src/runtime/fz-io.h"
#include "src/runtime/fz-udp-socket.h"

#define FZ_RECEIVE_BYTES 65536u /* one buffer; UDP_GRO fills at most 65,535 */

/* Owner writes (relaxed), anyone reads. */
typedef struct {
  _Atomic uint64_t calls;
  _Atomic uint64_t buffers;
  _Atomic uint64_t datagrams;
  _Atomic uint64_t bytes;
  _Atomic uint64_t truncated;  /* buffers dropped: longer than we read */
  _Atomic uint64_t no_address; /* buffers dropped: nobody says which of our addresses */
  _Atomic uint64_t overflowed; /* datagrams the kernel dropped for want of buffer space */
  _Atomic uint64_t lengths[5]; /* datagrams per buffer: 1, 2-4, 5-16, 17-32, 33-64 */
  FzErrnoCounters errors;      /* calls that failed, ICMP errors included */
} FzReceiveCounters;

typedef struct FzUdpReceiver FzUdpReceiver;

FzUdpReceiver *fz_udp_receiver_new (const FzIo *io); /* @io outlives it */
void fz_udp_receiver_free (FzUdpReceiver *self);
void fz_udp_receiver_set_sockets (FzUdpReceiver *self, const FzUdpPair *pair);

/**
 * fz_udp_receiver_receive:
 * @out: (array FZ_RX_BATCH): buffers, valid until the next call
 * @out_is_drained: whether the socket had no more; poll before the next call
 *
 * Returns: number of buffers
 */
size_t fz_udp_receiver_receive (FzUdpReceiver *self,
                                FzUdpFamily family,
                                FzUdpBuffer *out,
                                bool *out_is_drained);
const FzReceiveCounters *fz_udp_receiver_get_counters (const FzUdpReceiver *self,
                                                       FzUdpFamily family);
