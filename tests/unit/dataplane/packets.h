/* packets.h
 *
 * Test helper: builds inner packets field by field, with right checksums unless
 * asked otherwise, and super-packets as the kernel hands them out.
 */
#pragma once

#include "src/base/fz-rng.h"
#include "src/dataplane/fz-vnet.h"
#include "src/proto/fz-ip.h"
#include "tests/unit/base/addresses.h"

typedef struct {
  bool is_v6;
  uint8_t protocol;    /* 0: TCP */
  uint8_t source;      /* last byte of 10.0.0.x or fd00::x */
  uint8_t destination; /* of 10.1.0.x or fd01::x */
  uint16_t source_port;
  uint16_t destination_port;
  uint32_t sequence;
  uint32_t acknowledgement;
  uint8_t tcp_flags; /* 0: ACK */
  uint16_t window;
  uint8_t tcp_options; /* bytes, a multiple of 4 */
  uint8_t option_seed; /* what is in them */
  uint8_t traffic_class;
  uint8_t ttl;       /* 0: 64 */
  uint16_t id;       /* IPv4 */
  uint16_t fragment; /* IPv4 flags and offset; 0: DF unless @no_df */
  bool no_df;
  bool ip_options; /* 4 bytes of IPv4 options, or an IPv6 destination header */
  bool no_checksum;
  size_t payload; /* bytes */
  uint8_t payload_seed;
} TestPacket;

#define TEST_PACKET_MAX 65600u

/* Writes the packet, returns its length. */
size_t test_packet_build (const TestPacket *packet, uint8_t *out);

/* The same as one super-packet: the checksum field has the pseudo header's sum, @out_vnet says how
 * to cut it into @gso_size bytes. */
size_t test_packet_build_super (const TestPacket *packet,
                                uint16_t gso_size,
                                uint8_t *out,
                                FzVnetHeader *out_vnet);

/* Byte @i of a payload. */
uint8_t test_payload_byte (uint8_t seed, size_t i);

FzIpPacket test_parse (const uint8_t *bytes, size_t length); /* asserts success */
