/* fz-out-queue.h
 *
 * What the engine has to send, in order: datagrams for the network, or packets
 * for the TUN (then without addresses). One growing piece of memory that is
 * reused when everything was polled; bounded by FZ_OUT_QUEUE_BYTES_MAX.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-span.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  FzSocketAddress to;
  FzIp from; /* FZ_IP_NONE: the system's choice */
  uint8_t ecn;
  size_t offset; /* into bytes */
  size_t length;
} FzOutItem;

typedef struct {
  GArray *items;     /* of FzOutItem */
  GByteArray *bytes; /* all of them */
  size_t n_polled;
} FzOutQueue;

void fz_out_queue_init (FzOutQueue *self);
void fz_out_queue_clear (FzOutQueue *self);
void fz_out_queue_drop_all (FzOutQueue *self);

/* Room for @length bytes that the caller fills at once; NULL if the queue is full. */
uint8_t *fz_out_queue_reserve (
    FzOutQueue *self, const FzSocketAddress *to, const FzIp *from, uint8_t ecn, size_t length);

/* Copies @data; false if the queue is full. */
bool fz_out_queue_push (
    FzOutQueue *self, const FzSocketAddress *to, const FzIp *from, uint8_t ecn, FzSpan data);

void fz_out_queue_unreserve (FzOutQueue *self); /* takes the last one back */

bool fz_out_queue_is_empty (const FzOutQueue *self);

/* The oldest, as a view that ends with the next call into the queue. */
bool fz_out_queue_poll (FzOutQueue *self, FzOutItem *out_item, FzSpan *out_data);
