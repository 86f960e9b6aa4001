/* fz-authorization.h
 *
 * Letting a client in, once it is decided that it may be: a gateway is chosen,
 * the grant noted, secrets derived, the gateway told, and the client's answer
 * put aside until the gateway has said that it is ready (portal-protocol.md
 * §8.5).
 */
#pragma once

#include "src/server/fz-hub-private.h"

typedef struct {
  const FzSession *client;
  const FzDeviceRecord *device; /* the client as it is now */
  const FzAccount *account;
  const FzEntitlement *entitlement; /* the policy that allows it, with its resource */
  int64_t expires_at;               /* unix seconds */
  const char *const *connected;     /* gateways the client knows, best first; or NULL */
  bool is_iceless;                  /* whether the client can do without ICE */
} FzAuthorizationRequest;

typedef enum {
  FZ_AUTHORIZATION_ORDERED,
  FZ_AUTHORIZATION_OFFLINE,          /* no gateway of the site is connected */
  FZ_AUTHORIZATION_VERSION_MISMATCH, /* some are, but none goes with this client */
  FZ_AUTHORIZATION_FAILED,           /* our store failed; logged */
} FzAuthorizationResult;

FzAuthorizationResult fz_authorization_order (FzHub *hub, const FzAuthorizationRequest *request);
