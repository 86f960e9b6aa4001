/* fz-wireguard.c
 *
 * Shape only, see the header. Any type whose length does not match is no
 * WireGuard: byte 0 alone would also fit STUN.
 */
#include "src/proto/fz-wireguard.h"

#include <stddef.h>

static bool
length_fits (uint32_t type, size_t length)
{
  switch (type) {
  case FZ_WIREGUARD_INITIATION:
    return length == FZ_WIREGUARD_INITIATION_SIZE;
  case FZ_WIREGUARD_RESPONSE:
    return length == FZ_WIREGUARD_RESPONSE_SIZE;
  case FZ_WIREGUARD_COOKIE_REPLY:
    return length == FZ_WIREGUARD_COOKIE_REPLY_SIZE;
  case FZ_WIREGUARD_DATA:
    return length >= FZ_WIREGUARD_DATA_OVERHEAD;
  default: /* from outside, so there is a default */
    return false;
  }
}

bool
fz_wireguard_is_message (FzSpan datagram)
{
  return datagram.length >= 4 && length_fits (fz_get_u32le (datagram.data), datagram.length);
}

static void
view_initiation (const uint8_t *p, FzWireguardMessage *out)
{
  out->sender_index = fz_get_u32le (p + 4);
  out->ephemeral = p + FZ_WIREGUARD_INITIATION_EPHEMERAL;
  out->sealed_static = p + FZ_WIREGUARD_INITIATION_STATIC;
  out->sealed = fz_span (p + FZ_WIREGUARD_INITIATION_TIMESTAMP,
                         FZ_WIREGUARD_INITIATION_MAC1 - FZ_WIREGUARD_INITIATION_TIMESTAMP);
  out->mac1 = p + FZ_WIREGUARD_INITIATION_MAC1;
  out->mac2 = out->mac1 + FZ_WIREGUARD_MAC_SIZE;
}

static void
view_response (const uint8_t *p, FzWireguardMessage *out)
{
  out->sender_index = fz_get_u32le (p + 4);
  out->receiver_index = fz_get_u32le (p + 8);
  out->ephemeral = p + FZ_WIREGUARD_RESPONSE_EPHEMERAL;
  out->sealed = fz_span (p + FZ_WIREGUARD_RESPONSE_EMPTY,
                         FZ_WIREGUARD_RESPONSE_MAC1 - FZ_WIREGUARD_RESPONSE_EMPTY);
  out->mac1 = p + FZ_WIREGUARD_RESPONSE_MAC1;
  out->mac2 = out->mac1 + FZ_WIREGUARD_MAC_SIZE;
}

FzDrop
fz_wireguard_parse (FzSpan datagram, FzWireguardMessage *out)
{
  const uint8_t *p = datagram.data;

  if (!fz_wireguard_is_message (datagram))
    return FZ_DROP_NOT_WIREGUARD;

  *out = (FzWireguardMessage){ .type = (FzWireguardType) p[0], .datagram = datagram };
  switch (out->type) {
  case FZ_WIREGUARD_INITIATION:
    view_initiation (p, out);
    break;
  case FZ_WIREGUARD_RESPONSE:
    view_response (p, out);
    break;
  case FZ_WIREGUARD_COOKIE_REPLY:
    out->receiver_index = fz_get_u32le (p + 4);
    out->nonce = p + FZ_WIREGUARD_COOKIE_NONCE;
    out->sealed = fz_span (p + FZ_WIREGUARD_COOKIE_SEALED,
                           FZ_WIREGUARD_COOKIE_REPLY_SIZE - FZ_WIREGUARD_COOKIE_SEALED);
    break;
  case FZ_WIREGUARD_DATA:
    out->receiver_index = fz_get_u32le (p + 4);
    out->counter = fz_get_u64le (p + 8);
    out->sealed = fz_span (p + FZ_WIREGUARD_DATA_HEADER_SIZE,
                           datagram.length - FZ_WIREGUARD_DATA_HEADER_SIZE);
    break;
  }
  return FZ_DROP_NONE;
}
