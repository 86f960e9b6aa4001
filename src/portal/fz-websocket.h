/* fz-websocket.h
 *
 * One connection to the portal: dial, upgrade, frames, end. libsoup speaks the
 * websocket protocol; the way there is our own, for libsoup's session would add
 * headers, follow redirects and keep a refusal's body to itself. On the default
 * main context.
 */
#pragma once

#include "src/portal/fz-dial.h"
#include "src/portal/fz-upgrade.h"

#include <glib.h>

typedef struct {
  FzDialConfig dial;
  FzUpgradeRequest request; /* copied for the time it is needed, then wiped */
} FzWebsocketConfig;

/* Any of them may drop or abandon the websocket. After on_refused and on_lost nothing follows. */
typedef struct {
  void (*on_open) (gpointer user_data);
  void (*on_refused) (const FzChannelRefusal *refusal, gpointer user_data);
  void (*on_text) (const char *text, size_t length, gpointer user_data);
  void (*on_binary) (gpointer user_data);
  void (*on_lost) (const char *why, gpointer user_data);
} FzWebsocketCallbacks;

typedef struct FzWebsocket FzWebsocket;

FzWebsocket *fz_websocket_open (const FzWebsocketConfig *config,
                                const FzWebsocketCallbacks *callbacks,
                                gpointer user_data);

void fz_websocket_send (FzWebsocket *self, const char *text); /* once open */
void fz_websocket_close (FzWebsocket *self);                  /* code 1000; on_lost follows */

/* Closes gracefully in the background and frees itself; no callback any more. */
void fz_websocket_abandon (FzWebsocket *self);

/* At once and without ceremony. */
void fz_websocket_drop (FzWebsocket *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzWebsocket, fz_websocket_drop)
