/* fz-phoenix.h
 *
 * A Phoenix channel that is alive: joins the channel's state machine, a
 * websocket and a timer on the default main context, and keeps reconnecting by
 * itself until it is closed or has failed for good.
 */
#pragma once

#include "src/portal/fz-login-url.h"
#include "src/portal/fz-phoenix-channel.h"
#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-token.h"

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct {
  FzPhoenixChannelConfig channel;
  const FzLoginUrl *url;  /* borrowed, outlives the phoenix */
  const FzToken *token;   /* likewise; NULL: none is sent */
  const char *user_agent; /* copied */
  uint32_t mark;          /* SO_MARK of the sockets; 0: none */
  unsigned speed;         /* tests: the channel's clock runs this much faster; 0: real time */
} FzPhoenixConfig;

/* Called from the main loop. Each may send, connect, close or free. */
typedef struct {
  void (*on_connected) (gpointer user_data);
  void (*on_disconnected) (FzPortalRefusal refusal,
                           const char *why,
                           uint64_t retry_in_ns,
                           gpointer user_data);
  void (*on_message) (const char *event, JsonNode *payload, gpointer user_data);
  void (*on_failed) (const GError *error, gpointer user_data); /* FZ_PORTAL_ERROR, fatal */
  void (*on_closed) (gpointer user_data);                      /* after fz_phoenix_close */
} FzPhoenixCallbacks;

typedef struct FzPhoenix FzPhoenix;

FzPhoenix *fz_phoenix_new (const FzPhoenixConfig *config,
                           const FzPhoenixCallbacks *callbacks,
                           gpointer user_data);
void fz_phoenix_free (FzPhoenix *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPhoenix, fz_phoenix_free)

/* Starts, or drops what there is and starts anew at once, presenting @public_key from now on. */
void fz_phoenix_connect (FzPhoenix *self, const uint8_t public_key[FZ_KEY_SIZE]);
void fz_phoenix_close (FzPhoenix *self);

/* @payload: JSON text. Dropped while not connected (portal-protocol.md §3.8). */
void fz_phoenix_send (FzPhoenix *self, const char *event, const char *payload);

bool fz_phoenix_is_joined (const FzPhoenix *self);
/* Whom to ask for the portal's name from the next connection on; none: as the system does. */
void fz_phoenix_set_resolvers (FzPhoenix *self, const FzSocketAddress *resolvers, size_t n);
uint64_t fz_phoenix_get_rtt_ns (const FzPhoenix *self); /* 0: unknown */
