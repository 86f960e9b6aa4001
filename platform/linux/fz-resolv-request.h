/* fz-resolv-request.h
 *
 * What is asked of whoever may write below /etc: one line, and one line back.
 *
 *   set MODE DOMAIN ADDRESS…    MODE: etc-resolv-conf, resolvconf; DOMAIN: "-" for none
 *   restore
 *   ← ok
 *   ← failed CODE TEXT          CODE: a number of FzDnsError
 *
 * The line crosses from an ordinary user to root, so reading it is strict: only
 * sentinel addresses, only a host name's letters, nothing else on the line. All
 * that an asker can do to a machine is let it ask its own tunnel.
 */
#pragma once

#include "platform/fz-dns-control.h"

#define FZ_RESOLV_REQUEST_MAX 1024u /* bytes with the newline */

typedef struct {
  bool is_restore; /* the rest is unset then */
  FzDnsMode mode;
  FzIp servers[FZ_DNS_SERVERS_MAX];
  size_t n_servers;
  char *search_domain; /* NULL: none */
} FzResolvRequest;

void fz_resolv_request_clear (FzResolvRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzResolvRequest, fz_resolv_request_clear)

/* @line: with its newline. False for anything but a well-formed request; @out is untouched then. */
bool fz_resolv_request_parse (const char *line, FzResolvRequest *out);
char *fz_resolv_request_write (const FzResolvRequest *request);

/* Does it, as far as it is not so already; @out_has_changed: (optional) whether it was not. */
bool fz_resolv_request_run (const FzResolvRequest *request,
                            const char *etc,
                            bool *out_has_changed,
                            GError **error);

/* Whether what it asks for is so; reading needs no rights. */
bool fz_resolv_request_is_done (const FzResolvRequest *request, const char *etc);

char *fz_resolv_reply_write (const GError *error);             /* NULL: ok */
bool fz_resolv_reply_parse (const char *line, GError **error); /* false with what it says */
