/* fz-dns-forward.h
 *
 * Questions that others have to answer: those that the host carries past the
 * tunnel, and those that travel through it as packets of our own (tunnel.md
 * §§4.10, 4.11). Keeps who asked, matches what comes back, and gives up in time.
 *
 * Every question goes out with an id of its own, and one inside the tunnel with
 * a port of its own, both random: whoever wants to forge an answer has to guess
 * them. A port stays taken for a while after its question has timed out, so that
 * a late answer reaches nobody else.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/base/fz-rng.h"
#include "src/proto/fz-dns.h"

#include <glib.h>

#define FZ_DNS_OUTSIDE_MAX 1000u /* questions at a time, tunnel.md §4.11 */
#define FZ_DNS_INSIDE_MAX  1024u /* … and §4.10 */
#define FZ_DNS_INSIDE_S    10u
#define FZ_DNS_PORT_FIRST  49152u
#define FZ_DNS_PORT_LAST   65535u

/* Who wants to know. */
typedef struct {
  FzSocketAddress client; /* of the application */
  FzIp sentinel;          /* whom it asked */
  bool is_tcp;
  uint64_t as_of; /* fz_dns_cache_get_n_clears() at that time */
} FzDnsAsker;

typedef struct {
  uint32_t id; /* of one outside; never 0 */
  bool is_inside;
  FzSocketAddress server;
  uint16_t port; /* inside: ours */
  FzDnsAsker asker;
  FzInstant deadline;
  uint16_t wire_id;
  bool is_over;    /* inside: answered or timed out, only its port is still taken */
  GBytes *message; /* as the application sent it */
} FzDnsQuestion;

typedef struct FzDnsForward FzDnsForward;

FzDnsForward *fz_dns_forward_new (FzRng rng);
void fz_dns_forward_free (FzDnsForward *self);

/* NULL: too many. @out_message: what goes out; valid until the next call. */
const FzDnsQuestion *fz_dns_forward_ask_outside (FzDnsForward *self,
                                                 const FzDnsAsker *asker,
                                                 FzSpan message,
                                                 FzInstant now,
                                                 FzSpan *out_message);
const FzDnsQuestion *fz_dns_forward_ask_inside (FzDnsForward *self,
                                                const FzDnsAsker *asker,
                                                const FzSocketAddress *server,
                                                FzSpan message,
                                                FzInstant now,
                                                FzSpan *out_message);

typedef enum {
  FZ_DNS_REPLY_NOT_OURS, /* the packet is somebody else's */
  FZ_DNS_REPLY_IGNORED,  /* ours, but no answer: late, or to another question */
  FZ_DNS_REPLY_ANSWERED,
  FZ_DNS_REPLY_FAILED, /* the question has ended without answer */
} FzDnsReplyKind;

/* @out: for ANSWERED and FAILED, whose question that was; gone with the next call. @reply: with the
 * id that the application knows it by. */
FzDnsReplyKind fz_dns_forward_handle_outside (
    FzDnsForward *self, uint32_t id, FzSpan message, const FzDnsQuestion **out, FzSpan *out_reply);
FzDnsReplyKind fz_dns_forward_handle_inside (FzDnsForward *self,
                                             const FzSocketAddress *server,
                                             uint16_t port,
                                             FzSpan message,
                                             const FzDnsQuestion **out,
                                             FzSpan *out_reply);

/* An ICMP error about a datagram of ours. */
FzDnsReplyKind fz_dns_forward_handle_refusal (FzDnsForward *self,
                                              const FzSocketAddress *server,
                                              uint16_t port,
                                              const FzDnsQuestion **out);

/* The next question that has timed out. Outside, the application hears nothing (Q13). */
bool fz_dns_forward_poll_timeout (FzDnsForward *self, FzInstant now, const FzDnsQuestion **out);
FzInstant fz_dns_forward_next_timeout (const FzDnsForward *self);
