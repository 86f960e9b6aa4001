/* fz-door.h
 *
 * The listening sockets of an HTTP server. Each connection is set up here and handed to
 * libsoup as a stream: libsoup 3.2's own listener keeps a reference on every socket that
 * it accepts, and never accepts again once the process has run out of descriptors. Nor does
 * it ever lose its patience: here, who has not sent a whole request after
 * FZ_DOOR_PATIENCE_MS, TLS's handshake included, is cut off.
 *
 * Silence costs a descriptor each. There is room for so many silent ones of a source, and in
 * all (fz-lobby.h); then the oldest of them goes at once. But where all the room is full and
 * nobody has much of it, it is rather everybody who comes after a restart than one who wants to
 * keep the others out: while the oldest has not had FZ_DOOR_GRACE_MS, nobody is let in, and who
 * comes waits in the kernel, up to its backlog.
 *
 * With TLS, silence would cost one of the few threads, too, in which GLib makes everybody's
 * handshakes. Those begin only with the client's whole hello, and only so many at once
 * (fz-handshakes.h); who has not answered after FZ_DOOR_HANDSHAKE_MS goes if others wait for
 * the thread.
 *
 * All of this is counted, and logged as it begins and once a minute while it goes on.
 *
 * Main loop's thread.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/server/fz-handshakes.h"
#include "src/server/fz-lobby.h"

#include <libsoup/soup.h>
#include <stdbool.h>

#define FZ_DOOR_PATIENCE_MS  15000u /* for a request, from the connection or the one before on */
#define FZ_DOOR_HANDSHAKE_MS 1000u  /* for a handshake, while others wait for theirs */
#define FZ_DOOR_GRACE_MS     2000u  /* for the oldest of a full room, while others wait outside */

#define FZ_DOOR_LEAVING_MAX 1024u /* cut off, and not yet gone; until then nobody comes in */
#define FZ_DOOR_REPORT_MS   60000u

typedef struct FzDoor FzDoor;

typedef struct {
  unsigned n_waiting; /* now: owe a request */
  unsigned n_leaving; /* now: cut off, their descriptors not yet closed */
  unsigned n_shaking; /* now: TLS handshakes that have begun, each with a thread */
  unsigned n_held;    /* now: have said hello, and wait for their handshake */
  FzLobbyCounts pushed_out;
  uint64_t n_too_late; /* sent no whole request in time */
  uint64_t n_too_slow; /* were cut off in a handshake, since others waited */
  uint64_t n_pauses;   /* the room was full of newcomers, and nobody was let in for a moment */
} FzDoorCounts;

/* @certificate: NULL for plain HTTP. Both are kept alive. */
FzDoor *fz_door_new (SoupServer *server, GTlsCertificate *certificate, const FzLog *log);
void fz_door_free (FzDoor *self); /* stops listening; what was let in stays */

/* Networks of proxies: many people come from one address there, which has no limit of its own.
 * Borrowed; they outlive the door. */
void fz_door_set_proxies (FzDoor *self, const FzIpNetwork *networks, size_t n);

/* For tests; for the requests that begin from now on. */
void fz_door_set_patience (FzDoor *self, unsigned ms);
void fz_door_set_handshake_time (FzDoor *self, unsigned ms);
void fz_door_set_grace (FzDoor *self, unsigned ms);
void fz_door_set_limits (FzDoor *self, unsigned waiting_max, unsigned of_source_max);
void fz_door_set_report_interval (FzDoor *self, unsigned ms);

FzDoorCounts fz_door_get_counts (const FzDoor *self);

/* One more address to listen on; IPv6 without IPv4. @error: G_IO_ERROR */
bool fz_door_open (FzDoor *self, GSocketAddress *address, GError **error);

/* "http://127.0.0.1:8080/", NULL-terminated, in the order of opening. */
GStrv fz_door_uris (FzDoor *self);

/* The socket on which @message came; NULL: it did not come by a door. */
GSocket *fz_door_get_socket (SoupServerMessage *message);
