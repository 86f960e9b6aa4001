/* fz-site-dns.h
 *
 * A gateway's resolver for its clients (tunnel.md §6.9): questions about names of
 * DNS resources that have no proxy address to answer with (SRV, TXT) reach it on
 * the tunnel addresses, port 53535, UDP, and are passed on to the first
 * nameserver of /etc/resolv.conf. Bound to the device: nobody else reaches it.
 * So many questions are under way at a time, shared among the clients (fz-site-shares.h); what
 * finds no place is dropped and counted, and the client's resolver asks again.
 *
 * On the default main context.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-log.h"

#include <glib.h>

#define FZ_SITE_DNS_ANSWER_MAX 1200u /* bytes; longer ones are cut, with TC set */
#define FZ_SITE_DNS_TIMEOUT_S  5u

typedef struct FzSiteDns FzSiteDns;

/* @device: NULL: not bound to one, for tests. @resolv_conf: NULL: /etc/resolv.conf */
FzSiteDns *fz_site_dns_new (const char *device, const char *resolv_conf, const FzLog *log);
void fz_site_dns_free (FzSiteDns *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSiteDns, fz_site_dns_free)

/* Listens there and nowhere else; @port: FZ_SITE_DNS_PORT. What cannot be bound is logged. */
void fz_site_dns_listen (FzSiteDns *self, const FzIp *ips, size_t n_ips, uint16_t port);

typedef struct {
  uint64_t n_asked;   /* passed on */
  uint64_t n_dropped; /* for want of a place, at once or for another client later */
} FzSiteDnsCounts;

FzSiteDnsCounts fz_site_dns_get_counts (const FzSiteDns *self);
