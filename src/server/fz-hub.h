/* fz-hub.h
 *
 * The living part of the portal: every connected client, gateway and relay, and
 * what each of them has been told. After any change in the store one call brings
 * all of them up to date (portal-protocol.md §8.9).
 *
 * The rule is comparison, not events: each channel remembers what it sent,
 * computes what should be there now, and pushes the difference. What cannot be
 * seen that way, access that has been taken away, the store keeps as
 * revocations. So no command can forget to announce what it did.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/server/fz-relay-table.h"
#include "src/server/fz-session.h"
#include "src/server/fz-store.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

typedef struct FzHub FzHub;

typedef struct {
  FzLog log;
  const char *external_url;       /* what peers are told as API URL; copied */
  unsigned peer_idle_s;           /* silence of clients and gateways; 37 */
  unsigned relay_idle_s;          /* 41 */
  unsigned authorization_wait_ms; /* for a gateway's answer; 15 000 */
  unsigned presence_debounce_ms;  /* 1 000 */
  unsigned recompute_s;           /* conditions that depend on time; 60 */
  unsigned max_sockets;           /* 10 000 */
} FzHubConfig;

/* The values in the comments above, silent, with an URL that leads nowhere. */
FzHubConfig fz_hub_config_default (void);

/* @store outlives the hub. Old revocations are dropped: whoever connects is told everything. */
FzHub *fz_hub_new (FzStore *store, const FzHubConfig *config, GError **error);
void fz_hub_free (FzHub *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHub, fz_hub_free)

/* A relay from the command line rather than the database; texts are copied. */
void fz_hub_add_relay (FzHub *self, const FzRelay *relay);

bool fz_hub_is_full (const FzHub *self);
bool fz_hub_is_gateway_connected (const char *gateway_id, void *hub);

/* An upgraded connection; takes @session. */
void fz_hub_accept (FzHub *self, SoupWebsocketConnection *connection, FzSession *session);

/* Brings everybody up to date; call it after every change in the store. */
void fz_hub_reconcile (FzHub *self);

/* The same from the main loop, for a caller whose own channel is not complete yet. */
void fz_hub_reconcile_soon (FzHub *self);

/* Says goodbye to all peers; they will come back to whoever listens then. */
void fz_hub_close_all (FzHub *self);

bool fz_hub_is_online (FzHub *self, const char *device_id);

/* {"clients":n,"gateways":n,"relays":n,"pending":n} */
JsonObject *fz_hub_describe (FzHub *self);

/* Relays that are online and not from the database: objects like those of the store's list. */
JsonArray *fz_hub_list_relays (FzHub *self);
