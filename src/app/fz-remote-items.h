/* fz-remote-items.h
 *
 * The things below the service's Manager, one GObject each: resources, gateways, relays. All of
 * them are FzRemoteObjects: bind to their properties or read them by the getters. Who holds one may
 * keep it after it is gone from its list; it then says what was last true.
 */
#pragma once

#include "src/app/fz-remote-object.h"

/* Properties: id name kind address address-note sites(strv) state gateway(path) rtt(uint, µs)
 * last-activity(uint64, µs) tx-bytes rx-bytes(uint64) favourite(boolean). */
#define FZ_TYPE_RESOURCE_ITEM (fz_resource_item_get_type ())
G_DECLARE_FINAL_TYPE (FzResourceItem, fz_resource_item, FZ, RESOURCE_ITEM, FzRemoteObject)

typedef enum {
  FZ_RESOURCE_UNKNOWN, /* a word that this version does not know */
  FZ_RESOURCE_IDLE,
  FZ_RESOURCE_CONNECTING,
  FZ_RESOURCE_DIRECT,
  FZ_RESOURCE_RELAYED,
  FZ_RESOURCE_OFFLINE,
  FZ_RESOURCE_DENIED,
} FzResourceState;

const char *fz_resource_item_get_id (FzResourceItem *self);
const char *fz_resource_item_get_name (FzResourceItem *self);
const char *fz_resource_item_get_kind (FzResourceItem *self); /* cidr ip dns internet pool */
const char *fz_resource_item_get_address (FzResourceItem *self);
const char *fz_resource_item_get_address_note (FzResourceItem *self);
const char *const *fz_resource_item_get_sites (FzResourceItem *self);
FzResourceState fz_resource_item_get_state (FzResourceItem *self);
const char *
fz_resource_item_get_gateway (FzResourceItem *self);         /* object path, "/" or "" for none */
uint32_t fz_resource_item_get_rtt_us (FzResourceItem *self); /* 0: unknown */
uint64_t fz_resource_item_get_last_activity (FzResourceItem *self); /* wall clock, µs; 0: never */
uint64_t fz_resource_item_get_tx_bytes (FzResourceItem *self);
uint64_t fz_resource_item_get_rx_bytes (FzResourceItem *self);
bool fz_resource_item_is_internet (FzResourceItem *self);
bool fz_resource_item_is_favourite (FzResourceItem *self);

/* Only what the item says of itself; fz_tunnel_model_set_favourite() also remembers it. */
void fz_resource_item_set_favourite (FzResourceItem *self, bool is_favourite);

/* Properties: id site path local-candidate remote-candidate relay(path) rtt last-handshake tx-bytes
 * rx-bytes. */
#define FZ_TYPE_GATEWAY_ITEM (fz_gateway_item_get_type ())
G_DECLARE_FINAL_TYPE (FzGatewayItem, fz_gateway_item, FZ, GATEWAY_ITEM, FzRemoteObject)

const char *fz_gateway_item_get_site (FzGatewayItem *self);
const char *fz_gateway_item_get_path (FzGatewayItem *self); /* connecting direct relayed */
const char *fz_gateway_item_get_local_candidate (FzGatewayItem *self);
const char *fz_gateway_item_get_remote_candidate (FzGatewayItem *self);
const char *fz_gateway_item_get_relay (FzGatewayItem *self); /* object path, "/" or "" for none */
uint32_t fz_gateway_item_get_rtt_us (FzGatewayItem *self);
uint64_t fz_gateway_item_get_last_handshake (FzGatewayItem *self);
uint64_t fz_gateway_item_get_tx_bytes (FzGatewayItem *self);
uint64_t fz_gateway_item_get_rx_bytes (FzGatewayItem *self);

/* Properties: address state rtt. */
#define FZ_TYPE_RELAY_ITEM (fz_relay_item_get_type ())
G_DECLARE_FINAL_TYPE (FzRelayItem, fz_relay_item, FZ, RELAY_ITEM, FzRemoteObject)

const char *fz_relay_item_get_address (FzRelayItem *self);
const char *fz_relay_item_get_state (FzRelayItem *self); /* trying ready */
