/* fz-messages-private.h
 *
 * Readers of the shared types (portal-protocol.md §4), used by the readers of
 * the client's and the gateway's messages. Results point into the tree and the
 * arena of the context.
 */
#pragma once

#include "src/portal/fz-arena.h"
#include "src/portal/fz-json.h"
#include "src/portal/fz-messages.h"

typedef struct {
  FzJsonReader r;
  FzArena *arena;
  const FzLog *log;
  uint64_t unix_now; /* seconds */
} FzMessageContext;

FzInterface fz_read_interface (FzMessageContext *c, JsonObject *object, const char *member);
FzIceCredentials
fz_read_credentials (FzMessageContext *c, JsonObject *object, const char *what, const char *member);
const FzRelay *fz_read_relays (FzMessageContext *c, JsonArray *array, size_t *out_n);
const FzFilter *fz_read_filters (FzMessageContext *c, JsonArray *array, size_t *out_n);
const FzGrant *fz_read_grants (FzMessageContext *c, JsonArray *array, size_t *out_n);
const FzUuid *fz_read_ids (FzMessageContext *c, JsonArray *array, const char *what, size_t *out_n);

/* New or withdrawn candidates (@kind) of the peer that @peer_member names; elements that are none
 * are left out one by one. Returns: true, there is no other message of this kind */
bool fz_read_candidates (FzMessageContext *c,
                         JsonNode *payload,
                         FzCommandKind kind,
                         const char *peer_member,
                         FzCommand *out);

/* flow_logs is mandatory; nothing of it is kept yet. */
void fz_read_flow_logs (FzMessageContext *c, JsonObject *object, const char *what);

/* A CIDR address as resources have it. */
FzIpNetwork fz_read_network (FzMessageContext *c, JsonObject *object, const char *what);

void fz_read_relays_presence (FzMessageContext *c, JsonNode *payload, FzCommand *out);

/* True: @out is a command; false: ignore the message, unless c->r failed. */
bool
fz_read_client_message (FzMessageContext *c, const char *event, JsonNode *payload, FzCommand *out);
bool
fz_read_gateway_message (FzMessageContext *c, const char *event, JsonNode *payload, FzCommand *out);
