/* fz-turn-message.c */
#include "src/engine/fz-turn-message.h"

#include <glib.h>

#define UDP         17u
#define FAMILY_IPV6 2u

static size_t
finish (FzWriter *w, const FzTurnAuth *auth)
{
  if (auth != NULL) {
    fz_stun_write_text (w, FZ_STUN_USERNAME, auth->username);
    fz_stun_write_text (w, FZ_STUN_REALM, auth->realm);
    if (auth->nonce != NULL)
      fz_stun_write_text (w, FZ_STUN_NONCE, auth->nonce);
    fz_stun_sign (w, fz_span (auth->key, sizeof auth->key));
  }
  g_assert (w->ok); /* fz-relay.h bounds the credentials */
  return w->length;
}

size_t
fz_turn_write_binding (uint8_t out[FZ_STUN_WRITE_MAX], const FzStunTransactionId *id)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_BINDING_REQUEST, id);
  fz_stun_write_text (&w, FZ_STUN_SOFTWARE, FZ_TURN_SOFTWARE);
  return finish (&w, NULL);
}

size_t
fz_turn_write_allocate (uint8_t out[FZ_STUN_WRITE_MAX],
                        const FzStunTransactionId *id,
                        const FzTurnAuth *auth)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_ALLOCATE_REQUEST, id);
  fz_stun_write_u8_padded (&w, FZ_STUN_REQUESTED_TRANSPORT, UDP);
  fz_stun_write_u8_padded (&w, FZ_STUN_ADDITIONAL_ADDRESS_FAMILY, FAMILY_IPV6);
  fz_stun_write_text (&w, FZ_STUN_SOFTWARE, FZ_TURN_SOFTWARE);
  return finish (&w, auth);
}

size_t
fz_turn_write_refresh (uint8_t out[FZ_STUN_WRITE_MAX],
                       const FzStunTransactionId *id,
                       bool is_delete,
                       const FzTurnAuth *auth)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_REFRESH_REQUEST, id);
  /* Upstream's clients repeat the transport attributes here; coturn 4.6 answers that with 420, and
   * Firezone's relay does not look at them. */
  fz_stun_write_text (&w, FZ_STUN_SOFTWARE, FZ_TURN_SOFTWARE);
  if (is_delete)
    fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, 0);
  return finish (&w, auth);
}

size_t
fz_turn_write_channel_bind (uint8_t out[FZ_STUN_WRITE_MAX],
                            const FzStunTransactionId *id,
                            const FzSocketAddress *peer,
                            uint16_t channel,
                            const FzTurnAuth *auth)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_CHANNEL_BIND_REQUEST, id);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_PEER_ADDRESS, peer);
  fz_stun_write_u16_padded (&w, FZ_STUN_CHANNEL_NUMBER, channel);
  fz_stun_write_text (&w, FZ_STUN_SOFTWARE, FZ_TURN_SOFTWARE);
  return finish (&w, auth);
}
