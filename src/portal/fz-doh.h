/* fz-doh.h
 *
 * DNS over HTTPS (RFC 8484) for accounts whose resolver is one: carries the
 * engine's questions to it, past the tunnel by the mark on its sockets. The
 * server's own name is looked up by resolvers of our choice, for the machine's
 * may be us (tunnel.md §§4.11, 4.12). libsoup keeps the connections.
 *
 * On the default main context.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-log.h"

#include <glib.h>

#define FZ_DOH_TIMEOUT_S   5u   /* a question, with everything that has to happen first */
#define FZ_DOH_WAITING_MAX 256u /* questions while a server's name is looked up */
#define FZ_DOH_SERVERS_MAX 32u

/* The answer to question @id; @length 0: it failed. From the main loop. */
typedef void (*FzDohFunc) (uint32_t id, const uint8_t *message, size_t length, gpointer user_data);

typedef struct FzDoh FzDoh;

/* @mark: SO_MARK of every socket; 0: none */
FzDoh *fz_doh_new (uint32_t mark, const FzLog *log, FzDohFunc func, gpointer user_data);
void fz_doh_free (FzDoh *self); /* nobody is told of what still runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDoh, fz_doh_free)

/* Who is asked for the servers' names, copied; none: the system. Connections are made anew. */
void fz_doh_set_resolvers (FzDoh *self, const FzSocketAddress *resolvers, size_t n_resolvers);

/* The network has changed: connections are made anew, what runs is forgotten. */
void fz_doh_reset (FzDoh *self);

/* @url: https, without query. @message: with any id; the answer comes with the same. Never calls
 * back before it returns. */
void fz_doh_ask (FzDoh *self, uint32_t id, const char *url, const uint8_t *message, size_t length);
