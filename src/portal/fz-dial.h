/* fz-dial.h
 *
 * From a host name to a connected stream: resolve (a literal address needs no
 * resolver), try all addresses at once, take the first that answers, then TLS
 * with the system's trust store (portal-protocol.md §3.3, §3.4). On the default
 * main context; the resolver's thread is GIO's own.
 *
 * The sockets carry the tunnel's mark, so that our own rules never send the
 * portal's connection into the tunnel. Without CAP_NET_ADMIN there is neither
 * mark nor tunnel.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-log.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_DIAL_CONNECT_S 5u /* TCP phase, all addresses together */

typedef struct {
  const char *host; /* name or address, without brackets */
  uint16_t port;
  bool uses_tls;
  uint32_t mark;                    /* SO_MARK; 0: none */
  const FzSocketAddress *resolvers; /* copied: who is asked for @host; NULL: as the system does */
  size_t n_resolvers;
  FzLog log;
} FzDialConfig;

typedef struct FzDial FzDial;

/* @stream: keep a reference, NULL with @error set. Called once, never from fz_dial_start. */
typedef void (*FzDialFunc) (GIOStream *stream, const GError *error, gpointer user_data);

FzDial *fz_dial_start (const FzDialConfig *config, FzDialFunc func, gpointer user_data);

/* Ends it at any moment, also after the callback; the callback is not called any more. */
void fz_dial_free (FzDial *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDial, fz_dial_free)
