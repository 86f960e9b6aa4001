/* fz-train.h
 *
 * Trains: datagrams of equal length to one destination, laid out back to back
 * for one UDP send with segmentation offload (dataplane.md §6.3). Several are
 * open at a time, one per destination, because the length of a send is what
 * counts where peers interleave.
 *
 * A datagram goes to the newest train of its peer, and only if that train has
 * its address and ECN, no datagram in it is shorter than the first, and this one
 * is not longer. Trains leave in the order in which they were opened, so what is
 * for one peer stays in order.
 */
#pragma once

#include "src/dataplane/fz-lane.h"

#define FZ_TRAIN_BYTES_MAX                                                                         \
  65507u /* payload of one UDP send over IPv4; IPv6 could carry 20 more                            \
          */

typedef struct FzTrainYard FzTrainYard;

FzTrainYard *fz_train_yard_new (void);
void fz_train_yard_free (FzTrainYard *self);
void fz_train_yard_clear (FzTrainYard *self); /* forgets all trains; their bytes stay */
bool fz_train_yard_is_empty (const FzTrainYard *self);

/* Whether @n_datagrams of at most @length bytes (without channel header) surely have room. */
bool fz_train_yard_has_room (const FzTrainYard *self, uint32_t n_datagrams, uint32_t length);

/**
 * fz_train_yard_append:
 * @peer: whose datagram it is
 * @endpoint: where it goes now
 * @ecn: ECN bits of the outer header
 * @length: bytes of the datagram, up to FZ_TRAIN_BYTES_MAX - 4; room was asked for before
 *
 * Returns: where the datagram's bytes belong; a channel header is written before them
 *   if the endpoint is relayed
 */
uint8_t *fz_train_yard_append (FzTrainYard *self,
                               const FzPeer *peer,
                               const FzEndpoint *endpoint,
                               uint8_t ecn,
                               uint32_t length);

/* The trains in sending order, cut into pieces of at most @n_segments_max datagrams; valid until
 * the next append. */
size_t fz_train_yard_list (FzTrainYard *self, uint16_t n_segments_max, const FzTrain **out_trains);
