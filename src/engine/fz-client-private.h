/* fz-client-private.h
 *
 * The client's inside, shared by its files: fz-client.c has packets, peers and
 * routes, fz-client-portal.c what the portal says.
 */
#pragma once

#include "src/engine/fz-authorizations.h"
#include "src/engine/fz-client-gateways.h"
#include "src/engine/fz-client.h"
#include "src/engine/fz-resources.h"

struct FzClient {
  FzRoleContext *context;
  FzResources *resources;
  FzAuthorizations *pending;
  FzClientGateways *gateways;
  GHashTable *notified; /* resources that a user was told about; of Notice */
  FzPolicy *policy;     /* of resources alone, for the engine's own lookups; NULL: rebuild */
};

/* What the lanes have of routes is out of date; with resources also the TUN's networks. */
void fz_client_note_routes (FzClient *self);
void fz_client_note_resources (FzClient *self);

/* What lanes accept from @gateway, after its resources have changed. */
void fz_client_set_sources (FzClient *self, const FzClientGateway *gateway);

/* Packets that waited, as if they came from the TUN now. NULL: none. */
void fz_client_replay (FzClient *self, FzPacketBuffer *packets, FzInstant now);

/* The gateway is gone: what was authorized through it must be asked for again (tunnel.md §8.3). */
void fz_client_clean_up_gateway (FzClient *self, const FzUuid *id, FzInstant now);

/* After a resource was taken from it: without any left it hears a goodbye. */
void fz_client_close_if_unused (FzClient *self, FzClientGateway *gateway, FzInstant now);
