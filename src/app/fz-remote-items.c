/* fz-remote-items.c: see fz-remote-items.h */
#include "src/app/fz-remote-items.h"

/* -- resources -- */

enum {
  R_ID,
  R_NAME,
  R_KIND,
  R_ADDRESS,
  R_ADDRESS_NOTE,
  R_SITES,
  R_STATE,
  R_GATEWAY,
  R_RTT,
  R_LAST_ACTIVITY,
  R_TX_BYTES,
  R_RX_BYTES,
  R_FAVOURITE,
  R_N,
};

struct _FzResourceItem {
  FzRemoteObject parent_instance;
};

G_DEFINE_FINAL_TYPE (FzResourceItem, fz_resource_item, FZ_TYPE_REMOTE_OBJECT)

static void
fz_resource_item_class_init (FzResourceItemClass *klass)
{
  static FzRemoteField fields[R_N] = {
    [R_ID] = { "Id", "id", G_TYPE_STRING },
    [R_NAME] = { "Name", "name", G_TYPE_STRING },
    [R_KIND] = { "Kind", "kind", G_TYPE_STRING },
    [R_ADDRESS] = { "Address", "address", G_TYPE_STRING },
    [R_ADDRESS_NOTE] = { "AddressNote", "address-note", G_TYPE_STRING },
    [R_SITES] = { "Sites", "sites", 0 }, /* G_TYPE_STRV is no constant */
    [R_STATE] = { "State", "state", G_TYPE_STRING },
    [R_GATEWAY] = { "Gateway", "gateway", G_TYPE_STRING },
    [R_RTT] = { "Rtt", "rtt", G_TYPE_UINT },
    [R_LAST_ACTIVITY] = { "LastActivity", "last-activity", G_TYPE_UINT64 },
    [R_TX_BYTES] = { "TxBytes", "tx-bytes", G_TYPE_UINT64 },
    [R_RX_BYTES] = { "RxBytes", "rx-bytes", G_TYPE_UINT64 },
    [R_FAVOURITE] = { NULL, "favourite", G_TYPE_BOOLEAN },
  };

  fields[R_SITES].type = G_TYPE_STRV;
  fz_remote_object_class_describe (FZ_REMOTE_OBJECT_CLASS (klass), fields, R_N);
}

static void
fz_resource_item_init (FzResourceItem *self)
{
}

const char *
fz_resource_item_get_id (FzResourceItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_ID);
}

const char *
fz_resource_item_get_name (FzResourceItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_NAME);
}

const char *
fz_resource_item_get_kind (FzResourceItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_KIND);
}

const char *
fz_resource_item_get_address (FzResourceItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_ADDRESS);
}

const char *
fz_resource_item_get_address_note (FzResourceItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_ADDRESS_NOTE);
}

const char *const *
fz_resource_item_get_sites (FzResourceItem *self)
{
  return fz_remote_object_get_texts (FZ_REMOTE_OBJECT (self), R_SITES);
}

FzResourceState
fz_resource_item_get_state (FzResourceItem *self)
{
  static const char *const words[] = {
    [FZ_RESOURCE_IDLE] = "idle",       [FZ_RESOURCE_CONNECTING] = "connecting",
    [FZ_RESOURCE_DIRECT] = "direct",   [FZ_RESOURCE_RELAYED] = "relayed",
    [FZ_RESOURCE_OFFLINE] = "offline", [FZ_RESOURCE_DENIED] = "denied",
  };
  const char *word = fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_STATE);

  for (size_t i = FZ_RESOURCE_IDLE; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (word, words[i]))
      return (FzResourceState) i;
  return FZ_RESOURCE_UNKNOWN;
}

const char *
fz_resource_item_get_gateway (FzResourceItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), R_GATEWAY);
}

uint32_t
fz_resource_item_get_rtt_us (FzResourceItem *self)
{
  return (uint32_t) fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), R_RTT);
}

uint64_t
fz_resource_item_get_last_activity (FzResourceItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), R_LAST_ACTIVITY);
}

uint64_t
fz_resource_item_get_tx_bytes (FzResourceItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), R_TX_BYTES);
}

uint64_t
fz_resource_item_get_rx_bytes (FzResourceItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), R_RX_BYTES);
}

bool
fz_resource_item_is_internet (FzResourceItem *self)
{
  return g_str_equal (fz_resource_item_get_kind (self), "internet");
}

bool
fz_resource_item_is_favourite (FzResourceItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), R_FAVOURITE) != 0;
}

void
fz_resource_item_set_favourite (FzResourceItem *self, bool is_favourite)
{
  fz_remote_object_set_number (FZ_REMOTE_OBJECT (self), R_FAVOURITE, is_favourite);
}

/* -- gateways -- */

enum {
  G_ID,
  G_SITE,
  G_PATH,
  G_LOCAL,
  G_REMOTE,
  G_RELAY,
  G_RTT,
  G_HANDSHAKE,
  G_TX_BYTES,
  G_RX_BYTES,
  G_N
};

struct _FzGatewayItem {
  FzRemoteObject parent_instance;
};

G_DEFINE_FINAL_TYPE (FzGatewayItem, fz_gateway_item, FZ_TYPE_REMOTE_OBJECT)

static void
fz_gateway_item_class_init (FzGatewayItemClass *klass)
{
  static const FzRemoteField fields[G_N] = {
    [G_ID] = { "Id", "id", G_TYPE_STRING },
    [G_SITE] = { "Site", "site", G_TYPE_STRING },
    [G_PATH] = { "Path", "path", G_TYPE_STRING },
    [G_LOCAL] = { "LocalCandidate", "local-candidate", G_TYPE_STRING },
    [G_REMOTE] = { "RemoteCandidate", "remote-candidate", G_TYPE_STRING },
    [G_RELAY] = { "Relay", "relay", G_TYPE_STRING },
    [G_RTT] = { "Rtt", "rtt", G_TYPE_UINT },
    [G_HANDSHAKE] = { "LastHandshake", "last-handshake", G_TYPE_UINT64 },
    [G_TX_BYTES] = { "TxBytes", "tx-bytes", G_TYPE_UINT64 },
    [G_RX_BYTES] = { "RxBytes", "rx-bytes", G_TYPE_UINT64 },
  };

  fz_remote_object_class_describe (FZ_REMOTE_OBJECT_CLASS (klass), fields, G_N);
}

static void
fz_gateway_item_init (FzGatewayItem *self)
{
}

const char *
fz_gateway_item_get_site (FzGatewayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), G_SITE);
}

const char *
fz_gateway_item_get_path (FzGatewayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), G_PATH);
}

const char *
fz_gateway_item_get_local_candidate (FzGatewayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), G_LOCAL);
}

const char *
fz_gateway_item_get_remote_candidate (FzGatewayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), G_REMOTE);
}

const char *
fz_gateway_item_get_relay (FzGatewayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), G_RELAY);
}

uint32_t
fz_gateway_item_get_rtt_us (FzGatewayItem *self)
{
  return (uint32_t) fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), G_RTT);
}

uint64_t
fz_gateway_item_get_last_handshake (FzGatewayItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), G_HANDSHAKE);
}

uint64_t
fz_gateway_item_get_tx_bytes (FzGatewayItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), G_TX_BYTES);
}

uint64_t
fz_gateway_item_get_rx_bytes (FzGatewayItem *self)
{
  return fz_remote_object_get_number (FZ_REMOTE_OBJECT (self), G_RX_BYTES);
}

/* -- relays -- */

enum { Y_ADDRESS, Y_STATE, Y_RTT, Y_N };

struct _FzRelayItem {
  FzRemoteObject parent_instance;
};

G_DEFINE_FINAL_TYPE (FzRelayItem, fz_relay_item, FZ_TYPE_REMOTE_OBJECT)

static void
fz_relay_item_class_init (FzRelayItemClass *klass)
{
  static const FzRemoteField fields[Y_N] = {
    [Y_ADDRESS] = { "Address", "address", G_TYPE_STRING },
    [Y_STATE] = { "State", "state", G_TYPE_STRING },
    [Y_RTT] = { "Rtt", "rtt", G_TYPE_UINT },
  };

  fz_remote_object_class_describe (FZ_REMOTE_OBJECT_CLASS (klass), fields, Y_N);
}

static void
fz_relay_item_init (FzRelayItem *self)
{
}

const char *
fz_relay_item_get_address (FzRelayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), Y_ADDRESS);
}

const char *
fz_relay_item_get_state (FzRelayItem *self)
{
  return fz_remote_object_get_text (FZ_REMOTE_OBJECT (self), Y_STATE);
}
