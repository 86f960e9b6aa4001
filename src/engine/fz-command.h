/* fz-command.h
 *
 * What the engine is told: by the portal client (translated from JSON), by the
 * host (network changes, shutdown). Everything a command points to is borrowed
 * for the call.
 */
#pragma once

#include "src/engine/fz-model.h"

typedef enum {
  /* from the portal, both roles */
  FZ_COMMAND_PORTAL_CONNECTED,    /* joined; held-back candidates go out */
  FZ_COMMAND_PORTAL_DISCONNECTED, /* candidates are held back from now on */
  FZ_COMMAND_RELAYS_PRESENCE,
  FZ_COMMAND_ADD_CANDIDATES,
  FZ_COMMAND_INVALIDATE_CANDIDATES,

  /* from the portal, client */
  FZ_COMMAND_CLIENT_INIT,
  FZ_COMMAND_CONFIG_CHANGED,
  FZ_COMMAND_UPSERT_RESOURCE,
  FZ_COMMAND_REMOVE_RESOURCE,
  FZ_COMMAND_AUTHORIZATION_CREATED,
  FZ_COMMAND_AUTHORIZATION_FAILED,

  /* from the portal, gateway */
  FZ_COMMAND_GATEWAY_INIT,
  FZ_COMMAND_CREATE_AUTHORIZATION,
  FZ_COMMAND_REJECT_ACCESS,
  FZ_COMMAND_UPDATE_RESOURCE,

  /* from the host */
  FZ_COMMAND_SET_RESOLVERS,   /* client: whom the system asked before we took over */
  FZ_COMMAND_DNS_ANSWER,      /* client, to FZ_EVENT_DNS_QUERY */
  FZ_COMMAND_DOMAIN_RESOLVED, /* gateway, to FZ_EVENT_RESOLVE_DOMAIN */
  FZ_COMMAND_ADD_BARE_PEER,   /* FZ_ROLE_BARE: a static WireGuard peer */
  FZ_COMMAND_NETWORK_CHANGED,
  FZ_COMMAND_PORT_CHANGED, /* after FZ_EVENT_ADDRESS_TAKEN */
  FZ_COMMAND_SHUT_DOWN,    /* goodbye to every peer; poll the transmits, then free the engine */

  /* from the user, client */
  FZ_COMMAND_SET_INTERNET, /* whether the Internet resource, where there is one, takes everything */
} FzCommandKind;

typedef enum {
  FZ_FAILURE_UNKNOWN,
  FZ_FAILURE_NOT_FOUND,
  FZ_FAILURE_OFFLINE,
  FZ_FAILURE_VERSION_MISMATCH,
  FZ_FAILURE_FORBIDDEN,
  FZ_FAILURE_DISABLED,
} FzFailureReason;

typedef struct {
  FzCommandKind kind;
  union {
    struct {
      const FzUuid *disconnected_ids;
      size_t n_disconnected;
      const FzRelay *connected;
      size_t n_connected;
    } relays_presence;

    struct {
      FzUuid peer_id;
      const char *const *candidates; /* SDP lines without "a=" */
      size_t n_candidates;
    } candidates; /* ADD_CANDIDATES, INVALIDATE_CANDIDATES */

    struct {
      FzInterface interface;
      const FzResource *resources;
      size_t n_resources;
      const FzRelay *relays;
      size_t n_relays;
    } client_init;

    FzInterface config_changed;
    FzResource resource; /* UPSERT_RESOURCE, UPDATE_RESOURCE */
    FzUuid remove_resource;
    bool set_internet;

    struct {
      FzUuid resource_id;
      FzUuid gateway_id;
      FzUuid site_id;
      uint8_t gateway_public_key[FZ_KEY_SIZE];
      FzIp gateway_ipv4;
      FzIp gateway_ipv6;
      uint8_t preshared_key[FZ_KEY_SIZE];
      FzIceCredentials client_ice; /* local */
      FzIceCredentials gateway_ice;
      bool use_iceless;
    } authorization_created;

    struct {
      FzUuid resource_id;
      FzFailureReason reason;
    } authorization_failed;

    struct {
      FzInterface interface;
      const FzRelay *relays;
      size_t n_relays;
      const FzGrant *grants;
      size_t n_grants;
      uint64_t unix_now; /* seconds; ties expires_at to the instants that come with calls */
    } gateway_init;

    struct {
      const char *ref; /* echoed in FZ_EVENT_AUTHORIZATION_ACCEPTED */
      FzResource resource;
      FzUuid client_id;
      uint8_t client_public_key[FZ_KEY_SIZE];
      uint8_t preshared_key[FZ_KEY_SIZE];
      FzIp client_ipv4;
      FzIp client_ipv6;
      FzIceCredentials gateway_ice; /* local */
      FzIceCredentials client_ice;
      uint64_t expires_at; /* unix seconds; UINT64_MAX: never */
      uint64_t unix_now;   /* seconds */
      bool use_iceless;
    } create_authorization;

    struct {
      FzUuid client_id;
      FzUuid resource_id;
    } reject_access;

    struct {
      const FzIp *ips; /* in the order of the system; sentinels and repetitions are left out */
      size_t n_ips;
    } set_resolvers;

    struct {
      uint32_t id; /* of the event */
      const uint8_t *message;
      size_t length; /* 0: the resolver could not be asked */
    } dns_answer;

    struct {
      uint32_t id;     /* of the event */
      const FzIp *ips; /* of either family; none: the name has no address */
      size_t n_ips;
      bool is_failed; /* nobody could say */
    } domain_resolved;

    struct {
      FzUuid id;
      uint8_t public_key[FZ_KEY_SIZE];
      uint8_t preshared_key[FZ_KEY_SIZE]; /* zero: none */
      FzSocketAddress endpoint;           /* family FZ_IP_NONE: wait for the peer */
      const FzIpNetwork *allowed;
      size_t n_allowed;
      uint32_t keepalive_s; /* 0: off */
    } bare_peer;
  };
} FzCommand;
