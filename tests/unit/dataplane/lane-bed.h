/* lane-bed.h
 *
 * Two ends of one session, each with both halves of a lane and what an engine
 * would publish for them: a client at one, a gateway at the other, real keys,
 * no threads, no sockets. The far end's TUN and the wire between are arrays.
 */
#pragma once

#include "src/dataplane/fz-lane.h"
#include "tests/unit/dataplane/packets.h"

#include <glib.h>

#define CLIENT_IP    "10.0.0.1" /* what packets.h writes as source 1 */
#define CLIENT_IP6   "fd00::1"
#define RESOURCE_NET "10.1.0.0/24"
#define RESOURCE6    "fd01::/64"
#define GATEWAY_IP   "10.9.0.1"

#define CLIENT_ADDRESS  "192.0.2.1:40000" /* on the wire */
#define GATEWAY_ADDRESS "192.0.2.2:51820"

/* An end's own connection id: the upper bits of the indices it receives on. */
#define CLIENT_ID  0xabc001u
#define GATEWAY_ID 0xdef002u

#define N_BATCH 16u /* frames of a turn */

/* One end: what an engine would publish, and the lane's halves. */
typedef struct {
  FzPublished published;
  FzPeer *peer;
  FzRing *tx_ring;
  FzRing *rx_ring;
  FzLaneTx *tx;
  FzLaneRx *rx;
} BedEnd;

typedef struct {
  BedEnd client;
  BedEnd gateway;
  FzInstant now;
  GPtrArray *received; /* GBytes: packets at the far end's TUN, runs cut into packets */
  GPtrArray *wire;     /* GBytes: datagrams of the last transfer */
} Bed;

/* Both ends with a session, an endpoint, routes to each other and all permissions. */
void bed_set_up (Bed *bed, gconstpointer data);
void bed_tear_down (Bed *bed, gconstpointer data);

#define BED_ADD(path, function) g_test_add (path, Bed, NULL, bed_set_up, function, bed_tear_down)

/* -- what the engine would publish; lists of networks end with NULL -- */

void bed_publish (
    BedEnd *end, FzRole role, const char *own, const char *own6, const char *const *routes);
void bed_set_policy (_Atomic (const FzPolicy *) *policy, const char *const *networks);
void bed_set_endpoint (BedEnd *end, const char *remote);
FzKeypair *
bed_add_session (BedEnd *end, bool is_initiator, uint32_t local, uint32_t remote, FzInstant now);

/* -- what the engine would hear -- */

/* Next message in @ring of @kind, copied; fails on any other kind. */
FzLaneMessage *bed_take_message (FzRing *ring, FzLaneMessageKind kind);
bool bed_is_empty (FzRing *ring);
void bed_drain (FzRing *ring);
uint64_t bed_tx_drops (const BedEnd *end, FzDrop reason);
uint64_t bed_rx_drops (const BedEnd *end, FzDrop reason);

/* -- the way out -- */

/* A TCP packet of 100 bytes from the client to the resource. */
TestPacket bed_upload (void);

/* A frame as the TUN would hand it out; @vnet may be NULL. */
FzTunFrame bed_make_frame (const uint8_t *packet, size_t length, const FzVnetHeader *vnet);
FzTunFrame bed_make_download (void); /* from the resource to the client, at the gateway's TUN */
void bed_free_frame (FzTunFrame *frame);

/* What the TUN would hand out, staged; returns how many there were places for. */
size_t bed_stage_frames (BedEnd *end, const FzTunFrame *frames, size_t n_frames, FzInstant now);

/* A turn: the frames are staged, and all that may leave is emitted. Return how many were staged;
 * @gso_size 0: a packet, else a super-packet. */
size_t bed_push_frames (BedEnd *end, const FzTunFrame *frames, size_t n_frames, FzInstant now);
size_t bed_push_packet (BedEnd *end, const TestPacket *packet, uint16_t gso_size, FzInstant now);

/* What @end has to send, as GRO buffers (the kernel joins what one train was), into @out, which has
 * FZ_RX_BATCH places; their data is the caller's. */
size_t bed_take_buffers (Bed *bed, BedEnd *end, const char *from, FzUdpBuffer *out);

/* -- the way in: into @end's receiving half, and on to its TUN -- */

void
bed_push_buffers (Bed *bed, BedEnd *end, FzUdpBuffer *buffers, size_t n); /* frees their data */
void bed_push_datagram (Bed *bed, BedEnd *end, const void *bytes, size_t length, const char *from);
void bed_push_wire (Bed *bed, BedEnd *end, guint i, const char *from); /* wire[i] again */

/* Puts arbitrary plaintext through the client's key, into the gateway. */
void bed_send_raw (Bed *bed, const void *plaintext, size_t length, uint8_t ecn);

/* Moves everything from @a's transmit half into @b's TUN. */
void bed_transfer (Bed *bed, BedEnd *a, BedEnd *b);
