/* fz-session-dns.h
 *
 * What a session does about DNS: the engine says on which sentinels its stub
 * answers, DNS control lets the machine ask them; DNS control says whom the
 * machine asked before, the engine's stub and the portal's connection go on
 * asking those. After each step a private name is asked for the way any program
 * would, because only that proves it.
 */
#pragma once

#include "platform/fz-dns-control.h"
#include "src/engine/fz-event.h"
#include "src/portal/fz-doh.h"
#include "src/portal/fz-portal.h"
#include "src/runtime/fz-host.h"

typedef struct FzSessionDns FzSessionDns;

typedef struct {
  FzDnsControl *control; /* borrowed, outlives us; its callbacks are ours meanwhile */
  FzHost *host;          /* borrowed */
  FzPortal *portal;      /* borrowed */
  FzDoh *doh;            /* borrowed; NULL: none */
  const char *tun_name;  /* copied */
  FzLog log;
  void (*on_changed) (gpointer user_data); /* (optional) mode, state, servers or problem */
  gpointer user_data;
} FzSessionDnsConfig;

FzSessionDns *fz_session_dns_new (const FzSessionDnsConfig *config);

/* Gives everything back: before the TUN device is closed. */
void fz_session_dns_free (FzSessionDns *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSessionDns, fz_session_dns_free)

/* @event: FZ_EVENT_INTERFACE_CHANGED */
void fz_session_dns_handle_interface (FzSessionDns *self, const FzEvent *event);

/* Answers remembered by the machine may be wrong now. */
void fz_session_dns_handle_resources (FzSessionDns *self);

/* Networks have changed, or the machine slept: all is looked at again. */
void fz_session_dns_check (FzSessionDns *self);

/**
 * fz_session_dns_dup_probe_name:
 * @pattern: of a DNS resource: "app.example", "*.example", "**.example", "host-?.example"
 *
 * Returns: (nullable): a name that it matches; free with g_free
 */
char *fz_session_dns_dup_probe_name (const char *pattern);
