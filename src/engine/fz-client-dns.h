/* fz-client-dns.h
 *
 * DNS at a client: answers on the sentinels, routes to proxy addresses, tells
 * gateways which names these stand for (tunnel.md §§3.3, 4, 5.3). Part of the
 * client, as its other files are; the records are kept by fz-dns-*.
 */
#pragma once

#include "src/engine/fz-client-private.h"
#include "src/engine/fz-dns-cache.h"
#include "src/engine/fz-dns-forward.h"
#include "src/engine/fz-dns-nat.h"
#include "src/engine/fz-dns-sentinels.h"
#include "src/engine/fz-dns-stub.h"

/* The records; fz-client-dns.c has the questions, fz-client-domains.c the packets. */
struct FzClientDns {
  FzDnsStub *stub;
  FzDnsNat *nat;
  FzDnsSentinels *sentinels;
  FzDnsCache *cache;
  FzDnsForward *forward;
  uint64_t sentinels_serial; /* grows with every change */
  bool is_emptiness_told;    /* that nobody is there to be asked */
  bool is_exhaustion_told;   /* that no name is given addresses any more */
};

FzClientDns *fz_client_dns_new (FzRng rng, uint64_t *given_up); /* packets that waited in vain */
void fz_client_dns_free (FzClientDns *self);

/* -- from the portal and the host -- */
void fz_client_dns_set_interface (FzClient *self, const FzInterface *interface);
void fz_client_dns_set_resolvers (FzClient *self, const FzIp *ips, size_t n_ips);
void fz_client_dns_handle_answer (FzClient *self, uint32_t id, FzSpan message, FzInstant now);

/* Any resource has come or gone; @resource is the new one, NULL if @id has gone. */
void fz_client_dns_note_resource (FzClient *self, const FzUuid *id, const FzResource *resource);

/* What was arranged with a gateway is void. */
void fz_client_dns_forget_gateway (FzClient *self, const FzUuid *gateway_id);
void fz_client_dns_forget_resource (FzClient *self, const FzUuid *resource_id);

/* -- questions: fz-client-dns.c -- */

/* A packet to the address of a sentinel. */
void fz_client_dns_handle_sentinel (FzClient *self, const FzIpPacket *packet, FzInstant now);

/* Asked for again: the gateways that know @domain shall look it up anew, and those that do not are
 * told of it. */
void fz_client_dns_renew (FzClient *self, const FzDnsDomain *domain, FzInstant now);

/* -- packets: fz-client-domains.c, but for handle_inner and handle_icmp_error -- */

/* From the TUN; true if the destination is a sentinel or a proxy address, and it is dealt with. */
bool fz_client_dns_handle_packet (FzClient *self,
                                  const FzIpPacket *packet,
                                  const FzFlow *flow,
                                  FzInstant now);

/* The resource that @flow to a proxy address is for; NULL: none, or not admitted. */
const FzResource *fz_client_dns_find_resource (FzClient *self, const FzFlow *flow);

/* From a gateway: true if it was meant for us and not for the TUN. */
bool fz_client_dns_handle_inner (FzClient *self, const FzIpPacket *packet, FzInstant now);
bool fz_client_dns_handle_icmp_error (FzClient *self, const FzFlow *quoted, FzInstant now);
void fz_client_dns_handle_status (FzClient *self,
                                  const FzUuid *gateway_id,
                                  FzSpan payload,
                                  FzInstant now);

/* Announcements that nobody has answered. */
void fz_client_dns_repeat (FzClient *self, FzInstant now);

/* There is a session with it now: what it has to know is said again. */
void fz_client_dns_handle_session (FzClient *self, const FzUuid *gateway_id, FzInstant now);

/* -- time and output -- */
void fz_client_dns_handle_timeout (FzClient *self, FzInstant now);
FzInstant fz_client_dns_next_timeout (const FzClient *self);
void fz_client_dns_add_routes (FzClient *self, GArray *entries); /* of FzPolicyEntry */
void fz_client_dns_add_sources (FzClient *self, const FzClientGateway *gateway, GArray *entries);

/* In which @out_serial grows with every change. */
size_t
fz_client_dns_get_sentinels (const FzClient *self, const FzSentinel **out, uint64_t *out_serial);

/* Of FzIp: resolvers that may be asked through the tunnel. */
void fz_client_dns_add_resolvers (const FzClient *self, GArray *ips);
