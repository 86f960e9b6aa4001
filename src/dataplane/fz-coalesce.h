/* fz-coalesce.h
 *
 * Joins received packets of one flow into runs that the kernel takes as one
 * super-packet (dataplane.md §9). A run is a list of pieces in the receive
 * buffers: nothing is copied. Up to eight runs are open at a time, one per flow.
 *
 * Order within a flow is kept: a packet that cannot join closes its flow's run
 * first. Corruption stays corruption: a packet whose transport checksum is not
 * right goes alone and untouched, because a run's checksum would be vouched for.
 */
#pragma once

#include "src/dataplane/fz-lane.h"
#include "src/proto/fz-ip.h"

#define FZ_RUNS_OPEN       8u
#define FZ_RUN_PACKETS_MAX 64u
#define FZ_RUN_LENGTH_MAX  65535u
#define FZ_COALESCE_MAX    2048u /* packets between two calls of fz_coalescer_begin */

typedef struct FzCoalescer FzCoalescer;

/* What the rules ask of one packet; made once, used for joining or for starting a run. */
typedef struct {
  FzIpPacket packet;
  const void *owner;       /* whose session it came through: flows of two peers never mix */
  uint16_t header_length;  /* bytes of IP and transport header */
  uint16_t payload_length; /* bytes */
  bool may_join;           /* its own shape allows it; the checksum has not been looked at */
  bool ends_run;           /* PSH */
  bool is_verified;        /* the checksum was found right */
} FzArrival;

FzCoalescer *fz_coalescer_new (void);
void fz_coalescer_free (FzCoalescer *self);

/* Forgets all runs; @limits hold until the next begin. */
void fz_coalescer_begin (FzCoalescer *self, const FzLaneLimits *limits);

/* Fills in what the rules ask of candidate->packet, which the caller has parsed, and @owner. */
void fz_coalescer_examine (const FzCoalescer *self, FzArrival *arrival, const void *owner);

/* Appends @candidate to an open run of its flow if every rule allows it. */
bool fz_coalescer_join (FzCoalescer *self, FzArrival *arrival);

/* Makes a run of @candidate, which could not join: open for others if it may be. False if
 * FZ_COALESCE_MAX packets have been taken. */
bool fz_coalescer_start (FzCoalescer *self, FzArrival *arrival);

/* Closes what is open. The runs, in writing order, are valid until the next begin. */
size_t fz_coalescer_finish (FzCoalescer *self, const FzRun **out_runs);
