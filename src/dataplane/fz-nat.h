/* fz-nat.h
 *
 * A gateway's sessions of one client with the hosts behind proxy addresses
 * (tunnel.md §6.6): each ties the client's port and a proxy address to a port
 * and a real address, one to one. ICMP's identifier stands for the port.
 *
 * A client may reach the same hosts directly, by their addresses. Then both kinds of
 * flows meet behind the gateway, where ports alone tell them apart: so a direct flow
 * to a host that names lead to (fz_nat_add_host) has a session as well, its "proxy
 * address" the real one. It keeps its port unless another session has it there.
 *
 * The engine alone makes and ends sessions; lanes find them without a lock and
 * translate packets in place. What the engine has replaced is freed by
 * FzReclaim. The first packet of a session is the engine's to send.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"
#include "src/dataplane/fz-filter.h"
#include "src/dataplane/fz-reclaim.h"
#include "src/proto/fz-ip.h"

#define FZ_NAT_SESSIONS_MAX 16384u /* of one client */
#define FZ_NAT_CROWDED      8192u  /* from so many on direct flows go without one */
#define FZ_NAT_EXPIRED_MAX  4096u  /* of one client: ended ones whose late answers are dropped */
#define FZ_NAT_REMEMBERED_S 120u   /* an ended session whose port is not wanted again */
#define FZ_NAT_TCP_S        7440u
#define FZ_NAT_OTHER_S      120u /* UDP and ICMP */
#define FZ_NAT_UNANSWERED_S 60u
#define FZ_NAT_CLOSED_S     5u /* after FIN in both directions */

/* One side of a session. */
typedef struct {
  FzIp ip; /* inside: the proxy address, a direct flow's real one; outside: the real one */
  uint16_t port;
  uint8_t protocol; /* FzProtocol: TCP, UDP or ICMP_ECHO */
} FzNatKey;

typedef struct {
  FzNatKey inside;
  FzNatKey outside;
  bool is_direct; /* inside is the real address, too: at most the port differs */

  /* lanes and engine write, all relaxed; instants, 0: never */
  _Atomic uint64_t sent_at;     /* to the real host */
  _Atomic uint64_t received_at; /* from it */
  _Atomic uint32_t endings;     /* FZ_NAT_FIN_SENT … */

  atomic_bool is_expired; /* engine writes; still found from outside, so that answers are dropped */
  FzInstant expired_at;   /* engine only */
} FzNatSession;

typedef struct FzNat FzNat;
typedef bool (*FzNatIsTaken) (const void *context, const FzNatKey *outside);

FzNat *fz_nat_new (void);
void fz_nat_free (FzNat *self); /* no lane holds it */

/* Whether sessions can be made for that protocol. */
static inline bool
fz_nat_has_key (uint8_t protocol)
{
  return protocol == FZ_PROTOCOL_TCP || protocol == FZ_PROTOCOL_UDP ||
         protocol == FZ_PROTOCOL_ICMP_ECHO;
}

/* -- any thread -- */

FzNatSession *fz_nat_find_inside (const FzNat *self,
                                  const FzNatKey *key); /* never an expired one */
FzNatSession *fz_nat_find_outside (const FzNat *self, const FzNatKey *key); /* maybe expired */

/**
 * fz_nat_translate_out:
 * @packet: bytes of @parsed, which goes from the client to the session's proxy address
 *
 * Real address and port into the packet, and its checksums adjusted.
 */
void fz_nat_translate_out (FzNatSession *session,
                           uint8_t *packet,
                           const FzIpPacket *parsed,
                           FzInstant now);

/* @is_partial: the transport checksum holds the sum of the pseudo header only (virtio). */
void fz_nat_translate_in (FzNatSession *session,
                          uint8_t *packet,
                          const FzIpPacket *parsed,
                          bool is_partial,
                          FzInstant now);

/* Whether the packet's destination is in a proxy range. */
bool fz_nat_is_proxied (const FzIpPacket *packet);
bool fz_nat_is_proxy_ip (const FzIp *ip);

/* Whether names may lead to the packet's destination: never false if fz_nat_add_host was told so,
 * and seldom true if not. */
bool fz_nat_may_have_host (const FzNat *self, const FzIpPacket *packet);

/* So many sessions that direct flows are to go as they are, lest they keep out the others. */
bool fz_nat_is_crowded (const FzNat *self);

/* -- engine -- */

/* New sessions may lead to @real from now on. */
void fz_nat_add_host (FzNat *self, const FzIp *real);

/**
 * fz_nat_add:
 * @inside: not in use
 * @is_taken: what direct flows may have that know no session, with @context; such ports are left
 *   to them where there are others; NULL: nothing
 *
 * Makes a session to @real: with the same port if that is free there, else the
 * next higher one, around the end. It is a direct one if @inside has the same address.
 *
 * Returns: NULL if there is no port or no room left
 */
FzNatSession *fz_nat_add (FzNat *self,
                          FzReclaim *reclaim,
                          const FzNatKey *inside,
                          const FzIp *real,
                          FzNatIsTaken is_taken,
                          const void *context);

/* Ends what is over by @now, and forgets what has been over for FZ_NAT_REMEMBERED_S: until then an
 * answer is known to be late. What a direct session has left as it was is forgotten at once: its
 * answers need none. Returns: when to call it again, FZ_INSTANT_NEVER if there is nothing left */
FzInstant fz_nat_expire (FzNat *self, FzReclaim *reclaim, FzInstant now);

size_t fz_nat_get_n_sessions (const FzNat *self); /* without expired ones */
size_t fz_nat_get_n_expired (const FzNat *self);  /* that are remembered */
size_t fz_nat_get_bytes (const FzNat *self);      /* without what is being reclaimed */
