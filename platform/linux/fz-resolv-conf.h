/* fz-resolv-conf.h
 *
 * resolv.conf as a format (resolv.conf(5)): who wrote it, whom it names, and the
 * one that we write. Texts in, texts out; files are fz-resolv-file.h's.
 */
#pragma once

#include "platform/fz-dns-control-private.h"

/* The first line of ours, and the name of what stood there before. Not those of other Firezone
 * clients: each undoes its own. */
#define FZ_RESOLV_CONF_MARKER  "# BEGIN Firezone in C: DNS configuration"
#define FZ_RESOLV_CONF_BACKUP  "resolv.conf.before-firezone-c"
#define FZ_RESOLV_CONF_NOTHING "# There was no file before."

typedef enum {
  FZ_RESOLV_AUTHOR_OTHER, /* a person, DHCP, an installer */
  FZ_RESOLV_AUTHOR_OURS,
  FZ_RESOLV_AUTHOR_RESOLVED, /* names systemd-resolved's stub */
  FZ_RESOLV_AUTHOR_NETWORK_MANAGER,
  FZ_RESOLV_AUTHOR_OPENRESOLV,
} FzResolvAuthor;

FzResolvAuthor fz_resolv_conf_get_author (const char *text);

/* Adds its nameservers, in order. A zone becomes the interface of that name; what cannot be read is
 * left out, as the C library does. */
void fz_resolv_conf_read_upstreams (const char *text, GArray *upstreams);

/**
 * fz_resolv_conf_compose:
 * @original: what stood there before; NULL: nothing did
 * @search_domain: (nullable) comes before those of @original
 *
 * Keeps the options and search domains of @original, replaces its nameservers.
 */
char *fz_resolv_conf_compose (const char *original,
                              const FzIp *servers,
                              size_t n_servers,
                              const char *search_domain);

/* Letters, digits, hyphens, underscores and dots, as a host name has them; nothing that could end
 * a line or a word. */
bool fz_resolv_conf_is_domain (const char *text);
