/* fz-client-gateways.h
 *
 * The gateways that a client has a connection to or is making one, what each is
 * authorized for, and which the portal should prefer next time (tunnel.md §§2.5,
 * 2.8). Plain records: what follows from a change is the client's affair.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-uuid.h"
#include "src/engine/fz-packet-buffer.h"

#include <glib.h>

typedef struct {
  FzUuid id;
  FzUuid site_id;
  FzIp ipv4; /* its TUN addresses */
  FzIp ipv6;
  GHashTable *resources;   /* set of FzUuid: what it is authorized for */
  FzPacketBuffer *waiting; /* routed packets from before there was a session; NULL: none */
  bool is_connected;       /* the host has been told so */
} FzClientGateway;

typedef struct FzClientGateways FzClientGateways;

FzClientGateways *fz_client_gateways_new (void);
void fz_client_gateways_free (FzClientGateways *self);

FzClientGateway *fz_client_gateways_find (const FzClientGateways *self, const FzUuid *id);
FzClientGateway *fz_client_gateways_find_by_ip (const FzClientGateways *self, const FzIp *ip);

/* The one that is authorized for the resource, NULL if none is. */
FzClientGateway *fz_client_gateways_find_for (const FzClientGateways *self,
                                              const FzUuid *resource_id);

/* Adds or finds. */
FzClientGateway *fz_client_gateways_put (FzClientGateways *self, const FzUuid *id);

/* Forgets the gateway, not that it was the one for its resources. */
void fz_client_gateways_remove (FzClientGateways *self, const FzUuid *id);

void fz_client_gateways_authorize (FzClientGateways *self,
                                   FzClientGateway *gateway,
                                   const FzUuid *resource_id);
/* Takes the resource from whom it was authorized through: that one, or NULL. */
FzClientGateway *fz_client_gateways_deauthorize (FzClientGateways *self, const FzUuid *resource_id);
/* Forgets also who should be preferred for it. */
void fz_client_gateways_forget_resource (FzClientGateways *self, const FzUuid *resource_id);

/* Ids for the portal: the one used for this resource before, then those in here, then all that
 * were ever seen, each group by id. The caller unrefs. */
GArray *fz_client_gateways_get_preferred (FzClientGateways *self, const FzUuid *resource_id);

/* In the order of their ids' hashes: the same in every run. */
void fz_client_gateways_iter_init (const FzClientGateways *self, GHashTableIter *iter);
