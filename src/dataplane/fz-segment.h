/* fz-segment.h
 *
 * Cuts a super-packet from the TUN into the packets it stands for
 * (dataplane.md §10), and finishes the checksum of a single one. The packets are
 * written one at a time to where the caller wants them, headers and payload
 * contiguous, so that they can be sealed in place.
 *
 * What all segments share is summed up once; each then costs its header, its
 * copy and the sum over its payload, taken while copying.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/dataplane/fz-vnet.h"
#include "src/proto/fz-ip.h"

#define FZ_SEGMENTS_MAX                                                                            \
  2048u /* 64 KiB of the smallest segments TCP makes (48 bytes, less options) */

typedef struct {
  FzIpPacket ip;            /* the super-packet */
  uint32_t n_segments;      /* 1 … FZ_SEGMENTS_MAX */
  uint32_t payload_length;  /* bytes behind all headers */
  uint16_t header_length;   /* bytes of IP and transport header; 0: goes as it is */
  uint16_t gso_size;        /* payload bytes of every segment but the last */
  uint16_t checksum_start;  /* a single packet whose checksum is to be finished; 0: nothing to do */
  uint16_t checksum_offset; /* from there */
  uint16_t first_id;        /* IPv4 */
  uint16_t tcp_flags;       /* data offset and flags as one word */
  uint32_t first_sequence;
  uint32_t ip_sum;        /* IPv4 header without length, ID and checksum */
  uint32_t transport_sum; /* pseudo and transport header without what differs by segment */
} FzSegmenter;

/**
 * fz_segmenter_init:
 * @vnet: what the kernel says about the packet; its header length is not believed
 * @packet: borrowed as long as the segmenter is used; only headers are read here
 * @length: bytes, all of the packet
 * @mtu: no packet may be longer
 *
 * Returns: FZ_DROP_NONE, or why the whole super-packet must be dropped
 */
FzDrop fz_segmenter_init (FzSegmenter *self,
                          const FzVnetHeader *vnet,
                          const uint8_t *packet,
                          size_t length,
                          uint32_t mtu);

/* Bytes of payload in segment @i, and of the whole packet. */
static inline uint32_t
fz_segmenter_get_payload_length (const FzSegmenter *self, uint32_t i)
{
  uint32_t at = i * self->gso_size;

  return i + 1 < self->n_segments ? self->gso_size : self->payload_length - at;
}

static inline uint32_t
fz_segmenter_get_length (const FzSegmenter *self, uint32_t i)
{
  return self->header_length + fz_segmenter_get_payload_length (self, i);
}

/* Packet @i to @out, which has room for its length. */
void fz_segmenter_write (const FzSegmenter *self, uint32_t i, uint8_t *out);

/* The same with the payload from elsewhere: for a super-packet that lies in pieces. */
void
fz_segmenter_write_from (const FzSegmenter *self, uint32_t i, const uint8_t *payload, uint8_t *out);
