/* fz-stun-auth.h
 *
 * MESSAGE-INTEGRITY of STUN messages (RFC 8489 §14.5), with the key of a
 * short-term credential (the password's bytes) or a long-term one.
 */
#pragma once

#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-stun.h"

#define FZ_STUN_LONG_TERM_KEY_SIZE FZ_MD5_SIZE

static inline FzSpan
fz_stun_short_term_key (const char *password)
{
  return fz_span (password, strlen (password));
}

/* MD5 (username ":" realm ":" password), without SASLprep (connectivity.md §5.3). */
void fz_stun_long_term_key (FzSpan username,
                            FzSpan realm,
                            FzSpan password,
                            uint8_t out[FZ_STUN_LONG_TERM_KEY_SIZE]);

/* Appends MESSAGE-INTEGRITY over what @w holds. */
void fz_stun_sign (FzWriter *w, FzSpan key);

/* Whether @message carries MESSAGE-INTEGRITY made with @key; compares in constant time. */
bool fz_stun_verify (const FzStunMessage *message, FzSpan key);
