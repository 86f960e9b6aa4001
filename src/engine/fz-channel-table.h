/* fz-channel-table.h
 *
 * Channels of one TURN allocation (connectivity.md §5.6): which number stands
 * for which peer, when it was bound, when it is due again, and when a number may
 * be given to somebody else.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"

#include <glib.h>
#include <stdbool.h>

#define FZ_CHANNEL_FIRST       0x4000u
#define FZ_CHANNEL_LAST        0x4fffu /* of those we hand out */
#define FZ_CHANNEL_VALID_LAST  0x7fffu /* of those a relay may send (RFC 8656 §12) */
#define FZ_CHANNELS_MAX        (FZ_CHANNEL_LAST - FZ_CHANNEL_FIRST + 1)
#define FZ_CHANNEL_LIFETIME_NS (600 * FZ_S)
#define FZ_CHANNEL_REFRESH_NS  (300 * FZ_S)
#define FZ_CHANNEL_REUSE_NS    (900 * FZ_S) /* lifetime and five minutes (RFC 8656 §12) */

typedef struct {
  uint16_t number;
  FzSocketAddress peer;
  bool is_pending;    /* a bind is outstanding */
  FzInstant bound_at; /* FZ_INSTANT_NEVER: not confirmed yet */
  bool has_received;  /* data since it was last bound */
} FzChannel;

typedef struct FzChannelTable FzChannelTable;

FzChannelTable *fz_channel_table_new (void);
void fz_channel_table_free (FzChannelTable *self);

void fz_channel_table_reset (FzChannelTable *self); /* the allocation is gone: no channel is left */

/**
 * fz_channel_table_request:
 *
 * The channel to bind for @peer: the one it has or had, or a new number. It is
 * pending from now on.
 *
 * Returns: NULL if all numbers are taken
 */
const FzChannel *
fz_channel_table_request (FzChannelTable *self, const FzSocketAddress *peer, FzInstant now);

/* The relay's answer to the bind of @number. */
void fz_channel_table_confirm (FzChannelTable *self, uint16_t number, FzInstant now);
void fz_channel_table_forget (FzChannelTable *self, uint16_t number);

/* What data to @peer may be sent on: requested, or bound and alive; NULL if nothing. */
const FzChannel *
fz_channel_table_find (const FzChannelTable *self, const FzSocketAddress *peer, FzInstant now);

/* Data came on @number: who sent it; NULL for a channel that is not bound. */
const FzChannel *fz_channel_table_receive (FzChannelTable *self, uint16_t number, FzInstant now);

/* A channel that is due for a new bind; NULL if none. Request it before asking again. */
const FzChannel *fz_channel_table_get_due (FzChannelTable *self, FzInstant now);

/* No channel is due before this. */
FzInstant fz_channel_table_next_due (const FzChannelTable *self);
