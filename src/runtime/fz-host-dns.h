/* fz-host-dns.h
 *
 * What a host does for its engine's DNS, by role: a client's questions are carried past the
 * tunnel (fz-dns-carrier), a gateway's names are looked up (fz-name-lookup) and its clients'
 * questions for the site's own resolvers are answered on the device (fz-site-dns); a bare peer has
 * nothing of it.
 *
 *   engine ── event ──► FzHostDns ──► the network
 *      ▲                    │
 *      └──── on_command ────┘  an answer, whenever it comes
 *
 * Owned by the host, on its thread. Every function but new takes NULL for one that is not there
 * yet, or not any more.
 */
#pragma once

#include "src/engine/fz-engine.h"
#include "src/runtime/fz-metrics.h"

#include <glib.h>

typedef struct FzHostDns FzHostDns;

typedef struct {
  FzRole role;
  bool is_marked;     /* a client's own questions bear FZ_FWMARK */
  const char *device; /* name of the TUN device */
  FzLog log;

  /* An answer for the engine, valid during the call; the engine may refuse it as too late. Never
   * from within a call of ours. */
  void (*on_command) (const FzCommand *command, gpointer user_data);
  gpointer user_data;
} FzHostDnsConfig;

FzHostDns *fz_host_dns_new (const FzHostDnsConfig *config);
void fz_host_dns_free (FzHostDns *self); /* what is on its way is not answered any more */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHostDns, fz_host_dns_free)

/* Every event of the engine; FZ_EVENT_INTERFACE_CHANGED when the device has its addresses. */
void fz_host_dns_handle_event (FzHostDns *self, const FzEvent *event);

/* The device has been made anew: sockets are bound to it. */
void fz_host_dns_listen_again (FzHostDns *self);

/* The network has changed: questions on their way are forgotten. */
void fz_host_dns_reset (FzHostDns *self);

/* What its parts count. */
void fz_host_dns_add_metrics (const FzHostDns *self, FzMetrics *metrics);
