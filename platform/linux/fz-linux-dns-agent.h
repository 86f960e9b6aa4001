/* fz-linux-dns-agent.h
 *
 * Our end of the connection to firezone-client-resolv, which writes below /etc
 * for a service that may not. The connection is the loan: closing it, or our
 * death, gives everything back.
 */
#pragma once

#include "platform/linux/fz-resolv-request.h"

#define FZ_DNS_AGENT_SOCKET "/run/dev.firezone.client.resolv"

typedef struct FzDnsAgent FzDnsAgent;

/* @error: NULL: done. From the main loop. */
typedef void (*FzDnsAgentFunc) (const GError *error, gpointer user_data);

/* @on_lost: the program has ended, and with it what it had set; not called for our own closing. */
FzDnsAgent *fz_dns_agent_new (void (*on_lost) (gpointer user_data), gpointer user_data);
void fz_dns_agent_free (FzDnsAgent *self); /* closes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsAgent, fz_dns_agent_free)

/* Whether the loan stands. */
bool fz_dns_agent_is_open (const FzDnsAgent *self);

/* Connects where needed, asks, and answers by @func; a later one replaces an earlier one, whose
 * function is not called any more. */
void fz_dns_agent_ask (FzDnsAgent *self,
                       const FzResolvRequest *request,
                       FzDnsAgentFunc func,
                       gpointer user_data);

/* Gives everything back. @waits: until it has happened, in two seconds. */
void fz_dns_agent_close (FzDnsAgent *self, bool waits);
