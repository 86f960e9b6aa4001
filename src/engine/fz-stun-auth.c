/* fz-stun-auth.c */
#include "src/engine/fz-stun-auth.h"

#include <glib.h>

#define ATTRIBUTE_SIZE (4 + FZ_STUN_INTEGRITY_SIZE)

void
fz_stun_long_term_key (FzSpan username,
                       FzSpan realm,
                       FzSpan password,
                       uint8_t out[FZ_STUN_LONG_TERM_KEY_SIZE])
{
  const FzSpan parts[] = { username, fz_span (":", 1), realm, fz_span (":", 1), password };

  fz_md5 (parts, G_N_ELEMENTS (parts), out);
}

/* The digest covers everything before the attribute, with a length field that counts up to the
 * attribute's end, whatever follows it. */
static void
digest (FzSpan covered, FzSpan key, uint8_t out[FZ_STUN_INTEGRITY_SIZE])
{
  uint8_t header[FZ_STUN_HEADER_SIZE];
  const FzSpan parts[] = {
    fz_span (header, sizeof header),
    fz_span (covered.data + sizeof header, covered.length - sizeof header),
  };

  memcpy (header, covered.data, sizeof header);
  fz_put_u16be (header + 2, (uint16_t) (covered.length - sizeof header + ATTRIBUTE_SIZE));
  fz_hmac_sha1 (key, parts, G_N_ELEMENTS (parts), out);
}

void
fz_stun_sign (FzWriter *w, FzSpan key)
{
  uint8_t mac[FZ_STUN_INTEGRITY_SIZE];

  if (!w->ok)
    return;
  digest (fz_span (w->start, w->length), key, mac);
  fz_stun_write_bytes (w, FZ_STUN_MESSAGE_INTEGRITY, fz_span (mac, sizeof mac));
}

bool
fz_stun_verify (const FzStunMessage *message, FzSpan key)
{
  uint8_t mac[FZ_STUN_INTEGRITY_SIZE];

  if (!fz_stun_has (message, FZ_STUN_HAS_INTEGRITY))
    return false;
  digest (fz_span (message->datagram.data, message->integrity_offset), key, mac);
  return fz_equal_constant_time (
      mac, message->datagram.data + message->integrity_offset + 4, sizeof mac);
}
