/* fz-former-peers.h
 *
 * Connections that ended less than 5 s ago (connectivity.md §1.8), so that what
 * still arrives for them is told apart from what never made sense: a log line
 * at debug instead of a warning.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/base/fz-uuid.h"
#include "src/crypto/fz-crypto.h"

#include <glib.h>
#include <stdbool.h>

#define FZ_FORMER_PEER_S 5u

typedef struct {
  FzUuid id;
  uint32_t connection_id;
  uint8_t public_key[FZ_KEY_SIZE];
  char *ufrag; /* owned; NULL: none */
  FzInstant until;
} FzFormerPeer;

typedef struct {
  GQueue peers; /* of FzFormerPeer, oldest first, at most FZ_FORMER_PEERS_MAX */
} FzFormerPeers;

void fz_former_peers_init (FzFormerPeers *self);
void fz_former_peers_clear (FzFormerPeers *self);
void fz_former_peers_add (FzFormerPeers *self,
                          const FzUuid *id,
                          uint32_t connection_id,
                          const uint8_t public_key[FZ_KEY_SIZE],
                          const char *ufrag,
                          FzInstant now);

bool fz_former_peers_has_id (FzFormerPeers *self, const FzUuid *id, FzInstant now);
bool fz_former_peers_has_connection_id (FzFormerPeers *self, uint32_t connection_id, FzInstant now);
bool fz_former_peers_has_public_key (FzFormerPeers *self,
                                     const uint8_t public_key[FZ_KEY_SIZE],
                                     FzInstant now);
bool
fz_former_peers_has_ufrag (FzFormerPeers *self, const char *ufrag, size_t length, FzInstant now);
