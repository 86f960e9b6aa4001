/* fz-hub-private.h
 *
 * What hub and channels share. Channels are looked up by device id and talk to
 * each other through the functions below only.
 */
#pragma once

#include "src/server/fz-hub.h"
#include "src/server/fz-pending.h"
#include "src/server/fz-socket.h"

typedef struct FzClientChannel FzClientChannel;
typedef struct FzGatewayChannel FzGatewayChannel;

struct FzHub {
  FzStore *store;
  FzLog log;
  FzHubConfig config;
  char *external_url;
  GPtrArray *sockets;   /* FzSocket, all of them, closing ones too; owned */
  GHashTable *clients;  /* device id → FzSocket with a joined client channel */
  GHashTable *gateways; /* device id → FzSocket with a joined gateway channel */
  GHashTable *relays;   /* relay id → FzSocket with a joined relay channel */
  FzRelayTable *relay_table;
  FzPendingTable *pending;
  guint recompute_id;
  guint leftover_id; /* a reconcile that a failing store left undone */
};

FzClientChannel *fz_hub_find_client (FzHub *self, const char *device_id);
FzGatewayChannel *fz_hub_find_gateway (FzHub *self, const char *device_id);

/* Logs trouble with the store, once per occurrence. */
void fz_hub_log_error (FzHub *self, const char *doing, const GError *error);

/* Whether the token that let a peer in is still good; ends the connection if not. */
bool fz_hub_check_token (FzHub *self, FzSocket *socket);

/* The name of a message on this endpoint (§11.1). */
static inline const char *
fz_event_name (const FzSession *session, const char *current, const char *legacy)
{
  return session->is_legacy ? legacy : current;
}

/* -- clients -- */

extern const FzChannelKind fz_client_channel_kind;

/* @revoked: resource ids whose access this client has just lost, or NULL. */
void fz_client_channel_reconcile (FzClientChannel *self, GHashTable *revoked);
void fz_client_channel_relays_changed (FzClientChannel *self);
void fz_client_channel_candidates (FzClientChannel *self,
                                   const char *gateway_id,
                                   const char *const *candidates,
                                   bool is_withdrawal);
/* The gateway has answered, or has not in time. */
void fz_client_channel_authorized (FzClientChannel *self, const FzPending *pending);
void fz_client_channel_timed_out (FzClientChannel *self, const FzPending *pending);

/* -- gateways -- */

extern const FzChannelKind fz_gateway_channel_kind;

typedef struct {
  const FzSession *client;      /* who asks */
  const FzDeviceRecord *device; /* the same, as it is now */
  const FzResourceRecord *resource;
  int64_t expires_at; /* unix seconds */
  const char *preshared_key;
  JsonObject *client_ice;  /* borrowed */
  JsonObject *gateway_ice; /* borrowed */
  bool use_iceless;
  const char *ingest_token;
  const char *ref;
} FzAuthorizationOrder;

const FzSession *fz_gateway_channel_session (const FzGatewayChannel *self);
bool fz_gateway_channel_is_iceless (const FzGatewayChannel *self);
void fz_gateway_channel_authorize (FzGatewayChannel *self, const FzAuthorizationOrder *order);
void
fz_gateway_channel_reject (FzGatewayChannel *self, const char *client_id, const char *resource_id);
void fz_gateway_channel_reconcile (FzGatewayChannel *self);
void fz_gateway_channel_relays_changed (FzGatewayChannel *self);
void fz_gateway_channel_candidates (FzGatewayChannel *self,
                                    const char *client_id,
                                    const char *const *candidates,
                                    bool is_withdrawal);

/* -- relays -- */

extern const FzChannelKind fz_relay_channel_kind;
