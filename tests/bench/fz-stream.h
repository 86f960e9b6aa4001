/* fz-stream.h
 *
 * What the parts of fz-stream share: the datagram's format, the options, sockets
 * and the histogram of delays. Benchmarks and namespace tests use the one program
 * (stream.py starts it): a paced sender whose datagrams carry flow, sequence number
 * and instant, and a sink that says what became of every one of them.
 *
 * Both ends read CLOCK_MONOTONIC of one machine, so a delay is one way.
 */
#pragma once

#include "src/base/fz-instant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define FZ_STREAM_HEADER_SIZE  32u   /* the least size of a datagram */
#define FZ_STREAM_DATAGRAM_MAX 9000u /* bytes of UDP payload */
#define FZ_STREAM_FLOWS_MAX    1024u

typedef enum {
  FZ_STREAM_DATA = 1,
  FZ_STREAM_END,   /* sequence: how many the flow has sent */
  FZ_STREAM_HEARD, /* answer to an end */
  FZ_STREAM_ASK,   /* to be sent back as it is */
} FzStreamKind;

/* One datagram's head; all numbers stand in network order. */
typedef struct {
  uint32_t run; /* random: a straggler of an earlier run is not counted in this one */
  FzStreamKind kind;
  uint16_t flow;
  uint16_t n_flows;
  uint64_t sequence; /* of this flow, from 0 */
  FzInstant sent;
} FzStreamHead;

void fz_stream_head_write (const FzStreamHead *head, uint8_t out[FZ_STREAM_HEADER_SIZE]);
/* False for a datagram that is none of ours. */
bool fz_stream_head_parse (const uint8_t *datagram, size_t length, FzStreamHead *out);

typedef struct {
  struct sockaddr_storage address; /* to bind, or to send to */
  socklen_t address_length;
  int n_flows;
  int size;    /* of a datagram, UDP payload, bytes */
  double rate; /* datagrams per second, all flows together; 0: as fast as answers come */
  double seconds;
  int64_t count;       /* datagrams after which to end, all flows together; 0: seconds decide */
  double pause_s;      /* ask, without a rate: between an answer and the next question */
  int n_runs;          /* of a sink; 0: until it is ended */
  int buffer_bytes;    /* of a sink's socket */
  bool has_trains;     /* datagrams go to the kernel and come from it many at once */
  bool are_flows_told; /* whether a sink prints each flow as well */
} FzStreamOptions;

/* Each returns the program's exit status; results go to standard output, a JSON object a line. */
int fz_stream_send (const FzStreamOptions *options);
int fz_stream_sink (const FzStreamOptions *options);
int fz_stream_ask (const FzStreamOptions *options);
int fz_stream_echo (const FzStreamOptions *options);

void fz_stream_sleep_until (FzInstant at); /* returns early for a signal */
uint32_t fz_stream_new_run (void);

/* Ends the program with a message if it cannot be had. */
int fz_stream_bind (const FzStreamOptions *options); /* a socket that listens, blocking for 20 ms */
int fz_stream_connect (const FzStreamOptions *options); /* one that sends, the same */

#define FZ_STREAM_TRAIN_MAX 65507u /* bytes of datagrams that the kernel takes or gives at once */

/* Delays, in buckets at most 1/128 of their value wide. */
#define FZ_STREAM_BUCKETS 8192u

typedef struct {
  uint64_t buckets[FZ_STREAM_BUCKETS];
  uint64_t n;
  uint64_t max_ns;
} FzStreamHistogram;

void fz_stream_histogram_add (FzStreamHistogram *self, uint64_t ns);
uint64_t fz_stream_histogram_at (const FzStreamHistogram *self, double share); /* ns; 0 if empty */
/* Prints p50_us … max_us, without braces. */
void fz_stream_histogram_print (const FzStreamHistogram *self);
