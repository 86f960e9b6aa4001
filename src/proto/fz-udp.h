/* fz-udp.h
 *
 * UDP inside the tunnel that we speak ourselves: one datagram in one IP packet.
 */
#pragma once

#include "src/proto/fz-ip.h"

#define FZ_UDP_PAYLOAD_MAX                                                                         \
  1212u /* bytes in a packet of ours: MTU less the largest IPv4 header and                         \
         * UDP's, tunnel.md §1.2 */
#define FZ_UDP_PACKET_MAX 1280u

typedef struct {
  FzSocketAddress source;
  FzSocketAddress destination;
  FzSpan payload;
} FzUdpDatagram;

/* A view of @packet, which fz_ip_packet_parse has accepted; false unless it is one whole datagram.
 */
bool fz_udp_parse (const FzIpPacket *packet, FzUdpDatagram *out);

/* Both addresses are of one family. Returns: bytes of the packet; 0 if the payload is longer than
 * FZ_UDP_PAYLOAD_MAX */
size_t fz_udp_write (const FzUdpDatagram *datagram, uint8_t out[FZ_UDP_PACKET_MAX]);
