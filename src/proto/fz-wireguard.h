/* fz-wireguard.h
 *
 * WireGuard's four messages as they stand on the wire (connectivity.md §2.2,
 * WireGuard paper §5.4). Pure views: parsing borrows from the datagram and
 * checks shape only; authenticity is the affair of fz-noise.h, fz-cookie.h and
 * the lanes.
 */
#pragma once

#include "src/base/fz-bytes.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-span.h"

#include <stdint.h>

#define FZ_WIREGUARD_INITIATION_SIZE   148u /* bytes */
#define FZ_WIREGUARD_RESPONSE_SIZE     92u
#define FZ_WIREGUARD_COOKIE_REPLY_SIZE 64u
#define FZ_WIREGUARD_DATA_HEADER_SIZE  16u /* type, index, counter */
#define FZ_WIREGUARD_DATA_OVERHEAD     32u /* header and tag; a keepalive is just this */
#define FZ_WIREGUARD_MAC_SIZE          16u
#define FZ_WIREGUARD_HANDSHAKE_MAX     FZ_WIREGUARD_INITIATION_SIZE

/* where the fields stand */
#define FZ_WIREGUARD_INITIATION_EPHEMERAL 8u
#define FZ_WIREGUARD_INITIATION_STATIC    40u
#define FZ_WIREGUARD_INITIATION_TIMESTAMP 88u
#define FZ_WIREGUARD_INITIATION_MAC1      116u
#define FZ_WIREGUARD_RESPONSE_EPHEMERAL   12u
#define FZ_WIREGUARD_RESPONSE_EMPTY       44u
#define FZ_WIREGUARD_RESPONSE_MAC1        60u
#define FZ_WIREGUARD_COOKIE_NONCE         8u
#define FZ_WIREGUARD_COOKIE_SEALED        32u

typedef enum {
  FZ_WIREGUARD_INITIATION = 1, /* the values on the wire */
  FZ_WIREGUARD_RESPONSE = 2,
  FZ_WIREGUARD_COOKIE_REPLY = 3,
  FZ_WIREGUARD_DATA = 4,
} FzWireguardType;

typedef struct {
  FzWireguardType type;
  FzSpan datagram;         /* the whole message */
  uint32_t sender_index;   /* INITIATION, RESPONSE */
  uint32_t receiver_index; /* RESPONSE, COOKIE_REPLY, DATA */
  uint64_t counter;        /* DATA */

  /* into the datagram; NULL where the type has no such field */
  const uint8_t *ephemeral;     /* INITIATION, RESPONSE: 32 bytes */
  const uint8_t *sealed_static; /* INITIATION: 48 bytes */
  FzSpan sealed; /* INITIATION: timestamp, 28; RESPONSE: nothing, 16; COOKIE_REPLY: cookie, 32;
                    DATA: packet and tag, 16 and more */
  const uint8_t *nonce; /* COOKIE_REPLY: 24 bytes */
  const uint8_t *mac1;  /* INITIATION, RESPONSE: 16 bytes; mac2 follows it */
  const uint8_t *mac2;
} FzWireguardMessage;

/**
 * fz_wireguard_parse:
 * @datagram: a whole UDP payload, or what a relay channel carried
 * @out: borrows from @datagram; untouched unless FZ_DROP_NONE is returned
 *
 * Returns: FZ_DROP_NOT_WIREGUARD if the type or the length is none of the four
 *   messages'
 */
FzDrop fz_wireguard_parse (FzSpan datagram, FzWireguardMessage *out);

/* Whether @datagram is shaped like one of the four messages. */
bool fz_wireguard_is_message (FzSpan datagram);

/* The header of a data message, FZ_WIREGUARD_DATA_HEADER_SIZE bytes. */
static inline void
fz_wireguard_write_data_header (uint8_t *out, uint32_t receiver_index, uint64_t counter)
{
  fz_put_u32le (out, FZ_WIREGUARD_DATA);
  fz_put_u32le (out + 4, receiver_index);
  fz_put_u64le (out + 8, counter);
}
