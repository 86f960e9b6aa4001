/* fz-udp-socket.h
 *
 * The two UDP sockets of an engine, one per family, with everything of
 * dataplane.md §17 set and every capability of §15 tried. Never connected: a
 * peer may roam. Sending and receiving are in fz-udp-send.h and
 * fz-udp-receive.h. With several lanes each has two of its own, on the same port,
 * and a filter sorts what arrives (fz-udp-steering.h).
 *
 * Opened and closed by the engine thread while no lane runs; lanes and the
 * engine only read it in between.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/dataplane/fz-steering.h"

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define FZ_UDP_SEGMENTS_MAX 64u    /* per send; older kernels' limit, newer ones take 128 */
#define FZ_UDP_V4_BYTES_MAX 65507u /* payload of one send */
#define FZ_UDP_V6_BYTES_MAX 65527u

typedef enum {
  FZ_UDP_V4,
  FZ_UDP_V6,
  FZ_N_UDP_FAMILIES,
} FzUdpFamily;

typedef enum {
  FZ_UDP_MARK_NONE,
  FZ_UDP_MARK_TRY,
  FZ_UDP_MARK_REQUIRE, /* without the mark our own datagrams would loop through the tunnel */
} FzUdpMark;

typedef struct {
  uint16_t port;     /* preferred; 0: any */
  bool require_port; /* fail instead of taking another one */
  bool is_shut;      /* the next two are fz_udp_lanes_open's affair: nothing comes in yet */
  bool join_port;    /* beside the sockets of ours that have it */
  FzUdpMark mark;
  bool use_offloads;
  uint32_t receive_buffer_bytes;
  uint32_t send_buffer_bytes;
} FzUdpConfig;

typedef struct {
  int fd; /* -1: the family is not available */
  uint16_t port;
  bool has_mark;
  bool has_gso;                  /* UDP_SEGMENT */
  bool has_gro;                  /* UDP_GRO, read back */
  bool has_timestamps;           /* SO_TIMESTAMPNS */
  bool is_steered;               /* one of several lanes', and the kernel sorts by session */
  uint16_t max_segments;         /* datagrams per send */
  uint32_t receive_buffer_bytes; /* granted, the kernel's doubling taken out */
  uint32_t send_buffer_bytes;
  int refusal; /* errno that took the family away, 0 */
} FzUdpSocket;

typedef struct {
  FzUdpSocket sockets[FZ_N_UDP_FAMILIES];
} FzUdpPair;

#define FZ_UDP_PAIR_CLOSED ((FzUdpPair){ { { .fd = -1 }, { .fd = -1 } } })

/**
 * fz_udp_pair_open:
 *
 * One family may fail (its refusal says why); both failing is an error.
 *
 * @error: G_FILE_ERROR of the last refusal
 */
bool fz_udp_pair_open (const FzUdpConfig *config, FzUdpPair *out, GError **error);
void fz_udp_pair_close (FzUdpPair *self); /* safe on a closed one */

/**
 * fz_udp_lanes_open:
 * @steering: how many lanes there are, and whose is what
 * @out: (array FZ_LANES_MAX): the lanes' pairs, closed ones behind them
 *
 * The same for several lanes. No other process can have the port: the first socket of a
 * family takes it for itself alone and shares it afterwards. A family is there for all
 * lanes or for none.
 */
bool fz_udp_lanes_open (const FzUdpConfig *config,
                        const FzSteering *steering,
                        FzUdpPair out[FZ_LANES_MAX],
                        GError **error);
void fz_udp_lanes_close (FzUdpPair lanes[FZ_LANES_MAX]);

/**
 * fz_udp_lanes_open_beside:
 * @config: as for fz_udp_lanes_open; its port is that of @former
 * @former: what fz_udp_lanes_open has opened, still in use
 * @out: (array FZ_LANES_MAX): as many sockets of the same families beside it
 *
 * The first half of a change without a gap: new sockets on the same port, so that no
 * datagram ever finds the port closed. Until fz_udp_lanes_retire most datagrams come to the
 * former ones; what comes to the new ones is newer.
 *
 * Returns: false if the system does not allow it; nothing has changed then
 */
bool fz_udp_lanes_open_beside (const FzUdpConfig *config,
                               const FzSteering *steering,
                               const FzUdpPair former[FZ_LANES_MAX],
                               FzUdpPair out[FZ_LANES_MAX]);

/**
 * fz_udp_lanes_retire:
 * @successors: what fz_udp_lanes_open_beside has opened
 *
 * The second half: nothing more comes to the former sockets, while what has come may still be
 * read. They are not to be sent on any more, and closed when they are empty.
 *
 * No datagram finds the port closed, but for one in some thousand changes of IPv6 sockets
 * under load: the kernel finds the oldest of a group first, and a look-up that stands on it while
 * it moves away sees no other. IPv4 finds the newest first.
 */
void fz_udp_lanes_retire (const FzSteering *steering,
                          const FzUdpPair former[FZ_LANES_MAX],
                          const FzUdpPair successors[FZ_LANES_MAX]);

static inline FzUdpFamily
fz_udp_family (const FzIp *ip)
{
  return ip->family == FZ_IP_V6 ? FZ_UDP_V6 : FZ_UDP_V4;
}

/* Writes @address in the kernel's form; returns its length. */
socklen_t fz_udp_address_to_kernel (const FzSocketAddress *address, struct sockaddr_storage *out);

/* False for a family we do not know; IPv4-mapped addresses become IPv4. */
bool fz_udp_address_from_kernel (const struct sockaddr_storage *address,
                                 socklen_t length,
                                 FzSocketAddress *out);
