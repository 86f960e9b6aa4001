/* fz-dns-nat.h
 *
 * What a client has told its gateways about the proxy addresses of names
 * (tunnel.md §5.3): per gateway, resource and name, whether the gateway has
 * confirmed, and the packets that wait until it has.
 *
 *              set up             active
 *   (nothing) ────────► PENDING ─────────► CONFIRMED
 *                        │  ▲               │    ▲
 *               inactive │  │ set up   asked│    │ active
 *                        ▼  └──────────┐again    │
 *                      FAILED ─────► RECREATING ─┘
 *                            asked again
 *
 * Upstream repeats an announcement only with traffic; here a timer does so too,
 * three times, so that a single lost packet does not leave a name waiting.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/engine/fz-dns-stub.h"
#include "src/engine/fz-packet-buffer.h"

#define FZ_DNS_NAT_REPEAT_S    2u
#define FZ_DNS_NAT_REPEATS_MAX 3u /* by the timer */
#define FZ_DNS_NAT_PACKETS     32u

typedef struct FzDnsNat FzDnsNat;

typedef struct {
  FzUuid gateway_id;
  FzUuid resource_id;
  const FzDnsDomain *domain; /* outlives the record */
} FzDnsNatKey;

/* @given_up: (nullable), borrowed: packets that waited in vain */
FzDnsNat *fz_dns_nat_new (uint64_t *given_up);
void fz_dns_nat_free (FzDnsNat *self);

/* The gateway shall know. True: announce it now. */
bool fz_dns_nat_set_up (FzDnsNat *self, const FzDnsNatKey *key, FzInstant now);

typedef enum {
  FZ_DNS_NAT_SEND, /* the packet may go */
  FZ_DNS_NAT_KEPT, /* it waits */
} FzDnsNatFate;

/* A packet on its way to a name that has been set up. @out_announce: announce it again first. */
FzDnsNatFate fz_dns_nat_handle_packet (
    FzDnsNat *self, const FzDnsNatKey *key, FzSpan packet, FzInstant now, bool *out_announce);

bool fz_dns_nat_has (const FzDnsNat *self, const FzDnsNatKey *key);

bool fz_dns_nat_is_pending (const FzDnsNat *self, const FzDnsNatKey *key);

/* Whether packets need not be looked at: what a lane may send by itself. */
bool fz_dns_nat_is_open (const FzDnsNat *self, const FzDnsNatKey *key);

/* The gateway's word. What waited is the caller's to send again; NULL: nothing did. */
FzPacketBuffer *fz_dns_nat_handle_status (FzDnsNat *self, const FzDnsNatKey *key, bool is_active);

/* The name was asked for again: the gateway shall look it up anew. */
void fz_dns_nat_recreate (FzDnsNat *self, const FzDnsNatKey *key);

void fz_dns_nat_remove_gateway (FzDnsNat *self, const FzUuid *gateway_id);
void fz_dns_nat_remove_resource (FzDnsNat *self, const FzUuid *resource_id);

/* True once after what fz_dns_nat_is_open says has changed for anything. */
bool fz_dns_nat_poll_changed (FzDnsNat *self);

/* The next one that is to be announced once more; false: none is due. */
bool fz_dns_nat_poll_repeat (FzDnsNat *self, FzInstant now, FzDnsNatKey *out);
FzInstant fz_dns_nat_next_timeout (const FzDnsNat *self);

/* All of a gateway, in the same order in every run. */
void fz_dns_nat_foreach (const FzDnsNat *self,
                         const FzUuid *gateway_id,
                         void (*visit) (const FzDnsNatKey *key, void *context),
                         void *context);
