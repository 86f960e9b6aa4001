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
  FZ_EVENT_ADDRESS_TAKEN,     /* a relay serves somebody else at our address: take another port, and
                                 then FZ_COMMAND_PORT_CHANGED */
  FZ_EVENT_INTERFACE_CHANGED, /* addresses and routes of the TUN */
  FZ_EVENT_RESOURCES_CHANGED, /* client: fz_engine_get_resources */
  FZ_EVENT_PEER_CONNECTED,    /* path and session are up */
  FZ_EVENT_PEER_PATH_CHANGED,
  FZ_EVENT_PEER_DISCONNECTED,
  FZ_EVENT_GATEWAYS_OFFLINE,         /* client: once per resource */
  FZ_EVENT_GATEWAY_VERSION_MISMATCH, /* client: once per resource */
  FZ_EVENT_ACCESS_DENIED,            /* client: once until access is given */
  FZ_EVENT_DNS_QUERY,                /* client: to a resolver, past the tunnel */
  FZ_EVENT_RESOLVE_DOMAIN,           /* gateway: the addresses of a name */
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
      const FzIpNetwork *routes; /* sorted, no duplicates; sentinels and proxies included */
      size_t n_routes;
      const FzSentinel *sentinels; /* client: what the system shall ask, in this order; with none,
                                    * its resolvers stay as they are */
      size_t n_sentinels;
    } interface_changed;

    struct {
      FzUuid peer_id;
      FzPathKind path;
      FzSocketAddress remote;
    } peer; /* PEER_… */

    FzUuid resource_id; /* GATEWAYS_OFFLINE, GATEWAY_VERSION_MISMATCH, ACCESS_DENIED */

    /* Who runs the engine sends @message from a fresh socket that the tunnel's rules let past, and
     * answers with FZ_COMMAND_DNS_ANSWER. After FZ_DNS_QUERY_S the engine does not listen any more.
     */
    struct {
      uint32_t id;
      FzSocketAddress server; /* FZ_IP_NONE: doh_url */
      const char *doh_url;    /* NULL: server */
      bool is_tcp;
      const uint8_t *message; /* without TCP's length in front */
      size_t length;
    } dns_query;

    /* The host answers with FZ_COMMAND_DOMAIN_RESOLVED, within FZ_DNS_RESOLVE_S. */
    struct {
      uint32_t id;
      const char *domain; /* no final dot */
    } resolve_domain;
  };
} FzEvent;
