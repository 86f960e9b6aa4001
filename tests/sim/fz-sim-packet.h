/* fz-sim-packet.h
 *
 * Inner packets for whole-engine tests: built with right checksums, and answered
 * as a server behind a gateway would answer them.
 */
#pragma once

#include "src/proto/fz-ip.h"

#include <glib.h>

#define FZ_SIM_PACKET_MAX 1500u

typedef struct {
  FzIp source;
  FzIp destination;
  uint8_t protocol;          /* FZ_IP_PROTOCOL_UDP, TCP, ICMP (ICMPv6 for IPv6 addresses) */
  uint16_t source_port;      /* ICMP: the identifier */
  uint16_t destination_port; /* ICMP: the sequence */
  uint32_t sequence;         /* TCP */
  uint8_t tcp_flags;         /* 0: ACK */
  bool is_reply;             /* ICMP: echo reply */
  uint8_t traffic_class;
  uint32_t mark;  /* the first four bytes of the payload */
  size_t payload; /* bytes, at least 4 */
} FzSimPacket;

/* Returns: its length */
size_t fz_sim_packet_build (const FzSimPacket *packet, uint8_t out[FZ_SIM_PACKET_MAX]);

/* The other way round: what was built, read back. False for anything else. */
bool fz_sim_packet_parse (FzSpan bytes, FzSimPacket *out);

/* What an echo server answers: addresses and ports swapped, payload kept. */
FzSimPacket fz_sim_packet_reply (const FzSimPacket *request);

/* "prohibited" of either family; @out_mark: of the packet it quotes. */
bool fz_sim_packet_is_prohibited (FzSpan bytes, uint32_t *out_mark);
