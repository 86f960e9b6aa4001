/* fz-door.h
 *
 * The listening sockets of an HTTP server. Each connection is set up here and handed to
 * libsoup as a stream: libsoup 3.2's own listener keeps a reference on every socket that
 * it accepts, and never accepts again once the process has run out of descriptors. Nor does
 * it ever lose its patience: here, who has not sent a whole request after
 * FZ_DOOR_PATIENCE_MS, TLS's handshake included, is cut off. Silence costs a descriptor each,
 * and with TLS one of the few threads in which GLib makes everybody's handshakes.
 *
 * Main loop's thread.
 */
#pragma once

#include <libsoup/soup.h>
#include <stdbool.h>

#define FZ_DOOR_PATIENCE_MS 15000u /* for a request, from the connection or the one before on */

typedef struct FzDoor FzDoor;

/* @certificate: NULL for plain HTTP. Both are kept alive. */
FzDoor *fz_door_new (SoupServer *server, GTlsCertificate *certificate);
void fz_door_free (FzDoor *self); /* stops listening; what was let in stays */

/* For tests; for the requests that begin from now on. */
void fz_door_set_patience (FzDoor *self, unsigned ms);

/* One more address to listen on; IPv6 without IPv4. @error: G_IO_ERROR */
bool fz_door_open (FzDoor *self, GSocketAddress *address, GError **error);

/* "http://127.0.0.1:8080/", NULL-terminated, in the order of opening. */
GStrv fz_door_uris (FzDoor *self);

/* The socket on which @message came; NULL: it did not come by a door. */
GSocket *fz_door_get_socket (SoupServerMessage *message);
