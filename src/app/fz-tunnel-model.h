/* fz-tunnel-model.h
 *
 * What the tunnel service says, for views: one object with the Manager's facts as properties, lists
 * of resources, gateways and relays, and a call for each thing a person can ask for. It knows no
 * widget.
 *
 *            ┌─────────── name gone for 3 s, or activation failed
 *            ▼                       │
 *   STARTING ──► MISSING ──► READY ──┘        SILENT: the name is there, but no answer comes in
 * time; │           ▲  name      ▲             asked again until one does └──────► SILENT
 * ─────────┘
 *
 * One GetManagedObjects is the beginning of truth with each new owner of the name, and signals
 * carry it on; nothing here waits in the main loop, whatever the service does, and five thousand
 * resources are one message. (GDBusObjectManagerClient would ask synchronously when the service
 * restarts, and make one proxy per object.) A change notifies by property; "changed" comes once per
 * turn of the main loop for all of them together, for views that show several at once.
 *
 * Properties beside those below by getter, all read-only, named as in the contract:
 *   version api-minor state state-reason state-detail state-since owner account actor
 * session-expires interface addresses mtu dns-mode dns-servers portal-url portal-state portal-rtt
 * internet-resource features mode log-filter managed
 *
 * Signals: "changed" (); "event" (const char *id, GVariant *details): Manager.Event as it came.
 *
 * Main thread.
 */
#pragma once

#include "src/app/fz-remote-items.h"
#include "src/app/fz-remote-list.h"

#include <gio/gio.h>

#define FZ_TYPE_TUNNEL_MODEL (fz_tunnel_model_get_type ())
G_DECLARE_FINAL_TYPE (FzTunnelModel, fz_tunnel_model, FZ, TUNNEL_MODEL, FzRemoteObject)

typedef enum {
  FZ_HELPER_STARTING, /* asked for, nothing known yet */
  FZ_HELPER_MISSING,  /* nobody owns the name, and nobody could be started */
  FZ_HELPER_SILENT,   /* somebody owns it and does not answer */
  FZ_HELPER_READY,
} FzHelperState;

typedef enum {
  FZ_TUNNEL_UNKNOWN, /* no helper, or a word that this version does not know */
  FZ_TUNNEL_SIGNED_OUT,
  FZ_TUNNEL_OFFLINE,
  FZ_TUNNEL_CONNECTING,
  FZ_TUNNEL_CONNECTED,
  FZ_TUNNEL_DEGRADED,
  FZ_TUNNEL_DISCONNECTING,
  FZ_TUNNEL_ERROR,
} FzTunnelState;

typedef enum {
  FZ_PORTAL_UNKNOWN,
  FZ_PORTAL_OFF,
  FZ_PORTAL_CONNECTING,
  FZ_PORTAL_CONNECTED,
  FZ_PORTAL_RETRYING,
} FzPortalState;

typedef enum {
  FZ_INTERNET_UNAVAILABLE,
  FZ_INTERNET_OFF,
  FZ_INTERNET_ON,
} FzInternetState;

/* @bus: the system bus, or NULL to get it. It begins to look for the service at once. */
FzTunnelModel *fz_tunnel_model_new (GDBusConnection *bus);

FzHelperState fz_tunnel_model_get_helper (FzTunnelModel *self);
/* English, for details and logs: why it is missing or silent. "" if it is not. */
const char *fz_tunnel_model_get_helper_detail (FzTunnelModel *self);
/* Counts the owners of the name so far; a new number is a service that has forgotten the
 * credential. */
unsigned int fz_tunnel_model_get_incarnation (FzTunnelModel *self);
/* Tries to start the service now. */
void fz_tunnel_model_retry (FzTunnelModel *self);

FzTunnelState fz_tunnel_model_get_state (FzTunnelModel *self);
const char *fz_tunnel_model_get_reason (FzTunnelModel *self); /* stable code or "" */
const char *fz_tunnel_model_get_detail (FzTunnelModel *self); /* one English sentence or "" */
uint64_t fz_tunnel_model_get_since (FzTunnelModel *self);     /* wall clock, µs */
uint32_t fz_tunnel_model_get_owner (FzTunnelModel *self);     /* UINT32_MAX: nobody */
bool fz_tunnel_model_is_ours (FzTunnelModel *self);           /* owned by this user */
bool fz_tunnel_model_is_foreign (FzTunnelModel *self);        /* owned by another one */
const char *fz_tunnel_model_get_account (FzTunnelModel *self);
const char *fz_tunnel_model_get_actor (FzTunnelModel *self);
uint64_t fz_tunnel_model_get_session_expires (FzTunnelModel *self); /* wall clock, µs; 0: unknown */
FzPortalState fz_tunnel_model_get_portal_state (FzTunnelModel *self);
const char *fz_tunnel_model_get_portal_url (FzTunnelModel *self);
uint32_t fz_tunnel_model_get_portal_rtt_us (FzTunnelModel *self); /* 0: unknown */
FzInternetState fz_tunnel_model_get_internet (FzTunnelModel *self);
const char *fz_tunnel_model_get_interface (FzTunnelModel *self);
const char *const *fz_tunnel_model_get_addresses (FzTunnelModel *self);
const char *fz_tunnel_model_get_dns_mode (FzTunnelModel *self);
const char *const *fz_tunnel_model_get_dns_servers (FzTunnelModel *self);
const char *fz_tunnel_model_get_mode (FzTunnelModel *self);
const char *fz_tunnel_model_get_version (FzTunnelModel *self);
const char *fz_tunnel_model_get_log_filter (FzTunnelModel *self);
/* What the administrator has fixed @setting ("api-url") to: a new reference or NULL if it is free.
 */
GVariant *fz_tunnel_model_dup_managed (FzTunnelModel *self, const char *setting);

/* (transfer none), the same objects for the model's whole life. */
GListModel *
fz_tunnel_model_get_resources (FzTunnelModel *self);            /* of FzResourceItem, in no order */
GListModel *fz_tunnel_model_get_gateways (FzTunnelModel *self); /* of FzGatewayItem */
GListModel *fz_tunnel_model_get_relays (FzTunnelModel *self);   /* of FzRelayItem */
FzResourceItem *fz_tunnel_model_find_resource (FzTunnelModel *self, const char *id); /* or NULL */
FzGatewayItem *fz_tunnel_model_find_gateway (FzTunnelModel *self, const char *path); /* or NULL */
FzRelayItem *fz_tunnel_model_find_relay (FzTunnelModel *self, const char *path);     /* or NULL */

/* Marks of the person, kept by whoever listens (the settings): ids of resources. */
void fz_tunnel_model_set_favourites (FzTunnelModel *self, const char *const *ids);

/**
 * fz_tunnel_model_call:
 * @method: "Connect", or with its interface in front "Diagnostics.OpenLog"; the Manager's otherwise
 * @arguments: (nullable): a tuple; a floating one is taken
 * @fds: (nullable): descriptors that "h" arguments count into
 *
 * Any method of the contract. The caller may be asked for a password by polkit's agent, so it may
 * take as long as a person does; two minutes at most.
 */
void fz_tunnel_model_call (FzTunnelModel *self,
                           const char *method,
                           GVariant *arguments,
                           GUnixFDList *fds,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data);

/* @out_fds: (out) (optional) (transfer full). NULL with FZ_IPC_ERROR, or an error of GIO. */
GVariant *fz_tunnel_model_call_finish (FzTunnelModel *self,
                                       GAsyncResult *result,
                                       GUnixFDList **out_fds,
                                       GError **error);
