/* fz-model.h
 *
 * The nouns that portal and engine share: interface, resource, relay,
 * credentials (portal-protocol.md §4), as plain borrowed values. Whoever passes
 * one keeps the memory; the engine copies what it keeps.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-uuid.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  FzIp ipv4; /* tunnel addresses, both always present */
  FzIp ipv6;
  const FzIp *upstream_do53; /* port 53 */
  size_t n_upstream_do53;
  const char *const *upstream_doh; /* https URLs */
  size_t n_upstream_doh;
  const char *search_domain; /* NULL: none */
} FzInterface;

typedef enum {
  FZ_RESOURCE_CIDR,
  FZ_RESOURCE_DNS,      /* names by a pattern, reached through proxy addresses */
  FZ_RESOURCE_INTERNET, /* everything else, where the user has switched it on */
} FzResourceKind;

/* Of which families a DNS resource has addresses. */
typedef enum {
  FZ_IP_STACK_DUAL,
  FZ_IP_STACK_IPV4_ONLY,
  FZ_IP_STACK_IPV6_ONLY,
} FzIpStack;

typedef struct {
  FzUuid id;
  const char *name;
} FzSite;

typedef struct {
  FzResourceKind kind;
  FzUuid id;
  const char *name;
  const char *description; /* NULL: none */
  FzIpNetwork network;     /* FZ_RESOURCE_CIDR */
  const char *pattern;     /* FZ_RESOURCE_DNS */
  FzIpStack ip_stack;      /* FZ_RESOURCE_DNS; client only */
  const FzFilter *filters;
  size_t n_filters;
  const FzSite *sites; /* client only */
  size_t n_sites;
} FzResource;

/* A DNS server that the client plays inside the tunnel, on port 53, and whom it asks about names
 * that are none of ours (tunnel.md §4.1). */
typedef struct {
  FzIp ip;
  FzIp upstream;       /* FZ_IP_NONE: doh_url */
  const char *doh_url; /* NULL: upstream */
} FzSentinel;

typedef struct {
  FzUuid id;
  FzSocketAddress ipv4; /* family FZ_IP_NONE if it has none */
  FzSocketAddress ipv6;
  const char *username;
  const char *password;
  uint64_t expires_at; /* unix seconds */
} FzRelay;

typedef struct {
  const char *username; /* ICE user fragment */
  const char *password;
} FzIceCredentials;

typedef struct {
  FzUuid client_id;
  FzUuid resource_id;
  uint64_t expires_at; /* unix seconds */
} FzGrant;
