/* fz-ice-message.h
 *
 * The three STUN messages of connectivity checks, attributes in the order of
 * connectivity.md §3.4.
 */
#pragma once

#include "src/proto/fz-stun.h"

typedef struct {
  const FzStunTransactionId *transaction_id;
  const char *username; /* "<remote ufrag>:<local ufrag>" */
  const char *password; /* the peer's */
  bool is_controlling;
  uint64_t tie_breaker;
  uint32_t priority; /* as a peer-reflexive candidate */
  bool use_candidate;
} FzIceCheck;

/* Each returns the length in bytes; @out has room for the longest user name. */
size_t fz_ice_write_check (uint8_t out[FZ_STUN_WRITE_MAX], const FzIceCheck *check);
size_t fz_ice_write_success (uint8_t out[FZ_STUN_WRITE_MAX],
                             const FzStunTransactionId *id,
                             const FzSocketAddress *mapped,
                             const char *password);
size_t fz_ice_write_role_conflict (uint8_t out[FZ_STUN_WRITE_MAX],
                                   const FzStunTransactionId *id,
                                   const char *password);
