/* fz-linux-dns-private.h
 *
 * The parts of DNS control on Linux: a machine that finds the mode
 * (fz-linux-dns.c), and one backend for each way. What they share is here.
 */
#pragma once

#include "platform/fz-dns-control-private.h"

#include <gio/gio.h>

/* FZ_DNS_MODE_FILE, _RESOLVCONF and _NONE. */
FzDnsBackend *fz_dns_file_backend_new (FzDnsControl *control, FzDnsMode mode, const char *etc);

/* @bus: NULL: there is none. @is_chosen: by a person who knows why; otherwise @etc's resolv.conf
 * has to name this service, and UNSUPPORTED is the answer when it does not any more. */
FzDnsBackend *fz_dns_resolved_backend_new (FzDnsControl *control,
                                           GDBusConnection *bus,
                                           const char *etc,
                                           bool is_chosen);
FzDnsBackend *fz_dns_network_manager_backend_new (FzDnsControl *control,
                                                  GDBusConnection *bus,
                                                  const char *etc,
                                                  bool is_chosen);

/* -- fz-linux-dns-signs.c -- */

/* Whether programs ask systemd-resolved: by its stub's address, or by the C library's module. */
bool fz_dns_names_resolved (const char *etc);

/* Whether resolv.conf is systemd-resolved's, but lists the servers behind it. Such a file must not
 * be replaced either: resolved takes what stands there instead for the system's servers, and keeps
 * that when its link is back. */
bool fz_dns_bypasses_resolved (const char *etc);

/* Whether NetworkManager, or openresolv, wrote the file. */
bool fz_dns_names_network_manager (const char *etc);
bool fz_dns_names_openresolv (const char *etc);

/* -- fz-linux-dns-bus.c -- */

typedef struct {
  GDBusConnection *bus;
  const char *name;
  GCancellable *cancellable;
} FzDnsService;

/* @reply: NULL with @error set. Not called once the service's cancellable is cancelled. */
typedef void (*FzDnsReplyFunc) (GVariant *reply, const GError *error, gpointer user_data);

/* @args: floating, consumed; @reply_type: "(o)". */
void fz_dns_call (const FzDnsService *service,
                  const char *path,
                  const char *interface,
                  const char *method,
                  GVariant *args,
                  const char *reply_type,
                  FzDnsReplyFunc func,
                  gpointer user_data);

/* A bus error as FZ_DNS_ERROR, with what to do about it. */
GError *fz_dns_error_from_bus (const char *what, const GError *error);
