/* fz-lobby.h
 *
 * Who has come in by a door and has not said yet what he wants: connections that still owe a
 * whole request, oldest first, as a whole and by source address. Each costs a descriptor, so
 * there is room for so many of one source and so many in all. For one more the oldest has to
 * go: of that source, or where all is full of the source that has most. Whoever has sent his
 * request is not here, and cannot be pushed out.
 *
 * A source is an IPv4 address or the /64 network of an IPv6 one, since that many addresses
 * are everybody's. Owned by a door; main loop's thread.
 */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>

#define FZ_LOBBY_PLACES_MAX     1024u
#define FZ_LOBBY_OF_SOURCE_MAX  256u /* an office behind one address, all at once */
#define FZ_LOBBY_SHARE          128u /* of one source: more is more than its share of all */
#define FZ_LOBBY_SOURCE_V6_BITS 64u

typedef struct FzLobby FzLobby;
typedef struct FzLobbySource FzLobbySource;

/* Of one connection; zeroed before its first use, and then the lobby's. */
typedef struct {
  GList in_all;          /* data: the connection */
  GList of_source;       /* the same among those of its source */
  FzLobbySource *source; /* NULL: not in the lobby, or of no source that counts */
  bool is_in;
} FzLobbyPlace;

typedef struct {
  uint64_t n_of_source; /* had to go since their source had too many */
  uint64_t n_in_all;    /* since there were too many */
} FzLobbyCounts;

FzLobby *fz_lobby_new (void);
void fz_lobby_free (FzLobby *self); /* everybody leaves first, silently */

void fz_lobby_set_limits (FzLobby *self, unsigned places_max, unsigned of_source_max);

FzIp fz_lobby_source (const FzIp *ip); /* what counts as one source */

/**
 * fz_lobby_enter:
 * @place: not in; stays where it is until it has left
 * @connection: what is given back when it has to go
 * @source: NULL: only the room in all counts, as for a proxy with many people behind it
 *
 * Returns: the connection that has to go, which has left; or NULL
 */
void *fz_lobby_enter (FzLobby *self, FzLobbyPlace *place, void *connection, const FzIp *source);

void fz_lobby_leave (FzLobby *self, FzLobbyPlace *place); /* nothing if it is not in */

/* Where there is no room in all, and no source has more than its share: the connection that has
 * been here longest, which would have to go; or NULL. */
void *fz_lobby_longest_if_full (const FzLobby *self);

unsigned fz_lobby_length (const FzLobby *self);
FzLobbyCounts fz_lobby_counts (const FzLobby *self);
