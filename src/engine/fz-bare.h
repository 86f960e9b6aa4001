/* fz-bare.h
 *
 * Plain WireGuard: static peers with allowed addresses, no portal, no ICE. How
 * this engine meets implementations that it was not written with. The first
 * packet to a silent peer asks for a handshake and waits for it; endpoints
 * follow authenticated datagrams.
 *
 * Engine thread, owned by the engine.
 */
#pragma once

#include "src/engine/fz-command.h"
#include "src/engine/fz-role.h"

typedef struct FzBare FzBare;

FzBare *fz_bare_new (FzRoleContext *context); /* borrowed, outlives the object */
void fz_bare_free (FzBare *self);

bool fz_bare_handle_command (FzBare *self, const FzCommand *command, FzInstant now, GError **error);
void fz_bare_handle_packet (FzBare *self, FzSpan packet, FzInstant now);
void fz_bare_handle_node_event (FzBare *self, const FzNodeEvent *event, FzInstant now);
void fz_bare_add_routes (FzBare *self, GArray *entries);          /* of FzPolicyEntry */
void fz_bare_add_networks (const FzBare *self, GArray *networks); /* of FzIpNetwork: the TUN's */
