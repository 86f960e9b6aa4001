/* fz-stun.c
 *
 * One pass over a message fills FzStunMessage; writers append one attribute
 * each and keep the header's length field right, so that what was written so
 * far is always a whole message.
 */
#include "src/proto/fz-stun.h"

#include <assert.h>

#define FINGERPRINT_XOR     UINT32_C (0x5354554e) /* RFC 8489 §14.7 */
#define ATTRIBUTE_HEADER    4u
#define FAMILY_V4           1u
#define FAMILY_V6           2u
#define FINGERPRINT_SIZE    4u
#define LENGTH_FIELD_OFFSET 2u

static size_t
padding_of (size_t length)
{
  return (4 - length % 4) % 4;
}

/* CRC-32 of ISO 3309, bit by bit: a few dozen bytes per check are not worth a table. */
static uint32_t
crc32_of (FzSpan span, uint32_t crc)
{
  crc = ~crc;
  for (size_t i = 0; i < span.length; i++) {
    crc ^= span.data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (UINT32_C (0xedb88320) & -(crc & 1));
  }
  return ~crc;
}

/* The mask of XOR addresses: the cookie followed by the transaction id. */
static void
xor_address (uint8_t *bytes, size_t n, const FzStunTransactionId *id)
{
  uint8_t mask[16];

  fz_put_u32be (mask, FZ_STUN_MAGIC_COOKIE);
  memcpy (mask + 4, id->bytes, sizeof id->bytes);
  for (size_t i = 0; i < n; i++)
    bytes[i] ^= mask[i];
}

static bool
read_xor_address (FzSpan value, const FzStunTransactionId *id, FzSocketAddress *out)
{
  FzReader r = fz_reader (value);
  FzSocketAddress address = { 0 };
  uint8_t family;
  const uint8_t *bytes;
  size_t n;

  fz_reader_u8 (&r); /* reserved */
  family = fz_reader_u8 (&r);
  address.port = fz_reader_u16be (&r) ^ (uint16_t) (FZ_STUN_MAGIC_COOKIE >> 16);
  if (family != FAMILY_V4 && family != FAMILY_V6)
    return false;

  n = family == FAMILY_V4 ? 4 : 16;
  bytes = fz_reader_take (&r, n);
  if (bytes == NULL || r.left != 0)
    return false;
  address.ip.family = family == FAMILY_V4 ? FZ_IP_V4 : FZ_IP_V6;
  memcpy (address.ip.bytes, bytes, n);
  xor_address (address.ip.bytes, n, id);
  *out = address;
  return true;
}

static bool
read_u32 (FzSpan value, uint32_t *out)
{
  if (value.length != 4)
    return false;
  *out = fz_get_u32be (value.data);
  return true;
}

static bool
read_u64 (FzSpan value, uint64_t *out)
{
  if (value.length != 8)
    return false;
  *out = fz_get_u64be (value.data);
  return true;
}

static bool
read_text (FzSpan value, size_t max, FzSpan *out)
{
  if (value.length > max)
    return false;
  *out = value;
  return true;
}

static bool
read_error (FzSpan value, FzStunMessage *m)
{
  unsigned class;
  unsigned number;

  if (value.length < 4)
    return false;
  class = value.data[2] & 7;
  number = value.data[3];
  if (class < 3 || class > 6 || number > 99)
    return false;
  m->error_code = (uint16_t) (class * 100 + number);
  m->error_reason = fz_span (value.data + 4, value.length - 4);
  return true;
}

static bool
read_relayed (FzSpan value, FzStunMessage *m)
{
  FzSocketAddress address;
  FzSocketAddress *slot;

  if (!read_xor_address (value, &m->transaction_id, &address))
    return false;
  slot = address.ip.family == FZ_IP_V4 ? &m->xor_relayed_v4 : &m->xor_relayed_v6;
  if (slot->ip.family == FZ_IP_NONE)
    *slot = address;
  return true;
}

/* Which bit an attribute sets; 0 for those without one. */
static uint32_t
has_bit (uint16_t type)
{
  switch (type) {
  case FZ_STUN_USERNAME:
    return FZ_STUN_HAS_USERNAME;
  case FZ_STUN_REALM:
    return FZ_STUN_HAS_REALM;
  case FZ_STUN_NONCE:
    return FZ_STUN_HAS_NONCE;
  case FZ_STUN_MESSAGE_INTEGRITY:
    return FZ_STUN_HAS_INTEGRITY;
  case FZ_STUN_FINGERPRINT:
    return FZ_STUN_HAS_FINGERPRINT;
  case FZ_STUN_ERROR_CODE:
    return FZ_STUN_HAS_ERROR;
  case FZ_STUN_XOR_MAPPED_ADDRESS:
    return FZ_STUN_HAS_XOR_MAPPED;
  case FZ_STUN_XOR_PEER_ADDRESS:
    return FZ_STUN_HAS_XOR_PEER;
  case FZ_STUN_PRIORITY:
    return FZ_STUN_HAS_PRIORITY;
  case FZ_STUN_USE_CANDIDATE:
    return FZ_STUN_HAS_USE_CANDIDATE;
  case FZ_STUN_ICE_CONTROLLING:
    return FZ_STUN_HAS_CONTROLLING;
  case FZ_STUN_ICE_CONTROLLED:
    return FZ_STUN_HAS_CONTROLLED;
  case FZ_STUN_LIFETIME:
    return FZ_STUN_HAS_LIFETIME;
  case FZ_STUN_CHANNEL_NUMBER:
    return FZ_STUN_HAS_CHANNEL;
  case FZ_STUN_SOFTWARE:
    return FZ_STUN_HAS_SOFTWARE;
  case FZ_STUN_REQUESTED_TRANSPORT:
    return FZ_STUN_HAS_TRANSPORT;
  case FZ_STUN_ADDITIONAL_ADDRESS_FAMILY:
    return FZ_STUN_HAS_ADDITIONAL_FAMILY;
  default:
    return 0;
  }
}

/* The value of a known attribute seen for the first time; true for unknown ones. */
static bool
read_value (uint16_t type, FzSpan value, FzStunMessage *m)
{
  switch (type) {
  case FZ_STUN_USERNAME:
    return read_text (value, FZ_STUN_USERNAME_MAX, &m->username);
  case FZ_STUN_REALM:
    return read_text (value, FZ_STUN_REALM_MAX, &m->realm);
  case FZ_STUN_NONCE:
    return read_text (value, FZ_STUN_NONCE_MAX, &m->nonce);
  case FZ_STUN_SOFTWARE:
    return read_text (value, FZ_STUN_REALM_MAX, &m->software);
  case FZ_STUN_MESSAGE_INTEGRITY:
    return value.length == FZ_STUN_INTEGRITY_SIZE;
  case FZ_STUN_FINGERPRINT:
    return value.length == FINGERPRINT_SIZE;
  case FZ_STUN_ERROR_CODE:
    return read_error (value, m);
  case FZ_STUN_XOR_MAPPED_ADDRESS:
    return read_xor_address (value, &m->transaction_id, &m->xor_mapped);
  case FZ_STUN_XOR_PEER_ADDRESS:
    return read_xor_address (value, &m->transaction_id, &m->xor_peer);
  case FZ_STUN_XOR_RELAYED_ADDRESS:
    return read_relayed (value, m);
  case FZ_STUN_PRIORITY:
    return read_u32 (value, &m->priority);
  case FZ_STUN_USE_CANDIDATE:
    return value.length == 0;
  case FZ_STUN_ICE_CONTROLLING:
  case FZ_STUN_ICE_CONTROLLED:
    return read_u64 (value, &m->tie_breaker);
  case FZ_STUN_LIFETIME:
    return read_u32 (value, &m->lifetime_s);
  case FZ_STUN_CHANNEL_NUMBER:
    m->channel = value.length == 4 ? fz_get_u16be (value.data) : 0;
    return value.length == 4;
  case FZ_STUN_REQUESTED_TRANSPORT:
    m->transport = value.length == 4 ? value.data[0] : 0;
    return value.length == 4;
  case FZ_STUN_ADDITIONAL_ADDRESS_FAMILY:
    m->additional_family = value.length == 4 ? value.data[0] : 0;
    return value.length == 4;
  default:
    return true;
  }
}

/* Whether an attribute at this place is looked at at all (RFC 8489 §14.5). */
static bool
counts (const FzStunMessage *m, uint16_t type)
{
  if (fz_stun_has (m, FZ_STUN_HAS_FINGERPRINT))
    return false;
  if (fz_stun_has (m, FZ_STUN_HAS_INTEGRITY))
    return type == FZ_STUN_FINGERPRINT;
  return (m->has & has_bit (type)) == 0;
}

static bool
read_attribute (FzReader *r, FzStunAttribute *out)
{
  uint16_t type = fz_reader_u16be (r);
  uint16_t length = fz_reader_u16be (r);
  const uint8_t *value = fz_reader_take (r, length);

  fz_reader_take (r, padding_of (length));
  if (!r->ok)
    return false;
  *out = (FzStunAttribute){ type, fz_span (value, length) };
  return true;
}

static bool
read_attributes (FzStunMessage *m)
{
  FzReader r = fz_stun_attributes (m);

  while (r.left > 0) {
    size_t offset = (size_t) (r.at - m->datagram.data);
    FzStunAttribute attribute;

    if (!read_attribute (&r, &attribute))
      return false;
    if (!counts (m, attribute.type))
      continue;
    if (!read_value (attribute.type, attribute.value, m))
      return false;
    m->has |= has_bit (attribute.type);
    if (attribute.type == FZ_STUN_MESSAGE_INTEGRITY)
      m->integrity_offset = offset;
    if (attribute.type == FZ_STUN_FINGERPRINT)
      m->fingerprint_offset = offset;
  }
  return true;
}

FzDrop
fz_stun_parse (FzSpan datagram, FzStunMessage *out)
{
  FzReader r = fz_reader (datagram);
  uint16_t type = fz_reader_u16be (&r);
  uint16_t length = fz_reader_u16be (&r);
  uint32_t cookie = fz_reader_u32be (&r);
  const uint8_t *id = fz_reader_take (&r, FZ_STUN_TRANSACTION_ID_SIZE);
  FzStunMessage m = { .datagram = datagram, .type = type };

  if (!r.ok)
    return FZ_DROP_TRUNCATED;
  if (type >> 14 != 0 || cookie != FZ_STUN_MAGIC_COOKIE)
    return FZ_DROP_NOT_STUN;
  if (length != r.left || length % 4 != 0)
    return FZ_DROP_BAD_LENGTH;

  memcpy (m.transaction_id.bytes, id, sizeof m.transaction_id.bytes);
  if (!read_attributes (&m))
    return FZ_DROP_BAD_HEADER;
  *out = m;
  return FZ_DROP_NONE;
}

bool
fz_stun_split_username (const FzStunMessage *message, FzSpan *out_local, FzSpan *out_remote)
{
  FzSpan name = message->username;
  const uint8_t *colon;
  size_t left;

  if (!fz_stun_has (message, FZ_STUN_HAS_USERNAME) || name.length == 0)
    return false;
  colon = memchr (name.data, ':', name.length);
  if (colon == NULL)
    return false;
  left = (size_t) (colon - name.data);
  if (left + 1 == name.length)
    return false;
  *out_local = fz_span (name.data, left);
  *out_remote = fz_span (colon + 1, name.length - left - 1);
  return true;
}

FzReader
fz_stun_attributes (const FzStunMessage *message)
{
  return fz_reader (fz_span (message->datagram.data + FZ_STUN_HEADER_SIZE,
                             message->datagram.length - FZ_STUN_HEADER_SIZE));
}

bool
fz_stun_next_attribute (FzReader *reader, FzStunAttribute *out)
{
  return reader->left > 0 && read_attribute (reader, out);
}

bool
fz_stun_check_fingerprint (const FzStunMessage *message)
{
  FzSpan covered = fz_span (message->datagram.data, message->fingerprint_offset);
  const uint8_t *value = message->datagram.data + message->fingerprint_offset + ATTRIBUTE_HEADER;

  if (!fz_stun_has (message, FZ_STUN_HAS_FINGERPRINT))
    return false;
  if (message->fingerprint_offset + ATTRIBUTE_HEADER + FINGERPRINT_SIZE != message->datagram.length)
    return false;
  return fz_get_u32be (value) == (crc32_of (covered, 0) ^ FINGERPRINT_XOR);
}

/* -- writing -- */

/* The attribute's header and room for its value, already zero up to the padded end; NULL if it does
 * not fit. */
static uint8_t *
reserve_attribute (FzWriter *w, uint16_t attribute, size_t length)
{
  size_t padded = length + padding_of (length);
  uint8_t *p;

  assert (length <= UINT16_MAX);
  p = fz_writer_reserve (w, ATTRIBUTE_HEADER + padded);
  if (p == NULL)
    return NULL;
  fz_put_u16be (p, attribute);
  fz_put_u16be (p + 2, (uint16_t) length);
  memset (p + ATTRIBUTE_HEADER, 0, padded);
  fz_put_u16be (w->start + LENGTH_FIELD_OFFSET, (uint16_t) (w->length - FZ_STUN_HEADER_SIZE));
  return p + ATTRIBUTE_HEADER;
}

void
fz_stun_begin (
    FzWriter *w, void *buffer, size_t capacity, uint16_t type, const FzStunTransactionId *id)
{
  assert (capacity <= UINT16_MAX);
  *w = fz_writer (buffer, capacity);
  fz_writer_u16be (w, type);
  fz_writer_u16be (w, 0);
  fz_writer_u32be (w, FZ_STUN_MAGIC_COOKIE);
  fz_writer_bytes (w, id->bytes, sizeof id->bytes);
}

void
fz_stun_write_bytes (FzWriter *w, uint16_t attribute, FzSpan value)
{
  uint8_t *p = reserve_attribute (w, attribute, value.length);

  if (p != NULL && value.length > 0)
    memcpy (p, value.data, value.length);
}

void
fz_stun_write_text (FzWriter *w, uint16_t attribute, const char *text)
{
  fz_stun_write_bytes (w, attribute, fz_span (text, strlen (text)));
}

void
fz_stun_write_flag (FzWriter *w, uint16_t attribute)
{
  fz_stun_write_bytes (w, attribute, fz_span (NULL, 0));
}

void
fz_stun_write_u32 (FzWriter *w, uint16_t attribute, uint32_t value)
{
  uint8_t *p = reserve_attribute (w, attribute, 4);

  if (p != NULL)
    fz_put_u32be (p, value);
}

void
fz_stun_write_u64 (FzWriter *w, uint16_t attribute, uint64_t value)
{
  uint8_t *p = reserve_attribute (w, attribute, 8);

  if (p != NULL)
    fz_put_u64be (p, value);
}

void
fz_stun_write_u8_padded (FzWriter *w, uint16_t attribute, uint8_t value)
{
  uint8_t *p = reserve_attribute (w, attribute, 4);

  if (p != NULL)
    p[0] = value;
}

void
fz_stun_write_u16_padded (FzWriter *w, uint16_t attribute, uint16_t value)
{
  uint8_t *p = reserve_attribute (w, attribute, 4);

  if (p != NULL)
    fz_put_u16be (p, value);
}

void
fz_stun_write_xor_address (FzWriter *w, uint16_t attribute, const FzSocketAddress *address)
{
  size_t n = fz_ip_size (&address->ip);
  uint8_t *p = reserve_attribute (w, attribute, 4 + n);
  FzStunTransactionId id;

  assert (n > 0);
  if (p == NULL)
    return;
  memcpy (id.bytes, w->start + 8, sizeof id.bytes);
  p[1] = n == 4 ? FAMILY_V4 : FAMILY_V6;
  fz_put_u16be (p + 2, address->port ^ (uint16_t) (FZ_STUN_MAGIC_COOKIE >> 16));
  memcpy (p + 4, address->ip.bytes, n);
  xor_address (p + 4, n, &id);
}

void
fz_stun_write_error (FzWriter *w, uint16_t code, const char *reason)
{
  size_t n = strlen (reason);
  uint8_t *p = reserve_attribute (w, FZ_STUN_ERROR_CODE, 4 + n);

  assert (code >= 300 && code <= 699);
  if (p == NULL)
    return;
  p[2] = (uint8_t) (code / 100);
  p[3] = (uint8_t) (code % 100);
  memcpy (p + 4, reason, n);
}

void
fz_stun_write_fingerprint (FzWriter *w)
{
  size_t covered = w->length;
  uint8_t *p = reserve_attribute (w, FZ_STUN_FINGERPRINT, FINGERPRINT_SIZE);

  /* The length field already counts the fingerprint, as §14.7 asks. */
  if (p != NULL)
    fz_put_u32be (p, crc32_of (fz_span (w->start, covered), 0) ^ FINGERPRINT_XOR);
}
