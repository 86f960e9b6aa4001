/* fz-decision.h
 *
 * May this client reach that resource, until when, and through which gateway
 * (portal-protocol.md §§8.4, 8.5). Pure functions over what the store loaded.
 */
#pragma once

#include "src/base/fz-rng.h"
#include "src/server/fz-condition.h"
#include "src/server/fz-store.h"
#include "src/server/fz-version.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  FzConditionContext conditions;
  int64_t token_expires_at; /* unix seconds */
  FzVersion version;        /* of the client */
} FzDecisionContext;

/**
 * fz_decision_connectable:
 * @entitlements: FzEntitlement, ordered by resource
 *
 * Returns: (element-type FzResourceRecord): borrowed resources at least one of whose
 *   policies holds now, each once, in the order of @entitlements
 */
GPtrArray *fz_decision_connectable (GPtrArray *entitlements, const FzDecisionContext *context);

typedef enum {
  FZ_DECISION_GRANTED,
  FZ_DECISION_NOT_FOUND, /* no policy concerns the resource */
  FZ_DECISION_FORBIDDEN, /* policies do, but none holds */
} FzDecisionResult;

typedef struct {
  FzDecisionResult result;
  const FzEntitlement *entitlement; /* granted: the one that allows it longest; borrowed */
  int64_t expires_at;               /* granted: unix seconds */
  GPtrArray *violated;              /* forbidden: names of properties, each once; owned */
} FzDecision;

void fz_decision_clear (FzDecision *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzDecision, fz_decision_clear)

void fz_decision_make (GPtrArray *entitlements,
                       const char *resource_id,
                       const FzDecisionContext *context,
                       FzDecision *out);

/* -- choosing a gateway -- */

typedef struct {
  const char *id;
  FzVersion version;
} FzGatewayCandidate;

typedef enum {
  FZ_GATEWAY_CHOSEN,
  FZ_GATEWAY_OFFLINE,          /* the site has none online */
  FZ_GATEWAY_VERSION_MISMATCH, /* it has, but none goes with this client */
} FzGatewayChoice;

/**
 * fz_decision_pick_gateway:
 * @candidates: gateways of the resource's site that are online
 * @connected: ids the client has a connection to already, best first, or NULL
 * @out_index: into @candidates
 *
 * Prefers a gateway the client knows, by the client's order; among others any.
 */
FzGatewayChoice fz_decision_pick_gateway (const FzGatewayCandidate *candidates,
                                          size_t n_candidates,
                                          const char *const *connected,
                                          const FzVersion *client,
                                          const FzRng *rng,
                                          size_t *out_index);
