/* fz-door.h
 *
 * The listening sockets of an HTTP server. Each connection is set up here and handed to
 * libsoup as a stream: libsoup 3.2's own listener keeps a reference on every socket that
 * it accepts, and never accepts again once the process has run out of descriptors.
 *
 * Main loop's thread.
 */
#pragma once

#include <libsoup/soup.h>
#include <stdbool.h>

typedef struct FzDoor FzDoor;

/* @certificate: NULL for plain HTTP. Both are kept alive. */
FzDoor *fz_door_new (SoupServer *server, GTlsCertificate *certificate);
void fz_door_free (FzDoor *self); /* stops listening; what was let in stays */

/* One more address to listen on; IPv6 without IPv4. @error: G_IO_ERROR */
bool fz_door_open (FzDoor *self, GSocketAddress *address, GError **error);

/* "http://127.0.0.1:8080/", NULL-terminated, in the order of opening. */
GStrv fz_door_uris (FzDoor *self);

/* The socket on which @message came; NULL: it did not come by a door. */
GSocket *fz_door_get_socket (SoupServerMessage *message);
