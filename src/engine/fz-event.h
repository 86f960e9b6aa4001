/* fz-event.h
 *
 * What the engine says: to the portal, to the host. Pulled with
 * fz_engine_poll_event. What an event points to belongs to the engine and is
 * valid until the next call into it.
 */
#pragma once

#include "src/engine/fz-model.h"

typedef enum {
  /* for the portal */
  FZ_EVENT_REQUEST_AUTHORIZATION, /* client */
  FZ_EVENT_NEW_CANDIDATES,        /* sorted as connectivity.md §3.3 asks */
  FZ_EVENT_INVALIDATED_CANDIDATES,
  FZ_EVENT_AUTHORIZATION_ACCEPTED, /* gateway */
  FZ_EVENT_NO_RELAYS,
  FZ_EVENT_PUBLIC_KEY_CHANGED, /* reconnect to the portal with the new key */

  /* for the host */
  FZ_EVENT_INTERFACE_CHANGED, /* addresses and routes of the TUN */
  FZ_EVENT_RESOURCES_CHANGED, /* client: fz_engine_get_resources */
  FZ_EVENT_PEER_CONNECTED,    /* path and session are up */
  FZ_EVENT_PEER_PATH_CHANGED,
  FZ_EVENT_PEER_DISCONNECTED,
  FZ_EVENT_GATEWAYS_OFFLINE,         /* client: once per resource */
  FZ_EVENT_GATEWAY_VERSION_MISMATCH, /* client: once per resource */
} FzEventKind;

typedef enum {
  FZ_PATH_DIRECT, /* PeerToPeer of connectivity.md §1.4 */
  FZ_PATH_PEER_TO_RELAY,
  FZ_PATH_RELAY_TO_PEER,
  FZ_PATH_RELAY_TO_RELAY,
} FzPathKind;

typedef struct {
  FzEventKind kind;
  union {
    struct {
      FzUuid resource_id;
      const FzUuid *connected_gateway_ids; /* best first */
      size_t n_connected;
    } request_authorization;

    struct {
      FzUuid peer_id;
      const char *const *candidates;
      size_t n_candidates;
    } candidates;

    const char *authorization_ref;

    uint8_t public_key[FZ_KEY_SIZE];

    struct {
      FzInterface interface;
      const FzIpNetwork *routes; /* sorted, no duplicates */
      size_t n_routes;
    } interface_changed;

    struct {
      FzUuid peer_id;
      FzPathKind path;
      FzSocketAddress remote;
    } peer; /* PEER_… */

    FzUuid resource_id; /* GATEWAYS_OFFLINE, GATEWAY_VERSION_MISMATCH */
  };
} FzEvent;
