/* fz-stun.h
 *
 * STUN messages and the attributes of ICE and TURN that we use (RFC 8489, 8445
 * and 8656; connectivity.md §3.4 and §5.3). Parsing and writing only: keys and
 * digests are the business of src/engine/fz-stun-auth.h.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-bytes.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-span.h"

#include <stdbool.h>
#include <stdint.h>

#define FZ_STUN_MAGIC_COOKIE        UINT32_C (0x2112a442)
#define FZ_STUN_HEADER_SIZE         20u
#define FZ_STUN_TRANSACTION_ID_SIZE 12u
#define FZ_STUN_INTEGRITY_SIZE      20u   /* HMAC-SHA1 */
#define FZ_STUN_WRITE_MAX           1280u /* longest message we write, bytes */

/* Longest values that RFC 8489 §14 allows, bytes. */
#define FZ_STUN_USERNAME_MAX 512u
#define FZ_STUN_REALM_MAX    763u
#define FZ_STUN_NONCE_MAX    763u

typedef struct {
  uint8_t bytes[FZ_STUN_TRANSACTION_ID_SIZE];
} FzStunTransactionId;

/* Method and class together, as in the first two bytes. */
typedef enum {
  FZ_STUN_BINDING_REQUEST = 0x0001,
  FZ_STUN_BINDING_INDICATION = 0x0011,
  FZ_STUN_BINDING_SUCCESS = 0x0101,
  FZ_STUN_BINDING_ERROR = 0x0111,
  FZ_STUN_ALLOCATE_REQUEST = 0x0003,
  FZ_STUN_ALLOCATE_SUCCESS = 0x0103,
  FZ_STUN_ALLOCATE_ERROR = 0x0113,
  FZ_STUN_REFRESH_REQUEST = 0x0004,
  FZ_STUN_REFRESH_SUCCESS = 0x0104,
  FZ_STUN_REFRESH_ERROR = 0x0114,
  FZ_STUN_CHANNEL_BIND_REQUEST = 0x0009,
  FZ_STUN_CHANNEL_BIND_SUCCESS = 0x0109,
  FZ_STUN_CHANNEL_BIND_ERROR = 0x0119,
} FzStunType;

#define FZ_STUN_CLASS_MASK    0x0110u
#define FZ_STUN_CLASS_REQUEST 0x0000u
#define FZ_STUN_CLASS_SUCCESS 0x0100u
#define FZ_STUN_CLASS_ERROR   0x0110u

typedef enum {
  FZ_STUN_MAPPED_ADDRESS = 0x0001,
  FZ_STUN_USERNAME = 0x0006,
  FZ_STUN_MESSAGE_INTEGRITY = 0x0008,
  FZ_STUN_ERROR_CODE = 0x0009,
  FZ_STUN_UNKNOWN_ATTRIBUTES = 0x000a,
  FZ_STUN_CHANNEL_NUMBER = 0x000c,
  FZ_STUN_LIFETIME = 0x000d,
  FZ_STUN_XOR_PEER_ADDRESS = 0x0012,
  FZ_STUN_REALM = 0x0014,
  FZ_STUN_NONCE = 0x0015,
  FZ_STUN_XOR_RELAYED_ADDRESS = 0x0016,
  FZ_STUN_REQUESTED_ADDRESS_FAMILY = 0x0017,
  FZ_STUN_REQUESTED_TRANSPORT = 0x0019,
  FZ_STUN_XOR_MAPPED_ADDRESS = 0x0020,
  FZ_STUN_PRIORITY = 0x0024,
  FZ_STUN_USE_CANDIDATE = 0x0025,
  FZ_STUN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
  FZ_STUN_SOFTWARE = 0x8022,
  FZ_STUN_FINGERPRINT = 0x8028,
  FZ_STUN_ICE_CONTROLLED = 0x8029,
  FZ_STUN_ICE_CONTROLLING = 0x802a,
} FzStunAttributeType;

typedef enum {
  FZ_STUN_ERROR_TRY_ALTERNATE = 300,
  FZ_STUN_ERROR_BAD_REQUEST = 400,
  FZ_STUN_ERROR_UNAUTHENTICATED = 401,
  FZ_STUN_ERROR_FORBIDDEN = 403,
  FZ_STUN_ERROR_UNKNOWN_ATTRIBUTE = 420,
  FZ_STUN_ERROR_ALLOCATION_MISMATCH = 437,
  FZ_STUN_ERROR_STALE_NONCE = 438,
  FZ_STUN_ERROR_WRONG_CREDENTIALS = 441,
  FZ_STUN_ERROR_ROLE_CONFLICT = 487,
} FzStunErrorCode;

/* Which attributes a message had: bits of FzStunMessage.has. */
typedef enum {
  FZ_STUN_HAS_USERNAME = 1 << 0,
  FZ_STUN_HAS_REALM = 1 << 1,
  FZ_STUN_HAS_NONCE = 1 << 2,
  FZ_STUN_HAS_INTEGRITY = 1 << 3,
  FZ_STUN_HAS_FINGERPRINT = 1 << 4,
  FZ_STUN_HAS_ERROR = 1 << 5,
  FZ_STUN_HAS_XOR_MAPPED = 1 << 6,
  FZ_STUN_HAS_XOR_PEER = 1 << 7,
  FZ_STUN_HAS_PRIORITY = 1 << 8,
  FZ_STUN_HAS_USE_CANDIDATE = 1 << 9,
  FZ_STUN_HAS_CONTROLLING = 1 << 10,
  FZ_STUN_HAS_CONTROLLED = 1 << 11,
  FZ_STUN_HAS_LIFETIME = 1 << 12,
  FZ_STUN_HAS_CHANNEL = 1 << 13,
  FZ_STUN_HAS_SOFTWARE = 1 << 14,
  FZ_STUN_HAS_TRANSPORT = 1 << 15,
  FZ_STUN_HAS_ADDITIONAL_FAMILY = 1 << 16,
} FzStunHas;

/* A parsed message; views borrow from the datagram. Fields without their bit in has are zero. */
typedef struct {
  FzSpan datagram; /* all of it: what integrity is computed over */
  uint16_t type;   /* FzStunType or anything else */
  FzStunTransactionId transaction_id;
  uint32_t has; /* FzStunHas bits */

  FzSpan username;
  FzSpan realm;
  FzSpan nonce;
  FzSpan software;
  size_t integrity_offset; /* of the MESSAGE-INTEGRITY attribute's header in datagram, bytes */
  size_t fingerprint_offset;
  uint16_t error_code; /* 300 … 699 */
  FzSpan error_reason;
  FzSocketAddress xor_mapped;
  FzSocketAddress xor_peer;
  FzSocketAddress xor_relayed_v4; /* family FZ_IP_NONE if there is none */
  FzSocketAddress xor_relayed_v6;
  uint32_t priority;
  uint64_t tie_breaker; /* of ICE-CONTROLLING or ICE-CONTROLLED */
  uint32_t lifetime_s;
  uint16_t channel;
  uint8_t transport;         /* IP protocol number */
  uint8_t additional_family; /* 1: IPv4, 2: IPv6 */
} FzStunMessage;

/**
 * fz_stun_parse:
 *
 * The header must be right (§3.4), attributes must fit, and a known attribute
 * must have a value of its shape. Unknown ones are skipped, whatever their
 * range; after MESSAGE-INTEGRITY only FINGERPRINT is looked at; of an attribute
 * that repeats the first counts. Neither digest is checked here.
 *
 * Returns: FZ_DROP_NONE, TRUNCATED, NOT_STUN, BAD_LENGTH or BAD_HEADER; @out is
 *   written on success only
 */
FzDrop fz_stun_parse (FzSpan datagram, FzStunMessage *out);

static inline bool
fz_stun_has (const FzStunMessage *message, uint32_t bits)
{
  return (message->has & bits) == bits;
}

/**
 * fz_stun_split_username:
 * @out_local: (out): what stands before the first colon: the receiver's user fragment
 * @out_remote: (out): the rest: the sender's
 *
 * Returns: false without USERNAME, colon, or with an empty right part (§3.4)
 */
bool fz_stun_split_username (const FzStunMessage *message, FzSpan *out_local, FzSpan *out_remote);

/* A walk over attributes in their order, for tests and tools. */
typedef struct {
  uint16_t type;
  FzSpan value; /* without padding */
} FzStunAttribute;

FzReader fz_stun_attributes (const FzStunMessage *message);
bool fz_stun_next_attribute (FzReader *reader, FzStunAttribute *out);

/* Whether FINGERPRINT is there, last, and right. Nodes do not ask for it (§3.4). */
bool fz_stun_check_fingerprint (const FzStunMessage *message);

/* -- writing: begin, attributes, integrity and fingerprint; the length field is always right -- */

void fz_stun_begin (
    FzWriter *w, void *buffer, size_t capacity, uint16_t type, const FzStunTransactionId *id);
void fz_stun_write_bytes (FzWriter *w, uint16_t attribute, FzSpan value); /* zero padding */
void fz_stun_write_text (FzWriter *w, uint16_t attribute, const char *text);
void fz_stun_write_flag (FzWriter *w, uint16_t attribute);
void fz_stun_write_u32 (FzWriter *w, uint16_t attribute, uint32_t value);
void fz_stun_write_u64 (FzWriter *w, uint16_t attribute, uint64_t value);
void fz_stun_write_u8_padded (FzWriter *w, uint16_t attribute, uint8_t value);
void fz_stun_write_u16_padded (FzWriter *w, uint16_t attribute, uint16_t value);
void fz_stun_write_xor_address (FzWriter *w, uint16_t attribute, const FzSocketAddress *address);
void fz_stun_write_error (FzWriter *w, uint16_t code, const char *reason);
void fz_stun_write_fingerprint (FzWriter *w);
