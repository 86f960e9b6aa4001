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
  FZ_RESOURCE_DNS,      /* listed, not yet routed */
  FZ_RESOURCE_INTERNET, /* listed, not yet routed */
} FzResourceKind;

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
  const FzFilter *filters;
  size_t n_filters;
  const FzSite *sites; /* client only */
  size_t n_sites;
} FzResource;

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
