/* fz-packet-buffer.h
 *
 * IP packets that wait for something slower than they are: an authorization, a
 * connection (connectivity.md §1.7, tunnel.md §7.5). A ring of unique packets:
 * a repeated packet is not stored twice, a repeated TCP SYN takes the place of
 * the first (only its timestamps differ), and when the ring is full the oldest
 * goes. Bounded by packets and by bytes. Engine thread.
 */
#pragma once

#include "src/base/fz-span.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_PACKET_BUFFER_PACKETS   128u
#define FZ_PACKET_BUFFER_BYTES_MAX (256u * 1024u)

typedef struct FzPacketBuffer FzPacketBuffer;

/**
 * fz_packet_buffer_new:
 * @max_packets: 1 … 1024; FZ_PACKET_BUFFER_PACKETS unless the spec says otherwise
 * @given_up: (nullable), borrowed: how many packets still waited when a buffer was cleared or freed
 */
FzPacketBuffer *fz_packet_buffer_new (size_t max_packets, uint64_t *given_up);
void fz_packet_buffer_free (FzPacketBuffer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPacketBuffer, fz_packet_buffer_free)

/* Copies @packet. What is larger than the whole buffer may hold is dropped and counted.
 * Returns: how many packets were lost by it, to be counted where somebody reads it */
size_t fz_packet_buffer_push (FzPacketBuffer *self, FzSpan packet);

/* The oldest packet, which leaves the buffer; valid until the next call on @self. */
bool fz_packet_buffer_pop (FzPacketBuffer *self, FzSpan *out);

void fz_packet_buffer_clear (FzPacketBuffer *self); /* gives up all packets */
size_t fz_packet_buffer_get_n_packets (const FzPacketBuffer *self);
size_t fz_packet_buffer_get_n_bytes (const FzPacketBuffer *self);
uint64_t fz_packet_buffer_get_n_dropped (const FzPacketBuffer *self); /* pushed out or too large */
