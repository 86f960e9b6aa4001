/* fz-gateway-names.h
 *
 * The gateway's side of DNS resources (tunnel.md §§5.4, 6.3-6.7): clients
 * announce names with proxy addresses; names are looked up by the host, proxy
 * addresses translated to what was found. The first packet of each session and
 * ICMP errors come here; lanes do the rest.
 *
 * Engine thread, owned by the gateway.
 */
#pragma once

#include "src/engine/fz-grants.h"
#include "src/engine/fz-role.h"
#include "src/proto/fz-p2p-control.h"

/* At a time; more are dropped, clients repeat themselves. Where all places are taken, the client
 * that has most gives up its newest for one that has less: so shares shrink as claimants come. The
 * host goes on with what was given up, of which there may be as many again. */
#define FZ_LOOKUPS_MAX           1000u
#define FZ_LOOKUPS_GIVEN_UP_MAX  1000u
#define FZ_LOOKUPS_OF_CLIENT_MAX 100u /* of one client, however few want any */

/* Of one client, however quick the answers are: each is two questions to the site's resolver. */
#define FZ_ANNOUNCEMENTS_PER_S   100u
#define FZ_ANNOUNCEMENTS_AT_ONCE 300u /* spent ahead: a client that has just come back */

typedef struct FzGatewayNames FzGatewayNames;

FzGatewayNames *fz_gateway_names_new (FzRoleContext *context); /* borrowed, outlives it */
void fz_gateway_names_free (FzGatewayNames *self);

typedef enum {
  FZ_ANNOUNCED_WAIT,     /* the answer comes with fz_gateway_names_poll_answer */
  FZ_ANNOUNCED_INACTIVE, /* say so now */
} FzAnnounced;

/* A client's announcement. @grantee: NULL: it has no grants. One too many is dropped and counted
 * (FZ_DROP_RATE_LIMITED; FZ_DROP_QUEUE_FULL: too many are being looked up), and waits for ever. */
FzAnnounced fz_gateway_names_handle_announcement (FzGatewayNames *self,
                                                  FzGrantee *grantee,
                                                  const FzP2pAssignedIps *announced,
                                                  FzInstant now);

/* What the host has found; false: nobody asked, or it is too late. */
bool fz_gateway_names_handle_resolved (FzGatewayNames *self,
                                       FzGrants *grants,
                                       uint32_t id,
                                       const FzIp *ips,
                                       size_t n_ips,
                                       bool is_failed);

typedef struct {
  FzUuid client_id;
  FzP2pDomainStatus status;
} FzDomainAnswer;

/* What a client is to be told; its policies are to be set before. */
bool fz_gateway_names_poll_answer (FzGatewayNames *self, FzDomainAnswer *out);

/**
 * fz_gateway_names_translate:
 * @packet: from the client to a proxy address that it may reach, or directly to a host behind one;
 *   translated in place
 *
 * Finds or makes the session. What is direct goes as it is where there is no room for one.
 *
 * Returns: FZ_DROP_NONE; FZ_DROP_NO_ROUTE: the name has no address of the family,
 *   FZ_DROP_QUEUE_FULL: no port or session left, FZ_DROP_UNKNOWN_PROTOCOL
 */
FzDrop fz_gateway_names_translate (FzGatewayNames *self,
                                   FzGrantee *grantee,
                                   uint8_t *packet,
                                   const FzIpPacket *parsed,
                                   FzInstant now);

/* An ICMP error for the client as it must see it. Returns: its length, 0: it is as it should be */
size_t fz_gateway_names_translate_error (const FzGrantee *grantee,
                                         const FzIpPacket *error,
                                         FzInstant now,
                                         uint8_t out[FZ_ICMP_ERROR_MAX]);

void fz_gateway_names_handle_timeout (FzGatewayNames *self, FzGrants *grants, FzInstant now);
FzInstant fz_gateway_names_next_timeout (const FzGatewayNames *self);
