/* fz-dns-stub.h
 *
 * The names of DNS resources: which resources a name belongs to, which proxy
 * addresses it was given, and what a query about it is answered (tunnel.md
 * §4.5). A name keeps its addresses as long as the engine lives, also when its
 * resource goes and comes back. Knows nothing of packets.
 */
#pragma once

#include "src/engine/fz-model.h"
#include "src/proto/fz-dns.h"

#include <glib.h>

#define FZ_DNS_PROXIES_PER_FAMILY 4u /* addresses of each family that a name is given */
#define FZ_DNS_PROXIES_MAX        (2 * FZ_DNS_PROXIES_PER_FAMILY)
#define FZ_DNS_STUB_TTL_S         1u

/* Where the next proxy addresses come from. Nothing is ever given back (tunnel.md §4.5): a gateway
 * that is told an address of another name starts over with all of this client's (§5.4). */
typedef struct {
  uint32_t next_v4; /* offset in the range */
  uint32_t next_v6;
} FzProxyPool;

/* False when the range is used up. Sentinels are skipped. */
bool fz_proxy_pool_take (FzProxyPool *self, FzIpFamily family, FzIp *out);

/* A name that has been asked for; owned by the stub, and as old as it. */
typedef struct {
  char *name;
  FzIp ips[FZ_DNS_PROXIES_MAX]; /* IPv4 before IPv6 */
  size_t n_ipv4;
  size_t n_ips;
  GArray *matches; /* of FzDnsMatch; fz_dns_stub_get_matches */
  uint64_t as_of;  /* the resources that matches are made from */
} FzDnsDomain;

typedef struct {
  FzUuid resource_id;
  FzIpStack ip_stack;
} FzDnsMatch;

typedef struct FzDnsStub FzDnsStub;

FzDnsStub *fz_dns_stub_new (void);
void fz_dns_stub_free (FzDnsStub *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsStub, fz_dns_stub_free)

/* False if the pattern is none: the resource never matches. */
bool fz_dns_stub_add_resource (FzDnsStub *self, const FzResource *resource);
void fz_dns_stub_remove_resource (FzDnsStub *self, const FzUuid *resource_id);

typedef enum {
  FZ_DNS_STUB_ANSWER,  /* here it is */
  FZ_DNS_STUB_RECURSE, /* not ours: ask a resolver */
  FZ_DNS_STUB_SITE,    /* ask a resolver in the site of the resource */
} FzDnsStubKind;

typedef struct {
  FzDnsStubKind kind;
  FzDnsAnswer answer;        /* FZ_DNS_STUB_ANSWER */
  const FzDnsDomain *domain; /* FZ_DNS_STUB_ANSWER: whose addresses were asked for, NULL: none */
  FzUuid resource_id;        /* FZ_DNS_STUB_SITE */
  bool is_exhausted;         /* the answer is a failure: FZ_DNS_DOMAINS_MAX names have addresses */
} FzDnsStubResult;

/* What @result points to lives until the next call with a query. */
void fz_dns_stub_handle (FzDnsStub *self, const FzDnsQuery *query, FzDnsStubResult *result);

const FzDnsDomain *fz_dns_stub_find (const FzDnsStub *self, const char *name);
const FzDnsDomain *fz_dns_stub_find_by_ip (const FzDnsStub *self, const FzIp *ip);
size_t fz_dns_stub_get_n_domains (const FzDnsStub *self);

/* The resources that @domain belongs to now, most specific pattern first, then higher id. */
const FzDnsMatch *
fz_dns_stub_get_matches (FzDnsStub *self, const FzDnsDomain *domain, size_t *out_n);

/* Whether the resource has addresses of @ip's family. */
bool fz_dns_match_has_family (const FzDnsMatch *match, FzIpFamily family);
