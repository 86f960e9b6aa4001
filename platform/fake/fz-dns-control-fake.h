/* fz-dns-control-fake.h
 *
 * DNS control of a machine that exists in memory: tests are its other programs,
 * its resolver and its faults. Everything goes through the same state machine as
 * on a real one; answers come from the main loop.
 */
#pragma once

#include "platform/fz-dns-control.h"

/* @config's mode is taken as it is; auto finds FZ_DNS_MODE_RESOLVED and then FZ_DNS_MODE_FILE. */
FzDnsControl *fz_dns_control_fake_new (const FzDnsControlConfig *config);

/* The machine's own resolvers become these. */
void fz_dns_control_fake_set_upstreams (FzDnsControl *self, const FzDnsUpstream *list, size_t n);

/* Another program puts its own servers in the place of ours, or the service of the mode starts
 * anew and has forgotten them. */
void fz_dns_control_fake_overwrite (FzDnsControl *self);

/* The next @n calls to apply fail with @code. */
void fz_dns_control_fake_fail (FzDnsControl *self, unsigned n, FzDnsError code);

/* What a probe hears: true: an address; false: that there is none. */
void fz_dns_control_fake_set_answers (FzDnsControl *self, bool answers);

/* A probe hears nothing at all. */
void fz_dns_control_fake_set_silent (FzDnsControl *self, bool is_silent);

/* What the machine asks now: ours, or none if it asks its own. */
size_t fz_dns_control_fake_get_asked (const FzDnsControl *self, const FzIp **out);
const char *fz_dns_control_fake_get_search_domain (const FzDnsControl *self); /* NULL: none */

/* Calls so far, in words: "detect apply apply revert"; free with g_free. */
char *fz_dns_control_fake_dup_calls (const FzDnsControl *self);
