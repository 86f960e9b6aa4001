/* fz-linux-dns-bus-watch.h
 *
 * What every way of setting DNS through a service on the bus has to notice, for
 * one backend: that the service was started again (a new owner of its name knows
 * nothing of us), that it says its properties have changed, and that resolv.conf
 * names it no more. Each is told to the backend's control, which looks at what is in force; what
 * the service said is also a reason to read the upstreams again, shortly, once for a burst.
 *
 *   new owner ───────┬──► fz_dns_control_note_change()
 *   PropertiesChanged┤
 *   resolv.conf ─────┘
 *   the first two, fz_dns_bus_watch_read() ──► read(): an earlier reading's calls are cancelled
 *
 * Owned by the backend; from the main loop, never from within a call.
 */
#pragma once

#include "platform/linux/fz-linux-dns-private.h"

typedef struct FzDnsBusWatch FzDnsBusWatch;

typedef struct {
  FzDnsBackend *backend; /* borrowed */
  GDBusConnection *bus;  /* NULL: there is none, and nothing will ever happen */
  const char *name;      /* of the service; static */
  const char *path;      /* of the object whose properties count; NULL: of any of the service's */
  const char *etc;       /* whose resolv.conf counts; NULL: it may name anybody */

  /**
   * read:
   * @service: for the calls of this reading; valid until the next one or the watch's end, and no
   *   reply comes after that
   *
   * Starts to ask for the upstreams, to end in fz_dns_control_take_upstreams().
   */
  void (*read) (FzDnsBackend *backend, const FzDnsService *service);
} FzDnsBusWatchConfig;

FzDnsBusWatch *fz_dns_bus_watch_new (const FzDnsBusWatchConfig *config);
void fz_dns_bus_watch_free (FzDnsBusWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsBusWatch, fz_dns_bus_watch_free)

/* Calls read() from the next turn of the main loop. */
void fz_dns_bus_watch_read (FzDnsBusWatch *self);
