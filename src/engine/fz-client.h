/* fz-client.h
 *
 * The client's side of access (tunnel.md §§2, 7.2-7.5, 8.3): which resource a
 * packet is for, whether a gateway is authorized for it, what waits until one
 * is. Routes for the lanes follow from that: a resource without authorized
 * gateway has a route without peer, so its packets come here.
 *
 * Engine thread, owned by the engine.
 */
#pragma once

#include "src/engine/fz-command.h"
#include "src/engine/fz-role.h"

typedef struct FzClient FzClient;

FzClient *fz_client_new (FzRoleContext *context); /* borrowed, outlives the client */
void fz_client_free (FzClient *self);

/* Commands of the client role but those the engine handles for all roles. */
bool
fz_client_handle_command (FzClient *self, const FzCommand *command, FzInstant now, GError **error);
void fz_client_handle_packet (FzClient *self, FzSpan packet, FzInstant now);

/* What @connection's peer sent and a lane passed on: control messages, ICMP errors. */
void fz_client_handle_inner (FzClient *self,
                             FzConnection *connection,
                             const FzIpPacket *packet,
                             FzDrop reason,
                             FzInstant now);
void fz_client_handle_node_event (FzClient *self, const FzNodeEvent *event, FzInstant now);
void fz_client_handle_timeout (FzClient *self, FzInstant now);
FzInstant fz_client_next_timeout (const FzClient *self);

void fz_client_add_routes (FzClient *self, GArray *entries); /* of FzPolicyEntry */
void fz_client_add_networks (const FzClient *self,
                             GArray *networks); /* of FzIpNetwork: the TUN's */
size_t fz_client_get_view (FzClient *self, const FzResourceView **out);
size_t fz_client_get_gateways (FzClient *self, uint64_t unix_ns_at_zero, const FzGatewayView **out);
bool fz_client_is_internet_on (const FzClient *self);

/* Client-side DNS; @out_serial grows with every change. */
size_t fz_client_get_sentinels (const FzClient *self, const FzSentinel **out, uint64_t *out_serial);
void fz_client_add_resolvers (const FzClient *self, GArray *ips); /* of FzIp: for the snapshot */
bool fz_client_poll_resources_changed (FzClient *self);
