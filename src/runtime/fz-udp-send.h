/* fz-udp-send.h
 *
 * Sends trains: one message per train with UDP_SEGMENT where the route takes
 * it, one per datagram where it does not, many messages per call. Datagrams of
 * one family leave in the order given, whatever happens: a partial send goes on
 * at the first unsent byte, a refused train is cut up and sent again, and a
 * message that cannot be sent costs only itself (dataplane.md §§15, 19).
 *
 * A sender belongs to one thread. The sockets may be shared: each thread that
 * sends has a sender of its own.
 */
#pragma once

#include "src/dataplane/fz-lane.h"
#include "src/runtime/fz-errno-counters.h"
#include "src/runtime/fz-io.h"
#include "src/runtime/fz-udp-socket.h"

/* Why a datagram was not sent, or a train not as one. */
typedef enum {
  FZ_SEND_ERROR_NO_BUFFER,   /* ENOBUFS: the queue below refused; a congestion signal */
  FZ_SEND_ERROR_TOO_LARGE,   /* EMSGSIZE */
  FZ_SEND_ERROR_UNREACHABLE, /* no route, no such source address, firewall */
  FZ_SEND_ERROR_NO_SOCKET,   /* the family is not available */
  FZ_SEND_ERROR_OTHER,
  FZ_N_SEND_ERRORS,
} FzSendError;

/* Owner writes (relaxed), anyone reads. */
typedef struct {
  _Atomic uint64_t calls;
  _Atomic uint64_t messages;
  _Atomic uint64_t datagrams;
  _Atomic uint64_t bytes;
  _Atomic uint64_t partial;                /* calls that took only some of the messages */
  _Atomic uint64_t blocked;                /* calls that took none: EAGAIN */
  _Atomic uint64_t demotions;              /* segmentation refused */
  _Atomic uint64_t lost[FZ_N_SEND_ERRORS]; /* datagrams */
  FzErrnoCounters errors;                  /* messages that were refused, EAGAIN and EINTR apart */
} FzSendCounters;

/* What the owner should pass on, once. */
#define FZ_SEND_REPORT_DEMOTED_V4  1u
#define FZ_SEND_REPORT_DEMOTED_V6  2u
#define FZ_SEND_REPORT_UNREACHABLE 4u

typedef struct FzUdpSender FzUdpSender;

FzUdpSender *fz_udp_sender_new (const FzIo *io); /* @io outlives it */
void fz_udp_sender_free (FzUdpSender *self);

/* New sockets: what was learned of the old ones is forgotten, and what they have not sent goes out
 * through the new ones. @pair outlives their use. */
void fz_udp_sender_set_sockets (FzUdpSender *self, const FzUdpPair *pair);

/* Gives it @trains, valid until all are sent. The earlier ones must have been. */
void fz_udp_sender_start (FzUdpSender *self, const FzTrain *trains, size_t n_trains);

/**
 * fz_udp_sender_flush:
 *
 * Returns: true when every train is sent or counted as lost; false when a
 *   socket would block: call again when fz_udp_sender_is_blocked's is writable
 */
bool fz_udp_sender_flush (FzUdpSender *self, FzInstant now);
bool fz_udp_sender_is_blocked (const FzUdpSender *self, FzUdpFamily family);

/* Gives up what is not sent, counted. */
void fz_udp_sender_abandon (FzUdpSender *self);

/* Gives back what is not sent, uncounted: for trains of one datagram, to be started again later. */
void fz_udp_sender_recall (FzUdpSender *self);

/* FZ_SEND_REPORT_… bits since the last call. */
unsigned fz_udp_sender_take_reports (FzUdpSender *self);
const FzSendCounters *fz_udp_sender_get_counters (const FzUdpSender *self, FzUdpFamily family);
