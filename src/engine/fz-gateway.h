/* fz-gateway.h
 *
 * The gateway's side of access (tunnel.md §§6.1-6.5): who was granted what until
 * when. Lanes enforce it both ways by each client's permissions; what they
 * refuse comes here and is answered with an ICMP error. The gateway keeps no
 * packets: what cannot be sent is dropped.
 *
 * Grants outlive a failed connection, for the client may come back without
 * asking again; a goodbye ends them.
 *
 * Engine thread, owned by the engine.
 */
#pragma once

#include "src/engine/fz-command.h"
#include "src/engine/fz-role.h"

typedef struct FzGateway FzGateway;

FzGateway *fz_gateway_new (FzRoleContext *context); /* borrowed, outlives the gateway */
void fz_gateway_free (FzGateway *self);

/* Commands of the gateway role but those the engine handles for all roles. */
bool fz_gateway_handle_command (FzGateway *self,
                                const FzCommand *command,
                                FzInstant now,
                                GError **error);

/* From the TUN: what a lane could not send. */
void fz_gateway_handle_packet (FzGateway *self, FzSpan packet, FzInstant now);
void fz_gateway_handle_inner (FzGateway *self,
                              FzConnection *connection,
                              const FzIpPacket *packet,
                              FzDrop reason,
                              FzInstant now);
void fz_gateway_handle_node_event (FzGateway *self, const FzNodeEvent *event, FzInstant now);
void fz_gateway_handle_timeout (FzGateway *self, FzInstant now);
FzInstant fz_gateway_next_timeout (const FzGateway *self);

bool fz_gateway_has_names (const FzGateway *self); /* any client has announced one, ever */
void fz_gateway_add_networks (GArray *networks);   /* of FzIpNetwork: the TUN's */

/* For tests: whether the grant stands. */
bool fz_gateway_has_grant (const FzGateway *self, const FzUuid *client, const FzUuid *resource);
