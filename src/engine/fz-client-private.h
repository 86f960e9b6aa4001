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

typedef struct FzClientDns FzClientDns;

struct FzClient {
  FzRoleContext *context;
  FzResources *resources;
  FzAuthorizations *pending;
  FzClientGateways *gateways;
  GHashTable *notified; /* resources that a user was told about; of Notice */
  GHashTable *denied;   /* set of resource ids: the portal's last answer was no */
  bool is_internet_on;  /* the user's switch; it may come before the resource */
  GArray *resource_views;
  GArray *gateway_views;
  FzClientDns *dns;
  FzPolicy *policy; /* of resources alone, for the engine's own lookups; NULL: rebuild */
};

/* Whether @resource takes part in routing: an Internet resource only while it is switched on. */
bool fz_client_is_routed (const FzClient *self, const FzResource *resource);

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

/* -- for fz-client-domains.c -- */
FzPeer *fz_client_get_peer (const FzClient *self, const FzClientGateway *gateway);
const FzPolicy *fz_client_get_policy (FzClient *self);

/* Asks the portal if that is due, and keeps @packet (NULL data: nothing) until it answers. */
/* The portal is there again: whatever is still open is asked at once. */
void fz_client_ask_again (FzClient *self, FzInstant now);
void fz_client_want_authorization (FzClient *self,
                                   const FzUuid *resource_id,
                                   FzSpan packet,
                                   FzInstant now);
void fz_client_send_or_keep (FzClient *self,
                             FzClientGateway *gateway,
                             const FzIpPacket *packet,
                             FzInstant now);
void fz_client_refuse (FzClient *self, const FzIpPacket *packet, FzInstant now);
