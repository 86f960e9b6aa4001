/* fz-handshakes.h
 *
 * Whose TLS handshake may go on now. Each keeps one of GLib's threads until the client has
 * answered, and GLib has ten of them, and some more after a while; who has to wait for one
 * costs a descriptor only. So there are so many at once of one source, fewer than GLib has
 * threads, and so many in all; the others are held.
 *
 *   held ──next──► begun ──overdue──► may be cut, if he is in the way of one who is held
 *
 * The oldest goes next, as is fair. But after one that had to be cut off it is the newest: then
 * those in front may be more of the kind that never answer, and a crowd of them would keep the
 * honest one waiting until all have had their time.
 *
 * Timers and sockets are the door's, who owns this; main loop's thread.
 */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>

#define FZ_HANDSHAKES_MAX           32u
#define FZ_HANDSHAKES_OF_SOURCE_MAX 8u /* of the ten threads that GLib begins with */

typedef struct FzHandshakes FzHandshakes;

typedef enum {
  FZ_HANDSHAKE_NONE,
  FZ_HANDSHAKE_HELD,
  FZ_HANDSHAKE_BEGUN,
  FZ_HANDSHAKE_OVERDUE, /* begun, and has had his time if others want it */
  FZ_HANDSHAKE_CUT,     /* given by fz_handshakes_cut(); has his thread until he has left */
} FzHandshakeState;

/* Of one connection; zeroed before its first use, and then the handshakes'. */
typedef struct {
  GList link;  /* data: the connection */
  FzIp source; /* FZ_IP_NONE: only the room in all counts */
  FzHandshakeState state;
} FzHandshake;

FzHandshakes *fz_handshakes_new (void);
void fz_handshakes_free (FzHandshakes *self); /* everybody has left */

/* @source: as fz_lobby_source() gives it. He is held until fz_handshakes_next() gives him. */
void fz_handshakes_enter (FzHandshakes *self,
                          FzHandshake *handshake,
                          void *connection,
                          const FzIp *source);

void fz_handshakes_leave (FzHandshakes *self, FzHandshake *handshake); /* or nothing */

/* He has had his time; only if he has begun. */
void fz_handshakes_set_overdue (FzHandshakes *self, FzHandshake *handshake);

/* Until NULL, after each of the calls above: the connection that begins now. */
void *fz_handshakes_next (FzHandshakes *self);

/* Likewise: the connection that has to go, since it is overdue and others are held. It leaves
 * when its thread is free. */
void *fz_handshakes_cut (FzHandshakes *self);

unsigned fz_handshakes_n_begun (const FzHandshakes *self); /* with those overdue and cut */
unsigned fz_handshakes_n_held (const FzHandshakes *self);
