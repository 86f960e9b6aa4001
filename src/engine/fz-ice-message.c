/* fz-ice-message.c */
#include "src/engine/fz-ice-message.h"

#include "src/engine/fz-stun-auth.h"

#include <glib.h>

static size_t
finish (FzWriter *w, const char *password)
{
  fz_stun_sign (w, fz_stun_short_term_key (password));
  fz_stun_write_fingerprint (w);
  g_assert (w->ok);
  return w->length;
}

size_t
fz_ice_write_check (uint8_t out[FZ_STUN_WRITE_MAX], const FzIceCheck *check)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_BINDING_REQUEST, check->transaction_id);
  fz_stun_write_text (&w, FZ_STUN_USERNAME, check->username);
  fz_stun_write_u64 (&w,
                     check->is_controlling ? FZ_STUN_ICE_CONTROLLING : FZ_STUN_ICE_CONTROLLED,
                     check->tie_breaker);
  fz_stun_write_u32 (&w, FZ_STUN_PRIORITY, check->priority);
  if (check->use_candidate)
    fz_stun_write_flag (&w, FZ_STUN_USE_CANDIDATE);
  return finish (&w, check->password);
}

size_t
fz_ice_write_success (uint8_t out[FZ_STUN_WRITE_MAX],
                      const FzStunTransactionId *id,
                      const FzSocketAddress *mapped,
                      const char *password)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_BINDING_SUCCESS, id);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, mapped);
  return finish (&w, password);
}

size_t
fz_ice_write_role_conflict (uint8_t out[FZ_STUN_WRITE_MAX],
                            const FzStunTransactionId *id,
                            const char *password)
{
  FzWriter w;

  fz_stun_begin (&w, out, FZ_STUN_WRITE_MAX, FZ_STUN_BINDING_ERROR, id);
  fz_stun_write_error (&w, FZ_STUN_ERROR_ROLE_CONFLICT, "Role Conflict");
  return finish (&w, password);
}
